#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "flowstack/common/v1/recorded_event.pb.h"
#include "tools/stack/api.h"

// The services' event logs, read over EventLog as any outsider would.
namespace flowstack::stack {

using common::v1::RecordedEvent;

// The head of every lane.
std::vector<std::int64_t> heads_of(Api& api, const std::string& service);

// Everything of one lane from a position to the head, page by page; only one tenant's when it is
// named.
void read_lane(Api& api, const std::string& service, int lane, std::int64_t from,
               const std::function<void(const RecordedEvent&)>& each,
               const std::string& tenant = "");

// All of a tenant's events in one service, or in all of them, by recorded time.
std::vector<RecordedEvent> events_of(Api& api, const std::string& service,
                                     const std::string& tenant);
std::vector<RecordedEvent> events_of_all(Api& api, const std::string& tenant);

std::optional<RecordedEvent> event_at(Api& api, const common::v1::Position& position);
// All versions of one stream.
std::vector<RecordedEvent> stream_of(Api& api, const std::string& service,
                                     const std::string& tenant, const std::string& category,
                                     const std::string& key);

// From an event back to the first cause that the logs know: the event itself comes first.
std::vector<RecordedEvent> causes_of(Api& api, const RecordedEvent& event);

// The short types of the facts that an event holds: those of the steps of a dialogue's turn, for
// every other event its own.
std::vector<std::string> facts_in(const RecordedEvent& event);
// How often a service recorded a fact of this short type for a tenant.
int count_facts(Api& api, const std::string& service, const std::string& tenant,
                const std::string& type);

// "IntentPaid" of "flowstack.payment.v1.IntentPaid".
std::string short_type(const std::string& type);

}  // namespace flowstack::stack
