#pragma once

#include <string>
#include <variant>
#include <vector>

#include "common/core/id.h"
#include "services/conversation/domain/opening.h"
#include "services/conversation/domain/pipeline.h"

// An order that the shop's own site took, where no customer said anything. It is placed at once and
// waits for its payment; the customer is asked how to pay when payment has made it (checkout.h,
// OrderMade).
//
// It holds no stock while it waits: what nobody pays keeps nothing from others, and needs no clock
// to give it back. The stock is asked for when the customer pays, as for any checkout.
namespace flowstack::conversation {

// As the caller wrote it.
struct OrderAsked {
    std::string phone;
    ProductId product_id;
    std::int64_t quantity = 0;
    std::string delivery_address;
    std::string customer_name;
};
inline constexpr std::size_t kAddressMax = 500;

// What is wrong with it, by field; `product` is what the tenant has under that id, if anything.
std::vector<Problem> check(const OrderAsked& asked, const Product& product,
                           const TenantFacts& tenant);

struct PlaceOrder {
    OrderId order_id;
    ConversationId new_conversation_id;  // if one has to be opened
    // As gateway knows the customer.
    CustomerId customer_id;
    ChannelId channel_id;
    std::string phone;
    Time window_closes_at{};
    CartLine line;
    std::string address;
    std::string name;
};
struct Placed {
    ConversationId conversation_id;
    bool opened = false;
    std::vector<CustomerEvent> customer_events;
    std::vector<Event> events;
};
enum class PlaceRejection {
    with_person,  // a person talks with the customer
    paying,       // one payment at a time
};

// `latest` is the customer's latest conversation; it may be closed or absent. `current` is the flow
// that a new one begins with.
std::variant<Placed, PlaceRejection> decide(const Customer& customer, const Conversation& latest,
                                            const PlaceOrder& command, const TenantFacts& tenant,
                                            const FlowAt& current);

}  // namespace flowstack::conversation
