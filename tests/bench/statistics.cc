#include "tests/bench/statistics.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace flowstack::bench {

Spread spread_of(std::vector<double> samples) {
    if (samples.empty()) throw std::invalid_argument("no sample");
    std::ranges::sort(samples);
    const auto middle = samples.size() / 2;
    const auto median =
        samples.size() % 2 == 1 ? samples[middle] : (samples[middle - 1] + samples[middle]) / 2;
    return {samples.front(), median, samples.back()};
}

double ratio_of(const std::vector<double>& ours, const std::vector<double>& theirs) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i)
        ratios.push_back(ours[i] / theirs[i]);
    return spread_of(std::move(ratios)).median;
}

void Latencies::add(const Latencies& more) {
    micros_.insert(micros_.end(), more.micros_.begin(), more.micros_.end());
}

double Latencies::quantile_ms(double share) const {
    if (micros_.empty()) return 0;
    auto sorted = micros_;
    const auto rank =
        static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
    const auto at = std::min(sorted.size() - 1, rank == 0 ? 0 : rank - 1);
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(at),
                     sorted.end());
    return static_cast<double>(sorted[at]) / 1000.0;
}

}  // namespace flowstack::bench
