#include <unistd.h>

#include "common/config/config.h"
#include "common/core/clock.h"
#include "common/core/ids.h"
#include "common/service/contacts.h"
#include "common/service/host.h"
#include "common/service/run_main.h"
#include "common/service/tenants.h"
#include "flowstack/followup/v1/task_events.pb.h"
#include "services/followup/adapters/derive.h"
#include "services/followup/adapters/projections.h"
#include "services/followup/adapters/reactor.h"
#include "services/followup/adapters/rpc.h"
#include "services/followup/adapters/timer.h"
#include "services/followup/config.h"

// followup: what a business says to a customer later. See README.md.
namespace {

using namespace flowstack;

int run(int argc, char** argv) {
    config::Reader reader(argc, argv, environ);
    auto options =
        service::host_options(reader, "followup", {"gateway", "conversation", "payment"});
    const auto settings = followup::followup_config(reader);
    reader.finish();
    // What happens here is due in minutes or hours. Only a follow-up that has fired is a message
    // to be sent.
    options.gathering = {"gateway", "conversation", "payment", "followup"};
    options.unhurried = {followup::v1::TaskScheduled::descriptor()->full_name(),
                         followup::v1::TaskCancelled::descriptor()->full_name(),
                         followup::v1::TaskPostponed::descriptor()->full_name()};

    service::Host host(std::move(options), followup::derive);
    const SystemClock clock;
    IdSource ids(clock);

    followup::Reactor reactor(host.store(), settings);
    host.react([&](const auto& event, auto& turn) { reactor.react(event, turn); });
    host.prepare([&](auto events, auto& pending) { reactor.prepare(events, pending); });
    host.project(followup::project);

    service::GatewayTenants tenants(host.channel("gateway"));
    service::GatewayContacts contacts(host.channel("gateway"));
    followup::Timer timer(host.store(), host.read_model(), tenants, contacts, clock, host.metrics(),
                          settings);
    host.work(followup::kTimerWork,
              [&](const auto& row, auto done) { timer.fire(row, std::move(done)); });

    const auto tasks = followup::make_task_rpc(
        {host.rpc(), host.store(), host.read_model(), tenants, contacts, clock, ids});
    host.serve(*tasks, followup::kTaskServiceName);
    return host.run();
}

}  // namespace

int main(int argc, char** argv) {
    return service::run_main("followup", [&] { return run(argc, argv); });
}
