#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

// What became of an outbound message. Everybody who asks uses this one order of states: gateway's
// fold, its read model and its API, and campaign's dispositions.
namespace flowstack {

// In the order in which evidence outranks evidence, within one attempt to send. `suppressed` and
// `failed` stand above `sent`, because a provider first accepts a message and may report afterwards
// that it could not deliver it. A delivery receipt outranks both: the message is on the phone.
enum class DeliveryState {
    queued,
    sending,
    cancelled,  // withdrawn before it left
    unknown,    // nobody knows whether the provider took it
    sent,
    suppressed,  // it was not allowed to leave
    failed,
    delivered,
    read,
    played,
};

inline constexpr std::array<std::string_view, 10> kDeliveryStateWords{
    "QUEUED",     "SENDING", "CANCELLED", "UNKNOWN", "SENT",
    "SUPPRESSED", "FAILED",  "DELIVERED", "READ",    "PLAYED"};

constexpr std::string_view text_of(DeliveryState state) {
    return kDeliveryStateWords[static_cast<std::size_t>(state)];
}
constexpr std::optional<DeliveryState> delivery_state_of(std::string_view word) {
    for (std::size_t i = 0; i < kDeliveryStateWords.size(); ++i)
        if (kDeliveryStateWords[i] == word) return static_cast<DeliveryState>(i);
    return std::nullopt;
}

// The state that a status word of a provider is evidence of; nothing for words that say nothing
// about delivery.
constexpr std::optional<DeliveryState> reported_state(std::string_view status) {
    if (status == "sent") return DeliveryState::sent;
    if (status == "failed") return DeliveryState::failed;
    if (status == "delivered") return DeliveryState::delivered;
    if (status == "read") return DeliveryState::read;
    if (status == "played") return DeliveryState::played;
    return std::nullopt;
}

// It is on the customer's phone: a failure that is reported later changes nothing.
constexpr bool arrived(DeliveryState state) { return state >= DeliveryState::delivered; }

// The state after one more piece of evidence about the same attempt. The order and the number of
// the pieces make no difference.
constexpr DeliveryState joined(DeliveryState state, DeliveryState evidence) {
    return std::max(state, evidence);
}

// The state when another attempt is due or begins: what the last one came to does not count any
// more, unless the message arrived.
constexpr DeliveryState tried_again(DeliveryState state) {
    return arrived(state) ? state : DeliveryState::sending;
}

}  // namespace flowstack
