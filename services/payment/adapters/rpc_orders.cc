#include <grpcpp/grpcpp.h>

#include "common/rpc/error.h"
#include "common/rpc/resource_name.h"
#include "common/rpc/server.h"
#include "common/service/one_effect.h"
#include "common/service/one_stream.h"
#include "common/service/pages.h"
#include "flowstack/payment/v1/order_service.grpc.pb.h"
#include "services/payment/adapters/derive.h"
#include "services/payment/adapters/rpc_steps.h"

namespace flowstack::payment {
namespace {

using eventlog::Command;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

constexpr std::size_t kOrderWordsMax = 500;

Progress progress_of(v1::OrderState state) {
    switch (state) {
        case v1::ORDER_STATE_PROCESSING:
            return Progress::processing;
        case v1::ORDER_STATE_SHIPPED:
            return Progress::shipped;
        case v1::ORDER_STATE_DELIVERED:
            return Progress::delivered;
        default:
            throw rpc::invalid_field("state", "must be PROCESSING, SHIPPED or DELIVERED");
    }
}

class OrderRpc final : public v1::OrderService::CallbackService {
public:
    explicit OrderRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* GetOrder(CallbackServerContext* context, const v1::GetOrderRequest* request,
                                 v1::Order* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { show(request->name(), *response); });
    }

    ServerUnaryReactor* ListOrders(CallbackServerContext* context,
                                   const v1::ListOrdersRequest* request,
                                   v1::ListOrdersResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            v1::Order wanted;
            wanted.set_payment_state(request->payment_state());
            const bool any = request->payment_state() == v1::ORDER_PAYMENT_STATE_UNSPECIFIED;
            const eventlog::ListQuery query{.tenant = rpc::parse_parent(request->parent()),
                                            .kind = document::kOrder,
                                            .parent = request->customer_id(),
                                            .state = any ? "" : state_of(wanted)};
            response->set_next_page_token(service::list<v1::Order>(
                doors_.read_model, *request, query,
                [&](v1::Order order) { *response->add_orders() = std::move(order); }));
            if (request->count_all()) response->set_total_size(doors_.read_model.count(query));
        });
    }

    ServerUnaryReactor* AdvanceOrder(CallbackServerContext* context,
                                     const v1::AdvanceOrderRequest* request,
                                     v1::Order* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const payment::AdvanceOrder asked{.to = progress_of(request->state()),
                                              .note = request->note()};
            if (request->note().size() > kOrderWordsMax)
                throw rpc::invalid_field("note", "must have at most 500 characters");
            change("advance_order", *request, [&](const eventlog::StreamName& stream) {
                const auto order = existing(stream, *request);
                return command_of(stream, order, decided(request->name(), order.state, asked));
            });
            show(request->name(), *response);
        });
    }

    ServerUnaryReactor* CancelOrder(CallbackServerContext* context,
                                    const v1::CancelOrderRequest* request,
                                    v1::Order* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            if (request->reason().empty() || request->reason().size() > kOrderWordsMax)
                throw rpc::invalid_field("reason",
                                         "is required: what the customer is told, at most 500 "
                                         "characters");
            change("cancel_order", *request,
                   [&](const eventlog::StreamName& stream) { return cancel(stream, *request); });
            show(request->name(), *response);
        });
    }

