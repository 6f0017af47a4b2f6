#include "services/conversation/domain/pipeline.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "common/core/broken_world.h"
#include "common/core/corrupt_stream.h"
#include "common/text/utf8.h"
#include "services/conversation/domain/opening.h"

namespace flowstack::conversation {
namespace {

bool is_tap(const Inbound& in) { return in.kind == SpokenKind::tap || !in.tap_id.empty(); }
bool is_text(const Inbound& in) { return in.kind == SpokenKind::text; }
bool is_edit(const Inbound& in) { return in.kind == SpokenKind::edit; }

// The edited message is the last answer, and the dialogue still stands at the node that it
// answered. The words that opened a dialogue answered no node: they count while nothing has come of
// them.
bool changes_last_answer(const Inbound& in, const Conversation& c) {
    if (!c.is_open() || in.subject_id.empty() || in.subject_id != c.last_words_id) return false;
    if (c.last_words_node.empty()) return c.shop.is_untouched();
    return c.last_words_node == c.node;
}

// Reactions, revocations, calls, the provider's own news and types that this build does not know:
// nobody expects an answer to them. An edit counts where it changes an answer.
bool is_mute(const Turn& turn) {
    const auto kind = turn.in.kind;
    if (is_edit(turn.in))
        return turn.conversation.state != Lifecycle::escalated &&
               !changes_last_answer(turn.in, turn.conversation);
    // Whoever opens the chat for the first time is greeted; where a dialogue is open it goes on.
    if (kind == SpokenKind::welcome_request) return turn.conversation.is_open();
    return kind == SpokenKind::reaction || kind == SpokenKind::revoke ||
           kind == SpokenKind::system || kind == SpokenKind::unsupported ||
           kind == SpokenKind::call;
}

SpokenKind input_kind(const Inbound& in) { return is_tap(in) ? SpokenKind::tap : in.kind; }

// Messages that no flow may see (tenant suspended, STOP, reactions) get their outcome here. The
// session stage writes the fact, when there is a conversation to write it to.
bool log(Turn& turn) {
    const bool consent = !turn.in.consent_change.empty();
    const bool mute = is_mute(turn);
    if (turn.context.tenant->status != "ACTIVE")
        turn.outcome = SpokenOutcome::tenant_inactive;
    else if (consent)
        turn.outcome = SpokenOutcome::consent;  // gateway has done what STOP and START ask for
    else if (mute)
        turn.outcome = SpokenOutcome::ignored;
    if ((!consent && !mute) || turn.conversation.is_open()) return true;
    // No dialogue begins for what nobody answers.
    if (turn.outcome == SpokenOutcome::tenant_inactive)
        turn.outcome = consent ? SpokenOutcome::consent : SpokenOutcome::ignored;
    return false;
}

bool rate_limit(Turn& turn) {
    const auto [full_at, within] =
        take_token(turn.conversation.bucket_full_at, turn.in.received_at, turn.limit);
    turn.bucket_full_at = full_at;
    if (!within && turn.outcome == SpokenOutcome::answered) {
        turn.outcome = SpokenOutcome::throttled;
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

    turn.conversation = {};
    turn.emit(Event{Opened{.conversation_id = turn.new_conversation_id,
                           .customer_id = turn.in.customer_id,
                           .channel_id = turn.in.channel_id,
                           .flow_key = flow.key,
                           .flow_version = flow.version,
                           .language = language,
                           .previous_conversation_id = turn.previous.id}});
    turn.emit(CustomerEvent{conversation_began(turn.in.customer_id, turn.new_conversation_id)});
}

// "Sarit Centre, Karuna Road", else "-1.261111, 36.802222".
std::string place_of(const Inbound::Place& place) {
    if (!place.name.empty() && !place.address.empty()) return place.name + ", " + place.address;
    if (!place.name.empty() || !place.address.empty()) return place.name + place.address;
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.6f, %.6f", place.latitude, place.longitude);
    return text.data();
}

bool session(Turn& turn) {
    const auto& in = turn.in;
    if (!turn.conversation.exists() || turn.conversation.state == Lifecycle::closed)
        open_conversation(turn);
    else
        note_customer(turn, turn.conversation.language);

    auto& flow = turn.context.flow;
    flow = turn.flow_of(turn.conversation.flow_key, turn.conversation.flow_version);
    if (turn.outcome == SpokenOutcome::answered && turn.conversation.state == Lifecycle::escalated)
        turn.outcome = SpokenOutcome::with_person;
    if (turn.outcome == SpokenOutcome::answered && !flow) turn.outcome = SpokenOutcome::no_flow;

    turn.emit(Event{Spoke{
        .inbound_id = in.id,
        .channel_id = in.channel_id,
        .kind = input_kind(in),
        .tap_id = in.tap_id,
        .outcome = turn.outcome,
        .sent_at = in.sent_at,
        .bucket_full_at = turn.bucket_full_at,
        .text = text::shortened(in.place ? place_of(*in.place) : in.text, kVariableLengthMax)}});
    turn.recorded = true;

    if (turn.outcome == SpokenOutcome::throttled && turn.tell_throttled && flow &&
        turn.conversation.state != Lifecycle::escalated)
        for (auto& event : tell(turn.conversation, "rate_limited", turn.context).events)
            turn.emit(std::move(event));
    return turn.outcome == SpokenOutcome::answered;
}

bool run_flow(Turn& turn) {
    Input input = Said{.text = turn.in.text, .choices_numbered = turn.in.choices_numbered};
    if (is_tap(turn.in))
        input = Tapped{
            .tap_id = turn.in.tap_id, .title = turn.in.text, .earlier = turn.previous.choices};
    else if (is_edit(turn.in))
        input = Edited{turn.in.text};
    else if (turn.in.kind == SpokenKind::welcome_request)
        input = Said{};
    else if (turn.in.kind == SpokenKind::order && !turn.in.cart.empty())
        input = CartSent{turn.in.cart};
    else if (turn.in.place)
        input = Pinned{place_of(*turn.in.place)};
    else if (!is_text(turn.in))
        input = SentMedia{turn.in.kind};
    turn.context.shop.earlier_orders = &turn.previous.shop.waiting_orders;
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

namespace {

void apologise(Turn& turn, std::string problem) {
    turn.problem = std::move(problem);
    for (auto& event : tell(turn.conversation, "technical_problem", turn.context).events)
        turn.emit(std::move(event));
    const auto escalated = decide(turn.conversation, Escalate{turn.problem});
    if (!escalated.accepted()) return;
    for (const auto& event : escalated.events()) turn.emit(event);
}

}  // namespace

void run_pipeline(Turn& turn, const std::vector<Stage>& stages) {
    try {
        for (const auto& stage : stages)
            if (!stage.run(turn)) return;
    } catch (const FlowProblem& problem) {
        apologise(turn, "flow: " + std::string(problem.what()));
    } catch (const Unavailable&) {
        throw;
    } catch (const Contention&) {
        throw;
    } catch (const CorruptStream&) {
        throw;
    } catch (const std::exception& error) {
        if (!turn.recorded || !turn.context.flow) throw;
        apologise(turn, "internal error: " + std::string(error.what()));
    }
}

}  // namespace flowstack::conversation
