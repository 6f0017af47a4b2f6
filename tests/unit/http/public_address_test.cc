#include "common/http/public_address.h"

#include <gtest/gtest.h>

namespace flowstack::http {
namespace {

TEST(PublicAddress, IsNoneOfThoseThatOnlyWeReach) {
    for (const auto* address : {"0.0.0.0",
                                "10.0.0.1",
                                "10.255.255.255",
                                "100.64.0.1",
                                "100.100.100.200",
                                "127.0.0.1",
                                "127.255.255.254",
                                "169.254.169.254",
                                "172.16.0.1",
                                "172.31.255.255",
                                "192.0.0.192",
                                "192.0.2.1",
                                "192.88.99.1",
                                "192.168.1.1",
                                "198.18.0.1",
                                "198.19.255.255",
                                "198.51.100.7",
                                "203.0.113.7",
                                "224.0.0.1",
                                "239.255.255.250",
                                "255.255.255.255",
                                "168.63.129.16",
                                "::",
                                "::1",
                                "::ffff:10.0.0.1",
                                "::ffff:169.254.169.254",
                                "::ffff:7f00:1",
                                "::127.0.0.1",
                                "64:ff9b::a00:1",
                                "64:ff9b:1::1",
                                "fc00::1",
                                "fd00:ec2::254",
                                "fe80::1",
                                "febf::1",
                                "fec0::1",
                                "ff02::1",
                                "2001::1",
                                "2001:db8::1",
                                "2002:7f00:1::",
                                "2002:808:808::1",
                                "3fff::1",
                                "100::1",
                                "5f00::1"})
        EXPECT_NE(why_not_public(address), "") << address;
}

TEST(PublicAddress, IsEveryOtherOne) {
    for (const auto* address : {"1.1.1.1",
                                "8.8.8.8",
                                "9.255.255.255",
                                "11.0.0.0",
                                "100.63.255.255",
                                "100.128.0.0",
                                "172.15.255.255",
                                "172.32.0.0",
                                "169.253.255.255",
                                "169.255.0.0",
                                "198.17.255.255",
                                "198.20.0.0",
                                "223.255.255.255",
                                "168.63.129.17",
                                "2606:4700:4700::1111",
                                "2a00:1450:4001::200e",
                                "2001:4860:4860::8888",
                                "2003::1",
                                "::ffff:8.8.8.8",
                                "64:ff9b::808:808"})
        EXPECT_EQ(why_not_public(address), "") << address;
}

TEST(PublicAddress, IsNoOtherText) {
    for (const auto* text : {"", "localhost", "127.1", "0x7f000001", "10.0.0", "1.1.1.1 ",
                             "fe80::1%eth0", "[::1]", "1.1.1.1:80"})
        EXPECT_EQ(why_not_public(text), "no address") << text;
}

}  // namespace
}  // namespace flowstack::http
