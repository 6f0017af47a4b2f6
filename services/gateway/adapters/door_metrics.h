#pragma once

#include "common/http/server.h"
#include "common/observability/metrics.h"

namespace flowstack::gateway {

// The same handler, counted: flowstack_gateway_http_requests_total by the class of the status (2xx,
// 3xx, 4xx, 5xx) and flowstack_gateway_http_seconds. The registry must outlive it.
http::Handler counted(http::Handler handler, metrics::Registry& metrics);

}  // namespace flowstack::gateway
