#include "services/gateway/providers/twilio/signature.h"

#include <algorithm>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/crypto/hmac_sha1.h"

namespace flowstack::gateway::twilio {
namespace {

// UTF-8 sorts by code point. UTF-16 does too, but for code points above U+FFFF (which begin with
// F0 to F4 in UTF-8): their surrogates stand before U+E000 to U+FFFF (EE and EF).
unsigned utf16_rank(char c) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0xF0) return byte - 2U;
    if (byte >= 0xEE) return byte + 0x10U;
    return byte;
}
bool before_in_utf16(std::string_view a, std::string_view b) {
    return std::ranges::lexicographical_compare(a, b, {}, utf16_rank, utf16_rank);
}

// The URL, and the URL with its default port added or left out: Twilio signs it as it was typed
// there.
std::vector<std::string> spellings(const std::string& url) {
    std::vector<std::string> all{url};
    for (const auto& [scheme, port] :
         {std::pair<std::string_view, std::string_view>("https://", ":443"),
          std::pair<std::string_view, std::string_view>("http://", ":80")}) {
        if (!url.starts_with(scheme)) continue;
        const auto host_end = std::min(url.find_first_of("/?", scheme.size()), url.size());
        const auto host = std::string_view(url).substr(0, host_end);
        const auto rest = std::string_view(url).substr(host_end);
        if (host.ends_with(port))
            all.push_back(std::string(host.substr(0, host.size() - port.size())) +
                          std::string(rest));
        else if (host.find(':', scheme.size()) == std::string_view::npos)
            all.push_back(std::string(host) + std::string(port) + std::string(rest));
    }
    return all;
}

}  // namespace

std::string signed_text(std::string_view url, http::FormFields fields) {
    std::ranges::sort(fields, [](const auto& a, const auto& b) {
        return a.first == b.first ? before_in_utf16(a.second, b.second)
                                  : before_in_utf16(a.first, b.first);
    });
    const auto repeated = std::ranges::unique(fields);
    fields.erase(repeated.begin(), repeated.end());
    std::string text(url);
    for (const auto& [name, value] : fields) {
        text += name;
        text += value;
    }
    return text;
}

std::string signature_of(const Secret& auth_token, std::string_view text) {
    return crypto::base64_encode(crypto::hmac_sha1(auth_token.reveal(), text));
}

bool is_signed(const std::vector<Secret>& auth_tokens, const SignedRequest& request,
               std::string_view signature) {
    auto fields = request.fields;
    const auto query = http::parse_form(request.query);
    if (const auto hash = query ? http::form_field(*query, "bodySHA256") : std::nullopt) {
        const auto ours = crypto::sha256(request.body);
        if (!crypto::constant_time_equal(*hash, crypto::hex_encode(crypto::bytes_of(ours))))
            return false;
        fields.clear();
    }
    for (const auto& url : spellings(request.url)) {
        const auto text = signed_text(url, fields);
        for (const auto& token : auth_tokens)
            if (!token.empty() && crypto::constant_time_equal(signature, signature_of(token, text)))
                return true;
    }
    return false;
}

}  // namespace flowstack::gateway::twilio
