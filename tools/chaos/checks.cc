#include "tools/chaos/checks.h"

#include <openssl/evp.h>

#include <algorithm>
#include <boost/json.hpp>
#include <functional>
#include <optional>
#include <set>
#include <stdexcept>

#include "flowstack/campaign/v1/campaign_events.pb.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/followup/v1/task_events.pb.h"
#include "flowstack/gateway/v1/contact_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/invoice_events.pb.h"
#include "flowstack/payment/v1/order_events.pb.h"

namespace flowstack::chaos {
namespace {

namespace json = boost::json;

constexpr std::size_t kFindingsMax = 20;
// Work that is due within this time must be gone when everything has settled.
constexpr std::int64_t kSoonUs = 60'000'000;
constexpr std::size_t kTagBytes = 8;

class Finder {
public:
    explicit Finder(std::string name) { check_.name = std::move(name); }

    void looked(std::int64_t n = 1) { check_.looked_at += n; }
    void wrong(const std::string& what) {
        if (check_.findings.size() < kFindingsMax)
            check_.findings.push_back(what);
        else
            ++check_.more;
    }
    Check done() { return std::move(check_); }

private:
    Check check_;
};

std::string text(const json::value& line, const char* member) {
    const auto* value = line.as_object().if_contains(member);
    return value && value->is_string() ? std::string(value->as_string()) : "";
}
std::int64_t number(const json::value& line, const char* member) {
    const auto* value = line.as_object().if_contains(member);
    if (!value) return 0;
    if (value->is_string()) return std::stoll(std::string(value->as_string()));
    return value->is_number() ? value->to_number<std::int64_t>() : 0;
}
// Shillings as the provider writes them, 1740 or "1740.00", in cents.
std::int64_t cents(const json::value& line, const char* member) {
    const auto* value = line.as_object().if_contains(member);
    if (!value) return 0;
    if (value->is_int64() || value->is_uint64()) return value->to_number<std::int64_t>() * 100;
    const double amount =
        value->is_string() ? std::stod(std::string(value->as_string())) : value->as_double();
    return static_cast<std::int64_t>(amount * 100 + 0.5);
}
std::vector<std::string> texts(const json::value& line, const char* member) {
    std::vector<std::string> all;
    if (const auto* value = line.as_object().if_contains(member); value && value->is_array())
        for (const auto& each : value->as_array()) all.emplace_back(each.as_string());
    return all;
}

std::string where(const Event& event) {
    return event.service + " lane " + std::to_string(event.lane) + " position " +
           std::to_string(event.position);
}

template <class Message>
Message decode(const Event& event) {
    Message message;
    if (!message.ParseFromString(event.payload))
        throw std::runtime_error(where(event) + ": " + event.type + " does not decode");
    return message;
}

template <class Message>
void each(const Facts& facts, const std::function<void(const Event&, const Message&)>& see) {
    const auto& name = Message::descriptor()->full_name();
    for (const auto& event : facts.events)
        if (event.type == name) see(event, decode<Message>(event));
}

// What customers said: a step of a dialogue's turn.
void each_said(
    const Facts& facts,
    const std::function<void(const Event&, const conversation::v1::CustomerSpoke&)>& see) {
    each<conversation::v1::DialogueTurn>(facts, [&](const auto& event, const auto& turn) {
        for (const auto& step : turn.steps())
            if (step.has_customer_spoke()) see(event, step.customer_spoke());
    });
}

std::vector<const json::value*> lines(const Facts& facts, const std::string& kind) {
    std::vector<const json::value*> found;
    for (const auto& line : facts.record)
        if (text(line, "kind") == kind) found.push_back(&line);
    return found;
}

std::string name_of(const std::string& tenant, const std::string& id) { return tenant + "/" + id; }

// What the log says about one outbound message.
struct Sent {
    std::string tenant;
    std::string customer;
    gateway::v1::MessageQueued queued_as;
    int queued = 0, attempted = 0, accepted = 0, unknown = 0;
    std::string last;        // the newest decisive event
    bool waits = false;      // it is in a queue
    bool final_end = false;  // failed for good, suppressed, cancelled, discarded
    std::set<std::string> provider_ids;

