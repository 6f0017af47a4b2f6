#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "common/postgres/session.h"
#include "tests/bench/bench.h"

namespace flowstack::bench {
namespace {

// postgresql://user:password@host:port/old → the same server's `database`.
std::string with_database(const std::string& url, const std::string& database) {
    return url.substr(0, url.rfind('/') + 1) + database;
}

void apply_log_schema(const std::string& url, const std::string& root, int lanes) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(root + "/migrations/eventlog"))
        if (entry.path().extension() == ".sql") files.push_back(entry.path());
    std::ranges::sort(files);
    postgres::Session session({.url = url});
    for (const auto& file : files) {
        std::stringstream text;
        text << std::ifstream(file).rdbuf();
        session.run(text.str());
    }
    session.run("select make_lanes(" + std::to_string(lanes) + ")");
}

}  // namespace

Context::Context(Options o, stack::Environment e)
    : options(o),
      environment(std::move(e)),
      gate_(std::chrono::seconds(o.idle_wait_s), o.idle_share) {}

void Context::say(const std::string& text) const {
    std::fprintf(stderr, "      bench        %s\n", text.c_str());
}

void Context::flowstack(const std::string& arguments) const {
    const auto log = run_file("log/bench-commands.log");
    const auto line = environment.required("FLOWSTACK_ROOT") + "/flowstack " + arguments +
                      " --run-dir " + environment.required("FLOWSTACK_RUN_DIR") + " </dev/null >>" +
                      log + " 2>&1";
    if (const int status = std::system(line.c_str()); status != 0)
        throw std::runtime_error("./flowstack " + arguments + " ended with " +
                                 std::to_string(status) + "; see " + log);
}

std::string Context::run_file(const std::string& name) const {
    return environment.required("FLOWSTACK_RUN_DIR") + "/" + name;
}
pid_t Context::pid_of(const std::string& instance) const {
    std::ifstream file(run_file("pids/" + instance + ".pid"));
    pid_t pid = 0;
    file >> pid;
    return pid;
}
std::string Context::program(const std::string& name) const {
    return environment.required("FLOWSTACK_BIN_DIR") + "/" + name;
}
std::string Context::peer_file(const std::string& name) const {
    return environment.required("FLOWSTACK_ROOT") + "/tests/bench/peers/" + name;
}
std::string Context::installed(const std::string& name) const {
    return environment.required("BENCH_PEERS_DIR") + "/" + name;
}

std::string Context::missing(const std::string& kind) const {
    if (!options.peers) return "not asked for (--no-peers)";
    return environment.get("BENCH_" + stack::upper(kind) + "_MISSING");
}

void Context::settle() {
    if (!gate_.wait() && options.idle_wait_s > 0)
        say("the machine did not become idle in " + std::to_string(options.idle_wait_s) +
            " s; measured all the same");
}

Check Context::idle_check() const {
    Check check{"idle machine before each measurement", gate_.refused() == 0, "", true};
    check.value = gate_.refused() == 0 ? "yes"
                                       : "not " + std::to_string(gate_.refused()) +
                                             " times: the figures are of a busy machine";
    return check;
}

std::string admin_url(const Context& context, const std::string& database) {
    return with_database(context.environment.required("POSTGRES_URL"), database);
}
std::string service_url(const Context& context, const std::string& database) {
    return with_database(context.environment.required("GATEWAY_DATABASE_URL"), database);
}

std::int64_t count_rows(const std::string& url, const std::string& sql) {
    return postgres::Session({.url = url, .statement_timeout = std::chrono::minutes(2)})
        .query(sql)
        .int8(0, 0);
}

std::vector<Check> durability(const std::string& url) {
    const auto result =
        postgres::Session({.url = url})
            .query("select current_setting('fsync'), current_setting('synchronous_commit')");
    std::vector<Check> checks;
    checks.push_back({"fsync", result.text(0, 0) == "on", result.text(0, 0)});
    checks.push_back({"synchronous_commit", result.text(0, 1) == "on", result.text(0, 1)});
    return checks;
}

void checkpoint(const Context& context) {
    postgres::Session(
        {.url = admin_url(context, "postgres"), .statement_timeout = std::chrono::minutes(2)})
        .run("checkpoint");
}

Check equal(const std::string& name, std::int64_t stored, std::int64_t acknowledged) {
    return {name, stored == acknowledged,
            std::to_string(stored) + " stored, " + std::to_string(acknowledged) + " acknowledged"};
}

Database::Database(const Context& context, std::string name, int lanes)
    : name_(std::move(name)),
      server_url_(bench::admin_url(context, "postgres")),
      admin_url_(bench::admin_url(context, name_)),
      service_url_(bench::service_url(context, name_)) {
    postgres::Session server({.url = server_url_});
    server.run("drop database if exists " + name_ + " with (force)");
    server.run("create database " + name_);
    if (lanes > 0)
        apply_log_schema(admin_url_, context.environment.required("FLOWSTACK_ROOT"), lanes);
}

Database::~Database() {
    try {
        postgres::Session({.url = server_url_}).run("drop database " + name_ + " with (force)");
    } catch (const std::exception&) {  // the next run drops it first
    }
}

std::int64_t Database::count(const std::string& sql) const { return count_rows(admin_url_, sql); }
void Database::run(const std::string& sql) const {
    postgres::Session({.url = admin_url_, .statement_timeout = std::chrono::minutes(2)}).run(sql);
}

}  // namespace flowstack::bench
