#pragma once

#include <string_view>
#include <vector>

#include "common/http/url.h"
#include "services/gateway/domain/message.h"
#include "services/gateway/domain/tenant.h"

namespace flowstack::common::v1 {
class MessageContent;
}

// What Twilio's Messages resource is sent and what it answers. Lengths are counted in code points.
namespace flowstack::gateway::twilio {

// What is wrong with a content, by the path of its field; empty when it may be queued. Buttons and
// lists are sent as a numbered menu, so it is the menu that must fit into one message.
std::vector<FieldError> faults_of(const common::v1::MessageContent& content);

// The fields that hold the content: Body, MediaUrl, ContentSid, ContentVariables.
http::FormFields content_fields(const common::v1::MessageContent& content);

// The outcome of a call that was answered with this status and body. Only an answer below 500 with
// an error code, or of the door in front, is a refusal; an answer that cannot be read proves
// nothing: Lost.
Outcome read_send_answer(int http_status, std::string_view body);

}  // namespace flowstack::gateway::twilio
