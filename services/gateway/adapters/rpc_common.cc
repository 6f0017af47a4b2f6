#include <grpcpp/impl/codegen/service_type.h>

#include "common/rpc/caller.h"
#include "common/rpc/server.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "services/gateway/adapters/rpc.h"

namespace flowstack::gateway {
namespace {

constexpr std::size_t kReasonMax = 500;

}  // namespace

void check_tenant(const Doors& doors, const std::string& tenant) {
    if (doors.directory.tenant(tenant)) return;
    // Registered a moment ago, or not at all.
    const auto folded = doors.directory.tenants().load(tenant_stream(tenant));
    if (!std::holds_alternative<KnownTenant>(folded.state))
        throw rpc::not_found(rpc::tenant_name(tenant));
}

ChannelId channel_for(const Doors& doors, const std::string& tenant, const ChannelId& channel_id) {
    if (!channel_id.empty()) {
        if (doors.directory.channel(tenant, channel_id)) return channel_id;
        const auto folded =
            doors.directory.channel_folds().load(channel_stream(tenant, channel_id));
        if (!std::holds_alternative<KnownChannel>(folded.state))
            throw rpc::invalid_field("channel_id", "must be a channel of this tenant");
        return channel_id;
    }
    const auto channels = doors.directory.channels_of(tenant);
    if (channels.size() == 1) return channels.front()->channel.channel_id;
    if (channels.empty()) {
        // Connected a moment ago: the tenant's first channel is in its own stream.
        const auto folded = doors.directory.tenants().load(tenant_stream(tenant));
        if (const auto* known = std::get_if<KnownTenant>(&folded.state))
            return known->first_channel_id;
    }
    throw rpc::invalid_field("channel_id", "must be given, since the tenant has several channels");
}

std::string actor_of(const rpc::Call&) { return rpc::caller().actor; }

const std::string& checked_reason(const std::string& reason) {
    if (reason.size() > kReasonMax)
        throw rpc::invalid_field("reason", "must have at most 500 characters");
    return reason;
}

rpc::Failure refused_fields(const std::vector<FieldError>& faults, const std::string& prefix) {
    std::vector<rpc::FieldViolation> fields;
    for (const auto& fault : faults)
        fields.push_back(
            {prefix.empty() ? fault.field : prefix + "." + fault.field, fault.description});
    return rpc::invalid_fields(std::move(fields));
}

service::OneEffect one_effect(const Doors& doors, const rpc::Call&, const std::string& method,
                              const std::string& tenant, const std::string& request_id,
                              const google::protobuf::Message& request) {
    const auto entry = doors.directory.tenant(tenant);
    return {doors.store,
            doors.ids,
            {.method = method,
             .tenant = tenant,
             .request_id = request_id,
             .hash = service::hash_of(request),
             .settings_version = entry ? entry->version : 0,
             .claim_taken = [request_id](const std::string& kind) {
                 if (kind == "idempotency") throw rpc::key_reused(request_id);
                 if (kind != "channel") return;
                 auto failure = rpc::already_exists(
                     "This channel belongs to another tenant. A channel has one owner.");
                 failure.reason = common::v1::ERROR_REASON_CHANNEL_TAKEN;
                 throw failure;
             }}};
}

}  // namespace flowstack::gateway
