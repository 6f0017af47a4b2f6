#include "services/gateway/domain/message.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "common/core/corrupt_stream.h"
#include "tests/support/given.h"

namespace flowstack::gateway {
namespace {

using testing::Given;
using namespace std::chrono_literals;

auto given(auto... facts) { return Given<Message, MessageEvent>{{facts...}}; }

constexpr Time kNow{1'750'000'000s};
const ProviderMessageId kWamid("wamid.1");
const Route kRoute{.channel_id = ChannelId("ch1"),
                   .customer_id = CustomerId("c1"),
                   .origin = {.kind = OriginKind::reply, .id = OriginId("conv1"), .recipient = {}},
                   .priority = kPriorityReply};

QueueMessage queue() {
    QueueMessage message;
    message.message_id = MessageId("m1");
    message.channel_id = kRoute.channel_id;
    message.customer_id = kRoute.customer_id;
    message.origin = kRoute.origin;
    message.priority = kPriorityReply;
    message.preconditions.purpose = Purpose::service;
    message.to = "+255712345678";
    return message;
}

SendAttempted attempted(int attempt) {
    return {.attempt = attempt, .replica = "r1", .route = kRoute};
}
SendAccepted accepted(int attempt, const ProviderMessageId& id) {
    return {.attempt = attempt, .provider_message_id = id, .route = kRoute};
}
SendFailed failed_until(Time retry_at, int attempt, const SendError& error = {}) {
    return {.attempt = attempt,
            .error = error,
            .reason = error.title,
            .retry_at = retry_at,
            .route = kRoute};
}
MessageRetried retried() { return {.actor = "asha", .reason = "fixed", .route = kRoute}; }
BeginAttempt begin(const DispatchFacts& facts = {}, Time now = kNow) {
    return {.facts = facts, .replica = "r1", .now = now};
}
RetryMessage retry(const std::string& why = "fixed") { return {.actor = "asha", .reason = why}; }

const MessageQueued kQueued{.message = queue()};
const SendAttempted kAttempted = attempted(1);
const SendAccepted kAccepted = accepted(1, kWamid);
const SendUnknown kUnknown{
    .attempt = 1, .reason = "timeout", .evidence_until = {}, .route = kRoute};
const SendError kUndeliverable{.error_class = ErrorClass::rejected,
                               .code = "131026",
                               .title = "Undeliverable",
                               .details = "not there"};
const SendError kIll{
    .error_class = ErrorClass::provider_ill, .code = "131016", .title = "Service unavailable"};
const SendFailed kDead = failed_until({}, 1, kUndeliverable);

SendError of_class(ErrorClass error_class, std::chrono::seconds retry_after = {}) {
    return {.error_class = error_class,
            .code = "1",
            .title = "x",
            .details = "",
            .retry_after = retry_after};
}
StatusReported status(std::string word, int attempt = 1, SendError error = {}) {
    return {.status = std::move(word),
            .provider_message_id = kWamid,
            .provider_time = kNow,
            .error = std::move(error),
            .route = kRoute,
            .attempt = attempt};
}
JudgeFailedStatus judged(const SendError& error, int attempt = 1) {
    return {.attempt = attempt,
            .provider_message_id = kWamid,
            .error = error,
            .policy = {},
            .random = 0.5,
            .now = kNow};
}
RecordOutcome outcome(Outcome what, int attempt = 1, double random = 0.5) {
    return {.attempt = attempt,
            .outcome = std::move(what),
            .policy = RetryPolicy{},
            .random = random,
            .now = kNow};
}
template <class Event>
Event only(const std::vector<MessageEvent>& events) {
    EXPECT_EQ(events.size(), 1U);
    return std::get<Event>(events.at(0));
}

TEST(OutboundMessage, IsQueuedOnce) {
    EXPECT_TRUE(given().when(queue()).accepted());
    EXPECT_EQ(given(kQueued).when(queue()).rejection(), MessageRejection::already_queued);
}

TEST(OutboundMessage, BeginsAnAttemptOnlyFromTheQueueAndInItsTime) {
    EXPECT_EQ(only<SendAttempted>(given(kQueued).when(begin()).events()).attempt, 1);
    EXPECT_EQ(given(kQueued, kAttempted).when(begin()).rejection(), MessageRejection::wrong_stage);
    auto later = queue();
    later.not_before = kNow + 1s;
    EXPECT_EQ(given(MessageQueued{.message = later}).when(begin()).rejection(),
              MessageRejection::not_due);
    EXPECT_TRUE(given(MessageQueued{.message = later}).when(begin({}, kNow + 1s)).accepted());
}

TEST(OutboundMessage, IsHeldWhileTenantOrChannelStandStill) {
    DispatchFacts facts;
    facts.tenant_suspended = true;
    EXPECT_EQ(given(kQueued).when(begin(facts)).rejection(), MessageRejection::held);
    facts = {};
    facts.channel_paused = true;
    EXPECT_EQ(given(kQueued).when(begin(facts)).rejection(), MessageRejection::held);
    facts = {};
    facts.tenant_closed = true;
    EXPECT_EQ(only<MessageCancelled>(given(kQueued).when(begin(facts)).events()).reason,
              "tenant_closed");
}

TEST(OutboundMessage, MarketingDoesNotLeaveAfterStop) {
    auto marketing = queue();
    marketing.preconditions.purpose = Purpose::marketing;
    DispatchFacts facts;
    facts.marketing = Consent::refused;
    EXPECT_EQ(only<MessageSuppressed>(
                  given(MessageQueued{.message = marketing}).when(begin(facts)).events())
                  .reason,
              Suppression::opted_out);
    // A reply is no marketing.
    EXPECT_EQ(only<SendAttempted>(given(kQueued).when(begin(facts)).events()).attempt, 1);
}

TEST(OutboundMessage, FollowUpIsSuppressedWhenTheCustomerAnswered) {
    auto follow_up = queue();
    follow_up.preconditions.nothing_inbound_since = kNow - 1h;
    DispatchFacts facts;
    facts.last_inbound = kNow - 59min;
    EXPECT_EQ(reason_to_suppress(follow_up.preconditions, facts, kNow), Suppression::answered);
    facts.last_inbound = kNow - 1h;
    EXPECT_EQ(reason_to_suppress(follow_up.preconditions, facts, kNow), std::nullopt);
}

TEST(OutboundMessage, NeedsTheWindowOpenWithItsMargin) {
    Preconditions conditions;
    conditions.needs_open_window = true;
    DispatchFacts facts;
    facts.window_margin = 5min;
    EXPECT_EQ(reason_to_suppress(conditions, facts, kNow), Suppression::window_closed);
    // A word at another channel opens no window at this one.
    facts.last_inbound = kNow - 1min;
    EXPECT_EQ(reason_to_suppress(conditions, facts, kNow), Suppression::window_closed);
    facts.last_inbound_channel = kNow - 24h + 6min;
    EXPECT_EQ(reason_to_suppress(conditions, facts, kNow), std::nullopt);
    facts.last_inbound_channel = kNow - 24h + 4min;
    EXPECT_EQ(reason_to_suppress(conditions, facts, kNow), Suppression::window_closed);
    // The message that it answers is evidence too, when our own copy lags.
    conditions.window_evidence = kNow - 1min;
    EXPECT_EQ(reason_to_suppress(conditions, facts, kNow), std::nullopt);
}

TEST(OutboundMessage, RetriesWithFullJitterAndGivesUpAfterItsAttempts) {
    const auto failed = only<SendFailed>(
        given(kQueued, kAttempted)
            .when(outcome(Refused{.error = of_class(ErrorClass::too_fast)}, 1, 0.5))
            .events());
    EXPECT_EQ(failed.retry_at, kNow + 500ms);
    EXPECT_EQ(failed.route, kRoute);

    // Evenly spread below a bound that doubles, up to the policy's limit.
    const auto wait = [](int attempt, double random) {
        std::vector<MessageEvent> tried{kQueued};
        for (int n = 1; n <= attempt; ++n) {
            tried.emplace_back(attempted(n));
            if (n < attempt) tried.emplace_back(failed_until(kNow, n));
        }
        auto answer = outcome(Refused{.error = of_class(ErrorClass::busy)}, attempt, random);
        answer.policy = {.attempts_max = 50, .backoff_base = 100ms, .backoff_max = 1000ms};
        return only<SendFailed>(Given<Message, MessageEvent>{tried}.when(answer).events())
                   .retry_at -
               kNow;
    };
    EXPECT_EQ(wait(1, 0), 0ms);
    EXPECT_EQ(wait(1, 0.5), 50ms);
    EXPECT_EQ(wait(2, 0.5), 100ms);
    EXPECT_EQ(wait(4, 0.5), 400ms);
    EXPECT_EQ(wait(5, 0.5), 500ms);
    EXPECT_EQ(wait(40, 0.5), 500ms);

    std::vector<MessageEvent> history{kQueued};
    for (int attempt = 1; attempt <= 4; ++attempt) {
        history.emplace_back(attempted(attempt));
        history.emplace_back(failed_until(kNow, attempt, of_class(ErrorClass::too_fast)));
    }
    history.emplace_back(attempted(5));
    const Given<Message, MessageEvent> fifth{history};
    EXPECT_EQ(only<SendFailed>(
                  fifth.when(outcome(Refused{.error = of_class(ErrorClass::too_fast)}, 5)).events())
                  .retry_at,
              Time{});
}

TEST(OutboundMessage, WaitsFourToTheXForAPair) {
    EXPECT_EQ(only<SendFailed>(
                  given(kQueued, kAttempted)
                      .when(outcome(Refused{.error = of_class(ErrorClass::recipient_too_fast)}))
                      .events())
                  .retry_at,
              kNow + 1s);
    EXPECT_EQ(only<SendFailed>(
                  given(kQueued, kAttempted, failed_until(kNow, 1), attempted(2))
                      .when(outcome(Refused{.error = of_class(ErrorClass::recipient_too_fast)}, 2))
                      .events())
                  .retry_at,
              kNow + 4s);
}

TEST(OutboundMessage, ErrorClassesDecideWhatBecomesOfIt) {
    const auto after = [](ErrorClass error_class) {
        return given(kQueued, kAttempted)
            .when(outcome(Refused{.error = of_class(error_class, 24h)}))
            .events()
            .at(0);
    };
    using enum ErrorClass;
    for (const auto final : {rejected, account_blocked, none})
        EXPECT_EQ(std::get<SendFailed>(after(final)).retry_at, Time{});
    for (const auto later : {ErrorClass::wait, unauthorised, needs_operator})
        EXPECT_EQ(std::get<SendFailed>(after(later)).retry_at, kNow + 24h);
    for (const auto soon : {provider_ill, busy, too_fast})
        EXPECT_EQ(std::get<SendFailed>(after(soon)).retry_at, kNow + 500ms);
    EXPECT_EQ(std::get<MessageSuppressed>(after(window_closed)).reason, Suppression::window_closed);
    EXPECT_EQ(std::get<MessageSuppressed>(after(opted_out)).reason, Suppression::opted_out);
}

TEST(OutboundMessage, ALostAnswerIsUnknownAndStaysSo) {
    const auto unknown = only<SendUnknown>(
        given(kQueued, kAttempted).when(outcome(Lost{.reason = "timeout"})).events());
    EXPECT_EQ(unknown.evidence_until, Time{});
    EXPECT_EQ(given(kQueued, kAttempted, kUnknown).when(begin()).rejection(),
              MessageRejection::wrong_stage);
    EXPECT_EQ(given(kQueued, kAttempted, kUnknown).state().view, View::unknown);
}

TEST(OutboundMessage, TheTenantMayChooseToSendUnknownOnesAgain) {
    auto lost = outcome(Lost{.reason = "timeout"});
    lost.policy.send_unknown_again = true;
    const auto unknown = only<SendUnknown>(given(kQueued, kAttempted).when(lost).events());
    EXPECT_EQ(unknown.evidence_until, kNow + 10min);
    EXPECT_TRUE(
        given(kQueued, kAttempted, unknown).when(SendUnknownAgain{.attempt = 1}).accepted());
    // Evidence came in time.
    EXPECT_EQ(given(kQueued, kAttempted, unknown, status("sent"))
                  .when(SendUnknownAgain{.attempt = 1})
                  .rejection(),
              MessageRejection::stale_attempt);
}

TEST(OutboundMessage, ANewOwnerDeclaresOpenAttemptsLostAndALateAnswerIsEvidence) {
    EXPECT_TRUE(given(kQueued, kAttempted)
                    .when(DeclareLost{.attempt = 1, .policy = {}, .now = kNow})
                    .accepted());
    EXPECT_EQ(given(kQueued, kAttempted, kAccepted)
                  .when(DeclareLost{.attempt = 1, .policy = {}, .now = kNow})
                  .rejection(),
              MessageRejection::stale_attempt);
    EXPECT_EQ(only<SendAccepted>(given(kQueued, kAttempted, kUnknown)
                                     .when(outcome(Accepted{.provider_message_id = kWamid}))
                                     .events())
                  .provider_message_id,
              kWamid);
}

TEST(OutboundMessage, StatusesInAnyOrderGiveTheSameView) {
    std::vector<MessageEvent> reports{kAccepted,      status("sent"), status("delivered"),
                                      status("read"), status("sent"), status("delivered")};
    std::mt19937 random(7);  // the order is all that is drawn
    for (int round = 0; round < 200; ++round) {
        std::shuffle(reports.begin(), reports.end(), random);
        std::vector<MessageEvent> history{kQueued, kAttempted};
        auto highest = View::sending;
        for (const auto& report : reports) {
            history.push_back(report);
            const auto view = Given<Message, MessageEvent>{history}.state().view;
            EXPECT_GE(view, highest);
            highest = view;
        }
        EXPECT_EQ(highest, View::read);
    }
}

TEST(OutboundMessage, AStatusBeforeTheAnswerIsEvidenceAndTheAnswerAddsNothing) {
    EXPECT_TRUE(given(kQueued, kAttempted, status("delivered"))
                    .when(outcome(Accepted{.provider_message_id = kWamid}))
                    .events()
                    .empty());
    EXPECT_EQ(given(kQueued, kAttempted, status("delivered")).when(begin()).rejection(),
              MessageRejection::wrong_stage);
}

TEST(OutboundMessage, AFailedStatusIsRetriedByItsClassAndOnlyForTheLastAttempt) {
    EXPECT_EQ(only<SendFailed>(given(kQueued, kAttempted, kAccepted, status("failed", 1, kIll))
                                   .when(judged(kIll))
                                   .events())
                  .retry_at,
              kNow + 500ms);
    // The second attempt is on its way: the first one's failure is history.
    EXPECT_TRUE(given(kQueued, kAttempted, failed_until(kNow, 1, kIll), attempted(2),
                      status("failed", 1, kIll))
                    .when(judged(kIll))
                    .events()
                    .empty());
}

TEST(OutboundMessage, AFailureAfterSentIsAFailure) {
    const auto reported =
        given(kQueued, kAttempted, kAccepted, status("sent"), status("failed", 1, kUndeliverable));
    EXPECT_EQ(reported.state().error, kUndeliverable);
    const auto dead = only<SendFailed>(reported.when(judged(kUndeliverable)).events());
    EXPECT_EQ(dead.retry_at, Time{});
    const auto end = given(kQueued, kAttempted, kAccepted, status("sent"),
                           status("failed", 1, kUndeliverable), dead);
    EXPECT_EQ(end.state().view, View::failed);
    EXPECT_TRUE(end.when(retry("they are back")).accepted());
    // By its class it is tried again, and shows that it is under way.
    const auto again = only<SendFailed>(
        given(kQueued, kAttempted, kAccepted, status("sent"), status("failed", 1, kIll))
            .when(judged(kIll))
            .events());
    EXPECT_EQ(again.retry_at, kNow + 500ms);
    EXPECT_EQ(given(kQueued, kAttempted, kAccepted, status("sent"), again).state().view,
              View::sending);
}

TEST(OutboundMessage, ALateSentDoesNotUndoAFailure) {
    for (const int attempt : {1, 0}) {
        const auto dead = given(kQueued, kAttempted, kAccepted, status("failed", 1, kUndeliverable),
                                kDead, status("sent", attempt));
        EXPECT_EQ(dead.state().view, View::failed) << attempt;
        EXPECT_TRUE(dead.when(retry("again")).accepted());
        // Nor does it end the second attempt, which waits for its turn.
        EXPECT_TRUE(given(kQueued, kAttempted, kAccepted, status("failed", 1, kIll),
                          failed_until(kNow, 1, kIll), status("sent", attempt))
                        .when(begin())
                        .accepted());
    }
}

TEST(OutboundMessage, AFailureAfterDeliveryChangesNothing) {
    for (const auto* arrival : {"delivered", "read", "played"}) {
        const auto arrived = given(kQueued, kAttempted, kAccepted, status(arrival),
                                   status("failed", 1, kUndeliverable));
        EXPECT_TRUE(arrived.when(judged(kUndeliverable)).events().empty());
        EXPECT_EQ(arrived.state().error, SendError{});
        // In the other order the delivery outranks the failure.
        const auto late = given(kQueued, kAttempted, kAccepted, status("failed", 1, kUndeliverable),
                                kDead, status(arrival));
        EXPECT_EQ(late.state().view, arrived.state().view);
        EXPECT_EQ(late.state().error, SendError{});
        EXPECT_EQ(late.when(retry("")).rejection(), MessageRejection::already_reached);
    }
}

TEST(OutboundMessage, AFailureBeforeTheAnswerIsNotUndoneByIt) {
    const auto dead =
        only<SendFailed>(given(kQueued, kAttempted, status("failed", 1, kUndeliverable))
                             .when(judged(kUndeliverable))
                             .events());
    EXPECT_EQ(dead.retry_at, Time{});
    EXPECT_TRUE(given(kQueued, kAttempted, status("failed", 1, kUndeliverable), dead)
                    .when(outcome(Accepted{.provider_message_id = kWamid}))
                    .events()
                    .empty());
}

TEST(OutboundMessage, ADeadLetterIsRetriedOrDiscardedByAPerson) {
    const auto dead = given(kQueued, kAttempted, kDead);
    EXPECT_EQ(dead.state().view, View::failed);
    EXPECT_TRUE(dead.when(retry()).accepted());
    EXPECT_TRUE(dead.when(DiscardMessage{.actor = "asha", .reason = "no use"}).accepted());
    const auto again = given(kQueued, kAttempted, kDead, retried());
    EXPECT_EQ(only<SendAttempted>(again.when(begin()).events()).attempt, 2);
    EXPECT_EQ(again.state().view, View::failed);  // until the next attempt begins
    const auto second = given(kQueued, kAttempted, kDead, retried(), attempted(2),
                              accepted(2, ProviderMessageId("wamid.2")));
    EXPECT_EQ(second.state().view, View::sending);
    EXPECT_EQ(given(kQueued).when(retry("")).rejection(), MessageRejection::not_retryable);
    EXPECT_EQ(given(kQueued, kAttempted, kAccepted).when(retry("")).rejection(),
              MessageRejection::already_reached);
}

TEST(OutboundMessage, IsCancelledOnlyWhileItWaits) {
    EXPECT_TRUE(given(kQueued).when(CancelMessage{.reason = "paused"}).accepted());
    EXPECT_EQ(given(kQueued, kAttempted).when(CancelMessage{.reason = "paused"}).rejection(),
              MessageRejection::not_cancellable);
}

TEST(OutboundMessage, RefusesToReplayImpossibleHistory) {
    EXPECT_THROW(given(kAttempted).state(), CorruptStream);
    EXPECT_THROW(given(kQueued, kAttempted, kAttempted).state(), CorruptStream);
    EXPECT_THROW(given(kQueued, kUnknown).state(), CorruptStream);
}

}  // namespace
}  // namespace flowstack::gateway
