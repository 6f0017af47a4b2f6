#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/eventlog/consumption.h"
#include "common/eventlog/owners.h"
#include "common/eventlog/read_model.h"
#include "common/eventlog/store.h"
#include "common/eventlog/work.h"

namespace grpc {
class Channel;
class Service;
}  // namespace grpc
namespace flowstack::config {
class Reader;
}

// One process of one service, wired: store, owners, relay, consumption, work, gRPC with EventLog, admin door.
//
//   int main(int argc, char** argv) {
//       config::Reader reader(argc, argv);
//       auto options = service::host_options(reader, "payment", {"gateway", "conversation"});
//       const auto mine = payment::config(reader);      // the service's own settings
//       reader.finish("flowstack-payment");
//       service::Host host(options, payment::derive);
//       … build adapters over host.store(), then:
//       host.react(…); host.project(…); host.work("push", …); host.serve(grpc_service);
//       host.also(start, stop);   // an HTTP door, a dispatcher
//       return host.run();        // until SIGTERM; 0 when everything ended in order
//   }
namespace flowstack::service {

struct HostOptions {
    std::string name;                  // gateway, conversation, …
    std::vector<std::string> sources;  // whom it reads besides itself
    eventlog::StoreOptions store;
    std::string brokers;
    std::string replica_id;
    std::string internal_key;
    std::string grpc_address = "127.0.0.1";
    int grpc_port = 0;
    int admin_port = 0;
    bool reflection = true;
    // Addresses of the other services' gRPC by name.
    std::map<std::string, std::string> peers;
    std::chrono::milliseconds relay_poll_ms{10};
    std::chrono::milliseconds work_poll_ms{10};
    std::chrono::milliseconds head_compare_ms{2000};
    std::chrono::milliseconds settings_poll_ms{100};
    std::chrono::milliseconds grace_ms{10'000};
    bool rebuild = false;
};

// Reads the settings that every service has: DATABASE_URL, KAFKA_BROKERS, LANES, REPLICA_ID, GRPC_PORT, ADMIN_PORT,
// INTERNAL_KEY, <SERVICE>_GRPC, the waits, and --rebuild.
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
    // A channel to another service, with the internal key, deadlines and trace carried (common/rpc/channel.h).
    std::shared_ptr<grpc::Channel> channel(const std::string& service);

    void react(eventlog::Consumption::Handler handler);
    void project(eventlog::Consumption::Handler handler);
    void work(const std::string& kind, eventlog::WorkRunner::Handler handler, int in_flight_max = 0);
    void wake_work();
    // Called for every settings change, from the first one on, in order, on one thread; before `run` serves,
    // all changes so far have been handed over.
    void on_settings_change(std::function<void(const eventlog::SettingsChange&)> listener);
    void serve(grpc::Service& service);
    // Started after the store and before readiness; stopped in reverse order.
    void also(std::string name, std::function<void()> start, std::function<void()> stop);

    // Blocks until SIGTERM or SIGINT. The process's exit code.
    int run();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace flowstack::service
