#include "services/gateway/rest/rest.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/json_util.h>

#include <map>

#include "common/rpc/error.h"
#include "common/rpc/http_rule.h"
#include "flowstack/campaign/v1/campaign_service.pb.h"
#include "flowstack/common/v1/method.pb.h"
#include "flowstack/conversation/v1/booking_service.pb.h"
#include "flowstack/conversation/v1/catalog_service.pb.h"
#include "flowstack/conversation/v1/conversation_service.pb.h"
#include "flowstack/conversation/v1/customer_service.pb.h"
#include "flowstack/conversation/v1/flow_service.pb.h"
#include "flowstack/conversation/v1/support_service.pb.h"
#include "flowstack/conversation/v1/template_service.pb.h"
#include "flowstack/followup/v1/task_service.pb.h"
#include "flowstack/gateway/v1/channel_service.pb.h"
#include "flowstack/gateway/v1/contact_service.pb.h"
#include "flowstack/gateway/v1/media_service.pb.h"
#include "flowstack/gateway/v1/message_log_service.pb.h"
#include "flowstack/gateway/v1/message_service.pb.h"
#include "flowstack/gateway/v1/notice_service.pb.h"
#include "flowstack/gateway/v1/provider_template_service.pb.h"
#include "flowstack/gateway/v1/tenant_service.pb.h"
#include "flowstack/gateway/v1/webhook_endpoint_service.pb.h"
#include "flowstack/gateway/v1/webhook_service.pb.h"
#include "flowstack/payment/v1/invoice_service.pb.h"
#include "flowstack/payment/v1/ledger_service.pb.h"
#include "flowstack/payment/v1/order_service.pb.h"
#include "flowstack/payment/v1/payment_service.pb.h"
#include "flowstack/payment/v1/provider_account_service.pb.h"
#include "flowstack/payment/v1/refund_service.pb.h"
#include "google/api/annotations.pb.h"
#include "services/gateway/rest/aliases.h"
#include "services/gateway/rest/login.h"
#include "services/gateway/rest/openapi_document.h"
#include "services/gateway/rest/rest_calls.h"

namespace flowstack::gateway {
namespace {

namespace pb = google::protobuf;
using http::Request;
using http::Responder;
using http::Response;

// One message of every file that declares a service: it pulls the file into the program, so that
// the descriptor pool knows its methods.
std::vector<const pb::FileDescriptor*> service_files() {
    return {v1::Tenant::descriptor()->file(),
            v1::Channel::descriptor()->file(),
            v1::Contact::descriptor()->file(),
            v1::Message::descriptor()->file(),
            v1::LoggedMessage::descriptor()->file(),
            v1::Webhook::descriptor()->file(),
            v1::Media::descriptor()->file(),
            v1::Notice::descriptor()->file(),
            v1::ProviderTemplate::descriptor()->file(),
            v1::WebhookEndpoint::descriptor()->file(),
            conversation::v1::Product::descriptor()->file(),
            conversation::v1::Conversation::descriptor()->file(),
            conversation::v1::Customer::descriptor()->file(),
            conversation::v1::Flow::descriptor()->file(),
            conversation::v1::Template::descriptor()->file(),
            conversation::v1::Topic::descriptor()->file(),
            conversation::v1::BookableService::descriptor()->file(),
            payment::v1::Order::descriptor()->file(),
            payment::v1::Invoice::descriptor()->file(),
            payment::v1::Payment::descriptor()->file(),
            payment::v1::Refund::descriptor()->file(),
            payment::v1::ListJournalEntriesRequest::descriptor()->file(),
            payment::v1::ProviderAccount::descriptor()->file(),
            followup::v1::Task::descriptor()->file(),
            campaign::v1::Campaign::descriptor()->file()};
}

constexpr std::chrono::milliseconds kSessionsRetryAfter{1'000};

// A path template as the router takes it, and how to put its variables together again.
struct Template {
    std::string pattern;   // "/v1/tenants/{p0}/messages/{p1}:retry"
    std::string field;     // "name"; empty: no variable
    std::string resource;  // "tenants/{p0}/messages/{p1}"
};

// "/v1/{name=tenants/*/messages/*}:retry". Every `*` becomes a variable of its own.
Template template_of(const std::string& path) {
    Template made;
    int stars = 0;
    std::size_t at = 0;
    while (at < path.size()) {
        if (path[at] != '{') {
            made.pattern += path[at++];
            continue;
        }
        const auto close = path.find('}', at);
        const auto inside = path.substr(at + 1, close - at - 1);
        const auto equals = inside.find('=');
        made.field = inside.substr(0, equals);
        const auto shape = equals == std::string::npos ? "*" : inside.substr(equals + 1);
        for (const char c : shape) {
            if (c == '*')
                made.resource += "{p" + std::to_string(stars++) + "}";
            else
                made.resource += c;
        }
        made.pattern += made.resource;
        at = close + 1;
    }
    return made;
}

std::string resource_in(const Template& path, const std::map<std::string, std::string>& params) {
    std::string resource = path.resource;
    for (const auto& [name, value] : params) {
        const auto at = resource.find("{" + name + "}");
        if (at != std::string::npos) resource.replace(at, name.size() + 2, value);
    }
    return resource;
}

// A query parameter as a member of the request: "pageSize" or "page_size", "audience.kind".
void set_member(pb::Message& message, const std::string& path, const std::string& value) {
    const auto dot = path.find('.');
    const auto name = path.substr(0, dot);
    const auto* field = message.GetDescriptor()->FindFieldByCamelcaseName(name);
    if (field == nullptr) field = message.GetDescriptor()->FindFieldByName(name);
    if (field == nullptr) throw rpc::invalid_field(path, "is not known here");
    const auto* reflection = message.GetReflection();
    if (dot != std::string::npos) {
        if (field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE || field->is_repeated())
            throw rpc::invalid_field(path, "is not known here");
        set_member(*reflection->MutableMessage(&message, field), path.substr(dot + 1), value);
        return;
    }
    if (field->enum_type() != nullptr && field->enum_type()->FindValueByName(value) == nullptr)
        throw rpc::invalid_field(path, "must be a value of " + field->enum_type()->name());
    // The value as JSON says it; protobuf's own parser judges it.
    std::string json = http::json_string(value);
    if (field->cpp_type() == pb::FieldDescriptor::CPPTYPE_BOOL) {
        if (value != "true" && value != "false")
            throw rpc::invalid_field(path, "must be true or false");
        json = value;
    }
    if (field->is_repeated()) json = "[" + json + "]";
    std::unique_ptr<pb::Message> one(message.New());
    const auto text = "{" + http::json_string(field->json_name()) + ":" + json + "}";
    if (!pb::util::JsonStringToMessage(text, one.get()).ok())
        throw rpc::invalid_field(path, "has a wrong value");
    message.MergeFrom(*one);
}

int success_status(const pb::MethodDescriptor& method) {
    const auto status = method.options().GetExtension(common::v1::rest).success_status();
    return status == 0 ? 200 : status;
}

}  // namespace

struct Rest::Impl {
    Impl(const Keys& keys, RestOptions options)
        : calls(keys, std::move(options)), aliases(calls), login(calls, calls.options().login) {}

