#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace flowstack::chaos {

// What a program was called with: a verb, then options with a value each.
struct Options {
    std::string verb;
    std::map<std::string, std::string> values;

    std::string text(const std::string& name, const std::string& otherwise = "") const {
        const auto found = values.find(name);
        return found == values.end() ? otherwise : found->second;
    }
    std::string required(const std::string& name) const {
        if (!values.contains(name)) throw std::invalid_argument("--" + name + " is needed");
        return values.at(name);
    }
    std::int64_t number(const std::string& name, std::int64_t otherwise) const {
        const auto found = values.find(name);
        return found == values.end() ? otherwise : std::stoll(found->second);
    }
};

inline Options parse_options(int argc, char** argv) {
    Options options;
    if (argc > 1) options.verb = argv[1];
    for (int i = 2; i + 1 < argc; i += 2) {
        const std::string name = argv[i];
        if (!name.starts_with("--")) throw std::invalid_argument(name + " is no option");
        options.values[name.substr(2)] = argv[i + 1];
    }
    if (argc % 2 != 0) throw std::invalid_argument(std::string(argv[argc - 1]) + " has no value");
    return options;
}

}  // namespace flowstack::chaos
