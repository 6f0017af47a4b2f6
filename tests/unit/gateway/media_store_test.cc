#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <mutex>

#include "common/core/clock.h"
#include "common/http/client.h"
#include "common/http/server.h"
#include "services/gateway/media/s3_store.h"

namespace flowstack::gateway {
namespace {

using ::testing::HasSubstr;

// The examples of Amazon's documentation.
const AwsCredentials kExample{
    .access_key_id = "AKIAIOSFODNN7EXAMPLE",
    .secret_access_key = Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    .region = "us-east-1"};
constexpr Time kExampleTime = from_unix_seconds(1'369'353'600);  // 2013-05-24 00:00 UTC

std::string authorization(const AwsRequest& request) {
    for (const auto& [name, value] : aws_headers(kExample, request, kExampleTime))
        if (name == "Authorization") return value;
    return {};
}

TEST(AwsSignature, IsThatOfAmazonsExampleOfAGet) {
    EXPECT_EQ(authorization({.method = "GET",
                             .host = "examplebucket.s3.amazonaws.com",
                             .path = "/test.txt",
                             .headers = {{"range", "bytes=0-9"}},
                             .payload_sha256 = media_id_of("")}),
              "AWS4-HMAC-SHA256 "
              "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
              "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
              "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(AwsSignature, IsThatOfAmazonsExampleOfAPut) {
    EXPECT_THAT(
        authorization({.method = "PUT",
                       .host = "examplebucket.s3.amazonaws.com",
                       .path = "/test%24file.text",
                       .headers = {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                                   {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                       .payload_sha256 = media_id_of("Welcome to Amazon S3.")}),
        HasSubstr("Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));
}

// A bucket, as strict about what is signed as the store is.
class Bucket {
public:
    Bucket()
        : server({}, [this](const http::Request& request, const http::Responder& responder) {
              responder.send(answer(request));
          }) {
        server.start();
    }
    http::Response answer(const http::Request& request) {
        const std::lock_guard lock(mutex);
        ++calls;
        if (fail_next > 0 && fail_next--) return http::Response::text(503, "SlowDown");
        if (refuse) return http::Response::text(403, "SignatureDoesNotMatch");
        if (request.headers.get("x-amz-content-sha256") != media_id_of(request.body))
            return http::Response::text(400, "XAmzContentSHA256Mismatch");
        const auto path = request.target;
        if (request.method == "PUT") {
            objects[path] = {request.body, std::string(request.headers.get("Content-Type"))};
            return http::Response::text(200, "");
        }
        const auto found = objects.find(path);
        if (found == objects.end()) return http::Response::text(404, "NoSuchKey");
        http::Response response{.status = 200, .headers = {}, .body = found->second.first};
        response.headers.set("Content-Type", found->second.second);
        return response;
    }

    std::mutex mutex;
    std::map<std::string, std::pair<std::string, std::string>> objects;
    int calls = 0;
    int fail_next = 0;
    bool refuse = false;
    http::Server server;
};

class S3 : public ::testing::Test {
protected:
    Bucket bucket;
    http::Client client;
    SystemClock clock;
    S3MediaStore store{
        client,
        clock,
        {.url = "http://127.0.0.1:" + std::to_string(bucket.server.port()) + "/media/flowstack",
         .credentials = kExample}};
    const MediaFiles::File file{.bytes = "jpeg bytes", .mime_type = "image/jpeg"};
};

TEST_F(S3, KeepsAFileOnceAndGivesItBackWithItsType) {
    const auto id = store.keep("duka", file);
    EXPECT_EQ(id, media_id_of("jpeg bytes"));
    EXPECT_EQ(store.keep("duka", file), id);
    ASSERT_EQ(bucket.objects.size(), 1u);
    EXPECT_EQ(bucket.objects.begin()->first, "/media/flowstack/duka/" + id.substr(0, 2) + "/" + id);
    EXPECT_TRUE(store.has("duka", id));
    const auto read = store.read("duka", id);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->bytes, file.bytes);
    EXPECT_EQ(read->mime_type, file.mime_type);
    // Another tenant has its own, and what is no id is nowhere.
    EXPECT_FALSE(store.has("mama", id));
    EXPECT_FALSE(store.read("mama", id));
    const auto calls = bucket.calls;
    EXPECT_FALSE(store.read("duka", "../../etc/passwd"));
    EXPECT_FALSE(store.has("duka", ""));
    EXPECT_EQ(bucket.calls, calls);
}

TEST_F(S3, ATenantsNameStaysOneStepOfThePath) {
    const auto id = store.keep("../du ka", file);
    EXPECT_EQ(bucket.objects.begin()->first,
              "/media/flowstack/..%2Fdu%20ka/" + id.substr(0, 2) + "/" + id);
    EXPECT_TRUE(store.has("../du ka", id));
}

TEST_F(S3, AStoreThatIsBusyIsAskedAgainAndOneThatRefusesIsNot) {
    bucket.fail_next = 2;
    EXPECT_NO_THROW(store.keep("duka", file));
    bucket.fail_next = 3;
    EXPECT_THROW(store.read("duka", media_id_of(file.bytes)), std::runtime_error);
    bucket.refuse = true;
    const auto calls = bucket.calls;
    try {
        store.read("duka", media_id_of(file.bytes));
        FAIL() << "a refusal is no file";
    } catch (const std::runtime_error& error) {
        EXPECT_THAT(error.what(), HasSubstr("HTTP 403"));
    }
    EXPECT_EQ(bucket.calls, calls + 1);
}

TEST_F(S3, OtherBytesUnderAnIdAreNoFile) {
    const auto id = store.keep("duka", file);
    bucket.objects.begin()->second.first = "something else";
    EXPECT_THROW(store.read("duka", id), std::runtime_error);
}

TEST(S3Url, NamesHostAndBucket) {
    for (const auto* right : {"https://s3.eu-west-1.amazonaws.com/media", "http://minio:9000/a/b",
                              "https://bucket.s3.amazonaws.com/prefix"})
        EXPECT_EQ(mistake_in_s3_url(right), "") << right;
    for (const auto* wrong :
         {"", "s3://bucket", "https://", "https:///bucket", "https://host", "https://host/",
          "https://host/bucket/", "https://host/bucket?x=1", "https://user@host/b c"})
        EXPECT_NE(mistake_in_s3_url(wrong), "") << wrong;
}

}  // namespace
}  // namespace flowstack::gateway
