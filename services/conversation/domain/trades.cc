#include "services/conversation/domain/trades.h"

#include "services/conversation/domain/trades/booking/booking.h"
#include "services/conversation/domain/trades/shop/shop.h"
#include "services/conversation/domain/trades/support/support.h"

namespace flowstack::conversation {

const Vocabulary& vocabulary() {
    static const Vocabulary all(
        {&dialogue_words(), &shop_words(), &support_words(), &booking_words()});
    return all;
}

}  // namespace flowstack::conversation
