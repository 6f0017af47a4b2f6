#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <variant>

#include "common/core/secret.h"
#include "common/http/client.h"
#include "common/identity/issuer.h"

// A login with a browser: the authorization code flow of OpenID Connect with PKCE (RFC 6749, 7636,
// 9207), from the application's side. What is sent and how answers are judged; who sends it and
// where the question is kept is the caller's business.
namespace flowstack::identity {

// Who asks, as the issuer knows it.
struct LoginClient {
    std::string id;
    Secret secret = {};  // empty: a public client, which PKCE alone protects
    std::string redirect_uri;
    std::string scopes = "openid";  // with spaces between them
};

// What one login is known by again: random, and never used twice.
struct LoginQuestion {
    std::string state;
    std::string nonce;
    std::string verifier;  // of PKCE; only its challenge is shown to the browser
    static LoginQuestion fresh();
    bool operator==(const LoginQuestion&) const = default;
};

// S256: BASE64URL(SHA256(verifier)).
std::string challenge_of(std::string_view verifier);

// Where the browser is sent.
std::string login_url(const Issuer::Endpoints& issuer, const LoginClient& client,
                      const LoginQuestion& question);

// What the browser brings back.
struct LoginAnswer {
    std::string state;
    std::string code;
    std::string issuer;
    std::string error;
};
// Why the answer cannot be believed or the issuer said no; empty when its code may be exchanged.
std::string wrong_answer(const LoginAnswer& answer, const LoginQuestion& question,
                         const Issuer::Endpoints& endpoints, std::string_view issuer);

// The code for tokens.
http::ClientRequest exchange_request(const Issuer::Endpoints& issuer, const LoginClient& client,
                                     const LoginQuestion& question, const std::string& code,
                                     std::chrono::milliseconds timeout);
struct LoginTokens {
    std::string id_token;
    std::string access_token;
    std::chrono::seconds expires_in{0};  // 0: it does not say
};
struct NoTokens {
    std::string why;
    bool later = false;  // the issuer did not answer, or not now; the login was not at fault
};
std::variant<LoginTokens, NoTokens> tokens_in(const http::ClientResult& result);

}  // namespace flowstack::identity
