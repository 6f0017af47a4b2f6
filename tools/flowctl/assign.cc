#include "tools/flowctl/assign.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <charconv>

#include "tools/flowctl/context.h"

namespace flowstack::flowctl {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool is_text(const FieldDescriptor& field) { return field.type() == FieldDescriptor::TYPE_STRING; }

// "country_code, languages (a list), quiet_hours.end_minute, …"
std::string fields_of(const Descriptor& type, const std::string& before = "") {
    std::string all;
    for (int i = 0; i < type.field_count(); ++i) {
        const auto& field = *type.field(i);
        if (!all.empty()) all += ", ";
        if (field.type() == FieldDescriptor::TYPE_MESSAGE)
            all += fields_of(*field.message_type(), before + field.name() + ".");
        else
            all += before + field.name() + (field.is_repeated() ? " (a list)" : "");
    }
    return all;
}

void add_parts(Message& message, const FieldDescriptor& field, const std::string& value) {
    const auto& reflection = *message.GetReflection();
    for (std::size_t begin = 0; begin < value.size();) {
        const auto comma = std::min(value.find(',', begin), value.size());
        reflection.AddString(&message, &field, value.substr(begin, comma - begin));
        begin = comma + 1;
    }
}

std::int32_t number_of(const std::string& path, const std::string& value) {
    std::int32_t number = 0;
    const auto* end = value.data() + value.size();
    const auto [read, error] = std::from_chars(value.data(), end, number);
    if (!value.empty() && (error != std::errc() || read != end))
        throw UsageError(path + " is a number");
    return number;
}

}  // namespace

std::string assign(Message& message, const std::string& typed) {
    const auto equals = typed.find('=');
    const auto path = typed.substr(0, equals);
    const auto unknown = [&] {
        return UsageError("'" + typed + "': write <field>=<value>, with one of " +
                          fields_of(*message.GetDescriptor()));
    };
    if (equals == std::string::npos) throw unknown();
    const auto value = typed.substr(equals + 1);
    auto* holder = &message;
    std::size_t begin = 0;
    for (;;) {
        const auto dot = std::min(path.find('.', begin), path.size());
        const auto* field =
            holder->GetDescriptor()->FindFieldByName(path.substr(begin, dot - begin));
        const bool last = dot == path.size();
        const bool holds_fields =
            field && field->type() == FieldDescriptor::TYPE_MESSAGE && !field->is_repeated();
        if (!field || holds_fields == last) throw unknown();
        const auto& reflection = *holder->GetReflection();
        if (!last) {
            holder = reflection.MutableMessage(holder, field);
            begin = dot + 1;
            continue;
        }
        if (is_text(*field) && field->is_repeated())
            add_parts(*holder, *field, value);
        else if (is_text(*field))
            reflection.SetString(holder, field, value);
        else if (field->type() == FieldDescriptor::TYPE_INT32 && !field->is_repeated())
            reflection.SetInt32(holder, field, number_of(path, value));
        else
            throw unknown();
        return path;
    }
}

}  // namespace flowstack::flowctl
