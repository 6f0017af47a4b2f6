#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "common/rpc/error.h"
#include "flowstack/campaign/v1/campaign_events.pb.h"
#include "flowstack/campaign/v1/campaign_service.pb.h"
#include "flowstack/common/v1/event_log.pb.h"
#include "flowstack/gateway/v1/channel_service.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/gateway/v1/message_service.pb.h"
#include "tests/e2e/stack.h"
#include "tests/e2e/topics.h"
#include "tools/stack/logs.h"

// Three replicas of every service on one bus and one store: lanes spread and move, there is one
// dispatcher a channel and one pacer a campaign, and a replica that stood still does nothing twice.
// Webhooks come to all three gateways in turn.
namespace flowstack::e2e {
namespace {

namespace json = boost::json;
using namespace stack;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr int kReplicas = 3;
// Longer than LANE_LEASE_MS: a replica that stands still loses its lanes.
constexpr auto kPause = 10s;

const bool kConfigured = Stack::configure({.replicas = kReplicas, .settings = "WORK_POLL_MS=50\n"});

// FLOWSTACK_REPLICAS_SENDS=10000 is the whole of it; the plain suite has less time.
int queued_sends() {
    const char* given = std::getenv("FLOWSTACK_REPLICAS_SENDS");
    return given ? std::atoi(given) : 1200;
}

class Replicas : public ::testing::Test {
protected:
    // lane → replica, as the service's database has it.
    std::map<int, std::string> owners(const std::string& service) {
        const auto status = stack.api().call<common::v1::LaneStatusResponse>(
            service, "common:EventLog/LaneStatus", common::v1::LaneStatusRequest());
        std::map<int, std::string> owners;
        for (const auto& lane : status.lanes()) owners[lane.lane()] = lane.owner();
        return owners;
    }
    std::set<std::string> who_owns(const std::string& service) {
        std::set<std::string> replicas;
        for (const auto& [lane, owner] : owners(service)) replicas.insert(owner);
        return replicas;
    }
    bool spread(const std::string& service) {
        return who_owns(service) == std::set<std::string>{"0", "1", "2"};
    }
    void wait_until_spread() {
        for (const auto& service : kServices)
            ASSERT_TRUE(eventually([&] { return spread(service); }, 40s)) << service;
    }

    gateway::v1::ChannelDispatch dispatch_at(const std::string& replica,
                                             const std::string& channel) {
        gateway::v1::GetChannelDispatchRequest request;
        request.set_name(channel);
        return stack.api().call_at<gateway::v1::ChannelDispatch>(
            "gateway", replica, "ChannelService/GetChannelDispatch", request);
    }
    std::string channel_of(const ShopSpec& shop) {
        gateway::v1::ListChannelsRequest request;
        request.set_parent("tenants/" + shop.tenant);
        gateway::v1::ListChannelsResponse page;
        eventually([&] {
            page = stack.api().call<gateway::v1::ListChannelsResponse>(
                "gateway", "ChannelService/ListChannels", request);
            return page.channels_size() == 1;
        });
        return page.channels_size() == 0 ? "" : page.channels(0).name();
    }
    // A shop whose channel another replica than 0 sends for: 0 is the one that we ask.
    struct Sender {
        ShopSpec shop;
        std::string channel;  // its name
        std::string replica;
    };
    Sender sender(const std::string& unique, bool limits) {
        while (true) {
            auto spec = stack.shop(unique + std::to_string(++shops), limits);
            const auto channel = channel_of(spec);
            const auto owner = dispatch_at("0", channel).owner();
            if (owner != "0") return {spec, channel, owner};
        }
    }

