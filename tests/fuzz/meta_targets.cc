#include <algorithm>

#include "common/http/message.h"
#include "services/gateway/domain/phone.h"
#include "services/gateway/providers/meta/meta_parser.h"
#include "services/gateway/providers/meta/meta_signature.h"
#include "tests/fuzz/fuzz.h"

namespace flowstack::gateway {

FLOWSTACK_FUZZ_TARGET(meta_webhook) {
    const auto parsed = parse_meta_webhook(bytes);
    FLOWSTACK_EXPECT(parsed.shape == ParsedWebhook::Shape::well_formed ||
                     parsed.shape == ParsedWebhook::Shape::repaired || parsed.elements.empty());
    for (const auto& element : parsed.elements) {
        // The element's bytes are a part of the body, not a copy and not beyond it.
        const std::string_view whole = parsed.repaired_body ? *parsed.repaired_body : bytes;
        FLOWSTACK_EXPECT(element.json.data() >= whole.data() &&
                         element.json.data() + element.json.size() <= whole.data() + whole.size());
        FLOWSTACK_EXPECT(element.text.size() <= kTextBytesMax);
        FLOWSTACK_EXPECT(element.phone.empty() ||
                         phone_from_digits(element.phone) == element.phone);
        FLOWSTACK_EXPECT(element.provider_time >= Time{});
        // Events are protobuf: text that is not UTF-8 could be written and never read again.
        for (const auto* text :
             {&element.path, &element.channel_external_id, &element.provider_message_id,
              &element.bsuid, &element.profile_name, &element.provider_type,
              &element.subject_provider_message_id, &element.group_id, &element.text,
              &element.tap_id, &element.context_provider_message_id, &element.value,
              &element.callback_data, &element.error.code, &element.error.title,
              &element.error.details})
            FLOWSTACK_EXPECT(http::valid_utf8(*text));
        FLOWSTACK_EXPECT(http::valid_utf8(element.json));
        // What names streams and claims: PostgreSQL's texts hold no zero byte.
        for (const auto* name :
             {&element.channel_external_id, &element.provider_message_id, &element.bsuid})
            FLOWSTACK_EXPECT(name->find('\0') == std::string::npos);
    }
}

// The header, then a zero byte, then the body.
FLOWSTACK_FUZZ_TARGET(meta_signature) {
    const auto header = bytes.substr(0, bytes.find('\0'));
    const auto body = bytes.substr(std::min(header.size() + 1, bytes.size()));
    static const std::vector<MetaApp> apps{{"app", Secret("secret")}};
    if (const auto app = signing_app(apps, body, header)) FLOWSTACK_EXPECT(*app == "app");
}

}  // namespace flowstack::gateway
