#include "services/gateway/rest/alias_json.h"

#include <google/protobuf/util/json_util.h>

#include <cmath>
#include <cstdio>

#include "common/core/time.h"
#include "common/rpc/timestamp.h"
#include "services/gateway/rest/rest_calls.h"

namespace flowstack::gateway {
namespace {

namespace pb = google::protobuf;

// A JSON number as people write it; 15 digits are exact in a double.
std::string decimal(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.15g", value);
    return text;
}

}  // namespace

JsonBody::JsonBody(const std::string& text) {
    if (!pb::util::JsonStringToMessage(text.empty() ? "{}" : text, &members_).ok())
        throw malformed("it must be one JSON object.");
}

const pb::Value* JsonBody::find(const char* name) const {
    const auto found = members_.fields().find(name);
    if (found == members_.fields().end() || found->second.kind_case() == pb::Value::kNullValue)
        return nullptr;
    return &found->second;
}

std::string JsonBody::text(const char* name) const {
    const auto* value = find(name);
    if (!value) return {};
    if (value->kind_case() != pb::Value::kStringValue)
        throw rpc::invalid_field(at(name), "must be a text");
    return value->string_value();
}

std::string JsonBody::text(const char* name, const char* other) const {
    return has(name) ? text(name) : text(other);
}

std::string JsonBody::required(const char* name) const {
    auto value = text(name);
    if (value.empty()) throw rpc::invalid_field(at(name), "must not be empty");
    return value;
}

std::optional<bool> JsonBody::flag(const char* name) const {
    const auto* value = find(name);
    if (!value) return std::nullopt;
    if (value->kind_case() != pb::Value::kBoolValue)
        throw rpc::invalid_field(at(name), "must be true or false");
    return value->bool_value();
}

Money JsonBody::amount(const char* name, Currency currency) const {
    const auto* value = find(name);
    std::string text;
    if (value && value->kind_case() == pb::Value::kNumberValue)
        text = decimal(value->number_value());
    else if (value && value->kind_case() == pb::Value::kStringValue)
        text = value->string_value();
    const auto money = parse_money(text, currency);
    if (!money || !is_positive(*money))
        throw rpc::invalid_field(at(name),
                                 "must be an amount above 0 in major units, e.g. 1500.00");
    return *money;
}

std::int64_t JsonBody::count(const char* name, std::int64_t otherwise) const {
    const auto* value = find(name);
    if (!value) return otherwise;
    constexpr double kMax = 9e15;
    double number = NAN;
    if (value->kind_case() == pb::Value::kNumberValue) number = value->number_value();
    if (value->kind_case() == pb::Value::kStringValue && !value->string_value().empty() &&
        value->string_value().size() < 16 &&
        value->string_value().find_first_not_of("0123456789") == std::string::npos)
        number = std::stod(value->string_value());
    if (!(std::fabs(number) <= kMax) || number != std::floor(number))
        throw rpc::invalid_field(at(name), "must be a whole number");
    return static_cast<std::int64_t>(number);
}

std::vector<JsonBody> JsonBody::objects(const char* name) const {
    std::vector<JsonBody> found;
    const auto* value = find(name);
    if (!value) return found;
    if (value->kind_case() != pb::Value::kListValue)
        throw rpc::invalid_field(at(name), "must be a list");
    for (const auto& each : value->list_value().values()) {
        const auto path = at(name) + "[" + std::to_string(found.size()) + "]";
        if (each.kind_case() != pb::Value::kStructValue)
            throw rpc::invalid_field(path, "must be an object");
        found.emplace_back(each.struct_value(), path + ".");
    }
    return found;
}

std::vector<std::string> JsonBody::texts(const char* name) const {
    std::vector<std::string> found;
    const auto* value = find(name);
    if (!value) return found;
    if (value->kind_case() == pb::Value::kStringValue) return {value->string_value()};
    if (value->kind_case() != pb::Value::kListValue)
        throw rpc::invalid_field(at(name), "must be a list of texts");
    for (const auto& each : value->list_value().values()) {
        if (each.kind_case() != pb::Value::kStringValue)
            throw rpc::invalid_field(at(name), "must be a list of texts");
        found.push_back(each.string_value());
    }
    return found;
}

std::optional<JsonBody> JsonBody::object(const char* name) const {
    const auto* value = find(name);
    if (!value) return std::nullopt;
    if (value->kind_case() != pb::Value::kStructValue)
        throw rpc::invalid_field(at(name), "must be an object");
    return JsonBody(value->struct_value(), at(name) + ".");
}

std::vector<std::pair<std::string, std::string>> JsonBody::pairs(const char* name) const {
    std::vector<std::pair<std::string, std::string>> found;
    const auto inner = object(name);
    if (!inner) return found;
    for (const auto& [key, value] : inner->members_.fields()) {
        switch (value.kind_case()) {
            case pb::Value::kStringValue:
                found.emplace_back(key, value.string_value());
                break;
            case pb::Value::kNumberValue:
                found.emplace_back(key, decimal(value.number_value()));
                break;
            case pb::Value::kBoolValue:
                found.emplace_back(key, value.bool_value() ? "true" : "false");
                break;
            default:
                throw rpc::invalid_field(inner->at(key.c_str()), "must be a text or a number");
        }
    }
    return found;
}

void JsonObject::name(const char* name) {
    if (text_.size() > 1) text_ += ',';
    text_ += http::json_string(name);
    text_ += ':';
}
JsonObject& JsonObject::text(const char* member, std::string_view value) {
    name(member);
    text_ += http::json_string(value);
    return *this;
}
JsonObject& JsonObject::number(const char* member, std::int64_t value) {
    name(member);
    text_ += std::to_string(value);
    return *this;
}
JsonObject& JsonObject::flag(const char* member, bool value) {
    name(member);
    text_ += value ? "true" : "false";
    return *this;
}
JsonObject& JsonObject::amount(const char* member, const common::v1::Money& value) {
    name(member);
    const auto currency = parse_currency(value.currency_code());
    text_ += currency ? format_decimal({value.minor_units(), *currency}) : "0";
    return *this;
}
JsonObject& JsonObject::time(const char* member, const pb::Timestamp& at) {
    name(member);
    text_ += at.seconds() == 0 && at.nanos() == 0 ? "null"
                                                  : http::json_string(to_rfc3339(rpc::time_of(at)));
    return *this;
}
JsonObject& JsonObject::json(const char* member, std::string_view document) {
    name(member);
    text_ += document;
    return *this;
}

void JsonArray::add(std::string_view document) {
    if (text_.size() > 1) text_ += ',';
    text_ += document;
}

http::Response success(int status, std::string_view data) {
    return http::Response::json(status,
                                JsonObject().flag("success", true).json("data", data).str());
}

std::string id_of(const std::string& resource_name) {
    return resource_name.substr(resource_name.rfind('/') + 1);
}

}  // namespace flowstack::gateway
