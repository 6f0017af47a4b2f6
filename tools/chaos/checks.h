#pragma once

#include <string>
#include <vector>

#include "tools/chaos/facts.h"

// The independent checker: holds the sandbox's record against the logs.
namespace flowstack::chaos {

struct Check {
    std::string name;
    std::int64_t looked_at = 0;         // how many things: a check that saw nothing proves nothing
    std::vector<std::string> findings;  // what is wrong and where; empty = holds
    std::int64_t more = 0;              // findings beyond the first 20
};

// Every check, in a fixed order.
std::vector<Check> check_all(const Facts& facts);

// Two snapshots of the same read models: before and after they were made again from the logs.
Check compare_read_models(const Documents& before, const Documents& after);

// Messages whose outcome nobody knows: they may have arrived once, and are listed.
std::vector<std::string> unknown_messages(const Facts& facts);

// The message of a send's correlation id (`biz_opaque_callback_data`); empty when it has none.
std::string message_of_callback_data(const std::string& data);

// First 16 bytes of SHA-256 over the parts with a zero byte between them, as hex.
std::string short_hash(const std::vector<std::string>& parts);
int lane_of(const std::string& kind, const std::string& tenant, const std::string& key, int lanes);

}  // namespace flowstack::chaos
