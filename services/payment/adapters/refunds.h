#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "services/payment/adapters/settlement.h"

// A refund with the payment, order and invoice that it is of. They live in one lane, so each step
// is one append.
namespace flowstack::payment {

// Why a step cannot be taken. With `later` it may be in a moment.
struct RefundRefused {
    std::string why;
    bool later = false;
};

struct RefundWanted {
    RefundId refund_id;
    std::optional<Money> amount;  // nothing: all that no refund has taken yet
    std::string reason;
};
// The parts that open a refund of the case's payment.
std::variant<std::vector<eventlog::Part>, RefundRefused> open_refund(const Case& c,
                                                                     const RefundWanted& wanted,
                                                                     Time now);

// A refund and its payment's case, as committed. NoRefund when there is none.
struct RefundCase {
    eventlog::Folded<Refund> refund;
    Case payment;
};
RefundCase load_refund(Books& books, const std::string& tenant, const RefundId& refund_id);

// The parts of: the money went back, with this receipt. None when that was recorded before.
std::variant<std::vector<eventlog::Part>, RefundRefused> record_refund(const RefundCase& c,
                                                                       const std::string& receipt,
                                                                       Time now);
// The parts of: the money stays. None when that was recorded before.
std::variant<std::vector<eventlog::Part>, RefundRefused> give_up_refund(const RefundCase& c,
                                                                        const std::string& reason,
                                                                        Time now);

std::string text_of(RefundRejection rejection);

}  // namespace flowstack::payment
