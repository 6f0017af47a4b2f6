#include "common/core/secret.h"

#include <gtest/gtest.h>

#include <concepts>
#include <sstream>

namespace flowstack {
namespace {

template <class T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };

static_assert(!Printable<Secret>);
static_assert(!std::convertible_to<Secret, std::string>);
static_assert(!std::equality_comparable<Secret>);

TEST(Secret, IsSeenOnlyWhenRevealed) {
    const Secret key{"hunter2"};
    EXPECT_EQ(key.reveal(), "hunter2");
    EXPECT_FALSE(key.empty());
}

TEST(Secret, IsEmptyAfterItMoved) {
    Secret key{"a secret that is longer than the small string optimisation"};
    const Secret other = std::move(key);
    EXPECT_TRUE(key.empty());  // NOLINT(bugprone-use-after-move): that is the promise
    EXPECT_FALSE(other.empty());
}

}  // namespace
}  // namespace flowstack
