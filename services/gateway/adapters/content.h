#pragma once

#include <string>

#include "flowstack/common/v1/message_content.pb.h"

namespace flowstack::gateway {

// The content with template parameters that a provider takes: no line breaks, tabs or runs of
// blanks, which come from what people type (a profile name, an address). Each run of white space
// becomes one blank, and none is left at the ends.
common::v1::MessageContent with_plain_parameters(common::v1::MessageContent content);

// For lists: which kind it is ("text", "interactive_button", "template", "location", …), and the
// words that say most of it.
std::string type_of(const common::v1::MessageContent& content);
std::string words_of(const common::v1::MessageContent& content);

}  // namespace flowstack::gateway
