#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/http/message.h"

// Calls to the outside, on one thread of their own.
//
// **A request that is not idempotent is never sent twice by this library.** libcurl would do so
// when a kept-alive connection is cut without an answer; the second start is refused here and
// reported as `unknown`. Redirects are not followed, and a proxy is used only when it is named.
//
// A call from a thread with a current trace is a span of it: method, host and status, never the
// rest of the URL. The other side is told nothing of the trace.
namespace flowstack::http {

struct ClientRequest {
    std::string method = "GET";
    std::string url = {};  // http:// or https://
    Headers headers = {};  // Content-Length and Expect are the library's business
    std::string body = {};
    int timeout_ms = 10'000;         // for the whole call, waiting for a connection included
    int connect_timeout_ms = 3'000;  // name look-up, TCP and TLS
    // If the first byte has not been written by then, it never is: not_sent.
    std::optional<std::chrono::steady_clock::time_point> not_after = std::nullopt;
};

struct ClientResult {
    enum class Outcome {
        answered,  // `response` is whole, whatever its status
        not_sent,  // certain: no byte of the request left this process; safe to try again
        unknown,   // at least partly sent, no whole answer: it may have happened
    };
    Outcome outcome = Outcome::not_sent;
    Response response = {};
    std::string error = {};  // for logs, empty when answered
};

struct ClientOptions {
    long connections_per_host_max = 32;
    long connections_max = 256;
    std::size_t calls_max = 10'000;  // waiting and running; over it a call ends at once as not_sent
    std::size_t response_bytes_max = std::size_t{16} << 20;  // over it: unknown
    long connection_idle_s_max = 30;  // not reused after; keep it below the peers' idle timeout
    std::string user_agent = "FlowStack";
    std::string ca_file = {};  // PEM; empty = the system's
    std::string proxy = {};    // empty = none, whatever the environment says
    // Why an address must not be connected to, for each address that a name stands for, at the
    // moment of connecting: no other look-up comes between. Empty text: it may be. It runs on the
    // client's thread. Empty function: all may be.
    std::function<std::string(std::string_view address)> refused_address = {};
};

class Client {
public:
    explicit Client(ClientOptions options = {});
    // Calls in progress end as not_sent or unknown; their callbacks run before this returns.
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // Any thread. `done` runs exactly once, on the client's thread: it must not block and must not
    // use call_and_wait.
    void call(ClientRequest request, std::function<void(ClientResult)> done);

    // Any thread but the client's own.
    ClientResult call_and_wait(ClientRequest request);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace flowstack::http
