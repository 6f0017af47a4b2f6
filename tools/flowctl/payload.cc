#include "tools/flowctl/payload.h"

#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/json_util.h>

#include <array>
#include <boost/json.hpp>
#include <map>
#include <memory>

#include "common/crypto/encoding.h"
#include "flowstack/campaign/v1/campaign_events.pb.h"
#include "flowstack/conversation/v1/content_events.pb.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/conversation/v1/customer_events.pb.h"
#include "flowstack/followup/v1/task_events.pb.h"
#include "flowstack/gateway/v1/channel_events.pb.h"
#include "flowstack/gateway/v1/contact_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/gateway/v1/tenant_events.pb.h"
#include "flowstack/gateway/v1/webhook_events.pb.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/invoice_events.pb.h"
#include "flowstack/payment/v1/order_events.pb.h"
#include "flowstack/payment/v1/provider_account_events.pb.h"
#include "tools/flowctl/json.h"
#include "tools/flowctl/output.h"

namespace flowstack::flowctl {
namespace {

namespace pb = google::protobuf;

// One message of every file that holds events: naming it keeps the linker from leaving the file
// out.
const std::array kEventFiles{
    campaign::v1::CampaignDrafted::descriptor(),
    conversation::v1::TemplateSaved::descriptor(),
    conversation::v1::DialogueTurn::descriptor(),
    conversation::v1::CustomerSeen::descriptor(),
    followup::v1::TaskScheduled::descriptor(),
    gateway::v1::ChannelConnected::descriptor(),
    gateway::v1::ContactSeen::descriptor(),
    gateway::v1::MessageReceived::descriptor(),
    gateway::v1::MessageQueued::descriptor(),
    gateway::v1::TenantRegistered::descriptor(),
    gateway::v1::WebhooksReceived::descriptor(),
    payment::v1::IntentCreated::descriptor(),
    payment::v1::InvoiceDrafted::descriptor(),
    payment::v1::OrderPlaced::descriptor(),
    payment::v1::ProviderAccountConnected::descriptor(),
};

std::unique_ptr<pb::Message> decoded(const common::v1::RecordedEvent& event) {
    const pb::Descriptor* type =
        kEventFiles.front()->file()->pool()->FindMessageTypeByName(event.type());
    if (!type) return nullptr;
    std::unique_ptr<pb::Message> message(
        pb::MessageFactory::generated_factory()->GetPrototype(type)->New());
    return message->ParseFromString(event.payload()) ? std::move(message) : nullptr;
}

// Fields that say what happened, in the order in which they are shown.
constexpr const char* kTelling[] = {
    "from_state",  "to_state",     "state",       "status",     "kind",  "outcome",
    "name",        "node",         "value",       "text",       "body",  "cause",
    "reason",      "detail",       "result_code", "error_code", "error", "description",
    "number",      "order_number", "receipt",     "amount",     "total", "evidence",
    "disposition", "display_name", "on_hand",     "provider"};

void add_words(std::string& words, const std::string& more) {
    if (!more.empty()) words += (words.empty() ? "" : " · ") + more;
}

std::string value_of(const pb::Message& message, const pb::FieldDescriptor& field) {
    const auto& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
        case pb::FieldDescriptor::CPPTYPE_STRING:
            return field.type() == pb::FieldDescriptor::TYPE_BYTES
                       ? ""
                       : reflection.GetString(message, &field);
        case pb::FieldDescriptor::CPPTYPE_INT32:
            return reflection.GetInt32(message, &field) == 0
                       ? ""
                       : std::to_string(reflection.GetInt32(message, &field));
        case pb::FieldDescriptor::CPPTYPE_INT64:
            return reflection.GetInt64(message, &field) == 0
                       ? ""
                       : std::to_string(reflection.GetInt64(message, &field));
        case pb::FieldDescriptor::CPPTYPE_ENUM: {
            const auto* value = reflection.GetEnum(message, &field);
            if (value->number() == 0) return "";
            // "INBOUND_KIND_LIST_ROW" reads as "list_row": the type's own name is left out.
            std::string word = value->name();
            const auto unspecified = field.enum_type()->value(0)->name();
            const auto prefix = unspecified.rfind("UNSPECIFIED");
            if (prefix != std::string::npos && word.size() > prefix) word = word.substr(prefix);
            for (char& c : word)
                if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
            return word;
        }
        case pb::FieldDescriptor::CPPTYPE_MESSAGE: {
            const auto& part = reflection.GetMessage(message, &field);
            if (field.message_type()->full_name() == "flowstack.common.v1.Money") {
                const auto* units = field.message_type()->FindFieldByName("minor_units");
                const auto* code = field.message_type()->FindFieldByName("currency_code");
                const auto& money = *part.GetReflection();
                return amount_text(money.GetInt64(part, units), money.GetString(part, code));
            }
            if (field.message_type()->full_name() == "flowstack.gateway.v1.SendError") {
                const auto* code = field.message_type()->FindFieldByName("code");
                const auto* title = field.message_type()->FindFieldByName("title");
                const auto& error = *part.GetReflection();
                auto words = error.GetString(part, code);
                const auto said = error.GetString(part, title);
                return words.empty() || said.empty() ? words + said : words + " " + said;
            }
            return "";
        }
        default:
            return "";
    }
}

// "2 × Sisal Basket" of an order's line, "revenue KES -900.00" of a posting; empty for others.
std::string line_of(const pb::Message& item) {
    const auto part = [&](const char* name) {
        const auto* field = item.GetDescriptor()->FindFieldByName(name);
        return field ? value_of(item, *field) : std::string();
    };
    if (const auto account = part("account"); !account.empty())
        return account + " " + part("amount");
    if (const auto product = part("product_name"); !product.empty())
        return part("quantity") + " × " + product;
    return "";
}

void tell(const pb::Message& message, std::string& words) {
    const auto& reflection = *message.GetReflection();
    for (const char* name : kTelling) {
        const auto* field = message.GetDescriptor()->FindFieldByName(name);
        if (!field || field->is_repeated()) continue;
        if (field->cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE &&
            !reflection.HasField(message, field))
            continue;
        const auto value = value_of(message, *field);
        if (value.empty()) continue;
        if (std::string(name) == "to_state")
            words += " → " + value;
        else
            add_words(words, value);
    }
    const auto* type = message.GetDescriptor();
    for (int i = 0; i < type->field_count(); ++i) {
        const auto* field = type->field(i);
        if (field->is_repeated() && field->cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE)
            for (int n = 0; n < reflection.FieldSize(message, field); ++n)
                add_words(words, line_of(reflection.GetRepeatedMessage(message, field, n)));
        // Parts that hold a text, whatever their name.
        if (field->is_repeated() || field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE ||
            !reflection.HasField(message, field))
            continue;
        const auto part = field->message_type()->name();
        if (part == "Personal" || part == "MessageContent" || part == "TextContent" ||
            part == "ButtonsContent" || part == "ListContent")
            tell(reflection.GetMessage(message, field), words);
    }
}

}  // namespace

