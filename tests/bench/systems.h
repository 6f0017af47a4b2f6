#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/bench/bench.h"

// The two systems that `e2e` measures in turns, each with its own PostgreSQL. Only one of them runs
// at a time, so that neither pays for the other's timers, compilers or autovacuum.
namespace flowstack::bench {

class System {
public:
    virtual ~System() = default;
    // All that it consists of: what its CPU is counted of.
    virtual std::vector<pid_t> processes() const = 0;
    // Without PostgreSQL, Kafka or Redis: what its memory is counted of.
    virtual std::vector<pid_t> programs() const = 0;
};

// The five services. PostgreSQL and Kafka run before and after, as the rest of the bench wants it.
class FlowStackSystem : public System {
public:
    explicit FlowStackSystem(const Context& context);
    ~FlowStackSystem() override;
    std::vector<pid_t> processes() const override;
    std::vector<pid_t> programs() const override;

private:
    const Context& context_;
};

// peers/e2e-node. Our PostgreSQL and Kafka are stopped while it lives.
class NodeSystem : public System {
public:
    // Its only shop has this number and this access token.
    NodeSystem(const Context& context, const std::string& phone_number_id,
               const std::string& access_token);
    ~NodeSystem() override;
    std::vector<pid_t> processes() const override;
    std::vector<pid_t> programs() const override;

    // Why it cannot be measured on this machine; empty when it can.
    static std::string missing(const Context& context);
    // Where its door takes webhooks.
    static std::string webhook_url(const Context& context);
    static std::string database_url(const Context& context);

private:
    // Ends it and starts our PostgreSQL and Kafka again.
    void give_back() noexcept;

    const Context& context_;
    std::map<std::string, pid_t> pids_;
};

}  // namespace flowstack::bench
