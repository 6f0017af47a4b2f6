#include "services/gateway/wiring.h"

#include <grpcpp/impl/codegen/service_type.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <mutex>

#include "common/config/config.h"
#include "common/core/clock.h"
#include "common/core/ids.h"
#include "common/core/thread_pool.h"
#include "common/http/door_settings.h"
#include "common/http/public_address.h"
#include "common/http/router.h"
#include "common/http/server.h"
#include "common/keys/data_key_service.h"
#include "common/keys/data_keys.h"
#include "common/keys/settings.h"
#include "common/observability/log.h"
#include "common/rpc/server.h"
#include "common/service/host.h"
#include "flowstack/common/v1/data_key_service.grpc.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/gateway/v1/webhook_endpoint_events.pb.h"
#include "flowstack/gateway/v1/webhook_events.pb.h"
#include "services/gateway/adapters/contacts.h"
#include "services/gateway/adapters/dead_letters.h"
#include "services/gateway/adapters/derive.h"
#include "services/gateway/adapters/directory.h"
#include "services/gateway/adapters/door_metrics.h"
#include "services/gateway/adapters/own_flows.h"
#include "services/gateway/adapters/projections.h"
#include "services/gateway/adapters/reactor.h"
#include "services/gateway/adapters/rest_keys.h"
#include "services/gateway/adapters/rpc.h"
#include "services/gateway/adapters/sessions.h"
#include "services/gateway/adapters/settings_check.h"
#include "services/gateway/adapters/time_zones.h"
#include "services/gateway/dispatch/dispatcher.h"
#include "services/gateway/endpoints/courier.h"
#include "services/gateway/endpoints/rpc_webhook_endpoints.h"
#include "services/gateway/endpoints/webhook_book.h"
#include "services/gateway/endpoints/webhook_reactor.h"
#include "services/gateway/inbound/rpc_message_log.h"
#include "services/gateway/inbound/rpc_notices.h"
#include "services/gateway/inbound/rpc_webhooks.h"
#include "services/gateway/inbound/webhook_door.h"
#include "services/gateway/inbound/webhook_event.h"
#include "services/gateway/media/media_fetcher.h"
#include "services/gateway/media/media_store.h"
#include "services/gateway/media/rpc_media.h"
#include "services/gateway/media/s3_store.h"
#include "services/gateway/rest/rest.h"
#include "services/gateway/templates/rpc_provider_templates.h"
#include "services/gateway/templates/template_book.h"
#include "services/gateway/templates/template_sync.h"

