#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "common/rpc/error.h"
#include "common/rpc/server.h"
#include "flowstack/conversation/v1/conversation_service.grpc.pb.h"
#include "flowstack/gateway/v1/tenant_service.grpc.pb.h"
#include "flowstack/gateway/v1/webhook_service.grpc.pb.h"
#include "tools/flowctl/command_line.h"
#include "tools/flowctl/context.h"

// Whole command lines, from their words to the request that a service receives and the text on the
// screen. The services here keep what they were asked and give a prepared answer.
namespace flowstack::flowctl {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class FakeWebhooks final : public gateway::v1::WebhookService::CallbackService {
public:
    explicit FakeWebhooks(rpc::Server& door) : door_(door) {}

    grpc::ServerUnaryReactor* ListWebhooks(grpc::CallbackServerContext* context,
                                           const gateway::v1::ListWebhooksRequest* request,
                                           gateway::v1::ListWebhooksResponse* answer) override {
        return door_.unary(context, [this, request, answer](rpc::Call&) {
            lists.push_back(*request);
            // Two pages, of which the first is not full.
            auto& webhook = *answer->add_webhooks();
            webhook.set_name(request->page_token().empty() ? "webhooks/3-1041-0"
                                                           : "webhooks/4-7-2");
            webhook.mutable_receive_time()->set_seconds(1'700'000'000);
            webhook.set_provider("meta");
            webhook.set_parse("malformed_json");
            if (request->page_token().empty()) answer->set_next_page_token("second");
        });
    }
    grpc::ServerUnaryReactor* GetWebhook(grpc::CallbackServerContext* context,
                                         const gateway::v1::GetWebhookRequest* request,
                                         gateway::v1::Webhook* answer) override {
        return door_.unary(context, [request, answer](rpc::Call&) {
            if (request->name() != "webhooks/3-1041-0") throw rpc::not_found(request->name());
            answer->set_name(request->name());
            answer->set_body("{\"entry\":[]}");
            auto& element = *answer->add_elements();
            element.set_path("0.0.0");
            element.set_kind("message");
            element.set_provider_type("text");
            element.set_tenant_id("demo");
            element.set_state(gateway::v1::ELEMENT_STATE_MISSING);
        });
    }
    grpc::ServerUnaryReactor* RereadWebhooks(grpc::CallbackServerContext* context,
                                             const gateway::v1::RereadWebhooksRequest* request,
                                             gateway::v1::RereadWebhooksResponse* answer) override {
        return door_.unary(context, [this, request, answer](rpc::Call&) {
            rereads.push_back(*request);
            answer->set_webhooks_read(1);
            answer->set_elements_read(2);
            answer->set_appended(request->validate_only() ? 0 : 1);
            answer->set_missing(1);
            answer->set_failed(failed);
            auto& webhook = *answer->add_webhooks();
            webhook.set_name("webhooks/3-1041-0");
            auto& element = *webhook.add_elements();
            element.set_path("0.0.1");
            element.set_state(gateway::v1::ELEMENT_STATE_APPENDED);
        });
    }

    std::vector<gateway::v1::ListWebhooksRequest> lists;
    std::vector<gateway::v1::RereadWebhooksRequest> rereads;
    int failed = 0;

private:
    rpc::Server& door_;
};

class FakeConversations final : public conversation::v1::ConversationService::CallbackService {
public:
    explicit FakeConversations(rpc::Server& door) : door_(door) {}

    grpc::ServerUnaryReactor* CloseConversation(
        grpc::CallbackServerContext* context,
        const conversation::v1::CloseConversationRequest* request,
        conversation::v1::Conversation* answer) override {
        return door_.unary(context, [this, request, answer](rpc::Call&) {
            closed.push_back(*request);
            if (closed.size() > 1) throw rpc::wrong_state(request->name(), "it is closed already");
            answer->set_name(request->name());
            answer->set_state("CLOSED");
            answer->set_state_reason(request->reason());
        });
    }

    std::vector<conversation::v1::CloseConversationRequest> closed;

private:
    rpc::Server& door_;
};

class FakeTenants final : public gateway::v1::TenantService::CallbackService {
public:
    explicit FakeTenants(rpc::Server& door) : door_(door) {}

