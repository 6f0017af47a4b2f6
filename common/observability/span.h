#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/observability/trace.h"

// What a trace is made of: pieces of work with a beginning, an end and the piece that asked for it.
//
//   auto span = trace::Span::begin(trace::SpanKind::client, "POST", trace::current());
//   span.set("server.address", host);
//   …
//   span.fail("timeout");  // if it did
//   span.end();
//
// Nothing is recorded while nobody takes spans: then begin() is a branch, and so is every other
// call. Names and attributes follow OpenTelemetry's semantic conventions. A name has few values,
// and neither holds a telephone number, a text or a secret: no paths of requests, no keys.
namespace flowstack::trace {

enum class SpanKind { internal = 1, server, client, producer, consumer };  // OTLP's numbers

struct Attribute {
    std::string_view key;  // a literal
    std::variant<std::string, std::int64_t> value;
};

// A longer text is cut off, what comes after so many attributes is left out.
inline constexpr std::size_t kAttributeBytesMax = 256;
inline constexpr std::size_t kAttributesMax = 32;

struct SpanData {
    Context context;
    std::array<std::uint8_t, 8> parent{};  // zeros: the first of its trace
    SpanKind kind = SpanKind::internal;
    std::string name;
    std::chrono::system_clock::time_point begun_at;
    std::chrono::nanoseconds took{};
    std::vector<Attribute> attributes;
    bool failed = false;
};

// Who takes spans: otlp_exporter.h, or a test.
class SpanSink {
public:
    virtual ~SpanSink() = default;
    // Whether a trace that begins here is recorded.
    virtual bool samples(const std::array<std::uint8_t, 16>& trace_id) const = 0;
    // A span that has ended, of a sampled trace or a failed one. Any thread; must not block.
    virtual void take(SpanData span) = 0;
};

// From now on spans go to `sink`, which must outlive every span; null: nobody takes them.
void send_spans_to(SpanSink* sink);
// Whether somebody takes spans.
bool on();
// Whether a trace that begins here is sampled; yes while nobody takes spans.
bool samples(const std::array<std::uint8_t, 16>& trace_id);

class Span {
public:
    Span() = default;  // records nothing
    Span(Span&&) noexcept = default;
    Span& operator=(Span&& other) noexcept;
    ~Span() { end(); }

    // A span below `parent`, or the first one of a new trace when that is not valid.
    static Span begin(SpanKind kind, std::string_view name, const Context& parent) {
        return on() ? record(kind, name, parent) : Span();
    }

    // Whether it records. What is made for a span only, such as the text of an attribute, can be
    // left out otherwise.
    explicit operator bool() const { return data_ != nullptr; }
    // For what this piece of work asks of others. Not valid when nothing is recorded.
    const Context& context() const;

    void name(std::string_view name);
    void set(std::string_view key, std::string_view text);
    void set(std::string_view key, std::int64_t number);
    // The work failed. `type` is the attribute error.type: a word or a code, never a message.
    void fail(std::string_view type);
    // Once; what comes later is ignored.
    void end();

private:
    struct Recording {
        SpanData span;
        std::chrono::steady_clock::time_point since;
    };
    static Span record(SpanKind kind, std::string_view name, const Context& parent);

    std::unique_ptr<Recording> data_;
};

}  // namespace flowstack::trace
