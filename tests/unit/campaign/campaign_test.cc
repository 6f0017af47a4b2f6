#include "services/campaign/domain/campaign.h"

#include <gtest/gtest.h>

#include <vector>

#include "common/core/corrupt_stream.h"
#include "tests/support/given.h"

namespace flowstack::campaign {
namespace {

using std::chrono::hours;

constexpr Time kNow = from_unix_seconds(1'750'000'000);

const CampaignId kId("campaign-1");

Draft new_year() {
    Draft draft;
    draft.campaign_id = kId;
    draft.name = "New year";
    draft.body = "Happy New Year {{name}}!";
    draft.default_name = "friend";
    return draft;
}

using Given = testing::Given<Campaign, Event>;
Given given(auto... facts) { return {{Event{facts}...}}; }
auto events(auto... facts) { return std::vector<Event>{Event{facts}...}; }

const CampaignDrafted kDrafted{new_year()};
const CampaignStarted kStarted{
    .campaign_id = kId, .lanes = 4, .audience = {}, .type = Type::promotional};
const AudienceFrozen kFrozen{.campaign_id = kId, .audience = 1000};
const CampaignPaused kPaused{.campaign_id = kId, .reason = "by api"};
const CampaignResumed kResumed{.campaign_id = kId};
const CampaignCompleted kCompleted{.campaign_id = kId};
const CampaignCancelled kCancelled{.campaign_id = kId, .reason = "by api", .ran = true};
const CampaignCancelled kNeverRan{.campaign_id = kId, .reason = "by api", .ran = false};
const CampaignSettled kSettled{.campaign_id = kId};
CampaignScheduled scheduled_for(Time at) { return {.campaign_id = kId, .start_at = at}; }
ScheduleCampaign schedule_for(Time at) { return {.start_at = at, .now = kNow}; }

TEST(Campaign, IsDraftedOnce) {
    EXPECT_EQ(given().when(DraftCampaign{new_year()}).events(), events(kDrafted));
    EXPECT_EQ(given(kDrafted).when(DraftCampaign{new_year()}).rejection(), Rejection::exists);
}

TEST(Campaign, IsDraftedWithATemplateInsteadOfAText) {
    const auto draft = [](const std::string& body, std::vector<std::string> values) {
        Draft d = new_year();
        d.body = body;
        d.in_template = {.name = "promo", .language_code = "en", .content = "any bytes"};
        return given().when(DraftCampaign{.draft = d, .template_values = std::move(values)});
    };
    EXPECT_TRUE(draft("", {}).accepted());
    EXPECT_TRUE(draft("", {"Hi {{name}}", "20 %"}).accepted());
    EXPECT_EQ(draft("Happy New Year", {}).rejection(), Rejection::body_and_template);
    EXPECT_EQ(draft("", {"Hi {{nmae}}"}).rejection(), Rejection::variable_unknown);
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
    EXPECT_EQ(
        draft([](Draft& d) { d.audience = {.kind = AudienceKind::tag, .values = {}}; }).rejection(),
        Rejection::audience_values);
    EXPECT_EQ(draft([](Draft& d) {
                  d.audience = {.kind = AudienceKind::tag, .values = {""}};
              }).rejection(),
              Rejection::audience_values);
    EXPECT_EQ(draft([](Draft& d) {
                  d.audience = {.kind = AudienceKind::all, .values = {"vip"}};
              }).rejection(),
              Rejection::audience_values);
    EXPECT_TRUE(draft([](Draft& d) {
                    d.audience = {.kind = AudienceKind::tag, .values = {"vip"}};
                }).accepted());
    const auto listed = [&](std::size_t people) {
        return draft([&](Draft& d) {
            d.audience = {.kind = AudienceKind::list,
                          .values = std::vector<std::string>(people, "customer")};
        });
    };
    EXPECT_EQ(listed(0).rejection(), Rejection::audience_values);
    EXPECT_TRUE(listed(5000).accepted());
    EXPECT_EQ(listed(5001).rejection(), Rejection::audience_values);
}

TEST(Campaign, StartsNowOrAtATime) {
    EXPECT_EQ(given(kDrafted).when(StartCampaign{.lanes = 4}).events(), events(kStarted));
    EXPECT_EQ(given(kDrafted).when(schedule_for(kNow + hours{1})).events(),
              events(scheduled_for(kNow + hours{1})));
    EXPECT_EQ(given(kDrafted).when(schedule_for(kNow)).rejection(), Rejection::start_not_ahead);

    const auto scheduled = given(kDrafted, scheduled_for(kNow + hours{1}));
    EXPECT_EQ(scheduled.when(StartCampaign{.lanes = 4}).events(), events(kStarted));
    EXPECT_EQ(scheduled.when(schedule_for(kNow + hours{2})).events(),
              events(scheduled_for(kNow + hours{2})));
    EXPECT_TRUE(scheduled.when(schedule_for(kNow + hours{1})).events().empty());
}

// CampaignStarted says who is frozen; a list of thousands stands in CampaignDrafted only.
TEST(Campaign, NamesItsAudienceWhenItStarts) {
    const auto started = [](AudienceKind kind) {
        Draft draft = new_year();
        draft.audience = {.kind = kind, .values = {"vip"}};
        const auto decision = given(CampaignDrafted{draft}).when(StartCampaign{.lanes = 4});
        return std::get<CampaignStarted>(decision.events().front()).audience;
    };
    EXPECT_EQ(started(AudienceKind::tag), (Audience{.kind = AudienceKind::tag, .values = {"vip"}}));
    EXPECT_EQ(started(AudienceKind::list), (Audience{.kind = AudienceKind::list, .values = {}}));
}

TEST(Campaign, StartsOnce) {
    EXPECT_TRUE(given(kDrafted, kStarted).when(StartCampaign{.lanes = 4}).events().empty());
    EXPECT_EQ(
        given(kDrafted, kStarted, kFrozen, kCompleted).when(StartCampaign{.lanes = 4}).rejection(),
        Rejection::wrong_state);
    EXPECT_EQ(given().when(StartCampaign{.lanes = 4}).rejection(), Rejection::absent);
}

TEST(Campaign, FreezesItsAudienceOnceAlsoWhilePaused) {
    EXPECT_EQ(given(kDrafted, kStarted).when(RecordFrozen{.audience = 1000}).events(),
              events(kFrozen));
    EXPECT_EQ(given(kDrafted, kStarted, kPaused).when(RecordFrozen{.audience = 1000}).events(),
              events(kFrozen));
    EXPECT_TRUE(
        given(kDrafted, kStarted, kFrozen).when(RecordFrozen{.audience = 7}).events().empty());
    EXPECT_EQ(given(kDrafted).when(RecordFrozen{.audience = 7}).rejection(),
              Rejection::wrong_state);
}

TEST(Campaign, PausesAndGoesOnInANewRound) {
    EXPECT_EQ(given(kDrafted, kStarted).when(PauseCampaign{.reason = "by api"}).events(),
              events(kPaused));
    EXPECT_TRUE(
        given(kDrafted, kStarted, kPaused).when(PauseCampaign{.reason = "again"}).events().empty());
    EXPECT_EQ(given(kDrafted, kStarted, kPaused).when(ResumeCampaign{}).events(), events(kResumed));
    EXPECT_TRUE(given(kDrafted, kStarted).when(ResumeCampaign{}).events().empty());
    EXPECT_EQ(given(kDrafted).when(PauseCampaign{.reason = ""}).rejection(),
              Rejection::wrong_state);

    EXPECT_EQ(run_of(given(kDrafted, kStarted, kPaused).state())->round, 0);
    EXPECT_EQ(run_of(given(kDrafted, kStarted, kPaused, kResumed).state())->round, 1);
}

TEST(Campaign, CompletesWhenEveryRecipientHasADisposition) {
    const auto running = given(kDrafted, kStarted, kFrozen);
    EXPECT_EQ(running.when(RecordSettled{.settled = 999}).rejection(), Rejection::recipients_open);
    EXPECT_EQ(running.when(RecordSettled{.settled = 1000}).events(), events(kCompleted));
    EXPECT_EQ(given(kDrafted, kStarted).when(RecordSettled{.settled = 0}).rejection(),
              Rejection::audience_not_frozen);
    EXPECT_EQ(
        given(kDrafted, kStarted, kFrozen, kPaused).when(RecordSettled{.settled = 1000}).events(),
        events(kCompleted));
}

TEST(Campaign, OfNobodyCompletesAtOnce) {
    EXPECT_EQ(given(kDrafted, kStarted, AudienceFrozen{.campaign_id = kId, .audience = 0})
                  .when(RecordSettled{.settled = 0})
                  .events(),
              events(kCompleted));
}

TEST(Campaign, IsCancelledFromAnyStateBeforeItsEnd) {
    EXPECT_EQ(given(kDrafted).when(CancelCampaign{.reason = "by api"}).events(), events(kNeverRan));
    EXPECT_EQ(
        given(kDrafted, scheduled_for(kNow)).when(CancelCampaign{.reason = "by api"}).events(),
        events(kNeverRan));
    EXPECT_EQ(given(kDrafted, kStarted).when(CancelCampaign{.reason = "by api"}).events(),
              events(kCancelled));
    EXPECT_EQ(given(kDrafted, kStarted, kPaused).when(CancelCampaign{.reason = "by api"}).events(),
              events(kCancelled));
    EXPECT_TRUE(
        given(kDrafted, kNeverRan).when(CancelCampaign{.reason = "again"}).events().empty());
    EXPECT_EQ(given(kDrafted, kStarted, kFrozen, kCompleted)
                  .when(CancelCampaign{.reason = ""})
                  .rejection(),
              Rejection::wrong_state);
}

TEST(Campaign, CancelledInMidRunIsSettledWithItsLastRecipient) {
    const auto cancelled = given(kDrafted, kStarted, kFrozen, kCancelled);
    EXPECT_EQ(cancelled.when(RecordSettled{.settled = 10}).rejection(), Rejection::recipients_open);
    EXPECT_EQ(cancelled.when(RecordSettled{.settled = 1000}).events(), events(kSettled));
    EXPECT_TRUE(given(kDrafted, kStarted, kFrozen, kCancelled, kSettled)
                    .when(RecordSettled{.settled = 1000})
                    .events()
                    .empty());
    EXPECT_EQ(given(kDrafted, kStarted, kCancelled).when(RecordFrozen{.audience = 1000}).events(),
              events(kFrozen));
    EXPECT_EQ(given(kDrafted, kNeverRan).when(RecordSettled{.settled = 0}).rejection(),
              Rejection::wrong_state);
}

TEST(Campaign, SaysItsState) {
    EXPECT_EQ(text_of(given().state()), "");
    EXPECT_EQ(text_of(given(kDrafted).state()), "DRAFT");
    EXPECT_EQ(text_of(given(kDrafted, scheduled_for(kNow)).state()), "SCHEDULED");
    EXPECT_EQ(text_of(given(kDrafted, kStarted).state()), "RUNNING");
    EXPECT_EQ(text_of(given(kDrafted, kStarted, kPaused).state()), "PAUSED");
    EXPECT_EQ(text_of(given(kDrafted, kCancelled).state()), "CANCELLED");
    EXPECT_EQ(draft_of(given(kDrafted, kStarted).state())->name, "New year");
    EXPECT_EQ(draft_of(Absent{}), nullptr);
}

TEST(Campaign, RefusesToReplayImpossibleHistory) {
    EXPECT_THROW(evolve(Absent{}, kStarted), CorruptStream);
    EXPECT_THROW(evolve(Drafted{.draft = new_year()}, kDrafted), CorruptStream);
    EXPECT_THROW(evolve(Drafted{.draft = new_year()}, kResumed), CorruptStream);
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
