#pragma once

#include <string>
#include <vector>

namespace flowstack {

// Sorted numbers as people read them: {0, 1, 2, 5} is "0-2,5", and {} is "".
std::string number_ranges(const std::vector<int>& sorted);

}  // namespace flowstack
