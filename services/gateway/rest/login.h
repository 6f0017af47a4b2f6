#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/http/router.h"
#include "services/gateway/rest/options.h"

// People who log in with a browser: OpenID Connect authorization code flow with PKCE, and then a
// session of our own in a cookie (docs/adr/0021-browser-sessions.md).
//
//   GET  /auth/login?return_to=/path   to the issuer
//   GET  /auth/callback                back from it, with the session's cookie
//   GET  /auth/session                 who one is; for holders of keys and tokens too
//   POST /auth/logout                  ends the session, at every replica at once
namespace flowstack::gateway {

class RestCalls;

// A path of this door and nothing else: no other host, whatever a browser makes of the text.
bool is_local_path(std::string_view path);

// The value of a cookie; nothing when the request has none of that name.
std::optional<std::string> cookie_in(const http::Request& request, std::string_view name);

// "https://shop.example" of the address at which a browser reaches this door, as `Origin` says it.
std::string origin_of(std::string_view base_url);

// Throws PERMISSION_DENIED unless a page of ours made this request: a browser sends cookies along
// whoever asks it to.
void refuse_other_sites(const http::Request& request, std::string_view own_origin);

// "__Host-flowstack_session" where the door is reached by HTTPS.
std::string session_cookie_name(const LoginOptions& options);

class LoginDoor {
public:
    // `calls` and what the options name must outlive this object.
    LoginDoor(const RestCalls& calls, const std::optional<LoginOptions>& options);
    ~LoginDoor();

    // Also without a login: the paths then say that there is none.
    void add_routes(http::Router& router);

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace flowstack::gateway
