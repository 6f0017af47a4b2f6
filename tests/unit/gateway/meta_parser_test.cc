#include "services/gateway/providers/meta/meta_parser.h"

#include <gtest/gtest.h>

#include "tests/unit/gateway/meta_vectors.h"

namespace flowstack::gateway {
namespace {

using Kind = WebhookElement::Kind;
using Shape = ParsedWebhook::Shape;

std::string webhook(const std::string& lists, const std::string& field = "messages") {
    return R"({"object":"whatsapp_business_account","entry":[{"id":"W1","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"P1"},)" +
           lists + R"(},"field":")" + field + R"("}]}]})";
}
// The parsed elements hold views into the body, so tests keep it.
WebhookElement only(const std::string& body) {
    auto parsed = parse_meta_webhook(body);
    EXPECT_EQ(parsed.shape, Shape::well_formed);
    EXPECT_EQ(parsed.elements.size(), 1U);
    return parsed.elements.empty() ? WebhookElement{} : parsed.elements[0];
}
WebhookElement message(const std::string& json) {
    static std::string body;
    body = webhook(R"("messages":[)" + json + "]");
    return only(body);
}

TEST(MetaParser, ReadsATextWithItsSender) {
    const auto parsed = parse_meta_webhook(vectors::kBody1);
    ASSERT_EQ(parsed.elements.size(), 1U);
    const auto& element = parsed.elements[0];
    EXPECT_EQ(element.kind, Kind::message);
    EXPECT_EQ(element.path, "0.0.0");
    EXPECT_EQ(element.channel_external_id, "106540352242922");
    EXPECT_EQ(element.inbound, InboundKind::text);
    EXPECT_EQ(element.provider_type, "text");
    EXPECT_EQ(element.text, "Does it come in another color?");
    EXPECT_EQ(element.phone, "+16505551234");
    EXPECT_EQ(element.profile_name, "Sheena Nelson");
    EXPECT_EQ(element.provider_time, from_unix_seconds(1749416383));
    EXPECT_TRUE(element.json.starts_with(R"({"from":"16505551234","id":"wamid.HBg)"));
    EXPECT_TRUE(element.json.ends_with("}}"));
}

TEST(MetaParser, KeepsAnElementsBytesAndDecodesItsText) {
    const auto parsed = parse_meta_webhook(vectors::kBody2);
    ASSERT_EQ(parsed.elements.size(), 1U);
    EXPECT_EQ(parsed.elements[0].text, "Asante sana \xF0\x9F\x99\x8F bei ni 1/2?");
    EXPECT_EQ(parsed.elements[0].profile_name, "Am\xC3\xADna");
    EXPECT_NE(parsed.elements[0].json.find("\\ud83d\\ude4f"), std::string_view::npos);
}

TEST(MetaParser, ReadsAFailedStatusWithOurCallbackData) {
    const auto parsed = parse_meta_webhook(vectors::kBody3);
    ASSERT_EQ(parsed.elements.size(), 1U);
    const auto& status = parsed.elements[0];
    EXPECT_EQ(status.kind, Kind::status);
    EXPECT_EQ(status.value, "failed");
    EXPECT_EQ(status.error.code, "131047");
    EXPECT_EQ(status.error.error_class, ErrorClass::window_closed);
    EXPECT_TRUE(status.error.details.starts_with("Message failed to send because more than 24"));
    EXPECT_EQ(status.error.title, "Re-engagement message");
    EXPECT_EQ(status.callback_data, "out-42");
}

TEST(MetaParser, ReadsWhatAMessageCostsAndNothingOfWhatIsFree) {
    const auto price = [](const std::string& pricing) {
        const auto body =
            R"({"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":)"
            R"({"messaging_product":"whatsapp","metadata":{"phone_number_id":"P1"},"statuses":[)"
            R"({"id":"wamid.1","status":"delivered","timestamp":"1","recipient_id":"254712345678")" +
            pricing + "}]}}]}]}";
        const auto parsed = parse_meta_webhook(body);
        return parsed.elements.at(0).price;
    };
    EXPECT_EQ(
        price(
            R"(,"pricing":{"billable":true,"pricing_model":"PMP","type":"regular","category":"utility"})"),
        (MessagePrice{"utility", "regular", "PMP", "254"}));
    for (const auto* free :
         {"", R"(,"pricing":null)", R"(,"pricing":[])", R"(,"pricing":{"category":"service"})",
          R"(,"pricing":{"billable":false,"category":"service","type":"free_customer_service"})",
          R"(,"pricing":{"billable":"true","category":"utility"})"})
        EXPECT_EQ(price(free), MessagePrice{}) << free;
}

TEST(MetaParser, EveryElementOfABatchIsItsOwn) {
    const auto parsed = parse_meta_webhook(vectors::kBody4);
    ASSERT_EQ(parsed.elements.size(), 3U);
    EXPECT_EQ(parsed.elements[1].path, "0.0.1");
    EXPECT_EQ(parsed.elements[1].inbound, InboundKind::button);
    EXPECT_EQ(parsed.elements[1].provider_type, "button_reply");
    EXPECT_EQ(parsed.elements[1].tap_id, "btn_pay");
    EXPECT_EQ(parsed.elements[1].text, "Pay");
    EXPECT_EQ(parsed.elements[1].context_provider_message_id, "wamid.TEST0003");
    EXPECT_EQ(parsed.elements[2].path, "1.0.0");
    EXPECT_EQ(parsed.elements[2].kind, Kind::status);
    EXPECT_EQ(parsed.elements[2].channel_external_id, "106540352249999");
}

// One message of this type, with `rest` as its other members.
WebhookElement typed(const std::string& rest) {
    return message(R"({"from":"16505551234","id":"wamid.A","timestamp":"1749416383",)" + rest +
                   "}");
}

TEST(MetaParser, ReadsEveryTypeOfTheSheet) {
    EXPECT_EQ(typed(R"("type":"image","image":{"caption":"Taj Mahal","id":"1"})").inbound,
              InboundKind::media);
    EXPECT_EQ(typed(R"("image":{"caption":"Taj Mahal","id":"1"},"type":"image")").text,
              "Taj Mahal");
    for (const auto* type : {"image", "document", "audio", "video", "sticker"})
        EXPECT_EQ(typed(R"("type":")" + std::string(type) + R"(")").inbound, InboundKind::media)
            << type;
    const auto reaction =
        typed(R"("type":"reaction","reaction":{"message_id":"wamid.T","emoji":""})");
    EXPECT_EQ(reaction.inbound, InboundKind::reaction);
    EXPECT_EQ(reaction.subject_provider_message_id, "wamid.T");
    const auto list = typed(
        R"("type":"interactive","interactive":{"type":"list_reply","list_reply":{"id":"m1:2","title":"Coffee","description":"KES 1500"}})");
    EXPECT_EQ(list.inbound, InboundKind::list_row);
    EXPECT_EQ(list.provider_type, "list_reply");
    EXPECT_EQ(list.tap_id, "m1:2");
    EXPECT_EQ(list.text, "Coffee");
    const auto button = typed(R"("type":"button","button":{"payload":"p","text":"Unsubscribe"})");
    EXPECT_EQ(button.inbound, InboundKind::button);
    EXPECT_EQ(button.tap_id, "p");
    EXPECT_EQ(typed(R"("type":"order","order":{"product_items":[{"item_price":30.5}]})").inbound,
              InboundKind::order);
    EXPECT_EQ(typed(R"("type":"contacts","contacts":[{"name":{}}])").inbound,
              InboundKind::contacts);
}

TEST(MetaParser, ReadsAPinWithAndWithoutAName) {
    const auto named = typed(
        R"("type":"location","location":{"address":"Kenyatta Ave","latitude":-1.2864,"longitude":36.8172,"name":"Philz"})");
    EXPECT_EQ(named.inbound, InboundKind::location);
    EXPECT_EQ(named.location, (Location{.latitude = -1.2864,
                                        .longitude = 36.8172,
                                        .name = "Philz",
                                        .address = "Kenyatta Ave"}));
    const auto bare = typed(R"("type":"location","location":{"latitude":-1,"longitude":36.5})");
    EXPECT_EQ(bare.location,
              (Location{.latitude = -1, .longitude = 36.5, .name = "", .address = ""}));
    EXPECT_EQ(bare.text, "");
}

TEST(MetaParser, AnEditSaysTheNewTextAndWhichMessageItChanges) {
    const auto edit = typed(
        R"("type":"edit","edit":{"original_message_id":"wamid.O","message":{"type":"text","text":{"body":"3"}}})");
    EXPECT_EQ(edit.inbound, InboundKind::edit);
    EXPECT_EQ(edit.subject_provider_message_id, "wamid.O");
    EXPECT_EQ(edit.text, "3");
    const auto caption = typed(
        R"("type":"edit","edit":{"original_message_id":"wamid.O","message":{"type":"image","image":{"caption":"front"}}})");
    EXPECT_EQ(caption.text, "front");
    const auto revoke = typed(R"("type":"revoke","revoke":{"original_message_id":"wamid.O"})");
    EXPECT_EQ(revoke.inbound, InboundKind::revoke);
    EXPECT_EQ(revoke.subject_provider_message_id, "wamid.O");
}

TEST(MetaParser, WhatItCannotReadIsNoWordsButKeepsMetasType) {
    const std::pair<const char*, const char*> kTypes[] = {
        {R"("type":"interactive")", "interactive"},
        {R"("type":"interactive","interactive":{"type":"call_permission_reply"})", "interactive"},
        {R"("type":"unsupported","errors":[{"code":131051}])", "unsupported"},
        {R"("type":"unknown","errors":[{"code":131051}])", "unknown"},
        {R"("type":"ephemeral","ephemeral":{"text":{"body":"gone"}})", "ephemeral"},
        {R"("type":"hologram","hologram":{"body":"hi"})", "hologram"},
        {R"("text":{"body":"no type"})", "unsupported"},
    };
    for (const auto& [json, type] : kTypes) {
        const auto element = typed(json);
        EXPECT_EQ(element.kind, Kind::message) << json;
        EXPECT_EQ(element.inbound, InboundKind::unsupported) << json;
        EXPECT_EQ(element.provider_type, type) << json;
        EXPECT_EQ(element.text, "") << json;
    }
}

TEST(MetaParser, KnowsACustomerByBusinessScopedIdAlone) {
    const auto body = webhook(
        R"("contacts":[{"profile":{"name":"Asha","username":"asha"},"user_id":"TZ.134"}],"messages":[{"from_user_id":"TZ.134","id":"wamid.A","timestamp":"1749416383","type":"text","text":{"body":"hi"}}])");
    const auto hidden = only(body);
    EXPECT_EQ(hidden.phone, "");
    EXPECT_EQ(hidden.bsuid, "TZ.134");
    EXPECT_EQ(hidden.profile_name, "Asha");
    const auto both_body = webhook(
        R"("contacts":[{"profile":{"name":"Asha"},"wa_id":"255712345678","user_id":"TZ.134"}],"messages":[{"from":"255712345678","id":"wamid.B","timestamp":"1749416383","type":"text","text":{"body":"hi"}}])");
    const auto both = only(both_body);
    EXPECT_EQ(both.phone, "+255712345678");
    EXPECT_EQ(both.bsuid, "TZ.134");
}

TEST(MetaParser, ReadsPreferencesWithTheirIntegerTime) {
    const auto body = webhook(
        R"("user_preferences":[{"wa_id":"16505551234","detail":"x","category":"marketing_messages","value":"stop","timestamp":1731705721}])",
        "user_preferences");
    const auto preference = only(body);
    EXPECT_EQ(preference.kind, Kind::preference);
    EXPECT_EQ(preference.value, "stop");
    EXPECT_EQ(preference.provider_time, from_unix_seconds(1731705721));
}

TEST(MetaParser, KeepsWhatItDoesNotKnow) {
    const std::string account =
        R"({"object":"whatsapp_business_account","entry":[{"id":"W1","time":1,"changes":[{"field":"account_update","value":{"event":"ACCOUNT_RESTRICTION"}}]}]})";
    EXPECT_EQ(only(account).kind, Kind::notice);
    const auto strange = webhook(R"("holograms":[{"id":"1"}])", "holograms");
    EXPECT_EQ(only(strange).kind, Kind::unknown);
    EXPECT_EQ(message(R"({"id":"wamid.A","type":"text"})").kind, Kind::unknown);  // from nobody
    EXPECT_EQ(message(R"("a string")").kind, Kind::unknown);
    EXPECT_EQ(message(R"({"from":{},"id":7,"timestamp":[],"type":null})").kind, Kind::unknown);
}

TEST(MetaParser, ReadsWhatAFileIs) {
    const auto image = typed(
        R"("type":"image","image":{"caption":"Taj Mahal","mime_type":"image/jpeg","sha256":"SfInY0gGKTsJlUWbwxC1k+FAD0FZHvzwfpvO0zX0GUI=","id":"1003383421387256"})");
    ASSERT_TRUE(image.details && image.details->media);
    EXPECT_EQ(
        *image.details->media,
        (InboundMedia{.kind = MediaKind::image,
                      .provider_media_id = "1003383421387256",
                      .mime_type = "image/jpeg",
                      .sha256 = "49f227634806293b0995459bc310b593e1400f41591efcf07e9bced335f41942",
                      .filename = ""}));
    const auto media_of = [](const std::string& type, const std::string& members) {
        return *typed(R"("type":")" + type + R"(",")" + type + R"(":{)" + members + "}")
                    .details->media;
    };
    EXPECT_EQ(media_of("document", R"("filename":"a.pdf","id":"1")").filename, "a.pdf");
    EXPECT_EQ(media_of("document", R"("id":"1")").kind, MediaKind::document);
    EXPECT_EQ(media_of("audio", R"("voice":true,"id":"1")").kind, MediaKind::voice);
    EXPECT_EQ(media_of("audio", R"("voice":false,"id":"1")").kind, MediaKind::audio);
    EXPECT_EQ(media_of("video", R"("id":"1")").kind, MediaKind::video);
    EXPECT_TRUE(media_of("sticker", R"("animated":true,"id":"1")").animated);
    EXPECT_EQ(media_of("image", R"("sha256":"no hash","id":"1")").sha256, "");
    EXPECT_FALSE(typed(R"("type":"text","text":{"body":"hi"})").details);
}

TEST(MetaParser, ReadsACartWithItsPricesAsTheyAreWritten) {
    const auto order = typed(
        R"("type":"order","order":{"catalog_id":"194836987003835","text":"Before noon","product_items":[{"product_retailer_id":"di9ozbzfi4","quantity":2,"item_price":30,"currency":"USD"},{"product_retailer_id":"nqryix03ez","quantity":1,"item_price":30.10,"currency":"USD"},{"product_retailer_id":"z","quantity":"many","item_price":"7.5"}]})");
    EXPECT_EQ(order.text, "Before noon");
    ASSERT_TRUE(order.details && order.details->cart);
    EXPECT_EQ(order.details->cart->catalog_id, "194836987003835");
    EXPECT_EQ(order.details->cart->items, (std::vector<CartItem>{{"di9ozbzfi4", 2, "30", "USD"},
                                                                 {"nqryix03ez", 1, "30.10", "USD"},
                                                                 {"z", 0, "7.5", ""}}));
    EXPECT_TRUE(typed(R"("type":"order","order":{})").details->cart->items.empty());
}

TEST(MetaParser, ReadsCardsFormsAdvertisementsAndProducts) {
    const auto cards = typed(
        R"("type":"contacts","contacts":[{"name":{"first_name":"Lucía","formatted_name":"Lucía Gómez"},"org":{"company":"Google"},"phones":[{"phone":"+1 (983) 555-2319","wa_id":"19835552319"}],"emails":[{"email":"l@example.com"}]},{"name":{"formatted_name":"Juma"}}])");
    EXPECT_EQ(cards.text, "Lucía Gómez, Juma");
    EXPECT_EQ(cards.details->contact_cards.front(), (ContactCard{.formatted_name = "Lucía Gómez",
                                                                 .organization = "Google",
                                                                 .phones = {"+1 (983) 555-2319"},
                                                                 .emails = {"l@example.com"}}));
    const auto form = typed(
        R"("type":"interactive","interactive":{"type":"nfm_reply","nfm_reply":{"response_json":"{\"date\":\"2026-12-01\"}","body":"Sent","name":"flow"}})");
    EXPECT_EQ(form.inbound, InboundKind::form);
    EXPECT_EQ(*form.details->form,
              (FormAnswer{.name = "flow", .response_json = R"({"date":"2026-12-01"})"}));
    const auto ad = typed(
        R"("referral":{"source_url":"https://fb.me/3","source_id":"12","source_type":"ad","body":"Here!","headline":"Chat","media_type":"image","image_url":"https://i","ctwa_clid":"Aff","welcome_message":{"text":"Hi there!"}},"type":"text","text":{"body":"Hello"})");
    EXPECT_EQ(ad.text, "Hello");
    EXPECT_EQ(*ad.details->ad_referral, (AdReferral{.source_type = "ad",
                                                    .source_id = "12",
                                                    .source_url = "https://fb.me/3",
                                                    .headline = "Chat",
                                                    .body = "Here!",
                                                    .media_type = "image",
                                                    .media_url = "https://i",
                                                    .click_id = "Aff",
                                                    .welcome_text = "Hi there!"}));
    const auto asked = typed(
        R"("context":{"from":"15550783881","id":"wamid.P","referred_product":{"catalog_id":"19","product_retailer_id":"di9"}},"type":"text","text":{"body":"Available?"})");
    EXPECT_EQ(asked.context_provider_message_id, "wamid.P");
    EXPECT_EQ(*asked.details->asked_product, (AskedProduct{"19", "di9"}));
    EXPECT_EQ(typed(R"("context":{"forwarded":true},"type":"text","text":{"body":"x"})")
                  .details->forwarding,
              Forwarding::forwarded);
    EXPECT_EQ(typed(R"("context":{"frequently_forwarded":true},"type":"text","text":{"body":"x"})")
                  .details->forwarding,
              Forwarding::often_forwarded);
    EXPECT_EQ(typed(R"("type":"request_welcome")").inbound, InboundKind::welcome_request);
}

TEST(MetaParser, ReadsWhatTheShopWroteOnItsOwnPhone) {
    const auto body = webhook(
        R"("message_echoes":[{"from":"15550783881","to":"16505551234","id":"wamid.E","timestamp":"1749416383","type":"text","text":{"body":"I will look myself"}}])",
        "smb_message_echoes");
    const auto echo = only(body);
    EXPECT_EQ(echo.kind, Kind::echo);
    EXPECT_EQ(echo.phone, "+16505551234");
    EXPECT_EQ(echo.text, "I will look myself");
    EXPECT_EQ(echo.inbound, InboundKind::text);
    EXPECT_EQ(echo.provider_message_id, "wamid.E");
    const auto to_nobody =
        webhook(R"("message_echoes":[{"from":"15550783881","id":"wamid.E","type":"text"}])",
                "smb_message_echoes");
    EXPECT_EQ(only(to_nobody).kind, Kind::unknown);
}

TEST(MetaParser, ACallBeginsLikeAMessageAndGoesOnAsNews) {
    const auto called = webhook(
        R"("calls":[{"id":"wacid.1","from":"16505551234","to":"15550783881","event":"connect","timestamp":"1749416383","direction":"USER_INITIATED"}])",
        "calls");
    const auto call = only(called);
    EXPECT_EQ(call.kind, Kind::message);
    EXPECT_EQ(call.inbound, InboundKind::call);
    EXPECT_EQ(call.provider_message_id, "wacid.1");
    EXPECT_EQ(call.phone, "+16505551234");
    for (const auto* rest :
         {R"("event":"terminate","direction":"USER_INITIATED","status":"COMPLETED")",
          R"("event":"connect","direction":"BUSINESS_INITIATED")"}) {
        const auto body =
            webhook(R"("calls":[{"id":"wacid.1","from":"16505551234",)" + std::string(rest) + "}]",
                    "calls");
        const auto news = only(body);
        EXPECT_EQ(news.kind, Kind::notice) << rest;
        EXPECT_EQ(news.notice->kind, NoticeKind::call);
    }
}

// One change of an account: no number is named.
std::string account_news(const std::string& field, const std::string& value) {
    return R"({"object":"whatsapp_business_account","entry":[{"id":"W1","time":1739321024,"changes":[{"value":)" +
           value + R"(,"field":")" + field + R"("}]}]})";
}

TEST(MetaParser, ReadsNewsOfTemplatesNumbersAndAccounts) {
    const auto notice = [](const std::string& field, const std::string& value) {
        const auto body = account_news(field, value);
        const auto element = only(body);
        EXPECT_EQ(element.kind, Kind::notice) << field;
        EXPECT_EQ(element.provider_type, field);
        EXPECT_EQ(element.business_account_id, "W1");
        EXPECT_EQ(element.provider_time, from_unix_seconds(1739321024));
        return element.notice ? *element.notice : Notice{};
    };
    auto approved = notice(
        "message_template_status_update",
        R"({"event":"APPROVED","message_template_id":1689556908129832,"message_template_name":"order_confirmation","message_template_language":"en_US","reason":"NONE","message_template_category":"UTILITY"})");
    EXPECT_EQ(approved.kind, NoticeKind::template_status);
    EXPECT_EQ(approved.event, "APPROVED");
    EXPECT_EQ(approved.reason, "");
    EXPECT_EQ(approved.about_template, (NoticeTemplate{.provider_template_id = "1689556908129832",
                                                       .name = "order_confirmation",
                                                       .language_code = "en_US",
                                                       .category = "UTILITY",
                                                       .previous_category = "",
                                                       .quality = "",
                                                       .previous_quality = "",
                                                       .status = "APPROVED"}));
    EXPECT_EQ(notice("message_template_status_update",
                     R"({"event":"REJECTED","rejection_info":{"reason":"INVALID_FORMAT"}})")
                  .reason,
              "INVALID_FORMAT");
    const auto quality = notice(
        "message_template_quality_update",
        R"({"previous_quality_score":"GREEN","new_quality_score":"YELLOW","message_template_id":806312974732579,"message_template_name":"w","message_template_language":"en_US"})");
    EXPECT_EQ(quality.kind, NoticeKind::template_quality);
    EXPECT_EQ(quality.about_template.quality, "YELLOW");
    EXPECT_EQ(quality.about_template.previous_quality, "GREEN");
    EXPECT_EQ(notice("template_category_update", R"({"new_category":"MARKETING"})")
                  .about_template.category,
              "MARKETING");
    const auto restricted = notice(
        "account_update",
        R"({"event":"ACCOUNT_RESTRICTION","restriction_info":[{"restriction_type":"RESTRICTED_BIZ_INITIATED_MESSAGING","expiration":1641330498}]})");
    EXPECT_EQ(restricted.kind, NoticeKind::account);
    EXPECT_EQ(restricted.reason, "RESTRICTED_BIZ_INITIATED_MESSAGING");
    EXPECT_EQ(notice("account_review_update", R"({"decision":"APPROVED"})").event, "APPROVED");
    const auto number = notice(
        "phone_number_quality_update",
        R"({"display_phone_number":"15550783881","event":"THROUGHPUT_UPGRADE","old_limit":"TIER_10K","current_limit":"TIER_UNLIMITED"})");
    EXPECT_EQ(number.kind, NoticeKind::number_quality);
    EXPECT_EQ(number.event, "THROUGHPUT_UPGRADE");
    EXPECT_EQ(number.about_number.messaging_limit, "TIER_UNLIMITED");
    EXPECT_EQ(
        notice(
            "phone_number_name_update",
            R"({"decision":"REJECTED","requested_verified_name":"Duka","rejection_reason":"NAME_EMPLOYEE_ISSUE"})")
            .reason,
        "NAME_EMPLOYEE_ISSUE");
    EXPECT_EQ(
        notice("business_capability_update", R"({"max_daily_conversations_per_business":2000})")
            .about_number.messaging_limit,
        "2000");
    EXPECT_EQ(notice("security", R"({"event":"PIN_CHANGED"})").kind, NoticeKind::security);
}

TEST(MetaParser, KeepsNewsOfANumberWithItsNumber) {
    const auto body = webhook(R"("history":[{"threads":[]}])", "history");
    const auto history = only(body);
    EXPECT_EQ(history.kind, Kind::notice);
    EXPECT_EQ(history.notice->kind, NoticeKind::history);
    EXPECT_FALSE(history.channel_external_id.empty());
    const auto contacts = webhook(R"("state_sync":[{"type":"contact"}])", "smb_app_state_sync");
    EXPECT_EQ(only(contacts).notice->kind, NoticeKind::contact_sync);
    const auto group = webhook(R"("groups":[{"group_id":"G1"}])", "group_lifecycle_update");
    EXPECT_EQ(only(group).notice->kind, NoticeKind::group);
    const auto large =
        webhook(R"("history":[")" + std::string(kElementBytesMax, 'x') + R"("])", "history");
    EXPECT_EQ(only(large).kind, Kind::oversized);
}

TEST(MetaParser, RefusesABodyThatDoesNotClose) {
    for (const std::string& body :
         {std::string(), std::string("{"), std::string("nonsense"), webhook(R"("messages":[)"),
          webhook(R"("messages":[{"id":"wamid.A}])"), std::string(vectors::kBody1) + "x",
          std::string(vectors::kBody1) + std::string(vectors::kBody1), std::string("[{]}"),
          std::string("{\"a\":\"\xFF\"}")}) {
        const auto parsed = parse_meta_webhook(body);
        EXPECT_EQ(parsed.shape, Shape::malformed_json) << body;
        EXPECT_TRUE(parsed.elements.empty());
    }
    for (const auto* body :
         {"{}", "[]", "7", R"({"entry":{}})", R"({"entry":[]})", R"({"entry":[7]})"})
        EXPECT_EQ(parse_meta_webhook(body).shape, Shape::unknown_shape) << body;
}

