#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <iostream>

#include "common/crypto/encoding.h"
#include "common/rpc/error.h"
#include "flowstack/common/v1/event_log.pb.h"
#include "tools/flowctl/auditor.h"
#include "tools/flowctl/output.h"
#include "tools/stack/logs.h"

// audit verify: asks every service whether its log is what was written, reads the log itself, and
// compares.
namespace flowstack::flowctl {
namespace {

// A service reads the whole lane while we wait.
constexpr std::chrono::milliseconds kVerifyTimeout{15 * 60 * 1000};
constexpr std::size_t kDigestShown = 16;

struct Arguments {
    std::vector<std::string> services;
    std::string notebook;
    std::int64_t mark_every = 16;
    bool dry_run = false;
};

struct Finding {
    std::string service;
    std::string where;
    std::string kind;
    std::string subject;
    std::string detail;
};

std::string count_of(std::int64_t problems) {
    return std::to_string(problems) + (problems == 1 ? " problem" : " problems");
}

class Audit {
public:
    Audit(Context& context, const Arguments& arguments) : context_(context), arguments_(arguments) {
        if (!arguments.notebook.empty()) now_ = before_ = Notebook::read(arguments.notebook);
    }

    int run() {
        int away = 0;
        const auto services = arguments_.services.empty() ? stack::kServices : arguments_.services;
        for (const auto& service : services) {
            try {
                verify(service);
            } catch (const rpc::Failure& failure) {
                say("");
                std::cerr << "flowctl: " << service << ": " << failure.message << "\n";
                ++away;
            }
        }
        say("");
        report(away);
        if (!findings_.empty()) return kMismatch;
        if (away > 0) return away == static_cast<int>(services.size()) ? kUnavailable : kPartial;
        remember();
        return kOk;
    }

private:
    // Shows one line on a terminal, which the next one replaces.
    void say(const std::string& text) const {
        if (isatty(STDERR_FILENO)) std::cerr << "\r\x1b[K" << text << std::flush;
    }

    void verify(const std::string& service) {
        const auto lanes = static_cast<int>(stack::heads_of(context_.api(), service).size());
        for (int lane = 0; lane < lanes; ++lane) {
            say(service + ": lane " + std::to_string(lane) + " of " + std::to_string(lanes));
            verify_lane(service, lane);
        }
        say(service + ": claims, work and settings");
        const auto derived = context_.api().call<common::v1::VerifyDerivedResponse>(
            service, "common:EventLog/VerifyDerived", common::v1::VerifyDerivedRequest(),
            kVerifyTimeout);
        const auto found = take(service, derived.problems(), derived.more_problems());
        sheet_.add({service, "derived", std::to_string(derived.events()), "", "",
                    found == 0 ? "ok" : count_of(found),
                    std::to_string(derived.claims()) + " claims, " +
                        std::to_string(derived.work()) + " open works, " +
                        std::to_string(derived.settings()) + " settings changes"});
    }

    void verify_lane(const std::string& service, int lane) {
        common::v1::VerifyRequest request;
        request.set_lane(lane);
        const auto theirs = context_.api().call<common::v1::VerifyResponse>(
            service, "common:EventLog/Verify", request, kVerifyTimeout);
        auto found = take(service, theirs.problems(), theirs.more_problems());

        // Our own reading of the same stretch.
        LaneDigest ours(service, lane);
        const auto& marks = before_.of(service, lane);
        std::int64_t last_good = 0;
        bool changed = false;
        read(service, lane, theirs.to_position(), [&](const common::v1::RecordedEvent& event) {
            ours.add(event);
            if (ours.events() % arguments_.mark_every == 0)
                now_.note(service, lane, event.position(), ours.hex());
            const auto mark = marks.find(event.position());
            if (mark == marks.end() || changed) return;
            changed = mark->second != ours.hex();
            if (changed)
                found +=
                    add(service, lane, event.position(), "changed",
                        "something in " + std::to_string(last_good + 1) + ".." +
                            std::to_string(event.position()) + " is not what an earlier audit saw");
            last_good = event.position();
        });
        if (ours.events() > 0) now_.note(service, lane, ours.position(), ours.hex());
        for (const auto& problem : ours.problems())
            found += add(service, lane, 0, "reader", problem);
        // Both readers must have stepped over the same gaps, and people must know of them.
        bool same_gaps = theirs.given_up_size() == static_cast<int>(ours.given_up().size());
        for (int n = 0; same_gaps && n < theirs.given_up_size(); ++n)
            same_gaps =
                theirs.given_up(n).first() == ours.given_up()[static_cast<std::size_t>(n)].first &&
                theirs.given_up(n).last() == ours.given_up()[static_cast<std::size_t>(n)].last;
        if (!same_gaps)
            found += add(service, lane, 0, "gap",
                         "the service and our own reading find different positions given up");
        for (const auto& lost : ours.given_up())
            given_up_.push_back(service + "/" + std::to_string(lane) + ": " +
                                std::to_string(lost.first) + ".." + std::to_string(lost.last) +
                                " were declared lost at " + utc(lost.at_us) + " by " +
                                lost.principal + ": " + lost.reason);
        if (!marks.empty() && marks.rbegin()->first > ours.position())
            found += add(service, lane, marks.rbegin()->first, "changed",
                         "an earlier audit saw the lane up to here; it now ends at " +
                             std::to_string(ours.position()));
        const auto digest = crypto::hex_encode(theirs.digest());
        const bool same = digest == ours.hex() && theirs.events() == ours.events();
        if (!same)
            found += add(service, lane, theirs.to_position(), "digest",
                         "the service says " + digest + " over " + std::to_string(theirs.events()) +
                             " events, our own reading gives " + ours.hex() + " over " +
                             std::to_string(ours.events()));
        const std::string remembered =
            arguments_.notebook.empty() ? "" : std::to_string(marks.size()) + " marks compared";
        sheet_.add({service, std::to_string(lane), std::to_string(ours.events()),
                    ours.hex().substr(0, kDigestShown), same ? "same" : "DIFFERENT",
                    found == 0 ? "ok" : count_of(found), remembered});
    }

