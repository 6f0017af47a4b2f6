#include "services/payment/adapters/pusher.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "common/core/overloaded.h"
#include "common/observability/log.h"
#include "services/payment/adapters/derive.h"

namespace flowstack::payment {
namespace {

using Steady = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kStoreRetryMs{200};
constexpr int kAppendTries = 5;
constexpr int kDecideTries = 20;

// Runs a function when it goes, whatever happens.
struct Finally {
    std::function<void()> run;
    ~Finally() {
        if (run) run();
    }
};

}  // namespace

// A bounded number of threads that may wait for providers.
class Pusher::Crew {
public:
    explicit Crew(int threads) {
        for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { loop(); });
    }
    ~Crew() { stop(); }

    void run(std::function<void()> job) {
        {
            const std::lock_guard lock(mutex_);
            if (stopping_) return;
            jobs_.push_back(std::move(job));
        }
        ready_.notify_one();
    }

    void stop() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
            jobs_.clear();
        }
        ready_.notify_all();
        for (auto& thread : threads_)
            if (thread.joinable()) thread.join();
    }

    bool stopping() {
        const std::lock_guard lock(mutex_);
        return stopping_;
    }

private:
    void loop() {
        while (true) {
            std::function<void()> job;
            {
                std::unique_lock lock(mutex_);
                ready_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
                if (stopping_) return;
                job = std::move(jobs_.front());
                jobs_.pop_front();
            }
            job();
        }
    }

    std::mutex mutex_;
    std::condition_variable ready_;
    std::deque<std::function<void()>> jobs_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

struct Pusher::Plan {
    mpesa::Account account;
    mpesa::Push push;
};

Pusher::Pusher(eventlog::Store& store, Books& books, Accounts& accounts, mpesa::Daraja& daraja,
               mpesa::Tokens& tokens, mpesa::Leases& leases, const CallbackTokens& callback_tokens,
               const Clock& clock, const PaymentConfig& config, std::string replica)
    : store_(store),
      books_(books),
      accounts_(accounts),
      daraja_(daraja),
      tokens_(tokens),
      leases_(leases),
      callback_tokens_(callback_tokens),
      clock_(clock),
      config_(config),
      replica_(std::move(replica)),
      crew_(std::make_unique<Crew>(config.provider_calls_max)) {}

Pusher::~Pusher() = default;

void Pusher::stop() { crew_->stop(); }

void Pusher::on_push(const eventlog::WorkRow& row, Done done) {
    hand(row, std::move(done), &Pusher::push);
}
void Pusher::on_attempt(const eventlog::WorkRow& row, Done done) {
    hand(row, std::move(done), &Pusher::resolve_attempt);
}
void Pusher::on_poll(const eventlog::WorkRow& row, Done done) {
    hand(row, std::move(done), &Pusher::poll);
}
void Pusher::on_expiry(const eventlog::WorkRow& row, Done done) {
    hand(row, std::move(done), &Pusher::expire);
}

void Pusher::hand(const eventlog::WorkRow& row, Done done, Work work) {
    crew_->run([this, row, done = std::move(done), work] {
        const Finally finally{done};
        try {
            (this->*work)(row);
        } catch (const std::exception& error) {
            log::warn("provider work failed, tried again",
                      {{"kind", row.kind}, {"intent", row.key}, {"error", error.what()}});
        }
    });
}

void Pusher::drop(const eventlog::WorkRow& row) {
    store_.pool().with([&](postgres::Session& session) {
        session.query("delete from work where lane = $1 and kind = $2 and key = $3 and due_at = $4",
                      postgres::Params().add(row.lane).add(row.kind).add(row.key).add(row.due_at));
    });
}

std::optional<Pusher::Plan> Pusher::plan_push(const Case& c, std::string& refusal,
                                              std::string& reason) {
    const auto& story = story_of(c.intent.state);
    const auto no = [&](const char* code, const std::string& word) {
        refusal = code;
        reason = word;
        return std::optional<Plan>{};
    };
    if (story.made.provider != "mpesa") return no("provider_off", failure::kRefused);
    const auto phone = mpesa::msisdn(story.phone);
    if (!phone) return no("phone", failure::kRefused);
    const auto amount = mpesa::shillings(story.made.amount);
    if (!amount) return no("amount", failure::kLimit);
    auto account = accounts_.mpesa(c.tenant);
    if (!account) return no("no_account", failure::kRefused);
    const auto intent = Uuid::parse(c.intent_id);
    if (!intent) return no("intent_id", failure::kRefused);
    const auto lane =
        store_.lane_of({eventlog::RoutingKind::customer, story.made.customer_id}, c.tenant);
    const auto token = callback_tokens_.make({c.tenant, lane, *intent});
    return Plan{std::move(*account),
                {*amount, *phone, callback_url(config_.public_base_url, token),
                 mpesa::account_reference(story.made.account_reference),
                 mpesa::description(story.made.order_number.empty() ? "Payment"
                                                                    : story.made.order_number)}};
}

