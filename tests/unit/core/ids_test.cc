#include "common/core/ids.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <unordered_set>
#include <vector>

namespace flowstack {
namespace {

using namespace std::chrono_literals;

constexpr std::array<std::uint8_t, 10> kOnes{0xff, 0xff, 0xff, 0xff, 0xff,
                                             0xff, 0xff, 0xff, 0xff, 0xff};

TEST(Uuid, IsReadBackAsItWasWritten) {
    const std::string text = "018f5a2c-7b3e-7c41-9a55-0123456789ab";
    const auto id = Uuid::parse(text);
    ASSERT_TRUE(id);
    EXPECT_EQ(id->text(), text);
    EXPECT_EQ(Uuid::parse("018F5A2C-7B3E-7C41-9A55-0123456789AB"), id);
    EXPECT_EQ(Uuid::from_bytes(id->raw()), id);
}

TEST(Uuid, RefusesEveryOtherText) {
    for (const char* text :
         {"", "018f5a2c7b3e7c419a550123456789ab", "018f5a2c-7b3e-7c41-9a55-0123456789a",
          "018f5a2c-7b3e-7c41-9a55-0123456789abc", "{18f5a2c-7b3e-7c41-9a55-0123456789ab",
          "018f5a2c-7b3e-7c41-9a550-123456789ab", "g18f5a2c-7b3e-7c41-9a55-0123456789ab"}) {
        EXPECT_EQ(Uuid::parse(text), std::nullopt) << text;
    }
    EXPECT_EQ(Uuid::from_bytes("short"), std::nullopt);
}

TEST(Uuid, IsNilUntilGiven) {
    EXPECT_TRUE(Uuid{}.is_nil());
    EXPECT_EQ(Uuid{}.text(), "00000000-0000-0000-0000-000000000000");
    EXPECT_FALSE(uuid_v7(from_unix_millis(0), kOnes).is_nil());
}

// The example of RFC 9562, appendix A.6.
TEST(UuidV7, AgreesWithTheStandardsExample) {
    const std::array<std::uint8_t, 10> random{0x0c, 0xc3, 0x18, 0xc4, 0xdc,
                                              0x0c, 0x0c, 0x07, 0x39, 0x8f};
    const Uuid id = uuid_v7(from_unix_millis(0x017F22E279B0), random);
    EXPECT_EQ(id.text(), "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    EXPECT_EQ(time_of(id), from_unix_millis(0x017F22E279B0));
}

TEST(UuidV7, SortsByTime) {
    const Time at = from_unix_millis(1'736'935'200'000);
    constexpr std::array<std::uint8_t, 10> kZeros{};
    EXPECT_LT(uuid_v7(at, kOnes), uuid_v7(at + 1ms, kZeros));
}

TEST(UuidV7, IsTheSameForTheSameInputs) {
    const Time at = from_unix_millis(1'736'935'200'000);
    EXPECT_EQ(uuid_v7(at, kOnes), uuid_v7(at + 999us, kOnes));
}

TEST(IdSource, GrowsWhileTheClockStandsStill) {
    const ManualClock clock;
    IdSource ids{clock};
    Uuid last;
    for (int i = 0; i < 100'000; ++i) {
        const Uuid id = ids.next();
        ASSERT_LT(last, id);
        ASSERT_EQ(id.bytes[6] >> 4, 7);
        ASSERT_EQ(id.bytes[8] >> 6, 2);
        last = id;
    }
    EXPECT_EQ(time_of(last), clock.now());
}

TEST(IdSource, GrowsWhenTheClockStepsBack) {
    ManualClock clock{from_unix_seconds(2000)};
    IdSource ids{clock};
    const Uuid before = ids.next();
    clock.set(from_unix_seconds(1000));
    EXPECT_LT(before, ids.next());
}

TEST(IdSource, GivesEveryThreadItsOwnIds) {
    const SystemClock clock;
    IdSource ids{clock};
    constexpr std::size_t kEach = 20'000;
    std::vector<std::vector<Uuid>> made(4);
    {
        std::vector<std::jthread> threads;
        for (auto& mine : made) {
            threads.emplace_back([&] {
                for (std::size_t i = 0; i < kEach; ++i) mine.push_back(ids.next());
            });
        }
    }
    std::unordered_set<Uuid> all;
    for (const auto& mine : made) {
        EXPECT_TRUE(std::ranges::is_sorted(mine));
        all.insert(mine.begin(), mine.end());
    }
    EXPECT_EQ(all.size(), made.size() * kEach);
}

TEST(IdSource, DiffersFromItsNeighboursInTheSameMillisecond) {
    const ManualClock clock;
    IdSource one{clock};
    IdSource other{clock};
    EXPECT_NE(one.next(), other.next());
}

}  // namespace
}  // namespace flowstack