std::string json_of(const pb::Message& message) {
    std::string text;
    if (!pb::util::MessageToJsonString(message, &text).ok()) return "{}";
    return text;
}

std::string event_json(const common::v1::RecordedEvent& event) {
    auto envelope = event;
    envelope.clear_payload();
    auto object = boost::json::parse(json_of(envelope)).as_object();
    // Ids are written as every other tool writes them.
    object["eventId"] = crypto::hex_encode(event.event_id());
    object["recordedAt"] = utc(event.recorded_at_us());
    object["occurredAt"] = utc(event.occurred_at_us());
    if (const auto message = decoded(event))
        object["payload"] = boost::json::parse(json_of(*message));
    else
        object["payloadBase64"] = crypto::base64_encode(event.payload());
    return boost::json::serialize(object);
}

std::string payload_text(const common::v1::RecordedEvent& event) {
    const auto message = decoded(event);
    if (!message)
        return std::to_string(event.payload().size()) + " bytes that this build cannot decode";
    pb::util::JsonPrintOptions options;
    options.add_whitespace = true;
    std::string text;
    if (!pb::util::MessageToJsonString(*message, &text, options).ok()) return "{}";
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

std::vector<std::string> steps(const common::v1::RecordedEvent& event) {
    conversation::v1::DialogueTurn turn;
    if (event.type() != turn.GetDescriptor()->full_name() || !turn.ParseFromString(event.payload()))
        return {};
    // A turn keeps the words of its steps apart from them, in their order.
    int next = 0;
    const auto word = [&] {
        return next < turn.personal().words_size() ? turn.personal().words(next++) : std::string();
    };
    std::vector<std::string> lines;
    for (const auto& step : turn.steps()) {
        const auto* part = step.GetReflection()->GetOneofFieldDescriptor(
            step, step.GetDescriptor()->FindOneofByName("step"));
        if (!part || !part->message_type()) continue;
        std::string words;
        if (step.has_customer_spoke() || step.has_variable_captured()) add_words(words, word());
        for (int n = step.unclear_items_changed().items_size(); n > 0; --n)
            add_words(words, word());
        std::string told;
        tell(step.GetReflection()->GetMessage(step, part), told);
        if (step.has_variable_captured()) std::swap(words, told);
        add_words(words, told);
        lines.push_back(part->message_type()->name() + (words.empty() ? "" : ": " + words));
    }
    return lines;
}

std::string summary(const common::v1::RecordedEvent& event) {
    std::string words;
    if (const auto lines = steps(event); !lines.empty()) {
        for (const auto& line : lines) words += (words.empty() ? "" : " | ") + line;
        return words;
    }
    if (const auto message = decoded(event)) tell(*message, words);
    return words;
}

std::string webhook_id(const common::v1::RecordedEvent& event) {
    const auto message = decoded(event);
    if (!message) return "";
    const auto* field = message->GetDescriptor()->FindFieldByName("webhook_id");
    if (!field || field->type() != pb::FieldDescriptor::TYPE_BYTES) return "";
    return message->GetReflection()->GetString(*message, field);
}

std::string place(const common::v1::Position& position) {
    return position.service() + "/" + std::to_string(position.lane()) + "/" +
           std::to_string(position.position());
}
std::string place(const common::v1::RecordedEvent& event) {
    return event.service() + "/" + std::to_string(event.lane()) + "/" +
           std::to_string(event.position());
}
std::string stream(const common::v1::RecordedEvent& event) {
    return (event.tenant().empty() ? std::string("-") : event.tenant()) + "/" + event.category() +
           "/" + event.key();
}

}  // namespace flowstack::flowctl
