#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/conversation/domain/flow/interpreter.h"
#include "services/conversation/domain/trades/shop/state.h"

// What the parts of the shop (cart.h, checkout.h, payments.h) work on in one step.
namespace flowstack::conversation {

// What the shop may know besides the state. Everything that it points to outlives the step.
struct ShopContext {
    const std::vector<Product>* products = nullptr;
    const std::vector<Promotion>* promotions = nullptr;
    // Orders of the customer's earlier conversation: their buttons may be tapped in this one.
    const std::deque<WaitingOrder>* earlier_orders = nullptr;
};

// The shop's side of the step's record (flow/record.h).
class ShopRecord {
public:
    virtual ~ShopRecord() = default;
    // As of the last fact. The reference stays good, what it refers to moves on.
    virtual const ShopState& shop() const = 0;
    virtual void add(ShopFact fact) = 0;
};

struct ShopScene {
    ShopRecord& record;
    Interpreter& flow;
    const ShopContext& context;

    const ShopState& state() const { return record.shop(); }
    const Dialogue& dialogue() const { return flow.dialogue(); }
    const TenantFacts& tenant() const { return *flow.context().tenant; }
    bool paying() const { return state().paying(dialogue().state); }
    // The occasion of this name that the flow has for one provider ("paying_stripe"), else the one
    // for all. The text is the flow's or the caller's own.
    std::string_view occasion(std::string_view name, const std::string& provider) const {
        const auto& on = flow.context().flow->on;
        const auto own = on.find(std::string(name) + "_" + provider);
        return own == on.end() ? name : std::string_view(own->first);
    }
    std::string_view paying_occasion() const {
        return occasion("paying", dialogue().value(variable::kProvider));
    }
    void emit(ShopFact fact) const { record.add(std::move(fact)); }
    std::string make_id(const std::string& kind, int n) const {
        return flow.context().make_id(kind, n);
    }
};

// "Coffee × 2 = KES 500.00", a line for each.
std::string lines_text(const std::vector<CartLine>& lines);
// lines, subtotal, tax, rounding and total of these lines, as texts name them.
void add_totals(Values& values, const std::vector<CartLine>& lines, const TenantFacts& tenant);

}  // namespace flowstack::conversation
