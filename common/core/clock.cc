#include "common/core/clock.h"

#include <chrono>

namespace flowstack {

Time SystemClock::now() const {
    return std::chrono::time_point_cast<Micros>(std::chrono::system_clock::now());
}

}  // namespace flowstack
