#include "common/service/run_main.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace flowstack::service {
namespace {

TEST(RunMain, TellsWhatTheWiringThrowsAndEndsWithOne) {
    testing::internal::CaptureStderr();
    const int status =
        run_main("payment", []() -> int { throw std::runtime_error("port 80 is taken"); });
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "flowstack-payment: port 80 is taken\n");
    EXPECT_EQ(status, 1);
}

TEST(RunMain, EndsWithWhatTheWiringReturns) {
    EXPECT_EQ(run_main("payment", [] { return 2; }), 2);
}

}  // namespace
}  // namespace flowstack::service
