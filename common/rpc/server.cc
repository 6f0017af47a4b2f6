#include "common/rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "common/crypto/hash.h"
#include "common/observability/log.h"
#include "common/rpc/error.h"
#include "flowstack/common/v1/error_reason.pb.h"

namespace flowstack::rpc {
namespace {

std::optional<std::string> metadata_of(const grpc::CallbackServerContext& context,
                                       std::string_view key) {
    const auto found = context.client_metadata().find(grpc::string_ref(key.data(), key.size()));
    if (found == context.client_metadata().end()) return std::nullopt;
    return std::string(found->second.data(), found->second.size());
}

// A caller without a deadline shows as the end of time.
bool has_deadline(const grpc::CallbackServerContext& context) {
    return context.deadline() < std::chrono::system_clock::now() + std::chrono::hours(24 * 365);
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
    explicit Impl(ServerOptions o) : options(std::move(o)) {}

    void work() {
        while (true) {
            std::function<void()> job;
            {
                std::unique_lock lock(mutex);
                ready.wait(lock, [&] { return stopping || !queue.empty(); });
                if (queue.empty()) return;
                job = std::move(queue.front());
                queue.pop_front();
            }
            job();
        }
    }

    bool push(std::function<void()> job) {
        const std::lock_guard lock(mutex);
        if (stopping || queue.size() >= options.queue_max) return false;
        queue.push_back(std::move(job));
        ready.notify_one();
        return true;
    }

    ServerOptions options;
    std::vector<std::pair<grpc::Service*, std::string>> services;
    std::unique_ptr<grpc::Server> server;
    int port = 0;
    std::mutex mutex;
    std::condition_variable ready;
    std::condition_variable stream_ended;
    std::deque<std::function<void()>> queue;
    std::vector<std::thread> workers;
    int streams = 0;
    bool stopping = false;
    std::atomic<bool> draining{false};
};

Server::Server(ServerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Server::~Server() { drain(std::chrono::milliseconds(0)); }

void Server::add(grpc::Service& service, std::string full_name) {
    impl_->services.emplace_back(&service, std::move(full_name));
}

void Server::start() {
    auto& o = impl_->options;
    grpc::EnableDefaultHealthCheckService(true);
    if (o.reflection) grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    builder.AddListeningPort(o.address + ":" + std::to_string(o.port),
                             grpc::InsecureServerCredentials(), &impl_->port);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.SetMaxReceiveMessageSize(static_cast<int>(o.message_bytes_max));
    builder.SetMaxSendMessageSize(static_cast<int>(o.message_bytes_max) * 4);
    for (const auto& [service, name] : impl_->services) builder.RegisterService(service);
    impl_->server = builder.BuildAndStart();
    if (!impl_->server || impl_->port == 0)
        throw std::runtime_error("grpc: cannot listen on " + o.address + ":" +
                                 std::to_string(o.port));
    if (auto* health = impl_->server->GetHealthCheckService())
        health->SetServingStatus("liveness", true);
    set_ready(false);
    for (int i = 0; i < o.workers; ++i) impl_->workers.emplace_back([this] { impl_->work(); });
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
        impl_->stopping = true;
        impl_->ready.notify_all();
        impl_->stream_ended.wait(lock, [&] { return impl_->streams == 0; });
    }
    for (auto& worker : impl_->workers) worker.join();
    impl_->workers.clear();
    impl_->server.reset();
}

grpc::Status Server::admit(const grpc::CallbackServerContext& context) const {
    const auto& o = impl_->options;
    if (!o.internal_key.empty()) {
        const auto key = metadata_of(context, kInternalKeyHeader);
        if (!key || !crypto::constant_time_equal(*key, o.internal_key.reveal()))
            return to_status(unauthenticated("x-internal-key is missing or wrong"));
    }
    if (o.deadline_required && !has_deadline(context))
        return to_status(Failure(grpc::StatusCode::INVALID_ARGUMENT,
                                 common::v1::ERROR_REASON_DEADLINE_MISSING,
                                 "a call needs a deadline"));
    return grpc::Status::OK;
}

grpc::ServerUnaryReactor* Server::unary(grpc::CallbackServerContext* context,
                                        std::function<void(Call&)> handler) {
    auto* reactor = context->DefaultReactor();
    if (const auto refused = admit(*context); !refused.ok()) {
        reactor->Finish(refused);
        return reactor;
    }
    const auto began = std::chrono::steady_clock::now();
    const bool taken = impl_->push([this, context, reactor, began, handler = std::move(handler)] {
        const trace::Scope scope(
            trace::continue_from(metadata_of(*context, trace::kHeader).value_or("")));
        grpc::Status status = grpc::Status::OK;
        try {
            if (context->IsCancelled())
                status = grpc::Status(grpc::StatusCode::CANCELLED, "the caller is gone");
            else {
                Call call(*context);
                handler(call);
            }
        } catch (...) {
            status = to_status(failure_of_current_exception());
        }
        if (impl_->options.metrics) {
            const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
            impl_->options.metrics
                ->histogram("flowstack_rpc_server_seconds", "time from arrival to answer",
                            {{"code", std::to_string(status.error_code())}})
                .observe(took.count());
        }
        reactor->Finish(status);
    });
    if (!taken) reactor->Finish(to_status(overloaded(impl_->options.overload_retry_after)));
    return reactor;
}

bool Server::run_stream(std::function<void()> body) {
    {
        const std::lock_guard lock(impl_->mutex);
        if (impl_->stopping || impl_->streams >= impl_->options.streams_max) return false;
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