    bool arrived() const { return !provider_ids.empty(); }
    bool listed_unknown() const { return last == "SendUnknown" && !arrived(); }
};

std::map<std::string, Sent> messages_of(const Facts& facts) {
    std::map<std::string, Sent> all;
    for (const auto& event : facts.events) {
        if (event.service != "gateway" || event.category != "message") continue;
        auto& sent = all[event.key];
        sent.tenant = event.tenant;
        const auto type = event.short_type();
        if (type != "StatusReported") sent.last = type;
        if (type == "MessageQueued") {
            ++sent.queued;
            sent.queued_as = decode<gateway::v1::MessageQueued>(event);
            sent.customer = sent.queued_as.customer_id();
            sent.waits = true;
        } else if (type == "SendAttempted") {
            ++sent.attempted;
            sent.waits = false;
        } else if (type == "SendAccepted") {
            ++sent.accepted;
            sent.provider_ids.insert(
                decode<gateway::v1::SendAccepted>(event).provider_message_id());
        } else if (type == "SendUnknown") {
            ++sent.unknown;
        } else if (type == "SendFailed") {
            sent.waits = decode<gateway::v1::SendFailed>(event).retry_at_us() != 0;
            sent.final_end = !sent.waits;
        } else if (type == "StatusReported") {
            const auto id = decode<gateway::v1::StatusReported>(event).provider_message_id();
            if (!id.empty()) sent.provider_ids.insert(id);
        } else if (type == "MessageSuppressed" || type == "MessageCancelled") {
            sent.waits = false;
            sent.final_end = true;
        } else if (type == "MessageRetried") {
            sent.waits = true;
            sent.final_end = false;
        }
    }
    return all;
}

Check positions(const Facts& facts) {
    Finder find("positions gapless");
    std::map<std::pair<std::string, int>, std::int64_t> last, time;
    for (const auto& event : facts.events) {
        find.looked();
        const auto lane = std::pair{event.service, event.lane};
        if (event.position != last[lane] + 1)
            find.wrong(where(event) + " follows position " + std::to_string(last[lane]));
        last[lane] = event.position;
        if (event.recorded_at_us <= time[lane])
            find.wrong(where(event) + " is not recorded later than the one before it");
        time[lane] = event.recorded_at_us;
    }
    for (const auto& [service, tables] : facts.tables)
        for (const auto& [lane, head] : tables.lanes)
            if (last[{service, lane}] != head)
                find.wrong(service + " lane " + std::to_string(lane) + " has its head at " +
                           std::to_string(head) + ", its events end at " +
                           std::to_string(last[{service, lane}]));
    return find.done();
}

Check versions(const Facts& facts) {
    Finder find("versions 1..n");
    std::map<std::pair<std::string, std::string>, std::int64_t> last;
    std::map<std::pair<std::string, std::string>, int> lanes;
    std::set<std::string> ids;
    for (const auto& event : facts.events) {
        const auto stream = std::pair{event.service, event.stream};
        const auto [known, fresh] = lanes.emplace(stream, event.lane);
        if (fresh) find.looked();
        if (known->second != event.lane)
            find.wrong(where(event) + ": its stream " + event.category + "/" + event.key +
                       " lives in lane " + std::to_string(known->second));
        if (event.version != ++last[stream])
            find.wrong(where(event) + ": " + event.category + "/" + event.key + " has version " +
                       std::to_string(event.version) + " where " + std::to_string(last[stream]) +
                       " is due");
        last[stream] = event.version;
        if (!ids.insert(event.event_id).second)
            find.wrong(where(event) + ": event id " + event.event_id + " is there twice");
        if (event.stream != short_hash({event.tenant, event.category, event.key}))
            find.wrong(where(event) + ": its stream id is not that of " + event.category + "/" +
                       event.key);
        const auto tables = facts.tables.find(event.service);
        if (tables != facts.tables.end() && !tables->second.lanes.empty() &&
            event.routing_kind != "lane" &&
            event.lane != lane_of(event.routing_kind, event.tenant, event.routing_key,
                                  static_cast<int>(tables->second.lanes.size())))
            find.wrong(where(event) + ": " + event.routing_kind + " " + event.routing_key +
                       " belongs to another lane");
    }
    for (const auto& [service, tables] : facts.tables)
        for (const auto& [stream, version] : tables.heads)
            if (const auto known = last.find({service, stream});
                (known == last.end() ? 0 : known->second) != version)
                find.wrong(service + " stream " + stream + " has its head at " +
                           std::to_string(version) + ", its events end at " +
                           std::to_string(known == last.end() ? 0 : known->second));
    return find.done();
}

Check claims(const Facts& facts) {
    Finder find("claims have one holder");
    // The names that were taken according to the events, and who has each.
    std::map<std::string, std::string> taken;
    std::map<std::string, std::map<std::string, std::string>> rows;  // service → id → holder
    for (const auto& [service, tables] : facts.tables)
        for (const auto& claim : tables.claims) rows[service].emplace(claim.id, claim.holder);
    const auto take = [&](const Event& event, const std::string& scope, const std::string& kind,
                          const std::string& key) {
        if (key.empty()) return;
        find.looked();
        const auto name = short_hash({scope, kind, key});
        const auto [holder, fresh] = taken.emplace(name, event.stream);
        if (!fresh && holder->second != event.stream)
            find.wrong(where(event) + ": " + kind + " " + key + " has another holder already");
        const auto row = rows[event.service].find(name);
        if (row == rows[event.service].end())
            find.wrong(where(event) + ": " + kind + " " + key + " is claimed by nobody");
        else if (row->second != event.stream)
            find.wrong(where(event) + ": " + kind + " " + key + " is held by stream " +
                       row->second);
    };
    each<payment::v1::OrderPlaced>(facts, [&](const auto& event, const auto& placed) {
        take(event, event.tenant, "order_number", placed.number());
    });
    // What a provider gives out is claimed under the provider's name.
    const auto given = [](const std::string& provider, const std::string& id) {
        return id.empty() ? "" : provider + "/" + id;
    };
    each<payment::v1::AskAccepted>(facts, [&](const auto& event, const auto& accepted) {
        take(event, "", "provider_reference",
             given(accepted.ref().provider(), accepted.ref().id()));
    });
    each<payment::v1::IntentPaid>(facts, [&](const auto& event, const auto& paid) {
        take(event, "", "provider_reference", given(paid.ref().provider(), paid.ref().id()));
        take(event, "", "receipt", given(paid.provider(), paid.receipt()));
    });
    each<payment::v1::ReceiptLearned>(facts, [&](const auto& event, const auto& learned) {
        take(event, "", "receipt", given(learned.provider(), learned.receipt()));
    });
    each<gateway::v1::SendAccepted>(facts, [&](const auto& event, const auto& accepted) {
        take(event, event.tenant, "provider_message", accepted.provider_message_id());
    });
    each<gateway::v1::MessageQueued>(facts, [&](const auto& event, const auto& queued) {
        take(event, event.tenant, "idempotency", queued.idempotency_key());
    });
    for (const auto& [service, tables] : facts.tables) {
        std::set<std::string> ids;
        for (const auto& claim : tables.claims) {
            find.looked();
            if (!ids.insert(claim.id).second)
                find.wrong(service + ": claim " + claim.kind + " " + claim.key + " is there twice");
            if (claim.id != short_hash({claim.scope, claim.kind, claim.key}))
                find.wrong(service + ": claim " + claim.kind + " " + claim.key +
                           " has another name's id");
            if (!tables.heads.contains(claim.holder))
                find.wrong(service + ": claim " + claim.kind + " " + claim.key +
                           " is held by a stream that does not exist");
        }
    }
    return find.done();
}

Check inbound(const Facts& facts) {
    Finder find("each inbound once");
    std::map<std::string, int> received, handled;
    each<gateway::v1::MessageReceived>(facts, [&](const auto&, const auto& message) {
        ++received[message.provider_message_id()];
    });
    each_said(facts, [&](const auto&, const auto& spoke) { ++handled[spoke.inbound_id()]; });
    std::set<std::string> acknowledged;
    for (const auto* line : lines(facts, "webhook_sent"))
        if (text(*line, "what") == "message" && number(*line, "http_status") == 200)
            for (const auto& wamid : texts(*line, "wamids")) acknowledged.insert(wamid);
    for (const auto* line : lines(facts, "customer_said"))
        if (!acknowledged.contains(text(*line, "wamid")))
            find.wrong(text(*line, "wamid") + " of " + text(*line, "phone") +
                       " was never acknowledged");
    for (const auto& wamid : acknowledged) {
        find.looked();
        if (received[wamid] != 1)
            find.wrong("acknowledged " + wamid + " is received " + std::to_string(received[wamid]) +
                       " times in gateway's log");
        if (handled[wamid] != 1)
            find.wrong("acknowledged " + wamid + " was heard by conversation " +
                       std::to_string(handled[wamid]) + " times");
    }
    for (const auto& [wamid, times] : received)
        if (!acknowledged.contains(wamid) && times > 1)
            find.wrong(wamid + " is received " + std::to_string(times) + " times");
    return find.done();
}

// What the provider accepted, by message.
std::map<std::string, std::vector<const json::value*>> accepted_by_message(const Facts& facts) {
    std::map<std::string, std::vector<const json::value*>> accepted;
    for (const auto* line : lines(facts, "send_accepted"))
        accepted[message_of_callback_data(text(*line, "biz_opaque_callback_data"))].push_back(line);
    return accepted;
}

Check sends(const Facts& facts) {
    Finder find("no message twice, each once");
    const auto messages = messages_of(facts);
    const auto accepted = accepted_by_message(facts);
    for (const auto& [id, sent] : accepted) {
        find.looked();
        if (id.empty() || !messages.contains(id)) {
            find.wrong("the provider accepted " + text(*sent.front(), "wamid") + " for " +
                       text(*sent.front(), "phone") + ", which no message in the log asked for");
            continue;
        }
        if (sent.size() > 1) {
            std::string all;
            for (const auto* line : sent) all += " " + std::to_string(number(*line, "n"));
            find.wrong("message " + id + " to " + text(*sent.front(), "phone") + " was accepted " +
                       std::to_string(sent.size()) + " times (record lines" + all + ")");
        }
    }
    for (const auto& [id, message] : messages) {
        find.looked();
        const auto name = "message " + id + " of " + message.tenant;
        const auto taken = accepted.find(id);
        const auto times = taken == accepted.end() ? 0u : taken->second.size();
        if (message.queued != 1)
            find.wrong(name + " was queued " + std::to_string(message.queued) + " times");
        if (message.accepted > 1)
            find.wrong(name + " has SendAccepted " + std::to_string(message.accepted) + " times");
        std::set<std::string> given;
        if (taken != accepted.end())
            for (const auto* line : taken->second) given.insert(text(*line, "wamid"));
        for (const auto& wamid : message.provider_ids)
            if (!given.contains(wamid))
                find.wrong(name + " claims " + wamid + ", which the provider never gave for it");
        for (const auto& wamid : given)
            if (!message.provider_ids.contains(wamid) && !message.listed_unknown())
                find.wrong(name + ": the provider accepted it as " + wamid +
                           "; the log says neither that nor UNKNOWN (" + message.last + ")");
        if (times == 0 && message.arrived())
            find.wrong(name + " is accepted in the log and not in the provider's record");
        if (times == 0 && !message.arrived() && !message.listed_unknown() && !message.final_end)
            find.wrong(name + " never left and has no end: " + message.last +
                       (message.waits ? ", still queued" : ""));
    }
    return find.done();
}

Check asked(const Facts& facts) {
    Finder find("every reply asked for is queued once");
    std::map<std::string, int> queued;
    std::set<std::string> asked_for;
    each<gateway::v1::MessageQueued>(facts,
                                     [&](const auto& event, const auto&) { ++queued[event.key]; });
    each<conversation::v1::ReplyRequested>(facts, [&](const auto& event, const auto& reply) {
        find.looked();
        if (!asked_for.insert(reply.message_id()).second)
            find.wrong(where(event) + ": reply " + reply.message_id() + " is asked for twice");
        if (queued[reply.message_id()] != 1)
            find.wrong(where(event) + ": reply " + reply.message_id() + " is queued " +
                       std::to_string(queued[reply.message_id()]) + " times");
    });
    return find.done();
}

// An UNKNOWN message does not block the ones behind it: a reply that the provider took only after
// we had given up on its answer has lost its place.
Check order_of_replies(const Facts& facts) {
    Finder find("replies of a chat in order");
    std::map<std::string, std::int64_t> unknown_at;
    each<gateway::v1::SendUnknown>(facts, [&](const auto& event, const auto&) {
        unknown_at.try_emplace(event.key, event.recorded_at_us);
    });
    std::map<std::string, std::pair<int, std::int64_t>> place;  // message → lane, position
    each<conversation::v1::ReplyRequested>(facts, [&](const auto& event, const auto& reply) {
        if (reply.kind() == conversation::v1::REPLY_KIND_REPLY)
            place[reply.message_id()] = {event.lane, event.position};
    });
    struct Last {
        std::int64_t position = 0;
        std::string message;
    };
    std::map<std::string, Last> last;
    std::set<std::string> seen;
    for (const auto* line : lines(facts, "send_accepted")) {
        const auto id = message_of_callback_data(text(*line, "biz_opaque_callback_data"));
        const auto found = place.find(id);
        if (found == place.end() || !seen.insert(id).second) continue;
        find.looked();
        const auto given_up = unknown_at.find(id);
        if (given_up != unknown_at.end() && given_up->second < number(*line, "at_us")) continue;
        auto& before = last[text(*line, "phone_number_id") + " " + text(*line, "phone")];
        if (found->second.second < before.position)
            find.wrong("chat " + text(*line, "phone") + ": reply " + id + " (record line " +
                       std::to_string(number(*line, "n")) + ") left after the later reply " +
                       before.message);
        before = {found->second.second, id};
    }
    // Messages are heard in the order in which they were received.
    std::map<std::string, std::int64_t> came;
    each<gateway::v1::MessageReceived>(facts, [&](const auto& event, const auto& message) {
        came[message.provider_message_id()] = event.position;
    });
    std::map<std::string, std::int64_t> heard;
    each_said(facts, [&](const auto& event, const auto& spoke) {
        const auto position = came.find(spoke.inbound_id());
        if (position == came.end()) return;
        auto& before = heard[event.tenant + " " + event.routing_key];
        if (position->second < before)
            find.wrong(where(event) + ": " + spoke.inbound_id() +
                       " was heard after a later message of the same customer");
        before = position->second;
    });
    return find.done();
}

// Consent is judged at dispatch: no promotional message begins after STOP.
Check consent(const Facts& facts) {
    Finder find("nothing promotional after STOP");
    const auto messages = messages_of(facts);
    std::map<std::string, bool> refused;  // tenant/customer; both streams share the customer's lane
    for (const auto& event : facts.events) {
        if (event.service != "gateway") continue;
        if (event.short_type() == "ConsentChanged") {
            const auto change = decode<gateway::v1::ConsentChanged>(event);
            if (change.purpose() == gateway::v1::MESSAGE_PURPOSE_MARKETING)
                refused[name_of(event.tenant, change.customer_id())] = !change.granted();
        } else if (event.short_type() == "SendAttempted") {
            const auto message = messages.find(event.key);
            if (message == messages.end() || message->second.queued_as.preconditions().purpose() !=
                                                 gateway::v1::MESSAGE_PURPOSE_MARKETING)
                continue;
            find.looked();
            if (refused[name_of(event.tenant, message->second.customer)])
                find.wrong(where(event) + ": message " + event.key + " begins after STOP");
        }
    }
    return find.done();
}

Check money(const Facts& facts) {
    Finder find("money booked once");
    struct Booked {
        std::string intent;
        std::int64_t amount = 0;
        std::string receipt;
        int times = 0;
    };
    std::map<std::string, Booked> by_checkout;
    std::map<std::string, int> receipts, intents;
    std::map<std::string, std::string> intent_receipt;
    std::map<std::string, int> quarantined;  // intent
    std::map<std::string, std::string> intent_of_checkout;
    each<payment::v1::AskAccepted>(facts, [&](const auto& event, const auto& accepted) {
        intent_of_checkout[accepted.ref().id()] = event.key;
    });
    each<payment::v1::IntentPaid>(facts, [&](const auto& event, const auto& paid) {
        auto& booked = by_checkout[paid.ref().id()];
        booked = {event.key, paid.amount().minor_units(), paid.receipt(), booked.times + 1};
        ++intents[event.key];
        if (!paid.receipt().empty()) ++receipts[paid.receipt()];
    });
    each<payment::v1::ReceiptLearned>(
        facts, [&](const auto&, const auto& learned) { ++receipts[learned.receipt()]; });
    each<payment::v1::IntentQuarantined>(
        facts, [&](const auto& event, const auto&) { ++quarantined[event.key]; });
    for (const auto& [intent, times] : intents)
        if (times != 1)
            find.wrong("intent " + intent + " is paid " + std::to_string(times) + " times");
    for (const auto& [receipt, times] : receipts)
        if (times != 1)
            find.wrong("receipt " + receipt + " is booked " + std::to_string(times) + " times");

    // A push whose answer and whose callback were both lost has an unknown outcome. It is listed as
    // such until a person looks into the provider's statement.
    std::set<std::string> heard, unknown_pushes, unknown_references;
    for (const auto* line : lines(facts, "callback_sent"))
        if (number(*line, "http_status") == 200 && text(*line, "what") != "forged")
            heard.insert(text(*line, "checkout_request_id"));
    each<payment::v1::AskUnknown>(
        facts, [&](const auto& event, const auto&) { unknown_pushes.insert(event.key); });
    each<payment::v1::IntentCreated>(facts, [&](const auto& event, const auto& created) {
        if (unknown_pushes.contains(event.key)) unknown_references.insert(created.reference());
    });

    std::set<std::string> made;
    for (const auto* line : lines(facts, "payment_made")) {
        find.looked();
        const auto checkout = text(*line, "checkout_request_id");
        made.insert(checkout);
        const auto booked = by_checkout.find(checkout);
        if (booked == by_checkout.end()) {
            if (!heard.contains(checkout) &&
                unknown_references.contains(text(*line, "account_reference")))
                continue;
            const auto intent = intent_of_checkout.find(checkout);
            if (intent == intent_of_checkout.end() || quarantined[intent->second] == 0)
                find.wrong("payment " + text(*line, "receipt") + " of " + text(*line, "phone") +
                           " (" + checkout + ") was made and is neither booked nor quarantined");
            continue;
        }
        if (booked->second.times != 1)
            find.wrong("checkout " + checkout + " is booked " +
                       std::to_string(booked->second.times) + " times");
        if (booked->second.amount != cents(*line, "amount"))
            find.wrong("payment " + text(*line, "receipt") + " brought " +
                       std::to_string(cents(*line, "amount")) + " cents, " +
                       std::to_string(booked->second.amount) + " are booked");
        if (!booked->second.receipt.empty() && booked->second.receipt != text(*line, "receipt"))
            find.wrong("checkout " + checkout + " is booked with receipt " +
                       booked->second.receipt + ", the provider gave " + text(*line, "receipt"));
    }
    for (const auto& [checkout, booked] : by_checkout)
        if (!made.contains(checkout))
            find.wrong("intent " + booked.intent + " is paid by " + checkout +
                       ", and the provider knows of no such payment");
    // An intent has one prompt.
    std::map<std::string, std::set<std::string>> intent_pushes;
    each<payment::v1::IntentPaid>(facts, [&](const auto& event, const auto& paid) {
        intent_pushes[event.key].insert(paid.ref().id());
    });
    each<payment::v1::AskAccepted>(facts, [&](const auto& event, const auto& accepted) {
        intent_pushes[event.key].insert(accepted.ref().id());
    });
    for (const auto& [intent, pushes] : intent_pushes)
        if (pushes.size() > 1)
            find.wrong("intent " + intent + " was pushed " + std::to_string(pushes.size()) +
                       " times");
    return find.done();
}

Check ledger(const Facts& facts) {
    Finder find("ledger zero");
    std::map<std::string, std::int64_t> total, cleared;
    std::map<std::string, int> of_cause;  // cause + reference
    each<payment::v1::JournalPosted>(facts, [&](const auto& event, const auto& journal) {
        find.looked();
        std::map<std::string, std::int64_t> sum;
        if (journal.postings_size() < 2)
            find.wrong(where(event) + ": transaction " + journal.transaction_id() + " has " +
                       std::to_string(journal.postings_size()) + " postings");
        for (const auto& posting : journal.postings()) {
            sum[posting.amount().currency_code()] += posting.amount().minor_units();
            total[posting.amount().currency_code()] += posting.amount().minor_units();
            if (posting.account() == "clearing:mpesa")
                cleared[event.tenant] += posting.amount().minor_units();
        }
        for (const auto& [currency, amount] : sum)
            if (amount != 0)
                find.wrong(where(event) + ": transaction " + journal.transaction_id() +
                           " sums to " + std::to_string(amount) + " " + currency);
        if (++of_cause[journal.cause() + " of " + journal.reference()] > 1)
            find.wrong(where(event) + ": " + journal.cause() + " of " + journal.reference() +
                       " is posted twice");
    });
    for (const auto& [currency, amount] : total)
        if (amount != 0)
            find.wrong("the whole ledger in " + currency + " sums to " + std::to_string(amount));
    // The clearing account holds what customers paid.
    std::map<std::string, std::int64_t> paid;
    each<payment::v1::IntentPaid>(facts, [&](const auto& event, const auto& fact) {
        paid[event.tenant] += fact.amount().minor_units();
    });
    for (const auto& [tenant, amount] : paid)
        if (cleared[tenant] != amount)
            find.wrong(tenant + " was paid " + std::to_string(amount) +
                       " cents, in clearing stand " + std::to_string(cleared[tenant]));
    for (const auto& [tenant, amount] : cleared)
        if (!paid.contains(tenant) && amount != 0)
            find.wrong(tenant + " was paid nothing, in clearing stand " + std::to_string(amount));
    return find.done();
}

Check invoices(const Facts& facts) {
    Finder find("invoice numbers gapless");
    std::map<std::string, std::int64_t> last;                              // tenant/year
    std::map<std::string, std::pair<std::string, std::int64_t>> assigned;  // invoice
    each<payment::v1::NumberAssigned>(facts, [&](const auto& event, const auto& number) {
        find.looked();
        auto& before = last[name_of(event.tenant, event.key)];
        if (event.version != before + 1)
            find.wrong(where(event) + ": register " + event.key + " of " + event.tenant +
                       " goes from " + std::to_string(before) + " to " +
                       std::to_string(event.version));
        before = event.version;
        if (!assigned.emplace(number.invoice_id(), std::pair{event.tenant, event.version}).second)
            find.wrong(where(event) + ": invoice " + number.invoice_id() + " has a second number");
    });
    std::map<std::string, int> drafted, issued;
    std::set<std::string> numbers;
    each<payment::v1::InvoiceDrafted>(
        facts, [&](const auto& event, const auto&) { ++drafted[event.key]; });
    each<payment::v1::InvoiceIssued>(facts, [&](const auto& event, const auto& invoice) {
        if (++issued[event.key] > 1)
            find.wrong(where(event) + ": invoice " + event.key + " is issued twice");
        if (!numbers.insert(name_of(event.tenant, invoice.number())).second)
            find.wrong(where(event) + ": number " + invoice.number() + " is on two invoices");
        const auto own = assigned.find(event.key);
        if (own == assigned.end()) {
            find.wrong(where(event) + ": invoice " + event.key + " has a number of no register");
            return;
        }
        const auto dash = invoice.number().rfind('-');
        if (std::atoll(invoice.number().c_str() + dash + 1) != own->second.second)
            find.wrong(where(event) + ": invoice " + event.key + " says " + invoice.number() +
                       ", the register " + std::to_string(own->second.second));
    });
    for (const auto& [invoice, times] : drafted)
        if (issued[invoice] != 1)
            find.wrong("invoice " + invoice + " was drafted and issued " +
                       std::to_string(issued[invoice]) + " times");
    return find.done();
}

// Follows each order to its end: nothing on the way happens twice or stays undone.
Check purchases(const Facts& facts) {
    Finder find("every order and payment ends");
    std::map<std::string, int> placed, paid_orders;
    each<payment::v1::OrderPlaced>(facts,
                                   [&](const auto& event, const auto&) { ++placed[event.key]; });
    each<conversation::v1::CheckoutRequested>(facts, [&](const auto& event, const auto& checkout) {
        find.looked();
        const auto order = checkout.retry_of_order_id().empty() ? checkout.order_id()
                                                                : checkout.retry_of_order_id();
        if (placed[order] != 1)
            find.wrong(where(event) + ": order " + order + " was placed " +
                       std::to_string(placed[order]) + " times");
    });
    each<payment::v1::OrderPaid>(facts, [&](const auto& event, const auto&) {
        if (++paid_orders[event.key] > 1)
            find.wrong(where(event) + ": order " + event.key + " is paid twice");
    });
    std::map<std::string, std::string> ends;  // intent → how it stands
    std::map<std::string, bool> second;
    each<payment::v1::IntentCreated>(
        facts, [&](const auto& event, const auto&) { ends.emplace(event.key, ""); });
    for (const auto& event : facts.events) {
        if (event.service != "payment" || event.category != "intent") continue;
        const auto type = event.short_type();
        if (type == "IntentPaid" || type == "IntentFailed" || type == "IntentExpired" ||
            type == "IntentQuarantined" || type == "AskUnknown")
            ends[event.key] = type;
    }
    for (const auto& [intent, end] : ends) {
        find.looked();
        if (end.empty()) find.wrong("intent " + intent + " has no end");
    }
    each<payment::v1::IntentPaid>(facts, [&](const auto& event, const auto& paid) {
        if (!paid.second_success() && paid_orders[paid.order_id()] != 1)
            find.wrong(where(event) + ": intent " + event.key + " is paid, its order " +
                       paid.order_id() + " " + std::to_string(paid_orders[paid.order_id()]) +
                       " times");
    });
    return find.done();
}

Check campaigns(const Facts& facts) {
    Finder find("dispositions equal the audience");
    struct Shard {
        std::map<std::string, campaign::v1::Disposition> members;  // by customer
        bool last = false;
        std::int64_t total = 0;
    };
    struct Campaign {
        std::int64_t audience = -1;
        bool started = false;
        std::string state;
        std::map<int, Shard> shards;
    };
    std::map<std::string, Campaign> all;
    for (const auto& event : facts.events) {
        if (event.service != "campaign") continue;
        const auto type = event.short_type();
        if (event.category == "campaign") {
            auto& campaign = all[event.key];
            if (type == "AudienceFrozen")
                campaign.audience = decode<campaign::v1::AudienceFrozen>(event).audience();
            else if (type == "CampaignStarted")
                campaign.started = true;
            if (type != "AudienceFrozen") campaign.state = type;
        } else if (type == "MembersFrozen") {
            const auto frozen = decode<campaign::v1::MembersFrozen>(event);
            auto& shard = all[frozen.campaign_id()].shards[event.lane];
            for (const auto& member : frozen.personal().members())
                if (!shard.members
                         .emplace(member.customer_id(), member.suppressed().empty()
                                                            ? campaign::v1::DISPOSITION_UNSPECIFIED
                                                            : campaign::v1::DISPOSITION_SUPPRESSED)
                         .second)
                    find.wrong(where(event) + ": " + member.customer_id() + " is a member twice");
            if (frozen.last()) {
                shard.last = true;
                shard.total = frozen.lane_total();
            }
        } else if (type == "DispositionChanged") {
            const auto change = decode<campaign::v1::DispositionChanged>(event);
            auto& members = all[change.campaign_id()].shards[event.lane].members;
            const auto member = members.find(change.customer_id());
            if (member == members.end())
                find.wrong(where(event) + ": " + change.customer_id() + " is no member of " +
                           change.campaign_id());
            else
                member->second = change.disposition();
        }
    }
    const auto messages = messages_of(facts);
    std::map<std::string, std::set<std::string>> sent_to;  // campaign → customers that got it
    std::map<std::string, std::map<std::string, int>> times;
    for (const auto& [id, lines_of] : accepted_by_message(facts)) {
        const auto message = messages.find(id);
        if (message == messages.end() ||
            message->second.queued_as.origin().kind() != gateway::v1::MESSAGE_ORIGIN_KIND_CAMPAIGN)
            continue;
        const auto& origin = message->second.queued_as.origin();
        sent_to[origin.id()].insert(message->second.customer);
        times[origin.id()][message->second.customer] += static_cast<int>(lines_of.size());
    }
    for (const auto& [id, campaign] : all) {
        if (!campaign.started) continue;
        std::int64_t members = 0;
        for (const auto& [lane, shard] : campaign.shards) {
            members += static_cast<std::int64_t>(shard.members.size());
            if (!shard.last || shard.total != static_cast<std::int64_t>(shard.members.size()))
                find.wrong("campaign " + id + " lane " + std::to_string(lane) + " has " +
                           std::to_string(shard.members.size()) + " members, frozen were " +
                           std::to_string(shard.total));
            for (const auto& [customer, disposition] : shard.members) {
                find.looked();
                const auto& word = campaign::v1::Disposition_Name(disposition);
                if (disposition == campaign::v1::DISPOSITION_UNSPECIFIED)
                    find.wrong("campaign " + id + ": " + customer + " has no disposition");
                const bool got = sent_to[id].contains(customer);
                if ((disposition == campaign::v1::DISPOSITION_SENT ||
                     disposition == campaign::v1::DISPOSITION_DELIVERED ||
                     disposition == campaign::v1::DISPOSITION_READ) &&
                    !got)
                    find.wrong("campaign " + id + ": " + customer + " is " + word +
                               ", the provider accepted nothing");
                if (disposition == campaign::v1::DISPOSITION_CANCELLED && got)
                    find.wrong("campaign " + id + ": " + customer + " is " + word + " and got it");
                if (times[id][customer] > 1)
                    find.wrong("campaign " + id + ": " + customer + " got it " +
                               std::to_string(times[id][customer]) + " times");
            }
        }
        if (members != campaign.audience)
            find.wrong("campaign " + id + " has an audience of " +
                       std::to_string(campaign.audience) + " and " + std::to_string(members) +
                       " members with a disposition");
        if (campaign.state != "CampaignCompleted" && campaign.state != "CampaignSettled" &&
            campaign.state != "CampaignPaused")
            find.wrong("campaign " + id + " did not end: " + campaign.state);
    }
    return find.done();
}

Check tasks(const Facts& facts) {
    Finder find("follow-ups said at most once");
    std::map<std::string, std::vector<std::string>> ends;
    std::map<std::string, int> replies;
    for (const auto& event : facts.events) {
        if (event.service != "followup" || event.category != "task") continue;
        auto& end = ends[event.key];
        const auto type = event.short_type();
        if (type == "TaskFired" || type == "TaskCancelled" || type == "TaskSkipped")
            end.push_back(type);
    }
    each<conversation::v1::ReplyRequested>(facts, [&](const auto&, const auto& reply) {
        if (!reply.task_id().empty()) ++replies[reply.task_id()];
    });
    for (const auto& [task, end] : ends) {
        find.looked();
        if (end.size() > 1)
            find.wrong("task " + task + " ended " + std::to_string(end.size()) + " times");
        const bool fired = !end.empty() && end.front() == "TaskFired";
        if (replies[task] > 1)
            find.wrong("task " + task + " was said " + std::to_string(replies[task]) + " times");
        if (!fired && replies[task] > 0) find.wrong("task " + task + " was said and never fired");
    }
    return find.done();
}

Check nothing_parked(const Facts& facts) {
    Finder find("nothing parked");
    find.looked(static_cast<std::int64_t>(facts.cursors.size()));
    for (const auto& row : facts.parked)
        find.wrong(row.service + " parked " + row.source + " lane " + std::to_string(row.lane) +
                   " position " + std::to_string(row.position) + " (" + row.routing_key +
                   "): " + row.reason);
    return find.done();
}

Check settled(const Facts& facts) {
    Finder find("settled: all read, published, done");
    for (const auto& cursor : facts.cursors) {
        find.looked();
        const auto source = facts.tables.find(cursor.source);
        if (source == facts.tables.end()) continue;
        const auto head = source->second.lanes.find(cursor.lane);
        if (head != source->second.lanes.end() && cursor.position != head->second)
            find.wrong(cursor.service + " stands at " + std::to_string(cursor.position) + " of " +
                       std::to_string(head->second) + " in " + cursor.source + " lane " +
                       std::to_string(cursor.lane));
    }
    for (const auto& [service, tables] : facts.tables) {
        for (const auto& [lane, head] : tables.lanes) {
            find.looked();
            const auto published = tables.published.find(lane);
            if (head != (published == tables.published.end() ? 0 : published->second))
                find.wrong(
                    service + " lane " + std::to_string(lane) + " is published up to " +
                    std::to_string(published == tables.published.end() ? 0 : published->second) +
                    " of " + std::to_string(head));
        }
        std::map<std::string, int> due;
        for (const auto& [kind, due_us] : tables.work)
            if (due_us <= facts.now_us + kSoonUs) ++due[kind];
        for (const auto& [kind, count] : due)
            find.wrong(service + " has " + std::to_string(count) + " rows of work " + kind +
                       " still to do");
    }
    return find.done();
}

// A chat may stop short only where the outcome of a send is unknown or the provider refused it for
// good. Both are listed.
Check chats(const Facts& facts) {
    Finder find("every chat reached its end");
    std::map<std::string, std::set<std::string>> phones;  // digits → customers
    for (const auto& event : facts.events) {
        if (event.service != "gateway") continue;
        if (event.short_type() == "MessageQueued") {
            const auto queued = decode<gateway::v1::MessageQueued>(event);
            auto digits = queued.personal().to();
            if (!digits.empty() && digits.front() == '+') digits.erase(0, 1);
            phones[digits].insert(name_of(event.tenant, queued.customer_id()));
        }
    }
    std::set<std::string> excused;
    for (const auto& [id, message] : messages_of(facts))
        if (message.listed_unknown() || message.last == "SendFailed")
            excused.insert(name_of(message.tenant, message.customer));
    // A push whose outcome is unknown asks nobody, or somebody whose answer is awaited.
    std::set<std::string> unknown_pushes;
    each<payment::v1::AskUnknown>(
        facts, [&](const auto& event, const auto&) { unknown_pushes.insert(event.key); });
    each<payment::v1::IntentCreated>(facts, [&](const auto& event, const auto& created) {
        if (unknown_pushes.contains(event.key))
            excused.insert(name_of(event.tenant, created.customer_id()));
    });
    for (const auto& chat : facts.chats) {
        find.looked();
        if (chat.ended) continue;
        bool why = false;
        for (const auto& customer : phones[chat.phone])
            if (excused.contains(customer)) why = true;
        if (!why)
            find.wrong("chat " + chat.phone + " (" + chat.kind + ") ended waiting for " +
                       chat.expected + ", and nothing of it is UNKNOWN or refused");
    }
    return find.done();
}

std::string hex(const std::string& bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string out;
    for (const unsigned char byte : bytes) {
        out += kDigits[byte >> 4];
        out += kDigits[byte & 15];
    }
    return out;
}

std::string sha256(const std::string& data) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    if (EVP_Digest(data.data(), data.size(), digest, &size, EVP_sha256(), nullptr) != 1)
        throw std::runtime_error("SHA-256 is not there");
    return {reinterpret_cast<const char*>(digest), size};
}

std::string joined(const std::vector<std::string>& parts) {
    std::string all;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (i > 0) all += '\0';
        all += parts[i];
    }
    return all;
}

}  // namespace

