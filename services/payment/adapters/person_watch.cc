#include "services/payment/adapters/person_watch.h"

#include "common/observability/log.h"
#include "services/payment/loop_statements.h"

namespace flowstack::payment {
namespace {

using namespace std::chrono_literals;

metrics::Gauge gauge(metrics::Registry& metrics, const char* waited) {
    return metrics.gauge("flowstack_payment_needs_person",
                         "payments that only a person can end, by how long they have waited",
                         {{"waited", waited}});
}

}  // namespace

PersonWatch::PersonWatch(eventlog::Store& store, const Clock& clock, metrics::Registry& metrics,
                         std::chrono::milliseconds every)
    : store_(store),
      clock_(clock),
      every_(every),
      under_an_hour_(gauge(metrics, "under_1h")),
      under_a_day_(gauge(metrics, "1h_to_24h")),
      over_a_day_(gauge(metrics, "over_24h")) {}

PersonWatch::~PersonWatch() { stop(); }

void PersonWatch::start() {
    thread_ = std::thread([this] { loop(); });
}

void PersonWatch::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void PersonWatch::look() {
    const auto now = clock_.now();
    const auto result = store_.pool().with([&](postgres::Session& session) {
        return session.query(kPaymentsForPerson.sql,
                             postgres::Params().add(Time(now - 1h)).add(Time(now - 24h)));
    });
    under_an_hour_.set(static_cast<double>(result.int8(0, 0)));
    under_a_day_.set(static_cast<double>(result.int8(0, 1)));
    over_a_day_.set(static_cast<double>(result.int8(0, 2)));
}

void PersonWatch::loop() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        lock.unlock();
        try {
            look();
        } catch (const std::exception& error) {
            log::warn("payments that need a person could not be counted",
                      {{"error", error.what()}});
        }
        lock.lock();
        wake_.wait_for(lock, every_, [&] { return stopping_; });
    }
}

}  // namespace flowstack::payment
