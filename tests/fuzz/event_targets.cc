// What a consumer hears on Kafka: the record's envelope, and the stored form of every event in
// every service's codec, projection and derivation.
#include <google/protobuf/descriptor.h>

#include <functional>
#include <map>
#include <stdexcept>

#include "common/crypto/hash.h"
#include "common/eventlog/envelope.h"
#include "common/eventlog/source.h"
#include "common/eventlog/store.h"
#include "flowstack/campaign/v1/campaign_events.pb.h"
#include "flowstack/conversation/v1/content_events.pb.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/conversation/v1/conversation_service.pb.h"
#include "flowstack/conversation/v1/customer_events.pb.h"
#include "flowstack/conversation/v1/customer_service.pb.h"
#include "flowstack/followup/v1/task_events.pb.h"
#include "flowstack/followup/v1/task_service.pb.h"
#include "flowstack/gateway/v1/channel_events.pb.h"
#include "flowstack/gateway/v1/contact_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/gateway/v1/tenant_events.pb.h"
#include "flowstack/gateway/v1/webhook_events.pb.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/invoice_events.pb.h"
#include "flowstack/payment/v1/invoice_service.pb.h"
#include "flowstack/payment/v1/order_events.pb.h"
#include "flowstack/payment/v1/order_service.pb.h"
#include "flowstack/payment/v1/payment_service.pb.h"
#include "flowstack/payment/v1/provider_account_events.pb.h"
#include "services/campaign/adapters/codec.h"
#include "services/campaign/adapters/derive.h"
#include "services/conversation/adapters/codec.h"
#include "services/conversation/adapters/derive.h"
#include "services/conversation/adapters/projections.h"
#include "services/followup/adapters/codec.h"
#include "services/followup/adapters/derive.h"
#include "services/followup/adapters/projections.h"
#include "services/gateway/adapters/codec.h"
#include "services/gateway/adapters/derive.h"
#include "services/payment/adapters/codec.h"
#include "services/payment/adapters/derive.h"
#include "services/payment/adapters/projections.h"
#include "tests/fuzz/fuzz.h"

