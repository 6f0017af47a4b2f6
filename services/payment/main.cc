#include <grpcpp/impl/codegen/service_type.h>
#include <unistd.h>

#include <chrono>
#include <memory>

#include "common/config/config.h"
#include "common/core/clock.h"
#include "common/core/ids.h"
#include "common/http/client.h"
#include "common/http/door_settings.h"
#include "common/http/server.h"
#include "common/keys/data_key_service.h"
#include "common/keys/data_keys.h"
#include "common/keys/settings.h"
#include "common/observability/log.h"
#include "common/service/host.h"
#include "common/service/run_main.h"
#include "flowstack/common/v1/data_key_service.grpc.pb.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "services/payment/adapters/accounts.h"
#include "services/payment/adapters/asker.h"
#include "services/payment/adapters/callback_token.h"
#include "services/payment/adapters/derive.h"
#include "services/payment/adapters/door.h"
#include "services/payment/adapters/due_dates.h"
#include "services/payment/adapters/leases.h"
#include "services/payment/adapters/person_watch.h"
#include "services/payment/adapters/projections.h"
#include "services/payment/adapters/reactor.h"
#include "services/payment/adapters/rpc.h"
#include "services/payment/config.h"
#include "services/payment/providers/mpesa/mpesa.h"
#include "services/payment/providers/stripe/stripe.h"

// payment: orders, invoices, payment intents and the ledger. See README.md.
namespace {

using namespace flowstack;

int run(int argc, char** argv) {
    config::Reader reader(argc, argv, environ);
    auto options = service::host_options(reader, "payment", {"gateway", "conversation"});
    // A checkout comes from conversation, and callbacks and invoice numbers from payment's own log.
    // Nobody waits for what gateway says here.
    options.gathering = {"gateway"};
    options.awaited["conversation"] = {
        conversation::v1::CheckoutRequested::descriptor()->full_name()};
    const auto config = payment::payment_config(reader);
    const http::DoorSettings door_settings(reader);
    const keys::KeySettings key_settings(reader);
    reader.finish();

    const SystemClock clock;
    IdSource ids(clock);
    service::Host host(options, payment::derive);
    auto& store = host.store();

    const auto key_wrapper = key_settings.wrapper();
    crypto::RootKey root_key;
    keys::DataKeys data_keys(store.pool(), *key_wrapper);
    host.once_stored([&] {
        data_keys.check_all_open();
        root_key.fill(data_keys.root());
    });
    const auto data_key_service = keys::make_data_key_service(host.rpc(), data_keys);
    host.serve(*data_key_service, common::v1::DataKeyService::service_full_name());

    http::Client client;
    payment::Leases leases(store.pool(), options.replica_id);
    // The providers of this build. The first one is meant when a caller names none.
    payment::mpesa::Mpesa mpesa(client, leases, root_key, clock,
                                {.base_url = config.daraja_base_url,
                                 .push_timeout = config.push_timeout,
                                 .query_timeout = config.query_timeout,
                                 .retry_wait = config.push_retry_after,
                                 .token_margin = config.token_margin});
    payment::stripe::Stripe stripe(
        client, {.base_url = config.stripe_base_url,
                 .api_version = config.stripe_api_version,
                 .currencies = config.stripe_currencies,
                 .ask_timeout = config.push_timeout,
                 .query_timeout = config.query_timeout,
                 .retry_wait = config.push_retry_after,
                 .same_key_wait = config.same_key_wait,
                 .signature_tolerance =
                     std::chrono::duration_cast<std::chrono::seconds>(config.signature_tolerance)});
    const payment::Providers providers({&mpesa, &stripe});

    payment::Books books(store);
    payment::Accounts accounts(books, data_keys);
    payment::GatewayTenants tenants(host.channel("gateway"));
    payment::Reactor reactor(books, tenants, accounts, providers, config, host.metrics());
    host.react([&](const auto& event, auto& turn) { reactor.react(event, turn); });
    host.project(payment::project);

    const payment::CallbackTokens callback_tokens(root_key);
    payment::Asker asker({.store = store,
                          .books = books,
                          .accounts = accounts,
                          .providers = providers,
                          .leases = leases,
                          .callback_tokens = callback_tokens,
                          .clock = clock,
                          .config = config,
                          .replica = options.replica_id});
    namespace work = payment::work;
    host.work(work::kAsk, [&](const auto& row, auto done) { asker.on_ask(row, done); });
    host.work(work::kAttempt, [&](const auto& row, auto done) { asker.on_attempt(row, done); });
    host.work(work::kUnclear, [&](const auto& row, auto done) { asker.on_unclear(row, done); });
    host.work(work::kPoll, [&](const auto& row, auto done) { asker.on_poll(row, done); });
    host.work(work::kExpiry, [&](const auto& row, auto done) { asker.on_expiry(row, done); });
    payment::DueDates due_dates(store, books, clock);
    host.work(work::kOverdue, [&](const auto& row, auto done) {
        due_dates.check(row);
        done();
    });
    host.also(
        "asker", [] {}, [&](auto) { asker.stop(); });

    constexpr std::chrono::seconds kPersonCountEvery{10};
    payment::PersonWatch person_watch(store, clock, host.metrics(), kPersonCountEvery);
    host.also(
        "person_watch", [&] { person_watch.start(); }, [&](auto) { person_watch.stop(); });

    const payment::Doors doors{
        host.rpc(), store,  host.read_model(), books, accounts, providers, clock,
        ids,        config, root_key};
    auto services = payment::make_read_services(doors);
    for (auto& named : payment::make_order_services(doors)) services.push_back(std::move(named));
    for (auto& named : payment::make_refund_services(doors)) services.push_back(std::move(named));
    for (auto& named : payment::make_payment_services(doors)) services.push_back(std::move(named));
    for (auto& named : services) host.serve(*named.service, named.full_name);

    payment::Door door(store, callback_tokens, providers, accounts, clock, host.metrics());
    const auto router = door.router();
    host.admin_page("/routes", [&] { return http::routes_json(router.routes()); });
    http::ServerOptions door_options{.address = config.http_address,
                                     .port = config.http_port,
                                     .body_bytes_max = config.callback_bytes_max};
    door_settings.apply(door_options, [&host](const std::string& file) {
        host.certificate_loaded("http_door", file);
    });
    http::Server http_door(std::move(door_options), router.handler());
    host.also(
        "callbacks",
        [&] {
            http_door.start();
            log::info("callbacks' door is open", {{"port", http_door.port()}});
        },
        [&](auto grace) { http_door.drain(grace); });
    return host.run();
}

}  // namespace

int main(int argc, char** argv) {
    return service::run_main("payment", [&] { return run(argc, argv); });
}
