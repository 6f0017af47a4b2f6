#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/eventlog/turn.h"

// What the parts of Consumption hand to each other.
namespace flowstack::eventlog::consuming {

using Where = std::pair<std::string, int>;  // source, lane

// An event that is to be applied, or the reason why it cannot even be read.
struct Item {
    Recorded event;
    std::string undecodable{};
    std::string raw{};  // as the bus brought it; empty when it came from the source

    Where where() const { return {event.service, event.lane}; }
};

// Tenant and routing key: events of one key are applied in order, and parked together.
inline std::string key_of(const Recorded& event) {
    return event.stream.tenant + "/" + event.meta.routing.key;
}

// An event that is to be parked.
struct Park {
    const Item* item;
    std::string reason;
};

// What one try to apply a batch leads to.
struct Attempt {
    explicit Attempt(const DocumentCache* committed = nullptr) : pending(committed) {}

    Pending pending;
    std::map<Where, std::int64_t> moved;  // cursors, to this position
    std::vector<Park> parks;
    std::vector<const Item*> tails_lost;  // gaps that it steps over
};

}  // namespace flowstack::eventlog::consuming
