#include <gmock/gmock.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/crypto/encoding.h"
#include "common/eventlog/integrity.h"
#include "common/eventlog/store.h"
#include "common/rpc/error.h"
#include "common/text/width.h"
#include "flowstack/campaign/v1/campaign_events.pb.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/common/v1/log_events.pb.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/gateway/v1/webhook_events.pb.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "tools/flowctl/auditor.h"
#include "tools/flowctl/causes.h"
#include "tools/flowctl/lanes.h"
#include "tools/flowctl/names.h"
#include "tools/flowctl/output.h"
#include "tools/flowctl/payload.h"
#include "tools/stack/logs.h"

namespace flowstack::flowctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// --- Output.

Sheet two_orders() {
    Sheet sheet({{"ORDER"}, {"TOTAL", true}, {"ITEMS", false, true}, {"PLACED (UTC)"}});
    sheet.add({"1", "KES 5.00", "2 × Tea", "2026-11-21 06:00:00"});
    sheet.add({"22", "KES 1,500.00", "a \"good\" coffee,\nground", ""}, R"({"name":"22"})");
    return sheet;
}

std::string written(const Sheet& sheet, Format format, std::size_t width = 0) {
    std::ostringstream out;
    write(out, sheet, format, width);
    return out.str();
}

TEST(Output, ATableIsAlignedAndKeepsToOneLineARow) {
    EXPECT_EQ(written(two_orders(), Format::table),
              "ORDER         TOTAL  ITEMS                    PLACED (UTC)\n"
              "1          KES 5.00  2 × Tea                  2026-11-21 06:00:00\n"
              "22     KES 1,500.00  a \"good\" coffee,⏎ground\n");
}

TEST(Output, ANarrowTerminalCutsTheColumnThatMayBeCut) {
    const auto text = written(two_orders(), Format::table, 54);
    EXPECT_THAT(text, HasSubstr("a \"good\" co…"));
    EXPECT_THAT(text, HasSubstr("2026-11-21 06:00:00"));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(text::columns(line), 54u) << line;
}

TEST(Output, NamesInEveryScriptKeepTheColumnsAligned) {
    Sheet sheet({{"NAME", false, true}, {"ORDERS", true}});
    for (const auto* name : {"Amina", "王小明", "🧕🏽 Zainab", "José", "ســـلام"})
        sheet.add({name, "1"});
    for (const std::size_t width : {0u, 17u}) {
        std::istringstream lines(written(sheet, Format::table, width));
        std::string line;
        ASSERT_TRUE(std::getline(lines, line));
        const auto columns = text::columns(line);
        while (std::getline(lines, line)) EXPECT_EQ(text::columns(line), columns) << line;
    }
    EXPECT_EQ(fitted("王小明王小明", 7), "王小明…");
}

TEST(Output, CsvQuotesWhatMustBeQuotedAndLeavesNothingOut) {
    EXPECT_EQ(written(two_orders(), Format::csv, 20),
              "order,total,items,placed\n"
              "1,KES 5.00,2 × Tea,2026-11-21 06:00:00\n"
              "22,\"KES 1,500.00\",\"a \"\"good\"\" coffee,\nground\",\n");
}

TEST(Output, JsonIsTheResourceItselfWhereThereIsOne) {
    EXPECT_EQ(written(two_orders(), Format::jsonl),
              "{\"order\":\"1\",\"total\":\"KES 5.00\",\"items\":\"2 × Tea\",\"placed\":"
              "\"2026-11-21 06:00:00\"}\n{\"name\":\"22\"}\n");
    EXPECT_EQ(written(Sheet({{"A"}}), Format::json), "[]\n");
    EXPECT_EQ(written(Sheet({{"A"}}), Format::table), "");
}

