#pragma once

#include <chrono>

namespace flowstack::gateway {

struct TemplateSyncOptions {
    std::chrono::milliseconds every{21'600'000};
    // How old a list may be at the provider: a request is judged by a list that was asked for so
    // much later.
    std::chrono::milliseconds list_lag{60'000};
    std::chrono::milliseconds timeout{8'000};  // of one call
};

}  // namespace flowstack::gateway
