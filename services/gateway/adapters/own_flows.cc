#include "services/gateway/adapters/own_flows.h"

#include <grpcpp/grpcpp.h>

#include <chrono>

#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/resource_name.h"
#include "flowstack/conversation/v1/flow_service.grpc.pb.h"

namespace flowstack::gateway {
namespace {

constexpr std::chrono::milliseconds kCallTimeout{3000};

}  // namespace

bool has_published_flow(const std::shared_ptr<grpc::Channel>& channel, const std::string& tenant,
                        const std::string& flow_key) {
    grpc::ClientContext context;
    rpc::set_timeout(context, kCallTimeout);
    conversation::v1::GetFlowRequest request;
    request.set_name(rpc::resource_name(tenant, "flows", flow_key));
    conversation::v1::Flow flow;
    const auto status =
        conversation::v1::FlowService::NewStub(channel)->GetFlow(&context, request, &flow);
    // A key that is no name of a flow ("no such/thing") is refused as such.
    if (status.error_code() == grpc::StatusCode::NOT_FOUND ||
        status.error_code() == grpc::StatusCode::INVALID_ARGUMENT)
        return false;
    if (const auto failure = rpc::failure_of(status)) throw *failure;
    return flow.version() > 0;  // 0: a pack, of which PACKS has the last word
}

}  // namespace flowstack::gateway
