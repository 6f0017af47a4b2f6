#pragma once

#include <chrono>
#include <string>

#include "common/core/secret.h"
#include "common/crypto/envelope.h"
#include "common/http/client.h"

// HashiCorp Vault's Transit engine as the wrapping key: data keys are wrapped and unwrapped there,
// and the wrapping key never leaves it.
//
//   POST <address>/v1/<mount>/encrypt/<key>   {"plaintext": base64}   → data.ciphertext
//   "vault:v3:…" POST <address>/v1/<mount>/decrypt/<key>   {"ciphertext": "vault:v3:…"}  →
//   data.plaintext POST <address>/v1/<mount>/rewrap/<key>    {"ciphertext": "vault:v3:…"}  →
//   data.ciphertext GET  <address>/v1/<mount>/keys/<key>      → data.latest_version
//
// The token needs `update` on the first three and `read` on the last. What is encrypted is 32 bytes
// that name the tenant, and the data key: Transit's own associated data does not survive a rewrap.
namespace flowstack::keys {

struct TransitOptions {
    std::string address;  // https://vault.example:8200; http:// only on this machine
    std::string mount = "transit";
    std::string key = "flowstack";
    Secret token = {};
    // Read at every call instead of `token`, when it is not empty: an agent may renew it.
    std::string token_file = {};
    std::string name_space = {};  // X-Vault-Namespace, where Vault has such
    std::string ca_file = {};     // PEM; empty: the system's CAs
    std::chrono::milliseconds timeout{3'000};
};

class TransitKey final : public crypto::KeyWrapper {
public:
    explicit TransitKey(TransitOptions options);

    // "transit:<mount>/<key>:v<latest version>"
    std::string version() override;
    // Every version of this key; whether Vault still allows an old one is seen when it is asked.
    bool opens(std::string_view version) const override { return version.starts_with(name_); }
    std::string wrap(const Secret& data_key, std::string_view tenant) override;
    std::optional<Secret> unwrap(std::string_view wrapped, std::string_view tenant) override;
    std::optional<std::string> rewrap(std::string_view wrapped, std::string_view tenant) override;

private:
    // The member `name` of the answer's `data`.
    std::string ask(const std::string& operation, const std::string& member,
                    const std::string& value, const std::string& wanted);
    http::ClientResult call(const std::string& method, const std::string& operation,
                            std::string body);
    Secret token() const;
    std::string stored(const std::string& ciphertext) const;
    std::optional<std::string> ciphertext_of(std::string_view wrapped) const;

    const TransitOptions options_;
    const std::string name_;  // "transit:<mount>/<key>:v"
    http::Client client_;
};

}  // namespace flowstack::keys
