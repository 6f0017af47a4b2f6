#include "services/followup/adapters/task_rpc.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cctype>

#include "common/core/broken_world.h"
#include "common/observability/trace.h"
#include "common/rpc/error.h"
#include "common/rpc/request_id.h"
#include "common/rpc/server.h"
#include "common/service/one_effect.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/followup/v1/task_service.grpc.pb.h"
#include "flowstack/followup/v1/views.pb.h"
#include "services/followup/adapters/handlers.h"
#include "services/followup/adapters/tenants.h"

namespace flowstack::followup {
namespace {

namespace reason = flowstack::common::v1;
constexpr int kDecideAttempts = 3;
constexpr std::size_t kTemplateKeyMax = 128;

std::string tenant_of(const std::string& parent) {
    constexpr std::string_view kPrefix = "tenants/";
    const auto rest = parent.starts_with(kPrefix) ? parent.substr(kPrefix.size()) : "";
    if (rest.empty() || rest.find('/') != std::string::npos)
        throw rpc::invalid_field("parent", "must be tenants/{tenant}");
    return rest;
}

struct TaskName {
    std::string tenant;
    std::string task_id;
};

TaskName task_name(const std::string& name) {
    constexpr std::string_view kTasks = "/tasks/";
    const auto middle = name.find(kTasks);
    if (name.starts_with("tenants/") && middle != std::string::npos) {
        TaskName parsed{name.substr(8, middle - 8), name.substr(middle + kTasks.size())};
        if (!parsed.tenant.empty() && !parsed.task_id.empty() &&
            parsed.tenant.find('/') == std::string::npos &&
            parsed.task_id.find('/') == std::string::npos)
            return parsed;
    }
    throw rpc::invalid_field("name", "must be tenants/{tenant}/tasks/{task}");
}

// The domain's rejections as the API's errors: in one place.
rpc::Failure failure_of(Rejection rejection, const std::string& name) {
    switch (rejection) {
        case Rejection::absent:
            return rpc::not_found(name);
        case Rejection::exists:
            return rpc::already_exists("the task exists: " + name);
        case Rejection::over:
        case Rejection::not_due:
            return rpc::wrong_state(name, "the task is over, it can no longer be cancelled");
        case Rejection::customer_missing:
            return rpc::invalid_field("customer_id", "must be the id of a customer");
        case Rejection::kind_automatic:
            return rpc::invalid_field(
                "kind",
                "must be one of payment_due, abandoned_cart, order_follow_up, restock, "
                "overdue_invoice, booking, custom");
        case Rejection::text_missing:
            return rpc::invalid_field(
                "text", "must not be empty for a custom task or a booking without template_key");
        case Rejection::text_too_long:
            return rpc::invalid_field("text", "must have at most 4096 bytes");
        case Rejection::due_in_the_past:
            return rpc::invalid_field("due_time", "must not be in the past");
        case Rejection::due_too_far:
            return rpc::invalid_field("due_time", "must be at most 366 days ahead");
        case Rejection::late_after_negative:
            return rpc::invalid_field("late_after_seconds", "must not be negative");
    }
    return rpc::internal();
}

class TaskRpc final : public v1::TaskService::CallbackService {
public:
    explicit TaskRpc(const TaskRpcParts& parts) : p_(parts), folds_(parts.store) {}

    grpc::ServerUnaryReactor* CreateTask(grpc::CallbackServerContext* context,
                                         const v1::CreateTaskRequest* request,
                                         v1::Task* answer) override {
        return p_.door.unary(context, [=, this](rpc::Call&) { create(*request, *answer); });
    }
    grpc::ServerUnaryReactor* GetTask(grpc::CallbackServerContext* context,
                                      const v1::GetTaskRequest* request,
                                      v1::Task* answer) override {
        return p_.door.unary(context, [=, this](rpc::Call&) {
            const auto name = task_name(request->name());
            const auto folded = load(name, request->name());
            fill(*answer, name.tenant, folded.state, folded.version);
        });
    }
    grpc::ServerUnaryReactor* ListTasks(grpc::CallbackServerContext* context,
                                        const v1::ListTasksRequest* request,
                                        v1::ListTasksResponse* answer) override {
        return p_.door.unary(context, [=, this](rpc::Call&) { list(*request, *answer); });
    }
    grpc::ServerUnaryReactor* CancelTask(grpc::CallbackServerContext* context,
                                         const v1::CancelTaskRequest* request,
                                         v1::Task* answer) override {
        return p_.door.unary(context, [=, this](rpc::Call&) { cancel(*request, *answer); });
    }

private:
    eventlog::Folded<TaskState> load(const TaskName& name, const std::string& full_name) {
        auto folded = folds_.load(task_stream(name.tenant, name.task_id));
        if (folded.version == 0) throw rpc::not_found(full_name);
        return folded;
    }

