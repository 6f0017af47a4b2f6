#include "tools/chaos/killer.h"

#include <signal.h>

#include <boost/json.hpp>
#include <chrono>
#include <fstream>
#include <functional>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "tools/chaos/shared.h"
#include "tools/chaos/victims.h"
#include "tools/stack/environment.h"
#include "tools/stack/sandbox.h"

namespace flowstack::chaos {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

// A round waits so long for something to be in flight, and is void then.
constexpr milliseconds kInFlightWait{3000};
constexpr int kPicks = 20;

struct Round {
    std::string kind;
    std::string target;
    int kills = 0;  // processes that got SIGKILL
    bool hit = true;
};

class Killer {
public:
    explicit Killer(const KillerOptions& options)
        : options_(options),
          victims_(options.script, options.run_dir),
          shared_(map_shared(options.run_dir + "/chaos/shared")),
          random_(options.seed * 2'654'435'761u + 17),
          sandbox_(stack::Environment::from_file(options.run_dir + "/env")),
          rounds_(options.run_dir + "/chaos/rounds.jsonl", std::ios::app) {
        for (const auto& service : stack::kServices)
            for (int i = 0; i < options.replicas; ++i)
                services_.push_back(service + "-" + std::to_string(i));
        list_kinds();
    }

    int run() {
        std::vector<double> weights;
        for (const auto& kind : kinds_) weights.push_back(kind.weight);
        std::discrete_distribution<std::size_t> choose(weights.begin(), weights.end());
        for (int n = 0; !stopped() && (options_.rounds_max == 0 || n < options_.rounds_max); ++n) {
            const auto& kind = kinds_[choose(random_)];
            Round round{.kind = kind.name};
            round.target = kind.of_service ? any_service() : kind.target;
            const bool in_flight = await_work(round.target);
            const auto began = Steady::now();
            if (in_flight) {
                try {
                    kind.strike(round);
                } catch (const std::exception& error) {  // the sandbox did not take a fault
                    round.hit = false;
                    round.target += std::string(": ") + error.what();
                }
                heal();
            }
            note(n, round, in_flight && round.hit,
                 std::chrono::duration_cast<milliseconds>(Steady::now() - began));
            rest(below(2 * options_.pause_ms + 1));
        }
        heal();
        sandbox_.remove("/control/faults");
        return 0;
    }

private:
    struct Kind {
        std::string name;
        std::string target;
        bool of_service = false;
        double weight = 1;
        std::function<void(Round&)> strike;
    };

    bool stopped() const { return shared_.stop.load() != 0; }
    std::int64_t below(std::int64_t n) {
        return std::uniform_int_distribution<std::int64_t>(0, n - 1)(random_);
    }
    std::int64_t between(std::int64_t low, std::int64_t high) {
        return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
    }
    bool coin() { return below(2) == 0; }
    static void rest(std::int64_t ms) { std::this_thread::sleep_for(milliseconds(ms)); }

    // How much must be under way for a strike at this process to mean anything.
    std::int64_t in_flight_of(const std::string& target) const {
        if (target.starts_with("payment") || target == "daraja") return shared_.paying.load();
        if (target.starts_with("campaign")) return shared_.broadcasting.load();
        return shared_.waiting.load() + shared_.paying.load();
    }
    // Prefers a service that has something to do.
    std::string any_service() {
        std::string service;
        for (int i = 0; i < kPicks; ++i) {
            service = services_[below(static_cast<std::int64_t>(services_.size()))];
            if (in_flight_of(service) > 0) break;
        }
        return service;
    }
    // True in the middle of something: after a random moment there is still work.
    bool await_work(const std::string& target) {
        const auto until = Steady::now() + kInFlightWait;
        while (Steady::now() < until && !stopped()) {
            if (in_flight_of(target) > 0) {
                rest(below(150));
                if (in_flight_of(target) > 0) return true;
            }
            rest(20);
        }
        return false;
    }

    void list_kinds() {
        const auto add = [&](std::string name, std::string target, double weight,
                             std::function<void(Round&)> strike) {
            if (!options_.only.empty() &&
                ("," + options_.only + ",").find("," + name + ",") == std::string::npos)
                return;
            const bool of_service = target == "service";
            kinds_.push_back(
                {std::move(name), std::move(target), of_service, weight, std::move(strike)});
        };
        add("kill service", "service", 30, [&](Round& round) { kill_service(round); });
        add("kill two services", "service", 6, [&](Round& round) {
            const auto other = services_[below(services_.size())];
            if (other != round.target && victims_.kill(other)) ++round.kills;
            kill_service(round);
            if (other != round.target) round.target += " " + other;
            victims_.start(other);
        });
        add("freeze service", "service", 8, [&](Round& round) {
            round.hit = victims_.signal(round.target, SIGSTOP);
            rest(between(300, 6000));
            victims_.signal(round.target, SIGCONT);
        });
        add("freeze kafka", "kafka", 3, [&](Round& round) {
            round.hit = victims_.signal("kafka", SIGSTOP);
            rest(between(500, 8000));
            victims_.signal("kafka", SIGCONT);
        });
        add("kill kafka", "kafka", 4, [&](Round& round) {
            round.hit = victims_.kill("kafka");
            round.kills += round.hit;
            rest(coin() ? 0 : between(500, 4000));
            victims_.start("kafka");
        });
        add("restart kafka", "kafka", 2,
            [&](Round& round) { round.hit = victims_.command("kafka restart"); });
        add("wipe kafka", "kafka", 3, [&](Round& round) {
            round.hit = victims_.command("kafka wipe");
            ++round.kills;
            rest(coin() ? 0 : between(500, 3000));
            victims_.start("kafka");
        });
        add("kill postgres", "postgres", 5, [&](Round& round) {
            round.hit = victims_.kill("postgres");
            round.kills += round.hit;
            rest(coin() ? 0 : between(500, 4000));
            victims_.start("postgres");
        });
        add("restart postgres", "postgres", 3,
            [&](Round& round) { round.hit = victims_.command("postgres restart"); });
        add("slow disk", "postgres", 4, [&](Round&) {
            const auto until = Steady::now() + milliseconds(between(2000, 6000));
            while (Steady::now() < until) {
                victims_.freeze_disk();
                rest(between(20, 800));
                victims_.thaw_disk();
                rest(between(10, 150));
            }
        });
        add("full disk", "postgres", 4, [&](Round&) {
            victims_.fill_disk();
            rest(between(1000, 5000));
            victims_.free_disk();
        });
        list_provider_kinds(add);
        if (kinds_.empty()) throw std::runtime_error("no kind of fault is called " + options_.only);
    }

    template <class Add>
    void list_provider_kinds(const Add& add) {
        const auto fault = [&](const char* provider, const char* call, json::object effect) {
            sandbox_.post("/control/faults", json::object{{"provider", provider},
                                                          {"call", call},
                                                          {"times", between(1, 6)},
                                                          {"effect", std::move(effect)}});
        };
        const auto send = [=](json::object effect) {
            fault("meta", "messages", std::move(effect));
        };
        const auto push = [=](json::object effect) {
            fault("daraja", "stkpush", std::move(effect));
        };
        add("freeze provider", "sandbox", 2, [&](Round& round) {
            round.hit = victims_.signal("sandbox", SIGSTOP);
            rest(between(300, 4000));
            victims_.signal("sandbox", SIGCONT);
        });
        add("late answers", "sandbox", 3, [=, this](Round&) {
            send({{"latency_ms", between(200, 5000)}});
            push({{"latency_ms", between(200, 5000)}});
        });
        add("provider errors", "sandbox", 3, [=, this](Round&) {
            if (coin())
                send({{"error", {{"code", 131016}, {"http", 503}, {"message", "unavailable"}}}});
            else
                send({{"error", {{"http", 502}, {"body", "<html>Bad gateway</html>"}}}});
            push({{"error",
                   {{"code", "500.003.02"}, {"http", 500}, {"message", "System is busy"}}}});
        });
        add("cut after acceptance", "sandbox", 3, [=, this](Round&) {
            send({{"cut", "after"}});
            if (coin()) push({{"cut", "after"}});
        });
        add("cut before acceptance", "sandbox", 2, [=](Round&) { send({{"cut", "before"}}); });
        add("statuses twice, reversed, late, early or lost", "sandbox", 4, [=, this](Round&) {
            json::object statuses;
            if (coin()) statuses["duplicates"] = between(1, 3);
            if (coin()) statuses["reverse"] = true;
            if (coin()) statuses["delay_ms"] = between(200, 4000);
            if (below(4) == 0) statuses["before_answer"] = true;
            if (below(4) == 0) statuses["lose"] = true;
            send({{"statuses", std::move(statuses)}});
        });
        add("callbacks twice, late, early or lost", "daraja", 4, [=, this](Round&) {
            json::object callback;
            if (coin()) callback["duplicates"] = between(1, 3);
            if (coin()) callback["delay_ms"] = between(200, 6000);
            if (below(5) == 0) callback["before_answer"] = true;
            if (below(3) == 0) callback["lose"] = true;
            push({{"callback", std::move(callback)}});
        });
    }

    void kill_service(Round& round) {
        round.hit = victims_.kill(round.target);
        round.kills += round.hit;
        rest(coin() ? 0 : between(200, 5000));
        victims_.start(round.target);
    }

    // Starts everything again. A process that is dead and was not killed here died by itself, which
    // is a finding.
    void heal() {
        victims_.thaw_disk();
        victims_.free_disk();
        for (const auto* server : {"postgres", "kafka"}) victims_.start(server);
        for (const auto& service : services_) {
            victims_.signal(service, SIGCONT);
            if (victims_.alive(service)) continue;
            line({{"died_by_itself", service}});
            victims_.start(service);
        }
    }

    void note(int n, const Round& round, bool counted, milliseconds took) {
        line({{"round", n},
              {"kind", round.kind},
              {"target", round.target},
              {"kills", round.kills},
              {"counted", counted},
              {"took_ms", took.count()},
              {"at_ms", std::chrono::duration_cast<milliseconds>(
                            std::chrono::system_clock::now().time_since_epoch())
                            .count()}});
    }
    void line(json::object what) { rounds_ << json::serialize(what) << "\n" << std::flush; }

    const KillerOptions options_;
    Victims victims_;
    Shared& shared_;
    std::mt19937_64 random_;
    stack::Sandbox sandbox_;
    std::ofstream rounds_;
    std::vector<std::string> services_;
    std::vector<Kind> kinds_;
};

}  // namespace

int run_killer(const KillerOptions& options) { return Killer(options).run(); }

}  // namespace flowstack::chaos
