#pragma once

#include <string>

#include "common/eventlog/folds.h"
#include "services/conversation/adapters/codec.h"

// Where this service's streams live, and their folds.
namespace flowstack::conversation {

inline eventlog::StreamName stream(const std::string& tenant, const std::string& category,
                                   const std::string& key) {
    return {tenant, category, key};
}
inline eventlog::Routing customer_routing(const std::string& customer_id) {
    return {eventlog::RoutingKind::customer, customer_id};
}
// Content and stock: the tenant's own lane.
inline eventlog::Routing tenant_routing(const std::string& tenant) {
    return {eventlog::RoutingKind::tenant, tenant};
}

using FoldedConversation = eventlog::Folded<ConversationCodec::State>;

// Thread-safe, shared by the reactor and the doors.
struct Books {
    explicit Books(eventlog::Store& store)
        : customers(store),
          conversations(store),
          products(store),
          reservations(store, 1'000),
          promotions(store, 1'000),
          topics(store, 1'000),
          services(store, 1'000),
          booking_settings(store, 1'000),
          calendars(store, 1'000),
          bookings(store, 1'000),
          templates(store, 2'000),
          flows(store, 200) {}

    eventlog::Folds<CustomerCodec> customers;
    eventlog::Folds<ConversationCodec> conversations;
    eventlog::Folds<ProductCodec> products;
    eventlog::Folds<ReservationCodec> reservations;
    eventlog::Folds<PromotionCodec> promotions;
    eventlog::Folds<TopicCodec> topics;
    eventlog::Folds<ServiceCodec> services;
    eventlog::Folds<BookingSettingsCodec> booking_settings;
    eventlog::Folds<CalendarCodec> calendars;
    eventlog::Folds<BookingCodec> bookings;
    eventlog::Folds<TemplateCodec> templates;
    eventlog::Folds<FlowCodec> flows;
};

}  // namespace flowstack::conversation
