#include "common/observability/log.h"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "common/core/overloaded.h"
#include "common/observability/trace.h"
#include "common/text/json_string.h"

namespace flowstack::log {
namespace {

constexpr std::size_t kWaitingLinesMax = 8192;
constexpr std::size_t kPhoneDigitsMin = 10;
constexpr std::size_t kPhoneDigitsAfterPlusMin = 8;
constexpr std::size_t kPhoneDigitsMax = 15;  // E.164
constexpr std::chrono::milliseconds kFlushWait{1000};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// A sink whose flushes can be waited for: the queue is in order, so a flush that has come through
// means that every line before it has.
class CountingStderr final : public spdlog::sinks::stderr_sink_mt {
public:
    void flush() override {
        spdlog::sinks::stderr_sink_mt::flush();
        {
            const std::lock_guard lock(count_mutex_);
            ++flushes_;
        }
        grown_.notify_all();
    }

    bool wait_for(std::uint64_t count, std::chrono::milliseconds at_most) {
        std::unique_lock lock(count_mutex_);
        return grown_.wait_for(lock, at_most, [&] { return flushes_ >= count; });
    }

    std::uint64_t flushes() {
        const std::lock_guard lock(count_mutex_);
        return flushes_;
    }

private:
    std::mutex count_mutex_;
    std::condition_variable grown_;
    std::uint64_t flushes_ = 0;
};

// The writer's thread often begins before Lifecycle blocks the signals it waits for. A signal that
// one thread does not block is delivered there, and ends the process instead of draining it.
std::shared_ptr<spdlog::details::thread_pool> pool_without_signals() {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    auto pool = std::make_shared<spdlog::details::thread_pool>(kWaitingLinesMax, 1);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return pool;
}

// The one place with process-wide state: lines come from everywhere, also while main unwinds.
struct Journal {
    Journal()
        : sink(std::make_shared<CountingStderr>()),
          pool(pool_without_signals()),
          logger(std::make_shared<spdlog::async_logger>(
              "flowstack", sink, pool, spdlog::async_overflow_policy::overrun_oldest)) {
        logger->set_pattern("%v");
        logger->set_level(spdlog::level::trace);
    }

    std::shared_ptr<CountingStderr> sink;
    std::shared_ptr<spdlog::details::thread_pool> pool;
    std::shared_ptr<spdlog::async_logger> logger;
    std::atomic<Level> level{Level::info};
    std::atomic<bool> redirected{false};
    std::atomic<std::shared_ptr<const Options>> options{std::make_shared<const Options>()};
    std::mutex mutex;
    std::function<void(std::string_view)> other;  // under `mutex`
    std::uint64_t flushes_asked = 0;              // under `mutex`
    std::atomic<std::size_t> lost_reported{0};
};

Journal& journal() {
    // Never destroyed: threads may log until the very end of the process.
    static auto* const one = new Journal;
    return *one;
}

std::string_view name_of(Level level) {
    switch (level) {
        case Level::debug:
            return "debug";
        case Level::info:
            return "info";
        case Level::warn:
            return "warn";
        case Level::error:
            return "error";
    }
    return "error";
}

template <class Number>
void append_number(std::string& line, Number number) {
    std::array<char, 32> digits{};
    const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
    line.append(digits.data(), end);
}

// Whether a number could be somebody's phone number; a field with a unit in its name holds none.
bool phone_like(std::string_view key, std::uint64_t number) {
    for (const std::string_view unit :
         {"_ms", "_us", "_micros", "_seconds", "_bytes", "_at", "position", "_minor"}) {
        if (key.ends_with(unit)) return false;
    }
    return number >= 10'000'000'000 && number <= 999'999'999'999'999;  // 11 to 15 digits
}

void append_value(std::string& line, std::string_view key, const Value& value) {
    std::visit(
        Overloaded{
            [&](const std::string& text) { text::append_json_string(line, without_phones(text)); },
            [&](bool yes) { line += yes ? "true" : "false"; },
            [&](double number) {
                if (std::isfinite(number)) {
                    append_number(line, number);
                } else {
                    line += "null";  // JSON has no infinities
                }
            },
            [&](std::int64_t number) {
                if (number > 0 && phone_like(key, static_cast<std::uint64_t>(number))) {
                    text::append_json_string(line, masked_phone(std::to_string(number)));
                } else {
                    append_number(line, number);
                }
            },
            [&](std::uint64_t number) {
                if (phone_like(key, number)) {
                    text::append_json_string(line, masked_phone(std::to_string(number)));
                } else {
                    append_number(line, number);
                }
            },
            [&](const Uuid& id) { text::append_json_string(line, id.text()); },
            [&](Time at) { text::append_json_string(line, to_rfc3339(at)); },
        },
        value.get());
}

// A field must not hide what every line has.
bool is_reserved(std::string_view key) {
    for (const std::string_view name :
         {"time", "level", "service", "replica", "message", "trace_id"}) {
        if (key == name) return true;
    }
    return false;
}

std::string render(Level level, const Options& options, std::string_view message, Fields fields) {
    const auto now =
        std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
    std::string line;
    line.reserve(256);
    line += R"({"time":)";
    text::append_json_string(line, to_rfc3339(now));
    line += R"(,"level":")";
    line += name_of(level);
    line += '"';
    if (!options.service.empty()) {
        line += R"(,"service":)";
        text::append_json_string(line, options.service);
        line += R"(,"replica":)";
        text::append_json_string(line, options.replica);
    }
    line += R"(,"message":)";
    text::append_json_string(line, without_phones(message));
    if (const auto& context = trace::current(); context.valid()) {
        line += R"(,"trace_id":")";
        line += context.trace_id_text();
        line += '"';
    }
    for (const auto& [key, value] : fields) {
        line += ',';
        text::append_json_string(line,
                                 is_reserved(key) ? std::string{key} + '_' : std::string{key});
        line += ':';
        append_value(line, key, value);
    }
    line += '}';
    return line;
}

