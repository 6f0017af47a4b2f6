#include "services/conversation/adapters/codec.h"

#include <gtest/gtest.h>

#include "common/core/corrupt_stream.h"
#include "services/conversation/adapters/derive.h"
#include "tests/unit/conversation/chat.h"

namespace flowstack::conversation {
namespace {

constexpr Time kNow = from_unix_seconds(1'750'000'000);

void round_trip(const Event& event) {
    const auto stored = encode(event, kNow);
    EXPECT_TRUE(stored.type.starts_with("flowstack.conversation.v1.")) << stored.type;
    EXPECT_EQ(decode_event(stored.type, stored.payload), event) << stored.type;
}

TEST(Codec, EveryFactOfAConversationComesBackAsItWas) {
    const std::vector<CartLine> cart{
        {.product_id = "p", .product_name = "Coffee", .quantity = 2, .unit_price = kes(100)}};
    round_trip(Opened{.conversation_id = ConversationId("c"),
                      .customer_id = CustomerId("cu"),
                      .channel_id = ChannelId("ch"),
                      .flow_key = "ECOMMERCE",
                      .flow_version = 3,
                      .language = "sw",
                      .previous_conversation_id = ConversationId("before")});
    round_trip(Spoke{.inbound_id = "wamid",
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

template <class Codec, class Domain, class Fact>
void same_fold(const Domain& before, const Fact& fact, const typename Codec::State& state) {
    const auto stored = encode(fact, kNow);
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
    same_fold<CustomerCodec>(
        Customer{},
        CustomerEvent{CustomerSeen{
            .customer_id = CustomerId("cu"), .language = "en", .name = "Amina", .phone = "+254"}},
        Customer{});
    same_fold<CustomerCodec>(amina, CustomerEvent{changed}, amina);
    same_fold<CustomerCodec>(
        amina,
        CustomerEvent{
            CustomerTagged{.customer_id = CustomerId("cu"), .added = {"vip"}, .removed = {"old"}}},
        amina);
    same_fold<CustomerCodec>(
        amina,
        CustomerEvent{CustomerConversationStarted{.customer_id = CustomerId("cu"),
                                                  .conversation_id = ConversationId("c2")}},
        amina);

    auto shelf = product_of("p", "Coffee", 100, {}, 5);
    const StoredProduct stored{shelf, kNow};
    same_fold<ProductCodec>(shelf,
                            ProductEvent{ProductSaved{.product_id = "p",
                                                      .name = "Fine Coffee",
                                                      .aliases = {"a"},
                                                      .price = kes(5),
                                                      .description = "d",
                                                      .image_url = "i",
                                                      .active = false}},
                            stored);
    same_fold<ProductCodec>(shelf, ProductEvent{StockSet{.product_id = "p", .on_hand = 0}}, stored);
    same_fold<ProductCodec>(
        shelf, ProductEvent{StockSet{.product_id = "p", .on_hand = std::nullopt}}, stored);
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
    EXPECT_THROW(decode_event("flowstack.conversation.v1.SomethingNew", ""), CorruptStream);
    EXPECT_THROW(CustomerCodec::evolve({}, "x", "", kNow), CorruptStream);
    EXPECT_THROW(ProductCodec::evolve({}, "x", "", kNow), CorruptStream);
    EXPECT_THROW(ReservationCodec::evolve({}, "x", "", kNow), CorruptStream);
    EXPECT_THROW(TemplateCodec::evolve({}, "x", "", kNow), CorruptStream);
    EXPECT_THROW(FlowCodec::evolve({}, "x", "", kNow), CorruptStream);
    const auto spoke = encode(Event{Spoke{}}, kNow);
    EXPECT_THROW(decode_event(spoke.type, "\xff\xff"), CorruptStream);
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
