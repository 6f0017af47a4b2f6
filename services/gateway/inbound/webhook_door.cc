#include "services/gateway/inbound/webhook_door.h"

#include <algorithm>

#include "common/observability/log.h"
#include "common/observability/trace.h"

namespace flowstack::gateway {
namespace {

// Look-ups for webhooks that nobody has verified yet, at once.
constexpr int kSignerLookupsMax = 4;

http::Response send_again() {
    auto response = http::Response::problem(503, "Service Unavailable",
                                            "The store cannot take this now. Send it again.",
                                            "STORE_UNAVAILABLE");
    response.headers.set("Retry-After", "1");
    return response;
}

}  // namespace

WebhookDoor::WebhookDoor(const Providers& providers, eventlog::Store& store, Directory& directory,
                         Contacts& contacts, const DerivedKeys& keys, IdSource& ids,
                         const Clock& clock, metrics::Registry& metrics, DoorOptions options)
    : providers_(providers),
      directory_(directory),
      ids_(ids),
      clock_(clock),
      bad_signatures_(metrics.counter("flowstack_gateway_bad_signatures_total",
                                      "webhooks whose signature was wrong")),
      counters_(inbound_counters(metrics)),
      rejected_(store, ids, clock),
      customers_(options.customers_cached_max),
      parts_{store, directory, contacts, keys, customers_, lookups_, counters_},
      lookups_({.name = "lookups",
                .threads = options.lookup_threads,
                .waiting_max = options.lookups_queued_max}) {
    directory.on_merge([this](const std::string& tenant, const CustomerId& customer) {
        customers_.forget(tenant, customer);
    });
}

WebhookDoor::~WebhookDoor() { stop(); }

void WebhookDoor::stop() {
    rejected_.stop();
    lookups_.stop(ThreadPool::Waiting::run);
}

void WebhookDoor::add_routes(http::Router& router) {
    std::vector<std::pair<std::string, Candidates>> paths;
    for (const auto* provider : providers_.all())
        for (const auto& path : provider->webhook_paths()) {
            auto known = std::ranges::find(paths, path, &std::pair<std::string, Candidates>::first);
            if (known == paths.end()) known = paths.insert(known, {path, {}});
            known->second.push_back(provider);
        }
    for (auto& [path, candidates] : paths) {
        router.add("GET", path,
                   [first = candidates.front()](const http::Request& request,
                                                const http::Responder& responder) {
                       responder.send(first->handshake(request));
                   });
        router.add("POST", path,
                   [this, candidates = std::move(candidates)](http::Request request,
                                                              http::Responder responder) {
                       webhook(candidates, std::move(request), std::move(responder));
                   });
    }
}

bool WebhookDoor::serves(std::string_view path) const {
    return std::ranges::any_of(providers_.all(), [&](const auto* provider) {
        return std::ranges::count(provider->webhook_paths(), path) > 0;
    });
}

void WebhookDoor::webhook(const Candidates& candidates, http::Request request,
                          http::Responder responder) {
    const MessagingProvider* may_be_of = nullptr;
    std::string unknown_channel;
    for (const auto* provider : candidates) {
        auto read = provider->read(request);
        if (auto* webhook = std::get_if<SignedWebhook>(&read))
            return take(*provider, std::move(*webhook), std::move(request), std::move(responder));
        auto& channel = std::get<Unsigned>(read).unknown_channel;
        if (channel.empty()) continue;
        may_be_of = provider;
        unknown_channel = std::move(channel);
    }
    if (may_be_of == nullptr) return refuse(request, responder);
    look_up_signer(*may_be_of, std::move(unknown_channel), std::move(request),
                   std::move(responder));
}

void WebhookDoor::refuse(const http::Request& request, const http::Responder& responder) {
    bad_signatures_.add();
    rejected_.count(request.remote_address);
    responder.send(http::Response{401, {}, ""});
}

void WebhookDoor::look_up_signer(const MessagingProvider& provider, std::string unknown_channel,
                                 http::Request request, http::Responder responder) {
    if (signers_looked_up_.fetch_add(1) >= kSignerLookupsMax) {
        --signers_looked_up_;
        return refuse(request, responder);
    }
    auto shared = std::make_shared<http::Request>(std::move(request));
    const bool taken = lookups_.post([this, &provider, shared, responder,
                                      channel = std::move(unknown_channel)] {
        try {
            directory_.find_external_id(provider.kind(), ExternalChannelId(channel));
        } catch (const std::exception& error) {
            log::warn("the channel of a webhook could not be looked up", {{"error", error.what()}});
            --signers_looked_up_;
            return responder.send(send_again());
        }
        --signers_looked_up_;
        auto read = provider.read(*shared);
        if (auto* webhook = std::get_if<SignedWebhook>(&read))
            return take(provider, std::move(*webhook), std::move(*shared), responder);
        refuse(*shared, responder);
    });
    if (taken) return;
    --signers_looked_up_;
    responder.send(send_again());
}

void WebhookDoor::take(const MessagingProvider& provider, SignedWebhook webhook,
                       http::Request request, http::Responder responder) {
    const std::string name(provider.name());
    WebhookFrame frame{
        .provider = name,
        .actor = "provider:" + name,
        .app_id = std::move(webhook.app_id),
        .choices_numbered = provider.numbers_choices(),
        .webhook_id = ids_.next(),
        .received_at = clock_.now(),
        .traceparent = trace::of_request(request.headers.get(trace::kHeader)).traceparent()};
    // The elements' bytes are a part of the request's body, which is moved and never copied.
    auto parsed = std::move(webhook.parsed);
    auto delivery = std::make_shared<Delivery>(
        parts_, provider.kind(), std::move(request), std::move(parsed), std::move(frame),
        [responder = std::move(responder)](bool stored) {
            responder.send(stored ? http::Response{200, {}, ""} : send_again());
        });
    delivery->begin();
}

}  // namespace flowstack::gateway
