#include "services/followup/adapters/codec.h"

#include "common/core/overloaded.h"
#include "common/eventlog/fact.h"
#include "flowstack/followup/v1/task_events.pb.h"

namespace flowstack::followup {

constexpr auto wire_values(Kind) {
    return std::array{std::pair{Kind::gentle, v1::TASK_KIND_GENTLE},
                      std::pair{Kind::reminder, v1::TASK_KIND_REMINDER},
                      std::pair{Kind::payment_due, v1::TASK_KIND_PAYMENT_DUE},
                      std::pair{Kind::abandoned_cart, v1::TASK_KIND_ABANDONED_CART},
                      std::pair{Kind::order_follow_up, v1::TASK_KIND_ORDER_FOLLOW_UP},
                      std::pair{Kind::restock, v1::TASK_KIND_RESTOCK},
                      std::pair{Kind::overdue_invoice, v1::TASK_KIND_OVERDUE_INVOICE},
                      std::pair{Kind::booking, v1::TASK_KIND_BOOKING},
                      std::pair{Kind::custom, v1::TASK_KIND_CUSTOM}};
}

constexpr auto wire_values(CancelReason) {
    return std::array{std::pair{CancelReason::answered, v1::TASK_CANCEL_REASON_ANSWERED},
                      std::pair{CancelReason::closed, v1::TASK_CANCEL_REASON_CLOSED},
                      std::pair{CancelReason::escalated, v1::TASK_CANCEL_REASON_ESCALATED},
                      std::pair{CancelReason::paid, v1::TASK_CANCEL_REASON_PAID},
                      std::pair{CancelReason::replaced, v1::TASK_CANCEL_REASON_REPLACED},
                      std::pair{CancelReason::by_api, v1::TASK_CANCEL_REASON_BY_API},
                      std::pair{CancelReason::tenant_closed, v1::TASK_CANCEL_REASON_TENANT_CLOSED},
                      std::pair{CancelReason::booking_over, v1::TASK_CANCEL_REASON_BOOKING_OVER}};
}

constexpr auto wire_values(SkipReason) {
    return std::array{
        std::pair{SkipReason::suspended, v1::TASK_SKIP_REASON_SUSPENDED},
        std::pair{SkipReason::too_late, v1::TASK_SKIP_REASON_TOO_LATE},
        std::pair{SkipReason::window_closed, v1::TASK_SKIP_REASON_WINDOW_CLOSED},
        std::pair{SkipReason::template_missing, v1::TASK_SKIP_REASON_TEMPLATE_MISSING}};
}

constexpr auto wire_values(PostponeReason) {
    return std::array{std::pair{PostponeReason::quiet_hours, v1::TASK_POSTPONE_REASON_QUIET_HOURS}};
}

FLOWSTACK_FACT(Plan, v1::TaskScheduled) {
    FACT_FIELD(task_id);
    FACT_FIELD(kind);
    FACT_FIELD(customer_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(channel_id);
    FACT_TIME_AS(due, due_at);
    FACT_FIELD(about_message_id);
    FACT_FIELD(answered_inbound_id);
    FACT_TIME(since);
    FACT_FIELD(answered_position);
    FACT_DURATION(late_after, late_after_seconds, std::chrono::seconds);
    FACT_TIME(window_until);
    FACT_DURATION(reminder_after, reminder_after_us, Micros);
    FACT_FIELD(language);
    FACT_PERSONAL(text);
    FACT_FIELD(template_key);
}
FLOWSTACK_FACT(TaskScheduled, v1::TaskScheduled) { describe(fact.plan, message); }
FLOWSTACK_FACT(TaskPostponed, v1::TaskPostponed) {
    FACT_FIELD(task_id);
    FACT_FIELD(customer_id);
    FACT_TIME_AS(due, due_at);
    FACT_FIELD(reason);
}
FLOWSTACK_FACT(TaskFired, v1::TaskFired) {
    FACT_FIELD(task_id);
    FACT_FIELD(kind);
    FACT_FIELD(customer_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(channel_id);
    FACT_TIME_AS(due, due_at);
    FACT_TIME(since);
    FACT_FIELD(language);
    FACT_PERSONAL(text);
    FACT_FIELD(template_key);
}
FLOWSTACK_FACT(TaskCancelled, v1::TaskCancelled) {
    FACT_FIELD(task_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(reason);
    FACT_FIELD(note);
}
FLOWSTACK_FACT(TaskSkipped, v1::TaskSkipped) {
    FACT_FIELD(task_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(reason);
    FACT_FIELD(kind);
    FACT_FIELD(conversation_id);
    FACT_TIME(since);
}

eventlog::NewEvent encode(const Event& event, Time occurred_at) {
    return eventlog::stored_fact(event, occurred_at);
}

Event decode_task(std::string_view type, std::string_view payload) {
    return eventlog::recorded_fact<Event>("task", type, payload);
}

const Plan* plan_of(const Task& task) {
    return std::visit(Overloaded{
                          [](const Absent&) -> const Plan* { return nullptr; },
                          [](const auto& stage) -> const Plan* { return &stage.plan; },
                      },
                      task);
}

TaskState TaskCodec::evolve(TaskState state, const std::string& type, const std::string& payload,
                            Time occurred_at) {
    const auto event = decode_task(type, payload);
    if (std::holds_alternative<TaskScheduled>(event))
        state.created = occurred_at;
    else if (!std::holds_alternative<TaskPostponed>(event))
        state.ended = occurred_at;
    state.task = followup::evolve(std::move(state.task), event);
    return state;
}

}  // namespace flowstack::followup
