#include "services/conversation/domain/order_text.h"

#include <algorithm>
#include <array>
#include <optional>

#include "services/conversation/domain/text.h"

namespace flowstack::conversation {
namespace {

std::string join(const std::vector<std::string>& words, std::size_t from, std::size_t to) {
    std::string text;
    for (std::size_t i = from; i < to; ++i) {
        if (!text.empty()) text += ' ';
        text += words[i];
    }
    return text;
}

// Plain and without the plural's s: "Coffees" and "coffee" are one word.
std::string stem(std::string_view words) {
    std::string result;
    for (auto& word : words_of(words)) {
        if (word.size() > 3 && word.ends_with('s') && !word.ends_with("ss")) word.pop_back();
        if (!result.empty()) result += ' ';
        result += word;
    }
    return result;
}

int likeness(std::string_view a, std::string_view b) {
    const auto longest = std::max(a.size(), b.size());
    if (longest == 0) return 0;
    return static_cast<int>(100 - edit_distance(a, b) * 100 / longest);
}

// How like the words are to one name of a product. Short words are only like themselves: "tea" is
// not "pea".
int likeness_to_name(const std::string& words, const std::string& name) {
    constexpr std::size_t kShortMax = 3;
    if (words == name) return 100;
    if (words.size() <= kShortMax && name.find(' ') == std::string::npos) return 0;
    int best = words.size() <= kShortMax ? 0 : likeness(words, name);
    // All the words are words of the name: "arabica" for "Arabica Coffee 500g".
    const auto said = words_of(words);
    const auto known = words_of(name);
    if (!said.empty() && said.size() < known.size() &&
        std::all_of(said.begin(), said.end(), [&](const std::string& word) {
            return std::any_of(known.begin(), known.end(), [&](const std::string& other) {
                return word == other ||
                       (word.size() > kShortMax && likeness(word, other) >= kFuzzyThreshold);
            });
        }))
        best = std::max(best, 80);
    return best;
}

int likeness_to(const std::string& words, const Product& product) {
    int best = likeness_to_name(words, stem(product.name));
    for (const auto& alias : product.aliases)
        best = std::max(best, likeness_to_name(words, stem(alias)));
    return best;
}

std::optional<std::int64_t> number_of(const std::string& word) {
    constexpr std::size_t kDigitsMax = 9;
    if (word.empty() || word.size() > kDigitsMax) return {};
    std::int64_t value = 0;
    for (const char c : word) {
        if (c < '0' || c > '9') return {};
        value = value * 10 + (c - '0');
    }
    return value;
}

bool is_times(const std::string& word) { return word == "x"; }

// "x2" or "2x".
std::optional<std::int64_t> times_number_of(const std::string& word) {
    if (word.starts_with('x')) return number_of(word.substr(1));
    if (word.ends_with('x')) return number_of(word.substr(0, word.size() - 1));
    return {};
}

// Words that surround an order and name nothing, en and sw.
constexpr std::array<std::string_view, 27> kFillers{
    "i",    "want",   "need",   "would", "like",   "to",        "buy",        "order",   "get",
    "give", "me",     "please", "pls",   "can",    "have",      "some",       "of",      "the",
    "pcs",  "pieces", "nataka", "nipe",  "naomba", "tafadhali", "ningependa", "kununua", "pc"};

bool is_filler(const std::string& word) {
    return std::find(kFillers.begin(), kFillers.end(), word) != kFillers.end();
}

struct Item {
    std::string words;
    std::int64_t quantity = 1;
    bool quantity_given = false;
};

// "coffee*2" and "coffee×2" are "coffee x 2".
std::string with_spaced_times(const std::string& text) {
    constexpr std::string_view kTimes = "×";
    std::string result;
    for (std::size_t i = 0; i < text.size();) {
        const bool sign = std::string_view(text).substr(i).starts_with(kTimes);
        if (sign || text[i] == '*') {
            result += " x ";
            i += sign ? kTimes.size() : 1;
        } else {
            result += text[i++];
        }
    }
    return result;
}

// One thing: a name and, before or behind it, a number.
Item read_item(const std::string& part, const std::vector<Product>& catalog) {
    auto words = words_of(with_spaced_times(part));
    const auto whole = match_product(part, catalog);
    // "Cement 50" may be a product's name, number and all.
    if (whole.kind == MatchKind::exact || whole.kind == MatchKind::alias)
        return {plain(part), 1, false};

    while (!words.empty() && is_filler(words.front())) words.erase(words.begin());
    while (!words.empty() && is_filler(words.back())) words.pop_back();

    Item item;
    const auto take = [&](std::int64_t quantity, std::size_t from, std::size_t to) {
        item.quantity = quantity;
        item.quantity_given = true;
        while (from < to && is_filler(words[from])) ++from;
        while (from < to && is_filler(words[to - 1])) --to;
        item.words = join(words, from, to);
    };
    const auto n = words.size();
    // name x 100 · 100 x name · name x100 · 100x name · 100 name · name 100
    if (n >= 3 && is_times(words[n - 2]) && number_of(words[n - 1]))
        take(*number_of(words[n - 1]), 0, n - 2);
    else if (n >= 3 && number_of(words[0]) && is_times(words[1]))
        take(*number_of(words[0]), 2, n);
    else if (n >= 2 && times_number_of(words[n - 1]))
        take(*times_number_of(words[n - 1]), 0, n - 1);
    else if (n >= 2 && times_number_of(words[0]))
        take(*times_number_of(words[0]), 1, n);
    else if (n >= 2 && number_of(words[0]))
        take(*number_of(words[0]), 1, n);
    else if (n >= 2 && number_of(words[n - 1]))
        take(*number_of(words[n - 1]), 0, n - 1);
    else
        item.words = join(words, 0, n);
    while (item.words.ends_with(':') || item.words.ends_with('-')) item.words.pop_back();
    item.words = trim(item.words);
    return item;
}

struct Piece {
    std::string text;
    std::string separator;  // that follows it
};

// Each piece is compared with the whole catalog: what comes after so many stays in one.
constexpr std::size_t kPiecesMax = 4 * kOrderTextLinesMax;

std::vector<Piece> split(std::string_view text) {
    constexpr std::array<std::string_view, 4> kWords{" and ", " na ", " plus ", " pamoja na "};
    constexpr std::string_view kSigns = ",;\n&+";
    std::vector<Piece> pieces(1);
    const auto flat = [&] {
        std::string result(text);
        std::transform(result.begin(), result.end(), result.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
        return result;
    }();
    for (std::size_t i = 0; i < flat.size();) {
        if (pieces.size() == kPiecesMax) {
            pieces.back().text += flat.substr(i);
            break;
        }
        const auto word = std::find_if(kWords.begin(), kWords.end(), [&](std::string_view w) {
            return std::string_view(flat).substr(i).starts_with(w);
        });
        if (word != kWords.end()) {
            pieces.back().separator = *word;
            pieces.emplace_back();
            i += word->size() - 1;  // its last space may begin the next separator
        } else if (kSigns.find(flat[i]) != std::string_view::npos) {
            pieces.back().separator = std::string(" ") + flat[i] + " ";
            pieces.emplace_back();
            ++i;
        } else {
            pieces.back().text += flat[i++];
        }
    }
    return pieces;
}

}  // namespace

ProductMatch match_product(std::string_view words, const std::vector<Product>& catalog) {
    const auto said = stem(words);
    if (said.empty()) return {};
    const auto plain_words = plain(words);
    for (const auto& product : catalog)
        if (product.active && (plain(product.name) == plain_words || stem(product.name) == said))
            return {&product, MatchKind::exact, 100};
    for (const auto& product : catalog)
        if (product.active)
            for (const auto& alias : product.aliases)
                if (plain(alias) == plain_words || stem(alias) == said)
                    return {&product, MatchKind::alias, 100};
    ProductMatch best;
    bool tied = false;
    for (const auto& product : catalog) {
        if (!product.active) continue;
        const auto score = likeness_to(said, product);
        if (score < kFuzzyThreshold) continue;
        if (score > best.likeness) {
            best = {&product, MatchKind::fuzzy, score};
            tied = false;
        } else if (score == best.likeness) {
            tied = true;
        }
    }
    return tied ? ProductMatch{} : best;
}

std::vector<const Product*> suggestions(std::string_view words,
                                        const std::vector<Product>& catalog) {
    const auto said = stem(words);
    std::vector<std::pair<int, const Product*>> scored;
    for (const auto& product : catalog) {
        if (!product.active) continue;
        const auto score = likeness_to(said, product);
        if (score >= kSuggestThreshold) scored.emplace_back(score, &product);
    }
    std::stable_sort(scored.begin(), scored.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    std::vector<const Product*> result;
    for (const auto& [score, product] : scored)
        if (result.size() < kSuggestionsMax) result.push_back(product);
    return result;
}

OrderText parse_order(std::string_view text, const std::vector<Product>& catalog) {
    auto pieces = split(text);
    // "Salt and Vinegar" is one product: what a separator tore apart is put together again when the
    // whole is a name and the parts are not.
    for (std::size_t i = 0; i + 1 < pieces.size();) {
        const auto joined = pieces[i].text + pieces[i].separator + pieces[i + 1].text;
        const auto kind = match_product(read_item(joined, catalog).words, catalog).kind;
        if (kind == MatchKind::exact || kind == MatchKind::alias) {
            pieces[i] = {joined, pieces[i + 1].separator};
            pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        } else {
            ++i;
        }
    }

    OrderText order;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        const auto& piece = pieces[i];
        if (static_cast<std::size_t>(order.items) == kOrderTextLinesMax ||
            order.unclear.size() == kOrderTextLinesMax) {
            // Said to be too much rather than dropped: the rest is asked about in one go.
            std::string rest;
            for (; i < pieces.size(); ++i) rest += pieces[i].text + pieces[i].separator;
            if (rest = trim(rest); !rest.empty()) order.unclear.push_back({std::move(rest), 0});
            break;
        }
        const auto item = read_item(piece.text, catalog);
        if (item.words.empty()) {
            // A lone number ("2, coffee") or a lone filler. A number is something that was said.
            if (item.quantity_given) order.unclear.push_back({plain(piece.text), 0});
            continue;
        }
        ++order.items;
        order.has_quantity = order.has_quantity || item.quantity_given;
        const bool countable = item.quantity >= kQuantityMin && item.quantity <= kQuantityMax;
        const auto match = match_product(item.words, catalog);
        if (!match || !countable) {
            order.unclear.push_back(
                {countable ? item.words : plain(piece.text), countable ? item.quantity : 0});
            continue;
        }
        const auto known = std::find_if(
            order.lines.begin(), order.lines.end(),
            [&](const OrderedLine& line) { return line.product_id == match.product->id; });
        if (known == order.lines.end())
            order.lines.push_back({match.product->id, item.quantity});
        else if (known->quantity + item.quantity <= kQuantityMax)
            known->quantity += item.quantity;
        else
            order.unclear.push_back({plain(piece.text), 0});
    }
    return order;
}

}  // namespace flowstack::conversation
