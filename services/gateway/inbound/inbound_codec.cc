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
                      std::pair{InboundKind::unsupported, v1::INBOUND_KIND_UNSUPPORTED}};
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

}  // namespace flowstack::gateway
