#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/core/clock.h"
#include "common/core/guarded.h"
#include "common/eventlog/folds.h"
#include "common/eventlog/work.h"
#include "services/campaign/adapters/codec.h"
#include "services/campaign/config.h"

// Freezes a lane's part of an audience: its owner writes down who is in it.
//
// "All" means everybody who was a contact when the campaign started: the lane first waits until
// this service has read as far as its sources had written when the freezing began. Who opted out is
// a member and never written to, so that the tenant sees how many were left out, and why.
// Thread-safe.
namespace flowstack::campaign {

class Freezer {
public:
    // The head of every lane of a source ("gateway", "conversation"). Throws
    // flowstack::Unavailable.
    using Heads = std::function<std::vector<std::int64_t>(const std::string& source)>;

    Freezer(eventlog::Store& store, const Clock& clock, Heads heads, const Config& config);

    // A handler for eventlog::WorkRunner.
    void freeze(const eventlog::WorkRow& row);

private:
    bool caught_up(const eventlog::WorkRow& row, const Draft& draft, std::int64_t& position);
    std::vector<Member> next_members(const std::string& tenant, int lane, const Draft& draft,
                                     const CustomerId& after, bool& more);

    eventlog::Store& store_;
    const Clock& clock_;
    Heads heads_;
    Config config_;
    eventlog::Folds<CampaignCodec> campaigns_;
    eventlog::Folds<ShardCodec> shards_;
    // Where each source's lane stood when its freezing began, by work row and source.
    Guarded<std::map<std::pair<std::string, std::string>, std::int64_t>> targets_;
};

}  // namespace flowstack::campaign
