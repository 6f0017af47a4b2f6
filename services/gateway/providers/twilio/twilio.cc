#include "services/gateway/providers/twilio/twilio.h"

#include <algorithm>

#include "common/http/url.h"
#include "services/gateway/domain/phone.h"
#include "services/gateway/providers/second_try.h"
#include "services/gateway/providers/twilio/credentials.h"
#include "services/gateway/providers/twilio/media.h"
#include "services/gateway/providers/twilio/renderer.h"
#include "services/gateway/providers/twilio/signature.h"
#include "services/gateway/providers/twilio/webhook_parser.h"

namespace flowstack::gateway::twilio {
namespace {

constexpr std::string_view kDoor = "/webhooks/twilio";
constexpr std::string_view kServicePrefix = "MG";

// The auth tokens with which Twilio may sign now: while they are rotated, both.
std::vector<Secret> signing_tokens(const ConnectedChannel& channel) {
    std::vector<Secret> tokens;
    for (const auto* secret : {&channel.credentials, &channel.previous_credentials})
        if (auto credentials = parse_credentials(*secret))
            tokens.push_back(std::move(credentials->auth_token));
    return tokens;
}

http::ClientRequest with_authorization(http::ClientRequest request, std::string_view account_sid,
                                       const Credentials& credentials) {
    request.headers.add("Authorization", authorization(account_sid, credentials));
    return request;
}

}  // namespace

std::vector<FieldError> Twilio::faults_of(const ConnectChannel& channel) const {
    std::vector<FieldError> faults;
    const auto& id = channel.external_id.text();
    if (!is_sid(kServicePrefix, id) && (!id.starts_with('+') || phone_from_digits(id) != id))
        faults.push_back({"external_id",
                          "must be the sender's number like +14155238886, or the SID of a "
                          "messaging service: MG and 32 hex digits"});
    if (!is_sid("AC", channel.business_account_id))
        faults.push_back({"business_account_id", "must be the account SID: AC and 32 hex digits"});
    if (!channel.app_id.empty()) faults.push_back({"app_id", "must be empty: Twilio has no apps"});
    return faults;
}

std::vector<FieldError> Twilio::credential_faults(const Secret& credentials) const {
    if (parse_credentials(credentials)) return {};
    return {{"access_token",
             "must be the account's auth token; or, where an API key makes the calls, the auth "
             "token, a comma, the key's SID (SK…), a colon and the key's secret"}};
}

// ---------------------------------------------------------------- webhooks

// The first one is the name of today; older systems had one path for whatever speaks WhatsApp.
std::vector<std::string> Twilio::webhook_paths() const {
    return {std::string(kDoor), "/whatsapp/webhook", "/webhooks/whatsapp"};
}

http::Response Twilio::handshake(const http::Request&) const {
    auto response = http::Response::problem(
        405, "Method not allowed",
        "Twilio sends its webhooks by POST and has no handshake. Choose HTTP POST for them in "
        "Twilio's console.",
        "METHOD_NOT_ALLOWED");
    response.headers.set("Allow", "POST");
    return response;
}

std::variant<Unsigned, SignedWebhook> Twilio::read(const http::Request& request) const {
    const auto signature = request.headers.get("X-Twilio-Signature");
    if (signature.empty()) return Unsigned{};
    auto fields = read_fields(request.body);
    if (!fields) return Unsigned{};
    auto sender = addressed(*fields);
    for (auto& id : sender.channels) {
        const auto channel = channels_.connected(kind(), id);
        if (!channel) continue;
        // Whoever names another account than the channel's has no key here.
        const bool is_right = sender.account_sid == channel->business_account_id &&
                              is_signed(signing_tokens(*channel),
                                        {.url = options_.public_base_url + request.target,
                                         .query = request.query,
                                         .body = request.body,
                                         .fields = *fields},
                                        signature);
        if (!is_right) return Unsigned{};
        return SignedWebhook{.app_id = "",
                             .parsed = parse_webhook(*fields, std::move(id), request.query)};
    }
    if (sender.channels.empty()) return Unsigned{};
    return Unsigned{.unknown_channel = std::move(sender.channels.back())};
}

ParsedWebhook Twilio::parse(std::string_view body, std::string_view query) const {
    const auto fields = read_fields(body);
    if (!fields) return {.shape = ParsedWebhook::Shape::malformed_json, .elements = {}};
    const auto ids = addressed(*fields).channels;
    const auto known = std::ranges::find_if(
        ids, [&](const auto& id) { return channels_.connected(kind(), id).has_value(); });
    const auto id = known != ids.end() ? *known : ids.empty() ? std::string() : ids.back();
    return parse_webhook(*fields, id, query);
}

// ---------------------------------------------------------------- sending

std::vector<FieldError> Twilio::faults_of(const common::v1::MessageContent& content) const {
    return twilio::faults_of(content);
}

void Twilio::send(OutboundCall call, std::function<void(Outcome)> done) const {
    const auto credentials = parse_credentials(call.credentials);
    if (!credentials)
        return done(
            Refused{.error = {.error_class = ErrorClass::unauthorised,
                              .code = "",
                              .title = "the channel's credentials have not the form of Twilio's",
                              .details = "",
                              .retry_after = std::chrono::minutes(15)}});
    const bool by_service = is_sid(kServicePrefix, call.channel_external_id);
    http::FormFields fields{
        {"To", "whatsapp:" + call.to},
        {by_service ? "MessagingServiceSid" : "From",
         (by_service ? "" : "whatsapp:") + call.channel_external_id},
        // Twilio has no place for our data but the address of its statuses, which it signs.
        {"StatusCallback", options_.public_base_url + std::string(kDoor) + "?" +
                               std::string(kCallbackParameter) + "=" +
                               http::percent_encode(call.callback_data)}};
    for (auto& field : content_fields(call.content)) fields.push_back(std::move(field));

    http::ClientRequest request;
    request.method = "POST";
    request.url =
        options_.base_url + "/2010-04-01/Accounts/" + call.business_account_id + "/Messages.json";
    request.headers.add("Content-Type", "application/x-www-form-urlencoded");
    request.body = http::encode_form(fields);
    request.timeout_ms = static_cast<int>(call.timeout.count());
    request.not_after = call.not_after;

    std::optional<http::ClientRequest> second;
    if (const auto previous = parse_credentials(call.previous_credentials))
        second = with_authorization(request, call.business_account_id, *previous);
    send_with_second_try(
        client_, with_authorization(std::move(request), call.business_account_id, *credentials),
        std::move(second), read_send_answer, std::move(done));
}

void Twilio::fetch_media(MediaCall call, std::function<void(MediaOutcome)> done) const {
    twilio::fetch_media(client_, options_.base_url, std::move(call), std::move(done));
}

}  // namespace flowstack::gateway::twilio
