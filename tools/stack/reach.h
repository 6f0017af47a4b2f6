#pragma once

#include <memory>
#include <string>

#include "common/rpc/channel.h"
#include "common/rpc/tls.h"
#include "tools/stack/environment.h"

namespace flowstack::stack {

// How a tool reaches the services' gRPC doors, from the settings that the services have too: by TLS
// where GRPC_TLS_CA_FILE is set, with INTERNAL_KEY, a certificate (GRPC_TLS_CERT_FILE and
// _KEY_FILE), or what there is of both. With FLOWCTL_TOKEN it shows that token and nothing else.
class Reach {
public:
    // Throws std::runtime_error that names a file that cannot be used.
    explicit Reach(const Environment& environment);

    // A service must have the name that GRPC_TLS_ID makes of its own; without that setting, the
    // host name of its address.
    rpc::ChannelOptions to(const std::string& service) const;
    // The same for somebody without a certificate, who shows this as the key.
    rpc::ChannelOptions to_with_key(const std::string& service, const std::string& key) const;
    // For somebody who shows a token or a tenant's API key.
    rpc::ChannelOptions to_with_token(const std::string& service, const std::string& token) const;
    bool has_token() const { return !token_.empty(); }

private:
    std::string peer_uri(const std::string& service) const;

    std::string key_;
    std::string token_;
    std::string pattern_;
    std::shared_ptr<const rpc::TlsIdentity> tls_;
    std::shared_ptr<const rpc::TlsIdentity> tls_without_certificate_;
};

}  // namespace flowstack::stack
