#include "services/gateway/adapters/time_zones.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>

namespace flowstack::gateway {
namespace {

namespace fs = std::filesystem;

bool is_zone(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    char magic[4] = {};
    in.read(magic, sizeof magic);
    return in && std::string(magic, sizeof magic) == "TZif";
}

// zone.tab: country, coordinates, name, comments; between tabs.
std::map<std::string, std::vector<std::string>> countries_of_zones(const fs::path& folder) {
    std::map<std::string, std::vector<std::string>> countries;
    std::ifstream table(folder / "zone.tab");
    for (std::string line; std::getline(table, line);) {
        if (line.empty() || line.front() == '#') continue;
        std::istringstream parts(line);
        std::string country, coordinates, zone;
        if (std::getline(parts, country, '\t') && std::getline(parts, coordinates, '\t') &&
            std::getline(parts, zone, '\t'))
            countries[zone].push_back(country);
    }
    return countries;
}

}  // namespace

std::vector<TimeZone> installed_time_zones() {
    const char* given = std::getenv("TZDIR");
    const fs::path folder = given != nullptr && *given != '\0' ? given : "/usr/share/zoneinfo";
    const auto countries = countries_of_zones(folder);
    std::map<std::string, TimeZone> zones;  // by name
    std::error_code error;
    for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end;
         at.increment(error)) {
        // Not fs::relative, which follows links: UTC is one, and a name of its own.
        const auto name = at->path().lexically_relative(folder).generic_string();
        // The same zones a second time, and names that are no zone's.
        if (name == "posix" || name == "right") at.disable_recursion_pending();
        if (name == "localtime" || name == "posixrules" || name == "Factory") continue;
        if (!at->is_regular_file() || !is_zone(at->path())) continue;
        const auto known = countries.find(name);
        zones[name] = {name, known == countries.end() ? std::vector<std::string>{} : known->second};
    }
    if (zones.empty())
        throw std::runtime_error("there are no time zones in " + folder.string() +
                                 ": install the package tzdata, or set TZDIR");
    std::vector<TimeZone> all;
    for (auto& [name, zone] : zones) all.push_back(std::move(zone));
    return all;
}

}  // namespace flowstack::gateway
