#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/config/config.h"
#include "common/http/door_settings.h"
#include "common/http/server.h"
#include "tests/support/certificates.h"
#include "tests/unit/http/raw_peer.h"

// HTTPS at the door: OpenSSL's own client against it.
namespace flowstack::http {
namespace {

using flowstack::testing::TestCa;
using flowstack::testing::TestFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kPatienceMs;
using testing::RawPeer;
using ::testing::StartsWith;
using testing::status_of;
using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr const char* kName = "DNS:localhost,IP:127.0.0.1";

// A client that believes one CA and no other.
class TlsPeer {
public:
    struct Options {
        int version_min = TLS1_2_VERSION;
        int version_max = TLS1_3_VERSION;
    };
    TlsPeer(std::uint16_t port, const std::string& ca_file) : TlsPeer(port, ca_file, Options{}) {}
    TlsPeer(std::uint16_t port, const std::string& ca_file, Options options)
        : context_(SSL_CTX_new(TLS_client_method())), fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
        // Without it OpenSSL itself would refuse to offer the old versions.
        SSL_CTX_set_security_level(context_, 0);
        SSL_CTX_set_min_proto_version(context_, options.version_min);
        SSL_CTX_set_max_proto_version(context_, options.version_max);
        SSL_CTX_load_verify_file(context_, ca_file.c_str());
        SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
            throw std::runtime_error("TlsPeer: cannot connect");
        const timeval patience{kPatienceMs / 1000, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        ssl_ = SSL_new(context_);
        SSL_set1_host(ssl_, "localhost");
        SSL_set_fd(ssl_, fd_);
        connected_ = SSL_connect(ssl_) == 1;
        ERR_clear_error();
    }
    ~TlsPeer() {
        SSL_free(ssl_);
        SSL_CTX_free(context_);
        ::close(fd_);
    }
    TlsPeer(const TlsPeer&) = delete;

    bool connected() const { return connected_; }
    std::string version() const { return SSL_get_version(ssl_); }
    bool send(const std::string& bytes) {
        return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) ==
               static_cast<int>(bytes.size());
    }
    // Head and body; what came until the end when that is all.
    std::string read_response() {
        while (true) {
            const auto end = buffer_.find("\r\n\r\n");
            if (end != std::string::npos) {
                const auto at = buffer_.substr(0, end).find("Content-Length: ");
                const auto length =
                    at == std::string::npos ? 0 : std::stoul(buffer_.substr(at + 16));
                if (buffer_.size() >= end + 4 + length) {
                    auto response = buffer_.substr(0, end + 4 + length);
                    buffer_.erase(0, response.size());
                    return response;
                }
            }
            char bytes[16384];
            const int count = SSL_read(ssl_, bytes, sizeof bytes);
            if (count <= 0) {
                ended_well_ = SSL_get_error(ssl_, count) == SSL_ERROR_ZERO_RETURN;
                return std::exchange(buffer_, {});
            }
            buffer_.append(bytes, static_cast<std::size_t>(count));
        }
    }
    // The end of the connection was told by TLS, so nobody cut the last answer short.
    bool ended_well() const { return ended_well_; }
    std::string certificate() const {
        X509* shown = SSL_get1_peer_certificate(ssl_);
        unsigned char hash[32];
        unsigned int size = sizeof hash;
        X509_digest(shown, EVP_sha256(), hash, &size);
        X509_free(shown);
        return {reinterpret_cast<char*>(hash), size};
    }

private:
    SSL_CTX* context_;
    int fd_;
    SSL* ssl_ = nullptr;
    bool connected_ = false;
    bool ended_well_ = false;
    std::string buffer_;
};

std::string get(const std::string& target, const std::string& more = "") {
    return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n" + more + "\r\n";
}

void echo(const Request& request, const Responder& responder) {
    responder.send(Response::text(200, request.target + " " + request.body));
}

class HttpsDoor : public ::testing::Test {
protected:
    HttpsDoor() { renew(); }
    void renew() {
        const auto pem = ca.issue(kName);
        folder.write("cert.pem", pem.certificate);
        folder.write("key.pem", pem.key);
    }
    ServerOptions options() {
        ServerOptions made;
        made.tls = ServerTls{.certificate_file = folder.path("cert.pem"),
                             .key_file = folder.path("key.pem"),
                             .on_change = [this](std::string_view failure) {
                                 const std::lock_guard lock(mutex);
                                 changes.emplace_back(failure);
                             }};
        return made;
    }
    std::vector<std::string> told() {
        const std::lock_guard lock(mutex);
        return changes;
    }
    // Connects until the certificate is another one: the door looks at the files once a second.
    bool shows_another_than(const std::string& certificate, std::uint16_t port) {
        const auto until = Steady::now() + milliseconds(kPatienceMs);
        while (Steady::now() < until) {
            TlsPeer peer(port, ca_file);
            if (peer.connected() && peer.certificate() != certificate) return true;
            std::this_thread::sleep_for(milliseconds(50));
        }
        return false;
    }

