#include <algorithm>
#include <sstream>

#include "common/core/corrupt_stream.h"
#include "common/text/fold.h"
#include "services/conversation/domain/flow/interpreter.h"
#include "services/conversation/domain/flow/text.h"
#include "services/conversation/domain/trades/support/support.h"

// The words of support: what a flow can do with topics and ratings. A verb is its function and its
// entry in the table below; nothing else names it.
namespace flowstack::conversation {

// --- State

std::string_view text_of(Rating rating) {
    switch (rating) {
        case Rating::good:
            return "GOOD";
        case Rating::ok:
            return "OK";
        case Rating::bad:
            return "BAD";
    }
    return "";
}

std::optional<Rating> parse_rating(std::string_view text) {
    const auto folded = text::fold(text);
    for (const auto rating : {Rating::good, Rating::ok, Rating::bad})
        if (text::fold(text_of(rating)) == folded) return rating;
    return {};
}

void apply(SupportState& support, const Dialogue& dialogue, const Rated& fact) {
    must_be_open(dialogue);
    support.rating = fact.rating;
}

namespace {

// --- Topics

// Filled from topics, for texts.
constexpr const char* kTopicTitle = "topic_title";
constexpr const char* kTopicAnswer = "topic_answer";
constexpr const char* kAskedWords = "asked_question";
// Ids of topics that may be meant, with blanks between them.
constexpr const char* kMayBeMeant = "topics_suggested";

// The action of a row that names a topic by its id, and of the last row of a long list, whose
// argument is where the next page begins.
constexpr std::string_view kTopicAction = "topic";
constexpr std::string_view kMoreTopics = "more_topics";

Choice topic_row(const Topic& topic, const std::string& language) {
    return {.title = text_in(topic, language).title,
            .action = std::string(kTopicAction),
            .argument = topic.topic_id.text()};
}

// Null when it is gone, or not active any more.
const Topic* topic_of(const std::string& id, const std::vector<Topic>& topics) {
    const auto found = std::ranges::find_if(
        topics, [&](const auto& topic) { return topic.active && topic.topic_id == id; });
    return found == topics.end() ? nullptr : &*found;
}

Go show_topics(Interpreter& flow, Support& support, const Action& action) {
    constexpr std::size_t kPage = kRowsMax - 1;  // the last row leads to the next page
    const auto& language = flow.dialogue().language;
    const auto shown = shown_topics(support.topics(), language);
    if (shown.empty()) return flow.go(action, "empty");
    const auto& spoken = flow.spoken();
    const auto asked =
        spoken.tap_action == kMoreTopics
            ? parse_count(spoken.tap_argument, 0, static_cast<std::int64_t>(kTopicsMax))
            : std::nullopt;
    auto first = static_cast<std::size_t>(asked.value_or(0));
    if (first >= shown.size()) first = 0;
    const bool more = shown.size() > kRowsMax;
    const auto last = more ? std::min(shown.size(), first + kPage) : shown.size();
    std::vector<Choice> rows;
    for (auto i = first; i < last; ++i) rows.push_back(topic_row(*shown[i], language));
    if (more) {
        const auto title = flow.speech().phrase("more_topics");
        rows.push_back({.title = title.empty() ? "…" : title,
                        .action = std::string(kMoreTopics),
                        .argument = std::to_string(last >= shown.size() ? 0 : last)});
    }
    flow.speech().reply(action.target, {}, &rows);
    return Go::on;
}

Go show_suggested_topics(Interpreter& flow, Support& support, const Action& action) {
    const auto& language = flow.dialogue().language;
    std::vector<Choice> rows;
    std::istringstream ids(flow.dialogue().value(kMayBeMeant));
    for (std::string id; ids >> id;)
        if (const auto* topic = topic_of(id, support.topics()))
            rows.push_back(topic_row(*topic, language));
    if (rows.empty()) return flow.go(action, "empty");
    flow.speech().reply(action.target, {}, &rows);
    return Go::on;
}

Go answer_topic(Interpreter& flow, Support& support, const Action& action) {
    const auto& spoken = flow.spoken();
    const auto& language = flow.dialogue().language;
    const auto match =
        spoken.tap_action == kTopicAction
            ? TopicMatch{.topic = topic_of(spoken.tap_argument, support.topics()), .may_be = {}}
            : match_topic(spoken.text, support.topics(), language);
    if (match.topic) {
        const auto& text = text_in(*match.topic, language);
        flow.capture(kTopicTitle, text.title);
        flow.capture(kTopicAnswer, text.answer);
        return flow.go(action, "found");
    }
    flow.capture(kAskedWords, spoken.text);
    if (match.may_be.empty() || !action.with.contains("several")) return flow.go(action, "unknown");
    std::string ids;
    for (const auto* topic : match.may_be) ids += (ids.empty() ? "" : " ") + topic->topic_id.text();
    flow.capture(kMayBeMeant, ids);
    return flow.go(action, "several");
}

bool names_topic(const Trade& trade, const std::string& words) {
    const auto& support = static_cast<const Support&>(trade);
    return match_topic(words, support.topics(), "").topic != nullptr;
}

// --- Ratings

Go rate(Interpreter&, Support& support, const Action& action) {
    const auto rating = parse_rating(action.target);
    if (!rating) throw FlowProblem("rate must be good, ok or bad, not \"" + action.target + "\"");
    support.emit(Rated{.rating = *rating});
    return Go::on;
}

// --- The table

// The interpreter runs a verb with the trade whose table has it: here that is always a Support.
template <Go (*run)(Interpreter&, Support&, const Action&)>
Go in_support(Interpreter& flow, Trade* trade, const Action& action) {
    return run(flow, static_cast<Support&>(*trade), action);
}

using enum ValueKind;

// clang-format off
constexpr VerbSpec kVerbs[]{
    {.name = "show_topics", .target = template_key, .target_required = true,
     .meaning = "a list of the topics that the business answers, ten a page; a row's tap has the action "
                "`topic` and the topic's id, the last row `more_topics`",
     .options = {{{"empty", node, true, "there is none"}}},
     .run = in_support<show_topics>},
    {.name = "answer_topic", .always_leaves = true,
     .meaning = "by the tap's argument, else by the words: title or question, number in the list, then "
                "likeness; `{{topic_title}}` and `{{topic_answer}}` are what was found, `{{asked_question}}` what was not",
     .options = {{{"found", node, true, "exactly one"},
                  {"several", node, false, "a few that are about as likely: `show_suggested_topics`"},
                  {"unknown", node, true, "none"}}},
     .run = in_support<answer_topic>},
    {.name = "show_suggested_topics", .target = template_key, .target_required = true,
     .meaning = "a list of the topics that the last words may have meant",
     .options = {{{"empty", node, true, "there is none any more"}}},
     .run = in_support<show_suggested_topics>},
    {.name = "rate", .target = text, .target_required = true,
     .meaning = "records how the customer was helped: `good`, `ok` or `bad`; the conversation shows the last one",
     .run = in_support<rate>},
};
// clang-format on

constexpr MatchSpec kMatches[]{{.name = "topic", .fits = names_topic}};

constexpr std::string_view kOwnVariables[]{kTopicTitle, kTopicAnswer, kAskedWords, kMayBeMeant};

}  // namespace

const Words& support_words() {
    static constexpr Words kWords{
        .trade = "support", .verbs = kVerbs, .matches = kMatches, .own_variables = kOwnVariables};
    return kWords;
}

}  // namespace flowstack::conversation
