#pragma once

#include <string_view>

namespace flowstack {

// The release that this program was compiled from, as CMakeLists.txt has it: "0.1.0".
std::string_view version();

}  // namespace flowstack
