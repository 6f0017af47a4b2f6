#include "common/service/tail_watch.h"

#include <grpcpp/channel.h>

#include <algorithm>
#include <vector>

#include "common/core/number_ranges.h"
#include "common/eventlog/loop_statements.h"
#include "common/observability/log.h"
#include "common/rpc/channel.h"
#include "flowstack/common/v1/event_log.grpc.pb.h"

namespace flowstack::service {
namespace {

constexpr std::chrono::milliseconds kAskTimeout{1000};

}  // namespace

observability::Check tail_check(const eventlog::Membership::Report& report) {
    using observability::State;
    if (!report.tail_lost.empty())
        return {State::degraded,
                "lanes " + number_ranges(report.tail_lost) +
                    " refuse to be written to: their logs end " +
                    std::to_string(report.events_lost) +
                    " events before what the bus or another service has; recover them or declare "
                    "them lost (docs/runbooks/FlowStackTailLost.md)"};
    if (!report.uncompared.empty())
        return {State::degraded,
                "lanes " + number_ranges(report.uncompared) +
                    " refuse to be written to until they are compared with the bus: the database "
                    "was restored or failed over (docs/runbooks/FlowStackTailLost.md)"};
    return {State::ok, ""};
}

TailWatch::TailWatch(eventlog::Store& store,
                     std::map<std::string, std::shared_ptr<grpc::Channel>> readers,
                     std::chrono::milliseconds every)
    : store_(store), readers_(std::move(readers)), every_(every) {}

void TailWatch::start() {
    loop_.start([this](Loop& loop) {
        while (!loop.stopping()) {
            try {
                look();
            } catch (const std::exception& error) {
                log::debug("what other services have read could not be compared",
                           {{"error", error.what()}});
            }
            loop.sleep(every_);
        }
    });
}

int TailWatch::look() {
    const auto& service = store_.options().service;
    std::map<int, std::pair<std::int64_t, std::string>> furthest;  // lane → position, reader
    for (const auto& [name, channel] : readers_) {
        if (loop_.stopping()) return 0;
        grpc::ClientContext context;
        rpc::set_timeout(context, kAskTimeout);
        common::v1::LaneStatusResponse answer;
        const auto stub = common::v1::EventLog::NewStub(channel);
        if (!stub->LaneStatus(&context, {}, &answer).ok()) continue;
        for (const auto& state : answer.consumers())
            if (state.source() == service && state.applied() > furthest[state.lane()].first)
                furthest[state.lane()] = {state.applied(), name};
    }
    // Read after the answers: whatever they have read was in the log before.
    const auto heads = store_.heads();
    int behind = 0;
    for (const auto& [lane, known] : furthest) {
        const auto& [position, reader] = known;
        if (lane < 0 || static_cast<std::size_t>(lane) >= heads.size()) continue;
        const auto head = heads[static_cast<std::size_t>(lane)];
        if (position <= head) continue;
        ++behind;
        store_.pool().with([&](postgres::Session& session) {
            session.query(eventlog::loops::kLaneReadTo.sql,
                          postgres::Params().add(lane).add(position));
        });
        log::error("the log has lost its tail: another service has read further than it goes",
                   {{"lane", lane}, {"head", head}, {"reader", reader}, {"read", position}});
    }
    return behind;
}

}  // namespace flowstack::service
