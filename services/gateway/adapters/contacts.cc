#include "services/gateway/adapters/contacts.h"

#include <algorithm>

#include "common/core/broken_world.h"
#include "common/core/corrupt_stream.h"

namespace flowstack::gateway {

Contacts::Found Contacts::follow(const std::string& tenant, CustomerId customer_id) {
    for (int hop = 0; hop < kMergesMax; ++hop) {
        auto folded = folds_.load(contact_stream(tenant, customer_id));
        const auto* merged = std::get_if<MergedContact>(&folded.state);
        if (merged == nullptr) return {std::move(customer_id), std::move(folded)};
        customer_id = merged->into;
    }
    throw CorruptStream("contacts merge in a circle");
}

std::optional<Contacts::Found> Contacts::find(const std::string& tenant, const Identity& identity) {
    const auto claim = store_.claim(tenant, kIdentityClaim, keys_.identity_claim(tenant, identity));
    if (!claim) return std::nullopt;
    return follow(tenant, CustomerId(claim->value));
}

std::optional<eventlog::Command> contact_change(const std::string& tenant,
                                                const CustomerId& customer_id,
                                                const eventlog::Folded<Contact>& contact,
                                                const ContactCommand& command, Time at) {
    const auto decision = decide(contact.state, command);
    if (!decision.accepted() || decision.events().empty()) return std::nullopt;
    eventlog::Command change;
    change.tenant = tenant;
    change.meta.routing = by_customer(customer_id);
    change.parts.push_back({contact_stream(tenant, customer_id), contact.expected(),
                            encode_all(decision.events(), at)});
    return change;
}

void Contacts::change(const std::string& tenant, const CustomerId& customer_id,
                      const ContactCommand& command, std::string command_id) {
    auto change =
        contact_change(tenant, customer_id, folds_.load(contact_stream(tenant, customer_id)),
                       command, clock_.now());
    if (!change) return;
    change->id = std::move(command_id);
    change->dedupe = eventlog::Dedupe::version;
    const auto verdict = store_.append(std::move(*change));
    // Another version: somebody else has written the same, or the plan that needs it is refused.
    if (!verdict.accepted() && verdict.outcome != eventlog::Outcome::wrong_version)
        throw Contention("a contact could not be changed");
}

// Gateway's own consumer tells the survivor too when it hears of the merge (reactor.cc). It is done
// here as well, so that a message never leaves to somebody who had refused under the other
// identity, and so that the other services learn of the link before they see the message that
// showed it.
void Contacts::merge(const std::string& tenant, const CustomerId& closing,
                     const CustomerId& survivor) {
    change(tenant, closing, MergeInto{.customer_id = survivor},
           "merge/" + closing + "/" + survivor);
    change(tenant, survivor, last_words(tenant, closing), "link/" + closing + "/" + survivor);
}

LinkMerged Contacts::last_words(const std::string& tenant, const CustomerId& closed) {
    LinkMerged link{.customer_id = closed, .identities = {}};
    Contact contact = NoContact{};
    for (const auto& stored : store_.read_stream(contact_stream(tenant, closed))) {
        const auto event = decode_contact(stored.type, stored.payload);
        if (std::holds_alternative<ContactMerged>(event)) break;
        contact = evolve(contact, event);
    }
    if (const auto* open = std::get_if<OpenContact>(&contact)) {
        link.identities = open->identities;
        link.marketing = open->marketing;
        link.utility = open->utility;
    }
    return link;
}

ContactPlan Contacts::plan(const std::string& tenant, const ChannelId& channel_id,
                           const std::vector<Identity>& identities, const std::string& profile_name,
                           const std::optional<ChangeConsent>& consent,
                           const std::vector<Identity>& changed_to) {
    // In the order of age: ids carry the time of their minting.
    std::vector<Found> customers;
    auto named = identities;
    named.insert(named.end(), changed_to.begin(), changed_to.end());
    for (const auto& identity : named) {
        auto found = find(tenant, identity);
        if (!found) continue;
        const auto same = [&](const Found& f) { return f.customer_id == found->customer_id; };
        if (std::ranges::none_of(customers, same)) customers.push_back(std::move(*found));
    }
    std::ranges::sort(customers, {}, &Found::customer_id);

    ContactPlan plan;
    if (customers.empty()) {
        const CustomerId customer_id(ids_.next().text());
        const SeeContact see{.customer_id = customer_id,
                             .channel_id = channel_id,
                             .identities = identities,
                             .profile_name = profile_name};
        plan.events = decide(Contact{NoContact{}}, see).events();
        Contact contact = NoContact{};
        for (const auto& event : plan.events) contact = evolve(contact, event);
        const auto more = [&](const ContactCommand& command) {
            const auto decision = decide(contact, command);
            if (!decision.accepted()) return;
            for (const auto& event : decision.events()) {
                contact = evolve(contact, event);
                plan.events.push_back(event);
            }
        };
        for (const auto& identity : changed_to) more(ReplaceIdentity{.identity = identity});
        if (consent) more(*consent);
        plan.customer = {.customer_id = customer_id,
                         .phone = phone_of(std::get<OpenContact>(contact))};
        plan.part = {contact_stream(tenant, customer_id), eventlog::kCreate,
                     encode_all(plan.events, clock_.now())};
        return plan;
    }

    auto& survivor = customers.front();
    for (std::size_t i = 1; i < customers.size(); ++i)
        merge(tenant, customers[i].customer_id, survivor.customer_id);
    if (customers.size() > 1) survivor = follow(tenant, survivor.customer_id);

    // An identity that a merged contact holds stays claimed by it and forwards; only new ones are
    // added here.
    AddIdentities add{.identities = {}, .profile_name = profile_name};
    for (const auto& identity : identities)
        if (!store_.claim(tenant, kIdentityClaim, keys_.identity_claim(tenant, identity)))
            add.identities.push_back(identity);
    Contact contact = survivor.contact.state;
    const auto apply = [&](const ContactCommand& command) {
        const auto decision = decide(contact, command);
        if (!decision.accepted()) return;
        for (const auto& event : decision.events()) {
            contact = evolve(contact, event);
            plan.events.push_back(event);
        }
    };
    if (!add.identities.empty()) apply(add);
    for (const auto& identity : changed_to) {
        // What another contact claims and forwards cannot be claimed again here.
        const auto claim =
            store_.claim(tenant, kIdentityClaim, keys_.identity_claim(tenant, identity));
        if (!claim || survivor.customer_id == claim->value)
            apply(ReplaceIdentity{.identity = identity});
    }
    if (consent) apply(*consent);

    auto phone = std::holds_alternative<OpenContact>(contact)
                     ? phone_of(std::get<OpenContact>(contact))
                     : std::string();
    for (const auto& identity : identities)
        if (phone.empty() && identity.kind == IdentityKind::phone) phone = identity.value;
    plan.customer = {.customer_id = survivor.customer_id, .phone = phone};
    if (!plan.events.empty())
        plan.part = {contact_stream(tenant, survivor.customer_id), survivor.contact.expected(),
                     encode_all(plan.events, clock_.now())};
    return plan;
}

}  // namespace flowstack::gateway
