#include "services/gateway/dispatch/attempt.h"

#include <thread>
#include <utility>

#include "common/observability/log.h"
#include "services/gateway/adapters/codec.h"

namespace flowstack::gateway {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kStoreRetryAfter{200};
// The objective is the bucket of 2.5 s (deploy/observability); a reply may also wait for a provider
// that is away, for minutes.
const std::vector<double> kReplyBuckets{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};
constexpr int kDecisionsMax = 5;  // how often a decision is made again on what others wrote first

}  // namespace

bool says_ill(const Outcome& outcome) {
    if (const auto* refused = std::get_if<Refused>(&outcome))
        return trips_breaker(refused->error.error_class);
    return std::holds_alternative<Lost>(outcome) || std::holds_alternative<NotSent>(outcome);
}

DispatchCounters dispatch_counters(metrics::Registry& metrics) {
    return {metrics.counter("flowstack_gateway_send_attempts_total", "calls begun"),
            metrics.counter("flowstack_gateway_sends_accepted_total",
                            "messages that the provider took"),
            metrics.counter("flowstack_gateway_sends_failed_total", "answers that refused"),
            metrics.counter("flowstack_gateway_sends_unknown_total", "answers that were lost"),
            metrics.counter("flowstack_gateway_sends_suppressed_total",
                            "messages that were not allowed to leave"),
            metrics.counter("flowstack_gateway_send_retries_total",
                            "calls begun for a message that had been tried before"),
            metrics.histogram("flowstack_gateway_reply_seconds",
                              "from the moment at which a customer's message was stored until the "
                              "provider took the reply to it",
                              {}, kReplyBuckets)};
}

Attempts::Attempts(eventlog::Store& store, eventlog::Owners& owners, Directory& directory,
                   const DerivedKeys& keys, const Providers& providers, const Clock& clock,
                   const DispatcherOptions& options, const DispatchCounters& counters,
                   MessageStreams& streams, std::shared_ptr<ThreadPool> readers,
                   std::shared_ptr<Loop> loop, AttemptListener& listener)
    : store_(store),
      owners_(owners),
      directory_(directory),
      keys_(keys),
      providers_(providers),
      clock_(clock),
      options_(options),
      counters_(counters),
      streams_(streams),
      readers_(std::move(readers)),
      loop_(std::move(loop)),
      listener_(listener) {
    std::random_device seed;
    random_.seed(seed());
    run_id_ = std::to_string(seed()) + std::to_string(seed());
}

bool Attempts::calls(const MessageId& message_id) const {
    const std::lock_guard lock(mutex_);
    return calling_.contains(message_id);
}

// ---------------------------------------------------------------- before the call

void Attempts::begin(const AttemptPtr& attempt) {
    const auto decision = decide(
        attempt->message,
        BeginAttempt{.facts = attempt->facts, .replica = options_.replica, .now = clock_.now()});
    ++open_;
    if (!decision.accepted()) {
        // Not due: the clock of the database is ahead of ours. For every other reason but `held`
        // the message is not in the queue any more: its row goes with the event that said so.
        const auto why = decision.rejection();
        return give_back(attempt,
                         why == MessageRejection::not_due || why == MessageRejection::held);
    }
    const auto guard = owners_.guard(attempt->channel->lane);
    if (!guard) return give_back(attempt, true);
    auto command = streams_.command(attempt->tenant, attempt->customer_id, attempt->message_id,
                                    attempt->version, attempt->cause, decision.events());
    const auto* attempted = std::get_if<SendAttempted>(&decision.events().front());
    if (attempted != nullptr) {
        // The contact must still be what was judged: after STOP's commit nothing begins.
        command.parts.push_back(
            {contact_stream(attempt->tenant, attempt->customer_id), attempt->contact_version, {}});
        command.owner_guard = *guard;
        // Of this process and decision only: "already done" then means that we did it.
        command.id = "attempt/" + attempt->message_id + "/" + std::to_string(attempted->attempt) +
                     "/" + run_id_ + "/" + std::to_string(attempt->version) + "/" +
                     std::to_string(attempt->contact_version);
        attempt->not_after = Steady::now() + options_.attempt_start_max;
        const std::lock_guard lock(mutex_);
        calling_.insert(attempt->message_id);
    } else {
        command.id = "end/" + attempt->message_id + "/" + std::to_string(attempt->version);
    }
    append(std::move(command),
           [self = shared_from_this(), attempt, events = decision.events()](
               const eventlog::Verdict& verdict) { self->was_written(attempt, events, verdict); });
}

