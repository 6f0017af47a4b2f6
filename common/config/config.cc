#include "common/config/config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <limits>

#include "common/core/version.h"

namespace flowstack::config {
namespace {

constexpr int kExitUsage = 2;
constexpr std::string_view kMask = "***";

std::string flag_of(std::string_view name) {
    std::string flag = "--";
    for (const char c : name) flag += c == '_' ? '-' : static_cast<char>(c | 0x20);
    return flag;
}

// "--http-port" -> "HTTP_PORT"
std::string name_of(std::string_view flag) {
    flag.remove_prefix(2);
    std::string name;
    for (const char c : flag) {
        name += c == '-' ? '_' : (c >= 'a' && c <= 'z' ? static_cast<char>(c - 0x20) : c);
    }
    return name;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// The unit is the last word of the name (or the one before MAX or MIN).
std::string unit_of(std::string_view name) {
    struct Unit {
        std::string_view suffix;
        std::string_view unit;
    };
    static constexpr std::array kUnits{Unit{"_MS", "ms"},          Unit{"_SECONDS", "s"},
                                       Unit{"_MINUTES", "min"},    Unit{"_HOURS", "h"},
                                       Unit{"_DAYS", "days"},      Unit{"_BYTES", "bytes"},
                                       Unit{"_PER_SECOND", "1/s"}, Unit{"_PER_MINUTE", "1/min"}};
    for (const std::string_view limit : {"_MAX", "_MIN"}) {
        if (name.ends_with(limit)) name.remove_suffix(limit.size());
    }
    for (const auto& [suffix, unit] : kUnits) {
        if (name.ends_with(suffix)) return std::string{unit};
    }
    return {};
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<bool> parse_boolean(std::string_view text) {
    std::string lower;
    for (const char c : text) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    for (const std::string_view yes : {"true", "1", "yes", "on"}) {
        if (lower == yes) return true;
    }
    for (const std::string_view no : {"false", "0", "no", "off"}) {
        if (lower == no) return false;
    }
    return std::nullopt;
}

std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const auto comma = text.find(',');
        const auto part = trimmed(text.substr(0, comma));
        if (!part.empty()) parts.emplace_back(part);
        if (comma == std::string_view::npos) break;
        text.remove_prefix(comma + 1);
    }
    return parts;
}

std::string joined(const std::vector<std::string>& parts, std::string_view between) {
    std::string text;
    for (const auto& part : parts) {
        if (!text.empty()) text += between;
        text += part;
    }
    return text;
}

// "0 to 100"; an open end is not worth printing.
std::string range(std::int64_t min, std::int64_t max) {
    const bool open_below = min == std::numeric_limits<std::int64_t>::min();
    const bool open_above = max == std::numeric_limits<std::int64_t>::max();
    if (open_below && open_above) return {};
    if (open_above) return std::to_string(min) + " or more";
    if (open_below) return std::to_string(max) + " or less";
    return std::to_string(min) + " to " + std::to_string(max);
}

std::string padded(std::string text, std::size_t width) {
    if (text.size() < width) text.append(width - text.size(), ' ');
    return text;
}

std::string escaped_cell(std::string_view text) {
    std::string cell;
    for (const char c : text) {
        if (c == '|') cell += '\\';
        cell += c;
    }
    return cell;
}

}  // namespace

Reader::Reader(int argc, const char* const* argv, const char* const* env) {
    program_ = argc > 0 ? argv[0] : "flowstack";
    if (const auto slash = program_.rfind('/'); slash != std::string::npos) {
        program_.erase(0, slash + 1);
    }
    for (; env != nullptr && *env != nullptr; ++env) {
        const std::string_view entry{*env};
        const auto equals = entry.find('=');
        if (equals == std::string_view::npos || equals + 1 == entry.size()) continue;
        environment_.emplace_back(entry.substr(0, equals), entry.substr(equals + 1));
    }
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument{argv[i]};
        if (argument == "--help" || argument == "-h") {
            help_ = true;
        } else if (argument == "--version") {
            version_ = true;
        } else if (argument == "--print-config") {
            print_config_ = true;
        } else if (argument == "--describe-config") {
            describe_config_ = true;
        } else if (argument.starts_with("--") && argument.size() > 2) {
            const auto equals = argument.find('=');
            Flag flag;
            flag.text = argument.substr(0, equals);
            flag.name = name_of(flag.text);
            if (equals != std::string_view::npos) flag.value = argument.substr(equals + 1);
            const auto same = std::ranges::find(flags_, flag.name, &Flag::name);
            if (same == flags_.end())
                flags_.push_back(std::move(flag));
            else
                mistake(flag.text + ": given twice");
        } else {
            mistake("\"" + std::string{argument} +
                    "\": not a flag; settings are written --name=value (see --help)");
        }
    }
}

