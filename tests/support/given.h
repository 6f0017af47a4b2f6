#pragma once

#include <utility>
#include <vector>

namespace flowstack::testing {

// Given{history}.when(command): replays the history through the aggregate's `evolve`, then asks its
// `decide`. Both are found in the namespace of the aggregate.
template <class State, class Event>
struct Given {
    std::vector<Event> history;

    State state() const {
        State folded{};
        for (const auto& event : history) folded = evolve(std::move(folded), event);
        return folded;
    }
    template <class Command>
    auto when(const Command& command) const {
        return decide(state(), command);
    }
};

}  // namespace flowstack::testing
