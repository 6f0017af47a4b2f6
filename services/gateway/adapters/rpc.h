#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/clock.h"
#include "common/core/ids.h"
#include "common/crypto/envelope.h"
#include "common/eventlog/read_model.h"
#include "common/eventlog/store.h"
#include "common/rpc/error.h"
#include "services/gateway/adapters/contacts.h"
#include "services/gateway/adapters/directory.h"
#include "services/gateway/adapters/dispatcher.h"

namespace grpc {
class Service;
}
namespace google::protobuf {
class Message;
}
namespace flowstack::rpc {
class Call;
class Server;
}  // namespace flowstack::rpc

// gateway's gRPC doors: they translate, the rules decide.
namespace flowstack::gateway {

// Metadata that says who is behind a call of REST or the console; our own services otherwise.
inline constexpr std::string_view kActorHeader = "x-flowstack-actor";

struct Doors {
    rpc::Server& rpc;
    eventlog::Store& store;
    eventlog::ReadModel& read_model;
    Directory& directory;
    Contacts& contacts;
    crypto::KeyWrapper& key_wrapper;
    const Clock& clock;
    IdSource& ids;
    std::chrono::milliseconds window_margin_ms{300'000};
    std::string replica{};
    // Nothing when another replica sends for the channel.
    std::function<std::optional<Dispatcher::ChannelView>(const std::string& tenant,
                                                         const std::string& channel_id)>
        dispatch{};
};

struct NamedService {
    std::unique_ptr<grpc::Service> service;
    std::string full_name;
};
std::vector<NamedService> make_tenant_services(const Doors& doors);
std::vector<NamedService> make_message_services(const Doors& doors);

// ---- Shared by the services' files.

// "tenants/{tenant}" and "tenants/{tenant}/<collection>/{id}"; NOT_FOUND for everything else.
std::string tenant_in(const std::string& name);
struct ResourceName {
    std::string tenant;
    std::string id;
};
ResourceName name_in(const std::string& name, std::string_view collection);

// SHA-256 of the request without its request_id: what a repeat must be equal to.
std::string hash_of(const google::protobuf::Message& request);

// One request's effect, once. A request that was answered before is answered again, also when the
// rules would refuse it now; with another body it is IDEMPOTENCY_KEY_REUSED.
class OneEffect {
public:
    // `parent_routing`: of the command's lane.
    OneEffect(const Doors& doors, rpc::Call& call, const std::string& method,
              const std::string& tenant, const std::string& request_id, std::string request_hash);

    // `make` decides and fills meta.routing and parts; it may refuse by throwing. Nothing: there is
    // nothing to change. The events that were written, now or before.
    std::vector<eventlog::Recorded> run(
        const std::function<std::optional<eventlog::Command>()>& make);
    // Ids for what the request makes, the same at every repeat.
    std::string derived_id(std::string_view what) const;
    bool replayed() const { return replayed_; }

private:
    void prepare(eventlog::Command& command) const;
    std::vector<eventlog::Recorded> first_answer();
    std::vector<eventlog::Recorded> events_of(const eventlog::Verdict& verdict);

    const Doors& doors_;
    rpc::Call& call_;
    std::string tenant_;
    std::string request_id_;
    std::string id_;
    std::string hash_;
    std::string actor_;
    bool replayed_ = false;
};

std::string actor_of(const rpc::Call& call);
rpc::Failure refused_fields(const std::vector<FieldError>& faults, const std::string& prefix);

}  // namespace flowstack::gateway
