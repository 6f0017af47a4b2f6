#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "common/eventlog/bounded_queue.h"
#include "common/eventlog/envelope.h"
#include "common/eventlog/followers.h"
#include "common/eventlog/store.h"
#include "flowstack/common/v1/recorded_event.pb.h"

// The parts of hints that need neither a database nor a bus.
namespace flowstack::eventlog {
namespace {

TEST(BoundedQueue, TakesNoMoreRecordsAndNoMoreBytesThanItMay) {
    BoundedQueue<int> queue({.records = 3, .bytes = 100});
    EXPECT_TRUE(queue.push(1, 60));
    EXPECT_FALSE(queue.push(2, 41)) << "41 and 60 bytes are more than 100";
    EXPECT_TRUE(queue.push(3, 40));
    EXPECT_TRUE(queue.push(4, 0));
    EXPECT_FALSE(queue.push(5, 0)) << "a fourth record";
    EXPECT_EQ(queue.take_all(), (std::vector{1, 3, 4}));
    EXPECT_TRUE(queue.push(6, 100)) << "what was taken leaves its room";
}

TEST(BoundedQueue, GivesTheOldestInBatches) {
    BoundedQueue<int> queue({.records = 10, .bytes = 1'000});
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(queue.push(i, 100));
    EXPECT_EQ(queue.take({.records = 2, .bytes = 1'000}), (std::vector{0, 1}));
    EXPECT_EQ(queue.take({.records = 9, .bytes = 250}), (std::vector{2, 3}));
    EXPECT_EQ(queue.take({.records = 9, .bytes = 1}), std::vector{4})
        << "one record at least, or a large one would wait for ever";
    EXPECT_TRUE(queue.empty());
}

struct Hearing final : Follower {
    void hear(const PublishedPage& page) override { heard += page.size(); }
    void end() override { ended = true; }
    std::size_t heard = 0;
    bool ended = false;
};

PublishedPage page_of(int records) {
    return PublishedPage(static_cast<std::size_t>(records), std::make_shared<const Published>());
}

TEST(Followers, HearUntilTheyLeave) {
    Followers followers;
    const auto stays = std::make_shared<Hearing>(), leaves = std::make_shared<Hearing>();
    EXPECT_FALSE(followers.any());
    ASSERT_TRUE(followers.add(stays) && followers.add(leaves));
    EXPECT_TRUE(followers.any());
    followers.hear(page_of(2));
    followers.remove(leaves.get());
    followers.hear(page_of(3));
    EXPECT_EQ(stays->heard, 5U);
    EXPECT_EQ(leaves->heard, 2U);
    EXPECT_EQ(followers.counts().sent, 7);
    EXPECT_EQ(followers.counts().followers, 1);
}

TEST(Followers, AtHomeIsNoReasonForTheBusToWait) {
    Followers followers;
    std::size_t heard = 0;
    followers.at_home([&](const PublishedPage& page) { heard += page.size(); });
    followers.hear(page_of(2));
    EXPECT_EQ(heard, 2U);
    EXPECT_FALSE(followers.any());
}

TEST(Followers, EndWhenTheProcessDoesAndNobodyIsTakenAfterwards) {
    Followers followers;
    const auto follower = std::make_shared<Hearing>();
    ASSERT_TRUE(followers.add(follower));
    followers.close();
    EXPECT_TRUE(follower->ended);
    EXPECT_FALSE(followers.add(std::make_shared<Hearing>()));
}

TEST(Followers, AreNotMoreThanTheLimit) {
    Followers followers;
    for (std::size_t i = 0; i < kFollowersMax; ++i)
        ASSERT_TRUE(followers.add(std::make_shared<Hearing>()));
    EXPECT_FALSE(followers.add(std::make_shared<Hearing>()));
}

Recorded event_at(std::int64_t position, int lane, int epoch) {
    Recorded event;
    event.service = "payment";
    event.lane = lane;
    event.epoch = epoch;
    event.position = position;
    event.stream = {"t1", "thing", "key"};
    event.event_id.bytes[3] = 7;
    event.type = "test.v1.Happened";
    event.meta_bytes = meta_bytes({.routing = {RoutingKind::lane, "1"}}, false, "build");
    event.payload = std::string(300, '\x20');
    return event;
}

TEST(PositionOf, IsWhatTheWholeEnvelopeSays) {
    for (const std::int64_t position : {1LL, 127LL, 128LL, 16'384LL, 1'000'000'000'000LL})
        for (const int lane : {0, 1, 63, 1'023})
            for (const int epoch : {0, 1, 300}) {
                const auto bytes = to_bus(event_at(position, lane, epoch));
                EXPECT_EQ(position_of(bytes), position);
                EXPECT_EQ(from_bus(bytes).position, position);
            }
}

TEST(PositionOf, IsNothingWhereTheEnvelopeIsCutOffBeforeItOrHasNone) {
    const auto bytes = to_bus(event_at(300, 5, 1));
    const auto end = std::string("\x0a\x07payment\x10\x05\x18\x01\x20\xac\x02").size();
    for (std::size_t size = 0; size < end; ++size)
        EXPECT_EQ(position_of(bytes.substr(0, size)), 0) << size;
    EXPECT_EQ(position_of(bytes.substr(0, end)), 300);
    common::v1::RecordedEvent none;
    none.set_service("payment");
    none.set_tenant("t1");
    EXPECT_EQ(position_of(none.SerializeAsString()), 0);
    EXPECT_EQ(position_of(std::string(40, '\xff')), 0);
}

}  // namespace
}  // namespace flowstack::eventlog
