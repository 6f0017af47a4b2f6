#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "common/core/clock.h"
#include "common/core/uuid.h"

namespace flowstack {

// New ids at the door, where something is seen for the first time. Behind the door ids are derived
// from their cause, so that a retry makes the same ones.
//
// Version 7 ids that strictly grow within one process, even when the clock stands still or steps
// back; two processes differ by at least 62 random bits a millisecond. Thread-safe.
class IdSource {
public:
    explicit IdSource(const Clock& clock) : clock_(clock) {}
    IdSource(const IdSource&) = delete;
    IdSource& operator=(const IdSource&) = delete;

    // Throws std::runtime_error if the machine has no randomness to give.
    Uuid next();

private:
    void draw(std::uint8_t* into, std::size_t count);

    const Clock& clock_;
    std::mutex mutex_;
    Uuid last_;
    std::array<std::uint8_t, 256> pool_{};  // the kernel is asked for many bytes at once
    std::size_t pool_left_ = 0;
};

}  // namespace flowstack
