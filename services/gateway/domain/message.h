#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/core/decision.h"
#include "common/core/delivery_state.h"
#include "common/core/time.h"
#include "services/gateway/domain/contact.h"
#include "services/gateway/domain/ids.h"
#include "services/gateway/domain/message_price.h"
#include "services/gateway/domain/send_error.h"

// An outbound message: one promise to tell a customer something, at most once.
//
// The provider has no idempotency key, so a call whose answer was lost is UNKNOWN and is not made
// again by itself: evidence (a status with our callback data) or a person (or the tenant's policy)
// decides. Statuses come early, late, twice and out of order; within one attempt their order makes
// no difference (common/core/delivery_state.h).
namespace flowstack::gateway {

// What asked for a message.
enum class OriginKind { reply, follow_up, agent, campaign, api };
std::string_view text_of(OriginKind kind);  // "follow_up"
std::optional<OriginKind> origin_kind_of(std::string_view text);

struct Origin {
    OriginKind kind = OriginKind::api;
    OriginId id;
    CustomerId recipient;
    friend bool operator==(const Origin&, const Origin&) = default;
};

struct Preconditions {
    Purpose purpose = Purpose::service;
    Time nothing_inbound_since{};  // epoch = not asked
    bool needs_open_window = false;
    Time window_evidence{};  // epoch = none
    friend bool operator==(const Preconditions&, const Preconditions&) = default;
};

// Queues, first served first.
inline constexpr int kPriorityReply = 0;
inline constexpr int kPriorityFollowUp = 1;
inline constexpr int kPriorityCampaign = 2;
inline constexpr int kPriorities = 3;

// What became of it, as the API shows it.
using View = DeliveryState;

// ---- Intentions.

struct QueueMessage {
    MessageId message_id;
    ChannelId channel_id;
    CustomerId customer_id;
    std::string idempotency_key;
    int key_reused = 0;  // how often the key was used before for requests whose time is over
    Origin origin;
    int priority = kPriorityFollowUp;
    Preconditions preconditions;
    Time not_before{};  // epoch = now
    // When the message that this one answers was stored; epoch = it answers none.
    Time inbound_stored_at{};
    std::string to;
    std::string content;  // serialised flowstack.common.v1.MessageContent; rules do not look inside
};

// What is known about the customer and the tenant when the message is about to leave.
struct DispatchFacts {
    Consent marketing = Consent::unasked;
    Consent utility = Consent::unasked;
    Time last_inbound{};          // at any channel; epoch = never
    Time last_inbound_channel{};  // at the channel that the message leaves by; epoch = never
    bool tenant_suspended = false;
    bool tenant_closed = false;
    bool channel_paused = false;
    std::chrono::microseconds window_margin{0};
};
struct BeginAttempt {
    DispatchFacts facts;
    std::string replica;
    Time now;
};

// The provider's answer to one attempt.
struct Accepted {
    ProviderMessageId provider_message_id;
    // The current credentials were refused; those before the last rotation were taken.
    bool by_previous_credentials = false;
};
struct Refused {
    SendError error;
};
// Certain: nothing left this machine.
struct NotSent {
    std::string reason;
};
// Nobody knows.
struct Lost {
    std::string reason;
};
using Outcome = std::variant<Accepted, Refused, NotSent, Lost>;

struct RetryPolicy {
    int attempts_max = 5;
    std::chrono::milliseconds backoff_base{1'000};
    std::chrono::milliseconds backoff_max{300'000};
    // After this long without evidence the policy for unknown messages is asked.
    std::chrono::milliseconds unknown_evidence_wait{600'000};
    bool send_unknown_again = false;  // the tenant's unknown_text_policy is send_again
};
struct RecordOutcome {
    int attempt = 0;
    Outcome outcome;
    RetryPolicy policy;
    double random = 0;  // [0, 1)
    Time now;
};
// A status "failed" was reported: is it tried again?
struct JudgeFailedStatus {
    int attempt = 0;  // 0 = not known, then the provider's id tells
    ProviderMessageId provider_message_id;
    SendError error;
    RetryPolicy policy;
    double random = 0;
    Time now;
};
// The evidence wait of attempt `attempt` is over and the tenant said: send again.
struct SendUnknownAgain {
    int attempt = 0;
};
// The owner died between attempt and outcome; the next owner says so.
struct DeclareLost {
    int attempt = 0;
    RetryPolicy policy;
    Time now;
};
struct CancelMessage {
    std::string reason;
};
struct RetryMessage {
    std::string actor;
    std::string reason;
};
struct DiscardMessage {
    std::string actor;
    std::string reason;
};
using MessageCommand =
    std::variant<QueueMessage, BeginAttempt, RecordOutcome, JudgeFailedStatus, SendUnknownAgain,
                 DeclareLost, CancelMessage, RetryMessage, DiscardMessage>;

// ---- Facts. Each names the channel (whose lane holds the queue), the customer (whose lane holds
// the message), the queue's priority and who asked: queues and others' books are made from single
// events.

struct Route {
    ChannelId channel_id;
    CustomerId customer_id;
    Origin origin;
    int priority = 0;
    friend bool operator==(const Route&, const Route&) = default;
};

struct MessageQueued {
    QueueMessage message;
};
struct SendAttempted {
    int attempt = 0;
    std::string replica;
    Route route;
};
struct SendAccepted {
    int attempt = 0;
    ProviderMessageId provider_message_id;
    Route route;
};
struct SendFailed {
    int attempt = 0;
    SendError error;  // of class none when it was never sent
    std::string reason;
    Time retry_at{};  // epoch = never: a dead letter
    Route route;
};
struct SendUnknown {
    int attempt = 0;
    std::string reason;
    Time evidence_until{};  // epoch = a person decides
    Route route;
};
struct StatusReported {
    // sent | delivered | read | played | failed; other words are kept and change nothing.
    std::string status;
    ProviderMessageId provider_message_id;
    Time provider_time{};
    SendError error;     // of a failure
    MessagePrice price;  // empty unless the provider says here that the message costs something
    Route route;
    int attempt = 0;  // 0 = not known
};
// Why a message may not leave.
enum class Suppression { opted_out, window_closed, answered };
std::string_view text_of(Suppression reason);  // "opted_out"

struct MessageSuppressed {
    Suppression reason = Suppression::opted_out;
    SendError error;  // when it was the provider who refused
    Route route;
};
struct MessageCancelled {
    std::string reason;
    Route route;
};
struct MessageRetried {
    std::string actor;
    std::string reason;
    Route route;
};
struct MessageDiscarded {
    std::string actor;
    std::string reason;
    Route route;
};
using MessageEvent = std::variant<MessageQueued, SendAttempted, SendAccepted, SendFailed,
                                  SendUnknown, StatusReported, MessageSuppressed, MessageCancelled,
                                  MessageRetried, MessageDiscarded>;

// ---- State.

namespace stage {
struct Absent {};
// In the queue; may not leave before that time (a retry, or a message for later).
struct Queued {
    Time not_before{};
};
struct Sending {};
struct Unknown {};
// The provider took it: what comes now are statuses.
struct Taken {};
// FAILED for good and waiting for a person.
struct Dead {};
// Nothing will happen any more: suppressed, cancelled, discarded.
struct Ended {};
}  // namespace stage
using MessageStage = std::variant<stage::Absent, stage::Queued, stage::Sending, stage::Unknown,
                                  stage::Taken, stage::Dead, stage::Ended>;

struct Message {
    MessageStage stage;
    View view = View::queued;
    QueueMessage message;
    int attempts = 0;
    int failed_attempt = 0;  // the last one that a status called failed
    // The provider took it, or a status says that it reached somebody. Nothing is sent again then.
    bool reached = false;
    ProviderMessageId provider_message_id;
    SendError error;
    MessagePrice price;  // empty while nobody says that it costs something
    std::string reason;
    bool discarded = false;
};

enum class MessageRejection {
    already_queued,
    not_due,          // its time has not come
    held,             // the tenant is suspended or the channel paused
    stale_attempt,    // the attempt is over already
    already_reached,  // it arrived: sending again would be twice
    not_cancellable,  // it left, or ended
    not_retryable,    // only dead and unknown messages are
    wrong_stage,
};

Decision<MessageEvent, MessageRejection> decide(const Message& message,
                                                const MessageCommand& command);
// Throws CorruptStream. Statuses are evidence from outside and fit everywhere.
Message evolve(Message message, const MessageEvent& event);

// What a status says about a message, from what the message is known by. The fold and the read
// model both ask this.
enum class StatusWeight {
    history,   // it speaks of an attempt that is over, or of nothing that matters here
    failure,   // the last attempt failed; what follows from it is an event of its own
    evidence,  // the provider has the message, or the customer has it
};
StatusWeight weigh(const StatusReported& status, View view, int attempts, int failed_attempt,
                   const ProviderMessageId& provider_message_id);
// What this status says is to be paid: only for what arrived, although SENT names a price as well.
MessagePrice price_due(const StatusReported& status);

// Why the message may not leave now; nothing when it may. The order is the order of importance.
std::optional<Suppression> reason_to_suppress(const Preconditions& preconditions,
                                              const DispatchFacts& facts, Time now);

}  // namespace flowstack::gateway
