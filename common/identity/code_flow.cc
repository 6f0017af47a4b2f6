#include "common/identity/code_flow.h"

#include <algorithm>
#include <boost/json.hpp>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/http/url.h"

namespace flowstack::identity {
namespace {

constexpr std::size_t kRandomBytes = 32;
constexpr std::size_t kErrorMax = 64;
constexpr int kOk = 200;
constexpr int kServerError = 500;
constexpr int kTooMany = 429;

std::string random_text() { return crypto::base64url_encode(crypto::random_bytes(kRandomBytes)); }

// An `error` of RFC 6749 is a word; what is not one is not repeated to anybody.
std::string error_word(const std::string& error) {
    const bool good = error.size() <= kErrorMax && std::ranges::all_of(error, [](char c) {
                          return (c >= 'a' && c <= 'z') || c == '_';
                      });
    return good ? error : "an error without a name";
}

std::string member(const boost::json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

}  // namespace

LoginQuestion LoginQuestion::fresh() {
    return {.state = random_text(), .nonce = random_text(), .verifier = random_text()};
}

std::string challenge_of(std::string_view verifier) {
    return crypto::base64url_encode(crypto::bytes_of(crypto::sha256(verifier)));
}

std::string login_url(const Issuer::Endpoints& issuer, const LoginClient& client,
                      const LoginQuestion& question) {
    const char join = issuer.authorization.find('?') == std::string::npos ? '?' : '&';
    return issuer.authorization + join +
           http::encode_form({{"response_type", "code"},
                              {"client_id", client.id},
                              {"redirect_uri", client.redirect_uri},
                              {"scope", client.scopes},
                              {"state", question.state},
                              {"nonce", question.nonce},
                              {"code_challenge", challenge_of(question.verifier)},
                              {"code_challenge_method", "S256"}});
}

std::string wrong_answer(const LoginAnswer& answer, const LoginQuestion& question,
                         const Issuer::Endpoints& endpoints, std::string_view issuer) {
    if (!crypto::constant_time_equal(answer.state, question.state))
        return "the answer is not that of this login (state)";
    if (answer.issuer.empty() ? endpoints.names_itself : answer.issuer != issuer)
        return "the answer is of another issuer (iss)";
    if (!answer.error.empty()) return "the issuer says no: " + error_word(answer.error);
    if (answer.code.empty()) return "the answer has no code";
    return {};
}

http::ClientRequest exchange_request(const Issuer::Endpoints& issuer, const LoginClient& client,
                                     const LoginQuestion& question, const std::string& code,
                                     std::chrono::milliseconds timeout) {
    http::FormFields fields{{"grant_type", "authorization_code"},
                            {"code", code},
                            {"redirect_uri", client.redirect_uri},
                            {"code_verifier", question.verifier}};
    http::ClientRequest request{.method = "POST",
                                .url = issuer.token,
                                .headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                                            {"Accept", "application/json"}},
                                .timeout_ms = static_cast<int>(timeout.count())};
    if (client.secret.empty()) {
        fields.emplace_back("client_id", client.id);
    } else {
        // RFC 6749 2.3.1: both are encoded as a form is, and then as Basic asks for it.
        const auto encoded = [](const std::string& text) {
            return http::encode_form({{"x", text}}).substr(2);
        };
        request.headers.set("Authorization",
                            "Basic " + crypto::base64_encode(encoded(client.id) + ":" +
                                                             encoded(client.secret.reveal())));
    }
    request.body = http::encode_form(fields);
    return request;
}

std::variant<LoginTokens, NoTokens> tokens_in(const http::ClientResult& result) {
    if (result.outcome != http::ClientResult::Outcome::answered)
        return NoTokens{.why = "the issuer did not answer: " + result.error, .later = true};
    const int status = result.response.status;
    boost::system::error_code broken;
    const auto parsed = boost::json::parse(result.response.body, broken);
    const auto* object = broken ? nullptr : parsed.if_object();
    if (status != kOk) {
        const auto error = object != nullptr ? member(*object, "error") : std::string();
        return NoTokens{
            .why = "the issuer does not take the code: " +
                   (error.empty() ? "HTTP " + std::to_string(status) : error_word(error)),
            .later = status >= kServerError || status == kTooMany};
    }
    if (object == nullptr) return NoTokens{.why = "the issuer's answer is no JSON"};
    LoginTokens tokens{.id_token = member(*object, "id_token"),
                       .access_token = member(*object, "access_token")};
    if (const auto* seconds = object->if_contains("expires_in");
        seconds != nullptr && seconds->is_int64())
        tokens.expires_in = std::chrono::seconds(seconds->as_int64());
    return tokens;
}

}  // namespace flowstack::identity
