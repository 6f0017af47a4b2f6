#pragma once

#include <chrono>

// What a provider's refusal asks us to do. Source: Meta's error codes, docs/providers in the
// design (section 6 of the Cloud API sheet); codes that we do not know are not retried.
namespace flowstack::gateway {

enum class ErrorClass {
    backoff,         // B: try again with full jitter
    pair_backoff,    // P: this recipient only, after 4^x seconds
    wait,            // W: a condition must pass first, then try again
    never,           // N: nothing that we do helps
    needs_template,  // T: outside the service window
    suppress,        // S: the customer opted out of marketing
};

struct ErrorRule {
    ErrorClass error_class = ErrorClass::never;
    std::chrono::seconds wait{0};  // for `wait`: how long before the next try
    bool pauses_channel = false;   // nobody's message can leave until a person has acted
    bool trips_breaker = false;    // the provider is ill, not the message
};

// 0 stands for a refusal without a code.
ErrorRule rule_for(int error_code);

}  // namespace flowstack::gateway