void Attempts::was_written(const AttemptPtr& attempt, const std::vector<MessageEvent>& events,
                           const eventlog::Verdict& verdict) {
    if (!verdict.accepted()) {
        const bool again = verdict.outcome == eventlog::Outcome::wrong_version &&
                           ++attempt->decisions < kDecisionsMax;
        if (!again) return give_back(attempt, true);
        close(attempt);
        return listener_.read_again(attempt);
    }
    for (const auto& event : events) attempt->message = evolve(attempt->message, event);
    attempt->version += static_cast<std::int64_t>(events.size());
    attempt->cause.event = {store_.options().service, verdict.lane, verdict.first_position};
    if (std::holds_alternative<SendAttempted>(events.front())) return listener_.announced(attempt);
    counters_.suppressed.add();
    finish(attempt, std::nullopt);
}

void Attempts::being_written(const Attempt& attempt) {
    const std::lock_guard lock(mutex_);
    calling_.insert(attempt.message_id);
}

void Attempts::not_written(const Attempt& attempt) {
    const std::lock_guard lock(mutex_);
    calling_.erase(attempt.message_id);
}

void Attempts::adopt(const AttemptPtr& attempt) {
    ++open_;
    listener_.announced(attempt);
}

// ---------------------------------------------------------------- the call

void Attempts::call(const AttemptPtr& attempt) {
    const auto& message = attempt->message.message;
    const auto& channel = attempt->channel->channel;
    const auto* provider = providers_.find(channel.kind);
    if (provider == nullptr) return reject(attempt, "no provider of the kind " + channel.kind);
    OutboundCall out;
    out.content.ParseFromString(message.content);
    if (const auto faults = provider->faults_of(out.content); !faults.empty())
        return reject(attempt, faults.front().field + ": " + faults.front().description);
    if (message.to.empty()) return reject(attempt, "the customer has no address");
    counters_.attempts.add();
    if (attempt->message.attempts > 1) counters_.retries.add();
    // Nothing is called without a trace: its span would be the first of one that nobody asked for.
    if (attempt->cause.trace.valid()) {
        attempt->span =
            trace::Span::begin(trace::SpanKind::internal, "send message", attempt->cause.trace);
        attempt->span.set("flowstack.channel.kind", channel.kind);
        attempt->span.set("flowstack.message.id", message.message_id.text());
        attempt->span.set("flowstack.attempt", attempt->message.attempts);
    }
    const trace::Scope scope(attempt->span.context());
    out.tenant = attempt->tenant;
    out.files = options_.files;
    out.channel_external_id = channel.external_id;
    out.business_account_id = channel.business_account_id;
    out.credentials = attempt->channel->access_token;
    out.previous_credentials = attempt->channel->previous_access_token;
    out.to = message.to;
    out.message_id = message.message_id;
    out.callback_data = keys_.callback_data(attempt->tenant, {.message_id = message.message_id,
                                                              .customer_id = message.customer_id,
                                                              .attempt = attempt->message.attempts,
                                                              .priority = message.priority,
                                                              .origin = message.origin});
    out.timeout = options_.send_timeout;
    out.not_after = attempt->not_after;
    provider->send(std::move(out), [self = shared_from_this(), attempt](const Outcome& outcome) {
        self->loop_->post([self, attempt, outcome] { self->settle(attempt, outcome); });
    });
}

// By us, before the provider was asked: it says nothing about the provider.
void Attempts::reject(const AttemptPtr& attempt, std::string why) {
    counters_.failed.add();
    write_outcome(attempt, Refused{.error = {.error_class = ErrorClass::rejected,
                                             .code = "",
                                             .title = std::move(why),
                                             .details = ""}});
}

