#include "tools/flowctl/login.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "common/core/clock.h"
#include "tests/support/certificates.h"
#include "tests/support/test_issuer.h"
#include "tools/flowctl/context.h"

// A login at the command line: the test is the browser, the provider is as strict as the RFCs.
namespace flowstack::flowctl {
namespace {

using flowstack::testing::TestFolder;
using flowstack::testing::TestIssuer;
using ::testing::HasSubstr;

class CommandLineLogin : public ::testing::Test {
protected:
    CommandLineLogin() { provider.sits_here({"ann", {"platform_admin"}}); }

    LoginRequest request() const {
        return {.issuer = provider.url(), .client_id = "flowctl", .wait = std::chrono::seconds(60)};
    }
    http::Response opened(const std::string& url) {
        return browser.call_and_wait({.method = "GET", .url = url}).response;
    }
    // "" or why nobody is logged in. `go`: what the browser does with the issuer's redirect.
    std::string why_not(const std::function<void(const std::string& back)>& go) {
        try {
            log_in(request(), [&](const std::string& url) { go(provider.visit(url)); });
            return "";
        } catch (const std::runtime_error& error) {
            return error.what();
        }
    }

    TestIssuer provider{{{"flowctl", {.secret = "", .redirect_uri = "http://127.0.0.1/callback"}}}};
    http::Client browser;
};

TEST_F(CommandLineLogin, EndsWithATokenForTheServices) {
    const auto before = SystemClock().now();
    const auto logged_in = log_in(request(), [&](const std::string& url) {
        const auto back = provider.visit(url);
        EXPECT_THAT(back, HasSubstr("http://127.0.0.1:"));
        EXPECT_EQ(opened(back.substr(0, back.find("/callback")) + "/favicon.ico").status, 404);
        EXPECT_EQ(opened(back).status, 200);
        // Whoever comes later changes nothing.
        EXPECT_EQ(opened(back + "&code=other").status, 200);
    });
    EXPECT_EQ(logged_in.subject, "ann");
    EXPECT_GE(logged_in.expires, before + std::chrono::seconds(600));
    EXPECT_EQ(std::count(logged_in.token.begin(), logged_in.token.end(), '.'), 2);
    EXPECT_EQ(provider.exchanges(), 1);
    EXPECT_TRUE(provider.refusals().empty());
}

TEST_F(CommandLineLogin, BelievesTheAnswerToItsOwnQuestionAlone) {
    EXPECT_THAT(why_not([&](const std::string& back) {
                    const auto at = back.find("state=") + 6;
                    opened(back.substr(0, at) + "X" + back.substr(at + 1));
                }),
                HasSubstr("(state)"));
    provider.fault({.answers_as = "https://evil.example"});
    EXPECT_THAT(why_not([&](const std::string& back) { opened(back); }), HasSubstr("(iss)"));
    provider.fault({.nonce = "of another login"});
    EXPECT_THAT(why_not([&](const std::string& back) { opened(back); }), HasSubstr("nonce"));
    provider.fault({.deny = true});
    EXPECT_THAT(why_not([&](const std::string& back) { opened(back); }),
                HasSubstr("access_denied"));
}

TEST_F(CommandLineLogin, DoesNotWaitForEver) {
    auto hasty = request();
    hasty.wait = std::chrono::seconds(0);
    EXPECT_THROW(log_in(hasty, [](const std::string&) {}), std::runtime_error);
}

class Logins : public ::testing::Test {
protected:
    mode_t mode() const {
        struct stat about {};
        EXPECT_EQ(::stat(file.path().c_str(), &about), 0);
        return about.st_mode & 0777U;
    }
    const Time now = from_unix_seconds(1'900'000'000);
    const LoggedIn ann{.token = "a.b.c", .subject = "ann", .expires = now + std::chrono::hours(1)};
    TestFolder folder;
    const LoginFile file{folder.path("deep/logins.json")};
};

TEST_F(Logins, AreKeptByServerWhereNobodyElseReads) {
    EXPECT_FALSE(file.token_for("shop:9000", now));
    file.keep("shop:9000", ann);
    file.keep("duka:9000", {.token = "d.e.f", .subject = "bob", .expires = ann.expires});
    EXPECT_EQ(mode(), 0600U);
    EXPECT_EQ(file.token_for("shop:9000", now), "a.b.c");
    EXPECT_EQ(file.token_for("duka:9000", now), "d.e.f");
    EXPECT_FALSE(file.token_for("soko:9000", now));
    EXPECT_FALSE(file.token_for("", now));
    EXPECT_TRUE(file.forget("shop:9000"));
    EXPECT_FALSE(file.forget("shop:9000"));
    EXPECT_FALSE(file.token_for("shop:9000", now));
    EXPECT_EQ(file.token_for("duka:9000", now), "d.e.f");
    EXPECT_EQ(mode(), 0600U);
}

TEST_F(Logins, ThatHaveExpiredOrCanBeReadByOthersAreRefused) {
    file.keep("shop:9000", ann);
    EXPECT_THROW(file.token_for("shop:9000", ann.expires), UsageError);
    ::chmod(file.path().c_str(), 0640);
    EXPECT_THROW(file.token_for("shop:9000", now), UsageError);
    ::chmod(file.path().c_str(), 0600);
    EXPECT_EQ(file.token_for("shop:9000", now), "a.b.c");
    std::ofstream(file.path()) << "no json";
    EXPECT_THROW(file.token_for("shop:9000", now), UsageError);
}

}  // namespace
}  // namespace flowstack::flowctl
