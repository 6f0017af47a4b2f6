#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"

// The ceiling for signed webhooks: one thread, epoll, the signature checked, what has gathered
// inserted by one statement, answered when it is committed. It knows no tenant, no contact and no
// event, keeps one narrow row a webhook, and would fall over at the first stranger.
//
//   flowstack-bench-http PORT DATABASE_URL CONNECTIONS        APP_SECRET in the environment
namespace {

constexpr std::size_t kBatchMax = 512;
constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
constexpr std::string_view kUnauthorized = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
constexpr const char* kInsert =
    "insert into webhook_events (message_id, phone_number_id, payload) select * from "
    "unnest($1::text[], $2::text[], $3::bytea[]) on conflict (message_id) do nothing";
constexpr int kTextOid = 25, kByteaOid = 17;

struct Client {
    std::uint64_t generation = 0;
    std::string in;
};
struct Waiting {
    int fd;
    std::uint64_t generation;
    std::string id, number, body;
};
struct Connection {
    PGconn* db = nullptr;
    bool busy = false;
    std::vector<Waiting> batch = {};
};

void answer(int fd, std::string_view text) {
    if (send(fd, text.data(), text.size(), MSG_NOSIGNAL) < 0)
        return;  // gone: seen by the next read
}

void put32(std::string& out, std::size_t value) {
    const auto big = htonl(static_cast<std::uint32_t>(value));
    out.append(reinterpret_cast<const char*>(&big), 4);
}

std::string array_head(int element_oid, std::size_t count) {
    std::string out;
    for (const std::size_t value : {std::size_t{1}, std::size_t{0},
                                    static_cast<std::size_t>(element_oid), count, std::size_t{1}})
        put32(out, value);
    return out;
}

void add_element(std::string& out, const std::string& value) {
    put32(out, value.size());
    out += value;
}

std::string_view between(std::string_view text, std::string_view before) {
    const auto begin = text.find(before);
    if (begin == std::string_view::npos) return {};
    const auto from = begin + before.size();
    return text.substr(from, text.find('"', from) - from);
}

class Server {
public:
    Server(int port, const char* url, int connections, std::string secret)
        : secret_(std::move(secret)), poll_(epoll_create1(EPOLL_CLOEXEC)) {
        for (int i = 0; i < connections; ++i) {
            auto* db = PQconnectdb(url);
            if (PQstatus(db) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(db));
            PQclear(PQprepare(db, "insert", kInsert, 0, nullptr));
            PQsetnonblocking(db, 1);
            watch(PQsocket(db));
            connections_.push_back({db});
        }
        listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        const int one = 1;
        setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
            listen(listener_, 1024) != 0)
            throw std::runtime_error("cannot listen");
        watch(listener_);
    }

