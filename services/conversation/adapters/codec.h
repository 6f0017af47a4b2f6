#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/eventlog/types.h"
#include "services/conversation/domain/conversation.h"
#include "services/conversation/domain/customer.h"
#include "services/conversation/domain/flow/templates.h"
#include "services/conversation/domain/trades/booking/bookings.h"
#include "services/conversation/domain/trades/shop/catalog.h"
#include "services/conversation/domain/trades/support/topics.h"

namespace flowstack::common::v1 {
class MessageContent;
class Money;
}  // namespace flowstack::common::v1
namespace flowstack::conversation::v1 {
enum BookingRefusal : int;
enum ReservationEnd : int;
class CartLine;
class TemplateVariant;
}  // namespace flowstack::conversation::v1

// Between the domain's facts and their stored form (flowstack.conversation.v1, protobuf). Nothing
// else knows both. Old schema versions would be read here and nowhere else.
namespace flowstack::conversation {

// Categories of this service's streams. The first two are routed by customer, the others by tenant.
namespace category {
inline const std::string kCustomer = "customer";
inline const std::string kConversation = "conversation";
inline const std::string kTemplate = "template";
inline const std::string kFlow = "flow";
inline const std::string kProduct = "product";
inline const std::string kPromotion = "promotion";
inline const std::string kTopic = "topic";
inline const std::string kReservation = "reservation";
inline const std::string kService = "service";
inline const std::string kBookingSettings = "booking_settings";
inline const std::string kCalendar = "calendar";  // by service
inline const std::string kBooking = "booking";
}  // namespace category

// What one step of a conversation decided: one DialogueTurn with what the dialogue did, and behind
// it what others act on, each an event of its own. A turn says where the events behind it happened,
// so the fold applies every fact in the order in which it was decided (docs/adr/0013-turns.md).
std::vector<eventlog::NewEvent> encode(const std::vector<Event>& facts, Time at);
std::vector<eventlog::NewEvent> encode(const std::vector<CustomerEvent>& facts, Time at);
eventlog::NewEvent encode(const ProductEvent& event, Time at);
eventlog::NewEvent encode(const ReservationEvent& event, Time at);
eventlog::NewEvent encode(const PromotionSaved& event, Time at);
eventlog::NewEvent encode(const TopicSaved& event, Time at);
eventlog::NewEvent encode(const ServiceSaved& event, Time at);
eventlog::NewEvent encode(const BookingSettingsSaved& event, Time at);
eventlog::NewEvent encode(const CalendarEvent& event, Time at);
eventlog::NewEvent encode(const BookingEvent& event, Time at);

struct TemplateDeleted {
    std::string key;
};
struct FlowPublished {
    std::string key;
    std::string document_json;
};
eventlog::NewEvent encode(const Template& saved, Time at);
eventlog::NewEvent encode(const TemplateDeleted& event, Time at);
eventlog::NewEvent encode(const FlowPublished& event, Time at);

// All decoders throw CorruptStream for a type that they do not know and for bytes that are not of
// their type, std::invalid_argument for a value that a fact cannot hold.

// The facts that one stored event of a conversation holds: the steps of a turn in their order, or
// the one fact that is an event of its own.
std::vector<Event> decode_facts(const std::string& type, const std::string& payload);
// The full name of the fact's message: that of its event, or of its part of a turn's step.
std::string type_of(const Event& fact);
FlowPublished decode_flow(const std::string& type, const std::string& payload);

// Folds (common/eventlog/folds.h).
struct ConversationCodec {
    // Between a turn and the events behind it, `later` holds the steps that come after those; a
    // step without a fact stands for the next event. An append is read whole, so nobody decides on
    // such a state.
    struct State : Conversation {
        std::vector<std::optional<Event>> later;
    };
    static State evolve(State state, const std::string& type, const std::string& payload, Time at);
};
struct CustomerCodec {
    using State = Customer;
    static State evolve(State state, const std::string& type, const std::string& payload, Time at);
};
struct StoredProduct {
    Product product;
    Time changed_at{};
};
struct ProductCodec {
    using State = StoredProduct;
    static State evolve(State state, const std::string& type, const std::string& payload, Time at);
};
struct ReservationCodec {
    using State = Reservation;
    static State evolve(State state, const std::string& type, const std::string& payload, Time at);
};
struct PromotionCodec {
    using State = std::optional<Promotion>;
    static State evolve(State state, const std::string& type, const std::string& payload, Time at);
};
struct StoredTopic {
    Topic topic;
    Time saved_at{};
};
struct TopicCodec {
    using State = StoredTopic;
    static State evolve(State state, const std::string& type, const std::string& payload, Time at);
};
struct StoredService {
    BookableService service;
    Time saved_at{};
};
struct ServiceCodec {
    using State = StoredService;
    static State evolve(State state, const std::string& type, const std::string& payload, Time at);
};
struct StoredBookingSettings {
    BookingSettings settings;
    Time saved_at{};
};
struct BookingSettingsCodec {
    using State = StoredBookingSettings;
    static State evolve(State state, const std::string& type, const std::string& payload, Time at);
};
struct CalendarCodec {
    using State = Calendar;
    static State evolve(State state, const std::string& type, const std::string& payload, Time at);
};
struct BookingCodec {
    using State = Booking;
    static State evolve(State state, const std::string& type, const std::string& payload, Time at);
};
struct StoredTemplate {
    Template current;     // version: that of the stream
    bool deleted = true;  // also: never saved
    Time saved_at{};
    bool exists() const { return !deleted; }
};
struct TemplateCodec {
    using State = StoredTemplate;
    static State evolve(State state, const std::string& type, const std::string& payload, Time at);
};
// The latest version only: older ones are read from the stream by number.
struct StoredFlow {
    std::int64_t version = 0;
    std::string document_json;
    Time published_at{};
};
struct FlowCodec {
    using State = StoredFlow;
    static State evolve(State state, const std::string& type, const std::string& payload, Time at);
};

// Throws std::invalid_argument for a value that this build does not know.
ReservationEnd reservation_end_of(v1::ReservationEnd reason);
BookingRefusal refusal_of(v1::BookingRefusal reason);
void set(v1::CartLine* out, const CartLine& line);
void set(common::v1::Money* out, Money money);
// Throws std::invalid_argument for a currency that we do not know.
Money money_of(const common::v1::Money& in);
void set(common::v1::MessageContent* out, const Content& content);
Content content_of(const common::v1::MessageContent& in);
v1::TemplateVariant variant_message(const std::string& language, const Variant& variant);
Variant variant_of(const v1::TemplateVariant& in);

}  // namespace flowstack::conversation
