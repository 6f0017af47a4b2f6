#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "common/rpc/error.h"
#include "services/payment/adapters/projections.h"
#include "services/payment/adapters/refunds.h"
#include "services/payment/adapters/rpc.h"

// What the doors of orders, invoices and refunds have in common.
namespace flowstack::payment {

// Between an invoice's draft and its number lies one turn of another lane.
inline constexpr std::chrono::seconds kInvoiceIsNumberedIn{1};

// The fold of one stream as a resource: you read your own writes. Throws NOT_FOUND that names it.
template <class Resource>
void fold(const Doors& doors, const eventlog::StreamName& stream, const std::string& name,
          Resource& resource) {
    const auto events = doors.store.read_stream(stream);
    if (events.empty()) throw rpc::not_found(name);
    for (const auto& event : events) apply(resource, event);
}

// The parts of a step of a refund. Throws with the reason when it was refused.
inline std::vector<eventlog::Part> taken(
    std::variant<std::vector<eventlog::Part>, RefundRefused> step, const std::string& resource) {
    if (const auto* refused = std::get_if<RefundRefused>(&step)) {
        if (refused->later)
            throw rpc::unavailable("Not yet: " + refused->why + ".", kInvoiceIsNumberedIn);
        throw rpc::wrong_state(resource, "Not now: " + refused->why + ".");
    }
    return std::get<std::vector<eventlog::Part>>(std::move(step));
}

}  // namespace flowstack::payment
