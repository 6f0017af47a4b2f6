#include <boost/json.hpp>
#include <optional>

#include "common/rpc/error.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/gateway/v1/contact_service.pb.h"
#include "flowstack/gateway/v1/message_service.pb.h"
#include "flowstack/gateway/v1/provider_template_service.pb.h"
#include "tests/e2e/campaigns.h"

// A template of the provider through its life: made, approved, paused while a campaign sends it,
// approved again.
namespace flowstack::e2e {
namespace {

namespace json = boost::json;
using namespace stack;

constexpr int kAudience = 12;
constexpr int kOthers = 80'000;  // the first of those who are nobody's audience

class ProvidersTemplates : public ::testing::Test {
protected:
    ProvidersTemplates() { make_audience(shop, kAudience); }

    std::string account() const { return "waba-" + shop.tenant; }

    gateway::v1::ListProviderTemplatesResponse list() {
        gateway::v1::ListProviderTemplatesRequest request;
        request.set_parent("tenants/" + shop.tenant);
        return stack.api().call<gateway::v1::ListProviderTemplatesResponse>(
            "gateway", "ProviderTemplateService/ListProviderTemplates", request);
    }
    gateway::v1::ProviderTemplate create() {
        gateway::v1::CreateProviderTemplateRequest request;
        request.set_parent("tenants/" + shop.tenant);
        auto& draft = *request.mutable_template_();
        draft.set_name("new_year");
        draft.set_language_code("en_US");
        draft.set_category("MARKETING");
        draft.mutable_parts()->set_body("Hi! {{1}} from all of us.");
        draft.mutable_parts()->add_body_examples()->set_value("Happy New Year Asha");
        return stack.api().call<gateway::v1::ProviderTemplate>(
            "gateway", "ProviderTemplateService/CreateProviderTemplate", request);
    }
    std::string status(const std::string& name) {
        gateway::v1::GetProviderTemplateRequest request;
        request.set_name(name);
        return stack.api()
            .call<gateway::v1::ProviderTemplate>(
                "gateway", "ProviderTemplateService/GetProviderTemplate", request)
            .status();
    }
    // What the provider's reviewers decide; the webhook about it is answered.
    void judge(const std::string& decision, const std::string& reason = "") {
        const auto answer =
            stack.sandbox().post("/control/templates", json::object{{"waba_id", account()},
                                                                    {"name", "new_year"},
                                                                    {"status", decision},
                                                                    {"reason", reason},
                                                                    {"copies", 3}});
        ASSERT_EQ(answer.at("http_status").to_number<int>(), 200);
    }
    static void fill(common::v1::TemplateContent& content) {
        content.set_name("new_year");
        content.set_language_code("en_US");
        content.add_body_parameters("Happy New Year {{name}}");
    }
    // Why a message of the template is refused; nothing when it is queued.
    std::optional<rpc::Failure> refusal() {
        gateway::v1::SendMessageRequest request;
        request.set_parent("tenants/" + shop.tenant);
        request.set_to(audience_phone(shop, kOthers + ++people));
        fill(*request.mutable_content()->mutable_template_());
        request.mutable_content()->mutable_template_()->set_body_parameters(0, "A parcel is here");
        try {
            stack.api().call<gateway::v1::Message>("gateway", "MessageService/SendMessage",
                                                   request);
            return std::nullopt;
        } catch (const rpc::Failure& failure) {
            return failure;
        }
    }
    std::size_t sent(const std::string& words) {
        std::size_t count = 0;
        for (const auto& line :
             record_of(stack.sandbox(), "send_accepted", "", shop.phone_number_id))
            count += json::serialize(line).find(words) != std::string::npos;
        return count;
    }

