#pragma once

#include <chrono>
#include <vector>

#include "services/gateway/adapters/contacts.h"
#include "services/gateway/dispatch/attempt.h"

// Reads what the decision about an attempt needs: the message, the contact's consent, when the
// customer wrote last, and what the tenant and the channel may do.
namespace flowstack::gateway {

class FactsReader {
public:
    FactsReader(eventlog::Store& store, const Directory& directory, Contacts& contacts,
                MessageStreams& streams, const Clock& clock,
                std::chrono::milliseconds window_margin)
        : store_(store),
          directory_(directory),
          contacts_(contacts),
          streams_(streams),
          clock_(clock),
          window_margin_(window_margin) {}

    // Several attempts by a few questions to the store. Blocks: for a reading thread. Throws when
    // the store is away.
    void read(const std::vector<AttemptPtr>& attempts);

    // What is known without asking the store: all but when the customer wrote last. Null: there is
    // no such contact. On any thread.
    DispatchFacts known_facts(const std::string& tenant, const ChannelId& channel_id,
                              const OpenContact* contact) const;

private:
    struct InboundQuestion {
        Attempt* attempt = nullptr;
        CustomerId customer_id;
    };

    void read_facts(Attempt& attempt, const eventlog::Folded<Contact>& contact,
                    std::vector<InboundQuestion>& questions);
    void read_inbound(const std::vector<InboundQuestion>& questions);

    eventlog::Store& store_;
    const Directory& directory_;
    Contacts& contacts_;
    MessageStreams& streams_;
    const Clock& clock_;
    std::chrono::milliseconds window_margin_;
};

}  // namespace flowstack::gateway
