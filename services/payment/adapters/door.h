#pragma once

#include "common/core/clock.h"
#include "common/eventlog/store.h"
#include "common/http/router.h"
#include "common/observability/metrics.h"
#include "services/payment/adapters/callback_token.h"
#include "services/payment/providers/provider.h"

// The HTTP door for providers' callbacks. It does not read their bodies: it checks the path, keeps
// the bytes and answers 200 after they are committed. The owner of the payment's lane decides what
// they mean.
//
//   POST /hooks/pay/{token}              200 kept (also when it was kept before), 404 not our
//   token, POST /webhooks/{provider}/{token}    413 too large, 503 not kept: send it again POST
//   /webhooks/{provider}            404, and why GET  /health
namespace flowstack::payment {

class Door {
public:
    Door(eventlog::Store& store, const CallbackTokens& tokens, const Providers& providers,
         const Clock& clock, metrics::Registry& metrics);

    http::Router router();

private:
    void receive(const http::Request& request, http::Responder responder);

    eventlog::Store& store_;
    const CallbackTokens& tokens_;
    const Providers& providers_;
    const Clock& clock_;
    metrics::Counter kept_;
    metrics::Counter repeated_;
    metrics::Counter refused_;
    metrics::Counter unkept_;
};

}  // namespace flowstack::payment
