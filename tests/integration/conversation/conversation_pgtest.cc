#include <gmock/gmock.h>

#include <atomic>
#include <iterator>
#include <random>
#include <thread>

#include "flowstack/conversation/v1/content_events.pb.h"
#include "flowstack/followup/v1/task_events.pb.h"
#include "flowstack/gateway/v1/tenant_service.pb.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/invoice_events.pb.h"
#include "flowstack/payment/v1/order_events.pb.h"
#include "tests/integration/conversation/shop.h"

namespace flowstack::conversation {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Walk : public ShopFixture {
protected:
    Walk() { save_product("coffee", "Coffee", 25'000, 10); }

    // From the greeting to the tap that pays.
    void orders(const std::string& who, const std::string& quantity) {
        writes(who, "Hi");
        taps(who, "View Products");
        taps(who, "Coffee");
        writes(who, quantity);
        writes(who, "skip");
        taps(who, "M-Pesa");
        consume();
    }
    template <class Message>
    Message about(const v1::CheckoutRequested& checkout) {
        Message m;
        m.set_order_id(checkout.order_id());
        m.set_intent_id("intent-" + checkout.order_id());
        m.set_conversation_id(checkout.conversation_id());
        m.set_customer_id(checkout.customer_id());
        return m;
    }
    // The same without an intent: there is none.
    template <class Message>
    Message about_order(const v1::CheckoutRequested& checkout) {
        Message m;
        m.set_order_id(checkout.order_id());
        m.set_conversation_id(checkout.conversation_id());
        m.set_customer_id(checkout.customer_id());
        return m;
    }
    template <class Message>
    void payment_says(const Message& m) {
        now += seconds{1};
        payment->happened({"duka", "intent", "i"}, customer(m.customer_id()), m, now);
        for (int i = 0; i < 2; ++i) consume();
    }
    void starts(const v1::CheckoutRequested& checkout, std::int64_t cents) {
        auto started = about<payment::v1::PaymentStarted>(checkout);
        started.mutable_amount()->set_minor_units(cents);
        started.mutable_amount()->set_currency_code("KES");
        payment_says(started);
    }
    void pays(const v1::CheckoutRequested& checkout, std::int64_t cents) {
        auto paid = about<payment::v1::IntentPaid>(checkout);
        paid.mutable_amount()->set_minor_units(cents);
        paid.mutable_amount()->set_currency_code("KES");
        paid.set_receipt("QKX7");
        payment_says(paid);
    }
};

TEST_F(Walk, APurchaseGoesThroughTheLanesAndTheShelfAgrees) {
    orders("amina", "3");
    ASSERT_EQ(all<v1::StockReserved>().size(), 1u);
    const auto checkouts = all<v1::CheckoutRequested>();
    ASSERT_EQ(checkouts.size(), 1u);
    EXPECT_EQ(checkouts[0].reservation_id(), all<v1::StockReserved>()[0].reservation_id());
    EXPECT_EQ(checkouts[0].personal().phone(), "+254712345678");
    EXPECT_EQ(product("coffee").reserved(), 3);

    starts(checkouts[0], 75'000);
    EXPECT_THAT(heard("amina"), HasSubstr("Processing payment…"));
    EXPECT_EQ(conversation_of("amina").state(), "WAITING_FOR_PAYMENT");
    EXPECT_EQ(conversation_of("amina").order_id(), checkouts[0].order_id());
    pays(checkouts[0], 75'000);
    EXPECT_THAT(heard("amina"), HasSubstr("QKX7"));
    EXPECT_EQ(conversation_of("amina").state(), "CLOSED");
    EXPECT_EQ(product("coffee").on_hand(), 7);
    EXPECT_EQ(product("coffee").reserved(), 0);

    writes("amina", "hello");
    EXPECT_EQ(all<v1::ConversationOpened>().size(), 2u);
}

// A row costs the database, the relay, the bus and every reader: a step of a dialogue is one, and
// what others act on is one each.
TEST_F(Walk, ATurnIsOneRowWhateverItsSteps) {
    using Rows = std::vector<std::string>;
    std::size_t seen = 0;
    const auto added = [&] {
        const auto rows = rows_of("amina");
        const Rows fresh(rows.begin() + static_cast<std::ptrdiff_t>(seen), rows.end());
        seen = rows.size();
        return fresh;
    };
    writes("amina", "Hi");
    EXPECT_EQ(added(), (Rows{"DialogueTurn", "ReplyRequested", "CustomerSeen"}));
    taps("amina", "View Products");
    EXPECT_EQ(added(), (Rows{"DialogueTurn", "ReplyRequested"}));
    taps("amina", "Coffee");
    EXPECT_EQ(added(), (Rows{"DialogueTurn", "ReplyRequested"}));
    writes("amina", "3");
    EXPECT_EQ(added(), (Rows{"DialogueTurn", "ReplyRequested"}));
    writes("amina", "Moi Avenue");
    EXPECT_EQ(added(), (Rows{"DialogueTurn", "ReplyRequested", "CustomerChanged"}));
    taps("amina", "M-Pesa");
    consume();
    EXPECT_EQ(added(), (Rows{"DialogueTurn", "StockRequested", "CheckoutRequested"}));
    const auto checkout = all<v1::CheckoutRequested>().at(0);
    starts(checkout, 75'000);
    EXPECT_EQ(added(), (Rows{"DialogueTurn", "ReplyRequested"}));
    pays(checkout, 75'000);
    EXPECT_EQ(added(), (Rows{"DialogueTurn", "ReservationEndRequested", "ReplyRequested"}));
    writes("amina", "Hi again");
    EXPECT_EQ(added(), (Rows{"DialogueTurn", "ReplyRequested", "CustomerChanged"}));
    // The same address again is no news of the customer.
    taps("amina", "View Products");
    taps("amina", "Coffee");
    writes("amina", "1");
    added();
    writes("amina", "Moi Avenue");
    EXPECT_EQ(added(), (Rows{"DialogueTurn", "ReplyRequested"}));
}

TEST_F(Walk, OfTwoChatsOneGetsTheLastItems) {
    orders("amina", "6");
    orders("juma", "4");
    EXPECT_EQ(all<v1::CheckoutRequested>().size(), 2u);
    save_product("tea", "Tea", 10'000, 1);
    for (const auto* who : {"baraka", "wanjiru"}) {
        writes(who, "Hi");
        taps(who, "View Products");
        taps(who, "Tea");
        writes(who, "1");
        writes(who, "skip");
    }
    taps("baraka", "M-Pesa");
    taps("wanjiru", "M-Pesa");
    consume();
    EXPECT_EQ(all<v1::CheckoutRequested>().size(), 3u);
    EXPECT_EQ(all<v1::StockRefused>().size(), 1u);
    EXPECT_EQ(product("tea").reserved(), 1);
    EXPECT_EQ(conversation_of("wanjiru").state(), "AWAITING_CUSTOMER");
    bool told = false;
    for (const auto& reply : replies("wanjiru"))
        told = told ||
               content_of(reply.personal().content()).body.find("sold out") != std::string::npos;
    EXPECT_TRUE(told);
}

TEST_F(Walk, AFailedPaymentGivesTheShelfBackAndTheRetryHoldsItAgain) {
    orders("amina", "2");
    const auto first = all<v1::CheckoutRequested>().at(0);
    starts(first, 50'000);
    auto failed = about<payment::v1::IntentFailed>(first);
    failed.set_reason("cancelled");
    payment_says(failed);
    EXPECT_THAT(heard("amina"), HasSubstr("Payment failed. Please try again"));
    EXPECT_EQ(product("coffee").reserved(), 0);
    EXPECT_EQ(all<v1::StockReleased>().size(), 1u);
    taps("amina", "Try again");
    consume();
    const auto second = all<v1::CheckoutRequested>().at(1);
    EXPECT_EQ(second.retry_of_order_id(), first.order_id());
    EXPECT_EQ(product("coffee").reserved(), 2);
}

TEST_F(Walk, TheReceiptComesThoughAPersonTookOver) {
    orders("amina", "1");
    const auto checkout = all<v1::CheckoutRequested>().at(0);
    starts(checkout, 25'000);
    v1::EscalateConversationRequest request;
    request.set_name(conversation_of("amina").name());
    request.set_reason("asked for a person");
    v1::Conversation answer;
    ASSERT_EQ(call<v1::ConversationService>(&v1::ConversationService::Stub::EscalateConversation,
                                            request, answer),
              common::v1::ERROR_REASON_UNSPECIFIED);
    EXPECT_EQ(answer.state(), "ESCALATED");
    pays(checkout, 25'000);
    EXPECT_THAT(heard("amina"), HasSubstr("QKX7"));
    EXPECT_EQ(conversation_of("amina").state(), "ESCALATED");
    EXPECT_EQ(product("coffee").on_hand(), 9);
}

TEST_F(Walk, APaymentThatNeedsAPersonGivesTheShelfBackAndTheCustomerGoesOn) {
    orders("amina", "3");
    const auto checkout = all<v1::CheckoutRequested>().at(0);
    starts(checkout, 75'000);
    EXPECT_EQ(product("coffee").reserved(), 3);
    auto unclear = about<payment::v1::PaymentNeedsPerson>(checkout);
    unclear.mutable_amount()->set_minor_units(75'000);
    unclear.mutable_amount()->set_currency_code("KES");
    unclear.set_reason(payment::v1::PERSON_NEEDED_REASON_OUTCOME_UNKNOWN);
    payment_says(unclear);
    EXPECT_THAT(heard("amina"), HasSubstr("One of us is looking into it"));
    EXPECT_EQ(product("coffee").reserved(), 0);
    EXPECT_EQ(conversation_of("amina").state(), "AWAITING_CUSTOMER");
    writes("amina", "menu");
    EXPECT_THAT(heard("amina"), HasSubstr("Welcome"));
    pays(checkout, 75'000);
    consume();
    EXPECT_EQ(product("coffee").on_hand(), 7);
    EXPECT_EQ(product("coffee").reserved(), 0);
}

TEST(Tenants, GatewaysWordForUnclearPaymentsIsTheRules) {
    gateway::v1::Tenant tenant;
    // Empty: the settings were stored before there was this one.
    for (const std::string policy : {"", "order_again", "wait"}) {
        tenant.mutable_settings()->set_unclear_payment_policy(policy);
        EXPECT_EQ(facts_of(tenant, "duka").orders_while_unclear, policy != "wait") << policy;
    }
}

TEST_F(Walk, WhereTheTenantSaysWaitTheNextOrderHoldsNoStockUntilThePaymentIsClear) {
    for (const bool waits : {false, true}) {
        const std::string who = waits ? "juma" : "amina";
        tenants.facts.at("duka").orders_while_unclear = !waits;
        orders(who, "1");
        const auto checkout = all<v1::CheckoutRequested>().back();
        ASSERT_EQ(checkout.customer_id(), who);
        starts(checkout, 25'000);
        auto unclear = about<payment::v1::PaymentNeedsPerson>(checkout);
        unclear.set_reason(payment::v1::PERSON_NEEDED_REASON_OUTCOME_UNKNOWN);
        unclear.mutable_amount()->set_minor_units(25'000);
        unclear.mutable_amount()->set_currency_code("KES");
        payment_says(unclear);
        const auto before = product("coffee").reserved();
        const auto orders_again = [&](bool told_to_wait) {
            writes(who, "2 coffee");
            if (!told_to_wait) writes(who, "1");  // confirms
            taps(who, "M-Pesa");
            consume();
            return product("coffee").reserved() - before;
        };
        EXPECT_EQ(orders_again(waits), waits ? 0 : 2);
        if (!waits) continue;
        EXPECT_THAT(heard(who), HasSubstr("next payment"));
        auto failed = about<payment::v1::IntentFailed>(checkout);
        failed.set_reason("not_paid");
        payment_says(failed);
        EXPECT_EQ(orders_again(false), 2);
    }
}

TEST_F(Walk, APaymentThatTheShopStartsWithAConversationAndNoOrderDrivesIt) {
    writes("amina", "Hi");
    const auto intent = [&](auto m) {
        m.set_intent_id("i9");
        m.set_conversation_id(conversation_of("amina").conversation_id());
        m.set_customer_id("amina");
        return m;
    };
    auto started = intent(payment::v1::PaymentStarted());
    started.mutable_amount()->set_minor_units(100'000);
    started.mutable_amount()->set_currency_code("KES");
    payment_says(started);
    EXPECT_EQ(conversation_of("amina").state(), "WAITING_FOR_PAYMENT");
    auto failed = intent(payment::v1::IntentFailed());
    failed.set_reason("insufficient_funds");
    payment_says(failed);
    EXPECT_THAT(heard("amina"), HasSubstr("KES 1,000.00"));
    EXPECT_EQ(conversation_of("amina").state(), "AWAITING_CUSTOMER");
    // The caller named a conversation of somebody else.
    started.set_customer_id("juma");
    started.set_intent_id("i10");
    payment_says(started);
    EXPECT_EQ(conversation_of("amina").state(), "AWAITING_CUSTOMER");
}

TEST_F(Walk, ATenantWhosePackIsMissingIsAnAlarmAndNoSilence) {
    EXPECT_EQ(alarms.check().state, observability::State::ok);
    tenants.facts["duka"].pack = "NOWHERE";
    writes("amina", "Hi");
    EXPECT_TRUE(replies("amina").empty());
    EXPECT_EQ(alarms.check().state, observability::State::degraded);
    EXPECT_THAT(alarms.check().detail, AllOf(HasSubstr("tenant duka"), HasSubstr("\"NOWHERE\"")));
    EXPECT_THAT(registry.render(), HasSubstr("flowstack_conversation_unanswered_messages_total 1"));
    tenants.facts["duka"].pack = "ECOMMERCE";
    writes("juma", "Hi");
    EXPECT_THAT(heard("juma"), HasSubstr("Welcome"));
    EXPECT_EQ(alarms.check().state, observability::State::ok);
}

TEST_F(Walk, WhatNobodyAnswersIsRecordedInAnOpenConversationOnly) {
    const auto reacts = [&](gateway::v1::InboundKind kind) {
        gateway::v1::MessageReceived m;
        m.set_provider_message_id("wamid.mute" + std::to_string(++inbound));
        m.set_customer_id("amina");
        m.set_channel_id("ch1");
        m.set_kind(kind);
        now += seconds{1};
        gateway->happened({"duka", "inbound", m.provider_message_id()}, customer("amina"), m, now);
        consume();
    };
    reacts(gateway::v1::INBOUND_KIND_REACTION);
    EXPECT_TRUE(events().empty() || all<v1::ConversationOpened>().empty());
    writes("amina", "Hi");
    const auto spoke = all<v1::CustomerSpoke>().size();
    reacts(gateway::v1::INBOUND_KIND_REACTION);
    reacts(static_cast<gateway::v1::InboundKind>(99));  // of a newer gateway
    EXPECT_EQ(all<v1::CustomerSpoke>().size(), spoke + 2);
    // A group's message is kept by gateway, and nobody answers it.
    gateway::v1::GroupMessageReceived group;
    group.set_provider_message_id("wamid.group");
    group.set_group_id("g1");
    group.set_channel_id("ch1");
    group.set_kind(gateway::v1::INBOUND_KIND_TEXT);
    group.mutable_personal()->set_text("2 coffee");
    gateway->happened({"duka", "inbound", "wamid.group"}, customer("amina"), group, now);
    consume();
    EXPECT_EQ(all<v1::CustomerSpoke>().size(), spoke + 2);
    EXPECT_EQ(replies("amina").size(), 1u);
}

TEST_F(Walk, AnAnswerFromTheShopsOwnPhoneGivesTheConversationToAPerson) {
    const auto echoes = [&](gateway::v1::InboundKind kind) {
        gateway::v1::MessageEchoed m;
        m.set_provider_message_id("wamid.echo" + std::to_string(++inbound));
        m.set_customer_id("amina");
        m.set_channel_id("ch1");
        m.set_kind(kind);
        m.mutable_personal()->set_text("I will look myself");
        now += seconds{1};
        gateway->happened({"duka", "inbound", m.provider_message_id()}, customer("amina"), m, now);
        consume();
    };
    // Nothing is open that a person could take over.
    echoes(gateway::v1::INBOUND_KIND_TEXT);
    EXPECT_TRUE(all<v1::ConversationOpened>().empty());
    writes("amina", "Hi");
    // An emoji is no answer.
    echoes(gateway::v1::INBOUND_KIND_REACTION);
    EXPECT_EQ(conversation_of("amina").state(), "AWAITING_CUSTOMER");
    echoes(gateway::v1::INBOUND_KIND_TEXT);
    EXPECT_EQ(conversation_of("amina").state(), "ESCALATED");
    const auto said = replies("amina").size();
    writes("amina", "2 coffee");
    EXPECT_EQ(replies("amina").size(), said);
    // It is with a person already.
    echoes(gateway::v1::INBOUND_KIND_MEDIA);
    EXPECT_EQ(all<v1::ConversationEscalated>().size(), 1u);
}

TEST_F(Walk, AFollowUpWithoutWordsIsCounted) {
    writes("amina", "Hi");
    followup::v1::TaskFired fired;
    fired.set_task_id("t1");
    fired.set_kind(followup::v1::TASK_KIND_CUSTOM);
    fired.set_customer_id("amina");
    followup->happened({"duka", "task", "t1"}, customer("amina"), fired, now + seconds{60});
    consume();
    EXPECT_THAT(registry.render(), HasSubstr("flowstack_conversation_unsaid_follow_ups_total"));
    fired.set_kind(followup::v1::TASK_KIND_RESTOCK);
    followup->happened({"duka", "task", "t2"}, customer("amina"), fired, now + seconds{60});
    consume();
    EXPECT_THAT(heard("amina"), HasSubstr("back on the shelf"));
}

TEST_F(Walk, TheInvoiceIsToldWhateverTheStateIs) {
    orders("amina", "1");
    const auto checkout = all<v1::CheckoutRequested>().at(0);
    starts(checkout, 25'000);
    pays(checkout, 25'000);
    payment::v1::InvoiceIssued invoice;
    invoice.set_order_id(checkout.order_id());
    invoice.set_conversation_id(checkout.conversation_id());
    invoice.set_customer_id("amina");
    invoice.set_number("INV-2026-000001");
    invoice.set_order_number("ORD-1");
    for (auto* money : {invoice.mutable_subtotal(), invoice.mutable_tax(),
                        invoice.mutable_rounding(), invoice.mutable_total()})
        money->set_currency_code("KES");
    payment_says(invoice);
    EXPECT_THAT(heard("amina"), HasSubstr("INV-2026-000001"));
}

TEST_F(Walk, AFollowUpIsSaidOnlyWhileNobodyAnswered) {
    writes("amina", "Hi");
    const auto since = now;
    followup::v1::TaskFired fired;
    fired.set_task_id("t1");
    fired.set_kind(followup::v1::TASK_KIND_GENTLE);
    fired.set_customer_id("amina");
    fired.set_conversation_id(conversation_of("amina").conversation_id());
    fired.set_since_us(unix_micros(since));
    followup->happened({"duka", "task", "t1"}, customer("amina"), fired, now + seconds{7200});
    consume();
    EXPECT_THAT(heard("amina"), HasSubstr("are you still there"));
    EXPECT_EQ(replies("amina").back().task_id(), "t1");
    writes("amina", "yes");
    const auto said = replies("amina").size();
    fired.set_task_id("t2");
    followup->happened({"duka", "task", "t2"}, customer("amina"), fired, now + seconds{7300});
    consume();
    EXPECT_EQ(replies("amina").size(), said);
}

TEST_F(Walk, RepliesAreDerivedFromTheirCauseAndCarryTheInboundsKey) {
    writes("amina", "Hi");
    const auto reply = replies("amina").at(0);
    EXPECT_EQ(reply.idempotency_key(), "auto-reply:wamid.1:1");
    const auto cause = gateway->read(store.lane_of(customer("amina"), "duka"), 1, 1, 1).at(0);
    EXPECT_EQ(reply.message_id(), eventlog::derive_id(cause.event_id, "message", 1).text());
    for (const auto& event : events())
        if (event.stream.category == category::kConversation) {
            ASSERT_TRUE(event.meta.causation);
            EXPECT_EQ(event.meta.causation->service, "gateway");
        }
}

TEST_F(Walk, MessagesOfOneBatchSeeEachOther) {
    for (const auto* text : {"Hi", "2 coffee", "1"}) {
        gateway::v1::MessageReceived m;
        m.set_provider_message_id(std::string("wamid.") + text);
        m.set_channel_id("ch1");
        m.set_customer_id("amina");
        m.set_kind(gateway::v1::INBOUND_KIND_TEXT);
        m.mutable_personal()->set_text(text);
        m.mutable_personal()->set_phone("+254712345678");
        now += seconds{1};
        gateway->happened({"duka", "inbound", m.provider_message_id()}, customer("amina"), m, now);
    }
    consume();
    EXPECT_EQ(all<v1::ConversationOpened>().size(), 1u);
    EXPECT_THAT(heard("amina"), HasSubstr("Order confirmed!"));
}

TEST_F(Walk, AnUnknownTenantsMessageParksAndOthersGoOn) {
    gateway::v1::MessageReceived m;
    m.set_provider_message_id("wamid.x");
    m.set_customer_id("stranger");
    m.set_kind(gateway::v1::INBOUND_KIND_TEXT);
    gateway->happened({"nobody", "inbound", "wamid.x"}, customer("stranger"), m, now);
    for (int i = 0; i < 10; ++i) consume();
    writes("amina", "Hi");
    EXPECT_THAT(heard("amina"), HasSubstr("Welcome"));
}

TEST_F(Walk, ACheckoutThatPaymentRefusesGivesTheShelfBackAndIsTold) {
    orders("amina", "3");
    const auto checkout = all<v1::CheckoutRequested>().at(0);
    EXPECT_EQ(product("coffee").reserved(), 3);
    auto refused = about_order<payment::v1::CheckoutRefused>(checkout);
    refused.set_reservation_id(checkout.reservation_id());
    refused.set_reason("not_priced");
    payment_says(refused);
    EXPECT_THAT(heard("amina"), HasSubstr("cannot take this order"));
    EXPECT_EQ(product("coffee").reserved(), 0);
    EXPECT_EQ(product("coffee").on_hand(), 10);
    EXPECT_EQ(conversation_of("amina").state(), "ESCALATED");
}

TEST_F(Walk, ALateSuccessTakesItsGoodsFromTheShelfAgain) {
    orders("amina", "3");
    const auto checkout = all<v1::CheckoutRequested>().at(0);
    starts(checkout, 75'000);
    payment_says(about<payment::v1::IntentExpired>(checkout));
    EXPECT_EQ(product("coffee").reserved(), 0);
    pays(checkout, 75'000);
    consume();
    EXPECT_THAT(heard("amina"), HasSubstr("QKX7"));
    EXPECT_EQ(product("coffee").on_hand(), 7);
    EXPECT_EQ(product("coffee").reserved(), 0);
    EXPECT_EQ(all<v1::CheckoutRequested>().size(), 1u);
}

TEST_F(Walk, AReceiptThatIsLearntLaterIsSentAgain) {
    orders("amina", "1");
    const auto checkout = all<v1::CheckoutRequested>().at(0);
    starts(checkout, 25'000);
    auto paid = about<payment::v1::IntentPaid>(checkout);
    paid.mutable_amount()->set_minor_units(25'000);
    paid.mutable_amount()->set_currency_code("KES");
    payment_says(paid);
    EXPECT_EQ(conversation_of("amina").state(), "CLOSED");
    auto learned = about<payment::v1::ReceiptLearned>(checkout);
    *learned.mutable_amount() = paid.amount();
    learned.set_receipt("QKX8AB12CD");
    payment_says(learned);
    EXPECT_THAT(heard("amina"), HasSubstr("Transaction: QKX8AB12CD"));
    EXPECT_EQ(product("coffee").on_hand(), 9);
    // As it was stored before it named its order: nobody can say whose it is.
    payment::v1::ReceiptLearned old;
    old.set_receipt("OLD");
    const auto said = replies("amina").size();
    payment_says(old);
    EXPECT_EQ(replies("amina").size(), said);
}

// What one process has of its own: connections, folds, cursors in memory.
struct Replica {
    Replica(const std::string& database_url, const Packs& packs, Tenants& tenants,
            std::map<std::string, std::shared_ptr<eventlog::Source>> sources)
        : store({.service = "conversation", .database_url = database_url, .lanes = kLanes}, derive),
          content(store, books, packs),
          reactor(books, tenants, content, alarms, RateLimit{}),
          consumption(store, with_own(std::move(sources)),
                      {.consumer = "conversation",
                       .head_compare_every = seconds{1},
                       .idle_cursor_after = milliseconds{50}}) {
        consumption.react([this](const auto& event, auto& turn) { reactor.react(event, turn); });
        consumption.prepare(
            [this](auto events, auto& pending) { reactor.prepare(events, pending); });
        consumption.project(project);
    }
    std::map<std::string, std::shared_ptr<eventlog::Source>> with_own(
        std::map<std::string, std::shared_ptr<eventlog::Source>> sources) {
        sources["conversation"] = eventlog::own_source(store);
        return sources;
    }

    eventlog::Store store;
    Books books{store};
    ContentCache content;
    metrics::Registry registry;
    Alarms alarms{registry};
    Reactor reactor;
    eventlog::Consumption consumption;
};

TEST_F(Walk, TwoHundredChatsAreAnsweredInOrderWhateverTheBusRepeatsAndWhoeverOwnsTheLanes) {
    constexpr int kChats = 200;
    constexpr int kMessages = 50;
    constexpr std::size_t kChunk = 37;
    std::vector<std::vector<eventlog::BusRecord>> bus(kLanes);
    for (int n = 1; n <= kMessages; ++n) {
        now += seconds{10};
        for (int chat = 0; chat < kChats; ++chat) {
            const auto who = "chat-" + std::to_string(chat);
            gateway::v1::MessageReceived m;
            m.set_provider_message_id(who + "/" + std::to_string(n));
            m.set_channel_id("ch1");
            m.set_customer_id(who);
            m.set_kind(gateway::v1::INBOUND_KIND_TEXT);
            m.mutable_personal()->set_text("Hi");
            m.mutable_personal()->set_phone("+254712345678");
            const auto& event = gateway->happened({"duka", "inbound", m.provider_message_id()},
                                                  customer(who), m, now);
            bus[static_cast<std::size_t>(event.lane)].push_back(
                {"gateway", event.lane, "duka/" + who, eventlog::to_bus(event)});
        }
    }
    std::vector<std::unique_ptr<Replica>> replicas;
    for (int i = 0; i < 3; ++i)
        replicas.push_back(std::make_unique<Replica>(
            database.service_url(), packs, tenants,
            std::map<std::string, std::shared_ptr<eventlog::Source>>{
                {"gateway", gateway}, {"payment", payment}, {"followup", followup}}));
    const auto handled = [&] {
        return store.pool().with([](postgres::Session& session) {
            return session
                .query(
                    "select count(*) from events where type = "
                    "'flowstack.conversation.v1.DialogueTurn'")
                .int8(0, 0);
        });
    };
    // Who owns a lane changes every second; for a moment the old owner goes on beside the new one.
    std::atomic<int> generation = 0;
    std::atomic<bool> done = false;
    std::vector<std::thread> threads;
    for (int mine = 0; mine < 3; ++mine)
        threads.emplace_back([&, mine] {
            auto& own = replicas[static_cast<std::size_t>(mine)]->consumption;
            std::mt19937 random(static_cast<unsigned>(mine));
            std::vector<std::size_t> next(kLanes, 0);
            std::vector<int> lanes;
            int known = -1;
            while (!done) {
                if (const int now_is = generation; now_is != known) {
                    known = now_is;
                    own.unassign(lanes);
                    lanes.clear();
                    for (int lane = 0; lane < kLanes; ++lane)
                        if ((lane + known) % 3 == mine) lanes.push_back(lane);
                    own.assign(lanes);
                }
                std::vector<eventlog::BusRecord> batch;
                for (const int lane : lanes) {
                    const auto& records = bus[static_cast<std::size_t>(lane)];
                    auto& at = next[static_cast<std::size_t>(lane)];
                    const auto end = std::min(at + kChunk, records.size());
                    // A stretch, often twice, sometimes with its beginning missing.
                    for (int times = 1 + static_cast<int>(random() % 2); times > 0; --times)
                        for (auto i = at + random() % 3; i < end; ++i) batch.push_back(records[i]);
                    at = end == records.size() ? 0 : end;
                }
                own.apply(std::move(batch));
            }
        });
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(150);
    while (handled() < kChats * kMessages && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(seconds{1});
        ++generation;
    }
    done = true;
    for (auto& thread : threads) thread.join();

    std::map<std::string, std::vector<std::string>> heard_of, answered;
    const auto whole_lane = [&](int lane) {
        std::vector<eventlog::Recorded> events;
        while (true) {  // a page has a limit in bytes, too
            auto page = store.read_lane(lane, std::ssize(events) + 1, 0, 10'000);
            if (page.empty()) return events;
            std::ranges::move(page, std::back_inserter(events));
        }
    };
    for (int lane = 0; lane < kLanes; ++lane)
        for (const auto& event : whole_lane(lane)) {
            if (event.type == v1::DialogueTurn::descriptor()->full_name()) {
                v1::DialogueTurn m;
                ASSERT_TRUE(m.ParseFromString(event.payload));
                for (const auto& step : m.steps())
                    if (step.has_customer_spoke())
                        heard_of[event.meta.routing.key].push_back(
                            step.customer_spoke().inbound_id());
            } else if (event.type == v1::ReplyRequested::descriptor()->full_name()) {
                v1::ReplyRequested m;
                ASSERT_TRUE(m.ParseFromString(event.payload));
                answered[m.customer_id()].push_back(m.idempotency_key());
            }
        }
    ASSERT_EQ(heard_of.size(), static_cast<std::size_t>(kChats));
    for (const auto& [who, inbound_ids] : heard_of) {
        std::vector<std::string> expected, keys;
        for (int n = 1; n <= kMessages; ++n) {
            expected.push_back(who + "/" + std::to_string(n));
            keys.push_back("auto-reply:" + expected.back() + ":1");
        }
        ASSERT_EQ(inbound_ids, expected);
        ASSERT_EQ(answered[who], keys);
    }
}

TEST_F(Walk, ReadModelsAreTheSameAfterARebuild) {
    orders("amina", "2");
    writes("juma", "jambo");
    const auto list = [&] {
        v1::ListConversationsRequest request;
        request.set_parent("tenants/duka");
        v1::ListConversationsResponse answer;
        call<v1::ConversationService>(&v1::ConversationService::Stub::ListConversations, request,
                                      answer);
        v1::ListCustomersRequest customers;
        customers.set_parent("tenants/duka");
        v1::ListCustomersResponse people;
        call<v1::CustomerService>(&v1::CustomerService::Stub::ListCustomers, customers, people);
        return answer.DebugString() + people.DebugString();
    };
    const auto before = list();
    EXPECT_THAT(before, HasSubstr("juma"));
    consumption.rebuild();
    EXPECT_EQ(list(), before);
}

}  // namespace
}  // namespace flowstack::conversation
