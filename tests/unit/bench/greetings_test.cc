#include "tests/bench/greetings.h"

#include <gtest/gtest.h>

#include "tests/bench/webhooks.h"

namespace flowstack::bench {
namespace {

using Kind = GreetingNews::Kind;

// As the sandbox writes them (services/sandbox/record.cc).
std::string line_of(const std::string& kind, std::size_t customer, std::int64_t at_us,
                    const std::string& more = "", const std::string& number = "2010") {
    return R"({"n":7,"at_us":)" + std::to_string(at_us) + R"(,"kind":")" + kind +
           R"(","provider":"meta","phone_number_id":")" + number + R"(","phone":")" +
           customer_phone(customer).substr(1) + R"(")" + more + "}";
}
std::string status_line(const std::string& what, int http_status) {
    return line_of("webhook_sent", 3, 9,
                   R"(,"what":")" + what + R"(","wamids":["w"],"attempt":1,"http_status":)" +
                       std::to_string(http_status) + R"(,"body":"{\"kind\":\"customer_said\"}")");
}

TEST(Greetings, AreReadFromTheSandboxesRecord) {
    const auto said = read_news(line_of("customer_said", 3, 1000), "2010");
    ASSERT_TRUE(said);
    EXPECT_EQ(said->kind, Kind::said);
    EXPECT_EQ(said->customer, 3u);
    EXPECT_EQ(said->at_us, 1000);
    const auto accepted =
        read_news(line_of("send_accepted", 12'345, 2000, R"(,"to":"x","body":{"a":"b"})"), "2010");
    ASSERT_TRUE(accepted);
    EXPECT_EQ(accepted->kind, Kind::accepted);
    EXPECT_EQ(accepted->customer, 12'345u);
    const auto status = read_news(status_line("status:delivered", 200), "2010");
    ASSERT_TRUE(status);
    EXPECT_EQ(status->kind, Kind::status);
    EXPECT_EQ(status->customer, 3u);
}

TEST(Greetings, OfAnotherNumberAreNobodysNews) {
    EXPECT_FALSE(read_news(line_of("customer_said", 3, 1000, "", "92010"), "2010"));
    EXPECT_FALSE(read_news(line_of("send_accepted", 3, 1000, "", "201"), "2010"));
}

TEST(Greetings, AStatusThatTheShopRefusedIsNotCountedBecauseItComesAgain) {
    EXPECT_FALSE(read_news(status_line("status:read", 503), "2010"));
    EXPECT_FALSE(read_news(status_line("status:read", 0), "2010"));
    EXPECT_FALSE(read_news(status_line("message", 200), "2010"));
}

// Customers 100 and 101, both answered once and with three statuses.
GreetingBooks two_good() {
    GreetingBooks books(100);
    EXPECT_EQ(books.say(0), 100u);
    EXPECT_EQ(books.say(500), 101u);
    books.take({Kind::said, 100, 1'000'000});
    books.take({Kind::said, 101, 1'100'000});
    books.take({Kind::accepted, 100, 1'004'000});
    EXPECT_EQ(books.waiting(), 1u);
    EXPECT_FALSE(books.all_done());
    books.take({Kind::accepted, 101, 1'500'000});
    for (int i = 0; i < 3; ++i)
        for (const std::size_t customer : {100, 101}) {
            EXPECT_FALSE(books.all_done());
            books.take({Kind::status, customer, 1'600'000});
        }
    return books;
}

TEST(Greetings, EachCustomerHasOneAnswerAndThreeStatuses) {
    const auto books = two_good();
    EXPECT_TRUE(books.all_done());
    const auto outcome = books.outcome();
    EXPECT_TRUE(outcome.exact()) << outcome.text();
    EXPECT_EQ(outcome.said, 2u);
    EXPECT_EQ(outcome.answered, 2u);
    EXPECT_EQ(outcome.three_statuses, 2u);
    EXPECT_EQ(outcome.text(), "2 said, 2 answered by 2 sends, 2 with three statuses");
}

TEST(Greetings, TheLoadsOwnLatenessIsPartOfTheLatency) {
    const auto outcome = two_good().outcome();
    EXPECT_DOUBLE_EQ(outcome.latencies.quantile_ms(0), 4);
    EXPECT_DOUBLE_EQ(outcome.latencies.quantile_ms(1), 400.5);
    EXPECT_DOUBLE_EQ(outcome.lag.quantile_ms(1), 0.5);
}

TEST(Greetings, TheRateIsFromTheFirstWordToTheLastAcceptance) {
    // Two in half a second.
    EXPECT_DOUBLE_EQ(two_good().outcome().answered_per_s, 4);
    EXPECT_EQ(GreetingBooks(0).outcome().answered_per_s, 0);
}

TEST(Greetings, NoAnswerIsNotExact) {
    auto books = two_good();
    books.say(0);
    books.take({Kind::said, 102, 2'000'000});
    EXPECT_FALSE(books.all_done());
    const auto outcome = books.outcome();
    EXPECT_FALSE(outcome.exact());
    EXPECT_EQ(outcome.unanswered, 1u);
    EXPECT_NE(outcome.text().find("1 without an answer"), std::string::npos);
}

TEST(Greetings, ASecondAnswerIsNotExactAndNotTheLatency) {
    auto books = two_good();
    books.take({Kind::accepted, 100, 9'000'000});
    const auto outcome = books.outcome();
    EXPECT_FALSE(outcome.exact());
    EXPECT_EQ(outcome.answered_twice, 1u);
    EXPECT_EQ(outcome.sends, 3u);
    EXPECT_DOUBLE_EQ(outcome.latencies.quantile_ms(0), 4);
}

TEST(Greetings, TwoOrFourStatusesAreNotExact) {
    auto books = two_good();
    books.take({Kind::status, 100, 9'000'000});
    EXPECT_FALSE(books.outcome().exact());
    GreetingBooks few(0);
    few.say(0);
    few.take({Kind::said, 0, 1});
    few.take({Kind::accepted, 0, 2});
    few.take({Kind::status, 0, 3});
    few.take({Kind::status, 0, 4});
    EXPECT_FALSE(few.all_done());
    EXPECT_FALSE(few.outcome().exact());
}

TEST(Greetings, ARefusedWebhookIsNotExact) {
    auto outcome = two_good().outcome();
    outcome.refused = 1;
    EXPECT_FALSE(outcome.exact());
}

TEST(Greetings, OfAnEarlierLoadAreNotCounted) {
    auto books = two_good();
    books.take({Kind::accepted, 99, 1});
    books.take({Kind::accepted, 102, 1});
    EXPECT_TRUE(books.outcome().exact());
}

TEST(Greetings, OneFaultyLoadSpoilsTheSumOfAll) {
    Outcome sum;
    sum.count(two_good().outcome());
    EXPECT_TRUE(sum.exact());
    GreetingBooks lost(7);
    lost.say(0);
    sum.count(lost.outcome());
    sum.count(two_good().outcome());
    EXPECT_EQ(sum.said, 5u);
    EXPECT_FALSE(sum.exact());
}

}  // namespace
}  // namespace flowstack::bench
