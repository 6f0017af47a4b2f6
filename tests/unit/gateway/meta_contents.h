#pragma once

#include <string>
#include <vector>

#include "flowstack/common/v1/message_content.pb.h"

// One content of every kind that the Cloud API carries, none of them with a fault.
namespace flowstack::gateway::meta {

using common::v1::MessageContent;

inline const std::string kMediaId(64, 'a');

inline MessageContent text_content(std::string body = "Hello") {
    MessageContent content;
    content.mutable_text()->set_body(std::move(body));
    return content;
}

inline MessageContent buttons_content() {
    MessageContent content;
    content.mutable_buttons()->set_body("How can we help?");
    content.mutable_buttons()->add_titles("M-Pesa");
    content.mutable_buttons()->add_titles("Card");
    return content;
}

inline MessageContent list_content(int rows = 2) {
    MessageContent content;
    auto& list = *content.mutable_list();
    list.set_body("Choose");
    list.set_button("View Products");
    for (int n = 0; n < rows; ++n) {
        auto& row = *list.add_rows();
        row.set_title("Row " + std::to_string(n));
        row.set_description("KES 1500");
    }
    return content;
}

inline MessageContent media_content(const std::string& kind) {
    MessageContent content;
    content.mutable_media()->set_kind(kind);
    content.mutable_media()->set_link("https://shop.example/file");
    return content;
}

inline MessageContent location_content() {
    MessageContent content;
    auto& place = *content.mutable_location();
    place.set_latitude(-1.286389);
    place.set_longitude(36.817223);
    place.set_name("Duka la Asha");
    place.set_address("Moi Avenue");
    return content;
}

inline MessageContent contacts_content() {
    MessageContent content;
    auto& card = *content.mutable_contacts()->add_cards();
    card.set_formatted_name("Asha Mwangi");
    card.set_organization("Duka");
    auto& phone = *card.add_phones();
    phone.set_phone("+254 712 345678");
    phone.set_type("CELL");
    phone.set_provider_id("254712345678");
    card.add_emails("asha@duka.example");
    card.add_urls("https://duka.example");
    card.set_birthday("1990-01-31");
    return content;
}

inline MessageContent reaction_content(std::string emoji = "👍") {
    MessageContent content;
    content.mutable_reaction()->set_provider_message_id("wamid.A");
    content.mutable_reaction()->set_emoji(std::move(emoji));
    return content;
}

inline MessageContent link_button_content() {
    MessageContent content;
    auto& button = *content.mutable_link_button();
    button.set_body("Your invoice is ready");
    button.set_title("Open");
    button.set_url("https://duka.example/invoices/7");
    return content;
}

inline MessageContent location_request_content() {
    MessageContent content;
    content.mutable_location_request()->set_body("Where do we deliver?");
    return content;
}

inline MessageContent product_content() {
    MessageContent content;
    content.mutable_product()->mutable_product()->set_catalog_id("194836987003835");
    content.mutable_product()->mutable_product()->set_retailer_id("coffee");
    return content;
}

inline MessageContent product_list_content(int sections = 1, int products = 2) {
    MessageContent content;
    auto& list = *content.mutable_product_list();
    list.set_header("Our coffee");
    list.set_body("Choose");
    list.set_catalog_id("194836987003835");
    for (int s = 0; s < sections; ++s) {
        auto& section = *list.add_sections();
        if (sections > 1) section.set_title("Section " + std::to_string(s));
        for (int p = 0; p < products; ++p)
            section.add_retailer_ids("p" + std::to_string(s) + "-" + std::to_string(p));
    }
    return content;
}

inline MessageContent catalog_content() {
    MessageContent content;
    content.mutable_catalog()->set_body("All that we sell");
    content.mutable_catalog()->set_thumbnail_product("coffee");
    return content;
}

inline MessageContent form_content() {
    MessageContent content;
    auto& form = *content.mutable_form();
    form.set_body("Book a table");
    form.set_form_id("1122334455");
    form.set_button("Book");
    form.mutable_start()->set_screen("DATES");
    form.mutable_start()->set_data_json(R"({"city":"Nairobi"})");
    return content;
}

inline MessageContent template_content() {
    MessageContent content;
    auto& filled = *content.mutable_template_();
    filled.set_name("order_update");
    filled.set_language_code("en_US");
    filled.add_body_parameters("Asha");
    return content;
}

// A template with all that a template can have but cards.
inline MessageContent full_template_content() {
    auto content = template_content();
    auto& filled = *content.mutable_template_();
    filled.mutable_header()->mutable_media()->set_kind("document");
    filled.mutable_header()->mutable_media()->set_link("https://duka.example/invoice.pdf");
    filled.mutable_header()->mutable_media()->set_filename("invoice.pdf");
    filled.add_buttons()->set_quick_reply_payload("again");
    auto& link = *filled.add_buttons();
    link.set_index(1);
    link.set_url_suffix("9rwnB8RbYmPF5t2Mn09x4h");
    auto& coupon = *filled.add_buttons();
    coupon.set_index(2);
    coupon.set_copy_code("SAVE20");
    auto& form = *filled.add_buttons();
    form.set_index(3);
    form.mutable_form()->set_data_json(R"({"order":"7"})");
    auto& catalog = *filled.add_buttons();
    catalog.set_index(4);
    catalog.set_catalog_thumbnail_product("coffee");
    return content;
}

inline MessageContent named_template_content() {
    MessageContent content;
    auto& filled = *content.mutable_template_();
    filled.set_name("greeting");
    filled.set_language_code("sw");
    auto& header = *filled.mutable_header()->mutable_named_text();
    header.set_name("shop");
    header.set_value("Duka");
    auto& first = *filled.add_named_body_parameters();
    first.set_name("first_name");
    first.set_value("Asha");
    return content;
}

inline MessageContent location_template_content() {
    auto content = template_content();
    auto& place = *content.mutable_template_()->mutable_header()->mutable_location();
    place.set_latitude(-1.28);
    place.set_longitude(36.81);
    place.set_name("Duka");
    place.set_address("Moi Avenue");
    return content;
}

inline MessageContent carousel_content(int cards = 2, bool products = false) {
    auto content = template_content();
    for (int n = 0; n < cards; ++n) {
        auto& card = *content.mutable_template_()->add_cards();
        if (products) {
            card.mutable_header_product()->set_catalog_id("194836987003835");
            card.mutable_header_product()->set_retailer_id("p" + std::to_string(n));
        } else {
            card.mutable_header_media()->set_kind("image");
            card.mutable_header_media()->set_link("https://duka.example/a.jpg");
        }
        card.add_body_parameters("KES 250");
        card.add_buttons()->set_url_suffix("p" + std::to_string(n));
    }
    return content;
}

inline std::vector<MessageContent> every_content() {
    std::vector<MessageContent> all{text_content(),
                                    buttons_content(),
                                    list_content(),
                                    location_content(),
                                    contacts_content(),
                                    reaction_content(),
                                    reaction_content(""),
                                    link_button_content(),
                                    location_request_content(),
                                    product_content(),
                                    product_list_content(),
                                    product_list_content(3, 4),
                                    catalog_content(),
                                    form_content(),
                                    template_content(),
                                    carousel_content(),
                                    carousel_content(10, true),
                                    full_template_content(),
                                    named_template_content(),
                                    location_template_content()};
    for (const auto* kind : {"image", "document", "audio", "video", "sticker"})
        all.push_back(media_content(kind));
    auto by_id = media_content("image");
    by_id.mutable_media()->clear_link();
    by_id.mutable_media()->set_media_id(kMediaId);
    all.push_back(by_id);
    auto header = buttons_content();
    *header.mutable_buttons()->mutable_header_media() = by_id.media();
    header.mutable_buttons()->set_footer("Duka");
    all.push_back(header);
    auto sections = list_content(4);
    sections.mutable_list()->set_section_title("Hot");
    sections.mutable_list()->mutable_rows(2)->set_section_title("Cold");
    sections.mutable_list()->set_header("Menu");
    sections.mutable_list()->set_footer("Duka");
    all.push_back(sections);
    auto exchange = form_content();
    exchange.mutable_form()->clear_start();
    all.push_back(exchange);
    auto reply = text_content("Yes");
    reply.set_reply_to("wamid.B");
    reply.mutable_text()->set_preview_link(true);
    all.push_back(reply);
    return all;
}

}  // namespace flowstack::gateway::meta
