#pragma once

#include <boost/json.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/core/ids.h"
#include "common/eventlog/consumption.h"
#include "common/eventlog/owners.h"
#include "common/eventlog/work.h"
#include "common/http/client.h"
#include "common/http/server.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/payment/v1/invoice_service.pb.h"
#include "flowstack/payment/v1/order_service.pb.h"
#include "flowstack/payment/v1/payment_service.pb.h"
#include "services/payment/adapters/asker.h"
#include "services/payment/adapters/derive.h"
#include "services/payment/adapters/door.h"
#include "services/payment/adapters/due_dates.h"
#include "services/payment/adapters/person_watch.h"
#include "services/payment/adapters/projections.h"
#include "services/payment/adapters/reactor.h"
#include "services/payment/adapters/streams.h"
#include "services/payment/adapters/tenants.h"
#include "services/payment/providers/mpesa/mpesa.h"
#include "services/payment/providers/stripe/stripe.h"
#include "services/sandbox/door.h"
#include "services/sandbox/live_world.h"
#include "services/sandbox/sandbox.h"
#include "tests/integration/payment/voucher.h"
#include "tests/support/scripted_log.h"
#include "tests/support/test_database.h"

// The payment service without its bus: a real database, the real HTTP door and asker, the sandbox's
// Daraja and Stripe behind real HTTP, and a small second provider. A test says what conversation
// published and waits for what must come of it.
namespace flowstack::payment::testing {

inline constexpr int kLanes = 4;
inline constexpr std::chrono::seconds kPatience{20};
inline const std::string kTenant = "duka";
inline const std::string kStripeSecret = "whsec_duka";

class FixedTenants final : public Tenants {
public:
    TenantView view{.version = 1,
                    .currency = Currency::kes,
                    .time_zone = "Africa/Nairobi",
                    .tax_rate_bp = 1600,
                    .order_prefix = "ORD",
                    .invoice_prefix = "INV",
                    .language = "en"};
    TenantView at_least(const std::string&, std::int64_t) override { return view; }
};

PaymentConfig quick_config();

class Shop {
public:
    explicit Shop(PaymentConfig config = quick_config());
    ~Shop();

    // What conversation says. The id of the order.
    std::string check_out(const std::string& customer, std::int64_t shillings = 1000,
                          const std::string& retry_of = {});
    // An order that the shop's own site took: nobody has chosen yet how to pay.
    std::string place(const std::string& customer);
    // Consumes until `done`, at most kPatience. False when it never was.
    bool until(const std::function<bool()>& done);
    // Consumes everything that is there, several times over.
    void consume();

    // Why the checkouts of that order were refused, in order: "no_order", "already_paid, retry".
    std::vector<std::string> refusals_of(const std::string& order_id);
    // Rows of work, but for the due dates of invoices that nobody has paid.
    int open_work();
    // How many events of that type there are in all lanes, e.g. "PaymentNeedsPerson".
    int count_events(const std::string& short_type);
    std::vector<std::string> payments_of(const std::string& order_id);
    v1::Order order(const std::string& order_id);
    v1::Invoice invoice_of(const std::string& order_id);
    v1::Payment payment(const std::string& payment_id);
    // The order's last payment is in that state.
    bool reaches(const std::string& order_id, v1::PaymentState state);
    v1::Payment last_payment(const std::string& order_id);
    // Debits minus credits of an account, from the events.
    std::int64_t booked(const std::string& account);
    // Whether every transaction balances.
    bool sums_to_zero();
    // All documents of the read model, as text.
    std::string documents();

    boost::json::value control(const std::string& method, const std::string& path,
                               const boost::json::value& body = nullptr);
    void payer(boost::json::object how) { control("PUT", "/control/payers/default", how); }
    void fault(const std::string& call, boost::json::object effect, int times = 1);
    // The same for a call to Stripe.
    void stripe_fault(const std::string& call, boost::json::object effect, int times = 1);
    // The order's page at Stripe, once it is open.
    boost::json::value page_of(const std::string& order_id);
    // What the payer, the bank or the clock does with a page: pay, decline, expire …
    void on_page(const std::string& session_id, const std::string& action);
    // An event of Stripe's, signed with `secret` now.
    http::ClientResult stripe_event(const std::string& body, const std::string& secret,
                                    const std::string& path = "/webhooks/stripe");
    std::size_t recorded(const std::string& kind);
    boost::json::value last_record(const std::string& kind);
    http::ClientResult post(const std::string& path, std::string body);

    // The next checkouts: whom they pay by, from which phone, in which currency.
    std::string provider = "mpesa";
    std::optional<std::string> phone;  // nothing: one of the customer's own
    std::string currency = "KES";

    flowstack::testing::TestDatabase database{kLanes, "payment"};
    PaymentConfig config;
    SystemClock clock;
    IdSource ids{clock};
    eventlog::Store store;
    Books books{store};
    FixedTenants tenants;
    metrics::Registry metrics;
    std::shared_ptr<flowstack::testing::ScriptedLog> conversation =
        std::make_shared<flowstack::testing::ScriptedLog>("conversation", kLanes);
    eventlog::Consumption consumption;
    eventlog::Owners owners{store, "r1"};
    crypto::RootKey root_key;
    crypto::MasterKey master_key = *crypto::MasterKey::from_hex(Secret(std::string(64, 'a')));
    keys::DataKeys data_keys{store.pool(), master_key};
    CallbackTokens callback_tokens{root_key};
    http::Client client;

    sandbox::LiveWorld world;
    sandbox::Record record{""};
    sandbox::Sandbox stand_in{world, record};
    http::Server stand_in_door{http::ServerOptions{}, sandbox::door(stand_in)};

    std::unique_ptr<Accounts> accounts;
    std::unique_ptr<Leases> leases;
    std::unique_ptr<mpesa::Mpesa> daraja;
    std::unique_ptr<stripe::Stripe> cards;
    Voucher voucher;
    std::unique_ptr<Providers> providers;
    std::unique_ptr<Reactor> reactor;
    std::unique_ptr<Door> door;
    std::unique_ptr<http::Server> http_door;
    std::unique_ptr<Asker> asker;
    DueDates due_dates{store, books, clock};
    std::unique_ptr<eventlog::WorkRunner> runner;
    int checkouts = 0;

private:
    std::string publish(flowstack::conversation::v1::CheckoutRequested checkout);
};

}  // namespace flowstack::payment::testing
