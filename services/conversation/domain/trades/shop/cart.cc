#include "services/conversation/domain/trades/shop/cart.h"

#include <algorithm>

namespace flowstack::conversation {

std::string lines_text(const std::vector<CartLine>& lines) {
    std::string text;
    for (const auto& line : lines) {
        if (!text.empty()) text += '\n';
        text += line.product_name + " × " + std::to_string(line.quantity) + " = " +
                format_money(line.unit_price * line.quantity);
    }
    return text;
}

void add_totals(Values& values, const std::vector<CartLine>& lines, const TenantFacts& tenant) {
    const auto totals = totals_of(lines, tenant.tax_rate_bp, tenant.currency);
    values["lines"] = lines_text(lines);
    values["subtotal"] = format_money(totals.subtotal);
    values["tax"] = is_zero(totals.tax) ? "" : format_money(totals.tax);
    values["rounding"] = is_zero(totals.rounding) ? "" : format_money(totals.rounding);
    values["total"] = format_money(totals.total);
}

const Product* Cart::product(const std::string& id) const {
    for (const auto& product : *scene_.context.products)
        if (product.id == id && product.active) return &product;
    return nullptr;
}

std::vector<CartLine> Cart::with(std::vector<CartLine> cart, const Product& product,
                                 std::int64_t quantity) {
    const auto line = std::ranges::find(cart, product.id, &CartLine::product_id);
    if (line == cart.end()) {
        const auto counted = std::ranges::count_if(cart, [&](const CartLine& other) {
            const auto* sold = this->product(other.product_id);
            return sold && sold->on_hand;
        });
        counted_full_ = product.on_hand && counted >= static_cast<std::ptrdiff_t>(kCountedLinesMax);
        if (cart.size() >= kCartLinesMax || counted_full_)
            leave_out(product, quantity);
        else
            cart.push_back({.product_id = product.id,
                            .product_name = product.name,
                            .quantity = quantity,
                            .unit_price = product.price});
        return cart;
    }
    const auto fits = std::min(quantity, kQuantityMax - line->quantity);
    if (fits < quantity) leave_out(product, quantity - fits);
    line->quantity += fits;
    line->unit_price = product.price;
    return cart;
}

void Cart::leave_out(const Product& product, std::int64_t quantity) {
    if (!left_out_.empty()) left_out_ += ", ";
    left_out_ += product.name + " × " + std::to_string(quantity);
}

void Cart::change(std::vector<CartLine> cart) {
    if (cart != scene_.state().cart) scene_.emit(CartChanged{.lines = std::move(cart)});
    if (left_out_.empty()) return;
    const auto most = counted_full_ ? kCountedLinesMax : kCartLinesMax;
    scene_.flow.speech().reply("cart_full",
                               {{"left_out", left_out_}, {"most", std::to_string(most)}});
    left_out_.clear();
}

void Cart::add(const Product& product, std::int64_t quantity) {
    change(with(scene_.state().cart, product, quantity));
}

void Cart::add_lines(std::vector<CartLine> from, const std::vector<OrderedLine>& lines) {
    for (const auto& line : lines)
        if (const auto* sold = product(line.product_id))
            from = with(std::move(from), *sold, line.quantity);
    change(std::move(from));
}

void Cart::clear() {
    if (!scene_.state().cart.empty()) scene_.emit(CartChanged{});
}

bool Cart::ask_about(const std::vector<UnclearItem>& items) {
    if (items != scene_.state().unclear_items) scene_.emit(UnclearItemsChanged{.items = items});
    if (items.empty()) return false;
    const auto& first = items.front();
    scene_.flow.capture("item", first.words);
    std::string names;
    for (const auto* product : suggestions(first.words, *scene_.context.products)) {
        if (!names.empty()) names += ", ";
        names += product->name;
    }
    scene_.flow.capture("suggestions", names);
    return true;
}

}  // namespace flowstack::conversation
