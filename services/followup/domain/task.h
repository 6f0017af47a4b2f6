#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/core/decision.h"
#include "common/core/id.h"
#include "common/core/time.h"

// A task: one message that a business wants to say to a customer later.
//
// This file is the vocabulary, and task.cc the rulebook. Both are pure: time arrives in the
// command, quiet hours arrive as the moment they end.
namespace flowstack::followup {

// A customer's message, by the provider's name of it.
using InboundId = Id<struct InboundKind>;

enum class Kind {
    gentle,    // some time after the bot's last question was left unanswered
    reminder,  // the second one, a day after that question
    payment_due,
    abandoned_cart,
    order_follow_up,
    restock,
    overdue_invoice,
    booking,  // of an appointment; its own words
    custom,   // the caller's own words
};

// The word of a kind in the API and in wishes of flows, and back. Nothing for any other word.
std::string_view text_of(Kind kind);
std::optional<Kind> parse_kind(std::string_view text);

// Whether conversation has built-in words for the kind (`on.follow_up_<kind>` in packs/base.json).
// A task of any other kind must bring a text or a template, or it would fire and say nothing.
bool has_built_in_words(Kind kind);

// What is to be said, to whom, when, and until when it makes sense.
struct Plan {
    TaskId task_id;
    Kind kind = Kind::custom;
    CustomerId customer_id;
    ConversationId conversation_id;  // may be empty
    ChannelId channel_id;            // may be empty: conversation chooses
    Time due{};

    // The bot's message that waits for an answer; empty for tasks that no answer cancels.
    MessageId about_message_id;
    // The customer's message that the bot's message answered, and its time: what comes later (or at
    // the same second with another id) is the answer that was waited for.
    InboundId answered_inbound_id;
    Time since{};
    // Its place among the customer's messages, as gateway's lane has them; 0 = not known.
    std::int64_t answered_position = 0;

    Micros late_after{0};              // skipped when it could only fire later than this; 0 = never
    std::optional<Time> window_until;  // end of the customer's service window, when it is known
    Micros reminder_after{0};          // gentle: the reminder's distance from `since`; 0 = none
    std::string language;
    std::string text;          // said instead of the built-in words of the kind
    std::string template_key;  // said instead of the text where only an approved template may leave

