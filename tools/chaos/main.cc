#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <sstream>
#include <thread>

#include "tools/chaos/command_line.h"
#include "tools/chaos/customers.h"
#include "tools/chaos/killer.h"
#include "tools/chaos/shared.h"
#include "tools/chaos/tables.h"
#include "tools/chaos/victims.h"
#include "tools/stack/environment.h"

// flowstack-chaos: customers shop, a second process kills, then the books are checked.
//
//   run      the whole campaign on a stack that runs; `./flowstack chaos` starts it with one
//   killer   the second process
namespace flowstack::chaos {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;
using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

constexpr milliseconds kProgressEvery{10'000};

KillerOptions killer_options(const Options& options) {
    return {.script = options.text("script"),
            .run_dir = options.text("run-dir"),
            .seed = static_cast<std::uint64_t>(options.number("seed", 1)),
            .replicas = static_cast<int>(options.number("replicas", 1)),
            .rounds_max = static_cast<int>(options.number("rounds", 0)),
            .only = options.text("only"),
            .pause_ms = options.number("pause-ms", 1500)};
}

class Campaign {
public:
    explicit Campaign(const Options& options)
        : options_(options),
          run_dir_(options.text("run-dir")),
          notes_(run_dir_ + "/chaos"),
          environment_(stack::Environment::from_file(run_dir_ + "/env")),
          seed_(static_cast<std::uint64_t>(options.number("seed", 1))),
          began_(Steady::now()) {
        fs::remove_all(notes_);
        fs::create_directories(notes_);
    }

    int run() {
        say("seed " + std::to_string(seed_) + ", " + options_.text("minutes", "1") +
            " minutes, disk of PostgreSQL: " +
            (Victims(options_.text("script"), run_dir_).own_disk()
                 ? "a small file system of its own"
                 : "shared (limits on its processes stand in for a full and a slow disk)"));
        auto& shared = map_shared(notes_ + "/shared");
        Customers customers(
            environment_, shared,
            {.run_dir = run_dir_,
             .seed = seed_,
             .customers = static_cast<int>(options_.number("customers", 6)),
             .journeys_max = static_cast<int>(options_.number("chats", 0)),
             .patience_ms = options_.number("patience-ms", CustomerOptions{}.patience_ms),
             .chat_messages = static_cast<int>(options_.number("chat-messages", 0))});
        customers.open();
        customers.start();
        const pid_t killer = start_killer();
        const auto until = Steady::now() + milliseconds(run_ms());
        auto told = Steady::now();
        while (Steady::now() < until && !ended(killer) && !customers.done()) {
            std::this_thread::sleep_for(milliseconds(200));
            if (Steady::now() - told < kProgressEvery) continue;
            told = Steady::now();
            progress(customers);
        }
        shared.stop = 1;
        finish_killer(killer);
        say("the killer is gone and everything runs again; journeys under way come to their end");
        customers.finish();
        progress(customers);
        settle();
        check("check --chats " + notes_ + "/chats.jsonl");
        check_rebuild();
        return report(customers.tallies());
    }

private:
    std::int64_t run_ms() const {
        return static_cast<std::int64_t>(std::stod(options_.text("minutes", "1")) * 60'000);
    }
    bool as_json() const { return options_.text("o") == "json"; }
    void say(const std::string& words) const {
        const auto seconds =
            std::chrono::duration_cast<std::chrono::seconds>(Steady::now() - began_).count();
        (as_json() ? std::cerr : std::cout)
            << std::setw(5) << seconds << "s chaos        " << words << std::endl;
    }

    // ---- the killer
    pid_t start_killer() {
        const pid_t pid = fork();
        if (pid < 0) throw std::runtime_error("cannot start the killer");
        if (pid == 0) {
            std::vector<std::string> words{fs::read_symlink("/proc/self/exe").string(), "killer"};
            for (const auto* name :
                 {"script", "run-dir", "seed", "replicas", "rounds", "only", "pause-ms"})
                if (const auto value = options_.text(name); !value.empty()) {
                    words.push_back(std::string("--") + name);
                    words.push_back(value);
                }
            std::vector<char*> arguments;
            for (auto& word : words) arguments.push_back(word.data());
            arguments.push_back(nullptr);
            execv(arguments[0], arguments.data());
            _exit(127);
        }
        return pid;
    }
    bool ended(pid_t killer) {
        if (killer_ended_) return true;
        int status = 0;
        if (waitpid(killer, &status, WNOHANG) != killer) return false;
        killer_ended_ = true;
        if (status != 0) findings_.push_back("the killer failed: " + std::to_string(status));
        return true;
    }
    void finish_killer(pid_t killer) {
        while (!ended(killer)) std::this_thread::sleep_for(milliseconds(100));
    }

    // ---- afterwards
    void settle() {
        const auto limit = std::chrono::seconds(options_.number("settle-seconds", 180));
        const auto until = Steady::now() + limit;
        // Twice in a row, a while apart: what is done may still make something to do.
        int calm = 0;
        std::string open;
        while (calm < 2) {
            open = checker("settled").second;
            calm = open.empty() ? calm + 1 : 0;
            if (Steady::now() > until) {
                findings_.push_back("not settled after " + std::to_string(limit.count()) +
                                    " s: " + open);
                return;
            }
            std::this_thread::sleep_for(milliseconds(2000));
        }
        say("settled");
    }

    // flowstack-chaos-check, beside this program: its status and words.
    std::pair<int, std::string> checker(const std::string& arguments) const {
        const auto program =
            fs::read_symlink("/proc/self/exe").parent_path() / "flowstack-chaos-check";
        const auto line = "set -a; . '" + run_dir_ + "/env'; set +a; exec '" + program.string() +
                          "' " + arguments + " 2>&1";
        FILE* pipe = popen(line.c_str(), "r");
        if (!pipe) throw std::runtime_error("cannot start " + program.string());
        std::string out;
        char buffer[4096];
        for (std::size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
        const int status = pclose(pipe);
        while (!out.empty() && out.back() == '\n') out.pop_back();
        return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, out};
    }

    void check(const std::string& arguments) {
        const auto [status, words] = checker(arguments);
        boost::system::error_code wrong;
        const auto answer = json::parse(words, wrong);
        if (wrong || status > 1) {
            findings_.push_back("the checker failed: " + words);
            return;
        }
        for (const auto& each : answer.at("checks").as_array()) checks_.push_back(each);
        for (const auto* member : {"events", "record_lines", "unknown"})
            if (const auto* value = answer.as_object().if_contains(member)) facts_[member] = *value;
    }

    void check_rebuild() {
        if (options_.number("rebuild", 1) == 0) return;
        const Victims stack(options_.text("script"), run_dir_);
        const auto replicas = options_.number("replicas", 1);
        // A rebuild from the logs must give what the lists show. One service at a time, since a
        // rebuild asks the others for their events; between the two looks it writes nothing.
        for (const auto& service : stack::kServices) {
            for (int i = 0; i < replicas; ++i)
                stack.command("stop " + service + "-" + std::to_string(i));
            checker("documents " + service + " " + notes_ + "/documents.before");
            if (!stack.command("run " + service + " --rebuild"))
                findings_.push_back("the rebuild of " + service + " failed, see " + notes_ +
                                    "/commands.log");
            checker("documents " + service + " " + notes_ + "/documents.after");
            for (int i = 0; i < replicas; ++i)
                stack.command("start " + service + "-" + std::to_string(i));
        }
        check("compare " + notes_ + "/documents.before " + notes_ + "/documents.after");
    }

    // ---- words
    struct Rounds {
        std::map<std::string, std::array<std::int64_t, 3>> kinds;  // counted, void, kills
        std::int64_t counted = 0, empty = 0, kills = 0;
        std::vector<std::string> died;
    };
    Rounds rounds() const {
        Rounds all;
        std::ifstream file(notes_ + "/rounds.jsonl");
        for (std::string line; std::getline(file, line);) {
            boost::system::error_code wrong;
            const auto round = json::parse(line, wrong);
            if (wrong) continue;
            if (const auto* died = round.as_object().if_contains("died_by_itself")) {
                all.died.emplace_back(died->as_string());
                continue;
            }
            auto& kind = all.kinds[std::string(round.at("kind").as_string())];
            const bool counted = round.at("counted").as_bool();
            const auto kills = counted ? round.at("kills").as_int64() : 0;
            ++kind[counted ? 0 : 1];
            kind[2] += kills;
            ++(counted ? all.counted : all.empty);
            all.kills += kills;
        }
        return all;
    }

    void progress(const Customers& customers) const {
        std::int64_t begun = 0, ended = 0, short_of_end = 0;
        for (const auto& [kind, tally] : customers.tallies()) {
            begun += tally.begun;
            ended += tally.ended;
            short_of_end += tally.short_of_end;
        }
        const auto all = rounds();
        say(std::to_string(all.counted) + " rounds (" + std::to_string(all.empty) + " void), " +
            std::to_string(all.kills) + " kills; journeys: " + std::to_string(begun) + " begun, " +
            std::to_string(ended) + " ended, " + std::to_string(short_of_end) +
            " short of their end");
    }

    std::string again() const {
        return "./flowstack chaos --minutes " + options_.text("minutes", "1") + " --seed " +
               std::to_string(seed_) + " --replicas " + options_.text("replicas", "1");
    }

    int report(const std::map<std::string, Tally>& journeys) {
        const auto all = rounds();
        for (const auto& name : all.died)
            findings_.push_back(name + " ended by itself; see " + run_dir_ + "/log/" + name +
                                ".log");
        if (all.counted == 0) findings_.push_back("no round had work in flight: nothing is proven");
        bool right = findings_.empty();
        for (const auto& check : checks_) {
            right = right && check.at("findings").as_array().empty();
            // A check that looked at nothing proves nothing, so the report says so.
        }
        if (as_json())
            print_json(all, journeys, right);
        else
            print_table(all, journeys, right);
        return right ? 0 : 1;
    }

    void print_json(const Rounds& all, const std::map<std::string, Tally>& journeys, bool right) {
        json::object kinds, walks;
        for (const auto& [kind, n] : all.kinds)
            kinds[kind] = json::object{{"rounds", n[0]}, {"void", n[1]}, {"kills", n[2]}};
        for (const auto& [kind, n] : journeys)
            walks[kind] = json::object{
                {"begun", n.begun}, {"ended", n.ended}, {"short_of_end", n.short_of_end}};
        json::array more;
        for (const auto& finding : findings_) more.emplace_back(finding);
        json::object out{{"seed", seed_},
                         {"right", right},
                         {"rounds", all.counted},
                         {"void", all.empty},
                         {"kills", all.kills},
                         {"kinds", std::move(kinds)},
                         {"journeys", std::move(walks)},
                         {"facts", facts_},
                         {"checks", checks_},
                         {"findings", std::move(more)},
                         {"reproduce", again()}};
        std::cout << json::serialize(out) << std::endl;
    }

    void print_table(const Rounds& all, const std::map<std::string, Tally>& journeys,
                     bool right) const {
        std::cout << "\n  fault                                                rounds     void"
                     "    kills\n";
        for (const auto& [kind, n] : all.kinds) print_row(kind, {n[0], n[1], n[2]});
        print_row("all", {all.counted, all.empty, all.kills});
        print_journeys(journeys);
        print_checks(checks_);
        if (const auto* unknown = facts_.if_contains("unknown"))
            std::cout << "\n  listed UNKNOWN: " << unknown->as_array().size() << "\n";
        for (const auto& check : checks_)
            for (const auto& finding : check.at("findings").as_array())
                std::cout << "\n  FINDING (" << std::string(check.at("check").as_string()) << ") "
                          << std::string(finding.as_string());
        for (const auto& finding : findings_) std::cout << "\n  FINDING " << finding;
        std::cout << "\n  " << (right ? "all is right" : "something is wrong") << "; seed " << seed_
                  << "\n";
        if (!right)
            std::cout << "  again: " << again() << "\n  what happened: " << notes_
                      << "/rounds.jsonl, " << run_dir_ << "/log, " << run_dir_
                      << "/sandbox.jsonl\n";
        std::cout << std::flush;
    }

    const Options& options_;
    const std::string run_dir_;
    const std::string notes_;
    const stack::Environment environment_;
    const std::uint64_t seed_;
    const Steady::time_point began_;
    bool killer_ended_ = false;
    std::vector<std::string> findings_;
    json::array checks_;
    json::object facts_;
};

}  // namespace
}  // namespace flowstack::chaos

int main(int argc, char** argv) {
    using namespace flowstack::chaos;
    try {
        const auto options = parse_options(argc, argv);
        if (options.text("run-dir").empty() || options.text("script").empty())
            throw std::invalid_argument("--run-dir and --script are needed");
        if (options.verb == "killer") return run_killer(killer_options(options));
        if (options.verb == "run") return Campaign(options).run();
        throw std::invalid_argument("run or killer");
    } catch (const std::exception& error) {
        std::cerr << "flowstack-chaos: " << error.what() << "\n";
        return 2;
    }
}
