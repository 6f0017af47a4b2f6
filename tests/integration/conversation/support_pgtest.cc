#include "flowstack/conversation/v1/support_service.grpc.pb.h"
#include "tests/integration/conversation/shop.h"

// The SUPPORT pack on a real log: topics by gRPC, a dialogue, a person, a rating.
namespace flowstack::conversation {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kDone = common::v1::ERROR_REASON_UNSPECIFIED;
constexpr auto kInvalid = common::v1::ERROR_REASON_FIELD_INVALID;

class Desk : public ShopFixture {
protected:
    Desk() { tenants.facts["duka"].pack = "SUPPORT"; }

    static v1::SaveTopicRequest topic(const std::string& id, const std::string& title,
                                      const std::string& answer,
                                      const std::string& request_id = "") {
        v1::SaveTopicRequest request;
        request.set_parent("tenants/duka");
        request.set_request_id(request_id);
        request.mutable_topic()->set_topic_id(id);
        auto& english = (*request.mutable_topic()->mutable_text())["en"];
        english.set_title(title);
        english.set_answer(answer);
        return request;
    }
    auto save(const v1::SaveTopicRequest& request, v1::Topic& saved) {
        return call<v1::SupportService>(&v1::SupportService::Stub::SaveTopic, request, saved);
    }
    void save(const std::string& id, const std::string& title, const std::string& answer) {
        v1::Topic saved;
        ASSERT_EQ(save(topic(id, title, answer), saved), kDone);
    }
    v1::FindTopicResponse find(const std::string& words) {
        v1::FindTopicRequest request;
        request.set_parent("tenants/duka");
        request.set_words(words);
        v1::FindTopicResponse found;
        EXPECT_EQ(call<v1::SupportService>(&v1::SupportService::Stub::FindTopic, request, found),
                  kDone);
        return found;
    }
    std::vector<std::string> listed(int page_size = 0) {
        std::vector<std::string> found;
        v1::ListTopicsRequest request;
        request.set_parent("tenants/duka");
        request.set_page_size(page_size);
        do {
            v1::ListTopicsResponse page;
            EXPECT_EQ(
                call<v1::SupportService>(&v1::SupportService::Stub::ListTopics, request, page),
                kDone);
            for (const auto& topic : page.topics()) found.push_back(topic.topic_id());
            request.set_page_token(page.next_page_token());
        } while (!request.page_token().empty());
        return found;
    }
    v1::Conversation desk() {
        v1::GetConversationRequest request;
        request.set_name("tenants/duka/conversations/" +
                         all<v1::ConversationOpened>().back().conversation_id());
        v1::Conversation answer;
        EXPECT_EQ(call<v1::ConversationService>(&v1::ConversationService::Stub::GetConversation,
                                                request, answer),
                  kDone);
        return answer;
    }
    std::string last_reply() {
        return content_of(replies("amina").back().personal().content()).body;
    }
};

TEST_F(Desk, TopicsAreSavedReadListedAndFound) {
    v1::Topic saved, again;
    ASSERT_EQ(save(topic("", "Delivery", "On weekdays.", "r1"), saved), kDone);
    ASSERT_EQ(save(topic("", "Delivery", "On weekdays.", "r1"), again), kDone);
    EXPECT_EQ(again.topic_id(), saved.topic_id());
    EXPECT_EQ(save(topic("", "Delivery", "Never.", "r1"), again),
              common::v1::ERROR_REASON_IDEMPOTENCY_KEY_REUSED);
    save("hours", "Opening hours", "From 8 to 18.");
    save("refunds", "Refunds", "Within 14 days.");
    EXPECT_EQ(listed(1).size(), 3u);
    EXPECT_EQ(find("are you open? opening hours").topic().topic_id(), "hours");
    EXPECT_FALSE(find("purple elephants").has_topic());

    // Replaced, whole.
    auto other = topic("hours", "Hours", "From 9 to 17.");
    other.mutable_topic()->set_active(false);
    ASSERT_EQ(save(other, again), kDone);
    EXPECT_EQ(again.etag(), "2");
    EXPECT_FALSE(find("opening hours").has_topic());
    v1::GetTopicRequest get;
    get.set_name("tenants/duka/topics/hours");
    ASSERT_EQ(call<v1::SupportService>(&v1::SupportService::Stub::GetTopic, get, again), kDone);
    EXPECT_EQ(again.text().at("en").answer(), "From 9 to 17.");
    EXPECT_FALSE(again.active());
    get.set_name("tenants/duka/topics/nothing");
    EXPECT_EQ(call<v1::SupportService>(&v1::SupportService::Stub::GetTopic, get, again),
              common::v1::ERROR_REASON_NOT_FOUND);
}

TEST_F(Desk, BadTopicsAreRefusedWithTheirFields) {
    v1::Topic saved;
    EXPECT_EQ(save(topic("x", std::string(25, 'x'), "x"), saved), kInvalid);
    EXPECT_EQ(failure->fields.at(0).field, "topic.text[en].title");
    EXPECT_EQ(save(topic("no id!", "x", "x"), saved), kInvalid);
    EXPECT_EQ(failure->fields.at(0).field, "topic.topic_id");
    v1::FindTopicRequest request;
    request.set_parent("tenants/duka");
    v1::FindTopicResponse found;
    for (const auto& words : {std::string(), std::string(1001, 'x')}) {
        request.set_words(words);
        EXPECT_EQ(call<v1::SupportService>(&v1::SupportService::Stub::FindTopic, request, found),
                  kInvalid);
        EXPECT_EQ(failure->fields.at(0).field, "words");
    }
    EXPECT_THAT(listed(), IsEmpty());
}

TEST_F(Desk, ATenantHasAtMost200Topics) {
    for (std::size_t i = 0; i < kTopicsMax; ++i)
        save("t" + std::to_string(i), "Topic " + std::to_string(i), "x");
    v1::Topic saved;
    EXPECT_EQ(save(topic("one-more", "x", "x"), saved), kInvalid);
    EXPECT_THAT(failure->fields.at(0).description, HasSubstr("at most 200"));
    EXPECT_EQ(save(topic("t7", "Topic 7", "changed"), saved), kDone);
}

TEST_F(Desk, APersonHandsBackAndTheCustomerRates) {
    save("delivery", "Delivery", "On weekdays.");
    writes("amina", "Hi");
    taps("amina", "Delivery");
    EXPECT_THAT(last_reply(), HasSubstr("On weekdays."));
    taps("amina", "Talk to a person");
    EXPECT_EQ(desk().state(), "ESCALATED");

    v1::HandBackConversationRequest hand_back;
    hand_back.set_name(desk().name());
    hand_back.set_reason("solved");
    hand_back.set_request_id("h1");
    v1::Conversation answer;
    for (int i = 0; i < 2; ++i)
        ASSERT_EQ(call<v1::ConversationService>(
                      &v1::ConversationService::Stub::HandBackConversation, hand_back, answer),
                  kDone);
    consume();
    EXPECT_THAT(last_reply(), HasSubstr("How did we help you?"));
    EXPECT_EQ(all<v1::HandedBack>().size(), 1u);

    EXPECT_EQ(desk().rating(), "");
    taps("amina", "Bad");
    EXPECT_EQ(desk().rating(), "BAD");
    EXPECT_TRUE(desk().state() == "AWAITING_CUSTOMER") << desk().state();
    const auto rated = all<v1::CustomerRated>();
    ASSERT_EQ(rated.size(), 1u);
    EXPECT_EQ(rated[0].rating(), v1::RATING_BAD);
}

TEST_F(Desk, AShopSaysNothingWhenAPersonHandsBack) {
    tenants.facts["duka"].pack = "ECOMMERCE";
    writes("amina", "talk to a person");
    ASSERT_EQ(desk().state(), "ESCALATED");
    const auto before = replies("amina").size();
    v1::HandBackConversationRequest hand_back;
    hand_back.set_name(desk().name());
    v1::Conversation answer;
    ASSERT_EQ(call<v1::ConversationService>(&v1::ConversationService::Stub::HandBackConversation,
                                            hand_back, answer),
              kDone);
    consume();
    EXPECT_EQ(replies("amina").size(), before);
    EXPECT_EQ(desk().state(), "ENGAGED");
}

}  // namespace
}  // namespace flowstack::conversation
