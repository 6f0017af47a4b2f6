#include "services/gateway/domain/contact.h"

#include <gtest/gtest.h>

#include "common/core/corrupt_stream.h"
#include "services/gateway/domain/phone.h"
#include "tests/support/given.h"

namespace flowstack::gateway {
namespace {

using testing::Given;

auto given(auto... facts) { return Given<Contact, ContactEvent>{{facts...}}; }

const CustomerId kCustomer("c1");
const CustomerId kOther("c2");

Identity phone(const std::string& number) { return {.kind = IdentityKind::phone, .value = number}; }
const Identity kAsha = phone("+255712345678");
const Identity kAshaBsuid{.kind = IdentityKind::bsuid, .value = "TZ.13491208655302741918"};

SeeContact see(std::vector<Identity> identities, const std::string& name = "") {
    return {.customer_id = kCustomer,
            .channel_id = ChannelId("ch1"),
            .identities = std::move(identities),
            .profile_name = name};
}
ContactSeen seen(std::vector<Identity> identities, const std::string& name = "") {
    return {.customer_id = kCustomer,
            .channel_id = ChannelId("ch1"),
            .identities = std::move(identities),
            .profile_name = name};
}
AddIdentities add(std::vector<Identity> identities, const std::string& name = "") {
    return {.identities = std::move(identities), .profile_name = name};
}
IdentityAdded added(const Identity& identity, const std::string& name, bool replaces = false) {
    return {.customer_id = kCustomer,
            .identity = identity,
            .profile_name = name,
            .replaces_earlier = replaces};
}
ConsentChanged consent(Purpose purpose, bool granted, ConsentSource source,
                       const std::string& text) {
    return {.customer_id = kCustomer,
            .purpose = purpose,
            .granted = granted,
            .source = source,
            .text = text};
}
ChangeConsent change(std::vector<Purpose> purposes, bool granted, ConsentSource source,
                     const std::string& text) {
    return {.purposes = std::move(purposes), .granted = granted, .source = source, .text = text};
}
ContactsLinked linked_with(std::vector<Identity> identities, Consent marketing = Consent::unasked,
                           Consent utility = Consent::unasked) {
    return {.customer_id = kCustomer,
            .merged_customer_id = kOther,
            .identities = std::move(identities),
            .marketing = marketing,
            .utility = utility};
}
LinkMerged link(std::vector<Identity> identities, Consent marketing = Consent::unasked) {
    return {.customer_id = kOther,
            .identities = std::move(identities),
            .marketing = marketing,
            .utility = Consent::unasked};
}
MergeInto merge_into(const CustomerId& survivor) { return {.customer_id = survivor}; }

const ContactSeen kSeen = seen({kAsha}, "Asha");
const ConsentChanged kRefusedMarketing =
    consent(Purpose::marketing, false, ConsentSource::keyword, "STOP");

ChangeConsent stop() {
    return change({Purpose::marketing, Purpose::utility}, false, ConsentSource::keyword, "STOP");
}
ChangeConsent start() {
    return change({Purpose::marketing, Purpose::utility}, true, ConsentSource::keyword, "START");
}

TEST(Contact, IsSeenOnceWithAtLeastOneIdentity) {
    EXPECT_EQ(given().when(see({kAsha}, "Asha")).events(), std::vector<ContactEvent>{kSeen});
    EXPECT_EQ(given().when(see({})).rejection(), ContactRejection::no_identity);
    EXPECT_EQ(given(kSeen).when(see({kAsha})).rejection(), ContactRejection::wrong_stage);
}

TEST(Contact, TakesAnIdentityThatItDoesNotHaveYet) {
    EXPECT_EQ(given(kSeen).when(add({kAsha, kAshaBsuid}, "Asha")).events(),
              (std::vector<ContactEvent>{added(kAshaBsuid, "Asha")}));
    EXPECT_TRUE(given(kSeen).when(add({kAsha})).events().empty());
}

TEST(Contact, HoldsNoMoreThanSoManyIdentities) {
    std::vector<Identity> many;
    for (std::size_t i = 0; i < kIdentitiesMax; ++i)
        many.push_back({.kind = IdentityKind::bsuid, .value = "TZ." + std::to_string(i)});
    EXPECT_EQ(given(kSeen).when(add(many)).rejection(), ContactRejection::too_many_identities);
}

TEST(Contact, StopRefusesBothPurposesOnce) {
    EXPECT_EQ(
        given(kSeen).when(stop()).events(),
        (std::vector<ContactEvent>{
            kRefusedMarketing, consent(Purpose::utility, false, ConsentSource::keyword, "STOP")}));
    EXPECT_EQ(given(kSeen, kRefusedMarketing).when(stop()).events().size(), 1U);
}

TEST(Contact, StartUndoesARefusalAndIsOtherwiseAGreeting) {
    EXPECT_TRUE(given(kSeen).when(start()).events().empty());
    EXPECT_EQ(given(kSeen, kRefusedMarketing).when(start()).events(),
              (std::vector<ContactEvent>{
                  consent(Purpose::marketing, true, ConsentSource::keyword, "START")}));
}

TEST(Contact, ProviderPreferencesGrantWhatWasNotAsked) {
    EXPECT_EQ(
        given(kSeen)
            .when(change({Purpose::marketing}, true, ConsentSource::user_preferences, "resume"))
            .events()
            .size(),
        1U);
}

TEST(Contact, ThereIsNoConsentForAnAnswerToTheCustomer) {
    EXPECT_EQ(given(kSeen)
                  .when(change({Purpose::service}, false, ConsentSource::keyword, "STOP"))
                  .rejection(),
              ContactRejection::no_consent_for_purpose);
}

TEST(Contact, MergedForwardsAndTakesNothingMore) {
    const CustomerId older("c0");
    const ContactMerged merged{.customer_id = kCustomer, .into = older};
    EXPECT_EQ(given(kSeen).when(merge_into(older)).events(), std::vector<ContactEvent>{merged});
    EXPECT_EQ(given(kSeen, merged).when(stop()).rejection(), ContactRejection::wrong_stage);
    EXPECT_EQ(given(kSeen).when(merge_into(kCustomer)).rejection(),
              ContactRejection::merges_into_itself);
    EXPECT_EQ(std::get<MergedContact>(given(kSeen, merged).state()).into, older);
}

TEST(Contact, LinksAMergedOneOnce) {
    const auto linked = linked_with({kAshaBsuid});
    EXPECT_EQ(given(kSeen).when(link({kAshaBsuid})).events(), std::vector<ContactEvent>{linked});
    EXPECT_TRUE(given(kSeen, linked).when(link({kAshaBsuid})).events().empty());
    EXPECT_EQ(std::get<OpenContact>(given(kSeen, linked).state()).identities.size(), 2U);
}

TEST(Contact, LinkingTakesTheStricterConsentOfBothAndSaysSo) {
    const auto granted =
        consent(Purpose::marketing, true, ConsentSource::user_preferences, "resume");
    const auto linked = [&](auto contact, Consent marketing) {
        const auto decision = contact.when(link({}, marketing));
        return std::get<ContactsLinked>(decision.events().front()).marketing;
    };
    EXPECT_EQ(linked(given(kSeen), Consent::refused), Consent::refused);
    EXPECT_EQ(linked(given(kSeen, granted), Consent::refused), Consent::refused);
    EXPECT_EQ(linked(given(kSeen, kRefusedMarketing), Consent::granted), Consent::refused);
    EXPECT_EQ(linked(given(kSeen, kRefusedMarketing), Consent::unasked), Consent::refused);
    EXPECT_EQ(linked(given(kSeen), Consent::granted), Consent::granted);
    EXPECT_EQ(linked(given(kSeen), Consent::unasked), Consent::unasked);

    const auto refused = linked_with({}, Consent::refused, Consent::granted);
    const auto contact = std::get<OpenContact>(given(kSeen, granted, refused).state());
    EXPECT_EQ(contact.marketing, Consent::refused);
    EXPECT_EQ(contact.utility, Consent::granted);
}

TEST(Contact, ANewNumberIsWrittenToAndTheOldOneStillNamesThem) {
    const auto changed = phone("+255754000001");
    const auto replaced = added(changed, "", true);
    EXPECT_EQ(given(kSeen).when(ReplaceIdentity{.identity = changed}).events(),
              std::vector<ContactEvent>{replaced});
    const auto contact = std::get<OpenContact>(given(kSeen, replaced).state());
    EXPECT_EQ(address_of(contact), changed.value);
    EXPECT_EQ(contact.identities.size(), 2U);
    // Told twice; and back to the old number again.
    EXPECT_TRUE(given(kSeen, replaced).when(ReplaceIdentity{.identity = changed}).events().empty());
    const auto back = given(kSeen, replaced).when(ReplaceIdentity{.identity = kAsha});
    EXPECT_EQ(back.events(), (std::vector<ContactEvent>{added(kAsha, "", true)}));
    EXPECT_EQ(
        address_of(std::get<OpenContact>(given(kSeen, replaced, added(kAsha, "", true)).state())),
        kAsha.value);
}

TEST(Contact, WritesToTheNumberOfTheYoungerContactThatItTookOver) {
    const auto newer = phone("+255754000001");
    const auto linked = linked_with({newer, kAshaBsuid});
    const auto contact = std::get<OpenContact>(given(kSeen, linked).state());
    EXPECT_EQ(address_of(contact), newer.value);
    EXPECT_EQ(contact.identities, (std::vector<Identity>{newer, kAsha, kAshaBsuid}));
}

TEST(Contact, AnotherSpellingOfItsNumberIsNoNewIdentity) {
    const auto mexican = seen({phone("+5215512345678")});
    EXPECT_TRUE(given(mexican).when(add({phone("+525512345678")})).events().empty());
}

TEST(Phones, AreE164) {
    EXPECT_EQ(phone_from_digits("254712345678"), "+254712345678");
    EXPECT_EQ(phone_from_digits("+254712345678"), "+254712345678");
    for (const auto* text : {"", "+", "0712345678", "12345", "1234567890123456", "25471234567a"})
        EXPECT_EQ(phone_from_digits(text), "") << text;
}

TEST(Phones, RegionalSpellingsOfOneNumberAreOne) {
    const std::pair<const char*, const char*> kSpellings[] = {
        {"+5215512345678", "+525512345678"},  // Mexico
        {"+551187654321", "+5511987654321"},  // Brazil
        {"+541123456789", "+5491123456789"},  // Argentina
    };
    for (const auto& [one, other] : kSpellings) {
        EXPECT_EQ(one_spelling(one), one_spelling(other)) << one;
        EXPECT_EQ(one_spelling(one_spelling(one)), one_spelling(one)) << one;
    }
    // A Brazilian land line has no ninth digit; the rest of the world has one spelling.
    for (const auto* same : {"+551133334444", "+254712345678", "+525512345678", "+5511987654321",
                             "+12195555358", "", "+", "US.99", "+52", "+52 1"})
        EXPECT_EQ(one_spelling(same), same) << same;
}

TEST(Phone, HasItsCallingCode) {
    for (const auto& [phone, code] :
         std::vector<std::pair<std::string, std::string>>{{"+254712345678", "254"},
                                                          {"+255712345678", "255"},
                                                          {"+14155238886", "1"},
                                                          {"+79161234567", "7"},
                                                          {"+447911123456", "44"},
                                                          {"+2348031234567", "234"},
                                                          {"+27821234567", "27"},
                                                          {"+5511987654321", "55"},
                                                          {"+971501234567", "971"}})
        EXPECT_EQ(calling_code(phone), code) << phone;
    for (const auto* none : {"", "254712345678", "+0712345678", "KE.1349", "+12"})
        EXPECT_EQ(calling_code(none), "") << none;
}

TEST(Contact, IsAddressedByPhoneFirst) {
    const auto address = [](std::vector<Identity> identities) {
        return address_of({.customer_id = kCustomer,
                           .channel_id = {},
                           .identities = std::move(identities),
                           .profile_name = ""});
    };
    EXPECT_EQ(address({kAshaBsuid, kAsha}), kAsha.value);
    EXPECT_EQ(address({kAshaBsuid}), kAshaBsuid.value);
}

TEST(Contact, RefusesToReplayImpossibleHistory) {
    EXPECT_THROW(given(kRefusedMarketing).state(), CorruptStream);
}

TEST(ConsentWords, CountOnlyAsTheWholeMessage) {
    for (const auto* text :
         {"STOP", " stop. ", "Stop!", "UNSUBSCRIBE", "opt-out", "Sitisha", "ACHA",
          "Stop promotions", "STOP_PROMOTIONS", "\u200eSTOP\u200f", "stop\u00a0all",
          "\uff33\uff34\uff2f\uff30", "\u201cStop\u201d", "opt\u2011out", "sto\u00adp"})
        EXPECT_EQ(consent_word(text), ConsentWord::stop) << text;
    for (const auto* text : {"START", "start", "Subscribe", "Anza!", "jiunge"})
        EXPECT_EQ(consent_word(text), ConsentWord::start) << text;
    for (const auto* text : {"please stop by tomorrow", "stop it", "", "  ", "stopwatch",
                             "non-stop", "usiache", "st\xC3\xB6p"})
        EXPECT_EQ(consent_word(text), std::nullopt) << text;
}

}  // namespace
}  // namespace flowstack::gateway
