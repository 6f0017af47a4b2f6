#include "services/gateway/adapters/door.h"

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/observability/log.h"
#include "common/observability/trace.h"
#include "flowstack/gateway/v1/channel_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/gateway/v1/webhook_events.pb.h"
#include "services/gateway/adapters/inbound_codec.h"

namespace flowstack::gateway {
namespace {

using Kind = WebhookElement::Kind;
using eventlog::Command;
using eventlog::Dedupe;
using eventlog::Verdict;

constexpr std::string_view kMetaChannel = "META_CLOUD";
constexpr int kTriesMax = 3;
// Wrong signatures: sources counted apart (the rest is one), and how often minutes are looked at.
constexpr std::size_t kRejectedSourcesMax = 1000;
constexpr std::chrono::seconds kRejectedWatch{5};
constexpr std::int64_t kMinuteUs = 60'000'000;

std::vector<Identity> identities_of(const WebhookElement& element) {
    std::vector<Identity> identities;
    if (!element.phone.empty()) identities.push_back({std::string(kPhone), element.phone});
    if (!element.bsuid.empty()) identities.push_back({std::string(kBsuid), element.bsuid});
    return identities;
}

template <class Proto>
eventlog::NewEvent event_of(const Proto& proto, Time occurred_at) {
    eventlog::NewEvent event;
    event.type = Proto::descriptor()->full_name();
    event.payload = proto.SerializeAsString();
    event.occurred_at = occurred_at;
    return event;
}

// Does this element ask to change the consent?
std::optional<ChangeConsent> consent_of(const WebhookElement& element) {
    if (element.kind == Kind::preference) {
        if (element.value == "stop")
            return ChangeConsent{{std::string(kMarketing)}, false, "user_preferences", "stop"};
        if (element.value == "resume" || element.value == "signup")
            return ChangeConsent{
                {std::string(kMarketing)}, true, "user_preferences", element.value};
        return std::nullopt;
    }
    if (element.inbound != InboundKind::text && element.inbound != InboundKind::button)
        return std::nullopt;
    const auto word = consent_word(element.text);
    if (!word) return std::nullopt;
    return ChangeConsent{{std::string(kMarketing), std::string(kUtility)},
                         *word == ConsentWord::start,
                         "keyword",
                         element.text};
}

bool belongs_to_a_channel(const WebhookElement& element) {
    return element.kind == Kind::message || element.kind == Kind::status ||
           element.kind == Kind::preference;
}

std::string consent_change_of(const std::vector<ContactEvent>& events) {
    for (const auto& event : events)
        if (const auto* changed = std::get_if<ConsentChanged>(&event))
            return changed->granted ? "resubscribed" : "unsubscribed";
    return {};
}

}  // namespace

// One POST: what was received, and how many appends are still on their way.
struct Door::Delivery {
    http::Request request;
    http::Responder responder;
    std::string app_id;
    ParsedWebhook parsed;
    Uuid webhook_id;
    std::string traceparent;
    Time received_at;
    std::atomic<int> pending{1};  // the starter holds one
    std::atomic<bool> failed{false};
    // What is asked for on the thread that routes the elements is gathered and goes in one commit.
    std::thread::id router;
    bool gathering = true;  // that thread's only
    std::vector<eventlog::Store::Asked> gathered;

    Delivery(http::Request r, http::Responder to)
        : request(std::move(r)), responder(std::move(to)) {}

