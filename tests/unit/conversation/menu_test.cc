#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/conversation/chat.h"

// A provider that shows neither buttons nor lists sends choices as a numbered menu. Whatever was
// offered is answered by its number, by its title, and (where a provider has them) by a tap.
namespace flowstack::conversation {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct NumberedMenu : ::testing::Test {
    NumberedMenu() { chat.choices_numbered = true; }
    Chat chat;
};

TEST_F(NumberedMenu, IsAnsweredByNumbersThroughAWholePurchase) {
    EXPECT_THAT(chat.says("Hi"), ElementsAre(HasSubstr("Welcome to Mama Duka")));
    EXPECT_THAT(chat.says("1"), ElementsAre(HasSubstr("Choose a product")));
    // The second row of the list, not two of anything.
    EXPECT_THAT(chat.says("2"), ElementsAre(HasSubstr("Bar Soap")));
    EXPECT_THAT(chat.says("3"), ElementsAre(HasSubstr("delivery address")));
    EXPECT_THAT(chat.says("Moi Avenue 12"), ElementsAre(HasSubstr("Bar Soap × 3")));
    EXPECT_THAT(chat.titles(), ElementsAre("M-Pesa", "Card"));
    EXPECT_THAT(chat.says("2"), IsEmpty());  // the shelf is asked first
    chat.stock_is_there();
    EXPECT_EQ(chat.last<CheckoutRequested>().provider, "stripe");
}

TEST_F(NumberedMenu, IsAnsweredByTitles) {
    chat.says("Hi");
    EXPECT_THAT(chat.says("view products"), ElementsAre(HasSubstr("Choose a product")));
    EXPECT_THAT(chat.says("Bar Soap"), ElementsAre(HasSubstr("Bar Soap")));
    chat.says("1");
    chat.says("skip");
    EXPECT_THAT(chat.says("CARD"), IsEmpty());
    chat.stock_is_there();
    EXPECT_EQ(chat.last<CheckoutRequested>().provider, "stripe");
}

TEST_F(NumberedMenu, IsAnsweredByATapAllTheSame) {
    chat.says("Hi");
    EXPECT_THAT(chat.taps("View Products"), ElementsAre(HasSubstr("Choose a product")));
    EXPECT_THAT(chat.taps("Coffee"), ElementsAre(HasSubstr("Coffee")));
}

TEST_F(NumberedMenu, ShowsItsNumbersInTheTenantsOrder) {
    // "2" is what stands second, whatever the flow's words for numbers say.
    chat.tenant.providers = {"stripe", "mpesa"};
    chat.says("2 coffee");
    chat.says("1");  // yes
    EXPECT_THAT(chat.titles(), ElementsAre("Card", "M-Pesa"));
    chat.says("1");
    chat.stock_is_there();
    EXPECT_EQ(chat.last<CheckoutRequested>().provider, "stripe");
}

TEST_F(NumberedMenu, IsOverWhenAQuestionFollows) {
    chat.says("Hi");
    chat.says("1");
    chat.says("1");  // coffee
    // The quantity, not the first product again.
    EXPECT_THAT(chat.says("1"), ElementsAre(HasSubstr("delivery address")));
    EXPECT_THAT(chat.says("skip"), ElementsAre(HasSubstr("Coffee × 1")));
}

TEST_F(NumberedMenu, StaysOpenAfterWhatIsNoAnswer) {
    chat.says("Hi");
    chat.says("1");
    chat.inbound("media", "", "");
    EXPECT_THAT(chat.says("3"), ElementsAre(HasSubstr("Cement")));
}

TEST_F(NumberedMenu, DoesNotKnowNumbersThatItDoesNotShow) {
    chat.says("Hi");
    EXPECT_THAT(chat.says("3"), ElementsAre(HasSubstr("Welcome")));
    EXPECT_THAT(chat.says("0"), ElementsAre(HasSubstr("Welcome")));
    chat.says("1");
    EXPECT_THAT(chat.says("9"), ElementsAre("Sorry, product not found", HasSubstr("Welcome")));
}

TEST_F(NumberedMenu, ReachesAPersonWhileAPaymentRuns) {
    chat.says("1 coffee");
    chat.says("yes");
    chat.says("1");  // M-Pesa
    chat.stock_is_there();
    chat.payment_starts();
    EXPECT_THAT(chat.says("hello?"), ElementsAre(HasSubstr("being processed")));
    EXPECT_THAT(chat.titles(), ElementsAre("Talk to a person"));
    EXPECT_THAT(chat.says("1"), ElementsAre(HasSubstr("one of us will write")));
    EXPECT_EQ(chat.state(), "ESCALATED");
}

TEST_F(NumberedMenu, IsSentWhereTheCustomerWritesNow) {
    chat.choices_numbered = false;
    chat.says("Hi");
    EXPECT_EQ(chat.last<ReplyRequested>().channel_id, "ch1");
    // The same customer goes on over the shop's other connection.
    chat.channel_id = ChannelId("ch2");
    chat.choices_numbered = true;
    EXPECT_THAT(chat.says("1"), ElementsAre(HasSubstr("Choose a product")));
    EXPECT_EQ(chat.last<ReplyRequested>().channel_id, "ch2");
    EXPECT_EQ(chat.conversations.size(), 1u);
}

TEST_F(NumberedMenu, IsNotWhatAChannelWithButtonsShows) {
    chat.choices_numbered = false;
    chat.says("Hi");
    chat.says("1");  // the flow's own word for the products
    EXPECT_THAT(chat.says("2"), ElementsAre("Sorry, product not found", HasSubstr("Welcome")));
}

}  // namespace
}  // namespace flowstack::conversation
