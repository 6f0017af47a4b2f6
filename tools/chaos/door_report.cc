#include "tools/chaos/door_report.h"

#include <algorithm>

namespace flowstack::chaos {
namespace {

double at_share(const std::vector<std::int64_t>& sorted_us, double share) {
    if (sorted_us.empty()) return 0;
    const auto last = static_cast<double>(sorted_us.size() - 1);
    return static_cast<double>(sorted_us[static_cast<std::size_t>(last * share)]) / 1000;
}

}  // namespace

DoorReport door_report(const std::vector<boost::json::value>& record) {
    DoorReport report;
    std::vector<std::int64_t> took_us;
    std::int64_t first_us = 0, last_us = 0;
    for (const auto& line : record) {
        if (line.at("kind").as_string() != "webhook_sent") continue;
        const auto status = line.at("http_status").to_number<int>();
        ++report.posts;
        ++report.statuses[status];
        if (status == 503 && line.at("retry_after").as_string().empty())
            ++report.refused_without_retry_after;
        if (status == 200) took_us.push_back(line.at("took_us").to_number<std::int64_t>());
        last_us = line.at("at_us").to_number<std::int64_t>();
        if (first_us == 0) first_us = last_us;
    }
    std::ranges::sort(took_us);
    report.seconds = static_cast<double>(last_us - first_us) / 1e6;
    report.p50_ms = at_share(took_us, 0.5);
    report.p99_ms = at_share(took_us, 0.99);
    report.max_ms = at_share(took_us, 1);
    return report;
}

std::vector<std::string> DoorReport::findings() const {
    std::vector<std::string> found;
    for (const auto& [status, times] : statuses)
        if (status >= 500 && status != 503)
            found.push_back("the door answered " + std::to_string(status) + " " +
                            std::to_string(times) + " times");
    if (refused_without_retry_after > 0)
        found.push_back(std::to_string(refused_without_retry_after) +
                        " answers 503 have no Retry-After");
    if (!statuses.contains(200)) found.push_back("the door accepted no webhook");
    return found;
}

}  // namespace flowstack::chaos
