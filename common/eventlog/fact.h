#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "common/core/corrupt_stream.h"
#include "common/core/id.h"
#include "common/core/money.h"
#include "common/core/time.h"
#include "common/eventlog/payload.h"
#include "flowstack/common/v1/money.pb.h"

// A fact of a service's rules and the protobuf message that stores it, described once and used in
// both directions.
//
//   FLOWSTACK_FACT(IntentCreated, v1::IntentCreated) {
//       FACT_FIELD(intent_id);                 // fact.intent_id    <-> message.intent_id
//       FACT_FIELD(amount);                    // Money, ids, enums, lists, described structs
//       FACT_FIELD_AS(number, order_number);   // fact.number       <-> message.order_number
//       FACT_TIME(expires_at);                 // fact.expires_at   <-> message.expires_at_us
//       FACT_DURATION(wait, wait_s, seconds);  // fact.wait         <-> message.wait_s
//       FACT_SET(error);                       // a part that stays unset while it says nothing
//       FACT_PERSONAL(phone);                  // fact.phone        <-> message.personal.phone
//       FACT_OPTIONAL(on_hand);                // an optional member <-> an optional field
//   }
//
// A fact that is one struct (TaskScheduled holds a Plan) describes the struct as the message, and
// itself by `describe(fact.plan, message)`. What no macro can say is written by hand, with
// `if constexpr (std::is_const_v<FactOrConst>)` for the direction towards the message.
//
// The description stands in the namespace of the fact, in the service's codec. A struct that is a
// field of a fact (an order's line) is described in the same way, before the fact. Then
//
//   stored_fact(fact, at)                      a fact or a variant of facts as a new event
//   recorded_fact<OrderEvent>("order", type, payload)   the variant's alternative of that type
//
// An enum that has a wire enum names the pairs once:
//
//   constexpr auto wire_values(Resolution) {
//       return std::array{std::pair{Resolution::paid, v1::PAYMENT_OUTCOME_PAID},
//                         std::pair{Resolution::failed, v1::PAYMENT_OUTCOME_FAILED}};
//   }
namespace flowstack::eventlog {

// ---- one value, in both directions

template <class Fact>
concept Described = requires(const Fact& fact) { wire_type_of(fact); };
template <class Fact>
using WireOf = decltype(wire_type_of(std::declval<const Fact&>()));

template <class Enum>
concept WireEnum = std::is_enum_v<Enum> && requires(Enum value) { wire_values(value); };

inline void write(const std::string& value, std::string& wire) { wire = value; }
inline void read(const std::string& wire, std::string& value) { value = wire; }

template <class Kind>
void write(const Id<Kind>& value, std::string& wire) {
    wire = value.text();
}
template <class Kind>
void read(const std::string& wire, Id<Kind>& value) {
    value = Id<Kind>(wire);
}

template <std::same_as<common::v1::Money> Wire>
void write(Money value, Wire& wire) {
    wire.set_minor_units(value.minor_units);
    wire.set_currency_code(std::string(currency_code(value.currency)));
}
// Throws std::invalid_argument for a currency that we do not know.
template <std::same_as<common::v1::Money> Wire>
void read(const Wire& wire, Money& value) {
    const auto currency = parse_currency(wire.currency_code());
    if (!currency) throw std::invalid_argument("unknown currency " + wire.currency_code());
    value = {wire.minor_units(), *currency};
}

template <Described Fact>
void write(const Fact& value, WireOf<Fact>& wire) {
    describe(value, wire);
}
template <Described Fact>
void read(const WireOf<Fact>& wire, Fact& value) {
    describe(value, wire);
}

// Scalars have setters on the wire. Throws std::invalid_argument for an enum's value without a
// pair.
template <class Wire, class Value>
Wire wire_scalar(const Value& value) {
    if constexpr (WireEnum<Value>) {
        for (const auto& [ours, theirs] : wire_values(value))
            if (ours == value) return theirs;
        throw std::invalid_argument("an enum has no wire value for " +
                                    std::to_string(static_cast<int>(value)));
    } else {
        static_assert(std::is_arithmetic_v<Value>, "this type has no wire form: see fact.h");
        return static_cast<Wire>(value);
    }
}
template <class Wire, class Value>
    requires(std::is_arithmetic_v<Wire> || std::is_enum_v<Wire>)
void read(Wire wire, Value& value) {
    if constexpr (WireEnum<Value>) {
        for (const auto& [ours, theirs] : wire_values(Value{}))
            if (theirs == wire) {
                value = ours;
                return;
            }
        throw std::invalid_argument("unknown value of an enum: " +
                                    std::to_string(static_cast<int>(wire)));
    } else {
        static_assert(std::is_arithmetic_v<Value>, "this type has no wire form: see fact.h");
        value = static_cast<Value>(wire);
    }
}

template <class Value, class Wire>
void write(const std::vector<Value>& values, Wire& wire) {
    for (const auto& value : values) {
        if constexpr (std::is_arithmetic_v<Value> || WireEnum<Value>)
            wire.Add(wire_scalar<typename Wire::value_type>(value));
        else
            write(value, *wire.Add());
    }
}
template <class Value, class Wire>
void read(const Wire& wire, std::vector<Value>& values) {
    values.clear();
    for (const auto& item : wire) {
        read(item, values.emplace_back());
    }
}
template <class Wire>
void write(const std::map<std::string, std::string>& values, Wire& wire) {
    wire.insert(values.begin(), values.end());
}
template <class Wire>
void read(const Wire& wire, std::map<std::string, std::string>& values) {
    values = {wire.begin(), wire.end()};
}

// Times are microseconds since 1970 on the wire; 0 is "none".
inline std::int64_t wire_time(Time at) { return unix_micros(at); }
inline std::int64_t wire_time(const std::optional<Time>& at) { return at ? unix_micros(*at) : 0; }
inline void read_time(std::int64_t us, Time& at) { at = from_unix_micros(us); }
inline void read_time(std::int64_t us, std::optional<Time>& at) {
    at = us == 0 ? std::nullopt : std::optional(from_unix_micros(us));
}

// Counts of `Unit` on the wire, rounded up: a wait is never shorter than what was asked for.
template <class Unit, class Duration>
std::int64_t wire_count(const Duration& duration) {
    return std::chrono::ceil<Unit>(duration).count();
}

// A value that says nothing: personal fields and FACT_SET leave the message's part unset then.
template <class Value>
bool says_nothing(const Value& value) {
    if constexpr (requires { value.empty(); })
        return value.empty();
    else
        return value == Value{};
}

// ---- whole facts

template <Described Fact>
WireOf<Fact> wire(const Fact& fact) {
    WireOf<Fact> message;
    describe(fact, message);
    return message;
}
// Throws CorruptStream for bytes that are no such message, std::invalid_argument for a value that
// the fact cannot hold.
template <Described Fact>
Fact fact_of(std::string_view payload) {
    const auto message = parsed<WireOf<Fact>>(payload);
    Fact fact{};
    describe(fact, message);
    return fact;
}

template <Described Fact>
NewEvent stored_fact(const Fact& fact, Time at) {
    return stored(wire(fact), at);
}
template <class... Facts>
NewEvent stored_fact(const std::variant<Facts...>& event, Time at) {
    return std::visit([&](const auto& fact) { return stored_fact(fact, at); }, event);
}

namespace detail {
template <class Event, class... Facts>
bool read_alternative(std::string_view type, std::string_view payload, std::optional<Event>& event,
                      const std::variant<Facts...>*) {
    const auto try_one = [&]<class Fact>(std::type_identity<Fact>) {
        if (!is<WireOf<Fact>>(type)) return false;
        event.emplace(fact_of<Fact>(payload));
        return true;
    };
    return (try_one(std::type_identity<Facts>()) || ...);
}
}  // namespace detail

// The variant's alternative that is stored as `type`. Throws CorruptStream if there is none.
template <class Event>
Event recorded_fact(std::string_view stream, std::string_view type, std::string_view payload) {
    std::optional<Event> event;
    if (!detail::read_alternative(type, payload, event, static_cast<const Event*>(nullptr)))
        throw CorruptStream(std::string(stream) + ": unknown event " + std::string(type));
    return std::move(*event);
}

}  // namespace flowstack::eventlog

