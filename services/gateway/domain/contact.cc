#include "services/gateway/domain/contact.h"

#include <algorithm>
#include <array>

#include "common/core/corrupt_stream.h"
#include "common/text/fold.h"
#include "services/gateway/domain/phone.h"

namespace flowstack::gateway {
namespace {

using Answer = Decision<ContactEvent, ContactRejection>;

bool same_person(const Identity& a, const Identity& b) {
    return a.kind == b.kind &&
           (a.kind == IdentityKind::phone ? one_spelling(a.value) == one_spelling(b.value)
                                          : a.value == b.value);
}

bool knows(const OpenContact& contact, const Identity& identity) {
    return std::ranges::any_of(contact.identities,
                               [&](const Identity& known) { return same_person(known, identity); });
}

// The first of its kind is written to.
void put_first(OpenContact& contact, const Identity& identity) {
    std::erase_if(contact.identities,
                  [&](const Identity& known) { return same_person(known, identity); });
    contact.identities.insert(contact.identities.begin(), identity);
}

Answer on(const NoContact&, const SeeContact& c) {
    if (c.identities.empty()) return ContactRejection::no_identity;
    if (c.identities.size() > kIdentitiesMax) return ContactRejection::too_many_identities;
    return ContactSeen{.customer_id = c.customer_id,
                       .channel_id = c.channel_id,
                       .identities = c.identities,
                       .profile_name = c.profile_name};
}

Answer on(const OpenContact& contact, const AddIdentities& c) {
    std::vector<ContactEvent> facts;
    auto count = contact.identities.size();
    for (const auto& identity : c.identities) {
        if (knows(contact, identity)) continue;
        if (++count > kIdentitiesMax) return ContactRejection::too_many_identities;
        facts.emplace_back(IdentityAdded{.customer_id = contact.customer_id,
                                         .identity = identity,
                                         .profile_name = c.profile_name});
    }
    return facts;
}

Answer on(const OpenContact& contact, const ReplaceIdentity& c) {
    const auto first = std::ranges::find(contact.identities, c.identity.kind, &Identity::kind);
    if (first != contact.identities.end() && same_person(*first, c.identity))
        return std::vector<ContactEvent>{};
    if (!knows(contact, c.identity) && contact.identities.size() >= kIdentitiesMax)
        return ContactRejection::too_many_identities;
    return IdentityAdded{.customer_id = contact.customer_id,
                         .identity = c.identity,
                         .profile_name = "",
                         .replaces_earlier = true};
}

Answer on(const OpenContact& contact, const ChangeConsent& c) {
    std::vector<ContactEvent> facts;
    for (const auto purpose : c.purposes) {
        if (purpose == Purpose::service) return ContactRejection::no_consent_for_purpose;
        const auto now = purpose == Purpose::marketing ? contact.marketing : contact.utility;
        const bool in_words = c.source != ConsentSource::user_preferences;
        const bool changes = c.granted
                                 ? (in_words ? now == Consent::refused : now != Consent::granted)
                                 : now != Consent::refused;
        if (changes)
            facts.emplace_back(ConsentChanged{.customer_id = contact.customer_id,
                                              .purpose = purpose,
                                              .granted = c.granted,
                                              .source = c.source,
                                              .text = c.text});
    }
    return facts;
}

Answer on(const OpenContact& contact, const MergeInto& c) {
    if (c.customer_id == contact.customer_id) return ContactRejection::merges_into_itself;
    return ContactMerged{.customer_id = contact.customer_id, .into = c.customer_id};
}

Answer on(const OpenContact& contact, const LinkMerged& c) {
    if (c.customer_id == contact.customer_id) return ContactRejection::merges_into_itself;
    if (std::ranges::find(contact.linked, c.customer_id) != contact.linked.end())
        return std::vector<ContactEvent>{};
    return ContactsLinked{.customer_id = contact.customer_id,
                          .merged_customer_id = c.customer_id,
                          .identities = c.identities,
                          .marketing = stricter(contact.marketing, c.marketing),
                          .utility = stricter(contact.utility, c.utility)};
}

template <class Stage, class AnyCommand>
Answer on(const Stage&, const AnyCommand&) {
    return ContactRejection::wrong_stage;
}

Contact after(const NoContact&, const ContactSeen& e) {
    return OpenContact{.customer_id = e.customer_id,
                       .channel_id = e.channel_id,
                       .identities = e.identities,
                       .profile_name = e.profile_name};
}

Contact after(OpenContact contact, const IdentityAdded& e) {
    if (e.replaces_earlier)
        put_first(contact, e.identity);
    else if (!knows(contact, e.identity))
        contact.identities.push_back(e.identity);
    if (!e.profile_name.empty()) contact.profile_name = e.profile_name;
    return contact;
}

Contact after(OpenContact contact, const ConsentChanged& e) {
    auto& consent = e.purpose == Purpose::marketing ? contact.marketing : contact.utility;
    consent = e.granted ? Consent::granted : Consent::refused;
    return contact;
}

Contact after(OpenContact contact, const ContactsLinked& e) {
    contact.linked.push_back(e.merged_customer_id);
    contact.marketing = e.marketing;
    contact.utility = e.utility;
    // The younger contact's number is the newer one, so it is written to.
    for (const auto& identity : e.identities)
        if (!knows(contact, identity))
            identity.kind == IdentityKind::phone ? put_first(contact, identity)
                                                 : contact.identities.push_back(identity);
    return contact;
}

Contact after(const OpenContact& contact, const ContactMerged& e) {
    return MergedContact{.customer_id = contact.customer_id, .into = e.into};
}

template <class Stage, class AnyEvent>
Contact after(const Stage&, const AnyEvent&) {
    throw CorruptStream("contact: event out of order");
}

// Folded words with single spaces between them; whatever of ASCII is neither a letter nor a digit
// is a separator.
std::string words_of(std::string_view text) {
    std::string words;
    bool gap = false;
    for (const char c : text::fold(text)) {
        const bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                          static_cast<unsigned char>(c) >= 0x80;
        if (!word) {
            gap = !words.empty();
            continue;
        }
        if (gap) words += ' ';
        gap = false;
        words += c;
    }
    return words;
}

// "Stop promotions" is the quick reply that Meta offers for marketing templates.
constexpr std::array<std::string_view, 14> kStopWords{"stop",
                                                      "stop all",
                                                      "stopall",
                                                      "stop promotions",
                                                      "unsubscribe",
                                                      "opt out",
                                                      "optout",
                                                      "sitisha",
                                                      "acha",
                                                      "jiondoe",
                                                      "nitoe",
                                                      "usinitumie",
                                                      "usinitumie tena",
                                                      "acha matangazo"};
constexpr std::array<std::string_view, 9> kStartWords{
    "start", "unstop", "subscribe", "opt in", "optin", "resume", "anza", "jiunge", "nirudishe"};
// No entry of the lists is longer; decorations that folding takes away need room too.
constexpr std::size_t kConsentTextMax = 200;
constexpr std::size_t kConsentWordsMax = 40;

}  // namespace

std::string_view text_of(IdentityKind kind) {
    switch (kind) {
        case IdentityKind::phone:
            return "phone";
        case IdentityKind::bsuid:
            return "bsuid";
    }
    return "";
}

std::optional<Purpose> purpose_of(std::string_view text) {
    if (text == "marketing") return Purpose::marketing;
    if (text == "utility") return Purpose::utility;
    if (text == "service") return Purpose::service;
    return std::nullopt;
}

Answer decide(const Contact& contact, const ContactCommand& command) {
    return std::visit([](const auto& s, const auto& c) { return on(s, c); }, contact, command);
}

Contact evolve(const Contact& contact, const ContactEvent& event) {
    return std::visit([](const auto& s, const auto& e) { return after(s, e); }, contact, event);
}

std::string phone_of(const OpenContact& contact) {
    for (const auto& identity : contact.identities)
        if (identity.kind == IdentityKind::phone) return identity.value;
    return {};
}

std::string address_of(const OpenContact& contact) {
    if (auto phone = phone_of(contact); !phone.empty()) return phone;
    for (const auto& identity : contact.identities)
        if (identity.kind == IdentityKind::bsuid) return identity.value;
    return {};
}

Consent stricter(Consent a, Consent b) {
    if (a == Consent::refused || b == Consent::refused) return Consent::refused;
    return a == Consent::granted || b == Consent::granted ? Consent::granted : Consent::unasked;
}

std::optional<ConsentWord> consent_word(std::string_view text) {
    if (text.size() > kConsentTextMax) return std::nullopt;
    const auto words = words_of(text);
    if (words.size() > kConsentWordsMax) return std::nullopt;
    if (std::ranges::find(kStopWords, words) != kStopWords.end()) return ConsentWord::stop;
    if (std::ranges::find(kStartWords, words) != kStartWords.end()) return ConsentWord::start;
    return std::nullopt;
}

Time window_end(Time last_inbound, std::chrono::microseconds margin) {
    return last_inbound + kWindow - margin;
}

}  // namespace flowstack::gateway
