#include "services/followup/adapters/projections.h"

#include "common/core/corrupt_stream.h"
#include "common/core/overloaded.h"
#include "common/eventlog/payload.h"
#include "common/rpc/resource_name.h"
#include "common/rpc/timestamp.h"
#include "common/service/documents.h"
#include "common/service/tenant_view.h"
#include "flowstack/conversation/v1/content_events.pb.h"
#include "flowstack/followup/v1/task_service.pb.h"
#include "flowstack/followup/v1/views.pb.h"
#include "flowstack/gateway/v1/contact_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "services/followup/adapters/streams.h"

namespace flowstack::followup {
namespace {

using eventlog::is;
using eventlog::parsed;
using eventlog::Recorded;
using eventlog::Turn;
using rpc::set_time;
using service::document;
namespace conversation = flowstack::conversation::v1;
namespace gateway = flowstack::gateway::v1;

void fill_plan(v1::Task& out, const std::string& tenant, const Plan& plan) {
    out.set_name(rpc::resource_name(tenant, "tasks", plan.task_id));
    out.set_task_id(plan.task_id);
    out.set_kind(std::string(text_of(plan.kind)));
    out.set_customer_id(plan.customer_id);
    out.set_conversation_id(plan.conversation_id);
    out.set_channel_id(plan.channel_id);
    set_time(*out.mutable_due_time(), plan.due);
    out.set_text(plan.text);
    out.set_template_key(plan.template_key);
    out.set_language(plan.language);
    out.set_late_after_seconds(std::chrono::ceil<std::chrono::seconds>(plan.late_after).count());
}

void project_task(const Recorded& event, Turn& turn) {
    const auto& tenant = event.stream.tenant;
    std::optional<v1::Task> task;
    if (const auto before = turn.own(kTaskDocument)) task = parsed<v1::Task>(before->body);
    apply(task, event);
    turn.put({tenant, kTaskDocument, event.stream.key, task->customer_id(), task->state(),
              rpc::time_of(task->due_time()), task->SerializeAsString()});
}

void project_template(const Recorded& event, Turn& turn) {
    bool approved = false;
    if (is<conversation::TemplateSaved>(event)) {
        const auto m = parsed<conversation::TemplateSaved>(event);
        approved = m.active() && m.kind() == conversation::TEMPLATE_KIND_WHATSAPP_TEMPLATE;
    } else if (!is<conversation::TemplateDeleted>(event)) {
        return;
    }
    const auto& tenant = event.stream.tenant;
    const auto& key = event.stream.key;
    v1::TemplateView view;
    view.set_template_key(key);
    if (approved || turn.get(tenant, kTemplateDocument, key))
        turn.put({tenant, kTemplateDocument, key, "", "", event.occurred_at,
                  view.SerializeAsString(), !approved});
}

void put_customer(const v1::CustomerView& view, const Recorded& event, Turn& turn) {
    turn.put({event.stream.tenant, kCustomerDocument, view.customer_id(), "", "", event.occurred_at,
              view.SerializeAsString()});
}

v1::ChannelInbound& channel_of(v1::CustomerView& view, const std::string& channel_id) {
    for (auto& channel : *view.mutable_channels())
        if (channel.channel_id() == channel_id) return channel;
    auto& channel = *view.add_channels();
    channel.set_channel_id(channel_id);
    return channel;
}

void project_customer(const Recorded& event, Turn& turn) {
    const auto& tenant = event.stream.tenant;
    if (is<gateway::ContactSeen>(event)) {
        const auto m = parsed<gateway::ContactSeen>(event);
        auto view = document<v1::CustomerView>(turn, tenant, kCustomerDocument, m.customer_id());
        view.set_customer_id(m.customer_id());
        view.set_channel_id(m.channel_id());
        put_customer(view, event, turn);
    } else if (is<gateway::MessageReceived>(event)) {
        const auto m = parsed<gateway::MessageReceived>(event);
        // The provider's own news about a customer are no word of theirs and open no window.
        if (m.kind() == gateway::INBOUND_KIND_SYSTEM) return;
        auto view = document<v1::CustomerView>(turn, tenant, kCustomerDocument, m.customer_id());
        const auto at_us = unix_micros(event.occurred_at);
        view.set_customer_id(m.customer_id());
        if (view.channel_id().empty()) view.set_channel_id(m.channel_id());
        auto& here = channel_of(view, m.channel_id());
        here.set_last_inbound_us(std::max(here.last_inbound_us(), at_us));
        if (at_us >= view.last_inbound_us()) {
            view.set_last_inbound_us(at_us);
            view.set_last_inbound_id(m.provider_message_id());
            view.set_last_inbound_position(event.position);
        }
        put_customer(view, event, turn);
    }
}

}  // namespace

void fill(v1::Task& out, const std::string& tenant, const TaskState& state, std::int64_t version) {
    if (const auto* plan = plan_of(state.task)) fill_plan(out, tenant, *plan);
    std::visit(Overloaded{
                   [](const Absent&) {},
                   [&](const Scheduled& t) {
                       out.set_state("SCHEDULED");
                       out.set_postponements(t.postponements);
                       if (t.postpone_reason)
                           out.set_postpone_reason(std::string(text_of(*t.postpone_reason)));
                   },
                   [&](const Fired&) { out.set_state("FIRED"); },
                   [&](const Cancelled& t) {
                       out.set_state("CANCELLED");
                       out.set_reason(std::string(text_of(t.reason)));
                   },
                   [&](const Skipped& t) {
                       out.set_state("SKIPPED");
                       out.set_reason(std::string(text_of(t.reason)));
                   },
               },
               state.task);
    set_time(*out.mutable_create_time(), state.created);
    if (state.ended != Time{}) set_time(*out.mutable_end_time(), state.ended);
    out.set_etag(std::to_string(version));
}

void apply(std::optional<v1::Task>& task, const Recorded& event) {
    const auto fact = decode_task(event.type, event.payload);
    if (std::holds_alternative<TaskScheduled>(fact))
        task.emplace();
    else if (!task)
        throw CorruptStream("task: " + event.type + " of a task that was not scheduled");
    const auto ended = [&](const char* state) {
        task->set_state(state);
        set_time(*task->mutable_end_time(), event.occurred_at);
    };
    std::visit(Overloaded{
                   [&](const TaskScheduled& e) {
                       fill_plan(*task, event.stream.tenant, e.plan);
                       task->set_state("SCHEDULED");
                       set_time(*task->mutable_create_time(), event.occurred_at);
                   },
                   [&](const TaskPostponed& e) {
                       set_time(*task->mutable_due_time(), e.due);
                       task->set_postponements(task->postponements() + 1);
                       task->set_postpone_reason(std::string(text_of(e.reason)));
                   },
                   [&](const TaskFired&) { ended("FIRED"); },
                   [&](const TaskCancelled& e) {
                       ended("CANCELLED");
                       task->set_reason(std::string(text_of(e.reason)));
                   },
                   [&](const TaskSkipped& e) {
                       ended("SKIPPED");
                       task->set_reason(std::string(text_of(e.reason)));
                   },
               },
               fact);
    task->set_etag(std::to_string(event.version));
}

void project(const Recorded& event, Turn& turn) {
    const auto& category = event.stream.category;
    if (event.service == "followup") {
        if (category == kTaskCategory) project_task(event, turn);
    } else if (event.service == "conversation") {
        if (category == "template") project_template(event, turn);
    } else if (event.service == "gateway") {
        service::project_tenant(event, turn);
        project_customer(event, turn);
    }
}

}  // namespace flowstack::followup
