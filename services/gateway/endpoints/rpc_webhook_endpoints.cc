#include "services/gateway/endpoints/rpc_webhook_endpoints.h"

#include <google/protobuf/timestamp.pb.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "common/eventlog/payload.h"
#include "common/http/public_address.h"
#include "common/rpc/caller.h"
#include "common/rpc/request_id.h"
#include "common/rpc/resource_name.h"
#include "common/rpc/server.h"
#include "common/service/documents.h"
#include "common/service/one_stream.h"
#include "common/service/pages.h"
#include "flowstack/gateway/v1/webhook_endpoint_events.pb.h"
#include "flowstack/gateway/v1/webhook_endpoint_service.grpc.pb.h"
#include "services/gateway/adapters/projections.h"
#include "services/gateway/adapters/resources.h"
#include "services/gateway/endpoints/webhook_events.h"
#include "services/gateway/endpoints/webhook_signature.h"

namespace flowstack::gateway {
namespace {

using eventlog::Command;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

constexpr const char* kEndpoints = "webhookEndpoints";
constexpr const char* kDeliveries = "webhookDeliveries";

// An address that stands in the URL itself is refused when it is set; a name is judged when it is
// connected to, each time.
std::string fault_of_address(std::string_view url) {
    auto host = url.substr(std::min(url.size(), url.find("://") + 3));
    host = host.substr(0, host.find_first_of("/?"));
    if (host.starts_with('[')) {
        host = host.substr(1, host.find(']') - 1);
    } else {
        host = host.substr(0, host.find(':'));
        // A name.
        if (host.find_first_not_of("0123456789.") != std::string_view::npos)
            return host == "localhost" ? "must be on the public internet: localhost is not" : "";
    }
    const auto why = http::why_not_public(host);
    return why.empty() ? "" : "must be on the public internet: the address is " + why;
}

// A place in a replay: its end, and the delivery behind which the next page begins.
struct ReplayPlace {
    Time end{};
    Time after{};
    std::string id;
};
std::string text_of(const ReplayPlace& place) {
    return std::to_string(unix_micros(place.end)) + "/" + std::to_string(unix_micros(place.after)) +
           "/" + place.id;
}
ReplayPlace replay_place_in(std::string_view text) {
    ReplayPlace place;
    const auto take = [&text] {
        std::int64_t value = 0;
        const auto slash = std::min(text.find('/'), text.size());
        std::from_chars(text.data(), text.data() + slash, value);
        text.remove_prefix(std::min(slash + 1, text.size()));
        return from_unix_micros(value);
    };
    place.end = take();
    place.after = take();
    place.id = std::string(text);
    return place;
}

WebhookLineName line_of(const std::string& tenant, const v1::WebhookDelivery& delivery) {
    return {.tenant = tenant,
            .endpoint_id = WebhookEndpointId(delivery.endpoint_id()),
            .customer_id = CustomerId(delivery.customer_id())};
}

class WebhookEndpointRpc final : public v1::WebhookEndpointService::CallbackService {
public:
    explicit WebhookEndpointRpc(const Doors& doors) : doors_(doors), book_(*doors.webhooks) {}

