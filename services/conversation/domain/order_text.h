#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "services/conversation/domain/catalog.h"

// Orders as people type them: "Cement x 100", "2 coffee and 3 soap", "sukari 2, chai 1".
namespace flowstack::conversation {

inline constexpr std::int64_t kQuantityMin = 1;
inline constexpr std::int64_t kQuantityMax = 999;
inline constexpr std::size_t kOrderTextLinesMax = 10;
// Likeness (0..100) from which two names are taken for the same.
inline constexpr int kFuzzyThreshold = 75;
// Likeness from which a product is worth suggesting.
inline constexpr int kSuggestThreshold = 45;
inline constexpr std::size_t kSuggestionsMax = 3;

enum class MatchKind { none, exact, alias, fuzzy };
struct ProductMatch {
    const Product* product = nullptr;  // into the catalog that was searched
    MatchKind kind = MatchKind::none;
    int likeness = 0;
    explicit operator bool() const { return product != nullptr; }
};

// The active product that these words mean: its name, then an alias, then whatever is like enough
// to exactly one product (two that are equally like are none: the customer is asked).
ProductMatch match_product(std::string_view words, const std::vector<Product>& catalog);

// Active products that the words may have meant, best first.
std::vector<const Product*> suggestions(std::string_view words,
                                        const std::vector<Product>& catalog);

struct OrderedLine {
    std::string product_id;
    std::int64_t quantity = 0;
    bool operator==(const OrderedLine&) const = default;
};
// Words that no product fits, or a quantity outside 1..999: something to ask about, never to drop.
struct UnclearItem {
    std::string words;
    std::int64_t quantity = 0;  // 0: none that counts
    bool operator==(const UnclearItem&) const = default;
};
struct OrderText {
    std::vector<OrderedLine> lines;  // one for each product, quantities added up
    std::vector<UnclearItem> unclear;
    bool has_quantity = false;  // a number was written beside a name
    int items = 0;              // how many things the text names

    // Is this text an order at all, and not a sentence that happens to have a word in it?
    bool is_order() const { return !lines.empty() && (has_quantity || items > 1); }
};

OrderText parse_order(std::string_view text, const std::vector<Product>& catalog);

}  // namespace flowstack::conversation
