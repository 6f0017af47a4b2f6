#pragma once

#include <string>
#include <string_view>

// Names of what the APIs speak of: "tenants/{tenant}" and "tenants/{tenant}/{collection}/{id}".
namespace flowstack::rpc {

// An id is not empty, has no slash and is not longer than this.
inline constexpr std::size_t kResourceIdBytesMax = 200;

struct ResourceName {
    std::string tenant;
    std::string id;
    bool operator==(const ResourceName&) const = default;
};

std::string tenant_name(std::string_view tenant);
std::string resource_name(std::string_view tenant, std::string_view collection,
                          const std::string& id);

// Takes a name apart. Throws FIELD_INVALID that names `field` and says the form.
ResourceName parse_name(std::string_view name, std::string_view collection,
                        const std::string& field = "name");
// The tenant in "tenants/{tenant}". Throws FIELD_INVALID that names `field`.
std::string parse_parent(std::string_view parent, const std::string& field = "parent");

}  // namespace flowstack::rpc
