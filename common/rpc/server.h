#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/core/secret.h"
#include "common/observability/metrics.h"
#include "common/observability/trace.h"
#include "common/rpc/admission.h"

namespace google::protobuf {
class Message;
}
namespace grpc {
class CallbackServerContext;
class ServerUnaryReactor;
class Service;
class Status;
}  // namespace grpc

// The gRPC door: one server of the callback API with health, reflection by flag, TLS, the decision
// who is let in (admission.h), deadlines, trace context and error mapping.
//
//   rpc::Server door(options);
//   PaymentRpc payments(door, …);  // its methods: return door.unary(ctx, *request, [=, this] { …
//   }); door.add(payments, v1::PaymentService::service_full_name()); door.start();
namespace flowstack::rpc {

class RateLimits;
class TlsIdentity;

// Metadata that carries INTERNAL_KEY between our services.
inline constexpr std::string_view kInternalKeyHeader = "x-internal-key";

struct ServerOptions {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;   // 0 = any free one, see Server::port()
    bool reflection = false;  // process-wide: on in one server is on in all of them
    AdmissionRules admission = {};
    // None: the door speaks plain HTTP/2. Callers are asked for a certificate when the rules take
    // one.
    std::shared_ptr<const TlsIdentity> tls = nullptr;
    // With TLS: a connection that is older is ended in order, calls on it may finish. A certificate
    // that has expired or is believed no longer then lasts no longer than that.
    std::chrono::milliseconds tls_connection_age{3'600'000};
    bool deadline_required = true;
    int workers = 8;              // threads that run handlers, where blocking is allowed
    std::size_t queue_max = 256;  // calls waiting for a worker; beyond: RESOURCE_EXHAUSTED
    std::chrono::milliseconds overload_retry_after{250};  // RetryInfo of that answer
    // Unary calls of one caller (caller.h), beyond: RESOURCE_EXHAUSTED. Our own services and the
    // platform's operators are not counted. 0 a second: no limit.
    int caller_calls_per_second = 0;
    int caller_calls_at_once_max = 1;
    // Counts tenants' people and machines instead, those who come with a token or an API key. None:
    // they are counted as other callers are. Must outlive the server.
    RateLimits* client_limits = nullptr;
    // Whether a tenant is closed: then only what reads goes on for its people and machines, and for
    // operators what ends something too (access.h). Asked by a worker, so it may wait; it may throw
    // a Failure or flowstack::Unavailable. Calls of our own services are not asked for. None: no
    // tenant is.
    std::function<bool(const std::string& tenant)> tenant_closed = nullptr;
    int streams_max = 128;  // open server streams, each with a thread of its own
    // Calls and streams that one connection may have open at once. More than workers, queue and
    // streams can take together, so that a caller hears RESOURCE_EXHAUSTED and does not wait.
    int calls_per_connection_max = 512;
    // What all connections and calls of this server may hold in memory. Above it gRPC reads more
    // slowly, closes idle connections and cancels calls.
    std::size_t memory_bytes_max = std::size_t{256} << 20;
    std::size_t message_bytes_max = std::size_t{4} << 20;
    // flowstack_rpc_server_seconds{method,code}, _waiting_calls, _overloaded_total,
    // _rate_limited_total. Must outlive the server.
    metrics::Registry* metrics = nullptr;
};

// What a handler may ask about its call. Valid while the handler runs.
class Call {
public:
    explicit Call(grpc::CallbackServerContext& context) : context_(context) {}

    // The caller's time is up or it hung up: work that has not begun may be left out.
    bool cancelled() const;
    std::chrono::system_clock::time_point deadline() const;
    // First value of a metadata key (lower case), or nothing.
    std::optional<std::string> metadata(std::string_view key) const;
    // Adds a header to the answer; only before the handler returns.
    void answer_metadata(const std::string& key, const std::string& value);

private:
    grpc::CallbackServerContext& context_;
};

// Metadata of an answer that was given before: REST makes Idempotent-Replayed of it.
inline constexpr const char* kReplayedHeader = "x-flowstack-replayed";
// Marks the unary call that this thread is answering as a repeat. Does nothing on a thread that
// answers no call.
void answer_is_a_repeat();

class Server {
public:
    explicit Server(ServerOptions options);
    ~Server();  // drain(0)
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Before start(). The service must outlive the server; `full_name` is what health calls it:
    // v1::PaymentService::service_full_name(). Throws std::logic_error for one that is not in this
    // program, or whose methods share a request.
    void add(grpc::Service& service, std::string full_name);

    // Throws std::runtime_error that names the address when the port cannot be had.
    void start();
    std::uint16_t port() const;

    // Health of "", "readiness" and every service; "liveness" is SERVING from start to drain.
    // Not ready until told so.
    void set_ready(bool ready);

    // Not ready, no new calls, those in progress may finish within `grace`, the rest is cancelled.
    // Joins the workers. Safe to repeat.
    void drain(std::chrono::milliseconds grace);

    // The body of every unary method. Refuses a call that is not admitted, has no deadline, or may
    // not be made by its caller (access.h, by the method whose request this is): at once, but for
    // callers with an API key, who are looked up by the worker; otherwise
    // runs `handler` on a worker with the caller's trace as current, and turns whatever it throws
    // into a rich status. Request and response belong to gRPC and live until the answer is sent, so
    // `handler` may hold pointers to them.
    grpc::ServerUnaryReactor* unary(grpc::CallbackServerContext* context,
                                    const google::protobuf::Message& request,
                                    std::function<void(Call&)> handler);

    // For methods that are not unary: what `unary` checks before it runs (OK: go on). They are for
    // our services and the platform's operators alone.
    grpc::Status admit(const grpc::CallbackServerContext& context) const;

    // A bounded number of threads for streams: runs `body` on one of its own, or answers false when
    // `streams_max` are running. stream.h builds on it. `body` must end soon after
    // `draining()` turns true.
    bool run_stream(std::function<void()> body);
    bool draining() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace flowstack::rpc
