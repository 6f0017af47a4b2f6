#pragma once

#include <string>
#include <vector>

#include "tools/flowctl/output.h"

namespace google::protobuf {
class EnumValueDescriptor;
class Message;
}  // namespace google::protobuf

namespace flowstack::common::v1 {
class MessageContent;
}

// Messages of the services' APIs as text for people, whatever their type.
namespace flowstack::flowctl {

// "PAID" of PAYMENT_STATE_PAID: the type's own words are left out.
std::string enum_word(const google::protobuf::EnumValueDescriptor& value);

// What a customer reads of it, on one line.
std::string text_of(const common::v1::MessageContent& content);

// The field at a path ("limits.per_second"): times in UTC, amounts with their currency, a list with
// commas, true as "yes". Empty when it is not set, and when there is no such field.
std::string text_at(const google::protobuf::Message& message, const std::string& path);

// Every field of it, in the order of the proto: "display name" of display_name, "audience kind" of
// the field of a field.
std::vector<Fact> facts_of(const google::protobuf::Message& message);

}  // namespace flowstack::flowctl
