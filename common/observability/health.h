#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

// Whether this process should get work, and why not. Thread-safe.
namespace flowstack::observability {

enum class State {
    ok,
    degraded,  // works, with less: Kafka is away, what comes in is stored and sent on later
    failed,    // cannot do its work: no Postgres, wrong schema
};

struct Check {
    State state = State::ok;
    std::string detail = {};  // for people; what to do about it if it is not ok
};

struct Report {
    bool ready = true;      // no check failed and we are not going down
    bool degraded = false;  // some check is not ok
    std::vector<std::pair<std::string, Check>> checks;
};

class Health {
public:
    // `check` answers at once from what is in memory: it runs on the thread that serves the probe.
    void add(std::string name, std::function<Check()> check);

    // Not ready until open() and again after close(): starting and draining.
    void open();
    void close();

    Report report() const;
    // {"ready":true,"degraded":false,"checks":{"postgres":{"state":"ok","detail":""}}}
    static std::string to_json(const Report& report);

private:
    mutable std::mutex mutex_;
    bool open_ = false;
    bool closed_ = false;
    std::vector<std::pair<std::string, std::function<Check()>>> checks_;
};

}  // namespace flowstack::observability