void write(Level level, std::string_view message, Fields fields) {
    if (!enabled(level)) return;
    auto& log = journal();
    const std::string line = render(level, *log.options.load(), message, fields);
    if (log.redirected) {
        const std::lock_guard lock(log.mutex);
        if (log.other) return log.other(line);
    }
    log.logger->log(spdlog::level::info, spdlog::string_view_t{line.data(), line.size()});
    // The first thread that notices a loss reports it, once for each time it grew.
    const std::size_t lost = log.pool->overrun_counter();
    std::size_t reported = log.lost_reported.load();
    if (lost > reported && log.lost_reported.compare_exchange_strong(reported, lost)) {
        warn("log lines were lost: stderr is slower than we are",
             {{"lost_lines", lost - reported}});
    }
}

}  // namespace

void configure(Options options) {
    auto& log = journal();
    log.level = options.level;
    log.options = std::make_shared<const Options>(std::move(options));
}

bool enabled(Level level) { return level >= journal().level.load(std::memory_order_relaxed); }

void debug(std::string_view message, Fields fields) { write(Level::debug, message, fields); }
void info(std::string_view message, Fields fields) { write(Level::info, message, fields); }
void warn(std::string_view message, Fields fields) { write(Level::warn, message, fields); }
void error(std::string_view message, Fields fields) { write(Level::error, message, fields); }

void flush() {
    auto& log = journal();
    const std::lock_guard lock(log.mutex);
    const auto ours = ++log.flushes_asked;
    log.logger->flush();
    if (!log.sink->wait_for(ours, kFlushWait)) {
        log.flushes_asked = log.sink->flushes();  // the request was overrun, or stderr hangs
    }
}

Level parse_level(std::string_view name) {
    std::string lower;
    for (const char c : name) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    for (const Level level : {Level::debug, Level::info, Level::warn, Level::error}) {
        if (name_of(level) == lower) return level;
    }
    throw std::invalid_argument("a log level is debug, info, warn or error, not \"" +
                                std::string{name} + "\"");
}

std::string masked_phone(std::string_view phone) {
    constexpr std::size_t kShownFirst = 4;
    constexpr std::size_t kShownLast = 3;
    std::size_t digits = 0;
    for (const char c : phone) digits += is_digit(c) ? 1 : 0;
    // At least three digits stay hidden, so less of a short number is shown.
    const bool is_short = digits < kShownFirst + kShownLast + 3;
    const std::size_t first = is_short ? (digits > 5 ? 1 : 0) : kShownFirst;
    const std::size_t last = is_short ? std::min<std::size_t>(2, digits / 2) : kShownLast;
    std::string masked;
    std::size_t seen = 0;
    for (const char c : phone) {
        if (!is_digit(c)) {
            masked += c;
            continue;
        }
        masked += seen < first || seen + last >= digits ? c : '*';
        ++seen;
    }
    return masked;
}

std::string without_phones(std::string_view text) {
    std::string masked;
    std::size_t at = 0;
    const auto alone = [&](std::size_t i) {
        return i >= text.size() || !(is_letter(text[i]) || is_digit(text[i]));
    };
    while (at < text.size()) {
        // Step over ids whole: their last group may be all digits.
        constexpr std::size_t kUuid = 36;
        if (text.size() - at >= kUuid && text[at + 8] == '-' &&
            Uuid::parse(text.substr(at, kUuid)) && alone(at + kUuid)) {
            masked += text.substr(at, kUuid);
            at += kUuid;
            continue;
        }
        std::size_t end = at;
        while (end < text.size() && (is_digit(text[end]) || is_letter(text[end]))) ++end;
        if (end == at) {
            masked += text[at++];
            continue;
        }
        const auto word = text.substr(at, end - at);
        const bool digits_only = word.find_first_not_of("0123456789") == std::string_view::npos;
        const bool after_plus = at > 0 && text[at - 1] == '+';
        const bool decimal = (at > 1 && text[at - 1] == '.' && is_digit(text[at - 2])) ||
                             (end + 1 < text.size() && text[end] == '.' && is_digit(text[end + 1]));
        const auto least = after_plus ? kPhoneDigitsAfterPlusMin : kPhoneDigitsMin;
        if (digits_only && !decimal && word.size() >= least && word.size() <= kPhoneDigitsMax) {
            masked += masked_phone(word);
        } else {
            masked += word;
        }
        at = end;
    }
    return masked;
}

void redirect(std::function<void(std::string_view line)> sink) {
    auto& log = journal();
    const std::lock_guard lock(log.mutex);
    log.redirected = static_cast<bool>(sink);
    log.other = std::move(sink);
}

}  // namespace flowstack::log
