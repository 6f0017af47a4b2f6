#include "services/gateway/inbound/inbound_codec.h"

namespace flowstack::gateway {

v1::InboundKind to_proto(InboundKind kind) {
    switch (kind) {
        case InboundKind::text:
            return v1::INBOUND_KIND_TEXT;
        case InboundKind::button:
            return v1::INBOUND_KIND_BUTTON;
        case InboundKind::list_row:
            return v1::INBOUND_KIND_LIST_ROW;
        case InboundKind::media:
            return v1::INBOUND_KIND_MEDIA;
        case InboundKind::location:
            return v1::INBOUND_KIND_LOCATION;
        case InboundKind::contacts:
            return v1::INBOUND_KIND_CONTACTS;
        case InboundKind::order:
            return v1::INBOUND_KIND_ORDER;
        case InboundKind::form:
            return v1::INBOUND_KIND_FORM;
        case InboundKind::reaction:
            return v1::INBOUND_KIND_REACTION;
        case InboundKind::edit:
            return v1::INBOUND_KIND_EDIT;
        case InboundKind::revoke:
            return v1::INBOUND_KIND_REVOKE;
        case InboundKind::system:
            return v1::INBOUND_KIND_SYSTEM;
        case InboundKind::unsupported:
            return v1::INBOUND_KIND_UNSUPPORTED;
    }
    return v1::INBOUND_KIND_UNSUPPORTED;
}

void to_proto(const Location& location, v1::Location& proto) {
    proto.set_latitude(location.latitude);
    proto.set_longitude(location.longitude);
    proto.set_name(location.name);
    proto.set_address(location.address);
}

}  // namespace flowstack::gateway
