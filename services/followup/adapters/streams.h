#pragma once

#include <string>

#include "common/eventlog/types.h"

// Where this service's streams live: a task on the lane of its customer.
namespace flowstack::followup {

inline constexpr const char* kTaskCategory = "task";

inline eventlog::StreamName task_stream(const std::string& tenant, const std::string& task_id) {
    return {tenant, kTaskCategory, task_id};
}
inline eventlog::Routing customer_routing(const std::string& customer_id) {
    return {eventlog::RoutingKind::customer, customer_id};
}

}  // namespace flowstack::followup
