#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/core/decision.h"
#include "common/core/time.h"

// A contact: who a customer is for the providers, and what they consented to.
//
// The customer id is minted in the append that first sees one of the identities. Two customers that
// turn out to be one person are linked: the older contact survives, the other one closes and
// forwards. The service window is not kept here: it is the max of the inbound messages' times, so
// that an inbound message from a known contact costs no event of the contact.
namespace flowstack::gateway {

// kind: "phone" (value is E.164 with +) or "bsuid" (business-scoped user id).
struct Identity {
    std::string kind;
    std::string value;
    friend auto operator<=>(const Identity&, const Identity&) = default;
};
inline constexpr std::string_view kPhone = "phone";
inline constexpr std::string_view kBsuid = "bsuid";
inline constexpr std::size_t kIdentitiesMax = 8;

inline constexpr std::string_view kMarketing = "marketing";
inline constexpr std::string_view kUtility = "utility";
inline constexpr std::string_view kService = "service";

enum class Consent { unasked, granted, refused };

// Intentions.
struct SeeContact {
    std::string customer_id;
    std::string channel_id;
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
    std::vector<std::string> purposes;
    bool granted = false;
    // keyword | template_button | button | list_row | user_preferences | error_131050 | api | link
    std::string source;
    std::string text;
};
struct MergeInto {
    std::string customer_id;  // the survivor
};
struct LinkMerged {
    std::string customer_id;  // the one that closed
    std::vector<Identity> identities;
    Consent marketing = Consent::unasked;  // what that one had said
    Consent utility = Consent::unasked;
};
using ContactCommand = std::variant<SeeContact, AddIdentities, ReplaceIdentity, ChangeConsent,
                                    MergeInto, LinkMerged>;

// Facts.
struct ContactSeen {
    std::string customer_id;
    std::string channel_id;
    std::vector<Identity> identities;
    std::string profile_name;
    bool operator==(const ContactSeen&) const = default;
};
struct IdentityAdded {
    std::string customer_id;
    Identity identity;
    std::string profile_name;
    bool replaces_earlier = false;
    bool operator==(const IdentityAdded&) const = default;
};
struct ConsentChanged {
    std::string customer_id;
    std::string purpose;
    bool granted = false;
    std::string source;
    std::string text;
    bool operator==(const ConsentChanged&) const = default;
};
struct ContactsLinked {
    std::string customer_id;
    std::string merged_customer_id;
    std::vector<Identity> identities;
    // What counts from now on.
    Consent marketing = Consent::unasked;
    Consent utility = Consent::unasked;
    bool operator==(const ContactsLinked&) const = default;
};
struct ContactMerged {
    std::string customer_id;
    std::string into;
    bool operator==(const ContactMerged&) const = default;
};
using ContactEvent =
    std::variant<ContactSeen, IdentityAdded, ConsentChanged, ContactsLinked, ContactMerged>;

// Stages.
struct NoContact {};
struct OpenContact {
    std::string customer_id;
    std::string channel_id;
    std::vector<Identity> identities;
    std::string profile_name;
    Consent marketing = Consent::unasked;
    Consent utility = Consent::unasked;
    std::vector<std::string> linked = {};  // customers that closed into this one
};
struct MergedContact {
    std::string customer_id;
    std::string into;
};
using Contact = std::variant<NoContact, OpenContact, MergedContact>;

enum class ContactRejection {
    no_identity,
    too_many_identities,
    unknown_purpose,
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
