#include "services/gateway/dispatch/message_streams.h"

#include "services/gateway/adapters/reactor.h"

namespace flowstack::gateway {

RetryPolicy MessageStreams::policy_for(const std::string& tenant) const {
    return policy_of(policy_, directory_.tenant(tenant).get());
}

eventlog::Command MessageStreams::command(const std::string& tenant, const CustomerId& customer_id,
                                          const MessageId& message_id, std::int64_t version,
                                          const Cause& cause,
                                          const std::vector<MessageEvent>& events) const {
    eventlog::Command command;
    command.tenant = tenant;
    command.meta.routing = by_customer(customer_id);
    command.meta.actor = actor_;
    if (cause.event.position != 0) command.meta.causation = cause.event;
    command.meta.correlation_id = cause.correlation_id;
    command.meta.traceparent = cause.trace.traceparent();
    if (const auto entry = directory_.tenant(tenant))
        command.meta.settings_version = entry->version;
    command.dedupe = eventlog::Dedupe::version;
    command.parts.push_back(
        {message_stream(tenant, message_id), version, encode_all(events, clock_.now())});
    return command;
}

}  // namespace flowstack::gateway
