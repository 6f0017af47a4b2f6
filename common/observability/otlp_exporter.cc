#include "common/observability/otlp_exporter.h"

#include <algorithm>
#include <charconv>

#include "common/observability/log.h"

namespace flowstack::trace {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kTracesCounted = 4'096;

std::uint64_t number_of(const std::uint8_t* bytes) {
    std::uint64_t number = 0;
    for (int i = 0; i < 8; ++i) number = number << 8 | bytes[i];
    return number;
}

metrics::Counter dropped(metrics::Registry& metrics, const char* reason) {
    return metrics.counter("flowstack_trace_spans_dropped_total",
                           "spans that did not reach the collector, by reason",
                           {{"reason", reason}});
}

// The codes after which OTLP lets a request be sent again.
bool may_be_repeated(int status) {
    return status == 429 || status == 502 || status == 503 || status == 504;
}

// Whole seconds; a date, which the standard allows as well, is left to our own pace.
std::optional<milliseconds> retry_after_of(const http::Response& answer) {
    const auto text = answer.headers.get("Retry-After");
    int seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc{} || end != text.data() + text.size() || seconds < 0)
        return std::nullopt;
    return std::chrono::seconds(seconds);
}

}  // namespace

OtlpExporter::OtlpExporter(OtlpOptions options, metrics::Registry& metrics)
    : options_(std::move(options)),
      exported_(
          metrics.counter("flowstack_trace_spans_exported_total", "spans that the collector took")),
      failures_(metrics.counter("flowstack_trace_export_failures_total",
                                "requests to the collector that did not succeed")),
      dropped_full_(dropped(metrics, "queue_full")),
      dropped_rate_(dropped(metrics, "rate_limit")),
      dropped_trace_(dropped(metrics, "trace_limit")),
      dropped_refused_(dropped(metrics, "refused")),
      dropped_away_(dropped(metrics, "collector_away")),
      tokens_(options_.spans_per_second_max),
      tokens_at_(Steady::now()),
      traces_(kTracesCounted),
      client_(std::make_unique<http::Client>(http::ClientOptions{
          .connections_per_host_max = 1, .connections_max = 1, .ca_file = options_.ca_file})) {}

OtlpExporter::~OtlpExporter() { stop(milliseconds{0}); }

void OtlpExporter::start() {
    thread_ = std::thread([this] { run(); });
}