// What is written of the outcome follows from the call.
void Attempts::end_span(Attempt& attempt, const Outcome& outcome) {
    if (!attempt.span) return;
    attempt.cause.trace = attempt.span.context();
    if (const auto* refused = std::get_if<Refused>(&outcome))
        attempt.span.fail(refused->error.code.empty() ? "refused" : refused->error.code);
    else if (std::holds_alternative<Lost>(outcome))
        attempt.span.fail("unknown");
    else if (std::holds_alternative<NotSent>(outcome))
        attempt.span.fail("not_sent");
    attempt.span.end();
}

void Attempts::settle(const AttemptPtr& attempt, const Outcome& outcome) {
    end_span(*attempt, outcome);
    listener_.answered(attempt, outcome);
    if (const auto* refused = std::get_if<Refused>(&outcome)) {
        if (pauses_channel(refused->error.error_class)) pause(attempt->channel, refused->error);
        counters_.failed.add();
    } else if (const auto* accepted = std::get_if<Accepted>(&outcome)) {
        counters_.accepted.add();
        if (const auto stored_at = attempt->message.message.inbound_stored_at; stored_at != Time{})
            // By two clocks: an answer is never there before the question.
            counters_.reply_seconds.observe(
                std::max(0.0, std::chrono::duration<double>(clock_.now() - stored_at).count()));
        if (accepted->by_previous_credentials) warn_of_credentials(*attempt->channel);
    } else if (std::holds_alternative<Lost>(outcome)) {
        counters_.unknown.add();
    }
    write_outcome(attempt, outcome);
}

// ---------------------------------------------------------------- after the call

// The outcome is written, whatever others wrote meanwhile.
void Attempts::write_outcome(const AttemptPtr& attempt, const Outcome& outcome) {
    const auto decision =
        decide(attempt->message,
               RecordOutcome{.attempt = attempt->message.attempts,
                             .outcome = outcome,
                             .policy = streams_.policy_for(attempt->tenant),
                             .random = std::uniform_real_distribution<double>(0, 1)(random_),
                             .now = clock_.now()});
    if (!decision.accepted() || decision.events().empty()) return finish(attempt, std::nullopt);
    auto command = streams_.command(attempt->tenant, attempt->customer_id, attempt->message_id,
                                    attempt->version, attempt->cause, decision.events());
    command.id = "outcome/" + attempt->message_id + "/" +
                 std::to_string(attempt->message.attempts) + "/" + run_id_ + "/" +
                 std::to_string(attempt->version);
    append(std::move(command), [self = shared_from_this(), attempt, outcome,
                                events = decision.events()](const eventlog::Verdict& verdict) {
        // A status was faster than the answer.
        if (verdict.outcome == eventlog::Outcome::wrong_version)
            return self->fold_again(attempt, outcome);
        std::optional<Time> retry_at;
        for (const auto& event : events)
            if (const auto* failed = std::get_if<SendFailed>(&event))
                if (failed->retry_at != Time{}) retry_at = failed->retry_at;
        self->finish(attempt, retry_at);
    });
}

void Attempts::fold_again(const AttemptPtr& attempt, const Outcome& outcome) {
    read("an outcome", [self = shared_from_this(), attempt, outcome] {
        try {
            const auto folded =
                self->streams_.folds().load(message_stream(attempt->tenant, attempt->message_id));
            self->loop_->post([self, attempt, outcome, folded] {
                const int attempts = attempt->message.attempts;
                attempt->message = folded.state;
                attempt->version = folded.version;
                attempt->cause = cause_of(folded);
                if (attempt->message.attempts == attempts)
                    self->write_outcome(attempt, outcome);
                else
                    self->finish(attempt, std::nullopt);
            });
        } catch (const std::exception&) {
            std::this_thread::sleep_for(kStoreRetryAfter);
            self->loop_->post([self, attempt, outcome] { self->fold_again(attempt, outcome); });
        }
    });
}

// The queue of the readers is longer than all messages that may be in flight. If it is full all the
// same, the attempt stays open and becomes UNKNOWN with the next owner of its lane.
void Attempts::read(const char* what, std::function<void()> job) {
    if (!readers_->post(std::move(job)))
        log::error("work of the dispatcher was dropped: too much waits", {{"what", what}});
}

