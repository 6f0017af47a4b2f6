#include "services/conversation/domain/pipeline.h"

#include <algorithm>

#include "common/text/utf8.h"
#include "services/conversation/domain/opening.h"

namespace flowstack::conversation {
namespace {

bool is_tap(const Inbound& in) {
    return in.kind == "button" || in.kind == "list" || !in.tap_id.empty();
}
bool is_text(const Inbound& in) { return in.kind == "text"; }
// Nothing anyone expects an answer to.
bool is_mute(const Inbound& in) {
    return in.kind == "reaction" || in.kind == "system" || in.kind == "unsupported";
}

std::string input_kind(const Inbound& in) {
    if (is_tap(in)) return "tap";
    return is_text(in) ? "text" : "media";
}

// What became of it is decided here for what no flow should ever see. The fact itself is written by
// the session stage, when there is a conversation to write it to.
bool log(Turn& turn) {
    if (turn.context.tenant->status != "ACTIVE")
        turn.outcome = "tenant_inactive";
    else if (!turn.in.consent_change.empty())
        turn.outcome = "consent";  // gateway has done what STOP and START ask for
    else if (is_mute(turn.in))
        turn.outcome = "ignored";
    return true;
}

bool rate_limit(Turn& turn) {
    const auto [full_at, within] =
        take_token(turn.conversation.bucket_full_at, turn.in.received_at, turn.limit);
    turn.bucket_full_at = full_at;
    if (!within && turn.outcome == "answered") {
        turn.outcome = "throttled";
        turn.tell_throttled = !turn.conversation.throttled;  // once, not thirty times
    }
    return true;
}

void note_customer(Turn& turn, const std::string& language) {
    const auto& in = turn.in;
    if (auto learnt =
            get_to_know(turn.customer, in.customer_id, language, in.profile_name, in.phone))
        turn.emit(std::move(*learnt));
}

void open_conversation(Turn& turn) {
    turn.previous = turn.conversation;
    auto flow = turn.current_flow;
    // A tap on something old is answered by the version that showed it.
    if (is_tap(turn.in) && turn.previous.exists() && turn.previous.flow_key == flow.key) {
        const auto colon = turn.in.tap_id.rfind(':');
        const auto message = turn.in.tap_id.substr(0, colon);
        const bool ours = colon != std::string::npos &&
                          std::any_of(turn.previous.choices.begin(), turn.previous.choices.end(),
                                      [&](const auto& sent) { return sent.message_id == message; });
        if (ours)
            if (const auto* old = turn.flow_of(flow.key, turn.previous.flow_version))
                flow = {flow.key, turn.previous.flow_version, old};
    }
    const auto language = opening_language(turn.customer, is_text(turn.in) ? turn.in.text : "",
                                           *turn.context.tenant, flow.flow);
    note_customer(turn, language);

    Opened opened;
    opened.conversation_id = turn.new_conversation_id;
    opened.customer_id = turn.in.customer_id;
    opened.channel_id = turn.in.channel_id;
    opened.flow_key = flow.key;
    opened.flow_version = flow.version;
    opened.language = language;
    opened.previous_conversation_id = turn.previous.id;
    turn.conversation = {};
    turn.emit(Event{opened});
    turn.emit(
        CustomerEvent{CustomerConversationStarted{turn.in.customer_id, turn.new_conversation_id}});
}

bool session(Turn& turn) {
    const auto& in = turn.in;
    if (!turn.conversation.exists() || turn.conversation.state == Lifecycle::closed)
        open_conversation(turn);
    else
        note_customer(turn, turn.conversation.language);

    auto& flow = turn.context.flow;
    flow = turn.flow_of(turn.conversation.flow_key, turn.conversation.flow_version);
    if (turn.outcome == "answered" && turn.conversation.state == Lifecycle::escalated)
        turn.outcome = "with_person";
    if (turn.outcome == "answered" && !flow) turn.outcome = "no_flow";

    Spoke spoke;
    spoke.inbound_id = in.id;
    spoke.kind = input_kind(in);
    spoke.tap_id = in.tap_id;
    spoke.outcome = turn.outcome;
    spoke.sent_at = in.sent_at;
    spoke.bucket_full_at = turn.bucket_full_at;
    spoke.text = text::shortened(in.text, kVariableLengthMax);
    turn.emit(Event{spoke});

    if (turn.outcome == "throttled" && turn.tell_throttled && flow &&
        turn.conversation.state != Lifecycle::escalated)
        for (auto& event : tell(turn.conversation, "rate_limited", turn.context).events)
            turn.emit(std::move(event));
    return turn.outcome == "answered";
}

bool run_flow(Turn& turn) {
    Input input = Said{turn.in.text};
    if (is_tap(turn.in))
        input = Tapped{turn.in.tap_id, turn.in.text, turn.previous.choices,
                       turn.previous.waiting_orders};
    else if (!is_text(turn.in))
        input = SentMedia{turn.in.kind};
    auto result = step(turn.conversation, turn.customer, input, turn.context);
    for (auto& event : result.events) turn.emit(std::move(event));
    for (auto& event : result.customer_events) turn.emit(std::move(event));
    return true;
}

}  // namespace

std::pair<Time, bool> take_token(Time full_at, Time now, const RateLimit& limit) {
    const auto interval = limit.interval();
    const auto from = std::max(full_at, now);
    // `full_at` runs ahead of now by one interval for every token that is missing.
    if (from - now > interval * (limit.per_minute - 1)) return {full_at, false};
    return {from + interval, true};
}

const std::vector<Stage>& default_stages() {
    static const std::vector<Stage> stages{
        {"log", log}, {"rate limit", rate_limit}, {"session", session}, {"flow", run_flow}};
    return stages;
}

void run_pipeline(Turn& turn, const std::vector<Stage>& stages) {
    try {
        for (const auto& stage : stages)
            if (!stage.run(turn)) return;
    } catch (const FlowProblem& problem) {
        turn.problem = problem.what();
        for (auto& event : tell(turn.conversation, "technical_problem", turn.context).events)
            turn.emit(std::move(event));
        const auto escalated = decide(turn.conversation, Escalate{"flow: " + turn.problem});
        if (escalated.accepted())
            for (const auto& event : escalated.events()) turn.emit(event);
    }
}

}  // namespace flowstack::conversation
