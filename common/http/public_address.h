#pragma once

#include <string>
#include <string_view>

namespace flowstack::http {

// Why an address that somebody else names is not connected to: it is not one of the public
// internet. Private, loopback, link-local, shared, reserved and documentation ranges are not, nor
// is what clouds tell their machines at, and an IPv6 address that carries an IPv4 one is judged by
// that. Empty: it may be. `address` is numeric, "10.0.0.1" or "fe80::1"; other text is refused.
std::string why_not_public(std::string_view address);

}  // namespace flowstack::http
