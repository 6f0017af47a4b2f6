#include "common/text/json_string.h"

#include <gtest/gtest.h>

namespace flowstack::text {
namespace {

TEST(JsonString, EscapesWhatJsonMustAndKeepsEverythingElse) {
    EXPECT_EQ(json_string(""), R"("")");
    EXPECT_EQ(json_string("a\"\\\n\r\t\x01\x7f"), R"("a\"\\\n\r\t\u0001\u007f")");
    EXPECT_EQ(json_string("Zawadi 🎁 / caf\xc3\xa9"), "\"Zawadi 🎁 / caf\xc3\xa9\"");
}

TEST(JsonString, ReplacesBytesThatAreNoUtf8SoThatEveryReaderTakesIt) {
    EXPECT_EQ(json_string("a\xff\xe2\x82z"), "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"");
}

}  // namespace
}  // namespace flowstack::text
