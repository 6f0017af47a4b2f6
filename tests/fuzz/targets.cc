#include "tests/fuzz/fuzz.h"

namespace flowstack::fuzz {

std::vector<Target>& targets() {
    static std::vector<Target> all;
    return all;
}

}  // namespace flowstack::fuzz
