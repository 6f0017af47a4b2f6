#include <boost/json.hpp>
#include <map>
#include <set>
#include <thread>

#include "common/http/client.h"
#include "tests/bench/bench.h"
#include "tests/bench/load.h"
#include "tests/bench/sandbox_record.h"
#include "tests/bench/statistics.h"
#include "tests/bench/webhooks.h"
#include "tools/stack/api.h"
#include "tools/stack/sandbox.h"
#include "tools/stack/shop.h"

// A customer's first words come in as a webhook, the shop's greeting goes out and the provider
// accepts it: all five services, Kafka between them, 200 customers a second, each a new one.
namespace flowstack::bench {
namespace {

constexpr int kPerSecond = 200;
constexpr double kWarmSeconds = 3;
constexpr std::chrono::seconds kSilence{20};

class WholeStack {
public:
    explicit WholeStack(const Context& context) : context_(context) {
        names_ = {"sandbox"};
        names_.insert(names_.end(), stack::kServices.begin(), stack::kServices.end());
        for (const auto& name : names_) context.flowstack("start " + name);
    }
    ~WholeStack() {
        for (auto name = names_.rbegin(); name != names_.rend(); ++name) try {
                context_.flowstack("stop " + *name);
            } catch (const std::exception& error) {
                context_.say(error.what());
            }
    }
    WholeStack(const WholeStack&) = delete;

private:
    const Context& context_;
    std::vector<std::string> names_;
};

struct Heard {
    std::int64_t said_us = 0;
    std::vector<std::int64_t> answered_us;
};

}  // namespace

std::vector<Entry> bench_e2e(Context& context) {
    namespace json = boost::json;
    const WholeStack whole(context);
    stack::Api api(context.environment);
    stack::Sandbox sandbox(context.environment);
    auto shop = stack::shop_for("bench-" + std::to_string(now_us() / 1'000'000 % 1'000'000));
    shop.promotions = false;
    stack::make_shop(shop, context.environment, api, sandbox);

    Entry p50{.name = "e2e/p50", .unit = "ms"};
    Entry p99{.name = "e2e/p99", .unit = "ms"};
    p50.goals = {{Goal::Kind::at_most, 15, ""}};
    p99.goals = {{Goal::Kind::at_most, 80, ""}};
    p50.checks = durability(service_url(context, "flowstack_gateway"));
    std::size_t customer = 0;
    for (int round = 0; round < context.options.rounds; ++round) {
        http::Client client({.connections_per_host_max = 64});
        const auto from = record_end(context);
        const auto first = customer;
        std::atomic<std::int64_t> carried{0};
        // The sandbox plays the customers: it signs their webhooks and posts them to the door.
        const auto say = [&](double seconds) {
            const auto count = static_cast<std::int64_t>(kPerSecond * seconds);
            pace(kPerSecond, 1, 0, count, [&](std::int64_t) {
                const auto phone = customer_phone(customer++);
                client.call(
                    {.method = "POST",
                     .url = sandbox.url() + "/control/customers/" + phone + "/say",
                     .body = json::serialize(json::object{{"phone_number_id", shop.phone_number_id},
                                                          {"text", "Hi"},
                                                          {"name", "Customer"}}),
                     .timeout_ms = 30'000},
                    [&](const http::ClientResult& result) {
                        if (result.response.status == 200) ++carried;
                    });
            });
        };
        say(kWarmSeconds);
        context.settle();
        const auto measured_from = customer;
        say(context.options.seconds);
        const auto expected = customer - first;

        std::map<std::string, Heard> heard;
        std::size_t answered = 0;
        auto at = from;
        auto until = std::chrono::steady_clock::now() + kSilence;
        while (answered < expected && std::chrono::steady_clock::now() < until) {
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
            const auto before = answered;
            at = read_record(
                context, at, shop.phone_number_id, [&](const auto& kind, const auto& line) {
                    auto& one = heard["+" + std::string(line.at("phone").as_string())];
                    const auto when = line.at("at_us").template to_number<std::int64_t>();
                    if (kind == "customer_said") {
                        one.said_us = when;
                    } else {
                        if (one.answered_us.empty()) ++answered;
                        one.answered_us.push_back(when);
                    }
                });
            if (answered > before) until = std::chrono::steady_clock::now() + kSilence;
        }
        // A second answer would come later than the first.
        std::this_thread::sleep_for(std::chrono::seconds(1));
        std::size_t more = 0;
        read_record(context, at, shop.phone_number_id, [&](const auto& kind, const auto&) {
            if (kind == "send_accepted") ++more;
        });
        Latencies latencies;
        std::size_t sends = more;
        for (auto n = first; n < customer; ++n) {
            const auto& one = heard[customer_phone(n)];
            sends += one.answered_us.size();
            if (n >= measured_from && !one.answered_us.empty())
                latencies.add(one.answered_us.front() - one.said_us);
        }
        p50.samples.push_back(latencies.quantile_ms(0.5));
        p99.samples.push_back(latencies.quantile_ms(0.99));
        p50.checks.push_back({"each customer got one answer, nobody none or two",
                              answered == expected && sends == expected,
                              std::to_string(expected) + " said, " + std::to_string(answered) +
                                  " answered by " + std::to_string(sends) + " sends"});
        p50.checks.push_back(
            equal("MessageReceived events",
                  count_rows(admin_url(context, "flowstack_gateway"),
                             "select count(*) from events where type = "
                             "'flowstack.gateway.v1.MessageReceived' and tenant = '" +
                                 shop.tenant + "'"),
                  static_cast<std::int64_t>(customer)));
    }
    p50.checks.push_back(context.idle_check());
    p99.checks = p50.checks;
    return {p50, p99};
}

}  // namespace flowstack::bench
