#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <semaphore>

#include "common/eventlog/store.h"
#include "common/messaging/kafka.h"
#include "common/postgres/session.h"
#include "tests/bench/bench.h"
#include "tests/bench/debezium.h"
#include "tests/bench/kafka_reader.h"
#include "tests/bench/load.h"
#include "tests/bench/node_peer.h"
#include "tests/bench/statistics.h"

// From the committed event to the consumer: our relay beside a polling outbox in Node.js and
// Debezium, on the same PostgreSQL and the same broker, read by the same consumer.
namespace flowstack::bench {
namespace {

constexpr int kPartitions = 4;
constexpr int kWarmSeconds = 3;
constexpr std::int64_t kBacklog = 500'000;
constexpr std::int64_t kQuickBacklog = 20'000;
constexpr int kFillBatch = 20;
constexpr std::chrono::seconds kSilence{30};
constexpr std::chrono::milliseconds kBusTimeout{10'000};
constexpr const char* kOutboxes =
    // Debezium's outbox columns as the EventRouter wants them; no key but the id.
    "create table outbox (id uuid primary key, aggregatetype varchar(255) not null, aggregateid "
    "varchar(255) not null, type varchar(255) not null, payload bytea);"
    "create table outbox_poll (id bigint generated always as identity primary key, topic text not "
    "null, key text not null, payload bytea not null, created_at timestamptz not null default "
    "now());";

// What one relay did under one load.
struct Run {
    double rate = 0, p50_ms = 0, p99_ms = 0, cpu_s = 0, memory_mb = 0;
    std::vector<Check> checks;
};

// A relay that can be started on a database that has its log or outbox.
class Subject {
public:
    virtual ~Subject() = default;
    virtual std::string topic() const = 0;
    // Numbers 0 .. count - 1 into the table, as fast as it goes; nothing relays yet.
    virtual void fill(std::int64_t count) = 0;
    virtual void start() = 0;
    virtual bool ready() = 0;  // waits
    // Paced writing; the times at which the commits had returned go to `committed`. The seconds of
    // CPU that the process of pid() spent on the writing itself.
    virtual double write(int rate, int batch, std::int64_t first, std::int64_t count,
                         const std::string& committed) = 0;
    virtual pid_t pid() const = 0;
    virtual std::int64_t stored() const = 0;  // rows in its table, where they stay
};

std::string unique_name(const std::string& prefix) {
    static int number = 0;
    return prefix + std::to_string(now_us() / 1'000'000 % 1'000'000) + std::to_string(++number);
}

class Ours : public Subject {
public:
    explicit Ours(const Context& context)
        : context_(context),
          name_(unique_name("bench")),
          database_(context, "bench_relay", kPartitions) {
        messaging::ensure_topics(context.environment.required("KAFKA_BROKERS"), {topic()},
                                 kPartitions, kBusTimeout);
    }
    std::string topic() const override { return "flowstack." + name_ + ".events"; }

    void fill(std::int64_t count) override {
        constexpr std::ptrdiff_t kInFlight = 400;
        eventlog::Store store(
            {.service = name_, .database_url = database_.service_url(), .lanes = kPartitions},
            [](auto&&...) {});
        std::counting_semaphore<kInFlight> free(kInFlight);
        std::atomic<bool> failed{false};
        for (std::int64_t seq = 0; seq < count; seq += kFillBatch) {
            free.acquire();
            store.append_async(load_command(seq, kFillBatch), [&](const auto&, const auto& error) {
                if (error) failed = true;
                free.release();
            });
        }
        for (std::ptrdiff_t i = 0; i < kInFlight; ++i) free.acquire();
        store.drain();
        if (failed) throw std::runtime_error("the backlog could not be written");
        database_.run("analyze events");
    }

    void start() override {
        process_ = std::make_unique<Child>(
            std::vector<std::string>{context_.program("flowstack-bench-relay")},
            std::map<std::string, std::string>{
                {"BENCH_NAME", name_},
                {"DATABASE_URL", database_.service_url()},
                {"LANES", std::to_string(kPartitions)},
                {"LOG_LEVEL", "info"},  // it says when it has its lanes
                {"GRPC_PORT", "0"},
                {"ADMIN_PORT", "0"}},
            context_.run_file("log/bench-relay.log"));
    }
    bool ready() override { return process_->says("lanes taken", std::chrono::seconds(60)); }

    double write(int rate, int batch, std::int64_t first, std::int64_t count,
                 const std::string& committed) override {
        const auto before = process_->log().size();
        process_->tell("paced " + std::to_string(rate) + " " + std::to_string(batch) + " " +
                       std::to_string(first) + " " + std::to_string(count) + " " + committed);
        const auto until = now_us() + (count / rate + 60) * 1'000'000;
        while (now_us() < until && process_->alive()) {
            const auto log = process_->log().substr(before);
            const auto at = log.find("done ");
            if (at != std::string::npos && log.find('\n', at) != std::string::npos)
                return std::stod(log.substr(at + 5));
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        throw std::runtime_error("the load was not written: " + process_->log());
    }
    pid_t pid() const override { return process_->pid(); }
    std::int64_t stored() const override { return database_.count("select count(*) from events"); }

private:
    const Context& context_;
    std::string name_;
    Database database_;
    std::unique_ptr<Child> process_;
};

// The writer of both outboxes: one connection, one statement a transaction.
class OutboxWriter {
public:
    OutboxWriter(const Database& database, std::string table, std::string name)
        : session_({.url = database.admin_url()}), name_(std::move(name)) {
        if (table == "outbox")
            sql_ =
                "insert into outbox (id, aggregatetype, aggregateid, type, payload) select "
                "gen_random_uuid(), $1, k, 'Created', p from unnest($2::text[], $3::bytea[]) "
                "u(k, p)";
        else
            sql_ =
                "insert into outbox_poll (topic, key, payload) select $1, k, p from "
                "unnest($2::text[], $3::bytea[]) u(k, p)";
    }

    // Events of `key_batch` numbers each have one key.
    void write(std::int64_t seq, int count, int key_batch) {
        std::vector<std::string> keys, payloads;
        for (std::int64_t n = seq; n < seq + count; ++n) {
            keys.push_back("a" + std::to_string(load_key(n, key_batch)));
            payloads.push_back(load_payload(n));
        }
        const std::vector<std::string_view> views(payloads.begin(), payloads.end());
        session_.query(
            sql_,
            postgres::Params().add(std::string_view(name_)).add_array(keys).add_bytes_array(views));
    }

    void fill(std::int64_t total) {
        constexpr int kRows = 500;
        for (std::int64_t seq = 0; seq < total; seq += kRows)
            write(seq, static_cast<int>(std::min<std::int64_t>(kRows, total - seq)), kFillBatch);
    }

    void paced(int rate, int batch, std::int64_t first, std::int64_t count,
               const std::string& committed) {
        Timeline times(committed, first + count);
        pace(rate, batch, first, count, [&](std::int64_t seq) {
            write(seq, batch, batch);
            const auto at = now_us();
            for (int i = 0; i < batch; ++i) times.set(seq + i, at);
        });
    }

private:
    postgres::Session session_;
    std::string name_;
    std::string sql_;
};

class Polling : public Subject {
public:
    explicit Polling(const Context& context)
        : context_(context),
          topic_(unique_name("outbox.polled.")),
          database_(context, "bench_outbox", 0),
          writer_((database_.run(kOutboxes), database_), "outbox_poll", topic_) {
        messaging::ensure_topics(context.environment.required("KAFKA_BROKERS"), {topic_},
                                 kPartitions, kBusTimeout);
    }
    std::string topic() const override { return topic_; }
    void fill(std::int64_t count) override {
        writer_.fill(count);
        database_.run("analyze outbox_poll");
    }
    void start() override {
        process_ = std::make_unique<Child>(
            node_command(context_, "polling_relay.mjs",
                         {database_.admin_url(), context_.environment.required("KAFKA_BROKERS")}),
            std::map<std::string, std::string>{}, context_.run_file("log/bench-polling.log"));
    }
    bool ready() override { return process_->says("ready", std::chrono::seconds(30)); }
    double write(int rate, int batch, std::int64_t first, std::int64_t count,
                 const std::string& committed) override {
        writer_.paced(rate, batch, first, count, committed);
        return 0;
    }
    pid_t pid() const override { return process_->pid(); }
    std::int64_t stored() const override { return -1; }  // it deletes what it sent

private:
    const Context& context_;
    std::string topic_;
    Database database_;
    OutboxWriter writer_;
    std::unique_ptr<Child> process_;
};

class ByDebezium : public Subject {
public:
    explicit ByDebezium(const Context& context)
        : context_(context),
          name_(unique_name("d")),
          database_(context, "bench_outbox", 0),
          writer_((database_.run(kOutboxes), database_), "outbox", name_) {
        messaging::ensure_topics(context.environment.required("KAFKA_BROKERS"), {topic()},
                                 kPartitions, kBusTimeout);
        // The slot must exist before the backlog: Debezium sees what is written after it.
        database_.run("create publication outbox for table outbox");
        database_.run("select pg_create_logical_replication_slot('bench_outbox', 'pgoutput')");
    }
    ~ByDebezium() override {
        process_.reset();
        try {
            for (int i = 0;
                 i < 100 && database_.count("select count(*) from pg_replication_slots "
                                            "where slot_name = 'bench_outbox' and active") > 0;
                 ++i)
                std::this_thread::sleep_for(std::chrono::milliseconds(100));
            database_.run("select pg_drop_replication_slot('bench_outbox')");
        } catch (const std::exception& error) {
            context_.say(error.what());
        }
    }
    std::string topic() const override { return "outbox.event." + name_; }
    // Without an offset of its own Debezium begins at the end of the WAL, so it must have seen
    // something before there can be a backlog.
    void fill(std::int64_t count) override {
        start();
        if (!ready()) throw std::runtime_error("Debezium does not start: " + process_->log());
        database_.run("insert into outbox values (gen_random_uuid(), '" + name_ +
                      "', 'a0', 'Created', 'x')");
        std::this_thread::sleep_for(std::chrono::seconds(2));
        process_->stop();
        database_.run("truncate outbox");
        writer_.fill(count);
        database_.run("analyze outbox");
    }
    void start() override {
        process_ = start_debezium(context_, "bench_outbox", "bench_outbox", process_ != nullptr);
    }
    bool ready() override {
        for (int i = 0; i < 600 && process_->alive(); ++i) {
            if (database_.count(
                    "select count(*) from pg_stat_replication where state = 'streaming'") > 0) {
                std::this_thread::sleep_for(std::chrono::seconds(1));
                return true;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
        return false;
    }
    double write(int rate, int batch, std::int64_t first, std::int64_t count,
                 const std::string& committed) override {
        writer_.paced(rate, batch, first, count, committed);
        return 0;
    }
    pid_t pid() const override { return process_->pid(); }
    std::int64_t stored() const override { return database_.count("select count(*) from outbox"); }

private:
    const Context& context_;
    std::string name_;
    Database database_;
    OutboxWriter writer_;
    std::unique_ptr<Child> process_;
};

using Make = std::function<std::unique_ptr<Subject>(const Context&)>;

void check_arrivals(const std::string& who, const KafkaReader& reader, std::int64_t expected,
                    std::int64_t stored, std::vector<Check>& checks) {
    checks.push_back({who + ": each event came once, in the order of its key",
                      reader.came() == expected && reader.disordered() == 0 && reader.twice() == 0,
                      std::to_string(reader.came()) + " of " + std::to_string(expected) + ", " +
                          std::to_string(reader.twice()) + " twice, " +
                          std::to_string(reader.disordered()) + " out of order"});
    if (stored >= 0) checks.push_back(equal(who + ": rows", stored, expected));
}

Run run_paced(Context& context, const std::string& who, const Make& make, int rate, int batch) {
    const auto subject = make(context);
    const auto brokers = context.environment.required("KAFKA_BROKERS");
    const std::int64_t warm = std::int64_t{rate} * kWarmSeconds;
    const auto measured = static_cast<std::int64_t>(rate * context.options.seconds) / batch * batch;
    const auto count = warm + measured;
    const auto file = context.run_file("bench-times");
    std::filesystem::remove(file);
    const Timeline committed(file, count);
    KafkaReader reader(brokers, subject->topic(), kPartitions, count, batch);
    subject->start();
    if (!subject->ready()) throw std::runtime_error(who + " does not start");
    checkpoint(context);
    subject->write(rate, batch, 0, warm, file);
    context.settle();
    const auto cpu = cpu_seconds(subject->pid());
    const auto writing = subject->write(rate, batch, warm, measured, file);
    Run run;
    if (!reader.wait_all(kSilence)) context.say(who + ": events are missing");
    run.cpu_s = cpu_seconds(subject->pid()) - cpu - writing;
    run.memory_mb = resident_mb(subject->pid());
    Latencies latencies;
    for (auto seq = warm; seq < count; ++seq)
        if (reader.at(seq) != 0) latencies.add(reader.at(seq) - committed.at(seq));
    run.p50_ms = latencies.quantile_ms(0.5);
    run.p99_ms = latencies.quantile_ms(0.99);
    check_arrivals(who, reader, count, subject->stored(), run.checks);
    return run;
}

Run run_drain(Context& context, const std::string& who, const Make& make) {
    const auto subject = make(context);
    const auto brokers = context.environment.required("KAFKA_BROKERS");
    const auto count = context.options.quick ? kQuickBacklog : kBacklog;
    subject->fill(count);
    checkpoint(context);
    KafkaReader reader(brokers, subject->topic(), kPartitions, count, kFillBatch);
    context.settle();
    subject->start();
    Run run;
    if (!reader.wait_all(kSilence)) context.say(who + ": events are missing");
    run.cpu_s = cpu_seconds(subject->pid());
    run.memory_mb = resident_mb(subject->pid());
    const auto took = reader.last_at() - reader.first_at();
    run.rate = took > 0 ? static_cast<double>(reader.came()) * 1e6 / static_cast<double>(took) : 0;
    check_arrivals(who, reader, count, subject->stored(), run.checks);
    return run;
}

// A peer that lost or disordered events has no figure.
void add_peer(Peer& peer, double value, const std::vector<Check>& checks) {
    for (const auto& check : checks)
        if (!check.ok) peer.missing = check.name + ": " + check.value;
    if (peer.missing.empty())
        peer.samples.push_back(value);
    else
        peer.samples.clear();
}

// One entry for each figure of the runs.
struct Figure {
    std::string name, unit;
    double Run::*value;
    std::vector<Goal> goals;
};

std::vector<Entry> entries_of(const Context& context, const std::string& prefix,
                              const std::vector<Figure>& figures,
                              const std::map<std::string, std::vector<Run>>& runs,
                              const std::map<std::string, std::string>& missing) {
    std::vector<Entry> entries;
    for (const auto& figure : figures) {
        Entry entry{.name = prefix + figure.name, .unit = figure.unit};
        entry.goals = figure.goals;
        entry.checks = durability(admin_url(context, "postgres"));
        for (const auto& [who, all] : runs)
            for (const auto& run : all) {
                if (who.empty()) {
                    entry.samples.push_back(run.*figure.value);
                    entry.checks.insert(entry.checks.end(), run.checks.begin(), run.checks.end());
                } else {
                    add_peer(entry.peers[who], run.*figure.value, run.checks);
                }
            }
        for (const auto& [who, why] : missing)
            if (!why.empty()) entry.peers[who].missing = why;
        entry.checks.push_back(context.idle_check());
        entries.push_back(std::move(entry));
    }
    return entries;
}

}  // namespace

std::vector<Entry> bench_relay(Context& context) {
    std::map<std::string, Make> subjects{
        {"", [](const Context& c) { return std::make_unique<Ours>(c); }}};
    std::map<std::string, std::string> missing{{"polling (Node)", context.missing("npm")},
                                               {"Debezium", context.missing("maven")}};
    if (missing["polling (Node)"].empty())
        subjects["polling (Node)"] = [](const Context& c) { return std::make_unique<Polling>(c); };
    std::optional<LogicalWal> logical;
    if (missing["Debezium"].empty()) {
        logical.emplace(context);
        subjects["Debezium"] = [](const Context& c) { return std::make_unique<ByDebezium>(c); };
    }
    std::map<std::string, std::map<std::string, std::vector<Run>>> runs;
    for (int round = 0; round < context.options.rounds; ++round)
        for (const auto& [who, make] : subjects) {
            const auto name = who.empty() ? "ours" : who;
            for (const auto& [load, rate, batch] : std::vector<std::tuple<std::string, int, int>>{
                     {"1000", 1000, 1}, {"5000", 5000, 10}})
                runs[load][who].push_back(run_paced(context, name, make, rate, batch));
            runs["drain"][who].push_back(run_drain(context, name, make));
        }
    const std::vector<Goal> less{{Goal::Kind::at_most, 1, "polling (Node)"},
                                 {Goal::Kind::at_most, 1, "Debezium"}};
    const std::vector<Figure> cost{{"/cpu", "s", &Run::cpu_s, less},
                                   {"/memory", "MB", &Run::memory_mb, less}};
    std::vector<Entry> entries;
    const auto add = [&](const std::string& load, std::vector<Figure> figures) {
        figures.insert(figures.end(), cost.begin(), cost.end());
        for (auto& entry : entries_of(context, "relay/" + load, figures, runs[load], missing))
            entries.push_back(std::move(entry));
    };
    add("drain",
        {{"",
          "events/s",
          &Run::rate,
          {{Goal::Kind::at_least, 2, "polling (Node)"}, {Goal::Kind::at_least, 2, "Debezium"}}}});
    for (const auto* load : {"1000", "5000"})
        add(load, {{"/p50", "ms", &Run::p50_ms, {}},
                   {"/p99", "ms", &Run::p99_ms, {{Goal::Kind::at_most, 10, ""}}}});
    return entries;
}

}  // namespace flowstack::bench
