#pragma once

#include <chrono>
#include <string>

#include "services/gateway/domain/message.h"
#include "services/gateway/providers/provider.h"

namespace flowstack::gateway {

struct DispatcherOptions {
    std::string replica;
    RetryPolicy policy;
    std::chrono::milliseconds poll_interval{
        10};  // while others may queue here, see eventlog::Owners
    std::chrono::milliseconds attempt_start_max{2'000};
    std::chrono::milliseconds send_timeout{10'000};
    std::chrono::milliseconds held_retry_after{1'000};  // a held row is looked at again
    std::chrono::milliseconds window_margin{300'000};
    int in_flight_max = 64;            // calls of one channel
    int queued_in_memory_max = 1'024;  // rows of one channel and priority
    int breaker_failures = 5;
    std::chrono::milliseconds breaker_open_for{5'000};
    std::chrono::milliseconds breaker_open_for_max{60'000};
    int read_threads = 4;
    const MediaFiles* files = nullptr;  // the tenants', for messages that name one; null: none
};

}  // namespace flowstack::gateway
