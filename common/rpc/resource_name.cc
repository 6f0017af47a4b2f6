#include "common/rpc/resource_name.h"

#include "common/rpc/error.h"

namespace flowstack::rpc {
namespace {

constexpr std::string_view kTenants = "tenants/";

bool good_id(std::string_view id) {
    return !id.empty() && id.size() <= kResourceIdBytesMax &&
           id.find('/') == std::string_view::npos;
}

}  // namespace

std::string tenant_name(std::string_view tenant) { return std::string(kTenants).append(tenant); }

std::string resource_name(std::string_view tenant, std::string_view collection,
                          const std::string& id) {
    return tenant_name(tenant).append("/").append(collection).append("/").append(id);
}

ResourceName parse_name(std::string_view name, std::string_view collection,
                        const std::string& field) {
    const auto wrong = [&] {
        return invalid_field(field,
                             "must be tenants/{tenant}/" + std::string(collection) + "/{id}");
    };
    if (!name.starts_with(kTenants)) throw wrong();
    name.remove_prefix(kTenants.size());
    const auto slash = name.find('/');
    if (slash == std::string_view::npos) throw wrong();
    const auto tenant = name.substr(0, slash);
    name.remove_prefix(slash + 1);
    if (!name.starts_with(collection) || name.substr(collection.size(), 1) != "/") throw wrong();
    const auto id = name.substr(collection.size() + 1);
    if (!good_id(tenant) || !good_id(id)) throw wrong();
    return {std::string(tenant), std::string(id)};
}

std::string parse_parent(std::string_view parent, const std::string& field) {
    if (!parent.starts_with(kTenants) || !good_id(parent.substr(kTenants.size())))
        throw invalid_field(field, "must be tenants/{tenant}");
    return std::string(parent.substr(kTenants.size()));
}

}  // namespace flowstack::rpc
