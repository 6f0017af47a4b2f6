#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flowstack {

// A fixed list of things of which a text picks one, by a name that each of them tells: the
// providers of a build. The first is meant when nobody names one. The things outlive the list.
template <class Thing>
class NamedList {
public:
    // Throws std::invalid_argument when there is none.
    explicit NamedList(std::vector<Thing*> all) : all_(std::move(all)) {
        if (all_.empty()) throw std::invalid_argument("a list of nothing to choose from");
    }

    const std::vector<Thing*>& all() const { return all_; }
    Thing& first() const { return *all_.front(); }

    // The one whose name, as `name_of` tells it, is `wanted`; null when there is none.
    template <class NameOf>
    Thing* find_by(NameOf name_of, std::string_view wanted) const {
        for (auto* thing : all_)
            if (std::invoke(name_of, *thing) == wanted) return thing;
        return nullptr;
    }
    // "voucher, card", for error texts.
    template <class NameOf>
    std::string names_by(NameOf name_of) const {
        std::string names;
        for (const auto* thing : all_) {
            if (!names.empty()) names += ", ";
            names += std::invoke(name_of, *thing);
        }
        return names;
    }

private:
    std::vector<Thing*> all_;
};

}  // namespace flowstack
