#pragma once

#include "flowstack/gateway/v1/channel_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/notice_events.pb.h"
#include "flowstack/gateway/v1/webhook_events.pb.h"
#include "services/gateway/domain/inbound.h"
#include "services/gateway/inbound/element_commands.h"
#include "services/gateway/providers/webhook.h"

// Between what was read from a webhook and the facts that are made of it.
namespace flowstack::gateway {

v1::InboundKind to_proto(InboundKind kind);
v1::QuarantineReason to_proto(QuarantineReason reason);
v1::WebhookParse to_proto(ParsedWebhook::Shape shape);
// How a stored webhook could be read when it came; throws std::invalid_argument for a value that
// this build does not know.
ParsedWebhook::Shape shape_of(const v1::RawWebhook& raw);
void to_proto(const Location& location, v1::Location& proto);
void to_proto(const InboundMedia& media, v1::InboundMedia& proto);
void to_proto(const InboundDetails& details, v1::MessageReceived& proto);
void to_proto(const Notice& notice, v1::NoticeReceived& proto);

}  // namespace flowstack::gateway
