#include "services/followup/adapters/reactor.h"

#include <utility>

#include "common/eventlog/payload.h"
#include "common/observability/log.h"
#include "flowstack/conversation/v1/booking_events.pb.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/followup/v1/views.pb.h"
#include "flowstack/gateway/v1/contact_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "services/followup/adapters/derive.h"
#include "services/followup/adapters/projections.h"
#include "services/followup/adapters/streams.h"
#include "services/followup/loop_statements.h"

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
InboundId answered_inbound(const std::string& idempotency_key) {
    constexpr std::string_view kPrefix = "auto-reply:";
    if (!idempotency_key.starts_with(kPrefix)) return {};
    const auto end = idempotency_key.rfind(':');
    if (end < kPrefix.size()) return {};
    return InboundId(idempotency_key.substr(kPrefix.size(), end - kPrefix.size()));
}

// The first transition of a turn that ends what waits for an answer; a later one finds nothing
// left.
std::optional<Fact> end_of_dialogue(const Recorded& event) {
    const ConversationId conversation_id(event.stream.key);
    const auto turn = parsed<conversation::DialogueTurn>(event);
    for (const auto& step : turn.steps()) {
        const auto to = step.conversation_advanced().to_state();
        if (to == conversation::CONVERSATION_STATE_CLOSED)
            return ConversationClosed{.conversation_id = conversation_id};
        if (to == conversation::CONVERSATION_STATE_ESCALATED)
            return ConversationEscalated{.conversation_id = conversation_id};
    }
    return std::nullopt;
}

// The gentle follow-up to a question of the bot.
TaskId gentle_task(const Recorded& question) {
    return TaskId(eventlog::derive_id(question.event_id, "gentle", 0).text());
}

// A command on a customer's lane, with room for as many parts as one may have.
eventlog::Command command_for(const std::string& tenant, const CustomerId& customer_id) {
    eventlog::Command command;
    command.tenant = tenant;
    command.meta.routing = customer_routing(customer_id);
    return command;
}

}  // namespace

void Reactor::prepare(std::span<const Recorded* const> events, eventlog::Pending& pending) {
    std::set<Customer> customers;
    std::vector<eventlog::WantedDocument> documents;
    std::vector<eventlog::StreamName> tasks;
    for (const auto* event : events) {
        if (event->meta.routing.kind != eventlog::RoutingKind::customer) continue;
        const auto& tenant = event->stream.tenant;
        const CustomerId customer(event->meta.routing.key);
        const bool asks = is<conversation::ReplyRequested>(*event);
        const bool writes = is<gateway::MessageReceived>(*event);
        if (asks || writes || is<gateway::ContactSeen>(*event))
            documents.push_back({{tenant, kCustomerDocument, customer.text()}, event->lane});
        if (asks || writes || is<payment::IntentPaid>(*event)) customers.insert({tenant, customer});
        if (asks) tasks.push_back(task_stream(tenant, gentle_task(*event).text()));
    }
    eventlog::read_ahead(store_, pending, documents);
    folds_.read_ahead(tasks, pending);
    timers_.clear();
    read_timers(customers);
}

void Reactor::read_timers(const std::set<Customer>& customers) {
    if (customers.empty()) return;
    std::vector<std::int32_t> lanes;
    std::vector<std::string> first, beyond;
    std::vector<std::set<std::string>*> keys;
    for (const auto& customer : customers) {
        lanes.push_back(store_.lane_of(customer_routing(customer.customer_id), customer.tenant));
        first.push_back(TimerKey::prefix(customer.tenant, customer.customer_id));
        beyond.push_back(first.back());
        ++beyond.back().back();  // '/' + 1: the first text that does not begin with the prefix
        keys.push_back(&timers_[customer]);
    }
    const auto result = store_.pool().with([&](postgres::Session& session) {
        return session.query(
            kOpenTimers.sql,
            postgres::Params().add(kTimerWork).add_array(lanes).add_array(first).add_array(beyond));
    });
    for (int row = 0; row < result.rows(); ++row)
        keys[static_cast<std::size_t>(result.int8(row, 0) - 1)]->insert(result.text(row, 1));
}

// The ids of a customer's tasks whose timers are set, as this batch of events sees it.
std::vector<TaskId> Reactor::open_tasks(const Customer& customer, Turn& turn) {
    if (!timers_.contains(customer)) read_timers({customer});
    auto keys = timers_[customer];
    const auto prefix = TimerKey::prefix(customer.tenant, customer.customer_id);
    const int lane = store_.lane_of(customer_routing(customer.customer_id), customer.tenant);
    // What the batch has decided before this event is not in the table yet.
    for (const auto& command : turn.pending().commands) {
        if (command.tenant != customer.tenant) continue;
        for (const auto& part : command.parts)
            for (const auto& event : part.events) {
                eventlog::Derived derived;
                derive(part.stream, lane, event, derived);
                for (const auto& put : derived.work_put)
                    if (put.key.starts_with(prefix)) keys.insert(put.key);
                for (const auto& del : derived.work_del) keys.erase(del.key);
            }
    }
    std::vector<TaskId> ids;
    for (const auto& key : keys) ids.emplace_back(key.substr(prefix.size()));
    return ids;
}

