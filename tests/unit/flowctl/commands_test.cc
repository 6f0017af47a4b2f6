#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>

#include "common/rpc/caller.h"
#include "common/rpc/error.h"
#include "common/rpc/server.h"
#include "flowstack/campaign/v1/campaign_service.grpc.pb.h"
#include "flowstack/common/v1/data_key_service.grpc.pb.h"
#include "flowstack/common/v1/event_log.grpc.pb.h"
#include "flowstack/conversation/v1/conversation_service.grpc.pb.h"
#include "flowstack/conversation/v1/flow_service.grpc.pb.h"
#include "flowstack/gateway/v1/channel_service.grpc.pb.h"
#include "flowstack/gateway/v1/tenant_service.grpc.pb.h"
#include "flowstack/gateway/v1/webhook_service.grpc.pb.h"
#include "flowstack/payment/v1/order_service.pb.h"
#include "tools/flowctl/command_line.h"
#include "tools/flowctl/context.h"
#include "tools/flowctl/verbs.h"

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
        return door_.unary(context, *request, [this, request, answer](rpc::Call&) {
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
        return door_.unary(context, *request, [request, answer](rpc::Call&) {
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
        return door_.unary(context, *request, [this, request, answer](rpc::Call&) {
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
        return door_.unary(context, *request, [this, request, answer](rpc::Call&) {
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

class FakeCampaigns final : public campaign::v1::CampaignService::CallbackService {
public:
    explicit FakeCampaigns(rpc::Server& door) : door_(door) {}

    grpc::ServerUnaryReactor* CreateCampaign(grpc::CallbackServerContext* context,
                                             const campaign::v1::CreateCampaignRequest* request,
                                             campaign::v1::Campaign* answer) override {
        return door_.unary(context, *request, [this, request, answer](rpc::Call&) {
            created.push_back(*request);
            fill(*answer, request->parent() + "/campaigns/7");
        });
    }
    grpc::ServerUnaryReactor* GetCampaign(grpc::CallbackServerContext* context,
                                          const campaign::v1::GetCampaignRequest* request,
                                          campaign::v1::Campaign* answer) override {
        return door_.unary(context, *request,
                           [request, answer](rpc::Call&) { fill(*answer, request->name()); });
    }
    grpc::ServerUnaryReactor* CancelCampaign(grpc::CallbackServerContext* context,
                                             const campaign::v1::CancelCampaignRequest* request,
                                             campaign::v1::Campaign* answer) override {
        return door_.unary(context, *request, [this, request, answer](rpc::Call&) {
            cancelled.push_back(*request);
            fill(*answer, request->name());
            answer->set_state("CANCELLED");
        });
    }
    grpc::ServerUnaryReactor* ListCampaigns(grpc::CallbackServerContext* context,
                                            const campaign::v1::ListCampaignsRequest* request,
                                            campaign::v1::ListCampaignsResponse* answer) override {
        return door_.unary(context, *request, [this, request, answer](rpc::Call&) {
            lists.push_back(*request);
            fill(*answer->add_campaigns(),
                 "tenants/demo/campaigns/" + std::to_string(lists.size()));
            // The signal is what Ctrl-C sends to a command that watches.
            if (looks_until_interrupt != 0 &&
                static_cast<int>(lists.size()) == looks_until_interrupt)
                ::raise(SIGINT);
            if (more && request->page_token().empty()) answer->set_next_page_token("second");
        });
    }
    static void fill(campaign::v1::Campaign& campaign, const std::string& name) {
        campaign.set_name(name);
        campaign.set_display_name("May");
        campaign.set_state("RUNNING");
        campaign.set_audience_size(1200);
        campaign.mutable_audience()->set_kind("tag");
        campaign.mutable_start_time()->set_seconds(1'700'000'000);
    }

    std::vector<campaign::v1::CreateCampaignRequest> created;
    std::vector<campaign::v1::CancelCampaignRequest> cancelled;
    std::vector<campaign::v1::ListCampaignsRequest> lists;
    int looks_until_interrupt = 0;
    bool more = false;

private:
    rpc::Server& door_;
};

class FakeChannels final : public gateway::v1::ChannelService::CallbackService {
public:
    explicit FakeChannels(rpc::Server& door) : door_(door) {}

    grpc::ServerUnaryReactor* RotateCredentials(
        grpc::CallbackServerContext* context, const gateway::v1::RotateCredentialsRequest* request,
        gateway::v1::Channel* answer) override {
        return door_.unary(context, *request, [this, request, answer](rpc::Call&) {
            rotated.push_back(*request);
            answer->set_name(request->name());
        });
    }

    std::vector<gateway::v1::RotateCredentialsRequest> rotated;

private:
    rpc::Server& door_;
};

class FakeFlows final : public conversation::v1::FlowService::CallbackService {
public:
    explicit FakeFlows(rpc::Server& door) : door_(door) {}

    grpc::ServerUnaryReactor* PublishFlow(grpc::CallbackServerContext* context,
                                          const conversation::v1::PublishFlowRequest* request,
                                          conversation::v1::Flow* answer) override {
        return door_.unary(context, *request, [this, request, answer](rpc::Call&) {
            published.push_back(*request);
            answer->set_name(request->parent() + "/flows/" + request->flow_key());
        });
    }

    std::vector<conversation::v1::PublishFlowRequest> published;

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
        return door_.unary(context, *request, [this, request, answer](rpc::Call&) {
            changes.push_back(*request);
            answer->set_name(request->name());
            *answer->mutable_settings() = request->settings();
        });
    }

    grpc::ServerUnaryReactor* RegisterTenant(grpc::CallbackServerContext* context,
                                             const gateway::v1::RegisterTenantRequest* request,
                                             gateway::v1::Tenant* answer) override {
        return door_.unary(context, *request, [this, request, answer](rpc::Call&) {
            registered.push_back(*request);
            answer->set_name("tenants/" + request->tenant_id());
        });
    }

    std::vector<gateway::v1::UpdateTenantSettingsRequest> changes;
    std::vector<gateway::v1::RegisterTenantRequest> registered;

private:
    rpc::Server& door_;
};

// A log of one lane.
class FakeLog final : public common::v1::EventLog::CallbackService {
public:
    explicit FakeLog(rpc::Server& door) : door_(door) {}

    grpc::ServerUnaryReactor* Heads(grpc::CallbackServerContext* context,
                                    const common::v1::HeadsRequest* request,
                                    common::v1::HeadsResponse* answer) override {
        return door_.unary(context, *request, [this, answer](rpc::Call&) {
            answer->add_heads()->set_position(static_cast<std::int64_t>(events.size()));
        });
    }
    grpc::ServerUnaryReactor* Read(grpc::CallbackServerContext* context,
                                   const common::v1::ReadRequest* request,
                                   common::v1::ReadResponse* answer) override {
        return door_.unary(context, *request, [this, request, answer](rpc::Call&) {
            for (const auto& event : events)
                if (request->tenant().empty() || event.tenant() == request->tenant())
                    *answer->add_events() = event;
        });
    }
    // At so many seconds of 1970.
    void add(int second, const std::string& actor, const std::string& command,
             const std::string& type, const std::string& tenant = "duka") {
        auto& event = events.emplace_back();
        event.set_service("gateway");
        event.set_position(static_cast<std::int64_t>(events.size()));
        event.set_tenant(tenant);
        event.set_category("tenant");
        event.set_key(tenant);
        event.set_command_id(command);
        event.set_type("flowstack.gateway.v1." + type);
        event.set_recorded_at_us(second * 1'000'000);
        event.mutable_meta()->set_actor(actor);
    }

    std::vector<common::v1::RecordedEvent> events;

private:
    rpc::Server& door_;
};

// Data keys of which `left` are wrapped under an old version, which opens or not.
class FakeDataKeys final : public common::v1::DataKeyService::CallbackService {
public:
    explicit FakeDataKeys(rpc::Server& door) : door_(door) {}

    grpc::ServerUnaryReactor* GetDataKeyStatus(grpc::CallbackServerContext* context,
                                               const common::v1::GetDataKeyStatusRequest* request,
                                               common::v1::DataKeyStatus* answer) override {
        return door_.unary(context, *request, [this, answer](rpc::Call&) { show(*answer); });
    }
    grpc::ServerUnaryReactor* RewrapDataKeys(grpc::CallbackServerContext* context,
                                             const common::v1::RewrapDataKeysRequest* request,
                                             common::v1::RewrapDataKeysResponse* answer) override {
        return door_.unary(context, *request, [this, request, answer](rpc::Call&) {
            callers.push_back(rpc::caller().actor);
            const auto now = opens ? std::min<std::int64_t>(left, request->limit()) : 0;
            left -= now;
            answer->set_rewrapped(now);
            show(*answer->mutable_status());
        });
    }

    std::int64_t left = 0;
    bool opens = true;
    std::vector<std::string> callers;

private:
    void show(common::v1::DataKeyStatus& out) {
        out.set_wraps("local:new");
        out.set_left(left);
        auto& old = *out.add_versions();
        old.set_version("local:old");
        old.set_data_keys(left);
        old.set_opens(opens);
        auto& now = *out.add_versions();
        now.set_version("local:new");
        now.set_opens(true);
    }
    rpc::Server& door_;
};

class CommandLine : public ::testing::Test {
protected:
    CommandLine() {
        door_.add(log_, common::v1::EventLog::service_full_name());
        door_.add(data_keys_, common::v1::DataKeyService::service_full_name());
        door_.add(webhooks_, gateway::v1::WebhookService::service_full_name());
        door_.add(tenants_, gateway::v1::TenantService::service_full_name());
        door_.add(conversations_, conversation::v1::ConversationService::service_full_name());
        door_.add(campaigns_, campaign::v1::CampaignService::service_full_name());
        door_.add(channels_, gateway::v1::ChannelService::service_full_name());
        door_.add(flows_, conversation::v1::FlowService::service_full_name());
        door_.start();
        const auto address = "127.0.0.1:" + std::to_string(door_.port());
        std::ofstream(env_file_) << "GATEWAY_GRPC=" << address << "\nCONVERSATION_GRPC=" << address
                                 << "\nCAMPAIGN_GRPC=" << address << "\n";
    }
    ~CommandLine() override {
        std::filesystem::remove(env_file_);
        std::filesystem::remove(input_file_);
    }

    // A file that a command line can name.
    std::string input(const std::string& text) {
        std::ofstream(input_file_) << text;
        return input_file_.string();
    }

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
    const std::filesystem::path input_file_ =
        std::filesystem::temp_directory_path() / ("flowctl-input-" + std::to_string(getpid()));
    static rpc::Caller holder_of(std::string_view token) {
        if (token == "ann.e30.e30") return {"user:ann", identity::Grants{.platform_admin = true}};
        throw rpc::unauthenticated("the token has expired");
    }
    rpc::Server door_{{.admission = {.holder_of = holder_of}}};
    FakeLog log_{door_};
    FakeDataKeys data_keys_{door_};
    FakeWebhooks webhooks_{door_};
    FakeConversations conversations_{door_};
    FakeTenants tenants_{door_};
    FakeCampaigns campaigns_{door_};
    FakeChannels channels_{door_};
    FakeFlows flows_{door_};
    std::string out_;
    std::string err_;
};

TEST_F(CommandLine, AnAuditOfOperatorsShowsWhoChangedWhatFromOutside) {
    for (const auto* itself : {"service:payment", "provider:meta", "dispatcher:0", "timer",
                               "policy:send_again", "freezer", "pacer", "system", ""})
        log_.add(1, itself, "c0", "MessageReceived");
    log_.add(10, "operator:ann", "c1", "TenantRegistered");
    log_.add(10, "operator:ann", "c1", "ChannelConnected");
    log_.add(20, "user:bob", "c2", "TenantSuspended", "soko");
    auto& meta = *log_.events.back().mutable_meta();
    meta.set_role("admin");
    meta.set_source_address("2001:db8::7");
    meta.set_reason("unpaid, twice");
    log_.add(30, "key:7", "c3", "MessageQueued");
    log_.add(31, "provider:meta", "c4", "StatusReported");
    log_.add(40, "spiffe-ci", "c5", "TenantResumed", "soko");
    ASSERT_EQ(run({"audit", "operators", "-s", "gateway", "-o", "csv"}), kOk) << err_;
    EXPECT_EQ(
        out_,
        "time,actor,role,from,tenant,events,stream,place,what,why\n"
        "1970-01-01 00:00:10.000,operator:ann,,,duka,\"TenantRegistered, "
        "ChannelConnected\",duka/tenant/duka,gateway/0/10,,\n"
        "1970-01-01 00:00:20.000,user:bob,admin,2001:db8::7,soko,TenantSuspended,soko/tenant/soko,"
        "gateway/0/12,,\"unpaid, twice\"\n"
        "1970-01-01 00:00:30.000,key:7,,,duka,MessageQueued,duka/tenant/duka,gateway/0/13,,\n"
        "1970-01-01 00:00:40.000,spiffe-ci,,,soko,TenantResumed,soko/tenant/soko,gateway/0/15,,"
        "\n");
    const auto shown = [&](std::vector<std::string> options) {
        options.insert(options.begin(), {"audit", "operators", "-s", "gateway", "-o", "jsonl"});
        EXPECT_EQ(run(options), kOk) << err_;
        return std::ranges::count(out_, '\n');
    };
    EXPECT_EQ(shown({"--actor", "user:"}), 1);
    EXPECT_NE(out_.find(R"("actor":"user:bob")"), std::string::npos);
    EXPECT_NE(
        out_.find(R"("role":"admin","source_address":"2001:db8::7","reason":"unpaid, twice")"),
        std::string::npos);
    EXPECT_EQ(shown({"--tenant", "soko"}), 2);
    EXPECT_EQ(shown({"--since", "1970-01-01 00:00:20", "--until", "1970-01-01T00:00:40Z"}), 2);
    EXPECT_EQ(shown({"--limit", "1"}), 1);
    EXPECT_NE(err_.find("the last 1 of 4 changes"), std::string::npos);
    EXPECT_NE(out_.find("spiffe-ci"), std::string::npos);
    EXPECT_EQ(run({"audit", "operators", "--since", "yesterday"}), kUsage);
}

TEST_F(CommandLine, DataKeysAreWrappedAgainUntilNoneIsLeft) {
    data_keys_.left = 250;
    ASSERT_EQ(run({"data-keys", "rewrap", "-s", "gateway"}), kOk) << err_;
    EXPECT_EQ(data_keys_.callers.size(), 3U);
    EXPECT_NE(err_.find("gateway: 100 wrapped again under local:new, 150 left"), std::string::npos);
    EXPECT_NE(err_.find("gateway: 250 wrapped again under local:new, 0 left"), std::string::npos);
    // Again there is nothing to do, which is as good.
    EXPECT_EQ(run({"data-keys", "rewrap", "-s", "gateway"}), kOk);
    data_keys_.left = 3;
    data_keys_.opens = false;
    EXPECT_NE(run({"data-keys", "rewrap", "-s", "gateway"}), kOk);
    EXPECT_NE(err_.find("3 are wrapped under local:old, which the service was not given"),
              std::string::npos);
    EXPECT_EQ(run({"data-keys", "status", "-o", "csv"}), kPartial);
    EXPECT_EQ(out_,
              "service,wrapped_under,data_keys,opens,wraps\n"
              "gateway,local:old,3,NO,\ngateway,local:new,0,yes,now\n");
    EXPECT_NE(err_.find("payment does not tell: PAYMENT_GRPC is not set"), std::string::npos);
    EXPECT_EQ(run({"data-keys", "rewrap", "-s", "campaign"}), kUsage);
}

TEST_F(CommandLine, ATokenIsShownInsteadOfAKey) {
    EXPECT_EQ(run({"--token", input("ann.e30.e30\n"), "data-keys", "rewrap", "-s", "gateway"}), kOk)
        << err_;
    EXPECT_EQ(data_keys_.callers.back(), "user:ann");
    EXPECT_EQ(run({"--token", input("bob.e30.e30\n"), "data-keys", "rewrap", "-s", "gateway"}),
              kUnexpected);
    EXPECT_NE(err_.find("the token has expired"), std::string::npos);
    EXPECT_EQ(run({"--token", input("\n"), "data-keys", "rewrap", "-s", "gateway"}), kUsage);
    EXPECT_NE(err_.find("is no token"), std::string::npos);
    EXPECT_EQ(run({"--token", "/nowhere", "data-keys", "rewrap", "-s", "gateway"}), kUsage);
}

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

TEST_F(CommandLine, ARequestIsMadeOfFieldsAndOfAFileAndTheLineCountsMost) {
    EXPECT_EQ(run({"campaigns", "create", "--tenant", "demo", "display_name=May",
                   "body=Hello {{name}}", "audience.kind=tag", "audience.values=vip,new",
                   "per_second=20", "start_time=2023-11-14 22:13:20", "--request-id", "r-1"}),
              kOk);
    ASSERT_EQ(campaigns_.created.size(), 1U);
    const auto& fields = campaigns_.created.back();
    EXPECT_EQ(fields.parent(), "tenants/demo");
    EXPECT_EQ(fields.body(), "Hello {{name}}");
    EXPECT_THAT(fields.audience().values(), ElementsAre("vip", "new"));
    EXPECT_EQ(fields.per_second(), 20);
    EXPECT_EQ(fields.start_time().seconds(), 1'700'000'000);
    EXPECT_EQ(fields.request_id(), "r-1");
    EXPECT_THAT(out_, AllOf(HasSubstr("tenants/demo/campaigns/7"), HasSubstr("audience kind"),
                            HasSubstr("2023-11-14 22:13:20")));

    const auto file = input(
        R"({"parent": "tenants/other", "displayName": "June", "body": "Hi", "startImmediately": true})");
    EXPECT_EQ(run({"campaigns", "create", "--tenant", "demo", "--file", file, "display_name=July"}),
              kOk);
    ASSERT_EQ(campaigns_.created.size(), 2U);
    EXPECT_EQ(campaigns_.created.back().parent(), "tenants/demo");
    EXPECT_EQ(campaigns_.created.back().display_name(), "July");
    EXPECT_TRUE(campaigns_.created.back().start_immediately());

    for (const auto* wrong : {"nonsense=1", "per_second=many", "start_immediately=perhaps",
                              "start_time=tomorrow", "audience=all"}) {
        EXPECT_EQ(run({"campaigns", "create", "--tenant", "demo", wrong}), kUsage) << wrong;
        EXPECT_THAT(err_, Not(IsEmpty())) << wrong;
    }
    EXPECT_EQ(run({"campaigns", "create", "--tenant", "demo", "--file", input("{\"body\": 1")}),
              kUsage);
    EXPECT_THAT(err_, HasSubstr("CreateCampaignRequest"));
    EXPECT_EQ(run({"campaigns", "create", "--tenant", "demo", "--file", "/nowhere"}), kUsage);
    EXPECT_THAT(err_, HasSubstr("cannot read /nowhere"));
    EXPECT_EQ(campaigns_.created.size(), 2U);
}

TEST_F(CommandLine, ADryRunShowsWhatItIsAboutAndChangesNothing) {
    EXPECT_EQ(run({"campaigns", "cancel", "demo/7", "--reason", "wrong text", "--dry-run"}), kOk);
    EXPECT_THAT(out_, AllOf(HasSubstr("RUNNING"), HasSubstr("1200")));
    EXPECT_THAT(err_, HasSubstr("nothing was changed"));
    EXPECT_TRUE(campaigns_.cancelled.empty());

    EXPECT_EQ(run({"campaigns", "cancel", "demo/7", "--reason", "wrong text"}), kOk);
    ASSERT_EQ(campaigns_.cancelled.size(), 1U);
    EXPECT_EQ(campaigns_.cancelled.back().name(), "tenants/demo/campaigns/7");
    EXPECT_EQ(campaigns_.cancelled.back().reason(), "wrong text");
    EXPECT_THAT(out_, HasSubstr("CANCELLED"));
}

TEST_F(CommandLine, AServiceThatCanCheckIsAskedToCheckInADryRun) {
    const auto file = input("{\"flows\": []}\n");
    EXPECT_EQ(run({"flows", "publish", "--tenant", "demo", "--key", "own", "--document", file,
                   "--dry-run"}),
              kOk);
    ASSERT_EQ(flows_.published.size(), 1U);
    EXPECT_TRUE(flows_.published.back().validate_only());
    EXPECT_EQ(flows_.published.back().document_json(), "{\"flows\": []}");
    EXPECT_EQ(run({"flows", "publish", "--tenant", "demo", "--key", "own", "--document", file}),
              kOk);
    EXPECT_FALSE(flows_.published.back().validate_only());
}

TEST_F(CommandLine, ASecretComesFromAFileAndIsNotShown) {
    const auto file = input("EAAG-secret\n");
    EXPECT_EQ(run({"channels", "rotate", "demo/7", "--token-file", file}), kOk);
    ASSERT_EQ(channels_.rotated.size(), 1U);
    EXPECT_EQ(channels_.rotated.back().credentials().access_token(), "EAAG-secret");
    EXPECT_THAT(out_ + err_, Not(HasSubstr("EAAG")));
    EXPECT_EQ(run({"channels", "rotate", "demo/7"}), kUsage) << "the token is required";
    EXPECT_EQ(run({"channels", "connect", "--tenant", "demo", "--token-file", file,
                   "channel.credentials.access_token=EAAG-typed"}),
              kUsage);
    EXPECT_EQ(run({"accounts", "connect", "--tenant", "demo", "mpesa.passkey=EAAG-typed"}), kUsage);
    EXPECT_THAT(err_, AllOf(HasSubstr("mpesa.passkey is a secret"), Not(HasSubstr("EAAG"))));

    EXPECT_EQ(run({"tenants", "register", "tenant_id=duka", "settings.name=Duka",
                   "settings.quiet_hours.start_minute=1200", "channel.external_id=1001",
                   "--token-file", file}),
              kOk);
    ASSERT_EQ(tenants_.registered.size(), 1U);
    const auto& request = tenants_.registered.back();
    EXPECT_EQ(request.settings().quiet_hours().start_minute(), 1200);
    EXPECT_EQ(request.channel().credentials().access_token(), "EAAG-secret");
    EXPECT_THAT(out_, HasSubstr("tenants/duka"));
}

TEST_F(CommandLine, AListGoesOnToItsLimitAndHasEveryForm) {
    campaigns_.more = true;
    EXPECT_EQ(run({"campaigns", "list", "--tenant", "demo", "--state", "running"}), kOk);
    ASSERT_EQ(campaigns_.lists.size(), 2U);
    EXPECT_EQ(campaigns_.lists.front().state(), "RUNNING");
    EXPECT_EQ(campaigns_.lists.back().page_token(), "second");
    EXPECT_THAT(out_, AllOf(HasSubstr("CAMPAIGN"), HasSubstr("May"), HasSubstr("1200")));

    EXPECT_EQ(run({"campaigns", "list", "--tenant", "demo", "-n", "1", "-o", "csv"}), kOk);
    EXPECT_EQ(campaigns_.lists.back().page_size(), 1);
    EXPECT_EQ(out_,
              "campaign,name,state,reason,audience,starts,ended\n"
              "3,May,RUNNING,,1200,2023-11-14 22:13:20,\n");
    EXPECT_THAT(err_, HasSubstr("there are more"));
    EXPECT_EQ(run({"campaigns", "list", "--tenant", "demo", "-n", "1", "-o", "jsonl"}), kOk);
    EXPECT_THAT(out_, HasSubstr(R"("name":"tenants/demo/campaigns/4")"));
}

TEST_F(CommandLine, AWatchAppendsWhatIsNewUntilItIsInterrupted) {
    campaigns_.looks_until_interrupt = 2;
    EXPECT_EQ(
        run({"campaigns", "list", "--tenant", "demo", "--watch", "--every", "1", "-o", "jsonl"}),
        kInterrupted);
    EXPECT_EQ(campaigns_.lists.size(), 2U);
    EXPECT_THAT(out_, AllOf(HasSubstr("campaigns/1"), HasSubstr("campaigns/2")));
    EXPECT_THAT(out_, Not(HasSubstr("\033"))) << "no terminal, nothing to draw";

    EXPECT_EQ(run({"conversations", "get", "nobody/7", "--watch"}), kUnexpected)
        << "what cannot be read the first time ends it";
    EXPECT_EQ(run({"campaigns", "cancel", "demo/7", "--watch"}), kUsage);
}

// --- The table of commands.

const google::protobuf::FieldDescriptor* field_at(const google::protobuf::Descriptor* type,
                                                  const std::string& path) {
    const auto dot = path.find('.');
    const auto* field = type->FindFieldByName(path.substr(0, dot));
    return dot == std::string::npos || !field
               ? field
               : field_at(field->message_type(), path.substr(dot + 1));
}

void expect_method(const Method& call) {
    const auto& package = call.request->GetDescriptor()->file()->package();
    auto path = call.path;
    path[path.find('/')] = '.';
    const auto* method =
        google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(package + "." + path);
    ASSERT_NE(method, nullptr) << call.path;
    EXPECT_EQ(method->input_type(), call.request->GetDescriptor()) << call.path;
    EXPECT_EQ(method->output_type(), call.answer->GetDescriptor()) << call.path;
}

TEST(Verbs, NameMethodsAndFieldsThatThereAre) {
    for (const auto& verb : verbs()) {
        SCOPED_TRACE(verb.group + " " + verb.name);
        expect_method(verb.call);
        if (verb.look) expect_method(*verb.look);
        const auto* request = verb.call.request->GetDescriptor();
        for (const auto& option : verb.options)
            EXPECT_NE(field_at(request, option.path), nullptr) << option.path;
        const auto* answer =
            (verb.look && !verb.columns.empty() ? *verb.look : verb.call).answer->GetDescriptor();
        if (verb.columns.empty()) continue;
        const google::protobuf::Descriptor* item = nullptr;
        for (int i = 0; i < answer->field_count() && !item; ++i)
            if (answer->field(i)->is_repeated()) item = answer->field(i)->message_type();
        ASSERT_NE(item, nullptr);
        for (const auto& column : verb.columns)
            EXPECT_NE(field_at(item, column.path), nullptr) << column.path;
    }
}

// What cannot be taken back can be looked at first.
TEST(Verbs, WhatEndsOrStopsSomethingHasADryRun) {
    for (const auto& verb : verbs()) {
        const bool ends = verb.name == "cancel" || verb.name == "close" || verb.name == "suspend" ||
                          verb.name == "delete" || verb.name == "withdraw" ||
                          verb.name == "revoke" || verb.name == "pause" || verb.name == "rotate" ||
                          verb.name == "start";
        EXPECT_TRUE(!ends || verb.look) << verb.group << " " << verb.name;
    }
}

TEST(Verbs, EveryMethodOfTheApisHasACommand) {
    std::set<std::string> known{
        // resources.cc
        "TenantService/ListTenants", "TenantService/GetTenant",
        "TenantService/UpdateTenantSettings", "ConversationService/ListConversations",
        "ConversationService/GetConversation", "ConversationService/ListHistory",
        "MessageService/ListMessages", "MessageService/GetMessage",
        "MessageService/ListDeadLetters", "MessageService/RetryMessage",
        "MessageService/DiscardMessage", "PaymentService/ListPayments", "PaymentService/GetPayment",
        "PaymentService/ResolvePayment", "OrderService/ListOrders", "OrderService/GetOrder",
        // channels.cc
        "ChannelService/ListChannels", "ChannelService/GetChannel",
        "ChannelService/GetChannelDispatch",
        // webhooks.cc
        "WebhookService/ListWebhooks", "WebhookService/GetWebhook", "WebhookService/RereadWebhooks",
        // Asked by our services, of keys that people keep to themselves.
        "TenantService/FindApiKey"};
    std::set<const google::protobuf::FileDescriptor*> files{
        gateway::v1::Webhook::descriptor()->file(), payment::v1::Order::descriptor()->file()};
    for (const auto& verb : verbs()) {
        known.insert(verb.call.path);
        files.insert(verb.call.request->GetDescriptor()->file());
    }
    int methods = 0;
    for (const auto* file : files)
        for (int s = 0; s < file->service_count(); ++s)
            for (int m = 0; m < file->service(s)->method_count(); ++m, ++methods)
                EXPECT_TRUE(known.contains(file->service(s)->name() + "/" +
                                           file->service(s)->method(m)->name()))
                    << file->service(s)->method(m)->full_name() << " has no command";
    EXPECT_GT(methods, 60);
}

TEST_F(CommandLine, TheManualAndTheCompletionNameEveryCommand) {
    EXPECT_EQ(run({"manual"}), kOk);
    const auto manual = out_;
    EXPECT_THAT(manual, AllOf(HasSubstr(".TH FLOWCTL 1"), HasSubstr(".SH \"EXIT STATUS\"")));
    EXPECT_EQ(run({"completion", "bash"}), kOk);
    const auto bash = out_;
    const auto in_roff = [](const std::string& word) {
        std::string text;
        for (const char c : word) text += c == '-' ? "\\-" : std::string(1, c);
        return text;
    };
    for (const auto& verb : verbs()) {
        EXPECT_THAT(manual, HasSubstr(".B flowctl " + in_roff(verb.group + " " + verb.name)));
        EXPECT_THAT(bash, HasSubstr("'" + verb.group + " " + verb.name + "') words="));
    }
}

}  // namespace
}  // namespace flowstack::flowctl
