#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "common/observability/trace.h"
#include "common/rpc/error.h"
#include "common/rpc/server.h"

// Server streams written by plain, blocking code. Heavy (it is gRPC's templates): include it in the
// .cc of the service that streams.
//
//   grpc::ServerWriteReactor<v1::Item>* Watch(grpc::CallbackServerContext* context,
//                                             const v1::WatchRequest* request) override {
//       return rpc::stream<v1::Item>(door_, context, [=, this](auto& out) {
//           while (out.open()) {
//               for (const auto& item : news()) if (!out.write(item)) return;
//               out.wait(kPollMs);
//           }
//       });
//   }
namespace flowstack::rpc {

// Used by the thread of the stream's body only.
template <class Message>
class StreamWriter : private grpc::ServerWriteReactor<Message> {
public:
    // Waits until gRPC has taken the message: a slow reader slows the body down and nothing piles
    // up. False when the stream is over; the body should return then.
    bool write(const Message& message) {
        if (!open()) return false;
        {
            const std::lock_guard lock(mutex_);
            written_ = Written::not_yet;
        }
        this->StartWrite(&message);
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return written_ != Written::not_yet; });
        return written_ == Written::yes;
    }

    // False once the caller has gone, its deadline has passed or the server drains.
    bool open() const {
        const std::lock_guard lock(mutex_);
        return !cancelled_ && !door_.draining();
    }

    // Returns early, with false, when the stream is over.
    bool wait(std::chrono::milliseconds time) const {
        constexpr std::chrono::milliseconds kLookForDrainEvery{50};
        const auto end = std::chrono::steady_clock::now() + time;
        std::unique_lock lock(mutex_);
        while (!cancelled_ && !door_.draining() && std::chrono::steady_clock::now() < end) {
            changed_.wait_until(
                lock, std::min(end, std::chrono::steady_clock::now() + kLookForDrainEvery));
        }
        return !cancelled_ && !door_.draining();
    }

private:
    template <class M>
    friend grpc::ServerWriteReactor<M>* stream(Server&, grpc::CallbackServerContext*,
                                               std::function<void(StreamWriter<M>&)>);
    enum class Written { not_yet, yes, no };

    explicit StreamWriter(Server& door) : door_(door) {}

    void OnWriteDone(bool ok) override {
        const std::lock_guard lock(mutex_);
        written_ = ok ? Written::yes : Written::no;
        changed_.notify_all();
    }
    void OnCancel() override {
        const std::lock_guard lock(mutex_);
        cancelled_ = true;
        changed_.notify_all();
    }
    void OnDone() override { delete this; }  // gRPC's way: nobody else knows that it is over

    bool cancelled() const {
        const std::lock_guard lock(mutex_);
        return cancelled_;
    }

    Server& door_;
    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    Written written_ = Written::not_yet;
    bool cancelled_ = false;
};

// The body of a server-streaming method: the checks of Server::unary, then `body` on a thread of
// its own (at most ServerOptions::streams_max; RESOURCE_EXHAUSTED beyond), exceptions mapped as
// there. A stream that ends because the server drains is UNAVAILABLE: the caller goes on elsewhere.
template <class Message>
grpc::ServerWriteReactor<Message>* stream(Server& door, grpc::CallbackServerContext* context,
                                          std::function<void(StreamWriter<Message>&)> body) {
    auto* writer = new StreamWriter<Message>(door);
    if (auto refused = door.admit(*context); !refused.ok()) {
        writer->Finish(std::move(refused));
        return writer;
    }
    const auto arrived = context->client_metadata().find(
        grpc::string_ref(trace::kHeader.data(), trace::kHeader.size()));
    const auto traced = trace::continue_from(
        arrived == context->client_metadata().end()
            ? std::string_view{}
            : std::string_view{arrived->second.data(), arrived->second.size()});
    const bool taken = door.run_stream([writer, traced, body = std::move(body)] {
        const trace::Scope scope{traced};
        grpc::Status status;
        try {
            body(*writer);
            if (writer->door_.draining() && !writer->cancelled()) {
                status = to_status(unavailable("this server is going down; ask again",
                                               std::chrono::milliseconds{0}));
            }
        } catch (...) {
            status = to_status(failure_of_current_exception());
        }
        writer->Finish(std::move(status));  // *writer may be gone after this
    });
    if (!taken) writer->Finish(to_status(overloaded(std::chrono::milliseconds{1000})));
    return writer;
}

}  // namespace flowstack::rpc
