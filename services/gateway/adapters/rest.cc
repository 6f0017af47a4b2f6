#include "services/gateway/adapters/rest.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <mutex>
#include <set>

#include "common/core/overloaded.h"
#include "common/core/uuid.h"
#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/observability/log.h"
#include "common/observability/trace.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "flowstack/campaign/v1/campaign_service.pb.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/conversation/v1/catalog_service.pb.h"
#include "flowstack/conversation/v1/conversation_service.pb.h"
#include "flowstack/conversation/v1/customer_service.pb.h"
#include "flowstack/conversation/v1/flow_service.pb.h"
#include "flowstack/conversation/v1/template_service.pb.h"
#include "flowstack/followup/v1/task_service.pb.h"
#include "flowstack/gateway/v1/channel_service.pb.h"
#include "flowstack/gateway/v1/contact_service.pb.h"
#include "flowstack/gateway/v1/message_service.pb.h"
#include "flowstack/gateway/v1/tenant_service.pb.h"
#include "flowstack/payment/v1/invoice_service.pb.h"
#include "flowstack/payment/v1/ledger_service.pb.h"
#include "flowstack/payment/v1/order_service.pb.h"
#include "flowstack/payment/v1/payment_service.pb.h"
#include "flowstack/payment/v1/provider_account_service.pb.h"
#include "google/api/annotations.pb.h"
#include "services/gateway/adapters/rpc.h"

namespace flowstack::gateway {
namespace {

namespace pb = google::protobuf;
using http::Problem;
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
            conversation::v1::Product::descriptor()->file(),
            conversation::v1::Conversation::descriptor()->file(),
            conversation::v1::Customer::descriptor()->file(),
            conversation::v1::Flow::descriptor()->file(),
            conversation::v1::Template::descriptor()->file(),
            payment::v1::Order::descriptor()->file(),
            payment::v1::Invoice::descriptor()->file(),
            payment::v1::Payment::descriptor()->file(),
            payment::v1::ListJournalEntriesRequest::descriptor()->file(),
            payment::v1::ProviderAccount::descriptor()->file(),
            followup::v1::Task::descriptor()->file(),
            campaign::v1::Campaign::descriptor()->file()};
}

// Only for platform operators, also where the path names a tenant.
const std::set<std::string> kOperatorMethods{"RegisterTenant", "ListTenants", "SuspendTenant",
                                             "ResumeTenant"};

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

std::string title_of(const std::string& reason) {
    std::string title;
    for (const char c : reason)
        title += c == '_' ? ' ' : title.empty() ? c : static_cast<char>(std::tolower(c));
    return title;
}

Response problem_of(const rpc::Failure& failure, const std::string& trace_id) {
    Problem problem;
    problem.status = rpc::http_status_of(failure);
    problem.reason = rpc::reason_text(failure.reason);
    problem.title = title_of(problem.reason);
    problem.detail = failure.message;
    for (const auto& field : failure.fields)
        problem.violations.push_back({field.field, field.description});
    for (const auto& condition : failure.preconditions)
        problem.violations.push_back({condition.subject, condition.description});
    problem.trace_id = trace_id;
    auto response = Response::problem(problem);
    if (failure.retry_after) {
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(*failure.retry_after).count();
        response.headers.set("Retry-After", std::to_string(std::max<long long>(1, seconds)));
    }
    if (problem.status == 401) response.headers.set("WWW-Authenticate", "Bearer");
    return response;
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
    // The value as JSON says it; protobuf's own parser judges it.
    std::string json = http::json_string(value);
    if (field->cpp_type() == pb::FieldDescriptor::CPPTYPE_BOOL) json = value;
    if (field->is_repeated()) json = "[" + json + "]";
    std::unique_ptr<pb::Message> one(message.New());
    const auto text = "{" + http::json_string(field->json_name()) + ":" + json + "}";
    if (!pb::util::JsonStringToMessage(text, one.get()).ok())
        throw rpc::invalid_field(path, "has a wrong value");
    message.MergeFrom(*one);
}

