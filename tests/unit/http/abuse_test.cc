// What strangers do to a door that is open to the internet. After each: the door still opens for
// others.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "common/http/server.h"
#include "tests/unit/http/raw_peer.h"

namespace flowstack::http {
namespace {

using testing::body_of;
using testing::RawPeer;
using testing::status_of;

// Short enough not to wait for, long enough for a busy machine to serve an honest peer.
constexpr int kReadTimeoutMs = 300;

ServerOptions options() {
    ServerOptions result;
    result.read_timeout_ms = kReadTimeoutMs;
    result.body_bytes_max = 1000;
    return result;
}

class Abuse : public ::testing::Test {
protected:
    void open(const ServerOptions& with = options()) {
        server_.emplace(with, [](const Request& request, const Responder& responder) {
            responder.send(Response::text(200, request.method + request.path + request.body));
        });
        server_->start();
    }
    void expect_open() {
        RawPeer honest(server_->port());
        honest.send("POST /honest HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
        EXPECT_EQ(body_of(honest.read_response()), "POST/honestbody");
    }
    // The status of the first answer to these bytes; 0 if the connection just ends.
    int status_after(std::string_view bytes) {
        RawPeer peer(server_->port());
        peer.send(bytes);
        return status_of(peer.read_response());
    }
    std::uint16_t port() const { return server_->port(); }

    std::optional<Server> server_;
};

TEST_F(Abuse, SlowHeadersAreCutWhateverTrickles) {
    open();
    RawPeer stuck(port());
    stuck.send("GET / HTTP/1.1\r\nHost: x\r\nX-");
    EXPECT_EQ(status_of(stuck.read_response()), 408);
    EXPECT_TRUE(stuck.closed_by_peer());

    // A byte now and then does not buy time.
    RawPeer dripping(port());
    const auto begin = std::chrono::steady_clock::now();
    std::jthread drip([&](const std::stop_token& stop) {
        while (!stop.stop_requested() && dripping.send("a"))
            std::this_thread::sleep_for(std::chrono::milliseconds{20});  // the attack, not a wait
    });
    EXPECT_EQ(status_of(dripping.read_response()), 408);
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds{kReadTimeoutMs});
    drip.request_stop();
    drip.join();
    expect_open();
}

TEST_F(Abuse, SlowBodiesAreCut) {
    open();
    RawPeer sized(port());
    sized.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
    RawPeer chunked(port());
    chunked.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
    EXPECT_EQ(status_of(sized.read_response()), 408);
    EXPECT_EQ(status_of(chunked.read_response()), 408);
    EXPECT_TRUE(sized.closed_by_peer());
    expect_open();
}

TEST_F(Abuse, IdleConnectionsAreClosedInSilence) {
    auto with = options();
    with.idle_timeout_ms = 200;
    open(with);
    RawPeer mute(port());
    RawPeer between(port());
    between.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(status_of(between.read_response()), 200);
    RawPeer newlines(port());
    newlines.send("\r\n\r\n\r\n");
    EXPECT_EQ(mute.read_to_end(), "");
    EXPECT_EQ(between.read_to_end(), "");
    EXPECT_EQ(newlines.read_to_end(), "");
    expect_open();
}

// Resident memory of this process, which is the door's and the strangers' together.
std::size_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::size_t pages = 0;
    statm >> pages >> pages;
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST_F(Abuse, FiveThousandIdleConnectionsDoNotKeepOthersOutAndCostLittle) {
    constexpr std::size_t kIdle = 5000;
    // Most of it is the kernel's; what we keep for each is far below this.
    constexpr std::size_t kBytesEach = 8192;
    auto with = options();
    with.read_timeout_ms = with.idle_timeout_ms = 10 * testing::kPatienceMs;
    with.threads = 2;
    open(with);
    // Both ends are ours.
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    const rlimit before = files;
    files.rlim_max = std::max<rlim_t>(files.rlim_max, 2 * kIdle + 200);
    files.rlim_cur = files.rlim_max;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0) << "raise the hard limit of open files";
    expect_open();
    const auto memory_before = resident_bytes();
    std::vector<RawPeer> idle;
    idle.reserve(kIdle);
    for (std::size_t i = 0; i < kIdle; ++i) {
        idle.emplace_back(port());
        // Every second one has begun to say something.
        if (i % 2 == 0) idle.back().send("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ");
        if (i % 1000 == 0) expect_open();
    }
    expect_open();
    while (server_->open_connections() < kIdle) std::this_thread::yield();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    EXPECT_LT(resident_bytes(), memory_before + kIdle * kBytesEach);
#else
    (void)memory_before;
    (void)kBytesEach;
#endif
    // All of them are alive: the last and the first go on where they stopped.
    idle.front().send("1\r\n\r\n");
    EXPECT_EQ(status_of(idle.front().read_response()), 200);
    idle.back().send("GET /late HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(body_of(idle.back().read_response()), "GET/late");
    idle.clear();
    setrlimit(RLIMIT_NOFILE, &before);
}

TEST_F(Abuse, AboveTheLimitTheLongestIdleMakeRoom) {
    auto with = options();
    with.read_timeout_ms = testing::kPatienceMs;
    with.connections_max = 500;
    open(with);
    std::vector<RawPeer> idle;
    idle.reserve(1000);
    for (int i = 0; i < 1000; ++i) idle.emplace_back(port());
    expect_open();
    EXPECT_LE(server_->open_connections(), 500u);
    // The newest were not the ones to go.
    idle.back().send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(status_of(idle.back().read_response()), 200);
}

TEST_F(Abuse, AProcessWithoutFileDescriptorsServesOnByLettingIdleOnesGo) {
    open();
    // Our own ends first, so that only the server's run out.
    constexpr std::size_t kPeers = 40;
    std::vector<int> ours;
    for (std::size_t i = 0; i < kPeers; ++i) ours.push_back(::socket(AF_INET, SOCK_STREAM, 0));
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    rlimit tight = before;
    tight.rlim_cur = static_cast<rlim_t>(ours.back()) + 1 + kPeers / 4;
    setrlimit(RLIMIT_NOFILE, &tight);
    std::vector<RawPeer> peers;
    peers.reserve(kPeers);
    for (const int fd : ours) peers.push_back(RawPeer::connected(fd, port()));
    peers.back().send("GET /last HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(body_of(peers.back().read_response()), "GET/last");
    EXPECT_LT(server_->open_connections(), kPeers / 2);
    setrlimit(RLIMIT_NOFILE, &before);
    expect_open();
}

TEST_F(Abuse, AFullHouseSaysSo) {
    auto with = options();
    with.connections_max = 2;
    std::vector<Responder> held;
    std::mutex mutex;
    std::condition_variable changed;
    server_.emplace(with, [&](const Request&, Responder responder) {
        const std::lock_guard lock(mutex);
        held.push_back(std::move(responder));
        changed.notify_all();
    });
    server_->start();
    RawPeer one(port());
    RawPeer two(port());
    one.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    two.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return held.size() == 2; });
    }
    RawPeer three(port());
    const auto response = three.read_response();
    EXPECT_EQ(status_of(response), 503);
    EXPECT_TRUE(response.ends_with("\"OVERLOADED\"}"));
    EXPECT_TRUE(three.closed_by_peer());
    for (const auto& responder : held) responder.send(Response::text(200, "served"));
    EXPECT_EQ(body_of(one.read_response()), "served");
    EXPECT_EQ(body_of(two.read_response()), "served");
    // Now that they are idle, one of them makes room.
    held.clear();
    RawPeer four(port());
    four.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return held.size() == 1; });
    }
    held.front().send(Response::text(200, "fourth"));
    EXPECT_EQ(body_of(four.read_response()), "fourth");
}

