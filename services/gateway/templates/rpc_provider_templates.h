#pragma once

#include "services/gateway/adapters/rpc.h"

namespace flowstack::gateway {

// ProviderTemplateService (proto/flowstack/gateway/v1/provider_template_service.proto). `doors` has
// the templates.
NamedService make_provider_template_service(const Doors& doors);

}  // namespace flowstack::gateway
