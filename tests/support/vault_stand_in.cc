#include "tests/support/vault_stand_in.h"

#include <openssl/evp.h>

#include <boost/json.hpp>

namespace flowstack::testing {
namespace {

namespace json = boost::json;

constexpr const char* kMount = "/v1/transit/";
constexpr const char* kKey = "flowstack";

http::Response said(int status, const json::value& body) {
    auto response = http::Response::text(status, json::serialize(body));
    response.headers.set("Content-Type", "application/json");
    return response;
}

http::Response refused(int status, const std::string& why) {
    return said(status, json::object{{"errors", json::array{why}}});
}

std::string encoded(const std::string& bytes) {
    std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                       reinterpret_cast<const unsigned char*>(bytes.data()),
                                       static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(length));
    return text;
}

// What is base64 and nothing else encodes to itself again.
bool is_base64(const std::string& text) {
    std::string bytes(text.size(), '\0');
    const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                       reinterpret_cast<const unsigned char*>(text.data()),
                                       static_cast<int>(text.size()));
    if (length < 0) return false;
    std::size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=')
        ++padding;
    bytes.resize(static_cast<std::size_t>(length) - padding);
    return encoded(bytes) == text;
}

// The one member that the body may have.
bool member(const std::string& body, const char* name, std::string& value) {
    boost::system::error_code error;
    const auto document = json::parse(body, error);
    if (error || !document.is_object()) return false;
    const auto& object = document.get_object();
    const auto* found = object.if_contains(name);
    if (object.size() != 1 || found == nullptr || !found->is_string()) return false;
    value = std::string(found->get_string());
    return true;
}

}  // namespace

VaultStandIn::VaultStandIn(http::ServerOptions options)
    : tls_(options.tls.has_value()),
      server_(std::move(options), [this](const http::Request& request, const http::Responder& to) {
          const std::lock_guard lock(mutex_);
          asked_.push_back(request.method + " " + request.path);
          auto response = answer(request);
          bodies_ += request.body + "\n" + response.body + "\n";
          to.send(std::move(response));
      }) {
    server_.start();
}

VaultStandIn::~VaultStandIn() = default;

std::string VaultStandIn::url() const {
    return (tls_ ? "https://localhost:" : "http://127.0.0.1:") + std::to_string(server_.port());
}
void VaultStandIn::take_token(const std::string& token) {
    const std::lock_guard lock(mutex_);
    token_ = token;
}
void VaultStandIn::ask_for_namespace(const std::string& name) {
    const std::lock_guard lock(mutex_);
    namespace_ = name;
}
void VaultStandIn::rotate() {
    const std::lock_guard lock(mutex_);
    ++latest_;
}
void VaultStandIn::refuse_before(int version) {
    const std::lock_guard lock(mutex_);
    least_ = version;
}
void VaultStandIn::answer_with(int status) {
    const std::lock_guard lock(mutex_);
    status_ = status;
}
std::vector<std::string> VaultStandIn::asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
}
std::string VaultStandIn::bodies() const {
    const std::lock_guard lock(mutex_);
    return bodies_;
}

http::Response VaultStandIn::encrypt(const std::string& plaintext) {
    const auto name = encoded("ciphertext number " + std::to_string(++made_));
    kept_[name] = {plaintext, latest_};
    return said(
        200,
        json::object{
            {"request_id", "1"},
            {"data", json::object{{"ciphertext", "vault:v" + std::to_string(latest_) + ":" + name},
                                  {"key_version", latest_}}}});
}

http::Response VaultStandIn::answer(const http::Request& request) {
    if (status_ == 503) return refused(503, "Vault is sealed");
    if (status_ != 0) return http::Response::text(status_, "<html>not JSON</html>");
    if (request.headers.get("X-Vault-Token") != token_ ||
        request.headers.get("X-Vault-Namespace") != namespace_)
        return refused(403, "permission denied");
    if (request.headers.get("X-Vault-Request") != "true")
        return refused(412, "missing X-Vault-Request header");
    if (!request.path.starts_with(kMount)) return refused(404, "no handler for route");
    const auto rest = request.path.substr(std::string(kMount).size());
    const auto slash = rest.find('/');
    if (slash == std::string::npos || rest.substr(slash + 1) != kKey)
        return refused(400, "encryption key not found");
    const auto operation = rest.substr(0, slash);
    if (operation == "keys") {
        if (request.method != "GET") return refused(405, "unsupported operation");
        return said(200, json::object{{"data", json::object{{"name", kKey},
                                                            {"type", "aes256-gcm96"},
                                                            {"latest_version", latest_},
                                                            {"min_decryption_version", least_}}}});
    }
    if (request.method != "POST") return refused(405, "unsupported operation");
    if (request.headers.get("Content-Type") != "application/json")
        return refused(400, "error parsing JSON");
    std::string value;
    if (operation == "encrypt") {
        if (!member(request.body, "plaintext", value)) return refused(400, "missing plaintext");
        if (!is_base64(value)) return refused(400, "failed to base64-decode plaintext");
        return encrypt(value);
    }
    if (operation != "decrypt" && operation != "rewrap") return refused(404, "unsupported path");
    if (!member(request.body, "ciphertext", value)) return refused(400, "missing ciphertext");
    const auto colon = value.rfind(':');
    const auto known =
        colon == std::string::npos ? kept_.end() : kept_.find(value.substr(colon + 1));
    if (known == kept_.end() ||
        value.substr(0, colon) != "vault:v" + std::to_string(known->second.version))
        return refused(400, "invalid ciphertext: unable to decrypt");
    if (known->second.version < least_)
        return refused(400, "ciphertext or signature version is disallowed by policy (too old)");
    if (operation == "rewrap") return encrypt(known->second.plaintext);
    return said(200, json::object{{"data", json::object{{"plaintext", known->second.plaintext}}}});
}

}  // namespace flowstack::testing
