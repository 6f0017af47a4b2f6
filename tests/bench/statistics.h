#pragma once

#include <cstdint>
#include <vector>

// Numbers of a few rounds, and of many latencies. Pure.
namespace flowstack::bench {

struct Spread {
    double min = 0;
    double median = 0;
    double max = 0;
};

// Of at least one sample; std::invalid_argument for none. An even count has the mean of its middle.
Spread spread_of(std::vector<double> samples);

// How many times theirs is ours: the median of the rounds' own ratios, so that a machine that was
// slower in one round was slower for both. The shorter list decides how many rounds count.
double ratio_of(const std::vector<double>& ours, const std::vector<double>& theirs);

// Microseconds, kept one by one: a run has at most a few million.
class Latencies {
public:
    void add(std::int64_t micros) { micros_.push_back(micros); }
    void add(const Latencies& more);
    std::size_t count() const { return micros_.size(); }
    // The smallest value that at least this share of all is not above, in milliseconds. 0 of none.
    double quantile_ms(double share) const;

private:
    std::vector<std::int64_t> micros_;
};

}  // namespace flowstack::bench
