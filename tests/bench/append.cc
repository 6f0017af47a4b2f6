#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <thread>

#include "common/eventlog/store.h"
#include "common/postgres/session.h"
#include "flowstack/common/v1/recorded_event.pb.h"
#include "tests/bench/bench.h"
#include "tests/bench/node_peer.h"
#include "tests/bench/statistics.h"

// One event, its expected version and one claim, each append waited for: the log's own store
// beside message-db, Emmett, and a bare group commit that writes the same rows and judges nothing.
namespace flowstack::bench {
namespace {

constexpr int kLanes = 4;
constexpr int kConnections = 2;
constexpr int kStreams = 1000;  // of each client, in turn
constexpr std::size_t kPayloadBytes = 300;
constexpr std::size_t kRefBytes = 16;
constexpr const char* kTenant = "bench";
constexpr const char* kType = "flowstack.bench.v1.Appended";

struct AppendOutcome {
    std::int64_t acknowledged = 0;
    double seconds = 0;
    double rate() const { return static_cast<double>(acknowledged) / seconds; }
};

// Runs `one(client, n)` in a thread a client until the time is over.
AppendOutcome closed_loop(int clients, double seconds,
                          const std::function<void(int, std::int64_t)>& one) {
    std::atomic<bool> go{false}, stop{false};
    std::vector<std::int64_t> done(static_cast<std::size_t>(clients), 0);
    std::exception_ptr failure;
    std::mutex failure_mutex;
    std::vector<std::thread> threads;
    for (int client = 0; client < clients; ++client)
        threads.emplace_back([&, client] {
            go.wait(false);
            try {
                for (std::int64_t n = 0; !stop; ++n) {
                    one(client, n);
                    ++done[static_cast<std::size_t>(client)];
                }
            } catch (const std::exception&) {
                const std::lock_guard lock(failure_mutex);
                failure = std::current_exception();
            }
        });
    const auto began = now_us();
    go = true;
    go.notify_all();
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    stop = true;
    for (auto& thread : threads) thread.join();
    if (failure) std::rethrow_exception(failure);
    AppendOutcome outcome;
    for (const auto n : done) outcome.acknowledged += n;
    outcome.seconds = static_cast<double>(now_us() - began) / 1e6;
    return outcome;
}

std::string payload_of(int client, std::int64_t n) {
    auto payload = fmt::format("{:06}{:010}", client, n);  // kRefBytes that are unique
    payload.resize(kPayloadBytes, 'x');
    return payload;
}

std::string stream_key(int client, std::int64_t n) {
    return std::to_string(client) + "-" + std::to_string(n % kStreams);
}

AppendOutcome ours(const Database& database, int clients, double seconds) {
    eventlog::Store store(
        {.service = "bench",
         .database_url = database.service_url(),
         .lanes = kLanes,
         .append_connections = kConnections},
        [](const eventlog::StreamName& stream, int, const eventlog::NewEvent& event,
           eventlog::Derived& out) {
            out.claims.push_back(
                {stream.tenant, "bench.ref", event.payload.substr(0, kRefBytes), "", stream});
        });
    return closed_loop(clients, seconds, [&](int client, std::int64_t n) {
        eventlog::Command command;
        command.id = "c" + std::to_string(client) + "-" + std::to_string(n);
        command.tenant = kTenant;
        command.meta.routing = {eventlog::RoutingKind::customer, stream_key(client, n)};
        command.dedupe = n < kStreams ? eventlog::Dedupe::creation : eventlog::Dedupe::version;
        eventlog::NewEvent event;
        event.type = kType;
        event.payload = payload_of(client, n);
        event.occurred_at = from_unix_micros(1'700'000'000'000'000 + n);
        command.parts.push_back(
            {{kTenant, "item", stream_key(client, n)}, n / kStreams, {std::move(event)}});
        const auto verdict = store.append(std::move(command));
        if (verdict.outcome != eventlog::Outcome::ok)
            throw std::runtime_error("an append of the bench was refused");
    });
}

// The ceiling: what has gathered goes as one transaction of four statements, nothing is judged,
// and positions are counted here because nobody else writes.
class Probe {
public:
    explicit Probe(const std::string& url) {
        common::v1::EventMeta meta;
        meta.set_routing_kind("ROUTING_KIND_CUSTOMER");
        meta.set_routing_key("12-345");
        meta.set_actor("system");
        meta.set_build_id("dev");
        meta_ = meta.SerializeAsString();
        for (int i = 0; i < kConnections; ++i)
            writers_.push_back(std::make_unique<Writer>(*this, url, i));
    }

    // Waits until it is committed.
    void append(int client, std::int64_t n, const Uuid& stream) {
        auto& writer = *writers_[static_cast<std::size_t>(client % kConnections)];
        Waiting waiting{client, n, stream};
        std::unique_lock lock(writer.mutex);
        writer.queue.push_back(&waiting);
        writer.wake.notify_one();
        waiting.done.wait(lock, [&] { return waiting.committed; });
    }

private:
    struct Waiting {
        int client;
        std::int64_t n;
        Uuid stream;
        bool committed = false;
        std::condition_variable done = {};
    };

    struct Writer {
        Writer(Probe& owner, const std::string& url, int number)
            : probe(owner), lane(number), session({.url = url}), thread([this] { run(); }) {}
        ~Writer() {
            {
                const std::lock_guard lock(mutex);
                stopping = true;
            }
            wake.notify_one();
            thread.join();
        }

        void run() {
            std::unique_lock lock(mutex);
            while (true) {
                wake.wait(lock, [&] { return stopping || !queue.empty(); });
                if (queue.empty()) return;
                std::vector<Waiting*> batch;
                batch.swap(queue);
                lock.unlock();
                commit(batch);
                lock.lock();
                for (auto* waiting : batch) {
                    waiting->committed = true;
                    waiting->done.notify_one();
                }
            }
        }

        void commit(const std::vector<Waiting*>& batch) {
            const auto count = batch.size();
            std::vector<Uuid> streams, claims, events;
            std::vector<std::int64_t> versions, positions;
            std::vector<std::string> keys, refs, commands, payloads;
            for (const auto* waiting : batch) {
                streams.push_back(waiting->stream);
                versions.push_back(waiting->n / kStreams + 1);
                positions.push_back(++position);
                keys.push_back(stream_key(waiting->client, waiting->n));
                payloads.push_back(payload_of(waiting->client, waiting->n));
                refs.push_back(payloads.back().substr(0, kRefBytes));
                commands.push_back("c" + std::to_string(waiting->client) + "-" +
                                   std::to_string(waiting->n));
                Uuid id;
                for (std::size_t i = 0; i < 16; i += 8) {
                    const auto bits = random();
                    std::memcpy(id.bytes.data() + i, &bits, 8);
                }
                claims.push_back(id);
                std::swap(id.bytes[0], id.bytes[9]);
                events.push_back(id);
            }
            const std::vector<std::string_view> payload_views(payloads.begin(), payloads.end());
            std::vector<postgres::Session::Statement> statements(4);
            statements[0].sql =
                "insert into claims (id, scope, kind, key, value, holder, request_hash, made_at) "
                "select c, $2, 'bench.ref', k, '', s, '', now() from unnest($1::uuid[], "
                "$3::text[], $4::uuid[]) u(c, k, s)";
            statements[0].params.add_array(claims).add(kTenant).add_array(refs).add_array(streams);
            statements[1].sql =
                "insert into heads (stream, version, lane) select s, v, $3 from unnest($1::uuid[], "
                "$2::bigint[]) u(s, v) on conflict (stream) do update set version = "
                "excluded.version";
            statements[1].params.add_array(streams).add_array(versions).add(lane);
            statements[2].sql = "update lanes set position = position + $2 where lane = $1";
            statements[2].params.add(lane).add(static_cast<std::int64_t>(count));
            statements[3].sql =
                "insert into events (lane, position, epoch, stream, version, event_id, tenant, "
                "category, key, type, recorded_at, occurred_at, command_id, meta, payload) select "
                "$1, p, 1, s, v, e, $2, 'item', k, $3, now(), now(), c, $4, b from "
                "unnest($5::bigint[], $6::uuid[], $7::bigint[], $8::uuid[], $9::text[], "
                "$10::text[], $11::bytea[]) u(p, s, v, e, k, c, b)";
            statements[3]
                .params.add(lane)
                .add(kTenant)
                .add(kType)
                .add_bytes(probe.meta_)
                .add_array(positions)
                .add_array(streams)
                .add_array(versions)
                .add_array(events)
                .add_array(keys)
                .add_array(commands)
                .add_bytes_array(payload_views);
            session.transaction(statements);
        }

        Probe& probe;
        int lane;
        postgres::Session session;
        std::mt19937_64 random{std::random_device{}()};
        std::int64_t position = 0;
        std::mutex mutex;
        std::condition_variable wake;
        std::vector<Waiting*> queue;
        bool stopping = false;
        std::thread thread;
    };

    std::string meta_;
    std::vector<std::unique_ptr<Writer>> writers_;
};

AppendOutcome probe(const Database& database, int clients, double seconds) {
    Probe bare(database.admin_url());
    std::vector<std::vector<Uuid>> streams(static_cast<std::size_t>(clients));
    for (int client = 0; client < clients; ++client)
        for (int n = 0; n < kStreams; ++n)
            streams[static_cast<std::size_t>(client)].push_back(
                eventlog::stream_id({kTenant, "item", stream_key(client, n)}));
    return closed_loop(clients, seconds, [&](int client, std::int64_t n) {
        bare.append(
            client, n,
            streams[static_cast<std::size_t>(client)][static_cast<std::size_t>(n % kStreams)]);
    });
}

AppendOutcome message_db(const Database& database, int clients, double seconds) {
    std::vector<std::unique_ptr<postgres::Session>> sessions;
    for (int i = 0; i < clients; ++i) {
        sessions.push_back(std::make_unique<postgres::Session>(
            postgres::Session::Options{.url = database.admin_url()}));
        sessions.back()->run("set search_path = message_store, public");
    }
    // JSON of the same size.
    const std::string data = R"({"body":")" + std::string(kPayloadBytes - 11, 'x') + R"("})";
    return closed_loop(clients, seconds, [&](int client, std::int64_t n) {
        sessions[static_cast<std::size_t>(client)]->query(
            "select write_message(gen_random_uuid()::varchar, $1::varchar, 'Appended'::varchar, "
            "$2::text::jsonb, null::jsonb, $3::bigint)",
            postgres::Params()
                .add("item-" + stream_key(client, n))
                .add(std::string_view(data))
                .add(n / kStreams - 1));
    });
}

AppendOutcome emmett(const Context& context, const Database& database, int clients,
                     double seconds) {
    const auto answer = run_node(context, "emmett.mjs",
                                 {database.admin_url(), std::to_string(clients),
                                  std::to_string(seconds), std::to_string(kPayloadBytes)});
    return {answer.at("appended").to_number<std::int64_t>(),
            answer.at("seconds").to_number<double>()};
}

}  // namespace

std::vector<Entry> bench_append(Context& context) {
    std::vector<Entry> entries;
    for (const int clients : {1, 8, 32}) {
        Entry entry{.name = "append/" + std::to_string(clients), .unit = "events/s"};
        if (clients == 32)
            entry.goals = {{Goal::Kind::at_least, 6, "message-db"},
                           {Goal::Kind::at_least, 6, "Emmett"},
                           {Goal::Kind::at_least, 0.7, "bare group commit"}};
        if (const auto why = context.missing("npm"); !why.empty())
            entry.peers["message-db"].missing = entry.peers["Emmett"].missing = why;
        std::int64_t stored = 0, acknowledged = 0, claims = 0;
        for (int round = 0; round < context.options.rounds; ++round) {
            {
                const Database database(context, "bench_append", kLanes);
                if (round == 0) entry.checks = durability(database.service_url());
                checkpoint(context);
                context.settle();
                const auto outcome = ours(database, clients, context.options.seconds);
                entry.samples.push_back(outcome.rate());
                acknowledged += outcome.acknowledged;
                stored += database.count("select count(*) from events");
                claims += database.count("select count(*) from claims");
            }
            {
                const Database database(context, "bench_append", kLanes);
                checkpoint(context);
                context.settle();
                const auto outcome = probe(database, clients, context.options.seconds);
                entry.peers["bare group commit"].samples.push_back(outcome.rate());
                if (database.count("select count(*) from events") != outcome.acknowledged)
                    throw std::runtime_error("the probe lost rows");
            }
            if (!context.missing("npm").empty()) continue;
            {
                const Database database(context, "bench_message_db", 0);
                install_message_db(context, database);
                checkpoint(context);
                context.settle();
                const auto outcome = message_db(database, clients, context.options.seconds);
                entry.peers["message-db"].samples.push_back(outcome.rate());
                entry.checks.push_back(
                    equal("message-db's rows",
                          database.count("select count(*) from message_store.messages"),
                          outcome.acknowledged));
            }
            {
                const Database database(context, "bench_emmett", 0);
                emmett(context, database, 1, 0);  // makes its tables
                checkpoint(context);
                context.settle();
                const auto outcome = emmett(context, database, clients, context.options.seconds);
                entry.peers["Emmett"].samples.push_back(outcome.rate());
                entry.checks.push_back(equal("Emmett's rows",
                                             database.count("select count(*) from emt_messages"),
                                             outcome.acknowledged));
            }
        }
        entry.checks.push_back(equal("events", stored, acknowledged));
        entry.checks.push_back(equal("claims", claims, acknowledged));
        entry.checks.push_back(context.idle_check());
        entries.push_back(std::move(entry));
    }
    return entries;
}

}  // namespace flowstack::bench
