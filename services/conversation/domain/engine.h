#pragma once

#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "services/conversation/domain/catalog.h"
#include "services/conversation/domain/conversation.h"
#include "services/conversation/domain/customer.h"
#include "services/conversation/domain/flow.h"

// The one engine that runs every flow. Pure: the same conversation, input and context give the same
// facts.
namespace flowstack::conversation {

// What the rules need to know of a tenant, as of the settings version it was read at.
struct TenantFacts {
    std::string id;
    std::string display_name;
    std::string country = "KE";
    Currency currency = Currency::kes;
    std::int64_t tax_rate_bp = 0;
    std::vector<std::string> languages{"en"};
    std::vector<std::string> providers;  // that are on: mpesa, card
    std::string pack;
    std::string status = "ACTIVE";
    std::int64_t settings_version = 0;
};

struct Context {
    Time now{};
    const TenantFacts* tenant = nullptr;
    const Flow* flow = nullptr;  // of the conversation's version, with the base under it
    // The tenant's own templates: they come before the flow's.
    const std::map<std::string, Template>* templates = nullptr;
    const std::vector<Product>* products = nullptr;
    const std::vector<Promotion>* promotions = nullptr;
    // RE2 lives in the adapters; a bad pattern matches nothing.
    std::function<bool(const std::string& pattern, const std::string& text)> matches;
    // The n-th id of this kind that this cause makes, the same however often it is handled.
    std::function<std::string(const std::string& kind, int n)> make_id;
    // What replies answer: the inbound message's id, or the causing event's.
    std::string cause_key;
};

// --- Inputs

struct Said {
    std::string text;
};
struct Tapped {
    std::string tap_id;  // "<message id>:<n>" when it is ours
    std::string title;
    // Choices of the customer's earlier conversation, looked in after this one's.
    std::deque<SentChoices> earlier;
    std::deque<WaitingOrder> earlier_orders = {};
};
// Something that is no answer in words: a picture, a contact card, an answered form. It uses up no
// attempt; once at a node the customer is told that we read words.
struct SentMedia {
    std::string kind;
};
// A pin on the map: the address, where one is asked for.
struct Pinned {
    std::string place;  // name and address, else the coordinates
};
// The last answer was changed, and the dialogue still stands where it was given (pipeline.h). An
// edit that is no better answer changes nothing and uses up no attempt.
struct Edited {
    std::string text;
};
struct StockAnswered {
    std::string reservation_id;
    bool reserved = false;
    std::string product_id;
    std::int64_t available = 0;
};
// Payment made an order, of a checkout in the chat or one that the shop's own site placed.
struct OrderMade {
    std::string order_id;
    std::string order_number;
};
struct PaymentBegan {
    std::string order_id;
    std::string provider;
    Money amount;
    std::string order_number = {};
    std::string intent_id = {};
};
struct PaymentPaid {
    std::string order_id;
    std::string intent_id;
    std::string receipt;
    Money amount;
    std::string order_number;
    // The order had been paid before: this money goes back.
    bool second_success = false;
};
// The receipt of a payment that was known paid without one.
struct ReceiptCame {
    std::string order_id;
    std::string receipt;
    Money amount;
    std::string order_number;
};
struct PaymentFailed {
    std::string order_id;
    std::string reason;  // cancelled | withdrawn | insufficient_funds | no_answer | wrong_pin |
                         // limit | busy | refused | not_paid | other
    std::string intent_id = {};
};
// Payment made no order of a checkout, or no new payment of its order.
struct CheckoutRefused {
    std::string order_id;
    std::string reservation_id;
    std::string reason;  // already_paid | order_cancelled | payment_pending | no_order | not_priced |
                         // phone_not_usable | provider_off | currency_not_usable |
                         // amount_not_usable
};
struct PaymentExpired {
    std::string order_id;
    std::string intent_id = {};
};
// Nothing but a person ends this payment: its outcome is unknown, or the evidence contradicts
// itself.
struct PaymentUnclear {
    std::string order_id;
    std::string intent_id;
    Money amount;
    std::string order_number;
};
struct InvoiceLine {
    std::string product_name;
    std::int64_t quantity = 0;
    Money unit_price;
    Money line_total;
};
struct InvoiceSent {
    std::string order_id;
    std::string number;
    std::string order_number;
    std::vector<InvoiceLine> lines;
    Money subtotal, tax, rounding, total;
    Time due_at{};
};
struct FollowUpDue {
    std::string task_id;
    std::string kind;
    Time since{};
    std::string text;
    std::string template_key = {};  // not empty: this is said, and nothing else
};
// A follow-up that is not said after all: its time came outside the service window, or too late.
struct FollowUpSkipped {
    std::string kind;
    Time since{};
};
using Input = std::variant<Said, Tapped, SentMedia, Pinned, Edited, StockAnswered, OrderMade,
                           PaymentBegan, PaymentPaid, ReceiptCame, PaymentFailed, PaymentExpired,
                           PaymentUnclear, CheckoutRefused, InvoiceSent, FollowUpDue,
                           FollowUpSkipped>;

struct Step {
    std::vector<Event> events;
    std::vector<CustomerEvent> customer_events;
    // What the flow did wrong on a fact of the world. The fact counts all the same, and a person
    // takes over.
    std::string problem;
    // The occasion for which a follow-up was due and neither the flow nor the tenant has words.
    std::string unsaid;
};

// A flow did what no published flow should: it moved without end, or to a node that is not there.
struct FlowProblem : std::runtime_error {
    using std::runtime_error::runtime_error;
};
inline constexpr int kStepActionsMax = 60;
inline constexpr std::size_t kCartLinesMax = 20;
// Of these, products whose stock is counted: a reservation is one append, with a part for each of
// them and one of its own.
inline constexpr std::size_t kCountedLinesMax = 15;
inline constexpr std::size_t kVariableLengthMax = 1000;

// The conversation must exist. Throws FlowProblem for what a customer said or did.
Step step(const Conversation& conversation, const Customer& customer, const Input& input,
          const Context& context);

// Asks for one message outside of the flow (the limit was reached, something broke).
Step tell(const Conversation& conversation, const std::string& template_key,
          const Context& context);

// The language of a greeting or LANG word; empty when the text decides nothing.
struct LanguageChoice {
    std::string language;
    bool chosen = false;  // by a LANG word: it stays
};
LanguageChoice language_of(const std::string& text, const Flow& flow);

}  // namespace flowstack::conversation
