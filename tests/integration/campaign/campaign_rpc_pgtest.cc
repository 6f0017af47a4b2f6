#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "common/core/clock.h"
#include "common/observability/metrics.h"
#include "common/postgres/session.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/read_position.h"
#include "common/rpc/server.h"
#include "common/service/tenant_view.h"
#include "flowstack/campaign/v1/campaign_service.grpc.pb.h"
#include "flowstack/campaign/v1/views.pb.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "services/campaign/adapters/codec.h"
#include "services/campaign/adapters/derive.h"
#include "services/campaign/adapters/projections.h"
#include "services/campaign/adapters/rpc.h"
#include "services/campaign/adapters/streams.h"
#include "tests/support/fake_contacts.h"
#include "tests/support/fake_tenants.h"
#include "tests/support/test_database.h"

namespace flowstack::campaign {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using Stub = v1::CampaignService::Stub;

constexpr Time kNow = from_unix_seconds(1'750'000'000);
constexpr auto kOk = common::v1::ERROR_REASON_UNSPECIFIED;

class CampaignService : public ::testing::Test {
protected:
    CampaignService() {
        service::TenantView tenant;
        tenant.set_status(common::v1::TENANT_STATUS_ACTIVE);
        store.pool().with([&](postgres::Session& s) {
            return s.query(
                "insert into read_model (tenant, kind, id, sort_at, lane, position, body) values "
                "('duka', $1, 'duka', now(), 0, 1, $2)",
                postgres::Params()
                    .add(service::kTenantDocument)
                    .add_bytes(tenant.SerializeAsString()));
        });
        door.add(*service, kCampaignServiceName);
        door.start();
        stub = v1::CampaignService::NewStub(
            rpc::make_channel("127.0.0.1:" + std::to_string(door.port()), {.attempts_max = 1}));
    }
    ~CampaignService() override { door.drain(std::chrono::milliseconds{0}); }

    template <class Request, class Answer>
    rpc::ErrorReason call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                       Answer*),
                          const Request& request, Answer& answer) {
        grpc::ClientContext context;
        rpc::set_timeout(context, seconds{20});
        failure = rpc::failure_of((*stub.*method)(&context, request, &answer));
        return failure ? failure->reason : kOk;
    }
    v1::CreateCampaignRequest new_year() {
        v1::CreateCampaignRequest request;
        request.set_parent("tenants/duka");
        request.set_display_name("New year");
        request.set_body("Happy New Year {{name}}!");
        return request;
    }
    auto create(const v1::CreateCampaignRequest& request) {
        return call(&Stub::CreateCampaign, request, campaign);
    }
    // Start, Pause, Resume, Cancel.
    template <class Request>
    auto change(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, v1::Campaign*),
                const std::string& request_id = "") {
        Request request;
        request.set_name(campaign.name());
        request.set_request_id(request_id);
        return call(method, request, campaign);
    }
    std::string field() {
        return failure && !failure->fields.empty() ? failure->fields[0].field : "";
    }

    testing::TestDatabase database{4, "campaign"};
    eventlog::Store store{
        {.service = "campaign", .database_url = database.service_url(), .lanes = 4}, derive};
    eventlog::ReadModel read_model{store, "key"};
    ManualClock clock{kNow};
    IdSource ids{clock};
    testing::FakeTenants tenants;
    testing::FakeContacts contacts;
    metrics::Registry registry;
    rpc::Server door{{.deadline_required = true}};
    std::shared_ptr<grpc::Service> service =
        make_campaign_rpc({door, store, read_model, tenants, contacts, clock, ids, registry});
    std::unique_ptr<Stub> stub;
    v1::Campaign campaign;
    std::optional<rpc::Failure> failure;
};

TEST_F(CampaignService, GoesThroughItsStates) {
    ASSERT_EQ(create(new_year()), kOk) << failure->message;
    EXPECT_EQ(campaign.state(), "DRAFT");
    EXPECT_EQ(campaign.type(), "PROMOTIONAL");
    EXPECT_EQ(campaign.audience().kind(), "all");
    EXPECT_EQ(campaign.default_name(), "there");
    EXPECT_EQ(change(&Stub::PauseCampaign), common::v1::ERROR_REASON_WRONG_STATE);
    EXPECT_EQ(failure->metadata["state"], "DRAFT");
    EXPECT_EQ(change(&Stub::ResumeCampaign), common::v1::ERROR_REASON_WRONG_STATE);
    ASSERT_EQ(change(&Stub::StartCampaign), kOk);
    EXPECT_EQ(campaign.state(), "RUNNING");
    ASSERT_EQ(change(&Stub::PauseCampaign), kOk);
    EXPECT_EQ(campaign.state(), "PAUSED");
    ASSERT_EQ(change(&Stub::ResumeCampaign), kOk);
    ASSERT_EQ(change(&Stub::CancelCampaign), kOk);
    EXPECT_EQ(campaign.state(), "CANCELLED");
    for (const auto refused : {change(&Stub::StartCampaign), change(&Stub::PauseCampaign),
                               change(&Stub::ResumeCampaign)}) {
        EXPECT_EQ(refused, common::v1::ERROR_REASON_WRONG_STATE);
        EXPECT_EQ(failure->metadata["state"], "CANCELLED");
    }
}

