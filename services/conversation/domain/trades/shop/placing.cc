#include "services/conversation/domain/trades/shop/placing.h"

#include <algorithm>

#include "common/text/phone.h"
#include "common/text/utf8.h"
#include "services/conversation/domain/trades/shop/order_text.h"

namespace flowstack::conversation {
namespace {

// Facts, each seen by those after it.
class Facts {
public:
    Facts(const Customer& customer, const Conversation& latest)
        : customer_(customer), conversation_(latest) {}

    void emit(Event event) {
        conversation_ = evolve(std::move(conversation_), event);
        placed_.events.push_back(std::move(event));
    }
    void emit(CustomerEvent event) {
        customer_ = evolve(std::move(customer_), event);
        add_joined(placed_.customer_events, std::move(event));
    }

    void open(const PlaceOrder& command, const TenantFacts& tenant, const FlowAt& flow) {
        const Opened opened{.conversation_id = command.new_conversation_id,
                            .customer_id = command.customer_id,
                            .channel_id = command.channel_id,
                            .flow_key = flow.key,
                            .flow_version = flow.version,
                            .language = opening_language(customer_, "", tenant, flow.flow),
                            .previous_conversation_id = conversation_.id};
        know(command, opened.language);
        conversation_ = {};
        emit(Event{opened});
        emit(CustomerEvent{conversation_began(command.customer_id, command.new_conversation_id)});
        placed_.opened = true;
    }

    void know(const PlaceOrder& command, const std::string& language) {
        if (auto learnt =
                get_to_know(customer_, command.customer_id, language, command.name, command.phone))
            emit(std::move(*learnt));
        if (command.address.empty() || command.address == customer_.address) return;
        CustomerChanged changed;
        changed.customer_id = command.customer_id;
        changed.address = command.address;
        emit(CustomerEvent{changed});
    }

    void place(const PlaceOrder& command, const TenantFacts& tenant) {
        const std::vector<CartLine> lines{command.line};
        emit(OrderTaken{.order_id = command.order_id,
                        .total = totals_of(lines, tenant.tax_rate_bp, tenant.currency).total,
                        .window_closes_at = command.window_closes_at});
        if (conversation_.state != Lifecycle::engaged)
            emit(Advanced{.from = conversation_.state,
                          .to = Lifecycle::engaged,
                          .reason = "an order was placed"});
        if (!conversation_.shop.cart.empty()) emit(CartChanged{});
        if (conversation_.value(variable::kAddress) != command.address)
            emit(VariableCaptured{.name = variable::kAddress, .value = command.address});
        emit(CheckoutRequested{.order_id = command.order_id,
                               .conversation_id = conversation_.id,
                               .customer_id = conversation_.customer_id,
                               .channel_id = conversation_.channel_id,
                               .lines = lines,
                               .currency_code = std::string(currency_code(tenant.currency)),
                               .language = conversation_.language,
                               .name = command.name.empty() ? customer_.name : command.name,
                               .address = command.address,
                               .phone = command.phone,
                               .pay_later = true});
    }

    Placed placed() && {
        placed_.conversation_id = conversation_.id;
        return std::move(placed_);
    }

private:
    Customer customer_;
    Conversation conversation_;
    Placed placed_;
};

}  // namespace

std::vector<Problem> check(const OrderAsked& asked, const Product& product,
                           const TenantFacts& tenant) {
    std::vector<Problem> problems;
    if (!text::e164(asked.phone, tenant.country))
        problems.push_back({"phone", "must be a phone number, e.g. +254712345678"});
    // A price in another currency than the tenant's cannot be asked for.
    const bool for_sale =
        product.exists() && product.active && product.price.currency == tenant.currency;
    if (!for_sale) problems.push_back({"product_id", "must be a product that is for sale"});
    if (asked.quantity < kQuantityMin || asked.quantity > kQuantityMax)
        problems.push_back({"quantity", "must be from 1 to 999"});
    else if (const auto left = product.available(); for_sale && left && *left < asked.quantity)
        problems.push_back({"quantity", "must be at most " +
                                            std::to_string(std::max<std::int64_t>(*left, 0)) +
                                            ": that many are left"});
    if (text::code_points(asked.delivery_address) > kAddressMax)
        problems.push_back({"delivery_address", "must have at most 500 characters"});
    if (text::code_points(asked.customer_name) > kCustomerNameMax)
        problems.push_back({"customer_name", "must have at most 100 characters"});
    return problems;
}

std::variant<Placed, PlaceRejection> decide(const Customer& customer, const Conversation& latest,
                                            const PlaceOrder& command, const TenantFacts& tenant,
                                            const FlowAt& current) {
    if (latest.state == Lifecycle::escalated) return PlaceRejection::with_person;
    if (latest.paying()) return PlaceRejection::paying;
    Facts facts(customer, latest);
    if (!latest.exists() || latest.state == Lifecycle::closed)
        facts.open(command, tenant, current);
    else
        facts.know(command, latest.language);
    facts.place(command, tenant);
    return std::move(facts).placed();
}

}  // namespace flowstack::conversation
