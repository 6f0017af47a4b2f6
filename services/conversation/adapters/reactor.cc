#include "services/conversation/adapters/reactor.h"

#include <map>
#include <set>

#include "common/eventlog/payload.h"
#include "common/observability/log.h"
#include "flowstack/conversation/v1/booking_events.pb.h"
#include "flowstack/conversation/v1/content_events.pb.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/followup/v1/task_events.pb.h"
#include "flowstack/gateway/v1/contact_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/invoice_events.pb.h"
#include "flowstack/payment/v1/order_events.pb.h"
#include "flowstack/payment/v1/refund_events.pb.h"
#include "services/conversation/adapters/bookings.h"
#include "services/conversation/domain/linked.h"

namespace flowstack::conversation {
namespace {

using eventlog::parsed;

template <class Message>
std::string name_of() {
    return Message::descriptor()->full_name();
}

template <class Events>
void add(eventlog::Part& part, const Events& events, Time at) {
    for (const auto& event : events) part.events.push_back(encode(event, at));
}

SpokenKind kind_of(gateway::v1::InboundKind kind) {
    switch (kind) {
        case gateway::v1::INBOUND_KIND_TEXT:
            return SpokenKind::text;
        case gateway::v1::INBOUND_KIND_BUTTON:
        case gateway::v1::INBOUND_KIND_LIST_ROW:
            return SpokenKind::tap;
        case gateway::v1::INBOUND_KIND_MEDIA:
            return SpokenKind::media;
        case gateway::v1::INBOUND_KIND_LOCATION:
            return SpokenKind::location;
        case gateway::v1::INBOUND_KIND_CONTACTS:
            return SpokenKind::contacts;
        case gateway::v1::INBOUND_KIND_ORDER:
            return SpokenKind::order;
        case gateway::v1::INBOUND_KIND_FORM:
            return SpokenKind::form;
        case gateway::v1::INBOUND_KIND_REACTION:
            return SpokenKind::reaction;
        case gateway::v1::INBOUND_KIND_EDIT:
            return SpokenKind::edit;
        case gateway::v1::INBOUND_KIND_REVOKE:
            return SpokenKind::revoke;
        case gateway::v1::INBOUND_KIND_SYSTEM:
            return SpokenKind::system;
        case gateway::v1::INBOUND_KIND_WELCOME_REQUEST:
            return SpokenKind::welcome_request;
        case gateway::v1::INBOUND_KIND_CALL:
            return SpokenKind::call;
        default:
            // Also what a newer gateway names and this build does not know.
            return SpokenKind::unsupported;
    }
}

// Did a person of the shop write, and not only mark, change or delete something?
bool is_writing(gateway::v1::InboundKind kind) {
    return kind != gateway::v1::INBOUND_KIND_REACTION && kind != gateway::v1::INBOUND_KIND_EDIT &&
           kind != gateway::v1::INBOUND_KIND_REVOKE && kind != gateway::v1::INBOUND_KIND_SYSTEM &&
           kind != gateway::v1::INBOUND_KIND_UNSUPPORTED;
}

void ignored(const eventlog::Recorded& event, const std::string& why) {
    log::warn(
        "event ignored: " + why,
        {{"type", event.type}, {"tenant", event.stream.tenant}, {"position", event.position}});
}

}  // namespace

void Reactor::react(const eventlog::Recorded& event, eventlog::Turn& turn) {
    using Handle = void (Reactor::*)(const Recorded&, LogTurn&);
    static const std::map<std::string, Handle> kHandlers{
        {name_of<gateway::v1::MessageReceived>(), &Reactor::on_message},
        {name_of<gateway::v1::MessageEchoed>(), &Reactor::on_message_echoed},
        {name_of<gateway::v1::ContactsLinked>(), &Reactor::on_contacts_linked},
        {name_of<v1::HandedBack>(), &Reactor::on_handed_back},
        {name_of<v1::StockRequested>(), &Reactor::on_stock_requested},
        {name_of<v1::ReservationEndRequested>(), &Reactor::on_reservation_end},
        {name_of<v1::StockReserved>(), &Reactor::on_stock_answer},
        {name_of<v1::StockRefused>(), &Reactor::on_stock_answer},
        {name_of<v1::BookingRequested>(), &Reactor::on_booking_requested},
        {name_of<v1::BookingCancelRequested>(), &Reactor::on_booking_cancel},
        {name_of<v1::BookingMade>(), &Reactor::on_booking_answer},
        {name_of<v1::BookingRefused>(), &Reactor::on_booking_answer},
        {name_of<v1::BookingMoved>(), &Reactor::on_booking_answer},
        {name_of<v1::BookingCancelled>(), &Reactor::on_booking_answer},
        {name_of<payment::v1::OrderPlaced>(), &Reactor::on_order_placed},
        {name_of<payment::v1::PaymentStarted>(), &Reactor::on_payment_started},
        {name_of<payment::v1::PaymentLinkIssued>(), &Reactor::on_payment_link},
        {name_of<payment::v1::InvoiceIssued>(), &Reactor::on_invoice_issued},
        {name_of<payment::v1::IntentPaid>(), &Reactor::on_intent_paid},
        {name_of<payment::v1::ReceiptLearned>(), &Reactor::on_receipt_learned},
        {name_of<payment::v1::CheckoutRefused>(), &Reactor::on_checkout_refused},
        {name_of<payment::v1::PaymentNeedsPerson>(), &Reactor::on_payment_needs_person},
        {name_of<payment::v1::IntentFailed>(), &Reactor::on_intent_failed},
        {name_of<payment::v1::IntentExpired>(), &Reactor::on_intent_expired},
        {name_of<payment::v1::OrderAdvanced>(), &Reactor::on_order_advanced},
        {name_of<payment::v1::OrderCancelled>(), &Reactor::on_order_cancelled},
        {name_of<payment::v1::RefundDone>(), &Reactor::on_refund_done},
        {name_of<followup::v1::TaskFired>(), &Reactor::on_task_fired},
        {name_of<followup::v1::TaskSkipped>(), &Reactor::on_task_skipped},
    };
    const auto found = kHandlers.find(event.type);
    if (found != kHandlers.end()) (this->*found->second)(event, turn);
}

void Reactor::set_scene(Scene& scene, const Recorded& event, LogTurn& turn,
                        const std::string& cause_key) {
    const auto& tenant = event.stream.tenant;
    scene.tenant = tenants_.at_least(tenant, event.meta.settings_version);
    scene.content = content_.of(tenant);
    // A price in another currency than the tenant's cannot be added up: such a product is not for
    // sale.
    for (const auto& product : scene.content->products)
        if (product.price.currency == scene.tenant.currency) scene.products.push_back(product);
    auto& x = scene.context;
    x.now = event.recorded_at;
    x.tenant = &scene.tenant;
    x.templates = &scene.content->templates;
    x.shop.products = &scene.products;
    x.shop.promotions = &scene.content->promotions;
    x.support.topics = &scene.content->topics;
    x.booking.services = &scene.content->services;
    x.booking.settings = &scene.content->booking_settings.value.settings;
    x.booking.calendars = &scene.content->calendars;
    x.booking.zone = zone_of(scene.tenant.time_zone);
    x.matches = regex_matches;
    x.make_id = [&turn](const std::string& kind, int n) { return turn.derived_id(kind, n).text(); };
    x.cause_key = cause_key;
}

void Reactor::on_message(const Recorded& event, LogTurn& log_turn) {
    const auto m = parsed<gateway::v1::MessageReceived>(event);
    const auto& tenant = event.stream.tenant;
    Inbound in;
    in.id = m.provider_message_id();
    in.customer_id = CustomerId(m.customer_id());
    in.channel_id = ChannelId(m.channel_id());
    in.kind = kind_of(m.kind());
    in.tap_id = m.tap_id();
    in.text = m.personal().text();
    in.choices_numbered = m.choices_numbered();
    in.profile_name = m.personal().profile_name();
    in.phone = m.personal().phone();
    if (m.consent_change() != gateway::v1::CONSENT_CHANGE_UNSPECIFIED)
        in.consent_change = gateway::v1::ConsentChange_Name(m.consent_change());
    in.sent_at = event.occurred_at;
    in.received_at = event.recorded_at;
    in.subject_id = m.subject_provider_message_id();
    if (m.personal().has_location()) {
        const auto& pin = m.personal().location();
        in.place = Inbound::Place{pin.latitude(), pin.longitude(), pin.name(), pin.address()};
    }
    for (const auto& item : m.personal().cart().items())
        in.cart.push_back(
            {.product_id = ProductId(item.retailer_id()), .quantity = item.quantity()});

    Scene scene;
    set_scene(scene, event, log_turn, in.id);
    const auto current = content_.current(tenant, scene.tenant.pack);

    const auto customer_stream = stream(tenant, category::kCustomer, in.customer_id);
    const auto customer = books_.customers.load(customer_stream, log_turn);
    FoldedConversation latest;
    if (!customer.state.conversation_id.empty())
        latest = books_.conversations.load(
            stream(tenant, category::kConversation, customer.state.conversation_id), log_turn);

    Turn turn{.in = in, .context = scene.context};
    turn.limit = limit_;
    turn.current_flow = {current.key, current.version, current.flow.get()};
    turn.flow_of = [&](const std::string& key, std::int64_t version) -> const Flow* {
        scene.flows.push_back(content_.flow(tenant, key, version));
        return scene.flows.back().get();
    };
    turn.new_conversation_id = ConversationId(log_turn.derived_id("conversation", 0).text());
    turn.customer = customer.state;
    turn.conversation = latest.state;
    run_pipeline(turn);

    log::info("message handled", {{"tenant", tenant},
                                  {"customer", in.customer_id.text()},
                                  {"conversation", turn.conversation.id.text()},
                                  {"kind", std::string(text_of(in.kind))},
                                  {"outcome", std::string(text_of(turn.outcome))},
                                  {"node", turn.conversation.node}});
    if (!turn.problem.empty()) gave_up(tenant, turn.conversation.id, turn.problem);
    if (turn.outcome == SpokenOutcome::no_flow) {
        const auto& missing = turn.conversation.flow_key;
        log::warn("customer got no answer: there is no such flow",
                  {{"tenant", tenant},
                   {"conversation", turn.conversation.id.text()},
                   {"flow", missing},
                   {"version", turn.conversation.flow_version}});
        alarms_.handled(tenant, missing.empty() ? "(none)" : missing);
    } else if (turn.outcome == SpokenOutcome::answered) {
        alarms_.handled(tenant, "");
    }
    // Nobody answers it, and no dialogue is open that it could be recorded in.
    if (turn.events.empty()) return;

    eventlog::Command command;
    command.tenant = tenant;
    command.meta.routing = customer_routing(in.customer_id);
    const bool opened = turn.conversation.id != latest.state.id;
    eventlog::Part conversation{stream(tenant, category::kConversation, turn.conversation.id),
                                opened ? eventlog::kCreate : latest.expected(),
                                encode(turn.events, event.recorded_at)};
    command.parts.push_back(std::move(conversation));
    if (!turn.customer_events.empty())
        command.parts.push_back({customer_stream, customer.expected(),
                                 encode(turn.customer_events, event.recorded_at)});
    log_turn.append(std::move(command), "on_message");
}

void Reactor::prepare(std::span<const Recorded* const> events, eventlog::Pending& pending) {
    std::set<eventlog::StreamName> writing;
    for (const auto* event : events)
        if (eventlog::is<gateway::v1::MessageReceived>(*event) &&
            event->meta.routing.kind == eventlog::RoutingKind::customer)
            writing.insert(
                stream(event->stream.tenant, category::kCustomer, event->meta.routing.key));
    const std::vector customers(writing.begin(), writing.end());
    const auto known = books_.customers.read_ahead(customers, pending);
    std::vector<eventlog::StreamName> conversations;
    for (std::size_t i = 0; i < known.size(); ++i)
        if (const auto& latest = known[i].state.conversation_id; !latest.empty())
            conversations.push_back(stream(customers[i].tenant, category::kConversation, latest));
    books_.conversations.read_ahead(conversations, pending);
}

// The shop's own phone and the bot would talk at the same time: the person has the conversation
// now. Where none is open there is nothing to take over.
void Reactor::on_message_echoed(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<gateway::v1::MessageEchoed>(event);
    if (!is_writing(m.kind())) return;
    const auto& tenant = event.stream.tenant;
    const auto customer =
        books_.customers.load(stream(tenant, category::kCustomer, m.customer_id()), turn);
    if (customer.state.conversation_id.empty()) return;
    const auto name = stream(tenant, category::kConversation, customer.state.conversation_id);
    const auto conversation = books_.conversations.load(name, turn);
    if (!conversation.state.is_open() || conversation.state.state == Lifecycle::escalated) return;
    const auto decision =
        decide(conversation.state, Escalate{"somebody answered from the shop's own phone"});
    if (!decision.accepted()) return;
    eventlog::Command command;
    command.tenant = tenant;
    command.meta.routing = customer_routing(m.customer_id());
    command.parts.push_back(
        {name, conversation.expected(), encode(decision.events(), event.recorded_at)});
    turn.append(std::move(command), "on_message_echoed");
}

void Reactor::on_contacts_linked(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<gateway::v1::ContactsLinked>(event);
    const auto& tenant = event.stream.tenant;
    const auto customer_of = [&](const std::string& id) {
        return books_.customers.load(stream(tenant, category::kCustomer, id), turn);
    };
    const auto latest_of = [&](const Customer& customer) {
        return customer.conversation_id.empty()
                   ? FoldedConversation{}
                   : books_.conversations.load(
                         stream(tenant, category::kConversation, customer.conversation_id), turn);
    };
    const auto younger = customer_of(m.merged_customer_id());
    const auto older = customer_of(m.customer_id());
    const auto from = latest_of(younger.state);
    const auto own = latest_of(older.state);
    auto carried = carry_over({younger.state, from.state}, {older.state, own.state},
                              CustomerId(m.customer_id()),
                              ConversationId(turn.derived_id("conversation", 0).text()));
    if (carried.events.empty()) return;
    log::info("a dialogue goes on under another customer",
              {{"tenant", tenant},
               {"from", m.merged_customer_id()},
               {"customer", m.customer_id()},
               {"conversation", carried.conversation_id.text()}});
    eventlog::Command command;
    command.tenant = tenant;
    command.meta.routing = customer_routing(m.customer_id());
    eventlog::Part dialogue{stream(tenant, category::kConversation, carried.conversation_id),
                            carried.opened ? eventlog::kCreate : own.expected(),
                            encode(carried.events, event.recorded_at)};
    command.parts.push_back(std::move(dialogue));
    if (!carried.customer_events.empty())
        command.parts.push_back({stream(tenant, category::kCustomer, m.customer_id()),
                                 older.expected(),
                                 encode(carried.customer_events, event.recorded_at)});
    turn.append(std::move(command), "on_contacts_linked");
}

void Reactor::gave_up(const std::string& tenant, const std::string& conversation,
                      const std::string& problem) {
    log::error("conversation given to a person: its flow or this service failed",
               {{"tenant", tenant}, {"conversation", conversation}, {"problem", problem}});
    alarms_.gave_up();
}

void Reactor::advance(const Recorded& event, LogTurn& turn, const ConversationId& conversation_id,
                      const CustomerId& customer_id, const Input& input) {
    const auto& tenant = event.stream.tenant;
    // An order or payment that was made by API may belong to no dialogue.
    if (conversation_id.empty()) return;
    const auto name = stream(tenant, category::kConversation, conversation_id);
    const auto conversation = books_.conversations.load(name, turn);
    if (!conversation.state.exists()) return ignored(event, "there is no such conversation");
    // A caller of payment's API names both, and may have mixed them up.
    if (conversation.state.customer_id != customer_id)
        return ignored(event, "its conversation is another customer's");
    const auto customer_stream = stream(tenant, category::kCustomer, customer_id);
    const auto customer = books_.customers.load(customer_stream, turn);

    Scene scene;
    set_scene(scene, event, turn, event.event_id.text());
    const auto flow =
        content_.flow(tenant, conversation.state.flow_key, conversation.state.flow_version);
    // What has to be told is told with the base's words when the flow is gone.
    scene.context.flow = flow ? flow.get() : &content_.packs().base;

    const auto result = step(conversation.state, customer.state, input, scene.context);
    if (!result.problem.empty()) gave_up(tenant, conversation_id, result.problem);
    if (!result.unsaid.empty()) {
        log::warn("follow-up not said: there are no words for its kind",
                  {{"tenant", tenant},
                   {"conversation", conversation_id.text()},
                   {"occasion", result.unsaid}});
        alarms_.unsaid();
    }
    if (result.events.empty()) return;

    eventlog::Command command;
    command.tenant = tenant;
    command.meta.routing = customer_routing(conversation.state.customer_id);
    command.parts.push_back(
        {name, conversation.expected(), encode(result.events, event.recorded_at)});
    if (!result.customer_events.empty() && customer.state.exists())
        command.parts.push_back({customer_stream, customer.expected(),
                                 encode(result.customer_events, event.recorded_at)});
    turn.append(std::move(command), "advance");
}

void Reactor::on_handed_back(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<v1::HandedBack>(event);
    advance(event, turn, ConversationId(m.conversation_id()), CustomerId(m.customer_id()),
            ReturnedToFlow{});
}

static_assert(kCountedLinesMax + 1 <= eventlog::kPartsMax);

// --- Stock: asked on the customer's lane, decided on the tenant's, answered on the customer's

void Reactor::stock(
    const Recorded& event, LogTurn& turn, const ReservationId& reservation_id,
    const std::vector<ProductId>& products,
    const std::function<StockDecision(const Reservation&, const std::map<ProductId, Product>&)>&
        judge) {
    const auto& tenant = event.stream.tenant;
    const auto name = stream(tenant, category::kReservation, reservation_id);
    const auto reservation = books_.reservations.load(name, turn);
    auto ids = products;
    for (const auto& line : reservation.state.lines) ids.push_back(line.product_id);
    std::map<ProductId, Product> known;
    std::map<ProductId, std::int64_t> versions;
    for (const auto& id : ids) {
        if (known.contains(id)) continue;
        const auto folded = books_.products.load(stream(tenant, category::kProduct, id), turn);
        known[id] = folded.state.product;
        versions[id] = folded.expected();
    }
    const auto decision = judge(reservation.state, known);
    if (decision.reservation.empty()) return;

    eventlog::Command command;
    command.tenant = tenant;
    command.meta.routing = tenant_routing(tenant);
    eventlog::Part part{name, reservation.expected(), {}};
    add(part, decision.reservation, event.recorded_at);
    command.parts.push_back(std::move(part));
    for (const auto& [id, events] : decision.products) {
        eventlog::Part shelf{stream(tenant, category::kProduct, id), versions.at(id), {}};
        add(shelf, events, event.recorded_at);
        command.parts.push_back(std::move(shelf));
    }
    turn.append(std::move(command), "stock");
}

void Reactor::on_stock_requested(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<v1::StockRequested>(event);
    ReserveStock reserve{.reservation_id = ReservationId(m.reservation_id()),
                         .conversation_id = ConversationId(m.conversation_id()),
                         .customer_id = CustomerId(m.customer_id()),
                         .lines = {}};
    std::vector<ProductId> ids;
    for (const auto& line : m.lines()) {
        ids.emplace_back(line.product_id());
        reserve.lines.push_back({.product_id = ids.back(), .quantity = line.quantity()});
    }
    stock(event, turn, reserve.reservation_id, ids,
          [&](const auto& reservation, const auto& products) {
              return decide(reservation, products, reserve);
          });
}

void Reactor::on_reservation_end(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<v1::ReservationEndRequested>(event);
    const EndReservation end{.reservation_id = ReservationId(m.reservation_id()),
                             .sold = m.sold(),
                             .reason = reservation_end_of(m.reason())};
    stock(event, turn, end.reservation_id, {}, [&](const auto& reservation, const auto& products) {
        return decide(reservation, products, end);
    });
}

void Reactor::on_stock_answer(const Recorded& event, LogTurn& turn) {
    if (eventlog::is<v1::StockReserved>(event)) {
        const auto m = parsed<v1::StockReserved>(event);
        return advance(event, turn, ConversationId(m.conversation_id()),
                       CustomerId(m.customer_id()),
                       StockAnswered{.reservation_id = ReservationId(m.reservation_id()),
                                     .reserved = true,
                                     .product_id = {},
                                     .available = 0});
    }
    const auto m = parsed<v1::StockRefused>(event);
    advance(event, turn, ConversationId(m.conversation_id()), CustomerId(m.customer_id()),
            StockAnswered{.reservation_id = ReservationId(m.reservation_id()),
                          .reserved = false,
                          .product_id = ProductId(m.product_id()),
                          .available = m.available()});
}

// --- Bookings: asked on the customer's lane, decided on the tenant's, answered on the customer's

void Reactor::book(const Recorded& event, LogTurn& turn, const BookingRefused& unless,
                   const std::function<BookingCommand(const TenantFacts&, const Snapshot&)>& ask) {
    const auto& tenant = event.stream.tenant;
    const auto facts = tenants_.at_least(tenant, event.meta.settings_version);
    const auto content = content_.of(tenant);
    const Reminder words{.content = *content, .packs = content_.packs(), .tenant = facts};
    auto decided =
        booking_parts({.books = books_, .words = words, .now = event.recorded_at, .turn = &turn},
                      unless.booking_id, unless.service_id, ask(facts, *content));
    eventlog::Command command;
    command.tenant = tenant;
    command.meta.routing = tenant_routing(tenant);
    if (auto* parts = std::get_if<std::vector<eventlog::Part>>(&decided);
        parts && !parts->empty()) {
        command.parts = std::move(*parts);
    } else {
        // The dialogue waits for an answer, whatever happened to the booking meanwhile.
        const auto name = stream(tenant, category::kBooking, unless.booking_id);
        const auto booking = books_.bookings.load(name, turn);
        auto refused = unless;
        refused.moving = booking.state.stage != BookingStage::absent;
        command.parts.push_back(
            {name, booking.expected(), {encode(BookingEvent(refused), event.recorded_at)}});
    }
    turn.append(std::move(command), "booking");
}

void Reactor::on_booking_requested(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<v1::BookingRequested>(event);
    const BookingRefused unless{.booking_id = BookingId(m.booking_id()),
                                .customer_id = CustomerId(m.customer_id()),
                                .conversation_id = ConversationId(m.conversation_id()),
                                .service_id = ServiceId(m.service_id()),
                                .starts_at = from_unix_micros(m.starts_at_us()),
                                .reason = BookingRefusal::over};
    const TaskId reminder(turn.derived_id("booking_reminder", 0).text());
    book(event, turn, unless, [&](const TenantFacts&, const Snapshot&) -> BookingCommand {
        if (m.moving())
            return MoveBooking{.starts_at = unless.starts_at,
                               .reminder_task_id = reminder,
                               .conversation_id = unless.conversation_id,
                               .channel_id = ChannelId(m.channel_id())};
        BookingMade wish;
        wish.booking_id = unless.booking_id;
        wish.number = number_of(turn.derived_id("booking_number", 0), turn.refusal().has_value());
        wish.service_id = unless.service_id;
        wish.customer_id = unless.customer_id;
        wish.conversation_id = unless.conversation_id;
        wish.channel_id = ChannelId(m.channel_id());
        wish.starts_at = unless.starts_at;
        wish.language = m.language();
        wish.reminder_task_id = reminder;
        wish.name = m.personal().name();
        wish.phone = m.personal().phone();
        return MakeBooking{.wish = std::move(wish)};
    });
}

void Reactor::on_booking_cancel(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<v1::BookingCancelRequested>(event);
    book(event, turn,
         {.booking_id = BookingId(m.booking_id()),
          .customer_id = CustomerId(m.customer_id()),
          .conversation_id = ConversationId(m.conversation_id()),
          .service_id = {},
          .reason = BookingRefusal::over},
         [](const TenantFacts&, const Snapshot&) -> BookingCommand {
             return CancelBooking{.by = CancelledBy::customer, .reason = "by the customer"};
         });
}

void Reactor::on_booking_answer(const Recorded& event, LogTurn& turn) {
    const auto& tenant = event.stream.tenant;
    const auto booking = books_.bookings.load(event.stream, turn).state;
    BookingAnswered answer;
    auto& noted = answer.noted;
    noted.booking_id = BookingId(event.stream.key);
    noted.number = booking.made.number;
    noted.service_id = booking.made.service_id;
    noted.service_name = booking.made.service_name;
    noted.starts_at = booking.made.starts_at;
    noted.reminder_task_id = booking.made.reminder_task_id;
    CustomerId customer_id;
    ConversationId conversation_id;
    const auto whose = [&](const auto& m) {
        customer_id = CustomerId(m.customer_id());
        conversation_id = ConversationId(m.conversation_id());
    };
    if (eventlog::is<v1::BookingMade>(event)) {
        whose(parsed<v1::BookingMade>(event));
        noted.news = BookingNews::made;
    } else if (eventlog::is<v1::BookingMoved>(event)) {
        const auto m = parsed<v1::BookingMoved>(event);
        whose(m);
        noted.news = BookingNews::moved;
        noted.starts_at = from_unix_micros(m.starts_at_us());
        noted.reminder_task_id = TaskId(m.reminder_task_id());
    } else if (eventlog::is<v1::BookingCancelled>(event)) {
        whose(parsed<v1::BookingCancelled>(event));
        noted.news = BookingNews::cancelled;
    } else {
        const auto m = parsed<v1::BookingRefused>(event);
        whose(m);
        answer.refusal = refusal_of(m.reason());
        noted.service_id = ServiceId(m.service_id());
        noted.starts_at = from_unix_micros(m.starts_at_us());
        noted.news = m.moving() ? BookingNews::move_refused : BookingNews::refused;
        // Somebody cancelled it meanwhile.
        if (answer.refusal == BookingRefusal::over && m.moving())
            noted.news = BookingNews::cancelled;
    }
    // What is said next is about the calendar as it is now.
    content_.touch(tenant, category::kCalendar + "/" + noted.service_id.text());
    advance(event, turn, conversation_id, customer_id, answer);
}

// --- Payment

void Reactor::on_order_placed(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<payment::v1::OrderPlaced>(event);
    advance(event, turn, ConversationId(m.conversation_id()), CustomerId(m.customer_id()),
            OrderMade{.order_id = OrderId(m.order_id()), .order_number = m.number()});
}

void Reactor::on_payment_started(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<payment::v1::PaymentStarted>(event);
    advance(event, turn, ConversationId(m.conversation_id()), CustomerId(m.customer_id()),
            PaymentBegan{.order_id = OrderId(m.order_id()),
                         .provider = m.provider(),
                         .amount = money_of(m.amount()),
                         .order_number = m.order_number(),
                         .intent_id = IntentId(m.intent_id())});
}

void Reactor::on_payment_link(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<payment::v1::PaymentLinkIssued>(event);
    if (m.conversation_id().empty()) return;  // who started the payment gives the link on
    advance(event, turn, ConversationId(m.conversation_id()), CustomerId(m.customer_id()),
            PaymentPageOpened{.order_id = OrderId(m.order_id()),
                              .intent_id = IntentId(m.intent_id()),
                              .provider = m.provider(),
                              .amount = money_of(m.amount()),
                              .order_number = m.order_number(),
                              .url = m.personal().url()});
}

void Reactor::on_invoice_issued(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<payment::v1::InvoiceIssued>(event);
    InvoiceSent invoice;
    invoice.order_id = OrderId(m.order_id());
    invoice.number = m.number();
    invoice.order_number = m.order_number();
    for (const auto& line : m.lines())
        invoice.lines.push_back({.product_name = line.product_name(),
                                 .quantity = line.quantity(),
                                 .unit_price = money_of(line.unit_price()),
                                 .line_total = money_of(line.line_total())});
    invoice.subtotal = money_of(m.subtotal());
    invoice.tax = money_of(m.tax());
    invoice.rounding = money_of(m.rounding());
    invoice.total = money_of(m.total());
    invoice.due_at = from_unix_micros(m.due_at_us());
    advance(event, turn, ConversationId(m.conversation_id()), CustomerId(m.customer_id()), invoice);
}

void Reactor::on_intent_paid(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<payment::v1::IntentPaid>(event);
    advance(event, turn, ConversationId(m.conversation_id()), CustomerId(m.customer_id()),
            PaymentPaid{.order_id = OrderId(m.order_id()),
                        .intent_id = IntentId(m.intent_id()),
                        .receipt = m.receipt(),
                        .amount = money_of(m.amount()),
                        .order_number = m.order_number(),
                        .second_success = m.second_success()});
}

void Reactor::on_receipt_learned(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<payment::v1::ReceiptLearned>(event);
    // A second payment is refunded; the customer has already been told, so this receipt is not
    // announced.
    if (m.second_success() || m.conversation_id().empty()) return;
    advance(event, turn, ConversationId(m.conversation_id()), CustomerId(m.customer_id()),
            ReceiptCame{.order_id = OrderId(m.order_id()),
                        .receipt = m.receipt(),
                        .amount = money_of(m.amount()),
                        .order_number = m.order_number()});
}

void Reactor::on_checkout_refused(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<payment::v1::CheckoutRefused>(event);
    advance(event, turn, ConversationId(m.conversation_id()), CustomerId(m.customer_id()),
            CheckoutRefused{.order_id = OrderId(m.order_id()),
                            .reservation_id = ReservationId(m.reservation_id()),
                            .reason = m.reason()});
}

void Reactor::on_intent_failed(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<payment::v1::IntentFailed>(event);
    advance(event, turn, ConversationId(m.conversation_id()), CustomerId(m.customer_id()),
            PaymentFailed{.order_id = OrderId(m.order_id()),
                          .reason = m.reason(),
                          .intent_id = IntentId(m.intent_id())});
}

// PaymentResolved needs no handler: IntentPaid or IntentFailed follows it in the same append.
void Reactor::on_payment_needs_person(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<payment::v1::PaymentNeedsPerson>(event);
    advance(event, turn, ConversationId(m.conversation_id()), CustomerId(m.customer_id()),
            PaymentUnclear{.order_id = OrderId(m.order_id()),
                           .intent_id = IntentId(m.intent_id()),
                           .amount = money_of(m.amount()),
                           .order_number = m.order_number()});
}

void Reactor::on_intent_expired(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<payment::v1::IntentExpired>(event);
    advance(
        event, turn, ConversationId(m.conversation_id()), CustomerId(m.customer_id()),
        PaymentExpired{.order_id = OrderId(m.order_id()), .intent_id = IntentId(m.intent_id())});
}

void Reactor::on_order_advanced(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<payment::v1::OrderAdvanced>(event);
    OrderProgress progress{};
    switch (m.state()) {
        case payment::v1::ORDER_STATE_PROCESSING:
            progress = OrderProgress::processing;
            break;
        case payment::v1::ORDER_STATE_SHIPPED:
            progress = OrderProgress::shipped;
            break;
        case payment::v1::ORDER_STATE_DELIVERED:
            progress = OrderProgress::delivered;
            break;
        default:
            return ignored(event, "a state of orders that this build does not know");
    }
    advance(event, turn, ConversationId(m.conversation_id()), CustomerId(m.customer_id()),
            OrderWentOn{.order_id = OrderId(m.order_id()),
                        .progress = progress,
                        .order_number = m.order_number(),
                        .note = m.personal().note()});
}

void Reactor::on_order_cancelled(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<payment::v1::OrderCancelled>(event);
    advance(event, turn, ConversationId(m.conversation_id()), CustomerId(m.customer_id()),
            OrderGivenUp{.order_id = OrderId(m.order_id()),
                         .order_number = m.order_number(),
                         .reason = m.reason(),
                         .sold_reservation_id = ReservationId(m.sold_reservation_id())});
}

void Reactor::on_refund_done(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<payment::v1::RefundDone>(event);
    advance(event, turn, ConversationId(m.conversation_id()), CustomerId(m.customer_id()),
            RefundSent{.order_id = OrderId(m.order_id()),
                       .order_number = m.order_number(),
                       .amount = money_of(m.amount()),
                       .receipt = m.receipt()});
}

// --- Followup

namespace {

// "payment_due": flows answer the occasion follow_up_<kind>.
std::string text_of(followup::v1::TaskKind kind) {
    constexpr std::string_view kPrefix = "TASK_KIND_";
    auto text = followup::v1::TaskKind_Name(kind);
    if (text.starts_with(kPrefix)) text.erase(0, kPrefix.size());
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return text;
}

}  // namespace

void Reactor::on_task_fired(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<followup::v1::TaskFired>(event);
    ConversationId conversation_id(m.conversation_id());
    if (conversation_id.empty())
        conversation_id =
            books_.customers
                .load(stream(event.stream.tenant, category::kCustomer, m.customer_id()), turn)
                .state.conversation_id;
    if (conversation_id.empty()) return ignored(event, "this customer never wrote");
    advance(event, turn, conversation_id, CustomerId(m.customer_id()),
            FollowUpDue{.task_id = TaskId(m.task_id()),
                        .kind = text_of(m.kind()),
                        .since = from_unix_micros(m.since_us()),
                        .text = m.personal().text(),
                        .template_key = m.template_key()});
}

void Reactor::on_task_skipped(const Recorded& event, LogTurn& turn) {
    const auto m = parsed<followup::v1::TaskSkipped>(event);
    advance(event, turn, ConversationId(m.conversation_id()), CustomerId(m.customer_id()),
            FollowUpSkipped{.kind = text_of(m.kind()), .since = from_unix_micros(m.since_us())});
}

}  // namespace flowstack::conversation
