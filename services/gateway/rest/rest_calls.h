#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/http/server.h"
#include "common/observability/trace.h"
#include "common/rpc/error.h"
#include "services/gateway/rest/keys.h"
#include "services/gateway/rest/options.h"
#include "services/gateway/rest/wrong_secrets.h"

// What every route of the REST door shares: who asks, what they may do, the call to a service, and
// how a refusal is told. The routes of /v1 (rest.cc) and the aliases (aliases.cc) are made of this.
namespace flowstack::gateway {

// Who asks, and what they may do. A tenant's API key grants what its admin may.
struct Caller {
    identity::Grants grants;
    // "operator", "operator:ann", "key:<id>", "user:<subject>": of every event that the call makes
    std::string actor;
    // "api_key"; empty: what the grants are in the tenant that a call means
    std::string role = {};

    bool operates_platform() const { return grants.platform_admin; }
};

// One request on its way. The first answer counts; a visit that is forgotten is answered with 500.
struct Visit {
    http::Request request;
    http::Responder responder;
    trace::Context context;
    Caller caller;
    // The tenant that is meant; empty where the route names none.
    std::string tenant;
    std::string request_id;  // X-Request-Id
    // X-Read-Position: up to which events a list that was asked for is complete; empty for others.
    std::string read_position{};
    // What the caller calls the fields of the RPC: ("template.variants[0].", ""), in this order.
    std::vector<std::pair<std::string, std::string>> field_names;

    void answer(http::Response response) const;
    void refuse(rpc::Failure failure) const;
    // Runs `body`; what it throws is the answer.
    void guarded(const std::function<void()>& body) const;
};
using VisitPtr = std::shared_ptr<Visit>;

// An empty message of this type.
std::unique_ptr<google::protobuf::Message> new_message(
    const google::protobuf::Descriptor* descriptor);

class RestCalls {
public:
    RestCalls(const Keys& keys, RestOptions options);

    // Throws MALFORMED when the body is no text: no message can carry it to a service.
    static void refuse_unreadable(const http::Request& request);
    // Throws UNAUTHENTICATED when the address carries a secret.
    static void refuse_secrets(const http::Request& request);
    // Who asks: by a bearer key or token, or by Basic authentication where a browser's dialog is at
    // home (/admin and /api/admin). Counts the call against the caller's limits. Throws a Failure:
    // no key, a wrong one, one in the address, too many wrong keys or passwords from where the
    // request comes, or RATE_LIMITED when the caller must wait.
    Caller caller_of(const http::Request& request) const;
    // Throws unless the caller may call this method for this resource ("" = none).
    static void admit(const Caller& caller, const google::protobuf::MethodDescriptor& method,
                      const std::string& resource);

    // Whether the caller is to be known by a session's cookie and by nothing else.
    bool shows_session(const http::Request& request) const;
    // Throws RESOURCE_EXHAUSTED for an address that must wait; counts one more wrong secret.
    void check_guesses(const http::Request& request, const std::string& what) const;
    void count_guess(const http::Request& request) const;

    VisitPtr visit(http::Request request, http::Responder responder) const;

    // One call. `done` runs on another thread, also for a refusal; what it throws is the answer.
    using Done = std::function<void(const google::protobuf::Message& answer, bool replayed)>;
    void call(const VisitPtr& visit, const google::protobuf::MethodDescriptor& method,
              const google::protobuf::Message& request, Done done) const;

    // The same by name and type, for aliases: "payment.v1.OrderService.GetOrder". A refusal is the
    // visit's answer.
    template <class Answer>
    void ask(const VisitPtr& visit, const char* method, const google::protobuf::Message& request,
             std::function<void(const Answer& answer, bool replayed)> then) const {
        call(visit, method_named(method), request,
             [then = std::move(then)](const google::protobuf::Message& answer, bool replayed) {
                 then(dynamic_cast<const Answer&>(answer), replayed);
             });
    }

    const Keys& keys() const { return keys_; }
    const RestOptions& options() const { return options_; }

private:
    Caller known_caller_of(const http::Request& request) const;
    Caller by_password(const http::Request& request, std::string_view encoded) const;
    Caller by_key(const http::Request& request, const std::string& key) const;
    Caller by_session(const http::Request& request) const;
    Caller by_token(const http::Request& request, const std::string& token) const;
    static const google::protobuf::MethodDescriptor& method_named(const char* name);

    const Keys& keys_;
    RestOptions options_;
    std::shared_ptr<WrongSecrets> wrong_passwords_ = std::make_shared<WrongSecrets>();
    std::shared_ptr<WrongSecrets> wrong_keys_;
};

// problem+json of a refusal.
http::Response problem_of(const rpc::Failure& failure, const std::string& trace_id);

// The body is not what is expected here.
rpc::Failure malformed(const std::string& what);

// A member of a message by its name, when it is a text; otherwise nothing happens.
std::string string_in(const google::protobuf::Message& message, const char* name);
bool set_string(google::protobuf::Message& message, const char* name, const std::string& value);

// Idempotency-Key → request_id, If-Match → etag. Throws when header and body name different keys.
void take_headers(google::protobuf::Message& message, const http::Request& request);

}  // namespace flowstack::gateway
