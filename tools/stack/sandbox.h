#pragma once

#include <boost/json/value.hpp>
#include <memory>
#include <stdexcept>
#include <string>

#include "tools/stack/environment.h"

namespace flowstack::http {
class Client;
}

// The sandbox's control API (services/sandbox/README.md), and plain HTTP for tests.
namespace flowstack::stack {

struct HttpAnswer {
    int status = 0;  // 0: no answer
    std::string body;
    std::string error;
    std::string date{};  // its Date header
};

class Http {
public:
    Http();
    ~Http();
    HttpAnswer send(const std::string& method, const std::string& url, const std::string& body = "",
                    const std::vector<std::pair<std::string, std::string>>& headers = {},
                    int timeout_ms = 30'000);

private:
    std::unique_ptr<http::Client> client_;
};

// The control API said no, or nobody answered.
struct SandboxError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Sandbox {
public:
    explicit Sandbox(const Environment& environment);

    // path begins with /control/. Throws SandboxError for anything but 2xx.
    boost::json::value get(const std::string& path);
    boost::json::value put(const std::string& path, const boost::json::value& body);
    boost::json::value post(const std::string& path, const boost::json::value& body);
    void remove(const std::string& path);
    Http& http() { return http_; }
    const std::string& url() const { return url_; }

private:
    boost::json::value call(const std::string& method, const std::string& path,
                            const std::string& body);
    std::string url_;
    Http http_;
};

// Members of JSON that are known to be there; SandboxError that names them otherwise.
std::string text_at(const boost::json::value& value, const std::string& member);
std::int64_t number_at(const boost::json::value& value, const std::string& member);

}  // namespace flowstack::stack
