#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

// What gateway's door answered to the sandbox's webhooks, from the sandbox's record.
namespace flowstack::chaos {

struct DoorReport {
    std::int64_t posts = 0;
    std::map<int, std::int64_t> statuses;  // 0: no HTTP answer, the connection failed
    std::int64_t refused_without_retry_after = 0;
    double seconds = 0;  // from the first post to the last
    // Of answers with status 200.
    double p50_ms = 0, p99_ms = 0, max_ms = 0;

    double per_second() const { return seconds > 0 ? static_cast<double>(posts) / seconds : 0; }
    // What must not be there: a 5xx that is not a 503, or a 503 that does not say when to try
    // again.
    std::vector<std::string> findings() const;
};

DoorReport door_report(const std::vector<boost::json::value>& record);

}  // namespace flowstack::chaos
