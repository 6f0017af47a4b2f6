#include "tools/flowctl/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "common/core/version.h"
#include "tools/flowctl/context.h"
#include "tools/flowctl/watch.h"

namespace flowstack::flowctl {
namespace {

struct Watching {
    bool on = false;
    int every_s = static_cast<int>(kWatchEvery.count());
};

// What only shows something can be shown again and again.
bool can_be_watched(const std::string& name) {
    return name == "list" || name == "get" || name == "progress" || name == "recipients" ||
           name == "history" || name == "breaker" || name == "balance" || name == "lag" ||
           name == "parked" || name == "held";
}

void add_watch(CLI::App& app, Watching& watching) {
    for (auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
        add_watch(*command, watching);
        if (!can_be_watched(command->get_name())) continue;
        command->add_flag("--watch", watching.on,
                          "again and again, until Ctrl-C: a terminal is drawn anew, elsewhere what "
                          "changed is appended");
        command->add_option("--every", watching.every_s, "with --watch: seconds between two looks")
            ->check(CLI::Range(1, 3600))
            ->option_text("SECONDS [2]");
    }
}

}  // namespace

int run_command_line(std::vector<std::string> arguments) {
    CLI::App app{"FlowStack for operators and auditors", "flowctl"};
    app.set_version_flag("--version", "flowctl " + std::string(version()));
    app.require_subcommand(1);
    app.fallthrough();

    Context context;
    app.add_option("--env-file", context.env_file,
                   "where the stack is, as `./flowstack up` writes it (default: the environment, "
                   "else .run/env)");
    app.add_option("--tls-ca", context.tls_ca,
                   "PEM file of the CAs whose services are believed (default: GRPC_TLS_CA_FILE)");
    app.add_option("--tls-cert", context.tls_cert,
                   "PEM file of the certificate that is shown (default: GRPC_TLS_CERT_FILE)");
    app.add_option("--tls-key", context.tls_key,
                   "PEM file of its private key (default: GRPC_TLS_KEY_FILE)");
    app.add_option("--token", context.token_file,
                   "a file whose first line is an OpenID Connect token, - reads stdin: it is shown "
                   "instead of keys and certificates (default: FLOWCTL_TOKEN, FLOWCTL_TOKEN_FILE, "
                   "else that of flowctl login)")
        ->option_text("FILE");
    const std::map<std::string, Format> formats{{"table", Format::table},
                                                {"json", Format::json},
                                                {"jsonl", Format::jsonl},
                                                {"csv", Format::csv}};
    app.add_option("-o,--output", context.format, "table, json, jsonl or csv")
        ->transform(CLI::CheckedTransformer(formats, CLI::ignore_case))
        ->option_text("FORMAT");
    add_status_commands(app, context);
    add_doctor_command(app, context);
    add_consumer_commands(app, context);
    add_data_key_commands(app, context);
    add_tail_commands(app, context);
    add_resource_commands(app, context);
    add_channel_commands(app, context);
    add_webhook_commands(app, context);
    add_login_commands(app, context);
    add_verb_commands(app, context);
    add_event_commands(app, context);
    add_audit_commands(app, context);
    add_platform_commands(app, context);
    add_completion_command(app, context);
    add_manual_command(app, context);
    Watching watching;
    add_watch(app, watching);

    std::ranges::reverse(arguments);  // CLI11 takes them from the end
    try {
        app.parse(std::move(arguments));
    } catch (const CLI::ParseError& error) {
        const int code = app.exit(error);
        return code == 0 ? kOk : kUsage;
    }
    if (watching.on)
        return watched(context.format, context.run, std::chrono::seconds(watching.every_s));
    return guarded(context.run);
}

}  // namespace flowstack::flowctl
