#pragma once

#include <string>
#include <string_view>

#include "services/conversation/domain/flow/trade.h"
#include "services/conversation/domain/trades/shop/cart.h"
#include "services/conversation/domain/trades/shop/checkout.h"
#include "services/conversation/domain/trades/shop/payments.h"

// The shop as a trade: products, carts, orders and their payment. verbs.cc has its words.
namespace flowstack::conversation {

const Words& shop_words();

class Shop final : public Trade {
public:
    Shop(ShopRecord& record, Interpreter& flow, const ShopContext& context)
        : scene_{record, flow, context},
          cart_(scene_),
          checkout_(scene_),
          payments_(scene_, checkout_) {}
    Shop(const Shop&) = delete;

    void on(const CartSent& input);
    void on(const StockAnswered& input) { checkout_.on(input); }
    void on(const OrderMade& input) { checkout_.on(input); }
    void on(const CheckoutRefused& input) { checkout_.on(input); }
    template <class Input>
        requires requires(Payments& payments, const Input& input) { payments.on(input); }
    void on(const Input& input) {
        payments_.on(input);
    }

    const Words& words() const override { return shop_words(); }
    std::string_view busy() const override {
        return scene_.paying() ? scene_.paying_occasion() : "";
    }
    void add_values(Values& values) const override;
    bool take_tap(const std::string& action, const std::string& argument) override;
    bool keeps_open() override { return checkout_.keeps_open(); }
    std::string_view said_whatever_happens(std::string_view occasion) const override {
        return occasion == "payment_paid" ? "payment_confirmed" : "";
    }

    // For the functions of verbs and matches.
    const ShopScene& scene() const { return scene_; }
    Cart& cart() { return cart_; }
    Checkout& checkout() { return checkout_; }

private:
    ShopScene scene_;
    Cart cart_;
    Checkout checkout_;
    Payments payments_;
};

}  // namespace flowstack::conversation
