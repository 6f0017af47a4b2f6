#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/bench/machine.h"
#include "tests/bench/report.h"
#include "tools/stack/environment.h"

// One run of the bench: what every entry needs, and the entries.
namespace flowstack::bench {

struct Options {
    int rounds = 3;
    double seconds = 6;  // of one measurement
    bool quick = false;  // a hundredth of the backlogs: to see that it works, not how fast
    bool warm = true;    // compilers (JVM, V8) get their time before a measurement
    bool peers = true;
    std::int64_t events = 0;  // > 0: e2e once more with so many in the logs
    int idle_wait_s = 60;
    double idle_share = 0.92;
};

class Context {
public:
    Context(Options options, stack::Environment environment);

    const Options options;
    const stack::Environment environment;

    // A line of progress on stderr.
    void say(const std::string& text) const;
    // `./flowstack <arguments> --run-dir …`; throws with its log when it fails.
    void flowstack(const std::string& arguments) const;
    std::string run_file(const std::string& name) const;
    // Of a process that `./flowstack` started: "gateway-0", "kafka"; 0 when it has no pid file.
    pid_t pid_of(const std::string& instance) const;
    std::string program(const std::string& name) const;
    std::string peer_file(const std::string& name) const;  // tests/bench/peers/<name>
    std::string installed(
        const std::string& name) const;  // below the folder with what npm and Maven brought

    // Why a peer ("npm", "maven", "e2e_node") cannot be measured; empty when it is there.
    std::string missing(const std::string& kind) const;

    // Waits for an idle machine; notes it when it never was.
    void settle();
    // What counts as idle from now on, and the notes begin anew: a whole stack that waits for work
    // takes a tenth of the machine.
    void expect_idle(double share) {
        gate_ = IdleGate(std::chrono::seconds(options.idle_wait_s), share);
    }
    Check idle_check() const;
    void forget_idle() { expect_idle(options.idle_share); }

private:
    IdleGate gate_;
};

// A database of the bench on the stack's own server, made anew.
class Database {
public:
    // `lanes` > 0: with the event log's schema.
    Database(const Context& context, std::string name, int lanes);
    ~Database();
    Database(const Database&) = delete;

    const std::string& admin_url() const { return admin_url_; }
    const std::string& service_url() const { return service_url_; }
    std::int64_t count(const std::string& sql) const;
    void run(const std::string& sql) const;

private:
    std::string name_;
    std::string server_url_;
    std::string admin_url_;
    std::string service_url_;
};

// The same server by another database, as its owner.
std::string admin_url(const Context& context, const std::string& database);
std::string service_url(const Context& context, const std::string& database);
std::int64_t count_rows(const std::string& url, const std::string& sql);
// fsync and synchronous_commit as the server says them to this connection.
std::vector<Check> durability(const std::string& url);
void checkpoint(const Context& context);
Check equal(const std::string& name, std::int64_t stored, std::int64_t acknowledged);

std::vector<Entry> bench_footprint(Context& context);
std::vector<Entry> bench_append(Context& context);
std::vector<Entry> bench_ingest(Context& context);
std::vector<Entry> bench_relay(Context& context);
std::vector<Entry> bench_outbound(Context& context);
std::vector<Entry> bench_e2e(Context& context);

}  // namespace flowstack::bench
