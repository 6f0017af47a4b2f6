#include "services/conversation/domain/trades/shop/order_text.h"

#include <algorithm>
#include <array>
#include <optional>

#include "common/text/fold.h"
#include "services/conversation/domain/flow/text.h"

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

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Longer ones are telephone numbers, receipts and the like.
constexpr std::ptrdiff_t kQuantityDigitsMax = 9;

std::optional<std::int64_t> number_of(std::string_view word) {
    if (word.empty() || static_cast<std::ptrdiff_t>(word.size()) > kQuantityDigitsMax) return {};
    std::int64_t value = 0;
    for (const char c : word) {
        if (!is_digit(c)) return {};
        value = value * 10 + (c - '0');
    }
    return value;
}

// Says how many or how much, though not always as a whole number: "2", "1.5", "-2", "1/2", "2kg".
bool is_amount(std::string_view word) {
    if (std::count_if(word.begin(), word.end(), is_digit) > kQuantityDigitsMax) return false;
    while (!word.empty() && (word.front() == '-' || word.front() == '+' || word.front() == '.'))
        word.remove_prefix(1);
    return !word.empty() && is_digit(word.front());
}

bool has_digit(std::string_view word) { return std::any_of(word.begin(), word.end(), is_digit); }

bool is_times(std::string_view word) { return word == "x"; }

// "x2" or "2x".
std::optional<std::int64_t> times_number_of(std::string_view word) {
    if (word.starts_with('x')) return number_of(word.substr(1));
    if (word.ends_with('x')) return number_of(word.substr(0, word.size() - 1));
    return {};
}

bool is_whole_number(std::string_view word) {
    return number_of(word).has_value() || times_number_of(word).has_value();
}

constexpr std::int64_t kDozen = 12;
bool is_dozen(std::string_view word) {
    return word == "dozen" || word == "dozens" || word == "dazeni" || word == "darzeni";
}

// Numbers written as words, en and sw.
std::optional<std::int64_t> spelled_number_of(std::string_view word) {
    struct Spelled {
        std::string_view word;
        std::int64_t value;
    };
    static constexpr std::array<Spelled, 22> kSpelled{
        {{"one", 1},   {"two", 2},   {"three", 3}, {"four", 4}, {"five", 5},    {"six", 6},
         {"seven", 7}, {"eight", 8}, {"nine", 9},  {"ten", 10}, {"eleven", 11}, {"twelve", 12},
         {"moja", 1},  {"mbili", 2}, {"tatu", 3},  {"nne", 4},  {"tano", 5},    {"sita", 6},
         {"saba", 7},  {"nane", 8},  {"tisa", 9},  {"kumi", 10}}};
    for (const auto& known : kSpelled)
        if (known.word == word) return known.value;
    return {};
}

// Words that surround an order and name nothing, en and sw.
constexpr std::array<std::string_view, 29> kFillers{
    "i",          "want",    "need", "would",  "like",   "to",   "buy",    "order",
    "get",        "give",    "me",   "please", "pls",    "can",  "have",   "some",
    "of",         "the",     "pcs",  "pieces", "nataka", "nipe", "naomba", "tafadhali",
    "ningependa", "kununua", "pc",   "a",      "an"};

bool is_filler(std::string_view word) {
    return std::find(kFillers.begin(), kFillers.end(), word) != kFillers.end();
}

struct Item {
    std::string words;
    std::int64_t quantity = 1;
    bool quantity_given = false;  // as a whole number
};

// "coffee*2" and "coffee×2" are "coffee x 2".
std::string with_spaced_times(std::string_view text) {
    constexpr std::array<std::string_view, 4> kTimes{"×", "✕", "✖", "*"};
    std::string result;
    while (!text.empty()) {
        const auto sign = std::find_if(kTimes.begin(), kTimes.end(),
                                       [&](std::string_view s) { return text.starts_with(s); });
        if (sign != kTimes.end()) {
            result += " x ";
            text.remove_prefix(sign->size());
        } else {
            result += text.front();
            text.remove_prefix(1);
        }
    }
    return result;
}

using WordList = std::vector<std::string>;

