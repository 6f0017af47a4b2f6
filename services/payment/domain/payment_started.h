#pragma once

#include <string>

#include "common/core/id.h"
#include "common/core/money.h"

namespace flowstack::payment {

// A payment was opened and its conversation waits for the money. A fact of the order's stream, or
// of the intent's when there is no order.
struct PaymentStarted {
    OrderId order_id;  // empty: none
    IntentId intent_id;
    ConversationId conversation_id;
    CustomerId customer_id;
    std::string provider;
    Money amount;
    std::string order_number;
    bool operator==(const PaymentStarted&) const = default;
};

}  // namespace flowstack::payment