TEST(Output, TimesAndAmountsAreForPeople) {
    EXPECT_EQ(utc(1'700'000'000'123'456), "2023-11-14 22:13:20.123");
    EXPECT_EQ(utc(1'700'000'000'000'000), "2023-11-14 22:13:20.000");
    EXPECT_EQ(utc(0), "");
    EXPECT_EQ(utc_seconds(1'700'000'000), "2023-11-14 22:13:20");
    EXPECT_EQ(amount_text(150'000, "KES"), "KES 1,500.00");
    EXPECT_EQ(amount_text(2'000, "UGX"), "UGX 2,000");
    EXPECT_EQ(amount_text(7, "XXX"), "XXX 7 minor units");
}

// --- Names.

TEST(Names, AreTakenAsPeopleTypeThem) {
    const auto demo = [] { return std::string("demo"); };
    for (const auto* typed : {"tenants/demo/orders/7", "demo/orders/7", "demo/7", "orders/7", "7"})
        EXPECT_EQ(resource_name(typed, "orders", demo), "tenants/demo/orders/7") << typed;
    EXPECT_EQ(short_id("tenants/demo/orders/7"), "7");
    EXPECT_EQ(tenant_id("tenants/demo"), "demo");
    EXPECT_EQ(tenant_id("demo"), "demo");
}

TEST(Names, OthersAreAnErrorOfTheCaller) {
    const auto demo = [] { return std::string("demo"); };
    for (const auto* typed : {"", "/", "a//b", "tenants/demo/payments/7", "a/b/c/d"})
        EXPECT_THROW(resource_name(typed, "orders", demo), UsageError) << typed;
    EXPECT_THROW(tenant_id("a/b"), UsageError);
}

// --- Exit codes.

int code_of(grpc::StatusCode code) {
    return guarded([&]() -> int {
        throw rpc::Failure(code, common::v1::ERROR_REASON_INTERNAL, "a refusal in a test");
    });
}

TEST(ExitCodes, AreThoseOfTheManual) {
    EXPECT_EQ(guarded([] { return kOk; }), 0);
    EXPECT_EQ(code_of(grpc::INTERNAL), 1);
    EXPECT_EQ(code_of(grpc::INVALID_ARGUMENT), 2);
    EXPECT_EQ(guarded([]() -> int { throw UsageError("which?"); }), 2);
    EXPECT_EQ(guarded([] { return kMismatch; }), 3);
    EXPECT_EQ(code_of(grpc::NOT_FOUND), 4);
    EXPECT_EQ(code_of(grpc::ALREADY_EXISTS), 5);
    EXPECT_EQ(code_of(grpc::FAILED_PRECONDITION), 5);
    EXPECT_EQ(code_of(grpc::PERMISSION_DENIED), 6);
    EXPECT_EQ(code_of(grpc::UNAUTHENTICATED), 6);
    EXPECT_EQ(code_of(grpc::UNAVAILABLE), 7);
    EXPECT_EQ(code_of(grpc::DEADLINE_EXCEEDED), 7);
    EXPECT_EQ(guarded([]() -> int { throw std::runtime_error("a surprise in a test"); }), 1);
}

// --- Payloads.

common::v1::RecordedEvent paid() {
    payment::v1::IntentPaid payload;
    payload.set_intent_id("i-1");
    payload.mutable_amount()->set_minor_units(104'400);
    payload.mutable_amount()->set_currency_code("KES");
    payload.set_receipt("TKLEFK8C1V");
    common::v1::RecordedEvent event;
    event.set_service("payment");
    event.set_lane(1);
    event.set_epoch(1);
    event.set_position(1);
    event.set_tenant("demo");
    event.set_category("intent");
    event.set_key("i-1");
    event.set_version(1);
    event.set_event_id(std::string(16, '\x01'));
    event.set_type(payload.GetTypeName());
    event.set_recorded_at_us(1'700'000'000'000'000);
    event.set_occurred_at_us(1'699'999'999'000'000);
    event.set_command_id("c-1");
    event.mutable_meta()->set_routing_kind("customer");
    event.mutable_meta()->set_routing_key("someone");
    event.set_payload(payload.SerializeAsString());
    return event;
}

TEST(Payload, IsToldInAFewWordsAndWholeAsJson) {
    const auto event = paid();
    EXPECT_EQ(summary(event), "TKLEFK8C1V · KES 1,044.00");
    EXPECT_THAT(event_json(event), HasSubstr(R"("receipt":"TKLEFK8C1V")"));
    EXPECT_EQ(place(event), "payment/1/1");
    EXPECT_EQ(stream(event), "demo/intent/i-1");
}

TEST(Payload, ATurnsStepsAreALineEachWithTheirWords) {
    conversation::v1::DialogueTurn turn;
    auto& spoke = *turn.add_steps()->mutable_customer_spoke();
    spoke.set_kind(conversation::v1::SPOKEN_KIND_TEXT);
    spoke.set_outcome(conversation::v1::SPOKEN_OUTCOME_ANSWERED);
    auto& moved = *turn.add_steps()->mutable_conversation_advanced();
    moved.set_from_state(conversation::v1::CONVERSATION_STATE_NEW_LEAD);
    moved.set_to_state(conversation::v1::CONVERSATION_STATE_ENGAGED);
    turn.add_steps()->set_event_of_its_own(true);
    turn.add_steps()->mutable_variable_captured()->set_name("address");
    turn.add_steps()->mutable_unclear_items_changed()->add_items()->set_quantity(3);
    for (const auto* words : {"Hi", "Moi Avenue", "blorps"})
        turn.mutable_personal()->add_words(words);
    auto event = paid();
    event.set_type(turn.GetTypeName());
    event.set_payload(turn.SerializeAsString());
    const std::vector<std::string> lines{
        "CustomerSpoke: Hi · text · answered", "ConversationAdvanced: new_lead → engaged",
        "VariableCaptured: address · Moi Avenue", "UnclearItemsChanged: blorps"};
    EXPECT_EQ(steps(event), lines);
    EXPECT_EQ(summary(event), lines[0] + " | " + lines[1] + " | " + lines[2] + " | " + lines[3]);
    EXPECT_TRUE(steps(paid()).empty());
    EXPECT_EQ(stack::facts_in(event),
              (std::vector<std::string>{"CustomerSpoke", "ConversationAdvanced", "VariableCaptured",
                                        "UnclearItemsChanged"}));
    EXPECT_EQ(stack::facts_in(paid()), std::vector<std::string>{"IntentPaid"});
}

TEST(Payload, OfAnUnknownTypeIsShownAsItIs) {
    auto event = paid();
    event.set_type("flowstack.payment.v9.FromTheFuture");
    EXPECT_EQ(summary(event), "");
    EXPECT_THAT(event_json(event), HasSubstr("payloadBase64"));
    EXPECT_THAT(payload_text(event), HasSubstr("cannot decode"));
}

// --- The auditor.

// The same event, with every field of the envelope set.
common::v1::RecordedEvent full(int n) {
    auto event = paid();
    event.set_position(n);
    event.set_version(n);
    event.set_recorded_at_us(event.recorded_at_us() + n);
    event.set_occurred_at_us(-n);
    auto& meta = *event.mutable_meta();
    meta.set_actor("operator:asha");
    meta.set_request_hash(std::string("\0\xff hash", 7));
    meta.set_correlation_id("corr");
    meta.mutable_causation()->set_service("gateway");
    meta.mutable_causation()->set_lane(3);
    meta.mutable_causation()->set_position(77);
    meta.set_settings_version(5);
    meta.set_traceparent("00-aa-bb-01");
    meta.set_build_id("dev");
    meta.set_key_id("key-1");
    meta.set_private_(n % 2 == 0);
    meta.set_role("operator");
    meta.set_reason("a test");
    meta.set_source_address("192.0.2.7");
    return event;
}

TEST(Auditor, ReadsTheSameBytesAsTheServiceDoesThoughWithCodeOfItsOwn) {
    for (const auto& event : {paid(), full(1), full(2)})
        EXPECT_EQ(crypto::hex_encode(canonical_form(event)),
                  crypto::hex_encode(
                      eventlog::canonical_bytes(eventlog::from_bus(event.SerializeAsString()))));
}

TEST(Auditor, ComesToTheSameDigestAsTheService) {
    LaneDigest ours("payment", 1);
    eventlog::Chain theirs("payment", 1, 1);
    for (int n = 1; n <= 20; ++n) {
        ours.add(full(n));
        theirs.add(eventlog::from_bus(full(n).SerializeAsString()));
        EXPECT_EQ(ours.hex(), crypto::hex_encode(crypto::bytes_of(theirs.digest())));
    }
    EXPECT_THAT(ours.problems(), IsEmpty());
    EXPECT_EQ(ours.events(), 20);
}

TEST(Auditor, EveryFieldOfAnEventCounts) {
    const auto with = [](auto change) {
        auto event = full(1);
        change(event);
        return canonical_form(event);
    };
    const auto plain = canonical_form(full(1));
    EXPECT_NE(plain, with([](auto& e) { e.set_tenant("other"); }));
    EXPECT_NE(plain, with([](auto& e) { e.set_payload("other"); }));
    EXPECT_NE(plain, with([](auto& e) { e.set_occurred_at_us(1); }));
    EXPECT_NE(plain, with([](auto& e) { e.mutable_meta()->set_actor("other"); }));
    EXPECT_NE(plain, with([](auto& e) { e.mutable_meta()->clear_causation(); }));
    EXPECT_NE(plain, with([](auto& e) { e.mutable_meta()->set_role("admin"); }));
    EXPECT_NE(plain, with([](auto& e) { e.mutable_meta()->set_reason("other"); }));
    EXPECT_NE(plain, with([](auto& e) { e.mutable_meta()->clear_source_address(); }));
    // What one field loses the next cannot win: lengths are part of it.
    EXPECT_NE(with([](auto& e) {
                  e.set_category("ab");
                  e.set_key("c");
              }),
              with([](auto& e) {
                  e.set_category("a");
                  e.set_key("bc");
              }));
}

TEST(Auditor, SeesGapsBrokenStreamsAndTimesThatDoNotClimb) {
    LaneDigest ours("payment", 1);
    ours.add(full(1));
    ours.add(full(3));
    EXPECT_THAT(ours.problems(), ElementsAre(HasSubstr("position 3: came after position 1"),
                                             HasSubstr("version 3 came after version 1")));
    auto late = full(4);
    late.set_recorded_at_us(1);
    ours.add(late);
    EXPECT_THAT(ours.problems(), SizeIs(3));
}

TEST(Auditor, StepsOverAGapOnlyWithTheTailLostThatEndsIt) {
    const auto tail_lost = [](int position, int from, int to) {
        auto event = full(position);
        event.set_key("1");
        event.set_version(1);
        event.set_type("flowstack.common.v1.TailLost");
        common::v1::TailLost lost;
        lost.set_from(from);
        lost.set_to(to);
        lost.set_principal("user:asha");
        lost.set_reason("restored");
        event.set_payload(lost.SerializeAsString());
        return event;
    };
    LaneDigest ours("payment", 1);
    ours.add(full(1));
    ours.add(tail_lost(10, 2, 9));
    EXPECT_THAT(ours.problems(), IsEmpty());
    ASSERT_THAT(ours.given_up(), SizeIs(1));
    EXPECT_EQ(ours.given_up()[0].first, 2);
    EXPECT_EQ(ours.given_up()[0].last, 9);
    EXPECT_EQ(ours.given_up()[0].principal, "user:asha");
    // One that gives up less than is missing, or does not stand behind its gap, is none.
    for (const auto& wrong : {tail_lost(10, 3, 9), tail_lost(10, 2, 8)}) {
        LaneDigest other("payment", 1);
        other.add(full(1));
        other.add(wrong);
        EXPECT_THAT(other.problems(), ElementsAre(HasSubstr("came after position 1")));
        EXPECT_THAT(other.given_up(), IsEmpty());
    }
}

class NotebookFile : public ::testing::Test {
protected:
    void TearDown() override { std::filesystem::remove(path); }
    const std::string path =
        std::filesystem::temp_directory_path() / ("notebook-" + std::to_string(getpid()));
};

TEST_F(NotebookFile, IsReadAsItWasWritten) {
    EXPECT_EQ(Notebook::read(path).size(), 0u);
    Notebook notebook;
    notebook.note("payment", 1, 16, std::string(64, 'a'));
    notebook.note("payment", 1, 20, std::string(64, 'b'));
    notebook.note("gateway", 0, 3, std::string(64, 'c'));
    notebook.write(path);
    const auto again = Notebook::read(path);
    EXPECT_EQ(again.size(), 3u);
    EXPECT_EQ(again.of("payment", 1).at(20), std::string(64, 'b'));
    EXPECT_THAT(again.of("payment", 2), IsEmpty());
}

TEST_F(NotebookFile, ThatWasDamagedIsNoReasonToBelieveAnything) {
    std::ofstream(path) << "payment one 16 abc\n";
    EXPECT_THROW(Notebook::read(path), std::runtime_error);
}

// --- Lanes.

TEST(Lanes, AConsumerIsBehindTheHeadOfItsSource) {
    AllLanes all;
    for (const auto* service : {"gateway", "payment"}) {
        auto& lane = *all[service].status.add_lanes();
        lane.set_lane(0);
        lane.set_position(10);
        lane.set_owner(service == std::string("gateway") ? "2" : "1");
        all[service].answered = true;
    }
    auto& consumer = *all["payment"].status.add_consumers();
    consumer.set_source("gateway");
    consumer.set_lane(0);
    consumer.set_applied(7);
    consumer.set_parked(1);
    auto& unknown = *all["payment"].status.add_consumers();
    unknown.set_source("conversation");
    unknown.set_lane(0);
    const auto progress = progress_of(all);
    ASSERT_THAT(progress, SizeIs(2));
    EXPECT_EQ(progress[0].behind(), 3);
    EXPECT_EQ(progress[0].parked, 1);
    EXPECT_EQ(progress[0].owner, "1");
    // A source that does not answer has no head: nobody says that all is well.
    EXPECT_EQ(progress[1].head, -1);
}

// --- Why.

TEST(Why, ACampaignsMessageIsThereBecauseOfTheLastAskForItsCustomer) {
    std::vector<RecordedEvent> shard;
    const auto ask = [&](std::int64_t at_us, const std::string& customer) {
        campaign::v1::SendAsked asked;
        asked.add_customer_ids(customer);
        auto& event = shard.emplace_back();
        event.set_type(campaign::v1::SendAsked::descriptor()->full_name());
        event.set_payload(asked.SerializeAsString());
        event.set_recorded_at_us(at_us);
    };
    ask(10, "a");
    ask(20, "b");
    ask(30, "a");
    ask(40, "a");
    ASSERT_NE(ask_for(shard, "a", 35), nullptr);
    EXPECT_EQ(ask_for(shard, "a", 35)->recorded_at_us(), 30);
    EXPECT_EQ(ask_for(shard, "b", 15), nullptr);
    EXPECT_EQ(last_until(shard, 25)->recorded_at_us(), 20);
    EXPECT_EQ(last_until(shard, 5), nullptr);
}

TEST(Causes, AMessageIsBecauseOfItsOwnWebhookAndNotOfThoseThatCameWithIt) {
    gateway::v1::WebhooksReceived received;
    for (const auto* name : {"first", "second"}) {
        auto& webhook = *received.add_webhooks();
        webhook.set_webhook_id(name);
        webhook.set_body(std::string("body of the ") + name);
    }
    RecordedEvent event;
    event.set_type(received.GetDescriptor()->full_name());
    event.set_payload(received.SerializeAsString());
    event.set_position(7);

    const auto found = with_webhook_alone(event, "second");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->position(), 7);
    gateway::v1::WebhooksReceived alone;
    ASSERT_TRUE(alone.ParseFromString(found->payload()));
    ASSERT_EQ(alone.webhooks_size(), 1);
    EXPECT_EQ(alone.webhooks(0).body(), "body of the second");
    EXPECT_FALSE(with_webhook_alone(event, "third"));
    event.set_type("flowstack.gateway.v1.MessageReceived");
    EXPECT_FALSE(with_webhook_alone(event, "second"));
}

}  // namespace
}  // namespace flowstack::flowctl
