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

// Unclear items wait in one variable: a line "<quantity>\t<words>" each.
std::string pack_items(const std::vector<UnclearItem>& items) {
    std::string text;
    for (const auto& item : items) {
        if (!text.empty()) text += '\n';
        auto words = item.words;
        std::replace(words.begin(), words.end(), '\n', ' ');
        text += std::to_string(item.quantity) + "\t" + words;
    }
    return text;
}

std::vector<UnclearItem> unpack_items(const std::string& text) {
    std::vector<UnclearItem> items;
    for (std::size_t begin = 0; begin < text.size();) {
        const auto end = std::min(text.find('\n', begin), text.size());
        const auto line = text.substr(begin, end - begin);
        const auto tab = line.find('\t');
        if (tab != std::string::npos)
            items.push_back(
                {line.substr(tab + 1), parse_count(line.substr(0, tab), 0, 999).value_or(0)});
        begin = end + 1;
    }
    return items;
}

// One step of one conversation. Works on a copy of the state that every fact moves along, so that a
// later action sees what an earlier one did.
class Machine {
public:
    Machine(const Conversation& conversation, const Customer& customer, const Context& context)
        : c_(conversation), customer_(customer), x_(context) {}

    Step run(const Input& input) {
        of_the_world_ = !std::holds_alternative<Said>(input) &&
                        !std::holds_alternative<Tapped>(input) &&
                        !std::holds_alternative<SentMedia>(input);
        std::visit([&](const auto& i) { on(i); }, input);
        if (c_.state == Lifecycle::engaged && node_waits() && !c_.paying() && spoke_)
            advance(Lifecycle::awaiting_customer, "node " + c_.node);
        if (c_.state == Lifecycle::awaiting_customer) expect_answer();
        return std::move(result_);
    }

    Step tell_one(const std::string& key) {
        reply(key, {});
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

    void reply(const std::string& key, const Values& extra,
               const std::vector<Choice>* choices = nullptr, const FollowUpDue* task = nullptr) {
        const auto* t = find_template(key);
        // Published flows name only templates that exist; one deleted since then must not stop a
        // dialogue.
        if (!t || t->variants.empty()) return;
        auto rendered = render(*t, c_.language, values(extra), choices);
        send(std::move(rendered), key, t->version, task);
    }

    void send(Rendered rendered, const std::string& key, std::int64_t version,
              const FollowUpDue* task) {
        if (rendered.content.kind == TemplateKind::text && rendered.content.body.empty()) return;
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
        r.to = c_.value(variable::kPhone).empty() ? customer_.phone : c_.value(variable::kPhone);
        if (task) {
            r.task_id = task->task_id;
            r.nothing_inbound_since = task->since;
        }
        emit(std::move(r));
        spoke_ = true;
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
        auto first = static_cast<std::size_t>(
            parse_count(c_.value(variable::kCatalogPage), 0, 100'000).value_or(0));
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
                            .action = "more_products",
                            .argument = std::to_string(last >= shown.size() ? 0 : last)});
        }
        capture(variable::kCatalogPage, "0");
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
            if (cart.size() >= kCartLinesMax)
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
        reply("cart_full", {{"left_out", left_out_}});
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
        // Whole, however long: what is cut off here would never be asked about.
        if (auto packed = pack_items(items); packed != c_.value(variable::kUnclear))
            emit(VariableCaptured{variable::kUnclear, std::move(packed)});
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
        auto items = unpack_items(c_.value(variable::kUnclear));
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
        auto items = unpack_items(c_.value(variable::kUnclear));
        if (!items.empty()) items.erase(items.begin());
        if (items.empty() && c_.cart.empty()) return go(action, "none");
        return ask_or_go_on(action, items);
    }

