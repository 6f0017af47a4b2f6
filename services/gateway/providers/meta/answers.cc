#include <simdjson.h>

#include <charconv>
#include <optional>

#include "common/text/utf8.h"
#include "services/gateway/providers/meta/errors.h"
#include "services/gateway/providers/meta/renderer.h"

namespace flowstack::gateway::meta {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kErrorMax = 500;  // of a title and of details, in bytes

// The answer as JSON; nothing when it is no object. Valid until this thread reads another one.
std::optional<dom::element> object_in(std::string_view body) {
    thread_local dom::parser parser;
    dom::element root;
    if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS || !root.is_object())
        return std::nullopt;
    return root;
}

std::string status_text(int http_status) { return "HTTP " + std::to_string(http_status); }

// By its code, whatever the status. Nothing when the answer holds no error of Meta's.
std::optional<Refused> refusal_in(const dom::element& root, int http_status) {
    dom::element error;
    std::int64_t code = 0;
    if (root["error"].get(error) != simdjson::SUCCESS || !error.is_object() ||
        error["code"].get(code) != simdjson::SUCCESS)
        return std::nullopt;
    const auto status = status_text(http_status);
    std::string_view title;
    std::string_view details;
    if (error["message"].get(title) != simdjson::SUCCESS) title = status;
    // About templates Meta says at length what is wrong in words for people.
    if (error["error_data"]["details"].get(details) != simdjson::SUCCESS &&
        error["error_user_msg"].get(details) != simdjson::SUCCESS)
        details = {};
    return Refused{.error = classified(code, std::string(text::front_of_bytes(title, kErrorMax)),
                                       std::string(text::front_of_bytes(details, kErrorMax)))};
}

// The door in front of the provider said no before anything was taken; or nobody knows.
Outcome without_words(int http_status) {
    const auto status = status_text(http_status);
    const auto refused = [](ErrorClass error_class, std::string title) {
        return Refused{
            .error = {
                .error_class = error_class, .code = "", .title = std::move(title), .details = ""}};
    };
    if (http_status == 429) return refused(ErrorClass::too_fast, status);
    if (http_status == 401 || http_status == 403) {
        auto answer = refused(ErrorClass::unauthorised, status);
        answer.error.retry_after = std::chrono::minutes(15);
        return answer;
    }
    if (http_status >= 400 && http_status < 500)
        return refused(ErrorClass::rejected, status + " without an error code");
    return Lost{.reason = status + " with an answer that cannot be read"};
}

}  // namespace

Outcome read_send_answer(int http_status, std::string_view body) {
    if (const auto root = object_in(body)) {
        if (auto refusal = refusal_in(*root, http_status)) return std::move(*refusal);
        std::string_view id;
        dom::array messages;
        if (http_status == 200 && (*root)["messages"].get(messages) == simdjson::SUCCESS)
            for (const auto message : messages)
                if (message["id"].get(id) == simdjson::SUCCESS && !id.empty())
                    return Accepted{.provider_message_id = ProviderMessageId(std::string(id))};
    }
    return without_words(http_status);
}

Outcome read_mark_answer(int http_status, std::string_view body) {
    if (const auto root = object_in(body)) {
        if (auto refusal = refusal_in(*root, http_status)) return std::move(*refusal);
        bool success = false;
        if (http_status == 200 && (*root)["success"].get(success) == simdjson::SUCCESS && success)
            return Accepted{};
    }
    return without_words(http_status);
}

Outcome read_failure(int http_status, std::string_view body) {
    if (const auto root = object_in(body))
        if (auto refusal = refusal_in(*root, http_status)) return std::move(*refusal);
    return without_words(http_status);
}

UploadOutcome read_upload_answer(int http_status, std::string_view body) {
    if (const auto root = object_in(body)) {
        if (auto refusal = refusal_in(*root, http_status)) return std::move(*refusal);
        std::string_view id;
        if (http_status == 200 && (*root)["id"].get(id) == simdjson::SUCCESS && !id.empty())
            return std::string(id);
    }
    // An upload that may have happened is made again: it sends nothing to anybody.
    return NotSent{.reason = "the file was not uploaded: " + status_text(http_status)};
}

std::optional<MediaInfo> read_media_answer(std::string_view body) {
    const auto root = object_in(body);
    if (!root) return std::nullopt;
    MediaInfo info;
    const auto text_at = [&](const char* name) {
        std::string_view text;
        return (*root)[name].get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
    };
    info.url = text_at("url");
    info.mime_type = text_at("mime_type");
    // A number in digits, as text or as it is.
    const auto size = text_at("file_size");
    std::uint64_t bytes = 0;
    if ((*root)["file_size"].get(bytes) != simdjson::SUCCESS)
        std::from_chars(size.data(), size.data() + size.size(), bytes);
    info.bytes = bytes;
    if (info.url.empty()) return std::nullopt;
    return info;
}

}  // namespace flowstack::gateway::meta
