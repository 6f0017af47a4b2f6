#include "services/conversation/domain/engine.h"

#include <algorithm>

#include "common/core/overloaded.h"
#include "common/text/fold.h"
#include "common/text/phone.h"
#include "common/text/utf8.h"
#include "services/conversation/domain/order_text.h"
#include "services/conversation/domain/text.h"

namespace flowstack::conversation {
namespace {

using Values = std::map<std::string, std::string>;

std::string quantity_text(std::int64_t quantity) { return std::to_string(quantity); }

// One step of one conversation. Works on a copy of the state that every fact moves along, so that a
// later action sees what an earlier one did.
class Machine {
public:
    Machine(const Conversation& conversation, const Customer& customer, const Context& context)
        : c_(conversation), customer_(customer), x_(context) {}

    Step run(const Input& input) {
        of_the_world_ =
            !std::holds_alternative<Said>(input) && !std::holds_alternative<Tapped>(input) &&
            !std::holds_alternative<SentMedia>(input) && !std::holds_alternative<Pinned>(input) &&
            !std::holds_alternative<Edited>(input);
        std::visit([&](const auto& i) { on(i); }, input);
        if (c_.state == Lifecycle::engaged && node_waits() && !c_.paying() && spoke_)
            advance(Lifecycle::awaiting_customer, "node " + c_.node);
        if (c_.state == Lifecycle::awaiting_customer) expect_answer();
        return std::move(result_);
    }

    // The simplest words there are: what went wrong may be the cart that the totals are made of.
    Step tell_one(const std::string& key) {
        const auto* t = find_template(key);
        if (!t || t->variants.empty()) return {};
        const auto words = render(*t, c_.language,
                                  {{"business_name", x_.tenant->display_name},
                                   {"customer_name", customer_.name},
                                   {"name", customer_.name}});
        send(words, key, t->version, nullptr);
        return std::move(result_);
    }

private:
    // --- Facts

    void emit(Event event) {
        c_ = evolve(std::move(c_), event);
        result_.events.push_back(std::move(event));
    }

    bool advance(Lifecycle to, const std::string& reason) {
        if (!may_advance(c_.state, to)) return false;
        emit(Advanced{c_.state, to, reason});
        return true;
    }

    void capture(const std::string& name, const std::string& value) {
        if (c_.value(name) == value && c_.variables.contains(name)) return;
        emit(VariableCaptured{name, text::shortened(value, kVariableLengthMax)});
    }

    // The last message of this step is the one that waits for an answer.
    void expect_answer() {
        for (auto event = result_.events.rbegin(); event != result_.events.rend(); ++event)
            if (auto* reply = std::get_if<ReplyRequested>(&*event)) {
                reply->expects_answer = true;
                return;
            }
    }

    bool node_waits() const {
        const auto found = x_.flow->nodes.find(c_.node);
        return found != x_.flow->nodes.end() && found->second.waits();
    }

    // --- Words

    static inline const std::string kReceiptTemplate = "payment_confirmed";

    const Template* find_template(const std::string& key) const {
        if (x_.templates) {
            const auto own = x_.templates->find(key);
            if (own != x_.templates->end() && own->second.active) return &own->second;
        }
        const auto found = x_.flow->templates.find(key);
        return found == x_.flow->templates.end() ? nullptr : &found->second;
    }

    // A short text of the texts file: a provider's name, a reason in plain words.
    std::string phrase(const std::string& key, const Values& values = {}) const {
        const auto* t = find_template(key);
        if (!t || t->variants.empty()) return {};
        const auto own = t->variants.find(c_.language);
        const auto& variant = own != t->variants.end() ? own->second : variant_of(*t, c_.language);
        return fill(variant.body, values);
    }

    std::string lines_text(const std::vector<CartLine>& lines) const {
        std::string text;
        for (const auto& line : lines) {
            if (!text.empty()) text += '\n';
            text += line.product_name + " × " + quantity_text(line.quantity) + " = " +
                    format_money(line.unit_price * line.quantity);
        }
        return text;
    }

    Values values(const Values& extra) const {
        auto all = c_.variables;
        all["business_name"] = x_.tenant->display_name;
        if (all["customer_name"].empty()) all["customer_name"] = customer_.name;
        all["name"] = all["customer_name"];
        const auto& lines = c_.cart.empty() ? c_.order_lines : c_.cart;
        if (!lines.empty()) add_totals(all, lines);
        if (!c_.order_id.empty())
            all["order_id"] = all["order_number"].empty() ? c_.order_id : all["order_number"];
        all["phone"] = phone();
        for (const auto& [name, value] : shown_) all[name] = value;
        for (const auto& [name, value] : extra) all[name] = value;
        return all;
    }

    void add_totals(Values& all, const std::vector<CartLine>& lines) const {
        const auto totals = totals_of(lines, x_.tenant->tax_rate_bp, x_.tenant->currency);
        all["lines"] = lines_text(lines);
        all["subtotal"] = format_money(totals.subtotal);
        all["tax"] = is_zero(totals.tax) ? "" : format_money(totals.tax);
        all["rounding"] = is_zero(totals.rounding) ? "" : format_money(totals.rounding);
        all["total"] = format_money(totals.total);
    }

    // Whether there were words.
    bool reply(const std::string& key, const Values& extra,
               const std::vector<Choice>* choices = nullptr, const FollowUpDue* task = nullptr) {
        const auto* t = find_template(key);
        // Published flows name only templates that exist; one deleted since then must not stop a
        // dialogue.
        if (!t || t->variants.empty()) return false;
        auto rendered = render(*t, c_.language, values(extra), choices);
        return send(std::move(rendered), key, t->version, task);
    }

    bool send(Rendered rendered, const std::string& key, std::int64_t version,
              const FollowUpDue* task) {
        if (rendered.content.kind == TemplateKind::text && rendered.content.body.empty())
            return false;
        ++replies_;
        ReplyRequested r;
        r.message_id = x_.make_id("message", replies_);
        r.conversation_id = c_.id;
        r.customer_id = c_.customer_id;
        r.channel_id = c_.channel_id;
        r.idempotency_key = "auto-reply:" + x_.cause_key + ":" + std::to_string(replies_);
        r.template_key = key;
        r.template_version = version;
        r.kind = task ? "follow_up" : "reply";
        r.purpose = task ? "utility" : "service";
        r.window_evidence = c_.last_inbound_at;
        r.taps = std::move(rendered.taps);
        r.content = std::move(rendered.content);
        // Where the customer writes from, as gateway says. The number that pays may be another one.
        r.to = customer_.phone;
        if (task) {
            r.task_id = task->task_id;
            r.nothing_inbound_since = task->since;
        }
        emit(std::move(r));
        spoke_ = true;
        return true;
    }

    // --- Moving

    enum class Go { on, left };

    void enter(const std::string& name) {
        const auto found = x_.flow->nodes.find(name);
        if (found == x_.flow->nodes.end()) throw FlowProblem("there is no node \"" + name + "\"");
        emit(NodeEntered{name, 0});
        run(found->second.enter);
    }

