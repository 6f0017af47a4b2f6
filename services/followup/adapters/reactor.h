#pragma once

#include <string>
#include <vector>

#include "common/eventlog/folds.h"
#include "common/eventlog/turn.h"
#include "services/followup/adapters/codec.h"
#include "services/followup/config.h"

// What followup does about the facts of the other services. It decides on the time at which the
// event was recorded, so that a second try decides as the first one did.
//
//   gateway       MessageReceived        ends the tasks that waited for the customer's answer
//   conversation  ReplyRequested         the bot asked: a gentle follow-up, and no older one
//                 FollowUpRequested      a flow's wish
//                 DialogueTurn           ends tasks of a closed or escalated conversation
//   payment       IntentPaid             ends tasks that waited for the money
namespace flowstack::followup {

class Reactor {
public:
    Reactor(eventlog::Store& store, const Config& config) : folds_(store), config_(config) {}

    // At most one command for an event.
    void react(const eventlog::Recorded& event, eventlog::Turn& turn);

private:
    struct Open;
    std::vector<Open> ended_by(const Fact& fact, const std::string& tenant,
                               const CustomerId& customer_id, eventlog::Turn& turn);
    void end(const Fact& fact, const std::string& tenant, const CustomerId& customer_id,
             eventlog::Turn& turn);
    void schedule(Plan plan, const Fact* replaces, eventlog::Turn& turn);
    // The end of an open task as a part of a command; nothing when it ended meanwhile.
    std::optional<eventlog::Part> cancelled(const Open& open, eventlog::Turn& turn) const;

    eventlog::Folds<TaskCodec> folds_;
    Config config_;
};

// The ids of a customer's tasks whose timers are set, as this batch of events sees it.
std::vector<TaskId> open_tasks(const std::string& tenant, const CustomerId& customer_id,
                               eventlog::Turn& turn);

}  // namespace flowstack::followup
