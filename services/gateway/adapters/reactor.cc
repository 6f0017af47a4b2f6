#include "services/gateway/adapters/reactor.h"

#include <cstring>

#include "common/core/corrupt_stream.h"
#include "common/eventlog/payload.h"
#include "common/observability/log.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "services/gateway/adapters/content.h"
#include "services/gateway/adapters/derive.h"

namespace flowstack::gateway {
namespace {

using eventlog::Command;
using eventlog::is;
using eventlog::parsed;
using eventlog::Recorded;
using eventlog::Turn;

constexpr std::size_t kDoubtedMax = 10'000;

// A number in [0, 1) that is the same whenever this event is handled.
double fraction_of(const Recorded& event) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, event.event_id.bytes.data() + 12, sizeof bits);
    return static_cast<double>(bits) / 4294967296.0;
}

template <class Event>
Command command_on(const std::string& tenant, eventlog::Routing routing,
                   eventlog::StreamName stream, std::int64_t expected,
                   const std::vector<Event>& events, Time at) {
    Command command;
    command.tenant = tenant;
    command.meta.routing = std::move(routing);
    command.parts.push_back({std::move(stream), expected, encode_all(events, at)});
    return command;
}

// The origin of a message that conversation asked for.
OriginKind kind_of(conversation::v1::ReplyKind kind) {
    switch (kind) {
        case conversation::v1::REPLY_KIND_FOLLOW_UP:
            return OriginKind::follow_up;
        case conversation::v1::REPLY_KIND_AGENT:
            return OriginKind::agent;
        default:
            return OriginKind::reply;
    }
}

int priority_of(OriginKind kind) {
    return kind == OriginKind::follow_up ? kPriorityFollowUp : kPriorityReply;
}

// Where statuses of an accepted message lie that came before it.
eventlog::StreamName delivery_of(const Recorded& accepted) {
    const auto m = parsed<v1::SendAccepted>(accepted);
    return delivery_stream(accepted.stream.tenant, ProviderMessageId(m.provider_message_id()));
}

}  // namespace

RetryPolicy policy_of(RetryPolicy policy, const TenantEntry* tenant) {
    policy.send_unknown_again =
        tenant != nullptr && tenant->tenant.settings.unknown_text_policy == "send_again";
    return policy;
}

void Reactor::react(const Recorded& event, Turn& turn) {
    if (is<conversation::v1::ReplyRequested>(event)) return queue_reply(event, turn);
    if (event.service != "gateway") return;
    if (is<v1::StatusReported>(event)) return judge_status(event, turn);
    if (event.stream.category == "contact") return link_contacts(event, turn);
    if (is<v1::StatusParked>(event)) return move_parked(event, turn);
    if (is<v1::SendAccepted>(event)) return move_after_acceptance(event, turn);
    if (is<v1::MessageSuppressed>(event)) return keep_opt_out(event, turn);
}