std::unique_ptr<pb::Message> new_message(const pb::Descriptor* descriptor) {
    return std::unique_ptr<pb::Message>(
        pb::MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
}

std::string string_in(const pb::Message& message, const char* name) {
    const auto* field = message.GetDescriptor()->FindFieldByName(name);
    if (field == nullptr || field->cpp_type() != pb::FieldDescriptor::CPPTYPE_STRING ||
        field->is_repeated())
        return {};
    return message.GetReflection()->GetString(message, field);
}

bool set_string(pb::Message& message, const char* name, const std::string& value) {
    const auto* field = message.GetDescriptor()->FindFieldByName(name);
    if (field == nullptr || field->cpp_type() != pb::FieldDescriptor::CPPTYPE_STRING ||
        field->is_repeated())
        return false;
    message.GetReflection()->SetString(&message, field, value);
    return true;
}

rpc::Failure malformed(const std::string& what) {
    rpc::Failure failure(grpc::StatusCode::INVALID_ARGUMENT, common::v1::ERROR_REASON_MALFORMED,
                         "The body is not the JSON that is expected here: " + what);
    return failure;
}

// What the caller may: everything, or one tenant.
struct Caller {
    bool operates_platform = false;
    std::string tenant;
    std::string actor() const { return operates_platform ? "admin" : "key:" + tenant; }
};

int success_status(const std::string& method) {
    if (method == "SendMessage" || method == "SendMessages") return 202;
    if (method.starts_with("Create") || method == "RegisterTenant" || method == "ConnectChannel")
        return 201;
    return 200;
}

}  // namespace

struct Rest::Impl : std::enable_shared_from_this<Rest::Impl> {
    Impl(const Directory& d, RestOptions o) : directory(d), options(std::move(o)) {}

    struct Call {
        const pb::MethodDescriptor* method = nullptr;
        std::unique_ptr<pb::Message> request;
        Caller caller;
        std::string trace_id;
        std::string request_id;  // X-Request-Id
        std::function<void(const grpc::Status&, const pb::Message&, bool replayed)> done;

        grpc::ClientContext context;
        grpc::ByteBuffer sent;
        grpc::ByteBuffer received;
        std::unique_ptr<grpc::GenericStub> stub;
    };

    // Throws a Failure: no key, a wrong one, or one in the wrong place.
    Caller caller_of(const Request& request) const {
        for (const auto* secret : {"password", "key", "api_key", "access_token"})
            if (request.query_param(secret))
                throw rpc::unauthenticated(
                    "Secrets do not belong into an address. Send `Authorization: Bearer <key>`.");
        constexpr std::string_view kBearer = "Bearer ";
        const auto header = request.headers.get("Authorization");
        if (!header.starts_with(kBearer))
            throw rpc::unauthenticated("Send `Authorization: Bearer <key>`.");
        const auto key = header.substr(kBearer.size());
        // Hashes are compared, so that lengths tell nothing either.
        const auto given = crypto::sha256(key);
        const auto admin = crypto::sha256(options.admin_key.reveal());
        if (crypto::constant_time_equal(crypto::bytes_of(given), crypto::bytes_of(admin)))
            return {true, {}};
        if (const auto tenant = directory.tenant_of_key(crypto::bytes_of(given)))
            return {false, *tenant};
        throw rpc::unauthenticated("This key opens nothing.");
    }

    static void admit(const Caller& caller, const pb::MethodDescriptor& method,
                      const std::string& resource) {
        if (caller.operates_platform) return;
        if (!resource.empty()) {
            const auto prefix = "tenants/" + caller.tenant;
            if (resource != prefix && !resource.starts_with(prefix + "/"))
                throw rpc::not_found(resource);
        }
        if (resource.empty() || kOperatorMethods.contains(method.name()))
            throw rpc::permission_denied("Only the platform's operators may do this.");
    }

    std::shared_ptr<grpc::Channel> channel_for(const pb::MethodDescriptor& method) {
        // flowstack.payment.v1.PaymentService → payment
        const auto& name = method.service()->full_name();
        const auto from = name.find('.') + 1;
        return options.channel(name.substr(from, name.find('.', from) - from));
    }

    void invoke(const std::shared_ptr<Call>& call) {
        const auto channel = channel_for(*call->method);
        rpc::set_timeout(call->context, options.timeout_ms);
        call->context.AddMetadata(std::string(kActorHeader), call->caller.actor());
        const auto bytes = call->request->SerializeAsString();
        const grpc::Slice slice(bytes);
        call->sent = grpc::ByteBuffer(&slice, 1);
        call->stub = std::make_unique<grpc::GenericStub>(channel);
        const auto path = "/" + call->method->service()->full_name() + "/" + call->method->name();
        call->stub->UnaryCall(&call->context, path, grpc::StubOptions(), &call->sent,
                              &call->received, [call](const grpc::Status& status) {
                                  auto answer = new_message(call->method->output_type());
                                  if (status.ok()) {
                                      std::vector<grpc::Slice> slices;
                                      std::string bytes_received;
                                      if (call->received.Dump(&slices).ok())
                                          for (const auto& part : slices)
                                              bytes_received.append(
                                                  reinterpret_cast<const char*>(part.begin()),
                                                  part.size());
                                      answer->ParseFromString(bytes_received);
                                  }
                                  bool replayed = false;
                                  const auto& metadata = call->context.GetServerInitialMetadata();
                                  if (const auto found = metadata.find("x-flowstack-replayed");
                                      found != metadata.end())
                                      replayed = found->second == "true";
                                  call->done(status, *answer, replayed);
                              });
    }

