#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "common/core/clock.h"
#include "common/core/guarded.h"
#include "common/core/thread_pool.h"
#include "common/eventlog/work.h"
#include "services/payment/adapters/accounts.h"
#include "services/payment/adapters/callback_token.h"
#include "services/payment/adapters/leases.h"
#include "services/payment/adapters/settlement.h"
#include "services/payment/config.h"
#include "services/payment/providers/provider.h"

// Has payers asked by their providers, and queries what became of it, for the lanes that this
// replica owns. One method a kind of work row:
//
//   ask      AskAttempted under the owner's guard, then the call, then its outcome. After the
//            announcement an intent is asked again only after a definite refusal.
//   attempt  an announced call without an outcome: its process died. Its outcome is unknown. Of a
//            provider with a page the call is made once more, with the same key; if its answer is
//            lost again, nobody was given the page and nobody was asked.
//   unclear  the outcome has been unknown for too long: a person is needed.
//   poll     a status query, at most one per `query_interval` and account over all replicas.
//   expiry   one last query, then the intent expires, then the payer's page is closed.
//
// The outcome of a call is written without the owner's guard: evidence counts, whoever brings it.
namespace flowstack::payment {

class Asker {
public:
    using Done = eventlog::WorkRunner::Done;

    // All of them must outlive it.
    struct Parts {
        eventlog::Store& store;
        Books& books;
        Accounts& accounts;
        const Providers& providers;
        Leases& leases;
        const CallbackTokens& callback_tokens;
        const Clock& clock;
        const PaymentConfig& config;
        std::string replica;
    };
    explicit Asker(Parts parts);
    ~Asker() { stop(); }

    // For Host::work: each hands the row to one of the asker's threads and comes back at once.
    // While too many rows wait for a thread, the row is done at once: it stays, and is handed out
    // again.
    void on_ask(const eventlog::WorkRow& row, Done done);
    void on_attempt(const eventlog::WorkRow& row, Done done);
    void on_unclear(const eventlog::WorkRow& row, Done done);
    void on_poll(const eventlog::WorkRow& row, Done done);
    void on_expiry(const eventlog::WorkRow& row, Done done);

    // Waits for calls in progress.
    void stop();

private:
    using Work = void (Asker::*)(const eventlog::WorkRow&);
    void hand(const eventlog::WorkRow& row, Done done, Work work);

    void ask(const eventlog::WorkRow& row);
    void resolve_attempt(const eventlog::WorkRow& row);
    void call_person(const eventlog::WorkRow& row);
    void poll(const eventlog::WorkRow& row);
    void expire(const eventlog::WorkRow& row);

    // What a call needs; or why there can be none.
    struct Call {
        Provider* provider = nullptr;
        Account account;
        Plan plan;
    };
    // `attempt` is the one that the call belongs to, and `resolve_by` its AskAttempted's.
    std::variant<Call, CannotAsk> plan_of(const Case& c, int attempt, Time resolve_by);
    // `calling_` names the intent as long as the answer lives.
    std::shared_ptr<void> begin_call(const IntentId& intent_id);
    AskAnswer ask_again(const eventlog::WorkRow& row, const Case& c);
    // Appends under the owner's guard. True: it is written, by us.
    bool announce(const eventlog::WorkRow& row, const Case& c, std::vector<IntentCommand> commands);
    IntentCommand meaning_of(const AskAnswer& answer, Taken taken) const;
    // Decides and appends until it is written, is no news or is refused; never gives up on the
    // store.
    void learn(const std::string& tenant, const IntentId& intent_id,
               const std::function<IntentCommand(const Case&, Taken)>& evidence, const char* what);
    enum class Query { answered, later, impossible };
    Query query(const std::string& tenant, const IntentId& intent_id, const Case& c);
    // So that nobody pays late without need. Where it fails, the provider closes it in its time.
    void close_page(const Case& c);
    // Removes a row that an older event put and that the stream's state no longer wants.
    void drop(const eventlog::WorkRow& row);

    Parts parts_;
    Guarded<std::set<std::string>> calling_;  // intents whose call is in flight here
    std::atomic<bool> stopping_ = false;
    ThreadPool calls_;  // last: its threads use everything above
};

}  // namespace flowstack::payment
