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

    // Begins to fetch the issuer's keys. Without an issuer nothing happens.
    void open();
    // Whether tokens are taken at all. After open().
    bool taken() const { return issuer_ != nullptr; }
    // Whose token this is, as user:<subject>, with what it grants. Throws a Failure:
    // UNAUTHENTICATED with the reason, or UNAVAILABLE while the issuer's keys are fetched. After
    // open().
    rpc::Caller holder_of(std::string_view token) const;

private:
    std::optional<identity::IssuerOptions> options_;
    std::shared_ptr<identity::Issuer> issuer_;
};

}  // namespace flowstack::service
