#include "services/followup/adapters/rpc.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cctype>

#include "common/rpc/error.h"
#include "common/rpc/resource_name.h"
#include "common/rpc/server.h"
#include "common/rpc/timestamp.h"
#include "common/service/documents.h"
#include "common/service/one_effect.h"
#include "common/service/one_stream.h"
#include "common/service/pages.h"
#include "common/service/tenant_view.h"
#include "flowstack/followup/v1/task_service.grpc.pb.h"
#include "flowstack/followup/v1/views.pb.h"
#include "flowstack/gateway/v1/contact_service.pb.h"
#include "services/followup/adapters/projections.h"
#include "services/followup/adapters/streams.h"

namespace flowstack::followup {
namespace {

constexpr std::size_t kTemplateKeyMax = 128;

using rpc::parse_parent;
using rpc::ResourceName;

ResourceName task_name(const std::string& name) { return rpc::parse_name(name, "tasks"); }

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
                "text",
                "must not be empty for the kinds custom and booking, which have no built-in words, "
                "unless template_key is given");
        case Rejection::text_too_long:
            return rpc::invalid_field("text", "must have at most 4096 bytes");
        case Rejection::due_in_the_past:
            return rpc::invalid_field("due_time", "must not be in the past");
        case Rejection::due_too_far:
            return rpc::invalid_field("due_time", "must be at most 366 days ahead");
        case Rejection::late_after_negative:
            return rpc::invalid_field("late_after_seconds", "must not be negative");
        case Rejection::window_uncertain:
            break;  // a timer's, no caller's
    }
    return rpc::internal();
}

class TaskRpc final : public v1::TaskService::CallbackService {
public:
    explicit TaskRpc(const Doors& doors) : doors_(doors), folds_(doors.store) {}

    grpc::ServerUnaryReactor* CreateTask(grpc::CallbackServerContext* context,
                                         const v1::CreateTaskRequest* request,
                                         v1::Task* answer) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { create(*request, *answer); });
    }
    grpc::ServerUnaryReactor* GetTask(grpc::CallbackServerContext* context,
                                      const v1::GetTaskRequest* request,
                                      v1::Task* answer) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto name = task_name(request->name());
            const auto folded = load(name, request->name());
            fill(*answer, name.tenant, folded.state, folded.version);
        });
    }
    grpc::ServerUnaryReactor* ListTasks(grpc::CallbackServerContext* context,
                                        const v1::ListTasksRequest* request,
                                        v1::ListTasksResponse* answer) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            answer->set_next_page_token(service::list<v1::Task>(
                doors_.read_model, *request,
                {.tenant = parse_parent(request->parent()),
                 .kind = kTaskDocument,
                 .parent = request->customer_id(),
                 .state = request->state()},
                [&](v1::Task task) { *answer->add_tasks() = std::move(task); }));
        });
    }
    grpc::ServerUnaryReactor* CancelTask(grpc::CallbackServerContext* context,
                                         const v1::CancelTaskRequest* request,
                                         v1::Task* answer) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { cancel(*request, *answer); });
    }

