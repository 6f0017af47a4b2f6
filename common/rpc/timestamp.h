#pragma once

#include <google/protobuf/timestamp.pb.h>

#include "common/core/time.h"

// Times of the APIs: google.protobuf.Timestamp, to the microsecond.
namespace flowstack::rpc {

inline void set_time(google::protobuf::Timestamp& out, Time at) {
    const auto seconds = unix_seconds(at);
    out.set_seconds(seconds);
    out.set_nanos(static_cast<std::int32_t>(unix_micros(at) - seconds * 1'000'000) * 1000);
}

// Nanoseconds are cut off.
inline Time time_of(const google::protobuf::Timestamp& at) {
    return from_unix_seconds(at.seconds()) + Micros{at.nanos() / 1000};
}

}  // namespace flowstack::rpc
