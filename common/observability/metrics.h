#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

// Numbers for Prometheus. Handles are pointers into the registry: copy them freely, keep them in
// members (looking one up by name takes a lock), never let them outlive it. All of it thread-safe.
//
// Names: flowstack_<area>_<what>_<unit>[_total]; seconds and bytes, never milliseconds.
// Labels have few values: a lane, a status, a state; never a tenant, a customer, an id or a text.
namespace flowstack::metrics {

using Labels = std::map<std::string, std::string>;

class Counter {
public:
    void add(double amount = 1) const;
    double value() const;

private:
    friend class Registry;
    explicit Counter(prometheus::Counter& counter) : counter_(&counter) {}
    prometheus::Counter* counter_;
};

class Gauge {
public:
    void set(double value) const;
    void add(double amount) const;
    double value() const;

private:
    friend class Registry;
    explicit Gauge(prometheus::Gauge& gauge) : gauge_(&gauge) {}
    prometheus::Gauge* gauge_;
};

class Histogram {
public:
    void observe(double value) const;

private:
    friend class Registry;
    explicit Histogram(prometheus::Histogram& histogram) : histogram_(&histogram) {}
    prometheus::Histogram* histogram_;
};

// Upper bounds in seconds, 1 ms to 30 s.
std::vector<double> latency_buckets();

class Registry {
public:
    Registry();
    ~Registry();
    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;

    // The same name and labels give the same number again. Throws std::invalid_argument for a name
    // that Prometheus does not allow or that is already of another kind.
    Counter counter(const std::string& name, const std::string& help, const Labels& labels = {});
    Gauge gauge(const std::string& name, const std::string& help, const Labels& labels = {});
    Histogram histogram(const std::string& name, const std::string& help, const Labels& labels = {},
                        const std::vector<double>& buckets = latency_buckets());

    // Called before each rendering, on the thread of the scrape: sets gauges from what is in
    // memory. Must not block.
    void before_scrape(std::function<void()> update);

    // Prometheus text format 0.0.4.
    std::string render() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace flowstack::metrics
