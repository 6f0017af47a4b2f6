#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "common/http/client.h"
#include "services/gateway/config.h"
#include "services/gateway/providers/connected_channels.h"
#include "services/gateway/providers/provider.h"

namespace flowstack::gateway {

// Makes the messaging providers of this installation. The first one is the default. What they are
// given outlives them.
using MakeProviders = std::function<std::vector<std::unique_ptr<MessagingProvider>>(
    const GatewayConfig& config, http::Client& client, const ConnectedChannels& channels)>;

// Wires the gateway and runs it until it is told to stop. Which providers there are is the
// caller's choice: main.cc says which ones the product has, a test may add one of its own.
int run(int argc, char** argv, const MakeProviders& make_providers);

}  // namespace flowstack::gateway
