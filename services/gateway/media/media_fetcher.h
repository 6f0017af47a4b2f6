#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "common/core/clock.h"
#include "common/core/thread_pool.h"
#include "common/eventlog/store.h"
#include "common/eventlog/work.h"
#include "common/observability/metrics.h"
#include "services/gateway/adapters/directory.h"
#include "services/gateway/media/media_store.h"
#include "services/gateway/providers/provider.h"

// Fetches the files of received messages, each as work of the message's lane with an outcome event:
// MediaFetched, or MediaFetchFailed with the time of the next attempt. No webhook waits for it.
namespace flowstack::gateway {

inline constexpr int kMediaFetchesMax = 8;  // at once, of one replica

struct MediaFetchOptions {
    std::size_t bytes_max = 0;
    std::chrono::milliseconds timeout{30'000};
};

class MediaFetcher {
public:
    // All of it must outlive this.
    MediaFetcher(eventlog::Store& store, Directory& directory, const Providers& providers,
                 MediaStore& files, const Clock& clock, metrics::Registry& metrics,
                 MediaFetchOptions options);
    ~MediaFetcher() { stop(); }

    // A work row of kMediaKind (adapters/derive.h).
    void fetch(const eventlog::WorkRow& row, eventlog::WorkRunner::Done done);
    // What comes later from a provider is forgotten: its row is handed out again.
    void stop();

private:
    struct Job;
    // Outlives this object: providers may answer when it is gone.
    struct Door {
        std::mutex mutex;
        MediaFetcher* fetcher;
    };

    void settle(const std::shared_ptr<Job>& job, MediaOutcome outcome);
    void keep(const std::shared_ptr<Job>& job, FetchedMedia media);
    void fail(const std::shared_ptr<Job>& job, const MediaNotFetched& why);
    void append(const std::shared_ptr<Job>& job, eventlog::NewEvent event);

    eventlog::Store& store_;
    Directory& directory_;
    const Providers& providers_;
    MediaStore& files_;
    const Clock& clock_;
    MediaFetchOptions options_;
    metrics::Counter fetched_;
    metrics::Counter failed_;
    metrics::Counter missing_;
    std::shared_ptr<Door> door_;
    ThreadPool keepers_{{.name = "media", .threads = 2, .waiting_max = 10'000}};
};

}  // namespace flowstack::gateway