    // People who have agreed to be written to and said nothing yet: nobody replies to that.
    void agree(const ShopSpec& shop, const std::vector<std::string>& numbers) {
        for (std::size_t from = 0; from < numbers.size(); from += 500) {
            json::array updates;
            for (auto i = from; i < std::min(numbers.size(), from + 500); ++i) {
                const json::object preference{{"wa_id", numbers[i].substr(1)},
                                              {"category", "marketing_messages"},
                                              {"value", "resume"},
                                              {"timestamp", 1'763'000'000}};
                updates.push_back(json::object{
                    {"phone_number_id", shop.phone_number_id},
                    {"field", "user_preferences"},
                    {"value",
                     json::object{
                         {"messaging_product", "whatsapp"},
                         {"metadata", json::object{{"phone_number_id", shop.phone_number_id}}},
                         {"contacts", json::array{json::object{{"wa_id", numbers[i].substr(1)}}}},
                         {"user_preferences", json::array{preference}}}}});
            }
            const auto answer = stack.sandbox().post(
                "/control/webhooks", json::object{{"phone_number_id", shop.phone_number_id},
                                                  {"retry", true},
                                                  {"updates", updates}});
            for (const auto& status : answer.at("http_statuses").as_array())
                EXPECT_EQ(status.to_number<int>(), 200);
        }
    }
    static std::vector<std::string> numbers(int count, int first) {
        std::vector<std::string> all;
        for (int i = 0; i < count; ++i) all.push_back("+25477" + std::to_string(first + i));
        return all;
    }
    std::vector<std::string> customers_of(const ShopSpec& shop) {
        std::vector<std::string> customers;
        for (const auto& event : events_of(stack.api(), "gateway", shop.tenant))
            if (short_type(event.type()) == "ContactSeen") customers.push_back(event.key());
        return customers;
    }
    int count(const ShopSpec& shop, const std::string& service, const std::string& type) {
        return count_facts(stack.api(), service, shop.tenant, type);
    }
    std::vector<json::value> accepted(const ShopSpec& shop, const std::string& phone = "") {
        return record_of(stack.sandbox(), "send_accepted", phone, shop.phone_number_id);
    }
    void window_off(const ShopSpec& shop) {
        stack.sandbox().put("/control/numbers/" + shop.phone_number_id,
                            json::object{{"window", "off"}});
    }
    void hurt(const std::string& verb, const std::string& replica) {
        for (const auto& service : kServices)
            stack.command(
                std::string(verb).append(" ").append(service).append("-").append(replica));
    }

    // Rows of flowctl's answer, with -o jsonl.
    std::vector<json::value> rows(const std::string& arguments, int code = 0) {
        const auto said = stack.flowctl("-o jsonl " + arguments);
        EXPECT_EQ(said.code, code) << arguments << ": " << said.err;
        std::vector<json::value> rows;
        std::istringstream lines(said.out);
        for (std::string line; std::getline(lines, line);) rows.push_back(json::parse(line));
        return rows;
    }
    // The types of the events that `events why` shows.
    std::set<std::string> why(const ShopSpec& shop, const std::string& what) {
        std::set<std::string> types;
        for (const auto& event : rows("events why " + what + " -t " + shop.tenant))
            types.insert(short_type(text_at(event, "type")));
        return types;
    }
    static bool holds(const std::set<std::string>& types, const std::vector<std::string>& wanted) {
        return std::ranges::all_of(wanted, [&](const auto& type) { return types.contains(type); });
    }
    // The last message of this origin that was queued, "" when there is none.
    std::string message_of(const ShopSpec& shop, gateway::v1::MessageOriginKind kind) {
        std::string id;
        for (const auto& event : events_of(stack.api(), "gateway", shop.tenant)) {
            gateway::v1::MessageQueued queued;
            if (short_type(event.type()) == "MessageQueued" &&
                queued.ParseFromString(event.payload()) && queued.origin().kind() == kind)
                id = event.key();
        }
        return id;
    }

    Stack& stack = Stack::get();
    static inline int shops = 0;
};

milliseconds median(std::vector<std::int64_t>& us) {
    if (us.empty()) return 0ms;
    std::ranges::sort(us);
    return milliseconds(us[us.size() / 2] / 1000);
}

// The most that any second holds.
int most_in_a_second(std::vector<std::int64_t> at_us) {
    std::ranges::sort(at_us);
    std::size_t first = 0;
    std::size_t most = 0;
    for (std::size_t last = 0; last < at_us.size(); ++last) {
        while (at_us[last] - at_us[first] >= 1'000'000) ++first;
        most = std::max(most, last - first + 1);
    }
    return static_cast<int>(most);
}

TEST_F(Replicas, LanesSpreadAndACustomerBuysThroughAllOfThem) {
    wait_until_spread();
    const auto shop = stack.shop("spread");
    Phone phone(stack.sandbox(), shop.phone_number_id, phone_for("spread"), "Amina");
    buy(phone, stack.sandbox(), {});
    // Nothing of it was quarantined at a door that had not heard of the shop yet.
    EXPECT_EQ(count(shop, "gateway", "ElementQuarantined"), 0);
    expect_right(shop);

    // And the logs say why, from the webhook on.
    std::string payment;
    for (const auto& event : events_of(stack.api(), "payment", shop.tenant))
        if (short_type(event.type()) == "IntentPaid") payment = event.key();
    EXPECT_TRUE(holds(why(shop, "payments/" + payment),
                      {"WebhooksReceived", "MessageReceived", "IntentCreated", "IntentPaid"}));
    const auto receipt = message_of(shop, gateway::v1::MESSAGE_ORIGIN_KIND_REPLY);
    EXPECT_TRUE(eventually([&] {
        return holds(why(shop, "messages/" + receipt),
                     {"CallbackReceived", "IntentPaid", "ReplyRequested", "MessageQueued",
                      "SendAttempted", "StatusReported", "WebhooksReceived"});
    })) << receipt;
}

// Webhooks are appended by whichever door they come to; relay, Kafka and decision are the owner's.
// From gateway's append to the moment when the owner's relay gives the event to Kafka, and to
// conversation's answer, all by clocks of this machine.
TEST_F(Replicas, AnOwnerSeesWhatOtherReplicasAppendAtOnce) {
    constexpr int kMessages = 60;
    const auto shop = stack.shop("foreign");
    const auto lanes = owners("gateway");
    std::map<std::string, std::string> door_of;  // wamid → replica
    for (int i = 0; i < kMessages; ++i) {
        const auto replica = std::to_string(i % kReplicas);
        const auto door = "http://" + stack.environment.required("GATEWAY_" + replica + "_HTTP") +
                          "/webhooks/whatsapp";
        Phone phone(stack.sandbox(), shop.phone_number_id, numbers(1, 7'000'000 + i).front(), "A");
        door_of[text_at(phone.send({{"text", "Hi"}, {"url", door}}), "wamid")] = replica;
        std::this_thread::sleep_for(100ms);
    }
    ASSERT_TRUE(eventually([&] {  // all of them, some with a reminder by now
        std::set<std::string> people;
        for (const auto& line : accepted(shop)) people.insert(text_at(line, "phone"));
        return people.size() == kMessages;
    }));
    using Place = std::pair<int, std::int64_t>;  // lane, position
    std::map<Place, std::int64_t> answered_us, relayed_us;
    for (const auto& event : events_of(stack.api(), "conversation", shop.tenant)) {
        const auto& cause = event.meta().causation();
        if (cause.service() == "gateway")
            answered_us.try_emplace({cause.lane(), cause.position()}, event.recorded_at_us());
    }
    read_topics(stack, {"gateway"}, [&](const TopicRecord& record) {
        if (record.header("tenant") == shop.tenant)
            relayed_us.try_emplace(
                {record.lane, std::stoll(std::string(record.header("position")))},
                record.produced_ms * 1000);
    });
    struct Ways {
        std::vector<std::int64_t> seen_us, answered_us;
    } foreign, own;
    for (const auto& event : events_of(stack.api(), "gateway", shop.tenant)) {
        if (short_type(event.type()) != "MessageReceived") continue;
        const Place place{event.lane(), event.position()};
        ASSERT_TRUE(answered_us.contains(place) && relayed_us.contains(place)) << event.position();
        auto& ways = door_of[event.key()] == lanes.at(event.lane()) ? own : foreign;
        ways.seen_us.push_back(relayed_us[place] - event.recorded_at_us());
        ways.answered_us.push_back(answered_us[place] - event.recorded_at_us());
    }
    const auto tell = [](const char* whose, Ways& ways) {
        std::cout << whose << " (" << ways.seen_us.size() << "): " << median(ways.seen_us).count()
                  << " ms to the owner's relay, " << median(ways.answered_us).count()
                  << " ms to the next service's answer, median\n";
    };
    tell("appended by another replica", foreign);
    tell("appended by the owner", own);
    EXPECT_GT(foreign.seen_us.size(), 10u);
    // Bounds for a machine that is busy with other things; the figures above are what counts.
    EXPECT_LT(median(foreign.seen_us), 500ms);
    EXPECT_LT(median(foreign.answered_us), 1s);
}

TEST_F(Replicas, OneDispatcherAChannelKeepsTheNumbersLimitAndLetsRepliesOvertake) {
    const int sends = queued_sends();
    const auto [shop, channel, replica] = sender("queue", true);
    window_off(shop);
    agree(shop, numbers(sends, 1'000'000));
    std::vector<std::string> customers;
    ASSERT_TRUE(eventually([&] {
        customers = customers_of(shop);
        return static_cast<int>(customers.size()) == sends;
    }));
    gateway::v1::PauseChannelRequest pause;
    pause.set_name(channel);
    pause.set_reason("the queue is filled first");
    stack.api().call<gateway::v1::Channel>("gateway", "ChannelService/PauseChannel", pause);
    // As campaign asks for its sends, in turn at all three gateways.
    for (std::size_t from = 0; from < customers.size(); from += 300) {
        gateway::v1::SendMessagesRequest request;
        request.set_parent("tenants/" + shop.tenant);
        request.mutable_origin()->set_kind(gateway::v1::MESSAGE_ORIGIN_KIND_API);
        request.mutable_origin()->set_id("0193f0a0-0000-7000-8000-000000000001");
        request.set_purpose("marketing");
        for (auto i = from; i < std::min(customers.size(), from + 300); ++i) {
            auto& item = *request.add_items();
            item.set_customer_id(customers[i]);
            item.mutable_content()->mutable_text()->set_body("Happy New Year!");
        }
        const auto answer = stack.api().call_at<gateway::v1::SendMessagesResponse>(
            "gateway", std::to_string(from / 300 % kReplicas), "MessageService/SendMessages",
            request);
        for (const auto& verdict : answer.verdicts())
            ASSERT_EQ(verdict.verdict(), "QUEUED") << verdict.reason();
    }
    // A few may have left before the sender heard of the pause.
    EXPECT_GE(dispatch_at("0", channel).queued(), sends * 9 / 10);
    gateway::v1::ResumeChannelRequest resume;
    resume.set_name(channel);
    resume.set_reason("go");
    stack.api().call<gateway::v1::Channel>("gateway", "ChannelService/ResumeChannel", resume);
    ASSERT_TRUE(eventually([&] { return accepted(shop).size() > 100; }));

    // Somebody writes to us in the middle of it.
    std::vector<std::int64_t> sent_us;
    std::vector<std::int64_t> whole_us;
    for (int i = 0; i < 5; ++i) {
        Phone phone(stack.sandbox(), shop.phone_number_id, numbers(1, 8'000'000 + i).front(), "A");
        greet(phone, "Hi");
        const auto said = record_of(stack.sandbox(), "customer_said", phone.number());
        const auto sent = accepted(shop, phone.number());
        ASSERT_FALSE(said.empty() || sent.empty());
        sent_us.push_back(number_at(sent.front(), "at_us"));
        whole_us.push_back(sent_us.back() - number_at(said.front(), "at_us"));
    }
    const auto left = dispatch_at("0", channel).queued();
    EXPECT_GT(left, 0) << "the queue was empty before anybody could overtake it";
    std::vector<std::int64_t> queued_us;
    for (const auto& event : events_of(stack.api(), "gateway", shop.tenant)) {
        gateway::v1::MessageQueued queued;
        if (short_type(event.type()) == "MessageQueued" &&
            queued.ParseFromString(event.payload()) &&
            queued.origin().kind() == gateway::v1::MESSAGE_ORIGIN_KIND_REPLY)
            queued_us.push_back(event.recorded_at_us());
    }
    ASSERT_GE(queued_us.size(), sent_us.size());
    std::vector<std::int64_t> waited_us;
    for (std::size_t i = 0; i < sent_us.size(); ++i) waited_us.push_back(sent_us[i] - queued_us[i]);
    std::cout << "a reply past " << left << " queued sends: " << median(waited_us).count()
              << " ms median in the queue, " << median(whole_us).count()
              << " ms from the customer's word to the provider\n";
    // The queue is overtaken when no more of it left meanwhile than one second takes away: the same
    // on a machine that has no time for us, where the clock above says nothing.
    std::vector<std::int64_t> queue_us;
    for (const auto& line : accepted(shop))
        if (!text_at(line, "phone").starts_with("254778"))
            queue_us.push_back(number_at(line, "at_us"));
    for (std::size_t i = 0; i < sent_us.size(); ++i)
        EXPECT_LT(std::ranges::count_if(
                      queue_us, [&](auto at) { return at > queued_us[i] && at < sent_us[i]; }),
                  80);

    // The sender dies in the middle. Its lanes go to the others, which wait out what it may have
    // begun.
    const auto before = owners("gateway");
    stack.command("kill gateway-" + replica + " -9");
    ASSERT_TRUE(eventually([&] { return !who_owns("gateway").contains(replica); }, 30s));
    // Until somebody has taken its lane over, nobody is named.
    std::string next = dispatch_at("0", channel).owner();
    EXPECT_NE(next, replica);
    ASSERT_TRUE(
        eventually([&] { return !(next = dispatch_at("0", channel).owner()).empty(); }, 30s));
    EXPECT_NE(next, replica);
    ASSERT_TRUE(eventually([&] { return dispatch_at(next, channel).has_breaker(); }, 30s));
    // It comes back to its lanes.
    stack.command("start gateway-" + replica);
    ASSERT_TRUE(eventually([&] { return owners("gateway") == before; }, 40s));

    const auto patience = milliseconds(30'000 + sends * 40);
    ASSERT_TRUE(eventually([&] { return dispatch_at("0", channel).queued() == 0; }, patience));
    // What arrived at the provider, also what it may have turned away.
    const auto sent = accepted(shop);
    std::vector<std::int64_t> at_us;
    std::set<std::string> written_to;
    for (const auto& line : sent) {
        at_us.push_back(number_at(line, "at_us"));
        EXPECT_TRUE(text_at(line, "phone").starts_with("254778") ||
                    written_to.insert(text_at(line, "phone")).second)
            << "twice: " << text_at(line, "phone");
    }
    const auto rejected = record_of(stack.sandbox(), "send_rejected", "", shop.phone_number_id);
    for (const auto& line : rejected) at_us.push_back(number_at(line, "at_us"));
    const int most = most_in_a_second(at_us);
    std::cout << sent.size() << " sends, at most " << most << " in a second\n";
    EXPECT_LE(most, 80);
    EXPECT_TRUE(rejected.empty()) << rejected.size();
    // At any time one replica was the sender: each that ever began a call did so in one stretch of
    // the lane's epochs.
    std::vector<std::pair<std::int64_t, std::string>> attempts;
    for (const auto& event : events_of(stack.api(), "gateway", shop.tenant))
        if (short_type(event.type()) == "SendAttempted")
            attempts.emplace_back(event.recorded_at_us(), event.meta().actor());
    std::vector<std::string> stretches;
    for (const auto& [at, actor] : attempts)
        if (stretches.empty() || stretches.back() != actor) stretches.push_back(actor);
    EXPECT_LE(stretches.size(), 3u);
    expect_right(shop);
}

// docs/security.md, "Rotating the master key", step by step, while customers chat: each
// answer leaves with credentials that a data key opens. A payment asks for payment's.
TEST_F(Replicas, TheMasterKeyIsRotatedWhileCustomersChat) {
    const auto shop = stack.shop("rotation");
    std::atomic<int> chats{0};
    std::string failed;
    std::jthread customers([&](const std::stop_token& stop) {
        Sandbox sandbox(stack.environment);
        for (int i = 0; !stop.stop_requested(); ++i) {
            try {
                Phone phone(sandbox, shop.phone_number_id, numbers(1, 5'000'000 + i).front(), "A");
                view_products(phone, greet(phone, "Hi"));
                ++chats;
            } catch (const std::exception& e) {
                failed = e.what();
                return;
            }
        }
    });
    // Both services that seal, each with the version that wraps and what it opens.
    const auto versions = [&](const std::string& column) {
        std::map<std::string, std::set<std::string>> of_service;
        for (const auto& row : rows("data-keys status"))
            if (!text_at(row, column).empty() && text_at(row, column) != "NO")
                of_service[text_at(row, "service")].insert(text_at(row, "wrapped_under"));
        return of_service;
    };
    const auto env_file = stack.environment.required("FLOWSTACK_RUN_DIR") + "/env";
    // The settings of a process that starts from now on.
    const auto set_keys = [&](const std::string& key, const std::string& other) {
        std::string kept;
        std::ifstream file(env_file);
        for (std::string line; std::getline(file, line);)
            if (!line.starts_with("MASTER_KEY=") && !line.starts_with("MASTER_KEY_OTHER="))
                kept += line + "\n";
        std::ofstream(env_file) << kept << "MASTER_KEY=" << key << "\nMASTER_KEY_OTHER=" << other
                                << "\n";
    };
    const auto restart_one_after_the_other = [&](int replicas) {
        for (const std::string service : {"gateway", "payment"})
            for (int i = 0; i < replicas; ++i)
                stack.command("restart " + service + "-" + std::to_string(i));
    };
    int buyers = 0;
    const auto somebody_buys = [&] {
        Phone phone(stack.sandbox(), shop.phone_number_id, numbers(1, 5'900'000 + ++buyers).front(),
                    "B");
        buy(phone, stack.sandbox(), {});
    };
    const auto old_key = stack.environment.required("MASTER_KEY");
    const auto new_key = stack.environment.required("MASTER_KEY_OTHER");
    const auto before = versions("wraps");
    ASSERT_EQ(before.size(), 2u);
    EXPECT_EQ(versions("opens")["gateway"].size(), 2u);

    set_keys(new_key, old_key);
    restart_one_after_the_other(kReplicas);
    const auto now = versions("wraps");
    EXPECT_NE(now, before);
    somebody_buys();
    const auto rewrapped = stack.flowctl("data-keys rewrap");
    EXPECT_EQ(rewrapped.code, 0) << rewrapped.err;
    for (const auto& row : rows("data-keys status"))
        EXPECT_EQ(text_at(row, "data_keys") == "0", text_at(row, "wraps").empty())
            << text_at(row, "wrapped_under");
    // The old key goes: nothing is wrapped under it. One replica of each shows that it starts.
    set_keys(new_key, std::string(64, 'c'));
    restart_one_after_the_other(1);
    EXPECT_EQ(versions("wraps"), now);
    somebody_buys();

    customers.request_stop();
    customers.join();
    EXPECT_EQ(failed, "");
    std::cout << chats << " chats during the rotation\n";
    EXPECT_EQ(count(shop, "gateway", "ElementQuarantined"), 0);
    expect_right(shop);
}

TEST_F(Replicas, AReplicaThatStoodStillDoesNothingTwice) {
    wait_until_spread();
    const auto [shop, channel, replica] = sender("still", false);
    // A campaign whose pacer is the replica that will stand still.
    const auto lanes = owners("campaign");
    campaign::v1::Campaign broadcast;
    for (int i = 0; broadcast.name().empty(); ++i) {
        ASSERT_LT(i, 100) << "no campaign falls into the lanes of replica " << replica;
        campaign::v1::CreateCampaignRequest request;
        request.set_parent("tenants/" + shop.tenant);
        request.set_display_name("New year");
        request.set_body("Happy New Year!");
        request.set_type("TRANSACTIONAL");
        request.mutable_audience()->set_kind("all");
        request.set_per_second(20);
        request.set_request_id("still-" + shop.tenant + std::to_string(i));
        const auto draft = stack.api().call<campaign::v1::Campaign>(
            "campaign", "CampaignService/CreateCampaign", request);
        const auto id = draft.name().substr(draft.name().rfind('/') + 1);
        const auto made = stream_of(stack.api(), "campaign", shop.tenant, "campaign", id);
        ASSERT_FALSE(made.empty());
        if (lanes.at(made.front().lane()) == replica) broadcast = draft;
    }
    // People who say something and then nothing: their reminders fall into the pause.
    const auto people = numbers(120, 3'000'000);
    json::array updates;
    for (const auto& number : people)
        updates.push_back(json::object{{"from", number}, {"text", "Hi"}});
    stack.sandbox().post(
        "/control/webhooks",
        json::object{
            {"phone_number_id", shop.phone_number_id}, {"retry", true}, {"updates", updates}});
    ASSERT_TRUE(eventually([&] { return customers_of(shop).size() == people.size(); }));
    campaign::v1::StartCampaignRequest start;
    start.set_name(broadcast.name());
    start.set_request_id("start-" + shop.tenant);
    stack.api().call<campaign::v1::Campaign>("campaign", "CampaignService/StartCampaign", start);
    const auto wished = [&] {
        std::map<std::string, int> times;
        for (const auto& line : accepted(shop))
            if (json::serialize(line.at("body")).find("Happy New Year") != std::string::npos)
                ++times[text_at(line, "phone")];
        return times;
    };
    ASSERT_TRUE(eventually([&] { return wished().size() > 5; }));

    stack.leave_out(replica);
    hurt("pause", replica);
    const auto paused_at = std::chrono::steady_clock::now();
    for (const auto& service : kServices)
        EXPECT_TRUE(eventually([&] { return !who_owns(service).contains(replica); }, 30s))
            << service;
    // The others are degraded, and name the lanes, until they have taken them over.
    const auto taken_over = [&] {
        const auto now = json::parse(stack.flowctl("status -o json").out);
        return std::ranges::none_of(
            now.as_array(), [](const auto& row) { return text_at(row, "state") == "degraded"; });
    };
    EXPECT_TRUE(eventually(taken_over, 30s));
    const auto status = stack.flowctl("status -o json");
    EXPECT_EQ(status.code, 8) << status.err;
    const auto processes = json::parse(status.out);
    for (const auto& row : processes.as_array()) {
        const bool it = text_at(row, "service").ends_with("-" + replica);
        EXPECT_EQ(text_at(row, "state"), it ? "away" : "ready") << text_at(row, "service");
        if (it) {
            EXPECT_EQ(text_at(row, "lanes"), "") << text_at(row, "service");
        }
    }
    std::this_thread::sleep_until(paused_at + kPause);
    hurt("resume", replica);
    stack.leave_out("");

    campaign::v1::GetCampaignMetricsRequest ask;
    ask.set_name(broadcast.name());
    campaign::v1::CampaignMetrics metrics;
    EXPECT_TRUE(eventually(
        [&] {
            metrics = stack.api().call<campaign::v1::CampaignMetrics>(
                "campaign", "CampaignService/GetCampaignMetrics", ask);
            return metrics.state() == "COMPLETED";
        },
        60s))
        << metrics.DebugString();
    wait_until_spread();
    // One pacer: nobody was asked for twice, by whichever owner.
    std::map<std::string, int> asked;
    const auto id = broadcast.name().substr(broadcast.name().rfind('/') + 1);
    for (const auto& event : events_of(stack.api(), "campaign", shop.tenant)) {
        campaign::v1::SendAsked ask_event;
        if (short_type(event.type()) == "SendAsked" && ask_event.ParseFromString(event.payload()) &&
            ask_event.campaign_id() == id)
            for (const auto& customer : ask_event.customer_ids()) ++asked[customer];
    }
    EXPECT_GE(asked.size(), people.size());
    for (const auto& [customer, times] : asked) EXPECT_EQ(times, 1) << customer;
    // Timers: each reminder fires once, and reaches its phone once.
    std::map<std::string, int> fired;
    for (const auto& event : events_of(stack.api(), "followup", shop.tenant))
        if (short_type(event.type()) == "TaskFired") ++fired[event.key()];
    for (const auto& [task, times] : fired) EXPECT_EQ(times, 1) << task;
    for (const auto& number : people) {
        Phone phone(stack.sandbox(), shop.phone_number_id, number, "A");
        std::map<std::string, int> texts;
        EXPECT_TRUE(eventually([&] {
            texts.clear();
            for (const auto& message : phone.chat())
                if (message.from_business) ++texts[message.text];
            return texts.size() >= 3;  // the greeting, the reminder, the wish
        })) << number
            << " has " << texts.size();
        for (const auto& [text, times] : texts) EXPECT_EQ(times, 1) << number << ": " << text;
    }
    // Whose wish did not come, of whom it is listed: a machine may be too busy to answer a send.
    metrics = stack.api().call<campaign::v1::CampaignMetrics>(
        "campaign", "CampaignService/GetCampaignMetrics", ask);
    EXPECT_LE(wished().size(), people.size());
    EXPECT_GE(wished().size() + static_cast<std::size_t>(metrics.unknown()), people.size())
        << metrics.DebugString();
    expect_right(shop);
    EXPECT_TRUE(
        holds(why(shop, "messages/" + message_of(shop, gateway::v1::MESSAGE_ORIGIN_KIND_CAMPAIGN)),
              {"SendAsked", "MessageQueued", "SendAttempted", "StatusReported"}));
    EXPECT_TRUE(
        holds(why(shop, "messages/" + message_of(shop, gateway::v1::MESSAGE_ORIGIN_KIND_FOLLOW_UP)),
              {"WebhooksReceived", "MessageReceived", "TaskScheduled", "TaskFired", "MessageQueued",
               "SendAttempted"}));
}

TEST_F(Replicas, FlowctlSaysWhoDoesWhatAndOperatesIt) {
    wait_until_spread();
    std::set<std::string> processes;
    for (const auto& row : rows("status")) {
        processes.insert(text_at(row, "service"));
        EXPECT_EQ(text_at(row, "state"), "ready") << text_at(row, "service");
        EXPECT_NE(text_at(row, "lanes"), "") << text_at(row, "service");
        // Lanes have moved in the tests before: no topic has a gap or differs from its table.
        EXPECT_EQ(text_at(row, "mismatches"), "0") << text_at(row, "service");
    }
    EXPECT_EQ(processes.size(), kServices.size() * kReplicas);
    const auto lanes = rows("status --lanes");
    EXPECT_EQ(lanes.size(), kServices.size() * owners("gateway").size());
    for (const auto& row : lanes) {
        EXPECT_NE(text_at(row, "replica"), "");
        EXPECT_NE(text_at(row, "epoch"), "0");
        EXPECT_NE(text_at(row, "since"), "");
    }
    EXPECT_GE(rows("consumers lag").size(), kServices.size());
    for (const auto& row : rows("doctor")) EXPECT_NE(text_at(row, "state"), "FAULT") << row;

    // A channel's breaker, whichever replica is asked first.
    const auto [shop, channel, replica] = sender("operated", false);
    const auto of_shop = " -t " + shop.tenant;
    const auto breaker = [&] { return rows("channels breaker" + of_shop).at(0); };
    EXPECT_EQ(text_at(breaker(), "replica"), replica);
    EXPECT_EQ(text_at(breaker().at("breaker"), "state"), "CLOSED");
    const auto fault = [&](int code, int times) {
        const auto answer = stack.sandbox().post(
            "/control/faults", json::object{{"provider", "meta"},
                                            {"call", "messages"},
                                            {"number", shop.phone_number_id},
                                            {"times", times},
                                            {"effect", {{"error", {{"code", code}}}}}});
        return std::to_string(answer.at("id").to_number<int>());
    };
    // Every call fails until the breaker has opened. Just five faults would not do: a retry may be
    // under way beside the fifth call, and its good answer, if it comes first, starts the count
    // anew.
    const auto ill = fault(131016, 0);
    for (int i = 0; i < 5; ++i)
        Phone(stack.sandbox(), shop.phone_number_id, numbers(1, 6'000'000 + i).front(), "A")
            .say("Hi");
    json::value open;
    EXPECT_TRUE(eventually([&] {
        open = breaker().at("breaker");
        return text_at(open, "state") == "OPEN";
    }));
    EXPECT_GE(number_at(open, "failures"), 5);
    EXPECT_NE(text_at(open, "since"), "");
    stack.sandbox().remove("/control/faults/" + ill);
    EXPECT_TRUE(eventually([&] { return text_at(breaker().at("breaker"), "state") == "CLOSED"; }));
    EXPECT_TRUE(eventually([&] { return accepted(shop).size() >= 5; }));

    // A dead letter is given up, with a reason, once.
    fault(131026, 1);
    Phone(stack.sandbox(), shop.phone_number_id, numbers(1, 6'100'000).front(), "A").say("Hi");
    std::string dead;
    EXPECT_TRUE(eventually([&] {
        const auto letters = rows("dlq list" + of_shop);
        if (!letters.empty()) dead = text_at(letters.front(), "messageId");
        return !letters.empty();
    }));
    const auto discard = "dlq discard " + dead + of_shop + " --reason 'wrong number'";
    rows(discard + " --dry-run");
    EXPECT_EQ(rows("dlq list" + of_shop).size(), 1u);
    EXPECT_EQ(rows("dlq discard " + dead + of_shop, 2).size(), 0u) << "without a reason";
    EXPECT_EQ(rows(discard).size(), 1u);
    EXPECT_TRUE(eventually([&] { return rows("dlq list" + of_shop).empty(); }));
    rows(discard, 5);
    rows("dlq discard 0193f0a0-0000-7000-8000-00000000dead --reason x" + of_shop, 4);

    // An event that an earlier build of followup could not read.
    const auto working = owners("followup");
    common::v1::RecordedEvent event;
    for (const auto& each : events_of(stack.api(), "gateway", shop.tenant))
        if (short_type(each.type()) == "MessageReceived" &&
            (event.position() == 0 || working.at(each.lane()) != "0"))
            event = each;
    ASSERT_GT(event.position(), 0);
    const auto key = shop.tenant + "/" + event.meta().routing_key();
    const auto insert = "psql -q '" + stack.environment.required("FOLLOWUP_MIGRATE_URL") +
                        "' -c \"insert into parked values ('followup', 'gateway', " +
                        std::to_string(event.lane()) + ", " + std::to_string(event.position()) +
                        ", '" + key + "', 'cannot be read', '', now())\"";
    ASSERT_EQ(std::system(insert.c_str()), 0);
    const auto diagnosis = rows("doctor", 3);
    ASSERT_FALSE(diagnosis.empty());
    EXPECT_EQ(text_at(diagnosis.front(), "state"), "FAULT");
    EXPECT_EQ(text_at(diagnosis.front(), "what"),
              "followup could not apply 1 event of gateway; the customers concerned wait");
    const auto parked = rows("consumers parked followup");
    ASSERT_EQ(parked.size(), 1u);
    EXPECT_EQ(text_at(parked.front(), "routingKey"), key);
    const auto release = "consumers release followup --key " + key;
    rows(release + " --dry-run");
    EXPECT_EQ(rows("consumers parked").size(), 1u);
    const auto released = rows(release);
    ASSERT_EQ(released.size(), 1u);
    EXPECT_EQ(text_at(released.front(), "released"), "1");
    EXPECT_TRUE(rows("consumers parked").empty());
    rows(release, 4);
    expect_right(shop);
}

}  // namespace
}  // namespace flowstack::e2e
