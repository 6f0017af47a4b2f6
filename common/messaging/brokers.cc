#include "common/messaging/brokers.h"

#include <fstream>
#include <vector>

#include "common/config/config.h"
#include "common/messaging/kafka.h"

namespace flowstack::messaging {
namespace {

const std::vector<std::string> kProtocols{"plaintext", "ssl", "sasl_plaintext", "sasl_ssl"};
const std::vector<std::string> kMechanisms{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};
constexpr const char* kWithTls = "ssl or sasl_ssl";
constexpr const char* kWithSasl = "sasl_ssl or sasl_plaintext";

Brokers::Protocol protocol_of(const std::string& word) {
    std::size_t index = 0;
    while (index < kProtocols.size() && kProtocols[index] != word) ++index;
    return static_cast<Brokers::Protocol>(index % kProtocols.size());
}

// What one setting lacks or has too much. Counts, so that files are tried only when all is in
// order.
class BrokerMistakes {
public:
    BrokerMistakes(config::Reader& reader, std::string protocol)
        : reader_(reader), protocol_(std::move(protocol)) {}

    void found(const std::string& text) {
        any_ = true;
        reader_.mistake(text);
    }
    void unused(const char* name, bool given, const char* protocols) {
        if (given)
            found(std::string(name) + ": is not used with KAFKA_SECURITY_PROTOCOL=" + protocol_ +
                  "; leave it out or choose " + protocols);
    }
    void missing(const char* name, bool given) {
        if (!given)
            found(std::string(name) + ": must be set with KAFKA_SECURITY_PROTOCOL=" + protocol_);
    }
    void unreadable(const char* name, const std::string& path) {
        if (!path.empty() && !std::ifstream(path))
            found(std::string(name) + ": cannot read " + path);
    }
    bool any() const { return any_; }

private:
    config::Reader& reader_;
    std::string protocol_;
    bool any_ = false;
};

}  // namespace

Brokers brokers_of(config::Reader& reader) {
    Brokers brokers(reader.text("KAFKA_BROKERS", "127.0.0.1:9092", "Kafka bootstrap servers"));
    const auto protocol = reader.choice(
        "KAFKA_SECURITY_PROTOCOL", kProtocols.front(), kProtocols,
        "how Kafka is reached: ssl is TLS, sasl adds a name and a password; plaintext is for a "
        "private network");
    brokers.protocol = protocol_of(protocol);
    brokers.ca_file =
        reader.text("KAFKA_CA_FILE", "",
                    "PEM file of the CA that signed the brokers' certificates; without it the "
                    "system's CAs are believed");
    brokers.certificate_file = reader.text("KAFKA_CLIENT_CERT_FILE", "",
                                           "PEM file of our own certificate and its chain, where "
                                           "brokers ask for one");
    brokers.key_file =
        reader.text("KAFKA_CLIENT_KEY_FILE", "",
                    "PEM file of that certificate's private key, without a password");
    brokers.mechanism =
        reader.choice("KAFKA_SASL_MECHANISM", kMechanisms.front(), kMechanisms,
                      "how the password is shown to a broker: PLAIN only by TLS; SCRAM is taken by "
                      "Kafka 4 from librdkafka 2.6.1 on, by Kafka 3 from every one");
    brokers.username = reader.text("KAFKA_SASL_USERNAME", "", "our name at the brokers");
    brokers.password = reader.secret("KAFKA_SASL_PASSWORD", "", "its password");

    BrokerMistakes mistakes(reader, protocol);
    if (brokers.tls()) {
        mistakes.unreadable("KAFKA_CA_FILE", brokers.ca_file);
        mistakes.unreadable("KAFKA_CLIENT_CERT_FILE", brokers.certificate_file);
        mistakes.unreadable("KAFKA_CLIENT_KEY_FILE", brokers.key_file);
        if (brokers.certificate_file.empty() && !brokers.key_file.empty())
            mistakes.found("KAFKA_CLIENT_CERT_FILE: must be set with KAFKA_CLIENT_KEY_FILE");
        if (!brokers.certificate_file.empty() && brokers.key_file.empty())
            mistakes.found("KAFKA_CLIENT_KEY_FILE: must be set with KAFKA_CLIENT_CERT_FILE");
    } else {
        mistakes.unused("KAFKA_CA_FILE", !brokers.ca_file.empty(), kWithTls);
        mistakes.unused("KAFKA_CLIENT_CERT_FILE", !brokers.certificate_file.empty(), kWithTls);
        mistakes.unused("KAFKA_CLIENT_KEY_FILE", !brokers.key_file.empty(), kWithTls);
    }
    if (brokers.sasl()) {
        mistakes.missing("KAFKA_SASL_USERNAME", !brokers.username.empty());
        mistakes.missing("KAFKA_SASL_PASSWORD", !brokers.password.empty());
        if (!brokers.tls() && brokers.mechanism == "PLAIN")
            mistakes.found(
                "KAFKA_SASL_MECHANISM: PLAIN sends the password itself, so it wants "
                "KAFKA_SECURITY_PROTOCOL=sasl_ssl");
    } else {
        mistakes.unused("KAFKA_SASL_USERNAME", !brokers.username.empty(), kWithSasl);
        mistakes.unused("KAFKA_SASL_PASSWORD", !brokers.password.empty(), kWithSasl);
    }
    if (brokers.tls() && !mistakes.any())
        if (const auto why = why_unusable(brokers); !why.empty()) mistakes.found(why);
    return brokers;
}

}  // namespace flowstack::messaging
