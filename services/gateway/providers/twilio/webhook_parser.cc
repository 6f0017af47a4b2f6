#include "services/gateway/providers/twilio/webhook_parser.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>

#include "common/http/message.h"
#include "common/text/utf8.h"
#include "services/gateway/domain/phone.h"
#include "services/gateway/providers/twilio/credentials.h"
#include "services/gateway/providers/twilio/errors.h"
#include "services/gateway/providers/twilio/media.h"

namespace flowstack::gateway::twilio {
namespace {

constexpr std::string_view kWhatsApp = "whatsapp:";

// ---- Looking into the fields: what is absent is empty.

std::string_view field(const http::FormFields& fields, std::string_view name) {
    for (const auto& [key, value] : fields)
        if (key == name) return value;
    return {};
}

// What becomes the name of a stream or a claim: text, without a zero byte, which cannot be stored.
std::string id_of(std::string_view value) {
    if (value.find('\0') != std::string_view::npos || !text::is_valid_utf8(value)) return {};
    return std::string(value);
}
std::string id_at(const http::FormFields& fields, std::string_view name) {
    return id_of(field(fields, name));
}

// The first of these that is given.
std::string first_id(const http::FormFields& fields,
                     std::initializer_list<std::string_view> names) {
    for (const auto name : names)
        if (auto id = id_at(fields, name); !id.empty()) return id;
    return {};
}

std::string words_at(const http::FormFields& fields, std::string_view name) {
    const auto whole = text::repaired(field(fields, name));
    return std::string(text::front_of_bytes(whole, kTextBytesMax));
}

std::int64_t number_in(std::string_view text) {
    std::int64_t number = 0;
    const auto* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    return read.ec == std::errc{} && read.ptr == end ? number : 0;
}

std::optional<double> degrees_at(const http::FormFields& fields, std::string_view name) {
    const auto text = field(fields, name);
    double number = 0;
    const auto* end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    if (read.ec != std::errc{} || read.ptr != end || !std::isfinite(number)) return std::nullopt;
    return number;
}

std::string_view without_channel(std::string_view address) {
    return address.starts_with(kWhatsApp) ? address.substr(kWhatsApp.size()) : address;
}

// A status of one of our messages. What a customer wrote is SmsStatus "received".
bool is_status(const http::FormFields& fields) {
    const auto status = field(fields, "MessageStatus");
    return !status.empty() && status != "received" && status != "receiving";
}

// ---- Messages

struct Type {
    std::string_view name;
    InboundKind kind;
};
// Twilio's types. Those that are not here, of today or of next year, are unsupported.
constexpr Type kTypes[] = {
    {"text", InboundKind::text},         {"image", InboundKind::media},
    {"audio", InboundKind::media},       {"video", InboundKind::media},
    {"document", InboundKind::media},    {"sticker", InboundKind::media},
    {"location", InboundKind::location}, {"contacts", InboundKind::contacts},
    {"button", InboundKind::button},     {"interactive", InboundKind::button},
    {"reaction", InboundKind::reaction},
};

// By its type, and without one by what it holds.
void read_kind(WebhookElement& out, const http::FormFields& fields) {
    const auto has = [&](std::string_view name) { return !field(fields, name).empty(); };
    const bool row = has("ListId") || has("ListTitle");
    const bool button = has("ButtonPayload") || has("ButtonText");
    out.provider_type = words_at(fields, "MessageType");
    if (out.provider_type.empty())
        out.provider_type = row                                        ? "interactive"
                            : button                                   ? "button"
                            : has("Latitude")                          ? "location"
                            : number_in(field(fields, "NumMedia")) > 0 ? "media"
                            : has("Body")                              ? "text"
                                                                       : "unsupported";
    out.inbound = out.provider_type == "media" ? InboundKind::media : InboundKind::unsupported;
    for (const auto& type : kTypes)
        if (type.name == out.provider_type) out.inbound = type.kind;
    if (out.inbound != InboundKind::button) return;
    if (row)
        out.inbound = InboundKind::list_row;
    else if (!button)
        out.inbound = InboundKind::unsupported;  // an interactive answer of another sort
}

// WhatsApp carries one file a message. Twilio says neither its name nor its hash.
void read_file(WebhookElement& out, const http::FormFields& fields) {
    auto mime_type = words_at(fields, "MediaContentType0");
    auto id = media_id_of(field(fields, "MediaUrl0"), field(fields, "AccountSid"));
    if (id.empty()) return;
    const auto is = [&](std::string_view name) {
        return out.provider_type == name ||
               (out.provider_type == "media" && mime_type.starts_with(name));
    };
    InboundDetails details;
    details.media = InboundMedia{.kind = is("audio")                      ? MediaKind::audio
                                         : is("video")                    ? MediaKind::video
                                         : is("image")                    ? MediaKind::image
                                         : out.provider_type == "sticker" ? MediaKind::sticker
                                                                          : MediaKind::document,
                                 .provider_media_id = std::move(id),
                                 .mime_type = std::move(mime_type),
                                 .sha256 = {},
                                 .filename = {}};
    out.details = std::make_shared<const InboundDetails>(std::move(details));
}

void read_words(WebhookElement& out, const http::FormFields& fields) {
    const auto body = words_at(fields, "Body");
    const auto or_body = [&](std::string_view name) {
        auto words = words_at(fields, name);
        return words.empty() ? body : words;
    };
    switch (out.inbound) {
        case InboundKind::button:
            out.tap_id = words_at(fields, "ButtonPayload");
            out.text = or_body("ButtonText");
            break;
        case InboundKind::list_row:
            out.tap_id = words_at(fields, "ListId");
            out.text = or_body("ListTitle");
            break;
        case InboundKind::location: {
            const auto latitude = degrees_at(fields, "Latitude");
            const auto longitude = degrees_at(fields, "Longitude");
            if (latitude && longitude)
                out.location = Location{.latitude = *latitude,
                                        .longitude = *longitude,
                                        .name = words_at(fields, "Label"),
                                        .address = words_at(fields, "Address")};
            out.text = or_body("Label");
            break;
        }
        case InboundKind::reaction:
            out.text = body;
            out.subject_provider_message_id = id_at(fields, "OriginalRepliedMessageSid");
            break;
        case InboundKind::text:
        case InboundKind::media:
        case InboundKind::contacts:
        case InboundKind::order:
        case InboundKind::form:
        case InboundKind::edit:
        case InboundKind::revoke:
        case InboundKind::system:
        case InboundKind::call:
        case InboundKind::welcome_request:
        case InboundKind::unsupported:
            out.text = body;
            break;
    }
}

void read_message(WebhookElement& out, const http::FormFields& fields) {
    out.kind = WebhookElement::Kind::message;
    const auto from = id_of(without_channel(field(fields, "From")));
    out.phone = phone_from_digits(field(fields, "WaId"));
    if (out.phone.empty()) out.phone = phone_from_digits(from);
    out.bsuid = id_of(without_channel(field(fields, "ExternalUserId")));
    if (out.phone.empty() && out.bsuid.empty()) out.bsuid = from;  // a hidden phone number
    out.profile_name = words_at(fields, "ProfileName");
    out.context_provider_message_id = id_at(fields, "OriginalRepliedMessageSid");
    read_kind(out, fields);
    read_words(out, fields);
    if (out.inbound == InboundKind::media) read_file(out, fields);
    if (out.phone.empty() && out.bsuid.empty()) out.kind = WebhookElement::Kind::unknown;
}

// ---- Statuses

void read_status(WebhookElement& out, const http::FormFields& fields, std::string_view query) {
    out.kind = WebhookElement::Kind::status;
    const auto status = words_at(fields, "MessageStatus");
    // It says of these that the customer does not have the message.
    const bool failed = status == "failed" || status == "undelivered" || status == "canceled";
    out.value = failed ? "failed" : status;
    const auto to = id_of(without_channel(field(fields, "To")));
    out.phone = phone_from_digits(to);
    if (out.phone.empty()) out.bsuid = to;
    if (const auto parameters = http::parse_form(query))
        out.callback_data = id_of(http::form_field(*parameters, kCallbackParameter).value_or(""));
    if (!failed) return;
    auto title = words_at(fields, "ErrorMessage");
    if (title.empty()) title = words_at(fields, "ChannelStatusMessage");
    if (title.empty()) title = status;
    out.error = classified(number_in(field(fields, "ErrorCode")), std::move(title), "");
}

// ---- The bytes

std::optional<http::FormFields> read_json(std::string_view body) {
    thread_local simdjson::dom::parser parser;
    simdjson::dom::object object;
    if (parser.parse(body.data(), body.size()).get(object) != simdjson::SUCCESS)
        return std::nullopt;
    http::FormFields fields;
    for (const auto& [name, value] : object) {
        if (fields.size() == http::kFormFieldsMax) return std::nullopt;
        std::string_view text;
        std::int64_t number = 0;
        if (value.get(text) == simdjson::SUCCESS)
            fields.emplace_back(name, text);
        else if (value.get(number) == simdjson::SUCCESS)
            fields.emplace_back(name, std::to_string(number));
    }
    return fields;
}

std::string json_of(const http::FormFields& fields) {
    std::string json = "{";
    for (const auto& [name, value] : fields) {
        if (json.size() > 1) json += ',';
        json += http::json_string(name) + ":" + http::json_string(value);
    }
    return json + "}";
}

bool well_formed(const http::FormFields& fields) {
    return std::ranges::all_of(fields, [](const auto& one) {
        return text::is_valid_utf8(one.first) && text::is_valid_utf8(one.second);
    });
}

}  // namespace

std::optional<http::FormFields> read_fields(std::string_view body) {
    const auto first = body.find_first_not_of(" \t\r\n");
    if (first != std::string_view::npos && body[first] == '{') return read_json(body);
    return http::parse_form(body);
}

Addressed addressed(const http::FormFields& fields) {
    Addressed found{.account_sid = id_at(fields, "AccountSid"), .channels = {}};
    auto service = id_at(fields, "MessagingServiceSid");
    if (is_sid("MG", service)) found.channels.push_back(std::move(service));
    const auto* ours = is_status(fields) ? "From" : "To";
    auto number = id_of(without_channel(field(fields, ours)));
    if (!number.empty()) found.channels.push_back(std::move(number));
    return found;
}

ParsedWebhook parse_webhook(const http::FormFields& fields, std::string channel,
                            std::string_view query) {
    ParsedWebhook out;
    const auto whole = std::make_shared<const std::string>(json_of(fields));
    out.repaired_body = whole;
    WebhookElement element;
    element.path = "0";
    element.channel_external_id = std::move(channel);
    element.json = *whole;
    element.provider_message_id = first_id(fields, {"MessageSid", "SmsMessageSid", "SmsSid"});
    if (!well_formed(fields)) {
        element.repaired = true;
        out.shape = ParsedWebhook::Shape::repaired;
    }
    if (whole->size() > kElementBytesMax)
        element.kind = WebhookElement::Kind::oversized;
    else if (element.provider_message_id.empty() || element.channel_external_id.empty())
        element.kind = WebhookElement::Kind::unknown;
    else if (is_status(fields))
        read_status(element, fields, query);
    else
        read_message(element, fields);
    out.elements.push_back(std::move(element));
    return out;
}

}  // namespace flowstack::gateway::twilio
