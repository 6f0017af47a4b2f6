#include "tools/flowctl/lanes.h"

#include "common/rpc/error.h"

namespace flowstack::flowctl {
namespace {
constexpr std::chrono::milliseconds kAskTimeout{3000};
}  // namespace

AllLanes lanes_of_all(Context& context) {
    AllLanes all;
    for (const auto& service : stack::kServices) {
        auto& lanes = all[service];
        try {
            lanes.status = context.api().call<common::v1::LaneStatusResponse>(
                service, "common:EventLog/LaneStatus", common::v1::LaneStatusRequest(),
                kAskTimeout);
            lanes.answered = true;
        } catch (const rpc::Failure& failure) {
            lanes.why_not = failure.message;
        }
    }
    return all;
}

std::vector<Progress> progress_of(const AllLanes& all) {
    std::vector<Progress> found;
    for (const auto& [consumer, lanes] : all)
        for (const auto& state : lanes.status.consumers()) {
            Progress progress{.consumer = consumer,
                              .source = state.source(),
                              .lane = state.lane(),
                              .owner = {},
                              .applied = state.applied(),
                              .parked = state.parked()};
            if (state.lane() < lanes.status.lanes_size())
                progress.owner = lanes.status.lanes(state.lane()).owner();
            const auto source = all.find(state.source());
            if (source != all.end() && state.lane() < source->second.status.lanes_size())
                progress.head = source->second.status.lanes(state.lane()).position();
            found.push_back(std::move(progress));
        }
    return found;
}

}  // namespace flowstack::flowctl
