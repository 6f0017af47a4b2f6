#include "services/payment/adapters/codec.h"

#include <stdexcept>

#include "common/core/corrupt_stream.h"
#include "common/core/overloaded.h"
#include "common/eventlog/payload.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/invoice_events.pb.h"
#include "flowstack/payment/v1/order_events.pb.h"
#include "flowstack/payment/v1/provider_account_events.pb.h"

namespace flowstack::payment {
namespace {

using eventlog::is;
using eventlog::parsed;
using eventlog::stored;

[[noreturn]] void unknown(const std::string& stream, const std::string& type) {
    throw CorruptStream(stream + ": unknown event " + type);
}

void set(common::v1::Money* out, Money money) {
    out->set_minor_units(money.minor_units);
    out->set_currency_code(std::string(currency_code(money.currency)));
}

Money money_of(const common::v1::Money& in) {
    const auto currency = parse_currency(in.currency_code());
    if (!currency) throw std::invalid_argument("unknown currency " + in.currency_code());
    return {in.minor_units(), *currency};
}

std::int64_t micros(const std::optional<Time>& at) { return at ? unix_micros(*at) : 0; }
std::optional<Time> optional_time(std::int64_t micros_since_1970) {
    if (micros_since_1970 == 0) return {};
    return from_unix_micros(micros_since_1970);
}

template <class Lines>
void set_lines(const Lines& lines, google::protobuf::RepeatedPtrField<v1::OrderLine>* out) {
    for (const auto& line : lines) {
        auto* l = out->Add();
        l->set_product_id(line.product_id);
        l->set_product_name(line.product_name);
        l->set_quantity(line.quantity);
        set(l->mutable_unit_price(), line.unit_price);
        set(l->mutable_line_total(), line.line_total);
    }
}

std::vector<OrderLine> lines_of(const google::protobuf::RepeatedPtrField<v1::OrderLine>& in) {
    std::vector<OrderLine> lines;
    for (const auto& l : in)
        lines.push_back({l.product_id(), l.product_name(), l.quantity(), money_of(l.unit_price()),
                         money_of(l.line_total())});
    return lines;
}

template <class Message>
void set_totals(Message& out, const Totals& totals) {
    set(out.mutable_subtotal(), totals.subtotal);
    set(out.mutable_tax(), totals.tax);
    set(out.mutable_rounding(), totals.rounding);
    set(out.mutable_total(), totals.total);
}

template <class Message>
Totals totals_of(const Message& in) {
    return {money_of(in.subtotal()), money_of(in.tax()), money_of(in.rounding()),
            money_of(in.total())};
}

// ---- orders and payments without an order

v1::PaymentStarted wire(const PaymentStarted& e) {
    v1::PaymentStarted m;
    m.set_order_id(e.order_id);
    m.set_intent_id(e.intent_id);
    m.set_conversation_id(e.conversation_id);
    m.set_customer_id(e.customer_id);
    m.set_provider(e.provider);
    set(m.mutable_amount(), e.amount);
    m.set_order_number(e.order_number);
    return m;
}
PaymentStarted payment_started(const std::string& payload) {
    const auto m = parsed<v1::PaymentStarted>(payload);
    return {.order_id = m.order_id(),
            .intent_id = m.intent_id(),
            .conversation_id = m.conversation_id(),
            .customer_id = m.customer_id(),
            .provider = m.provider(),
            .amount = money_of(m.amount()),
            .order_number = m.order_number()};
}

v1::OrderPlaced wire(const OrderPlaced& e) {
    v1::OrderPlaced m;
    m.set_order_id(e.order_id);
    m.set_number(e.number);
    m.set_customer_id(e.customer_id);
    m.set_conversation_id(e.conversation_id);
    m.set_channel_id(e.channel_id);
    m.set_reservation_id(e.reservation_id);
    set_lines(e.lines, m.mutable_lines());
    set_totals(m, e.totals);
    m.set_language(e.language);
    m.set_invoice_id(e.invoice_id);
    m.mutable_personal()->set_name(e.buyer.name);
    m.mutable_personal()->set_address(e.buyer.address);
    m.mutable_personal()->set_phone(e.buyer.phone);
    return m;
}
v1::OrderConfirmed wire(const OrderConfirmed& e) {
    v1::OrderConfirmed m;
    m.set_order_id(e.order_id);
    return m;
}
v1::OrderPaid wire(const OrderPaid& e) {
    v1::OrderPaid m;
    m.set_order_id(e.order_id);
    m.set_intent_id(e.intent_id);
    return m;
}
v1::OrderCancelled wire(const OrderCancelled& e) {
    v1::OrderCancelled m;
    m.set_order_id(e.order_id);
    m.set_reason(e.reason);
    return m;
}

OrderEvent order_event(const std::string& type, const std::string& payload) {
    if (is<v1::OrderPlaced>(type)) {
        const auto m = parsed<v1::OrderPlaced>(payload);
        return OrderPlaced{.order_id = m.order_id(),
                           .number = m.number(),
                           .customer_id = m.customer_id(),
                           .conversation_id = m.conversation_id(),
                           .channel_id = m.channel_id(),
                           .reservation_id = m.reservation_id(),
                           .lines = lines_of(m.lines()),
                           .totals = totals_of(m),
                           .language = m.language(),
                           .buyer = {.name = m.personal().name(),
                                     .address = m.personal().address(),
                                     .phone = m.personal().phone()},
                           .invoice_id = m.invoice_id()};
    }
    if (is<v1::OrderConfirmed>(type))
        return OrderConfirmed{parsed<v1::OrderConfirmed>(payload).order_id()};
    if (is<v1::PaymentStarted>(type)) return payment_started(payload);
    if (is<v1::OrderPaid>(type)) {
        const auto m = parsed<v1::OrderPaid>(payload);
        return OrderPaid{m.order_id(), m.intent_id()};
    }
    if (is<v1::OrderCancelled>(type)) {
        const auto m = parsed<v1::OrderCancelled>(payload);
        return OrderCancelled{m.order_id(), m.reason()};
    }
    unknown("order", type);
}

// ---- invoices

v1::InvoiceDrafted wire(const InvoiceDrafted& e) {
    v1::InvoiceDrafted m;
    m.set_invoice_id(e.invoice_id);
    m.set_order_id(e.order_id);
    m.set_customer_id(e.customer_id);
    m.set_year(e.year);
    m.set_number_prefix(e.number_prefix);
    set_lines(e.lines, m.mutable_lines());
    set_totals(m, e.totals);
    m.set_conversation_id(e.conversation_id);
    m.set_order_number(e.order_number);
    m.set_due_at_us(unix_micros(e.due_at));
    m.set_language(e.language);
    return m;
}
v1::InvoicePaid wire(const InvoicePaid& e) {
    v1::InvoicePaid m;
    m.set_invoice_id(e.invoice_id);
    m.set_intent_id(e.intent_id);
    return m;
}
v1::InvoiceVoided wire(const InvoiceVoided& e) {
    v1::InvoiceVoided m;
    m.set_invoice_id(e.invoice_id);
    m.set_reason(e.reason);
    return m;
}
v1::InvoiceIssued wire(const InvoiceIssued& e) {
    v1::InvoiceIssued m;
    m.set_invoice_id(e.invoice_id);
    m.set_number(e.number);
    return m;
}
v1::JournalPosted wire(const JournalPosted& e) {
    v1::JournalPosted m;
    m.set_transaction_id(e.transaction_id);
    m.set_cause(e.cause);
    m.set_reference(e.reference);
    for (const auto& posting : e.postings) {
        auto* p = m.add_postings();
        p->set_account(posting.account);
        set(p->mutable_amount(), posting.amount);
    }
    return m;
}

JournalPosted journal_of(const std::string& payload) {
    const auto m = parsed<v1::JournalPosted>(payload);
    JournalPosted e{m.transaction_id(), m.cause(), m.reference(), {}};
    for (const auto& p : m.postings()) e.postings.push_back({p.account(), money_of(p.amount())});
    return e;
}

InvoiceEvent invoice_event(const std::string& type, const std::string& payload) {
    if (is<v1::InvoiceDrafted>(type)) return decode_invoice_drafted(payload);
    if (is<v1::InvoiceIssued>(type)) {
        const auto m = parsed<v1::InvoiceIssued>(payload);
        return InvoiceIssued{m.invoice_id(), m.number()};
    }
    if (is<v1::InvoicePaid>(type)) {
        const auto m = parsed<v1::InvoicePaid>(payload);
        return InvoicePaid{m.invoice_id(), m.intent_id()};
    }
    if (is<v1::InvoiceVoided>(type)) {
        const auto m = parsed<v1::InvoiceVoided>(payload);
        return InvoiceVoided{m.invoice_id(), m.reason()};
    }
    if (is<v1::JournalPosted>(type)) return journal_of(payload);
    unknown("invoice", type);
}

// ---- intents

void set(v1::ProviderRef* out, const ProviderRef& ref) {
    out->set_provider(ref.provider);
    out->set_id(ref.id);
    out->set_detail(ref.detail);
}
ProviderRef ref_of(const v1::ProviderRef& in) {
    return {.provider = in.provider(), .id = in.id(), .detail = in.detail()};
}

v1::PersonNeededReason wire(PersonNeeded reason) {
    return reason == PersonNeeded::contradicted ? v1::PERSON_NEEDED_REASON_CONTRADICTED
                                                : v1::PERSON_NEEDED_REASON_OUTCOME_UNKNOWN;
}

v1::IntentCreated wire(const IntentCreated& e) {
    v1::IntentCreated m;
    m.set_intent_id(e.intent_id);
    m.set_order_id(e.order_id);
    m.set_invoice_id(e.invoice_id);
    m.set_customer_id(e.customer_id);
    m.set_conversation_id(e.conversation_id);
    m.set_provider(e.provider);
    set(m.mutable_amount(), e.amount);
    m.set_reference(e.reference);
    m.set_expires_at_us(unix_micros(e.expires_at));
    m.set_ask_now(e.ask_now);
    m.set_reservation_id(e.reservation_id);
    m.set_order_number(e.order_number);
    m.mutable_personal()->set_phone(e.phone);
    return m;
}
v1::AskRequested wire(const AskRequested& e) {
    v1::AskRequested m;
    m.mutable_personal()->set_phone(e.phone);
    return m;
}
v1::AskAttempted wire(const AskAttempted& e) {
    v1::AskAttempted m;
    m.set_attempt(e.attempt);
    m.set_replica(e.replica);
    m.set_resolve_by_us(unix_micros(e.resolve_by));
    return m;
}
v1::AskAccepted wire(const AskAccepted& e) {
    v1::AskAccepted m;
    set(m.mutable_ref(), e.ref);
    m.set_next_poll_at_us(micros(e.next_poll_at));
    m.set_expires_at_us(unix_micros(e.expires_at));
    return m;
}
v1::AskRefused wire(const AskRefused& e) {
    v1::AskRefused m;
    m.set_error_code(e.error_code);
    m.set_reason(e.reason);
    m.set_retry_at_us(micros(e.retry_at));
    m.set_expires_at_us(unix_micros(e.expires_at));
    return m;
}
v1::AskUnknown wire(const AskUnknown& e) {
    v1::AskUnknown m;
    m.set_reason(e.reason);
    m.set_unclear_at_us(micros(e.unclear_at));
    return m;
}
// Only the HTTP door writes the raw bytes (encode(RawCallback)); no rule makes this fact.
v1::CallbackReceived wire(const CallbackReceived&) {
    throw std::logic_error("a callback is written by the door only");
}
v1::QueryAnswered wire(const QueryAnswered& e) {
    v1::QueryAnswered m;
    m.set_result_code(e.result_code);
    m.set_description(e.description);
    m.set_is_final(e.is_final);
    m.set_next_poll_at_us(micros(e.next_poll_at));
    return m;
}
v1::PaymentNeedsPerson wire(const PaymentNeedsPerson& e) {
    v1::PaymentNeedsPerson m;
    m.set_intent_id(e.intent_id);
    m.set_order_id(e.order_id);
    m.set_customer_id(e.customer_id);
    m.set_conversation_id(e.conversation_id);
    m.set_reservation_id(e.reservation_id);
    m.set_order_number(e.order_number);
    set(m.mutable_amount(), e.amount);
    m.set_reason(wire(e.reason));
    return m;
}
v1::PaymentResolved wire(const PaymentResolved& e) {
    v1::PaymentResolved m;
    m.set_intent_id(e.intent_id);
    m.set_order_id(e.order_id);
    m.set_customer_id(e.customer_id);
    m.set_conversation_id(e.conversation_id);
    m.set_outcome(e.paid ? v1::PAYMENT_OUTCOME_PAID : v1::PAYMENT_OUTCOME_FAILED);
    m.set_receipt(e.receipt);
    set(m.mutable_amount(), e.amount);
    m.set_resolved_by(e.resolved_by);
    m.mutable_personal()->set_reason(e.reason);
    return m;
}
v1::IntentPaid wire(const IntentPaid& e) {
    v1::IntentPaid m;
    m.set_intent_id(e.intent_id);
    m.set_order_id(e.order_id);
    m.set_customer_id(e.customer_id);
    m.set_conversation_id(e.conversation_id);
    m.set_provider(e.provider);
    set(m.mutable_amount(), e.amount);
    m.set_receipt(e.receipt);
    set(m.mutable_ref(), e.ref);
    m.set_evidence(e.evidence);
    m.set_late(e.late);
    m.set_second_success(e.second_success);
    m.set_invoice_id(e.invoice_id);
    m.set_order_number(e.order_number);
    m.set_reservation_id(e.reservation_id);
    return m;
}
v1::IntentFailed wire(const IntentFailed& e) {
    v1::IntentFailed m;
    m.set_intent_id(e.intent_id);
    m.set_order_id(e.order_id);
    m.set_customer_id(e.customer_id);
    m.set_conversation_id(e.conversation_id);
    m.set_result_code(e.result_code);
    m.set_reason(e.reason);
    m.set_reservation_id(e.reservation_id);
    set(m.mutable_ref(), e.ref);
    m.set_was_asked(e.was_asked);
    if (!e.note.empty()) m.mutable_personal()->set_note(e.note);
    return m;
}
v1::IntentExpired wire(const IntentExpired& e) {
    v1::IntentExpired m;
    m.set_intent_id(e.intent_id);
    m.set_order_id(e.order_id);
    m.set_customer_id(e.customer_id);
    m.set_conversation_id(e.conversation_id);
    m.set_reservation_id(e.reservation_id);
    m.set_next_poll_at_us(micros(e.next_poll_at));
    return m;
}
v1::ReceiptLearned wire(const ReceiptLearned& e) {
    v1::ReceiptLearned m;
    m.set_receipt(e.receipt);
    m.set_intent_id(e.intent_id);
    m.set_order_id(e.order_id);
    m.set_customer_id(e.customer_id);
    m.set_conversation_id(e.conversation_id);
    set(m.mutable_amount(), e.amount);
    m.set_order_number(e.order_number);
    m.set_second_success(e.second_success);
    m.set_provider(e.provider);
    return m;
}
v1::IntentQuarantined wire(const IntentQuarantined& e) {
    v1::IntentQuarantined m;
    m.set_reason(e.reason);
    m.set_detail(e.detail);
    return m;
}

IntentCreated intent_created(const std::string& payload) {
    const auto m = parsed<v1::IntentCreated>(payload);
    return {.intent_id = m.intent_id(),
            .order_id = m.order_id(),
            .invoice_id = m.invoice_id(),
            .customer_id = m.customer_id(),
            .conversation_id = m.conversation_id(),
            .provider = m.provider(),
            .amount = money_of(m.amount()),
            .reference = m.reference(),
            .expires_at = from_unix_micros(m.expires_at_us()),
            .ask_now = m.ask_now(),
            .reservation_id = m.reservation_id(),
            .order_number = m.order_number(),
            .phone = m.personal().phone()};
}
AskAttempted ask_attempted(const std::string& payload) {
    const auto m = parsed<v1::AskAttempted>(payload);
    return {.attempt = m.attempt(),
            .replica = m.replica(),
            .resolve_by = from_unix_micros(m.resolve_by_us())};
}
AskAccepted ask_accepted(const std::string& payload) {
    const auto m = parsed<v1::AskAccepted>(payload);
    return {.ref = ref_of(m.ref()),
            .next_poll_at = optional_time(m.next_poll_at_us()),
            .expires_at = from_unix_micros(m.expires_at_us())};
}
AskRefused ask_refused(const std::string& payload) {
    const auto m = parsed<v1::AskRefused>(payload);
    return {.error_code = m.error_code(),
            .reason = m.reason(),
            .retry_at = optional_time(m.retry_at_us()),
            .expires_at = from_unix_micros(m.expires_at_us())};
}
AskUnknown ask_unknown(const std::string& payload) {
    const auto m = parsed<v1::AskUnknown>(payload);
    return {.reason = m.reason(), .unclear_at = optional_time(m.unclear_at_us())};
}
QueryAnswered query_answered(const std::string& payload) {
    const auto m = parsed<v1::QueryAnswered>(payload);
    return {.result_code = m.result_code(),
            .description = m.description(),
            .is_final = m.is_final(),
            .next_poll_at = optional_time(m.next_poll_at_us())};
}
PaymentNeedsPerson payment_needs_person(const std::string& payload) {
    const auto m = parsed<v1::PaymentNeedsPerson>(payload);
    return {.intent_id = m.intent_id(),
            .order_id = m.order_id(),
            .customer_id = m.customer_id(),
            .conversation_id = m.conversation_id(),
            .reservation_id = m.reservation_id(),
            .order_number = m.order_number(),
            .amount = money_of(m.amount()),
            .reason = m.reason() == v1::PERSON_NEEDED_REASON_CONTRADICTED
                          ? PersonNeeded::contradicted
                          : PersonNeeded::outcome_unknown};
}
PaymentResolved payment_resolved(const std::string& payload) {
    const auto m = parsed<v1::PaymentResolved>(payload);
    return {.intent_id = m.intent_id(),
            .order_id = m.order_id(),
            .customer_id = m.customer_id(),
            .conversation_id = m.conversation_id(),
            .paid = m.outcome() == v1::PAYMENT_OUTCOME_PAID,
            .receipt = m.receipt(),
            .amount = money_of(m.amount()),
            .reason = m.personal().reason(),
            .resolved_by = m.resolved_by()};
}
IntentPaid intent_paid(const std::string& payload) {
    const auto m = parsed<v1::IntentPaid>(payload);
    return {.intent_id = m.intent_id(),
            .order_id = m.order_id(),
            .customer_id = m.customer_id(),
            .conversation_id = m.conversation_id(),
            .provider = m.provider(),
            .amount = money_of(m.amount()),
            .receipt = m.receipt(),
            .ref = ref_of(m.ref()),
            .evidence = m.evidence(),
            .late = m.late(),
            .second_success = m.second_success(),
            .invoice_id = m.invoice_id(),
            .order_number = m.order_number(),
            .reservation_id = m.reservation_id()};
}
IntentFailed intent_failed(const std::string& payload) {
    const auto m = parsed<v1::IntentFailed>(payload);
    return {.intent_id = m.intent_id(),
            .order_id = m.order_id(),
            .customer_id = m.customer_id(),
            .conversation_id = m.conversation_id(),
            .result_code = m.result_code(),
            .reason = m.reason(),
            .reservation_id = m.reservation_id(),
            .ref = ref_of(m.ref()),
            .was_asked = m.was_asked(),
            .note = m.personal().note()};
}
IntentExpired intent_expired(const std::string& payload) {
    const auto m = parsed<v1::IntentExpired>(payload);
    return {.intent_id = m.intent_id(),
            .order_id = m.order_id(),
            .customer_id = m.customer_id(),
            .conversation_id = m.conversation_id(),
            .reservation_id = m.reservation_id(),
            .next_poll_at = optional_time(m.next_poll_at_us())};
}
ReceiptLearned receipt_learned(const std::string& payload) {
    const auto m = parsed<v1::ReceiptLearned>(payload);
    return {.receipt = m.receipt(),
            .intent_id = m.intent_id(),
            .order_id = m.order_id(),
            .customer_id = m.customer_id(),
            .conversation_id = m.conversation_id(),
            .amount = money_of(m.amount()),
            .order_number = m.order_number(),
            .second_success = m.second_success(),
            .provider = m.provider()};
}
IntentQuarantined intent_quarantined(const std::string& payload) {
    const auto m = parsed<v1::IntentQuarantined>(payload);
    return {.reason = m.reason(), .detail = m.detail()};
}

IntentEvent intent_event(const std::string& type, const std::string& payload) {
    if (is<v1::IntentCreated>(type)) return intent_created(payload);
    if (is<v1::PaymentStarted>(type)) return payment_started(payload);
    if (is<v1::AskRequested>(type))
        return AskRequested{.phone = parsed<v1::AskRequested>(payload).personal().phone()};
    if (is<v1::AskAttempted>(type)) return ask_attempted(payload);
    if (is<v1::AskAccepted>(type)) return ask_accepted(payload);
    if (is<v1::AskRefused>(type)) return ask_refused(payload);
    if (is<v1::AskUnknown>(type)) return ask_unknown(payload);
    if (is<v1::CallbackReceived>(type)) return CallbackReceived{};
    if (is<v1::QueryAnswered>(type)) return query_answered(payload);
    if (is<v1::PaymentNeedsPerson>(type)) return payment_needs_person(payload);
    if (is<v1::PaymentResolved>(type)) return payment_resolved(payload);
    if (is<v1::IntentPaid>(type)) return intent_paid(payload);
    if (is<v1::IntentFailed>(type)) return intent_failed(payload);
    if (is<v1::IntentExpired>(type)) return intent_expired(payload);
    if (is<v1::ReceiptLearned>(type)) return receipt_learned(payload);
    if (is<v1::IntentQuarantined>(type)) return intent_quarantined(payload);
    if (is<v1::JournalPosted>(type)) return journal_of(payload);
    unknown("intent", type);
}

}  // namespace

eventlog::NewEvent encode(const OrderEvent& event, Time at) {
    return std::visit([&](const auto& e) { return stored(wire(e), at); }, event);
}
eventlog::NewEvent encode(const InvoiceEvent& event, Time at) {
    return std::visit([&](const auto& e) { return stored(wire(e), at); }, event);
}
eventlog::NewEvent encode(const IntentEvent& event, Time at) {
    return std::visit([&](const auto& e) { return stored(wire(e), at); }, event);
}

eventlog::NewEvent encode(const CheckoutRefused& event, Time at) {
    v1::CheckoutRefused m;
    m.set_order_id(event.order_id);
    m.set_conversation_id(event.conversation_id);
    m.set_customer_id(event.customer_id);
    m.set_reservation_id(event.reservation_id);
    m.set_reason(event.reason);
    m.set_detail(event.detail);
    m.set_retry(event.retry);
    return stored(m, at);
}

eventlog::NewEvent encode(const NumberAssigned& event, Time at) {
    v1::NumberAssigned m;
    m.set_invoice_id(event.invoice_id);
    m.set_customer_id(event.customer_id);
    m.set_year(event.year);
    return stored(m, at);
}

eventlog::NewEvent encode_issued(const InvoiceIssued& event, const InvoiceDrafted& drafted,
                                 Time at) {
    auto m = wire(event);
    m.set_order_id(drafted.order_id);
    m.set_conversation_id(drafted.conversation_id);
    m.set_customer_id(drafted.customer_id);
    m.set_order_number(drafted.order_number);
    set_lines(drafted.lines, m.mutable_lines());
    set_totals(m, drafted.totals);
    m.set_due_at_us(unix_micros(drafted.due_at));
    return stored(m, at);
}

eventlog::NewEvent encode(const RawCallback& callback, Time at) {
    v1::CallbackReceived m;
    m.set_body(callback.body);
    m.set_body_sha256(callback.body_sha256);
    m.set_source(callback.source);
    m.set_provider(callback.provider);
    return stored(m, at);
}

NumberAssigned decode_number_assigned(const std::string& payload) {
    const auto m = parsed<v1::NumberAssigned>(payload);
    return {m.invoice_id(), m.customer_id(), m.year()};
}

InvoiceDrafted decode_invoice_drafted(const std::string& payload) {
    const auto m = parsed<v1::InvoiceDrafted>(payload);
    return {.invoice_id = m.invoice_id(),
            .order_id = m.order_id(),
            .customer_id = m.customer_id(),
            .year = m.year(),
            .number_prefix = m.number_prefix(),
            .lines = lines_of(m.lines()),
            .totals = totals_of(m),
            .conversation_id = m.conversation_id(),
            .order_number = m.order_number(),
            .due_at = from_unix_micros(m.due_at_us()),
            .language = m.language()};
}

RawCallback decode_callback(const std::string& payload) {
    const auto m = parsed<v1::CallbackReceived>(payload);
    return {m.body(), m.body_sha256(), m.source(), m.provider()};
}

Order OrderCodec::evolve(Order order, const std::string& type, const std::string& payload, Time) {
    return payment::evolve(order, order_event(type, payload));
}
Invoice InvoiceCodec::evolve(Invoice invoice, const std::string& type, const std::string& payload,
                             Time) {
    return payment::evolve(invoice, invoice_event(type, payload));
}
Intent IntentCodec::evolve(Intent intent, const std::string& type, const std::string& payload,
                           Time) {
    return payment::evolve(intent, intent_event(type, payload));
}

eventlog::NewEvent encode(const SealedAccount& account, Time at) {
    v1::ProviderAccountConnected m;
    m.set_provider(account.provider);
    m.set_account(account.account);
    m.mutable_details()->insert(account.details.begin(), account.details.end());
    m.set_wrapped_data_key(account.wrapped_data_key);
    m.set_sealed_credentials(account.sealed_credentials);
    return stored(m, at);
}

AccountCodec::State AccountCodec::evolve(State, const std::string& type, const std::string& payload,
                                         Time) {
    if (!is<v1::ProviderAccountConnected>(type)) unknown("provider_account", type);
    const auto m = parsed<v1::ProviderAccountConnected>(payload);
    return SealedAccount{.provider = m.provider(),
                         .account = m.account(),
                         .details = {m.details().begin(), m.details().end()},
                         .wrapped_data_key = m.wrapped_data_key(),
                         .sealed_credentials = m.sealed_credentials()};
}

}  // namespace flowstack::payment
