#include <gtest/gtest.h>

#include <concepts>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "common/core/guarded.h"
#include "common/core/overloaded.h"
#include "common/core/secret.h"
#include "common/crypto/aead.h"
#include "common/crypto/ed25519.h"
#include "common/crypto/encoding.h"
#include "common/crypto/envelope.h"
#include "common/crypto/hash.h"

namespace flowstack::crypto {
namespace {

std::string hex(const Digest& digest) { return hex_encode(bytes_of(digest)); }
std::string raw(std::string_view text) { return hex_decode(text).value(); }
std::string repeated(char c, std::size_t count) { return std::string(count, c); }

TEST(Sha256, AnswersAsFips180Says) {
    EXPECT_EQ(hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(hex(sha256("abc")),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

// RFC 8032, 7.1, tests 1 and 2.
TEST(Ed25519, SignsAsRfc8032Says) {
    const auto secret = raw("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    const auto key = raw("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    const auto signature = ed25519_sign(Secret(secret), "");
    EXPECT_EQ(hex_encode(signature),
              "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac"
              "c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
    EXPECT_TRUE(ed25519_verify(key, "", signature));
    EXPECT_FALSE(ed25519_verify(key, "x", signature));
    const auto second = raw("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    EXPECT_EQ(hex_encode(ed25519_sign(Secret(second), "\x72")),
              "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e"
              "458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
}

TEST(Ed25519, RefusesWhatIsNoKeyAndNoSignature) {
    const auto pair = make_ed25519_pair();
    EXPECT_TRUE(ed25519_verify(pair.public_key, "a", ed25519_sign(pair.private_key, "a")));
    EXPECT_THROW(ed25519_sign(Secret("short"), "a"), std::invalid_argument);
    EXPECT_FALSE(ed25519_verify("short", "a", std::string(64, 'x')));
    EXPECT_FALSE(ed25519_verify(pair.public_key, "a", ""));
}

// RFC 4231, cases 1 to 4, 6 and 7.
TEST(HmacSha256, AnswersAsRfc4231Says) {
    EXPECT_EQ(hex(hmac_sha256(repeated('\x0b', 20), "Hi There")),
              "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    EXPECT_EQ(hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(hex(hmac_sha256(repeated('\xaa', 20), repeated('\xdd', 50))),
              "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    EXPECT_EQ(hex(hmac_sha256(raw("0102030405060708090a0b0c0d0e0f10111213141516171819"),
                              repeated('\xcd', 50))),
              "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
    EXPECT_EQ(hex(hmac_sha256(repeated('\xaa', 131),
                              "Test Using Larger Than Block-Size Key - Hash Key First")),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    EXPECT_EQ(hex(hmac_sha256(repeated('\xaa', 131),
                              "This is a test using a larger than block-size key and a larger than "
                              "block-size data. The key needs to be hashed before being used by "
                              "the HMAC algorithm.")),
              "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

TEST(HmacSha256, AnswersForAnEmptyKeyAndAnEmptyText) {
    EXPECT_EQ(hex(hmac_sha256({}, {})),
              "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    hmac_sha256("another", "text");  // the empty key must not mean the last one
    EXPECT_EQ(hex(hmac_sha256({}, {})),
              "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

// Webhook signatures of the Graph API: the provider sheet's vectors, exact bytes.
struct Vector {
    std::string signature;
    std::string body;
};
constexpr std::string_view kAppSecret = "flowstack_test_app_secret_0123456789";

const Vector kV1{
    "4057b83b6b50035bd30c8d22b4686a3badec708efb58993d8d1a559933f9c3dc",
    R"({"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},"contacts":[{"profile":{"name":"Sheena Nelson"},"wa_id":"16505551234"}],"messages":[{"from":"16505551234","id":"wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA=","timestamp":"1749416383","type":"text","text":{"body":"Does it come in another color?"}}]},"field":"messages"}]}]})"};

const Vector kV2{
    "84a81f670c215c62dfd4802d74940f314a6cf165d327f71e1b8341a2f7726a24",
    R"({"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"255700000001","phone_number_id":"106540352242922"},"contacts":[{"profile":{"name":"Am\u00edna"},"wa_id":"255712345678"}],"messages":[{"from":"255712345678","id":"wamid.TEST0002","timestamp":"1749416384","type":"text","text":{"body":"Asante sana \ud83d\ude4f bei ni 1\/2?"}}]},"field":"messages"}]}]})"};

const Vector kV3{
    "ae371806f1de3fc441313f268bfaef19b06ab2269ba5f7f27dc238f2e84436c0",
    R"({"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},"statuses":[{"id":"wamid.TEST0003","status":"failed","timestamp":"1749416390","recipient_id":"16505551234","biz_opaque_callback_data":"out-42","errors":[{"code":131047,"title":"Re-engagement message","message":"Re-engagement message","error_data":{"details":"Message failed to send because more than 24 hours have passed since the customer last replied to this number."},"href":"https:\/\/developers.facebook.com\/docs\/whatsapp\/cloud-api\/support\/error-codes\/"}]}]},"field":"messages"}]}]})"};

