#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "common/postgres/session.h"

namespace flowstack::payment {

// Rows of the `leases` table. Thread-safe.
class Leases {
public:
    Leases(postgres::Pool& pool, std::string holder) : pool_(pool), holder_(std::move(holder)) {}

    // Takes `name` for `duration` unless somebody holds it: a compare-and-set by the database's
    // clock.
    bool take(const std::string& name, std::chrono::milliseconds duration);
    // Gives it back before its time.
    void release(const std::string& name);

    struct Value {
        std::string bytes;
        std::int64_t version = 0;
        bool fresh = false;  // its time is not over
    };
    std::optional<Value> read(const std::string& name);
    // The new version.
    std::int64_t write(const std::string& name, const std::string& bytes,
                       std::chrono::milliseconds lifetime);

private:
    postgres::Pool& pool_;
    std::string holder_;
};

}  // namespace flowstack::payment
