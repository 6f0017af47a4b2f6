#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace flowstack {

// The id of one kind of thing. Ids of two kinds are two types: a swapped argument does not compile.
// An id converts to its text by itself; a text becomes an id only where the code says so. An empty
// id means that there is none.
template <class Kind>
class Id {
public:
    Id() = default;
    explicit Id(std::string text) : text_(std::move(text)) {}
    explicit Id(std::string_view text) : text_(text) {}
    explicit Id(const char* text) : text_(text) {}

    const std::string& text() const { return text_; }
    operator const std::string&() const { return text_; }  // NOLINT: one way only, see above
    bool empty() const { return text_.empty(); }

    friend bool operator==(const Id&, const Id&) = default;
    friend auto operator<=>(const Id&, const Id&) = default;
    friend bool operator==(const Id& id, std::string_view text) { return id.text_ == text; }
    friend std::string operator+(std::string left, const Id& right) { return left += right.text_; }
    friend std::string operator+(const Id& left, std::string_view right) {
        return left.text_ + std::string(right);
    }
    friend std::ostream& operator<<(std::ostream& out, const Id& id) { return out << id.text_; }

private:
    std::string text_;
};

// Things that more than one service speaks of.
using ChannelId = Id<struct ChannelKind>;
using ConversationId = Id<struct ConversationKind>;
using CustomerId = Id<struct CustomerKind>;
using IntentId = Id<struct IntentKind>;
using InvoiceId = Id<struct InvoiceKind>;
using MessageId = Id<struct MessageKind>;
using OrderId = Id<struct OrderKind>;
using ProductId = Id<struct ProductKind>;
using PromotionId = Id<struct PromotionKind>;
using RefundId = Id<struct RefundKind>;
using ReservationId = Id<struct ReservationKind>;
using TaskId = Id<struct TaskKind>;

}  // namespace flowstack

template <class Kind>
struct std::hash<flowstack::Id<Kind>> {
    std::size_t operator()(const flowstack::Id<Kind>& id) const noexcept {
        return std::hash<std::string>()(id.text());
    }
};
