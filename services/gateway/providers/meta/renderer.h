#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "services/gateway/domain/message.h"
#include "services/gateway/domain/tenant.h"

namespace flowstack::common::v1 {
class MessageContent;
}

// What the Graph API is sent and what it answers. Lengths are counted in code points.
namespace flowstack::gateway::meta {

// What is wrong with a content, by the path of its field; empty when it may be queued.
std::vector<FieldError> faults_of(const common::v1::MessageContent& content);

// The body of POST /{phone number id}/messages. `to` is E.164 with + or a business-scoped user id;
// buttons and rows get the ids "<message id>:<n>", n from 0.
std::string render_send(const common::v1::MessageContent& content, std::string_view to,
                        std::string_view message_id, std::string_view callback_data);

// The outcome of a call that was answered with this status and body. It rests on the error's code,
// not on the status. An answer that cannot be read proves nothing: Lost.
Outcome read_send_answer(int http_status, std::string_view body);

}  // namespace flowstack::gateway::meta
