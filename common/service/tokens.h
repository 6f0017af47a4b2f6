#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "common/identity/issuer.h"
#include "common/rpc/caller.h"

namespace flowstack::config {
class Reader;
}

namespace flowstack::service {

// The tokens (JWT) of people and machines that are taken, by settings: those of one issuer.
class Tokens {
public:
    Tokens() = default;
    // Reads OIDC_*.
    explicit Tokens(config::Reader& reader);

    // Whether OIDC_ISSUER names one.
    bool has_issuer() const { return options_.has_value(); }
    // Begins to fetch the issuer's keys. Without an issuer nothing happens.
    void open();
    // Whether tokens are taken at all. After open().
    bool taken() const { return issuer_ != nullptr; }
    // Null without one. After open().
    std::shared_ptr<identity::Issuer> issuer() const { return issuer_; }
    // With what the issuer's certificate is checked; empty: the system's CAs.
    std::string ca_file() const { return options_ ? options_->ca_file : ""; }
    // Whose token this is, as user:<subject>, with what it grants. Throws a Failure:
    // UNAUTHENTICATED with the reason, or UNAVAILABLE while the issuer's keys are fetched. After
    // open().
    rpc::Caller holder_of(std::string_view token) const;

private:
    std::optional<identity::IssuerOptions> options_;
    std::shared_ptr<identity::Issuer> issuer_;
};

}  // namespace flowstack::service
