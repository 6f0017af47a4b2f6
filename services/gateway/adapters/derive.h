#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/crypto/envelope.h"
#include "common/eventlog/types.h"
#include "services/gateway/domain/contact.h"
#include "services/gateway/domain/message.h"

// The side rows of gateway's events: claims, queues, settings changes. A pure function of the event
// (and of gateway's root key), so that they can be made again from the log.
namespace flowstack::gateway {

// Keys made of gateway's root key, one per use. `root` must outlive them.
class DerivedKeys {
public:
    explicit DerivedKeys(const crypto::RootKey& root) : root_(root) {}

    // Claims hold HMACs under the tenant's key, not phone numbers: 64 hex digits. All spellings of
    // one number have one claim, so whoever looks a person up by phone finds the same one.
    std::string identity_claim(std::string_view tenant, const Identity& identity) const;

    // What a send carries and a status brings back: which attempt of which message it is, who asked
    // for it, and a tag, so that only what we wrote is believed.
    struct Callback {
        MessageId message_id;
        CustomerId customer_id;
        int attempt = 0;
        int priority = 0;
        Origin origin;
        friend bool operator==(const Callback&, const Callback&) = default;
    };
    std::string callback_data(std::string_view tenant, const Callback& callback) const;
    std::optional<Callback> read_callback(std::string_view tenant, std::string_view data) const;

private:
    const crypto::RootKey& root_;
};

inline constexpr std::string_view kIdentityClaim = "identity";
inline constexpr std::string_view kChannelClaim = "channel";
inline constexpr std::string_view kIdempotencyClaim = "idempotency";
inline constexpr std::string_view kProviderMessageClaim = "provider_message";

// Key of a channel's claim: its kind and external id, for the whole platform.
std::string channel_claim_key(std::string_view kind, const ExternalChannelId& external_id);

// Value of a provider message's claim: which message of which customer it is.
struct MessageAddress {
    MessageId message_id;
    CustomerId customer_id;
};
std::string claim_value(const MessageAddress& address);
std::optional<MessageAddress> read_claim_value(std::string_view value);

// Work rows. The queue of a channel is three kinds of row, one a priority, at the channel's lane.
inline constexpr std::string_view kDispatchPrefix = "dispatch/";  // of every queue's kind
std::string dispatch_kind(const ChannelId& channel_id, int priority);
inline constexpr std::string_view kAttemptKind = "attempt";    // a call that is not answered yet
inline constexpr std::string_view kEvidenceKind = "evidence";  // an unknown one whose wait ends
// A file of a received message that is to be fetched, at the message's lane.
inline constexpr std::string_view kMediaKind = "media";

// The list of an account's templates that is to be read, at the account's lane. Its key has the
// tenant too: accounts are the provider's.
inline constexpr std::string_view kTemplateListingKind = "template_listing";
std::string listing_key(std::string_view tenant, std::string_view business_account_id);
std::string account_of_listing(std::string_view key);
// A request about a template that has no answer, when it is due to be unknown.
inline constexpr std::string_view kTemplateCallKind = "template_call";

// What a work row points to.
struct WorkRef {
    std::string tenant;
    ChannelId channel_id;
    CustomerId customer_id;
    int attempt = 0;
    OriginId origin_id;  // campaign …; empty when the event does not say
};
std::string ref_text(const WorkRef& ref);
std::optional<WorkRef> read_ref(std::string_view text);

// `lanes`: of the installation. `keys` must outlive the function.
eventlog::DeriveFn make_derive(int lanes, const DerivedKeys& keys);

}  // namespace flowstack::gateway
