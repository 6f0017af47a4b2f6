#include "common/http/client.h"

#include <curl/curl.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "common/http/failure_text.h"
#include "common/http/public_address.h"
#include "common/http/server.h"
#include "tests/unit/http/raw_peer.h"

namespace flowstack::http {
namespace {

using Outcome = ClientResult::Outcome;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::RawListener;
using testing::RawPeer;

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

ClientRequest post_to(std::string url, std::string body) {
    ClientRequest request;
    request.method = "POST";
    request.url = std::move(url);
    request.headers = {{"Content-Type", "application/json"}};
    request.body = std::move(body);
    request.timeout_ms = testing::kPatienceMs;
    return request;
}

std::string url_of(const Server& server, std::string_view path) {
    return "http://127.0.0.1:" + std::to_string(server.port()) + std::string(path);
}

TEST(Client, SendsExactlyWhatItIsGivenAndReturnsTheWholeAnswer) {
    Request got;
    Server server({}, [&](Request request, const Responder& responder) {
        got = std::move(request);
        Response response = Response::json(409, R"({"error":"no"})");
        response.headers.add("X-Trace", "t1");
        responder.send(std::move(response));
    });
    server.start();
    Client client;
    const std::string body("\x00{\"a\":1}\r\n\xff", 11);
    auto request = post_to(url_of(server, "/v1/messages?x=%2F"), body);
    request.headers.add("X-Empty", "");
    request.headers.add("Authorization", "Bearer t");
    const auto result = client.call_and_wait(request);
    ASSERT_EQ(result.outcome, Outcome::answered) << result.error;
    EXPECT_EQ(result.response.status, 409);
    EXPECT_EQ(result.response.body, R"({"error":"no"})");
    EXPECT_EQ(result.response.headers.get("x-trace"), "t1");
    EXPECT_EQ(got.method, "POST");
    EXPECT_EQ(got.target, "/v1/messages?x=%2F");
    EXPECT_EQ(got.body, body);
    EXPECT_EQ(got.headers.get("Content-Type"), "application/json");
    EXPECT_EQ(got.headers.get("Authorization"), "Bearer t");
    EXPECT_TRUE(got.headers.has("X-Empty"));
    EXPECT_FALSE(got.headers.has("Expect"));
    EXPECT_EQ(got.headers.get("User-Agent"), "FlowStack");
}

TEST(Client, SpeaksEveryMethodWithAndWithoutABody) {
    Server server({}, [](const Request& request, const Responder& responder) {
        responder.send(Response::text(200, request.method + " " + request.body + " " +
                                               std::string(request.headers.get("Content-Length")) +
                                               " " +
                                               std::string(request.headers.get("Content-Type"))));
    });
    server.start();
    Client client;
    const auto ask = [&](std::string method, std::string body) {
        ClientRequest request;
        request.method = std::move(method);
        request.url = url_of(server, "/");
        request.body = std::move(body);
        return client.call_and_wait(std::move(request)).response.body;
    };
    EXPECT_EQ(ask("GET", ""), "GET   ");
    EXPECT_EQ(ask("POST", "b"), "POST b 1 ");
    EXPECT_EQ(ask("POST", ""), "POST  0 ");
    EXPECT_EQ(ask("PUT", "bb"), "PUT bb 2 ");
    EXPECT_EQ(ask("PATCH", "b"), "PATCH b 1 ");
    EXPECT_EQ(ask("DELETE", ""), "DELETE  0 ");
    EXPECT_EQ(ask("HEAD", ""), "");
}

// The trap: libcurl sends a POST again by itself when a kept-alive connection is cut without an
// answer.
TEST(Client, NeverSendsAPostTwiceOnAConnectionThatWasCut) {
    for (const bool with_reset : {false, true}) {
        for (const std::string& body : {std::string("{\"pay\":2}"), std::string()}) {
            RawListener listener;
            std::optional<Client> client(std::in_place);
            auto first = std::async(std::launch::async, [&] {
                return client->call_and_wait(post_to(listener.url("/pay"), "{\"pay\":1}"));
            });
            RawPeer peer = listener.accept();
            EXPECT_TRUE(peer.read_request().ends_with("{\"pay\":1}"));
            peer.send(kOk);
            EXPECT_EQ(first.get().outcome, Outcome::answered);

            auto second = std::async(std::launch::async, [&] {
                return client->call_and_wait(post_to(listener.url("/pay"), body));
            });
            // The same connection is used again, the whole request is read, then the line is cut.
            const auto request = peer.read_request();
            EXPECT_TRUE(request.starts_with("POST /pay"));
            EXPECT_TRUE(request.ends_with("\r\n\r\n" + body));
            if (with_reset)
                peer.reset();
            else
                peer.close();
            const auto result = second.get();
            EXPECT_EQ(result.outcome, Outcome::unknown) << result.error;
            // m4: people read this in the list of dead letters.
            EXPECT_TRUE(result.error.starts_with("the connection ")) << result.error;
            // libcurl may have knocked, but whoever comes says nothing.
            if (listener.anybody(milliseconds{200})) {
                RawPeer again = listener.accept();
                client.reset();
                EXPECT_EQ(again.read_to_end(), "");
            }
        }
    }
}

TEST(Client, KnowsThatNothingWasSentWhenNobodyListens) {
    std::uint16_t port = 0;
    {
        const RawListener gone;
        port = gone.port();
    }
    Client client;
    auto result =
        client.call_and_wait(post_to("http://127.0.0.1:" + std::to_string(port) + "/", "b"));
    EXPECT_EQ(result.outcome, Outcome::not_sent);
    EXPECT_TRUE(result.error.starts_with("no connection to the host")) << result.error;
    result = client.call_and_wait(post_to("http://no-such-host.invalid/", "b"));
    EXPECT_EQ(result.outcome, Outcome::not_sent);
    EXPECT_TRUE(result.error.starts_with("the host name was not found")) << result.error;
}

TEST(Client, DoesNotKnowWhenTheAnswerIsLostOrCut) {
    RawListener listener;
    Client client;
    for (const std::string_view partial :
         {std::string_view(""), std::string_view("HTTP/1.1 200 OK\r\n"),
          std::string_view("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
          std::string_view("rubbish that is no answer\r\n\r\n")}) {
        auto result = std::async(std::launch::async, [&] {
            return client.call_and_wait(post_to(listener.url("/"), "b"));
        });
        RawPeer peer = listener.accept();
        EXPECT_TRUE(peer.read_request().ends_with("b"));
        peer.send(partial);
        peer.close();
        EXPECT_EQ(result.get().outcome, Outcome::unknown) << partial;
    }
}

TEST(Client, DoesNotKnowWhenTheAnswerDoesNotComeInTime) {
    RawListener listener;
    Client client;
    auto request = post_to(listener.url("/"), "b");
    request.timeout_ms = 100;
    auto result =
        std::async(std::launch::async, [&] { return client.call_and_wait(std::move(request)); });
    RawPeer peer = listener.accept();
    peer.read_request();
    EXPECT_EQ(result.get().outcome, Outcome::unknown);
}

TEST(Client, BelievesAnAnswerThatComesBeforeTheBodyIsRead) {
    Server server({.body_bytes_max = 10}, [](const Request&, const Responder&) {});
    server.start();
    Client client;
    const auto result =
        client.call_and_wait(post_to(url_of(server, "/"), std::string(3u << 20, 'x')));
    EXPECT_EQ(result.outcome, Outcome::answered) << result.error;
    EXPECT_EQ(result.response.status, 413);
}

TEST(Client, DropsAStartThatIsTooLate) {
    std::atomic<int> calls{0};
    std::promise<Responder> held;
    Server server({}, [&](const Request& request, Responder responder) {
        ++calls;
        if (request.path == "/held")
            held.set_value(std::move(responder));
        else
            responder.send(Response::text(200, ""));
    });
    server.start();
    Client client({.connections_per_host_max = 1});
    // Too late from the start.
    auto late = post_to(url_of(server, "/late"), "b");
    late.not_after = std::chrono::steady_clock::now() - milliseconds{1};
    EXPECT_EQ(client.call_and_wait(late).outcome, Outcome::not_sent);

    // Too late while it waits for the one connection.
    std::promise<ClientResult> first;
    client.call(post_to(url_of(server, "/held"), "b"),
                [&](ClientResult result) { first.set_value(std::move(result)); });
    const Responder responder = held.get_future().get();
    late.not_after = std::chrono::steady_clock::now() + milliseconds{50};
    const auto result = client.call_and_wait(late);
    EXPECT_EQ(result.outcome, Outcome::not_sent);
    EXPECT_EQ(result.error, "too late to start");
    responder.send(Response::text(200, ""));
    EXPECT_EQ(first.get_future().get().outcome, Outcome::answered);

    // In time.
    late.not_after = std::chrono::steady_clock::now() + seconds{20};
    EXPECT_EQ(client.call_and_wait(late).outcome, Outcome::answered);
    EXPECT_EQ(calls, 2);
}

TEST(Client, CallsBeyondTheConnectionsWaitInTheirOrder) {
    std::mutex mutex;
    std::vector<std::string> came;
    std::vector<Responder> held;
    Server server({}, [&](const Request& request, Responder responder) {
        const std::lock_guard lock(mutex);
        came.push_back(request.path);
        held.push_back(std::move(responder));
    });
    server.start();
    Client client({.connections_per_host_max = 2});
    constexpr int kCalls = 50;
    std::atomic<int> answered{0};
    for (int i = 0; i < kCalls; ++i)
        client.call(post_to(url_of(server, "/" + std::to_string(100 + i)), "b"),
                    [&](const ClientResult& result) {
                        if (result.outcome == Outcome::answered) ++answered;
                    });
    // One that may not wait as long as it would have to.
    auto hurried = post_to(url_of(server, "/hurried"), "b");
    hurried.timeout_ms = 50;
    EXPECT_EQ(client.call_and_wait(hurried).outcome, Outcome::not_sent);
    std::size_t most = 0;
    const auto end = std::chrono::steady_clock::now() + seconds{20};
    while (answered < kCalls && std::chrono::steady_clock::now() < end) {
        std::vector<Responder> now;
        {
            const std::lock_guard lock(mutex);
            now.swap(held);
        }
        most = std::max(most, now.size());
        for (const auto& responder : now) responder.send(Response::text(200, ""));
        std::this_thread::sleep_for(milliseconds{1});
    }
    EXPECT_EQ(answered, kCalls);
    EXPECT_LE(most, 2U);
    const std::lock_guard lock(mutex);
    ASSERT_EQ(came.size(), static_cast<std::size_t>(kCalls));
    // Two connections: neighbours may change places, nobody is overtaken by more.
    for (int i = 0; i < kCalls; ++i)
        EXPECT_NEAR(std::stoi(came[static_cast<std::size_t>(i)].substr(1)), 100 + i, 1);
}

TEST(Client, RefusesWhatIsNoRequest) {
    Client client;
    const auto outcome_of = [&](auto change) {
        auto request = post_to("http://127.0.0.1:1/", "b");
        change(request);
        const auto result = client.call_and_wait(std::move(request));
        EXPECT_FALSE(result.error.empty());
        return result.outcome;
    };
    EXPECT_EQ(outcome_of([](auto& r) { r.url = ""; }), Outcome::not_sent);
    EXPECT_EQ(outcome_of([](auto& r) { r.url = "file:///etc/passwd"; }), Outcome::not_sent);
    EXPECT_EQ(outcome_of([](auto& r) { r.method = "GET / HTTP/1.1\r\nX"; }), Outcome::not_sent);
    EXPECT_EQ(outcome_of([](auto& r) { r.headers.add("A", "b\r\nC: d"); }), Outcome::not_sent);
    EXPECT_EQ(outcome_of([](auto& r) { r.headers.add("A: b", "c"); }), Outcome::not_sent);
}

TEST(Client, LimitsWaitingCallsAndAnswers) {
    std::mutex mutex;
    std::vector<Responder> held;
    std::promise<void> two_held;
    Server server({}, [&](const Request& request, Responder responder) {
        if (request.path == "/large") {
            responder.send(Response::text(200, std::string(2000, 'x')));
            return;
        }
        const std::lock_guard lock(mutex);
        held.push_back(std::move(responder));
        if (held.size() == 2) two_held.set_value();
    });
    server.start();
    Client client({.calls_max = 2, .response_bytes_max = 1000});
    EXPECT_EQ(client.call_and_wait(post_to(url_of(server, "/large"), "b")).outcome,
              Outcome::unknown);

    std::atomic<int> answered{0};
    std::promise<void> both;
    for (int i = 0; i < 2; ++i)
        client.call(post_to(url_of(server, "/"), "b"), [&](const ClientResult& result) {
            EXPECT_EQ(result.outcome, Outcome::answered);
            if (++answered == 2) both.set_value();
        });
    two_held.get_future().wait();
    EXPECT_EQ(client.call_and_wait(post_to(url_of(server, "/"), "b")).outcome, Outcome::not_sent);
    {
        const std::lock_guard lock(mutex);
        for (const auto& responder : held) responder.send(Response::text(200, ""));
    }
    both.get_future().wait();
}

TEST(Client, EndsEveryCallWhenItGoes) {
    RawListener listener;
    std::atomic<int> unknown{0};
    std::atomic<int> unsent{0};
    auto client = std::make_unique<Client>(ClientOptions{.connections_per_host_max = 1});
    for (int i = 0; i < 3; ++i)
        client->call(post_to(listener.url("/"), "b"), [&](const ClientResult& result) {
            if (result.outcome == Outcome::unknown) ++unknown;
            if (result.outcome == Outcome::not_sent) ++unsent;
        });
    // The peer stays until the client is gone: a cut connection would let the next call start.
    RawPeer peer = listener.accept();
    peer.read_request();
    client.reset();
    EXPECT_EQ(unknown, 1);
    EXPECT_EQ(unsent, 2);
}

TEST(Client, CarriesManyCallsOverFewConnections) {
    std::atomic<std::size_t> connections_max{0};
    Server* door = nullptr;
    Server server({}, [&](Request request, const Responder& responder) {
        std::size_t seen = connections_max;
        while (door->open_connections() > seen &&
               !connections_max.compare_exchange_weak(seen, door->open_connections())) {
        }
        responder.send(Response::text(200, std::move(request.body)));
    });
    door = &server;
    server.start();
    Client client({.connections_per_host_max = 4});
    constexpr int kCalls = 2000;
    std::atomic<int> right{0};
    std::atomic<int> left{kCalls};
    std::promise<void> all;
    for (int i = 0; i < kCalls; ++i)
        client.call(post_to(url_of(server, "/"), std::to_string(i)),
                    [&, i](const ClientResult& result) {
                        if (result.response.body == std::to_string(i)) ++right;
                        if (--left == 0) all.set_value();
                    });
    all.get_future().wait();
    EXPECT_EQ(right, kCalls);
    EXPECT_LE(connections_max, 4u);
}

TEST(FailureText, IsPlainForEveryKindOfFailure) {
    const struct {
        CURLcode code;
        const char* text;
    } kinds[] = {
        {CURLE_OK, "the connection closed before the answer's headers were complete"},
        {CURLE_URL_MALFORMAT, "the address cannot be called: about it"},
        {CURLE_UNSUPPORTED_PROTOCOL, "the address cannot be called: about it"},
        {CURLE_COULDNT_RESOLVE_HOST, "the host name was not found: about it"},
        {CURLE_COULDNT_RESOLVE_PROXY, "the proxy's host name was not found: about it"},
        {CURLE_COULDNT_CONNECT, "no connection to the host: about it"},
        {CURLE_PROXY, "the proxy made no connection: about it"},
        {CURLE_NO_CONNECTION_AVAILABLE, "this machine could not open a connection: about it"},
        {CURLE_SSL_CONNECT_ERROR, "the TLS connection failed: about it"},
        {CURLE_PEER_FAILED_VERIFICATION, "the host's TLS certificate is not trusted: about it"},
        {CURLE_SSL_CACERT_BADFILE, "TLS is not set up on this machine: about it"},
        {CURLE_OPERATION_TIMEDOUT, "no whole answer in time: about it"},
        {CURLE_SEND_FAIL_REWIND, "the connection closed before an answer"},
        {CURLE_GOT_NOTHING, "the connection closed before an answer"},
        {CURLE_SEND_ERROR, "the connection broke while the request was sent"},
        {CURLE_RECV_ERROR, "the connection broke before the answer was whole"},
        {CURLE_PARTIAL_FILE, "the connection closed in the middle of the answer"},
        {CURLE_WEIRD_SERVER_REPLY, "the answer is not HTTP: about it"},
        {CURLE_HTTP2_STREAM, "the host ended the call in the HTTP protocol: about it"},
        {CURLE_BAD_CONTENT_ENCODING, "the answer's compression cannot be read: about it"},
        {CURLE_TOO_MANY_REDIRECTS, "the answer only names other addresses: about it"},
        {CURLE_WRITE_ERROR, "the answer could not be taken: about it"},
        {CURLE_OUT_OF_MEMORY, "this process has no memory left for the call"},
        {CURLE_ABORTED_BY_CALLBACK, "the call was given up"},
    };
    for (const auto& kind : kinds)
        EXPECT_EQ(failure_text(kind.code, "about it"), kind.text) << kind.code;
    EXPECT_EQ(failure_text(CURLE_COULDNT_CONNECT, ""), "no connection to the host");
    // What has no text of ours keeps libcurl's, with its number to look up.
    EXPECT_EQ(failure_text(CURLE_LDAP_CANNOT_BIND, "about it"),
              std::string("the call failed (libcurl 38, ") +
                  curl_easy_strerror(CURLE_LDAP_CANNOT_BIND) + "): about it");
}

TEST(Client, JudgesTheAddressThatANameStandsForWhenItConnects) {
    std::atomic<int> requests{0};
    Server server({}, [&](Request, const Responder& responder) {
        ++requests;
        responder.send(Response::text(200, "ok"));
    });
    server.start();
    Client strict({.refused_address = why_not_public});
    const auto port = std::to_string(server.port());
    // A name, numbers in every spelling that a resolver takes, and IPv6 that carries IPv4.
    for (const auto* host : {"localhost", "127.0.0.1", "127.1", "0x7f000001", "2130706433",
                             "0177.0.0.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"}) {
        const auto result =
            strict.call_and_wait(post_to("http://" + std::string(host) + ":" + port + "/", "{}"));
        EXPECT_EQ(result.outcome, Outcome::not_sent) << host;
        EXPECT_NE(result.error.find("is not connected to"), std::string::npos)
            << host << ": " << result.error;
    }
    EXPECT_EQ(requests, 0);
    std::string judged;
    Client open({.refused_address = [&](std::string_view address) {
        judged = address;
        return std::string();
    }});
    EXPECT_EQ(open.call_and_wait(post_to(url_of(server, "/"), "{}")).outcome, Outcome::answered);
    EXPECT_EQ(judged, "127.0.0.1");
    EXPECT_EQ(requests, 1);
}

}  // namespace
}  // namespace flowstack::http
