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

metrics::Gauge open(metrics::Registry& metrics, const char* state, const char* age) {
    return metrics.gauge("flowstack_payment_open",
                         "payments whose payer was not asked yet (initiated) or has not answered "
                         "(pending), by their age",
                         {{"state", state}, {"age", age}});
}

}  // namespace

PersonWatch::PersonWatch(eventlog::Store& store, const Clock& clock, metrics::Registry& metrics,
                         std::chrono::milliseconds every)
    : store_(store),
      clock_(clock),
      every_(every),
      under_an_hour_(gauge(metrics, "under_1h")),
      under_a_day_(gauge(metrics, "1h_to_24h")),
      over_a_day_(gauge(metrics, "over_24h")) {
    for (const auto& [document, state] :
         {std::pair{"INITIATED", "initiated"}, std::pair{"PENDING", "pending"}})
        open_.emplace(document, Open{.under_five_minutes = open(metrics, state, "under_5m"),
                                     .under_an_hour = open(metrics, state, "5m_to_1h"),
                                     .over_an_hour = open(metrics, state, "over_1h")});
}

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
    count_open();
}

void PersonWatch::count_open() {
    const auto now = clock_.now();
    const auto result = store_.pool().with([&](postgres::Session& session) {
        return session.query(kOpenPayments.sql,
                             postgres::Params().add(Time(now - 5min)).add(Time(now - 1h)));
    });
    for (const auto& [state, gauges] : open_) {
        // A state that no payment is in has no row.
        int row = 0;
        while (row < result.rows() && result.text(row, 0) != state) ++row;
        const auto number = [&](int column) {
            return row < result.rows() ? static_cast<double>(result.int8(row, column)) : 0;
        };
        gauges.under_five_minutes.set(number(1));
        gauges.under_an_hour.set(number(2));
        gauges.over_an_hour.set(number(3));
    }
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
