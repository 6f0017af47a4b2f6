#include "common/crypto/envelope.h"

#include <algorithm>

#include "common/crypto/aead.h"
#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"

namespace flowstack::crypto {
namespace {

// What a text belongs to. Parts end with a zero byte, so ("ab", "c") and ("a", "bc") differ.
std::string bound_to(std::string_view label, std::string_view tenant, std::string_view purpose) {
    std::string aad;
    for (const std::string_view part : {label, tenant, purpose}) {
        aad += part;
        aad += '\0';
    }
    return aad;
}

constexpr std::string_view kDataKeyLabel = "flowstack.data_key.v1";
constexpr std::string_view kFieldLabel = "flowstack.field.v1";
constexpr std::string_view kFingerprintLabel = "flowstack.master_key.version.v1";
constexpr std::size_t kFingerprintBytes = 8;

}  // namespace

std::string_view version_of(std::string_view wrapped) {
    const auto end = wrapped.rfind(':');
    return end == std::string_view::npos ? std::string_view{} : wrapped.substr(0, end);
}

std::string binding_of(std::string_view tenant) {
    return std::string(bytes_of(sha256(bound_to(kDataKeyLabel, tenant, ""))));
}

std::optional<std::string> KeyWrapper::rewrap(std::string_view wrapped, std::string_view tenant) {
    const auto key = unwrap(wrapped, tenant);
    if (!key) return std::nullopt;
    return wrap(*key, tenant);
}

std::optional<MasterKey> MasterKey::from_hex(const Secret& hex) {
    if (hex.reveal().size() != 2 * kAeadKeyBytes) return std::nullopt;
    auto key = hex_decode(hex.reveal());
    if (!key) return std::nullopt;
    return MasterKey(Secret(std::move(*key)));
}

MasterKey::MasterKey(Secret key)
    : key_(std::move(key)),
      version_("local:" + hex_encode(bytes_of(hmac_sha256(key_.reveal(), kFingerprintLabel))
                                         .substr(0, kFingerprintBytes))) {}

std::string MasterKey::wrap(const Secret& data_key, std::string_view tenant) {
    return version_ + ":" +
           base64url_encode(
               crypto::seal(key_, data_key.reveal(), bound_to(kDataKeyLabel, tenant, "")));
}

std::optional<Secret> MasterKey::unwrap(std::string_view wrapped, std::string_view tenant) {
    const auto version = version_of(wrapped);
    if (!opens(version)) return std::nullopt;
    const auto sealed = base64url_decode(wrapped.substr(version.size() + 1));
    if (!sealed) return std::nullopt;
    auto key = crypto::open(key_, *sealed, bound_to(kDataKeyLabel, tenant, ""));
    if (key && key->reveal().size() != kAeadKeyBytes) return std::nullopt;
    return key;
}

KeyRing::KeyRing(std::vector<std::unique_ptr<KeyWrapper>> wrappers)
    : wrappers_(std::move(wrappers)) {
    if (wrappers_.empty()) throw std::invalid_argument("a key ring needs a key that wraps");
}

std::string KeyRing::version() { return wrappers_.front()->version(); }

std::vector<std::string> KeyRing::versions() {
    std::vector<std::string> all;
    for (const auto& wrapper : wrappers_)
        for (auto& version : wrapper->versions()) all.push_back(std::move(version));
    return all;
}

KeyWrapper* KeyRing::that_opens(std::string_view wrapped) const {
    for (const auto& wrapper : wrappers_)
        if (wrapper->opens(version_of(wrapped))) return wrapper.get();
    return nullptr;
}

bool KeyRing::opens(std::string_view version) const {
    return std::ranges::any_of(wrappers_,
                               [&](const auto& wrapper) { return wrapper->opens(version); });
}

std::string KeyRing::wrap(const Secret& data_key, std::string_view tenant) {
    return wrappers_.front()->wrap(data_key, tenant);
}

std::optional<Secret> KeyRing::unwrap(std::string_view wrapped, std::string_view tenant) {
    auto* wrapper = that_opens(wrapped);
    return wrapper == nullptr ? std::nullopt : wrapper->unwrap(wrapped, tenant);
}

std::optional<std::string> KeyRing::rewrap(std::string_view wrapped, std::string_view tenant) {
    // A KMS changes the version of its own key without showing the data key to us.
    if (wrappers_.front()->opens(version_of(wrapped)))
        return wrappers_.front()->rewrap(wrapped, tenant);
    return KeyWrapper::rewrap(wrapped, tenant);
}

Secret RootKey::derive(std::string_view use) const {
    if (key_.empty()) throw std::logic_error("a key is derived before the root key is there");
    return Secret(std::string(bytes_of(hmac_sha256(key_.reveal(), use))));
}

Envelope::Created Envelope::create(KeyWrapper& wrapper, std::string tenant) {
    Secret key(random_bytes(kAeadKeyBytes));
    std::string wrapped = wrapper.wrap(key, tenant);
    return {Envelope(std::move(tenant), std::move(key)), std::move(wrapped)};
}

std::optional<Envelope> Envelope::load(KeyWrapper& wrapper, std::string tenant,
                                       std::string_view wrapped) {
    auto key = wrapper.unwrap(wrapped, tenant);
    if (!key) return std::nullopt;
    return Envelope(std::move(tenant), std::move(*key));
}

std::string Envelope::seal(const Secret& plaintext, std::string_view purpose) const {
    return crypto::seal(key_, plaintext.reveal(), bound_to(kFieldLabel, tenant_, purpose));
}

std::optional<Secret> Envelope::open(std::string_view sealed, std::string_view purpose) const {
    return crypto::open(key_, sealed, bound_to(kFieldLabel, tenant_, purpose));
}

}  // namespace flowstack::crypto
