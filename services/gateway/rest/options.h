#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/core/secret.h"
#include "common/rpc/caller.h"
#include "common/rpc/rate_limits.h"

namespace grpc {
class Channel;
}

namespace flowstack::gateway {

struct MediaBytes {
    std::string bytes;
    std::string mime_type;
};

struct RestOptions {
    Secret admin_key;
    // Opens /admin and /api/admin by Basic authentication, as admin_key does; empty: only that.
    Secret admin_password{};
    // Wrong keys that one address may send at once, and how long it waits for one more after those.
    int wrong_keys_max = 30;
    std::chrono::milliseconds wrong_key_every{2'000};
    std::chrono::milliseconds timeout{10'000};
    // Shared with the gRPC door; none: nobody is counted. Must outlive the door.
    rpc::RateLimits* rate_limits = nullptr;
    // The channel to a service by its name ("payment"); throws when it is not configured.
    std::function<std::shared_ptr<grpc::Channel>(const std::string& service)> channel;
    // Who shows this token (JWT), with what it grants. Throws a Failure when it is not good. None:
    // no tokens are taken.
    std::function<rpc::Caller(std::string_view token)> holder_of = nullptr;
    // The bytes of a tenant's media; nothing when they are not here. None: no bytes are served.
    std::function<std::optional<MediaBytes>(const std::string& tenant, const std::string& media_id)>
        media = nullptr;
};

}  // namespace flowstack::gateway