    // Runs a list until something leaves it.
    Go run(const Actions& actions) {
        for (const auto& action : actions) {
            if (++actions_run_ > kStepActionsMax)
                throw FlowProblem(
                    "more than 60 actions without an answer of the customer, at node \"" + c_.node +
                    "\"");
            if (act(action) == Go::left) return Go::left;
        }
        return Go::on;
    }

    Go go(const Action& action, const std::string& option) {
        const auto node = action.option(option);
        if (node.empty())
            throw FlowProblem(std::string(text_of(action.verb)) + " has no \"" + option + "\"");
        enter(node);
        return Go::left;
    }

    Go act(const Action& action) {
        switch (action.verb) {
            case Verb::send:
                reply(action.target, {});
                return Go::on;
            case Verb::go:
                enter(action.target);
                return Go::left;
            case Verb::show_catalog:
                return show_catalog(action);
            case Verb::show_promotions:
                return show_promotions(action);
            case Verb::choose_product:
                return choose_product(action);
            case Verb::add_to_cart:
                return add_to_cart(action);
            case Verb::read_order:
                return read_order(action);
            case Verb::resolve_item:
                return resolve_item(action);
            case Verb::drop_item:
                return drop_item(action);
            case Verb::show_summary:
                return show_summary(action);
            case Verb::offer_payment:
                return offer_payment(action);
            case Verb::request_payment:
                return request_payment(action);
            case Verb::offer_order:
                return offer_order(action);
            case Verb::pay_order:
                return pay_order(action);
            case Verb::set: {
                auto all = values({});
                all["text"] = said_;
                all["tap"] = tap_argument_;
                capture(action.target, fill(action.option("value"), all));
                return Go::on;
            }
            case Verb::language:
                choose_language(action.target);
                return Go::on;
            case Verb::clear_cart:
                if (!c_.cart.empty()) emit(CartChanged{});
                return Go::on;
            case Verb::schedule_follow_up:
                return schedule_follow_up(action);
            case Verb::escalate:
                emit(Escalated{action.target});
                advance(Lifecycle::escalated, action.target);
                return Go::left;
            case Verb::close:
                close(action.target.empty() ? "flow" : action.target);
                return Go::left;
        }
        return Go::on;
    }

    // --- Catalog and cart

    // The tap on the last row of a long list; its argument is where the next page begins.
    static constexpr std::string_view kMoreProducts = "more_products";

    const Product* product(const std::string& id) const {
        for (const auto& p : *x_.products)
            if (p.id == id && p.active) return &p;
        return nullptr;
    }

