#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "flowstack/common/v1/event_log.pb.h"
#include "tools/flowctl/context.h"

// How the lanes of all services are: who works on them, how far they are published and consumed.
namespace flowstack::flowctl {

// What a service says about its lanes, from its database: the same whichever replica answers.
struct ServiceLanes {
    bool answered = false;
    std::string why_not{};
    common::v1::LaneStatusResponse status{};
};
using AllLanes = std::map<std::string, ServiceLanes>;

// Asks every service; one that does not answer says why.
AllLanes lanes_of_all(Context& context);

// How far one service is in one lane of a log that it reads.
struct Progress {
    std::string consumer;
    std::string source;
    int lane = 0;
    std::string owner;  // the consumer's replica that works on the lane; empty: nobody yet
    std::int64_t applied = 0;
    std::int64_t head = -1;  // -1: the source does not answer
    std::int64_t parked = 0;

    std::int64_t behind() const { return head < 0 || head < applied ? 0 : head - applied; }
};
std::vector<Progress> progress_of(const AllLanes& all);

}  // namespace flowstack::flowctl
