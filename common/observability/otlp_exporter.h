#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/http/client.h"
#include "common/observability/metrics.h"
#include "common/observability/otlp_json.h"
#include "common/observability/span.h"

namespace flowstack::trace {

struct OtlpOptions {
    Resource resource;
    std::string url;             // http://collector:4318/v1/traces
    http::Headers headers = {};  // such as a key of the collector's
    std::string ca_file = {};    // PEM; empty = the system's
    // Of the traces that begin here; a trace that arrives was judged by whoever began it.
    double sample_ratio = 1;
    int spans_per_second_max = 500;  // and as many at once after a rest
    int spans_per_trace_max = 1'000;
    std::size_t queue_spans_max = 4'096;
    std::size_t batch_spans_max = 512;  // a full batch goes at once
    std::chrono::milliseconds batch_wait{1'000};
    std::chrono::milliseconds timeout{5'000};  // of one request
    // Between tries of a batch that may be tried again, doubled each time; or what the collector
    // says, up to the same limit. A batch that nobody took within `give_up_after` is dropped.
    std::chrono::milliseconds retry_after{500};
    std::chrono::milliseconds retry_after_max{30'000};
    std::chrono::milliseconds give_up_after{60'000};
};

// Sends spans to a collector by OTLP/HTTP. A request never waits for it: what does not fit into the
// queue, or is above a limit, is dropped and counted.
//
// flowstack_trace_spans_exported_total, flowstack_trace_spans_dropped_total{reason},
// flowstack_trace_export_failures_total.
class OtlpExporter final : public SpanSink {
public:
    OtlpExporter(OtlpOptions options, metrics::Registry& metrics);
    ~OtlpExporter() override;  // stop(0)

    void start();
    // Takes no more spans, and sends those that wait as far as `grace` lasts. Safe to repeat.
    void stop(std::chrono::milliseconds grace);

    bool samples(const std::array<std::uint8_t, 16>& trace_id) const override;
    void take(SpanData span) override;

private:
    using Steady = std::chrono::steady_clock;

    // How many spans of a trace this process has taken. Of so many traces at a time: another one
    // may take a slot over, and begins at nothing.
    struct TraceCount {
        std::array<std::uint8_t, 16> trace_id{};
        int spans = 0;
    };
    // What became of a try: done with the batch, or when to try again.
    using NextTry = std::optional<std::chrono::milliseconds>;

    bool within_limits(const SpanData& span);
    void run();
    void send(const std::vector<SpanData>& batch);
    NextTry try_once(const std::string& body, std::size_t spans,
                     std::chrono::milliseconds retry_after);
    http::ClientResult ask(http::ClientRequest request);
    bool sleep(std::chrono::milliseconds time);
    std::chrono::milliseconds left() const;

    const OtlpOptions options_;
    metrics::Counter exported_;
    metrics::Counter failures_;
    metrics::Counter dropped_full_;
    metrics::Counter dropped_rate_;
    metrics::Counter dropped_trace_;
    metrics::Counter dropped_refused_;
    metrics::Counter dropped_away_;

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<SpanData> queue_;
    double tokens_;
    Steady::time_point tokens_at_;
    std::vector<TraceCount> traces_;
    bool closed_ = false;
    Steady::time_point end_at_ = Steady::time_point::max();

    std::unique_ptr<http::Client> client_;
    std::thread thread_;
};

}  // namespace flowstack::trace