void Reactor::queue_reply(const Recorded& event, Turn& turn) {
    const auto reply = parsed<conversation::v1::ReplyRequested>(event);
    const auto& tenant = event.stream.tenant;
    if (turn.refusal()) {
        // Another message has this idempotency key: the reply was queued before.
        log::warn("a reply's idempotency key is taken",
                  {{"tenant", tenant}, {"message", reply.message_id()}});
        return;
    }
    QueueMessage queue;
    queue.message_id = MessageId(reply.message_id());
    queue.channel_id = ChannelId(reply.channel_id());
    queue.customer_id = CustomerId(reply.customer_id());
    queue.idempotency_key = reply.idempotency_key();
    const auto kind = kind_of(reply.kind());
    queue.origin = {
        .kind = kind,
        .id = OriginId(reply.task_id().empty() ? reply.conversation_id() : reply.task_id()),
        .recipient = {}};
    queue.priority = priority_of(kind);
    queue.preconditions.purpose = reply.purpose() == conversation::v1::REPLY_PURPOSE_UTILITY
                                      ? Purpose::utility
                                      : Purpose::service;
    queue.preconditions.nothing_inbound_since = from_unix_micros(reply.nothing_inbound_since_us());
    // Only an approved template may leave outside the window.
    queue.preconditions.needs_open_window = !reply.personal().content().has_template_();
    queue.preconditions.window_evidence = from_unix_micros(reply.window_evidence_us());
    // conversation says what it does about a message at the time at which the message was stored.
    // What it says about a payment or by itself answers nobody who waits.
    if (kind == OriginKind::reply && event.meta.causation &&
        event.meta.causation->service == "gateway")
        queue.inbound_stored_at = event.occurred_at;
    queue.to = reply.personal().to();
    queue.content = with_plain_parameters(reply.personal().content()).SerializeAsString();
    if (queue.to.empty() || queue.channel_id.empty()) {
        const auto found = contacts_.follow(tenant, queue.customer_id);
        if (const auto* contact = std::get_if<OpenContact>(&found.contact.state)) {
            if (queue.to.empty()) queue.to = address_of(*contact);
            if (queue.channel_id.empty()) queue.channel_id = contact->channel_id;
        }
    }
    if (queue.channel_id.empty())
        if (const auto channels = directory_.channels_of(tenant); !channels.empty())
            queue.channel_id = channels.front()->channel.channel_id;

    const auto stream = message_stream(tenant, queue.message_id);
    const auto message = message_of_reply(stream, turn);
    const auto decision = decide(message.state, queue);
    if (!decision.accepted()) return;
    // The source's recorded time is strictly increasing in its lane, and all of one chat is in one
    // lane: the queue keeps the order in which conversation spoke.
    auto command = command_on(tenant, by_customer(queue.customer_id), stream, message.expected(),
                              decision.events(), event.recorded_at);
    DeparturePtr departure;
    if (ask_departure_) {
        const auto its_contact = contact_stream(tenant, queue.customer_id);
        auto contact = contacts_.folds().remembered(its_contact);
        if (!contact) contact = contacts_.folds().load(its_contact);
        departure = ask_departure_(tenant, queue, *contact, OtherWriters::none);
    }
    if (departure) departure->join(command);
    const auto& meta = event.meta;
    turn.append(
        std::move(command), "react",
        [this, departure, key = stream.key,
         correlation = meta.correlation_id.empty() ? event.event_id.text() : meta.correlation_id](
            eventlog::Fate fate, const eventlog::Verdict& verdict) {
            if (fate == eventlog::Fate::written)
                read_first_.erase(key);
            else
                doubt(key);
            if (!departure) return;
            switch (fate) {
                case eventlog::Fate::written:
                    return departure->written(
                        {store_.options().service, verdict.lane, verdict.first_position},
                        correlation);
                case eventlog::Fate::not_written:
                    return departure->not_written();
                case eventlog::Fate::unknown:
                    return departure->unknown();
            }
        });
}

// A reply that was just asked for is a new message, so its stream is not read: the append expects
// that it is new. After an append that did not count it is read.
eventlog::Folded<Message> Reactor::message_of_reply(const eventlog::StreamName& stream,
                                                    Turn& turn) {
    if (!read_first_.contains(stream.key) && turn.pending().events(stream).empty()) return {};
    return messages_.load(stream, turn);
}

void Reactor::doubt(const std::string& message_id) {
    if (read_first_.size() >= kDoubtedMax) read_first_.clear();
    read_first_.insert(message_id);
}

void Reactor::prepare(std::span<const Recorded* const> events, eventlog::Pending&) {
    std::set<eventlog::StreamName> customers;
    std::vector<eventlog::Store::StreamTail> deliveries;
    for (const auto* event : events) {
        const auto& tenant = event->stream.tenant;
        if (is<conversation::v1::ReplyRequested>(*event)) {
            if (ask_departure_ && event->meta.routing.kind == eventlog::RoutingKind::customer)
                customers.insert(contact_stream(tenant, CustomerId(event->meta.routing.key)));
        } else if (is<v1::SendAccepted>(*event)) {
            deliveries.push_back({delivery_of(*event), 1});
        }
    }
    if (!customers.empty())
        contacts_.folds().load_all(std::vector(customers.begin(), customers.end()));
    came_before_.clear();
    if (deliveries.empty()) return;
    auto parked = store_.read_streams(deliveries);
    for (std::size_t i = 0; i < deliveries.size(); ++i)
        came_before_[deliveries[i].stream] = std::move(parked[i]);
}

void Reactor::judge_status(const Recorded& event, Turn& turn) {
    const auto status = parsed<v1::StatusReported>(event);
    if (status.status() != "failed") return;
    const auto& tenant = event.stream.tenant;
    const auto message = messages_.load(event.stream, turn);
    const auto entry = directory_.tenant(tenant);
    const auto decision = decide(
        message.state,
        JudgeFailedStatus{.attempt = status.attempt(),
                          .provider_message_id = ProviderMessageId(status.provider_message_id()),
                          .error = from_proto(status.error()),
                          .policy = policy_of(policy_, entry.get()),
                          .random = fraction_of(event),
                          .now = event.recorded_at});
    if (!decision.accepted() || decision.events().empty()) return;
    turn.append(command_on(tenant, event.meta.routing, event.stream, message.expected(),
                           decision.events(), event.recorded_at));
}

