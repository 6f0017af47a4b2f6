#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/server.h"

namespace flowstack::http {

// Chooses a handler by method and path.
//
// Patterns: "/v1/tenants/{tenant}/messages/{id}:retry". `{name}` is exactly one segment (not
// empty),
// `{name=**}` the rest of the path (may be empty, only at the end), `:verb` after a variable is
// literal. The most specific pattern wins: literal, then variable with verb, then variable, then
// rest. Segments are split before they are decoded, so an encoded slash stays inside its segment.
//
// No pattern for the path → 404; a pattern but not for the method → 405 with Allow. HEAD is
// answered by the GET handler (the server leaves the body out). While spans are recorded, a handler
// runs under one of its request, below the `traceparent` that came with it. Not thread-safe while
// routes are added; `handler()` takes a copy of the table.
class Router {
public:
    struct Route {
        std::string method;
        std::string pattern;
    };

    Router();
    ~Router();
    Router(Router&&) noexcept;
    Router& operator=(Router&&) noexcept;

    // Throws std::invalid_argument on a malformed pattern and on one that is already taken.
    void add(std::string method, std::string pattern, Handler handler);

    // May outlive this object.
    Handler handler() const;

    // Every route, in the order of `add`.
    const std::vector<Route>& routes() const;

private:
    struct Table;
    std::shared_ptr<Table> table_;
};

// [{"method":"GET","path":"/v1/tenants"},…], as the admin door shows it.
std::string routes_json(const std::vector<Router::Route>& routes);

}  // namespace flowstack::http
