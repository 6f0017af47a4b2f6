#include <grpcpp/impl/codegen/service_type.h>

#include "common/rpc/caller.h"
#include "common/rpc/server.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "services/gateway/adapters/rpc.h"

namespace flowstack::gateway {
namespace {

constexpr std::size_t kReasonMax = 500;

}  // namespace

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
