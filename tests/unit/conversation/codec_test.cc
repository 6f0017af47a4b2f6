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
    const std::vector<CartLine> cart{{"p", "Coffee", 2, kes(100)}};
    round_trip(Opened{"c", "cu", "ch", "ECOMMERCE", 3, "sw", "before"});
    round_trip(Spoke{"wamid", "tap", "m:1", "answered", kNow, kNow, "Hi"});
    round_trip(Advanced{Lifecycle::engaged, Lifecycle::awaiting_customer, "why"});
    round_trip(NodeEntered{"quantity", 2});
    round_trip(VariableCaptured{"address", "Moi Avenue"});
    round_trip(CartChanged{cart});
    ReplyRequested reply;
    reply.message_id = "m";
    reply.conversation_id = "c";
    reply.customer_id = "cu";
    reply.channel_id = "ch";
    reply.idempotency_key = "auto-reply:wamid:1";
    reply.template_key = "greeting";
    reply.template_version = 4;
    reply.kind = "reply";
    reply.purpose = "service";
    reply.window_evidence = kNow;
    reply.expects_answer = true;
    reply.taps = {{0, "view", "x", "View"}};
    reply.nothing_inbound_since = kNow;
    reply.task_id = "t";
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
    round_trip(StockRequested{"r", "c", "cu", cart, ""});
    round_trip(StockRequested{"r", "c", "cu", cart, "o"});
    round_trip(CheckoutRequested{"o", "c", "cu", "ch", "r", cart, "KES", "mpesa", "en", "old",
                                 "Amina", "Moi Avenue", "+254712345678"});
    StockRequested for_an_order{"r", "c", "cu", cart, ""};
    for_an_order.order_id = "o";
    round_trip(for_an_order);
    CheckoutRequested later{"o", "c", "cu", "ch", "", cart, "KES"};
    later.pay_later = true;
    round_trip(later);
    round_trip(OrderTaken{"o", kes(200), kNow});
    round_trip(OrderOffered{"o", "ORD-7K2M9Q"});
    round_trip(OrderWaitEnded{"o", "paid"});
    round_trip(HintGiven{"quantity"});
    round_trip(UnclearItemsChanged{{{"blorps", 3}, {"5000 soap", 0}}});
    round_trip(UnclearItemsChanged{});
    for (const auto news : {PaymentNews::started, PaymentNews::unclear, PaymentNews::let_go,
                            PaymentNews::paid, PaymentNews::failed, PaymentNews::expired})
        round_trip(PaymentNoted{"i", "o", news, kes(200), "ORD-7K2M9Q"});
    round_trip(Escalated{"angry"});
    round_trip(FollowUpRequested{"t", "c", "cu", "ch", "custom", kNow, "en", "Come by"});
    round_trip(ReservationEndRequested{"r", true, "paid"});
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
    const Customer amina{.id = "cu",
                         .language = "en",
                         .name = "Amina",
                         .phone = "",
                         .address = "",
                         .tags = {},
                         .conversation_id = ""};
    CustomerChanged changed{"cu", "sw", "Amina W", "+254700000000", "Moi Avenue"};
    same_fold<CustomerCodec>(Customer{}, CustomerEvent{CustomerSeen{"cu", "en", "Amina", "+254"}},
                             Customer{});
    same_fold<CustomerCodec>(amina, CustomerEvent{changed}, amina);
    same_fold<CustomerCodec>(amina, CustomerEvent{CustomerTagged{"cu", {"vip"}, {"old"}}}, amina);
    same_fold<CustomerCodec>(amina, CustomerEvent{CustomerConversationStarted{"cu", "c2"}}, amina);

    auto shelf = product_of("p", "Coffee", 100, {}, 5);
    const StoredProduct stored{shelf, kNow};
    same_fold<ProductCodec>(
        shelf, ProductEvent{ProductSaved{"p", "Fine Coffee", {"a"}, kes(5), "d", "i", false}},
        stored);
    same_fold<ProductCodec>(shelf, ProductEvent{StockSet{"p", 0}}, stored);
    same_fold<ProductCodec>(shelf, ProductEvent{StockSet{"p", std::nullopt}}, stored);
    same_fold<ProductCodec>(shelf, ProductEvent{StockHeld{"r", 2}}, stored);
    shelf.held["r"] = 2;
    same_fold<ProductCodec>(shelf, ProductEvent{StockFreed{"r", 2}}, {shelf, kNow});
    same_fold<ProductCodec>(shelf, ProductEvent{StockTaken{"r", 2}}, {shelf, kNow});
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
