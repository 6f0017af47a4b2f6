#include "tools/chaos/checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>

#include "flowstack/campaign/v1/campaign_events.pb.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/followup/v1/task_events.pb.h"
#include "flowstack/gateway/v1/contact_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/invoice_events.pb.h"
#include "flowstack/payment/v1/order_events.pb.h"

// A checker that cannot fail is worthless: a small world in which all is right, and then every
// check sees what was tampered with.
namespace flowstack::chaos {
namespace {

namespace json = boost::json;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr const char* kTenant = "shop";
constexpr const char* kCustomer = "customer-1";
constexpr const char* kPhone = "254700000001";
constexpr const char* kNumber = "20100";

std::string base64url(const std::string& bytes) {
    static const std::string kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string out;
    unsigned int held = 0;
    int bits = 0;
    for (const unsigned char byte : bytes) {
        held = held << 8 | byte;
        for (bits += 8; bits >= 6;) {
            bits -= 6;
            out += kAlphabet[held >> bits & 63];
        }
    }
    if (bits > 0) out += kAlphabet[held << (6 - bits) & 63];
    return out;
}

std::string callback_data(const std::string& message) {
    std::string text = "eighttag1";
    for (const auto& part : {message, std::string(kCustomer), std::string("1")})
        text += '\0' + part;
    return base64url(text);
}

// Builds facts as the services and the sandbox would have left them.
class World {
public:
    Facts facts;

    World() {
        for (const auto* service : {"gateway", "conversation", "payment", "followup", "campaign"})
            facts.tables[service].lanes[0] = 0;
        facts.now_us = 1'000'000'000;
        customer_says("in-1");
        answer("m-1", "in-1");
        customer_says("in-2");
        answer("m-2", "in-2");
        unknown("m-3");
        purchase();
        broadcast();
        follow_up();
        facts.chats.push_back({kPhone, kNumber, "buy", true, ""});
        facts.cursors.push_back({"conversation", "gateway", 0, facts.tables["gateway"].lanes[0]});
    }

    template <class Message>
    Event& add(const std::string& service, const std::string& category, const std::string& key,
               const Message& message) {
        auto& tables = facts.tables[service];
        Event event;
        event.service = service;
        event.position = ++tables.lanes[0];
        tables.published[0] = event.position;
        event.stream = short_hash({kTenant, category, key});
        event.version = ++tables.heads[event.stream];
        event.event_id = service + std::to_string(event.position);
        event.tenant = kTenant;
        event.category = category;
        event.key = key;
        event.type = Message::descriptor()->full_name();
        event.recorded_at_us = event.position * 1000;
        event.routing_kind = "customer";
        event.routing_key = kCustomer;
        event.payload = message.SerializeAsString();
        // Behind the last one of its service, as they are read.
        auto at = facts.events.end();
        while (at != facts.events.begin() && std::prev(at)->service != service) --at;
        if (at == facts.events.begin()) at = facts.events.end();
        return *facts.events.insert(at, std::move(event));
    }
    void claim(const std::string& service, const std::string& scope, const std::string& kind,
               const std::string& key, const std::string& category, const std::string& holder) {
        facts.tables[service].claims.push_back({short_hash({scope, kind, key}), scope, kind, key,
                                                short_hash({kTenant, category, holder})});
    }
    json::object& record(const std::string& kind, json::object line) {
        line["n"] = static_cast<std::int64_t>(facts.record.size() + 1);
        line["kind"] = kind;
        facts.record.push_back(std::move(line));
        return facts.record.back().as_object();
    }

    void customer_says(const std::string& wamid) {
        record("customer_said", {{"wamid", wamid}, {"phone", kPhone}});
        record("webhook_sent",
               {{"what", "message"}, {"http_status", 200}, {"wamids", json::array{wamid}}});
        gateway::v1::MessageReceived received;
        received.set_provider_message_id(wamid);
        received.set_customer_id(kCustomer);
        add("gateway", "inbound", wamid, received);
        add("conversation", "conversation", "talk", heard(wamid));
    }

    static conversation::v1::DialogueTurn heard(const std::string& wamid) {
        conversation::v1::DialogueTurn turn;
        turn.add_steps()->mutable_customer_spoke()->set_inbound_id(wamid);
        turn.add_steps()->mutable_node_entered()->set_node("welcome");
        return turn;
    }

