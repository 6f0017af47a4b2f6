#include "tests/bench/processes.h"

#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>

#include "tests/bench/machine.h"

namespace flowstack::bench {
namespace {

double seconds_of(std::int64_t ticks) {
    return static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::string text_of(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

// Proportional set size: a page that n processes share counts 1/n for each.
double proportional_mb(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("Pss:")) return std::stod(line.substr(4)) / 1024.0;
    return 0;
}

}  // namespace

std::optional<ProcessTimes> parse_stat(std::string_view stat) {
    // The command in brackets may hold spaces and brackets. After it: state, parent, … and as the
    // 12th to 15th field utime, stime, cutime, cstime.
    const auto end = stat.rfind(')');
    if (end == std::string_view::npos) return std::nullopt;
    std::istringstream words(std::string(stat.substr(end + 1)));
    std::vector<std::string> fields;
    for (std::string word; words >> word && fields.size() < 15;) fields.push_back(word);
    if (fields.size() < 15) return std::nullopt;
    ProcessTimes times;
    const auto number = [](const std::string& text) {
        std::int64_t value = 0;
        std::from_chars(text.data(), text.data() + text.size(), value);
        return value;
    };
    times.parent = static_cast<pid_t>(number(fields[1]));
    for (std::size_t i = 11; i < 15; ++i) times.ticks += number(fields[i]);
    return times;
}

std::vector<pid_t> family_of(pid_t root, const Processes& processes) {
    if (!processes.contains(root)) return {};
    std::vector<pid_t> family{root};
    for (std::size_t at = 0; at < family.size(); ++at)
        for (const auto& [pid, times] : processes)
            if (times.parent == family[at]) family.push_back(pid);
    return family;
}

std::int64_t family_ticks(pid_t root, const Processes& processes) {
    std::int64_t ticks = 0;
    for (const auto pid : family_of(root, processes)) ticks += processes.at(pid).ticks;
    return ticks;
}

Processes read_processes() {
    Processes found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const auto name = entry.path().filename().string();
        pid_t pid = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (error != std::errc() || end != name.data() + name.size()) continue;
        // It may have ended meanwhile.
        if (const auto times = parse_stat(text_of(entry.path() / "stat"))) found[pid] = *times;
    }
    return found;
}

double cpu_seconds_of(const std::vector<pid_t>& roots) {
    const auto processes = read_processes();
    std::int64_t ticks = 0;
    for (const auto root : roots) {
        if (!processes.contains(root))
            throw std::runtime_error("process " + std::to_string(root) +
                                     " of a measured system is gone");
        ticks += family_ticks(root, processes);
    }
    return seconds_of(ticks);
}

double memory_mb_of(const std::vector<pid_t>& roots) {
    const auto processes = read_processes();
    double sum = 0;
    for (const auto root : roots) {
        const auto family = family_of(root, processes);
        if (family.empty())
            throw std::runtime_error("process " + std::to_string(root) +
                                     " of a measured system is gone");
        for (const auto pid : family) sum += proportional_mb(pid);
    }
    return sum;
}

double machine_busy_seconds() {
    // user nice system idle iowait irq softirq steal
    std::istringstream words(text_of("/proc/stat"));
    std::string cpu;
    words >> cpu;
    std::int64_t ticks = 0, value = 0;
    for (int i = 0; i < 8 && words >> value; ++i)
        if (i != 3 && i != 4) ticks += value;
    return seconds_of(ticks);
}

}  // namespace flowstack::bench
