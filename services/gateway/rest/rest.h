#pragma once

#include <memory>

#include "common/http/router.h"
#include "services/gateway/rest/keys.h"
#include "services/gateway/rest/options.h"

// REST for every service, made of the google.api.http annotations of their gRPC methods: the JSON
// is the protobuf JSON of the same messages. Besides them it serves the short paths of older
// systems (aliases.h, docs/coming_from.md), and at /openapi.json the description of all of it
// (docs/api/openapi.json, made by flowstack-docs from the same annotations).
//
// Access: `Authorization: Bearer <ADMIN_KEY>` opens everything. A tenant's API key opens its own
// tenant; other tenants are NOT_FOUND. A method that is for operators only, and the HTTP status of
// a success, are options of the method (flowstack/common/v1/method.proto). `Idempotency-Key` is
// request_id, `If-Match` is etag. Errors are application/problem+json with the reason of
// google.rpc.ErrorInfo.
namespace flowstack::gateway {

class Rest {
public:
    // `keys` must outlive this object.
    Rest(const Keys& keys, RestOptions options);
    ~Rest();

    // Adds a route for every annotated method, for the aliases and for /openapi.json. The router's
    // handlers use this object: it must outlive the server.
    void add_routes(http::Router& router);

    // Whoever comes with a session's cookie is looked up in the store, so these requests are
    // handled by a worker; all others where they come.
    http::Handler with_sessions(http::Handler handler) const;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace flowstack::gateway