    TestFolder folder;
    const TestCa ca{"a CA"};
    const std::string ca_file = folder.write("ca.pem", ca.certificate());
    std::mutex mutex;
    std::vector<std::string> changes;
};

TEST_F(HttpsDoor, ServesRequestsOnOneConnection) {
    Server server(options(), echo);
    server.start();
    TlsPeer peer(server.port(), ca_file);
    ASSERT_TRUE(peer.connected());
    EXPECT_EQ(peer.version(), "TLSv1.3");
    // Two in one piece, then one that comes in two.
    ASSERT_TRUE(peer.send(get("/1") + get("/2")));
    EXPECT_THAT(peer.read_response(), HasSubstr("/1 "));
    EXPECT_THAT(peer.read_response(), HasSubstr("/2 "));
    ASSERT_TRUE(peer.send("POST /3 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbo"));
    ASSERT_TRUE(peer.send("dy"));
    EXPECT_THAT(peer.read_response(), HasSubstr("/3 body"));
    ASSERT_TRUE(peer.send(get("/4", "Connection: close\r\n")));
    EXPECT_THAT(peer.read_response(), HasSubstr("/4 "));
    EXPECT_EQ(peer.read_response(), "");
    EXPECT_TRUE(peer.ended_well());
}

TEST_F(HttpsDoor, CarriesLargeBodiesBothWays) {
    auto large = options();
    large.body_bytes_max = 8 << 20;
    Server server(large, [](const Request& request, const Responder& responder) {
        std::thread([body = request.body, responder] {
            responder.send(Response::text(200, body));
        }).detach();
    });
    server.start();
    TlsPeer peer(server.port(), ca_file);
    ASSERT_TRUE(peer.connected());
    std::string body(5 << 20, 'x');
    for (std::size_t i = 0; i < body.size(); i += 4096) body[i] = static_cast<char>('a' + i % 26);
    ASSERT_TRUE(peer.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: " +
                          std::to_string(body.size()) + "\r\n\r\n"));
    EXPECT_THAT(peer.read_response(), StartsWith("HTTP/1.1 100"));
    ASSERT_TRUE(peer.send(body));
    const auto response = peer.read_response();
    ASSERT_EQ(status_of(response), 200);
    EXPECT_EQ(response.substr(response.size() - body.size()), body);
}

TEST_F(HttpsDoor, SpeaksNothingOlderThanTls12) {
    Server server(options(), echo);
    server.start();
    EXPECT_FALSE(TlsPeer(server.port(), ca_file, {TLS1_VERSION, TLS1_1_VERSION}).connected());
    TlsPeer peer(server.port(), ca_file, {TLS1_2_VERSION, TLS1_2_VERSION});
    ASSERT_TRUE(peer.connected());
    EXPECT_EQ(peer.version(), "TLSv1.2");
    ASSERT_TRUE(peer.send(get("/")));
    EXPECT_EQ(status_of(peer.read_response()), 200);
}

TEST_F(HttpsDoor, IsNotBelievedByWhoKnowsAnotherCa) {
    const TestCa other("another CA");
    Server server(options(), echo);
    server.start();
    EXPECT_FALSE(
        TlsPeer(server.port(), folder.write("other.pem", other.certificate())).connected());
    EXPECT_TRUE(TlsPeer(server.port(), ca_file).connected());
}

