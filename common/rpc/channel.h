#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "common/core/secret.h"

namespace grpc {
class Channel;
class ClientContext;
}  // namespace grpc

namespace flowstack::rpc {

class TlsIdentity;

struct ChannelOptions {
    Secret internal_key = {};  // sent as x-internal-key with every call
    // A token (JWT) or API key, sent as `authorization: Bearer …` with every call. Its holder makes
    // the calls then, whatever else is sent.
    Secret token = {};
    // None: plain HTTP/2. Otherwise TLS with our certificate, if it has one, to a neighbour whose
    // certificate has this name; when that is empty, the host name of its address.
    std::shared_ptr<const TlsIdentity> tls = nullptr;
    std::string peer_uri = {};
    // Who calls, when no call that this thread answers is the cause: "service:campaign".
    std::string actor = {};
    // For calls, and streams, whose context has none: a longer stream sets its own.
    std::chrono::milliseconds deadline{5000};
    // How often one call is tried in all; only UNAVAILABLE is tried again, with backoff. Everything
    // that changes something carries a request_id, so that a second try cannot do it twice.
    int attempts_max = 4;
    std::chrono::milliseconds backoff_initial{50};
    std::chrono::milliseconds backoff_max{1000};
    std::chrono::milliseconds keepalive{20'000};
    std::chrono::milliseconds keepalive_timeout{5'000};
    std::size_t message_bytes_max = std::size_t{16} << 20;
};

// A channel to a neighbour ("127.0.0.1:18011", "dns:///payment:9090"). It connects when first used
// and again whenever it must. Every call on it carries the internal key, this thread's trace
// context (as a child span), and who calls (common/rpc/caller.h) unless its context names somebody.
std::shared_ptr<grpc::Channel> make_channel(const std::string& address, ChannelOptions options);

// Sets `timeout` from now, unless the context already has an earlier deadline.
void set_timeout(grpc::ClientContext& context, std::chrono::milliseconds timeout);

}  // namespace flowstack::rpc
