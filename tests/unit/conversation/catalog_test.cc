#include "services/conversation/domain/trades/shop/catalog.h"

#include <gtest/gtest.h>

#include "common/core/corrupt_stream.h"
#include "tests/unit/conversation/chat.h"

namespace flowstack::conversation {
namespace {

using Products = std::map<ProductId, Product>;

const ProductId kA("a");
const ProductId kB("b");

ReserveStock want(const std::string& id, std::vector<ReservedLine> lines) {
    return {.reservation_id = ReservationId(id),
            .conversation_id = ConversationId("conv"),
            .customer_id = CustomerId("cust"),
            .lines = std::move(lines)};
}

// What an append would make of a decision.
void apply(Products& products, const StockDecision& decision) {
    for (const auto& [id, events] : decision.products)
        for (const auto& event : events) products[id] = evolve(products[id], event);
}
Reservation after(Reservation r, const StockDecision& decision) {
    for (const auto& event : decision.reservation) r = evolve(r, event);
    return r;
}

TEST(Stock, TwoChatsCannotTakeTheLastItem) {
    Products products{{kA, product_of("a", "A", 100, {}, 1)}};
    const auto first = decide(Reservation{}, products, want("r1", {{kA, 1}}));
    ASSERT_TRUE(std::holds_alternative<StockReserved>(first.reservation.at(0)));
    apply(products, first);
    const auto second = decide(Reservation{}, products, want("r2", {{kA, 1}}));
    EXPECT_EQ(second.reservation.at(0),
              (ReservationEvent{StockRefused{.reservation_id = ReservationId("r2"),
                                             .conversation_id = ConversationId("conv"),
                                             .customer_id = CustomerId("cust"),
                                             .product_id = kA,
                                             .available = 0}}));
    EXPECT_TRUE(second.products.empty());
}

TEST(Stock, IsReservedWholeOrNotAtAll) {
    Products products{{kA, product_of("a", "A", 100, {}, 5)},
                      {kB, product_of("b", "B", 100, {}, 1)}};
    const auto decision = decide(Reservation{}, products, want("r", {{kA, 2}, {kB, 2}}));
    EXPECT_EQ(decision.reservation.at(0),
              (ReservationEvent{StockRefused{.reservation_id = ReservationId("r"),
                                             .conversation_id = ConversationId("conv"),
                                             .customer_id = CustomerId("cust"),
                                             .product_id = kB,
                                             .available = 1}}));
    EXPECT_TRUE(decision.products.empty());
}

TEST(Stock, LinesOfOneProductAreCountedTogether) {
    Products products{{kA, product_of("a", "A", 100, {}, 3)}};
    EXPECT_TRUE(std::holds_alternative<StockRefused>(
        decide(Reservation{}, products, want("r", {{kA, 2}, {kA, 2}})).reservation.at(0)));
}

TEST(Stock, UnlimitedIsNotCounted) {
    Products products{{kA, product_of("a", "A", 100)}};
    const auto decision = decide(Reservation{}, products, want("r", {{kA, 999}}));
    EXPECT_TRUE(std::holds_alternative<StockReserved>(decision.reservation.at(0)));
    EXPECT_TRUE(decision.products.empty());
}

TEST(Stock, WhatIsGoneOrNotActiveIsRefused) {
    auto inactive = product_of("a", "A", 100);
    inactive.active = false;
    EXPECT_TRUE(std::holds_alternative<StockRefused>(
        decide(Reservation{}, Products{{kA, inactive}}, want("r", {{kA, 1}})).reservation.at(0)));
    EXPECT_TRUE(std::holds_alternative<StockRefused>(
        decide(Reservation{}, Products{}, want("r", {{kA, 1}})).reservation.at(0)));
}

TEST(Stock, IsAnsweredOnceForAReservation) {
    Products products{{kA, product_of("a", "A", 100, {}, 3)}};
    const auto first = decide(Reservation{}, products, want("r", {{kA, 1}}));
    EXPECT_EQ(decide(after({}, first), products, want("r", {{kA, 1}})), StockDecision{});
}

TEST(Stock, ComesBackWhenThePaymentFailsAndGoesWhenItIsSold) {
    Products products{{kA, product_of("a", "A", 100, {}, 3)}};
    const auto held = decide(Reservation{}, products, want("r", {{kA, 2}}));
    apply(products, held);
    EXPECT_EQ(products[kA].available(), 1);
    auto reservation = after({}, held);

    auto released = products;
    const auto freed = decide(reservation, released,
                              EndReservation{.reservation_id = ReservationId("r"),
                                             .sold = false,
                                             .reason = ReservationEnd::payment_failed});
    apply(released, freed);
    EXPECT_EQ(released[kA].available(), 3);
    EXPECT_EQ(released[kA].on_hand, 3);
    EXPECT_EQ(decide(after(reservation, freed), released,
                     EndReservation{.reservation_id = ReservationId("r"),
                                    .sold = false,
                                    .reason = ReservationEnd::cancelled}),
              StockDecision{});

    const auto sold = decide(
        reservation, products,
        EndReservation{
            .reservation_id = ReservationId("r"), .sold = true, .reason = ReservationEnd::paid});
    apply(products, sold);
    EXPECT_EQ(products[kA].available(), 1);
    EXPECT_EQ(products[kA].on_hand, 1);
    EXPECT_EQ(products[kA].reserved(), 0);
}

TEST(Stock, ALateSaleTakesWhatWasGivenBackEvenBelowZero) {
    Products products{{kA, product_of("a", "A", 100, {}, 1)}};
    const auto held = decide(Reservation{}, products, want("r", {{kA, 1}}));
    apply(products, held);
    auto reservation = after({}, held);
    const auto freed = decide(reservation, products,
                              EndReservation{.reservation_id = ReservationId("r"),
                                             .sold = false,
                                             .reason = ReservationEnd::payment_expired});
    apply(products, freed);
    reservation = after(reservation, freed);
    products[kA] = evolve(products[kA], StockSet{.product_id = kA, .on_hand = 0});
    const auto late = decide(
        reservation, products,
        EndReservation{
            .reservation_id = ReservationId("r"), .sold = true, .reason = ReservationEnd::paid});
    apply(products, late);
    EXPECT_EQ(products[kA].on_hand, -1);
    EXPECT_EQ(after(reservation, late).stage, ReservationStage::sold);
}

TEST(Stock, WhatWasSoldAndIsCancelledComesBackOnce) {
    const ProductId b("b");
    Products products{{kA, product_of("a", "A", 100, {}, 5)}, {b, product_of("b", "B", 100)}};
    const EndReservation sell{
        .reservation_id = ReservationId("r"), .sold = true, .reason = ReservationEnd::paid};
    const EndReservation cancel{
        .reservation_id = ReservationId("r"), .sold = false, .reason = ReservationEnd::cancelled};
    Reservation reservation;
    const auto apply_all = [&](const StockDecision& decision) {
        apply(products, decision);
        reservation = after(reservation, decision);
    };
    apply_all(decide(reservation, products, want("r", {{kA, 2}, {b, 1}})));
    apply_all(decide(reservation, products, sell));
    EXPECT_EQ(products[kA].on_hand, 3);
    // Only a cancellation brings it back: a payment that failed after it was paid is none.
    EXPECT_EQ(decide(reservation, products,
                     EndReservation{.reservation_id = ReservationId("r"),
                                    .sold = false,
                                    .reason = ReservationEnd::payment_failed}),
              StockDecision{});
    apply_all(decide(reservation, products, cancel));
    EXPECT_EQ(products[kA].on_hand, 5);
    EXPECT_FALSE(products[b].on_hand) << "what is not counted does not come back";
    for (const auto& again : {cancel, sell})
        EXPECT_EQ(decide(reservation, products, again), StockDecision{});
}

TEST(Stock, ImpossibleHistoryIsRefused) {
    EXPECT_THROW(evolve(Product{}, StockSet{.product_id = kA, .on_hand = 1}), CorruptStream);
    EXPECT_THROW(evolve(product_of("a", "A", 1, {}, 1),
                        StockFreed{.reservation_id = ReservationId("r"), .quantity = 1}),
                 CorruptStream);
    EXPECT_THROW(
        evolve(Reservation{}, StockSold{.reservation_id = ReservationId("r"), .lines = {}}),
        CorruptStream);
}

TEST(Product, IsCheckedFieldByField) {
    EXPECT_TRUE(check(ProductSaved{.product_id = kA,
                                   .name = "A",
                                   .aliases = {},
                                   .price = kes(100),
                                   .description = "",
                                   .image_url = "",
                                   .active = true})
                    .empty());
    EXPECT_EQ(check(ProductSaved{.product_id = kA,
                                 .name = "",
                                 .aliases = {},
                                 .price = kes(100),
                                 .description = "",
                                 .image_url = "",
                                 .active = true})
                  .at(0)
                  .field,
              "display_name");
    EXPECT_EQ(check(ProductSaved{.product_id = kA,
                                 .name = "A",
                                 .aliases = {},
                                 .price = kes(0),
                                 .description = "",
                                 .image_url = "",
                                 .active = true})
                  .at(0)
                  .field,
              "price");
    EXPECT_EQ(check(ProductSaved{.product_id = kA,
                                 .name = "A",
                                 .aliases = {""},
                                 .price = kes(1),
                                 .description = "",
                                 .image_url = "",
                                 .active = true})
                  .at(0)
                  .field,
              "aliases[0]");
    EXPECT_EQ(check(ProductSaved{.product_id = kA,
                                 .name = "A",
                                 .aliases = {},
                                 .price = kes(1),
                                 .description = "",
                                 .image_url = "http://x",
                                 .active = true})
                  .at(0)
                  .field,
              "image_url");
    EXPECT_EQ(check(StockSet{.product_id = kA, .on_hand = -1}).at(0).field, "on_hand");
    EXPECT_EQ(check(PromotionSaved{.promotion_id = PromotionId("p"), .text = {}, .active = true})
                  .at(0)
                  .field,
              "text");
}

TEST(Totals, AreTaxedOnceAndRoundedToWholeShillings) {
    const std::vector<CartLine> lines{{kA, "A", 3, kes(3'333)}, {kB, "B", 1, kes(1)}};
    const auto t = totals_of(lines, 1600, Currency::kes);
    EXPECT_EQ(t.subtotal, kes(10'000));
    EXPECT_EQ(t.tax, kes(1'600));
    EXPECT_EQ(t.total, kes(11'600));
    EXPECT_EQ(totals_of({{kA, "A", 1, kes(49)}}, 0, Currency::kes).total, kes(100));
    EXPECT_EQ(totals_of({{kA, "A", 1, {149, Currency::usd}}}, 0, Currency::usd).total,
              (Money{149, Currency::usd}));
}

}  // namespace
}  // namespace flowstack::conversation
