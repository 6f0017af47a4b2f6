#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>

#include "common/rpc/error.h"
#include "flowstack/gateway/v1/webhook_service.pb.h"
#include "tools/flowctl/json.h"
#include "tools/flowctl/output.h"
#include "tools/flowctl/times.h"
#include "tools/stack/api.h"

// webhooks: what providers sent, as it came, and reading it again.
namespace flowstack::flowctl {
namespace {

struct Range {
    std::vector<std::string> names;
    std::optional<int> lane;
    std::string since;
    std::string until;
    std::string parse;
    int limit = 50;
    bool dry_run = false;
};

// "3-1041-0" or "webhooks/3-1041-0".
std::string webhook_name(const std::string& typed) {
    return typed.starts_with("webhooks/") ? typed : "webhooks/" + typed;
}

template <class Request>
void put_range(Request& request, const Range& range) {
    if (range.lane) request.set_lane(*range.lane);
    if (!range.since.empty())
        request.mutable_start_time()->set_seconds(seconds_of("--since", range.since));
    if (!range.until.empty())
        request.mutable_end_time()->set_seconds(seconds_of("--until", range.until));
    request.set_parse(range.parse);
}

int list_webhooks(Context& context, const Range& range) {
    Sheet sheet({{"WEBHOOK"},
                 {"RECEIVED (UTC)"},
                 {"PROVIDER"},
                 {"APP"},
                 {"READ AS"},
                 {"BYTES", true},
                 {"ID", false, true}});
    gateway::v1::ListWebhooksRequest request;
    put_range(request, range);
    do {
        const int left = range.limit - static_cast<int>(sheet.size());
        request.set_page_size(std::min(left, 500));
        const auto page = context.api().call<gateway::v1::ListWebhooksResponse>(
            "gateway", "WebhookService/ListWebhooks", request);
        for (const auto& w : page.webhooks())
            sheet.add({w.name().substr(std::string("webhooks/").size()),
                       utc_seconds(w.receive_time().seconds()), w.provider(), w.app_id(), w.parse(),
                       std::to_string(w.body_bytes()), w.webhook_id()},
                      json_of(w));
        request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty() && static_cast<int>(sheet.size()) < range.limit);
    print(sheet, context.format, "webhooks");
    return kOk;
}

// "ELEMENT_STATE_STORED" → "stored".
std::string word_of(gateway::v1::ElementState state) {
    auto word = gateway::v1::ElementState_Name(state).substr(std::string("ELEMENT_STATE_").size());
    for (char& c : word)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return word;
}

int get_webhook(Context& context, const std::string& typed) {
    gateway::v1::GetWebhookRequest request;
    request.set_name(webhook_name(typed));
    const auto w =
        context.api().call<gateway::v1::Webhook>("gateway", "WebhookService/GetWebhook", request);
    std::vector<Fact> facts{
        {"name", w.name()},         {"received", utc_seconds(w.receive_time().seconds())},
        {"provider", w.provider()}, {"app", w.app_id()},
        {"path", w.path()},         {"read as", w.parse()},
        {"id", w.webhook_id()}};
    for (const auto& e : w.elements())
        facts.push_back({"element " + e.path(),
                         word_of(e.state()) + " · " + e.kind() + " " + e.provider_type() +
                             (e.tenant_id().empty() ? "" : " · tenants/" + e.tenant_id()) + " " +
                             e.provider_message_id() + (e.repaired() ? " · repaired" : "") +
                             (e.detail().empty() ? "" : " · " + e.detail())});
    facts.push_back({"body", w.body()});
    print_facts(facts, json_of(w), context.format);
    return kOk;
}

// Ends with kPartial when something could not be appended.
int reread_webhooks(Context& context, const Range& range) {
    if (range.names.empty() && !range.lane && range.since.empty() && range.parse.empty())
        throw UsageError("say which: names of webhooks, or --since, --lane or --parse");
    gateway::v1::RereadWebhooksRequest request;
    for (const auto& name : range.names) request.add_names(webhook_name(name));
    if (range.names.empty()) put_range(request, range);
    request.set_validate_only(range.dry_run);
    Sheet sheet({{"WEBHOOK"},
                 {"ELEMENT"},
                 {"STATE"},
                 {"KIND"},
                 {"TYPE"},
                 {"TENANT"},
                 {"MESSAGE", false, true},
                 {"WHY", false, true}});
    int webhooks = 0, elements = 0, appended = 0, missing = 0, unreadable = 0, failed = 0;
    do {
        const auto page = context.api().call<gateway::v1::RereadWebhooksResponse>(
            "gateway", "WebhookService/RereadWebhooks", request);
        webhooks += page.webhooks_read();
        elements += page.elements_read();
        appended += page.appended();
        missing += page.missing();
        unreadable += page.unreadable();
        failed += page.failed();
        for (const auto& w : page.webhooks())
            for (const auto& e : w.elements())
                sheet.add({w.name().substr(std::string("webhooks/").size()), e.path(),
                           word_of(e.state()), e.kind(), e.provider_type(), e.tenant_id(),
                           e.provider_message_id(), e.detail()});
        request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    print(sheet, context.format, "elements that the log lacked");
    std::cerr << webhooks << " webhooks with " << elements << " elements read: "
              << (range.dry_run ? std::to_string(missing) + " missing (dry run)"
                                : std::to_string(appended) + " appended")
              << ", " << unreadable << " unreadable, " << failed << " failed\n";
    return failed == 0 ? kOk : kPartial;
}

void add_range(CLI::App& command, Range& range) {
    command.add_option("--since", range.since, "received at this time or later (UTC)");
    command.add_option("--until", range.until, "received before this time (UTC)");
    command.add_option("--lane", range.lane, "of this lane only");
    command.add_option("--parse", range.parse,
                       "only those that were read so when they came: well_formed, repaired, "
                       "malformed_json, unknown_shape");
}

}  // namespace

void add_webhook_commands(CLI::App& app, Context& context) {
    auto* group = app.add_subcommand("webhooks", "what providers sent, as it came");
    group->require_subcommand(1);
    const auto run = [&context](CLI::App* command, auto arguments, auto act) {
        command->callback([&context, arguments, act] {
            context.run = [&context, arguments, act] { return act(context, *arguments); };
        });
    };
    {
        const auto range = std::make_shared<Range>();
        auto* list = group->add_subcommand("list", "lane by lane, the oldest first");
        add_range(*list, *range);
        list->add_option("-n,--limit", range->limit, "at most so many")
            ->check(CLI::PositiveNumber)
            ->option_text("N [50]");
        run(list, range, list_webhooks);
    }
    {
        const auto name = std::make_shared<std::string>();
        auto* get = group->add_subcommand("get", "one, with its body and what is read in it");
        get->add_option("webhook", *name,
                        "webhooks/<lane>-<position>-<index>, or without webhooks/")
            ->required();
        run(get, name, get_webhook);
    }
    {
        const auto range = std::make_shared<Range>();
        auto* reread =
            group->add_subcommand("reread", "read again, and append the facts that are missing");
        reread->add_option("webhook", range->names, "webhooks/<lane>-<position>-<index>, …");
        add_range(*reread, *range);
        reread->add_flag("--dry-run", range->dry_run, "say what is missing, append nothing");
        run(reread, range, reread_webhooks);
    }
}

}  // namespace flowstack::flowctl
