#include "services/gateway/inbound/rpc_webhooks.h"

#include <google/protobuf/timestamp.pb.h>
#include <grpcpp/grpcpp.h>

#include <charconv>

#include "common/rpc/server.h"
#include "common/service/pages.h"
#include "flowstack/gateway/v1/webhook_service.grpc.pb.h"
#include "services/gateway/adapters/resources.h"
#include "services/gateway/inbound/inbound_codec.h"

namespace flowstack::gateway {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

constexpr int kPageDefault = 50;
constexpr int kPageMax = 500;
constexpr int kNamesMax = 500;

// A webhook's name and a page's token: "3-1041-0", lane, position and index.
std::string text_of(const WebhookPlace& place) {
    return std::to_string(place.lane) + "-" + std::to_string(place.position) + "-" +
           std::to_string(place.index);
}
std::optional<WebhookPlace> place_in(std::string_view text) {
    WebhookPlace place;
    const auto* at = text.data();
    const auto* end = text.data() + text.size();
    const auto take = [&](auto& number, char after) {
        const auto read = std::from_chars(at, end, number);
        if (read.ec != std::errc{} || number < 0) return false;
        at = read.ptr;
        if (after == '\0') return at == end;
        return at != end && *at++ == after;
    };
    if (!take(place.lane, '-') || !take(place.position, '-') || !take(place.index, '\0'))
        return std::nullopt;
    return place;
}

v1::Webhook resource_of(const RawWebhook& webhook) {
    v1::Webhook resource;
    resource.set_name("webhooks/" + text_of(webhook.place));
    resource.set_webhook_id(webhook.id.text());
    resource.set_lane(webhook.place.lane);
    resource.set_position(webhook.place.position);
    resource.set_index(webhook.place.index);
    set_time(*resource.mutable_receive_time(), from_unix_micros(webhook.raw.received_at_us()));
    resource.set_provider(webhook.raw.provider());
    resource.set_path(webhook.raw.path());
    resource.set_app_id(webhook.raw.app_id());
    resource.set_parse(std::string(gateway::text_of(shape_of(webhook.raw))));
    resource.set_body_bytes(static_cast<std::int64_t>(webhook.raw.body().size()));
    return resource;
}

std::string text_of(WebhookElement::Kind kind) {
    switch (kind) {
        case WebhookElement::Kind::message:
            return "message";
        case WebhookElement::Kind::status:
            return "status";
        case WebhookElement::Kind::preference:
            return "preference";
        case WebhookElement::Kind::echo:
            return "echo";
        case WebhookElement::Kind::notice:
            return "notice";
        case WebhookElement::Kind::unknown:
            return "unknown";
        case WebhookElement::Kind::oversized:
            return "oversized";
    }
    return "unknown";
}

ParsedWebhook::Shape shape_in(const std::string& text) {
    using Shape = ParsedWebhook::Shape;
    for (const auto shape :
         {Shape::well_formed, Shape::repaired, Shape::malformed_json, Shape::unknown_shape})
        if (gateway::text_of(shape) == text) return shape;
    throw rpc::invalid_field("parse",
                             "must be well_formed, repaired, malformed_json or unknown_shape");
}

v1::ElementState proto_of(ElementState state) {
    switch (state) {
        case ElementState::stored:
            return v1::ELEMENT_STATE_STORED;
        case ElementState::missing:
            return v1::ELEMENT_STATE_MISSING;
        case ElementState::appended:
            return v1::ELEMENT_STATE_APPENDED;
        case ElementState::ignored:
            return v1::ELEMENT_STATE_IGNORED;
        case ElementState::unreadable:
            return v1::ELEMENT_STATE_UNREADABLE;
        case ElementState::quarantined:
            return v1::ELEMENT_STATE_QUARANTINED;
        case ElementState::failed:
            return v1::ELEMENT_STATE_FAILED;
    }
    return v1::ELEMENT_STATE_UNSPECIFIED;
}

void put_element(const ReadElement& element, v1::WebhookElement& out) {
    out.set_path(element.path);
    out.set_kind(text_of(element.kind));
    out.set_provider_type(element.provider_type);
    out.set_tenant_id(element.tenant);
    out.set_provider_message_id(element.provider_message_id);
    out.set_state(proto_of(element.state));
    out.set_repaired(element.repaired);
    out.set_detail(element.detail);
}

class WebhookRpc final : public v1::WebhookService::CallbackService {
public:
    WebhookRpc(const Doors& doors, RawWebhooks& webhooks) : doors_(doors), webhooks_(webhooks) {}

    ServerUnaryReactor* ListWebhooks(CallbackServerContext* context,
                                     const v1::ListWebhooksRequest* request,
                                     v1::ListWebhooksResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto page = webhooks_.list(query_of(*request));
            for (const auto& webhook : page.webhooks)
                *response->add_webhooks() = resource_of(webhook);
            response->set_next_page_token(token_of(*request, page));
        });
    }
    ServerUnaryReactor* GetWebhook(CallbackServerContext* context,
                                   const v1::GetWebhookRequest* request,
                                   v1::Webhook* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call& call) {
            const auto webhook = named(request->name());
            *response = resource_of(webhook);
            response->set_body(webhook.raw.body());
            for (const auto& element : webhooks_.read(webhook, false, actor_of(call)))
                put_element(element, *response->add_elements());
        });
    }
    ServerUnaryReactor* RereadWebhooks(CallbackServerContext* context,
                                       const v1::RereadWebhooksRequest* request,
                                       v1::RereadWebhooksResponse* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call& call) { reread(call, *request, *response); });
    }

