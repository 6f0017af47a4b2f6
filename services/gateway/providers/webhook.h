#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/core/time.h"
#include "services/gateway/domain/inbound.h"
#include "services/gateway/domain/message_price.h"
#include "services/gateway/domain/notice.h"
#include "services/gateway/domain/send_error.h"

// What a messaging provider's webhook says, in no provider's words. A provider's folder reads its
// own webhooks into these (MessagingProvider::read in provider.h).
namespace flowstack::gateway {

inline constexpr std::size_t kElementBytesMax = std::size_t{1} << 20;
inline constexpr std::size_t kTextBytesMax = 64 * 1024;

// One message, status, preference or notice of a webhook, which may hold many.
struct WebhookElement {
    enum class Kind {
        message,
        status,
        preference,  // a consent, given or taken back in the provider's own settings
        echo,        // the business wrote from its own phone
        notice,      // news of a template, a number, an account, a group or a call
        unknown,     // a shape that we do not know
        oversized,   // larger than kElementBytesMax: stays in the raw event only
    };
    Kind kind = Kind::unknown;
    std::string path;                 // where it stands in the webhook, e.g. "0.1.2"
    std::string channel_external_id;  // the provider's id of our channel; empty for account news
    std::string business_account_id;  // the provider's id of the account that has the channel
    // The element's own bytes; a part of the body, or of ParsedWebhook::repaired_body.
    std::string_view json;
    // Some of its text was not well-formed: U+FFFD stands there.
    bool repaired = false;
    // It cannot be read at all, although the elements around it can.
    bool broken = false;

    // message, status, preference, echo; of a notice only the time
    std::string provider_message_id;
    Time provider_time{};
    std::string phone;  // of the customer: E.164 with +, empty when they hide it
    std::string bsuid;  // an id of the customer that only this business sees
    std::string profile_name;

    // message, echo
    InboundKind inbound = InboundKind::unsupported;
    // The provider's word: text, button, button_reply, list_reply, …; of a notice its field.
    std::string provider_type;
    // Text, caption, emoji, title of what was tapped, or what an edit says now; at most
    // kTextBytesMax.
    std::string text;
    std::string tap_id;
    std::string context_provider_message_id;
    std::string subject_provider_message_id;  // what a reaction, an edit or a revocation speaks of
    std::optional<Location> location;
    std::shared_ptr<const InboundDetails> details;  // null: there are none
    std::string group_id;                           // written in a group, not to the tenant alone
    // A system message: the customer is known by this from now on.
    std::string changed_phone;
    std::string changed_bsuid;

    // status ("sent", …) and preference ("stop", "resume")
    std::string value;
    std::string callback_data;
    SendError error;     // of a failed status
    MessagePrice price;  // of a status that says that the message costs something

    std::shared_ptr<const Notice> notice;  // of a notice, never null there
};

struct ParsedWebhook {
    enum class Shape {
        well_formed,
        repaired,        // read, although some of it was not well-formed
        malformed_json,  // nothing can be read
        unknown_shape,   // well-formed, and nothing in it is an element
    };
    Shape shape = Shape::well_formed;
    std::vector<WebhookElement> elements;
    // What the elements' `json` is a part of when it is not the body: the body was repaired, or it
    // is no JSON.
    std::shared_ptr<const std::string> repaired_body;
};
std::string_view text_of(ParsedWebhook::Shape shape);

// The signature is missing or wrong: whoever sent it, it was not the provider.
struct Unsigned {
    // Not empty: only the secret of this channel could tell, and the channel is not known here. It
    // may have been connected a moment ago, so it is worth a look-up and a second reading.
    std::string unknown_channel = {};
};

struct SignedWebhook {
    std::string app_id;  // whose secret made the signature
    ParsedWebhook parsed;
};

}  // namespace flowstack::gateway
