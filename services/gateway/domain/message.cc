#include "services/gateway/domain/message.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "common/core/corrupt_stream.h"
#include "common/core/overloaded.h"
#include "services/gateway/domain/backoff.h"

namespace flowstack::gateway {
namespace {

using Answer = Decision<MessageEvent, MessageRejection>;
using std::chrono::milliseconds;

template <class Stage>
bool is(const Message& m) {
    return std::holds_alternative<Stage>(m.stage);
}

Route route(const Message& m) {
    return {.channel_id = m.message.channel_id,
            .customer_id = m.message.customer_id,
            .origin = m.message.origin,
            .priority = m.message.priority};
}

milliseconds jittered(const RetryPolicy& policy, int attempt, double random) {
    return full_jitter(policy.backoff_base, policy.backoff_max, attempt, random);
}

// Does a status speak of the last attempt? An older one's failure is history.
bool concerns_last_attempt(int attempts, const ProviderMessageId& known_id, int attempt,
                           const ProviderMessageId& reported_id) {
    if (attempt != 0) return attempt == attempts;
    return !reported_id.empty() && reported_id == known_id;
}

SendFailed refused(const Message& m, int attempt, const SendError& error, Time retry_at) {
    return {.attempt = attempt,
            .error = error,
            .reason = error.title,
            .retry_at = retry_at,
            .route = route(m)};
}

// The provider refused the message, by answer or by status. What the error's class asks for.
std::vector<MessageEvent> refusal(const Message& m, int attempt, const SendError& error,
                                  const RetryPolicy& policy, double random, Time now) {
    const auto again = [&](std::chrono::microseconds wait) -> std::vector<MessageEvent> {
        const bool last = attempt >= policy.attempts_max;
        return {refused(m, attempt, error, last ? Time{} : now + wait)};
    };
    switch (error.error_class) {
        case ErrorClass::provider_ill:
        case ErrorClass::busy:
        case ErrorClass::too_fast:
            return again(jittered(policy, attempt, random));
        case ErrorClass::recipient_too_fast: {
            // 4^x seconds, x = 0, 1, 2 … as the provider asks.
            const auto seconds = std::int64_t{1} << (2 * std::clamp(attempt - 1, 0, 8));
            return again(std::chrono::seconds{seconds});
        }
        case ErrorClass::wait:
        case ErrorClass::unauthorised:
        case ErrorClass::needs_operator:
            return again(error.retry_after);
        case ErrorClass::window_closed:
            return {MessageSuppressed{
                .reason = Suppression::window_closed, .error = error, .route = route(m)}};
        case ErrorClass::opted_out:
            return {MessageSuppressed{
                .reason = Suppression::opted_out, .error = error, .route = route(m)}};
        case ErrorClass::none:
        case ErrorClass::account_blocked:
        case ErrorClass::rejected:
            break;
    }
    return {refused(m, attempt, error, Time{})};
}

SendUnknown unknown(const Message& m, int attempt, std::string reason, const RetryPolicy& policy,
                    Time now) {
    return {
        .attempt = attempt,
        .reason = std::move(reason),
        .evidence_until = policy.send_unknown_again ? now + policy.unknown_evidence_wait : Time{},
        .route = route(m)};
}

// ---- The rulebook, one overload per command.

Answer on(const Message& m, const QueueMessage& c) {
    if (!is<stage::Absent>(m)) return MessageRejection::already_queued;
    return MessageQueued{.message = c};
}

Answer on(const Message& m, const BeginAttempt& c) {
    const auto* queued = std::get_if<stage::Queued>(&m.stage);
    if (queued == nullptr) return MessageRejection::wrong_stage;
    if (queued->not_before > c.now) return MessageRejection::not_due;
    if (c.facts.tenant_closed)
        return MessageCancelled{.reason = "tenant_closed", .route = route(m)};
    if (c.facts.tenant_suspended || c.facts.channel_paused) return MessageRejection::held;
    if (const auto reason = reason_to_suppress(m.message.preconditions, c.facts, c.now))
        return MessageSuppressed{.reason = *reason, .error = {}, .route = route(m)};
    return SendAttempted{.attempt = m.attempts + 1, .replica = c.replica, .route = route(m)};
}

Answer on(const Message& m, const RecordOutcome& c) {
    // A new owner may have declared the attempt lost meanwhile: the answer is evidence then.
    const bool open = is<stage::Sending>(m) || is<stage::Unknown>(m);
    if (const auto* accepted = std::get_if<Accepted>(&c.outcome)) {
        // A status overtook the answer and said the same, or said that it failed later on.
        const bool known = is<stage::Taken>(m) && m.attempts == c.attempt &&
                           m.provider_message_id == accepted->provider_message_id;
        if (known || m.failed_attempt == c.attempt) return std::vector<MessageEvent>{};
        return SendAccepted{.attempt = c.attempt,
                            .provider_message_id = accepted->provider_message_id,
                            .route = route(m)};
    }
    if (!open || m.attempts != c.attempt) return MessageRejection::stale_attempt;
    return std::visit(
        Overloaded{[](const Accepted&) -> Answer { return MessageRejection::wrong_stage; },
                   [&](const Refused& o) -> Answer {
                       return refusal(m, c.attempt, o.error, c.policy, c.random, c.now);
                   },
                   [&](const NotSent& o) -> Answer {
                       const bool last = c.attempt >= c.policy.attempts_max;
                       return SendFailed{
                           .attempt = c.attempt,
                           .error = {},
                           .reason = o.reason,
                           .retry_at =
                               last ? Time{} : c.now + jittered(c.policy, c.attempt, c.random),
                           .route = route(m)};
                   },
                   [&](const Lost& o) -> Answer {
                       if (is<stage::Unknown>(m)) return std::vector<MessageEvent>{};
                       return unknown(m, c.attempt, o.reason, c.policy, c.now);
                   }},
        c.outcome);
}

Answer on(const Message& m, const JudgeFailedStatus& c) {
    // The customer has it: the report is kept, and nothing follows from it.
    if (arrived(m.view)) return std::vector<MessageEvent>{};
    // It waits for another attempt already, or has ended.
    if (!is<stage::Taken>(m) && !is<stage::Unknown>(m) && !is<stage::Sending>(m))
        return std::vector<MessageEvent>{};
    if (!concerns_last_attempt(m.attempts, m.provider_message_id, c.attempt, c.provider_message_id))
        return std::vector<MessageEvent>{};
    return refusal(m, m.attempts, c.error, c.policy, c.random, c.now);
}

Answer on(const Message& m, const SendUnknownAgain& c) {
    if (!is<stage::Unknown>(m) || m.attempts != c.attempt) return MessageRejection::stale_attempt;
    return MessageRetried{.actor = "policy:send_again", .reason = "no evidence", .route = route(m)};
}

Answer on(const Message& m, const DeclareLost& c) {
    if (!is<stage::Sending>(m) || m.attempts != c.attempt) return MessageRejection::stale_attempt;
    return unknown(m, c.attempt, "the sender died before the answer", c.policy, c.now);
}

Answer on(const Message& m, const CancelMessage& c) {
    if (!is<stage::Queued>(m)) return MessageRejection::not_cancellable;
    return MessageCancelled{.reason = c.reason, .route = route(m)};
}

Answer on(const Message& m, const RetryMessage& c) {
    if (m.reached && !is<stage::Dead>(m)) return MessageRejection::already_reached;
    if (!is<stage::Dead>(m) && !is<stage::Unknown>(m)) return MessageRejection::not_retryable;
    return MessageRetried{.actor = c.actor, .reason = c.reason, .route = route(m)};
}

Answer on(const Message& m, const DiscardMessage& c) {
    if (!is<stage::Dead>(m) && !is<stage::Unknown>(m)) return MessageRejection::not_retryable;
    return MessageDiscarded{.actor = c.actor, .reason = c.reason, .route = route(m)};
}

// ---- How a fact moves a message along.

void climb(Message& m, View evidence) { m.view = joined(m.view, evidence); }

void require(bool legal) {
    if (!legal) throw CorruptStream("message: event out of order");
}

void apply(Message& m, const MessageQueued& e) {
    require(is<stage::Absent>(m));
    m.message = e.message;
    // Statuses cannot come before this one, but the view is a join, so nothing is assumed.
    m.stage = stage::Queued{e.message.not_before};
}

void apply(Message& m, const SendAttempted& e) {
    require(is<stage::Queued>(m) && e.attempt == m.attempts + 1);
    m.attempts = e.attempt;
    m.stage = stage::Sending{};
    m.provider_message_id = {};
    m.error = {};
    m.reason.clear();
    m.view = tried_again(m.view);
}

void apply(Message& m, const SendAccepted& e) {
    require(!is<stage::Absent>(m) && e.attempt <= m.attempts);
    m.provider_message_id = e.provider_message_id;
    m.reached = true;
    if (!is<stage::Ended>(m)) m.stage = stage::Taken{};
    climb(m, View::sending);
}

void apply(Message& m, const SendFailed& e) {
    require(!is<stage::Absent>(m) && !is<stage::Ended>(m));
    m.error = e.error;
    m.reason = e.reason;
    if (e.retry_at == Time{}) {
        m.stage = stage::Dead{};
        climb(m, View::failed);
    } else {
        m.stage = stage::Queued{e.retry_at};
        m.view = tried_again(m.view);
    }
}

void apply(Message& m, const SendUnknown& e) {
    require(is<stage::Sending>(m));
    m.stage = stage::Unknown{};
    m.reason = e.reason;
    climb(m, View::unknown);
}

void apply(Message& m, const StatusReported& e) {
    if (m.price == MessagePrice{}) m.price = price_due(e);
    switch (weigh(e, m.view, m.attempts, m.failed_attempt, m.provider_message_id)) {
        case StatusWeight::history:
            return;
        case StatusWeight::failure:
            m.failed_attempt = m.attempts;
            m.error = e.error;
            m.reason = e.error.title;
            return;  // what follows is decided by the next event
        case StatusWeight::evidence:
            break;
    }
    if (!e.provider_message_id.empty()) m.provider_message_id = e.provider_message_id;
    m.reached = true;
    if (!is<stage::Absent>(m) && !is<stage::Ended>(m)) m.stage = stage::Taken{};
    climb(m, *reported_state(e.status));
    if (arrived(m.view)) {
        m.error = {};
        m.reason.clear();
    }
}

void apply(Message& m, const MessageSuppressed& e) {
    require(!is<stage::Absent>(m) && !is<stage::Ended>(m));
    m.stage = stage::Ended{};
    m.reason = text_of(e.reason);
    m.error = e.error;
    climb(m, View::suppressed);
}

void apply(Message& m, const MessageCancelled& e) {
    require(is<stage::Queued>(m));
    m.stage = stage::Ended{};
    m.reason = e.reason;
    climb(m, View::cancelled);
}

void apply(Message& m, const MessageRetried&) {
    require(is<stage::Dead>(m) || is<stage::Unknown>(m));
    m.stage = stage::Queued{};
}

void apply(Message& m, const MessageDiscarded& e) {
    require(is<stage::Dead>(m) || is<stage::Unknown>(m));
    m.stage = stage::Ended{};
    m.discarded = true;
    m.reason = e.reason;
}

constexpr std::array<std::pair<OriginKind, std::string_view>, 5> kOriginKinds{{
    {OriginKind::reply, "reply"},
    {OriginKind::follow_up, "follow_up"},
    {OriginKind::agent, "agent"},
    {OriginKind::campaign, "campaign"},
    {OriginKind::api, "api"},
}};

}  // namespace

std::string_view text_of(OriginKind kind) {
    for (const auto& [ours, text] : kOriginKinds)
        if (ours == kind) return text;
    return "";
}

std::optional<OriginKind> origin_kind_of(std::string_view text) {
    for (const auto& [kind, word] : kOriginKinds)
        if (word == text) return kind;
    return std::nullopt;
}

std::string_view text_of(Suppression reason) {
    switch (reason) {
        case Suppression::opted_out:
            return "opted_out";
        case Suppression::window_closed:
            return "window_closed";
        case Suppression::answered:
            return "answered";
    }
    return "";
}

MessagePrice price_due(const StatusReported& status) {
    const auto state = reported_state(status.status);
    return state && arrived(*state) ? status.price : MessagePrice{};
}

StatusWeight weigh(const StatusReported& status, View view, int attempts, int failed_attempt,
                   const ProviderMessageId& provider_message_id) {
    const auto reported = reported_state(status.status);
    if (!reported) return StatusWeight::history;
    if (arrived(*reported)) return StatusWeight::evidence;
    const bool last = concerns_last_attempt(attempts, provider_message_id, status.attempt,
                                            status.provider_message_id);
    if (*reported == View::failed)
        return last && !arrived(view) ? StatusWeight::failure : StatusWeight::history;
    // "sent" of an attempt that failed afterwards comes late: the failure stands.
    const bool failed = status.attempt != 0
                            ? status.attempt <= failed_attempt
                            : failed_attempt != 0 && (failed_attempt == attempts || !last);
    return failed ? StatusWeight::history : StatusWeight::evidence;
}

Answer decide(const Message& message, const MessageCommand& command) {
    return std::visit([&](const auto& c) { return on(message, c); }, command);
}

Message evolve(Message message, const MessageEvent& event) {
    std::visit([&](const auto& e) { apply(message, e); }, event);
    return message;
}

std::optional<Suppression> reason_to_suppress(const Preconditions& preconditions,
                                              const DispatchFacts& facts, Time now) {
    if (preconditions.purpose == Purpose::marketing && facts.marketing == Consent::refused)
        return Suppression::opted_out;
    if (preconditions.purpose == Purpose::utility && facts.utility == Consent::refused)
        return Suppression::opted_out;
    if (preconditions.nothing_inbound_since != Time{} &&
        facts.last_inbound > preconditions.nothing_inbound_since)
        return Suppression::answered;
    if (preconditions.needs_open_window) {
        const auto last = std::max(facts.last_inbound_channel, preconditions.window_evidence);
        if (last == Time{} || now >= window_end(last, facts.window_margin))
            return Suppression::window_closed;
    }
    return std::nullopt;
}

}  // namespace flowstack::gateway
