#include "services/gateway/providers/meta/meta_webhooks.h"

#include "common/crypto/hash.h"
#include "services/gateway/providers/meta/meta_parser.h"

namespace flowstack::gateway {

http::Response MetaWebhooks::handshake(const http::Request& request) const {
    const auto mode = request.query_param("hub.mode").value_or("");
    const auto challenge = request.query_param("hub.challenge");
    const auto token = request.query_param("hub.verify_token").value_or("");
    if (mode != "subscribe" || !challenge || verify_token_.empty() ||
        !crypto::constant_time_equal(token, verify_token_.reveal()))
        return http::Response::problem(403, "Forbidden",
                                       "hub.verify_token is not the configured META_VERIFY_TOKEN.",
                                       "PERMISSION_DENIED");
    return http::Response::text(200, *challenge);
}

std::variant<Unsigned, SignedWebhook> MetaWebhooks::read(const http::Request& request) const {
    auto app = signing_app(apps_, request.body, request.headers.get("X-Hub-Signature-256"));
    if (!app) return Unsigned{};
    return SignedWebhook{std::move(*app), parse_meta_webhook(request.body)};
}

ParsedWebhook MetaWebhooks::parse(std::string_view body) const { return parse_meta_webhook(body); }

}  // namespace flowstack::gateway
