#include "common/rpc/server.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <grpc/grpc_security_constants.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/support/server_interceptor.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/core/thread_pool.h"
#include "common/observability/log.h"
#include "common/observability/span.h"
#include "common/resilience/keyed_limits.h"
#include "common/rpc/access.h"
#include "common/rpc/caller.h"
#include "common/rpc/error.h"
#include "common/rpc/rate_limits.h"
#include "common/rpc/read_position.h"
#include "common/rpc/resource_name.h"
#include "common/rpc/tls.h"
#include "flowstack/common/v1/error_reason.pb.h"

namespace flowstack::rpc {
namespace {

namespace ex = grpc::experimental;

// Neighbours ping every 20 s, also while a stream is quiet; by default gRPC takes that for abuse.
constexpr int kPingIntervalMsMin = 5'000;
// Notices a caller whose machine has gone while a stream to it is open.
constexpr int kKeepaliveMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
// An answer may be larger than a request: lists are pages of whole resources.
constexpr std::size_t kAnswerFactor = 4;

// The unary call that this thread answers.
thread_local Call* answered = nullptr;
thread_local bool position_is_told = false;
struct Answering {
    explicit Answering(Call& call) {
        answered = &call;
        position_is_told = false;
    }
    ~Answering() { answered = nullptr; }
};

std::string_view name_of(grpc::StatusCode code) {
    switch (code) {
        case grpc::StatusCode::OK:
            return "OK";
        case grpc::StatusCode::CANCELLED:
            return "CANCELLED";
        case grpc::StatusCode::UNKNOWN:
            return "UNKNOWN";
        case grpc::StatusCode::INVALID_ARGUMENT:
            return "INVALID_ARGUMENT";
        case grpc::StatusCode::DEADLINE_EXCEEDED:
            return "DEADLINE_EXCEEDED";
        case grpc::StatusCode::NOT_FOUND:
            return "NOT_FOUND";
        case grpc::StatusCode::ALREADY_EXISTS:
            return "ALREADY_EXISTS";
        case grpc::StatusCode::PERMISSION_DENIED:
            return "PERMISSION_DENIED";
        case grpc::StatusCode::UNAUTHENTICATED:
            return "UNAUTHENTICATED";
        case grpc::StatusCode::RESOURCE_EXHAUSTED:
            return "RESOURCE_EXHAUSTED";
        case grpc::StatusCode::FAILED_PRECONDITION:
            return "FAILED_PRECONDITION";
        case grpc::StatusCode::ABORTED:
            return "ABORTED";
        case grpc::StatusCode::OUT_OF_RANGE:
            return "OUT_OF_RANGE";
        case grpc::StatusCode::UNIMPLEMENTED:
            return "UNIMPLEMENTED";
        case grpc::StatusCode::INTERNAL:
            return "INTERNAL";
        case grpc::StatusCode::UNAVAILABLE:
            return "UNAVAILABLE";
        case grpc::StatusCode::DATA_LOSS:
            return "DATA_LOSS";
        case grpc::StatusCode::DO_NOT_USE:
            break;
    }
    return "UNKNOWN";
}

// Times by method and code. The handles are kept here, as looking one up in the registry takes its
// lock and builds label maps.
class CallTimes {
public:
    explicit CallTimes(metrics::Registry& registry) : registry_(registry) {}

    void observe(std::string_view method, grpc::StatusCode code, double seconds) {
        const std::lock_guard lock(mutex_);
        auto known = times_.find(std::pair{std::string{method}, code});
        if (known == times_.end()) {
            known = times_
                        .emplace(std::pair{std::string{method}, code},
                                 registry_.histogram("flowstack_rpc_server_seconds",
                                                     "From a unary call's arrival to its answer",
                                                     {{"method", std::string{method}},
                                                      {"code", std::string{name_of(code)}}}))
                        .first;
        }
        known->second.observe(seconds);
    }

private:
    metrics::Registry& registry_;
    std::mutex mutex_;
    std::map<std::pair<std::string, grpc::StatusCode>, metrics::Histogram> times_;
};

// Sees every call, also those that are refused before a handler runs.
class Stopwatch final : public ex::Interceptor {
public:
    Stopwatch(CallTimes& times, std::string_view method) : times_(times), method_(method) {}

