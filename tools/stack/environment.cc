#include "tools/stack/environment.h"

#include <unistd.h>

#include <cctype>
#include <fstream>
#include <stdexcept>

namespace flowstack::stack {

Environment::Environment() {
    for (char** entry = environ; entry && *entry; ++entry) {
        const std::string line = *entry;
        const auto equals = line.find('=');
        if (equals != std::string::npos) values_[line.substr(0, equals)] = line.substr(equals + 1);
    }
}

Environment Environment::from_file(const std::string& path) {
    std::ifstream file(path);
    if (!file)
        throw std::runtime_error("cannot read " + path + ": is a stack running? (./flowstack up)");
    Environment environment;
    for (std::string line; std::getline(file, line);) {
        const auto equals = line.find('=');
        if (line.empty() || line[0] == '#' || equals == std::string::npos) continue;
        std::string value;
        for (auto i = equals + 1; i < line.size(); ++i) {
            if (line[i] == '\\' && i + 1 < line.size()) ++i;
            value.push_back(line[i]);
        }
        if (value == "''") value.clear();
        environment.values_[line.substr(0, equals)] = value;
    }
    return environment;
}

std::string Environment::get(const std::string& name) const {
    if (const auto found = values_.find(name); found != values_.end()) return found->second;
    const auto path = values_.find(name + "_FILE");
    if (path == values_.end()) return "";
    std::ifstream file(path->second);
    std::string line;
    if (!std::getline(file, line))
        throw std::runtime_error(name + "_FILE: cannot read " + path->second);
    return line;
}

std::string Environment::required(const std::string& name) const {
    auto value = get(name);
    if (value.empty())
        throw std::runtime_error(name + " is not set; `./flowstack up` writes it to .run/env");
    return value;
}

std::string upper(std::string text) {
    for (auto& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return text;
}

}  // namespace flowstack::stack
