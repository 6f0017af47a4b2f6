#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/url.h"
#include "services/gateway/providers/webhook.h"

// What Twilio's webhooks say. One webhook is one message or one status: a form of texts (or, when
// the body is signed by its hash, a JSON object of them). Names that we do not know are kept.
namespace flowstack::gateway::twilio {

// The query parameter of our status callback that holds our callback data.
inline constexpr std::string_view kCallbackParameter = "data";

// Name and value of everything in the body, in its order. Nothing when it is neither a form nor a
// JSON object.
std::optional<http::FormFields> read_fields(std::string_view body);

// Which account the webhook is of, and what it may be connected as: the messaging service, then the
// sender's number.
struct Addressed {
    std::string account_sid;
    std::vector<std::string> channels;  // "MG…", "+14155238886"
};
Addressed addressed(const http::FormFields& fields);

// Takes it apart. `channel` is the one that it is for; `query` is the raw query of the URL.
ParsedWebhook parse_webhook(const http::FormFields& fields, std::string channel,
                            std::string_view query);

}  // namespace flowstack::gateway::twilio