// Describes one fact; its body is a list of the macros below. `fact` is const when it is written.
#define FLOWSTACK_FACT(Fact, Wire)                                       \
    Wire wire_type_of(const Fact&);                                      \
    template <class FactOrConst, class WireOrConst>                      \
        requires(std::same_as<std::remove_const_t<FactOrConst>, Fact> && \
                 std::same_as<std::remove_const_t<WireOrConst>, Wire>)   \
    void describe([[maybe_unused]] FactOrConst& fact, [[maybe_unused]] WireOrConst& message)

// fact.member <-> message.field, where the message's field has another name than the fact's member.
#define FACT_FIELD_AS(member, field) FACT_FIELD_IN_(message, message, member, field)
#define FACT_FIELD(field) FACT_FIELD_AS(field, field)

// The same for a part that is a message: it stays unset while the fact's member says nothing.
#define FACT_SET(field)                                           \
    if constexpr (!std::is_const_v<FactOrConst>)                  \
        ::flowstack::eventlog::read(message.field(), fact.field); \
    else if (!::flowstack::eventlog::says_nothing(fact.field)) {  \
        FACT_WRITE_(message, field, field);                       \
    }

// About a person: fact.member <-> message.personal.field. Without such a field that says something
// the message has no personal part.
#define FACT_PERSONAL_AS(member, field)                                       \
    if constexpr (!std::is_const_v<FactOrConst>)                              \
        ::flowstack::eventlog::read(message.personal().field(), fact.member); \
    else if (!::flowstack::eventlog::says_nothing(fact.member)) {             \
        FACT_WRITE_((*message.mutable_personal()), member, field);            \
    }
