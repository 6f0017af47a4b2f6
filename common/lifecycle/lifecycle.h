#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

// The life of one process: start the parts in order, wait for SIGTERM or SIGINT, stop them in
// reverse within the grace period, say what hung.
//
//   lifecycle::Lifecycle life(std::chrono::milliseconds{20'000});  // first thing in main
//   life.add("grpc", [&] { server.start(); }, [&](auto left) { server.drain(left); });
//   life.add("readiness", [&] { health.open(); }, [&](auto) { health.drain(); });  // stops first
//   return life.run();
namespace flowstack::lifecycle {

class Lifecycle {
public:
    using Start = std::function<void()>;
    // Gets what is left of the grace period; must come back within it.
    using Stop = std::function<void(std::chrono::milliseconds)>;

    // Blocks SIGTERM, SIGINT and SIGPIPE in this thread and so in every thread it makes later:
    // construct it before anything starts a thread. Nothing runs inside a signal handler.
    explicit Lifecycle(std::chrono::milliseconds grace);
    ~Lifecycle();
    Lifecycle(const Lifecycle&) = delete;
    Lifecycle& operator=(const Lifecycle&) = delete;

    // Before run(). A part whose start throws is not stopped; those before it are.
    void add(std::string name, Start start, Stop stop);

    // Ends the process as a signal would, from any thread; `failed` makes run() answer 1. The first
    // call counts.
    void request_stop(const std::string& why, bool failed = false);

    // True from the first signal on: long starts look at it to give up early. Any thread.
    bool stopping() const;

    // 0 after a clean stop. 1 if a part could not start or threw while stopping, or after
    // request_stop(…, true). When the grace period ends before the last part has stopped, or on a
    // second signal, the process exits with 1 at once and names the part that hung.
    int run();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace flowstack::lifecycle