// A good message, something bad, and another good message.
ParsedWebhook around(const std::string& bad) {
    static std::string body;
    body = webhook(
        R"("messages":[{"from":"16505551234","id":"wamid.1","timestamp":"1749416383","type":"text","text":{"body":"one"}},)" +
        bad +
        R"(,{"from":"16505551234","id":"wamid.3","timestamp":"1749416383","type":"text","text":{"body":"three"}}])");
    return parse_meta_webhook(body);
}

TEST(MetaParser, OneBadTextCostsNoElement) {
    // What stands in the text of the second message, and what is kept of it.
    const std::pair<std::string, std::string> kTexts[] = {
        {"caf\xE9", "caf\uFFFD"},                       // Latin-1
        {"\xF0\x9F\x99 ok", "\uFFFD\uFFFD\uFFFD ok"},   // the beginning of an emoji
        {"\xED\xA0\xBD", "\uFFFD\uFFFD\uFFFD"},         // a surrogate as UTF-8
        {R"(a \ud83d b)", "a \uFFFD b"},                // the first half of a pair
        {R"(a \ude4f b)", "a \uFFFD b"},                // the second half of a pair
        {R"(\ud83d\ud83d\ude4f)", "\uFFFD\U0001F64F"},  // a half before a whole
        {R"(\u12g4)", "\uFFFD12g4"},                    // no four hex digits
        {R"(a\xb)",
         "a\uFFFD"
         "b"},  // no escape of JSON
        {std::string("a\x01") + "b",
         "a\uFFFD"
         "b"},  // a control character
    };
    for (const auto& [raw, kept] : kTexts) {
        const auto parsed = around(
            R"({"from":"16505551234","id":"wamid.2","timestamp":"1749416383","type":"text","text":{"body":")" +
            raw + R"("}})");
        EXPECT_EQ(parsed.shape, Shape::repaired) << raw;
        ASSERT_EQ(parsed.elements.size(), 3U) << raw;
        EXPECT_EQ(parsed.elements[0].text, "one");
        EXPECT_FALSE(parsed.elements[0].repaired) << raw;
        EXPECT_EQ(parsed.elements[1].kind, Kind::message) << raw;
        EXPECT_EQ(parsed.elements[1].text, kept) << raw;
        EXPECT_TRUE(parsed.elements[1].repaired) << raw;
        EXPECT_EQ(parsed.elements[2].text, "three") << raw;
        EXPECT_FALSE(parsed.elements[2].repaired) << raw;
    }
}

