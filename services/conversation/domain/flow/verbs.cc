#include "services/conversation/domain/flow/verbs.h"

#include <algorithm>

namespace flowstack::conversation {
namespace {

template <class Spec>
const Spec* named(std::span<const Spec> specs, std::string_view name) {
    const auto found = std::ranges::find(specs, name, &Spec::name);
    return found == specs.end() ? nullptr : &*found;
}

}  // namespace

std::span<const OptionSpec> VerbSpec::given_options() const {
    const auto end =
        std::ranges::find_if(options, [](const OptionSpec& option) { return option.name.empty(); });
    return {options.begin(), end};
}

const OptionSpec* VerbSpec::option(std::string_view wanted) const {
    return named<OptionSpec>(given_options(), wanted);
}

const VerbSpec* Words::verb(std::string_view name) const { return named(verbs, name); }

const MatchSpec* Words::match(std::string_view name) const { return named(matches, name); }

std::vector<const VerbSpec*> Vocabulary::verbs() const {
    std::vector<const VerbSpec*> all;
    for (const auto* words : words_)
        for (const auto& spec : words->verbs) all.push_back(&spec);
    return all;
}

std::vector<std::string_view> Vocabulary::own_variables() const {
    std::vector<std::string_view> all;
    for (const auto* words : words_)
        all.insert(all.end(), words->own_variables.begin(), words->own_variables.end());
    std::ranges::sort(all);
    return all;
}

const VerbSpec* Vocabulary::verb(std::string_view name) const {
    for (const auto* words : words_)
        if (const auto* spec = words->verb(name)) return spec;
    return nullptr;
}

const MatchSpec* Vocabulary::match(std::string_view name) const {
    for (const auto* words : words_)
        if (const auto* spec = words->match(name)) return spec;
    return nullptr;
}

bool Vocabulary::is_own(std::string_view variable) const {
    return std::ranges::any_of(words_, [&](const auto* words) {
        return std::ranges::find(words->own_variables, variable) != words->own_variables.end();
    });
}

}  // namespace flowstack::conversation