const Vector kV4{
    "48025f237ed21d68b589222005497494b0385f88de41c9afc884d5130d09f633",
    R"({"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},"contacts":[{"profile":{"name":"A"},"wa_id":"16505551234"}],"messages":[{"from":"16505551234","id":"wamid.TEST0004","timestamp":"1749416391","type":"text","text":{"body":"one"}},{"from":"16505551234","id":"wamid.TEST0005","timestamp":"1749416392","type":"interactive","interactive":{"type":"button_reply","button_reply":{"id":"btn_pay","title":"Pay"}},"context":{"from":"15550783881","id":"wamid.TEST0003"}}]},"field":"messages"}]},{"id":"102290129340399","changes":[{"value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"255700000001","phone_number_id":"106540352249999"},"statuses":[{"id":"wamid.TEST0006","status":"delivered","timestamp":"1749416393","recipient_id":"255712345678"}]},"field":"messages"}]}]})"};

TEST(HmacSha256, SignsWebhooksAsTheProviderDoes) {
    EXPECT_EQ(kV1.body.size(), 499u);
    EXPECT_EQ(kV2.body.size(), 458u);
    EXPECT_EQ(kV3.body.size(), 702u);
    EXPECT_EQ(kV4.body.size(), 941u);
    for (const Vector& vector : {kV1, kV2, kV3, kV4})
        EXPECT_EQ(hex(hmac_sha256(kAppSecret, vector.body)), vector.signature);
    EXPECT_EQ(hex(hmac_sha256(kAppSecret, "EAAJBtesttoken")),
              "51b2fdae658610ef32e8d126053e290e164865ab774e7392818dc3361beb8f56");
}

TEST(HmacSha256, DiffersForTheSameDocumentInOtherBytes) {
    std::string decoded = kV2.body;
    const auto replace = [&](std::string_view from, std::string_view to) {
        const auto at = decoded.find(from);
        ASSERT_NE(at, std::string::npos);
        decoded.replace(at, from.size(), to);
    };
    replace("\\u00ed", "\u00ed");
    replace("\\ud83d\\ude4f", "\U0001F64F");
    replace("\\/", "/");
    EXPECT_EQ(decoded.size(), 445u);
    EXPECT_EQ(hex(hmac_sha256(kAppSecret, decoded)),
              "40b9eabe5d2fb2bcc6c9efc1923eb700ea5d03b84b61b311918bb9f574baac0c");
    EXPECT_NE(hex(hmac_sha256(kAppSecret, kV1.body + "\n")), kV1.signature);
    EXPECT_NE(hex(hmac_sha256("another_app_secret", kV1.body)), kV1.signature);
    EXPECT_NE(hex(hmac_sha256(kAppSecret, "")), kV1.signature);
}

TEST(ConstantTimeEqual, AgreesWithEquality) {
    EXPECT_TRUE(constant_time_equal("", ""));
    EXPECT_TRUE(constant_time_equal("abc", "abc"));
    EXPECT_FALSE(constant_time_equal("abc", "abd"));
    EXPECT_FALSE(constant_time_equal("abc", "ab"));
    EXPECT_FALSE(constant_time_equal("", "a"));
}

TEST(RandomBytes, GivesAsManyAsAskedAndNeverTheSame) {
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i) seen.insert(random_bytes(16));
    EXPECT_EQ(seen.size(), 1000u);
    EXPECT_EQ(random_bytes(0), "");
}

TEST(Hex, DecodesWhatItEncodesAndNothingElse) {
    EXPECT_EQ(hex_encode(std::string("\x00\xff\x10", 3)), "00ff10");
    EXPECT_EQ(hex_decode("00FF10"), std::string("\x00\xff\x10", 3));
    for (const char* wrong : {"0", "0g", "0x", " 0", "00 ", "+1", "-1"})
        EXPECT_FALSE(hex_decode(wrong)) << wrong;
}

TEST(Base64, AnswersAsRfc4648Says) {
    const std::vector<std::pair<std::string, std::string>> vectors = {{"", ""},
                                                                      {"f", "Zg=="},
                                                                      {"fo", "Zm8="},
                                                                      {"foo", "Zm9v"},
                                                                      {"foob", "Zm9vYg=="},
                                                                      {"fooba", "Zm9vYmE="},
                                                                      {"foobar", "Zm9vYmFy"}};
    for (const auto& [bytes, text] : vectors) {
        EXPECT_EQ(base64_encode(bytes), text);
        EXPECT_EQ(base64_decode(text), bytes);
        const auto bare = text.substr(0, text.find('='));
        EXPECT_EQ(base64url_encode(bytes), bare);
        EXPECT_EQ(base64url_decode(bare), bytes);
    }
    EXPECT_EQ(base64_encode("\xfb\xff"), "+/8=");
    EXPECT_EQ(base64url_encode("\xfb\xff"), "-_8");
}

TEST(Base64, RefusesEveryOtherSpelling) {
    for (const char* wrong : {"Zg", "Zg=", "Zg===", "Z===", "=", "====", "Zm9v=", "Zh==", "Zm9=",
                              "Zg==Zg==", "Zm 9", "Zm9v\n", "-_8=", "Zm=v"})
        EXPECT_FALSE(base64_decode(wrong)) << wrong;
    for (const char* wrong : {"Zg==", "Z", "Zh", "+/8", "Zm9", "Zm9vY"})
        EXPECT_FALSE(base64url_decode(wrong)) << wrong;
}

TEST(Base64, ComesBackForAnyBytes) {
    std::mt19937_64 random(7);
    for (std::size_t size = 0; size < 200; ++size) {
        std::string bytes(size, '\0');
        for (char& c : bytes) c = static_cast<char>(random());
        EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
        EXPECT_EQ(base64url_decode(base64url_encode(bytes)), bytes);
        EXPECT_EQ(hex_decode(hex_encode(bytes)), bytes);
    }
}

const Secret kKey{raw("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")};

TEST(Aead, OpensWhatItSealed) {
    for (const std::size_t size : {0u, 1u, 16u, 1000u, 100'000u}) {
        const std::string text(size, 'x');
        const auto sealed = seal(kKey, text, "tenant-1");
        EXPECT_EQ(sealed.size(), size + kSealOverheadBytes);
        const auto opened = open(kKey, sealed, "tenant-1");
        ASSERT_TRUE(opened);
        EXPECT_EQ(opened->reveal(), text);
    }
}

// Made with another implementation (Python's cryptography, AESGCM): the format, byte for byte.
TEST(Aead, OpensATextOfAnotherImplementation) {
    const auto opened = open(kKey,
                             raw("01000102030405060708090a0b024397518791a768f935f8e0d48727f05206d75"
                                 "af1a0f72434abcb995165"),
                             "tenant-1");
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->reveal(), "EAAJBtesttoken");
}

TEST(Aead, NoticesEveryChangedBit) {
    const auto sealed = seal(kKey, "secret", "tenant-1");
    for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
        auto changed = sealed;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
        EXPECT_FALSE(open(kKey, changed, "tenant-1")) << "bit " << bit;
    }
    for (std::size_t size = 0; size < sealed.size(); ++size)
        EXPECT_FALSE(open(kKey, sealed.substr(0, size), "tenant-1"));
    EXPECT_FALSE(open(kKey, sealed + '\0', "tenant-1"));
    EXPECT_FALSE(open(kKey, sealed, "tenant-2"));
    EXPECT_FALSE(open(Secret(repeated('k', 32)), sealed, "tenant-1"));
}

