#include "common/service/certificates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <regex>

#include "common/observability/metrics.h"
#include "tests/support/certificates.h"

namespace flowstack::service {
namespace {

using flowstack::testing::TestCa;
using flowstack::testing::TestFolder;
using std::chrono::hours;
using ::testing::HasSubstr;
using ::testing::Not;

class Expiry : public ::testing::Test {
protected:
    // NaN when it is not shown.
    double shown(const std::string& name, const std::string& use) {
        metrics::Registry registry;
        certificates.show(registry, clock);
        const auto text = registry.render();
        std::smatch found;
        const std::regex line(name + R"(\{use=")" + use + R"("\} (\S+))");
        return std::regex_search(text, found, line) ? std::stod(found[1])
                                                    : std::numeric_limits<double>::quiet_NaN();
    }
    double hours_left(const std::string& use) {
        return shown("flowstack_certificate_expires_seconds", use) / 3600;
    }

    const TestFolder folder;
    const TestCa ca{"a CA"};
    const SystemClock clock;
    Certificates certificates;
};

TEST_F(Expiry, IsShownForEachUseAndFollowsAFileThatIsLoadedAgain) {
    const auto door = folder.write("door.pem", ca.issue("DNS:localhost", hours(48)).certificate);
    certificates.loaded("http_door", door);
    certificates.loaded("grpc", folder.write("g.pem", ca.issue("DNS:x", hours(2)).certificate));
    EXPECT_NEAR(hours_left("http_door"), 48, 0.1);
    EXPECT_NEAR(hours_left("grpc"), 2, 0.1);
    // It has been good for an hour.
    EXPECT_NEAR(shown("flowstack_certificate_lifetime_seconds", "grpc") / 3600, 3, 0.1);
    folder.write("door.pem", ca.issue("DNS:localhost", hours(96)).certificate);
    EXPECT_NEAR(hours_left("http_door"), 48, 0.1) << "what is on disk is not what is shown";
    certificates.loaded("http_door", door);
    EXPECT_NEAR(hours_left("http_door"), 96, 0.1);
}

TEST_F(Expiry, OfAChainTheFirstToRunOutCounts) {
    const auto leaf = ca.issue("DNS:localhost", hours(48)).certificate;
    const auto above = ca.issue("DNS:above", hours(5)).certificate;
    certificates.loaded("http_door", folder.write("chain.pem", leaf + above));
    EXPECT_NEAR(hours_left("http_door"), 5, 0.1);
}

TEST_F(Expiry, IsBelowZeroForOneThatHasRunOut) {
    certificates.loaded(
        "grpc", folder.write("old.pem", ca.issue("DNS:x", -std::chrono::minutes(30)).certificate));
    EXPECT_NEAR(hours_left("grpc"), -0.5, 0.1);
}

TEST_F(Expiry, AFileWithoutACertificateChangesNothing) {
    certificates.loaded("grpc", folder.write("ok.pem", ca.issue("DNS:x", hours(2)).certificate));
    certificates.loaded("grpc", folder.write("bad.pem", "no certificate"));
    certificates.loaded("grpc", folder.path("not there"));
    certificates.loaded("kafka_client",
                        folder.write("half.pem", ca.issue("DNS:x").certificate.substr(0, 200)));
    EXPECT_NEAR(hours_left("grpc"), 2, 0.1);
    EXPECT_TRUE(std::isnan(hours_left("kafka_client")));
}

}  // namespace
}  // namespace flowstack::service
