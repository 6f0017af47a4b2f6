#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/core/named_list.h"
#include "common/core/secret.h"
#include "common/http/message.h"
#include "flowstack/common/v1/message_content.pb.h"
#include "services/gateway/domain/channel.h"
#include "services/gateway/domain/message.h"
#include "services/gateway/providers/templates.h"
#include "services/gateway/providers/webhook.h"

// What a messaging provider is to gateway, in both directions. One folder beside this file
// implements it for one provider and is one entry of the list in main.cc; nothing outside that
// folder knows the provider's words. To add one, derive from MessagingProvider and read
// meta/cloud_api.h for an example. tests/support/echo_provider.h is a small one.
namespace flowstack::gateway {

// The tenants' files, for content that names one. Thread-safe.
class MediaFiles {
public:
    virtual ~MediaFiles() = default;
    struct File {
        std::string bytes;
        std::string mime_type;
    };
    // Nothing when there is no such file. May read a disk or a network, and throw.
    virtual std::optional<File> read(std::string_view tenant, std::string_view media_id) const = 0;
};

// One message, ready to leave.
struct OutboundCall {
    std::string tenant;
    std::string channel_external_id;  // the provider's id of the number or account that sends
    std::string business_account_id;  // the provider's account that has the channel; may be empty
    Secret credentials;
    Secret previous_credentials;  // those before the last rotation; empty when there are none
    common::v1::MessageContent content;  // without faults
    const MediaFiles* files = nullptr;   // of the tenant; null: this process has none
    std::string to;                      // E.164 with +, or the provider's own id of the customer
    std::string message_id;  // buttons and rows get the ids "<message id>:<n>", n from 0
    // Comes back in the provider's statuses, if it has a place for it.
    std::string callback_data;
    std::chrono::milliseconds timeout{10'000};
    // Whoever has not begun by then must not begin: the outcome is NotSent.
    std::chrono::steady_clock::time_point not_after{};
};

// A received message that somebody of the shop has read.
struct ReadMark {
    std::string channel_external_id;
    Secret credentials;
    std::string provider_message_id;
    bool typing = false;  // and that somebody writes now
    std::chrono::milliseconds timeout{5'000};
};

// A file of a received message, to be fetched.
struct MediaCall {
    std::string channel_external_id;
    std::string business_account_id;  // may be empty
    Secret credentials;
    std::string provider_media_id;
    std::size_t bytes_max = 0;
    std::chrono::milliseconds timeout{30'000};
};
struct FetchedMedia {
    std::string bytes;
    std::string mime_type;
};
// It did not come. Final: asking again does not help.
struct MediaNotFetched {
    std::string reason;
    bool final = false;
};
using MediaOutcome = std::variant<FetchedMedia, MediaNotFetched>;

// Thread-safe.
class MessagingProvider {
public:
    virtual ~MessagingProvider() = default;

    // ---- its names

    // As channels name it, in capitals: "ECHO".
    virtual std::string_view kind() const = 0;
    // In events, in the actor of what it reports, and in logs: "echo".
    virtual std::string_view name() const = 0;

    // ---- a channel that is connected

    // What is wrong with a channel that is to be connected, by field. The limits and the presence
    // of credentials are checked elsewhere.
    virtual std::vector<FieldError> faults_of(const ConnectChannel& channel) const = 0;
    // What is wrong with the form of the credentials, by field; never a part of them. Whether they
    // open anything, only the provider knows.
    virtual std::vector<FieldError> credential_faults(const Secret&) const { return {}; }
    // The limits of a channel for which nobody says any.
    virtual ChannelLimits default_limits() const = 0;

    // ---- what it reports to us: no store, no network

    // Where it sends its webhooks: "/webhooks/echo". GET is the handshake, POST a webhook. Several
    // providers may name one path: the first one handshakes, and a webhook belongs to the one that
    // can verify it.
    virtual std::vector<std::string> webhook_paths() const = 0;
    // A request that proves to the provider that the address is ours; its answer.
    virtual http::Response handshake(const http::Request& request) const = 0;
    // Verifies the exact bytes, then takes them apart.
    virtual std::variant<Unsigned, SignedWebhook> read(const http::Request& request) const = 0;
    // Takes apart bytes that were verified when they came: reading the past again. `query` is what
    // stood behind the path's '?'.
    virtual ParsedWebhook parse(std::string_view body, std::string_view query) const = 0;

    // ---- what we send

    // It shows neither buttons nor lists, so it sends them as a numbered menu (menu.h). Whoever
    // writes to such a channel may answer the last menu by a number or a title.
    virtual bool numbers_choices() const { return false; }
    // What is wrong with a content, by field ("content.text.body"); empty when it may be queued.
    virtual std::vector<FieldError> faults_of(const common::v1::MessageContent& content) const = 0;
    // Sends at most once. `done` runs exactly once, on any thread, possibly before this returns; it
    // must not block. A refusal is classified by the provider. When the credentials are refused as
    // not valid, those before the rotation are tried once, since a refusal proves that nothing was
    // sent. Lost: nobody knows whether the provider took it.
    virtual void send(OutboundCall call, std::function<void(Outcome)> done) const = 0;
    // Tells that a received message was read. As `send`; a provider without such marks refuses.
    virtual void mark_read(ReadMark, std::function<void(Outcome)> done) const {
        done(Refused{.error = {.error_class = ErrorClass::rejected,
                               .code = "",
                               .title = "this provider has no read marks",
                               .details = ""}});
    }
    // The templates of the businesses' accounts there; null: it keeps none, or they cannot be
    // reached from here.
    virtual const ProviderTemplates* templates() const { return nullptr; }
    // Fetches a file of a received message. `done` runs exactly once, on any thread; it must not
    // block.
    virtual void fetch_media(MediaCall, std::function<void(MediaOutcome)> done) const {
        done(MediaNotFetched{.reason = "this provider has no files", .final = true});
    }
};

// The providers of this installation; they outlive this list. The first one is the default.
class Providers : public NamedList<const MessagingProvider> {
public:
    using NamedList::NamedList;
    // By kind and by name; null when there is none.
    const MessagingProvider* find(std::string_view kind) const {
        return find_by(&MessagingProvider::kind, kind);
    }
    const MessagingProvider* named(std::string_view name) const {
        return find_by(&MessagingProvider::name, name);
    }
    // For error texts: "ECHO", or several with commas between them.
    std::string kinds() const { return names_by(&MessagingProvider::kind); }
};

}  // namespace flowstack::gateway