    gateway::v1::MessageQueued queued_as(const std::string& id,
                                         gateway::v1::MessageOriginKind origin,
                                         gateway::v1::MessagePurpose purpose) {
        gateway::v1::MessageQueued queued;
        queued.set_message_id(id);
        queued.set_customer_id(kCustomer);
        queued.mutable_origin()->set_kind(origin);
        queued.mutable_preconditions()->set_purpose(purpose);
        queued.mutable_personal()->set_to(std::string("+") + kPhone);
        return queued;
    }
    void queue(const gateway::v1::MessageQueued& queued) {
        add("gateway", "message", queued.message_id(), queued);
        gateway::v1::SendAttempted attempted;
        attempted.set_attempt(1);
        add("gateway", "message", queued.message_id(), attempted);
    }
    void provider_accepts(const std::string& id) {
        record("send_accepted", {{"wamid", "wamid." + id},
                                 {"phone", kPhone},
                                 {"phone_number_id", kNumber},
                                 {"biz_opaque_callback_data", callback_data(id)}});
    }
    void accepted(const std::string& id) {
        provider_accepts(id);
        gateway::v1::SendAccepted fact;
        fact.set_provider_message_id("wamid." + id);
        add("gateway", "message", id, fact);
        claim("gateway", kTenant, "provider_message", "wamid." + id, "message", id);
    }

    void ask(const std::string& id, const std::string& kind) {
        conversation::v1::ReplyRequested reply;
        reply.set_message_id(id);
        reply.set_kind(kind == "follow_up" ? conversation::v1::REPLY_KIND_FOLLOW_UP
                                           : conversation::v1::REPLY_KIND_REPLY);
        if (kind == "follow_up") reply.set_task_id("task-1");
        add("conversation", "conversation", "talk", reply);
    }
    void answer(const std::string& id, const std::string&) {
        ask(id, "reply");
        queue(queued_as(id, gateway::v1::MESSAGE_ORIGIN_KIND_REPLY,
                        gateway::v1::MESSAGE_PURPOSE_SERVICE));
        accepted(id);
    }
    void unknown(const std::string& id) {
        ask(id, "reply");
        queue(queued_as(id, gateway::v1::MESSAGE_ORIGIN_KIND_REPLY,
                        gateway::v1::MESSAGE_PURPOSE_SERVICE));
        add("gateway", "message", id, gateway::v1::SendUnknown());
    }