// A task that is to be cancelled, and why.
struct Reactor::Open {
    TaskId task_id;
    eventlog::Folded<TaskState> folded;
    CancelReason reason;
};

std::vector<Reactor::Open> Reactor::ended_by(const Fact& fact, const std::string& tenant,
                                             const CustomerId& customer_id, Turn& turn) {
    std::vector<Open> ended;
    for (const auto& task_id : open_tasks({tenant, customer_id}, turn)) {
        auto folded = folds_.load(task_stream(tenant, task_id), turn);
        const auto* scheduled = std::get_if<Scheduled>(&folded.state.task);
        if (!scheduled) continue;
        if (const auto reason = ends(scheduled->plan, fact))
            ended.push_back({task_id, std::move(folded), *reason});
    }
    return ended;
}

std::optional<eventlog::Part> Reactor::cancelled(const Open& open, Turn& turn) const {
    const auto decision =
        decide(open.folded.state.task, CancelTask{.reason = open.reason, .note = ""});
    if (!decision.accepted() || decision.events().empty()) return std::nullopt;
    eventlog::Part part{
        task_stream(turn.event().stream.tenant, open.task_id), open.folded.expected(), {}};
    for (const auto& event : decision.events())
        part.events.push_back(encode(event, turn.event().recorded_at));
    return part;
}

void Reactor::end(const Fact& fact, const std::string& tenant, const CustomerId& customer_id,
                  Turn& turn) {
    auto command = command_for(tenant, customer_id);
    for (const auto& open : ended_by(fact, tenant, customer_id, turn)) {
        if (command.parts.size() == eventlog::kPartsMax) {
            // Conversation and gateway look once more before anything is said (nothing inbound
            // since …).
            log::warn("more follow-ups wait for one answer than one command can end",
                      {{"tenant", tenant}, {"customer", customer_id.text()}});
            break;
        }
        if (auto part = cancelled(open, turn)) command.parts.push_back(std::move(*part));
    }
    if (!command.parts.empty()) turn.append(std::move(command), "cancel");
}

// One append: the new task, and the end of those that it replaces.
void Reactor::schedule(Plan plan, const Fact* replaces, Turn& turn) {
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
                       {"customer", plan.customer_id.text()},
                       {"conversation", plan.conversation_id.text()},
                       {"kind", std::string(text_of(plan.kind))}});
        return;
    }

    auto command = command_for(tenant, plan.customer_id);
    eventlog::Part created{stream, eventlog::kCreate, {}};
    for (const auto& fact : decision.events())
        created.events.push_back(encode(fact, event.recorded_at));
    command.parts.push_back(std::move(created));
    if (replaces)
        for (const auto& open : ended_by(*replaces, tenant, plan.customer_id, turn)) {
            if (command.parts.size() == eventlog::kPartsMax) break;
            if (auto part = cancelled(open, turn)) command.parts.push_back(std::move(*part));
        }
    turn.append(std::move(command), "schedule");
}

void Reactor::remind(const TaskId& ended, CancelReason reason, const Plan& next, Turn& turn) {
    const auto& event = turn.event();
    const auto& tenant = event.stream.tenant;
    auto command = command_for(tenant, next.customer_id);
    if (!next.task_id.empty()) {
        const auto stream = task_stream(tenant, next.task_id);
        const auto decision = decide(folds_.load(stream, turn).state.task, ScheduleTask{next});
        if (decision.accepted()) {
            eventlog::Part created{stream, eventlog::kCreate, {}};
            for (const auto& fact : decision.events())
                created.events.push_back(encode(fact, event.recorded_at));
            command.parts.push_back(std::move(created));
        } else if (decision.rejection() != Rejection::exists) {
            log::warn("reminder not scheduled: it has nobody to speak to or nothing to say",
                      {{"tenant", tenant}, {"customer", next.customer_id.text()}});
        }
    }
    if (!ended.empty()) {
        Open open{ended, folds_.load(task_stream(tenant, ended), turn), reason};
        if (auto part = cancelled(open, turn)) command.parts.push_back(std::move(*part));
    }
    if (!command.parts.empty()) turn.append(std::move(command), "booking");
}

namespace {

// The reminder that BookingMade and BookingMoved ask for. Nothing that the customer writes ends it.
// It is said in whichever conversation the customer has then, and not after the booking began.
template <class Message>
Plan reminder_of(const Message& m) {
    Plan plan;
    plan.task_id = TaskId(m.reminder_task_id());
    plan.kind = Kind::booking;
    plan.customer_id = CustomerId(m.customer_id());
    plan.channel_id = ChannelId(m.channel_id());
    plan.due = from_unix_micros(m.reminder_at_us());
    plan.late_after = from_unix_micros(m.starts_at_us()) - plan.due;
    plan.language = m.language();
    plan.text = m.personal().reminder_text();
    plan.template_key = m.reminder_template_key();
    return plan;
}

}  // namespace

