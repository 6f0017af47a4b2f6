#include "services/gateway/adapters/content.h"

#include "common/text/fold.h"

namespace flowstack::gateway {

namespace {

void make_plain(std::string& parameter) { parameter = text::one_line(parameter); }
void make_plain(common::v1::NamedParameter& parameter) { make_plain(*parameter.mutable_value()); }

template <class Parameters>
void make_all_plain(Parameters& parameters) {
    for (auto& parameter : parameters) make_plain(parameter);
}

}  // namespace

common::v1::MessageContent with_plain_parameters(common::v1::MessageContent content) {
    if (!content.has_template_()) return content;
    auto& filled = *content.mutable_template_();
    make_all_plain(*filled.mutable_body_parameters());
    make_all_plain(*filled.mutable_named_body_parameters());
    for (auto& card : *filled.mutable_cards()) make_all_plain(*card.mutable_body_parameters());
    if (filled.header().has_text()) make_plain(*filled.mutable_header()->mutable_text());
    if (filled.header().has_named_text())
        make_plain(*filled.mutable_header()->mutable_named_text());
    return content;
}

std::string type_of(const common::v1::MessageContent& content) {
    using Content = common::v1::MessageContent;
    switch (content.content_case()) {
        case Content::kText:
            return "text";
        case Content::kButtons:
            return "interactive_button";
        case Content::kList:
            return "interactive_list";
        case Content::kTemplate:
            return "template";
        case Content::kMedia:
            return "media";
        case Content::kLocation:
            return "location";
        case Content::kContacts:
            return "contacts";
        case Content::kReaction:
            return "reaction";
        case Content::kLinkButton:
            return "link_button";
        case Content::kLocationRequest:
            return "location_request";
        case Content::kProduct:
            return "product";
        case Content::kProductList:
            return "product_list";
        case Content::kCatalog:
            return "catalog";
        case Content::kForm:
            return "form";
        case Content::CONTENT_NOT_SET:
            return "";
    }
    return "";
}

std::string words_of(const common::v1::MessageContent& content) {
    using Content = common::v1::MessageContent;
    switch (content.content_case()) {
        case Content::kText:
            return content.text().body();
        case Content::kButtons:
            return content.buttons().body();
        case Content::kList:
            return content.list().body();
        case Content::kTemplate:
            return content.template_().name();
        case Content::kMedia:
            return content.media().caption();
        case Content::kLocation:
            return content.location().name();
        case Content::kContacts: {
            std::string names;
            for (const auto& card : content.contacts().cards())
                names += (names.empty() ? "" : ", ") + card.formatted_name();
            return names;
        }
        case Content::kReaction:
            return content.reaction().emoji();
        case Content::kLinkButton:
            return content.link_button().body();
        case Content::kLocationRequest:
            return content.location_request().body();
        case Content::kProduct:
            return content.product().body();
        case Content::kProductList:
            return content.product_list().body();
        case Content::kCatalog:
            return content.catalog().body();
        case Content::kForm:
            return content.form().body();
        case Content::CONTENT_NOT_SET:
            return "";
    }
    return "";
}

}  // namespace flowstack::gateway