    void Intercept(ex::InterceptorBatchMethods* methods) override {
        if (methods->QueryInterceptionHookPoint(ex::InterceptionHookPoints::PRE_SEND_STATUS)) {
            const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began_;
            times_.observe(method_, methods->GetSendStatus().error_code(), took.count());
        }
        methods->Proceed();
    }

private:
    CallTimes& times_;
    std::string method_;
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

class StopwatchFactory final : public ex::ServerInterceptorFactoryInterface {
public:
    explicit StopwatchFactory(CallTimes& times) : times_(times) {}

    ex::Interceptor* CreateServerInterceptor(ex::ServerRpcInfo* info) override {
        // A stream lasts as long as its caller likes: that is no latency.
        if (info->type() != ex::ServerRpcInfo::Type::UNARY) return nullptr;
        std::string_view method = info->method();
        method.remove_prefix(method.starts_with('/') ? 1 : 0);
        return new Stopwatch(times_, method);  // gRPC owns it
    }

private:
    CallTimes& times_;
};

std::optional<std::string> metadata_of(const grpc::CallbackServerContext& context,
                                       std::string_view key) {
    const auto found = context.client_metadata().find(grpc::string_ref(key.data(), key.size()));
    if (found == context.client_metadata().end()) return std::nullopt;
    return std::string(found->second.data(), found->second.size());
}

// The secret of "Bearer <secret>".
std::optional<std::string> token_in(const std::optional<std::string>& authorization) {
    constexpr std::string_view kBearer = "Bearer ";
    if (!authorization || !authorization->starts_with(kBearer)) return std::nullopt;
    return authorization->substr(kBearer.size());
}

// A caller without a deadline shows as the end of time.
bool has_deadline(const grpc::CallbackServerContext& context) {
    return context.deadline() < std::chrono::system_clock::now() + std::chrono::hours(24 * 365);
}

// Which codes are the server's fault: OpenTelemetry's list.
bool is_servers_fault(grpc::StatusCode code) {
    switch (code) {
        case grpc::StatusCode::UNKNOWN:
        case grpc::StatusCode::DEADLINE_EXCEEDED:
        case grpc::StatusCode::UNIMPLEMENTED:
        case grpc::StatusCode::INTERNAL:
        case grpc::StatusCode::UNAVAILABLE:
        case grpc::StatusCode::DATA_LOSS:
            return true;
        default:
            return false;
    }
}

void end_span(trace::Span& span, const grpc::Status& status) {
    span.set("rpc.grpc.status_code", static_cast<std::int64_t>(status.error_code()));
    if (is_servers_fault(status.error_code()))
        span.fail(std::to_string(static_cast<int>(status.error_code())));
    span.end();
}

}  // namespace

bool Call::cancelled() const { return context_.IsCancelled(); }
std::chrono::system_clock::time_point Call::deadline() const { return context_.deadline(); }
std::optional<std::string> Call::metadata(std::string_view key) const {
    return metadata_of(context_, key);
}
void Call::answer_metadata(const std::string& key, const std::string& value) {
    context_.AddInitialMetadata(key, value);
}

struct Server::Impl {
    explicit Impl(ServerOptions o) : options(std::move(o)) {
        if (options.caller_calls_per_second > 0)
            limits.emplace(resilience::GcraLimit{
                .per_second = static_cast<double>(options.caller_calls_per_second),
                .burst = options.caller_calls_at_once_max});
        if (options.metrics == nullptr) return;
        times = std::make_unique<CallTimes>(*options.metrics);
        waiting.emplace(options.metrics->gauge("flowstack_rpc_server_waiting_calls",
                                               "Calls that wait for a worker"));
        refused.emplace(options.metrics->counter("flowstack_rpc_server_overloaded_total",
                                                 "Calls refused because the queue was full"));
        limited.emplace(
            options.metrics->counter("flowstack_rpc_server_rate_limited_total",
                                     "Calls refused because their caller calls too often"));
    }

