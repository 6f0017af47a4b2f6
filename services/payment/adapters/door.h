#pragma once

#include "common/core/clock.h"
#include "common/core/thread_pool.h"
#include "common/eventlog/store.h"
#include "common/http/router.h"
#include "common/observability/metrics.h"
#include "services/payment/adapters/accounts.h"
#include "services/payment/adapters/callback_token.h"
#include "services/payment/providers/provider.h"

// The HTTP door for providers' callbacks. It checks whose they are, keeps the bytes and answers 200
// after they are committed. The owner of the payment's lane decides what they mean.
//
//   POST /hooks/pay/{token}            200 kept (also when it was kept before), 404 not our
//   POST /webhooks/{provider}/{token}  token, 413 too large, 503 not kept: send it again
//   POST /webhooks/{provider}          404, and why
//   GET  /hooks/pay/done               where a provider's page leads afterwards
//   GET  /health
//
// A provider that signs its webhooks has one address for all payments, /webhooks/{provider} or,
// with the tenant named, /webhooks/{provider}/{tenant}. Their signature counts, and a path token
// alone proves nothing for it: 200 kept or not about a payment of ours, 401 not signed by the
// tenant's account, or it has none. What is signed but names another tenant's
// payment is kept in the tenant's stream `unmatched_callback`, and changes nothing.
namespace flowstack::payment {

class Door {
public:
    Door(eventlog::Store& store, const CallbackTokens& tokens, const Providers& providers,
         Accounts& accounts, const Clock& clock, metrics::Registry& metrics);

    http::Router router();

private:
    void receive(const http::Request& request, http::Responder responder);
    // On a thread of `webhooks_`: an account is read for it.
    void receive_signed(const Provider& provider, const http::Request& request,
                        const http::Responder& responder);
    // `key` tells one callback of the target from the others.
    void keep(const CallbackTarget& target, const Provider& provider, const http::Request& request,
              const std::string& key, const http::Responder& responder);
    void keep_unmatched(const std::string& tenant, const Provider& provider,
                        const http::Request& request, const Webhook& webhook,
                        const std::string& reason, const http::Responder& responder);
    void append(eventlog::Command command, const Provider& provider, const std::string& subject,
                const http::Responder& responder);
    void refuse_unsigned(const Provider& provider, const http::Request& request, const char* why,
                         const http::Responder& responder);

    eventlog::Store& store_;
    const CallbackTokens& tokens_;
    const Providers& providers_;
    Accounts& accounts_;
    const Clock& clock_;
    metrics::Counter kept_;
    metrics::Counter repeated_;
    metrics::Counter refused_;
    metrics::Counter unkept_;
    metrics::Counter unsigned_;
    metrics::Counter foreign_;
    metrics::Counter unmatched_;
    ThreadPool webhooks_;  // last: its threads use everything above
};

}  // namespace flowstack::payment
