#include "services/followup/adapters/customers.h"

#include <grpcpp/grpcpp.h>

#include "common/eventlog/turn.h"
#include "common/rpc/channel.h"
#include "flowstack/conversation/v1/customer_service.grpc.pb.h"

namespace flowstack::followup {
namespace {

constexpr std::chrono::milliseconds kCallTimeoutMs{3000};

}  // namespace

ConversationCustomers::ConversationCustomers(std::shared_ptr<grpc::Channel> conversation)
    : conversation_(std::move(conversation)) {}

bool ConversationCustomers::exists(const std::string& tenant, const std::string& customer_id) {
    grpc::ClientContext context;
    rpc::set_timeout(context, kCallTimeoutMs);
    conversation::v1::GetCustomerRequest request;
    request.set_name("tenants/" + tenant + "/customers/" + customer_id);
    conversation::v1::Customer answer;
    const auto status = conversation::v1::CustomerService::NewStub(conversation_)
                            ->GetCustomer(&context, request, &answer);
    // What is no id names nobody either.
    if (status.error_code() == grpc::StatusCode::NOT_FOUND ||
        status.error_code() == grpc::StatusCode::INVALID_ARGUMENT)
        return false;
    if (!status.ok())
        throw eventlog::TryLater("conversation does not tell about customer " + customer_id + ": " +
                                 status.error_message());
    return true;
}

}  // namespace flowstack::followup