TEST_F(HttpsDoor, TellsPlainHttpWhatThisPortSpeaks) {
    Server server(options(), echo);
    server.start();
    RawPeer peer(server.port());
    peer.send(get("/"));
    const auto response = peer.read_response();
    EXPECT_EQ(status_of(response), 400);
    EXPECT_THAT(response, HasSubstr("HTTPS"));
}

TEST_F(HttpsDoor, ShowsANewCertificateWithoutDroppingARequest) {
    std::mutex held;
    std::vector<Responder> waiting;
    Server server(options(), [&](const Request& request, const Responder& responder) {
        if (request.path != "/slow") return echo(request, responder);
        const std::lock_guard lock(held);
        waiting.push_back(responder);
    });
    server.start();
    TlsPeer slow(server.port(), ca_file), idle(server.port(), ca_file);
    ASSERT_TRUE(slow.connected() && idle.connected());
    const auto first = slow.certificate();
    ASSERT_TRUE(slow.send(get("/slow")));
    renew();
    ASSERT_TRUE(shows_another_than(first, server.port()));
    // The request that was under way is answered, and connections from before go on.
    {
        const std::lock_guard lock(held);
        ASSERT_EQ(waiting.size(), 1U);
        waiting.front().send(Response::text(200, "late"));
    }
    EXPECT_THAT(slow.read_response(), HasSubstr("late"));
    ASSERT_TRUE(idle.send(get("/idle")));
    EXPECT_THAT(idle.read_response(), HasSubstr("/idle"));
    EXPECT_EQ(told().back(), "");
}

TEST_F(HttpsDoor, KeepsItsCertificateWhileTheNewOneIsWrong) {
    Server server(options(), echo);
    server.start();
    const auto first = TlsPeer(server.port(), ca_file).certificate();
    // Half of a pair, as between the writing of two files.
    folder.write("cert.pem", ca.issue(kName).certificate);
    const auto until = Steady::now() + milliseconds(kPatienceMs);
    while (told().empty() && Steady::now() < until) {
        TlsPeer peer(server.port(), ca_file);
        ASSERT_TRUE(peer.connected());
        EXPECT_EQ(peer.certificate(), first);
        std::this_thread::sleep_for(milliseconds(50));
    }
    ASSERT_THAT(told(), ElementsAre(HasSubstr("is no")));
    renew();
    EXPECT_TRUE(shows_another_than(first, server.port()));
}

TEST_F(HttpsDoor, DoesNotStartWithoutAUsableCertificate) {
    auto wrong = options();
    wrong.tls->certificate_file = folder.path("nowhere.pem");
    Server server(wrong, echo);
    EXPECT_THROW(server.start(), std::runtime_error);
}

TEST_F(HttpsDoor, GivesUpAHandshakeThatTakesTooLong) {
    auto hasty = options();
    hasty.tls->handshake_timeout_ms = 100;
    Server server(hasty, echo);
    server.start();
    RawPeer silent(server.port()), dripping(server.port());
    dripping.send("\x16\x03\x01");
    EXPECT_TRUE(silent.closed_by_peer());
    EXPECT_TRUE(dripping.closed_by_peer());
}

TEST_F(HttpsDoor, AFloodOfHandshakesEvictsItselfAndNobodyElse) {
    auto narrow = options();
    narrow.tls->handshakes_max = 4;
    narrow.tls->handshake_timeout_ms = 600'000;
    Server server(narrow, echo);
    server.start();
    TlsPeer before(server.port(), ca_file);
    std::vector<RawPeer> flood;
    for (int i = 0; i < 40; ++i) flood.emplace_back(server.port());
    TlsPeer after(server.port(), ca_file);
    ASSERT_TRUE(after.connected());
    for (auto* peer : {&before, &after}) {
        ASSERT_TRUE(peer->send(get("/")));
        EXPECT_EQ(status_of(peer->read_response()), 200);
    }
    EXPECT_TRUE(flood.front().closed_by_peer());
    EXPECT_LE(server.open_connections(), 2U + 4U);
}

