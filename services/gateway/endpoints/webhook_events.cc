#include "services/gateway/endpoints/webhook_events.h"

#include <google/protobuf/util/json_util.h>

#include <functional>
#include <map>
#include <stdexcept>

#include "common/eventlog/payload.h"
#include "common/rpc/timestamp.h"
#include "common/text/json_string.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/gateway/v1/contact_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/gateway/v1/webhook_data.pb.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/order_events.pb.h"
#include "flowstack/payment/v1/refund_events.pb.h"

namespace flowstack::gateway {
namespace {

namespace talk = conversation::v1;
namespace pay = payment::v1;
using eventlog::Recorded;
using News = std::vector<WebhookNews>;

std::string body_of(std::string_view type, Time at, const std::string& data) {
    std::string body = "{\"type\":";
    text::append_json_string(body, type);
    body += ",\"timestamp\":\"" + to_rfc3339(at) + "\",\"data\":";
    body += body.size() + data.size() < kWebhookBodyBytesMax
                ? data
                : "{\"omitted\":\"the data is larger than " + std::to_string(kWebhookBodyBytesMax) +
                      " bytes\"}";
    body += '}';
    return body;
}

void tell(News& news, std::string type, Time at, const google::protobuf::Message& data) {
    std::string json;
    google::protobuf::util::JsonPrintOptions print;
    print.always_print_primitive_fields = true;
    if (!google::protobuf::util::MessageToJsonString(data, &json, print).ok())
        throw std::invalid_argument("the data of a webhook has no JSON: " + type);
    auto body = body_of(type, at, json);
    news.push_back({.type = std::move(type), .body = std::move(body)});
}

// Whose events these are: all about a customer are routed by them.
std::string customer_of(const Recorded& event) {
    const auto& routing = event.meta.routing;
    return routing.kind == eventlog::RoutingKind::customer ? routing.key : std::string();
}

// ---- gateway

// What is the same in every fact about a message that was sent.
template <class Event>
v1::MessageStatusData status_of(const Recorded& event, const Event& e, std::string status) {
    v1::MessageStatusData data;
    data.set_message_id(event.stream.key);
    data.set_customer_id(e.customer_id());
    data.set_channel_id(e.channel_id());
    data.set_status(std::move(status));
    data.set_origin(e.origin().kind());
    data.set_origin_id(e.origin().id());
    return data;
}
void set_error(v1::MessageStatusData& data, const v1::SendError& error) {
    data.set_error_code(error.code());
    data.set_error_title(error.title());
}

void on_status(const Recorded& event, const v1::StatusReported& e, News& news) {
    // A failure is judged first: SendFailed or MessageSuppressed tells what came of it.
    if (e.status() == "failed") return;
    auto data = status_of(event, e, e.status());
    data.set_provider_message_id(e.provider_message_id());
    tell(news, "message.status", event.occurred_at, data);
}
void on_failed(const Recorded& event, const v1::SendFailed& e, News& news) {
    if (e.retry_at_us() != 0) return;  // it is sent again
    auto data = status_of(event, e, "failed");
    data.set_reason(e.reason());
    set_error(data, e.error());
    tell(news, "message.status", event.occurred_at, data);
}
void on_unknown(const Recorded& event, const v1::SendUnknown& e, News& news) {
    auto data = status_of(event, e, "unknown");
    data.set_reason(e.reason());
    tell(news, "message.status", event.occurred_at, data);
}
void on_suppressed(const Recorded& event, const v1::MessageSuppressed& e, News& news) {
    auto data = status_of(event, e, "suppressed");
    data.set_reason(v1::SuppressionReason_Name(e.reason())
                        .substr(std::string_view("SUPPRESSION_REASON_").size()));
    set_error(data, e.error());
    tell(news, "message.status", event.occurred_at, data);
}
void on_cancelled(const Recorded& event, const v1::MessageCancelled& e, News& news) {
    auto data = status_of(event, e, "cancelled");
    data.set_reason(e.reason());
    tell(news, "message.status", event.occurred_at, data);
}

void on_received(const Recorded& event, const v1::MessageReceived& e, News& news) {
    const auto& personal = e.personal();
    v1::MessageReceivedData data;
    data.set_provider_message_id(e.provider_message_id());
    data.set_customer_id(e.customer_id());
    data.set_channel_id(e.channel_id());
    data.set_kind(e.kind());
    data.set_text(personal.text());
    data.set_tap_id(e.tap_id());
    data.set_phone(personal.phone());
    data.set_profile_name(personal.profile_name());
    data.set_media_sha256(e.media().sha256());
    data.set_media_mime_type(e.media().mime_type());
    if (personal.has_location()) *data.mutable_location() = personal.location();
    data.set_reply_to(e.context_provider_message_id());
    tell(news, "message.received", event.occurred_at, data);
}

void on_queued(const Recorded& event, const v1::MessageQueued& e, News& news) {
    v1::MessageQueuedData data;
    data.set_message_id(e.message_id());
    data.set_customer_id(e.customer_id());
    data.set_channel_id(e.channel_id());
    data.set_origin(e.origin().kind());
    data.set_origin_id(e.origin().id());
    data.set_to(e.personal().to());
    *data.mutable_content() = e.personal().content();
    tell(news, "message.queued", event.occurred_at, data);
}

void on_consent(const Recorded& event, const v1::ConsentChanged& e, News& news) {
    v1::ConsentChangedData data;
    data.set_customer_id(e.customer_id());
    data.set_purpose(e.purpose());
    data.set_granted(e.granted());
    data.set_source(e.source());
    tell(news, "contact.consent_changed", event.occurred_at, data);
}

// ---- conversation

void on_turn(const Recorded& event, const talk::DialogueTurn& turn, News& news) {
    for (const auto& step : turn.steps()) {
        v1::ConversationData data;
        data.set_conversation_id(event.stream.key);
        data.set_customer_id(customer_of(event));
        if (step.has_conversation_opened()) {
            const auto& opened = step.conversation_opened();
            data.set_channel_id(opened.channel_id());
            data.set_flow_key(opened.flow_key());
            data.set_language(opened.language());
            tell(news, "conversation.opened", event.occurred_at, data);
        } else if (step.has_conversation_advanced()) {
            const auto& advanced = step.conversation_advanced();
            data.set_reason(advanced.reason());
            if (advanced.to_state() == talk::CONVERSATION_STATE_ESCALATED)
                tell(news, "conversation.handed_over", event.occurred_at, data);
            else if (advanced.to_state() == talk::CONVERSATION_STATE_CLOSED)
                tell(news, "conversation.closed", event.occurred_at, data);
        } else if (step.has_customer_rated()) {
            data.set_rating(talk::Rating_Name(step.customer_rated().rating())
                                .substr(std::string_view("RATING_").size()));
            tell(news, "conversation.rated", event.occurred_at, data);
        }
    }
}
void on_handed_back(const Recorded& event, const talk::HandedBack& e, News& news) {
    v1::ConversationData data;
    data.set_conversation_id(e.conversation_id());
    data.set_customer_id(e.customer_id());
    data.set_reason(e.reason());
    tell(news, "conversation.handed_back", event.occurred_at, data);
}

// ---- payment

void on_placed(const Recorded& event, const pay::OrderPlaced& e, News& news) {
    v1::OrderPlacedData data;
    data.set_order_id(e.order_id());
    data.set_order_number(e.number());
    data.set_customer_id(e.customer_id());
    data.set_conversation_id(e.conversation_id());
    data.set_channel_id(e.channel_id());
    data.set_invoice_id(e.invoice_id());
    for (const auto& line : e.lines()) {
        auto& told = *data.add_lines();
        told.set_product_id(line.product_id());
        told.set_product_name(line.product_name());
        told.set_quantity(line.quantity());
        *told.mutable_unit_price() = line.unit_price();
        *told.mutable_line_total() = line.line_total();
    }
    *data.mutable_subtotal() = e.subtotal();
    *data.mutable_tax() = e.tax();
    *data.mutable_rounding() = e.rounding();
    *data.mutable_total() = e.total();
    data.set_name(e.personal().name());
    data.set_address(e.personal().address());
    data.set_phone(e.personal().phone());
    tell(news, "order.placed", event.occurred_at, data);
}

v1::OrderData order_of(const Recorded& event, const std::string& order_id) {
    v1::OrderData data;
    data.set_order_id(order_id);
    data.set_customer_id(customer_of(event));
    return data;
}
void on_confirmed(const Recorded& event, const pay::OrderConfirmed& e, News& news) {
    tell(news, "order.confirmed", event.occurred_at, order_of(event, e.order_id()));
}
void on_order_paid(const Recorded& event, const pay::OrderPaid& e, News& news) {
    auto data = order_of(event, e.order_id());
    data.set_payment_id(e.intent_id());
    tell(news, "order.paid", event.occurred_at, data);
}
void on_advanced(const Recorded& event, const pay::OrderAdvanced& e, News& news) {
    auto data = order_of(event, e.order_id());
    data.set_state(pay::OrderState_Name(e.state()).substr(std::string_view("ORDER_STATE_").size()));
    data.set_note(e.personal().note());
    tell(news, "order.advanced", event.occurred_at, data);
}
void on_order_cancelled(const Recorded& event, const pay::OrderCancelled& e, News& news) {
    auto data = order_of(event, e.order_id());
    data.set_reason(e.reason());
    tell(news, "order.cancelled", event.occurred_at, data);
}

// What all facts about a payment have in common.
template <class Event>
v1::PaymentData payment_of(const Event& e) {
    v1::PaymentData data;
    data.set_payment_id(e.intent_id());
    data.set_order_id(e.order_id());
    data.set_customer_id(e.customer_id());
    data.set_conversation_id(e.conversation_id());
    return data;
}
// And those that name the money.
template <class Event>
v1::PaymentData money_of(const Event& e) {
    auto data = payment_of(e);
    data.set_order_number(e.order_number());
    data.set_provider(e.provider());
    *data.mutable_amount() = e.amount();
    return data;
}
void on_started(const Recorded& event, const pay::IntentCreated& e, News& news) {
    auto data = money_of(e);
    data.set_invoice_id(e.invoice_id());
    rpc::set_time(*data.mutable_expire_time(), from_unix_micros(e.expires_at_us()));
    tell(news, "payment.started", event.occurred_at, data);
}
void on_paid(const Recorded& event, const pay::IntentPaid& e, News& news) {
    auto data = money_of(e);
    data.set_invoice_id(e.invoice_id());
    data.set_receipt(e.receipt());
    data.set_late(e.late());
    tell(news, "payment.paid", event.occurred_at, data);
}
void on_receipt(const Recorded& event, const pay::ReceiptLearned& e, News& news) {
    auto data = money_of(e);
    data.set_receipt(e.receipt());
    tell(news, "payment.receipt_learned", event.occurred_at, data);
}
void on_payment_failed(const Recorded& event, const pay::IntentFailed& e, News& news) {
    auto data = payment_of(e);
    data.set_reason(e.reason());
    data.set_result_code(e.result_code());
    tell(news, "payment.failed", event.occurred_at, data);
}
void on_expired(const Recorded& event, const pay::IntentExpired& e, News& news) {
    tell(news, "payment.expired", event.occurred_at, payment_of(e));
}
void on_person(const Recorded& event, const pay::PaymentNeedsPerson& e, News& news) {
    auto data = money_of(e);
    data.set_reason(pay::PersonNeededReason_Name(e.reason())
                        .substr(std::string_view("PERSON_NEEDED_REASON_").size()));
    tell(news, "payment.needs_person", event.occurred_at, data);
}
void on_refund(const Recorded& event, const pay::RefundOwed& e, News& news) {
    auto data = money_of(e);
    data.set_receipt(e.receipt());
    data.set_reason(
        pay::RefundReason_Name(e.reason()).substr(std::string_view("REFUND_REASON_").size()));
    tell(news, "payment.refund_owed", event.occurred_at, data);
}

void on_refunded(const Recorded& event, const pay::RefundDone& e, News& news) {
    auto data = money_of(e);
    data.set_receipt(e.receipt());
    data.set_refund_id(e.refund_id());
    tell(news, "payment.refunded", event.occurred_at, data);
}

using Teller = std::function<void(const Recorded&, News&)>;

template <class Event>
std::pair<std::string, Teller> told_by(void (*tell_of)(const Recorded&, const Event&, News&)) {
    return {Event::descriptor()->full_name(), [tell_of](const Recorded& event, News& news) {
                tell_of(event, eventlog::parsed<Event>(event), news);
            }};
}

const std::map<std::string, Teller, std::less<>>& tellers() {
    static const std::map<std::string, Teller, std::less<>> all{
        told_by(on_received),    told_by(on_queued),          told_by(on_status),
        told_by(on_failed),      told_by(on_unknown),         told_by(on_suppressed),
        told_by(on_cancelled),   told_by(on_consent),         told_by(on_turn),
        told_by(on_handed_back), told_by(on_placed),          told_by(on_confirmed),
        told_by(on_order_paid),  told_by(on_order_cancelled), told_by(on_started),
        told_by(on_paid),        told_by(on_receipt),         told_by(on_payment_failed),
        told_by(on_expired),     told_by(on_person),          told_by(on_refund),
        told_by(on_advanced),    told_by(on_refunded)};
    return all;
}

}  // namespace

const std::vector<std::string>& webhook_types() {
    static const std::vector<std::string> types{
        "message.received",         "message.queued",
        "message.status",           "contact.consent_changed",
        "conversation.opened",      "conversation.handed_over",
        "conversation.handed_back", "conversation.rated",
        "conversation.closed",      "order.placed",
        "order.confirmed",          "order.paid",
        "order.advanced",           "order.cancelled",
        "payment.started",          "payment.paid",
        "payment.receipt_learned",  "payment.failed",
        "payment.expired",          "payment.needs_person",
        "payment.refund_owed",      "payment.refunded"};
    return types;
}

std::vector<WebhookNews> webhooks_of(const Recorded& event) {
    News news;
    const auto found = tellers().find(event.type);
    if (found != tellers().end()) found->second(event, news);
    return news;
}

WebhookNews test_webhook(const std::string& endpoint_id, Time at) {
    v1::TestData data;
    data.set_endpoint_id(endpoint_id);
    News news;
    tell(news, std::string(kTestWebhook), at, data);
    return std::move(news.front());
}

}  // namespace flowstack::gateway
