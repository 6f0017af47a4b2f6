#pragma once

#include <optional>
#include <string>
#include <vector>

#include "services/conversation/domain/flow/inputs.h"
#include "services/conversation/domain/flow/interpreter.h"

// What a flow does with what the customer says, taps, sends or changes: the rules that fit, the
// question that is answered, the words that nothing knows.
namespace flowstack::conversation {

class Answers {
public:
    explicit Answers(Interpreter& flow) : flow_(flow) {}

    // Each throws FlowProblem where the flow is wrong.
    void on(const Said& input);
    void on(const Tapped& input);
    void on(const SentMedia& input);
    void on(const Pinned& input);
    void on(const Edited& input);

private:
    const Dialogue& dialogue() const { return flow_.dialogue(); }
    const Flow& document() const { return *flow_.context().flow; }
    // Nobody answers: a person talks, or the dialogue is over.
    bool silent() const;
    void hear(const std::string& words);
    void begin_at_start();

    void say_again();
    void answer_words();
    void answer_tap();
    void run_otherwise(const Node& node);
    // No answer in words. `place`, when given, answers a question about the address.
    void no_words(SpokenKind kind, const std::string& place);
    void call_person();

    const Rule* rule_for(const std::vector<Rule>& rules) const;
    bool try_rules(const std::vector<Rule>& rules);
    bool fits(const Rule& rule) const;
    bool fits_words(const Rule& rule) const;

    void answer(const Ask& ask);
    void take_answer(const Ask& ask, const std::string& value);
    std::optional<std::string> answer_value(const Ask& ask) const;

    Interpreter& flow_;
    std::string media_;       // the kind of what was sent instead of words
    bool edited_ = false;     // what was said is an edit,
    bool no_better_ = false;  // and no better answer than the first one
};

}  // namespace flowstack::conversation
