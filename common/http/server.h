#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/message.h"
#include "common/http/trusted_proxies.h"

// The HTTP/1.1 door. It reads whole requests within limits, hands them to one handler and writes
// the answers in order. Plain TCP, where TLS ends in front of it, or TLS 1.2 and 1.3.
//
// What it refuses by itself, always as problem+json: 400 malformed or ambiguous framing, 408 a
// request that does not finish in time, 413 a body over its limit (not read to its end), 414 / 431
// a target / header block over `header_bytes_max`, 417, 501 unknown transfer coding, 503 over the
// connection cap, 505 anything that is not HTTP/1.1.
namespace flowstack::http {

// A promise to answer one request. Copies share the promise: the first `send` counts, later ones
// are ignored. If the last copy goes without an answer, a 500 problem is sent. Any thread may send,
// also after the server has gone (then nothing happens).
class Responder {
public:
    // For tests and for handlers that wrap another one: `deliver` gets the answer, at most once.
    explicit Responder(std::function<void(Response)> deliver);

    void send(Response response) const;

    // Closes the connection without an answer, as a peer that dies would. For stand-ins and tests.
    void abort() const;

    class Exchange;  // one request's promise; the server has its own kind
    explicit Responder(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}

private:
    std::shared_ptr<Exchange> exchange_;
};

// Runs on the server's thread and must not block: hand slow work to a pool and keep the responder.
// An exception that leaves it becomes a 500 problem.
using Handler = std::function<void(Request, Responder)>;

// HTTPS at a door. The files are looked at once a second while connections come, and read again
// when they have changed; connections that are open keep the certificate they began with.
struct ServerTls {
    std::string certificate_file;  // PEM: ours, then the chain upwards
    std::string key_file;          // PEM, without a password
    int handshake_timeout_ms = 5'000;
    // Handshakes under way; over it the one that has waited longest makes room.
    std::size_t handshakes_max = 256;
    // Called after the files have changed: with nothing when the new certificate is shown from now
    // on, with the reason when it cannot be used. Runs on a server thread.
    std::function<void(std::string_view failure)> on_change = nullptr;
};

struct ServerOptions {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;  // 0 = any free one, see Server::port()
    int threads = 1;         // connections are spread over them, one connection stays on its thread
    std::size_t header_bytes_max = 8192;  // request line and headers together
    std::size_t body_bytes_max = std::size_t{1} << 20;
    // Overrides body_bytes_max by method and decoded path. Called once a request, on server
    // threads.
    std::function<std::size_t(std::string_view method, std::string_view path)> body_limit = nullptr;
    // From a request's first byte to the end of its headers, and again from there to the end of its
    // body. A whole-time limit: a peer that sends a byte now and then gains nothing.
    int read_timeout_ms = 10'000;
    int write_timeout_ms = 10'000;  // for the peer to take one whole answer
    int idle_timeout_ms = 60'000;   // without a byte of a new request
    // When reached, the connection that has waited longest without a whole request makes room; if
    // all of them are being served, the new one gets 503.
    std::size_t connections_max = 10'000;
    // Bodies of all requests that are not answered yet, together; over it 503.
    std::size_t bodies_bytes_max = std::size_t{512} << 20;
    std::string name = {};  // `Server:` header, left out if empty
    // Given with every answer that does not bring a header of the same name itself.
    std::vector<Header> headers = {};
    std::optional<ServerTls> tls = std::nullopt;
    // Whose X-Forwarded-For is believed about Request::remote_address.
    TrustedProxies trusted_proxies = {};
    // Told what() of an exception that left the handler. Runs on server threads.
    std::function<void(std::string_view what)> on_handler_error = nullptr;
};

class Server {
public:
    Server(ServerOptions options, Handler handler);
    ~Server();  // drain(0)
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Binds and starts the threads. Throws std::runtime_error that names the address, or the file
    // of a certificate, and the reason when it cannot be had.
    void start();

    // The port it listens on, after start().
    std::uint16_t port() const;

    // No new connections from now on; those that are open go on.
    void stop_accepting();

    // stop_accepting, close what is idle, let requests in progress be answered (with
    // `Connection: close`) for at most `grace`, close everything, join the threads. Safe to repeat.
    void drain(std::chrono::milliseconds grace);

    // For metrics; any thread.
    std::size_t open_connections() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace flowstack::http
