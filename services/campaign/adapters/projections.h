#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "common/eventlog/turn.h"
#include "services/campaign/adapters/codec.h"

namespace flowstack::campaign::v1 {
class Campaign;
}  // namespace flowstack::campaign::v1

// Read models: the campaigns and recipients as the API shows them, and what campaign remembers of
// the other services. Those about people come from one source each, so that a rebuild gives the
// same ones.
//
//   kind       id                    parent     state
//   campaign   campaign id           –          DRAFT | SCHEDULED | RUNNING | …
//   recipient  campaign/customer     campaign   WAITING | QUEUED | SENT | …
//   tenant     tenant                –          –      common.v1.TenantView, of gateway
//   contact    customer id           phone      –      v1.ContactView, of gateway
//   customer   customer id           –          –      v1.CustomerView, of conversation
//   provider_template  its id  name/language  status  v1.TemplateView, of gateway
//   channel    channel id            –          –      v1.ChannelView, of gateway
namespace flowstack::campaign {

inline constexpr const char* kCampaignDocument = "campaign";
inline constexpr const char* kRecipientDocument = "recipient";
inline constexpr const char* kContactDocument = "contact";
inline constexpr const char* kCustomerDocument = "customer";
inline constexpr const char* kTemplateDocument = "provider_template";
inline constexpr const char* kChannelDocument = "channel";
// The parent of a template's document.
inline std::string template_parent(const std::string& name, const std::string& language_code) {
    return name + "/" + language_code;
}

// The newest sends of campaigns that a contact remembers, to tell replies.
inline constexpr int kRecentSendsMax = 5;

// The API's view of a fold. `version` is that of its stream.
void fill(v1::Campaign& out, const std::string& tenant, const CampaignState& state,
          std::int64_t version);

// Reads together the documents that the events of a batch change or ask for.
void prepare(eventlog::Store& store, std::span<const eventlog::Recorded* const> events,
             eventlog::Pending& pending);
void project(const eventlog::Recorded& event, eventlog::Turn& turn);

}  // namespace flowstack::campaign
