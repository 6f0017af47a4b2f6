#include "common/rpc/peer_names.h"

#include <algorithm>
#include <stdexcept>

#include "common/rpc/caller.h"

namespace flowstack::rpc {
namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr std::size_t kSpiffeIdBytesMax = 2048;
constexpr std::string_view kPlace = "{service}";
constexpr std::string_view kServiceActor = "service:";
constexpr std::string_view kOperatorActor = "operator:";

bool is_small_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool in_domain(char c) { return is_small_or_digit(c) || c == '.' || c == '-' || c == '_'; }

bool in_path(char c) { return in_domain(c) || (c >= 'A' && c <= 'Z'); }

}  // namespace

std::string spiffe_mistake(std::string_view uri) {
    if (uri.size() > kSpiffeIdBytesMax) return "is longer than 2048 bytes";
    if (!uri.starts_with(kScheme)) return "does not begin with spiffe://";
    uri.remove_prefix(kScheme.size());
    const auto slash = std::min(uri.find('/'), uri.size());
    const auto domain = uri.substr(0, slash);
    if (domain.empty() || domain.size() > 255 || !std::ranges::all_of(domain, in_domain))
        return "has no trust domain of small letters, digits, '.', '-' and '_'";
    auto path = uri.substr(slash);
    if (path.empty()) return "has no path";
    while (!path.empty()) {
        path.remove_prefix(1);  // '/'
        const auto end = std::min(path.find('/'), path.size());
        const auto segment = path.substr(0, end);
        if (segment.empty() || segment == "." || segment == ".." ||
            !std::ranges::all_of(segment, in_path))
            return "has a part of its path that is empty, '.', '..' or holds something else than "
                   "letters, digits, '.', '-' and '_'";
        path.remove_prefix(end);
    }
    return {};
}

void PeerNames::add(const std::string& uri, Peer peer) {
    if (const auto mistake = spiffe_mistake(uri); !mistake.empty())
        throw std::invalid_argument(uri + " " + mistake);
    const auto [known, added] = peers_.emplace(uri, std::move(peer));
    if (!added)
        throw std::invalid_argument(uri + " stands for " + known->second.actor + " already");
}

PeerNames PeerNames::of_services(const std::string& pattern,
                                 const std::vector<std::string>& services) {
    PeerNames names;
    const auto place = pattern.find(kPlace);
    if (place == std::string::npos || pattern.find(kPlace, place + 1) != std::string::npos)
        throw std::invalid_argument("must hold {service} once, in place of the service's name");
    for (const auto& service : services) {
        auto uri = pattern;
        uri.replace(place, kPlace.size(), service);
        names.add(uri, {std::string(kServiceActor) + service, true});
    }
    return names;
}

void PeerNames::add_caller(const std::string& caller) {
    const auto sign = caller.find('=');
    if (sign == std::string::npos)
        throw std::invalid_argument("'" + caller + "' must be like operator:ops=spiffe://…");
    const auto actor = caller.substr(0, sign);
    auto name = std::string_view(actor);
    for (const auto kind : {kServiceActor, kOperatorActor})
        if (actor.starts_with(kind)) name.remove_prefix(kind.size());
    const bool has_kind = name.size() < actor.size();
    if (!has_kind || name.empty() || actor.size() > kActorBytesMax ||
        !std::ranges::all_of(name, in_path))
        throw std::invalid_argument(
            "'" + actor +
            "' must be service:<name> or operator:<name>, of letters, digits, '.', "
            "'-' and '_'");
    for (const auto& [uri, peer] : peers_)
        if (peer.ours && peer.actor == actor)
            throw std::invalid_argument(actor + " is one of our services; " + uri + " is its name");
    add(caller.substr(sign + 1), {actor, false});
}

std::string PeerNames::uri_of(const std::string& service) const {
    const auto actor = std::string(kServiceActor) + service;
    for (const auto& [uri, peer] : peers_)
        if (peer.ours && peer.actor == actor) return uri;
    return {};
}

const PeerNames::Peer* PeerNames::find(std::string_view uri) const {
    const auto found = peers_.find(uri);
    return found == peers_.end() ? nullptr : &found->second;
}

}  // namespace flowstack::rpc
