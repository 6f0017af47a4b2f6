#include "services/gateway/domain/channel.h"

#include <algorithm>

#include "common/core/corrupt_stream.h"

namespace flowstack::gateway {
namespace {

using Answer = Decision<ChannelEvent, ChannelRejection>;

// Large providers grant 1,000 a second; one of another kind may have no limit at all.
constexpr int kPerSecondMax = 10'000;

Answer on(const NoChannel&, const ConnectChannel& c) {
    if (!faults_of(c).empty()) return ChannelRejection::invalid;
    return ChannelConnected{.channel = c};
}
Answer on(const KnownChannel&, const ConnectChannel&) {
    return ChannelRejection::already_connected;
}
Answer on(const KnownChannel&, const RotateCredentials& c) {
    return CredentialsRotated{.credentials = c.credentials};
}
Answer on(const KnownChannel& channel, const PauseChannel& c) {
    if (channel.paused) return ChannelRejection::already_paused;
    return ChannelPaused{.reason = c.reason};
}
Answer on(const KnownChannel& channel, const ResumeChannel& c) {
    if (!channel.paused) return ChannelRejection::not_paused;
    return ChannelResumed{.reason = c.reason};
}
Answer on(const KnownChannel& channel, const ChangeLimits& c) {
    if (!faults_of(c.limits).empty()) return ChannelRejection::invalid;
    if (c.limits == channel.channel.limits) return std::vector<ChannelEvent>{};
    return ChannelLimitsChanged{.limits = c.limits};
}
template <class AnyCommand>
Answer on(const NoChannel&, const AnyCommand&) {
    return ChannelRejection::unknown_channel;
}

Channel after(const NoChannel&, const ChannelConnected& e) {
    return KnownChannel{.channel = e.channel, .pause_reason = ""};
}
Channel after(KnownChannel c, const CredentialsRotated& e) {
    c.previous_credentials = std::move(c.channel.credentials);
    c.channel.credentials = e.credentials;
    return c;
}
Channel after(KnownChannel c, const ChannelPaused& e) {
    c.paused = true;
    c.pause_reason = e.reason;
    return c;
}
Channel after(KnownChannel c, const ChannelResumed&) {
    c.paused = false;
    c.pause_reason.clear();
    return c;
}
Channel after(KnownChannel c, const ChannelLimitsChanged& e) {
    c.channel.limits = e.limits;
    return c;
}
template <class Stage, class AnyEvent>
Channel after(const Stage&, const AnyEvent&) {
    throw CorruptStream("channel: event out of order");
}

}  // namespace

ChannelLimits with_defaults(ChannelLimits limits, const ChannelLimits& defaults) {
    if (limits.per_second == 0) limits.per_second = defaults.per_second;
    if (limits.inbound_headroom_per_second == 0)
        limits.inbound_headroom_per_second =
            std::min(defaults.inbound_headroom_per_second, limits.per_second / 4);
    if (limits.pair_interval_seconds == 0)
        limits.pair_interval_seconds = defaults.pair_interval_seconds;
    if (limits.pair_burst == 0) limits.pair_burst = defaults.pair_burst;
    return limits;
}

std::vector<FieldError> faults_of(const ChannelLimits& limits) {
    std::vector<FieldError> faults;
    if (limits.per_second < 1 || limits.per_second > kPerSecondMax)
        faults.push_back({"limits.per_second", "must be from 1 to 10000"});
    if (limits.inbound_headroom_per_second < 0 ||
        limits.inbound_headroom_per_second >= limits.per_second)
        faults.push_back(
            {"limits.inbound_headroom_per_second", "must be from 0 to below limits.per_second"});
    if (limits.pair_interval_seconds < 1 || limits.pair_interval_seconds > 3600)
        faults.push_back({"limits.pair_interval_seconds", "must be from 1 to 3600"});
    if (limits.pair_burst < 1 || limits.pair_burst > 1000)
        faults.push_back({"limits.pair_burst", "must be from 1 to 1000"});
    return faults;
}

std::vector<FieldError> faults_of(const ConnectChannel& channel) {
    auto faults = faults_of(channel.limits);
    if (channel.kind.empty()) faults.push_back({"kind", "must not be empty"});
    if (channel.external_id.empty())
        faults.push_back({"external_id", "must be the provider's id of the number"});
    if (channel.credentials.sealed.empty())
        faults.push_back({"credentials.access_token", "must not be empty"});
    return faults;
}

Answer decide(const Channel& channel, const ChannelCommand& command) {
    return std::visit([](const auto& s, const auto& c) { return on(s, c); }, channel, command);
}

Channel evolve(const Channel& channel, const ChannelEvent& event) {
    return std::visit([](const auto& s, const auto& e) { return after(s, e); }, channel, event);
}

}  // namespace flowstack::gateway
