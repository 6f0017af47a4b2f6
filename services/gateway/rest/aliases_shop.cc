#include <functional>
#include <memory>

#include "flowstack/conversation/v1/conversation_service.pb.h"
#include "flowstack/conversation/v1/customer_service.pb.h"
#include "flowstack/payment/v1/invoice_service.pb.h"
#include "flowstack/payment/v1/ledger_service.pb.h"
#include "flowstack/payment/v1/order_service.pb.h"
#include "flowstack/payment/v1/payment_service.pb.h"
#include "services/gateway/rest/alias_json.h"
#include "services/gateway/rest/aliases.h"

// Aliases of the shop: orders, invoices, payments, customers, conversations, figures.
namespace flowstack::gateway {
namespace {

namespace chat = conversation::v1;
namespace pay = payment::v1;
using http::Response;

constexpr int kAliasPageDefault = 50;
// The ledger's account of what customers owe for orders. Its credits are what orders were paid:
// second payments, money for cancelled orders and payments without an order are in suspense.
constexpr std::string_view kReceivable = "receivable";

Currency currency_of_tenant(const RestCalls& calls, const std::string& tenant) {
    const auto known = calls.keys().tenant(tenant);
    if (!known) throw rpc::not_found("tenants/" + tenant);
    const auto currency = parse_currency(known->currency_code);
    if (!currency) throw rpc::internal();
    return *currency;
}

std::string item(const Visit& visit, const char* collection) {
    return "tenants/" + visit.tenant + "/" + collection + "/" + visit.request.params.at("id");
}

template <class Request>
void take_page(const Visit& visit, Request& request) {
    request.set_parent("tenants/" + visit.tenant);
    request.set_page_size(page_size_of(visit.request, kAliasPageDefault));
    request.set_page_token(visit.request.query_param("pageToken").value_or(""));
}

Response page_answer(const JsonArray& data, std::int64_t total, const std::string& next) {
    return Response::json(200, JsonObject()
                                   .flag("success", true)
                                   .json("data", data.str())
                                   .number("total", total)
                                   .text("nextPageToken", next)
                                   .str());
}

// "PAYMENT_STATE_PENDING" → "PENDING"
std::string state_word(const std::string& name, std::string_view prefix) {
    return name.substr(std::min(prefix.size(), name.size()));
}

// --- Orders and invoices

template <class Bill>
std::string items_json(const Bill& bill) {
    JsonArray items;
    for (const auto& line : bill.lines())
        items.add(JsonObject()
                      .text("productId", line.product_id())
                      .text("productName", line.product_name())
                      .number("quantity", line.quantity())
                      .amount("unitPrice", line.unit_price())
                      .str());
    return items.str();
}

// One word for where an order is. There is none for a payment that failed: the order can be paid
// again, so it is pending, and the failure is the payment's.
std::string_view order_status(const pay::Order& order) {
    if (order.state() == pay::ORDER_STATE_CANCELLED ||
        order.payment_state() == pay::ORDER_PAYMENT_STATE_REFUNDED)
        return "cancelled";
    return order.payment_state() == pay::ORDER_PAYMENT_STATE_UNPAID ? "pending" : "completed";
}

std::string order_json(const pay::Order& order) {
    std::string names;
    std::int64_t quantity = 0;
    for (const auto& line : order.lines()) {
        names += (names.empty() ? "" : ", ") + line.product_name();
        quantity += line.quantity();
    }
    return JsonObject()
        .text("id", id_of(order.name()))
        .text("orderNumber", order.number())
        .text("customerId", order.customer_id())
        .text("conversationId", order.conversation_id())
        .text("productName", names)
        .number("quantity", quantity)
        .amount("totalAmount", order.total())
        .text("currency", order.total().currency_code())
        .text("status", state_word(pay::OrderState_Name(order.state()), "ORDER_STATE_"))
        .text("orderStatus", order_status(order))
        .text("paymentStatus", state_word(pay::OrderPaymentState_Name(order.payment_state()),
                                          "ORDER_PAYMENT_STATE_"))
        .text("deliveryAddress", order.delivery_address())
        .text("customerName", order.customer_name())
        .text("phoneNumber", order.phone())
        .json("items", items_json(order))
        .time("createdAt", order.create_time())
        .time("paidAt", order.paid_time())
        .str();
}

// {"phoneNumber","productId","quantity","deliveryAddress"?,"customerName"?} → 201: the customer
// chooses on WhatsApp how to pay it.
void place_order(const RestCalls& calls, const VisitPtr& visit) {
    const JsonBody body(visit->request.body);
    visit->field_names = {{"phone", "phoneNumber"},
                          {"product_id", "productId"},
                          {"delivery_address", "deliveryAddress"},
                          {"customer_name", "customerName"},
                          {"channel_id", "channelId"}};
    chat::PlaceOrderRequest request;
    request.set_parent("tenants/" + visit->tenant);
    request.set_phone(body.required("phoneNumber"));
    request.set_product_id(body.required("productId"));
    request.set_quantity(body.count("quantity", 0));
    request.set_delivery_address(body.text("deliveryAddress"));
    request.set_customer_name(body.text("customerName"));
    request.set_channel_id(body.text("channelId"));
    request.set_request_id(body.text("idempotency_key", "idempotencyKey"));
    take_headers(request, visit->request);
    calls.ask<chat::PlacedOrder>(
        visit, "conversation.v1.ConversationService.PlaceOrder", request,
        [visit](const chat::PlacedOrder& order, bool) {
            const auto& line = order.lines(0);
            JsonObject data;
            data.text("id", order.order_id())
                .text("customerId", order.customer_id())
                .text("conversationId", order.conversation_id())
                .text("productName", line.product_name())
                .number("quantity", line.quantity())
                .amount("totalAmount", order.total())
                .text("currency", order.total().currency_code())
                .flag("notified", order.notified());
            if (!order.notified()) data.text("reason", order.not_notified_reason());
            visit->answer(Response::json(
                201, JsonObject()
                         .flag("success", true)
                         .text("message",
                               order.notified()
                                   ? "The order is placed. The customer was asked on WhatsApp how "
                                     "to pay."
                                   : "The order is placed. The customer has not written for 24 "
                                     "hours, so they are asked how to pay when they write.")
                         .json("data", data.str())
                         .str()));
        });
}

void get_order(const RestCalls& calls, const VisitPtr& visit) {
    pay::GetOrderRequest request;
    request.set_name(item(*visit, "orders"));
    calls.ask<pay::Order>(
        visit, "payment.v1.OrderService.GetOrder", request,
        [visit](const pay::Order& order, bool) { visit->answer(success(200, order_json(order))); });
}

void list_orders(const RestCalls& calls, const VisitPtr& visit) {
    pay::ListOrdersRequest request;
    take_page(*visit, request);
    request.set_count_all(true);
    calls.ask<pay::ListOrdersResponse>(
        visit, "payment.v1.OrderService.ListOrders", request,
        [visit](const pay::ListOrdersResponse& page, bool) {
            JsonArray orders;
            for (const auto& order : page.orders()) orders.add(order_json(order));
            visit->answer(page_answer(orders, page.total_size(), page.next_page_token()));
        });
}

void get_invoice(const RestCalls& calls, const VisitPtr& visit) {
    pay::GetInvoiceRequest request;
    request.set_name(item(*visit, "invoices"));
    calls.ask<pay::Invoice>(
        visit, "payment.v1.InvoiceService.GetInvoice", request,
        [visit](const pay::Invoice& invoice, bool) {
            visit->answer(
                success(200, JsonObject()
                                 .text("id", id_of(invoice.name()))
                                 .text("invoiceNumber", invoice.number())
                                 .text("status", state_word(pay::InvoiceState_Name(invoice.state()),
                                                            "INVOICE_STATE_"))
                                 .text("orderId", id_of(invoice.order()))
                                 .text("orderNumber", invoice.order_number())
                                 .text("customerId", invoice.customer_id())
                                 .json("items", items_json(invoice))
                                 .amount("subtotal", invoice.subtotal())
                                 .amount("tax", invoice.tax())
                                 .amount("rounding", invoice.rounding())
                                 .amount("totalAmount", invoice.total())
                                 .text("currency", invoice.total().currency_code())
                                 .time("createdAt", invoice.create_time())
                                 .time("dueAt", invoice.due_time())
                                 .time("paidAt", invoice.paid_time())
                                 .str()));
        });
}

// --- Payments

Response payment_answer(int status, const pay::Payment& payment) {
    const auto id = id_of(payment.name());
    return success(status, JsonObject()
                               .text("id", id)
                               .text("paymentIntentId", id)
                               .text("status", state_word(pay::PaymentState_Name(payment.state()),
                                                          "PAYMENT_STATE_"))
                               .amount("amount", payment.amount())
                               .text("currency", payment.amount().currency_code())
                               .text("conversationId", payment.conversation_id())
                               .text("customerId", payment.customer_id())
                               .text("provider", payment.provider())
                               .text("checkoutRequestId", payment.provider_reference())
                               .text("receipt", payment.receipt())
                               .text("failureReason", payment.failure_reason())
                               .time("createdAt", payment.create_time())
                               .str());
}

// {"conversationId","amount":1000} → INITIATED
void create_payment(const RestCalls& calls, const VisitPtr& visit) {
    const JsonBody body(visit->request.body);
    visit->field_names = {{"conversation_id", "conversationId"},
                          {"amount.minor_units", "amount"},
                          {"name", "conversationId"}};
    const auto amount = body.amount("amount", currency_of_tenant(calls, visit->tenant));
    pay::CreatePaymentIntentRequest request;
    request.set_parent("tenants/" + visit->tenant);
    request.mutable_amount()->set_minor_units(amount.minor_units);
    request.mutable_amount()->set_currency_code(std::string(currency_code(amount.currency)));
    request.set_provider(body.text("provider"));
    request.set_request_id(body.text("idempotency_key", "idempotencyKey"));
    take_headers(request, visit->request);
    chat::GetConversationRequest whose;
    whose.set_name("tenants/" + visit->tenant + "/conversations/" +
                   body.required("conversationId"));
    calls.ask<chat::Conversation>(
        visit, "conversation.v1.ConversationService.GetConversation", whose,
        [&calls, visit, request](const chat::Conversation& conversation, bool) mutable {
            request.set_customer_id(conversation.customer_id());
            request.set_conversation_id(conversation.conversation_id());
            calls.ask<pay::Payment>(visit, "payment.v1.PaymentService.CreatePaymentIntent", request,
                                    [visit](const pay::Payment& payment, bool) {
                                        visit->answer(payment_answer(201, payment));
                                    });
        });
}

// {"paymentIntentId","phoneNumber"} → PENDING
void stk_push(const RestCalls& calls, const VisitPtr& visit) {
    const JsonBody body(visit->request.body);
    visit->field_names = {{"phone", "phoneNumber"}, {"name", "paymentIntentId"}};
    pay::InitiateStkPushRequest request;
    request.set_name("tenants/" + visit->tenant + "/payments/" + body.required("paymentIntentId"));
    request.set_phone(body.text("phoneNumber"));
    request.set_request_id(body.text("idempotency_key", "idempotencyKey"));
    take_headers(request, visit->request);
    calls.ask<pay::Payment>(visit, "payment.v1.PaymentService.InitiateStkPush", request,
                            [visit](const pay::Payment& payment, bool) {
                                visit->answer(payment_answer(200, payment));
                            });
}

// --- People and dialogues

std::string conversation_json(const std::string& tenant, const chat::Conversation& c) {
    JsonArray cart;
    for (const auto& line : c.cart())
        cart.add(JsonObject()
                     .text("productId", line.product_id())
                     .text("productName", line.product_name())
                     .number("quantity", line.quantity())
                     .amount("unitPrice", line.unit_price())
                     .str());
    return JsonObject()
        .text("id", c.conversation_id())
        .text("businessId", tenant)
        .text("customerId", c.customer_id())
        .text("channelId", c.channel_id())
        .text("state", c.state())
        .text("stateReason", c.state_reason())
        .text("label", c.label())
        .text("lastTemplateKey", c.last_template_key())
        .text("language", c.language())
        .text("orderId", c.order_id())
        .json("cart", cart.str())
        .time("createdAt", c.create_time())
        .time("updatedAt", c.update_time())
        .time("lastMessageAt", c.last_inbound_time())
        .str();
}

void get_conversation(const RestCalls& calls, const VisitPtr& visit) {
    chat::GetConversationRequest request;
    request.set_name(item(*visit, "conversations"));
    calls.ask<chat::Conversation>(
        visit, "conversation.v1.ConversationService.GetConversation", request,
        [visit](const chat::Conversation& c, bool) {
            visit->answer(success(200, conversation_json(visit->tenant, c)));
        });
}

void list_conversations(const RestCalls& calls, const VisitPtr& visit) {
    chat::ListConversationsRequest request;
    take_page(*visit, request);
    request.set_state(visit->request.query_param("state").value_or(""));
    request.set_customer_id(visit->request.query_param("customerId").value_or(""));
    calls.ask<chat::ListConversationsResponse>(
        visit, "conversation.v1.ConversationService.ListConversations", request,
        [visit](const chat::ListConversationsResponse& page, bool) {
            JsonArray conversations;
            for (const auto& c : page.conversations())
                conversations.add(conversation_json(visit->tenant, c));
            visit->answer(Response::json(200, JsonObject()
                                                  .flag("success", true)
                                                  .json("data", conversations.str())
                                                  .text("nextPageToken", page.next_page_token())
                                                  .str()));
        });
}

std::string customer_json(const chat::Customer& customer) {
    JsonArray tags;
    for (const auto& tag : customer.tags()) tags.add(http::json_string(tag));
    return JsonObject()
        .text("id", customer.customer_id())
        .text("name", customer.display_name())
        .text("phoneNumber", customer.phone())
        .text("language", customer.language())
        .text("address", customer.address())
        .json("tags", tags.str())
        .text("conversationId", customer.conversation_id())
        .time("createdAt", customer.create_time())
        .time("updatedAt", customer.update_time())
        .str();
}

void list_customers(const RestCalls& calls, const VisitPtr& visit) {
    chat::ListCustomersRequest request;
    take_page(*visit, request);
    request.set_count_all(true);
    calls.ask<chat::ListCustomersResponse>(
        visit, "conversation.v1.CustomerService.ListCustomers", request,
        [visit](const chat::ListCustomersResponse& page, bool) {
            JsonArray customers;
            for (const auto& customer : page.customers()) customers.add(customer_json(customer));
            visit->answer(page_answer(customers, page.total_size(), page.next_page_token()));
        });
}

// --- Figures: five questions, one after the other.

struct Stats {
    std::int64_t orders = 0;
    std::int64_t paid = 0;
    std::int64_t unpaid = 0;
    common::v1::Money revenue;
};

void answer_stats(const VisitPtr& visit, const Stats& stats, std::int64_t customers) {
    visit->answer(Response::json(200, JsonObject()
                                          .number("totalOrders", stats.orders)
                                          .number("completedOrders", stats.paid)
                                          .amount("totalRevenue", stats.revenue)
                                          .number("totalCustomers", customers)
                                          .number("pendingOrders", stats.unpaid)
                                          .text("currency", stats.revenue.currency_code())
                                          .str()));
}

void then_customers(const RestCalls& calls, const VisitPtr& visit, Stats stats) {
    chat::ListCustomersRequest request;
    request.set_parent("tenants/" + visit->tenant);
    request.set_page_size(1);
    request.set_count_all(true);
    calls.ask<chat::ListCustomersResponse>(
        visit, "conversation.v1.CustomerService.ListCustomers", request,
        [visit, stats](const chat::ListCustomersResponse& page, bool) {
            answer_stats(visit, stats, page.total_size());
        });
}

// What orders were paid, in the tenant's currency.
void then_revenue(const RestCalls& calls, const VisitPtr& visit, Stats stats) {
    pay::GetTrialBalanceRequest request;
    request.set_parent("tenants/" + visit->tenant);
    calls.ask<pay::TrialBalance>(
        visit, "payment.v1.LedgerService.GetTrialBalance", request,
        [&calls, visit, stats](const pay::TrialBalance& balance, bool) mutable {
            for (const auto& line : balance.lines())
                if (line.account() == kReceivable &&
                    line.credits().currency_code() == stats.revenue.currency_code())
                    stats.revenue.set_minor_units(stats.revenue.minor_units() +
                                                  line.credits().minor_units());
            then_customers(calls, visit, stats);
        });
}

using Counted = std::function<void(std::int64_t orders)>;

void count_orders(const RestCalls& calls, const VisitPtr& visit, pay::OrderPaymentState state,
                  Counted then) {
    pay::ListOrdersRequest request;
    request.set_parent("tenants/" + visit->tenant);
    request.set_page_size(1);
    request.set_payment_state(state);
    request.set_count_all(true);
    calls.ask<pay::ListOrdersResponse>(visit, "payment.v1.OrderService.ListOrders", request,
                                       [then = std::move(then)](const pay::ListOrdersResponse& page,
                                                                bool) { then(page.total_size()); });
}

void admin_stats(const RestCalls& calls, const VisitPtr& visit) {
    const auto stats = std::make_shared<Stats>();
    stats->revenue.set_currency_code(
        std::string(currency_code(currency_of_tenant(calls, visit->tenant))));
    count_orders(calls, visit, pay::ORDER_PAYMENT_STATE_UNSPECIFIED,
                 [&calls, visit, stats](std::int64_t orders) {
                     stats->orders = orders;
                     count_orders(calls, visit, pay::ORDER_PAYMENT_STATE_PAID,
                                  [&calls, visit, stats](std::int64_t paid) {
                                      stats->paid = paid;
                                      count_orders(calls, visit, pay::ORDER_PAYMENT_STATE_UNPAID,
                                                   [&calls, visit, stats](std::int64_t unpaid) {
                                                       stats->unpaid = unpaid;
                                                       then_revenue(calls, visit, *stats);
                                                   });
                                  });
                 });
}

}  // namespace

const std::vector<Alias> kShopAliases{
    {"POST", "/api/payments/create", AliasScope::tenant_of_key, create_payment},
    {"POST", "/api/payments/stk-push", AliasScope::tenant_of_key, stk_push},
    {"GET", "/api/conversations", AliasScope::tenant_of_key, list_conversations},
    {"GET", "/api/conversations/{id}", AliasScope::tenant_of_key, get_conversation},
    {"GET", "/api/orders", AliasScope::tenant_of_key, list_orders},
    {"POST", "/api/orders", AliasScope::tenant_of_key, place_order},
    {"GET", "/api/customers", AliasScope::tenant_of_key, list_customers},
    {"GET", "/api/admin/stats", AliasScope::tenant_of_key, admin_stats},
    {"GET", "/whatsapp/orders/{id}", AliasScope::tenant_of_key, get_order},
    {"GET", "/whatsapp/invoices/{id}", AliasScope::tenant_of_key, get_invoice},
};

}  // namespace flowstack::gateway
