#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/core/broken_world.h"
#include "tests/unit/conversation/chat.h"

// What customers send that is no words: it uses up no attempt, loses no cart and begins no
// conversation.
namespace flowstack::conversation {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<std::string> kMute{"reaction", "revoke", "system", "unsupported", "edit"};
const std::vector<std::string> kNoWords{"media", "location", "contacts", "order", "form"};

// At the question for the quantity, once asked again: two attempts are left.
struct AtQuantity : Chat {
    AtQuantity() {
        says("Hi");
        taps("View Products");
        taps("Coffee");
        says("lots");
    }
};

TEST(Inputs, OnlyWordsUseUpAnAttempt) {
    for (const auto& kinds : {kMute, kNoWords})
        for (const auto& kind : kinds) {
            AtQuantity chat;
            int hints = 0;
            for (int i = 0; i < 5; ++i)
                hints += static_cast<int>(chat.inbound(kind, "🙂", "").size());
            EXPECT_LE(hints, 1) << kind;
            EXPECT_EQ(chat.now_in().node, "quantity") << kind;
            EXPECT_EQ(chat.now_in().retries, 1) << kind;
            EXPECT_EQ(chat.state(), "AWAITING_CUSTOMER") << kind;
            EXPECT_THAT(chat.says("3"), ElementsAre(HasSubstr("delivery address"))) << kind;
        }
}

TEST(Inputs, AKindOfNextYearIsMute) {
    AtQuantity chat;
    for (const auto* kind : {"request_welcome", "ephemeral", "hologram"}) {
        EXPECT_LE(chat.inbound(kind, "", "").size(), 1u) << kind;
        EXPECT_EQ(chat.now_in().retries, 1) << kind;
    }
}

TEST(Inputs, SixPicturesOfANewCustomerGetOneGreeting) {
    Chat chat;
    chat.seconds_between = 0;
    EXPECT_THAT(chat.inbound("media", "", ""), ElementsAre(HasSubstr("Welcome")));
    for (int i = 0; i < 5; ++i) EXPECT_THAT(chat.inbound("media", "", ""), IsEmpty());
    EXPECT_EQ(chat.state(), "AWAITING_CUSTOMER");
    EXPECT_EQ(chat.conversations.size(), 1u);
    EXPECT_THAT(chat.taps("View Products"), ElementsAre(HasSubstr("Choose a product")));
}

TEST(Inputs, PicturesAtTheAddressQuestionKeepTheCartAndAreSpokenOfOnce) {
    for (const std::string hello : {"Hi", "Habari"}) {
        Chat chat;
        chat.says(hello);
        chat.says("coffee");
        chat.says("2");
        ASSERT_EQ(chat.now_in().node, "address");
        EXPECT_THAT(chat.inbound("media", "", ""),
                    ElementsAre(HasSubstr(hello == "Hi" ? "only read words" : "kusoma maneno")));
        for (int i = 0; i < 2; ++i) EXPECT_THAT(chat.inbound("media", "", ""), IsEmpty());
        EXPECT_EQ(chat.now_in().shop.cart.size(), 1u);
        EXPECT_EQ(chat.now_in().retries, 0);
        // At the next node once more.
        chat.says("Moi Avenue");
        EXPECT_EQ(chat.inbound("media", "", "").size(), 1u);
        EXPECT_EQ(chat.now_in().node, "summary");
    }
}

TEST(Inputs, APinIsTheAddressWhereOneIsAskedFor) {
    const auto address_of = [](const std::string& name, const std::string& address) {
        Chat chat;
        chat.says("Hi");
        chat.says("coffee");
        chat.says("2");
        EXPECT_THAT(chat.pins(name, address), ElementsAre(HasSubstr("Order Summary")));
        chat.taps("M-Pesa");
        chat.stock_is_there();
        EXPECT_EQ(chat.customer.address, chat.last<CheckoutRequested>().address);
        return chat.last<CheckoutRequested>().address;
    };
    EXPECT_EQ(address_of("Sarit Centre", "Karuna Road"), "Sarit Centre, Karuna Road");
    EXPECT_EQ(address_of("", "Karuna Road"), "Karuna Road");
    EXPECT_EQ(address_of("Sarit Centre", ""), "Sarit Centre");
    EXPECT_EQ(address_of("", ""), "-1.261111, 36.802222");
    EXPECT_EQ(address_of(std::string(3000, 'a'), "").size() > 400, true);
}

TEST(Inputs, APinElsewhereIsNoAnswer) {
    AtQuantity chat;
    chat.pins("Sarit Centre", "");
    EXPECT_EQ(chat.now_in().node, "quantity");
    EXPECT_EQ(chat.now_in().retries, 1);
    EXPECT_EQ(chat.last<Spoke>().kind, SpokenKind::location);
    EXPECT_EQ(chat.last<Spoke>().text, "Sarit Centre");
}

TEST(Inputs, PicturesWhileThePaymentRunsAreNotAnswered) {
    Chat chat;
    chat.says("2 coffee");
    chat.says("1");
    chat.taps("M-Pesa");
    for (int i = 0; i < 3; ++i) EXPECT_THAT(chat.inbound("media", "", ""), IsEmpty());
    EXPECT_THAT(chat.says("hello"), ElementsAre(HasSubstr("being processed")));
}

TEST(Carts, OfTheProvidersCatalogBecomeTheCart) {
    Chat chat;
    EXPECT_THAT(chat.sends_cart({{ProductId("coffee"), 2}, {ProductId("soap"), 1}}),
                ElementsAre(AllOf(HasSubstr("Coffee × 2"), HasSubstr("Bar Soap × 1"),
                                  HasSubstr("Confirm?"))));
    EXPECT_EQ(chat.now_in().node, "confirm");
    ASSERT_EQ(chat.now_in().shop.cart.size(), 2u);
    // The shop's own price counts, whatever the catalog says.
    EXPECT_EQ(chat.now_in().shop.cart.front().unit_price, kes(25'000));
    EXPECT_EQ(chat.last<Spoke>().kind, SpokenKind::order);
    // A later cart is another order, not more of the first one.
    chat.sends_cart({{ProductId("soap"), 3}});
    ASSERT_EQ(chat.now_in().shop.cart.size(), 1u);
    EXPECT_EQ(chat.now_in().shop.cart.front().quantity, 3);
    EXPECT_THAT(chat.says("1"), ElementsAre(HasSubstr("pay")));
}

TEST(Carts, WhatIsNotSoldHereIsLeftOutAndSaid) {
    Chat chat;
    EXPECT_THAT(chat.sends_cart({{ProductId("coffee"), 2},
                                 {ProductId("unicorn"), 1},
                                 {ProductId("soap"), 1000},
                                 {ProductId("cement"), 0}}),
                ElementsAre(HasSubstr("left out: 3"), HasSubstr("Coffee × 2")));
    EXPECT_EQ(chat.now_in().shop.cart.size(), 1u);
}

TEST(Carts, OfNothingThatIsSoldHereLeadToTheProducts) {
    AtQuantity chat;
    EXPECT_THAT(chat.sends_cart({{ProductId("unicorn"), 1}}),
                ElementsAre(HasSubstr("do not sell"), HasSubstr("Choose a product")));
    EXPECT_TRUE(chat.now_in().shop.cart.empty());
}

TEST(Carts, WhileThePaymentRunsChangeNothing) {
    Chat chat;
    chat.says("2 coffee");
    chat.says("1");
    chat.taps("M-Pesa");
    const auto lines = chat.now_in().shop.cart;
    EXPECT_THAT(chat.sends_cart({{ProductId("soap"), 1}}),
                ElementsAre(HasSubstr("being processed")));
    EXPECT_EQ(chat.now_in().shop.cart, lines);
}

TEST(Carts, GoToAPersonWhoHasTheConversation) {
    Chat chat;
    chat.says("Hi");
    chat.person(Escalate{"help"});
    EXPECT_THAT(chat.sends_cart({{ProductId("soap"), 1}}), IsEmpty());
    EXPECT_EQ(chat.outcome, "with_person");
    EXPECT_TRUE(chat.now_in().shop.cart.empty());
}

TEST(Inputs, WhoeverOpensTheChatIsGreetedOnce) {
    Chat chat;
    EXPECT_THAT(chat.inbound("welcome_request", "", ""), ElementsAre(HasSubstr("Welcome")));
    EXPECT_THAT(chat.inbound("welcome_request", "", ""), IsEmpty());
    EXPECT_EQ(chat.conversations.size(), 1u);
    EXPECT_THAT(chat.taps("View Products"), ElementsAre(HasSubstr("Choose a product")));
}

TEST(Inputs, ACallIsRecordedAndNotAnswered) {
    Chat alone;
    EXPECT_THAT(alone.inbound("call", "", ""), IsEmpty());
    EXPECT_TRUE(alone.conversations.empty());
    AtQuantity chat;
    EXPECT_THAT(chat.inbound("call", "", ""), IsEmpty());
    EXPECT_EQ(chat.last<Spoke>().kind, SpokenKind::call);
    EXPECT_EQ(chat.now_in().node, "quantity");
}

TEST(Edits, AreWhatWasSaidWhileItsQuestionStands) {
    AtQuantity chat;
    const auto wrong = chat.last_inbound();
    EXPECT_THAT(chat.edits(wrong, "many"), IsEmpty());  // no better, and no attempt
    EXPECT_EQ(chat.now_in().retries, 1);
    EXPECT_EQ(chat.state(), "AWAITING_CUSTOMER");
    EXPECT_THAT(chat.edits(wrong, "3"), ElementsAre(HasSubstr("delivery address")));
    // The quantity is answered now: changing that message again changes nothing.
    EXPECT_THAT(chat.edits(wrong, "4"), IsEmpty());
    EXPECT_EQ(chat.outcome, "ignored");
    EXPECT_EQ(chat.now_in().shop.cart.front().quantity, 3);
    EXPECT_EQ(chat.now_in().retries, 0);
}

TEST(Edits, OfTheFirstWordsCountWhileNothingCameOfThem) {
    Chat chat;
    chat.says("2 cofefefe and");
    const auto first = chat.last_inbound();
    EXPECT_THAT(chat.edits(first, "2 coffee"), ElementsAre(HasSubstr("Coffee × 2")));
    EXPECT_THAT(chat.edits(first, "9 coffee"), IsEmpty());
    EXPECT_EQ(chat.now_in().shop.cart.front().quantity, 2);
}

TEST(Edits, AfterTheEndOpenNoConversation) {
    Chat chat;
    chat.says("Hi");
    const auto said = chat.last_inbound();
    chat.person(Close{"done"});
    EXPECT_THAT(chat.edits(said, "2 coffee"), IsEmpty());
    EXPECT_EQ(chat.conversations.size(), 1u);
}

TEST(Edits, AreShownToThePersonWhoTookOver) {
    Chat chat;
    chat.says("Hi");
    const auto said = chat.last_inbound();
    chat.person(Escalate{"asked for"});
    EXPECT_THAT(chat.edits(said, "I meant tomorrow"), IsEmpty());
    EXPECT_EQ(chat.outcome, "with_person");
    EXPECT_EQ(chat.last<Spoke>().text, "I meant tomorrow");
}

TEST(Inputs, WhatNobodyAnswersOpensNoConversation) {
    for (const auto& kind : kMute) {
        Chat fresh;
        EXPECT_THAT(fresh.inbound(kind, "👍", ""), IsEmpty());
        EXPECT_TRUE(fresh.conversations.empty()) << kind;
        EXPECT_TRUE(fresh.events.empty()) << kind;

        Chat chat;  // a reaction to the receipt
        chat.says("2 coffee");
        chat.says("1");
        chat.taps("M-Pesa");
        chat.stock_is_there();
        chat.payment_starts();
        chat.payment_pays(50'000);
        ASSERT_EQ(chat.state(), "CLOSED");
        const auto before = chat.events.size();
        EXPECT_THAT(chat.inbound(kind, "👍", ""), IsEmpty());
        EXPECT_EQ(chat.conversations.size(), 1u) << kind;
        EXPECT_EQ(chat.events.size(), before) << kind;
    }
    Chat stop;
    stop.consent_change = "unsubscribed";
    EXPECT_THAT(stop.says("STOP"), IsEmpty());
    EXPECT_TRUE(stop.conversations.empty());
}

TEST(GivingUp, KeepsTheCartAndOffersToGoOn) {
    for (const std::string hello : {"Hi", "Habari"}) {
        Chat chat;
        chat.says(hello);
        chat.says("coffee");
        chat.says("2");
        for (int i = 0; i < 2; ++i) chat.says("?");
        const auto words = chat.says("?");
        ASSERT_EQ(words.size(), 1u);
        EXPECT_THAT(words[0], AllOf(HasSubstr("Coffee × 2"), HasSubstr("KES 500.00")));
        ASSERT_EQ(chat.titles().size(), 2u);
        EXPECT_EQ(chat.now_in().shop.cart.size(), 1u);
        chat.taps(chat.titles().front());
        EXPECT_EQ(chat.now_in().node, "address");
        chat.says("Moi Avenue");
        EXPECT_EQ(chat.now_in().node, "summary");
    }
}

TEST(GivingUp, OnAnotherProductKeepsWhatIsInTheCart) {
    Chat chat;
    chat.says("2 coffee");
    chat.says("soap please tell me");  // unknown here: asked to confirm again
    chat.taps("No");
    chat.says("coffee");
    chat.says("2");
    chat.says("menu");
    EXPECT_THAT(chat.now_in().shop.cart, IsEmpty());  // a wish, not a mistake
}

TEST(Cart, WhatOneReservationCannotHoldIsToldAndNotLost) {
    for (const bool counted : {true, false}) {
        Chat chat;
        chat.products.clear();
        const std::string letters = "abcdefghijklmnopqr";
        std::string order;
        for (const char c : letters) {
            const auto name = std::string(6, c);
            chat.products.push_back(product_of(
                name, name, 1000, {}, counted ? std::optional<std::int64_t>(9) : std::nullopt));
            order += (order.empty() ? "2 " : ", 2 ") + name;
        }
        const auto words = chat.says(order);
        ASSERT_EQ(chat.now_in().shop.cart.size(), counted ? kCountedLinesMax : letters.size());
        std::string all;
        for (const auto& word : words) all += word;
        for (const char c : letters) EXPECT_TRUE(has(all, std::string(6, c))) << c << all;
        EXPECT_EQ(has(all, "at most 15 products"), counted) << all;
    }
}

// --- When something breaks

TEST(Breaks, AnErrorOfOursIsToldOnceAndAPersonSeesIt) {
    for (const std::string hello : {"Hi", "Habari"}) {
        Chat chat;
        chat.says(hello);
        chat.says("2 coffee");
        // A cart of another currency than the tenant's cannot be added up any more.
        chat.tenant.currency = Currency::usd;
        EXPECT_THAT(chat.says("1"),
                    ElementsAre(HasSubstr(hello == "Hi" ? "something went wrong" : "hitilafu")));
        EXPECT_THAT(chat.problem, HasSubstr("internal error: "));
        EXPECT_EQ(chat.state(), "ESCALATED");
        EXPECT_THAT(chat.says("hello?"), IsEmpty());
        EXPECT_EQ(chat.outcome, "with_person");
    }
}

TEST(Breaks, WhatTryingAgainMendsGoesUp) {
    Chat chat;
    chat.says("Hi");
    Inbound in;
    in.id = "x";
    in.customer_id = CustomerId("c1");
    in.channel_id = ChannelId("ch1");
    in.text = "hi";
    in.sent_at = in.received_at = chat.now + std::chrono::seconds{10};
    auto stages = default_stages();
    stages.push_back({"away", [](Turn&) -> bool { throw Unavailable("store"); }});
    const auto flow = read_packs(PACKS_DIR).flows.at("ECOMMERCE");
    Turn turn{.in = in, .context = {}};
    turn.context.tenant = &chat.tenant;
    turn.context.shop.products = &chat.products;
    turn.context.shop.promotions = &chat.promotions;
    turn.context.make_id = [](const std::string& kind, int n) { return kind + std::to_string(n); };
    turn.flow_of = [&](const std::string&, std::int64_t) { return &flow; };
    turn.customer = chat.customer;
    turn.conversation = chat.now_in();
    EXPECT_THROW(run_pipeline(turn, stages), Unavailable);
}

// --- Follow-ups

TEST(FollowUps, EveryKindHasWordsInBothLanguages) {
    for (const std::string kind : {"order_follow_up", "restock", "overdue_invoice", "payment_due",
                                   "abandoned_cart", "gentle", "reminder"})
        for (const std::string hello : {"Hi", "Habari"}) {
            Chat chat;
            chat.says(hello);
            const auto words = chat.hears(
                FollowUpDue{.task_id = TaskId("t"), .kind = kind, .since = chat.now, .text = ""});
            ASSERT_EQ(words.size(), 1u) << kind;
            EXPECT_TRUE(has(words[0], hello == "Hi" ? "Hello Amina" : "Habari Amina")) << words[0];
            EXPECT_FALSE(has(words[0], "  ")) << words[0];
            EXPECT_EQ(chat.unsaid, "");
        }
}

TEST(FollowUps, WithoutWordsForItsKindItIsSaidThatNothingWasSaid) {
    Chat chat;
    chat.says("Hi");
    EXPECT_THAT(chat.hears(FollowUpDue{
                    .task_id = TaskId("t"), .kind = "birthday", .since = chat.now, .text = ""}),
                IsEmpty());
    EXPECT_EQ(chat.unsaid, "follow_up_birthday");
    chat.hears(
        FollowUpDue{.task_id = TaskId("t"), .kind = "custom", .since = chat.now, .text = ""});
    EXPECT_EQ(chat.unsaid, "follow_up_custom");
    chat.hears(FollowUpDue{.task_id = TaskId("t"),
                           .kind = "custom",
                           .since = chat.now,
                           .text = "",
                           .template_key = "no_such_template"});
    EXPECT_EQ(chat.unsaid, "follow_up_custom");
}

}  // namespace
}  // namespace flowstack::conversation
