#include <boost/json.hpp>
#include <fstream>
#include <sstream>

#include "common/rpc/error.h"
#include "tests/e2e/campaigns.h"
#include "tests/e2e/stack.h"
#include "tools/stack/logs.h"

// The stack under fire: every service killed in the middle of a customer's journey, the bus wiped,
// the store restarted, services started while store or bus are away. Afterwards the sandbox's
// record and the logs agree.
namespace flowstack::e2e {
namespace {

using namespace stack;

class Fire : public ::testing::TestWithParam<const char*> {
protected:
    Stack& stack = Stack::get();
};

// Killed while an answer is on its way and while a payment is: the journey still ends with a
// receipt.
//
// The shop's unknown_text_policy is send_again. A gateway that is killed between an attempt's
// record and its answer leaves a message of which nobody knows whether Meta has it. Its successor
// calls it UNKNOWN when the attempt is older than ATTEMPT_START_MS_MAX and SEND_TIMEOUT_MS (3 s
// here) allow. Under `hold` it would then wait for a person: the customer would have no summary and
// nothing to tap, rightly. Under send_again it is sent once more unless a status webhook shows
// within UNKNOWN_EVIDENCE_WAIT_MS (8 s here) that it arrived. So the summary comes in every case,
// within the phone's patience of 60 s, and the sandbox has seen it once. unknown_e2etest has both
// policies.
TEST_P(Fire, AServiceKilledInMidJourneyLosesAndDoublesNothing) {
    const std::string instance = std::string(GetParam()) + "-0";
    const auto shop = stack.shop(std::string("kill-") + GetParam(), false, "send_again");
    Phone phone(stack.sandbox(), shop.phone_number_id, phone_for(std::string("kill-") + GetParam()),
                "Amina", std::chrono::seconds(60));
    const auto strike = [&] {
        stack.command("kill " + instance + " -9");
        stack.command("start " + instance);
    };
    view_products(phone, greet(phone, "Hi"));
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
    finish(phone, stack.sandbox(), phone.wait_prompt(), "1234");
    expect_right(shop);
}

INSTANTIATE_TEST_SUITE_P(EachService, Fire,
                         ::testing::Values("gateway", "conversation", "payment", "followup",
                                           "campaign"),
                         [](const auto& each) { return std::string(each.param); });

class Outage : public ::testing::Test {
protected:
    // What the service's admin door says about its readiness: the HTTP status and the report.
    std::pair<int, std::string> readiness(const std::string& service) {
        const auto address = stack.environment.required(upper(service) + "_0_ADMIN");
        const auto answer =
            stack.sandbox().http().send("GET", "http://" + address + "/readyz", "", {});
        return {answer.status, answer.body};
    }
    bool says(const std::string& service, int status, const std::string& words) {
        return eventually([&] {
            try {
                const auto [now, body] = readiness(service);
                return now == status && body.find(words) != std::string::npos;
            } catch (const std::exception&) {
                return false;  // its door is not open yet
            }
        });
    }
    // What it logged since it was started last.
    std::string log_of(const std::string& service) {
        std::ifstream file(stack.environment.required("FLOWSTACK_RUN_DIR") + "/log/" + service +
                           "-0.log");
        std::ostringstream text;
        text << file.rdbuf();
        return text.str();
    }

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
}

TEST_F(Outage, AServiceStartedWithoutPostgresWaitsSaysSoAndGoesOn) {
    const auto shop = stack.shop("no-postgres");
    for (const auto* service : {"gateway", "payment"})
        stack.command("stop " + std::string(service));
    stack.command("postgres stop");
    for (const auto* service : {"gateway", "payment"})
        stack.command("start " + std::string(service) + " --no-wait");
    for (const auto* service : {"gateway", "payment"}) {
        EXPECT_TRUE(says(service, 503, R"("ready":false)")) << service;
        EXPECT_TRUE(eventually([&] {
            return log_of(service).find("waiting for the store") != std::string::npos;
        })) << service;
        EXPECT_NE(readiness(service).second.find(R"("postgres":{"state":"failed")"),
                  std::string::npos)
            << readiness(service).second;
    }
    stack.command("postgres start");
    for (const auto* service : {"gateway", "conversation", "payment", "followup", "campaign"})
        EXPECT_TRUE(says(service, 200, R"("ready":true)")) << service;
    Phone phone(stack.sandbox(), shop.phone_number_id, phone_for("no-postgres"), "Amina",
                std::chrono::seconds(60));
    buy(phone, stack.sandbox(), {});
    expect_right(shop);
}

TEST_F(Outage, AServiceStartedWithoutKafkaIsReadyDegradedAndGoesOn) {
    const auto shop = stack.shop("no-kafka");
    for (const auto* service : {"gateway", "conversation"})
        stack.command("stop " + std::string(service));
    stack.command("kafka stop");
    for (const auto* service : {"gateway", "conversation"})
        stack.command("start " + std::string(service));
    for (const auto* service : {"gateway", "conversation"}) {
        EXPECT_TRUE(says(service, 200, R"("degraded":true)")) << service;
        EXPECT_NE(readiness(service).second.find(R"("kafka":{"state":"degraded")"),
                  std::string::npos)
            << readiness(service).second;
    }
    // What can be stored is not refused, and answered when the bus is back.
    Phone phone(stack.sandbox(), shop.phone_number_id, phone_for("no-kafka"), "Amina",
                std::chrono::seconds(60));
    EXPECT_EQ(phone.say("Hi"), 200);
    stack.command("kafka start");
    for (const auto* service : {"gateway", "conversation"})
        EXPECT_TRUE(says(service, 200, R"("degraded":false)")) << service;
    const auto greeting =
        phone.wait_for([](const ChatMessage& m) { return m.buttons.size() >= 2; }, "the greeting");
    view_products(phone, greeting);
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

// The last of all: it looks at what every scenario above has left.
TEST(ReadModels, OfEveryScenarioEqualARebuild) { expect_read_models_equal_a_rebuild(); }

}  // namespace
}  // namespace flowstack::e2e
