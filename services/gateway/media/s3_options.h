#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "services/gateway/media/aws_signature.h"

namespace flowstack::gateway {

struct S3Options {
    // With the bucket, and what the keys begin with if anything, without a slash at the end:
    // "https://s3.eu-west-1.amazonaws.com/shop-media", "http://minio:9000/shop-media/flowstack".
    std::string url;
    AwsCredentials credentials;
    std::chrono::milliseconds timeout{30'000};
};

// What is wrong with the address, in words; empty when it can be used.
std::string mistake_in_s3_url(std::string_view url);

}  // namespace flowstack::gateway
