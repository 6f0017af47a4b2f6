#pragma once

#include <functional>
#include <mutex>
#include <utility>

namespace flowstack {

// A value that can only be reached while its lock is held.
//
//   Guarded<std::deque<Job>> jobs;
//   jobs.with([&](auto& queue) { queue.push_back(std::move(job)); });
//
// Keep what runs inside `with` short, never call `with` of the same value inside it (deadlock), and
// let no reference to the value escape.
template <class T>
class Guarded {
public:
    Guarded() = default;
    explicit Guarded(T value) : value_(std::move(value)) {}
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;

    template <class Function>
    decltype(auto) with(Function&& function) {
        const std::lock_guard lock(mutex_);
        return std::invoke(std::forward<Function>(function), value_);
    }

    template <class Function>
    decltype(auto) with(Function&& function) const {
        const std::lock_guard lock(mutex_);
        return std::invoke(std::forward<Function>(function), value_);
    }

private:
    mutable std::mutex mutex_;
    T value_{};
};

}  // namespace flowstack
