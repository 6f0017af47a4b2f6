#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/eventlog/turn.h"
#include "services/followup/adapters/codec.h"

namespace flowstack::followup::v1 {
class Task;
}  // namespace flowstack::followup::v1

// Read models: the tasks as the API shows them, and what followup remembers of the other services.
//
//   kind       id           parent     state
//   task       task id      customer   SCHEDULED | FIRED | CANCELLED | SKIPPED; sorted by due time
//   tenant     tenant       –          –          common.v1.TenantView
//   customer   customer id  –          –          v1.CustomerView
//   template   its key      –          –          v1.TemplateView, of approved templates only
namespace flowstack::followup {

inline constexpr const char* kTaskDocument = "task";
inline constexpr const char* kCustomerDocument = "customer";
inline constexpr const char* kTemplateDocument = "template";

// The API's view of a fold. `version` is that of its stream.
void fill(v1::Task& out, const std::string& tenant, const TaskState& state, std::int64_t version);

// The same view, made event by event: nothing before the first.
void apply(std::optional<v1::Task>& task, const eventlog::Recorded& event);

void project(const eventlog::Recorded& event, eventlog::Turn& turn);

}  // namespace flowstack::followup
