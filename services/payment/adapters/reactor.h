#pragma once

#include "common/eventlog/turn.h"
#include "common/localtime/local_clock.h"
#include "common/observability/metrics.h"
#include "services/payment/adapters/accounts.h"
#include "services/payment/adapters/settlement.h"
#include "services/payment/adapters/tenants.h"
#include "services/payment/config.h"
#include "services/payment/providers/provider.h"

// What consumed events lead to. It translates; the rules are in domain/. It decides on the time at
// which the event was recorded, so that a second try decides as the first one did.
//
//   conversation CheckoutRequested   order, invoice draft and intent (no intent when it is paid
//                                    later), or a new intent of an old order, or CheckoutRefused
//   payment      InvoiceDrafted      the register's next number, on the tenant's lane
//   payment      NumberAssigned      the invoice is issued and booked
//   payment      CallbackReceived    what the callback means for its intent
//   payment      RefundOwed          a refund of that money
//   payment      InvoiceCredited     the next number of the credit notes, on the tenant's lane
//   payment      CreditNoteNumberAssigned   the credit note is issued
namespace flowstack::payment {

class Reactor {
public:
    Reactor(Books& books, Tenants& tenants, Accounts& accounts, const Providers& providers,
            const PaymentConfig& config, metrics::Registry& metrics)
        : books_(books),
          tenants_(tenants),
          accounts_(accounts),
          providers_(providers),
          config_(config),
          metrics_(metrics),
          local_clock_(metrics) {}

    void react(const eventlog::Recorded& event, eventlog::Turn& turn);

private:
    struct Checkout;
    void check_out(const eventlog::Recorded& event, eventlog::Turn& turn);
    // Each step throws Stop with the reason when the checkout has to be refused.
    void place(Checkout& c);
    void retry(Checkout& c);
    void start_payment(Checkout& c);
    void choose_provider(Checkout& c) const;
    void must_take(const Checkout& c, Money amount) const;
    void refuse(const Checkout& c, const std::string& reason, const std::string& detail);

    void assign_number(const eventlog::Recorded& event, eventlog::Turn& turn);
    void issue(const eventlog::Recorded& event, eventlog::Turn& turn);
    void weigh_callback(const eventlog::Recorded& event, eventlog::Turn& turn);
    void refund_owed(const eventlog::Recorded& event, eventlog::Turn& turn);
    void assign_credit_note(const eventlog::Recorded& event, eventlog::Turn& turn);
    void issue_credit_note(const eventlog::Recorded& event, eventlog::Turn& turn);
    // Counts what happened to payments when the service's own events come back. So each event is
    // counted by the owner of its lane, whoever appended it.
    void count(const eventlog::Recorded& event);

    Books& books_;
    Tenants& tenants_;
    Accounts& accounts_;
    const Providers& providers_;
    const PaymentConfig& config_;
    metrics::Registry& metrics_;
    LocalClock local_clock_;
};

// "ORD-7K2M9Q": letters and digits that people do not mix up, made of an id's random part.
std::string order_number(const std::string& prefix, const Uuid& seed, int characters);

}  // namespace flowstack::payment
