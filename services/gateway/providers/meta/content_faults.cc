#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "common/text/fold.h"
#include "common/text/utf8.h"
#include "flowstack/common/v1/message_content.pb.h"
#include "services/gateway/providers/meta/renderer.h"

namespace flowstack::gateway::meta {
namespace {

namespace v1 = flowstack::common::v1;
using Texts = google::protobuf::RepeatedPtrField<std::string>;

std::size_t code_points(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_link(std::string_view text) {
    return text.starts_with("https://") || text.starts_with("http://");
}

bool is_media_id(std::string_view text) {
    constexpr std::size_t kDigits = 64;  // of a SHA-256
    return text.size() == kDigits && std::ranges::all_of(text, [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

bool is_filled_object(std::string_view text) {
    thread_local simdjson::dom::parser parser;
    simdjson::dom::object root;
    return parser.parse(text.data(), text.size()).get(root) == simdjson::SUCCESS && root.size() > 0;
}

bool is_date(std::string_view text) {
    constexpr std::string_view kShape = "0000-00-00";
    if (text.size() != kShape.size()) return false;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (kShape[i] == '-' ? text[i] != '-' : (text[i] < '0' || text[i] > '9')) return false;
    return true;
}

std::string at(const std::string& list, int n) { return list + "[" + std::to_string(n) + "]"; }

std::string from_to(std::size_t min, std::size_t max) {
    return std::to_string(min) + " to " + std::to_string(max);
}

// Collects what is wrong. Fields are named as in MessageContent.
class Faults {
public:
    explicit Faults(const RecalledLimits& recalled) : limits(recalled) {}

    void length(const std::string& field, std::string_view text, std::size_t min, std::size_t max) {
        const auto length = code_points(text);
        if (length < min || length > max)
            wrong(field, "must have " + from_to(min, max) + " characters");
    }
    void count(const std::string& field, int n, int min, int max, const std::string& things) {
        if (n < min || n > max)
            wrong(field, "must be " +
                             from_to(static_cast<std::size_t>(min), static_cast<std::size_t>(max)) +
                             " " + things);
    }
    void wrong(const std::string& field, std::string allowed) {
        found.push_back({field.empty() ? "content" : "content." + field, std::move(allowed)});
    }

    void link(const std::string& field, std::string_view address) {
        if (!is_link(address)) return wrong(field, "must be an http(s) link");
        length(field, address, 1, kLinkMax);
    }
    // An id that somebody else gave.
    void id(const std::string& field, std::string_view value) { length(field, value, 1, kIdMax); }

    void header_and_footer(const std::string& kind, std::string_view header,
                           std::string_view footer) {
        length(kind + ".header", header, 0, kHeaderMax);
        length(kind + ".footer", footer, 0, kFooterMax);
    }

    std::vector<FieldError> found;
    const RecalledLimits& limits;
};

// ---- files and places

using Kinds = std::initializer_list<std::string_view>;

void check_file(Faults& faults, const std::string& field, const v1::MediaContent& media,
                Kinds kinds, bool captioned) {
    if (std::ranges::find(kinds, media.kind()) == kinds.end()) {
        std::string allowed;
        for (const auto kind : kinds) allowed += (allowed.empty() ? "" : ", ") + std::string(kind);
        faults.wrong(field + ".kind", "must be one of " + allowed);
    }
    if (media.link().empty() == media.media_id().empty())
        faults.wrong(field + ".link", "exactly one of link and media_id must be given");
    else if (!media.link().empty())
        faults.link(field + ".link", media.link());
    else if (!is_media_id(media.media_id()))
        faults.wrong(field + ".media_id", "must be 64 lower-case hex digits");
    const bool has_caption = captioned && media.kind() != "audio" && media.kind() != "sticker";
    if (!has_caption && !media.caption().empty())
        faults.wrong(field + ".caption", "must be empty here");
    else
        faults.length(field + ".caption", media.caption(), 0, kCaptionMax);
    if (media.kind() != "document" && !media.filename().empty())
        faults.wrong(field + ".filename", "is for documents only");
    else
        faults.length(field + ".filename", media.filename(), 0, kFilenameMax);
}

void check_place(Faults& faults, const std::string& field, const v1::LocationContent& place,
                 bool named) {
    if (!(std::abs(place.latitude()) <= 90)) faults.wrong(field + ".latitude", "must be -90 to 90");
    if (!(std::abs(place.longitude()) <= 180))
        faults.wrong(field + ".longitude", "must be -180 to 180");
    faults.length(field + ".name", place.name(), named ? 1 : 0, kPlaceTextMax);
    faults.length(field + ".address", place.address(), named ? 1 : 0, kPlaceTextMax);
    if (place.name().empty() && !place.address().empty())
        faults.wrong(field + ".name", "must be given together with an address");
}

// ---- each kind

void check(Faults& faults, const v1::TextContent& text) {
    faults.length("text.body", text.body(), 1, kTextMax);
}

void check(Faults& faults, const v1::ButtonsContent& buttons) {
    faults.length("buttons.body", buttons.body(), 1, kInteractiveBodyMax);
    faults.header_and_footer("buttons", buttons.header(), buttons.footer());
    if (buttons.has_header_media()) {
        if (!buttons.header().empty())
            faults.wrong("buttons.header_media", "cannot be given together with a header");
        check_file(faults, "buttons.header_media", buttons.header_media(),
                   {"image", "video", "document"}, false);
    }
    faults.count("buttons.titles", buttons.titles_size(), 1, kButtonsMax, "buttons");
    for (int n = 0; n < buttons.titles_size(); ++n) {
        const auto field = at("buttons.titles", n);
        faults.length(field, buttons.titles(n), 1, kButtonTitleMax);
        for (int other = 0; other < n; ++other)
            if (buttons.titles(other) == buttons.titles(n))
                faults.wrong(field, "must differ from the other titles");
    }
}

void check(Faults& faults, const v1::ListContent& list) {
    faults.length("list.body", list.body(), 1, kInteractiveBodyMax);
    faults.header_and_footer("list", list.header(), list.footer());
    faults.length("list.button", list.button(), 1, kListLabelMax);
    faults.length("list.section_title", list.section_title(), 0, kSectionTitleMax);
    faults.count("list.rows", list.rows_size(), 1, kRowsMax, "rows");
    // The first row is in the first section, whichever of the two names it.
    int sections = 1;
    bool titled = !list.section_title().empty();
    for (int n = 0; n < list.rows_size(); ++n) {
        const auto field = at("list.rows", n);
        const auto& row = list.rows(n);
        faults.length(field + ".title", row.title(), 1, kRowTitleMax);
        faults.length(field + ".description", row.description(), 0, kRowDescriptionMax);
        faults.length(field + ".section_title", row.section_title(), 0, kSectionTitleMax);
        if (row.section_title().empty()) continue;
        if (n == 0)
            titled = true;
        else
            ++sections;
    }
    if (sections > 1 && !titled)
        faults.wrong("list.section_title", "must be given where there are several sections");
    if (sections > kSectionsMax) faults.wrong("list.rows", "must be in at most 10 sections");
}

void check(Faults& faults, const v1::MediaContent& media) {
    check_file(faults, "media", media, {"image", "document", "audio", "video", "sticker"}, true);
}

void check(Faults& faults, const v1::LocationContent& place) {
    check_place(faults, "location", place, false);
}

void check_texts(Faults& faults, const std::string& field, const Texts& texts) {
    faults.count(field, texts.size(), 0, kCardPartsMax, "values");
    for (int n = 0; n < texts.size(); ++n) faults.length(at(field, n), texts[n], 1, kCardTextMax);
}

void check(Faults& faults, const v1::ContactsContent& contacts) {
    faults.count("contacts.cards", contacts.cards_size(), 1, faults.limits.contacts_max, "cards");
    for (int n = 0; n < contacts.cards_size(); ++n) {
        const auto field = at("contacts.cards", n);
        const auto& card = contacts.cards(n);
        faults.length(field + ".formatted_name", card.formatted_name(), 1, kCardTextMax);
        for (const auto& [name, value] :
             {std::pair(".first_name", &card.first_name()),
              std::pair(".last_name", &card.last_name()),
              std::pair(".organization", &card.organization()), std::pair(".title", &card.title())})
            faults.length(field + name, *value, 0, kCardTextMax);
        faults.count(field + ".phones", card.phones_size(), 0, kCardPartsMax, "phones");
        for (int p = 0; p < card.phones_size(); ++p) {
            const auto phone = at(field + ".phones", p);
            faults.length(phone + ".phone", card.phones(p).phone(), 1, kCardTextMax);
            faults.length(phone + ".type", card.phones(p).type(), 0, kCardTextMax);
            faults.length(phone + ".provider_id", card.phones(p).provider_id(), 0, kCardTextMax);
        }
        check_texts(faults, field + ".emails", card.emails());
        check_texts(faults, field + ".urls", card.urls());
        if (!card.birthday().empty() && !is_date(card.birthday()))
            faults.wrong(field + ".birthday", "must be YYYY-MM-DD");
    }
}

void check(Faults& faults, const v1::ReactionContent& reaction) {
    faults.id("reaction.provider_message_id", reaction.provider_message_id());
    if (reaction.emoji().size() > kEmojiBytesMax ||
        reaction.emoji().find_first_of(" \t\r\n") != std::string::npos)
        faults.wrong("reaction.emoji", "must be one emoji, or empty");
}

void check(Faults& faults, const v1::LinkButtonContent& content) {
    faults.length("link_button.body", content.body(), 1, kInteractiveBodyMax);
    faults.header_and_footer("link_button", content.header(), content.footer());
    faults.length("link_button.title", content.title(), 1, faults.limits.link_title_max);
    faults.link("link_button.url", content.url());
}

void check(Faults& faults, const v1::LocationRequestContent& content) {
    faults.length("location_request.body", content.body(), 1, kInteractiveBodyMax);
}

void check(Faults& faults, const v1::ProductContent& content) {
    faults.id("product.product.catalog_id", content.product().catalog_id());
    faults.id("product.product.retailer_id", content.product().retailer_id());
    faults.length("product.body", content.body(), 0, kInteractiveBodyMax);
    faults.length("product.footer", content.footer(), 0, kFooterMax);
}

void check(Faults& faults, const v1::ProductListContent& content) {
    faults.length("product_list.header", content.header(), 1, kHeaderMax);
    faults.length("product_list.body", content.body(), 1, kInteractiveBodyMax);
    faults.length("product_list.footer", content.footer(), 0, kFooterMax);
    faults.id("product_list.catalog_id", content.catalog_id());
    faults.count("product_list.sections", content.sections_size(), 1, kSectionsMax, "sections");
    int products = 0;
    for (int n = 0; n < content.sections_size(); ++n) {
        const auto field = at("product_list.sections", n);
        const auto& section = content.sections(n);
        faults.length(field + ".title", section.title(), content.sections_size() > 1 ? 1 : 0,
                      kSectionTitleMax);
        if (section.retailer_ids().empty())
            faults.wrong(field + ".retailer_ids", "must be at least one product");
        for (int p = 0; p < section.retailer_ids_size(); ++p)
            faults.id(at(field + ".retailer_ids", p), section.retailer_ids(p));
        products += section.retailer_ids_size();
    }
    if (products > kProductsMax)
        faults.wrong("product_list.sections", "must hold at most 30 products in all");
}

void check(Faults& faults, const v1::CatalogContent& content) {
    faults.length("catalog.body", content.body(), 1, kInteractiveBodyMax);
    faults.length("catalog.footer", content.footer(), 0, kFooterMax);
    faults.length("catalog.thumbnail_product", content.thumbnail_product(), 0, kIdMax);
}

void check_start(Faults& faults, const std::string& field, const v1::FormStart& start) {
    faults.length(field + ".token", start.token(), 0, kIdMax);
    faults.length(field + ".screen", start.screen(), 0, kIdMax);
    if (start.data_json().empty()) return;
    if (start.data_json().size() > kFormDataBytesMax)
        faults.wrong(field + ".data_json", "must have at most 16384 bytes");
    else if (!is_filled_object(start.data_json()))
        faults.wrong(field + ".data_json", "must be a JSON object that is not empty");
}

void check(Faults& faults, const v1::FormContent& content) {
    faults.length("form.body", content.body(), 1, kInteractiveBodyMax);
    faults.header_and_footer("form", content.header(), content.footer());
    faults.id("form.form_id", content.form_id());
    faults.length("form.button", content.button(), 1, faults.limits.form_button_max);
    check_start(faults, "form.start", content.start());
    if (content.start().screen().empty() && !content.start().data_json().empty())
        faults.wrong("form.start.screen", "must be given together with data_json");
}

// ---- templates

void check_parameter(Faults& faults, const std::string& field, const std::string& value) {
    faults.length(field, value, 1, kTemplateParameterMax);
    if (text::one_line(value) != value)
        faults.wrong(field,
                     "must be one line of visible text, without tabs, runs of blanks, or blanks "
                     "at its ends");
}

void check_parameters(Faults& faults, const std::string& field, const Texts& parameters) {
    faults.count(field, parameters.size(), 0, kTemplateParametersMax, "values");
    for (int n = 0; n < parameters.size(); ++n)
        check_parameter(faults, at(field, n), parameters[n]);
}

void check_named(Faults& faults, const std::string& field, const v1::NamedParameter& parameter) {
    const auto& name = parameter.name();
    faults.length(field + ".name", name, 1, kTemplateNameMax);
    if (!std::ranges::all_of(name, [](char c) { return is_lower_or_digit(c) || c == '_'; }))
        faults.wrong(field + ".name", "must be of a-z, 0-9 and _");
    check_parameter(faults, field + ".value", parameter.value());
}

void check_buttons(Faults& faults, const std::string& field,
                   const google::protobuf::RepeatedPtrField<v1::FilledButton>& buttons, int max) {
    const auto& limits = faults.limits;
    faults.count(field, buttons.size(), 0, max, "buttons");
    std::set<int> places;
    for (int n = 0; n < buttons.size(); ++n) {
        const auto& button = buttons[n];
        const auto own = at(field, n);
        if (button.index() < 0 || button.index() >= max)
            faults.wrong(own + ".index", "must be 0 to " + std::to_string(max - 1));
        else if (!places.insert(button.index()).second)
            faults.wrong(own + ".index", "must differ from the other buttons'");
        switch (button.button_case()) {
            case v1::FilledButton::kQuickReplyPayload:
                faults.length(own + ".quick_reply_payload", button.quick_reply_payload(), 1,
                              limits.quick_reply_payload_max);
                break;
            case v1::FilledButton::kUrlSuffix:
                faults.length(own + ".url_suffix", button.url_suffix(), 1, limits.url_suffix_max);
                if (button.url_suffix().find_first_of(" \t\r\n") != std::string::npos)
                    faults.wrong(own + ".url_suffix", "must have no white space");
                break;
            case v1::FilledButton::kCopyCode:
                faults.length(own + ".copy_code", button.copy_code(), 1, limits.copy_code_max);
                break;
            case v1::FilledButton::kForm:
                check_start(faults, own + ".form", button.form());
                if (!button.form().screen().empty())
                    faults.wrong(own + ".form.screen", "must be empty: the template names it");
                break;
            case v1::FilledButton::kCatalogThumbnailProduct:
                faults.length(own + ".catalog_thumbnail_product",
                              button.catalog_thumbnail_product(), 0, kIdMax);
                break;
            case v1::FilledButton::BUTTON_NOT_SET:
                faults.wrong(own, "must say what its variable part gets");
                break;
        }
    }
}

void check_header(Faults& faults, const v1::TemplateHeader& header) {
    const std::string field = "template.header";
    switch (header.header_case()) {
        case v1::TemplateHeader::kText:
            check_parameter(faults, field + ".text", header.text());
            faults.length(field + ".text", header.text(), 1, kHeaderMax);
            break;
        case v1::TemplateHeader::kNamedText:
            check_named(faults, field + ".named_text", header.named_text());
            break;
        case v1::TemplateHeader::kMedia:
            check_file(faults, field + ".media", header.media(), {"image", "video", "document"},
                       false);
            break;
        case v1::TemplateHeader::kLocation:
            check_place(faults, field + ".location", header.location(), true);
            break;
        case v1::TemplateHeader::HEADER_NOT_SET:
            break;
    }
}

void check_cards(Faults& faults, const v1::TemplateContent& content) {
    const auto& limits = faults.limits;
    if (content.cards_size() == 0) return;
    faults.count("template.cards", content.cards_size(), limits.carousel_cards_min,
                 limits.carousel_cards_max, "cards");
    for (int n = 0; n < content.cards_size(); ++n) {
        const auto field = at("template.cards", n);
        const auto& card = content.cards(n);
        if (card.has_header_media() == card.has_header_product())
            faults.wrong(field + ".header_media",
                         "exactly one of header_media and header_product must be given");
        if (card.has_header_media())
            check_file(faults, field + ".header_media", card.header_media(), {"image", "video"},
                       false);
        if (card.has_header_product()) {
            faults.id(field + ".header_product.catalog_id", card.header_product().catalog_id());
            faults.id(field + ".header_product.retailer_id", card.header_product().retailer_id());
        }
        check_parameters(faults, field + ".body_parameters", card.body_parameters());
        check_buttons(faults, field + ".buttons", card.buttons(), limits.card_buttons_max);
    }
}

void check(Faults& faults, const v1::TemplateContent& content) {
    const auto& name = content.name();
    faults.length("template.name", name, 1, kTemplateNameMax);
    if (!std::ranges::all_of(name, [](char c) { return is_lower_or_digit(c) || c == '_'; }))
        faults.wrong("template.name", "must be of a-z, 0-9 and _");
    faults.length("template.language_code", content.language_code(), kLanguageCodeMin,
                  kLanguageCodeMax);
    check_header(faults, content.header());
    check_parameters(faults, "template.body_parameters", content.body_parameters());
    const auto& named = content.named_body_parameters();
    if (!named.empty() && content.body_parameters_size() > 0)
        faults.wrong("template.named_body_parameters",
                     "cannot be given together with body_parameters");
    faults.count("template.named_body_parameters", named.size(), 0, kTemplateParametersMax,
                 "values");
    std::set<std::string> names;
    for (int n = 0; n < named.size(); ++n) {
        const auto field = at("template.named_body_parameters", n);
        check_named(faults, field, named[n]);
        if (!names.insert(named[n].name()).second)
            faults.wrong(field + ".name", "must differ from the other names");
    }
    check_buttons(faults, "template.buttons", content.buttons(),
                  faults.limits.template_buttons_max);
    check_cards(faults, content);
}

}  // namespace

std::vector<FieldError> faults_of(const v1::MessageContent& content, const RecalledLimits& limits) {
    Faults faults(limits);
    switch (content.content_case()) {
        case v1::MessageContent::kText:
            check(faults, content.text());
            break;
        case v1::MessageContent::kButtons:
            check(faults, content.buttons());
            break;
        case v1::MessageContent::kList:
            check(faults, content.list());
            break;
        case v1::MessageContent::kTemplate:
            check(faults, content.template_());
            break;
        case v1::MessageContent::kMedia:
            check(faults, content.media());
            break;
        case v1::MessageContent::kLocation:
            check(faults, content.location());
            break;
        case v1::MessageContent::kContacts:
            check(faults, content.contacts());
            break;
        case v1::MessageContent::kReaction:
            check(faults, content.reaction());
            break;
        case v1::MessageContent::kLinkButton:
            check(faults, content.link_button());
            break;
        case v1::MessageContent::kLocationRequest:
            check(faults, content.location_request());
            break;
        case v1::MessageContent::kProduct:
            check(faults, content.product());
            break;
        case v1::MessageContent::kProductList:
            check(faults, content.product_list());
            break;
        case v1::MessageContent::kCatalog:
            check(faults, content.catalog());
            break;
        case v1::MessageContent::kForm:
            check(faults, content.form());
            break;
        case v1::MessageContent::CONTENT_NOT_SET:
            faults.wrong("",
                         "must be one of text, buttons, list, template, media, location, "
                         "contacts, reaction, link_button, location_request, product, "
                         "product_list, catalog, form");
            break;
    }
    faults.length("reply_to", content.reply_to(), 0, kIdMax);
    if (content.has_reaction() && !content.reply_to().empty())
        faults.wrong("reply_to", "must be empty: a reaction names its message itself");
    return std::move(faults.found);
}

}  // namespace flowstack::gateway::meta
