#include "services/campaign/adapters/heads.h"

#include <grpcpp/grpcpp.h>

#include "common/core/broken_world.h"
#include "common/rpc/channel.h"
#include "flowstack/common/v1/event_log.grpc.pb.h"

namespace flowstack::campaign {
namespace {
constexpr std::chrono::milliseconds kHeadsTimeout{3000};
}

Freezer::Heads make_heads(
    std::function<std::shared_ptr<grpc::Channel>(const std::string& service)> channel) {
    return [channel = std::move(channel)](const std::string& source) {
        const auto stub = common::v1::EventLog::NewStub(channel(source));
        grpc::ClientContext context;
        rpc::set_timeout(context, kHeadsTimeout);
        common::v1::HeadsResponse answer;
        const auto status = stub->Heads(&context, common::v1::HeadsRequest(), &answer);
        if (!status.ok()) throw Unavailable("heads of " + source + ": " + status.error_message());
        std::vector<std::int64_t> heads(static_cast<std::size_t>(answer.heads_size()));
        for (const auto& head : answer.heads())
            heads.at(static_cast<std::size_t>(head.lane())) = head.position();
        return heads;
    };
}

}  // namespace flowstack::campaign
