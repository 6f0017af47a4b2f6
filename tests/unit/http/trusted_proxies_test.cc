#include "common/http/trusted_proxies.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace flowstack::http {
namespace {

TEST(TrustedProxies, AreNoneAtFirstSoThePeerIsTheClient) {
    const TrustedProxies none;
    EXPECT_EQ(none.client_of("192.0.2.1", "198.51.100.7"), "192.0.2.1");
}

TEST(TrustedProxies, AreBelievedAboutWhomTheyHeard) {
    const TrustedProxies proxies({"10.0.0.0/8", "192.0.2.7", "fd00::/8"});
    EXPECT_EQ(proxies.client_of("10.1.2.3", "198.51.100.7"), "198.51.100.7");
    EXPECT_EQ(proxies.client_of("192.0.2.7", "2001:db8::1"), "2001:db8::1");
    EXPECT_EQ(proxies.client_of("fd00::1", " 198.51.100.7 "), "198.51.100.7");
    EXPECT_EQ(proxies.client_of("::ffff:10.1.2.3", "198.51.100.7"), "198.51.100.7");
    // Others can write what they like.
    EXPECT_EQ(proxies.client_of("192.0.2.8", "198.51.100.7"), "192.0.2.8");
    EXPECT_EQ(proxies.client_of("11.0.0.1", "198.51.100.7"), "11.0.0.1");
}

TEST(TrustedProxies, BelieveEachOtherAndNotWhatAClientClaims) {
    const TrustedProxies proxies({"10.0.0.0/8"});
    EXPECT_EQ(proxies.client_of("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.2"), "198.51.100.7");
    EXPECT_EQ(proxies.client_of("10.0.0.1", "198.51.100.7, no address"), "10.0.0.1");
    EXPECT_EQ(proxies.client_of("10.0.0.1", "10.0.0.9"), "10.0.0.9");
    EXPECT_EQ(proxies.client_of("10.0.0.1", ""), "10.0.0.1");
    EXPECT_EQ(proxies.client_of("10.0.0.1", ","), "10.0.0.1");
}

TEST(TrustedProxies, CompareTheBitsOfAnUnevenNetwork) {
    const TrustedProxies proxies({"172.16.0.0/12", "0.0.0.0/0"});
    EXPECT_EQ(proxies.client_of("203.0.113.1", "198.51.100.7"), "198.51.100.7");
    const TrustedProxies narrow({"172.16.0.0/12"});
    EXPECT_EQ(narrow.client_of("172.31.255.255", "198.51.100.7"), "198.51.100.7");
    EXPECT_EQ(narrow.client_of("172.32.0.0", "198.51.100.7"), "172.32.0.0");
}

TEST(TrustedProxies, RefuseWhatIsNoNetwork) {
    for (const auto* wrong : {"proxy", "10.0.0.0/33", "10.0.0/8", "fd00::/129", "10.0.0.0/", "/8",
                              "10.0.0.0/-1", "10.0.0.0/8x"})
        EXPECT_THROW(TrustedProxies({wrong}), std::invalid_argument) << wrong;
}

}  // namespace
}  // namespace flowstack::http
