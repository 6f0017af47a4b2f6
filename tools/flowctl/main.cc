#include <CLI/CLI.hpp>
#include <map>

#include "tools/flowctl/context.h"

// The operators' and auditors' command line. Data on stdout, words on stderr.
// Exit codes: 0 ok · 1 unexpected · 2 usage · 3 verification mismatch · 4 not found · 5 conflict ·
// 6 permission · 7 unavailable · 8 partial · 130 interrupted.
int main(int argc, char** argv) {
    using namespace flowstack::flowctl;
    CLI::App app{"FlowStack for operators and auditors", "flowctl"};
    app.require_subcommand(1);
    app.fallthrough();

    Context context;
    app.add_option("--env-file", context.env_file,
                   "where the stack is, as `./flowstack up` writes it (default: the environment, "
                   "else .run/env)");
    const std::map<std::string, Format> formats{{"table", Format::table},
                                                {"json", Format::json},
                                                {"jsonl", Format::jsonl},
                                                {"csv", Format::csv}};
    app.add_option("-o,--output", context.format, "table, json, jsonl or csv")
        ->transform(CLI::CheckedTransformer(formats, CLI::ignore_case))
        ->option_text("FORMAT");
    add_status_commands(app, context);
    add_consumer_commands(app, context);
    add_resource_commands(app, context);
    add_channel_commands(app, context);
    add_webhook_commands(app, context);
    add_event_commands(app, context);
    add_audit_commands(app, context);
    add_platform_commands(app, context);
    add_completion_command(app, context);

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const int code = app.exit(error);
        return code == 0 ? kOk : kUsage;
    }
    return guarded(context.run);
}
