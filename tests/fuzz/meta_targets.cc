#include <algorithm>

#include "common/http/message.h"
#include "services/gateway/domain/phone.h"
#include "services/gateway/providers/meta/meta_parser.h"
#include "services/gateway/providers/meta/meta_signature.h"
#include "services/gateway/providers/meta/templates.h"
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

// The answer to a list of templates, and the components of one.
FLOWSTACK_FUZZ_TARGET(meta_templates) {
    const auto check = [](const TemplateParts& parts) {
        for (const auto* text : {&parts.body, &parts.footer, &parts.header.text})
            FLOWSTACK_EXPECT(http::valid_utf8(*text) && text->find('\0') == std::string::npos);
        for (const auto& button : parts.buttons)
            FLOWSTACK_EXPECT(http::valid_utf8(button.text) && http::valid_utf8(button.kind));
        // What customers see of it can always be named.
        for (const auto& name : variables_of(parts.body)) FLOWSTACK_EXPECT(!name.empty());
    };
    if (const auto parts = meta::read_template_parts(bytes)) check(*parts);
    const auto read = meta::read_template_page(200, bytes);
    const auto* page = std::get_if<TemplatePage>(&read);
    if (page == nullptr) return;
    for (const auto& listed : page->templates) {
        FLOWSTACK_EXPECT(!listed.key.name.empty() && !listed.key.language_code.empty());
        FLOWSTACK_EXPECT(http::valid_utf8(listed.key.name) && http::valid_utf8(listed.status));
        check(listed.parts);
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
