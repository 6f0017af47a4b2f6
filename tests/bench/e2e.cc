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

// The pace of the goal, and one that leaves the machine room: what a message takes when nothing
// queues.
constexpr int kPerSecond[] = {50, 200};
constexpr int kGoalPerSecond = 200;
// The bus is a young JVM each time: until its compiler has had its share it takes most of a core.
constexpr double kWarmSeconds = 15;
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

// One shop, and customers who are always new.
class Shop {
public:
    explicit Shop(const Context& context)
        : context_(context),
          api_(context.environment),
          sandbox_(context.environment),
          spec_(stack::shop_for("bench-" + std::to_string(now_us() / 1'000'000 % 1'000'000))) {
        spec_.promotions = false;
        spec_.limits = false;
        stack::make_shop(spec_, context.environment, api_, sandbox_);
    }

    // The sandbox plays the customers: it signs their webhooks and posts them to the door.
    void say(http::Client& client, int per_second, double seconds) {
        const auto count = static_cast<std::int64_t>(per_second * seconds);
        pace(per_second, 1, 0, count, [&](std::int64_t) {
            const auto phone = customer_phone(customers_++);
            client.call({.method = "POST",
                         .url = sandbox_.url() + "/control/customers/" + phone + "/say",
                         .body = boost::json::serialize(
                             boost::json::object{{"phone_number_id", spec_.phone_number_id},
                                                 {"text", "Hi"},
                                                 {"name", "Customer"}}),
                         .timeout_ms = 30'000},
                        [](const http::ClientResult&) {});
        });
    }

    // What the customers from number `first` on were answered since `from` in the record.
    std::map<std::string, Heard> listen(std::int64_t from, std::size_t first) {
        std::map<std::string, Heard> heard;
        std::size_t answered = 0;
        const auto take = [&](const auto& kind, const auto& line) {
            auto& one = heard["+" + std::string(line.at("phone").as_string())];
            const auto when = line.at("at_us").template to_number<std::int64_t>();
            if (kind == "customer_said") {
                one.said_us = when;
            } else if (kind == "send_accepted") {
                if (one.answered_us.empty()) ++answered;
                one.answered_us.push_back(when);
            }
        };
        auto until = std::chrono::steady_clock::now() + kSilence;
        while (answered < customers_ - first && std::chrono::steady_clock::now() < until) {
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
            const auto before = answered;
            from = read_record(context_, from, spec_.phone_number_id, take);
            if (answered > before) until = std::chrono::steady_clock::now() + kSilence;
        }
        // A second answer would come later than the first.
        std::this_thread::sleep_for(std::chrono::seconds(1));
        read_record(context_, from, spec_.phone_number_id, take);
        return heard;
    }

    std::size_t customers() const { return customers_; }
    Check stored() const {
        return equal("MessageReceived events",
                     count_rows(admin_url(context_, "flowstack_gateway"),
                                "select count(*) from events where type = "
                                "'flowstack.gateway.v1.MessageReceived' and tenant = '" +
                                    spec_.tenant + "'"),
                     static_cast<std::int64_t>(customers_));
    }

private:
    const Context& context_;
    stack::Api api_;
    stack::Sandbox sandbox_;
    stack::ShopSpec spec_;
    std::size_t customers_ = 0;
};

// The two entries of one pace.
struct Pace {
    int per_second = 0;
    Entry p50, p99;

    void measure(Context& context, Shop& shop) {
        http::Client client({.connections_per_host_max = 64});
        const auto from = record_end(context);
        const auto first = shop.customers();
        shop.say(client, per_second, kWarmSeconds);
        context.settle();
        const auto measured_from = shop.customers();
        shop.say(client, per_second, context.options.seconds);
        const auto heard = shop.listen(from, first);

        Latencies latencies;
        std::size_t answered = 0, sends = 0;
        for (auto n = first; n < shop.customers(); ++n) {
            const auto one = heard.find(customer_phone(n));
            if (one == heard.end() || one->second.answered_us.empty()) continue;
            ++answered;
            sends += one->second.answered_us.size();
            if (n >= measured_from)
                latencies.add(one->second.answered_us.front() - one->second.said_us);
        }
        p50.samples.push_back(latencies.quantile_ms(0.5));
        p99.samples.push_back(latencies.quantile_ms(0.99));
        const auto said = shop.customers() - first;
        p50.checks.push_back({"each customer got one answer, nobody none or two",
                              answered == said && sends == said,
                              std::to_string(said) + " said, " + std::to_string(answered) +
                                  " answered by " + std::to_string(sends) + " sends"});
        p50.checks.push_back(shop.stored());
    }
};

}  // namespace

std::vector<Entry> bench_e2e(Context& context) {
    const WholeStack whole(context);
    Shop shop(context);
    std::vector<Pace> paces;
    for (const int per_second : kPerSecond) {
        const auto name = "e2e/" + std::to_string(per_second);
        Pace pace{per_second,
                  {.name = name + "/p50", .unit = "ms"},
                  {.name = name + "/p99", .unit = "ms"}};
        if (per_second == kGoalPerSecond) {
            pace.p50.goals = {{Goal::Kind::at_most, 15, ""}};
            pace.p99.goals = {{Goal::Kind::at_most, 80, ""}};
        }
        pace.p50.checks = durability(service_url(context, "flowstack_gateway"));
        paces.push_back(std::move(pace));
    }
    for (int round = 0; round < context.options.rounds; ++round)
        for (auto& pace : paces) pace.measure(context, shop);
    std::vector<Entry> entries;
    for (auto& pace : paces) {
        pace.p50.checks.push_back(context.idle_check());
        pace.p99.checks = pace.p50.checks;
        entries.push_back(std::move(pace.p50));
        entries.push_back(std::move(pace.p99));
    }
    return entries;
}

}  // namespace flowstack::bench