std::string short_hash(const std::vector<std::string>& parts) {
    return hex(sha256(joined(parts)).substr(0, 16));
}

int lane_of(const std::string& kind, const std::string& tenant, const std::string& key, int lanes) {
    const auto digest = sha256(joined({"flowstack.lane.v1", kind, tenant, key}));
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(digest[i]);
    return static_cast<int>(value % static_cast<std::uint64_t>(lanes));
}

// base64url of 8 bytes of tag, then "1" 0 message 0 customer 0 attempt 0 …
std::string message_of_callback_data(const std::string& data) {
    std::string bytes;
    unsigned int held = 0;
    int bits = 0;
    for (const char c : data) {
        static const std::string kAlphabet =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        const auto value = kAlphabet.find(c);
        if (value == std::string::npos) return "";
        held = held << 6 | static_cast<unsigned int>(value);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes += static_cast<char>(held >> bits & 0xff);
        }
    }
    const auto begin = bytes.find('\0', kTagBytes);
    if (bytes.size() <= kTagBytes || begin == std::string::npos) return "";
    const auto end = bytes.find('\0', begin + 1);
    if (end == std::string::npos) return "";
    return bytes.substr(begin + 1, end - begin - 1);
}

std::vector<std::string> unknown_messages(const Facts& facts) {
    std::vector<std::string> listed;
    for (const auto& [id, message] : messages_of(facts))
        if (message.listed_unknown()) listed.push_back(name_of(message.tenant, id));
    return listed;
}

Check compare_read_models(const Documents& before, const Documents& after) {
    Finder find("read models equal a rebuild");
    const auto name = [](const Documents::key_type& key) {
        const auto& [service, tenant, kind, id] = key;
        return service + " " + kind + " " + id + " of " + tenant;
    };
    for (const auto& [key, body] : before) {
        find.looked();
        const auto made = after.find(key);
        if (made == after.end())
            find.wrong(name(key) + " is not there after a rebuild");
        else if (made->second != body)
            find.wrong(name(key) + " is another one after a rebuild");
    }
    for (const auto& [key, body] : after)
        if (!before.contains(key)) find.wrong(name(key) + " is there only after a rebuild");
    return find.done();
}

std::vector<Check> check_all(const Facts& facts) {
    std::vector<Check> all;
    for (const auto& check :
         {positions, versions, claims, inbound, sends, asked, order_of_replies, consent, money,
          ledger, invoices, purchases, campaigns, tasks, nothing_parked, settled, chats})
        all.push_back(check(facts));
    return all;
}

}  // namespace flowstack::chaos
