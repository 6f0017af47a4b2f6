#include <google/protobuf/message.h>
#include <grpcpp/impl/codegen/service_type.h>

#include "common/crypto/hash.h"
#include "common/observability/trace.h"
#include "common/rpc/server.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "services/gateway/adapters/rpc.h"

namespace flowstack::gateway {
namespace {
constexpr int kDecideTries = 3;
constexpr std::size_t kRequestIdMax = 200;
// Metadata of an answer that was given before; REST turns it into Idempotent-Replayed.
constexpr const char* kReplayedHeader = "x-flowstack-replayed";
}  // namespace

std::string tenant_in(const std::string& name) {
    constexpr std::string_view kPrefix = "tenants/";
    if (!name.starts_with(kPrefix)) throw rpc::not_found(name);
    auto tenant = name.substr(kPrefix.size());
    if (tenant.empty() || tenant.find('/') != std::string::npos) throw rpc::not_found(name);
    return tenant;
}

ResourceName name_in(const std::string& name, std::string_view collection) {
    const auto middle = "/" + std::string(collection) + "/";
    const auto at = name.find(middle);
    if (at == std::string::npos) throw rpc::not_found(name);
    ResourceName found{tenant_in(name.substr(0, at)), name.substr(at + middle.size())};
    if (found.id.empty() || found.id.find('/') != std::string::npos) throw rpc::not_found(name);
    return found;
}

std::string hash_of(const google::protobuf::Message& request) {
    std::unique_ptr<google::protobuf::Message> copy(request.New());
    copy->CopyFrom(request);
    if (const auto* field = copy->GetDescriptor()->FindFieldByName("request_id"))
        copy->GetReflection()->ClearField(copy.get(), field);
    return std::string(crypto::bytes_of(crypto::sha256(copy->SerializeAsString())));
}

std::string actor_of(const rpc::Call& call) {
    return call.metadata(std::string(kActorHeader)).value_or("service");
}

rpc::Failure refused_fields(const std::vector<FieldError>& faults, const std::string& prefix) {
    std::vector<rpc::FieldViolation> fields;
    for (const auto& fault : faults)
        fields.push_back(
            {prefix.empty() ? fault.field : prefix + "." + fault.field, fault.description});
    return rpc::invalid_fields(std::move(fields));
}

OneEffect::OneEffect(const Doors& doors, rpc::Call& call, const std::string& method,
                     const std::string& tenant, const std::string& request_id,
                     std::string request_hash)
    : doors_(doors),
      call_(call),
      tenant_(tenant),
      request_id_(request_id.empty() ? doors.ids.next().text() : request_id),
      id_(method + "/" + request_id_),
      hash_(std::move(request_hash)),
      actor_(actor_of(call)) {
    if (request_id.size() > kRequestIdMax)
        throw rpc::invalid_field("request_id", "must have at most 200 characters");
}

std::string OneEffect::derived_id(std::string_view what) const {
    // The time in it is when the id was first asked for, if the caller's id carries one.
    const auto caller = Uuid::parse(request_id_);
    const auto at = caller && (caller->bytes[6] >> 4) == 7 ? time_of(*caller) : Time{};
    return eventlog::derive_id(tenant_ + "/" + id_, at, what, 0).text();
}

std::vector<eventlog::Recorded> OneEffect::run(
    const std::function<std::optional<eventlog::Command>()>& make) {
    if (doors_.store.claim(tenant_, "command", id_)) return first_answer();
    for (int tries = 0; tries < kDecideTries; ++tries) {
        auto command = make();
        if (!command) return {};
        prepare(*command);
        const auto verdict = doors_.store.append(std::move(*command));
        switch (verdict.outcome) {
            case eventlog::Outcome::already_done:
                replayed_ = true;
                call_.answer_metadata(kReplayedHeader, "true");
                [[fallthrough]];
            case eventlog::Outcome::ok:
                return events_of(verdict);
            case eventlog::Outcome::other_body:
                throw rpc::key_reused(request_id_);
            case eventlog::Outcome::claim_taken:
                if (verdict.claim_kind == "channel") {
                    auto failure = rpc::already_exists(
                        "This channel belongs to another tenant. A channel has one owner.");
                    failure.reason = common::v1::ERROR_REASON_CHANNEL_TAKEN;
                    throw failure;
                }
                if (verdict.claim_kind == "idempotency") throw rpc::key_reused(request_id_);
                break;
            case eventlog::Outcome::wrong_version:
            case eventlog::Outcome::not_owner:
                break;
        }
    }
    throw rpc::contention();
}

void OneEffect::prepare(eventlog::Command& command) const {
    command.id = id_;
    command.tenant = tenant_;
    command.meta.request_hash = hash_;
    command.meta.actor = actor_;
    command.meta.traceparent = trace::current().traceparent();
    if (const auto entry = doors_.directory.tenant(tenant_))
        command.meta.settings_version = entry->version;
    command.dedupe = eventlog::Dedupe::claim;
}

// The claim is there and never goes, so a command that would write nothing gets the first verdict.
std::vector<eventlog::Recorded> OneEffect::first_answer() {
    eventlog::Command probe;
    probe.meta.routing = by_tenant(tenant_);
    probe.parts.push_back({{tenant_, "probe", id_}, eventlog::kCreate, {}});
    prepare(probe);
    const auto verdict = doors_.store.append(std::move(probe));
    if (verdict.outcome == eventlog::Outcome::other_body) throw rpc::key_reused(request_id_);
    if (verdict.outcome != eventlog::Outcome::already_done) throw rpc::internal();
    replayed_ = true;
    call_.answer_metadata(kReplayedHeader, "true");
    return events_of(verdict);
}

std::vector<eventlog::Recorded> OneEffect::events_of(const eventlog::Verdict& verdict) {
    return doors_.store.read_lane(verdict.lane, verdict.first_position,
                                  verdict.first_position + verdict.event_count - 1,
                                  verdict.event_count);
}

}  // namespace flowstack::gateway
