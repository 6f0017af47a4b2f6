#include "common/rpc/error.h"

#include <grpcpp/support/status.h>

#include "common/core/broken_world.h"
#include "common/observability/log.h"
#include "common/observability/trace.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace flowstack::rpc {
namespace {

using grpc::StatusCode;
constexpr std::string_view kReasonPrefix = "ERROR_REASON_";
constexpr std::chrono::milliseconds kRetryAfter{250};

// The reason of a status that the gRPC library made itself.
ErrorReason reason_of(StatusCode code) {
    switch (code) {
        case StatusCode::INVALID_ARGUMENT:
            return common::v1::ERROR_REASON_FIELD_INVALID;
        case StatusCode::NOT_FOUND:
            return common::v1::ERROR_REASON_NOT_FOUND;
        case StatusCode::ALREADY_EXISTS:
            return common::v1::ERROR_REASON_ALREADY_EXISTS;
        case StatusCode::FAILED_PRECONDITION:
            return common::v1::ERROR_REASON_WRONG_STATE;
        case StatusCode::ABORTED:
            return common::v1::ERROR_REASON_CONTENTION;
        case StatusCode::UNAUTHENTICATED:
            return common::v1::ERROR_REASON_UNAUTHENTICATED;
        case StatusCode::PERMISSION_DENIED:
            return common::v1::ERROR_REASON_PERMISSION_DENIED;
        case StatusCode::RESOURCE_EXHAUSTED:
            return common::v1::ERROR_REASON_OVERLOADED;
        case StatusCode::UNAVAILABLE:
            return common::v1::ERROR_REASON_STORE_UNAVAILABLE;
        case StatusCode::DEADLINE_EXCEEDED:
            return common::v1::ERROR_REASON_DEADLINE_EXCEEDED;
        case StatusCode::UNIMPLEMENTED:
            return common::v1::ERROR_REASON_UNIMPLEMENTED;
        default:
            return common::v1::ERROR_REASON_INTERNAL;
    }
}

void set(google::protobuf::Duration& to, std::chrono::milliseconds from) {
    to.set_seconds(from.count() / 1000);
    to.set_nanos(static_cast<std::int32_t>(from.count() % 1000 * 1'000'000));
}

}  // namespace

Failure invalid_field(std::string field, std::string what_is_allowed) {
    return invalid_fields({{std::move(field), std::move(what_is_allowed)}});
}

Failure invalid_fields(std::vector<FieldViolation> fields) {
    std::string text;
    for (const auto& field : fields)
        text += (text.empty() ? "" : "; ") + field.field + ": " + field.description;
    Failure failure(StatusCode::INVALID_ARGUMENT, common::v1::ERROR_REASON_FIELD_INVALID, text);
    failure.fields = std::move(fields);
    return failure;
}

Failure not_found(std::string_view resource_name) {
    Failure failure(StatusCode::NOT_FOUND, common::v1::ERROR_REASON_NOT_FOUND,
                    std::string(resource_name) + " does not exist");
    failure.metadata["resource"] = std::string(resource_name);
    return failure;
}

Failure already_exists(std::string message) {
    return {StatusCode::ALREADY_EXISTS, common::v1::ERROR_REASON_ALREADY_EXISTS,
            std::move(message)};
}

Failure wrong_state(std::string subject, std::string message) {
    Failure failure(StatusCode::FAILED_PRECONDITION, common::v1::ERROR_REASON_WRONG_STATE, message);
    failure.preconditions.push_back({"STATE", std::move(subject), std::move(message)});
    return failure;
}

Failure tenant_not_active(std::string tenant, std::string message) {
    auto failure = wrong_state(std::move(tenant), std::move(message));
    failure.reason = common::v1::ERROR_REASON_TENANT_SUSPENDED;
    return failure;
}

Failure tenant_closed(std::string tenant) {
    auto failure = wrong_state(std::move(tenant),
                               "The tenant is closed, for good: it can be read and not changed.");
    failure.reason = common::v1::ERROR_REASON_TENANT_CLOSED;
    return failure;
}

