#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/eventlog/types.h"
#include "tests/bench/machine.h"

// Numbered events of 300 bytes that can be recognised wherever they come out.
namespace flowstack::bench {

inline constexpr std::size_t kLoadBytes = 300;
inline constexpr int kLoadKeys = 1000;

std::string load_payload(std::int64_t seq);
// The number of the event whose payload is somewhere in these bytes; -1 if there is none.
std::int64_t load_seq(std::string_view bytes);
// Events of one transaction have one key, so order can be told for each key.
inline int load_key(std::int64_t seq, int batch) {
    return static_cast<int>(seq / batch % kLoadKeys);
}
// Events seq .. seq + batch - 1 as one command.
eventlog::Command load_command(std::int64_t seq, int batch);

// Calls `write(seq)` for every `batch` numbers, `rate` numbers a second, never ahead of time.
void pace(int rate, int batch, std::int64_t first, std::int64_t count,
          const std::function<void(std::int64_t)>& write);

// One time for each number, in a file that two processes share. 0 = not yet.
class Timeline {
public:
    Timeline(const std::string& path, std::int64_t count);
    ~Timeline();
    Timeline(const Timeline&) = delete;
    void set(std::int64_t seq, std::int64_t at_us) { times_[seq] = at_us; }
    std::int64_t at(std::int64_t seq) const { return times_[seq]; }

private:
    std::int64_t* times_;
    std::size_t bytes_;
};

}  // namespace flowstack::bench