    Stack& stack = Stack::get();
    static inline int shops = 0;
    const ShopSpec shop = stack.shop("provider-templates-" + std::to_string(++shops));
    int people = 0;
};

TEST_F(ProvidersTemplates, AreSentWhileTheyAreApprovedAndPauseTheirCampaignWhenTheyArePaused) {
    // A channel that is connected has its account's templates listed.
    EXPECT_TRUE(eventually([&] {
        const auto known = list();
        return known.accounts_size() == 1 && known.accounts(0).has_list_time() &&
               known.provider_templates_size() == 1;
    })) << list().DebugString();
    const auto unknown = refusal();
    ASSERT_TRUE(unknown) << "the list is whole, and has no such template";
    EXPECT_EQ(unknown->reason, common::v1::ERROR_REASON_WRONG_STATE);

    const auto made = create();
    EXPECT_EQ(made.status(), "PENDING");
    const auto pending = refusal();
    ASSERT_TRUE(pending);
    EXPECT_EQ(pending->metadata.at("status"), "PENDING");

    judge("APPROVED");
    EXPECT_TRUE(eventually([&] { return status(made.name()) == "APPROVED"; }));
    EXPECT_FALSE(refusal());
    EXPECT_TRUE(eventually([&] { return sent("A parcel is here") == 1; }));

    // A campaign of it, slow enough to have a middle.
    campaign::v1::CreateCampaignRequest request;
    request.set_type("TRANSACTIONAL");
    request.set_per_second(1);
    request.set_start_immediately(true);
    fill(*request.mutable_template_());
    // campaign hears of the approval after gateway.
    std::unique_ptr<const Broadcast> begun;
    ASSERT_TRUE(eventually([&] {
        try {
            begun = std::make_unique<const Broadcast>(shop, request);
        } catch (const rpc::Failure&) {
        }
        return begun != nullptr;
    }));
    const auto& broadcast = *begun;
    EXPECT_TRUE(eventually([&] { return sent("Happy New Year") >= 2; }))
        << broadcast.metrics().DebugString();

    judge("PAUSED", "LOW_QUALITY");
    EXPECT_TRUE(eventually([&] { return broadcast.now().state() == "PAUSED"; }))
        << broadcast.now().DebugString();
    EXPECT_NE(broadcast.now().reason().find("PAUSED"), std::string::npos)
        << broadcast.now().reason();
    EXPECT_NE(broadcast.now().reason().find("LOW_QUALITY"), std::string::npos)
        << broadcast.now().reason();
    const auto paused = refusal();
    ASSERT_TRUE(paused);
    EXPECT_EQ(paused->metadata.at("status"), "PAUSED");
    EXPECT_LT(sent("Happy New Year"), static_cast<std::size_t>(kAudience));

    const auto resume = [&] {
        campaign::v1::ResumeCampaignRequest go;
        go.set_name(broadcast.name());
        try {
            stack.api().call<campaign::v1::Campaign>("campaign", "CampaignService/ResumeCampaign",
                                                     go);
            return std::string();
        } catch (const rpc::Failure& failure) {
            return failure.message;
        }
    };
    std::string refused;
    EXPECT_TRUE(eventually([&] {
        refused = resume();
        return !refused.empty();
    })) << "it may go on although its template is paused";
    EXPECT_NE(refused.find("new_year (en_US) is PAUSED"), std::string::npos) << refused;
    const auto shown = stack.flowctl("-o json campaigns get " + broadcast.name());
    EXPECT_NE(shown.out.find("LOW_QUALITY"), std::string::npos) << shown.out << shown.err;

    judge("APPROVED");
    EXPECT_TRUE(eventually([&] { return resume().empty(); })) << resume();
    EXPECT_TRUE(eventually([&] { return broadcast.metrics().state() == "COMPLETED"; },
                           std::chrono::seconds(60)))
        << broadcast.metrics().DebugString();
    broadcast.expect_right(broadcast.metrics().audience());
    EXPECT_EQ(Broadcast::left(broadcast.metrics()), broadcast.metrics().audience());
}

TEST_F(ProvidersTemplates, AreListedAndMadeByFlowctl) {
    const auto tenant = " -t " + shop.tenant;
    const auto asked = stack.flowctl("provider-templates sync" + tenant);
    EXPECT_EQ(asked.code, 0) << asked.err;
    EXPECT_TRUE(eventually([&] {
        return stack.flowctl("provider-templates list" + tenant).out.find("hello_world") !=
               std::string::npos;
    }));
    const auto made = stack.flowctl(
        "provider-templates create template.name=by_hand template.language_code=en "
        "template.category=UTILITY template.parts.body=Come." +
        tenant);
    EXPECT_EQ(made.code, 0) << made.err;
    EXPECT_NE(made.out.find("PENDING"), std::string::npos) << made.out;
    const auto wrong = stack.flowctl(
        "provider-templates create template.name=By-Hand template.language_code=en "
        "template.category=UTILITY template.parts.body=Come." +
        tenant);
    EXPECT_NE(wrong.code, 0);
    EXPECT_NE(wrong.err.find("template.name"), std::string::npos) << wrong.err;
}

}  // namespace
}  // namespace flowstack::e2e
