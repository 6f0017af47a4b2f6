#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/eventlog/source.h"
#include "common/eventlog/store.h"

namespace flowstack::testing {

// Another service's log, written by a test in memory: what a consumer reads when nothing comes by
// the bus. The log of the service under test itself is eventlog::own_source(store).
class ScriptedLog final : public eventlog::Source {
public:
    ScriptedLog(std::string service, int lanes)
        : service_(std::move(service)), lanes_(static_cast<std::size_t>(lanes)) {}

    // `message` is any protobuf message. Its place in the log follows from the routing, as in the
    // real one.
    template <class Message>
    const eventlog::Recorded& happened(eventlog::StreamName stream, eventlog::Routing routing,
                                       const Message& message, Time at,
                                       std::optional<eventlog::Position> causation = {}) {
        const int lane = eventlog::lane_of(routing, stream.tenant, static_cast<int>(lanes_.size()));
        auto& log = lanes_[static_cast<std::size_t>(lane)];
        eventlog::Recorded event;
        event.service = service_;
        event.lane = lane;
        event.position = static_cast<std::int64_t>(log.size()) + 1;
        event.version = ++versions_[stream];
        event.stream = std::move(stream);
        event.event_id = eventlog::derive_id(
            service_ + " " + std::to_string(lane) + " " + std::to_string(event.position), at,
            "test", 0);
        event.type = message.GetTypeName();
        event.payload = message.SerializeAsString();
        event.recorded_at = at;
        event.occurred_at = at;
        event.meta.routing = std::move(routing);
        event.meta.causation = std::move(causation);
        log.push_back(std::move(event));
        return log.back();
    }

    std::vector<std::int64_t> heads() override {
        std::vector<std::int64_t> heads;
        for (const auto& lane : lanes_) heads.push_back(static_cast<std::int64_t>(lane.size()));
        return heads;
    }

    std::vector<eventlog::Recorded> read(int lane, std::int64_t from, std::int64_t to,
                                         int limit) override {
        const auto& log = lanes_[static_cast<std::size_t>(lane)];
        std::vector<eventlog::Recorded> page;
        for (auto at = from; at <= static_cast<std::int64_t>(log.size()); ++at) {
            if ((to != 0 && at > to) || static_cast<int>(page.size()) == limit) break;
            page.push_back(log[static_cast<std::size_t>(at) - 1]);
        }
        return page;
    }

private:
    std::string service_;
    std::vector<std::vector<eventlog::Recorded>> lanes_;
    std::map<eventlog::StreamName, std::int64_t> versions_;
};

}  // namespace flowstack::testing
