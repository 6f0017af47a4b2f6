#include "tools/flowctl/names.h"

#include "common/rpc/resource_name.h"
#include "flowstack/gateway/v1/tenant_service.pb.h"

namespace flowstack::flowctl {
namespace {

std::vector<std::string> parts_of(const std::string& name) {
    std::vector<std::string> parts{""};
    for (const char c : name) {
        if (c == '/')
            parts.emplace_back();
        else
            parts.back() += c;
    }
    return parts;
}

constexpr int kTenantsShown = 5;

}  // namespace

std::string resource_name(const std::string& typed, const std::string& collection,
                          const std::function<std::string()>& tenant) {
    auto parts = parts_of(typed);
    for (const auto& part : parts)
        if (part.empty())
            throw UsageError("'" + typed + "' is no name of one of the " + collection);
    if (parts.size() >= 2 && parts.front() == "tenants") parts.erase(parts.begin());
    if (parts.size() == 3 && parts[1] == collection) parts.erase(parts.begin() + 1);
    if (parts.size() == 2 && parts[0] == collection) parts[0] = tenant();
    if (parts.size() == 1) parts.insert(parts.begin(), tenant());
    if (parts.size() != 2)
        throw UsageError("'" + typed + "' is no name of one of the " + collection +
                         ": tenants/<tenant>/" + collection + "/<id>");
    return rpc::resource_name(parts[0], collection, parts[1]);
}

std::string tenant_id(const std::string& typed) {
    const auto parts = parts_of(typed);
    if (parts.size() == 1 && !parts[0].empty()) return parts[0];
    if (parts.size() == 2 && parts[0] == "tenants" && !parts[1].empty()) return parts[1];
    throw UsageError("'" + typed + "' is no tenant: tenants/<tenant>, or its id");
}

std::string short_id(const std::string& name) { return name.substr(name.rfind('/') + 1); }

std::string chosen_tenant(Context& context, const std::string& option) {
    if (!option.empty()) return tenant_id(option);
    if (const auto set = context.environment().get("FLOWSTACK_TENANT"); !set.empty())
        return tenant_id(set);
    gateway::v1::ListTenantsRequest request;
    request.set_page_size(kTenantsShown + 1);
    const auto page = context.api().call<gateway::v1::ListTenantsResponse>(
        "gateway", "TenantService/ListTenants", request);
    if (page.tenants_size() == 1) return page.tenants(0).tenant_id();
    if (page.tenants().empty()) throw UsageError("there is no tenant yet (flowctl seed makes one)");
    std::string list;
    for (int i = 0; i < page.tenants_size() && i < kTenantsShown; ++i)
        list += (i ? ", " : "") + page.tenants(i).tenant_id();
    throw UsageError("which tenant? --tenant one of " + list +
                     (page.tenants_size() > kTenantsShown ? ", …" : ""));
}

}  // namespace flowstack::flowctl
