#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "common/postgres/session.h"

// PostgreSQL by TLS, as DATABASE_URL asks for it: libpq checks the server's certificate and its
// name.
namespace flowstack::postgres {
namespace {

using ::testing::HasSubstr;

std::string given(const char* name) {
    const char* text = std::getenv(name);
    if (!text)
        throw std::runtime_error(std::string(name) + " is not set; ./flowstack test sets it");
    return text;
}

std::string verified_by(const std::string& ca, std::string url = given("TEST_DATABASE_URL")) {
    url += "?sslmode=verify-full&ssl_min_protocol_version=TLSv1.2&sslrootcert=";
    return url + given("TEST_CERTIFICATES") + "/" + ca;
}

std::string why_not(const std::string& url) {
    try {
        Session({.url = url}).query("select 1");
    } catch (const std::exception& error) {
        return error.what();
    }
    return {};
}

TEST(PostgresByTls, ConnectsToAServerWhoseCertificateTheRightCaSigned) {
    Session session({.url = verified_by("ca.pem")});
    const auto result =
        session.query("select version from pg_stat_ssl where pid = pg_backend_pid() and ssl");
    ASSERT_EQ(result.rows(), 1);
    EXPECT_THAT(result.text(0, 0), HasSubstr("TLSv1."));
}

TEST(PostgresByTls, BelievesNoServerWhoseCertificateAnotherCaSigned) {
    EXPECT_THAT(why_not(verified_by("other-ca.pem")), HasSubstr("certificate verify failed"));
}

// The same server, called by a name that is not in its certificate.
TEST(PostgresByTls, BelievesNoServerUnderAnotherName) {
    auto url = given("TEST_DATABASE_URL");
    const std::string host = "@127.0.0.1";
    url.replace(url.find(host), host.size(), "@shop.example");
    const auto text = why_not(verified_by("ca.pem", url) + "&hostaddr=127.0.0.1");
    EXPECT_THAT(text, HasSubstr("does not match host name"));
}

}  // namespace
}  // namespace flowstack::postgres