    // The same for every route: who asks, what goes wrong, how it is answered.
    template <class Body>
    void guarded(const Request& request, const Responder& responder, Body body) const {
        const auto context = trace::continue_from(request.headers.get(trace::kHeader));
        const trace::Scope scope(context);
        const auto trace_id = context.trace_id_text();
        try {
            body(trace_id);
        } catch (const rpc::Failure& failure) {
            responder.send(problem_of(failure, trace_id));
        } catch (const std::exception&) {
            responder.send(problem_of(rpc::failure_of_current_exception(), trace_id));
        }
    }

    std::shared_ptr<Call> new_call(const pb::MethodDescriptor* method, const Request& request,
                                   const std::string& trace_id) {
        auto call = std::make_shared<Call>();
        call->method = method;
        call->request = new_message(method->input_type());
        call->trace_id = trace_id;
        call->request_id = request.headers.get("X-Request-Id");
        if (call->request_id.empty() || call->request_id.size() > 128) call->request_id = trace_id;
        return call;
    }

    void transcode(const pb::MethodDescriptor* method, const google::api::HttpRule& rule,
                   const Template& path, const Request& request, const Responder& responder) {
        guarded(request, responder, [&](const std::string& trace_id) {
            const auto caller = caller_of(request);
            const auto resource = resource_in(path, request.params);
            admit(caller, *method, resource);
            auto call = new_call(method, request, trace_id);
            call->caller = caller;
            read_body(*call->request, rule, request);
            if (rule.body() != "*") read_query(*call->request, request);
            if (!path.field.empty()) set_string(*call->request, path.field.c_str(), resource);
            take_headers(*call->request, request);
            call->done = [call_raw = call.get(), responder](
                             const grpc::Status& status, const pb::Message& answer, bool replayed) {
                respond(*call_raw, responder, status, answer, replayed);
            };
            invoke(call);
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
        if (!parsed.ok()) {
            const auto text = std::string(parsed.message());
            throw malformed(text.substr(0, 300));
        }
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

    static void take_headers(pb::Message& message, const Request& request) {
        const auto key = std::string(request.headers.get("Idempotency-Key"));
        if (!key.empty()) {
            const auto in_body = string_in(message, "request_id");
            if (!in_body.empty() && in_body != key) {
                rpc::Failure failure(grpc::StatusCode::INVALID_ARGUMENT,
                                     common::v1::ERROR_REASON_IDEMPOTENCY_KEY_MISMATCH,
                                     "Idempotency-Key and requestId name different keys.");
                throw failure;
            }
            set_string(message, "request_id", key);
        }
        auto etag = std::string(request.headers.get("If-Match"));
        if (etag.size() >= 2 && etag.front() == '"') etag = etag.substr(1, etag.size() - 2);
        if (!etag.empty()) set_string(message, "etag", etag);
    }

    static void respond(const Call& call, const Responder& responder, const grpc::Status& status,
                        const pb::Message& answer, bool replayed) {
        Response response;
        if (const auto failure = rpc::failure_of(status)) {
            response = problem_of(*failure, call.trace_id);
        } else {
            std::string json;
            pb::util::JsonPrintOptions print;
            print.always_print_primitive_fields = true;
            if (!pb::util::MessageToJsonString(answer, &json, print).ok()) {
                response = problem_of(rpc::internal(), call.trace_id);
            } else {
                response = Response::json(success_status(call.method->name()), std::move(json));
                if (const auto etag = string_in(answer, "etag"); !etag.empty())
                    response.headers.set("ETag", "\"" + etag + "\"");
                if (replayed) response.headers.set("Idempotent-Replayed", "true");
            }
        }
        response.headers.set("X-Request-Id", call.request_id);
        responder.send(std::move(response));
    }

    // ---------------------------------------------------------------- aliases

    static const pb::MethodDescriptor* method_named(const pb::Descriptor* in_file,
                                                    const char* service, const char* method) {
        return in_file->file()->FindServiceByName(service)->FindMethodByName(method);
    }

    static pb::Struct json_object(const Request& request) {
        pb::Struct body;
        const auto parsed = pb::util::JsonStringToMessage(request.body, &body);
        if (!parsed.ok()) throw malformed("it must be one JSON object.");
        return body;
    }
    static std::string text_in(const pb::Struct& body, const char* name) {
        const auto found = body.fields().find(name);
        if (found == body.fields().end()) return {};
        if (found->second.kind_case() != pb::Value::kStringValue)
            throw rpc::invalid_field(name, "must be a text");
        return found->second.string_value();
    }

    // POST /tenants/register {"name","phoneNumberId","accessToken","wabaId"?}
    void register_tenant(const Request& request, const Responder& responder) {
        guarded(request, responder, [&](const std::string& trace_id) {
            const auto* method =
                method_named(v1::Tenant::descriptor(), "TenantService", "RegisterTenant");
            const auto caller = caller_of(request);
            admit(caller, *method, "");
            const auto body = json_object(request);
            auto call = new_call(method, request, trace_id);
            call->caller = caller;
            auto& out = dynamic_cast<v1::RegisterTenantRequest&>(*call->request);
            out.mutable_settings()->set_name(text_in(body, "name"));
            out.mutable_channel()->set_external_id(text_in(body, "phoneNumberId"));
            out.mutable_channel()->set_waba_id(text_in(body, "wabaId"));
            out.mutable_channel()->mutable_credentials()->set_access_token(
                text_in(body, "accessToken"));
            take_headers(out, request);
            call->done = [call_raw = call.get(), responder](
                             const grpc::Status& status, const pb::Message& answer, bool replayed) {
                respond(*call_raw, responder, status, answer, replayed);
            };
            invoke(call);
        });
    }

    // POST /tenants/{id}/send {"to","text","idempotency_key"} → 202; a key seen before → 409 with
    // the first message's id (only here: /v1 replays).
    void send_text(const Request& request, const Responder& responder) {
        guarded(request, responder, [&](const std::string& trace_id) {
            const auto* method =
                method_named(v1::Message::descriptor(), "MessageService", "SendMessage");
            const auto caller = caller_of(request);
            const auto parent = "tenants/" + request.params.at("p0");
            admit(caller, *method, parent);
            const auto body = json_object(request);
            auto call = new_call(method, request, trace_id);
            call->caller = caller;
            auto& out = dynamic_cast<v1::SendMessageRequest&>(*call->request);
            out.set_parent(parent);
            out.set_to(text_in(body, "to"));
            if (!out.to().empty() && out.to().front() != '+') out.set_to("+" + out.to());
            out.mutable_content()->mutable_text()->set_body(text_in(body, "text"));
            out.set_request_id(text_in(body, "idempotency_key"));
            take_headers(out, request);
            call->done = [call_raw = call.get(), responder](
                             const grpc::Status& status, const pb::Message& answer, bool replayed) {
                if (status.ok() && replayed) {
                    const auto id = string_in(answer, "message_id");
                    responder.send(Response::json(
                        409,
                        R"({"error":"Conflict","message":"this idempotency_key was used before","messageId":)" +
                            http::json_string(id) + "}"));
                    return;
                }
                respond(*call_raw, responder, status, answer, replayed);
            };
            invoke(call);
        });
    }

    const Directory& directory;
    RestOptions options;
};

Rest::Rest(const Directory& directory, RestOptions options)
    : impl_(std::make_shared<Impl>(directory, std::move(options))) {}
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
                const auto [verb, path] =
                    rule.pattern_case() == google::api::HttpRule::kGet
                        ? std::pair<std::string, std::string>("GET", rule.get())
                    : rule.pattern_case() == google::api::HttpRule::kPost
                        ? std::pair<std::string, std::string>("POST", rule.post())
                    : rule.pattern_case() == google::api::HttpRule::kPut
                        ? std::pair<std::string, std::string>("PUT", rule.put())
                    : rule.pattern_case() == google::api::HttpRule::kPatch
                        ? std::pair<std::string, std::string>("PATCH", rule.patch())
                        : std::pair<std::string, std::string>("DELETE", rule.delete_());
                const auto made = template_of(path);
                router.add(verb, made.pattern,
                           [impl, method, rule, made](Request request, Responder responder) {
                               impl->transcode(method, rule, made, request, responder);
                           });
            }
        }
    }
    router.add("POST", "/tenants/register", [impl](Request request, Responder responder) {
        impl->register_tenant(request, responder);
    });
    router.add("POST", "/tenants/{p0}/send", [impl](Request request, Responder responder) {
        impl->send_text(request, responder);
    });
    for (const auto* path : {"/health", "/whatsapp/health"})
        router.add("GET", path, [](Request, Responder responder) {
            responder.send(Response::json(200, R"({"ok":true})"));
        });
    for (const auto* verb : {"GET", "POST"})
        router.add(verb, "/webhooks/mpesa", [](Request, Responder responder) {
            responder.send(Response::problem(
                404, "Not found",
                "Daraja does not sign its callbacks, so each payment has an unguessable path of "
                "its own: /hooks/pay/{token}, at the payment service's address. FlowStack names it "
                "in every push; nothing has to be configured here.",
                "NOT_FOUND"));
        });
}

}  // namespace flowstack::gateway
