#include "services/payment/adapters/derive.h"

#include <functional>
#include <map>
#include <stdexcept>

#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/invoice_events.pb.h"
#include "flowstack/payment/v1/order_events.pb.h"
#include "flowstack/payment/v1/provider_account_events.pb.h"
#include "flowstack/payment/v1/refund_events.pb.h"
#include "services/payment/domain/intent.h"

namespace flowstack::payment {
namespace {

// Collects the rows of one event.
struct Rows {
    const eventlog::StreamName& stream;
    int lane;
    Time at;
    eventlog::Derived& out;

    void put(const char* kind, Time due_at) const {
        out.work_put.push_back({lane, kind, stream.key, due_at, 0, stream.tenant});
    }
    void put(const char* kind, std::int64_t due_at_us) const {
        if (due_at_us != 0) put(kind, from_unix_micros(due_at_us));
    }
    void remove(std::initializer_list<const char*> kinds) const {
        for (const auto* kind : kinds) out.work_del.push_back({lane, kind, stream.key});
    }
    void take_of_tenant(const char* kind, const std::string& key) const {
        if (!key.empty()) out.claims.push_back({stream.tenant, kind, key, stream.key, stream});
    }
    // What a provider gives out is unique over all tenants, and only for that provider.
    void take(const char* kind, const std::string& provider, const std::string& given) const {
        if (given.empty()) return;
        out.claims.push_back({"", kind, provider + "/" + given, stream.key, stream});
    }
    void take(const char* kind, const v1::ProviderRef& ref) const {
        take(kind, ref.provider(), ref.id());
    }
};

using Rule = std::function<void(const std::string& payload, const Rows& rows)>;

template <class Message, class Function>
std::pair<const std::string, Rule> rule(Function function) {
    return {Message::descriptor()->full_name(),
            [function](const std::string& payload, const Rows& rows) {
                Message message;
                if (!message.ParseFromString(payload))
                    throw std::invalid_argument("not a " + message.GetTypeName());
                function(message, rows);
            }};
}

const std::map<std::string, Rule>& rules() {
    using namespace work;
    static const std::map<std::string, Rule> kRules{
        rule<v1::OrderPlaced>([](const auto& e, const Rows& rows) {
            rows.take_of_tenant(claim::kOrderNumber, e.number());
        }),
        rule<v1::InvoiceDrafted>(
            [](const auto& e, const Rows& rows) { rows.put(kOverdue, e.due_at_us()); }),
        rule<v1::InvoicePaid>([](const auto&, const Rows& rows) { rows.remove({kOverdue}); }),
        rule<v1::InvoiceOverdue>([](const auto&, const Rows& rows) { rows.remove({kOverdue}); }),
        rule<v1::InvoiceVoided>([](const auto&, const Rows& rows) { rows.remove({kOverdue}); }),
        rule<v1::IntentCreated>([](const auto& e, const Rows& rows) {
            if (e.ask_now()) rows.put(kAsk, rows.at);
            rows.put(kExpiry, e.expires_at_us());
        }),
        rule<v1::AskRequested>([](const auto&, const Rows& rows) { rows.put(kAsk, rows.at); }),
        rule<v1::AskAttempted>([](const auto& e, const Rows& rows) {
            rows.remove({kAsk, kExpiry});
            rows.put(kAttempt, e.resolve_by_us());
        }),
        rule<v1::AskAccepted>([](const auto& e, const Rows& rows) {
            rows.remove({kAttempt, kUnclear});
            rows.take(claim::kReference, e.ref());
            rows.put(kPoll, e.next_poll_at_us());
            rows.put(kExpiry, e.expires_at_us());
        }),
        rule<v1::AskRefused>([](const auto& e, const Rows& rows) {
            rows.remove({kAttempt, kUnclear});
            rows.put(kAsk, e.retry_at_us());
            rows.put(kExpiry, e.expires_at_us());
        }),
        rule<v1::AskUnknown>([](const auto& e, const Rows& rows) {
            rows.remove({kAttempt});
            rows.put(kUnclear, e.unclear_at_us());
        }),
        rule<v1::QueryAnswered>([](const auto& e, const Rows& rows) {
            if (e.next_poll_at_us() == 0) rows.remove({kPoll});
            rows.put(kPoll, e.next_poll_at_us());
        }),
        rule<v1::PaymentNeedsPerson>(
            [](const auto&, const Rows& rows) { rows.remove({kUnclear}); }),
        rule<v1::IntentPaid>([](const auto& e, const Rows& rows) {
            rows.remove({kAsk, kAttempt, kPoll, kExpiry, kUnclear});
            rows.take(claim::kReference, e.ref());
            rows.take(claim::kReceipt, e.provider(), e.receipt());
        }),
        rule<v1::IntentFailed>([](const auto& e, const Rows& rows) {
            rows.remove({kAsk, kAttempt, kPoll, kExpiry, kUnclear});
            rows.take(claim::kReference, e.ref());
        }),
        rule<v1::IntentExpired>([](const auto& e, const Rows& rows) {
            rows.remove({kAsk, kAttempt, kPoll, kExpiry, kUnclear});
            rows.put(kPoll, e.next_poll_at_us());
        }),
        rule<v1::ReceiptLearned>([](const auto& e, const Rows& rows) {
            rows.take(claim::kReceipt, e.provider(), e.receipt());
        }),
        rule<v1::RefundDone>([](const auto& e, const Rows& rows) {
            rows.take(claim::kReceipt, e.provider(), e.receipt());
        }),
        rule<v1::IntentQuarantined>([](const auto& e, const Rows& rows) {
            if (e.reason() == quarantine::kOtherAmount) rows.remove({kPoll, kExpiry});
        }),
        rule<v1::ProviderAccountConnected>([](const auto& e, const Rows& rows) {
            rows.out.settings.push_back({rows.stream.tenant, "provider_account", e.provider()});
        }),
    };
    return kRules;
}

}  // namespace

void derive(const eventlog::StreamName& stream, int lane, const eventlog::NewEvent& event,
            eventlog::Derived& derived) {
    const auto found = rules().find(event.type);
    if (found != rules().end())
        found->second(event.payload, {stream, lane, event.occurred_at, derived});
}

}  // namespace flowstack::payment