std::optional<Reader::Given> Reader::take(Setting setting) {
    setting.unit = setting.unit.empty() ? unit_of(setting.name) : setting.unit;
    settings_.push_back(setting);
    for (auto& flag : flags_) {
        if (flag.name != setting.name) continue;
        flag.known = true;
        if (!flag.value && setting.type == "boolean") return Given{"true", flag.text};
        if (!flag.value) {
            mistake(flag.text + ": needs a value, as in " + flag.text + "=…");
            return std::nullopt;
        }
        if (!flag.value->empty()) return Given{*flag.value, flag.text};
    }
    const auto file = from_file(setting.name);
    for (const auto& [name, value] : environment_) {
        if (name != setting.name) continue;
        if (file) mistake(file->source + ": " + setting.name + " is set too; give one of them");
        return Given{value, setting.name};
    }
    if (file && !file->value.empty()) return file;
    if (setting.required && !file) {
        mistake(setting.name + " (" + flag_of(setting.name) + "): must be set; " + setting.help);
    }
    return std::nullopt;
}

std::optional<Reader::Given> Reader::from_file(const std::string& setting) {
    const auto found = std::ranges::find(environment_, setting + "_FILE",
                                         &decltype(environment_)::value_type::first);
    if (found == environment_.end()) return std::nullopt;
    Given given{"", found->first};
    std::ifstream file(found->second);
    if (!file) {
        mistake(given.source + ": cannot read " + found->second);
        return given;
    }
    std::getline(file, given.value);
    if (given.value.ends_with('\r')) given.value.pop_back();
    if (given.value.empty())
        mistake(given.source + ": the first line of " + found->second + " is empty");
    return given;
}

void Reader::refuse(const Given& given, bool show_value, std::string_view what_is_allowed) {
    std::string text = given.source + ": ";
    if (show_value) text += "\"" + without_passwords(given.value) + "\" is not allowed; ";
    mistake(text + "must be " + std::string{what_is_allowed});
}

void Reader::show(std::string value) { shown_.push_back(std::move(value)); }

void Reader::mistake(std::string text) { mistakes_.push_back(std::move(text)); }

std::string Reader::text(std::string_view name, std::string_view default_value,
                         std::string_view help) {
    const auto given =
        take({std::string{name}, "text", std::string{default_value}, "", "", std::string{help}});
    std::string value = given ? given->value : std::string{default_value};
    show(without_passwords(value));
    return value;
}

std::string Reader::required_text(std::string_view name, std::string_view help) {
    const auto given = take({std::string{name}, "text", "", "", "", std::string{help}, true});
    std::string value = given ? given->value : "";
    show(without_passwords(value));
    return value;
}

std::string Reader::choice(std::string_view name, std::string_view default_value,
                           const std::vector<std::string>& allowed, std::string_view help) {
    const std::string words = joined(allowed, ", ");
    const auto given =
        take({std::string{name}, "text", std::string{default_value}, "", words, std::string{help}});
    std::string value{default_value};
    if (given && std::ranges::find(allowed, given->value) != allowed.end()) {
        value = given->value;
    } else if (given) {
        refuse(*given, true, "one of " + words);
    }
    show(value);
    return value;
}

