#include "common/observability/health.h"

#include <string_view>

#include "common/text/json_string.h"

namespace flowstack::observability {
namespace {

std::string_view name_of(State state) {
    switch (state) {
        case State::ok:
            return "ok";
        case State::degraded:
            return "degraded";
        case State::failed:
            return "failed";
    }
    return "failed";
}

}  // namespace

void Health::add(std::string name, std::function<Check()> check) {
    const std::lock_guard lock(mutex_);
    checks_.emplace_back(std::move(name), std::move(check));
}

void Health::open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
}

void Health::close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
}

Report Health::report() const {
    Report report;
    std::vector<std::pair<std::string, std::function<Check()>>> checks;
    {
        const std::lock_guard lock(mutex_);
        checks = checks_;
        if (closed_) {
            report.checks.emplace_back("process", Check{State::failed, "shutting down"});
        } else if (!open_) {
            report.checks.emplace_back("process", Check{State::failed, "starting"});
        } else {
            report.checks.emplace_back("process", Check{});
        }
    }
    for (const auto& [name, check] : checks) report.checks.emplace_back(name, check());
    for (const auto& [name, check] : report.checks) {
        if (check.state == State::failed) report.ready = false;
        if (check.state != State::ok) report.degraded = true;
    }
    return report;
}

std::string Health::to_json(const Report& report) {
    std::string checks;
    for (const auto& [name, check] : report.checks) {
        if (!checks.empty()) checks += ',';
        text::append_json_string(checks, name);
        checks += R"(:{"state":")" + std::string(name_of(check.state)) + R"(","detail":)";
        text::append_json_string(checks, check.detail);
        checks += '}';
    }
    const auto word = [](bool value) { return std::string(value ? "true" : "false"); };
    return R"({"ready":)" + word(report.ready) + R"(,"degraded":)" + word(report.degraded) +
           R"(,"checks":{)" + checks + "}}";
}

}  // namespace flowstack::observability
