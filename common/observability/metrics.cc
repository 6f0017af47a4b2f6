#include "common/observability/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>

namespace flowstack::metrics {

void Counter::add(double amount) const { counter_->Increment(amount); }
double Counter::value() const { return counter_->Value(); }
void Gauge::set(double value) const { gauge_->Set(value); }
void Gauge::add(double amount) const { gauge_->Increment(amount); }
double Gauge::value() const { return gauge_->Value(); }
void Histogram::observe(double value) const { histogram_->Observe(value); }

std::vector<double> latency_buckets() {
    return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
}

struct Registry::Impl {
    // Merge: asking again for a family of the same name and kind answers the first one.
    prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
    std::mutex mutex;
    std::vector<std::function<void()>> updates;  // under `mutex`
};

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

Counter Registry::counter(const std::string& name, const std::string& help, const Labels& labels) {
    return Counter{
        prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry).Add(labels)};
}

Gauge Registry::gauge(const std::string& name, const std::string& help, const Labels& labels) {
    return Gauge{
        prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry).Add(labels)};
}

Histogram Registry::histogram(const std::string& name, const std::string& help,
                              const Labels& labels, const std::vector<double>& buckets) {
    return Histogram{prometheus::BuildHistogram()
                         .Name(name)
                         .Help(help)
                         .Register(impl_->registry)
                         .Add(labels, buckets)};
}

void Registry::before_scrape(std::function<void()> update) {
    const std::lock_guard lock(impl_->mutex);
    impl_->updates.push_back(std::move(update));
}

std::string Registry::render() const {
    std::vector<std::function<void()>> updates;
    {
        const std::lock_guard lock(impl_->mutex);
        updates = impl_->updates;
    }
    for (const auto& update : updates) update();
    return prometheus::TextSerializer{}.Serialize(impl_->registry.Collect());
}

}  // namespace flowstack::metrics
