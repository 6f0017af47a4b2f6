#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/core/time.h"
#include "common/core/uuid.h"
#include "common/eventlog/types.h"
#include "services/gateway/adapters/contacts.h"
#include "services/gateway/adapters/derive.h"
#include "services/gateway/providers/webhook.h"

// What is written to the log for one element of a webhook. The same element gives a command with
// the same id whenever and however often it is read, so a repeat writes nothing: the provider's
// second delivery, another replica, and a person who reads the past again.
namespace flowstack::gateway {

// The webhook that an element came in.
struct WebhookFrame {
    std::string provider;
    std::string actor;
    std::string app_id;
    bool choices_numbered = false;  // the provider sends choices as a numbered menu
    Uuid webhook_id;
    Time received_at;
    std::string traceparent;
};

// Whose channel it came to.
struct Destination {
    std::string tenant;
    ChannelId channel_id;  // empty: it is about an account of the tenant's
    std::int64_t settings_version = 0;
};

// Why no tenant may have an element.
enum class QuarantineReason {
    unknown_channel,  // no tenant has connected a channel of this external id
    foreign_app,      // the webhook was signed by an app that does not own the channel
};
std::string_view text_of(QuarantineReason reason);  // "foreign_app"

// The channel that an element came to, as its provider names it.
ExternalChannelId channel_of(const WebhookElement& element);

// Messages, statuses, preferences, echoes and most notices come to a channel.
bool belongs_to_a_channel(const WebhookElement& element);
// News of an account: whoever has a channel of it gets it.
bool belongs_to_an_account(const WebhookElement& element);
// What belongs to neither stays in the raw webhook only.

std::vector<Identity> identities_of(const WebhookElement& element);
// What the customer is known by from now on.
std::vector<Identity> changed_identities_of(const WebhookElement& element);

// Does this element ask to change the consent? A word counts in every form in which the provider
// lets a person say it: typed, corrected by an edit, or tapped.
std::optional<ChangeConsent> consent_of(const WebhookElement& element);

// `plan.part` is written with it.
eventlog::Command message_command(const WebhookFrame& frame, const Destination& to,
                                  const WebhookElement& element, const KnownCustomer& customer,
                                  const ContactPlan& plan);
eventlog::Command group_message_command(const WebhookFrame& frame, const Destination& to,
                                        const WebhookElement& element);
// Somebody of the shop wrote to the customer; `plan.part` is written with it.
eventlog::Command echo_command(const WebhookFrame& frame, const Destination& to,
                               const WebhookElement& element, const KnownCustomer& customer,
                               const ContactPlan& plan);
eventlog::Command notice_command(const WebhookFrame& frame, const Destination& to,
                                 const WebhookElement& element);
// Nothing when the preference changes nothing.
std::optional<eventlog::Command> preference_command(const WebhookFrame& frame,
                                                    const Destination& to,
                                                    const WebhookElement& element,
                                                    const ContactPlan& plan,
                                                    const DerivedKeys& keys);
// Of a message that we sent with our callback data; of any other it waits for its message.
eventlog::Command status_command(const WebhookFrame& frame, const Destination& to,
                                 const WebhookElement& element, const DerivedKeys& keys);
// Of an element that no tenant may have.
eventlog::Command quarantine_command(const WebhookFrame& frame, const WebhookElement& element,
                                     QuarantineReason reason);

}  // namespace flowstack::gateway
