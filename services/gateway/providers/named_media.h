#pragma once

#include <string>
#include <vector>

namespace flowstack::common::v1 {
class MessageContent;
}

namespace flowstack::gateway {

// The tenant's media that a content names, each once.
std::vector<std::string> named_media(const common::v1::MessageContent& content);

}  // namespace flowstack::gateway
