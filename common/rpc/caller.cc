#include "common/rpc/caller.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "common/observability/log.h"

namespace flowstack::rpc {
namespace {

thread_local const Caller* current = nullptr;

}  // namespace

Caller caller_named(const std::optional<std::string>& name, bool trusted) {
    if (!trusted) return {"anonymous"};
    const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
    if (!name || name->empty() || name->size() > kActorBytesMax ||
        std::ranges::any_of(*name, control))
        return {kNamelessActor};
    return {*name};
}

std::string_view role_in(const identity::Grants& grants, std::string_view tenant) {
    if (grants.platform_admin) return kOperatorRole;
    const auto own = grants.tenants.find(tenant);
    if (own == grants.tenants.end()) return {};
    using identity::Role;
    for (const auto role : {Role::admin, Role::agent, Role::auditor, Role::viewer})
        if (own->second.contains(role)) return identity::name_of(role);
    return {};
}

std::string address_of_peer(std::string_view peer) {
    const bool v6 = peer.starts_with("ipv6:");
    if (!v6 && !peer.starts_with("ipv4:")) return {};
    peer.remove_prefix(5);
    peer = peer.substr(0, peer.rfind(':'));
    for (const std::string_view open : {"%5B", "["})
        if (peer.starts_with(open)) peer.remove_prefix(open.size());
    for (const std::string_view close : {"%5D", "]"})
        if (peer.ends_with(close)) peer.remove_suffix(close.size());
    return peer.size() > kSourceBytesMax ? std::string{} : std::string(peer);
}

std::string kept_reason(std::string_view reason) {
    auto kept = log::without_phones(reason);
    if (kept.size() <= kReasonBytesMax) return kept;
    auto end = kReasonBytesMax;
    while (end > 0 && (static_cast<unsigned char>(kept[end]) & 0xC0) == 0x80) --end;
    kept.resize(end);
    return kept;
}

bool is_limited(const Caller& caller) {
    return !caller.actor.starts_with("service:") && caller.actor != "operator" &&
           !caller.actor.starts_with("operator:");
}

const Caller& caller() {
    if (current == nullptr)
        throw std::logic_error("this thread answers no call, so nobody is its caller");
    return *current;
}

const Caller* caller_if_any() { return current; }

CallerScope::CallerScope(Caller caller) : mine_(std::move(caller)), before_(current) {
    current = &mine_;
}
CallerScope::~CallerScope() { current = before_; }

}  // namespace flowstack::rpc
