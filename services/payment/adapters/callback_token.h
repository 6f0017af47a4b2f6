#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/core/secret.h"
#include "common/core/uuid.h"

// The path token of a payment's callback: says whose callback it is, and that we said so.
//
//   hex( version 1 | lane 2 | intent 16 | tenant … | HMAC-SHA-256 cut to 16 )
//
// Checked without a look-up. Hexadecimal, because the words that Daraja forbids in a URL (and sql,
// cmd, exec …) cannot be spelled with 0–9 and a–f. A secret: it must not be logged.
namespace flowstack::payment {

struct CallbackTarget {
    std::string tenant;
    int lane = 0;
    Uuid intent;
    bool operator==(const CallbackTarget&) const = default;
};

class CallbackTokens {
public:
    // The key is derived from `master_key`, so that this use of it is of no use elsewhere.
    explicit CallbackTokens(const Secret& master_key);

    std::string make(const CallbackTarget& target) const;
    // Nothing unless we made exactly this token. Takes the same time wherever it differs.
    std::optional<CallbackTarget> check(std::string_view token) const;

private:
    std::string tag(std::string_view content) const;
    Secret key_;
};

// The word that is not allowed in a callback URL, or nothing. Case does not matter.
std::optional<std::string> forbidden_word(std::string_view url);

// "https://pay.example/hooks/pay/<token>"
std::string callback_url(std::string_view public_base_url, std::string_view token);

}  // namespace flowstack::payment
