#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/core/secret.h"
#include "common/http/url.h"

// Who signed a webhook of Twilio's? `X-Twilio-Signature` is base64 of HMAC-SHA1, under the
// account's auth token, of the URL that was called and of every parameter of the form. Nothing else
// of the body is covered, so a form is taken apart before it is verified.
namespace flowstack::gateway::twilio {

// What a signature is made of: the URL, then each name and value, by name in the order of UTF-16
// code units; a name's values are sorted, and equal ones count once.
std::string signed_text(std::string_view url, http::FormFields fields);

std::string signature_of(const Secret& auth_token, std::string_view signed_text);

// The request as the world sees it. `url` has the scheme, host, path and query as they are
// configured at Twilio, with or without the default port.
struct SignedRequest {
    std::string url;
    std::string_view query;   // raw
    std::string_view body;    // raw
    http::FormFields fields;  // of the body
};

// Whether one of the tokens made this signature. With `bodySHA256` in the query the body is covered
// by that hash, and the URL alone is signed. Compares in constant time.
bool is_signed(const std::vector<Secret>& auth_tokens, const SignedRequest& request,
               std::string_view signature);

}  // namespace flowstack::gateway::twilio
