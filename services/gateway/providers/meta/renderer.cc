#include "services/gateway/providers/meta/renderer.h"

#include "flowstack/common/v1/message_content.pb.h"
#include "services/gateway/providers/meta/json_object.h"

namespace flowstack::gateway::meta {
namespace {

namespace v1 = flowstack::common::v1;
using http::json_string;

// What all renderers need to know of the message.
struct Frame {
    std::string_view message_id;
    const UploadedMedia& uploaded;
};

// ---- the parts

Object file(const v1::MediaContent& media, const Frame& frame) {
    Object json;
    if (media.media_id().empty())
        json.text("link", media.link());
    else
        json.text("id", frame.uploaded.at(media.media_id()));
    json.text_if("caption", media.caption()).text_if("filename", media.filename());
    return json;
}

// {"type":"image","image":{…}}
Object typed_file(const v1::MediaContent& media, const Frame& frame) {
    return Object().text("type", media.kind()).object(media.kind(), file(media, frame));
}

Object place(const v1::LocationContent& location) {
    return Object()
        .number("latitude", location.latitude())
        .number("longitude", location.longitude())
        .text_if("name", location.name())
        .text_if("address", location.address());
}

Object words(std::string_view text) { return Object().text("text", text); }
Object text_header(std::string_view text) {
    return Object().text("type", "text").text("text", text);
}

// An interactive message begins so; its body may be left out where `body` is empty.
Object interactive(std::string_view type, std::string_view header, std::string_view body,
                   std::string_view footer) {
    Object json;
    json.text("type", type);
    if (!header.empty()) json.object("header", text_header(header));
    if (!body.empty()) json.object("body", words(body));
    if (!footer.empty()) json.object("footer", words(footer));
    return json;
}

std::string tap_id(std::string_view message_id, int n) {
    return std::string(message_id) + ":" + std::to_string(n);
}

Object named_action(std::string_view name, const Object& parameters) {
    return Object().text("name", name).object("parameters", parameters);
}

// ---- each kind: its type, and the member that is called like it

struct Rendered {
    std::string_view type;
    std::string json;
};

Rendered render(const v1::TextContent& content, const Frame&) {
    return {
        "text",
        Object().text("body", content.body()).flag("preview_url", content.preview_link()).json()};
}

Rendered render(const v1::ButtonsContent& content, const Frame& frame) {
    Object json;
    json.text("type", "button");
    if (content.has_header_media())
        json.object("header", typed_file(content.header_media(), frame));
    else if (!content.header().empty())
        json.object("header", text_header(content.header()));
    json.object("body", words(content.body()));
    if (!content.footer().empty()) json.object("footer", words(content.footer()));
    const auto buttons = array_of(content.titles(), [&](const std::string& title, int n) {
        return Object()
            .text("type", "reply")
            .object("reply", Object().text("id", tap_id(frame.message_id, n)).text("title", title))
            .json();
    });
    return {"interactive", json.object("action", Object().raw("buttons", buttons)).json()};
}

Rendered render(const v1::ListContent& content, const Frame& frame) {
    std::string sections = "[";
    std::string rows;
    std::string title = content.section_title();
    const auto end_section = [&] {
        if (rows.empty()) return;
        if (sections.size() > 1) sections += ',';
        sections += Object().text_if("title", title).raw("rows", "[" + rows + "]").json();
        rows.clear();
    };
    for (int n = 0; n < content.rows_size(); ++n) {
        const auto& row = content.rows(n);
        if (!row.section_title().empty()) {
            end_section();
            title = row.section_title();
        }
        if (!rows.empty()) rows += ',';
        rows += Object()
                    .text("id", tap_id(frame.message_id, n))
                    .text("title", row.title())
                    .text_if("description", row.description())
                    .json();
    }
    end_section();
    const auto action = Object().text("button", content.button()).raw("sections", sections + "]");
    return {"interactive", interactive("list", content.header(), content.body(), content.footer())
                               .object("action", action)
                               .json()};
}

Rendered render(const v1::MediaContent& content, const Frame& frame) {
    return {content.kind(), file(content, frame).json()};
}

Rendered render(const v1::LocationContent& content, const Frame&) {
    return {"location", place(content).json()};
}

Rendered render(const v1::ContactsContent& content, const Frame&) {
    return {"contacts", array_of(content.cards(), [](const v1::ContactCard& card) {
                Object json;
                const auto& first =
                    card.first_name().empty() ? card.formatted_name() : card.first_name();
                json.object("name", Object()
                                        .text("formatted_name", card.formatted_name())
                                        .text("first_name", first)
                                        .text_if("last_name", card.last_name()));
                if (!card.organization().empty() || !card.title().empty())
                    json.object("org", Object()
                                           .text_if("company", card.organization())
                                           .text_if("title", card.title()));
                if (card.phones_size() > 0)
                    json.raw("phones", array_of(card.phones(), [](const v1::ContactPhone& phone) {
                                 return Object()
                                     .text("phone", phone.phone())
                                     .text_if("type", phone.type())
                                     .text_if("wa_id", phone.provider_id())
                                     .json();
                             }));
                if (card.emails_size() > 0)
                    json.raw("emails", array_of(card.emails(), [](const std::string& email) {
                                 return Object().text("email", email).json();
                             }));
                if (card.urls_size() > 0)
                    json.raw("urls", array_of(card.urls(), [](const std::string& url) {
                                 return Object().text("url", url).json();
                             }));
                return json.text_if("birthday", card.birthday()).json();
            })};
}

Rendered render(const v1::ReactionContent& content, const Frame&) {
    return {"reaction", Object()
                            .text("message_id", content.provider_message_id())
                            .text("emoji", content.emoji())
                            .json()};
}

Rendered render(const v1::LinkButtonContent& content, const Frame&) {
    const auto action = named_action(
        "cta_url", Object().text("display_text", content.title()).text("url", content.url()));
    return {"interactive",
            interactive("cta_url", content.header(), content.body(), content.footer())
                .object("action", action)
                .json()};
}

Rendered render(const v1::LocationRequestContent& content, const Frame&) {
    return {"interactive", interactive("location_request_message", "", content.body(), "")
                               .object("action", Object().text("name", "send_location"))
                               .json()};
}

Rendered render(const v1::ProductContent& content, const Frame&) {
    const auto action = Object()
                            .text("catalog_id", content.product().catalog_id())
                            .text("product_retailer_id", content.product().retailer_id());
    return {"interactive", interactive("product", "", content.body(), content.footer())
                               .object("action", action)
                               .json()};
}

Rendered render(const v1::ProductListContent& content, const Frame&) {
    const auto sections = array_of(content.sections(), [](const v1::ProductSection& section) {
        return Object()
            .text_if("title", section.title())
            .raw("product_items",
                 array_of(section.retailer_ids(),
                          [](const std::string& id) {
                              return Object().text("product_retailer_id", id).json();
                          }))
            .json();
    });
    const auto action = Object().text("catalog_id", content.catalog_id()).raw("sections", sections);
    return {"interactive",
            interactive("product_list", content.header(), content.body(), content.footer())
                .object("action", action)
                .json()};
}

Rendered render(const v1::CatalogContent& content, const Frame&) {
    Object action;
    action.text("name", "catalog_message");
    if (!content.thumbnail_product().empty())
        action.object("parameters",
                      Object().text("thumbnail_product_retailer_id", content.thumbnail_product()));
    return {"interactive", interactive("catalog_message", "", content.body(), content.footer())
                               .object("action", action)
                               .json()};
}

std::string token_of(const v1::FormStart& start, const Frame& frame) {
    return start.token().empty() ? std::string(frame.message_id) : start.token();
}

Rendered render(const v1::FormContent& content, const Frame& frame) {
    Object parameters;
    parameters.text("flow_message_version", "3")
        .text("flow_token", token_of(content.start(), frame))
        .text("flow_id", content.form_id())
        .text("flow_cta", content.button());
    if (content.draft()) parameters.text("mode", "draft");
    const auto& start = content.start();
    if (start.screen().empty()) {
        parameters.text("flow_action", "data_exchange");
    } else {
        Object payload;
        payload.text("screen", start.screen());
        if (!start.data_json().empty()) payload.raw("data", start.data_json());
        parameters.text("flow_action", "navigate").object("flow_action_payload", payload);
    }
    return {"interactive", interactive("flow", content.header(), content.body(), content.footer())
                               .object("action", named_action("flow", parameters))
                               .json()};
}

// ---- templates

Object text_parameter(std::string_view text) {
    return Object().text("type", "text").text("text", text);
}
Object named_parameter(const v1::NamedParameter& parameter) {
    return Object()
        .text("type", "text")
        .text("parameter_name", parameter.name())
        .text("text", parameter.value());
}

std::string component(std::string_view type, const std::string& parameters) {
    return Object().text("type", type).raw("parameters", parameters).json();
}

std::string header_component(const v1::TemplateHeader& header, const Frame& frame) {
    Object parameter;
    switch (header.header_case()) {
        case v1::TemplateHeader::kText:
            parameter = text_parameter(header.text());
            break;
        case v1::TemplateHeader::kNamedText:
            parameter = named_parameter(header.named_text());
            break;
        case v1::TemplateHeader::kMedia:
            parameter = typed_file(header.media(), frame);
            break;
        case v1::TemplateHeader::kLocation:
            parameter =
                Object().text("type", "location").object("location", place(header.location()));
            break;
        case v1::TemplateHeader::HEADER_NOT_SET:
            return {};
    }
    return component("header", "[" + parameter.json() + "]");
}

std::string body_component(const google::protobuf::RepeatedPtrField<std::string>& parameters) {
    return component("body", array_of(parameters, [](const std::string& parameter) {
                         return text_parameter(parameter).json();
                     }));
}

std::string button_component(const v1::FilledButton& button, const Frame& frame) {
    std::string_view sub_type;
    Object parameter;
    switch (button.button_case()) {
        case v1::FilledButton::kQuickReplyPayload:
            sub_type = "quick_reply";
            parameter.text("type", "payload").text("payload", button.quick_reply_payload());
            break;
        case v1::FilledButton::kUrlSuffix:
            sub_type = "url";
            parameter = text_parameter(button.url_suffix());
            break;
        case v1::FilledButton::kCopyCode:
            sub_type = "copy_code";
            parameter.text("type", "coupon_code").text("coupon_code", button.copy_code());
            break;
        case v1::FilledButton::kForm: {
            sub_type = "flow";
            Object action;
            action.text("flow_token", token_of(button.form(), frame));
            if (!button.form().data_json().empty())
                action.raw("flow_action_data", button.form().data_json());
            parameter.text("type", "action").object("action", action);
            break;
        }
        case v1::FilledButton::kCatalogThumbnailProduct: {
            sub_type = "catalog";
            Object action;
            action.text_if("thumbnail_product_retailer_id", button.catalog_thumbnail_product());
            parameter.text("type", "action").object("action", action);
            break;
        }
        case v1::FilledButton::BUTTON_NOT_SET:
            return {};
    }
    return Object()
        .text("type", "button")
        .text("sub_type", sub_type)
        .text("index", std::to_string(button.index()))
        .raw("parameters", "[" + parameter.json() + "]")
        .json();
}

// An array of those that say something.
class Components {
public:
    void add(const std::string& component) {
        if (component.empty()) return;
        if (!json_.empty()) json_ += ',';
        json_ += component;
    }
    bool empty() const { return json_.empty(); }
    std::string json() const { return "[" + json_ + "]"; }

private:
    std::string json_;
};

std::string card(const v1::TemplateCard& content, int n, const Frame& frame) {
    Components components;
    if (content.has_header_media()) {
        components.add(
            component("header", "[" + typed_file(content.header_media(), frame).json() + "]"));
    } else if (content.has_header_product()) {
        const auto product =
            Object()
                .text("product_retailer_id", content.header_product().retailer_id())
                .text("catalog_id", content.header_product().catalog_id());
        components.add(component(
            "header",
            "[" + Object().text("type", "product").object("product", product).json() + "]"));
    }
    if (content.body_parameters_size() > 0)
        components.add(body_component(content.body_parameters()));
    for (const auto& button : content.buttons()) components.add(button_component(button, frame));
    return Object()
        .raw("card_index", std::to_string(n))
        .raw("components", components.json())
        .json();
}

Rendered render(const v1::TemplateContent& content, const Frame& frame) {
    Object json;
    json.text("name", content.name())
        .object("language", Object().text("code", content.language_code()));
    Components components;
    components.add(header_component(content.header(), frame));
    if (content.body_parameters_size() > 0)
        components.add(body_component(content.body_parameters()));
    else if (content.named_body_parameters_size() > 0)
        components.add(component("body", array_of(content.named_body_parameters(),
                                                  [](const v1::NamedParameter& parameter) {
                                                      return named_parameter(parameter).json();
                                                  })));
    for (const auto& button : content.buttons()) components.add(button_component(button, frame));
    if (content.cards_size() > 0)
        components.add(
            Object()
                .text("type", "carousel")
                .raw("cards", array_of(content.cards(), [&](const v1::TemplateCard& one,
                                                            int n) { return card(one, n, frame); }))
                .json());
    if (!components.empty()) json.raw("components", components.json());
    return {"template", json.json()};
}

Rendered render(const v1::MessageContent& content, const Frame& frame) {
    switch (content.content_case()) {
        case v1::MessageContent::kText:
            return render(content.text(), frame);
        case v1::MessageContent::kButtons:
            return render(content.buttons(), frame);
        case v1::MessageContent::kList:
            return render(content.list(), frame);
        case v1::MessageContent::kTemplate:
            return render(content.template_(), frame);
        case v1::MessageContent::kMedia:
            return render(content.media(), frame);
        case v1::MessageContent::kLocation:
            return render(content.location(), frame);
        case v1::MessageContent::kContacts:
            return render(content.contacts(), frame);
        case v1::MessageContent::kReaction:
            return render(content.reaction(), frame);
        case v1::MessageContent::kLinkButton:
            return render(content.link_button(), frame);
        case v1::MessageContent::kLocationRequest:
            return render(content.location_request(), frame);
        case v1::MessageContent::kProduct:
            return render(content.product(), frame);
        case v1::MessageContent::kProductList:
            return render(content.product_list(), frame);
        case v1::MessageContent::kCatalog:
            return render(content.catalog(), frame);
        case v1::MessageContent::kForm:
            return render(content.form(), frame);
        case v1::MessageContent::CONTENT_NOT_SET:
            break;  // faults_of refused it long before
    }
    return {"text", "{}"};
}

}  // namespace

std::string render_send(const v1::MessageContent& content, std::string_view to,
                        std::string_view message_id, std::string_view callback_data,
                        const UploadedMedia& uploaded) {
    Object json;
    json.text("messaging_product", "whatsapp")
        .text("recipient_type", "individual")
        .text(to.starts_with('+') ? "to" : "recipient", to);
    if (!content.reply_to().empty())
        json.object("context", Object().text("message_id", content.reply_to()));
    const auto rendered = render(content, {message_id, uploaded});
    return json.text("type", rendered.type)
        .raw(rendered.type, rendered.json)
        .text("biz_opaque_callback_data", callback_data)
        .json();
}

std::string render_read_mark(std::string_view provider_message_id, bool typing) {
    Object json;
    json.text("messaging_product", "whatsapp")
        .text("status", "read")
        .text("message_id", provider_message_id);
    if (typing) json.object("typing_indicator", Object().text("type", "text"));
    return json.json();
}

}  // namespace flowstack::gateway::meta
