#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

// A short seed of the chaos campaign, as it is: `./flowstack chaos` on a stack of its own. Its
// checker is independent of the services, and is itself tested in tests/unit/chaos.
namespace flowstack::e2e {
namespace {

namespace fs = std::filesystem;

// What it printed; fails the test when something is wrong.
std::string chaos(const std::string& name, const std::string& arguments) {
    const auto folder = std::string(FLOWSTACK_E2E_DIR) + "/" + name;
    fs::create_directories(folder);
    const auto report = folder + "/report.txt";
    const auto line = std::string(FLOWSTACK_SOURCE_DIR) + "/flowstack chaos --no-build " +
                      arguments + " --run-dir " + folder + " </dev/null >" + report + " 2>&1";
    const int status = std::system(line.c_str());
    std::ifstream file(report);
    std::stringstream words;
    words << file.rdbuf();
    EXPECT_EQ(status, 0) << words.str();
    return words.str();
}

TEST(Chaos, ASeedOfKillsAndOutagesLeavesEveryBookRight) {
    const auto report = chaos("chaos_seed", "--minutes 0.4 --seed 20261125 --customers 4");
    EXPECT_NE(report.find("all is right"), std::string::npos);
}

TEST(Chaos, ChatsStayInOrderThroughDuplicatesAndARebalance) {
    const auto report =
        chaos("chaos_order",
              "--minutes 3 --seed 3 --replicas 2 --customers 8 --chats 16 --chat-messages 10 "
              "--only 'kill service,freeze service' --pause-ms 300");
    EXPECT_NE(report.find("all is right"), std::string::npos);
}

}  // namespace
}  // namespace flowstack::e2e
