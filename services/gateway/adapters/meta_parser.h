#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/time.h"
#include "services/gateway/domain/inbound.h"

// A Meta webhook's body, taken apart: every message, status and preference of a batch is an element
// of its own. Shapes: the Cloud API sheet, section 3; what is not known is an element too, so that
// it is counted and can be read again later from the raw event.
namespace flowstack::gateway {

inline constexpr std::size_t kElementBytesMax = std::size_t{1} << 20;
inline constexpr std::size_t kTextBytesMax = 64 * 1024;

struct WebhookElement {
    enum class Kind {
        message,
        status,
        preference,  // user_preferences: consent
        echo,        // the business wrote from its own phone
        account,     // template, quality and account events: routed by WABA
        unknown,     // a shape that we do not know
        oversized,   // larger than kElementBytesMax: stays in the raw event only
    };
    Kind kind = Kind::unknown;
    std::string path;   // "0.1.2": entry, change, element
    std::string field;  // the change's field: "messages"
    std::string waba_id;
    std::string phone_number_id;  // empty for account events
    std::string_view json;        // the element's own bytes, as received; valid as long as the body

    // message, status, preference
    std::string provider_message_id;
    Time provider_time{};
    std::string phone;  // E.164 with +, empty when the customer hides it
    std::string bsuid;
    std::string profile_name;

    // message
    InboundKind inbound = InboundKind::unsupported;
    std::string provider_type;  // Meta's word: text, button, button_reply, list_reply, image, …
    // Text, caption, emoji, title of what was tapped, or what an edit says now; at most
    // kTextBytesMax.
    std::string text;
    std::string tap_id;
    std::string context_provider_message_id;
    std::string subject_provider_message_id;  // what a reaction, an edit or a revocation speaks of
    std::optional<Location> location;
    std::string group_id;  // written in a group, not to the tenant alone

    // status ("sent", …) and preference ("stop", "resume")
    std::string value;
    std::string callback_data;
    int error_code = 0;
    std::string error_title;
};

struct ParsedWebhook {
    enum class Shape { well_formed, malformed_json, unknown_shape };
    Shape shape = Shape::well_formed;
    std::vector<WebhookElement> elements;
};
std::string_view text_of(ParsedWebhook::Shape shape);

// All or nothing: a body that is not valid JSON to its last byte has no elements.
ParsedWebhook parse_meta_webhook(std::string_view body);

// "254712345678" or "+254712345678" → "+254712345678"; empty for anything else.
std::string phone_from_digits(std::string_view text);

}  // namespace flowstack::gateway
