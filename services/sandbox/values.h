#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

// The values that cross the sandbox's walls: calls that come in, replies, posts that go out, and
// the world (time, timers, network) as one small interface, so that every rule of the stand-ins
// is tested without a socket or a clock.
namespace flowstack::sandbox {

using Time = std::chrono::sys_time<std::chrono::microseconds>;
using Milliseconds = std::chrono::milliseconds;

inline std::int64_t micros(Time t) { return t.time_since_epoch().count(); }
inline std::int64_t seconds(Time t) { return micros(t) / 1'000'000; }

// One HTTP call as received. Header names are lower case; path has no query; query values are
// percent-decoded.
struct Call {
    std::string method;
    std::string path;
    std::map<std::string, std::string> query;
    std::map<std::string, std::string> headers;
    std::string body = {};

    std::string header(const std::string& lower_case_name) const {
        const auto it = headers.find(lower_case_name);
        return it == headers.end() ? std::string{} : it->second;
    }
    std::string parameter(const std::string& name) const {
        const auto it = query.find(name);
        return it == query.end() ? std::string{} : it->second;
    }
};

struct Reply {
    int status = 200;
    std::string body = {};
    std::string content_type = "application/json";
    std::vector<std::pair<std::string, std::string>> headers = {};
    bool cut = false;  // drop the connection instead of answering
};

using Answer = std::function<void(Reply)>;

// One POST to leave. `status` of the result is 0 when no HTTP answer came.
struct Outgoing {
    std::string url;
    std::vector<std::pair<std::string, std::string>> headers = {};
    std::string body = {};
};
struct PostResult {
    int status = 0;
    std::string body = {};
    std::string error;
    std::string retry_after = {};  // the header of that name
};

// Time, timers, randomness and the network. Callbacks come on any thread, never from inside the
// call that was given them. Implementations are thread-safe.
class World {
public:
    virtual ~World() = default;
    virtual Time now() = 0;
    virtual void after(Milliseconds delay, std::function<void()> what) = 0;
    virtual void post(Outgoing what, std::function<void(PostResult)> done) = 0;
    virtual std::uint64_t random() = 0;
};

}  // namespace flowstack::sandbox
