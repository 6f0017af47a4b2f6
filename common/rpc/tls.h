#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace grpc {
class ChannelCredentials;
class ServerCredentials;
}  // namespace grpc

namespace flowstack::rpc {

// Paths of PEM files.
struct TlsFiles {
    std::string certificate;  // ours with its chain; together with `key` or not at all
    std::string key;          // without a password
    std::string ca;           // those whose signature we believe, at doors and at neighbours
};

// Our side of TLS 1.2 and 1.3 at gRPC doors and on channels: one certificate for both, read again
// when its files change. Connections that are open keep what they began with. Thread-safe.
//
// The files are looked at once a second. At a door, files that do not fit together, or are being
// written, leave everything as it is. As a caller gRPC reads them by itself: until they fit, it
// makes no new connections.
class TlsIdentity {
public:
    // Told of new files; with a reason when they cannot be used, once for each change.
    using Listener = std::function<void(std::string_view failure)>;

    // Reads the files. Throws std::runtime_error that names the file and the reason.
    explicit TlsIdentity(TlsFiles files, Listener listener = {});
    ~TlsIdentity();
    TlsIdentity(const TlsIdentity&) = delete;
    TlsIdentity& operator=(const TlsIdentity&) = delete;

    // The URIs that our certificate gives us.
    std::vector<std::string> uris() const;

    // For a door. `asks`: callers may show a certificate, which must then be in time and signed by
    // a CA of ours, or the handshake fails. This object must outlive the server. Throws
    // std::logic_error when there is no certificate of ours.
    std::shared_ptr<grpc::ServerCredentials> at_door(bool asks) const;

    // For a channel. The other side's certificate must be in time, signed by a CA of ours, and have
    // `peer_uri` as its name; when that is empty, the host name under which it is called.
    std::shared_ptr<grpc::ChannelCredentials> to_peer(const std::string& peer_uri) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace flowstack::rpc
