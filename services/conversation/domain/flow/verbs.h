#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// What a flow document may say: verbs of actions, kinds of matches, and the variables that it may
// read but not write.
//
// The dialogue has words of its own (dialogue_verbs.cc); every trade adds a table (trade.h). The
// reader of documents (adapters/flow_json.cc), check() (check.h), the interpreter, the table in
// docs/flows.md (held equal by a test) and FlowService.DescribeVerbs are all made of these tables.
// A new verb is one entry in a table and the function that the entry names.
namespace flowstack::conversation {

// What a target or an option means. The names are those of the wire and of the manual.
enum class ValueKind { none, template_key, node, text, seconds, variable, language, provider };

// "template", "node", "text", "seconds", "variable", "language", "provider"; empty for none.
constexpr std::string_view text_of(ValueKind kind) {
    switch (kind) {
        case ValueKind::none:
            return "";
        case ValueKind::template_key:
            return "template";
        case ValueKind::node:
            return "node";
        case ValueKind::text:
            return "text";
        case ValueKind::seconds:
            return "seconds";
        case ValueKind::variable:
            return "variable";
        case ValueKind::language:
            return "language";
        case ValueKind::provider:
            return "provider";
    }
    return "";
}

struct OptionSpec {
    std::string_view name;
    ValueKind kind = ValueKind::none;
    bool required = false;
    std::string_view meaning;
};

struct Action;
class Interpreter;
class Trade;

// What an action did: the list goes on, or the dialogue has left it.
enum class Go { on, left };
// Runs one action. `trade` is the one whose table has the verb; null for the dialogue's own verbs.
using RunVerb = Go (*)(Interpreter& flow, Trade* trade, const Action& action);

struct VerbSpec {
    std::string_view name;
    ValueKind target = ValueKind::none;
    bool target_required = false;
    bool always_leaves = false;  // nothing of its list runs after it, whatever happens
    std::string_view meaning;
    std::array<OptionSpec, 4> options{};  // those with a name
    RunVerb run = nullptr;

    std::span<const OptionSpec> given_options() const;
    const OptionSpec* option(std::string_view wanted) const;
};

// A kind of match that needs a trade's knowledge: "the words name a product".
struct MatchSpec {
    std::string_view name;
    bool (*fits)(const Trade& trade, const std::string& words) = nullptr;
};

// The words of one trade, or of the dialogue itself.
struct Words {
    std::string_view trade;  // "dialogue" for those that every flow has
    std::span<const VerbSpec> verbs;
    std::span<const MatchSpec> matches;
    // Variables that are filled from facts, for texts. A flow that wrote one would show, or be
    // believed, what did not happen: check() refuses it.
    std::span<const std::string_view> own_variables;

    const VerbSpec* verb(std::string_view name) const;
    const MatchSpec* match(std::string_view name) const;
};
const Words& dialogue_words();

// All words of this build (domain/trades.h).
class Vocabulary {
public:
    explicit Vocabulary(std::vector<const Words*> words) : words_(std::move(words)) {}

    const std::vector<const Words*>& words() const { return words_; }
    // In the order of the manual.
    std::vector<const VerbSpec*> verbs() const;
    std::vector<std::string_view> own_variables() const;  // sorted

    // Null if there is none.
    const VerbSpec* verb(std::string_view name) const;
    const MatchSpec* match(std::string_view name) const;
    bool is_own(std::string_view variable) const;

private:
    std::vector<const Words*> words_;
};

}  // namespace flowstack::conversation