namespace flowstack {
namespace {

namespace pb = google::protobuf;
using eventlog::Recorded;

// Every event type by a tag of two bytes, the beginning of its name's hash: an input means the same
// when types are added. A tag that is nobody's means the next one.
const std::map<unsigned, std::string>& types() {
    static const auto all = [] {
        std::map<unsigned, std::string> found;
        const std::vector<const pb::FileDescriptor*> files{
            gateway::v1::TenantRegistered::descriptor()->file(),
            gateway::v1::ChannelConnected::descriptor()->file(),
            gateway::v1::WebhooksReceived::descriptor()->file(),
            gateway::v1::ConsentChanged::descriptor()->file(),
            gateway::v1::MessageReceived::descriptor()->file(),
            gateway::v1::MessageQueued::descriptor()->file(),
            conversation::v1::CustomerSeen::descriptor()->file(),
            conversation::v1::DialogueTurn::descriptor()->file(),
            conversation::v1::FlowPublished::descriptor()->file(),
            payment::v1::OrderPlaced::descriptor()->file(),
            payment::v1::InvoiceDrafted::descriptor()->file(),
            payment::v1::IntentPaid::descriptor()->file(),
            payment::v1::ProviderAccountConnected::descriptor()->file(),
            followup::v1::TaskScheduled::descriptor()->file(),
            campaign::v1::CampaignStarted::descriptor()->file()};
        for (const auto* file : files) {
            for (int i = 0; i < file->message_type_count(); ++i) {
                const auto& name = file->message_type(i)->full_name();
                const auto hash = crypto::sha256(name);
                found.emplace(static_cast<unsigned>(hash[0]) << 8 | hash[1], name);
            }
        }
        return found;
    }();
    return all;
}

const std::string& type_of(unsigned tag) {
    const auto at = types().lower_bound(tag);
    return at == types().end() ? types().begin()->second : at->second;
}

// A refusal is what the consumer can park: history that cannot be, bytes that are not of their
// type, an amount that does not fit. Anything else goes up and is a finding.
bool refused(const std::function<void()>& read) {
    try {
        read();
        return false;
    } catch (const std::logic_error&) {
        return true;
    } catch (const std::overflow_error&) {
        return true;
    }
}

// The events of one service: a codec never sees those of others.
std::vector<Recorded> only(const std::vector<Recorded>& history, std::string_view package) {
    std::vector<Recorded> own;
    for (const auto& event : history)
        if (event.type.starts_with(package)) own.push_back(event);
    return own;
}

// Folds a history in one codec; what it refuses is left out.
template <class Codec>
void fold(const std::vector<Recorded>& history) {
    typename Codec::State state{};
    for (const auto& event : history) {
        auto before = state;
        if (refused([&] {
                state =
                    Codec::evolve(std::move(state), event.type, event.payload, event.occurred_at);
            }))
            state = std::move(before);
    }
}

}  // namespace

// Three bytes and a payload for each event: its type's tag, its length.
FLOWSTACK_FUZZ_TARGET(events) {
    fuzz::Input input(bytes);
    std::vector<Recorded> history;
    while (!input.empty() && history.size() < 32) {
        Recorded event;
        event.service = "fuzz";
        event.type = type_of(input.two_bytes());
        event.payload = input.take(2 * input.byte());
        event.position = event.version = static_cast<std::int64_t>(history.size()) + 1;
        event.stream = {"t", "c", "k"};
        event.recorded_at = event.occurred_at = from_unix_seconds(1'750'000'000);
        history.push_back(std::move(event));
    }

    const auto gateway_events = only(history, "flowstack.gateway.");
    const auto conversation_events = only(history, "flowstack.conversation.");
    const auto payment_events = only(history, "flowstack.payment.");
    const auto followup_events = only(history, "flowstack.followup.");
    const auto campaign_events = only(history, "flowstack.campaign.");
    fold<gateway::TenantCodec>(gateway_events);
    fold<gateway::ChannelCodec>(gateway_events);
    fold<gateway::ContactCodec>(gateway_events);
    fold<gateway::MessageCodec>(gateway_events);
    fold<gateway::ApiKeyCodec>(gateway_events);
    fold<conversation::ConversationCodec>(conversation_events);
    fold<conversation::CustomerCodec>(conversation_events);
    fold<conversation::ProductCodec>(conversation_events);
    fold<conversation::ReservationCodec>(conversation_events);
    fold<conversation::PromotionCodec>(conversation_events);
    fold<conversation::TemplateCodec>(conversation_events);
    fold<conversation::FlowCodec>(conversation_events);
    fold<payment::OrderCodec>(payment_events);
    fold<payment::InvoiceCodec>(payment_events);
    fold<payment::IntentCodec>(payment_events);
    fold<payment::AccountCodec>(payment_events);
    fold<followup::TaskCodec>(followup_events);
    fold<campaign::CampaignCodec>(campaign_events);
    fold<campaign::ShardCodec>(campaign_events);

    conversation::v1::Conversation conversation;
    conversation::v1::Customer customer;
    for (const auto& event : conversation_events) {
        refused([&] { conversation::apply(conversation, event); });
        refused([&] { conversation::apply(customer, event); });
    }
    payment::v1::Order order;
    payment::v1::Invoice invoice;
    payment::v1::Payment payment;
    for (const auto& event : payment_events) {
        refused([&] { payment::apply(order, event); });
        refused([&] { payment::apply(invoice, event); });
        refused([&] { payment::apply(payment, event, true); });
    }
    std::optional<followup::v1::Task> task;
    for (const auto& event : followup_events) refused([&] { followup::apply(task, event); });

    static const crypto::RootKey root(Secret(std::string(64, 'a')));
    static const gateway::DerivedKeys keys(root);
    static const auto gateway_derive = gateway::make_derive(4, keys);
    const auto side_rows = [](const std::vector<Recorded>& events, const auto& derive) {
        for (const auto& event : events)
            refused([&] {
                eventlog::Derived out;
                derive(event.stream, 0, {event.type, event.payload, event.occurred_at, false, {}},
                       out);
            });
    };
    side_rows(gateway_events, gateway_derive);
    side_rows(conversation_events, conversation::derive);
    side_rows(payment_events, payment::derive);
    side_rows(followup_events, followup::derive);
    side_rows(campaign_events, campaign::derive);
}

// A record as it comes from Kafka: read, written, and read again it is the same.
FLOWSTACK_FUZZ_TARGET(bus_record) {
    Recorded event;
    try {
        event = eventlog::from_bus(bytes);
    } catch (const std::invalid_argument&) {
        return;
    }
    FLOWSTACK_EXPECT(event.position >= 1);
    if (event.is_private || event.payload_omitted ||
        event.payload.size() > eventlog::kBusEventBytesMax)
        return;
    const auto again = eventlog::from_bus(eventlog::to_bus(event));
    FLOWSTACK_EXPECT(again.where() == event.where() && again.stream == event.stream);
    FLOWSTACK_EXPECT(again.version == event.version && again.event_id == event.event_id);
    FLOWSTACK_EXPECT(again.type == event.type && again.payload == event.payload);
    FLOWSTACK_EXPECT(again.recorded_at == event.recorded_at &&
                     again.command_id == event.command_id);
    FLOWSTACK_EXPECT(again.meta_bytes == event.meta_bytes);
}

}  // namespace flowstack