private:
    eventlog::Folded<TaskState> load(const ResourceName& name, const std::string& full_name) {
        return service::load_existing(folds_, task_stream(name.tenant, name.id), full_name);
    }

    // As this service has read of them, or as gateway says while it has not.
    std::optional<v1::CustomerView> customer_view(const std::string& tenant,
                                                  const std::string& customer_id) {
        auto known = service::stored_document<v1::CustomerView>(doors_.read_model, tenant,
                                                                kCustomerDocument, customer_id);
        if (known) return known;
        const auto contact = doors_.contacts.find(tenant, customer_id);
        if (!contact) return {};
        v1::CustomerView view;
        view.set_customer_id(contact->customer_id());
        view.set_channel_id(contact->channel_id());
        return view;
    }

    // Its fields are checked as far as no rule does.
    Plan planned(const std::string& tenant, const v1::CreateTaskRequest& request) {
        Plan plan;
        plan.task_id = TaskId(doors_.ids.next().text());
        plan.customer_id = CustomerId(request.customer_id());
        auto kind = request.kind().empty() ? std::string(text_of(Kind::custom)) : request.kind();
        std::transform(kind.begin(), kind.end(), kind.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        const auto known = parse_kind(kind);
        if (!known) throw failure_of(Rejection::kind_automatic, "");
        plan.kind = *known;
        plan.conversation_id = ConversationId(request.conversation_id());
        plan.channel_id = ChannelId(request.channel_id());
        if (!request.has_due_time()) throw rpc::invalid_field("due_time", "must be given");
        plan.due = rpc::time_of(request.due_time());
        plan.text = request.text();
        plan.template_key = request.template_key();
        if (plan.template_key.size() > kTemplateKeyMax)
            throw rpc::invalid_field("template_key", "must have at most 128 bytes");
        plan.language = request.language();
        plan.late_after = std::chrono::seconds{request.late_after_seconds()};

        if (!plan.customer_id.empty()) {
            const auto customer = customer_view(tenant, plan.customer_id);
            if (!customer)
                throw rpc::invalid_field("customer_id",
                                         "must be the id of one of the tenant's customers");
            if (plan.channel_id.empty()) plan.channel_id = ChannelId(customer->channel_id());
        }
        return plan;
    }

    void create(const v1::CreateTaskRequest& request, v1::Task& answer) {
        const auto tenant = parse_parent(request.parent());
        service::check_not_closed(doors_.read_model, doors_.tenants, tenant);

        auto effect = service::one_effect(doors_.store, doors_.ids, "CreateTask", tenant, request);
        const auto events = effect.run([&]() -> std::optional<eventlog::Command> {
            const auto plan = planned(tenant, request);
            const auto decision =
                decide(Absent{}, followup::CreateTask{.plan = plan, .now = doors_.clock.now()});
            if (!decision.accepted()) throw failure_of(decision.rejection(), "");
            return command_of({task_stream(tenant, plan.task_id), eventlog::kCreate, {}}, plan,
                              decision.events(), plan.task_id);
        });
        show_after(tenant, events, answer);
    }

    void cancel(const v1::CancelTaskRequest& request, v1::Task& answer) {
        const auto name = task_name(request.name());
        auto effect =
            service::one_effect(doors_.store, doors_.ids, "CancelTask", name.tenant, request);
        eventlog::Folded<TaskState> folded;
        const auto events = effect.run([&]() -> std::optional<eventlog::Command> {
            folded = load(name, request.name());
            service::check_etag(request.etag(), folded.version, "the task");
            const auto decision = decide(
                folded.state.task,
                followup::CancelTask{.reason = CancelReason::by_api, .note = request.reason()});
            if (!decision.accepted()) throw failure_of(decision.rejection(), request.name());
            if (decision.events().empty()) return std::nullopt;
            return command_of({task_stream(name.tenant, name.id), folded.expected(), {}},
                              *plan_of(folded.state.task), decision.events(),
                              folded.correlation_id);
        });
        if (events.empty()) return fill(answer, name.tenant, folded.state, folded.version);
        show_after(name.tenant, events, answer);
    }

    // A task on the lane of its customer.
    eventlog::Command command_of(eventlog::Part part, const Plan& plan,
                                 const std::vector<Event>& events, std::string correlation_id) {
        return service::command_of(std::move(part), customer_routing(plan.customer_id),
                                   std::move(correlation_id), events, doors_.clock.now());
    }

    void show_after(const std::string& tenant, const std::vector<eventlog::Recorded>& events,
                    v1::Task& answer) {
        const auto folded = service::fold_after(folds_, events);
        fill(answer, tenant, folded.state, folded.version);
    }

    Doors doors_;
    eventlog::Folds<TaskCodec> folds_;
};

}  // namespace

std::shared_ptr<grpc::Service> make_task_rpc(const Doors& doors) {
    return std::make_shared<TaskRpc>(doors);
}

}  // namespace flowstack::followup
