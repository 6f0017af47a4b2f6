#pragma once

#include <string>

namespace flowstack::conversation {

// One thing that is wrong with what somebody sent us: where, and what is allowed.
struct Problem {
    std::string field;  // path in the resource: variants[0].buttons[3].title
    std::string text;   // a sentence for its author
    bool operator==(const Problem&) const = default;
};

}  // namespace flowstack::conversation
