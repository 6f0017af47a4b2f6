#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace flowstack::rpc {

// Whose certificate is whose: a URI in a certificate (a SPIFFE ID) and who is believed to show it.
// Whoever is not here is nobody.
class PeerNames {
public:
    struct Peer {
        std::string actor;  // "service:payment", "operator:ops": who it is in events
        // One of our services: it answers for the people and keys on whose behalf it calls.
        bool ours = false;
        bool operator==(const Peer&) const = default;
    };

    PeerNames() = default;
    // `pattern`: "spiffe://shop.example/ns/flowstack/sa/{service}", which names each of `services`.
    // `callers`: others who are let in, each with the actor that it is: "operator:ops=spiffe://…",
    // "service:reports=spiffe://…". Throws std::invalid_argument that says what is wrong with the
    // pattern, or with a caller.
    static PeerNames of_services(const std::string& pattern,
                                 const std::vector<std::string>& services);
    void add_caller(const std::string& caller);

    // The URI of one of our services; empty for one that is not known.
    std::string uri_of(const std::string& service) const;
    // Null: nobody is called so.
    const Peer* find(std::string_view uri) const;
    bool empty() const { return peers_.empty(); }

private:
    void add(const std::string& uri, Peer peer);

    std::map<std::string, Peer, std::less<>> peers_;  // by URI
};

// Why this is no SPIFFE ID (https://spiffe.io/docs/latest/spiffe-specs/spiffe-id); empty: it is
// one.
std::string spiffe_mistake(std::string_view uri);

}  // namespace flowstack::rpc
