#include <gmock/gmock.h>

#include "common/postgres/session.h"
#include "tests/integration/conversation/shop.h"

namespace flowstack::conversation {
namespace {

using ::testing::HasSubstr;
constexpr auto kOk = common::v1::ERROR_REASON_UNSPECIFIED;

class DoorsOf : public ShopFixture {
protected:
    std::string field() {
        return failure && !failure->fields.empty() ? failure->fields[0].field : "";
    }

    v1::CreateTemplateRequest menu(int buttons, const std::string& request_id = "") {
        v1::CreateTemplateRequest request;
        request.set_parent("tenants/duka");
        request.set_request_id(request_id);
        auto& t = *request.mutable_template_();
        t.set_kind("interactive_button");
        auto& variant = *t.add_variants();
        variant.set_language("en");
        variant.set_body("Choose, {{name}}");
        for (int i = 0; i < buttons; ++i)
            variant.add_buttons()->set_title("Button " + std::to_string(i));
        return request;
    }
    auto create(const v1::CreateTemplateRequest& request, v1::Template& answer) {
        return call<v1::TemplateService>(&v1::TemplateService::Stub::CreateTemplate, request,
                                         answer);
    }
    auto publish(const std::string& document, v1::Flow& answer, bool validate_only = false) {
        v1::PublishFlowRequest request;
        request.set_parent("tenants/duka");
        request.set_document_json(document);
        request.set_validate_only(validate_only);
        return call<v1::FlowService>(&v1::FlowService::Stub::PublishFlow, request, answer);
    }
};

TEST_F(DoorsOf, ATemplateGetsAKeyAndItsButtonsGetIds) {
    v1::Template made;
    ASSERT_EQ(create(menu(3), made), kOk);
    EXPECT_TRUE(made.template_key().starts_with("tmpl_"));
    EXPECT_EQ(made.version(), 1);
    EXPECT_TRUE(made.active());
    EXPECT_FALSE(made.variants(0).buttons(0).id().empty());
    v1::GetTemplateRequest get;
    get.set_name(made.name());
    v1::Template again;
    ASSERT_EQ(call<v1::TemplateService>(&v1::TemplateService::Stub::GetTemplate, get, again), kOk);
    EXPECT_EQ(again.SerializeAsString(), made.SerializeAsString());
}

TEST_F(DoorsOf, BadTemplatesNameTheirField) {
    v1::Template made;
    EXPECT_EQ(create(menu(4), made), common::v1::ERROR_REASON_FIELD_INVALID);
    EXPECT_EQ(field(), "template.variants[0].buttons");
    auto empty = menu(2);
    empty.mutable_template_()->mutable_variants(0)->mutable_buttons(1)->set_title("");
    EXPECT_EQ(create(empty, made), common::v1::ERROR_REASON_FIELD_INVALID);
    EXPECT_EQ(field(), "template.variants[0].buttons[1].title");
    auto foreign = menu(1);
    foreign.mutable_template_()->mutable_variants(0)->mutable_buttons(0)->set_next_template_key(
        "tmpl_12345678");
    EXPECT_EQ(create(foreign, made), common::v1::ERROR_REASON_FIELD_INVALID);
    EXPECT_EQ(field(), "template.variants[0].buttons[0].next_template_key");
}

TEST_F(DoorsOf, OneRequestIdMakesOneTemplate) {
    v1::Template first, second;
    ASSERT_EQ(create(menu(1, "r1"), first), kOk);
    ASSERT_EQ(create(menu(1, "r1"), second), kOk);
    EXPECT_EQ(first.template_key(), second.template_key());
    EXPECT_EQ(create(menu(2, "r1"), second), common::v1::ERROR_REASON_IDEMPOTENCY_KEY_REUSED);
}

TEST_F(DoorsOf, AnOverriddenBuiltInTemplateIsWhatCustomersRead) {
    v1::CreateTemplateRequest request;
    request.set_parent("tenants/duka");
    auto& t = *request.mutable_template_();
    t.set_template_key("welcome_template");
    t.set_kind("text");
    auto& variant = *t.add_variants();
    variant.set_language("en");
    variant.set_body("Hey {{name}}, this is ours");
    v1::Template made;
    ASSERT_EQ(create(request, made), kOk);
    writes("amina", "Hi");
    EXPECT_EQ(heard("amina"), "Hey amina, this is ours");
    EXPECT_EQ(replies("amina").back().template_version(), 1);
    EXPECT_EQ(conversation_of("amina").last_template_key(), "welcome_template");
}

TEST_F(DoorsOf, ATemplateMayHaveAKeyOfTheCallersOwn) {
    auto request = menu(1);
    request.mutable_template_()->set_template_key("opening-hours");
    v1::Template made;
    ASSERT_EQ(create(request, made), kOk);
    EXPECT_EQ(made.template_key(), "opening-hours");
    EXPECT_EQ(create(request, made), common::v1::ERROR_REASON_ALREADY_EXISTS);
    for (const auto* bad : {"opening hours", "a/b", "caf\u00e9"}) {
        request.mutable_template_()->set_template_key(bad);
        EXPECT_EQ(create(request, made), common::v1::ERROR_REASON_FIELD_INVALID) << bad;
        EXPECT_EQ(field(), "template.template_key");
    }
}

TEST_F(DoorsOf, ATemplateThatIsWiredToIsNotDeleted) {
    v1::Template target, source;
    ASSERT_EQ(create(menu(1), target), kOk);
    auto request = menu(1);
    request.mutable_template_()->mutable_variants(0)->mutable_buttons(0)->set_next_template_key(
        target.template_key());
    ASSERT_EQ(create(request, source), kOk);
    v1::DeleteTemplateRequest remove;
    remove.set_name(target.name());
    v1::Template gone;
    EXPECT_EQ(call<v1::TemplateService>(&v1::TemplateService::Stub::DeleteTemplate, remove, gone),
              common::v1::ERROR_REASON_WRONG_STATE);
    remove.set_name(source.name());
    EXPECT_EQ(call<v1::TemplateService>(&v1::TemplateService::Stub::DeleteTemplate, remove, gone),
              kOk);
    remove.set_name(target.name());
    EXPECT_EQ(call<v1::TemplateService>(&v1::TemplateService::Stub::DeleteTemplate, remove, gone),
              kOk);
    v1::ListTemplatesRequest list;
    list.set_parent("tenants/duka");
    v1::ListTemplatesResponse left;
    ASSERT_EQ(call<v1::TemplateService>(&v1::TemplateService::Stub::ListTemplates, list, left),
              kOk);
    EXPECT_EQ(left.templates_size(), 0);
}

constexpr const char* kOwnFlow =
    R"({"languages":["en"],"start":"s","nodes":{"s":{"otherwise":[{"send":"a"}]}},
    "templates":{"a":{"kind":"text","variants":{"en":"Own words for {{name}}"}}}})";

