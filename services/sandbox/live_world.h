#pragma once

#include <memory>

#include "common/http/client.h"
#include "services/sandbox/values.h"

namespace flowstack::sandbox {

// The real world: the machine's clock, one timer thread, and HTTP posts by the common client.
// After stop() nothing calls back any more.
class LiveWorld final : public World {
public:
    LiveWorld();
    ~LiveWorld() override;
    LiveWorld(const LiveWorld&) = delete;
    LiveWorld& operator=(const LiveWorld&) = delete;

    Time now() override;
    void after(Milliseconds delay, std::function<void()> what) override;
    void post(Outgoing what, std::function<void(PostResult)> done) override;
    std::uint64_t random() override;

    // Drops what still waits, ends the thread, cuts the calls in progress. Safe to repeat.
    void stop();

private:
    struct Timers;
    std::unique_ptr<Timers> timers_;
    std::unique_ptr<http::Client> client_;
};

}  // namespace flowstack::sandbox
