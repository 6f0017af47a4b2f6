#include "tools/flowctl/assign.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/timestamp.pb.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "common/core/money.h"
#include "flowstack/common/v1/money.pb.h"
#include "tools/flowctl/context.h"
#include "tools/flowctl/fields.h"
#include "tools/flowctl/times.h"

namespace flowstack::flowctl {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool is_text(const FieldDescriptor& field) { return field.type() == FieldDescriptor::TYPE_STRING; }
bool is_message(const FieldDescriptor& field, const Descriptor* type) {
    return field.type() == FieldDescriptor::TYPE_MESSAGE && field.message_type() == type;
}
bool is_text_map(const FieldDescriptor& field) {
    return field.is_map() && is_text(*field.message_type()->map_key()) &&
           is_text(*field.message_type()->map_value());
}
// Set by one value, though on the wire it is a message.
bool is_written_whole(const FieldDescriptor& field) {
    return !field.is_repeated() && (is_message(field, google::protobuf::Timestamp::descriptor()) ||
                                    is_message(field, common::v1::Money::descriptor()));
}
bool holds_fields(const FieldDescriptor& field) {
    return field.type() == FieldDescriptor::TYPE_MESSAGE && !field.is_repeated() &&
           !is_written_whole(field);
}

// A message in a message in a message is as deep as people type it; what holds itself ends here.
constexpr int kDepthMax = 4;

// "country_code, languages (a list), quiet_hours.end_minute, …"
std::string fields_of(const Descriptor& type, const std::string& before = "", int depth = 0) {
    std::string all;
    const auto add = [&all](const std::string& field) {
        if (!field.empty()) all += (all.empty() ? "" : ", ") + field;
    };
    for (int i = 0; i < type.field_count(); ++i) {
        const auto& field = *type.field(i);
        const auto path = before + field.name();
        if (holds_fields(field)) {
            if (depth < kDepthMax) add(fields_of(*field.message_type(), path + ".", depth + 1));
        } else if (is_text_map(field)) {
            add(path + ".<key>");
        } else if (!field.is_repeated() || is_text(field)) {
            add(path + (field.is_repeated() ? " (a list)" : ""));
        }
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

template <class Number>
Number number_of(const std::string& path, const std::string& value) {
    Number number = 0;
    const auto* end = value.data() + value.size();
    const auto [read, error] = std::from_chars(value.data(), end, number);
    if (!value.empty() && (error != std::errc() || read != end))
        throw UsageError(path + " is a number");
    return number;
}

bool truth_of(const std::string& path, const std::string& value) {
    if (value == "true" || value == "yes") return true;
    if (value.empty() || value == "false" || value == "no") return false;
    throw UsageError(path + " is true or false");
}

int enum_of(const std::string& path, const FieldDescriptor& field, std::string value) {
    std::ranges::transform(value, value.begin(), [](unsigned char c) { return std::toupper(c); });
    std::string words;
    for (int i = 0; i < field.enum_type()->value_count(); ++i) {
        const auto& one = *field.enum_type()->value(i);
        if (one.number() == 0) continue;
        if (value == one.name() || value == enum_word(one)) return one.number();
        words += (words.empty() ? "" : ", ") + enum_word(one);
    }
    throw UsageError(path + " is one of " + words);
}

// "KES 1500.00" or "KES 1,500.00".
common::v1::Money money_of(const std::string& path, const std::string& value) {
    const auto blank = value.find(' ');
    const auto currency = parse_currency(value.substr(0, blank));
    std::string digits = blank == std::string::npos ? "" : value.substr(blank + 1);
    std::erase(digits, ',');
    const auto amount = currency ? parse_money(digits, *currency) : std::nullopt;
    if (!amount) throw UsageError(path + " is an amount, e.g. KES 1500.00");
    common::v1::Money money;
    money.set_minor_units(amount->minor_units);
    money.set_currency_code(value.substr(0, blank));
    return money;
}

void put_entry(Message& message, const FieldDescriptor& map, const std::string& key,
               const std::string& value) {
    auto& entry = *message.GetReflection()->AddMessage(&message, &map);
    const auto& type = *map.message_type();
    entry.GetReflection()->SetString(&entry, type.map_key(), key);
    entry.GetReflection()->SetString(&entry, type.map_value(), value);
}

// Whether a field of this kind can be written as one value.
bool put_value(Message& message, const FieldDescriptor& field, const std::string& path,
               const std::string& value) {
    const auto& reflection = *message.GetReflection();
    if (is_text(field) && field.is_repeated()) {
        reflection.ClearField(&message, &field);
        add_parts(message, field, value);
        return true;
    }
    if (field.is_repeated()) return false;
    switch (field.type()) {
        case FieldDescriptor::TYPE_STRING:
            reflection.SetString(&message, &field, value);
            return true;
        case FieldDescriptor::TYPE_INT32:
            reflection.SetInt32(&message, &field, number_of<std::int32_t>(path, value));
            return true;
        case FieldDescriptor::TYPE_INT64:
            reflection.SetInt64(&message, &field, number_of<std::int64_t>(path, value));
            return true;
        case FieldDescriptor::TYPE_BOOL:
            reflection.SetBool(&message, &field, truth_of(path, value));
            return true;
        case FieldDescriptor::TYPE_ENUM:
            reflection.SetEnumValue(&message, &field, enum_of(path, field, value));
            return true;
        default:
            break;
    }
    if (is_message(field, google::protobuf::Timestamp::descriptor())) {
        google::protobuf::Timestamp time;
        if (!value.empty()) time.set_seconds(seconds_of(path, value));
        reflection.MutableMessage(&message, &field)->CopyFrom(time);
        return true;
    }
    if (is_message(field, common::v1::Money::descriptor())) {
        reflection.MutableMessage(&message, &field)->CopyFrom(money_of(path, value));
        return true;
    }
    return false;
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
        if (!field) throw unknown();
        if (is_text_map(*field) && !last) {
            put_entry(*holder, *field, path.substr(dot + 1), value);
            return path;
        }
        if (!last && (holds_fields(*field) || is_written_whole(*field))) {
            holder = holder->GetReflection()->MutableMessage(holder, field);
            begin = dot + 1;
            continue;
        }
        if (!last || !put_value(*holder, *field, path, value)) throw unknown();
        return path;
    }
}

}  // namespace flowstack::flowctl