TEST(MetaParser, OneElementThatIsNoJsonCostsNoOther) {
    for (const std::string& bad :
         {std::string(R"({"id":nul})"), std::string(R"({"id":1e9999})"),
          std::string(R"({"id" "wamid.2"})"),
          std::string("[1 2"
                      "]"),
          std::string("tru"), std::string(R"({"id":01})"), std::string(R"({"a":1,})"),
          std::string(2000, '[') + std::string(2000, ']')}) {
        const auto parsed = around(bad);
        EXPECT_EQ(parsed.shape, Shape::repaired) << bad;
        std::vector<std::string> texts;
        bool broken = false;
        for (const auto& element : parsed.elements) {
            if (element.kind == Kind::message) texts.push_back(element.text);
            broken = broken || element.broken;
        }
        EXPECT_EQ(texts, (std::vector<std::string>{"one", "three"})) << bad;
        EXPECT_TRUE(broken) << bad;
    }
}

TEST(MetaParser, AnElementOfAnotherShapeCostsNoOther) {
    for (const auto* bad : {"7", "null", "[]", R"("text")", R"({"text":"body"})", R"({"from":7})",
                            R"({"from":"16505551234","id":"wamid.2","type":{}})"}) {
        const auto parsed = around(bad);
        EXPECT_EQ(parsed.shape, Shape::well_formed) << bad;
        ASSERT_EQ(parsed.elements.size(), 3U) << bad;
        EXPECT_EQ(parsed.elements[2].text, "three") << bad;
    }
}

