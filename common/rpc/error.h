#pragma once

#include <grpcpp/support/status_code_enum.h>

#include <chrono>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace grpc {
class Status;
}

// Values are in flowstack/common/v1/error_reason.pb.h; include it in the .cc that names one.
namespace flowstack::common::v1 {
enum ErrorReason : int;
}

// How a refused or broken call is told to its caller, in one place for every service:
// google.rpc.Status in `grpc-status-details-bin` with exactly one ErrorInfo {reason, "flowstack",
// metadata}, and BadRequest, PreconditionFailure, QuotaFailure, RetryInfo where they apply.
namespace flowstack::rpc {

using common::v1::ErrorReason;

inline constexpr std::string_view kErrorDomain = "flowstack";

struct FieldViolation {
    std::string field;        // path in the request: "items[0].quantity"
    std::string description;  // what is allowed: "must be from 1 to 999"
    bool operator==(const FieldViolation&) const = default;
};

// Something about `subject` (a resource name) that must change first, or that is used up.
struct SubjectViolation {
    std::string type;  // "STATE"; not used for quotas
    std::string subject;
    std::string description;
    bool operator==(const SubjectViolation&) const = default;
};

// Thrown by handlers, caught by rpc::Server. The message is a sentence for the caller's developer:
// what was wrong, what is allowed, whether to try again. No secrets, no phone numbers.
struct Failure : std::exception {
    Failure(grpc::StatusCode status_code, ErrorReason error_reason, std::string text)
        : code(status_code), reason(error_reason), message(std::move(text)) {}

    grpc::StatusCode code;
    ErrorReason reason;
    std::string message;
    std::vector<FieldViolation> fields;                    // -> BadRequest
    std::vector<SubjectViolation> preconditions;           // -> PreconditionFailure
    std::vector<SubjectViolation> quotas;                  // -> QuotaFailure
    std::optional<std::chrono::milliseconds> retry_after;  // -> RetryInfo
    std::map<std::string, std::string> metadata;           // -> ErrorInfo.metadata, lowerCamelCase

    const char* what() const noexcept override { return message.c_str(); }
};

// The usual failures. Add details before you throw one, where that helps the caller.
Failure invalid_field(std::string field, std::string what_is_allowed);
Failure invalid_fields(std::vector<FieldViolation> fields);
Failure not_found(std::string_view resource_name);  // "tenants/x/orders/y"
Failure already_exists(std::string message);
Failure wrong_state(std::string subject, std::string message);
// TENANT_SUSPENDED. `tenant` is a resource name: "tenants/x".
Failure tenant_not_active(std::string tenant, std::string message);
// TENANT_CLOSED, of the same.
Failure tenant_closed(std::string tenant);
Failure key_reused(std::string_view request_id);
Failure overloaded(std::chrono::milliseconds retry_after);
// `subject`: whose limit it is, "key:7" or "tenants/demo"; `limit`: "100 calls a second, 500 at
// once".
Failure rate_limited(std::string subject, std::string limit, std::chrono::milliseconds retry_after);
// "100 calls a second, 500 at once"
std::string calls_text(int per_second, int at_once);
Failure unavailable(std::string message, std::chrono::milliseconds retry_after);
Failure contention();
Failure permission_denied(std::string message);
Failure unauthenticated(std::string message);
// The real cause belongs in the log; the caller gets the trace id only.
Failure internal();

// What the exception in flight is to a caller: a Failure as it is, flowstack::Unavailable and
// Contention as themselves, anything else internal() and an error in the log. Inside a catch block.
Failure failure_of_current_exception();

// "FIELD_INVALID": the enum's name without its prefix, as ErrorInfo and problem+json carry it.
std::string reason_text(ErrorReason reason);
std::optional<ErrorReason> parse_reason(std::string_view text);

grpc::Status to_status(const Failure& failure);
// The other way, at a client. A status without our details (made by the gRPC library itself) gets
// the reason that goes with its code. Nothing if the status is OK.
std::optional<Failure> failure_of(const grpc::Status& status);

// The HTTP status that a code has at the REST door: INVALID_ARGUMENT 422, NOT_FOUND 404, …
int http_status_of(grpc::StatusCode code);
// The same, but 400 for the reasons that mean a malformed request.
int http_status_of(const Failure& failure);

}  // namespace flowstack::rpc
