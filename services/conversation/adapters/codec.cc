#include "services/conversation/adapters/codec.h"

#include <stdexcept>

#include "common/core/corrupt_stream.h"
#include "common/eventlog/fact.h"
#include "flowstack/common/v1/message_content.pb.h"
#include "flowstack/conversation/v1/booking_events.pb.h"
#include "flowstack/conversation/v1/content_events.pb.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/conversation/v1/customer_events.pb.h"

namespace flowstack::conversation {

using eventlog::fact_of;
using eventlog::is;
using eventlog::recorded_fact;
using eventlog::stored_fact;

// ---- enums

constexpr auto wire_values(Lifecycle) {
    using enum Lifecycle;
    return std::array{std::pair{new_lead, v1::CONVERSATION_STATE_NEW_LEAD},
                      std::pair{engaged, v1::CONVERSATION_STATE_ENGAGED},
                      std::pair{awaiting_customer, v1::CONVERSATION_STATE_AWAITING_CUSTOMER},
                      std::pair{waiting_for_payment, v1::CONVERSATION_STATE_WAITING_FOR_PAYMENT},
                      std::pair{paid, v1::CONVERSATION_STATE_PAID},
                      std::pair{dormant, v1::CONVERSATION_STATE_DORMANT},
                      std::pair{escalated, v1::CONVERSATION_STATE_ESCALATED},
                      std::pair{closed, v1::CONVERSATION_STATE_CLOSED}};
}
constexpr auto wire_values(SpokenKind) {
    using enum SpokenKind;
    return std::array{std::pair{text, v1::SPOKEN_KIND_TEXT},
                      std::pair{tap, v1::SPOKEN_KIND_TAP},
                      std::pair{edit, v1::SPOKEN_KIND_EDIT},
                      std::pair{media, v1::SPOKEN_KIND_MEDIA},
                      std::pair{location, v1::SPOKEN_KIND_LOCATION},
                      std::pair{contacts, v1::SPOKEN_KIND_CONTACTS},
                      std::pair{order, v1::SPOKEN_KIND_ORDER},
                      std::pair{form, v1::SPOKEN_KIND_FORM},
                      std::pair{reaction, v1::SPOKEN_KIND_REACTION},
                      std::pair{revoke, v1::SPOKEN_KIND_REVOKE},
                      std::pair{system, v1::SPOKEN_KIND_SYSTEM},
                      std::pair{unsupported, v1::SPOKEN_KIND_UNSUPPORTED},
                      std::pair{welcome_request, v1::SPOKEN_KIND_WELCOME_REQUEST},
                      std::pair{call, v1::SPOKEN_KIND_CALL}};
}
constexpr auto wire_values(SpokenOutcome) {
    using enum SpokenOutcome;
    return std::array{std::pair{answered, v1::SPOKEN_OUTCOME_ANSWERED},
                      std::pair{throttled, v1::SPOKEN_OUTCOME_THROTTLED},
                      std::pair{with_person, v1::SPOKEN_OUTCOME_WITH_PERSON},
                      std::pair{tenant_inactive, v1::SPOKEN_OUTCOME_TENANT_INACTIVE},
                      std::pair{consent, v1::SPOKEN_OUTCOME_CONSENT},
                      std::pair{ignored, v1::SPOKEN_OUTCOME_IGNORED},
                      std::pair{no_flow, v1::SPOKEN_OUTCOME_NO_FLOW}};
}
constexpr auto wire_values(ReplyKind) {
    return std::array{std::pair{ReplyKind::reply, v1::REPLY_KIND_REPLY},
                      std::pair{ReplyKind::follow_up, v1::REPLY_KIND_FOLLOW_UP},
                      std::pair{ReplyKind::agent, v1::REPLY_KIND_AGENT}};
}
constexpr auto wire_values(ReplyPurpose) {
    return std::array{std::pair{ReplyPurpose::service, v1::REPLY_PURPOSE_SERVICE},
                      std::pair{ReplyPurpose::utility, v1::REPLY_PURPOSE_UTILITY}};
}
constexpr auto wire_values(OrderWaitEnd) {
    using enum OrderWaitEnd;
    return std::array{std::pair{paid, v1::ORDER_WAIT_END_PAID},
                      std::pair{order_cancelled, v1::ORDER_WAIT_END_ORDER_CANCELLED},
                      std::pair{no_order, v1::ORDER_WAIT_END_NO_ORDER},
                      std::pair{not_priced, v1::ORDER_WAIT_END_NOT_PRICED},
                      std::pair{closed, v1::ORDER_WAIT_END_CLOSED}};
}
constexpr auto wire_values(PaymentNews) {
    using enum PaymentNews;
    return std::array{
        std::pair{started, v1::PAYMENT_NEWS_STARTED}, std::pair{unclear, v1::PAYMENT_NEWS_UNCLEAR},
        std::pair{let_go, v1::PAYMENT_NEWS_LET_GO},   std::pair{paid, v1::PAYMENT_NEWS_PAID},
        std::pair{failed, v1::PAYMENT_NEWS_FAILED},   std::pair{expired, v1::PAYMENT_NEWS_EXPIRED}};
}
constexpr auto wire_values(ReservationEnd) {
    using enum ReservationEnd;
    return std::array{std::pair{paid, v1::RESERVATION_END_PAID},
                      std::pair{payment_failed, v1::RESERVATION_END_PAYMENT_FAILED},
                      std::pair{payment_expired, v1::RESERVATION_END_PAYMENT_EXPIRED},
                      std::pair{payment_unclear, v1::RESERVATION_END_PAYMENT_UNCLEAR},
                      std::pair{cancelled, v1::RESERVATION_END_CANCELLED},
                      std::pair{refused, v1::RESERVATION_END_REFUSED},
                      std::pair{handed_back, v1::RESERVATION_END_HANDED_BACK},
                      std::pair{closed, v1::RESERVATION_END_CLOSED}};
}
constexpr auto wire_values(Rating) {
    return std::array{std::pair{Rating::good, v1::RATING_GOOD},
                      std::pair{Rating::ok, v1::RATING_OK}, std::pair{Rating::bad, v1::RATING_BAD}};
}
constexpr auto wire_values(BookingNews) {
    using enum BookingNews;
    return std::array{std::pair{made, v1::BOOKING_NEWS_MADE},
                      std::pair{refused, v1::BOOKING_NEWS_REFUSED},
                      std::pair{moved, v1::BOOKING_NEWS_MOVED},
                      std::pair{move_refused, v1::BOOKING_NEWS_MOVE_REFUSED},
                      std::pair{cancelled, v1::BOOKING_NEWS_CANCELLED}};
}
constexpr auto wire_values(BookingRefusal) {
    using enum BookingRefusal;
    return std::array{std::pair{no_service, v1::BOOKING_REFUSAL_NO_SERVICE},
                      std::pair{not_open, v1::BOOKING_REFUSAL_NOT_OPEN},
                      std::pair{past, v1::BOOKING_REFUSAL_PAST},
                      std::pair{full, v1::BOOKING_REFUSAL_FULL},
                      std::pair{over, v1::BOOKING_REFUSAL_OVER}};
}
constexpr auto wire_values(CancelledBy) {
    return std::array{std::pair{CancelledBy::customer, v1::BOOKING_CANCELLED_BY_CUSTOMER},
                      std::pair{CancelledBy::business, v1::BOOKING_CANCELLED_BY_BUSINESS}};
}
constexpr auto wire_values(TemplateKind) {
    using enum TemplateKind;
    return std::array{std::pair{text, v1::TEMPLATE_KIND_TEXT},
                      std::pair{interactive_button, v1::TEMPLATE_KIND_INTERACTIVE_BUTTON},
                      std::pair{interactive_list, v1::TEMPLATE_KIND_INTERACTIVE_LIST},
                      std::pair{media, v1::TEMPLATE_KIND_MEDIA},
                      std::pair{whatsapp_template, v1::TEMPLATE_KIND_WHATSAPP_TEMPLATE}};
}

ReservationEnd reservation_end_of(v1::ReservationEnd reason) {
    ReservationEnd value{};
    eventlog::read(reason, value);
    return value;
}

BookingRefusal refusal_of(v1::BookingRefusal reason) {
    BookingRefusal value{};
    eventlog::read(reason, value);
    return value;
}

// ---- parts of facts

FLOWSTACK_FACT(Tap, v1::TapAction) {
    FACT_FIELD(n);
    FACT_FIELD(action);
    FACT_FIELD(argument);
    FACT_FIELD(title);
}
FLOWSTACK_FACT(Content, common::v1::MessageContent) {
    if constexpr (std::is_const_v<FactOrConst>)
        set(&message, fact);
    else
        fact = content_of(message);
}
FLOWSTACK_FACT(CartLine, v1::CartLine) {
    FACT_FIELD(product_id);
    FACT_FIELD(product_name);
    FACT_FIELD(quantity);
    FACT_FIELD(unit_price);
}
FLOWSTACK_FACT(UnclearItem, v1::UnclearItem) { FACT_FIELD(quantity); }
FLOWSTACK_FACT(ReservedLine, v1::ReservedLine) {
    FACT_FIELD(product_id);
    FACT_FIELD(quantity);
}

// ---- the dialogue

FLOWSTACK_FACT(Opened, v1::ConversationOpened) {
    FACT_FIELD(conversation_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(channel_id);
    FACT_FIELD(flow_key);
    FACT_FIELD(flow_version);
    FACT_FIELD(language);
    FACT_FIELD(previous_conversation_id);
}
FLOWSTACK_FACT(Spoke, v1::CustomerSpoke) {
    FACT_FIELD(inbound_id);
    FACT_FIELD(channel_id);
    FACT_FIELD(kind);
    FACT_FIELD(tap_id);
    FACT_FIELD(outcome);
    FACT_TIME(sent_at);
    FACT_TIME(bucket_full_at);
}
FLOWSTACK_FACT(Advanced, v1::ConversationAdvanced) {
    FACT_FIELD_AS(from, from_state);
    FACT_FIELD_AS(to, to_state);
    FACT_FIELD(reason);
}
FLOWSTACK_FACT(NodeEntered, v1::NodeEntered) {
    FACT_FIELD(node);
    FACT_FIELD(retries);
}
FLOWSTACK_FACT(HintGiven, v1::HintGiven) { FACT_FIELD(node); }
FLOWSTACK_FACT(VariableCaptured, v1::VariableCaptured) { FACT_FIELD(name); }
FLOWSTACK_FACT(ReplyRequested, v1::ReplyRequested) {
    FACT_FIELD(message_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(channel_id);
    FACT_FIELD(idempotency_key);
    FACT_FIELD(template_key);
    FACT_FIELD(template_version);
    FACT_FIELD(kind);
    FACT_FIELD(purpose);
    FACT_TIME(window_evidence);
    FACT_FIELD(expects_answer);
    FACT_FIELD(taps);
    FACT_TIME(nothing_inbound_since);
    FACT_FIELD(task_id);
    FACT_FIELD(agent);
    FACT_PERSONAL(content);
    FACT_PERSONAL(to);
}
FLOWSTACK_FACT(Escalated, v1::ConversationEscalated) { FACT_FIELD(reason); }
FLOWSTACK_FACT(HandedBack, v1::HandedBack) {
    FACT_FIELD(conversation_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(reason);
}
FLOWSTACK_FACT(FollowUpRequested, v1::FollowUpRequested) {
    FACT_FIELD(task_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(channel_id);
    FACT_FIELD(kind);
    FACT_TIME(due_at);
    FACT_FIELD(language);
    FACT_PERSONAL(text);
}

// ---- the shop's facts of a conversation

FLOWSTACK_FACT(CartChanged, v1::CartChanged) { FACT_FIELD(lines); }
FLOWSTACK_FACT(UnclearItemsChanged, v1::UnclearItemsChanged) { FACT_FIELD(items); }
FLOWSTACK_FACT(StockRequested, v1::StockRequested) {
    FACT_FIELD(reservation_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(lines);
    FACT_FIELD(paid_order_id);
    FACT_FIELD(order_id);
}
FLOWSTACK_FACT(CheckoutRequested, v1::CheckoutRequested) {
    FACT_FIELD(order_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(channel_id);
    FACT_FIELD(reservation_id);
    FACT_FIELD(lines);
    FACT_FIELD(currency_code);
    FACT_FIELD(provider);
    FACT_FIELD(language);
    FACT_FIELD(retry_of_order_id);
    FACT_PERSONAL(name);
    FACT_PERSONAL(address);
    FACT_PERSONAL(phone);
    FACT_FIELD(pay_later);
}
FLOWSTACK_FACT(OrderTaken, v1::OrderTaken) {
    FACT_FIELD(order_id);
    FACT_FIELD(total);
    FACT_TIME(window_closes_at);
}
FLOWSTACK_FACT(OrderOffered, v1::OrderOffered) {
    FACT_FIELD(order_id);
    FACT_FIELD(order_number);
}
FLOWSTACK_FACT(OrderWaitEnded, v1::OrderWaitEnded) {
    FACT_FIELD(order_id);
    FACT_FIELD(reason);
}
FLOWSTACK_FACT(PaymentNoted, v1::PaymentNoted) {
    FACT_FIELD(intent_id);
    FACT_FIELD(order_id);
    FACT_FIELD(news);
    FACT_FIELD(amount);
    FACT_FIELD(order_number);
}
FLOWSTACK_FACT(ReservationEndRequested, v1::ReservationEndRequested) {
    FACT_FIELD(reservation_id);
    FACT_FIELD(sold);
    FACT_FIELD(reason);
}

// ---- support's facts of a conversation

FLOWSTACK_FACT(Rated, v1::CustomerRated) { FACT_FIELD(rating); }

// ---- facts of a conversation about bookings

FLOWSTACK_FACT(BookingRequested, v1::BookingRequested) {
    FACT_FIELD(booking_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(channel_id);
    FACT_FIELD(service_id);
    FACT_TIME(starts_at);
    FACT_FIELD(language);
    FACT_FIELD(moving);
    FACT_PERSONAL(name);
    FACT_PERSONAL(phone);
}
FLOWSTACK_FACT(BookingCancelRequested, v1::BookingCancelRequested) {
    FACT_FIELD(booking_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(customer_id);
}
FLOWSTACK_FACT(BookingNoted, v1::BookingNoted) {
    FACT_FIELD(booking_id);
    FACT_FIELD(news);
    FACT_FIELD(number);
    FACT_FIELD(service_id);
    FACT_FIELD(service_name);
    FACT_TIME(starts_at);
    FACT_FIELD(reminder_task_id);
}

// ---- turns

// A fact that is a step of a turn, and the part of the step that holds it.
#define FLOWSTACK_STEP(Fact, part)                                                   \
    inline auto* part_of(v1::TurnStep& step, std::type_identity<Fact>) {             \
        return step.mutable_##part();                                                \
    }                                                                                \
    inline const auto* part_of(const v1::TurnStep& step, std::type_identity<Fact>) { \
        return step.has_##part() ? &step.part() : nullptr;                           \
    }
FLOWSTACK_STEP(Opened, conversation_opened)
FLOWSTACK_STEP(Spoke, customer_spoke)
FLOWSTACK_STEP(Advanced, conversation_advanced)
FLOWSTACK_STEP(NodeEntered, node_entered)
FLOWSTACK_STEP(HintGiven, hint_given)
FLOWSTACK_STEP(VariableCaptured, variable_captured)
FLOWSTACK_STEP(CartChanged, cart_changed)
FLOWSTACK_STEP(UnclearItemsChanged, unclear_items_changed)
FLOWSTACK_STEP(OrderTaken, order_taken)
FLOWSTACK_STEP(OrderOffered, order_offered)
FLOWSTACK_STEP(OrderWaitEnded, order_wait_ended)
FLOWSTACK_STEP(PaymentNoted, payment_noted)
FLOWSTACK_STEP(Escalated, conversation_escalated)
FLOWSTACK_STEP(Rated, customer_rated)
FLOWSTACK_STEP(BookingNoted, booking_noted)
#undef FLOWSTACK_STEP

namespace {

template <class Fact>
concept TurnFact = requires(v1::TurnStep& step) { part_of(step, std::type_identity<Fact>()); };

// The others: gateway, payment, followup, the tenant's lane or the flow acts on them.
using OwnFact =
    std::variant<ReplyRequested, CheckoutRequested, FollowUpRequested, StockRequested,
                 ReservationEndRequested, HandedBack, BookingRequested, BookingCancelRequested>;

template <class... Facts>
constexpr std::size_t turn_facts(const std::variant<Facts...>*) {
    return (std::size_t{TurnFact<Facts>} + ...);
}
static_assert(turn_facts(static_cast<const OwnFact*>(nullptr)) == 0 &&
                  turn_facts(static_cast<const Event*>(nullptr)) + std::variant_size_v<OwnFact> ==
                      std::variant_size_v<Event>,
              "every fact is either a step of a turn or an event of its own");

// The words about a person in a fact, in their order. A turn keeps those of all its steps in its
// personal part.
template <class FactOrConst, class See>
void each_word([[maybe_unused]] FactOrConst& fact, [[maybe_unused]] const See& see) {
    using Fact = std::remove_const_t<FactOrConst>;
    if constexpr (std::same_as<Fact, Spoke>) {
        see(fact.text);
    } else if constexpr (std::same_as<Fact, VariableCaptured>) {
        see(fact.value);
    } else if constexpr (std::same_as<Fact, UnclearItemsChanged>) {
        for (auto& item : fact.items) see(item.words);
    }
}

// Collects the facts of one step: those of the turn, and those that follow it.
class Packing {
public:
    explicit Packing(Time at) : at_(at) {}

    template <class Fact>
    void add(const Fact& fact) {
        if constexpr (TurnFact<Fact>) {
            for (; unmarked_ > 0; --unmarked_) turn_.add_steps()->set_event_of_its_own(true);
            describe(fact, *part_of(*turn_.add_steps(), std::type_identity<Fact>()));
            each_word(fact, [&](const std::string& words) {
                words_.push_back(words);
                has_words_ = has_words_ || !words.empty();
            });
        } else {
            own_.push_back(stored_fact(fact, at_));
            ++unmarked_;
        }
    }

    std::vector<eventlog::NewEvent> events() && {
        if (turn_.steps().empty()) return std::move(own_);
        if (has_words_)
            for (auto& words : words_) turn_.mutable_personal()->add_words(std::move(words));
        own_.insert(own_.begin(), eventlog::stored(turn_, at_));
        return std::move(own_);
    }

private:
    Time at_;
    v1::DialogueTurn turn_;
    std::vector<std::string> words_;
    bool has_words_ = false;
    std::vector<eventlog::NewEvent> own_;
    int unmarked_ = 0;  // events of their own since the last step
};

template <class... Facts>
Event step_fact(const v1::TurnStep& step, const std::variant<Facts...>*) {
    std::optional<Event> event;
    const auto read = [&]<class Fact>(std::type_identity<Fact> type) {
        if constexpr (TurnFact<Fact>) {
            const auto* part = part_of(step, type);
            if (part == nullptr) return false;
            Fact fact{};
            describe(fact, *part);
            event.emplace(std::move(fact));
            return true;
        } else {
            return false;
        }
    };
    if (!(read(std::type_identity<Facts>()) || ...))
        throw CorruptStream("conversation: a turn has a step that this build does not know");
    return std::move(*event);
}

// The steps of a turn. One without a fact stands for the next event behind the turn.
std::vector<std::optional<Event>> steps_of(const std::string& payload) {
    const auto turn = eventlog::parsed<v1::DialogueTurn>(payload);
    const auto& words = turn.personal().words();
    std::vector<std::optional<Event>> steps;
    int next = 0;
    for (const auto& step : turn.steps()) {
        auto& fact = steps.emplace_back();
        if (step.step_case() == v1::TurnStep::kEventOfItsOwn) continue;
        fact = step_fact(step, static_cast<const Event*>(nullptr));
        // Without the personal part there are no words: they were empty, or nobody can open them.
        if (words.empty()) continue;
        std::visit(
            [&](auto& known) {
                each_word(known, [&](std::string& said) {
                    if (next == words.size())
                        throw CorruptStream("conversation: a turn has fewer words than its steps");
                    said = words[next++];
                });
            },
            *fact);
    }
    if (next != words.size())
        throw CorruptStream("conversation: a turn has more words than its steps");
    return steps;
}

Event own_fact(const std::string& type, const std::string& payload) {
    return std::visit([](auto&& fact) { return Event(std::move(fact)); },
                      recorded_fact<OwnFact>("conversation", type, payload));
}

}  // namespace

// ---- customers

FLOWSTACK_FACT(CustomerSeen, v1::CustomerSeen) {
    FACT_FIELD(customer_id);
    FACT_FIELD(language);
    FACT_FIELD(conversation_id);
    FACT_PERSONAL(name);
    FACT_PERSONAL(phone);
}
FLOWSTACK_FACT(CustomerChanged, v1::CustomerChanged) {
    FACT_FIELD(customer_id);
    FACT_OPTIONAL(language);
    FACT_OPTIONAL(conversation_id);
    FACT_PERSONAL_OPTIONAL(name);
    FACT_PERSONAL_OPTIONAL(phone);
    FACT_PERSONAL_OPTIONAL(address);
}
FLOWSTACK_FACT(CustomerTagged, v1::CustomerTagged) {
    FACT_FIELD(customer_id);
    FACT_FIELD(added);
    FACT_FIELD(removed);
}

// ---- products, stock, promotions

FLOWSTACK_FACT(ProductSaved, v1::ProductSaved) {
    FACT_FIELD(product_id);
    FACT_FIELD(name);
    FACT_FIELD(aliases);
    FACT_FIELD(price);
    FACT_FIELD(description);
    FACT_FIELD(image_url);
    FACT_FIELD(active);
}
FLOWSTACK_FACT(StockSet, v1::StockSet) {
    FACT_FIELD(product_id);
    FACT_OPTIONAL(on_hand);
}
FLOWSTACK_FACT(StockHeld, v1::StockHeld) {
    FACT_FIELD(reservation_id);
    FACT_FIELD(quantity);
}
FLOWSTACK_FACT(StockFreed, v1::StockFreed) {
    FACT_FIELD(reservation_id);
    FACT_FIELD(quantity);
}
FLOWSTACK_FACT(StockReturned, v1::StockReturned) {
    FACT_FIELD(reservation_id);
    FACT_FIELD(quantity);
}
FLOWSTACK_FACT(StockTaken, v1::StockTaken) {
    FACT_FIELD(reservation_id);
    FACT_FIELD(quantity);
}
FLOWSTACK_FACT(StockReserved, v1::StockReserved) {
    FACT_FIELD(reservation_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(lines);
}
FLOWSTACK_FACT(StockRefused, v1::StockRefused) {
    FACT_FIELD(reservation_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(product_id);
    FACT_FIELD(available);
}
FLOWSTACK_FACT(StockReleased, v1::StockReleased) {
    FACT_FIELD(reservation_id);
    FACT_FIELD(lines);
    FACT_FIELD(reason);
}
FLOWSTACK_FACT(StockSold, v1::StockSold) {
    FACT_FIELD(reservation_id);
    FACT_FIELD(lines);
}
FLOWSTACK_FACT(PromotionSaved, v1::PromotionSaved) {
    FACT_FIELD(promotion_id);
    FACT_FIELD(text);
    FACT_FIELD(active);
}

// ---- topics

FLOWSTACK_FACT(TopicText, v1::TopicText) {
    FACT_FIELD(title);
    FACT_FIELD(answer);
}
FLOWSTACK_FACT(TopicSaved, v1::TopicSaved) {
    FACT_FIELD(topic_id);
    if constexpr (std::is_const_v<FactOrConst>)
        for (const auto& [language, text] : fact.text)
            describe(text, (*message.mutable_text())[language]);
    else
        for (const auto& [language, text] : message.text()) describe(fact.text[language], text);
    FACT_FIELD(questions);
    FACT_FIELD(place);
    FACT_FIELD(active);
}

// ---- bookings

FLOWSTACK_FACT(ServiceText, v1::ServiceText) {
    FACT_FIELD(name);
    FACT_FIELD(description);
}
FLOWSTACK_FACT(ServiceSaved, v1::ServiceSaved) {
    FACT_FIELD(service_id);
    if constexpr (std::is_const_v<FactOrConst>)
        for (const auto& [language, text] : fact.text)
            describe(text, (*message.mutable_text())[language]);
    else
        for (const auto& [language, text] : message.text()) describe(fact.text[language], text);
    FACT_FIELD(aliases);
    FACT_FIELD(duration_minutes);
    FACT_FIELD(capacity);
    FACT_FIELD(price);
    FACT_FIELD(place);
    FACT_FIELD(active);
}
FLOWSTACK_FACT(OpeningHours, v1::OpenHours) {
    FACT_FIELD(weekday);
    FACT_FIELD(opens);
    FACT_FIELD(closes);
}
FLOWSTACK_FACT(BookingSettingsSaved, v1::BookingSettingsSaved) {
    FACT_FIELD(hours);
    FACT_FIELD(days_off);
    FACT_FIELD(address);
    FACT_FIELD(phone);
    FACT_FIELD(slot_minutes);
    FACT_FIELD(reminder_minutes);
    FACT_FIELD(reminder_template_key);
}
FLOWSTACK_FACT(PlaceHeld, v1::PlaceHeld) {
    FACT_FIELD(booking_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(number);
    FACT_TIME(starts_at);
    FACT_TIME(ends_at);
    FACT_FIELD(place);
}
FLOWSTACK_FACT(PlaceFreed, v1::PlaceFreed) { FACT_FIELD(booking_id); }
FLOWSTACK_FACT(BookingMade, v1::BookingMade) {
    FACT_FIELD(booking_id);
    FACT_FIELD(number);
    FACT_FIELD(service_id);
    FACT_FIELD(service_name);
    FACT_FIELD(customer_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(channel_id);
    FACT_TIME(starts_at);
    FACT_TIME(ends_at);
    FACT_FIELD(place);
    FACT_FIELD(price);
    FACT_FIELD(language);
    FACT_FIELD(reminder_task_id);
    FACT_TIME(reminder_at);
    FACT_FIELD(reminder_template_key);
    FACT_PERSONAL(reminder_text);
    FACT_PERSONAL(name);
    FACT_PERSONAL(phone);
    FACT_PERSONAL(note);
}
FLOWSTACK_FACT(BookingRefused, v1::BookingRefused) {
    FACT_FIELD(booking_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(service_id);
    FACT_TIME(starts_at);
    FACT_FIELD(reason);
    FACT_FIELD(moving);
}
FLOWSTACK_FACT(BookingMoved, v1::BookingMoved) {
    FACT_FIELD(booking_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(channel_id);
    FACT_TIME(starts_at);
    FACT_TIME(ends_at);
    FACT_FIELD(place);
    FACT_FIELD(language);
    FACT_FIELD(ended_task_id);
    FACT_FIELD(reminder_task_id);
    FACT_TIME(reminder_at);
    FACT_FIELD(reminder_template_key);
    FACT_PERSONAL(reminder_text);
}
FLOWSTACK_FACT(BookingCancelled, v1::BookingCancelled) {
    FACT_FIELD(booking_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(conversation_id);
    FACT_FIELD(by);
    FACT_FIELD(reason);
    FACT_FIELD(ended_task_id);
}
FLOWSTACK_FACT(BookingAttended, v1::BookingAttended) {
    FACT_FIELD(booking_id);
    FACT_FIELD(customer_id);
    FACT_FIELD(arrived);
    FACT_FIELD(ended_task_id);
}

// ---- templates and flows

// A choice is stored as a button or as a row, which has a description too. The type of the message
// decides which one, so the choice is described for both.
template <class ChoiceOrConst, class Message>
void describe_choice(ChoiceOrConst& fact, Message& message) {
    using FactOrConst = ChoiceOrConst;
    FACT_FIELD(title);
    FACT_FIELD(action);
    FACT_FIELD(argument);
    FACT_FIELD(next_template_key);
    FACT_FIELD(next_state);
    FACT_FIELD(id);
    if constexpr (requires { message.description(); }) {
        FACT_FIELD(description);
    }
}

v1::TemplateVariant variant_message(const std::string& language, const Variant& variant) {
    v1::TemplateVariant v;
    v.set_language(language);
    v.set_body(variant.body);
    v.set_list_button(variant.list_button);
    v.set_media_kind(variant.media_kind);
    v.set_media_link(variant.media_link);
    v.set_whatsapp_template(variant.whatsapp_template);
    v.set_whatsapp_language_code(variant.whatsapp_language_code);
    for (const auto& button : variant.buttons) describe_choice(button, *v.add_buttons());
    for (const auto& row : variant.rows) describe_choice(row, *v.add_rows());
    return v;
}

Variant variant_of(const v1::TemplateVariant& in) {
    Variant v;
    v.body = in.body();
    v.list_button = in.list_button();
    v.media_kind = in.media_kind();
    v.media_link = in.media_link();
    v.whatsapp_template = in.whatsapp_template();
    v.whatsapp_language_code = in.whatsapp_language_code();
    for (const auto& button : in.buttons()) describe_choice(v.buttons.emplace_back(), button);
    for (const auto& row : in.rows()) describe_choice(v.rows.emplace_back(), row);
    return v;
}

FLOWSTACK_FACT(Template, v1::TemplateSaved) {
    FACT_FIELD_AS(key, template_key);
    FACT_FIELD(kind);
    FACT_FIELD(description);
    FACT_FIELD(active);
    if constexpr (std::is_const_v<FactOrConst>)
        for (const auto& [language, variant] : fact.variants)
            *message.add_variants() = variant_message(language, variant);
    else
        for (const auto& variant : message.variants())
            fact.variants[variant.language()] = variant_of(variant);
}
FLOWSTACK_FACT(TemplateDeleted, v1::TemplateDeleted) { FACT_FIELD_AS(key, template_key); }
FLOWSTACK_FACT(FlowPublished, v1::FlowPublished) {
    FACT_FIELD_AS(key, flow_key);
    FACT_FIELD(document_json);
}

// ---- both directions

std::vector<eventlog::NewEvent> encode(const std::vector<Event>& facts, Time at) {
    Packing packing(at);
    for (const auto& fact : facts) std::visit([&](const auto& known) { packing.add(known); }, fact);
    return std::move(packing).events();
}
std::vector<eventlog::NewEvent> encode(const std::vector<CustomerEvent>& facts, Time at) {
    std::vector<eventlog::NewEvent> events;
    for (const auto& fact : facts) events.push_back(stored_fact(fact, at));
    return events;
}
eventlog::NewEvent encode(const ProductEvent& event, Time at) { return stored_fact(event, at); }
eventlog::NewEvent encode(const ReservationEvent& event, Time at) { return stored_fact(event, at); }
eventlog::NewEvent encode(const PromotionSaved& event, Time at) { return stored_fact(event, at); }
eventlog::NewEvent encode(const TopicSaved& event, Time at) { return stored_fact(event, at); }
eventlog::NewEvent encode(const ServiceSaved& event, Time at) { return stored_fact(event, at); }
eventlog::NewEvent encode(const BookingSettingsSaved& event, Time at) {
    return stored_fact(event, at);
}
eventlog::NewEvent encode(const CalendarEvent& event, Time at) { return stored_fact(event, at); }
eventlog::NewEvent encode(const BookingEvent& event, Time at) { return stored_fact(event, at); }
eventlog::NewEvent encode(const Template& saved, Time at) { return stored_fact(saved, at); }
eventlog::NewEvent encode(const TemplateDeleted& event, Time at) { return stored_fact(event, at); }
eventlog::NewEvent encode(const FlowPublished& event, Time at) { return stored_fact(event, at); }

std::vector<Event> decode_facts(const std::string& type, const std::string& payload) {
    if (!is<v1::DialogueTurn>(type)) return {own_fact(type, payload)};
    std::vector<Event> facts;
    for (auto& step : steps_of(payload))
        if (step) facts.push_back(std::move(*step));
    return facts;
}

std::string type_of(const Event& fact) {
    return std::visit(
        []<class Fact>(const Fact&) { return eventlog::WireOf<Fact>::descriptor()->full_name(); },
        fact);
}

FlowPublished decode_flow(const std::string& type, const std::string& payload) {
    return std::get<FlowPublished>(
        recorded_fact<std::variant<FlowPublished>>("flow", type, payload));
}

// ---- folds

ConversationCodec::State ConversationCodec::evolve(State state, const std::string& type,
                                                   const std::string& payload, Time) {
    if (is<v1::DialogueTurn>(type)) {
        if (!state.later.empty())
            throw CorruptStream("conversation: events that belong to a turn are missing");
        state.later = steps_of(payload);
    } else {
        conversation::apply(state, own_fact(type, payload));
    }
    auto step = state.later.begin();
    for (; step != state.later.end() && *step; ++step) conversation::apply(state, **step);
    // This one is the event that is read next.
    if (step != state.later.end()) ++step;
    state.later.erase(state.later.begin(), step);
    return state;
}

Customer CustomerCodec::evolve(Customer state, const std::string& type, const std::string& payload,
                               Time) {
    return conversation::evolve(std::move(state),
                                recorded_fact<CustomerEvent>("customer", type, payload));
}

ProductCodec::State ProductCodec::evolve(State state, const std::string& type,
                                         const std::string& payload, Time at) {
    const auto event = recorded_fact<ProductEvent>("product", type, payload);
    return {.product = conversation::evolve(std::move(state.product), event), .changed_at = at};
}

Reservation ReservationCodec::evolve(Reservation state, const std::string& type,
                                     const std::string& payload, Time) {
    return conversation::evolve(std::move(state),
                                recorded_fact<ReservationEvent>("reservation", type, payload));
}

PromotionCodec::State PromotionCodec::evolve(State, const std::string& type,
                                             const std::string& payload, Time) {
    return std::get<PromotionSaved>(
        recorded_fact<std::variant<PromotionSaved>>("promotion", type, payload));
}

TopicCodec::State TopicCodec::evolve(State, const std::string& type, const std::string& payload,
                                     Time at) {
    return {.topic = std::get<TopicSaved>(
                recorded_fact<std::variant<TopicSaved>>("topic", type, payload)),
            .saved_at = at};
}

ServiceCodec::State ServiceCodec::evolve(State, const std::string& type, const std::string& payload,
                                         Time at) {
    return {.service = std::get<ServiceSaved>(
                recorded_fact<std::variant<ServiceSaved>>("service", type, payload)),
            .saved_at = at};
}

BookingSettingsCodec::State BookingSettingsCodec::evolve(State, const std::string& type,
                                                         const std::string& payload, Time at) {
    return {
        .settings = std::get<BookingSettingsSaved>(
            recorded_fact<std::variant<BookingSettingsSaved>>("booking_settings", type, payload)),
        .saved_at = at};
}

Calendar CalendarCodec::evolve(Calendar state, const std::string& type, const std::string& payload,
                               Time at) {
    return conversation::evolve(std::move(state),
                                recorded_fact<CalendarEvent>("calendar", type, payload), at);
}

Booking BookingCodec::evolve(Booking state, const std::string& type, const std::string& payload,
                             Time) {
    return conversation::evolve(std::move(state),
                                recorded_fact<BookingEvent>("booking", type, payload));
}

TemplateCodec::State TemplateCodec::evolve(State state, const std::string& type,
                                           const std::string& payload, Time at) {
    const auto version = state.current.version + 1;
    const auto event =
        recorded_fact<std::variant<Template, TemplateDeleted>>("template", type, payload);
    if (const auto* saved = std::get_if<Template>(&event)) {
        state = {.current = *saved, .deleted = false, .saved_at = at};
    } else {
        state.deleted = true;
    }
    state.current.version = version;
    return state;
}

FlowCodec::State FlowCodec::evolve(State state, const std::string& type, const std::string& payload,
                                   Time at) {
    return {.version = state.version + 1,
            .document_json = decode_flow(type, payload).document_json,
            .published_at = at};
}

// ---- money and contents of messages

void set(v1::CartLine* out, const CartLine& line) { eventlog::write(line, *out); }

void set(common::v1::Money* out, Money money) { eventlog::write(money, *out); }

Money money_of(const common::v1::Money& in) {
    Money money;
    eventlog::read(in, money);
    return money;
}

void set(common::v1::MessageContent* out, const Content& content) {
    switch (content.kind) {
        case TemplateKind::text:
            out->mutable_text()->set_body(content.body);
            return;
        case TemplateKind::interactive_button: {
            if (!content.link.empty()) {
                auto* opened = out->mutable_link_button();
                opened->set_body(content.body);
                opened->set_title(content.titles.empty() ? "" : content.titles.front());
                opened->set_url(content.link);
                return;
            }
            auto* b = out->mutable_buttons();
            b->set_body(content.body);
            for (const auto& title : content.titles) b->add_titles(title);
            return;
        }
        case TemplateKind::interactive_list: {
            auto* l = out->mutable_list();
            l->set_body(content.body);
            l->set_button(content.list_button);
            for (const auto& row : content.rows) {
                auto* r = l->add_rows();
                r->set_title(row.title);
                r->set_description(row.description);
            }
            return;
        }
        case TemplateKind::media: {
            auto* m = out->mutable_media();
            m->set_kind(content.media_kind.empty() ? "image" : content.media_kind);
            m->set_link(content.media_link);
            m->set_caption(content.body);
            return;
        }
        case TemplateKind::whatsapp_template: {
            auto* t = out->mutable_template_();
            t->set_name(content.whatsapp_template);
            t->set_language_code(content.whatsapp_language_code);
            for (const auto& parameter : content.parameters) t->add_body_parameters(parameter);
            return;
        }
    }
}

Content content_of(const common::v1::MessageContent& in) {
    Content c;
    if (in.has_text()) {
        c.body = in.text().body();
    } else if (in.has_buttons()) {
        c.kind = TemplateKind::interactive_button;
        c.body = in.buttons().body();
        c.titles.assign(in.buttons().titles().begin(), in.buttons().titles().end());
    } else if (in.has_link_button()) {
        c.kind = TemplateKind::interactive_button;
        c.body = in.link_button().body();
        c.titles = {in.link_button().title()};
        c.link = in.link_button().url();
    } else if (in.has_list()) {
        c.kind = TemplateKind::interactive_list;
        c.body = in.list().body();
        c.list_button = in.list().button();
        for (const auto& row : in.list().rows()) c.rows.push_back({row.title(), row.description()});
    } else if (in.has_media()) {
        c.kind = TemplateKind::media;
        c.media_kind = in.media().kind();
        c.media_link = in.media().link();
        c.body = in.media().caption();
    } else if (in.has_template_()) {
        c.kind = TemplateKind::whatsapp_template;
        c.whatsapp_template = in.template_().name();
        c.whatsapp_language_code = in.template_().language_code();
        c.parameters.assign(in.template_().body_parameters().begin(),
                            in.template_().body_parameters().end());
    }
    return c;
}

}  // namespace flowstack::conversation
