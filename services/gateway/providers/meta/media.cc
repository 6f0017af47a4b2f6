#include "services/gateway/providers/meta/media.h"

#include <array>
#include <utility>

#include "common/http/url.h"
#include "services/gateway/providers/meta/with_token.h"

namespace flowstack::gateway::meta {
namespace {

using Steady = std::chrono::steady_clock;

// Meta keeps an upload for 30 days.
constexpr std::chrono::hours kUploadKept{24 * 29};
constexpr std::size_t kKnownMax = 100'000;

struct Type {
    std::string_view mime_type;
    std::size_t bytes_max;
};
constexpr std::array kTypes{
    Type{"image/jpeg", kImageBytesMax},
    Type{"image/png", kImageBytesMax},
    Type{"image/webp", kStickerBytesMax},
    Type{"audio/aac", kAudioBytesMax},
    Type{"audio/amr", kAudioBytesMax},
    Type{"audio/mpeg", kAudioBytesMax},
    Type{"audio/mp4", kAudioBytesMax},
    Type{"audio/ogg", kAudioBytesMax},
    Type{"video/mp4", kVideoBytesMax},
    Type{"video/3gpp", kVideoBytesMax},
    Type{"text/plain", kDocumentBytesMax},
    Type{"application/pdf", kDocumentBytesMax},
    Type{"application/msword", kDocumentBytesMax},
    Type{"application/vnd.ms-excel", kDocumentBytesMax},
    Type{"application/vnd.ms-powerpoint", kDocumentBytesMax},
    Type{"application/vnd.openxmlformats-officedocument.wordprocessingml.document",
         kDocumentBytesMax},
    Type{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", kDocumentBytesMax},
    Type{"application/vnd.openxmlformats-officedocument.presentationml.presentation",
         kDocumentBytesMax},
};

// "audio/ogg; codecs=opus" is audio/ogg.
std::string_view plain_type(std::string_view mime_type) {
    return mime_type.substr(0, mime_type.find_first_of("; "));
}

Refused refused(std::string title) {
    return Refused{.error = {.error_class = ErrorClass::rejected,
                             .code = "",
                             .title = std::move(title),
                             .details = ""}};
}

std::string form_part(const std::string& boundary, std::string_view name, std::string_view value) {
    return "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + std::string(name) +
           "\"\r\n\r\n" + std::string(value) + "\r\n";
}

}  // namespace

std::size_t file_bytes_max(std::string_view mime_type) {
    const auto plain = plain_type(mime_type);
    for (const auto& type : kTypes)
        if (type.mime_type == plain) return type.bytes_max;
    return 0;
}

// ---------------------------------------------------------------- to Meta

std::string MediaTransfer::key_of(const OutboundCall& call, const std::string& media_id) {
    return call.tenant + "/" + call.channel_external_id + "/" + media_id;
}

void MediaTransfer::upload(const OutboundCall& call, std::vector<std::string> media_ids,
                           UploadDone done) {
    const bool taken = pool_.post([this, call, media_ids = std::move(media_ids), done] {
        Uploaded uploaded;
        for (const auto& media_id : media_ids) {
            {
                const std::lock_guard lock(mutex_);
                const auto known = known_.find(key_of(call, media_id));
                if (known != known_.end() && known->second.until > Steady::now()) {
                    uploaded.ids[media_id] = known->second.id;
                    uploaded.from_memory = true;
                    continue;
                }
            }
            auto one = upload_one(call, media_id);
            if (auto* refusal = std::get_if<Refused>(&one)) return done(std::move(*refusal));
            if (auto* not_sent = std::get_if<NotSent>(&one)) return done(std::move(*not_sent));
            const auto& id = std::get<std::string>(one);
            uploaded.ids[media_id] = id;
            const std::lock_guard lock(mutex_);
            if (known_.size() >= kKnownMax) known_.clear();
            known_[key_of(call, media_id)] = {id, Steady::now() + kUploadKept};
        }
        done(std::move(uploaded));
    });
    if (!taken) done(NotSent{.reason = "too many files wait to be uploaded"});
}

void MediaTransfer::forget(const OutboundCall& call, const std::vector<std::string>& media_ids) {
    const std::lock_guard lock(mutex_);
    for (const auto& media_id : media_ids) known_.erase(key_of(call, media_id));
}

std::variant<std::string, Refused, NotSent> MediaTransfer::upload_one(const OutboundCall& call,
                                                                      const std::string& media_id) {
    auto first = upload_file(call, media_id, call.credentials);
    const auto* refusal = std::get_if<Refused>(&first);
    if (refusal == nullptr || refusal->error.error_class != ErrorClass::unauthorised ||
        call.previous_credentials.empty())
        return first;
    return upload_file(call, media_id, call.previous_credentials);
}

std::variant<std::string, Refused, NotSent> MediaTransfer::upload_file(const OutboundCall& call,
                                                                       const std::string& media_id,
                                                                       const Secret& token) {
    if (call.files == nullptr) return refused("this installation keeps no media");
    std::optional<MediaFiles::File> file;
    try {
        file = call.files->read(call.tenant, media_id);
    } catch (const std::exception& error) {
        return NotSent{.reason = std::string("the media could not be read: ") + error.what()};
    }
    if (!file) return refused("the tenant has no media " + media_id);
    const auto bytes_max = file_bytes_max(file->mime_type);
    if (bytes_max == 0) return refused("Meta takes no " + file->mime_type);
    if (file->bytes.size() > bytes_max)
        return refused("Meta takes at most " + std::to_string(bytes_max) + " bytes of " +
                       file->mime_type);
    // No file holds its own hash.
    const auto boundary = "flowstack-" + media_id;
    http::ClientRequest request;
    request.method = "POST";
    request.url = base_url_ + "/" + call.channel_external_id + "/media";
    request.headers.add("Content-Type", "multipart/form-data; boundary=" + boundary);
    request.body = form_part(boundary, "messaging_product", "whatsapp") +
                   form_part(boundary, "type", file->mime_type) + "--" + boundary +
                   "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + media_id +
                   "\"\r\nContent-Type: " + file->mime_type + "\r\n\r\n" + file->bytes + "\r\n--" +
                   boundary + "--\r\n";
    request.timeout_ms = static_cast<int>(call.timeout.count());
    const auto result = client_.call_and_wait(with_token(std::move(request), token));
    if (result.outcome != http::ClientResult::Outcome::answered)
        return NotSent{.reason = "the file was not uploaded: " + result.error};
    return read_upload_answer(result.response.status, result.response.body);
}

// ---------------------------------------------------------------- from Meta

void MediaTransfer::fetch(MediaCall call, std::function<void(MediaOutcome)> done) {
    http::ClientRequest request;
    request.url = base_url_ + "/" + http::percent_encode(call.provider_media_id) +
                  "?phone_number_id=" + http::percent_encode(call.channel_external_id);
    request.timeout_ms = static_cast<int>(call.timeout.count());
    client_.call(
        with_token(std::move(request), call.credentials),
        [this, call, done = std::move(done)](const http::ClientResult& result) {
            if (result.outcome != http::ClientResult::Outcome::answered)
                return done(MediaNotFetched{.reason = "no answer: " + result.error});
            const auto status = result.response.status;
            const auto said = "HTTP " + std::to_string(status);
            if (status == 404 || status == 400)
                return done(MediaNotFetched{
                    .reason = "the provider does not have it (" + said + ")", .final = true});
            if (status != 200)
                return done(MediaNotFetched{.reason = "the provider answered " + said});
            const auto info = read_media_answer(result.response.body);
            if (!info) return done(MediaNotFetched{.reason = "an answer that cannot be read"});
            if (info->bytes > call.bytes_max)
                return done(MediaNotFetched{.reason = "it has " + std::to_string(info->bytes) +
                                                      " bytes, and at most " +
                                                      std::to_string(call.bytes_max) + " are taken",
                                            .final = true});
            download(call, *info, done);
        });
}

// The address is good for five minutes; after that the next attempt asks for another one.
void MediaTransfer::download(const MediaCall& call, const MediaInfo& info,
                             std::function<void(MediaOutcome)> done) {
    // The token goes along: never where nobody could tell whose server it is.
    if (!info.url.starts_with("https://") && !base_url_.starts_with("http://"))
        return done(MediaNotFetched{.reason = "its address is not https", .final = true});
    http::ClientRequest request;
    request.url = info.url;
    request.timeout_ms = static_cast<int>(call.timeout.count());
    client_.call(
        with_token(std::move(request), call.credentials),
        [bytes_max = call.bytes_max, mime_type = info.mime_type,
         done = std::move(done)](http::ClientResult result) {
            if (result.outcome != http::ClientResult::Outcome::answered)
                return done(MediaNotFetched{.reason = "no answer: " + result.error});
            if (result.response.status != 200)
                return done(MediaNotFetched{.reason = "its address answered HTTP " +
                                                      std::to_string(result.response.status)});
            if (result.response.body.size() > bytes_max)
                return done(MediaNotFetched{
                    .reason = "it has " + std::to_string(result.response.body.size()) +
                              " bytes, and at most " + std::to_string(bytes_max) + " are taken",
                    .final = true});
            done(FetchedMedia{.bytes = std::move(result.response.body), .mime_type = mime_type});
        });
}

}  // namespace flowstack::gateway::meta