TEST(Aead, UsesANewNonceEachTime) {
    EXPECT_NE(seal(kKey, "same", "aad"), seal(kKey, "same", "aad"));
}

TEST(Aead, RefusesAKeyOfAnotherLength) {
    EXPECT_THROW(seal(Secret("short"), "", ""), std::invalid_argument);
    EXPECT_THROW(open(Secret("short"), "", ""), std::invalid_argument);
}

MasterKey master(char c) { return MasterKey::from_hex(Secret(repeated(c, 64))).value(); }

TEST(MasterKey, IsExactly64HexDigits) {
    EXPECT_FALSE(MasterKey::from_hex(Secret("")));
    EXPECT_FALSE(MasterKey::from_hex(Secret(repeated('a', 63))));
    EXPECT_FALSE(MasterKey::from_hex(Secret(repeated('a', 66))));
    EXPECT_FALSE(MasterKey::from_hex(Secret(repeated('g', 64))));
    EXPECT_TRUE(MasterKey::from_hex(Secret(repeated('A', 64))));
}

TEST(MasterKey, WrapsUnderAVersionThatIsOnlyItsOwn) {
    auto key = master('a'), other = master('b');
    const auto wrapped = key.wrap(Secret(std::string(kAeadKeyBytes, 'k')), "tenant-1");
    EXPECT_EQ(version_of(wrapped), key.version());
    EXPECT_EQ(key.version(), master('a').version());
    EXPECT_NE(key.version(), other.version());
    EXPECT_TRUE(key.opens(version_of(wrapped)));
    EXPECT_FALSE(other.opens(version_of(wrapped)));
    // A version that says another key, or is none at all.
    EXPECT_FALSE(key.unwrap(other.version() + wrapped.substr(key.version().size()), "tenant-1"));
    for (const char* bad : {"", ":", "local:", "x"}) EXPECT_FALSE(key.unwrap(bad, "tenant-1"));
    EXPECT_FALSE(key.unwrap(key.version() + ":", "tenant-1"));
    EXPECT_FALSE(key.unwrap(wrapped + "=", "tenant-1"));
}

