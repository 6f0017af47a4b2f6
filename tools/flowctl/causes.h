#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flowstack/common/v1/recorded_event.pb.h"
#include "tools/stack/api.h"

// What led to an event, as far as the logs tell.
namespace flowstack::flowctl {

using common::v1::RecordedEvent;

// The cause that the event names (causation), else the webhook that brought it, else for a
// campaign's message the request for it, and for a request the campaign's last step. Nothing: it
// came from outside. Throws NotFound when a named cause is not there.
std::optional<RecordedEvent> cause_of(stack::Api& api, const RecordedEvent& event);

// This event with the one of its webhooks that has this id (16 bytes), and without the others that
// came together with it. Nothing: it does not hold that webhook.
std::optional<RecordedEvent> with_webhook_alone(const RecordedEvent& event,
                                                const std::string& webhook_id);
// The last request for this customer in a shard's events that was recorded not after `until_us`.
const RecordedEvent* ask_for(const std::vector<RecordedEvent>& shard, const std::string& customer,
                             std::int64_t until_us);
// The last of these events that was recorded not after `until_us`.
const RecordedEvent* last_until(const std::vector<RecordedEvent>& events, std::int64_t until_us);

}  // namespace flowstack::flowctl