    void expect() { ++pending; }
    void done(bool ok) {
        if (!ok) failed = true;
        if (--pending != 0) return;
        if (failed) {
            auto response = http::Response::problem(
                503, "Service Unavailable", "The store cannot take this now. Send it again.",
                "STORE_UNAVAILABLE");
            response.headers.set("Retry-After", "1");
            responder.send(std::move(response));
        } else {
            responder.send(http::Response{200, {}, ""});
        }
    }
};

// Messages of one customer keep their order: the next one starts when the one before is stored, or
// at once when the customer is known.
struct Door::Chain {
    std::shared_ptr<const ChannelEntry> channel;
    std::int64_t settings_version = 0;
    std::vector<const WebhookElement*> elements;
};

Door::Door(eventlog::Store& store, Directory& directory, Contacts& contacts,
           const DerivedKeys& keys, IdSource& ids, const Clock& clock, metrics::Registry& metrics,
           DoorOptions options)
    : store_(store),
      directory_(directory),
      contacts_(contacts),
      keys_(keys),
      ids_(ids),
      clock_(clock),
      options_(std::move(options)),
      customers_(options_.customers_cached_max),
      bad_signatures_(metrics.counter("flowstack_gateway_bad_signatures_total",
                                      "webhooks whose signature was wrong")),
      malformed_(metrics.counter("flowstack_gateway_malformed_webhooks_total",
                                 "signed webhooks that are no JSON")),
      messages_(metrics.counter("flowstack_gateway_inbound_messages_total",
                                "messages of customers, duplicates included")),
      statuses_(metrics.counter("flowstack_gateway_statuses_total", "statuses of our messages")),
      unknown_(metrics.counter("flowstack_gateway_unknown_elements_total",
                               "elements kept in the raw event only")),
      oversized_(metrics.counter("flowstack_gateway_oversized_elements_total",
                                 "elements above the limit, kept in the raw event only")),
      quarantined_(metrics.counter("flowstack_gateway_quarantined_elements_total",
                                   "elements that no tenant may have")),
      refused_(metrics.counter("flowstack_gateway_webhooks_refused_total",
                               "webhooks answered with 503")),
      lookups_(options_.lookup_threads, options_.lookups_queued_max) {
    directory_.on_merge([this](const std::string& tenant, const std::string& customer) {
        customers_.forget(tenant, customer);
    });
    rejected_watch_ = std::thread([this] { watch_rejected(); });
}

Door::~Door() { stop(); }

void Door::stop() {
    {
        const std::lock_guard lock(rejected_mutex_);
        if (stopping_) return;
        stopping_ = true;
    }
    rejected_wake_.notify_one();
    rejected_watch_.join();
    write_rejected(true);
    lookups_.stop();
}

void Door::count_rejected(const std::string& source) {
    bad_signatures_.add();
    const auto minute = unix_micros(clock_.now()) / kMinuteUs * kMinuteUs;
    const std::lock_guard lock(rejected_mutex_);
    const auto known = rejected_.find({source, minute});
    if (known != rejected_.end())
        ++known->second;
    else
        ++rejected_[{rejected_.size() < kRejectedSourcesMax ? source : "others", minute}];
}

void Door::watch_rejected() {
    while (true) {
        {
            std::unique_lock lock(rejected_mutex_);
            if (rejected_wake_.wait_for(lock, kRejectedWatch, [&] { return stopping_; })) return;
        }
        write_rejected(false);
    }
}

void Door::write_rejected(bool all) {
    const auto now = clock_.now();
    std::vector<v1::SignatureRejected> minutes;
    {
        const std::lock_guard lock(rejected_mutex_);
        for (auto at = rejected_.begin(); at != rejected_.end();) {
            const auto& [key, count] = *at;
            if (!all && key.second + kMinuteUs > unix_micros(now)) {
                ++at;
                continue;
            }
            auto& event = minutes.emplace_back();
            event.set_source(key.first);
            event.set_minute_us(key.second);
            event.set_count(count);
            at = rejected_.erase(at);
        }
    }
    for (const auto& event : minutes) {
        log::warn("webhooks with a wrong signature",
                  {{"source", event.source()}, {"count", event.count()}});
        Command command;
        command.id = ids_.next().text();
        command.tenant = kPlatform;
        command.meta.routing = {eventlog::RoutingKind::named, "signatures"};
        command.parts.push_back({{std::string(kPlatform), "quarantine", "signatures"},
                                 eventlog::kAny,
                                 {event_of(event, now)}});
        // A count that the store does not take is lost: the log line above has it.
        store_.append_async(std::move(command), [](const Verdict&, const std::exception_ptr&) {});
    }
}

void Door::handshake(const http::Request& request, const http::Responder& responder) const {
    const auto mode = request.query_param("hub.mode").value_or("");
    const auto challenge = request.query_param("hub.challenge");
    const auto token = request.query_param("hub.verify_token").value_or("");
    if (mode != "subscribe" || !challenge || options_.verify_token.empty() ||
        !crypto::constant_time_equal(token, options_.verify_token.reveal())) {
        responder.send(http::Response::problem(
            403, "Forbidden", "hub.verify_token is not the configured META_VERIFY_TOKEN.",
            "PERMISSION_DENIED"));
        return;
    }
    responder.send(http::Response::text(200, *challenge));
}

void Door::webhook(http::Request request, http::Responder responder) {
    const auto app =
        signing_app(options_.apps, request.body, request.headers.get("X-Hub-Signature-256"));
    if (!app) {
        count_rejected(request.remote_address);
        responder.send(http::Response{401, {}, ""});
        return;
    }
    auto delivery = std::make_shared<Delivery>(std::move(request), std::move(responder));
    delivery->app_id = *app;
    delivery->parsed = parse_meta_webhook(delivery->request.body);
    delivery->webhook_id = ids_.next();
    delivery->received_at = clock_.now();
    delivery->traceparent =
        trace::continue_from(delivery->request.headers.get(trace::kHeader)).traceparent();
    if (delivery->parsed.shape == ParsedWebhook::Shape::malformed_json) malformed_.add();

    std::set<std::string> strangers;
    for (const auto& element : delivery->parsed.elements)
        if (belongs_to_a_channel(element) &&
            !directory_.by_external_id(kMetaChannel, element.phone_number_id))
            strangers.insert(element.phone_number_id);
    if (strangers.empty()) return route(delivery);
    // Another replica may have connected it a moment ago: the log knows, and reading it takes time.
    const bool taken = lookups_.post([this, delivery, strangers = std::move(strangers)] {
        try {
            for (const auto& id : strangers) directory_.find_external_id(kMetaChannel, id);
        } catch (const std::exception& error) {
            log::warn("a channel could not be looked up", {{"error", error.what()}});
            refused_.add();
            delivery->done(false);
            return;
        }
        route(delivery);
    });
    if (!taken) {
        refused_.add();
        delivery->done(false);
    }
}

void Door::route(const std::shared_ptr<Delivery>& delivery) {
    delivery->router = std::this_thread::get_id();
    // Elements of one customer, in order; statuses each alone.
    std::map<std::pair<const ChannelEntry*, std::string>, std::shared_ptr<Chain>> chains;
    std::vector<std::shared_ptr<Chain>> started;
    for (const auto& element : delivery->parsed.elements) {
        if (element.kind == Kind::oversized) oversized_.add();
        if (element.kind == Kind::unknown || element.kind == Kind::account ||
            element.kind == Kind::echo)
            unknown_.add();
        if (!belongs_to_a_channel(element)) continue;
        const auto channel = directory_.by_external_id(kMetaChannel, element.phone_number_id);
        if (!channel) {
            quarantine(delivery, element, "unknown_channel");
            continue;
        }
        if (!channel->channel.app_id.empty() && channel->channel.app_id != delivery->app_id) {
            quarantine(delivery, element, "foreign_app");
            continue;
        }
        const auto who = element.kind == Kind::status
                             ? "status/" + element.path
                             : (element.phone.empty() ? element.bsuid : element.phone);
        auto& chain = chains[{channel.get(), who}];
        if (!chain) {
            chain = std::make_shared<Chain>();
            chain->channel = channel;
            if (const auto tenant = directory_.tenant(channel->tenant))
                chain->settings_version = tenant->version;
            started.push_back(chain);
        }
        chain->elements.push_back(&element);
        delivery->expect();
    }
    for (auto& chain : started) start(delivery, chain);
    delivery->gathering = false;
    store_raw(delivery);
    delivery->done(true);
}

void Door::ask(const std::shared_ptr<Delivery>& delivery, Command command,
               eventlog::Store::Answer answer) {
    if (std::this_thread::get_id() == delivery->router && delivery->gathering)
        delivery->gathered.push_back({std::move(command), std::move(answer)});
    else
        store_.append_async(std::move(command), std::move(answer));
}

void Door::store_raw(const std::shared_ptr<Delivery>& delivery) {
    v1::WebhookReceived raw;
    raw.set_provider("meta");
    raw.set_path(delivery->request.path);
    for (const auto& header : delivery->request.headers) {
        // A caller's credentials are no part of what a provider said.
        if (http::equal_ignoring_case(header.name, "Authorization") ||
            http::equal_ignoring_case(header.name, "Cookie"))
            continue;
        auto* line = raw.add_headers();
        line->set_name(header.name);
        line->set_value(header.value);
    }
    raw.set_body(delivery->request.body);
    raw.set_app_id(delivery->app_id);
    raw.set_parse(std::string(text_of(delivery->parsed.shape)));

    // Any lane will do: that of the first element, so that both are one commit, else by the id. One
    // stream a lane and hour.
    auto gathered = std::move(delivery->gathered);
    const int lane = gathered.empty() ? delivery->webhook_id.bytes[15] % store_.options().lanes
                                      : store_.lane_of(gathered.front().command.meta.routing,
                                                       gathered.front().command.tenant);
    const auto hour = unix_seconds(delivery->received_at) / 3600;
    Command command;
    command.id = delivery->webhook_id.text();
    command.tenant = kPlatform;
    command.meta.routing = {eventlog::RoutingKind::lane, std::to_string(lane)};
    command.meta.actor = "provider:meta";
    command.meta.traceparent = delivery->traceparent;
    command.dedupe = Dedupe::none;
    auto event = event_of(raw, delivery->received_at);
    event.is_private = true;
    event.id = delivery->webhook_id;
    command.parts.push_back(
        {{std::string(kPlatform), "webhook", std::to_string(lane) + "-" + std::to_string(hour)},
         eventlog::kAny,
         {std::move(event)}});
    delivery->expect();
    gathered.insert(gathered.begin(),
                    {std::move(command), [this, delivery](Verdict, std::exception_ptr error) {
                         if (error) refused_.add();
                         delivery->done(!error);
                     }});
    store_.append_async(std::move(gathered));
}

void Door::start(const std::shared_ptr<Delivery>& delivery, std::shared_ptr<Chain> chain) {
    if (chain->elements.front()->kind == Kind::status) {
        append_status(delivery, chain, 0);
        return;
    }
    element(delivery, chain, 0, true);
}

void Door::next(const std::shared_ptr<Delivery>& delivery, const std::shared_ptr<Chain>& chain,
                std::size_t index) {
    if (index + 1 < chain->elements.size()) element(delivery, chain, index + 1, true);
}

void Door::element(const std::shared_ptr<Delivery>& delivery, const std::shared_ptr<Chain>& chain,
                   std::size_t index, bool then_next) {
    const auto& element = *chain->elements[index];
    const bool plain = element.kind == Kind::message && !consent_of(element);
    if (plain) {
        if (const auto known = customers_.find(chain->channel->tenant, identities_of(element))) {
            // The log keeps the order in which it was asked, so the next one need not wait.
            append_message(delivery, chain, index, *known, {}, 0, false);
            if (then_next) next(delivery, chain, index);
            return;
        }
    }
    look_up(delivery, chain, index, 0, then_next);
}

void Door::look_up(const std::shared_ptr<Delivery>& delivery, const std::shared_ptr<Chain>& chain,
                   std::size_t index, int tries, bool then_next) {
    const auto fail = [this, delivery, chain, index, then_next] {
        refused_.add();
        delivery->done(false);
        if (!then_next) return;
        // The others of this chain are not stored either: the whole POST comes again.
        for (auto i = index + 1; i < chain->elements.size(); ++i) delivery->done(false);
    };
    const bool taken = lookups_.post([=, this] {
        const auto& element = *chain->elements[index];
        try {
            auto plan =
                contacts_.plan(chain->channel->tenant, chain->channel->channel.channel_id,
                               identities_of(element), element.profile_name, consent_of(element));
            const auto customer = plan.customer;
            append_message(delivery, chain, index, customer, std::move(plan), tries + 1, then_next);
        } catch (const std::exception& error) {
            log::warn("a customer could not be looked up", {{"error", error.what()}});
            fail();
        }
    });
    if (!taken) fail();
}

void Door::append_message(const std::shared_ptr<Delivery>& delivery,
                          const std::shared_ptr<Chain>& chain, std::size_t index,
                          const KnownCustomer& customer, ContactPlan plan, int tries,
                          bool then_next) {
    const auto& element = *chain->elements[index];
    const auto& tenant = chain->channel->tenant;
    Command command;
    command.tenant = tenant;
    command.meta.routing = by_customer(customer.customer_id);
    command.meta.actor = "provider:meta";
    command.meta.correlation_id = delivery->webhook_id.text();
    command.meta.settings_version = chain->settings_version;
    command.meta.traceparent = delivery->traceparent;

    if (element.kind == Kind::message) {
        messages_.add();
        v1::MessageReceived received;
        received.set_provider_message_id(element.provider_message_id);
        received.set_channel_id(chain->channel->channel.channel_id);
        received.set_customer_id(customer.customer_id);
        received.set_kind(to_proto(element.inbound));
        received.set_provider_type(element.provider_type);
        received.set_subject_provider_message_id(element.subject_provider_message_id);
        received.set_tap_id(element.tap_id);
        received.set_context_provider_message_id(element.context_provider_message_id);
        received.set_webhook_event_id(std::string(delivery->webhook_id.raw()));
        received.set_element_path(element.path);
        const auto& phone = element.phone.empty() ? customer.phone : element.phone;
        received.set_has_phone(!phone.empty());
        received.set_consent_change(consent_change_of(plan.events));
        auto& personal = *received.mutable_personal();
        personal.set_text(element.text);
        personal.set_profile_name(element.profile_name);
        personal.set_phone(phone);
        personal.set_element_json(std::string(element.json));
        if (element.location) to_proto(*element.location, *personal.mutable_location());
        // The message's own time, but never one that is still to come.
        const auto at = element.provider_time == Time{}
                            ? delivery->received_at
                            : std::min(element.provider_time, delivery->received_at);
        command.id = "inbound/" + element.provider_message_id;
        command.dedupe = Dedupe::creation;
        command.parts.push_back({inbound_stream(tenant, element.provider_message_id),
                                 eventlog::kCreate,
                                 {event_of(received, at)}});
        if (plan.part) command.parts.push_back(*plan.part);
    } else {
        if (!plan.part) {  // a preference that changes nothing
            delivery->done(true);
            if (then_next) next(delivery, chain, index);
            return;
        }
        command.id = "preference/" + chain->channel->channel.channel_id + "/" +
                     customer.customer_id + "/" + element.value + "/" +
                     std::to_string(unix_seconds(element.provider_time));
        command.dedupe = Dedupe::version;
        command.parts.push_back(*plan.part);
    }

    ask(delivery, std::move(command),
        [this, delivery, chain, index, customer, tries, then_next](const Verdict& verdict,
                                                                   std::exception_ptr error) {
            if (!error && verdict.accepted()) {
                customers_.remember(chain->channel->tenant, identities_of(*chain->elements[index]),
                                    customer);
                delivery->done(true);
                if (then_next) next(delivery, chain, index);
                return;
            }
            // Another append was first (the same webhook somewhere else, another identity of the
            // same person), or what we remembered is out of date: look again.
            bool look_again = !error;
            std::string why = "verdict " + std::to_string(static_cast<int>(verdict.outcome)) + " " +
                              verdict.claim_kind;
            if (error) {
                try {
                    std::rethrow_exception(error);
                } catch (const eventlog::CommandRefused& refused) {
                    look_again = true;
                    why = refused.what();
                } catch (const std::exception& e) {
                    log::warn("a webhook was not stored", {{"error", e.what()}});
                }
            }
            if (look_again && tries < kTriesMax) {
                customers_.forget(chain->channel->tenant, customer.customer_id);
                look_up(delivery, chain, index, tries, then_next);
                return;
            }
            if (look_again) log::warn("a webhook was refused again and again", {{"why", why}});
            refused_.add();
            delivery->done(false);
            if (then_next)
                for (auto i = index + 1; i < chain->elements.size(); ++i) delivery->done(false);
        });
}

void Door::append_status(const std::shared_ptr<Delivery>& delivery,
                         const std::shared_ptr<Chain>& chain, std::size_t index) {
    const auto& element = *chain->elements[index];
    const auto& tenant = chain->channel->tenant;
    statuses_.add();
    const auto callback = keys_.read_callback(tenant, element.callback_data);
    if (!callback) {
        park_or_move_status(delivery, chain, index);
        return;
    }
    StatusReported status{element.value,
                          element.provider_message_id,
                          element.provider_time,
                          element.error_code,
                          element.error_title,
                          {chain->channel->channel.channel_id, callback->customer_id,
                           callback->origin, callback->priority},
                          callback->attempt};
    Command command;
    command.id = "status/" + tenant + "/" + element.provider_message_id + "/" + element.value;
    command.tenant = tenant;
    command.meta.routing = by_customer(callback->customer_id);
    command.meta.actor = "provider:meta";
    command.meta.correlation_id = delivery->webhook_id.text();
    command.meta.settings_version = chain->settings_version;
    command.meta.traceparent = delivery->traceparent;
    command.dedupe = Dedupe::claim;
    command.parts.push_back(
        {message_stream(tenant, callback->message_id),
         eventlog::kAny,
         {encode(MessageEvent(status), element.provider_time == Time{} ? delivery->received_at
                                                                       : element.provider_time)}});
    ask(delivery, std::move(command),
        [this, delivery](const Verdict& verdict, std::exception_ptr error) {
            if (error ||
                (!verdict.accepted() && verdict.outcome != eventlog::Outcome::other_body)) {
                refused_.add();
                delivery->done(false);
                return;
            }
            delivery->done(true);
        });
}

// A status without our callback data: found by the provider's id, or kept until its message comes.
void Door::park_or_move_status(const std::shared_ptr<Delivery>& delivery,
                               const std::shared_ptr<Chain>& chain, std::size_t index) {
    const bool taken = lookups_.post([=, this] {
        const auto& element = *chain->elements[index];
        const auto& tenant = chain->channel->tenant;
        v1::StatusParked parked;
        parked.set_provider_message_id(element.provider_message_id);
        parked.set_status(element.value);
        parked.set_provider_time_us(unix_micros(element.provider_time));
        parked.set_biz_opaque_callback_data(element.callback_data);
        parked.set_error_code(element.error_code);
        parked.set_error_title(element.error_title);
        parked.set_webhook_event_id(std::string(delivery->webhook_id.raw()));
        Command command;
        command.tenant = tenant;
        command.id = "parked/" + tenant + "/" + element.provider_message_id + "/" + element.value;
        command.meta.routing = {eventlog::RoutingKind::named, element.provider_message_id};
        command.meta.actor = "provider:meta";
        command.meta.traceparent = delivery->traceparent;
        command.dedupe = Dedupe::claim;
        command.parts.push_back({delivery_stream(tenant, element.provider_message_id),
                                 eventlog::kAny,
                                 {event_of(parked, delivery->received_at)}});
        try {
            store_.append_async(
                std::move(command),
                [delivery](const Verdict&, std::exception_ptr error) { delivery->done(!error); });
        } catch (const std::exception&) {
            delivery->done(false);
        }
    });
    if (!taken) delivery->done(false);
}

void Door::quarantine(const std::shared_ptr<Delivery>& delivery, const WebhookElement& element,
                      std::string reason) {
    quarantined_.add();
    log::warn("an element was quarantined",
              {{"reason", reason}, {"app", delivery->app_id}, {"webhook", delivery->webhook_id}});
    v1::ElementQuarantined event;
    event.set_reason(std::move(reason));
    event.set_app_id(delivery->app_id);
    event.set_external_id(element.phone_number_id);
    event.set_webhook_event_id(std::string(delivery->webhook_id.raw()));
    event.mutable_personal()->set_element_json(std::string(element.json));
    const auto digest = crypto::sha256(element.json);
    Command command;
    command.tenant = kPlatform;
    command.id = "quarantine/" + element.phone_number_id + "/" + event.reason() + "/" +
                 crypto::hex_encode(crypto::bytes_of(digest));
    command.meta.routing = {eventlog::RoutingKind::named, element.phone_number_id};
    command.meta.actor = "provider:meta";
    command.meta.correlation_id = delivery->webhook_id.text();
    command.dedupe = Dedupe::claim;
    command.parts.push_back({{std::string(kPlatform), "quarantine", element.phone_number_id},
                             eventlog::kAny,
                             {event_of(event, delivery->received_at)}});
    delivery->expect();
    ask(delivery, std::move(command),
        [delivery](const Verdict&, std::exception_ptr error) { delivery->done(!error); });
}

}  // namespace flowstack::gateway
