#include "common/crypto/envelope.h"

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

}  // namespace

std::optional<MasterKey> MasterKey::from_hex(const Secret& hex) {
    if (hex.reveal().size() != 2 * kAeadKeyBytes) return std::nullopt;
    auto key = hex_decode(hex.reveal());
    if (!key) return std::nullopt;
    return MasterKey(Secret(std::move(*key)));
}

std::string MasterKey::wrap(const Secret& data_key, std::string_view tenant) {
    return crypto::seal(key_, data_key.reveal(), bound_to(kDataKeyLabel, tenant, ""));
}

std::optional<Secret> MasterKey::unwrap(std::string_view wrapped, std::string_view tenant) {
    auto key = crypto::open(key_, wrapped, bound_to(kDataKeyLabel, tenant, ""));
    if (key && key->reveal().size() != kAeadKeyBytes) return std::nullopt;
    return key;
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