void Reactor::react(const Recorded& event, Turn& turn) {
    const auto& tenant = event.stream.tenant;
    if (is<gateway::MessageReceived>(event)) {
        const auto m = parsed<gateway::MessageReceived>(event);
        // The provider's own news about a customer (a new number) are no answer of theirs.
        if (m.kind() == gateway::INBOUND_KIND_SYSTEM) return;
        end(CustomerWrote{.inbound_id = InboundId(m.provider_message_id()),
                          .at = event.occurred_at,
                          .position = event.position},
            tenant, CustomerId(m.customer_id()), turn);
    } else if (is<conversation::ReplyRequested>(event)) {
        const auto m = parsed<conversation::ReplyRequested>(event);
        // Only the bot's own questions: what an agent says, and what a follow-up says, is not
        // followed up.
        if (!m.expects_answer() || m.kind() != conversation::REPLY_KIND_REPLY ||
            !m.agent().empty() || !m.task_id().empty())
            return;
        Plan plan;
        plan.task_id = gentle_task(event);
        plan.kind = Kind::gentle;
        plan.customer_id = CustomerId(m.customer_id());
        plan.conversation_id = ConversationId(m.conversation_id());
        plan.channel_id = ChannelId(m.channel_id());
        plan.due = event.recorded_at + config_.gentle_after;
        plan.about_message_id = MessageId(m.message_id());
        plan.answered_inbound_id = answered_inbound(m.idempotency_key());
        plan.since = event.recorded_at;
        // A reply to a message is caused by it.
        if (const auto& cause = event.meta.causation;
            cause && cause->service == "gateway" && !plan.answered_inbound_id.empty())
            plan.answered_position = cause->position;
        if (m.window_evidence_us() != 0) {
            plan.since = from_unix_micros(m.window_evidence_us());
            plan.window_until = plan.since + config_.window_length - config_.window_margin;
        }
        plan.late_after = config_.follow_up_late;
        plan.reminder_after = config_.reminder_after;
        // The answer may have come by gateway's topic before the question came by conversation's.
        v1::CustomerView seen;
        if (const auto found = turn.get(tenant, kCustomerDocument, plan.customer_id))
            seen = parsed<v1::CustomerView>(found->body);
        if (!seen.last_inbound_id().empty() &&
            ends(plan, CustomerWrote{.inbound_id = InboundId(seen.last_inbound_id()),
                                     .at = from_unix_micros(seen.last_inbound_us()),
                                     .position = seen.last_inbound_position()}))
            return;
        const Fact asked_again = BotAskedAgain{.conversation_id = plan.conversation_id};
        schedule(std::move(plan), &asked_again, turn);
    } else if (is<conversation::FollowUpRequested>(event)) {
        const auto m = parsed<conversation::FollowUpRequested>(event);
        Plan plan;
        plan.task_id = TaskId(m.task_id());
        // A tenant's flow may call its follow-ups what it likes: the words come with the wish.
        plan.kind = parse_kind(m.kind()).value_or(Kind::custom);
        plan.customer_id = CustomerId(m.customer_id());
        plan.conversation_id = ConversationId(m.conversation_id());
        plan.channel_id = ChannelId(m.channel_id());
        plan.due = from_unix_micros(m.due_at_us());
        plan.language = m.language();
        plan.text = m.personal().text();
        schedule(std::move(plan), nullptr, turn);
    } else if (is<conversation::BookingMade>(event)) {
        remind({}, CancelReason::replaced, reminder_of(parsed<conversation::BookingMade>(event)),
               turn);
    } else if (is<conversation::BookingMoved>(event)) {
        const auto m = parsed<conversation::BookingMoved>(event);
        remind(TaskId(m.ended_task_id()), CancelReason::replaced, reminder_of(m), turn);
    } else if (is<conversation::BookingCancelled>(event)) {
        const auto m = parsed<conversation::BookingCancelled>(event);
        Plan none;
        none.customer_id = CustomerId(m.customer_id());
        remind(TaskId(m.ended_task_id()), CancelReason::booking_over, none, turn);
    } else if (is<conversation::BookingAttended>(event)) {
        const auto m = parsed<conversation::BookingAttended>(event);
        Plan none;
        none.customer_id = CustomerId(m.customer_id());
        remind(TaskId(m.ended_task_id()), CancelReason::booking_over, none, turn);
    } else if (is<conversation::DialogueTurn>(event)) {
        // The event does not name the customer; the key of its lane does.
        const CustomerId customer(event.meta.routing.key);
        if (const auto fact = end_of_dialogue(event)) end(*fact, tenant, customer, turn);
    } else if (is<payment::IntentPaid>(event)) {
        const auto m = parsed<payment::IntentPaid>(event);
        end(CustomerPaid{.conversation_id = ConversationId(m.conversation_id())}, tenant,
            CustomerId(m.customer_id()), turn);
    }
}

}  // namespace flowstack::followup
