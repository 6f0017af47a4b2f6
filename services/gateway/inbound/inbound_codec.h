#pragma once

#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "services/gateway/domain/inbound.h"

// Between what was read from a webhook and the facts of inbound_events.proto.
namespace flowstack::gateway {

v1::InboundKind to_proto(InboundKind kind);
void to_proto(const Location& location, v1::Location& proto);

}  // namespace flowstack::gateway