    grpc::ServerUnaryReactor* UpdateTenantSettings(
        grpc::CallbackServerContext* context,
        const gateway::v1::UpdateTenantSettingsRequest* request,
        gateway::v1::Tenant* answer) override {
        return door_.unary(context, [this, request, answer](rpc::Call&) {
            changes.push_back(*request);
            answer->set_name(request->name());
            *answer->mutable_settings() = request->settings();
        });
    }

    std::vector<gateway::v1::UpdateTenantSettingsRequest> changes;

private:
    rpc::Server& door_;
};

class CommandLine : public ::testing::Test {
protected:
    CommandLine() {
        door_.add(webhooks_, gateway::v1::WebhookService::service_full_name());
        door_.add(tenants_, gateway::v1::TenantService::service_full_name());
        door_.add(conversations_, conversation::v1::ConversationService::service_full_name());
        door_.start();
        const auto address = "127.0.0.1:" + std::to_string(door_.port());
        std::ofstream(env_file_) << "GATEWAY_GRPC=" << address << "\nCONVERSATION_GRPC=" << address
                                 << "\n";
    }
    ~CommandLine() override { std::filesystem::remove(env_file_); }

    int run(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {"--env-file", env_file_.string()});
        ::testing::internal::CaptureStdout();
        ::testing::internal::CaptureStderr();
        const int code = run_command_line(std::move(arguments));
        out_ = ::testing::internal::GetCapturedStdout();
        err_ = ::testing::internal::GetCapturedStderr();
        return code;
    }

