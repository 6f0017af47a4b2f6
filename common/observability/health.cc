#include "common/observability/health.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <string_view>

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
    boost::json::object checks;
    for (const auto& [name, check] : report.checks) {
        checks[name] = {{"state", boost::json::string_view{name_of(check.state)}},
                        {"detail", check.detail}};
    }
    return boost::json::serialize(boost::json::object{
        {"ready", report.ready}, {"degraded", report.degraded}, {"checks", std::move(checks)}});
}

}  // namespace flowstack::observability
