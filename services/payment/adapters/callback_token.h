#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/core/uuid.h"
#include "common/crypto/envelope.h"

// The path token of a payment's callback: it says whose callback this is, and proves that we said
// so.
//
//   hex( version 1 | lane 2 | intent 16 | n 1 | provider n | tenant … | HMAC-SHA-256 cut to 16 )
//
// It is checked without a look-up. It is hexadecimal because some providers forbid words in a URL
// (sql, cmd, exec …) that cannot be spelled with 0–9 and a–f. It is a secret: do not log it.
namespace flowstack::payment {

struct CallbackTarget {
    std::string tenant;
    int lane = 0;
    Uuid intent;
    std::string provider;
    bool operator==(const CallbackTarget&) const = default;
};

class CallbackTokens {
public:
    // The key is derived from `root`, which must outlive it, so that a token reveals nothing for
    // other uses.
    explicit CallbackTokens(const crypto::RootKey& root) : root_(root) {}

    std::string make(const CallbackTarget& target) const;
    // Nothing unless we made exactly this token. The check takes the same time wherever it differs.
    std::optional<CallbackTarget> check(std::string_view token) const;

private:
    std::string tag(std::string_view content) const;
    const crypto::RootKey& root_;
};

// "https://pay.example/hooks/pay/<token>"
std::string callback_url(std::string_view public_base_url, std::string_view token);

// Where a provider's page leads afterwards. It says nothing about the payment.
inline constexpr const char* kReturnPath = "/hooks/pay/done";
std::string return_url(std::string_view public_base_url);

}  // namespace flowstack::payment
