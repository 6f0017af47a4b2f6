#include "common/http/trusted_proxies.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace flowstack::http {
namespace {

constexpr int kAddressBits = 128;
constexpr int kIpv4Begins = 96;  // bits of ::ffff:0:0

std::string_view without_blanks(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

}  // namespace

bool TrustedProxies::parse(std::string_view text, Address& address) {
    const std::string whole(text);
    if (::inet_pton(AF_INET6, whole.c_str(), address.data()) == 1) return true;
    const std::string mapped = "::ffff:" + whole;
    return whole.find(':') == std::string::npos &&
           ::inet_pton(AF_INET6, mapped.c_str(), address.data()) == 1;
}

TrustedProxies::TrustedProxies(const std::vector<std::string>& networks) {
    for (const auto& text : networks) {
        const auto slash = text.find('/');
        Network network;
        bool good = parse(std::string_view(text).substr(0, slash), network.address);
        if (good && slash != std::string::npos) {
            const auto offset = text.find(':') == std::string::npos ? kIpv4Begins : 0;
            int bits = -1;
            const char* end = text.data() + text.size();
            const auto parsed = std::from_chars(text.data() + slash + 1, end, bits);
            good = parsed.ec == std::errc{} && parsed.ptr == end && bits >= 0 &&
                   bits + offset <= kAddressBits;
            network.bits = bits + offset;
        }
        if (!good)
            throw std::invalid_argument("\"" + text +
                                        "\" is no address and no network such as 10.0.0.0/8");
        networks_.push_back(network);
    }
}

bool TrustedProxies::trusts(std::string_view text) const {
    Address address{};
    if (!parse(text, address)) return false;
    return std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
        const int bytes = network.bits / 8;
        const int rest = network.bits % 8;
        if (!std::equal(address.begin(), address.begin() + bytes, network.address.begin()))
            return false;
        const auto at = static_cast<std::size_t>(bytes);
        return rest == 0 || ((address[at] ^ network.address[at]) >> (8 - rest)) == 0;
    });
}

std::string TrustedProxies::client_of(const std::string& peer,
                                      std::string_view forwarded_for) const {
    std::string client = peer;
    while (!networks_.empty() && !forwarded_for.empty() && trusts(client)) {
        const auto comma = forwarded_for.rfind(',');
        const auto last = without_blanks(
            comma == std::string_view::npos ? forwarded_for : forwarded_for.substr(comma + 1));
        Address address{};
        if (!parse(last, address)) break;  // a port, a name, rubbish: whom it heard is unknown
        client = last;
        forwarded_for =
            comma == std::string_view::npos ? std::string_view() : forwarded_for.substr(0, comma);
    }
    return client;
}

}  // namespace flowstack::http
