#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/unit/conversation/chat.h"

// Everything about money that is not the plain purchase of journey_test.cc: payments that the shop
// starts, outcomes that nobody knows, numbers that cannot pay.
namespace flowstack::conversation {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Waiting : Chat {
    explicit Waiting(const std::string& hello = "Hi") {
        says(hello);
        says("2 coffee");
        says("1");
        taps("M-Pesa");
        stock_is_there();
        order = last<CheckoutRequested>().order_id;
        hears(PaymentBegan{.order_id = OrderId(order),
                           .provider = "mpesa",
                           .amount = kes(50'000),
                           .order_number = "ORD-1",
                           .intent_id = IntentId("i1")});
    }
    std::vector<std::string> gets_unclear() {
        return hears(PaymentUnclear{.order_id = OrderId(order),
                                    .intent_id = IntentId("i1"),
                                    .amount = kes(50'000),
                                    .order_number = "ORD-1"});
    }
    std::string order;
};

// --- What the shop does with the goods

TEST(OrderNews, TellHowFarTheOrderIsInTheCustomersLanguageAlsoAfterTheDialogueIsClosed) {
    struct Case {
        const char* hello;
        std::vector<const char*> words;
    };
    for (const auto& c : {Case{"Hi", {"preparing", "on its way", "has been delivered"}},
                          Case{"Habari", {"Tunaandaa", "iko njiani", "imefika"}}}) {
        Waiting chat(c.hello);
        chat.payment_pays(50'000);
        ASSERT_EQ(chat.state(), "CLOSED");
        for (int i = 0; i < 3; ++i)
            EXPECT_THAT(chat.hears(OrderWentOn{.order_id = OrderId(chat.order),
                                               .progress = static_cast<OrderProgress>(i),
                                               .order_number = "ORD-1",
                                               .note = "Asha brings it."}),
                        ElementsAre(AllOf(HasSubstr(c.words[i]), HasSubstr("ORD-1"),
                                          HasSubstr("Asha brings it."), Not(HasSubstr("{{")))));
        EXPECT_EQ(chat.state(), "CLOSED") << "nothing is asked";
    }
}

TEST(OrderNews, OfAnEarlierOrderNameItAndLeaveTheDialogueAlone) {
    Waiting chat;
    chat.payment_pays(50'000);
    chat.says("Hi");
    chat.says("3 soap");
    const auto before = chat.now_in();
    const auto words = chat.hears(OrderWentOn{.order_id = OrderId(chat.order),
                                              .progress = OrderProgress::shipped,
                                              .order_number = "ORD-1",
                                              .note = ""});
    EXPECT_THAT(words, ElementsAre(AllOf(HasSubstr("ORD-1"), Not(HasSubstr("Soap")))));
    EXPECT_EQ(chat.state(), std::string(text_of(before.state)));
    EXPECT_EQ(chat.now_in().shop.cart, before.shop.cart);
}

TEST(OrderNews, OfACancellationGiveBackWhatIsHeldAndEmptyTheCartOfIt) {
    for (const bool failed : {true, false}) {
        Waiting chat;
        if (failed)
            chat.hears(PaymentFailed{.order_id = OrderId(chat.order),
                                     .reason = "cancelled",
                                     .intent_id = IntentId("i1")});
        const int ends = chat.count<ReservationEndRequested>();
        EXPECT_THAT(chat.hears(OrderGivenUp{.order_id = OrderId(chat.order),
                                            .order_number = "ORD-1",
                                            .reason = "The coffee did not come in."}),
                    ElementsAre(AllOf(HasSubstr("ORD-1"), HasSubstr("did not come in"))));
        EXPECT_EQ(chat.count<ReservationEndRequested>(), failed ? ends : ends + 1);
        EXPECT_FALSE(chat.last<ReservationEndRequested>().sold);
        EXPECT_THAT(chat.now_in().shop.cart, IsEmpty());
        EXPECT_TRUE(chat.now_in().shop.held_reservation_id.empty());
    }
}

TEST(OrderNews, OfACancelledPaidOrderGiveItsGoodsBack) {
    Waiting chat;
    const auto reservation = chat.last<StockRequested>().reservation_id;
    chat.payment_pays(50'000);
    chat.hears(OrderGivenUp{.order_id = OrderId(chat.order),
                            .order_number = "ORD-1",
                            .reason = "Out of beans.",
                            .sold_reservation_id = reservation});
    const auto& back = chat.last<ReservationEndRequested>();
    EXPECT_EQ(back.reservation_id, reservation);
    EXPECT_FALSE(back.sold);
    EXPECT_EQ(back.reason, ReservationEnd::cancelled);
}

TEST(OrderNews, OfMoneyThatWentBackNameAmountOrderAndReceipt) {
    for (const std::string hello : {"Hi", "Habari"}) {
        Waiting chat(hello);
        chat.payment_pays(50'000);
        EXPECT_THAT(chat.hears(RefundSent{.order_id = OrderId(chat.order),
                                          .order_number = "ORD-1",
                                          .amount = kes(20'000),
                                          .receipt = "TKT951KKMC"}),
                    ElementsAre(AllOf(HasSubstr("KES 200.00"), HasSubstr("ORD-1"),
                                      HasSubstr("TKT951KKMC"))));
        // Of a payment without an order.
        EXPECT_THAT(chat.hears(RefundSent{.order_id = {},
                                          .order_number = "",
                                          .amount = kes(20'000),
                                          .receipt = "TKT951KKMD"}),
                    ElementsAre(AllOf(HasSubstr("KES 200.00"), Not(HasSubstr("ORD-1")))));
    }
}

TEST(OrderNews, OfACancellationEndTheWaitOfAnOrderThatTheSitePlaced) {
    Chat chat;
    chat.says("Hi");
    chat.places("o9", "coffee", 2);
    chat.order_is_made("o9");
    ASSERT_TRUE(chat.now_in().shop.waiting_order(OrderId("o9"))->waits());
    chat.hears(OrderGivenUp{
        .order_id = OrderId("o9"), .order_number = "ORD-o9", .reason = "Out of beans."});
    EXPECT_EQ(chat.now_in().shop.waiting_order(OrderId("o9"))->ended,
              OrderWaitEnd::order_cancelled);
}

// --- A page to pay on

struct ByCard : Chat {
    explicit ByCard(const std::string& hello = "Hi") {
        says(hello);
        says("2 coffee");
        says("1");
        taps(hello == "Hi" ? "Card" : "Kadi");
        stock_is_there();
        order = last<CheckoutRequested>().order_id;
        started = hears(PaymentBegan{.order_id = OrderId(order),
                                     .provider = "stripe",
                                     .amount = kes(50'000),
                                     .order_number = "ORD-1",
                                     .intent_id = IntentId("i1")});
    }
    std::vector<std::string> page_opens(const std::string& intent = "i1") {
        return hears(PaymentPageOpened{.order_id = OrderId(order),
                                       .intent_id = IntentId(intent),
                                       .provider = "stripe",
                                       .amount = kes(50'000),
                                       .order_number = "ORD-1",
                                       .url = "https://checkout.example/cs_1"});
    }
    std::string order;
    std::vector<std::string> started;
};

TEST(PageToPayOn, IsSentAsAButton) {
    ByCard chat;
    EXPECT_EQ(chat.last<CheckoutRequested>().provider, "stripe");
    EXPECT_THAT(chat.started, ElementsAre(AllOf(HasSubstr("by card"), Not(HasSubstr("PIN")))));
    EXPECT_THAT(chat.page_opens(), ElementsAre(AllOf(HasSubstr("KES 500.00"), HasSubstr("ORD-1"))));
    const auto& content = chat.last<ReplyRequested>().content;
    EXPECT_EQ(content.kind, TemplateKind::interactive_button);
    EXPECT_THAT(content.titles, ElementsAre("Pay by card"));
    EXPECT_EQ(content.link, "https://checkout.example/cs_1");
    EXPECT_TRUE(chat.last<ReplyRequested>().taps.empty());
    EXPECT_THAT(chat.says("where is it?"), ElementsAre(HasSubstr("with the button")));
    EXPECT_EQ(chat.state(), "WAITING_FOR_PAYMENT");
    const auto receipt = chat.hears(PaymentPaid{.order_id = OrderId(chat.order),
                                                .intent_id = IntentId("i1"),
                                                .receipt = "pi_1",
                                                .amount = kes(50'000),
                                                .order_number = "ORD-1"});
    ASSERT_FALSE(receipt.empty());
    EXPECT_THAT(receipt[0], HasSubstr("pi_1"));
}

TEST(PageToPayOn, SpeaksSwahili) {
    ByCard chat("Habari");
    EXPECT_THAT(chat.started, ElementsAre(HasSubstr("kwa kadi")));
    EXPECT_THAT(chat.page_opens(), ElementsAre(HasSubstr("Tafadhali lipa")));
    EXPECT_THAT(chat.last<ReplyRequested>().content.titles, ElementsAre("Lipa kwa kadi"));
}

TEST(PageToPayOn, OfAPaymentThatIsOverOrUnknownIsNotSent) {
    ByCard chat;
    EXPECT_THAT(chat.page_opens("i9"), IsEmpty());
    chat.hears(PaymentPaid{.order_id = OrderId(chat.order),
                           .intent_id = IntentId("i1"),
                           .receipt = "pi_1",
                           .amount = kes(50'000),
                           .order_number = "ORD-1"});
    EXPECT_THAT(chat.page_opens(), IsEmpty());
}

TEST(PageToPayOn, ThatWasClosedIsSaidInPlainWords) {
    for (const auto& [reason, words] :
         {std::pair{"page_expired", "was closed before"}, {"declined", "Your bank"}}) {
        ByCard chat;
        const auto said = chat.hears(PaymentFailed{
            .order_id = OrderId(chat.order), .reason = reason, .intent_id = IntentId("i1")});
        ASSERT_FALSE(said.empty());
        EXPECT_THAT(said[0], HasSubstr(words));
    }
}

// --- The receipt

TEST(Receipt, OfAPaymentWithoutAnOrderListsNothingOfTheCart) {
    for (const std::string hello : {"Hi", "Habari"}) {
        Chat chat;
        chat.tenant.tax_rate_bp = 1600;
        chat.says(hello);
        chat.says("2 coffee");  // in the cart, not paid
        const auto words = chat.hears(PaymentPaid{.order_id = {},
                                                  .intent_id = IntentId("intent7"),
                                                  .receipt = "QKX9",
                                                  .amount = kes(120'000),
                                                  .order_number = ""});
        ASSERT_EQ(words.size(), 1u);
        EXPECT_THAT(words[0], AllOf(HasSubstr("KES 1,200.00"), HasSubstr("QKX9")));
        for (const std::string no : {"Coffee", "Order", "Oda", "Tax", "Kodi", "intent7"})
            EXPECT_FALSE(has(words[0], no)) << words[0];
        EXPECT_FALSE(has(words[0], "\n\n\n")) << words[0];
        EXPECT_EQ(chat.now_in().shop.cart.size(), 1u);
    }
}

TEST(Receipt, AddsUpWithTaxAndRounding) {
    for (const std::string hello : {"Hi", "Habari"}) {
        Chat chat;
        chat.tenant.tax_rate_bp = 1600;
        chat.says(hello);
        chat.says("1 soap");
        chat.says("1");
        chat.taps("M-Pesa");
        chat.stock_is_there();
        chat.payment_starts();
        const auto words = chat.payment_pays(14'000);  // 120.50 + 19.28 = 139.78 → 140.00
        ASSERT_EQ(words.size(), 1u);
        EXPECT_THAT(words[0], AllOf(HasSubstr("KES 120.50"), HasSubstr(": KES 19.28"),
                                    HasSubstr(": KES 0.22"), HasSubstr(": KES 140.00")));
    }
}

TEST(Receipt, LeavesTheLinesOutWhenTheyWouldNotAddUpToTheMoney) {
    Waiting chat;
    chat.tenant.tax_rate_bp = 1600;  // changed after the invoice
    EXPECT_THAT(chat.payment_pays(50'000),
                ElementsAre(AllOf(HasSubstr("ORD-1"), HasSubstr("Total: KES 500.00"),
                                  Not(HasSubstr("Coffee")), Not(HasSubstr("Tax")))));
}

TEST(Receipt, ThatComesLateNamesItsOrderAndNotTheCartSince) {
    Waiting chat;
    chat.hears(PaymentExpired{.order_id = OrderId(chat.order), .intent_id = IntentId("i1")});
    chat.says("menu");
    chat.says("3 soap");
    const auto words = chat.hears(PaymentPaid{.order_id = OrderId(chat.order),
                                              .intent_id = IntentId("i1"),
                                              .receipt = "LATE1",
                                              .amount = kes(50'000),
                                              .order_number = "ORD-1"});
    ASSERT_EQ(words.size(), 1u);
    EXPECT_THAT(words[0], AllOf(HasSubstr("Coffee × 2"), HasSubstr("ORD-1"), HasSubstr("LATE1"),
                                Not(HasSubstr("Soap"))));
    EXPECT_EQ(chat.now_in().shop.cart.size(), 1u);
}

TEST(Receipt, TheShopsOwnWordsForItAndForTheWelcomeAreUsed) {
    Waiting chat;
    Template own;
    own.key = "payment_confirmed";
    own.variants["en"].body = "Got {{paid_total}}";
    chat.own_templates["payment_confirmed"] = own;
    EXPECT_THAT(chat.hears(PaymentPaid{.order_id = OrderId(chat.order),
                                       .intent_id = IntentId("i1"),
                                       .receipt = "R1",
                                       .amount = kes(50'000),
                                       .order_number = "ORD-1"}),
                ElementsAre("Got KES 500.00"));
    own.key = "welcome_template";
    own.variants["en"].body = "Karibu sana {{name}}";
    chat.own_templates["welcome_template"] = own;
    EXPECT_THAT(chat.says("hello"), ElementsAre("Karibu sana Amina"));
}

TEST(Receipt, EveryBuiltInTemplateOfThePackIsSaidSomewhere) {
    const auto packs = read_packs(PACKS_DIR);
    const auto& shop = packs.flows.at("ECOMMERCE");
    std::set<std::string> said{// The engine's own.
                               "rate_limited",  "technical_problem",  "cart_full",
                               "words_please",  "person_called",      "order_placed",
                               "more_products", "cart_not_whole",     "booking_reminder",
                               "payment_link",  "payment_link_button"};
    const auto from = [&](const Actions& actions) {
        for (const auto& action : actions) {
            said.insert(action.target);
            said.insert(action.option("template"));
        }
    };
    for (const auto* flow : {&packs.base, &shop}) {
        for (const auto& [name, actions] : flow->on) from(actions);
        for (const auto& rule : flow->globals) from(rule.actions);
        for (const auto& [name, node] : flow->nodes) {
            from(node.enter);
            from(node.otherwise);
            for (const auto& rule : node.rules) from(rule.actions);
            if (!node.ask) continue;
            said.insert(node.ask->again);
            from(node.ask->then);
            from(node.ask->give_up);
        }
    }
    for (const auto& [key, t] : shop.templates) {
        const bool phrase = key.starts_with("reason_") || key.starts_with("refusal_") ||
                            key.starts_with("provider_");
        EXPECT_TRUE(phrase || said.contains(key)) << key << " may be overridden and is never said";
        EXPECT_EQ(t.variants.size(), 2u) << key;
    }
}

// --- Payments that the shop started, with a conversation and no order

TEST(ShopsPayment, DrivesTheConversationAndTheCartGoesOn) {
    Chat chat;
    chat.says("Hi");
    chat.says("2 coffee");
    ASSERT_EQ(chat.state(), "AWAITING_CUSTOMER");
    EXPECT_THAT(chat.hears(PaymentBegan{.order_id = {},
                                        .provider = "mpesa",
                                        .amount = kes(100'000),
                                        .order_number = "",
                                        .intent_id = IntentId("i9")}),
                ElementsAre(AllOf(HasSubstr("Processing payment…"), HasSubstr("KES 1,000.00"))));
    EXPECT_EQ(chat.state(), "WAITING_FOR_PAYMENT");
    EXPECT_THAT(chat.says("hello"), ElementsAre(HasSubstr("being processed")));
    EXPECT_THAT(chat.hears(PaymentPaid{.order_id = {},
                                       .intent_id = IntentId("i9"),
                                       .receipt = "QKX1",
                                       .amount = kes(100'000),
                                       .order_number = ""}),
                ElementsAre(AllOf(HasSubstr("KES 1,000.00"), Not(HasSubstr("Coffee")))));
    // What the customer was ordering is neither bought nor lost.
    EXPECT_EQ(chat.state(), "AWAITING_CUSTOMER");
    EXPECT_THAT(chat.says("1"), ElementsAre(HasSubstr("Order confirmed!")));
    EXPECT_EQ(chat.count<StockRequested>(), 0);
}

TEST(ShopsPayment, WithoutACartCompletesTheConversation) {
    Chat chat;
    chat.says("Hi");
    chat.hears(PaymentBegan{.order_id = {},
                            .provider = "mpesa",
                            .amount = kes(100'000),
                            .order_number = "",
                            .intent_id = IntentId("i9")});
    chat.hears(PaymentPaid{.order_id = {},
                           .intent_id = IntentId("i9"),
                           .receipt = "QKX1",
                           .amount = kes(100'000),
                           .order_number = ""});
    EXPECT_EQ(chat.state(), "CLOSED");
}

TEST(ShopsPayment, ThatFailsOrExpiresIsToldAndNothingElseIsBought) {
    for (const std::string hello : {"Hi", "Habari"}) {
        Chat chat;
        chat.says(hello);
        chat.says("2 coffee");
        chat.hears(PaymentBegan{.order_id = {},
                                .provider = "mpesa",
                                .amount = kes(100'000),
                                .order_number = "",
                                .intent_id = IntentId("i9")});
        const auto failed = chat.hears(PaymentFailed{
            .order_id = {}, .reason = "insufficient_funds", .intent_id = IntentId("i9")});
        ASSERT_EQ(failed.size(), 1u);
        EXPECT_THAT(failed[0], HasSubstr("KES 1,000.00"));
        EXPECT_THAT(chat.titles(), IsEmpty());  // no button that would buy the cart
        EXPECT_EQ(chat.state(), "AWAITING_CUSTOMER");
        EXPECT_THAT(
            chat.hears(PaymentFailed{
                .order_id = {}, .reason = "insufficient_funds", .intent_id = IntentId("i9")}),
            IsEmpty());

        chat.hears(PaymentBegan{.order_id = {},
                                .provider = "mpesa",
                                .amount = kes(100'000),
                                .order_number = "",
                                .intent_id = IntentId("i10")});
        EXPECT_THAT(chat.hears(PaymentExpired{.order_id = {}, .intent_id = IntentId("i10")}),
                    ElementsAre(HasSubstr("KES 1,000.00")));
        EXPECT_EQ(chat.state(), "AWAITING_CUSTOMER");
        EXPECT_EQ(chat.now_in().shop.cart.size(), 1u);
    }
}

TEST(ShopsPayment, AfterTheEndOrWithAPersonChangesNoStateAndIsTold) {
    Chat chat;
    chat.says("Hi");
    chat.person(Escalate{"asked for"});
    EXPECT_THAT(chat.hears(PaymentBegan{.order_id = {},
                                        .provider = "mpesa",
                                        .amount = kes(100),
                                        .order_number = "",
                                        .intent_id = IntentId("i1")}),
                IsEmpty());
    EXPECT_THAT(
        chat.hears(PaymentFailed{.order_id = {}, .reason = "busy", .intent_id = IntentId("i1")}),
        ElementsAre(HasSubstr("KES 1.00")));
    EXPECT_EQ(chat.state(), "ESCALATED");
    chat.person(Close{"done"});
    chat.hears(PaymentBegan{.order_id = {},
                            .provider = "mpesa",
                            .amount = kes(200),
                            .order_number = "",
                            .intent_id = IntentId("i2")});
    EXPECT_THAT(chat.hears(PaymentExpired{.order_id = {}, .intent_id = IntentId("i2")}),
                ElementsAre(HasSubstr("KES 2.00")));
    EXPECT_EQ(chat.state(), "CLOSED");
}

TEST(ShopsPayment, WhicheverPaymentPaysTheOrderNothingIsWaitedForAfterIt) {
    for (const std::string end : {"expires", "fails", "pays twice"}) {
        // The first payment's money comes late, while the second one is under way.
        Waiting chat;
        chat.hears(PaymentFailed{
            .order_id = OrderId(chat.order), .reason = "no_answer", .intent_id = IntentId("i1")});
        chat.hears(PaymentBegan{.order_id = OrderId(chat.order),
                                .provider = "mpesa",
                                .amount = kes(50'000),
                                .order_number = "ORD-1",
                                .intent_id = IntentId("i2")});
        chat.hears(PaymentPaid{.order_id = OrderId(chat.order),
                               .intent_id = IntentId("i1"),
                               .receipt = "LATE1",
                               .amount = kes(50'000),
                               .order_number = "ORD-1"});
        EXPECT_EQ(chat.state(), "CLOSED") << end;

        // It comes before the second one starts.
        Waiting other;
        other.hears(PaymentFailed{
            .order_id = OrderId(other.order), .reason = "no_answer", .intent_id = IntentId("i1")});
        other.hears(PaymentPaid{.order_id = OrderId(other.order),
                                .intent_id = IntentId("i1"),
                                .receipt = "LATE1",
                                .amount = kes(50'000),
                                .order_number = "ORD-1"});
        other.hears(PaymentBegan{.order_id = OrderId(other.order),
                                 .provider = "mpesa",
                                 .amount = kes(50'000),
                                 .order_number = "ORD-1",
                                 .intent_id = IntentId("i2")});
        if (end == "expires")
            other.hears(
                PaymentExpired{.order_id = OrderId(other.order), .intent_id = IntentId("i2")});
        if (end == "fails")
            other.hears(PaymentFailed{.order_id = OrderId(other.order),
                                      .reason = "cancelled",
                                      .intent_id = IntentId("i2")});
        if (end == "pays twice")
            other.hears(PaymentPaid{.order_id = OrderId(other.order),
                                    .intent_id = IntentId("i2"),
                                    .receipt = "TWICE",
                                    .amount = kes(50'000),
                                    .order_number = "ORD-1",
                                    .second_success = true});
        EXPECT_FALSE(other.now_in().paying()) << end;
        EXPECT_EQ(other.state(), "AWAITING_CUSTOMER") << end;
    }
}

TEST(ShopsPayment, OfAnOrderIsWaitedForTooAndTheOtherPaymentsEndIsNotItsEnd) {
    Waiting chat;
    chat.hears(PaymentFailed{
        .order_id = OrderId(chat.order), .reason = "no_answer", .intent_id = IntentId("i1")});
    ASSERT_EQ(chat.state(), "AWAITING_CUSTOMER");
    EXPECT_THAT(chat.hears(PaymentBegan{.order_id = OrderId(chat.order),
                                        .provider = "mpesa",
                                        .amount = kes(50'000),
                                        .order_number = "ORD-1",
                                        .intent_id = IntentId("i2")}),
                ElementsAre(HasSubstr("Processing payment…")));
    EXPECT_EQ(chat.state(), "WAITING_FOR_PAYMENT");
    chat.hears(PaymentBegan{.order_id = {},
                            .provider = "mpesa",
                            .amount = kes(100),
                            .order_number = "",
                            .intent_id = IntentId("i3")});
    EXPECT_EQ(chat.state(), "WAITING_FOR_PAYMENT");
}

// --- Outcomes that nobody knows

TEST(Unclear, IsToldOnceAndTheCustomerMayGoOn) {
    for (const std::string hello : {"Hi", "Habari"}) {
        Waiting chat(hello);
        const auto held = chat.now_in().shop.held_reservation_id;
        ASSERT_FALSE(held.empty());
        const bool english = hello == "Hi";
        const auto words = chat.gets_unclear();
        ASSERT_EQ(words.size(), 1u);
        EXPECT_THAT(words[0], HasSubstr(english ? "looking into it" : "anafuatilia"));
        EXPECT_THAT(words[0], HasSubstr("KES 500.00"));
        EXPECT_THAT(chat.titles(), english ? ElementsAre("Talk to a person", "Menu")
                                           : ElementsAre("Ongea na mtu", "Menyu"));
        EXPECT_EQ(chat.last<ReservationEndRequested>(),
                  (ReservationEndRequested{.reservation_id = ReservationId(held),
                                           .sold = false,
                                           .reason = ReservationEnd::payment_unclear}));
        EXPECT_FALSE(chat.now_in().paying());
        EXPECT_EQ(chat.state(), "AWAITING_CUSTOMER");
        EXPECT_THAT(chat.gets_unclear(), IsEmpty());  // contradicted, after it was unknown
        EXPECT_THAT(chat.says("menu"), ElementsAre(HasSubstr("Mama Duka")));
    }
}

TEST(Unclear, APersonIsCalledByButtonAndByWord) {
    for (const bool by_word : {false, true}) {
        Waiting chat;
        chat.gets_unclear();
        EXPECT_THAT(by_word ? chat.says("person") : chat.taps("Talk to a person"),
                    ElementsAre(HasSubstr("write to you here soon")));
        EXPECT_EQ(chat.state(), "ESCALATED");
    }
}

TEST(Unclear, BeforeThatAPersonCanBeCalledWhileThePaymentRuns) {
    Waiting chat;
    EXPECT_THAT(chat.says("hello?"), ElementsAre(HasSubstr("being processed")));
    EXPECT_THAT(chat.taps("Talk to a person"), ElementsAre(HasSubstr("write to you here soon")));
    EXPECT_EQ(chat.state(), "ESCALATED");
    EXPECT_THAT(chat.payment_pays(50'000), ElementsAre(HasSubstr("Payment received")));
}

TEST(Unclear, TheSameOrderIsNotPaidAgainAndANewOneIs) {
    Waiting chat;
    const auto stock = chat.count<StockRequested>();
    chat.gets_unclear();
    EXPECT_THAT(chat.taps("M-Pesa"), ElementsAre(HasSubstr("looking into it")));  // its old button
    EXPECT_EQ(chat.count<StockRequested>(), stock);
    chat.taps("Menu");
    chat.says("1 soap");
    chat.says("1");
    chat.taps("M-Pesa");
    chat.stock_is_there();
    EXPECT_NE(chat.last<CheckoutRequested>().order_id, chat.order);
    EXPECT_EQ(chat.last<CheckoutRequested>().retry_of_order_id, "");
}

TEST(Unclear, ALateSuccessPaysAsAfterExpiry) {
    Waiting chat;
    chat.gets_unclear();
    EXPECT_THAT(chat.hears(PaymentPaid{.order_id = OrderId(chat.order),
                                       .intent_id = IntentId("i1"),
                                       .receipt = "LATE1",
                                       .amount = kes(50'000),
                                       .order_number = "ORD-1"}),
                ElementsAre(AllOf(HasSubstr("LATE1"), HasSubstr("Coffee × 2"))));
    const auto taken = chat.last<StockRequested>();
    EXPECT_EQ(taken.paid_order_id, chat.order);
    EXPECT_THAT(chat.hears(StockAnswered{.reservation_id = taken.reservation_id,
                                         .reserved = true,
                                         .product_id = {},
                                         .available = 0}),
                IsEmpty());
    EXPECT_TRUE(chat.last<ReservationEndRequested>().sold);
}

TEST(Unclear, ALateSuccessOfAnEarlierOrderTakesItsGoodsToo) {
    Waiting chat;
    chat.gets_unclear();
    chat.says("1 soap");
    chat.says("1");
    chat.taps("M-Pesa");
    chat.stock_is_there();
    ASSERT_NE(chat.now_in().shop.order_id, chat.order);
    EXPECT_THAT(chat.hears(PaymentPaid{.order_id = OrderId(chat.order),
                                       .intent_id = IntentId("i1"),
                                       .receipt = "LATE1",
                                       .amount = kes(50'000),
                                       .order_number = "ORD-1"}),
                ElementsAre(AllOf(HasSubstr("Coffee × 2"), Not(HasSubstr("Soap")))));
    EXPECT_EQ(chat.last<StockRequested>().paid_order_id, chat.order);
    EXPECT_EQ(chat.last<StockRequested>().lines[0].product_id, "coffee");
    chat.stock_is_there();
    EXPECT_TRUE(chat.last<ReservationEndRequested>().sold);
}

TEST(Unclear, APersonsNoIsToldWithARetryOfTheSameOrder) {
    for (const std::string hello : {"Hi", "Habari"}) {
        Waiting chat(hello);
        chat.gets_unclear();
        const auto words = chat.hears(PaymentFailed{
            .order_id = OrderId(chat.order), .reason = "not_paid", .intent_id = IntentId("i1")});
        ASSERT_EQ(words.size(), 1u);
        EXPECT_FALSE(has(words[0], "_")) << words[0];
        EXPECT_EQ(chat.titles().size(), 3u);
        chat.taps(chat.titles().front());
        chat.stock_is_there();
        EXPECT_EQ(chat.last<CheckoutRequested>().retry_of_order_id, chat.order);
        EXPECT_EQ(chat.last<CheckoutRequested>().lines[0].product_id, "coffee");
    }
}

TEST(Unclear, TheRetryTakesThePlaceOfWhatIsInTheCartSince) {
    Waiting chat;
    chat.gets_unclear();
    chat.says("1 soap");
    chat.hears(PaymentFailed{
        .order_id = OrderId(chat.order), .reason = "not_paid", .intent_id = IntentId("i1")});
    chat.taps("Try again");
    EXPECT_EQ(chat.last<StockRequested>().lines[0].product_id, "coffee");
}

TEST(Unclear, ARefusedRetryGivesTheStockBackAndSaysWhy) {
    Waiting chat;
    chat.hears(PaymentFailed{
        .order_id = OrderId(chat.order), .reason = "no_answer", .intent_id = IntentId("i1")});
    chat.taps("Try again");
    chat.stock_is_there();
    const auto retry = chat.last<CheckoutRequested>();
    chat.hears(PaymentUnclear{.order_id = OrderId(chat.order),
                              .intent_id = IntentId("i0"),
                              .amount = kes(50'000),
                              .order_number = "ORD-1"});  // another payment of it
    EXPECT_FALSE(chat.now_in().paying());
    chat.hears(CheckoutRefused{.order_id = OrderId(chat.order),
                               .reservation_id = retry.reservation_id,
                               .reason = "payment_pending"});
    EXPECT_FALSE(chat.now_in().paying());
}

TEST(Unclear, HandingBackAndClosingDoNotWaitForTheMoney) {
    Waiting chat;
    const auto held = chat.now_in().shop.held_reservation_id;
    chat.person(Escalate{"asked for"});
    EXPECT_TRUE(chat.now_in().paying());
    chat.person(HandBack{"solved"});
    EXPECT_FALSE(chat.now_in().paying());
    EXPECT_EQ(chat.last<ReservationEndRequested>(),
              (ReservationEndRequested{.reservation_id = ReservationId(held),
                                       .sold = false,
                                       .reason = ReservationEnd::handed_back}));
    EXPECT_THAT(chat.says("menu"), ElementsAre(HasSubstr("Welcome")));
    // Told all the same when it is known that nobody knows; and the money is real.
    EXPECT_THAT(chat.gets_unclear(), ElementsAre(HasSubstr("looking into it")));
    EXPECT_THAT(chat.hears(PaymentPaid{.order_id = OrderId(chat.order),
                                       .intent_id = IntentId("i1"),
                                       .receipt = "LATE1",
                                       .amount = kes(50'000),
                                       .order_number = "ORD-1"}),
                ElementsAre(HasSubstr("LATE1")));
    EXPECT_EQ(chat.last<StockRequested>().paid_order_id, chat.order);
}

TEST(Unclear, APersonClosesWhatWaitsForMoneyAndTheReceiptStillComes) {
    Waiting chat;
    const auto held = chat.now_in().shop.held_reservation_id;
    chat.person(Close{"the customer came by"});
    EXPECT_EQ(chat.state(), "CLOSED");
    EXPECT_EQ(chat.last<ReservationEndRequested>(),
              (ReservationEndRequested{.reservation_id = ReservationId(held),
                                       .sold = false,
                                       .reason = ReservationEnd::closed}));
    EXPECT_EQ(decide(chat.now_in(), Close{"again"}).rejection(), Rejection::already_closed);
    EXPECT_THAT(chat.hears(PaymentPaid{.order_id = OrderId(chat.order),
                                       .intent_id = IntentId("i1"),
                                       .receipt = "LATE1",
                                       .amount = kes(50'000),
                                       .order_number = "ORD-1"}),
                ElementsAre(HasSubstr("LATE1")));
    EXPECT_THAT(chat.says("hello"), ElementsAre(HasSubstr("Welcome")));
    EXPECT_EQ(chat.conversations.size(), 2u);
}

TEST(Unclear, ClosingEndsTheWaitOfTheSitesOrders) {
    Chat chat;
    chat.places("o1", "coffee", 1);
    chat.order_is_made("o1");
    chat.person(Close{"cancelled by phone"});
    EXPECT_EQ(chat.last<OrderWaitEnded>(),
              (OrderWaitEnded{.order_id = OrderId("o1"), .reason = OrderWaitEnd::closed}));
    const auto words = chat.taps("M-Pesa");
    ASSERT_EQ(words.size(), 1u);
    EXPECT_THAT(words[0], HasSubstr("The shop has closed it."));
}

TEST(Unclear, AnOrderOfTheSiteIsNotPaidAgainEither) {
    Chat chat;
    chat.places("o1", "coffee", 1);
    chat.order_is_made("o1");
    chat.taps("M-Pesa");
    chat.stock_is_there();
    chat.hears(PaymentBegan{.order_id = OrderId("o1"),
                            .provider = "mpesa",
                            .amount = kes(25'000),
                            .order_number = "ORD-o1",
                            .intent_id = IntentId("i1")});
    chat.hears(PaymentUnclear{.order_id = OrderId("o1"),
                              .intent_id = IntentId("i1"),
                              .amount = kes(25'000),
                              .order_number = "ORD-o1"});
    const auto stock = chat.count<StockRequested>();
    chat.says("menu");
    EXPECT_THAT(chat.taps("M-Pesa"), ElementsAre(HasSubstr("looking into it")));
    EXPECT_EQ(chat.count<StockRequested>(), stock);
}

// The tenant's setting unclear_payment_policy is "wait".
struct OnHold : Waiting {
    explicit OnHold(const std::string& hello = "Hi") : Waiting(hello) {
        tenant.orders_while_unclear = false;
        words = gets_unclear();
        stock = count<StockRequested>();
    }
    std::vector<std::string> words;  // that told it
    int stock = 0;                   // how often it had been asked for
};

TEST(Unclear, WhereTheTenantSaysWaitNothingElseIsPaidUntilItIsClear) {
    for (const std::string hello : {"Hi", "Habari"}) {
        OnHold chat(hello);
        const std::string on_hold = hello == "Hi" ? "next payment" : "malipo yako mengine";
        EXPECT_THAT(chat.words, ElementsAre(HasSubstr(on_hold)));
        // The customer may look around, and is told as soon as there is something to pay.
        EXPECT_THAT(chat.taps(hello == "Hi" ? "Menu" : "Menyu"),
                    ElementsAre(HasSubstr("Mama Duka")));
        EXPECT_THAT(chat.says("1 soap"), ElementsAre(HasSubstr(on_hold)));
        EXPECT_THAT(chat.taps("M-Pesa"), ElementsAre(HasSubstr(on_hold)));  // of the first order
        EXPECT_EQ(chat.count<StockRequested>(), chat.stock);
        EXPECT_EQ(chat.now_in().shop.cart.at(0).product_id, "soap");
        // A person found that no money came.
        chat.hears(PaymentFailed{
            .order_id = OrderId(chat.order), .reason = "not_paid", .intent_id = IntentId("i1")});
        chat.says("1 soap");
        chat.says("1");
        chat.taps("M-Pesa");
        EXPECT_EQ(chat.count<StockRequested>(), chat.stock + 1);
        EXPECT_EQ(chat.last<StockRequested>().lines.at(0).product_id, "soap");
    }
}

TEST(Unclear, WhereTheTenantSaysWaitAPersonIsStillThere) {
    OnHold chat;
    EXPECT_THAT(chat.taps("Talk to a person"), ElementsAre(HasSubstr("write to you here soon")));
    EXPECT_EQ(chat.state(), "ESCALATED");
}

TEST(Unclear, WhereTheTenantSaysWaitAnOrderOfTheSiteWaitsToo) {
    OnHold chat;
    chat.places("o2", "soap", 1);
    chat.order_is_made("o2");
    EXPECT_THAT(chat.says("mpesa"), ElementsAre(HasSubstr("next payment")));
    EXPECT_THAT(chat.taps("M-Pesa"), ElementsAre(HasSubstr("next payment")));
    EXPECT_EQ(chat.count<StockRequested>(), chat.stock);
    chat.hears(PaymentFailed{
        .order_id = OrderId(chat.order), .reason = "not_paid", .intent_id = IntentId("i1")});
    chat.taps("M-Pesa");
    EXPECT_EQ(chat.last<StockRequested>().order_id, "o2");
}

TEST(Unclear, WhereTheTenantSaysWaitTheDialogueStaysOpenSinceItAloneKnows) {
    for (const bool waits : {false, true}) {
        Waiting chat;
        chat.tenant.orders_while_unclear = !waits;
        chat.gets_unclear();
        // The shop asks for other money by itself, and gets it.
        chat.hears(PaymentBegan{
            .order_id = {}, .provider = "mpesa", .amount = kes(100), .intent_id = IntentId("i2")});
        chat.hears(PaymentPaid{
            .order_id = {}, .intent_id = IntentId("i2"), .receipt = "R2", .amount = kes(100)});
        EXPECT_EQ(chat.state() == "CLOSED", !waits) << chat.state();
    }
}

// --- Numbers that pay

TEST(Phone, ThatTheProviderCannotUseIsAskedForConfirmedAndCanBeChanged) {
    Chat chat;
    chat.phone = "+255754000001";
    chat.says("Hi");
    chat.says("2 coffee");
    chat.says("1");
    chat.taps("M-Pesa");
    chat.stock_is_there();
    const auto first = chat.last<CheckoutRequested>();
    EXPECT_EQ(first.phone, "+255754000001");
    EXPECT_THAT(chat.hears(CheckoutRefused{.order_id = first.order_id,
                                           .reservation_id = first.reservation_id,
                                           .reason = "phone_not_usable"}),
                ElementsAre(AllOf(HasSubstr("+255754000001"), HasSubstr("Which M-Pesa number"))));
    EXPECT_FALSE(chat.now_in().paying());
    EXPECT_FALSE(chat.last<ReservationEndRequested>().sold);
    EXPECT_THAT(chat.says("0712 000 112"), ElementsAre(HasSubstr("+254712000112. Is that right?")));
    // Mistyped: changed by the button, and by simply writing it again.
    EXPECT_THAT(chat.taps("Other number"), ElementsAre(HasSubstr("Which M-Pesa number")));
    chat.says("0712 000 113");
    EXPECT_THAT(chat.says("0712 000 111"), ElementsAre(HasSubstr("+254712000111. Is that right?")));
    EXPECT_THAT(chat.taps("Yes"), IsEmpty());
    chat.stock_is_there();
    EXPECT_EQ(chat.last<CheckoutRequested>().phone, "+254712000111");
    EXPECT_EQ(chat.last<CheckoutRequested>().lines, first.lines);
    // The number pays; the answers go on to where the customer writes from.
    EXPECT_THAT(chat.payment_starts(), ElementsAre(HasSubstr("Processing payment…")));
    EXPECT_EQ(chat.last<ReplyRequested>().to, "+255754000001");
    EXPECT_EQ(chat.customer.phone, "+255754000001");
}

TEST(Phone, AnotherNumberThatCannotBeUsedIsAskedForAgainAndTheOrderStays) {
    Chat chat;
    chat.phone = "+255754000001";
    chat.says("Habari");
    chat.says("2 coffee");
    chat.says("1");
    chat.taps("M-Pesa");
    for (const std::string number : {"+255754000002", "0712000111"}) {
        chat.stock_is_there();
        const auto checkout = chat.last<CheckoutRequested>();
        EXPECT_THAT(chat.hears(CheckoutRefused{.order_id = checkout.order_id,
                                               .reservation_id = checkout.reservation_id,
                                               .reason = "phone_not_usable"}),
                    ElementsAre(HasSubstr("M-Pesa itakayolipa")));
        EXPECT_THAT(chat.titles(), ElementsAre("Ongea na mtu", "Menyu"));
        chat.says(number);
        chat.taps("Ndiyo");
    }
    chat.stock_is_there();
    EXPECT_EQ(chat.last<CheckoutRequested>().phone, "+254712000111");
    for (int i = 0; i < 3; ++i) chat.says("?");
    EXPECT_EQ(chat.now_in().shop.cart.size(), 1u);
}

TEST(Phone, ARetryMayUseAnotherOne) {
    for (const std::string button : {"Other number", "words"}) {
        Waiting chat;
        chat.hears(PaymentFailed{
            .order_id = OrderId(chat.order), .reason = "no_answer", .intent_id = IntentId("i1")});
        EXPECT_THAT(chat.titles(), ElementsAre("Try again", "Other number", "Menu"));
        EXPECT_THAT(button == "words" ? chat.says("other number") : chat.taps(button),
                    ElementsAre(HasSubstr("Which M-Pesa number")));
        chat.says("0733000111");
        chat.says("yes");
        chat.stock_is_there();
        EXPECT_EQ(chat.last<CheckoutRequested>().phone, "+254733000111");
        EXPECT_EQ(chat.last<CheckoutRequested>().retry_of_order_id, chat.order);
    }
}

TEST(Phone, AnotherOneMayBeNamedBeforePaying) {
    for (const bool swahili : {false, true}) {
        Chat chat;
        chat.says(swahili ? "Habari" : "Hi");
        chat.says("2 coffee");
        chat.says("1");
        EXPECT_THAT(chat.says(swahili ? "nambari nyingine" : "other number"),
                    ElementsAre(HasSubstr("M-Pesa")));
        chat.says("0733000111");
        chat.says(swahili ? "ndiyo" : "yes");
        chat.stock_is_there();
        EXPECT_EQ(chat.last<CheckoutRequested>().phone, "+254733000111");
    }
}

TEST(Phone, AnOrderOfTheSiteIsPaidFromTheOtherNumber) {
    Chat chat;
    chat.phone = "+255754000001";
    chat.places("o1", "coffee", 1);
    chat.order_is_made("o1");
    chat.taps("M-Pesa");
    chat.stock_is_there();
    const auto checkout = chat.last<CheckoutRequested>();
    chat.hears(CheckoutRefused{.order_id = OrderId("o1"),
                               .reservation_id = checkout.reservation_id,
                               .reason = "phone_not_usable"});
    chat.says("0733000111");
    chat.taps("Yes");
    chat.stock_is_there();
    EXPECT_EQ(chat.last<CheckoutRequested>().retry_of_order_id, "o1");
    EXPECT_EQ(chat.last<CheckoutRequested>().phone, "+254733000111");
}

TEST(Phone, GivingUpKeepsTheOrder) {
    Chat chat;
    chat.phone = "";
    chat.says("Hi");
    chat.says("2 coffee");
    chat.says("1");
    chat.taps("M-Pesa");
    chat.says("?");
    chat.says("?");
    EXPECT_THAT(chat.says("?"),
                ElementsAre(AllOf(HasSubstr("Your order is kept"), HasSubstr("Coffee × 2"))));
    EXPECT_EQ(chat.now_in().shop.cart.size(), 1u);
}

TEST(Phone, AChangedNumberOfTheCustomerIsTheOneThatIsWrittenTo) {
    Chat chat;
    chat.says("Hi");
    chat.phone = "+254700000009";
    chat.says("hello");
    EXPECT_EQ(chat.customer.phone, "+254700000009");
    EXPECT_EQ(chat.last<ReplyRequested>().to, "+254700000009");
}

TEST(Refusals, HaveWordsOfTheirOwnInBothLanguages) {
    for (const std::string reason : {"provider_off", "currency_not_usable", "amount_not_usable"})
        for (const std::string hello : {"Hi", "Habari"}) {
            Chat chat;
            chat.says(hello);
            chat.says("2 coffee");
            chat.says("1");
            chat.taps("M-Pesa");
            chat.stock_is_there();
            const auto checkout = chat.last<CheckoutRequested>();
            const auto words = chat.hears(CheckoutRefused{.order_id = checkout.order_id,
                                                          .reservation_id = checkout.reservation_id,
                                                          .reason = reason});
            EXPECT_THAT(
                words,
                Each(Not(AnyOf(HasSubstr("Something"), HasSubstr("Kuna kitu"), HasSubstr("_")))));
            EXPECT_EQ(words.size(), 1u);
            EXPECT_EQ(chat.state(), "ESCALATED");
            EXPECT_FALSE(chat.now_in().paying());
        }
}

// --- What a flow must not decide

TEST(Rules, BelieveNoVariableThatAFlowCanWrite) {
    Chat chat;
    auto flow = read_packs(PACKS_DIR).flows.at("ECOMMERCE");
    Actions lies;
    for (const std::string name : {"paid_order", "failed_order", "catalog_page", "unclear_items"})
        lies.push_back({verb::kSet, name, {{"value", "{{order_id}}"}}});
    lies.push_back({verb::kGoto, "greeting", {}});
    flow.globals.insert(flow.globals.begin(), {"lie", MatchType::equals, {"lie"}, {}, lies});
    chat.own_flows[{"ECOMMERCE", 0}] = flow;
    chat.says("Hi");
    chat.says("2 coffee");
    chat.says("1");
    chat.taps("M-Pesa");
    chat.stock_is_there();
    chat.hears(PaymentBegan{.order_id = chat.now_in().shop.order_id,
                            .provider = "mpesa",
                            .amount = kes(50'000),
                            .order_number = "ORD-1",
                            .intent_id = IntentId("i1")});
    chat.hears(PaymentFailed{
        .order_id = chat.now_in().shop.order_id, .reason = "busy", .intent_id = IntentId("i1")});
    chat.says("lie");
    EXPECT_TRUE(chat.now_in().shop.payment_failed(chat.now_in().shop.order_id));
    EXPECT_FALSE(chat.now_in().shop.is_paid(chat.now_in().shop.order_id));
    EXPECT_THAT(chat.now_in().shop.unclear_items, IsEmpty());
}

}  // namespace
}  // namespace flowstack::conversation
