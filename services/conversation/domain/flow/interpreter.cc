#include "services/conversation/domain/flow/interpreter.h"

#include <algorithm>

#include "common/text/utf8.h"

namespace flowstack::conversation {

// --- The state

bool Interpreter::advance(Lifecycle to, const std::string& reason) {
    const auto from = dialogue().state;
    if (!may_advance(from, to)) return false;
    record_.add(Advanced{.from = from, .to = to, .reason = reason});
    return true;
}

void Interpreter::wake(const std::string& reason) {
    const auto state = dialogue().state;
    if (state == Lifecycle::new_lead || state == Lifecycle::awaiting_customer ||
        state == Lifecycle::dormant)
        advance(Lifecycle::engaged, reason);
}

void Interpreter::capture(const std::string& name, const std::string& value) {
    if (dialogue().value(name) == value && dialogue().variables.contains(name)) return;
    record_.add(
        VariableCaptured{.name = name, .value = text::shortened(value, kVariableLengthMax)});
}

void Interpreter::choose_language(const std::string& language) {
    if (dialogue().language != language) capture(variable::kLanguage, language);
    if (customer_.language_chosen && customer_.language == language) return;
    CustomerChanged changed;
    changed.customer_id = dialogue().customer_id;
    changed.language = language;
    record_.add_customer(std::move(changed));
}

void Interpreter::escalate(const std::string& reason) {
    if (!may_advance(dialogue().state, Lifecycle::escalated)) return;
    record_.add(Escalated{.reason = reason});
    advance(Lifecycle::escalated, reason);
}

void Interpreter::close(const std::string& reason) {
    for (auto* trade : trades_)
        if (trade->keeps_open()) return;
    advance(Lifecycle::closed, reason);
}

bool Interpreter::busy() const {
    return std::ranges::any_of(trades_, [](const auto* trade) { return !trade->busy().empty(); });
}

bool Interpreter::answered_as_busy() {
    for (const auto* trade : trades_)
        if (const auto occasion = trade->busy(); !occasion.empty()) {
            run_on(std::string(occasion));
            return true;
        }
    return false;
}

void Interpreter::finish() {
    if (dialogue().state == Lifecycle::engaged && !busy() && speech_.spoke()) {
        const auto* here = node(dialogue().node);
        if (here && here->waits()) advance(Lifecycle::awaiting_customer, "node " + dialogue().node);
    }
    if (dialogue().state == Lifecycle::awaiting_customer) record_.expect_answer();
}

// --- Moving

const Node* Interpreter::node(const std::string& name) const {
    const auto found = context_.flow->nodes.find(name);
    return found == context_.flow->nodes.end() ? nullptr : &found->second;
}

void Interpreter::enter(const std::string& name) {
    const auto* entered = node(name);
    if (!entered) throw FlowProblem("there is no node \"" + name + "\"");
    record_.add(NodeEntered{.node = name, .retries = 0});
    run(entered->enter);
}

Go Interpreter::run(const Actions& actions) {
    for (const auto& action : actions) {
        if (++actions_run_ > kStepActionsMax)
            throw FlowProblem("more than 60 actions without an answer of the customer, at node \"" +
                              dialogue().node + "\"");
        if (act(action) == Go::left) return Go::left;
    }
    return Go::on;
}

Go Interpreter::go(const Action& action, const std::string& option) {
    const auto name = action.option(option);
    if (name.empty()) throw FlowProblem(action.verb + " has no \"" + option + "\"");
    enter(name);
    return Go::left;
}

Go Interpreter::act(const Action& action) {
    if (const auto* spec = dialogue_words().verb(action.verb))
        return spec->run(*this, nullptr, action);
    for (auto* trade : trades_)
        if (const auto* spec = trade->words().verb(action.verb))
            return spec->run(*this, trade, action);
    throw FlowProblem("there is no verb \"" + action.verb + "\"");
}

// --- Occasions

void Interpreter::run_on(const std::string& occasion, const Values& extra) {
    const auto found = context_.flow->on.find(occasion);
    if (found == context_.flow->on.end()) return;
    for (const auto& [name, value] : extra) capture(name, value);
    const auto forget = record_.checkpoint();
    try {
        run(found->second);
    } catch (const FlowProblem& problem) {
        // The pipeline apologises to a customer who wrote. A fact of the world (money, stock)
        // counts whatever the flow does with it, and a person takes over.
        if (!of_the_world_) throw;
        forget();
        problem_ = problem.what();
        for (const auto* trade : trades_)
            if (const auto key = trade->said_whatever_happens(occasion); !key.empty())
                speech_.reply(std::string(key), {});
        escalate("flow: " + problem_);
    }
}

bool Interpreter::say_on(const std::string& occasion, const Values& extra,
                         const FollowUpDue* task) {
    const auto found = context_.flow->on.find(occasion);
    if (found == context_.flow->on.end()) return false;
    bool said = say(found->second, extra, task);
    for (const auto& action : found->second)
        if (action.verb == verb::kGoto)
            if (const auto* next = node(action.target))
                said = say(next->enter, extra, task) || said;
    return said;
}

bool Interpreter::say(const Actions& actions, const Values& extra, const FollowUpDue* task) {
    bool said = false;
    for (const auto& action : actions)
        if (action.verb == verb::kSend)
            said = speech_.reply(action.target, extra, nullptr, task) || said;
    return said;
}

void Interpreter::say_or_run(const std::string& occasion, const Values& extra) {
    if (dialogue().state == Lifecycle::engaged) return run_on(occasion, extra);
    if (dialogue().state != Lifecycle::closed) say_on(occasion, extra);
}

// --- Follow-ups

namespace {

bool is_automatic(const std::string& kind) { return kind == "gentle" || kind == "reminder"; }

bool answered_since(const Dialogue& dialogue, Time since) {
    return dialogue.state != Lifecycle::awaiting_customer || dialogue.last_inbound_at > since;
}

constexpr const char* kNoAnswer = "no answer to the last follow-up";

}  // namespace

void Interpreter::on(const FollowUpDue& input) {
    const auto occasion = "follow_up_" + input.kind;
    // The customer answered meanwhile, or a person is talking: silence is the right follow-up.
    if (is_automatic(input.kind) && answered_since(dialogue(), input.since)) return;
    if (!say_follow_up(input, occasion)) unsaid_ = occasion;
    if (input.kind == "reminder") advance(Lifecycle::dormant, kNoAnswer);
}

bool Interpreter::say_follow_up(const FollowUpDue& input, const std::string& occasion) {
    Values about;
    for (const auto* trade : trades_) trade->add_follow_up_values(input, about);
    if (!input.template_key.empty())
        return speech_.reply(input.template_key, about, nullptr, &input);
    if (is_automatic(input.kind) || input.text.empty()) return say_on(occasion, about, &input);
    return speech_.reply_in_words(input.text, input);
}

// The reminder is the last follow-up, whether it could be said or not.
void Interpreter::on(const FollowUpSkipped& input) {
    if (input.kind != "reminder" || answered_since(dialogue(), input.since)) return;
    advance(Lifecycle::dormant, kNoAnswer);
}

void Interpreter::on(const ReturnedToFlow&) { say_or_run("handed_back", {}); }

}  // namespace flowstack::conversation
