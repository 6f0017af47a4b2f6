#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "flowstack/payment/v1/invoice_events.pb.h"
#include "tests/integration/payment/shop.h"

// Invoice numbers while several replicas write at once: a register is one stream in the tenant's
// lane, and its version is the number.
namespace flowstack::payment::testing {
namespace {

constexpr int kInvoices = 500;

// What one process has of its own: connections, folds, cursors in memory.
struct Replica {
    Replica(const std::string& database_url, Tenants& tenants, const PaymentConfig& config,
            const std::shared_ptr<eventlog::Source>& conversation)
        : store({.service = "payment", .database_url = database_url, .lanes = kLanes}, derive),
          reactor(books, tenants, accounts, providers, config, metrics),
          consumption(store,
                      {{"conversation", conversation}, {"payment", eventlog::own_source(store)}},
                      {.consumer = "payment",
                       .head_compare_every = std::chrono::milliseconds(0),
                       .idle_cursor_after = std::chrono::milliseconds(0)}) {
        consumption.react([this](const auto& event, auto& turn) { reactor.react(event, turn); });
        consumption.project(project);
    }

    eventlog::Store store;
    Books books{store};
    crypto::MasterKey master_key = *crypto::MasterKey::from_hex(Secret(std::string(64, 'a')));
    keys::DataKeys data_keys{store.pool(), master_key};
    Accounts accounts{books, data_keys};
    Voucher voucher;
    Providers providers{{&voucher}};
    metrics::Registry metrics;
    Reactor reactor;
    eventlog::Consumption consumption;
};

TEST(Register, NumbersFiveHundredInvoicesOfOneTenantAndYearFromOneToFiveHundred) {
    const flowstack::testing::TestDatabase database{kLanes};
    const ManualClock clock{from_unix_seconds(1'790'000'000)};
    FixedTenants tenants;
    const auto config = quick_config();
    const auto conversation =
        std::make_shared<flowstack::testing::ScriptedLog>("conversation", kLanes);
    for (int i = 1; i <= kInvoices; ++i) {
        const auto customer = "customer-" + std::to_string(i);
        conversation::v1::CheckoutRequested m;
        m.set_order_id("order-" + std::to_string(i));
        m.set_customer_id(customer);
        m.set_conversation_id("conversation-" + std::to_string(i));
        m.set_pay_later(true);  // the invoice only
        auto* line = m.add_lines();
        line->set_product_id("coffee");
        line->set_product_name("Coffee");
        line->set_quantity(1);
        line->mutable_unit_price()->set_minor_units(10'000);
        line->mutable_unit_price()->set_currency_code("KES");
        conversation->happened({kTenant, "conversation", m.conversation_id()},
                               {eventlog::RoutingKind::customer, customer}, m, clock.now());
    }
    // Every lane has two replicas that both think it is theirs, from beginning to end.
    std::vector<std::unique_ptr<Replica>> replicas;
    const std::vector<std::vector<int>> owned{{0, 1}, {2, 3}, {0, 2}, {1, 3}};
    for (const auto& lanes : owned) {
        replicas.push_back(
            std::make_unique<Replica>(database.service_url(), tenants, config, conversation));
        replicas.back()->consumption.assign(lanes);
    }
    auto& store = replicas.front()->store;
    const auto events_of_type = [&](const std::string& type) {
        std::vector<eventlog::Recorded> found;
        for (int lane = 0; lane < kLanes; ++lane)
            for (auto& event : store.read_lane(lane, 1, 0, 100'000))
                if (event.type == type) found.push_back(std::move(event));
        return found;
    };
    std::atomic<bool> done = false;
    std::vector<std::thread> threads;
    for (auto& replica : replicas)
        threads.emplace_back([&] {
            while (!done) replica->consumption.apply({});
        });
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    const auto issued_type = v1::InvoiceIssued::descriptor()->full_name();
    while (events_of_type(issued_type).size() < kInvoices &&
           std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    done = true;
    for (auto& thread : threads) thread.join();

    std::map<std::string, std::int64_t> assigned;  // invoice → number
    std::int64_t last = 0;
    for (const auto& event : events_of_type(v1::NumberAssigned::descriptor()->full_name())) {
        v1::NumberAssigned m;
        ASSERT_TRUE(m.ParseFromString(event.payload));
        EXPECT_EQ(event.version, ++last);
        EXPECT_TRUE(assigned.emplace(m.invoice_id(), event.version).second)
            << m.invoice_id() << " has two numbers";
    }
    EXPECT_EQ(last, kInvoices);
    std::set<std::string> numbers;
    for (const auto& event : events_of_type(issued_type)) {
        v1::InvoiceIssued m;
        ASSERT_TRUE(m.ParseFromString(event.payload));
        EXPECT_EQ(m.number(), invoice_number("INV", 2026, assigned.at(m.invoice_id())));
        numbers.insert(m.number());
    }
    ASSERT_EQ(numbers.size(), static_cast<std::size_t>(kInvoices));
    EXPECT_EQ(*numbers.begin(), "INV-2026-000001");
    EXPECT_EQ(*numbers.rbegin(), "INV-2026-000500");
}

}  // namespace
}  // namespace flowstack::payment::testing
