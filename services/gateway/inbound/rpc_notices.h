#pragma once

#include "services/gateway/adapters/rpc.h"

namespace flowstack::gateway {

// NoticeService (proto/flowstack/gateway/v1/notice_service.proto).
NamedService make_notice_service(const Doors& doors);

}  // namespace flowstack::gateway
