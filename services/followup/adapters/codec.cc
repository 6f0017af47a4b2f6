#include "services/followup/adapters/task_codec.h"

#include <google/protobuf/timestamp.pb.h>

#include "common/core/corrupt_stream.h"
#include "common/core/overloaded.h"
#include "common/eventlog/payload.h"
#include "flowstack/followup/v1/task_events.pb.h"
#include "flowstack/followup/v1/task_service.pb.h"

namespace flowstack::followup {
namespace {

using eventlog::is;
using eventlog::parsed;

Plan plan_from(const v1::TaskScheduled& m) {
    const auto kind = kind_of(m.kind());
    if (!kind) throw CorruptStream("task: unknown kind " + m.kind());
    Plan plan;
    plan.task_id = m.task_id();
    plan.kind = *kind;
    plan.customer_id = m.customer_id();
    plan.conversation_id = m.conversation_id();
    plan.channel_id = m.channel_id();
    plan.due = from_unix_micros(m.due_at_us());
    plan.about_message_id = m.about_message_id();
    plan.answered_inbound_id = m.answered_inbound_id();
    plan.since = from_unix_micros(m.since_us());
    plan.answered_position = m.answered_position();
    plan.late_after = std::chrono::seconds{m.late_after_seconds()};
    if (m.window_until_us() != 0) plan.window_until = from_unix_micros(m.window_until_us());
    plan.reminder_after = Micros{m.reminder_after_us()};
    plan.language = m.language();
    plan.text = m.personal().text();
    plan.template_key = m.template_key();
    return plan;
}

void plan_to(const Plan& plan, v1::TaskScheduled& m) {
    m.set_task_id(plan.task_id);
    m.set_kind(std::string(word(plan.kind)));
    m.set_customer_id(plan.customer_id);
    m.set_conversation_id(plan.conversation_id);
    m.set_channel_id(plan.channel_id);
    m.set_due_at_us(unix_micros(plan.due));
    m.set_about_message_id(plan.about_message_id);
    m.set_answered_inbound_id(plan.answered_inbound_id);
    m.set_since_us(unix_micros(plan.since));
    m.set_answered_position(plan.answered_position);
    // Rounded up: a policy is never stricter than what was asked for.
    m.set_late_after_seconds(std::chrono::ceil<std::chrono::seconds>(plan.late_after).count());
    if (plan.window_until) m.set_window_until_us(unix_micros(*plan.window_until));
    m.set_reminder_after_us(plan.reminder_after.count());
    m.set_language(plan.language);
    if (!plan.text.empty()) m.mutable_personal()->set_text(plan.text);
    m.set_template_key(plan.template_key);
}

Event decode(const std::string& type, const std::string& payload, const Task& before) {
    if (is<v1::TaskScheduled>(type))
        return TaskScheduled{plan_from(parsed<v1::TaskScheduled>(payload))};
    if (is<v1::TaskPostponed>(type)) {
        const auto m = parsed<v1::TaskPostponed>(payload);
        return TaskPostponed{from_unix_micros(m.due_at_us()), m.reason()};
    }
    if (is<v1::TaskFired>(type)) {
        const auto* plan = plan_of(before);
        return TaskFired{plan ? *plan : Plan{}, parsed<v1::TaskFired>(payload).template_key()};
    }
    if (is<v1::TaskCancelled>(type)) {
        const auto m = parsed<v1::TaskCancelled>(payload);
        const auto reason = cancel_reason_of(m.reason());
        if (!reason) throw CorruptStream("task: unknown reason " + m.reason());
        return TaskCancelled{*reason, m.note()};
    }
    if (is<v1::TaskSkipped>(type)) {
        const auto m = parsed<v1::TaskSkipped>(payload);
        const auto reason = skip_reason_of(m.reason());
        if (!reason) throw CorruptStream("task: unknown reason " + m.reason());
        return TaskSkipped{*reason};
    }
    throw CorruptStream("task: unknown event " + type);
}

void set_time(google::protobuf::Timestamp& out, Time at) {
    const auto micros = unix_micros(at);
    out.set_seconds(unix_seconds(at));
    out.set_nanos(static_cast<int>(micros - unix_seconds(at) * 1'000'000) * 1000);
}

void fill_plan(v1::Task& out, const std::string& tenant, const Plan& plan) {
    out.set_name("tenants/" + tenant + "/tasks/" + plan.task_id);
    out.set_task_id(plan.task_id);
    out.set_kind(std::string(word(plan.kind)));
    out.set_customer_id(plan.customer_id);
    out.set_conversation_id(plan.conversation_id);
    out.set_channel_id(plan.channel_id);
    set_time(*out.mutable_due_time(), plan.due);
    out.set_text(plan.text);
    out.set_template_key(plan.template_key);
    out.set_language(plan.language);
    out.set_late_after_seconds(std::chrono::ceil<std::chrono::seconds>(plan.late_after).count());
}

}  // namespace

eventlog::StreamName task_stream(const std::string& tenant, const std::string& task_id) {
    return {tenant, kTaskCategory, task_id};
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
    const auto event = decode(type, payload, state.task);
    if (std::holds_alternative<TaskScheduled>(event))
        state.created = occurred_at;
    else if (!std::holds_alternative<TaskPostponed>(event))
        state.ended = occurred_at;
    state.task = followup::evolve(std::move(state.task), event);
    return state;
}

eventlog::NewEvent encode(const Event& event, const Plan& plan, Time occurred_at) {
    const auto stored = [&](const auto& message) {
        return eventlog::NewEvent{message.GetTypeName(), message.SerializeAsString(), occurred_at};
    };
    return std::visit(Overloaded{
                          [&](const TaskScheduled& e) {
                              v1::TaskScheduled m;
                              plan_to(e.plan, m);
                              return stored(m);
                          },
                          [&](const TaskPostponed& e) {
                              v1::TaskPostponed m;
                              m.set_task_id(plan.task_id);
                              m.set_due_at_us(unix_micros(e.due));
                              m.set_reason(e.reason);
                              m.set_customer_id(plan.customer_id);
                              return stored(m);
                          },
                          [&](const TaskFired& e) {
                              v1::TaskFired m;
                              m.set_task_id(e.plan.task_id);
                              m.set_kind(std::string(word(e.plan.kind)));
                              m.set_customer_id(e.plan.customer_id);
                              m.set_conversation_id(e.plan.conversation_id);
                              m.set_channel_id(e.plan.channel_id);
                              m.set_due_at_us(unix_micros(e.plan.due));
                              // Zero means that nothing is asked about inbound messages.
                              if (e.plan.waits_for_answer())
                                  m.set_since_us(unix_micros(e.plan.since));
                              m.set_language(e.plan.language);
                              if (!e.plan.text.empty()) m.mutable_personal()->set_text(e.plan.text);
                              m.set_template_key(e.template_key);
                              return stored(m);
                          },
                          [&](const TaskCancelled& e) {
                              v1::TaskCancelled m;
                              m.set_task_id(plan.task_id);
                              m.set_reason(std::string(word(e.reason)));
                              m.set_note(e.note);
                              m.set_customer_id(plan.customer_id);
                              return stored(m);
                          },
                          [&](const TaskSkipped& e) {
                              v1::TaskSkipped m;
                              m.set_task_id(plan.task_id);
                              m.set_reason(std::string(word(e.reason)));
                              m.set_customer_id(plan.customer_id);
                              m.set_kind(std::string(word(plan.kind)));
                              m.set_conversation_id(plan.conversation_id);
                              if (plan.waits_for_answer()) m.set_since_us(unix_micros(plan.since));
                              return stored(m);
                          },
                      },
                      event);
}

void fill(v1::Task& out, const std::string& tenant, const TaskState& state, std::int64_t version) {
    if (const auto* plan = plan_of(state.task)) fill_plan(out, tenant, *plan);
    std::visit(Overloaded{
                   [](const Absent&) {},
                   [&](const Scheduled& t) {
                       out.set_state("SCHEDULED");
                       out.set_postponements(t.postponements);
                       out.set_postpone_reason(t.postpone_reason);
                   },
                   [&](const Fired&) { out.set_state("FIRED"); },
                   [&](const Cancelled& t) {
                       out.set_state("CANCELLED");
                       out.set_reason(std::string(word(t.reason)));
                   },
                   [&](const Skipped& t) {
                       out.set_state("SKIPPED");
                       out.set_reason(std::string(word(t.reason)));
                   },
               },
               state.task);
    set_time(*out.mutable_create_time(), state.created);
    if (state.ended != Time{}) set_time(*out.mutable_end_time(), state.ended);
    out.set_etag(std::to_string(version));
}

void project(std::optional<v1::Task>& task, const eventlog::Recorded& event) {
    const auto& type = event.type;
    if (is<v1::TaskScheduled>(type)) {
        task.emplace();
        fill_plan(*task, event.stream.tenant, plan_from(parsed<v1::TaskScheduled>(event.payload)));
        task->set_state("SCHEDULED");
        set_time(*task->mutable_create_time(), event.occurred_at);
    } else if (!task) {
        throw CorruptStream("task: " + type + " of a task that was not scheduled");
    } else if (is<v1::TaskPostponed>(type)) {
        const auto m = parsed<v1::TaskPostponed>(event.payload);
        set_time(*task->mutable_due_time(), from_unix_micros(m.due_at_us()));
        task->set_postponements(task->postponements() + 1);
        task->set_postpone_reason(m.reason());
    } else if (is<v1::TaskFired>(type)) {
        task->set_state("FIRED");
        set_time(*task->mutable_end_time(), event.occurred_at);
    } else if (is<v1::TaskCancelled>(type)) {
        task->set_state("CANCELLED");
        task->set_reason(parsed<v1::TaskCancelled>(event.payload).reason());
        set_time(*task->mutable_end_time(), event.occurred_at);
    } else if (is<v1::TaskSkipped>(type)) {
        task->set_state("SKIPPED");
        task->set_reason(parsed<v1::TaskSkipped>(event.payload).reason());
        set_time(*task->mutable_end_time(), event.occurred_at);
    } else {
        throw CorruptStream("task: unknown event " + type);
    }
    task->set_etag(std::to_string(event.version));
}

}  // namespace flowstack::followup