    template <class Each>
    void read(const std::string& service, int lane, std::int64_t to, Each each) {
        common::v1::ReadRequest request;
        request.set_lane(lane);
        request.set_to_position(to);
        for (std::int64_t next = to > 0 ? 1 : 0; next != 0;) {
            request.set_from_position(next);
            const auto page = context_.api().call<common::v1::ReadResponse>(
                service, "common:EventLog/Read", request);
            for (const auto& event : page.events()) each(event);
            next = page.next_position();
        }
    }

    int add(const std::string& service, int lane, std::int64_t position, const std::string& kind,
            const std::string& detail) {
        findings_.push_back(
            {service,
             std::to_string(lane) + (position ? "/" + std::to_string(position) : std::string()),
             kind, "", detail});
        return 1;
    }

    template <class Problems>
    std::int64_t take(const std::string& service, const Problems& problems, std::int64_t more) {
        for (const auto& p : problems)
            findings_.push_back({service,
                                 std::to_string(p.lane()) +
                                     (p.position() ? "/" + std::to_string(p.position()) : ""),
                                 p.kind(), p.subject(), p.detail()});
        if (more > 0)
            findings_.push_back({service, "", "more", "", std::to_string(more) + " more problems"});
        return problems.size() + more;
    }

    void report(int away) {
        Sheet problems({{"SERVICE"}, {"PLACE"}, {"PROBLEM"}, {"WHAT"}, {"DETAIL", false, true}});
        for (const auto& f : findings_)
            problems.add({f.service, f.where, f.kind, f.subject, f.detail});
        if (context_.format == Format::json) {
            // One document.
            std::cout << "{\"lanes\": ";
            write(std::cout, sheet_, Format::json);
            std::cout << ", \"problems\": ";
            write(std::cout, problems, Format::json);
            std::cout << "}\n";
        } else {
            print(sheet_, context_.format, "lanes");
            if (problems.size() != 0) {
                if (context_.format != Format::jsonl) std::cout << "\n";
                print(problems, context_.format, "problems");
            }
        }
        std::cout << std::flush;
        for (const auto& lost : given_up_) std::cerr << lost << "\n";
        if (findings_.empty() && away > 0)
            std::cerr << "nothing wrong was found, but not every service could be asked\n";
        else if (findings_.empty())
            std::cerr << "every log is what was written, and two readers agree\n";
        else
            std::cerr << findings_.size() << (findings_.size() == 1 ? " problem" : " problems")
                      << ": the logs are not what was written\n";
    }

    void remember() {
        if (arguments_.notebook.empty()) return;
        if (arguments_.dry_run) {
            std::cerr << arguments_.notebook << " is left as it is (dry run)\n";
            return;
        }
        now_.write(arguments_.notebook);
        std::cerr << now_.size() << " marks are in " << arguments_.notebook
                  << "; keep it where the database's administrators cannot change it\n";
    }

    Context& context_;
    const Arguments& arguments_;
    Notebook before_;
    Notebook now_;
    std::vector<Finding> findings_;
    std::vector<std::string> given_up_;
    Sheet sheet_{{{"SERVICE"},
                  {"LANE"},
                  {"EVENTS", true},
                  {"DIGEST"},
                  {"OWN READING"},
                  {"RESULT"},
                  {"COMPARED", false, true}}};
};

}  // namespace

void add_audit_commands(CLI::App& app, Context& context) {
    auto* audit =
        app.add_subcommand("audit", "are the logs what was written, and who has changed what");
    audit->require_subcommand(1);
    audit->fallthrough();
    const auto a = std::make_shared<Arguments>();
    auto* verify = audit->add_subcommand(
        "verify",
        "positions, versions, heads, times, claims and work of every lane; digests read twice by "
        "two readers. Exit code 3 if anything differs");
    verify->add_option("-s,--service", a->services, "only of this service")
        ->check(CLI::IsMember(stack::kServices))
        ->option_text("SERVICE ...");
    verify
        ->add_option("--notebook", a->notebook,
                     "file with what the last audit saw: compared, then replaced. Finds payloads "
                     "that were exchanged since")
        ->option_text("FILE");
    verify
        ->add_option("--mark-every", a->mark_every,
                     "events from one mark of the notebook to the next: the closer, the better a "
                     "change is located")
        ->check(CLI::PositiveNumber)
        ->option_text("N [16]");
    verify->add_flag("--dry-run", a->dry_run, "leave the notebook as it is");
    verify->callback(
        [&context, a] { context.run = [&context, a] { return Audit(context, *a).run(); }; });
    add_operators_command(*audit, context);
}

}  // namespace flowstack::flowctl
