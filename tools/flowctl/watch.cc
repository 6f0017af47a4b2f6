#include "tools/flowctl/watch.h"

#include <unistd.h>

#include <csignal>
#include <ctime>
#include <iostream>
#include <set>
#include <sstream>
#include <thread>

#include "tools/flowctl/output.h"

namespace flowstack::flowctl {
namespace {

volatile std::sig_atomic_t watch_interrupted = 0;

constexpr std::chrono::milliseconds kWatchPollInterval{50};
// Cursor to the first line, and everything below it away.
constexpr const char* kClearScreen = "\033[H\033[2J";

// What a stream was given while this lives.
class Captured {
public:
    explicit Captured(std::ostream& stream)
        : stream_(stream), before_(stream.rdbuf(text_.rdbuf())) {}
    ~Captured() { stream_.rdbuf(before_); }
    Captured(const Captured&) = delete;
    Captured& operator=(const Captured&) = delete;
    std::string text() const { return text_.str(); }

private:
    std::ostringstream text_;
    std::ostream& stream_;
    std::streambuf* before_;
};

struct Look {
    int code = kOk;
    std::string out;
    std::string err;
};

Look look_once(const std::function<int()>& run) {
    const Captured out(std::cout);
    const Captured err(std::cerr);
    const int code = guarded(run);
    return {code, out.text(), err.text()};
}

// The lines of `now` that `before` has not.
std::string new_lines(const std::string& before, const std::string& now) {
    std::set<std::string> known;
    std::istringstream old(before), lines(now);
    for (std::string line; std::getline(old, line);) known.insert(line);
    std::string added;
    for (std::string line; std::getline(lines, line);)
        if (!known.contains(line)) added += line + "\n";
    return added;
}

void append(Format format, const Look& before, const Look& now) {
    if (now.err != before.err) std::cerr << now.err << std::flush;
    if (now.code != kOk || now.out == before.out) return;
    std::cout << (format == Format::jsonl ? new_lines(before.out, now.out) : now.out) << std::flush;
}

void wait(std::chrono::seconds every) {
    const auto until = std::chrono::steady_clock::now() + every;
    while (!watch_interrupted && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(kWatchPollInterval);
}

}  // namespace

int watched(Format format, const std::function<int()>& run, std::chrono::seconds every) {
    watch_interrupted = 0;
    std::signal(SIGINT, [](int) { watch_interrupted = 1; });
    std::signal(SIGTERM, [](int) { watch_interrupted = 1; });
    const bool screen = isatty(STDOUT_FILENO) != 0;
    Look before;
    for (bool first = true; !watch_interrupted; first = false) {
        auto now = look_once(run);
        const bool ends = now.code != kOk && (first || now.code != kUnavailable);
        if (screen && !ends)
            std::cout << kClearScreen << utc_seconds(std::time(nullptr)) << " UTC, every "
                      << every.count() << " s, Ctrl-C ends\n\n"
                      << now.out << now.err << std::flush;
        else
            append(format, before, now);
        if (ends) return now.code;
        // What could not be read is no answer to compare the next one with.
        if (now.code != kOk) now.out = before.out;
        before = std::move(now);
        wait(every);
    }
    return kInterrupted;
}

}  // namespace flowstack::flowctl