    Go show_catalog(const Action& action) {
        constexpr std::size_t kPage = kRowsMax - 1;  // the last row leads to the next page
        std::vector<const Product*> shown;
        for (const auto& p : *x_.products) {
            const auto available = p.available();
            if (p.active && (!available || *available > 0)) shown.push_back(&p);
        }
        if (shown.empty()) return go(action, "empty");
        const bool turned = tap_action_ == kMoreProducts;
        auto first = static_cast<std::size_t>(
            turned ? parse_count(tap_argument_, 0, 100'000).value_or(0) : 0);
        if (first >= shown.size()) first = 0;
        const bool more = shown.size() > kRowsMax;
        const auto last = more ? std::min(shown.size(), first + kPage) : shown.size();
        std::vector<Choice> rows;
        for (auto i = first; i < last; ++i) {
            const auto& p = *shown[i];
            auto description = format_money(p.price);
            if (!p.description.empty()) description += " · " + p.description;
            rows.push_back({.title = p.name,
                            .description = description,
                            .action = "product",
                            .argument = p.id});
        }
        if (more) {
            auto title = phrase("more_products");
            rows.push_back({.title = title.empty() ? "…" : title,
                            .action = std::string(kMoreProducts),
                            .argument = std::to_string(last >= shown.size() ? 0 : last)});
        }
        reply(action.target, {}, &rows);
        return Go::on;
    }

    Go show_promotions(const Action& action) {
        std::string text;
        for (const auto& promotion : *x_.promotions) {
            if (!promotion.active || promotion.text.empty()) continue;
            const auto own = promotion.text.find(c_.language);
            if (!text.empty()) text += '\n';
            text +=
                "• " + (own != promotion.text.end() ? own->second : promotion.text.begin()->second);
        }
        if (text.empty() && action.with.contains("empty")) return go(action, "empty");
        reply(action.target, {{"promotions", text}});
        return Go::on;
    }

    Go choose_product(const Action& action) {
        const Product* chosen = tap_argument_.empty() ? nullptr : product(tap_argument_);
        if (!chosen && tap_argument_.empty()) chosen = match_product(said_, *x_.products).product;
        if (!chosen) {
            capture("asked_product", said_);
            return go(action, "unknown");
        }
        capture(variable::kProductId, chosen->id);
        capture("product_name", chosen->name);
        capture("price", format_money(chosen->price));
        return go(action, "found");
    }

    // The cart with so many more of a product, which is in it once. What does not fit is kept in
    // left_out_.
    std::vector<CartLine> cart_with(std::vector<CartLine> cart, const Product& p,
                                    std::int64_t quantity) {
        auto line = std::find_if(cart.begin(), cart.end(),
                                 [&](const CartLine& l) { return l.product_id == p.id; });
        if (line == cart.end()) {
            const auto counted = std::count_if(cart.begin(), cart.end(), [&](const CartLine& l) {
                const auto* other = product(l.product_id);
                return other && other->on_hand;
            });
            counted_full_ = p.on_hand && counted >= static_cast<std::ptrdiff_t>(kCountedLinesMax);
            if (cart.size() >= kCartLinesMax || counted_full_)
                leave_out(p, quantity);
            else
                cart.push_back({p.id, p.name, quantity, p.price});
            return cart;
        }
        const auto fits = std::min(quantity, kQuantityMax - line->quantity);
        if (fits < quantity) leave_out(p, quantity - fits);
        line->quantity += fits;
        line->unit_price = p.price;
        return cart;
    }

    void leave_out(const Product& p, std::int64_t quantity) {
        if (!left_out_.empty()) left_out_ += ", ";
        left_out_ += p.name + " × " + quantity_text(quantity);
    }

    void change_cart(std::vector<CartLine> cart) {
        if (cart != c_.cart) emit(CartChanged{std::move(cart)});
        if (left_out_.empty()) return;
        const auto most = counted_full_ ? kCountedLinesMax : kCartLinesMax;
        reply("cart_full", {{"left_out", left_out_}, {"most", std::to_string(most)}});
        left_out_.clear();
    }

    Go add_to_cart(const Action& action) {
        const auto* p = product(c_.value(variable::kProductId));
        const auto quantity =
            parse_count(c_.value(variable::kQuantity), kQuantityMin, kQuantityMax);
        if (!p || !quantity) return Go::on;
        const auto available = p->available();
        if (available && *available < *quantity && action.with.contains("too_many")) {
            capture("available", quantity_text(std::max<std::int64_t>(*available, 0)));
            return go(action, "too_many");
        }
        change_cart(cart_with(c_.cart, *p, *quantity));
        return Go::on;
    }

    // --- Orders as text

    void put_lines(std::vector<CartLine> cart, const std::vector<OrderedLine>& lines) {
        for (const auto& line : lines)
            if (const auto* p = product(line.product_id))
                cart = cart_with(std::move(cart), *p, line.quantity);
        change_cart(std::move(cart));
    }

    // Asks about the first unclear item, or goes on when there is none.
    Go ask_or_go_on(const Action& action, const std::vector<UnclearItem>& items) {
        if (items != c_.unclear_items) emit(UnclearItemsChanged{items});
        if (items.empty()) return go(action, "clear");
        const auto& first = items.front();
        capture("item", first.words);
        std::string names;
        for (const auto* p : suggestions(first.words, *x_.products)) {
            if (!names.empty()) names += ", ";
            names += p->name;
        }
        capture("suggestions", names);
        return go(action, "unclear");
    }

    Go read_order(const Action& action) {
        const auto order = parse_order(said_, *x_.products);
        if (order.lines.empty() && order.unclear.empty()) {
            capture("asked_product", said_);
            return go(action, "none");
        }
        put_lines({}, order.lines);
        return ask_or_go_on(action, order.unclear);
    }

    Go resolve_item(const Action& action) {
        auto items = c_.unclear_items;
        if (items.empty()) return go(action, "clear");
        const auto answer = parse_order(said_, *x_.products);
        auto lines = answer.lines;
        auto still_unclear = answer.unclear;
        if (lines.empty()) {
            still_unclear.clear();
            // Only a number: the quantity that was missing for a name that we know.
            const auto count = parse_count(said_, kQuantityMin, kQuantityMax);
            const auto known = product_named_in(items.front().words, *x_.products);
            if (!count || !known) return go(action, "again");
            lines.push_back({known.product->id, *count});
        } else if (!answer.has_quantity && lines.size() == 1 && items.front().quantity > 0) {
            lines.front().quantity =
                items.front().quantity;  // the name was unclear, the number was not
        }
        items.erase(items.begin());
        items.insert(items.begin(), still_unclear.begin(), still_unclear.end());
        put_lines(c_.cart, lines);
        return ask_or_go_on(action, items);
    }

    Go drop_item(const Action& action) {
        auto items = c_.unclear_items;
        if (!items.empty()) items.erase(items.begin());
        if (items.empty() && c_.cart.empty()) return go(action, "none");
        return ask_or_go_on(action, items);
    }

    // --- Paying

    // Taps whose meaning the engine knows. `pay` has the provider as its argument.
    static constexpr std::string_view kPayAction = "pay";
    static constexpr std::string_view kRetryAction = "retry";
    static constexpr std::string_view kTalkToPersonAction = "talk_to_person";

    Go show_summary(const Action& action) {
        if (c_.cart.empty()) return go(action, "empty");
        // A template with its own buttons (Yes, No) keeps them; one without gets the providers.
        const auto* t = find_template(action.target);
        const bool own = t && !t->variants.empty() && !variant_of(*t, c_.language).buttons.empty();
        if (own) {
            reply(action.target, {});
            return Go::on;
        }
        return offer_payment(action);
    }

    Go offer_payment(const Action& action) {
        if (c_.cart.empty()) return go(action, "empty");
        const auto& providers = x_.tenant->providers;
        if (providers.empty() && action.with.contains("none")) return go(action, "none");
        if (providers.size() == 1 && action.with.contains("one")) {
            capture(variable::kProvider, providers.front());
            return go(action, "one");
        }
        const auto buttons = provider_buttons(std::string(kPayAction), "");
        reply(action.target, {}, &buttons);
        return Go::on;
    }

    // One for each way to pay that the tenant has on; the tap's argument ends with `more`.
    std::vector<Choice> provider_buttons(const std::string& action, const std::string& more) const {
        std::vector<Choice> buttons;
        for (const auto& provider : x_.tenant->providers) {
            auto title = phrase("provider_" + provider);
            buttons.push_back({.title = title.empty() ? provider : title,
                               .action = action,
                               .argument = provider + more});
        }
        return buttons;
    }

    Go request_payment(const Action& action) {
        // The same tap twice, or a tap while the money is on its way.
        if (c_.paying()) {
            run_on("paying");
            return Go::left;
        }
        const bool retry = c_.payment_failed(c_.order_id);
        // "Try again" means the order whose payment failed, whatever is in the cart since.
        if (retry && tap_action_ == kRetryAction && c_.cart != c_.order_lines && !c_.cart.empty())
            emit(CartChanged{});
        if (c_.cart.empty()) {
            // The customer tapped an old button of an order that is already paid, or whose payment
            // a person looks into. If the cart has been filled since, it is a new order: go on.
            if (c_.is_paid(c_.order_id) && action.with.contains("paid")) return go(action, "paid");
            if (c_.payment_unclear(c_.order_id)) {
                run_on("payment_unclear");
                return Go::left;
            }
        }
        const auto* waiting = c_.waiting_order(c_.order_id);
        // Not for a button of a cart that is gone.
        const bool for_waiting = c_.cart.empty() && !retry && tap_action_ != kPayAction &&
                                 waiting && waiting->waits();
        const auto& lines = for_waiting                 ? waiting->lines
                            : retry && c_.cart.empty() ? c_.order_lines
                                                       : c_.cart;
        if (lines.empty()) return go(action, "empty");

        auto provider = fill(action.target, values({}));
        if (provider.empty() && tap_action_ == kPayAction) provider = tap_argument_;
        if (provider.empty()) provider = c_.value(variable::kProvider);
        if (x_.tenant->providers.empty()) return go(action, "none");
        provider = one_that_is_on(provider);
        if (for_waiting) {
            ask_stock_for(*waiting, provider);
            return Go::left;
        }
        capture(variable::kProvider, provider);
        // Whether a known number is of any use, the provider says (CheckoutRefused).
        if (phone().empty()) return go(action, "phone");

        emit(StockRequested{x_.make_id("reservation", 1), c_.id, c_.customer_id, lines, ""});
        return Go::left;
    }

    // The provider that was asked for, else the first one. The tenant has at least one.
    std::string one_that_is_on(const std::string& provider) const {
        const auto& on = x_.tenant->providers;
        return std::find(on.begin(), on.end(), provider) == on.end() ? on.front() : provider;
    }

    // --- Orders that the shop's own site placed. By value where facts follow: they move the state.

    // The one that is spoken of: what this step is about, else the latest that was offered.
    const WaitingOrder* offered_order() const {
        if (const auto* order = c_.waiting_order(offered_); order && order->waits()) return order;
        const auto& all = c_.waiting_orders;
        const auto found = std::find_if(all.rbegin(), all.rend(), offered);
        return found == all.rend() ? nullptr : &*found;
    }

    Go offer_order(const Action& action) {
        const auto* order = offered_order();
        if (!order) return go(action, "empty");
        if (x_.tenant->providers.empty()) return go(action, "none");
        say_order(action.target, *order);
        return Go::on;
    }

    Go pay_order(const Action& action) {
        if (c_.paying()) {
            run_on("paying");
            return Go::left;
        }
        const auto* order = offered_order();
        if (!order) return go(action, "empty");
        if (c_.payment_unclear(order->id)) {
            run_on("payment_unclear");
            return Go::left;
        }
        if (x_.tenant->providers.empty()) return go(action, "none");
        ask_stock_for(*order, action.target);
        return Go::left;
    }

    void say_order(const std::string& template_key, const WaitingOrder& order) {
        Values extra{{"order_id", order.number}, {"address", order.address}};
        add_totals(extra, order.lines);
        const auto buttons = provider_buttons(std::string(kPayOrderAction), "|" + order.id);
        reply(template_key, extra, &buttons);
    }

    void ask_stock_for(WaitingOrder order, const std::string& provider) {
        // It takes the cart's place: the end of this payment is the end of what is in the cart.
        if (!c_.cart.empty()) emit(CartChanged{});
        capture(variable::kAddress, order.address);
        capture(variable::kProvider, one_that_is_on(provider));
        emit(StockRequested{x_.make_id("reservation", 1), c_.id, c_.customer_id,
                            std::move(order.lines), "", order.id});
    }

    // A tap on a button of say_order, "<provider>|<order>". The engine answers it and not the flow:
    // also where a flow sells nothing, such an order is paid.
    void pay_tapped_order(const std::string& argument, const std::deque<WaitingOrder>& earlier) {
        const auto bar = argument.find('|');
        const auto id = bar == std::string::npos ? std::string() : argument.substr(bar + 1);
        if (const auto* order = c_.waiting_order(id); order && order->waits()) {
            if (c_.payment_unclear(id)) return run_on("payment_unclear");
            if (x_.tenant->providers.empty()) return refuse_order("other");
            return ask_stock_for(*order, argument.substr(0, bar));
        }
        std::string ended = "no_order";
        const auto& known = c_.waiting_orders;
        for (const auto* orders : {&known, &earlier})
            for (const auto& order : *orders)
                if (order.id == id) ended = order.ended;
        if (ended == "paid") return run_on("order_already_paid");
        refuse_order(ended);
    }

    void refuse_order(const std::string& reason) {
        auto words = phrase("refusal_" + reason);
        if (words.empty()) words = phrase("refusal_other");
        say_or_run("checkout_refused", {{"reason", words}});
    }

    // Asks how to pay it, as the flow does; in the middle of something else, in words only.
    void offer(const std::string& order_id) {
        offered_ = order_id;
        const bool may_move = !c_.paying() && (c_.state == Lifecycle::engaged ||
                                               c_.state == Lifecycle::awaiting_customer ||
                                               c_.state == Lifecycle::dormant);
        if (may_move) {
            wake("an order was placed");
            if (x_.flow->on.contains("order_placed")) return run_on("order_placed");
        }
        if (const auto* order = offered_order()) say_order("order_placed", *order);
    }

    // Not while an order waits: its buttons belong to this dialogue. After a payment it is its
    // turn.
    void close(const std::string& reason) {
        const auto& all = c_.waiting_orders;
        // Paid was something else than what is in the cart: the dialogue about that goes on.
        if (c_.state == Lifecycle::paid && !c_.cart.empty()) {
            advance(Lifecycle::engaged, "the cart is not paid yet");
            return;
        }
        if (std::none_of(all.begin(), all.end(), [](const auto& order) { return order.waits(); })) {
            advance(Lifecycle::closed, reason);
            return;
        }
        if (c_.state != Lifecycle::paid) return;
        const auto next = std::find_if(all.begin(), all.end(), offered);
        const auto id = next == all.end() ? std::string() : next->id;
        advance(Lifecycle::engaged, "another order waits");
        if (!id.empty()) offer(id);
    }
    static bool offered(const WaitingOrder& order) {
        return order.waits() && !order.number.empty();
    }

    // The number that pays: what the customer said, else where they write from.
    std::string phone() const {
        const auto own = c_.value(variable::kPhone);
        return own.empty() ? customer_.phone : own;
    }

    Go schedule_follow_up(const Action& action) {
        const auto after = parse_count(action.option("after_s"), 1, 366 * 24 * 3600);
        if (!after) return Go::on;
        FollowUpRequested f;
        f.task_id = x_.make_id("task", ++tasks_);
        f.conversation_id = c_.id;
        f.customer_id = c_.customer_id;
        f.channel_id = c_.channel_id;
        f.kind = action.target;
        f.due_at = x_.now + std::chrono::seconds(*after);
        f.language = c_.language;
        f.text = phrase(action.option("template"), values({}));
        emit(std::move(f));
        return Go::on;
    }

    // --- Inputs of the customer

    void wake(const std::string& reason) {
        if (c_.state == Lifecycle::new_lead || c_.state == Lifecycle::awaiting_customer ||
            c_.state == Lifecycle::dormant)
            advance(Lifecycle::engaged, reason);
    }

    bool silent() const {
        return c_.state == Lifecycle::escalated || c_.state == Lifecycle::closed ||
               c_.state == Lifecycle::paid;
    }

    void choose_language(const std::string& language) {
        if (c_.language != language) capture(variable::kLanguage, language);
        if (!customer_.language_chosen || customer_.language != language) {
            CustomerChanged changed;
            changed.customer_id = c_.customer_id;
            changed.language = language;
            result_.customer_events.push_back(changed);
        }
    }

    void on(const Said& input) {
        if (silent()) return;
        said_ = text::shortened(text::clean(input.text), kVariableLengthMax);
        if (c_.paying()) return run_on("paying");
        wake(c_.state == Lifecycle::new_lead ? "customer wrote" : "customer answered");
        const auto language = language_of(said_, *x_.flow);
        if (language.chosen) {
            choose_language(language.language);
            return say_again();
        }
        if (c_.node.empty()) emit(NodeEntered{x_.flow->start, 0});
        // A greeting in another language changes it, but not in the middle of a question, and not
        // against what the customer once chose.
        const auto node = x_.flow->nodes.find(c_.node);
        const bool asked = node != x_.flow->nodes.end() && node->second.ask;
        if (!language.language.empty() && language.language != c_.language && !asked &&
            !customer_.language_chosen)
            capture(variable::kLanguage, language.language);
        answer_words();
    }

    void on(const Edited& input) {
        if (silent() || c_.paying()) return;
        const auto before = c_;
        const auto facts = result_;
        edited_ = true;
        said_ = text::shortened(text::clean(input.text), kVariableLengthMax);
        wake("customer changed an answer");
        answer_words();
        if (!no_better_) return;
        c_ = before;
        result_ = facts;
    }

    // What was said last, in the new language.
    void say_again() {
        run_on("language_changed");
        const auto node = c_.node.empty() ? x_.flow->start : c_.node;
        const auto found = x_.flow->nodes.find(node);
        if (found == x_.flow->nodes.end()) throw FlowProblem("there is no node \"" + node + "\"");
        if (!found->second.enter.empty()) return enter(node);
        emit(NodeEntered{node, 0});
        said_.clear();
        answer_words();
    }

    void answer_words() {
        if (try_rules(x_.flow->globals)) return;
        const auto found = x_.flow->nodes.find(c_.node);
        // A pack that changed under a running dialogue: begin again rather than fall silent.
        if (found == x_.flow->nodes.end()) return enter(x_.flow->start);
        const auto& node = found->second;
        if (try_rules(node.rules)) return;
        if (node.ask) return answer(*node.ask);
        if (edited_) {
            no_better_ = true;
            return;
        }
        run_otherwise(node);
    }

    void run_otherwise(const Node& node) {
        if (!node.otherwise.empty())
            run(node.otherwise);
        else if (!x_.flow->fallback_template.empty())
            reply(x_.flow->fallback_template, {});
    }

    const Rule* rule_for(const std::vector<Rule>& rules) const {
        const auto found =
            std::find_if(rules.begin(), rules.end(), [&](const auto& rule) { return fits(rule); });
        return found == rules.end() ? nullptr : &*found;
    }

    bool try_rules(const std::vector<Rule>& rules) {
        const auto* rule = rule_for(rules);
        if (rule) run(rule->actions);
        return rule != nullptr;
    }

    bool fits(const Rule& rule) const {
        const auto& values = rule.values;
        if (!rule.states.empty() && std::find(rule.states.begin(), rule.states.end(),
                                              c_.value(variable::kLabel)) == rule.states.end())
            return false;
        const bool words = tap_action_.empty() && media_.empty();
        const auto text = plain(said_);
        switch (rule.match) {
            case MatchType::any:
                return words;
            case MatchType::equals:
                return words && std::any_of(values.begin(), values.end(), [&](const auto& value) {
                           return plain(value) == text;
                       });
            case MatchType::contains:
                return words && std::any_of(values.begin(), values.end(), [&](const auto& value) {
                           return text.find(plain(value)) != std::string::npos;
                       });
            case MatchType::regex:
                return words && x_.matches &&
                       std::any_of(values.begin(), values.end(), [&](const auto& value) {
                           return x_.matches(value, said_) || x_.matches(value, text::fold(said_));
                       });
            case MatchType::media:
                return !media_.empty() && (values.empty() || std::find(values.begin(), values.end(),
                                                                       media_) != values.end());
            case MatchType::button:
            case MatchType::list:
                return !tap_action_.empty() &&
                       std::find(values.begin(), values.end(), tap_action_) != values.end();
            case MatchType::product:
                return words && match_product(said_, *x_.products);
            case MatchType::order:
                return words && parse_order(said_, *x_.products).is_order();
        }
        return false;
    }

    void answer(const Ask& ask) {
        const auto value = answer_value(ask);
        if (value) return take_answer(ask, *value);
        if (edited_) {
            no_better_ = true;
            return;
        }
        if (c_.retries >= ask.attempts) {
            run(ask.give_up);
            return;
        }
        emit(NodeEntered{c_.node, c_.retries + 1});
        reply(ask.again, {});
    }

    void take_answer(const Ask& ask, const std::string& value) {
        capture(ask.variable, value);
        if (ask.variable == variable::kAddress && !value.empty()) {
            CustomerChanged changed;
            changed.customer_id = c_.customer_id;
            changed.address = value;
            result_.customer_events.push_back(changed);
        }
        run(ask.then);
    }

    std::optional<std::string> answer_value(const Ask& ask) const {
        if (!tap_action_.empty()) return {};
        const auto text = plain(said_);
        for (const auto& word : ask.skip_words)
            if (plain(word) == text) return std::string{};
        switch (ask.type) {
            case AskType::integer: {
                const auto count = parse_count(said_, ask.min, ask.max);
                if (!count) return {};
                return std::to_string(*count);
            }
            case AskType::phone:
                return text::e164(said_, x_.tenant->country);
            case AskType::text: {
                const auto length = static_cast<std::int64_t>(text::code_points(said_));
                if (length < ask.min || length > ask.max) return {};
                return said_;
            }
        }
        return {};
    }

    // The choice behind a tap: in the message it belongs to, of this conversation or of the one
    // before, else by its words among the last choices that were sent.
    static const Tap* find_tap(const std::deque<SentChoices>& sent, const std::string& tap_id) {
        const auto colon = tap_id.rfind(':');
        if (colon == std::string::npos) return nullptr;
        const auto message = tap_id.substr(0, colon);
        const auto n = parse_count(std::string_view(tap_id).substr(colon + 1), 0, 100);
        for (const auto& choices : sent)
            if (choices.message_id == message)
                for (const auto& tap : choices.taps)
                    if (n && tap.n == *n) return &tap;
        return nullptr;
    }

    void on(const Tapped& input) {
        if (silent()) return;
        said_ = text::shortened(text::clean(input.title), kVariableLengthMax);
        const Tap* tap = find_tap(c_.choices, input.tap_id);
        if (!tap) tap = find_tap(input.earlier, input.tap_id);
        if (!tap && !c_.choices.empty())
            for (const auto& last : c_.choices.back().taps)
                if (plain(last.title) == plain(input.title)) tap = &last;
        // Nobody knows this button any more: its words are what the customer said.
        if (!tap) return on(Said{input.title});
        const auto known = *tap;  // c_ moves on while this runs
        // In every flow, and while a payment runs.
        if (known.action == kTalkToPersonAction) return call_person();
        if (c_.paying()) return run_on("paying");
        wake(c_.state == Lifecycle::new_lead ? "customer tapped" : "customer answered");
        if (c_.node.empty()) emit(NodeEntered{x_.flow->start, 0});
        if (known.action == kSendTemplateAction) {
            const auto bar = known.argument.find('|');
            if (bar != std::string::npos && bar + 1 < known.argument.size())
                capture(variable::kLabel, known.argument.substr(bar + 1));
            // A button that only sets the label counts as its words.
            if (bar == 0) return answer_words();
            reply(known.argument.substr(0, bar), {});
            return;
        }
        if (known.action == kPayOrderAction)
            return pay_tapped_order(known.argument, input.earlier_orders);
        tap_action_ = known.action;
        tap_argument_ = known.argument;
        answer_tap();
    }

    void answer_tap() {
        const auto found = x_.flow->nodes.find(c_.node);
        if (found != x_.flow->nodes.end() && try_rules(found->second.rules)) return;
        if (try_rules(x_.flow->globals)) return;
        // A button that means nothing to the flow counts as its words.
        tap_action_.clear();
        tap_argument_.clear();
        answer_words();
    }

    void call_person() {
        wake("customer asked for a person");
        reply("person_called", {});
        const std::string reason = "the customer asked for a person";
        if (!may_advance(c_.state, Lifecycle::escalated)) return;
        emit(Escalated{reason});
        advance(Lifecycle::escalated, reason);
    }

    const Node* node() const {
        const auto found = x_.flow->nodes.find(c_.node);
        return found == x_.flow->nodes.end() ? nullptr : &found->second;
    }

    void on(const SentMedia& input) { no_words(input.kind, {}); }
    void on(const Pinned& input) { no_words("location", input.place); }

    // No answer in words. `place`, when given, answers a question about the address.
    void no_words(const std::string& kind, const std::string& place) {
        // Nobody waits for words while the money is on its way.
        if (silent() || c_.paying()) return;
        media_ = kind.empty() ? "media" : kind;
        const bool first = c_.node.empty();
        const auto* here = first ? nullptr : node();
        const bool in_rules = rule_for(x_.flow->globals) || (here && rule_for(here->rules));
        const bool is_address = here && here->ask && !place.empty() &&
                                here->ask->variable == variable::kAddress &&
                                here->ask->type == AskType::text;
        // Of several pictures at once only the first one is spoken about.
        if (!first && !in_rules && !is_address && c_.hinted_node == c_.node) return;

        wake("customer sent " + media_);
        if (first) emit(NodeEntered{x_.flow->start, 0});
        if (try_rules(x_.flow->globals)) return;
        const auto* at = node();
        // The pack changed under a running dialogue: begin again.
        if (!at) return enter(x_.flow->start);
        if (try_rules(at->rules)) return;
        if (is_address) {
            const auto max = static_cast<std::size_t>(std::max<std::int64_t>(at->ask->max, 1));
            return take_answer(*at->ask, text::shortened(text::clean(place), max));
        }
        if (first)
            run_otherwise(*at);
        else
            reply("words_please", {});
        if (c_.state != Lifecycle::closed) emit(HintGiven{c_.node});
    }

    // --- Inputs of the world

    // Runs what the flow says on an occasion, whole.
    void run_on(const std::string& occasion, const Values& extra = {}) {
        const auto found = x_.flow->on.find(occasion);
        if (found == x_.flow->on.end()) return;
        for (const auto& [name, value] : extra) capture(name, value);
        const auto before = c_;
        const auto facts = result_;
        try {
            run(found->second);
        } catch (const FlowProblem& problem) {
            // Who wrote is told so by the pipeline. Money and stock do not wait for a better flow.
            if (!of_the_world_) throw;
            c_ = before;
            result_ = facts;
            result_.problem = problem.what();
            if (occasion == "payment_paid") reply(kReceiptTemplate, {});
            const auto reason = "flow: " + result_.problem;
            if (!may_advance(c_.state, Lifecycle::escalated)) return;
            emit(Escalated{reason});
            advance(Lifecycle::escalated, reason);
        }
    }

    // Only its messages and those of the node that it leads to: the dialogue is with a person,
    // closed or about something else, and nothing may move. Whether anything was said.
    bool say_on(const std::string& occasion, const Values& extra,
                const FollowUpDue* task = nullptr) {
        const auto found = x_.flow->on.find(occasion);
        if (found == x_.flow->on.end()) return false;
        bool said = say(found->second, extra, task);
        for (const auto& action : found->second)
            if (action.verb == Verb::go)
                if (const auto node = x_.flow->nodes.find(action.target);
                    node != x_.flow->nodes.end())
                    said = say(node->second.enter, extra, task) || said;
        return said;
    }

    bool say(const Actions& actions, const Values& extra, const FollowUpDue* task) {
        bool said = false;
        for (const auto& action : actions)
            if (action.verb == Verb::send)
                said = reply(action.target, extra, nullptr, task) || said;
        return said;
    }

    std::optional<WaitingOrder> asked_order() const {
        const auto* order = c_.waiting_order(c_.asked_order_id);
        return order ? std::optional(*order) : std::nullopt;
    }

    void capture_product_name(std::vector<CartLine> lines, const std::string& product_id) {
        for (const auto& line : lines)
            if (line.product_id == product_id) capture("product_name", line.product_name);
    }

    void on(const StockAnswered& input) {
        const bool asked = c_.asked_reservation_id == input.reservation_id;
        const bool usable =
            asked && c_.state != Lifecycle::escalated && c_.state != Lifecycle::closed;
        const auto waiting = asked ? asked_order() : std::nullopt;
        const bool is_paid =
            waiting ? waiting->ended == "paid" : c_.is_paid(c_.order_id) && c_.cart.empty();
        // Asked for an order whose money came meanwhile, or came late: there is nothing to pay.
        if (c_.late_reservation_ids.contains(input.reservation_id) || (asked && is_paid)) {
            emit(ReservationEndRequested{input.reservation_id, input.reserved,
                                         input.reserved ? "paid" : "refused"});
            if (input.reserved) return;
            capture_product_name(c_.order_lines, input.product_id);
            for (const auto& order : std::deque(c_.earlier_orders))
                if (c_.is_paid(order.id)) capture_product_name(order.lines, input.product_id);
            for (const auto& order : std::deque(c_.waiting_orders))
                if (order.ended == "paid") capture_product_name(order.lines, input.product_id);
            if (may_advance(c_.state, Lifecycle::escalated)) return run_on("paid_sold_out");
            say_on("paid_sold_out", {});
            return;
        }
        const auto lines = waiting ? waiting->lines : c_.cart.empty() ? c_.order_lines : c_.cart;
        if (!input.reserved) {
            if (!asked) return;
            emit(ReservationEndRequested{input.reservation_id, false, "refused"});
            if (!usable) return;
            capture_product_name(lines, input.product_id);
            auto cart = lines;
            std::erase_if(
                cart, [&](const CartLine& line) { return line.product_id == input.product_id; });
            emit(CartChanged{std::move(cart)});
            run_on("stock_refused", {{"available", quantity_text(input.available)}});
            return;
        }
        if (!usable) {
            // Nobody buys it any more.
            if (c_.held_reservation_id != input.reservation_id)
                emit(ReservationEndRequested{input.reservation_id, false, "cancelled"});
            return;
        }
        CheckoutRequested checkout;
        const bool retry = c_.payment_failed(c_.order_id) &&
                           (c_.cart.empty() || c_.cart == c_.order_lines);
        checkout.retry_of_order_id = waiting ? waiting->id : retry ? c_.order_id : "";
        checkout.order_id = checkout.retry_of_order_id.empty() ? x_.make_id("order", 1)
                                                               : checkout.retry_of_order_id;
        checkout.lines = lines;
        checkout.conversation_id = c_.id;
        checkout.customer_id = c_.customer_id;
        checkout.channel_id = c_.channel_id;
        checkout.reservation_id = input.reservation_id;
        checkout.currency_code = std::string(currency_code(x_.tenant->currency));
        checkout.provider = c_.value(variable::kProvider);
        checkout.language = c_.language;
        checkout.name = customer_.name;
        checkout.address = c_.value(variable::kAddress);
        checkout.phone = phone();
        emit(std::move(checkout));
    }

    void on(const OrderMade& input) {
        const auto* order = c_.waiting_order(input.order_id);
        if (!order || !order->number.empty()) return;
        const bool waits = order->waits();
        emit(OrderOffered{input.order_id, input.order_number});
        if (!waits) return;
        if (input.order_id == c_.order_id) capture(variable::kOrderNumber, input.order_number);
        offer(input.order_id);
    }

    // --- What payment says. Each fact is noted under its payment first: a rule asks the notes.

    bool is_current(const std::string& order_id) const {
        return !order_id.empty() && order_id == c_.order_id;
    }

    // WAITING_FOR_PAYMENT waits for this one.
    bool waits_for(const std::string& intent_id, const std::string& order_id) const {
        return c_.state == Lifecycle::waiting_for_payment && c_.awaited.is(intent_id, order_id);
    }

    void on(const PaymentBegan& input) {
        emit(PaymentNoted{input.intent_id, input.order_id, PaymentNews::started, input.amount,
                          input.order_number});
        if (c_.state == Lifecycle::escalated || c_.state == Lifecycle::closed) return;
        // {{order_number}} still holds another order's number: replace it.
        if (is_current(input.order_id) && !input.order_number.empty())
            capture(variable::kOrderNumber, input.order_number);
        wake("payment started");
        if (c_.state == Lifecycle::paid) advance(Lifecycle::engaged, "another payment started");
        if (!advance(Lifecycle::waiting_for_payment, "payment started")) return;
        if (!is_current(input.order_id))
            shown_ = payment_values(input.order_id, input.order_number, "", input.amount);
        run_on("payment_started");
    }

    struct OrderOfDialogue {
        std::vector<CartLine> lines;
        std::string address;
    };
    std::optional<OrderOfDialogue> find_order(const std::string& id) const {
        if (id.empty()) return {};
        if (id == c_.order_id) return OrderOfDialogue{c_.order_lines, c_.order_address};
        if (const auto* waiting = c_.waiting_order(id))
            return OrderOfDialogue{waiting->lines, waiting->address};
        for (const auto& earlier : c_.earlier_orders)
            if (earlier.id == id) return OrderOfDialogue{earlier.lines, earlier.address};
        return {};
    }

    // What texts say of one payment: its own order and amounts, never those of the cart or of
    // another order. A payment without an order names none.
    Values payment_values(const std::string& order_id, const std::string& order_number,
                          const std::string& transaction, Money amount) const {
        const auto* known = c_.payment("", order_id);
        const auto paid = is_zero(amount) ? std::string() : format_money(amount);
        Values all{{"transaction", transaction}, {"paid_total", paid}, {"total", paid}};
        for (const auto* other : {"lines", "subtotal", "tax", "rounding", "address", "order_id"})
            all[other] = "";
        if (order_id.empty()) return all;
        auto number = order_number;
        if (number.empty() && known) number = known->order_number;
        if (number.empty() && is_current(order_id)) number = c_.value(variable::kOrderNumber);
        all["order_id"] = number.empty() ? order_id : number;
        const auto order = find_order(order_id);
        if (!order) return all;
        all["address"] = order->address;
        const bool one_currency =
            amount.currency == x_.tenant->currency &&
            std::all_of(order->lines.begin(), order->lines.end(), [&](const CartLine& line) {
                return line.unit_price.currency == amount.currency;
            });
        if (!one_currency || order->lines.empty()) return all;
        // The invoice may have had another tax rate: then the parts would not add up to the money.
        const auto totals = totals_of(order->lines, x_.tenant->tax_rate_bp, amount.currency);
        if (totals.total != amount) return all;
        add_totals(all, order->lines);
        return all;
    }

    // The goods of an order that was given up and is paid after all.
    void take_stock_again(const std::string& order_id, const std::vector<CartLine>& lines) {
        if (c_.state == Lifecycle::closed || lines.empty()) return;
        ++late_reservations_;
        emit(StockRequested{x_.make_id("reservation", late_reservations_), c_.id, c_.customer_id,
                            lines, order_id});
    }

    void on(const PaymentPaid& input) {
        const auto extra =
            payment_values(input.order_id, input.order_number, input.receipt, input.amount);
        // Whichever payment of the order it is: there is nothing left to wait for.
        const bool waited = waits_for(input.intent_id, input.order_id) ||
                            (c_.state == Lifecycle::waiting_for_payment &&
                             !input.order_id.empty() && c_.awaited.order_id == input.order_id);
        if (input.second_success) {
            say_on("payment_second", extra);
            if (waited) advance(Lifecycle::engaged, "the order was paid before");
            return;
        }
        const bool was_paid = c_.is_paid(input.order_id);
        emit(PaymentNoted{input.intent_id, input.order_id, PaymentNews::paid, input.amount,
                          input.order_number});
        end_wait(input.order_id, "paid");
        if (is_current(input.order_id)) {
            if (!c_.held_reservation_id.empty())
                emit(ReservationEndRequested{c_.held_reservation_id, true, "paid"});
            else if (!was_paid &&
                     (c_.asked_reservation_id.empty() || asked_for_other(input.order_id)))
                // The stock was given back when the payment's time was over, or when its outcome
                // was unclear. Take it again, now that it is sold.
                take_stock_again(input.order_id, c_.order_lines);
            if (c_.state != Lifecycle::closed && !c_.cart.empty() &&
                (waited || c_.cart == c_.order_lines))
                emit(CartChanged{});
        } else if (!was_paid && input.order_id != c_.asked_order_id) {
            // The dialogue is about another order since.
            if (const auto order = find_order(input.order_id))
                take_stock_again(input.order_id, order->lines);
        }
        if (!waited) {
            // No transition fits; the money is real and so is its receipt.
            say_on("payment_paid", extra);
            return;
        }
        shown_ = extra;
        advance(Lifecycle::paid, "payment paid");
        run_on("payment_paid");
    }

    // The payment brought no money. `occasion` is payment_failed or payment_expired.
    void payment_ended(const std::string& order_id, const std::string& intent_id, PaymentNews news,
                       const std::string& occasion, const std::string& reason,
                       const std::string& plain_words) {
        const bool waited = waits_for(intent_id, order_id);
        if (c_.is_paid(order_id)) {
            if (waited && advance(Lifecycle::engaged, reason)) run_on("order_already_paid");
            return;
        }
        const auto* found = c_.payment(intent_id, order_id);
        const auto known = found ? *found : KnownPayment{};
        const bool told = !intent_id.empty() && known.intent_id == intent_id &&
                          (known.news == PaymentNews::failed || known.news == PaymentNews::expired);
        if (known.news == PaymentNews::paid || told) return;
        emit(PaymentNoted{intent_id, order_id, news, {}, ""});
        const bool current = is_current(order_id);
        if (current && !c_.held_reservation_id.empty())
            emit(ReservationEndRequested{c_.held_reservation_id, false, occasion});
        auto extra = payment_values(order_id, known.order_number, "", known.amount);
        extra["reason"] = plain_words;
        if (waited) advance(Lifecycle::engaged, reason);
        if (!current || c_.state == Lifecycle::closed) {
            // It is not what the dialogue is about: nothing here tries it again.
            say_on("other_" + occasion, extra);
            return;
        }
        if (waited) return run_on(occasion, {{"reason", plain_words}});
        say_on(occasion, extra);
    }

    void on(const PaymentUnclear& input) {
        const auto* known = c_.payment(input.intent_id, input.order_id);
        const bool told = known && known->news == PaymentNews::unclear;
        if (told || (known && known->news == PaymentNews::paid) || c_.is_paid(input.order_id))
            return;
        const bool waited = waits_for(input.intent_id, input.order_id);
        emit(PaymentNoted{input.intent_id, input.order_id, PaymentNews::unclear, input.amount,
                          input.order_number});
        if (is_current(input.order_id)) {
            if (!c_.held_reservation_id.empty())
                emit(ReservationEndRequested{c_.held_reservation_id, false, "payment_unclear"});
            // Else an old button would order the same things once more.
            if (c_.state != Lifecycle::closed && !c_.cart.empty() && c_.cart == c_.order_lines)
                emit(CartChanged{});
        }
        shown_ = payment_values(input.order_id, input.order_number, "", input.amount);
        if (waited && advance(Lifecycle::engaged, "payment unclear"))
            return run_on("payment_unclear");
        say_on("payment_unclear", {});
    }

    // Learnt after a query had said "paid": the receipt again, now complete.
    void on(const ReceiptCame& input) {
        say_on("receipt_learned",
               payment_values(input.order_id, input.order_number, input.receipt, input.amount));
    }

    bool asked_for_other(const std::string& order_id) const {
        return !c_.asked_order_id.empty() && c_.asked_order_id != order_id;
    }

    bool end_wait(const std::string& order_id, const std::string& reason) {
        const auto* order = c_.waiting_order(order_id);
        if (!order || !order->waits()) return false;
        emit(OrderWaitEnded{order_id, reason});
        return true;
    }

    void on(const CheckoutRefused& input) {
        const auto& reason = input.reason;
        // Of the other refusals none says that the order is gone.
        if (reason == "already_paid")
            end_wait(input.order_id, "paid");
        else if (reason == "order_cancelled" || reason == "no_order" || reason == "not_priced")
            end_wait(input.order_id, reason);
        if (input.order_id != c_.order_id) return;
        const bool unclear = c_.payment_unclear(input.order_id);
        if (reason == "payment_pending" && !unclear) {
            // Another payment of this order is open, started by a person: what is held is held for
            // it.
            say_on("paying", {});
            return;
        }
        if (c_.held_reservation_id == input.reservation_id && !input.reservation_id.empty())
            emit(ReservationEndRequested{input.reservation_id, false, "refused"});
        if (reason == "payment_pending") return say_or_run("payment_unclear", {});
        if (reason == "already_paid") return say_or_run("order_already_paid", {});
        if (reason == "phone_not_usable") return say_or_run("phone_not_usable", {});
        refuse_order(reason);
    }

    void say_or_run(const std::string& occasion, const Values& extra) {
        if (c_.state == Lifecycle::engaged) return run_on(occasion, extra);
        if (c_.state != Lifecycle::closed) say_on(occasion, extra);
    }

    void on(const PaymentFailed& input) {
        auto words = phrase("reason_" + input.reason);
        if (words.empty()) words = phrase("reason_other");
        payment_ended(input.order_id, input.intent_id, PaymentNews::failed, "payment_failed",
                      "payment failed: " + input.reason, words);
    }

    void on(const PaymentExpired& input) {
        payment_ended(input.order_id, input.intent_id, PaymentNews::expired, "payment_expired",
                      "payment expired", phrase("reason_expired"));
    }

    void on(const InvoiceSent& input) {
        std::vector<CartLine> lines;
        for (const auto& line : input.lines)
            lines.push_back({"", line.product_name, line.quantity, line.unit_price});
        Values extra{{"invoice_number", input.number},
                     {"order_number", input.order_number},
                     {"order_id", input.order_number},
                     {"lines", lines_text(lines)},
                     {"subtotal", format_money(input.subtotal)},
                     {"tax", is_zero(input.tax) ? "" : format_money(input.tax)},
                     {"rounding", is_zero(input.rounding) ? "" : format_money(input.rounding)},
                     {"total", format_money(input.total)},
                     {"due_date", to_rfc3339(input.due_at).substr(0, 10)}};
        if (input.order_id == c_.order_id) {
            capture(variable::kOrderNumber, input.order_number);
            capture(variable::kInvoiceNumber, input.number);
        }
        say_on("invoice_issued", extra);
    }

    void on(const FollowUpDue& input) {
        const auto occasion = "follow_up_" + input.kind;
        const bool automatic = input.kind == "gentle" || input.kind == "reminder";
        // The customer answered meanwhile, or a person is talking: silence is the right follow-up.
        if (automatic &&
            (c_.state != Lifecycle::awaiting_customer || c_.last_inbound_at > input.since))
            return;
        if (!say_follow_up(input, occasion)) result_.unsaid = occasion;
        if (input.kind == "reminder")
            advance(Lifecycle::dormant, "no answer to the last follow-up");
    }

    bool say_follow_up(const FollowUpDue& input, const std::string& occasion) {
        if (!input.template_key.empty()) return reply(input.template_key, {}, nullptr, &input);
        const bool automatic = input.kind == "gentle" || input.kind == "reminder";
        if (automatic || input.text.empty()) return say_on(occasion, {}, &input);
        // A person or the flow asked for it with words of its own.
        Rendered rendered;
        rendered.content.body = text::shortened(fill(input.text, values({})), kTextBodyMax);
        return send(std::move(rendered), "", 0, &input);
    }

    // The reminder is the last one, whether it could be said or not.
    void on(const FollowUpSkipped& input) {
        if (input.kind != "reminder" || c_.state != Lifecycle::awaiting_customer ||
            c_.last_inbound_at > input.since)
            return;
        advance(Lifecycle::dormant, "no answer to the last follow-up");
    }

    Conversation c_;
    const Customer& customer_;
    const Context& x_;
    Step result_;
    int replies_ = 0;
    int tasks_ = 0;
    int actions_run_ = 0;
    bool spoke_ = false;
    bool of_the_world_ = false;  // not said or done by the customer
    std::string said_;
    std::string tap_action_;
    std::string tap_argument_;
    std::string media_;
    std::string offered_;   // the waiting order that this step is about
    std::string left_out_;  // products that did not fit into the cart, for people
    bool counted_full_ = false;
    // What texts say in this step instead of the dialogue's own: one payment and its order.
    Values shown_;
    bool edited_ = false;     // what was said is an edit,
    bool no_better_ = false;  // and no better answer than the first one
    int late_reservations_ = 0;
};

}  // namespace

Step step(const Conversation& conversation, const Customer& customer, const Input& input,
          const Context& context) {
    return Machine(conversation, customer, context).run(input);
}

Step tell(const Conversation& conversation, const std::string& template_key,
          const Context& context) {
    return Machine(conversation, Customer{}, context).tell_one(template_key);
}

LanguageChoice language_of(const std::string& text, const Flow& flow) {
    const auto said = plain(text);
    const auto listed = [&](const std::vector<std::string>& words) {
        return std::any_of(words.begin(), words.end(),
                           [&](const auto& word) { return plain(word) == said; });
    };
    for (const auto& [language, words] : flow.language_words)
        if (listed(words.choose)) return {language, true};
    for (const auto& [language, words] : flow.language_words)
        if (listed(words.greetings)) return {language, false};
    return {};
}

}  // namespace flowstack::conversation
