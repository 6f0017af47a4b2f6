#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

// Who is told of a lane's new records at once, beside the bus.
//
// What a follower hears is a hint: it may be lost, and nobody may depend on it. The bus carries the
// same records a little later, and a reader's cursor says what was applied already
// (docs/adr/0014-hints.md).
namespace flowstack::eventlog {

// A record as the relay publishes it: the same for the bus and for followers.
struct Published {
    int lane = 0;
    std::int64_t position = 0;
    std::string key;    // tenant/routing key
    std::string value;  // the event as its envelope
    // What headers say of it, for tools that do not decode.
    std::string type;
    std::string event_id;
    std::string tenant;
    std::string traceparent;

    std::size_t bytes() const { return key.size() + value.size(); }
};
using PublishedPage = std::vector<std::shared_ptr<const Published>>;

class Follower {
public:
    virtual ~Follower() = default;
    // Records of several lanes, each lane in order. On the relay's thread: it never waits.
    virtual void hear(const PublishedPage& page) = 0;
    // Nothing comes any more: this process ends.
    virtual void end() = 0;
};

inline constexpr std::size_t kFollowersMax = 64;

class Followers {
public:
    // Another process that follows. False when there are too many or `close` was called.
    bool add(std::shared_ptr<Follower> follower);
    void remove(const Follower* follower);
    // This process's own consumption. It is no reason for the relay to let records gather. Set it
    // before the relay starts.
    void at_home(std::function<void(const PublishedPage&)> listener);

    // Whether another process follows.
    bool any() const { return count_ > 0; }
    void hear(const PublishedPage& page);
    // Ends all and takes no more.
    void close();

    // A follower was too slow for so many records.
    void lost(std::int64_t records) { lost_ += records; }

    struct Counts {
        std::int64_t followers = 0;
        std::int64_t sent = 0;  // records, once for each follower
        std::int64_t lost = 0;
    };
    Counts counts() const;

private:
    std::vector<std::shared_ptr<Follower>> all() const;

    std::function<void(const PublishedPage&)> home_;
    mutable std::mutex mutex_;
    std::vector<std::shared_ptr<Follower>> followers_;
    bool closed_ = false;
    std::atomic<std::size_t> count_{0};
    std::atomic<std::int64_t> sent_{0};
    std::atomic<std::int64_t> lost_{0};
};

}  // namespace flowstack::eventlog
