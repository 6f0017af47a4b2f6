#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "common/core/secret.h"

namespace flowstack::config {
class Reader;
}

namespace flowstack::messaging {

// Where the bus is, and how a client comes in: in the clear, by TLS, with a name and a password.
struct Brokers {
    // The words of KAFKA_SECURITY_PROTOCOL, in the order of this enum.
    enum class Protocol : std::uint8_t { plaintext, ssl, sasl_plaintext, sasl_ssl };

    Brokers() = default;
    // In the clear: a private network, development, tests.
    Brokers(std::string bootstrap) : addresses(std::move(bootstrap)) {}  // NOLINT: on purpose
    Brokers(const char* bootstrap) : addresses(bootstrap) {}             // NOLINT: on purpose

    bool tls() const { return protocol == Protocol::ssl || protocol == Protocol::sasl_ssl; }
    bool sasl() const {
        return protocol == Protocol::sasl_plaintext || protocol == Protocol::sasl_ssl;
    }

    std::string addresses;  // "host:port,host:port"
    Protocol protocol = Protocol::plaintext;
    // Paths of PEM files. Without a CA the system's are believed. The name in a broker's
    // certificate must be the one under which it is called.
    std::string ca_file;
    std::string certificate_file;  // ours, with its chain; together with key_file or not at all
    std::string key_file;
    std::string mechanism;  // PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
    std::string username;
    Secret password;
};

// Reads KAFKA_BROKERS, KAFKA_SECURITY_PROTOCOL, KAFKA_CA_FILE, KAFKA_CLIENT_CERT_FILE,
// KAFKA_CLIENT_KEY_FILE and KAFKA_SASL_*. Reports a setting that the protocol does not use or
// lacks, and files that the library cannot use, as mistakes under the setting's name.
Brokers brokers_of(config::Reader& reader);

}  // namespace flowstack::messaging