TEST_F(DoorsOf, ATenantsOwnFlowRunsAsSoonAsItIsPublished) {
    v1::Flow flow;
    ASSERT_EQ(publish(kOwnFlow, flow), kOk) << failure->message;
    EXPECT_EQ(flow.flow_key(), "own");
    EXPECT_EQ(flow.version(), 1);
    tenants.facts["duka"].pack = "own";
    writes("amina", "anything");
    EXPECT_EQ(heard("amina"), "Own words for amina");
    ASSERT_EQ(
        publish(std::string(kOwnFlow).replace(std::string(kOwnFlow).find("Own"), 3, "New"), flow),
        kOk);
    EXPECT_EQ(flow.version(), 2);
    writes("amina", "again");
    EXPECT_EQ(heard("amina"), "Own words for amina");  // a running conversation keeps its version
    writes("juma", "anything");
    EXPECT_EQ(heard("juma"), "New words for juma");
}

TEST_F(DoorsOf, ABadFlowIsRefusedWithEveryMistake) {
    v1::Flow flow;
    EXPECT_EQ(
        publish(R"({"languages":["en"],"start":"x","nodes":{"s":{"enter":[{"send":"nothing"}]}}})",
                flow, true),
        common::v1::ERROR_REASON_FIELD_INVALID);
    ASSERT_GE(failure->fields.size(), 3u);
    EXPECT_EQ(failure->fields[0].field, "document.start");
    EXPECT_EQ(publish("{", flow), common::v1::ERROR_REASON_FIELD_INVALID);
    ASSERT_EQ(publish(kOwnFlow, flow, true), kOk);
    EXPECT_EQ(flow.version(), 0);
    v1::GetFlowRequest get;
    get.set_name("tenants/duka/flows/own");
    EXPECT_EQ(call<v1::FlowService>(&v1::FlowService::Stub::GetFlow, get, flow),
              common::v1::ERROR_REASON_NOT_FOUND);
    get.set_name("tenants/duka/flows/ECOMMERCE");
    ASSERT_EQ(call<v1::FlowService>(&v1::FlowService::Stub::GetFlow, get, flow), kOk);
    EXPECT_EQ(flow.document().fields().at("start").string_value(), "start");
}

