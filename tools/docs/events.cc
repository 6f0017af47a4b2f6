#include <google/protobuf/descriptor.h>

#include <set>
#include <stdexcept>
#include <vector>

#include "tools/docs/descriptors.h"
#include "tools/docs/documents.h"

namespace flowstack::docs {
namespace {

namespace pb = google::protobuf;

const std::vector<std::string> kServices{"gateway",  "conversation", "payment",
                                         "followup", "campaign",     "common"};

// The category of the streams that an event lives in, by file and, where a file holds several, by
// the beginning of the event's name. The first that fits counts.
struct Rule {
    const char* file;  // "gateway/tenant"
    const char* prefix;
    const char* category;
};
constexpr Rule kCategories[] = {
    {"common/log", "", "log"},
    {"gateway/tenant", "ApiKey", "api_key"},
    {"gateway/tenant", "Tenant", "tenant"},
    {"gateway/channel", "ElementQuarantined", "quarantine"},
    {"gateway/channel", "SignatureRejected", "quarantine"},
    {"gateway/channel", "", "channel"},
    {"gateway/webhook_endpoint", "WebhooksQueued", "webhook_line"},
    {"gateway/webhook_endpoint", "WebhookDelivered", "webhook_line"},
    {"gateway/webhook_endpoint", "WebhookAttemptFailed", "webhook_line"},
    {"gateway/webhook_endpoint", "WebhooksDropped", "webhook_line"},
    {"gateway/webhook_endpoint", "", "webhook_endpoints"},
    {"gateway/webhook", "", "webhook"},
    {"gateway/contact", "", "contact"},
    {"gateway/inbound", "MessageReceived", "inbound"},
    {"gateway/inbound", "GroupMessageReceived", "inbound"},
    {"gateway/inbound", "MessageEchoed", "inbound"},
    {"gateway/inbound", "StatusParked", "delivery"},
    {"gateway/notice", "", "notice"},
    {"gateway/session", "", "session"},
    {"gateway/provider_template", "TemplateListing", "template_account"},
    {"gateway/provider_template", "TemplatesListed", "template_account"},
    {"gateway/provider_template", "", "provider_template"},
    {"gateway/media", "", "media"},
    {"gateway/message", "", "message"},
    {"conversation/customer", "", "customer"},
    {"conversation/conversation", "", "conversation"},
    {"conversation/booking", "Service", "service"},
    {"conversation/booking", "BookingSettings", "booking_settings"},
    {"conversation/booking", "Place", "calendar"},
    {"conversation/booking", "", "booking"},
    {"conversation/content", "Template", "template"},
    {"conversation/content", "Flow", "flow"},
    {"conversation/content", "Promotion", "promotion"},
    {"conversation/content", "Topic", "topic"},
    {"conversation/content", "Product", "product"},
    {"conversation/content", "StockSet", "product"},
    {"conversation/content", "StockHeld", "product"},
    {"conversation/content", "StockFreed", "product"},
    {"conversation/content", "StockTaken", "product"},
    {"conversation/content", "StockReturned", "product"},
    {"conversation/content", "StockReserved", "reservation"},
    {"conversation/content", "StockRefused", "reservation"},
    {"conversation/content", "StockReleased", "reservation"},
    {"conversation/content", "StockSold", "reservation"},
    {"payment/order", "CheckoutRefused", "checkout"},
    {"payment/order", "PaymentStarted", "order, intent"},
    {"payment/order", "", "order"},
    {"payment/invoice", "NumberAssigned", "invoice_register"},
    {"payment/invoice", "JournalPosted", "invoice, intent, refund"},
    {"payment/invoice", "Invoice", "invoice"},
    {"payment/intent", "CallbackUnmatched", "unmatched_callback"},
    {"payment/intent", "", "intent"},
    {"payment/refund", "CreditNoteNumberAssigned", "credit_note_register"},
    {"payment/refund", "", "refund"},
    {"payment/provider_account", "", "provider_account"},
    {"followup/task", "", "task"},
    {"campaign/campaign", "Campaign", "campaign"},
    {"campaign/campaign", "AudienceFrozen", "campaign"},
    {"campaign/campaign", "", "audience_shard"},
};

std::string cell(const std::string& text) {
    std::string out;
    for (const char c : text) out += c == '|' ? "\\|" : std::string(1, c);
    return out;
}

std::string type_of(const pb::FieldDescriptor& field) {
    std::string type =
        field.cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE ? field.message_type()->name()
        : field.cpp_type() == pb::FieldDescriptor::CPPTYPE_ENUM  ? field.enum_type()->name()
                                                                 : field.type_name();
    if (field.is_map()) return "map";
    return (field.is_repeated() ? "repeated " : "") + type;
}

// The values of an enum without what they have in common: "PAID | FAILED".
std::string values_of(const pb::EnumDescriptor& type) {
    const std::string first = type.value(0)->name();
    const auto prefix = first.rfind("UNSPECIFIED");
    std::string text;
    for (int i = 1; i < type.value_count(); ++i)
        text += (i > 1 ? " | " : "") +
                type.value(i)->name().substr(prefix == std::string::npos ? 0 : prefix);
    return text;
}

// "a, b (Money), state (PAID | FAILED), personal {phone}"
std::string fields_of(const pb::Descriptor& message) {
    std::string text;
    for (int i = 0; i < message.field_count(); ++i) {
        const auto& field = *message.field(i);
        text += i ? ", " : "";
        text += "`" + field.name() + "`";
        if (field.name() == "personal") {
            text += " {";
            for (int n = 0; n < field.message_type()->field_count(); ++n)
                text += (n ? ", `" : "`") + field.message_type()->field(n)->name() + "`";
            text += "}";
        } else if (field.is_repeated() ||
                   field.cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE) {
            text += " (" + type_of(field) + ")";
        } else if (field.enum_type()) {
            text += " (" + values_of(*field.enum_type()) + ")";
        }
    }
    return text.empty() ? "–" : text;
}

void add_referenced(const pb::Descriptor& message, std::set<std::string>& names) {
    for (int i = 0; i < message.field_count(); ++i)
        if (const auto* type = message.field(i)->message_type()) names.insert(type->full_name());
    for (int i = 0; i < message.nested_type_count(); ++i)
        add_referenced(*message.nested_type(i), names);
}

std::string category_of(const std::string& file, const std::string& event) {
    for (const auto& rule : kCategories)
        if (file == rule.file && event.starts_with(rule.prefix)) return rule.category;
    throw std::runtime_error("which streams is " + event + " of " + file +
                             "_events.proto in? Say it in kCategories of tools/docs/events.cc");
}

}  // namespace

void add_events(const std::filesystem::path& root, Documents& out) {
    const Protos protos(root, "flowstack/*/v1/*_events.proto");
    std::string text =
        "# Events\n\n"
        "Every fact that FlowStack records, by service. This file is made from the comments in\n"
        "`proto/flowstack/*/v1/*_events.proto` by `flowstack-docs`; a test holds it equal to "
        "them.\n\n"
        "An event's type is the full name of its protobuf message. It is stored once, in one lane "
        "of its\nservice's log, in the stream (tenant, category, key), and carries the envelope "
        "of\n"
        "`proto/flowstack/common/v1/recorded_event.proto`: who, when, caused by what, under which "
        "command.\n"
        "Fields never change their meaning; an incompatible successor is a new message "
        "(`IntentPaidV2`).\n"
        "What is about a person stands in `personal`, in one place. A **private** event travels on "
        "the bus\nwithout its payload. Times end with `_us` (microseconds since 1970), amounts are "
        "`Money` in the\ncurrency's smallest unit.\n\n"
        "See them: `flowctl events list`, `flowctl events get <service>/<lane>/<position>`, "
        "`flowctl events why <id>`.\n";
    for (const auto& service : kServices) {
        std::vector<const pb::FileDescriptor*> files;
        std::set<std::string> referenced;
        const auto folder = root / "proto/flowstack" / service / "v1";
        std::set<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(folder)) {
            const auto name = entry.path().filename().string();
            if (name.ends_with("_events.proto")) names.insert(name);
        }
        for (const auto& name : names) {
            const auto* file = protos.pool().FindFileByName("flowstack/" + service + "/v1/" + name);
            if (!file) throw std::runtime_error(name + " was not read");
            files.push_back(file);
            for (int i = 0; i < file->message_type_count(); ++i)
                add_referenced(*file->message_type(i), referenced);
        }
        text += "\n## " + service;
        text += service == "common"
                    ? "\n\nIn the log of every service, types `flowstack.common.v1.*`. They are "
                      "about the log itself.\n"
                    : "\n\nTopic `flowstack." + service + ".events`, types `flowstack." + service +
                          ".v1.*`.\n";
        std::string parts;
        for (const auto* file : files) {
            const auto base = std::filesystem::path(file->name()).filename().string();
            const auto topic = base.substr(0, base.size() - std::string("_events.proto").size());
            std::string rows;
            for (int i = 0; i < file->message_type_count(); ++i) {
                const auto& message = *file->message_type(i);
                const auto words = comment_of(message);
                if (words.empty())
                    throw std::runtime_error(message.full_name() + " has no comment");
                // A message that other messages are made of is not an event by itself.
                if (referenced.contains(message.full_name())) {
                    parts += "| `" + message.name() + "` | " + cell(words) + " | " +
                             cell(fields_of(message)) + " |\n";
                    continue;
                }
                const bool is_private = words.find("Private:") != std::string::npos;
                rows += "| `" + message.name() + "` | " +
                        category_of(service + "/" + topic, message.name()) + " | " + cell(words) +
                        (is_private ? " **Private.**" : "") + " | " + cell(fields_of(message)) +
                        " |\n";
            }
            text += "\n### " + topic +
                    "\n\n| event | stream | what happened | fields |\n|---|---|---|---|\n" + rows;
        }
        if (!parts.empty())
            text += "\n### Parts of " + service +
                    "'s events\n\n| part | what it is | fields |\n|---|---|---|\n" + parts;
    }
    out["docs/events.md"] = text;
}

}  // namespace flowstack::docs
