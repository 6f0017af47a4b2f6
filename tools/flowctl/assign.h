#pragma once

#include <string>

namespace google::protobuf {
class Message;
}

namespace flowstack::flowctl {

// Sets one field of a message from what a person typed: "tax_rate_bp=1600", "languages=en,sw" for a
// list, "quiet_hours.start_minute=1200" for a field of a field, "variables.name=Asha" for an entry
// of a map of texts, "price=KES 1500.00", "start_time=2026-11-25T09:00:00Z", "active=true",
// "direction=INBOUND". Nothing after the = empties it. Returns the field's path, as an update mask
// names it. Throws UsageError that lists the fields.
std::string assign(google::protobuf::Message& message, const std::string& typed);

}  // namespace flowstack::flowctl
