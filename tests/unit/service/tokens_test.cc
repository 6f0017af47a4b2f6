#include "common/service/tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/config/config.h"
#include "common/rpc/error.h"

namespace flowstack::service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Tokens read(const std::vector<const char*>& settings, std::vector<std::string>& mistakes) {
    auto environment = settings;
    environment.push_back(nullptr);
    const char* program = "gateway";
    config::Reader reader(1, &program, environment.data());
    Tokens tokens(reader);
    mistakes = reader.mistakes();
    return tokens;
}

TEST(TokenSettings, WithoutAnIssuerNoTokensAreTaken) {
    std::vector<std::string> mistakes;
    auto tokens = read({}, mistakes);
    tokens.open();
    EXPECT_THAT(mistakes, IsEmpty());
    EXPECT_FALSE(tokens.taken());
}

TEST(TokenSettings, AnIssuerIsReachedSafelyAndAskedForItsKeys) {
    std::vector<std::string> mistakes;
    read({"OIDC_ISSUER=http://login.example"}, mistakes);
    EXPECT_THAT(mistakes, ElementsAre(HasSubstr("OIDC_ISSUER: must begin with https://")));
    // Nothing listens there: whoever comes is told to come again, and not that the token is bad.
    auto tokens = read({"OIDC_ISSUER=http://127.0.0.1:1"}, mistakes);
    EXPECT_THAT(mistakes, IsEmpty());
    tokens.open();
    EXPECT_TRUE(tokens.taken());
    const auto failure_of = [&](const char* token) {
        try {
            tokens.holder_of(token);
        } catch (const rpc::Failure& failure) {
            return failure.code;
        }
        return grpc::StatusCode::OK;
    };
    EXPECT_EQ(failure_of("nonsense"), grpc::StatusCode::UNAUTHENTICATED);
    // {"alg":"ES256","kid":"1"} . {} . (nothing)
    EXPECT_EQ(failure_of("eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ.e30."), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace flowstack::service
