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

// By its own word (causation); else the webhook whose bytes brought it; else, for a campaign's
// message, the ask for it, and for an ask the campaign's last step. Nothing: it came from outside.
// Throws NotFound when a cause is named and not there.
std::optional<RecordedEvent> cause_of(stack::Api& api, const RecordedEvent& event);

// Of a shard's events the last ask for this customer that was recorded not after `until_us`.
const RecordedEvent* ask_for(const std::vector<RecordedEvent>& shard, const std::string& customer,
                             std::int64_t until_us);
// The last of them that was recorded not after `until_us`.
const RecordedEvent* last_until(const std::vector<RecordedEvent>& events, std::int64_t until_us);

}  // namespace flowstack::flowctl
