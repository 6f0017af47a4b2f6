#include "tests/support/test_issuer.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <stdexcept>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/http/url.h"

namespace flowstack::testing {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;

constexpr std::int64_t kCodeSeconds = 60;
constexpr std::int64_t kTokenSeconds = 600;
constexpr std::size_t kChallengeChars = 43;
constexpr const char* kServiceAudience = "flowstack";

std::string digest_text(const std::string& text) {
    std::array<unsigned char, 32> digest{};
    unsigned int size = 0;
    EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
    return crypto::base64url_encode(
        std::string_view(reinterpret_cast<const char*>(digest.data()), size));
}

Response refused(int status, const std::string& error) {
    auto response = Response::json(status, json::serialize(json::object{{"error", error}}));
    response.headers.set("Cache-Control", "no-store");
    return response;
}

// Each name once: a parameter that comes twice is refused (RFC 6749 3.1).
std::optional<std::map<std::string, std::string>> fields_of(const std::string& text) {
    const auto fields = http::parse_form(text);
    if (!fields) return std::nullopt;
    std::map<std::string, std::string> found;
    for (const auto& [name, value] : *fields)
        if (!found.emplace(name, value).second) return std::nullopt;
    return found;
}

std::string form_decoded(const std::string& text) {
    const auto fields = http::parse_form("x=" + text);
    return fields && !fields->empty() ? fields->front().second : "";
}

}  // namespace

TestIssuer::TestIssuer(std::map<std::string, Client> clients) : clients_(std::move(clients)) {
    server_ = std::make_unique<http::Server>(
        http::ServerOptions{},
        [this](const Request& request, const http::Responder& to) { to.send(answer(request)); });
    server_->start();
    url_ = "http://127.0.0.1:" + std::to_string(server_->port());
}
TestIssuer::~TestIssuer() = default;

void TestIssuer::know(const std::string& client_id, Client client) {
    const std::lock_guard lock(mutex_);
    clients_[client_id] = std::move(client);
}
void TestIssuer::sits_here(Person person) {
    const std::lock_guard lock(mutex_);
    person_ = std::move(person);
}
void TestIssuer::fault(Faults faults) {
    const std::lock_guard lock(mutex_);
    faults_ = std::move(faults);
}
std::vector<std::string> TestIssuer::refusals() const {
    const std::lock_guard lock(mutex_);
    return refusals_;
}
int TestIssuer::exchanges() const {
    const std::lock_guard lock(mutex_);
    return exchanges_;
}

std::string TestIssuer::visit(const std::string& login_url) {
    const auto result = browser_.call_and_wait({.method = "GET", .url = login_url});
    if (result.outcome != http::ClientResult::Outcome::answered)
        throw std::runtime_error(login_url + ": " + result.error);
    if (result.response.status != 302) throw std::runtime_error(result.response.body);
    return std::string(result.response.headers.get("Location"));
}

std::string TestIssuer::access_token(const std::string& subject,
                                     const std::vector<std::string>& grants) {
    return signed_token({subject, grants}, kServiceAudience, "", {});
}

Response TestIssuer::answer(const Request& request) {
    if (request.path == "/.well-known/openid-configuration")
        return Response::json(200, json::serialize(json::object{
                                       {"issuer", url_},
                                       {"authorization_endpoint", url_ + "/authorize"},
                                       {"token_endpoint", url_ + "/token"},
                                       {"end_session_endpoint", url_ + "/logout"},
                                       {"jwks_uri", url_ + "/keys"},
                                       {"response_types_supported", json::array{"code"}},
                                       {"code_challenge_methods_supported", json::array{"S256"}},
                                       {"authorization_response_iss_parameter_supported", true}}));
    if (request.path == "/keys")
        return Response::json(200, identity::testing::jwks_of({signer_.jwk()}));
    const std::lock_guard lock(mutex_);
    if (request.path == "/authorize" && request.method == "GET") return authorize(request);
    if (request.path == "/token" && request.method == "POST") {
        auto response = token(request);
        ++exchanges_;
        if (response.status != 200) refusals_.push_back(response.body);
        return response;
    }
    return Response::text(404, "nothing here");
}

// A loopback redirect is compared but for its port.
bool TestIssuer::knows_redirect(const Client& client, const std::string& redirect_uri) const {
    if (redirect_uri == client.redirect_uri) return true;
    const std::string loopback = "http://127.0.0.1";
    if (!client.redirect_uri.starts_with(loopback + "/") || !client.secret.empty() ||
        !redirect_uri.starts_with(loopback + ":"))
        return false;
    const auto path = redirect_uri.find('/', loopback.size());
    const auto port = redirect_uri.substr(loopback.size() + 1, path - loopback.size() - 1);
    return path != std::string::npos && !port.empty() && port.size() <= 5 &&
           std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; }) &&
           redirect_uri.substr(path) == client.redirect_uri.substr(loopback.size());
}

