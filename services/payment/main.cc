#include <grpcpp/impl/codegen/service_type.h>

#include <cstdio>
#include <exception>
#include <memory>

#include "common/config/config.h"
#include "common/core/clock.h"
#include "common/core/ids.h"
#include "common/crypto/envelope.h"
#include "common/http/client.h"
#include "common/http/server.h"
#include "common/observability/log.h"
#include "common/service/host.h"
#include "services/payment/adapters/accounts.h"
#include "services/payment/adapters/callback_token.h"
#include "services/payment/adapters/consumer.h"
#include "services/payment/adapters/derive.h"
#include "services/payment/adapters/door.h"
#include "services/payment/adapters/mpesa/daraja.h"
#include "services/payment/adapters/projections.h"
#include "services/payment/adapters/pusher.h"
#include "services/payment/adapters/rpc.h"
#include "services/payment/config.h"

extern char** environ;

// The payment service: orders, invoices, payment intents and the ledger. The wiring, top to bottom.
int main(int argc, char** argv) try {
    using namespace flowstack;

    config::Reader reader(argc, argv, environ);
    const auto options = service::host_options(reader, "payment", {"gateway", "conversation"});
    const auto config = payment::payment_config(reader);
    auto master_key = crypto::MasterKey::from_hex(config.master_key);
    if (!master_key && !config.master_key.empty())
        reader.mistake("MASTER_KEY: must be 64 hex digits");
    reader.finish();

    const SystemClock clock;
    IdSource ids(clock);
    service::Host host(options, payment::derive);
    auto& store = host.store();

    payment::Books books(store);
    payment::GatewayTenants tenants(host.channel("gateway"));
    payment::Reactor reactor(books, tenants, clock, config, host.metrics());
    host.react([&](const auto& event, auto& turn) { reactor.react(event, turn); });
    host.project(payment::project);

    http::Client client;
    payment::Accounts accounts(books, *master_key);
    payment::mpesa::Leases leases(store.pool(), options.replica_id);
    payment::mpesa::Tokens tokens(leases, client, config.master_key,
                                  {.base_url = config.daraja_base_url,
                                   .timeout = config.query_timeout_ms,
                                   .margin = config.token_margin_ms});
    payment::mpesa::Daraja daraja(client, tokens, clock,
                                  {.base_url = config.daraja_base_url,
                                   .push_timeout = config.push_timeout_ms,
                                   .query_timeout = config.query_timeout_ms,
                                   .not_sent_wait = config.push_retry_ms});
    const payment::CallbackTokens callback_tokens(config.master_key);
    payment::Pusher pusher(store, books, accounts, daraja, tokens, leases, callback_tokens, clock,
                           config, options.replica_id);
    namespace work = payment::work;
    host.work(work::kPush, [&](const auto& row, auto done) { pusher.on_push(row, done); });
    host.work(work::kAttempt, [&](const auto& row, auto done) { pusher.on_attempt(row, done); });
    host.work(work::kPoll, [&](const auto& row, auto done) { pusher.on_poll(row, done); });
    host.work(work::kExpiry, [&](const auto& row, auto done) { pusher.on_expiry(row, done); });
    host.also(
        "pusher", [] {}, [&](auto) { pusher.stop(); });

    const payment::Doors doors{
        host.rpc(), store, host.read_model(), books, accounts, tenants, clock, ids, config};
    auto services = payment::make_read_services(doors);
    for (auto& named : payment::make_payment_services(doors)) services.push_back(std::move(named));
    for (auto& named : services) host.serve(*named.service, named.full_name);

    payment::Door door(store, callback_tokens, clock, host.metrics());
    const auto router = door.router();
    host.admin_page("/routes", [&] { return http::routes_json(router.routes()); });
    http::Server http_door({.address = config.http_address,
                            .port = config.http_port,
                            .body_bytes_max = config.callback_bytes_max},
                           router.handler());
    host.also(
        "callbacks",
        [&] {
            http_door.start();
            log::info("callbacks' door is open", {{"port", http_door.port()}});
        },
        [&](auto grace) { http_door.drain(grace); });
    return host.run();
} catch (const std::exception& error) {
    std::fprintf(stderr, "flowstack-payment: %s\n", error.what());
    return 1;
}
