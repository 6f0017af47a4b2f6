#include <grpcpp/impl/codegen/service_type.h>
#include <unistd.h>

#include "common/config/config.h"
#include "common/core/clock.h"
#include "common/core/ids.h"
#include "common/observability/health.h"
#include "common/service/host.h"
#include "common/service/run_main.h"
#include "services/conversation/adapters/alarms.h"
#include "services/conversation/adapters/contacts.h"
#include "services/conversation/adapters/content.h"
#include "services/conversation/adapters/derive.h"
#include "services/conversation/adapters/projections.h"
#include "services/conversation/adapters/reactor.h"
#include "services/conversation/adapters/rpc.h"
#include "services/conversation/adapters/tenants.h"
#include "services/conversation/config.h"

// The conversation service: customers, conversations, flows, templates, catalog and stock. See
// README.md.
namespace {

using namespace flowstack;

int run(int argc, char** argv) {
    config::Reader reader(argc, argv, environ);
    // All of it is read at once: a customer waits for the answer to a message (gateway), for the
    // order and the payment (payment), and for goods that another lane sets aside (its own log).
    // followup's log rides along: a consumer of its own would cost more than its few events do.
    const auto options =
        service::host_options(reader, "conversation", {"gateway", "payment", "followup"});
    const auto config = conversation::conversation_config(reader);
    reader.finish();
    const auto packs = conversation::read_packs(config.packs_dir);

    service::Host host(options, conversation::derive);
    conversation::Books books(host.store());
    conversation::ContentCache content(host.store(), books, packs);
    host.on_settings_change([&](const eventlog::SettingsChange& change) {
        if (change.kind == conversation::kContentChange) content.touch(change.tenant, change.key);
    });
    conversation::GatewayTenants tenants(host.channel("gateway"));
    conversation::GatewayContacts contacts(host.channel("gateway"));
    conversation::Alarms alarms(host.metrics());
    host.health().add("flows", [&] { return alarms.check(); });
    conversation::Reactor reactor(books, tenants, content, alarms, config.limit);
    host.react([&](const auto& event, auto& turn) { reactor.react(event, turn); });
    host.prepare([&](auto events, auto& pending) { reactor.prepare(events, pending); });
    host.project(conversation::project);

    const SystemClock clock;
    IdSource ids(clock);
    const conversation::Doors doors{
        host.rpc(), host.store(), host.read_model(), books, content, tenants, contacts, clock, ids};
    auto services = conversation::make_people_services(doors);
    for (auto& named : conversation::make_content_services(doors))
        services.push_back(std::move(named));
    for (auto& named : services) host.serve(*named.service, named.full_name);
    return host.run();
}

}  // namespace

int main(int argc, char** argv) {
    return service::run_main("conversation", [&] { return run(argc, argv); });
}