    // Throws RATE_LIMITED when the caller must wait.
    void count(const Caller& who) {
        const auto now =
            std::chrono::time_point_cast<resilience::Duration>(std::chrono::system_clock::now());
        if (who.grants && options.client_limits != nullptr)
            return options.client_limits->take(*who.grants, who.actor, now);
        if (!limits || !is_limited(who)) return;
        const auto wait = limits->take(who.actor, now);
        if (!wait) return;
        if (limited) limited->add();
        throw rate_limited(
            who.actor,
            calls_text(options.caller_calls_per_second, options.caller_calls_at_once_max),
            std::chrono::ceil<std::chrono::milliseconds>(*wait));
    }

    void start_workers() {
        workers.emplace(ThreadPoolOptions{.name = "rpc",
                                          .threads = options.workers,
                                          .waiting_max = options.queue_max,
                                          .on_waiting = [this](std::size_t calls) {
                                              if (waiting) waiting->set(static_cast<double>(calls));
                                          }});
    }

    bool push(std::function<void()> job) {
        if (workers->post(std::move(job))) return true;
        if (refused) refused->add();
        return false;
    }

    bool asks_for_certificates() const {
        return options.tls && options.admission.proof != Proof::key;
    }

    Credentials shown_by(const grpc::CallbackServerContext& context) const {
        Credentials shown{.key = metadata_of(context, kInternalKeyHeader),
                          .token = token_in(metadata_of(context, "authorization")),
                          .actor = metadata_of(context, kActorHeader),
                          .role = metadata_of(context, kRoleHeader),
                          .source = metadata_of(context, kSourceHeader),
                          .peer_address = address_of_peer(context.peer())};
        if (asks_for_certificates()) {
            const auto connection = context.auth_context();
            for (const auto& uri : connection->FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME))
                shown.certificate_uris.emplace_back(uri.data(), uri.size());
            shown.has_certificate =
                !connection->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME).empty();
        }
        return shown;
    }

    // Who calls, or why the call is not let in.
    Caller admit(const grpc::CallbackServerContext& context, const Credentials& shown) const {
        auto caller = admitted(options.admission, shown);
        if (options.deadline_required && !has_deadline(context))
            throw Failure(grpc::StatusCode::INVALID_ARGUMENT,
                          common::v1::ERROR_REASON_DEADLINE_MISSING, "a call needs a deadline");
        return caller;
    }

    // The caller of one call, counted. Throws what is answered instead of the call.
    Caller let_in(const grpc::CallbackServerContext& context, const Credentials& shown,
                  const google::protobuf::Message& request) {
        auto caller = admit(context, shown);
        check(caller, request);
        count(caller);
        if (caller.grants && caller.role.empty())
            caller.role = role_in(*caller.grants, tenant_in(request));
        if (!caller.role.empty()) caller.reason = kept_reason(reason_in(request));
        return caller;
    }

    // Throws when this caller may not make this call.
    void check(const Caller& caller, const google::protobuf::Message& request) const {
        if (!caller.grants) return;
        const auto method = methods.find(request.GetDescriptor());
        if (method == methods.end())
            throw std::logic_error("a method that was not added: " + request.GetTypeName());
        check_access(*caller.grants, *method->second, request);
    }

    // Throws TENANT_CLOSED when the call would change something of a closed tenant.
    void check_open(const Caller& caller, const google::protobuf::Message& request) const {
        if (!options.tenant_closed || caller.role.empty()) return;
        const std::string tenant(tenant_in(request));
        const auto method = methods.find(request.GetDescriptor());
        if (tenant.empty() || method == methods.end() ||
            open_when_closed(*method->second, caller.role == kOperatorRole))
            return;
        if (options.tenant_closed(tenant)) throw tenant_closed(tenant_name(tenant));
    }

