#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "common/core/clock.h"
#include "common/core/guarded.h"
#include "common/eventlog/work.h"
#include "services/payment/adapters/accounts.h"
#include "services/payment/adapters/callback_token.h"
#include "services/payment/adapters/mpesa/daraja.h"
#include "services/payment/adapters/settlement.h"
#include "services/payment/config.h"

// Asks payers and asks what became of it, for the lanes that this replica owns.
//
//   push     PushAttempted under the owner's guard, then the call, then its outcome. Once
//   announced, an
//            intent is asked again only after a definite refusal.
//   attempt  an announced push without an outcome: its process died. Unknown from now on.
//   poll     a status query, at most one per `query_interval_ms` and short code over all replicas.
//   expiry   asks once more, then the intent expires.
//
// The outcome of a call is written without the owner's guard: evidence counts, whoever brings it.
namespace flowstack::payment {

class Pusher {
public:
    using Done = eventlog::WorkRunner::Done;

    Pusher(eventlog::Store& store, Books& books, Accounts& accounts, mpesa::Daraja& daraja,
           mpesa::Tokens& tokens, mpesa::Leases& leases, const CallbackTokens& callback_tokens,
           const Clock& clock, const PaymentConfig& config, std::string replica);
    ~Pusher();

    // For Host::work: each hands the row to a thread of its own and comes back at once.
    void on_push(const eventlog::WorkRow& row, Done done);
    void on_attempt(const eventlog::WorkRow& row, Done done);
    void on_poll(const eventlog::WorkRow& row, Done done);
    void on_expiry(const eventlog::WorkRow& row, Done done);

    // Waits for calls in progress.
    void stop();

private:
    class Crew;
    using Work = void (Pusher::*)(const eventlog::WorkRow&);
    void hand(const eventlog::WorkRow& row, Done done, Work work);

    void push(const eventlog::WorkRow& row);
    void resolve_attempt(const eventlog::WorkRow& row);
    void poll(const eventlog::WorkRow& row);
    void expire(const eventlog::WorkRow& row);

    struct Plan;
    std::optional<Plan> plan_push(const Case& c, std::string& refusal, std::string& reason);
    bool announce(const eventlog::WorkRow& row, const Case& c, std::vector<IntentCommand> commands);
    // Decides and appends until it is written, is no news or is refused; never gives up on the
    // store.
    void learn(const std::string& tenant, const std::string& intent_id,
               const std::function<IntentCommand(const Case&, Taken)>& evidence, const char* what);
    enum class Query { answered, later, no_account };
    Query ask(const std::string& tenant, const std::string& intent_id, const Case& c);
    // The row is from a time before what the stream says now.
    void drop(const eventlog::WorkRow& row);

    eventlog::Store& store_;
    Books& books_;
    Accounts& accounts_;
    mpesa::Daraja& daraja_;
    mpesa::Tokens& tokens_;
    mpesa::Leases& leases_;
    const CallbackTokens& callback_tokens_;
    const Clock& clock_;
    const PaymentConfig& config_;
    std::string replica_;
    Guarded<std::set<std::string>> calling_;  // intents whose push is in flight here
    std::unique_ptr<Crew> crew_;
};

}  // namespace flowstack::payment