    const std::filesystem::path env_file_ =
        std::filesystem::temp_directory_path() / ("flowctl-test-" + std::to_string(getpid()));
    rpc::Server door_{{}};
    FakeWebhooks webhooks_{door_};
    FakeConversations conversations_{door_};
    FakeTenants tenants_{door_};
    std::string out_;
    std::string err_;
};

TEST_F(CommandLine, WebhooksAreListedPageByPageWithinTheRangeThatWasAskedFor) {
    EXPECT_EQ(run({"webhooks", "list", "--since", "2023-11-14 22:00", "--until",
                   "2023-11-15T00:00:00Z", "--lane", "3", "--parse", "malformed_json"}),
              kOk);
    ASSERT_EQ(webhooks_.lists.size(), 2U);
    const auto& first = webhooks_.lists.front();
    EXPECT_EQ(first.start_time().seconds(), 1'699'999'200);
    EXPECT_EQ(first.end_time().seconds(), 1'700'006'400);
    EXPECT_EQ(first.lane(), 3);
    EXPECT_EQ(first.parse(), "malformed_json");
    EXPECT_EQ(first.page_size(), 50);
    EXPECT_EQ(webhooks_.lists.back().page_token(), "second");
    EXPECT_THAT(out_, AllOf(HasSubstr("3-1041-0"), HasSubstr("4-7-2"), HasSubstr("malformed_json"),
                            HasSubstr("2023-11-14 22:13:20")));
}

TEST_F(CommandLine, AListOfWebhooksEndsAtItsLimit) {
    EXPECT_EQ(run({"webhooks", "list", "--limit", "1"}), kOk);
    EXPECT_EQ(webhooks_.lists.size(), 1U);
    EXPECT_FALSE(webhooks_.lists.front().has_lane());
    EXPECT_THAT(out_, Not(HasSubstr("4-7-2")));
}

TEST_F(CommandLine, AWebhookIsShownWithItsBodyAndWhatIsReadInIt) {
    EXPECT_EQ(run({"webhooks", "get", "3-1041-0"}), kOk);
    EXPECT_THAT(
        out_, AllOf(HasSubstr("missing"), HasSubstr("tenants/demo"), HasSubstr("{\"entry\":[]}")));
    EXPECT_EQ(run({"webhooks", "get", "3-1042"}), kNotFound);
    EXPECT_THAT(err_, HasSubstr("webhooks/3-1042"));
}

TEST_F(CommandLine, WebhooksAreReadAgainByNameOrByRangeAndNeverAllByAccident) {
    EXPECT_EQ(run({"webhooks", "reread", "3-1041-0", "webhooks/4-7-2"}), kOk);
    ASSERT_EQ(webhooks_.rereads.size(), 1U);
    EXPECT_THAT(webhooks_.rereads.back().names(),
                ElementsAre("webhooks/3-1041-0", "webhooks/4-7-2"));
    EXPECT_FALSE(webhooks_.rereads.back().validate_only());
    EXPECT_THAT(err_, HasSubstr("1 appended"));

    EXPECT_EQ(run({"webhooks", "reread", "--lane", "0", "--dry-run"}), kOk);
    ASSERT_EQ(webhooks_.rereads.size(), 2U);
    EXPECT_TRUE(webhooks_.rereads.back().has_lane());
    EXPECT_TRUE(webhooks_.rereads.back().validate_only());
    EXPECT_THAT(err_, HasSubstr("1 missing (dry run)"));

    EXPECT_EQ(run({"webhooks", "reread"}), kUsage);
    EXPECT_EQ(run({"webhooks", "reread", "--since", "yesterday"}), kUsage);
    EXPECT_THAT(err_, HasSubstr("'yesterday'"));
    EXPECT_EQ(webhooks_.rereads.size(), 2U);
}

TEST_F(CommandLine, ARereadThatCouldNotAppendEverythingIsPartlyDone) {
    webhooks_.failed = 1;
    EXPECT_EQ(run({"webhooks", "reread", "3-1041-0"}), kPartial);
    EXPECT_THAT(err_, HasSubstr("1 failed"));
}

TEST_F(CommandLine, AConversationIsClosedWithAReason) {
    EXPECT_EQ(run({"conversations", "close", "demo/7", "--reason", "a test order"}), kOk);
    ASSERT_EQ(conversations_.closed.size(), 1U);
    EXPECT_EQ(conversations_.closed.back().name(), "tenants/demo/conversations/7");
    EXPECT_EQ(conversations_.closed.back().reason(), "a test order");
    EXPECT_THAT(conversations_.closed.back().etag(), IsEmpty());
    EXPECT_THAT(out_, AllOf(HasSubstr("CLOSED"), HasSubstr("a test order")));

    EXPECT_EQ(run({"conversations", "close", "7", "--tenant", "demo", "--reason", "again", "--etag",
                   "12"}),
              kConflict);
    EXPECT_EQ(conversations_.closed.back().etag(), "12");
    EXPECT_THAT(err_, HasSubstr("closed already"));

    EXPECT_EQ(run({"conversations", "close", "demo/7"}), kUsage) << "a reason is required";
    EXPECT_EQ(conversations_.closed.size(), 2U);
}

TEST_F(CommandLine, ATenantsSettingsAreChangedByFieldAndNothingElseIsTouched) {
    EXPECT_EQ(
        run({"tenants", "set", "demo", "unclear_payment_policy=wait", "languages=en,sw",
             "tax_rate_bp=1600", "quiet_hours.start_minute=1200", "order_prefix=", "--etag", "7"}),
        kOk);
    ASSERT_EQ(tenants_.changes.size(), 1U);
    const auto& change = tenants_.changes.back();
    EXPECT_EQ(change.name(), "tenants/demo");
    EXPECT_EQ(change.etag(), "7");
    EXPECT_THAT(change.update_mask().paths(),
                ElementsAre("unclear_payment_policy", "languages", "tax_rate_bp",
                            "quiet_hours.start_minute", "order_prefix"));
    EXPECT_EQ(change.settings().unclear_payment_policy(), "wait");
    EXPECT_THAT(change.settings().languages(), ElementsAre("en", "sw"));
    EXPECT_EQ(change.settings().tax_rate_bp(), 1600);
    EXPECT_EQ(change.settings().quiet_hours().start_minute(), 1200);
    EXPECT_THAT(out_, HasSubstr("while a payment is unclear"));

    for (const auto* wrong : {"nonsense=1", "unclear_payment_policy", "quiet_hours=1", "=wait",
                              "tax_rate_bp=16%", "languages.en=1"}) {
        EXPECT_EQ(run({"tenants", "set", "demo", wrong}), kUsage) << wrong;
        EXPECT_THAT(err_, HasSubstr("tax_rate_bp")) << wrong;
    }
    EXPECT_EQ(tenants_.changes.size(), 1U);
}

}  // namespace
}  // namespace flowstack::flowctl