std::int64_t Reader::integer(std::string_view name, std::int64_t default_value, std::int64_t min,
                             std::int64_t max, std::string_view help) {
    const auto given = take({std::string{name}, "integer", std::to_string(default_value), "",
                             range(min, max), std::string{help}});
    std::int64_t value = default_value;
    if (given) {
        const auto parsed = parse_integer(given->value);
        if (parsed && *parsed >= min && *parsed <= max) {
            value = *parsed;
        } else {
            const auto allowed = range(min, max);
            refuse(*given, true, allowed.empty() ? "a whole number" : "a whole number, " + allowed);
        }
    }
    show(std::to_string(value));
    return value;
}

std::uint16_t Reader::port(std::string_view name, std::uint16_t default_value,
                           std::string_view help) {
    const auto value = integer(name, default_value, 0, 65'535, help);
    settings_.back().type = "port";
    return static_cast<std::uint16_t>(value);
}

std::chrono::milliseconds Reader::duration_ms(std::string_view name, std::int64_t default_value,
                                              std::string_view help, std::int64_t min,
                                              std::int64_t max) {
    const auto value = integer(name, default_value, min, max, help);
    settings_.back().type = "duration";
    settings_.back().unit = "ms";
    return std::chrono::milliseconds{value};
}

bool Reader::boolean(std::string_view name, bool default_value, std::string_view help) {
    const auto given = take({std::string{name}, "boolean", default_value ? "true" : "false", "",
                             "true, false", std::string{help}});
    bool value = default_value;
    if (given) {
        const auto parsed = parse_boolean(given->value);
        if (parsed) value = *parsed;
        if (!parsed) refuse(*given, true, "true or false");
    }
    show(value ? "true" : "false");
    return value;
}

Secret Reader::secret(std::string_view name, std::string_view default_value,
                      std::string_view help) {
    const auto given =
        take({std::string{name}, "secret", std::string{default_value}, "", "", std::string{help}});
    Secret value{given ? given->value : std::string{default_value}};
    show(value.empty() ? "" : std::string{kMask});
    return value;
}

Secret Reader::required_secret(std::string_view name, std::string_view help) {
    const auto given = take({std::string{name}, "secret", "", "", "", std::string{help}, true});
    Secret value{given ? given->value : ""};
    show(value.empty() ? "" : std::string{kMask});
    return value;
}

std::vector<std::string> Reader::list(std::string_view name, std::string_view default_value,
                                      std::string_view help) {
    const auto given =
        take({std::string{name}, "list", std::string{default_value}, "", "", std::string{help}});
    auto parts = split(given ? given->value : default_value);
    show(without_passwords(joined(parts, ",")));
    return parts;
}

std::vector<std::string> Reader::mistakes() const {
    auto all = mistakes_;
    for (const auto& flag : flags_) {
        if (!flag.known) all.push_back(flag.text + ": no such setting (see --help)");
    }
    return all;
}

std::string Reader::help_text() const {
    std::size_t name_width = 0;
    std::size_t value_width = 0;
    const auto value_of = [](const Setting& setting) -> std::string {
        if (setting.required) return "required";
        if (setting.default_value.empty()) return "-";
        return setting.default_value;
    };
    for (const auto& setting : settings_) {
        name_width = std::max(name_width, setting.name.size());
        value_width = std::max(value_width, value_of(setting).size());
    }
    std::string text = "Usage: " + program_ +
                       " [--name=value …]\n\n"
                       "Every setting is an environment variable or a flag; the flag wins "
                       "(--http-port=8080 is HTTP_PORT=8080).\n"
                       "NAME_FILE=/path takes the first line of a file for NAME.\n"
                       "  --help             this text\n"
                       "  --version          the release\n"
                       "  --print-config     what would be used, secrets masked\n"
                       "  --describe-config  the settings as a Markdown table\n\n";
    for (const auto& setting : settings_) {
        text += "  " + padded(setting.name, name_width) + "  " +
                padded(value_of(setting), value_width) + "  " + setting.help;
        if (!setting.unit.empty()) text += " [" + setting.unit + "]";
        if (!setting.allowed.empty() && setting.type != "boolean") {
            text += " (" + setting.allowed + ")";
        }
        text += '\n';
    }
    return text;
}

std::string Reader::printed_config() const {
    std::string text;
    for (std::size_t i = 0; i < settings_.size(); ++i) {
        text += settings_[i].name + "=" + shown_[i] + "\n";
    }
    return text;
}

void Reader::finish() const {
    if (help_) {
        std::cout << help_text() << std::flush;
        std::exit(0);
    }
    if (version_) {
        std::cout << program_ << ' ' << version() << '\n' << std::flush;
        std::exit(0);
    }
    if (describe_config_) {
        std::cout << markdown_table(settings_) << std::flush;
        std::exit(0);
    }
    const auto all = mistakes();
    if (!all.empty()) {
        std::cerr << program_ << ": " << all.size() << (all.size() == 1 ? " mistake" : " mistakes")
                  << " in the settings:\n";
        for (const auto& text : all) std::cerr << "  " << text << '\n';
        std::cerr << std::flush;
        std::exit(kExitUsage);
    }
    if (print_config_) {
        std::cout << printed_config() << std::flush;
        std::exit(0);
    }
}

std::string markdown_table(const std::vector<Setting>& settings) {
    std::string text =
        "| setting | default | unit | allowed | what it is |\n|---|---|---|---|---|\n";
    for (const auto& setting : settings) {
        const std::string value = setting.required ? "**required**"
                                  : setting.default_value.empty()
                                      ? ""
                                      : "`" + setting.default_value + "`";
        text += "| `" + setting.name + "` | " + escaped_cell(value) + " | " + setting.unit + " | " +
                escaped_cell(setting.allowed) + " | " + escaped_cell(setting.help) +
                (setting.type == "secret" ? " (secret)" : "") + " |\n";
    }
    return text;
}

std::string env_example(const std::vector<Setting>& settings) {
    std::string text;
    for (const auto& setting : settings) {
        text += "# " + setting.help;
        if (!setting.unit.empty()) text += " [" + setting.unit + "]";
        if (!setting.allowed.empty()) text += " (" + setting.allowed + ")";
        text += setting.required ? "\n" + setting.name + "=\n"
                                 : "\n#" + setting.name + "=" + setting.default_value + "\n";
    }
    return text;
}

std::string without_passwords(std::string_view text) {
    std::string masked{text};
    // scheme://user:password@host; the password may hold '@' only as %40, but people forget
    for (auto scheme = masked.find("://"); scheme != std::string::npos;
         scheme = masked.find("://", scheme + 3)) {
        const auto begin = scheme + 3;
        const auto end = std::min(masked.find_first_of("/?, ", begin), masked.size());
        const auto at = masked.rfind('@', end);
        const auto colon = masked.find(':', begin);
        if (at == std::string::npos || at < begin || colon == std::string::npos || colon > at) {
            continue;
        }
        masked.replace(colon + 1, at - colon - 1, kMask);
    }
    constexpr std::string_view kKey = "password=";
    for (auto key = masked.find(kKey); key != std::string::npos;
         key = masked.find(kKey, key + kKey.size())) {
        const auto begin = key + kKey.size();
        const bool quoted = begin < masked.size() && masked[begin] == '\'';
        const auto end = quoted ? masked.find('\'', begin + 1) : masked.find_first_of(" &", begin);
        const auto stop = std::min(end, masked.size());
        masked.replace(begin, stop - begin, (quoted ? "'" : "") + std::string{kMask});
    }
    return masked;
}

}  // namespace flowstack::config
