#include "services/conversation/domain/flow/interpreter.h"
#include "services/conversation/domain/flow/text.h"

// The verbs that every flow has.
namespace flowstack::conversation {
namespace {

Go send(Interpreter& flow, Trade*, const Action& action) {
    flow.speech().reply(action.target, {});
    return Go::on;
}

Go go_to(Interpreter& flow, Trade*, const Action& action) {
    flow.enter(action.target);
    return Go::left;
}

Go set(Interpreter& flow, Trade*, const Action& action) {
    auto values = flow.speech().values({});
    values["text"] = flow.spoken().text;
    values["tap"] = flow.spoken().tap_argument;
    flow.capture(action.target, fill(action.option("value"), values));
    return Go::on;
}

Go choose_language(Interpreter& flow, Trade*, const Action& action) {
    flow.choose_language(action.target);
    return Go::on;
}

Go schedule_follow_up(Interpreter& flow, Trade*, const Action& action) {
    const auto after = parse_count(action.option("after_s"), 1, kFollowUpSecondsMax);
    if (!after) return Go::on;
    const auto& dialogue = flow.dialogue();
    auto& speech = flow.speech();
    flow.record().add(
        FollowUpRequested{.task_id = TaskId(flow.context().make_id("task", flow.next_task())),
                          .conversation_id = dialogue.id,
                          .customer_id = dialogue.customer_id,
                          .channel_id = dialogue.channel_id,
                          .kind = action.target,
                          .due_at = flow.context().now + std::chrono::seconds(*after),
                          .language = dialogue.language,
                          .text = speech.phrase(action.option("template"), speech.values({}))});
    return Go::on;
}

Go tag_customer(Interpreter& flow, Trade*, const Action& action) {
    const TagCustomer command{.add = {fill(action.target, flow.speech().values({}))}, .remove = {}};
    if (!check(flow.customer(), command).empty()) return Go::on;
    for (auto& fact : decide(flow.customer(), command)) flow.record().add_customer(std::move(fact));
    return Go::on;
}

Go escalate(Interpreter& flow, Trade*, const Action& action) {
    flow.record().add(Escalated{.reason = action.target});
    flow.advance(Lifecycle::escalated, action.target);
    return Go::left;
}

Go close(Interpreter& flow, Trade*, const Action& action) {
    flow.close(action.target.empty() ? "flow" : action.target);
    return Go::left;
}

using enum ValueKind;

// clang-format off
constexpr VerbSpec kVerbs[]{
    {.name = "send", .target = template_key, .target_required = true,
     .meaning = "asks for one message",
     .run = send},
    {.name = "goto", .target = node, .target_required = true, .always_leaves = true,
     .meaning = "enters a node; nothing after it runs",
     .run = go_to},
    {.name = "set", .target = variable, .target_required = true,
     .meaning = "keeps a text in a variable; `{{text}}` is what was said, `{{tap}}` the tap's argument",
     .options = {{{"value", text, true, "may have `{{variables}}`"}}},
     .run = set},
    {.name = "language", .target = language, .target_required = true,
     .meaning = "goes on in this language",
     .run = choose_language},
    {.name = "schedule_follow_up", .target = text, .target_required = true,
     .meaning = "a message of this kind later, in the words of now",
     .options = {{{"template", template_key, true, "its words"},
                  {"after_s", seconds, true, "from now"}}},
     .run = schedule_follow_up},
    {.name = "tag_customer", .target = text, .target_required = true,
     .meaning = "the customer has this tag from now on (campaigns choose their audience by tags); it may have "
                "`{{variables}}`. One that is longer than 40 characters, or is one too many, is left out",
     .run = tag_customer},
    {.name = "escalate", .target = text, .always_leaves = true,
     .meaning = "a person takes over; the target is the reason",
     .run = escalate},
    {.name = "close", .target = text, .always_leaves = true,
     .meaning = "the conversation ends, unless an order of the shop's own site waits: after a payment "
                "that one is offered next",
     .run = close},
};
// clang-format on

constexpr std::string_view kOwnVariables[]{"business_name", "language"};

}  // namespace

const Words& dialogue_words() {
    static constexpr Words kWords{
        .trade = "dialogue", .verbs = kVerbs, .matches = {}, .own_variables = kOwnVariables};
    return kWords;
}

}  // namespace flowstack::conversation
