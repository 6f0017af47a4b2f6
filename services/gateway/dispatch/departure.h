#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/eventlog/folds.h"
#include "services/gateway/adapters/codec.h"
#include "services/gateway/domain/message.h"

// Whoever queues a message asks the dispatcher of its channel whether it may leave at once. If so,
// one append holds MessageQueued and SendAttempted, and the dispatcher calls the provider as soon
// as it is written. If not, the message is queued, and the dispatcher reads it from the table.
namespace flowstack::gateway {

// One message on the way into the log. The place that it has in its channel's queue is held until
// it is told what became of the command; when nobody tells, nothing was written. On any thread.
class Departure {
public:
    virtual ~Departure() = default;
    // Adds what makes the message leave at once to the command whose first part queues it: the
    // attempt, and the guards under which it may be made. Adds nothing when it must be queued only.
    virtual void join(eventlog::Command& command) = 0;
    virtual bool at_once() const = 0;
    // When the attempt was made, as its event says.
    virtual Time attempted_at() const = 0;
    // The command is in the log; the event that queued the message is there.
    virtual void written(const eventlog::Position& queued, const std::string& correlation_id) = 0;
    virtual void not_written() = 0;
    // The store did not say. The dispatcher finds out.
    virtual void unknown() = 0;
};
using DeparturePtr = std::shared_ptr<Departure>;

// Who may queue messages for the same chat at the same time.
enum class OtherWriters {
    none,      // the owner of the customer's lane alone
    replicas,  // each replica that takes calls
};

// Null when another replica sends for the channel: there is nothing to join and nothing to tell.
using AskDeparture =
    std::function<DeparturePtr(const std::string& tenant, const QueueMessage& message,
                               const eventlog::Folded<Contact>& contact, OtherWriters others)>;

}  // namespace flowstack::gateway
