#include "common/identity/code_flow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "common/http/url.h"
#include "tests/support/test_issuer.h"

// A login with a browser against a provider that is as strict as the RFCs.
namespace flowstack::identity {
namespace {

using flowstack::testing::TestIssuer;
using ::testing::HasSubstr;

constexpr const char* kRedirect = "https://shop.example/auth/callback";
constexpr std::chrono::seconds kLoginPatience{60};

class CodeFlow : public ::testing::Test {
protected:
    CodeFlow() {
        provider.sits_here({"ann", {"duka:admin"}});
        const auto until = std::chrono::steady_clock::now() + kLoginPatience;
        while (!issuer.endpoints() && std::chrono::steady_clock::now() < until)
            std::this_thread::yield();
        endpoints = issuer.endpoints().value();
    }
    LoginAnswer brought(const std::string& back) {
        http::Request request;
        request.query = back.substr(back.find('?') + 1);
        const auto given = [&](const char* name) { return request.query_param(name).value_or(""); };
        return {given("state"), given("code"), given("iss"), given("error")};
    }
    LoginAnswer visited() {
        return brought(provider.visit(login_url(endpoints, client, question)));
    }
    std::variant<LoginTokens, NoTokens> exchanged(const std::string& code) {
        return tokens_in(web.call_and_wait(
            exchange_request(endpoints, client, question, code, std::chrono::seconds(20))));
    }
    std::string why_not(const std::string& code) {
        const auto answer = exchanged(code);
        const auto* none = std::get_if<NoTokens>(&answer);
        return none != nullptr ? none->why : "";
    }
    // "ann" or why the token is not taken.
    std::string subject_of(const std::string& id_token) {
        auto expected = issuer.options().expected;
        expected.audience = client.id;
        expected.nonce = question.nonce;
        const auto until = std::chrono::steady_clock::now() + kLoginPatience;
        while (std::chrono::steady_clock::now() < until) {
            const auto read = issuer.read(id_token, expected);
            if (const auto* claims = std::get_if<Claims>(&read)) return claims->subject;
            if (const auto* refused = std::get_if<Refused>(&read)) return refused->why;
        }
        return "later and later";
    }