TEST_F(HttpsDoor, EndsInOrderWhileHandshakesAndRequestsAreUnderWay) {
    std::mutex held;
    std::vector<Responder> waiting;
    std::atomic<bool> arrived{false};
    Server server(options(), [&](const Request&, const Responder& responder) {
        const std::lock_guard lock(held);
        waiting.push_back(responder);
        arrived = true;
    });
    server.start();
    RawPeer silent(server.port());
    TlsPeer peer(server.port(), ca_file);
    ASSERT_TRUE(peer.send(get("/")));
    while (!arrived) std::this_thread::sleep_for(milliseconds(1));
    std::thread drain([&] { server.drain(std::chrono::seconds(20)); });
    EXPECT_TRUE(silent.closed_by_peer());
    waiting.front().send(Response::text(200, "the last one"));
    EXPECT_THAT(peer.read_response(), HasSubstr("the last one"));
    EXPECT_EQ(peer.read_response(), "");
    EXPECT_TRUE(peer.ended_well());
    drain.join();
}

// -------------------------------------------------------------------------------- settings

class DoorSetting : public HttpsDoor {
protected:
    std::vector<std::string> mistakes_of(const std::vector<std::string>& environment) {
        std::vector<const char*> env;
        for (const auto& entry : environment) env.push_back(entry.c_str());
        env.push_back(nullptr);
        const char* program = "gateway";
        config::Reader reader(1, &program, env.data());
        const DoorSettings settings(reader);
        made = {};
        settings.apply(made);
        return reader.mistakes();
    }
    std::string cert = "HTTP_TLS_CERT_FILE=" + folder.path("cert.pem");
    std::string key = "HTTP_TLS_KEY_FILE=" + folder.path("key.pem");
    ServerOptions made;
};

TEST_F(DoorSetting, IsPlainHttpUnlessACertificateIsSet) {
    EXPECT_THAT(mistakes_of({}), IsEmpty());
    EXPECT_FALSE(made.tls);
    EXPECT_THAT(mistakes_of({cert, key}), IsEmpty());
    ASSERT_TRUE(made.tls);
    Server server(made, echo);
    server.start();
    EXPECT_TRUE(TlsPeer(server.port(), ca_file).connected());
}

TEST_F(DoorSetting, WantsACertificateWithItsKey) {
    EXPECT_THAT(mistakes_of({cert}), ElementsAre(StartsWith("HTTP_TLS_KEY_FILE: must be set")));
    EXPECT_THAT(mistakes_of({key}), ElementsAre(StartsWith("HTTP_TLS_CERT_FILE: must be set")));
    folder.write("key.pem", ca.issue(kName).key);
    EXPECT_THAT(mistakes_of({cert, key}), ElementsAre(StartsWith("HTTP_TLS_CERT_FILE: ")));
    EXPECT_THAT(mistakes_of({"HTTP_TRUSTED_PROXIES=proxy"}),
                ElementsAre(StartsWith("HTTP_TRUSTED_PROXIES: \"proxy\"")));
}

TEST_F(DoorSetting, MakesBrowsersCarefulWithEveryAnswer) {
    EXPECT_THAT(mistakes_of({"HTTP_HSTS_SECONDS=3600"}), IsEmpty());
    Server server(made, [](const Request& request, const Responder& responder) {
        auto response = Response::text(200, "x");
        if (request.path == "/page") response.headers.set("content-security-policy", "its own");
        responder.send(std::move(response));
    });
    server.start();
    RawPeer peer(server.port());
    peer.send(get("/") + get("/page") + "rubbish\r\n\r\n");
    const auto answer = peer.read_response();
    EXPECT_THAT(answer, HasSubstr("X-Content-Type-Options: nosniff\r\n"));
    EXPECT_THAT(answer, HasSubstr("Content-Security-Policy: default-src 'none'; "
                                  "frame-ancestors 'none'\r\n"));
    EXPECT_THAT(answer, HasSubstr("Referrer-Policy: no-referrer\r\n"));
    EXPECT_THAT(answer, HasSubstr("Strict-Transport-Security: max-age=3600\r\n"));
    const auto page = peer.read_response();
    EXPECT_THAT(page, HasSubstr("content-security-policy: its own\r\n"));
    EXPECT_THAT(page, ::testing::Not(HasSubstr("default-src 'none'")));
    const auto refusal = peer.read_response();
    EXPECT_EQ(status_of(refusal), 400);
    EXPECT_THAT(refusal, HasSubstr("nosniff"));
    mistakes_of({});
    for (const auto& header : made.headers) EXPECT_NE(header.name, "Strict-Transport-Security");
}

}  // namespace
}  // namespace flowstack::http