    void transcode(const pb::MethodDescriptor* method, const google::api::HttpRule& rule,
                   const Template& path, Request request, Responder responder) const {
        const auto visit = calls.visit(std::move(request), std::move(responder));
        visit->guarded([&] {
            visit->caller = calls.caller_of(visit->request);
            const auto resource = resource_in(path, visit->request.params);
            RestCalls::admit(visit->caller, *method, resource);
            RestCalls::refuse_unreadable(visit->request);
            const auto message = new_message(method->input_type());
            read_body(*message, rule, visit->request);
            if (rule.body() != "*") read_query(*message, visit->request);
            if (!path.field.empty()) set_string(*message, path.field.c_str(), resource);
            take_headers(*message, visit->request);
            calls.call(visit, *method, *message,
                       [visit, method](const pb::Message& answer, bool replayed) {
                           visit->answer(response_of(*method, answer, replayed));
                       });
        });
    }

    // The bytes of what GetMedia shows, to whoever may call that.
    void media_content(Request request, Responder responder) const {
        const auto visit = calls.visit(std::move(request), std::move(responder));
        visit->guarded([&] {
            const auto& params = visit->request.params;
            const auto tenant = params.at("tenant");
            const auto media_id = params.at("media");
            visit->caller = calls.caller_of(visit->request);
            v1::GetMediaRequest asked;
            asked.set_name("tenants/" + tenant + "/media/" + media_id);
            const auto* method = v1::Media::descriptor()->file()->FindServiceByName("MediaService");
            RestCalls::admit(visit->caller, *method->FindMethodByName("GetMedia"), asked.name());
            calls.ask<v1::Media>(visit, "gateway.v1.MediaService.GetMedia", asked,
                                 [visit, tenant, media_id, &read = calls.options().media](
                                     const v1::Media& media, bool) {
                                     const auto file = read ? read(tenant, media.media_id())
                                                            : std::optional<MediaBytes>();
                                     if (!file)
                                         throw rpc::not_found("tenants/" + tenant + "/media/" +
                                                              media_id + ":content");
                                     Response response{200, {}, file->bytes};
                                     response.headers.set("Content-Type", file->mime_type);
                                     // Strangers made it: no browser may take it for a page of
                                     // ours.
                                     response.headers.set("Content-Disposition", "attachment");
                                     response.headers.set("X-Content-Type-Options", "nosniff");
                                     response.headers.set("Content-Security-Policy", "sandbox");
                                     response.headers.set("Cache-Control", "private, max-age=3600");
                                     visit->answer(std::move(response));
                                 });
        });
    }

