#pragma once

#include <vector>

// given(history).when(command): replays the history through `evolve`, then asks `decide`.
namespace flowstack::payment::testing {

template <class State, class Event>
struct Given {
    std::vector<Event> history;

    State state() const {
        State state{};
        for (const auto& event : history) state = evolve(state, event);
        return state;
    }

    template <class Command>
    auto when(const Command& command) const {
        return decide(state(), command);
    }
};

}  // namespace flowstack::payment::testing
