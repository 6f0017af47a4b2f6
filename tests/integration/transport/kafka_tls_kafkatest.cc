#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>

#include "common/messaging/kafka.h"

// Real Kafka behind TLS, and behind TLS with a name and a password: ./flowstack test starts it so.
namespace flowstack::messaging {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Protocol = Brokers::Protocol;

constexpr seconds kPatience{20};
// A broker that refuses does so within milliseconds.
constexpr milliseconds kRefusedWithin{1'500};

std::string given(const char* name) {
    const char* text = std::getenv(name);
    if (!text)
        throw std::runtime_error(std::string(name) + " is not set; ./flowstack test sets it");
    return text;
}

std::string certificate(const std::string& file) { return given("TEST_CERTIFICATES") + "/" + file; }

Brokers by_password(const std::string& mechanism = "PLAIN") {
    Brokers brokers(given("TEST_KAFKA_SASL_BROKERS"));
    brokers.protocol = Protocol::sasl_ssl;
    brokers.ca_file = certificate("ca.pem");
    brokers.mechanism = mechanism;
    brokers.username = "flowstack";
    brokers.password = Secret(given("TEST_KAFKA_SASL_PASSWORD"));
    return brokers;
}

Brokers by_certificate() {
    Brokers brokers(given("TEST_KAFKA_TLS_BROKERS"));
    brokers.protocol = Protocol::ssl;
    brokers.ca_file = certificate("ca.pem");
    brokers.certificate_file = certificate("client.pem");
    brokers.key_file = certificate("client.key");
    return brokers;
}

class KafkaByTls : public ::testing::Test {
protected:
    void SetUp() override {
        if (given("TEST_KAFKA_KIND") != "kafka") GTEST_SKIP() << "the stand-in speaks no TLS";
    }
    // Makes a topic, writes a record, reads it back by each way of reading.
    void carries_a_record(const Brokers& brokers) {
        static int topics = 0;
        const auto topic = "transport-" + std::to_string(getpid()) + "-" + std::to_string(++topics);
        ensure_topics(brokers, {topic}, 1, kPatience);
        Producer producer(brokers);
        ASSERT_TRUE(producer.produce(topic, 0, "key", "value", {}, 1));
        const auto until = Steady::now() + kPatience;
        auto acknowledged = producer.poll(milliseconds(100));
        while (acknowledged.empty() && Steady::now() < until)
            acknowledged = producer.poll(milliseconds(100));
        ASSERT_EQ(acknowledged.size(), 1U);
        EXPECT_TRUE(acknowledged.front().delivered);
        const auto last = last_record(brokers, topic, 0, kPatience);
        ASSERT_TRUE(last);
        EXPECT_EQ(last->value, "value");
        LaneConsumer consumer({.brokers = brokers, .group = topic, .topics = {topic}});
        consumer.assign({0});
        auto records = consumer.poll(10, milliseconds(100));
        while (records.empty() && Steady::now() < until)
            records = consumer.poll(10, milliseconds(100));
        ASSERT_EQ(records.size(), 1U);
        EXPECT_EQ(records.front().value, "value");
    }
    // Why a broker refuses; fails when it does not, or when it only seems to be away.
    std::string refusal(const Brokers& brokers) {
        try {
            ensure_topics(brokers, {"transport-never"}, 1, kRefusedWithin);
        } catch (const BusRefused& refused) {
            return refused.what();
        } catch (const BusUnavailable& away) {
            ADD_FAILURE() << "away, not refused: " << away.what();
            return away.what();
        }
        ADD_FAILURE() << "was let in";
        return {};
    }
};

TEST_F(KafkaByTls, LetsInWhoHasTheNameAndThePassword) { carries_a_record(by_password()); }

// Debian 12's library sends a nonce that Kafka 4 does not take. Then the refusal must say so: who
// reads "invalid credentials" would look for a mistake in the password.
TEST_F(KafkaByTls, SpeaksScramOrSaysWhatTheLibraryLacks) {
    for (const auto* mechanism : {"SCRAM-SHA-512", "SCRAM-SHA-256"}) {
        SCOPED_TRACE(mechanism);
        if (rd_kafka_version() >= 0x020601ff)
            carries_a_record(by_password(mechanism));
        else
            EXPECT_THAT(refusal(by_password(mechanism)), HasSubstr("librdkafka 2.6.1"));
    }
}

TEST_F(KafkaByTls, LetsInWhoHasACertificate) { carries_a_record(by_certificate()); }

TEST_F(KafkaByTls, RefusesAWrongPasswordAndSaysSo) {
    auto brokers = by_password();
    brokers.password = Secret("wrong");
    EXPECT_THAT(refusal(brokers), HasSubstr("SASL authentication error"));
}

TEST_F(KafkaByTls, RefusesAClientWithoutACertificateWhereOneIsAskedFor) {
    auto brokers = by_certificate();
    brokers.certificate_file.clear();
    brokers.key_file.clear();
    EXPECT_THAT(refusal(brokers), AnyOf(HasSubstr("SSL handshake failed"), HasSubstr("alert")));
}

TEST_F(KafkaByTls, BelievesNoBrokerWhoseCertificateAnotherCaSigned) {
    auto brokers = by_password();
    brokers.ca_file = certificate("other-ca.pem");
    EXPECT_THAT(refusal(brokers), HasSubstr("certificate verify failed"));
}

TEST_F(KafkaByTls, BelievesNoBrokerUnderAnotherName) {
    auto brokers = by_password();
    // Another way to write 127.0.0.1, which the certificate does not name.
    brokers.addresses = "127.1" + brokers.addresses.substr(brokers.addresses.find(':'));
    EXPECT_THAT(refusal(brokers), HasSubstr("certificate verify failed"));
}

TEST_F(KafkaByTls, SaysThatPlaintextMetAPortForTls) {
    EXPECT_THAT(refusal(Brokers(given("TEST_KAFKA_TLS_BROKERS"))),
                HasSubstr("KAFKA_SECURITY_PROTOCOL"));
}

TEST_F(KafkaByTls, SaysThatTlsMetAPortForPlaintext) {
    auto brokers = by_certificate();
    brokers.addresses = given("TEST_KAFKA_BROKERS");
    EXPECT_THAT(refusal(brokers), HasSubstr("SSL handshake failed"));
}

// A broker that is away is no mistake of ours: nothing listens on port 1.
TEST_F(KafkaByTls, TellsABrokerThatIsAwayFromOneThatRefuses) {
    auto brokers = by_password();
    brokers.addresses = "127.0.0.1:1";
    try {
        ensure_topics(brokers, {"transport-never"}, 1, kRefusedWithin);
        FAIL() << "was let in";
    } catch (const BusRefused& refused) {
        FAIL() << refused.what();
    } catch (const BusUnavailable& away) {
        EXPECT_THAT(away.what(), HasSubstr("Connection refused"));
    }
}

}  // namespace
}  // namespace flowstack::messaging