// Once for every rotation: each message of the channel would say the same.
void Attempts::warn_of_credentials(const ChannelEntry& channel) {
    auto& warned = credentials_warned_[channel.tenant + "/" + channel.channel.channel_id];
    if (warned == channel.version) return;
    warned = channel.version;
    log::error("a channel's new credentials were refused; those before the rotation are used",
               {{"tenant", channel.tenant}, {"channel", channel.channel.channel_id.text()}});
}

void Attempts::pause(const std::shared_ptr<const ChannelEntry>& channel, const SendError& refusal) {
    const auto reason =
        "provider error" + (refusal.code.empty() ? "" : " " + refusal.code) + ": " + refusal.title;
    read("a pause", [self = shared_from_this(), channel, reason] {
        const auto& channel_id = channel->channel.channel_id;
        try {
            const auto stream = channel_stream(channel->tenant, channel_id);
            const auto folded = self->directory_.channel_folds().load(stream);
            const auto decision = decide(folded.state, PauseChannel{.reason = reason});
            if (!decision.accepted()) return;
            eventlog::Command command;
            command.id = "pause/" + channel_id + "/" + std::to_string(folded.version);
            command.tenant = channel->tenant;
            command.meta.routing = by_channel(channel_id);
            command.meta.actor = "dispatcher:" + self->options_.replica;
            command.dedupe = eventlog::Dedupe::version;
            command.parts.push_back(
                {stream, folded.expected(), encode_all(decision.events(), self->clock_.now())});
            self->store_.append(std::move(command));
            self->directory_.apply({channel->tenant, "channel", channel_id});
            log::error(
                "channel paused: its provider refuses every message",
                {{"tenant", channel->tenant}, {"channel", channel_id.text()}, {"reason", reason}});
        } catch (const std::exception& error) {
            log::warn("channel not paused: the store did not take it",
                      {{"tenant", channel->tenant},
                       {"channel", channel_id.text()},
                       {"error", error.what()}});
        }
    });
}

// ---------------------------------------------------------------- the end of an attempt

void Attempts::give_back(const AttemptPtr& attempt, bool still_queued) {
    close(attempt);
    listener_.given_back(attempt, still_queued);
}

void Attempts::finish(const AttemptPtr& attempt, std::optional<Time> retry_at) {
    close(attempt);
    listener_.finished(attempt, retry_at);
}

void Attempts::close(const AttemptPtr& attempt) {
    --open_;
    const std::lock_guard lock(mutex_);
    calling_.erase(attempt->message_id);
}

void Attempts::append(eventlog::Command command, Then then) {
    // The answer comes on the store's thread, with the command, in case it must be asked again.
    auto asked = std::make_shared<const eventlog::Command>(command);
    gathered_.push_back({std::move(command),
                         [self = shared_from_this(), asked, then = std::move(then)](
                             const eventlog::Verdict& verdict, const std::exception_ptr& error) {
                             self->was_answered(*asked, then, verdict, error);
                         }});
}

void Attempts::flush() {
    if (!gathered_.empty()) store_.append_async(std::exchange(gathered_, {}));
}

// On the store's thread.
void Attempts::was_answered(const eventlog::Command& command, const Then& then,
                            const eventlog::Verdict& verdict, const std::exception_ptr& error) {
    if (!error) {
        loop_->post([then, verdict] { then(verdict); });
        return;
    }
    try {
        std::rethrow_exception(error);
    } catch (const eventlog::CommandRefused& refused) {
        log::error("a command of the dispatcher was refused",
                   {{"command", command.id}, {"error", refused.what()}});
        eventlog::Verdict none;
        none.outcome = eventlog::Outcome::not_owner;
        loop_->post([then, none] { then(none); });
        return;
    } catch (const std::exception& away) {
        log::warn("append repeated: the store did not answer",
                  {{"command", command.id}, {"error", away.what()}});
    }
    read("an append", [self = shared_from_this(), command, then] {
        std::this_thread::sleep_for(kStoreRetryAfter);
        self->loop_->post([self, command, then] { self->append(command, then); });
    });
}

}  // namespace flowstack::gateway
