#include <grpcpp/grpcpp.h>

#include "common/rpc/error.h"
#include "common/rpc/resource_name.h"
#include "common/rpc/server.h"
#include "common/service/one_effect.h"
#include "common/service/one_stream.h"
#include "common/service/pages.h"
#include "flowstack/payment/v1/refund_service.grpc.pb.h"
#include "services/payment/adapters/derive.h"
#include "services/payment/adapters/rpc_steps.h"

namespace flowstack::payment {
namespace {

using eventlog::Command;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

constexpr std::size_t kRefundWordsMax = 500;

class RefundRpc final : public v1::RefundService::CallbackService {
public:
    explicit RefundRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* CreateRefund(CallbackServerContext* context,
                                     const v1::CreateRefundRequest* request,
                                     v1::Refund* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { create(*request, *response); });
    }

    ServerUnaryReactor* GetRefund(CallbackServerContext* context,
                                  const v1::GetRefundRequest* request,
                                  v1::Refund* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { show(request->name(), *response); });
    }

    ServerUnaryReactor* ListRefunds(CallbackServerContext* context,
                                    const v1::ListRefundsRequest* request,
                                    v1::ListRefundsResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            if (!v1::RefundState_IsValid(request->state()))
                throw rpc::invalid_field("state", "must be a known state");
            v1::Refund wanted;
            wanted.set_state(request->state());
            const bool any = request->state() == v1::REFUND_STATE_UNSPECIFIED;
            response->set_next_page_token(service::list<v1::Refund>(
                doors_.read_model, *request,
                {.tenant = rpc::parse_parent(request->parent()),
                 .kind = document::kRefund,
                 .parent = request->customer_id(),
                 .state = any ? "" : state_of(wanted)},
                [&](v1::Refund refund) { *response->add_refunds() = std::move(refund); }));
        });
    }

    ServerUnaryReactor* RecordRefund(CallbackServerContext* context,
                                     const v1::RecordRefundRequest* request,
                                     v1::Refund* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            change("record_refund", *request, [&](const RefundCase& c) {
                service::check_etag(request->etag(), c.refund.version, "the refund");
                return record_refund(c, receipt_in(*request, c), doors_.clock.now());
            });
            show(request->name(), *response);
        });
    }

    ServerUnaryReactor* CancelRefund(CallbackServerContext* context,
                                     const v1::CancelRefundRequest* request,
                                     v1::Refund* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            check_reason(request->reason());
            change("cancel_refund", *request, [&](const RefundCase& c) {
                return give_up_refund(c, request->reason(), doors_.clock.now());
            });
            show(request->name(), *response);
        });
    }

private:
    using Parts = std::vector<eventlog::Part>;

    static void check_reason(const std::string& reason) {
        if (reason.empty() || reason.size() > kRefundWordsMax)
            throw rpc::invalid_field("reason", "is required: why, at most 500 characters");
    }

    // As the provider writes receipts: two spellings of one are one claim.
    std::string receipt_in(const v1::RecordRefundRequest& request, const RefundCase& c) const {
        const auto& name = requested_of(c.refund.state).provider;
        const auto* provider = doors_.providers.find(name);
        const auto receipt =
            provider ? provider->read_receipt(request.receipt()) : std::optional(request.receipt());
        if (!receipt || receipt->empty())
            throw rpc::invalid_field("receipt", "must be a receipt of " + name);
        return *receipt;
    }

    void show(const std::string& resource, v1::Refund& out) {
        const auto name = rpc::parse_name(resource, "refunds");
        fold(doors_, refund_stream(name.tenant, RefundId(name.id)), resource, out);
    }

    // Throws with the reason when the step was refused; nothing when there is nothing to write.
    static std::optional<Command> command_of(std::variant<Parts, RefundRefused> step,
                                             const std::string& resource,
                                             const CustomerId& customer_id) {
        auto parts = taken(std::move(step), resource);
        if (parts.empty()) return {};
        Command command;
        command.meta.routing = customer_routing(customer_id);
        command.parts = std::move(parts);
        return command;
    }

    std::optional<Money> amount_in(const v1::CreateRefundRequest& request) {
        if (!request.has_amount()) return {};
        std::vector<rpc::FieldViolation> wrong;
        const auto currency = parse_currency(request.amount().currency_code());
        if (!currency) wrong.push_back({"amount.currency_code", "must be an ISO 4217 code"});
        if (request.amount().minor_units() <= 0)
            wrong.push_back({"amount.minor_units", "must be positive"});
        if (!wrong.empty()) throw rpc::invalid_fields(std::move(wrong));
        return Money{request.amount().minor_units(), *currency};
    }

    void create(const v1::CreateRefundRequest& request, v1::Refund& response) {
        const auto tenant = rpc::parse_parent(request.parent());
        const auto payment = rpc::parse_name(request.payment(), "payments", "payment");
        if (payment.tenant != tenant) throw rpc::not_found(request.payment());
        check_reason(request.reason());
        const auto amount = amount_in(request);
        service::OneEffect effect(doors_.store, doors_.ids,
                                  {.method = "create_refund",
                                   .tenant = tenant,
                                   .request_id = request.request_id(),
                                   .hash = service::hash_of(request)});
        const auto build = [&]() -> std::optional<Command> {
            const auto c = load_case(doors_.books, tenant, IntentId(payment.id));
            if (std::holds_alternative<NoIntent>(c.intent.state))
                throw rpc::not_found(request.payment());
            auto command = command_of(open_refund(c,
                                                  {.refund_id = RefundId(doors_.ids.next().text()),
                                                   .amount = amount,
                                                   .reason = request.reason()},
                                                  doors_.clock.now()),
                                      request.payment(), story_of(c.intent.state).made.customer_id);
            if (command) tie_to_purchase(doors_.store, c, false, *command);
            return command;
        };
        if (request.validate_only()) {
            build();
            response.set_state(v1::REFUND_STATE_OPEN);
            return;
        }
        for (const auto& event : effect.run(build))
            if (event.stream.category == category::kRefund)
                return show(rpc::resource_name(tenant, "refunds", event.stream.key), response);
        throw rpc::internal();
    }

    template <class Request, class Step>
    void change(const std::string& method, const Request& request, const Step& step) {
        const auto name = rpc::parse_name(request.name(), "refunds");
        service::OneEffect effect(
            doors_.store, doors_.ids,
            {.method = method,
             .tenant = name.tenant,
             .request_id = request.request_id(),
             .hash = service::hash_of(request),
             .claim_taken = [](const std::string& kind) {
                 if (kind == claim::kReceipt)
                     throw rpc::already_exists(
                         "Another payment or refund has this receipt. A receipt is of one only.");
             }});
        effect.run([&]() -> std::optional<Command> {
            const auto c = load_refund(doors_.books, name.tenant, RefundId(name.id));
            if (std::holds_alternative<NoRefund>(c.refund.state))
                throw rpc::not_found(request.name());
            auto command =
                command_of(step(c), request.name(), requested_of(c.refund.state).customer_id);
            if (command) tie_to_purchase(doors_.store, c.payment, false, *command);
            return command;
        });
    }

    Doors doors_;
};

}  // namespace

std::vector<NamedService> make_refund_services(const Doors& doors) {
    std::vector<NamedService> services;
    services.push_back(
        {std::make_unique<RefundRpc>(doors), v1::RefundService::service_full_name()});
    return services;
}

}  // namespace flowstack::payment
