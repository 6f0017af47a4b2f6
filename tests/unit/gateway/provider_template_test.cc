#include "services/gateway/domain/provider_template.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace flowstack::gateway {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const TemplateKey kKey{
    .business_account_id = "102290129340398", .name = "order_ready", .language_code = "en_US"};
constexpr Time kStart = from_unix_seconds(1'750'000'000);
constexpr std::chrono::milliseconds kLag{60'000};
constexpr std::chrono::milliseconds kMargin{300'000};

TemplateParts parts(std::string body) {
    TemplateParts made;
    made.body = std::move(body);
    return made;
}

// A template's stream, each fact stored a second after the one before unless a test says when.
struct Story {
    ProviderTemplate state;
    Time now = kStart;
    std::vector<TemplateEvent> last;

    void happened(const TemplateEvent& event) { state = evolve(std::move(state), event, now); }
    std::optional<TemplateRejection> on(const TemplateCommand& command) {
        const auto decision = decide(state, command);
        if (!decision.accepted()) return decision.rejection();
        last = decision.events();
        for (const auto& event : last) happened(event);
        return std::nullopt;
    }
    template <class Event>
    bool said() const {
        for (const auto& event : last)
            if (std::holds_alternative<Event>(event)) return true;
        return false;
    }

    std::optional<TemplateRejection> request(TemplateOperation operation,
                                             const TemplateParts& wanted = parts("Ready.")) {
        return on(RequestTemplate{.operation = operation,
                                  .key = kKey,
                                  .channel_id = ChannelId("ch1"),
                                  .category = "UTILITY",
                                  .parts = wanted,
                                  .answer_until = now + seconds(10)});
    }
    std::optional<TemplateRejection> taken(TemplateOperation operation) {
        return on(RecordTemplateAnswer{.operation = operation,
                                       .answer = TemplateTaken{.provider_template_id = "77",
                                                               .status = "PENDING",
                                                               .category = "UTILITY"},
                                       .now = now});
    }
    std::optional<TemplateRejection> lost(TemplateOperation operation) {
        return on(RecordTemplateAnswer{.operation = operation,
                                       .answer = TemplateAnswerLost{.reason = "no answer"},
                                       .now = now});
    }
    RecordTemplateNews news(const std::string& status, Time as_of,
                            const std::string& reason = "") const {
        return {.key = kKey,
                .provider_template_id = "77",
                .status = status,
                .reason = reason,
                .category = "",
                .quality = "",
                .as_of = as_of,
                .listed_at = {}};
    }
    void told(const std::string& status, Time as_of, const std::string& reason = "") {
        on(news(status, as_of, reason));
    }
    void listed(const std::string& status, Time as_of, const TemplateParts& has = parts("Ready.")) {
        on(RecordListed{.listed = {.key = kKey,
                                   .provider_template_id = "77",
                                   .status = status,
                                   .reason = "",
                                   .category = "UTILITY",
                                   .quality = "",
                                   .parts = has},
                        .as_of = as_of});
    }
    void not_listed(Time as_of) { on(RecordNotListed{.as_of = as_of, .lag = kLag}); }
};

TEST(ProviderTemplate, IsPendingOnceTheProviderTookItAndMayBeSentOnceItIsApproved) {
    Story story;
    EXPECT_EQ(story.request(TemplateOperation::create), std::nullopt);
    ASSERT_TRUE(story.state.open);
    EXPECT_FALSE(story.state.at_provider);
    EXPECT_EQ(story.taken(TemplateOperation::create), std::nullopt);
    EXPECT_FALSE(story.state.open);
    EXPECT_EQ(story.state.status, "PENDING");
    EXPECT_EQ(story.state.provider_template_id, "77");
    EXPECT_TRUE(reason_not_to_send(story.state, kKey, false));
    story.told("APPROVED", kStart + seconds(30));
    EXPECT_EQ(reason_not_to_send(story.state, kKey, false), std::nullopt);
}

TEST(ProviderTemplate, SaysWhyItMayNotBeSent) {
    Story story;
    story.listed("APPROVED", kStart);
    story.told("PAUSED", kStart + seconds(5), "LOW_QUALITY");
    EXPECT_EQ(
        *reason_not_to_send(story.state, kKey, true),
        "The template order_ready (en_US) is PAUSED: LOW_QUALITY. Only an APPROVED one may be "
        "sent.");
    // One that nobody knows: only a whole list proves that it does not exist.
    EXPECT_EQ(reason_not_to_send({}, kKey, false), std::nullopt);
    EXPECT_EQ(*reason_not_to_send({}, kKey, true),
              "The provider's account has no template order_ready (en_US). Check its name and "
              "language, or have the templates listed again.");
}

TEST(ProviderTemplate, EveryStatusButApprovedIsRefused) {
    for (const auto* status : {"PENDING", "REJECTED", "PAUSED", "DISABLED", "IN_APPEAL", "FLAGGED",
                               "PENDING_DELETION", "ARCHIVED", "A_WORD_OF_NEXT_YEAR", ""}) {
        Story story;
        story.listed(status, kStart);
        EXPECT_TRUE(reason_not_to_send(story.state, kKey, true)) << status;
    }
}

TEST(ProviderTemplate, OneRequestAtATime) {
    Story story;
    story.request(TemplateOperation::create);
    EXPECT_EQ(story.request(TemplateOperation::create), TemplateRejection::request_open);
    story.lost(TemplateOperation::create);
    EXPECT_EQ(story.request(TemplateOperation::create), TemplateRejection::request_open)
        << "a lost answer is not asked for again blindly";
}

TEST(ProviderTemplate, IsMadeOnceAndEditedAndDeletedOnlyWhereItIs) {
    Story story;
    EXPECT_EQ(story.request(TemplateOperation::edit), TemplateRejection::not_at_provider);
    EXPECT_EQ(story.request(TemplateOperation::remove), TemplateRejection::not_at_provider);
    story.listed("APPROVED", kStart);
    EXPECT_EQ(story.request(TemplateOperation::create), TemplateRejection::exists);
    EXPECT_EQ(story.request(TemplateOperation::remove), std::nullopt);
    story.taken(TemplateOperation::remove);
    EXPECT_FALSE(story.state.at_provider);
    EXPECT_EQ(story.request(TemplateOperation::create), std::nullopt);
}

TEST(ProviderTemplate, ARefusalIsKeptAndLetsTheNextRequestBegin) {
    Story story;
    story.request(TemplateOperation::create);
    story.on(RecordTemplateAnswer{
        .operation = TemplateOperation::create,
        .answer = TemplateNotTaken{.error = {.error_class = ErrorClass::rejected,
                                             .code = "2388299",
                                             .title = "no",
                                             .details = ""},
                                   .reason = "no"},
        .now = story.now});
    ASSERT_TRUE(story.state.refused);
    EXPECT_EQ(story.state.refused->error.code, "2388299");
    EXPECT_FALSE(story.state.at_provider);
    EXPECT_EQ(story.request(TemplateOperation::create), std::nullopt);
    EXPECT_FALSE(story.state.refused);
}

TEST(ProviderTemplate, AnAnswerThatComesAfterItWasSettledChangesNothing) {
    Story story;
    story.request(TemplateOperation::create);
    story.taken(TemplateOperation::create);
    EXPECT_EQ(story.taken(TemplateOperation::create), TemplateRejection::stale_answer);
    story.request(TemplateOperation::edit);
    EXPECT_EQ(story.taken(TemplateOperation::create), TemplateRejection::stale_answer);
}

TEST(ProviderTemplate, ALostCreationIsSettledByTheList) {
    Story there;
    there.request(TemplateOperation::create);
    there.lost(TemplateOperation::create);
    there.listed("PENDING", there.now + seconds(1));
    EXPECT_FALSE(there.state.open);
    EXPECT_TRUE(there.said<TemplateRequestAccepted>());
    EXPECT_EQ(there.state.status, "PENDING");

    Story not_there;
    not_there.request(TemplateOperation::create);
    not_there.lost(TemplateOperation::create);
    not_there.not_listed(not_there.now + seconds(1));
    EXPECT_TRUE(not_there.state.open) << "the list may be older than the request";
    not_there.not_listed(not_there.now + minutes(2));
    EXPECT_FALSE(not_there.state.open);
    EXPECT_TRUE(not_there.said<TemplateRequestRefused>());
}

TEST(ProviderTemplate, AListIsNoAnswerToARequestThatIsUnderWay) {
    Story story;
    story.listed("APPROVED", kStart);
    story.now += seconds(10);
    story.request(TemplateOperation::edit, parts("Come."));
    story.listed("APPROVED", story.now + seconds(1));
    EXPECT_TRUE(story.state.open) << "its answer is still to come";
    story.lost(TemplateOperation::edit);
    story.listed("PENDING", story.now - seconds(5));
    EXPECT_TRUE(story.state.open) << "older than the request";
    story.listed("PENDING", story.now + seconds(2), parts("Come."));
    EXPECT_FALSE(story.state.open);
    EXPECT_TRUE(story.said<TemplateRequestAccepted>());
}

TEST(ProviderTemplate, ALostEditThatTheListDoesNotShowWasNotDone) {
    Story story;
    story.listed("APPROVED", kStart);
    story.request(TemplateOperation::edit, parts("Come."));
    story.lost(TemplateOperation::edit);
    story.listed("APPROVED", story.now + seconds(1));
    EXPECT_FALSE(story.state.open);
    ASSERT_TRUE(story.state.refused);
    EXPECT_EQ(story.state.parts->body, "Ready.");
}

TEST(ProviderTemplate, ALostDeletionIsSettledByTheList) {
    for (const auto* status : {"APPROVED", "PENDING_DELETION"}) {
        Story story;
        story.listed("APPROVED", kStart);
        story.request(TemplateOperation::remove);
        story.lost(TemplateOperation::remove);
        story.listed(status, story.now + seconds(1));
        EXPECT_FALSE(story.state.open) << status;
        EXPECT_EQ(story.state.refused.has_value(), std::string(status) == "APPROVED");
    }
    Story gone;
    gone.listed("APPROVED", kStart);
    gone.request(TemplateOperation::remove);
    gone.lost(TemplateOperation::remove);
    gone.not_listed(gone.now + minutes(2));
    EXPECT_FALSE(gone.state.open);
    EXPECT_FALSE(gone.state.at_provider);
    EXPECT_TRUE(gone.said<TemplateGone>());
}

TEST(ProviderTemplate, OlderNewsAndRepeatsChangeNothing) {
    Story story;
    story.listed("PENDING", kStart);
    story.told("APPROVED", kStart + seconds(20));
    story.told("PAUSED", kStart + seconds(40), "LOW_QUALITY");
    story.told("APPROVED", kStart + seconds(20));
    EXPECT_TRUE(story.last.empty());
    EXPECT_EQ(story.state.status, "PAUSED");
    story.told("PAUSED", kStart + seconds(40), "LOW_QUALITY");
    EXPECT_TRUE(story.last.empty());
    // What says the same at a later time is remembered for its time.
    story.told("PAUSED", kStart + seconds(60), "LOW_QUALITY");
    story.told("APPROVED", kStart + seconds(50));
    EXPECT_EQ(story.state.status, "PAUSED");
}

TEST(ProviderTemplate, NewsOutOfOrderEndsTheSame) {
    const std::vector<std::pair<const char*, int>> said{
        {"APPROVED", 10}, {"PAUSED", 20}, {"APPROVED", 30}, {"DISABLED", 40}};
    std::vector<std::size_t> order{0, 1, 2, 3};
    do {
        Story story;
        story.listed("PENDING", kStart);
        for (const auto n : order) story.told(said[n].first, kStart + seconds(said[n].second));
        EXPECT_EQ(story.state.status, "DISABLED");
        EXPECT_EQ(story.state.status_time, kStart + seconds(40));
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST(ProviderTemplate, NewsThatCameWhileTheListWasReadKnowsBetter) {
    Story story;
    story.listed("APPROVED", kStart);
    story.told("PAUSED", kStart + seconds(100));
    story.listed("APPROVED", kStart + seconds(99));
    EXPECT_EQ(story.state.status, "PAUSED");
    story.listed("APPROVED", kStart + seconds(101));
    EXPECT_EQ(story.state.status, "APPROVED");
}

TEST(ProviderTemplate, NewsFromBeforeAListThatChangedNothingIsOld) {
    Story story;
    story.listed("APPROVED", kStart);
    auto late = story.news("PAUSED", kStart + minutes(30));
    late.listed_at = kStart + minutes(60);  // the pause had ended by then
    story.on(late);
    EXPECT_EQ(story.state.status, "APPROVED");
}

TEST(ProviderTemplate, QualityAndCategoryHaveTimesOfTheirOwn) {
    Story story;
    story.listed("APPROVED", kStart);
    auto quality = story.news("", kStart + seconds(50));
    quality.quality = "YELLOW";
    story.on(quality);
    auto category = story.news("", kStart + seconds(30));
    category.category = "MARKETING";
    story.on(category);
    story.told("PAUSED", kStart + seconds(40));
    EXPECT_EQ(story.state.quality, "YELLOW");
    EXPECT_EQ(story.state.category, "MARKETING");
    EXPECT_EQ(story.state.status, "PAUSED");
    quality.quality = "GREEN";
    quality.as_of = kStart + seconds(45);
    story.on(quality);
    EXPECT_EQ(story.state.quality, "YELLOW");
}

TEST(ProviderTemplate, WhatIsGoneIsNotBroughtBackByOldNews) {
    Story story;
    story.listed("APPROVED", kStart);
    story.now += minutes(10);
    story.not_listed(story.now);
    EXPECT_FALSE(story.state.at_provider);
    story.told("APPROVED", kStart + minutes(5));
    EXPECT_FALSE(story.state.at_provider);
    story.listed("APPROVED", kStart + minutes(5));
    EXPECT_FALSE(story.state.at_provider);
    story.told("APPROVED", story.now + minutes(1));
    EXPECT_TRUE(story.state.at_provider);
}

TEST(ProviderTemplate, AFreshOneIsNotMissedByAnOldList) {
    Story story;
    story.request(TemplateOperation::create);
    story.taken(TemplateOperation::create);
    story.not_listed(story.now + seconds(10));
    EXPECT_TRUE(story.state.at_provider);
    story.not_listed(story.now + minutes(2));
    EXPECT_FALSE(story.state.at_provider);
}

TEST(ProviderTemplate, AsksForTheListWhereNewsAloneDoesNotTell) {
    Story story;
    story.listed("APPROVED", kStart);
    EXPECT_TRUE(needs_listing(story.state, story.news("", kStart + seconds(5)), kMargin))
        << "FLAGGED, REINSTATED and the words of next year are no status";
    EXPECT_FALSE(needs_listing(story.state, story.news("PAUSED", kStart + seconds(5)), kMargin));
    EXPECT_TRUE(needs_listing({}, story.news("APPROVED", kStart), kMargin))
        << "its parts are not known";
    // The list was read at a time of our clock, and the news is older by the provider's.
    EXPECT_TRUE(needs_listing(story.state, story.news("PAUSED", kStart - minutes(1)), kMargin));
    EXPECT_FALSE(needs_listing(story.state, story.news("PAUSED", kStart - minutes(10)), kMargin));
}

TEST(ProviderTemplate, KnowsItsVariables) {
    using Names = std::vector<std::string>;
    EXPECT_EQ(variables_of("Hi {{1}}, {{2}} and {{1}}."), (Names{"1", "2", "1"}));
    EXPECT_EQ(variables_of("Hi {{first_name}}."), (Names{"first_name"}));
    EXPECT_EQ(variables_of("{{ 1 }} {{}} {{A}} {{1"), Names{});
    EXPECT_TRUE(is_numbered("12"));
    EXPECT_FALSE(is_numbered("order_2"));
}

TEST(TemplateAccount, IsListedOnceTheListWasReadAndRemembersFailures) {
    TemplateAccount account;
    account = evolve(account, TemplateListingRequested{"w1", "asked", kStart});
    EXPECT_FALSE(account.listed);
    account = evolve(account, TemplateListingFailed{"w1", "190", kStart + minutes(1), 1});
    EXPECT_EQ(account.failure, "190");
    account = evolve(account, TemplatesListed{"w1", 3, kStart, kStart + minutes(360)});
    EXPECT_TRUE(account.listed);
    EXPECT_EQ(account.failures, 0);
    account = evolve(account, TemplateListingFailed{"w1", "190", kStart + minutes(1), 1});
    EXPECT_TRUE(account.listed) << "what was known stays known";
}

}  // namespace
}  // namespace flowstack::gateway