    [[noreturn]] void run() {
        std::array<epoll_event, 512> events{};
        while (true) {
            const int ready = epoll_wait(poll_, events.data(), static_cast<int>(events.size()), -1);
            for (int i = 0; i < ready; ++i) serve(events[static_cast<std::size_t>(i)].data.fd);
            insert();
        }
    }

private:
    void watch(int fd) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event);
    }

    void serve(int fd) {
        if (fd == listener_) return take_clients();
        for (auto& connection : connections_)
            if (PQsocket(connection.db) == fd) return committed(connection);
        read(fd);
    }

    void take_clients() {
        while (true) {
            const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0) return;
            const int one = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            clients_[fd] = {++generation_, {}};
            watch(fd);
        }
    }

    void read(int fd) {
        const auto found = clients_.find(fd);
        if (found == clients_.end()) return;
        auto& client = found->second;
        const auto got = recv(fd, buffer_.data(), buffer_.size(), 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            close(fd);
            clients_.erase(found);
            return;
        }
        client.in.append(buffer_.data(), static_cast<std::size_t>(got));
        while (true) {
            const auto head_end = client.in.find("\r\n\r\n");
            if (head_end == std::string::npos) return;
            const auto head = std::string_view(client.in).substr(0, head_end + 2);
            constexpr std::string_view kLength = "Content-Length: ";
            const auto at = head.find(kLength);
            const std::size_t length =
                at == std::string_view::npos
                    ? 0
                    : std::strtoul(client.in.data() + at + kLength.size(), nullptr, 10);
            if (client.in.size() < head_end + 4 + length) return;
            request(fd, client.generation, head,
                    std::string_view(client.in).substr(head_end + 4, length));
            client.in.erase(0, head_end + 4 + length);
        }
    }

    void request(int fd, std::uint64_t generation, std::string_view head, std::string_view body) {
        constexpr std::string_view kSignature = "X-Hub-Signature-256: sha256=";
        const auto at = head.find(kSignature);
        const auto given =
            at == std::string_view::npos ? "" : head.substr(at + kSignature.size(), 64);
        const auto digest = flowstack::crypto::hmac_sha256(secret_, body);
        if (!flowstack::crypto::constant_time_equal(
                given, flowstack::crypto::hex_encode(flowstack::crypto::bytes_of(digest))))
            return answer(fd, kUnauthorized);
        queue_.push_back({fd, generation, std::string(between(body, R"("id":"wamid.)")),
                          std::string(between(body, R"("phone_number_id":")")), std::string(body)});
    }

    void insert() {
        for (auto& connection : connections_) {
            if (connection.busy || queue_.empty()) continue;
            const auto count = std::min(queue_.size(), kBatchMax);
            auto ids = array_head(kTextOid, count), numbers = array_head(kTextOid, count),
                 bodies = array_head(kByteaOid, count);
            connection.batch.clear();
            for (std::size_t i = 0; i < count; ++i) {
                add_element(ids, queue_.front().id);
                add_element(numbers, queue_.front().number);
                add_element(bodies, queue_.front().body);
                connection.batch.push_back(std::move(queue_.front()));
                queue_.pop_front();
            }
            const char* values[] = {ids.data(), numbers.data(), bodies.data()};
            const int lengths[] = {static_cast<int>(ids.size()), static_cast<int>(numbers.size()),
                                   static_cast<int>(bodies.size())};
            const int formats[] = {1, 1, 1};
            if (!PQsendQueryPrepared(connection.db, "insert", 3, values, lengths, formats, 1))
                throw std::runtime_error(PQerrorMessage(connection.db));
            PQflush(connection.db);
            connection.busy = true;
        }
    }

    void committed(Connection& connection) {
        PQconsumeInput(connection.db);
        PQflush(connection.db);
        while (connection.busy && !PQisBusy(connection.db)) {
            auto* result = PQgetResult(connection.db);
            if (!result) {
                connection.busy = false;
                break;
            }
            if (PQresultStatus(result) != PGRES_COMMAND_OK)
                throw std::runtime_error(PQresultErrorMessage(result));
            PQclear(result);
        }
        if (connection.busy) return;
        for (const auto& waiting : connection.batch) {
            const auto client = clients_.find(waiting.fd);
            if (client != clients_.end() && client->second.generation == waiting.generation)
                answer(waiting.fd, kOk);
        }
        connection.batch.clear();
    }

    std::string secret_;
    int poll_;
    int listener_ = -1;
    std::uint64_t generation_ = 0;
    std::unordered_map<int, Client> clients_;
    std::vector<Connection> connections_;
    std::deque<Waiting> queue_;
    std::array<char, 1 << 18> buffer_{};
};

}  // namespace

int main(int argc, char** argv) try {
    const char* secret = std::getenv("APP_SECRET");
    if (argc != 4 || !secret) {
        std::fprintf(stderr,
                     "usage: APP_SECRET=… flowstack-bench-http PORT DATABASE_URL CONNECTIONS\n");
        return 2;
    }
    static Server server(std::atoi(argv[1]), argv[2], std::atoi(argv[3]), secret);
    server.run();
} catch (const std::exception& error) {
    std::fprintf(stderr, "flowstack-bench-http: %s\n", error.what());
    return 1;
}
