#include <algorithm>

#include "common/http/message.h"
#include "services/gateway/domain/phone.h"
#include "services/gateway/providers/twilio/signature.h"
#include "services/gateway/providers/twilio/webhook_parser.h"
#include "tests/fuzz/fuzz.h"

namespace flowstack::gateway::twilio {

// The query, then a zero byte, then the body: a form or a JSON object.
FLOWSTACK_FUZZ_TARGET(twilio_webhook) {
    const auto query = bytes.substr(0, bytes.find('\0'));
    const auto body = bytes.substr(std::min(query.size() + 1, bytes.size()));
    const auto fields = read_fields(body);
    if (!fields) return;
    auto channels = addressed(*fields).channels;
    FLOWSTACK_EXPECT(channels.size() <= 2);
    const auto channel = channels.empty() ? std::string() : channels.back();
    const auto parsed = parse_webhook(*fields, channel, query);
    FLOWSTACK_EXPECT(parsed.elements.size() == 1);
    const auto& element = parsed.elements.front();
    FLOWSTACK_EXPECT(parsed.repaired_body && element.json == *parsed.repaired_body);
    FLOWSTACK_EXPECT(element.repaired == (parsed.shape == ParsedWebhook::Shape::repaired));
    FLOWSTACK_EXPECT(element.text.size() <= kTextBytesMax);
    FLOWSTACK_EXPECT(element.phone.empty() || phone_from_digits(element.phone) == element.phone);
    if (element.kind == WebhookElement::Kind::message)
        FLOWSTACK_EXPECT(!element.provider_message_id.empty() &&
                         !(element.phone.empty() && element.bsuid.empty()));
    // Events are protobuf: text that is not UTF-8 could be written and never read again.
    for (const auto* text :
         {&element.channel_external_id, &element.provider_message_id, &element.bsuid,
          &element.profile_name, &element.provider_type, &element.subject_provider_message_id,
          &element.text, &element.tap_id, &element.context_provider_message_id, &element.value,
          &element.callback_data, &element.error.title})
        FLOWSTACK_EXPECT(http::valid_utf8(*text));
    FLOWSTACK_EXPECT(http::valid_utf8(element.json));
    // What names streams and claims: PostgreSQL's texts hold no zero byte.
    for (const auto* name :
         {&element.channel_external_id, &element.provider_message_id, &element.bsuid})
        FLOWSTACK_EXPECT(name->find('\0') == std::string::npos);
}

// The header, then a zero byte, then the body: only what the token signed is signed.
FLOWSTACK_FUZZ_TARGET(twilio_signature) {
    const auto header = bytes.substr(0, bytes.find('\0'));
    const auto body = bytes.substr(std::min(header.size() + 1, bytes.size()));
    auto fields = http::parse_form(body);
    if (!fields) return;
    const Secret token("token");
    const std::string url = "https://flow.example.com/webhooks/twilio";
    const SignedRequest request{.url = url, .query = "", .body = body, .fields = *fields};
    const auto right = signature_of(token, signed_text(url, *fields));
    FLOWSTACK_EXPECT(is_signed({token}, request, right));
    FLOWSTACK_EXPECT(!is_signed({Secret("other")}, request, right));
    // The order in which the fields came makes no difference.
    std::ranges::reverse(*fields);
    FLOWSTACK_EXPECT(signature_of(token, signed_text(url, *fields)) == right);
    const auto with_port =
        signature_of(token, signed_text("https://flow.example.com:443/webhooks/twilio", *fields));
    if (is_signed({token}, request, header))
        FLOWSTACK_EXPECT(header == right || header == with_port);
}

}  // namespace flowstack::gateway::twilio
