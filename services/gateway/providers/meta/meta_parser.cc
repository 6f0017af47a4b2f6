#include "services/gateway/providers/meta/meta_parser.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "common/crypto/encoding.h"
#include "services/gateway/domain/phone.h"
#include "services/gateway/providers/meta/errors.h"
#include "services/gateway/providers/meta/json_repair.h"

namespace flowstack::gateway {
namespace {

namespace dom = simdjson::dom;

// ---- The bytes of members and elements, in a text whose brackets and quotes close.
//
// simdjson's DOM does not keep offsets, and its On-Demand parser does not validate what it skips.

std::size_t skip_space(std::string_view text, std::size_t at) {
    while (at < text.size() &&
           (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t'))
        ++at;
    return at;
}

std::size_t skip_string(std::string_view text, std::size_t at) {
    // By memchr: most of a webhook is the insides of strings.
    for (auto end = text.find('"', at + 1); end != std::string_view::npos;
         end = text.find('"', end + 1)) {
        auto before = end;
        while (text[before - 1] == '\\') --before;
        if ((end - before) % 2 == 0) return end + 1;
    }
    return text.size() + 1;
}

std::size_t skip_value(std::string_view text, std::size_t at) {
    if (at >= text.size()) return at;
    if (text[at] == '"') return skip_string(text, at);
    if (text[at] != '{' && text[at] != '[') {
        while (at < text.size() && text[at] != ',' && text[at] != '}' && text[at] != ']' &&
               text[at] != ' ' && text[at] != '\n' && text[at] != '\r' && text[at] != '\t')
            ++at;
        return at;
    }
    int depth = 0;
    while (at < text.size()) {
        const char c = text[at];
        if (c == '"') {
            at = skip_string(text, at);
            continue;
        }
        if (c == '{' || c == '[') ++depth;
        if (c == '}' || c == ']') --depth;
        ++at;
        if (depth == 0) break;
    }
    return at;
}

// The value of the first member called `name`; empty if there is none or `object` is no object.
std::string_view member(std::string_view object, std::string_view name) {
    auto at = skip_space(object, 0);
    if (at >= object.size() || object[at] != '{') return {};
    at = skip_space(object, at + 1);
    while (at < object.size() && object[at] == '"') {
        const auto key_end = skip_string(object, at);
        const auto key = object.substr(at + 1, key_end - at - 2);
        const auto value = skip_space(object, skip_space(object, key_end) + 1);
        const auto value_end = skip_value(object, value);
        if (key == name) return object.substr(value, value_end - value);
        at = skip_space(object, value_end);
        if (at < object.size() && object[at] == ',') at = skip_space(object, at + 1);
    }
    return {};
}

std::vector<std::string_view> items(std::string_view array) {
    std::vector<std::string_view> found;
    auto at = skip_space(array, 0);
    if (at >= array.size() || array[at] != '[') return found;
    at = skip_space(array, at + 1);
    while (at < array.size() && array[at] != ']') {
        const auto end = skip_value(array, at);
        found.push_back(array.substr(at, end - at));
        at = skip_space(array, end);
        if (at < array.size() && array[at] == ',') at = skip_space(array, at + 1);
    }
    return found;
}

// ---- Typed look-ups that never throw: what is absent or of another type is empty.

std::string_view text_at(const dom::element& object, std::string_view name) {
    std::string_view text;
    if (object[name].get(text) != simdjson::SUCCESS) return {};
    return text;
}

std::optional<dom::element> object_at(const dom::element& object, std::string_view name) {
    dom::element found;
    if (object[name].get(found) != simdjson::SUCCESS || !found.is_object()) return std::nullopt;
    return found;
}

std::optional<dom::element> first_of(const dom::element& object, std::string_view name) {
    dom::array array;
    if (object[name].get(array) != simdjson::SUCCESS) return std::nullopt;
    for (const auto item : array)
        if (item.is_object()) return item;
    return std::nullopt;
}

// Unix seconds, as a string (messages, statuses) or as a number (preferences).
Time seconds_at(const dom::element& object, std::string_view name) {
    dom::element found;
    if (object[name].get(found) != simdjson::SUCCESS) return {};
    std::int64_t seconds = 0;
    if (found.get(seconds) != simdjson::SUCCESS) {
        std::string_view text;
        if (found.get(text) != simdjson::SUCCESS) return {};
        if (std::from_chars(text.data(), text.data() + text.size(), seconds).ec != std::errc{})
            return {};
    }
    // Beyond the year 9999 it is no time of a message.
    if (seconds < 0 || seconds > 253'402'300'799) return {};
    return from_unix_seconds(seconds);
}

// At most kTextBytesMax, never in the middle of a character.
std::string cut(std::string_view text) {
    if (text.size() <= kTextBytesMax) return std::string(text);
    auto end = kTextBytesMax;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    return std::string(text.substr(0, end));
}

// Scratch memory of one thread; a document is used up before the next one is parsed.
dom::parser& scratch() {
    thread_local dom::parser parser;
    return parser;
}

// What becomes the name of a stream or a claim. A name with a zero byte in it cannot be stored, and
// would be delivered again for ever: the element stays in the raw event.
std::string id_at(const dom::element& object, std::string_view name) {
    const auto text = text_at(object, name);
    if (text.find('\0') != std::string_view::npos) return {};
    return std::string(text);
}

// Meta's types. Those that are not here, of today or of a later version of the API, are
// unsupported.
InboundKind kind_of(std::string_view type) {
    constexpr std::pair<std::string_view, InboundKind> kKinds[] = {
        {"text", InboundKind::text},
        {"button", InboundKind::button},
        {"image", InboundKind::media},
        {"document", InboundKind::media},
        {"audio", InboundKind::media},
        {"video", InboundKind::media},
        {"sticker", InboundKind::media},
        {"location", InboundKind::location},
        {"contacts", InboundKind::contacts},
        {"order", InboundKind::order},
        {"reaction", InboundKind::reaction},
        {"edit", InboundKind::edit},
        {"revoke", InboundKind::revoke},
        {"system", InboundKind::system},
        {"request_welcome", InboundKind::welcome_request},
    };
    for (const auto& [name, kind] : kKinds)
        if (name == type) return kind;
    return InboundKind::unsupported;
}

// The numbers between two JSON texts that came as they are: ids are numbers in news of templates.
std::string scalar_at(const dom::element& object, std::string_view name) {
    dom::element found;
    if (object[name].get(found) != simdjson::SUCCESS) return {};
    std::string_view text;
    if (found.get(text) == simdjson::SUCCESS) return std::string(text);
    std::int64_t whole = 0;
    if (found.get(whole) == simdjson::SUCCESS) return std::to_string(whole);
    return {};
}

bool flag_at(const dom::element& object, std::string_view name) {
    bool value = false;
    return object[name].get(value) == simdjson::SUCCESS && value;
}

double number_at(const dom::element& object, std::string_view name) {
    double number = 0;
    return object[name].get(number) == simdjson::SUCCESS ? number : 0;
}

// What names the customer: on the message itself, else in the change's contacts.
struct WebhookContact {
    std::string wa_id;
    std::string user_id;
    std::string name;
};

std::vector<WebhookContact> contacts_of(std::string_view value) {
    std::vector<WebhookContact> contacts;
    for (const auto raw : items(member(value, "contacts"))) {
        dom::element contact;
        if (scratch().parse(raw.data(), raw.size()).get(contact) != simdjson::SUCCESS ||
            !contact.is_object())
            continue;
        WebhookContact found{id_at(contact, "wa_id"), id_at(contact, "user_id"), {}};
        if (const auto profile = object_at(contact, "profile"))
            found.name = cut(text_at(*profile, "name"));
        contacts.push_back(std::move(found));
    }
    return contacts;
}

void identify(WebhookElement& element, std::string_view wa_id, std::string_view user_id,
              const std::vector<WebhookContact>& contacts) {
    element.phone = phone_from_digits(wa_id);
    element.bsuid = user_id;
    for (const auto& contact : contacts) {
        const bool same = (!wa_id.empty() && contact.wa_id == wa_id) ||
                          (!user_id.empty() && contact.user_id == user_id) ||
                          (wa_id.empty() && user_id.empty() && contacts.size() == 1);
        if (!same) continue;
        if (element.phone.empty()) element.phone = phone_from_digits(contact.wa_id);
        if (element.bsuid.empty()) element.bsuid = contact.user_id;
        element.profile_name = contact.name;
    }
}

// The customer has another number, or another id, from now on. `wa_id` was called `new_wa_id`
// before, and was the person's own id beside it.
void read_change_of_identity(WebhookElement& out, const dom::element& body) {
    const auto type = text_at(body, "type");
    if (type == "user_changed_number" || type == "customer_changed_number") {
        for (const auto* name : {"new_wa_id", "wa_id"}) {
            const auto phone = phone_from_digits(id_at(body, name));
            if (out.changed_phone.empty() && phone != out.phone) out.changed_phone = phone;
        }
    }
    if (type == "user_changed_number" || type == "user_changed_user_id") {
        for (const auto* name : {"new_user_id", "user_id"}) {
            const auto id = id_at(body, name);
            if (out.changed_bsuid.empty() && id != out.bsuid) out.changed_bsuid = id;
        }
    }
}

// What a message holds besides its words, made when something of it is found: most hold nothing.
class Details {
public:
    InboundDetails& get() {
        if (!made_) made_ = std::make_shared<InboundDetails>();
        return *made_;
    }
    std::shared_ptr<InboundDetails> made() && { return std::move(made_); }

private:
    std::shared_ptr<InboundDetails> made_;
};

MediaKind media_kind_of(std::string_view type, const dom::element& body) {
    if (type == "document") return MediaKind::document;
    if (type == "video") return MediaKind::video;
    if (type == "sticker") return MediaKind::sticker;
    if (type == "audio") return flag_at(body, "voice") ? MediaKind::voice : MediaKind::audio;
    return MediaKind::image;
}

// Meta writes the hash in Base64.
std::string hash_of(std::string_view text) {
    constexpr std::size_t kHashBytes = 32;
    const auto bytes = crypto::base64_decode(text);
    return bytes && bytes->size() == kHashBytes ? crypto::hex_encode(*bytes) : std::string();
}

InboundMedia media_of(std::string_view type, const dom::element& body) {
    return {.kind = media_kind_of(type, body),
            .provider_media_id = id_at(body, "id"),
            .mime_type = std::string(text_at(body, "mime_type")),
            .sha256 = hash_of(text_at(body, "sha256")),
            .filename = cut(text_at(body, "filename")),
            .animated = flag_at(body, "animated")};
}

// The texts that are called `name` in the objects of the list `list`.
std::vector<std::string> texts_in(const dom::element& object, std::string_view list,
                                  std::string_view name) {
    std::vector<std::string> found;
    dom::array array;
    if (object[list].get(array) != simdjson::SUCCESS) return found;
    for (const auto item : array)
        if (item.is_object())
            if (const auto text = text_at(item, name); !text.empty()) found.push_back(cut(text));
    return found;
}

std::vector<ContactCard> cards_of(const dom::element& message) {
    std::vector<ContactCard> cards;
    dom::array array;
    if (message["contacts"].get(array) != simdjson::SUCCESS) return cards;
    for (const auto item : array) {
        if (!item.is_object()) continue;
        ContactCard card;
        if (const auto name = object_at(item, "name"))
            card.formatted_name = cut(text_at(*name, "formatted_name"));
        if (const auto org = object_at(item, "org"))
            card.organization = cut(text_at(*org, "company"));
        card.phones = texts_in(item, "phones", "phone");
        card.emails = texts_in(item, "emails", "email");
        cards.push_back(std::move(card));
    }
    return cards;
}

// A price is kept as it was written: no binary fraction is what a person saw.
std::string number_text(std::string_view raw) {
    constexpr std::size_t kDigitsMax = 32;
    if (raw.size() >= 2 && raw.front() == '"') raw = raw.substr(1, raw.size() - 2);
    if (raw.size() > kDigitsMax || raw.find_first_not_of("0123456789.-+eE") != raw.npos) return {};
    return std::string(raw);
}

// `json`: the message's own bytes.
ProviderCart cart_of(const dom::element& order, std::string_view json) {
    ProviderCart cart{.catalog_id = std::string(text_at(order, "catalog_id")), .items = {}};
    dom::array lines;
    if (order["product_items"].get(lines) != simdjson::SUCCESS) return cart;
    const auto raw_lines = items(member(member(json, "order"), "product_items"));
    std::size_t n = 0;
    for (const auto line : lines) {
        const auto raw = n < raw_lines.size() ? raw_lines[n] : std::string_view();
        ++n;
        if (!line.is_object()) continue;
        CartItem item{.retailer_id = cut(text_at(line, "product_retailer_id")),
                      .quantity = 0,
                      .item_price = number_text(member(raw, "item_price")),
                      .currency_code = std::string(text_at(line, "currency"))};
        if (line["quantity"].get(item.quantity) != simdjson::SUCCESS) item.quantity = 0;
        cart.items.push_back(std::move(item));
    }
    return cart;
}

AdReferral referral_of(const dom::element& referral) {
    AdReferral ad{.source_type = cut(text_at(referral, "source_type")),
                  .source_id = cut(text_at(referral, "source_id")),
                  .source_url = cut(text_at(referral, "source_url")),
                  .headline = cut(text_at(referral, "headline")),
                  .body = cut(text_at(referral, "body")),
                  .media_type = cut(text_at(referral, "media_type")),
                  .media_url = {},
                  .click_id = cut(text_at(referral, "ctwa_clid")),
                  .welcome_text = {}};
    for (const auto* name : {"image_url", "video_url", "thumbnail_url"})
        if (ad.media_url.empty()) ad.media_url = cut(text_at(referral, name));
    if (const auto welcome = object_at(referral, "welcome_message"))
        ad.welcome_text = cut(text_at(*welcome, "text"));
    return ad;
}

// What stands beside the typed member.
void read_surroundings(Details& details, const dom::element& message) {
    if (const auto referral = object_at(message, "referral"))
        details.get().ad_referral = referral_of(*referral);
    const auto context = object_at(message, "context");
    if (!context) return;
    if (const auto product = object_at(*context, "referred_product"))
        details.get().asked_product =
            AskedProduct{.catalog_id = cut(text_at(*product, "catalog_id")),
                         .retailer_id = cut(text_at(*product, "product_retailer_id"))};
    if (flag_at(*context, "frequently_forwarded"))
        details.get().forwarding = Forwarding::often_forwarded;
    else if (flag_at(*context, "forwarded"))
        details.get().forwarding = Forwarding::forwarded;
}

// What the customer wrote, sent or tapped: the member that is called like the type. An edit holds
// such a message again.
void read_words(WebhookElement& out, std::string_view type, const dom::element& body) {
    switch (kind_of(type)) {
        case InboundKind::text:
            out.text = cut(text_at(body, "body"));
            break;
        case InboundKind::button:
            out.tap_id = text_at(body, "payload");
            out.text = cut(text_at(body, "text"));
            break;
        case InboundKind::media:
            out.text = cut(text_at(body, "caption"));
            break;
        case InboundKind::location:
            out.location = Location{.latitude = number_at(body, "latitude"),
                                    .longitude = number_at(body, "longitude"),
                                    .name = cut(text_at(body, "name")),
                                    .address = cut(text_at(body, "address")),
                                    .url = cut(text_at(body, "url"))};
            out.text = out.location->name;
            break;
        case InboundKind::reaction:
            out.text = cut(text_at(body, "emoji"));
            out.subject_provider_message_id = text_at(body, "message_id");
            break;
        case InboundKind::system:
            out.text = cut(text_at(body, "body"));
            read_change_of_identity(out, body);
            break;
        case InboundKind::revoke:
            out.subject_provider_message_id = text_at(body, "original_message_id");
            break;
        case InboundKind::order:
            out.text = cut(text_at(body, "text"));
            break;
        case InboundKind::list_row:
        case InboundKind::contacts:
        case InboundKind::form:
        case InboundKind::edit:
        case InboundKind::unsupported:
        case InboundKind::welcome_request:
        case InboundKind::call:
            break;
    }
}

void read_body(WebhookElement& out, Details& details, const dom::element& body) {
    if (out.inbound == InboundKind::edit) {
        out.subject_provider_message_id = text_at(body, "original_message_id");
        const auto message = object_at(body, "message");
        if (!message) return;
        const auto type = text_at(*message, "type");
        if (const auto words = type.empty() ? std::nullopt : object_at(*message, type))
            if (kind_of(type) == InboundKind::text || kind_of(type) == InboundKind::media)
                read_words(out, type, *words);
        return;
    }
    if (out.inbound == InboundKind::media) details.get().media = media_of(out.provider_type, body);
    if (out.inbound == InboundKind::order) details.get().cart = cart_of(body, out.json);
    if (out.provider_type != "interactive") return read_words(out, out.provider_type, body);
    for (const auto& [reply, kind] : {std::pair("button_reply", InboundKind::button),
                                      std::pair("list_reply", InboundKind::list_row)}) {
        const auto tapped = object_at(body, reply);
        if (!tapped) continue;
        out.inbound = kind;
        out.provider_type = reply;
        out.tap_id = text_at(*tapped, "id");
        out.text = cut(text_at(*tapped, "title"));
    }
    if (const auto form = object_at(body, "nfm_reply")) {
        out.inbound = InboundKind::form;
        out.provider_type = "nfm_reply";
        out.text = cut(text_at(*form, "body"));
        details.get().form =
            FormAnswer{.name = cut(text_at(*form, "name")),
                       .response_json = std::string(text_at(*form, "response_json"))};
    }
}

// The type and what belongs to it.
void read_content(WebhookElement& out, const dom::element& message) {
    const auto type = text_at(message, "type");
    out.provider_type = type.empty() ? "unsupported" : std::string(type);
    out.inbound = kind_of(type);
    Details details;
    if (out.inbound == InboundKind::contacts) {
        auto cards = cards_of(message);
        for (const auto& card : cards) {
            if (!out.text.empty()) out.text += ", ";
            out.text += card.formatted_name;
        }
        out.text = cut(out.text);
        details.get().contact_cards = std::move(cards);
    }
    // A member may be called "", and simdjson compares even no bytes by memcmp.
    if (const auto body = type.empty() ? std::nullopt : object_at(message, type))
        read_body(out, details, *body);
    read_surroundings(details, message);
    out.details = std::move(details).made();
}

void read_message(WebhookElement& out, const dom::element& message,
                  const std::vector<WebhookContact>& contacts) {
    out.kind = WebhookElement::Kind::message;
    out.provider_message_id = id_at(message, "id");
    out.provider_time = seconds_at(message, "timestamp");
    identify(out, id_at(message, "from"), id_at(message, "from_user_id"), contacts);
    if (const auto context = object_at(message, "context"))
        out.context_provider_message_id = text_at(*context, "id");

    // Meta names the group on the message; older shapes name it in the context.
    out.group_id = id_at(message, "group_id");
    if (const auto context = object_at(message, "context"); context && out.group_id.empty())
        out.group_id = id_at(*context, "group_id");
    if (out.group_id.empty() && text_at(message, "recipient_type") == "group")
        out.group_id = id_at(message, "recipient_id");
    read_content(out, message);
    if (out.provider_message_id.empty() || (out.phone.empty() && out.bsuid.empty()))
        out.kind = WebhookElement::Kind::unknown;
}

void read_status(WebhookElement& out, const dom::element& status,
                 const std::vector<WebhookContact>& contacts) {
    out.kind = WebhookElement::Kind::status;
    out.provider_message_id = id_at(status, "id");
    out.value = text_at(status, "status");
    out.provider_time = seconds_at(status, "timestamp");
    out.callback_data = text_at(status, "biz_opaque_callback_data");
    identify(out, id_at(status, "recipient_id"), id_at(status, "recipient_user_id"), contacts);
    if (const auto error = first_of(status, "errors")) {
        std::int64_t code = 0;
        if ((*error)["code"].get(code) != simdjson::SUCCESS) code = 0;
        const auto data = object_at(*error, "error_data");
        out.error = meta::classified(code, cut(text_at(*error, "title")),
                                     data ? cut(text_at(*data, "details")) : std::string());
    }
    // What is free has the same object, with `billable` false.
    if (const auto pricing = object_at(status, "pricing"); pricing && flag_at(*pricing, "billable"))
        out.price = {.category = cut(text_at(*pricing, "category")),
                     .type = cut(text_at(*pricing, "type")),
                     .model = cut(text_at(*pricing, "pricing_model")),
                     .calling_code = std::string(calling_code(out.phone))};
    if (out.provider_message_id.empty() || out.value.empty())
        out.kind = WebhookElement::Kind::unknown;
}

void read_preference(WebhookElement& out, const dom::element& preference,
                     const std::vector<WebhookContact>& contacts) {
    out.kind = WebhookElement::Kind::preference;
    out.value = text_at(preference, "value");
    out.provider_time = seconds_at(preference, "timestamp");
    identify(out, id_at(preference, "wa_id"), id_at(preference, "user_id"), contacts);
    if (out.value.empty() || (out.phone.empty() && out.bsuid.empty()))
        out.kind = WebhookElement::Kind::unknown;
}

// What somebody of the shop wrote on the business's own phone: `from` is the business.
void read_echo(WebhookElement& out, const dom::element& echo,
               const std::vector<WebhookContact>& contacts) {
    out.kind = WebhookElement::Kind::echo;
    out.provider_message_id = id_at(echo, "id");
    out.provider_time = seconds_at(echo, "timestamp");
    identify(out, id_at(echo, "to"), id_at(echo, "to_user_id"), contacts);
    if (const auto context = object_at(echo, "context"))
        out.context_provider_message_id = text_at(*context, "id");
    read_content(out, echo);
    if (out.provider_message_id.empty() || (out.phone.empty() && out.bsuid.empty()))
        out.kind = WebhookElement::Kind::unknown;
}

// The beginning of a customer's call is like a message of theirs; the rest of a call is news.
void read_call(WebhookElement& out, const dom::element& call,
               const std::vector<WebhookContact>& contacts) {
    out.provider_time = seconds_at(call, "timestamp");
    const auto event = text_at(call, "event");
    if (event == "connect" && text_at(call, "direction") != "BUSINESS_INITIATED") {
        out.kind = WebhookElement::Kind::message;
        out.provider_message_id = id_at(call, "id");
        identify(out, id_at(call, "from"), id_at(call, "from_user_id"), contacts);
        out.provider_type = "call";
        out.inbound = InboundKind::call;
        if (!out.provider_message_id.empty() && !(out.phone.empty() && out.bsuid.empty())) return;
    }
    out.kind = WebhookElement::Kind::notice;
    out.provider_type = "calls";
    out.notice = std::make_shared<const Notice>(Notice{.kind = NoticeKind::call,
                                                       .event = cut(event),
                                                       .reason = cut(text_at(call, "status")),
                                                       .about_template = {},
                                                       .about_number = {}});
}

using Read = void (*)(WebhookElement&, const dom::element&, const std::vector<WebhookContact>&);

struct List {
    std::string_view name;
    Read read;
};
constexpr List kLists[] = {{"messages", read_message},
                           {"statuses", read_status},
                           {"user_preferences", read_preference},
                           {"message_echoes", read_echo},
                           {"calls", read_call}};

// ---- News of accounts, numbers, templates, groups: a change as a whole.

struct NoticeField {
    std::string_view field;
    NoticeKind kind;
};
constexpr NoticeField kNoticeFields[] = {
    {"message_template_status_update", NoticeKind::template_status},
    {"message_template_quality_update", NoticeKind::template_quality},
    {"template_category_update", NoticeKind::template_category},
    {"template_correct_category_detection", NoticeKind::template_category},
    {"message_template_components_update", NoticeKind::template_content},
    {"account_update", NoticeKind::account},
    {"account_alerts", NoticeKind::account},
    {"account_settings_update", NoticeKind::account},
    {"account_review_update", NoticeKind::account_review},
    {"phone_number_quality_update", NoticeKind::number_quality},
    {"phone_number_name_update", NoticeKind::number_name},
    {"business_capability_update", NoticeKind::capability},
    {"security", NoticeKind::security},
    {"group_lifecycle_update", NoticeKind::group},
    {"group_participants_update", NoticeKind::group},
    {"group_settings_update", NoticeKind::group},
    {"group_status_update", NoticeKind::group},
    {"history", NoticeKind::history},
    {"smb_app_state_sync", NoticeKind::contact_sync},
    {"business_status_update", NoticeKind::other},
    {"flows", NoticeKind::other},
    {"payment_configuration_update", NoticeKind::other},
    {"partner_solutions", NoticeKind::other},
    {"message_template_limit_update", NoticeKind::other},
    {"tracking_events", NoticeKind::other},
};

// The first of these members that says something.
std::string first_text(const dom::element& object, std::initializer_list<std::string_view> names) {
    for (const auto name : names)
        if (auto text = scalar_at(object, name); !text.empty()) return cut(text);
    return {};
}

std::string reason_in(const dom::element& value) {
    auto reason = first_text(value, {"reason", "rejection_reason", "alert_description"});
    if (reason == "NONE") reason.clear();
    // Newer shapes say it in an object of its own.
    for (const auto& [holder, name] :
         {std::pair("rejection_info", "reason"), std::pair("other_info", "description"),
          std::pair("violation_info", "violation_type"), std::pair("ban_info", "waba_ban_state")})
        if (const auto inner = object_at(value, holder); inner && reason.empty())
            reason = cut(text_at(*inner, name));
    dom::array restrictions;
    if (reason.empty() && value["restriction_info"].get(restrictions) == simdjson::SUCCESS)
        for (const auto item : restrictions) {
            if (!item.is_object()) continue;
            if (!reason.empty()) reason += ", ";
            reason += text_at(item, "restriction_type");
        }
    return cut(reason);
}

// The events that are a status of the template at the same time. Other words (FLAGGED, REINSTATED,
// UNARCHIVED, LOCKED …, and those of next year) say that something happened; which status the
// template has then, only the account's list of templates tells.
std::string template_status_of(std::string_view event) {
    constexpr std::string_view kStatuses[] = {"APPROVED", "REJECTED",         "PAUSED",
                                              "DISABLED", "PENDING",          "IN_APPEAL",
                                              "ARCHIVED", "PENDING_DELETION", "DELETED"};
    return std::ranges::find(kStatuses, event) == std::end(kStatuses) ? std::string()
                                                                      : std::string(event);
}

Notice notice_of(NoticeKind kind, const dom::element& value) {
    Notice notice{.kind = kind,
                  .event = first_text(value, {"event", "decision", "alert_type", "status"}),
                  .reason = reason_in(value),
                  .about_template = {},
                  .about_number = {}};
    notice.about_template = {
        .provider_template_id = scalar_at(value, "message_template_id"),
        .name = cut(text_at(value, "message_template_name")),
        .language_code = cut(text_at(value, "message_template_language")),
        .category = first_text(value, {"new_category", "message_template_category"}),
        .previous_category = first_text(value, {"previous_category"}),
        .quality = first_text(value, {"new_quality_score"}),
        .previous_quality = first_text(value, {"previous_quality_score"}),
        .status =
            kind == NoticeKind::template_status ? template_status_of(notice.event) : std::string()};
    notice.about_number = {.display_phone_number = first_text(value, {"display_phone_number"}),
                           .messaging_limit = first_text(
                               value, {"current_limit", "max_daily_conversations_per_business",
                                       "max_daily_conversation_per_phone"}),
                           .previous_messaging_limit = first_text(value, {"old_limit"}),
                           .requested_name = first_text(value, {"requested_verified_name"})};
    return notice;
}

std::string text_of_member(std::string_view object, std::string_view name) {
    const auto raw = member(object, name);
    if (raw.size() < 2 || raw.front() != '"') return {};
    dom::element element;
    std::string_view text;
    if (scratch().parse(raw.data(), raw.size()).get(element) != simdjson::SUCCESS ||
        element.get(text) != simdjson::SUCCESS || text.find('\0') != std::string_view::npos)
        return {};
    return std::string(text);
}

// Where a change stands: in which entry, at which place.
struct ChangePlace {
    std::string_view entry;
    std::string path;
};

void read_notice(WebhookElement& out, NoticeKind kind, std::string_view field,
                 const ChangePlace& place) {
    out.provider_type = field;
    out.business_account_id = text_of_member(place.entry, "id");
    if (out.json.size() > kElementBytesMax) {
        out.kind = WebhookElement::Kind::oversized;
        return;
    }
    const auto value = member(out.json, "value");
    dom::element parsed;
    if (scratch().parse(value.data(), value.size()).get(parsed) != simdjson::SUCCESS) {
        out.broken = true;
        return;
    }
    if (!parsed.is_object()) return;
    out.kind = WebhookElement::Kind::notice;
    out.notice = std::make_shared<const Notice>(notice_of(kind, parsed));
    const auto time = member(place.entry, "time");
    std::int64_t seconds = 0;
    constexpr std::int64_t kLastSecond = 253'402'300'799;  // of the year 9999
    if (std::from_chars(time.data(), time.data() + time.size(), seconds).ec == std::errc{} &&
        seconds > 0 && seconds <= kLastSecond)
        out.provider_time = from_unix_seconds(seconds);
    // Without any of them nobody can have it.
    if (out.channel_external_id.empty() && out.business_account_id.empty())
        out.kind = WebhookElement::Kind::unknown;
}

void read_change(ParsedWebhook& out, std::string_view change, const ChangePlace& place) {
    const auto value = member(change, "value");
    WebhookElement frame;
    frame.channel_external_id = text_of_member(member(value, "metadata"), "phone_number_id");
    const auto contacts = contacts_of(value);

    std::size_t elements = 0;
    for (const auto& [name, read] : kLists) {
        for (const auto raw : items(member(value, name))) {
            auto element = frame;
            element.path = place.path + "." + std::to_string(elements++);
            element.json = raw;
            dom::element parsed;
            if (raw.size() > kElementBytesMax)
                element.kind = WebhookElement::Kind::oversized;
            else if (scratch().parse(raw.data(), raw.size()).get(parsed) != simdjson::SUCCESS)
                element.broken = true;
            else if (parsed.is_object())
                read(element, parsed, contacts);
            out.elements.push_back(std::move(element));
        }
    }
    if (elements != 0) return;
    frame.path = place.path + ".0";
    frame.json = change;
    const auto field = text_of_member(change, "field");
    for (const auto& known : kNoticeFields)
        if (known.field == field) read_notice(frame, known.kind, field, place);
    out.elements.push_back(std::move(frame));
}

void read_entries(ParsedWebhook& out, std::string_view body) {
    const auto entries = items(member(body, "entry"));
    for (std::size_t e = 0; e < entries.size(); ++e) {
        const auto changes = items(member(entries[e], "changes"));
        for (std::size_t c = 0; c < changes.size(); ++c)
            read_change(out, changes[c], {entries[e], std::to_string(e) + "." + std::to_string(c)});
    }
}

bool is_json(std::string_view text) {
    dom::element whole;
    return scratch().parse(text.data(), text.size()).get(whole) == simdjson::SUCCESS;
}

}  // namespace

ParsedWebhook parse_meta_webhook(std::string_view body) {
    ParsedWebhook out;
    if (is_json(body)) {
        read_entries(out, body);
        if (out.elements.empty()) out.shape = ParsedWebhook::Shape::unknown_shape;
        return out;
    }
    auto repaired = repair_json(body);
    if (!repaired.closed) {
        out.shape = ParsedWebhook::Shape::malformed_json;
        return out;
    }
    out.shape = ParsedWebhook::Shape::repaired;
    const auto text = std::make_shared<const std::string>(std::move(repaired.text));
    out.repaired_body = text;
    read_entries(out, *text);
    for (auto& element : out.elements) {
        const auto from = static_cast<std::size_t>(element.json.data() - text->data());
        const auto at = std::ranges::lower_bound(repaired.places, from);
        element.repaired = at != repaired.places.end() && *at < from + element.json.size();
    }
    if (out.elements.empty()) out.shape = ParsedWebhook::Shape::malformed_json;
    return out;
}

}  // namespace flowstack::gateway
