#include "cmake/precompiled/std.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
