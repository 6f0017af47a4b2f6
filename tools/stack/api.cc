#include "tools/stack/api.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/support/byte_buffer.h>

#include <map>

#include "common/rpc/channel.h"
#include "common/rpc/error.h"

namespace flowstack::stack {

struct Api::State {
    std::map<std::string, std::shared_ptr<grpc::Channel>> channels;
};

Api::Api(const Environment& environment) : state_(std::make_unique<State>()) {
    const Secret key(environment.get("INTERNAL_KEY"));
    for (const auto& service : kServices) {
        const auto address = environment.get(upper(service) + "_GRPC");
        if (!address.empty())
            state_->channels[service] = rpc::make_channel(address, {.internal_key = key});
    }
}
Api::~Api() = default;

std::string Api::call_bytes(const std::string& service, const std::string& method,
                            const std::string& request, std::chrono::milliseconds timeout) {
    const auto channel = state_->channels.find(service);
    if (channel == state_->channels.end())
        throw std::runtime_error(upper(service) + "_GRPC is not set");
    const bool common = method.starts_with("common:");
    const auto path = "/flowstack." + (common ? "common" : service) + ".v1." +
                      (common ? method.substr(7) : method);
    grpc::ClientContext context;
    rpc::set_timeout(context, timeout);
    const grpc::Slice slice(request);
    const grpc::ByteBuffer in(&slice, 1);
    grpc::ByteBuffer out;
    const auto status = grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, grpc::ByteBuffer>(
        channel->second.get(),
        grpc::internal::RpcMethod(path.c_str(), grpc::internal::RpcMethod::NORMAL_RPC), &context,
        in, &out);
    if (const auto failure = rpc::failure_of(status)) throw *failure;
    grpc::Slice whole;
    if (!out.DumpToSingleSlice(&whole).ok()) throw std::runtime_error(method + ": no answer");
    return {reinterpret_cast<const char*>(whole.begin()), whole.size()};
}

}  // namespace flowstack::stack
