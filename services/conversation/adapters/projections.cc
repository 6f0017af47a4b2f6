#include "services/conversation/adapters/projections.h"

#include <algorithm>
#include <stdexcept>

#include "common/core/overloaded.h"
#include "common/eventlog/payload.h"
#include "common/rpc/resource_name.h"
#include "common/rpc/timestamp.h"
#include "flowstack/conversation/v1/booking_events.pb.h"
#include "flowstack/conversation/v1/booking_service.pb.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/conversation/v1/conversation_service.pb.h"
#include "flowstack/conversation/v1/customer_events.pb.h"
#include "flowstack/conversation/v1/customer_service.pb.h"
#include "services/conversation/adapters/codec.h"

namespace flowstack::conversation {
namespace {

using eventlog::is;
using eventlog::parsed;
using eventlog::Recorded;

// --- What a step of a turn changes of the resource; nothing for the others

void take_opening(v1::Conversation& c, const Opened& fact, const Recorded& event) {
    c.set_name(rpc::resource_name(event.stream.tenant, "conversations", fact.conversation_id));
    c.set_conversation_id(fact.conversation_id.text());
    c.set_customer_id(fact.customer_id.text());
    c.set_channel_id(fact.channel_id.text());
    c.set_state("NEW_LEAD");
    c.set_state_reason("first message");
    c.set_flow_key(fact.flow_key);
    c.set_flow_version(fact.flow_version);
    c.set_language(fact.language);
    rpc::set_time(*c.mutable_create_time(), event.recorded_at);
}

template <class Fact>
void take(v1::Conversation&, const Fact&) {}
void take(v1::Conversation& c, const Spoke& fact) {
    rpc::set_time(*c.mutable_last_inbound_time(), fact.sent_at);
    if (!fact.channel_id.empty()) c.set_channel_id(fact.channel_id.text());
}
void take(v1::Conversation& c, const Advanced& fact) {
    c.set_state(std::string(text_of(fact.to)));
    c.set_state_reason(fact.reason);
}
void take(v1::Conversation& c, const NodeEntered& fact) { c.set_node(fact.node); }
void take(v1::Conversation& c, const VariableCaptured& fact) {
    if (fact.name == variable::kLanguage) c.set_language(fact.value);
    if (fact.name == variable::kLabel) c.set_label(fact.value);
}
void take(v1::Conversation& c, const Rated& fact) {
    c.set_rating(std::string(text_of(fact.rating)));
}
void take(v1::Conversation& c, const CartChanged& fact) {
    c.clear_cart();
    for (const auto& line : fact.lines) set(c.add_cart(), line);
}

}  // namespace

void apply(v1::Conversation& c, const Recorded& event) {
    if (is<v1::DialogueTurn>(event)) {
        for (const auto& fact : decode_facts(event.type, event.payload))
            std::visit(Overloaded{[&](const auto& step) { take(c, step); },
                                  [&](const Opened& opened) { take_opening(c, opened, event); }},
                       fact);
    } else if (is<v1::ReplyRequested>(event)) {
        const auto e = parsed<v1::ReplyRequested>(event);
        if (!e.template_key().empty()) c.set_last_template_key(e.template_key());
    } else if (is<v1::CheckoutRequested>(event)) {
        c.set_order_id(parsed<v1::CheckoutRequested>(event).order_id());
    }
    rpc::set_time(*c.mutable_update_time(), event.recorded_at);
    c.set_etag(std::to_string(event.version));
}

void apply(v1::Customer& c, const Recorded& event) {
    if (is<v1::CustomerSeen>(event)) {
        const auto e = parsed<v1::CustomerSeen>(event);
        c.set_name(rpc::resource_name(event.stream.tenant, "customers", e.customer_id()));
        c.set_customer_id(e.customer_id());
        c.set_display_name(e.personal().name());
        c.set_phone(e.personal().phone());
        c.set_language(e.language());
        c.set_conversation_id(e.conversation_id());
        rpc::set_time(*c.mutable_create_time(), event.recorded_at);
    } else if (is<v1::CustomerChanged>(event)) {
        const auto e = parsed<v1::CustomerChanged>(event);
        if (e.has_language()) c.set_language(e.language());
        if (e.personal().has_name()) c.set_display_name(e.personal().name());
        if (e.personal().has_phone()) c.set_phone(e.personal().phone());
        if (e.personal().has_address()) c.set_address(e.personal().address());
        if (e.has_conversation_id()) c.set_conversation_id(e.conversation_id());
    } else if (is<v1::CustomerTagged>(event)) {
        const auto e = parsed<v1::CustomerTagged>(event);
        std::vector<std::string> tags(c.tags().begin(), c.tags().end());
        for (const auto& tag : e.removed()) std::erase(tags, tag);
        tags.insert(tags.end(), e.added().begin(), e.added().end());
        std::sort(tags.begin(), tags.end());
        c.clear_tags();
        for (const auto& tag : tags) c.add_tags(tag);
    }
    rpc::set_time(*c.mutable_update_time(), event.recorded_at);
    c.set_etag(std::to_string(event.version));
}

void apply(v1::Booking& b, const Recorded& event) {
    const auto remind_at = [&](std::int64_t us) {
        b.clear_reminder_time();
        if (us != 0) rpc::set_time(*b.mutable_reminder_time(), from_unix_micros(us));
    };
    if (is<v1::BookingMade>(event)) {
        const auto e = parsed<v1::BookingMade>(event);
        b.set_name(rpc::resource_name(event.stream.tenant, "bookings", e.booking_id()));
        b.set_booking_id(e.booking_id());
        b.set_number(e.number());
        b.set_state("BOOKED");
        b.set_service_id(e.service_id());
        b.set_service_name(e.service_name());
        b.set_customer_id(e.customer_id());
        b.set_conversation_id(e.conversation_id());
        rpc::set_time(*b.mutable_start_time(), from_unix_micros(e.starts_at_us()));
        rpc::set_time(*b.mutable_end_time(), from_unix_micros(e.ends_at_us()));
        b.set_place(e.place());
        *b.mutable_price() = e.price();
        b.set_customer_name(e.personal().name());
        b.set_phone(e.personal().phone());
        b.set_note(e.personal().note());
        remind_at(e.reminder_at_us());
        rpc::set_time(*b.mutable_create_time(), event.recorded_at);
    } else if (is<v1::BookingMoved>(event)) {
        const auto e = parsed<v1::BookingMoved>(event);
        rpc::set_time(*b.mutable_start_time(), from_unix_micros(e.starts_at_us()));
        rpc::set_time(*b.mutable_end_time(), from_unix_micros(e.ends_at_us()));
        b.set_place(e.place());
        remind_at(e.reminder_at_us());
    } else if (is<v1::BookingCancelled>(event)) {
        const auto e = parsed<v1::BookingCancelled>(event);
        b.set_state("CANCELLED");
        b.set_cancelled_by(e.by() == v1::BOOKING_CANCELLED_BY_BUSINESS ? "business" : "customer");
        b.set_cancel_reason(e.reason());
        remind_at(0);
    } else if (is<v1::BookingAttended>(event)) {
        b.set_state(parsed<v1::BookingAttended>(event).arrived() ? "ARRIVED" : "NO_SHOW");
        remind_at(0);
    } else {
        return;  // what was refused changes nothing
    }
    rpc::set_time(*b.mutable_update_time(), event.recorded_at);
    b.set_etag(std::to_string(event.version));
}

namespace {

// The row's resource, moved along by one event.
template <class Resource>
Resource moved(const Recorded& event, eventlog::Turn& turn, const std::string& kind) {
    Resource resource;
    const auto row = turn.own(kind);
    if (row && !resource.ParseFromString(row->body))
        throw std::invalid_argument("read model: bad row");
    apply(resource, event);
    return resource;
}

}  // namespace

void project(const Recorded& event, eventlog::Turn& turn) {
    if (event.service != "conversation") return;
    eventlog::Document document;
    document.tenant = event.stream.tenant;
    document.id = event.stream.key;
    document.sort_at = event.recorded_at;
    if (event.stream.category == category::kConversation) {
        document.kind = document::kConversation;
        const auto c = moved<v1::Conversation>(event, turn, document.kind);
        document.parent = c.customer_id();
        document.state = c.state();
        document.body = c.SerializeAsString();
    } else if (event.stream.category == category::kCustomer) {
        document.kind = document::kCustomer;
        document.body = moved<v1::Customer>(event, turn, document.kind).SerializeAsString();
    } else if (event.stream.category == category::kBooking) {
        document.kind = document::kBooking;
        const auto booking = moved<v1::Booking>(event, turn, document.kind);
        if (booking.state().empty()) return;  // it was refused
        document.parent = booking.service_id();
        document.state = booking.state();
        document.sort_at = rpc::time_of(booking.start_time());
        document.body = booking.SerializeAsString();
    } else {
        return;
    }
    turn.put(std::move(document));
}

}  // namespace flowstack::conversation
