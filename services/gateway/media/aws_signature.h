#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/core/secret.h"
#include "common/core/time.h"

// AWS Signature Version 4 in the header Authorization, as S3 and what speaks like it want it.
// Source: docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
namespace flowstack::gateway {

struct AwsCredentials {
    std::string access_key_id;
    Secret secret_access_key;
    std::string region;
};

struct AwsRequest {
    std::string method;
    std::string host;  // with its port, as the header Host says it
    std::string path;  // as it is sent, percent-encoded; no query
    // Signed as well, beside Host and the two below. Names in lower case.
    std::vector<std::pair<std::string, std::string>> headers{};
    std::string payload_sha256;  // of the body, 64 hex digits
};

// The headers that the request must have: x-amz-date, x-amz-content-sha256, Authorization.
std::vector<std::pair<std::string, std::string>> aws_headers(const AwsCredentials& credentials,
                                                             const AwsRequest& request, Time now);

}  // namespace flowstack::gateway
