#pragma once

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/money.h"
#include "common/http/message.h"
#include "flowstack/common/v1/money.pb.h"

// Aliases read a JSON body member by member, and write one in the order in which they fill it.
namespace flowstack::gateway {

// One JSON object as it came. A member that is absent or null reads as empty; a member of another
// kind than is asked for is refused by its name.
class JsonBody {
public:
    // Throws MALFORMED when it is no JSON object.
    explicit JsonBody(const std::string& text);
    JsonBody(const google::protobuf::Struct& members, std::string path)
        : members_(members), path_(std::move(path)) {}

    bool has(const char* name) const { return find(name) != nullptr; }
    std::string text(const char* name) const;
    // The member under the first of two spellings that is present.
    std::string text(const char* name, const char* other) const;
    std::string required(const char* name) const;  // a text that is not empty
    std::optional<bool> flag(const char* name) const;
    // Decimal major units, as a number or a text, to a positive amount.
    Money amount(const char* name, Currency currency) const;
    // A whole number, as a number or a text of digits.
    std::int64_t count(const char* name, std::int64_t otherwise) const;
    std::vector<JsonBody> objects(const char* name) const;
    std::vector<std::string> texts(const char* name) const;
    std::optional<JsonBody> object(const char* name) const;
    // Members of an object as texts: numbers and flags as JSON writes them.
    std::vector<std::pair<std::string, std::string>> pairs(const char* name) const;

private:
    const google::protobuf::Value* find(const char* name) const;
    std::string at(const char* name) const { return path_ + name; }

    google::protobuf::Struct members_;
    std::string path_;  // "buttons[1]."
};

class JsonObject {
public:
    JsonObject& text(const char* name, std::string_view value);
    JsonObject& number(const char* name, std::int64_t value);
    JsonObject& flag(const char* name, bool value);
    JsonObject& amount(const char* name, const common::v1::Money& value);       // 1500.00
    JsonObject& time(const char* name, const google::protobuf::Timestamp& at);  // null when unset
    JsonObject& json(const char* name, std::string_view document);
    std::string str() const { return text_ + "}"; }

private:
    void name(const char* name);
    std::string text_ = "{";
};

class JsonArray {
public:
    void add(std::string_view document);
    std::string str() const { return text_ + "]"; }

private:
    std::string text_ = "[";
};

// {"success":true,"data":…}
http::Response success(int status, std::string_view data);

// The last part of a resource name: "tenants/a/orders/b" → "b".
std::string id_of(const std::string& resource_name);

}  // namespace flowstack::gateway