TEST(MetaParser, SaysWhoTheCustomerIsFromNowOn) {
    const auto system = [](const std::string& body) {
        return typed(R"("type":"system","system":)" + body);
    };
    EXPECT_EQ(
        system(R"({"type":"user_changed_number","wa_id":"12195555358","body":"…"})").changed_phone,
        "+12195555358");
    EXPECT_EQ(system(R"({"type":"user_changed_number","new_wa_id":"12195555358"})").changed_phone,
              "+12195555358");
    // The older form beside the person's own number.
    EXPECT_EQ(
        system(
            R"({"type":"customer_changed_number","wa_id":"16505551234","new_wa_id":"12195555358"})")
            .changed_phone,
        "+12195555358");
    EXPECT_EQ(system(R"({"type":"user_changed_user_id","user_id":"US.99"})").changed_bsuid,
              "US.99");
    const auto device = system(R"({"type":"customer_identity_changed","wa_id":"16505551234"})");
    EXPECT_EQ(device.changed_phone, "");
    EXPECT_EQ(device.inbound, InboundKind::system);
}

TEST(MetaParser, SaysThatAMessageWasWrittenInAGroup) {
    EXPECT_EQ(typed(R"("group_id":"G1","type":"text","text":{"body":"hi"})").group_id, "G1");
    EXPECT_EQ(
        typed(R"("context":{"id":"wamid.T","group_id":"G1"},"type":"text","text":{"body":"hi"})")
            .group_id,
        "G1");
    EXPECT_EQ(
        typed(R"("recipient_type":"group","recipient_id":"G1","type":"text","text":{"body":"hi"})")
            .group_id,
        "G1");
    EXPECT_EQ(typed(R"("type":"text","text":{"body":"hi"})").group_id, "");
}

