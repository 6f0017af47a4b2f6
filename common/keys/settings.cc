#include "common/keys/settings.h"

#include <algorithm>

#include "common/config/config.h"
#include "common/http/url.h"

namespace flowstack::keys {
namespace {

bool is_path(const std::string& text) {
    return !text.empty() && !text.starts_with('/') && !text.ends_with('/') &&
           std::ranges::all_of(text, [](unsigned char c) {
               return std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/';
           });
}

}  // namespace

KeySettings::KeySettings(config::Reader& reader) {
    const auto wraps = reader.choice(
        "KEYS_WRAPPED_BY", "master_key", {"master_key", "vault"},
        "what wraps data keys: MASTER_KEY, or the Transit engine of HashiCorp Vault. The other one "
        "opens what it wrapped, as long as it is given too");
    const auto read = [&](const char* name, const char* help) {
        const auto hex = reader.secret(name, "", help);
        if (hex.empty()) return false;
        if (auto key = crypto::MasterKey::from_hex(hex)) {
            if (!master_keys_.empty() && master_keys_.front().version() == key->version())
                reader.mistake(std::string(name) + ": is the same key as MASTER_KEY");
            master_keys_.push_back(std::move(*key));
        } else {
            reader.mistake(std::string(name) + ": must be 64 hex digits");
        }
        return true;
    };
    const bool has_master_key =
        read("MASTER_KEY",
             "64 hex digits; wraps data keys, unless KEYS_WRAPPED_BY is vault. Make one with: "
             "openssl rand -hex 32");
    const bool has_other =
        read("MASTER_KEY_OTHER",
             "a second master key, which opens data keys and wraps none: the next one before a "
             "rotation, the previous one after it. docs/security.md says how the keys are rotated");
    TransitOptions transit;
    transit.address = reader.text("VAULT_ADDRESS", "",
                                  "address of HashiCorp Vault, https://vault.example:8200; http:// "
                                  "only on this machine");
    transit.mount =
        reader.text("VAULT_TRANSIT_MOUNT", "transit", "where its Transit engine is mounted");
    transit.key = reader.text("VAULT_TRANSIT_KEY", "flowstack",
                              "name of the key of its Transit engine, of type aes256-gcm96");
    // Looked at here, so that a file that cannot be read is a mistake at the start.
    transit.token = reader.secret("VAULT_TOKEN", "", "token that Vault takes for this key");
    transit.token_file = reader.text(
        "VAULT_TOKEN_FILE", "",
        "a file whose first line is the token, read at every call: an agent may renew it");
    transit.name_space =
        reader.text("VAULT_NAMESPACE", "", "namespace of the Transit engine, where Vault has such");
    transit.ca_file = reader.text("VAULT_CA_FILE", "",
                                  "PEM file of the CA that signed Vault's certificate; without it "
                                  "the system's CAs are believed");
    transit.timeout = reader.duration_ms("VAULT_TIMEOUT_MS", 3'000,
                                         "how long Vault may take to answer", 1, 60'000);
    transit_wraps_ = wraps == "vault";
    if (!transit_wraps_ && !has_master_key)
        reader.mistake("MASTER_KEY: is required, unless KEYS_WRAPPED_BY is vault");
    if (has_other && !has_master_key)
        reader.mistake("MASTER_KEY_OTHER: means nothing without MASTER_KEY");
    if (transit.address.empty()) {
        if (transit_wraps_)
            reader.mistake("VAULT_ADDRESS: is required when KEYS_WRAPPED_BY is vault");
        return;
    }
    if (transit.address.ends_with('/')) transit.address.pop_back();
    if (!http::reached_safely(transit.address) ||
        transit.address.find_first_of("?# ") != std::string::npos)
        reader.mistake("VAULT_ADDRESS: must begin with https:// (http:// only on this machine)");
    if (!is_path(transit.mount))
        reader.mistake("VAULT_TRANSIT_MOUNT: must be a path without / at its ends");
    if (!is_path(transit.key) || transit.key.find('/') != std::string::npos)
        reader.mistake("VAULT_TRANSIT_KEY: must be letters, digits, dots, dashes and underscores");
    if (transit.token.empty())
        reader.mistake("VAULT_TOKEN: is required with VAULT_ADDRESS (or VAULT_TOKEN_FILE)");
    transit_ = std::move(transit);
}

std::unique_ptr<crypto::KeyWrapper> KeySettings::wrapper() const {
    std::vector<std::unique_ptr<crypto::KeyWrapper>> ring;
    for (const auto& key : master_keys_) ring.push_back(std::make_unique<crypto::MasterKey>(key));
    if (transit_)
        ring.insert(transit_wraps_ ? ring.begin() : ring.end(),
                    std::make_unique<TransitKey>(*transit_));
    return std::make_unique<crypto::KeyRing>(std::move(ring));
}

}  // namespace flowstack::keys
