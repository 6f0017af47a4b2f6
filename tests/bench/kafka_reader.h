#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

// Reads the load's events from a topic as any consumer would, and keeps when each came.
namespace flowstack::bench {

class KafkaReader {
public:
    // Numbers 0 .. count - 1, in transactions of `batch`. Begins at once, from the topic's start.
    KafkaReader(const std::string& brokers, const std::string& topic, int partitions,
                std::int64_t count, int batch);
    ~KafkaReader();

    // True when all have come; false when nothing new came for so long.
    bool wait_all(std::chrono::seconds patience);
    std::int64_t came() const { return came_; }
    std::int64_t twice() const { return twice_; }
    // Events that came after a later one of their key.
    std::int64_t disordered() const { return disordered_; }
    std::int64_t at(std::int64_t seq) const { return at_[static_cast<std::size_t>(seq)]; }
    std::int64_t first_at() const { return first_at_; }
    std::int64_t last_at() const { return last_at_; }

private:
    void read(const std::stop_token& stop);

    void* consumer_;
    int batch_;
    std::vector<std::int64_t> at_;
    std::vector<std::int64_t> last_of_key_;
    std::atomic<std::int64_t> came_{0}, twice_{0}, disordered_{0}, first_at_{0}, last_at_{0};
    std::jthread thread_;
};

}  // namespace flowstack::bench
