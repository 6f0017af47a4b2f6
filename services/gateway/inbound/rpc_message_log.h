#pragma once

#include "services/gateway/adapters/rpc.h"

// MessageLogService: a tenant's messages in both directions.
namespace flowstack::gateway {

NamedService make_message_log_service(const Doors& doors);

}  // namespace flowstack::gateway
