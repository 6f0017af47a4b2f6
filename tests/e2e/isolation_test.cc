#include <iostream>

#include "tests/e2e/stack.h"
#include "tools/isolation/check.h"

namespace flowstack::e2e {
namespace {

// tools/isolation/check.h says what is asked.
TEST(Isolation, NoTenantGetsAnythingOfAnotherByAnyRpcOrRoute) {
    EXPECT_TRUE(isolation::run(Stack::get().environment, std::cout));
}

}  // namespace
}  // namespace flowstack::e2e
