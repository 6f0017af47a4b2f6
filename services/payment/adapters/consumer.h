#pragma once

#include "common/core/clock.h"
#include "common/eventlog/turn.h"
#include "common/observability/metrics.h"
#include "services/payment/adapters/settlement.h"
#include "services/payment/adapters/tenants.h"
#include "services/payment/config.h"

// What consumed events lead to. Translates; the rules are in domain/.
//
//   conversation CheckoutRequested   order, invoice draft and intent (no intent when it is paid
//                                    later), or a new intent of an old order, or CheckoutRefused
//   payment      InvoiceDrafted      the register's next number, on the tenant's lane
//   payment      NumberAssigned      the invoice is issued and booked
//   payment      CallbackReceived    what the callback means for its intent
namespace flowstack::payment {

class Reactor {
public:
    Reactor(Books& books, Tenants& tenants, const Clock& clock, const PaymentConfig& config,
            metrics::Registry& metrics)
        : books_(books), tenants_(tenants), clock_(clock), config_(config), metrics_(metrics) {}

    void react(const eventlog::Recorded& event, eventlog::Turn& turn);

private:
    void check_out(const eventlog::Recorded& event, eventlog::Turn& turn);
    void assign_number(const eventlog::Recorded& event, eventlog::Turn& turn);
    void issue(const eventlog::Recorded& event, eventlog::Turn& turn);
    void weigh_callback(const eventlog::Recorded& event, eventlog::Turn& turn);
    // Counts what happened to payments: own events as they come back, so that each is counted by
    // the owner of its lane and no caller can forget it.
    void count(const eventlog::Recorded& event);

    Books& books_;
    Tenants& tenants_;
    const Clock& clock_;
    const PaymentConfig& config_;
    metrics::Registry& metrics_;
};

// "ORD-7K2M9Q": letters and digits that people do not mix up, made of an id's random part.
std::string order_number(const std::string& prefix, const Uuid& seed, int characters);

}  // namespace flowstack::payment
