#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/observability/health.h"
#include "common/observability/metrics.h"

namespace flowstack::observability {

struct AdminOptions {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;
};

// The operators' door: GET /metrics (Prometheus text), /livez (200 while the process answers),
// /readyz (200 or 503 with the Health report), /health ({"ok":true}). It stays open while the
// process drains, so that what hangs can be seen; stop it last, so add it first.
class AdminServer {
public:
    AdminServer(AdminOptions options, const Health& health, const metrics::Registry& registry);
    ~AdminServer();
    AdminServer(const AdminServer&) = delete;
    AdminServer& operator=(const AdminServer&) = delete;

    // Another page of JSON, for people and tools: before `start`.
    void add_page(std::string path, std::function<std::string()> json);

    void start();  // throws std::runtime_error if the port cannot be had
    std::uint16_t port() const;
    void drain(std::chrono::milliseconds grace);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace flowstack::observability
