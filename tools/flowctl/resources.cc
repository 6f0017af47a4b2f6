#include <CLI/CLI.hpp>
#include <iostream>

#include "common/core/money.h"
#include "common/rpc/resource_name.h"
#include "flowstack/conversation/v1/conversation_service.pb.h"
#include "flowstack/gateway/v1/message_service.pb.h"
#include "flowstack/gateway/v1/tenant_service.pb.h"
#include "flowstack/payment/v1/order_service.pb.h"
#include "flowstack/payment/v1/payment_service.pb.h"
#include "tools/flowctl/assign.h"
#include "tools/flowctl/fields.h"
#include "tools/flowctl/json.h"
#include "tools/flowctl/names.h"
#include "tools/flowctl/output.h"
#include "tools/stack/logs.h"

// What tenants have, as the services' own APIs show it: list and get.
namespace flowstack::flowctl {
namespace {

constexpr int kPageMax = 200;

std::string when(const google::protobuf::Timestamp& time) { return utc_seconds(time.seconds()); }
template <class Money>
std::string amount(const Money& money) {
    return amount_text(money.minor_units(), money.currency_code());
}
// "PAID" of "PAYMENT_STATE_PAID".
std::string word(const std::string& name, const std::string& prefix) {
    return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}
std::string state_of(payment::v1::PaymentState state) {
    return word(payment::v1::PaymentState_Name(state), "PAYMENT_STATE_");
}
std::string state_of(payment::v1::OrderState state) {
    return word(payment::v1::OrderState_Name(state), "ORDER_STATE_");
}
std::string state_of(payment::v1::OrderPaymentState state) {
    return word(payment::v1::OrderPaymentState_Name(state), "ORDER_PAYMENT_STATE_");
}

template <class Repeated>
std::string joined(const Repeated& parts, const std::string& between = ", ") {
    std::string text;
    for (const auto& part : parts) text += (text.empty() ? "" : between) + part;
    return text;
}

// What a list command was asked for.
struct ListArguments {
    std::string tenant;
    std::string state;
    std::string customer;
    bool needs_person = false;
    int limit = 50;
};

void add_tenant(CLI::App& command, std::string& tenant) {
    command.add_option("-t,--tenant", tenant, "whose (FLOWSTACK_TENANT, or the only one there is)")
        ->option_text("TENANT");
}
void add_limit(CLI::App& command, int& limit) {
    command.add_option("-n,--limit", limit, "at most so many, 0 = all")
        ->check(CLI::NonNegativeNumber)
        ->option_text("N [50]");
}

// All pages until `limit`. `items` gets the repeated field of a page.
template <class Response, class Request, class Items, class Each>
void list_all(Context& context, const std::string& service, const std::string& method,
              Request request, int limit, Items items, Each each) {
    int left = limit;
    do {
        request.set_page_size(limit == 0 ? kPageMax : std::min(left, kPageMax));
        const auto page = context.api().call<Response>(service, method, request);
        for (const auto& item : items(page)) {
            each(item);
            --left;
        }
        request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty() && (limit == 0 || left > 0));
    if (!request.page_token().empty())
        std::cerr << "there are more: --limit " << limit * 4 << ", or 0 for all\n";
}

// --- Tenants.

int list_tenants(Context& context, int limit) {
    Sheet sheet({{"TENANT"},
                 {"STATUS"},
                 {"NAME", false, true},
                 {"PACK"},
                 {"LANGUAGES"},
                 {"CURRENCY"},
                 {"SINCE (UTC)"}});
    list_all<gateway::v1::ListTenantsResponse>(
        context, "gateway", "TenantService/ListTenants", gateway::v1::ListTenantsRequest(), limit,
        [](const auto& page) { return page.tenants(); },
        [&](const gateway::v1::Tenant& t) {
            sheet.add({t.tenant_id(), t.status(), t.settings().name(), t.settings().pack(),
                       joined(t.settings().languages()), t.settings().currency_code(),
                       when(t.create_time())},
                      json_of(t));
        });
    print(sheet, context.format, "tenants");
    return kOk;
}

int show(Context& context, const gateway::v1::Tenant& t) {
    const auto& s = t.settings();
    print_facts(
        {{"name", t.name()},
         {"status", t.status()},
         {"business", s.name()},
         {"pack", s.pack()},
         {"languages", joined(s.languages())},
         {"currency", s.currency_code()},
         {"tax", s.tax_rate_bp() ? std::to_string(s.tax_rate_bp()) + " bp" : ""},
         {"time zone", s.time_zone()},
         {"payment by", joined(s.payment_providers())},
         {"a text of unknown outcome", s.unknown_text_policy()},
         {"while a payment is unclear", s.unclear_payment_policy()},
         {"marketing a month",
          s.marketing_messages_per_month() ? std::to_string(s.marketing_messages_per_month()) : ""},
         {"channel", t.channel_id()},
         {"settings version", std::to_string(t.settings_version())},
         {"since", when(t.create_time())}},
        json_of(t), context.format);
    return kOk;
}

int get_tenant(Context& context, const std::string& typed) {
    gateway::v1::GetTenantRequest request;
    request.set_name(rpc::tenant_name(tenant_id(typed)));
    return show(context, context.api().call<gateway::v1::Tenant>(
                             "gateway", "TenantService/GetTenant", request));
}

struct SettingsArguments {
    std::string tenant;
    std::vector<std::string> settings;
    std::string etag;
};

int set_tenant(Context& context, const SettingsArguments& a) {
    gateway::v1::UpdateTenantSettingsRequest request;
    request.set_name(rpc::tenant_name(tenant_id(a.tenant)));
    request.set_etag(a.etag);
    for (const auto& setting : a.settings)
        request.mutable_update_mask()->add_paths(assign(*request.mutable_settings(), setting));
    return show(context, context.api().call<gateway::v1::Tenant>(
                             "gateway", "TenantService/UpdateTenantSettings", request));
}

// --- Conversations.

int list_conversations(Context& context, const ListArguments& a) {
    conversation::v1::ListConversationsRequest request;
    request.set_parent(rpc::tenant_name(chosen_tenant(context, a.tenant)));
    request.set_state(a.state);
    request.set_customer_id(a.customer);
    Sheet sheet({{"CONVERSATION"},
                 {"STATE"},
                 {"NODE", false, true},
                 {"CUSTOMER"},
                 {"LANG"},
                 {"CHANGED (UTC)"}});
    list_all<conversation::v1::ListConversationsResponse>(
        context, "conversation", "ConversationService/ListConversations", request, a.limit,
        [](const auto& page) { return page.conversations(); },
        [&](const conversation::v1::Conversation& c) {
            sheet.add({c.conversation_id(), c.state(), c.node(), c.customer_id(), c.language(),
                       when(c.update_time())},
                      json_of(c));
        });
    print(sheet, context.format, "conversations");
    return kOk;
}

int get_conversation(Context& context, const std::string& name) {
    conversation::v1::GetConversationRequest request;
    request.set_name(name);
    const auto c = context.api().call<conversation::v1::Conversation>(
        "conversation", "ConversationService/GetConversation", request);
    std::vector<std::string> cart;
    for (const auto& line : c.cart())
        cart.push_back(std::to_string(line.quantity()) + " × " + line.product_name() + " at " +
                       amount(line.unit_price()));
    print_facts({{"name", c.name()},
                 {"state", c.state()},
                 {"because of", c.state_reason()},
                 {"customer", c.customer_id()},
                 {"channel", c.channel_id()},
                 {"language", c.language()},
                 {"flow", c.flow_key() + " v" + std::to_string(c.flow_version())},
                 {"node", c.node()},
                 {"cart", joined(cart, "\n")},
                 {"order", c.order_id()},
                 {"opened", when(c.create_time())},
                 {"last word of customer", when(c.last_inbound_time())},
                 {"changed", when(c.update_time())}},
                json_of(c), context.format);
    return kOk;
}

int show_history(Context& context, const std::string& name, int limit) {
    conversation::v1::ListHistoryRequest request;
    request.set_parent(name);
    Sheet sheet(
        {{"TIME (UTC)"}, {"EVENT"}, {"WHAT", false, true}, {"ACTOR"}, {"PLACE"}, {"CAUSED BY"}});
    list_all<conversation::v1::ListHistoryResponse>(
        context, "conversation", "ConversationService/ListHistory", request, limit,
        [](const auto& page) { return page.entries(); },
        [&](const conversation::v1::HistoryEntry& e) {
            std::string what;
            if (!e.to_state().empty()) what = e.from_state() + " → " + e.to_state();
            if (e.direction() == "in") what = "◂ " + e.text();
            if (e.direction() == "out") what = "▸ " + e.text();
            if (what.empty()) what = e.text();
            if (!e.reason().empty()) what += (what.empty() ? "" : "  ") + ("(" + e.reason() + ")");
            sheet.add(
                {when(e.time()), stack::short_type(e.type()), what, e.actor(),
                 "conversation/" + std::to_string(e.lane()) + "/" + std::to_string(e.position()),
                 e.caused_by()},
                json_of(e));
        });
    print(sheet, context.format, "history");
    return kOk;
}

// --- Messages.

std::string origin_of(const gateway::v1::Message& m) {
    return word(gateway::v1::MessageOriginKind_Name(m.origin().kind()), "MESSAGE_ORIGIN_KIND_");
}

Sheet messages_sheet() {
    return Sheet({{"MESSAGE"},
                  {"STATE"},
                  {"REASON"},
                  {"TO"},
                  {"FROM"},
                  {"TEXT", false, true},
                  {"QUEUED (UTC)"}});
}
void add_message(Sheet& sheet, const gateway::v1::Message& m) {
    auto reason = m.reason();
    if (!m.error().code().empty()) reason += (reason.empty() ? "" : " ") + m.error().code();
    sheet.add({m.message_id(), m.state(), reason, m.to(), origin_of(m), text_of(m.content()),
               when(m.create_time())},
              json_of(m));
}

int list_messages(Context& context, const ListArguments& a) {
    gateway::v1::ListMessagesRequest request;
    request.set_parent(rpc::tenant_name(chosen_tenant(context, a.tenant)));
    request.set_state(a.state);
    request.set_customer_id(a.customer);
    auto sheet = messages_sheet();
    list_all<gateway::v1::ListMessagesResponse>(
        context, "gateway", "MessageService/ListMessages", request, a.limit,
        [](const auto& page) { return page.messages(); },
        [&](const gateway::v1::Message& m) { add_message(sheet, m); });
    print(sheet, context.format, "messages");
    return kOk;
}

int get_message(Context& context, const std::string& name) {
    gateway::v1::GetMessageRequest request;
    request.set_name(name);
    const auto m =
        context.api().call<gateway::v1::Message>("gateway", "MessageService/GetMessage", request);
    print_facts({{"name", m.name()},
                 {"state", m.state()},
                 {"reason", m.reason()},
                 {"error code", m.error().code()},
                 {"error details", m.error().details()},
                 {"to", m.to()},
                 {"customer", m.customer_id()},
                 {"channel", m.channel_id()},
                 {"asked for by", origin_of(m) + " " + m.origin().id()},
                 {"text", text_of(m.content())},
                 {"attempts", std::to_string(m.attempts())},
                 {"provider's id", m.provider_message_id()},
                 {"waits for a person", m.dead() ? "yes" : ""},
                 {"given up", m.discarded() ? "yes" : ""},
                 {"queued", when(m.create_time())},
                 {"next attempt", when(m.retry_time())},
                 {"changed", when(m.update_time())}},
                json_of(m), context.format);
    return kOk;
}

// --- Payments and orders.

std::string person_reason(payment::v1::PersonNeededReason reason) {
    return reason == payment::v1::PERSON_NEEDED_REASON_CONTRADICTED ? "another amount"
                                                                    : "outcome unknown";
}

int list_payments(Context& context, const ListArguments& a) {
    payment::v1::ListPaymentsRequest request;
    request.set_parent(rpc::tenant_name(chosen_tenant(context, a.tenant)));
    request.set_customer_id(a.customer);
    if (!a.state.empty()) {
        payment::v1::PaymentState state{};
        if (!payment::v1::PaymentState_Parse("PAYMENT_STATE_" + a.state, &state))
            throw UsageError("--state: INITIATED, PENDING, PAID, FAILED or EXPIRED");
        request.set_state(state);
    }
    request.set_needs_person(a.needs_person);
    Sheet sheet({{"PAYMENT"},
                 {"STATE"},
                 {"AMOUNT", true},
                 {"REFERENCE"},
                 {"RECEIPT"},
                 {"NOTE", false, true},
                 {"CREATED (UTC)"}});
    list_all<payment::v1::ListPaymentsResponse>(
        context, "payment", "PaymentService/ListPayments", request, a.limit,
        [](const auto& page) { return page.payments(); },
        [&](const payment::v1::Payment& p) {
            auto note = p.failure_reason();
            if (p.outcome_unknown()) note = "outcome unknown";
            if (p.late()) note = "late";
            if (p.quarantined()) note = std::to_string(p.quarantined()) + " quarantined";
            if (p.needs_person())
                note = person_reason(p.person_reason()) + " since " + when(p.needs_person_time());
            sheet.add({short_id(p.name()), state_of(p.state()), amount(p.amount()), p.reference(),
                       p.receipt(), note, when(p.create_time())},
                      json_of(p));
        });
    print(sheet, context.format, "payments");
    return kOk;
}

int get_payment(Context& context, const std::string& name) {
    payment::v1::GetPaymentRequest request;
    request.set_name(name);
    const auto p =
        context.api().call<payment::v1::Payment>("payment", "PaymentService/GetPayment", request);
    print_facts({{"name", p.name()},
                 {"state", state_of(p.state())},
                 {"outcome unknown", p.outcome_unknown() ? "yes" : ""},
                 {"needs a person", p.needs_person() ? person_reason(p.person_reason()) +
                                                           " since " + when(p.needs_person_time()) +
                                                           ": flowctl payments resolve"
                                                     : ""},
                 {"amount", amount(p.amount())},
                 {"provider", p.provider()},
                 {"reference", p.reference()},
                 {"phone", p.phone()},
                 {"customer", p.customer_id()},
                 {"conversation", p.conversation_id()},
                 {"order", p.order()},
                 {"invoice", p.invoice()},
                 {"provider reference", p.provider_reference()},
                 {"receipt", p.receipt_pending() ? "pending" : p.receipt()},
                 {"late", p.late() ? "yes" : ""},
                 {"result code", p.result_code()},
                 {"failure", p.failure_reason()},
                 {"resolved by", p.resolved_by()},
                 {"resolution", p.resolution()},
                 {"quarantined", p.quarantined() ? std::to_string(p.quarantined()) : ""},
                 {"created", when(p.create_time())},
                 {"expires", when(p.expire_time())},
                 {"paid", when(p.paid_time())}},
                json_of(p), context.format);
    if (context.format != Format::table || p.evidence().empty()) return kOk;
    std::cout << "\n";
    Sheet sheet({{"TIME (UTC)"}, {"EVIDENCE"}, {"DETAIL", false, true}});
    for (const auto& e : p.evidence()) sheet.add({when(e.time()), e.kind(), e.detail()});
    print(sheet, context.format, "evidence");
    return kOk;
}

struct ResolveArguments {
    std::string receipt;
    std::string amount;
    bool failed = false;
    std::string reason;
    std::string etag;
    bool dry_run = false;
};

// Sends the etag of what was read just now, unless the caller names the one that they looked at: a
// person has to see what was recorded since then before they decide.
int resolve_payment(Context& context, const std::string& name, const ResolveArguments& a) {
    payment::v1::GetPaymentRequest get;
    get.set_name(name);
    const auto before =
        context.api().call<payment::v1::Payment>("payment", "PaymentService/GetPayment", get);
    payment::v1::ResolvePaymentRequest request;
    request.set_name(name);
    request.set_etag(a.etag.empty() ? before.etag() : a.etag);
    request.set_reason(a.reason);
    if (a.failed) {
        request.mutable_failed();
    } else {
        if (a.receipt.empty())
            throw UsageError("say --receipt and --amount when the money is there, or --failed");
        const auto currency = parse_currency(before.amount().currency_code());
        const auto amount = currency ? parse_money(a.amount, *currency) : std::nullopt;
        if (!amount)
            throw UsageError("--amount: the amount on the statement, e.g. 1160.00, in " +
                             before.amount().currency_code());
        request.mutable_paid()->set_receipt(a.receipt);
        request.mutable_paid()->mutable_amount()->set_minor_units(amount->minor_units);
        request.mutable_paid()->mutable_amount()->set_currency_code(
            before.amount().currency_code());
    }
    if (a.dry_run) {
        print_facts(facts_of(request), json_of(request), context.format);
        std::cerr << "payments resolve: this would be asked of a payment that is "
                  << state_of(before.state()) << "; nothing was changed (dry run)\n";
        return kOk;
    }
    const auto after = context.api().call<payment::v1::Payment>(
        "payment", "PaymentService/ResolvePayment", request);
    print_facts({{"name", after.name()},
                 {"state", state_of(after.state())},
                 {"amount", amount(after.amount())},
                 {"receipt", after.receipt()},
                 {"failure", after.failure_reason()},
                 {"resolved by", after.resolved_by()},
                 {"resolution", after.resolution()}},
                json_of(after), context.format);
    return kOk;
}

std::string lines_of(const payment::v1::Order& order, const std::string& between) {
    std::vector<std::string> lines;
    for (const auto& line : order.lines())
        lines.push_back(std::to_string(line.quantity()) + " × " + line.product_name());
    return joined(lines, between);
}

int list_orders(Context& context, const ListArguments& a) {
    payment::v1::ListOrdersRequest request;
    request.set_parent(rpc::tenant_name(chosen_tenant(context, a.tenant)));
    request.set_customer_id(a.customer);
    if (!a.state.empty()) {
        payment::v1::OrderPaymentState state{};
        if (!payment::v1::OrderPaymentState_Parse("ORDER_PAYMENT_STATE_" + a.state, &state))
            throw UsageError("--state: PAID or UNPAID");
        request.set_payment_state(state);
    }
    Sheet sheet({{"ORDER"},
                 {"NUMBER"},
                 {"STATE"},
                 {"MONEY"},
                 {"TOTAL", true},
                 {"ITEMS", false, true},
                 {"PLACED (UTC)"}});
    list_all<payment::v1::ListOrdersResponse>(
        context, "payment", "OrderService/ListOrders", request, a.limit,
        [](const auto& page) { return page.orders(); },
        [&](const payment::v1::Order& o) {
            sheet.add(
                {short_id(o.name()), o.number(), state_of(o.state()), state_of(o.payment_state()),
                 amount(o.total()), lines_of(o, ", "), when(o.create_time())},
                json_of(o));
        });
    print(sheet, context.format, "orders");
    return kOk;
}

int get_order(Context& context, const std::string& name) {
    payment::v1::GetOrderRequest request;
    request.set_name(name);
    const auto o =
        context.api().call<payment::v1::Order>("payment", "OrderService/GetOrder", request);
    print_facts({{"name", o.name()},
                 {"number", o.number()},
                 {"state", state_of(o.state())},
                 {"money", state_of(o.payment_state())},
                 {"items", lines_of(o, "\n")},
                 {"subtotal", amount(o.subtotal())},
                 {"tax", amount(o.tax())},
                 {"rounding", o.rounding().minor_units() ? amount(o.rounding()) : ""},
                 {"total", amount(o.total())},
                 {"customer", o.customer_name() + " (" + o.customer_id() + ")"},
                 {"deliver to", o.delivery_address()},
                 {"phone", o.phone()},
                 {"conversation", o.conversation_id()},
                 {"invoice", o.invoice()},
                 {"payments", joined(o.payments(), "\n")},
                 {"cancelled", o.cancel_reason()},
                 {"placed", when(o.create_time())},
                 {"paid", when(o.paid_time())}},
                json_of(o), context.format);
    return kOk;
}

// --- Dead letters.

struct DeadLetterArguments {
    std::string tenant;
    std::vector<std::string> messages;
    bool all = false;
    bool dry_run = false;
    std::string reason;
    int limit = 50;
};

std::vector<gateway::v1::Message> dead_letters(Context& context, const std::string& tenant,
                                               int limit) {
    gateway::v1::ListDeadLettersRequest request;
    request.set_parent(rpc::tenant_name(tenant));
    std::vector<gateway::v1::Message> found;
    list_all<gateway::v1::ListMessagesResponse>(
        context, "gateway", "MessageService/ListDeadLetters", request, limit,
        [](const auto& page) { return page.messages(); },
        [&](const gateway::v1::Message& m) { found.push_back(m); });
    return found;
}

int list_dead_letters(Context& context, const DeadLetterArguments& a) {
    auto sheet = messages_sheet();
    for (const auto& m : dead_letters(context, chosen_tenant(context, a.tenant), a.limit))
        add_message(sheet, m);
    print(sheet, context.format, "dead letters");
    return kOk;
}

// Each message is handled by itself: one that cannot be changed is reported, and the others go on.
template <class Request>
int for_dead_letters(Context& context, const DeadLetterArguments& a, const std::string& method,
                     const std::string& done) {
    std::vector<std::string> names;
    const auto tenant = [&] { return chosen_tenant(context, a.tenant); };
    for (const auto& typed : a.messages) names.push_back(resource_name(typed, "messages", tenant));
    if (a.all)
        for (const auto& m : dead_letters(context, tenant(), 0)) names.push_back(m.name());
    if (names.empty() && !a.all)
        throw UsageError("say which messages: names of dead letters, or --all");
    int failed = 0;
    int code = kOk;
    Sheet sheet({{"MESSAGE"}, {"STATE"}});
    for (const auto& name : names) {
        if (a.dry_run) {
            gateway::v1::GetMessageRequest request;
            request.set_name(name);
            const auto result = guarded([&] {
                const auto m = context.api().call<gateway::v1::Message>(
                    "gateway", "MessageService/GetMessage", request);
                if (!m.dead() && m.state() != "UNKNOWN") {
                    std::cerr << "flowctl: " << name << " is " << m.state() << ", no dead letter\n";
                    return kConflict;
                }
                sheet.add({m.message_id(), m.state()}, json_of(m));
                return kOk;
            });
            failed += result != kOk;
            if (result != kOk) code = result;
            continue;
        }
        Request request;
        request.set_name(name);
        request.set_reason(a.reason);
        const auto result = guarded([&] {
            const auto m = context.api().call<gateway::v1::Message>(
                "gateway", "MessageService/" + method, request);
            sheet.add({m.message_id(), m.state()}, json_of(m));
            return kOk;
        });
        failed += result != kOk;
        if (result != kOk) code = result;
    }
    print(sheet, context.format, "dead letters");
    std::cerr << sheet.size() << (a.dry_run ? " would be " : " ") << done
              << (a.dry_run ? " (dry run)" : "") << "\n";
    if (failed == 0) return kOk;
    return sheet.size() == 0 ? code : kPartial;
}

}  // namespace

void add_resource_commands(CLI::App& app, Context& context) {
    // A group of a collection, its list and its get.
    struct Group {
        CLI::App* app;
        std::string collection;
    };
    const auto group = [&](const std::string& name, const std::string& help) {
        auto* command = app.add_subcommand(name, help);
        command->require_subcommand(1);
        command->fallthrough();
        return Group{command, name};
    };
    const auto with_list = [&](const Group& g, const std::string& help, const std::string& states,
                               int (*list)(Context&, const ListArguments&)) {
        const auto a = std::make_shared<ListArguments>();
        auto* command = g.app->add_subcommand("list", help);
        add_tenant(*command, a->tenant);
        command->add_option("--state", a->state, states)
            ->transform([](std::string text) {
                for (auto& c : text) c = static_cast<char>(std::toupper(c));
                return text;
            })
            ->option_text("STATE");
        command->add_option("--customer", a->customer, "only of this customer")->option_text("ID");
        if (g.collection == "payments")
            command->add_flag("--needs-person", a->needs_person,
                              "only those that a person has to end (resolve)");
        add_limit(*command, a->limit);
        command->callback([&context, a, list] {
            context.run = [&context, a, list] { return list(context, *a); };
        });
    };
    const auto with_name = [&](const Group& g, const std::string& verb, const std::string& help,
                               std::function<int(Context&, const std::string&)> act) {
        struct Arguments {
            std::string tenant;
            std::string name;
        };
        const auto a = std::make_shared<Arguments>();
        auto* command = g.app->add_subcommand(verb, help);
        command->add_option("name", a->name, "tenants/<tenant>/" + g.collection + "/<id>, or <id>")
            ->required();
        add_tenant(*command, a->tenant);
        const auto collection = g.collection;
        command->callback([&context, a, act, collection] {
            context.run = [&context, a, act, collection] {
                return act(context, resource_name(a->name, collection, [&] {
                               return chosen_tenant(context, a->tenant);
                           }));
            };
        });
        return command;
    };

    const auto tenants = group("tenants", "the businesses of this installation");
    {
        const auto limit = std::make_shared<int>(50);
        auto* list = tenants.app->add_subcommand("list", "all of them, by name");
        add_limit(*list, *limit);
        list->callback([&context, limit] {
            context.run = [&context, limit] { return list_tenants(context, *limit); };
        });
        const auto name = std::make_shared<std::string>();
        auto* get = tenants.app->add_subcommand("get", "one of them");
        get->add_option("tenant", *name, "tenants/<tenant>, or its id")->required();
        get->callback([&context, name] {
            context.run = [&context, name] { return get_tenant(context, *name); };
        });
        const auto a = std::make_shared<SettingsArguments>();
        auto* set = tenants.app->add_subcommand(
            "set", "change settings, e.g. unclear_payment_policy=wait languages=en,sw");
        set->add_option("tenant", a->tenant, "tenants/<tenant>, or its id")->required();
        set->add_option("setting", a->settings,
                        "<field>=<value>, a list with commas; a wrong field lists them all")
            ->required();
        set->add_option("--etag", a->etag, "only if nothing was changed since this etag");
        set->callback(
            [&context, a] { context.run = [&context, a] { return set_tenant(context, *a); }; });
    }

    const auto conversations = group("conversations", "dialogues with customers");
    with_list(conversations, "the latest first", "NEW_LEAD, ENGAGED, AWAITING_CUSTOMER, …",
              list_conversations);
    with_name(conversations, "get", "one of them: its state, its place in the flow and its cart",
              get_conversation);
    {
        const auto limit = std::make_shared<int>(0);
        auto* history = with_name(
            conversations, "history", "everything that happened in one, oldest first",
            [limit](Context& c, const std::string& name) { return show_history(c, name, *limit); });
        history->add_option("-n,--limit", *limit, "at most so many, 0 = all")->option_text("N [0]");
    }

    const auto messages = group("messages", "what is sent to customers");
    with_list(messages, "the newest first", "QUEUED, SENDING, UNKNOWN, FAILED, SENT, DELIVERED, …",
              list_messages);
    with_name(messages, "get", "one of them", get_message);

    const auto payments = group("payments", "payments, each of which is taken once");
    with_list(payments, "the newest first", "INITIATED, PENDING, PAID, FAILED or EXPIRED",
              list_payments);
    with_name(payments, "get", "one of them, with its evidence", get_payment);
    {
        const auto a = std::make_shared<ResolveArguments>();
        auto* resolve = with_name(
            payments, "resolve", "end one by what the provider's statement shows",
            [a](Context& c, const std::string& name) { return resolve_payment(c, name, *a); });
        auto* receipt = resolve->add_option("--receipt", a->receipt,
                                            "the money is there: the provider's receipt");
        auto* amount = resolve->add_option("--amount", a->amount, "and its amount, e.g. 1160.00");
        auto* failed = resolve->add_flag("--failed", a->failed, "no money came");
        receipt->needs(amount);
        amount->needs(receipt);
        failed->excludes(receipt)->excludes(amount);
        resolve->add_option("--reason", a->reason, "what the statement shows, for the record")
            ->required();
        resolve->add_option("--etag", a->etag, "only if nothing was recorded since this etag");
        resolve->add_flag("--dry-run", a->dry_run, "show what would be asked and change nothing");
    }

    const auto orders = group("orders", "what customers bought");
    with_list(orders, "the newest first", "PAID or UNPAID", list_orders);
    with_name(orders, "get", "one of them", get_order);

    const auto dlq = group("dlq", "messages that wait for a person");
    const auto dead = [&](const std::string& verb, const std::string& help,
                          int (*act)(Context&, const DeadLetterArguments&)) {
        const auto a = std::make_shared<DeadLetterArguments>();
        auto* command = dlq.app->add_subcommand(verb, help);
        add_tenant(*command, a->tenant);
        if (verb == "list") {
            add_limit(*command, a->limit);
        } else {
            command->add_option("message", a->messages, "tenants/<tenant>/messages/<id>, or <id>");
            command->add_flag("--all", a->all, "every dead letter of the tenant");
            command->add_option("--reason", a->reason, "for the record")->required();
            command->add_flag("--dry-run", a->dry_run, "list them and change nothing");
        }
        command->callback(
            [&context, a, act] { context.run = [&context, a, act] { return act(context, *a); }; });
    };
    dead("list", "failed for good, or of unknown outcome", list_dead_letters);
    dead("retry", "send again; one of unknown outcome may then arrive twice",
         [](Context& c, const DeadLetterArguments& a) {
             return for_dead_letters<gateway::v1::RetryMessageRequest>(c, a, "RetryMessage",
                                                                       "queued again");
         });
    dead("discard", "give up, for good", [](Context& c, const DeadLetterArguments& a) {
        return for_dead_letters<gateway::v1::DiscardMessageRequest>(c, a, "DiscardMessage",
                                                                    "given up");
    });
}

}  // namespace flowstack::flowctl
