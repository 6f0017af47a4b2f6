#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/eventlog/consumption.h"
#include "common/eventlog/owners.h"
#include "common/eventlog/read_model.h"
#include "common/eventlog/store.h"
#include "common/eventlog/work.h"
#include "common/messaging/brokers.h"
#include "common/observability/otlp_exporter.h"
#include "common/rpc/rate_limits.h"
#include "common/service/api_keys.h"
#include "common/service/closed_tenants.h"
#include "common/service/tokens.h"
#include "common/service/transport.h"

namespace grpc {
class Channel;
class Service;
}  // namespace grpc
namespace flowstack::config {
class Reader;
}
namespace flowstack::metrics {
class Registry;
}
namespace flowstack::observability {
class Health;
}
namespace flowstack::rpc {
class Server;
}

// One process of one service, wired: store, owners, relay, consumption, work, gRPC with EventLog,
// admin door.
//
//   int main(int argc, char** argv) {
//       config::Reader reader(argc, argv, environ);
//       auto options = service::host_options(reader, "payment", {"gateway", "conversation"});
//       const auto mine = payment::config(reader);      // the service's own settings
//       reader.finish();
//       service::Host host(options, payment::derive);
//       … build adapters over host.store(), then:
//       host.react(…); host.project(…); host.work("push", …);
//       PaymentRpc payments(host.rpc(), …);             // its methods: return door.unary(ctx, …)
//       host.serve(payments, v1::PaymentService::service_full_name());
//       host.also("http", start, stop);                 // an HTTP door, a dispatcher
//       return host.run();        // until SIGTERM; 0 when everything ended in order
//   }
namespace flowstack::service {

struct HostOptions {
    std::string name;                  // gateway, conversation, …
    std::vector<std::string> sources;  // whom it reads besides itself
    eventlog::StoreOptions store;
    messaging::Brokers brokers;
    // Those of `sources`, and `name` itself, whose events nobody waits for: they are fetched in
    // batches, KAFKA_GATHER_MS apart. The others are read as soon as they come.
    std::set<std::string> gathering;
    // Of a source, the types of events that this service acts on, where these are few: it hears of
    // the others together with them. Of a source that is not named it hears of everything at once.
    std::map<std::string, std::set<std::string>> awaited;
    // Types of this service's events that nobody waits for. They are published with the next event
    // of another type, or after RELAY_GATHER_MS.
    std::set<std::string> unhurried;
    std::chrono::milliseconds fetch_wait{500};
    std::chrono::milliseconds gather{500};
    std::string replica_id;
    Transport transport;
    Tokens tokens;
    std::string grpc_address = "127.0.0.1";
    std::uint16_t grpc_port = 0;
    std::uint16_t admin_port = 0;
    bool reflection = true;
    int grpc_calls_per_connection_max = 512;
    std::size_t grpc_memory_mib_max = 256;
    int grpc_caller_calls_per_second = 500;
    int grpc_caller_calls_at_once_max = 1000;
    rpc::RateLimits::Options client_limits;  // without the registry, which the host adds
    ApiKeys::Options api_keys;
    // Addresses of the other services' gRPC by name.
    std::map<std::string, std::string> peers;
    std::chrono::milliseconds relay_poll_interval{10};
    std::chrono::milliseconds relay_gather{100};
    // Readers that wait hear of events at once, beside the bus, and follow this service's sources.
    bool event_hints = true;
    std::chrono::milliseconds relay_hinted_gather{300};
    std::chrono::milliseconds work_poll_interval{10};
    std::chrono::milliseconds head_compare_every{3000};
    std::chrono::milliseconds read_model_delay{20};
    std::chrono::milliseconds settings_poll_interval{100};
    std::chrono::milliseconds lease_time{6'000};
    std::chrono::milliseconds grace{10'000};
    std::optional<trace::OtlpOptions> traces{};  // none: no spans are recorded
    bool rebuild = false;
};

// Reads the settings that every service has: DATABASE_URL, KAFKA_*, LANES, REPLICA_ID,
// GRPC_PORT, ADMIN_PORT, INTERNAL_KEY, GRPC_AUTH, GRPC_TLS_*, OIDC_*, API_KEY_AGE_MS,
// KEY_CALLS_*, TENANT_CALLS_*, <SERVICE>_GRPC, the waits, and --rebuild.
HostOptions host_options(config::Reader& reader, const std::string& name,
                         const std::vector<std::string>& sources);

class Host {
public:
    Host(HostOptions options, eventlog::DeriveFn derive);
    ~Host();

    eventlog::Store& store();
    eventlog::Owners& owners();
    eventlog::ReadModel& read_model();
    const HostOptions& options() const;
    // A channel to another service, which shows it who we are and carries deadlines and trace
    // (common/rpc/channel.h).
    std::shared_ptr<grpc::Channel> channel(const std::string& service);
    // A channel to this process's own door, once it is open: its methods for whoever came in by
    // another door.
    std::shared_ptr<grpc::Channel> own_channel();

    // Who shows a token of the issuer (Tokens::holder_of), for another door; null when no tokens
    // are taken. For as long as this host lives.
    std::function<rpc::Caller(std::string_view token)> token_holders() const;
    // What tenants' people and machines may call at the doors of this process together.
    rpc::RateLimits& client_limits();
    // A certificate of ours was loaded from this file, for the first time or again, e.g. by the
    // HTTP door: metrics tell when it runs out.
    void certificate_loaded(const std::string& use, const std::string& file);
    // Whose API keys there are is known here and need not be asked of gateway. Before `run`.
    void know_api_keys(ApiKeys::Find find);
    // The same of which tenants are closed.
    void know_closed_tenants(ClosedTenants::Find find);

    // Called when the store is there with its schema, before anything else is started. It is called
    // again later when it throws flowstack::Unavailable; anything else that it throws ends the
    // process with that reason.
    void once_stored(std::function<void()> begin);

    void react(eventlog::Consumption::Handler handler);
    void project(eventlog::Consumption::Handler handler);
    void prepare(eventlog::Consumption::Preparation preparation);
    void work(const std::string& kind, eventlog::WorkRunner::Handler handler,
              int in_flight_max = 0);
    // The listener hears when this process has put a work row, and when it is due: for a dispatcher
    // that finds its rows itself. Called on the thread that committed: keep it short.
    void on_work(std::function<void(const eventlog::WorkNews&)> listener);
    // Called for every settings change, from the first one on, in order, on one thread; before
    // `run` serves, all changes so far have been handed over.
    void on_settings_change(std::function<void(const eventlog::SettingsChange&)> listener);
    rpc::Server& rpc();
    metrics::Registry& metrics();
    observability::Health& health();
    void serve(grpc::Service& service, const std::string& full_name);
    // A page of JSON at the admin door, e.g. the routes of a door of this service.
    void admin_page(const std::string& path, std::function<std::string()> json);
    // Started after the store and before readiness; stopped in reverse order, within what is left
    // of the grace.
    void also(std::string name, std::function<void()> start,
              std::function<void(std::chrono::milliseconds)> stop);

    // Blocks until SIGTERM or SIGINT. The process's exit code.
    int run();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace flowstack::service
