#include "services/payment/domain/intent.h"

#include <stdexcept>

#include "common/core/corrupt_stream.h"
#include "common/core/overloaded.h"

namespace flowstack::payment {
namespace {

using Answer = Decision<IntentEvent, IntentRejection>;
using Events = std::vector<IntentEvent>;

const Events kNothingNew;

bool has_other_ref(const Story& s, const ProviderRef& ref) {
    return !s.ref.empty() && !same_ask(s.ref, ref);
}

IntentQuarantined mismatch(const Story& s, const ProviderRef& ref) {
    return {.reason = quarantine::kReferenceMismatch,
            .detail = "reference " + ref.id + ", but this payment has " +
                      (s.ref.empty() ? "none" : s.ref.id)};
}

IntentQuarantined never_asked(const ProviderRef& ref) {
    return {.reason = quarantine::kUnknownAttempt,
            .detail = "nobody was asked for this payment, reference " + ref.id};
}

IntentFailed failed(const Story& s, const std::string& code, const std::string& reason,
                    const ProviderRef& ref, bool was_asked) {
    return {.intent_id = s.made.intent_id,
            .order_id = s.made.order_id,
            .customer_id = s.made.customer_id,
            .conversation_id = s.made.conversation_id,
            .result_code = code,
            .reason = reason,
            .reservation_id = s.made.reservation_id,
            .ref = ref,
            .was_asked = was_asked,
            .note = {}};
}

IntentExpired expired(const Story& s, const std::optional<Time>& next_poll_at) {
    return {.intent_id = s.made.intent_id,
            .order_id = s.made.order_id,
            .customer_id = s.made.customer_id,
            .conversation_id = s.made.conversation_id,
            .reservation_id = s.made.reservation_id,
            .next_poll_at = next_poll_at};
}

AskAccepted accepted_as(const Story& s, const ProviderRef& ref,
                        const std::optional<Time>& next_poll_at) {
    return {.ref = ref, .next_poll_at = next_poll_at, .expires_at = s.made.expires_at};
}

// What an accepted ask leads to, once: nobody but the conversation gives the page's address on.
Events accepted_events(const Story& s, const LearnAskAccepted& c) {
    Events events{accepted_as(s, c.ref, c.next_poll_at)};
    if (c.link.empty()) return events;
    events.push_back(PaymentLinkIssued{.intent_id = s.made.intent_id,
                                       .order_id = s.made.order_id,
                                       .customer_id = s.made.customer_id,
                                       .conversation_id = s.made.conversation_id,
                                       .provider = s.made.provider,
                                       .amount = s.made.amount,
                                       .order_number = s.made.order_number,
                                       .url = c.link});
    return events;
}

// Says that a person is needed, once a payment and reason.
void call_person(Events& events, const Story& s, PersonNeeded reason) {
    if (s.person_needed == reason) return;
    events.push_back(PaymentNeedsPerson{.intent_id = s.made.intent_id,
                                        .order_id = s.made.order_id,
                                        .customer_id = s.made.customer_id,
                                        .conversation_id = s.made.conversation_id,
                                        .reservation_id = s.made.reservation_id,
                                        .order_number = s.made.order_number,
                                        .amount = s.made.amount,
                                        .reason = reason,
                                        .provider = s.made.provider});
}

// The money is here. Where it is booked depends on what the order still wants.
void pay(Events& events, const Story& s, OrderStanding order, bool late, const ProviderRef& ref,
         const std::string& receipt, const std::string& evidence) {
    const auto& m = s.made;
    events.push_back(IntentPaid{.intent_id = m.intent_id,
                                .order_id = m.order_id,
                                .customer_id = m.customer_id,
                                .conversation_id = m.conversation_id,
                                .provider = m.provider,
                                .amount = m.amount,
                                .receipt = receipt,
                                .ref = ref,
                                .evidence = evidence,
                                .late = late,
                                .second_success = order == OrderStanding::paid_by_other,
                                .invoice_id = m.invoice_id,
                                .order_number = m.order_number,
                                .reservation_id = m.reservation_id});
    const auto book = [&](const char* cause, const std::string& credit) {
        events.push_back(money_in_journal(m.intent_id, cause, m.provider, m.amount, credit));
    };
    const auto owe = [&](RefundReason reason) {
        events.push_back(RefundOwed{.intent_id = m.intent_id,
                                    .order_id = m.order_id,
                                    .customer_id = m.customer_id,
                                    .conversation_id = m.conversation_id,
                                    .order_number = m.order_number,
                                    .provider = m.provider,
                                    .receipt = receipt,
                                    .amount = m.amount,
                                    .reason = reason});
    };
    switch (order) {
        case OrderStanding::none:
            book("intent_paid", account::kSuspense);
            break;
        case OrderStanding::open:
            if (late) {
                book("late_success", account::kSuspense);
                events.push_back(late_applied_journal(m.intent_id, m.amount));
            } else {
                book("intent_paid", account::kReceivable);
            }
            break;
        case OrderStanding::paid_by_other:
            book("second_success", account::kSuspense);
            owe(RefundReason::order_paid);
            events.push_back(IntentQuarantined{
                .reason = quarantine::kSecondSuccess,
                .detail = "the order was paid by another payment: refund this one"});
            break;
        case OrderStanding::cancelled:
            book("late_success", account::kSuspense);
            owe(RefundReason::order_cancelled);
            events.push_back(
                IntentQuarantined{.reason = quarantine::kOrderCancelled,
                                  .detail = "the order was cancelled: refund this payment"});
            break;
    }
}

IntentQuarantined other_amount(const Story& s, Money amount) {
    return {.reason = quarantine::kOtherAmount,
            .detail = format_money(amount) + " instead of " + format_money(s.made.amount)};
}

// A success that names amount and receipt, when the payment waits for one (or waited: late).
Events paid_with(const Story& s, const SaysPaid& paid, OrderStanding order, bool late,
                 const ProviderRef& ref, const std::string& evidence) {
    Events events;
    if (paid.amount != s.made.amount || s.contradicted) {
        events.push_back(
            paid.amount != s.made.amount
                ? other_amount(s, paid.amount)
                : IntentQuarantined{.reason = quarantine::kOtherAmount,
                                    .detail = "a success after evidence of another amount, "
                                              "receipt " +
                                              paid.receipt});
        call_person(events, s, PersonNeeded::contradicted);
        return events;
    }
    pay(events, s, order, late, ref, paid.receipt, evidence);
    return events;
}

Answer success(const Story& s, const LearnCallback& c, const SaysPaid& paid, bool late) {
    if (has_other_ref(s, c.ref)) return mismatch(s, c.ref);
    return paid_with(s, paid, c.order, late, c.ref, evidence::kCallback);
}

// A callback while we wait for an answer (Asking) or for the customer (Asked).
Answer open_callback(const Story& s, const LearnCallback& c, bool asked) {
    return std::visit(Overloaded{[&](const SaysPaid& paid) { return success(s, c, paid, false); },
                                 [&](const SaysFailed& no) -> Answer {
                                     if (has_other_ref(s, c.ref)) return mismatch(s, c.ref);
                                     if (s.contradicted) return kNothingNew;
                                     return failed(s, no.code, no.reason, c.ref, true);
                                 },
                                 [&](const SaysNothing&) -> Answer {
                                     if (has_other_ref(s, c.ref)) return mismatch(s, c.ref);
                                     // At least it says whom to ask about.
                                     if (asked && !s.ref.empty()) return kNothingNew;
                                     return accepted_as(s, c.ref, c.next_poll_at);
                                 }},
                      c.says);
}

// A callback after Failed or Expired.
Answer late_callback(const Story& s, const LearnCallback& c, bool was_asked) {
    if (!was_asked) return never_asked(c.ref);
    if (const auto* paid = std::get_if<SaysPaid>(&c.says)) return success(s, c, *paid, true);
    if (has_other_ref(s, c.ref)) return mismatch(s, c.ref);
    return kNothingNew;
}

// The log said that the reference or the receipt is another payment's: this evidence proves
// nothing.
std::optional<Answer> refused_claim(const LearnCallback& c) {
    switch (c.taken) {
        case Taken::nothing:
            return {};
        case Taken::receipt: {
            const auto* paid = std::get_if<SaysPaid>(&c.says);
            return IntentQuarantined{.reason = quarantine::kReceiptTaken,
                                     .detail = paid ? paid->receipt : ""};
        }
        case Taken::reference:
            return IntentQuarantined{.reason = quarantine::kReferenceTaken, .detail = c.ref.id};
    }
    return {};
}

// ---- rules: one overload per legal (stage, command) pair

// The stream of an order says itself that its payment started; a payment without an order has only
// its own stream.
Answer on(const NoIntent&, const CreateIntent& c) {
    const auto& m = c.intent;
    if (!is_positive(m.amount)) return IntentRejection::amount_not_positive;
    Events events{m};
    if (m.order_id.empty() && !m.conversation_id.empty())
        events.push_back(PaymentStarted{.order_id = {},
                                        .intent_id = m.intent_id,
                                        .conversation_id = m.conversation_id,
                                        .customer_id = m.customer_id,
                                        .provider = m.provider,
                                        .amount = m.amount,
                                        .order_number = {}});
    return events;
}

template <class Stage>
Answer on(const Stage&, const CreateIntent&) {
    return IntentRejection::exists_already;
}

template <class Command>
Answer on(const NoIntent&, const Command&) {
    return IntentRejection::not_created;
}

Answer on(const Waiting& i, const RequestAsk& c) {
    if (c.needs_phone && c.phone.empty() && i.story.phone.empty())
        return IntentRejection::phone_missing;
    if (i.ask_wanted) return kNothingNew;  // it is on its way already
    return AskRequested{c.phone.empty() ? i.story.phone : c.phone};
}

Answer on(const Waiting& i, const BeginAsk& c) {
    if (c.now >= i.story.made.expires_at) return IntentRejection::settled;
    return AskAttempted{
        .attempt = i.story.attempts + 1, .replica = c.replica, .resolve_by = c.resolve_by};
}

Answer on(const Waiting& i, const ExpireIntent& c) {
    if (c.now < i.story.made.expires_at) return IntentRejection::not_due;
    return expired(i.story, {});
}

Answer on(const Waiting& i, const CancelIntent& c) {
    auto fact = failed(i.story, "", failure::kWithdrawn, {}, false);
    fact.note = c.reason;
    return fact;
}

// Waiting means: never asked, or definitely refused. A callback cannot be an answer to anything.
Answer on(const Waiting&, const LearnCallback& c) { return never_asked(c.ref); }

Answer on(const Waiting&, const LearnAskAccepted& c) {
    return IntentQuarantined{.reason = quarantine::kUnknownAttempt,
                             .detail = "accepted after it was refused, reference " + c.ref.id};
}

Answer accepted(const Story& s, const LearnAskAccepted& c) {
    if (c.taken != Taken::nothing)
        return Events{AskUnknown{.reason = "the answer names another payment's reference",
                                 .unclear_at = c.unclear_at},
                      IntentQuarantined{.reason = quarantine::kReferenceTaken, .detail = c.ref.id}};
    if (has_other_ref(s, c.ref)) return mismatch(s, c.ref);
    if (!s.ref.empty()) return kNothingNew;  // a callback was faster and bound it
    return accepted_events(s, c);
}

Answer on(const Asking& i, const LearnAskAccepted& c) { return accepted(i.story, c); }
// The answer came after all, from a process that had been given up.
Answer on(const Asked& i, const LearnAskAccepted& c) {
    if (c.taken != Taken::nothing)
        return IntentQuarantined{.reason = quarantine::kReferenceTaken, .detail = c.ref.id};
    return accepted(i.story, c);
}

Answer final_refusal(const Story& s, const LearnAskRefused& c) {
    return Events{AskRefused{.error_code = c.error_code,
                             .reason = c.reason,
                             .retry_at = {},
                             .expires_at = s.made.expires_at},
                  failed(s, c.error_code, c.reason, {}, false)};
}

Answer on(const Asking& i, const LearnAskRefused& c) {
    const auto& s = i.story;
    const bool again = c.retry_at && *c.retry_at < s.made.expires_at &&
                       s.attempts < kAskAttemptsMax && s.ref.empty();
    if (!again) return final_refusal(s, c);
    return AskRefused{.error_code = c.error_code,
                      .reason = c.reason,
                      .retry_at = c.retry_at,
                      .expires_at = s.made.expires_at};
}

// After "unknown" the payer is not asked again, not even after a refusal that would allow it.
Answer on(const Asked& i, const LearnAskRefused& c) {
    if (!i.story.ref.empty()) return kNothingNew;
    if (i.story.contradicted) return kNothingNew;
    return final_refusal(i.story, c);
}

Answer on(const Asking&, const LearnAskLost& c) {
    return AskUnknown{.reason = c.reason, .unclear_at = c.unclear_at};
}
Answer on(const Asked&, const LearnAskLost&) { return kNothingNew; }

Answer on(const Asking& i, const LearnCallback& c) {
    if (const auto refused = refused_claim(c)) return *refused;
    return open_callback(i.story, c, false);
}

Answer on(const Asked& i, const LearnCallback& c) {
    if (const auto refused = refused_claim(c)) return *refused;
    return open_callback(i.story, c, true);
}

Answer on(const Failed& i, const LearnCallback& c) {
    if (const auto refused = refused_claim(c)) return *refused;
    return late_callback(i.story, c, i.was_asked);
}

Answer on(const Expired& i, const LearnCallback& c) {
    if (const auto refused = refused_claim(c)) return *refused;
    return late_callback(i.story, c, i.was_asked);
}

// A person may have decided without a reference: then the callback's is compared by its receipt.
Answer on(const Paid& i, const LearnCallback& c) {
    const auto& s = i.story;
    if (const auto refused = refused_claim(c)) return *refused;
    if (has_other_ref(s, c.ref)) return mismatch(s, c.ref);
    const auto* paid = std::get_if<SaysPaid>(&c.says);
    if (!paid) return kNothingNew;  // a failure cannot undo money that came
    if (paid->amount != s.made.amount) return other_amount(s, paid->amount);
    if (i.receipt.empty())
        return ReceiptLearned{.receipt = paid->receipt,
                              .intent_id = s.made.intent_id,
                              .order_id = s.made.order_id,
                              .customer_id = s.made.customer_id,
                              .conversation_id = s.made.conversation_id,
                              .amount = s.made.amount,
                              .order_number = s.made.order_number,
                              .second_success = i.second_success,
                              .provider = s.made.provider};
    if (i.receipt != paid->receipt)
        return IntentQuarantined{.reason = quarantine::kOtherReceipt,
                                 .detail = paid->receipt + " besides " + i.receipt};
    return kNothingNew;
}

QueryAnswered answered(const LearnQuery& c, bool is_final) {
    return {.result_code = c.code,
            .description = c.description,
            .is_final = is_final,
            .next_poll_at = is_final ? std::nullopt : c.next_poll_at};
}

// A query's success, with amount and receipt where the provider names them.
Answer told_paid(const Story& s, const LearnQuery& c, bool late) {
    Events events{answered(c, true)};
    const auto* paid = std::get_if<SaysPaid>(&c.says);
    if (!paid) {
        pay(events, s, c.order, late, s.ref, "", evidence::kQuery);
    } else if (c.taken != Taken::nothing) {
        events.push_back(
            IntentQuarantined{.reason = quarantine::kReceiptTaken, .detail = paid->receipt});
    } else {
        const auto more = paid_with(s, *paid, c.order, late, s.ref, evidence::kQuery);
        events.insert(events.end(), more.begin(), more.end());
    }
    return events;
}

Answer on(const Asked& i, const LearnQuery& c) {
    const auto& s = i.story;
    if (s.ref.empty()) return IntentRejection::outcome_unknown;  // there is nothing to ask about
    // Evidence of another amount: a person decides, whatever the query says.
    if (s.contradicted && !std::holds_alternative<SaysNothing>(c.says)) return answered(c, true);
    return std::visit(
        Overloaded{[&](const SaysPaidOnly&) { return told_paid(s, c, false); },
                   [&](const SaysPaid&) { return told_paid(s, c, false); },
                   [&](const SaysFailed& no) -> Answer {
                       return Events{answered(c, true), failed(s, no.code, no.reason, s.ref, true)};
                   },
                   [&](const SaysNothing& nothing) -> Answer {
                       // A code that nobody knows counts when it is said twice in a row.
                       if (!nothing.code.empty() && nothing.code == s.doubtful_code)
                           return Events{answered(c, true),
                                         failed(s, nothing.code, failure::kOther, s.ref, true)};
                       return answered(c, false);
                   }},
        c.says);
}

Answer on(const Asked& i, const ExpireIntent& c) {
    if (i.story.ref.empty() || i.story.contradicted) return IntentRejection::outcome_unknown;
    if (c.now < i.story.made.expires_at) return IntentRejection::not_due;
    return expired(i.story, c.next_poll_at);
}

// Nobody could say at the end of its time what became of the prompt. Money that moved is late, and
// it is found also when its callback never comes.
Answer on(const Expired& i, const LearnQuery& c) {
    const auto& s = i.story;
    if (!i.was_asked || s.ref.empty()) return IntentRejection::settled;
    if (s.contradicted) return answered(c, true);
    if (std::holds_alternative<SaysPaidOnly>(c.says) || std::holds_alternative<SaysPaid>(c.says))
        return told_paid(s, c, true);
    return answered(c, std::holds_alternative<SaysFailed>(c.says));
}
Answer on(const Asking&, const LearnQuery&) { return IntentRejection::outcome_unknown; }
Answer on(const Asking&, const ExpireIntent&) { return IntentRejection::outcome_unknown; }

Answer on(const Asking&, const RequestAsk&) { return IntentRejection::asked_already; }
Answer on(const Asked&, const RequestAsk&) { return IntentRejection::asked_already; }
Answer on(const Asking&, const BeginAsk&) { return IntentRejection::asked_already; }
Answer on(const Asked&, const BeginAsk&) { return IntentRejection::asked_already; }
Answer on(const Asking&, const CancelIntent&) { return IntentRejection::payment_pending; }
// What nobody but a person can end is not withdrawn either: money may have moved.
Answer on(const Asked& i, const CancelIntent&) {
    return outcome_unknown(i) ? IntentRejection::outcome_unknown : IntentRejection::payment_pending;
}

// ---- a person

Answer on(const Asked& i, const CallPerson& c) {
    const auto& s = i.story;
    Events events;
    if (s.contradicted) {
        call_person(events, s, PersonNeeded::contradicted);
    } else if (s.ref.empty()) {
        if (s.unclear_at && c.now < *s.unclear_at) return IntentRejection::not_due;
        call_person(events, s, PersonNeeded::outcome_unknown);
    } else {
        return IntentRejection::still_open;
    }
    return events;
}

Answer resolved(const Story& s, const ResolveIntent& c, bool late) {
    if (c.paid && c.paid->amount != s.made.amount) return IntentRejection::other_amount;
    Events events{PaymentResolved{.intent_id = s.made.intent_id,
                                  .order_id = s.made.order_id,
                                  .customer_id = s.made.customer_id,
                                  .conversation_id = s.made.conversation_id,
                                  .outcome = c.paid ? Resolution::paid : Resolution::failed,
                                  .receipt = c.paid ? c.paid->receipt : "",
                                  .amount = s.made.amount,
                                  .reason = c.reason,
                                  .resolved_by = c.by}};
    if (c.paid) {
        pay(events, s, c.order, late, s.ref, c.paid->receipt, evidence::kPerson);
    } else {
        auto fact = failed(s, "", failure::kNotPaid, s.ref, true);
        fact.note = c.reason;
        events.push_back(std::move(fact));
    }
    return events;
}

Answer on(const Waiting&, const ResolveIntent&) { return IntentRejection::never_asked; }
Answer on(const Asking&, const ResolveIntent&) { return IntentRejection::still_open; }
Answer on(const Asked& i, const ResolveIntent& c) {
    if (!outcome_unknown(i)) return IntentRejection::still_open;
    return resolved(i.story, c, false);
}

// Money that the statement shows although the payment had ended. It failed once already, so there
// is nothing new in saying so again.
template <class Ended>
Answer resolved_late(const Ended& i, const ResolveIntent& c) {
    if (!i.was_asked) return IntentRejection::never_asked;
    if (!c.paid) return IntentRejection::settled;
    return resolved(i.story, c, true);
}
Answer on(const Failed& i, const ResolveIntent& c) { return resolved_late(i, c); }
Answer on(const Expired& i, const ResolveIntent& c) { return resolved_late(i, c); }

// ---- what goes back

Answer on(const Paid& i, const BeginRefund& c) {
    if (i.refunds.contains(c.refund_id)) return kNothingNew;
    if (!is_positive(c.amount)) return IntentRejection::amount_not_positive;
    if (c.amount.currency != i.story.made.amount.currency) return IntentRejection::other_amount;
    if (c.amount.minor_units > i.left().minor_units) return IntentRejection::more_than_is_left;
    return RefundOpened{.refund_id = c.refund_id, .amount = c.amount};
}
Answer on(const NoIntent&, const BeginRefund&) { return IntentRejection::not_created; }
template <class Stage>
Answer on(const Stage&, const BeginRefund&) {
    return IntentRejection::not_paid;
}
Answer on(const Paid& i, const EndRefund& c) {
    const auto found = i.refunds.find(c.refund_id);
    if (found == i.refunds.end()) return IntentRejection::settled;
    return RefundClosed{.refund_id = c.refund_id, .amount = found->second, .done = c.done};
}

// ---- answers that come after the end

// A callback or a person was faster. The same reference is no news, and a payment that was ended
// without one cannot contradict the answer's.
Answer answer_after_end(const Story& s, const LearnAskAccepted& c, bool was_asked) {
    if (s.ref.empty() ? was_asked : same_ask(s.ref, c.ref)) return kNothingNew;
    return mismatch(s, c.ref);
}
Answer on(const Paid& i, const LearnAskAccepted& c) { return answer_after_end(i.story, c, true); }
Answer on(const Failed& i, const LearnAskAccepted& c) {
    return answer_after_end(i.story, c, i.was_asked);
}
Answer on(const Expired& i, const LearnAskAccepted& c) {
    return answer_after_end(i.story, c, i.was_asked);
}

template <class Ended>
Answer no_news(const Ended&) {
    return kNothingNew;
}
Answer on(const Paid& i, const LearnAskRefused&) { return no_news(i); }
Answer on(const Failed& i, const LearnAskRefused&) { return no_news(i); }
Answer on(const Expired& i, const LearnAskRefused&) { return no_news(i); }
Answer on(const Paid& i, const LearnAskLost&) { return no_news(i); }
Answer on(const Failed& i, const LearnAskLost&) { return no_news(i); }
Answer on(const Expired& i, const LearnAskLost&) { return no_news(i); }

Answer on(const NoIntent&, const LearnMalformed&) { return IntentRejection::not_created; }
template <class Stage>
Answer on(const Stage&, const LearnMalformed& c) {
    return IntentQuarantined{.reason = quarantine::kMalformed, .detail = c.detail};
}

// Everything else comes too late or too early.
template <class Stage, class Command>
Answer on(const Stage&, const Command&) {
    return IntentRejection::settled;
}

// ---- how a fact moves an intent along

template <class Stage>
Stage quarantined(Stage stage, const IntentQuarantined& e) {
    ++stage.story.quarantined;
    if (e.reason == quarantine::kOtherAmount) stage.story.contradicted = true;
    return stage;
}

Intent after(const NoIntent&, const IntentCreated& e) {
    Story story;
    story.made = e;
    story.phone = e.phone;
    return Waiting{.story = std::move(story), .ask_wanted = e.ask_now};
}

// Its conversation is told; the intent itself does not move.
Intent after(const Waiting& i, const PaymentStarted&) { return i; }

Intent after(Waiting i, const AskRequested& e) {
    i.story.phone = e.phone;
    i.ask_wanted = true;
    return i;
}

Intent after(Waiting i, const AskAttempted& e) {
    if (e.attempt != i.story.attempts + 1) throw CorruptStream("intent: attempts out of order");
    i.story.attempts = e.attempt;
    return Asking{i.story};
}

Intent bound(Story story, const AskAccepted& e) {
    if (!story.ref.empty()) throw CorruptStream("intent: a second reference");
    story.ref = e.ref;
    return Asked{std::move(story)};
}
// The page's address is the conversation's business; the intent itself does not move.
Intent after(const Asked& i, const PaymentLinkIssued&) { return i; }
Intent after(const Asking& i, const AskAccepted& e) { return bound(i.story, e); }
Intent after(const Asked& i, const AskAccepted& e) { return bound(i.story, e); }

Intent after(const Asking& i, const AskRefused& e) {
    return Waiting{.story = i.story, .ask_wanted = e.retry_at.has_value()};
}
Intent after(const Asked& i, const AskRefused& e) {
    if (!i.story.ref.empty()) throw CorruptStream("intent: refused after it was accepted");
    return Waiting{.story = i.story, .ask_wanted = e.retry_at.has_value()};
}

Intent after(const Asking& i, const AskUnknown& e) {
    Asked asked{i.story};
    asked.story.unclear_at = e.unclear_at;
    return asked;
}

template <class Stage>
Stage person_called(Stage stage, const PaymentNeedsPerson& e) {
    stage.story.person_needed = e.reason;
    return stage;
}
Intent after(const Asking& i, const PaymentNeedsPerson& e) { return person_called(i, e); }
Intent after(const Asked& i, const PaymentNeedsPerson& e) { return person_called(i, e); }
Intent after(const Failed& i, const PaymentNeedsPerson& e) { return person_called(i, e); }
Intent after(const Expired& i, const PaymentNeedsPerson& e) { return person_called(i, e); }

// The fact that follows it in the same append moves the intent. Evidence that contradicts the
// person's decision needs a person again.
template <class Stage>
Stage person_decided(Stage stage) {
    stage.story.person_needed.reset();
    return stage;
}
Intent after(const Asked& i, const PaymentResolved&) { return person_decided(i); }
Intent after(const Failed& i, const PaymentResolved&) { return person_decided(i); }
Intent after(const Expired& i, const PaymentResolved&) { return person_decided(i); }

template <class Stage>
Stage asked_about(Stage stage, const QueryAnswered& e) {
    ++stage.story.polls;
    stage.story.doubtful_code = e.is_final ? "" : e.result_code;
    return stage;
}
Intent after(const Asked& i, const QueryAnswered& e) { return asked_about(i, e); }
Intent after(const Expired& i, const QueryAnswered& e) { return asked_about(i, e); }

Intent paid(Story story, const IntentPaid& e) {
    if (!story.ref.empty() && !same_ask(story.ref, e.ref))
        throw CorruptStream("intent: paid by another ask");
    story.ref = e.ref;
    return Paid{.story = std::move(story),
                .receipt = e.receipt,
                .late = e.late,
                .second_success = e.second_success};
}
Intent after(const Asking& i, const IntentPaid& e) { return paid(i.story, e); }
Intent after(const Asked& i, const IntentPaid& e) { return paid(i.story, e); }
Intent after(const Failed& i, const IntentPaid& e) { return paid(i.story, e); }
Intent after(const Expired& i, const IntentPaid& e) { return paid(i.story, e); }

Intent after(Paid i, const RefundOwed&) {
    if (i.refund_owed) throw CorruptStream("intent: a second refund");
    i.refund_owed = true;
    return i;
}

Intent after(Paid i, const RefundOpened& e) {
    if (!i.refunds.emplace(e.refund_id, e.amount).second)
        throw CorruptStream("intent: a refund was opened twice");
    if (i.left().minor_units < 0) throw CorruptStream("intent: more goes back than came");
    return i;
}
Intent after(Paid i, const RefundClosed& e) {
    if (!i.refunds.contains(e.refund_id)) throw CorruptStream("intent: no such refund");
    if (!e.done) i.refunds.erase(e.refund_id);
    return i;
}

Intent fell(Story story, const IntentFailed& e) {
    if (!e.ref.empty()) story.ref = e.ref;
    return Failed{.story = std::move(story), .was_asked = e.was_asked};
}
Intent after(const Waiting& i, const IntentFailed& e) { return fell(i.story, e); }
Intent after(const Asking& i, const IntentFailed& e) { return fell(i.story, e); }
Intent after(const Asked& i, const IntentFailed& e) { return fell(i.story, e); }

Intent after(const Waiting& i, const IntentExpired&) {
    return Expired{.story = i.story, .was_asked = false};
}
Intent after(const Asked& i, const IntentExpired&) {
    return Expired{.story = i.story, .was_asked = true};
}

Intent after(Paid i, const ReceiptLearned& e) {
    if (!i.receipt.empty()) throw CorruptStream("intent: a second receipt");
    i.receipt = e.receipt;
    return i;
}

Intent after(const Waiting& i, const IntentQuarantined& e) { return quarantined(i, e); }
Intent after(const Asking& i, const IntentQuarantined& e) { return quarantined(i, e); }
Intent after(const Asked& i, const IntentQuarantined& e) { return quarantined(i, e); }
Intent after(const Paid& i, const IntentQuarantined& e) { return quarantined(i, e); }
Intent after(const Failed& i, const IntentQuarantined& e) { return quarantined(i, e); }
Intent after(const Expired& i, const IntentQuarantined& e) { return quarantined(i, e); }

Intent after(const NoIntent&, const CallbackReceived&) {
    throw CorruptStream("intent: callback before the intent");
}
// Raw evidence moves nothing: what it means follows as facts of its own.
template <class Stage>
Intent after(const Stage& stage, const CallbackReceived&) {
    return stage;
}

// The journal books the IntentPaid before it.
Intent after(const Paid& i, const JournalPosted&) { return i; }

template <class Stage, class AnyEvent>
Intent after(const Stage&, const AnyEvent&) {
    throw CorruptStream("intent: event out of order");
}

}  // namespace

const Story& story_of(const Intent& intent) {
    return std::visit(Overloaded{[](const NoIntent&) -> const Story& {
                                     throw std::logic_error("no such intent has a story");
                                 },
                                 [](const auto& stage) -> const Story& { return stage.story; }},
                      intent);
}

Money Paid::left() const {
    auto left = story.made.amount;
    for (const auto& [id, amount] : refunds) left += -amount;
    return left;
}

bool same_ask(const ProviderRef& a, const ProviderRef& b) {
    return a.provider == b.provider && a.id == b.id;
}

bool outcome_unknown(const Intent& intent) {
    const auto* asked = std::get_if<Asked>(&intent);
    return asked && (asked->story.ref.empty() || asked->story.contradicted);
}

bool can_be_queried(const Intent& intent) {
    const auto* expired = std::get_if<Expired>(&intent);
    if (!std::holds_alternative<Asked>(intent) && !(expired && expired->was_asked)) return false;
    const auto& story = story_of(intent);
    return !story.ref.empty() && !story.contradicted;
}

Answer decide(const Intent& intent, const IntentCommand& command) {
    return std::visit([](const auto& i, const auto& c) { return on(i, c); }, intent, command);
}

Intent evolve(const Intent& intent, const IntentEvent& event) {
    return std::visit([](const auto& i, const auto& e) { return after(i, e); }, intent, event);
}

}  // namespace flowstack::payment
