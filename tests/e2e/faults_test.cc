#include <boost/json.hpp>
#include <thread>

#include "common/rpc/error.h"
#include "tests/e2e/campaigns.h"
#include "tests/e2e/stack.h"
#include "tools/stack/logs.h"

// The stack under fire: every process killed once in the middle of a customer's journey, the bus
// wiped, the store restarted. Afterwards the sandbox's record and the logs agree.
namespace flowstack::e2e {
namespace {

using namespace stack;

class Fire : public ::testing::TestWithParam<const char*> {
protected:
    Stack& stack = Stack::get();
};

// Kills `instance` right after each step of a journey that tolerates it, and the journey still ends
// with a receipt.
TEST_P(Fire, AServiceKilledInMidJourneyLosesAndDoublesNothing) {
    const std::string instance = std::string(GetParam()) + "-0";
    const auto shop = stack.shop(std::string("kill-") + GetParam());
    Phone phone(stack.sandbox(), shop.phone_number_id, phone_for(std::string("kill-") + GetParam()),
                "Amina", std::chrono::seconds(60));
    const auto strike = [&] {
        stack.command("kill " + instance + " -9");
        stack.command("start " + instance);
    };
    const auto greeting = greet(phone, "Hi");
    strike();
    view_products(phone, greeting);
    choose_product(phone, "Premium Coffee");
    give_quantity(phone, "2");
    phone.say("Kilimani");
    strike();
    phone.wait_for(
        [](const ChatMessage& m) {
            return m.text.find("Total") != std::string::npos && !m.buttons.empty();
        },
        "the summary");
    phone.tap("M-Pesa");
    strike();
    const auto prompt = phone.wait_prompt();
    strike();
    finish(phone, stack.sandbox(), prompt, "1234");
    expect_right(shop);
}

INSTANTIATE_TEST_SUITE_P(EachService, Fire,
                         ::testing::Values("gateway", "conversation", "payment", "followup",
                                           "campaign"),
                         [](const auto& each) { return std::string(each.param); });

class Outage : public ::testing::Test {
protected:
    Stack& stack = Stack::get();
};

TEST_F(Outage, ACampaignGoesOnWhereItStoppedWhateverOfItIsKilled) {
    const auto shop = stack.shop("campaign-killed");
    constexpr int kPeople = 400;
    make_audience(shop, kPeople);
    campaign::v1::CreateCampaignRequest request;
    request.set_per_second(40);
    request.set_start_immediately(true);
    const Broadcast broadcast(shop, request);
    // Who was killed does not answer at once.
    const auto comes_to = [&](const std::function<bool(const campaign::v1::CampaignMetrics&)>& it) {
        return eventually(
            [&] {
                try {
                    return it(broadcast.metrics());
                } catch (const rpc::Failure&) {
                    return false;
                }
            },
            std::chrono::seconds(60));
    };
    std::int64_t left = 0;
    for (const auto* service : {"campaign", "gateway", "campaign"}) {
        left += 40;
        EXPECT_TRUE(comes_to([&](const auto& m) { return Broadcast::left(m) >= left; }));
        stack.command(std::string("kill ") + service + "-0 -9");
        stack.command(std::string("start ") + service + "-0");
    }
    EXPECT_TRUE(comes_to([&](const auto& m) { return m.state() == "COMPLETED"; }))
        << broadcast.metrics().DebugString();
    broadcast.expect_right(kPeople);
    expect_right(shop);
}

TEST_F(Outage, KafkaRestartedAndWipedInMidJourney) {
    const auto shop = stack.shop("kafka-wiped");
    Phone phone(stack.sandbox(), shop.phone_number_id, phone_for("kafka-wiped"), "Amina",
                std::chrono::seconds(90));
    const auto greeting = greet(phone, "Hi");
    stack.command("kafka restart");
    view_products(phone, greeting);
    choose_product(phone, "Premium Coffee");
    give_quantity(phone, "2");
    give_address(phone, "Kilimani");
    stack.command("kafka wipe");
    phone.tap("M-Pesa");
    stack.command("kafka start");
    const auto prompt = phone.wait_prompt();
    finish(phone, stack.sandbox(), prompt, "1234");
    expect_right(shop);
}

TEST_F(Outage, PostgresRestartedInMidJourney) {
    const auto shop = stack.shop("postgres-restarted");
    Phone phone(stack.sandbox(), shop.phone_number_id, phone_for("postgres-restarted"), "Amina",
                std::chrono::seconds(60));
    const auto greeting = greet(phone, "Hi");
    stack.command("postgres restart");
    view_products(phone, greeting);
    choose_product(phone, "Premium Coffee");
    give_quantity(phone, "2");
    give_address(phone, "Kilimani");
    const auto prompt = pay_by_mpesa(phone);
    stack.command("postgres restart");
    finish(phone, stack.sandbox(), prompt, "1234");
    expect_right(shop);
}

}  // namespace
}  // namespace flowstack::e2e
