#pragma once

#include "common/eventlog/types.h"

// The side rows of this service's events: claims, work rows, settings changes. Each follows from
// one event alone.
//
//   claims   (tenant, order_number)        an order's number
//            (platform, provider_reference) <provider>/<its id of an ask>
//            (platform, receipt)            <provider>/<its receipt>
//   work     ask      call the provider now, or again at a time     key = intent, ref = tenant
//            attempt  if the call has no outcome by then, it is unknown
//            unclear  if the outcome is still unknown then, a person is needed
//            poll     query the provider
//            expiry   nobody paid in time. No such row waits while an outcome is unknown: only
//                     evidence or a person ends that
//            overdue  the due date of an invoice has passed     key = invoice, ref = tenant
//   settings provider_account
namespace flowstack::payment {

namespace work {
inline constexpr const char* kAsk = "ask";
inline constexpr const char* kAttempt = "attempt";
inline constexpr const char* kPoll = "poll";
inline constexpr const char* kExpiry = "expiry";
inline constexpr const char* kUnclear = "unclear";
inline constexpr const char* kOverdue = "overdue";
}  // namespace work

namespace claim {
inline constexpr const char* kOrderNumber = "order_number";
inline constexpr const char* kReference = "provider_reference";
inline constexpr const char* kReceipt = "receipt";
}  // namespace claim

void derive(const eventlog::StreamName& stream, int lane, const eventlog::NewEvent& event,
            eventlog::Derived& derived);

}  // namespace flowstack::payment
