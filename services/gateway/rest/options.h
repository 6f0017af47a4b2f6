#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/core/clock.h"
#include "common/core/secret.h"
#include "common/http/client.h"
#include "common/identity/code_flow.h"
#include "common/identity/issuer.h"
#include "common/rpc/caller.h"
#include "common/rpc/rate_limits.h"
#include "services/gateway/rest/sessions.h"

namespace grpc {
class Channel;
}

namespace flowstack::gateway {

struct MediaBytes {
    std::string bytes;
    std::string mime_type;
};

// How people log in with a browser.
struct LoginOptions {
    identity::LoginClient client;  // without the redirect
    // The address at which browsers reach this door.
    std::string base_url;
    std::chrono::milliseconds lifetime{28'800'000};  // of a session, whatever happens
    std::chrono::milliseconds idle{1'800'000};       // and when it is not used
    std::shared_ptr<identity::Issuer> issuer;
    Sessions* sessions = nullptr;
    const Clock* clock = nullptr;
    // Seals what the browser keeps between the way to the issuer and the way back; the same at
    // every replica.
    std::function<Secret()> seal_key;
    // Sends a request and waits for its answer.
    std::function<http::ClientResult(http::ClientRequest)> send;
    // Runs a job where it may wait; false when too much waits already.
    std::function<bool(std::function<void()>)> on_worker;
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
    // None: nobody logs in with a browser.
    std::optional<LoginOptions> login = std::nullopt;
};

}  // namespace flowstack::gateway
