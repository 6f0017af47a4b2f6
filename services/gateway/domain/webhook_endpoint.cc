#include "services/gateway/domain/webhook_endpoint.h"

#include <algorithm>

#include "common/core/corrupt_stream.h"
#include "common/core/overloaded.h"

namespace flowstack::gateway {
namespace {

using Answer = Decision<WebhookEndpointEvent, WebhookEndpointRejection>;
using Rejection = WebhookEndpointRejection;
using Status = WebhookEndpointStatus;

std::string fault_of_url(const std::string& url, bool plain_http) {
    if (url.size() > kWebhookUrlMax) return "must have at most 2048 characters";
    std::string_view rest = url;
    if (rest.starts_with("https://"))
        rest.remove_prefix(8);
    else if (plain_http && rest.starts_with("http://"))
        rest.remove_prefix(7);
    else
        return plain_http ? "must begin with https:// or http://" : "must begin with https://";
    const auto host = rest.substr(0, rest.find_first_of("/?"));
    if (host.empty() || host.front() == ':') return "must name a host";
    if (host.find('@') != std::string_view::npos) return "must not have a user or a password";
    for (const unsigned char c : rest)
        if (c <= ' ' || c >= 127 || c == '#' || c == '"' || c == '<' || c == '>' || c == '\\' ||
            c == '^' || c == '`' || c == '{' || c == '|' || c == '}')
            return "must be a URL without a fragment, other characters percent-encoded";
    return {};
}

WebhookEndpoint& known(WebhookEndpoints& endpoints, const WebhookEndpointId& id) {
    for (auto& endpoint : endpoints.all)
        if (endpoint.endpoint_id == id) return endpoint;
    throw CorruptStream("webhook endpoints: an event of one that is not there");
}

}  // namespace

std::vector<FieldError> faults_of(const WebhookTarget& target,
                                  const std::vector<std::string>& types, bool plain_http) {
    std::vector<FieldError> faults;
    if (auto fault = fault_of_url(target.url, plain_http); !fault.empty())
        faults.push_back({"url", std::move(fault)});
    if (target.description.size() > kWebhookDescriptionMax)
        faults.push_back({"description", "must have at most 200 characters"});
    for (std::size_t i = 0; i < target.event_types.size(); ++i) {
        const auto field = "event_types[" + std::to_string(i) + "]";
        const auto& type = target.event_types[i];
        if (std::ranges::find(types, type) == types.end()) {
            std::string names;
            for (const auto& name : types) names += (names.empty() ? "" : ", ") + name;
            faults.push_back({field, "must be one of " + names});
        } else if (std::ranges::count(target.event_types, type) > 1) {
            faults.push_back({field, "must not stand there twice"});
        }
    }
    return faults;
}

std::string_view text_of(WebhookEndpointStatus status) {
    switch (status) {
        case Status::active:
            return "ACTIVE";
        case Status::paused:
            return "PAUSED";
        case Status::switched_off:
            return "SWITCHED_OFF";
    }
    return "";
}

const WebhookEndpoint* WebhookEndpoints::find(const WebhookEndpointId& id) const {
    const auto found = std::ranges::find(all, id, &WebhookEndpoint::endpoint_id);
    return found == all.end() ? nullptr : &*found;
}

bool wants(const WebhookEndpoint& endpoint, std::string_view type) {
    const auto& types = endpoint.target.event_types;
    return types.empty() || std::ranges::find(types, type) != types.end();
}

Answer decide(const WebhookEndpoints& endpoints, const WebhookEndpointCommand& command) {
    if (const auto* create = std::get_if<WebhookEndpointCreated>(&command)) {
        if (endpoints.all.size() >= kWebhookEndpointsMax) return Rejection::too_many;
        return WebhookEndpointEvent{*create};
    }
    const auto* endpoint = endpoints.find(std::visit(
        [](const auto& c) -> const WebhookEndpointId& { return c.endpoint_id; }, command));
    if (endpoint == nullptr) return Rejection::unknown;
    if (const auto* update = std::get_if<WebhookEndpointUpdated>(&command);
        update != nullptr && update->target == endpoint->target)
        return std::vector<WebhookEndpointEvent>{};
    if (std::holds_alternative<WebhookEndpointPaused>(command) &&
        endpoint->status != Status::active)
        return Rejection::already_paused;
    if (std::holds_alternative<WebhookEndpointResumed>(command) &&
        endpoint->status == Status::active)
        return Rejection::not_held;
    return std::visit([](const auto& c) { return WebhookEndpointEvent{c}; }, command);
}

std::optional<WebhookEndpointEvent> judge(const WebhookEndpoints& endpoints,
                                          const WebhookHealth& health,
                                          const WebhookHealthPolicy& policy) {
    const auto* endpoint = endpoints.find(health.endpoint_id);
    if (endpoint == nullptr || endpoint->status == Status::switched_off) return std::nullopt;
    const auto since = endpoint->failing_since;
    if (health.works) {
        if (since == Time{}) return std::nullopt;
        return WebhookEndpointRecovered{.endpoint_id = health.endpoint_id};
    }
    if (health.gone || (since != Time{} && health.now - since >= policy.off_after))
        return WebhookEndpointSwitchedOff{.endpoint_id = health.endpoint_id,
                                          .reason = health.reason,
                                          .failing_since = since == Time{} ? health.now : since};
    if (since == Time{} && health.failures_in_a_row >= policy.failing_after)
        return WebhookEndpointFailing{.endpoint_id = health.endpoint_id, .reason = health.reason};
    return std::nullopt;
}

WebhookEndpoints evolve(WebhookEndpoints endpoints, const WebhookEndpointEvent& event, Time at) {
    ++endpoints.version;
    if (const auto* e = std::get_if<WebhookEndpointCreated>(&event)) {
        endpoints.all.push_back({.endpoint_id = e->endpoint_id,
                                 .target = e->target,
                                 .signature = e->signature,
                                 .key = e->key,
                                 .previous_key = std::nullopt,
                                 .reason = "",
                                 .created_at = at,
                                 .version = endpoints.version});
        return endpoints;
    }
    const auto& id =
        std::visit([](const auto& e) -> const WebhookEndpointId& { return e.endpoint_id; }, event);
    auto& endpoint = known(endpoints, id);
    endpoint.version = endpoints.version;
    std::visit(Overloaded{[](const WebhookEndpointCreated&) {},
                          [&](const WebhookEndpointUpdated& e) { endpoint.target = e.target; },
                          [&](const WebhookSecretRotated& e) {
                              endpoint.previous_key.reset();
                              if (e.previous_until > at) endpoint.previous_key = endpoint.key;
                              endpoint.previous_until = e.previous_until;
                              endpoint.key = e.key;
                          },
                          [&](const WebhookEndpointPaused& e) {
                              endpoint.status = Status::paused;
                              endpoint.reason = e.reason;
                          },
                          [&](const WebhookEndpointResumed&) {
                              endpoint.status = Status::active;
                              endpoint.reason.clear();
                              endpoint.failing_since = {};
                          },
                          [&](const WebhookEndpointDeleted&) {},
                          [&](const WebhookEndpointFailing&) { endpoint.failing_since = at; },
                          [&](const WebhookEndpointRecovered&) { endpoint.failing_since = {}; },
                          [&](const WebhookEndpointSwitchedOff& e) {
                              endpoint.status = Status::switched_off;
                              endpoint.reason = e.reason;
                              endpoint.failing_since = e.failing_since;
                          }},
               event);
    if (std::holds_alternative<WebhookEndpointDeleted>(event))
        std::erase_if(endpoints.all, [&](const auto& e) { return e.endpoint_id == id; });
    return endpoints;
}

}  // namespace flowstack::gateway
