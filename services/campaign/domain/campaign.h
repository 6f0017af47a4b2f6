#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/core/decision.h"
#include "common/core/id.h"
#include "common/core/time.h"

// A campaign: one message to many customers. Its recipients live in shards (audience_shard.h).
//
//   DRAFT → SCHEDULED → RUNNING ⇄ PAUSED → COMPLETED | CANCELLED
//
// This file is the vocabulary, and campaign.cc the rulebook; both are pure.
namespace flowstack::campaign {

using CampaignId = Id<struct CampaignKind>;

enum class Type { promotional, transactional };
enum class AudienceKind { all, tag, list };

struct Audience {
    AudienceKind kind = AudienceKind::all;
    std::vector<std::string> values;  // tag: any of these; list: customer ids
    bool operator==(const Audience&) const = default;
};

// A template of the provider. The rules do not look into what is put in.
struct TemplateUse {
    std::string name;  // empty: it is a text
    std::string language_code;
    std::string content;  // serialised flowstack.common.v1.TemplateContent
    bool operator==(const TemplateUse&) const = default;
};

// What a campaign says, to whom, and how fast. Fixed once it is drafted.
struct Draft {
    CampaignId campaign_id;
    std::string name;
    std::string body;         // with {{name}}; empty when it is a template
    TemplateUse in_template;  // instead of the body
    Type type = Type::promotional;
    Audience audience;
    std::string default_name;  // for customers without a name
    int per_second = 0;        // 0 = as the channel allows
    ChannelId channel_id;      // empty: the tenant's only one
    bool operator==(const Draft&) const = default;
};

inline constexpr std::size_t kNameMax = 200;
// WhatsApp's limit for a text, before names are put in.
inline constexpr std::size_t kBodyMax = 4096;
inline constexpr std::size_t kAudienceTagsMax = 50;
inline constexpr std::size_t kAudienceListMax = 5000;  // one event, below the bus's limit
inline constexpr int kPerSecondMax = 1000;

// --- Commands ------------------------------------------------------------------------------------

struct DraftCampaign {
    Draft draft;
    std::vector<std::string> template_values{};  // what is put into the template, with {{name}}
};
struct ScheduleCampaign {
    Time start_at{};
    Time now{};
};
// Now. The lanes are those of this installation: each of them freezes its part of the audience.
struct StartCampaign {
    int lanes = 0;
};
struct PauseCampaign {
    std::string reason;
};
struct ResumeCampaign {};
struct CancelCampaign {
    std::string reason;
};
// Every lane has frozen its members: this many in all.
struct RecordFrozen {
    std::int64_t audience = 0;
};
// So many recipients have a disposition.
struct RecordSettled {
    std::int64_t settled = 0;
};
using Command = std::variant<DraftCampaign, ScheduleCampaign, StartCampaign, PauseCampaign,
                             ResumeCampaign, CancelCampaign, RecordFrozen, RecordSettled>;

// --- Facts ---------------------------------------------------------------------------------------

struct CampaignDrafted {
    Draft draft;
    bool operator==(const CampaignDrafted&) const = default;
};
struct CampaignScheduled {
    CampaignId campaign_id;
    Time start_at{};
    bool operator==(const CampaignScheduled&) const = default;
};
// Who is frozen, as drafted; the customers of a list stand in CampaignDrafted only.
struct CampaignStarted {
    CampaignId campaign_id;
    int lanes = 0;
    Audience audience;
    Type type = Type::promotional;
    bool operator==(const CampaignStarted&) const = default;
};
struct AudienceFrozen {
    CampaignId campaign_id;
    std::int64_t audience = 0;
    bool operator==(const AudienceFrozen&) const = default;
};
struct CampaignPaused {
    CampaignId campaign_id;
    std::string reason;
    bool operator==(const CampaignPaused&) const = default;
};
struct CampaignResumed {
    CampaignId campaign_id;
    bool operator==(const CampaignResumed&) const = default;
};
struct CampaignCompleted {
    CampaignId campaign_id;
    bool operator==(const CampaignCompleted&) const = default;
};
struct CampaignCancelled {
    CampaignId campaign_id;
    std::string reason;
    bool ran = false;  // it had been started
    bool operator==(const CampaignCancelled&) const = default;
};
// A cancelled campaign whose recipients all have a disposition: nothing is left to do for it.
struct CampaignSettled {
    CampaignId campaign_id;
    bool operator==(const CampaignSettled&) const = default;
};
using Event = std::variant<CampaignDrafted, CampaignScheduled, CampaignStarted, AudienceFrozen,
                           CampaignPaused, CampaignResumed, CampaignCompleted, CampaignCancelled,
                           CampaignSettled>;

// --- Stages --------------------------------------------------------------------------------------

// From the start on. A pause ends a round: sends of different rounds have different ids.
struct Run {
    int lanes = 0;
    int round = 0;
    std::optional<std::int64_t> audience;  // once it is frozen
    bool operator==(const Run&) const = default;
};

struct Absent {};
struct Drafted {
    Draft draft;
};
struct Scheduled {
    Draft draft;
    Time start_at{};
};
struct Running {
    Draft draft;
    Run run;
};
struct Paused {
    Draft draft;
    Run run;  // its round is the one that the pause ended
    std::string reason;
};
struct Completed {
    Draft draft;
    Run run;
};
struct Cancelled {
    Draft draft;
    std::optional<Run> run;  // absent: it never ran
    std::string reason;
    bool settled = false;
};
using Campaign = std::variant<Absent, Drafted, Scheduled, Running, Paused, Completed, Cancelled>;

enum class Rejection {
    absent,
    exists,
    name_length,          // 1 to kNameMax bytes
    body_length,          // 1 to kBodyMax bytes
    body_and_template,    // exactly one of them
    variable_unknown,     // {{name}} is the only one there is
    audience_values,      // tag, list: 1 to the limit of the kind, none of them empty; all: none
    per_second_range,     // 0 to kPerSecondMax
    start_not_ahead,      // a schedule must lie in the future
    wrong_state,          // e.g. pausing what does not run
    audience_not_frozen,  // it cannot be complete yet
    recipients_open,      // some recipient has no disposition yet
};

Decision<Event, Rejection> decide(const Campaign& campaign, const Command& command);

// Throws CorruptStream if no `decide` could have produced this history.
Campaign evolve(Campaign campaign, const Event& event);

// The state's name in the API: DRAFT, SCHEDULED, …; empty for Absent.
std::string_view text_of(const Campaign& campaign);
const Draft* draft_of(const Campaign& campaign);
const Run* run_of(const Campaign& campaign);

// The API's words, and back. Nothing for any other word.
std::string_view text_of(Type type);
std::string_view text_of(AudienceKind kind);
std::optional<Type> parse_type(std::string_view text);
std::optional<AudienceKind> parse_audience_kind(std::string_view text);

// The body for one recipient: {{name}} (spaces inside the braces do not matter) becomes the name,
// or the default when the name is blank. Cut at kBodyMax bytes on a character's border.
std::string personalized(std::string_view body, std::string_view name,
                         std::string_view default_name);

}  // namespace flowstack::campaign
