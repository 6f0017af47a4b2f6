#include "tests/bench/debezium.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "common/postgres/session.h"

namespace flowstack::bench {
namespace {

void set_wal_level(const Context& context, const std::string& statement) {
    postgres::Session({.url = admin_url(context, "postgres")}).run(statement);
    context.flowstack("postgres restart");
}

// Between "@" and "/" of postgresql://user:password@host:port/database.
struct Server {
    std::string user, password, host, port;
};
Server server_of(const std::string& url) {
    const auto user = url.find("://") + 3;
    const auto colon = url.find(':', user), at = url.find('@', user);
    const auto port = url.find(':', at), slash = url.find('/', at);
    return {url.substr(user, colon - user), url.substr(colon + 1, at - colon - 1),
            url.substr(at + 1, port - at - 1), url.substr(port + 1, slash - port - 1)};
}

}  // namespace

LogicalWal::LogicalWal(const Context& context) : context_(context) {
    set_wal_level(context, "alter system set wal_level = logical");
}

LogicalWal::~LogicalWal() {
    try {
        set_wal_level(context_, "alter system reset wal_level");
    } catch (const std::exception& error) {
        context_.say(error.what());
    }
}

// The fastest of the settings that were tried: tuned batches, poll.interval.ms=1 (500 as it comes),
// linger.ms=0 (5 as it comes).
std::unique_ptr<Child> start_debezium(const Context& context, const std::string& database,
                                      const std::string& slot, bool go_on) {
    const auto folder = context.run_file("debezium");
    if (!go_on) std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    const auto server = server_of(context.environment.required("POSTGRES_URL"));
    const int port = free_port();
    std::ofstream(folder + "/worker.properties") << fmt::format(
        "bootstrap.servers={}\n"
        "key.converter=org.apache.kafka.connect.storage.StringConverter\n"
        "value.converter=io.debezium.converters.BinaryDataConverter\n"
        "value.converter.delegate.converter.type=org.apache.kafka.connect.json.JsonConverter\n"
        "value.converter.delegate.converter.type.schemas.enable=false\n"
        "offset.storage.file.filename={}/offsets\n"
        "plugin.path={}\n"
        "listeners=http://127.0.0.1:{}\n"
        "connector.client.config.override.policy=All\n",
        context.environment.required("KAFKA_BROKERS"), folder, context.installed("plugins"), port);
    std::ofstream(folder + "/outbox.properties") << fmt::format(
        "name=outbox\n"
        "connector.class=io.debezium.connector.postgresql.PostgresConnector\n"
        "tasks.max=1\n"
        "plugin.name=pgoutput\n"
        "publication.name=outbox\n"
        "publication.autocreate.mode=disabled\n"
        "slot.name={}\n"
        "snapshot.mode=no_data\n"
        "database.hostname={}\ndatabase.port={}\ndatabase.user={}\ndatabase.password={}\n"
        "database.dbname={}\n"
        "topic.prefix=relay\n"
        "table.include.list=public.outbox\n"
        "tombstones.on.delete=false\n"
        "transforms=outbox\n"
        "transforms.outbox.type=io.debezium.transforms.outbox.EventRouter\n"
        "poll.interval.ms=1\nmax.batch.size=8192\nmax.queue.size=32768\n"
        "producer.override.batch.size=131072\nproducer.override.linger.ms=0\n",
        slot, server.host, server.port, server.user, server.password, database);
    // Heap and collector of bin/connect-standalone.sh.
    return std::make_unique<Child>(
        std::vector<std::string>{
            "java", "-Xms256M", "-Xmx2G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
            "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
            "-Djava.awt.headless=true",
            "-Dlog4j2.configurationFile=" + context.peer_file("log4j2.properties"), "-cp",
            context.installed("connect/*"), "org.apache.kafka.connect.cli.ConnectStandalone",
            folder + "/worker.properties", folder + "/outbox.properties"},
        std::map<std::string, std::string>{}, context.run_file("log/bench-debezium.log"));
}

}  // namespace flowstack::bench
