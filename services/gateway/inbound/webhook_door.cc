#include "services/gateway/inbound/webhook_door.h"

#include <algorithm>

#include "common/observability/trace.h"

namespace flowstack::gateway {
namespace {

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
    for (const auto* provider : providers_.all())
        for (const auto& path : provider->webhook_paths()) {
            router.add("GET", path,
                       [provider](const http::Request& request, const http::Responder& responder) {
                           responder.send(provider->handshake(request));
                       });
            router.add("POST", path,
                       [this, provider](http::Request request, http::Responder responder) {
                           webhook(*provider, std::move(request), std::move(responder));
                       });
        }
}

bool WebhookDoor::serves(std::string_view path) const {
    return std::ranges::any_of(providers_.all(), [&](const auto* provider) {
        return std::ranges::count(provider->webhook_paths(), path) > 0;
    });
}

void WebhookDoor::webhook(const MessagingProvider& provider, http::Request request,
                          http::Responder responder) {
    auto read = provider.read(request);
    auto* webhook = std::get_if<SignedWebhook>(&read);
    if (webhook == nullptr) {
        bad_signatures_.add();
        rejected_.count(request.remote_address);
        responder.send(http::Response{401, {}, ""});
        return;
    }
    const std::string name(provider.name());
    WebhookFrame frame{
        .provider = name,
        .actor = "provider:" + name,
        .app_id = std::move(webhook->app_id),
        .webhook_id = ids_.next(),
        .received_at = clock_.now(),
        .traceparent = trace::continue_from(request.headers.get(trace::kHeader)).traceparent()};
    // The elements' bytes are a part of the request's body, which is moved and never copied.
    auto parsed = std::move(webhook->parsed);
    auto delivery = std::make_shared<Delivery>(
        parts_, provider.kind(), std::move(request), std::move(parsed), std::move(frame),
        [responder = std::move(responder)](bool stored) {
            responder.send(stored ? http::Response{200, {}, ""} : send_again());
        });
    delivery->begin();
}

}  // namespace flowstack::gateway
