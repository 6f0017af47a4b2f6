#pragma once

#include <concepts>
#include <ostream>
#include <string>
#include <utility>

namespace flowstack {

// A value that must not be seen: a key, a password, an access token.
//
// It has no operator<<, no conversion and no comparison, so that it cannot slip into a log line, an
// error text or an assertion. `reveal()` is the only way out and is easy to search for.
// The memory of a secret is overwritten when it goes (best effort: copies made from `reveal()` and
// small strings moved by the compiler are the caller's business).
class Secret {
public:
    Secret() = default;
    explicit Secret(std::string value) : value_(std::move(value)) {}
    Secret(const Secret&) = default;
    Secret(Secret&& other) noexcept : value_(std::move(other.value_)) { other.wipe(); }
    Secret& operator=(const Secret& other) {
        if (this != &other) {
            wipe();
            value_ = other.value_;
        }
        return *this;
    }
    Secret& operator=(Secret&& other) noexcept {
        if (this != &other) {
            wipe();
            value_ = std::move(other.value_);
            other.wipe();
        }
        return *this;
    }
    ~Secret() { wipe(); }

    const std::string& reveal() const { return value_; }
    bool empty() const { return value_.empty(); }

    friend bool operator==(const Secret&,
                           const Secret&) = delete;  // use crypto::constant_time_equal

private:
    void wipe() noexcept {
        // volatile: an optimiser may otherwise drop writes to memory that is about to be freed.
        volatile char* bytes = value_.data();
        for (std::size_t i = 0; i < value_.size(); ++i) bytes[i] = '\0';
        value_.clear();
    }

    std::string value_;
};

// A template, so that it is chosen before any other operator<< that Secret might convert to.
template <std::same_as<Secret> S>
std::ostream& operator<<(std::ostream&, const S&) = delete;

}  // namespace flowstack