WordList without_fillers(WordList words) {
    while (!words.empty() && is_filler(words.front())) words.erase(words.begin());
    // An article stands before a name: "Vitamin A" ends with none.
    const auto is_article = [](std::string_view w) { return w == "a" || w == "an" || w == "i"; };
    while (!words.empty() && is_filler(words.back()) && !is_article(words.back())) words.pop_back();
    return words;
}

bool is_exact(const ProductMatch& match) {
    return match.kind == MatchKind::exact || match.kind == MatchKind::alias;
}

// Takes the number before or behind the name: name x 100 · 100 x name · name x100 · 100x name ·
// 100 name · name 100. Nothing if there is none.
std::optional<std::int64_t> take_number(WordList& words) {
    const auto n = words.size();
    const auto take = [&](std::int64_t value, std::size_t from, std::size_t to) {
        words = WordList(words.begin() + static_cast<std::ptrdiff_t>(from),
                         words.begin() + static_cast<std::ptrdiff_t>(to));
        return value;
    };
    if (n >= 3 && is_times(words[n - 2]) && number_of(words[n - 1]))
        return take(*number_of(words[n - 1]), 0, n - 2);
    if (n >= 3 && number_of(words[0]) && is_times(words[1]))
        return take(*number_of(words[0]), 2, n);
    if (n >= 2 && times_number_of(words[n - 1]))
        return take(*times_number_of(words[n - 1]), 0, n - 1);
    if (n >= 2 && times_number_of(words[0])) return take(*times_number_of(words[0]), 1, n);
    if (n >= 2 && number_of(words[0])) return take(*number_of(words[0]), 1, n);
    if (n >= 2 && number_of(words[n - 1])) return take(*number_of(words[n - 1]), 0, n - 1);
    return {};
}

// The same for numbers that are words. They may belong to a name ("Seven Up"), so the rest must be
// a product.
std::optional<std::int64_t> take_spelled_number(WordList& words,
                                                const std::vector<Product>& catalog) {
    if (words.size() < 2) return {};
    const auto first = spelled_number_of(words.front());
    const auto last = spelled_number_of(words.back());
    const auto rest =
        first ? WordList(words.begin() + 1, words.end()) : WordList(words.begin(), words.end() - 1);
    if ((!first && !last) || is_exact(match_product(join(words, 0, words.size()), catalog)) ||
        !match_product(join(without_fillers(rest), 0, without_fillers(rest).size()), catalog))
        return {};
    words = rest;
    return first ? first : last;
}

// "dozen", "half dozen" and "half a dozen" before or behind the name: by how much the number is
// multiplied. The name of a product may begin with it too ("Dozen Eggs").
std::optional<std::int64_t> take_dozen(WordList& words, const std::vector<Product>& catalog) {
    if (is_exact(match_product(join(words, 0, words.size()), catalog))) return {};
    const bool half = words.size() >= 2 && words.front() == "half";
    std::size_t at = half ? 1 : 0;
    if (half && words[1] == "a") ++at;
    if (at + 1 < words.size() && is_dozen(words[at])) {
        words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(at) + 1);
        return half ? kDozen / 2 : kDozen;
    }
    if (words.size() >= 2 && is_dozen(words.back())) {
        words.pop_back();
        return kDozen;
    }
    return {};
}

// One thing: a name and, before or behind it, a number.
Item read_item(std::string_view part, const std::vector<Product>& catalog) {
    // "Cement 50" may be a product's name, number and all.
    if (is_exact(match_product(part, catalog))) return {plain(part), 1, false};

    auto words = without_fillers(words_of(with_spaced_times(part)));
    Item item;
    const auto take = [&](std::int64_t quantity) {
        item.quantity *= quantity;
        item.quantity_given = true;
        words = without_fillers(std::move(words));
    };
    // "soap 2 dozen": the number stands before the dozen, not at the end.
    const bool dozens_last =
        words.size() >= 3 && is_dozen(words.back()) && number_of(words[words.size() - 2]);
    if (dozens_last)
        if (const auto dozen = take_dozen(words, catalog)) take(*dozen);
    if (const auto number = take_number(words))
        take(*number);
    else if (const auto spelled = take_spelled_number(words, catalog))
        take(*spelled);
    if (!dozens_last)
        if (const auto dozen = take_dozen(words, catalog)) take(*dozen);
    item.words = join(words, 0, words.size());
    while (item.words.ends_with(':') || item.words.ends_with('-')) item.words.pop_back();
    item.words = plain(item.words);
    return item;
}