Failure key_reused(std::string_view request_id) {
    Failure failure(StatusCode::ALREADY_EXISTS, common::v1::ERROR_REASON_IDEMPOTENCY_KEY_REUSED,
                    "this request_id was used with another request before; use a new one");
    failure.metadata["requestId"] = std::string(request_id);
    return failure;
}

Failure overloaded(std::chrono::milliseconds retry_after) {
    Failure failure(StatusCode::RESOURCE_EXHAUSTED, common::v1::ERROR_REASON_OVERLOADED,
                    "too much is waiting here already; try again later");
    failure.quotas.push_back({"", "process", "calls that wait or stream at the same time"});
    failure.retry_after = retry_after;
    return failure;
}

Failure rate_limited(std::string subject, std::string limit,
                     std::chrono::milliseconds retry_after) {
    Failure failure(StatusCode::RESOURCE_EXHAUSTED, common::v1::ERROR_REASON_RATE_LIMITED,
                    subject + " may make " + limit + "; wait before you try again");
    failure.quotas.push_back({"", std::move(subject), std::move(limit)});
    failure.retry_after = retry_after;
    return failure;
}

std::string calls_text(int per_second, int at_once) {
    return std::to_string(per_second) + " calls a second, " + std::to_string(at_once) + " at once";
}

Failure unavailable(std::string message, std::chrono::milliseconds retry_after) {
    Failure failure(StatusCode::UNAVAILABLE, common::v1::ERROR_REASON_STORE_UNAVAILABLE,
                    std::move(message));
    failure.retry_after = retry_after;
    return failure;
}

Failure contention() {
    Failure failure(StatusCode::ABORTED, common::v1::ERROR_REASON_CONTENTION,
                    "others kept writing first; read again and try again");
    failure.retry_after = kRetryAfter;
    return failure;
}

Failure permission_denied(std::string message) {
    return {StatusCode::PERMISSION_DENIED, common::v1::ERROR_REASON_PERMISSION_DENIED,
            std::move(message)};
}

Failure unauthenticated(std::string message) {
    return {StatusCode::UNAUTHENTICATED, common::v1::ERROR_REASON_UNAUTHENTICATED,
            std::move(message)};
}

Failure internal() {
    auto failure =
        Failure(StatusCode::INTERNAL, common::v1::ERROR_REASON_INTERNAL,
                "something unexpected happened here; its cause is in our log under the trace id");
    if (const auto trace = trace::current().trace_id_text(); !trace.empty())
        failure.metadata["traceId"] = trace;
    return failure;
}

Failure failure_of_current_exception() {
    try {
        throw;
    } catch (const Failure& failure) {
        return failure;
    } catch (const Unavailable& error) {
        log::warn("call refused: the store or another service is away", {{"error", error.what()}});
        return unavailable("the store or a neighbour cannot be reached now; try again",
                           kRetryAfter);
    } catch (const Contention&) {
        return contention();
    } catch (const std::exception& error) {
        log::error("call failed", {{"error", error.what()}});
        return internal();
    } catch (...) {
        log::error("call failed: it threw something that is no std::exception");
        return internal();
    }
}

std::string reason_text(ErrorReason reason) {
    return common::v1::ErrorReason_Name(reason).substr(kReasonPrefix.size());
}

std::optional<ErrorReason> parse_reason(std::string_view text) {
    ErrorReason reason;
    if (!common::v1::ErrorReason_Parse(std::string(kReasonPrefix) + std::string(text), &reason))
        return std::nullopt;
    return reason;
}

