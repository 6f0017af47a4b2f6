#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "common/core/clock.h"
#include "common/identity/jwt.h"

namespace flowstack::identity {

struct IssuerOptions {
    Expected expected;    // expected.issuer is its URL
    std::string ca_file;  // PEM; empty = the system's
    // Its keys are fetched so often, and after a failure.
    std::chrono::milliseconds refresh{300'000};
    std::chrono::milliseconds retry{5'000};
    // A token with an unknown key makes it fetch at once, at most so often: anybody can send one.
    std::chrono::milliseconds unknown_key_every{30'000};
    // Keys that could not be fetched again for so long are believed no more.
    std::chrono::milliseconds keys_last{86'400'000};
    std::chrono::milliseconds timeout{5'000};
};

// Why this URL can be no issuer's: empty when it can. It must be https; http only on this machine.
std::string issuer_mistake(std::string_view url);

// The one issuer whose tokens are taken, found by OpenID Connect Discovery. A thread of its own
// keeps its keys; nobody waits for them. Thread-safe.
class Issuer {
public:
    Issuer(IssuerOptions options, const Clock& clock);
    ~Issuer();
    Issuer(const Issuer&) = delete;
    Issuer& operator=(const Issuer&) = delete;

    // Where people log in, as discovery says it. Empty: the issuer does not have it.
    struct Endpoints {
        std::string authorization;
        std::string token;
        std::string end_session;
        // Its answers to a login say which issuer they are of (RFC 9207).
        bool names_itself = false;
    };
    // Nothing while discovery has not been read.
    std::optional<Endpoints> endpoints() const;
    const IssuerOptions& options() const;

    struct Later {};  // the keys are being fetched: ask again in a moment
    std::variant<Claims, Refused, Later> read(std::string_view token);
    // The same of a token that must say something else than IssuerOptions::expected.
    std::variant<Claims, Refused, Later> read(std::string_view token, const Expected& expected);

    // Why there are no keys to judge by; empty when there are.
    std::string trouble() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace flowstack::identity
