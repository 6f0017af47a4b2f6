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

constexpr int kWebhookThreads = 2;
constexpr std::size_t kWebhooksWaitingMax = 256;

// The customer is not told whether it is paid: opening this page proves nothing.
constexpr const char* kReturnPage =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width\"><title>Back to the chat</title>"
    "<body style=\"font-family:sans-serif;text-align:center;padding:3em 1em\">"
    "<p>You can close this page and go back to the chat.</p>"
    "<p>The receipt comes there as soon as the payment is confirmed.</p></body></html>";

http::Response not_ours() {
    return http::Response::problem(404, "Not found", "No such callback path.", "NOT_FOUND");
}

http::Response not_kept() {
    auto response = http::Response::problem(
        503, "Unavailable", "The callback was not kept. Send it again.", "STORE_UNAVAILABLE");
    response.headers.set("Retry-After", "1");
    return response;
}

metrics::Counter counter(metrics::Registry& metrics, const char* outcome) {
    return metrics.counter("flowstack_payment_callbacks_total", "callbacks at the door",
                           {{"outcome", outcome}});
}

std::string hash_of(std::string_view bytes) {
    const auto digest = crypto::sha256(bytes);
    return std::string(crypto::bytes_of(digest));
}

// What every callback's command has in common.
eventlog::Command command_for(const std::string& tenant, const Provider& provider,
                              const http::Request& request) {
    eventlog::Command command;
    command.dedupe = eventlog::Dedupe::claim;
    command.tenant = tenant;
    command.meta.actor = "provider:" + provider.name();
    command.meta.traceparent = trace::of_request(request.headers.get(trace::kHeader)).traceparent();
    return command;
}

}  // namespace

Door::Door(eventlog::Store& store, const CallbackTokens& tokens, const Providers& providers,
           Accounts& accounts, const Clock& clock, metrics::Registry& metrics)
    : store_(store),
      tokens_(tokens),
      providers_(providers),
      accounts_(accounts),
      clock_(clock),
      kept_(counter(metrics, "kept")),
      repeated_(counter(metrics, "repeated")),
      refused_(counter(metrics, "refused")),
      unkept_(counter(metrics, "unkept")),
      unsigned_(counter(metrics, "unsigned")),
      foreign_(counter(metrics, "foreign")),
      unmatched_(counter(metrics, "unmatched")),
      webhooks_(
          {.name = "webhooks", .threads = kWebhookThreads, .waiting_max = kWebhooksWaitingMax}) {}

void Door::append(eventlog::Command command, const Provider& provider, const std::string& subject,
                  const http::Responder& responder) {
    try {
        store_.append_async(
            std::move(command), [this, responder, subject, answer = provider.callback_answer()](
                                    const eventlog::Verdict& verdict, std::exception_ptr error) {
                if (error || !verdict.accepted()) {
                    unkept_.add();
                    log::error("a callback could not be kept", {{"of", subject}});
                    responder.send(not_kept());
                    return;
                }
                (verdict.outcome == eventlog::Outcome::ok ? kept_ : repeated_).add();
                responder.send(http::Response::json(200, answer));
            });
    } catch (const std::exception& error) {
        unkept_.add();
        log::error("a callback could not be kept", {{"of", subject}, {"error", error.what()}});
        responder.send(not_kept());
    }
}

void Door::keep(const CallbackTarget& target, const Provider& provider,
                const http::Request& request, const std::string& key,
                const http::Responder& responder) {
    const auto intent = target.intent.text();
    auto command = command_for(target.tenant, provider, request);
    // The same callback of the same payment is one, however often it comes.
    command.id = "callback/" + intent + "/" + crypto::hex_encode(key);
    command.meta.routing = {eventlog::RoutingKind::lane, std::to_string(target.lane)};
    command.meta.request_hash = key;
    command.parts.push_back({intent_stream(target.tenant, IntentId(intent)),
                             eventlog::kAny,
                             {encode(RawCallback{.body = request.body,
                                                 .body_sha256 = hash_of(request.body),
                                                 .source = request.remote_address,
                                                 .provider = target.provider},
                                     clock_.now())}});
    append(std::move(command), provider, intent, responder);
}

void Door::receive(const http::Request& request, http::Responder responder) {
    const auto target = tokens_.check(request.params.at("token"));
    const auto* provider = target ? providers_.find(target->provider) : nullptr;
    // Who has the token of a provider that signs has no signature yet.
    if (!provider || target->lane >= store_.options().lanes ||
        provider->capabilities().signed_webhooks) {
        refused_.add();
        log::warn("a callback with a path that is not ours", {{"source", request.remote_address}});
        responder.send(not_ours());
        return;
    }
    keep(*target, *provider, request, hash_of(request.body), responder);
}

