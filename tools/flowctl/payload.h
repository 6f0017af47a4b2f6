#pragma once

#include <string>
#include <vector>

#include "flowstack/common/v1/recorded_event.pb.h"

// What is inside an event, for people and as JSON. Knows every event of this build.
namespace flowstack::flowctl {

// {"service":…, …, "type":…, "payload":{…}}: the envelope with its payload decoded; the payload as
// base64 when this build does not know the type.
std::string event_json(const common::v1::RecordedEvent& event);

// The payload field by field, indented; a line that says so when it cannot be decoded.
std::string payload_text(const common::v1::RecordedEvent& event);

// What happened in a dialogue's turn, a line for each step; nothing for every other event.
std::vector<std::string> steps(const common::v1::RecordedEvent& event);

// A few words about an event: its state, amount, text … Empty when there is nothing to say.
std::string summary(const common::v1::RecordedEvent& event);

// The id of the webhook that brought a message. Empty for all other events.
std::string webhook_id(const common::v1::RecordedEvent& event);

// "payment/2/17"
std::string place(const common::v1::Position& position);
std::string place(const common::v1::RecordedEvent& event);
// "demo/intent/0193…"
std::string stream(const common::v1::RecordedEvent& event);

}  // namespace flowstack::flowctl
