#include "services/payment/adapters/projections.h"

#include <functional>
#include <map>

#include "common/eventlog/payload.h"
#include "common/rpc/resource_name.h"
#include "common/rpc/timestamp.h"
#include "common/service/documents.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/invoice_events.pb.h"
#include "flowstack/payment/v1/invoice_service.pb.h"
#include "flowstack/payment/v1/ledger_service.pb.h"
#include "flowstack/payment/v1/order_events.pb.h"
#include "flowstack/payment/v1/order_service.pb.h"
#include "flowstack/payment/v1/payment_service.pb.h"
#include "flowstack/payment/v1/refund_events.pb.h"
#include "flowstack/payment/v1/refund_service.pb.h"
#include "services/payment/adapters/streams.h"

namespace flowstack::payment {
namespace {

using eventlog::is;
using eventlog::parsed;
using eventlog::Recorded;

void set(google::protobuf::Timestamp* out, Time at) { rpc::set_time(*out, at); }
void set(google::protobuf::Timestamp* out, std::int64_t micros) {
    set(out, from_unix_micros(micros));
}

std::string name(const Recorded& event, const char* collection, const std::string& id) {
    return id.empty() ? "" : rpc::resource_name(event.stream.tenant, collection, id);
}

template <class From, class To>
void copy_totals(const From& from, To& to) {
    *to.mutable_lines() = from.lines();
    *to.mutable_subtotal() = from.subtotal();
    *to.mutable_tax() = from.tax();
    *to.mutable_rounding() = from.rounding();
    *to.mutable_total() = from.total();
}

void add_evidence(v1::Payment& payment, const Recorded& event, const char* kind,
                  const std::string& detail) {
    auto* e = payment.add_evidence();
    e->set_kind(kind);
    e->set_detail(detail);
    set(e->mutable_time(), event.recorded_at);
}

// One event as a line of the payment's evidence.
struct Line {
    const char* kind;
    std::string detail;
};

Line created(v1::Payment& p, const Recorded& event) {
    const auto e = parsed<v1::IntentCreated>(event);
    p.set_name(name(event, "payments", e.intent_id()));
    p.set_state(v1::PAYMENT_STATE_INITIATED);
    p.set_order(name(event, "orders", e.order_id()));
    p.set_invoice(name(event, "invoices", e.invoice_id()));
    p.set_customer_id(e.customer_id());
    p.set_conversation_id(e.conversation_id());
    p.set_provider(e.provider());
    *p.mutable_amount() = e.amount();
    p.set_reference(e.reference());
    p.set_phone(e.personal().phone());
    set(p.mutable_create_time(), event.recorded_at);
    set(p.mutable_expire_time(), e.expires_at_us());
    return {"created", ""};
}
void no_person_needed(v1::Payment& p) {
    p.set_needs_person(false);
    p.clear_person_reason();
    p.clear_needs_person_time();
}

Line ask_requested(v1::Payment& p, const Recorded& event) {
    p.set_phone(parsed<v1::AskRequested>(event).personal().phone());
    return {"ask_requested", ""};
}
Line ask_attempted(v1::Payment&, const Recorded& event) {
    return {"ask_attempted",
            "attempt " + std::to_string(parsed<v1::AskAttempted>(event).attempt())};
}
Line ask_accepted(v1::Payment& p, const Recorded& event) {
    const auto e = parsed<v1::AskAccepted>(event);
    p.set_state(v1::PAYMENT_STATE_PENDING);
    p.set_outcome_unknown(p.other_amount_seen());
    p.set_provider_reference(e.ref().id());
    // Queries can tell now, unless the evidence contradicts itself.
    if (!p.other_amount_seen()) no_person_needed(p);
    return {"ask_accepted", e.ref().id()};
}
Line link_issued(v1::Payment& p, const Recorded& event) {
    p.set_payment_link(parsed<v1::PaymentLinkIssued>(event).personal().url());
    return {"link_issued", ""};
}
Line ask_refused(v1::Payment& p, const Recorded& event) {
    const auto e = parsed<v1::AskRefused>(event);
    p.set_state(v1::PAYMENT_STATE_INITIATED);
    p.set_outcome_unknown(false);
    p.set_result_code(e.error_code());
    no_person_needed(p);
    return {"ask_refused", e.error_code() + " " + e.reason()};
}
Line ask_unknown(v1::Payment& p, const Recorded& event) {
    p.set_state(v1::PAYMENT_STATE_PENDING);
    p.set_outcome_unknown(true);
    return {"ask_unknown", parsed<v1::AskUnknown>(event).reason()};
}
Line needs_person(v1::Payment& p, const Recorded& event) {
    const auto e = parsed<v1::PaymentNeedsPerson>(event);
    p.set_needs_person(true);
    p.set_person_reason(e.reason());
    if (!p.has_needs_person_time()) set(p.mutable_needs_person_time(), event.recorded_at);
    return {"needs_person", e.reason() == v1::PERSON_NEEDED_REASON_CONTRADICTED
                                ? "evidence names another amount"
                                : "outcome unknown"};
}
Line resolved(v1::Payment& p, const Recorded& event) {
    const auto e = parsed<v1::PaymentResolved>(event);
    no_person_needed(p);
    p.set_resolved_by(e.resolved_by());
    p.set_resolution(e.personal().reason());
    return {"resolved", "by " + e.resolved_by() + ": " + e.personal().reason()};
}
Line callback_received(v1::Payment&, const Recorded&) { return {"callback", ""}; }
Line query_answered(v1::Payment&, const Recorded& event) {
    const auto e = parsed<v1::QueryAnswered>(event);
    return {"query", e.result_code() + " " + e.description()};
}
Line paid(v1::Payment& p, const Recorded& event) {
    const auto e = parsed<v1::IntentPaid>(event);
    p.set_state(v1::PAYMENT_STATE_PAID);
    p.set_outcome_unknown(false);
    if (!e.ref().id().empty()) p.set_provider_reference(e.ref().id());
    p.set_receipt(e.receipt());
    p.set_receipt_pending(e.receipt().empty());
    p.clear_payment_link();
    p.set_late(e.late());
    p.clear_result_code();
    p.clear_failure_reason();
    p.clear_failure_note();
    no_person_needed(p);
    set(p.mutable_paid_time(), event.recorded_at);
    return {"paid", "by " + e.evidence() + (e.receipt().empty() ? "" : ", receipt " + e.receipt())};
}
Line refund_owed(v1::Payment&, const Recorded& event) {
    const auto e = parsed<v1::RefundOwed>(event);
    return {"refund_owed", e.reason() == v1::REFUND_REASON_ORDER_CANCELLED
                               ? "the order was cancelled"
                               : "another payment had paid the order"};
}
// Amounts of one currency.
void add_up(common::v1::Money& sum, const common::v1::Money& amount) {
    sum.set_currency_code(amount.currency_code());
    sum.set_minor_units(sum.minor_units() + amount.minor_units());
}
std::string text_of(const common::v1::Money& amount) {
    const auto currency = parse_currency(amount.currency_code());
    return currency ? format_money({amount.minor_units(), *currency}) : "";
}
Line refund_opened(v1::Payment& p, const Recorded& event) {
    const auto e = parsed<v1::RefundOpened>(event);
    p.add_refunds(name(event, "refunds", e.refund_id()));
    return {"refund_opened", text_of(e.amount())};
}
Line refund_closed(v1::Payment& p, const Recorded& event) {
    const auto e = parsed<v1::RefundClosed>(event);
    if (e.done()) add_up(*p.mutable_refunded(), e.amount());
    return {"refund_closed", text_of(e.amount()) + (e.done() ? " went back" : " stays")};
}
Line failed(v1::Payment& p, const Recorded& event) {
    const auto e = parsed<v1::IntentFailed>(event);
    p.set_state(v1::PAYMENT_STATE_FAILED);
    p.clear_payment_link();
    p.set_outcome_unknown(false);
    p.set_result_code(e.result_code());
    p.set_failure_reason(e.reason());
    if (!e.ref().id().empty()) p.set_provider_reference(e.ref().id());
    p.set_failure_note(e.personal().note());
    no_person_needed(p);
    return {"failed", e.result_code() + " " + e.reason() +
                          (e.personal().note().empty() ? "" : ": " + e.personal().note())};
}
Line expired(v1::Payment& p, const Recorded&) {
    p.set_state(v1::PAYMENT_STATE_EXPIRED);
    p.clear_payment_link();
    return {"expired", ""};
}
Line receipt_learned(v1::Payment& p, const Recorded& event) {
    p.set_receipt(parsed<v1::ReceiptLearned>(event).receipt());
    p.set_receipt_pending(false);
    return {"receipt", p.receipt()};
}
Line quarantined(v1::Payment& p, const Recorded& event) {
    const auto e = parsed<v1::IntentQuarantined>(event);
    p.set_quarantined(p.quarantined() + 1);
    if (e.reason() == quarantine::kOtherAmount) {
        p.set_other_amount_seen(true);
        if (p.state() == v1::PAYMENT_STATE_PENDING) p.set_outcome_unknown(true);
    }
    return {"quarantined", e.reason() + ": " + e.detail()};
}

template <class Resource>
void put(eventlog::Turn& turn, const Recorded& event, const char* kind, const Resource& resource,
         const google::protobuf::Timestamp& sort_at) {
    eventlog::Document document;
    document.tenant = event.stream.tenant;
    document.kind = kind;
    document.id = event.stream.key;
    document.parent = resource.customer_id();
    document.state = state_of(resource);
    document.sort_at = rpc::time_of(sort_at);
    document.body = resource.SerializeAsString();
    turn.put(std::move(document));
}

// Payments that need a person are listed a second time under a kind of their own, oldest need last:
// they are few among many.
void list_for_person(eventlog::Turn& turn, const Recorded& event, const v1::Payment& payment,
                     bool waited) {
    if (payment.needs_person()) {
        put(turn, event, document::kPaymentForPerson, payment, payment.needs_person_time());
    } else if (waited) {
        eventlog::Document gone;
        gone.tenant = event.stream.tenant;
        gone.kind = document::kPaymentForPerson;
        gone.id = event.stream.key;
        gone.deleted = true;
        turn.put(std::move(gone));
    }
}

void add_to_balance(eventlog::Turn& turn, const Recorded& event, const v1::Posting& posting) {
    const auto id = std::to_string(event.lane) + "/" + posting.account() + "/" +
                    posting.amount().currency_code();
    auto line =
        service::document<v1::TrialBalanceLine>(turn, event.stream.tenant, document::kBalance, id);
    add(line, posting);
    eventlog::Document document;
    document.tenant = event.stream.tenant;
    document.kind = document::kBalance;
    document.id = id;
    document.sort_at = event.recorded_at;
    document.body = line.SerializeAsString();
    turn.put(std::move(document));
}

void project_journal(const Recorded& event, eventlog::Turn& turn) {
    const auto posted = parsed<v1::JournalPosted>(event);
    v1::JournalEntry entry;
    entry.set_transaction_id(posted.transaction_id());
    entry.set_cause(posted.cause());
    entry.set_reference(posted.reference());
    *entry.mutable_postings() = posted.postings();
    set(entry.mutable_time(), event.recorded_at);
    set(entry.mutable_occur_time(), event.occurred_at);
    eventlog::Document document;
    document.tenant = event.stream.tenant;
    document.kind = document::kJournal;
    document.id = posted.transaction_id();
    document.parent = posted.reference();
    document.sort_at = event.recorded_at;
    document.body = entry.SerializeAsString();
    turn.put(std::move(document));
    for (const auto& posting : posted.postings()) add_to_balance(turn, event, posting);
}

}  // namespace

void add(v1::TrialBalanceLine& line, const v1::Posting& posting) {
    const auto& currency = posting.amount().currency_code();
    line.set_account(posting.account());
    for (auto* money : {line.mutable_debits(), line.mutable_credits(), line.mutable_balance()})
        money->set_currency_code(currency);
    const auto amount = posting.amount().minor_units();
    auto* side = amount > 0 ? line.mutable_debits() : line.mutable_credits();
    side->set_minor_units(side->minor_units() + (amount > 0 ? amount : -amount));
    line.mutable_balance()->set_minor_units(line.balance().minor_units() + amount);
}

void apply(v1::Order& order, const Recorded& event) {
    if (is<v1::OrderPlaced>(event)) {
        const auto e = parsed<v1::OrderPlaced>(event);
        order.set_name(name(event, "orders", e.order_id()));
        order.set_number(e.number());
        order.set_state(v1::ORDER_STATE_DRAFT);
        order.set_payment_state(v1::ORDER_PAYMENT_STATE_UNPAID);
        order.set_customer_id(e.customer_id());
        order.set_conversation_id(e.conversation_id());
        order.set_channel_id(e.channel_id());
        order.set_reservation_id(e.reservation_id());
        copy_totals(e, order);
        order.set_language(e.language());
        order.set_customer_name(e.personal().name());
        order.set_delivery_address(e.personal().address());
        order.set_phone(e.personal().phone());
        order.set_invoice(name(event, "invoices", e.invoice_id()));
        set(order.mutable_create_time(), event.recorded_at);
    } else if (is<v1::OrderConfirmed>(event)) {
        order.set_state(v1::ORDER_STATE_CONFIRMED);
    } else if (is<v1::PaymentStarted>(event)) {
        order.add_payments(name(event, "payments", parsed<v1::PaymentStarted>(event).intent_id()));
    } else if (is<v1::OrderPaid>(event)) {
        order.set_payment_state(v1::ORDER_PAYMENT_STATE_PAID);
        set(order.mutable_paid_time(), event.recorded_at);
    } else if (is<v1::OrderAdvanced>(event)) {
        const auto e = parsed<v1::OrderAdvanced>(event);
        order.set_state(e.state());
        order.set_progress_note(e.personal().note());
        set(order.mutable_advance_time(), event.recorded_at);
    } else if (is<v1::OrderCancelled>(event)) {
        order.set_state(v1::ORDER_STATE_CANCELLED);
        order.set_cancel_reason(parsed<v1::OrderCancelled>(event).reason());
        set(order.mutable_advance_time(), event.recorded_at);
    } else if (is<v1::OrderRefunded>(event)) {
        const auto e = parsed<v1::OrderRefunded>(event);
        add_up(*order.mutable_refunded(), e.amount());
        order.set_payment_state(e.whole() ? v1::ORDER_PAYMENT_STATE_REFUNDED
                                          : v1::ORDER_PAYMENT_STATE_PARTIALLY_REFUNDED);
    }
    order.set_etag(std::to_string(event.version));
}

void apply(v1::Invoice& invoice, const Recorded& event) {
    if (is<v1::InvoiceDrafted>(event)) {
        const auto e = parsed<v1::InvoiceDrafted>(event);
        invoice.set_name(name(event, "invoices", e.invoice_id()));
        invoice.set_state(v1::INVOICE_STATE_DRAFT);
        invoice.set_order(name(event, "orders", e.order_id()));
        invoice.set_order_number(e.order_number());
        invoice.set_customer_id(e.customer_id());
        invoice.set_conversation_id(e.conversation_id());
        copy_totals(e, invoice);
        invoice.set_language(e.language());
        set(invoice.mutable_create_time(), event.recorded_at);
        set(invoice.mutable_due_time(), e.due_at_us());
    } else if (is<v1::InvoiceIssued>(event)) {
        invoice.set_number(parsed<v1::InvoiceIssued>(event).number());
        // Money may have been faster than the number.
        if (invoice.state() == v1::INVOICE_STATE_DRAFT)
            invoice.set_state(invoice.has_paid_time() ? v1::INVOICE_STATE_PAID
                                                      : v1::INVOICE_STATE_ISSUED);
        set(invoice.mutable_issue_time(), event.recorded_at);
    } else if (is<v1::InvoicePaid>(event)) {
        set(invoice.mutable_paid_time(), event.recorded_at);
        if (invoice.state() != v1::INVOICE_STATE_DRAFT) invoice.set_state(v1::INVOICE_STATE_PAID);
    } else if (is<v1::InvoiceOverdue>(event)) {
        invoice.set_state(v1::INVOICE_STATE_OVERDUE);
    } else if (is<v1::InvoiceCredited>(event)) {
        add_up(*invoice.mutable_credited(), parsed<v1::InvoiceCredited>(event).total());
    } else if (is<v1::InvoiceVoided>(event)) {
        invoice.set_state(v1::INVOICE_STATE_VOID);
        invoice.set_void_reason(parsed<v1::InvoiceVoided>(event).reason());
    }
    invoice.set_etag(std::to_string(event.version));
}

void apply(v1::Payment& payment, const Recorded& event, bool with_evidence) {
    using Show = Line (*)(v1::Payment&, const Recorded&);
    static const std::map<std::string, Show> kShow{
        {v1::IntentCreated::descriptor()->full_name(), created},
        {v1::AskRequested::descriptor()->full_name(), ask_requested},
        {v1::AskAttempted::descriptor()->full_name(), ask_attempted},
        {v1::AskAccepted::descriptor()->full_name(), ask_accepted},
        {v1::PaymentLinkIssued::descriptor()->full_name(), link_issued},
        {v1::AskRefused::descriptor()->full_name(), ask_refused},
        {v1::AskUnknown::descriptor()->full_name(), ask_unknown},
        {v1::PaymentNeedsPerson::descriptor()->full_name(), needs_person},
        {v1::PaymentResolved::descriptor()->full_name(), resolved},
        {v1::CallbackReceived::descriptor()->full_name(), callback_received},
        {v1::QueryAnswered::descriptor()->full_name(), query_answered},
        {v1::IntentPaid::descriptor()->full_name(), paid},
        {v1::RefundOwed::descriptor()->full_name(), refund_owed},
        {v1::RefundOpened::descriptor()->full_name(), refund_opened},
        {v1::RefundClosed::descriptor()->full_name(), refund_closed},
        {v1::IntentFailed::descriptor()->full_name(), failed},
        {v1::IntentExpired::descriptor()->full_name(), expired},
        {v1::ReceiptLearned::descriptor()->full_name(), receipt_learned},
        {v1::IntentQuarantined::descriptor()->full_name(), quarantined},
    };
    if (const auto found = kShow.find(event.type); found != kShow.end()) {
        const auto line = found->second(payment, event);
        if (with_evidence) add_evidence(payment, event, line.kind, line.detail);
    }
    set(payment.mutable_update_time(), event.recorded_at);
    payment.set_etag(std::to_string(event.version));
}

void apply(v1::Refund& refund, const Recorded& event) {
    if (is<v1::RefundRequested>(event)) {
        const auto e = parsed<v1::RefundRequested>(event);
        refund.set_name(name(event, "refunds", e.refund_id()));
        refund.set_state(v1::REFUND_STATE_OPEN);
        refund.set_payment(name(event, "payments", e.intent_id()));
        refund.set_order(name(event, "orders", e.order_id()));
        refund.set_order_number(e.order_number());
        refund.set_invoice(name(event, "invoices", e.invoice_id()));
        refund.set_customer_id(e.customer_id());
        refund.set_conversation_id(e.conversation_id());
        refund.set_provider(e.provider());
        *refund.mutable_amount() = e.amount();
        refund.set_reason(e.personal().reason());
        refund.set_phone(e.personal().phone());
        refund.set_paid_receipt(e.paid_receipt());
        set(refund.mutable_create_time(), event.recorded_at);
    } else if (is<v1::RefundDone>(event)) {
        refund.set_state(v1::REFUND_STATE_DONE);
        refund.set_receipt(parsed<v1::RefundDone>(event).receipt());
        set(refund.mutable_end_time(), event.recorded_at);
    } else if (is<v1::RefundGivenUp>(event)) {
        refund.set_state(v1::REFUND_STATE_GIVEN_UP);
        refund.set_cancel_reason(parsed<v1::RefundGivenUp>(event).personal().reason());
        set(refund.mutable_end_time(), event.recorded_at);
    } else if (is<v1::CreditNoteIssued>(event)) {
        refund.set_credit_note(parsed<v1::CreditNoteIssued>(event).number());
    }
    refund.set_etag(std::to_string(event.version));
}

std::string state_of(const v1::Order& order) {
    return v1::OrderPaymentState_Name(order.payment_state())
        .substr(std::string("ORDER_PAYMENT_STATE_").size());
}
std::string state_of(const v1::Refund& refund) {
    return v1::RefundState_Name(refund.state()).substr(std::string("REFUND_STATE_").size());
}
std::string state_of(const v1::Invoice& invoice) {
    return v1::InvoiceState_Name(invoice.state()).substr(std::string("INVOICE_STATE_").size());
}
std::string state_of(const v1::Payment& payment) {
    return v1::PaymentState_Name(payment.state()).substr(std::string("PAYMENT_STATE_").size());
}

void project(const Recorded& event, eventlog::Turn& turn) {
    if (event.service != "payment") return;
    if (is<v1::JournalPosted>(event)) project_journal(event, turn);
    if (event.stream.category == category::kOrder) {
        auto order = service::own_document<v1::Order>(turn, document::kOrder);
        apply(order, event);
        put(turn, event, document::kOrder, order, order.create_time());
    } else if (event.stream.category == category::kInvoice) {
        auto invoice = service::own_document<v1::Invoice>(turn, document::kInvoice);
        apply(invoice, event);
        put(turn, event, document::kInvoice, invoice, invoice.create_time());
    } else if (event.stream.category == category::kIntent) {
        auto payment = service::own_document<v1::Payment>(turn, document::kPayment);
        const bool waited = payment.needs_person();
        apply(payment, event, false);
        put(turn, event, document::kPayment, payment, payment.create_time());
        list_for_person(turn, event, payment, waited);
    } else if (event.stream.category == category::kRefund) {
        auto refund = service::own_document<v1::Refund>(turn, document::kRefund);
        apply(refund, event);
        put(turn, event, document::kRefund, refund, refund.create_time());
    }
}

}  // namespace flowstack::payment
