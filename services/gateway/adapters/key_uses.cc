#include "services/gateway/adapters/key_uses.h"

#include <span>

#include "common/observability/log.h"

namespace flowstack::gateway {

KeyUses::KeyUses(eventlog::Store& store, const Clock& clock, std::chrono::milliseconds store_after)
    : store_(store), clock_(clock), store_after_(store_after) {}
KeyUses::~KeyUses() { stop(); }

void KeyUses::note(const std::string& tenant, const std::string& key_id) {
    const auto now = clock_.now();
    const std::lock_guard lock(mutex_);
    const Key key{tenant, key_id};
    if (const auto found = stored_at_.find(key);
        found != stored_at_.end() && now - found->second < kStoredEvery)
        return;
    if (noted_.size() >= kNotedMax) noted_.clear();
    noted_[key] = now;
}

std::map<std::string, Time> KeyUses::last(const std::string& tenant,
                                          const std::vector<std::string>& key_ids) {
    std::map<std::string, Time> found;
    if (key_ids.empty()) return found;
    const auto rows = store_.pool().with([&](postgres::Session& session) {
        return session.query(
            "select key_id, used_at from api_key_uses where tenant = $1 and key_id = any($2)",
            postgres::Params().add(tenant).add_array(std::span<const std::string>(key_ids)));
    });
    for (int row = 0; row < rows.rows(); ++row) found[rows.text(row, 0)] = rows.time(row, 1);
    return found;
}

void KeyUses::store_noted() {
    std::map<Key, Time> noted;
    {
        const std::lock_guard lock(mutex_);
        noted.swap(noted_);
    }
    if (noted.empty()) return;
    std::vector<std::string> tenants, keys;
    std::vector<Time> times;
    for (const auto& [key, at] : noted) {
        tenants.push_back(key.first);
        keys.push_back(key.second);
        times.push_back(at);
    }
    store_.pool().with([&](postgres::Session& session) {
        session.query(
            R"sql(
            insert into api_key_uses (tenant, key_id, used_at)
            select * from unnest($1::text[], $2::text[], $3::timestamptz[])
            on conflict (tenant, key_id) do update
                set used_at = greatest(api_key_uses.used_at, excluded.used_at))sql",
            postgres::Params()
                .add_array(std::span<const std::string>(tenants))
                .add_array(std::span<const std::string>(keys))
                .add_array(std::span<const Time>(times)));
    });
    const std::lock_guard lock(mutex_);
    if (stored_at_.size() + noted.size() > kNotedMax) stored_at_.clear();
    for (const auto& [key, at] : noted) stored_at_[key] = at;
}

void KeyUses::start() {
    thread_ = std::thread([this] {
        std::unique_lock lock(mutex_);
        while (!stopping_) {
            changed_.wait_for(lock, store_after_, [this] { return stopping_; });
            lock.unlock();
            try {
                store_noted();
            } catch (const std::exception& error) {
                // The next use of the key is noted again.
                log::warn("when API keys were used is not stored", {{"error", error.what()}});
            }
            lock.lock();
        }
    });
}

void KeyUses::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

}  // namespace flowstack::gateway
