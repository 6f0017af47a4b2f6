#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "services/conversation/domain/flow/speech.h"

// Runs flows. It moves through the nodes, runs the actions of lists, and says what a flow has for
// an occasion; answers.h does what the customer says and does. It knows the trades by trade.h only.
//
// Pure: the same state, input and context give the same facts. One object serves one step.
namespace flowstack::conversation {

// A flow did what no published flow should: it moved without end, or to a node that is not there.
struct FlowProblem : std::runtime_error {
    using std::runtime_error::runtime_error;
};
inline constexpr int kStepActionsMax = 60;
inline constexpr std::size_t kVariableLengthMax = 1000;

// What the customer said or tapped in this step; empty parts where there was none.
struct Spoken {
    std::string text;
    std::string tap_action;
    std::string tap_argument;
};

class Interpreter {
public:
    Interpreter(Record& record, const Customer& customer, const FlowContext& context)
        : record_(record),
          customer_(customer),
          context_(context),
          speech_(record, customer, context, trades_) {}
    Interpreter(const Interpreter&) = delete;

    // Before the first input. The trade outlives the step.
    void add(Trade& trade) { trades_.push_back(&trade); }

    // Inputs of the world that every trade has.
    void on(const FollowUpDue& input);
    void on(const FollowUpSkipped& input);
    void on(const ReturnedToFlow& input);

    // After the input: the customer's turn begins where the node waits for them.
    void finish();

    // What the flow did wrong on a fact of the world; empty: nothing.
    const std::string& problem() const { return problem_; }
    // The occasion for which a follow-up was due and nobody has words; empty: none.
    const std::string& unsaid() const { return unsaid_; }

    // --- For trades, and for the functions of verbs

    const Dialogue& dialogue() const { return record_.dialogue(); }
    const Customer& customer() const { return customer_; }
    const FlowContext& context() const { return context_; }
    Record& record() { return record_; }
    Speech& speech() { return speech_; }
    // Written by answers.h.
    Spoken& spoken() { return spoken_; }

    // Moves the lifecycle; false where the table has no such transition.
    bool advance(Lifecycle to, const std::string& reason);
    // Back to ENGAGED from where the dialogue waits for the customer or sleeps.
    void wake(const std::string& reason);
    // Keeps a value under a name.
    void capture(const std::string& name, const std::string& value);
    void choose_language(const std::string& language);
    void escalate(const std::string& reason);
    void close(const std::string& reason);

    const Node* node(const std::string& name) const;
    void enter(const std::string& name);
    // Enters the node that an option of the action names.
    Go go(const Action& action, const std::string& option);
    // Runs a list until something leaves it.
    Go run(const Actions& actions);

    // Runs what the flow says on an occasion, whole. `extra` becomes variables.
    void run_on(const std::string& occasion, const Values& extra = {});
    // Only its messages and those of the node that it leads to: the dialogue is with a person,
    // closed or about something else, and nothing may move. Whether anything was said.
    bool say_on(const std::string& occasion, const Values& extra,
                const FollowUpDue* task = nullptr);
    // Runs it where the dialogue is engaged; says it where it is not; nothing where it is closed.
    void say_or_run(const std::string& occasion, const Values& extra);

    // From now on this step is about what the customer said or did: a mistake of the flow is theirs
    // to hear of (pipeline.h), and no person is called in silence.
    void customer_speaks() { of_the_world_ = false; }
    // Answers a customer who writes while a trade is busy. Whether one was.
    bool answered_as_busy();
    bool busy() const;
    const std::vector<Trade*>& trades() const { return trades_; }

    // The next number of a task that this step asks for, from 1.
    int next_task() { return ++tasks_; }

private:
    Go act(const Action& action);
    bool say(const Actions& actions, const Values& extra, const FollowUpDue* task);
    bool say_follow_up(const FollowUpDue& input, const std::string& occasion);

    Record& record_;
    const Customer& customer_;
    const FlowContext& context_;
    std::vector<Trade*> trades_;
    Speech speech_;
    Spoken spoken_;
    std::string problem_;
    std::string unsaid_;
    int actions_run_ = 0;
    int tasks_ = 0;
    bool of_the_world_ = true;
};

}  // namespace flowstack::conversation
