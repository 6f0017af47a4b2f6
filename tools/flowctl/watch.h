#pragma once

#include <chrono>
#include <functional>

#include "tools/flowctl/context.h"

namespace flowstack::flowctl {

inline constexpr std::chrono::seconds kWatchEvery{2};

// Runs a command that only reads, again and again, until Ctrl-C. On a terminal the screen is drawn
// anew each time. Elsewhere the answer is appended when it differs from the one before; of jsonl
// only the lines that are new or changed. When the first time fails, it ends with that code; a
// service that cannot be reached later is named and tried again.
int watched(Format format, const std::function<int()>& run, std::chrono::seconds every);

}  // namespace flowstack::flowctl
