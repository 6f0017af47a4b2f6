#pragma once

#include <optional>

#include "common/eventlog/turn.h"

namespace flowstack::payment::v1 {
class Invoice;
class Order;
class Payment;
class Refund;
class Posting;
class TrialBalanceLine;
}  // namespace flowstack::payment::v1

// Read models: pure functions (resource, event) → resource, and the documents that lists read.
//
//   kind      id                        parent       state
//   order     order id                  customer     UNPAID | PAID | PARTIALLY_REFUNDED | REFUNDED
//   invoice   invoice id                customer     DRAFT | ISSUED | PAID | VOID
//   payment   intent id                 customer     INITIATED | PENDING | PAID | FAILED | EXPIRED
//   payment_for_person                  the same, while a person is needed; sorted by since when
//   refund    refund id                 customer     OPEN | DONE | GIVEN_UP
//   journal   transaction id            reference    –
//   balance   lane/account/currency     –            –          summed when read
namespace flowstack::payment {

namespace document {
inline constexpr const char* kOrder = "order";
inline constexpr const char* kInvoice = "invoice";
inline constexpr const char* kPayment = "payment";
inline constexpr const char* kPaymentForPerson = "payment_for_person";
inline constexpr const char* kRefund = "refund";
inline constexpr const char* kJournal = "journal";
inline constexpr const char* kBalance = "balance";
}  // namespace document

// The line of the posting's account and currency, with the posting.
void add(v1::TrialBalanceLine& line, const v1::Posting& posting);

// Each changes `resource` by an event of its own stream; events that it does not show change only
// the etag and the time. `with_evidence` also lists the event in the payment's evidence.
void apply(v1::Order& resource, const eventlog::Recorded& event);
void apply(v1::Invoice& resource, const eventlog::Recorded& event);
void apply(v1::Payment& resource, const eventlog::Recorded& event, bool with_evidence);
void apply(v1::Refund& resource, const eventlog::Recorded& event);

// The state as the document's column has it.
std::string state_of(const v1::Order& resource);
std::string state_of(const v1::Invoice& resource);
std::string state_of(const v1::Payment& resource);
std::string state_of(const v1::Refund& resource);

void project(const eventlog::Recorded& event, eventlog::Turn& turn);

}  // namespace flowstack::payment
