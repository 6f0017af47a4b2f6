#pragma once

#include <map>
#include <string>

#include "common/core/clock.h"
#include "common/core/guarded.h"
#include "common/crypto/certificate.h"

namespace flowstack::metrics {
class Registry;
}

namespace flowstack::service {

// The certificates of ours that this process has loaded, by what they are for: http_door, grpc,
// kafka_client, postgresql_client. Thread-safe.
class Certificates {
public:
    // This file was loaded just now, for the first time or again. A file without a certificate that
    // can be read changes nothing.
    void loaded(const std::string& use, const std::string& file);

    // flowstack_certificate_expires_seconds{use}: until the first of its chain runs out, below 0
    // when it has. flowstack_certificate_lifetime_seconds{use}: how long that one was made for.
    void show(metrics::Registry& registry, const Clock& clock) const;

private:
    Guarded<std::map<std::string, crypto::Validity>> known_;
};

}  // namespace flowstack::service
