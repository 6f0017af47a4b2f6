#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/core/decision.h"
#include "common/core/id.h"
#include "common/core/time.h"
#include "services/payment/domain/ledger.h"
#include "services/payment/domain/payment_started.h"

// A payment intent: an amount that we mean to take once, and only once.
//
//              begin to ask          accepted
//   Waiting ──────────────▶ Asking ──────────────▶ Asked ── expire ──▶ Expired
//     ▲  └─ expire, cancel     │ └── answer lost ──▶ Asked without a reference: outcome unknown
//     └────── refused ─────────┘                      │
//                                                     ├── success ──▶ Paid
//   Seen from outside: Waiting and Asking are INITIATED,  └── failure ──▶ Failed
//   Asked is PENDING. An Expired payment that nobody has heard of is queried for a while.
//
// What the rules protect
//  - The payer is never asked twice: we ask only in Waiting, and only a definite refusal leads back
//    there.
//  - When the provider's answer is lost, the outcome stays unknown until evidence or a person ends
//    it: the intent neither fails nor expires by itself. After a time, or at once when evidence
//    names another amount, PaymentNeedsPerson says that somebody has to look.
//  - PAID needs a success for a request that we made and no evidence of another amount, or the
//    decision of a person who names the receipt.
//  - A success after Failed or Expired is still Paid ("late"). A second success for one order, or
//    money for a cancelled one, stands in suspense, and RefundOwed says that it goes back. Evidence
//    that does not fit is quarantined, and money is never dropped.
//  - Evidence may come in any order and any number of times: the end is the same.
//  - What goes back (refund.h) is taken off here when a refund is opened, and is back when it is
//    given up: together never more than came.
//
// Pure: times, and what other streams say, come in the command.
namespace flowstack::payment {

inline constexpr int kAskAttemptsMax = 5;

// What a provider calls one of our asks.
struct ProviderRef {
    std::string provider;
    std::string id;      // empty: the provider has named none
    std::string detail;  // another id of the same ask; only the provider's code reads it
    bool empty() const { return id.empty(); }
    bool operator==(const ProviderRef&) const = default;
};
// The detail may be missing from one of them: a query's answer does not repeat it.
bool same_ask(const ProviderRef& a, const ProviderRef& b);

// ---- facts
struct IntentCreated {
    IntentId intent_id;
    OrderId order_id;      // empty: a payment without an order
    InvoiceId invoice_id;  // empty: none
    CustomerId customer_id;
    ConversationId conversation_id;
    std::string provider;
    Money amount;
    std::string reference;  // what the payer reads beside the amount
    Time expires_at;
    bool ask_now = false;
    ReservationId reservation_id;
    std::string order_number;
    std::string phone;  // E.164 with +; may be empty until somebody wants the payer asked
    bool operator==(const IntentCreated&) const = default;
};
struct AskRequested {
    std::string phone;
    bool operator==(const AskRequested&) const = default;
};
// Written before the provider is called.
struct AskAttempted {
    int attempt = 0;  // from 1
    std::string replica;
    Time resolve_by;  // without an outcome by then, it is unknown
    bool operator==(const AskAttempted&) const = default;
};
struct AskAccepted {
    ProviderRef ref;
    std::optional<Time> next_poll_at;
    Time expires_at;
    bool operator==(const AskAccepted&) const = default;
};
// The payer pays on a page of the provider: its address, for the conversation.
struct PaymentLinkIssued {
    IntentId intent_id;
    OrderId order_id;
    CustomerId customer_id;
    ConversationId conversation_id;
    std::string provider;
    Money amount;
    std::string order_number;
    std::string url;
    bool operator==(const PaymentLinkIssued&) const = default;
};
struct AskRefused {
    std::string error_code;
    std::string reason;
    std::optional<Time> retry_at;  // the provider is called again then
    Time expires_at;
    bool operator==(const AskRefused&) const = default;
};
struct AskUnknown {
    std::string reason;
    std::optional<Time> unclear_at;  // still unknown then: a person is needed
    bool operator==(const AskUnknown&) const = default;
};
// The raw bytes are kept by the HTTP door. What they mean is decided by the lane's owner and
// follows as other facts.
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
enum class PersonNeeded { outcome_unknown, contradicted };
struct PaymentNeedsPerson {
    IntentId intent_id;
    OrderId order_id;
    CustomerId customer_id;
    ConversationId conversation_id;
    ReservationId reservation_id;
    std::string order_number;
    Money amount;
    PersonNeeded reason = PersonNeeded::outcome_unknown;
    std::string provider;  // whose statement tells
    bool operator==(const PaymentNeedsPerson&) const = default;
};
enum class Resolution { paid, failed };
struct PaymentResolved {
    IntentId intent_id;
    OrderId order_id;
    CustomerId customer_id;
    ConversationId conversation_id;
    Resolution outcome = Resolution::failed;
    std::string receipt;  // empty unless paid
    Money amount;
    std::string reason;  // the person's words
    std::string resolved_by;
    bool operator==(const PaymentResolved&) const = default;
};
struct IntentPaid {
    IntentId intent_id;
    OrderId order_id;
    CustomerId customer_id;
    ConversationId conversation_id;
    std::string provider;
    Money amount;
    std::string receipt;   // empty while it is not known: a query names none
    ProviderRef ref;       // empty when a person decided and the provider never named one
    std::string evidence;  // see evidence::
    bool late = false;
    bool second_success = false;
    InvoiceId invoice_id;
    std::string order_number;
    ReservationId reservation_id;
    bool operator==(const IntentPaid&) const = default;
};
enum class RefundReason { order_paid, order_cancelled };
// The shop owes this payment back to the payer; a person has to refund it.
struct RefundOwed {
    IntentId intent_id;
    OrderId order_id;
    CustomerId customer_id;
    ConversationId conversation_id;
    std::string order_number;
    std::string provider;
    std::string receipt;  // empty while it is not known
    Money amount;
    RefundReason reason = RefundReason::order_paid;
    bool operator==(const RefundOwed&) const = default;
};
// A refund was opened: this part of the money is taken for it.
struct RefundOpened {
    RefundId refund_id;
    Money amount;
    bool operator==(const RefundOpened&) const = default;
};
struct RefundClosed {
    RefundId refund_id;
    Money amount;
    bool done = false;  // else it was given up, and the part is free again
    bool operator==(const RefundClosed&) const = default;
};
struct IntentFailed {
    IntentId intent_id;
    OrderId order_id;
    CustomerId customer_id;
    ConversationId conversation_id;
    std::string result_code;
    std::string reason;  // see failure::
    ReservationId reservation_id;
    ProviderRef ref;         // bound by this evidence or before
    bool was_asked = false;  // so that a success may still come
    std::string note;        // words of the person who took it back or decided
    bool operator==(const IntentFailed&) const = default;
};
struct IntentExpired {
    IntentId intent_id;
    OrderId order_id;
    CustomerId customer_id;
    ConversationId conversation_id;
    ReservationId reservation_id;
    std::optional<Time> next_poll_at;  // it was asked about in vain: asked again then
    bool operator==(const IntentExpired&) const = default;
};
struct ReceiptLearned {
    std::string receipt;
    IntentId intent_id;
    OrderId order_id;
    CustomerId customer_id;
    ConversationId conversation_id;
    Money amount;
    std::string order_number;
    bool second_success = false;
    std::string provider;
    bool operator==(const ReceiptLearned&) const = default;
};
struct IntentQuarantined {
    std::string reason;  // see quarantine::
    std::string detail;
    bool operator==(const IntentQuarantined&) const = default;
};
using IntentEvent =
    std::variant<IntentCreated, PaymentStarted, AskRequested, AskAttempted, AskAccepted,
                 PaymentLinkIssued, AskRefused, AskUnknown, CallbackReceived, QueryAnswered,
                 PaymentNeedsPerson, PaymentResolved, IntentPaid, RefundOwed, RefundOpened,
                 RefundClosed, IntentFailed, IntentExpired, ReceiptLearned, IntentQuarantined,
                 JournalPosted>;

namespace evidence {
inline const std::string kCallback = "callback";
inline const std::string kQuery = "query";
inline const std::string kPerson = "person";
}  // namespace evidence

// Customers' texts and reports are chosen by these words.
namespace failure {
inline const std::string kCancelled = "cancelled";  // by the payer, on the phone
inline const std::string kWithdrawn = "withdrawn";  // by the shop, before anyone was asked
inline const std::string kInsufficientFunds = "insufficient_funds";
inline const std::string kNoAnswer = "no_answer";
inline const std::string kWrongPin = "wrong_pin";
inline const std::string kLimit = "limit";
inline const std::string kBusy = "busy";
inline const std::string kRefused = "refused";
inline const std::string kDeclined = "declined";         // by the payer's bank, for good
inline const std::string kPageExpired = "page_expired";  // nobody paid on the provider's page
inline const std::string kNotPaid = "not_paid";          // a person found no money
inline const std::string kOther = "other";
}  // namespace failure

namespace quarantine {
inline const std::string kOtherAmount = "other_amount";
inline const std::string kReceiptTaken = "receipt_taken";  // by another payment
inline const std::string kOtherReceipt = "other_receipt";  // a second one for this payment
inline const std::string kReferenceMismatch = "reference_mismatch";
inline const std::string kReferenceTaken = "reference_taken";  // by another payment
inline const std::string kUnknownAttempt = "unknown_attempt";  // we had not asked
inline const std::string kMalformed = "malformed";
inline const std::string kSecondSuccess = "second_success";
inline const std::string kOrderCancelled = "order_cancelled";
}  // namespace quarantine

// ---- what evidence says, after the provider's code has read it
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

// What the order's stream says. The caller folds it and guards the append with its version.
enum class OrderStanding {
    none,           // a payment without an order
    open,           // it waits for money, or this intent paid it
    paid_by_other,  // another intent was faster
    cancelled,
};

// What another payment holds already, as the log said when the decision was first tried.
enum class Taken { nothing, receipt, reference };

// ---- commands
struct CreateIntent {
    IntentCreated intent;
};
struct RequestAsk {
    std::string phone;
    bool needs_phone = true;  // the provider asks on a phone
};
struct BeginAsk {
    std::string replica;
    Time now;
    Time resolve_by;
};
struct LearnAskAccepted {
    ProviderRef ref;
    std::optional<Time> next_poll_at;
    Taken taken = Taken::nothing;
    std::optional<Time> unclear_at;  // for the case that the reference is another payment's
    std::string link{};              // the page on which the payer pays; empty: there is none
};
struct LearnAskRefused {
    std::string error_code;
    std::string reason;  // see failure::
    std::optional<Time> retry_at;
};
struct LearnAskLost {
    std::string reason;
    std::optional<Time> unclear_at;
};
struct LearnCallback {
    ProviderRef ref;
    std::variant<SaysPaid, SaysFailed, SaysNothing> says;
    OrderStanding order = OrderStanding::none;
    std::optional<Time> next_poll_at;  // when to ask, if this is how we learn whom to ask about
    Taken taken = Taken::nothing;
};
struct LearnMalformed {
    std::string detail;
};
struct SaysPaidOnly {};  // the queries of some providers name neither amount nor receipt
struct LearnQuery {
    std::string code;
    std::string description;
    // SaysNothing with a code: one that nobody knows. Without a code: in progress, ask again.
    std::variant<SaysPaidOnly, SaysPaid, SaysFailed, SaysNothing> says;
    std::optional<Time> next_poll_at;
    OrderStanding order = OrderStanding::none;
    Taken taken = Taken::nothing;
};
struct ExpireIntent {
    Time now;
    std::optional<Time> next_poll_at;  // while nobody has said what became of the prompt
};
struct CancelIntent {
    std::string reason;  // a person's words; may be empty
};
struct CallPerson {
    Time now;
};
// A person has looked at the provider's statement.
struct ResolveIntent {
    std::optional<SaysPaid> paid;  // nothing: no money came
    std::string reason;
    std::string by;
    OrderStanding order = OrderStanding::none;
};
struct BeginRefund {
    RefundId refund_id;
    Money amount;
};
struct EndRefund {
    RefundId refund_id;
    bool done = false;
};
using IntentCommand =
    std::variant<CreateIntent, RequestAsk, BeginAsk, LearnAskAccepted, LearnAskRefused,
                 LearnAskLost, LearnCallback, LearnMalformed, LearnQuery, ExpireIntent,
                 CancelIntent, CallPerson, ResolveIntent, BeginRefund, EndRefund>;

enum class IntentRejection {
    exists_already,
    not_created,
    amount_not_positive,
    phone_missing,
    asked_already,    // a prompt is on its way or may be: nobody is asked twice
    payment_pending,  // a prompt cannot be called back
    settled,          // nothing is open any more (or yet) that this command could mean
    outcome_unknown,  // only evidence or a person ends it
    not_due,
    still_open,    // a person need not decide: it ends by itself
    never_asked,   // a person has nothing to decide: nobody was asked
    other_amount,  // a person names another amount than the payment's
    not_paid,      // only money that came goes back
    more_than_is_left,
};

// ---- stages
struct Story {
    IntentCreated made;
    std::string phone;
    int attempts = 0;
    ProviderRef ref;            // empty until the provider or a callback names one
    bool contradicted = false;  // evidence of another amount was seen
    int quarantined = 0;
    int polls = 0;
    std::string doubtful_code;  // of the last query, when nobody knows the code
    std::optional<Time> unclear_at;
    std::optional<PersonNeeded> person_needed;
    bool operator==(const Story&) const = default;
};
struct NoIntent {
    bool operator==(const NoIntent&) const = default;
};
struct Waiting {
    Story story;
    bool ask_wanted = false;
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
    std::string receipt;  // empty: not known yet
    bool late = false;
    bool second_success = false;
    bool refund_owed = false;
    std::map<RefundId, Money> refunds = {};  // open and done ones

    // No order wants it: a person says what becomes of it.
    bool in_suspense() const {
        return second_success || refund_owed || story.made.order_id.empty();
    }
    // What no refund has taken yet.
    Money left() const;
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

// Money may or may not have moved, and only evidence or a person tells.
bool outcome_unknown(const Intent& intent);

// The provider can be queried about it: before its end, and for a while after it expired.
bool can_be_queried(const Intent& intent);

Decision<IntentEvent, IntentRejection> decide(const Intent& intent, const IntentCommand& command);

// Throws CorruptStream if no `decide` could have written this history.
Intent evolve(const Intent& intent, const IntentEvent& event);

}  // namespace flowstack::payment
