#include "services/gateway/inbound/notice_routes.h"

#include <algorithm>

#include "services/gateway/domain/phone.h"

namespace flowstack::gateway {
namespace {

bool same_number(std::string_view one, std::string_view other) {
    const auto digits = [](std::string_view text) {
        std::string found;
        for (const char c : text)
            if (c >= '0' && c <= '9') found += c;
        return found;
    };
    const auto wanted = digits(one);
    return !wanted.empty() && wanted == digits(other);
}

}  // namespace

NoticeRoutes routes_of_notice(const Directory& directory, std::string_view channel_kind,
                              const WebhookElement& element, std::string_view app_id) {
    NoticeRoutes routes;
    const auto channels = directory.channels_of_account(channel_kind, element.business_account_id);
    for (const auto& entry : channels) {
        const auto& channel = entry->channel;
        if (!channel.app_id.empty() && channel.app_id != app_id) continue;
        auto known = std::ranges::find(routes.to, entry->tenant, &Destination::tenant);
        if (known == routes.to.end()) {
            const auto tenant = directory.tenant(entry->tenant);
            routes.to.push_back({.tenant = entry->tenant,
                                 .channel_id = {},
                                 .settings_version = tenant ? tenant->version : 0});
            known = std::prev(routes.to.end());
        }
        if (same_number(element.notice->about_number.display_phone_number,
                        channel.display_phone_number))
            known->channel_id = channel.channel_id;
    }
    if (routes.to.empty())
        routes.nobody =
            channels.empty() ? QuarantineReason::unknown_channel : QuarantineReason::foreign_app;
    return routes;
}

}  // namespace flowstack::gateway
