#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace flowstack::http::testing {

// How long a test waits for what must come. Generous: the machine may be busy.
inline constexpr int kPatienceMs = 20'000;

// A TCP peer that says exactly the bytes it is told to, right or wrong.
class RawPeer {
public:
    explicit RawPeer(std::uint16_t port)
        : RawPeer(connected(::socket(AF_INET, SOCK_STREAM, 0), port)) {}
    // Connects a socket made before.
    static RawPeer connected(int fd, std::uint16_t port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        RawPeer peer = of(fd);
        if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
            throw std::runtime_error("RawPeer: cannot connect");
        const int one = 1;
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        return peer;
    }
    // Takes over a socket, e.g. an accepted one.
    static RawPeer of(int fd) { return RawPeer(fd, 0); }
    RawPeer(RawPeer&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}
    RawPeer& operator=(RawPeer&&) = delete;
    ~RawPeer() { close(); }

    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    // Closes so that the other side sees a reset.
    void reset() {
        const linger at_once{1, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close();
    }

    // False if the other side has gone.
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (count <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(count));
        }
        return true;
    }

    void done_sending() { ::shutdown(fd_, SHUT_WR); }

    // The next answer: head and body. Empty if the connection ended (or patience) before a whole
    // one.
    std::string read_response() {
        while (true) {
            const auto end = buffer_.find("\r\n\r\n");
            if (end != std::string::npos) {
                std::size_t length = 0;
                const auto at = buffer_.substr(0, end).find("Content-Length: ");
                if (at != std::string::npos)
                    length = std::strtoul(buffer_.c_str() + at + 16, nullptr, 10);
                if (buffer_.size() >= end + 4 + length) {
                    std::string response = buffer_.substr(0, end + 4 + length);
                    buffer_.erase(0, response.size());
                    return response;
                }
            }
            if (!read_some()) return {};
        }
    }

    // Everything until the other side closes.
    std::string read_to_end() {
        while (read_some()) {
        }
        return std::exchange(buffer_, {});
    }

    // Waits for `count` bytes and gives them.
    std::string read_exactly(std::size_t count) {
        while (buffer_.size() < count && read_some()) {
        }
        std::string bytes = buffer_.substr(0, count);
        buffer_.erase(0, bytes.size());
        return bytes;
    }

    // One whole request with a Content-Length, head and body; empty if the peer goes first.
    std::string read_request() { return read_response(); }

    bool closed_by_peer() { return !read_some() && !timed_out_; }

    int fd() const { return fd_; }

private:
    RawPeer(int fd, int) : fd_(fd) {}

    bool read_some() {
        pollfd ready{fd_, POLLIN, 0};
        timed_out_ = ::poll(&ready, 1, kPatienceMs) == 0;
        if (timed_out_) return false;
        char bytes[65536];
        const ssize_t count = ::recv(fd_, bytes, sizeof bytes, 0);
        if (count <= 0) return false;
        buffer_.append(bytes, static_cast<std::size_t>(count));
        return true;
    }

    int fd_;
    std::string buffer_;
    bool timed_out_ = false;
};

// A listening socket of a peer under the test's control.
class RawListener {
public:
    RawListener() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        if (fd_ < 0 || ::bind(fd_, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
            ::listen(fd_, 64) != 0 ||
            ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length) != 0)
            throw std::runtime_error("RawListener: cannot listen");
        port_ = ntohs(address.sin_port);
    }
    ~RawListener() { close(); }
    RawListener(const RawListener&) = delete;
    RawListener& operator=(const RawListener&) = delete;

    std::uint16_t port() const { return port_; }
    std::string url(std::string_view path) const {
        return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
    }
    RawPeer accept() {
        pollfd ready{fd_, POLLIN, 0};
        if (::poll(&ready, 1, kPatienceMs) != 1) throw std::runtime_error("nobody connects");
        return RawPeer::of(::accept(fd_, nullptr, nullptr));
    }
    // Whether somebody connects within a time.
    bool anybody(std::chrono::milliseconds within) {
        pollfd ready{fd_, POLLIN, 0};
        return ::poll(&ready, 1, static_cast<int>(within.count())) == 1;
    }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

private:
    int fd_;
    std::uint16_t port_ = 0;
};

// "HTTP/1.1 404 …" → 404; 0 for anything else.
inline int status_of(std::string_view response) {
    if (!response.starts_with("HTTP/1.1 ") || response.size() < 12) return 0;
    return std::atoi(std::string(response.substr(9, 3)).c_str());
}

inline std::string body_of(std::string_view response) {
    const auto end = response.find("\r\n\r\n");
    return end == std::string_view::npos ? std::string() : std::string(response.substr(end + 4));
}

}  // namespace flowstack::http::testing
