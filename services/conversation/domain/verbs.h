#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string_view>

// The verbs of flows: what an action can do, and what each of them takes.
//
// This table is the only list of them. The reader of documents (adapters/flow_json.cc), check()
// (flow.cc), the table in docs/flows.md (held equal by a test) and FlowService.DescribeVerbs are
// made of it; engine.cc runs them. A new verb is an entry here and its case in the engine.
namespace flowstack::conversation {

enum class Verb {
    send,
    go,
    set,
    language,
    schedule_follow_up,
    escalate,
    close,
    show_catalog,
    show_promotions,
    choose_product,
    add_to_cart,
    read_order,
    resolve_item,
    drop_item,
    clear_cart,
    show_summary,
    offer_payment,
    request_payment,
    offer_order,
    pay_order,
};

// What a target or an option means. The names are those of the wire and of the manual.
enum class ValueKind { none, template_key, node, text, seconds, variable, language, provider };

struct OptionSpec {
    std::string_view name;
    ValueKind kind = ValueKind::none;
    bool required = false;
    std::string_view meaning;
};

struct VerbSpec {
    Verb verb;
    std::string_view name;
    std::string_view trade;  // whose facts it needs: "dialogue" (every flow's) or "shop"
    ValueKind target = ValueKind::none;
    bool target_required = false;
    bool always_leaves = false;  // nothing of its list runs after it, whatever happens
    std::string_view meaning;
    std::array<OptionSpec, 4> options{};  // those with a name

