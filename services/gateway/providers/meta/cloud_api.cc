#include "services/gateway/providers/meta/cloud_api.h"

#include <algorithm>

#include "common/crypto/hash.h"
#include "services/gateway/providers/meta/meta_parser.h"
#include "services/gateway/providers/meta/renderer.h"
#include "services/gateway/providers/meta/with_token.h"
#include "services/gateway/providers/named_media.h"
#include "services/gateway/providers/second_try.h"

namespace flowstack::gateway::meta {
namespace {

// Meta's words for an id of a file that it does not have (any more).
bool says_file_is_gone(const SendError& error) {
    return error.code == "131053" || error.code == "131009" || error.code == "100";
}

}  // namespace

std::vector<FieldError> CloudApi::faults_of(const ConnectChannel& channel) const {
    std::vector<FieldError> faults;
    const auto visible = [](char c) { return c > ' ' && c < 127; };
    if (const auto& id = channel.external_id.text();
        id.empty() || id.size() > 64 || !std::ranges::all_of(id, visible))
        faults.push_back({"external_id", "must be Meta's phone_number_id"});
    // The webhooks of an app that is not configured look forged, so its channel would stay silent.
    if (!channel.app_id.empty() &&
        std::ranges::find(options_.apps, channel.app_id, &MetaApp::id) == options_.apps.end())
        faults.push_back({"app_id", "must be an app of the setting META_APPS, or empty"});
    return faults;
}

// ---------------------------------------------------------------- webhooks

// The first one is the name of today; older systems gave the others.
std::vector<std::string> CloudApi::webhook_paths() const {
    return {"/webhooks/whatsapp", "/whatsapp/webhook", "/api/messages/incoming"};
}

http::Response CloudApi::handshake(const http::Request& request) const {
    const auto mode = request.query_param("hub.mode").value_or("");
    const auto challenge = request.query_param("hub.challenge");
    const auto token = request.query_param("hub.verify_token").value_or("");
    if (mode != "subscribe" || !challenge || options_.verify_token.empty() ||
        !crypto::constant_time_equal(token, options_.verify_token.reveal()))
        return http::Response::problem(403, "Forbidden",
                                       "hub.verify_token is not the configured META_VERIFY_TOKEN.",
                                       "PERMISSION_DENIED");
    return http::Response::text(200, *challenge);
}

std::variant<Unsigned, SignedWebhook> CloudApi::read(const http::Request& request) const {
    auto app = signing_app(options_.apps, request.body, request.headers.get("X-Hub-Signature-256"));
    if (!app) return Unsigned{};
    return SignedWebhook{std::move(*app), parse_meta_webhook(request.body)};
}

ParsedWebhook CloudApi::parse(std::string_view body, std::string_view) const {
    return parse_meta_webhook(body);
}

// ---------------------------------------------------------------- sending

std::vector<FieldError> CloudApi::faults_of(const common::v1::MessageContent& content) const {
    return meta::faults_of(content, options_.limits);
}

void CloudApi::send(OutboundCall call, std::function<void(Outcome)> done) const {
    auto files = named_media(call.content);
    if (files.empty()) return post_message(call, {}, std::move(done));
    send_with_files(std::move(call), std::move(files), false, std::move(done));
}

void CloudApi::send_with_files(OutboundCall call, std::vector<std::string> media_ids, bool again,
                               std::function<void(Outcome)> done) const {
    media_->upload(call, media_ids,
                   [this, call, media_ids, again, done = std::move(done)](
                       const std::variant<MediaTransfer::Uploaded, Refused, NotSent>& outcome) {
                       if (const auto* refused = std::get_if<Refused>(&outcome))
                           return done(*refused);
                       if (const auto* not_sent = std::get_if<NotSent>(&outcome))
                           return done(*not_sent);
                       const auto& uploaded = std::get<MediaTransfer::Uploaded>(outcome);
                       if (again || !uploaded.from_memory)
                           return post_message(call, uploaded.ids, done);
                       post_message(
                           call, uploaded.ids, [this, call, media_ids, done](Outcome answer) {
                               const auto* refused = std::get_if<Refused>(&answer);
                               if (refused == nullptr || !says_file_is_gone(refused->error))
                                   return done(std::move(answer));
                               // A refusal proves that nothing was sent.
                               media_->forget(call, media_ids);
                               send_with_files(call, media_ids, true, done);
                           });
                   });
}

void CloudApi::post_message(const OutboundCall& call, const UploadedMedia& uploaded,
                            std::function<void(Outcome)> done) const {
    http::ClientRequest request;
    request.method = "POST";
    request.url = options_.base_url + "/" + call.channel_external_id + "/messages";
    request.headers.add("Content-Type", "application/json");
    request.body =
        render_send(call.content, call.to, call.message_id, call.callback_data, uploaded);
    request.timeout_ms = static_cast<int>(call.timeout.count());
    request.not_after = call.not_after;

    std::optional<http::ClientRequest> second;
    if (!call.previous_credentials.empty()) second = with_token(request, call.previous_credentials);
    send_with_second_try(client_, with_token(std::move(request), call.credentials),
                         std::move(second), read_send_answer, std::move(done));
}

void CloudApi::mark_read(ReadMark mark, std::function<void(Outcome)> done) const {
    http::ClientRequest request;
    request.method = "POST";
    request.url = options_.base_url + "/" + mark.channel_external_id + "/messages";
    request.headers.add("Content-Type", "application/json");
    request.body = render_read_mark(mark.provider_message_id, mark.typing);
    request.timeout_ms = static_cast<int>(mark.timeout.count());
    client_.call(
        with_token(std::move(request), mark.credentials),
        [done = std::move(done)](const http::ClientResult& result) {
            switch (result.outcome) {
                case http::ClientResult::Outcome::answered:
                    return done(read_mark_answer(result.response.status, result.response.body));
                case http::ClientResult::Outcome::not_sent:
                    return done(NotSent{.reason = "not sent: " + result.error});
                case http::ClientResult::Outcome::unknown:
                    return done(Lost{.reason = result.error});
            }
        });
}

void CloudApi::fetch_media(MediaCall call, std::function<void(MediaOutcome)> done) const {
    media_->fetch(std::move(call), std::move(done));
}

}  // namespace flowstack::gateway::meta
