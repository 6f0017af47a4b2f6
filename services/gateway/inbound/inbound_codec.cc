#include "services/gateway/inbound/inbound_codec.h"

#include "common/eventlog/fact.h"

namespace flowstack::gateway {

constexpr auto wire_values(InboundKind) {
    return std::array{std::pair{InboundKind::text, v1::INBOUND_KIND_TEXT},
                      std::pair{InboundKind::button, v1::INBOUND_KIND_BUTTON},
                      std::pair{InboundKind::list_row, v1::INBOUND_KIND_LIST_ROW},
                      std::pair{InboundKind::media, v1::INBOUND_KIND_MEDIA},
                      std::pair{InboundKind::location, v1::INBOUND_KIND_LOCATION},
                      std::pair{InboundKind::contacts, v1::INBOUND_KIND_CONTACTS},
                      std::pair{InboundKind::order, v1::INBOUND_KIND_ORDER},
                      std::pair{InboundKind::form, v1::INBOUND_KIND_FORM},
                      std::pair{InboundKind::reaction, v1::INBOUND_KIND_REACTION},
                      std::pair{InboundKind::edit, v1::INBOUND_KIND_EDIT},
                      std::pair{InboundKind::revoke, v1::INBOUND_KIND_REVOKE},
                      std::pair{InboundKind::system, v1::INBOUND_KIND_SYSTEM},
                      std::pair{InboundKind::unsupported, v1::INBOUND_KIND_UNSUPPORTED},
                      std::pair{InboundKind::welcome_request, v1::INBOUND_KIND_WELCOME_REQUEST},
                      std::pair{InboundKind::call, v1::INBOUND_KIND_CALL}};
}

constexpr auto wire_values(MediaKind) {
    using enum MediaKind;
    return std::array{
        std::pair{image, v1::MEDIA_KIND_IMAGE},       std::pair{audio, v1::MEDIA_KIND_AUDIO},
        std::pair{voice, v1::MEDIA_KIND_VOICE},       std::pair{video, v1::MEDIA_KIND_VIDEO},
        std::pair{document, v1::MEDIA_KIND_DOCUMENT}, std::pair{sticker, v1::MEDIA_KIND_STICKER}};
}

constexpr auto wire_values(Forwarding) {
    using enum Forwarding;
    return std::array{std::pair{none, v1::FORWARDING_UNSPECIFIED},
                      std::pair{forwarded, v1::FORWARDING_FORWARDED},
                      std::pair{often_forwarded, v1::FORWARDING_OFTEN_FORWARDED}};
}

constexpr auto wire_values(NoticeKind) {
    using enum NoticeKind;
    return std::array{std::pair{template_status, v1::NOTICE_KIND_TEMPLATE_STATUS},
                      std::pair{template_quality, v1::NOTICE_KIND_TEMPLATE_QUALITY},
                      std::pair{template_category, v1::NOTICE_KIND_TEMPLATE_CATEGORY},
                      std::pair{template_content, v1::NOTICE_KIND_TEMPLATE_CONTENT},
                      std::pair{account, v1::NOTICE_KIND_ACCOUNT},
                      std::pair{account_review, v1::NOTICE_KIND_ACCOUNT_REVIEW},
                      std::pair{number_quality, v1::NOTICE_KIND_NUMBER_QUALITY},
                      std::pair{number_name, v1::NOTICE_KIND_NUMBER_NAME},
                      std::pair{capability, v1::NOTICE_KIND_CAPABILITY},
                      std::pair{security, v1::NOTICE_KIND_SECURITY},
                      std::pair{group, v1::NOTICE_KIND_GROUP},
                      std::pair{call, v1::NOTICE_KIND_CALL},
                      std::pair{history, v1::NOTICE_KIND_HISTORY},
                      std::pair{contact_sync, v1::NOTICE_KIND_CONTACT_SYNC},
                      std::pair{other, v1::NOTICE_KIND_OTHER}};
}

constexpr auto wire_values(QuarantineReason) {
    return std::array{
        std::pair{QuarantineReason::unknown_channel, v1::QUARANTINE_REASON_UNKNOWN_CHANNEL},
        std::pair{QuarantineReason::foreign_app, v1::QUARANTINE_REASON_FOREIGN_APP}};
}

constexpr auto wire_values(ParsedWebhook::Shape) {
    using Shape = ParsedWebhook::Shape;
    return std::array{std::pair{Shape::well_formed, v1::WEBHOOK_PARSE_WELL_FORMED},
                      std::pair{Shape::repaired, v1::WEBHOOK_PARSE_REPAIRED},
                      std::pair{Shape::malformed_json, v1::WEBHOOK_PARSE_MALFORMED_JSON},
                      std::pair{Shape::unknown_shape, v1::WEBHOOK_PARSE_UNKNOWN_SHAPE}};
}

FLOWSTACK_FACT(Location, v1::Location) {
    FACT_FIELD(latitude);
    FACT_FIELD(longitude);
    FACT_FIELD(name);
    FACT_FIELD(address);
    FACT_FIELD(url);
}
FLOWSTACK_FACT(InboundMedia, v1::InboundMedia) {
    FACT_FIELD(kind);
    FACT_FIELD(provider_media_id);
    FACT_FIELD(mime_type);
    FACT_FIELD(sha256);
    FACT_FIELD(animated);
}
FLOWSTACK_FACT(ContactCard, v1::InboundContactCard) {
    FACT_FIELD(formatted_name);
    FACT_FIELD(organization);
    FACT_FIELD(phones);
    FACT_FIELD(emails);
}
FLOWSTACK_FACT(CartItem, v1::InboundCartItem) {
    FACT_FIELD(retailer_id);
    FACT_FIELD(quantity);
    FACT_FIELD(item_price);
    FACT_FIELD(currency_code);
}
FLOWSTACK_FACT(ProviderCart, v1::InboundCart) {
    FACT_FIELD(catalog_id);
    FACT_FIELD(items);
}
FLOWSTACK_FACT(FormAnswer, v1::InboundForm) {
    FACT_FIELD(name);
    FACT_FIELD(response_json);
}
FLOWSTACK_FACT(AdReferral, v1::AdReferral) {
    FACT_FIELD(source_type);
    FACT_FIELD(source_id);
    FACT_FIELD(source_url);
    FACT_FIELD(headline);
    FACT_FIELD(body);
    FACT_FIELD(media_type);
    FACT_FIELD(media_url);
    FACT_FIELD(click_id);
    FACT_FIELD(welcome_text);
}
FLOWSTACK_FACT(AskedProduct, v1::AskedProduct) {
    FACT_FIELD(catalog_id);
    FACT_FIELD(retailer_id);
}
FLOWSTACK_FACT(NoticeTemplate, v1::NoticeTemplate) {
    FACT_FIELD(provider_template_id);
    FACT_FIELD(name);
    FACT_FIELD(language_code);
    FACT_FIELD(category);
    FACT_FIELD(previous_category);
    FACT_FIELD(quality);
    FACT_FIELD(previous_quality);
    FACT_FIELD(status);
}
FLOWSTACK_FACT(NoticeNumber, v1::NoticeNumber) {
    FACT_FIELD(display_phone_number);
    FACT_FIELD(messaging_limit);
    FACT_FIELD(previous_messaging_limit);
    FACT_FIELD(requested_name);
}

v1::InboundKind to_proto(InboundKind kind) { return eventlog::wire_scalar<v1::InboundKind>(kind); }

v1::QuarantineReason to_proto(QuarantineReason reason) {
    return eventlog::wire_scalar<v1::QuarantineReason>(reason);
}

v1::WebhookParse to_proto(ParsedWebhook::Shape shape) {
    return eventlog::wire_scalar<v1::WebhookParse>(shape);
}

ParsedWebhook::Shape shape_of(const v1::RawWebhook& raw) {
    ParsedWebhook::Shape shape{};
    eventlog::read(raw.parse(), shape);
    return shape;
}

void to_proto(const Location& location, v1::Location& proto) { describe(location, proto); }
void to_proto(const InboundMedia& media, v1::InboundMedia& proto) { describe(media, proto); }

void to_proto(const InboundDetails& details, v1::MessageReceived& proto) {
    proto.set_forwarding(eventlog::wire_scalar<v1::Forwarding>(details.forwarding));
    auto& personal = *proto.mutable_personal();
    if (details.media) {
        to_proto(*details.media, *proto.mutable_media());
        personal.set_filename(details.media->filename);
    }
    for (const auto& card : details.contact_cards) describe(card, *personal.add_contact_cards());
    if (details.cart) describe(*details.cart, *personal.mutable_cart());
    if (details.form) describe(*details.form, *personal.mutable_form());
    if (details.ad_referral) describe(*details.ad_referral, *personal.mutable_ad_referral());
    if (details.asked_product) describe(*details.asked_product, *personal.mutable_asked_product());
}

void to_proto(const Notice& notice, v1::NoticeReceived& proto) {
    proto.set_kind(eventlog::wire_scalar<v1::NoticeKind>(notice.kind));
    proto.set_event(notice.event);
    proto.set_reason(notice.reason);
    if (notice.about_template != NoticeTemplate{})
        describe(notice.about_template, *proto.mutable_template_());
    if (notice.about_number != NoticeNumber{})
        describe(notice.about_number, *proto.mutable_number());
}

}  // namespace flowstack::gateway
