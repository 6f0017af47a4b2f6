#include "tests/integration/payment/shop.h"

#include <gtest/gtest.h>

#include <map>
#include <stdexcept>

#include "flowstack/payment/v1/invoice_events.pb.h"
#include "flowstack/payment/v1/order_events.pb.h"

namespace flowstack::payment::testing {

namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

const std::string kMasterKey(64, 'a');
const std::string kShortCode = "174379";
const std::string kStripeKey = "sk_test_duka";

constexpr std::chrono::milliseconds kNoWait{0};

}  // namespace

PaymentConfig quick_config() {
    PaymentConfig c;
    c.http_address = "127.0.0.1";
    c.callback_bytes_max = 65'536;
    c.push_timeout = 5s;
    c.query_timeout = 5s;
    c.attempt_start_max = 2s;
    c.attempt_resolve_within = 10s;
    c.push_retry_after = 10ms;
    c.unclear_after = 10min;
    c.poll_first_after = 30s;
    c.poll_plan = {20ms};
    c.late_poll_interval = 15min;
    c.late_polls_for = 0ms;
    c.query_interval = 0ms;
    c.intent_expires_after = 30min;
    c.invoice_due_after = 24h;
    c.token_margin = 1s;
    c.push_wait = 1s;
    c.stripe_api_version = "2026-10-28.endive";
    c.stripe_currencies = {{Currency::kes, 2}, {Currency::usd, 2}, {Currency::ugx, 2}};
    c.signature_tolerance = 300s;
    c.same_key_wait = 10ms;
    c.provider_calls_max = 4;
    return c;
}

