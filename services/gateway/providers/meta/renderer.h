#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "services/gateway/domain/message.h"
#include "services/gateway/domain/tenant.h"
#include "services/gateway/providers/meta/limits.h"

namespace flowstack::common::v1 {
class MessageContent;
}

// What the Graph API is sent and what it answers. Lengths are counted in code points.
namespace flowstack::gateway::meta {

// What is wrong with a content, by the path of its field; empty when it may be queued.
std::vector<FieldError> faults_of(const common::v1::MessageContent& content,
                                  const RecalledLimits& limits = {});

// Meta's ids of the tenant's media, by their ids.
using UploadedMedia = std::map<std::string, std::string>;

// The body of POST /{phone number id}/messages. `to` is E.164 with + or a business-scoped user id;
// buttons and rows get the ids "<message id>:<n>", n from 0.
// `uploaded` has all that the content names (named_media.h).
std::string render_send(const common::v1::MessageContent& content, std::string_view to,
                        std::string_view message_id, std::string_view callback_data,
                        const UploadedMedia& uploaded = {});

// The same for a received message that was read.
std::string render_read_mark(std::string_view provider_message_id, bool typing);

// The outcome of a call that was answered with this status and body. It rests on the error's code,
// not on the status. An answer that cannot be read proves nothing: Lost.
Outcome read_send_answer(int http_status, std::string_view body);
// The same for an answer that says only whether it succeeded.
Outcome read_mark_answer(int http_status, std::string_view body);

// What an answer means that does not say that it succeeded: Refused or Lost.
Outcome read_failure(int http_status, std::string_view body);

// Meta's id of an uploaded file. NotSent: it may be uploaded again.
using UploadOutcome = std::variant<std::string, Refused, NotSent>;
UploadOutcome read_upload_answer(int http_status, std::string_view body);

// Where a file can be had for five minutes.
struct MediaInfo {
    std::string url;
    std::string mime_type;
    std::uint64_t bytes = 0;  // 0: not said
};
std::optional<MediaInfo> read_media_answer(std::string_view body);

}  // namespace flowstack::gateway::meta