// Appends under the owner's guard. True: it is written, by us.
bool Pusher::announce(const eventlog::WorkRow& row, const Case& c,
                      std::vector<IntentCommand> commands) {
    auto settled = settle(c, commands, clock_.now(),
                          c.intent_id + "/push/" + std::to_string(c.intent.version) + "/" +
                              std::to_string(row.guard.owner_epoch));
    if (!settled.command) return false;
    settled.command->owner_guard = row.guard;
    tie_to_purchase(store_, c, true, *settled.command);
    for (int attempt = 1;; ++attempt) {
        try {
            return store_.append(*settled.command).accepted();
        } catch (const postgres::StoreUnavailable&) {
            // Its fate is unknown: the same command again gives the first answer. We have not
            // called yet.
            if (attempt == kAppendTries || crew_->stopping()) throw;
            std::this_thread::sleep_for(kStoreRetryMs);
        }
    }
}

void Pusher::push(const eventlog::WorkRow& row) {
    const auto& tenant = row.ref;
    const auto& intent_id = row.key;
    const auto c = load_case(books_, tenant, intent_id);
    if (!std::holds_alternative<Waiting>(c.intent.state)) return drop(row);

    const auto now = clock_.now();
    const BeginPush begin{replica_, now, now + config_.attempt_resolve_ms};
    std::string refusal;
    std::string reason;
    const auto plan = plan_push(c, refusal, reason);
    if (!plan) {
        log::warn("a push cannot be made",
                  {{"tenant", tenant}, {"intent", intent_id}, {"why", refusal}});
        announce(row, c, {begin, LearnPushRefused{refusal, reason, {}}});
        return;
    }
    const auto token = tokens_.get(plan->account);
    if (std::holds_alternative<mpesa::Tokens::KeysRefused>(token)) {
        announce(row, c, {begin, LearnPushRefused{"keys_refused", failure::kRefused, {}}});
        return;
    }
    if (const auto* away = std::get_if<mpesa::Tokens::Away>(&token)) {
        log::warn("no token for a push, tried again",
                  {{"tenant", tenant}, {"intent", intent_id}, {"error", away->why}});
        return;  // the row stays
    }

    calling_.with([&](auto& calling) { calling.insert(intent_id); });
    const Finally finally{[&] { calling_.with([&](auto& calling) { calling.erase(intent_id); }); }};
    const auto not_after = Steady::now() + config_.attempt_start_ms_max;
    if (!announce(row, c, {begin})) return;
    const auto answer =
        daraja_.push(plan->account, std::get<mpesa::Tokens::Held>(token), plan->push, not_after);

    learn(
        tenant, intent_id,
        [&](const Case&, Taken taken) {
            const auto at = clock_.now();
            return std::visit(
                Overloaded{[&](const mpesa::Accepted& yes) -> IntentCommand {
                               return LearnPushAccepted{yes.checkout_id, yes.merchant_request_id,
                                                        at + config_.poll_first_ms, taken};
                           },
                           [&](const mpesa::Refused& no) -> IntentCommand {
                               std::optional<Time> retry_at;
                               if (no.wait)
                                   retry_at = at + std::max<std::chrono::milliseconds>(
                                                       *no.wait, config_.push_retry_ms);
                               if (no.code == "not_sent") retry_at = at + config_.push_retry_ms;
                               return LearnPushRefused{no.code, no.reason, retry_at};
                           },
                           [&](const mpesa::TokenRefused& no) -> IntentCommand {
                               return LearnPushRefused{no.code, failure::kBusy,
                                                       at + config_.push_retry_ms};
                           },
                           [&](const mpesa::Unclear& unclear) -> IntentCommand {
                               return LearnPushLost{unclear.why};
                           }},
                answer);
        },
        "push");
}

void Pusher::resolve_attempt(const eventlog::WorkRow& row) {
    if (calling_.with([&](auto& calling) { return calling.contains(row.key); })) return;
    const auto c = load_case(books_, row.ref, row.key);
    if (!std::holds_alternative<Asking>(c.intent.state)) return drop(row);
    log::warn("a push has no outcome, it is unknown now",
              {{"tenant", row.ref}, {"intent", row.key}});
    learn(
        row.ref, row.key,
        [](const Case&, Taken) -> IntentCommand {
            return LearnPushLost{"the process that asked left no outcome"};
        },
        "attempt");
}

