#include "common/identity/issuer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/json.hpp>
#include <mutex>
#include <string>
#include <thread>

#include "common/http/server.h"
#include "tests/support/certificates.h"
#include "tests/unit/identity/signer.h"

// An issuer that answers here, and what becomes of tokens while its keys change.
namespace flowstack::identity {
namespace {

namespace json = boost::json;
using flowstack::testing::TestCa;
using flowstack::testing::TestFolder;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using testing::jwks_of;
using testing::Signer;
using Type = Signer::Type;

constexpr std::chrono::seconds kPatience{60};

class AtIssuer : public ::testing::Test {
protected:
    void serve(http::ServerOptions options = {}) {
        const bool tls = options.tls.has_value();
        server = std::make_unique<http::Server>(
            std::move(options), [this](const http::Request& request, const http::Responder& to) {
                const std::lock_guard lock(mutex);
                const bool discovery = request.path == "/.well-known/openid-configuration";
                if (!discovery) ++fetches;
                to.send(down ? http::Response::text(503, "later")
                             : http::Response::text(200, discovery ? document : jwks));
            });
        server->start();
        url = (tls ? "https://localhost:" : "http://127.0.0.1:") + std::to_string(server->port());
        set_document(url, url + "/keys");
        publish({first.jwk()});
    }
    void set_document(const std::string& issuer, const std::string& jwks_uri) {
        const std::lock_guard lock(mutex);
        document = json::serialize(json::object{{"issuer", issuer}, {"jwks_uri", jwks_uri}});
    }
    void publish(const std::vector<json::object>& keys) {
        const std::lock_guard lock(mutex);
        jwks = jwks_of(keys);
    }
    IssuerOptions options() const {
        return {.expected = {.issuer = url, .audience = "flowstack"}, .retry = milliseconds(20)};
    }
    std::string token(const Signer& signer) const {
        const auto now = unix_seconds(SystemClock().now());
        return signer.sign(
            {{"iss", url}, {"aud", "flowstack"}, {"sub", "ann"}, {"iat", now}, {"exp", now + 60}},
            "ES256");
    }
    // Asks as long as the answer is "later".
    static std::string asked(Issuer& issuer, const std::string& token) {
        const auto until = std::chrono::steady_clock::now() + kPatience;
        while (std::chrono::steady_clock::now() < until) {
            const auto answer = issuer.read(token);
            if (const auto* claims = std::get_if<Claims>(&answer)) return claims->subject;
            if (const auto* refused = std::get_if<Refused>(&answer)) return refused->why;
            std::this_thread::yield();
        }
        return "later and later";
    }
    static std::string trouble_of(Issuer& issuer, const std::string& part) {
        const auto until = std::chrono::steady_clock::now() + kPatience;
        while (std::chrono::steady_clock::now() < until)
            if (const auto text = issuer.trouble(); text.find(part) != std::string::npos)
                return text;
        return issuer.trouble();
    }

