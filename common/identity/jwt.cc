#include "common/identity/jwt.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cctype>
#include <cmath>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"

namespace flowstack::identity {
namespace {

namespace json = boost::json;

constexpr std::size_t kKeyIdBytesMax = 256;
constexpr std::size_t kGrantsMax = 1000;
constexpr double kSecondsMax = 253'402'300'799;  // the year 9999

// "header.payload.signature"; nothing for another number of parts.
std::optional<std::array<std::string_view, 3>> parts_of(std::string_view token) {
    const auto first = token.find('.');
    const auto last = token.rfind('.');
    if (first == std::string_view::npos || last == first) return std::nullopt;
    const auto payload = token.substr(first + 1, last - first - 1);
    if (payload.find('.') != std::string_view::npos) return std::nullopt;
    return std::array{token.substr(0, first), payload, token.substr(last + 1)};
}

std::optional<json::object> object_in(std::string_view part) {
    const auto text = crypto::base64url_decode(part);
    if (!text) return std::nullopt;
    boost::system::error_code broken;
    const auto parsed = json::parse(*text, broken);
    if (broken || !parsed.is_object()) return std::nullopt;
    return parsed.as_object();
}

std::optional<std::string> text_in(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    if (value == nullptr || !value->is_string()) return std::nullopt;
    return std::string(value->as_string());
}

// NumericDate (RFC 7519 §2): seconds, perhaps with a fraction.
std::optional<Time> time_in(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    if (value == nullptr || !value->is_number()) return std::nullopt;
    const auto seconds = value->to_number<double>();
    if (!std::isfinite(seconds) || seconds < 0 || seconds > kSecondsMax) return std::nullopt;
    return from_unix_micros(static_cast<std::int64_t>(seconds * 1e6));
}

bool is_for(const json::object& claims, const std::string& audience) {
    const auto* value = claims.if_contains("aud");
    if (value == nullptr) return false;
    if (value->is_string()) return value->as_string() == audience;
    const auto* list = value->if_array();
    return list != nullptr && std::ranges::any_of(*list, [&](const auto& each) {
               return each.is_string() && each.as_string() == audience;
           });
}

// Why an ID token is not the answer to this question; empty when it is.
std::string wrong_id_token(const json::object& header, const json::object& claims,
                           const Expected& expected) {
    if (auto type = text_in(header, "typ"); type && type->size() > std::string_view("jwt").size())
        return "this is an access token where an ID token is expected";
    const auto azp = text_in(claims, "azp");
    const auto* audiences = claims.at("aud").if_array();
    if ((audiences != nullptr && audiences->size() > 1 && !azp) ||
        (claims.contains("azp") && azp != expected.audience))
        return "the token was made for another application (azp)";
    const auto nonce = text_in(claims, "nonce");
    if (!nonce || !crypto::constant_time_equal(*nonce, expected.nonce))
        return "the token does not answer this login (nonce)";
    return {};
}

bool good_subject(const std::string& subject) {
    return !subject.empty() && subject.size() <= kSubjectBytesMax &&
           std::ranges::all_of(subject, [](char c) { return c > ' ' && c < 0x7F; });
}

// Which key signed, and how; or why that cannot be.
std::variant<std::pair<PublicKey, Algorithm>, Refused> signer_of(const json::object& header,
                                                                 const FindKey& find_key) {
    const auto name = text_in(header, "alg").value_or("");
    const auto algorithm = parse_algorithm(name);
    if (!algorithm)
        return Refused{"the token's algorithm is not one of RS256, PS256, ES256 and EdDSA"};
    if (header.contains("crit"))
        return Refused{"the token wants extensions (crit), and none is known here"};
    if (auto type = text_in(header, "typ")) {
        for (auto& c : *type) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        if (*type != "jwt" && *type != "at+jwt") return Refused{"the token's type is not JWT"};
    }
    const auto id = text_in(header, "kid").value_or("");
    if (id.empty() || id.size() > kKeyIdBytesMax)
        return Refused{"the token does not say which key signed it (kid)"};
    auto key = find_key(id);
    if (!key) return Refused{"the token was signed by a key that its issuer does not have", true};
    if (std::ranges::find(key->algorithms, *algorithm) == key->algorithms.end())
        return Refused{"the token's key does not sign by " + name};
    return std::pair{std::move(*key), *algorithm};
}

}  // namespace

bool looks_like_token(std::string_view secret) { return parts_of(secret).has_value(); }

std::variant<Claims, Refused> read_token(std::string_view token, const Expected& expected,
                                         const FindKey& find_key, Time now) {
    if (token.size() > kTokenBytesMax) return Refused{"the token is longer than 8192 bytes"};
    const auto parts = parts_of(token);
    const auto header = parts ? object_in((*parts)[0]) : std::nullopt;
    const auto signature = parts ? crypto::base64url_decode((*parts)[2]) : std::nullopt;
    if (!header || !signature) return Refused{"this is no signed token"};
    auto signer = signer_of(*header, find_key);
    if (auto* refused = std::get_if<Refused>(&signer)) return std::move(*refused);
    const auto& [key, algorithm] = std::get<0>(signer);
    if (!signed_by(key, algorithm, token.substr(0, token.rfind('.')), *signature))
        return Refused{"the token's signature is wrong"};

    const auto claims = object_in((*parts)[1]);
    if (!claims) return Refused{"the token holds no claims"};
    if (text_in(*claims, "iss") != expected.issuer)
        return Refused{"the token is of another issuer"};
    if (!is_for(*claims, expected.audience)) return Refused{"the token is for another audience"};
    if (!expected.nonce.empty())
        if (auto why = wrong_id_token(*header, *claims, expected); !why.empty())
            return Refused{std::move(why)};
    const auto expires = time_in(*claims, "exp"), issued = time_in(*claims, "iat");
    if (!expires || !issued)
        return Refused{"the token does not say from when until when it is good (iat, exp)"};
    const auto skew = expected.clock_skew_max;
    if (*expires + skew <= now) return Refused{"the token has expired"};
    if (*issued > now + skew) return Refused{"the token was issued in the future"};
    if (*expires - *issued > expected.lifetime_max)
        return Refused{"the token lasts longer than " +
                       std::to_string(expected.lifetime_max.count()) + " s, which is too long"};
    if (claims->contains("nbf")) {
        const auto from = time_in(*claims, "nbf");
        if (!from || *from > now + skew) return Refused{"the token is not good yet"};
    }
    Claims taken{
        .subject = text_in(*claims, "sub").value_or(""), .expires = *expires, .grants = {}};
    if (!good_subject(taken.subject))
        return Refused{"the token's subject must be 1 to 128 printable characters without a space"};
    if (const auto* grants = claims->if_contains(expected.grants_claim)) {
        const auto* list = grants->if_array();
        if (list == nullptr || list->size() > kGrantsMax)
            return Refused{"the token's claim " + expected.grants_claim +
                           " must be a list of at most 1000 texts"};
        for (const auto& each : *list)
            if (each.is_string()) taken.grants.emplace_back(each.as_string());
    }
    return taken;
}

}  // namespace flowstack::identity
