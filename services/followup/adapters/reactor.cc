#include "services/followup/adapters/handlers.h"

#include <set>
#include <utility>

#include "common/eventlog/payload.h"
#include "common/observability/log.h"
#include "flowstack/conversation/v1/content_events.pb.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/followup/v1/task_service.pb.h"
#include "flowstack/followup/v1/views.pb.h"
#include "flowstack/gateway/v1/contact_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/tenant_events.pb.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "services/followup/adapters/derive.h"
#include "services/followup/adapters/tenants.h"

namespace flowstack::followup {
namespace {

using eventlog::is;
using eventlog::parsed;
using eventlog::Recorded;
using eventlog::Turn;
namespace conversation = flowstack::conversation::v1;
namespace gateway = flowstack::gateway::v1;
namespace payment = flowstack::payment::v1;

// "auto-reply:<inbound id>:<n>" → the inbound id; empty for keys of another form.
std::string answered_inbound(const std::string& idempotency_key) {
    constexpr std::string_view kPrefix = "auto-reply:";
    if (!idempotency_key.starts_with(kPrefix)) return "";
    const auto end = idempotency_key.rfind(':');
    if (end < kPrefix.size()) return "";
    return idempotency_key.substr(kPrefix.size(), end - kPrefix.size());
}

template <class View>
View document(Turn& turn, const std::string& tenant, const char* kind, const std::string& id) {
    const auto found = turn.get(tenant, kind, id);
    return found ? parsed<View>(found->body) : View{};
}

}  // namespace

std::vector<std::string> open_tasks(const std::string& tenant, const std::string& customer_id,
                                    Turn& turn) {
    const auto prefix = TimerKey::prefix(tenant, customer_id);
    auto beyond = prefix;
    ++beyond.back();  // '/' + 1: the first text that does not begin with the prefix
    const int lane = turn.store().lane_of({eventlog::RoutingKind::customer, customer_id}, tenant);
    const auto result = turn.store().pool().with([&](postgres::Session& session) {
        return session.query(
            "select key from work where lane = $1 and kind = $2 and key collate \"C\" >= $3 and "
            "key collate \"C\" < $4",
            postgres::Params().add(lane).add(kTimerWork).add(prefix).add(beyond));
    });
    std::set<std::string> keys;
    for (int row = 0; row < result.rows(); ++row) keys.insert(result.text(row, 0));

    // What the batch has decided before this event is not in the table yet.
    for (const auto& command : turn.pending().commands) {
        if (command.tenant != tenant) continue;
        for (const auto& part : command.parts)
            for (const auto& event : part.events) {
                eventlog::Derived derived;
                derive(part.stream, lane, event, derived);
                for (const auto& put : derived.work_put)
                    if (put.key.starts_with(prefix)) keys.insert(put.key);
                for (const auto& del : derived.work_del) keys.erase(del.key);
            }
    }
    std::vector<std::string> ids;
    for (const auto& key : keys) ids.push_back(key.substr(prefix.size()));
    return ids;
}

// A task that is to be cancelled, and why.
struct Handlers::Open {
    std::string task_id;
    eventlog::Folded<TaskState> folded;
    CancelReason reason;
};

std::vector<Handlers::Open> Handlers::ended_by(const Fact& fact, const std::string& tenant,
                                               const std::string& customer_id, Turn& turn) {
    std::vector<Open> ended;
    for (const auto& task_id : open_tasks(tenant, customer_id, turn)) {
        auto folded = folds_.load(task_stream(tenant, task_id), turn);
        const auto* scheduled = std::get_if<Scheduled>(&folded.state.task);
        if (!scheduled) continue;
        if (const auto reason = ends(scheduled->plan, fact))
            ended.push_back({task_id, std::move(folded), *reason});
    }
    return ended;
}

namespace {

// A command on a customer's lane, with room for as many parts as one may have.
eventlog::Command command_for(const std::string& tenant, const std::string& customer_id) {
    eventlog::Command command;
    command.tenant = tenant;
    command.meta.routing = {eventlog::RoutingKind::customer, customer_id};
    return command;
}

}  // namespace

void Handlers::end(const Fact& fact, const std::string& tenant, const std::string& customer_id,
                   Turn& turn) {
    auto command = command_for(tenant, customer_id);
    for (const auto& open : ended_by(fact, tenant, customer_id, turn)) {
        if (command.parts.size() == eventlog::kPartsMax) {
            // Conversation and gateway look once more before anything is said (nothing inbound
            // since …).
            log::warn("more follow-ups wait for one answer than one command can end",
                      {{"tenant", tenant}, {"customer", customer_id}});
            break;
        }
        const auto& state = open.folded.state;
        const auto decision = decide(state.task, CancelTask{open.reason, ""});
        if (!decision.accepted() || decision.events().empty()) continue;
        eventlog::Part part{task_stream(tenant, open.task_id), open.folded.expected(), {}};
        for (const auto& event : decision.events())
            part.events.push_back(encode(event, *plan_of(state.task), turn.event().occurred_at));
        command.parts.push_back(std::move(part));
    }
    if (!command.parts.empty()) turn.append(std::move(command), "cancel");
}

// One append: the new task, and the end of those that it replaces.
void Handlers::schedule(Plan plan, const Fact* replaces, Turn& turn) {
    const auto& event = turn.event();
    const auto& tenant = event.stream.tenant;
    const auto stream = task_stream(tenant, plan.task_id);
    const auto folded = folds_.load(stream, turn);
    const auto decision = decide(folded.state.task, ScheduleTask{plan});
    if (!decision.accepted()) {
        // Rejection::exists: conversation used this id before, and the first task stands.
        if (decision.rejection() != Rejection::exists)
            log::warn("task not scheduled: it has nobody to speak to or nothing to say",
                      {{"tenant", tenant},
                       {"customer", plan.customer_id},
                       {"conversation", plan.conversation_id},
                       {"kind", std::string(word(plan.kind))}});
        return;
    }

    auto command = command_for(tenant, plan.customer_id);
    eventlog::Part created{stream, eventlog::kCreate, {}};
    for (const auto& fact : decision.events())
        created.events.push_back(encode(fact, plan, event.occurred_at));
    command.parts.push_back(std::move(created));
    if (replaces)
        for (const auto& open : ended_by(*replaces, tenant, plan.customer_id, turn)) {
            if (command.parts.size() == eventlog::kPartsMax) break;
            const auto& state = open.folded.state;
            const auto cancel = decide(state.task, CancelTask{open.reason, ""});
            eventlog::Part part{task_stream(tenant, open.task_id), open.folded.expected(), {}};
            for (const auto& fact : cancel.events())
                part.events.push_back(encode(fact, *plan_of(state.task), event.occurred_at));
            command.parts.push_back(std::move(part));
        }
    turn.append(std::move(command), "schedule");
}

void Handlers::react(const Recorded& event, Turn& turn) {
    const auto& tenant = event.stream.tenant;
    if (is<gateway::MessageReceived>(event)) {
        const auto m = parsed<gateway::MessageReceived>(event);
        end(CustomerWrote{m.provider_message_id(), event.occurred_at, event.position}, tenant,
            m.customer_id(), turn);
    } else if (is<conversation::ReplyRequested>(event)) {
        const auto m = parsed<conversation::ReplyRequested>(event);
        // Only the bot's own questions: what an agent says, and what a follow-up says, is not
        // followed up.
        if (!m.expects_answer() || m.kind() != "reply" || !m.agent().empty() ||
            !m.task_id().empty())
            return;
        Plan plan;
        plan.task_id = turn.derived_id("gentle", 0).text();
        plan.kind = Kind::gentle;
        plan.customer_id = m.customer_id();
        plan.conversation_id = m.conversation_id();
        plan.channel_id = m.channel_id();
        plan.due = event.occurred_at + config_.gentle_after_ms;
        plan.about_message_id = m.message_id();
        plan.answered_inbound_id = answered_inbound(m.idempotency_key());
        plan.since = event.occurred_at;
        // A reply to a message is caused by it.
        if (const auto& cause = event.meta.causation;
            cause && cause->service == "gateway" && !plan.answered_inbound_id.empty())
            plan.answered_position = cause->position;
        if (m.window_evidence_us() != 0) {
            plan.since = from_unix_micros(m.window_evidence_us());
            plan.window_until = plan.since + config_.window_ms - config_.window_margin_ms;
        }
        plan.late_after = config_.follow_up_late_ms;
        plan.reminder_after = config_.reminder_after_ms;
        // The answer may have come by gateway's topic before the question came by conversation's.
        const auto seen =
            document<v1::CustomerView>(turn, tenant, kCustomerDocument, plan.customer_id);
        if (!seen.last_inbound_id().empty() &&
            ends(plan,
                 CustomerWrote{seen.last_inbound_id(), from_unix_micros(seen.last_inbound_us()),
                               seen.last_inbound_position()}))
            return;
        const Fact asked_again = BotAskedAgain{plan.conversation_id};
        schedule(std::move(plan), &asked_again, turn);
    } else if (is<conversation::FollowUpRequested>(event)) {
        const auto m = parsed<conversation::FollowUpRequested>(event);
        Plan plan;
        plan.task_id = m.task_id();
        // A tenant's flow may call its follow-ups what it likes: the words come with the wish.
        plan.kind = kind_of(m.kind()).value_or(Kind::custom);
        plan.customer_id = m.customer_id();
        plan.conversation_id = m.conversation_id();
        plan.channel_id = m.channel_id();
        plan.due = from_unix_micros(m.due_at_us());
        plan.language = m.language();
        plan.text = m.personal().text();
        schedule(std::move(plan), nullptr, turn);
    } else if (is<conversation::ConversationAdvanced>(event)) {
        const auto m = parsed<conversation::ConversationAdvanced>(event);
        // The event does not name the customer; the key of its lane does.
        const auto& customer = event.meta.routing.key;
        if (m.to_state() == "CLOSED")
            end(ConversationClosed{event.stream.key}, tenant, customer, turn);
        else if (m.to_state() == "ESCALATED")
            end(ConversationEscalated{event.stream.key}, tenant, customer, turn);
    } else if (is<payment::IntentPaid>(event)) {
        const auto m = parsed<payment::IntentPaid>(event);
        end(CustomerPaid{m.conversation_id()}, tenant, m.customer_id(), turn);
    }
}

namespace {

void project_task(const Recorded& event, Turn& turn) {
    const auto& tenant = event.stream.tenant;
    std::optional<v1::Task> task;
    if (const auto before = turn.own(kTaskDocument)) task = parsed<v1::Task>(before->body);
    project(task, event);
    const auto due = Time{std::chrono::seconds{task->due_time().seconds()} +
                          Micros{task->due_time().nanos() / 1000}};
    turn.put({tenant, kTaskDocument, event.stream.key, task->customer_id(), task->state(), due,
              task->SerializeAsString()});
}

void project_tenant(const Recorded& event, Turn& turn) {
    const auto& tenant = event.stream.tenant;
    auto view = document<v1::TenantView>(turn, tenant, kTenantDocument, tenant);
    const auto settings = [&](const gateway::TenantSettings& s) { take_settings(view, s); };
    if (is<gateway::TenantRegistered>(event)) {
        view.set_status("ACTIVE");
        settings(parsed<gateway::TenantRegistered>(event).settings());
    } else if (is<gateway::TenantSettingsChanged>(event)) {
        settings(parsed<gateway::TenantSettingsChanged>(event).settings());
    } else if (is<gateway::TenantSuspended>(event)) {
        view.set_status("SUSPENDED");
    } else if (is<gateway::TenantResumed>(event)) {
        view.set_status("ACTIVE");
    } else if (is<gateway::TenantClosed>(event)) {
        view.set_status("CLOSED");
    } else {
        return;
    }
    turn.put({tenant, kTenantDocument, tenant, "", view.status(), event.occurred_at,
              view.SerializeAsString()});
}

void project_template(const Recorded& event, Turn& turn) {
    bool approved = false;
    if (is<conversation::TemplateSaved>(event)) {
        const auto m = parsed<conversation::TemplateSaved>(event);
        approved = m.active() && m.kind() == "whatsapp_template";
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

}  // namespace

void Handlers::project(const Recorded& event, Turn& turn) {
    if (event.service == "followup") {
        if (event.stream.category == kTaskCategory) project_task(event, turn);
        return;
    }
    if (event.service == "conversation" && event.stream.category == "template")
        return project_template(event, turn);
    if (event.service != "gateway") return;
    const auto& tenant = event.stream.tenant;
    if (is<gateway::ContactSeen>(event)) {
        const auto m = parsed<gateway::ContactSeen>(event);
        auto view = document<v1::CustomerView>(turn, tenant, kCustomerDocument, m.customer_id());
        view.set_customer_id(m.customer_id());
        view.set_channel_id(m.channel_id());
        put_customer(view, event, turn);
    } else if (is<gateway::MessageReceived>(event)) {
        const auto m = parsed<gateway::MessageReceived>(event);
        auto view = document<v1::CustomerView>(turn, tenant, kCustomerDocument, m.customer_id());
        if (unix_micros(event.occurred_at) < view.last_inbound_us()) return;
        view.set_customer_id(m.customer_id());
        if (view.channel_id().empty()) view.set_channel_id(m.channel_id());
        view.set_last_inbound_us(unix_micros(event.occurred_at));
        view.set_last_inbound_id(m.provider_message_id());
        view.set_last_inbound_position(event.position);
        put_customer(view, event, turn);
    } else if (event.stream.category == "tenant") {
        project_tenant(event, turn);
    }
}

}  // namespace flowstack::followup
