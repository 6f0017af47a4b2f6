#pragma once

#include "common/eventlog/turn.h"
#include "services/gateway/endpoints/webhook_book.h"

// Queues a webhook for each endpoint that wants to hear of an event: one fact for each endpoint and
// event, in the line of the event's customer.
namespace flowstack::gateway {

class WebhookReactor {
public:
    explicit WebhookReactor(WebhookBook& book) : book_(book) {}

    // After whoever else decides on the event: what is queued joins their command.
    void react(const eventlog::Recorded& event, eventlog::Turn& turn);

private:
    WebhookBook& book_;
};

}  // namespace flowstack::gateway
