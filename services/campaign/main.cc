#include <unistd.h>

#include "common/config/config.h"
#include "common/core/clock.h"
#include "common/core/ids.h"
#include "common/service/contacts.h"
#include "common/service/host.h"
#include "common/service/run_main.h"
#include "common/service/tenants.h"
#include "flowstack/campaign/v1/campaign_events.pb.h"
#include "services/campaign/adapters/derive.h"
#include "services/campaign/adapters/freezer.h"
#include "services/campaign/adapters/heads.h"
#include "services/campaign/adapters/pacer.h"
#include "services/campaign/adapters/progress.h"
#include "services/campaign/adapters/projections.h"
#include "services/campaign/adapters/reactor.h"
#include "services/campaign/adapters/rpc.h"
#include "services/campaign/adapters/sends.h"
#include "services/campaign/config.h"

// campaign: one message to many customers, with one disposition for each. See README.md.
namespace {

using namespace flowstack;

int run(int argc, char** argv) {
    config::Reader reader(argc, argv, environ);
    auto options =
        service::host_options(reader, "campaign", {"gateway", "conversation", "payment"});
    const auto settings = campaign::campaign_config(reader);
    reader.finish();
    // Campaigns send by gRPC, at their own pace. What they read is counted, and nobody waits for
    // the counts.
    options.gathering = {"gateway", "conversation", "payment", "campaign"};
    options.unhurried = {campaign::v1::SendAsked::descriptor()->full_name(),
                         campaign::v1::DispositionChanged::descriptor()->full_name()};

    service::Host host(std::move(options), campaign::derive);
    const SystemClock clock;
    IdSource ids(clock);

    campaign::Reactor reactor(host.store(), settings);
    host.react([&](const auto& event, auto& turn) { reactor.react(event, turn); });
    host.prepare(
        [&](auto events, auto& pending) { campaign::prepare(host.store(), events, pending); });
    const campaign::Progress progress(host.metrics());
    host.project([&](const auto& event, auto& turn) {
        progress.count(event);
        campaign::project(event, turn);
    });

    const auto heads = campaign::make_heads([&](const auto& name) { return host.channel(name); });
    const auto sends = campaign::make_gateway_sends(host.channel("gateway"));
    campaign::Freezer freezer(host.store(), clock, heads, settings);
    service::GatewayTenants tenants(host.channel("gateway"));
    campaign::Pacer pacer(host.store(), host.read_model(), tenants, clock, *sends, host.metrics(),
                          settings);
    host.work(campaign::kStartWork, [&](const auto& row, auto done) {
        pacer.start(row);
        done();
    });
    host.work(campaign::kFreezeWork, [&](const auto& row, auto done) {
        freezer.freeze(row);
        done();
    });
    for (const auto* kind : {campaign::kPaceWork, campaign::kHaltWork})
        host.work(kind, [&](const auto& row, auto done) {
            pacer.turn(row);
            done();
        });

    service::GatewayContacts contacts(host.channel("gateway"));
    const auto campaigns =
        campaign::make_campaign_rpc({host.rpc(), host.store(), host.read_model(), tenants, contacts,
                                     clock, ids, host.metrics()});
    host.serve(*campaigns, campaign::kCampaignServiceName);
    return host.run();
}

}  // namespace

int main(int argc, char** argv) {
    return service::run_main("campaign", [&] { return run(argc, argv); });
}
