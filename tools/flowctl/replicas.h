#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/core/time.h"
#include "tools/flowctl/context.h"

// What the admin doors of all replicas say: ready or not, and their metrics.
namespace flowstack::flowctl {

struct Sample {
    std::map<std::string, std::string> labels;
    double value = 0;
};
using Samples = std::multimap<std::string, Sample>;

// Prometheus' text form, as far as our own services write it: name{label="value",…} number.
Samples parse_metrics(const std::string& text);
double sum_of(const Samples& samples, const std::string& name);

struct Replica {
    std::string service;
    int number = 0;
    std::string address;   // of its admin door
    int ready_status = 0;  // of /readyz; 0: no answer
    boost::json::value readiness;
    Samples samples;
    // Its clock minus ours, from the Date of its answer: good to a second and what the answer took.
    std::optional<Micros> clock_ahead;

    std::string name() const { return service + "-" + std::to_string(number); }
    bool answers() const { return ready_status != 0; }
};

// Asks every replica that <SERVICE>_<n>_ADMIN names. Throws UsageError when none is named.
std::vector<Replica> probe_all(Context& context);

// A check of /readyz that is not ok.
struct Complaint {
    std::string check;   // "kafka"
    std::string state;   // "degraded" | "failed"
    std::string detail;  // for people
};
std::vector<Complaint> complaints_of(const Replica& replica);

// "away", "not ready", "degraded" or "ready".
std::string state_of(const Replica& replica);

}  // namespace flowstack::flowctl
