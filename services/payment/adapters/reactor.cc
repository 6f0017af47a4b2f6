#include "services/payment/adapters/reactor.h"

#include <functional>
#include <map>
#include <stdexcept>

#include "common/observability/log.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/invoice_events.pb.h"
#include "flowstack/payment/v1/refund_events.pb.h"
#include "services/payment/adapters/refunds.h"

namespace flowstack::payment {
namespace {

// 6 characters of 32 make a billion numbers. Two draws of one tenant may still meet: then the next
// try draws a longer number.
constexpr int kNumberCharacters = 6;
constexpr int kLongNumberCharacters = 10;

using conversation::v1::CheckoutRequested;

// No lines when a currency is unknown: such a cart has no price.
std::vector<OrderLine> lines_of(const CheckoutRequested& request) {
    std::vector<OrderLine> lines;
    for (const auto& line : request.lines()) {
        const auto currency = parse_currency(line.unit_price().currency_code());
        if (!currency) return {};
        lines.push_back({.product_id = line.product_id(),
                         .product_name = line.product_name(),
                         .quantity = line.quantity(),
                         .unit_price = {line.unit_price().minor_units(), *currency},
                         .line_total = {}});
    }
    return lines;
}

void refused(const eventlog::Recorded& event, const std::string& why) {
    log::warn("event ignored", {{"type", event.type},
                                {"tenant", event.stream.tenant},
                                {"key", event.stream.key},
                                {"position", event.position},
                                {"why", why}});
}

eventlog::Meta routed_to(const CustomerId& customer_id) {
    eventlog::Meta meta;
    meta.routing = customer_routing(customer_id);
    return meta;
}

// Ends a checkout: it is refused for this reason.
struct Stop {
    std::string reason;  // see refusal::
    std::string detail;
};

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
        {v1::RefundOwed::descriptor()->full_name(), &Reactor::refund_owed},
        {v1::InvoiceCredited::descriptor()->full_name(), &Reactor::assign_credit_note},
        {v1::CreditNoteNumberAssigned::descriptor()->full_name(), &Reactor::issue_credit_note},
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
        log::error("payment evidence put in quarantine: a person has to look at it",
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

// One CheckoutRequested on its way through check_out.
struct Reactor::Checkout {
    const eventlog::Recorded& event;
    eventlog::Turn& turn;
    CheckoutRequested request;
    bool is_retry = false;
    OrderId order_id;
    IntentId intent_id;
    Time at{};
    Order order;
    PreviousIntent previous = PreviousIntent::none;
    const Provider* provider = nullptr;
    std::string phone;
    eventlog::Command command;
    eventlog::Part order_part;

    const std::string& tenant() const { return event.stream.tenant; }
    void decide_order(const OrderCommand& asked) {
        const auto decision = decide(order, asked);
        if (!decision.accepted())
            throw Stop{.reason = refusal_of(decision.rejection()),
                       .detail = text_of(decision.rejection())};
        for (const auto& fact : decision.events()) {
            order = evolve(order, fact);
            order_part.events.push_back(encode(fact, at));
        }
    }
};

void Reactor::check_out(const eventlog::Recorded& event, eventlog::Turn& turn) {
    Checkout c{.event = event, .turn = turn, .at = event.recorded_at};
    if (!c.request.ParseFromString(event.payload))
        throw std::invalid_argument("not a CheckoutRequested");
    c.is_retry = !c.request.retry_of_order_id().empty();
    c.order_id = OrderId(c.is_retry ? c.request.retry_of_order_id() : c.request.order_id());
    c.intent_id = IntentId(turn.derived_id("intent", 0).text());
    const auto folded = books_.orders.load(order_stream(c.tenant(), c.order_id), turn);
    c.order = folded.state;
    c.order_part = {order_stream(c.tenant(), c.order_id), folded.version, {}};
    c.command.tenant = c.tenant();
    c.command.meta = routed_to(CustomerId(c.request.customer_id()));
    try {
        if (c.is_retry)
            retry(c);
        else
            place(c);
        // With pay_later the customer chooses how to pay later: that is a retry of this order.
        if (!c.request.pay_later()) start_payment(c);
    } catch (const Stop& stop) {
        return refuse(c, stop.reason, stop.detail);
    }
    c.command.parts.insert(c.command.parts.begin(), std::move(c.order_part));
    turn.append(std::move(c.command), "check_out");
}

// Conversation holds stock for this checkout and its customer waits, so a refusal is a fact, too.
void Reactor::refuse(const Checkout& c, const std::string& reason, const std::string& detail) {
    refused(c.event, detail);
    eventlog::Command command;
    command.tenant = c.tenant();
    command.meta = routed_to(CustomerId(c.request.customer_id()));
    const CheckoutRefused fact{.order_id = c.order_id,
                               .conversation_id = ConversationId(c.request.conversation_id()),
                               .customer_id = CustomerId(c.request.customer_id()),
                               .reservation_id = ReservationId(c.request.reservation_id()),
                               .reason = reason,
                               .detail = detail,
                               .retry = c.is_retry};
    command.parts.push_back(
        {checkout_stream(c.tenant(), c.order_id), eventlog::kAny, {encode(fact, c.at)}});
    c.turn.append(std::move(command), "refuse");
}

// Finds out, before anything is written, whether the customer can be asked at all.
void Reactor::choose_provider(Checkout& c) const {
    const auto& name = c.request.provider();
    c.provider = name.empty() ? &providers_.first() : providers_.find(name);
    if (!c.provider)
        throw Stop{refusal::kProviderOff,
                   "this build has no provider " + name + ", only " + providers_.names()};
    if (!accounts_.connected(c.tenant(), c.provider->name()))
        throw Stop{refusal::kProviderOff,
                   "the tenant has connected no " + c.provider->name() + " account"};
    if (!c.provider->capabilities().needs_phone) return;
    const auto phone = c.provider->usable_phone(c.request.personal().phone());
    if (!phone)
        throw Stop{refusal::kPhoneNotUsable,
                   c.provider->name() + " needs " + c.provider->usable_phones()};
    c.phone = *phone;
}

void Reactor::must_take(const Checkout& c, Money amount) const {
    if (const auto cannot = cannot_take(*c.provider, amount))
        throw Stop{cannot->reason, cannot->detail};
}

void Reactor::retry(Checkout& c) {
    const auto* open = std::get_if<OpenOrder>(&c.order);
    if (!open || open->intents.empty()) return;
    const auto stream = intent_stream(c.tenant(), open->intents.back());
    const auto last = books_.intents.load(stream, c.turn);
    c.previous = standing_of(last.state);
    c.command.parts.push_back({stream, last.version, {}});
}

void Reactor::place(Checkout& c) {
    const auto& request = c.request;
    const auto settings = tenants_.at_least(c.tenant(), c.event.meta.settings_version);
    const auto priced = price(lines_of(request), settings.tax_rate_bp);
    if (!priced) throw Stop{refusal::kNotPriced, "its lines cannot be priced"};
    if (!request.pay_later()) {
        choose_provider(c);
        must_take(c, priced->totals.total);
    }
    const auto number = order_number(settings.order_prefix, c.turn.derived_id("order_number", 0),
                                     c.turn.refusal() ? kLongNumberCharacters : kNumberCharacters);
    const InvoiceId invoice_id(c.turn.derived_id("invoice", 0).text());
    c.decide_order(PlaceOrder{{.order_id = c.order_id,
                               .number = number,
                               .customer_id = CustomerId(request.customer_id()),
                               .conversation_id = ConversationId(request.conversation_id()),
                               .channel_id = ChannelId(request.channel_id()),
                               .reservation_id = ReservationId(request.reservation_id()),
                               .lines = priced->lines,
                               .totals = priced->totals,
                               .language = request.language(),
                               .buyer = {.name = request.personal().name(),
                                         .address = request.personal().address(),
                                         .phone = request.personal().phone()},
                               .invoice_id = invoice_id}});
    const auto drafted = decide(
        Invoice{}, DraftInvoice{{.invoice_id = invoice_id,
                                 .order_id = c.order_id,
                                 .customer_id = CustomerId(request.customer_id()),
                                 .year = local_clock_.year(c.tenant(), settings.time_zone, c.at),
                                 .number_prefix = settings.invoice_prefix,
                                 .lines = priced->lines,
                                 .totals = priced->totals,
                                 .conversation_id = ConversationId(request.conversation_id()),
                                 .order_number = number,
                                 .due_at = c.at + config_.invoice_due_after,
                                 .language = request.language()}});
    if (!drafted.accepted()) throw Stop{refusal::kNotPriced, "its invoice does not add up"};
    eventlog::Part part{invoice_stream(c.tenant(), invoice_id), eventlog::kCreate, {}};
    for (const auto& fact : drafted.events()) part.events.push_back(encode(fact, c.at));
    c.command.parts.push_back(std::move(part));
}

void Reactor::start_payment(Checkout& c) {
    const auto provider_name =
        c.request.provider().empty() ? providers_.first().name() : c.request.provider();
    c.decide_order(
        StartPayment{.intent_id = c.intent_id, .provider = provider_name, .previous = c.previous});
    const auto& placed = std::get<OpenOrder>(c.order).placed;
    if (c.is_retry) {
        choose_provider(c);
        must_take(c, placed.totals.total);
    }
    const auto created = decide(
        Intent{}, CreateIntent{{.intent_id = c.intent_id,
                                .order_id = c.order_id,
                                .invoice_id = placed.invoice_id,
                                .customer_id = placed.customer_id,
                                .conversation_id = ConversationId(c.request.conversation_id()),
                                .provider = c.provider->name(),
                                .amount = placed.totals.total,
                                .reference = c.provider->reference(placed.number),
                                .expires_at = c.at + config_.intent_expires_after,
                                .ask_now = true,
                                .reservation_id = ReservationId(c.request.reservation_id()),
                                .order_number = placed.number,
                                .phone = c.phone}});
    if (!created.accepted()) throw Stop{refusal::kNotPriced, text_of(created.rejection())};
    eventlog::Part part{intent_stream(c.tenant(), c.intent_id), eventlog::kCreate, {}};
    for (const auto& fact : created.events()) part.events.push_back(encode(fact, c.at));
    c.command.parts.push_back(std::move(part));
}

void Reactor::assign_number(const eventlog::Recorded& event, eventlog::Turn& turn) {
    const auto draft = decode_invoice_drafted(event.payload);
    const auto& tenant = event.stream.tenant;
    eventlog::Command command;
    command.tenant = tenant;
    command.meta.routing = tenant_routing(tenant);
    command.parts.push_back({register_stream(tenant, draft.year),
                             eventlog::kAny,
                             {encode(NumberAssigned{.invoice_id = draft.invoice_id,
                                                    .customer_id = draft.customer_id,
                                                    .year = draft.year},
                                     event.recorded_at)}});
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
    for (const auto& fact : decision.events())
        part.events.push_back(encode(fact, event.recorded_at));
    command.parts.push_back(std::move(part));
    turn.append(std::move(command), "issue");
}

void Reactor::weigh_callback(const eventlog::Recorded& event, eventlog::Turn& turn) {
    const auto raw = decode_callback(event.payload);
    const auto c = load_case(books_, event.stream.tenant, IntentId(event.stream.key), &turn);
    if (std::holds_alternative<NoIntent>(c.intent.state))
        return refused(event, text_of(IntentRejection::not_created));
    // The payment's own provider reads it, whatever the path said.
    const auto& name = story_of(c.intent.state).made.provider;
    const auto* provider = providers_.find(name);
    const auto at = event.recorded_at;
    const auto command = [&]() -> IntentCommand {
        if (!provider) return LearnMalformed{"this build has no provider " + name};
        const auto read = provider->read_callback(raw.body);
        if (const auto* malformed = std::get_if<MalformedCallback>(&read))
            return LearnMalformed{malformed->detail};
        const auto& callback = std::get<Callback>(read);
        return LearnCallback{.ref = callback.ref,
                             .says = callback.says,
                             .order = standing_of(c),
                             .next_poll_at = at + config_.poll_first_after,
                             .taken = turn.refusal() ? taken_by(*turn.refusal()) : Taken::nothing};
    }();
    auto settled = settle(c, command, at);
    if (settled.rejection) return refused(event, text_of(*settled.rejection));
    if (!settled.command) return;
    tie_to_purchase(turn.store(), c, false, *settled.command);
    turn.append(std::move(*settled.command), "weigh_callback");
}

void Reactor::refund_owed(const eventlog::Recorded& event, eventlog::Turn& turn) {
    v1::RefundOwed owed;
    if (!owed.ParseFromString(event.payload)) throw std::invalid_argument("not a RefundOwed");
    const auto c = load_case(books_, event.stream.tenant, IntentId(owed.intent_id()), &turn);
    auto opened = open_refund(c,
                              {.refund_id = RefundId(turn.derived_id("refund", 0).text()),
                               .amount = {},
                               .reason = owed.reason() == v1::REFUND_REASON_ORDER_CANCELLED
                                             ? "the order was cancelled before this money came"
                                             : "another payment had paid the order"},
                              event.recorded_at);
    // A person was faster, and nothing of it is left.
    if (const auto* no = std::get_if<RefundRefused>(&opened)) return refused(event, no->why);
    eventlog::Command command;
    command.tenant = event.stream.tenant;
    command.meta = routed_to(CustomerId(owed.customer_id()));
    command.parts = std::move(std::get<std::vector<eventlog::Part>>(opened));
    turn.append(std::move(command), "refund_owed");
}

void Reactor::assign_credit_note(const eventlog::Recorded& event, eventlog::Turn& turn) {
    v1::InvoiceCredited credited;
    if (!credited.ParseFromString(event.payload))
        throw std::invalid_argument("not an InvoiceCredited");
    const auto& tenant = event.stream.tenant;
    const auto settings = tenants_.at_least(tenant, event.meta.settings_version);
    const CreditNoteNumberAssigned assigned{
        .refund_id = RefundId(credited.refund_id()),
        .customer_id = CustomerId(credited.customer_id()),
        .year = local_clock_.year(tenant, settings.time_zone, event.recorded_at)};
    eventlog::Command command;
    command.tenant = tenant;
    command.meta.routing = tenant_routing(tenant);
    command.parts.push_back({credit_notes_stream(tenant, assigned.year),
                             eventlog::kAny,
                             {encode(assigned, event.recorded_at)}});
    turn.append(std::move(command), "assign_credit_note");
}

void Reactor::issue_credit_note(const eventlog::Recorded& event, eventlog::Turn& turn) {
    const auto assigned = decode_credit_note_number(event.payload);
    const auto& tenant = event.stream.tenant;
    const auto stream = refund_stream(tenant, assigned.refund_id);
    const auto refund = books_.refunds.load(stream, turn);
    // The register's version is the number.
    const auto decision =
        decide(refund.state,
               NumberCreditNote{invoice_number(kCreditNotePrefix, assigned.year, event.version)});
    if (!decision.accepted()) return refused(event, text_of(decision.rejection()));
    if (decision.events().empty()) return;
    eventlog::Command command;
    command.tenant = tenant;
    command.meta = routed_to(assigned.customer_id);
    eventlog::Part part{stream, refund.version, {}};
    for (const auto& fact : decision.events())
        part.events.push_back(encode(fact, event.recorded_at));
    command.parts.push_back(std::move(part));
    turn.append(std::move(command), "issue_credit_note");
}

}  // namespace flowstack::payment