// The words say a number or a size that the product does not have: "coffee 500g" is not "Coffee".
bool says_another_size(const std::string& words, const Product& product) {
    WordList known = words_of(stem(product.name));
    for (const auto& alias : product.aliases)
        for (auto& word : words_of(stem(alias))) known.push_back(std::move(word));
    const auto is_known = [&](const std::string& word) {
        return std::find(known.begin(), known.end(), word) != known.end();
    };
    const auto said = words_of(stem(words));
    for (std::size_t i = 0; i < said.size(); ++i) {
        if (!has_digit(said[i]) || is_known(said[i])) continue;
        // "2 kg" is "2kg".
        if (i + 1 == said.size() || !is_known(said[i] + said[i + 1])) return true;
    }
    return false;
}

ProductMatch match_with_size(const std::string& words, const std::vector<Product>& catalog) {
    const auto match = match_product(words, catalog);
    if (match && !is_exact(match) && says_another_size(words, *match.product)) return {};
    return match;
}

struct Piece {
    std::string text;
    std::string separator;  // that follows it
};

// Each piece is compared with the whole catalog: what comes after so many stays in one.
constexpr std::size_t kPiecesMax = 4 * kOrderTextLinesMax;

// Folded, but in its lines: they separate things.
std::string folded_lines(std::string_view text) {
    const auto kept = text::clean(text);
    std::string result;
    for (std::size_t begin = 0; begin <= kept.size();) {
        const auto end = std::min(kept.find('\n', begin), kept.size());
        if (begin > 0) result += '\n';
        result += text::fold(std::string_view(kept).substr(begin, end - begin));
        begin = end + 1;
    }
    return result;
}

std::vector<Piece> split(std::string_view text) {
    constexpr std::array<std::string_view, 4> kWords{" and ", " na ", " plus ", " pamoja na "};
    constexpr std::string_view kSigns = ",;\n&+";
    std::vector<Piece> pieces(1);
    const auto flat = folded_lines(text);
    const std::string_view all = flat;
    for (std::size_t i = 0; i < flat.size();) {
        if (pieces.size() == kPiecesMax) {
            pieces.back().text += flat.substr(i);
            break;
        }
        const auto word = std::find_if(kWords.begin(), kWords.end(), [&](std::string_view w) {
            return all.substr(i).starts_with(w);
        });
        // "1,5 coffee" and "1,000 coffee" are one thing each.
        const bool in_a_number = flat[i] == ',' && i > 0 && is_digit(flat[i - 1]) &&
                                 i + 1 < flat.size() && is_digit(flat[i + 1]);
        if (word != kWords.end()) {
            pieces.back().separator = *word;
            pieces.emplace_back();
            i += word->size() - 1;  // its last space may begin the next separator
        } else if (kSigns.find(flat[i]) != std::string_view::npos && !in_a_number) {
            pieces.back().separator = std::string(" ") + flat[i] + " ";
            pieces.emplace_back();
            ++i;
        } else {
            pieces.back().text += flat[i++];
        }
    }
    return pieces;
}

// Cuts before each number ("2 coffee 3 soap"), or behind each one ("coffee 2 soap 3"). A cut that
// would leave a number alone is not made: it belongs to the name before it ("2 cement 50 3 soap").
std::vector<std::string> cut_at_numbers(const WordList& words, bool before) {
    std::vector<WordList> parts(1);
    const auto is_lone = [](const WordList& part) {
        return part.size() == 1 && is_whole_number(part.front());
    };
    const auto cut = [&] {
        if (is_lone(parts.back()) && parts.size() > 1) {
            auto number = std::move(parts.back().front());
            parts.pop_back();
            parts.back().push_back(std::move(number));
        }
        if (!parts.back().empty()) parts.emplace_back();
    };
    for (std::size_t i = 0; i < words.size(); ++i) {
        const bool number = is_whole_number(words[i]);
        const bool times_before = i > 0 && is_times(words[i - 1]);
        const bool more_behind =
            i + 1 < words.size() && (is_times(words[i + 1]) || is_dozen(words[i + 1]));
        if (before && number && !times_before) cut();
        parts.back().push_back(words[i]);
        const bool dozens = is_dozen(words[i]) && i > 0 && is_whole_number(words[i - 1]);
        if (!before && ((number && !more_behind) || dozens)) cut();
    }
    cut();
    std::vector<std::string> result;
    for (const auto& part : parts)
        if (!part.empty()) result.push_back(join(part, 0, part.size()));
    return result;
}

