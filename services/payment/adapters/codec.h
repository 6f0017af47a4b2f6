#pragma once

#include <map>
#include <optional>
#include <string>

#include "common/eventlog/types.h"
#include "services/payment/domain/intent.h"
#include "services/payment/domain/invoice.h"
#include "services/payment/domain/order.h"
#include "services/payment/domain/refund.h"

// Translates between the domain's facts and their stored form (flowstack.payment.v1, protobuf). No
// other file knows both.
namespace flowstack::payment {

eventlog::NewEvent encode(const OrderEvent& event, Time at);
eventlog::NewEvent encode(const InvoiceEvent& event, Time at);
eventlog::NewEvent encode(const IntentEvent& event, Time at);
eventlog::NewEvent encode(const RefundEvent& event, Time at);
eventlog::NewEvent encode(const NumberAssigned& event, Time at);
eventlog::NewEvent encode(const CreditNoteNumberAssigned& event, Time at);
eventlog::NewEvent encode(const CheckoutRefused& event, Time at);

// A callback as the HTTP door keeps it.
struct RawCallback {
    std::string body;
    std::string body_sha256;
    std::string source;
    std::string provider;
};
eventlog::NewEvent encode(const RawCallback& callback, Time at);

// A signed callback that names no payment of its tenant.
struct UnmatchedCallback {
    std::string provider;
    std::string body;
    std::string body_sha256;
    std::string source;
    std::string reason;  // other_tenant | other_account | unknown_payment
};
eventlog::NewEvent encode(const UnmatchedCallback& callback, Time at);

// All decoders throw CorruptStream for an unknown type and for bytes that are not of their type,
// and std::invalid_argument for a value that a fact cannot hold (common/eventlog/fact.h).
NumberAssigned decode_number_assigned(const std::string& payload);
CreditNoteNumberAssigned decode_credit_note_number(const std::string& payload);
InvoiceDrafted decode_invoice_drafted(const std::string& payload);
RawCallback decode_callback(const std::string& payload);

// Folds (common/eventlog/folds.h).
struct OrderCodec {
    using State = Order;
    static Order evolve(Order order, const std::string& type, const std::string& payload, Time at);
};
struct InvoiceCodec {
    using State = Invoice;
    static Invoice evolve(Invoice invoice, const std::string& type, const std::string& payload,
                          Time at);
};
struct IntentCodec {
    using State = Intent;
    static Intent evolve(Intent intent, const std::string& type, const std::string& payload,
                         Time at);
};
struct RefundCodec {
    using State = Refund;
    static Refund evolve(Refund refund, const std::string& type, const std::string& payload,
                         Time at);
};

// A tenant's account with a provider, as it was last connected; sealed.
struct SealedAccount {
    std::string provider;
    std::string account;
    std::map<std::string, std::string> details;
    std::string sealed_credentials;
    bool operator==(const SealedAccount&) const = default;
};
eventlog::NewEvent encode(const SealedAccount& account, Time at);
struct AccountCodec {
    using State = std::optional<SealedAccount>;
    static State evolve(State account, const std::string& type, const std::string& payload,
                        Time at);
};

}  // namespace flowstack::payment