    static void post(payment::v1::JournalPosted& journal, const std::string& account,
                     std::int64_t amount) {
        auto& posting = *journal.add_postings();
        posting.set_account(account);
        posting.mutable_amount()->set_minor_units(amount);
        posting.mutable_amount()->set_currency_code("KES");
    }
    void purchase() {
        conversation::v1::CheckoutRequested checkout;
        checkout.set_order_id("order-1");
        add("conversation", "conversation", "talk", checkout);
        payment::v1::OrderPlaced placed;
        placed.set_number("ORD-1");
        add("payment", "order", "order-1", placed);
        claim("payment", kTenant, "order_number", "ORD-1", "order", "order-1");
        add("payment", "invoice", "invoice-1", payment::v1::InvoiceDrafted());
        payment::v1::NumberAssigned number;
        number.set_invoice_id("invoice-1");
        add("payment", "invoice_register", "2026", number);
        payment::v1::InvoiceIssued issued;
        issued.set_number("INV-2026-000001");
        add("payment", "invoice", "invoice-1", issued);
        payment::v1::JournalPosted sale;
        sale.set_cause("invoice_issued");
        sale.set_reference("invoice-1");
        post(sale, "receivable", 174'000);
        post(sale, "revenue", -174'000);
        add("payment", "invoice", "invoice-1", sale);
        payment::v1::IntentCreated created;
        created.set_customer_id(kCustomer);
        add("payment", "intent", "intent-1", created);
        payment::v1::AskAccepted pushed;
        pushed.mutable_ref()->set_provider("mpesa");
        pushed.mutable_ref()->set_id("ws_1");
        add("payment", "intent", "intent-1", pushed);
        claim("payment", "", "provider_reference", "mpesa/ws_1", "intent", "intent-1");
        record("payment_made", {{"checkout_request_id", "ws_1"},
                                {"receipt", "RCPT1"},
                                {"amount", 1740},
                                {"phone", kPhone}});
        payment::v1::IntentPaid paid;
        paid.set_order_id("order-1");
        paid.set_provider("mpesa");
        paid.mutable_ref()->set_provider("mpesa");
        paid.mutable_ref()->set_id("ws_1");
        paid.set_receipt("RCPT1");
        paid.mutable_amount()->set_minor_units(174'000);
        add("payment", "intent", "intent-1", paid);
        claim("payment", "", "receipt", "mpesa/RCPT1", "intent", "intent-1");
        payment::v1::JournalPosted money;
        money.set_cause("intent_paid");
        money.set_reference("intent-1");
        post(money, "clearing:mpesa", 174'000);
        post(money, "receivable", -174'000);
        add("payment", "intent", "intent-1", money);
        add("payment", "order", "order-1", payment::v1::OrderPaid());
    }

    void broadcast() {
        campaign::v1::MembersFrozen frozen;
        frozen.set_campaign_id("news");
        frozen.mutable_personal()->add_members()->set_customer_id(kCustomer);
        auto& gone = *frozen.mutable_personal()->add_members();
        gone.set_customer_id("customer-2");
        gone.set_suppressed("opted_out");
        frozen.set_last(true);
        frozen.set_lane_total(2);
        add("campaign", "campaign", "news", campaign::v1::CampaignStarted());
        add("campaign", "audience_shard", "news:0", frozen);
        campaign::v1::AudienceFrozen audience;
        audience.set_audience(2);
        add("campaign", "campaign", "news", audience);
        auto queued = queued_as("c-1", gateway::v1::MESSAGE_ORIGIN_KIND_CAMPAIGN,
                                gateway::v1::MESSAGE_PURPOSE_MARKETING);
        queued.mutable_origin()->set_id("news");
        queue(queued);
        accepted("c-1");
        campaign::v1::DispositionChanged changed;
        changed.set_campaign_id("news");
        changed.set_customer_id(kCustomer);
        changed.set_disposition(campaign::v1::DISPOSITION_DELIVERED);
        add("campaign", "audience_shard", "news:0", changed);
        add("campaign", "campaign", "news", campaign::v1::CampaignCompleted());
    }

    void follow_up() {
        add("followup", "task", "task-1", followup::v1::TaskScheduled());
        add("followup", "task", "task-1", followup::v1::TaskFired());
        ask("f-1", "follow_up");
        queue(queued_as("f-1", gateway::v1::MESSAGE_ORIGIN_KIND_FOLLOW_UP,
                        gateway::v1::MESSAGE_PURPOSE_UTILITY));
        accepted("f-1");
    }

    // ---- tampering
    Event& event(const std::string& type, int nth = 0) {
        for (auto& each : facts.events)
            if (each.short_type() == type && nth-- == 0) return each;
        throw std::runtime_error("no " + type);
    }
    // Takes an event out as if it had never been: positions, versions and heads close up.
    void forget(const std::string& type, int nth = 0) {
        const auto gone = event(type, nth);
        std::erase_if(facts.events, [&](const Event& e) { return e.event_id == gone.event_id; });
        for (auto& each : facts.events) {
            if (each.service != gone.service) continue;
            if (each.position > gone.position) --each.position;
            if (each.stream == gone.stream && each.version > gone.version) --each.version;
        }
        auto& tables = facts.tables[gone.service];
        --tables.lanes[0];
        --tables.published[0];
        if (--tables.heads[gone.stream] == 0) tables.heads.erase(gone.stream);
        for (auto& cursor : facts.cursors)
            if (cursor.source == gone.service) --cursor.position;
    }
    template <class Message>
    void change(const std::string& type, const std::function<void(Message&)>& how, int nth = 0) {
        auto& target = event(type, nth);
        Message message;
        ASSERT_TRUE(message.ParseFromString(target.payload));
        how(message);
        target.payload = message.SerializeAsString();
    }
    json::object& line(const std::string& kind, int nth = 0) {
        for (auto& each : facts.record)
            if (each.at("kind").as_string() == kind && nth-- == 0) return each.as_object();
        throw std::runtime_error("no line " + kind);
    }
};

std::vector<std::string> found_by(const World& world, const std::string& name) {
    for (const auto& check : check_all(world.facts))
        if (check.name == name) return check.findings;
    ADD_FAILURE() << "there is no check called " << name;
    return {};
}

TEST(Checks, AWorldInWhichAllIsRightHasNoFindingsAndEveryCheckLooksAtSomething) {
    const World world;
    for (const auto& check : check_all(world.facts)) {
        EXPECT_THAT(check.findings, ::testing::IsEmpty()) << check.name;
        EXPECT_GT(check.looked_at, 0) << check.name;
    }
    EXPECT_THAT(unknown_messages(world.facts), ::testing::ElementsAre("shop/m-3"));
}

TEST(Checks, SeeAGapInALane) {
    World world;
    std::erase_if(world.facts.events, [&](const Event& event) {
        return event.service == "payment" && event.position == 2;
    });
    EXPECT_THAT(found_by(world, "positions gapless"),
                Contains(HasSubstr("payment lane 0 position 3 follows position 1")));
    EXPECT_THAT(found_by(world, "versions 1..n"), Contains(HasSubstr("invoice/invoice-1")));
}

TEST(Checks, SeeAHeadBeyondTheLastEvent) {
    World world;
    ++world.facts.tables["gateway"].lanes[0];
    EXPECT_THAT(found_by(world, "positions gapless"), Contains(HasSubstr("has its head at")));
    ++world.facts.tables["gateway"].heads.begin()->second;
    EXPECT_THAT(found_by(world, "versions 1..n"), Contains(HasSubstr("has its head at")));
}

TEST(Checks, SeeTimeRunningBackwards) {
    World world;
    world.event("IntentPaid").recorded_at_us = 1;
    EXPECT_THAT(found_by(world, "positions gapless"), Contains(HasSubstr("not recorded later")));
}

TEST(Checks, SeeAnEventIdThatIsThereTwice) {
    World world;
    world.event("IntentPaid").event_id = world.event("OrderPlaced").event_id;
    EXPECT_THAT(found_by(world, "versions 1..n"), Contains(HasSubstr("is there twice")));
}

TEST(Checks, SeeAnEventInAStrangeLaneOrStream) {
    World world;
    world.facts.tables["payment"].lanes[1] = 0;
    const int home = lane_of("customer", kTenant, kCustomer, 2);
    for (auto& event : world.facts.events)
        if (event.service == "payment") event.lane = 1 - home;
    EXPECT_THAT(found_by(world, "versions 1..n"), Contains(HasSubstr("belongs to another lane")));
    world.event("IntentPaid").key = "another";
    EXPECT_THAT(found_by(world, "versions 1..n"), Contains(HasSubstr("its stream id is not")));
}

TEST(Checks, SeeAClaimThatIsMissingOrHeldByAnother) {
    World world;
    auto& claims = world.facts.tables["payment"].claims;
    claims.back().holder = short_hash({kTenant, "order", "order-1"});
    EXPECT_THAT(found_by(world, "claims have one holder"),
                Contains(HasSubstr("receipt mpesa/RCPT1 is held by")));
    claims.pop_back();
    EXPECT_THAT(found_by(world, "claims have one holder"),
                Contains(HasSubstr("receipt mpesa/RCPT1 is claimed by nobody")));
    claims.push_back(claims.front());
    EXPECT_THAT(found_by(world, "claims have one holder"), Contains(HasSubstr("is there twice")));
}

TEST(Checks, SeeTwoPaymentsWithOneReceipt) {
    World world;
    payment::v1::IntentPaid paid;
    paid.set_provider("mpesa");
    paid.mutable_ref()->set_id("ws_2");
    paid.set_receipt("RCPT1");
    world.add("payment", "intent", "intent-2", paid);
    EXPECT_THAT(found_by(world, "claims have one holder"),
                Contains(HasSubstr("receipt mpesa/RCPT1 has another holder already")));
    EXPECT_THAT(found_by(world, "money booked once"),
                Contains(HasSubstr("receipt RCPT1 is booked 2 times")));
}

TEST(Checks, SeeAnInboundMessageThatIsLostOrTwice) {
    {
        World world;
        world.forget("MessageReceived");
        EXPECT_THAT(found_by(world, "each inbound once"),
                    Contains(HasSubstr("acknowledged in-1 is received 0 times")));
    }
    {
        World world;
        world.forget("DialogueTurn", 1);
        EXPECT_THAT(found_by(world, "each inbound once"),
                    Contains(HasSubstr("in-2 was heard by conversation 0 times")));
    }
    {
        World world;
        world.add("conversation", "conversation", "talk", World::heard("in-1"));
        EXPECT_THAT(found_by(world, "each inbound once"),
                    Contains(HasSubstr("in-1 was heard by conversation 2 times")));
    }
    {
        World world;
        world.line("webhook_sent")["http_status"] = 503;
        EXPECT_THAT(found_by(world, "each inbound once"),
                    Contains(HasSubstr("in-1 of 254700000001 was never acknowledged")));
    }
}

TEST(Checks, SeeAMessageThatWentOutTwice) {
    World world;
    world.provider_accepts("m-1");
    EXPECT_THAT(found_by(world, "no message twice, each once"),
                Contains(HasSubstr("message m-1 to 254700000001 was accepted 2 times")));
}

TEST(Checks, SeeAnUnknownMessageThatWentOutTwiceButNotOneThatWentOnce) {
    World world;
    world.provider_accepts("m-3");
    EXPECT_THAT(found_by(world, "no message twice, each once"), ::testing::IsEmpty());
    world.provider_accepts("m-3");
    EXPECT_THAT(found_by(world, "no message twice, each once"),
                Contains(HasSubstr("message m-3 to 254700000001 was accepted 2 times")));
}

TEST(Checks, SeeAMessageThatTheLogBelievesInAndTheProviderDoesNot) {
    World world;
    std::erase_if(world.facts.record, [](const json::value& line) {
        const auto* wamid = line.as_object().if_contains("wamid");
        return wamid && wamid->as_string() == "wamid.m-2";
    });
    EXPECT_THAT(found_by(world, "no message twice, each once"),
                Contains(HasSubstr("claims wamid.m-2, which the provider never gave")));
}

TEST(Checks, SeeAMessageThatTheProviderAcceptedAndTheLogDoesNotKnow) {
    {
        World world;
        world.forget("SendAccepted");
        EXPECT_THAT(found_by(world, "no message twice, each once"),
                    Contains(HasSubstr("the log says neither that nor UNKNOWN")));
    }
    {
        World world;
        world.provider_accepts("of nobody");
        EXPECT_THAT(found_by(world, "no message twice, each once"),
                    Contains(HasSubstr("which no message in the log asked for")));
    }
}

TEST(Checks, SeeAMessageThatIsStillQueued) {
    World world;
    world.ask("m-9", "reply");
    world.add("gateway", "message", "m-9",
              world.queued_as("m-9", gateway::v1::MESSAGE_ORIGIN_KIND_REPLY,
                              gateway::v1::MESSAGE_PURPOSE_SERVICE));
    EXPECT_THAT(found_by(world, "no message twice, each once"),
                Contains(HasSubstr("message m-9 of shop never left and has no end")));
}

TEST(Checks, SeeAReplyThatNobodyQueuedOrThatIsAskedForTwice) {
    World world;
    world.ask("m-8", "reply");
    EXPECT_THAT(found_by(world, "every reply asked for is queued once"),
                Contains(HasSubstr("reply m-8 is queued 0 times")));
    world.ask("m-1", "reply");
    EXPECT_THAT(found_by(world, "every reply asked for is queued once"),
                Contains(HasSubstr("reply m-1 is asked for twice")));
}

TEST(Checks, SeeRepliesThatOvertookEachOther) {
    World world;
    std::swap(world.line("send_accepted", 0)["biz_opaque_callback_data"],
              world.line("send_accepted", 1)["biz_opaque_callback_data"]);
    EXPECT_THAT(found_by(world, "replies of a chat in order"),
                Contains(HasSubstr("reply m-1 (record line 6) left after the later reply m-2")));
    // Given up before the provider took it: others need not have waited.
    auto& taken = world.line("send_accepted", 1);
    taken["at_us"] = 2'000'000;
    world.add("gateway", "message", "m-1", gateway::v1::SendUnknown());
    auto& unknown = world.event("SendUnknown", 1);
    unknown.recorded_at_us = 2'000'001;
    EXPECT_THAT(found_by(world, "replies of a chat in order"), Contains(HasSubstr("reply m-1")));
    unknown.recorded_at_us = 1'999'999;
    EXPECT_THAT(found_by(world, "replies of a chat in order"),
                Not(Contains(HasSubstr("reply m-1"))));
}

TEST(Checks, SeeInboundMessagesHeardInAnotherOrder) {
    World world;
    std::swap(world.event("DialogueTurn", 0).payload, world.event("DialogueTurn", 1).payload);
    EXPECT_THAT(found_by(world, "replies of a chat in order"),
                Contains(HasSubstr("in-1 was heard after a later message")));
}

TEST(Checks, SeeMarketingAfterStop) {
    World world;
    gateway::v1::ConsentChanged stop;
    stop.set_customer_id(kCustomer);
    stop.set_purpose(gateway::v1::MESSAGE_PURPOSE_MARKETING);
    world.add("gateway", "contact", kCustomer, stop);
    EXPECT_THAT(found_by(world, "nothing promotional after STOP"), ::testing::IsEmpty());
    world.queue(world.queued_as("c-9", gateway::v1::MESSAGE_ORIGIN_KIND_CAMPAIGN,
                                gateway::v1::MESSAGE_PURPOSE_MARKETING));
    EXPECT_THAT(found_by(world, "nothing promotional after STOP"),
                Contains(HasSubstr("message c-9 begins after STOP")));
}

TEST(Checks, SeeMoneyThatIsNotBooked) {
    World world;
    world.forget("IntentPaid");
    EXPECT_THAT(found_by(world, "money booked once"),
                Contains(HasSubstr("payment RCPT1 of 254700000001 (ws_1) was made and is neither "
                                   "booked nor quarantined")));
    EXPECT_THAT(found_by(world, "ledger zero"),
                Contains(HasSubstr("was paid nothing, in clearing stand 174000")));
}

TEST(Checks, ExcuseAPaymentOnlyWhileItsPushIsUnknownAndNobodyWasTold) {
    World world;
    payment::v1::IntentCreated created;
    created.set_reference("ORD-2");
    world.add("payment", "intent", "intent-2", created);
    world.add("payment", "intent", "intent-2", payment::v1::AskUnknown());
    world.record("payment_made", {{"checkout_request_id", "ws_2"},
                                  {"receipt", "RCPT2"},
                                  {"amount", 10},
                                  {"account_reference", "ORD-2"}});
    EXPECT_THAT(found_by(world, "money booked once"), ::testing::IsEmpty());
    world.record("callback_sent", {{"checkout_request_id", "ws_2"}, {"http_status", 200}});
    EXPECT_THAT(found_by(world, "money booked once"),
                Contains(HasSubstr("payment RCPT2 of  (ws_2) was made and is neither")));
}

TEST(Checks, SeeMoneyThatIsBookedTwiceOrWithoutAPayment) {
    {
        World world;
        payment::v1::IntentPaid paid;
        paid.set_provider("mpesa");
        paid.mutable_ref()->set_provider("mpesa");
        paid.mutable_ref()->set_id("ws_1");
        paid.mutable_amount()->set_minor_units(174'000);
        world.add("payment", "intent", "intent-1", paid);
        EXPECT_THAT(found_by(world, "money booked once"),
                    Contains(HasSubstr("intent intent-1 is paid 2 times")));
    }
    {
        World world;
        std::erase_if(world.facts.record, [](const json::value& line) {
            return line.at("kind").as_string() == "payment_made";
        });
        EXPECT_THAT(found_by(world, "money booked once"),
                    Contains(HasSubstr("the provider knows of no such payment")));
    }
}

TEST(Checks, SeeAnotherAmountAnotherReceiptAndASecondPush) {
    World world;
    world.line("payment_made")["amount"] = "1741.00";
    EXPECT_THAT(found_by(world, "money booked once"),
                Contains(HasSubstr("brought 174100 cents, 174000 are booked")));
    world.line("payment_made")["receipt"] = "OTHER";
    EXPECT_THAT(found_by(world, "money booked once"),
                Contains(HasSubstr("is booked with receipt RCPT1, the provider gave OTHER")));
    payment::v1::AskAccepted again;
    again.mutable_ref()->set_id("ws_9");
    world.add("payment", "intent", "intent-1", again);
    EXPECT_THAT(found_by(world, "money booked once"),
                Contains(HasSubstr("intent intent-1 was pushed 2 times")));
}

TEST(Checks, SeeAJournalThatDoesNotBalance) {
    World world;
    world.change<payment::v1::JournalPosted>("JournalPosted", [](auto& journal) {
        journal.mutable_postings(1)->mutable_amount()->set_minor_units(-173'999);
    });
    const auto found = found_by(world, "ledger zero");
    EXPECT_THAT(found, Contains(HasSubstr("sums to 1 KES")));
    EXPECT_THAT(found, Contains(HasSubstr("the whole ledger in KES sums to 1")));
}

TEST(Checks, SeeAJournalThatIsPostedTwice) {
    World world;
    auto twice = world.event("JournalPosted", 1);
    payment::v1::JournalPosted journal;
    ASSERT_TRUE(journal.ParseFromString(twice.payload));
    world.add("payment", "intent", "intent-1", journal);
    const auto found = found_by(world, "ledger zero");
    EXPECT_THAT(found, Contains(HasSubstr("intent_paid of intent-1 is posted twice")));
    EXPECT_THAT(found, Contains(HasSubstr("in clearing stand 348000")));
}

TEST(Checks, SeeAGapInTheInvoiceNumbersAndANumberOnTwoInvoices) {
    World world;
    world.event("NumberAssigned").version = 2;
    EXPECT_THAT(found_by(world, "invoice numbers gapless"),
                Contains(HasSubstr("register 2026 of shop goes from 0 to 2")));
    payment::v1::InvoiceIssued issued;
    issued.set_number("INV-2026-000001");
    world.add("payment", "invoice", "invoice-2", issued);
    EXPECT_THAT(found_by(world, "invoice numbers gapless"),
                Contains(HasSubstr("number INV-2026-000001 is on two invoices")));
}

TEST(Checks, SeeAnInvoiceThatIsNeverIssued) {
    World world;
    world.forget("InvoiceIssued");
    EXPECT_THAT(found_by(world, "invoice numbers gapless"),
                Contains(HasSubstr("invoice invoice-1 was drafted and issued 0 times")));
}

TEST(Checks, SeeAnOrderThatIsLostOrPaidTwiceAndAnIntentWithoutAnEnd) {
    {
        World world;
        world.forget("OrderPlaced");
        EXPECT_THAT(found_by(world, "every order and payment ends"),
                    Contains(HasSubstr("order order-1 was placed 0 times")));
    }
    {
        World world;
        world.add("payment", "order", "order-1", payment::v1::OrderPaid());
        EXPECT_THAT(found_by(world, "every order and payment ends"),
                    Contains(HasSubstr("order order-1 is paid twice")));
    }
    {
        World world;
        world.add("payment", "intent", "intent-7", payment::v1::IntentCreated());
        EXPECT_THAT(found_by(world, "every order and payment ends"),
                    Contains(HasSubstr("intent intent-7 has no end")));
    }
}

TEST(Checks, SeeAMissingDispositionAndAnAudienceOfAnotherSize) {
    {
        World world;
        world.forget("DispositionChanged");
        EXPECT_THAT(found_by(world, "dispositions equal the audience"),
                    Contains(HasSubstr("campaign news: customer-1 has no disposition")));
    }
    {
        World world;
        world.change<campaign::v1::AudienceFrozen>("AudienceFrozen",
                                                   [](auto& e) { e.set_audience(3); });
        EXPECT_THAT(found_by(world, "dispositions equal the audience"),
                    Contains(HasSubstr("has an audience of 3 and 2 members")));
    }
}

TEST(Checks, SeeADispositionThatTheProviderDoesNotConfirm) {
    {
        World world;
        std::erase_if(world.facts.record, [](const json::value& line) {
            const auto* wamid = line.as_object().if_contains("wamid");
            return wamid && wamid->as_string() == "wamid.c-1";
        });
        EXPECT_THAT(found_by(world, "dispositions equal the audience"),
                    Contains(HasSubstr("is DISPOSITION_DELIVERED, the provider accepted nothing")));
    }
    {
        World world;
        world.provider_accepts("c-1");
        EXPECT_THAT(found_by(world, "dispositions equal the audience"),
                    Contains(HasSubstr("customer-1 got it 2 times")));
    }
}

TEST(Checks, SeeACampaignThatDidNotEnd) {
    World world;
    world.forget("CampaignCompleted");
    EXPECT_THAT(found_by(world, "dispositions equal the audience"),
                Contains(HasSubstr("campaign news did not end: CampaignStarted")));
}

TEST(Checks, SeeAFollowUpThatIsSaidTwiceOrWithoutReason) {
    {
        World world;
        world.ask("f-2", "follow_up");
        EXPECT_THAT(found_by(world, "follow-ups said at most once"),
                    Contains(HasSubstr("task task-1 was said 2 times")));
    }
    {
        World world;
        world.add("followup", "task", "task-1", followup::v1::TaskFired());
        EXPECT_THAT(found_by(world, "follow-ups said at most once"),
                    Contains(HasSubstr("task task-1 ended 2 times")));
    }
    {
        World world;
        world.forget("TaskFired");
        EXPECT_THAT(found_by(world, "follow-ups said at most once"),
                    Contains(HasSubstr("was said and never fired")));
    }
}

TEST(Checks, SeeWhatIsParkedUnreadUnpublishedAndUndone) {
    World world;
    world.facts.parked.push_back({"payment", "gateway", 0, 7, "customer-1", "does not decode"});
    EXPECT_THAT(found_by(world, "nothing parked"),
                Contains(HasSubstr("payment parked gateway lane 0 position 7")));
    --world.facts.cursors.front().position;
    --world.facts.tables["payment"].published[0];
    world.facts.tables["payment"].work.emplace_back("push", 0);
    const auto found = found_by(world, "settled: all read, published, done");
    EXPECT_THAT(found, Contains(HasSubstr("conversation stands at")));
    EXPECT_THAT(found, Contains(HasSubstr("payment lane 0 is published up to")));
    EXPECT_THAT(found, Contains(HasSubstr("payment has 1 rows of work push still to do")));
}

TEST(Checks, SeeAChatThatStoppedShortUnlessItsSendIsListedUnknown) {
    World world;
    world.facts.chats.push_back({"254711111111", kNumber, "buy", false, "the receipt"});
    world.facts.chats.push_back({kPhone, kNumber, "buy", false, "the receipt"});
    const auto found = found_by(world, "every chat reached its end");
    EXPECT_THAT(found, ::testing::SizeIs(1));
    EXPECT_THAT(found, Contains(HasSubstr("chat 254711111111 (buy) ended waiting for")));
}

TEST(Checks, SeeAReadModelThatDiffersFromItsRebuild) {
    const Documents right{{{"payment", "shop", "order", "1"}, "PAID"},
                          {{"payment", "shop", "order", "2"}, "PLACED"}};
    EXPECT_THAT(compare_read_models(right, right).findings, ::testing::IsEmpty());
    auto other = right;
    other[{"payment", "shop", "order", "1"}] = "PLACED";
    EXPECT_THAT(compare_read_models(right, other).findings,
                Contains(HasSubstr("payment order 1 of shop is another one")));
    other.erase({"payment", "shop", "order", "2"});
    EXPECT_THAT(compare_read_models(right, other).findings,
                Contains(HasSubstr("order 2 of shop is not there after a rebuild")));
    EXPECT_THAT(compare_read_models(other, right).findings,
                Contains(HasSubstr("order 2 of shop is there only after a rebuild")));
}

TEST(Checks, ReadTheMessageOutOfACorrelationId) {
    EXPECT_EQ(message_of_callback_data(callback_data("018f-1")), "018f-1");
    EXPECT_EQ(message_of_callback_data(""), "");
    EXPECT_EQ(message_of_callback_data("not ours!"), "");
}

}  // namespace
}  // namespace flowstack::chaos