TEST_F(Abuse, BodiesTogetherHaveALimit) {
    auto with = options();
    with.body_bytes_max = 100'000;
    with.bodies_bytes_max = 150'000;
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<Responder> held;
    server_.emplace(with, [&](const Request& request, Responder responder) {
        if (request.path == "/now") {
            responder.send(Response::text(200, ""));
            return;
        }
        const std::lock_guard lock(mutex);
        held.push_back(std::move(responder));
        changed.notify_all();
    });
    server_->start();
    const auto with_body = [](const char* path) {
        return std::string("POST ") + path +
               " HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n" + std::string(90'000, 'b');
    };
    RawPeer first(port());
    first.send(with_body("/hold"));
    {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return held.size() == 1; });
    }
    RawPeer second(port());
    second.send(with_body("/now"));
    EXPECT_EQ(status_of(second.read_response()), 503);
    held.front().send(Response::text(200, ""));
    EXPECT_EQ(status_of(first.read_response()), 200);
    RawPeer third(port());
    third.send(with_body("/now"));
    EXPECT_EQ(status_of(third.read_response()), 200);
}

TEST_F(Abuse, FramingThatTwoReadersCouldReadDifferentlyIsRefused) {
    open();
    const std::string head = "POST / HTTP/1.1\r\nHost: x\r\n";
    for (const char* framing : {
             "Content-Length: 4\r\nContent-Length: 5\r\n",
             "Content-Length: 4\r\nContent-Length: 4\r\n",
             "Content-Length: 4, 4\r\n",
             "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
             "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
             "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
             "Content-Length: -1\r\n",
             "Content-Length: +4\r\n",
             "Content-Length: 4 4\r\n",
             "Content-Length: 0x4\r\n",
             "Content-Length:\r\n",
             "Content-Length: 99999999999999999999999\r\n",
             "Content-Length : 4\r\n",
             " Content-Length: 4\r\n",
         })
        EXPECT_EQ(status_after(head + framing + "\r\nbody"), 400) << framing;
    for (const char* coding : {"gzip", "gzip, chunked", "chunked, gzip", "identity", "xchunked"})
        EXPECT_EQ(status_after(head + "Transfer-Encoding: " + coding + "\r\n\r\n0\r\n\r\n"), 501)
            << coding;
    EXPECT_EQ(status_after(head + "Transfer-Encoding: chunked\r\n\r\nZ\r\n"), 400);
    expect_open();
}

