#pragma once

#include <atomic>
#include <cstdint>
#include <string>

// What the player of the customers tells the killer, which is another process: one page of a file
// that both map.
namespace flowstack::chaos {

struct Shared {
    // Work in flight: customers who wait for an answer, payments under way, broadcasts under way.
    std::atomic<std::int64_t> waiting{0};
    std::atomic<std::int64_t> paying{0};
    std::atomic<std::int64_t> broadcasting{0};
    // Set when the killer shall heal what it hurt and go.
    std::atomic<std::int64_t> stop{0};
};
static_assert(std::atomic<std::int64_t>::is_always_lock_free);

// Maps the file, which is made if it is not there. Throws std::runtime_error.
Shared& map_shared(const std::string& path);

// While it lives, one more.
class InFlight {
public:
    explicit InFlight(std::atomic<std::int64_t>& counter) : counter_(counter) { ++counter_; }
    ~InFlight() { --counter_; }
    InFlight(const InFlight&) = delete;
    InFlight& operator=(const InFlight&) = delete;

private:
    std::atomic<std::int64_t>& counter_;
};

}  // namespace flowstack::chaos
