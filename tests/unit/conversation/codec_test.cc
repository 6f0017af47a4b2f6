#include "services/conversation/adapters/codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "common/core/corrupt_stream.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "services/conversation/adapters/derive.h"
#include "tests/unit/conversation/chat.h"

namespace flowstack::conversation {
namespace {

constexpr Time kNow = from_unix_seconds(1'750'000'000);

void round_trip(const Event& event) {
    const auto stored = encode(std::vector{event}, kNow);
    ASSERT_EQ(stored.size(), 1u);
    EXPECT_TRUE(stored[0].type.starts_with("flowstack.conversation.v1.")) << stored[0].type;
    EXPECT_EQ(decode_facts(stored[0].type, stored[0].payload), std::vector{event})
        << stored[0].type;
}

TEST(Codec, EveryFactOfAConversationComesBackAsItWas) {
    const std::vector<CartLine> cart{{.product_id = ProductId("p"),
                                      .product_name = "Coffee",
                                      .quantity = 2,
                                      .unit_price = kes(100)}};
    round_trip(Opened{.conversation_id = ConversationId("c"),
                      .customer_id = CustomerId("cu"),
                      .channel_id = ChannelId("ch"),
                      .flow_key = "ECOMMERCE",
                      .flow_version = 3,
                      .language = "sw",
                      .previous_conversation_id = ConversationId("before")});
    round_trip(Spoke{.inbound_id = "wamid",
                     .channel_id = ChannelId("ch2"),
                     .kind = SpokenKind::tap,
                     .tap_id = "m:1",
                     .outcome = SpokenOutcome::answered,
                     .sent_at = kNow,
                     .bucket_full_at = kNow,
                     .text = "Hi"});
    round_trip(
        Advanced{.from = Lifecycle::engaged, .to = Lifecycle::awaiting_customer, .reason = "why"});
    round_trip(NodeEntered{.node = "quantity", .retries = 2});
    round_trip(VariableCaptured{.name = "address", .value = "Moi Avenue"});
    round_trip(CartChanged{.lines = cart});
    ReplyRequested reply;
    reply.message_id = MessageId("m");
    reply.conversation_id = ConversationId("c");
    reply.customer_id = CustomerId("cu");
    reply.channel_id = ChannelId("ch");
    reply.idempotency_key = "auto-reply:wamid:1";
    reply.template_key = "greeting";
    reply.template_version = 4;
    reply.kind = ReplyKind::reply;
    reply.purpose = ReplyPurpose::service;
    reply.window_evidence = kNow;
    reply.expects_answer = true;
    reply.taps = {{0, "view", "x", "View"}};
    reply.nothing_inbound_since = kNow;
    reply.task_id = TaskId("t");
    reply.agent = "jane";
    reply.to = "+254712345678";
    for (const auto kind :
         {TemplateKind::text, TemplateKind::interactive_button, TemplateKind::interactive_list,
          TemplateKind::media, TemplateKind::whatsapp_template}) {
        reply.content = {};
        reply.content.kind = kind;
        if (kind != TemplateKind::whatsapp_template) reply.content.body = "Hello";
        if (kind == TemplateKind::interactive_button) reply.content.titles = {"A", "B"};
        if (kind == TemplateKind::interactive_list) {
            reply.content.list_button = "Open";
            reply.content.rows = {{"Coffee", "KES 1.00"}};
        }
        if (kind == TemplateKind::media) {
            reply.content.media_kind = "image";
            reply.content.media_link = "https://x/y.png";
        }
        if (kind == TemplateKind::whatsapp_template) {
            reply.content.whatsapp_template = "order_update";
            reply.content.whatsapp_language_code = "en_US";
            reply.content.parameters = {"Amina"};
        }
        round_trip(reply);
    }
    reply.content = {};
    reply.content.kind = TemplateKind::interactive_button;
    reply.content.body = "Please pay";
    reply.content.titles = {"Pay by card"};
    reply.content.link = "https://checkout.example/cs_1";
    round_trip(reply);
    round_trip(StockRequested{.reservation_id = ReservationId("r"),
                              .conversation_id = ConversationId("c"),
                              .customer_id = CustomerId("cu"),
                              .lines = cart,
                              .paid_order_id = {}});
    round_trip(StockRequested{.reservation_id = ReservationId("r"),
                              .conversation_id = ConversationId("c"),
                              .customer_id = CustomerId("cu"),
                              .lines = cart,
                              .paid_order_id = OrderId("o")});
    round_trip(CheckoutRequested{.order_id = OrderId("o"),
                                 .conversation_id = ConversationId("c"),
                                 .customer_id = CustomerId("cu"),
                                 .channel_id = ChannelId("ch"),
                                 .reservation_id = ReservationId("r"),
                                 .lines = cart,
                                 .currency_code = "KES",
                                 .provider = "mpesa",
                                 .language = "en",
                                 .retry_of_order_id = OrderId("old"),
                                 .name = "Amina",
                                 .address = "Moi Avenue",
                                 .phone = "+254712345678"});
    StockRequested for_an_order{.reservation_id = ReservationId("r"),
                                .conversation_id = ConversationId("c"),
                                .customer_id = CustomerId("cu"),
                                .lines = cart,
                                .paid_order_id = {}};
    for_an_order.order_id = OrderId("o");
    round_trip(for_an_order);
    CheckoutRequested later{.order_id = OrderId("o"),
                            .conversation_id = ConversationId("c"),
                            .customer_id = CustomerId("cu"),
                            .channel_id = ChannelId("ch"),
                            .reservation_id = {},
                            .lines = cart,
                            .currency_code = "KES"};
    later.pay_later = true;
    round_trip(later);
    round_trip(OrderTaken{.order_id = OrderId("o"), .total = kes(200), .window_closes_at = kNow});
    round_trip(OrderOffered{.order_id = OrderId("o"), .order_number = "ORD-7K2M9Q"});
    round_trip(OrderWaitEnded{.order_id = OrderId("o"), .reason = OrderWaitEnd::paid});
    round_trip(BookingRequested{.booking_id = BookingId("b"),
                                .conversation_id = ConversationId("c"),
                                .customer_id = CustomerId("cu"),
                                .channel_id = ChannelId("ch"),
                                .service_id = ServiceId("s"),
                                .starts_at = kNow,
                                .language = "sw",
                                .moving = true,
                                .name = "Amina",
                                .phone = "+254712345678"});
    round_trip(BookingCancelRequested{.booking_id = BookingId("b"),
                                      .conversation_id = ConversationId("c"),
                                      .customer_id = CustomerId("cu")});
    for (const auto news : {BookingNews::made, BookingNews::refused, BookingNews::moved,
                            BookingNews::move_refused, BookingNews::cancelled})
        round_trip(BookingNoted{.booking_id = BookingId("b"),
                                .news = news,
                                .number = "BK-7K2M9Q",
                                .service_id = ServiceId("s"),
                                .service_name = "Haircut",
                                .starts_at = kNow,
                                .reminder_task_id = TaskId("t")});
    round_trip(HintGiven{.node = "quantity"});
    round_trip(UnclearItemsChanged{.items = {{"blorps", 3}, {"5000 soap", 0}}});
    round_trip(UnclearItemsChanged{});
    for (const auto news : {PaymentNews::started, PaymentNews::unclear, PaymentNews::let_go,
                            PaymentNews::paid, PaymentNews::failed, PaymentNews::expired})
        round_trip(PaymentNoted{.intent_id = IntentId("i"),
                                .order_id = OrderId("o"),
                                .news = news,
                                .amount = kes(200),
                                .order_number = "ORD-7K2M9Q"});
    round_trip(Escalated{.reason = "angry"});
    round_trip(FollowUpRequested{.task_id = TaskId("t"),
                                 .conversation_id = ConversationId("c"),
                                 .customer_id = CustomerId("cu"),
                                 .channel_id = ChannelId("ch"),
                                 .kind = "custom",
                                 .due_at = kNow,
                                 .language = "en",
                                 .text = "Come by"});
    round_trip(ReservationEndRequested{
        .reservation_id = ReservationId("r"), .sold = true, .reason = ReservationEnd::paid});
}

eventlog::NewEvent stored_of(const CustomerEvent& fact) {
    return encode(std::vector{fact}, kNow).at(0);
}
eventlog::NewEvent stored_of(const ProductEvent& fact) { return encode(fact, kNow); }

template <class Codec, class Domain, class Fact>
void same_fold(const Domain& before, const Fact& fact, const typename Codec::State& state) {
    const auto stored = stored_of(fact);
    const auto folded = Codec::evolve(state, stored.type, stored.payload, kNow);
    if constexpr (std::is_same_v<Codec, ProductCodec>)
        EXPECT_EQ(folded.product, evolve(before, fact)) << stored.type;
    else
        EXPECT_EQ(folded, evolve(before, fact)) << stored.type;
}

TEST(Codec, StoredFactsFoldLikeTheDomains) {
    const Customer amina{.id = CustomerId("cu"),
                         .language = "en",
                         .name = "Amina",
                         .phone = "",
                         .address = "",
                         .tags = {},
                         .conversation_id = {}};
    CustomerChanged changed{.customer_id = CustomerId("cu"),
                            .language = "sw",
                            .name = "Amina W",
                            .phone = "+254700000000",
                            .address = "Moi Avenue"};
    same_fold<CustomerCodec>(Customer{},
                             CustomerEvent{CustomerSeen{.customer_id = CustomerId("cu"),
                                                        .language = "en",
                                                        .name = "Amina",
                                                        .phone = "+254",
                                                        .conversation_id = ConversationId("c1")}},
                             Customer{});
    same_fold<CustomerCodec>(amina, CustomerEvent{changed}, amina);
    same_fold<CustomerCodec>(
        amina,
        CustomerEvent{
            CustomerTagged{.customer_id = CustomerId("cu"), .added = {"vip"}, .removed = {"old"}}},
        amina);
    same_fold<CustomerCodec>(
        amina, CustomerEvent{conversation_began(CustomerId("cu"), ConversationId("c2"))}, amina);

    auto shelf = product_of("p", "Coffee", 100, {}, 5);
    const StoredProduct stored{shelf, kNow};
    same_fold<ProductCodec>(shelf,
                            ProductEvent{ProductSaved{.product_id = ProductId("p"),
                                                      .name = "Fine Coffee",
                                                      .aliases = {"a"},
                                                      .price = kes(5),
                                                      .description = "d",
                                                      .image_url = "i",
                                                      .active = false}},
                            stored);
    same_fold<ProductCodec>(
        shelf, ProductEvent{StockSet{.product_id = ProductId("p"), .on_hand = 0}}, stored);
    same_fold<ProductCodec>(
        shelf, ProductEvent{StockSet{.product_id = ProductId("p"), .on_hand = std::nullopt}},
        stored);
    same_fold<ProductCodec>(
        shelf, ProductEvent{StockHeld{.reservation_id = ReservationId("r"), .quantity = 2}},
        stored);
    shelf.held[ReservationId("r")] = 2;
    same_fold<ProductCodec>(
        shelf, ProductEvent{StockFreed{.reservation_id = ReservationId("r"), .quantity = 2}},
        {shelf, kNow});
    same_fold<ProductCodec>(
        shelf, ProductEvent{StockTaken{.reservation_id = ReservationId("r"), .quantity = 2}},
        {shelf, kNow});
}

TEST(Codec, AnUnknownTypeStopsTheFold) {
    EXPECT_THROW(decode_facts("flowstack.conversation.v1.SomethingNew", ""), CorruptStream);
    // A part of a turn is no event of its own.
    EXPECT_THROW(decode_facts("flowstack.conversation.v1.NodeEntered", ""), CorruptStream);
    EXPECT_THROW(CustomerCodec::evolve({}, "x", "", kNow), CorruptStream);
    EXPECT_THROW(ProductCodec::evolve({}, "x", "", kNow), CorruptStream);
    EXPECT_THROW(ReservationCodec::evolve({}, "x", "", kNow), CorruptStream);
    EXPECT_THROW(TemplateCodec::evolve({}, "x", "", kNow), CorruptStream);
    EXPECT_THROW(FlowCodec::evolve({}, "x", "", kNow), CorruptStream);
    const auto turn = encode(std::vector<Event>{Spoke{}}, kNow).at(0);
    EXPECT_THROW(decode_facts(turn.type, "\xff\xff"), CorruptStream);
    // A step of a later build.
    EXPECT_THROW(decode_facts(turn.type, std::string("\x0a\x03\xfa\x07\x00", 5)), CorruptStream);
}

// ---- Turns

Opened opened() {
    return {.conversation_id = ConversationId("c"),
            .customer_id = CustomerId("cu"),
            .channel_id = ChannelId("ch"),
            .flow_key = "ECOMMERCE",
            .flow_version = 3,
            .language = "en",
            .previous_conversation_id = {}};
}
ReplyRequested reply(const std::string& id) {
    ReplyRequested fact;
    fact.message_id = MessageId(id);
    fact.taps = {{0, "view", "x", "View"}};
    return fact;
}
ReservationEndRequested give_back(const std::string& reservation) {
    return {.reservation_id = ReservationId(reservation),
            .sold = false,
            .reason = ReservationEnd::cancelled};
}
Advanced advance(Lifecycle from, Lifecycle to) { return {.from = from, .to = to, .reason = "why"}; }

std::vector<std::string> types_of(const std::vector<eventlog::NewEvent>& events) {
    std::vector<std::string> types;
    for (const auto& event : events) types.push_back(event.type.substr(event.type.rfind('.') + 1));
    return types;
}
ConversationCodec::State folded(ConversationCodec::State state,
                                const std::vector<eventlog::NewEvent>& events) {
    for (const auto& event : events)
        state = ConversationCodec::evolve(std::move(state), event.type, event.payload, kNow);
    return state;
}

TEST(DialogueTurn, HoldsAStepsFactsAndWhatOthersActOnFollowsIt) {
    const std::vector<Event> facts{opened(),
                                   Spoke{.inbound_id = "wamid", .text = "Hi"},
                                   advance(Lifecycle::new_lead, Lifecycle::engaged),
                                   NodeEntered{.node = "welcome"},
                                   NodeEntered{.node = "menu"},
                                   reply("m1"),
                                   advance(Lifecycle::engaged, Lifecycle::awaiting_customer)};
    const auto events = encode(facts, kNow);
    EXPECT_EQ(types_of(events), (std::vector<std::string>{"DialogueTurn", "ReplyRequested"}));
    // People read the turn's steps, then what it asked for.
    auto in_order = facts;
    std::rotate(in_order.end() - 2, in_order.end() - 1, in_order.end());
    auto read = decode_facts(events[0].type, events[0].payload);
    for (auto& fact : decode_facts(events[1].type, events[1].payload)) read.push_back(fact);
    EXPECT_EQ(read, in_order);
    EXPECT_EQ(type_of(read[1]), "flowstack.conversation.v1.CustomerSpoke");
}

// What a person says has no turn: nothing moves.
TEST(DialogueTurn, IsNotThereWithoutAStep) {
    EXPECT_EQ(types_of(encode(std::vector<Event>{reply("m1"), reply("m2")}, kNow)),
              (std::vector<std::string>{"ReplyRequested", "ReplyRequested"}));
    EXPECT_TRUE(encode(std::vector<Event>{}, kNow).empty());
}

// A request for stock may stand before the transition that closes the dialogue, and none may come
// after it: the fold must not take the turn's steps first.
TEST(DialogueTurn, IsFoldedInTheOrderInWhichItsFactsWereDecided) {
    StockRequested stock{.reservation_id = ReservationId("r"),
                         .conversation_id = ConversationId("c"),
                         .customer_id = CustomerId("cu"),
                         .lines = {}};
    const std::vector<Event> facts{opened(), stock, give_back("r"),
                                   advance(Lifecycle::new_lead, Lifecycle::closed), reply("m1")};
    const auto events = encode(facts, kNow);
    ASSERT_EQ(types_of(events),
              (std::vector<std::string>{"DialogueTurn", "StockRequested", "ReservationEndRequested",
                                        "ReplyRequested"}));
    Conversation direct;
    for (const auto& fact : facts) apply(direct, fact);
    const auto stored = folded({}, events);
    EXPECT_EQ(static_cast<const Conversation&>(stored), direct);
    EXPECT_TRUE(stored.later.empty());
    EXPECT_EQ(stored.state, Lifecycle::closed);
    EXPECT_TRUE(stored.shop.asked_reservation_id.empty());
    // A turn before the events of the turn before it: history that no append could have written.
    EXPECT_THROW(folded({}, {events[0], events[0]}), CorruptStream);
}

// What is about a person stands in one part of the turn, whichever steps it has.
TEST(DialogueTurn, KeepsAllWordsOfItsStepsInItsPersonalPart) {
    const std::vector<Event> facts{opened(), Spoke{.inbound_id = "wamid", .text = "Amina said"},
                                   VariableCaptured{.name = "address", .value = "Moi Avenue"},
                                   VariableCaptured{.name = "note", .value = ""},
                                   UnclearItemsChanged{.items = {{"blorps", 3}, {"5000 soap", 0}}}};
    const auto event = encode(facts, kNow).at(0);
    EXPECT_EQ(decode_facts(event.type, event.payload), facts);

    v1::DialogueTurn turn;
    ASSERT_TRUE(turn.ParseFromString(event.payload));
    EXPECT_EQ(
        std::vector<std::string>(turn.personal().words().begin(), turn.personal().words().end()),
        (std::vector<std::string>{"Amina said", "Moi Avenue", "", "blorps", "5000 soap"}));
    turn.clear_personal();
    const auto sealed = turn.SerializeAsString();
    for (const auto* word : {"Amina", "Moi", "blorps", "soap"})
        EXPECT_EQ(sealed.find(word), std::string::npos) << word;
    // Nobody can open them any more: the turn is read without its words.
    const auto without = decode_facts(event.type, sealed);
    ASSERT_EQ(without.size(), facts.size());
    EXPECT_EQ(std::get<Spoke>(without[1]).inbound_id, "wamid");
    EXPECT_EQ(std::get<Spoke>(without[1]).text, "");
    EXPECT_EQ(std::get<UnclearItemsChanged>(without[4]).items[0].quantity, 3);
    // Words that belong to no step, or too few.
    turn.mutable_personal()->add_words("alone");
    EXPECT_THROW(decode_facts(event.type, turn.SerializeAsString()), CorruptStream);
    for (int i = 0; i < 5; ++i) turn.mutable_personal()->add_words("more");
    EXPECT_THROW(decode_facts(event.type, turn.SerializeAsString()), CorruptStream);
}

// A fact of any kind, about few things, so that facts meet.
Event any_fact(std::mt19937& random, const Conversation& now) {
    const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    const auto name = [&](const char* what) { return what + std::to_string(below(3)); };
    const std::vector<CartLine> lines{{.product_id = ProductId(name("p")),
                                       .product_name = "Coffee",
                                       .quantity = 2,
                                       .unit_price = kes(100)}};
    switch (below(21)) {
        case 0:
            return Spoke{.inbound_id = name("wamid"),
                         .kind = static_cast<SpokenKind>(below(12)),
                         .outcome = static_cast<SpokenOutcome>(below(7)),
                         .sent_at = kNow + std::chrono::seconds(below(9)),
                         .text = name("words")};
        case 1:
        case 2:
            return advance(now.state, static_cast<Lifecycle>(below(8)));
        case 3:
            return NodeEntered{.node = name("node"), .retries = below(3)};
        case 4:
            return HintGiven{.node = name("node")};
        case 5:
            return VariableCaptured{.name = below(2) ? variable::kOrderNumber : variable::kLanguage,
                                    .value = name("value")};
        case 6:
            return reply(name("m"));
        case 7:
            return Escalated{.reason = "angry"};
        case 8:
            return FollowUpRequested{.task_id = TaskId(name("t")), .kind = "custom"};
        case 9:
            return CartChanged{.lines = lines};
        case 10:
            return UnclearItemsChanged{.items = {{name("words"), below(2)}}};
        case 11:
            return StockRequested{.reservation_id = ReservationId(name("r")),
                                  .lines = lines,
                                  .paid_order_id = OrderId(below(2) ? "" : name("o")),
                                  .order_id = OrderId(name("o"))};
        case 12: {
            CheckoutRequested checkout;
            checkout.order_id = OrderId(name("o"));
            checkout.reservation_id = ReservationId(name("r"));
            checkout.lines = lines;
            checkout.address = name("street");
            checkout.pay_later = below(2) == 0;
            return checkout;
        }
        case 13:
            return OrderTaken{.order_id = OrderId(name("o")), .total = kes(200)};
        case 14:
            return OrderOffered{.order_id = OrderId(name("o")), .order_number = name("ORD")};
        case 15:
            return OrderWaitEnded{.order_id = OrderId(name("o")),
                                  .reason = static_cast<OrderWaitEnd>(below(5))};
        case 16:
            return PaymentNoted{.intent_id = IntentId(below(2) ? "" : name("i")),
                                .order_id = OrderId(name("o")),
                                .news = static_cast<PaymentNews>(below(6)),
                                .amount = kes(below(3))};
        case 17:
            return BookingRequested{.booking_id = BookingId(name("b")),
                                    .service_id = ServiceId(name("s")),
                                    .starts_at = kNow,
                                    .moving = below(2) == 0,
                                    .name = name("person")};
        case 18:
            return BookingCancelRequested{.booking_id = BookingId(name("b"))};
        case 19:
            return BookingNoted{.booking_id = BookingId(name("b")),
                                .news = static_cast<BookingNews>(below(5)),
                                .number = name("BK"),
                                .starts_at = kNow};
        default:
            return give_back(name("r"));
    }
}

TEST(DialogueTurn, FoldsToWhatItsFactsFoldToWhateverTheyAre) {
    for (unsigned seed = 0; seed < 300; ++seed) {
        std::mt19937 random(seed);
        Conversation direct;
        ConversationCodec::State stored;
        for (int step = 0; step < 12; ++step) {
            std::vector<Event> facts;
            if (step == 0) facts.emplace_back(opened());
            auto now = step == 0 ? evolve(direct, facts[0]) : direct;
            const auto many = random() % 10;
            while (facts.size() < many) {
                const auto fact = any_fact(random, now);
                try {
                    now = evolve(now, fact);
                } catch (const CorruptStream&) {  // no rule decides this here
                    if (now.state == Lifecycle::closed) break;
                    continue;
                }
                facts.push_back(fact);
            }
            direct = now;
            stored = folded(std::move(stored), encode(facts, kNow));
            ASSERT_TRUE(stored.later.empty()) << "seed " << seed << " step " << step;
            ASSERT_EQ(static_cast<const Conversation&>(stored), direct)
                << "seed " << seed << " step " << step;
        }
    }
}

TEST(Derive, ContentTellsEveryReplicaAndConversationsTellNobody) {
    eventlog::Derived rows;
    derive({"duka", category::kProduct, "coffee"}, 0, {}, rows);
    ASSERT_EQ(rows.settings.size(), 1u);
    EXPECT_EQ(rows.settings[0].key, "product/coffee");
    derive({"duka", category::kConversation, "c"}, 0, {}, rows);
    derive({"duka", category::kReservation, "r"}, 0, {}, rows);
    EXPECT_EQ(rows.settings.size(), 1u);
}

}  // namespace
}  // namespace flowstack::conversation
