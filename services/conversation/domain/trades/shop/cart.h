#pragma once

#include <string>
#include <vector>

#include "services/conversation/domain/trades/shop/scene.h"

// The cart, and the orders that customers write as text.
namespace flowstack::conversation {

class Cart {
public:
    explicit Cart(const ShopScene& scene) : scene_(scene) {}

    // Null if nothing of that id is for sale.
    const Product* product(const std::string& id) const;

    // Adds to the cart. The customer is told of what did not fit into it (template cart_full).
    void add(const Product& product, std::int64_t quantity);
    // The same for lines of a text; `from` is what the cart begins with.
    void add_lines(std::vector<CartLine> from, const std::vector<OrderedLine>& lines);
    void clear();

    // What of a text order is to be asked about now: the first one becomes {{item}}, with
    // {{suggestions}}. False when everything is clear.
    bool ask_about(const std::vector<UnclearItem>& items);

private:
    // The cart with so many more of a product, which is in it once. Keeps what does not fit in
    // left_out_.
    std::vector<CartLine> with(std::vector<CartLine> cart, const Product& product,
                               std::int64_t quantity);
    void leave_out(const Product& product, std::int64_t quantity);
    void change(std::vector<CartLine> cart);

    const ShopScene& scene_;
    std::string left_out_;  // products that did not fit into the cart, for people
    bool counted_full_ = false;
};

}  // namespace flowstack::conversation
