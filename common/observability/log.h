#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "common/core/time.h"
#include "common/core/uuid.h"

// One JSON object a line on stderr:
//   {"time":"…Z","level":"info","service":"payment","replica":"0","message":"…","trace_id":"…",
//    "intent":"018f…","wait_ms":30000}
//
//   log::info("push accepted", {{"intent", id}, {"wait_ms", 30000}});
//
// Thread-safe. A line is rendered by its caller and written by one thread behind a bounded queue;
// when stderr is slower than we are, the oldest waiting lines give way and the loss is logged.
// The message is a constant sentence; whatever varies is a field, named in snake_case.
namespace flowstack::log {

enum class Level { debug, info, warn, error };

// What a field may hold. A Secret is none of these and does not compile.
class Value {
public:
    Value(std::string_view text) : value_(std::string(text)) {}
    Value(const char* text) : value_(std::string(text)) {}
    Value(std::string text) : value_(std::move(text)) {}
    Value(std::same_as<bool> auto yes) : value_(yes) {}
    Value(double number) : value_(number) {}
    template <std::integral T>
        requires(!std::same_as<T, bool>)
    Value(T number) {
        if constexpr (std::unsigned_integral<T>) {
            value_ = static_cast<std::uint64_t>(number);
        } else {
            value_ = static_cast<std::int64_t>(number);
        }
    }
    Value(const Uuid& id) : value_(id) {}
    Value(Time at) : value_(at) {}

    const auto& get() const { return value_; }

private:
    std::variant<std::string, std::int64_t, std::uint64_t, double, bool, Uuid, Time> value_;
};

struct Field {
    std::string_view key;
    Value value;
};
using Fields = std::initializer_list<Field>;

struct Options {
    std::string service;
    std::string replica;
    Level level = Level::info;
};

// Call it once, early in main. Lines before it name no service.
void configure(Options options);

void debug(std::string_view message, Fields fields = {});
void info(std::string_view message, Fields fields = {});
void warn(std::string_view message, Fields fields = {});
void error(std::string_view message, Fields fields = {});
bool enabled(Level level);

// Waits (at most a second) until what was logged so far is written. Call it at the end of main and
// before an abrupt exit.
void flush();

// "info" in either case; the names are debug, info, warn, error.
// Throws std::invalid_argument for any other.
Level parse_level(std::string_view name);

// "+254712345678" -> "+2547*****678". A phone number is logged in this form only.
std::string masked_phone(std::string_view phone);

// The last line of defence, applied to every message and field: digit runs that could be a phone
// number (10 to 15 digits standing alone, from 8 after a '+') are masked. Ids in the UUID form are
// left alone.
std::string without_phones(std::string_view text);

// Lines go to `sink` instead, in the caller's thread; an empty one gives them back to stderr.
// For tests.
void redirect(std::function<void(std::string_view line)> sink);

}  // namespace flowstack::log
