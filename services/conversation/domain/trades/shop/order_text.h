#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "services/conversation/domain/trades/shop/catalog.h"

// Orders as people type them: "Cement x 100", "2 coffee and 3 soap", "2 coffee 3 soap", "2 dozen
// soap", "sukari 2, chai 1".
//
// What a text says is either understood or handed back to be asked about. Nothing is dropped: a
// number that is no quantity ("1.5 coffee", "5000 coffee"), a name that no product has and a size
// that the product does not have ("2 sugar 5kg" where the shop sells 2kg) are unclear items.
namespace flowstack::conversation {

inline constexpr std::int64_t kQuantityMin = 1;
inline constexpr std::int64_t kQuantityMax = 999;
// Things that one text may name; what comes after them is one unclear item.
inline constexpr std::size_t kOrderTextLinesMax = 20;
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

// The product that an unclear item's words name when its numbers are left out: "5000 coffee" and
// "1.5 coffee" name coffee. What a lone number answers for.
ProductMatch product_named_in(std::string_view words, const std::vector<Product>& catalog);

// Active products that the words may have meant, best first.
std::vector<const Product*> suggestions(std::string_view words,
                                        const std::vector<Product>& catalog);

struct OrderedLine {
    ProductId product_id;
    std::int64_t quantity = 0;
    bool operator==(const OrderedLine&) const = default;
};
// Words that no product fits, or a number that is no quantity from 1 to 999.
struct UnclearItem {
    std::string words;
    std::int64_t quantity = 0;  // 0: none that counts
    bool operator==(const UnclearItem&) const = default;
};
struct OrderText {
    std::vector<OrderedLine> lines;  // one for each product, quantities added up
    std::vector<UnclearItem> unclear;
    bool has_quantity = false;  // a number was written beside a name
    // A number stands beside few enough words to be an order of something, known or not.
    bool asks_for_a_number_of_things = false;
    int items = 0;  // how many things the text names

    // Is this text an order at all, and not a sentence that happens to have a word in it? Then
    // `lines` or `unclear` has something.
    bool is_order() const {
        if (lines.empty()) return asks_for_a_number_of_things;
        return has_quantity || items > 1;
    }
};

OrderText parse_order(std::string_view text, const std::vector<Product>& catalog);

}  // namespace flowstack::conversation
