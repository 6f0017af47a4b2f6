#include <functional>
#include <memory>

#include "flowstack/gateway/v1/tenant_service.pb.h"
#include "tests/bench/bench.h"
#include "tests/bench/gateway_under_load.h"
#include "tests/bench/node_peer.h"
#include "tests/bench/webhooks.h"

// Signed webhooks of 1 KB, stored before they are answered: the gateway's own door beside Express
// with pg, and beside a bare group commit. One tenant, known customers.
namespace flowstack::bench {
namespace {

constexpr std::size_t kCustomers = 2000;
constexpr int kProbeConnections = 4;
// Made beforehand; a run that has posted all of them ends early.
constexpr double kWebhooksPerSecondMax = 60'000;
constexpr const char* kPeerDatabase = "bench_webhooks";
constexpr const char* kPeerTable =
    "create table webhook_events (id bigint generated always as identity primary key, message_id "
    "text not null unique, phone_number_id text not null, payload bytea not null, received_at "
    "timestamptz not null default now())";

struct Figures {
    std::vector<double> rate, p99;
};

// `stored` says how many rows there are; it is asked before and after.
void measure(Context& context, int port, int connections, const std::string& secret,
             const std::string& number, const std::function<std::int64_t()>& stored,
             const std::string& who, Figures& figures, std::vector<Check>& checks) {
    static std::int64_t series = now_us() / 1'000'000 % 100'000;
    const double seconds = context.options.seconds;
    const auto count = static_cast<std::size_t>(seconds * kWebhooksPerSecondMax);
    const SignedWebhooks webhooks(secret, number, ++series, count, kCustomers);
    // One of each customer makes them known and warms up what warms up.
    const SignedWebhooks first(secret, number, ++series, kCustomers, kCustomers);
    const auto before_all = stored();
    const auto warmed = post_all(port, connections, first, 0, 60);
    checkpoint(context);
    context.settle();
    const auto before = stored();
    const auto result = post_all(port, connections, webhooks, 0, seconds);
    figures.rate.push_back(static_cast<double>(result.acknowledged) / result.seconds);
    figures.p99.push_back(result.latencies.quantile_ms(0.99));
    checks.push_back(equal(who + ": webhooks", stored() - before, result.acknowledged));
    if (warmed.refused + result.refused > 0 || before - before_all != warmed.acknowledged)
        checks.push_back({who + ": refused or lost", false,
                          std::to_string(warmed.refused + result.refused) + " refused"});
}

}  // namespace

std::vector<Entry> bench_ingest(Context& context) {
    const auto secret = context.environment.required("META_APP_SECRET");
    const GatewayUnderLoad gateway(context, false);
    std::vector<Entry> entries;
    for (const int connections : {32, 128}) {
        const bool few = connections == 32;
        Entry rate{.name = "ingest/" + std::to_string(connections), .unit = "webhooks/s"};
        Entry p99{.name = rate.name + "/p99", .unit = "ms"};
        rate.goals = {{Goal::Kind::at_least, few ? 4.0 : 8.0, "Express + pg"},
                      {Goal::Kind::at_least, 0.5, "bare group commit"}};
        p99.goals = {{Goal::Kind::at_most, 0.25, "Express + pg"}};
        rate.checks = durability(service_url(context, "flowstack_gateway"));
        Figures ours, probe, express;
        for (int round = 0; round < context.options.rounds; ++round) {
            measure(
                context, gateway.http_port(), connections, secret, gateway.phone_number_id(),
                [&] { return gateway.count_events("flowstack.gateway.v1.MessageReceived"); },
                "ours", ours, rate.checks);
            const Database database(context, kPeerDatabase, 0);
            database.run(kPeerTable);
            const auto rows = [&] { return database.count("select count(*) from webhook_events"); };
            {
                const int port = free_port();
                Child server({context.program("flowstack-bench-http"), std::to_string(port),
                              database.admin_url(), std::to_string(kProbeConnections)},
                             {{"APP_SECRET", secret}}, context.run_file("log/bench-http.log"));
                if (!port_opens(port, std::chrono::seconds(10)))
                    throw std::runtime_error("the probe does not start: " + server.log());
                measure(context, port, connections, secret, gateway.phone_number_id(), rows,
                        "bare group commit", probe, rate.checks);
            }
            if (!context.missing("npm").empty()) continue;
            const int port = free_port();
            Child server(
                node_command(context, "express.mjs", {std::to_string(port), database.admin_url()}),
                {{"APP_SECRET", secret}}, context.run_file("log/bench-express.log"));
            if (!port_opens(port, std::chrono::seconds(20)))
                throw std::runtime_error("Express does not start: " + server.log());
            measure(context, port, connections, secret, gateway.phone_number_id(), rows,
                    "Express + pg", express, rate.checks);
        }
        rate.samples = ours.rate;
        p99.samples = ours.p99;
        rate.peers["bare group commit"].samples = probe.rate;
        p99.peers["bare group commit"].samples = probe.p99;
        rate.peers["Express + pg"] = {express.rate, context.missing("npm")};
        p99.peers["Express + pg"] = {express.p99, context.missing("npm")};
        rate.checks.push_back(context.idle_check());
        p99.checks = rate.checks;
        entries.push_back(std::move(rate));
        entries.push_back(std::move(p99));
    }
    return entries;
}

}  // namespace flowstack::bench
