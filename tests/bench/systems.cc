#include "tests/bench/systems.h"

#include <sstream>
#include <stdexcept>

namespace flowstack::bench {
namespace {

constexpr std::chrono::minutes kScriptPatience{5};

// peers/e2e-node/run.sh; returns what it printed.
std::string run_script(const Context& context, const std::vector<std::string>& arguments,
                       std::map<std::string, std::string> settings = {}) {
    std::vector<std::string> command{context.peer_file("e2e-node/run.sh")};
    command.insert(command.end(), arguments.begin(), arguments.end());
    settings["GRAPH_BASE_URL"] = context.environment.required("META_BASE_URL");
    settings["APP_SECRET"] = context.environment.required("META_APP_SECRET");
    Child script(command, settings, context.run_file("log/bench-e2e-node.log"));
    const auto code = script.wait(kScriptPatience);
    if (code != 0)
        throw std::runtime_error("peers/e2e-node/run.sh " + arguments.front() + " ended with " +
                                 std::to_string(code) + ": " + script.log());
    return script.log();
}

// The dev broker keeps nothing over a restart, and what is measured with it means nothing.
bool real_kafka(const Context& context) {
    return context.environment.required("KAFKA_KIND") == "kafka";
}

}  // namespace

FlowStackSystem::FlowStackSystem(const Context& context) : context_(context) {
    for (const auto& service : stack::kServices) context.flowstack("start " + service);
}

FlowStackSystem::~FlowStackSystem() {
    for (auto service = stack::kServices.rbegin(); service != stack::kServices.rend(); ++service)
        try {
            context_.flowstack("stop " + *service);
        } catch (const std::exception& error) {
            context_.say(error.what());
        }
}

std::vector<pid_t> FlowStackSystem::processes() const {
    auto pids = programs();
    pids.push_back(context_.pid_of("kafka"));
    pids.push_back(context_.pid_of("postgres"));
    return pids;
}

std::vector<pid_t> FlowStackSystem::programs() const {
    std::vector<pid_t> pids;
    for (const auto& service : stack::kServices) pids.push_back(context_.pid_of(service + "-0"));
    return pids;
}

NodeSystem::NodeSystem(const Context& context, const std::string& phone_number_id,
                       const std::string& access_token)
    : context_(context) {
    if (real_kafka(context)) context.flowstack("stop kafka");
    context.flowstack("stop postgres");
    try {
        run_script(context, {"start"},
                   {{"PHONE_NUMBER_ID", phone_number_id}, {"ACCESS_TOKEN", access_token}});
        std::istringstream lines(run_script(context, {"pids"}));
        for (std::string line; std::getline(lines, line);)
            if (const auto at = line.find('='); at != std::string::npos)
                pids_[line.substr(0, at)] = std::stoi(line.substr(at + 1));
        for (const auto* name : {"api", "worker", "redis", "postgres"})
            if (!pids_.contains(name))
                throw std::runtime_error(std::string("the peer's ") + name + " does not run");
    } catch (...) {
        give_back();
        throw;
    }
}

NodeSystem::~NodeSystem() { give_back(); }

void NodeSystem::give_back() noexcept {
    try {
        run_script(context_, {"stop"});
        context_.flowstack("start postgres");
        if (real_kafka(context_)) context_.flowstack("start kafka");
    } catch (const std::exception& error) {
        context_.say(error.what());
    }
}

std::vector<pid_t> NodeSystem::processes() const {
    std::vector<pid_t> pids;
    for (const auto& [name, pid] : pids_) pids.push_back(pid);
    return pids;
}

std::vector<pid_t> NodeSystem::programs() const { return {pids_.at("api"), pids_.at("worker")}; }

std::string NodeSystem::missing(const Context& context) { return context.missing("e2e_node"); }

std::string NodeSystem::webhook_url(const Context& context) {
    return "http://127.0.0.1:" + context.environment.required("E2E_NODE_HTTP_PORT") +
           "/webhooks/whatsapp";
}

std::string NodeSystem::database_url(const Context& context) {
    return context.environment.required("E2E_NODE_DATABASE_URL");
}

}  // namespace flowstack::bench
