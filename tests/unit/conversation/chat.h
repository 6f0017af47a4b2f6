#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "common/localtime/local_clock.h"
#include "services/conversation/adapters/codec.h"
#include "services/conversation/adapters/flow_json.h"
#include "services/conversation/domain/trades/shop/placing.h"

// One customer and one shop on the pure engine: what the handlers do, without a log, a bus or a
// clock.
namespace flowstack::conversation {

inline Money kes(std::int64_t cents) { return {cents, Currency::kes}; }

inline Product product_of(std::string id, std::string name, std::int64_t cents,
                          std::vector<std::string> aliases = {},
                          std::optional<std::int64_t> on_hand = {}) {
    Product p;
    p.id = ProductId(std::move(id));
    p.name = std::move(name);
    p.aliases = std::move(aliases);
    p.price = kes(cents);
    p.active = true;
    p.on_hand = on_hand;
    return p;
}

// "button" and "list" are taps; a word that no kind has is a type that this build does not know.
inline SpokenKind kind_of(const std::string& word) {
    if (word == "button" || word == "list") return SpokenKind::tap;
    for (int i = 0; i <= static_cast<int>(SpokenKind::call); ++i)
        if (text_of(static_cast<SpokenKind>(i)) == word) return static_cast<SpokenKind>(i);
    return SpokenKind::unsupported;
}

// The wall clock of a time zone, for the rules of bookings.
inline BookingZone zone_of(const std::string& time_zone) {
    return {.wall =
                [time_zone](Time at) {
                    return std::chrono::floor<std::chrono::minutes>(wall_time(time_zone, at));
                },
            .moment = [time_zone](WallTime wall) { return moment_of(time_zone, wall); }};
}

class Chat {
public:
    Chat() : packs_(read_packs(PACKS_DIR)) {
        tenant.id = "shop";
        tenant.display_name = "Mama Duka";
        tenant.languages = {"en", "sw"};
        tenant.providers = {"mpesa", "stripe"};
        tenant.pack = "ECOMMERCE";
        products = {product_of("coffee", "Coffee", 25'000, {"kahawa"}),
                    product_of("soap", "Bar Soap", 12'050, {"soap", "sabuni"}),
                    product_of("cement", "Cement", 75'000, {}, 10)};
        promotions = {{PromotionId("p1"),
                       {{"en", "Buy 2 coffees, get a mug"}, {"sw", "Nunua kahawa 2, pata kikombe"}},
                       true}};
    }

    // --- What happens

    std::vector<std::string> says(const std::string& text) { return inbound("text", text, ""); }

    // Taps the button or row with this title in the latest message that has it.
    std::vector<std::string> taps(const std::string& title) {
        for (auto c = conversations.rbegin(); c != conversations.rend(); ++c)
            for (auto sent = c->choices.rbegin(); sent != c->choices.rend(); ++sent)
                for (const auto& tap : sent->taps)
                    if (tap.title == title)
                        return inbound("button", title,
                                       sent->message_id + ":" + std::to_string(tap.n));
        ADD_FAILURE() << "nobody showed a button \"" << title << "\"";
        return {};
    }

    // Changes what an earlier message says.
    std::vector<std::string> edits(const std::string& message_id, const std::string& text) {
        subject_id_ = message_id;
        auto heard = inbound("edit", text, "");
        subject_id_.clear();
        return heard;
    }
    std::vector<std::string> pins(const std::string& name, const std::string& address) {
        place_ = Inbound::Place{-1.2611114, 36.8022222, name, address};
        auto heard = inbound("location", "", "");
        place_.reset();
        return heard;
    }
    std::vector<std::string> sends_cart(std::vector<OrderedLine> cart) {
        cart_ = std::move(cart);
        auto heard = inbound("order", "", "");
        cart_.clear();
        return heard;
    }
    // A fact that a person's command made.
    void happened(const Event& event) {
        conversations.back() = evolve(conversations.back(), event);
        keep({event});
    }
    template <class Command>
    void person(const Command& command) {
        const auto decided = decide(now_in(), conversation::Command{command});
        ASSERT_TRUE(decided.accepted());
        for (const auto& event : decided.events()) happened(event);
    }

    std::vector<std::string> inbound(const std::string& kind, const std::string& text,
                                     const std::string& tap_id) {
        now += Micros{std::chrono::seconds{seconds_between}};
        Inbound in;
        in.id = "wamid." + std::to_string(++causes_);
        in.customer_id = CustomerId("c1");
        in.channel_id = channel_id;
        in.kind = kind_of(kind);
        in.text = text;
        in.tap_id = tap_id;
        in.choices_numbered = choices_numbered;
        in.profile_name = profile_name;
        in.phone = phone;
        in.consent_change = consent_change;
        in.sent_at = in.received_at = now;
        in.subject_id = subject_id_;
        in.place = place_;
        in.cart = cart_;
        Turn turn{.in = in, .context = context(in.id)};
        turn.context.flow = nullptr;
        turn.limit = limit;
        turn.current_flow = {flow_key, flow_version, flow_of(flow_key, flow_version)};
        turn.flow_of = [this](const std::string& key, std::int64_t version) {
            return flow_of(key, version);
        };
        turn.new_conversation_id =
            ConversationId("conv" + std::to_string(conversations.size() + 1));
        turn.customer = customer;
        if (!conversations.empty()) turn.conversation = conversations.back();
        run_pipeline(turn);
        customer = turn.customer;
        outcome = text_of(turn.outcome);
        problem = turn.problem;
        if (turn.events.empty()) return {};
        if (conversations.empty() || conversations.back().id != turn.conversation.id)
            conversations.push_back(turn.conversation);
        else
            conversations.back() = turn.conversation;
        return keep(turn.events);
    }

    std::vector<std::string> hears(const Input& input) {
        now += Micros{std::chrono::seconds{1}};
        const auto x = context("event" + std::to_string(++causes_));
        auto result = step(conversations.back(), customer, input, x);
        for (const auto& event : result.events)
            conversations.back() = evolve(conversations.back(), event);
        for (const auto& event : result.customer_events) customer = evolve(customer, event);
        unsaid = result.unsaid;
        return keep(result.events);
    }

    // The shop's own site takes an order, and payment makes it.
    std::variant<Placed, PlaceRejection> places(const std::string& order_id,
                                                const std::string& product_id,
                                                std::int64_t quantity,
                                                const std::string& address = "Moi Avenue") {
        now += Micros{std::chrono::seconds{1}};
        PlaceOrder place;
        place.order_id = OrderId(order_id);
        place.new_conversation_id =
            ConversationId("conv" + std::to_string(conversations.size() + 1));
        place.customer_id = CustomerId("c1");
        place.channel_id = ChannelId("ch1");
        place.phone = phone;
        place.address = address;
        place.name = "Amina W.";
        for (const auto& p : products)
            if (p.id == product_id) place.line = {p.id, p.name, quantity, p.price};
        const auto latest = conversations.empty() ? Conversation{} : conversations.back();
        auto decided = decide(customer, latest, place, tenant,
                              {flow_key, flow_version, flow_of(flow_key, flow_version)});
        if (const auto* placed = std::get_if<Placed>(&decided)) {
            if (placed->opened) conversations.emplace_back();
            for (const auto& event : placed->events)
                conversations.back() = evolve(conversations.back(), event);
            for (const auto& event : placed->customer_events) customer = evolve(customer, event);
            keep(placed->events);
        }
        return decided;
    }
    std::vector<std::string> order_is_made(const std::string& order_id) {
        return hears(OrderMade{.order_id = OrderId(order_id), .order_number = "ORD-" + order_id});
    }

    // The tenant's lane and payment's first answers, as they come when all goes well.
    std::vector<std::string> stock_is_there() {
        return hears(StockAnswered{.reservation_id = last<StockRequested>().reservation_id,
                                   .reserved = true,
                                   .product_id = {},
                                   .available = 0});
    }
    std::vector<std::string> payment_starts() {
        return hears(PaymentBegan{.order_id = now_in().shop.order_id,
                                  .provider = now_in().shop.order_provider,
                                  .amount = kes(0)});
    }
    std::vector<std::string> payment_pays(std::int64_t cents,
                                          const std::string& receipt = "RCP123") {
        return hears(PaymentPaid{.order_id = now_in().shop.order_id,
                                 .intent_id = IntentId("intent1"),
                                 .receipt = receipt,
                                 .amount = kes(cents)});
    }

    // --- What is so now

    const Conversation& now_in() const { return conversations.back(); }
    std::string state() const { return std::string(text_of(now_in().state)); }

    template <class E>
    const E& last() const {
        for (auto event = events.rbegin(); event != events.rend(); ++event)
            if (const auto* e = std::get_if<E>(&*event)) return *e;
        throw std::runtime_error("no such event yet");
    }
    template <class E>
    int count() const {
        int n = 0;
        for (const auto& event : events) n += std::holds_alternative<E>(event);
        return n;
    }

    TenantFacts tenant;
    std::vector<Product> products;
    std::vector<Promotion> promotions;
    std::vector<Topic> topics;
    std::vector<BookableService> services;
    BookingSettings booking_settings;
    std::map<std::string, Calendar> calendars;
    std::map<std::string, Template> own_templates;
    std::map<std::pair<std::string, std::int64_t>, Flow> own_flows;
    std::string flow_key = "ECOMMERCE";
    std::int64_t flow_version = 0;
    RateLimit limit{};
    int seconds_between = 10;
    std::string profile_name = "Amina";
    std::string phone = "+254712345678";
    std::string consent_change;
    ChannelId channel_id{"ch1"};
    bool choices_numbered = false;  // the channel shows choices as a numbered menu
    std::string outcome;
    std::string problem;
    std::string unsaid;
    std::vector<std::string> titles() const { return last<ReplyRequested>().content.titles; }
    std::string last_inbound() const { return "wamid." + std::to_string(causes_); }
    Time now = from_unix_seconds(1'750'000'000);
    Customer customer;
    std::deque<Conversation> conversations;
    std::vector<Event> events;

private:
    const Flow* flow_of(const std::string& key, std::int64_t version) {
        if (const auto own = own_flows.find({key, version}); own != own_flows.end())
            return &own->second;
        const auto found = packs_.flows.find(key);
        return version == 0 && found != packs_.flows.end() ? &found->second : nullptr;
    }

    Context context(const std::string& cause) {
        Context x;
        x.now = now;
        x.tenant = &tenant;
        if (!conversations.empty())
            x.flow = flow_of(conversations.back().flow_key, conversations.back().flow_version);
        x.templates = &own_templates;
        x.shop.products = &products;
        x.shop.promotions = &promotions;
        x.support.topics = &topics;
        x.booking.services = &services;
        x.booking.settings = &booking_settings;
        x.booking.calendars = &calendars;
        x.booking.zone = zone_of(tenant.time_zone);
        x.matches = regex_matches;
        x.make_id = [cause](const std::string& kind, int n) {
            return cause + "/" + kind + "/" + std::to_string(n);
        };
        x.cause_key = cause;
        return x;
    }

    std::vector<std::string> keep(const std::vector<Event>& facts) {
        // The log keeps the same conversation.
        stored_.resize(conversations.size());
        for (const auto& event : encode(facts, now))
            stored_.back() = ConversationCodec::evolve(std::move(stored_.back()), event.type,
                                                       event.payload, event.occurred_at);
        EXPECT_EQ(static_cast<const Conversation&>(stored_.back()), conversations.back());
        std::vector<std::string> replies;
        for (const auto& fact : facts) {
            events.push_back(fact);
            if (const auto* reply = std::get_if<ReplyRequested>(&fact))
                replies.push_back(reply->content.body);
        }
        return replies;
    }

    std::deque<ConversationCodec::State> stored_;  // as conversations, from what is stored
    std::string subject_id_;
    std::vector<OrderedLine> cart_;
    std::optional<Inbound::Place> place_;
    Packs packs_;
    int causes_ = 0;
};

inline bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace flowstack::conversation
