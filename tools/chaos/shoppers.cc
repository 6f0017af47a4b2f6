#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <thread>

#include "tools/chaos/command_line.h"
#include "tools/chaos/customers.h"
#include "tools/chaos/door_report.h"
#include "tools/chaos/shared.h"
#include "tools/chaos/tables.h"
#include "tools/stack/environment.h"
#include "tools/stack/sandbox.h"
#include "tools/stack/shop.h"

// flowstack-shoppers: customers shop at a stack that somebody else disturbs, wherever it runs. The
// stack is known by the environment, as .run/env or a pod has it.
//
//   run --dir DIR [--seed N] [--customers N] [--seconds N] [--settle-seconds N]
//         until `stop` or for so long; then everything comes to rest and flowstack-chaos-check,
//         which stands beside this program, judges. Status 0: all is right
//   stop --dir DIR            tells the one that runs on this folder to come to its end
//   probe HOST:PORT           status 0 when a TCP connection opens within 3 s, 1 when not
namespace flowstack::chaos {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;
using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

constexpr milliseconds kLookEvery{200};
constexpr milliseconds kProgressEvery{10'000};
constexpr milliseconds kCalmFor{2'000};
constexpr milliseconds kOpenPatience{30'000};
constexpr int kProbeTimeoutMs = 3'000;
constexpr int kRecordPage = 1'000;

class Shopping {
public:
    explicit Shopping(const Options& options)
        : options_(options), dir_(options.required("dir")), sandbox_(environment_) {
        fs::create_directories(dir_ + "/chaos");
        fs::remove(dir_ + "/shared");
        setenv("SANDBOX_RECORD", record_file().c_str(), 1);
    }

    int run() {
        auto& shared = map_shared(dir_ + "/shared");
        Customers customers(environment_, shared,
                            {.run_dir = dir_,
                             .seed = static_cast<std::uint64_t>(options_.number("seed", 1)),
                             .customers = static_cast<int>(options_.number("customers", 4))});
        stack::once_let_through(kOpenPatience, [&] { customers.open(); });
        customers.start();
        say("customers shop");
        const auto limit = std::chrono::seconds(options_.number("seconds", 0));
        auto told = Steady::now();
        while (shared.stop == 0 && (limit.count() == 0 || Steady::now() < began_ + limit)) {
            std::this_thread::sleep_for(kLookEvery);
            if (Steady::now() - told < kProgressEvery) continue;
            told = Steady::now();
            progress(customers);
        }
        say("journeys under way come to their end");
        customers.finish();
        progress(customers);
        settle();
        fetch_record();
        return report(customers.tallies());
    }

private:
    std::string record_file() const { return dir_ + "/record.jsonl"; }

    void say(const std::string& words) const {
        const auto seconds =
            std::chrono::duration_cast<std::chrono::seconds>(Steady::now() - began_).count();
        std::cout << std::setw(5) << seconds << "s shoppers     " << words << std::endl;
    }

    void progress(const Customers& customers) const {
        std::int64_t begun = 0, ended = 0, short_of_end = 0;
        for (const auto& [kind, tally] : customers.tallies()) {
            begun += tally.begun;
            ended += tally.ended;
            short_of_end += tally.short_of_end;
        }
        say("journeys: " + std::to_string(begun) + " begun, " + std::to_string(ended) + " ended, " +
            std::to_string(short_of_end) + " short of their end");
    }

    // Twice in a row, a while apart: what is done may still make something to do.
    void settle() {
        const auto limit = std::chrono::seconds(options_.number("settle-seconds", 240));
        const auto until = Steady::now() + limit;
        for (int calm = 0; calm < 2;) {
            const auto [status, open] = checker("settled");
            calm = status == 0 ? calm + 1 : 0;
            if (Steady::now() > until) {
                findings_.push_back("not settled after " + std::to_string(limit.count()) +
                                    " s: " + open);
                return;
            }
            std::this_thread::sleep_for(kCalmFor);
        }
        say("settled");
    }

    // The whole record of the sandbox, which is another machine's file.
    void fetch_record() {
        std::ofstream file(record_file(), std::ios::trunc);
        std::int64_t after = 0;
        while (true) {
            const auto page = sandbox_.get("/control/record?after=" + std::to_string(after) +
                                           "&limit=" + std::to_string(kRecordPage));
            const auto& lines = page.at("lines").as_array();
            if (lines.empty()) break;
            for (const auto& line : lines) {
                file << json::serialize(line) << "\n";
                after = std::max(after, line.at("n").to_number<std::int64_t>());
                record_.push_back(line);
            }
        }
        if (!file.flush()) throw std::runtime_error("cannot write " + record_file());
    }

    // flowstack-chaos-check, beside this program: its status and words.
    static std::pair<int, std::string> checker(const std::string& arguments) {
        const auto program =
            fs::read_symlink("/proc/self/exe").parent_path() / "flowstack-chaos-check";
        std::vector<std::string> words{program.string()};
        for (std::size_t at = 0; at < arguments.size();) {
            const auto end = std::min(arguments.find(' ', at), arguments.size());
            words.push_back(arguments.substr(at, end - at));
            at = end + 1;
        }
        int ends[2];
        if (pipe(ends) != 0) throw std::runtime_error("no pipe");
        const pid_t pid = fork();  // no shell: an image has none
        if (pid < 0) throw std::runtime_error("cannot start " + program.string());
        if (pid == 0) {
            dup2(ends[1], STDOUT_FILENO);
            dup2(ends[1], STDERR_FILENO);
            close(ends[0]);
            std::vector<char*> argv;
            for (auto& word : words) argv.push_back(word.data());
            argv.push_back(nullptr);
            execv(argv[0], argv.data());
            _exit(127);
        }
        close(ends[1]);
        std::string out;
        char buffer[4096];
        for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;)
            out.append(buffer, static_cast<std::size_t>(n));
        close(ends[0]);
        int status = 0;
        waitpid(pid, &status, 0);
        while (!out.empty() && out.back() == '\n') out.pop_back();
        return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, out};
    }

    int report(const std::map<std::string, Tally>& journeys) {
        const auto [status, words] = checker("check --chats " + dir_ + "/chaos/chats.jsonl");
        boost::system::error_code wrong;
        const auto answer = json::parse(words, wrong);
        if (wrong || status > 1) {
            std::cout << "  FINDING the checker failed: " << words << std::endl;
            return 1;
        }
        print_journeys(journeys);
        print_checks(answer.at("checks").as_array());
        for (const auto& check : answer.at("checks").as_array())
            for (const auto& finding : check.at("findings").as_array())
                findings_.push_back("(" + std::string(check.at("check").as_string()) + ") " +
                                    std::string(finding.as_string()));
        print_door();
        for (const auto& finding : findings_) std::cout << "\n  FINDING " << finding;
        std::cout << "\n  " << answer.at("events").to_number<std::int64_t>() << " events, "
                  << record_.size() << " lines of the record, listed UNKNOWN: "
                  << answer.at("unknown").as_array().size() << "\n  "
                  << (findings_.empty() ? "all is right" : "something is wrong") << std::endl;
        return findings_.empty() ? 0 : 1;
    }

    void print_door() {
        const auto door = door_report(record_);
        std::cout << "\n  the door: " << door.posts << " webhooks in " << std::fixed
                  << std::setprecision(0) << door.seconds << " s, " << std::setprecision(1)
                  << door.per_second() << "/s; answers";
        for (const auto& [code, times] : door.statuses)
            std::cout << "  " << (code == 0 ? "none" : std::to_string(code)) << ": " << times;
        std::cout << "; 200 after p50 " << door.p50_ms << " ms, p99 " << door.p99_ms << " ms, max "
                  << door.max_ms << " ms\n";
        for (auto& finding : door.findings()) findings_.push_back(std::move(finding));
    }

    const Options& options_;
    const std::string dir_;
    const stack::Environment environment_;
    stack::Sandbox sandbox_;
    const Steady::time_point began_ = Steady::now();
    std::vector<json::value> record_;
    std::vector<std::string> findings_;
};

bool connects(const addrinfo& where) {
    const int fd = socket(where.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    connect(fd, where.ai_addr, where.ai_addrlen);
    pollfd watched{fd, POLLOUT, 0};
    int error = 0;
    socklen_t size = sizeof error;
    const bool open = poll(&watched, 1, kProbeTimeoutMs) == 1 &&
                      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
    close(fd);
    return open;
}

int probe(const std::string& address) {
    const auto colon = address.rfind(':');
    if (colon == std::string::npos) throw std::invalid_argument("probe wants HOST:PORT");
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const int error = getaddrinfo(address.substr(0, colon).c_str(),
                                  address.substr(colon + 1).c_str(), &wanted, &found);
    // A name that is not known is a mistake of the caller, and no refusal.
    if (error != 0) throw std::runtime_error(address + ": " + gai_strerror(error));
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> list(found, freeaddrinfo);
    const bool open = connects(*list);
    std::cout << address << (open ? ": open" : ": no connection") << std::endl;
    return open ? 0 : 1;
}

int run(int argc, char** argv) {
    const std::string verb = argc > 1 ? argv[1] : "";
    if (argc == 3 && verb == "probe") return probe(argv[2]);
    if (verb != "run" && verb != "stop") throw std::invalid_argument("run, stop or probe");
    const auto options = parse_options(argc, argv);
    if (verb == "run") return Shopping(options).run();
    map_shared(options.required("dir") + "/shared").stop = 1;
    return 0;
}

}  // namespace
}  // namespace flowstack::chaos

int main(int argc, char** argv) {
    try {
        return flowstack::chaos::run(argc, argv);
    } catch (const std::exception& error) {
        std::cerr << "flowstack-shoppers: " << error.what() << "\n";
        return 2;
    }
}
