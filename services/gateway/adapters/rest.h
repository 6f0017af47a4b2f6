#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "common/core/secret.h"
#include "common/http/router.h"
#include "services/gateway/adapters/directory.h"

namespace grpc {
class Channel;
}

// REST for every service, made of the google.api.http annotations of their gRPC methods: the JSON
// is the protobuf JSON of the same messages. And the short paths of older systems (aliases.h,
// docs/coming_from.md).
//
// Who may: `Authorization: Bearer <ADMIN_KEY>` everything; a tenant's API key its own tenant, and
// other tenants are NOT_FOUND. `Idempotency-Key` is request_id, `If-Match` is etag. Errors are
// application/problem+json with the reason of google.rpc.ErrorInfo.
namespace flowstack::gateway {

struct RestOptions {
    Secret admin_key;
    std::chrono::milliseconds timeout_ms{10'000};
    // The channel to a service by its name ("payment"); throws when it is not configured.
    std::function<std::shared_ptr<grpc::Channel>(const std::string& service)> channel;
};

class Rest {
public:
    Rest(const Directory& directory, RestOptions options);
    ~Rest();

    // Adds a route for every annotated method and for the aliases. The router's handlers use this
    // object: it must outlive the server.
    void add_routes(http::Router& router);

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace flowstack::gateway
