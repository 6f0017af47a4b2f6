#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/core/decision.h"
#include "services/gateway/domain/ids.h"
#include "services/gateway/domain/tenant.h"

// A channel: one connection of a tenant to a messaging provider. Its external id (the provider's id
// of the number) has one owner in the whole installation, held by a claim.
namespace flowstack::gateway {

// Sealed outside (common/crypto); the rules never see a credential.
struct SealedCredentials {
    std::string sealed;
    friend bool operator==(const SealedCredentials&, const SealedCredentials&) = default;
};

// How much a number may send. What a provider's numbers may send by default, the provider says.
struct ChannelLimits {
    int per_second = 80;
    int inbound_headroom_per_second = 20;
    int pair_interval_seconds = 6;
    int pair_burst = 45;
    friend bool operator==(const ChannelLimits&, const ChannelLimits&) = default;
};
ChannelLimits with_defaults(ChannelLimits limits,
                            const ChannelLimits& defaults);  // zeroes become the defaults

struct ConnectChannel {
    ChannelId channel_id;
    std::string kind;
    ExternalChannelId external_id;
    std::string business_account_id;  // at the provider; empty where it has none
    std::string app_id;
    std::string display_phone_number;
    SealedCredentials credentials;
    ChannelLimits limits;
};
struct RotateCredentials {
    SealedCredentials credentials;
};
struct PauseChannel {
    std::string reason;
};
struct ResumeChannel {
    std::string reason;
};
struct ChangeLimits {
    ChannelLimits limits;
};
using ChannelCommand =
    std::variant<ConnectChannel, RotateCredentials, PauseChannel, ResumeChannel, ChangeLimits>;

struct ChannelConnected {
    ConnectChannel channel;
};
struct CredentialsRotated {
    SealedCredentials credentials;
};
struct ChannelPaused {
    std::string reason;
};
struct ChannelResumed {
    std::string reason;
};
struct ChannelLimitsChanged {
    ChannelLimits limits;
};
using ChannelEvent = std::variant<ChannelConnected, CredentialsRotated, ChannelPaused,
                                  ChannelResumed, ChannelLimitsChanged>;

struct NoChannel {};
struct KnownChannel {
    ConnectChannel channel;  // with the credentials and limits of now
    bool paused = false;
    std::string pause_reason;
    // Those before the last rotation. They are tried when the provider refuses the new ones, so
    // that a rotation stops nothing.
    std::optional<SealedCredentials> previous_credentials = std::nullopt;
};
using Channel = std::variant<NoChannel, KnownChannel>;

enum class ChannelRejection {
    invalid,  // faults_of says which
    already_connected,
    unknown_channel,
    already_paused,
    not_paused,
};

std::vector<FieldError> faults_of(const ConnectChannel& channel);
std::vector<FieldError> faults_of(const ChannelLimits& limits);

Decision<ChannelEvent, ChannelRejection> decide(const Channel& channel,
                                                const ChannelCommand& command);
// Throws CorruptStream.
Channel evolve(const Channel& channel, const ChannelEvent& event);

}  // namespace flowstack::gateway