    ServerUnaryReactor* CreateWebhookEndpoint(CallbackServerContext* context,
                                              const v1::CreateWebhookEndpointRequest* request,
                                              v1::WebhookEndpoint* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call& call) { create(call, *request, *response); });
    }
    ServerUnaryReactor* GetWebhookEndpoint(CallbackServerContext* context,
                                           const v1::GetWebhookEndpointRequest* request,
                                           v1::WebhookEndpoint* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            show(rpc::parse_name(request->name(), kEndpoints), *response);
        });
    }
    ServerUnaryReactor* ListWebhookEndpoints(CallbackServerContext* context,
                                             const v1::ListWebhookEndpointsRequest* request,
                                             v1::ListWebhookEndpointsResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto tenant = rpc::parse_parent(request->parent());
            for (const auto& endpoint : book_.load(tenant).state.all)
                *response->add_webhook_endpoints() = webhook_endpoint_resource(tenant, endpoint);
        });
    }
    ServerUnaryReactor* UpdateWebhookEndpoint(CallbackServerContext* context,
                                              const v1::UpdateWebhookEndpointRequest* request,
                                              v1::WebhookEndpoint* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call& call) {
            const auto name = rpc::parse_name(request->name(), kEndpoints);
            change(call, *request, "UpdateWebhookEndpoint", name,
                   WebhookEndpointUpdated{.endpoint_id = WebhookEndpointId(name.id),
                                          .target = target_of(request->webhook_endpoint())},
                   request->etag());
            show(name, *response);
        });
    }
    ServerUnaryReactor* DeleteWebhookEndpoint(CallbackServerContext* context,
                                              const v1::DeleteWebhookEndpointRequest* request,
                                              v1::WebhookEndpoint* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call& call) {
            const auto name = rpc::parse_name(request->name(), kEndpoints);
            response->set_name(request->name());
            if (const auto known = book_.load(name.tenant);
                const auto* endpoint = known.state.find(WebhookEndpointId(name.id)))
                *response = webhook_endpoint_resource(name.tenant, *endpoint);
            change(call, *request, "DeleteWebhookEndpoint", name,
                   WebhookEndpointDeleted{.endpoint_id = WebhookEndpointId(name.id),
                                          .reason = checked_reason(request->reason())});
        });
    }
    ServerUnaryReactor* RotateWebhookSecret(CallbackServerContext* context,
                                            const v1::RotateWebhookSecretRequest* request,
                                            v1::WebhookEndpoint* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call& call) { rotate(call, *request, *response); });
    }
    ServerUnaryReactor* PauseWebhookEndpoint(CallbackServerContext* context,
                                             const v1::PauseWebhookEndpointRequest* request,
                                             v1::WebhookEndpoint* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call& call) {
            const auto name = rpc::parse_name(request->name(), kEndpoints);
            change(call, *request, "PauseWebhookEndpoint", name,
                   WebhookEndpointPaused{.endpoint_id = WebhookEndpointId(name.id),
                                         .reason = checked_reason(request->reason())});
            show(name, *response);
        });
    }
    ServerUnaryReactor* ResumeWebhookEndpoint(CallbackServerContext* context,
                                              const v1::ResumeWebhookEndpointRequest* request,
                                              v1::WebhookEndpoint* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call& call) {
            const auto name = rpc::parse_name(request->name(), kEndpoints);
            change(call, *request, "ResumeWebhookEndpoint", name,
                   WebhookEndpointResumed{.endpoint_id = WebhookEndpointId(name.id),
                                          .reason = checked_reason(request->reason())});
            show(name, *response);
        });
    }
    ServerUnaryReactor* SendTestWebhook(CallbackServerContext* context,
                                        const v1::SendTestWebhookRequest* request,
                                        v1::WebhookDelivery* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call& call) { test(call, *request, *response); });
    }
    ServerUnaryReactor* ListWebhookDeliveries(
        CallbackServerContext* context, const v1::ListWebhookDeliveriesRequest* request,
        v1::ListWebhookDeliveriesResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            response->set_next_page_token(service::list<v1::WebhookDelivery>(
                doors_.read_model, *request,
                {.tenant = rpc::parse_parent(request->parent()),
                 .kind = kWebhookDeliveryDocument,
                 .parent = request->endpoint_id(),
                 .state = request->state()},
                [&](v1::WebhookDelivery delivery) {
                    *response->add_webhook_deliveries() = std::move(delivery);
                }));
        });
    }
    ServerUnaryReactor* GetWebhookDelivery(CallbackServerContext* context,
                                           const v1::GetWebhookDeliveryRequest* request,
                                           v1::WebhookDelivery* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto name = rpc::parse_name(request->name(), kDeliveries);
            *response = stored(name);
            add_log(name, *response);
        });
    }
    ServerUnaryReactor* ReplayWebhookDelivery(CallbackServerContext* context,
                                              const v1::ReplayWebhookDeliveryRequest* request,
                                              v1::WebhookDelivery* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call& call) { replay(call, *request, *response); });
    }
    ServerUnaryReactor* ReplayWebhookDeliveries(
        CallbackServerContext* context, const v1::ReplayWebhookDeliveriesRequest* request,
        v1::ReplayWebhookDeliveriesResponse* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { replay_page(*request, *response); });
    }

