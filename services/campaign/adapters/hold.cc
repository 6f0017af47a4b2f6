#include "services/campaign/adapters/hold.h"

#include "common/service/documents.h"
#include "flowstack/campaign/v1/views.pb.h"
#include "services/campaign/adapters/projections.h"

namespace flowstack::campaign {

std::optional<Time> held_until(Type type, const std::string& tenant,
                               const service::TenantView& view, LocalClock& clock, Time now) {
    if (type != Type::promotional) return std::nullopt;
    return clock.quiet_until(tenant, {view.quiet_start_minute(), view.quiet_end_minute()},
                             view.time_zone(), now);
}

namespace {

constexpr std::string_view kApproved = "APPROVED";

// The account that the campaign's channel belongs to; empty when the channel is not known here, or
// the tenant has several and the campaign names none.
std::string account_of(eventlog::ReadModel& read_model, const std::string& tenant,
                       const ChannelId& channel_id) {
    if (!channel_id.empty()) {
        const auto known = service::stored_document<v1::ChannelView>(
            read_model, tenant, kChannelDocument, channel_id.text());
        return known ? known->business_account_id() : std::string();
    }
    const auto channels =
        read_model.list({.tenant = tenant, .kind = kChannelDocument, .page_size = 2});
    v1::ChannelView only;
    if (channels.bodies.size() != 1 || !only.ParseFromString(channels.bodies.front())) return {};
    return only.business_account_id();
}

}  // namespace

std::optional<std::string> template_hold(eventlog::ReadModel& read_model, const std::string& tenant,
                                         const Draft& draft) {
    const auto& used = draft.in_template;
    if (used.name.empty()) return std::nullopt;
    const auto account = account_of(read_model, tenant, draft.channel_id);
    if (account.empty()) return std::nullopt;
    const auto known = read_model.list({.tenant = tenant,
                                        .kind = kTemplateDocument,
                                        .parent = template_parent(used.name, used.language_code)});
    for (const auto& body : known.bodies) {
        v1::TemplateView view;
        if (!view.ParseFromString(body) || view.business_account_id() != account) continue;
        if (view.status() == kApproved) return std::nullopt;
        return "template " + used.name + " (" + used.language_code + ") is " + view.status() +
               (view.reason().empty() ? "" : ": " + view.reason());
    }
    return std::nullopt;
}

}  // namespace flowstack::campaign
