#include <grpcpp/grpcpp.h>

#include <map>

#include "common/rpc/error.h"
#include "common/rpc/resource_name.h"
#include "common/rpc/server.h"
#include "common/service/pages.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/payment/v1/invoice_service.grpc.pb.h"
#include "flowstack/payment/v1/ledger_service.grpc.pb.h"
#include "flowstack/payment/v1/order_service.grpc.pb.h"
#include "services/payment/adapters/projections.h"
#include "services/payment/adapters/rpc.h"

namespace flowstack::payment {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

// The fold of one stream as a resource: you read your own writes.
template <class Resource>
void fold(const Doors& doors, const eventlog::StreamName& stream, const std::string& name,
          Resource& resource) {
    const auto events = doors.store.read_stream(stream);
    if (events.empty()) throw rpc::not_found(name);
    for (const auto& event : events) apply(resource, event);
}

class OrderRpc final : public v1::OrderService::CallbackService {
public:
    explicit OrderRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* GetOrder(CallbackServerContext* context, const v1::GetOrderRequest* request,
                                 v1::Order* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto name = rpc::parse_name(request->name(), "orders");
            fold(doors_, order_stream(name.tenant, OrderId(name.id)), request->name(), *response);
        });
    }

    ServerUnaryReactor* ListOrders(CallbackServerContext* context,
                                   const v1::ListOrdersRequest* request,
                                   v1::ListOrdersResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            v1::Order wanted;
            wanted.set_payment_state(request->payment_state());
            const bool any = request->payment_state() == v1::ORDER_PAYMENT_STATE_UNSPECIFIED;
            response->set_next_page_token(service::list<v1::Order>(
                doors_.read_model, *request,
                {.tenant = rpc::parse_parent(request->parent()),
                 .kind = document::kOrder,
                 .parent = request->customer_id(),
                 .state = any ? "" : state_of(wanted)},
                [&](v1::Order order) { *response->add_orders() = std::move(order); }));
            if (request->count_all())
                response->set_total_size(
                    doors_.read_model.count({.tenant = rpc::parse_parent(request->parent()),
                                             .kind = document::kOrder,
                                             .parent = request->customer_id(),
                                             .state = any ? "" : state_of(wanted)}));
        });
    }

private:
    Doors doors_;
};

class InvoiceRpc final : public v1::InvoiceService::CallbackService {
public:
    explicit InvoiceRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* GetInvoice(CallbackServerContext* context,
                                   const v1::GetInvoiceRequest* request,
                                   v1::Invoice* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto name = rpc::parse_name(request->name(), "invoices");
            fold(doors_, invoice_stream(name.tenant, InvoiceId(name.id)), request->name(),
                 *response);
        });
    }

    ServerUnaryReactor* ListInvoices(CallbackServerContext* context,
                                     const v1::ListInvoicesRequest* request,
                                     v1::ListInvoicesResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            v1::Invoice wanted;
            wanted.set_state(request->state());
            if (!v1::InvoiceState_IsValid(request->state()))
                throw rpc::invalid_field("state", "must be a known state");
            const bool any = request->state() == v1::INVOICE_STATE_UNSPECIFIED;
            response->set_next_page_token(service::list<v1::Invoice>(
                doors_.read_model, *request,
                {.tenant = rpc::parse_parent(request->parent()),
                 .kind = document::kInvoice,
                 .parent = request->customer_id(),
                 .state = any ? "" : state_of(wanted)},
                [&](v1::Invoice invoice) { *response->add_invoices() = std::move(invoice); }));
        });
    }

private:
    Doors doors_;
};

class LedgerRpc final : public v1::LedgerService::CallbackService {
public:
    explicit LedgerRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* GetTrialBalance(CallbackServerContext* context,
                                        const v1::GetTrialBalanceRequest* request,
                                        v1::TrialBalance* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { sum_up(*request, *response); });
    }

    ServerUnaryReactor* ListJournalEntries(CallbackServerContext* context,
                                           const v1::ListJournalEntriesRequest* request,
                                           v1::ListJournalEntriesResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            response->set_next_page_token(service::list<v1::JournalEntry>(
                doors_.read_model, *request,
                {.tenant = rpc::parse_parent(request->parent()),
                 .kind = document::kJournal,
                 .parent = request->reference()},
                [&](v1::JournalEntry entry) {
                    *response->add_journal_entries() = std::move(entry);
                }));
        });
    }

private:
    // Every lane keeps its own sums; here they are added up.
    void sum_up(const v1::GetTrialBalanceRequest& request, v1::TrialBalance& response) {
        eventlog::ListQuery query;
        query.tenant = rpc::parse_parent(request.parent());
        query.kind = document::kBalance;
        query.page_size = eventlog::kPageSizeMax;
        std::map<std::pair<std::string, std::string>, v1::TrialBalanceLine> sums;
        do {
            const auto page = doors_.read_model.list(query);
            for (const auto& body : page.bodies) {
                v1::TrialBalanceLine line;
                if (!line.ParseFromString(body)) throw rpc::internal();
                add(sums[{line.balance().currency_code(), line.account()}], line);
            }
            query.page_token = page.next_page_token;
        } while (!query.page_token.empty());

        std::map<std::string, std::int64_t> by_currency;
        for (const auto& [key, line] : sums) {
            by_currency[key.first] += line.balance().minor_units();
            *response.add_lines() = line;
        }
        response.set_balanced(std::all_of(by_currency.begin(), by_currency.end(),
                                          [](const auto& c) { return c.second == 0; }));
        query.kind = document::kJournal;
        query.page_token.clear();
        response.set_transaction_count(doors_.read_model.count(query));
    }

    static void add(v1::TrialBalanceLine& sum, const v1::TrialBalanceLine& line) {
        const auto plus = [](common::v1::Money* a, const common::v1::Money& b) {
            a->set_currency_code(b.currency_code());
            a->set_minor_units(a->minor_units() + b.minor_units());
        };
        sum.set_account(line.account());
        plus(sum.mutable_debits(), line.debits());
        plus(sum.mutable_credits(), line.credits());
        plus(sum.mutable_balance(), line.balance());
    }

    Doors doors_;
};

}  // namespace

std::vector<NamedService> make_read_services(const Doors& doors) {
    std::vector<NamedService> services;
    services.push_back({std::make_unique<OrderRpc>(doors), v1::OrderService::service_full_name()});
    services.push_back(
        {std::make_unique<InvoiceRpc>(doors), v1::InvoiceService::service_full_name()});
    services.push_back(
        {std::make_unique<LedgerRpc>(doors), v1::LedgerService::service_full_name()});
    return services;
}

}  // namespace flowstack::payment
