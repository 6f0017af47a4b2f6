#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/core/decision.h"
#include "common/core/id.h"
#include "common/core/time.h"

// A contact: who a customer is for the providers, and what they consented to.
//
// The customer id is minted in the append that first sees one of the identities. Two customers that
// turn out to be one person are linked: the older contact survives, the other one closes and
// forwards. The service window is not kept here: it is the max of the inbound messages' times, so
// that an inbound message from a known contact costs no event of the contact.
namespace flowstack::gateway {

enum class IdentityKind {
    phone,  // E.164 with +
    bsuid,  // business-scoped user id
};
std::string_view text_of(IdentityKind kind);  // "phone"

struct Identity {
    IdentityKind kind = IdentityKind::phone;
    std::string value;
    friend auto operator<=>(const Identity&, const Identity&) = default;
};
inline constexpr std::size_t kIdentitiesMax = 8;

// What a message is for. Nobody consents to `service`, which is an answer to the customer.
enum class Purpose { marketing, utility, service };
std::optional<Purpose> purpose_of(std::string_view text);  // "marketing"

enum class Consent { unasked, granted, refused };

// How a customer said that their consent changes.
enum class ConsentSource {
    keyword,           // they wrote a word that means stop or start
    template_button,   // the quick reply of a template
    button,            // the button of an interactive message
    list_row,          // a row of a list
    user_preferences,  // a setting of the provider's own app
    provider_refusal,  // the provider refused a message because they had opted out there
};

// Intentions.
struct SeeContact {
    CustomerId customer_id;
    ChannelId channel_id;
    std::vector<Identity> identities;  // at least one
    std::string profile_name;
};
struct AddIdentities {
    std::vector<Identity> identities;  // those that are known already are skipped
    std::string profile_name;
};
// The customer changed their number or id: this one is written to from now on. What they were known
// by before still names them.
struct ReplaceIdentity {
    Identity identity;
};
// For each purpose, only where it changes something. Granting by keyword undoes a refusal; it does
// not make a consent out of nothing, since people greet with "start".
struct ChangeConsent {
    std::vector<Purpose> purposes;
    bool granted = false;
    ConsentSource source = ConsentSource::keyword;
    // What they wrote or tapped, or the preference's value; the code of a provider's refusal.
    std::string text;
};
struct MergeInto {
    CustomerId customer_id;  // the survivor
};
struct LinkMerged {
    CustomerId customer_id;  // the one that closed
    std::vector<Identity> identities;
    Consent marketing = Consent::unasked;  // what that one had said
    Consent utility = Consent::unasked;
};
using ContactCommand =
    std::variant<SeeContact, AddIdentities, ReplaceIdentity, ChangeConsent, MergeInto, LinkMerged>;

// Facts.
struct ContactSeen {
    CustomerId customer_id;
    ChannelId channel_id;
    std::vector<Identity> identities;
    std::string profile_name;
    bool operator==(const ContactSeen&) const = default;
};
struct IdentityAdded {
    CustomerId customer_id;
    Identity identity;
    std::string profile_name;
    bool replaces_earlier = false;
    bool operator==(const IdentityAdded&) const = default;
};
struct ConsentChanged {
    CustomerId customer_id;
    Purpose purpose = Purpose::marketing;
    bool granted = false;
    ConsentSource source = ConsentSource::keyword;
    std::string text;
    bool operator==(const ConsentChanged&) const = default;
};
struct ContactsLinked {
    CustomerId customer_id;
    CustomerId merged_customer_id;
    std::vector<Identity> identities;
    // What counts from now on.
    Consent marketing = Consent::unasked;
    Consent utility = Consent::unasked;
    bool operator==(const ContactsLinked&) const = default;
};
struct ContactMerged {
    CustomerId customer_id;
    CustomerId into;
    bool operator==(const ContactMerged&) const = default;
};
using ContactEvent =
    std::variant<ContactSeen, IdentityAdded, ConsentChanged, ContactsLinked, ContactMerged>;

// Stages.
struct NoContact {};
struct OpenContact {
    CustomerId customer_id;
    ChannelId channel_id;
    std::vector<Identity> identities;
    std::string profile_name;
    Consent marketing = Consent::unasked;
    Consent utility = Consent::unasked;
    std::vector<CustomerId> linked = {};  // customers that closed into this one
};
struct MergedContact {
    CustomerId customer_id;
    CustomerId into;
};
using Contact = std::variant<NoContact, OpenContact, MergedContact>;

enum class ContactRejection {
    no_identity,
    too_many_identities,
    no_consent_for_purpose,
    merges_into_itself,
    wrong_stage,
};

Decision<ContactEvent, ContactRejection> decide(const Contact& contact,
                                                const ContactCommand& command);
// Throws CorruptStream.
Contact evolve(const Contact& contact, const ContactEvent& event);

// The phone to send to or to charge, empty when unknown.
std::string phone_of(const OpenContact& contact);
// What a send is addressed to: the phone, else the business-scoped id.
std::string address_of(const OpenContact& contact);

// Of two contacts that are one person: a refusal by either is a refusal, and a consent stands when
// the other one was never asked.
Consent stricter(Consent a, Consent b);

// Does the whole message ask to stop, or to start again? English and Swahili words, as people type
// them (text::fold), with spaces and punctuation around them. "Please stop by tomorrow" asks
// nothing.
enum class ConsentWord { stop, start };
std::optional<ConsentWord> consent_word(std::string_view text);

// The 24 hours in which anything may be sent, counted from the customer's last message and closed
// early by a margin, since the provider's clock decides.
inline constexpr std::chrono::hours kWindow{24};
Time window_end(Time last_inbound, std::chrono::microseconds margin);

}  // namespace flowstack::gateway
