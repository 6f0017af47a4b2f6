#pragma once

#include <google/protobuf/descriptor.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

// What the comments of proto/ say to somebody who calls by REST.
namespace flowstack::docs {

// "apiKeys" → "apiKey", "SendMessage" → "sendMessage", "MessageLog" → "Message log".
std::string singular_of(const std::string& collection);
std::string lower_first(std::string name);
std::string spaced(const std::string& name);

// The first sentence, without its full stop.
std::string first_sentence(const std::string& text);

class Words {
public:
    // Learns the names of the fields and methods of these files.
    explicit Words(const std::vector<const google::protobuf::FileDescriptor*>& files);

    // Fields by their JSON names, methods by their operation ids, HTTP statuses for gRPC codes.
    std::string for_rest(const std::string& comment) const;

    // What a field is: its comment, else what every field of this name is, else the comment of its
    // type; empty when nobody says it, and then it is among unexplained().
    std::string of_field(const google::protobuf::FieldDescriptor& field) const;
    const std::set<std::string>& unexplained() const { return unexplained_; }

private:
    void learn(const google::protobuf::Descriptor& message);

    std::set<std::string> fields_;
    std::set<std::string> methods_;
    mutable std::set<std::string> unexplained_;
};

// Whether a request without this field is refused: its comment begins with "Required".
bool is_required(const google::protobuf::FieldDescriptor& field);
// Whether a request's value of this field is ignored: its comment begins with "Output only".
bool is_output_only(const google::protobuf::FieldDescriptor& field);
// The words that a text field can be, when its comment begins with them: "ACTIVE | SUSPENDED".
std::vector<std::string> choices_of(const google::protobuf::FieldDescriptor& field);
// A value: the "e.g." of the comment, else what fields of this name hold.
std::optional<std::string> example_of(const google::protobuf::FieldDescriptor& field);

}  // namespace flowstack::docs
