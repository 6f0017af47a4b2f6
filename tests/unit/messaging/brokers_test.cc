#include "common/messaging/brokers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "common/config/config.h"

namespace flowstack::messaging {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using Protocol = Brokers::Protocol;

struct Reading {
    Brokers brokers;
    std::vector<std::string> mistakes;
};

Reading read(const std::vector<std::string>& environment) {
    std::vector<const char*> env;
    for (const auto& entry : environment) env.push_back(entry.c_str());
    env.push_back(nullptr);
    const char* program = "payment";
    config::Reader reader(1, &program, env.data());
    Reading reading{brokers_of(reader), {}};
    reading.mistakes = reader.mistakes();
    return reading;
}

class File {
public:
    explicit File(const std::string& content) {
        const int descriptor = ::mkstemp(path_.data());
        if (descriptor >= 0) ::close(descriptor);
        std::ofstream(path_) << content;
    }
    ~File() { ::unlink(path_.c_str()); }
    File(const File&) = delete;
    const std::string& path() const { return path_; }

private:
    std::string path_ = "/tmp/flowstack-brokers-XXXXXX";
};

TEST(Brokers, AreReachedInTheClearUnlessAskedOtherwise) {
    const auto [brokers, mistakes] = read({"KAFKA_BROKERS=a:1,b:2"});
    EXPECT_EQ(brokers.addresses, "a:1,b:2");
    EXPECT_EQ(brokers.protocol, Protocol::plaintext);
    EXPECT_THAT(mistakes, IsEmpty());
}

TEST(Brokers, TakeANameAndAPasswordByTls) {
    const auto [brokers, mistakes] =
        read({"KAFKA_SECURITY_PROTOCOL=sasl_ssl", "KAFKA_SASL_USERNAME=shop",
              "KAFKA_SASL_PASSWORD=hush", "KAFKA_SASL_MECHANISM=SCRAM-SHA-256"});
    EXPECT_THAT(mistakes, IsEmpty());
    EXPECT_EQ(brokers.protocol, Protocol::sasl_ssl);
    EXPECT_EQ(brokers.mechanism, "SCRAM-SHA-256");
    EXPECT_EQ(brokers.username, "shop");
    EXPECT_EQ(brokers.password.reveal(), "hush");
}

TEST(Brokers, RefuseWhatTheirProtocolDoesNotUse) {
    EXPECT_THAT(read({"KAFKA_CA_FILE=/etc/hostname"}).mistakes,
                ElementsAre("KAFKA_CA_FILE: is not used with KAFKA_SECURITY_PROTOCOL=plaintext; "
                            "leave it out or choose ssl or sasl_ssl"));
    EXPECT_THAT(read({"KAFKA_SECURITY_PROTOCOL=ssl", "KAFKA_SASL_PASSWORD=hush"}).mistakes,
                ElementsAre(StartsWith("KAFKA_SASL_PASSWORD: is not used")));
    EXPECT_THAT(read({"KAFKA_SASL_USERNAME=shop"}).mistakes,
                ElementsAre(StartsWith("KAFKA_SASL_USERNAME: is not used")));
}

TEST(Brokers, WantWhatTheirProtocolNeeds) {
    EXPECT_THAT(
        read({"KAFKA_SECURITY_PROTOCOL=sasl_ssl"}).mistakes,
        ElementsAre("KAFKA_SASL_USERNAME: must be set with KAFKA_SECURITY_PROTOCOL=sasl_ssl",
                    "KAFKA_SASL_PASSWORD: must be set with "
                    "KAFKA_SECURITY_PROTOCOL=sasl_ssl"));
    EXPECT_THAT(read({"KAFKA_SECURITY_PROTOCOL=TLS"}).mistakes,
                ElementsAre(HasSubstr("KAFKA_SECURITY_PROTOCOL")));
}

TEST(Brokers, DoNotSendAPasswordItselfInTheClear) {
    EXPECT_THAT(read({"KAFKA_SECURITY_PROTOCOL=sasl_plaintext", "KAFKA_SASL_USERNAME=shop",
                      "KAFKA_SASL_PASSWORD=hush", "KAFKA_SASL_MECHANISM=PLAIN"})
                    .mistakes,
                ElementsAre(StartsWith("KAFKA_SASL_MECHANISM: PLAIN")));
}

TEST(Brokers, WantACertificateWithItsKey) {
    const File some("x");
    EXPECT_THAT(
        read({"KAFKA_SECURITY_PROTOCOL=ssl", "KAFKA_CLIENT_CERT_FILE=" + some.path()}).mistakes,
        ElementsAre("KAFKA_CLIENT_KEY_FILE: must be set with KAFKA_CLIENT_CERT_FILE"));
    EXPECT_THAT(
        read({"KAFKA_SECURITY_PROTOCOL=ssl", "KAFKA_CLIENT_KEY_FILE=" + some.path()}).mistakes,
        ElementsAre("KAFKA_CLIENT_CERT_FILE: must be set with KAFKA_CLIENT_KEY_FILE"));
}

TEST(Brokers, WantFilesThatCanBeUsed) {
    EXPECT_THAT(read({"KAFKA_SECURITY_PROTOCOL=ssl", "KAFKA_CA_FILE=/nowhere/ca.pem"}).mistakes,
                ElementsAre("KAFKA_CA_FILE: cannot read /nowhere/ca.pem"));
    const File rubbish("this is no certificate\n");
    EXPECT_THAT(read({"KAFKA_SECURITY_PROTOCOL=ssl", "KAFKA_CA_FILE=" + rubbish.path()}).mistakes,
                ElementsAre(StartsWith("KAFKA_CA_FILE: ")));
}

}  // namespace
}  // namespace flowstack::messaging
