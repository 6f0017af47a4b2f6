#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/core/clock.h"
#include "common/eventlog/store.h"
#include "flowstack/gateway/v1/webhook_events.pb.h"
#include "services/gateway/adapters/contacts.h"
#include "services/gateway/adapters/directory.h"
#include "services/gateway/inbound/element_commands.h"
#include "services/gateway/providers/provider.h"

// The webhooks that the log has kept as they came, and reading them again after a provider's reader
// was mended.
namespace flowstack::gateway {

// Where a webhook is in the log: its event, and which of the event's webhooks it is, from 0.
struct WebhookPlace {
    int lane = 0;
    std::int64_t position = 0;
    int index = 0;
    friend bool operator==(const WebhookPlace&, const WebhookPlace&) = default;
};
struct RawWebhook {
    WebhookPlace place;
    Uuid id{};
    v1::RawWebhook raw;
};

// What is read in a webhook, and whether the log has it.
enum class ElementState { stored, missing, appended, ignored, unreadable, quarantined, failed };

struct ReadElement {
    std::string path;
    WebhookElement::Kind kind = WebhookElement::Kind::unknown;
    std::string provider_type;  // of a message; the value of a status or preference
    std::string tenant;
    std::string provider_message_id;
    bool repaired = false;
    ElementState state = ElementState::ignored;
    std::string detail{};  // why it failed
};

struct WebhookQuery {
    std::optional<int> lane;
    Time from{};  // came to the door at this time or later
    Time until = Time::max();
    std::optional<ParsedWebhook::Shape> parse;  // only those that were read so when they came
    int page_size = 50;
    // Where the page begins: the one before said so. Position 0: the beginning of the lane.
    WebhookPlace at{};
};
struct WebhookPage {
    std::vector<RawWebhook> webhooks;
    // Nothing: the log was read to its end.
    std::optional<WebhookPlace> next;
};

// Thread-safe. All of it blocks on the store, and throws when it is away.
class RawWebhooks {
public:
    // All of it must outlive this.
    RawWebhooks(eventlog::Store& store, Directory& directory, Contacts& contacts,
                const DerivedKeys& keys, const Providers& providers)
        : store_(store),
          directory_(directory),
          contacts_(contacts),
          keys_(keys),
          providers_(providers) {}

    WebhookPage list(const WebhookQuery& query);
    std::optional<RawWebhook> get(const WebhookPlace& place);

    // Reads it as its provider reads it now. `append`: what is missing is appended, as the act of
    // `actor`; otherwise nothing changes.
    std::vector<ReadElement> read(const RawWebhook& webhook, bool append, const std::string& actor);

private:
    std::int64_t first_since(int lane, Time time, std::int64_t head);
    ReadElement read_element(const WebhookFrame& frame, std::string_view channel_kind,
                             const WebhookElement& element, bool append);
    bool is_received(const std::string& tenant, const ProviderMessageId& message);
    bool is_stored(const eventlog::Command& command);
    ElementState append_command(eventlog::Command command);
    // News of an account: what it is for all tenants that it concerns.
    void read_account_notice(ReadElement& out, const WebhookFrame& frame,
                             std::string_view channel_kind, const WebhookElement& element,
                             bool append);
    ElementState append_for_customer(const WebhookFrame& frame, const Destination& to,
                                     const WebhookElement& element);

    eventlog::Store& store_;
    Directory& directory_;
    Contacts& contacts_;
    const DerivedKeys& keys_;
    const Providers& providers_;
};

}  // namespace flowstack::gateway
