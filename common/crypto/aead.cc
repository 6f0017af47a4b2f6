#include "common/crypto/aead.h"

#include <openssl/evp.h>

#include <climits>
#include <memory>
#include <stdexcept>

#include "common/crypto/hash.h"

namespace flowstack::crypto {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

Context make_context() {
    Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
    if (!context) throw std::bad_alloc();
    return context;
}

const unsigned char* in(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* out(char* bytes) { return reinterpret_cast<unsigned char*>(bytes); }

void must(int result) {
    if (result != 1) throw std::runtime_error("aes-256-gcm: OpenSSL refused");
}

int length_of(std::string_view text) {
    if (text.size() > INT_MAX) throw std::invalid_argument("aes-256-gcm: the text is too long");
    return static_cast<int>(text.size());
}

const unsigned char* key_bytes(const Secret& key) {
    if (key.reveal().size() != kAeadKeyBytes)
        throw std::invalid_argument("aes-256-gcm: a key has 32 bytes");
    return in(key.reveal());
}

}  // namespace

std::string seal(const Secret& key, std::string_view plaintext, std::string_view aad) {
    const unsigned char* const raw_key = key_bytes(key);
    const std::string nonce = random_bytes(kNonceBytes);
    std::string sealed(kSealOverheadBytes + plaintext.size(), '\0');
    sealed[0] = kVersion;
    sealed.replace(1, kNonceBytes, nonce);
    char* const ciphertext = sealed.data() + 1 + kNonceBytes;

    const Context context = make_context();
    int written = 0;
    must(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, raw_key, in(nonce)));
    must(EVP_EncryptUpdate(context.get(), nullptr, &written, out(sealed.data()), 1));
    must(EVP_EncryptUpdate(context.get(), nullptr, &written, in(aad), length_of(aad)));
    must(EVP_EncryptUpdate(context.get(), out(ciphertext), &written, in(plaintext),
                           length_of(plaintext)));
    char* const tag = ciphertext + plaintext.size();
    must(EVP_EncryptFinal_ex(context.get(), out(tag), &written));
    must(
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, static_cast<int>(kTagBytes), tag));
    return sealed;
}

std::optional<Secret> open(const Secret& key, std::string_view sealed, std::string_view aad) {
    const unsigned char* const raw_key = key_bytes(key);
    if (sealed.size() < kSealOverheadBytes || sealed[0] != kVersion) return std::nullopt;
    const auto version = sealed.substr(0, 1);
    const auto nonce = sealed.substr(1, kNonceBytes);
    const auto ciphertext = sealed.substr(1 + kNonceBytes, sealed.size() - kSealOverheadBytes);
    std::string tag(sealed.substr(sealed.size() - kTagBytes));
    std::string plaintext(ciphertext.size(), '\0');

    const Context context = make_context();
    int written = 0;
    must(EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, raw_key, in(nonce)));
    must(EVP_DecryptUpdate(context.get(), nullptr, &written, in(version), 1));
    must(EVP_DecryptUpdate(context.get(), nullptr, &written, in(aad), length_of(aad)));
    must(EVP_DecryptUpdate(context.get(), out(plaintext.data()), &written, in(ciphertext),
                           length_of(ciphertext)));
    must(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, static_cast<int>(kTagBytes),
                             tag.data()));
    unsigned char nothing[kTagBytes];
    Secret opened(std::move(plaintext));  // wiped again if the tag is wrong
    if (EVP_DecryptFinal_ex(context.get(), nothing, &written) != 1) return std::nullopt;
    return opened;
}

}  // namespace flowstack::crypto
