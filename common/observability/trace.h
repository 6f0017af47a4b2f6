#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

// W3C trace context (https://www.w3.org/TR/trace-context/): the `traceparent` header of HTTP, gRPC
// metadata and Kafka, and the field of that name in the event envelope. We carry it and log it;
// span.h records what happened under it.
namespace flowstack::trace {

inline constexpr std::string_view kHeader = "traceparent";

struct Context {
    std::array<std::uint8_t, 16> trace_id{};
    std::array<std::uint8_t, 8> span_id{};
    bool sampled = true;

    bool operator==(const Context&) const = default;
    bool valid() const;  // neither id is all zeros

    std::string traceparent() const;    // "00-<32 hex>-<16 hex>-01"; empty if not valid
    std::string trace_id_text() const;  // 32 hex digits; empty if not valid
};

// Two lower-case digits a byte.
std::string hex_text(std::span<const std::uint8_t> bytes);

// Nothing unless it is version 00, or a later version that begins like it, in lower-case hex.
std::optional<Context> parse(std::string_view traceparent);

// A new trace with random ids. It is sampled unless whoever takes spans says otherwise (span.h).
Context start();
// The same trace with a new span; start() when the parent is not valid.
Context child_of(const Context& parent);
// The trace that arrived with a new span, or a new trace when nothing usable arrived.
Context continue_from(std::string_view traceparent);

// What a request is worked on under: the span that was begun for it, which is current then, or
// continue_from() what arrived with it.
Context of_request(std::string_view traceparent);

// The context of the work this thread is doing; not valid if there is none.
const Context& current();

// Makes `context` current in this thread until the scope ends.
class Scope {
public:
    explicit Scope(const Context& context);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

private:
    Context before_;
};

}  // namespace flowstack::trace
