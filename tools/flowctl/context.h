#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "tools/stack/api.h"
#include "tools/stack/environment.h"

namespace CLI {
class App;
}

// What every command shares: where the stack is, how to print, and what to do once the command line
// is read.
namespace flowstack::flowctl {

// Exit codes, part of the interface.
inline constexpr int kOk = 0;
inline constexpr int kUnexpected = 1;
inline constexpr int kUsage = 2;
inline constexpr int kMismatch = 3;
inline constexpr int kNotFound = 4;
inline constexpr int kConflict = 5;
inline constexpr int kPermission = 6;
inline constexpr int kUnavailable = 7;
inline constexpr int kPartial = 8;
inline constexpr int kInterrupted = 130;

// The request cannot be carried out as it was typed: kUsage.
struct UsageError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The thing that was named does not exist: kNotFound.
struct NotFound : std::runtime_error {
    using std::runtime_error::runtime_error;
};

enum class Format { table, json, jsonl, csv };

class Context {
public:
    // --env-file; empty: this process's environment, or the run directory's `env` when that does
    // not name a stack.
    std::string env_file;
    // --tls-ca, --tls-cert and --tls-key: instead of GRPC_TLS_CA_FILE, _CERT_FILE and _KEY_FILE.
    std::string tls_ca;
    std::string tls_cert;
    std::string tls_key;
    // --token: instead of FLOWCTL_TOKEN, and that instead of what `flowctl login` keeps. A file,
    // because every process can read our command line.
    std::string token_file;
    Format format = Format::table;
    // What the chosen command does; its result is the exit code.
    std::function<int()> run;

    // Throw UsageError when no stack can be found.
    const stack::Environment& environment();
    stack::Api& api();
    // The environment as it is without what `flowctl login` keeps, for those who keep it.
    const stack::Environment& environment_before_login();

private:
    std::optional<stack::Environment> before_login_;
    std::optional<stack::Environment> environment_;
    std::unique_ptr<stack::Api> api_;
};

// `given`, else MIGRATIONS_DIR, else migrations of FLOWSTACK_ROOT or of where we are.
std::string migrations_folder(Context& context, const std::string& given);

// Runs it and turns whatever it throws into words on stderr and an exit code.
int guarded(const std::function<int()>& run);

// Each adds its commands to the application.
void add_platform_commands(CLI::App& app, Context& context);
void add_resource_commands(CLI::App& app, Context& context);
void add_event_commands(CLI::App& app, Context& context);
void add_audit_commands(CLI::App& app, Context& context);
void add_operators_command(CLI::App& audit, Context& context);
void add_status_commands(CLI::App& app, Context& context);
void add_doctor_command(CLI::App& app, Context& context);
void add_tail_commands(CLI::App& app, Context& context);
void add_data_key_commands(CLI::App& app, Context& context);
void add_consumer_commands(CLI::App& app, Context& context);
void add_channel_commands(CLI::App& app, Context& context);
void add_webhook_commands(CLI::App& app, Context& context);
void add_login_commands(CLI::App& app, Context& context);
void add_verb_commands(CLI::App& app, Context& context);
void add_completion_command(CLI::App& app, Context& context);
void add_manual_command(CLI::App& app, Context& context);

}  // namespace flowstack::flowctl
