#pragma once

#include <map>
#include <set>
#include <span>
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
    Reactor(eventlog::Store& store, const Config& config)
        : store_(store), folds_(store), config_(config) {}

    // Reads together what react() needs for the events of a batch. Must come before it.
    void prepare(std::span<const eventlog::Recorded* const> events, eventlog::Pending& pending);
    // At most one command for an event.
    void react(const eventlog::Recorded& event, eventlog::Turn& turn);

private:
    struct Customer {
        std::string tenant;
        CustomerId customer_id;
        friend auto operator<=>(const Customer&, const Customer&) = default;
    };
    void read_timers(const std::set<Customer>& customers);
    std::vector<TaskId> open_tasks(const Customer& customer, eventlog::Turn& turn);
    struct Open;
    std::vector<Open> ended_by(const Fact& fact, const std::string& tenant,
                               const CustomerId& customer_id, eventlog::Turn& turn);
    void end(const Fact& fact, const std::string& tenant, const CustomerId& customer_id,
             eventlog::Turn& turn);
    void schedule(Plan plan, const Fact* replaces, eventlog::Turn& turn);
    // The reminder of a booking: the one that ends (empty: none), and the new one (without a task:
    // none).
    void remind(const TaskId& ended, CancelReason reason, const Plan& next, eventlog::Turn& turn);
    // The end of an open task as a part of a command; nothing when it ended meanwhile.
    std::optional<eventlog::Part> cancelled(const Open& open, eventlog::Turn& turn) const;

    eventlog::Store& store_;
    eventlog::Folds<TaskCodec> folds_;
    Config config_;
    // Keys of the timers that were set when the batch began, of the customers that it is about.
    std::map<Customer, std::set<std::string>> timers_;
};

}  // namespace flowstack::followup
