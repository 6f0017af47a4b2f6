#include "services/payment/adapters/codec.h"

#include <stdexcept>

#include "common/eventlog/fact.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/invoice_events.pb.h"
#include "flowstack/payment/v1/order_events.pb.h"
#include "flowstack/payment/v1/provider_account_events.pb.h"
#include "flowstack/payment/v1/refund_events.pb.h"

namespace flowstack::payment {

using eventlog::fact_of;
using eventlog::recorded_fact;
using eventlog::stored_fact;

constexpr auto wire_values(PersonNeeded) {
    return std::array{
        std::pair{PersonNeeded::outcome_unknown, v1::PERSON_NEEDED_REASON_OUTCOME_UNKNOWN},
        std::pair{PersonNeeded::contradicted, v1::PERSON_NEEDED_REASON_CONTRADICTED}};
}

constexpr auto wire_values(Resolution) {
    return std::array{std::pair{Resolution::paid, v1::PAYMENT_OUTCOME_PAID},
                      std::pair{Resolution::failed, v1::PAYMENT_OUTCOME_FAILED}};
}

// Confirmed is where an order begins: nobody advances to it.
constexpr auto wire_values(Progress) {
    return std::array{std::pair{Progress::processing, v1::ORDER_STATE_PROCESSING},
                      std::pair{Progress::shipped, v1::ORDER_STATE_SHIPPED},
                      std::pair{Progress::delivered, v1::ORDER_STATE_DELIVERED}};
}

constexpr auto wire_values(RefundReason) {
    return std::array{std::pair{RefundReason::order_paid, v1::REFUND_REASON_ORDER_PAID},
                      std::pair{RefundReason::order_cancelled, v1::REFUND_REASON_ORDER_CANCELLED}};
}

// ---- parts of facts

FLOWSTACK_FACT(OrderLine, v1::OrderLine) {
    FACT_FIELD(product_id);
    FACT_FIELD(product_name);
    FACT_FIELD(quantity);
    FACT_FIELD(unit_price);
    FACT_FIELD(line_total);
}
FLOWSTACK_FACT(Posting, v1::Posting) {
    FACT_FIELD(account);
    FACT_FIELD(amount);
}
FLOWSTACK_FACT(ProviderRef, v1::ProviderRef) {
    FACT_FIELD(provider);
    FACT_FIELD(id);
    FACT_FIELD(detail);
}

// What an order or an invoice adds up to: its fields stand in the message itself.
template <class FactOrConst, class WireOrConst>
void describe_totals(FactOrConst& fact, WireOrConst& message) {
    FACT_FIELD_AS(totals.subtotal, subtotal);
    FACT_FIELD_AS(totals.tax, tax);
    FACT_FIELD_AS(totals.rounding, rounding);
    FACT_FIELD_AS(totals.total, total);
}

// ---- orders, and payments without an order

FLOWSTACK_FACT(OrderPlaced, v1::OrderPlaced) {
    FACT_FIELD(order_id);
    FACT_FIELD(number);
    FACT_FIELD(customer_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(channel_id);
    FACT_FIELD(reservation_id);
    FACT_FIELD(lines);
    describe_totals(fact, message);
    FACT_FIELD(language);
    FACT_FIELD(invoice_id);
    FACT_PERSONAL_AS(buyer.name, name);
    FACT_PERSONAL_AS(buyer.address, address);
    FACT_PERSONAL_AS(buyer.phone, phone);
}
FLOWSTACK_FACT(OrderConfirmed, v1::OrderConfirmed) { FACT_FIELD(order_id); }
FLOWSTACK_FACT(PaymentStarted, v1::PaymentStarted) {
    FACT_FIELD(order_id);
    FACT_FIELD(intent_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(provider);
    FACT_FIELD(amount);
    FACT_FIELD(order_number);
}
FLOWSTACK_FACT(OrderPaid, v1::OrderPaid) {
    FACT_FIELD(order_id);
    FACT_FIELD(intent_id);
}
FLOWSTACK_FACT(OrderAdvanced, v1::OrderAdvanced) {
    FACT_FIELD(order_id);
    FACT_FIELD_AS(progress, state);
    FACT_FIELD(conversation_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(order_number);
    FACT_PERSONAL_AS(note, note);
}
FLOWSTACK_FACT(OrderCancelled, v1::OrderCancelled) {
    FACT_FIELD(order_id);
    FACT_FIELD(reason);
    FACT_FIELD(conversation_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(order_number);
    FACT_FIELD(sold_reservation_id);
}
FLOWSTACK_FACT(OrderRefunded, v1::OrderRefunded) {
    FACT_FIELD(order_id);
    FACT_FIELD(refund_id);
    FACT_FIELD(amount);
    FACT_FIELD(whole);
}
FLOWSTACK_FACT(CheckoutRefused, v1::CheckoutRefused) {
    FACT_FIELD(order_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(reservation_id);
    FACT_FIELD(reason);
    FACT_FIELD(detail);
    FACT_FIELD(retry);
}

// ---- invoices and the ledger

FLOWSTACK_FACT(InvoiceDrafted, v1::InvoiceDrafted) {
    FACT_FIELD(invoice_id);
    FACT_FIELD(order_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(year);
    FACT_FIELD(number_prefix);
    FACT_FIELD(lines);
    describe_totals(fact, message);
    FACT_FIELD(conversation_id);
    FACT_FIELD(order_number);
    FACT_TIME(due_at);
    FACT_FIELD(language);
}
FLOWSTACK_FACT(InvoiceIssued, v1::InvoiceIssued) {
    FACT_FIELD(invoice_id);
    FACT_FIELD(number);
    FACT_FIELD(order_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(order_number);
    FACT_FIELD(lines);
    describe_totals(fact, message);
    FACT_TIME(due_at);
}
FLOWSTACK_FACT(InvoicePaid, v1::InvoicePaid) {
    FACT_FIELD(invoice_id);
    FACT_FIELD(intent_id);
}
FLOWSTACK_FACT(InvoiceOverdue, v1::InvoiceOverdue) {
    FACT_FIELD(invoice_id);
    FACT_FIELD(order_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(order_number);
    FACT_FIELD(number);
    FACT_FIELD(total);
    FACT_TIME(due_at);
}
FLOWSTACK_FACT(InvoiceCredited, v1::InvoiceCredited) {
    FACT_FIELD(invoice_id);
    FACT_FIELD(refund_id);
    FACT_FIELD(customer_id);
    describe_totals(fact, message);
}
FLOWSTACK_FACT(InvoiceVoided, v1::InvoiceVoided) {
    FACT_FIELD(invoice_id);
    FACT_FIELD(reason);
}
FLOWSTACK_FACT(NumberAssigned, v1::NumberAssigned) {
    FACT_FIELD(invoice_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(year);
}
FLOWSTACK_FACT(JournalPosted, v1::JournalPosted) {
    FACT_FIELD(transaction_id);
    FACT_FIELD(cause);
    FACT_FIELD(reference);
    FACT_FIELD(postings);
}

// ---- intents

FLOWSTACK_FACT(IntentCreated, v1::IntentCreated) {
    FACT_FIELD(intent_id);
    FACT_FIELD(order_id);
    FACT_FIELD(invoice_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(provider);
    FACT_FIELD(amount);
    FACT_FIELD(reference);
    FACT_TIME(expires_at);
    FACT_FIELD(ask_now);
    FACT_FIELD(reservation_id);
    FACT_FIELD(order_number);
    FACT_PERSONAL(phone);
}
FLOWSTACK_FACT(AskRequested, v1::AskRequested) { FACT_PERSONAL(phone); }
FLOWSTACK_FACT(AskAttempted, v1::AskAttempted) {
    FACT_FIELD(attempt);
    FACT_FIELD(replica);
    FACT_TIME(resolve_by);
}
FLOWSTACK_FACT(AskAccepted, v1::AskAccepted) {
    FACT_FIELD(ref);
    FACT_TIME(next_poll_at);
    FACT_TIME(expires_at);
}
FLOWSTACK_FACT(PaymentLinkIssued, v1::PaymentLinkIssued) {
    FACT_FIELD(intent_id);
    FACT_FIELD(order_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(provider);
    FACT_FIELD(amount);
    FACT_FIELD(order_number);
    FACT_PERSONAL(url);
}
FLOWSTACK_FACT(AskRefused, v1::AskRefused) {
    FACT_FIELD(error_code);
    FACT_FIELD(reason);
    FACT_TIME(retry_at);
    FACT_TIME(expires_at);
}
FLOWSTACK_FACT(AskUnknown, v1::AskUnknown) {
    FACT_FIELD(reason);
    FACT_TIME(unclear_at);
}
// The rules only need to know that one came. The door writes its bytes, as a RawCallback.
FLOWSTACK_FACT(CallbackReceived, v1::CallbackReceived) {
    if constexpr (std::is_const_v<FactOrConst>)
        throw std::logic_error("only the door writes callbacks");
}
FLOWSTACK_FACT(RawCallback, v1::CallbackReceived) {
    FACT_FIELD(body);
    FACT_FIELD(body_sha256);
    FACT_FIELD(source);
    FACT_FIELD(provider);
}
FLOWSTACK_FACT(UnmatchedCallback, v1::CallbackUnmatched) {
    FACT_FIELD(provider);
    FACT_FIELD(body);
    FACT_FIELD(body_sha256);
    FACT_FIELD(source);
    FACT_FIELD(reason);
}
FLOWSTACK_FACT(QueryAnswered, v1::QueryAnswered) {
    FACT_FIELD(result_code);
    FACT_FIELD(description);
    FACT_FIELD(is_final);
    FACT_TIME(next_poll_at);
}
FLOWSTACK_FACT(PaymentNeedsPerson, v1::PaymentNeedsPerson) {
    FACT_FIELD(intent_id);
    FACT_FIELD(order_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(reservation_id);
    FACT_FIELD(order_number);
    FACT_FIELD(amount);
    FACT_FIELD(reason);
    FACT_FIELD(provider);
}
FLOWSTACK_FACT(PaymentResolved, v1::PaymentResolved) {
    FACT_FIELD(intent_id);
    FACT_FIELD(order_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(outcome);
    FACT_FIELD(receipt);
    FACT_FIELD(amount);
    FACT_PERSONAL(reason);
    FACT_FIELD(resolved_by);
}
FLOWSTACK_FACT(IntentPaid, v1::IntentPaid) {
    FACT_FIELD(intent_id);
    FACT_FIELD(order_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(provider);
    FACT_FIELD(amount);
    FACT_FIELD(receipt);
    FACT_FIELD(ref);
    FACT_FIELD(evidence);
    FACT_FIELD(late);
    FACT_FIELD(second_success);
    FACT_FIELD(invoice_id);
    FACT_FIELD(order_number);
    FACT_FIELD(reservation_id);
}
FLOWSTACK_FACT(RefundOwed, v1::RefundOwed) {
    FACT_FIELD(intent_id);
    FACT_FIELD(order_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(order_number);
    FACT_FIELD(provider);
    FACT_FIELD(receipt);
    FACT_FIELD(amount);
    FACT_FIELD(reason);
}
FLOWSTACK_FACT(RefundOpened, v1::RefundOpened) {
    FACT_FIELD(refund_id);
    FACT_FIELD(amount);
}
FLOWSTACK_FACT(RefundClosed, v1::RefundClosed) {
    FACT_FIELD(refund_id);
    FACT_FIELD(amount);
    FACT_FIELD(done);
}
FLOWSTACK_FACT(IntentFailed, v1::IntentFailed) {
    FACT_FIELD(intent_id);
    FACT_FIELD(order_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(result_code);
    FACT_FIELD(reason);
    FACT_FIELD(reservation_id);
    FACT_FIELD(ref);
    FACT_FIELD(was_asked);
    FACT_PERSONAL(note);
}
FLOWSTACK_FACT(IntentExpired, v1::IntentExpired) {
    FACT_FIELD(intent_id);
    FACT_FIELD(order_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(reservation_id);
    FACT_TIME(next_poll_at);
}
FLOWSTACK_FACT(ReceiptLearned, v1::ReceiptLearned) {
    FACT_FIELD(receipt);
    FACT_FIELD(intent_id);
    FACT_FIELD(order_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(amount);
    FACT_FIELD(order_number);
    FACT_FIELD(second_success);
    FACT_FIELD(provider);
}
FLOWSTACK_FACT(IntentQuarantined, v1::IntentQuarantined) {
    FACT_FIELD(reason);
    FACT_FIELD(detail);
}

// ---- refunds

FLOWSTACK_FACT(RefundRequested, v1::RefundRequested) {
    FACT_FIELD(refund_id);
    FACT_FIELD(intent_id);
    FACT_FIELD(order_id);
    FACT_FIELD(invoice_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(order_number);
    FACT_FIELD(provider);
    FACT_FIELD(paid_receipt);
    FACT_FIELD(amount);
    FACT_PERSONAL(reason);
    FACT_PERSONAL(phone);
}
FLOWSTACK_FACT(RefundDone, v1::RefundDone) {
    FACT_FIELD(refund_id);
    FACT_FIELD(intent_id);
    FACT_FIELD(order_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(order_number);
    FACT_FIELD(provider);
    FACT_FIELD(amount);
    FACT_FIELD(receipt);
}
FLOWSTACK_FACT(RefundGivenUp, v1::RefundGivenUp) {
    FACT_FIELD(refund_id);
    FACT_PERSONAL(reason);
}
FLOWSTACK_FACT(CreditNoteIssued, v1::CreditNoteIssued) {
    FACT_FIELD(refund_id);
    FACT_FIELD(number);
}
FLOWSTACK_FACT(CreditNoteNumberAssigned, v1::CreditNoteNumberAssigned) {
    FACT_FIELD(refund_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(year);
}

// ---- accounts with providers

FLOWSTACK_FACT(SealedAccount, v1::ProviderAccountConnected) {
    FACT_FIELD(provider);
    FACT_FIELD(account);
    FACT_FIELD(details);
    FACT_FIELD(sealed_credentials);
}

eventlog::NewEvent encode(const OrderEvent& event, Time at) { return stored_fact(event, at); }
eventlog::NewEvent encode(const InvoiceEvent& event, Time at) { return stored_fact(event, at); }
eventlog::NewEvent encode(const IntentEvent& event, Time at) { return stored_fact(event, at); }
eventlog::NewEvent encode(const RefundEvent& event, Time at) { return stored_fact(event, at); }
eventlog::NewEvent encode(const CheckoutRefused& event, Time at) { return stored_fact(event, at); }
eventlog::NewEvent encode(const CreditNoteNumberAssigned& event, Time at) {
    return stored_fact(event, at);
}
eventlog::NewEvent encode(const NumberAssigned& event, Time at) { return stored_fact(event, at); }
eventlog::NewEvent encode(const RawCallback& event, Time at) { return stored_fact(event, at); }
eventlog::NewEvent encode(const UnmatchedCallback& event, Time at) {
    return stored_fact(event, at);
}
eventlog::NewEvent encode(const SealedAccount& event, Time at) { return stored_fact(event, at); }

NumberAssigned decode_number_assigned(const std::string& payload) {
    return fact_of<NumberAssigned>(payload);
}
CreditNoteNumberAssigned decode_credit_note_number(const std::string& payload) {
    return fact_of<CreditNoteNumberAssigned>(payload);
}
InvoiceDrafted decode_invoice_drafted(const std::string& payload) {
    return fact_of<InvoiceDrafted>(payload);
}
RawCallback decode_callback(const std::string& payload) { return fact_of<RawCallback>(payload); }

Order OrderCodec::evolve(Order order, const std::string& type, const std::string& payload, Time) {
    return payment::evolve(order, recorded_fact<OrderEvent>("order", type, payload));
}
Invoice InvoiceCodec::evolve(Invoice invoice, const std::string& type, const std::string& payload,
                             Time) {
    return payment::evolve(invoice, recorded_fact<InvoiceEvent>("invoice", type, payload));
}
Intent IntentCodec::evolve(Intent intent, const std::string& type, const std::string& payload,
                           Time) {
    return payment::evolve(intent, recorded_fact<IntentEvent>("intent", type, payload));
}
Refund RefundCodec::evolve(Refund refund, const std::string& type, const std::string& payload,
                           Time) {
    return payment::evolve(refund, recorded_fact<RefundEvent>("refund", type, payload));
}
AccountCodec::State AccountCodec::evolve(State, const std::string& type, const std::string& payload,
                                         Time) {
    if (!eventlog::is<v1::ProviderAccountConnected>(type))
        throw CorruptStream("provider_account: unknown event " + type);
    return fact_of<SealedAccount>(payload);
}

}  // namespace flowstack::payment
