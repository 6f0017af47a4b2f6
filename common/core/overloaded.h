#pragma once

namespace flowstack {

// std::visit with one lambda per alternative: std::visit(Overloaded{[](A) {…}, [](B) {…}},
// variant).
template <class... Functions>
struct Overloaded : Functions... {
    using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

}  // namespace flowstack
