#include "services/gateway/templates/template_book.h"

#include <utility>

#include "common/eventlog/payload.h"
#include "flowstack/gateway/v1/channel_events.pb.h"
#include "flowstack/gateway/v1/notice_events.pb.h"

namespace flowstack::gateway {
namespace {

// So far the provider's clock and ours may be apart.
constexpr std::chrono::minutes kClockMargin{5};

bool is_about_a_template(v1::NoticeKind kind) {
    return kind == v1::NOTICE_KIND_TEMPLATE_STATUS || kind == v1::NOTICE_KIND_TEMPLATE_QUALITY ||
           kind == v1::NOTICE_KIND_TEMPLATE_CATEGORY || kind == v1::NOTICE_KIND_TEMPLATE_CONTENT;
}

eventlog::Command command_for_account(const std::string& tenant,
                                      const std::string& business_account_id) {
    eventlog::Command command;
    command.tenant = tenant;
    command.meta.routing = by_account(business_account_id);
    return command;
}

}  // namespace

KnownTemplate TemplateBook::look(const std::string& tenant, const TemplateKey& key) {
    const std::vector templates{template_stream(tenant, template_id(tenant, key))};
    const std::vector accounts{template_account_stream(tenant, key.business_account_id)};
    auto [found, account] = eventlog::load_both(store_, templates_, templates, accounts_, accounts);
    return {std::move(found.front()), std::move(account.front())};
}

eventlog::Part template_part(const std::string& tenant, const TemplateKey& key,
                             std::int64_t expected, const std::vector<TemplateEvent>& events,
                             Time at) {
    eventlog::Part part{template_stream(tenant, template_id(tenant, key)), expected, {}};
    for (const auto& event : events) part.events.push_back(encode(event, at));
    return part;
}

eventlog::Part listing_wanted(const std::string& tenant, const std::string& business_account_id,
                              std::string cause, Time at) {
    const TemplateAccountEvent wanted = TemplateListingRequested{
        .business_account_id = business_account_id, .cause = std::move(cause), .due = at};
    return {
        template_account_stream(tenant, business_account_id), eventlog::kAny, {encode(wanted, at)}};
}

std::optional<TemplateDoor> door_of_account(const Directory& directory, const Providers& providers,
                                            const std::string& tenant,
                                            const std::string& business_account_id) {
    for (auto& channel : directory.channels_of(tenant)) {
        if (channel->channel.business_account_id != business_account_id) continue;
        const auto* provider = providers.find(channel->channel.kind);
        if (provider != nullptr && provider->templates() != nullptr)
            return TemplateDoor{.channel = channel, .provider = provider->templates()};
    }
    return std::nullopt;
}

void TemplateReactor::react(const eventlog::Recorded& event, eventlog::Turn& turn) {
    if (event.service != "gateway") return;
    if (eventlog::is<v1::ChannelConnected>(event)) return list_after_connecting(event, turn);
    if (eventlog::is<v1::NoticeReceived>(event)) return take_news(event, turn);
}

void TemplateReactor::list_after_connecting(const eventlog::Recorded& event, eventlog::Turn& turn) {
    const auto connected = eventlog::parsed<v1::ChannelConnected>(event);
    const auto* provider = providers_.find(connected.kind());
    const auto& account = connected.business_account_id();
    if (account.empty() || provider == nullptr || provider->templates() == nullptr) return;
    const auto& tenant = event.stream.tenant;
    auto command = command_for_account(tenant, account);
    command.parts.push_back(listing_wanted(
        tenant, account, "channel " + connected.channel_id() + " connected", event.recorded_at));
    turn.append(std::move(command), "templates");
}

// The account is the tenant's when the tenant's own credentials have listed it: news of one that
// somebody merely named changes nothing.
void TemplateReactor::take_news(const eventlog::Recorded& event, eventlog::Turn& turn) {
    const auto notice = eventlog::parsed<v1::NoticeReceived>(event);
    const auto& account_id = notice.business_account_id();
    if (!is_about_a_template(notice.kind()) || account_id.empty()) return;
    const auto& tenant = event.stream.tenant;
    const auto account =
        book_.accounts().load(template_account_stream(tenant, account_id), turn).state;
    auto command = command_for_account(tenant, account_id);
    const auto list = [&](std::string cause) {
        command.parts.push_back(
            listing_wanted(tenant, account_id, std::move(cause), event.recorded_at));
    };
    if (!account.listed) {
        // The list that is read first may be older than this. One that fails is tried again anyway.
        if (account.failures == 0) list("news before the first list");
    } else {
        const auto& about = notice.template_();
        const RecordTemplateNews news{.key = {.business_account_id = account_id,
                                              .name = about.name(),
                                              .language_code = about.language_code()},
                                      .provider_template_id = about.provider_template_id(),
                                      .status = about.status(),
                                      .reason = notice.reason(),
                                      .category = about.category(),
                                      .quality = about.quality(),
                                      .as_of = event.occurred_at,
                                      .listed_at = account.listed_at};
        if (news.key.name.empty() || news.key.language_code.empty()) {
            list("news of a template without a name");
        } else {
            const auto known = book_.templates().load(
                template_stream(tenant, template_id(tenant, news.key)), turn);
            const auto decision = decide(known.state, news);
            if (decision.accepted() && !decision.events().empty())
                command.parts.push_back(template_part(tenant, news.key, known.expected(),
                                                      decision.events(), event.recorded_at));
            if (needs_listing(known.state, news, kClockMargin))
                list("news of " + text_of(news.key) +
                     (notice.event().empty() ? "" : ": " + notice.event()));
        }
    }
    if (!command.parts.empty()) turn.append(std::move(command), "templates");
}

}  // namespace flowstack::gateway
