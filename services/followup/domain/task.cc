#include "services/followup/domain/task.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/core/corrupt_stream.h"
#include "common/core/overloaded.h"

namespace flowstack::followup {
namespace {

using Answer = Decision<Event, Rejection>;
const std::vector<Event> kNothingToDo;

template <class Enum, std::size_t n>
std::string_view find_word(const std::array<std::pair<Enum, std::string_view>, n>& words,
                           Enum value) {
    for (const auto& [candidate, text] : words)
        if (candidate == value) return text;
    return "";
}

constexpr std::array<std::pair<Kind, std::string_view>, 9> kKinds{{
    {Kind::gentle, "gentle"},
    {Kind::reminder, "reminder"},
    {Kind::payment_due, "payment_due"},
    {Kind::abandoned_cart, "abandoned_cart"},
    {Kind::order_follow_up, "order_follow_up"},
    {Kind::restock, "restock"},
    {Kind::overdue_invoice, "overdue_invoice"},
    {Kind::booking, "booking"},
    {Kind::custom, "custom"},
}};

constexpr std::array<std::pair<CancelReason, std::string_view>, 8> kCancelReasons{{
    {CancelReason::answered, "answered"},
    {CancelReason::closed, "closed"},
    {CancelReason::escalated, "escalated"},
    {CancelReason::paid, "paid"},
    {CancelReason::replaced, "replaced"},
    {CancelReason::by_api, "by_api"},
    {CancelReason::tenant_closed, "tenant_closed"},
    {CancelReason::booking_over, "booking_over"},
}};

constexpr std::array<std::pair<SkipReason, std::string_view>, 4> kSkipReasons{{
    {SkipReason::suspended, "suspended"},
    {SkipReason::too_late, "too_late"},
    {SkipReason::window_closed, "window_closed"},
    {SkipReason::template_missing, "template_missing"},
}};

constexpr std::array<std::pair<PostponeReason, std::string_view>, 1> kPostponeReasons{{
    {PostponeReason::quiet_hours, "quiet_hours"},
}};

bool says_nothing(const Plan& plan) {
    return plan.text.empty() && plan.template_key.empty() && !has_built_in_words(plan.kind);
}

// The rulebook: one function per legal (stage, command) pair.

Answer on(const Absent&, const ScheduleTask& c) {
    if (c.plan.customer_id.empty()) return Rejection::customer_missing;
    if (says_nothing(c.plan)) return Rejection::text_missing;
    return TaskScheduled{.plan = c.plan};
}

Answer on(const Absent&, const CreateTask& c) {
    const Plan& plan = c.plan;
    if (plan.customer_id.empty()) return Rejection::customer_missing;
    if (plan.kind == Kind::gentle || plan.kind == Kind::reminder) return Rejection::kind_automatic;
    if (says_nothing(plan)) return Rejection::text_missing;
    if (plan.text.size() > kTextMax) return Rejection::text_too_long;
    if (plan.due < c.now - kDuePastTolerance) return Rejection::due_in_the_past;
    if (plan.due > c.now + kDueAheadMax) return Rejection::due_too_far;
    if (plan.late_after < Micros{0}) return Rejection::late_after_negative;
    return TaskScheduled{.plan = plan};
}

TaskCancelled cancelled(const Plan& plan, CancelReason reason, std::string note = "") {
    return {.task_id = plan.task_id,
            .customer_id = plan.customer_id,
            .reason = reason,
            .note = std::move(note)};
}
TaskSkipped skipped(const Plan& plan, SkipReason reason) {
    return {.task_id = plan.task_id,
            .customer_id = plan.customer_id,
            .reason = reason,
            .kind = plan.kind,
            .conversation_id = plan.conversation_id,
            .since = plan.silent_since()};
}
TaskFired fired(const Plan& plan, std::string template_key) {
    return {.task_id = plan.task_id,
            .kind = plan.kind,
            .customer_id = plan.customer_id,
            .conversation_id = plan.conversation_id,
            .channel_id = plan.channel_id,
            .due = plan.due,
            .since = plan.silent_since(),
            .language = plan.language,
            .text = plan.text,
            .template_key = std::move(template_key)};
}

// The order is that of importance: what the tenant may do at all, whether the words still make
// sense, whether this is an hour to say them.
Answer on(const Scheduled& t, const FireTask& c) {
    const Plan& plan = t.plan;
    if (c.now < plan.due) return Rejection::not_due;
    if (c.tenant == TenantStatus::closed) return cancelled(plan, CancelReason::tenant_closed);
    if (c.tenant == TenantStatus::suspended) return skipped(plan, SkipReason::suspended);
    if (plan.late_after > Micros{0} && c.now > plan.due + plan.late_after)
        return skipped(plan, SkipReason::too_late);
    const auto window_until = std::max(plan.window_until, c.window_until);  // nothing is the least
    const bool outside = window_until && c.now >= *window_until;
    if (outside && !c.window_certain) return Rejection::window_uncertain;
    if (outside && c.approved_template.empty())
        return skipped(plan, plan.template_key.empty() ? SkipReason::window_closed
                                                       : SkipReason::template_missing);
    if (c.quiet_until && *c.quiet_until > c.now)
        return TaskPostponed{.task_id = plan.task_id,
                             .customer_id = plan.customer_id,
                             .due = *c.quiet_until,
                             .reason = PostponeReason::quiet_hours};
    if (outside) return fired(plan, c.approved_template);
    return fired(plan, plan.text.empty() ? plan.template_key : "");
}

Answer on(const Scheduled& t, const CancelTask& c) { return cancelled(t.plan, c.reason, c.note); }

// A second cancel has what it asked for; a first reason is not rewritten.
Answer on(const Cancelled&, const CancelTask&) { return kNothingToDo; }

template <class Any>
Answer on(const Absent&, const Any&) {
    return Rejection::absent;
}

template <class Stage>
Answer exists(const Stage&) {
    return Rejection::exists;
}
Answer on(const Scheduled& t, const ScheduleTask&) { return exists(t); }
Answer on(const Scheduled& t, const CreateTask&) { return exists(t); }
Answer on(const Fired& t, const ScheduleTask&) { return exists(t); }
Answer on(const Fired& t, const CreateTask&) { return exists(t); }
Answer on(const Cancelled& t, const ScheduleTask&) { return exists(t); }
Answer on(const Cancelled& t, const CreateTask&) { return exists(t); }
Answer on(const Skipped& t, const ScheduleTask&) { return exists(t); }
Answer on(const Skipped& t, const CreateTask&) { return exists(t); }

template <class Stage, class Any>
Answer on(const Stage&, const Any&) {
    return Rejection::over;
}

// How a fact moves a task along.

Task after(Absent, const TaskScheduled& e) { return Scheduled{.plan = e.plan}; }

Task after(Scheduled t, const TaskPostponed& e) {
    t.plan.due = e.due;
    ++t.postponements;
    t.postpone_reason = e.reason;
    return t;
}

Task after(Scheduled t, const TaskFired&) { return Fired{.plan = std::move(t.plan)}; }
Task after(Scheduled t, const TaskCancelled& e) {
    return Cancelled{.plan = std::move(t.plan), .reason = e.reason};
}
Task after(Scheduled t, const TaskSkipped& e) {
    return Skipped{.plan = std::move(t.plan), .reason = e.reason};
}

template <class Stage, class AnyEvent>
Task after(const Stage&, const AnyEvent&) {
    throw CorruptStream("task: event out of order");
}

}  // namespace

bool has_built_in_words(Kind kind) { return kind != Kind::booking && kind != Kind::custom; }

std::string_view text_of(Kind kind) { return find_word(kKinds, kind); }
std::string_view text_of(CancelReason reason) { return find_word(kCancelReasons, reason); }
std::string_view text_of(SkipReason reason) { return find_word(kSkipReasons, reason); }
std::string_view text_of(PostponeReason reason) { return find_word(kPostponeReasons, reason); }
std::optional<Kind> parse_kind(std::string_view wanted) {
    for (const auto& [kind, text] : kKinds)
        if (text == wanted) return kind;
    return std::nullopt;
}

Answer decide(const Task& task, const Command& command) {
    return std::visit([](const auto& t, const auto& c) { return on(t, c); }, task, command);
}

Task evolve(Task task, const Event& event) {
    return std::visit(
        [](auto&& t, const auto& e) { return after(std::forward<decltype(t)>(t), e); },
        std::move(task), event);
}

std::optional<CancelReason> ends(const Plan& plan, const Fact& fact) {
    using Reason = std::optional<CancelReason>;
    const auto if_waiting_in = [&](const ConversationId& conversation,
                                   CancelReason reason) -> Reason {
        if (!plan.waits_for_answer() || plan.conversation_id != conversation) return std::nullopt;
        return reason;
    };
    return std::visit(Overloaded{
                          [&](const CustomerWrote& e) -> Reason {
                              if (!plan.waits_for_answer()) return std::nullopt;
                              // The bus may bring the message that was answered after the answer to
                              // it, and those before it. Providers' times are whole seconds, so
                              // within one second the id and the place tell.
                              if (e.at < plan.since || e.inbound_id == plan.answered_inbound_id)
                                  return std::nullopt;
                              if (e.position != 0 && e.position < plan.answered_position)
                                  return std::nullopt;
                              return CancelReason::answered;
                          },
                          [&](const ConversationClosed& e) -> Reason {
                              return if_waiting_in(e.conversation_id, CancelReason::closed);
                          },
                          [&](const ConversationEscalated& e) -> Reason {
                              return if_waiting_in(e.conversation_id, CancelReason::escalated);
                          },
                          [&](const CustomerPaid& e) -> Reason {
                              if (plan.conversation_id != e.conversation_id) return std::nullopt;
                              const bool about_money = plan.kind == Kind::payment_due ||
                                                       plan.kind == Kind::abandoned_cart;
                              if (!plan.waits_for_answer() && !about_money) return std::nullopt;
                              return CancelReason::paid;
                          },
                          [&](const BotAskedAgain& e) -> Reason {
                              return if_waiting_in(e.conversation_id, CancelReason::replaced);
                          },
                      },
                      fact);
}

std::optional<Plan> reminder_after(const Plan& gentle, TaskId task_id, Micros late_after) {
    if (gentle.kind != Kind::gentle || gentle.reminder_after <= Micros{0}) return std::nullopt;
    Plan reminder = gentle;
    reminder.task_id = std::move(task_id);
    reminder.kind = Kind::reminder;
    reminder.due = gentle.since + gentle.reminder_after;
    // A gentle one that came late (quiet hours, downtime) is not followed at its heels.
    if (reminder.due <= gentle.due) reminder.due = gentle.due + gentle.reminder_after;
    reminder.late_after = late_after;
    reminder.reminder_after = Micros{0};
    return reminder;
}

}  // namespace flowstack::followup
