#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/core/guarded.h"
#include "common/crypto/envelope.h"
#include "common/postgres/session.h"

// The data keys of one service, wrapped, in the table data_keys of its database. They are no facts:
// a wrapped key is replaced when the wrapping key changes, and the log holds only what they seal
// (docs/adr/0020-data-keys.md).
namespace flowstack::keys {

// How many data keys are wrapped under which version.
struct Status {
    struct Version {
        std::string name;
        std::int64_t data_keys = 0;
        bool opens = false;  // here
    };
    std::string wraps;              // the version that wraps now
    std::vector<Version> versions;  // those in use or given, by name
    std::int64_t left = 0;          // data keys under another version than `wraps`
};

// Thread-safe. Opened keys are kept in memory for the life of the process: a data key never
// changes, only what it is wrapped with.
class DataKeys {
public:
    static constexpr std::size_t kKeptMax = 100'000;
    static constexpr int kRewrapLimitMax = 1'000;

    // Both must outlive it.
    DataKeys(postgres::Pool& pool, crypto::KeyWrapper& wrapper) : pool_(pool), wrapper_(wrapper) {}

    // The tenant's data key, made and stored first when there is none. "" is the service's own.
    // Throws crypto::KeysUnavailable, postgres::StoreUnavailable, and crypto::KeysRefused when it
    // does not open with the keys that are given here.
    std::shared_ptr<const crypto::Envelope> of(const std::string& tenant);
    // The same, but null when there is none.
    std::shared_ptr<const crypto::Envelope> find(const std::string& tenant);
    // The service's own secret, for a RootKey.
    Secret root() { return of("")->data_key(); }

    // Throws crypto::KeysRefused that names every version in use which nothing opens that is given
    // here, and what to do.
    void check_all_open();

    Status status();
    // Wraps at most `limit` data keys again, under the version that wraps now; how many were. Each
    // is written by itself, and only if nobody else changed it: it may be interrupted, repeated,
    // and run beside another one.
    std::int64_t rewrap(int limit);

private:
    std::shared_ptr<const crypto::Envelope> kept(const std::string& tenant) const;
    std::shared_ptr<const crypto::Envelope> opened(const std::string& tenant,
                                                   const std::string& wrapped);

    postgres::Pool& pool_;
    crypto::KeyWrapper& wrapper_;
    Guarded<std::map<std::string, std::shared_ptr<const crypto::Envelope>>> kept_;
};

}  // namespace flowstack::keys