Shop::Shop(PaymentConfig given)
    : config(std::move(given)),
      store({.service = "payment", .database_url = database.service_url(), .lanes = kLanes},
            derive),
      consumption(
          store, {{"conversation", conversation}, {"payment", eventlog::own_source(store)}},
          {.consumer = "payment", .head_compare_every = kNoWait, .idle_cursor_after = kNoWait}),
      root_key(Secret(kMasterKey)) {
    stand_in_door.start();
    config.daraja_base_url = "http://127.0.0.1:" + std::to_string(stand_in_door.port());
    accounts = std::make_unique<Accounts>(books, data_keys);
    leases = std::make_unique<Leases>(store.pool(), "r1");
    daraja =
        std::make_unique<mpesa::Mpesa>(client, *leases, root_key, clock,
                                       mpesa::MpesaOptions{.base_url = config.daraja_base_url,
                                                           .push_timeout = config.push_timeout,
                                                           .query_timeout = config.query_timeout,
                                                           .retry_wait = config.push_retry_after,
                                                           .token_margin = config.token_margin});
    cards = std::make_unique<stripe::Stripe>(
        client, stripe::StripeOptions{.base_url = config.daraja_base_url,
                                      .api_version = config.stripe_api_version,
                                      .currencies = config.stripe_currencies,
                                      .ask_timeout = config.push_timeout,
                                      .query_timeout = config.query_timeout,
                                      .retry_wait = config.push_retry_after,
                                      .same_key_wait = config.same_key_wait});
    providers =
        std::make_unique<Providers>(std::vector<Provider*>{daraja.get(), &voucher, cards.get()});
    reactor = std::make_unique<Reactor>(books, tenants, *accounts, *providers, config, metrics);
    door = std::make_unique<Door>(store, callback_tokens, *providers, *accounts, clock, metrics);
    http_door = std::make_unique<http::Server>(
        http::ServerOptions{.body_bytes_max = config.callback_bytes_max}, door->router().handler());
    http_door->start();
    config.public_base_url = "http://127.0.0.1:" + std::to_string(http_door->port());
    asker = std::make_unique<Asker>(Asker::Parts{.store = store,
                                                 .books = books,
                                                 .accounts = *accounts,
                                                 .providers = *providers,
                                                 .leases = *leases,
                                                 .callback_tokens = callback_tokens,
                                                 .clock = clock,
                                                 .config = config,
                                                 .replica = "r1"});
    runner = std::make_unique<eventlog::WorkRunner>(
        store, owners, eventlog::WorkOptions{.poll_interval = 5ms, .retry_delay = 20ms});
    runner->handle(work::kAsk, [this](const auto& row, auto done) { asker->on_ask(row, done); });
    runner->handle(work::kAttempt,
                   [this](const auto& row, auto done) { asker->on_attempt(row, done); });
    runner->handle(work::kUnclear,
                   [this](const auto& row, auto done) { asker->on_unclear(row, done); });
    runner->handle(work::kOverdue, [this](const auto& row, auto done) {
        due_dates.check(row);
        done();
    });
    runner->handle(work::kPoll, [this](const auto& row, auto done) { asker->on_poll(row, done); });
    runner->handle(work::kExpiry,
                   [this](const auto& row, auto done) { asker->on_expiry(row, done); });
    consumption.react([this](const auto& event, auto& turn) { reactor->react(event, turn); });
    consumption.project(project);
    consumption.assign({0, 1, 2, 3});
    owners.assigned({0, 1, 2, 3});
    runner->start();

    control("PUT", "/control/shortcodes",
            json::object{{"shortcode", kShortCode},
                         {"passkey", "pk"},
                         {"consumer_key", "ck"},
                         {"consumer_secret", "cs"},
                         {"same_amount_window_ms", 0},
                         {"callback_delay_ms", 0}});
    payer({{"behaviour", "pay"}, {"delay_ms", 0}, {"balance", 100'000'000}});
    control("PUT", "/control/accounts",
            json::object{{"account", "acct_duka"},
                         {"secret_key", kStripeKey},
                         {"webhook_secret", kStripeSecret},
                         {"webhook_url", config.public_base_url + "/webhooks/stripe"},
                         {"webhook_delay_ms", 0}});
    const auto connect = [&](const Account& account) {
        eventlog::Command command;
        command.id = "connect/" + account.provider;
        command.tenant = kTenant;
        command.meta.routing = {eventlog::RoutingKind::tenant, kTenant};
        command.parts.push_back({account_stream(kTenant, account.provider),
                                 eventlog::kAny,
                                 {encode(accounts->seal(kTenant, account), clock.now())}});
        store.append(command);
    };
    connect(std::get<Account>(daraja->read_account({{"short_code", kShortCode},
                                                    {"passkey", "pk"},
                                                    {"consumer_key", "ck"},
                                                    {"consumer_secret", "cs"}})));
    connect(std::get<Account>(voucher.read_account({{"till", "till7"}})));
    connect(std::get<Account>(
        cards->read_account({{"secret_key", kStripeKey}, {"webhook_secret", kStripeSecret}})));
}

Shop::~Shop() {
    world.stop();
    runner->stop();
    asker->stop();
    http_door->drain(kNoWait);
    stand_in_door.drain(kNoWait);
}

namespace {

conversation::v1::CheckoutRequested checkout_of(const std::string& customer, std::int64_t shillings,
                                                const std::string& currency) {
    conversation::v1::CheckoutRequested m;
    m.set_conversation_id("conversation-" + customer);
    m.set_customer_id(customer);
    m.set_channel_id("channel-1");
    auto* line = m.add_lines();
    line->set_product_id("coffee");
    line->set_product_name("Premium Coffee");
    line->set_quantity(1);
    line->mutable_unit_price()->set_minor_units(shillings * 100);
    line->mutable_unit_price()->set_currency_code(currency);
    m.set_currency_code(currency);
    m.set_language("en");
    m.mutable_personal()->set_name("Amina");
    // One phone a customer: Daraja locks a subscriber while a prompt is open.
    std::string digits = std::to_string(std::hash<std::string>{}(customer) % 100'000'000);
    digits.insert(0, 8 - digits.size(), '0');
    m.mutable_personal()->set_phone("+2547" + digits);
    return m;
}

}  // namespace

