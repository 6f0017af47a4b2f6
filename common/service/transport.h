#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/rpc/admission.h"
#include "common/rpc/channel.h"
#include "common/rpc/tls.h"

namespace flowstack::config {
class Reader;
}

namespace flowstack::service {

// How our services reach each other by gRPC, and how they know who calls: in the clear or by TLS,
// with INTERNAL_KEY or with certificates.
class Transport {
public:
    Transport() = default;
    // Of the service `name`, among `services`. Reads INTERNAL_KEY, GRPC_AUTH and GRPC_TLS_*, and
    // reports under their names what does not fit together, and files that cannot be used.
    Transport(config::Reader& reader, const std::string& name,
              const std::vector<std::string>& services);

    // Begins to watch the files. New ones, and those that cannot be used, are told to the log.
    // `loaded` hears of the certificate's file now and whenever it was read again.
    void open(std::function<void(const std::string& file)> loaded = {});

    const Secret& internal_key() const { return admission_.internal_key; }
    const rpc::AdmissionRules& admission() const { return admission_; }
    std::chrono::milliseconds connection_age() const { return connection_age_; }
    // Our side of TLS; null when everything is in the clear. After open().
    std::shared_ptr<const rpc::TlsIdentity> tls() const { return tls_; }
    // For a channel to one of the services, from this one, as far as proving who is who goes. After
    // open().
    rpc::ChannelOptions to(const std::string& service) const;

private:
    std::string name_;
    rpc::AdmissionRules admission_;
    std::optional<rpc::TlsFiles> files_;
    std::chrono::milliseconds connection_age_{};
    std::shared_ptr<const rpc::TlsIdentity> tls_;
};

}  // namespace flowstack::service
