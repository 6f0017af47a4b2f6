#include "services/conversation/domain/conversation.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "common/core/corrupt_stream.h"
#include "services/conversation/domain/customer.h"
#include "services/conversation/domain/linked.h"

namespace flowstack::conversation {
namespace {

Conversation opened() {
    return evolve(Conversation{}, Opened{.conversation_id = ConversationId("c1"),
                                         .customer_id = CustomerId("cu1"),
                                         .channel_id = ChannelId("ch1"),
                                         .flow_key = "F",
                                         .flow_version = 1,
                                         .language = "en",
                                         .previous_conversation_id = {}});
}

// Any state, reached by whatever way the table allows.
Conversation in_state(Lifecycle state) {
    auto c = opened();
    c.state = state;
    return c;
}

TEST(StateMachine, AllowsTheTableAndNothingElse) {
    using enum Lifecycle;
    const std::map<Lifecycle, std::set<Lifecycle>> table{
        {new_lead, {engaged, escalated, closed}},
        {engaged, {awaiting_customer, waiting_for_payment, escalated, closed}},
        {awaiting_customer, {engaged, dormant, escalated, closed}},
        {waiting_for_payment, {paid, engaged, escalated}},
        {paid, {closed, engaged, escalated}},
        {dormant, {engaged, escalated, closed}},
        {escalated, {engaged, closed}},
        {closed, {}},
    };
    for (const auto& [from, allowed] : table)
        for (const auto& [to, unused] : table) {
            EXPECT_EQ(may_advance(from, to), allowed.contains(to))
                << text_of(from) << " → " << text_of(to);
            const Advanced fact{.from = from, .to = to, .reason = "test"};
            if (allowed.contains(to))
                EXPECT_EQ(evolve(in_state(from), fact).state, to);
            else
                EXPECT_THROW(evolve(in_state(from), fact), CorruptStream);
        }
}

TEST(StateMachine, NamesEveryStateBothWays) {
    for (const char* name : {"NEW_LEAD", "ENGAGED", "AWAITING_CUSTOMER", "WAITING_FOR_PAYMENT",
                             "PAID", "DORMANT", "ESCALATED", "CLOSED"}) {
        ASSERT_TRUE(parse_lifecycle(name)) << name;
        EXPECT_EQ(text_of(*parse_lifecycle(name)), name);
    }
    EXPECT_FALSE(parse_lifecycle("ASLEEP"));
}

TEST(Conversation, RefusesImpossibleHistory) {
    EXPECT_THROW(evolve(Conversation{}, NodeEntered{.node = "a", .retries = 0}), CorruptStream);
    EXPECT_THROW(evolve(opened(), Opened{.conversation_id = ConversationId("c1"),
                                         .customer_id = CustomerId("cu1"),
                                         .channel_id = ChannelId("ch1"),
                                         .flow_key = "F",
                                         .flow_version = 1,
                                         .language = "en",
                                         .previous_conversation_id = {}}),
                 CorruptStream);
    EXPECT_THROW(
        evolve(opened(),
               Advanced{.from = Lifecycle::engaged, .to = Lifecycle::closed, .reason = ""}),
        CorruptStream);
    EXPECT_THROW(evolve(in_state(Lifecycle::closed), NodeEntered{.node = "a", .retries = 0}),
                 CorruptStream);
}

TEST(Handover, APersonTakesOverRepliesAndHandsBack) {
    auto c = in_state(Lifecycle::awaiting_customer);
    EXPECT_EQ(decide(c, HandBack{"x"}).rejection(), Rejection::not_escalated);
    EXPECT_EQ(decide(c, ReplyAsAgent{}).rejection(), Rejection::not_escalated);
    const auto taken = decide(c, Escalate{"angry"});
    ASSERT_TRUE(taken.accepted());
    for (const auto& event : taken.events()) c = evolve(c, event);
    EXPECT_EQ(c.state, Lifecycle::escalated);
    EXPECT_EQ(decide(c, Escalate{"again"}).rejection(), Rejection::transition_not_allowed);
    const auto reply = decide(c, ReplyAsAgent{.message_id = MessageId("m1"),
                                              .idempotency_key = "key",
                                              .agent = "jane",
                                              .content = {}});
    ASSERT_TRUE(reply.accepted());
    EXPECT_EQ(std::get<ReplyRequested>(reply.events()[0]).kind, ReplyKind::agent);
    const auto back = decide(c, HandBack{"solved"});
    ASSERT_TRUE(back.accepted());
    EXPECT_EQ(evolve(c, back.events()[0]).state, Lifecycle::engaged);
}

TEST(Handover, NobodyTakesOverWhatIsClosedOrAbsent) {
    EXPECT_EQ(decide(in_state(Lifecycle::closed), Escalate{"x"}).rejection(),
              Rejection::transition_not_allowed);
    EXPECT_EQ(decide(Conversation{}, Escalate{"x"}).rejection(), Rejection::no_such_conversation);
}

TEST(Conversation, RemembersABoundedNumberOfChoices) {
    auto c = opened();
    for (int i = 0; i < 100; ++i) {
        ReplyRequested reply;
        reply.message_id = MessageId(std::to_string(i));
        reply.taps = {{0, "a", "", "A"}};
        c = evolve(c, reply);
    }
    EXPECT_EQ(c.choices.size(), kSentChoicesMax);
    EXPECT_EQ(c.choices.back().message_id, "99");
}

TEST(Customer, IsSeenOnceAndKeepsWhatIsNotChanged) {
    auto c = evolve(
        Customer{},
        CustomerSeen{
            .customer_id = CustomerId("cu1"), .language = "en", .name = "Amina", .phone = ""});
    EXPECT_THROW(
        evolve(c,
               CustomerSeen{
                   .customer_id = CustomerId("cu1"), .language = "en", .name = "", .phone = ""}),
        CorruptStream);
    EXPECT_THROW(
        evolve(Customer{},
               CustomerTagged{.customer_id = CustomerId("cu1"), .added = {"a"}, .removed = {}}),
        CorruptStream);
    CustomerChanged changed;
    changed.phone = "+254700000000";
    c = evolve(c, changed);
    EXPECT_EQ(c.name, "Amina");
    EXPECT_EQ(c.phone, "+254700000000");
    EXPECT_FALSE(c.language_chosen);
}

TEST(Customer, TagsAreGivenAndTakenOnce) {
    auto c = evolve(
        Customer{},
        CustomerSeen{
            .customer_id = CustomerId("cu1"), .language = "en", .name = "Amina", .phone = ""});
    const auto events = decide(c, TagCustomer{{"vip", "vip"}, {"old"}});
    ASSERT_EQ(events.size(), 1u);
    c = evolve(c, events[0]);
    EXPECT_EQ(c.tags, std::set<std::string>{"vip"});
    EXPECT_TRUE(decide(c, TagCustomer{{"vip"}, {}}).empty());
    EXPECT_EQ(check(c, TagCustomer{{""}, {}}).at(0).field, "add[0]");
}

// One append says one thing of a customer where it can, and means the same.
TEST(Customer, WhatOneAppendSaysIsOneFactWhereOneCanHoldIt) {
    const CustomerId id("cu1");
    const CustomerSeen seen{
        .customer_id = id, .language = "en", .name = "Amina", .phone = "+254700000000"};
    CustomerChanged named, chose, lives;
    named.customer_id = chose.customer_id = lives.customer_id = id;
    named.name = "Amina W.";
    chose.language = "sw";
    lives.address = "Moi Avenue";
    const auto began = conversation_began(id, ConversationId("c1"));
    const CustomerTagged tagged{.customer_id = id, .added = {"vip"}, .removed = {}};
    const std::vector<std::pair<std::vector<CustomerEvent>, std::size_t>> appends{
        {{seen, began}, 1},
        {{seen, began, named}, 1},
        // The language of a first sight is not one that the customer chose.
        {{seen, chose}, 2},
        {{seen, began, chose, lives, named}, 2},
        {{seen, tagged, began}, 3},
    };
    for (const auto& [facts, rows] : appends) {
        std::vector<CustomerEvent> joined;
        Customer apart, together;
        for (const auto& fact : facts) {
            apart = evolve(apart, fact);
            add_joined(joined, fact);
        }
        for (const auto& fact : joined) together = evolve(together, fact);
        EXPECT_EQ(joined.size(), rows);
        EXPECT_EQ(together, apart);
    }
}

// ---- Two customers that are one person

const CustomerId kOld("old");
const ConversationId kNew("new");

CartLine line(const std::string& product, std::int64_t quantity) {
    return {ProductId(product), product, quantity, {10'000, Currency::kes}};
}

// The younger customer's dialogue: asked for an address, with two things in the cart.
Conversation asked_for_an_address() {
    Conversation c = evolve(Conversation{}, Opened{.conversation_id = ConversationId("y"),
                                                   .customer_id = CustomerId("young"),
                                                   .channel_id = ChannelId("ch1"),
                                                   .flow_key = "F",
                                                   .flow_version = 7,
                                                   .language = "sw",
                                                   .previous_conversation_id = {}});
    c = evolve(c,
               Advanced{.from = Lifecycle::new_lead, .to = Lifecycle::engaged, .reason = "spoke"});
    c = evolve(
        c, Advanced{
               .from = Lifecycle::engaged, .to = Lifecycle::awaiting_customer, .reason = "asked"});
    c = evolve(c, VariableCaptured{.name = "quantity", .value = "2"});
    CartChanged cart;
    cart.lines = {line("soap", 2), line("coffee", 1)};
    c = evolve(c, cart);
    NodeEntered node;
    node.node = "address";
    node.retries = 1;
    return evolve(c, node);
}
Customer young() {
    return evolve(Customer{}, CustomerSeen{.customer_id = CustomerId("young"),
                                           .language = "sw",
                                           .name = "Asha",
                                           .phone = "+254712345678"});
}

TEST(LinkedCustomers, TheYoungerOnesDialogueAndCartGoOn) {
    const auto from = asked_for_an_address();
    const auto carried = carry_over({young(), from}, {Customer{}, Conversation{}}, kOld, kNew);
    ASSERT_TRUE(carried.opened);
    Conversation c;
    for (const auto& event : carried.events) c = evolve(std::move(c), event);
    EXPECT_EQ(c.id, "new");
    EXPECT_EQ(c.customer_id, "old");
    EXPECT_EQ(c.flow_version, 7);
    EXPECT_EQ(c.language, "sw");
    EXPECT_EQ(c.state, Lifecycle::awaiting_customer);
    EXPECT_EQ(c.node, "address");
    EXPECT_EQ(c.retries, 1);
    EXPECT_EQ(c.value("quantity"), "2");
    EXPECT_EQ(c.shop.cart, from.shop.cart);
    Customer customer;
    for (const auto& event : carried.customer_events) customer = evolve(std::move(customer), event);
    EXPECT_EQ(customer.id, "old");
    EXPECT_EQ(customer.name, "Asha");
    EXPECT_EQ(customer.conversation_id, "new");
}

TEST(LinkedCustomers, WhatTheOlderOneHadInTheCartIsNotLost) {
    auto own = opened();
    CartChanged cart;
    cart.lines = {line("tea", 3), line("soap", 9)};
    own = evolve(own, cart);
    const auto carried = carry_over({young(), asked_for_an_address()}, {young(), own}, kOld, kNew);
    Conversation c;
    for (const auto& event : carried.events) c = evolve(std::move(c), event);
    EXPECT_EQ(c.previous_conversation_id, own.id);
    EXPECT_EQ(c.shop.cart,
              (std::vector<CartLine>{line("soap", 2), line("coffee", 1), line("tea", 3)}));
}

TEST(LinkedCustomers, APayingDialogueStaysAndTakesTheCartOver) {
    auto own = in_state(Lifecycle::waiting_for_payment);
    const auto carried = carry_over({young(), asked_for_an_address()}, {young(), own}, kOld, kNew);
    EXPECT_FALSE(carried.opened);
    EXPECT_EQ(carried.conversation_id, own.id);
    for (const auto& event : carried.events) own = evolve(std::move(own), event);
    EXPECT_EQ(own.state, Lifecycle::waiting_for_payment);
    EXPECT_EQ(own.shop.cart.size(), 2U);
    EXPECT_TRUE(carried.customer_events.empty());
}

TEST(LinkedCustomers, NothingIsCarriedWhereThereIsNothing) {
    EXPECT_TRUE(
        carry_over({young(), Conversation{}}, {young(), opened()}, kOld, kNew).events.empty());
    EXPECT_TRUE(carry_over({young(), in_state(Lifecycle::closed)}, {young(), opened()}, kOld, kNew)
                    .events.empty());
    // Its payment finds it where it is.
    EXPECT_TRUE(carry_over({young(), in_state(Lifecycle::waiting_for_payment)}, {young(), opened()},
                           kOld, kNew)
                    .events.empty());
}

}  // namespace
}  // namespace flowstack::conversation
