#include "common/service/one_stream.h"

#include "flowstack/common/v1/error_reason.pb.h"

namespace flowstack::service {

void check_etag(const std::string& etag, std::int64_t version, const std::string& what) {
    if (etag.empty() || etag == std::to_string(version)) return;
    throw rpc::Failure(grpc::StatusCode::ABORTED, common::v1::ERROR_REASON_VERSION_MISMATCH,
                       what + " has changed: read it again and send its new etag");
}

}  // namespace flowstack::service
