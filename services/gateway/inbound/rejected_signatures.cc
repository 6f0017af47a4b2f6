#include "services/gateway/inbound/rejected_signatures.h"

#include <chrono>
#include <vector>

#include "common/observability/log.h"
#include "flowstack/gateway/v1/channel_events.pb.h"
#include "services/gateway/adapters/codec.h"

namespace flowstack::gateway {
namespace {

// Sources counted apart (the rest is one), and how often minutes are looked at.
constexpr std::size_t kSourcesMax = 1000;
constexpr std::chrono::seconds kWatch{5};
constexpr std::int64_t kMinuteUs = 60'000'000;

}  // namespace

RejectedSignatures::RejectedSignatures(eventlog::Store& store, IdSource& ids, const Clock& clock)
    : store_(store), ids_(ids), clock_(clock), thread_([this] { watch(); }) {}

void RejectedSignatures::stop() {
    {
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
        stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
    write(true);
}

void RejectedSignatures::count(const std::string& source) {
    const auto minute = unix_micros(clock_.now()) / kMinuteUs * kMinuteUs;
    const std::lock_guard lock(mutex_);
    const auto known = counts_.find({source, minute});
    if (known != counts_.end())
        ++known->second;
    else
        ++counts_[{counts_.size() < kSourcesMax ? source : "others", minute}];
}

void RejectedSignatures::watch() {
    while (true) {
        {
            std::unique_lock lock(mutex_);
            if (wake_.wait_for(lock, kWatch, [&] { return stopping_; })) return;
        }
        write(false);
    }
}

void RejectedSignatures::write(bool all) {
    const auto now = clock_.now();
    std::vector<v1::SignatureRejected> minutes;
    {
        const std::lock_guard lock(mutex_);
        for (auto at = counts_.begin(); at != counts_.end();) {
            const auto& [key, count] = *at;
            if (!all && key.second + kMinuteUs > unix_micros(now)) {
                ++at;
                continue;
            }
            auto& event = minutes.emplace_back();
            event.set_source(key.first);
            event.set_minute_us(key.second);
            event.set_count(count);
            at = counts_.erase(at);
        }
    }
    for (const auto& event : minutes) {
        log::warn("webhooks with a wrong signature",
                  {{"source", event.source()}, {"count", event.count()}});
        eventlog::NewEvent fact;
        fact.type = v1::SignatureRejected::descriptor()->full_name();
        fact.payload = event.SerializeAsString();
        fact.occurred_at = now;
        eventlog::Command command;
        command.id = ids_.next().text();
        command.tenant = kPlatform;
        command.meta.routing = {eventlog::RoutingKind::named, "signatures"};
        command.parts.push_back(
            {{std::string(kPlatform), "quarantine", "signatures"}, eventlog::kAny, {fact}});
        // A count that the store does not take is lost: the log line above has it.
        store_.append_async(std::move(command),
                            [](const eventlog::Verdict&, const std::exception_ptr&) {});
    }
}

}  // namespace flowstack::gateway
