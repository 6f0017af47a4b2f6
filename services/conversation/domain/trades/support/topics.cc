#include "services/conversation/domain/trades/support/topics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>

#include "common/text/utf8.h"
#include "services/conversation/domain/flow/text.h"

namespace flowstack::conversation {

std::vector<Problem> check(const TopicSaved& topic) {
    std::vector<Problem> problems;
    const auto wants = [&](const std::string& field, const std::string& value, std::size_t most) {
        if (is_blank(value) || text::code_points(value) > most)
            problems.push_back({field, "must have 1 to " + std::to_string(most) + " characters"});
    };
    if (topic.text.empty()) problems.push_back({"text", "must have at least one language"});
    for (const auto& [language, text] : topic.text) {
        if (language.size() != 2)
            problems.push_back({"text", "languages have two letters: en, sw"});
        wants("text[" + language + "].title", text.title, kTopicTitleMax);
        wants("text[" + language + "].answer", text.answer, kTopicAnswerMax);
    }
    if (topic.questions.size() > kTopicQuestionsMax)
        problems.push_back({"questions", "must be at most " + std::to_string(kTopicQuestionsMax)});
    for (std::size_t i = 0; i < topic.questions.size(); ++i)
        wants("questions[" + std::to_string(i) + "]", topic.questions[i], kTopicQuestionMax);
    if (topic.place < 0 || topic.place > kTopicPlaceMax)
        problems.push_back({"place", "must be from 0 to " + std::to_string(kTopicPlaceMax)});
    return problems;
}

const TopicText& text_in(const Topic& topic, const std::string& language) {
    const auto own = topic.text.find(language);
    return own != topic.text.end() ? own->second : topic.text.begin()->second;
}

std::vector<const Topic*> shown_topics(const std::vector<Topic>& topics,
                                       const std::string& language) {
    std::vector<std::pair<std::string, const Topic*>> titled;
    for (const auto& topic : topics)
        if (topic.active && !topic.text.empty())
            titled.emplace_back(plain(text_in(topic, language).title), &topic);
    std::stable_sort(titled.begin(), titled.end(), [](const auto& a, const auto& b) {
        return std::tie(a.second->place, a.first) < std::tie(b.second->place, b.first);
    });
    std::vector<const Topic*> shown;
    for (const auto& [title, topic] : titled) shown.push_back(topic);
    return shown;
}

namespace {

// Words that say nothing about what a question is about.
constexpr std::array kEmptyWords{
    "a",      "an",        "and",    "are",   "at",   "can",  "do",   "does", "for",
    "have",   "how",       "i",      "in",    "is",   "it",   "me",   "my",   "of",
    "on",     "or",        "please", "the",   "to",   "we",   "what", "when", "where",
    "which",  "who",       "will",   "with",  "you",  "your", "je",   "kwa",  "la",
    "na",     "ni",        "nini",   "ya",    "wa",   "za",   "wapi", "lini", "vipi",
    "naomba", "tafadhali", "mimi",   "yangu", "yako", "yenu", "mna",  "nina"};

// Where a word of the customer is found, and what that is worth.
constexpr double kInTitle = 1.0, kInQuestion = 0.9, kInAnswer = 0.5;
constexpr double kLike = 0.8;  // a word that is only like it
// A word of no topic tells half as much as one of a single topic: it may be what is asked about, or
// only how it is asked.
constexpr double kOfNoTopic = 0.5;
// The share of what the words tell that must be found.
constexpr double kAnswerFrom = 0.5, kSuggestFrom = 0.3;
// The second one is left behind by so much, else both are offered.
constexpr double kClearlyBetter = 1.25;

std::set<std::string> telling_words(std::string_view text) {
    std::set<std::string> telling;
    for (auto& word : words_of(text))
        if (std::ranges::find(kEmptyWords, std::string_view(word)) == kEmptyWords.end())
            telling.insert(std::move(word));
    return telling;
}

// "deliver" and "delivery", "refund" and "refnd".
bool are_like(const std::string& a, const std::string& b) {
    const auto& [shorter, longer] =
        std::minmax(a, b, [](const auto& x, const auto& y) { return x.size() < y.size(); });
    if (shorter.size() < 4) return false;
    if (longer.starts_with(shorter)) return true;
    return shorter.size() >= 5 && longer.size() - shorter.size() <= 1 &&
           edit_distance(shorter, longer) == 1;
}

double found_in(const std::string& word, const std::set<std::string>& words) {
    if (words.contains(word)) return 1;
    return std::ranges::any_of(words, [&](const auto& other) { return are_like(word, other); })
               ? kLike
               : 0;
}

struct TopicWords {
    const Topic* topic = nullptr;
    std::set<std::string> title, questions, answer;

    explicit TopicWords(const Topic& t) : topic(&t) {
        for (const auto& [language, text] : t.text) {
            title.merge(telling_words(text.title));
            answer.merge(telling_words(text.answer));
        }
        for (const auto& question : t.questions) questions.merge(telling_words(question));
    }
    double worth_of(const std::string& word) const {
        return std::max({kInTitle * found_in(word, title), kInQuestion * found_in(word, questions),
                         kInAnswer * found_in(word, answer)});
    }
};

const Topic* named(const std::string& words, const std::vector<const Topic*>& topics) {
    for (const auto* topic : topics) {
        for (const auto& [language, text] : topic->text)
            if (plain(text.title) == words) return topic;
        for (const auto& question : topic->questions)
            if (plain(question) == words) return topic;
    }
    return nullptr;
}

}  // namespace

TopicMatch match_topic(std::string_view words, const std::vector<Topic>& topics,
                       const std::string& language) {
    const auto shown = shown_topics(topics, language);
    if (const auto* whole = named(plain(words), shown)) return {.topic = whole, .may_be = {}};
    if (const auto number = parse_count(words, 1, static_cast<std::int64_t>(shown.size())))
        return {.topic = shown[static_cast<std::size_t>(*number) - 1], .may_be = {}};

    const auto telling = telling_words(words);
    if (telling.empty()) return {};
    const std::vector<TopicWords> all = [&] {
        std::vector<TopicWords> made;
        for (const auto* topic : shown) made.emplace_back(*topic);
        return made;
    }();
    std::vector<double> scores(all.size(), 0);
    double most = 0;
    for (const auto& word : telling) {
        std::vector<double> worth;
        double topics_with_it = 0;
        for (const auto& topic : all) {
            worth.push_back(topic.worth_of(word));
            topics_with_it += worth.back() > 0;
        }
        auto tells = std::log(1 + static_cast<double>(all.size()) / std::max(topics_with_it, 1.0));
        if (topics_with_it == 0) tells *= kOfNoTopic;
        most += tells;
        for (std::size_t i = 0; i < all.size(); ++i) scores[i] += tells * worth[i];
    }
    std::vector<std::pair<double, const Topic*>> likely;
    for (std::size_t i = 0; i < all.size(); ++i)
        if (scores[i] >= kSuggestFrom * most) likely.emplace_back(scores[i], all[i].topic);
    std::stable_sort(likely.begin(), likely.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    if (likely.empty()) return {};
    const bool clear = likely.size() == 1 || likely[0].first >= kClearlyBetter * likely[1].first;
    if (clear && likely[0].first >= kAnswerFrom * most)
        return {.topic = likely[0].second, .may_be = {}};
    TopicMatch match;
    for (const auto& [score, topic] : likely)
        if (match.may_be.size() < kTopicsSuggestedMax) match.may_be.push_back(topic);
    return match;
}

}  // namespace flowstack::conversation
