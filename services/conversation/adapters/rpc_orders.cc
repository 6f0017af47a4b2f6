#include <google/protobuf/timestamp.pb.h>

#include <optional>

#include "common/rpc/resource_name.h"
#include "common/rpc/timestamp.h"
#include "common/text/phone.h"
#include "flowstack/conversation/v1/conversation_service.pb.h"
#include "services/conversation/adapters/rpc.h"
#include "services/conversation/domain/trades/shop/placing.h"

namespace flowstack::conversation {
namespace {

constexpr const char* kMethod = "place_order";

rpc::Failure refused(const std::string& tenant, const std::string& customer_id,
                     PlaceRejection rejection) {
    const auto subject = rpc::resource_name(tenant, "customers", customer_id);
    switch (rejection) {
        case PlaceRejection::with_person:
            return rpc::wrong_state(subject,
                                    "A person talks with this customer. Nothing was placed: try "
                                    "again when the conversation is handed back.");
        case PlaceRejection::paying:
            return rpc::wrong_state(subject,
                                    "A payment of this customer is under way. Nothing was placed: "
                                    "try again when it has ended.");
    }
    return rpc::internal();
}

// The answer, read from the facts that were written, so that a repeated request gets the same one.
void show(const std::string& tenant, const std::vector<eventlog::Recorded>& events,
          v1::PlacedOrder& out) {
    for (const auto& event : events) {
        if (event.stream.category != category::kConversation) continue;
        for (const auto& fact : decode_facts(event.type, event.payload)) {
            if (const auto* taken = std::get_if<OrderTaken>(&fact)) {
                set(out.mutable_total(), taken->total);
                out.set_notified(taken->window_closes_at > event.occurred_at);
                if (!out.notified()) out.set_not_notified_reason("window_closed");
                rpc::set_time(*out.mutable_create_time(), event.occurred_at);
            } else if (const auto* checkout = std::get_if<CheckoutRequested>(&fact)) {
                out.set_name(rpc::resource_name(tenant, "orders", checkout->order_id));
                out.set_order_id(checkout->order_id.text());
                out.set_customer_id(checkout->customer_id.text());
                out.set_conversation_id(checkout->conversation_id.text());
                out.set_channel_id(checkout->channel_id.text());
                for (const auto& line : checkout->lines) set(out.add_lines(), line);
            }
        }
    }
}

}  // namespace

void place_order(const Doors& doors, const v1::PlaceOrderRequest& request,
                 v1::PlacedOrder& response) {
    const auto tenant = parse_parent(request.parent());
    const OrderAsked asked{.phone = request.phone(),
                           .product_id = ProductId(request.product_id()),
                           .quantity = request.quantity(),
                           .delivery_address = request.delivery_address(),
                           .customer_name = request.customer_name()};
    // A request that is tried again while the first try is under way gets the same id.
    const auto order_id = made_id(doors, kMethod, tenant, request.request_id());
    const auto conversation_id = doors.ids.next().text();
    std::optional<KnownContact> contact;
    const auto make = [&]() -> std::optional<eventlog::Command> {
        // The total that the customer is told must follow the newest settings: payment prices the
        // order by them.
        const auto facts = tenant_facts(doors, tenant, kNewestSettings);
        if (facts.status == "CLOSED") throw rpc::tenant_closed(rpc::tenant_name(tenant));
        if (facts.status != "ACTIVE")
            throw rpc::tenant_not_active(rpc::tenant_name(tenant),
                                         "The tenant is " + facts.status + ": it takes no orders.");
        const auto product =
            doors.books.products.load(stream(tenant, category::kProduct, asked.product_id))
                .state.product;
        if (const auto problems = check(asked, product, facts); !problems.empty())
            refuse(problems, "");
        const auto phone = *text::e164(asked.phone, facts.country);
        if (!contact) contact = doors.contacts.of_phone(tenant, phone, request.channel_id());

        const auto customer_stream = stream(tenant, category::kCustomer, contact->customer_id);
        const auto customer = doors.books.customers.load(customer_stream);
        FoldedConversation latest;
        if (!customer.state.conversation_id.empty())
            latest = doors.books.conversations.load(
                stream(tenant, category::kConversation, customer.state.conversation_id));
        const auto current = doors.content.current(tenant, facts.pack);
        const PlaceOrder place{.order_id = OrderId(order_id),
                               .new_conversation_id = ConversationId(conversation_id),
                               .customer_id = CustomerId(contact->customer_id),
                               .channel_id = ChannelId(contact->channel_id),
                               .phone = phone,
                               .window_closes_at = contact->window_closes_at,
                               .line = {.product_id = product.id,
                                        .product_name = product.name,
                                        .quantity = asked.quantity,
                                        .unit_price = product.price},
                               .address = asked.delivery_address,
                               .name = asked.customer_name};
        const auto decided = decide(customer.state, latest.state, place, facts,
                                    {current.key, current.version, current.flow.get()});
        if (const auto* rejection = std::get_if<PlaceRejection>(&decided))
            throw refused(tenant, contact->customer_id, *rejection);
        const auto& placed = std::get<Placed>(decided);

        const auto now = doors.clock.now();
        eventlog::Command command;
        command.meta.routing = customer_routing(contact->customer_id);
        command.meta.settings_version = facts.settings_version;
        command.parts.push_back({stream(tenant, category::kConversation, placed.conversation_id),
                                 placed.opened ? eventlog::kCreate : latest.expected(),
                                 encode(placed.events, now)});
        // This part is here even if it has no events: its version makes the append fail when the
        // customer opened another conversation meanwhile.
        command.parts.push_back(
            {customer_stream, customer.expected(), encode(placed.customer_events, now)});
        return command;
    };
    show(tenant, change_once(doors, kMethod, tenant, request.request_id(), request, make),
         response);
}

}  // namespace flowstack::conversation
