#include "services/conversation/domain/trades/shop/catalog.h"

#include "common/core/corrupt_stream.h"
#include "common/core/overloaded.h"
#include "common/text/utf8.h"
#include "services/conversation/domain/flow/text.h"

namespace flowstack::conversation {

Product evolve(Product product, const ProductEvent& event) {
    const auto must_exist = [&] {
        if (!product.exists())
            throw CorruptStream("product: stock moved before the product was saved");
    };
    std::visit(Overloaded{
                   [&](const ProductSaved& e) {
                       product.id = e.product_id;
                       product.name = e.name;
                       product.aliases = e.aliases;
                       product.price = e.price;
                       product.description = e.description;
                       product.image_url = e.image_url;
                       product.active = e.active;
                   },
                   [&](const StockSet& e) {
                       must_exist();
                       product.on_hand = e.on_hand;
                   },
                   [&](const StockHeld& e) {
                       must_exist();
                       if (!product.held.emplace(e.reservation_id, e.quantity).second)
                           throw CorruptStream("product: held twice for one reservation");
                   },
                   [&](const StockFreed& e) {
                       must_exist();
                       if (product.held.erase(e.reservation_id) == 0)
                           throw CorruptStream("product: freed what was not held");
                   },
                   [&](const StockTaken& e) {
                       must_exist();
                       product.held.erase(e.reservation_id);  // a late sale held nothing any more
                       if (product.on_hand) *product.on_hand -= e.quantity;
                   },
                   [&](const StockReturned& e) {
                       must_exist();
                       if (product.on_hand) *product.on_hand += e.quantity;
                   },
               },
               event);
    return product;
}

std::int64_t Product::reserved() const {
    std::int64_t sum = 0;
    for (const auto& [reservation, quantity] : held) sum += quantity;
    return sum;
}

std::vector<Problem> check(const ProductSaved& product) {
    std::vector<Problem> problems;
    if (is_blank(product.name) || text::code_points(product.name) > kProductNameMax)
        problems.push_back({"display_name", "must have 1 to 60 characters"});
    if (product.price.minor_units <= 0 || product.price.minor_units > kPriceMinorUnitsMax)
        problems.push_back({"price", "must be above zero and at most 1000000000000 minor units"});
    if (product.aliases.size() > kAliasesMax) problems.push_back({"aliases", "must be at most 20"});
    for (std::size_t i = 0; i < product.aliases.size(); ++i)
        if (is_blank(product.aliases[i]) || text::code_points(product.aliases[i]) > kProductNameMax)
            problems.push_back(
                {"aliases[" + std::to_string(i) + "]", "must have 1 to 60 characters"});
    if (text::code_points(product.description) > kDescriptionMax)
        problems.push_back({"description", "must have at most 1000 characters"});
    if (!product.image_url.empty() && !product.image_url.starts_with("https://"))
        problems.push_back({"image_url", "must be an https address"});
    return problems;
}

std::vector<Problem> check(const StockSet& stock) {
    if (stock.on_hand && (*stock.on_hand < 0 || *stock.on_hand > kStockMax))
        return {{"on_hand", "must be from 0 to 1000000000, or left out for unlimited"}};
    return {};
}

Reservation evolve(Reservation reservation, const ReservationEvent& event) {
    using enum ReservationStage;
    const auto move = [&](ReservationStage from, ReservationStage to) {
        if (reservation.stage != from) throw CorruptStream("reservation: event out of order");
        reservation.stage = to;
    };
    std::visit(
        Overloaded{
            [&](const StockReserved& e) {
                move(absent, held);
                reservation.lines = e.lines;
            },
            [&](const StockRefused&) { move(absent, refused); },
            [&](const StockReleased&) {
                reservation.stage == sold ? move(sold, returned) : move(held, released);
            },
            [&](const StockSold&) { move(reservation.stage == released ? released : held, sold); },
        },
        event);
    return reservation;
}

namespace {

const Product* find(const std::map<ProductId, Product>& products, const ProductId& id) {
    const auto found = products.find(id);
    return found == products.end() || !found->second.exists() ? nullptr : &found->second;
}

}  // namespace

StockDecision decide(const Reservation& reservation, const std::map<ProductId, Product>& products,
                     const ReserveStock& command) {
    if (reservation.stage != ReservationStage::absent) return {};
    std::map<ProductId, std::int64_t> wanted;
    for (const auto& line : command.lines) wanted[line.product_id] += line.quantity;

    StockDecision decision;
    for (const auto& [id, quantity] : wanted) {
        const auto* product = find(products, id);
        const bool sellable = product && product->active;
        const auto available = sellable ? product->available() : std::optional<std::int64_t>{0};
        if (available && *available < quantity) {
            return {.reservation = {StockRefused{.reservation_id = command.reservation_id,
                                                 .conversation_id = command.conversation_id,
                                                 .customer_id = command.customer_id,
                                                 .product_id = id,
                                                 .available = *available < 0 ? 0 : *available}},
                    .products = {}};
        }
        // Unlimited stock is not counted, so nobody has to agree on its version.
        if (available)
            decision.products[id] = {
                StockHeld{.reservation_id = command.reservation_id, .quantity = quantity}};
    }
    StockReserved reserved{.reservation_id = command.reservation_id,
                           .conversation_id = command.conversation_id,
                           .customer_id = command.customer_id,
                           .lines = {}};
    for (const auto& [id, quantity] : wanted) reserved.lines.push_back({id, quantity});
    decision.reservation = {reserved};
    return decision;
}

StockDecision decide(const Reservation& reservation, const std::map<ProductId, Product>& products,
                     const EndReservation& command) {
    const bool was_held = reservation.stage == ReservationStage::held;
    const bool late_sale = command.sold && reservation.stage == ReservationStage::released;
    const bool comes_back = !command.sold && command.reason == ReservationEnd::cancelled &&
                            reservation.stage == ReservationStage::sold;
    if (!was_held && !late_sale && !comes_back) return {};

    StockDecision decision;
    for (const auto& line : reservation.lines) {
        const auto* product = find(products, line.product_id);
        if (!product) continue;
        // What was unlimited when it was reserved holds nothing.
        const bool holds = product->held.contains(command.reservation_id);
        if (command.sold && (holds || (late_sale && product->on_hand)))
            decision.products[line.product_id] = {
                StockTaken{.reservation_id = command.reservation_id, .quantity = line.quantity}};
        else if (comes_back && product->on_hand)
            decision.products[line.product_id] = {
                StockReturned{.reservation_id = command.reservation_id, .quantity = line.quantity}};
        else if (!command.sold && holds)
            decision.products[line.product_id] = {
                StockFreed{.reservation_id = command.reservation_id, .quantity = line.quantity}};
    }
    if (command.sold)
        decision.reservation = {
            StockSold{.reservation_id = command.reservation_id, .lines = reservation.lines}};
    else
        decision.reservation = {StockReleased{.reservation_id = command.reservation_id,
                                              .lines = reservation.lines,
                                              .reason = command.reason}};
    return decision;
}

std::vector<Problem> check(const PromotionSaved& promotion) {
    std::vector<Problem> problems;
    if (promotion.text.empty()) problems.push_back({"text", "must have at least one language"});
    for (const auto& [language, text] : promotion.text) {
        if (language.size() != 2)
            problems.push_back({"text", "languages have two letters: en, sw"});
        if (is_blank(text) || text::code_points(text) > kPromotionTextMax)
            problems.push_back({"text[" + language + "]", "must have 1 to 500 characters"});
    }
    return problems;
}

Totals totals_of(const std::vector<CartLine>& lines, std::int64_t tax_rate_bp, Currency currency) {
    Money subtotal{0, currency};
    for (const auto& line : lines) subtotal += line.unit_price * line.quantity;
    return flowstack::totals_of(subtotal, tax_rate_bp);
}

}  // namespace flowstack::conversation