    const SystemClock clock;
    TestIssuer provider{{{"shop", {.secret = "s e&c=r+e/t", .redirect_uri = kRedirect}},
                         {"cli", {.secret = "", .redirect_uri = "http://127.0.0.1/callback"}}}};
    Issuer issuer{{.expected = {.issuer = provider.url(), .audience = "flowstack"}}, clock};
    Issuer::Endpoints endpoints;
    LoginClient client{.id = "shop", .secret = Secret("s e&c=r+e/t"), .redirect_uri = kRedirect};
    LoginQuestion question = LoginQuestion::fresh();
    http::Client web;
};

TEST_F(CodeFlow, EndsWithAnIdTokenThatAnswersTheQuestion) {
    EXPECT_TRUE(endpoints.names_itself);
    EXPECT_EQ(endpoints.end_session, provider.url() + "/logout");
    const auto answer = visited();
    EXPECT_EQ(wrong_answer(answer, question, endpoints, provider.url()), "");
    const auto tokens = std::get<LoginTokens>(exchanged(answer.code));
    EXPECT_EQ(subject_of(tokens.id_token), "ann");
    EXPECT_EQ(tokens.expires_in.count(), 600);
    // It is no token for our doors, and the one for our doors is no ID token.
    question.nonce = "another";
    EXPECT_THAT(subject_of(tokens.id_token), HasSubstr("nonce"));
    EXPECT_THAT(subject_of(tokens.access_token), HasSubstr("audience"));
    EXPECT_TRUE(std::holds_alternative<Refused>(issuer.read(tokens.id_token)));
    EXPECT_TRUE(std::holds_alternative<Claims>(issuer.read(tokens.access_token)));
}

TEST_F(CodeFlow, ACodeIsGoodOnceAndForWhoeverHasTheVerifierOnly) {
    const auto first = visited();
    const auto right = question.verifier;
    question.verifier = LoginQuestion::fresh().verifier;
    EXPECT_THAT(why_not(first.code), HasSubstr("invalid_grant"));
    question.verifier = right;
    EXPECT_THAT(why_not(first.code), HasSubstr("invalid_grant"));  // it was tried: it is over
    const auto second = visited();
    EXPECT_EQ(why_not(second.code), "");
    EXPECT_THAT(why_not(second.code), HasSubstr("invalid_grant"));
    client.secret = Secret("guess");
    EXPECT_THAT(why_not(visited().code), HasSubstr("invalid_client"));
}

TEST_F(CodeFlow, APublicClientOfThisMachineHasAnyPortAndNoSecret) {
    client = {.id = "cli", .redirect_uri = "http://127.0.0.1:40123/callback"};
    EXPECT_EQ(subject_of(std::get<LoginTokens>(exchanged(visited().code)).id_token), "ann");
    for (const auto* elsewhere :
         {"http://127.0.0.1:40123/other", "http://127.0.0.1.evil:1/callback",
          "https://evil.example/callback", "http://127.0.0.1:/callback"}) {
        client.redirect_uri = elsewhere;
        EXPECT_THROW(provider.visit(login_url(endpoints, client, question)), std::runtime_error)
            << elsewhere;
    }
}

TEST_F(CodeFlow, AnAnswerToAnotherQuestionOrOfAnotherIssuerIsNotBelieved) {
    auto answer = visited();
    EXPECT_THAT(wrong_answer(answer, LoginQuestion::fresh(), endpoints, provider.url()),
                HasSubstr("state"));
    answer.issuer = "https://evil.example";
    EXPECT_THAT(wrong_answer(answer, question, endpoints, provider.url()), HasSubstr("iss"));
    answer.issuer.clear();
    EXPECT_THAT(wrong_answer(answer, question, endpoints, provider.url()), HasSubstr("iss"));
    auto silent = endpoints;  // an issuer that never names itself
    silent.names_itself = false;
    EXPECT_EQ(wrong_answer(answer, question, silent, provider.url()), "");
    answer.code.clear();
    EXPECT_THAT(wrong_answer(answer, question, silent, provider.url()), HasSubstr("no code"));
    provider.fault({.deny = true});
    EXPECT_THAT(wrong_answer(visited(), question, endpoints, provider.url()),
                HasSubstr("access_denied"));
    answer.error = "<script>";
    EXPECT_THAT(wrong_answer(answer, question, silent, provider.url()),
                ::testing::Not(HasSubstr("<")));
}

TEST_F(CodeFlow, AnIdTokenForSomebodyElseIsNotTaken) {
    const auto token_with = [&](TestIssuer::Faults faults) {
        provider.fault(std::move(faults));
        question = LoginQuestion::fresh();
        return subject_of(std::get<LoginTokens>(exchanged(visited().code)).id_token);
    };
    EXPECT_EQ(token_with({}), "ann");
    EXPECT_THAT(token_with({.nonce = "of another login"}), HasSubstr("nonce"));
    EXPECT_THAT(token_with({.nonce = ""}), HasSubstr("nonce"));
    EXPECT_THAT(token_with({.audience = "another"}), HasSubstr("audience"));
    EXPECT_THAT(token_with({.azp = "another"}), HasSubstr("azp"));
    EXPECT_EQ(token_with({.azp = "shop"}), "ann");
    EXPECT_THAT(token_with({.issuer = "https://evil.example"}), HasSubstr("issuer"));
    EXPECT_THAT(token_with({.strange_key = true}), HasSubstr("signature"));
}

TEST_F(CodeFlow, AProviderThatIsAwayIsNobodysFault) {
    endpoints.token = "http://127.0.0.1:1/token";
    const auto answer = exchanged("x");
    EXPECT_TRUE(std::get<NoTokens>(answer).later);
    http::ClientResult busy{.outcome = http::ClientResult::Outcome::answered,
                            .response = http::Response::text(503, "later")};
    EXPECT_TRUE(std::get<NoTokens>(tokens_in(busy)).later);
    busy.response = http::Response::text(200, "no json");
    EXPECT_FALSE(std::get<NoTokens>(tokens_in(busy)).later);
}

TEST(LoginQuestion, IsNewEachTimeAndItsChallengeIsThatOfRfc7636) {
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) {
        const auto one = LoginQuestion::fresh();
        for (const auto& text : {one.state, one.nonce, one.verifier}) {
            EXPECT_EQ(text.size(), 43U);
            EXPECT_TRUE(seen.insert(text).second);
        }
    }
    // Appendix B.
    EXPECT_EQ(challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
              "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

}  // namespace
}  // namespace flowstack::identity
