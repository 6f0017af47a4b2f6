#include "common/identity/grants.h"

#include <array>
#include <utility>

namespace flowstack::identity {
namespace {

constexpr std::array<std::pair<Role, std::string_view>, 4> kRoles{{{Role::viewer, "viewer"},
                                                                   {Role::auditor, "auditor"},
                                                                   {Role::agent, "agent"},
                                                                   {Role::admin, "admin"}}};
constexpr std::string_view kPlatformAdmin = "platform_admin";

}  // namespace

std::optional<Role> parse_role(std::string_view word) {
    for (const auto& [role, name] : kRoles)
        if (name == word) return role;
    return std::nullopt;
}

std::string_view name_of(Role role) {
    for (const auto& [each, name] : kRoles)
        if (each == role) return name;
    return {};
}

Grants parse_grants(const std::vector<std::string>& texts) {
    Grants grants;
    for (const std::string_view text : texts) {
        if (text == kPlatformAdmin) grants.platform_admin = true;
        const auto colon = text.find(':');
        if (colon == 0 || colon == std::string_view::npos) continue;
        if (const auto role = parse_role(text.substr(colon + 1)))
            grants.tenants[std::string(text.substr(0, colon))].insert(*role);
    }
    return grants;
}

}  // namespace flowstack::identity
