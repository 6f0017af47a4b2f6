#include "services/gateway/rest/rest_calls.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cctype>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/identity/jwt.h"
#include "common/rpc/access.h"
#include "common/rpc/caller.h"
#include "common/rpc/channel.h"
#include "common/rpc/read_position.h"
#include "common/rpc/request_id.h"
#include "common/rpc/server.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "services/gateway/rest/login.h"

namespace flowstack::gateway {
namespace {

namespace pb = google::protobuf;

constexpr std::size_t kRequestIdMax = 128;
constexpr std::size_t kUserMax = 64;
constexpr std::string_view kBearer = "Bearer ";
constexpr std::string_view kBasic = "Basic ";
// Query parameters in which people put secrets.
constexpr const char* kSecrets[] = {"password", "key",          "api_key",
                                    "apiKey",   "access_token", "token"};

// Paths that people open in a browser, which asks them for a name and a password.
bool takes_passwords(std::string_view path) {
    return path == "/admin" || path.starts_with("/admin/") || path.starts_with("/api/admin/");
}

bool same_secret(const std::string& given, const Secret& secret) {
    // Compares hashes, so that the time does not tell the length either.
    const auto a = crypto::sha256(given);
    const auto b = crypto::sha256(secret.reveal());
    return crypto::constant_time_equal(crypto::bytes_of(a), crypto::bytes_of(b));
}

resilience::Instant guess_time() {
    return std::chrono::time_point_cast<resilience::Duration>(std::chrono::system_clock::now());
}

// `what`: "keys", "passwords".
rpc::Failure guessed_too_often(const std::string& what, resilience::Duration wait) {
    rpc::Failure failure(
        grpc::StatusCode::RESOURCE_EXHAUSTED, common::v1::ERROR_REASON_OVERLOADED,
        "Too many wrong " + what + " came from this address. Wait before you try again.");
    failure.retry_after = std::chrono::ceil<std::chrono::seconds>(wait);
    return failure;
}

std::string title_of(const std::string& reason) {
    std::string title;
    for (const char c : reason)
        title += c == '_' ? ' ' : title.empty() ? c : static_cast<char>(std::tolower(c));
    return title;
}

// "buttons[0].next_template_key" → "buttons[0].nextTemplateKey"
std::string camel(const std::string& field) {
    std::string made;
    bool up = false;
    for (const char c : field) {
        if (c != '_') made += up ? static_cast<char>(std::toupper(c)) : c;
        up = c == '_';
    }
    return made;
}

// Whole members only: "phone" leads "phone" and "phone.digits", and not "phoneNumber".
bool leads(const std::string& beginning, const std::string& path) {
    if (!path.starts_with(beginning)) return false;
    if (beginning.ends_with('.') || path.size() == beginning.size()) return true;
    const char next = path[beginning.size()];
    return next == '.' || next == '[';
}

// A call under way: all of it lives until the answer is there.
struct Flight {
    grpc::ClientContext context;
    grpc::ByteBuffer sent;
    grpc::ByteBuffer received;
    std::unique_ptr<grpc::GenericStub> stub;

