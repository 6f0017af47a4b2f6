#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace flowstack::http {

// Proxies in front of a door that tell whom they speak for. Without them the peer is the client:
// anybody can write an X-Forwarded-For.
class TrustedProxies {
public:
    TrustedProxies() = default;
    // "10.0.0.7", "10.0.0.0/8", "fd00::/8". Throws std::invalid_argument that names the wrong one.
    explicit TrustedProxies(const std::vector<std::string>& networks);

    bool empty() const { return networks_.empty(); }
    // The address that counts as the client's. When the peer is one of the proxies, it is the last
    // one of `forwarded_for` ("client, proxy, proxy") that is not one of them: each proxy adds whom
    // it heard at the end, and what stands before is what the client claims.
    std::string client_of(const std::string& peer, std::string_view forwarded_for) const;

private:
    // IPv4 as ::ffff:a.b.c.d.
    using Address = std::array<std::uint8_t, 16>;
    struct Network {
        Address address{};
        int bits = 128;
    };
    static bool parse(std::string_view text, Address& address);
    bool trusts(std::string_view address) const;

    std::vector<Network> networks_;
};

}  // namespace flowstack::http
