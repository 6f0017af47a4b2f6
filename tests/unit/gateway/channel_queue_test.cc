#include "services/gateway/dispatch/channel_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <optional>

namespace flowstack::gateway {
namespace {

using namespace std::chrono_literals;
using resilience::CircuitBreaker;
using Ids = std::vector<std::string>;

constexpr ChannelLimits kNoLimits{.per_second = 1'000'000,
                                  .inbound_headroom_per_second = 0,
                                  .pair_interval_seconds = 1,
                                  .pair_burst = 1'000'000};

// A queue and the clock that it is shown.
struct TheQueue {
    explicit TheQueue(const ChannelLimits& limits = kNoLimits, const QueueOptions& options = {})
        : queue(options, limits) {}

    void add(const std::string& id, const std::string& customer, int priority = kPriorityReply) {
        queue.add({.message_id = MessageId(id),
                   .customer_id = CustomerId(customer),
                   .priority = priority});
    }
    // The row of a message that was tried is due again.
    void add_again(const std::string& id, const std::string& customer,
                   int priority = kPriorityReply) {
        queue.add({.message_id = MessageId(id),
                   .customer_id = CustomerId(customer),
                   .priority = priority,
                   .tried_before = true});
    }
    Ids begin() {
        Ids ids;
        for (const auto& row : queue.begin(now)) ids.push_back(row.message_id);
        return ids;
    }
    void announce(const std::string& id) { queue.announce(MessageId(id)); }
    Ids call() {
        const auto called = queue.call(now);
        return {called.begin(), called.end()};
    }
    void finish(const std::string& id) { queue.finish(MessageId(id), std::nullopt, now); }
    void retry(const std::string& id, resilience::Duration in) {
        queue.finish(MessageId(id), in, now);
    }
    void give_back(const std::string& id, resilience::Duration wait, bool keeps_place) {
        queue.give_back(MessageId(id), wait, keeps_place, now);
    }
    // Begins, is answered and ends.
    void answer(const std::string& id, bool provider_is_ill) {
        queue.answered(MessageId(id), provider_is_ill, now);
        finish(id);
    }

    // A message that is being queued, while the table is known.
    std::optional<ChannelQueue::Way> enter(const std::string& id, const std::string& customer,
                                           int priority = kPriorityReply, bool may_leave = true) {
        return queue.enter({.message_id = MessageId(id),
                            .customer_id = CustomerId(customer),
                            .priority = priority},
                           may_leave, owned_since, searched_at, now);
    }
    bool leaves_at_once(const std::string& id, const std::string& customer,
                        int priority = kPriorityReply) {
        return enter(id, customer, priority) == ChannelQueue::Way::at_once;
    }
    void written(const std::string& id) { queue.entered(MessageId(id), true, now); }
    void not_written(const std::string& id) { queue.entered(MessageId(id), false, now); }
    // The table is read, and holds no row that is due and not in memory.
    void read_table(int priority = kPriorityReply,
                    ChannelQueue::Instant next_due = ChannelQueue::Instant::max()) {
        queue.was_read(priority, queue.begin_read(priority), now, true, next_due);
    }