    trace::Span span_of(const google::protobuf::Descriptor& asked_with,
                        std::string_view traceparent) const {
        const auto found = methods.find(&asked_with);
        const auto* method = found == methods.end() ? nullptr : found->second;
        const auto service = method == nullptr ? std::string() : method->service()->full_name();
        const auto name = method == nullptr ? std::string("unknown") : method->name();
        auto span = trace::Span::begin(trace::SpanKind::server, service + "/" + name,
                                       trace::parse(traceparent).value_or(trace::Context{}));
        span.set("rpc.system", "grpc");
        span.set("rpc.service", service);
        span.set("rpc.method", name);
        return span;
    }

    ServerOptions options;
    // By what they are asked with, which every method has for itself.
    std::unordered_map<const google::protobuf::Descriptor*,
                       const google::protobuf::MethodDescriptor*>
        methods;
    std::unique_ptr<CallTimes> times;  // before the server, whose calls use it
    std::optional<metrics::Gauge> waiting;
    std::optional<metrics::Counter> refused;
    std::optional<metrics::Counter> limited;
    std::optional<resilience::KeyedLimits> limits;
    std::vector<std::pair<grpc::Service*, std::string>> services;
    std::unique_ptr<grpc::Server> server;
    int port = 0;
    std::optional<ThreadPool> workers;  // run the handlers of unary calls
    std::mutex mutex;                   // of `streams`
    std::condition_variable stream_ended;
    int streams = 0;
    std::atomic<bool> draining{false};
};

Server::Server(ServerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Server::~Server() { drain(std::chrono::milliseconds(0)); }

void Server::add(grpc::Service& service, std::string full_name) {
    const auto* described =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(full_name);
    if (described == nullptr) throw std::logic_error("no such service: " + full_name);
    for (int i = 0; i < described->method_count(); ++i)
        if (!impl_->methods.emplace(described->method(i)->input_type(), described->method(i))
                 .second)
            throw std::logic_error("two methods are asked with " +
                                   described->method(i)->input_type()->full_name());
    impl_->services.emplace_back(&service, std::move(full_name));
}

void Server::start() {
    auto& o = impl_->options;
    grpc::EnableDefaultHealthCheckService(true);
    if (o.reflection) grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    builder.AddListeningPort(
        o.address + ":" + std::to_string(o.port),
        o.tls ? o.tls->at_door(impl_->asks_for_certificates()) : grpc::InsecureServerCredentials(),
        &impl_->port);
    if (o.tls)
        builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                                   static_cast<int>(o.tls_connection_age.count()));
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                               kPingIntervalMsMin);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, o.calls_per_connection_max);
    builder.SetResourceQuota(grpc::ResourceQuota("door").Resize(o.memory_bytes_max));
    builder.SetMaxReceiveMessageSize(static_cast<int>(o.message_bytes_max));
    builder.SetMaxSendMessageSize(static_cast<int>(o.message_bytes_max * kAnswerFactor));
    if (impl_->times) {
        std::vector<std::unique_ptr<ex::ServerInterceptorFactoryInterface>> interceptors;
        interceptors.push_back(std::make_unique<StopwatchFactory>(*impl_->times));
        builder.experimental().SetInterceptorCreators(std::move(interceptors));
    }
    for (const auto& [service, name] : impl_->services) builder.RegisterService(service);
    impl_->start_workers();
    impl_->server = builder.BuildAndStart();
    if (!impl_->server || impl_->port == 0)
        throw std::runtime_error("grpc: cannot listen on " + o.address + ":" +
                                 std::to_string(o.port));
    if (auto* health = impl_->server->GetHealthCheckService())
        health->SetServingStatus("liveness", true);
    set_ready(false);
}

std::uint16_t Server::port() const { return static_cast<std::uint16_t>(impl_->port); }

void Server::set_ready(bool ready) {
    if (!impl_->server) return;
    auto* health = impl_->server->GetHealthCheckService();
    if (!health) return;
    health->SetServingStatus("", ready);
    health->SetServingStatus("readiness", ready);
    for (const auto& [service, name] : impl_->services) health->SetServingStatus(name, ready);
}

