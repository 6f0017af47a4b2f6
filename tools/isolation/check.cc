#include "tools/isolation/check.h"

#include <random>

#include "tools/isolation/actors.h"
#include "tools/isolation/logs.h"
#include "tools/isolation/routes.h"
#include "tools/isolation/rpcs.h"
#include "tools/isolation/senders.h"
#include "tools/isolation/tenants.h"

namespace flowstack::isolation {

bool run(const stack::Environment& environment, std::ostream& out) {
    Report report(out);
    stack::Api api(environment);
    stack::Sandbox sandbox(environment);
    const Door door{sandbox.http(), environment.required("PUBLIC_BASE_URL")};

    report.heading("Three tenants, one customer, ten messages to each");
    std::random_device random;
    const auto phone = "+25471" + std::to_string(1'000'000 + random() % 9'000'000);
    const auto tenants = make_tenants(environment, api, sandbox, door, phone);
    const auto& victim = tenants[0];
    const auto& attacker = tenants[1];
    const auto before = settled_events(api, victim);
    check_logs(api, sandbox, tenants, report);

    report.heading(attacker.id + " asks for what belongs to " + victim.id);
    const Schema schema(FLOWSTACK_PROTOSET);
    check_rpcs(environment, schema, attacker, victim, report);
    check_routes(environment, schema, door, attacker, victim, report);
    check_senders(environment, api, sandbox, report);
    const auto after = settled_events(api, victim);
    if (after == before)
        report.good(victim.id + ": not one event of its logs came of all this");
    else
        report.bad(victim.id + ": its logs grew from " + std::to_string(before) + " to " +
                   std::to_string(after) + " events");

    report.heading("Who did it, in every event");
    check_actors(environment, schema, api, sandbox, tenants[2], report);

    out << "\n"
        << (report.failures() == 0 ? "Nobody got anything of anybody else."
                                   : std::to_string(report.failures()) + " ✗")
        << "\n";
    return report.failures() == 0;
}

}  // namespace flowstack::isolation