void Door::refuse_unsigned(const Provider& provider, const http::Request& request, const char* why,
                           const http::Responder& responder) {
    unsigned_.add();
    log::warn("a webhook is refused",
              {{"provider", provider.name()}, {"source", request.remote_address}, {"why", why}});
    responder.send(
        http::Response::problem(401, "Unauthenticated", std::string(why) + ".", "UNAUTHENTICATED"));
}

void Door::keep_unmatched(const std::string& tenant, const Provider& provider,
                          const http::Request& request, const Webhook& webhook,
                          const std::string& reason, const http::Responder& responder) {
    unmatched_.add();
    log::error("a signed webhook names no payment of its tenant: it is kept for a person",
               {{"tenant", tenant},
                {"provider", provider.name()},
                {"event", webhook.id},
                {"reason", reason}});
    auto command = command_for(tenant, provider, request);
    command.id = "unmatched/" + tenant + "/" + provider.name() + "/" + webhook.id;
    command.meta.routing = tenant_routing(tenant);
    command.meta.request_hash = hash_of(webhook.id);
    command.parts.push_back({unmatched_stream(tenant, provider.name()),
                             eventlog::kAny,
                             {encode(UnmatchedCallback{.provider = provider.name(),
                                                       .body = request.body,
                                                       .body_sha256 = hash_of(request.body),
                                                       .source = request.remote_address,
                                                       .reason = reason},
                                     clock_.now())}});
    append(std::move(command), provider, webhook.id, responder);
}

void Door::receive_signed(const Provider& provider, const http::Request& request,
                          const http::Responder& responder) {
    const auto read = provider.read_webhook(request.body);
    const auto* webhook = std::get_if<Webhook>(&read);
    if (!webhook) return refuse_unsigned(provider, request, "The body is no event", responder);
    auto target = tokens_.check(webhook->token);
    if (target && (target->provider != provider.name() || target->lane >= store_.options().lanes))
        target.reset();
    const auto named = request.params.find("tenant");
    if (named == request.params.end() && !target) {
        // Of a sale that is not ours, or of another kind: nobody can say whose secret signs it.
        foreign_.add();
        responder.send(http::Response::json(200, provider.callback_answer()));
        return;
    }
    const auto tenant = named == request.params.end() ? target->tenant : named->second;
    const auto account = accounts_.open(tenant, provider.name());
    // A tenant without an account is answered as a wrong signature is: a stranger learns nothing.
    if (!account || !provider.is_signed(*account, request.headers.get(provider.signature_header()),
                                        request.body, clock_.now()))
        return refuse_unsigned(provider, request,
                               "The signature is missing, too old or not of this account",
                               responder);
    const auto own = account->details.find("account_id");
    if (!webhook->account.empty() && own != account->details.end() &&
        own->second != webhook->account)
        return keep_unmatched(tenant, provider, request, *webhook, "other_account", responder);
    if (target && target->tenant != tenant)
        return keep_unmatched(tenant, provider, request, *webhook, "other_tenant", responder);
    if (!target && !webhook->token.empty())
        return keep_unmatched(tenant, provider, request, *webhook, "unknown_payment", responder);
    if (!target) {
        foreign_.add();
        responder.send(http::Response::json(200, provider.callback_answer()));
        return;
    }
    keep(*target, provider, request, hash_of(webhook->id), responder);
}

http::Router Door::router() {
    http::Router router;
    const auto keep_one = [this](http::Request request, http::Responder responder) {
        receive(request, std::move(responder));
    };
    router.add("POST", "/hooks/pay/{token}", keep_one);
    router.add("GET", kReturnPath, [](http::Request, http::Responder responder) {
        auto page = http::Response::text(200, kReturnPage);
        page.headers.set("Content-Type", "text/html; charset=utf-8");
        responder.send(std::move(page));
    });
    for (const auto* provider : providers_.all()) {
        const auto path = "/webhooks/" + provider->name();
        if (provider->capabilities().signed_webhooks) {
            const auto look = [this, provider](http::Request request, http::Responder responder) {
                const bool taken =
                    webhooks_.post([this, provider, request = std::move(request), responder] {
                        try {
                            receive_signed(*provider, request, responder);
                        } catch (const std::exception& error) {
                            unkept_.add();
                            log::error("a webhook could not be kept", {{"error", error.what()}});
                            responder.send(not_kept());
                        }
                    });
                if (!taken) {
                    unkept_.add();
                    responder.send(not_kept());
                }
            };
            router.add("POST", path, look);
            router.add("POST", path + "/{tenant}", look);
            continue;
        }
        // Paths that older systems gave to providers.
        router.add("POST", path + "/{token}", keep_one);
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
