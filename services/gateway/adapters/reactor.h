#pragma once

#include <map>
#include <set>
#include <span>
#include <vector>

#include "common/eventlog/turn.h"
#include "services/gateway/adapters/contacts.h"
#include "services/gateway/adapters/directory.h"
#include "services/gateway/dispatch/departure.h"
#include "services/gateway/domain/message.h"

// What gateway decides on events that it hears, conversation's and its own.
//
//   conversation.ReplyRequested       the message is queued, and leaves at once if it may
//   gateway.StatusReported(failed)    retried by its error's class, or a dead letter
//   gateway.ContactMerged             the survivor learns whom it took over
//   gateway.StatusParked, SendAccepted  a status that came before its message is moved to it
//   gateway.MessageSuppressed(opted out)  the customer's refusal of marketing becomes their consent
namespace flowstack::gateway {

class Reactor {
public:
    Reactor(eventlog::Store& store, Directory& directory, Contacts& contacts, RetryPolicy policy)
        : store_(store),
          directory_(directory),
          contacts_(contacts),
          messages_(store),
          policy_(policy) {}

    void react(const eventlog::Recorded& event, eventlog::Turn& turn);
    // Reads together what the events of a batch need: the contacts of replies, so that what is
    // judged is what an append a moment later still finds, and what came before its message.
    void prepare(std::span<const eventlog::Recorded* const> events, eventlog::Pending& pending);
    // Whom to ask whether a message may leave at once; without, all are queued only.
    void ask_departures_of(AskDeparture ask) { ask_departure_ = std::move(ask); }

private:
    void queue_reply(const eventlog::Recorded& event, eventlog::Turn& turn);
    eventlog::Folded<Message> message_of_reply(const eventlog::StreamName& stream,
                                               eventlog::Turn& turn);
    void doubt(const std::string& message_id);
    void judge_status(const eventlog::Recorded& event, eventlog::Turn& turn);
    void link_contacts(const eventlog::Recorded& event, eventlog::Turn& turn);
    void move_parked(const eventlog::Recorded& event, eventlog::Turn& turn);
    void move_after_acceptance(const eventlog::Recorded& event, eventlog::Turn& turn);
    void keep_opt_out(const eventlog::Recorded& event, eventlog::Turn& turn);
    void change_contact(const std::string& tenant, const CustomerId& customer_id,
                        const ContactCommand& command, const eventlog::Recorded& event,
                        eventlog::Turn& turn);

    eventlog::Store& store_;
    Directory& directory_;
    Contacts& contacts_;
    eventlog::Folds<MessageCodec> messages_;
    RetryPolicy policy_;
    AskDeparture ask_departure_;
    // Of the batch's accepted messages: what was parked before their provider's ids were known.
    std::map<eventlog::StreamName, std::vector<eventlog::Recorded>> came_before_;
    std::set<std::string> read_first_;  // messages that could not be written as new ones
};

// The policy with what the tenant chose for messages whose fate is unknown.
RetryPolicy policy_of(RetryPolicy policy, const TenantEntry* tenant);

}  // namespace flowstack::gateway
