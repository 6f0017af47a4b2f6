#include "services/payment/adapters/door.h"

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/observability/log.h"
#include "common/observability/trace.h"
#include "services/payment/adapters/codec.h"
#include "services/payment/adapters/settlement.h"
#include "services/payment/adapters/streams.h"

namespace flowstack::payment {
namespace {

http::Response not_ours() {
    return http::Response::problem(404, "Not found", "No such callback path.", "NOT_FOUND");
}

http::Response not_kept() {
    auto response = http::Response::problem(
        503, "Unavailable", "The callback was not kept. Send it again.", "STORE_UNAVAILABLE");
    response.headers.set("Retry-After", "1");
    return response;
}

}  // namespace

Door::Door(eventlog::Store& store, const CallbackTokens& tokens, const Providers& providers,
           const Clock& clock, metrics::Registry& metrics)
    : store_(store),
      tokens_(tokens),
      providers_(providers),
      clock_(clock),
      kept_(metrics.counter("flowstack_payment_callbacks_total", "callbacks at the door",
                            {{"outcome", "kept"}})),
      repeated_(metrics.counter("flowstack_payment_callbacks_total", "callbacks at the door",
                                {{"outcome", "repeated"}})),
      refused_(metrics.counter("flowstack_payment_callbacks_total", "callbacks at the door",
                               {{"outcome", "refused"}})),
      unkept_(metrics.counter("flowstack_payment_callbacks_total", "callbacks at the door",
                              {{"outcome", "unkept"}})) {}

void Door::receive(const http::Request& request, http::Responder responder) {
    const auto target = tokens_.check(request.params.at("token"));
    const auto* provider = target ? providers_.find(target->provider) : nullptr;
    if (!provider || target->lane >= store_.options().lanes) {
        refused_.add();
        log::warn("a callback with a path that is not ours", {{"source", request.remote_address}});
        responder.send(not_ours());
        return;
    }
    const auto digest = crypto::sha256(request.body);
    const std::string hash(crypto::bytes_of(digest));
    const auto intent = target->intent.text();

    eventlog::Command command;
    // The same bytes for the same payment are one callback, however often they come.
    command.id = "callback/" + intent + "/" + crypto::hex_encode(hash);
    command.dedupe = eventlog::Dedupe::claim;
    command.tenant = target->tenant;
    command.meta.routing = {eventlog::RoutingKind::lane, std::to_string(target->lane)};
    command.meta.actor = "provider:" + target->provider;
    command.meta.request_hash = hash;
    command.meta.traceparent = trace::of_request(request.headers.get(trace::kHeader)).traceparent();
    command.parts.push_back({intent_stream(target->tenant, IntentId(intent)),
                             eventlog::kAny,
                             {encode(RawCallback{.body = request.body,
                                                 .body_sha256 = hash,
                                                 .source = request.remote_address,
                                                 .provider = target->provider},
                                     clock_.now())}});
    try {
        store_.append_async(
            std::move(command), [this, responder, intent, answer = provider->callback_answer()](
                                    const eventlog::Verdict& verdict, std::exception_ptr error) {
                if (error || !verdict.accepted()) {
                    unkept_.add();
                    log::error("a callback could not be kept", {{"intent", intent}});
                    responder.send(not_kept());
                    return;
                }
                (verdict.outcome == eventlog::Outcome::ok ? kept_ : repeated_).add();
                responder.send(http::Response::json(200, answer));
            });
    } catch (const std::exception& error) {
        unkept_.add();
        log::error("a callback could not be kept", {{"intent", intent}, {"error", error.what()}});
        responder.send(not_kept());
    }
}

http::Router Door::router() {
    http::Router router;
    const auto keep = [this](http::Request request, http::Responder responder) {
        receive(request, std::move(responder));
    };
    router.add("POST", "/hooks/pay/{token}", keep);
    // Paths that older systems gave to providers.
    for (const auto* provider : providers_.all()) {
        const auto path = "/webhooks/" + provider->name();
        router.add("POST", path + "/{token}", keep);
        router.add("POST", path, [](http::Request, http::Responder responder) {
            responder.send(http::Response::problem(
                404, "Not found",
                "Each payment has a callback path of its own that nobody can guess: "
                "/hooks/pay/{token}. The provider is given it with the payment.",
                "NOT_FOUND"));
        });
    }
    router.add("GET", "/health", [](http::Request, http::Responder responder) {
        responder.send(http::Response::json(200, R"({"ok":true})"));
    });
    return router;
}

}  // namespace flowstack::payment
