#pragma once

#include <string>
#include <vector>

#include "common/eventlog/folds.h"
#include "common/eventlog/turn.h"
#include "services/followup/adapters/task_codec.h"
#include "services/followup/config.h"

// What followup does about the facts of the other services, and what it remembers of them.
namespace flowstack::followup {

// Kinds of documents.
inline constexpr const char* kTaskDocument = "task";          // v1.Task; parent: the customer
inline constexpr const char* kTenantDocument = "tenant";      // v1.TenantView
inline constexpr const char* kCustomerDocument = "customer";  // v1.CustomerView
inline constexpr const char* kTemplateDocument = "template";  // v1.TemplateView

class Handlers {
public:
    Handlers(eventlog::Store& store, const Config& config) : folds_(store), config_(config) {}

    // Schedules and cancels tasks. At most one command for an event.
    void react(const eventlog::Recorded& event, eventlog::Turn& turn);
    void project(const eventlog::Recorded& event, eventlog::Turn& turn);

private:
    struct Open;
    std::vector<Open> ended_by(const Fact& fact, const std::string& tenant,
                               const std::string& customer_id, eventlog::Turn& turn);
    void end(const Fact& fact, const std::string& tenant, const std::string& customer_id,
             eventlog::Turn& turn);
    void schedule(Plan plan, const Fact* replaces, eventlog::Turn& turn);

    eventlog::Folds<TaskCodec> folds_;
    Config config_;
};

// The ids of a customer's tasks whose timers are set, as this batch of events sees it.
std::vector<std::string> open_tasks(const std::string& tenant, const std::string& customer_id,
                                    eventlog::Turn& turn);

}  // namespace flowstack::followup