    bool operator==(const Plan&) const = default;
    bool waits_for_answer() const { return !about_message_id.empty(); }
    // Since when the customer has been silent; nothing for tasks that no answer cancels.
    std::optional<Time> silent_since() const {
        return waits_for_answer() ? std::optional(since) : std::nullopt;
    }
};

enum class CancelReason {
    answered,
    closed,
    escalated,
    paid,
    replaced,
    by_api,
    tenant_closed,
    booking_over,
};
enum class SkipReason {
    suspended,
    too_late,
    window_closed,     // and no template is there that might leave outside of it
    template_missing,  // the template that was named is not there, or is no approved one
};
enum class PostponeReason { quiet_hours };
std::string_view text_of(CancelReason reason);
std::string_view text_of(SkipReason reason);
std::string_view text_of(PostponeReason reason);

// --- Commands ------------------------------------------------------------------------------------

// A fact asks for a task (the bot's question, a flow's wish). Refused when the task exists, or
// when it would have nothing to say.
struct ScheduleTask {
    Plan plan;
};
// A person or a program asks for a task: what they may ask has limits.
struct CreateTask {
    Plan plan;
    Time now;
};
enum class TenantStatus { active, suspended, closed };
// Its time may have come.
struct FireTask {
    Time now;
    TenantStatus tenant = TenantStatus::active;
    std::optional<Time> quiet_until = {};  // set while the tenant's quiet hours last
    // What is known now of the end of the customer's service window; the later one of this and the
    // plan's counts.
    std::optional<Time> window_until = {};
    // False: the customer may have written something that is not read here yet.
    bool window_certain = true;
    // The template that may leave outside the window: the plan's, or the tenant's own for the kind.
    // Empty: there is none.
    std::string approved_template = {};
};
struct CancelTask {
    CancelReason reason = CancelReason::by_api;
    std::string note;
};
using Command = std::variant<ScheduleTask, CreateTask, FireTask, CancelTask>;

// --- Facts ---------------------------------------------------------------------------------------

struct TaskScheduled {
    Plan plan;
    bool operator==(const TaskScheduled&) const = default;
};
struct TaskPostponed {
    TaskId task_id;
    CustomerId customer_id;
    Time due{};
    PostponeReason reason = PostponeReason::quiet_hours;
    bool operator==(const TaskPostponed&) const = default;
};
struct TaskFired {
    TaskId task_id;
    Kind kind = Kind::custom;
    CustomerId customer_id;
    ConversationId conversation_id;
    ChannelId channel_id;
    Time due{};
    std::optional<Time> since;  // see Plan::silent_since
    std::string language;
    std::string text;
    std::string template_key;  // not empty: only this may be said
    bool operator==(const TaskFired&) const = default;
};
struct TaskCancelled {
    TaskId task_id;
    CustomerId customer_id;
    CancelReason reason = CancelReason::by_api;
    std::string note;
    bool operator==(const TaskCancelled&) const = default;
};
struct TaskSkipped {
    TaskId task_id;
    CustomerId customer_id;
    SkipReason reason = SkipReason::too_late;
    Kind kind = Kind::custom;
    ConversationId conversation_id;
    std::optional<Time> since;  // see Plan::silent_since
    bool operator==(const TaskSkipped&) const = default;
};
using Event = std::variant<TaskScheduled, TaskPostponed, TaskFired, TaskCancelled, TaskSkipped>;

// --- Stages --------------------------------------------------------------------------------------

struct Absent {};
struct Scheduled {
    Plan plan;
    int postponements = 0;
    std::optional<PostponeReason> postpone_reason;  // of the last time
};
struct Fired {
    Plan plan;
};
struct Cancelled {
    Plan plan;
    CancelReason reason = CancelReason::by_api;
};
struct Skipped {
    Plan plan;
    SkipReason reason = SkipReason::too_late;
};
using Task = std::variant<Absent, Scheduled, Fired, Cancelled, Skipped>;

enum class Rejection {
    absent,            // no such task
    exists,            // the task was scheduled before
    over,              // fired or skipped: nothing is left to change
    not_due,           // its time has not come (it was postponed meanwhile)
    window_uncertain,  // only the window stands in its way, if it does: find out, ask again
    customer_missing,  // nobody to say it to
    kind_automatic,    // gentle: FlowStack schedules it by itself
    text_missing,      // a kind without built-in words, without a text and without a template
    text_too_long,     // more than kTextMax bytes
    due_in_the_past,
    due_too_far,  // more than kDueAheadMax ahead
    late_after_negative,
};

inline constexpr std::size_t kTextMax = 4096;  // WhatsApp's limit for a text
inline constexpr Micros kDueAheadMax = std::chrono::hours{24 * 366};
inline constexpr Micros kDuePastTolerance = std::chrono::minutes{1};  // clocks of callers differ

Decision<Event, Rejection> decide(const Task& task, const Command& command);

// Throws CorruptStream if no `decide` could have produced this history.
Task evolve(Task task, const Event& event);

// --- What makes the reason of a task fall away ---------------------------------------------------

struct CustomerWrote {
    InboundId inbound_id;
    Time at{};
    std::int64_t position = 0;  // see Plan::answered_position
};
struct ConversationClosed {
    ConversationId conversation_id;
};
struct ConversationEscalated {
    ConversationId conversation_id;
};
struct CustomerPaid {
    ConversationId conversation_id;
};
struct BotAskedAgain {
    ConversationId conversation_id;
};
using Fact = std::variant<CustomerWrote, ConversationClosed, ConversationEscalated, CustomerPaid,
                          BotAskedAgain>;

// Why `fact`, about the same customer, ends this task; nothing when it does not.
std::optional<CancelReason> ends(const Plan& plan, const Fact& fact);

// The task that follows a gentle follow-up which fired, if there is to be one.
std::optional<Plan> reminder_after(const Plan& gentle, TaskId task_id, Micros late_after);

}  // namespace flowstack::followup
