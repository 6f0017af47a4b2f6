#include "common/observability/log.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <limits>
#include <string>
#include <vector>

#include "common/core/secret.h"
#include "common/observability/trace.h"

namespace flowstack::log {
namespace {

namespace json = boost::json;

static_assert(!std::constructible_from<Value, Secret>);

class Log : public ::testing::Test {
protected:
    Log() {
        configure({"payment", "7", Level::info});
        redirect([this](std::string_view line) { lines_.emplace_back(line); });
    }
    ~Log() override {
        redirect(nullptr);
        configure({});
    }

    // The only line so far, parsed: a line that is no JSON object fails the test.
    json::object line() {
        EXPECT_EQ(lines_.size(), 1U);
        const auto object = json::parse(lines_.at(0)).as_object();
        lines_.clear();
        return object;
    }

    std::vector<std::string> lines_;
};

TEST_F(Log, WritesOneJsonObjectALine) {
    info("push accepted", {{"intent", "i-1"}, {"wait_ms", 30'000}, {"share", 0.5}, {"late", true}});
    const auto object = line();
    EXPECT_EQ(object.at("level"), "info");
    EXPECT_EQ(object.at("service"), "payment");
    EXPECT_EQ(object.at("replica"), "7");
    EXPECT_EQ(object.at("message"), "push accepted");
    EXPECT_EQ(object.at("intent"), "i-1");
    EXPECT_EQ(object.at("wait_ms"), 30'000);
    EXPECT_EQ(object.at("share"), 0.5);
    EXPECT_EQ(object.at("late"), true);
    EXPECT_TRUE(parse_rfc3339(std::string{object.at("time").as_string()}));
    EXPECT_FALSE(object.contains("trace_id"));
}

TEST_F(Log, NamesTheTraceItBelongsTo) {
    const trace::Scope scope{
        *trace::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")};
    warn("slow");
    EXPECT_EQ(line().at("trace_id"), "4bf92f3577b34da6a3ce929d0e0e4736");
}

TEST_F(Log, KeepsQuietBelowItsLevel) {
    configure({"payment", "7", Level::warn});
    info("not this");
    debug("nor this");
    error("this");
    EXPECT_EQ(line().at("message"), "this");
    EXPECT_FALSE(enabled(Level::info));
}

TEST_F(Log, StaysJsonWhateverTheTextHolds) {
    const std::string nasty{"quote \" backslash \\ newline \n nul \0 bad \xff\xc0\xaf tab \t", 48};
    error(nasty, {{"text", nasty},
                  {"good", "Karibu ☺"},
                  {"infinite", std::numeric_limits<double>::infinity()}});
    ASSERT_EQ(lines_.size(), 1U);
    EXPECT_EQ(lines_[0].find('\n'), std::string::npos);
    const auto object = line();
    EXPECT_EQ(object.at("good"), "Karibu ☺");
    EXPECT_TRUE(object.at("infinite").is_null());
}

TEST_F(Log, LetsNoFieldHideWhatEveryLineHas) {
    info("relayed", {{"service", "gateway"}, {"message", "other"}});
    const auto object = line();
    EXPECT_EQ(object.at("service"), "payment");
    EXPECT_EQ(object.at("service_"), "gateway");
    EXPECT_EQ(object.at("message_"), "other");
}

TEST_F(Log, MasksPhoneNumbersThatSlippedIn) {
    info("sent to +254712345678", {{"to", "254712345678"},
                                   {"msisdn", 254712345678},
                                   {"url", "https://wa.me/254712345678?x"}});
    ASSERT_EQ(lines_.size(), 1U);
    EXPECT_EQ(lines_[0].find("254712345678"), std::string::npos);
    EXPECT_EQ(line().at("to"), "2547*****678");
}

TEST_F(Log, LeavesPositionsTimesAndIdsAlone) {
    const auto id = Uuid::parse("018f5a2c-7b3e-7c41-9a55-012345678912");
    info("appended", {{"position", 254'712'345'678},
                      {"due_ms", 1'750'000'000'000},
                      {"event", *id},
                      {"text", "event " + id->text() + " at 1750000000000000"},
                      {"count", 12'345'678}});
    const auto object = line();
    EXPECT_EQ(object.at("position"), 254'712'345'678);
    EXPECT_EQ(object.at("due_ms"), 1'750'000'000'000);
    EXPECT_EQ(object.at("event"), "018f5a2c-7b3e-7c41-9a55-012345678912");
    EXPECT_EQ(object.at("text"), "event 018f5a2c-7b3e-7c41-9a55-012345678912 at 1750000000000000");
    EXPECT_EQ(object.at("count"), 12'345'678);
}

TEST(MaskedPhone, ShowsTheBeginningAndTheEnd) {
    EXPECT_EQ(masked_phone("+254712345678"), "+2547*****678");
    EXPECT_EQ(masked_phone("254712345678"), "2547*****678");
    EXPECT_EQ(masked_phone("0712345678"), "0712***678");
    EXPECT_EQ(masked_phone("+1 (415) 555-0100"), "+1 (415) ***-*100");
    EXPECT_EQ(masked_phone("12345"), "***45");
    EXPECT_EQ(masked_phone(""), "");
}

TEST(WithoutPhones, FindsNumbersThatStandAlone) {
    EXPECT_EQ(without_phones("call +25471234 now"), "call +2*****34 now");
    EXPECT_EQ(without_phones("a 0712345678, b"), "a 0712***678, b");
    EXPECT_EQ(without_phones("{\"to\":\"254712345678\"}"), "{\"to\":\"2547*****678\"}");
    EXPECT_EQ(without_phones("wamid.HBgM254712345678abc"), "wamid.HBgM254712345678abc");
    EXPECT_EQ(without_phones("took 1234567890.25 s"), "took 1234567890.25 s");
    EXPECT_EQ(without_phones("123456789"), "123456789");
}

TEST(LogLevel, IsKnownByName) {
    EXPECT_EQ(parse_level("INFO"), Level::info);
    EXPECT_EQ(parse_level("debug"), Level::debug);
    EXPECT_THROW(parse_level("loud"), std::invalid_argument);
}

TEST(LogToStderr, HasWrittenEverythingAfterAFlush) {
    ::testing::internal::CaptureStderr();
    for (int i = 0; i < 100; ++i) info("line", {{"number", i}});
    flush();
    const auto text = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 100);
    EXPECT_NE(text.find("\"number\":99}\n"), std::string::npos);
}

}  // namespace
}  // namespace flowstack::log
