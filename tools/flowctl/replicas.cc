#include "tools/flowctl/replicas.h"

#include <ctime>
#include <sstream>

#include "tools/stack/sandbox.h"

namespace flowstack::flowctl {
namespace {

constexpr int kProbeTimeoutMs = 3000;
constexpr int kReplicasMax = 9;

// "Sun, 29 Nov 2026 20:04:36 GMT"
std::optional<Time> parse_http_date(const std::string& text) {
    std::tm parts{};
    const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    if (!end || *end != '\0') return std::nullopt;
    return Time(std::chrono::seconds(::timegm(&parts)));
}

}  // namespace

Samples parse_metrics(const std::string& text) {
    Samples samples;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line[0] == '#') continue;
        const auto space = line.rfind(' ');
        if (space == std::string::npos) continue;
        Sample sample;
        try {
            sample.value = std::stod(line.substr(space + 1));
        } catch (const std::exception&) {
            continue;
        }
        auto name = line.substr(0, space);
        const auto brace = name.find('{');
        if (brace != std::string::npos) {
            std::string key, value;
            bool quoted = false;
            for (auto i = brace + 1; i < name.size(); ++i) {
                const char c = name[i];
                if (c == '"') {
                    if (quoted) sample.labels[key] = value;
                    if (quoted) key = value = "";
                    quoted = !quoted;
                } else if (quoted) {
                    if (c == '\\' && i + 1 < name.size()) ++i;
                    value += name[i];
                } else if (c != ',' && c != '=' && c != '}') {
                    key += c;
                }
            }
            name.resize(brace);
        }
        samples.emplace(name, std::move(sample));
    }
    return samples;
}

double sum_of(const Samples& samples, const std::string& name) {
    double sum = 0;
    const auto [from, to] = samples.equal_range(name);
    for (auto it = from; it != to; ++it) sum += it->second.value;
    return sum;
}

std::vector<Replica> probe_all(Context& context) {
    const auto& environment = context.environment();
    std::vector<Replica> replicas;
    stack::Http http;
    for (const auto& service : stack::kServices)
        for (int number = 0; number < kReplicasMax; ++number) {
            const auto address =
                environment.get(stack::upper(service) + "_" + std::to_string(number) + "_ADMIN");
            if (address.empty()) continue;
            Replica replica{.service = service, .number = number, .address = address};
            const auto ready =
                http.send("GET", "http://" + address + "/readyz", "", {}, kProbeTimeoutMs);
            replica.ready_status = ready.status;
            if (replica.answers()) {
                if (const auto date = parse_http_date(ready.date))
                    replica.clock_ahead =
                        *date -
                        std::chrono::floor<std::chrono::seconds>(
                            std::chrono::time_point_cast<Micros>(std::chrono::system_clock::now()));
                boost::system::error_code error;
                replica.readiness = boost::json::parse(ready.body, error);
                const auto metrics =
                    http.send("GET", "http://" + address + "/metrics", "", {}, kProbeTimeoutMs);
                if (metrics.status == 200) replica.samples = parse_metrics(metrics.body);
            }
            replicas.push_back(std::move(replica));
        }
    if (replicas.empty())
        throw UsageError(
            "which processes? <SERVICE>_<n>_ADMIN is not set; give --env-file <run directory>/env");
    return replicas;
}

std::vector<Complaint> complaints_of(const Replica& replica) {
    const auto text_of = [](const boost::json::value& value, const char* member) -> std::string {
        const auto* object = value.if_object();
        const auto* found = object ? object->if_contains(member) : nullptr;
        return found && found->is_string() ? std::string(found->as_string()) : "";
    };
    std::vector<Complaint> complaints;
    const auto* object = replica.readiness.if_object();
    const auto* checks = object ? object->if_contains("checks") : nullptr;
    if (!checks || !checks->is_object()) return complaints;
    for (const auto& check : checks->as_object()) {
        const auto state = text_of(check.value(), "state");
        if (state.empty() || state == "ok") continue;
        complaints.push_back({std::string(check.key()), state, text_of(check.value(), "detail")});
    }
    return complaints;
}

std::string state_of(const Replica& replica) {
    if (!replica.answers()) return "away";
    if (replica.ready_status != 200) return "not ready";
    const auto* object = replica.readiness.if_object();
    const auto* degraded = object ? object->if_contains("degraded") : nullptr;
    return degraded && degraded->is_bool() && degraded->as_bool() ? "degraded" : "ready";
}

}  // namespace flowstack::flowctl
