#include "common/observability/admin.h"

#include <map>

#include "common/http/server.h"

namespace flowstack::observability {
namespace {

using Pages = std::map<std::string, std::function<std::string()>>;

http::Response answer(const http::Request& request, const Health& health,
                      const metrics::Registry& registry, const Pages& pages) {
    const auto page = pages.find(request.path);
    const bool known = request.path == "/metrics" || request.path == "/livez" ||
                       request.path == "/readyz" || request.path == "/health" ||
                       page != pages.end();
    if (!known) {
        return http::Response::problem(
            404, "Not found", "this door has /metrics, /livez, /readyz and /health", "NOT_FOUND");
    }
    if (request.method != "GET" && request.method != "HEAD") {
        auto refusal =
            http::Response::problem(405, "Method not allowed", "use GET", "METHOD_NOT_ALLOWED");
        refusal.headers.set("Allow", "GET, HEAD");
        return refusal;
    }
    if (page != pages.end()) return http::Response::json(200, page->second());
    if (request.path == "/metrics") {
        http::Response text;
        text.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
        text.body = registry.render();
        return text;
    }
    if (request.path == "/readyz") {
        const auto report = health.report();
        auto ready = http::Response::json(report.ready ? 200 : 503, Health::to_json(report));
        ready.headers.set("Cache-Control", "no-store");
        return ready;
    }
    return http::Response::json(200, R"({"ok":true})");
}

}  // namespace

struct AdminServer::Impl {
    std::shared_ptr<Pages> pages;
    http::Server server;
};

AdminServer::AdminServer(AdminOptions options, const Health& health,
                         const metrics::Registry& registry) {
    http::ServerOptions door;
    door.address = std::move(options.address);
    door.port = options.port;
    door.connections_max = 64;
    door.body_bytes_max = 1024;
    const auto pages = std::make_shared<Pages>();
    impl_.reset(
        new Impl{pages, http::Server{std::move(door),
                                     [&health, &registry, pages](const http::Request& request,
                                                                 const http::Responder& responder) {
                                         responder.send(answer(request, health, registry, *pages));
                                     }}});
}

AdminServer::~AdminServer() = default;

void AdminServer::add_page(std::string path, std::function<std::string()> json) {
    impl_->pages->insert_or_assign(std::move(path), std::move(json));
}
void AdminServer::start() { impl_->server.start(); }
std::uint16_t AdminServer::port() const { return impl_->server.port(); }
void AdminServer::drain(std::chrono::milliseconds grace) { impl_->server.drain(grace); }

}  // namespace flowstack::observability