    std::string bytes() const {
        std::vector<grpc::Slice> slices;
        std::string whole;
        if (received.Dump(&slices).ok())
            for (const auto& part : slices)
                whole.append(reinterpret_cast<const char*>(part.begin()), part.size());
        return whole;
    }
    std::string metadata(const char* name) const {
        const auto& all = context.GetServerInitialMetadata();
        const auto found = all.find(name);
        return found == all.end() ? "" : std::string(found->second.data(), found->second.size());
    }
    bool replayed() const { return metadata(rpc::kReplayedHeader) == "true"; }
};

}  // namespace

std::unique_ptr<pb::Message> new_message(const pb::Descriptor* descriptor) {
    return std::unique_ptr<pb::Message>(
        pb::MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
}

void Visit::answer(http::Response response) const {
    response.headers.set("X-Request-Id", request_id);
    if (!read_position.empty() && response.status < 300)
        response.headers.set("X-Read-Position", read_position);
    responder.send(std::move(response));
}

void Visit::refuse(rpc::Failure failure) const {
    for (auto& field : failure.fields) {
        for (const auto& [theirs, ours] : field_names)
            if (leads(theirs, field.field)) {
                field.field.replace(0, theirs.size(), ours);
                break;
            }
        field.field = camel(field.field);
    }
    auto response = problem_of(failure, context.trace_id_text());
    if (response.status == 401 && takes_passwords(request.path))
        response.headers.set("WWW-Authenticate", "Basic realm=\"FlowStack\", Bearer");
    answer(std::move(response));
}

void Visit::guarded(const std::function<void()>& body) const {
    const trace::Scope scope(context);
    try {
        body();
    } catch (const rpc::Failure& failure) {
        refuse(failure);
    } catch (const std::exception&) {
        refuse(rpc::failure_of_current_exception());
    }
}

RestCalls::RestCalls(const Keys& keys, RestOptions options)
    : keys_(keys),
      options_(std::move(options)),
      wrong_keys_(std::make_shared<WrongSecrets>(
          WrongSecrets::Options{.at_once_max = options_.wrong_keys_max,
                                .every = options_.wrong_key_every,
                                .share_when_full = false})) {}

void RestCalls::refuse_unreadable(const http::Request& request) {
    if (!http::valid_utf8(request.body)) throw malformed("it is not UTF-8.");
}

void RestCalls::refuse_secrets(const http::Request& request) {
    for (const auto* secret : kSecrets)
        if (request.query_param(secret))
            throw rpc::unauthenticated(
                "Secrets do not belong into an address. Send `Authorization: Bearer <key>`.");
}

Caller RestCalls::caller_of(const http::Request& request) const {
    auto caller = known_caller_of(request);
    if (options_.rate_limits != nullptr)
        options_.rate_limits->take(caller.grants, caller.actor, guess_time());
    return caller;
}

Caller RestCalls::known_caller_of(const http::Request& request) const {
    refuse_secrets(request);
    if (shows_session(request)) return by_session(request);
    const auto header = request.headers.get("Authorization");
    if (header.starts_with(kBasic) && takes_passwords(request.path))
        return by_password(request, header.substr(kBasic.size()));
    if (!header.starts_with(kBearer))
        throw rpc::unauthenticated("Send `Authorization: Bearer <key>`.");
    const std::string secret(header.substr(kBearer.size()));
    // A key of ours has no dots; ADMIN_KEY may.
    if (options_.holder_of && identity::looks_like_token(secret) &&
        !same_secret(secret, options_.admin_key))
        return by_token(request, secret);
    return by_key(request, secret);
}

bool RestCalls::shows_session(const http::Request& request) const {
    return options_.login && !request.headers.has("Authorization") &&
           cookie_in(request, session_cookie_name(*options_.login));
}

void RestCalls::check_guesses(const http::Request& request, const std::string& what) const {
    if (const auto wait = wrong_keys_->wait_of(request.remote_address, guess_time()))
        throw guessed_too_often(what, *wait);
}

void RestCalls::count_guess(const http::Request& request) const {
    wrong_keys_->count(request.remote_address, guess_time());
}

// As with a tenant's key: a right one always opens, and wrong ones count, since each costs us a
// look into the store.
Caller RestCalls::by_session(const http::Request& request) const {
    const auto& login = *options_.login;
    refuse_other_sites(request, origin_of(login.base_url));
    const auto digest = crypto::sha256(*cookie_in(request, session_cookie_name(login)));
    if (const auto session = login.sessions->find(crypto::bytes_of(digest)))
        return {identity::parse_grants(session->grants), "user:" + session->subject};
    check_guesses(request, "keys");
    count_guess(request);
    throw rpc::unauthenticated("This session has ended. Log in again: /auth/login.");
}

// A good token opens wherever it comes from, as a tenant's key does: nobody guesses a signature.
// Bad ones count as wrong keys, because each costs us the check of a signature.
Caller RestCalls::by_token(const http::Request& request, const std::string& token) const {
    try {
        auto holder = options_.holder_of(token);
        return {std::move(holder.grants).value_or(identity::Grants{}), std::move(holder.actor)};
    } catch (const rpc::Failure& failure) {
        if (failure.code != grpc::StatusCode::UNAUTHENTICATED) throw;
        const auto now = guess_time();
        if (const auto wait = wrong_keys_->wait_of(request.remote_address, now))
            throw guessed_too_often("keys", *wait);
        wrong_keys_->count(request.remote_address, now);
        throw;
    }
}

// A tenant's key is looked at first and always: nobody guesses 256 random bits, and what others at
// the same address send must not close a shop's door. ADMIN_KEY may be what people think of, so an
// address that guesses must wait.
Caller RestCalls::by_key(const http::Request& request, const std::string& key) const {
    const auto given = crypto::sha256(key);
    if (auto owner = keys_.owner_of(crypto::bytes_of(given)))
        return {{.tenants = {{std::move(owner->tenant), {identity::Role::admin}}}},
                "key:" + owner->key_id,
                std::string(rpc::kApiKeyRole)};
    const auto now = guess_time();
    if (const auto wait = wrong_keys_->wait_of(request.remote_address, now))
        throw guessed_too_often("keys", *wait);
    if (same_secret(key, options_.admin_key)) return {{.platform_admin = true}, "operator"};
    wrong_keys_->count(request.remote_address, now);
    throw rpc::unauthenticated("This key opens nothing.");
}

// base64("<any user>:<password>"). The user is only a name for the log.
Caller RestCalls::by_password(const http::Request& request, std::string_view encoded) const {
    const auto now = guess_time();
    if (const auto wait = wrong_passwords_->wait_of(request.remote_address, now))
        throw guessed_too_often("passwords", *wait);
    const auto pair = crypto::base64_decode(encoded).value_or("");
    const auto colon = pair.find(':');
    const auto password = colon == std::string::npos ? std::string{} : pair.substr(colon + 1);
    const bool is_key = same_secret(password, options_.admin_key);
    const bool is_password = same_secret(password, options_.admin_password);
    if (colon == std::string::npos || password.empty() || !(is_key || is_password)) {
        wrong_passwords_->count(request.remote_address, now);
        throw rpc::unauthenticated("This password opens nothing.");
    }
    const auto user = pair.substr(0, colon);
    const bool good = !user.empty() && user.size() <= kUserMax &&
                      std::ranges::all_of(user, [](char c) { return c > ' ' && c < 0x7F; });
    return {{.platform_admin = true}, good ? "operator:" + user : "operator"};
}

void RestCalls::admit(const Caller& caller, const pb::MethodDescriptor& method,
                      const std::string& resource) {
    rpc::check_access(caller.grants, method, std::string_view(resource));
}

VisitPtr RestCalls::visit(http::Request request, http::Responder responder) const {
    auto context = trace::of_request(request.headers.get(trace::kHeader));
    std::string request_id(request.headers.get("X-Request-Id"));
    if (request_id.empty() || request_id.size() > kRequestIdMax)
        request_id = context.trace_id_text();
    return std::make_shared<Visit>(Visit{.request = std::move(request),
                                         .responder = std::move(responder),
                                         .context = context,
                                         .caller = {},
                                         .tenant = {},
                                         .request_id = std::move(request_id),
                                         .field_names = {}});
}

void RestCalls::call(const VisitPtr& visit, const pb::MethodDescriptor& method,
                     const pb::Message& request, Done done) const {
    // Here as well as in `admit`: an alias may make a call of several methods.
    rpc::check_access(visit->caller.grants, method, request);
    // flowstack.payment.v1.PaymentService → payment
    const auto& name = method.service()->full_name();
    const auto from = name.find('.') + 1;
    const auto channel = options_.channel(name.substr(from, name.find('.', from) - from));

    auto flight = std::make_shared<Flight>();
    rpc::set_timeout(flight->context, options_.timeout);
    flight->context.AddMetadata(std::string(rpc::kActorHeader), visit->caller.actor);
    const auto role = visit->caller.role.empty()
                          ? rpc::role_in(visit->caller.grants, rpc::tenant_in(request))
                          : std::string_view(visit->caller.role);
    if (!role.empty())
        flight->context.AddMetadata(std::string(rpc::kRoleHeader), std::string(role));
    flight->context.AddMetadata(std::string(rpc::kSourceHeader), visit->request.remote_address);
    const auto bytes = request.SerializeAsString();
    const grpc::Slice slice(bytes);
    flight->sent = grpc::ByteBuffer(&slice, 1);
    flight->stub = std::make_unique<grpc::GenericStub>(channel);
    const auto path = "/" + name + "/" + method.name();
    flight->stub->UnaryCall(
        &flight->context, path, grpc::StubOptions(), &flight->sent, &flight->received,
        [flight, visit, answer_type = method.output_type(),
         done = std::move(done)](const grpc::Status& status) {
            visit->guarded([&] {
                if (const auto failure = rpc::failure_of(status)) throw *failure;
                const auto answer = new_message(answer_type);
                if (!answer->ParseFromString(flight->bytes())) throw rpc::internal();
                if (visit->read_position.empty())
                    visit->read_position = flight->metadata(rpc::kReadPositionHeader);
                done(*answer, flight->replayed());
            });
        });
}

const pb::MethodDescriptor& RestCalls::method_named(const char* name) {
    const auto* method =
        pb::DescriptorPool::generated_pool()->FindMethodByName(std::string("flowstack.") + name);
    if (method == nullptr) throw std::logic_error(std::string("no such method: ") + name);
    return *method;
}

http::Response problem_of(const rpc::Failure& failure, const std::string& trace_id) {
    http::Problem problem;
    problem.status = rpc::http_status_of(failure);
    problem.reason = rpc::reason_text(failure.reason);
    problem.title = title_of(problem.reason);
    problem.detail = failure.message;
    for (const auto& field : failure.fields)
        problem.violations.push_back({field.field, field.description});
    for (const auto& condition : failure.preconditions)
        problem.violations.push_back({condition.subject, condition.description});
    for (const auto& quota : failure.quotas)
        problem.violations.push_back({quota.subject, quota.description});
    problem.trace_id = trace_id;
    auto response = http::Response::problem(problem);
    if (failure.retry_after) {
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(*failure.retry_after).count();
        response.headers.set("Retry-After", std::to_string(std::max<long long>(1, seconds)));
    }
    if (problem.status == 401) response.headers.set("WWW-Authenticate", "Bearer");
    return response;
}

rpc::Failure malformed(const std::string& what) {
    return {grpc::StatusCode::INVALID_ARGUMENT, common::v1::ERROR_REASON_MALFORMED,
            "The body is not the JSON that is expected here: " + what};
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

void take_headers(pb::Message& message, const http::Request& request) {
    const auto key = std::string(request.headers.get("Idempotency-Key"));
    if (!key.empty()) {
        rpc::check_request_id(key);
        const auto in_body = string_in(message, "request_id");
        if (!in_body.empty() && in_body != key)
            throw rpc::Failure(grpc::StatusCode::INVALID_ARGUMENT,
                               common::v1::ERROR_REASON_IDEMPOTENCY_KEY_MISMATCH,
                               "Idempotency-Key and requestId name different keys.");
        set_string(message, "request_id", key);
    }
    auto etag = std::string(request.headers.get("If-Match"));
    if (etag.size() >= 2 && etag.front() == '"') etag = etag.substr(1, etag.size() - 2);
    if (!etag.empty()) set_string(message, "etag", etag);
}

}  // namespace flowstack::gateway