void OtlpExporter::stop(milliseconds grace) {
    {
        const std::lock_guard lock(mutex_);
        if (!closed_) end_at_ = Steady::now() + grace;
        closed_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
}

// By the low half of the id, which is random: all of a trace's processes judge alike.
bool OtlpExporter::samples(const std::array<std::uint8_t, 16>& trace_id) const {
    constexpr double kAll = 18446744073709551616.0;  // 2^64
    return static_cast<double>(number_of(trace_id.data() + 8)) < options_.sample_ratio * kAll;
}

// Under the mutex.
bool OtlpExporter::within_limits(const SpanData& span) {
    const auto now = Steady::now();
    const double rate = options_.spans_per_second_max;
    const auto rested = std::chrono::duration<double>(now - tokens_at_).count();
    tokens_ = std::min(rate, tokens_ + rested * rate);
    tokens_at_ = now;
    if (tokens_ < 1) return dropped_rate_.add(), false;
    auto& counted = traces_[number_of(span.context.trace_id.data() + 8) % traces_.size()];
    if (counted.trace_id != span.context.trace_id) counted = {span.context.trace_id, 0};
    if (counted.spans >= options_.spans_per_trace_max) return dropped_trace_.add(), false;
    if (queue_.size() >= options_.queue_spans_max) return dropped_full_.add(), false;
    tokens_ -= 1;
    ++counted.spans;
    return true;
}

void OtlpExporter::take(SpanData span) {
    bool full = false;
    {
        const std::lock_guard lock(mutex_);
        if (closed_) return dropped_away_.add();
        if (!within_limits(span)) return;
        queue_.push_back(std::move(span));
        full = queue_.size() == options_.batch_spans_max;
    }
    if (full) wake_.notify_all();
}

void OtlpExporter::run() {
    while (true) {
        std::vector<SpanData> batch;
        {
            std::unique_lock lock(mutex_);
            wake_.wait_for(lock, options_.batch_wait,
                           [&] { return closed_ || queue_.size() >= options_.batch_spans_max; });
            if (queue_.empty() && closed_) return;
            const auto count = std::min(queue_.size(), options_.batch_spans_max);
            for (std::size_t i = 0; i < count; ++i) {
                batch.push_back(std::move(queue_.front()));
                queue_.pop_front();
            }
        }
        if (!batch.empty()) send(batch);
    }
}

void OtlpExporter::send(const std::vector<SpanData>& batch) {
    const auto body = otlp_json(options_.resource, batch);
    const auto give_up_at = Steady::now() + options_.give_up_after;
    auto pace = options_.retry_after;
    while (true) {
        const auto again = try_once(body, batch.size(), pace);
        if (!again) return;
        if (Steady::now() + *again > give_up_at || !sleep(*again)) break;
        pace = std::min(2 * pace, options_.retry_after_max);
    }
    dropped_away_.add(static_cast<double>(batch.size()));
}

OtlpExporter::NextTry OtlpExporter::try_once(const std::string& body, std::size_t spans,
                                             milliseconds retry_after) {
    const auto timeout = std::min(options_.timeout, left());
    if (timeout <= milliseconds{0}) return retry_after;
    auto headers = options_.headers;
    headers.set("Content-Type", "application/json");
    const auto result = ask({.method = "POST",
                             .url = options_.url,
                             .headers = std::move(headers),
                             .body = body,
                             .timeout_ms = static_cast<int>(timeout.count())});
    const auto status = result.response.status;
    if (result.outcome == http::ClientResult::Outcome::answered && status / 100 == 2) {
        exported_.add(static_cast<double>(spans));
        return std::nullopt;
    }
    failures_.add();
    // Spans that were sent twice are one span: the collector knows them by their ids.
    if (result.outcome != http::ClientResult::Outcome::answered) {
        log::debug("the collector of traces does not answer", {{"error", result.error}});
        return retry_after;
    }
    if (may_be_repeated(status))
        return std::min(retry_after_of(result.response).value_or(retry_after),
                        options_.retry_after_max);
    log::warn("the collector of traces refuses spans", {{"status", status}, {"spans", spans}});
    dropped_refused_.add(static_cast<double>(spans));
    return std::nullopt;
}

// Not longer than until the end, which may come while it waits.
http::ClientResult OtlpExporter::ask(http::ClientRequest request) {
    const auto answer = std::make_shared<std::optional<http::ClientResult>>();
    client_->call(std::move(request), [this, answer](http::ClientResult result) {
        {
            const std::lock_guard lock(mutex_);
            *answer = std::move(result);
        }
        wake_.notify_all();
    });
    std::unique_lock lock(mutex_);
    while (!*answer && Steady::now() < end_at_) {
        if (end_at_ == Steady::time_point::max())
            wake_.wait(lock);
        else
            wake_.wait_until(lock, end_at_);
    }
    if (*answer) return std::move(**answer);
    return {.outcome = http::ClientResult::Outcome::unknown, .error = "this process ends"};
}

milliseconds OtlpExporter::left() const {
    const std::lock_guard lock(mutex_);
    if (end_at_ == Steady::time_point::max()) return milliseconds::max();
    return std::chrono::duration_cast<milliseconds>(end_at_ - Steady::now());
}

// False when the process must end before: there is no time for another try.
bool OtlpExporter::sleep(milliseconds time) {
    std::unique_lock lock(mutex_);
    const auto until = Steady::now() + time;
    return !wake_.wait_until(lock, until, [&] { return end_at_ <= until; });
}

}  // namespace flowstack::trace