    const SystemClock clock;
    const Signer first{Type::p256, "1"}, second{Type::p256, "2"};
    std::mutex mutex;
    std::string document, jwks, url;
    bool down = false;
    std::atomic<int> fetches{0};
    std::unique_ptr<http::Server> server;
};

TEST_F(AtIssuer, KeysAreFoundByDiscovery) {
    serve();
    Issuer issuer(options(), clock);
    EXPECT_EQ(asked(issuer, token(first)), "ann");
    EXPECT_EQ(issuer.trouble(), "");
}

TEST_F(AtIssuer, ANewKeyIsFetchedWhenATokenNamesIt) {
    serve();
    auto quick = options();
    quick.unknown_key_every = milliseconds(0);
    Issuer issuer(quick, clock);
    EXPECT_EQ(asked(issuer, token(first)), "ann");
    publish({second.jwk()});
    EXPECT_EQ(asked(issuer, token(second)), "ann");
    // The old one is withdrawn. (Asked of one that does not fetch for every stranger, and so says
    // no.)
    Issuer settled(options(), clock);
    EXPECT_EQ(asked(settled, token(second)), "ann");
    EXPECT_THAT(asked(settled, token(first)), HasSubstr("does not have"));
}

TEST_F(AtIssuer, StrangersDoNotMakeUsFetchWithoutEnd) {
    serve();
    Issuer issuer(options(), clock);  // every 30 s at most
    EXPECT_EQ(asked(issuer, token(first)), "ann");
    const int before = fetches;
    for (int i = 0; i < 20; ++i)
        EXPECT_THAT(asked(issuer, token(second)), HasSubstr("does not have"));
    EXPECT_EQ(fetches, before);
    EXPECT_EQ(asked(issuer, token(first)), "ann");
}

TEST_F(AtIssuer, KnownKeysOutliveAnIssuerThatIsDown) {
    serve();
    auto quick = options();
    quick.refresh = milliseconds(20);
    Issuer issuer(quick, clock);
    EXPECT_EQ(asked(issuer, token(first)), "ann");
    {
        const std::lock_guard lock(mutex);
        down = true;
    }
    const int before = fetches;
    std::this_thread::sleep_for(milliseconds(100));
    EXPECT_LE(fetches, before + 1);
    EXPECT_EQ(asked(issuer, token(first)), "ann");
}

TEST_F(AtIssuer, KeysThatAreTooOldAreBelievedNoMore) {
    serve();
    auto quick = options();
    quick.refresh = quick.keys_last = milliseconds(20);
    Issuer issuer(quick, clock);
    EXPECT_EQ(asked(issuer, token(first)), "ann");
    {
        const std::lock_guard lock(mutex);
        down = true;
    }
    EXPECT_THAT(trouble_of(issuer, "503"), HasSubstr("503"));
    EXPECT_TRUE(std::holds_alternative<Issuer::Later>(issuer.read(token(first))));
}

TEST_F(AtIssuer, ADocumentOfSomebodyElseIsNotBelieved) {
    serve();
    set_document("https://evil.example", url + "/keys");
    Issuer issuer(options(), clock);
    EXPECT_THAT(trouble_of(issuer, "OIDC_ISSUER"), HasSubstr("is not that of OIDC_ISSUER"));
    EXPECT_EQ(fetches, 0);
    set_document(url, "ftp://127.0.0.1/keys");
    EXPECT_THAT(trouble_of(issuer, "jwks_uri"), HasSubstr("is not https"));
    publish({});
    set_document(url, url + "/keys");
    EXPECT_THAT(trouble_of(issuer, "no key"), HasSubstr("has no key that can be used"));
    publish({first.jwk()});
    EXPECT_EQ(asked(issuer, token(first)), "ann");
}

TEST_F(AtIssuer, IsReachedByHttpsUnderItsName) {
    TestFolder folder;
    const TestCa ca("a CA"), other("another CA");
    const auto pem = ca.issue("DNS:localhost");
    serve({.tls = http::ServerTls{.certificate_file = folder.write("issuer.pem", pem.certificate),
                                  .key_file = folder.write("issuer.key", pem.key)}});
    auto believing = options();
    believing.ca_file = folder.write("ca.pem", ca.certificate());
    Issuer issuer(believing, clock);
    EXPECT_EQ(asked(issuer, token(first)), "ann");
    auto fooled = options();
    fooled.ca_file = folder.write("other.pem", other.certificate());
    Issuer stranger(fooled, clock);
    EXPECT_THAT(trouble_of(stranger, url), HasSubstr(url));
    EXPECT_TRUE(std::holds_alternative<Issuer::Later>(stranger.read(token(first))));
    // A secure issuer's keys are not fetched in the clear.
    set_document(url, "http://127.0.0.1:1/keys");
    Issuer downgraded(believing, clock);
    EXPECT_THAT(trouble_of(downgraded, "jwks_uri"), HasSubstr("is not https"));
}

TEST(IssuerUrl, IsHttpsOrOnThisMachine) {
    for (const auto* good : {"https://login.example", "https://login.example/realms/shop",
                             "http://127.0.0.1:8080", "http://localhost/x", "http://[::1]:1"})
        EXPECT_EQ(issuer_mistake(good), "") << good;
    for (const auto* bad : {"", "login.example", "http://login.example", "http://localhost.evil",
                            "http://127.0.0.1.evil.example", "https://x?y", "https://x#y"})
        EXPECT_NE(issuer_mistake(bad), "") << bad;
}

}  // namespace
}  // namespace flowstack::identity
