#pragma once

#include <string>

#include "common/eventlog/folds.h"
#include "services/payment/adapters/codec.h"

// Where this service's streams live, and their folds. An order, its invoice and its payments live
// on the lane of their customer, a tenant's register and accounts on the tenant's.
namespace flowstack::payment {

// Categories of this service's streams.
namespace category {
inline const std::string kOrder = "order";
inline const std::string kInvoice = "invoice";
inline const std::string kIntent = "intent";
inline const std::string kRefund = "refund";
inline const std::string kCheckout = "checkout";                 // key = the order's id
inline const std::string kRegister = "invoice_register";         // key = the year
inline const std::string kCreditNotes = "credit_note_register";  // key = the year
inline const std::string kProviderAccount = "provider_account";  // key = the provider
inline const std::string kUnmatched = "unmatched_callback";      // key = the provider
}  // namespace category

inline eventlog::StreamName order_stream(const std::string& tenant, const OrderId& order_id) {
    return {tenant, category::kOrder, order_id};
}
inline eventlog::StreamName invoice_stream(const std::string& tenant, const InvoiceId& invoice_id) {
    return {tenant, category::kInvoice, invoice_id};
}
inline eventlog::StreamName intent_stream(const std::string& tenant, const IntentId& intent_id) {
    return {tenant, category::kIntent, intent_id};
}
inline eventlog::StreamName refund_stream(const std::string& tenant, const RefundId& refund_id) {
    return {tenant, category::kRefund, refund_id};
}
inline eventlog::StreamName checkout_stream(const std::string& tenant, const OrderId& order_id) {
    return {tenant, category::kCheckout, order_id};
}
inline eventlog::StreamName account_stream(const std::string& tenant, const std::string& provider) {
    return {tenant, category::kProviderAccount, provider};
}
inline eventlog::StreamName unmatched_stream(const std::string& tenant,
                                             const std::string& provider) {
    return {tenant, category::kUnmatched, provider};
}
inline eventlog::StreamName register_stream(const std::string& tenant, int year) {
    return {tenant, category::kRegister, std::to_string(year)};
}
inline eventlog::StreamName credit_notes_stream(const std::string& tenant, int year) {
    return {tenant, category::kCreditNotes, std::to_string(year)};
}
inline eventlog::Routing customer_routing(const CustomerId& customer_id) {
    return {eventlog::RoutingKind::customer, customer_id};
}
inline eventlog::Routing tenant_routing(const std::string& tenant) {
    return {eventlog::RoutingKind::tenant, tenant};
}

// The folds of this service, shared by the reactor, the asker and the RPCs. Thread-safe.
struct Books {
    explicit Books(eventlog::Store& store)
        : orders(store), invoices(store), intents(store), refunds(store), accounts(store) {}
    eventlog::Folds<OrderCodec> orders;
    eventlog::Folds<InvoiceCodec> invoices;
    eventlog::Folds<IntentCodec> intents;
    eventlog::Folds<RefundCodec> refunds;
    eventlog::Folds<AccountCodec> accounts;
};

}  // namespace flowstack::payment
