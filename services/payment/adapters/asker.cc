#include "services/payment/adapters/asker.h"

#include <thread>

#include "common/core/overloaded.h"
#include "common/observability/log.h"
#include "common/observability/span.h"
#include "services/payment/adapters/derive.h"

namespace flowstack::payment {
namespace {

using Steady = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kStoreRetryAfter{200};
constexpr int kAppendTries = 5;
constexpr int kDecideTries = 20;
// Rows that wait for a thread. More than one poll of all kinds brings is never needed.
constexpr std::size_t kRowsWaitingMax = 1'024;
// A page stays open this long at least after its call: providers want half an hour.
constexpr std::chrono::minutes kPageOpenMin{35};

// Runs a function when it is destroyed.
struct Finally {
    std::function<void()> run;
    ~Finally() {
        if (run) run();
    }
};

// A call to the provider, as a part of what the payment's last event is a part of. While it is
// current, calls of the HTTP client and what is appended are below it.
struct CallSpan {
    CallSpan(const Case& c, const char* what)
        : parent(trace::parse(c.intent.traceparent)),
          span(parent ? trace::Span::begin(trace::SpanKind::internal, what, *parent)
                      : trace::Span()),
          scope(span.context()) {
        span.set("flowstack.payment.intent", c.intent_id.text());
    }
    std::optional<trace::Context> parent;
    trace::Span span;
    trace::Scope scope;
};

void follow_call(eventlog::Command& command) {
    if (trace::current().valid()) command.meta.traceparent = trace::current().traceparent();
}

}  // namespace

Asker::Asker(Parts parts)
    : parts_(std::move(parts)),
      calls_({.name = "asker",
              .threads = parts_.config.provider_calls_max,
              .waiting_max = kRowsWaitingMax}) {}

void Asker::stop() {
    stopping_ = true;
    calls_.stop(ThreadPool::Waiting::dropped);
}

void Asker::on_ask(const eventlog::WorkRow& row, Done done) {
    hand(row, std::move(done), &Asker::ask);
}
void Asker::on_attempt(const eventlog::WorkRow& row, Done done) {
    hand(row, std::move(done), &Asker::resolve_attempt);
}
void Asker::on_unclear(const eventlog::WorkRow& row, Done done) {
    hand(row, std::move(done), &Asker::call_person);
}
void Asker::on_poll(const eventlog::WorkRow& row, Done done) {
    hand(row, std::move(done), &Asker::poll);
}
void Asker::on_expiry(const eventlog::WorkRow& row, Done done) {
    hand(row, std::move(done), &Asker::expire);
}

void Asker::hand(const eventlog::WorkRow& row, Done done, Work work) {
    const bool taken = calls_.post([this, row, done, work] {
        const Finally finally{done};
        try {
            (this->*work)(row);
        } catch (const std::exception& error) {
            log::warn("payment work failed and is tried again",
                      {{"kind", row.kind}, {"intent", row.key}, {"error", error.what()}});
        }
    });
    if (!taken) done();
}

void Asker::drop(const eventlog::WorkRow& row) {
    parts_.store.pool().with([&](postgres::Session& session) {
        session.query("delete from work where lane = $1 and kind = $2 and key = $3 and due_at = $4",
                      postgres::Params().add(row.lane).add(row.kind).add(row.key).add(row.due_at));
    });
}

std::variant<Asker::Call, CannotAsk> Asker::plan_of(const Case& c, int attempt, Time resolve_by) {
    const auto& story = story_of(c.intent.state);
    auto* provider = parts_.providers.find(story.made.provider);
    if (!provider) return CannotAsk{"provider_off", failure::kRefused};
    auto account = parts_.accounts.open(c.tenant, provider->name());
    if (!account) return CannotAsk{"no_account", failure::kRefused};
    const auto intent = Uuid::parse(c.intent_id.text());
    if (!intent) return CannotAsk{"intent_id", failure::kRefused};
    const auto lane = parts_.store.lane_of(customer_routing(story.made.customer_id), c.tenant);
    const auto token = parts_.callback_tokens.make(
        {.tenant = c.tenant, .lane = lane, .intent = *intent, .provider = provider->name()});
    auto plan = provider->plan(
        {.amount = story.made.amount,
         .phone = story.phone,
         .callback_url = callback_url(parts_.config.public_base_url, token),
         .reference = story.made.reference,
         .order_number = story.made.order_number,
         .attempt_id = c.intent_id + "/" + std::to_string(attempt),
         .tenant = c.tenant,
         .intent_id = c.intent_id.text(),
         .callback_token = token,
         .return_url = return_url(parts_.config.public_base_url),
         // The same for every call of the attempt.
         .payable_until = std::max(story.made.expires_at, resolve_by + kPageOpenMin)});
    if (auto* cannot = std::get_if<CannotAsk>(&plan)) return std::move(*cannot);
    return Call{.provider = provider,
                .account = std::move(*account),
                .plan = std::move(std::get<Plan>(plan))};
}

bool Asker::announce(const eventlog::WorkRow& row, const Case& c,
                     std::vector<IntentCommand> commands) {
    auto settled = settle(c, commands, parts_.clock.now(),
                          c.intent_id + "/ask/" + std::to_string(c.intent.version) + "/" +
                              std::to_string(row.guard.owner_epoch));
    if (!settled.command) return false;
    settled.command->owner_guard = row.guard;
    tie_to_purchase(parts_.store, c, true, *settled.command);
    follow_call(*settled.command);
    for (int attempt = 1;; ++attempt) {
        try {
            return parts_.store.append(*settled.command).accepted();
        } catch (const postgres::StoreUnavailable&) {
            // Its fate is unknown: the same command again gives the first answer. We have not
            // called yet.
            if (attempt == kAppendTries || stopping_) throw;
            std::this_thread::sleep_for(kStoreRetryAfter);
        }
    }
}

void Asker::ask(const eventlog::WorkRow& row) {
    const auto& tenant = row.ref;
    const IntentId intent_id(row.key);
    const auto c = load_case(parts_.books, tenant, intent_id);
    if (!std::holds_alternative<Waiting>(c.intent.state)) return drop(row);

    CallSpan call_span(c, "ask payer");
    const auto now = parts_.clock.now();
    const BeginAsk begin{.replica = parts_.replica,
                         .now = now,
                         .resolve_by = now + parts_.config.attempt_resolve_within};
    const auto planned = plan_of(c, story_of(c.intent.state).attempts + 1, begin.resolve_by);
    if (const auto* cannot = std::get_if<CannotAsk>(&planned)) {
        log::warn("a payment cannot be asked for, it fails",
                  {{"tenant", tenant}, {"intent", intent_id.text()}, {"why", cannot->code}});
        announce(row, c, {begin, LearnAskRefused{cannot->code, cannot->reason, {}}});
        return;
    }
    const auto& call = std::get<Call>(planned);
    const auto readiness = call.provider->prepare(call.account);
    if (const auto* refused = std::get_if<KeysRefused>(&readiness)) {
        log::error("the provider refuses the tenant's keys, the payment fails",
                   {{"tenant", tenant}, {"intent", intent_id.text()}, {"why", refused->why}});
        announce(row, c, {begin, LearnAskRefused{"keys_refused", failure::kRefused, {}}});
        return;
    }
    if (const auto* away = std::get_if<Away>(&readiness)) {
        log::warn("the provider is away, the payer is asked later",
                  {{"tenant", tenant}, {"intent", intent_id.text()}, {"error", away->why}});
        return;  // the row stays
    }

    const auto calling = begin_call(intent_id);
    const auto not_after = Steady::now() + parts_.config.attempt_start_max;
    if (!announce(row, c, {begin})) return;
    const auto answer = call.provider->ask(call.account, call.plan, not_after);
    if (std::holds_alternative<Refused>(answer)) call_span.span.fail("refused");
    if (const auto* unclear = std::get_if<Unclear>(&answer)) {
        call_span.span.fail("unclear");
        if (call.provider->capabilities().redirect) {
            log::warn("an answer is lost, the attempt's row asks for it again",
                      {{"tenant", tenant}, {"intent", intent_id.text()}, {"why", unclear->why}});
            return;
        }
    }
    learn(
        tenant, intent_id, [&](const Case&, Taken taken) { return meaning_of(answer, taken); },
        "ask");
}

std::shared_ptr<void> Asker::begin_call(const IntentId& intent_id) {
    calling_.with([&](auto& calling) { calling.insert(intent_id.text()); });
    return {nullptr, [this, id = intent_id.text()](void*) {
                calling_.with([&](auto& calling) { calling.erase(id); });
            }};
}

// The call that an attempt announced, once more. It has the same key, so the provider gives the
// answer that was lost. When that is lost, too, another attempt may begin: nobody has the page.
AskAnswer Asker::ask_again(const eventlog::WorkRow& row, const Case& c) {
    const CallSpan call_span(c, "ask payer again");
    const auto planned = plan_of(c, story_of(c.intent.state).attempts, row.due_at);
    if (const auto* cannot = std::get_if<CannotAsk>(&planned))
        return Refused{cannot->code, "", cannot->reason, {}};
    const auto& call = std::get<Call>(planned);
    const auto answer = call.provider->ask(call.account, call.plan,
                                           Steady::now() + parts_.config.attempt_start_max);
    if (const auto* unclear = std::get_if<Unclear>(&answer))
        return Refused{"answer_lost", unclear->why, failure::kBusy, parts_.config.push_retry_after};
    return answer;
}

IntentCommand Asker::meaning_of(const AskAnswer& answer, Taken taken) const {
    const auto now = parts_.clock.now();
    const auto& config = parts_.config;
    return std::visit(
        Overloaded{[&](const Accepted& yes) -> IntentCommand {
                       return LearnAskAccepted{.ref = yes.ref,
                                               .next_poll_at = now + config.poll_first_after,
                                               .taken = taken,
                                               .unclear_at = now + config.unclear_after,
                                               .link = yes.link};
                   },
                   [&](const Refused& no) -> IntentCommand {
                       std::optional<Time> retry_at;
                       if (no.wait) retry_at = now + std::max(*no.wait, config.push_retry_after);
                       return LearnAskRefused{
                           .error_code = no.code, .reason = no.reason, .retry_at = retry_at};
                   },
                   [&](const Unclear& unclear) -> IntentCommand {
                       return LearnAskLost{.reason = unclear.why,
                                           .unclear_at = now + config.unclear_after};
                   }},
        answer);
}

void Asker::resolve_attempt(const eventlog::WorkRow& row) {
    if (calling_.with([&](auto& calling) { return calling.contains(row.key); })) return;
    const auto c = load_case(parts_.books, row.ref, IntentId(row.key));
    if (!std::holds_alternative<Asking>(c.intent.state)) return drop(row);
    const auto* provider = parts_.providers.find(story_of(c.intent.state).made.provider);
    if (provider && provider->capabilities().redirect) {
        const auto calling = begin_call(IntentId(row.key));
        const auto answer = ask_again(row, c);
        return learn(
            row.ref, IntentId(row.key),
            [&](const Case&, Taken taken) { return meaning_of(answer, taken); }, "attempt");
    }
    log::warn("a call to the provider has no outcome, it is unknown now",
              {{"tenant", row.ref}, {"intent", row.key}});
    learn(
        row.ref, IntentId(row.key),
        [&](const Case&, Taken) -> IntentCommand {
            return LearnAskLost{.reason = "the process that asked left no outcome",
                                .unclear_at = parts_.clock.now() + parts_.config.unclear_after};
        },
        "attempt");
}

void Asker::call_person(const eventlog::WorkRow& row) {
    const auto c = load_case(parts_.books, row.ref, IntentId(row.key));
    // A person may have been called before the answer was lost, by evidence of another amount.
    if (!outcome_unknown(c.intent.state) || story_of(c.intent.state).person_needed)
        return drop(row);
    log::error("a payment's outcome stays unknown: a person has to resolve it",
               {{"tenant", row.ref}, {"intent", row.key}});
    learn(
        row.ref, IntentId(row.key),
        [&](const Case&, Taken) -> IntentCommand { return CallPerson{parts_.clock.now()}; },
        "unclear");
}

Asker::Query Asker::query(const std::string& tenant, const IntentId& intent_id, const Case& c) {
    const auto& story = story_of(c.intent.state);
    auto* provider = parts_.providers.find(story.made.provider);
    if (!provider || !provider->capabilities().query) return Query::impossible;
    const auto account = parts_.accounts.open(tenant, provider->name());
    if (!account) return Query::impossible;
    if (parts_.config.query_interval.count() > 0 &&
        !parts_.leases.take(provider->name() + "-query/" + account->account,
                            parts_.config.query_interval))
        return Query::later;
    const CallSpan call_span(c, "query payment");
    const auto answer = provider->query(*account, story.ref);
    learn(
        tenant, intent_id,
        [&](const Case& now_case, Taken taken) -> IntentCommand {
            LearnQuery learned{.code = answer.code,
                               .description = answer.description,
                               .says = answer.says,
                               .next_poll_at = {},
                               .order = standing_of(now_case),
                               .taken = taken};
            if (std::holds_alternative<NoIntent>(now_case.intent.state)) return learned;
            const auto& told = story_of(now_case.intent.state);
            const auto now = parts_.clock.now();
            learned.next_poll_at =
                std::holds_alternative<Expired>(now_case.intent.state)
                    ? next_late_poll(parts_.config, now, told.made.expires_at)
                    : next_poll(parts_.config, told.polls, now, told.made.expires_at);
            return learned;
        },
        "query");
    return Query::answered;
}

void Asker::poll(const eventlog::WorkRow& row) {
    const auto c = load_case(parts_.books, row.ref, IntentId(row.key));
    if (!can_be_queried(c.intent.state)) return drop(row);
    if (query(row.ref, IntentId(row.key), c) == Query::impossible) {
        log::error("a payment cannot be queried: its provider or account is gone",
                   {{"tenant", row.ref}, {"intent", row.key}});
        drop(row);
    }
}

void Asker::close_page(const Case& c) {
    const auto& story = story_of(c.intent.state);
    auto* provider = parts_.providers.find(story.made.provider);
    if (!provider || !provider->capabilities().redirect) return;
    const auto account = parts_.accounts.open(c.tenant, provider->name());
    if (account) provider->withdraw(*account, story.ref);
}

void Asker::expire(const eventlog::WorkRow& row) {
    const auto c = load_case(parts_.books, row.ref, IntentId(row.key));
    const auto pending = [](const Intent& intent) {
        return std::holds_alternative<Asked>(intent) && can_be_queried(intent);
    };
    if (!std::holds_alternative<Waiting>(c.intent.state) && !pending(c.intent.state))
        return drop(row);
    // Whoever paid in the last minute should not be told that it was too late.
    if (pending(c.intent.state)) {
        const bool patient = parts_.clock.now() < row.due_at + 2 * parts_.config.query_timeout;
        if (query(row.ref, IntentId(row.key), c) == Query::later && patient) return;
    }
    learn(
        row.ref, IntentId(row.key),
        [&](const Case& c_now, Taken) -> IntentCommand {
            // The query told nothing, or there was none: it expires, and is queried for a while.
            const auto now = parts_.clock.now();
            ExpireIntent expire{.now = now, .next_poll_at = {}};
            if (pending(c_now.intent.state))
                expire.next_poll_at = next_late_poll(parts_.config, now,
                                                     story_of(c_now.intent.state).made.expires_at);
            return expire;
        },
        "expiry");
    // After the end is written, so that the page's own end, which is told at once, is no news.
    if (pending(c.intent.state)) close_page(c);
}

void Asker::learn(const std::string& tenant, const IntentId& intent_id,
                  const std::function<IntentCommand(const Case&, Taken)>& evidence,
                  const char* what) {
    auto taken = Taken::nothing;
    for (int attempt = 0; attempt < kDecideTries;) {
        try {
            const auto c = load_case(parts_.books, tenant, intent_id);
            auto settled = settle(c, evidence(c, taken), parts_.clock.now(),
                                  intent_id + "/" + what + "/" + std::to_string(c.intent.version));
            if (!settled.command) return;  // another process was faster, or it is no news
            tie_to_purchase(parts_.store, c, true, *settled.command);
            follow_call(*settled.command);
            const auto verdict = parts_.store.append(*settled.command);
            if (verdict.accepted()) return;
            if (verdict.outcome == eventlog::Outcome::claim_taken) taken = taken_by(verdict);
            ++attempt;  // a wrong version: decide again on what was written first
        } catch (const Unavailable& error) {
            // Only this process knows the evidence, so it waits for the store. If the process dies,
            // the attempt row makes the outcome unknown.
            if (stopping_) throw;
            log::warn("evidence waits for the store",
                      {{"intent", intent_id.text()}, {"what", what}, {"error", error.what()}});
            std::this_thread::sleep_for(kStoreRetryAfter);
        }
    }
    log::error("evidence could not be written", {{"intent", intent_id.text()}, {"what", what}});
}

}  // namespace flowstack::payment
