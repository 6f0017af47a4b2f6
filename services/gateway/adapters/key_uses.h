#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/core/clock.h"
#include "common/eventlog/store.h"

// When API keys were used last. A use is noted in memory and stored a moment later, and of a key
// that is in use one is stored a minute: a call must not wait for a row, and nobody needs to know
// the second.
namespace flowstack::gateway {

class KeyUses {
public:
    static constexpr std::chrono::seconds kStoredEvery{60};  // of one key, by one replica
    static constexpr std::size_t kNotedMax = 100'000;        // keys; beyond, all are forgotten

    KeyUses(eventlog::Store& store, const Clock& clock,
            std::chrono::milliseconds store_after = std::chrono::seconds(2));
    ~KeyUses();
    KeyUses(const KeyUses&) = delete;
    KeyUses& operator=(const KeyUses&) = delete;

    // Any thread; never blocks for the store.
    void note(const std::string& tenant, const std::string& key_id);

    // By key id, of those that were used at all. Throws when the store is away.
    std::map<std::string, Time> last(const std::string& tenant,
                                     const std::vector<std::string>& key_ids);

    // Stores in the background until stop().
    void start();
    void stop();
    // Stores what is noted now.
    void store_noted();

private:
    using Key = std::pair<std::string, std::string>;  // tenant, key id

    eventlog::Store& store_;
    const Clock& clock_;
    const std::chrono::milliseconds store_after_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopping_ = false;
    std::map<Key, Time> noted_;      // and not stored yet
    std::map<Key, Time> stored_at_;  // what is in the row, as far as this replica has written it
    std::thread thread_;
};

}  // namespace flowstack::gateway
