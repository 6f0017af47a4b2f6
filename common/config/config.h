#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/secret.h"

// Settings of one process, read once in main from the environment and from flags.
//
//   config::Reader settings(argc, argv, environ);
//   const auto port = settings.port("HTTP_PORT", 8080, "REST and webhooks");
//   const auto poll = settings.duration_ms("RELAY_POLL_MS", 10, "how often lane heads are read");
//   settings.finish();  // --help, --version, --print-config, and every mistake at once
//
// `--http-port=8080` is HTTP_PORT=8080 and wins over it. An empty variable counts as not set.
// HTTP_PORT_FILE=/run/port is the first line of that file, for secrets that are mounted as files.
// Unknown flags are mistakes; unknown variables are ignored. Getters never fail: after a mistake
// they answer the default, and finish() reports them all. Not thread-safe.
namespace flowstack::config {

// One setting as documentation shows it.
struct Setting {
    std::string name;  // "RELAY_POLL_MS"
    std::string type;  // "text", "integer", "port", "duration", "boolean", "secret", "list"
    std::string default_value;  // as one would write it; empty: none
    std::string unit;           // "ms" or whatever the name ends with; empty: none
    std::string allowed;        // "1 to 65535"; empty: anything
    std::string help;
    bool required = false;
};

class Reader {
public:
    // `env` as main gets it: "NAME=value" strings and a null pointer at the end.
    Reader(int argc, const char* const* argv, const char* const* env);

    std::string text(std::string_view name, std::string_view default_value, std::string_view help);
    std::string required_text(std::string_view name, std::string_view help);
    // One of `allowed`.
    std::string choice(std::string_view name, std::string_view default_value,
                       const std::vector<std::string>& allowed, std::string_view help);
    std::int64_t integer(std::string_view name, std::int64_t default_value, std::int64_t min,
                         std::int64_t max, std::string_view help);
    // 0 to 65535; 0 lets the system choose.
    std::uint16_t port(std::string_view name, std::uint16_t default_value, std::string_view help);
    // Whole milliseconds, 0 to 31 days unless said otherwise; the name ends with _MS.
    std::chrono::milliseconds duration_ms(std::string_view name, std::int64_t default_value,
                                          std::string_view help, std::int64_t min = 0,
                                          std::int64_t max = 31LL * 24 * 3600 * 1000);
    // true, false, 1, 0, yes, no, on, off; the bare flag `--rebuild` is true.
    bool boolean(std::string_view name, bool default_value, std::string_view help);
    // Never shown, neither by --print-config nor in a mistake. A default is shown in the
    // documentation, so only development has one.
    Secret secret(std::string_view name, std::string_view default_value, std::string_view help);
    Secret required_secret(std::string_view name, std::string_view help);
    // Parts between commas, trimmed, without empty ones.
    std::vector<std::string> list(std::string_view name, std::string_view default_value,
                                  std::string_view help);

    // Reports a mistake that the caller found, such as one in a rule over several settings.
    void mistake(std::string text);

    // Call it after the last getter. Prints and exits for --help, --version and --describe-config
    // (0), any mistake (2, all of them on stderr), --print-config (0); returns otherwise.
    void finish() const;

    // What finish() would print, for tests and generated documents.
    std::vector<std::string> mistakes() const;
    std::string help_text() const;
    std::string printed_config() const;
    // In the order in which they were asked for.
    const std::vector<Setting>& describe() const { return settings_; }

private:
    struct Given {
        std::string value;
        std::string source;  // how to name it in a mistake: "HTTP_PORT" or "--http-port"
    };
    std::optional<Given> take(Setting setting);
    // What NAME_FILE leads to, if it is set. An unreadable or empty file is a mistake.
    std::optional<Given> from_file(const std::string& name);
    void refuse(const Given& given, bool show_value, std::string_view what_is_allowed);
    void show(std::string value);

    std::string program_;
    std::vector<std::pair<std::string, std::string>> environment_;
    struct Flag {
        std::string name;  // "HTTP_PORT"
        std::string text;  // as written, without the value: "--http-port"
        std::optional<std::string> value;
        bool known = false;
    };
    std::vector<Flag> flags_;
    std::vector<Setting> settings_;
    std::vector<std::string> shown_;  // the value of each setting, masked if need be
    std::vector<std::string> mistakes_;
    bool help_ = false;
    bool version_ = false;
    bool print_config_ = false;
    bool describe_config_ = false;
};

// The settings as a Markdown table and as an .env file, one row or line a setting.
std::string markdown_table(const std::vector<Setting>& settings);
std::string env_example(const std::vector<Setting>& settings);

// "postgresql://shop:hunter2@db/x" -> "postgresql://shop:***@db/x"; also "password=…" parts.
std::string without_passwords(std::string_view text);

}  // namespace flowstack::config