Response TestIssuer::authorize(const Request& request) {
    auto fields = fields_of(request.query);
    if (!fields) return refused(400, "invalid_request");
    auto& f = *fields;
    const auto client = clients_.find(f["client_id"]);
    // Nobody is sent to an address that is not the client's.
    if (client == clients_.end() || !knows_redirect(client->second, f["redirect_uri"]))
        return refused(400, "invalid_request: client_id or redirect_uri");
    const auto back = [&](http::FormFields answered) {
        answered.emplace_back("state", f["state"]);
        const auto iss = faults_.answers_as.value_or(url_);
        if (!iss.empty()) answered.emplace_back("iss", iss);
        Response response{302, {}, ""};
        response.headers.set("Location", f["redirect_uri"] + "?" + http::encode_form(answered));
        return response;
    };
    if (f["response_type"] != "code") return back({{"error", "unsupported_response_type"}});
    if ((" " + f["scope"] + " ").find(" openid ") == std::string::npos)
        return back({{"error", "invalid_scope"}});
    if (f["code_challenge_method"] != "S256" || f["code_challenge"].size() != kChallengeChars ||
        f["state"].empty() || f["nonce"].empty())
        return back({{"error", "invalid_request"}});
    if (faults_.deny) return back({{"error", "access_denied"}});
    const auto code = crypto::base64url_encode(crypto::random_bytes(32));
    codes_[code] = {.client_id = client->first,
                    .redirect_uri = f["redirect_uri"],
                    .challenge = f["code_challenge"],
                    .nonce = f["nonce"],
                    .person = person_,
                    .until = std::time(nullptr) + kCodeSeconds};
    return back({{"code", code}});
}

Response TestIssuer::token(const Request& request) {
    if (request.headers.get("Content-Type") != "application/x-www-form-urlencoded")
        return refused(400, "invalid_request");
    auto fields = fields_of(request.body);
    if (!fields) return refused(400, "invalid_request");
    auto& f = *fields;
    std::string client_id = f["client_id"], secret;
    const std::string basic(request.headers.get("Authorization"));
    if (!basic.empty()) {
        const auto pair = basic.starts_with("Basic ")
                              ? crypto::base64_decode(basic.substr(6)).value_or("")
                              : std::string();
        const auto colon = pair.find(':');
        // One way to say who one is, and no second (RFC 6749 2.3).
        if (colon == std::string::npos || !client_id.empty() || f.contains("client_secret"))
            return refused(401, "invalid_client");
        client_id = form_decoded(pair.substr(0, colon));
        secret = form_decoded(pair.substr(colon + 1));
    }
    const auto client = clients_.find(client_id);
    if (client == clients_.end() || client->second.secret != secret)
        return refused(401, "invalid_client");
    if (f["grant_type"] != "authorization_code") return refused(400, "unsupported_grant_type");
    const auto found = codes_.find(f["code"]);
    if (found == codes_.end()) return refused(400, "invalid_grant");
    auto& code = found->second;
    const bool good = !code.used && std::time(nullptr) <= code.until &&
                      code.client_id == client_id && code.redirect_uri == f["redirect_uri"] &&
                      digest_text(f["code_verifier"]) == code.challenge;
    code.used = true;
    if (!good) return refused(400, "invalid_grant");
    json::object answer{{"token_type", "Bearer"},
                        {"expires_in", kTokenSeconds},
                        {"access_token", signed_token(code.person, kServiceAudience, "", {})}};
    if (!faults_.no_id_token)
        answer["id_token"] = signed_token(code.person, faults_.audience.value_or(client_id),
                                          faults_.nonce.value_or(code.nonce), faults_);
    auto response = Response::json(200, json::serialize(answer));
    response.headers.set("Cache-Control", "no-store");
    return response;
}

std::string TestIssuer::signed_token(const Person& person, const std::string& audience,
                                     const std::string& nonce, const Faults& faults) const {
    const auto now = static_cast<std::int64_t>(std::time(nullptr));
    json::array grants;
    for (const auto& grant : person.grants) grants.emplace_back(grant);
    json::object claims{{"iss", faults.issuer.value_or(url_)},
                        {"aud", audience},
                        {"sub", person.subject},
                        {"iat", now},
                        {"exp", now + kTokenSeconds},
                        {"flowstack", std::move(grants)}};
    if (!nonce.empty()) claims["nonce"] = nonce;
    if (faults.azp) claims["azp"] = *faults.azp;
    return (faults.strange_key ? strange_ : signer_).sign(claims, "ES256");
}

}  // namespace flowstack::testing
