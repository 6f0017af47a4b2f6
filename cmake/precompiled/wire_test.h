#include "cmake/precompiled/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
