#include <CLI/CLI.hpp>
#include <iostream>

#include "common/rpc/error.h"
#include "common/rpc/resource_name.h"
#include "flowstack/gateway/v1/channel_service.pb.h"
#include "tools/flowctl/json.h"
#include "tools/flowctl/names.h"
#include "tools/flowctl/output.h"

// channels: a tenant's WhatsApp numbers, and how the sending on each of them goes.
namespace flowstack::flowctl {
namespace {

constexpr int kPage = 200;

std::string when(const google::protobuf::Timestamp& time) { return utc_seconds(time.seconds()); }

std::vector<gateway::v1::Channel> channels_of(Context& context, const std::string& tenant) {
    std::vector<gateway::v1::Channel> found;
    gateway::v1::ListChannelsRequest request;
    request.set_parent(rpc::tenant_name(tenant));
    request.set_page_size(kPage);
    do {
        const auto page = context.api().call<gateway::v1::ListChannelsResponse>(
            "gateway", "ChannelService/ListChannels", request);
        found.insert(found.end(), page.channels().begin(), page.channels().end());
        request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return found;
}

int list_channels(Context& context, const std::string& tenant) {
    Sheet sheet({{"CHANNEL"},
                 {"KIND"},
                 {"EXTERNAL ID"},
                 {"NUMBER"},
                 {"STATE"},
                 {"PER SECOND", true},
                 {"NOTE", false, true},
                 {"CONNECTED (UTC)"}});
    for (const auto& c : channels_of(context, chosen_tenant(context, tenant)))
        sheet.add(
            {c.channel_id(), c.kind(), c.external_id(), c.display_phone_number(), c.state(),
             std::to_string(c.limits().per_second()), c.pause_reason(), when(c.create_time())},
            json_of(c));
    print(sheet, context.format, "channels");
    return kOk;
}

int get_channel(Context& context, const std::string& name) {
    gateway::v1::GetChannelRequest request;
    request.set_name(name);
    const auto c =
        context.api().call<gateway::v1::Channel>("gateway", "ChannelService/GetChannel", request);
    const auto& limits = c.limits();
    print_facts({{"name", c.name()},
                 {"kind", c.kind()},
                 {"external id", c.external_id()},
                 {"number", c.display_phone_number()},
                 {"business account", c.business_account_id()},
                 {"app", c.app_id()},
                 {"state", c.state()},
                 {"paused because", c.pause_reason()},
                 {"per second", std::to_string(limits.per_second())},
                 {"kept for inbound", std::to_string(limits.inbound_headroom_per_second())},
                 {"pair interval s", std::to_string(limits.pair_interval_seconds())},
                 {"pair burst", std::to_string(limits.pair_burst())},
                 {"connected", when(c.create_time())}},
                json_of(c), context.format);
    return kOk;
}

// Only the replica that sends knows the breaker, so that replica is asked once it is known.
gateway::v1::ChannelDispatch dispatch_of(Context& context, const std::string& name) {
    gateway::v1::GetChannelDispatchRequest request;
    request.set_name(name);
    auto dispatch = context.api().call<gateway::v1::ChannelDispatch>(
        "gateway", "ChannelService/GetChannelDispatch", request);
    if (dispatch.has_breaker() || dispatch.owner().empty() ||
        dispatch.owner() == dispatch.replica())
        return dispatch;
    return context.api().call_at<gateway::v1::ChannelDispatch>(
        "gateway", dispatch.owner(), "ChannelService/GetChannelDispatch", request);
}

int show_breakers(Context& context, const std::vector<std::string>& typed,
                  const std::string& tenant_option) {
    std::vector<std::string> names;
    const auto tenant = [&] { return chosen_tenant(context, tenant_option); };
    for (const auto& name : typed) names.push_back(resource_name(name, "channels", tenant));
    if (typed.empty())
        for (const auto& channel : channels_of(context, tenant())) names.push_back(channel.name());
    Sheet sheet({{"CHANNEL"},
                 {"BREAKER"},
                 {"SINCE (UTC)"},
                 {"FAILURES", true},
                 {"IN FLIGHT", true},
                 {"QUEUED", true},
                 {"OLDEST DUE (UTC)"},
                 {"LANE", true},
                 {"REPLICA"},
                 {"NOTE", false, true}});
    std::size_t told = 0;
    int code = kOk;
    for (const auto& name : names) {
        const int result = guarded([&] {
            const auto d = dispatch_of(context, name);
            const auto& breaker = d.breaker();
            std::string note;
            if (!d.has_breaker())
                note = d.owner().empty() ? "nobody sends for it yet"
                                         : "replica " + d.owner() + " does not send yet";
            else if (breaker.retry_after_ms() > 0)
                note = "tries again in " + std::to_string(breaker.retry_after_ms() / 1000) + " s";
            const auto flying = d.has_breaker() ? std::to_string(d.in_flight()) : "";
            const auto failures = d.has_breaker() ? std::to_string(breaker.failures()) : "";
            sheet.add({short_id(name), d.has_breaker() ? breaker.state() : "?",
                       when(breaker.since()), failures, flying, std::to_string(d.queued()),
                       when(d.oldest_due()), std::to_string(d.lane()), d.owner(), note},
                      json_of(d));
            told += d.has_breaker();
            return d.has_breaker() ? kOk : kUnavailable;
        });
        if (result != kOk) code = result;
    }
    print(sheet, context.format, "channels");
    return code != kOk && told > 0 ? kPartial : code;
}

}  // namespace

void add_channel_commands(CLI::App& app, Context& context) {
    struct Arguments {
        std::string tenant;
        std::vector<std::string> names;
    };
    const auto add_tenant = [](CLI::App& command, std::string& tenant) {
        command
            .add_option("-t,--tenant", tenant, "whose (FLOWSTACK_TENANT, or the only one there is)")
            ->option_text("TENANT");
    };
    auto* channels = app.add_subcommand("channels", "the WhatsApp numbers of tenants");
    channels->require_subcommand(1);
    channels->fallthrough();
    {
        const auto a = std::make_shared<Arguments>();
        auto* list = channels->add_subcommand("list", "in the order of connecting");
        add_tenant(*list, a->tenant);
        list->callback([&context, a] {
            context.run = [&context, a] { return list_channels(context, a->tenant); };
        });
    }
    {
        const auto a = std::make_shared<Arguments>();
        a->names.emplace_back();
        auto* get = channels->add_subcommand("get", "one of them");
        get->add_option("name", a->names.front(), "tenants/<tenant>/channels/<id>, or <id>")
            ->required();
        add_tenant(*get, a->tenant);
        get->callback([&context, a] {
            context.run = [&context, a] {
                return get_channel(context, resource_name(a->names.front(), "channels", [&] {
                                       return chosen_tenant(context, a->tenant);
                                   }));
            };
        });
    }
    {
        const auto a = std::make_shared<Arguments>();
        auto* breaker = channels->add_subcommand(
            "breaker", "how sending goes: the breaker, the queue, and which replica sends");
        breaker->add_option("name", a->names,
                            "tenants/<tenant>/channels/<id>, or <id>; without: all of the tenant");
        add_tenant(*breaker, a->tenant);
        breaker->callback([&context, a] {
            context.run = [&context, a] { return show_breakers(context, a->names, a->tenant); };
        });
    }
}

}  // namespace flowstack::flowctl