private:
    WebhookTarget target_of(const v1::WebhookEndpoint& given) {
        WebhookTarget target{
            .url = given.url(),
            .event_types = {given.event_types().begin(), given.event_types().end()},
            .description = given.description()};
        auto faults = faults_of(target, webhook_types(), doors_.private_webhooks);
        if (faults.empty() && !doors_.private_webhooks)
            if (auto fault = fault_of_address(target.url); !fault.empty())
                faults.push_back({"url", std::move(fault)});
        if (!faults.empty()) throw refused_fields(faults, "webhook_endpoint");
        return target;
    }

    WebhookEndpoint known_endpoint(const ResourceName& name) {
        const auto known = book_.load(name.tenant);
        const auto* endpoint = known.state.find(WebhookEndpointId(name.id));
        if (endpoint == nullptr)
            throw rpc::not_found(rpc::resource_name(name.tenant, kEndpoints, name.id));
        return *endpoint;
    }

    void show(const ResourceName& name, v1::WebhookEndpoint& out) {
        out = webhook_endpoint_resource(name.tenant, known_endpoint(name));
    }

    static rpc::Failure failure_of(WebhookEndpointRejection rejection, const ResourceName& name) {
        const auto subject = rpc::resource_name(name.tenant, kEndpoints, name.id);
        switch (rejection) {
            case WebhookEndpointRejection::too_many:
                return rpc::wrong_state(rpc::tenant_name(name.tenant),
                                        "The tenant has " + std::to_string(kWebhookEndpointsMax) +
                                            " webhook endpoints, which is as many as it may.");
            case WebhookEndpointRejection::unknown:
                return rpc::not_found(subject);
            case WebhookEndpointRejection::already_paused:
                return rpc::wrong_state(subject, "The endpoint is not active.");
            case WebhookEndpointRejection::not_held:
                return rpc::wrong_state(subject, "The endpoint is active.");
        }
        return rpc::internal();
    }

    void carry_out(service::OneEffect& effect, const ResourceName& name,
                   const WebhookEndpointCommand& wanted, const std::string& etag = "") {
        effect.run([&]() -> std::optional<Command> {
            const auto known = book_.load(name.tenant);
            if (const auto* endpoint = known.state.find(WebhookEndpointId(name.id)))
                service::check_etag(etag, endpoint->version, "the endpoint");
            const auto decision = decide(known.state, wanted);
            if (!decision.accepted()) throw failure_of(decision.rejection(), name);
            if (decision.events().empty()) return std::nullopt;
            Command command;
            command.meta.routing = by_tenant(name.tenant);
            command.parts.push_back({webhook_endpoints_stream(name.tenant), known.expected(),
                                     encode_all(decision.events(), doors_.clock.now())});
            return command;
        });
        // When the caller reads the answer, this replica goes by it.
        book_.apply({name.tenant, std::string(kWebhookSettings), name.tenant});
    }

    template <class Request>
    void change(rpc::Call& call, const Request& request, const std::string& method,
                const ResourceName& name, const WebhookEndpointCommand& wanted,
                const std::string& etag = "") {
        auto effect = one_effect(doors_, call, method, name.tenant, request.request_id(), request);
        carry_out(effect, name, wanted, etag);
    }

    void create(rpc::Call& call, const v1::CreateWebhookEndpointRequest& request,
                v1::WebhookEndpoint& response) {
        const auto tenant = rpc::parse_parent(request.parent());
        check_tenant(doors_, tenant);
        const auto& given = request.webhook_endpoint();
        auto target = target_of(given);
        auto effect = one_effect(doors_, call, "CreateWebhookEndpoint", tenant,
                                 request.request_id(), request);
        const WebhookEndpointId id(effect.derived_id("webhook_endpoint"));
        const auto signature = signature_of(given.signature());
        auto made = new_webhook_secret(signature);
        carry_out(
            effect, {tenant, id.text()},
            WebhookEndpointCreated{.endpoint_id = id,
                                   .target = std::move(target),
                                   .signature = signature,
                                   .key = book_.seal(tenant, id, made.secret, made.public_key)});
        show({tenant, id.text()}, response);
        show_secret(effect, made, response);
    }

    // The private key of a pair is nobody's business but ours. A repeat has made another secret
    // than the one that is kept.
    static void show_secret(const service::OneEffect& effect, const NewWebhookSecret& made,
                            v1::WebhookEndpoint& response) {
        if (!effect.replayed() && made.public_key.empty())
            response.set_secret(made.secret.reveal());
    }

    void rotate(rpc::Call& call, const v1::RotateWebhookSecretRequest& request,
                v1::WebhookEndpoint& response) {
        const auto name = rpc::parse_name(request.name(), kEndpoints);
        const WebhookEndpointId id(name.id);
        const std::chrono::seconds asked(request.previous_valid_for_s());
        if (asked < std::chrono::seconds(-1) || asked > kPreviousKeyMax)
            throw rpc::invalid_field("previous_valid_for_s", "must be from -1 to 604800");
        const auto valid_for = asked.count() == 0    ? std::chrono::seconds(kPreviousKeyDefault)
                               : asked.count() == -1 ? std::chrono::seconds(0)
                                                     : asked;
        auto effect = one_effect(doors_, call, "RotateWebhookSecret", name.tenant,
                                 request.request_id(), request);
        auto made = new_webhook_secret(known_endpoint(name).signature);
        carry_out(
            effect, name,
            WebhookSecretRotated{.endpoint_id = id,
                                 .key = book_.seal(name.tenant, id, made.secret, made.public_key),
                                 .previous_until = doors_.clock.now() + valid_for});
        show(name, response);
        show_secret(effect, made, response);
    }

    Command queue(const WebhookLineName& line, WebhooksQueued queued) {
        Command command;
        command.tenant = line.tenant;
        command.meta.routing = webhook_line_routing(line);
        command.parts.push_back(
            {webhook_line_stream(line),
             eventlog::kAny,
             {encode(WebhookLineEvent(std::move(queued)), doors_.clock.now())}});
        return command;
    }

    void test(rpc::Call& call, const v1::SendTestWebhookRequest& request,
              v1::WebhookDelivery& response) {
        const auto name = rpc::parse_name(request.name(), kEndpoints);
        auto effect =
            one_effect(doors_, call, "SendTestWebhook", name.tenant, request.request_id(), request);
        const WebhookLineName line{
            .tenant = name.tenant, .endpoint_id = WebhookEndpointId(name.id), .customer_id = {}};
        auto news = test_webhook(name.id, doors_.clock.now());
        const QueuedWebhook webhook{.delivery_id = WebhookDeliveryId(effect.derived_id("delivery")),
                                    .webhook_id = effect.derived_id("webhook"),
                                    .type = news.type,
                                    .replay_of = {}};
        const auto events = effect.run([&]() -> std::optional<Command> {
            if (known_endpoint(name).status != WebhookEndpointStatus::active)
                throw rpc::wrong_state(request.name(), "The endpoint is not active.");
            return queue(line, {.webhooks = {webhook}, .bodies = {news.body}});
        });
        response = webhook_delivery_resource(line, webhook, events.front().recorded_at);
    }

    v1::WebhookDelivery stored(const ResourceName& name) {
        auto delivery = service::stored_document<v1::WebhookDelivery>(
            doors_.read_model, name.tenant, kWebhookDeliveryDocument, name.id);
        if (!delivery) throw rpc::not_found(rpc::resource_name(name.tenant, kDeliveries, name.id));
        return std::move(*delivery);
    }

    // The body and the attempts, from the log.
    void add_log(const ResourceName& name, v1::WebhookDelivery& delivery) {
        const auto add = [&](Time at, const auto& attempt, const std::string& reason) {
            auto& shown = *delivery.add_attempt_log();
            shown.set_attempt(attempt.attempt);
            set_time(*shown.mutable_time(), at);
            shown.set_status(attempt.status);
            shown.set_took_ms(attempt.took_ms);
            shown.set_reason(reason);
        };
        for (const auto& event :
             doors_.store.read_stream(webhook_line_stream(line_of(name.tenant, delivery)))) {
            const auto fact = decode_webhook_line(event.type, event.payload);
            if (const auto* queued = std::get_if<WebhooksQueued>(&fact)) {
                for (std::size_t i = 0; i < queued->webhooks.size(); ++i)
                    if (queued->webhooks[i].delivery_id == name.id)
                        delivery.set_body(queued->bodies.at(i));
            } else if (const auto* taken = std::get_if<WebhookDelivered>(&fact);
                       taken != nullptr && taken->delivery_id == name.id) {
                add(event.occurred_at, *taken, "");
            } else if (const auto* failed = std::get_if<WebhookAttemptFailed>(&fact);
                       failed != nullptr && failed->delivery_id == name.id) {
                add(event.occurred_at, *failed, failed->reason);
            }
        }
    }

    void replay(rpc::Call& call, const v1::ReplayWebhookDeliveryRequest& request,
                v1::WebhookDelivery& response) {
        const auto name = rpc::parse_name(request.name(), kDeliveries);
        auto delivery = stored(name);
        const auto line = line_of(name.tenant, delivery);
        known_endpoint({name.tenant, line.endpoint_id.text()});
        if (delivery.state() == kWebhookQueued)
            throw rpc::wrong_state(request.name(), "It waits to be posted already.");
        add_log(name, delivery);
        auto effect = one_effect(doors_, call, "ReplayWebhookDelivery", name.tenant,
                                 request.request_id(), request);
        const QueuedWebhook webhook{.delivery_id = WebhookDeliveryId(effect.derived_id("delivery")),
                                    .webhook_id = delivery.webhook_id(),
                                    .type = delivery.type(),
                                    .replay_of = WebhookDeliveryId(name.id)};
        const auto events = effect.run([&]() -> std::optional<Command> {
            return queue(line, {.webhooks = {webhook}, .bodies = {delivery.body()}});
        });
        response = webhook_delivery_resource(line, webhook, events.front().recorded_at);
    }

    // Those of a page, the oldest first, and where the next page begins.
    std::vector<v1::WebhookDelivery> page_of_replay(const ResourceName& endpoint, Time start,
                                                    const std::string& state, ReplayPlace& place) {
        const auto rows = doors_.store.pool().with([&](postgres::Session& session) {
            return session.query(
                R"sql(
                select body, sort_at, id from read_model
                where tenant = $1 and kind = $2 and parent = $3 and sort_at >= $4 and sort_at < $5
                    and (sort_at, id) > ($6, $7) and state <> $8 and ($9 = '' or state = $9)
                order by sort_at, id limit $10)sql",
                postgres::Params()
                    .add(endpoint.tenant)
                    .add(kWebhookDeliveryDocument)
                    .add(endpoint.id)
                    .add(start)
                    .add(place.end)
                    .add(place.after)
                    .add(place.id)
                    .add(kWebhookQueued)
                    .add(state)
                    .add(static_cast<std::int64_t>(kReplayPageMax)));
        });
        std::vector<v1::WebhookDelivery> page;
        for (int row = 0; row < rows.rows(); ++row) {
            page.push_back(eventlog::parsed<v1::WebhookDelivery>(rows.bytes(row, 0)));
            place.after = rows.time(row, 1);
            place.id = rows.text(row, 2);
        }
        return page;
    }

    void replay_page(const v1::ReplayWebhookDeliveriesRequest& request,
                     v1::ReplayWebhookDeliveriesResponse& response) {
        const auto name = rpc::parse_name(request.name(), kEndpoints);
        known_endpoint(name);
        if (!request.has_start_time()) throw rpc::invalid_field("start_time", "must be given");
        rpc::check_request_id(request.request_id());
        const auto question = "replay/" + request.name() + "/" + request.state();
        ReplayPlace place;
        if (const auto token = service::place_of(doors_.read_model, question, request.page_token());
            !token.empty())
            place = replay_place_in(token);
        else
            place.end = request.has_end_time() ? time_of(request.end_time()) : doors_.clock.now();
        const auto request_id =
            request.request_id().empty() ? doors_.ids.next().text() : request.request_id();
        const auto command_id = "replay/" + name.tenant + "/" + request_id + "/" + text_of(place);
        const auto page =
            page_of_replay(name, time_of(request.start_time()), request.state(), place);
        std::map<WebhookLineName, std::vector<const v1::WebhookDelivery*>> lines;
        for (const auto& delivery : page)
            lines[line_of(name.tenant, delivery)].push_back(&delivery);
        for (const auto& [line, deliveries] : lines) {
            auto command = queue(line, again(line, deliveries, request_id));
            command.id = command_id + "/" + line.customer_id.text();
            command.dedupe = eventlog::Dedupe::claim;
            service::name_caller(command.meta, rpc::caller());
            const auto verdict = doors_.store.append(std::move(command));
            if (!verdict.accepted()) throw rpc::contention();
        }
        response.set_replayed(static_cast<std::int32_t>(page.size()));
        if (page.size() == kReplayPageMax)
            response.set_next_page_token(doors_.read_model.token_for(question, text_of(place)));
    }

    // The same webhooks with their bodies, as new deliveries of the line.
    WebhooksQueued again(const WebhookLineName& line,
                         const std::vector<const v1::WebhookDelivery*>& deliveries,
                         const std::string& request_id) {
        std::map<std::string, std::string> bodies;
        for (const auto& event : doors_.store.read_stream(webhook_line_stream(line))) {
            const auto fact = decode_webhook_line(event.type, event.payload);
            if (const auto* queued = std::get_if<WebhooksQueued>(&fact))
                for (std::size_t i = 0; i < queued->webhooks.size(); ++i)
                    bodies[queued->webhooks[i].delivery_id.text()] = queued->bodies.at(i);
        }
        WebhooksQueued queued;
        for (const auto* delivery : deliveries) {
            const auto id = rpc::parse_name(delivery->name(), kDeliveries).id;
            queued.webhooks.push_back(
                {.delivery_id = WebhookDeliveryId(
                     eventlog::derive_id("replay/" + request_id + "/" + id,
                                         time_of(delivery->create_time()), "webhook", 0)
                         .text()),
                 .webhook_id = delivery->webhook_id(),
                 .type = delivery->type(),
                 .replay_of = WebhookDeliveryId(id)});
            queued.bodies.push_back(bodies.at(id));
        }
        return queued;
    }

    Doors doors_;
    WebhookBook& book_;
};

}  // namespace

NamedService make_webhook_endpoint_service(const Doors& doors) {
    return {std::make_unique<WebhookEndpointRpc>(doors),
            v1::WebhookEndpointService::service_full_name()};
}

}  // namespace flowstack::gateway