private:
    using FoldedOrder = eventlog::Folded<Order>;

    void show(const std::string& resource, v1::Order& out) {
        const auto name = rpc::parse_name(resource, "orders");
        fold(doors_, order_stream(name.tenant, OrderId(name.id)), resource, out);
    }

    template <class Request, class Make>
    void change(const std::string& method, const Request& request, const Make& make) {
        const auto name = rpc::parse_name(request.name(), "orders");
        const auto stream = order_stream(name.tenant, OrderId(name.id));
        service::one_effect(doors_.store, doors_.ids, method, name.tenant, request).run([&] {
            return make(stream);
        });
    }

    template <class Request>
    FoldedOrder existing(const eventlog::StreamName& stream, const Request& request) {
        auto order = service::load_existing(doors_.books.orders, stream, request.name());
        service::check_etag(request.etag(), order.version, "the order");
        return order;
    }

    static std::vector<OrderEvent> decided(const std::string& resource, const Order& order,
                                           const OrderCommand& asked) {
        const auto decision = decide(order, asked);
        if (!decision.accepted())
            throw rpc::wrong_state(resource, "Not now: " + text_of(decision.rejection()) + ".");
        return decision.events();
    }

    // Nothing when there is nothing to write.
    std::optional<Command> command_of(const eventlog::StreamName& stream, const FoldedOrder& order,
                                      const std::vector<OrderEvent>& events) {
        if (events.empty()) return {};
        return service::command_of(eventlog::Part{stream, order.version, {}},
                                   customer_routing(placed_of(order.state).customer_id),
                                   order.correlation_id, events, doors_.clock.now());
    }

    std::optional<Command> cancel(const eventlog::StreamName& stream,
                                  const v1::CancelOrderRequest& request) {
        const auto order = existing(stream, request);
        if (std::holds_alternative<PaidOrder>(order.state))
            return cancel_paid(stream, order, request);
        return cancel_unpaid(stream, order, request);
    }

    // All of its money is to go back: what no refund has taken yet, by a new one.
    std::optional<Command> cancel_paid(const eventlog::StreamName& stream, const FoldedOrder& order,
                                       const v1::CancelOrderRequest& request) {
        const auto c =
            load_case(doors_.books, stream.tenant, std::get<PaidOrder>(order.state).paid_by);
        const auto* paid = std::get_if<Paid>(&c.intent.state);
        auto command = command_of(
            stream, order,
            decided(request.name(), order.state,
                    payment::CancelOrder{.reason = request.reason(), .refunds = paid != nullptr}));
        if (!paid || is_zero(paid->left())) return command;
        auto opened = open_refund(c,
                                  {.refund_id = RefundId(doors_.ids.next().text()),
                                   .amount = {},
                                   .reason = request.reason()},
                                  doors_.clock.now());
        for (auto& part : taken(std::move(opened), request.name()))
            command->parts.push_back(std::move(part));
        return command;
    }

    // The order, its invoice and the last payment are judged together: the append holds only while
    // none of them has changed.
    std::optional<Command> cancel_unpaid(const eventlog::StreamName& stream,
                                         const FoldedOrder& order,
                                         const v1::CancelOrderRequest& request) {
        const auto& tenant = stream.tenant;
        std::vector<eventlog::Part> others;
        auto previous = PreviousIntent::none;
        if (const auto* open = std::get_if<OpenOrder>(&order.state);
            open && !open->intents.empty()) {
            const auto last = intent_stream(tenant, open->intents.back());
            const auto intent = doors_.books.intents.load(last);
            previous = standing_of(intent.state);
            others.push_back({last, intent.version, {}});
        }
        const auto events =
            decided(request.name(), order.state,
                    payment::CancelOrder{.reason = request.reason(), .previous = previous});
        auto command = command_of(stream, order, events);
        if (!command) return {};
        const auto voided = invoice_stream(tenant, placed_of(order.state).invoice_id);
        const auto invoice = doors_.books.invoices.load(voided);
        // Else its number would be given to an invoice that never shows it.
        if (std::holds_alternative<DraftedInvoice>(invoice.state))
            throw rpc::unavailable("The invoice of the order is getting its number.",
                                   kInvoiceIsNumberedIn);
        const auto ended = decide(invoice.state, VoidInvoice{request.reason()});
        if (!ended.accepted())
            throw rpc::wrong_state(request.name(), "Not now: its invoice is paid.");
        eventlog::Part part{voided, invoice.version, {}};
        for (const auto& event : ended.events())
            part.events.push_back(encode(event, doors_.clock.now()));
        command->parts.push_back(std::move(part));
        for (auto& other : others) command->parts.push_back(std::move(other));
        return command;
    }

    Doors doors_;
};

}  // namespace

std::vector<NamedService> make_order_services(const Doors& doors) {
    std::vector<NamedService> services;
    services.push_back({std::make_unique<OrderRpc>(doors), v1::OrderService::service_full_name()});
    return services;
}

}  // namespace flowstack::payment
