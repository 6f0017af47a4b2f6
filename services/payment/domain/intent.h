#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/core/decision.h"
#include "common/core/time.h"
#include "services/payment/domain/ledger.h"

// A payment intent: an amount that we mean to take once, and only once.
//
//              begin push            accepted
//   Waiting ──────────────▶ Asking ──────────────▶ Asked ── expire ──▶ Expired
//     ▲  └─ expire, cancel     │ └── answer lost ──▶ Asked without a checkout id: outcome unknown
//     └────── refused ─────────┘                      │
//                                                     ├── success ──▶ Paid
//   Seen from outside: Waiting and Asking are INITIATED,  └── failure ──▶ Failed
//   Asked is PENDING. Expired with nobody's last word is still asked about, for a while.
//
// What the rules protect
//  - Nobody is asked twice: a push begins only in Waiting, and only a definite refusal leads back
//  there.
//  - A lost answer stays unknown until evidence comes: it neither fails nor expires by itself.
//  - PAID needs a success for a request that we made, and no evidence of another amount.
//  - A success after Failed or Expired is still Paid ("late"). A second success for one order is
//  money
//    in suspense. Evidence that does not fit is quarantined, and money is never dropped.
//  - Evidence may come in any order and any number of times: the end is the same.
//
// Pure: times, and what other streams say, come in the command.
namespace flowstack::payment {

inline constexpr int kPushAttemptsMax = 5;

// ---- facts
struct IntentCreated {
    std::string intent_id;
    std::string order_id;    // empty: a free reference
    std::string invoice_id;  // empty: none
    std::string customer_id;
    std::string conversation_id;
    std::string provider;  // "mpesa"
    Money amount;
    std::string account_reference;  // at most 12 characters
    Time expires_at;
    bool push_now = false;
    std::string reservation_id;
    std::string order_number;
    std::string phone;  // E.164 with +; may be empty until a push is asked for
    bool operator==(const IntentCreated&) const = default;
};
struct PushRequested {
    std::string phone;
    bool operator==(const PushRequested&) const = default;
};
// Written before the call is made.
struct PushAttempted {
    int attempt = 0;  // from 1
    std::string replica;
    Time resolve_by;  // without an outcome by then, it is unknown
    bool operator==(const PushAttempted&) const = default;
};
struct PushAccepted {
    std::string checkout_id;
    std::string merchant_request_id;
    std::optional<Time> next_poll_at;
    Time expires_at;
    bool operator==(const PushAccepted&) const = default;
};
struct PushRefused {
    std::string error_code;
    std::string reason;
    std::optional<Time> retry_at;  // the push is made again then
    Time expires_at;
    bool operator==(const PushRefused&) const = default;
};
struct PushUnknown {
    std::string reason;
    bool operator==(const PushUnknown&) const = default;
};
// Raw, as the door wrote it. What it means is decided by the lane's owner and follows as facts.
struct CallbackReceived {
    bool operator==(const CallbackReceived&) const = default;
};
struct QueryAnswered {
    std::string result_code;
    std::string description;
    bool is_final = false;
    std::optional<Time> next_poll_at;
    bool operator==(const QueryAnswered&) const = default;
};
struct IntentPaid {
    std::string intent_id;
    std::string order_id;
    std::string customer_id;
    std::string conversation_id;
    std::string provider;
    Money amount;
    std::string receipt;  // empty while pending: a query brings none
    std::string checkout_id;
    std::string evidence;  // callback | query
    bool late = false;
    bool second_success = false;
    std::string invoice_id;
    std::string order_number;
    std::string reservation_id;
    bool operator==(const IntentPaid&) const = default;
};
struct IntentFailed {
    std::string intent_id;
    std::string order_id;
    std::string customer_id;
    std::string conversation_id;
    std::string result_code;
    std::string reason;  // see failure::
    std::string reservation_id;
    std::string checkout_id;  // bound by this evidence or before; empty if nobody was asked
    std::string note;         // words of the person who took it back
    bool operator==(const IntentFailed&) const = default;
};
struct IntentExpired {
    std::string intent_id;
    std::string order_id;
    std::string customer_id;
    std::string conversation_id;
    std::string reservation_id;
    std::optional<Time> next_poll_at;  // it was asked about in vain: asked again then
    bool operator==(const IntentExpired&) const = default;
};
struct ReceiptLearned {
    std::string receipt;
    std::string intent_id;
    std::string order_id;
    std::string customer_id;
    std::string conversation_id;
    Money amount;
    std::string order_number;
    bool second_success = false;
    bool operator==(const ReceiptLearned&) const = default;
};
struct IntentQuarantined {
    std::string reason;  // see quarantine::
    std::string detail;
    bool operator==(const IntentQuarantined&) const = default;
};
using IntentEvent =
    std::variant<IntentCreated, PushRequested, PushAttempted, PushAccepted, PushRefused,
                 PushUnknown, CallbackReceived, QueryAnswered, IntentPaid, IntentFailed,
                 IntentExpired, ReceiptLearned, IntentQuarantined, JournalPosted>;

// Words that customers' texts and reports are chosen by.
namespace failure {
inline const std::string kCancelled = "cancelled";  // by the payer, on the phone
inline const std::string kWithdrawn = "withdrawn";  // by the shop, before anyone was asked
inline const std::string kInsufficientFunds = "insufficient_funds";
inline const std::string kNoAnswer = "no_answer";
inline const std::string kWrongPin = "wrong_pin";
inline const std::string kLimit = "limit";
inline const std::string kBusy = "busy";
inline const std::string kRefused = "refused";
inline const std::string kOther = "other";
}  // namespace failure

namespace quarantine {
inline const std::string kOtherAmount = "other_amount";
inline const std::string kReceiptTaken = "receipt_taken";  // by another payment
inline const std::string kOtherReceipt = "other_receipt";  // a second one for this payment
inline const std::string kCheckoutMismatch = "checkout_mismatch";
inline const std::string kCheckoutTaken = "checkout_taken";    // by another payment
inline const std::string kUnknownAttempt = "unknown_attempt";  // we had not asked
inline const std::string kMalformed = "malformed";
inline const std::string kSecondSuccess = "second_success";
inline const std::string kOrderCancelled = "order_cancelled";
}  // namespace quarantine

// ---- what evidence says, after a provider's adapter has read it
struct SaysPaid {
    Money amount;
    std::string receipt;
};
struct SaysFailed {
    std::string code;
    std::string reason;
};
// Nothing definite: still in progress, or a code that nobody knows.
struct SaysNothing {
    std::string code;
};

// What the order's stream says, folded and guarded by the caller.
enum class OrderStanding {
    none,           // a free reference
    open,           // it waits for money, or this intent paid it
    paid_by_other,  // another intent was faster
    cancelled,
};

// A name that another payment holds already, as the log said when the decision was first tried.
enum class Taken { nothing, receipt, checkout };

// ---- commands
struct CreateIntent {
    IntentCreated intent;
};
struct RequestPush {
    std::string phone;
};
struct BeginPush {
    std::string replica;
    Time now;
    Time resolve_by;
};
struct LearnPushAccepted {
    std::string checkout_id;
    std::string merchant_request_id;
    std::optional<Time> next_poll_at;
    Taken taken = Taken::nothing;
};
struct LearnPushRefused {
    std::string error_code;
    std::string reason;  // failure word
    std::optional<Time> retry_at;
};
struct LearnPushLost {
    std::string reason;
};
struct LearnCallback {
    std::string checkout_id;
    std::string merchant_request_id;
    std::variant<SaysPaid, SaysFailed, SaysNothing> says;
    OrderStanding order = OrderStanding::none;
    std::optional<Time> next_poll_at;  // when to ask, if this is how we learn whom to ask about
    Taken taken = Taken::nothing;
};
struct LearnMalformed {
    std::string detail;
};
struct SaysPaidOnly {};  // a query names neither amount nor receipt
struct LearnQuery {
    std::string code;
    std::string description;
    // SaysNothing with a code: one that nobody knows; without: in progress, ask again.
    std::variant<SaysPaidOnly, SaysFailed, SaysNothing> says;
    std::optional<Time> next_poll_at;
    OrderStanding order = OrderStanding::none;
};
struct ExpireIntent {
    Time now;
    std::optional<Time> next_poll_at;  // while nobody has said what became of the prompt
};
struct CancelIntent {
    std::string reason;  // a person's words; may be empty
};
using IntentCommand = std::variant<CreateIntent, RequestPush, BeginPush, LearnPushAccepted,
                                   LearnPushRefused, LearnPushLost, LearnCallback, LearnMalformed,
                                   LearnQuery, ExpireIntent, CancelIntent>;

enum class IntentRejection {
    exists_already,
    not_created,
    amount_not_positive,
    phone_missing,
    asked_already,    // a prompt is on its way or may be: nobody is asked twice
    payment_pending,  // a prompt cannot be called back
    settled,          // nothing is open any more (or yet) that this command could mean
    outcome_unknown,  // only evidence ends it
    not_due,
};

// ---- stages
struct Story {
    IntentCreated made;
    std::string phone;
    int attempts = 0;
    std::optional<std::string> checkout_id;
    bool contradicted = false;  // evidence of another amount was seen
    int quarantined = 0;
    int polls = 0;
    std::string doubtful_code;  // of the last query, when nobody knows the code
    bool operator==(const Story&) const = default;
};
struct NoIntent {
    bool operator==(const NoIntent&) const = default;
};
struct Waiting {
    Story story;
    bool push_wanted = false;
    bool operator==(const Waiting&) const = default;
};
struct Asking {
    Story story;
    bool operator==(const Asking&) const = default;
};
struct Asked {
    Story story;
    bool operator==(const Asked&) const = default;
};
struct Paid {
    Story story;
    std::string receipt;  // empty: pending
    bool late = false;
    bool second_success = false;
    bool operator==(const Paid&) const = default;
};
struct Failed {
    Story story;
    bool was_asked = false;  // so that a late success may still come
    bool operator==(const Failed&) const = default;
};
struct Expired {
    Story story;
    bool was_asked = false;
    bool operator==(const Expired&) const = default;
};
using Intent = std::variant<NoIntent, Waiting, Asking, Asked, Paid, Failed, Expired>;

// Throws std::logic_error on NoIntent.
const Story& story_of(const Intent& intent);

// Money may or may not have moved, and only evidence tells.
bool outcome_unknown(const Intent& intent);

Decision<IntentEvent, IntentRejection> decide(const Intent& intent, const IntentCommand& command);

// Throws CorruptStream if no `decide` could have written this history.
Intent evolve(const Intent& intent, const IntentEvent& event);

}  // namespace flowstack::payment