void Reactor::link_contacts(const Recorded& event, Turn& turn) {
    const auto fact = decode_contact(event.type, event.payload);
    const auto* merged = std::get_if<ContactMerged>(&fact);
    if (merged == nullptr) return;
    const auto& tenant = event.stream.tenant;
    const auto link = contacts_.last_words(tenant, CustomerId(event.stream.key));
    const auto survivor = contacts_.follow(tenant, merged->into);
    change_contact(tenant, survivor.customer_id, link, event, turn);
}

namespace {

Command moved(const std::string& tenant, const MessageAddress& address,
              const std::vector<v1::StatusParked>& statuses, const Message& message, Time at) {
    std::vector<MessageEvent> events;
    for (const auto& parked : statuses)
        events.emplace_back(
            StatusReported{.status = parked.status(),
                           .provider_message_id = ProviderMessageId(parked.provider_message_id()),
                           .provider_time = from_unix_micros(parked.provider_time_us()),
                           .error = from_proto(parked.error()),
                           .price = from_proto(parked.price()),
                           .route = {.channel_id = message.message.channel_id,
                                     .customer_id = address.customer_id,
                                     .origin = message.message.origin,
                                     .priority = message.message.priority}});
    auto command =
        command_on(tenant, by_customer(address.customer_id),
                   message_stream(tenant, address.message_id), eventlog::kAny, events, at);
    // Both ways of moving may see the same status: it is told once.
    command.id = "moved/" + tenant + "/" + statuses.front().provider_message_id() + "/" +
                 statuses.front().status() + "/" + std::to_string(statuses.size());
    command.dedupe = eventlog::Dedupe::claim;
    return command;
}

}  // namespace

void Reactor::move_parked(const Recorded& event, Turn& turn) {
    if (turn.refusal()) return;  // moved already
    const auto parked = parsed<v1::StatusParked>(event);
    const auto& tenant = event.stream.tenant;
    const auto claim = store_.claim(tenant, kProviderMessageClaim, parked.provider_message_id());
    if (!claim) return;  // its message may still come: then it is moved from there
    const auto address = read_claim_value(claim->value);
    if (!address) return;
    const auto message = messages_.load(message_stream(tenant, address->message_id), turn);
    turn.append(moved(tenant, *address, {parked}, message.state, event.recorded_at));
}

void Reactor::move_after_acceptance(const Recorded& event, Turn& turn) {
    if (turn.refusal()) return;
    std::vector<v1::StatusParked> statuses;
    // Those that come after the acceptance find the claim by themselves.
    for (const auto& stored : came_before_[delivery_of(event)])
        statuses.push_back(parsed<v1::StatusParked>(stored));
    if (statuses.empty()) return;
    const auto accepted = parsed<v1::SendAccepted>(event);
    const auto& tenant = event.stream.tenant;
    const auto message = messages_.load(event.stream, turn);
    turn.append(moved(tenant,
                      {.message_id = MessageId(event.stream.key),
                       .customer_id = CustomerId(accepted.customer_id())},
                      statuses, message.state, event.recorded_at));
}

void Reactor::keep_opt_out(const Recorded& event, Turn& turn) {
    const auto suppressed = parsed<v1::MessageSuppressed>(event);
    if (suppressed.error().error_class() != v1::SEND_ERROR_CLASS_OPTED_OUT) return;
    const auto& tenant = event.stream.tenant;
    const auto found = contacts_.follow(tenant, CustomerId(suppressed.customer_id()));
    change_contact(tenant, found.customer_id,
                   ChangeConsent{.purposes = {Purpose::marketing},
                                 .granted = false,
                                 .source = ConsentSource::provider_refusal,
                                 .text = suppressed.error().code()},
                   event, turn);
}

void Reactor::change_contact(const std::string& tenant, const CustomerId& customer_id,
                             const ContactCommand& command, const Recorded& event, Turn& turn) {
    const auto contact = contacts_.folds().load(contact_stream(tenant, customer_id), turn);
    if (auto change = contact_change(tenant, customer_id, contact, command, event.recorded_at))
        turn.append(std::move(*change));
}

}  // namespace flowstack::gateway