TEST_F(DoorsOf, TheVerbsOfFlowsAreDescribedForABuilder) {
    v1::DescribeVerbsRequest request;
    request.set_parent("tenants/duka");
    v1::DescribeVerbsResponse answer;
    ASSERT_EQ(call<v1::FlowService>(&v1::FlowService::Stub::DescribeVerbs, request, answer), kOk);
    ASSERT_EQ(answer.verbs_size(), static_cast<int>(vocabulary().verbs().size()));
    for (const auto& verb : answer.verbs()) {
        const auto* spec = vocabulary().verb(verb.name());
        ASSERT_NE(spec, nullptr) << verb.name();
        EXPECT_EQ(verb.options_size(), static_cast<int>(spec->given_options().size()));
        EXPECT_EQ(verb.always_leaves(), spec->always_leaves);
        EXPECT_FALSE(verb.description().empty());
    }
    EXPECT_EQ(answer.reserved_variables_size(),
              static_cast<int>(vocabulary().own_variables().size()));
    request.set_parent("tenants/nobody");
    EXPECT_EQ(call<v1::FlowService>(&v1::FlowService::Stub::DescribeVerbs, request, answer),
              common::v1::ERROR_REASON_NOT_FOUND);
}

TEST_F(DoorsOf, ProductsAreSavedCountedAndListed) {
    const auto saved = save_product("coffee", "Coffee", 25'000, 5);
    EXPECT_EQ(saved.on_hand(), 5);
    EXPECT_TRUE(saved.active());
    EXPECT_EQ(save_product("coffee", "Fine Coffee", 26'000, 99).on_hand(), 5);  // the count stays
    v1::SetStockRequest stock;
    stock.set_name("tenants/duka/products/coffee");
    stock.set_on_hand(7);
    v1::Product counted;
    ASSERT_EQ(call<v1::CatalogService>(&v1::CatalogService::Stub::SetStock, stock, counted), kOk);
    EXPECT_EQ(counted.on_hand(), 7);
    stock.clear_on_hand();
    ASSERT_EQ(call<v1::CatalogService>(&v1::CatalogService::Stub::SetStock, stock, counted), kOk);
    EXPECT_FALSE(counted.has_on_hand());

    save_product("b", "Beans", 100);
    save_product("a", "Apples", 100);
    v1::ListProductsRequest list;
    list.set_parent("tenants/duka");
    list.set_page_size(2);
    v1::ListProductsResponse page;
    ASSERT_EQ(call<v1::CatalogService>(&v1::CatalogService::Stub::ListProducts, list, page), kOk);
    ASSERT_EQ(page.products_size(), 2);
    EXPECT_EQ(page.products(0).display_name(), "Apples");
    list.set_page_token(page.next_page_token());
    ASSERT_EQ(call<v1::CatalogService>(&v1::CatalogService::Stub::ListProducts, list, page), kOk);
    ASSERT_EQ(page.products_size(), 1);
    EXPECT_EQ(page.products(0).display_name(), "Fine Coffee");
    // No id, and no token of another list or tenant.
    for (const auto& bad : {std::string("nonsense"), std::string("tea"),
                            read_model.token_for("tenants/duka/templates", "tea"),
                            read_model.token_for("tenants/other/products", "tea")}) {
        list.set_page_token(bad);
        EXPECT_EQ(call<v1::CatalogService>(&v1::CatalogService::Stub::ListProducts, list, page),
                  common::v1::ERROR_REASON_PAGE_TOKEN_INVALID)
            << bad;
    }
}

TEST_F(DoorsOf, BadProductsNameTheirField) {
    v1::SaveProductRequest request;
    v1::Product answer;
    const auto save = [&] {
        return call<v1::CatalogService>(&v1::CatalogService::Stub::SaveProduct, request, answer);
    };
    EXPECT_EQ(save(), common::v1::ERROR_REASON_FIELD_INVALID);
    EXPECT_EQ(field(), "parent");
    request.set_parent("tenants/duka");
    EXPECT_EQ(save(), common::v1::ERROR_REASON_FIELD_INVALID);
    EXPECT_EQ(field(), "product.price.currency_code");
    request.mutable_product()->mutable_price()->set_currency_code("USD");
    EXPECT_EQ(save(), common::v1::ERROR_REASON_FIELD_INVALID);
    EXPECT_EQ(field(), "product.price.currency_code");
    request.mutable_product()->mutable_price()->set_currency_code("KES");
    EXPECT_EQ(save(), common::v1::ERROR_REASON_FIELD_INVALID);
    EXPECT_EQ(field(), "product.display_name");
    request.set_parent("tenants/nobody");
    EXPECT_EQ(save(), common::v1::ERROR_REASON_NOT_FOUND);
}

TEST_F(DoorsOf, PromotionsAreSavedAndListed) {
    v1::SavePromotionRequest request;
    request.set_parent("tenants/duka");
    (*request.mutable_promotion()->mutable_text())["en"] = "Two for one";
    (*request.mutable_promotion()->mutable_text())["sw"] = "Mbili kwa moja";
    request.set_request_id("p1");
    v1::Promotion saved;
    ASSERT_EQ(call<v1::CatalogService>(&v1::CatalogService::Stub::SavePromotion, request, saved),
              kOk);
    v1::Promotion again;
    ASSERT_EQ(call<v1::CatalogService>(&v1::CatalogService::Stub::SavePromotion, request, again),
              kOk);
    EXPECT_EQ(again.promotion_id(), saved.promotion_id());
    v1::ListPromotionsRequest list;
    list.set_parent("tenants/duka");
    v1::ListPromotionsResponse page;
    ASSERT_EQ(call<v1::CatalogService>(&v1::CatalogService::Stub::ListPromotions, list, page), kOk);
    EXPECT_EQ(page.promotions_size(), 1);
    writes("amina", "Hi");
    taps("amina", "View Promotions");
    const auto said = replies("amina");
    EXPECT_THAT(content_of(said[said.size() - 2].personal().content()).body,
                HasSubstr("Two for one"));
}

TEST_F(DoorsOf, AKeyThatWasUsed30DaysAgoMakesAnotherPromotion) {
    v1::SavePromotionRequest request;
    request.set_parent("tenants/duka");
    (*request.mutable_promotion()->mutable_text())["en"] = "Two for one";
    (*request.mutable_promotion()->mutable_text())["sw"] = "Mbili kwa moja";
    request.set_request_id("p1");
    const auto save = [&] {
        v1::Promotion saved;
        EXPECT_EQ(
            call<v1::CatalogService>(&v1::CatalogService::Stub::SavePromotion, request, saved),
            kOk);
        return saved.promotion_id();
    };
    const auto first = save();
    postgres::Session admin({.url = database.admin_url()});
    admin.run("update claims set made_at = made_at - interval '30 days'");
    const auto second = save();
    EXPECT_NE(second, first);
    EXPECT_EQ(save(), second);
}

TEST_F(DoorsOf, AConversationIsGivenToAPersonAndBack) {
    writes("amina", "Hi");
    const auto c = conversation_of("amina");
    v1::ReplyToConversationRequest reply;
    reply.set_name(c.name());
    reply.mutable_content()->mutable_text()->set_body("This is Jane. How can I help?");
    v1::Conversation answer;
    EXPECT_EQ(call<v1::ConversationService>(&v1::ConversationService::Stub::ReplyToConversation,
                                            reply, answer),
              common::v1::ERROR_REASON_WRONG_STATE);

    v1::EscalateConversationRequest escalate;
    escalate.set_name(c.name());
    escalate.set_etag("1");
    EXPECT_EQ(call<v1::ConversationService>(&v1::ConversationService::Stub::EscalateConversation,
                                            escalate, answer),
              common::v1::ERROR_REASON_VERSION_MISMATCH);
    escalate.set_etag(c.etag());
    ASSERT_EQ(call<v1::ConversationService>(&v1::ConversationService::Stub::EscalateConversation,
                                            escalate, answer),
              kOk);
    EXPECT_EQ(answer.state(), "ESCALATED");
    const auto said = replies("amina").size();
    writes("amina", "is anybody there?");
    EXPECT_EQ(replies("amina").size(), said);  // the bot is silent
    ASSERT_EQ(call<v1::ConversationService>(&v1::ConversationService::Stub::ReplyToConversation,
                                            reply, answer),
              kOk);
    EXPECT_EQ(heard("amina"), "This is Jane. How can I help?");
    EXPECT_EQ(replies("amina").back().kind(), v1::REPLY_KIND_AGENT);

    v1::ListConversationsRequest list;
    list.set_parent("tenants/duka");
    list.set_state("ESCALATED");
    v1::ListConversationsResponse page;
    consume();
    ASSERT_EQ(call<v1::ConversationService>(&v1::ConversationService::Stub::ListConversations, list,
                                            page),
              kOk);
    EXPECT_EQ(page.conversations_size(), 1);
    list.set_state("ASLEEP");
    EXPECT_EQ(call<v1::ConversationService>(&v1::ConversationService::Stub::ListConversations, list,
                                            page),
              common::v1::ERROR_REASON_FIELD_INVALID);

    v1::HandBackConversationRequest back;
    back.set_name(c.name());
    ASSERT_EQ(call<v1::ConversationService>(&v1::ConversationService::Stub::HandBackConversation,
                                            back, answer),
              kOk);
    EXPECT_EQ(answer.state(), "ENGAGED");
    EXPECT_EQ(call<v1::ConversationService>(&v1::ConversationService::Stub::HandBackConversation,
                                            back, answer),
              common::v1::ERROR_REASON_WRONG_STATE);
    writes("amina", "Hi");
    EXPECT_THAT(heard("amina"), HasSubstr("Welcome"));
}

TEST_F(DoorsOf, AConversationIsClosedInWhateverStateItIs) {
    writes("amina", "Hi");
    const auto c = conversation_of("amina");
    v1::CloseConversationRequest close;
    close.set_name(c.name());
    close.set_reason("spam");
    close.set_etag("1");
    v1::Conversation answer;
    EXPECT_EQ(call<v1::ConversationService>(&v1::ConversationService::Stub::CloseConversation,
                                            close, answer),
              common::v1::ERROR_REASON_VERSION_MISMATCH);
    close.set_etag(c.etag());
    close.set_request_id("r1");
    for (int i = 0; i < 2; ++i) {  // a repeat gets the same answer
        ASSERT_EQ(call<v1::ConversationService>(&v1::ConversationService::Stub::CloseConversation,
                                                close, answer),
                  kOk);
        EXPECT_EQ(answer.state(), "CLOSED");
        EXPECT_EQ(answer.state_reason(), "spam");
    }
    close.clear_etag();
    close.set_request_id("r2");
    EXPECT_EQ(call<v1::ConversationService>(&v1::ConversationService::Stub::CloseConversation,
                                            close, answer),
              common::v1::ERROR_REASON_WRONG_STATE);
    writes("amina", "Hi");
    EXPECT_NE(conversation_of("amina").name(), c.name());
}

TEST_F(DoorsOf, TheHistorySaysWhoSaidWhatAndWhy) {
    writes("amina", "Hi");
    v1::ListHistoryRequest request;
    request.set_parent(conversation_of("amina").name());
    v1::ListHistoryResponse page;
    ASSERT_EQ(
        call<v1::ConversationService>(&v1::ConversationService::Stub::ListHistory, request, page),
        kOk);
    std::string in, out;
    std::vector<std::string> lines;
    for (const auto& entry : page.entries()) {
        lines.push_back(std::to_string(entry.version()) + "." + std::to_string(entry.step()) + " " +
                        entry.type().substr(entry.type().rfind('.') + 1));
        if (entry.direction() == "in") in = entry.text();
        if (entry.direction() == "out") out = entry.text();
        EXPECT_THAT(entry.caused_by(), HasSubstr("gateway/"));
    }
    EXPECT_EQ(in, "Hi");
    // The steps of the turn, each a line, and then what it asked for.
    EXPECT_EQ(lines, (std::vector<std::string>{"1.1 ConversationOpened", "1.2 CustomerSpoke",
                                               "1.3 ConversationAdvanced", "1.4 NodeEntered",
                                               "1.5 NodeEntered", "1.6 ConversationAdvanced",
                                               "2.1 ReplyRequested"}));
    EXPECT_THAT(out, HasSubstr("[View Products]"));
    request.set_page_size(2);
    ASSERT_EQ(
        call<v1::ConversationService>(&v1::ConversationService::Stub::ListHistory, request, page),
        kOk);
    EXPECT_EQ(page.entries_size(), 2);
    request.set_page_token(page.next_page_token());
    ASSERT_EQ(
        call<v1::ConversationService>(&v1::ConversationService::Stub::ListHistory, request, page),
        kOk);
    // A page may begin in the middle of a turn.
    std::vector<std::string> paged(lines.begin(), lines.begin() + 2);
    while (true) {
        for (const auto& entry : page.entries())
            paged.push_back(std::to_string(entry.version()) + "." + std::to_string(entry.step()) +
                            " " + entry.type().substr(entry.type().rfind('.') + 1));
        if (page.next_page_token().empty()) break;
        request.set_page_token(page.next_page_token());
        ASSERT_EQ(call<v1::ConversationService>(&v1::ConversationService::Stub::ListHistory,
                                                request, page),
                  kOk);
    }
    EXPECT_EQ(paged, lines);
    request.set_page_token("1/3");
    EXPECT_EQ(
        call<v1::ConversationService>(&v1::ConversationService::Stub::ListHistory, request, page),
        common::v1::ERROR_REASON_PAGE_TOKEN_INVALID);
}

TEST_F(DoorsOf, CustomersAreTagged) {
    writes("amina", "Hi");
    v1::TagCustomerRequest request;
    request.set_name("tenants/duka/customers/amina");
    request.add_add("vip");
    v1::Customer answer;
    ASSERT_EQ(call<v1::CustomerService>(&v1::CustomerService::Stub::TagCustomer, request, answer),
              kOk);
    ASSERT_EQ(answer.tags_size(), 1);
    EXPECT_EQ(answer.tags(0), "vip");
    EXPECT_EQ(answer.display_name(), "amina");
    request.set_name("tenants/duka/customers/nobody");
    EXPECT_EQ(call<v1::CustomerService>(&v1::CustomerService::Stub::TagCustomer, request, answer),
              common::v1::ERROR_REASON_NOT_FOUND);
    request.set_name("tenants/other/customers/amina");
    EXPECT_EQ(call<v1::CustomerService>(&v1::CustomerService::Stub::TagCustomer, request, answer),
              common::v1::ERROR_REASON_NOT_FOUND);
}

}  // namespace
}  // namespace flowstack::conversation
