#include "common/eventlog/fact.h"

#include <gtest/gtest.h>

#include "flowstack/conversation/v1/content_events.pb.h"
#include "flowstack/conversation/v1/customer_events.pb.h"
#include "flowstack/payment/v1/intent_events.pb.h"

// Facts of this test, stored as messages of payment.
namespace flowstack::eventlog {

enum class Why { contradicted, unknown, never_stored };
constexpr auto wire_values(Why) {
    return std::array{std::pair{Why::contradicted, payment::v1::PERSON_NEEDED_REASON_CONTRADICTED},
                      std::pair{Why::unknown, payment::v1::PERSON_NEEDED_REASON_OUTCOME_UNKNOWN}};
}

struct Needed {
    IntentId intent_id;
    OrderId order_id;
    std::string number;
    Money amount;
    Why reason = Why::unknown;
    bool operator==(const Needed&) const = default;
};
FLOWSTACK_FACT(Needed, payment::v1::PaymentNeedsPerson) {
    FACT_FIELD(intent_id);
    FACT_FIELD(order_id);
    FACT_FIELD_AS(number, order_number);
    FACT_FIELD(amount);
    FACT_FIELD(reason);
}

struct Reference {
    std::string id;
    bool operator==(const Reference&) const = default;
};
FLOWSTACK_FACT(Reference, payment::v1::ProviderRef) { FACT_FIELD(id); }

struct Accepted {
    Reference ref;
    std::optional<Time> next_poll_at;
    Time expires_at{};
    bool operator==(const Accepted&) const = default;
};
FLOWSTACK_FACT(Accepted, payment::v1::AskAccepted) {
    FACT_FIELD(ref);
    FACT_TIME(next_poll_at);
    FACT_TIME(expires_at);
}

struct Requested {
    std::string phone;
    bool operator==(const Requested&) const = default;
};
FLOWSTACK_FACT(Requested, payment::v1::AskRequested) { FACT_PERSONAL(phone); }

// A fact that is one struct, with durations and a part that may be missing.
struct Span {
    Micros late_after{0};
    std::chrono::seconds wait{0};
    std::vector<OrderId> orders;
    bool operator==(const Span&) const = default;
};
struct Spanned {
    Span span;
    bool operator==(const Spanned&) const = default;
};
struct Failed {
    Reference ref;
    bool operator==(const Failed&) const = default;
};
FLOWSTACK_FACT(Failed, payment::v1::IntentFailed) { FACT_SET(ref); }

// The wire's side of Span: no message of payment has durations.
struct SpanWire {
    std::int64_t late_after_seconds_ = 0, wait_s_ = 0;
    google::protobuf::RepeatedPtrField<std::string> orders_;
    std::int64_t late_after_seconds() const { return late_after_seconds_; }
    void set_late_after_seconds(std::int64_t n) { late_after_seconds_ = n; }
    std::int64_t wait_s() const { return wait_s_; }
    void set_wait_s(std::int64_t n) { wait_s_ = n; }
    const auto& orders() const { return orders_; }
    auto* mutable_orders() { return &orders_; }
};
FLOWSTACK_FACT(Span, SpanWire) {
    FACT_DURATION(late_after, late_after_seconds, std::chrono::seconds);
    FACT_DURATION(wait, wait_s, std::chrono::seconds);
    FACT_FIELD(orders);
}
FLOWSTACK_FACT(Spanned, SpanWire) { describe(fact.span, message); }

struct Renamed {
    std::optional<std::string> language;
    std::optional<std::string> name;
    bool operator==(const Renamed&) const = default;
};
FLOWSTACK_FACT(Renamed, conversation::v1::CustomerChanged) {
    FACT_OPTIONAL(language);
    FACT_PERSONAL_OPTIONAL(name);
}

struct Counted {
    std::optional<std::int64_t> on_hand;
    bool operator==(const Counted&) const = default;
};
FLOWSTACK_FACT(Counted, conversation::v1::StockSet) { FACT_OPTIONAL(on_hand); }

namespace {

using Event = std::variant<Needed, Accepted, Requested, Renamed, Counted>;

const Time kAt = from_unix_micros(1'700'000'000'123'456);

Event there_and_back(const Event& event) {
    const auto stored = stored_fact(event, kAt);
    return recorded_fact<Event>("test", stored.type, stored.payload);
}

TEST(Fact, ComesBackAsItWasWritten) {
    const std::vector<Event> events{
        Needed{.intent_id = IntentId("i1"),
               .order_id = OrderId("o1"),
               .number = "ORD-1",
               .amount = {100'000, Currency::kes},
               .reason = Why::contradicted},
        Accepted{.ref = {.id = "ws_CO_1"}, .next_poll_at = kAt, .expires_at = kAt},
        Accepted{.ref = {}, .next_poll_at = std::nullopt, .expires_at = Time{}},
        Requested{.phone = "+254700000001"},
        Renamed{.language = "sw", .name = "Amina"},
        Renamed{.language = "", .name = ""},
        Renamed{},
        Counted{.on_hand = 0},
        Counted{},
    };
    for (const auto& event : events) EXPECT_TRUE(there_and_back(event) == event);
}

TEST(Fact, IsStoredAsItsMessageUnderTheMessagesName) {
    const auto stored = stored_fact(Requested{.phone = "+254700000001"}, kAt);
    EXPECT_EQ(stored.type, "flowstack.payment.v1.AskRequested");
    EXPECT_EQ(stored.occurred_at, kAt);
    EXPECT_EQ(parsed<payment::v1::AskRequested>(stored.payload).personal().phone(),
              "+254700000001");
}

TEST(Fact, ThatIsOneStructIsDescribedByIt) {
    const Spanned fact{{.late_after = std::chrono::seconds{7},
                        .wait = std::chrono::seconds{9},
                        .orders = {OrderId("o1"), OrderId("o2")}}};
    const auto message = wire(fact);
    Spanned back;
    describe(back, message);
    EXPECT_EQ(back, fact);
    EXPECT_EQ(message.late_after_seconds(), 7);
}

TEST(Fact, NeverShortensAWaitThatItsUnitCannotHold) {
    EXPECT_EQ(wire(Span{.late_after = Micros{1'000'001}}).late_after_seconds(), 2);
}

TEST(Fact, LeavesAPartUnsetThatSaysNothing) {
    EXPECT_FALSE(wire(Failed{}).has_ref());
    EXPECT_TRUE(wire(Failed{.ref = {.id = "ws_CO_1"}}).has_ref());
    EXPECT_FALSE(wire(Requested{}).has_personal());
    EXPECT_TRUE(wire(Requested{.phone = "+254700000001"}).has_personal());
}

TEST(Fact, OfAnUnknownTypeOrOfBrokenBytesIsCorrupt) {
    EXPECT_THROW(recorded_fact<Event>("test", "flowstack.payment.v1.IntentPaid", ""),
                 CorruptStream);
    EXPECT_THROW(recorded_fact<Event>("test", "flowstack.payment.v1.AskRequested", "\xff"),
                 CorruptStream);
}

TEST(Fact, WithAnEnumValueThatHasNoNameIsRefusedBothWays) {
    EXPECT_THROW(
        stored_fact(Needed{.amount = {1, Currency::kes}, .reason = Why::never_stored}, kAt),
        std::invalid_argument);
    payment::v1::PaymentNeedsPerson message;
    message.mutable_amount()->set_currency_code("KES");
    message.set_reason(static_cast<payment::v1::PersonNeededReason>(77));
    EXPECT_THROW(fact_of<Needed>(message.SerializeAsString()), std::invalid_argument);
}

TEST(Fact, WithAnUnknownCurrencyIsRefused) {
    payment::v1::PaymentNeedsPerson message;
    message.mutable_amount()->set_currency_code("XXX");
    EXPECT_THROW(fact_of<Needed>(message.SerializeAsString()), std::invalid_argument);
}

static_assert(!std::is_assignable_v<IntentId&, OrderId>);
static_assert(!std::is_convertible_v<std::string, IntentId>);
static_assert(!std::is_convertible_v<OrderId, IntentId>);

}  // namespace
}  // namespace flowstack::eventlog
