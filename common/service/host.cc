#include "common/service/host.h"

#include <grpcpp/impl/codegen/service_type.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "common/config/config.h"
#include "common/eventlog/relay.h"
#include "common/lifecycle/lifecycle.h"
#include "common/messaging/kafka.h"
#include "common/observability/admin.h"
#include "common/observability/log.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "common/service/event_log_service.h"
#include "flowstack/common/v1/event_log.grpc.pb.h"

namespace flowstack::service {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kBusTimeoutMs{3000};
constexpr milliseconds kRetryMs{500};
constexpr milliseconds kOwnerCheckMs{500};
constexpr milliseconds kStoreCheckMs{1000};
constexpr milliseconds kTopicsCheckMs{3000};
constexpr std::size_t kPollRecordsMax = 500;
constexpr milliseconds kPollWaitMs{20};  // how soon it is seen that there is something else to do
constexpr milliseconds kErrandMs{5000};
constexpr milliseconds kNeighbourPingMs{6000};  // servers take no more than one in 5 s

const std::vector<std::string> kServices{"gateway", "conversation", "payment", "followup",
                                         "campaign"};

std::string topic_of(const std::string& service) { return "flowstack." + service + ".events"; }

std::string upper(std::string text) {
    for (auto& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return text;
}

// A thread that is told to stop and can sleep until then.
class Loop {
public:
    void start(std::function<void(Loop&)> body) {
        thread_ = std::thread([this, body = std::move(body)] { body(*this); });
    }
    void stop() {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_all();
        if (thread_.joinable()) thread_.join();
    }
    bool stopping() const { return stopping_; }
    void sleep(milliseconds time) {
        std::unique_lock lock(mutex_);
        wake_.wait_for(lock, time, [&] { return stopping_.load(); });
    }
    ~Loop() { stop(); }

private:
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::condition_variable wake_;
    std::thread thread_;
};

// What other threads want done by the one that consumes. They wait for it, but not for ever.
class Errands {
public:
    template <class Result>
    Result run(std::function<Result()> errand) {
        auto task = std::make_shared<std::packaged_task<Result()>>(std::move(errand));
        auto answer = task->get_future();
        auto cancelled = std::make_shared<std::atomic<bool>>(false);
        {
            const std::lock_guard lock(mutex_);
            if (closed_) throw Unavailable("this replica stops");
            waiting_.push_back([task, cancelled] {
                if (!cancelled->exchange(true)) (*task)();
            });
        }
        if (answer.wait_for(kErrandMs) != std::future_status::ready && !cancelled->exchange(true))
            throw Unavailable("the consumer is busy, nothing was done");
        return answer.get();
    }
    // On the consuming thread.
    void do_all() {
        std::vector<std::function<void()>> now;
        {
            const std::lock_guard lock(mutex_);
            now.swap(waiting_);
        }
        for (const auto& errand : now) errand();
    }
    void close() {
        {
            const std::lock_guard lock(mutex_);
            closed_ = true;
        }
        do_all();
    }

private:
    std::mutex mutex_;
    bool closed_ = false;
    std::vector<std::function<void()>> waiting_;
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
    options.store.append_deadline_ms = reader.duration_ms(
        "APPEND_DEADLINE_MS", 10'000, "an append that is not answered by then has an unknown fate");
    options.brokers = reader.text("KAFKA_BROKERS", "127.0.0.1:9092", "Kafka bootstrap servers");
    options.fetch_wait_ms = reader.duration_ms(
        "KAFKA_FETCH_WAIT_MS", 100,
        "how long a broker holds an empty fetch; it answers at once when something comes", 1);
    options.replica_id =
        reader.text("REPLICA_ID", "0", "name of this replica among those of its service");
    options.internal_key =
        reader.required_secret("INTERNAL_KEY", "the key that our services show each other");
    options.grpc_address =
        reader.text("GRPC_ADDRESS", "127.0.0.1", "address of the gRPC and admin doors");
    options.grpc_port = reader.port("GRPC_PORT", 0, "gRPC door");
    options.admin_port = reader.port("ADMIN_PORT", 0, "metrics and probes");
    options.reflection = reader.boolean("GRPC_REFLECTION", true, "serve gRPC reflection");
    for (const auto& service : kServices)
        if (service != name) {
            const auto address = reader.text(upper(service) + "_GRPC", "",
                                             "gRPC address of the " + service + " service");
            if (!address.empty()) options.peers[service] = address;
        }
    options.relay_poll_ms =
        reader.duration_ms("RELAY_POLL_MS", 10, "how often lane heads are read", 1);
    options.work_poll_ms =
        reader.duration_ms("WORK_POLL_MS", 10, "how often due work is looked for", 1);
    options.head_compare_ms = reader.duration_ms(
        "HEAD_COMPARE_MS", 2000, "how often cursors are compared with their sources' heads", 10);
    options.read_model_delay_ms = reader.duration_ms(
        "READ_MODEL_DELAY_MS", 20,
        "how long changed documents may wait to be written together; lists are so late");
    options.settings_poll_ms = reader.duration_ms(
        "SETTINGS_POLL_MS", 100, "how often settings changes of other replicas are read", 1);
    options.session_timeout_ms = reader.duration_ms(
        "KAFKA_SESSION_TIMEOUT_MS", 10'000,
        "a replica that is silent for so long loses its lanes to the others", 1000);
    options.grace_ms = reader.duration_ms("GRACE_MS", 10'000, "time to finish after SIGTERM");
    options.rebuild =
        reader.boolean("REBUILD", false, "make the read models again from position 0, then exit");
    for (const auto& source : sources)
        if (!options.peers.contains(source))
            reader.mistake(upper(source) + "_GRPC: is required, " + name +
                           " reads that service's log");
    log::configure(
        {.service = name,
         .replica = options.replica_id,
         .level = log::parse_level(reader.choice(
             "LOG_LEVEL", "info", {"debug", "info", "warn", "error"}, "least level logged"))});
    return options;
}

struct Host::State {
    State(HostOptions o, eventlog::DeriveFn derive)
        : options(std::move(o)),
          life(options.grace_ms),
          store(options.store, std::move(derive)),
          owners(store, options.replica_id),
          read_model(store, options.internal_key.reveal()),
          runner(store, owners, {.poll_ms = options.work_poll_ms}),
          relay(store, owners,
                {.brokers = options.brokers,
                 .topic = topic_of(options.name),
                 .poll_ms = options.relay_poll_ms}),
          door({.address = options.grpc_address,
                .port = options.grpc_port,
                .reflection = options.reflection,
                .internal_key = options.internal_key,
                .metrics = &registry}),
          admin({.address = options.grpc_address, .port = options.admin_port}, health, registry) {
        event_log = make_event_log_service(
            door, store,
            {.id = options.replica_id,
             .release = [this](const std::string& source, int lane, const std::string& key) {
                 return errands.run<eventlog::Consumption::Released>([&] {
                     if (!owners.guard(lane)) throw std::out_of_range("another replica's lane");
                     return consumption->release(source, lane, key);
                 });
             }});
        store.on_commit([this](const eventlog::Commit& commit) {
            for (const auto& [lane, head] : commit.heads) relay.wake(lane, head);
            if (!commit.work_due) return;
            runner.wake(*commit.work_due);
            for (const auto& listener : work_listeners) listener(*commit.work_due);
        });
        std::map<std::string, std::shared_ptr<eventlog::Source>> sources{
            {options.name, eventlog::own_source(store)}};
        for (const auto& name : options.sources) sources[name] = make_remote_source(channel(name));
        consumption = std::make_unique<eventlog::Consumption>(
            store, std::move(sources),
            eventlog::ConsumptionOptions{.consumer = options.name,
                                         .head_compare_ms = options.head_compare_ms,
                                         .document_delay_ms = options.read_model_delay_ms});
        health.add("postgres", [this] {
            const std::lock_guard lock(state_mutex);
            return observability::Check{
                store_ready ? observability::State::ok : observability::State::failed,
                store_detail};
        });
        health.add("kafka", [this] {
            const std::lock_guard lock(state_mutex);
            return observability::Check{
                bus_ready ? observability::State::ok : observability::State::degraded, bus_detail};
        });
    }

    std::shared_ptr<grpc::Channel> channel(const std::string& service) {
        auto& known = channels[service];
        if (!known) {
            const auto address = options.peers.find(service);
            if (address == options.peers.end())
                throw std::runtime_error(upper(service) + "_GRPC is not set");
            // One of its replicas may stand still: its share of our calls waits until then.
            known = rpc::make_channel(address->second, {.internal_key = options.internal_key,
                                                        .actor = "service:" + options.name,
                                                        .keepalive = kNeighbourPingMs,
                                                        .keepalive_timeout = kNeighbourPingMs / 2});
        }
        return known;
    }

    // The store first: nothing else makes sense without it. Says why it waits.
    void wait_for_store() {
        std::string said;
        while (!life.stopping()) {
            std::string why;
            if (store.ready(why)) {
                set_store(true, "");
                return;
            }
            set_store(false, why);
            if (why != said) log::warn("waiting for the store", {{"why", why}});
            said = why;
            std::this_thread::sleep_for(kRetryMs);
        }
        throw std::runtime_error("stopped while waiting for the store");
    }

    void set_store(bool ready, const std::string& detail) {
        const std::lock_guard lock(state_mutex);
        store_ready = ready;
        store_detail = detail;
    }
    void set_bus(bool ready, const std::string& detail) {
        const std::lock_guard lock(state_mutex);
        bus_ready = ready;
        bus_detail = detail;
    }

    void watch_loop(Loop& loop) {
        auto next_store = Steady::now();
        while (!loop.stopping()) {
            try {
                owners.check();
            } catch (const std::exception&) {  // the store's own check below says it
            }
            if (Steady::now() >= next_store) {
                next_store = Steady::now() + kStoreCheckMs;
                std::string why;
                const bool ready = store.ready(why);
                set_store(ready, why);
            }
            loop.sleep(kOwnerCheckMs);
        }
    }

    // All changes so far, then whatever comes.
    void read_settings() {
        const auto result = store.pool().with([&](postgres::Session& session) {
            return session.query(
                "select seq, tenant, kind, key from settings_changes where seq > $1 order by seq",
                postgres::Params().add(settings_seq));
        });
        for (int row = 0; row < result.rows(); ++row) {
            for (const auto& listener : settings_listeners)
                listener({result.text(row, 1), result.text(row, 2), result.text(row, 3)});
            settings_seq = result.int8(row, 0);
        }
    }

    void settings_loop(Loop& loop) {
        while (!loop.stopping()) {
            try {
                read_settings();
            } catch (const std::exception& error) {
                log::warn("settings changes are not read", {{"error", error.what()}});
                loop.sleep(kRetryMs);
            }
            loop.sleep(options.settings_poll_ms);
        }
    }

    // Kafka may come late and go away: what it brings is applied, what it does not is fetched.
    void consume_loop(Loop& loop) {
        std::vector<std::string> topics{topic_of(options.name)};
        for (const auto& source : options.sources) topics.push_back(topic_of(source));
        std::vector<std::string> all;
        for (const auto& service : kServices) all.push_back(topic_of(service));
        std::unique_ptr<messaging::GroupConsumer> consumer;
        auto topics_checked = Steady::now();
        std::vector<int> assigned;
        bool topics_there = false;
        while (!loop.stopping()) {
            errands.do_all();
            try {
                if (!topics_there) {
                    messaging::ensure_topics(options.brokers, all, options.store.lanes,
                                             kBusTimeoutMs);
                    topics_there = true;
                    topics_checked = Steady::now();
                    set_bus(true, "");
                }
                if (!consumer)
                    consumer = std::make_unique<messaging::GroupConsumer>(
                        messaging::GroupConsumer::Options{
                            .brokers = options.brokers,
                            .group = "flowstack." + options.name,
                            .instance_id = options.name + "-" + options.replica_id,
                            .topics = topics,
                            .session_timeout = options.session_timeout_ms,
                            .fetch_wait_max = options.fetch_wait_ms,
                            .fetch_bytes_min = options.fetch_bytes_min},
                        messaging::GroupConsumer::Listener{
                            [&](const std::vector<int>& lanes) { take(lanes, assigned); },
                            [&](const std::vector<int>& lanes, bool lost) {
                                // Kafka is away: go on until a newer owner shows (Owners::check).
                                if (lost) return;
                                owners.revoked(lanes);
                                consumption->unassign(lanes);
                                std::erase_if(assigned, [&](int lane) {
                                    return std::find(lanes.begin(), lanes.end(), lane) !=
                                           lanes.end();
                                });
                            }});
                auto records = consumer->poll(kPollRecordsMax, kPollWaitMs);
                const bool up = consumer->connected();
                set_bus(up, up ? "" : "no broker answers; what is stored is sent on when one does");
                drop_lost(assigned);
                std::vector<eventlog::BusRecord> batch;
                for (const auto& record : records) {
                    // flowstack.<service>.events
                    const auto source = record.topic.substr(10, record.topic.size() - 17);
                    if (source == options.name) relay.verify(record.partition, record.value);
                    batch.push_back({source, record.partition, record.key, record.value});
                }
                consumption->apply(std::move(batch));
                consumer->commit_async(records);
                // A bus that was wiped has lost the topics too: nothing comes then, and nobody says
                // why.
                if (!records.empty()) topics_checked = Steady::now();
                if (Steady::now() - topics_checked > kTopicsCheckMs) {
                    topics_checked = Steady::now();
                    if (consumer->topics_missing(kBusTimeoutMs)) topics_there = false;
                }
            } catch (const messaging::MemberLost& error) {
                // Its lanes stay ours until a newer owner shows (Owners::check).
                log::warn("joins its group anew", {{"error", error.what()}});
                consumer.reset();
            } catch (const messaging::BusUnavailable& error) {
                set_bus(false, error.what());
                log::warn("the bus is away", {{"error", error.what()}});
                // Work goes on from the sources themselves.
                consumption->apply({});
                loop.sleep(kRetryMs);
            } catch (const std::exception& error) {
                log::error("consuming failed, tried again", {{"error", error.what()}});
                loop.sleep(kRetryMs);
            }
        }
        consumer.reset();
        errands.close();
    }

    void take(const std::vector<int>& lanes, std::vector<int>& assigned) {
        // Until the store can say so, we do not own them.
        while (!life.stopping()) {
            try {
                owners.assigned(lanes);
                consumption->assign(lanes);
                for (const int lane : lanes)
                    if (std::find(assigned.begin(), assigned.end(), lane) == assigned.end())
                        assigned.push_back(lane);
                log::info("lanes taken", {{"count", lanes.size()}});
                return;
            } catch (const std::exception& error) {
                log::warn("lanes cannot be taken yet", {{"error", error.what()}});
                std::this_thread::sleep_for(kRetryMs);
            }
        }
    }

    // Lanes that a newer owner has taken while Kafka was away.
    void drop_lost(std::vector<int>& assigned) {
        std::vector<int> gone;
        for (const int lane : assigned)
            if (!owners.guard(lane)) gone.push_back(lane);
        if (gone.empty()) return;
        consumption->unassign(gone);
        std::erase_if(assigned, [&](int lane) {
            return std::find(gone.begin(), gone.end(), lane) != gone.end();
        });
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

    HostOptions options;
    lifecycle::Lifecycle life;
    metrics::Registry registry;
    observability::Health health;
    eventlog::Store store;
    eventlog::Owners owners;
    eventlog::ReadModel read_model;
    eventlog::WorkRunner runner;
    eventlog::Relay relay;
    std::unique_ptr<eventlog::Consumption> consumption;
    Errands errands;
    rpc::Server door;
    std::unique_ptr<grpc::Service> event_log;
    observability::AdminServer admin;
    std::map<std::string, std::shared_ptr<grpc::Channel>> channels;
    std::vector<Part> parts;
    std::vector<std::function<void(const eventlog::SettingsChange&)>> settings_listeners;
    std::vector<std::function<void(Time)>> work_listeners;
    std::int64_t settings_seq = 0;
    Loop watching, settings, consuming;

    std::mutex state_mutex;
    bool store_ready = false;
    std::string store_detail = "not looked at yet";
    bool bus_ready = false;
    std::string bus_detail = "not looked at yet";
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
void Host::react(eventlog::Consumption::Handler handler) {
    state_->consumption->react(std::move(handler));
}
void Host::project(eventlog::Consumption::Handler handler) {
    state_->consumption->project(std::move(handler));
}
void Host::work(const std::string& kind, eventlog::WorkRunner::Handler handler, int in_flight_max) {
    state_->runner.handle(kind, std::move(handler), in_flight_max);
}
void Host::on_work(std::function<void(Time)> listener) {
    state_->work_listeners.push_back(std::move(listener));
}
void Host::on_settings_change(std::function<void(const eventlog::SettingsChange&)> listener) {
    state_->settings_listeners.push_back(std::move(listener));
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
    if (s.options.rebuild) return s.rebuild();
    s.door.add(*s.event_log, common::v1::EventLog::service_full_name());
    s.registry.before_scrape([&s] {
        for (const auto& lane : s.relay.status()) {
            const metrics::Labels labels{{"lane", std::to_string(lane.lane)}};
            s.registry
                .gauge("flowstack_relay_unpublished_events", "committed and not yet on the bus",
                       labels)
                .set(static_cast<double>(lane.head - lane.published));
        }
        s.registry
            .gauge("flowstack_relay_mismatches",
                   "records of the own topic that differ from the table")
            .set(static_cast<double>(s.relay.mismatches()));
        for (const auto& progress : s.consumption->progress()) {
            const metrics::Labels labels{{"source", progress.source},
                                         {"lane", std::to_string(progress.lane)}};
            s.registry.gauge("flowstack_consumer_position", "last applied position", labels)
                .set(static_cast<double>(progress.applied));
            s.registry
                .gauge("flowstack_consumer_parked_events", "events that wait for a person", labels)
                .set(static_cast<double>(progress.parked));
        }
        s.registry.gauge("flowstack_lanes_owned", "lanes that this replica owns")
            .set(static_cast<double>(s.owners.lanes().size()));
    });
    s.life.add(
        "admin", [&s] { s.admin.start(); }, [&s](milliseconds left) { s.admin.drain(left); });
    s.life.add(
        "store", [&s] { s.wait_for_store(); }, [&s](milliseconds) { s.store.drain(); });
    s.life.add(
        "settings",
        [&s] {
            s.read_settings();
            s.settings.start([&s](Loop& loop) { s.settings_loop(loop); });
            s.watching.start([&s](Loop& loop) { s.watch_loop(loop); });
        },
        [&s](milliseconds) {
            s.settings.stop();
            s.watching.stop();
        });
    s.life.add(
        "relay", [&s] { s.relay.start(); }, [&s](milliseconds) { s.relay.stop(); });
    s.life.add(
        "grpc", [&s] { s.door.start(); }, [&s](milliseconds left) { s.door.drain(left); });
    for (auto& part : s.parts) s.life.add(part.name, part.start, part.stop);
    s.life.add(
        "work", [&s] { s.runner.start(); }, [&s](milliseconds) { s.runner.stop(); });
    s.life.add(
        "consumption", [&s] { s.consuming.start([&s](Loop& loop) { s.consume_loop(loop); }); },
        [&s](milliseconds) {
            s.consumption->stop();
            s.consuming.stop();
        });
    s.life.add(
        "readiness",
        [&s] {
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
