#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>

#include "tools/flowctl/migrate.h"

// The operators' and auditors' command line. Data on stdout, words on stderr.
// Exit codes: 0 ok · 1 unexpected · 2 usage · 3 verification mismatch · 4 not found · 5 conflict ·
// 6 permission · 7 unavailable · 8 partial · 130 interrupted.
namespace flowstack::flowctl {
namespace {

constexpr int kUnexpected = 1;
constexpr int kUsage = 2;

const std::vector<std::string> kServices{"gateway", "conversation", "payment", "followup",
                                         "campaign"};

std::string env(const std::string& name, const std::string& fallback = "") {
    const char* value = std::getenv(name.c_str());
    return value && *value ? value : fallback;
}

std::string upper(std::string text) {
    for (auto& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return text;
}

int run_migrate(const std::string& folder, int lanes, bool dry_run) {
    int code = 0;
    for (const auto& service : kServices) {
        const auto url = env(upper(service) + "_MIGRATE_URL");
        if (url.empty()) {
            std::cerr << upper(service) << "_MIGRATE_URL is not set: the database of " << service
                      << ", as its owner\n";
            return kUsage;
        }
        try {
            const auto result = migrate(url, migrations_of(folder, service), lanes, dry_run);
            std::cerr << service << ": "
                      << (result.applied.empty()
                              ? "up to date"
                              : std::to_string(result.applied.size()) + " applied")
                      << (dry_run ? " (dry run)" : "") << "\n";
            for (const auto& name : result.applied) std::cout << service << "\t" << name << "\n";
        } catch (const std::exception& error) {
            std::cerr << service << ": " << error.what() << "\n";
            code = kUnexpected;
        }
    }
    return code;
}

}  // namespace
}  // namespace flowstack::flowctl

int main(int argc, char** argv) {
    using namespace flowstack::flowctl;
    CLI::App app{"FlowStack for operators and auditors", "flowctl"};
    app.require_subcommand(1);

    std::string folder = env("MIGRATIONS_DIR", env("FLOWSTACK_ROOT", ".") + "/migrations");
    int lanes = std::atoi(env("LANES", "64").c_str());
    bool dry_run = false;
    auto* migrate_command =
        app.add_subcommand("migrate", "bring every service's database to the newest schema");
    migrate_command->add_option("--migrations", folder, "folder with the SQL files")
        ->capture_default_str();
    migrate_command->add_option("--lanes", lanes, "lanes of a new installation, for ever")
        ->capture_default_str();
    migrate_command->add_flag("--dry-run", dry_run, "say what would be applied");

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const int code = app.exit(error);
        return code == 0 ? 0 : kUsage;
    }
    if (*migrate_command) return run_migrate(folder, lanes, dry_run);
    return kUsage;
}
