#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/conversation/domain/flow/templates.h"

// A flow: how a dialogue goes, as data. docs/flows.md is its manual, adapters/flow_json.h reads it,
// check.h judges it, interpreter.h runs it. Packs and tenants' own flows are the same thing.
namespace flowstack::conversation {

// Verbs that more than the table of verbs speaks of.
namespace verb {
inline const std::string kSend = "send";
inline const std::string kGoto = "goto";
inline const std::string kSet = "set";
}  // namespace verb

struct Action {
    std::string verb = verb::kSend;  // a name of a table of verbs (verbs.h)
    std::string target;
    std::map<std::string, std::string> with;
    bool operator==(const Action&) const = default;

    std::string option(const std::string& name) const {
        const auto found = with.find(name);
        return found == with.end() ? std::string{} : found->second;
    }
};
using Actions = std::vector<Action>;

enum class MatchType {
    any,       // any words
    equals,    // the words are one of the values
    contains,  // one of the values is in the words
    regex,     // one of the values matches somewhere
    media,     // a picture, document, place …
    button,    // a tap on a button (or row) whose action is one of the values
    list,      // the same
    trade,     // as a trade's own kind of match says (Rule::trade_match)
};
struct Rule {
    std::string id;
    MatchType match = MatchType::any;
    std::vector<std::string> values;
    // Only while the conversation's label (variable "state") is one of these; empty: always.
    std::vector<std::string> states;
    Actions actions;
    std::string trade_match{};  // MatchType::trade: the name of the kind
    bool operator==(const Rule&) const = default;
};

enum class AskType { text, integer, phone };
// A question whose answer is kept in a variable, when it is a good one.
struct Ask {
    std::string variable;
    AskType type = AskType::text;
    std::int64_t min = 1;                 // integer: smallest; text: least characters
    std::int64_t max = 999;               // integer: largest; text: most characters
    int attempts = 2;                     // how often it is asked again
    std::string again;                    // template key
    std::vector<std::string> skip_words;  // the answer is left empty
    Actions then;
    Actions give_up;
    bool operator==(const Ask&) const = default;
};

struct Node {
    Actions enter;
    std::vector<Rule> rules;
    std::optional<Ask> ask;
    Actions otherwise;  // words that no rule knows; the document's fallback when empty
    // The customer's turn: the dialogue stops here until something comes in.
    bool waits() const { return ask || !rules.empty() || !otherwise.empty(); }
    bool operator==(const Node&) const = default;
};

// Words that decide the language: greetings as a whole message, LANG words anywhere.
struct LanguageWords {
    std::vector<std::string> greetings;
    std::vector<std::string> choose;
    bool operator==(const LanguageWords&) const = default;
};

// A flow. `on` says by occasion what is told when the world speaks and not the customer: the
// interpreter has language_changed, throttled and follow_up_<kind>, each trade has its own, and
// "busy" ones for a customer who writes while the trade waits for something. The lifecycle moves by
// itself.
struct Flow {
    std::string key;
    std::vector<std::string> languages;
    std::map<std::string, LanguageWords> language_words;
    std::string start;          // the node where a conversation begins, without its enter actions
    std::vector<Rule> globals;  // tried before a node's own rules
    std::string fallback_template;  // for words that nothing knows
    std::map<std::string, Node> nodes;
    std::map<std::string, Actions> on;
    std::map<std::string, Template> templates;

    bool operator==(const Flow&) const = default;
};

inline constexpr std::size_t kNodesMax = 500;
inline constexpr std::size_t kRulesMax = 100;   // of one node
inline constexpr std::size_t kActionsMax = 20;  // of one list
inline constexpr std::size_t kTemplatesMax = 500;
inline constexpr std::int64_t kFollowUpSecondsMax = 366 * 24 * 3600;

// The base (texts and answers that every flow has) under a document's own.
Flow with_base(Flow flow, const Flow& base);

// Of the dialogue's own kinds; nothing for another word (it may be a trade's).
std::optional<MatchType> parse_match_type(std::string_view text);
std::vector<std::string_view> match_type_names();

}  // namespace flowstack::conversation