TEST(MetaParser, LeavesAnElementAboveItsLimitInTheRawEvent) {
    const auto body = webhook(
        R"("messages":[{"from":"16505551234","id":"wamid.A","timestamp":"1749416383","type":"text","text":{"body":")" +
        std::string(kElementBytesMax, 'x') +
        R"("}},{"from":"16505551234","id":"wamid.B","timestamp":"1749416383","type":"text","text":{"body":")" +
        std::string(kTextBytesMax - 1, 'x') + "\xC3\xA4" + R"("}}])");
    const auto parsed = parse_meta_webhook(body);
    ASSERT_EQ(parsed.elements.size(), 2U);
    EXPECT_EQ(parsed.elements[0].kind, Kind::oversized);
    EXPECT_EQ(parsed.elements[1].text.size(), kTextBytesMax - 1);  // not in the middle of a letter
}

TEST(MetaParser, ReadsAThousandUpdatesOfOneBody) {
    std::string messages;
    for (int i = 0; i < 1000; ++i) {
        if (i) messages += ',';
        messages += R"({"from":"16505551234","id":"wamid.)" + std::to_string(i) +
                    R"(","timestamp":"1749416383","type":"text","text":{"body":")" +
                    std::string(2500, 'x') + R"("}})";
    }
    const auto body = webhook(R"("messages":[)" + messages + "]");
    EXPECT_EQ(parse_meta_webhook(body).elements.size(), 1000U);
}

}  // namespace
}  // namespace flowstack::gateway
