#include "tools/stack/checker.h"

#include <boost/json.hpp>
#include <map>
#include <set>

#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/invoice_events.pb.h"
#include "flowstack/payment/v1/refund_events.pb.h"
#include "tools/stack/journey.h"
#include "tools/stack/logs.h"

namespace flowstack::stack {
namespace {

namespace json = boost::json;

template <class Message>
Message decode(const RecordedEvent& event) {
    Message message;
    if (!message.ParseFromString(event.payload()))
        throw std::runtime_error(event.type() + " does not decode");
    return message;
}

// The amount of a line about money: a number, or the digits that the provider was sent.
std::int64_t shillings_in(const json::value& line) {
    const auto* amount = line.as_object().if_contains("amount");
    if (!amount) return 0;
    if (amount->is_string()) return std::stoll(std::string(amount->as_string()));
    return amount->to_number<std::int64_t>();
}

class Problems {
public:
    void add(const std::string& text) { all.push_back(text); }
    std::vector<std::string> all;
};

void check_inbound(const std::vector<RecordedEvent>& gateway, const CheckOptions& options,
                   Sandbox& sandbox, Problems& problems) {
    std::map<std::string, int> received;
    for (const auto& event : gateway)
        if (short_type(event.type()) == "MessageReceived")
            ++received[decode<gateway::v1::MessageReceived>(event).provider_message_id()];
    for (const auto& [wamid, count] : received)
        if (count != 1)
            problems.add("inbound " + wamid + " was received " + std::to_string(count) + " times");
    // The messages that gateway acknowledged must be there.
    std::set<std::string> acknowledged;
    for (const auto& line : record_of(sandbox, "webhook_sent", "", options.phone_number_id)) {
        if (text_at(line, "what") != "message" || number_at(line, "http_status") != 200) continue;
        for (const auto& wamid : line.at("wamids").as_array())
            acknowledged.insert(std::string(wamid.as_string()));
    }
    for (const auto& wamid : acknowledged)
        if (!received.contains(wamid))
            problems.add("inbound " + wamid + " was acknowledged and is not in the log");
}

void check_sends(const std::vector<RecordedEvent>& gateway, const CheckOptions& options,
                 Sandbox& sandbox, Problems& problems) {
    struct Sent {
        int queued = 0, accepted = 0, unknown = 0;
        std::set<std::string> provider_ids;
        bool ended = false;  // suppressed, cancelled, refused for good: it never leaves
    };
    std::map<std::string, Sent> messages;
    for (const auto& event : gateway) {
        if (event.category() != "message") continue;
        auto& message = messages[event.key()];
        const auto type = short_type(event.type());
        if (type == "MessageQueued") ++message.queued;
        if (type == "SendUnknown") ++message.unknown;
        if (type == "MessageSuppressed" || type == "MessageCancelled") message.ended = true;
        if (type == "SendFailed")
            message.ended = decode<gateway::v1::SendFailed>(event).retry_at_us() == 0;
        if (type == "MessageRetried") message.ended = false;
        if (type == "SendAccepted") {
            ++message.accepted;
            message.provider_ids.insert(
                decode<gateway::v1::SendAccepted>(event).provider_message_id());
        }
        if (type == "StatusReported")
            message.provider_ids.insert(
                decode<gateway::v1::StatusReported>(event).provider_message_id());
    }
    std::map<std::string, std::vector<std::string>> accepted;  // callback data → wamids
    for (const auto& line : record_of(sandbox, "send_accepted", "", options.phone_number_id))
        accepted[text_at(line, "biz_opaque_callback_data")].push_back(text_at(line, "wamid"));
    std::set<std::string> by_provider;
    for (const auto& [correlation, wamids] : accepted) {
        if (wamids.size() > 1)
            problems.add("message " + correlation + " was accepted by the provider " +
                         std::to_string(wamids.size()) + " times");
        for (const auto& wamid : wamids) by_provider.insert(wamid);
    }
    std::set<std::string> known;
    for (const auto& [id, message] : messages) {
        if (message.queued != 1)
            problems.add("message " + id + " was queued " + std::to_string(message.queued) +
                         " times");
        if (message.accepted > 1)
            problems.add("message " + id + " has " + std::to_string(message.accepted) +
                         " SendAccepted");
        if (!message.ended && message.accepted == 0 && message.unknown == 0 &&
            message.provider_ids.empty())
            problems.add("message " + id + " was queued and nothing became of it");
        for (const auto& wamid : message.provider_ids) {
            known.insert(wamid);
            if (!wamid.empty() && !by_provider.contains(wamid))
                problems.add("message " + id + " claims " + wamid +
                             ", which the provider never gave");
        }
    }
    int unlisted = 0;
    for (const auto& wamid : by_provider)
        if (!known.contains(wamid)) ++unlisted;
    int unknown = 0;
    for (const auto& [id, message] : messages)
        if (message.unknown > 0 && message.accepted == 0 && message.provider_ids.empty()) ++unknown;
    if (unlisted > unknown)
        problems.add(std::to_string(unlisted) + " accepted sends are not in the log, only " +
                     std::to_string(unknown) + " messages are UNKNOWN");
}

void check_money(const std::vector<RecordedEvent>& payment, const CheckOptions& options,
                 Sandbox& sandbox, Problems& problems) {
    std::map<std::string, int> booked;            // receipt → times
    std::map<std::string, std::int64_t> amounts;  // receipt or pending checkout → minor units
    std::int64_t taken = 0;                       // by intents and not refunded, in minor units
    std::int64_t cleared = 0;                     // what the books say that providers hold
    std::map<std::string, int> paid_intents;
    std::set<std::string> pending_checkouts;
    std::map<std::string, std::int64_t> ledger;
    std::map<std::string, std::int64_t> numbers;
    int quarantined = 0;
    for (const auto& event : payment) {
        const auto type = short_type(event.type());
        if (type == "IntentPaid") {
            const auto paid = decode<payment::v1::IntentPaid>(event);
            ++paid_intents[paid.intent_id()];
            taken += paid.amount().minor_units();
            amounts[paid.receipt()] = amounts[paid.ref().id()] = paid.amount().minor_units();
            if (paid.receipt().empty())
                pending_checkouts.insert(paid.ref().id());
            else
                ++booked[paid.receipt()];
        } else if (type == "RefundDone") {
            taken -= decode<payment::v1::RefundDone>(event).amount().minor_units();
        } else if (type == "ReceiptLearned") {
            ++booked[decode<payment::v1::ReceiptLearned>(event).receipt()];
        } else if (type == "IntentQuarantined") {
            ++quarantined;
        } else if (type == "JournalPosted") {
            const auto journal = decode<payment::v1::JournalPosted>(event);
            std::map<std::string, std::int64_t> sum;
            for (const auto& posting : journal.postings()) {
                sum[posting.amount().currency_code()] += posting.amount().minor_units();
                ledger[posting.amount().currency_code()] += posting.amount().minor_units();
                if (posting.account().starts_with("clearing:"))
                    cleared += posting.amount().minor_units();
            }
            for (const auto& [currency, amount] : sum)
                if (amount != 0)
                    problems.add("transaction " + journal.transaction_id() + " sums to " +
                                 std::to_string(amount));
        } else if (type == "NumberAssigned") {
            if (event.version() != ++numbers[event.key()])
                problems.add("invoice register " + event.key() + " has version " +
                             std::to_string(event.version()) + " after " +
                             std::to_string(numbers[event.key()] - 1));
        }
    }
    for (const auto& [receipt, count] : booked)
        if (count != 1)
            problems.add("receipt " + receipt + " is booked " + std::to_string(count) + " times");
    for (const auto& [intent, count] : paid_intents)
        if (count != 1)
            problems.add("intent " + intent + " is paid " + std::to_string(count) + " times");
    for (const auto& [currency, amount] : ledger)
        if (amount != 0)
            problems.add("the ledger in " + currency + " sums to " + std::to_string(amount));

    if (cleared != taken)
        problems.add("payments took " + std::to_string(taken) + " and the books have " +
                     std::to_string(cleared));
    std::set<std::string> made;
    int unbooked = 0;
    for (const auto& line : record_of(sandbox, "payment_made")) {
        const auto* shortcode = line.as_object().if_contains("shortcode");
        if (shortcode && shortcode->is_string() &&
            std::string(shortcode->as_string()) != options.shortcode)
            continue;
        made.insert(text_at(line, "receipt"));
        // Whole shillings in the provider's record, minor units in ours.
        for (const auto& known : {text_at(line, "receipt"), text_at(line, "checkout_request_id")})
            if (amounts.contains(known) && amounts[known] != shillings_in(line) * 100)
                problems.add("payment " + known + " was made over " +
                             std::to_string(shillings_in(line)) + " shillings and is booked with " +
                             std::to_string(amounts[known]) + " cents");
        if (booked.contains(text_at(line, "receipt"))) continue;
        if (!pending_checkouts.contains(text_at(line, "checkout_request_id"))) ++unbooked;
    }
    if (unbooked > quarantined)
        problems.add(std::to_string(unbooked) +
                     " payments were made and are neither booked nor in quarantine");
    for (const auto& [receipt, count] : booked)
        if (!made.contains(receipt))
            problems.add("receipt " + receipt + " is booked and no such payment was made");
}

}  // namespace

std::vector<std::string> check_shop(const CheckOptions& options, Api& api, Sandbox& sandbox) {
    Problems problems;
    const auto gateway = events_of(api, "gateway", options.tenant);
    const auto payment = events_of(api, "payment", options.tenant);
    check_inbound(gateway, options, sandbox, problems);
    check_sends(gateway, options, sandbox, problems);
    check_money(payment, options, sandbox, problems);
    return problems.all;
}

}  // namespace flowstack::stack
