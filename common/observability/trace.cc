#include "common/observability/trace.h"

#include <algorithm>
#include <random>
#include <span>

#include "common/observability/span.h"

namespace flowstack::trace {
namespace {

thread_local Context current_context;

bool any_set(std::span<const std::uint8_t> bytes) {
    return std::ranges::any_of(bytes, [](std::uint8_t byte) { return byte != 0; });
}

int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;  // upper case is forbidden by the standard
    return -1;
}

bool read_hex(std::string_view text, std::span<std::uint8_t> into) {
    for (std::size_t i = 0; i < into.size(); ++i) {
        const int high = digit_of(text[2 * i]);
        const int low = digit_of(text[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        into[i] = static_cast<std::uint8_t>(high * 16 + low);
    }
    return true;
}

// Trace ids need to be unlike each other, not secret: a generator a thread, seeded by the system.
void fill_random(std::span<std::uint8_t> bytes) {
    thread_local std::mt19937_64 generator = [] {
        std::random_device device;
        std::seed_seq seed{device(), device(), device(), device()};
        return std::mt19937_64{seed};
    }();
    do {
        for (std::size_t i = 0; i < bytes.size(); i += 8) {
            const auto word = generator();
            for (std::size_t j = 0; j < 8 && i + j < bytes.size(); ++j) {
                bytes[i + j] = static_cast<std::uint8_t>(word >> (8 * j));
            }
        }
    } while (!any_set(bytes));
}

}  // namespace

std::string hex_text(std::span<const std::uint8_t> bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const auto byte : bytes) {
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15];
    }
    return text;
}

bool Context::valid() const { return any_set(trace_id) && any_set(span_id); }

std::string Context::traceparent() const {
    if (!valid()) return {};
    return "00-" + hex_text(trace_id) + "-" + hex_text(span_id) + (sampled ? "-01" : "-00");
}

std::string Context::trace_id_text() const { return valid() ? hex_text(trace_id) : std::string{}; }

std::optional<Context> parse(std::string_view traceparent) {
    constexpr std::size_t kLength = 55;  // of version 00; later versions may go on after a dash
    if (traceparent.size() < kLength) return std::nullopt;
    std::array<std::uint8_t, 1> version{};
    std::array<std::uint8_t, 1> flags{};
    Context context;
    if (traceparent[2] != '-' || traceparent[35] != '-' || traceparent[52] != '-' ||
        !read_hex(traceparent.substr(0), version) ||
        !read_hex(traceparent.substr(3), context.trace_id) ||
        !read_hex(traceparent.substr(36), context.span_id) ||
        !read_hex(traceparent.substr(53), flags)) {
        return std::nullopt;
    }
    if (version[0] == 0xff || !context.valid()) return std::nullopt;
    if (traceparent.size() > kLength && (version[0] == 0 || traceparent[kLength] != '-')) {
        return std::nullopt;
    }
    context.sampled = (flags[0] & 1) != 0;
    return context;
}

Context start() {
    Context context;
    fill_random(context.trace_id);
    fill_random(context.span_id);
    context.sampled = samples(context.trace_id);
    return context;
}

Context child_of(const Context& parent) {
    if (!parent.valid()) return start();
    Context child = parent;
    fill_random(child.span_id);
    return child;
}

Context continue_from(std::string_view traceparent) {
    const auto parent = parse(traceparent);
    return parent ? child_of(*parent) : start();
}

Context of_request(std::string_view traceparent) {
    return current_context.valid() ? current_context : continue_from(traceparent);
}

const Context& current() { return current_context; }

Scope::Scope(const Context& context) : before_(current_context) { current_context = context; }
Scope::~Scope() { current_context = before_; }

}  // namespace flowstack::trace
