#include "common/observability/otlp_json.h"

#include "common/text/json_string.h"

namespace flowstack::trace {
namespace {

using text::append_json_string;

constexpr std::string_view kScope = "flowstack";
constexpr int kStatusError = 2;  // STATUS_CODE_ERROR

void append_key(std::string& out, std::string_view key) {
    append_json_string(out, key);
    out += ':';
}

void append_attribute(std::string& out, std::string_view key,
                      const std::variant<std::string, std::int64_t>& value) {
    out += R"({"key":)";
    append_json_string(out, key);
    out += R"(,"value":{)";
    if (const auto* word = std::get_if<std::string>(&value)) {
        append_key(out, "stringValue");
        append_json_string(out, *word);
    } else {
        // 64 bit numbers are strings in Protobuf's JSON.
        append_key(out, "intValue");
        append_json_string(out, std::to_string(std::get<std::int64_t>(value)));
    }
    out += "}}";
}

template <std::size_t N>
void append_id(std::string& out, std::string_view key, const std::array<std::uint8_t, N>& id) {
    append_key(out, key);
    append_json_string(out, hex_text(id));
}

void append_nanos(std::string& out, std::string_view key,
                  std::chrono::system_clock::time_point at) {
    append_key(out, key);
    const auto nanos =
        std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
    append_json_string(out, std::to_string(nanos));
}

void append_span(std::string& out, const SpanData& span) {
    out += '{';
    append_id(out, "traceId", span.context.trace_id);
    out += ',';
    append_id(out, "spanId", span.context.span_id);
    if (span.parent != std::array<std::uint8_t, 8>{}) {
        out += ',';
        append_id(out, "parentSpanId", span.parent);
    }
    out += ',';
    append_key(out, "flags");
    out += span.context.sampled ? '1' : '0';
    out += ',';
    append_key(out, "name");
    append_json_string(out, span.name);
    out += ',';
    append_key(out, "kind");
    out += std::to_string(static_cast<int>(span.kind));
    out += ',';
    append_nanos(out, "startTimeUnixNano", span.begun_at);
    out += ',';
    append_nanos(
        out, "endTimeUnixNano",
        span.begun_at + std::chrono::duration_cast<std::chrono::system_clock::duration>(span.took));
    out += R"(,"attributes":[)";
    bool first = true;
    for (const auto& [key, value] : span.attributes) {
        if (!std::exchange(first, false)) out += ',';
        append_attribute(out, key, value);
    }
    out += R"(],"status":{)";
    if (span.failed) out += R"("code":)" + std::to_string(kStatusError);
    out += "}}";
}

}  // namespace

std::string otlp_json(const Resource& resource, std::span<const SpanData> spans) {
    std::string out = R"({"resourceSpans":[{"resource":{"attributes":[)";
    append_attribute(out, "service.name", resource.service);
    out += ',';
    append_attribute(out, "service.instance.id", resource.replica);
    out += ',';
    append_attribute(out, "service.version", resource.version);
    out += R"(]},"scopeSpans":[{"scope":{"name":)";
    append_json_string(out, kScope);
    out += R"(},"spans":[)";
    bool first = true;
    for (const auto& span : spans) {
        if (!std::exchange(first, false)) out += ',';
        append_span(out, span);
    }
    out += "]}]}]}";
    return out;
}

}  // namespace flowstack::trace
