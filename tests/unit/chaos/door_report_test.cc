#include "tools/chaos/door_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flowstack::chaos {
namespace {

namespace json = boost::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

json::value answer(int status, const std::string& retry_after = "", std::int64_t took_us = 1000,
                   std::int64_t at_us = 1'000'000) {
    return json::object{{"kind", "webhook_sent"},
                        {"http_status", status},
                        {"retry_after", retry_after},
                        {"took_us", took_us},
                        {"at_us", at_us}};
}

TEST(DoorReport, FindsNothingWhereA503SaysWhenToTryAgain) {
    const auto report = door_report(
        {answer(200), answer(503, "1"), answer(0), json::object{{"kind", "payment_made"}}});
    EXPECT_EQ(report.posts, 3);
    EXPECT_THAT(report.findings(), IsEmpty());
}

TEST(DoorReport, FindsA503WithoutRetryAfter) {
    EXPECT_THAT(door_report({answer(200), answer(503)}).findings(),
                ElementsAre(HasSubstr("1 answers 503 have no Retry-After")));
}

TEST(DoorReport, FindsEveryOther5xx) {
    EXPECT_THAT(door_report({answer(200), answer(500), answer(502), answer(502)}).findings(),
                ElementsAre(HasSubstr("answered 500 1 times"), HasSubstr("answered 502 2 times")));
}

TEST(DoorReport, FindsADoorThatAcceptedNothing) {
    EXPECT_THAT(door_report({answer(503, "1")}).findings(),
                ElementsAre(HasSubstr("accepted no webhook")));
}

TEST(DoorReport, MeasuresAnswersOf200Only) {
    std::vector<json::value> record;
    for (int i = 1; i <= 100; ++i) record.push_back(answer(200, "", i * 1000, i * 100'000));
    record.push_back(answer(503, "1", 9'000'000, 10'100'000));
    const auto report = door_report(record);
    EXPECT_DOUBLE_EQ(report.p50_ms, 50);
    EXPECT_DOUBLE_EQ(report.p99_ms, 99);
    EXPECT_DOUBLE_EQ(report.max_ms, 100);
    EXPECT_DOUBLE_EQ(report.seconds, 10);
    EXPECT_DOUBLE_EQ(report.per_second(), 10.1);
}

}  // namespace
}  // namespace flowstack::chaos
