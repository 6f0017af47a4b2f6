#include <gmock/gmock.h>

#include "flowstack/conversation/v1/content_events.pb.h"
#include "flowstack/followup/v1/task_events.pb.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/invoice_events.pb.h"
#include "flowstack/payment/v1/order_events.pb.h"
#include "tests/integration/conversation/shop.h"

namespace flowstack::conversation {
namespace {

using ::testing::HasSubstr;

class Walk : public Shop {
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
    fired.set_kind("gentle");
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
        m.set_kind("text");
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
    m.set_kind("text");
    gateway->happened({"nobody", "inbound", "wamid.x"}, customer("stranger"), m, now);
    for (int i = 0; i < 10; ++i) consume();
    writes("amina", "Hi");
    EXPECT_THAT(heard("amina"), HasSubstr("Welcome"));
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