Pusher::Query Pusher::ask(const std::string& tenant, const std::string& intent_id, const Case& c) {
    const auto account = accounts_.mpesa(tenant);
    if (!account) return Query::no_account;
    if (config_.query_interval_ms.count() > 0 &&
        !leases_.take("mpesa-ask/" + account->short_code, config_.query_interval_ms))
        return Query::later;
    const auto checkout_id = story_of(c.intent.state).checkout_id.value();
    const auto answer = daraja_.query(*account, checkout_id);
    learn(
        tenant, intent_id,
        [&](const Case& now_case, Taken) -> IntentCommand {
            LearnQuery learned{
                answer.code, answer.description, SaysNothing{}, {}, standing_of(now_case)};
            if (!std::holds_alternative<NoIntent>(now_case.intent.state)) {
                const auto& story = story_of(now_case.intent.state);
                const auto expires_at = story.made.expires_at;
                learned.next_poll_at =
                    std::holds_alternative<Expired>(now_case.intent.state)
                        ? next_late_poll(config_, clock_.now(), expires_at)
                        : next_poll(config_, story.polls, clock_.now(), expires_at);
            }
            std::visit(
                Overloaded{[&](const mpesa::QuerySaysPaid&) { learned.says = SaysPaidOnly{}; },
                           [&](const mpesa::QuerySaysFailed& no) {
                               learned.says = SaysFailed{no.code, no.reason};
                           },
                           [&](const mpesa::QuerySaysNothing& nothing) {
                               learned.says = SaysNothing{nothing.code};
                           },
                           [](const mpesa::TokenRefused&) {}},
                answer.says);
            return learned;
        },
        "query");
    return Query::answered;
}

namespace {
bool can_be_asked_about(const Intent& intent) {
    const auto* asked = std::get_if<Asked>(&intent);
    return asked && asked->story.checkout_id && !asked->story.contradicted;
}
bool can_be_asked_about_late(const Intent& intent) {
    const auto* expired = std::get_if<Expired>(&intent);
    return expired && expired->was_asked && expired->story.checkout_id &&
           !expired->story.contradicted;
}
}  // namespace

void Pusher::poll(const eventlog::WorkRow& row) {
    const auto c = load_case(books_, row.ref, row.key);
    if (!can_be_asked_about(c.intent.state) && !can_be_asked_about_late(c.intent.state))
        return drop(row);
    if (ask(row.ref, row.key, c) == Query::no_account) {
        log::error("a payment cannot be asked about: its account is gone",
                   {{"tenant", row.ref}, {"intent", row.key}});
        drop(row);
    }
}

void Pusher::expire(const eventlog::WorkRow& row) {
    auto c = load_case(books_, row.ref, row.key);
    const bool open =
        std::holds_alternative<Waiting>(c.intent.state) || can_be_asked_about(c.intent.state);
    if (!open) return drop(row);
    // Whoever paid in the last minute should not be told that it was too late.
    if (can_be_asked_about(c.intent.state)) {
        const bool patient = clock_.now() < row.due_at + 2 * config_.query_timeout_ms;
        if (ask(row.ref, row.key, c) == Query::later && patient) return;
    }
    learn(
        row.ref, row.key,
        [&](const Case& c_now, Taken) -> IntentCommand {
            // Asked in vain, or not asked at all: still so after its time.
            const auto now = clock_.now();
            ExpireIntent expire{now, {}};
            if (can_be_asked_about(c_now.intent.state))
                expire.next_poll_at =
                    next_late_poll(config_, now, story_of(c_now.intent.state).made.expires_at);
            return expire;
        },
        "expiry");
}

void Pusher::learn(const std::string& tenant, const std::string& intent_id,
                   const std::function<IntentCommand(const Case&, Taken)>& evidence,
                   const char* what) {
    auto taken = Taken::nothing;
    for (int attempt = 0; attempt < kDecideTries;) {
        try {
            const auto c = load_case(books_, tenant, intent_id);
            auto settled = settle(c, evidence(c, taken), clock_.now(),
                                  intent_id + "/" + what + "/" + std::to_string(c.intent.version));
            if (!settled.command) return;  // somebody was faster, or it is no news
            tie_to_purchase(store_, c, true, *settled.command);
            const auto verdict = store_.append(*settled.command);
            if (verdict.accepted()) return;
            if (verdict.outcome == eventlog::Outcome::claim_taken)
                taken = verdict.claim_kind == claim::kReceipt ? Taken::receipt : Taken::checkout;
            ++attempt;  // a wrong version: decide again on what was written first
        } catch (const Unavailable& error) {
            // The evidence is in our hands only: wait for the store, the attempt row is the net.
            if (crew_->stopping()) throw;
            log::warn("evidence waits for the store",
                      {{"intent", intent_id}, {"what", what}, {"error", error.what()}});
            std::this_thread::sleep_for(kStoreRetryMs);
        }
    }
    log::error("evidence could not be written", {{"intent", intent_id}, {"what", what}});
}

}  // namespace flowstack::payment
