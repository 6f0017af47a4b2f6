#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>

#include "tests/unit/conversation/chat.h"

namespace flowstack::conversation {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<std::string> titles(const Chat& chat) {
    return chat.last<ReplyRequested>().content.titles;
}

TEST(Journey, ACustomerBuysInEnglishAndGetsTheReceipt) {
    Chat chat;
    EXPECT_THAT(chat.says("Hi"), ElementsAre(HasSubstr("Welcome to Mama Duka")));
    EXPECT_THAT(titles(chat), ElementsAre("View Products", "View Promotions"));
    EXPECT_EQ(chat.state(), "AWAITING_CUSTOMER");
    EXPECT_TRUE(chat.last<ReplyRequested>().expects_answer);

    EXPECT_THAT(chat.taps("View Products"), ElementsAre(HasSubstr("Choose a product")));
    const auto& rows = chat.last<ReplyRequested>().content.rows;
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(rows[0].title, "Coffee");
    EXPECT_EQ(rows[0].description, "KES 250.00");

    EXPECT_THAT(chat.taps("Coffee"), ElementsAre(HasSubstr("Please enter quantity (e.g., 2)")));
    EXPECT_THAT(chat.says("3"),
                ElementsAre(HasSubstr("Please provide delivery address or reply 'skip'")));
    EXPECT_THAT(
        chat.says("Moi Avenue 12, Nairobi"),
        ElementsAre(::testing::AllOf(HasSubstr("Coffee × 3"), HasSubstr("Total: KES 750.00"),
                                     HasSubstr("Moi Avenue 12"))));
    EXPECT_THAT(titles(chat), ElementsAre("M-Pesa", "Card"));

    EXPECT_THAT(chat.taps("M-Pesa"), IsEmpty());  // the shelf is asked first
    EXPECT_EQ(chat.last<StockRequested>().lines.size(), 1u);
    EXPECT_THAT(chat.stock_is_there(), IsEmpty());
    const auto checkout = chat.last<CheckoutRequested>();
    EXPECT_EQ(checkout.provider, "mpesa");
    EXPECT_EQ(checkout.phone, "+254712345678");
    EXPECT_EQ(checkout.address, "Moi Avenue 12, Nairobi");
    EXPECT_EQ(checkout.name, "Amina");

    EXPECT_THAT(chat.payment_starts(), ElementsAre(HasSubstr("Processing payment…")));
    EXPECT_EQ(chat.state(), "WAITING_FOR_PAYMENT");
    const InvoiceSent invoice{checkout.order_id,
                              "INV-2026-000001",
                              "ORD-7K2M9Q",
                              {{"Coffee", 3, kes(25'000), kes(75'000)}},
                              kes(75'000),
                              kes(0),
                              kes(0),
                              kes(75'000),
                              chat.now};
    EXPECT_THAT(chat.hears(invoice), ElementsAre(HasSubstr("INV-2026-000001")));
    EXPECT_THAT(chat.payment_pays(75'000, "QKX1"),
                ElementsAre(::testing::AllOf(HasSubstr("ORD-7K2M9Q"), HasSubstr("Coffee × 3"),
                                             HasSubstr("KES 750.00"), HasSubstr("QKX1"),
                                             HasSubstr("Thank you"))));
    EXPECT_EQ(chat.state(), "CLOSED");
    EXPECT_TRUE(chat.last<ReservationEndRequested>().sold);

    EXPECT_THAT(chat.says("hello"), ElementsAre(HasSubstr("Welcome")));  // starts afresh
    EXPECT_EQ(chat.conversations.size(), 2u);
    EXPECT_TRUE(chat.now_in().shop.cart.empty());
}

TEST(Journey, TheSameInSwahili) {
    Chat chat;
    EXPECT_THAT(chat.says("Habari"), ElementsAre(HasSubstr("Karibu Mama Duka")));
    EXPECT_THAT(chat.taps("Tazama Bidhaa"), ElementsAre(HasSubstr("Chagua bidhaa")));
    EXPECT_THAT(chat.taps("Bar Soap"), ElementsAre(HasSubstr("Tafadhali weka idadi")));
    EXPECT_THAT(chat.says("2"), ElementsAre(HasSubstr("Tafadhali tuma anwani")));
    EXPECT_THAT(chat.says("ruka"), ElementsAre(HasSubstr("Jumla: KES 241.00")));
    EXPECT_THAT(titles(chat), ElementsAre("M-Pesa", "Kadi"));
    chat.taps("M-Pesa");
    chat.stock_is_there();
    EXPECT_EQ(chat.last<CheckoutRequested>().language, "sw");
    EXPECT_THAT(chat.payment_starts(), ElementsAre(HasSubstr("Tunashughulikia malipo…")));
    EXPECT_THAT(chat.payment_pays(24'100), ElementsAre(HasSubstr("Asante")));
    EXPECT_EQ(chat.state(), "CLOSED");
}

TEST(Journey, PromotionsAreListedAndTheGreetingComesAgain) {
    Chat chat;
    chat.says("Hi");
    EXPECT_THAT(chat.taps("View Promotions"),
                ElementsAre(HasSubstr("Buy 2 coffees"), HasSubstr("Welcome")));
}

TEST(Journey, AnUnknownProductLeadsBackToTheGreeting) {
    Chat chat;
    chat.says("Hi");
    chat.taps("View Products");
    EXPECT_THAT(chat.says("a unicorn"),
                ElementsAre("Sorry, product not found", HasSubstr("Welcome")));
    chat.tenant.languages = {"sw"};
    Chat swahili;
    swahili.says("jambo");
    swahili.taps("Tazama Bidhaa");
    EXPECT_THAT(swahili.says("ndovu"),
                ElementsAre("Samahani, bidhaa haikupatikana", HasSubstr("Karibu")));
}

TEST(Journey, AProductThatWentAwayMeanwhileIsNotFound) {
    Chat chat;
    chat.says("Hi");
    chat.taps("View Products");
    chat.products[0].active = false;
    EXPECT_THAT(chat.taps("Coffee"), ElementsAre("Sorry, product not found", HasSubstr("Welcome")));
}

TEST(Journey, ABadQuantityIsAskedAgainTwiceThenTheMenuComes) {
    for (const std::string bad : {"0", "1000", "-1", "two", "2.5", "", "1e3", "🙂"}) {
        Chat chat;
        chat.says("Hi");
        chat.taps("View Products");
        chat.taps("Coffee");
        EXPECT_THAT(chat.says(bad), ElementsAre(HasSubstr("a number from 1 to 999"))) << bad;
        EXPECT_THAT(chat.says(bad), ElementsAre(HasSubstr("a number from 1 to 999"))) << bad;
        EXPECT_THAT(chat.says(bad), ElementsAre(HasSubstr("Welcome"))) << bad;
        EXPECT_EQ(chat.now_in().node, "greeting");
    }
}

TEST(Journey, AGoodQuantityAfterABadOneGoesOn) {
    Chat chat;
    chat.says("Hi");
    chat.taps("View Products");
    chat.taps("Coffee");
    chat.says("lots");
    EXPECT_THAT(chat.says("999"), ElementsAre(HasSubstr("delivery address")));
}

TEST(Journey, TaxAndRoundingAreInTheTotalThatTheCustomerConfirms) {
    Chat chat;
    chat.tenant.tax_rate_bp = 1600;
    chat.says("Hi");
    chat.taps("View Products");
    chat.taps("Bar Soap");
    chat.says("1");
    const auto summary = chat.says("skip").front();  // 120.50 + 19.28 = 139.78 → 140.00
    EXPECT_THAT(summary, HasSubstr("Tax: KES 19.28"));
    EXPECT_THAT(summary, HasSubstr("Rounding: KES 0.22"));
    EXPECT_THAT(summary, HasSubstr("Total: KES 140.00"));
}

TEST(Journey, OnlyProvidersThatAreOnGetAButton) {
    Chat chat;
    chat.tenant.providers = {"mpesa"};
    chat.says("Hi");
    chat.taps("View Products");
    chat.taps("Coffee");
    chat.says("1");
    chat.says("skip");
    EXPECT_THAT(titles(chat), ElementsAre("M-Pesa"));
}

TEST(Journey, WithoutAnyProviderAPersonTakesOver) {
    Chat chat;
    chat.tenant.providers = {};
    chat.says("Hi");
    chat.taps("View Products");
    chat.taps("Coffee");
    chat.says("1");
    EXPECT_THAT(chat.says("skip"), ElementsAre(HasSubstr("One of us will tell you how to pay")));
    EXPECT_EQ(chat.state(), "ESCALATED");
    EXPECT_THAT(chat.says("hello?"), IsEmpty());
    EXPECT_EQ(chat.outcome, "with_person");
}

struct Ordered : Chat {
    Ordered() {
        says("Hi");
        taps("View Products");
        taps("Coffee");
        says("2");
        says("skip");
        taps("M-Pesa");
    }
};

TEST(Journey, AFailedPaymentIsToldInPlainWordsAndTriedAgainForTheSameOrder) {
    Ordered chat;
    chat.stock_is_there();
    chat.payment_starts();
    const auto first = chat.last<CheckoutRequested>();
    EXPECT_THAT(
        chat.hears(PaymentFailed{.order_id = first.order_id, .reason = "insufficient_funds"}),
        ElementsAre(::testing::AllOf(HasSubstr("Payment failed. Please try again"),
                                     HasSubstr("not enough money"))));
    EXPECT_EQ(chat.state(), "AWAITING_CUSTOMER");
    EXPECT_FALSE(chat.last<ReservationEndRequested>().sold);  // the shelf gets it back
    EXPECT_EQ(chat.last<ReservationEndRequested>().reservation_id, first.reservation_id);

    chat.taps("Try again");
    EXPECT_NE(chat.last<StockRequested>().reservation_id, first.reservation_id);
    chat.stock_is_there();
    const auto second = chat.last<CheckoutRequested>();
    EXPECT_EQ(second.order_id, first.order_id);
    EXPECT_EQ(second.retry_of_order_id, first.order_id);
    EXPECT_EQ(second.lines, first.lines);
    chat.payment_starts();
    EXPECT_THAT(chat.payment_pays(50'000), ElementsAre(HasSubstr("Payment received")));
    EXPECT_EQ(chat.state(), "CLOSED");
}

TEST(Journey, EveryReasonHasPlainWordsInBothLanguages) {
    for (const std::string reason :
         {"cancelled", "withdrawn", "insufficient_funds", "no_answer", "wrong_pin", "limit", "busy",
          "refused", "other", "something new"}) {
        Ordered chat;
        chat.stock_is_there();
        chat.payment_starts();
        const auto words =
            chat.hears(PaymentFailed{.order_id = chat.now_in().shop.order_id, .reason = reason});
        ASSERT_EQ(words.size(), 1u);
        EXPECT_GT(words[0].size(), std::string("Payment failed. Please try again\n").size())
            << reason;
        EXPECT_FALSE(has(words[0], "_")) << words[0];
    }
}

TEST(Journey, AnExpiredPaymentGivesTheShelfBackAndMayBeTriedAgain) {
    Ordered chat;
    chat.stock_is_there();
    chat.payment_starts();
    EXPECT_THAT(chat.hears(PaymentExpired{.order_id = chat.now_in().shop.order_id}),
                ElementsAre(HasSubstr("in time")));
    EXPECT_FALSE(chat.last<ReservationEndRequested>().sold);
    EXPECT_EQ(chat.state(), "AWAITING_CUSTOMER");
}

TEST(Journey, ALateSuccessChangesNoStateButSendsTheReceiptAndCannotBePaidTwice) {
    Ordered chat;
    chat.stock_is_there();
    chat.payment_starts();
    chat.hears(PaymentExpired{.order_id = chat.now_in().shop.order_id});
    EXPECT_THAT(chat.payment_pays(50'000), ElementsAre(HasSubstr("Payment received")));
    EXPECT_EQ(chat.state(), "AWAITING_CUSTOMER");
    // Its goods had gone back to the shelf: they are taken again, and nobody is asked to pay.
    const auto taken = chat.last<StockRequested>();
    EXPECT_EQ(taken.paid_order_id, chat.now_in().shop.order_id);
    const auto stock = chat.count<StockRequested>();
    EXPECT_THAT(chat.taps("Try again"),
                ElementsAre(HasSubstr("already paid"), HasSubstr("Welcome")));
    EXPECT_EQ(chat.count<StockRequested>(), stock);
    EXPECT_THAT(chat.hears(StockAnswered{.reservation_id = taken.reservation_id,
                                         .reserved = true,
                                         .product_id = {},
                                         .available = 0}),
                IsEmpty());
    EXPECT_EQ(
        chat.last<ReservationEndRequested>(),
        (ReservationEndRequested{
            .reservation_id = taken.reservation_id, .sold = true, .reason = ReservationEnd::paid}));
    EXPECT_EQ(chat.count<CheckoutRequested>(), 1);
}

TEST(Journey, AfterALateSuccessAnotherOrderCanBeMadeInTheSameDialogue) {
    Ordered chat;
    chat.stock_is_there();
    chat.payment_starts();
    const auto first = chat.now_in().shop.order_id;
    chat.hears(PaymentExpired{.order_id = OrderId(first)});
    chat.payment_pays(50'000);
    chat.hears(StockAnswered{.reservation_id = chat.last<StockRequested>().reservation_id,
                             .reserved = true,
                             .product_id = {},
                             .available = 0});
    // The same things once more are a new order.
    chat.says("menu");
    chat.taps("View Products");
    chat.taps("Coffee");
    chat.says("2");
    chat.says("skip");
    chat.taps("M-Pesa");
    chat.stock_is_there();
    const auto second = chat.last<CheckoutRequested>();
    EXPECT_NE(second.order_id, first);
    EXPECT_EQ(second.retry_of_order_id, "");
}

TEST(Journey, WhatSoldOutBeforeALateSuccessGoesToAPersonAndIsTold) {
    Ordered chat;
    chat.stock_is_there();
    chat.payment_starts();
    chat.hears(PaymentExpired{.order_id = chat.now_in().shop.order_id});
    chat.payment_pays(50'000);
    EXPECT_THAT(
        chat.hears(StockAnswered{.reservation_id = chat.last<StockRequested>().reservation_id,
                                 .reserved = false,
                                 .product_id = ProductId("coffee"),
                                 .available = 0}),
        ElementsAre(::testing::AllOf(HasSubstr("Coffee sold out"), HasSubstr("money is safe"))));
    EXPECT_EQ(chat.state(), "ESCALATED");
}

TEST(Journey, MoneyThatComesWhileARetryAsksTheShelfIsNotAskedForAgain) {
    Ordered chat;
    chat.stock_is_there();
    chat.payment_starts();
    chat.hears(PaymentExpired{.order_id = chat.now_in().shop.order_id});
    chat.taps("Try again");
    const auto retry = chat.last<StockRequested>().reservation_id;
    chat.payment_pays(50'000);
    EXPECT_EQ(chat.last<StockRequested>().reservation_id, retry);
    EXPECT_THAT(chat.stock_is_there(), IsEmpty());
    EXPECT_EQ(chat.count<CheckoutRequested>(), 1);
    EXPECT_EQ(
        chat.last<ReservationEndRequested>(),
        (ReservationEndRequested{
            .reservation_id = ReservationId(retry), .sold = true, .reason = ReservationEnd::paid}));
}

TEST(Journey, AReceiptThatIsLearntLaterIsSentAgainComplete) {
    Ordered chat;
    chat.stock_is_there();
    chat.payment_starts();
    // No transaction, rather than an id of ours.
    EXPECT_THAT(
        chat.payment_pays(50'000, ""),
        ElementsAre(::testing::AllOf(HasSubstr("Payment received"), Not(HasSubstr("Transaction")),
                                     Not(HasSubstr("intent1")))));
    EXPECT_EQ(chat.state(), "CLOSED");
    EXPECT_THAT(chat.hears(ReceiptCame{.order_id = chat.now_in().shop.order_id,
                                       .receipt = "QKX7AB12",
                                       .amount = kes(50'000),
                                       .order_number = "ORD-1"}),
                ElementsAre(::testing::AllOf(HasSubstr("Transaction: QKX7AB12"),
                                             HasSubstr("Coffee × 2"), HasSubstr("KES 500.00"))));
    EXPECT_EQ(chat.state(), "CLOSED");
}

TEST(Journey, AReceiptForAnEarlierOrderOfTheDialogueNamesThatOrder) {
    Ordered chat;
    chat.stock_is_there();
    chat.payment_starts();
    const auto first = chat.now_in().shop.order_id;
    chat.hears(PaymentExpired{.order_id = OrderId(first)});
    chat.says("menu");
    chat.says("3 soap");
    chat.says("1");
    chat.taps("Card");
    chat.stock_is_there();
    ASSERT_NE(chat.now_in().shop.order_id, first);
    const auto receipt = chat.hears(PaymentPaid{.order_id = OrderId(first),
                                                .intent_id = IntentId("intent1"),
                                                .receipt = "OLD1",
                                                .amount = kes(50'000),
                                                .order_number = "ORD-OLD"});
    ASSERT_EQ(receipt.size(), 1u);
    EXPECT_TRUE(has(receipt[0], "ORD-OLD") && has(receipt[0], "OLD1")) << receipt[0];
    EXPECT_FALSE(has(receipt[0], "Soap")) << receipt[0];
    EXPECT_TRUE(has(receipt[0], "Coffee × 2")) << receipt[0];
    // Its goods had gone back to the shelf.
    EXPECT_EQ(chat.last<StockRequested>().paid_order_id, first);
    // The order in hand still waits for its own money.
    EXPECT_FALSE(chat.now_in().shop.is_paid(chat.now_in().shop.order_id));
}

TEST(Journey, ASecondPaymentOfOneOrderIsToldToComeBack) {
    Ordered chat;
    chat.stock_is_there();
    chat.payment_starts();
    const auto order = chat.now_in().shop.order_id;
    chat.payment_pays(50'000);
    EXPECT_THAT(chat.hears(PaymentPaid{.order_id = OrderId(order),
                                       .intent_id = IntentId("intent2"),
                                       .receipt = "TWICE1",
                                       .amount = kes(50'000),
                                       .order_number = "ORD-1",
                                       .second_success = true}),
                ElementsAre(::testing::AllOf(HasSubstr("TWICE1"), HasSubstr("send it back"))));
    EXPECT_EQ(chat.state(), "CLOSED");
}

TEST(Journey, ARefusedCheckoutGivesTheShelfBackTellsTheCustomerAndCallsAPerson) {
    for (const std::string reason :
         {"not_priced", "order_cancelled", "no_order", "something new"}) {
        Ordered chat;
        chat.stock_is_there();
        const auto checkout = chat.last<CheckoutRequested>();
        const auto words = chat.hears(CheckoutRefused{.order_id = checkout.order_id,
                                                      .reservation_id = checkout.reservation_id,
                                                      .reason = reason});
        ASSERT_EQ(words.size(), 1u) << reason;
        EXPECT_TRUE(has(words[0], "cannot take this order. ")) << words[0];
        EXPECT_FALSE(has(words[0], "_")) << words[0];
        EXPECT_FALSE(has(words[0], "order.  One")) << words[0];
        EXPECT_EQ(chat.last<ReservationEndRequested>(),
                  (ReservationEndRequested{.reservation_id = checkout.reservation_id,
                                           .sold = false,
                                           .reason = ReservationEnd::refused}));
        EXPECT_EQ(chat.state(), "ESCALATED");
        EXPECT_FALSE(chat.now_in().paying());
    }
}

TEST(Journey, AFlowThatMisbehavesOnAPaymentLosesNeitherItsReceiptNorItsStock) {
    Chat chat;
    // A shop of its own whose words after the payment go round in circles.
    const auto packs = read_packs(PACKS_DIR);
    auto flow = packs.flows.at("ECOMMERCE");
    Action round;
    round.verb = verb::kGoto;
    round.target = "round";
    flow.nodes["round"].enter = {round};
    flow.on["payment_paid"] = {round};
    chat.own_flows[{"ECOMMERCE", 0}] = flow;
    chat.says("Coffee x 2");
    chat.says("1");
    chat.taps("M-Pesa");
    chat.stock_is_there();
    chat.payment_starts();
    EXPECT_THAT(chat.payment_pays(50'000), ElementsAre(HasSubstr("Transaction: RCP123")));
    EXPECT_TRUE(chat.last<ReservationEndRequested>().sold);
    EXPECT_TRUE(chat.now_in().shop.is_paid(chat.now_in().shop.order_id));
    EXPECT_EQ(chat.state(), "ESCALATED");
}

TEST(Journey, ARetryOfWhatIsPaidIsToldSoAndTheDialogueGoesOn) {
    Ordered chat;
    chat.stock_is_there();
    chat.payment_starts();
    const auto order = chat.now_in().shop.order_id;
    chat.hears(PaymentExpired{.order_id = OrderId(order)});
    chat.taps("Try again");
    chat.stock_is_there();
    const auto retry = chat.last<CheckoutRequested>();
    EXPECT_THAT(chat.hears(CheckoutRefused{.order_id = OrderId(order),
                                           .reservation_id = retry.reservation_id,
                                           .reason = "already_paid"}),
                ElementsAre(HasSubstr("already paid"), HasSubstr("Welcome")));
    EXPECT_FALSE(chat.now_in().paying());
    EXPECT_EQ(chat.state(), "AWAITING_CUSTOMER");
}

TEST(Journey, ARetryWhileAPersonHasStartedAPaymentKeepsWhatIsHeld) {
    Ordered chat;
    chat.stock_is_there();
    const auto checkout = chat.last<CheckoutRequested>();
    chat.payment_starts();
    EXPECT_THAT(chat.hears(CheckoutRefused{.order_id = checkout.order_id,
                                           .reservation_id = checkout.reservation_id,
                                           .reason = "payment_pending"}),
                ElementsAre(HasSubstr("being processed")));
    EXPECT_EQ(chat.now_in().shop.held_reservation_id, checkout.reservation_id);
    EXPECT_THAT(chat.payment_pays(50'000), ElementsAre(HasSubstr("Payment received")));
    EXPECT_TRUE(chat.last<ReservationEndRequested>().sold);
}

TEST(Journey, AReceiptIsSentAlsoWhenAPersonTookOver) {
    Ordered chat;
    chat.stock_is_there();
    chat.payment_starts();
    chat.person(Escalate{"customer is angry"});
    EXPECT_THAT(chat.payment_pays(50'000), ElementsAre(HasSubstr("Payment received")));
    EXPECT_EQ(chat.state(), "ESCALATED");
}

TEST(Journey, TappingPayTwiceAsksTheShelfOnce) {
    Ordered chat;
    EXPECT_THAT(chat.taps("M-Pesa"), ElementsAre(HasSubstr("being processed")));
    chat.stock_is_there();
    EXPECT_THAT(chat.taps("Card"), ElementsAre(HasSubstr("being processed")));
    EXPECT_EQ(chat.count<StockRequested>(), 1);
    EXPECT_EQ(chat.count<CheckoutRequested>(), 1);
}

TEST(Journey, WhatSoldOutMeanwhileIsToldAndTheListComesAgain) {
    Ordered chat;
    EXPECT_THAT(
        chat.hears(StockAnswered{.reservation_id = chat.last<StockRequested>().reservation_id,
                                 .reserved = false,
                                 .product_id = ProductId("coffee"),
                                 .available = 1}),
        ElementsAre(HasSubstr("only 1 left"), HasSubstr("Choose a product")));
    EXPECT_TRUE(chat.now_in().shop.cart.empty());
    EXPECT_EQ(chat.state(), "AWAITING_CUSTOMER");
}

TEST(Journey, StockThatNobodyWaitsForAnyMoreIsGivenBack) {
    Ordered chat;
    const auto reservation = chat.last<StockRequested>().reservation_id;
    chat.person(Escalate{"help"});
    chat.hears(StockAnswered{.reservation_id = ReservationId(reservation),
                             .reserved = true,
                             .product_id = {},
                             .available = 0});
    EXPECT_EQ(chat.count<CheckoutRequested>(), 0);
    EXPECT_EQ(chat.last<ReservationEndRequested>(),
              (ReservationEndRequested{.reservation_id = ReservationId(reservation),
                                       .sold = false,
                                       .reason = ReservationEnd::cancelled}));
}

TEST(Journey, APayerWithoutAPhoneIsAskedForOneBeforeMpesa) {
    Chat chat;
    chat.phone = "";
    chat.says("Hi");
    chat.taps("View Products");
    chat.taps("Coffee");
    chat.says("2");
    chat.says("skip");
    EXPECT_THAT(chat.taps("M-Pesa"), ElementsAre(HasSubstr("Which M-Pesa number")));
    EXPECT_EQ(chat.count<StockRequested>(), 0);
    EXPECT_THAT(chat.says("call me"), ElementsAre(HasSubstr("not a phone number")));
    EXPECT_THAT(chat.says("0712 345 678"), ElementsAre(HasSubstr("+254712345678. Is that right?")));
    EXPECT_EQ(chat.count<StockRequested>(), 0);
    chat.taps("Yes");
    chat.stock_is_there();
    EXPECT_EQ(chat.last<CheckoutRequested>().phone, "+254712345678");
    EXPECT_EQ(chat.last<CheckoutRequested>().provider, "mpesa");
    EXPECT_EQ(chat.customer.phone, "");  // it pays; it need not be where the customer writes from
}

TEST(Journey, MoreThanIsOnTheShelfIsToldAtOnce) {
    Chat chat;
    chat.says("Hi");
    chat.taps("View Products");
    chat.taps("Cement");
    EXPECT_THAT(chat.says("11"),
                ElementsAre(HasSubstr("only 10 of Cement"), HasSubstr("enter quantity")));
    EXPECT_THAT(chat.says("10"), ElementsAre(HasSubstr("delivery address")));
}

TEST(Journey, ALongCatalogHasPages) {
    Chat chat;
    chat.products.clear();
    for (int i = 1; i <= 25; ++i)
        chat.products.push_back(
            product_of("p" + std::to_string(i), "Product " + std::to_string(i), 100 * i));
    chat.says("Hi");
    chat.taps("View Products");
    EXPECT_EQ(chat.last<ReplyRequested>().content.rows.size(), 10u);
    EXPECT_EQ(chat.last<ReplyRequested>().content.rows.back().title, "More products…");
    chat.taps("More products…");
    EXPECT_EQ(chat.last<ReplyRequested>().content.rows.front().title, "Product 10");
    chat.taps("More products…");
    EXPECT_EQ(chat.last<ReplyRequested>().content.rows.size(),
              8u);  // 19..25 and back to the first page
    chat.taps("Product 25");
    EXPECT_EQ(chat.now_in().value("product_id"), "p25");
}

// --- Orders as text

TEST(FreeText, AnOrderIsSummedUpConfirmedWithOneAndPaid) {
    Chat chat;
    chat.tenant.providers = {"mpesa"};
    EXPECT_THAT(chat.says("Coffee x 2"),
                ElementsAre(::testing::AllOf(HasSubstr("Order Summary"), HasSubstr("Coffee × 2"),
                                             HasSubstr("Confirm? 1=Yes, 2=No"))));
    EXPECT_THAT(chat.says("1"), ElementsAre(HasSubstr("Order confirmed!")));
    EXPECT_THAT(titles(chat), ElementsAre("M-Pesa"));
    EXPECT_THAT(chat.taps("M-Pesa"), IsEmpty());
    EXPECT_EQ(chat.last<StockRequested>().lines.front().quantity, 2);
    chat.stock_is_there();
    EXPECT_THAT(chat.payment_starts(), ElementsAre(HasSubstr("Processing payment…")));
    const auto order = chat.now_in().shop.order_id;
    EXPECT_THAT(chat.hears(InvoiceSent{order,
                                       "INV-1",
                                       "ORD-1",
                                       {{"Coffee", 2, kes(25'000), kes(50'000)}},
                                       kes(50'000),
                                       kes(0),
                                       kes(0),
                                       kes(50'000),
                                       chat.now}),
                ElementsAre(HasSubstr("Order confirmed! Invoice sent.")));
    EXPECT_THAT(chat.payment_pays(50'000), ElementsAre(HasSubstr("ORD-1")));
}

TEST(FreeText, SeveralThingsAreOneOrderAndWithTwoProvidersTheCustomerChooses) {
    Chat chat;
    EXPECT_THAT(chat.says("2 coffee and 3 soap"),
                ElementsAre(::testing::AllOf(HasSubstr("Coffee × 2"), HasSubstr("Bar Soap × 3"))));
    EXPECT_THAT(chat.taps("Yes"), ElementsAre(HasSubstr("Order confirmed!")));
    EXPECT_THAT(titles(chat), ElementsAre("M-Pesa", "Card"));
    chat.taps("Card");
    chat.stock_is_there();
    EXPECT_EQ(chat.last<CheckoutRequested>().provider, "stripe");
    EXPECT_EQ(chat.last<CheckoutRequested>().lines.size(), 2u);
}

TEST(FreeText, NoMeansNoOrder) {
    Chat chat;
    chat.says("Cement x 3");
    EXPECT_THAT(chat.says("2"), ElementsAre(HasSubstr("cancelled"), HasSubstr("Welcome")));
    EXPECT_TRUE(chat.now_in().shop.cart.empty());
}

TEST(FreeText, WhatDidNotMatchIsAskedAboutAndNeverDropped) {
    Chat chat;
    EXPECT_THAT(chat.says("2 coffee and 3 blorps"), ElementsAre(HasSubstr("“blorps”")));
    EXPECT_THAT(chat.says("soap"),
                ElementsAre(::testing::AllOf(HasSubstr("Coffee × 2"), HasSubstr("Bar Soap × 3"))));
}

TEST(FreeText, AnUnclearThingIsGivenUpOnlyByTheCustomer) {
    Chat chat;
    chat.says("2 coffee, 1 unicorn");
    EXPECT_THAT(chat.says("the pink one"), ElementsAre(HasSubstr("“unicorn”")));
    EXPECT_THAT(chat.taps("Skip this item"), ElementsAre(HasSubstr("Coffee × 2")));
}

TEST(FreeText, AQuantityBeyondTheLimitIsAskedAgain) {
    Chat chat;
    EXPECT_THAT(chat.says("coffee x 2, soap x 5000"), ElementsAre(HasSubstr("“soap x 5000”")));
    EXPECT_THAT(chat.says("50"),
                ElementsAre(::testing::AllOf(HasSubstr("Coffee × 2"), HasSubstr("Bar Soap × 50"))));
}

TEST(FreeText, AProductsNameAloneAsksForTheQuantity) {
    Chat chat;
    EXPECT_THAT(chat.says("kahawa"), ElementsAre(HasSubstr("Coffee, KES 250.00 each")));
}

// --- Languages

TEST(Language, AGreetingDecidesThenTheTenantsFirst) {
    Chat chat;
    chat.tenant.languages = {"sw", "en"};
    EXPECT_THAT(chat.says("???"), ElementsAre(HasSubstr("Karibu")));
    Chat other;
    other.tenant.languages = {"sw", "en"};
    EXPECT_THAT(other.says("Good morning!"), ElementsAre(HasSubstr("Welcome")));
}

TEST(Language, ALangWordChangesItAndStaysChosen) {
    Chat chat;
    chat.says("Hi");
    EXPECT_THAT(chat.says("LANG SW"),
                ElementsAre("Sawa, tutaongea Kiswahili.", HasSubstr("Karibu")));
    EXPECT_TRUE(chat.customer.language_chosen);
    EXPECT_THAT(chat.says("hello"), ElementsAre(HasSubstr("Karibu")));  // chosen is chosen
    EXPECT_THAT(chat.says("lang en"), ElementsAre("OK, English it is.", HasSubstr("Welcome")));
}

TEST(Language, InTheMiddleOfAQuestionTheQuestionComesAgain) {
    Chat chat;
    chat.says("Hi");
    chat.taps("View Products");
    chat.taps("Coffee");
    EXPECT_THAT(chat.says("kiswahili"),
                ElementsAre(HasSubstr("Kiswahili"), HasSubstr("weka idadi")));
    EXPECT_THAT(chat.says("2"), ElementsAre(HasSubstr("anwani")));
}

// --- Taps

TEST(Taps, AnOldButtonOfAnEarlierConversationWorks) {
    Ordered chat;
    chat.stock_is_there();
    chat.payment_starts();
    chat.payment_pays(50'000);
    EXPECT_EQ(chat.state(), "CLOSED");
    EXPECT_THAT(chat.taps("View Products"), ElementsAre(HasSubstr("Choose a product")));
    EXPECT_EQ(chat.conversations.size(), 2u);
}

TEST(Taps, AnOldPayButtonWithoutACartLeadsToTheMenu) {
    Ordered chat;
    chat.stock_is_there();
    chat.payment_starts();
    chat.payment_pays(50'000);
    EXPECT_THAT(chat.taps("M-Pesa"), ElementsAre(HasSubstr("Welcome")));
    EXPECT_EQ(chat.count<StockRequested>(), 1);
}

TEST(Taps, AForeignTapIsItsWords) {
    Chat chat;
    chat.says("Hi");
    EXPECT_THAT(chat.inbound("button", "View Products", "somebody-elses-id"),
                ElementsAre(HasSubstr("Choose a product")));
    EXPECT_THAT(chat.inbound("button", "Coffee", "gone:0"), ElementsAre(HasSubstr("quantity")));
}

TEST(Taps, OneFromAnEarlierFlowVersionIsAnsweredByThatVersion) {
    Chat chat;
    const auto flow = [](const std::string& word) {
        return parse_flow(
            R"({"key":"own","languages":["en"],"start":"s","nodes":{"s":{"enter":[{"send":"menu"}],
            "rules":[{"match":{"type":"button","values":["go"]},"do":[{"send":"answer"},{"close":"done"}]}],
            "otherwise":[{"goto":"s"}]}},
            "templates":{"menu":{"kind":"interactive_button","variants":{"en":{"body":"Menu","buttons":[{"title":"Go","action":"go"}]}}},
            "answer":{"kind":"text","variants":{"en":{"body":")" +
            word + R"("}}}}})");
    };
    chat.own_flows[{"own", 1}] = with_base(flow("first"), read_packs(PACKS_DIR).base);
    chat.own_flows[{"own", 2}] = with_base(flow("second"), read_packs(PACKS_DIR).base);
    chat.flow_key = "own";
    chat.flow_version = 1;
    chat.says("hi");
    chat.flow_version = 2;
    EXPECT_THAT(chat.taps("Go"), ElementsAre("first"));  // the running one keeps its version
    EXPECT_EQ(chat.state(), "CLOSED");
    EXPECT_THAT(chat.taps("Go"), ElementsAre("first"));  // the old button, a new conversation
    EXPECT_THAT(chat.says("hi"), ElementsAre("Menu"));
    EXPECT_EQ(chat.now_in().flow_version, 2);
    EXPECT_THAT(chat.taps("Go"), ElementsAre("second"));
}

// --- The pipeline around the flow

TEST(Pipeline, OverTheLimitTheCustomerIsToldOnceAndTheRestIsRecorded) {
    Chat chat;
    chat.seconds_between = 0;
    int answers = 0;
    for (int i = 0; i < 30; ++i) answers += !chat.says("hi").empty();
    EXPECT_EQ(answers, 30);
    EXPECT_THAT(chat.says("hi"), ElementsAre(HasSubstr("faster than we can read")));
    EXPECT_EQ(chat.outcome, "throttled");
    for (int i = 0; i < 5; ++i) EXPECT_THAT(chat.says("hi"), IsEmpty());
    EXPECT_EQ(chat.count<Spoke>(), 36);
    chat.seconds_between = 3;  // one token is back
    EXPECT_THAT(chat.says("hi"), ElementsAre(HasSubstr("Welcome")));
}

TEST(Pipeline, ASuspendedTenantsCustomersAreHeardAndNotAnswered) {
    Chat chat;
    chat.tenant.status = "SUSPENDED";
    EXPECT_THAT(chat.says("hi"), IsEmpty());
    EXPECT_EQ(chat.last<Spoke>().outcome, SpokenOutcome::tenant_inactive);
    chat.tenant.status = "ACTIVE";
    EXPECT_THAT(chat.says("hi"), ElementsAre(HasSubstr("Welcome")));
}

TEST(Pipeline, StopIsNotAnswered) {
    Chat chat;
    chat.says("hi");
    chat.consent_change = "unsubscribed";
    EXPECT_THAT(chat.says("STOP"), IsEmpty());
    EXPECT_EQ(chat.last<Spoke>().outcome, SpokenOutcome::consent);
}

TEST(Pipeline, AReactionIsNotAnswered) {
    Chat chat;
    chat.says("hi");
    EXPECT_THAT(chat.inbound("reaction", "👍", ""), IsEmpty());
}

TEST(Pipeline, AFlowThatRunsInCirclesIsHandedToAPerson) {
    Chat chat;
    Flow flow;
    flow.key = "own";
    flow.languages = {"en"};
    flow.start = "a";
    flow.nodes["a"].otherwise = {{verb::kGoto, "b", {}}};
    flow.nodes["b"].enter = {{"choose_product", "", {{"found", "b"}, {"unknown", "b"}}}};
    chat.own_flows[{"own", 1}] = with_base(flow, read_packs(PACKS_DIR).base);
    chat.flow_key = "own";
    chat.flow_version = 1;
    EXPECT_THAT(chat.says("hi"), ElementsAre(HasSubstr("something went wrong")));
    EXPECT_EQ(chat.state(), "ESCALATED");
}

TEST(Pipeline, AStageCanBePutBetween) {
    Chat chat;
    auto stages = default_stages();
    int seen = 0;
    stages.insert(stages.begin() + 1, {"count", [&](Turn&) {
                                           ++seen;
                                           return false;
                                       }});
    Inbound in{.id = "1",
               .customer_id = CustomerId("c1"),
               .channel_id = ChannelId("ch"),
               .kind = SpokenKind::text,
               .tap_id = "",
               .text = "hi",
               .profile_name = "",
               .phone = "",
               .consent_change = ""};
    Turn turn{.in = in, .context = {}};
    turn.context.tenant = &chat.tenant;
    run_pipeline(turn, stages);
    EXPECT_EQ(seen, 1);
    EXPECT_TRUE(turn.events.empty());
}

TEST(Pipeline, ACustomerKnownByIdOnlyShowsAPhoneLater) {
    Chat chat;
    chat.phone = "";
    chat.profile_name = "";
    chat.says("hi");
    EXPECT_EQ(chat.customer.phone, "");
    chat.phone = "+254700000001";
    chat.profile_name = "Juma";
    chat.says("hi");
    EXPECT_EQ(chat.customer.phone, "+254700000001");
    EXPECT_EQ(chat.customer.name, "Juma");
}

// --- Follow-ups

TEST(FollowUp, TheGentleOneIsSentOnceNobodyAnswered) {
    Chat chat;
    chat.says("hi");
    const auto since = chat.now;
    EXPECT_THAT(chat.hears(FollowUpDue{
                    .task_id = TaskId("t1"), .kind = "gentle", .since = since, .text = ""}),
                ElementsAre(HasSubstr("are you still there")));
    const auto& reply = chat.last<ReplyRequested>();
    EXPECT_EQ(reply.kind, ReplyKind::follow_up);
    EXPECT_EQ(reply.task_id, "t1");
    EXPECT_EQ(reply.nothing_inbound_since, since);
}

TEST(FollowUp, AnAnswerMeanwhileMakesItSilent) {
    Chat chat;
    chat.says("hi");
    const auto since = chat.now;
    chat.says("hello");
    EXPECT_THAT(chat.hears(FollowUpDue{
                    .task_id = TaskId("t1"), .kind = "gentle", .since = since, .text = ""}),
                IsEmpty());
}

TEST(FollowUp, AfterTheLastOneTheConversationSleepsUntilTheCustomerWrites) {
    Chat chat;
    chat.says("hi");
    EXPECT_THAT(chat.hears(FollowUpDue{
                    .task_id = TaskId("t2"), .kind = "reminder", .since = chat.now, .text = ""}),
                ElementsAre(HasSubstr("still waiting")));
    EXPECT_EQ(chat.state(), "DORMANT");
    chat.says("hi");
    EXPECT_EQ(chat.state(), "AWAITING_CUSTOMER");
}

TEST(FollowUp, TheLastOneThatCouldNotBeSaidPutsTheConversationToSleepToo) {
    Chat chat;
    chat.says("hi");
    const auto since = chat.now;
    EXPECT_THAT(chat.hears(FollowUpSkipped{.kind = "gentle", .since = since}), IsEmpty());
    EXPECT_EQ(chat.state(), "AWAITING_CUSTOMER");
    EXPECT_THAT(chat.hears(FollowUpSkipped{.kind = "reminder", .since = since}), IsEmpty());
    EXPECT_EQ(chat.state(), "DORMANT");
    chat.says("hi");
    chat.hears(
        FollowUpSkipped{.kind = "reminder", .since = since});  // of before the customer wrote
    EXPECT_EQ(chat.state(), "AWAITING_CUSTOMER");
}

TEST(FollowUp, OutsideTheWindowOnlyTheApprovedTemplateIsSaid) {
    Chat chat;
    Template approved;
    approved.key = "come_back";
    approved.kind = TemplateKind::whatsapp_template;
    approved.variants["en"].body = "{{name}}";
    approved.variants["en"].whatsapp_template = "come_back_v1";
    approved.variants["en"].whatsapp_language_code = "en";
    chat.own_templates["come_back"] = approved;
    chat.says("hi");
    chat.hears(FollowUpDue{.task_id = TaskId("t1"),
                           .kind = "custom",
                           .since = chat.now,
                           .text = "Dear {{name}}, come by",
                           .template_key = "come_back"});
    EXPECT_EQ(chat.last<ReplyRequested>().content.whatsapp_template, "come_back_v1");
    EXPECT_THAT(chat.last<ReplyRequested>().content.parameters, ElementsAre("Amina"));
    chat.hears(FollowUpDue{.task_id = TaskId("t2"),
                           .kind = "reminder",
                           .since = chat.now,
                           .text = "",
                           .template_key = "come_back"});
    EXPECT_EQ(chat.last<ReplyRequested>().task_id, "t2");
    EXPECT_EQ(chat.last<ReplyRequested>().content.whatsapp_template, "come_back_v1");
    EXPECT_EQ(chat.state(), "DORMANT");
}

TEST(FollowUp, OwnWordsAreFilled) {
    Chat chat;
    chat.says("hi");
    EXPECT_THAT(chat.hears(FollowUpDue{.task_id = TaskId("t3"),
                                       .kind = "custom",
                                       .since = chat.now,
                                       .text = "Dear {{name}}, come by"}),
                ElementsAre("Dear Amina, come by"));
}

TEST(Replies, HaveTheInboundsKeyAndCountUp) {
    Chat chat;
    chat.says("hi");
    chat.taps("View Promotions");
    EXPECT_EQ(chat.last<ReplyRequested>().idempotency_key, "auto-reply:wamid.2:2");
    EXPECT_EQ(chat.last<ReplyRequested>().message_id, "wamid.2/message/2");
    EXPECT_EQ(chat.last<ReplyRequested>().window_evidence, chat.now);
}

TEST(Replies, ATenantsOwnTemplateComesFirst) {
    Chat chat;
    Template own;
    own.key = "ask_quantity";
    own.version = 3;
    own.variants["en"].body = "How many, {{name}}? {{unknown}}";
    chat.own_templates["ask_quantity"] = own;
    chat.says("coffee");
    EXPECT_EQ(chat.last<ReplyRequested>().content.body, "How many, Amina?");
    EXPECT_EQ(chat.last<ReplyRequested>().template_version, 3);
}

// Whatever a customer, the shelf and payment do in whatever order: every move is in the table
// (evolve throws otherwise), one reservation is held at a time, and each that was made ends once at
// most.
TEST(JourneyProperty, NoOrderOfThingsBreaksTheRules) {
    const std::vector<std::string> words{"hi",
                                         "habari",
                                         "2 coffee and 1 unicorn",
                                         "coffee",
                                         "3",
                                         "0",
                                         "skip",
                                         "1",
                                         "2",
                                         "menu",
                                         "LANG SW",
                                         "no",
                                         "cancel",
                                         "soap x 2",
                                         "lang en",
                                         "mpesa",
                                         "Moi Avenue 7",
                                         "retry"};
    for (unsigned seed = 1; seed <= 300; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random(seed);
        const auto upto = [&](std::size_t n) {
            return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
        };
        Chat chat;
        chat.limit.per_minute = 10'000;
        if (upto(3) == 0) chat.tenant.providers = {"mpesa"};
        chat.says("hi");
        for (int i = 0; i < 60; ++i) {
            const auto& c = chat.now_in();
            const auto order = c.shop.order_id;
            const auto intent = [&] { return "i" + std::to_string(upto(3)); };
            switch (upto(20)) {
                case 12:
                    chat.places("placed" + std::to_string(i), upto(2) ? "coffee" : "soap", 1);
                    break;
                case 13:
                    if (!c.shop.waiting_orders.empty())
                        chat.order_is_made(
                            c.shop.waiting_orders[upto(c.shop.waiting_orders.size())].id);
                    break;
                case 0:
                    if (!c.shop.asked_reservation_id.empty())
                        chat.hears(StockAnswered{.reservation_id = c.shop.asked_reservation_id,
                                                 .reserved = upto(4) != 0,
                                                 .product_id = ProductId("coffee"),
                                                 .available = 0});
                    break;
                case 1:
                    chat.hears(PaymentBegan{.order_id = OrderId(order),
                                            .provider = "mpesa",
                                            .amount = kes(1),
                                            .order_number = "",
                                            .intent_id = IntentId(intent())});
                    break;
                case 2:
                    chat.hears(PaymentPaid{.order_id = OrderId(order),
                                           .intent_id = IntentId(intent()),
                                           .receipt = "r",
                                           .amount = kes(1)});
                    break;
                case 3:
                    chat.hears(PaymentFailed{.order_id = OrderId(order),
                                             .reason = "cancelled",
                                             .intent_id = IntentId(intent())});
                    break;
                case 4:
                    chat.hears(PaymentExpired{.order_id = OrderId(order),
                                              .intent_id = IntentId(intent())});
                    break;
                case 14:
                    chat.hears(PaymentUnclear{.order_id = OrderId(order),
                                              .intent_id = IntentId(intent()),
                                              .amount = kes(1),
                                              .order_number = ""});
                    break;
                case 15:
                    chat.hears(PaymentBegan{.order_id = {},
                                            .provider = "mpesa",
                                            .amount = kes(1),
                                            .order_number = "",
                                            .intent_id = IntentId(intent())});
                    break;
                case 16:
                    chat.hears(PaymentFailed{
                        .order_id = {}, .reason = "busy", .intent_id = IntentId(intent())});
                    break;
                case 17: {
                    const auto commands = std::to_array<Command>(
                        {Escalate{"e"}, HandBack{"h"}, HandBack{"h"}, Close{"c"}});
                    const auto decided = decide(c, commands[upto(commands.size())]);
                    if (decided.accepted())
                        for (const auto& event : decided.events()) chat.happened(event);
                    break;
                }
                case 18:
                    chat.edits(c.last_inbound_id, words[upto(words.size())]);
                    break;
                case 19:
                    chat.pins("Sarit Centre", "Karuna Road");
                    break;
                case 5:
                    chat.hears(FollowUpDue{.task_id = TaskId("t"),
                                           .kind = upto(2) ? "gentle" : "reminder",
                                           .since = chat.now,
                                           .text = ""});
                    break;
                case 6:
                    chat.inbound("media", "", "");
                    break;
                case 7:
                case 8:
                case 9:
                    if (!c.choices.empty()) {
                        const auto& sent = c.choices[upto(c.choices.size())];
                        const auto& tap = sent.taps[upto(sent.taps.size())];
                        chat.inbound("button", tap.title,
                                     sent.message_id + ":" + std::to_string(tap.n));
                        break;
                    }
                    [[fallthrough]];
                default:
                    chat.says(words[upto(words.size())]);
                    break;
            }
        }
        std::map<std::string, int> ended;
        for (const auto& event : chat.events) {
            if (const auto* e = std::get_if<ReservationEndRequested>(&event))
                ++ended[e->reservation_id];
            if (const auto* e = std::get_if<ReplyRequested>(&event)) {
                EXPECT_LE(e->content.titles.size(), kButtonsMax);
                EXPECT_LE(e->content.rows.size(), kRowsMax);
                EXPECT_FALSE(e->content.body.empty());
                EXPECT_FALSE(has(e->content.body, "{{"));
            }
        }
        for (const auto& [id, times] : ended) EXPECT_EQ(times, 1) << id;
        for (const auto& c : chat.conversations)
            for (const auto& order : c.shop.waiting_orders)
                EXPECT_FALSE(c.state == Lifecycle::closed && order.waits()) << order.id;
    }
}

}  // namespace
}  // namespace flowstack::conversation
