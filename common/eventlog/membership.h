#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/eventlog/owners.h"
#include "common/eventlog/store.h"
#include "common/postgres/session.h"

// Decides which replica of a service works on which lane, from PostgreSQL alone.
//
// Each process renews a lease in the table `replicas` about twice a second, once a second while it
// is alone. The lanes are shared
// out among the replicas whose lease has not run out. A replica takes a lane of its share when no
// living replica holds it, and gives back a lane that does not belong to its share any more.
// Everything is decided anew at each beat from what the tables say then, so a beat that was missed,
// a take that failed half-way or a process that was killed at any point is put right by the next
// beats: there is no state in which a lane stays without an owner while a replica lives
// (docs/adr/0006-owners.md).
namespace flowstack::eventlog {

// How often `beat` is to be called: see Membership::beat_again_after.
inline constexpr std::chrono::milliseconds kBeatEvery{500};
inline constexpr std::chrono::milliseconds kBeatAloneEvery{1000};

struct MembershipOptions {
    std::string replica;  // its name; at most one process of a service may have it
    // A replica that is silent for so long loses its lanes to the others.
    std::chrono::milliseconds lease_time{6'000};
};

// The lanes of `name` when the replicas `living` (sorted, `name` among them) share `lanes` lanes:
// contiguous ranges in the order of the names. Nothing when `name` is not among them.
std::vector<int> share_of(const std::string& name, const std::vector<std::string>& living,
                          int lanes);

class Membership {
public:
    Membership(Store& store, Owners& owners, MembershipOptions options);

    // Renews the lease and reads the tables. One thread calls it, again and again. Throws when the
    // store is away.
    void beat();
    // When to beat again: twice a second, once a second while there is no other replica that lives
    // and this one owns every lane.
    std::chrono::milliseconds beat_again_after() const;
    // Called after each beat, on its thread: `due` has a new answer. Set it before the first beat.
    void on_beat(std::function<void()> listener) { beaten_ = std::move(listener); }

    // What else a beat reads, so that nobody else has to ask the store for it.
    struct Seen {
        std::vector<std::int64_t> heads;  // of every lane, by number
        std::int64_t settings_seq = 0;    // of the last settings change
        bool uncompared = false;          // a lane waits to be compared with the bus
    };
    // Called at each beat, on its thread, before the listener of on_beat.
    void on_seen(std::function<void(const Seen&)> listener) { seen_ = std::move(listener); }

    // What this replica has to change, once for each beat; nothing between two beats. The consuming
    // thread asks. It ends the consumption of a lane before it gives the lane back.
    struct Change {
        std::vector<int> give_back;
        std::vector<int> take;
    };
    std::optional<Change> due();
    // Takes these lanes, but for those that another replica took since the last beat.
    void take(const std::vector<int>& lanes);
    void give_back(const std::vector<int>& lanes);

    // When this process ends in good order: gives its lanes and its lease back, so that the others
    // need not wait until the lease runs out. `beat` and `take` must not be called afterwards.
    void leave();

    struct Report {
        std::vector<std::string> living;  // names of the replicas, sorted
        // Lanes that no living replica holds, and for how long the first of them has been so.
        std::vector<int> without_owner;
        std::chrono::milliseconds without_owner_for{0};
        // Another process was started under this replica's name: this one holds no lane.
        bool replaced = false;
        // Lanes of the service that refuse to be written to: their logs have lost a tail, or have
        // not been compared with the bus since the database was restored or failed over.
        std::vector<int> tail_lost;
        std::int64_t events_lost = 0;  // positions behind their heads that are known outside
        std::vector<int> uncompared;
    };
    Report report() const;

private:
    struct LaneRow {
        std::int64_t epoch = 0;
        std::string replica;
        std::int64_t incarnation = 0;
        std::int64_t lost = 0;  // positions behind its head that are known outside
        bool compared = true;
    };
    struct ReplicaRow {
        std::int64_t incarnation = 0;
        bool alive = false;
    };
    using Steady = std::chrono::steady_clock;

    void join();
    void tell(const postgres::Result& lanes) const;
    void read(const postgres::Result& replicas, const postgres::Result& lanes);
    bool held_by_the_living(const LaneRow& row) const;
    bool may_be_taken(const LaneRow& row) const;

    Store& store_;
    Owners& owners_;
    MembershipOptions options_;
    postgres::Session session_;  // of the beating thread
    std::function<void()> beaten_ = [] {};
    std::function<void(const Seen&)> seen_ = [](const Seen&) {};

    mutable std::mutex mutex_;
    std::int64_t incarnation_ = 0;  // 0: has not joined yet
    bool replaced_ = false;
    bool fresh_ = false;  // a beat came that `due` has not been asked about
    Steady::time_point last_beat_{};
    Steady::time_point steady_since_{};  // beats have come without a long break since then
    std::map<std::string, ReplicaRow> replicas_;
    std::vector<LaneRow> lanes_;
    std::map<int, Steady::time_point> without_owner_since_;
};

// Who works on a lane, as PostgreSQL has it. Nothing when nobody does: its last owner gave it back,
// its lease ran out, or it was started anew since.
struct LaneOwner {
    std::string replica;
    std::int64_t owner_epoch = 0;
    Time since{};
};
std::optional<LaneOwner> living_owner(postgres::Session& session, int lane);

}  // namespace flowstack::eventlog