std::string Shop::publish(conversation::v1::CheckoutRequested checkout) {
    checkout.set_order_id(ids.next().text());
    conversation->happened({kTenant, "conversation", checkout.conversation_id()},
                           {eventlog::RoutingKind::customer, checkout.customer_id()}, checkout,
                           clock.now());
    return checkout.order_id();
}

std::string Shop::check_out(const std::string& customer, std::int64_t shillings,
                            const std::string& retry_of) {
    auto checkout = checkout_of(customer, shillings, currency);
    if (phone) checkout.mutable_personal()->set_phone(*phone);
    checkout.set_reservation_id("reservation-" + std::to_string(++checkouts));
    checkout.set_provider(provider);
    checkout.set_retry_of_order_id(retry_of);
    const auto order_id = publish(std::move(checkout));
    return retry_of.empty() ? order_id : retry_of;
}

std::string Shop::place(const std::string& customer) {
    auto checkout = checkout_of(customer, 1000, currency);
    checkout.set_pay_later(true);
    return publish(std::move(checkout));
}

bool Shop::until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < deadline) {
        consumption.apply({});
        if (done()) return true;
    }
    return false;
}

void Shop::consume() {
    for (int i = 0; i < 4; ++i) consumption.apply({});
}

std::vector<std::string> Shop::refusals_of(const std::string& order_id) {
    std::vector<std::string> reasons;
    for (const auto& event : store.read_stream(checkout_stream(kTenant, OrderId(order_id)))) {
        v1::CheckoutRefused m;
        EXPECT_TRUE(m.ParseFromString(event.payload)) << event.type;
        EXPECT_FALSE(m.customer_id().empty());
        EXPECT_EQ(m.conversation_id(), "conversation-" + m.customer_id());
        EXPECT_FALSE(m.reservation_id().empty());
        EXPECT_FALSE(m.detail().empty());
        EXPECT_TRUE(event.meta.causation);
        reasons.push_back(m.reason() + (m.retry() ? ", retry" : ""));
    }
    return reasons;
}

int Shop::open_work() {
    return store.pool().with([](postgres::Session& session) {
        return session.query("select kind from work where kind <> 'overdue'").rows();
    });
}