    ChannelQueue queue;
    ChannelQueue::Instant now{1h};
    ChannelQueue::Instant owned_since{30min};
    ChannelQueue::Instant searched_at{40min};
};

QueueOptions in_flight(int max) {
    QueueOptions options;
    options.in_flight_max = max;
    return options;
}

// ---------------------------------------------------------------- order

TEST(ChannelQueue, HigherPrioritiesGoFirstWheneverTheyCame) {
    TheQueue q(kNoLimits, in_flight(1));
    q.add("campaign", "a", kPriorityCampaign);
    q.add("follow-up", "b", kPriorityFollowUp);
    q.add("reply", "c", kPriorityReply);
    EXPECT_EQ(q.begin(), Ids{"reply"});
    q.finish("reply");
    EXPECT_EQ(q.begin(), Ids{"follow-up"});
    q.add("late reply", "d", kPriorityReply);
    q.finish("follow-up");
    EXPECT_EQ(q.begin(), Ids{"late reply"});
    q.finish("late reply");
    EXPECT_EQ(q.begin(), Ids{"campaign"});
}

TEST(ChannelQueue, MessagesOfOneChatBeginInOrderAndOneAtATime) {
    TheQueue q;
    for (const auto* id : {"1", "2", "3"}) q.add(id, "amina");
    EXPECT_EQ(q.begin(), Ids{"1"});
    EXPECT_EQ(q.begin(), Ids{});
    q.finish("1");
    EXPECT_EQ(q.begin(), Ids{"2"});
    q.finish("2");
    EXPECT_EQ(q.begin(), Ids{"3"});
}

// A follow-up left while the question that it was about waited for its retry, so that the customer
// was asked for an answer before the question came.
TEST(ChannelQueue, AFollowUpWaitsUntilTheReplyOfItsCustomerHasEnded) {
    TheQueue q;
    q.add("question", "a");
    q.add("are you there?", "a", kPriorityFollowUp);
    q.add("offer", "a", kPriorityCampaign);
    q.add("of another", "b", kPriorityFollowUp);
    EXPECT_EQ(q.begin(), (Ids{"question", "of another"}));
    q.retry("question", 4s);
    EXPECT_EQ(q.begin(), Ids{});
    EXPECT_EQ(q.queue.look_again(), q.now + 4s + kChatPatience);
    q.now += 4s;
    q.add_again("question", "a");
    EXPECT_EQ(q.begin(), Ids{"question"});
    q.finish("question");
    EXPECT_EQ(q.begin(), Ids{"are you there?"});
    q.finish("are you there?");
    EXPECT_EQ(q.begin(), Ids{"offer"});
}

TEST(ChannelQueue, NothingOfACustomerLeavesAtOnceBesideAReplyThatIsUnderWay) {
    TheQueue q;
    for (int priority = 0; priority < kPriorities; ++priority) q.read_table(priority);
    EXPECT_TRUE(q.leaves_at_once("question", "a"));
    q.written("question");
    EXPECT_TRUE(q.leaves_at_once("of another", "b", kPriorityFollowUp));
    EXPECT_FALSE(q.leaves_at_once("are you there?", "a", kPriorityFollowUp));
    q.written("are you there?");
    q.retry("question", 4s);
    for (int priority = 0; priority < kPriorities; ++priority) q.read_table(priority);
    EXPECT_FALSE(q.leaves_at_once("offer", "a", kPriorityCampaign));
}

// Its retry never came back: it is waited for no longer than the others of its chat wait.
TEST(ChannelQueue, AFollowUpDoesNotWaitForEverForAReplyThatIsGone) {
    TheQueue q;
    q.add("question", "a");
    EXPECT_EQ(q.begin(), Ids{"question"});
    q.retry("question", 4s);
    q.add("are you there?", "a", kPriorityFollowUp);
    q.now += 4s + kChatPatience - 1ms;
    EXPECT_EQ(q.begin(), Ids{});
    q.now += 1ms;
    EXPECT_EQ(q.begin(), Ids{"are you there?"});
}

TEST(ChannelQueue, DifferentChatsBeginInParallel) {
    TheQueue q;
    q.add("a1", "amina");
    q.add("b1", "baraka");
    q.add("a2", "amina");
    q.add("c1", "chausiku", kPriorityCampaign);
    EXPECT_EQ(q.begin(), (Ids{"a1", "b1", "c1"}));
    EXPECT_EQ(q.queue.in_flight(), 3);
}

TEST(ChannelQueue, ARowIsTakenOnceHoweverOftenItIsFetched) {
    TheQueue q;
    q.add("1", "amina");
    q.add("1", "amina");
    EXPECT_EQ(q.begin(), Ids{"1"});
    q.add("1", "amina");
    q.finish("1");
    EXPECT_EQ(q.begin(), Ids{});
    EXPECT_TRUE(q.queue.rows(kPriorityReply).empty());
}

TEST(ChannelQueue, NoMoreMessagesBeginThanMayBeInFlight) {
    TheQueue q(kNoLimits, in_flight(2));
    for (const auto* customer : {"a", "b", "c"}) q.add(customer, customer);
    EXPECT_EQ(q.begin(), (Ids{"a", "b"}));
    EXPECT_EQ(q.begin(), Ids{});
    q.finish("b");
    EXPECT_EQ(q.begin(), Ids{"c"});
}

TEST(ChannelQueue, RowsAreWantedByHalvesOfWhatFitsIntoMemory) {
    QueueOptions options = in_flight(100);
    options.rows_max = 4;
    TheQueue q(kNoLimits, options);
    EXPECT_EQ(q.queue.room(kPriorityReply), 4);
    q.add("a", "a");
    q.add("b", "b");
    EXPECT_EQ(q.queue.room(kPriorityReply), 2);
    q.add("c", "c");
    EXPECT_EQ(q.queue.room(kPriorityReply), 0);
    EXPECT_EQ(q.queue.room(kPriorityCampaign), 4);
    q.begin();
    EXPECT_EQ(q.queue.room(kPriorityReply), 0) << "those in flight are in memory too";
    q.finish("a");
    EXPECT_EQ(q.queue.room(kPriorityReply), 2);
}

// ---------------------------------------------------------------- retries

TEST(ChannelQueue, ARetryGoesBeforeTheOthersOfItsChatWhichWaitForIt) {
    TheQueue q;
    q.add("1", "amina");
    q.add("2", "amina");
    q.add("other", "baraka");
    EXPECT_EQ(q.begin(), (Ids{"1", "other"}));
    q.retry("1", 3s);
    EXPECT_EQ(q.begin(), Ids{});
    EXPECT_EQ(q.queue.look_again(), q.now + 3s + kChatPatience);
    // Other chats do not wait.
    q.add("third", "chiku");
    EXPECT_EQ(q.begin(), Ids{"third"});
    q.now += 3s;
    EXPECT_EQ(q.begin(), Ids{});
    q.add_again("1", "amina");
    EXPECT_EQ(q.begin(), Ids{"1"});
    q.finish("1");
    EXPECT_EQ(q.begin(), Ids{"2"});
}

TEST(ChannelQueue, AChatWaitsForItsRetryUntilItsTimeAndFiveSecondsAndNoLonger) {
    TheQueue q;
    q.add("1", "amina");
    q.add("2", "amina");
    q.begin();
    q.retry("1", 3s);
    q.now += 3s + kChatPatience - 1us;
    EXPECT_EQ(q.begin(), Ids{});
    q.now += 1us;
    EXPECT_EQ(q.begin(), Ids{"2"});
}

TEST(ChannelQueue, ARetryThatWaitsAMinuteLetsTheOthersPass) {
    TheQueue q;
    q.add("1", "amina");
    q.add("2", "amina");
    q.begin();
    q.retry("1", kChatWaitMax - 1us);
    EXPECT_EQ(q.begin(), Ids{});
    q.now += kChatWaitMax + kChatPatience;
    EXPECT_EQ(q.begin(), Ids{"2"});
    q.add("3", "amina");
    q.retry("2", kChatWaitMax);
    EXPECT_EQ(q.begin(), Ids{"3"});
}

TEST(ChannelQueue, ARetryOfTheOwnerBeforeUsGoesFirstToo) {
    TheQueue q;
    q.queue.await(CustomerId("amina"), kPriorityReply, MessageId("tried"), 2s, q.now);
    q.add("later", "amina");
    EXPECT_EQ(q.begin(), Ids{});
    q.now += 2s;
    q.add_again("tried", "amina");
    EXPECT_EQ(q.begin(), Ids{"tried"});
}

TEST(ChannelQueue, AMessageThatMayNotLeaveYetRestsAndKeepsItsPlace) {
    TheQueue q;
    q.add("held", "amina");
    q.add("next", "amina");
    q.begin();
    q.give_back("held", 1s, true);
    q.add("held", "amina");  // its row is still in the table, and is not taken before it has rested
    EXPECT_EQ(q.begin(), Ids{});
    EXPECT_EQ(q.queue.look_again(), q.now + 1s);
    q.now += 1s;
    EXPECT_EQ(q.begin(), Ids{});
    EXPECT_FALSE(q.queue.rows(kPriorityReply).contains(MessageId("held")));
    q.add("held", "amina");
    EXPECT_EQ(q.begin(), Ids{"held"});
}

TEST(ChannelQueue, AMessageThatHasLeftTheTableHoldsUpNobody) {
    TheQueue q;
    q.add("cancelled", "amina");
    q.add("next", "amina");
    q.begin();
    q.give_back("cancelled", 1s, false);
    EXPECT_EQ(q.begin(), Ids{"next"});
}

// ---------------------------------------------------------------- limits

TEST(ChannelQueue, APairsBurstIsSpentAndComesBackOneByOneWhileOthersGoOn) {
    ChannelLimits limits = kNoLimits;
    limits.pair_interval_seconds = 6;
    limits.pair_burst = 2;
    TheQueue q(limits);
    for (const auto* id : {"1", "2", "3", "4"}) q.add(id, "amina");
    for (const auto* id : {"1", "2"}) {
        EXPECT_EQ(q.begin(), Ids{id});
        q.finish(id);
    }
    q.add("other", "baraka");
    EXPECT_EQ(q.begin(), Ids{"other"});
    EXPECT_GE(q.queue.look_again(), q.now + 6s);
    EXPECT_LE(q.queue.look_again(), q.now + 6s + 2ms);
    q.now += 6s - 1us;
    EXPECT_EQ(q.begin(), Ids{});
    q.now += 1us;
    EXPECT_EQ(q.begin(), Ids{"3"});
    q.finish("3");
    EXPECT_EQ(q.begin(), Ids{});
    q.now += 6s;
    EXPECT_EQ(q.begin(), Ids{"4"});
}

// How many of these moments lie in the fullest second.
std::size_t fullest_second(const std::vector<ChannelQueue::Instant>& moments) {
    std::size_t most = 0;
    for (auto first = moments.begin(); first != moments.end(); ++first)
        most = std::max(most, static_cast<std::size_t>(
                                  std::lower_bound(first, moments.end(), *first + 1s) - first));
    return most;
}

struct Sent {
    std::vector<ChannelQueue::Instant> begun, called;
};
// Ten seconds of a campaign that never waits for customers, with a rest of a second in between:
// after it a whole burst is there.
Sent campaign_of_ten_seconds(const ChannelLimits& limits) {
    TheQueue q(limits, in_flight(10'000));
    Sent sent;
    auto& [begun, called] = sent;
    int customers = 0;
    for (const auto start = q.now; q.now < start + 10s; q.now += 1ms) {
        const bool resting = q.now >= start + 4s && q.now < start + 5s;
        while (!resting && q.queue.room(kPriorityCampaign) > 0) {
            const auto id = "customer-" + std::to_string(customers++);
            q.add(id, id, kPriorityCampaign);
        }
        if (resting) continue;
        for (const auto& id : q.begin()) {
            begun.push_back(q.now);
            q.announce(id);
        }
        for (const auto& id : q.call()) {
            called.push_back(q.now);
            q.finish(id);
        }
    }
    return sent;
}

TEST(ChannelQueue, ANumberKeepsItsLimitInEverySlidingSecondAndUsesIt) {
    const ChannelLimits limits;  // 80 a second, 20 of them kept for what comes in
    const auto sent = campaign_of_ten_seconds(limits);
    EXPECT_LE(fullest_second(sent.begun), 80U);
    EXPECT_LE(fullest_second(sent.called), 80U);
    EXPECT_GE(sent.called.size(), 9U * 60U - 5U);
    EXPECT_LE(sent.called.size(), 10U * 60U + 15U);
}

TEST(ChannelQueue, ANumberKeepsItsLimitHoweverLittleIsKeptForInboundMessages) {
    for (const int headroom : {0, 1, 5, 20, 79})
        for (const int per_second : {80, 250}) {
            ChannelLimits limits;
            limits.per_second = per_second;
            limits.inbound_headroom_per_second = headroom;
            const auto sent = campaign_of_ten_seconds(limits);
            const auto most = static_cast<std::size_t>(per_second);
            EXPECT_LE(fullest_second(sent.begun), most) << per_second << " " << headroom;
            EXPECT_LE(fullest_second(sent.called), most) << per_second << " " << headroom;
            // Three quarters of what it may send leave at least.
            const auto share = most - static_cast<std::size_t>(headroom);
            EXPECT_GE(sent.called.size() + 9, 9 * share * 3 / 4) << per_second << " " << headroom;
        }
}

TEST(ChannelQueue, AttemptsWhoseAppendsEndTogetherAreStillCalledAtTheNumbersRate) {
    ChannelLimits limits = kNoLimits;
    limits.per_second = 9;
    limits.inbound_headroom_per_second = 1;  // 8 a second, a burst of 2
    TheQueue q(limits);
    Ids announced;
    // Begun one by one, as the limit allows, and written all at the same moment.
    for (int i = 0; i < 10; ++i) {
        const auto id = std::to_string(i);
        q.add(id, id);
        for (const auto& begun : q.begin()) announced.push_back(begun);
        q.now += 125ms;
    }
    ASSERT_EQ(announced.size(), 10U);
    for (const auto& id : announced) q.announce(id);
    EXPECT_EQ(q.call(), (Ids{"0", "1"}));
    EXPECT_EQ(q.call(), Ids{});
    EXPECT_LE(q.queue.look_again(), q.now + 125ms);
    q.now += 125ms;
    EXPECT_EQ(q.call(), Ids{"2"});
}

TEST(ChannelQueue, AnnouncedRepliesAreCalledBeforeAnnouncedCampaigns) {
    TheQueue q;
    q.add("campaign", "a", kPriorityCampaign);
    q.add("reply", "b", kPriorityReply);
    q.begin();
    q.announce("campaign");
    q.announce("reply");
    EXPECT_EQ(q.call(), (Ids{"reply", "campaign"}));
}

TEST(ChannelQueue, ANumberThatSendsTooFastStandsStillForASecond) {
    TheQueue q;
    q.add("1", "a");
    q.add("2", "b");
    q.begin();
    q.announce("2");
    q.queue.slow_down(q.now);
    q.add("3", "c");
    q.now += kTooFastPause - 1us;
    EXPECT_EQ(q.begin(), Ids{});
    EXPECT_EQ(q.call(), Ids{}) << "what is announced waits too";
    q.now += 1us;
    EXPECT_EQ(q.begin(), Ids{"3"});
    EXPECT_EQ(q.call(), Ids{"2"});
}

TEST(ChannelQueue, ChangedLimitsCountAtOnce) {
    ChannelLimits slow = kNoLimits;
    slow.per_second = 1;
    TheQueue q(slow);
    for (const auto* customer : {"a", "b", "c", "d"}) q.add(customer, customer);
    EXPECT_EQ(q.begin(), Ids{"a"});
    q.queue.set_limits(slow);  // no change
    EXPECT_EQ(q.begin(), Ids{});
    ChannelLimits faster = slow;
    faster.per_second = 8;
    q.queue.set_limits(faster);
    EXPECT_EQ(q.begin(), (Ids{"b", "c"}));
    // Calls too: what is announced goes at the new rate.
    q.queue.set_limits(slow);
    for (const auto* id : {"a", "b", "c"}) q.announce(id);
    EXPECT_EQ(q.call(), Ids{"a"});
    q.queue.set_limits(faster);
    EXPECT_EQ(q.call(), (Ids{"b", "c"}));
    // And pairs that have written before.
    for (const auto* id : {"a", "b", "c"}) q.finish(id);
    ChannelLimits pairs = kNoLimits;
    pairs.pair_burst = 1;
    q.queue.set_limits(pairs);
    q.add("a2", "a");
    EXPECT_EQ(q.begin(), (Ids{"a2", "d"}));
    q.add("a3", "a");
    q.finish("a2");
    EXPECT_EQ(q.begin(), Ids{});
}

TEST(ChannelQueue, PairsThatHaveRestedAreForgottenAndTheOthersAreNot) {
    ChannelLimits limits = kNoLimits;
    limits.pair_interval_seconds = 10;
    limits.pair_burst = 1;
    QueueOptions options = in_flight(10'000);
    options.rows_max = 10'000;
    options.pairs_max = 100;
    TheQueue q(limits, options);
    const auto write = [&](const std::string& customer) {
        const auto id = customer + "@" + std::to_string(q.now.time_since_epoch().count());
        q.add(id, customer);
        const auto begun = q.begin();
        for (const auto& one : begun) q.finish(one);
        return !begun.empty();
    };
    for (int i = 0; i < 1'000; ++i) {
        EXPECT_TRUE(write("customer-" + std::to_string(i)));
        q.now += 1s;  // ten of them have not rested yet
        EXPECT_LE(q.queue.pairs(), 102U);
    }
    // However many others come at once, who has not rested is still known, and waits.
    for (int i = 0; i < 200; ++i) EXPECT_TRUE(write("new-" + std::to_string(i)));
    EXPECT_FALSE(write("customer-999"));
}

// ---------------------------------------------------------------- breaker

QueueOptions breaker_after(int failures) {
    QueueOptions options;
    options.breaker.failures_to_open = failures;
    options.breaker.open_for = 5s;
    options.breaker.open_for_max = 20s;
    return options;
}

TEST(ChannelQueue, ABreakerOpensAfterFailuresInARowProbesAndCloses) {
    TheQueue q(kNoLimits, breaker_after(2));
    for (const auto* customer : {"a", "b", "c", "d", "e"}) q.add(customer, customer);
    EXPECT_EQ(q.begin().size(), 5U);
    q.answer("a", true);
    q.answer("b", false);
    q.answer("c", true);
    EXPECT_EQ(q.queue.breaker().state(q.now), CircuitBreaker::State::closed) << "not in a row";
    q.answer("d", true);
    EXPECT_EQ(q.queue.breaker().state(q.now), CircuitBreaker::State::open);
    // The answer to a question from before says nothing about now.
    q.answer("e", false);
    for (const auto* customer : {"f", "g"}) q.add(customer, customer);
    EXPECT_EQ(q.begin(), Ids{});
    q.now += 5s;
    EXPECT_EQ(q.begin(), Ids{"f"}) << "one probe";
    EXPECT_EQ(q.begin(), Ids{});
    // It fails: the pause doubles.
    q.answer("f", true);
    q.now += 5s;
    EXPECT_EQ(q.begin(), Ids{});
    q.now += 5s;
    EXPECT_EQ(q.begin(), Ids{"g"});
    q.answer("g", false);
    EXPECT_EQ(q.queue.breaker().state(q.now), CircuitBreaker::State::closed);
    for (const auto* customer : {"h", "i"}) q.add(customer, customer);
    EXPECT_EQ(q.begin(), (Ids{"h", "i"}));
}

TEST(ChannelQueue, AProbeThatNeverReachedTheProviderLetsAnotherOneGo) {
    TheQueue q(kNoLimits, breaker_after(1));
    q.add("a", "a");
    q.begin();
    q.answer("a", true);
    q.now += 5s;
    q.add("b", "b");
    q.add("c", "c");
    EXPECT_EQ(q.begin(), Ids{"b"});
    q.give_back("b", 1s, true);
    EXPECT_EQ(q.begin(), Ids{"c"});
    // A message that ended without a call (suppressed, cancelled) is no probe either.
    q.finish("c");
    q.add("d", "d");
    EXPECT_EQ(q.begin(), Ids{"d"});
}

// ---------------------------------------------------------------- what leaves at once

TEST(ChannelQueue, AMessageLeavesAtOnceWhenNothingGoesBeforeIt) {
    TheQueue q;
    EXPECT_TRUE(q.leaves_at_once("1", "amina"));
    EXPECT_EQ(q.queue.in_flight(), 1);
    EXPECT_EQ(q.call(), Ids{}) << "nothing is called before it is written";
    q.written("1");
    EXPECT_EQ(q.call(), Ids{"1"});
    q.finish("1");
    q.begin();
    EXPECT_TRUE(q.queue.idle());
    EXPECT_TRUE(q.leaves_at_once("2", "amina"));
}

// The answer to its commit was lost, so its event was handled again and the message was queued. The
// row is left out of the reads for as long as the message is in flight; the next reply's is not.
TEST(ChannelQueue, AReplyThatWasQueuedAnotherWayStillGoesBeforeTheNextOne) {
    TheQueue q;
    EXPECT_TRUE(q.leaves_at_once("processing payment", "amina"));
    EXPECT_FALSE(q.enter("processing payment", "amina")) << "it is told about by the first one";
    EXPECT_FALSE(q.leaves_at_once("receipt", "amina"));
    q.written("receipt");
    q.add("receipt", "amina");
    q.read_table();
    EXPECT_EQ(q.begin(), Ids{});
    q.not_written("processing payment");
    q.queue.wait_for_row(CustomerId("amina"), kPriorityReply, MessageId("processing payment"),
                         q.now);
    EXPECT_TRUE(q.queue.must_read(kPriorityReply, q.now));
    EXPECT_EQ(q.begin(), Ids{});
    EXPECT_FALSE(q.leaves_at_once("thanks", "amina"));
    q.add("processing payment", "amina");
    q.read_table();
    EXPECT_EQ(q.begin(), Ids{"processing payment"});
    q.finish("processing payment");
    EXPECT_EQ(q.begin(), Ids{"receipt"});
}

// The lane's next owner has sent it: there is no row any more.
TEST(ChannelQueue, ARowThatDoesNotComeIsWaitedForOnlyShortly) {
    TheQueue q;
    EXPECT_TRUE(q.leaves_at_once("1", "amina"));
    q.add("2", "amina");
    q.not_written("1");
    q.queue.wait_for_row(CustomerId("amina"), kPriorityReply, MessageId("1"), q.now);
    q.now += kChatPatience - 1ms;
    EXPECT_EQ(q.begin(), Ids{});
    q.now += 1ms;
    EXPECT_EQ(q.begin(), Ids{"2"});
}

TEST(ChannelQueue, OnlyWhatTheRulesAllowLeavesAtOnce) {
    TheQueue q;
    EXPECT_EQ(q.enter("1", "amina", kPriorityReply, false), ChannelQueue::Way::queue);
    q.queue.set_suspended(true);
    EXPECT_FALSE(q.leaves_at_once("2", "baraka"));
    EXPECT_EQ(q.queue.in_flight(), 0);
}

TEST(ChannelQueue, NothingLeavesAtOnceBeforeTheTableIsKnownFromOurOwnTime) {
    TheQueue q;
    q.searched_at = {};
    EXPECT_FALSE(q.leaves_at_once("1", "amina"));
    q.searched_at = q.owned_since;
    EXPECT_FALSE(q.leaves_at_once("2", "baraka"));
    q.read_table();
    EXPECT_TRUE(q.leaves_at_once("3", "chausiku"));
    q.owned_since = q.now;  // the lane went away and came back
    EXPECT_FALSE(q.leaves_at_once("4", "daudi"));
}

TEST(ChannelQueue, NothingLeavesAtOnceWhileARowMayLieInTheTableUnread) {
    TheQueue q;
    q.queue.row_put(kPriorityReply, q.now, q.now);
    EXPECT_TRUE(q.queue.must_read(kPriorityReply, q.now));
    EXPECT_FALSE(q.leaves_at_once("1", "amina"));
    // One that is put while the table is read may be missing in the answer.
    const auto begun = q.queue.begin_read(kPriorityReply);
    q.queue.row_put(kPriorityReply, q.now, q.now);
    q.queue.was_read(kPriorityReply, begun, q.now, true, ChannelQueue::Instant::max());
    EXPECT_FALSE(q.leaves_at_once("2", "baraka"));
    // More are due than fit into memory.
    q.queue.was_read(kPriorityReply, q.queue.begin_read(kPriorityReply), q.now, false,
                     ChannelQueue::Instant::max());
    EXPECT_TRUE(q.queue.must_read(kPriorityReply, q.now));
    EXPECT_FALSE(q.leaves_at_once("3", "chausiku"));
    q.read_table();
    EXPECT_FALSE(q.queue.must_read(kPriorityReply, q.now));
    EXPECT_TRUE(q.leaves_at_once("4", "daudi"));
}

TEST(ChannelQueue, ARowThatComesDueIsReadBeforeAnotherMessageLeavesAtOnce) {
    TheQueue q;
    q.queue.row_put(kPriorityReply, q.now + 2s, q.now);
    EXPECT_TRUE(q.leaves_at_once("1", "amina"));
    q.now += 2s;
    EXPECT_TRUE(q.queue.must_read(kPriorityReply, q.now));
    EXPECT_FALSE(q.leaves_at_once("2", "baraka"));
    q.read_table(kPriorityReply, q.now + 1s);
    EXPECT_TRUE(q.leaves_at_once("3", "chausiku"));
    q.now += 1s;
    EXPECT_FALSE(q.leaves_at_once("4", "daudi"));
}

TEST(ChannelQueue, ARowThatHasRestedIsReadAgainFirst) {
    TheQueue q;
    q.add("held", "amina");
    q.begin();
    q.give_back("held", 1s, true);
    EXPECT_TRUE(q.leaves_at_once("1", "baraka"));
    q.now += 1s;
    q.begin();
    EXPECT_TRUE(q.queue.must_read(kPriorityReply, q.now));
    EXPECT_FALSE(q.leaves_at_once("2", "chausiku"));
}

TEST(ChannelQueue, AMessageWaitsBehindEveryOtherOfItsChat) {
    TheQueue q;
    EXPECT_TRUE(q.leaves_at_once("first", "amina"));
    EXPECT_FALSE(q.leaves_at_once("second", "amina")) << "two of one batch";
    q.written("first");
    q.written("second");
    EXPECT_FALSE(q.leaves_at_once("third", "amina")) << "the second one lies in the table";
    q.written("third");
    q.add("second", "amina");
    q.add("third", "amina");
    q.read_table();
    q.call();
    q.retry("first", 2s);
    EXPECT_FALSE(q.leaves_at_once("fourth", "amina")) << "the first one is tried again";
    EXPECT_TRUE(q.leaves_at_once("other", "baraka"));
}

// The first one is only queued and not written yet, so that nothing of it lies in the table.
TEST(ChannelQueue, AMessageDoesNotOvertakeOneOfItsChatThatIsBeingQueued) {
    TheQueue q;
    EXPECT_EQ(q.enter("first", "amina", kPriorityReply, false), ChannelQueue::Way::queue);
    q.begin();
    EXPECT_FALSE(q.leaves_at_once("second", "amina"));
    EXPECT_TRUE(q.leaves_at_once("other", "baraka"));
    q.not_written("first");
    q.not_written("second");
    EXPECT_TRUE(q.leaves_at_once("third", "amina"));
}

TEST(ChannelQueue, AMessageOvertakesNobodyWhoCouldBeginBeforeIt) {
    TheQueue q;
    q.add("waits", "amina", kPriorityFollowUp);
    EXPECT_FALSE(q.leaves_at_once("follow-up", "baraka", kPriorityFollowUp));
    EXPECT_FALSE(q.leaves_at_once("campaign", "chausiku", kPriorityCampaign));
    EXPECT_TRUE(q.leaves_at_once("reply", "daudi", kPriorityReply));
    // Whoever waits for its own chat holds up no other one.
    q.add("waits too", "amina", kPriorityFollowUp);
    EXPECT_EQ(q.begin(), Ids{"waits"});
    EXPECT_TRUE(q.leaves_at_once("follow-up 2", "eshe", kPriorityFollowUp));
}

TEST(ChannelQueue, WhatLeavesAtOnceCountsTowardsEveryLimit) {
    TheQueue busy(kNoLimits, in_flight(2));
    EXPECT_TRUE(busy.leaves_at_once("1", "a"));
    busy.add("2", "b");
    EXPECT_EQ(busy.begin(), Ids{"2"});
    EXPECT_FALSE(busy.leaves_at_once("3", "c")) << "two are in flight";

    ChannelLimits pairs = kNoLimits;
    pairs.pair_interval_seconds = 6;
    pairs.pair_burst = 1;
    TheQueue pair(pairs);
    EXPECT_TRUE(pair.leaves_at_once("1", "a"));
    pair.written("1");
    pair.finish("1");
    EXPECT_FALSE(pair.leaves_at_once("2", "a"));
    EXPECT_TRUE(pair.leaves_at_once("3", "b"));

    QueueOptions options;
    options.breaker = {.failures_to_open = 1, .open_for = 1s, .open_for_max = 1s};
    TheQueue ill(kNoLimits, options);
    EXPECT_TRUE(ill.leaves_at_once("1", "a"));
    ill.written("1");
    ill.call();
    ill.answer("1", true);
    EXPECT_FALSE(ill.leaves_at_once("2", "b")) << "the breaker is open";
    ill.now += 1s;
    EXPECT_TRUE(ill.leaves_at_once("3", "c")) << "one probe";
    EXPECT_FALSE(ill.leaves_at_once("4", "d"));
    ill.not_written("3");
    EXPECT_TRUE(ill.leaves_at_once("5", "e")) << "the probe was not made";
}

TEST(ChannelQueue, ANumberKeepsItsLimitInEverySlidingSecondWhicheverWayMessagesTake) {
    constexpr int kPerSecond = 20;
    TheQueue q({.per_second = kPerSecond,
                .inbound_headroom_per_second = 0,
                .pair_interval_seconds = 1,
                .pair_burst = 1'000'000},
               in_flight(1'000'000));
    std::deque<ChannelQueue::Instant> called;
    std::size_t fullest = 0, sent = 0;
    int at_once = 0;
    for (int step = 0; step < 5'000; ++step, q.now += 1ms) {
        const auto id = std::to_string(step);
        if (step % 200 == 0) q.add("row " + id, "row " + id);
        for (const auto& begun : q.begin()) q.announce(begun);
        if (step % 3 == 1 && q.leaves_at_once(id, "c" + id)) {
            // Every seventh append is refused; its slot is not used again before its time.
            step % 7 == 0 ? q.not_written(id) : q.written(id);
            ++at_once;
        }
        for (const auto& one : q.call()) {
            called.push_back(q.now);
            q.finish(one);
            ++sent;
        }
        while (!called.empty() && called.front() <= q.now - 1s) called.pop_front();
        fullest = std::max(fullest, called.size());
    }
    EXPECT_LE(fullest, static_cast<std::size_t>(kPerSecond));
    EXPECT_GT(sent, 4U * kPerSecond * 3 / 4);
    EXPECT_GT(at_once, 10);
}

TEST(ChannelQueue, AMessageThatWasNotWrittenGivesItsPlaceBackAndIsQueuedTheNextTime) {
    TheQueue q(kNoLimits, in_flight(1));
    EXPECT_TRUE(q.leaves_at_once("1", "amina"));
    q.not_written("1");
    EXPECT_EQ(q.queue.in_flight(), 0);
    EXPECT_TRUE(q.queue.rows(kPriorityReply).empty());
    EXPECT_TRUE(q.queue.idle());
    EXPECT_FALSE(q.leaves_at_once("1", "amina"));
    q.written("1");
    q.add("1", "amina");
    EXPECT_EQ(q.begin(), Ids{"1"});
    q.finish("1");
    // Told twice is told once.
    q.not_written("1");
    EXPECT_EQ(q.queue.in_flight(), 0);
}

TEST(ChannelQueue, OneOfTwoWhoQueueTheSameMessageTellsWhatBecomesOfIt) {
    TheQueue q;
    EXPECT_TRUE(q.leaves_at_once("1", "amina"));
    EXPECT_EQ(q.enter("1", "amina"), std::nullopt);
    q.written("1");
    EXPECT_EQ(q.call(), Ids{"1"});
}

TEST(ChannelQueue, WhatIsBeingWrittenStaysWhenTheLaneIsLost) {
    TheQueue q;
    EXPECT_TRUE(q.leaves_at_once("1", "amina"));
    EXPECT_EQ(q.enter("2", "baraka", kPriorityReply, false), ChannelQueue::Way::queue);
    q.queue.forget_waiting();
    q.written("2");
    q.written("1");
    EXPECT_EQ(q.call(), Ids{"1"});
    q.finish("1");
    q.begin();
    EXPECT_TRUE(q.queue.idle());
}

// ---------------------------------------------------------------- standing still

TEST(ChannelQueue, NothingBeginsWhileTheChannelIsPausedOrItsTenantSuspended) {
    TheQueue q;
    q.add("1", "amina");
    q.add("2", "amina");
    EXPECT_EQ(q.begin(), Ids{"1"});
    q.queue.set_suspended(true);
    // What has begun goes on.
    q.announce("1");
    EXPECT_EQ(q.call(), Ids{"1"});
    q.finish("1");
    EXPECT_EQ(q.begin(), Ids{});
    EXPECT_FALSE(q.queue.idle());
    q.queue.set_suspended(false);
    EXPECT_EQ(q.begin(), Ids{"2"});
}

TEST(ChannelQueue, AReplicaThatLosesTheLaneForgetsWhatHasNotBegun) {
    TheQueue q;
    q.add("1", "amina");
    q.add("2", "amina");
    q.add("resting", "baraka");
    q.begin();
    q.give_back("resting", 1s, true);
    q.queue.forget_waiting();
    EXPECT_EQ(q.queue.rows(kPriorityReply), std::set<MessageId>{MessageId("1")});
    EXPECT_EQ(q.begin(), Ids{});
    q.finish("1");
    q.begin();
    EXPECT_TRUE(q.queue.idle());
}

TEST(ChannelQueue, IsIdleOnceEverythingHasEndedAndNoSooner) {
    TheQueue q;
    EXPECT_TRUE(q.queue.idle());
    q.add("1", "amina");
    EXPECT_FALSE(q.queue.idle());
    q.begin();
    q.retry("1", 3s);
    q.begin();
    EXPECT_FALSE(q.queue.idle()) << "its chat waits for the retry";
    q.now += 3s + kChatPatience;
    q.begin();
    EXPECT_TRUE(q.queue.idle());
}

}  // namespace
}  // namespace flowstack::gateway
