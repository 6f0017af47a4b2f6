#include "services/payment/adapters/consumer.h"

#include <functional>
#include <map>
#include <stdexcept>

#include "common/core/overloaded.h"
#include "common/observability/log.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/invoice_events.pb.h"
#include "services/payment/adapters/derive.h"
#include "services/payment/adapters/mpesa/wire.h"

namespace flowstack::payment {
namespace {

// 6 characters of 32: a billion numbers a tenant before two draws meet often. When a number is
// taken the next try draws a longer one.
constexpr int kNumberCharacters = 6;
constexpr int kLongNumberCharacters = 10;

using conversation::v1::CheckoutRequested;

// Empty when a currency is none of ours: such a cart has no price.
std::vector<OrderLine> lines_of(const CheckoutRequested& request) {
    std::vector<OrderLine> lines;
    for (const auto& line : request.lines()) {
        const auto currency = parse_currency(line.unit_price().currency_code());
        if (!currency) return {};
        lines.push_back({line.product_id(),
                         line.product_name(),
                         line.quantity(),
                         {line.unit_price().minor_units(), *currency},
                         {}});
    }
    return lines;
}

void refused(const eventlog::Recorded& event, const std::string& why) {
    log::warn("an event led to nothing", {{"type", event.type},
                                          {"tenant", event.stream.tenant},
                                          {"key", event.stream.key},
                                          {"position", event.position},
                                          {"why", why}});
}

eventlog::Meta routed_to(const std::string& customer_id) {
    eventlog::Meta meta;
    meta.routing = {eventlog::RoutingKind::customer, customer_id};
    return meta;
}

std::string provider_of(const CheckoutRequested& request) {
    return request.provider().empty() ? "mpesa" : request.provider();
}

IntentCommand meaning_of(const mpesa::Callback& callback, OrderStanding order, Time next_poll,
                         Taken taken) {
    LearnCallback learned{callback.checkout_id,
                          callback.merchant_request_id,
                          SaysNothing{callback.code},
                          order,
                          next_poll,
                          taken};
    const auto meaning = mpesa::meaning_of(callback.code);
    if (callback.code == "0") {
        learned.says = SaysPaid{callback.amount.value(), callback.receipt};
    } else if (meaning.known && meaning.is_final) {
        learned.says = SaysFailed{callback.code, meaning.reason};
    }
    return learned;
}

Taken taken_by(const std::optional<eventlog::Verdict>& refusal) {
    if (!refusal || refusal->outcome != eventlog::Outcome::claim_taken) return Taken::nothing;
    return refusal->claim_kind == claim::kReceipt ? Taken::receipt : Taken::checkout;
}

}  // namespace

std::string order_number(const std::string& prefix, const Uuid& seed, int characters) {
    static constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    // The last 8 bytes of a version 7 id are random but for two bits of the first of them.
    std::uint64_t bits = 0;
    for (std::size_t i = 9; i < 16; ++i) bits = bits << 8 | seed.bytes[i];
    std::string number = prefix + "-";
    for (int i = 0; i < characters; ++i) {
        number += kAlphabet[bits & 31];
        bits >>= 5;
    }
    return number;
}

void Reactor::react(const eventlog::Recorded& event, eventlog::Turn& turn) {
    using Handle = void (Reactor::*)(const eventlog::Recorded&, eventlog::Turn&);
    static const std::map<std::string, Handle> kHandlers{
        {CheckoutRequested::descriptor()->full_name(), &Reactor::check_out},
        {v1::InvoiceDrafted::descriptor()->full_name(), &Reactor::assign_number},
        {v1::NumberAssigned::descriptor()->full_name(), &Reactor::issue},
        {v1::CallbackReceived::descriptor()->full_name(), &Reactor::weigh_callback},
    };
    const auto found = kHandlers.find(event.type);
    if (found != kHandlers.end()) (this->*found->second)(event, turn);
    if (event.service == "payment" && event.stream.category == category::kIntent) count(event);
}

// At least once: an event that is tried again is counted again.
void Reactor::count(const eventlog::Recorded& event) {
    if (event.type == v1::IntentQuarantined::descriptor()->full_name()) {
        v1::IntentQuarantined e;
        if (!e.ParseFromString(event.payload)) return;
        log::error("payment evidence in quarantine: a person has to look at it",
                   {{"tenant", event.stream.tenant},
                    {"intent", event.stream.key},
                    {"reason", e.reason()},
                    {"detail", e.detail()}});
        metrics_
            .counter("flowstack_payment_quarantined_total", "evidence that did not fit",
                     {{"reason", e.reason()}})
            .add();
        return;
    }
    const auto dot = event.type.rfind('.');
    metrics_
        .counter("flowstack_payment_intent_events_total", "facts about payment intents",
                 {{"type", event.type.substr(dot + 1)}})
        .add();
}

void Reactor::check_out(const eventlog::Recorded& event, eventlog::Turn& turn) {
    CheckoutRequested request;
    if (!request.ParseFromString(event.payload))
        throw std::invalid_argument("not a CheckoutRequested");
    const auto& tenant = event.stream.tenant;
    const auto now = clock_.now();
    const bool retry = !request.retry_of_order_id().empty();
    const auto order_id = retry ? request.retry_of_order_id() : request.order_id();
    const auto order = books_.orders.load(order_stream(tenant, order_id), turn);
    const auto intent_id = turn.derived_id("intent", 0).text();

    // Conversation holds stock for this checkout and its customer waits: a refusal is a fact, too.
    const auto refuse = [&](const std::string& reason, const std::string& detail) {
        refused(event, detail);
        eventlog::Command command;
        command.tenant = tenant;
        command.meta = routed_to(request.customer_id());
        const CheckoutRefused fact{order_id,
                                   request.conversation_id(),
                                   request.customer_id(),
                                   request.reservation_id(),
                                   reason,
                                   detail,
                                   retry};
        command.parts.push_back(
            {checkout_stream(tenant, order_id), eventlog::kAny, {encode(fact, now)}});
        turn.append(std::move(command), "refuse");
    };

    eventlog::Command command;
    command.tenant = tenant;
    command.meta = routed_to(request.customer_id());
    eventlog::Part order_part{order_stream(tenant, order_id), order.version, {}};
    auto order_state = order.state;
    const auto decide_order = [&](const OrderCommand& asked) -> std::optional<OrderRejection> {
        const auto decision = decide(order_state, asked);
        if (!decision.accepted()) return decision.rejection();
        for (const auto& fact : decision.events()) {
            order_state = evolve(order_state, fact);
            order_part.events.push_back(encode(fact, now));
        }
        return {};
    };

    auto previous = PreviousIntent::none;
    if (retry) {
        const auto* open = std::get_if<OpenOrder>(&order_state);
        if (open && !open->intents.empty()) {
            const auto stream = intent_stream(tenant, open->intents.back());
            const auto last = books_.intents.load(stream, turn);
            previous = standing_of(last.state);
            command.parts.push_back({stream, last.version, {}});
        }
    } else {
        const auto settings = tenants_.at_least(tenant, event.meta.settings_version);
        const auto priced = price(lines_of(request), settings.tax_rate_bp);
        if (!priced) return refuse(refusal::kNotPriced, "its lines cannot be priced");
        const auto number =
            order_number(settings.order_prefix, turn.derived_id("order_number", 0),
                         turn.refusal() ? kLongNumberCharacters : kNumberCharacters);
        const auto invoice_id = turn.derived_id("invoice", 0).text();
        const OrderPlaced placed{
            order_id,
            number,
            request.customer_id(),
            request.conversation_id(),
            request.channel_id(),
            request.reservation_id(),
            priced->lines,
            priced->totals,
            request.language(),
            {request.personal().name(), request.personal().address(), request.personal().phone()},
            invoice_id};
        if (const auto no = decide_order(PlaceOrder{placed}))
            return refuse(refusal_of(*no), text_of(*no));
        const DraftInvoice draft{{invoice_id, order_id, request.customer_id(),
                                  year_in(settings.time_zone, now), settings.invoice_prefix,
                                  priced->lines, priced->totals, request.conversation_id(), number,
                                  now + config_.invoice_due_ms, request.language()}};
        const auto drafted = decide(Invoice{}, draft);
        if (!drafted.accepted()) return refuse(refusal::kNotPriced, "its invoice does not add up");
        eventlog::Part invoice_part{invoice_stream(tenant, invoice_id), eventlog::kCreate, {}};
        for (const auto& fact : drafted.events()) invoice_part.events.push_back(encode(fact, now));
        command.parts.push_back(std::move(invoice_part));
    }
    if (request.pay_later()) {
        // The customer chooses how to pay later: that is a retry of this order.
        command.parts.insert(command.parts.begin(), std::move(order_part));
        turn.append(std::move(command), "check_out");
        return;
    }
    if (const auto no = decide_order(StartPayment{intent_id, provider_of(request), previous}))
        return refuse(refusal_of(*no), text_of(*no));

    const auto& placed = std::get<OpenOrder>(order_state).placed;
    const IntentCreated made{intent_id,
                             order_id,
                             placed.invoice_id,
                             placed.customer_id,
                             request.conversation_id(),
                             provider_of(request),
                             placed.totals.total,
                             mpesa::account_reference(placed.number),
                             now + config_.intent_expiry_ms,
                             true,
                             request.reservation_id(),
                             placed.number,
                             request.personal().phone()};
    const auto created = decide(Intent{}, CreateIntent{made});
    if (!created.accepted()) return refuse(refusal::kNotPriced, text_of(created.rejection()));
    eventlog::Part intent_part{intent_stream(tenant, intent_id), eventlog::kCreate, {}};
    for (const auto& fact : created.events()) intent_part.events.push_back(encode(fact, now));

    command.parts.insert(command.parts.begin(), std::move(order_part));
    command.parts.push_back(std::move(intent_part));
    turn.append(std::move(command), "check_out");
}

void Reactor::assign_number(const eventlog::Recorded& event, eventlog::Turn& turn) {
    const auto draft = decode_invoice_drafted(event.payload);
    const auto& tenant = event.stream.tenant;
    eventlog::Command command;
    command.tenant = tenant;
    command.meta.routing = {eventlog::RoutingKind::tenant, tenant};
    command.parts.push_back(
        {register_stream(tenant, draft.year),
         eventlog::kAny,
         {encode(NumberAssigned{draft.invoice_id, draft.customer_id, draft.year}, clock_.now())}});
    turn.append(std::move(command), "assign_number");
}

void Reactor::issue(const eventlog::Recorded& event, eventlog::Turn& turn) {
    const auto assigned = decode_number_assigned(event.payload);
    const auto& tenant = event.stream.tenant;
    const auto stream = invoice_stream(tenant, assigned.invoice_id);
    const auto invoice = books_.invoices.load(stream, turn);
    const auto* drafted = std::get_if<DraftedInvoice>(&invoice.state);
    const auto prefix = drafted ? drafted->drafted.number_prefix : "INV";
    // The register's version is the number.
    const auto decision =
        decide(invoice.state, IssueInvoice{invoice_number(prefix, assigned.year, event.version)});
    if (!decision.accepted()) return refused(event, "the invoice cannot be issued any more");
    if (decision.events().empty()) return;
    eventlog::Command command;
    command.tenant = tenant;
    command.meta = routed_to(assigned.customer_id);
    eventlog::Part part{stream, invoice.version, {}};
    for (const auto& fact : decision.events()) {
        const auto* issued = std::get_if<InvoiceIssued>(&fact);
        part.events.push_back(issued ? encode_issued(*issued, drafted->drafted, clock_.now())
                                     : encode(fact, clock_.now()));
    }
    command.parts.push_back(std::move(part));
    turn.append(std::move(command), "issue");
}

void Reactor::weigh_callback(const eventlog::Recorded& event, eventlog::Turn& turn) {
    const auto raw = decode_callback(event.payload);
    const auto c = load_case(books_, event.stream.tenant, event.stream.key, &turn);
    const auto now = clock_.now();
    const auto command = std::visit(
        Overloaded{[&](const mpesa::Callback& callback) {
                       return meaning_of(callback, standing_of(c), now + config_.poll_first_ms,
                                         taken_by(turn.refusal()));
                   },
                   [](const mpesa::Malformed& malformed) -> IntentCommand {
                       return LearnMalformed{malformed.detail};
                   }},
        mpesa::read_callback(raw.body));
    auto settled = settle(c, command, now);
    if (settled.rejection) return refused(event, text_of(*settled.rejection));
    if (!settled.command) return;
    tie_to_purchase(turn.store(), c, false, *settled.command);
    turn.append(std::move(*settled.command), "weigh_callback");
}

}  // namespace flowstack::payment
