#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "common/core/clock.h"
#include "common/core/guarded.h"
#include "common/eventlog/folds.h"
#include "common/eventlog/read_model.h"
#include "common/eventlog/work.h"
#include "common/localtime/local_clock.h"
#include "common/observability/metrics.h"
#include "common/service/tenants.h"
#include "services/campaign/adapters/codec.h"
#include "services/campaign/adapters/hold.h"
#include "services/campaign/adapters/sends.h"
#include "services/campaign/config.h"
#include "services/campaign/domain/pacing.h"

// Drives one campaign from its start to its last disposition: the owner of the campaign's lane
// does, and nobody else.
//
// Promotional campaigns ask for nothing during the tenant's quiet hours.
//
// Each turn looks at the fold of the campaign and of its shards and does what is next: notes that
// the audience is frozen, asks gateway for the next sends, withdraws what waits after a pause,
// closes the shards after a cancellation, notes that everybody has a disposition. What it remembers
// between turns is only its pace; a successor that knows nothing goes on from the folds.
//
// An ask is written down (SendAsked) before gateway is called. Whether the call came through, a
// successor cannot know: it asks again for those without an outcome, and gateway queues nobody
// twice in one round. A campaign has one turn at a time, and a pause or cancellation gets its turn
// at once: it waits for the batch that is being asked, so its withdrawal never overtakes an ask.
// Thread-safe.
namespace flowstack::campaign {

class Pacer {
public:
    Pacer(eventlog::Store& store, eventlog::ReadModel& read_model, service::Tenants& tenants,
          const Clock& clock, Sends& sends, metrics::Registry& metrics, const Config& config);

    // Handlers for eventlog::WorkRunner.
    void start(const eventlog::WorkRow& row);  // a scheduled campaign's time came
    void turn(const eventlog::WorkRow& row);   // kPaceWork, kHaltWork

private:
    // What the pacer knows of one campaign under one ownership.
    struct Memory {
        std::int64_t owner_epoch = 0;
        Pace pace;
        bool ask_again = true;     // somebody may have been asked without gateway hearing of it
        int withdrawn_round = -1;  // the pause of this round has been carried out
        int withdrawals = 0;       // … so often
        bool cancel_through = false;
        Time closed_at{};   // cancelled: when nobody waited any more
        bool held = false;  // by the tenant's quiet hours, and the log says so
    };
    struct Hand {
        std::mutex turn;
        Memory memory;
    };
    struct View;  // the folds of one turn
    void withdraw(const View& view, const char* reason);

    View look(const eventlog::WorkRow& row);
    // False when the append was refused: somebody else wrote, or owns the lane.
    bool append(const View& view, const Command& command);
    bool append(const View& view, int lane, const ShardCommand& command);
    bool tenant_allows(const View& view, const service::TenantView& tenant);
    bool template_allows(const View& view);
    bool quiet(const View& view, const service::TenantView& tenant, Memory& memory);
    void run(View& view, Memory& memory);
    void pause(const View& view, Memory& memory);
    void ask(View& view, int lane, int round, const std::vector<Addressee>& members);
    void wind_down(View& view, Memory& memory);

    eventlog::Store& store_;
    eventlog::ReadModel& read_model_;
    service::Tenants& tenants_;
    const Clock& clock_;
    LocalClock local_clock_;
    metrics::Registry& metrics_;
    Sends& sends_;
    Config config_;
    eventlog::Folds<CampaignCodec> campaigns_;
    eventlog::Folds<ShardCodec> shards_;
    Guarded<std::map<std::string, std::shared_ptr<Hand>>> hands_;
};

}  // namespace flowstack::campaign
