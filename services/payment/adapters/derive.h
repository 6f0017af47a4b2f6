#pragma once

#include "common/eventlog/types.h"

// The side rows of this service's events: claims, work rows, settings changes. Knows only the
// event.
//
//   claims   (tenant, order_number)  an order's number
//            (platform, checkout)    a provider's checkout id
//            (platform, receipt)     a provider's receipt
//   work     push     ask the provider now, or again at a time     key = intent, ref = tenant
//            attempt  without an outcome by then it is unknown
//            poll     ask the provider what became of it
//            expiry   nobody paid in time. There is none while an outcome is unknown: only evidence
//                     ends that
//   settings provider_account
namespace flowstack::payment {

namespace work {
inline constexpr const char* kPush = "push";
inline constexpr const char* kAttempt = "attempt";
inline constexpr const char* kPoll = "poll";
inline constexpr const char* kExpiry = "expiry";
}  // namespace work

namespace claim {
inline constexpr const char* kOrderNumber = "order_number";
inline constexpr const char* kCheckout = "checkout";
inline constexpr const char* kReceipt = "receipt";
}  // namespace claim

void derive(const eventlog::StreamName& stream, int lane, const eventlog::NewEvent& event,
            eventlog::Derived& derived);

}  // namespace flowstack::payment
