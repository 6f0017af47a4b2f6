#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/core/secret.h"

// What a provider may ask about the channels that are connected to it. Some providers sign a
// webhook with the secret of the channel that it is for, so they verify it by what we know of that
// channel.
namespace flowstack::gateway {

struct ConnectedChannel {
    std::string business_account_id;
    Secret credentials;
    Secret previous_credentials;  // before the last rotation; empty when there was none
};

// In memory: asking costs neither the store nor the network. Thread-safe.
class ConnectedChannels {
public:
    virtual ~ConnectedChannels() = default;
    // By the provider's kind and its id of the number. Nothing: no tenant has it, or this replica
    // has not heard of it yet.
    virtual std::optional<ConnectedChannel> connected(std::string_view kind,
                                                      std::string_view external_id) const = 0;
};

}  // namespace flowstack::gateway
