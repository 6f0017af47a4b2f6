#include "common/core/ids.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

namespace flowstack {

void IdSource::draw(std::uint8_t* into, std::size_t count) {
    if (pool_left_ < count) {
        // Up to 256 bytes come whole or not at all, unless a signal arrives before the kernel's
        // generator is ready.
        ssize_t got = 0;
        do {
            got = ::getrandom(pool_.data(), pool_.size(), 0);
        } while (got < 0 && errno == EINTR);
        if (got != static_cast<ssize_t>(pool_.size())) {
            throw std::runtime_error("the kernel gave no random bytes for an id");
        }
        pool_left_ = pool_.size();
    }
    const auto end = pool_.begin() + static_cast<std::ptrdiff_t>(pool_left_);
    std::copy(end - static_cast<std::ptrdiff_t>(count), end, into);
    pool_left_ -= count;
}

Uuid IdSource::next() {
    const Time now = clock_.now();
    const std::lock_guard lock(mutex_);
    std::array<std::uint8_t, 10> random{};
    draw(random.data(), random.size());
    Uuid id = uuid_v7(now, random);
    if (id <= last_) {
        // Same millisecond, or the clock went back: step on from the last id by a random distance,
        // so that its neighbours cannot be guessed. The step is below 2^32, the room is 2^62.
        id = last_;
        std::uint64_t carry = 1 + (std::uint64_t{random[0]} << 24 | std::uint64_t{random[1]} << 16 |
                                   std::uint64_t{random[2]} << 8 | std::uint64_t{random[3]});
        for (std::size_t i = 15; i > 8 && carry != 0; --i) {
            carry += id.bytes[i];
            id.bytes[i] = static_cast<std::uint8_t>(carry);
            carry >>= 8;
        }
        const auto top = (id.bytes[8] & 0x3fu) + carry;
        if (top <= 0x3f) {
            id.bytes[8] = static_cast<std::uint8_t>(0x80 | top);
        } else {  // 62 bits used up: borrow the next millisecond
            id = uuid_v7(time_of(last_) + std::chrono::milliseconds{1}, random);
        }
    }
    last_ = id;
    return id;
}

}  // namespace flowstack
