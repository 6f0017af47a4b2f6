#include "common/rpc/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/client_interceptor.h>

#include <map>

#include "common/observability/trace.h"
#include "common/rpc/caller.h"
#include "common/rpc/server.h"
#include "common/rpc/tls.h"

namespace flowstack::rpc {
namespace {

namespace ex = grpc::experimental;

constexpr int kResolveAgainMs = 1000;

// Adds the internal key, who calls, this thread's trace and, if the caller gave none, the deadline
// to every call: the server then ends it in time.
class Carrier final : public ex::Interceptor {
public:
    Carrier(const std::string& key, const std::string& token, const std::string& actor,
            std::string timeout)
        : key_(key), token_(token), actor_(actor), timeout_(std::move(timeout)) {}

    void Intercept(ex::InterceptorBatchMethods* methods) override {
        if (methods->QueryInterceptionHookPoint(
                ex::InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
            auto* metadata = methods->GetSendInitialMetadata();
            if (!key_.empty()) metadata->insert({std::string(kInternalKeyHeader), key_});
            if (!token_.empty()) metadata->insert({"authorization", "Bearer " + token_});
            const std::string header(kActorHeader);
            const auto* caller = caller_if_any();
            const auto& actor = caller != nullptr ? caller->actor : actor_;
            if (!actor.empty() && !metadata->contains(header)) {
                metadata->insert({header, actor});
                if (caller != nullptr) pass_on(*metadata, *caller);
            }
            if (!timeout_.empty()) metadata->insert({"grpc-timeout", timeout_});
            if (const auto& traced = trace::current(); traced.valid())
                metadata->insert({std::string(trace::kHeader), traced.traceparent()});
        }
        methods->Proceed();
    }

private:
    using Metadata = std::multimap<std::string, std::string>;
    static void pass_on(Metadata& metadata, const Caller& caller) {
        if (!caller.role.empty()) metadata.insert({std::string(kRoleHeader), caller.role});
        if (!caller.source_address.empty())
            metadata.insert({std::string(kSourceHeader), caller.source_address});
    }

    const std::string& key_;
    const std::string& token_;
    const std::string& actor_;
    const std::string timeout_;
};

class CarrierFactory final : public ex::ClientInterceptorFactoryInterface {
public:
    CarrierFactory(Secret key, Secret token, std::string actor, std::chrono::milliseconds deadline)
        : key_(std::move(key)),
          token_(std::move(token)),
          actor_(std::move(actor)),
          timeout_(std::to_string(deadline.count()) + "m") {}
    ex::Interceptor* CreateClientInterceptor(ex::ClientRpcInfo* info) override {
        const bool given =
            info->client_context()->deadline() != std::chrono::system_clock::time_point::max();
        return new Carrier(key_.reveal(), token_.reveal(), actor_,
                           given ? std::string{} : timeout_);
    }

private:
    Secret key_;
    Secret token_;
    std::string actor_;
    std::string timeout_;  // as HTTP/2 carries it: "5000m"
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
    // Pings go on while a stream is quiet, so that a vanished neighbour is noticed.
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    // A replica that is started again may have another address behind the same name. Without this,
    // gRPC asks the name server every 30 s at most, and calls fail until then.
    arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, kResolveAgainMs);
    arguments.SetMaxReceiveMessageSize(static_cast<int>(options.message_bytes_max));
    arguments.SetMaxSendMessageSize(static_cast<int>(options.message_bytes_max));
    arguments.SetLoadBalancingPolicyName("round_robin");
    // No timeout here: it would cut a call off that brings a later deadline of its own.
    std::string config = R"({"methodConfig":[{"name":[{}])";
    if (options.attempts_max > 1)
        config += R"(,"retryPolicy":{"maxAttempts":)" + std::to_string(options.attempts_max) +
                  R"(,"initialBackoff":")" + seconds(options.backoff_initial) +
                  R"(","maxBackoff":")" + seconds(options.backoff_max) +
                  R"(","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]})";
    config += "}]}";
    arguments.SetServiceConfigJSON(config);
    std::vector<std::unique_ptr<ex::ClientInterceptorFactoryInterface>> interceptors;
    interceptors.push_back(std::make_unique<CarrierFactory>(options.internal_key, options.token,
                                                            options.actor, options.deadline));
    return ex::CreateCustomChannelWithInterceptors(
        address,
        options.tls ? options.tls->to_peer(options.peer_uri) : grpc::InsecureChannelCredentials(),
        arguments, std::move(interceptors));
}

void set_timeout(grpc::ClientContext& context, std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::system_clock::now() + timeout;
    if (context.deadline() > deadline) context.set_deadline(deadline);
}

}  // namespace flowstack::rpc
