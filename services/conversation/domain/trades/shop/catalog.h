#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/core/decision.h"
#include "common/core/id.h"
#include "common/core/money.h"
#include "common/core/pricing.h"
#include "services/conversation/domain/problem.h"

// What a shop sells, and the stock that chats compete for.
//
// Products, reservations and promotions live on the tenant's lane. A reservation is one append: the
// reservation's own stream and one event in the stream of every product with limited stock, each at
// the exact version that the rule saw. Two chats that want the last item therefore meet at the
// product's version, and the second one decides again on what the first one left.
namespace flowstack::conversation {

// --- Product

struct ProductSaved {
    ProductId product_id;
    std::string name;
    std::vector<std::string> aliases;
    Money price;
    std::string description;
    std::string image_url;
    bool active = true;
    bool operator==(const ProductSaved&) const = default;
};
struct StockSet {
    ProductId product_id;
    std::optional<std::int64_t> on_hand;  // nothing: unlimited
    bool operator==(const StockSet&) const = default;
};
struct StockHeld {
    ReservationId reservation_id;
    std::int64_t quantity = 0;
    bool operator==(const StockHeld&) const = default;
};
struct StockFreed {
    ReservationId reservation_id;
    std::int64_t quantity = 0;
    bool operator==(const StockFreed&) const = default;
};
struct StockTaken {
    ReservationId reservation_id;
    std::int64_t quantity = 0;
    bool operator==(const StockTaken&) const = default;
};
// What was sold came back.
struct StockReturned {
    ReservationId reservation_id;
    std::int64_t quantity = 0;
    bool operator==(const StockReturned&) const = default;
};
using ProductEvent =
    std::variant<ProductSaved, StockSet, StockHeld, StockFreed, StockTaken, StockReturned>;

struct Product {
    ProductId id;  // empty: there is none
    std::string name;
    std::vector<std::string> aliases;
    Money price;
    std::string description;
    std::string image_url;
    bool active = false;
    // On the shelf, what is held included. Below zero: more was sold than was counted.
    std::optional<std::int64_t> on_hand;
    std::map<ReservationId, std::int64_t> held;  // by reservation, until it ends

    bool exists() const { return !id.empty(); }
    std::int64_t reserved() const;
    // Nothing: as many as anyone wants.
    std::optional<std::int64_t> available() const {
        if (!on_hand) return {};
        return *on_hand - reserved();
    }
    bool operator==(const Product&) const = default;
};

Product evolve(Product product, const ProductEvent& event);

inline constexpr std::size_t kProductNameMax = 60;
inline constexpr std::size_t kAliasesMax = 20;
inline constexpr std::size_t kDescriptionMax = 1000;
inline constexpr std::int64_t kPriceMinorUnitsMax = 1'000'000'000'000;
inline constexpr std::int64_t kStockMax = 1'000'000'000;

// Fields as in the API's Product: display_name, price, aliases[0] …
std::vector<Problem> check(const ProductSaved& product);
std::vector<Problem> check(const StockSet& stock);

// --- Reservation

struct ReservedLine {
    ProductId product_id;
    std::int64_t quantity = 0;
    bool operator==(const ReservedLine&) const = default;
};
// Why a reservation is over. Cancelled: nobody buys it any more. Refused: the stock was not enough,
// or payment made no order of it. Handed back, closed: a person did that to the dialogue.
enum class ReservationEnd {
    paid,
    payment_failed,
    payment_expired,
    payment_unclear,
    cancelled,
    refused,
    handed_back,
    closed,
};
struct StockReserved {
    ReservationId reservation_id;
    ConversationId conversation_id;
    CustomerId customer_id;
    std::vector<ReservedLine> lines;
    bool operator==(const StockReserved&) const = default;
};
struct StockRefused {
    ReservationId reservation_id;
    ConversationId conversation_id;
    CustomerId customer_id;
    ProductId product_id;
    std::int64_t available = 0;
    bool operator==(const StockRefused&) const = default;
};
struct StockReleased {
    ReservationId reservation_id;
    std::vector<ReservedLine> lines;
    ReservationEnd reason = ReservationEnd::cancelled;
    bool operator==(const StockReleased&) const = default;
};
struct StockSold {
    ReservationId reservation_id;
    std::vector<ReservedLine> lines;
    bool operator==(const StockSold&) const = default;
};
using ReservationEvent = std::variant<StockReserved, StockRefused, StockReleased, StockSold>;

enum class ReservationStage { absent, held, refused, released, sold, returned };
struct Reservation {
    ReservationStage stage = ReservationStage::absent;
    std::vector<ReservedLine> lines;
};
Reservation evolve(Reservation reservation, const ReservationEvent& event);

struct ReserveStock {
    ReservationId reservation_id;
    ConversationId conversation_id;
    CustomerId customer_id;
    std::vector<ReservedLine> lines;
};
struct EndReservation {
    ReservationId reservation_id;
    bool sold = false;
    ReservationEnd reason = ReservationEnd::cancelled;
};

// What goes to the reservation's stream and to which products' streams, in one append.
struct StockDecision {
    std::vector<ReservationEvent> reservation;
    std::map<ProductId, std::vector<ProductEvent>> products;
    bool operator==(const StockDecision&) const = default;
};

// All lines or none. A product that is gone or not active has nothing available. `products` holds
// at least those of the lines. A reservation that was answered before changes nothing.
StockDecision decide(const Reservation& reservation, const std::map<ProductId, Product>& products,
                     const ReserveStock& command);
// Sold or given back, once. Money that comes after the stock was given back takes it from the shelf
// all the same: the sale is a fact, and a shelf below zero is shown to a person. What was sold and
// is cancelled comes back, once.
StockDecision decide(const Reservation& reservation, const std::map<ProductId, Product>& products,
                     const EndReservation& command);

// --- Promotion

struct PromotionSaved {
    PromotionId promotion_id;
    std::map<std::string, std::string> text;  // by language
    bool active = true;
    bool operator==(const PromotionSaved&) const = default;
};
using Promotion = PromotionSaved;
inline constexpr std::size_t kPromotionTextMax = 500;
std::vector<Problem> check(const PromotionSaved& promotion);

// --- What an order costs

struct CartLine {
    ProductId product_id;
    std::string product_name;
    std::int64_t quantity = 0;
    Money unit_price;
    bool operator==(const CartLine&) const = default;
};
// For the summary that a customer confirms: the sum of the lines, priced by the same rule as
// payment's invoice (common/core/pricing.h).
Totals totals_of(const std::vector<CartLine>& lines, std::int64_t tax_rate_bp, Currency currency);

}  // namespace flowstack::conversation
