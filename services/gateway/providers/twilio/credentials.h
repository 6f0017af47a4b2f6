#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/core/secret.h"

// What opens a channel at Twilio, as one text: "<auth token>", or with an API key for the calls
// "<auth token>,<SK…>:<key secret>". Twilio signs webhooks with the auth token only.
namespace flowstack::gateway::twilio {

struct Credentials {
    Secret auth_token;
    std::string api_key_sid;  // empty: the account and its auth token make the calls
    Secret api_key_secret;
};

// Nothing when the text has another form.
std::optional<Credentials> parse_credentials(const Secret& text);

// The header Authorization of a call.
std::string authorization(std::string_view account_sid, const Credentials& credentials);

// "AC", "SK", "MG", "HX" … and 32 hex digits, as Twilio names things.
bool is_sid(std::string_view prefix, std::string_view text);

}  // namespace flowstack::gateway::twilio
