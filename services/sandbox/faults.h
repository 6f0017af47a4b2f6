#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "services/sandbox/json.h"
#include "services/sandbox/values.h"

// The knobs that make a provider misbehave: rules that match the next calls and say what goes
// wrong. README.md documents the JSON form.
namespace flowstack::sandbox {

// An answer that replaces the right one. A `body` is sent as it is (a proxy's HTML page, an Apigee
// fault); otherwise `code` is worded in the provider's own form.
struct FaultError {
    std::string code;
    std::optional<int> http;
    std::string message;
    std::optional<std::string> body;
};

struct StatusFault {
    std::set<std::string> lose;  // "sent", "delivered", "read"
    int duplicates = 0;          // each status this many times more
    bool reverse = false;        // read, delivered, sent
    bool before_answer = false;  // `sent` arrives before the answer of the send
    Milliseconds delay{0};
    std::optional<int> fail;  // a failed status with this code instead
};

struct CallbackFault {
    bool lose = false;
    int duplicates = 0;
    bool before_answer = false;  // the callback arrives before the answer of the push
    Milliseconds delay{0};
    std::optional<std::string> amount;   // "1.00"
    std::optional<std::string> receipt;  // "repeat" (the shortcode's previous one) or a text
    // "", "unknown_checkout", "wrong_path"; of Stripe: "wrong_signature", "old_signature",
    // "no_signature"
    std::string forge;
};

struct Effect {
    Milliseconds latency{0};  // the answer is held back; the call itself takes effect at once
    std::string cut;          // "", "before" (nothing happens), "after" (accepted, then cut)
    std::optional<FaultError> error;
    StatusFault statuses;
    CallbackFault callback;
    std::string payer;  // how this prompt is answered, see Payer
};

// What a call is, for matching. Empty members of a fault match anything.
struct FaultTarget {
    std::string provider;  // "meta" | "twilio" | "daraja" | "stripe"
    // meta: "messages" | "templates" · twilio: "messages" | "media" · daraja: "oauth" | "stkpush" |
    // "stkquery" · stripe: "sessions" | "retrieve" | "expire"
    std::string call;
    std::string number;  // phone_number_id, or the number of a sender
    std::string phone;
    std::string shortcode;  // or the account's id at Stripe
};

struct Fault {
    std::int64_t id = 0;
    FaultTarget target;
    int skip = 0;   // matching calls let through first
    int times = 1;  // then this many are hit; 0 = until removed
    Effect effect;
    json::object written;  // as it was given
};

// A sentence naming the field when the document is no fault.
std::variant<Fault, std::string> parse_fault(const json::value& document);

class FaultTable {
public:
    std::int64_t add(Fault fault);
    bool remove(std::int64_t id);
    void clear() { faults_.clear(); }
    // Finds the first fault that matches, uses it up by one, and returns its effect.
    Effect take(const FaultTarget& call);
    json::array list() const;

private:
    std::vector<Fault> faults_;
    std::int64_t last_id_ = 0;
};

// Payer behaviours that can be named in knobs.
bool is_payer_behaviour(const std::string& name);

}  // namespace flowstack::sandbox
