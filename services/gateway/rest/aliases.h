#pragma once

#include <string>
#include <vector>

#include "common/http/router.h"
#include "services/gateway/rest/rest_calls.h"

// The short paths, bodies and answers of older systems (docs/coming_from.md), translated to the
// same methods that /v1 calls. No rule of the business is here: an alias knows names and shapes.
// Amounts in these bodies are decimal major units of the tenant's currency.
namespace flowstack::gateway {

class Aliases {
public:
    // `calls` must outlive this object and the routes.
    explicit Aliases(const RestCalls& calls) : calls_(calls) {}

    void add_routes(http::Router& router) const;

private:
    const RestCalls& calls_;
};

// Whom an alias lets in, and which tenant it means.
enum class AliasScope {
    anybody,         // needs no key and shows nothing
    platform,        // the operator's key only
    tenant_in_path,  // {tenant}
    // The tenant of the API key; with the operator's key `businessId`, in the query or the body.
    tenant_of_key,
};

struct Alias {
    const char* method;
    const char* pattern;
    AliasScope scope;
    // Runs inside `guarded`; visit.tenant is filled and may be shown.
    void (*serve)(const RestCalls& calls, const VisitPtr& visit);
};

// --- Shared by the parts

inline constexpr int kAliasPageMax = 200;
// `?limit=`, at most kAliasPageMax.
int page_size_of(const http::Request& request, int otherwise);

// One table, in parts.
extern const std::vector<Alias> kPlatformAliases;  // tenants, health, what does not exist yet
extern const std::vector<Alias> kMessageAliases;   // templates, flows, sends, reminders, campaigns
extern const std::vector<Alias> kShopAliases;      // orders, payments, customers, conversations

}  // namespace flowstack::gateway
