#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "common/eventlog/membership.h"
#include "common/eventlog/store.h"
#include "common/observability/health.h"
#include "common/service/loop.h"

namespace grpc {
class Channel;
}

namespace flowstack::service {

// What /readyz says about lanes whose logs have lost a tail, or may have, and so refuse to be
// written to.
observability::Check tail_check(const eventlog::Membership::Report& report);

// Asks the other services how far they have read this service's log. One that has read further than
// the log goes shows that the log has lost a tail, also when the bus has forgotten it: the lane
// refuses to be written to from then on. One that does not answer is asked again later.
class TailWatch {
public:
    TailWatch(eventlog::Store& store, std::map<std::string, std::shared_ptr<grpc::Channel>> readers,
              std::chrono::milliseconds every);

    void start();
    void stop() { loop_.stop(); }
    // Asks once. How many lanes were found to be behind a reader.
    int look();

private:
    eventlog::Store& store_;
    std::map<std::string, std::shared_ptr<grpc::Channel>> readers_;
    std::chrono::milliseconds every_;
    Loop loop_;  // last: its end waits for the thread that uses the others
};

}  // namespace flowstack::service
