#include "services/campaign/domain/campaign.h"

#include <gtest/gtest.h>

#include <vector>

#include "common/core/corrupt_stream.h"
#include "tests/support/given.h"

namespace flowstack::campaign {
namespace {

using std::chrono::hours;

constexpr Time kNow = from_unix_seconds(1'750'000'000);

Draft new_year() {
    Draft draft;
    draft.campaign_id = "campaign-1";
    draft.name = "New year";
    draft.body = "Happy New Year {{name}}!";
    draft.default_name = "friend";
    return draft;
}

using Given = testing::Given<Campaign, Event>;
Given given(auto... facts) { return {{Event{facts}...}}; }
auto events(auto... facts) { return std::vector<Event>{Event{facts}...}; }

const CampaignDrafted kDrafted{new_year()};
const CampaignStarted kStarted{4};
const AudienceFrozen kFrozen{1000};
const CampaignPaused kPaused{"by api"};
const CampaignCancelled kCancelled{"by api", true};
const CampaignCancelled kNeverRan{"by api", false};

TEST(Campaign, IsDraftedOnce) {
    EXPECT_EQ(given().when(DraftCampaign{new_year()}).events(), events(kDrafted));
    EXPECT_EQ(given(kDrafted).when(DraftCampaign{new_year()}).rejection(), Rejection::exists);
}

TEST(Campaign, IsDraftedWithinItsLimits) {
    const auto draft = [](auto change) {
        Draft d = new_year();
        change(d);
        return given().when(DraftCampaign{d});
    };
    EXPECT_EQ(draft([](Draft& d) { d.name = " "; }).rejection(), Rejection::name_length);
    EXPECT_EQ(draft([](Draft& d) { d.name.assign(201, 'n'); }).rejection(), Rejection::name_length);
    EXPECT_EQ(draft([](Draft& d) { d.body = ""; }).rejection(), Rejection::body_length);
    EXPECT_EQ(draft([](Draft& d) { d.body.assign(4097, 'b'); }).rejection(),
              Rejection::body_length);
    EXPECT_EQ(draft([](Draft& d) { d.body = "Hi {{nmae}}"; }).rejection(),
              Rejection::variable_unknown);
    EXPECT_TRUE(draft([](Draft& d) { d.body = "Hi {{ name }}, {{name}} and {{ open"; }).accepted());
    EXPECT_EQ(draft([](Draft& d) { d.per_second = 1001; }).rejection(),
              Rejection::per_second_range);
    EXPECT_EQ(draft([](Draft& d) { d.per_second = -1; }).rejection(), Rejection::per_second_range);
    EXPECT_EQ(draft([](Draft& d) {
                  d.audience = {AudienceKind::tag, {}};
              }).rejection(),
              Rejection::audience_values);
    EXPECT_EQ(draft([](Draft& d) {
                  d.audience = {AudienceKind::tag, {""}};
              }).rejection(),
              Rejection::audience_values);
    EXPECT_EQ(draft([](Draft& d) {
                  d.audience = {AudienceKind::all, {"vip"}};
              }).rejection(),
              Rejection::audience_values);
    EXPECT_TRUE(draft([](Draft& d) { d.audience = {AudienceKind::tag, {"vip"}}; }).accepted());
    const auto listed = [&](std::size_t people) {
        return draft([&](Draft& d) {
            d.audience = {AudienceKind::list, std::vector<std::string>(people, "customer")};
        });
    };
    EXPECT_EQ(listed(0).rejection(), Rejection::audience_values);
    EXPECT_TRUE(listed(5000).accepted());
    EXPECT_EQ(listed(5001).rejection(), Rejection::audience_values);
}

TEST(Campaign, StartsNowOrAtATime) {
    EXPECT_EQ(given(kDrafted).when(StartCampaign{4}).events(), events(kStarted));
    EXPECT_EQ(given(kDrafted).when(ScheduleCampaign{kNow + hours{1}, kNow}).events(),
              events(CampaignScheduled{kNow + hours{1}}));
    EXPECT_EQ(given(kDrafted).when(ScheduleCampaign{kNow, kNow}).rejection(),
              Rejection::start_not_ahead);

    const auto scheduled = given(kDrafted, CampaignScheduled{kNow + hours{1}});
    EXPECT_EQ(scheduled.when(StartCampaign{4}).events(), events(kStarted));
    EXPECT_EQ(scheduled.when(ScheduleCampaign{kNow + hours{2}, kNow}).events(),
              events(CampaignScheduled{kNow + hours{2}}));
    EXPECT_TRUE(scheduled.when(ScheduleCampaign{kNow + hours{1}, kNow}).events().empty());
}

TEST(Campaign, StartsOnce) {
    EXPECT_TRUE(given(kDrafted, kStarted).when(StartCampaign{4}).events().empty());
    EXPECT_EQ(
        given(kDrafted, kStarted, kFrozen, CampaignCompleted{}).when(StartCampaign{4}).rejection(),
        Rejection::wrong_state);
    EXPECT_EQ(given().when(StartCampaign{4}).rejection(), Rejection::absent);
}

TEST(Campaign, FreezesItsAudienceOnceAlsoWhilePaused) {
    EXPECT_EQ(given(kDrafted, kStarted).when(RecordFrozen{1000}).events(), events(kFrozen));
    EXPECT_EQ(given(kDrafted, kStarted, kPaused).when(RecordFrozen{1000}).events(),
              events(kFrozen));
    EXPECT_TRUE(given(kDrafted, kStarted, kFrozen).when(RecordFrozen{7}).events().empty());
    EXPECT_EQ(given(kDrafted).when(RecordFrozen{7}).rejection(), Rejection::wrong_state);
}

TEST(Campaign, PausesAndGoesOnInANewRound) {
    EXPECT_EQ(given(kDrafted, kStarted).when(PauseCampaign{"by api"}).events(), events(kPaused));
    EXPECT_TRUE(given(kDrafted, kStarted, kPaused).when(PauseCampaign{"again"}).events().empty());
    EXPECT_EQ(given(kDrafted, kStarted, kPaused).when(ResumeCampaign{}).events(),
              events(CampaignResumed{}));
    EXPECT_TRUE(given(kDrafted, kStarted).when(ResumeCampaign{}).events().empty());
    EXPECT_EQ(given(kDrafted).when(PauseCampaign{""}).rejection(), Rejection::wrong_state);

    EXPECT_EQ(run_of(given(kDrafted, kStarted, kPaused).state())->round, 0);
    EXPECT_EQ(run_of(given(kDrafted, kStarted, kPaused, CampaignResumed{}).state())->round, 1);
}

TEST(Campaign, CompletesWhenEveryRecipientHasADisposition) {
    const auto running = given(kDrafted, kStarted, kFrozen);
    EXPECT_EQ(running.when(RecordSettled{999}).rejection(), Rejection::recipients_open);
    EXPECT_EQ(running.when(RecordSettled{1000}).events(), events(CampaignCompleted{}));
    EXPECT_EQ(given(kDrafted, kStarted).when(RecordSettled{0}).rejection(),
              Rejection::audience_not_frozen);
    EXPECT_EQ(given(kDrafted, kStarted, kFrozen, kPaused).when(RecordSettled{1000}).events(),
              events(CampaignCompleted{}));
}

TEST(Campaign, OfNobodyCompletesAtOnce) {
    EXPECT_EQ(given(kDrafted, kStarted, AudienceFrozen{0}).when(RecordSettled{0}).events(),
              events(CampaignCompleted{}));
}

TEST(Campaign, IsCancelledFromAnyStateBeforeItsEnd) {
    EXPECT_EQ(given(kDrafted).when(CancelCampaign{"by api"}).events(), events(kNeverRan));
    EXPECT_EQ(given(kDrafted, CampaignScheduled{kNow}).when(CancelCampaign{"by api"}).events(),
              events(kNeverRan));
    EXPECT_EQ(given(kDrafted, kStarted).when(CancelCampaign{"by api"}).events(),
              events(kCancelled));
    EXPECT_EQ(given(kDrafted, kStarted, kPaused).when(CancelCampaign{"by api"}).events(),
              events(kCancelled));
    EXPECT_TRUE(given(kDrafted, kNeverRan).when(CancelCampaign{"again"}).events().empty());
    EXPECT_EQ(given(kDrafted, kStarted, kFrozen, CampaignCompleted{})
                  .when(CancelCampaign{""})
                  .rejection(),
              Rejection::wrong_state);
}

TEST(Campaign, CancelledInMidRunIsSettledWithItsLastRecipient) {
    const auto cancelled = given(kDrafted, kStarted, kFrozen, kCancelled);
    EXPECT_EQ(cancelled.when(RecordSettled{10}).rejection(), Rejection::recipients_open);
    EXPECT_EQ(cancelled.when(RecordSettled{1000}).events(), events(CampaignSettled{}));
    EXPECT_TRUE(given(kDrafted, kStarted, kFrozen, kCancelled, CampaignSettled{})
                    .when(RecordSettled{1000})
                    .events()
                    .empty());
    EXPECT_EQ(given(kDrafted, kStarted, kCancelled).when(RecordFrozen{1000}).events(),
              events(kFrozen));
    EXPECT_EQ(given(kDrafted, kNeverRan).when(RecordSettled{0}).rejection(),
              Rejection::wrong_state);
}

TEST(Campaign, SaysItsState) {
    EXPECT_EQ(state_word(given().state()), "");
    EXPECT_EQ(state_word(given(kDrafted).state()), "DRAFT");
    EXPECT_EQ(state_word(given(kDrafted, CampaignScheduled{kNow}).state()), "SCHEDULED");
    EXPECT_EQ(state_word(given(kDrafted, kStarted).state()), "RUNNING");
    EXPECT_EQ(state_word(given(kDrafted, kStarted, kPaused).state()), "PAUSED");
    EXPECT_EQ(state_word(given(kDrafted, kCancelled).state()), "CANCELLED");
    EXPECT_EQ(draft_of(given(kDrafted, kStarted).state())->name, "New year");
    EXPECT_EQ(draft_of(Absent{}), nullptr);
}

TEST(Campaign, RefusesToReplayImpossibleHistory) {
    EXPECT_THROW(evolve(Absent{}, kStarted), CorruptStream);
    EXPECT_THROW(evolve(Drafted{new_year()}, kDrafted), CorruptStream);
    EXPECT_THROW(evolve(Drafted{new_year()}, CampaignResumed{}), CorruptStream);
}

TEST(Personalized, PutsTheNameIn) {
    EXPECT_EQ(personalized("Happy New Year {{name}}!", "Amina", "friend"), "Happy New Year Amina!");
    EXPECT_EQ(personalized("{{ name }}, {{name}}", "Amina", ""), "Amina, Amina");
}

TEST(Personalized, FallsBackToTheDefaultForABlankName) {
    EXPECT_EQ(personalized("Hi {{name}}!", " ", "friend"), "Hi friend!");
    EXPECT_EQ(personalized("Hi {{name}}!", "\u200b\u00a0", "friend"), "Hi friend!");
    EXPECT_EQ(personalized("Hi {{name}}!", "Ann\n \tLee", "friend"), "Hi Ann Lee!");
    EXPECT_EQ(personalized("Hi {{name}}!", "", ""), "Hi !");
}

TEST(Personalized, DoesNotReadVariablesInNames) {
    EXPECT_EQ(personalized("Hi {{name}}!", "{{name}}", "x"), "Hi {{name}}!");
}

TEST(Personalized, IsCutBetweenCharacters) {
    const std::string body = std::string(kBodyMax - 9, 'x') + "{{name}}";
    const auto text = personalized(body, "ññññññ", "");
    EXPECT_EQ(text.size(), kBodyMax - 1);
    EXPECT_EQ(text.substr(text.size() - 2), "ñ");
}

}  // namespace
}  // namespace flowstack::campaign
