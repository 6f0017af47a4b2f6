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

FLOWSTACK_FACT(Location, v1::Location) {
    FACT_FIELD(latitude);
    FACT_FIELD(longitude);
    FACT_FIELD(name);
    FACT_FIELD(address);
}

v1::InboundKind to_proto(InboundKind kind) { return eventlog::wire_scalar<v1::InboundKind>(kind); }

void to_proto(const Location& location, v1::Location& proto) { describe(location, proto); }

}  // namespace flowstack::gateway
