#include <gmock/gmock.h>

#include "flowstack/payment/v1/order_events.pb.h"
#include "tests/integration/conversation/shop.h"

// Orders that the shop's own site takes, by gRPC.
namespace flowstack::conversation {
namespace {

using ::testing::HasSubstr;
constexpr auto kOk = common::v1::ERROR_REASON_UNSPECIFIED;
const std::string kPhone = "+254712345678";

class PlacingBy : public ShopFixture {
protected:
    PlacingBy() { save_product("coffee", "Coffee", 25'000, 10); }

    v1::PlaceOrderRequest two_coffees(const std::string& request_id = "") {
        v1::PlaceOrderRequest request;
        request.set_parent("tenants/duka");
        request.set_phone("0712 345 678");
        request.set_product_id("coffee");
        request.set_quantity(2);
        request.set_delivery_address("Moi Avenue");
        request.set_customer_name("Amina W.");
        request.set_request_id(request_id);
        return request;
    }
    rpc::ErrorReason place(const v1::PlaceOrderRequest& request, v1::PlacedOrder& answer) {
        return call<v1::ConversationService>(&v1::ConversationService::Stub::PlaceOrder, request,
                                             answer);
    }
    std::vector<std::string> fields() {
        std::vector<std::string> names;
        if (failure)
            for (const auto& field : failure->fields) names.push_back(field.field);
        return names;
    }
    void payment_makes(const v1::PlacedOrder& placed) {
        payment::v1::OrderPlaced made;
        made.set_order_id(placed.order_id());
        made.set_number("ORD-7K2M9Q");
        made.set_customer_id(placed.customer_id());
        made.set_conversation_id(placed.conversation_id());
        now += seconds{1};
        payment->happened({"duka", "order", placed.order_id()}, customer(placed.customer_id()),
                          made, now);
        consume();
    }
};

TEST_F(PlacingBy, AnUnknownPhoneMakesTheCustomerAndTheOrder) {
    v1::PlacedOrder placed;
    ASSERT_EQ(place(two_coffees(), placed), kOk) << failure->message;
    EXPECT_EQ(placed.name(), "tenants/duka/orders/" + placed.order_id());
    EXPECT_EQ(placed.customer_id(), "contact-1");
    EXPECT_EQ(contacts.contacts.begin()->first, kPhone);
    EXPECT_EQ(placed.channel_id(), "ch1");
    ASSERT_EQ(placed.lines_size(), 1);
    EXPECT_EQ(placed.lines(0).product_name(), "Coffee");
    EXPECT_EQ(placed.total().minor_units(), 50'000);
    EXPECT_FALSE(placed.notified());
    EXPECT_EQ(placed.not_notified_reason(), "window_closed");

    const auto checkouts = all<v1::CheckoutRequested>();
    ASSERT_EQ(checkouts.size(), 1u);
    EXPECT_TRUE(checkouts[0].pay_later());
    EXPECT_EQ(checkouts[0].order_id(), placed.order_id());
    EXPECT_EQ(checkouts[0].personal().phone(), kPhone);
    EXPECT_EQ(product("coffee").reserved(), 0);
    payment_makes(placed);
    EXPECT_THAT(heard("contact-1"), HasSubstr("ORD-7K2M9Q"));
    EXPECT_EQ(conversation_of("contact-1").state(), "AWAITING_CUSTOMER");

    taps("contact-1", "M-Pesa");
    consume();
    EXPECT_EQ(product("coffee").reserved(), 2);
    EXPECT_EQ(all<v1::CheckoutRequested>().back().retry_of_order_id(), placed.order_id());
}

TEST_F(PlacingBy, WhoWroteIsAskedInTheirConversation) {
    contacts.contacts[kPhone] = {"amina", "ch1", clock.now() + std::chrono::hours{1}};
    writes("amina", "Habari");
    v1::PlacedOrder placed;
    ASSERT_EQ(place(two_coffees(), placed), kOk);
    EXPECT_TRUE(placed.notified());
    EXPECT_EQ(placed.customer_id(), "amina");
    EXPECT_EQ(placed.conversation_id(), conversation_of("amina").conversation_id());
    payment_makes(placed);
    EXPECT_THAT(heard("amina"), HasSubstr("Ungependa kulipa vipi?"));
}

TEST_F(PlacingBy, OneRequestIdPlacesOneOrderAndAnswersTheSame) {
    contacts.contacts[kPhone] = {"amina", "ch1", clock.now() + std::chrono::hours{1}};
    v1::PlacedOrder first, again;
    ASSERT_EQ(place(two_coffees("r1"), first), kOk);
    // Whatever became of the world since.
    save_product("coffee", "Kahawa", 99'000, 0);
    tenants.facts["duka"].tax_rate_bp = 1600;
    contacts.contacts[kPhone].window_closes_at = {};
    ASSERT_EQ(place(two_coffees("r1"), again), kOk) << failure->message;
    EXPECT_EQ(again.SerializeAsString(), first.SerializeAsString());
    EXPECT_EQ(all<v1::CheckoutRequested>().size(), 1u);
    auto other = two_coffees("r1");
    other.set_quantity(3);
    EXPECT_EQ(place(other, again), common::v1::ERROR_REASON_IDEMPOTENCY_KEY_REUSED);
}

TEST_F(PlacingBy, WhatIsWrongIsNamedAndLeavesNoTrace) {
    v1::PlacedOrder placed;
    auto request = two_coffees("r1");
    request.set_phone("abc");
    request.set_product_id("tea");
    request.set_quantity(1000);
    EXPECT_EQ(place(request, placed), common::v1::ERROR_REASON_FIELD_INVALID);
    EXPECT_EQ(fields(), (std::vector<std::string>{"phone", "product_id", "quantity"}));
    request = two_coffees("r1");
    request.set_quantity(11);
    EXPECT_EQ(place(request, placed), common::v1::ERROR_REASON_FIELD_INVALID);
    EXPECT_THAT(failure->fields[0].description, HasSubstr("at most 10"));
    EXPECT_TRUE(contacts.contacts.empty());
    request.set_parent("tenants/nobody");
    EXPECT_EQ(place(request, placed), common::v1::ERROR_REASON_NOT_FOUND);
    tenants.facts["duka"].status = "SUSPENDED";
    EXPECT_EQ(place(two_coffees("r1"), placed), common::v1::ERROR_REASON_TENANT_SUSPENDED);
    tenants.facts["duka"].status = "CLOSED";
    EXPECT_EQ(place(two_coffees("r1"), placed), common::v1::ERROR_REASON_TENANT_CLOSED);
    tenants.facts["duka"].status = "ACTIVE";
    EXPECT_EQ(place(two_coffees("r1"), placed), kOk);  // no refusal used up the key
}

TEST_F(PlacingBy, APersonAndARunningPaymentComeFirst) {
    contacts.contacts[kPhone] = {"amina", "ch1", {}};
    writes("amina", "Coffee x 2");
    taps("amina", "Yes");
    taps("amina", "M-Pesa");
    v1::PlacedOrder placed;
    EXPECT_EQ(place(two_coffees("r1"), placed), common::v1::ERROR_REASON_WRONG_STATE);
    EXPECT_THAT(failure->message, HasSubstr("payment"));

    contacts.contacts[kPhone] = {"juma", "ch1", {}};
    writes("juma", "Hi");
    v1::EscalateConversationRequest escalate;
    escalate.set_name(conversation_of("juma").name());
    v1::Conversation escalated;
    ASSERT_EQ(call<v1::ConversationService>(&v1::ConversationService::Stub::EscalateConversation,
                                            escalate, escalated),
              kOk);
    EXPECT_EQ(place(two_coffees("r1"), placed), common::v1::ERROR_REASON_WRONG_STATE);
    EXPECT_THAT(failure->message, HasSubstr("person"));
    v1::HandBackConversationRequest back;
    back.set_name(escalate.name());
    ASSERT_EQ(call<v1::ConversationService>(&v1::ConversationService::Stub::HandBackConversation,
                                            back, escalated),
              kOk);
    EXPECT_EQ(place(two_coffees("r1"), placed), kOk);
}

}  // namespace
}  // namespace flowstack::conversation
