#include <gtest/gtest.h>

#include "common/eventlog/types.h"
#include "flowstack/common/v1/message_content.pb.h"
#include "flowstack/gateway/v1/provider_template_service.pb.h"
#include "services/gateway/templates/template_book.h"

namespace flowstack::gateway {
namespace {

using Content = common::v1::TemplateContent;
using Fields = std::vector<std::string>;

constexpr Time kAt = from_unix_seconds(1'750'000'000);
const TemplateKey kOrder{.business_account_id = "W1", .name = "order", .language_code = "en"};

Fields misfits(const Content& content, const TemplateParts& parts) {
    Fields found;
    for (const auto& fault : template_misfits(content, parts)) found.push_back(fault.field);
    return found;
}

TemplateParts order() {
    TemplateParts parts;
    parts.header.format = "image";
    parts.body = "Hi {{1}}, {{2}} is ready, {{1}}.";
    TemplateButtonPart stop, see;
    stop.kind = "quick_reply";
    see.kind = "url";
    see.url = "https://duka.example/o/{{1}}";
    parts.buttons = {stop, see};
    return parts;
}
Content filled() {
    Content content;
    content.mutable_header()->mutable_media()->set_kind("image");
    content.add_body_parameters("Asha");
    content.add_body_parameters("ORD-1");
    content.add_buttons()->set_index(1);
    content.mutable_buttons(0)->set_url_suffix("42");
    return content;
}

TEST(TemplateMisfits, NoneWhereEveryVariableIsFilled) {
    EXPECT_EQ(misfits(filled(), order()), Fields{});
}

TEST(TemplateMisfits, CountsTheBodysVariables) {
    auto content = filled();
    content.add_body_parameters("more");
    EXPECT_EQ(misfits(content, order()), Fields{"content.template.body_parameters"});
    content.mutable_body_parameters()->DeleteSubrange(1, 2);
    EXPECT_EQ(misfits(content, order()), Fields{"content.template.body_parameters"});
}

TEST(TemplateMisfits, NamesTheVariablesThatHaveNames) {
    TemplateParts parts;
    parts.body = "Hi {{first_name}}, {{order}} is ready.";
    Content content;
    auto& one = *content.add_named_body_parameters();
    one.set_name("first_name");
    one.set_value("Asha");
    EXPECT_EQ(misfits(content, parts), Fields{"content.template.named_body_parameters"});
    auto& other = *content.add_named_body_parameters();
    other.set_name("oder");
    EXPECT_EQ(misfits(content, parts), (Fields{"content.template.named_body_parameters[1].name",
                                               "content.template.named_body_parameters"}));
    other.set_name("order");
    EXPECT_EQ(misfits(content, parts), Fields{});
    content.add_body_parameters("Asha");
    EXPECT_EQ(misfits(content, parts), Fields{"content.template.body_parameters"});
}

TEST(TemplateMisfits, WantsTheHeaderThatTheTemplateHas) {
    auto content = filled();
    content.clear_header();
    EXPECT_EQ(misfits(content, order()), Fields{"content.template.header.media"});
    content.mutable_header()->mutable_media()->set_kind("video");
    EXPECT_EQ(misfits(content, order()), Fields{"content.template.header.media"});
    auto place = order();
    place.header.format = "location";
    EXPECT_EQ(misfits(content, place), Fields{"content.template.header.location"});
    auto text = order();
    text.header = {.format = "text", .text = "Order {{1}}", .examples = {}, .sample_handle = ""};
    EXPECT_EQ(misfits(content, text), Fields{"content.template.header.text"});
    text.header.text = "Order";
    EXPECT_EQ(misfits(content, text), Fields{"content.template.header"});
    text.header.format = "a format of next year";
    EXPECT_EQ(misfits(content, text), Fields{}) << "the provider judges what we do not know";
}

TEST(TemplateMisfits, WantsTheEndOfALinkAndNothingForOthers) {
    auto content = filled();
    content.clear_buttons();
    EXPECT_EQ(misfits(content, order()), Fields{"content.template.buttons"});
    content = filled();
    content.mutable_buttons(0)->set_index(0);
    EXPECT_EQ(misfits(content, order()),
              (Fields{"content.template.buttons[0]", "content.template.buttons"}));
    content.mutable_buttons(0)->set_index(7);
    EXPECT_EQ(misfits(content, order()),
              (Fields{"content.template.buttons[0].index", "content.template.buttons"}));
    auto fixed = order();
    fixed.buttons[1].url = "https://duka.example";
    EXPECT_EQ(misfits(filled(), fixed), Fields{"content.template.buttons[0].url_suffix"});
    auto unknown = order();
    unknown.buttons[1].kind = "otp";
    EXPECT_EQ(misfits(filled(), unknown), Fields{});
}

// ---- stored and read again

TEST(TemplateCodec, GivesBackWhatWasStored) {
    TemplateParts parts = order();
    parts.body_examples = {{.name = "a", .value = "b"}};
    parts.cards = 2;
    parts.other_parts = {"carousel"};
    const std::vector<TemplateEvent> facts{
        TemplateRequested{.request = {.operation = TemplateOperation::edit,
                                      .key = kOrder,
                                      .channel_id = ChannelId("ch1"),
                                      .category = "UTILITY",
                                      .parts = parts,
                                      .answer_until = kAt}},
        TemplateRequestRefused{.operation = TemplateOperation::edit,
                               .key = kOrder,
                               .error = {.error_class = ErrorClass::rejected,
                                         .code = "100",
                                         .title = "no",
                                         .details = "because"},
                               .reason = "no"},
        TemplateReported{.key = kOrder,
                         .source = TemplateSource::notice,
                         .provider_template_id = "77",
                         .status = "PAUSED",
                         .reason = "LOW_QUALITY",
                         .category = "UTILITY",
                         .quality = "RED",
                         .status_as_of = kAt,
                         .category_as_of = kAt,
                         .quality_as_of = kAt,
                         .parts = parts,
                         .status_changed = true}};
    for (const auto& fact : facts) {
        const auto stored = encode(fact, kAt);
        const auto read = decode_template(stored.type, stored.payload);
        EXPECT_EQ(encode(read, kAt).payload, stored.payload) << stored.type;
        EXPECT_EQ(read.index(), fact.index());
        if (const auto* reported = std::get_if<TemplateReported>(&read)) {
            EXPECT_EQ(*reported, std::get<TemplateReported>(fact));
        }
    }
}

TEST(TemplateCodec, IdsFollowFromWhatATemplateIs) {
    const auto id = template_id("duka", kOrder);
    EXPECT_EQ(id, template_id("duka", kOrder));
    EXPECT_NE(id, template_id("other", kOrder));
    auto another = kOrder;
    another.language_code = "sw";
    EXPECT_NE(id, template_id("duka", another));
}

TEST(TemplateResource, ShowsWhatIsKnownAndWhatIsOpen) {
    v1::ProviderTemplate shown;
    const auto along = [&](const TemplateEvent& event, std::int64_t version) {
        move_along(shown, "duka", event, kAt, version);
    };
    along(TemplateRequested{.request = {.operation = TemplateOperation::create,
                                        .key = kOrder,
                                        .channel_id = {},
                                        .category = "UTILITY",
                                        .parts = order(),
                                        .answer_until = kAt}},
          1);
    EXPECT_EQ(shown.name(), "tenants/duka/providerTemplates/" + template_id("duka", kOrder));
    EXPECT_TRUE(shown.has_open_request());
    along(
        TemplateRequestUnknown{
            .operation = TemplateOperation::create, .key = kOrder, .reason = "no answer"},
        2);
    EXPECT_TRUE(shown.open_request().unknown());
    along(TemplateRequestRefused{.operation = TemplateOperation::create,
                                 .key = kOrder,
                                 .error = {},
                                 .reason = "not in the list"},
          3);
    EXPECT_FALSE(shown.has_open_request());
    EXPECT_EQ(shown.refused_request().reason(), "not in the list");
    EXPECT_FALSE(shown.refused_request().unknown());
    along(TemplateGone{.key = kOrder, .reason = "deleted"}, 4);
    EXPECT_EQ(shown.status(), "GONE");
    EXPECT_EQ(shown.etag(), "4");
}

}  // namespace
}  // namespace flowstack::gateway
