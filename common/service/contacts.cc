#include "common/service/contacts.h"

#include <grpcpp/grpcpp.h>

#include "common/eventlog/turn.h"
#include "common/rpc/channel.h"
#include "common/rpc/resource_name.h"
#include "flowstack/gateway/v1/contact_service.grpc.pb.h"

namespace flowstack::service {
namespace {

constexpr std::chrono::milliseconds kContactsTimeout{3000};

// Whether gateway answered. It finds nobody for a text that is no id or no phone number.
bool answered(const grpc::Status& status) {
    if (status.error_code() == grpc::StatusCode::NOT_FOUND ||
        status.error_code() == grpc::StatusCode::INVALID_ARGUMENT)
        return false;
    if (!status.ok())
        throw eventlog::TryLater("gateway does not tell about a contact: " +
                                 status.error_message());
    return true;
}

}  // namespace

GatewayContacts::GatewayContacts(std::shared_ptr<grpc::Channel> gateway)
    : gateway_(std::move(gateway)) {}

std::optional<gateway::v1::Contact> GatewayContacts::find(const std::string& tenant,
                                                          const std::string& customer_id) {
    grpc::ClientContext context;
    rpc::set_timeout(context, kContactsTimeout);
    gateway::v1::GetContactRequest request;
    request.set_name(rpc::resource_name(tenant, "contacts", customer_id));
    gateway::v1::Contact contact;
    const auto stub = gateway::v1::ContactService::NewStub(gateway_);
    if (!answered(stub->GetContact(&context, request, &contact))) return {};
    return contact;
}

std::optional<gateway::v1::Contact> GatewayContacts::with_phone(const std::string& tenant,
                                                                const std::string& phone) {
    grpc::ClientContext context;
    rpc::set_timeout(context, kContactsTimeout);
    gateway::v1::ListContactsRequest request;
    request.set_parent(rpc::tenant_name(tenant));
    request.set_phone(phone);
    request.set_page_size(1);
    gateway::v1::ListContactsResponse found;
    const auto stub = gateway::v1::ContactService::NewStub(gateway_);
    if (!answered(stub->ListContacts(&context, request, &found)) || found.contacts_size() == 0)
        return {};
    return found.contacts(0);
}

}  // namespace flowstack::service
