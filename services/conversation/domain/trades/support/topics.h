#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/id.h"
#include "services/conversation/domain/problem.h"

// What a business answers by itself: topics, each a question that customers have and its answer.
// They live on the tenant's lane, one stream for each.
namespace flowstack::conversation {

using TopicId = Id<struct TopicKind>;

struct TopicText {
    std::string title;   // a row of a list
    std::string answer;  // what is sent
    bool operator==(const TopicText&) const = default;
};
struct TopicSaved {
    TopicId topic_id;
    std::map<std::string, TopicText> text;  // by language
    // Other ways to ask it, in any language: whole questions or single words.
    std::vector<std::string> questions;
    std::int64_t place = 0;  // in the list; those of the same place stand by title
    bool active = true;
    bool operator==(const TopicSaved&) const = default;
};
using Topic = TopicSaved;

inline constexpr std::size_t kTopicTitleMax = 24;  // what a row of a list holds
inline constexpr std::size_t kTopicAnswerMax = 1000;
inline constexpr std::size_t kTopicQuestionsMax = 20;
inline constexpr std::size_t kTopicQuestionMax = 200;
inline constexpr std::int64_t kTopicPlaceMax = 10'000;
// What the search for an answer reads for each message.
inline constexpr std::size_t kTopicsMax = 200;

// Fields as in the API's Topic: text[en].title, questions[0] …
std::vector<Problem> check(const TopicSaved& topic);

// In the language, else in the first one that there is.
const TopicText& text_in(const Topic& topic, const std::string& language);

// The active ones, in the order in which customers see them.
std::vector<const Topic*> shown_topics(const std::vector<Topic>& topics,
                                       const std::string& language);

// What a customer's words are about.
struct TopicMatch {
    const Topic* topic = nullptr;      // exactly one
    std::vector<const Topic*> may_be;  // several that are about as likely, the best first
};
inline constexpr std::size_t kTopicsSuggestedMax = 3;

// By the title or a question as a whole, by the number in the list, else by likeness: how many of
// the words that tell something appear in a topic, where a word of few topics tells more than one
// of many. A word counts in a title and a question more than in an answer, and small typing
// mistakes are forgiven. Nothing outside of the tenant's own words is asked.
TopicMatch match_topic(std::string_view words, const std::vector<Topic>& topics,
                       const std::string& language);

}  // namespace flowstack::conversation
