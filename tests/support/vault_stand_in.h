#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "common/http/server.h"

namespace flowstack::testing {

// HashiCorp Vault's Transit engine with one key, as far as its documentation describes encrypt,
// decrypt, rewrap and keys. It takes nothing that Vault would refuse: another token, namespace,
// path, method or content type, a member that is unknown or no canonical base64. It shares no code
// with the product's client: base64 and JSON are read here by hand or by Boost.
class VaultStandIn {
public:
    explicit VaultStandIn(http::ServerOptions options = {});
    ~VaultStandIn();

    std::string url() const;

    // What it asks for. Set before the first request, or any time after: thread-safe.
    void take_token(const std::string& token);
    void ask_for_namespace(const std::string& name);
    // A new version of the key; further encryption is under it.
    void rotate();
    // Ciphertexts of older versions are refused: "min_decryption_version".
    void refuse_before(int version);
    // It answers so to everything, until 0: 503 is a sealed Vault.
    void answer_with(int status);

    // Every path that was asked for, with its method: "POST /v1/transit/encrypt/flowstack".
    std::vector<std::string> asked() const;
    // Everything that was sent to it and came back, for tests that look for what must not be there.
    std::string bodies() const;

private:
    http::Response answer(const http::Request& request);
    http::Response encrypt(const std::string& plaintext);

    struct Kept {
        std::string plaintext;
        int version = 0;
    };
    mutable std::mutex mutex_;
    std::string token_ = "s.stand-in";
    std::string namespace_;
    int latest_ = 1;
    int least_ = 1;
    int status_ = 0;
    int made_ = 0;
    std::map<std::string, Kept> kept_;  // by what follows "vault:v1:"
    std::vector<std::string> asked_;
    std::string bodies_;
    bool tls_;
    http::Server server_;  // last: its thread uses everything above
};

}  // namespace flowstack::testing
