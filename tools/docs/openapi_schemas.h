#pragma once

#include <google/protobuf/descriptor.h>

#include <boost/json.hpp>
#include <map>
#include <set>
#include <string>

#include "tools/docs/openapi_words.h"

// JSON Schemas of messages, as the REST door reads and writes them: protobuf JSON with JSON names,
// 64 bit integers as text, and in answers every member that has no presence of its own.
namespace flowstack::docs {

class Schemas {
public:
    enum class Side { request, answer };

    explicit Schemas(const Words& words) : words_(words) {}

    // Tells what is used before anything is asked: a message of both sides has a schema for each.
    void use(const google::protobuf::Descriptor& message, Side side);
    void use(const google::protobuf::EnumDescriptor& type) { enums_.insert(&type); }
    // Its schema has an example: it is what a call answers.
    void show(const google::protobuf::Descriptor& message) { shown_.insert(&message); }
    // A request's member that the path or a header fills is no member of its body.
    void leave_out(const google::protobuf::FieldDescriptor& field) { left_out_.insert(&field); }

    // {"$ref": "#/components/schemas/Order"}
    boost::json::object reference(const google::protobuf::Descriptor& message, Side side) const;
    // The schema of a member, without what it means.
    boost::json::object of_value(const google::protobuf::FieldDescriptor& field, Side side) const;
    // By name: every message that is used, and the enums in them.
    std::map<std::string, boost::json::object> all() const;

private:
    std::string name_of(const google::protobuf::Descriptor& message, Side side) const;
    boost::json::object schema_of(const google::protobuf::Descriptor& message, Side side) const;
    boost::json::object schema_of(const google::protobuf::EnumDescriptor& type) const;
    boost::json::object of_one(const google::protobuf::FieldDescriptor& field, Side side) const;
    // A message as an answer may show it.
    boost::json::object sample_of(const google::protobuf::Descriptor& message) const;
    boost::json::value sample_of(const google::protobuf::FieldDescriptor& field) const;

    const Words& words_;
    std::set<const google::protobuf::Descriptor*> requests_, answers_, shown_;
    std::set<const google::protobuf::EnumDescriptor*> enums_;
    std::set<const google::protobuf::FieldDescriptor*> left_out_;
};

}  // namespace flowstack::docs
