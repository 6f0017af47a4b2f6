#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/core/decision.h"
#include "common/core/time.h"
#include "services/gateway/domain/ids.h"
#include "services/gateway/domain/tenant_settings.h"

// The endpoints of a tenant: its own systems that hear what happens, by webhooks in the form of
// Standard Webhooks. All of a tenant's are one aggregate, so that their number has an exact limit.
namespace flowstack::gateway {

inline constexpr std::size_t kWebhookEndpointsMax = 10;  // of one tenant
inline constexpr std::size_t kWebhookUrlMax = 2048;
inline constexpr std::size_t kWebhookDescriptionMax = 200;  // bytes
inline constexpr std::chrono::hours kPreviousKeyDefault{24};
inline constexpr std::chrono::hours kPreviousKeyMax{24 * 7};

enum class WebhookSignature { hmac_sha256, ed25519 };

// Sealed outside (common/crypto); the rules never see a secret.
struct WebhookKey {
    std::string sealed;
    std::string public_key;  // of ed25519
    friend bool operator==(const WebhookKey&, const WebhookKey&) = default;
};

struct WebhookTarget {
    std::string url;
    std::vector<std::string> event_types;  // empty: all
    std::string description;
    friend bool operator==(const WebhookTarget&, const WebhookTarget&) = default;
};
// `types` are those that there are. Plain http:// is for development.
std::vector<FieldError> faults_of(const WebhookTarget& target,
                                  const std::vector<std::string>& types, bool plain_http);

struct WebhookEndpointCreated {
    WebhookEndpointId endpoint_id;
    WebhookTarget target;
    WebhookSignature signature = WebhookSignature::hmac_sha256;
    WebhookKey key;
};
struct WebhookEndpointUpdated {
    WebhookEndpointId endpoint_id;
    WebhookTarget target;
};
struct WebhookSecretRotated {
    WebhookEndpointId endpoint_id;
    WebhookKey key;
    Time previous_until{};
};
struct WebhookEndpointPaused {
    WebhookEndpointId endpoint_id;
    std::string reason;
};
struct WebhookEndpointResumed {
    WebhookEndpointId endpoint_id;
    std::string reason;
};
struct WebhookEndpointDeleted {
    WebhookEndpointId endpoint_id;
    std::string reason;
};
struct WebhookEndpointFailing {
    WebhookEndpointId endpoint_id;
    std::string reason;
};
struct WebhookEndpointRecovered {
    WebhookEndpointId endpoint_id;
};
struct WebhookEndpointSwitchedOff {
    WebhookEndpointId endpoint_id;
    std::string reason;
    Time failing_since{};
};
using WebhookEndpointEvent =
    std::variant<WebhookEndpointCreated, WebhookEndpointUpdated, WebhookSecretRotated,
                 WebhookEndpointPaused, WebhookEndpointResumed, WebhookEndpointDeleted,
                 WebhookEndpointFailing, WebhookEndpointRecovered, WebhookEndpointSwitchedOff>;

enum class WebhookEndpointStatus { active, paused, switched_off };
std::string_view text_of(WebhookEndpointStatus status);  // ACTIVE …

struct WebhookEndpoint {
    WebhookEndpointId endpoint_id;
    WebhookTarget target;
    WebhookSignature signature = WebhookSignature::hmac_sha256;
    WebhookKey key;
    std::optional<WebhookKey> previous_key;  // signs too, until then
    Time previous_until{};
    WebhookEndpointStatus status = WebhookEndpointStatus::active;
    std::string reason;  // why it is not active
    Time failing_since{};
    Time created_at{};
    std::int64_t version = 0;  // of the stream, when it last changed
};
struct WebhookEndpoints {
    std::vector<WebhookEndpoint> all;  // in the order in which they were made
    std::int64_t version = 0;

    const WebhookEndpoint* find(const WebhookEndpointId& id) const;
};

// Whether an endpoint's owner asked for this type.
bool wants(const WebhookEndpoint& endpoint, std::string_view type);

// What a person asks for, in the facts that it becomes.
using WebhookEndpointCommand =
    std::variant<WebhookEndpointCreated, WebhookEndpointUpdated, WebhookSecretRotated,
                 WebhookEndpointPaused, WebhookEndpointResumed, WebhookEndpointDeleted>;
enum class WebhookEndpointRejection { too_many, unknown, already_paused, not_held };

Decision<WebhookEndpointEvent, WebhookEndpointRejection> decide(
    const WebhookEndpoints& endpoints, const WebhookEndpointCommand& command);

// What the attempts of one process told about an endpoint.
struct WebhookHealth {
    WebhookEndpointId endpoint_id;
    bool works = false;
    bool gone = false;  // it answered 410
    int failures_in_a_row = 0;
    std::string reason;
    Time now{};
};
struct WebhookHealthPolicy {
    int failing_after = 5;  // failures in a row
    std::chrono::milliseconds off_after{std::chrono::hours{24 * 5}};
};
// Nothing: it is as it was.
std::optional<WebhookEndpointEvent> judge(const WebhookEndpoints& endpoints,
                                          const WebhookHealth& health,
                                          const WebhookHealthPolicy& policy);

// Throws CorruptStream.
WebhookEndpoints evolve(WebhookEndpoints endpoints, const WebhookEndpointEvent& event, Time at);

}  // namespace flowstack::gateway
