#include "tools/stack/sandbox.h"

#include <boost/json.hpp>

#include "common/http/client.h"

namespace flowstack::stack {

namespace json = boost::json;

Http::Http() : client_(std::make_unique<http::Client>()) {}
Http::~Http() = default;

HttpAnswer Http::send(const std::string& method, const std::string& url, const std::string& body,
                      const std::vector<std::pair<std::string, std::string>>& headers,
                      int timeout_ms) {
    http::ClientRequest request{
        .method = method, .url = url, .body = body, .timeout_ms = timeout_ms};
    for (const auto& [name, value] : headers) request.headers.set(name, value);
    const auto result = client_->call_and_wait(std::move(request));
    if (result.outcome != http::ClientResult::Outcome::answered) return {0, "", result.error};
    return {result.response.status, result.response.body, "",
            std::string(result.response.headers.get("Date"))};
}

Sandbox::Sandbox(const Environment& environment) : url_(environment.required("SANDBOX_URL")) {}

json::value Sandbox::call(const std::string& method, const std::string& path,
                          const std::string& body) {
    const auto answer =
        http_.send(method, url_ + path, body, {{"Content-Type", "application/json"}}, 60'000);
    if (answer.status / 100 != 2)
        throw SandboxError(method + " " + path + ": " + std::to_string(answer.status) + " " +
                           answer.body + answer.error);
    if (answer.body.empty()) return nullptr;
    return json::parse(answer.body);
}

json::value Sandbox::get(const std::string& path) { return call("GET", path, ""); }
json::value Sandbox::put(const std::string& path, const json::value& body) {
    return call("PUT", path, json::serialize(body));
}
json::value Sandbox::post(const std::string& path, const json::value& body) {
    return call("POST", path, json::serialize(body));
}
void Sandbox::remove(const std::string& path) { call("DELETE", path, ""); }

std::string text_at(const json::value& value, const std::string& member) {
    const auto* object = value.if_object();
    const auto* found = object ? object->if_contains(member) : nullptr;
    if (!found || !found->is_string())
        throw SandboxError("no text '" + member + "' in " + json::serialize(value));
    return std::string(found->as_string());
}

std::int64_t number_at(const json::value& value, const std::string& member) {
    const auto* object = value.if_object();
    const auto* found = object ? object->if_contains(member) : nullptr;
    if (!found || !found->is_number())
        throw SandboxError("no number '" + member + "' in " + json::serialize(value));
    return found->to_number<std::int64_t>();
}

}  // namespace flowstack::stack