// A piece that names several things, one behind the other: "2 coffee 3 soap".
std::vector<std::string> things_in(const std::string& piece, const std::vector<Product>& catalog) {
    const auto words = without_fillers(words_of(with_spaced_times(piece)));
    const auto numbers = std::count_if(words.begin(), words.end(), is_whole_number);
    if (numbers < 2 || static_cast<std::size_t>(numbers) > kPiecesMax) return {piece};
    const auto whole = read_item(piece, catalog);
    if (match_with_size(whole.words, catalog)) return {piece};
    auto things = cut_at_numbers(words, is_whole_number(words.front()));
    // A part without a name or without a number: which number belongs to which name is a guess.
    const bool all_complete = std::all_of(things.begin(), things.end(), [&](const auto& thing) {
        const auto item = read_item(thing, catalog);
        return item.quantity_given && !is_whole_number(thing);
    });
    return all_complete ? things : std::vector<std::string>{piece};
}

// A few words with a number before or behind them ("2 unicorns", "1.5 coffee", "sugar 2kg"), or
// more words with a number that sound like a product. In other sentences a number means something
// else.
bool is_number_of_things(const std::string& piece, const std::vector<Product>& catalog) {
    constexpr std::size_t kFewWords = 5;
    constexpr std::size_t kWordsMax = 12;
    const auto words = without_fillers(words_of(with_spaced_times(piece)));
    if (words.size() < 2 || words.size() > kWordsMax) return false;
    const auto says_how_many = [](const std::string& word) {
        return is_amount(word) || is_whole_number(word);
    };
    if (words.size() <= kFewWords && (says_how_many(words.front()) || says_how_many(words.back())))
        return true;
    // Two numbers and no sentence around them: "coffee 2 3 soap".
    const auto numbers = std::count_if(words.begin(), words.end(), says_how_many);
    if (numbers >= 2 && words.size() <= kFewWords) return true;
    return numbers >= 1 &&
           (product_named_in(piece, catalog) || !suggestions(piece, catalog).empty());
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

ProductMatch product_named_in(std::string_view words, const std::vector<Product>& catalog) {
    WordList name;
    for (auto& word : words_of(with_spaced_times(words)))
        if (!is_amount(word) && !is_whole_number(word) && !is_times(word) && !is_dozen(word))
            name.push_back(std::move(word));
    name = without_fillers(std::move(name));
    return match_product(join(name, 0, name.size()), catalog);
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

    std::vector<Piece> things;
    for (auto& piece : pieces) {
        auto parts = things_in(piece.text, catalog);
        for (auto& part : parts) things.push_back({std::move(part), " "});
        things.back().separator = std::move(piece.separator);
    }

    OrderText order;
    for (std::size_t i = 0; i < things.size(); ++i) {
        const auto& piece = things[i];
        if (static_cast<std::size_t>(order.items) == kOrderTextLinesMax ||
            order.unclear.size() == kOrderTextLinesMax) {
            // The rest is asked about as one item rather than dropped.
            std::string rest;
            for (; i < things.size(); ++i) rest += things[i].text + things[i].separator;
            if (rest = text::clean(rest); !rest.empty())
                order.unclear.push_back({std::move(rest), 0});
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
        order.asks_for_a_number_of_things =
            order.asks_for_a_number_of_things || is_number_of_things(piece.text, catalog);
        const bool countable = item.quantity >= kQuantityMin && item.quantity <= kQuantityMax;
        const auto match = match_with_size(item.words, catalog);
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