namespace flowstack::gateway {
namespace {

// An upload in Base64, and what stands around it.
constexpr std::size_t kUploadBodyBytesMax = kUploadBytesMax / 3 * 4 + 4096;
// Requests with a session's cookie, and logins, that may wait for a thread; one more gets 429.
constexpr std::size_t kSessionJobsMax = 1000;
constexpr std::size_t kIssuerAnswerBytesMax = std::size_t{1} << 20;
// A post on a connection that its other end has just closed is an attempt that failed.
constexpr long kWebhookConnectionIdleSeconds = 5;

std::unique_ptr<MediaStore> make_media_store(const GatewayConfig& config, http::Client& client,
                                             const Clock& clock) {
    if (config.media_s3) return std::make_unique<S3MediaStore>(client, clock, *config.media_s3);
    return std::make_unique<MediaDirectory>(config.media_directory);
}

}  // namespace

// Tenants, channels, contacts, what comes in and what leaves: top to bottom.
int run(int argc, char** argv, const MakeProviders& make_providers) {
    config::Reader reader(argc, argv, environ);
    auto options =
        service::host_options(reader, "gateway", {"conversation", "campaign", "payment"});
    // A reply comes from conversation. What gateway reads besides is for lists, for numbers that
    // change hands and for statuses that came before their message was known.
    options.gathering = {"gateway", "campaign", "payment"};
    // The next to act on these is this process itself, by their work rows. Other services read them
    // for lists and counts. A customer's message is not among them: conversation answers it.
    options.unhurried = {v1::WebhooksReceived::descriptor()->full_name(),
                         v1::MessageQueued::descriptor()->full_name(),
                         v1::SendAttempted::descriptor()->full_name(),
                         v1::SendAccepted::descriptor()->full_name(),
                         v1::StatusReported::descriptor()->full_name(),
                         v1::StatusParked::descriptor()->full_name(),
                         v1::WebhooksQueued::descriptor()->full_name(),
                         v1::WebhookDelivered::descriptor()->full_name(),
                         v1::WebhookAttemptFailed::descriptor()->full_name()};
    options.store.join = join_raw_webhooks;
    const auto config = gateway_config(reader);
    options.store.company_wait = config.status_gather;
    if (!config.login.client.id.empty() && !options.tokens.has_issuer())
        reader.mistake("OIDC_CLIENT_ID: is not used without OIDC_ISSUER");
    const http::DoorSettings door_settings(reader);
    const keys::KeySettings key_settings(reader);
    reader.finish();

    auto installation = config.installation;
    installation.time_zones = installed_time_zones();
    const SystemClock clock;
    IdSource ids(clock);
    const auto key_wrapper = key_settings.wrapper();
    crypto::RootKey root_key;
    const DerivedKeys keys(root_key);
    service::Host host(options, make_derive(options.store.lanes, keys));
    auto& store = host.store();

    keys::DataKeys data_keys(store.pool(), *key_wrapper);
    host.once_stored([&] {
        data_keys.check_all_open();
        root_key.fill(data_keys.root());
    });
    const auto data_key_service = keys::make_data_key_service(host.rpc(), data_keys);
    host.serve(*data_key_service, common::v1::DataKeyService::service_full_name());

    Directory directory(store, data_keys);
    SettingsCheck settings_check(host.metrics(), installation);
    directory.on_tenant([&](const auto& tenant) { settings_check(tenant); });
    Contacts contacts(store, keys, ids, clock);
    Reactor reactor(store, directory, contacts, config.retry);
    const DeadLetters dead_letters(host.metrics());
    host.prepare([&](auto events, auto& pending) { reactor.prepare(events, pending); });
    host.project(project);

    http::Client client(
        {.connections_per_host_max = 256, .connections_max = 1024, .user_agent = "FlowStack"});
    const auto owned_providers = make_providers(config, client, directory);
    std::vector<const MessagingProvider*> listed;
    for (const auto& provider : owned_providers) listed.push_back(provider.get());
    const Providers providers(std::move(listed));
    http::Client store_client({.user_agent = "FlowStack", .ca_file = config.media_s3_ca_file});
    const auto kept = make_media_store(config, store_client, clock);
    auto& media = *kept;
    TemplateBook templates(store);
    TemplateReactor template_reactor(templates, providers);
    WebhookBook webhooks(store, data_keys);
    WebhookReactor webhook_reactor(webhooks);
    // At most one of the first two answers an event: they act on different ones. What tenants'
    // systems are told of it joins the answer.
    host.react([&](const auto& event, auto& turn) {
        dead_letters.count(event);
        reactor.react(event, turn);
        template_reactor.react(event, turn);
        webhook_reactor.react(event, turn);
    });
    Dispatcher dispatcher(store, host.owners(), directory, contacts, keys, providers, clock,
                          host.metrics(),
                          {.replica = options.replica_id,
                           .policy = config.retry,
                           .poll_interval = config.dispatch_poll_interval,
                           .attempt_start_max = config.attempt_start_max,
                           .send_timeout = config.send_timeout,
                           .held_retry_after = config.held_retry_after,
                           .window_margin = config.window_margin,
                           .in_flight_max = config.sends_in_flight_max,
                           .breaker_failures = config.breaker_failures,
                           .breaker_open_for = config.breaker_open_for,
                           .breaker_open_for_max = config.breaker_open_for_max,
                           .files = &media});
    host.on_work([&](const eventlog::WorkNews& news) { dispatcher.wake(news); });
    const auto ask_departure = [&](const auto& tenant, const auto& message, const auto& contact,
                                   OtherWriters others) {
        return dispatcher.ask(tenant, message, contact, others);
    };
    reactor.ask_departures_of(ask_departure);
    host.work(std::string(kEvidenceKind),
              [&](const auto& row, auto done) { dispatcher.evidence_over(row, done); });
    MediaFetcher fetcher(store, directory, providers, media, clock, host.metrics(),
                         {.bytes_max = config.media_bytes_max, .timeout = config.media_timeout});
    host.work(
        std::string(kMediaKind), [&](const auto& row, auto done) { fetcher.fetch(row, done); },
        kMediaFetchesMax);
    TemplateSync template_sync(templates, directory, providers, clock, host.metrics(),
                               config.templates);
    host.work(
        std::string(kTemplateListingKind),
        [&](const auto& row, auto done) { template_sync.list(row, done); }, kTemplateListingsMax);
    host.work(std::string(kTemplateCallKind),
              [&](const auto& row, auto done) { template_sync.overdue(row, done); });

    // Tenants name whom this one calls.
    http::Client webhook_client(
        {.response_bytes_max = kWebhookAnswerBytesMax,
         .connection_idle_s_max = kWebhookConnectionIdleSeconds,
         .user_agent = "FlowStack",
         .refused_address = config.private_webhooks ? std::function<std::string(std::string_view)>()
                                                    : http::why_not_public});
    Courier courier(
        store, host.owners(), webhooks, clock, host.metrics(),
        [&](http::ClientRequest request, std::function<void(http::ClientResult)> done) {
            webhook_client.call(std::move(request), std::move(done));
        },
        config.webhooks);
    host.on_work([&](const eventlog::WorkNews& news) { courier.wake(news); });

    WebhookDoor door(providers, store, directory, contacts, keys, ids, clock, host.metrics(),
                     {.lookup_threads = config.lookup_threads,
                      .lookups_queued_max = config.lookups_queued_max,
                      .customers_cached_max = config.customers_cached_max});
    host.on_settings_change([&](const auto& change) {
        directory.apply(change);
        webhooks.apply(change);
        dispatcher.settings_changed();
    });

    KeyUses key_uses(store, clock);
    host.also(
        "key_uses", [&] { key_uses.start(); }, [&](auto) { key_uses.stop(); });

    std::mutex channels_mutex;
    const auto neighbour = [&](const std::string& service) {
        const std::lock_guard lock(channels_mutex);
        return host.channel(service);
    };
    const Doors doors{
        host.rpc(),
        store,
        host.read_model(),
        directory,
        contacts,
        data_keys,
        clock,
        ids,
        providers,
        config.window_margin,
        options.replica_id,
        [&](const auto& tenant, const auto& channel) { return dispatcher.look(tenant, channel); },
        installation,
        [&](const auto& tenant, const auto& flow_key) {
            return has_published_flow(neighbour("conversation"), tenant, flow_key);
        },
        ask_departure,
        &media,
        &key_uses,
        &templates,
        config.templates.timeout,
        &webhooks,
        config.private_webhooks};
    auto services = make_tenant_services(doors);
    for (auto& named : make_message_services(doors)) services.push_back(std::move(named));
    RawWebhooks raw_webhooks(store, directory, contacts, keys, providers);
    services.push_back(make_webhook_service(doors, raw_webhooks));
    services.push_back(make_message_log_service(doors));
    services.push_back(make_media_service(doors));
    services.push_back(make_notice_service(doors));
    services.push_back(make_provider_template_service(doors));
    services.push_back(make_webhook_endpoint_service(doors));
    for (auto& named : services) host.serve(*named.service, named.full_name);

    http::Router router;
    door.add_routes(router);
    std::shared_ptr<grpc::Channel> own_channel;
    const DirectoryKeys rest_keys(directory, key_uses);
    host.know_closed_tenants([&](const std::string& tenant) {
        const auto entry = directory.tenant(tenant);
        return entry && entry->tenant.status == TenantStatus::closed;
    });
    host.know_api_keys([&](const std::string& key_sha256) -> std::optional<service::ApiKeyOwner> {
        auto owner = directory.owner_of_key(key_sha256);
        if (!owner) return std::nullopt;
        key_uses.note(owner->tenant, owner->key_id.text());
        return service::ApiKeyOwner{std::move(owner->tenant), owner->key_id.text()};
    });
    StoredSessions sessions(store, clock, config.login.idle);
    std::optional<ThreadPool> session_threads;
    http::Client issuer_client({.connections_per_host_max = 4,
                                .connections_max = 8,
                                .response_bytes_max = kIssuerAnswerBytesMax,
                                .ca_file = host.options().tokens.ca_file()});
    std::optional<LoginOptions> login;
    if (!config.login.client.id.empty()) {
        session_threads.emplace(ThreadPoolOptions{
            .name = "sessions", .threads = config.login_threads, .waiting_max = kSessionJobsMax});
        login = config.login;
        login->issuer = host.options().tokens.issuer();
        login->sessions = &sessions;
        login->clock = &clock;
        login->seal_key = [&] { return root_key.derive("login/1"); };
        login->send = [&](http::ClientRequest request) {
            return issuer_client.call_and_wait(std::move(request));
        };
        login->on_worker = [&](std::function<void()> job) {
            return session_threads->post(std::move(job));
        };
    }
    Rest rest(rest_keys,
              {.admin_key = config.admin_key,
               .admin_password = config.admin_password,
               .wrong_keys_max = options.api_keys.wrong_keys_max,
               .wrong_key_every = options.api_keys.wrong_key_every,
               .timeout = config.rest_timeout,
               .rate_limits = &host.client_limits(),
               .channel =
                   [&](const std::string& service) {
                       if (service != "gateway") return neighbour(service);
                       const std::lock_guard lock(channels_mutex);
                       // Our own methods go through the same door as everybody's.
                       if (!own_channel) own_channel = host.own_channel();
                       return own_channel;
                   },
               .holder_of = host.token_holders(),
               .media = [&](const auto& tenant, const auto& media_id) -> std::optional<MediaBytes> {
                   auto file = media.read(tenant, media_id);
                   if (!file) return std::nullopt;
                   return MediaBytes{std::move(file->bytes), std::move(file->mime_type)};
               },
               .login = std::move(login)});
    rest.add_routes(router);
    host.admin_page("/routes", [&] { return http::routes_json(router.routes()); });

    http::ServerOptions door_options{
        .address = config.http_address,
        .port = config.http_port,
        .threads = config.http_threads,
        .body_bytes_max = config.body_bytes_max,
        .body_limit = [&](std::string_view, std::string_view path) {
            if (door.serves(path)) return config.webhook_bytes_max;
            if (path.starts_with("/v1/tenants/") && path.ends_with("/media"))
                return std::max(config.body_bytes_max, kUploadBodyBytesMax);
            return config.body_bytes_max;
        }};
    door_settings.apply(door_options, [&host](const std::string& file) {
        host.certificate_loaded("http_door", file);
    });
    http::Server http_door(std::move(door_options),
                           counted(rest.with_sessions(router.handler()), host.metrics()));
    // Stopped last of the three, before the store: what the others have begun is still written.
    host.also(
        "media", [] {}, [&](auto) { fetcher.stop(); });
    host.also(
        "templates", [] {}, [&](auto) { template_sync.stop(); });
    host.also(
        "webhooks", [] {}, [&](auto) { door.stop(); });
    host.also(
        "courier", [&] { courier.start(); }, [&](auto) { courier.stop(); });
    host.also(
        "dispatcher", [&] { dispatcher.start(); }, [&](auto grace) { dispatcher.stop(grace); });
    host.also(
        "http",
        [&] {
            http_door.start();
            log::info("the door is open", {{"port", http_door.port()}});
        },
        [&](auto grace) { http_door.drain(grace); });
    return host.run();
}

}  // namespace flowstack::gateway