    // --- Paying

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
        const auto buttons = provider_buttons("pay", "");
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
        const auto failed = c_.value(variable::kFailedOrder);
        // An old button of what is paid. A cart filled since then is another order.
        if (order_is_paid() && c_.cart.empty() && action.with.contains("paid"))
            return go(action, "paid");
        const bool retry = !failed.empty() && failed == c_.order_id;
        const auto& lines = retry && c_.cart.empty() ? c_.order_lines : c_.cart;
        if (lines.empty()) return go(action, "empty");

        auto provider = fill(action.target, values({}));
        if (provider.empty()) provider = tap_argument_;
        if (provider.empty()) provider = c_.value(variable::kProvider);
        if (x_.tenant->providers.empty()) return go(action, "none");
        provider = one_that_is_on(provider);
        capture(variable::kProvider, provider);
        if (provider == "mpesa" && phone().empty()) return go(action, "phone");

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

    bool order_is_paid() const {
        return !c_.order_id.empty() && c_.value(variable::kPaidOrder) == c_.order_id;
    }

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
        if (!node.otherwise.empty()) {
            run(node.otherwise);
            return;
        }
        if (!x_.flow->fallback_template.empty()) reply(x_.flow->fallback_template, {});
    }

    bool try_rules(const std::vector<Rule>& rules) {
        for (const auto& rule : rules)
            if (fits(rule)) {
                run(rule.actions);
                return true;
            }
        return false;
    }

    bool fits(const Rule& rule) const {
        const auto& values = rule.values;
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
        if (!value) {
            if (c_.retries < ask.attempts) {
                emit(NodeEntered{c_.node, c_.retries + 1});
                reply(ask.again, {});
            } else {
                run(ask.give_up);
            }
            return;
        }
        capture(ask.variable, *value);
        if (ask.variable == variable::kPhone && !value->empty()) {
            CustomerChanged changed;
            changed.customer_id = c_.customer_id;
            changed.phone = *value;
            result_.customer_events.push_back(changed);
        }
        if (ask.variable == variable::kAddress && !value->empty()) {
            CustomerChanged changed;
            changed.customer_id = c_.customer_id;
            changed.address = *value;
            result_.customer_events.push_back(changed);
        }
        run(ask.then);
    }

    std::optional<std::string> answer_value(const Ask& ask) const {
        if (!tap_action_.empty() || !media_.empty()) return {};
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
        if (c_.paying()) return run_on("paying");
        wake(c_.state == Lifecycle::new_lead ? "customer tapped" : "customer answered");
        if (c_.node.empty()) emit(NodeEntered{x_.flow->start, 0});
        if (known.action == kSendTemplateAction) {
            const auto bar = known.argument.find('|');
            if (bar != std::string::npos && bar + 1 < known.argument.size())
                capture(variable::kLabel, known.argument.substr(bar + 1));
            // A button that only sets the label counts as its words.
            if (bar == 0) return answer_words();
            return reply(known.argument.substr(0, bar), {});
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

    void on(const SentMedia& input) {
        if (silent()) return;
        if (c_.paying()) return run_on("paying");
        wake("customer sent " + input.kind);
        media_ = input.kind.empty() ? "media" : input.kind;
        if (c_.node.empty()) emit(NodeEntered{x_.flow->start, 0});
        const auto found = x_.flow->nodes.find(c_.node);
        if (try_rules(x_.flow->globals)) return;
        if (found == x_.flow->nodes.end()) return enter(x_.flow->start);
        if (try_rules(found->second.rules)) return;
        if (found->second.ask) return answer(*found->second.ask);
        if (!found->second.otherwise.empty()) {
            run(found->second.otherwise);
        } else if (!x_.flow->fallback_template.empty()) {
            reply(x_.flow->fallback_template, {});
        }
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
            if (occasion == "payment_paid") reply("receipt", {});
            const auto reason = "flow: " + result_.problem;
            if (!may_advance(c_.state, Lifecycle::escalated)) return;
            emit(Escalated{reason});
            advance(Lifecycle::escalated, reason);
        }
    }

    // Only its messages: the conversation is with a person or closed, and nothing may move.
    void say_on(const std::string& occasion, const Values& extra,
                const FollowUpDue* task = nullptr) {
        const auto found = x_.flow->on.find(occasion);
        if (found == x_.flow->on.end()) return;
        for (const auto& action : found->second)
            if (action.verb == Verb::send) reply(action.target, extra, nullptr, task);
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
            waiting ? waiting->ended == "paid" : order_is_paid() && c_.cart.empty();
        // Asked for an order whose money came meanwhile, or came late: there is nothing to pay.
        if (c_.late_reservation_id == input.reservation_id || (asked && is_paid)) {
            emit(ReservationEndRequested{input.reservation_id, input.reserved,
                                         input.reserved ? "paid" : "refused"});
            if (input.reserved) return;
            capture_product_name(c_.order_lines, input.product_id);
            for (const auto& order : std::deque(c_.waiting_orders))
                if (order.ended == "paid") capture_product_name(order.lines, input.product_id);
            if (may_advance(c_.state, Lifecycle::escalated)) return run_on("paid_sold_out");
            return say_on("paid_sold_out", {});
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
        const auto failed = c_.value(variable::kFailedOrder);
        const bool retry = !failed.empty() && failed == c_.order_id &&
                           (c_.cart.empty() || c_.cart == c_.order_lines);
        checkout.retry_of_order_id = waiting ? waiting->id : retry ? failed : "";
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
        emit(OrderOffered{input.order_id, input.order_number});
        if (input.order_id == c_.order_id) capture(variable::kOrderNumber, input.order_number);
        offer(input.order_id);
    }

    void on(const PaymentBegan& input) {
        if (input.order_id != c_.order_id) return;
        // The number that texts name was that of another order.
        if (c_.waiting_order(input.order_id) && !input.order_number.empty())
            capture(variable::kOrderNumber, input.order_number);
        if (advance(Lifecycle::waiting_for_payment, "payment started")) run_on("payment_started");
    }

    // What a receipt says of the money. The dialogue may have gone on to another order since: then
    // the receipt names its own order and none of the other one's lines.
    Values receipt_values(const std::string& order_id, const std::string& order_number,
                          const std::string& transaction, Money amount) const {
        const auto total = format_money(amount);
        Values all{{"transaction", transaction}, {"paid_total", total}};
        if (order_id == c_.order_id) return all;
        all["order_id"] = order_number.empty() ? order_id : order_number;
        all["total"] = total;
        for (const auto* other : {"lines", "subtotal", "tax", "rounding", "address"})
            all[other] = "";
        return all;
    }

    void on(const PaymentPaid& input) {
        const auto extra =
            receipt_values(input.order_id, input.order_number,
                           input.receipt.empty() ? input.intent_id : input.receipt, input.amount);
        if (input.second_success) return say_on("payment_second", extra);
        if (end_wait(input.order_id, "paid") && input.order_id != c_.order_id &&
            input.order_id != c_.asked_order_id && c_.state != Lifecycle::closed)
            // Late, while the dialogue is about another order: its stock was given back long ago.
            emit(StockRequested{x_.make_id("reservation", 1), c_.id, c_.customer_id,
                                c_.waiting_order(input.order_id)->lines, input.order_id});
        if (!input.order_id.empty() && input.order_id == c_.order_id) {
            // Also when it came late: a retry of what is paid is refused, and what failed before
            // did not fail.
            capture(variable::kPaidOrder, input.order_id);
            if (!c_.value(variable::kFailedOrder).empty()) capture(variable::kFailedOrder, "");
            if (!c_.held_reservation_id.empty())
                emit(ReservationEndRequested{c_.held_reservation_id, true, "paid"});
            else if ((c_.asked_reservation_id.empty() || asked_for_other(input.order_id)) &&
                     c_.state != Lifecycle::closed && !c_.order_lines.empty())
                // Given back when its time was over: taken again, now that it is sold.
                emit(StockRequested{x_.make_id("reservation", 1), c_.id, c_.customer_id,
                                    c_.order_lines, input.order_id});
            if (c_.state != Lifecycle::waiting_for_payment && c_.state != Lifecycle::closed &&
                !c_.cart.empty() && c_.cart == c_.order_lines)
                emit(CartChanged{});
        }
        if (c_.state == Lifecycle::waiting_for_payment && input.order_id == c_.order_id) {
            for (const auto& [name, value] : extra) capture(name, value);
            if (!c_.cart.empty()) emit(CartChanged{});
            advance(Lifecycle::paid, "payment paid");
            run_on("payment_paid");
            return;
        }
        // No transition fits; the money is real and so is its receipt.
        say_on("payment_paid", extra);
    }

    void payment_ended(const std::string& occasion, const std::string& reason,
                       const std::string& plain_words) {
        if (!c_.held_reservation_id.empty())
            emit(ReservationEndRequested{c_.held_reservation_id, false, occasion});
        capture(variable::kFailedOrder, c_.order_id);
        if (c_.state != Lifecycle::waiting_for_payment) {
            if (c_.state != Lifecycle::closed) say_on(occasion, {{"reason", plain_words}});
            return;
        }
        advance(Lifecycle::engaged, reason);
        run_on(occasion, {{"reason", plain_words}});
    }

    // Learnt after a query had said "paid": the receipt again, now complete.
    void on(const ReceiptCame& input) {
        say_on("receipt_learned",
               receipt_values(input.order_id, input.order_number, input.receipt, input.amount));
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
        if (input.reason != "payment_pending")
            end_wait(input.order_id, input.reason == "already_paid" ? "paid" : input.reason);
        if (input.order_id != c_.order_id) return;
        // Another payment of this order is open, started by a person: what is held is held for it.
        if (input.reason == "payment_pending") return say_on("paying", {});
        if (c_.held_reservation_id == input.reservation_id && !input.reservation_id.empty())
            emit(ReservationEndRequested{input.reservation_id, false, "refused"});
        if (input.reason == "already_paid") return say_or_run("order_already_paid", {});
        refuse_order(input.reason);
    }

    void say_or_run(const std::string& occasion, const Values& extra) {
        if (c_.state == Lifecycle::engaged) return run_on(occasion, extra);
        if (c_.state != Lifecycle::closed) say_on(occasion, extra);
    }

    void on(const PaymentFailed& input) {
        if (input.order_id != c_.order_id || c_.value(variable::kPaidOrder) == c_.order_id) return;
        auto words = phrase("reason_" + input.reason);
        if (words.empty()) words = phrase("reason_other");
        payment_ended("payment_failed", "payment failed: " + input.reason, words);
    }

    void on(const PaymentExpired& input) {
        if (input.order_id != c_.order_id || c_.value(variable::kPaidOrder) == c_.order_id) return;
        payment_ended("payment_expired", "payment expired", phrase("reason_expired"));
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
            capture("invoice_number", input.number);
        }
        say_on("invoice_issued", extra);
    }

    void on(const FollowUpDue& input) {
        const auto occasion = "follow_up_" + input.kind;
        if (input.kind != "gentle" && input.kind != "reminder") {
            if (!input.template_key.empty()) return reply(input.template_key, {}, nullptr, &input);
            // Asked for by a person or the flow, with its own words.
            if (!input.text.empty()) {
                Rendered rendered;
                rendered.content.body = text::shortened(fill(input.text, values({})), kTextBodyMax);
                return send(std::move(rendered), "", 0, &input);
            }
            return say_on(occasion, {}, &input);
        }
        // The customer answered meanwhile, or a person is talking: silence is the right follow-up.
        if (c_.state != Lifecycle::awaiting_customer || c_.last_inbound_at > input.since) return;
        if (input.template_key.empty())
            say_on(occasion, {}, &input);
        else
            reply(input.template_key, {}, nullptr, &input);
        if (input.kind == "reminder")
            advance(Lifecycle::dormant, "no answer to the last follow-up");
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
