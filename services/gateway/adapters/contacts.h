#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/core/ids.h"
#include "common/eventlog/folds.h"
#include "services/gateway/adapters/codec.h"
#include "services/gateway/adapters/derive.h"
#include "services/gateway/inbound/customers.h"

// Finds or mints the customer of some identities. Blocks on the store: not for a server's thread.
namespace flowstack::gateway {

struct ContactPlan {
    KnownCustomer customer;
    // What the same append must write to the contact, under its exact version; nothing when the
    // contact does not change.
    std::optional<eventlog::Part> part;
    std::vector<ContactEvent> events;
};

// What this command changes in a contact as it was read: a command without an id. Nothing when it
// is refused or changes nothing.
std::optional<eventlog::Command> contact_change(const std::string& tenant,
                                                const CustomerId& customer_id,
                                                const eventlog::Folded<Contact>& contact,
                                                const ContactCommand& command, Time at);

class Contacts {
public:
    Contacts(eventlog::Store& store, const DerivedKeys& keys, IdSource& ids, const Clock& clock)
        : store_(store), keys_(keys), ids_(ids), clock_(clock), folds_(store) {}

    // Looks the identities up in the claims. None known: a new customer. Some known: the missing
    // ones are added. Two customers: the older one survives; the other is closed and the survivor
    // takes over what it was known by and what it refused, here and now. `changed_to`: what the
    // customer is known by from now on.
    // The plan may be out of date when it is appended: a refused append plans again.
    ContactPlan plan(const std::string& tenant, const ChannelId& channel_id,
                     const std::vector<Identity>& identities, const std::string& profile_name,
                     const std::optional<ChangeConsent>& consent = std::nullopt,
                     const std::vector<Identity>& changed_to = {});

    // The contact, following merges. The state is NoContact when there is none.
    struct Found {
        CustomerId customer_id;
        eventlog::Folded<Contact> contact;
    };
    Found follow(const std::string& tenant, CustomerId customer_id);
    // The same of whom the identity names; nothing when nobody has it.
    std::optional<Found> find(const std::string& tenant, const Identity& identity);

    // What a contact that closed was known by and had consented to, up to its end.
    LinkMerged last_words(const std::string& tenant, const CustomerId& closed);

    eventlog::Folds<ContactCodec>& folds() { return folds_; }

private:
    // Closes `closing` and tells the survivor what it was known by and had refused.
    void merge(const std::string& tenant, const CustomerId& closing, const CustomerId& survivor);
    void change(const std::string& tenant, const CustomerId& customer_id,
                const ContactCommand& command, std::string command_id);

    eventlog::Store& store_;
    const DerivedKeys& keys_;
    IdSource& ids_;
    const Clock& clock_;
    eventlog::Folds<ContactCodec> folds_;
};

inline constexpr int kMergesMax = 8;  // a chain of merges that is longer is corrupt

}  // namespace flowstack::gateway
