#include "services/payment/adapters/derive.h"

#include <functional>
#include <map>
#include <stdexcept>

#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/order_events.pb.h"
#include "flowstack/payment/v1/provider_account_events.pb.h"
#include "services/payment/domain/intent.h"

namespace flowstack::payment {
namespace {

// One event's rows being collected.
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
    // An append deletes first and puts then, so what an earlier event of the same command put is
    // taken back here.
    void remove(std::initializer_list<const char*> kinds) const {
        for (const auto* kind : kinds) {
            std::erase_if(out.work_put, [&](const eventlog::WorkPut& put) {
                return put.lane == lane && put.kind == kind && put.key == stream.key;
            });
            out.work_del.push_back({lane, kind, stream.key});
        }
    }
    void take(const std::string& scope, const char* kind, const std::string& key) const {
        if (!key.empty()) out.claims.push_back({scope, kind, key, stream.key, stream});
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
            rows.take(rows.stream.tenant, claim::kOrderNumber, e.number());
        }),
        rule<v1::IntentCreated>([](const auto& e, const Rows& rows) {
            if (e.push_now()) rows.put(kPush, rows.at);
            rows.put(kExpiry, e.expires_at_us());
        }),
        rule<v1::PushRequested>([](const auto&, const Rows& rows) { rows.put(kPush, rows.at); }),
        rule<v1::PushAttempted>([](const auto& e, const Rows& rows) {
            rows.remove({kPush, kExpiry});
            rows.put(kAttempt, e.resolve_by_us());
        }),
        rule<v1::PushAccepted>([](const auto& e, const Rows& rows) {
            rows.remove({kAttempt});
            rows.take("", claim::kCheckout, e.checkout_id());
            rows.put(kPoll, e.next_poll_at_us());
            rows.put(kExpiry, e.expires_at_us());
        }),
        rule<v1::PushRefused>([](const auto& e, const Rows& rows) {
            rows.remove({kAttempt});
            rows.put(kPush, e.retry_at_us());
            rows.put(kExpiry, e.expires_at_us());
        }),
        rule<v1::PushUnknown>([](const auto&, const Rows& rows) { rows.remove({kAttempt}); }),
        rule<v1::QueryAnswered>([](const auto& e, const Rows& rows) {
            if (e.next_poll_at_us() == 0) rows.remove({kPoll});
            rows.put(kPoll, e.next_poll_at_us());
        }),
        rule<v1::IntentPaid>([](const auto& e, const Rows& rows) {
            rows.remove({kPush, kAttempt, kPoll, kExpiry});
            rows.take("", claim::kCheckout, e.checkout_id());
            rows.take("", claim::kReceipt, e.receipt());
        }),
        rule<v1::IntentFailed>([](const auto& e, const Rows& rows) {
            rows.remove({kPush, kAttempt, kPoll, kExpiry});
            rows.take("", claim::kCheckout, e.checkout_id());
        }),
        rule<v1::IntentExpired>([](const auto& e, const Rows& rows) {
            rows.remove({kPush, kAttempt, kPoll, kExpiry});
            rows.put(kPoll, e.next_poll_at_us());
        }),
        rule<v1::ReceiptLearned>(
            [](const auto& e, const Rows& rows) { rows.take("", claim::kReceipt, e.receipt()); }),
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
