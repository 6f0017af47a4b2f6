#include "common/core/named_list.h"

#include <gtest/gtest.h>

namespace flowstack {
namespace {

struct Thing {
    std::string name;
    std::string_view kind() const { return name == "card" ? "CARD" : "PHONE"; }
};

TEST(NamedList, PicksByTheNameThatIsAskedForAndListsAllOfThem) {
    Thing mobile{"mobile"}, card{"card"};
    const NamedList<Thing> list({&mobile, &card});
    EXPECT_EQ(list.find_by(&Thing::name, "card"), &card);
    EXPECT_EQ(list.find_by(&Thing::kind, "PHONE"), &mobile);
    EXPECT_EQ(list.find_by(&Thing::name, "CARD"), nullptr);
    EXPECT_EQ(&list.first(), &mobile);
    EXPECT_EQ(list.names_by(&Thing::name), "mobile, card");
    EXPECT_EQ(list.names_by(&Thing::kind), "PHONE, CARD");
}

TEST(NamedList, OfNothingIsRefusedBecauseItHasNoFirst) {
    EXPECT_THROW(NamedList<Thing>({}), std::invalid_argument);
}

}  // namespace
}  // namespace flowstack
