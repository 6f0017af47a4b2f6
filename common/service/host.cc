#include "common/service/host.h"

#include <grpcpp/impl/codegen/service_type.h>

#include <thread>
#include <unordered_map>

#include "common/config/config.h"
#include "common/core/version.h"
#include "common/eventlog/loop_statements.h"
#include "common/eventlog/membership.h"
#include "common/eventlog/relay.h"
#include "common/lifecycle/lifecycle.h"
#include "common/observability/admin.h"
#include "common/observability/log.h"
#include "common/observability/otlp_settings.h"
#include "common/rpc/channel.h"
#include "common/rpc/library_log.h"
#include "common/rpc/server.h"
#include "common/service/certificates.h"
#include "common/service/commit_notes.h"
#include "common/service/consume_loop.h"
#include "common/service/event_log_service.h"
#include "common/service/hint_reader.h"
#include "common/service/lane_watch.h"
#include "common/service/schema.h"
#include "common/service/settings_loop.h"
#include "common/service/tail_watch.h"
#include "flowstack/common/v1/event_log.grpc.pb.h"

namespace flowstack::service {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kHostRetryDelay{500};
constexpr milliseconds kNeighbourPingEvery{6000};  // servers allow one ping in 5 s
// A service waits at most so long for its first lanes before it says that it is ready.
constexpr milliseconds kFirstLanesWait{10'000};
// How often the other services are asked how far they have read this one's log.
constexpr milliseconds kReadersAskedEvery{30'000};
constexpr milliseconds kFirstLanesLookEvery{10};
// A collector that does not answer must not make an end in good order one that hangs.
constexpr milliseconds kLastSpansWait{2'000};
const std::vector<double> kStatementBuckets{0.001, 0.005, 0.025, 0.1, 0.5, 2.5};

const std::vector<std::string> kServices{"gateway", "conversation", "payment", "followup",
                                         "campaign"};

std::string upper(std::string text) {
    for (auto& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return text;
}

double seconds_since(const std::optional<Steady::time_point>& time) {
    return time ? std::chrono::duration<double>(Steady::now() - *time).count() : 0;
}

// Of the statements that run in loops, by their names; what is left is "other".
class StatementTimes {
public:
    explicit StatementTimes(metrics::Registry& registry)
        : registry_(registry), transactions_(times("transaction")), others_(times("other")) {
        for (const auto* statement : eventlog::loop_statements())
            known_.emplace(statement->sql, times(statement->name));
    }
    void observe(const std::string& sql, std::chrono::nanoseconds took) const {
        const auto found = known_.find(sql);
        const auto& seconds = sql.empty()             ? transactions_
                              : found == known_.end() ? others_
                                                      : found->second;
        seconds.observe(std::chrono::duration<double>(took).count());
    }

private:
    metrics::Histogram times(const std::string& statement) const {
        return registry_.histogram("flowstack_postgres_seconds",
                                   "of a statement, with its way to the database and back",
                                   {{"statement", statement}}, kStatementBuckets);
    }
    metrics::Registry& registry_;
    metrics::Histogram transactions_;
    metrics::Histogram others_;
    std::unordered_map<std::string, metrics::Histogram> known_;
};

}  // namespace

HostOptions host_options(config::Reader& reader, const std::string& name,
                         const std::vector<std::string>& sources) {
    HostOptions options;
    options.name = name;
    options.sources = sources;
    options.store.service = name;
    options.store.database_url =
        reader.required_text("DATABASE_URL", "PostgreSQL of this service, as its service role");
    options.store.lanes = static_cast<int>(reader.integer(
        "LANES", 64, 1, 1024, "lanes of this installation; the same for every service, for ever"));
    options.store.append_connections =
        static_cast<int>(reader.integer("APPEND_CONNECTIONS", 2, 1, eventlog::kAppendConnectionsMax,
                                        "connections that append, one lane group each"));
    options.store.read_connections =
        static_cast<int>(reader.integer("READ_CONNECTIONS", 4, 1, 64, "connections that read"));
    options.store.append_deadline =
        reader.duration_ms("APPEND_DEADLINE_MS", 10'000,
                           "an append that is not answered by then has an unknown outcome");
    options.brokers = messaging::brokers_of(reader);
    options.fetch_wait = reader.duration_ms(
        "KAFKA_FETCH_WAIT_MS", 500,
        "how long a broker holds an empty fetch; it answers at once when something comes", 1);
    options.gather = reader.duration_ms(
        "KAFKA_GATHER_MS", 500,
        "how long a broker lets events gather that no reply waits for, or that were heard of at "
        "once",
        1);
    options.replica_id =
        reader.text("REPLICA_ID", "0", "name of this replica among those of its service");
    options.transport = Transport(reader, name, kServices);
    options.tokens = Tokens(reader);
    options.grpc_address =
        reader.text("GRPC_ADDRESS", "127.0.0.1", "address of the gRPC and admin doors");
    options.grpc_port = reader.port("GRPC_PORT", 0, "gRPC door");
    options.admin_port = reader.port("ADMIN_PORT", 0, "metrics and probes");
    options.reflection = reader.boolean("GRPC_REFLECTION", true, "serve gRPC reflection");
    options.grpc_calls_per_connection_max = static_cast<int>(
        reader.integer("GRPC_CALLS_PER_CONNECTION_MAX", 512, 1, 100'000,
                       "calls and streams that one gRPC connection may have open at once"));
    options.grpc_memory_mib_max = static_cast<std::size_t>(
        reader.integer("GRPC_MEMORY_MIB_MAX", 256, 16, 65'536,
                       "memory of all gRPC connections and calls; above it calls are cancelled"));
    options.grpc_caller_calls_per_second = static_cast<int>(reader.integer(
        "GRPC_CALLER_CALLS_PER_SECOND", 500, 0, 1'000'000,
        "calls that one gRPC caller may make at each replica, after which it gets "
        "RESOURCE_EXHAUSTED; our services and operators are not counted; 0 = no limit"));
    options.grpc_caller_calls_at_once_max =
        static_cast<int>(reader.integer("GRPC_CALLER_CALLS_AT_ONCE_MAX", 1000, 1, 1'000'000,
                                        "calls that a gRPC caller may make at once after a rest"));
    auto& limits = options.client_limits;
    limits.key_calls_per_second =
        static_cast<int>(reader.integer("KEY_CALLS_PER_SECOND", 100, 0, 1'000'000,
                                        "calls that one API key or token may make at each replica, "
                                        "by REST and gRPC together, after "
                                        "which it gets 429 or RESOURCE_EXHAUSTED; 0 = no limit"));
    limits.key_calls_at_once_max = static_cast<int>(
        reader.integer("KEY_CALLS_AT_ONCE_MAX", 500, 1, 1'000'000,
                       "calls that an API key or token may make at once after a rest"));
    limits.tenant_calls_per_second = static_cast<int>(reader.integer(
        "TENANT_CALLS_PER_SECOND", 300, 0, 1'000'000,
        "calls that all API keys and tokens of a tenant together may make at each replica; 0 = no "
        "limit"));
    limits.tenant_calls_at_once_max = static_cast<int>(
        reader.integer("TENANT_CALLS_AT_ONCE_MAX", 1000, 1, 1'000'000,
                       "calls that a tenant's keys and tokens may make at once after a rest"));
    options.api_keys.wrong_keys_max = static_cast<int>(
        reader.integer("WRONG_KEYS_MAX", 30, 1, 1'000'000,
                       "keys that open nothing which one address may send at once; after them it "
                       "gets 429 or RESOURCE_EXHAUSTED for every key but a tenant's right one"));
    options.api_keys.wrong_key_every = reader.duration_ms(
        "WRONG_KEY_EVERY_MS", 2'000,
        "how long such an address waits until one more of its keys is looked at", 1);
    if (name != "gateway")
        options.api_keys.age_max = reader.duration_ms(
            "API_KEY_AGE_MS", 5'000,
            "how long gateway's answer whose API key it is may be kept: a revoked key opens this "
            "service's gRPC for so long at most; 0 = every call asks",
            0, 300'000);
    else
        options.api_keys.age_max = std::chrono::milliseconds{0};  // it knows them itself
    for (const auto& service : kServices)
        if (service != name) {
            const auto address = reader.text(upper(service) + "_GRPC", "",
                                             "gRPC address of the " + service + " service");
            if (!address.empty()) options.peers[service] = address;
        }
    options.relay_poll_interval =
        reader.duration_ms("RELAY_POLL_MS", 10,
                           "how often the heads of lanes are read to find what other replicas "
                           "wrote; while this one has every lane, once a second",
                           1);
    options.relay_gather = reader.duration_ms(
        "RELAY_GATHER_MS", 100,
        "how long events that nobody waits for may gather before they are published", 0);
    options.event_hints = reader.boolean(
        "EVENT_HINTS", true,
        "tell services that wait of new events by gRPC at once, and hear from them; the bus brings "
        "the same events later");
    options.relay_hinted_gather = reader.duration_ms(
        "RELAY_HINTED_GATHER_MS", 300,
        "how long events may gather for the bus while a service hears of them at once", 0);
    options.work_poll_interval =
        reader.duration_ms("WORK_POLL_MS", 10,
                           "how often due work is looked for; while this replica has every lane, "
                           "when it is due, and once a second",
                           1);
    options.head_compare_every = reader.duration_ms(
        "HEAD_COMPARE_MS", 3000,
        "how often cursors are compared with their sources' heads; after a third of it when one "
        "was behind",
        10);
    options.read_model_delay = reader.duration_ms(
        "READ_MODEL_DELAY_MS", 20,
        "how long changed documents may wait to be written together; lists lag by as much");
    options.settings_poll_interval = reader.duration_ms(
        "SETTINGS_POLL_MS", 100,
        "how often settings changes of other replicas are read; while this one has every lane, "
        "once a second",
        1);
    options.lease_time = reader.duration_ms(
        "LANE_LEASE_MS", 6000, "a replica that is silent for so long loses its lanes to the others",
        1000);
    options.grace = reader.duration_ms("GRACE_MS", 10'000, "time to finish after SIGTERM");
    options.rebuild =
        reader.boolean("REBUILD", false, "make the read models again from position 1, then exit");
    for (const auto& source : sources)
        if (!options.peers.contains(source))
            reader.mistake(upper(source) + "_GRPC: is required, " + name +
                           " reads that service's log");
    log::configure(
        {.service = name,
         .replica = options.replica_id,
         .level = log::parse_level(reader.choice(
             "LOG_LEVEL", "info", {"debug", "info", "warn", "error"}, "least level logged"))});
    options.traces = trace::otlp_options(
        reader,
        {.service = name, .replica = options.replica_id, .version = std::string(version())});
    return options;
}

struct Host::State {
    HostOptions opened(HostOptions given) {
        rpc::log_what_the_library_says();
        given.transport.open(
            [this](const std::string& file) { certificates.loaded("grpc", file); });
        // These two are read once, when the process starts.
        if (!given.brokers.certificate_file.empty())
            certificates.loaded("kafka_client", given.brokers.certificate_file);
        if (const auto file = postgres::client_certificate_of(given.store.database_url);
            !file.empty())
            certificates.loaded("postgresql_client", file);
        given.tokens.open();
        return given;
    }

    // `options` must outlive what is made.
    static std::function<rpc::Caller(std::string_view)> token_holders(const HostOptions& options) {
        if (!options.tokens.taken()) return nullptr;
        return
            [&tokens = options.tokens](std::string_view token) { return tokens.holder_of(token); };
    }
    rpc::AdmissionRules admission() {
        auto rules = options.transport.admission();
        rules.holder_of = token_holders(options);
        rules.key_holder_of = [this](std::string_view key, const std::string& source_address) {
            return api_keys->holder_of(key, source_address);
        };
        return rules;
    }

    rpc::RateLimits::Options client_limit_options() {
        auto limited = options.client_limits;
        limited.metrics = &registry;
        return limited;
    }

    void know_api_keys(ApiKeys::Find find) {
        api_keys = std::make_unique<ApiKeys>(std::move(find), options.api_keys, clock);
    }

    void know_closed_tenants(ClosedTenants::Find find, milliseconds age_max) {
        closed_tenants = std::make_unique<ClosedTenants>(std::move(find), age_max, clock);
    }

    State(HostOptions o, eventlog::DeriveFn derive)
        : options(opened(std::move(o))),
          life(options.grace),
          store(options.store, CommitNotes::noting(std::move(derive), options.unhurried)),
          owners(store, options.replica_id),
          membership(store, owners,
                     {.replica = options.replica_id, .lease_time = options.lease_time}),
          watch(membership),
          settings(store, owners, options.settings_poll_interval),
          read_model(store, options.transport.internal_key().reveal()),
          runner(store, owners, {.poll_interval = options.work_poll_interval}),
          relay(store, owners,
                {.brokers = options.brokers,
                 .topic = topic_of(options.name),
                 .poll_interval = options.relay_poll_interval,
                 .gather = options.relay_gather,
                 .hinted_gather = options.relay_hinted_gather}),
          client_limits(client_limit_options()),
          door({.address = options.grpc_address,
                .port = options.grpc_port,
                .reflection = options.reflection,
                .admission = admission(),
                .tls = options.transport.tls(),
                .tls_connection_age = options.transport.connection_age(),
                .caller_calls_per_second = options.grpc_caller_calls_per_second,
                .caller_calls_at_once_max = options.grpc_caller_calls_at_once_max,
                .client_limits = &client_limits,
                .tenant_closed =
                    [this](const std::string& tenant) { return closed_tenants->closed(tenant); },
                .calls_per_connection_max = options.grpc_calls_per_connection_max,
                .memory_bytes_max = options.grpc_memory_mib_max << 20,
                .metrics = &registry}),
          admin({.address = options.grpc_address, .port = options.admin_port}, health, registry) {
        postgres::time_statements(&statement_timer);
        if (options.traces) {
            traces = std::make_unique<trace::OtlpExporter>(*options.traces, registry);
            trace::send_spans_to(traces.get());
        }
        event_log = make_event_log_service(
            door, store,
            {.id = options.replica_id,
             .release =
                 [this](const std::string& source, int lane, const std::string& key) {
                     return consume->errands().run<eventlog::Consumption::Released>([&] {
                         if (!owners.guard(lane)) throw std::out_of_range("another replica's lane");
                         return consumption->release(source, lane, key);
                     });
                 },
             .followers = options.event_hints ? &relay.followers() : nullptr,
             .recover_tails =
                 [this](const eventlog::Ordered& by, const std::function<bool()>& enough) {
                     return eventlog::recover_tails(store, options.brokers, topic_of(options.name),
                                                    by, enough);
                 },
             .lose_tails =
                 [this](const eventlog::LossRequest& request, const eventlog::Ordered& by) {
                     return eventlog::lose_tails(store, options.brokers, topic_of(options.name),
                                                 request, by);
                 }});
        store.on_commit([this](const eventlog::Commit& commit) {
            const auto notes = CommitNotes::take();
            for (const auto& [lane, head] : commit.heads)
                relay.wake(lane, head, notes.hurried_lanes.contains(lane));
            if (notes.settings) settings.wake();
            for (const auto& news : commit.work) {
                runner.wake(news.kind, news.due_at);
                for (const auto& listener : work_listeners) listener(news);
            }
        });
        membership.on_seen([this](const eventlog::Membership::Seen& seen) {
            relay.seen(seen.heads);
            settings.seen(seen.settings_seq);
            if (seen.uncompared) relay.look_again();
        });
        std::map<std::string, std::shared_ptr<eventlog::Source>> sources{
            {options.name, eventlog::own_source(store)}};
        for (const auto& name : options.sources) sources[name] = make_remote_source(channel(name));
        consumption = std::make_unique<eventlog::Consumption>(
            store, std::move(sources),
            eventlog::ConsumptionOptions{.consumer = options.name,
                                         .head_compare_every = options.head_compare_every,
                                         .document_delay = options.read_model_delay});
        std::vector<std::string> topics;
        for (const auto& name : kServices) topics.push_back(topic_of(name));
        consume = std::make_unique<ConsumeLoop>(
            ConsumeLoop::Options{.service = options.name,
                                 .sources = options.sources,
                                 .topics = std::move(topics),
                                 .lanes = options.store.lanes,
                                 .brokers = options.brokers,
                                 .fetch_wait = options.fetch_wait,
                                 .gathering = options.gathering,
                                 .gather = options.gather,
                                 .heard =
                                     [this](const std::string& source) {
                                         if (!hints) return false;
                                         return source == options.name || hints->complete(source);
                                     }},
            membership, owners, *consumption,
            ConsumeLoop::Listener{
                [this](int lane, const std::string& value) { relay.verify(lane, value); }});
        if (options.event_hints) take_hints();
        health.add("postgres", [this] { return watch.store_check(); });
        health.add("kafka", [this] {
            const auto bus = consume->bus();
            // A new replica with wrong settings must not take the place of one with right ones.
            const auto without =
                bus.refused ? observability::State::failed : observability::State::degraded;
            return observability::Check{bus.ready ? observability::State::ok : without, bus.detail};
        });
        health.add("lanes", [this] { return lanes_check(membership.report()); });
        health.add("log", [this] { return tail_check(membership.report()); });
        std::map<std::string, std::shared_ptr<grpc::Channel>> readers;
        for (const auto& [name, address] : options.peers) readers[name] = channel(name);
        tail = std::make_unique<TailWatch>(store, std::move(readers), kReadersAskedEvery);
    }

    // Of the sources that somebody waits for. What is in no hurry is left to the bus.
    void take_hints() {
        if (!options.gathering.contains(options.name))
            relay.followers().at_home([this](const eventlog::PublishedPage& page) {
                std::vector<eventlog::BusRecord> heard;
                for (const auto& record : page)
                    heard.push_back({options.name, record->lane, record->key, record->value, true});
                consume->hear(std::move(heard));
            });
        HintReader::Options wanted{.reader = options.name, .sources = {}};
        for (const auto& source : options.sources)
            if (!options.gathering.contains(source))
                wanted.sources.push_back({.service = source,
                                          .address = options.peers.at(source),
                                          .reach = options.transport.to(source),
                                          .awaited = options.awaited[source]});
        hints = std::make_unique<HintReader>(
            std::move(wanted),
            [this](std::vector<eventlog::BusRecord> heard) { consume->hear(std::move(heard)); });
    }

    ~State() {
        trace::send_spans_to(nullptr);
        postgres::time_statements(nullptr);
    }

    std::shared_ptr<grpc::Channel> channel(const std::string& service) {
        auto& known = channels[service];
        if (!known) {
            const auto address = options.peers.find(service);
            if (address == options.peers.end())
                throw std::runtime_error(upper(service) + "_GRPC is not set");
            // A replica that stands still holds up its share of our calls until a ping fails.
            auto reach = options.transport.to(service);
            reach.keepalive = kNeighbourPingEvery;
            reach.keepalive_timeout = kNeighbourPingEvery / 2;
            known = rpc::make_channel(address->second, std::move(reach));
        }
        return known;
    }

    void count(const std::string& name, const std::string& help, std::int64_t total,
               const metrics::Labels& labels = {}) {
        const auto counter = registry.counter(name, help, labels);
        counter.add(static_cast<double>(total) - counter.value());
    }

    void count_hints() {
        const auto relayed = relay.counts();
        count("flowstack_relay_reads_total", "questions of the relay to the table of events",
              relayed.reads);
        count("flowstack_relay_records_total", "records handed to the bus", relayed.records);
        count("flowstack_relay_batches_total",
              "records of one lane handed to the bus together; each is a request", relayed.batches);
        const auto told = relay.followers().counts();
        registry.gauge("flowstack_hint_followers", "processes that hear of new events at once")
            .set(static_cast<double>(told.followers));
        count("flowstack_hints_sent_total", "records told to followers, once for each", told.sent);
        const std::string dropped = "flowstack_hints_dropped_total";
        const std::string why_dropped = "hints that were lost on their way; the bus has the record";
        count(dropped, why_dropped, told.lost, {{"where", "slow_follower"}});
        count(dropped, why_dropped, consume->hints_lost(), {{"where", "full_queue"}});
        const auto heard = consumption->hints();
        count(dropped, why_dropped, heard.dropped, {{"where", "not_applicable"}});
        count("flowstack_hints_applied_total", "events applied before the bus brought them",
              heard.applied);
        count("flowstack_hints_late_total", "hints of events that had been applied already",
              heard.late);
        for (const auto& source : options.sources)
            if (hints && !options.gathering.contains(source))
                registry
                    .gauge("flowstack_hint_streams", "replicas of a source that are followed",
                           {{"source", source}})
                    .set(hints->streams(source));
    }

    struct Backlog {
        metrics::Gauge gauge;
        bool of_our_lane = false;
    };
    std::map<std::pair<std::string, metrics::Labels>, Backlog> backlogs;  // of the scrape's thread

    // Where the own log's lanes are, and the consumer in those of its sources. A lane that went to
    // another replica shows nothing unpublished or parked here any more.
    void show_log() {
        const auto backlog = [&](const std::string& name, const char* help,
                                 const metrics::Labels& labels, double value) {
            const auto gauge = registry.gauge(name, help, labels);
            gauge.set(value);
            backlogs.insert_or_assign({name, labels}, Backlog{gauge, true});
        };
        for (auto& [number, known] : backlogs) known.of_our_lane = false;
        for (const auto& lane : relay.status()) {
            const auto number = std::to_string(lane.lane);
            backlog("flowstack_relay_unpublished_events", "committed and not yet on the bus",
                    {{"lane", number}}, static_cast<double>(lane.head - lane.published));
            backlog("flowstack_relay_unpublished_seconds",
                    "for how long the oldest event that is not on the bus has been known",
                    {{"lane", number}}, seconds_since(lane.behind_since));
            registry
                .gauge("flowstack_log_head_position",
                       "last position of the service's own log, as its owner knows it",
                       {{"source", options.name}, {"lane", number}})
                .set(static_cast<double>(lane.head));
        }
        for (const auto& progress : consumption->progress()) {
            const metrics::Labels labels{{"source", progress.source},
                                         {"lane", std::to_string(progress.lane)}};
            registry.gauge("flowstack_consumer_position", "last applied position", labels)
                .set(static_cast<double>(progress.applied));
            backlog("flowstack_consumer_parked_events", "events that wait for a person", labels,
                    static_cast<double>(progress.parked));
            backlog("flowstack_consumer_behind_events", "known to be in the source and not applied",
                    labels, static_cast<double>(progress.behind));
            backlog("flowstack_consumer_behind_seconds",
                    "for how long the oldest event that is not applied has been known", labels,
                    seconds_since(progress.behind_since));
        }
        for (const auto& [number, known] : backlogs)
            if (!known.of_our_lane) known.gauge.set(0);
    }

    // A release may start before its migrations have run.
    bool migrated(const std::vector<std::string>& migrations, std::string& why) {
        try {
            const auto missing = missing_migration(store, migrations);
            if (missing.empty()) return true;
            why = "the migration " + missing + " is missing, run flowctl migrate of this release";
        } catch (const std::exception& error) {
            why =
                std::string("the migrations cannot be read, run flowctl migrate: ") + error.what();
        }
        return false;
    }

    // A key management service may be away for a while, as the store may.
    bool begun(std::string& why) const {
        try {
            for (const auto& begin : begun_once_stored) begin();
        } catch (const Unavailable& error) {
            why = error.what();
        }
        return why.empty();
    }

    // Waits for the store, which everything else needs, and logs why it waits.
    void wait_for_store() {
        const auto migrations = migrations_for(options.name);
        std::string said;
        while (!life.stopping()) {
            std::string why;
            if (store.ready(why) && migrated(migrations, why) && begun(why)) {
                watch.set_store(true, "");
                return;
            }
            watch.set_store(false, why);
            if (why != said) log::warn("waiting for the store", {{"why", why}});
            said = why;
            std::this_thread::sleep_for(kHostRetryDelay);
        }
        throw std::runtime_error("stopped while waiting for the store");
    }

    // The store, or what opens credentials, may go away again after it was waited for.
    void begin_settings() {
        while (true) {
            try {
                return settings.start();
            } catch (const std::exception& error) {
                if (life.stopping()) throw;
                log::warn("waiting for settings that cannot be read", {{"error", error.what()}});
            }
            std::this_thread::sleep_for(kHostRetryDelay);
        }
    }

    // A customer is answered at once only when the lane of the message has an owner.
    void wait_for_lanes() const {
        const auto until = Steady::now() + kFirstLanesWait;
        while (!consume->settled() && !life.stopping() && Steady::now() < until)
            std::this_thread::sleep_for(kFirstLanesLookEvery);
    }

    void leave() {
        try {
            membership.leave();
        } catch (const std::exception& error) {
            log::warn("lanes could not be given back; others take them when the lease has run out",
                      {{"error", error.what()}});
        }
    }

    int rebuild() {
        wait_for_store();
        std::vector<int> lanes;
        for (int lane = 0; lane < options.store.lanes; ++lane) lanes.push_back(lane);
        consumption->assign(lanes);
        consumption->rebuild();
        log::info("read models rebuilt");
        log::flush();
        return 0;
    }

    struct Part {
        std::string name;
        std::function<void()> start;
        std::function<void(milliseconds)> stop;
    };

    Certificates certificates;  // before the options, whose transport tells of them
    HostOptions options;
    lifecycle::Lifecycle life;
    metrics::Registry registry;
    std::unique_ptr<trace::OtlpExporter> traces;  // none without a collector
    StatementTimes statement_times{registry};
    const postgres::StatementTimer statement_timer = [this](const std::string& sql,
                                                            std::chrono::nanoseconds took) {
        statement_times.observe(sql, took);
    };
    observability::Health health;
    eventlog::Store store;
    eventlog::Owners owners;
    eventlog::Membership membership;
    LaneWatch watch;
    SettingsLoop settings;
    eventlog::ReadModel read_model;
    eventlog::WorkRunner runner;
    eventlog::Relay relay;
    std::unique_ptr<eventlog::Consumption> consumption;
    std::unique_ptr<ConsumeLoop> consume;
    std::unique_ptr<TailWatch> tail;
    std::unique_ptr<HintReader> hints;  // none when they are switched off
    const SystemClock clock;
    std::unique_ptr<ApiKeys> api_keys;  // before the door, whose calls ask it
    std::unique_ptr<ClosedTenants> closed_tenants;
    rpc::RateLimits client_limits;
    rpc::Server door;
    std::unique_ptr<grpc::Service> event_log;
    observability::AdminServer admin;
    std::map<std::string, std::shared_ptr<grpc::Channel>> channels;
    std::vector<Part> parts;
    std::vector<std::function<void(const eventlog::WorkNews&)>> work_listeners;
    std::vector<std::function<void()>> begun_once_stored;
};

Host::Host(HostOptions options, eventlog::DeriveFn derive)
    : state_(std::make_unique<State>(std::move(options), std::move(derive))) {}
Host::~Host() = default;

eventlog::Store& Host::store() { return state_->store; }
eventlog::Owners& Host::owners() { return state_->owners; }
eventlog::ReadModel& Host::read_model() { return state_->read_model; }
const HostOptions& Host::options() const { return state_->options; }
std::shared_ptr<grpc::Channel> Host::channel(const std::string& service) {
    return state_->channel(service);
}
std::shared_ptr<grpc::Channel> Host::own_channel() {
    return rpc::make_channel(state_->options.grpc_address + ":" + std::to_string(rpc().port()),
                             state_->options.transport.to(state_->options.name));
}
std::function<rpc::Caller(std::string_view)> Host::token_holders() const {
    return State::token_holders(state_->options);
}
rpc::RateLimits& Host::client_limits() { return state_->client_limits; }
void Host::certificate_loaded(const std::string& use, const std::string& file) {
    state_->certificates.loaded(use, file);
}
void Host::know_api_keys(ApiKeys::Find find) { state_->know_api_keys(std::move(find)); }
void Host::know_closed_tenants(ClosedTenants::Find find) {
    // Whoever knows them itself is asked every time.
    state_->know_closed_tenants(std::move(find), milliseconds(0));
}
void Host::once_stored(std::function<void()> begin) {
    state_->begun_once_stored.push_back(std::move(begin));
}
void Host::react(eventlog::Consumption::Handler handler) {
    state_->consumption->react(std::move(handler));
}
void Host::project(eventlog::Consumption::Handler handler) {
    state_->consumption->project(std::move(handler));
}
void Host::prepare(eventlog::Consumption::Preparation preparation) {
    state_->consumption->prepare(std::move(preparation));
}
void Host::work(const std::string& kind, eventlog::WorkRunner::Handler handler, int in_flight_max) {
    state_->runner.handle(kind, std::move(handler), in_flight_max);
}
void Host::on_work(std::function<void(const eventlog::WorkNews&)> listener) {
    state_->work_listeners.push_back(std::move(listener));
}
void Host::on_settings_change(std::function<void(const eventlog::SettingsChange&)> listener) {
    state_->settings.listen(std::move(listener));
}
rpc::Server& Host::rpc() { return state_->door; }
metrics::Registry& Host::metrics() { return state_->registry; }
observability::Health& Host::health() { return state_->health; }
void Host::serve(grpc::Service& service, const std::string& full_name) {
    state_->door.add(service, full_name);
}
void Host::admin_page(const std::string& path, std::function<std::string()> json) {
    state_->admin.add_page(path, std::move(json));
}
void Host::also(std::string name, std::function<void()> start,
                std::function<void(milliseconds)> stop) {
    state_->parts.push_back({std::move(name), std::move(start), std::move(stop)});
}

int Host::run() {
    auto& s = *state_;
    if (!s.api_keys) s.know_api_keys(find_at_gateway(s.channel("gateway")));
    if (!s.closed_tenants)
        s.know_closed_tenants(closed_at_gateway(s.channel("gateway")), s.options.api_keys.age_max);
    if (s.options.rebuild) return s.rebuild();
    s.door.add(*s.event_log, common::v1::EventLog::service_full_name());
    s.registry
        .gauge("flowstack_build_info", "always 1; its labels say what runs",
               {{"version", std::string(version())}})
        .set(1);
    s.registry.before_scrape([&s] {
        s.certificates.show(s.registry, s.clock);
        s.count_hints();
        s.show_log();
        s.registry
            .gauge("flowstack_relay_mismatches",
                   "records of the own topic that differ from the table")
            .set(static_cast<double>(s.relay.mismatches()));
        s.registry.gauge("flowstack_lanes_owned", "lanes that this replica owns")
            .set(static_cast<double>(s.owners.lanes().size()));
        const auto report = s.membership.report();
        s.registry
            .gauge("flowstack_lanes_without_owner",
                   "lanes of the service that no living replica works on")
            .set(static_cast<double>(report.without_owner.size()));
        s.registry
            .gauge("flowstack_lanes_without_owner_seconds",
                   "for how long the first of them has had no living owner; alarm above 10")
            .set(static_cast<double>(report.without_owner_for.count()) / 1000);
        const auto refusing = [&](const char* why, double lanes) {
            s.registry
                .gauge("flowstack_lanes_refusing",
                       "lanes of the service that refuse to be written to: their logs have lost a "
                       "tail, or were not compared with the bus since a restore",
                       {{"why", why}})
                .set(lanes);
        };
        refusing("tail_lost", static_cast<double>(report.tail_lost.size()));
        refusing("not_compared", static_cast<double>(report.uncompared.size()));
        s.registry.gauge("flowstack_replicas_alive", "replicas of the service whose lease runs")
            .set(static_cast<double>(report.living.size()));
    });
    s.life.add(
        "admin", [&s] { s.admin.start(); }, [&s](milliseconds left) { s.admin.drain(left); });
    // Stopped after all that records spans; the last of them are sent then.
    if (s.traces)
        s.life.add(
            "traces", [&s] { s.traces->start(); },
            [&s](milliseconds left) { s.traces->stop(std::min(left / 2, kLastSpansWait)); });
    s.life.add(
        "store", [&s] { s.wait_for_store(); }, [&s](milliseconds) { s.store.drain(); });
    s.life.add(
        "settings", [&s] { s.begin_settings(); }, [&s](milliseconds) { s.settings.stop(); });
    // The lanes are given back after everything that works on them has ended.
    s.life.add(
        "lanes", [&s] { s.watch.start(); },
        [&s](milliseconds) {
            s.watch.stop();
            s.leave();
        });
    s.life.add(
        "relay", [&s] { s.relay.start(); }, [&s](milliseconds) { s.relay.stop(); });
    s.life.add(
        "grpc", [&s] { s.door.start(); },
        [&s](milliseconds left) {
            s.relay.followers().close();
            s.door.drain(left);
        });
    s.life.add(
        "tail", [&s] { s.tail->start(); }, [&s](milliseconds) { s.tail->stop(); });
    for (auto& part : s.parts) s.life.add(part.name, part.start, part.stop);
    s.life.add(
        "work", [&s] { s.runner.start(); }, [&s](milliseconds) { s.runner.stop(); });
    s.life.add(
        "consumption",
        [&s] {
            s.consume->start();
            if (s.hints) s.hints->start();
        },
        [&s](milliseconds) {
            if (s.hints) s.hints->stop();
            s.consumption->stop();
            s.consume->stop();
        });
    s.life.add(
        "readiness",
        [&s] {
            s.wait_for_lanes();
            s.health.open();
            s.door.set_ready(true);
            log::info("ready", {{"grpc_port", s.door.port()}, {"admin_port", s.admin.port()}});
        },
        [&s](milliseconds) {
            s.health.close();
            s.door.set_ready(false);
        });
    const int code = s.life.run();
    log::flush();
    return code;
}

}  // namespace flowstack::service
