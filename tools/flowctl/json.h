#pragma once

#include <string>

namespace google::protobuf {
class Message;
}

namespace flowstack::flowctl {

// protobuf JSON, as the REST door writes it; on one line.
std::string json_of(const google::protobuf::Message& message);

}  // namespace flowstack::flowctl
