#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

struct ssl_ctx_st;
struct ssl_st;

// TLS 1.2 and 1.3 at the server's side, over sockets that somebody else waits for (internal). Only
// tls.cc includes OpenSSL.
namespace flowstack::http {

// One connection's TLS over a socket that does not block. Belongs to the connection's thread.
class TlsStream {
public:
    // done: as asked, or a part of it. wants_*: again when the socket can be read or written.
    enum class Outcome : std::uint8_t { done, wants_read, wants_write, over };

    // `descriptor` must outlive this object.
    TlsStream(ssl_ctx_st* context, int descriptor);
    ~TlsStream();
    TlsStream(const TlsStream&) = delete;
    TlsStream& operator=(const TlsStream&) = delete;

    Outcome shake_hands();
    // At least one byte when done; over: the peer has ended the connection, or broke it.
    Outcome read(char* to, std::size_t size, std::size_t& count);
    // After wants_write: again with the same bytes, which may be somewhere else by then.
    Outcome write(std::string_view bytes, std::size_t& count);
    // Bytes that were read from the socket already: no event of the socket will tell of them.
    bool has_read_ahead() const;
    // Tells the peer that nothing more comes, as far as the socket takes it at once.
    void say_goodbye();
    // After a handshake that is over: what came was HTTP without TLS.
    bool heard_plain_http() const { return heard_plain_http_; }

private:
    Outcome outcome_of(int result);

    ssl_st* ssl_;
    bool shaken_ = false;
    bool heard_plain_http_ = false;
};

// The certificate that a door shows, read again when its files have changed. Connections that are
// open keep what they began with. Thread-safe.
class TlsCertificate {
public:
    // Throws std::runtime_error that names the file and the reason.
    TlsCertificate(std::string certificate_file, std::string key_file);
    ~TlsCertificate();

    // Reads the files again if they changed; looks at most once a second. Nothing: they did not. A
    // pair that does not fit together, or is being written, leaves the certificate as it is: the
    // text is the reason, once for each change; empty: the new certificate is shown from now on.
    std::optional<std::string> refresh(std::chrono::steady_clock::time_point now);
    std::unique_ptr<TlsStream> stream(int descriptor) const;

private:
    using Context = std::shared_ptr<ssl_ctx_st>;
    Context load() const;
    std::string state_of_files() const;

    const std::string certificate_file_;
    const std::string key_file_;
    mutable std::mutex mutex_;
    Context context_;
    std::string seen_;  // the state of the files that was last tried
    std::chrono::steady_clock::time_point looked_{};
};

}  // namespace flowstack::http
