#include <cstdlib>
#include <iostream>
#include <random>
#include <sstream>
#include <thread>

#include "common/postgres/session.h"
#include "tests/e2e/stack.h"

// Every lane of every service has a living owner within ten seconds, however a service is killed
// and started. FLOWSTACK_LANES_ROUNDS says how often (6), FLOWSTACK_LANES_SEED repeats a run.
namespace flowstack::e2e {
namespace {

using namespace stack;
using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr auto kBound = 10s;

int rounds() {
    const char* given = std::getenv("FLOWSTACK_LANES_ROUNDS");
    return given ? std::atoi(given) : 6;
}

std::minstd_rand& random_numbers() {
    static std::minstd_rand numbers = [] {
        const char* given = std::getenv("FLOWSTACK_LANES_SEED");
        const auto seed = given ? static_cast<unsigned>(std::stoul(given)) : std::random_device()();
        std::cout << "FLOWSTACK_LANES_SEED=" << seed << "\n";
        return std::minstd_rand(seed);
    }();
    return numbers;
}

int pick(int below) { return static_cast<int>(random_numbers()() % static_cast<unsigned>(below)); }

class Lanes : public ::testing::Test {
protected:
    // By the database: lanes that no process holds whose lease runs.
    std::int64_t without_owner(const std::string& service) {
        postgres::Session session(
            {.url = stack.environment.required(upper(service) + "_DATABASE_URL")});
        return session
            .query(
                "select count(*) from lane_owner o where not exists (select from replicas r where "
                "r.name = o.replica and r.incarnation = o.incarnation and r.alive_until > "
                "clock_timestamp())")
            .int8(0, 0);
    }
    std::int64_t held_by(const std::string& service, const std::string& replica) {
        postgres::Session session(
            {.url = stack.environment.required(upper(service) + "_DATABASE_URL")});
        return session
            .query("select count(*) from lane_owner where replica = $1",
                   postgres::Params().add(replica))
            .int8(0, 0);
    }
    // By what the processes say at their admin doors: how many lanes they own together.
    int owned(const std::string& service, int replicas) {
        const std::string gauge = "flowstack_lanes_owned ";
        // As it is now: replicas come and go.
        const auto addresses =
            Environment::from_file(stack.environment.required("FLOWSTACK_RUN_DIR") + "/env");
        int sum = 0;
        for (int i = 0; i < replicas; ++i) try {
                const auto address =
                    addresses.required(upper(service) + "_" + std::to_string(i) + "_ADMIN");
                const auto answer =
                    stack.sandbox().http().send("GET", "http://" + address + "/metrics", "", {});
                std::istringstream lines(answer.body);
                for (std::string line; std::getline(lines, line);)
                    if (line.starts_with(gauge)) sum += std::stoi(line.substr(gauge.size()));
            } catch (const std::exception&) {  // it has not opened its door yet
            }
        return sum;
    }
    void expect_owned(const std::string& service, int replicas, const std::string& when) {
        const auto lanes = std::stoi(stack.environment.required("LANES"));
        const auto began = Steady::now();
        EXPECT_TRUE(eventually(
            [&] { return without_owner(service) == 0 && owned(service, replicas) == lanes; },
            kBound))
            << service << " " << when << ": " << without_owner(service)
            << " lanes have no living owner; its processes own " << owned(service, replicas);
        longest = std::max(longest, Steady::now() - began);
    }

    void kill_and_start(int replicas) {
        for (const auto& service : kServices) expect_owned(service, replicas, "before");
        for (int round = 0; round < rounds(); ++round) {
            const auto service =
                kServices[static_cast<std::size_t>(pick(static_cast<int>(kServices.size())))];
            const auto instance = service + "-" + std::to_string(pick(replicas));
            std::string gaps;
            for (int n = 1 + pick(3); n > 0; --n) {
                stack.command("kill " + instance + " -9");
                stack.command("start " + instance + " --no-wait");
                const auto gap = n > 1 ? std::chrono::milliseconds(pick(2000)) : 0ms;
                std::this_thread::sleep_for(gap);
                gaps += " " + std::to_string(gap.count());
            }
            expect_owned(service, replicas,
                         "in round " + std::to_string(round) + ", gaps of" + gaps + " ms");
        }
        std::cout << "longest without an owner after the last start: "
                  << std::chrono::duration_cast<std::chrono::milliseconds>(longest).count()
                  << " ms\n";
    }

    // And the lanes are worked on.
    void expect_a_purchase(const std::string& unique) {
        const auto shop = stack.shop(unique, false, "send_again");
        Phone phone(stack.sandbox(), shop.phone_number_id, phone_for(unique), "Amina", 60s);
        buy(phone, stack.sandbox(), {});
        expect_right(shop);
    }

    Stack& stack = Stack::get();
    Steady::duration longest{};
};

TEST_F(Lanes, HaveAnOwnerSoonAfterTheOnlyReplicaIsKilledAndStarted) {
    kill_and_start(1);
    expect_a_purchase("lanes-one");
}

TEST_F(Lanes, HaveAnOwnerSoonAfterOneOfThreeReplicasIsKilledAndStarted) {
    stack.command("up --no-build --no-seed --replicas 3");
    kill_and_start(3);
    expect_a_purchase("lanes-three");
}

TEST_F(Lanes, OfAReplicaThatStaysAwayGoToTheOthers) {
    stack.command("up --no-build --no-seed --replicas 3");
    for (const auto& service : kServices) expect_owned(service, 3, "before");
    ASSERT_GT(held_by("payment", "1"), 0);
    stack.command("kill payment-1 -9");
    EXPECT_TRUE(eventually(
        [&] { return held_by("payment", "1") == 0 && without_owner("payment") == 0; }, kBound));
    stack.command("start payment-1");
    expect_owned("payment", 3, "after the start");
}

}  // namespace
}  // namespace flowstack::e2e
