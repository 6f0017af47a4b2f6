#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "common/core/clock.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/server.h"
#include "common/service/tenant_view.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/followup/v1/task_service.grpc.pb.h"
#include "flowstack/followup/v1/views.pb.h"
#include "services/followup/adapters/derive.h"
#include "services/followup/adapters/projections.h"
#include "services/followup/adapters/rpc.h"
#include "services/followup/adapters/streams.h"
#include "tests/support/fake_contacts.h"
#include "tests/support/fake_tenants.h"
#include "tests/support/test_database.h"

namespace flowstack::followup {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr Time kNow = from_unix_seconds(1'750'000'000);

class TaskService : public ::testing::Test {
protected:
    TaskService() {
        service::TenantView tenant;
        tenant.set_status(common::v1::TENANT_STATUS_ACTIVE);
        know(service::kTenantDocument, "duka", tenant.SerializeAsString());
        v1::CustomerView customer;
        customer.set_customer_id("amina");
        customer.set_channel_id("channel-1");
        know(kCustomerDocument, "amina", customer.SerializeAsString());
        door.add(*service, kTaskServiceName);
        door.start();
        stub = v1::TaskService::NewStub(
            rpc::make_channel("127.0.0.1:" + std::to_string(door.port()), {.attempts_max = 1}));
    }
    ~TaskService() override { door.drain(std::chrono::milliseconds{0}); }

    void know(const std::string& kind, const std::string& id, const std::string& body) {
        store.pool().with([&](postgres::Session& s) {
            return s.query(
                "insert into read_model (tenant, kind, id, sort_at, lane, position, body) values "
                "('duka', $1, $2, now(), 0, 1, $3)",
                postgres::Params().add(kind).add(id).add_bytes(body));
        });
    }

    v1::CreateTaskRequest cake() {
        v1::CreateTaskRequest request;
        request.set_parent("tenants/duka");
        request.set_customer_id("amina");
        request.set_text("Your cake is ready.");
        request.mutable_due_time()->set_seconds(unix_seconds(kNow + hours{1}));
        request.set_request_id("r1");
        return request;
    }

    template <class Request, class Answer>
    rpc::ErrorReason call(grpc::Status (v1::TaskService::Stub::*method)(grpc::ClientContext*,
                                                                        const Request&, Answer*),
                          const Request& request, Answer& answer) {
        grpc::ClientContext context;
        rpc::set_timeout(context, seconds{20});
        const auto status = (*stub.*method)(&context, request, &answer);
        failure = rpc::failure_of(status);
        return failure ? failure->reason : common::v1::ERROR_REASON_UNSPECIFIED;
    }
    auto create(const v1::CreateTaskRequest& request) {
        return call(&v1::TaskService::Stub::CreateTask, request, task);
    }
    auto get(const std::string& name) {
        v1::GetTaskRequest request;
        request.set_name(name);
        return call(&v1::TaskService::Stub::GetTask, request, task);
    }
    auto cancel(const std::string& name, const std::string& etag = "") {
        v1::CancelTaskRequest request;
        request.set_name(name);
        request.set_etag(etag);
        return call(&v1::TaskService::Stub::CancelTask, request, task);
    }
    std::string field() {
        return failure && !failure->fields.empty() ? failure->fields[0].field : "";
    }

    testing::TestDatabase database{4, "followup"};
    eventlog::Store store{
        {.service = "followup", .database_url = database.service_url(), .lanes = 4}, derive};
    eventlog::ReadModel read_model{store, "key"};
    ManualClock clock{kNow};
    IdSource ids{clock};
    testing::FakeTenants tenants;
    testing::FakeContacts contacts;
    rpc::Server door{{.deadline_required = true}};
    std::shared_ptr<grpc::Service> service =
        make_task_rpc({door, store, read_model, tenants, contacts, clock, ids});
    std::unique_ptr<v1::TaskService::Stub> stub;
    v1::Task task;
    std::optional<rpc::Failure> failure;
};

constexpr auto kOk = common::v1::ERROR_REASON_UNSPECIFIED;

TEST_F(TaskService, SchedulesAMessageAndYouReadYourOwnWrite) {
    ASSERT_EQ(create(cake()), kOk) << failure->message;
    EXPECT_EQ(task.state(), "SCHEDULED");
    EXPECT_EQ(task.kind(), "custom");
    EXPECT_EQ(task.channel_id(), "channel-1");
    EXPECT_EQ(task.etag(), "1");
    const auto name = task.name();
    ASSERT_EQ(get(name), kOk);
    EXPECT_EQ(task.text(), "Your cake is ready.");
    EXPECT_EQ(task.due_time().seconds(), unix_seconds(kNow + hours{1}));
}

TEST_F(TaskService, GivesARepeatItsFirstAnswerAlsoWhenItsTimeHasPassed) {
    ASSERT_EQ(create(cake()), kOk);
    const auto first = task.task_id();
    clock.advance(hours{5});
    ASSERT_EQ(create(cake()), kOk);
    EXPECT_EQ(task.task_id(), first);
    auto other = cake();
    other.set_text("Your bread is ready.");
    EXPECT_EQ(create(other), common::v1::ERROR_REASON_IDEMPOTENCY_KEY_REUSED);
}

TEST_F(TaskService, NamesTheFieldThatIsWrong) {
    auto request = cake();
    request.set_customer_id("nobody");
    EXPECT_EQ(create(request), common::v1::ERROR_REASON_FIELD_INVALID);
    EXPECT_EQ(field(), "customer_id");
    request = cake();
    request.set_kind("gentle");
    create(request);
    EXPECT_EQ(field(), "kind");
    request = cake();
    request.clear_due_time();
    create(request);
    EXPECT_EQ(field(), "due_time");
    request = cake();
    request.mutable_due_time()->set_seconds(unix_seconds(kNow - hours{1}));
    create(request);
    EXPECT_EQ(field(), "due_time");
    request = cake();
    request.set_parent("duka");
    create(request);
    EXPECT_EQ(field(), "parent");
    get("tenants/duka/tasks/");
    EXPECT_EQ(field(), "name");
}

TEST_F(TaskService, TakesTheWordsOfOlderSystems) {
    auto request = cake();
    request.set_kind("PAYMENT_DUE");
    ASSERT_EQ(create(request), kOk);
    EXPECT_EQ(task.kind(), "payment_due");
}

TEST_F(TaskService, KnowsNothingOfOtherTenants) {
    auto request = cake();
    request.set_parent("tenants/other");
    EXPECT_EQ(create(request), common::v1::ERROR_REASON_NOT_FOUND);
    ASSERT_EQ(create(cake()), kOk);
    EXPECT_EQ(get("tenants/other/tasks/" + task.task_id()), common::v1::ERROR_REASON_NOT_FOUND);
}

TEST_F(TaskService, AsksGatewayForATenantOfWhichItHasNotReadYet) {
    auto request = cake();
    request.set_parent("tenants/fresh");
    tenants.away = true;
    EXPECT_EQ(create(request), common::v1::ERROR_REASON_STORE_UNAVAILABLE);
    tenants.away = false;
    tenants.all["fresh"].set_status("ACTIVE");
    // The tenant is there, and amina is a customer of another one.
    EXPECT_EQ(create(request), common::v1::ERROR_REASON_FIELD_INVALID);
    EXPECT_EQ(field(), "customer_id");
    tenants.all["shut"].set_status("CLOSED");
    request.set_parent("tenants/shut");
    EXPECT_EQ(create(request), common::v1::ERROR_REASON_TENANT_CLOSED);
}

TEST_F(TaskService, AsksGatewayForACustomerOfWhomItHasNotReadYet) {
    auto request = cake();
    request.set_customer_id("fresh");
    contacts.away = true;
    EXPECT_EQ(create(request), common::v1::ERROR_REASON_STORE_UNAVAILABLE);
    contacts.away = false;
    contacts.know("other", "fresh");
    EXPECT_EQ(create(request), common::v1::ERROR_REASON_FIELD_INVALID);
    contacts.know("duka", "fresh").set_channel_id("channel-2");
    ASSERT_EQ(create(request), kOk) << failure->message;
    EXPECT_EQ(task.customer_id(), "fresh");
    EXPECT_EQ(task.channel_id(), "channel-2");
}

TEST_F(TaskService, CancelsATaskOnceAndAnswersEveryRepeat) {
    ASSERT_EQ(create(cake()), kOk);
    const auto name = task.name();
    EXPECT_EQ(cancel(name, "7"), common::v1::ERROR_REASON_VERSION_MISMATCH);
    ASSERT_EQ(cancel(name, "1"), kOk);
    EXPECT_EQ(task.state(), "CANCELLED");
    EXPECT_EQ(task.reason(), "by_api");
    ASSERT_EQ(cancel(name), kOk);
    EXPECT_EQ(task.etag(), "2");
    EXPECT_EQ(cancel("tenants/duka/tasks/none"), common::v1::ERROR_REASON_NOT_FOUND);
}

TEST_F(TaskService, RefusesToCancelWhatWasSaid) {
    ASSERT_EQ(create(cake()), kOk);
    const auto folded = eventlog::Folds<TaskCodec>(store).load(task_stream("duka", task.task_id()));
    const auto& plan = *plan_of(folded.state.task);
    eventlog::Command fired;
    fired.id = "fired";
    fired.tenant = "duka";
    fired.meta.routing = {eventlog::RoutingKind::customer, "amina"};
    fired.parts.push_back({task_stream("duka", task.task_id()),
                           1,
                           {encode(TaskFired{.task_id = plan.task_id,
                                             .kind = plan.kind,
                                             .customer_id = plan.customer_id,
                                             .conversation_id = plan.conversation_id,
                                             .channel_id = plan.channel_id,
                                             .due = plan.due,
                                             .since = plan.silent_since(),
                                             .language = plan.language,
                                             .text = plan.text,
                                             .template_key = ""},
                                   kNow)}});
    ASSERT_TRUE(store.append(fired).accepted());
    EXPECT_EQ(cancel(task.name()), common::v1::ERROR_REASON_WRONG_STATE);
}

TEST_F(TaskService, RefusesAPageTokenThatIsNotOurs) {
    v1::ListTasksRequest request;
    request.set_parent("tenants/duka");
    v1::ListTasksResponse answer;
    EXPECT_EQ(call(&v1::TaskService::Stub::ListTasks, request, answer), kOk);
    request.set_page_token("bm90IG91cnMgYXQgYWxsLCByZWFsbHk");
    EXPECT_EQ(call(&v1::TaskService::Stub::ListTasks, request, answer),
              common::v1::ERROR_REASON_PAGE_TOKEN_INVALID);
}

}  // namespace
}  // namespace flowstack::followup