int Shop::count_events(const std::string& short_type) {
    int count = 0;
    for (int lane = 0; lane < kLanes; ++lane)
        for (const auto& event : store.read_lane(lane, 1, 0, 10'000))
            count += event.type.ends_with("." + short_type) ? 1 : 0;
    return count;
}

v1::Order Shop::order(const std::string& order_id) {
    v1::Order resource;
    for (const auto& event : store.read_stream(order_stream(kTenant, OrderId(order_id))))
        apply(resource, event);
    return resource;
}

std::vector<std::string> Shop::payments_of(const std::string& order_id) {
    std::vector<std::string> ids_of;
    const auto resource = order(order_id);
    for (const auto& name : resource.payments()) ids_of.push_back(name.substr(name.rfind('/') + 1));
    return ids_of;
}

v1::Invoice Shop::invoice_of(const std::string& order_id) {
    v1::Invoice resource;
    const auto name = order(order_id).invoice();
    for (const auto& event :
         store.read_stream(invoice_stream(kTenant, InvoiceId(name.substr(name.rfind('/') + 1)))))
        apply(resource, event);
    return resource;
}

v1::Payment Shop::payment(const std::string& payment_id) {
    v1::Payment resource;
    for (const auto& event : store.read_stream(intent_stream(kTenant, IntentId(payment_id))))
        apply(resource, event, true);
    return resource;
}

v1::Payment Shop::last_payment(const std::string& order_id) {
    const auto all = payments_of(order_id);
    return all.empty() ? v1::Payment{} : payment(all.back());
}

bool Shop::reaches(const std::string& order_id, v1::PaymentState state) {
    return until([&] { return last_payment(order_id).state() == state; });
}

std::int64_t Shop::booked(const std::string& account) {
    std::int64_t sum = 0;
    for (int lane = 0; lane < kLanes; ++lane)
        for (const auto& event : store.read_lane(lane, 1, 0, 10'000)) {
            v1::JournalPosted journal;
            if (event.type != journal.GetTypeName() || !journal.ParseFromString(event.payload))
                continue;
            for (const auto& posting : journal.postings())
                if (posting.account() == account) sum += posting.amount().minor_units();
        }
    return sum;
}

bool Shop::sums_to_zero() {
    for (int lane = 0; lane < kLanes; ++lane)
        for (const auto& event : store.read_lane(lane, 1, 0, 10'000)) {
            v1::JournalPosted journal;
            if (event.type != journal.GetTypeName() || !journal.ParseFromString(event.payload))
                continue;
            std::int64_t sum = 0;
            for (const auto& posting : journal.postings()) sum += posting.amount().minor_units();
            if (sum != 0) return false;
        }
    return true;
}

std::string Shop::documents() {
    const auto result = store.pool().with([](postgres::Session& session) {
        return session.query(
            "select tenant, kind, id, parent, state, sort_at, body from read_model "
            "order by tenant, kind, id");
    });
    std::string all;
    for (int row = 0; row < result.rows(); ++row)
        for (int column : {0, 1, 2, 3, 4, 6}) all += result.text(row, column) + "\n";
    return all;
}

json::value Shop::control(const std::string& method, const std::string& path,
                          const json::value& body) {
    http::ClientRequest request;
    request.method = method;
    request.url = config.daraja_base_url + path;
    request.headers = {{"Content-Type", "application/json"}};
    if (method != "GET") request.body = json::serialize(body);
    const auto result = client.call_and_wait(std::move(request));
    EXPECT_LT(result.response.status, 300) << result.response.body << result.error;
    return json::parse(result.response.body);
}

void Shop::fault(const std::string& call, json::object effect, int times) {
    control("POST", "/control/faults",
            json::object{{"provider", "daraja"},
                         {"call", call},
                         {"times", times},
                         {"effect", std::move(effect)}});
}

void Shop::stripe_fault(const std::string& call, json::object effect, int times) {
    control("POST", "/control/faults",
            json::object{{"provider", "stripe"},
                         {"call", call},
                         {"times", times},
                         {"effect", std::move(effect)}});
}

json::value Shop::page_of(const std::string& order_id) {
    json::value page;
    until([&] {
        const auto link = last_payment(order_id).payment_link();
        if (link.empty()) return false;
        page = control("GET", "/control/checkouts/" + link.substr(link.rfind('/') + 1));
        return true;
    });
    return page;
}

void Shop::on_page(const std::string& session_id, const std::string& action) {
    control("POST", "/control/checkouts/" + session_id + "/" + action);
}

http::ClientResult Shop::stripe_event(const std::string& body, const std::string& secret,
                                      const std::string& path) {
    http::ClientRequest request;
    request.method = "POST";
    request.url = config.public_base_url + path;
    request.headers = {{"Content-Type", "application/json"},
                       {"Stripe-Signature",
                        sandbox::stripe_signature(secret, "", unix_seconds(clock.now()), body)}};
    request.body = body;
    return client.call_and_wait(std::move(request));
}

std::size_t Shop::recorded(const std::string& kind) {
    return control("GET", "/control/record?kind=" + kind).at("lines").as_array().size();
}

json::value Shop::last_record(const std::string& kind) {
    const auto all = control("GET", "/control/record?kind=" + kind).at("lines").as_array();
    if (all.empty()) throw std::runtime_error("the sandbox has no record of " + kind);
    return all.back();
}

http::ClientResult Shop::post(const std::string& path, std::string body) {
    http::ClientRequest request;
    request.method = "POST";
    request.url = config.public_base_url + path;
    request.headers = {{"Content-Type", "application/json"}};
    request.body = std::move(body);
    return client.call_and_wait(std::move(request));
}

}  // namespace flowstack::payment::testing