void Server::drain(std::chrono::milliseconds grace) {
    if (!impl_->server) return;
    set_ready(false);
    impl_->draining = true;
    impl_->server->Shutdown(std::chrono::system_clock::now() + grace);
    {
        std::unique_lock lock(impl_->mutex);
        impl_->stream_ended.wait(lock, [&] { return impl_->streams == 0; });
    }
    impl_->workers->stop(ThreadPool::Waiting::run);
    impl_->server.reset();
}

grpc::Status Server::admit(const grpc::CallbackServerContext& context) const {
    try {
        const auto shown = impl_->shown_by(context);
        // Streams are not for tenants, and this thread must not wait.
        if (is_by_api_key(impl_->options.admission, shown))
            throw permission_denied("only the platform's operators may do this");
        const auto caller = impl_->admit(context, shown);
        if (caller.grants && !caller.grants->platform_admin)
            throw permission_denied("only the platform's operators may do this");
        return grpc::Status::OK;
    } catch (const Failure& refused) {
        return to_status(refused);
    }
}

void answer_is_a_repeat() {
    if (answered != nullptr) answered->answer_metadata(kReplayedHeader, "true");
}

void answer_read_position(const std::string& position) {
    if (answered == nullptr || position_is_told) return;
    answered->answer_metadata(kReadPositionHeader, position);
    position_is_told = true;
}

grpc::ServerUnaryReactor* Server::unary(grpc::CallbackServerContext* context,
                                        const google::protobuf::Message& request,
                                        std::function<void(Call&)> handler) {
    auto* reactor = context->DefaultReactor();
    auto shown = impl_->shown_by(*context);
    // Whoever shows an API key is looked up by the worker, since that may take a call.
    const bool looked_up_later = is_by_api_key(impl_->options.admission, shown);
    Caller caller;
    try {
        if (!looked_up_later) caller = impl_->let_in(*context, shown, request);
    } catch (const Failure& refused) {
        reactor->Finish(to_status(refused));
        return reactor;
    }
    auto answer = [this, context, reactor, &request, looked_up_later, shown = std::move(shown),
                   caller = std::move(caller), handler = std::move(handler)] {
        const auto arrived = metadata_of(*context, trace::kHeader).value_or("");
        // What our services ask each other on nobody's behalf (heads, tenants) is no trace.
        const bool is_poll = arrived.empty() && caller.actor.starts_with("service:");
        auto span = trace::on() && !is_poll ? impl_->span_of(*request.GetDescriptor(), arrived)
                                            : trace::Span();
        const trace::Scope scope(span ? span.context() : trace::continue_from(arrived));
        grpc::Status status = grpc::Status::OK;
        try {
            if (context->IsCancelled())
                status = grpc::Status(grpc::StatusCode::CANCELLED, "the caller is gone");
            else {
                Call call(*context);
                const Answering answering(call);
                const CallerScope scope_of_caller(
                    looked_up_later ? impl_->let_in(*context, shown, request) : caller);
                impl_->check_open(rpc::caller(), request);
                handler(call);
            }
        } catch (...) {
            status = to_status(failure_of_current_exception());
        }
        end_span(span, status);
        reactor->Finish(status);
    };
    if (!impl_->push(std::move(answer)))
        reactor->Finish(to_status(overloaded(impl_->options.overload_retry_after)));
    return reactor;
}

bool Server::run_stream(std::function<void()> body) {
    {
        const std::lock_guard lock(impl_->mutex);
        if (impl_->draining || impl_->streams >= impl_->options.streams_max) return false;
        ++impl_->streams;
    }
    std::thread([this, body = std::move(body)] {
        body();
        const std::lock_guard lock(impl_->mutex);
        --impl_->streams;
        impl_->stream_ended.notify_all();
    }).detach();
    return true;
}

bool Server::draining() const { return impl_->draining; }

}  // namespace flowstack::rpc
