#include "common/rpc/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/client_interceptor.h>

#include "common/observability/trace.h"
#include "common/rpc/server.h"

namespace flowstack::rpc {
namespace {

namespace ex = grpc::experimental;

// Adds the internal key and this thread's trace to every call.
class Carrier final : public ex::Interceptor {
public:
    explicit Carrier(const std::string& key) : key_(key) {}

    void Intercept(ex::InterceptorBatchMethods* methods) override {
        if (methods->QueryInterceptionHookPoint(
                ex::InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
            auto* metadata = methods->GetSendInitialMetadata();
            if (!key_.empty()) metadata->insert({std::string(kInternalKeyHeader), key_});
            if (const auto& current = trace::current(); current.valid())
                metadata->insert(
                    {std::string(trace::kHeader), trace::child_of(current).traceparent()});
        }
        methods->Proceed();
    }

private:
    const std::string& key_;
};

class CarrierFactory final : public ex::ClientInterceptorFactoryInterface {
public:
    explicit CarrierFactory(Secret key) : key_(std::move(key)) {}
    ex::Interceptor* CreateClientInterceptor(ex::ClientRpcInfo*) override {
        return new Carrier(key_.reveal());
    }

private:
    Secret key_;
};

std::string seconds(std::chrono::milliseconds time) {
    const auto ms = std::to_string(time.count() % 1000);
    return std::to_string(time.count() / 1000) + "." + std::string(3 - ms.size(), '0') + ms + "s";
}

}  // namespace

std::shared_ptr<grpc::Channel> make_channel(const std::string& address, ChannelOptions options) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, static_cast<int>(options.keepalive.count()));
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                     static_cast<int>(options.keepalive_timeout.count()));
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetMaxReceiveMessageSize(static_cast<int>(options.message_bytes_max));
    arguments.SetMaxSendMessageSize(static_cast<int>(options.message_bytes_max));
    arguments.SetLoadBalancingPolicyName("round_robin");
    std::string config =
        R"({"methodConfig":[{"name":[{}],"timeout":")" + seconds(options.deadline) + "\"";
    if (options.attempts_max > 1)
        config += R"(,"retryPolicy":{"maxAttempts":)" + std::to_string(options.attempts_max) +
                  R"(,"initialBackoff":")" + seconds(options.backoff_initial) +
                  R"(","maxBackoff":")" + seconds(options.backoff_max) +
                  R"(","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]})";
    config += "}]}";
    arguments.SetServiceConfigJSON(config);
    std::vector<std::unique_ptr<ex::ClientInterceptorFactoryInterface>> interceptors;
    interceptors.push_back(std::make_unique<CarrierFactory>(options.internal_key));
    return ex::CreateCustomChannelWithInterceptors(address, grpc::InsecureChannelCredentials(),
                                                   arguments, std::move(interceptors));
}

void set_timeout(grpc::ClientContext& context, std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::system_clock::now() + timeout;
    if (context.deadline() > deadline) context.set_deadline(deadline);
}

}  // namespace flowstack::rpc
