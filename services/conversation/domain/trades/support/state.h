#pragma once

#include <optional>
#include <string_view>
#include <variant>

#include "services/conversation/domain/flow/dialogue.h"

// What a conversation knows as support: how the customer rated it.
namespace flowstack::conversation {

enum class Rating { good, ok, bad };
std::string_view text_of(Rating rating);  // "GOOD"
// "good", in any case; nothing for other words.
std::optional<Rating> parse_rating(std::string_view text);

// The customer rated how they were helped. The last one counts.
struct Rated {
    Rating rating = Rating::good;
    bool operator==(const Rated&) const = default;
};
using SupportFact = std::variant<Rated>;

struct SupportState {
    std::optional<Rating> rating;
    bool operator==(const SupportState&) const = default;
};

void apply(SupportState& support, const Dialogue& dialogue, const Rated& fact);

}  // namespace flowstack::conversation