TEST_F(CampaignService, ListsSayUpToWhichEventsTheyAreComplete) {
    postgres::Session admin({.url = database.admin_url()});
    admin.run(
        "insert into cursors (consumer, source, lane, position) values "
        "('campaign', 'gateway', 1, 33), ('campaign', 'gateway', 0, 120), "
        "('campaign', 'campaign', 0, 7), ('other', 'gateway', 0, 1)");
    v1::ListCampaignsRequest request;
    request.set_parent("tenants/duka");
    v1::ListCampaignsResponse page;
    grpc::ClientContext context;
    rpc::set_timeout(context, seconds{20});
    ASSERT_TRUE(stub->ListCampaigns(&context, request, &page).ok());
    const auto& metadata = context.GetServerInitialMetadata();
    ASSERT_EQ(metadata.count(rpc::kReadPositionHeader), 1U);
    EXPECT_EQ(metadata.find(rpc::kReadPositionHeader)->second, "campaign=0:7;gateway=0:120,1:33");
}

TEST_F(CampaignService, TakesAListOfCustomersByIdAndByPhone) {
    const auto know = [&](const std::string& id, const std::string& phone,
                          const std::string& merged_into = "") {
        v1::ContactView contact;
        contact.set_customer_id(id);
        contact.set_phone(phone);
        contact.set_merged_into(merged_into);
        store.pool().with([&](postgres::Session& s) {
            return s.query(
                "insert into read_model (tenant, kind, id, parent, sort_at, lane, position, body) "
                "values ('duka', $1, $2, $3, now(), 0, 1, $4)",
                postgres::Params()
                    .add(kContactDocument)
                    .add(id)
                    .add(phone)
                    .add_bytes(contact.SerializeAsString()));
        });
    };
    know("amina", "+254700000001");
    know("baraka", "+254700000002");
    know("old-baraka", "", "baraka");
    auto request = new_year();
    request.mutable_audience()->set_kind("list");
    for (const auto* value : {"+254700000002", "amina", "old-baraka", "amina"})
        request.mutable_audience()->add_values(value);
    ASSERT_EQ(create(request), kOk) << failure->message;
    EXPECT_EQ(std::vector<std::string>(campaign.audience().values().begin(),
                                       campaign.audience().values().end()),
              (std::vector<std::string>{"amina", "baraka"}));
    request.mutable_audience()->set_values(1, "+254799999999");
    EXPECT_EQ(create(request), common::v1::ERROR_REASON_FIELD_INVALID);
    EXPECT_EQ(field(), "audience.values[1]");

    // Of whom it has not read yet: gateway knows, by phone or by id.
    contacts.know("duka", "+254799999999").set_customer_id("chausiku");
    contacts.know("duka", "old-amina").set_merged_into("amina");
    request.mutable_audience()->set_values(0, "old-amina");
    ASSERT_EQ(create(request), kOk) << failure->message;
    EXPECT_EQ(std::vector<std::string>(campaign.audience().values().begin(),
                                       campaign.audience().values().end()),
              (std::vector<std::string>{"amina", "baraka", "chausiku"}));
    request.mutable_audience()->set_values(0, "+254788888888");
    contacts.away = true;
    EXPECT_EQ(create(request), common::v1::ERROR_REASON_STORE_UNAVAILABLE);
}

TEST_F(CampaignService, GivesARepeatItsFirstAnswerEvenAfterTheStateMovedOn) {
    auto request = new_year();
    request.set_request_id("r1");
    request.set_start_immediately(true);
    ASSERT_EQ(create(request), kOk);
    EXPECT_EQ(campaign.state(), "RUNNING");
    const auto id = campaign.campaign_id();
    ASSERT_EQ(change(&Stub::PauseCampaign, "r2"), kOk);
    ASSERT_EQ(change(&Stub::CancelCampaign), kOk);
    ASSERT_EQ(change(&Stub::PauseCampaign, "r2"), kOk);
    EXPECT_EQ(campaign.state(), "PAUSED");  // as it was then
    ASSERT_EQ(create(request), kOk);
    EXPECT_EQ(campaign.campaign_id(), id);
    EXPECT_EQ(campaign.etag(), "2");
    request.set_body("Happy Easter {{name}}!");
    EXPECT_EQ(create(request), common::v1::ERROR_REASON_IDEMPOTENCY_KEY_REUSED);
}

