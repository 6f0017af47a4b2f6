#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/clock.h"
#include "common/core/ids.h"
#include "common/eventlog/read_model.h"
#include "common/rpc/error.h"
#include "common/rpc/resource_name.h"
#include "services/conversation/adapters/contacts.h"
#include "services/conversation/adapters/content.h"
#include "services/conversation/adapters/streams.h"
#include "services/conversation/adapters/tenants.h"

namespace grpc {
class Service;
}
namespace google::protobuf {
class Message;
}  // namespace google::protobuf
namespace flowstack::rpc {
class Server;
}
namespace flowstack::conversation::v1 {
class PlacedOrder;
class PlaceOrderRequest;
}  // namespace flowstack::conversation::v1

// The gRPC doors of this service: proto/flowstack/conversation/v1/*_service.proto.
namespace flowstack::conversation {

struct Doors {
    rpc::Server& rpc;
    eventlog::Store& store;
    eventlog::ReadModel& read_model;
    Books& books;
    ContentCache& content;
    Tenants& tenants;
    ContactBook& contacts;
    const Clock& clock;
    IdSource& ids;
};

struct NamedService {
    std::unique_ptr<grpc::Service> service;
    std::string full_name;
};
// Conversations and customers (rpc_people.cc).
std::vector<NamedService> make_people_services(const Doors& doors);
// Templates, flows, the catalog (rpc_content.cc), support and bookings.
std::vector<NamedService> make_content_services(const Doors& doors);
// Topics (rpc_support.cc).
NamedService make_support_service(const Doors& doors);
// Services that can be booked, free times, bookings (rpc_booking.cc).
NamedService make_booking_service(const Doors& doors);

// ConversationService.PlaceOrder (rpc_orders.cc).
void place_order(const Doors& doors, const v1::PlaceOrderRequest& request,
                 v1::PlacedOrder& response);

// --- Shared by both

using rpc::parse_name;
using rpc::parse_parent;
using rpc::ResourceName;

// For a call that names an etag which is not the resource's any more.
rpc::Failure version_mismatch();

// Problems of the domain as violations below `prefix` ("template.").
[[noreturn]] void refuse(const std::vector<Problem>& problems, const std::string& prefix);

// Facts of a tenant for a rule, at least as new as `version`; an unknown tenant is NOT_FOUND.
TenantFacts tenant_facts(const Doors& doors, const std::string& tenant, std::int64_t version = 0);

// What one request makes, once: the same request id gets the first answer, with another body
// IDEMPOTENCY_KEY_REUSED. `make` decides and fills routing and parts; it may refuse by throwing,
// and answers nothing when there is nothing to do. Called again when somebody else wrote first. The
// events that were written, now or before.
std::vector<eventlog::Recorded> change_once(
    const Doors& doors, const std::string& method, const std::string& tenant,
    const std::string& request_id, const google::protobuf::Message& request,
    const std::function<std::optional<eventlog::Command>()>& make);

// An id for a resource that a request makes: the same for a repeat of the same request id.
std::string made_id(const Doors& doors, const std::string& method, const std::string& tenant,
                    const std::string& request_id);

// One page of what is in memory already, in its order. `question` is what is listed:
// "tenants/duka/flows". The token is signed and holds the id of the page's last one.
struct Page {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::string next_page_token;
};
Page page_of(const Doors& doors, const std::string& question, const std::vector<std::string>& ids,
             int page_size, const std::string& page_token);

}  // namespace flowstack::conversation