    static void read_body(pb::Message& message, const google::api::HttpRule& rule,
                          const Request& request) {
        if (rule.body().empty()) {
            if (!request.body.empty() && request.body != "{}")
                throw malformed("this method takes no body.");
            return;
        }
        pb::Message* target = &message;
        if (rule.body() != "*") {
            const auto* field = message.GetDescriptor()->FindFieldByName(rule.body());
            if (field == nullptr) throw rpc::internal();
            target = message.GetReflection()->MutableMessage(&message, field);
        }
        if (request.body.empty()) return;
        const auto parsed = pb::util::JsonStringToMessage(request.body, target);
        if (!parsed.ok()) throw malformed(std::string(parsed.message()).substr(0, 300));
    }

    static void read_query(pb::Message& message, const Request& request) {
        std::size_t at = 0;
        while (at < request.query.size()) {
            auto end = request.query.find('&', at);
            if (end == std::string::npos) end = request.query.size();
            const auto part = request.query.substr(at, end - at);
            const auto name = part.substr(0, part.find('='));
            if (!name.empty()) {
                const auto value = request.query_param(name);
                if (!value) throw rpc::invalid_field(name, "is wrongly encoded");
                set_member(message, name, *value);
            }
            at = end + 1;
        }
    }

    static Response response_of(const pb::MethodDescriptor& method, const pb::Message& answer,
                                bool replayed) {
        std::string json;
        pb::util::JsonPrintOptions print;
        print.always_print_primitive_fields = true;
        if (!pb::util::MessageToJsonString(answer, &json, print).ok()) throw rpc::internal();
        auto response = Response::json(success_status(method), std::move(json));
        if (const auto etag = string_in(answer, "etag"); !etag.empty())
            response.headers.set("ETag", "\"" + etag + "\"");
        if (replayed) response.headers.set("Idempotent-Replayed", "true");
        return response;
    }

    RestCalls calls;
    Aliases aliases;
    LoginDoor login;
};

Rest::Rest(const Keys& keys, RestOptions options)
    : impl_(std::make_shared<Impl>(keys, std::move(options))) {}
Rest::~Rest() = default;

void Rest::add_routes(http::Router& router) {
    auto impl = impl_;
    for (const auto* file : service_files()) {
        for (int s = 0; s < file->service_count(); ++s) {
            const auto* service = file->service(s);
            for (int m = 0; m < service->method_count(); ++m) {
                const auto* method = service->method(m);
                if (!method->options().HasExtension(google::api::http)) continue;
                const auto rule = method->options().GetExtension(google::api::http);
                const auto [verb, path] = rpc::verb_and_path(rule);
                const auto made = template_of(path);
                router.add(verb, made.pattern,
                           [impl, method, rule, made](Request request, Responder responder) {
                               impl->transcode(method, rule, made, request, responder);
                           });
            }
        }
    }
    router.add("GET", "/v1/tenants/{tenant}/media/{media}:content",
               [impl](Request request, Responder responder) {
                   impl->media_content(std::move(request), std::move(responder));
               });
    impl->aliases.add_routes(router);
    impl->login.add_routes(router);
    router.add("GET", "/openapi.json", [impl](Request request, Responder responder) {
        const auto visit = impl->calls.visit(std::move(request), std::move(responder));
        visit->guarded([&] {
            RestCalls::refuse_secrets(visit->request);
            visit->answer(Response::json(200, std::string(openapi_document())));
        });
    });
}

http::Handler Rest::with_sessions(http::Handler handler) const {
    return [impl = impl_, handler = std::move(handler)](Request request, Responder responder) {
        if (!impl->calls.shows_session(request))
            return handler(std::move(request), std::move(responder));
        const auto job = std::make_shared<std::pair<Request, Responder>>(std::move(request),
                                                                         std::move(responder));
        const bool taken = impl->calls.options().login->on_worker([impl, handler, job] {
            // Every handler of this door answers what goes wrong; one that is forgotten is a 500.
            try {
                handler(std::move(job->first), job->second);
            } catch (const std::exception&) {
                job->second.send(problem_of(rpc::failure_of_current_exception(), ""));
            }
        });
        if (!taken) job->second.send(problem_of(rpc::overloaded(kSessionsRetryAfter), ""));
    };
}

}  // namespace flowstack::gateway
