#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "common/core/clock.h"
#include "common/eventlog/store.h"
#include "services/gateway/rest/sessions.h"

namespace flowstack::gateway {

// Sessions in gateway's database, where every replica finds them and none does after they have
// ended. That they begin and end are facts of the log, as what operators change is.
class StoredSessions final : public Sessions {
public:
    // A session is noted as used so often at most: a request must not cost a write.
    static constexpr std::chrono::seconds kSeenEvery{60};

    // `idle`: one that was not used for so long has ended.
    StoredSessions(eventlog::Store& store, const Clock& clock, std::chrono::milliseconds idle);

    void begin(std::string_view id_sha256, const BrowserSession& session,
               const rpc::Caller& by) override;
    std::optional<BrowserSession> find(std::string_view id_sha256) override;
    void end(std::string_view id_sha256, const BrowserSession& session,
             const rpc::Caller& by) override;

private:
    eventlog::Store& store_;
    const Clock& clock_;
    const Micros idle_;
};

}  // namespace flowstack::gateway
