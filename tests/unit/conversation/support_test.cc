#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/conversation/domain/trades/support/topics.h"
#include "tests/unit/conversation/chat.h"

// The SUPPORT pack: topics, questions in the customer's own words, a person, a rating.
namespace flowstack::conversation {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Topic topic_of(std::string id, std::string title, std::string answer,
               std::vector<std::string> questions = {}, std::int64_t place = 0) {
    return {.topic_id = TopicId(std::move(id)),
            .text = {{"en", {.title = std::move(title), .answer = std::move(answer)}}},
            .questions = std::move(questions),
            .place = place,
            .active = true};
}

std::vector<Topic> clinic_topics() {
    auto hours = topic_of("hours", "Opening hours", "We are open from 8 to 18, Monday to Saturday.",
                          {"When are you open?", "mnafungua saa ngapi"}, 1);
    hours.text["sw"] = {.title = "Saa za kazi",
                        .answer = "Tuko wazi saa mbili hadi saa kumi na mbili."};
    return {
        hours,
        topic_of("delivery", "Delivery", "We deliver in Nairobi for KES 200.",
                 {"Do you deliver?", "how long does shipping take"}, 2),
        topic_of("refunds", "Refunds", "Send us the receipt within 14 days.",
                 {"I want my money back"}, 3),
        topic_of("branches", "Branches", "We are in Westlands and in Kilimani, open on Sunday too.",
                 {"Where are you?"}, 4)};
}

class SupportChat : public Chat {
public:
    SupportChat() {
        tenant.pack = flow_key = "SUPPORT";
        topics = clinic_topics();
    }
    std::string node() const { return now_in().node; }
    std::vector<std::string> rows() const {
        std::vector<std::string> titles;
        for (const auto& row : last<ReplyRequested>().content.rows) titles.push_back(row.title);
        return titles;
    }
};

std::string found(const std::string& words, const std::vector<Topic>& topics = clinic_topics()) {
    const auto match = match_topic(words, topics, "en");
    if (match.topic) return match.topic->topic_id.text();
    std::string ids;
    for (const auto* topic : match.may_be) ids += "?" + topic->topic_id.text();
    return ids;
}

TEST(Topics, AreFoundByTitleQuestionAndNumber) {
    EXPECT_EQ(found("Opening hours"), "hours");
    EXPECT_EQ(found(" opening  HOURS? "), "hours");
    EXPECT_EQ(found("Saa za kazi"), "hours");
    EXPECT_EQ(found("mnafungua saa ngapi"), "hours");
    EXPECT_EQ(found("i want my money back!"), "refunds");
    EXPECT_EQ(found("2"), "delivery");
    EXPECT_EQ(found("5"), "");
}

TEST(Topics, AreFoundByLikeness) {
    EXPECT_EQ(found("can you deliver to my house please"), "delivery");
    EXPECT_EQ(found("how can i get a refund"), "refunds");
    EXPECT_EQ(found("what are your openning hours tomorrow"), "hours");
    EXPECT_EQ(found("shipping"), "delivery");
}

TEST(Topics, WordsThatSayNothingFindNothing) {
    EXPECT_EQ(found("what is the"), "");
    EXPECT_EQ(found(""), "");
    EXPECT_EQ(found("   …  "), "");
    EXPECT_EQ(found("purple elephants on bicycles"), "");
    EXPECT_EQ(found("anything", {}), "");
}

TEST(Topics, SeveralThatAreAboutAsLikelyAreOffered) {
    const std::vector<Topic> topics{
        topic_of("local", "Local delivery", "By bicycle.", {"delivery in town"}),
        topic_of("abroad", "Delivery abroad", "By post.", {"delivery to other countries"})};
    EXPECT_EQ(found("delivery", topics), "?abroad?local");
    EXPECT_EQ(found("delivery abroad how much", topics), "abroad");
}

TEST(Topics, OnesThatAreNotActiveAreNeitherShownNorFound) {
    auto topics = clinic_topics();
    topics[1].active = false;
    EXPECT_EQ(found("delivery", topics), "");
    EXPECT_EQ(found("2", topics), "refunds");
    EXPECT_THAT(shown_topics(topics, "en"), SizeIs(3));
}

TEST(Topics, StandByPlaceThenByTitle) {
    const std::vector<Topic> topics{topic_of("b", "Banana", "x"),
                                    topic_of("z", "Zebra", "x", {}, 0),
                                    topic_of("a", "Apple", "x", {}, 1)};
    std::vector<std::string> ids;
    for (const auto* topic : shown_topics(topics, "en")) ids.push_back(topic->topic_id.text());
    EXPECT_THAT(ids, ElementsAre("b", "z", "a"));
}

TEST(Topics, AreCheckedWhenTheyAreSaved) {
    EXPECT_THAT(check(clinic_topics().front()), IsEmpty());
    auto bad = topic_of("x", std::string(25, 'x'), std::string(1001, 'x'));
    bad.text["english"] = {.title = "", .answer = "x"};
    bad.questions.assign(21, "why?");
    bad.questions[3] = " ";
    bad.place = -1;
    std::vector<std::string> fields;
    for (const auto& problem : check(bad)) fields.push_back(problem.field);
    EXPECT_THAT(fields, ElementsAre("text[en].title", "text[en].answer", "text",
                                    "text[english].title", "questions", "questions[3]", "place"));
    bad.text.clear();
    EXPECT_EQ(check(bad).front().field, "text");
    // As many characters as a row holds, whatever their bytes.
    EXPECT_THAT(check(topic_of("x", "Mañana mañana mañana mañ", "x")), IsEmpty());
}

TEST(SupportPack, GreetsWithItsTopics) {
    SupportChat chat;
    EXPECT_THAT(chat.says("Hi"), ElementsAre(HasSubstr("Choose a topic")));
    EXPECT_THAT(chat.rows(), ElementsAre("Opening hours", "Delivery", "Refunds", "Branches"));
    EXPECT_EQ(chat.state(), "AWAITING_CUSTOMER");
}

TEST(SupportPack, AnswersAQuestionThatIsTheFirstMessage) {
    SupportChat chat;
    EXPECT_THAT(chat.says("do you deliver to Karen?"),
                ElementsAre(HasSubstr("We deliver in Nairobi")));
    EXPECT_THAT(chat.titles(), ElementsAre("That helped", "Talk to a person", "Other topics"));
}

TEST(SupportPack, AnswersByTapNumberAndWords) {
    SupportChat chat;
    chat.says("Hello");
    EXPECT_THAT(chat.taps("Refunds"), ElementsAre(HasSubstr("within 14 days")));
    EXPECT_THAT(chat.taps("Other topics"), ElementsAre(HasSubstr("Choose a topic")));
    EXPECT_THAT(chat.says("1"), ElementsAre(HasSubstr("We are open from 8")));
    EXPECT_THAT(chat.says("where are your branches"), ElementsAre(HasSubstr("Westlands")));
}

TEST(SupportPack, SpeaksSwahili) {
    SupportChat chat;
    EXPECT_THAT(chat.says("Habari"), ElementsAre(HasSubstr("Chagua mada")));
    EXPECT_THAT(chat.rows(), ElementsAre("Saa za kazi", "Delivery", "Refunds", "Branches"));
    EXPECT_THAT(chat.taps("Saa za kazi"), ElementsAre(HasSubstr("Tuko wazi")));
    EXPECT_THAT(chat.says("asante"), ElementsAre("Tumekusaidia vipi?"));
    chat.says("nzuri");
    EXPECT_EQ(chat.now_in().support.rating, Rating::good);
}

TEST(SupportPack, OffersWhatMayBeMeant) {
    SupportChat chat;
    chat.topics = {
        topic_of("local", "Local delivery", "By bicycle.", {"delivery in town"}),
        topic_of("abroad", "Delivery abroad", "By post.", {"delivery to other countries"})};
    chat.says("Hi");
    EXPECT_THAT(chat.says("delivery"), ElementsAre(HasSubstr("one of these")));
    EXPECT_THAT(chat.rows(), ElementsAre("Delivery abroad", "Local delivery"));
    EXPECT_THAT(chat.taps("Local delivery"), ElementsAre(HasSubstr("By bicycle.")));
}

TEST(SupportPack, AQuestionThatIsNotUnderstoodTwiceGoesToAPerson) {
    SupportChat chat;
    chat.says("Hi");
    EXPECT_THAT(chat.says("purple elephants"), ElementsAre(HasSubstr("“purple elephants”")));
    EXPECT_THAT(chat.says("elephants, purple ones"),
                ElementsAre(HasSubstr("passed your question")));
    EXPECT_EQ(chat.state(), "ESCALATED");
    EXPECT_THAT(chat.says("hello?"), IsEmpty());
}

TEST(SupportPack, AsksForARatingWhenThePersonHandsBack) {
    SupportChat chat;
    chat.says("Hi");
    chat.says("talk to a person");
    ASSERT_EQ(chat.state(), "ESCALATED");
    chat.person(HandBack{"solved"});
    EXPECT_EQ(chat.last<HandedBack>().conversation_id, chat.now_in().id);
    EXPECT_THAT(chat.hears(ReturnedToFlow{}), ElementsAre("How did we help you?"));
    EXPECT_THAT(chat.taps("Bad"), ElementsAre(HasSubstr("sorry to hear")));
    EXPECT_EQ(chat.now_in().support.rating, Rating::bad);
    EXPECT_TRUE(chat.now_in().is_open());
    chat.taps("Talk to a person");
    EXPECT_EQ(chat.state(), "ESCALATED");
}

TEST(SupportPack, AGoodRatingEndsTheConversationAndTheNextMessageBeginsAnother) {
    SupportChat chat;
    chat.says("delivery");
    chat.taps("That helped");
    EXPECT_THAT(chat.taps("Good"), ElementsAre(HasSubstr("Thank you!")));
    EXPECT_EQ(chat.state(), "CLOSED");
    EXPECT_EQ(chat.now_in().support.rating, Rating::good);
    EXPECT_THAT(chat.says("Hi"), ElementsAre(HasSubstr("Choose a topic")));
    EXPECT_FALSE(chat.now_in().support.rating);
}

TEST(SupportPack, WithoutTopicsTheQuestionGoesToAPerson) {
    SupportChat chat;
    chat.topics.clear();
    EXPECT_THAT(chat.says("Hi"), ElementsAre(HasSubstr("write your question")));
    chat.says("my order is broken");
    EXPECT_EQ(chat.state(), "ESCALATED");
}

TEST(SupportPack, ShowsTenTopicsAPage) {
    SupportChat chat;
    chat.topics.clear();
    for (int i = 1; i <= 23; ++i)
        chat.topics.push_back(topic_of("t" + std::to_string(i), "Topic number " + std::to_string(i),
                                       "Answer " + std::to_string(i) + ".", {}, i));
    chat.says("Hi");
    EXPECT_THAT(chat.rows(), SizeIs(10));
    EXPECT_EQ(chat.rows().back(), "More topics…");
    chat.taps("More topics…");
    EXPECT_EQ(chat.rows().front(), "Topic number 10");
    chat.taps("More topics…");
    EXPECT_THAT(chat.rows(), SizeIs(6));
    EXPECT_THAT(chat.taps("Topic number 21"), ElementsAre(HasSubstr("Answer 21.")));
}

// Whatever is said or tapped: while the flow has the dialogue the customer gets an answer, and
// asking for a person always leads to one.
TEST(SupportPack, IsNeverMuteAndAlwaysLeadsToAPerson) {
    const std::vector<std::string> words{"Hi",
                                         "delivery",
                                         "purple elephants",
                                         "menu",
                                         "2",
                                         "no",
                                         "yes",
                                         "ok",
                                         "good",
                                         "bad",
                                         "asante",
                                         "where",
                                         "99",
                                         "hapana",
                                         "topics",
                                         "deliver refund"};
    unsigned random = 7;
    const auto next = [&](std::size_t below) {
        random = random * 1664525u + 1013904223u;
        return (random >> 8) % below;
    };
    for (int walk = 0; walk < 200; ++walk) {
        SupportChat chat;
        for (int i = 0; i < 12; ++i) {
            const auto& said = words[next(words.size())];
            const auto replies = chat.says(said);
            ASSERT_EQ(chat.problem, "") << said;
            if (chat.state() == "ESCALATED") break;
            ASSERT_THAT(replies, ::testing::Not(IsEmpty())) << said << " at " << chat.node();
        }
        if (chat.state() == "ESCALATED") continue;
        chat.says("talk to a person");
        ASSERT_EQ(chat.state(), "ESCALATED");
    }
}

}  // namespace
}  // namespace flowstack::conversation
