#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "services/gateway/adapters/directory.h"
#include "services/gateway/inbound/element_commands.h"

// Whom the news of an account concerns.
namespace flowstack::gateway {

struct NoticeRoutes {
    // Each tenant that has a channel of the account, once. Where the news is about one number that
    // is a channel of theirs, with that channel.
    std::vector<Destination> to;
    // Why there is none.
    std::optional<QuarantineReason> nobody;
};

// `element` is news of an account that the app signed. A provider's account may have channels of
// several tenants.
NoticeRoutes routes_of_notice(const Directory& directory, std::string_view channel_kind,
                              const WebhookElement& element, std::string_view app_id);

}  // namespace flowstack::gateway
