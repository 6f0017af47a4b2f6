#include "services/gateway/domain/contact.h"

#include <gtest/gtest.h>

#include "common/core/corrupt_stream.h"
#include "tests/unit/gateway/given.h"

namespace flowstack::gateway {
namespace {

auto given(auto... facts) { return Given<Contact, ContactEvent>{{facts...}}; }

const Identity kAsha{"phone", "+255712345678"};
const Identity kAshaBsuid{"bsuid", "TZ.13491208655302741918"};
const ContactSeen kSeen{"c1", "ch1", {kAsha}, "Asha"};
const ConsentChanged kRefusedMarketing{"c1", "marketing", false, "keyword", "STOP"};

ChangeConsent stop() { return {{"marketing", "utility"}, false, "keyword", "STOP"}; }
ChangeConsent start() { return {{"marketing", "utility"}, true, "keyword", "START"}; }

TEST(Contact, IsSeenOnceWithAtLeastOneIdentity) {
    EXPECT_EQ(given().when(SeeContact{"c1", "ch1", {kAsha}, "Asha"}).events(),
              std::vector<ContactEvent>{kSeen});
    EXPECT_EQ(given().when(SeeContact{"c1", "ch1", {}, ""}).rejection(),
              ContactRejection::no_identity);
    EXPECT_EQ(given(kSeen).when(SeeContact{"c1", "ch1", {kAsha}, ""}).rejection(),
              ContactRejection::wrong_stage);
}

TEST(Contact, TakesAnIdentityThatItDoesNotHaveYet) {
    EXPECT_EQ(given(kSeen).when(AddIdentities{{kAsha, kAshaBsuid}, "Asha"}).events(),
              (std::vector<ContactEvent>{IdentityAdded{"c1", kAshaBsuid, "Asha"}}));
    EXPECT_TRUE(given(kSeen).when(AddIdentities{{kAsha}, ""}).events().empty());
}

TEST(Contact, HoldsNoMoreThanSoManyIdentities) {
    std::vector<Identity> many;
    for (std::size_t i = 0; i < kIdentitiesMax; ++i)
        many.push_back({"bsuid", "TZ." + std::to_string(i)});
    EXPECT_EQ(given(kSeen).when(AddIdentities{many, ""}).rejection(),
              ContactRejection::too_many_identities);
}

TEST(Contact, StopRefusesBothPurposesOnce) {
    EXPECT_EQ(given(kSeen).when(stop()).events(),
              (std::vector<ContactEvent>{
                  kRefusedMarketing, ConsentChanged{"c1", "utility", false, "keyword", "STOP"}}));
    EXPECT_EQ(given(kSeen, kRefusedMarketing).when(stop()).events().size(), 1U);
}

TEST(Contact, StartUndoesARefusalAndIsOtherwiseAGreeting) {
    EXPECT_TRUE(given(kSeen).when(start()).events().empty());
    EXPECT_EQ(
        given(kSeen, kRefusedMarketing).when(start()).events(),
        (std::vector<ContactEvent>{ConsentChanged{"c1", "marketing", true, "keyword", "START"}}));
}

TEST(Contact, ProviderPreferencesGrantWhatWasNotAsked) {
    EXPECT_EQ(given(kSeen)
                  .when(ChangeConsent{{"marketing"}, true, "user_preferences", "resume"})
                  .events()
                  .size(),
              1U);
}

TEST(Contact, MergedForwardsAndTakesNothingMore) {
    const ContactMerged merged{"c1", "c0"};
    EXPECT_EQ(given(kSeen).when(MergeInto{"c0"}).events(), std::vector<ContactEvent>{merged});
    EXPECT_EQ(given(kSeen, merged).when(stop()).rejection(), ContactRejection::wrong_stage);
    EXPECT_EQ(given(kSeen).when(MergeInto{"c1"}).rejection(), ContactRejection::merges_into_itself);
    EXPECT_EQ(std::get<MergedContact>(given(kSeen, merged).state()).into, "c0");
}

TEST(Contact, LinksAMergedOneOnce) {
    const ContactsLinked linked{"c1", "c2", {kAshaBsuid}};
    EXPECT_EQ(given(kSeen).when(LinkMerged{"c2", {kAshaBsuid}}).events(),
              std::vector<ContactEvent>{linked});
    EXPECT_TRUE(given(kSeen, linked).when(LinkMerged{"c2", {kAshaBsuid}}).events().empty());
    EXPECT_EQ(std::get<OpenContact>(given(kSeen, linked).state()).identities.size(), 2U);
}

TEST(Contact, IsAddressedByPhoneFirst) {
    EXPECT_EQ(address_of({.customer_id = "c",
                          .channel_id = "",
                          .identities = {kAshaBsuid, kAsha},
                          .profile_name = ""}),
              kAsha.value);
    EXPECT_EQ(
        address_of(
            {.customer_id = "c", .channel_id = "", .identities = {kAshaBsuid}, .profile_name = ""}),
        kAshaBsuid.value);
}

TEST(Contact, RefusesToReplayImpossibleHistory) {
    EXPECT_THROW(given(kRefusedMarketing).state(), CorruptStream);
}

TEST(ConsentWords, CountOnlyAsTheWholeMessage) {
    for (const auto* text :
         {"STOP", " stop. ", "Stop!", "UNSUBSCRIBE", "opt-out", "Sitisha", "ACHA"})
        EXPECT_EQ(consent_word(text), ConsentWord::stop) << text;
    for (const auto* text : {"START", "start", "Subscribe", "Anza!", "jiunge"})
        EXPECT_EQ(consent_word(text), ConsentWord::start) << text;
    for (const auto* text : {"please stop by tomorrow", "stop it", "", "  ", "stopwatch",
                             "non-stop", "usiache", "st\xC3\xB6p"})
        EXPECT_EQ(consent_word(text), std::nullopt) << text;
}

}  // namespace
}  // namespace flowstack::gateway
