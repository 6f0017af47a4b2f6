#include "services/campaign/adapters/shard_book.h"

#include <algorithm>

#include "common/core/overloaded.h"

namespace flowstack::campaign {
namespace {

bool concerns(const ShardEvent& event, const CustomerId& customer_id) {
    const auto listed = [&](const std::vector<CustomerId>& ids) {
        return std::find(ids.begin(), ids.end(), customer_id) != ids.end();
    };
    return std::visit(Overloaded{
                          [&](const DispositionChanged& e) { return e.customer_id == customer_id; },
                          [&](const SendWithdrawn& e) { return listed(e.customer_ids); },
                          [&](const SendAsked& e) { return listed(e.customer_ids); },
                          [](const ShardClosed&) { return true; },
                          [](const MembersFrozen&) { return false; },
                      },
                      event);
}

}  // namespace

const eventlog::Folded<Shard>& ShardBook::committed(const eventlog::StreamName& stream) {
    auto found = shards_.find(stream);
    if (found == shards_.end()) {
        used_.push_front(stream);
        found = shards_.emplace(stream, Entry{{}, used_.begin()}).first;
        if (shards_.size() > shards_max_) {
            shards_.erase(used_.back());
            used_.pop_back();
        }
    } else {
        used_.splice(used_.begin(), used_, found->second.place);
    }
    auto& folded = found->second.folded;
    for (const auto& event : store_.read_stream(stream, folded.version + 1)) {
        folded.state = evolve(std::move(folded.state), decode_shard(event.type, event.payload));
        folded.version = event.version;
    }
    return folded;
}

eventlog::Folded<Shard> ShardBook::about(const eventlog::StreamName& stream,
                                         const CustomerId& customer_id,
                                         const eventlog::Turn& turn) {
    const auto& whole = committed(stream);
    eventlog::Folded<Shard> one{.state = only(whole.state, customer_id), .version = whole.version};
    for (const auto& pending : turn.pending().events(stream)) {
        ++one.version;
        auto event = decode_shard(pending.type, pending.payload);
        if (!concerns(event, customer_id)) continue;
        // This view of the shard holds one recipient, so drop the others from the event's list.
        if (auto* asked = std::get_if<SendAsked>(&event)) asked->customer_ids = {customer_id};
        if (auto* back = std::get_if<SendWithdrawn>(&event)) back->customer_ids = {customer_id};
        one.state = evolve(std::move(one.state), event);
    }
    return one;
}

}  // namespace flowstack::campaign
