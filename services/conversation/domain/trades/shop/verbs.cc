#include <algorithm>

#include "services/conversation/domain/flow/text.h"
#include "services/conversation/domain/trades/shop/shop.h"

// The words of the shop: what a flow can do with products, carts, orders and payments. A verb is
// its function and its entry in the table below; nothing else names it.
namespace flowstack::conversation {
namespace {

// --- Catalog and cart

// The tap on the last row of a long list; its argument is where the next page begins.
constexpr std::string_view kMoreProducts = "more_products";

Choice row_of(const Product& product) {
    auto description = format_money(product.price);
    if (!product.description.empty()) description += " · " + product.description;
    return {.title = product.name,
            .description = std::move(description),
            .action = "product",
            .argument = product.id};
}

Go show_catalog(Interpreter& flow, Shop& shop, const Action& action) {
    constexpr std::size_t kPage = kRowsMax - 1;  // the last row leads to the next page
    std::vector<const Product*> shown;
    for (const auto& product : *shop.scene().context.products) {
        const auto available = product.available();
        if (product.active && (!available || *available > 0)) shown.push_back(&product);
    }
    if (shown.empty()) return flow.go(action, "empty");
    const auto& spoken = flow.spoken();
    auto first =
        static_cast<std::size_t>(spoken.tap_action == kMoreProducts
                                     ? parse_count(spoken.tap_argument, 0, 100'000).value_or(0)
                                     : 0);
    if (first >= shown.size()) first = 0;
    const bool more = shown.size() > kRowsMax;
    const auto last = more ? std::min(shown.size(), first + kPage) : shown.size();
    std::vector<Choice> rows;
    for (auto i = first; i < last; ++i) rows.push_back(row_of(*shown[i]));
    if (more) {
        auto title = flow.speech().phrase("more_products");
        rows.push_back({.title = title.empty() ? "…" : title,
                        .action = std::string(kMoreProducts),
                        .argument = std::to_string(last >= shown.size() ? 0 : last)});
    }
    flow.speech().reply(action.target, {}, &rows);
    return Go::on;
}

Go show_promotions(Interpreter& flow, Shop& shop, const Action& action) {
    std::string all;
    for (const auto& promotion : *shop.scene().context.promotions) {
        if (!promotion.active || promotion.text.empty()) continue;
        const auto own = promotion.text.find(flow.dialogue().language);
        if (!all.empty()) all += '\n';
        all += "• " + (own != promotion.text.end() ? own->second : promotion.text.begin()->second);
    }
    if (all.empty() && action.with.contains("empty")) return flow.go(action, "empty");
    flow.speech().reply(action.target, {{"promotions", all}});
    return Go::on;
}

Go choose_product(Interpreter& flow, Shop& shop, const Action& action) {
    const auto& spoken = flow.spoken();
    const auto* chosen = spoken.tap_argument.empty()
                             ? match_product(spoken.text, *shop.scene().context.products).product
                             : shop.cart().product(spoken.tap_argument);
    if (!chosen) {
        flow.capture("asked_product", spoken.text);
        return flow.go(action, "unknown");
    }
    flow.capture(variable::kProductId, chosen->id);
    flow.capture("product_name", chosen->name);
    flow.capture("price", format_money(chosen->price));
    return flow.go(action, "found");
}

Go add_to_cart(Interpreter& flow, Shop& shop, const Action& action) {
    const auto* product = shop.cart().product(flow.dialogue().value(variable::kProductId));
    const auto quantity =
        parse_count(flow.dialogue().value(variable::kQuantity), kQuantityMin, kQuantityMax);
    if (!product || !quantity) return Go::on;
    const auto available = product->available();
    if (available && *available < *quantity && action.with.contains("too_many")) {
        flow.capture("available", std::to_string(std::max<std::int64_t>(*available, 0)));
        return flow.go(action, "too_many");
    }
    shop.cart().add(*product, *quantity);
    return Go::on;
}

Go clear_cart(Interpreter&, Shop& shop, const Action&) {
    shop.cart().clear();
    return Go::on;
}

// --- Orders as text

// Asks about the first unclear item, or goes on when there is none.
Go ask_or_go_on(Interpreter& flow, Shop& shop, const Action& action,
                const std::vector<UnclearItem>& items) {
    return flow.go(action, shop.cart().ask_about(items) ? "unclear" : "clear");
}

Go read_order(Interpreter& flow, Shop& shop, const Action& action) {
    const auto order = parse_order(flow.spoken().text, *shop.scene().context.products);
    if (order.lines.empty() && order.unclear.empty()) {
        flow.capture("asked_product", flow.spoken().text);
        return flow.go(action, "none");
    }
    shop.cart().add_lines({}, order.lines);
    return ask_or_go_on(flow, shop, action, order.unclear);
}

Go resolve_item(Interpreter& flow, Shop& shop, const Action& action) {
    const auto& said = flow.spoken().text;
    const auto& products = *shop.scene().context.products;
    auto items = shop.scene().state().unclear_items;
    if (items.empty()) return flow.go(action, "clear");
    const auto answer = parse_order(said, products);
    auto lines = answer.lines;
    auto still_unclear = answer.unclear;
    if (lines.empty()) {
        still_unclear.clear();
        // Only a number: the quantity that was missing for a name that we know.
        const auto count = parse_count(said, kQuantityMin, kQuantityMax);
        const auto known = product_named_in(items.front().words, products);
        if (!count || !known) return flow.go(action, "again");
        lines.push_back({.product_id = known.product->id, .quantity = *count});
    } else if (!answer.has_quantity && lines.size() == 1 && items.front().quantity > 0) {
        // The name was unclear, the number was not.
        lines.front().quantity = items.front().quantity;
    }
    items.erase(items.begin());
    items.insert(items.begin(), still_unclear.begin(), still_unclear.end());
    shop.cart().add_lines(shop.scene().state().cart, lines);
    return ask_or_go_on(flow, shop, action, items);
}

Go drop_item(Interpreter& flow, Shop& shop, const Action& action) {
    auto items = shop.scene().state().unclear_items;
    if (!items.empty()) items.erase(items.begin());
    if (items.empty() && shop.scene().state().cart.empty()) return flow.go(action, "none");
    return ask_or_go_on(flow, shop, action, items);
}

// --- Paying

Go run_and_leave(Interpreter& flow, std::string_view occasion) {
    flow.run_on(std::string(occasion));
    return Go::left;
}

Go offer_payment(Interpreter& flow, Shop& shop, const Action& action) {
    if (shop.scene().state().cart.empty()) return flow.go(action, "empty");
    if (shop.checkout().on_hold()) return run_and_leave(flow, "payment_unclear");
    const auto& providers = shop.scene().tenant().providers;
    if (providers.empty() && action.with.contains("none")) return flow.go(action, "none");
    if (providers.size() == 1 && action.with.contains("one")) {
        flow.capture(variable::kProvider, providers.front());
        return flow.go(action, "one");
    }
    const auto buttons = shop.checkout().provider_buttons(kPayAction, "");
    flow.speech().reply(action.target, {}, &buttons);
    return Go::on;
}

Go show_summary(Interpreter& flow, Shop& shop, const Action& action) {
    if (shop.scene().state().cart.empty()) return flow.go(action, "empty");
    if (shop.checkout().on_hold()) return run_and_leave(flow, "payment_unclear");
    // A template with its own buttons (Yes, No) keeps them; one without gets the providers.
    const auto* t = flow.speech().find_template(action.target);
    const bool own =
        t && !t->variants.empty() && !variant_of(*t, flow.dialogue().language).buttons.empty();
    if (!own) return offer_payment(flow, shop, action);
    flow.speech().reply(action.target, {});
    return Go::on;
}

Go request_payment(Interpreter& flow, Shop& shop, const Action& action) {
    const auto& scene = shop.scene();
    const auto& state = scene.state();
    const auto& tap = flow.spoken();
    // The same tap twice, or a tap while the money is on its way.
    if (scene.paying()) return run_and_leave(flow, scene.paying_occasion());
    const bool retry = state.payment_failed(state.order_id);
    // "Try again" means the order whose payment failed, whatever is in the cart since.
    if (retry && tap.tap_action == kRetryAction && state.cart != state.order_lines)
        shop.cart().clear();
    if (state.cart.empty()) {
        // The customer tapped an old button of an order that is already paid, or whose payment a
        // person looks into. If the cart has been filled since, it is a new order: go on.
        if (state.is_paid(state.order_id) && action.with.contains("paid"))
            return flow.go(action, "paid");
        if (state.payment_unclear(state.order_id)) return run_and_leave(flow, "payment_unclear");
    }
    const auto* waiting = state.waiting_order(state.order_id);
    // Not for a button of a cart that is gone.
    const bool for_waiting =
        state.cart.empty() && !retry && tap.tap_action != kPayAction && waiting && waiting->waits();
    const auto& lines = for_waiting                   ? waiting->lines
                        : retry && state.cart.empty() ? state.order_lines
                                                      : state.cart;
    if (lines.empty()) return flow.go(action, "empty");
    if (shop.checkout().on_hold()) return run_and_leave(flow, "payment_unclear");

    auto provider = fill(action.target, flow.speech().values({}));
    if (provider.empty() && tap.tap_action == kPayAction) provider = tap.tap_argument;
    if (provider.empty()) provider = flow.dialogue().value(variable::kProvider);
    if (scene.tenant().providers.empty()) return flow.go(action, "none");
    provider = shop.checkout().one_that_is_on(provider);
    if (for_waiting) {
        shop.checkout().ask_stock_for(*waiting, provider);
        return Go::left;
    }
    flow.capture(variable::kProvider, provider);
    // Whether a known number is of any use, the provider says (CheckoutRefused).
    if (shop.checkout().phone().empty()) return flow.go(action, "phone");
    shop.checkout().ask_stock_for(lines);
    return Go::left;
}

Go offer_order(Interpreter& flow, Shop& shop, const Action& action) {
    const auto* order = shop.checkout().offered_order();
    if (!order) return flow.go(action, "empty");
    if (shop.scene().tenant().providers.empty()) return flow.go(action, "none");
    shop.checkout().say_order(action.target, *order);
    return Go::on;
}

Go pay_order(Interpreter& flow, Shop& shop, const Action& action) {
    if (shop.scene().paying()) return run_and_leave(flow, shop.scene().paying_occasion());
    const auto* order = shop.checkout().offered_order();
    if (!order) return flow.go(action, "empty");
    if (shop.scene().state().payment_unclear(order->id) || shop.checkout().on_hold())
        return run_and_leave(flow, "payment_unclear");
    if (shop.scene().tenant().providers.empty()) return flow.go(action, "none");
    shop.checkout().ask_stock_for(*order, action.target);
    return Go::left;
}

// --- The table

// The interpreter runs a verb with the trade whose table has it: here that is always a Shop.
template <Go (*run)(Interpreter&, Shop&, const Action&)>
Go in_shop(Interpreter& flow, Trade* trade, const Action& action) {
    return run(flow, static_cast<Shop&>(*trade), action);
}

using enum ValueKind;

// clang-format off
constexpr VerbSpec kVerbs[]{
    {.name = "show_catalog", .target = template_key, .target_required = true,
     .meaning = "a list of the products that can be bought, ten a page; a row's tap has the action "
                "`product` and the product's id, the last row `more_products`",
     .options = {{{"empty", node, true, "nothing can be bought"}}},
     .run = in_shop<show_catalog>},
    {.name = "show_promotions", .target = template_key, .target_required = true,
     .meaning = "the active ones in `{{promotions}}`",
     .options = {{{"empty", node, false, "there is none"}}},
     .run = in_shop<show_promotions>},
    {.name = "choose_product", .always_leaves = true,
     .meaning = "by the tap's argument, else by the words: name, alias, then likeness",
     .options = {{{"found", node, true, "exactly one"},
                  {"unknown", node, true, "none, or several that are equally like"}}},
     .run = in_shop<choose_product>},
    {.name = "add_to_cart",
     .meaning = "`product_id` and `quantity` of the variables",
     .options = {{{"too_many", node, false, "more than `{{available}}` are not left"}}},
     .run = in_shop<add_to_cart>},
    {.name = "read_order", .always_leaves = true,
     .meaning = "the words become the cart; of what is not understood the first is in `{{item}}`, and "
                "products that may be meant in `{{suggestions}}`",
     .options = {{{"clear", node, true, "all is understood"},
                  {"unclear", node, true, "something is to be asked about"},
                  {"none", node, true, "the words are no order"}}},
     .run = in_shop<read_order>},
    {.name = "resolve_item", .always_leaves = true,
     .meaning = "the words answer for the first unclear item",
     .options = {{{"clear", node, true, "it was the last one"},
                  {"unclear", node, true, "the next one is to be asked about"},
                  {"again", node, true, "the answer was not understood"}}},
     .run = in_shop<resolve_item>},
    {.name = "drop_item", .always_leaves = true,
     .meaning = "the customer gives the first unclear item up",
     .options = {{{"clear", node, true, "it was the last one"},
                  {"unclear", node, true, "the next one is to be asked about"},
                  {"none", node, true, "the cart is empty"}}},
     .run = in_shop<drop_item>},
    {.name = "clear_cart",
     .meaning = "the cart is empty after it",
     .run = in_shop<clear_cart>},
    {.name = "show_summary", .target = template_key, .target_required = true,
     .meaning = "the cart, with the template's own buttons; without any, as `offer_payment`",
     .options = {{{"empty", node, true, "the cart is empty"},
                  {"none", node, false, "the tenant has no payment provider on"}}},
     .run = in_shop<show_summary>},
    {.name = "offer_payment", .target = template_key, .target_required = true,
     .meaning = "the cart, with a button for each provider that the tenant has on (tap action `pay`)",
     .options = {{{"empty", node, true, "the cart is empty"},
                  {"none", node, true, "the tenant has no payment provider on"},
                  {"one", node, false, "there is one provider: it is chosen without a question"}}},
     .run = in_shop<offer_payment>},
    {.name = "request_payment", .target = ValueKind::provider, .always_leaves = true,
     .meaning = "holds the stock, then asks for the payment. Without a target: the tap's provider, the "
                "last one, the first that is on. The number that pays is the variable `phone`, else the "
                "customer's own",
     .options = {{{"phone", node, true, "no number is known that could pay"},
                  {"empty", node, true, "there is nothing to pay"},
                  {"none", node, true, "the tenant has no payment provider on"},
                  {"paid", node, false, "the order is paid already"}}},
     .run = in_shop<request_payment>},
    {.name = "offer_order", .target = template_key, .target_required = true,
     .meaning = "an order that the shop's own site took and that waits for its payment: its lines, total, "
                "address, number and a button for each provider. The one that this is about, else the latest",
     .options = {{{"empty", node, true, "no order waits"},
                  {"none", node, true, "the tenant has no payment provider on"}}},
     .run = in_shop<offer_order>},
    {.name = "pay_order", .target = ValueKind::provider, .target_required = true, .always_leaves = true,
     .meaning = "the same order is paid, as `request_payment` does. Its buttons need no rule: the engine "
                "knows them in every flow",
     .options = {{{"empty", node, true, "no order waits"},
                  {"none", node, true, "the tenant has no payment provider on"}}},
     .run = in_shop<pay_order>},
};
// clang-format on

const std::vector<Product>& products_of(const Trade& trade) {
    return *static_cast<const Shop&>(trade).scene().context.products;
}

constexpr MatchSpec kMatches[]{
    {.name = "product",
     .fits = [](const Trade& shop,
                const std::string& said) { return bool(match_product(said, products_of(shop))); }},
    {.name = "order", .fits = [](const Trade& shop, const std::string& said) {
         return parse_order(said, products_of(shop)).is_order();
     }}};

constexpr std::string_view kOwnVariables[]{
    "due_date",   "invoice_number", "lines",    "order_id", "order_number", "orders_on_hold",
    "paid_total", "rounding",       "subtotal", "tax",      "total",        "transaction"};

}  // namespace

const Words& shop_words() {
    static constexpr Words kWords{
        .trade = "shop", .verbs = kVerbs, .matches = kMatches, .own_variables = kOwnVariables};
    return kWords;
}

}  // namespace flowstack::conversation
