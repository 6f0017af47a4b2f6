#include "tools/flowctl/fields.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include "flowstack/common/v1/message_content.pb.h"
#include "flowstack/common/v1/money.pb.h"
#include "tools/flowctl/json.h"

namespace flowstack::flowctl {
namespace {

namespace pb = google::protobuf;

// One message as one value; none when it is shown field by field.
bool told_whole(const pb::Message& message, std::string& text) {
    const auto* type = message.GetDescriptor();
    if (type == pb::Timestamp::descriptor()) {
        text = utc_seconds(static_cast<const pb::Timestamp&>(message).seconds());
    } else if (type == common::v1::Money::descriptor()) {
        const auto& money = static_cast<const common::v1::Money&>(message);
        text = amount_text(money.minor_units(), money.currency_code());
    } else if (type == common::v1::MessageContent::descriptor()) {
        text = text_of(static_cast<const common::v1::MessageContent&>(message));
    } else if (type == pb::Struct::descriptor()) {
        text = json_of(message);
    } else {
        return false;
    }
    return true;
}

std::string whole(const pb::Message& message) {
    std::string text;
    return told_whole(message, text) ? text : json_of(message);
}

std::string scalar(const pb::Message& message, const pb::FieldDescriptor& field) {
    const auto& reflection = *message.GetReflection();
    if (field.has_presence() && !reflection.HasField(message, &field)) return "";
    switch (field.cpp_type()) {
        case pb::FieldDescriptor::CPPTYPE_STRING:
            return field.type() == pb::FieldDescriptor::TYPE_BYTES
                       ? std::to_string(reflection.GetString(message, &field).size()) + " bytes"
                       : reflection.GetString(message, &field);
        case pb::FieldDescriptor::CPPTYPE_INT32:
            return std::to_string(reflection.GetInt32(message, &field));
        case pb::FieldDescriptor::CPPTYPE_INT64:
            return std::to_string(reflection.GetInt64(message, &field));
        case pb::FieldDescriptor::CPPTYPE_BOOL:
            return reflection.GetBool(message, &field) ? "yes" : field.has_presence() ? "no" : "";
        case pb::FieldDescriptor::CPPTYPE_ENUM: {
            const auto* value = reflection.GetEnum(message, &field);
            return value->number() == 0 ? "" : enum_word(*value);
        }
        case pb::FieldDescriptor::CPPTYPE_MESSAGE:
            return whole(reflection.GetMessage(message, &field));
        default:
            return "";
    }
}

std::string entry_of(const pb::Message& entry) {
    const auto& type = *entry.GetDescriptor();
    return scalar(entry, *type.map_key()) + ": " + scalar(entry, *type.map_value());
}

std::string list_of(const pb::Message& message, const pb::FieldDescriptor& field,
                    const std::string& between) {
    const auto& reflection = *message.GetReflection();
    std::string text;
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
        if (i) text += between;
        if (field.cpp_type() == pb::FieldDescriptor::CPPTYPE_STRING)
            text += reflection.GetRepeatedString(message, &field, i);
        else if (field.is_map())
            text += entry_of(reflection.GetRepeatedMessage(message, &field, i));
        else if (field.cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE)
            text += whole(reflection.GetRepeatedMessage(message, &field, i));
    }
    return text;
}

std::string spaced(std::string name) {
    for (char& c : name)
        if (c == '_') c = ' ';
    return name;
}

void add_facts(const pb::Message& message, const std::string& before, std::vector<Fact>& facts) {
    const auto& type = *message.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
        const auto& field = *type.field(i);
        const auto name = before + spaced(field.name());
        if (field.is_repeated()) {
            const bool lines = field.cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE;
            facts.push_back({name, list_of(message, field, lines ? "\n" : ", ")});
            continue;
        }
        std::string text;
        if (field.cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE) {
            if (!message.GetReflection()->HasField(message, &field)) continue;
            const auto& part = message.GetReflection()->GetMessage(message, &field);
            if (!told_whole(part, text)) {
                add_facts(part, name + " ", facts);
                continue;
            }
        }
        facts.push_back({name, text.empty() ? scalar(message, field) : text});
    }
}

}  // namespace

std::string enum_word(const pb::EnumValueDescriptor& value) {
    // The first value of each enum is <TYPE>_UNSPECIFIED.
    const auto prefix = value.type()->value(0)->name().rfind("UNSPECIFIED");
    const auto& word = value.name();
    return prefix != std::string::npos && word.size() > prefix ? word.substr(prefix) : word;
}

std::string text_of(const common::v1::MessageContent& content) {
    if (content.has_text()) return content.text().body();
    if (content.has_buttons()) {
        std::string text = content.buttons().body();
        for (const auto& title : content.buttons().titles()) text += "  [" + title + "]";
        return text;
    }
    if (content.has_list()) {
        std::string text = content.list().body();
        for (const auto& row : content.list().rows()) text += "  (" + row.title() + ")";
        return text;
    }
    if (content.has_template_()) return "template " + content.template_().name();
    if (content.has_media()) return content.media().kind() + " " + content.media().link();
    return "";
}

std::string text_at(const pb::Message& message, const std::string& path) {
    const auto dot = path.find('.');
    const auto* field = message.GetDescriptor()->FindFieldByName(path.substr(0, dot));
    if (!field) return "";
    if (dot != std::string::npos)
        return text_at(message.GetReflection()->GetMessage(message, field), path.substr(dot + 1));
    return field->is_repeated() ? list_of(message, *field, ", ") : scalar(message, *field);
}

std::vector<Fact> facts_of(const pb::Message& message) {
    std::vector<Fact> facts;
    add_facts(message, "", facts);
    return facts;
}

}  // namespace flowstack::flowctl