    void check_tenant(const std::string& tenant) {
        try {
            if (tenant_view(p_.read_model, p_.tenants, tenant).status() == "CLOSED")
                throw rpc::wrong_state("tenants/" + tenant, "the tenant is closed");
        } catch (const service::NoSuchTenant&) {
            throw rpc::not_found("tenants/" + tenant);
        }
    }

    void create(const v1::CreateTaskRequest& request, v1::Task& answer) {
        const auto tenant = tenant_of(request.parent());
        check_tenant(tenant);

        const Time now = p_.clock.now();
        Plan plan;
        plan.task_id = p_.ids.next().text();
        plan.customer_id = request.customer_id();
        auto kind = request.kind().empty() ? std::string(word(Kind::custom)) : request.kind();
        std::transform(kind.begin(), kind.end(), kind.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        const auto known = kind_of(kind);
        if (!known) throw failure_of(Rejection::kind_automatic, "");
        plan.kind = *known;
        plan.conversation_id = request.conversation_id();
        plan.channel_id = request.channel_id();
        if (!request.has_due_time()) throw rpc::invalid_field("due_time", "must be given");
        plan.due = from_unix_seconds(request.due_time().seconds()) +
                   Micros{request.due_time().nanos() / 1000};
        plan.text = request.text();
        plan.template_key = request.template_key();
        if (plan.template_key.size() > kTemplateKeyMax)
            throw rpc::invalid_field("template_key", "must have at most 128 bytes");
        plan.language = request.language();
        plan.late_after = std::chrono::seconds{request.late_after_seconds()};

        v1::CustomerView customer;
        const auto seen = p_.read_model.get(tenant, kCustomerDocument, plan.customer_id);
        if (!plan.customer_id.empty() && !seen && !p_.customers.exists(tenant, plan.customer_id))
            throw rpc::invalid_field("customer_id",
                                     "must be the id of one of the tenant's customers");
        if (seen && customer.ParseFromString(*seen) && plan.channel_id.empty())
            plan.channel_id = customer.channel_id();

        // A repeat gets its first answer, also when the rules would now refuse it (its time may
        // have passed).
        const auto& id = request.request_id();
        const bool repeated = !id.empty() && p_.store.claim(tenant, "command", id).has_value();
        const auto decision = repeated ? decide(Absent{}, ScheduleTask{plan})
                                       : decide(Absent{}, followup::CreateTask{plan, now});
        if (!decision.accepted()) throw failure_of(decision.rejection(), "");

        eventlog::Part part{task_stream(tenant, plan.task_id), eventlog::kCreate, {}};
        for (const auto& event : decision.events()) part.events.push_back(encode(event, plan, now));
        auto command =
            command_for(tenant, plan.customer_id, request.request_id(), service::hash_of(request));
        command.parts.push_back(std::move(part));
        const auto verdict = p_.store.append(std::move(command));
        answer_first(verdict, tenant, request.request_id(), answer);
    }

    void cancel(const v1::CancelTaskRequest& request, v1::Task& answer) {
        const auto name = task_name(request.name());
        const auto stream = task_stream(name.tenant, name.task_id);
        for (int attempt = 0; attempt < kDecideAttempts; ++attempt) {
            const auto folded = load(name, request.name());
            if (!request.etag().empty() && request.etag() != std::to_string(folded.version))
                throw rpc::Failure(grpc::StatusCode::ABORTED, reason::ERROR_REASON_VERSION_MISMATCH,
                                   "the task has changed: read it again and send its new etag");
            const auto decision = decide(
                folded.state.task, followup::CancelTask{CancelReason::by_api, request.reason()});
            if (!decision.accepted()) throw failure_of(decision.rejection(), request.name());
            if (decision.events().empty())
                return fill(answer, name.tenant, folded.state, folded.version);

            const auto& plan = *plan_of(folded.state.task);
            eventlog::Part part{stream, folded.expected(), {}};
            for (const auto& event : decision.events())
                part.events.push_back(encode(event, plan, p_.clock.now()));
            auto command = command_for(name.tenant, plan.customer_id, request.request_id(),
                                       service::hash_of(request));
            command.parts.push_back(std::move(part));
            const auto verdict = p_.store.append(std::move(command));
            if (verdict.outcome == eventlog::Outcome::wrong_version) continue;
            return answer_first(verdict, name.tenant, request.request_id(), answer);
        }
        throw Contention(request.name());
    }

    void list(const v1::ListTasksRequest& request, v1::ListTasksResponse& answer) {
        const auto tenant = tenant_of(request.parent());
        if (request.page_size() < 0 || request.page_size() > eventlog::kPageSizeMax)
            throw rpc::invalid_field("page_size", "must be from 0 to 500");
        try {
            auto page = p_.read_model.list({.tenant = tenant,
                                            .kind = kTaskDocument,
                                            .parent = request.customer_id(),
                                            .state = request.state(),
                                            .page_size = request.page_size(),
                                            .page_token = request.page_token()});
            for (const auto& body : page.bodies) answer.add_tasks()->ParseFromString(body);
            answer.set_next_page_token(page.next_page_token);
        } catch (const eventlog::BadPageToken& error) {
            throw rpc::Failure(grpc::StatusCode::INVALID_ARGUMENT,
                               reason::ERROR_REASON_PAGE_TOKEN_INVALID, error.what());
        }
    }

    eventlog::Command command_for(const std::string& tenant, const std::string& customer_id,
                                  const std::string& request_id, std::string request_hash) {
        rpc::check_request_id(request_id);
        eventlog::Command command;
        command.tenant = tenant;
        // Without an id of the caller's a repeat cannot be told from a second wish.
        command.id = request_id.empty() ? p_.ids.next().text() : request_id;
        command.dedupe = request_id.empty() ? eventlog::Dedupe::none : eventlog::Dedupe::claim;
        command.meta.routing = {eventlog::RoutingKind::customer, customer_id};
        command.meta.actor = "api";
        command.meta.request_hash = std::move(request_hash);
        command.meta.correlation_id = command.id;
        command.meta.traceparent = trace::current().traceparent();
        return command;
    }

    // The task as the first append of this command left it.
    void answer_first(const eventlog::Verdict& verdict, const std::string& tenant,
                      const std::string& request_id, v1::Task& answer) {
        if (verdict.outcome == eventlog::Outcome::other_body) throw rpc::key_reused(request_id);
        if (verdict.outcome == eventlog::Outcome::already_done) rpc::answer_is_a_repeat();
        if (!verdict.accepted()) throw Contention("task of " + tenant);
        const auto first =
            p_.store.read_lane(verdict.lane, verdict.first_position, verdict.first_position, 1);
        if (first.empty()) throw Unavailable("the append cannot be read yet");
        const auto& stream = first.front().stream;
        const auto up_to = first.front().version + verdict.event_count - 1;
        TaskState state;
        std::int64_t version = 0;
        for (const auto& event : p_.store.read_stream(stream)) {
            if (event.version > up_to) break;
            state =
                TaskCodec::evolve(std::move(state), event.type, event.payload, event.occurred_at);
            version = event.version;
        }
        fill(answer, tenant, state, version);
    }

    TaskRpcParts p_;
    eventlog::Folds<TaskCodec> folds_;
};

}  // namespace

std::shared_ptr<grpc::Service> make_task_rpc(const TaskRpcParts& parts) {
    return std::make_shared<TaskRpc>(parts);
}

}  // namespace flowstack::followup
