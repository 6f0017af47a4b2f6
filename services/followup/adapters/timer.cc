#include "services/followup/adapters/timer.h"

#include <algorithm>
#include <utility>

#include "common/observability/log.h"
#include "common/rpc/timestamp.h"
#include "common/service/tenant_view.h"
#include "flowstack/followup/v1/views.pb.h"
#include "flowstack/gateway/v1/contact_service.pb.h"
#include "services/followup/adapters/derive.h"
#include "services/followup/adapters/projections.h"
#include "services/followup/adapters/streams.h"

namespace flowstack::followup {
namespace {

TenantStatus status_of(const service::TenantView& tenant) {
    if (tenant.status() == common::v1::TENANT_STATUS_CLOSED) return TenantStatus::closed;
    if (tenant.status() == common::v1::TENANT_STATUS_SUSPENDED) return TenantStatus::suspended;
    return TenantStatus::active;
}

// What a decision about a due task is called in metrics.
std::string_view outcome_of(const Event& event) {
    if (std::holds_alternative<TaskFired>(event)) return "fired";
    if (std::holds_alternative<TaskPostponed>(event)) return "postponed";
    if (std::holds_alternative<TaskSkipped>(event)) return "skipped";
    return "cancelled";
}

}  // namespace

Timer::Timer(eventlog::Store& store, eventlog::ReadModel& read_model, service::Tenants& tenants,
             service::Contacts& contacts, const Clock& clock, metrics::Registry& metrics,
             const Config& config)
    : store_(store),
      read_model_(read_model),
      tenants_(tenants),
      contacts_(contacts),
      clock_(clock),
      lateness_(metrics.histogram("flowstack_followup_lateness_seconds",
                                  "from a task's time to the append of what became of it")),
      metrics_(metrics),
      local_clock_(metrics),
      window_(config.window_length - config.window_margin),
      follow_up_late_(config.follow_up_late) {}

Time Timer::window_end_read(const std::string& tenant, const Plan& plan) {
    v1::CustomerView customer;
    const auto stored = read_model_.get(tenant, kCustomerDocument, plan.customer_id);
    if (!stored || !customer.ParseFromString(*stored)) return Time{};
    auto last_us = plan.channel_id.empty() ? customer.last_inbound_us() : 0;
    for (const auto& channel : customer.channels())
        if (channel.channel_id() == plan.channel_id.text()) last_us = channel.last_inbound_us();
    return last_us == 0 ? Time{} : from_unix_micros(last_us) + window_;
}

Time Timer::window_end_now(const std::string& tenant, const Plan& plan) {
    const auto contact = contacts_.find(tenant, plan.customer_id);
    if (!contact) return Time{};
    Time last{};
    if (plan.channel_id.empty() && contact->has_last_inbound_time())
        last = rpc::time_of(contact->last_inbound_time());
    for (const auto& window : contact->windows())
        if (window.channel_id() == plan.channel_id.text())
            last = rpc::time_of(window.last_inbound_time());
    return last == Time{} ? last : last + window_;
}

std::string Timer::approved_template(const std::string& tenant, const Plan& plan) {
    const auto template_key = plan.template_key.empty()
                                  ? "follow_up_" + std::string(text_of(plan.kind))
                                  : plan.template_key;
    return read_model_.get(tenant, kTemplateDocument, template_key) ? template_key : "";
}

void Timer::fire(const eventlog::WorkRow& row, eventlog::WorkRunner::Done done) {
    const auto key = TimerKey::parse(row.key);
    if (!key) throw std::invalid_argument("a timer with the key " + row.key);

    const auto tenant = service::tenant_view(read_model_, tenants_, key->tenant);

    const auto stream = task_stream(key->tenant, key->task_id);
    const auto history = store_.read_stream(stream);
    TaskState state;
    for (const auto& event : history)
        state = TaskCodec::evolve(std::move(state), event.type, event.payload, event.occurred_at);

    const Plan* known = plan_of(state.task);
    if (!known) throw std::runtime_error("a timer without its task: " + row.key);
    const Plan plan = *known;

    // The row is due by the database's clock; ours may be a little behind.
    const Time now = std::max(clock_.now(), row.due_at);
    const QuietHours quiet{tenant.quiet_start_minute(), tenant.quiet_end_minute()};
    FireTask fire{
        .now = now,
        .tenant = status_of(tenant),
        .quiet_until = local_clock_.quiet_until(key->tenant, quiet, tenant.time_zone(), now),
        .window_until = window_end_read(key->tenant, plan),
        .window_certain = false,
        .approved_template = approved_template(key->tenant, plan)};
    auto decision = decide(state.task, fire);
    if (!decision.accepted() && decision.rejection() == Rejection::window_uncertain) {
        fire.window_until = window_end_now(key->tenant, plan);
        fire.window_certain = true;
        decision = decide(state.task, fire);
    }
    // Not due: it was moved after the row was read. Over: somebody was faster.
    if (!decision.accepted()) return done();

    const auto& last = history.back();
    eventlog::Command command;
    command.id = eventlog::derive_id(row.key, plan.due, "timer", 0).text();
    command.tenant = key->tenant;
    command.dedupe = eventlog::Dedupe::version;
    command.owner_guard = row.guard;
    command.meta.routing = customer_routing(key->customer_id);
    command.meta.actor = "timer";
    command.meta.correlation_id = last.meta.correlation_id;
    command.meta.traceparent = last.meta.traceparent;
    command.meta.causation = last.where();
    command.meta.settings_version = last.meta.settings_version;

    eventlog::Part part{stream, last.version, {}};
    for (const auto& event : decision.events()) part.events.push_back(encode(event, now));
    command.parts.push_back(std::move(part));

    if (std::holds_alternative<TaskFired>(decision.events().front())) {
        const TaskId id(eventlog::derive_id(last.event_id, "reminder", 0).text());
        if (const auto reminder = reminder_after(plan, id, follow_up_late_))
            command.parts.push_back({task_stream(key->tenant, id),
                                     eventlog::kCreate,
                                     {encode(TaskScheduled{.plan = *reminder}, now)}});
    }

    const auto outcome = std::string(outcome_of(decision.events().front()));
    store_.append_async(
        std::move(command), [this, done = std::move(done), outcome, due = plan.due, key = row.key](
                                const eventlog::Verdict& verdict, const std::exception_ptr& error) {
            if (error) {
                log::warn("a timer could not be written, tried again", {{"key", key}});
            } else if (verdict.outcome == eventlog::Outcome::ok) {
                lateness_.observe(std::chrono::duration<double>(clock_.now() - due).count());
                metrics_
                    .counter("flowstack_followup_due_total", "tasks whose time came, by outcome",
                             {{"outcome", outcome}})
                    .add();
            }
            // Any other verdict: an answer came first, or another replica owns the lane now.
            done();
        });
}

}  // namespace flowstack::followup