TEST_F(CampaignService, IsScheduledForATimeAhead) {
    auto request = new_year();
    request.mutable_start_time()->set_seconds(unix_seconds(kNow + hours{3}));
    ASSERT_EQ(create(request), kOk);
    EXPECT_EQ(campaign.state(), "SCHEDULED");
    EXPECT_EQ(campaign.start_time().seconds(), unix_seconds(kNow + hours{3}));
    request.mutable_start_time()->set_seconds(unix_seconds(kNow - hours{3}));
    EXPECT_EQ(create(request), common::v1::ERROR_REASON_FIELD_INVALID);
    EXPECT_EQ(field(), "start_time");
}

TEST_F(CampaignService, NamesTheFieldThatIsWrong) {
    const auto wrong = [&](auto break_it) {
        auto request = new_year();
        break_it(request);
        EXPECT_EQ(create(request), common::v1::ERROR_REASON_FIELD_INVALID);
        return field();
    };
    EXPECT_EQ(wrong([](auto& r) { r.set_body("Hi {{surname}}"); }), "body");
    EXPECT_EQ(wrong([](auto& r) { r.set_display_name(""); }), "display_name");
    EXPECT_EQ(wrong([](auto& r) { r.set_type("FUN"); }), "type");
    EXPECT_EQ(wrong([](auto& r) { r.mutable_audience()->set_kind("moon"); }), "audience.kind");
    EXPECT_EQ(wrong([](auto& r) { r.mutable_audience()->set_kind("tag"); }), "audience.values");
    EXPECT_EQ(wrong([](auto& r) { r.set_per_second(5000); }), "per_second");
    EXPECT_EQ(wrong([](auto& r) { r.set_parent("tenants/"); }), "parent");
}

TEST_F(CampaignService, KnowsNothingOfOtherTenants) {
    auto request = new_year();
    request.set_parent("tenants/other");
    EXPECT_EQ(create(request), common::v1::ERROR_REASON_NOT_FOUND);
    ASSERT_EQ(create(new_year()), kOk);
    campaign.set_name("tenants/other/campaigns/" + campaign.campaign_id());
    EXPECT_EQ(change(&Stub::StartCampaign), common::v1::ERROR_REASON_NOT_FOUND);
}

TEST_F(CampaignService, AsksGatewayForATenantOfWhichItHasNotReadYet) {
    auto request = new_year();
    request.set_parent("tenants/fresh");
    tenants.away = true;
    EXPECT_EQ(create(request), common::v1::ERROR_REASON_STORE_UNAVAILABLE);
    tenants.away = false;
    tenants.all["fresh"].set_status("ACTIVE");
    EXPECT_EQ(create(request), kOk);
    tenants.all["shut"].set_status("CLOSED");
    request.set_parent("tenants/shut");
    EXPECT_EQ(create(request), common::v1::ERROR_REASON_TENANT_CLOSED);
}

TEST_F(CampaignService, MetricsSumToTheAudience) {
    ASSERT_EQ(create(new_year()), kOk);
    v1::GetCampaignMetricsRequest request;
    request.set_name(campaign.name());
    v1::CampaignMetrics metrics;
    ASSERT_EQ(call(&Stub::GetCampaignMetrics, request, metrics), kOk);
    EXPECT_EQ(metrics.state(), "DRAFT");
    ASSERT_EQ(change(&Stub::StartCampaign), kOk);

    const CampaignId id(campaign.campaign_id());
    std::int64_t version = 0;
    const auto happen = [&](const ShardEvent& event) {
        eventlog::Command command;
        command.id = "c" + std::to_string(version);
        command.tenant = "duka";
        command.meta.routing = shard_routing(2);
        command.parts.push_back({shard_stream("duka", id, 2), version++, {encode(event, kNow)}});
        ASSERT_TRUE(store.append(command).accepted());
    };
    const CustomerId a("a");
    const CustomerId b("b");
    happen(MembersFrozen{
        .campaign_id = id,
        .chunk = 0,
        .members = {{.customer_id = a, .name = "", .suppressed = ""},
                    {.customer_id = b, .name = "", .suppressed = ""},
                    {.customer_id = CustomerId("c"), .name = "", .suppressed = "opted_out"}},
        .last = true,
        .lane_total = 3,
        .source_position = 0});
    happen(SendAsked{.campaign_id = id, .customer_ids = {a, b}, .round = 0});
    happen(DispositionChanged{
        .campaign_id = id, .customer_id = a, .disposition = Disposition::read, .reason = ""});
    ASSERT_EQ(call(&Stub::GetCampaignMetrics, request, metrics), kOk);
    EXPECT_EQ(metrics.audience(), 3);
    EXPECT_EQ(metrics.read(), 1);
    EXPECT_EQ(metrics.queued(), 1);
    EXPECT_EQ(metrics.suppressed(), 1);
    EXPECT_EQ(metrics.opted_out(), 1);
    EXPECT_EQ(metrics.waiting() + metrics.queued() + metrics.sent() + metrics.delivered() +
                  metrics.read() + metrics.replied() + metrics.suppressed() + metrics.failed() +
                  metrics.unknown() + metrics.cancelled(),
              metrics.audience());
}

}  // namespace
}  // namespace flowstack::campaign
