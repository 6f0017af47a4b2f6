#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "common/core/clock.h"
#include "common/core/thread_pool.h"
#include "common/eventlog/owners.h"
#include "common/eventlog/store.h"
#include "common/observability/metrics.h"
#include "common/observability/span.h"
#include "services/gateway/adapters/derive.h"
#include "services/gateway/adapters/directory.h"
#include "services/gateway/dispatch/loop.h"
#include "services/gateway/dispatch/message_streams.h"
#include "services/gateway/dispatch/options.h"
#include "services/gateway/domain/message.h"
#include "services/gateway/providers/provider.h"

// One attempt to send a message: decide → append SendAttempted (guards: the contact's version, our
// ownership of the lane) → call the provider → append the outcome.
namespace flowstack::gateway {

// One message on its way to the provider.
struct Attempt {
    std::string tenant;
    MessageId message_id;
    CustomerId customer_id;
    int priority = 0;
    std::shared_ptr<const ChannelEntry> channel;

    // What FactsReader has read.
    Message message;
    std::int64_t version = 0;
    Cause cause;
    std::int64_t contact_version = 0;
    DispatchFacts facts;
    // The read model judges what came in from this customer once it shows this position of the
    // customer's lane: the head when it was first asked. Zero: not asked yet.
    std::int64_t inbound_head = 0;
    bool inbound_known = true;
    std::chrono::steady_clock::time_point inbound_asked{};

    trace::Span span;  // from the call to its answer

    int decisions = 0;
    // Counted from before the attempt is written: a process that stood still for longer must not
    // call any more, because the lane's next owner has waited that long and judged the call lost.
    std::chrono::steady_clock::time_point not_after{};
};
using AttemptPtr = std::shared_ptr<Attempt>;

// Whether the answer, or its absence, says that the provider is ill.
bool says_ill(const Outcome& outcome);

struct DispatchCounters {
    metrics::Counter attempts;
    metrics::Counter accepted;
    metrics::Counter failed;
    metrics::Counter unknown;
    metrics::Counter suppressed;
    metrics::Counter retries;
    metrics::Histogram reply_seconds;
};
DispatchCounters dispatch_counters(metrics::Registry& metrics);

// Hears on the dispatcher's thread what becomes of attempts.
class AttemptListener {
public:
    virtual ~AttemptListener() = default;
    // Somebody else wrote first: the attempt must be read and decided again.
    virtual void read_again(const AttemptPtr& attempt) = 0;
    // SendAttempted is in the log: Attempts::call must follow, in any case.
    virtual void announced(const AttemptPtr& attempt) = 0;
    // The provider's answer, before it is written.
    virtual void answered(const AttemptPtr& attempt, const Outcome& outcome) = 0;
    // The message was not sent. Its row stays in the table, unless another's event removes it.
    virtual void given_back(const AttemptPtr& attempt, bool still_queued) = 0;
    // What became of it is in the log.
    virtual void finished(const AttemptPtr& attempt, std::optional<Time> retry_at) = 0;
};

// All methods run on the dispatcher's thread unless they say otherwise. Held by a shared_ptr: a
// provider may answer after the dispatcher has ended, and such an answer is dropped.
class Attempts : public std::enable_shared_from_this<Attempts> {
public:
    Attempts(eventlog::Store& store, eventlog::Owners& owners, Directory& directory,
             const DerivedKeys& keys, const Providers& providers, const Clock& clock,
             const DispatcherOptions& options, const DispatchCounters& counters,
             MessageStreams& streams, std::shared_ptr<ThreadPool> readers,
             std::shared_ptr<Loop> loop, AttemptListener& listener);

    // Decides on what was read and writes the attempt, or why there is none.
    void begin(const AttemptPtr& attempt);
    // Calls the provider and writes its answer.
    void call(const AttemptPtr& attempt);
    // An attempt that is written together with its message. On any thread; adopt() or
    // not_written() must follow.
    void being_written(const Attempt& attempt);
    void not_written(const Attempt& attempt);
    // It is in the log.
    void adopt(const AttemptPtr& attempt);
    // Hands the store what has gathered since the last time, together: those of different chats
    // then share a commit.
    void flush();
    // Attempts that are being written, are written, or wait for their outcome.
    int open() const { return open_; }
    // Whether a call of this message is under way in this process. On any thread.
    bool calls(const MessageId& message_id) const;

private:
    using Then = std::function<void(const eventlog::Verdict&)>;

    void was_written(const AttemptPtr& attempt, const std::vector<MessageEvent>& events,
                     const eventlog::Verdict& verdict);
    void reject(const AttemptPtr& attempt, std::string why);
    static void end_span(Attempt& attempt, const Outcome& outcome);
    void settle(const AttemptPtr& attempt, const Outcome& outcome);
    void write_outcome(const AttemptPtr& attempt, const Outcome& outcome);
    void fold_again(const AttemptPtr& attempt, const Outcome& outcome);
    void read(const char* what, std::function<void()> job);
    void warn_of_credentials(const ChannelEntry& channel);
    void pause(const std::shared_ptr<const ChannelEntry>& channel, const SendError& refusal);
    void give_back(const AttemptPtr& attempt, bool still_queued);
    void finish(const AttemptPtr& attempt, std::optional<Time> retry_at);
    void close(const AttemptPtr& attempt);
    // With the next flush(), and until the store has answered: after a lost connection the same
    // command is asked again.
    void append(eventlog::Command command, Then then);
    void was_answered(const eventlog::Command& command, const Then& then,
                      const eventlog::Verdict& verdict, const std::exception_ptr& error);

    eventlog::Store& store_;
    eventlog::Owners& owners_;
    Directory& directory_;
    const DerivedKeys& keys_;
    const Providers& providers_;
    const Clock& clock_;
    const DispatcherOptions options_;
    const DispatchCounters counters_;
    MessageStreams& streams_;
    std::shared_ptr<ThreadPool> readers_;
    std::shared_ptr<Loop> loop_;
    AttemptListener& listener_;

    std::mt19937_64 random_;
    std::string run_id_;  // of this process; part of the ids of its commands
    int open_ = 0;
    std::vector<eventlog::Store::Asked> gathered_;
    std::map<std::string, std::int64_t> credentials_warned_;  // tenant/channel, its version
    mutable std::mutex mutex_;
    std::set<MessageId> calling_;
};

}  // namespace flowstack::gateway
