#include "services/gateway/media/aws_signature.h"

#include <algorithm>
#include <chrono>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"

namespace flowstack::gateway {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kService = "s3";

std::string hex_sha256(std::string_view text) {
    return crypto::hex_encode(crypto::bytes_of(crypto::sha256(text)));
}

std::string hmac(std::string_view key, std::string_view text) {
    return std::string(crypto::bytes_of(crypto::hmac_sha256(key, text)));
}

// 20130524T000000Z
std::string amz_date(Time now) {
    auto text = to_rfc3339(std::chrono::floor<std::chrono::seconds>(now));
    std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
    return text;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> aws_headers(const AwsCredentials& credentials,
                                                             const AwsRequest& request, Time now) {
    const auto date = amz_date(now);
    const auto day = date.substr(0, date.find('T'));
    auto signed_headers = request.headers;
    signed_headers.emplace_back("host", request.host);
    signed_headers.emplace_back("x-amz-content-sha256", request.payload_sha256);
    signed_headers.emplace_back("x-amz-date", date);
    std::ranges::sort(signed_headers);
    std::string lines, names;
    for (const auto& [name, value] : signed_headers) {
        lines += name + ":" + value + "\n";
        names += (names.empty() ? "" : ";") + name;
    }
    // No query: an empty line in its place.
    const auto canonical = request.method + "\n" + request.path + "\n\n" + lines + "\n" + names +
                           "\n" + request.payload_sha256;
    const auto scope =
        day + "/" + credentials.region + "/" + std::string(kService) + "/aws4_request";
    const auto to_sign =
        std::string(kAlgorithm) + "\n" + date + "\n" + scope + "\n" + hex_sha256(canonical);
    auto key = hmac("AWS4" + std::string(credentials.secret_access_key.reveal()), day);
    for (const std::string_view part :
         {std::string_view(credentials.region), kService, std::string_view("aws4_request")})
        key = hmac(key, part);
    return {{"x-amz-date", date},
            {"x-amz-content-sha256", request.payload_sha256},
            {"Authorization", std::string(kAlgorithm) + " Credential=" + credentials.access_key_id +
                                  "/" + scope + ",SignedHeaders=" + names +
                                  ",Signature=" + crypto::hex_encode(hmac(key, to_sign))}};
}

}  // namespace flowstack::gateway
