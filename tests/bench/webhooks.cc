#include "tests/bench/webhooks.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <stdexcept>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "tests/bench/machine.h"

namespace flowstack::bench {
namespace {

constexpr std::size_t kBodyBytes = 1024;
// A server that answers nothing for so long is taken for dead.
constexpr int kSilenceMs = 10'000;

std::string body_of(const std::string& phone_number_id, std::int64_t series, std::size_t n,
                    std::size_t customers, std::int64_t timestamp) {
    const auto phone = customer_phone(n % customers).substr(1);
    const auto head = fmt::format(
        R"({{"object":"whatsapp_business_account","entry":[{{"id":"102290129340398","changes":[{{"value":)"
        R"({{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"254711000000",)"
        R"("phone_number_id":"{}"}},"contacts":[{{"profile":{{"name":"Customer {}"}},"wa_id":"{}"}}],)"
        R"("messages":[{{"from":"{}","id":"wamid.HBgMMjU0NzAwMTIzNDU2FQIAEhggQ{:06}{:012}",)"
        R"("timestamp":"{}","text":{{"body":")",
        phone_number_id, n % customers, phone, phone, series, n, timestamp);
    const std::string_view tail = R"("},"type":"text"}]},"field":"messages"}]}]})";
    auto body = head;
    while (body.size() + tail.size() < kBodyBytes) body += "abcdefg hijklm "[body.size() % 15];
    return body.append(tail);
}

struct Connection {
    int fd = -1;
    std::int64_t sent_at = 0;
    std::size_t written = 0;
    std::string_view request;
    std::string answer;
};

}  // namespace

int connect_to(int port) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        close(fd);
        throw std::runtime_error("nobody listens on 127.0.0.1:" + std::to_string(port));
    }
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

int take_answer(std::string& text, std::string* body) {
    const auto end = text.find("\r\n\r\n");
    if (end == std::string::npos || text.size() < 12) return 0;
    std::size_t length = 0;
    for (std::size_t at = text.find("\r\n"); at < end; at = text.find("\r\n", at + 2)) {
        constexpr std::string_view name = "content-length:";
        const auto line = std::string_view(text).substr(at + 2, name.size());
        bool same = line.size() == name.size();
        for (std::size_t i = 0; same && i < name.size(); ++i)
            same = (line[i] | 0x20) == (name[i] | 0x20);
        if (!same) continue;
        auto value = std::string_view(text).substr(at + 2 + name.size());
        value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
        std::from_chars(value.data(), value.data() + value.size(), length);
    }
    if (text.size() < end + 4 + length) return 0;
    int status = -1;
    std::from_chars(text.data() + 9, text.data() + 12, status);
    if (body != nullptr) *body = text.substr(end + 4, length);
    text.erase(0, end + 4 + length);
    return status;
}

std::string customer_phone(std::size_t n) { return fmt::format("+2547{:08}", 10'000'000 + n); }

SignedWebhooks::SignedWebhooks(const std::string& app_secret, const std::string& phone_number_id,
                               std::int64_t series, std::size_t count, std::size_t customers) {
    bytes_.reserve(count * (kBodyBytes + 256));
    ends_.reserve(count);
    // Now, so that these customers may be written to.
    const auto timestamp = std::int64_t{time(nullptr)};
    for (std::size_t n = 0; n < count; ++n) {
        const auto body = body_of(phone_number_id, series, n, customers, timestamp);
        const auto signature =
            crypto::hex_encode(crypto::bytes_of(crypto::hmac_sha256(app_secret, body)));
        bytes_ += fmt::format(
            "POST /webhooks/whatsapp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
            "application/json\r\nX-Hub-Signature-256: sha256={}\r\nContent-Length: {}\r\n\r\n",
            signature, body.size());
        bytes_ += body;
        ends_.push_back(bytes_.size());
    }
}

LoadResult post_all(int port, int connections, const SignedWebhooks& webhooks, std::size_t from,
                    double seconds) {
    LoadResult result;
    const int poll = epoll_create1(EPOLL_CLOEXEC);
    std::vector<Connection> all(static_cast<std::size_t>(connections));
    auto next = from;
    int in_flight = 0;
    const auto begin_request = [&](Connection& connection) {
        connection.request = webhooks[next++];
        connection.sent_at = now_us();
        // A kilobyte always fits into an empty socket buffer of a server that answered the last.
        const auto wrote =
            send(connection.fd, connection.request.data(), connection.request.size(), MSG_NOSIGNAL);
        if (wrote != static_cast<ssize_t>(connection.request.size())) {
            ++result.refused;
            close(connection.fd);
            connection.fd = -1;
            return;
        }
        ++in_flight;
    };
    for (auto& connection : all) {
        connection.fd = connect_to(port);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = &connection;
        epoll_ctl(poll, EPOLL_CTL_ADD, connection.fd, &event);
    }
    const auto began = now_us();
    const auto until = began + static_cast<std::int64_t>(seconds * 1e6);
    for (auto& connection : all)
        if (next < webhooks.size()) begin_request(connection);
    std::array<epoll_event, 256> events{};
    std::array<char, 16384> buffer{};
    auto last_answer = began;
    while (in_flight > 0) {
        const int ready =
            epoll_wait(poll, events.data(), static_cast<int>(events.size()), kSilenceMs);
        if (ready <= 0) break;
        for (int i = 0; i < ready; ++i) {
            auto& connection =
                *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
            if (connection.fd < 0) continue;
            const auto got = recv(connection.fd, buffer.data(), buffer.size(), 0);
            if (got <= 0) {
                ++result.refused;
                --in_flight;
                close(connection.fd);
                connection.fd = -1;
                continue;
            }
            connection.answer.append(buffer.data(), static_cast<std::size_t>(got));
            const int status = take_answer(connection.answer);
            if (status == 0) continue;
            --in_flight;
            last_answer = now_us();
            result.latencies.add(last_answer - connection.sent_at);
            ++(status == 200 ? result.acknowledged : result.refused);
            if (last_answer < until && next < webhooks.size()) begin_request(connection);
        }
    }
    result.refused += in_flight;
    result.seconds = static_cast<double>(last_answer - began) / 1e6;
    for (auto& connection : all)
        if (connection.fd >= 0) close(connection.fd);
    close(poll);
    return result;
}

}  // namespace flowstack::bench
