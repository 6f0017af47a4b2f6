#include "common/eventlog/followers.h"

#include <utility>

namespace flowstack::eventlog {

bool Followers::add(std::shared_ptr<Follower> follower) {
    const std::lock_guard lock(mutex_);
    if (closed_ || followers_.size() >= kFollowersMax) return false;
    followers_.push_back(std::move(follower));
    count_ = followers_.size();
    return true;
}

void Followers::remove(const Follower* follower) {
    const std::lock_guard lock(mutex_);
    std::erase_if(followers_, [&](const auto& known) { return known.get() == follower; });
    count_ = followers_.size();
}

void Followers::at_home(std::function<void(const PublishedPage&)> listener) {
    home_ = std::move(listener);
}

// A copy, because followers are called without the lock: they may remove themselves.
std::vector<std::shared_ptr<Follower>> Followers::all() const {
    const std::lock_guard lock(mutex_);
    return followers_;
}

void Followers::hear(const PublishedPage& page) {
    if (page.empty()) return;
    if (home_) home_(page);
    for (const auto& follower : all()) {
        follower->hear(page);
        sent_ += static_cast<std::int64_t>(page.size());
    }
}

void Followers::close() {
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }
    for (const auto& follower : all()) follower->end();
}

Followers::Counts Followers::counts() const {
    return {static_cast<std::int64_t>(count_.load()), sent_, lost_};
}

}  // namespace flowstack::eventlog
