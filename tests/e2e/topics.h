#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/e2e/stack.h"

// What lies on the bus, read by a consumer that is none of ours.
namespace flowstack::e2e {

struct TopicRecord {
    std::string_view topic;
    int lane = 0;
    std::string_view key;
    std::vector<std::pair<std::string_view, std::string_view>> headers;
    std::int64_t produced_ms = 0;  // Unix time at which its producer was given it

    std::string_view header(std::string_view name) const;
};

// Every record of these services' topics, up to their end as it is now. The views are valid within
// the call. Fails the test when a partition cannot be read to its end.
void read_topics(Stack& stack, const std::vector<std::string>& services,
                 const std::function<void(const TopicRecord&)>& take);

}  // namespace flowstack::e2e
