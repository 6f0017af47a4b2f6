#include <CLI/CLI.hpp>
#include <iostream>

#include "common/rpc/resource_name.h"
#include "tools/flowctl/context.h"
#include "tools/flowctl/migrate.h"
#include "tools/stack/sandbox.h"
#include "tools/stack/shop.h"

// migrate and seed: what makes an empty installation a running one.
namespace flowstack::flowctl {
namespace {

int run_migrate(Context& context, const std::string& folder, int lanes, bool dry_run) {
    int failed = 0;
    for (const auto& service : stack::kServices) {
        const auto name = stack::upper(service) + "_MIGRATE_URL";
        const auto url = context.environment().get(name);
        if (url.empty())
            throw UsageError(name + " is not set: the database of " + service + ", as its owner");
        try {
            const auto result = migrate(url, migrations_of(folder, service), lanes, dry_run);
            std::cerr << service << ": "
                      << (result.applied.empty()
                              ? "up to date"
                              : std::to_string(result.applied.size()) + " applied")
                      << (dry_run ? " (dry run)" : "") << "\n";
            for (const auto& applied : result.applied)
                std::cout << service << "\t" << applied << "\n";
        } catch (const std::exception& error) {
            std::cerr << service << ": " << error.what() << "\n";
            ++failed;
        }
    }
    if (failed == 0) return kOk;
    return failed < static_cast<int>(stack::kServices.size()) ? kPartial : kUnexpected;
}

int run_seed(Context& context) {
    auto& api = context.api();
    stack::Sandbox sandbox(context.environment());
    const stack::ShopSpec spec;
    stack::make_shop(spec, context.environment(), api, sandbox);
    std::cerr << "shop '" << spec.name << "' (" << spec.tenant << ") is there, WhatsApp number "
              << spec.display_phone_number << ", M-Pesa short code " << spec.shortcode << "\n";
    std::cout << rpc::tenant_name(spec.tenant) << "\n";
    return kOk;
}

}  // namespace

std::string migrations_folder(Context& context, const std::string& given) {
    if (!given.empty()) return given;
    const auto& environment = context.environment();
    if (const auto folder = environment.get("MIGRATIONS_DIR"); !folder.empty()) return folder;
    const auto root = environment.get("FLOWSTACK_ROOT");
    return (root.empty() ? std::string(".") : root) + "/migrations";
}

void add_platform_commands(CLI::App& app, Context& context) {
    struct MigrateArguments {
        std::string folder;
        int lanes = 0;
        bool dry_run = false;
    };
    const auto arguments = std::make_shared<MigrateArguments>();
    auto* migrate_command =
        app.add_subcommand("migrate", "bring every service's database to the newest schema");
    migrate_command->add_option("--migrations", arguments->folder,
                                "folder with the SQL files (MIGRATIONS_DIR, or migrations of "
                                "FLOWSTACK_ROOT)");
    migrate_command->add_option("--lanes", arguments->lanes,
                                "lanes of a new installation, for ever (LANES, or 64)");
    migrate_command->add_flag("--dry-run", arguments->dry_run, "say what would be applied");
    migrate_command->callback([&context, arguments] {
        context.run = [&context, arguments] {
            int lanes = arguments->lanes;
            if (lanes == 0) lanes = std::atoi(context.environment().get("LANES").c_str());
            return run_migrate(context, migrations_folder(context, arguments->folder),
                               lanes == 0 ? 64 : lanes, arguments->dry_run);
        };
    });

    app.add_subcommand("seed", "make the demo shop, here and in the sandbox; again changes nothing")
        ->callback([&context] { context.run = [&context] { return run_seed(context); }; });
}

}  // namespace flowstack::flowctl
