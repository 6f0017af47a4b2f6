#include "common/keys/transit.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>

#include "common/crypto/aead.h"
#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"

namespace flowstack::keys {
namespace {

namespace json = boost::json;

constexpr std::size_t kAnswerBytesMax = 64 << 10;
constexpr std::size_t kTokenBytesMax = 4096;
constexpr std::size_t kErrorTextMax = 200;
constexpr std::string_view kTransitWord = "vault:v";

// What Vault says is wrong: {"errors": ["permission denied"]}. It never repeats what was sent.
std::string errors_in(const std::string& body) {
    boost::system::error_code error;
    const auto document = json::parse(body, error);
    const auto* object = error ? nullptr : document.if_object();
    const auto* list = object == nullptr ? nullptr : object->if_contains("errors");
    std::string text;
    if (list != nullptr && list->is_array())
        for (const auto& one : list->get_array())
            if (one.is_string()) text += (text.empty() ? "" : "; ") + std::string(one.get_string());
    for (auto& c : text)
        if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    if (text.size() > kErrorTextMax) text.resize(kErrorTextMax);
    return text;
}

const json::value* data_member(const json::value& document, const std::string& name) {
    const auto* object = document.if_object();
    const auto* data = object == nullptr ? nullptr : object->if_contains("data");
    if (data == nullptr || !data->is_object()) return nullptr;
    return data->get_object().if_contains(name);
}

}  // namespace

TransitKey::TransitKey(TransitOptions options)
    : options_(std::move(options)),
      name_("transit:" + options_.mount + "/" + options_.key + ":v"),
      client_({.connections_per_host_max = 8,
               .connections_max = 8,
               .response_bytes_max = kAnswerBytesMax,
               .ca_file = options_.ca_file}) {}

Secret TransitKey::token() const {
    if (options_.token_file.empty()) return options_.token;
    std::ifstream file(options_.token_file);
    std::string line;
    if (!file || !std::getline(file, line) || line.empty() || line.size() > kTokenBytesMax)
        throw crypto::KeysUnavailable("VAULT_TOKEN_FILE " + options_.token_file +
                                      " has no token in its first line");
    return Secret(std::move(line));
}

http::ClientResult TransitKey::call(const std::string& method, const std::string& operation,
                                    std::string body) {
    http::ClientRequest request;
    request.method = method;
    request.url = options_.address + "/v1/" + options_.mount + "/" + operation + "/" + options_.key;
    request.headers.add("X-Vault-Token", token().reveal());
    // Vault's own protection against requests that somebody was tricked into.
    request.headers.add("X-Vault-Request", "true");
    if (!options_.name_space.empty()) request.headers.add("X-Vault-Namespace", options_.name_space);
    if (!body.empty()) request.headers.add("Content-Type", "application/json");
    request.body = std::move(body);
    request.timeout_ms = static_cast<int>(options_.timeout.count());
    request.connect_timeout_ms = request.timeout_ms;
    auto result = client_.call_and_wait(std::move(request));
    const auto where = "Vault at " + options_.address + " (" + operation + " " + options_.key + ")";
    // Wrapping and unwrapping change nothing there, so it does not matter how far a call came.
    if (result.outcome != http::ClientResult::Outcome::answered)
        throw crypto::KeysUnavailable(where + " does not answer: " + result.error);
    const auto status = result.response.status;
    if (status == 200) return result;
    const auto said =
        "HTTP " + std::to_string(status) +
        (errors_in(result.response.body).empty() ? "" : ": " + errors_in(result.response.body));
    if (status == 429 || status >= 500)
        throw crypto::KeysUnavailable(where + " cannot do it now, " + said);
    // A token that has run out is renewed from outside, so this may pass.
    if (status == 401 || status == 403)
        throw crypto::KeysUnavailable(
            where + " refuses VAULT_TOKEN, " + said +
            "; its policy must allow update on encrypt, decrypt and rewrap, and read on keys");
    throw crypto::KeysRefused(where + " refuses, " + said);
}

std::string TransitKey::ask(const std::string& operation, const std::string& member,
                            const std::string& value, const std::string& wanted) {
    const auto result = call("POST", operation, json::serialize(json::object{{member, value}}));
    boost::system::error_code error;
    const auto document = json::parse(result.response.body, error);
    const auto* found = error ? nullptr : data_member(document, wanted);
    if (found == nullptr || !found->is_string())
        throw crypto::KeysUnavailable("Vault's answer to " + operation + " has no data." + wanted);
    return std::string(found->get_string());
}

std::string TransitKey::version() {
    const auto result = call("GET", "keys", "");
    boost::system::error_code error;
    const auto document = json::parse(result.response.body, error);
    const auto* latest = error ? nullptr : data_member(document, "latest_version");
    if (latest == nullptr || !latest->is_int64() || latest->get_int64() < 1)
        throw crypto::KeysUnavailable("Vault's answer to keys has no data.latest_version");
    return name_ + std::to_string(latest->get_int64());
}

// "vault:v3:<base64>" → "transit:<mount>/<key>:v3:<base64>"
std::string TransitKey::stored(const std::string& ciphertext) const {
    const auto colon = ciphertext.find(':', kTransitWord.size());
    const auto number = ciphertext.substr(
        std::min(kTransitWord.size(), ciphertext.size()),
        colon == std::string::npos ? std::string::npos : colon - kTransitWord.size());
    const bool good =
        ciphertext.starts_with(kTransitWord) && colon != std::string::npos && !number.empty() &&
        std::ranges::all_of(number, [](unsigned char c) { return std::isdigit(c); }) &&
        crypto::base64_decode(ciphertext.substr(colon + 1));
    if (!good)
        throw crypto::KeysUnavailable(
            "Vault's ciphertext does not have the form vault:v<number>:<base64>");
    return name_ + ciphertext.substr(kTransitWord.size());
}

std::optional<std::string> TransitKey::ciphertext_of(std::string_view wrapped) const {
    if (!opens(crypto::version_of(wrapped))) return std::nullopt;
    return std::string(kTransitWord) + std::string(wrapped.substr(name_.size()));
}

std::string TransitKey::wrap(const Secret& data_key, std::string_view tenant) {
    const Secret plaintext(crypto::base64_encode(crypto::binding_of(tenant) + data_key.reveal()));
    return stored(ask("encrypt", "plaintext", plaintext.reveal(), "ciphertext"));
}

std::optional<Secret> TransitKey::unwrap(std::string_view wrapped, std::string_view tenant) {
    const auto ciphertext = ciphertext_of(wrapped);
    if (!ciphertext) return std::nullopt;
    const Secret text(ask("decrypt", "ciphertext", *ciphertext, "plaintext"));
    auto decoded = crypto::base64_decode(text.reveal());
    if (!decoded) return std::nullopt;
    const Secret bytes(std::move(*decoded));
    const auto binding = crypto::binding_of(tenant);
    if (bytes.reveal().size() != binding.size() + crypto::kAeadKeyBytes ||
        !crypto::constant_time_equal(std::string_view(bytes.reveal()).substr(0, binding.size()),
                                     binding))
        return std::nullopt;
    return Secret(bytes.reveal().substr(binding.size()));
}

std::optional<std::string> TransitKey::rewrap(std::string_view wrapped, std::string_view) {
    const auto ciphertext = ciphertext_of(wrapped);
    if (!ciphertext) return std::nullopt;
    return stored(ask("rewrap", "ciphertext", *ciphertext, "ciphertext"));
}

}  // namespace flowstack::keys