private:
    RawWebhook named(const std::string& name) {
        constexpr std::string_view kPrefix = "webhooks/";
        if (!name.starts_with(kPrefix) || name.size() == kPrefix.size())
            throw rpc::invalid_field("name", "must be webhooks/{lane}-{position}-{index}");
        const auto place = place_in(std::string_view(name).substr(kPrefix.size()));
        auto webhook = place ? webhooks_.get(*place) : std::nullopt;
        if (!webhook) throw rpc::not_found(name);
        return std::move(*webhook);
    }

    template <class Request>
    WebhookQuery query_of(const Request& request) {
        WebhookQuery query;
        const int lanes = doors_.store.options().lanes;
        if (request.has_lane()) {
            if (request.lane() < 0 || request.lane() >= lanes)
                throw rpc::invalid_field("lane", "must be 0 to " + std::to_string(lanes - 1));
            query.lane = request.lane();
            query.at.lane = request.lane();
        }
        if (request.page_size() < 0 || request.page_size() > kPageMax)
            throw rpc::invalid_field("page_size", "must be 0 to 500");
        query.page_size = request.page_size() == 0 ? kPageDefault : request.page_size();
        if (request.has_start_time()) query.from = time_of(request.start_time());
        if (request.has_end_time()) query.until = time_of(request.end_time());
        if (query.from >= query.until)
            throw rpc::invalid_field("start_time", "must be before end_time");
        if (!request.parse().empty()) query.parse = shape_in(request.parse());
        if (request.page_token().empty()) return query;
        const auto place = place_in(
            service::place_of(doors_.read_model, question_of(request), request.page_token()));
        if (!place || place->lane >= lanes || place->position < 1 ||
            (query.lane && *query.lane != place->lane))
            throw service::bad_page_token();
        query.at = *place;
        return query;
    }

    // What is listed: a token goes on with this and nothing else.
    template <class Request>
    static std::string question_of(const Request& request) {
        return request.GetTypeName() + "/" +
               (request.has_lane() ? std::to_string(request.lane()) : "") + "/" +
               std::to_string(time_of(request.start_time()).time_since_epoch().count()) + "/" +
               std::to_string(time_of(request.end_time()).time_since_epoch().count()) + "/" +
               request.parse();
    }

    template <class Request>
    std::string token_of(const Request& request, const WebhookPage& page) {
        return page.next ? doors_.read_model.token_for(question_of(request), text_of(*page.next))
                         : "";
    }

    void reread(rpc::Call& call, const v1::RereadWebhooksRequest& request,
                v1::RereadWebhooksResponse& response) {
        if (request.names_size() > kNamesMax)
            throw rpc::invalid_field("names", "must be at most 500");
        std::vector<RawWebhook> webhooks;
        if (request.names_size() > 0) {
            if (request.has_lane() || request.has_start_time() || request.has_end_time() ||
                !request.parse().empty() || !request.page_token().empty())
                throw rpc::invalid_field("names", "cannot be given together with a range");
            for (const auto& name : request.names()) webhooks.push_back(named(name));
        } else {
            auto page = webhooks_.list(query_of(request));
            response.set_next_page_token(token_of(request, page));
            webhooks = std::move(page.webhooks);
        }
        for (const auto& webhook : webhooks) add(call, webhook, request.validate_only(), response);
    }

    void add(rpc::Call& call, const RawWebhook& webhook, bool validate_only,
             v1::RereadWebhooksResponse& response) {
        auto resource = resource_of(webhook);
        response.set_webhooks_read(response.webhooks_read() + 1);
        for (const auto& element : webhooks_.read(webhook, !validate_only, actor_of(call))) {
            response.set_elements_read(response.elements_read() + 1);
            switch (element.state) {
                case ElementState::stored:
                case ElementState::ignored:
                    continue;
                case ElementState::appended:
                    response.set_appended(response.appended() + 1);
                    break;
                case ElementState::missing:
                    response.set_missing(response.missing() + 1);
                    break;
                case ElementState::unreadable:
                case ElementState::quarantined:
                    response.set_unreadable(response.unreadable() + 1);
                    break;
                case ElementState::failed:
                    response.set_failed(response.failed() + 1);
                    break;
            }
            put_element(element, *resource.add_elements());
        }
        if (resource.elements_size() > 0) *response.add_webhooks() = std::move(resource);
    }

    Doors doors_;
    RawWebhooks& webhooks_;
};

}  // namespace

NamedService make_webhook_service(const Doors& doors, RawWebhooks& webhooks) {
    return {std::make_unique<WebhookRpc>(doors, webhooks), v1::WebhookService::service_full_name()};
}

}  // namespace flowstack::gateway
