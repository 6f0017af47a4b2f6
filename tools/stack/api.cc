#include "tools/stack/api.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstdlib>
#include <map>

#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "tools/stack/reach.h"

namespace flowstack::stack {
namespace {

// The person at the terminal is the actor of what is changed from here.
std::string operator_name() {
    const char* user = std::getenv("USER");
    return "operator:" + std::string(user != nullptr && *user != '\0' ? user : "unknown");
}

}  // namespace

struct Api::State {
    explicit State(Environment e) : environment(std::move(e)), reach(environment) {}

    // "gateway", or one of its replicas: "gateway/1". Made when first asked for.
    grpc::Channel& channel(const std::string& target) {
        auto& known = channels[target];
        if (known) return *known;
        auto name = upper(target);
        const auto slash = name.find('/');
        if (slash != std::string::npos) name[slash] = '_';
        const auto address = environment.get(name + "_GRPC");
        if (address.empty()) {
            channels.erase(target);
            if (slash == std::string::npos) throw std::runtime_error(name + "_GRPC is not set");
            throw NoSuchReplica(name + "_GRPC is not set: where is replica " +
                                target.substr(slash + 1) + "?");
        }
        auto options = reach.to(target.substr(0, slash));
        // A token says who its holder is.
        if (!reach.has_token()) options.actor = operator_name();
        known = rpc::make_channel(address, std::move(options));
        return *known;
    }

    Environment environment;
    Reach reach;
    std::map<std::string, std::shared_ptr<grpc::Channel>> channels;
};

Api::Api(const Environment& environment) : state_(std::make_unique<State>(environment)) {}
Api::~Api() = default;

std::string Api::call_bytes(const std::string& service, const std::string& method,
                            const std::string& request, std::chrono::milliseconds timeout) {
    auto& channel = state_->channel(service);
    const bool common = method.starts_with("common:");
    const auto path = "/flowstack." + (common ? "common" : service.substr(0, service.find('/'))) +
                      ".v1." + (common ? method.substr(7) : method);
    grpc::ClientContext context;
    rpc::set_timeout(context, timeout);
    const grpc::Slice slice(request);
    const grpc::ByteBuffer in(&slice, 1);
    grpc::ByteBuffer out;
    const auto status = grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, grpc::ByteBuffer>(
        &channel, grpc::internal::RpcMethod(path.c_str(), grpc::internal::RpcMethod::NORMAL_RPC),
        &context, in, &out);
    if (const auto failure = rpc::failure_of(status)) throw *failure;
    grpc::Slice whole;
    if (!out.DumpToSingleSlice(&whole).ok()) throw std::runtime_error(method + ": no answer");
    return {reinterpret_cast<const char*>(whole.begin()), whole.size()};
}

}  // namespace flowstack::stack
