#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/time.h"
#include "common/rpc/caller.h"

namespace flowstack::gateway {

// Somebody who has logged in with a browser.
struct BrowserSession {
    std::string session_id;  // how events and people call it; it opens nothing
    std::string subject;     // of the issuer
    std::vector<std::string> grants;
    Time began_at{};
    Time seen_at{};
    Time expires_at{};
};

// The sessions of all replicas. What a browser has is known here by its SHA-256 alone. All methods
// may block, and throw flowstack::Unavailable when the store is away. Thread-safe.
class Sessions {
public:
    virtual ~Sessions() = default;
    virtual void begin(std::string_view id_sha256, const BrowserSession& session,
                       const rpc::Caller& by) = 0;
    // One that has not ended, and it is noted that it is used.
    virtual std::optional<BrowserSession> find(std::string_view id_sha256) = 0;
    // From when this returns nobody finds it at any replica.
    virtual void end(std::string_view id_sha256, const BrowserSession& session,
                     const rpc::Caller& by) = 0;
};

}  // namespace flowstack::gateway
