#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "common/rpc/error.h"
#include "common/rpc/resource_name.h"
#include "common/rpc/server.h"
#include "common/rpc/timestamp.h"
#include "common/service/pages.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/payment/v1/invoice_service.grpc.pb.h"
#include "flowstack/payment/v1/ledger_service.grpc.pb.h"
#include "services/payment/adapters/projections.h"
#include "services/payment/adapters/rpc_steps.h"

namespace flowstack::payment {
namespace {

// An append that has not ended yet may have begun before: it ends, or is cancelled, much sooner.
constexpr std::chrono::seconds kKnownAtLeast{5};
constexpr int kJournalPage = 2000;

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

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
    // By currency and account.
    using Sums = std::map<std::pair<std::string, std::string>, v1::TrialBalanceLine>;

    void sum_up(const v1::GetTrialBalanceRequest& request, v1::TrialBalance& response) {
        if (request.has_known_time() || request.has_occurred_time())
            sum_up_past(request, response);
        else
            sum_up_now(rpc::parse_parent(request.parent()), response);
    }

    // Every lane keeps its own sums; here they are added up.
    void sum_up_now(const std::string& tenant, v1::TrialBalance& response) {
        eventlog::ListQuery query;
        query.tenant = tenant;
        query.kind = document::kBalance;
        query.page_size = eventlog::kPageSizeMax;
        Sums sums;
        do {
            const auto page = doors_.read_model.list(query);
            for (const auto& body : page.bodies) {
                v1::TrialBalanceLine line;
                if (!line.ParseFromString(body)) throw rpc::internal();
                add(sums[{line.balance().currency_code(), line.account()}], line);
            }
            query.page_token = page.next_page_token;
        } while (!query.page_token.empty());

        answer(sums, response);
        query.kind = document::kJournal;
        query.page_token.clear();
        response.set_transaction_count(doors_.read_model.count(query));
    }

    // Sums of a past moment are not kept: the transactions are added up again.
    void sum_up_past(const v1::GetTrialBalanceRequest& request, v1::TrialBalance& response) {
        const auto tenant = rpc::parse_parent(request.parent());
        // Events are recorded by the database's clock.
        const auto newest =
            doors_.store.pool()
                .with([](postgres::Session& session) { return session.query("select now()"); })
                .time(0, 0) -
            kKnownAtLeast;
        const auto known = request.has_known_time() ? rpc::time_of(request.known_time()) : newest;
        if (known > newest)
            throw rpc::invalid_field("known_time",
                                     "must be at least 5 s ago: what is being "
                                     "written now may still belong before it");
        const auto occurred =
            request.has_occurred_time() ? rpc::time_of(request.occurred_time()) : known;
        wait_for(known);
        Sums sums;
        std::int64_t transactions = 0;
        std::string after;
        Time from{};
        while (true) {
            const auto rows = doors_.store.pool().with([&](postgres::Session& session) {
                return session.query(
                    "select sort_at, id, body from read_model where tenant = $1 and kind = $2 and "
                    "sort_at <= $3 and (sort_at > $4 or (sort_at = $4 and id > $5)) "
                    "order by sort_at, id limit $6",
                    postgres::Params()
                        .add(tenant)
                        .add(document::kJournal)
                        .add(known)
                        .add(from)
                        .add(after)
                        .add(kJournalPage));
            });
            for (int row = 0; row < rows.rows(); ++row) {
                from = rows.time(row, 0);
                after = rows.text(row, 1);
                v1::JournalEntry entry;
                if (!entry.ParseFromString(rows.text(row, 2))) throw rpc::internal();
                if (rpc::time_of(entry.occur_time()) > occurred) continue;
                ++transactions;
                for (const auto& posting : entry.postings())
                    payment::add(sums[{posting.amount().currency_code(), posting.account()}],
                                 posting);
            }
            if (rows.rows() < kJournalPage) break;
        }
        answer(sums, response);
        response.set_transaction_count(transactions);
        rpc::set_time(*response.mutable_known_time(), known);
        rpc::set_time(*response.mutable_occurred_time(), occurred);
    }

    // Throws UNAVAILABLE while the read model lacks an event that was recorded by then: the answer
    // would be another one later.
    void wait_for(Time known) {
        const auto behind = doors_.store.pool().with([&](postgres::Session& session) {
            return session.query(
                R"sql(
                select 1 from lanes l
                    left join cursors c on c.consumer = $1 and c.source = $1 and c.lane = l.lane
                    join events e on e.lane = l.lane and e.position = coalesce(c.position, 0) + 1
                where e.recorded_at <= $2 limit 1)sql",
                postgres::Params().add(doors_.store.options().service).add(known));
        });
        if (behind.rows() > 0)
            throw rpc::unavailable("The ledger has not read everything up to that moment yet.",
                                   std::chrono::seconds(1));
    }

    static void answer(const Sums& sums, v1::TrialBalance& response) {
        std::map<std::string, std::int64_t> by_currency;
        for (const auto& [key, line] : sums) {
            by_currency[key.first] += line.balance().minor_units();
            *response.add_lines() = line;
        }
        response.set_balanced(std::ranges::all_of(
            by_currency, [](const auto& currency) { return currency.second == 0; }));
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
    services.push_back(
        {std::make_unique<InvoiceRpc>(doors), v1::InvoiceService::service_full_name()});
    services.push_back(
        {std::make_unique<LedgerRpc>(doors), v1::LedgerService::service_full_name()});
    return services;
}

}  // namespace flowstack::payment
