#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "common/core/time.h"

// A person who logs in at the command line: OpenID Connect with a browser of this machine (RFC
// 8252), and where the token is kept.
namespace flowstack::flowctl {

struct LoginRequest {
    std::string issuer;
    std::string client_id;
    std::string scopes = "openid";
    std::string ca_file;  // PEM; empty: the system's
    std::chrono::seconds wait{300};
};

struct LoggedIn {
    std::string token;  // an access token: what the services are shown
    std::string subject;
    Time expires{};
};

// `show` gets the address that is to be opened in a browser; its answer comes to a port of this
// machine that is open for so long. Throws std::runtime_error with the reason.
LoggedIn log_in(const LoginRequest& request, const std::function<void(const std::string&)>& show);

// The tokens by server (GATEWAY_GRPC), in a file that nobody else can read.
class LoginFile {
public:
    // Of FLOWCTL_LOGIN_FILE, else flowstack/logins.json below XDG_CONFIG_HOME or ~/.config.
    LoginFile();
    explicit LoginFile(std::filesystem::path path) : path_(std::move(path)) {}

    const std::filesystem::path& path() const { return path_; }
    void keep(const std::string& server, const LoggedIn& login) const;
    // Whether there was one.
    bool forget(const std::string& server) const;
    // Nothing when nobody has logged in there. Throws UsageError for a token that has expired
    // (going on as somebody else would surprise) and for a file that others can read.
    std::optional<std::string> token_for(const std::string& server, Time now) const;

private:
    std::filesystem::path path_;
};

}  // namespace flowstack::flowctl
