#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "common/core/clock.h"
#include "common/eventlog/store.h"
#include "common/observability/metrics.h"

// Keeps the metrics of payments that need a person, by how long they have waited, and of those that
// are open, by state and age. Every replica counts all of them in the read model, so that no
// replica's end hides one.
namespace flowstack::payment {

class PersonWatch {
public:
    PersonWatch(eventlog::Store& store, const Clock& clock, metrics::Registry& metrics,
                std::chrono::milliseconds every);
    ~PersonWatch();

    void start();
    void stop();

    // Counts once.
    void look();

private:
    struct Open {
        metrics::Gauge under_five_minutes;
        metrics::Gauge under_an_hour;
        metrics::Gauge over_an_hour;
    };

    void loop();
    void count_open();

    eventlog::Store& store_;
    const Clock& clock_;
    std::chrono::milliseconds every_;
    metrics::Gauge under_an_hour_;
    metrics::Gauge under_a_day_;
    metrics::Gauge over_a_day_;
    std::map<std::string, Open> open_;  // by the document's state
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace flowstack::payment