TEST_F(Abuse, RequestsThatAreNoneAreRefusedAtOnce) {
    open();
    EXPECT_EQ(status_after("GET / HTTP/1.0\r\nHost: x\r\n\r\n"), 505);
    EXPECT_EQ(status_after("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), 505);
    for (const std::string_view wrong : {
             std::string_view("GET /\r\nHost: x\r\n\r\n"),
             std::string_view("GET / HTTP/1.1\r\n\r\n"),
             std::string_view("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
             std::string_view("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"),
             std::string_view("GET / HTTP/1.1\r\nHost: x\r\nBad Name: y\r\n\r\n"),
             std::string_view("GET / HTTP/1.1\r\nHost: x\r\nNoColon\r\n\r\n"),
             std::string_view("GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n", 33),
             std::string_view("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"),
             std::string_view("GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n"),
             std::string_view("GET /%ff HTTP/1.1\r\nHost: x\r\n\r\n"),
             std::string_view("GET nowhere HTTP/1.1\r\nHost: x\r\n\r\n"),
             std::string_view("CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n"),
             std::string_view("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"),
             std::string_view("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),  // TLS
             std::string_view("\xff\xfe\x00"),
             std::string_view("{\"json\":1}"),
         })
        EXPECT_EQ(status_after(wrong), 400) << wrong;
    EXPECT_EQ(status_after("GET http://x/abs?q HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    EXPECT_EQ(status_after("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    expect_open();
}

TEST_F(Abuse, OverlongHeadsAreRefusedBeforeTheyEnd) {
    open();
    EXPECT_EQ(status_after("GET /" + std::string(9000, 'a')), 414);
    EXPECT_EQ(status_after("GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(9000, 'a')), 431);
    // Many small ones, each within any limit of its own.
    std::string many = "GET / HTTP/1.1\r\nHost: x\r\n";
    while (many.size() < 20'000) many += "A" + std::to_string(many.size()) + ": b\r\n";
    EXPECT_EQ(status_after(many), 431);
    EXPECT_EQ(status_after("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
                           std::string(9000, 'e')),
              431);
    // Just within.
    std::string fits = "GET / HTTP/1.1\r\nHost: x\r\nA: ";
    fits += std::string(8192 - fits.size() - 4, 'a') + "\r\n\r\n";
    EXPECT_EQ(status_after(fits), 200);
    expect_open();
}

TEST_F(Abuse, WhatIsNotUtf8IsRefusedWhereItWouldBeKept) {
    open();
    // In a path or a header: what it says goes into events and answers.
    for (const std::string_view wrong : {
             std::string_view("GET /caf%e9 HTTP/1.1\r\nHost: x\r\n\r\n"),
             std::string_view("GET /%c0%af HTTP/1.1\r\nHost: x\r\n\r\n"),        // overlong '/'
             std::string_view("GET /%ed%a0%80 HTTP/1.1\r\nHost: x\r\n\r\n"),     // half a pair
             std::string_view("GET /%f5%80%80%80 HTTP/1.1\r\nHost: x\r\n\r\n"),  // no such
             std::string_view("GET / HTTP/1.1\r\nHost: x\r\nIdempotency-Key: caf\xe9\r\n\r\n"),
             std::string_view("GET / HTTP/1.1\r\nHost: x\r\ntraceparent: \xff\r\n\r\n"),
             std::string_view("GET / HTTP/1.1\r\nHost: x\r\nA: \xc3\r\n\r\n"),  // cut short
         })
        EXPECT_EQ(status_after(wrong), 400) << wrong;
    // Right UTF-8 goes through, and a body is bytes: its reader judges it.
    EXPECT_EQ(status_after("GET /caf%c3%a9 HTTP/1.1\r\nHost: x\r\nA: caf\xc3\xa9\r\n\r\n"), 200);
    EXPECT_EQ(status_after("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n\xff\xfe"), 200);
    expect_open();
}

// Each of many connections sends as much of a request as it may and then no more: what is held for
// them is bounded by the limits of one, and all are cut in their time.
TEST_F(Abuse, HalfRequestsOfManyAreHeldWithinTheirLimitsAndThenCut) {
    auto with = options();
    with.header_bytes_max = 4096;
    open(with);
    std::vector<RawPeer> many;
    for (int i = 0; i < 300; ++i) {
        many.emplace_back(port());
        std::string head = "GET / HTTP/1.1\r\nHost: x\r\n";
        while (head.size() < 4000) head += "A" + std::to_string(head.size()) + ": b\r\n";
        many.back().send(head);
    }
    expect_open();
    for (auto& peer : many) EXPECT_EQ(status_of(peer.read_response()), 408);
    expect_open();
}

TEST_F(Abuse, AResponseIsNeverSplitByWhatARequestSays) {
    server_.emplace(options(), [](const Request& request, const Responder& responder) {
        auto response = Response::text(200, "");
        response.headers.add("X-Echo", *request.query_param("x"));
        responder.send(response);
    });
    server_->start();
    RawPeer peer(port());
    peer.send("GET /?x=a%0d%0aSet-Cookie:%20b%0d%0a%0d%0abody HTTP/1.1\r\nHost: x\r\n\r\n");
    const auto response = peer.read_response();
    EXPECT_EQ(status_of(response), 200);
    EXPECT_EQ(response.find("Set-Cookie"), std::string::npos);
}

TEST_F(Abuse, OversizeBodiesAreRefusedBeforeTheyCome) {
    open();
    // Declared: refused without a byte of it.
    EXPECT_EQ(status_after("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n"), 413);
    EXPECT_EQ(status_after("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n"),
              413);
    // Sent all the same: the answer still arrives, then the line is cut.
    RawPeer stubborn(port());
    stubborn.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n");
    const std::string part(100'000, 'x');
    int sent = 0;
    while (sent < 999 && stubborn.send(part)) ++sent;
    EXPECT_LT(sent, 999);
    expect_open();
}

TEST_F(Abuse, APipelineWithoutEndIsAnsweredOneByOneAndHoldsNobodyUp) {
    open();
    RawPeer flood(port());
    std::string many;
    for (int i = 0; i < 5000; ++i) many += "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    std::jthread sender([&] { flood.send(many); });
    expect_open();
    for (int i = 0; i < 5000; ++i) ASSERT_EQ(status_of(flood.read_response()), 200) << i;
    // One that never reads its answers is cut when its socket is full for too long.
    auto with = options();
    with.write_timeout_ms = 200;
    server_.emplace(with, [](const Request&, const Responder& responder) {
        responder.send(Response::text(200, std::string(1u << 20, 'x')));
    });
    server_->start();
    RawPeer deaf(port());
    std::string asks;
    for (int i = 0; i < 100; ++i) asks += "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    deaf.send(asks);
    while (server_->open_connections() == 0) std::this_thread::yield();
    while (server_->open_connections() > 0)
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
}

TEST_F(Abuse, PeersThatVanishLeaveNothingBehind) {
    open();
    for (int i = 0; i < 200; ++i) {
        RawPeer peer(port());
        peer.send(i % 2 == 0 ? "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
                             : "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhal");
        if (i % 3 == 0)
            peer.reset();
        else
            peer.close();
    }
    expect_open();
    while (server_->open_connections() > 0)
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
}

// Valid requests with random bytes changed, cut and repeated: no crash, no silence.
TEST_F(Abuse, DamagedRequestsNeverBreakTheDoor) {
    open();
    const char* fixed = std::getenv("FLOWSTACK_TEST_SEED");
    const auto seed = fixed != nullptr ? std::stoull(fixed) : std::random_device{}();
    SCOPED_TRACE("FLOWSTACK_TEST_SEED=" + std::to_string(seed));
    std::mt19937_64 random(seed);
    const auto below = [&](std::size_t n) {
        return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
    };
    const std::vector<std::string> valid = {
        "GET /v1/a%20b?x=1 HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n3;e=1\r\nabc\r\n0\r\nT: 1\r\n\r\n"};
    for (int i = 0; i < 1000; ++i) {
        std::string bytes;
        for (std::size_t k = 0, n = 1 + below(3); k < n; ++k) bytes += valid[below(valid.size())];
        for (std::size_t k = 0, n = below(6); k < n; ++k) {
            const auto at = below(bytes.size());
            switch (below(4)) {
                case 0:
                    bytes[at] = static_cast<char>(random());
                    break;
                case 1:
                    bytes.erase(at, 1 + below(4));
                    break;
                case 2:
                    bytes.insert(at, bytes.substr(below(bytes.size()), 1 + below(8)));
                    break;
                default:
                    bytes[at] = "\r\n :;0\0f"[below(8)];
            }
            if (bytes.empty()) bytes = "x";
        }
        RawPeer peer(port());
        peer.send(bytes.substr(0, bytes.size() / 2));
        peer.send(bytes.substr(bytes.size() / 2));
        peer.done_sending();
        const auto answers = peer.read_to_end();
        if (!answers.empty()) {
            ASSERT_GE(status_of(answers), 200) << answers;
        }
    }
    expect_open();
}

}  // namespace
}  // namespace flowstack::http
