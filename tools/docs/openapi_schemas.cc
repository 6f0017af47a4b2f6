#include "tools/docs/openapi_schemas.h"

#include <stdexcept>

#include "tools/docs/descriptors.h"

namespace flowstack::docs {
namespace {

namespace json = boost::json;
namespace pb = google::protobuf;
using Field = pb::FieldDescriptor;

constexpr std::string_view kRequired = "Required. ";
constexpr const char* kSampleTime = "2026-03-14T08:30:00Z";

// google.protobuf's own types are values in JSON, no objects of their members.
bool is_wrapped(const pb::Descriptor& message) {
    return message.file()->package() == "google.protobuf";
}

json::object of_wrapped(const pb::Descriptor& message) {
    const auto& name = message.name();
    if (name == "Timestamp") return {{"type", "string"}, {"format", "date-time"}};
    if (name == "FieldMask") return {{"type", "string"}, {"pattern", "^[A-Za-z0-9_.,]*$"}};
    if (name == "Struct") return {{"type", "object"}, {"additionalProperties", true}};
    throw std::runtime_error(message.full_name() +
                             ": say in openapi_schemas.cc what it is in JSON");
}

json::array texts(const std::vector<std::string>& values) {
    json::array made;
    for (const auto& value : values) made.emplace_back(value);
    return made;
}

// Every member excludes the others.
bool is_choice(const pb::Descriptor& message) {
    return message.real_oneof_decl_count() == 1 &&
           message.oneof_decl(0)->field_count() == message.field_count();
}

// Members of a choice among others exclude each other, two by two.
json::array exclusions_of(const pb::Descriptor& message) {
    json::array made;
    if (is_choice(message)) return made;
    for (int o = 0; o < message.real_oneof_decl_count(); ++o) {
        const auto& choice = *message.oneof_decl(o);
        for (int a = 0; a < choice.field_count(); ++a)
            for (int b = a + 1; b < choice.field_count(); ++b) {
                const json::array both{json::value(choice.field(a)->json_name()),
                                       json::value(choice.field(b)->json_name())};
                made.emplace_back(json::object{{"not", json::object{{"required", both}}}});
            }
    }
    return made;
}

}  // namespace

void Schemas::use(const pb::Descriptor& message, Side side) {
    if (is_wrapped(message)) return;
    if (!(side == Side::request ? requests_ : answers_).insert(&message).second) return;
    for (int i = 0; i < message.field_count(); ++i) {
        const auto& field = *message.field(i);
        if (side == Side::request && is_output_only(field)) continue;
        if (field.enum_type() != nullptr) enums_.insert(field.enum_type());
        if (field.message_type() != nullptr && !field.is_map()) use(*field.message_type(), side);
    }
}

std::string Schemas::name_of(const pb::Descriptor& message, Side side) const {
    return side == Side::request && answers_.contains(&message) ? message.name() + "Input"
                                                                : message.name();
}

json::object Schemas::reference(const pb::Descriptor& message, Side side) const {
    return {{"$ref", "#/components/schemas/" + name_of(message, side)}};
}

json::object Schemas::of_one(const Field& field, Side side) const {
    switch (field.cpp_type()) {
        case Field::CPPTYPE_BOOL:
            return {{"type", "boolean"}};
        case Field::CPPTYPE_INT32:
            return {{"type", "integer"}, {"format", "int32"}};
        case Field::CPPTYPE_INT64:
            return {{"type", "string"}, {"pattern", "^-?[0-9]{1,19}$"}};
        case Field::CPPTYPE_DOUBLE:
            return {{"type", "number"}, {"format", "double"}};
        case Field::CPPTYPE_ENUM:
            return {{"$ref", "#/components/schemas/" + field.enum_type()->name()}};
        case Field::CPPTYPE_MESSAGE:
            if (is_wrapped(*field.message_type())) return of_wrapped(*field.message_type());
            return reference(*field.message_type(), side);
        case Field::CPPTYPE_STRING: {
            json::object schema{{"type", "string"}};
            if (field.type() == Field::TYPE_BYTES) schema["contentEncoding"] = "base64";
            if (const auto choices = choices_of(field); !choices.empty())
                schema["enum"] = texts(choices);
            return schema;
        }
        default:
            throw std::runtime_error(field.full_name() +
                                     ": say in openapi_schemas.cc what it is in JSON");
    }
}

json::object Schemas::of_value(const Field& field, Side side) const {
    if (field.is_map()) {
        const auto& value = *field.message_type()->map_value();
        return {{"type", "object"}, {"additionalProperties", of_one(value, side)}};
    }
    if (field.is_repeated()) return {{"type", "array"}, {"items", of_one(field, side)}};
    return of_one(field, side);
}

json::object Schemas::schema_of(const pb::Descriptor& message, Side side) const {
    json::object members;
    json::array required;
    for (int i = 0; i < message.field_count(); ++i) {
        const auto& field = *message.field(i);
        if (side == Side::request && (left_out_.contains(&field) || is_output_only(field)))
            continue;
        auto schema = of_value(field, side);
        auto words = words_.of_field(field);
        if (side == Side::answer && words.starts_with(kRequired)) words.erase(0, kRequired.size());
        schema["description"] = words;
        if (const auto example = docs::example_of(field);
            example && schema.contains("type") && schema["type"] == "string")
            schema["examples"] = json::array{json::value(*example)};
        members[field.json_name()] = std::move(schema);
        // The door prints what has no presence even when it is empty.
        if (side == Side::request ? is_required(field) : !field.has_presence())
            required.emplace_back(field.json_name());
    }
    json::object schema{{"type", "object"}, {"description", words_.for_rest(comment_of(message))}};
    if (schema["description"].as_string().empty())
        throw std::runtime_error(message.full_name() + " has no comment");
    schema["properties"] = std::move(members);
    if (!required.empty()) schema["required"] = std::move(required);
    if (is_choice(message)) {
        if (side == Side::request) schema["minProperties"] = 1;
        schema["maxProperties"] = 1;
    }
    if (side == Side::request) {
        if (auto excluded = exclusions_of(message); !excluded.empty())
            schema["allOf"] = std::move(excluded);
        schema["additionalProperties"] = false;
    }
    if (side == Side::answer && shown_.contains(&message))
        schema["examples"] = json::array{sample_of(message)};
    return schema;
}

json::object Schemas::schema_of(const pb::EnumDescriptor& type) const {
    std::string words = words_.for_rest(comment_of(type));
    json::array values;
    for (int i = 0; i < type.value_count(); ++i) {
        const auto& value = *type.value(i);
        values.emplace_back(value.name());
        if (const auto comment = comment_of(value); !comment.empty())
            words += "\n\n- `" + value.name() + "`: " + words_.for_rest(comment);
    }
    return {{"type", "string"}, {"description", words}, {"enum", std::move(values)}};
}

json::value Schemas::sample_of(const Field& field) const {
    if (const auto example = docs::example_of(field)) return json::value(*example);
    switch (field.cpp_type()) {
        case Field::CPPTYPE_BOOL:
            return false;
        case Field::CPPTYPE_INT32:
            return 1;
        case Field::CPPTYPE_INT64:
            return "1";
        case Field::CPPTYPE_DOUBLE:
            return 1.5;
        case Field::CPPTYPE_ENUM:
            return json::value(
                field.enum_type()->value(field.enum_type()->value_count() > 1 ? 1 : 0)->name());
        case Field::CPPTYPE_MESSAGE:
            if (field.message_type()->name() == "Money" &&
                field.message_type()->file()->package() == "flowstack.common.v1")
                return json::object{{"minorUnits", "150000"}, {"currencyCode", "KES"}};
            if (!is_wrapped(*field.message_type())) return sample_of(*field.message_type());
            if (field.message_type()->name() == "Timestamp") return kSampleTime;
            return json::object();
        default:
            return "";
    }
}

json::object Schemas::sample_of(const pb::Descriptor& message) const {
    json::object made;
    for (int i = 0; i < message.field_count(); ++i) {
        const auto& field = *message.field(i);
        // The first member of a choice stands for the others.
        if (const auto* choice = field.real_containing_oneof();
            choice != nullptr && choice->field(0) != &field)
            continue;
        if (field.is_map())
            made[field.json_name()] = json::object();
        else if (field.is_repeated())
            made[field.json_name()] = json::array{sample_of(field)};
        else
            made[field.json_name()] = sample_of(field);
    }
    return made;
}

std::map<std::string, json::object> Schemas::all() const {
    std::map<std::string, json::object> schemas;
    const auto add = [&](const std::string& name, json::object schema) {
        if (!schemas.emplace(name, std::move(schema)).second)
            throw std::runtime_error("two messages or enums are called " + name);
    };
    for (const auto* message : answers_)
        add(name_of(*message, Side::answer), schema_of(*message, Side::answer));
    for (const auto* message : requests_)
        add(name_of(*message, Side::request), schema_of(*message, Side::request));
    for (const auto* type : enums_) add(type->name(), schema_of(*type));
    return schemas;
}

}  // namespace flowstack::docs
