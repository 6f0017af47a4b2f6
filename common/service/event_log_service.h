#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/eventlog/consumption.h"
#include "common/eventlog/followers.h"
#include "common/eventlog/source.h"
#include "common/eventlog/store.h"
#include "common/eventlog/tail.h"

namespace grpc {
class Channel;
class Service;
}  // namespace grpc
namespace flowstack::rpc {
class Server;
}

// flowstack.common.v1.EventLog: both ends of it.
namespace flowstack::service {

// What only the replica itself knows.
struct ThisReplica {
    std::string id{};
    // Consumption::release on the thread that consumes; out_of_range when the lane is another's.
    std::function<eventlog::Consumption::Released(const std::string& source, int lane,
                                                  const std::string& routing_key)>
        release{};
    // Whom its relay tells of new records at once. None: nobody can follow. Outlives the door.
    eventlog::Followers* followers = nullptr;
    // recover_tails and lose_tails with this service's bus.
    std::function<std::vector<eventlog::Recovery>(const eventlog::Ordered& by,
                                                  const std::function<bool()>& enough)>
        recover_tails{};
    std::function<std::vector<eventlog::Loss>(const eventlog::LossRequest& request,
                                              const eventlog::Ordered& by)>
        lose_tails{};
};

// Metadata with which a server answers EventLog.Follow as soon as it tells the caller everything:
// the name of the service.
inline constexpr const char* kFollowedHeader = "x-flowstack-followed";

// Serves the log of `store`. `door` and `store` must outlive it.
std::unique_ptr<grpc::Service> make_event_log_service(rpc::Server& door, eventlog::Store& store,
                                                      ThisReplica replica = {});

// Another service's log over its channel; throws eventlog::TryLater when it cannot be had.
std::shared_ptr<eventlog::Source> make_remote_source(std::shared_ptr<grpc::Channel> channel);

}  // namespace flowstack::service
