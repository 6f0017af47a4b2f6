#include "tests/bench/load.h"

#include <gtest/gtest.h>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "tests/bench/webhooks.h"

namespace flowstack::bench {
namespace {

TEST(Load, IsRecognisedInsideAnyEnvelope) {
    const auto payload = load_payload(123'456);
    EXPECT_EQ(payload.size(), kLoadBytes);
    EXPECT_EQ(load_seq(payload), 123'456);
    EXPECT_EQ(load_seq("\x12\x34" + payload + "tail"), 123'456);
    EXPECT_EQ(load_seq("something else"), -1);
}

TEST(Load, ATransactionIsOneCommandOfOneStream) {
    const auto command = load_command(40, 20);
    ASSERT_EQ(command.parts.size(), 1u);
    ASSERT_EQ(command.parts[0].events.size(), 20u);
    EXPECT_EQ(load_seq(command.parts[0].events[19].payload), 59);
    EXPECT_EQ(load_key(40, 20), load_key(59, 20));
    EXPECT_NE(load_key(40, 20), load_key(60, 20));
}

TEST(Load, IsNeverAheadOfItsPace) {
    const auto began = now_us();
    std::vector<std::int64_t> seen;
    pace(1000, 10, 500, 50, [&](std::int64_t seq) {
        EXPECT_GE(now_us() - began, (seq - 500) * 1000);
        seen.push_back(seq);
    });
    EXPECT_EQ(seen, (std::vector<std::int64_t>{500, 510, 520, 530, 540}));
}

TEST(Webhooks, AreOneKilobyteSignedAndAllDifferent) {
    const SignedWebhooks webhooks("secret", "123", 7, 3, 2);
    ASSERT_EQ(webhooks.size(), 3u);
    for (std::size_t n = 0; n < 3; ++n) {
        const auto request = webhooks[n];
        const auto body = request.substr(request.find("\r\n\r\n") + 4);
        EXPECT_EQ(body.size(), 1024u);
        const auto signature =
            crypto::hex_encode(crypto::bytes_of(crypto::hmac_sha256("secret", body)));
        EXPECT_NE(request.find("sha256=" + signature), std::string_view::npos);
        EXPECT_NE(
            body.find("wamid.HBgMMjU0NzAwMTIzNDU2FQIAEhggQ00000700000000000" + std::to_string(n)),
            std::string_view::npos);
        EXPECT_NE(body.find(customer_phone(n % 2).substr(1)), std::string_view::npos);
    }
}

}  // namespace
}  // namespace flowstack::bench
