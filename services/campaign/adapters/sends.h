#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "services/campaign/domain/campaign.h"

namespace grpc {
class Channel;
}

// gateway, as far as a campaign needs it: the one seam at which tests stand in for it.
namespace flowstack::campaign {

struct SendBatch {
    std::string tenant;
    CampaignId campaign_id;
    int round = 0;         // part of the ids that gateway derives
    ChannelId channel_id;  // may be empty
    std::string purpose;   // marketing | utility
    struct Item {
        CustomerId customer_id;
        std::string text;                // empty when it is a template
        std::string template_content{};  // serialised flowstack.common.v1.TemplateContent
    };
    std::vector<Item> items;  // at most kSendBatchMax
};
inline constexpr std::size_t kSendBatchMax = 100;

struct Refused {
    CustomerId customer_id;
    std::string reason;
};

// gateway refuses the whole batch, and will as long as nobody changes something (no such channel,
// …).
struct SendsRefused : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Sends {
public:
    virtual ~Sends() = default;
    // Queues the messages; whoever is asked twice in one round is queued once. Answers those that
    // gateway would not even queue. Throws SendsRefused, flowstack::Unavailable.
    virtual std::vector<Refused> ask(const SendBatch& batch) = 0;
    // Withdraws what has not left, and says how many. Throws flowstack::Unavailable.
    virtual int withdraw(const std::string& tenant, const CampaignId& campaign_id,
                         const std::string& reason) = 0;
};

std::unique_ptr<Sends> make_gateway_sends(std::shared_ptr<grpc::Channel> channel);

}  // namespace flowstack::campaign
