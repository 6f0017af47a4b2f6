#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "common/core/thread_pool.h"
#include "common/http/client.h"
#include "services/gateway/providers/meta/renderer.h"
#include "services/gateway/providers/provider.h"

// Files to and from Meta: those that a message names are uploaded before it is sent, those that
// customers sent are fetched. Meta keeps an uploaded file for 30 days under an id of its own.
namespace flowstack::gateway::meta {

// Thread-safe.
class MediaTransfer {
public:
    MediaTransfer(http::Client& client, std::string base_url)
        : client_(client), base_url_(std::move(base_url)) {}

    // Meta's ids of these media of the call's tenant. `done` runs on a thread of its own, which may
    // wait, or at once when too much waits.
    struct Uploaded {
        UploadedMedia ids;
        bool from_memory = false;  // one of them was uploaded earlier, so it may be gone
    };
    using UploadDone = std::function<void(std::variant<Uploaded, Refused, NotSent>)>;
    void upload(const OutboundCall& call, std::vector<std::string> media_ids, UploadDone done);
    // Meta does not know an id any more.
    void forget(const OutboundCall& call, const std::vector<std::string>& media_ids);

    void fetch(MediaCall call, std::function<void(MediaOutcome)> done);

private:
    struct Known {
        std::string id;
        std::chrono::steady_clock::time_point until;
    };
    static std::string key_of(const OutboundCall& call, const std::string& media_id);
    std::variant<std::string, Refused, NotSent> upload_one(const OutboundCall& call,
                                                           const std::string& media_id);
    std::variant<std::string, Refused, NotSent> upload_file(const OutboundCall& call,
                                                            const std::string& media_id,
                                                            const Secret& token);
    void download(const MediaCall& call, const MediaInfo& info,
                  std::function<void(MediaOutcome)> done);

    http::Client& client_;
    std::string base_url_;
    std::mutex mutex_;
    std::map<std::string, Known> known_;
    ThreadPool pool_{{.name = "media uploads", .threads = 2, .waiting_max = 1000}};
};

// The largest file of this type that Meta takes; 0: it does not take the type.
std::size_t file_bytes_max(std::string_view mime_type);

}  // namespace flowstack::gateway::meta
