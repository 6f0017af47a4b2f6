#include "common/http/server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "tests/unit/http/raw_peer.h"

namespace flowstack::http {
namespace {

using testing::body_of;
using testing::RawPeer;
using testing::status_of;

std::string get(std::string_view target, std::string_view more = "") {
    return "GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n" + std::string(more) + "\r\n";
}
std::string post(std::string_view target, std::string_view body, std::string_view more = "") {
    return "POST " + std::string(target) +
           " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
           std::string(more) + "\r\n" + std::string(body);
}

// Says what it got: "METHOD path?query body".
void echo(const Request& request, const Responder& responder) {
    responder.send(Response::text(
        200, request.method + " " + request.path + "?" + request.query + " " + request.body));
}

TEST(Server, GivesTheHandlerTheExactRequest) {
    std::promise<Request> got;
    Server server({}, [&](Request request, const Responder& responder) {
        got.set_value(std::move(request));
        responder.send(Response::json(201, "{}"));
    });
    server.start();
    RawPeer peer(server.port());
    const std::string body("\x00\xff\r\n\r\nbytes", 11);
    peer.send(
        post("/a%20b/c?x=%31&y", body, "X-Hub-Signature-256: sha256=ab\r\nx-a: 1\r\nX-A: 2\r\n"));
    const auto response = peer.read_response();
    EXPECT_EQ(status_of(response), 201);
    EXPECT_NE(response.find("Content-Type: application/json\r\n"), std::string::npos);
    EXPECT_NE(response.find("Date: "), std::string::npos);
    const Request request = got.get_future().get();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.target, "/a%20b/c?x=%31&y");
    EXPECT_EQ(request.path, "/a b/c");
    EXPECT_EQ(request.query, "x=%31&y");
    EXPECT_EQ(request.query_param("x"), "1");
    EXPECT_EQ(request.body, body);
    EXPECT_EQ(request.remote_address, "127.0.0.1");
    EXPECT_EQ(request.headers.get("x-hub-signature-256"), "sha256=ab");
    EXPECT_EQ(request.headers.count("X-A"), 2u);
}

TEST(Server, TakesTheClientsAddressFromProxiesThatAreTrusted) {
    const auto whom = [](const Request& request, const Responder& responder) {
        responder.send(Response::text(200, request.remote_address));
    };
    Server trusting({.trusted_proxies = TrustedProxies({"127.0.0.1"})}, whom);
    trusting.start();
    RawPeer proxy(trusting.port());
    // What the client claimed, and what the proxy added on a line of its own.
    proxy.send(get("/", "X-Forwarded-For: 192.0.2.1\r\nx-forwarded-for: 198.51.100.7\r\n"));
    EXPECT_EQ(body_of(proxy.read_response()), "198.51.100.7");
    Server wary({}, whom);
    wary.start();
    RawPeer anybody(wary.port());
    anybody.send(get("/", "X-Forwarded-For: 198.51.100.7\r\n"));
    EXPECT_EQ(body_of(anybody.read_response()), "127.0.0.1");
}

TEST(Server, AnswersPipelinedRequestsInOrderAlsoFromOtherThreads) {
    // Later requests are ready sooner; they wait for their turn.
    std::vector<std::jthread> threads;
    std::mutex mutex;
    Server server({}, [&](Request request, Responder responder) {
        const std::lock_guard lock(mutex);
        threads.emplace_back([request = std::move(request), responder = std::move(responder)] {
            echo(request, responder);
        });
    });
    server.start();
    RawPeer peer(server.port());
    std::string all;
    for (int i = 0; i < 50; ++i)
        all += i % 2 == 0 ? get("/" + std::to_string(i)) : post("/" + std::to_string(i), "body");
    peer.send(all);
    for (int i = 0; i < 50; ++i)
        EXPECT_EQ(body_of(peer.read_response()), i % 2 == 0
                                                     ? "GET /" + std::to_string(i) + "? "
                                                     : "POST /" + std::to_string(i) + "? body");
    server.drain(std::chrono::seconds{5});
}

TEST(Server, ReadsARequestThatComesByteByByte) {
    Server server({}, echo);
    server.start();
    RawPeer peer(server.port());
    for (int round = 0; round < 2; ++round)
        for (const char c : post("/slow", "body", "A: b\r\n")) ASSERT_TRUE(peer.send({&c, 1}));
    EXPECT_EQ(body_of(peer.read_response()), "POST /slow? body");
    EXPECT_EQ(body_of(peer.read_response()), "POST /slow? body");
}

TEST(Server, DecodesChunkedBodiesAndIgnoresTrailers) {
    Server server({.body_bytes_max = 20}, [](const Request& request, const Responder& responder) {
        EXPECT_FALSE(request.headers.has("X-Late"));
        echo(request, responder);
    });
    server.start();
    const std::string head = "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    RawPeer peer(server.port());
    peer.send(head + "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-Late: 1\r\n\r\n" + get("/next"));
    EXPECT_EQ(body_of(peer.read_response()), "POST /c? hello world");
    EXPECT_EQ(body_of(peer.read_response()), "GET /next? ");
    peer.send(head + "14\r\n01234567890123456789\r\n1\r\n");
    EXPECT_EQ(status_of(peer.read_response()), 413);
    EXPECT_TRUE(peer.closed_by_peer());
}

TEST(Server, SaysContinueOnlyWhenItWantsTheBody) {
    Server server({.body_bytes_max = 10}, echo);
    server.start();
    RawPeer peer(server.port());
    peer.send("POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(peer.read_response(), "HTTP/1.1 100 Continue\r\n\r\n");
    peer.send("body");
    EXPECT_EQ(body_of(peer.read_response()), "POST /e? body");
    peer.send("POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(status_of(peer.read_response()), 413);

    RawPeer odd(server.port());
    odd.send("POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: money\r\n\r\n");
    EXPECT_EQ(status_of(odd.read_response()), 417);
}

TEST(Server, LimitsBodiesByPath) {
    ServerOptions options;
    options.body_bytes_max = 4;
    options.body_limit = [](std::string_view method, std::string_view path) -> std::size_t {
        return method == "POST" && path == "/webhooks/x y" ? 3u << 20 : 4;
    };
    Server server(options, [](const Request& request, const Responder& responder) {
        responder.send(Response::text(200, std::to_string(request.body.size())));
    });
    server.start();
    RawPeer peer(server.port());
    peer.send(post("/webhooks/x%20y", std::string(3u << 20, 'm')));
    EXPECT_EQ(body_of(peer.read_response()), std::to_string(3u << 20));
    peer.send(post("/a", "1234"));
    EXPECT_EQ(body_of(peer.read_response()), "4");
    peer.send(post("/a", "12345"));
    const auto response = peer.read_response();
    EXPECT_EQ(status_of(response), 413);
    EXPECT_NE(response.find("BODY_TOO_LARGE"), std::string::npos);
}

TEST(Server, LeavesTheBodyOutOfAnswersToHead) {
    Server server({}, [](const Request&, const Responder& responder) {
        responder.send(Response::text(200, "body"));
    });
    server.start();
    RawPeer peer(server.port());
    peer.send("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const auto all = peer.read_to_end();
    EXPECT_NE(all.find("Content-Length: 4\r\n"), std::string::npos);
    EXPECT_EQ(body_of(all), "");
}

TEST(Server, WritesAnswersLargerThanTheSocketTakes) {
    const std::string large(20u << 20, 'z');
    Server server({}, [&](const Request&, const Responder& responder) {
        responder.send(Response::text(200, large));
    });
    server.start();
    RawPeer peer(server.port());
    peer.send(get("/1") + get("/2"));
    EXPECT_EQ(body_of(peer.read_response()).size(), large.size());
    EXPECT_EQ(body_of(peer.read_response()).size(), large.size());
}

TEST(Server, NeverLetsAHandlerSplitItsAnswer) {
    Server server({.name = "FlowStack"}, [](const Request&, const Responder& responder) {
        Response response = Response::text(200, "ok");
        response.headers.add("X-Good", "1");
        response.headers.add("X-Bad", "1\r\nSet-Cookie: evil");
        response.headers.add("Bad Name", "1");
        response.headers.add("Content-Length", "999");
        responder.send(std::move(response));
    });
    server.start();
    RawPeer peer(server.port());
    peer.send(get("/"));
    const auto response = peer.read_response();
    EXPECT_NE(response.find("X-Good: 1\r\n"), std::string::npos);
    EXPECT_NE(response.find("Server: FlowStack\r\n"), std::string::npos);
    EXPECT_EQ(response.find("evil"), std::string::npos);
    EXPECT_EQ(response.find("Bad Name"), std::string::npos);
    EXPECT_EQ(response.find("999"), std::string::npos);
}

TEST(Server, TurnsForgottenAnswersAndExceptionsIntoProblems) {
    std::promise<std::string> what;
    ServerOptions options;
    options.on_handler_error = [&](std::string_view text) { what.set_value(std::string(text)); };
    Server server(options, [](const Request& request, const Responder&) {
        if (request.path == "/throw") throw std::runtime_error("broken");
    });
    server.start();
    RawPeer peer(server.port());
    peer.send(get("/throw"));
    EXPECT_EQ(status_of(peer.read_response()), 500);
    EXPECT_EQ(what.get_future().get(), "broken");
    peer.send(get("/forget"));
    const auto response = peer.read_response();
    EXPECT_EQ(status_of(response), 500);
    EXPECT_NE(response.find("application/problem+json"), std::string::npos);
}

TEST(Server, CutsTheConnectionOfAnAbortedAnswer) {
    std::jthread later;
    Server server({}, [&](const Request& request, const Responder& responder) {
        if (request.path == "/now")
            responder.abort();
        else
            later = std::jthread([responder] { responder.abort(); });
    });
    server.start();
    for (const char* path : {"/now", "/later"}) {
        RawPeer peer(server.port());
        peer.send(get(path));
        EXPECT_EQ(peer.read_to_end(), "");
    }
}

TEST(Server, ClosesWhenAskedByEitherSide) {
    Server server({}, [](const Request& request, const Responder& responder) {
        Response response = Response::text(200, "ok");
        if (request.path == "/close") response.headers.add("Connection", "close");
        responder.send(std::move(response));
    });
    server.start();
    RawPeer polite(server.port());
    polite.send(get("/", "Connection: close\r\n"));
    EXPECT_NE(polite.read_response().find("Connection: close"), std::string::npos);
    EXPECT_TRUE(polite.closed_by_peer());
    RawPeer told(server.port());
    told.send(get("/close") + get("/never"));
    EXPECT_EQ(status_of(told.read_response()), 200);
    EXPECT_TRUE(told.closed_by_peer());
}

TEST(Server, NamesTheAddressItCannotHave) {
    Server first({}, echo);
    first.start();
    Server second({.port = first.port()}, echo);
    try {
        second.start();
        FAIL();
    } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string(error.what()).find(":" + std::to_string(first.port())),
                  std::string::npos);
        EXPECT_NE(std::string(error.what()).find("in use"), std::string::npos);
    }
}

TEST(Server, DrainsByFinishingWhatItHasBegun) {
    std::promise<Responder> held;
    Server server({}, [&](const Request& request, Responder responder) {
        if (request.path == "/held")
            held.set_value(std::move(responder));
        else
            echo(request, responder);
    });
    server.start();
    const auto port = server.port();
    RawPeer idle(port);
    idle.send(get("/warm"));
    EXPECT_EQ(status_of(idle.read_response()), 200);
    RawPeer busy(port);
    busy.send(get("/held"));
    const Responder responder = held.get_future().get();

    std::jthread drainer([&] { server.drain(std::chrono::seconds{20}); });
    EXPECT_TRUE(idle.closed_by_peer());
    EXPECT_THROW(RawPeer{port}, std::runtime_error);  // nobody listens any more
    responder.send(Response::text(200, "late but whole"));
    const auto response = busy.read_response();
    EXPECT_EQ(body_of(response), "late but whole");
    EXPECT_NE(response.find("Connection: close"), std::string::npos);
    busy.close();
    drainer.join();
    EXPECT_EQ(server.open_connections(), 0u);
}

TEST(Server, IgnoresAnswersThatComeAfterItsEnd) {
    std::promise<Responder> held;
    auto server = std::make_unique<Server>(
        ServerOptions{},
        [&](const Request&, Responder responder) { held.set_value(std::move(responder)); });
    server->start();
    RawPeer peer(server->port());
    peer.send(get("/"));
    auto responder = std::make_unique<Responder>(held.get_future().get());
    server.reset();
    EXPECT_TRUE(peer.closed_by_peer());
    responder->send(Response::text(200, "to nobody"));
    responder.reset();
}

TEST(Server, SpreadsConnectionsOverItsThreads) {
    std::mutex mutex;
    std::set<std::thread::id> threads;
    Server server({.threads = 3}, [&](const Request& request, const Responder& responder) {
        {
            const std::lock_guard lock(mutex);
            threads.insert(std::this_thread::get_id());
        }
        echo(request, responder);
    });
    server.start();
    std::vector<RawPeer> peers;
    for (int i = 0; i < 9; ++i) {
        peers.emplace_back(server.port());
        peers.back().send(get("/" + std::to_string(i)));
    }
    for (int i = 0; i < 9; ++i)
        EXPECT_EQ(body_of(peers[static_cast<std::size_t>(i)].read_response()),
                  "GET /" + std::to_string(i) + "? ");
    EXPECT_EQ(threads.size(), 3u);
}

}  // namespace
}  // namespace flowstack::http
