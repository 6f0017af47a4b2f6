#include "services/conversation/domain/trades/shop/placing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/conversation/chat.h"

// Orders that the shop's own site takes: placed at once, paid when the customer chooses how.
namespace flowstack::conversation {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// The title's button on the message that offers this order.
std::vector<std::string> taps_of(Chat& chat, const std::string& order_id,
                                 const std::string& title) {
    for (const auto& sent : chat.now_in().choices)
        for (const auto& tap : sent.taps)
            if (tap.title == title && tap.argument.ends_with("|" + order_id))
                return chat.inbound("button", title, sent.message_id + ":" + std::to_string(tap.n));
    ADD_FAILURE() << "nobody offered " << order_id;
    return {};
}

void pay(Chat& chat) {
    EXPECT_THAT(chat.stock_is_there(), IsEmpty());
    EXPECT_THAT(chat.payment_starts(), ElementsAre(HasSubstr("Processing payment…")));
}

TEST(Placing, ACustomerWhoNeverWroteIsAskedHowToPayAndPays) {
    Chat chat;
    const auto placed = std::get<Placed>(chat.places("o1", "coffee", 2));
    EXPECT_TRUE(placed.opened);
    EXPECT_EQ(chat.customer.name, "Amina W.");
    EXPECT_EQ(chat.customer.phone, "+254712345678");
    EXPECT_EQ(chat.customer.address, "Moi Avenue");
    EXPECT_EQ(chat.customer.conversation_id, placed.conversation_id);
    EXPECT_EQ(chat.last<OrderTaken>().total, kes(50'000));
    const auto checkout = chat.last<CheckoutRequested>();
    EXPECT_TRUE(checkout.pay_later);
    EXPECT_EQ(checkout.order_id, "o1");
    EXPECT_EQ(checkout.name, "Amina W.");
    EXPECT_EQ(checkout.address, "Moi Avenue");
    EXPECT_EQ(checkout.phone, "+254712345678");
    EXPECT_EQ(checkout.provider + checkout.reservation_id + checkout.retry_of_order_id, "");
    EXPECT_EQ(chat.count<StockRequested>(), 0);  // nobody chose how to pay: nothing is held
    EXPECT_FALSE(chat.now_in().paying());

    EXPECT_THAT(chat.order_is_made("o1"),
                ElementsAre(AllOf(HasSubstr("ORD-o1"), HasSubstr("Coffee × 2"),
                                  HasSubstr("Total: KES 500.00"), HasSubstr("Moi Avenue"))));
    EXPECT_THAT(chat.last<ReplyRequested>().content.titles, ElementsAre("M-Pesa", "Card"));
    EXPECT_TRUE(chat.last<ReplyRequested>().expects_answer);
    EXPECT_EQ(chat.state(), "AWAITING_CUSTOMER");
    EXPECT_THAT(chat.order_is_made("o1"), IsEmpty());  // said once

    EXPECT_THAT(chat.taps("Card"), IsEmpty());
    EXPECT_EQ(chat.last<StockRequested>().order_id, "o1");
    pay(chat);
    EXPECT_EQ(chat.last<CheckoutRequested>().retry_of_order_id, "o1");
    EXPECT_EQ(chat.last<CheckoutRequested>().provider, "stripe");
    EXPECT_FALSE(chat.last<CheckoutRequested>().pay_later);
    EXPECT_EQ(chat.state(), "WAITING_FOR_PAYMENT");
    EXPECT_THAT(chat.payment_pays(50'000),
                ElementsAre(AllOf(HasSubstr("ORD-o1"), HasSubstr("Coffee × 2"),
                                  HasSubstr("Moi Avenue"), HasSubstr("RCP123"))));
    EXPECT_EQ(chat.state(), "CLOSED");
    EXPECT_TRUE(chat.last<ReservationEndRequested>().sold);
    EXPECT_EQ(chat.last<OrderWaitEnded>().reason, OrderWaitEnd::paid);
    // An old button of what is paid.
    EXPECT_THAT(chat.taps("M-Pesa")[0], HasSubstr("already paid"));
    EXPECT_EQ(chat.count<StockRequested>(), 1);
}

TEST(Placing, WordsChooseTooAndOtherWordsAreAskedAgain) {
    Chat chat;
    chat.places("o1", "coffee", 2);
    chat.order_is_made("o1");
    EXPECT_THAT(chat.says("hello"), ElementsAre(HasSubstr("ORD-o1")));
    EXPECT_THAT(chat.says("mpesa"), IsEmpty());
    EXPECT_EQ(chat.last<StockRequested>().order_id, "o1");
}

TEST(Placing, TheMenuLeavesTheOrderWaitingAndNothingHeld) {
    Chat chat;
    chat.places("o1", "coffee", 2);
    chat.order_is_made("o1");
    EXPECT_THAT(chat.says("menu"), ElementsAre(HasSubstr("Welcome to Mama Duka")));
    EXPECT_EQ(chat.count<StockRequested>(), 0);
    chat.taps("M-Pesa");
    EXPECT_EQ(chat.last<StockRequested>().order_id, "o1");
}

TEST(Placing, GoodsThatAreGoneAreToldAndTheOrderGoesOnWaiting) {
    Chat chat;
    chat.places("o1", "coffee", 2);
    chat.order_is_made("o1");
    chat.taps("M-Pesa");
    const auto told =
        chat.hears(StockAnswered{.reservation_id = chat.last<StockRequested>().reservation_id,
                                 .reserved = false,
                                 .product_id = ProductId("coffee"),
                                 .available = 1});
    EXPECT_THAT(told[0], HasSubstr("Coffee just sold out: only 1 left"));
    EXPECT_FALSE(chat.now_in().paying());
    EXPECT_THAT(chat.now_in().shop.cart, IsEmpty());
    EXPECT_EQ(chat.count<CheckoutRequested>(), 1);
    chat.taps("M-Pesa");
    pay(chat);
    EXPECT_EQ(chat.last<CheckoutRequested>().retry_of_order_id, "o1");
}

TEST(Placing, AFailedPaymentIsTriedAgainByEitherButton) {
    for (const auto* button : {"Try again", "M-Pesa"}) {
        Chat chat;
        chat.places("o1", "coffee", 2);
        chat.order_is_made("o1");
        chat.taps("M-Pesa");
        pay(chat);
        EXPECT_THAT(chat.hears(PaymentFailed{.order_id = OrderId("o1"), .reason = "wrong_pin"})[0],
                    HasSubstr("Payment failed"));
        EXPECT_FALSE(chat.last<ReservationEndRequested>().sold);
        chat.taps(button);
        pay(chat);
        EXPECT_EQ(chat.last<CheckoutRequested>().retry_of_order_id, "o1");
        EXPECT_THAT(chat.payment_pays(50'000)[0], HasSubstr("ORD-o1"));
    }
}

TEST(Placing, EachOfSeveralOrdersIsPaidByItsOwnButtons) {
    Chat chat;
    chat.says("hi");
    chat.places("o1", "coffee", 2, "Moi Avenue");
    chat.places("o2", "soap", 1, "Ngong Road");
    EXPECT_EQ(chat.conversations.size(), 1u);
    EXPECT_THAT(chat.order_is_made("o1")[0], AllOf(HasSubstr("ORD-o1"), HasSubstr("Coffee × 2")));
    EXPECT_THAT(chat.order_is_made("o2")[0], AllOf(HasSubstr("ORD-o2"), HasSubstr("Bar Soap")));

    taps_of(chat, "o1", "M-Pesa");
    pay(chat);
    EXPECT_EQ(chat.last<CheckoutRequested>().retry_of_order_id, "o1");
    EXPECT_EQ(chat.last<CheckoutRequested>().lines[0].product_id, "coffee");
    chat.hears(PaymentBegan{.order_id = OrderId("o1"),
                            .provider = "mpesa",
                            .amount = kes(50'000),
                            .order_number = "ORD-o1"});
    const auto told = chat.payment_pays(50'000);
    ASSERT_EQ(told.size(), 2u);
    EXPECT_THAT(told[0], AllOf(HasSubstr("Coffee × 2"), HasSubstr("Moi Avenue")));
    EXPECT_THAT(told[1], AllOf(HasSubstr("ORD-o2"), HasSubstr("Ngong Road"),
                               HasSubstr("How would you like to pay?")));
    EXPECT_EQ(chat.state(), "AWAITING_CUSTOMER");  // not closed: the other one waits

    EXPECT_THAT(taps_of(chat, "o1", "Card")[0], HasSubstr("already paid"));
    taps_of(chat, "o2", "Card");
    pay(chat);
    EXPECT_EQ(chat.last<CheckoutRequested>().retry_of_order_id, "o2");
    chat.payment_pays(12'050);
    EXPECT_EQ(chat.state(), "CLOSED");
}

TEST(Placing, TheReceiptOfAnotherOrderNamesItsOwnNumber) {
    Chat chat;
    chat.places("o1", "coffee", 2);
    chat.order_is_made("o1");
    chat.places("o2", "soap", 1);
    chat.order_is_made("o2");
    taps_of(chat, "o1", "M-Pesa");
    chat.stock_is_there();
    chat.hears(PaymentBegan{.order_id = OrderId("o1"),
                            .provider = "mpesa",
                            .amount = kes(50'000),
                            .order_number = "ORD-o1"});
    EXPECT_THAT(chat.payment_pays(50'000)[0], AllOf(HasSubstr("ORD-o1"), Not(HasSubstr("ORD-o2"))));
}

TEST(Placing, MoneyThatComesLateForAnotherOrderTakesItsGoodsAgain) {
    Chat chat;
    chat.places("o1", "coffee", 2);
    chat.order_is_made("o1");
    chat.taps("M-Pesa");
    pay(chat);
    chat.hears(PaymentExpired{.order_id = OrderId("o1")});
    chat.places("o2", "soap", 1);
    chat.order_is_made("o2");
    EXPECT_THAT(chat.hears(PaymentPaid{.order_id = OrderId("o1"),
                                       .intent_id = IntentId("i1"),
                                       .receipt = "RCP1",
                                       .amount = kes(50'000),
                                       .order_number = "ORD-o1"})[0],
                HasSubstr("ORD-o1"));
    EXPECT_EQ(chat.last<StockRequested>().paid_order_id, "o1");
    EXPECT_EQ(chat.last<StockRequested>().lines[0].product_id, "coffee");
    chat.stock_is_there();
    EXPECT_TRUE(chat.last<ReservationEndRequested>().sold);
    EXPECT_THAT(chat.says("hm"), ElementsAre(HasSubstr("ORD-o2")));  // the one that waits
}

TEST(Placing, WhatIsInTheCartIsPutBackAndItsOldButtonsPayNothing) {
    Chat chat;
    chat.says("2 coffee");
    chat.taps("Yes");
    ASSERT_EQ(chat.now_in().shop.cart.size(), 1u);
    chat.places("o1", "soap", 1);
    EXPECT_THAT(chat.now_in().shop.cart, IsEmpty());
    // The buttons of the cart's summary are not those of the order.
    const auto sent = chat.now_in().choices.back();
    ASSERT_EQ(sent.taps[0].action, "pay");
    chat.order_is_made("o1");
    chat.inbound("button", "M-Pesa", sent.message_id + ":0");
    EXPECT_EQ(chat.count<StockRequested>(), 0);
}

TEST(Placing, IsRefusedWhileAPaymentRunsAndWhileAPersonTalks) {
    Chat chat;
    chat.says("2 coffee");
    chat.taps("Yes");
    chat.taps("M-Pesa");
    EXPECT_EQ(std::get<PlaceRejection>(chat.places("o1", "soap", 1)), PlaceRejection::paying);
    chat.stock_is_there();
    EXPECT_EQ(std::get<PlaceRejection>(chat.places("o1", "soap", 1)), PlaceRejection::paying);
    chat.payment_starts();
    EXPECT_EQ(std::get<PlaceRejection>(chat.places("o1", "soap", 1)), PlaceRejection::paying);
    chat.payment_pays(50'000);
    EXPECT_TRUE(std::get<Placed>(chat.places("o1", "soap", 1)).opened);

    Chat other;
    other.says("hi");
    other.person(Escalate{"asked for"});
    EXPECT_EQ(std::get<PlaceRejection>(other.places("o1", "soap", 1)), PlaceRejection::with_person);
    EXPECT_THAT(other.now_in().shop.waiting_orders, IsEmpty());
}

TEST(Placing, ASleepingConversationWakesAndAKnownNameStays) {
    Chat chat;
    chat.says("hi");
    chat.hears(
        FollowUpDue{.task_id = TaskId("t"), .kind = "reminder", .since = chat.now, .text = ""});
    ASSERT_EQ(chat.state(), "DORMANT");
    EXPECT_FALSE(std::get<Placed>(chat.places("o1", "coffee", 1)).opened);
    EXPECT_EQ(chat.state(), "ENGAGED");
    EXPECT_EQ(chat.customer.name, "Amina");
    EXPECT_EQ(chat.last<CheckoutRequested>().name, "Amina W.");  // this order's own
}

TEST(Placing, APersonWhoTookOverMeanwhileStillSeesTheOfferGo) {
    Chat chat;
    chat.places("o1", "coffee", 1);
    chat.person(Escalate{"asked for"});
    EXPECT_THAT(chat.order_is_made("o1"), ElementsAre(HasSubstr("ORD-o1")));
    EXPECT_EQ(chat.state(), "ESCALATED");
}

TEST(Placing, AFlowThatSellsNothingIsPaidByTheSameButtons) {
    Chat chat;
    const auto own = parse_flow(R"({"key": "own", "languages": ["en"], "start": "start",
        "nodes": {"start": {"otherwise": [{"send": "hours"}]}},
        "templates": {"hours": {"kind": "text", "variants": {"en": "Open 8 to 6"}}}})");
    chat.own_flows[{"own", 1}] = with_base(own, read_packs(PACKS_DIR).base);
    chat.flow_key = "own";
    chat.flow_version = 1;
    chat.places("o1", "coffee", 1);
    EXPECT_THAT(chat.order_is_made("o1"), ElementsAre(HasSubstr("ORD-o1")));
    EXPECT_THAT(chat.says("what are your hours?"), ElementsAre("Open 8 to 6"));
    chat.taps("M-Pesa");
    pay(chat);
    EXPECT_THAT(chat.payment_pays(25'000)[0], HasSubstr("Payment received"));
    EXPECT_EQ(chat.state(), "CLOSED");
}

TEST(Placing, WhatPaymentMakesNoOrderOfIsTold) {
    Chat chat;
    chat.places("o1", "coffee", 1);
    EXPECT_THAT(chat.hears(CheckoutRefused{
                    .order_id = OrderId("o1"), .reservation_id = {}, .reason = "not_priced"})[0],
                HasSubstr("cannot take this order"));
    EXPECT_EQ(chat.count<ReservationEndRequested>(), 0);
    EXPECT_EQ(chat.last<OrderWaitEnded>().reason, OrderWaitEnd::not_priced);
    EXPECT_EQ(chat.state(), "ESCALATED");
}

TEST(Placing, TheOldestOfTooManyIsForgottenAndAPersonHelps) {
    Chat chat;
    for (int i = 0; i <= static_cast<int>(kWaitingOrdersMax); ++i) {
        const auto id = "o" + std::to_string(i);
        chat.places(id, "coffee", 1);
        chat.order_is_made(id);
    }
    EXPECT_EQ(chat.now_in().shop.waiting_orders.size(), kWaitingOrdersMax);
    EXPECT_EQ(chat.now_in().shop.waiting_orders.front().id, "o1");
    EXPECT_THAT(taps_of(chat, "o0", "M-Pesa")[0], HasSubstr("not in our books any more"));
    EXPECT_EQ(chat.state(), "ESCALATED");
}

TEST(Placing, FieldsAreNamedAndTheRestOfTheShelfIsSaid) {
    TenantFacts tenant;
    auto cement = product_of("cement", "Cement", 75'000, {}, 10);
    const OrderAsked good{"0712345678", ProductId("cement"), 10, "", ""};
    EXPECT_THAT(check(good, cement, tenant), IsEmpty());
    const auto fields = [&](const OrderAsked& asked, const Product& product) {
        std::vector<std::string> names;
        for (const auto& problem : check(asked, product, tenant)) names.push_back(problem.field);
        return names;
    };
    auto asked = good;
    asked.phone = "12";
    asked.quantity = 0;
    EXPECT_THAT(fields(asked, {}), ElementsAre("phone", "product_id", "quantity"));
    asked = good;
    asked.quantity = 11;
    EXPECT_THAT(check(asked, cement, tenant),
                ElementsAre(Problem{"quantity", "must be at most 10: that many are left"}));
    cement.held[ReservationId("r")] = 4;
    asked.quantity = 7;
    EXPECT_THAT(fields(asked, cement), ElementsAre("quantity"));
    asked.quantity = 1000;
    EXPECT_THAT(fields(asked, cement), ElementsAre("quantity"));
    cement.active = false;
    EXPECT_THAT(fields(good, cement), ElementsAre("product_id"));
    asked = good;
    asked.delivery_address = std::string(kAddressMax + 1, 'a');
    asked.customer_name = std::string(kCustomerNameMax + 1, 'a');
    EXPECT_THAT(fields(asked, product_of("cement", "Cement", 75'000)),
                ElementsAre("delivery_address", "customer_name"));
    tenant.currency = Currency::usd;
    EXPECT_THAT(fields(good, product_of("cement", "Cement", 75'000)), ElementsAre("product_id"));
}

}  // namespace
}  // namespace flowstack::conversation
