#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "services/gateway/providers/provider.h"

namespace flowstack::testing {

// A second messaging provider, without any of Meta's words: a phone in memory that takes every text
// and shows what it was sent. It proves that gateway needs nothing of Meta in order to send.
class EchoProvider final : public gateway::MessagingProvider {
public:
    std::string_view kind() const override { return "ECHO"; }
    std::vector<gateway::FieldError> faults_of(const gateway::ConnectChannel& c) const override {
        if (!c.external_id.starts_with("echo-")) return {{"external_id", "must start with echo-"}};
        return {};
    }
    std::vector<gateway::FieldError> faults_of(
        const common::v1::MessageContent& content) const override {
        if (!content.has_text()) return {{"content", "must be a text"}};
        return {};
    }
    gateway::ChannelLimits default_limits() const override { return {}; }

    void send(gateway::OutboundCall call,
              std::function<void(gateway::Outcome)> done) const override {
        gateway::Outcome outcome;
        {
            const std::lock_guard lock(mutex_);
            if (blocked_ == call.to) {
                outcome = gateway::Refused{{gateway::ErrorClass::rejected,
                                            "blocked",
                                            "The phone is switched off",
                                            "by its owner",
                                            {}}};
            } else {
                outcome = gateway::Accepted{"echo-" + std::to_string(seen_.size() + 1)};
                seen_.push_back({call.channel_external_id, call.to, call.content.text().body(),
                                 call.callback_data});
            }
        }
        done(std::move(outcome));
    }

    struct Seen {
        std::string from, to, text, callback_data;
    };
    std::vector<Seen> seen() const {
        const std::lock_guard lock(mutex_);
        return seen_;
    }
    void block(std::string to) {
        const std::lock_guard lock(mutex_);
        blocked_ = std::move(to);
    }

private:
    mutable std::mutex mutex_;
    mutable std::vector<Seen> seen_;
    std::string blocked_;
};

}  // namespace flowstack::testing
