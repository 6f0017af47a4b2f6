#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <regex>
#include <stdexcept>

#include "common/rpc/http_rule.h"
#include "flowstack/common/v1/method.pb.h"
#include "google/api/annotations.pb.h"
#include "tools/docs/descriptors.h"
#include "tools/docs/documents.h"
#include "tools/docs/json_text.h"
#include "tools/docs/openapi_schemas.h"

// docs/api/openapi.json: what gateway's REST door serves. Paths, parameters and bodies of /v1 come
// from proto/; the paths without a gRPC method of their own from
// services/gateway/rest/unannotated.json; reasons of refusals from docs/errors.md; the introduction
// and the requests' examples from openapi/.
namespace flowstack::docs {
namespace {

namespace json = boost::json;
namespace pb = google::protobuf;
using Side = Schemas::Side;

constexpr const char* kProblem = "application/problem+json";

// What a variable of a path is.
struct Variable {
    const char* description;
    const char* example;
};
constexpr const char* kUuid = "0198c1d2-7a40-7c31-9b5e-2f6a1c0d8e11";
const std::map<std::string, Variable> kVariables{
    {"tenant", {"Id of the tenant: lower-case letters, digits and dashes, at most 63.", "demo"}},
    {"channel", {"Id of the channel.", kUuid}},
    {"contact", {"Id of the contact, which is the customer's id.", kUuid}},
    {"media",
     {"SHA-256 of the bytes, 64 hex digits.",
      "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}},
    {"message", {"Id of an outbound message.", kUuid}},
    {"providerTemplate", {"Our id of a template at a provider.", kUuid}},
    {"webhookEndpoint", {"Id of a webhook endpoint.", kUuid}},
    {"webhookDelivery", {"Id of a webhook's delivery.", kUuid}},
    {"apiKey", {"Id of the API key (not the key itself).", kUuid}},
    {"webhook",
     {"Lane, position and index of a raw webhook: three whole numbers with dashes.", "3-71-0"}},
    {"conversation", {"Id of the conversation.", kUuid}},
    {"customer", {"Id of the customer.", kUuid}},
    {"template", {"Key of the template: letters, digits, _ and -, at most 63.", "greeting"}},
    {"topic", {"Id of the topic: letters, digits, _ and -, at most 63.", "delivery"}},
    {"service", {"Id of the service: letters, digits, _ and -, at most 63.", "haircut"}},
    {"booking", {"Id of the booking (not its number).", kUuid}},
    {"flow", {"Key of the flow: letters, digits, _ and -, at most 63; or of a pack.", "ECOMMERCE"}},
    {"product", {"Id of the product.", "premium-coffee"}},
    {"order", {"Id of the order (not its number).", kUuid}},
    {"invoice", {"Id of the invoice (not its number).", kUuid}},
    {"payment", {"Id of the payment.", kUuid}},
    {"refund", {"Id of the refund.", kUuid}},
    {"providerAccount", {"Name of the payment provider.", "mpesa"}},
    {"task", {"Id of the task.", kUuid}},
    {"campaign", {"Id of the campaign.", kUuid}},
    {"id", {"Id of the resource.", kUuid}},
    {"key", {"Key of the template: letters, digits, _ and -, at most 63.", "greeting"}},
};

std::string text_of(const std::filesystem::path& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error(path.string() + " cannot be read");
    return {std::istreambuf_iterator<char>(file), {}};
}

json::value json_of(const std::filesystem::path& path) {
    boost::system::error_code error;
    auto value = json::parse(text_of(path), error);
    if (error) throw std::runtime_error(path.string() + ": " + error.message());
    return value;
}

json::object reference(const std::string& kind, const std::string& name) {
    return {{"$ref", "#/components/" + kind + "/" + name}};
}

// --- Refusals

struct Reason {
    std::string name;
    int status = 0;
    std::string meaning;
    std::string advice;
};

// The tables of docs/errors.md, which a test holds equal to the enum.
std::vector<Reason> reasons_of(const std::filesystem::path& root) {
    std::vector<Reason> reasons;
    std::ifstream file(root / "docs/errors.md");
    static const std::regex kRow(R"(\| `([A-Z_]+)` \| (?:[A-Z_]+|–) \| (\d+) \| (.*) \| (.*) \|)");
    for (std::string line; std::getline(file, line);)
        if (std::smatch row; std::regex_match(line, row, kRow))
            reasons.push_back({row[1], std::stoi(row[2]), row[3], row[4]});
    if (reasons.empty()) throw std::runtime_error("docs/errors.md lists no reasons");
    return reasons;
}

struct Refusal {
    int status;
    const char* name;  // of the component
    const char* description;
};
constexpr Refusal kRefusals[] = {
    {400, "Malformed", "The request cannot be read."},
    {401, "Unauthenticated", "There is no key, or one that opens nothing."},
    {403, "PermissionDenied", "The key is valid and does not open this."},
    {404, "NotFound",
     "There is no such resource for this caller. What belongs to another tenant looks the same."},
    {409, "Conflict", "What is there already, or its state, does not allow this now."},
    {413, "TooLarge", "The body is larger than is taken here."},
    {422, "Unprocessable", "The request can be read, and a field of it says what is not allowed."},
    {429, "Overloaded",
     "There is too much to do, or too many wrong keys or passwords came from here."},
    {500, "Internal", "A fault of FlowStack; its log has the cause under the trace id."},
    {501, "NotBuilt", "This part of FlowStack does not exist yet. Nothing happened."},
    {503, "Unavailable", "A service or the database cannot be reached. Nothing was decided."},
};

json::object problem_schema(const std::vector<Reason>& reasons) {
    json::array names;
    std::string words = "Why, for programs. Texts are for people and may change; this does not.";
    for (const auto& reason : reasons) {
        names.emplace_back(reason.name);
        words += "\n\n- `" + reason.name + "` (" + std::to_string(reason.status) +
                 "): " + reason.meaning + " What to do: " + reason.advice + ".";
    }
    const json::object violation{
        {"type", "object"},
        {"properties",
         json::object{
             {"field", json::object{{"type", "string"},
                                    {"description", "Path of the field, as it was sent."},
                                    {"examples", json::array{"content.buttons.titles[3]"}}}},
             {"description", json::object{{"type", "string"},
                                          {"description", "What is allowed."},
                                          {"examples", json::array{"must be from 1 to 999"}}}}}},
        {"required", json::array{"field", "description"}}};
    return {
        {"type", "object"},
        {"description",
         "Why a call was refused (RFC 9457). Decide on `reason`; show `detail` to a developer."},
        {"properties",
         json::object{
             {"type", json::object{{"type", "string"},
                                   {"description", "Always `about:blank`: `reason` says more."}}},
             {"title", json::object{{"type", "string"},
                                    {"description", "The same for every problem of a reason."}}},
             {"status",
              json::object{{"type", "integer"}, {"description", "The HTTP status, again."}}},
             {"detail", json::object{{"type", "string"},
                                     {"description", "What was wrong here and what is allowed."}}},
             {"reason", json::object{{"type", "string"},
                                     {"enum", std::move(names)},
                                     {"description", std::move(words)}}},
             {"violations",
              json::object{
                  {"type", "array"},
                  {"description",
                   "FIELD_INVALID: every field that is wrong. Otherwise whose state or limit "
                   "it is, and what it is."},
                  {"items", violation}}},
             {"trace_id",
              json::object{{"type", "string"},
                           {"description", "Finds the call in the logs of all services."},
                           {"examples", json::array{"4bf92f3577b34da6a3ce929d0e0e4736"}}}}}},
        {"required", json::array{"type", "title", "status", "detail", "reason"}},
        {"additionalProperties", json::object{{"type", "string"}}},
        {"examples", json::array{json::object{
                         {"type", "about:blank"},
                         {"title", "Field invalid"},
                         {"status", 422},
                         {"detail", "content.buttons.titles[3]: must be one to three titles"},
                         {"reason", "FIELD_INVALID"},
                         {"violations", json::array{json::object{
                                            {"field", "content.buttons.titles[3]"},
                                            {"description", "must be one to three titles"}}}},
                         {"trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"}}}}};
}

json::object refusal_responses(const std::vector<Reason>& reasons) {
    json::object responses;
    for (const auto& refusal : kRefusals) {
        std::string words = refusal.description;
        std::string listed;
        for (const auto& reason : reasons)
            if (reason.status == refusal.status)
                listed += (listed.empty() ? " Reasons: `" : "`, `") + reason.name;
        if (!listed.empty()) words += listed + "`.";
        json::object headers{{"X-Request-Id", reference("headers", "XRequestId")}};
        if (refusal.status == 429 || refusal.status == 503 || refusal.status == 409)
            headers["Retry-After"] = reference("headers", "RetryAfter");
        if (refusal.status == 401)
            headers["WWW-Authenticate"] = reference("headers", "WwwAuthenticate");
        responses[refusal.name] = json::object{
            {"description", words},
            {"headers", std::move(headers)},
            {"content",
             json::object{{kProblem, json::object{{"schema", reference("schemas", "Problem")}}}}}};
    }
    return responses;
}

void add_refusals(json::object& responses, const std::vector<int>& statuses) {
    for (const auto& refusal : kRefusals)
        if (std::ranges::find(statuses, refusal.status) != statuses.end())
            responses[std::to_string(refusal.status)] = reference("responses", refusal.name);
}

// --- Paths

// "MessageLogService" → "Message log", "TenantService" → "Tenants".
std::string tag_of(const pb::ServiceDescriptor& service) {
    static const std::set<std::string> kOfOne{"Catalog", "Ledger", "Media", "Message log"};
    auto name = service.name();
    name = spaced(name.substr(0, name.size() - std::string("Service").size()));
    return kOfOne.contains(name) ? name : name + "s";
}

struct Route {
    std::string verb;   // "post"
    std::string path;   // "/v1/tenants/{tenant}/messages/{message}:retry"
    std::string field;  // of the request, filled by the path; empty: none
};

json::array path_parameters(const std::string& path) {
    json::array parameters;
    static const std::regex kVariable(R"(\{(\w+)\})");
    for (std::sregex_iterator at(path.begin(), path.end(), kVariable), end; at != end; ++at) {
        const auto name = (*at)[1].str();
        const auto found = kVariables.find(name);
        if (found == kVariables.end())
            throw std::runtime_error(path + ": say in kVariables of openapi.cc what {" + name +
                                     "} is");
        parameters.emplace_back(
            json::object{{"name", name},
                         {"in", "path"},
                         {"required", true},
                         {"description", found->second.description},
                         {"schema", json::object{{"type", "string"}, {"minLength", 1}}},
                         {"example", found->second.example}});
    }
    return parameters;
}

std::string lower_case(std::string word) {
    std::ranges::transform(word, word.begin(), [](unsigned char c) { return std::tolower(c); });
    return word;
}

// "/v1/{name=tenants/*/messages/*}:retry": a variable is called as the collection before it.
Route route_of(const google::api::HttpRule& rule) {
    const auto [verb, annotated] = rpc::verb_and_path(rule);
    if (!rule.body().empty() && rule.body() != "*")
        throw std::runtime_error(annotated + ": openapi.cc knows bodies of all members only");
    Route route{.verb = lower_case(verb), .path = {}, .field = {}};
    const auto open = annotated.find('{');
    if (open == std::string::npos) {
        route.path = annotated;
        return route;
    }
    const auto close = annotated.find('}');
    const auto inside = annotated.substr(open + 1, close - open - 1);
    route.field = inside.substr(0, inside.find('='));
    std::istringstream segments(inside.substr(inside.find('=') + 1));
    std::string before, resource;
    for (std::string segment; std::getline(segments, segment, '/'); before = segment) {
        if (!resource.empty()) resource += '/';
        resource += segment == "*" ? "{" + singular_of(before) + "}" : segment;
    }
    route.path = annotated.substr(0, open) + resource + annotated.substr(close + 1);
    return route;
}

json::array security_of(bool operators_only) {
    json::array schemes{json::object{{"operatorKey", json::array()}}};
    if (!operators_only) schemes.emplace_back(json::object{{"tenantKey", json::array()}});
    return schemes;
}

struct Maker {
    const Words& words;
    Schemas& schemas;
    const pb::DescriptorPool& pool;
    const json::object& examples;

    json::object operation_of(const pb::MethodDescriptor& method, const Route& route) const;
    void add_query(const pb::MethodDescriptor& method, const Route& route,
                   json::array& parameters) const;
    json::object body_of(const pb::MethodDescriptor& method) const;
};

void Maker::add_query(const pb::MethodDescriptor& method, const Route& route,
                      json::array& parameters) const {
    for (int i = 0; i < method.input_type()->field_count(); ++i) {
        const auto& field = *method.input_type()->field(i);
        if (field.name() == route.field || field.name() == "request_id" || field.name() == "etag")
            continue;
        auto schema = schemas.of_value(field, Side::request);
        if (field.name() == "page_size") schema["minimum"] = 0;
        json::object parameter{{"name", field.json_name()},
                               {"in", "query"},
                               {"description", words.of_field(field)},
                               {"schema", std::move(schema)}};
        if (is_required(field)) parameter["required"] = true;
        if (const auto example = example_of(field);
            example && field.type() == pb::FieldDescriptor::TYPE_STRING)
            parameter["example"] = *example;
        parameters.emplace_back(std::move(parameter));
    }
}

// The body of a method that has one, with an example that the method's message takes.
json::object Maker::body_of(const pb::MethodDescriptor& method) const {
    const auto* example = examples.if_contains(method.name());
    if (example == nullptr)
        throw std::runtime_error("tools/docs/openapi/examples.json has no example for " +
                                 method.name());
    pb::DynamicMessageFactory factory;
    const std::unique_ptr<pb::Message> message(factory.GetPrototype(method.input_type())->New());
    if (const auto read = pb::util::JsonStringToMessage(json::serialize(*example), message.get());
        !read.ok())
        throw std::runtime_error("the example for " + method.name() + " is no " +
                                 method.input_type()->name() + ": " + std::string(read.message()));
    json::object media{{"schema", schemas.reference(*method.input_type(), Side::request)},
                       {"example", *example}};
    bool needed = false;
    for (int i = 0; i < method.input_type()->field_count(); ++i)
        needed = needed || is_required(*method.input_type()->field(i));
    return {{"required", needed},
            {"content", json::object{{"application/json", std::move(media)}}}};
}

// Who may by a token, besides the tenant's admins.
std::string roles_of(common::v1::Access access) {
    switch (access) {
        case common::v1::ACCESS_VIEWERS:
            return " By a token: every role in the tenant.";
        case common::v1::ACCESS_AUDITORS:
            return " By a token: auditors and admins of the tenant.";
        case common::v1::ACCESS_AGENTS:
            return " By a token: agents and admins of the tenant.";
        case common::v1::ACCESS_ADMINS:
            return " By a token: admins of the tenant.";
        default:
            throw std::runtime_error("a method of a tenant says nobody who may call it");
    }
}

json::object Maker::operation_of(const pb::MethodDescriptor& method, const Route& route) const {
    const auto& rest = method.options().GetExtension(common::v1::rest);
    const auto comment = words.for_rest(comment_of(method, "\n\n"));
    const auto& request = *method.input_type();
    const auto has = [&](const char* name) { return request.FindFieldByName(name) != nullptr; };
    const bool names_tenant = route.path.starts_with("/v1/tenants/");
    const auto access = method.options().GetExtension(common::v1::access);
    const bool operators_only = !names_tenant || access == common::v1::ACCESS_OPERATORS;
    const bool reads = route.verb == "get";
    const bool body = !reads && route.verb != "delete";

    json::object operation{
        {"operationId", lower_first(method.name())},
        {"summary", first_sentence(comment)},
        {"description",
         comment + "\n\nAccess: " +
             (operators_only ? "the platform's operators only."
                             : "the tenant's own key, or the operators'." + roles_of(access))}};
    operation["tags"] = json::array{json::value(tag_of(*method.service()))};
    operation["security"] = security_of(operators_only);

    auto parameters = path_parameters(route.path);
    if (!body) add_query(method, route, parameters);
    if (has("request_id")) parameters.emplace_back(reference("parameters", "IdempotencyKey"));
    if (has("etag")) parameters.emplace_back(reference("parameters", "IfMatch"));
    if (!parameters.empty()) operation["parameters"] = std::move(parameters);
    if (body) operation["requestBody"] = body_of(method);

    json::object headers{{"X-Request-Id", reference("headers", "XRequestId")}};
    if (method.output_type()->FindFieldByName("etag") != nullptr)
        headers["ETag"] = reference("headers", "ETag");
    if (method.output_type()->FindFieldByName("next_page_token"))
        headers["X-Read-Position"] = reference("headers", "ReadPosition");
    if (has("request_id")) headers["Idempotent-Replayed"] = reference("headers", "Replayed");
    const int status = rest.success_status() == 0 ? 200 : rest.success_status();
    const auto& answer = *method.output_type();
    json::object responses{
        {std::to_string(status),
         json::object{
             {"description", first_sentence(words.for_rest(comment_of(answer))) + "."},
             {"headers", std::move(headers)},
             {"content",
              json::object{{"application/json",
                            json::object{{"schema", schemas.reference(answer, Side::answer)}}}}}}}};
    std::vector<int> refusals{400, 401, 422, 429, 500, 503};
    if (operators_only) refusals.push_back(403);
    if (route.path.find('{') != std::string::npos) refusals.push_back(404);
    if (!reads) refusals.push_back(409);
    if (body) refusals.push_back(413);
    add_refusals(responses, refusals);
    operation["responses"] = std::move(responses);
    return operation;
}

// --- Paths without an annotation: webhooks, the short paths of older systems, the door's own.

json::object media_of(const json::object& described) {
    const auto* type = described.if_contains("contentType");
    json::object media;
    if (const auto* schema = described.if_contains("schema")) media["schema"] = *schema;
    if (const auto* example = described.if_contains("example")) media["example"] = *example;
    if (media.empty()) return {};
    return {
        {type != nullptr ? type->as_string() : json::string("application/json"), std::move(media)}};
}

json::object unannotated_operation(const json::object& described) {
    const auto text = [&](const char* name) { return std::string(described.at(name).as_string()); };
    const auto access = text("access");
    const auto method = text("method");
    const auto path = text("path");
    json::object operation{{"operationId", text("id")},
                           {"summary", text("summary")},
                           {"description", text("description")},
                           {"tags", json::array{json::value(text("tag"))}}};
    json::array security;
    std::vector<int> refusals;
    if (access != "anybody") {
        security = security_of(access == "operators");
        if (path.starts_with("/admin/") || path.starts_with("/api/admin/"))
            security.emplace_back(json::object{{"operatorPassword", json::array()}});
        refusals = {400, 401, 422, 429, 500, 503};
        if (access == "operators") refusals.push_back(403);
        if (access != "operators") refusals.push_back(404);
        if (method != "GET") {
            refusals.push_back(409);
            refusals.push_back(413);
        }
    }
    operation["security"] = std::move(security);
    auto parameters = path_parameters(path);
    if (const auto* more = described.if_contains("parameters"))
        for (const auto& each : more->as_array()) parameters.emplace_back(each);
    if (!parameters.empty()) operation["parameters"] = std::move(parameters);
    if (const auto* body = described.if_contains("body")) {
        const auto* required = body->as_object().if_contains("required");
        operation["requestBody"] =
            json::object{{"required", required == nullptr || required->as_bool()},
                         {"content", media_of(body->as_object())}};
    }
    json::object responses;
    if (const auto* answers = described.if_contains("answers"))
        for (const auto& [status, value] : answers->as_object()) {
            const auto& answer = value.as_object();
            json::object response{{"description", answer.at("description")}};
            if (auto media = media_of(answer); !media.empty()) response["content"] = media;
            responses[status] = std::move(response);
        }
    if (const auto* more = described.if_contains("refusals")) {
        for (const auto& each : more->as_array())
            refusals.push_back(static_cast<int>(each.as_int64()));
    }
    json::object refused;
    add_refusals(refused, refusals);
    for (const auto& [status, refusal] : refused) {
        auto* answer = responses.if_contains(status);
        if (answer == nullptr)
            responses[status] = refusal;
        else if (auto* content = answer->as_object().if_contains("content"))
            content->as_object()[kProblem] =
                json::object{{"schema", reference("schemas", "Problem")}};
    }
    operation["responses"] = std::move(responses);
    return operation;
}

json::object shared_parameters() {
    return {
        {"IdempotencyKey",
         json::object{
             {"name", "Idempotency-Key"},
             {"in", "header"},
             {"description",
              "Makes a repeat harmless: the same key with the same content gets the first answer "
              "(with `Idempotent-Replayed: true`), with other content 409. At most 200 bytes, "
              "unique in the tenant. A member `requestId` of the body would be the same; one that "
              "differs from the header is 400."},
             {"schema", json::object{{"type", "string"}, {"maxLength", 200}}},
             {"example", "order-1001-receipt"}}},
        {"IfMatch",
         json::object{
             {"name", "If-Match"},
             {"in", "header"},
             {"description",
              "The `ETag` that you have read. When the resource has changed since, nothing "
              "happens and the answer is 409 (VERSION_MISMATCH)."},
             {"schema", json::object{{"type", "string"}}},
             {"example", "\"7\""}}}};
}

json::object shared_headers() {
    const auto header = [](const char* description, json::object schema, const char* example) {
        return json::object{
            {"description", description}, {"schema", std::move(schema)}, {"example", example}};
    };
    return {
        {"XRequestId", header("The `X-Request-Id` of the request (up to 128 bytes), or one that "
                              "the door made.",
                              {{"type", "string"}}, "4bf92f3577b34da6a3ce929d0e0e4736")},
        {"ETag", header("Version of the resource, for `If-Match`.", {{"type", "string"}}, "\"7\"")},
        {"Replayed", header("`true` when this is the first answer to a repeated Idempotency-Key.",
                            {{"type", "string"}, {"enum", json::array{"true"}}}, "true")},
        {"ReadPosition",
         header("Lists: up to which events of the logs the page is complete, for each source its "
                "lanes with their positions; a lane that is left out has nothing yet. Absent for "
                "lists that are read from the log itself and show what was just written.",
                {{"type", "string"}}, "gateway=0:120,1:33;payment=2:7")},
        {"RetryAfter", header("Seconds to wait before the same call is made again; absent when "
                              "waiting does not help.",
                              {{"type", "integer"}, {"minimum", 1}}, "1")},
        {"WwwAuthenticate", header("How to authenticate.", {{"type", "string"}}, "Bearer")}};
}

json::object security_schemes() {
    return {
        {"operatorKey",
         json::object{{"type", "http"},
                      {"scheme", "bearer"},
                      {"description",
                       "The setting ADMIN_KEY of gateway. It opens everything; paths without a "
                       "tenant then need `businessId`."}}},
        {"tenantKey",
         json::object{{"type", "http"},
                      {"scheme", "bearer"},
                      {"description",
                       "A tenant's API key, made by `createApiKey`. It opens its own tenant; every "
                       "other tenant is 404."}}},
        {"operatorPassword",
         json::object{{"type", "http"},
                      {"scheme", "basic"},
                      {"description",
                       "Below /admin and /api/admin only: any user name, with ADMIN_PASSWORD or "
                       "ADMIN_KEY as the password. The user name stands in the events."}}}};
}

std::string version_of(const std::filesystem::path& root) {
    const auto text = text_of(root / "CMakeLists.txt");
    static const std::regex kVersion(R"(project\(flowstack VERSION ([0-9.]+))");
    std::smatch found;
    if (!std::regex_search(text, found, kVersion))
        throw std::runtime_error("CMakeLists.txt names no version");
    return found[1].str();
}

}  // namespace

void add_openapi(const std::filesystem::path& root, Documents& out) {
    const Protos protos(root, "flowstack/*/v1/*_service.proto");
    const Words words(protos.files());
    Schemas schemas(words);
    const auto examples = json_of(root / "tools/docs/openapi/examples.json");
    const auto unannotated = json_of(root / "services/gateway/rest/unannotated.json");
    const auto reasons = reasons_of(root);

    struct Served {
        const pb::MethodDescriptor* method;
        Route route;
    };
    std::vector<Served> served;
    json::array tags;
    for (const auto* file : protos.files())
        for (int s = 0; s < file->service_count(); ++s) {
            const auto& service = *file->service(s);
            bool any = false;
            for (int m = 0; m < service.method_count(); ++m) {
                const auto& method = *service.method(m);
                if (!method.options().HasExtension(google::api::http)) continue;
                any = true;
                const auto route = route_of(method.options().GetExtension(google::api::http));
                served.push_back({&method, route});
                schemas.use(*method.output_type(), Side::answer);
                schemas.show(*method.output_type());
                if (route.verb == "get" || route.verb == "delete") {
                    for (int i = 0; i < method.input_type()->field_count(); ++i)
                        if (const auto* type = method.input_type()->field(i)->enum_type())
                            schemas.use(*type);
                    continue;
                }
                // The path and the headers Idempotency-Key and If-Match fill these.
                for (const auto& name :
                     {route.field, std::string("request_id"), std::string("etag")})
                    if (const auto* field = method.input_type()->FindFieldByName(name))
                        schemas.leave_out(*field);
                schemas.use(*method.input_type(), Side::request);
            }
            if (any)
                tags.emplace_back(
                    json::object{{"name", tag_of(service)},
                                 {"description", words.for_rest(comment_of(service, "\n\n"))}});
        }
    for (const auto& tag : unannotated.at("tags").as_array()) tags.emplace_back(tag);

    const Maker maker{words, schemas, protos.pool(), examples.as_object()};
    json::object paths;
    const auto add = [&](const std::string& path, const std::string& verb, json::object operation) {
        auto& item = paths[path];
        if (!item.is_object()) item = json::object();
        item.as_object()[verb] = std::move(operation);
    };
    for (const auto& [method, route] : served)
        add(route.path, route.verb, maker.operation_of(*method, route));
    for (const auto& each : unannotated.at("operations").as_array()) {
        const auto verb = lower_case(std::string(each.at("method").as_string()));
        add(std::string(each.at("path").as_string()), verb,
            unannotated_operation(each.as_object()));
    }

    auto all = schemas.all();
    all["Problem"] = problem_schema(reasons);
    for (const auto& [name, schema] : unannotated.at("schemas").as_object())
        if (!all.emplace(name, schema.as_object()).second)
            throw std::runtime_error("two schemas are called " + std::string(name));
    json::object components_schemas;
    for (auto& [name, schema] : all) components_schemas[name] = std::move(schema);

    const json::object document{
        {"openapi", "3.1.0"},
        {"info", json::object{{"title", "FlowStack"},
                              {"version", version_of(root)},
                              {"summary", "Selling on WhatsApp: the REST door of gateway."},
                              {"description", text_of(root / "tools/docs/openapi/intro.md")},
                              {"license", json::object{{"name", "MIT"}, {"identifier", "MIT"}}}}},
        {"servers", json::array{json::object{
                        {"url", "/"}, {"description", "The gateway that serves this document."}}}},
        {"tags", std::move(tags)},
        {"paths", std::move(paths)},
        {"components", json::object{{"securitySchemes", security_schemes()},
                                    {"parameters", shared_parameters()},
                                    {"headers", shared_headers()},
                                    {"responses", refusal_responses(reasons)},
                                    {"schemas", std::move(components_schemas)}}}};
    if (!words.unexplained().empty()) {
        std::string names;
        for (const auto& name : words.unexplained()) names += "\n  " + name;
        throw std::runtime_error("callers are not told what these are; comment them in proto/:" +
                                 names);
    }
    out["docs/api/openapi.json"] = pretty_json(document);
}

}  // namespace flowstack::docs
