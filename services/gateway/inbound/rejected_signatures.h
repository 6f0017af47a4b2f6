#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "common/core/clock.h"
#include "common/core/ids.h"
#include "common/eventlog/store.h"

namespace flowstack::gateway {

// Webhooks with a wrong signature, counted by source and minute; a minute that is over becomes one
// log line and one event. Thread-safe.
class RejectedSignatures {
public:
    RejectedSignatures(eventlog::Store& store, IdSource& ids, const Clock& clock);
    ~RejectedSignatures() { stop(); }

    void count(const std::string& source);
    // Writes what is counted, and ends.
    void stop();

private:
    void watch();
    void write(bool all);

    eventlog::Store& store_;
    IdSource& ids_;
    const Clock& clock_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::map<std::pair<std::string, std::int64_t>, std::int64_t> counts_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace flowstack::gateway
