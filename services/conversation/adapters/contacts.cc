#include "services/conversation/adapters/contacts.h"

#include <grpcpp/grpcpp.h>

#include <chrono>

#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/resource_name.h"
#include "common/rpc/timestamp.h"
#include "flowstack/gateway/v1/contact_service.grpc.pb.h"

namespace flowstack::conversation {
namespace {

constexpr std::chrono::milliseconds kCallTimeout{3000};

}  // namespace

KnownContact GatewayContacts::of_phone(const std::string& tenant, const std::string& phone,
                                       const std::string& channel_id) {
    grpc::ClientContext context;
    rpc::set_timeout(context, kCallTimeout);
    gateway::v1::ResolveContactRequest request;
    request.set_parent(rpc::tenant_name(tenant));
    request.set_phone(phone);
    request.set_channel_id(channel_id);
    gateway::v1::Contact contact;
    const auto status =
        gateway::v1::ContactService::NewStub(gateway_)->ResolveContact(&context, request, &contact);
    if (const auto failure = rpc::failure_of(status)) throw *failure;
    return {contact.customer_id(), contact.channel_id(),
            rpc::time_of(contact.window_expire_time())};
}

}  // namespace flowstack::conversation
