#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// What somebody wrote to a tenant, in no provider's words.
namespace flowstack::gateway {

// Only text, button and list_row are an answer in words. A provider's type that we do not know is
// `unsupported`, whatever it will be called next year.
enum class InboundKind {
    text,
    button,    // a template's quick reply or an interactive message's button
    list_row,  // a row of a list
    media,
    location,
    contacts,
    order,  // a cart of the provider's catalog
    form,
    reaction,
    edit,
    revoke,
    system,  // the provider's own news about the customer
    unsupported,
    welcome_request,  // opened the chat for the first time, and wrote nothing yet
    call,             // called the tenant's number
};

// A pin on the map.
struct Location {
    double latitude = 0;
    double longitude = 0;
    std::string name;
    std::string address;
    std::string url{};
    bool operator==(const Location&) const = default;
};

enum class MediaKind { image, audio, voice, video, document, sticker };

// A file that the provider keeps for some days.
struct InboundMedia {
    MediaKind kind = MediaKind::image;
    std::string provider_media_id;
    std::string mime_type;
    std::string sha256;  // 64 hex digits; empty when the provider does not say it
    std::string filename;
    bool animated = false;
    bool operator==(const InboundMedia&) const = default;
};

struct ContactCard {
    std::string formatted_name;
    std::string organization;
    std::vector<std::string> phones;  // as they stand on the card
    std::vector<std::string> emails;
    bool operator==(const ContactCard&) const = default;
};

struct CartItem {
    std::string retailer_id;  // the shop's own id of the product in the provider's catalog
    std::int64_t quantity = 0;
    std::string item_price;  // that the customer saw, in major units, digits as received
    std::string currency_code;
    bool operator==(const CartItem&) const = default;
};
struct ProviderCart {
    std::string catalog_id;
    std::vector<CartItem> items;
    bool operator==(const ProviderCart&) const = default;
};

struct FormAnswer {
    std::string name;
    std::string response_json;
    bool operator==(const FormAnswer&) const = default;
};

// The advertisement or post that brought the customer.
struct AdReferral {
    std::string source_type;
    std::string source_id;
    std::string source_url;
    std::string headline;
    std::string body;
    std::string media_type;
    std::string media_url;
    std::string click_id;
    std::string welcome_text;
    bool operator==(const AdReferral&) const = default;
};

// The product that a message asks about.
struct AskedProduct {
    std::string catalog_id;
    std::string retailer_id;
    bool operator==(const AskedProduct&) const = default;
};

enum class Forwarding { none, forwarded, often_forwarded };

// What a message holds besides its words. Most messages hold nothing else.
struct InboundDetails {
    std::optional<InboundMedia> media;
    std::vector<ContactCard> contact_cards;
    std::optional<ProviderCart> cart;
    std::optional<FormAnswer> form;
    std::optional<AdReferral> ad_referral;
    std::optional<AskedProduct> asked_product;
    Forwarding forwarding = Forwarding::none;
    bool operator==(const InboundDetails&) const = default;
};

}  // namespace flowstack::gateway
