#include "services/gateway/adapters/dead_letters.h"

#include "flowstack/gateway/v1/message_events.pb.h"

namespace flowstack::gateway {
namespace {

metrics::Counter dead_letters(metrics::Registry& metrics, const char* kind) {
    return metrics.counter("flowstack_gateway_dead_letters_total",
                           "messages that came to wait for a person", {{"kind", kind}});
}

}  // namespace

DeadLetters::DeadLetters(metrics::Registry& metrics)
    : failed_(dead_letters(metrics, "failed")), unknown_(dead_letters(metrics, "unknown")) {}

void DeadLetters::count(const eventlog::Recorded& event) const {
    if (event.service != "gateway") return;
    if (event.type == v1::SendUnknown::descriptor()->full_name()) return unknown_.add();
    if (event.type != v1::SendFailed::descriptor()->full_name()) return;
    v1::SendFailed failed;
    if (failed.ParseFromString(event.payload) && failed.retry_at_us() == 0) failed_.add();
}

}  // namespace flowstack::gateway
