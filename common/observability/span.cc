#include "common/observability/span.h"

#include <atomic>

namespace flowstack::trace {
namespace {

std::atomic<SpanSink*> sink_of_spans{nullptr};

}  // namespace

void send_spans_to(SpanSink* sink) { sink_of_spans.store(sink, std::memory_order_release); }

bool on() { return sink_of_spans.load(std::memory_order_relaxed) != nullptr; }

bool samples(const std::array<std::uint8_t, 16>& trace_id) {
    const auto* sink = sink_of_spans.load(std::memory_order_acquire);
    return sink == nullptr || sink->samples(trace_id);
}

Span& Span::operator=(Span&& other) noexcept {
    if (this != &other) {
        end();
        data_ = std::move(other.data_);
    }
    return *this;
}

Span Span::record(SpanKind kind, std::string_view name, const Context& parent) {
    Span span;
    span.data_ = std::make_unique<Recording>();
    auto& data = span.data_->span;
    data.context = child_of(parent);
    if (parent.valid()) data.parent = parent.span_id;
    data.kind = kind;
    data.name = name;
    data.begun_at = std::chrono::system_clock::now();
    span.data_->since = std::chrono::steady_clock::now();
    return span;
}

const Context& Span::context() const {
    static const Context none;
    return data_ ? data_->span.context : none;
}

void Span::name(std::string_view name) {
    if (data_) data_->span.name = name;
}

void Span::set(std::string_view key, std::string_view text) {
    if (data_ && data_->span.attributes.size() < kAttributesMax)
        data_->span.attributes.push_back({key, std::string(text.substr(0, kAttributeBytesMax))});
}

void Span::set(std::string_view key, std::int64_t number) {
    if (data_ && data_->span.attributes.size() < kAttributesMax)
        data_->span.attributes.push_back({key, number});
}

void Span::fail(std::string_view type) {
    if (!data_) return;
    data_->span.failed = true;
    set("error.type", type);
}

void Span::end() {
    const auto data = std::exchange(data_, nullptr);
    if (!data) return;
    data->span.took = std::chrono::steady_clock::now() - data->since;
    // Of a trace that is not sampled only what failed is told.
    if (!data->span.context.sampled && !data->span.failed) return;
    if (auto* sink = sink_of_spans.load(std::memory_order_acquire))
        sink->take(std::move(data->span));
}

}  // namespace flowstack::trace