    constexpr std::span<const OptionSpec> given_options() const {
        const auto end = std::find_if(options.begin(), options.end(),
                                      [](const OptionSpec& option) { return option.name.empty(); });
        return {options.begin(), end};
    }
    constexpr const OptionSpec* option(std::string_view wanted) const {
        for (const auto& known : given_options())
            if (known.name == wanted) return &known;
        return nullptr;
    }
};

// clang-format off
inline constexpr std::array<VerbSpec, 20> kVerbs = [] {
    using enum ValueKind;
    constexpr std::string_view kDialogue = "dialogue";
    constexpr std::string_view kShop = "shop";
    return std::array<VerbSpec, 20>{{
        {.verb = Verb::send, .name = "send", .trade = kDialogue,
         .target = template_key, .target_required = true,
         .meaning = "asks for one message"},
        {.verb = Verb::go, .name = "goto", .trade = kDialogue,
         .target = node, .target_required = true, .always_leaves = true,
         .meaning = "enters a node; nothing after it runs"},
        {.verb = Verb::set, .name = "set", .trade = kDialogue,
         .target = variable, .target_required = true,
         .meaning = "keeps a text in a variable; `{{text}}` is what was said, `{{tap}}` the tap's argument",
         .options = {{{"value", text, true, "may have `{{variables}}`"}}}},
        {.verb = Verb::language, .name = "language", .trade = kDialogue,
         .target = language, .target_required = true,
         .meaning = "goes on in this language"},
        {.verb = Verb::schedule_follow_up, .name = "schedule_follow_up", .trade = kDialogue,
         .target = text, .target_required = true,
         .meaning = "a message of this kind later, in the words of now",
         .options = {{{"template", template_key, true, "its words"},
                      {"after_s", seconds, true, "from now"}}}},
        {.verb = Verb::escalate, .name = "escalate", .trade = kDialogue,
         .target = text, .always_leaves = true,
         .meaning = "a person takes over; the target is the reason"},
        {.verb = Verb::close, .name = "close", .trade = kDialogue,
         .target = text, .always_leaves = true,
         .meaning = "the conversation ends, unless an order of the shop's own site waits: after a payment "
                    "that one is offered next"},
        {.verb = Verb::show_catalog, .name = "show_catalog", .trade = kShop,
         .target = template_key, .target_required = true,
         .meaning = "a list of the products that can be bought, ten a page; a row's tap has the action "
                    "`product` and the product's id, the last row `more_products`",
         .options = {{{"empty", node, true, "nothing can be bought"}}}},
        {.verb = Verb::show_promotions, .name = "show_promotions", .trade = kShop,
         .target = template_key, .target_required = true,
         .meaning = "the active ones in `{{promotions}}`",
         .options = {{{"empty", node, false, "there is none"}}}},
        {.verb = Verb::choose_product, .name = "choose_product", .trade = kShop, .always_leaves = true,
         .meaning = "by the tap's argument, else by the words: name, alias, then likeness",
         .options = {{{"found", node, true, "exactly one"},
                      {"unknown", node, true, "none, or several that are equally like"}}}},
        {.verb = Verb::add_to_cart, .name = "add_to_cart", .trade = kShop,
         .meaning = "`product_id` and `quantity` of the variables",
         .options = {{{"too_many", node, false, "more than `{{available}}` are not left"}}}},
        {.verb = Verb::read_order, .name = "read_order", .trade = kShop, .always_leaves = true,
         .meaning = "the words become the cart; of what is not understood the first is in `{{item}}`, and "
                    "products that may be meant in `{{suggestions}}`",
         .options = {{{"clear", node, true, "all is understood"},
                      {"unclear", node, true, "something is to be asked about"},
                      {"none", node, true, "the words are no order"}}}},
        {.verb = Verb::resolve_item, .name = "resolve_item", .trade = kShop, .always_leaves = true,
         .meaning = "the words answer for the first unclear item",
         .options = {{{"clear", node, true, "it was the last one"},
                      {"unclear", node, true, "the next one is to be asked about"},
                      {"again", node, true, "the answer was not understood"}}}},
        {.verb = Verb::drop_item, .name = "drop_item", .trade = kShop, .always_leaves = true,
         .meaning = "the customer gives the first unclear item up",
         .options = {{{"clear", node, true, "it was the last one"},
                      {"unclear", node, true, "the next one is to be asked about"},
                      {"none", node, true, "the cart is empty"}}}},
        {.verb = Verb::clear_cart, .name = "clear_cart", .trade = kShop,
         .meaning = "the cart is empty after it"},
        {.verb = Verb::show_summary, .name = "show_summary", .trade = kShop,
         .target = template_key, .target_required = true,
         .meaning = "the cart, with the template's own buttons; without any, as `offer_payment`",
         .options = {{{"empty", node, true, "the cart is empty"},
                      {"none", node, false, "the tenant has no payment provider on"}}}},
        {.verb = Verb::offer_payment, .name = "offer_payment", .trade = kShop,
         .target = template_key, .target_required = true,
         .meaning = "the cart, with a button for each provider that the tenant has on (tap action `pay`)",
         .options = {{{"empty", node, true, "the cart is empty"},
                      {"none", node, true, "the tenant has no payment provider on"},
                      {"one", node, false, "there is one provider: it is chosen without a question"}}}},
        {.verb = Verb::request_payment, .name = "request_payment", .trade = kShop,
         .target = provider, .always_leaves = true,
         .meaning = "holds the stock, then asks for the payment. Without a target: the tap's provider, the "
                    "last one, the first that is on. The number that pays is the variable `phone`, else the "
                    "customer's own",
         .options = {{{"phone", node, true, "no number is known that could pay"},
                      {"empty", node, true, "there is nothing to pay"},
                      {"none", node, true, "the tenant has no payment provider on"},
                      {"paid", node, false, "the order is paid already"}}}},
        {.verb = Verb::offer_order, .name = "offer_order", .trade = kShop,
         .target = template_key, .target_required = true,
         .meaning = "an order that the shop's own site took and that waits for its payment: its lines, total, "
                    "address, number and a button for each provider. The one that this is about, else the latest",
         .options = {{{"empty", node, true, "no order waits"},
                      {"none", node, true, "the tenant has no payment provider on"}}}},
        {.verb = Verb::pay_order, .name = "pay_order", .trade = kShop,
         .target = provider, .target_required = true, .always_leaves = true,
         .meaning = "the same order is paid, as `request_payment` does. Its buttons need no rule: the engine "
                    "knows them in every flow",
         .options = {{{"empty", node, true, "no order waits"},
                      {"none", node, true, "the tenant has no payment provider on"}}}},
    }};
}();
// clang-format on

constexpr const VerbSpec& spec_of(Verb verb) {
    return *std::find_if(kVerbs.begin(), kVerbs.end(),
                         [&](const VerbSpec& known) { return known.verb == verb; });
}

constexpr std::string_view text_of(Verb verb) { return spec_of(verb).name; }

// Nothing if there is no such verb.
constexpr const VerbSpec* find_verb(std::string_view name) {
    for (const auto& known : kVerbs)
        if (known.name == name) return &known;
    return nullptr;
}

// "template", "node", "text", "seconds", "variable", "language", "provider"; empty for none.
constexpr std::string_view text_of(ValueKind kind) {
    switch (kind) {
        case ValueKind::none:
            return "";
        case ValueKind::template_key:
            return "template";
        case ValueKind::node:
            return "node";
        case ValueKind::text:
            return "text";
        case ValueKind::seconds:
            return "seconds";
        case ValueKind::variable:
            return "variable";
        case ValueKind::language:
            return "language";
        case ValueKind::provider:
            return "provider";
    }
    return "";
}

// Variables that the engine fills from facts, for texts. A flow that wrote one would show, or be
// believed, what did not happen: check() refuses it.
inline constexpr std::array<std::string_view, 13> kEnginesOwnVariables{
    "business_name", "due_date",     "invoice_number", "language", "lines",
    "order_id",      "order_number", "paid_total",     "rounding", "subtotal",
    "tax",           "total",        "transaction"};
constexpr bool is_engines_own(std::string_view variable) {
    return std::find(kEnginesOwnVariables.begin(), kEnginesOwnVariables.end(), variable) !=
           kEnginesOwnVariables.end();
}

}  // namespace flowstack::conversation
