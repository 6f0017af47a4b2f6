#include <algorithm>
#include <set>

#include "flowstack/common/v1/message_content.pb.h"
#include "services/gateway/templates/template_book.h"

namespace flowstack::gateway {
namespace {

namespace cv1 = flowstack::common::v1;

// Each variable once, in the order in which they stand.
std::vector<std::string> distinct_variables(std::string_view text) {
    std::vector<std::string> distinct;
    for (auto& variable : variables_of(text))
        if (std::ranges::find(distinct, variable) == distinct.end())
            distinct.push_back(std::move(variable));
    return distinct;
}

class Misfits {
public:
    void wrong(const std::string& field, std::string why) {
        found.push_back({"content.template." + field, std::move(why)});
    }

    void body(const cv1::TemplateContent& content, const TemplateParts& parts) {
        const auto variables = distinct_variables(parts.body);
        const auto count = std::to_string(variables.size());
        if (!variables.empty() && !is_numbered(variables.front())) {
            if (content.body_parameters_size() > 0)
                wrong("body_parameters", "must be empty: the template's variables have names");
            std::set<std::string> missing(variables.begin(), variables.end());
            const auto& named = content.named_body_parameters();
            for (int n = 0; n < named.size(); ++n)
                if (missing.erase(named[n].name()) == 0)
                    wrong("named_body_parameters[" + std::to_string(n) + "].name",
                          "must be a variable of the template: it has no " + named[n].name());
            for (const auto& name : missing)
                wrong("named_body_parameters", "must have a value for " + name);
            return;
        }
        if (content.named_body_parameters_size() > 0)
            wrong("named_body_parameters", "must be empty: the template's variables have numbers");
        if (content.body_parameters_size() != static_cast<int>(variables.size()))
            wrong("body_parameters", "must have " + count + " values, as the template has");
    }

    void header(const cv1::TemplateContent& content, const TemplateParts& parts) {
        const auto& format = parts.header.format;
        const auto& given = content.header();
        if (format.empty() || format == "text") {
            const auto variables = distinct_variables(parts.header.text);
            if (variables.empty()) {
                if (given.header_case() != cv1::TemplateHeader::HEADER_NOT_SET)
                    wrong("header", "must be unset: the template's header has no variable part");
            } else if (is_numbered(variables.front())) {
                if (!given.has_text()) wrong("header.text", "must have the value of {{1}}");
            } else if (!given.has_named_text() || given.named_text().name() != variables.front()) {
                wrong("header.named_text", "must have the value of " + variables.front());
            }
        } else if (format == "image" || format == "video" || format == "document") {
            if (!given.has_media() || given.media().kind() != format)
                wrong("header.media", "must be of the kind " + format + ", as the template has");
        } else if (format == "location") {
            if (!given.has_location()) wrong("header.location", "must be given");
        }
    }

    void buttons(const cv1::TemplateContent& content, const TemplateParts& parts) {
        std::set<int> filled;
        for (int n = 0; n < content.buttons_size(); ++n) {
            const auto& button = content.buttons(n);
            const auto own = "buttons[" + std::to_string(n) + "]";
            if (button.index() < 0 || button.index() >= static_cast<int>(parts.buttons.size())) {
                wrong(own + ".index", "must be a button of the template, which has " +
                                          std::to_string(parts.buttons.size()));
                continue;
            }
            const auto& part = parts.buttons[static_cast<std::size_t>(button.index())];
            filled.insert(button.index());
            const auto kind = kind_of(button);
            const bool known = part.kind == "quick_reply" || part.kind == "url" ||
                               part.kind == "copy_code" || part.kind == "flow" ||
                               part.kind == "catalog" || part.kind == "phone_number";
            if (known && kind != part.kind)
                wrong(own, "must be what a button of the kind " + part.kind + " takes");
            else if (kind == "url" && known && variables_of(part.url).empty())
                wrong(own + ".url_suffix", "must be unset: the button's address has no variable");
        }
        for (std::size_t n = 0; n < parts.buttons.size(); ++n) {
            const auto& part = parts.buttons[n];
            const bool needed =
                part.kind == "copy_code" || (part.kind == "url" && !variables_of(part.url).empty());
            if (needed && !filled.contains(static_cast<int>(n)))
                wrong("buttons", "must fill button " + std::to_string(n) +
                                     (part.kind == "url" ? ": its address ends with a variable"
                                                         : ": its code"));
        }
    }

    void cards(const cv1::TemplateContent& content, const TemplateParts& parts) {
        if (content.cards_size() != parts.cards)
            wrong("cards", "must be " + std::to_string(parts.cards) + ", as the template has");
    }

    std::vector<FieldError> found;

private:
    static std::string kind_of(const cv1::FilledButton& button) {
        switch (button.button_case()) {
            case cv1::FilledButton::kQuickReplyPayload:
                return "quick_reply";
            case cv1::FilledButton::kUrlSuffix:
                return "url";
            case cv1::FilledButton::kCopyCode:
                return "copy_code";
            case cv1::FilledButton::kForm:
                return "flow";
            case cv1::FilledButton::kCatalogThumbnailProduct:
                return "catalog";
            case cv1::FilledButton::BUTTON_NOT_SET:
                break;
        }
        return "";
    }
};

}  // namespace

std::vector<FieldError> template_misfits(const cv1::TemplateContent& content,
                                         const TemplateParts& parts) {
    Misfits misfits;
    misfits.body(content, parts);
    misfits.header(content, parts);
    misfits.buttons(content, parts);
    misfits.cards(content, parts);
    return std::move(misfits.found);
}

}  // namespace flowstack::gateway