TEST(KeyRing, OpensWhatEitherWrappedAndWrapsUnderTheFirst) {
    const auto ring_of = [](char first, char second) {
        std::vector<std::unique_ptr<KeyWrapper>> keys;
        keys.push_back(std::make_unique<MasterKey>(master(first)));
        keys.push_back(std::make_unique<MasterKey>(master(second)));
        return KeyRing(std::move(keys));
    };
    auto ring = ring_of('b', 'a');
    const Secret data_key(std::string(kAeadKeyBytes, 'k'));
    auto old = master('a'), now = master('b'), stranger = master('c');
    EXPECT_EQ(ring.version(), now.version());
    EXPECT_EQ(ring.versions(), (std::vector<std::string>{now.version(), old.version()}));
    const auto again = ring.rewrap(old.wrap(data_key, "t"), "t");
    ASSERT_TRUE(again);
    EXPECT_EQ(now.unwrap(*again, "t").value_or(Secret("")).reveal(), data_key.reveal());
    EXPECT_FALSE(ring.rewrap(old.wrap(data_key, "t"), "another tenant"));
    EXPECT_FALSE(ring.unwrap(stranger.wrap(data_key, "t"), "t"));
    EXPECT_FALSE(ring.opens(stranger.version()));
    EXPECT_THROW(KeyRing({}), std::invalid_argument);
}

TEST(RootKey, GivesEachUseAKeyOfItsOwn) {
    const RootKey root(Secret(std::string(kAeadKeyBytes, 'r')));
    EXPECT_EQ(root.derive("a").reveal(), root.derive("a").reveal());
    EXPECT_NE(root.derive("a").reveal(), root.derive("b").reveal());
    EXPECT_THROW(RootKey().derive("a"), std::logic_error);
}

TEST(Envelope, OpensForItsTenantAndPurposeOnly) {
    auto key = master('a');
    const auto created = Envelope::create(key, "tenant-1");
    const auto sealed = created.envelope.seal(Secret("EAAJ"), "channel/1/token");

    const auto loaded = Envelope::load(key, "tenant-1", created.wrapped_key);
    ASSERT_TRUE(loaded);
    const auto opened = loaded->open(sealed, "channel/1/token");
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->reveal(), "EAAJ");

    EXPECT_FALSE(loaded->open(sealed, "channel/2/token"));
    EXPECT_FALSE(Envelope::load(key, "tenant-2", created.wrapped_key));
    auto other = master('b');
    EXPECT_FALSE(Envelope::load(other, "tenant-1", created.wrapped_key));
}

TEST(Envelope, GivesEachTenantItsOwnKey) {
    auto key = master('a');
    const auto one = Envelope::create(key, "tenant-1");
    const auto again = Envelope::create(key, "tenant-1");
    EXPECT_FALSE(again.envelope.open(one.envelope.seal(Secret("x"), "p"), "p"));
    // A sealed field is no wrapped key, even for the same tenant.
    EXPECT_FALSE(Envelope::load(
        key, "tenant-1",
        key.version() + ":" + base64url_encode(one.envelope.seal(Secret("x"), "p"))));
}

template <class T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };

TEST(Secret, CannotBePrintedComparedOrConverted) {
    static_assert(!Printable<Secret>);
    static_assert(!std::equality_comparable<Secret>);
    static_assert(!std::convertible_to<Secret, std::string>);
    static_assert(!std::convertible_to<std::string, Secret>);
    EXPECT_EQ(Secret("s").reveal(), "s");
}

TEST(Secret, IsEmptyAfterItWasMovedFrom) {
    Secret first("short");
    const Secret second(std::move(first));
    EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): what is tested
    EXPECT_EQ(second.reveal(), "short");
    first = second;
    EXPECT_EQ(first.reveal(), "short");
}

TEST(Guarded, LetsOneInAtATime) {
    Guarded<int> counter;
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 10'000; ++i) counter.with([](int& value) { ++value; });
        });
    threads.clear();
    EXPECT_EQ(counter.with([](int value) { return value; }), 40'000);
}

TEST(Overloaded, ChoosesByType) {
    const std::variant<int, std::string> value = std::string("text");
    const auto size = std::visit(Overloaded{[](int) { return std::size_t{0}; },
                                            [](const std::string& s) { return s.size(); }},
                                 value);
    EXPECT_EQ(size, 4u);
}

}  // namespace
}  // namespace flowstack::crypto
