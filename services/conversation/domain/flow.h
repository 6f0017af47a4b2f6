#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/conversation/domain/problem.h"
#include "services/conversation/domain/templates.h"
#include "services/conversation/domain/verbs.h"

// A flow: how a dialogue goes, as data. docs/flows.md is its manual, adapters/flow_json.h reads it,
// engine.h runs it. Packs and tenants' own flows are the same thing.
namespace flowstack::conversation {

struct Action {
    Verb verb = Verb::send;
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
    product,   // the words name one product of the catalog
    order,     // the words are an order: "Coffee x 2"
};
struct Rule {
    std::string id;
    MatchType match = MatchType::any;
    std::vector<std::string> values;
    // Only while the conversation's label (variable "state") is one of these; empty: always.
    std::vector<std::string> states;
    Actions actions;
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

// Points where the world speaks, not the customer. The engine moves the lifecycle by itself, the
// actions say what is told. order_placed (by the shop's own site), payment_paid, payment_failed,
// payment_expired, payment_started, invoice_issued, stock_refused, paying (the customer writes
// while a payment runs), language_changed, throttled, follow_up_gentle, follow_up_reminder,
// follow_up_<kind>.
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

// What a flow relies on that is not in its document.
struct FlowWorld {
    std::function<bool(const std::string& key)> known_template;  // the tenant's own
    std::function<bool(const std::string& pattern)> good_regex;
};
// Everything that would make a dialogue stick: unknown nodes and templates, dead ends, nodes that
// nothing leads to, loops without input, languages without words; and variables of the engine that
// the flow would write (verbs.h). Empty: it can be published.
std::vector<Problem> check(const Flow& flow, const FlowWorld& world);

// The base (texts and answers that every flow has) under a document's own.
Flow with_base(Flow flow, const Flow& base);

std::optional<MatchType> parse_match_type(std::string_view text);
std::string_view text_of(MatchType type);

}  // namespace flowstack::conversation