grpc::Status to_status(const Failure& failure) {
    google::rpc::Status rich;
    rich.set_code(failure.code);
    rich.set_message(failure.message);
    google::rpc::ErrorInfo info;
    info.set_reason(reason_text(failure.reason));
    info.set_domain(std::string(kErrorDomain));
    for (const auto& [key, value] : failure.metadata) (*info.mutable_metadata())[key] = value;
    rich.add_details()->PackFrom(info);
    if (!failure.fields.empty()) {
        google::rpc::BadRequest bad;
        for (const auto& field : failure.fields) {
            auto* violation = bad.add_field_violations();
            violation->set_field(field.field);
            violation->set_description(field.description);
        }
        rich.add_details()->PackFrom(bad);
    }
    if (!failure.preconditions.empty()) {
        google::rpc::PreconditionFailure precondition;
        for (const auto& each : failure.preconditions) {
            auto* violation = precondition.add_violations();
            violation->set_type(each.type);
            violation->set_subject(each.subject);
            violation->set_description(each.description);
        }
        rich.add_details()->PackFrom(precondition);
    }
    if (!failure.quotas.empty()) {
        google::rpc::QuotaFailure quota;
        for (const auto& each : failure.quotas) {
            auto* violation = quota.add_violations();
            violation->set_subject(each.subject);
            violation->set_description(each.description);
        }
        rich.add_details()->PackFrom(quota);
    }
    if (failure.retry_after) {
        google::rpc::RetryInfo retry;
        set(*retry.mutable_retry_delay(), *failure.retry_after);
        rich.add_details()->PackFrom(retry);
    }
    return {failure.code, failure.message, rich.SerializeAsString()};
}

std::optional<Failure> failure_of(const grpc::Status& status) {
    if (status.ok()) return std::nullopt;
    Failure failure(status.error_code(), reason_of(status.error_code()), status.error_message());
    google::rpc::Status rich;
    if (status.error_details().empty() || !rich.ParseFromString(status.error_details()))
        return failure;
    for (const auto& detail : rich.details()) {
        google::rpc::ErrorInfo info;
        google::rpc::BadRequest bad;
        google::rpc::PreconditionFailure precondition;
        google::rpc::QuotaFailure quota;
        google::rpc::RetryInfo retry;
        if (detail.UnpackTo(&info)) {
            if (const auto reason = parse_reason(info.reason())) failure.reason = *reason;
            for (const auto& [key, value] : info.metadata()) failure.metadata[key] = value;
        } else if (detail.UnpackTo(&bad)) {
            for (const auto& each : bad.field_violations())
                failure.fields.push_back({each.field(), each.description()});
        } else if (detail.UnpackTo(&precondition)) {
            for (const auto& each : precondition.violations())
                failure.preconditions.push_back({each.type(), each.subject(), each.description()});
        } else if (detail.UnpackTo(&quota)) {
            for (const auto& each : quota.violations())
                failure.quotas.push_back({"", each.subject(), each.description()});
        } else if (detail.UnpackTo(&retry)) {
            failure.retry_after = std::chrono::milliseconds(
                retry.retry_delay().seconds() * 1000 + retry.retry_delay().nanos() / 1'000'000);
        }
    }
    return failure;
}

int http_status_of(grpc::StatusCode code) {
    switch (code) {
        case StatusCode::OK:
            return 200;
        case StatusCode::INVALID_ARGUMENT:
        case StatusCode::OUT_OF_RANGE:
            return 422;
        case StatusCode::FAILED_PRECONDITION:
        case StatusCode::ABORTED:
        case StatusCode::ALREADY_EXISTS:
            return 409;
        case StatusCode::NOT_FOUND:
            return 404;
        case StatusCode::UNAUTHENTICATED:
            return 401;
        case StatusCode::PERMISSION_DENIED:
            return 403;
        case StatusCode::RESOURCE_EXHAUSTED:
            return 429;
        case StatusCode::UNAVAILABLE:
        case StatusCode::DEADLINE_EXCEEDED:
            return 503;
        default:
            return 500;
    }
}

int http_status_of(const Failure& failure) {
    switch (failure.reason) {
        case common::v1::ERROR_REASON_MALFORMED:
        case common::v1::ERROR_REASON_IDEMPOTENCY_KEY_MISMATCH:
        case common::v1::ERROR_REASON_PAGE_TOKEN_INVALID:
            return 400;
        default:
            return http_status_of(failure.code);
    }
}

}  // namespace flowstack::rpc
