#include "common/core/number_ranges.h"

namespace flowstack {

std::string number_ranges(const std::vector<int>& sorted) {
    std::string text;
    for (std::size_t i = 0; i < sorted.size();) {
        auto last = i;
        while (last + 1 < sorted.size() && sorted[last + 1] == sorted[last] + 1) ++last;
        text += (text.empty() ? "" : ",") + std::to_string(sorted[i]);
        if (last > i) text += "-" + std::to_string(sorted[last]);
        i = last + 1;
    }
    return text;
}

}  // namespace flowstack
