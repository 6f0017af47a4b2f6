#pragma once

#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

namespace flowstack::eventlog {

struct QueueLimits {
    std::size_t records;
    std::size_t bytes;
};

// Records that wait for a reader, never more of them and never larger together than the limits.
// Not thread-safe.
template <class Record>
class BoundedQueue {
public:
    explicit BoundedQueue(QueueLimits limits) : limits_(limits) {}

    // False when there is no room; nothing is kept then.
    bool push(Record record, std::size_t bytes) {
        if (waiting_.size() >= limits_.records || bytes_ + bytes > limits_.bytes) return false;
        waiting_.emplace_back(std::move(record), bytes);
        bytes_ += bytes;
        return true;
    }
    bool empty() const { return waiting_.empty(); }
    std::size_t size() const { return waiting_.size(); }

    // The oldest records, within the limits of one batch; at least one when there is one.
    std::vector<Record> take(QueueLimits batch) {
        std::vector<Record> taken;
        std::size_t bytes = 0;
        while (!waiting_.empty() && taken.size() < batch.records) {
            auto& [record, size] = waiting_.front();
            if (!taken.empty() && bytes + size > batch.bytes) break;
            bytes += size;
            taken.push_back(std::move(record));
            waiting_.pop_front();
        }
        bytes_ -= bytes;
        return taken;
    }
    std::vector<Record> take_all() { return take(limits_); }

private:
    QueueLimits limits_;
    std::deque<std::pair<Record, std::size_t>> waiting_;
    std::size_t bytes_ = 0;
};

}  // namespace flowstack::eventlog
