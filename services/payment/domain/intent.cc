#include "services/payment/domain/intent.h"

#include <stdexcept>

#include "common/core/corrupt_stream.h"
#include "common/core/overloaded.h"

namespace flowstack::payment {
namespace {

using Answer = Decision<IntentEvent, IntentRejection>;
using Events = std::vector<IntentEvent>;

const Events kNothingNew;

bool has_other_checkout(const Story& s, const std::string& checkout_id) {
    return s.checkout_id && *s.checkout_id != checkout_id;
}

IntentQuarantined mismatch(const Story& s, const std::string& checkout_id) {
    return {
        quarantine::kCheckoutMismatch,
        "checkout id " + checkout_id + ", but this payment has " + s.checkout_id.value_or("none")};
}

IntentFailed failed(const Story& s, const std::string& code, const std::string& reason,
                    const std::string& checkout_id) {
    return {s.made.intent_id,
            s.made.order_id,
            s.made.customer_id,
            s.made.conversation_id,
            code,
            reason,
            s.made.reservation_id,
            checkout_id,
            ""};
}

IntentExpired expired(const Story& s, const std::optional<Time>& next_poll_at) {
    const auto& m = s.made;
    return {m.intent_id,       m.order_id,       m.customer_id,
            m.conversation_id, m.reservation_id, next_poll_at};
}

// The money is here. Where it is booked depends on what the order still wants.
void pay(Events& events, const Story& s, OrderStanding order, bool late,
         const std::string& checkout_id, const std::string& receipt, const std::string& evidence) {
    const auto& m = s.made;
    const bool second = order == OrderStanding::paid_by_other;
    events.push_back(IntentPaid{m.intent_id, m.order_id, m.customer_id, m.conversation_id,
                                m.provider, m.amount, receipt, checkout_id, evidence, late, second,
                                m.invoice_id, m.order_number, m.reservation_id});
    const auto book = [&](const char* cause, const std::string& credit) {
        events.push_back(money_in_journal(m.intent_id, cause, m.provider, m.amount, credit));
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
            events.push_back(
                IntentQuarantined{quarantine::kSecondSuccess,
                                  "the order was paid by another payment: refund this one"});
            break;
        case OrderStanding::cancelled:
            book("late_success", account::kSuspense);
            events.push_back(IntentQuarantined{quarantine::kOrderCancelled,
                                               "the order was cancelled: refund this payment"});
            break;
    }
}

// A callback's success, when the payment waits for one (or waited: late).
Answer success(const Story& s, const LearnCallback& c, const SaysPaid& paid, bool late) {
    if (has_other_checkout(s, c.checkout_id)) return mismatch(s, c.checkout_id);
    if (paid.amount != s.made.amount)
        return IntentQuarantined{
            quarantine::kOtherAmount,
            format_money(paid.amount) + " instead of " + format_money(s.made.amount)};
    if (s.contradicted)
        return IntentQuarantined{
            quarantine::kOtherAmount,
            "a success after evidence of another amount, receipt " + paid.receipt};
    Events events;
    pay(events, s, c.order, late, c.checkout_id, paid.receipt, "callback");
    return events;
}

// A callback while we wait for an answer (Asking) or for the customer (Asked).
Answer open_callback(const Story& s, const LearnCallback& c, bool asked) {
    return std::visit(Overloaded{[&](const SaysPaid& paid) { return success(s, c, paid, false); },
                                 [&](const SaysFailed& no) -> Answer {
                                     if (has_other_checkout(s, c.checkout_id))
                                         return mismatch(s, c.checkout_id);
                                     if (s.contradicted) return kNothingNew;
                                     return failed(s, no.code, no.reason, c.checkout_id);
                                 },
                                 [&](const SaysNothing&) -> Answer {
                                     if (has_other_checkout(s, c.checkout_id))
                                         return mismatch(s, c.checkout_id);
                                     // At least it says whom to ask about.
                                     if (asked && s.checkout_id) return kNothingNew;
                                     return PushAccepted{c.checkout_id, c.merchant_request_id,
                                                         c.next_poll_at, s.made.expires_at};
                                 }},
                      c.says);
}

// A callback after Failed or Expired.
Answer late_callback(const Story& s, const LearnCallback& c, bool was_asked) {
    if (!was_asked)
        return IntentQuarantined{quarantine::kUnknownAttempt,
                                 "nobody was asked for this payment, checkout id " + c.checkout_id};
    if (const auto* paid = std::get_if<SaysPaid>(&c.says)) return success(s, c, *paid, true);
    if (has_other_checkout(s, c.checkout_id)) return mismatch(s, c.checkout_id);
    return kNothingNew;
}

// Names that the log said are another payment's. Nothing of this evidence may be believed.
std::optional<Answer> refused_claim(const LearnCallback& c) {
    switch (c.taken) {
        case Taken::nothing:
            return {};
        case Taken::receipt: {
            const auto* paid = std::get_if<SaysPaid>(&c.says);
            return IntentQuarantined{quarantine::kReceiptTaken, paid ? paid->receipt : ""};
        }
        case Taken::checkout:
            return IntentQuarantined{quarantine::kCheckoutTaken, c.checkout_id};
    }
    return {};
}

// ---- rules: one overload per legal (stage, command) pair

Answer on(const NoIntent&, const CreateIntent& c) {
    if (!is_positive(c.intent.amount)) return IntentRejection::amount_not_positive;
    return c.intent;
}

template <class Stage>
Answer on(const Stage&, const CreateIntent&) {
    return IntentRejection::exists_already;
}

template <class Command>
Answer on(const NoIntent&, const Command&) {
    return IntentRejection::not_created;
}

Answer on(const Waiting& i, const RequestPush& c) {
    if (c.phone.empty() && i.story.phone.empty()) return IntentRejection::phone_missing;
    if (i.push_wanted) return kNothingNew;  // it is on its way already
    return PushRequested{c.phone.empty() ? i.story.phone : c.phone};
}

Answer on(const Waiting& i, const BeginPush& c) {
    if (c.now >= i.story.made.expires_at) return IntentRejection::settled;
    return PushAttempted{i.story.attempts + 1, c.replica, c.resolve_by};
}

Answer on(const Waiting& i, const ExpireIntent& c) {
    if (c.now < i.story.made.expires_at) return IntentRejection::not_due;
    return expired(i.story, {});
}

Answer on(const Waiting& i, const CancelIntent& c) {
    auto fact = failed(i.story, "", failure::kWithdrawn, "");
    fact.note = c.reason;
    return fact;
}

// Waiting means: never asked, or definitely refused. A callback cannot be an answer to anything.
Answer on(const Waiting&, const LearnCallback& c) {
    return IntentQuarantined{quarantine::kUnknownAttempt,
                             "nobody was asked for this payment, checkout id " + c.checkout_id};
}

Answer on(const Waiting&, const LearnPushAccepted& c) {
    return IntentQuarantined{quarantine::kUnknownAttempt,
                             "accepted after it was refused, checkout id " + c.checkout_id};
}

Answer accepted(const Story& s, const LearnPushAccepted& c) {
    if (c.taken != Taken::nothing)
        return Events{PushUnknown{"the answer names another payment's checkout id"},
                      IntentQuarantined{quarantine::kCheckoutTaken, c.checkout_id}};
    if (has_other_checkout(s, c.checkout_id)) return mismatch(s, c.checkout_id);
    if (s.checkout_id) return kNothingNew;  // a callback was faster and bound it
    return PushAccepted{c.checkout_id, c.merchant_request_id, c.next_poll_at, s.made.expires_at};
}

Answer on(const Asking& i, const LearnPushAccepted& c) { return accepted(i.story, c); }
// The answer came after all, from a process that had been given up.
Answer on(const Asked& i, const LearnPushAccepted& c) {
    if (c.taken != Taken::nothing)
        return IntentQuarantined{quarantine::kCheckoutTaken, c.checkout_id};
    return accepted(i.story, c);
}

Answer final_refusal(const Story& s, const LearnPushRefused& c) {
    return Events{PushRefused{c.error_code, c.reason, {}, s.made.expires_at},
                  failed(s, c.error_code, c.reason, "")};
}

Answer on(const Asking& i, const LearnPushRefused& c) {
    const auto& s = i.story;
    const bool again = c.retry_at && *c.retry_at < s.made.expires_at &&
                       s.attempts < kPushAttemptsMax && !s.checkout_id;
    if (!again) return final_refusal(s, c);
    return PushRefused{c.error_code, c.reason, c.retry_at, s.made.expires_at};
}

// After "unknown" nothing is pushed again, also not after a refusal that would allow it.
Answer on(const Asked& i, const LearnPushRefused& c) {
    if (i.story.checkout_id) return kNothingNew;
    if (i.story.contradicted) return kNothingNew;
    return final_refusal(i.story, c);
}

Answer on(const Asking&, const LearnPushLost& c) { return PushUnknown{c.reason}; }
Answer on(const Asked&, const LearnPushLost&) { return kNothingNew; }

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

Answer on(const Paid& i, const LearnCallback& c) {
    const auto& s = i.story;
    if (const auto refused = refused_claim(c)) return *refused;
    if (has_other_checkout(s, c.checkout_id)) return mismatch(s, c.checkout_id);
    const auto* paid = std::get_if<SaysPaid>(&c.says);
    if (!paid) return kNothingNew;  // a failure cannot undo money that came
    if (paid->amount != s.made.amount)
        return IntentQuarantined{
            quarantine::kOtherAmount,
            format_money(paid->amount) + " instead of " + format_money(s.made.amount)};
    if (i.receipt.empty())
        return ReceiptLearned{paid->receipt,       s.made.intent_id,       s.made.order_id,
                              s.made.customer_id,  s.made.conversation_id, s.made.amount,
                              s.made.order_number, i.second_success};
    if (i.receipt != paid->receipt)
        return IntentQuarantined{quarantine::kOtherReceipt,
                                 paid->receipt + " besides " + i.receipt};
    return kNothingNew;
}

Answer on(const Asked& i, const LearnQuery& c) {
    const auto& s = i.story;
    if (!s.checkout_id) return IntentRejection::outcome_unknown;  // there is nothing to ask about
    const auto answered = [&](bool is_final) {
        return QueryAnswered{c.code, c.description, is_final,
                             is_final ? std::nullopt : c.next_poll_at};
    };
    // Evidence of another amount: a person decides, whatever the query says.
    if (s.contradicted && !std::holds_alternative<SaysNothing>(c.says)) return answered(true);
    return std::visit(
        Overloaded{[&](const SaysPaidOnly&) -> Answer {
                       Events events{answered(true)};
                       pay(events, s, c.order, false, *s.checkout_id, "", "query");
                       return events;
                   },
                   [&](const SaysFailed& no) -> Answer {
                       return Events{answered(true), failed(s, no.code, no.reason, *s.checkout_id)};
                   },
                   [&](const SaysNothing& nothing) -> Answer {
                       // A code that nobody knows counts when it is said twice in a row.
                       if (!nothing.code.empty() && nothing.code == s.doubtful_code)
                           return Events{answered(true),
                                         failed(s, nothing.code, failure::kOther, *s.checkout_id)};
                       return answered(false);
                   }},
        c.says);
}

Answer on(const Asked& i, const ExpireIntent& c) {
    if (!i.story.checkout_id || i.story.contradicted) return IntentRejection::outcome_unknown;
    if (c.now < i.story.made.expires_at) return IntentRejection::not_due;
    return expired(i.story, c.next_poll_at);
}

// Nobody could say at the end of its time what became of the prompt. Money that moved is late, and
// found also when its callback never comes.
Answer on(const Expired& i, const LearnQuery& c) {
    const auto& s = i.story;
    if (!i.was_asked || !s.checkout_id) return IntentRejection::settled;
    const auto answered = [&](bool is_final) {
        return QueryAnswered{c.code, c.description, is_final,
                             is_final ? std::nullopt : c.next_poll_at};
    };
    if (s.contradicted) return answered(true);
    if (!std::holds_alternative<SaysPaidOnly>(c.says))
        return answered(std::holds_alternative<SaysFailed>(c.says));
    Events events{answered(true)};
    pay(events, s, c.order, true, *s.checkout_id, "", "query");
    return events;
}
Answer on(const Asking&, const LearnQuery&) { return IntentRejection::outcome_unknown; }
Answer on(const Asking&, const ExpireIntent&) { return IntentRejection::outcome_unknown; }

Answer on(const Asking&, const RequestPush&) { return IntentRejection::asked_already; }
Answer on(const Asked&, const RequestPush&) { return IntentRejection::asked_already; }
Answer on(const Asking&, const BeginPush&) { return IntentRejection::asked_already; }
Answer on(const Asked&, const BeginPush&) { return IntentRejection::asked_already; }
Answer on(const Asking&, const CancelIntent&) { return IntentRejection::payment_pending; }
Answer on(const Asked&, const CancelIntent&) { return IntentRejection::payment_pending; }

// An answer that comes after the end: a callback was faster. The same checkout id is no news.
Answer answer_after_end(const Story& s, const LearnPushAccepted& c) {
    if (s.checkout_id && *s.checkout_id == c.checkout_id) return kNothingNew;
    return mismatch(s, c.checkout_id);
}
Answer on(const Paid& i, const LearnPushAccepted& c) { return answer_after_end(i.story, c); }
Answer on(const Failed& i, const LearnPushAccepted& c) { return answer_after_end(i.story, c); }
Answer on(const Expired& i, const LearnPushAccepted& c) { return answer_after_end(i.story, c); }

template <class Ended>
Answer no_news(const Ended&) {
    return kNothingNew;
}
Answer on(const Paid& i, const LearnPushRefused&) { return no_news(i); }
Answer on(const Failed& i, const LearnPushRefused&) { return no_news(i); }
Answer on(const Expired& i, const LearnPushRefused&) { return no_news(i); }
Answer on(const Paid& i, const LearnPushLost&) { return no_news(i); }
Answer on(const Failed& i, const LearnPushLost&) { return no_news(i); }
Answer on(const Expired& i, const LearnPushLost&) { return no_news(i); }

Answer on(const NoIntent&, const LearnMalformed&) { return IntentRejection::not_created; }
template <class Stage>
Answer on(const Stage&, const LearnMalformed& c) {
    return IntentQuarantined{quarantine::kMalformed, c.detail};
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
    return Waiting{{.made = e, .phone = e.phone, .checkout_id = {}, .doubtful_code = {}},
                   e.push_now};
}

Intent after(Waiting i, const PushRequested& e) {
    i.story.phone = e.phone;
    i.push_wanted = true;
    return i;
}

Intent after(Waiting i, const PushAttempted& e) {
    if (e.attempt != i.story.attempts + 1) throw CorruptStream("intent: attempts out of order");
    i.story.attempts = e.attempt;
    return Asking{i.story};
}

Intent bound(Story story, const PushAccepted& e) {
    if (story.checkout_id) throw CorruptStream("intent: a second checkout id");
    story.checkout_id = e.checkout_id;
    return Asked{std::move(story)};
}
Intent after(const Asking& i, const PushAccepted& e) { return bound(i.story, e); }
Intent after(const Asked& i, const PushAccepted& e) { return bound(i.story, e); }

Intent after(const Asking& i, const PushRefused& e) {
    return Waiting{i.story, e.retry_at.has_value()};
}
Intent after(const Asked& i, const PushRefused& e) {
    if (i.story.checkout_id) throw CorruptStream("intent: refused after it was accepted");
    return Waiting{i.story, e.retry_at.has_value()};
}

Intent after(const Asking& i, const PushUnknown&) { return Asked{i.story}; }

template <class Stage>
Stage asked_about(Stage stage, const QueryAnswered& e) {
    ++stage.story.polls;
    stage.story.doubtful_code = e.is_final ? "" : e.result_code;
    return stage;
}
Intent after(const Asked& i, const QueryAnswered& e) { return asked_about(i, e); }
Intent after(const Expired& i, const QueryAnswered& e) { return asked_about(i, e); }

Intent paid(Story story, const IntentPaid& e) {
    if (story.checkout_id && *story.checkout_id != e.checkout_id)
        throw CorruptStream("intent: paid by another checkout");
    story.checkout_id = e.checkout_id;
    return Paid{std::move(story), e.receipt, e.late, e.second_success};
}
Intent after(const Asking& i, const IntentPaid& e) { return paid(i.story, e); }
Intent after(const Asked& i, const IntentPaid& e) { return paid(i.story, e); }
Intent after(const Failed& i, const IntentPaid& e) { return paid(i.story, e); }
Intent after(const Expired& i, const IntentPaid& e) { return paid(i.story, e); }

Intent fell(Story story, const IntentFailed& e) {
    const bool was_asked = !e.checkout_id.empty();
    if (was_asked) story.checkout_id = e.checkout_id;
    return Failed{std::move(story), was_asked};
}
Intent after(const Waiting& i, const IntentFailed& e) { return fell(i.story, e); }
Intent after(const Asking& i, const IntentFailed& e) { return fell(i.story, e); }
Intent after(const Asked& i, const IntentFailed& e) { return fell(i.story, e); }

Intent after(const Waiting& i, const IntentExpired&) { return Expired{i.story, false}; }
Intent after(const Asked& i, const IntentExpired&) { return Expired{i.story, true}; }

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

bool outcome_unknown(const Intent& intent) {
    const auto* asked = std::get_if<Asked>(&intent);
    return asked && (!asked->story.checkout_id || asked->story.contradicted);
}

Answer decide(const Intent& intent, const IntentCommand& command) {
    return std::visit([](const auto& i, const auto& c) { return on(i, c); }, intent, command);
}

Intent evolve(const Intent& intent, const IntentEvent& event) {
    return std::visit([](const auto& i, const auto& e) { return after(i, e); }, intent, event);
}

}  // namespace flowstack::payment
