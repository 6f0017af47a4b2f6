#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/resilience/circuit_breaker.h"
#include "common/resilience/gcra.h"
#include "services/gateway/domain/channel.h"
#include "services/gateway/domain/message.h"

// Which message of a channel may be sent now. Plain data with one owner, the dispatcher's thread:
// no store, no network, no clock and no randomness, so that every rule has a test with a clock of
// its own. Moments are of one clock that never goes back.
//
//   add(row) ─▶ waits in its chat ─▶ begin() ─▶ in flight ─▶ announce() ─▶ call()
//                    ▲                              │
//                    │ a row that is due again      ├─▶ give_back(): it stays in the table and
//                    rests └──────────────────────────────┴─▶ finish(): it is gone, or comes back
//                    later
//
// A message that is being queued may pass the table: enter() says whether it may leave at once, and
// puts it in flight if so. That needs to know that the table holds nothing which must go first.
//
// A chat is one customer at one priority. Its messages leave one at a time, in the order in which
// their rows were added; a message that is tried again goes before the others of its chat, which
// wait for it. So do the customer's messages of a lower priority: a follow-up must not reach the
// phone before the question that it is about. Chats of different customers leave in parallel; a
// higher priority goes first.
namespace flowstack::gateway {

struct QueueOptions {
    int in_flight_max = 64;  // messages that have begun and not ended
    int rows_max = 256;      // rows of one priority in memory
    // Customers whose limit is remembered. Above that, those who have rested are forgotten.
    std::size_t pairs_max = 50'000;
    // Messages that could not be written with their attempt, so that they are queued next time.
    std::size_t refused_max = 10'000;
    resilience::BreakerPolicy breaker{};
};

// A retry that waits longer than this lets later messages of its chat pass.
inline constexpr resilience::Duration kChatWaitMax = std::chrono::seconds(60);
// A retry that does not come back so long after its time is not waited for any more.
inline constexpr resilience::Duration kChatPatience = std::chrono::seconds(5);
// How long a number stands still after the provider said that it sends too fast.
inline constexpr resilience::Duration kTooFastPause = std::chrono::seconds(1);

class ChannelQueue {
public:
    using Instant = resilience::Instant;
    using Duration = resilience::Duration;

    ChannelQueue(QueueOptions options, const ChannelLimits& limits);

    // ---- What the channel may do.

    // A change starts the limiters anew.
    void set_limits(const ChannelLimits& limits);
    // While the channel is paused or its tenant suspended nothing begins. What has begun goes on.
    void set_suspended(bool suspended) { suspended_ = suspended; }

    // ---- Rows of the table.

    struct Row {
        MessageId message_id;
        CustomerId customer_id;
        int priority = kPriorityFollowUp;
        bool tried_before = false;
    };
    // How many more rows of this priority are wanted. Zero while fewer than half of rows_max are
    // free: fetching single rows is not worth a query.
    int room(int priority) const;
    // The rows that are in memory: waiting, in flight or resting. They must not be fetched again.
    const std::set<MessageId>& rows(int priority) const;
    std::size_t rows() const;
    // A row that is due. Nothing happens when it is in memory already.
    void add(Row row);
    // The messages of this chat wait until this one was added again, at most `wait` and
    // kChatPatience.
    void await(const CustomerId& customer_id, int priority, const MessageId& message_id,
               Duration wait, Instant now);
    // Another replica sends for this channel now: everything that has not begun is forgotten.
    void forget_waiting();

    // ---- What is known of the table.

    // A row of this priority was put there, due at that moment.
    void row_put(int priority, Instant due_at, Instant now);
    // Whether rows that are due may be there which are not in memory.
    bool must_read(int priority, Instant now) const;
    // What a read of a priority's rows begins with, and ends with: when it was asked, whether it
    // got all rows that were due then, and when the next one is due.
    std::uint64_t begin_read(int priority) const { return tables_[index(priority)].put; }
    void was_read(int priority, std::uint64_t begun, Instant asked_at, bool all, Instant next_due);

    // ---- Messages that are being queued.

    enum class Way {
        at_once,  // in flight: it is written together with its attempt
        queue,    // it is written as queued, and its row is added when it was read
    };
    // Whoever queues a message says so, and says with entered() what became of it. Until then no
    // later message of its chat leaves at once. Nothing: somebody else is queueing this very
    // message and tells what becomes of it.
    //
    // `may_leave` is what the rules say about the message. What the table holds must be known from
    // a moment after `known_since`: from the last read, or from `searched_at`, when the whole lane
    // was searched and row_put() told of all that was found.
    std::optional<Way> enter(const Row& row, bool may_leave, Instant known_since,
                             Instant searched_at, Instant now);
    // Written: a message that leaves at once is announced; true then. Not written: it gives its
    // place back, and takes the way through the table when it enters again. Nothing happens when
    // it has been told before.
    bool entered(const MessageId& message_id, bool written, Instant now);
    // After a message that was to leave at once has given its place back: it was queued another way
    // meanwhile. Reads left its row out because it was in flight, and brought what was queued after
    // it. That waits until its row is read too, at most kChatPatience.
    void wait_for_row(const CustomerId& customer_id, int priority, const MessageId& message_id,
                      Instant now);

