#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tools/isolation/values.h"
#include "tools/stack/environment.h"

namespace google::protobuf {
class MethodDescriptor;
}

namespace flowstack::isolation {

// What an attacker who names the victim's ids under its own name (or its own ids) may get.
enum class Expect {
    not_found,    // NOT_FOUND, 404
    refused,      // any refusal of a client's mistake
    own,          // its own things, at least its own name; nothing of the victim
    nothing,      // an answer without anything of the victim
    tenant_only,  // no id but the tenant's: over REST the victim's name is 404
    platform,     // operators and services only: no tenant's key opens it
};

// How one RPC is attacked. `request` is the RPC's JSON with $attacker and $victim.<kind>. Several
// rows for one RPC are several attacks.
struct Attack {
    std::string rpc;  // "gateway.v1.TenantService/GetTenant"
    Expect expect;
    std::string request;
    // A read of one thing: the victim itself gets it, so that NOT_FOUND proves something.
    bool victim_may = false;
};
const std::vector<Attack>& attacks();

// Every RPC of the services that are built, from their descriptors.
class Schema {
public:
    // A FileDescriptorSet with imports, as protoc writes it.
    explicit Schema(const std::string& path);
    ~Schema();

    struct Method {
        std::string rpc;
        const google::protobuf::MethodDescriptor* descriptor = nullptr;
        std::vector<std::string> services;  // processes that serve it
        std::string verb, path;             // of google.api.http; empty when there is none
    };
    const std::vector<Method>& methods() const { return methods_; }

private:
    struct State;
    std::unique_ptr<State> state_;
    std::vector<Method> methods_;
};

// Checks every RPC: no key and a tenant's key open nothing, and the rest is as the tables say.
void check_rpcs(const stack::Environment& environment, const Schema& schema, const Tenant& attacker,
                const Tenant& victim, Report& report);

}  // namespace flowstack::isolation
