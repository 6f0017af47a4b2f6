#include <atomic>
#include <boost/json.hpp>
#include <map>
#include <set>
#include <thread>

#include "flowstack/gateway/v1/channel_service.pb.h"
#include "flowstack/gateway/v1/message_service.pb.h"
#include "tests/bench/bench.h"
#include "tests/bench/gateway_under_load.h"
#include "tests/bench/sandbox_record.h"
#include "tests/bench/statistics.h"
#include "tests/bench/webhooks.h"
#include "tools/stack/sandbox.h"

// 20,000 messages queued on one channel without a limit, the provider answering in 50 ms: how many
// leave in a second, by one dispatcher, and whether each chat keeps its order.
namespace flowstack::bench {
namespace {

constexpr int kMessages = 20'000;
constexpr int kQuickMessages = 2'000;
constexpr int kChats = 1'000;
constexpr int kQuickChats = 100;
constexpr int kLatencyMs = 50;
constexpr int kQueueThreads = 8;
constexpr std::chrono::seconds kOutboundSilence{30};

void queue_all(const GatewayUnderLoad& gateway, int messages, int chats, int round) {
    std::vector<std::thread> threads;
    std::atomic<bool> failed{false};
    for (int t = 0; t < kQueueThreads; ++t)
        threads.emplace_back([&, t] {
            // A chat belongs to one thread, so its messages are queued in the order of their
            // numbers.
            for (int n = 0; n < messages / chats && !failed; ++n)
                for (int chat = t; chat < chats; chat += kQueueThreads) try {
                        gateway::v1::SendMessageRequest request;
                        request.set_parent("tenants/" + gateway.tenant());
                        request.set_channel_id(gateway.channel_id());
                        request.set_to(customer_phone(static_cast<std::size_t>(chat)));
                        request.set_request_id(std::to_string(round) + "-" + std::to_string(chat) +
                                               "-" + std::to_string(n));
                        request.mutable_content()->mutable_text()->set_body(std::to_string(n));
                        gateway.api().call<gateway::v1::Message>("gateway",
                                                                 "MessageService/SendMessage",
                                                                 request, std::chrono::seconds(30));
                    } catch (const std::exception& error) {
                        if (!failed.exchange(true)) std::fprintf(stderr, "%s\n", error.what());
                        return;
                    }
        });
    for (auto& thread : threads) thread.join();
    if (failed) throw std::runtime_error("the messages could not be queued");
}

}  // namespace

std::vector<Entry> bench_outbound(Context& context) {
    namespace json = boost::json;
    const int messages = context.options.quick ? kQuickMessages : kMessages;
    const int chats = context.options.quick ? kQuickChats : kChats;
    Entry entry{.name = "outbound", .unit = "sends/s"};
    entry.goals = {{Goal::Kind::at_least, 2500, ""}};
    entry.checks = durability(service_url(context, "flowstack_gateway"));
    for (int round = 0; round < context.options.rounds; ++round) {
        const GatewayUnderLoad gateway(context, true);
        // Everybody wrote lately, so everybody may be written to.
        const SignedWebhooks webhooks(context.environment.required("META_APP_SECRET"),
                                      gateway.phone_number_id(), now_us() / 1'000'000 % 1'000'000,
                                      static_cast<std::size_t>(chats),
                                      static_cast<std::size_t>(chats));
        const auto said = post_all(gateway.http_port(), 8, webhooks, 0, 60);
        if (said.acknowledged != chats) throw std::runtime_error("the customers could not write");
        gateway.sandbox().post("/control/faults",
                               json::object{{"provider", "meta"},
                                            {"call", "messages"},
                                            {"number", gateway.phone_number_id()},
                                            {"times", 0},
                                            {"effect", json::object{{"latency_ms", kLatencyMs}}}});
        const auto channel = "tenants/" + gateway.tenant() + "/channels/" + gateway.channel_id();
        gateway::v1::PauseChannelRequest pause;
        pause.set_name(channel);
        pause.set_reason("the bench queues first");
        pause.set_request_id("pause-" + std::to_string(round));
        gateway.api().call<gateway::v1::Channel>("gateway", "ChannelService/PauseChannel", pause);
        const auto from = record_end(context);
        queue_all(gateway, messages, chats, round);
        checkpoint(context);
        context.settle();
        gateway::v1::ResumeChannelRequest resume;
        resume.set_name(channel);
        resume.set_reason("the bench measures");
        resume.set_request_id("resume-" + std::to_string(round));
        gateway.api().call<gateway::v1::Channel>("gateway", "ChannelService/ResumeChannel", resume);

        std::int64_t accepted = 0, first_us = 0, last_us = 0, disordered = 0;
        std::map<std::string, int> last_of_chat;
        std::set<std::string> intents;
        auto at = from;
        auto until = std::chrono::steady_clock::now() + kOutboundSilence;
        while (accepted < messages && std::chrono::steady_clock::now() < until) {
            std::this_thread::sleep_for(std::chrono::milliseconds(200));
            const auto before = accepted;
            at = read_record(
                context, at, gateway.phone_number_id(), [&](const auto& kind, const auto& line) {
                    if (kind != "send_accepted") return;
                    ++accepted;
                    last_us = line.at("at_us").template to_number<std::int64_t>();
                    if (first_us == 0) first_us = last_us;
                    intents.insert(std::string(line.at("biz_opaque_callback_data").as_string()));
                    const int n =
                        std::stoi(std::string(line.at("body").at("text").at("body").as_string()));
                    auto& last =
                        last_of_chat.try_emplace(std::string(line.at("phone").as_string()), -1)
                            .first->second;
                    if (n <= last) ++disordered;
                    last = n;
                });
            if (accepted > before) until = std::chrono::steady_clock::now() + kOutboundSilence;
        }
        entry.samples.push_back(static_cast<double>(accepted) * 1e6 /
                                static_cast<double>(std::max<std::int64_t>(1, last_us - first_us)));
        entry.checks.push_back(
            {"each queued message was accepted once",
             accepted == messages && static_cast<int>(intents.size()) == messages,
             std::to_string(accepted) + " accepted, " + std::to_string(intents.size()) + " of " +
                 std::to_string(messages)});
        entry.checks.push_back(
            {"order of each chat", disordered == 0, std::to_string(disordered) + " out of order"});
        entry.checks.push_back(
            equal("MessageQueued events",
                  count_rows(admin_url(context, "flowstack_gateway"),
                             "select count(*) from events where type = "
                             "'flowstack.gateway.v1.MessageQueued' and tenant = '" +
                                 gateway.tenant() + "'"),
                  messages));
    }
    entry.checks.push_back(context.idle_check());
    return {entry};
}

}  // namespace flowstack::bench