#define FACT_PERSONAL(field) FACT_PERSONAL_AS(field, field)

// A time or an optional time: fact.member <-> message.field_us.
#define FACT_TIME_AS(member, field)                                          \
    if constexpr (!std::is_const_v<FactOrConst>)                             \
        ::flowstack::eventlog::read_time(message.field##_us(), fact.member); \
    else                                                                     \
        message.set_##field##_us(::flowstack::eventlog::wire_time(fact.member))
#define FACT_TIME(field) FACT_TIME_AS(field, field)

// An optional member and an optional field: what is absent here is absent there.
#define FACT_OPTIONAL(field) FACT_OPTIONAL_IN_(message, message, field)
#define FACT_PERSONAL_OPTIONAL(field) \
    FACT_OPTIONAL_IN_(message.personal(), (*message.mutable_personal()), field)

// A duration: fact.member <-> message.field, which counts `Unit`.
#define FACT_DURATION(member, field, Unit)       \
    if constexpr (!std::is_const_v<FactOrConst>) \
        fact.member = Unit(message.field());     \
    else                                         \
        message.set_##field(::flowstack::eventlog::wire_count<Unit>(fact.member))

#define FACT_FIELD_IN_(from, to, member, field)                 \
    if constexpr (!std::is_const_v<FactOrConst>)                \
        ::flowstack::eventlog::read(from.field(), fact.member); \
    else                                                        \
        FACT_WRITE_(to, member, field)

#define FACT_WRITE_(to, member, field)                                                     \
    if constexpr (requires { to.mutable_##field(); })                                      \
        ::flowstack::eventlog::write(fact.member, *to.mutable_##field());                  \
    else                                                                                   \
        to.set_##field(                                                                    \
            ::flowstack::eventlog::wire_scalar<std::remove_cvref_t<decltype(to.field())>>( \
                fact.member))

#define FACT_OPTIONAL_IN_(from, to, field)                                                     \
    if constexpr (!std::is_const_v<FactOrConst>) {                                             \
        if (from.has_##field())                                                                \
            ::flowstack::eventlog::read(from.field(), fact.field.emplace());                   \
        else                                                                                   \
            fact.field.reset();                                                                \
    } else if (fact.field) {                                                                   \
        if constexpr (requires { to.mutable_##field(); })                                      \
            ::flowstack::eventlog::write(*fact.field, *to.mutable_##field());                  \
        else                                                                                   \
            to.set_##field(                                                                    \
                ::flowstack::eventlog::wire_scalar<std::remove_cvref_t<decltype(to.field())>>( \
                    *fact.field));                                                             \
    }
