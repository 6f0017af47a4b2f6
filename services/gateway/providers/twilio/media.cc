#include "services/gateway/providers/twilio/media.h"

#include <utility>

#include "services/gateway/providers/twilio/credentials.h"

namespace flowstack::gateway::twilio {
namespace {

constexpr std::string_view kAccounts = "/2010-04-01/Accounts/";
constexpr std::string_view kMessages = "/Messages/";
constexpr std::string_view kMedia = "/Media/";
// Twilio's own, and one of the store's.
constexpr int kRedirectsMax = 2;

using Done = std::function<void(MediaOutcome)>;

MediaNotFetched not_fetched(std::string reason, bool final = false) {
    return {.reason = std::move(reason), .final = final};
}

// What stands in front of `mark`, cut off `text` with it; empty when it is not there.
std::string_view before(std::string_view& text, std::string_view mark) {
    const auto at = text.find(mark);
    if (at == std::string_view::npos) return {};
    const auto front = text.substr(0, at);
    text.remove_prefix(at + mark.size());
    return front;
}

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// `plain`: an address without TLS will do, because Twilio's in our settings has none.
struct Fetch {
    http::Client& client;
    bool plain;
    std::size_t bytes_max;
    int timeout_ms;
    Done done;
};

void read(Fetch fetch, http::ClientRequest request, int redirects_left) {
    request.timeout_ms = fetch.timeout_ms;
    auto& client = fetch.client;
    client.call(std::move(request), [fetch = std::move(fetch),
                                     redirects_left](http::ClientResult result) {
        if (result.outcome != http::ClientResult::Outcome::answered)
            return fetch.done(not_fetched("no answer: " + result.error));
        auto& response = result.response;
        const auto said = "HTTP " + std::to_string(response.status);
        if (is_redirect(response.status)) {
            http::ClientRequest next;
            next.url = std::string(response.headers.get("Location"));
            if (redirects_left == 0) return fetch.done(not_fetched("it redirects too often"));
            if (!next.url.starts_with("https://") &&
                !(fetch.plain && next.url.starts_with("http://")))
                return fetch.done(not_fetched("it redirects to an address that is not https"));
            // Without the credentials: the address has a right of its own.
            return read(fetch, std::move(next), redirects_left - 1);
        }
        if (response.status == 404 || response.status == 410)
            return fetch.done(not_fetched("the provider does not have it (" + said + ")", true));
        if (response.status != 200) return fetch.done(not_fetched("the provider answered " + said));
        if (response.body.size() > fetch.bytes_max)
            return fetch.done(not_fetched("it has " + std::to_string(response.body.size()) +
                                              " bytes, and at most " +
                                              std::to_string(fetch.bytes_max) + " are taken",
                                          true));
        fetch.done(FetchedMedia{.bytes = std::move(response.body),
                                .mime_type = std::string(response.headers.get("Content-Type"))});
    });
}

}  // namespace

std::string media_id_of(std::string_view url, std::string_view account_sid) {
    const auto from = url.find(kAccounts);
    if (from == std::string_view::npos) return {};
    auto rest = url.substr(from + kAccounts.size());
    const auto account = before(rest, kMessages);
    const auto message = before(rest, kMedia);
    const bool is_message = is_sid("MM", message) || is_sid("SM", message);
    if (account != account_sid || !is_message || !is_sid("ME", rest)) return {};
    return std::string(message) + "/" + std::string(rest);
}

void fetch_media(http::Client& client, const std::string& base_url, MediaCall call, Done done) {
    const auto credentials = parse_credentials(call.credentials);
    std::string_view media = call.provider_media_id;
    const auto message = before(media, "/");
    if (!credentials)
        return done(not_fetched("the channel's credentials have not the form of Twilio's"));
    if (message.empty() || media.empty())
        return done(not_fetched("the webhook named no file of this account", true));
    http::ClientRequest request;
    request.url = base_url + std::string(kAccounts) + call.business_account_id +
                  std::string(kMessages) + std::string(message) + std::string(kMedia) +
                  std::string(media);
    request.headers.add("Authorization", authorization(call.business_account_id, *credentials));
    read({.client = client,
          .plain = base_url.starts_with("http://"),
          .bytes_max = call.bytes_max,
          .timeout_ms = static_cast<int>(call.timeout.count()),
          .done = std::move(done)},
         std::move(request), kRedirectsMax);
}

}  // namespace flowstack::gateway::twilio