    // ---- What begins and what is called.

    // The messages that begin now; each is in flight until give_back() or finish().
    std::vector<Row> begin(Instant now);
    // The attempt of a message in flight is in the log, so it must be called.
    void announce(const MessageId& message_id);
    // The announced attempts that may be called now. The limit is the number's again: appends
    // finish in bursts, so pacing only the begin could still exceed the provider's rate.
    std::vector<MessageId> call(Instant now);
    // begin() and call() have nothing new before this moment unless something else happens.
    Instant look_again() const;

    // ---- What became of a message in flight.

    // The provider was asked and is well, or ill.
    void answered(const MessageId& message_id, bool provider_is_ill, Instant now);
    // The provider says that this number sends too fast.
    void slow_down(Instant now);
    // The message did not begin after all: its row stays in the table and rests for `wait`. With
    // `keeps_place` the others of its chat wait for it.
    void give_back(const MessageId& message_id, Duration wait, bool keeps_place, Instant now);
    // The message has left the queue. With `retry_in` it comes back, tried before.
    void finish(const MessageId& message_id, std::optional<Duration> retry_in, Instant now);

    // ---- What it looks like.

    // Nothing waits, rests, is in flight or announced: there is nothing to look at.
    bool idle() const;
    bool has_announced() const { return !announced_.empty(); }
    int in_flight() const { return static_cast<int>(in_flight_.size()); }
    std::size_t pairs() const { return pairs_.size(); }
    const resilience::CircuitBreaker& breaker() const { return breaker_; }

private:
    struct Chat {
        bool busy = false;
        int entering = 0;         // messages that are being queued
        MessageId awaited;        // the message that goes before the others of this chat
        Instant blocked_until{};  // how long the others wait for it
        std::deque<Row> waiting;
    };
    struct Entering {
        CustomerId customer_id;
        int priority = 0;
        Way way = Way::queue;
    };
    // The rows of one priority, as far as they are not in memory.
    struct Table {
        std::uint64_t put = 0;   // how often we heard of one that is due
        std::uint64_t read = 0;  // what `put` was when they were last read
        bool all = true;         // whether that brought all of them
        Instant read_at{};
        Instant next_due = Instant::max();
    };
    struct InFlight {
        CustomerId customer_id;
        int priority = 0;
        std::optional<resilience::CircuitBreaker::Ticket> ticket;  // until it is answered
    };
    // Whether a message may begin. Without a ticket: how long to wait, for the customer alone or
    // for the whole number.
    struct Permission {
        std::optional<resilience::CircuitBreaker::Ticket> ticket;
        Duration wait{};
        bool whole_number = false;
    };

    static std::size_t index(int priority) { return static_cast<std::size_t>(priority); }
    Chat& chat(const CustomerId& customer_id, int priority);
    void forget_if_empty(const CustomerId& customer_id, int priority, Instant now);
    // Until when a customer's messages of the first so many priorities hold up what comes after
    // them: zero if there is none, a far moment if one is under way or may begin.
    Instant held_until(const CustomerId& customer_id, int priorities, Instant now) const;
    // Whether a message of this priority would have to wait for another one.
    bool others_go_first(const Row& row, Instant known_since, Instant searched_at,
                         Instant now) const;
    void release_rested(Instant now);
    Permission permission(const CustomerId& customer_id, Instant now);
    resilience::Gcra& pair(const CustomerId& customer_id, Instant now);
    // Takes the message out of flight and frees its chat. Nothing when it is not in flight.
    std::optional<InFlight> land(const MessageId& message_id);

    QueueOptions options_;
    ChannelLimits limits_;
    bool suspended_ = false;
    std::map<CustomerId, Chat> chats_[kPriorities];
    std::set<MessageId> rows_[kPriorities];
    std::map<MessageId, Instant> resting_;
    std::map<MessageId, InFlight> in_flight_;
    std::multimap<int, MessageId> announced_;  // by priority, each in the order of announce()
    std::map<MessageId, Entering> entering_;
    std::set<MessageId> refused_;
    Table tables_[kPriorities];
    resilience::Gcra number_;  // what may begin
    resilience::Gcra wire_;    // what may be called
    std::map<CustomerId, resilience::Gcra> pairs_;
    std::size_t pairs_checked_at_;
    resilience::CircuitBreaker breaker_;
    Instant begin_again_ = Instant::max();
    Instant call_again_ = Instant::max();
};

}  // namespace flowstack::gateway
