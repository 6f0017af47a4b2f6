#pragma once

#include <string>

#include "common/eventlog/folds.h"
#include "common/eventlog/turn.h"
#include "services/campaign/adapters/campaign_codec.h"
#include "services/campaign/adapters/shard_book.h"
#include "services/campaign/config.h"

// What campaign does about the facts of the other services, and what it remembers of them.
namespace flowstack::campaign {

// Kinds of documents. Those about people come from one source each, so that a rebuild gives the
// same ones.
inline constexpr const char* kCampaignDocument = "campaign";    // v1.Campaign
inline constexpr const char* kRecipientDocument = "recipient";  // v1.Recipient; parent: campaign
inline constexpr const char* kTenantDocument = "tenant";        // v1.TenantView
inline constexpr const char* kContactDocument =
    "contact";  // v1.ContactView, of gateway; parent: phone
inline constexpr const char* kCustomerDocument = "customer";  // v1.CustomerView, of conversation

// The newest sends of campaigns that a contact remembers, to tell replies.
inline constexpr int kRecentSendsMax = 5;

class Handlers {
public:
    Handlers(eventlog::Store& store, const Config& config)
        : store_(store), shards_(store), config_(config) {}

    // Records what became of a recipient's message. At most one command for an event.
    void react(const eventlog::Recorded& event, eventlog::Turn& turn);
    void project(const eventlog::Recorded& event, eventlog::Turn& turn);

private:
    void record(const std::string& campaign_id, const std::string& customer_id, Disposition what,
                const std::string& reason, eventlog::Turn& turn);
    void withdrawn(const std::string& campaign_id, const std::string& customer_id,
                   const std::string& reason, eventlog::Turn& turn);
    void append(const std::string& campaign_id, int lane, const eventlog::Folded<Shard>& shard,
                const ShardCommand& command, eventlog::Turn& turn);

    eventlog::Store& store_;
    ShardBook shards_;
    Config config_;
};

// Reasons that campaign gives when it withdraws, and finds again in MessageCancelled.
inline constexpr const char* kPausedReason = "campaign_paused";
inline constexpr const char* kCancelledReason = "campaign_cancelled";

// Why a running campaign sends nothing at the moment.
inline constexpr const char* kQuietHoursReason = "quiet_hours";

}  // namespace flowstack::campaign
