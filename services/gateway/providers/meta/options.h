#pragma once

#include <string>
#include <vector>

#include "common/core/secret.h"
#include "services/gateway/providers/meta/limits.h"
#include "services/gateway/providers/meta/meta_signature.h"

namespace flowstack::gateway::meta {

struct CloudApiOptions {
    std::string base_url;       // with the version: "https://graph.facebook.com/v25.0"
    std::vector<MetaApp> apps;  // whose webhooks are believed; without any, none verifies
    Secret verify_token;        // of the webhook handshake; without it, none succeeds
    RecalledLimits limits{};
};

}  // namespace flowstack::gateway::meta
