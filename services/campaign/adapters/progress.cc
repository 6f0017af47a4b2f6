#include "services/campaign/adapters/progress.h"

#include <cctype>
#include <string>

#include "common/core/overloaded.h"
#include "services/campaign/adapters/codec.h"
#include "services/campaign/adapters/streams.h"

namespace flowstack::campaign {

namespace {

std::string label_of(Disposition disposition) {
    std::string label(text_of(disposition));
    for (auto& c : label) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return label;
}

}  // namespace

Progress::Progress(metrics::Registry& metrics) {
    for (const auto disposition :
         {Disposition::waiting, Disposition::queued, Disposition::cancelled, Disposition::unknown,
          Disposition::sent, Disposition::suppressed, Disposition::failed, Disposition::delivered,
          Disposition::read, Disposition::replied})
        recipients_.emplace(disposition,
                            metrics.counter("flowstack_campaign_recipients_total",
                                            "recipients of campaigns, by what they came to",
                                            {{"disposition", label_of(disposition)}}));
}

void Progress::count(const eventlog::Recorded& event) const {
    if (event.service != "campaign" || event.stream.category != kShardCategory) return;
    std::visit(
        Overloaded{
            [&](const MembersFrozen& e) {
                for (const auto& member : e.members)
                    recipients_
                        .at(member.suppressed.empty() ? Disposition::waiting
                                                      : Disposition::suppressed)
                        .add();
            },
            [&](const SendAsked& e) {
                recipients_.at(Disposition::queued).add(static_cast<double>(e.customer_ids.size()));
            },
            [&](const SendWithdrawn& e) {
                recipients_.at(Disposition::waiting)
                    .add(static_cast<double>(e.customer_ids.size()));
            },
            [&](const DispositionChanged& e) { recipients_.at(e.disposition).add(); },
            [](const ShardClosed&) {}},
        decode_shard(event.type, event.payload));
}

}  // namespace flowstack::campaign
