#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/secret.h"
#include "flowstack/common/v1/message_content.pb.h"
#include "services/gateway/domain/channel.h"
#include "services/gateway/domain/message.h"

// What gateway needs of a messaging provider in order to send through it. One folder beside this
// file implements it for one provider, and nothing outside that folder knows the provider's words.
// (What a provider reports to us is the other half: its webhook reader.)
namespace flowstack::gateway {

// One message, ready to leave.
struct OutboundCall {
    std::string channel_external_id;  // the provider's id of the number or account that sends
    Secret credentials;
    Secret previous_credentials;  // those before the last rotation; empty when there are none
    common::v1::MessageContent content;  // without faults
    std::string to;                      // E.164 with +, or the provider's own id of the customer
    std::string message_id;  // buttons and rows get the ids "<message id>:<n>", n from 0
    // Comes back in the provider's statuses, if it has a place for it.
    std::string callback_data;
    std::chrono::milliseconds timeout{10'000};
    // Whoever has not begun by then must not begin: the outcome is NotSent.
    std::chrono::steady_clock::time_point not_after{};
};

// Thread-safe.
class MessagingProvider {
public:
    virtual ~MessagingProvider() = default;

    // As channels name it, in capitals: "ECHO".
    virtual std::string_view kind() const = 0;
    // What is wrong with a channel that is to be connected, by field. The limits and the presence
    // of credentials are checked elsewhere.
    virtual std::vector<FieldError> faults_of(const ConnectChannel& channel) const = 0;
    // What is wrong with a content, by field ("content.text.body"); empty when it may be queued.
    virtual std::vector<FieldError> faults_of(const common::v1::MessageContent& content) const = 0;
    virtual ChannelLimits default_limits() const = 0;

    // Sends at most once. `done` runs exactly once, on any thread, possibly before this returns; it
    // must not block. A refusal is classified by the provider. When the credentials are refused as
    // not valid, those before the rotation are tried once, since a refusal proves that nothing was
    // sent. Lost: nobody knows whether the provider took it.
    virtual void send(OutboundCall call, std::function<void(Outcome)> done) const = 0;
};

// The providers of this installation, by kind. They outlive this list.
class Providers {
public:
    explicit Providers(std::vector<const MessagingProvider*> all) : all_(std::move(all)) {}
    // Null when there is none of this kind.
    const MessagingProvider* find(std::string_view kind) const {
        for (const auto* provider : all_)
            if (provider->kind() == kind) return provider;
        return nullptr;
    }

    // For error texts: "ECHO", or several with commas between them.
    std::string kinds() const {
        std::string names;
        for (const auto* provider : all_)
            names += (names.empty() ? "" : ", ") + std::string(provider->kind());
        return names;
    }

private:
    std::vector<const MessagingProvider*> all_;
};

}  // namespace flowstack::gateway
