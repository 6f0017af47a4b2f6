#include "tools/stack/reach.h"

#include <stdexcept>

#include "common/rpc/peer_names.h"

namespace flowstack::stack {

Reach::Reach(const Environment& environment)
    : key_(environment.get("INTERNAL_KEY")),
      token_(environment.get("FLOWCTL_TOKEN")),
      pattern_(environment.get("GRPC_TLS_ID")) {
    const rpc::TlsFiles files{.certificate = environment.get("GRPC_TLS_CERT_FILE"),
                              .key = environment.get("GRPC_TLS_KEY_FILE"),
                              .ca = environment.get("GRPC_TLS_CA_FILE")};
    if (files.ca.empty()) {
        if (!files.certificate.empty())
            throw std::runtime_error(
                "GRPC_TLS_CA_FILE is not set: whose certificates are to be believed?");
        return;
    }
    if (files.certificate.empty() != files.key.empty())
        throw std::runtime_error("GRPC_TLS_CERT_FILE and GRPC_TLS_KEY_FILE go together");
    tls_ = std::make_shared<rpc::TlsIdentity>(files);
    tls_without_certificate_ = std::make_shared<rpc::TlsIdentity>(
        rpc::TlsFiles{.certificate = {}, .key = {}, .ca = files.ca});
}

std::string Reach::peer_uri(const std::string& service) const {
    if (!tls_ || pattern_.empty()) return {};
    try {
        return rpc::PeerNames::of_services(pattern_, {service}).uri_of(service);
    } catch (const std::invalid_argument& error) {
        throw std::runtime_error(std::string("GRPC_TLS_ID: ") + error.what());
    }
}

rpc::ChannelOptions Reach::to(const std::string& service) const {
    if (!token_.empty()) return to_with_token(service, token_);
    return {.internal_key = Secret(key_), .tls = tls_, .peer_uri = peer_uri(service)};
}

rpc::ChannelOptions Reach::to_with_key(const std::string& service, const std::string& key) const {
    return {.internal_key = Secret(key),
            .tls = tls_without_certificate_,
            .peer_uri = peer_uri(service)};
}

rpc::ChannelOptions Reach::to_with_token(const std::string& service,
                                         const std::string& token) const {
    return {.token = Secret(token), .tls = tls_without_certificate_, .peer_uri = peer_uri(service)};
}

}  // namespace flowstack::stack
