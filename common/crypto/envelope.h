#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/broken_world.h"
#include "common/core/secret.h"

// Envelope encryption: each tenant has its own data key; only its wrapped form is stored.
//
//   wrapping key (MASTER_KEY or a KMS) ── wraps ──▶ data key of a tenant ── seals ──▶ credentials
//
// Wrapping is bound to the tenant, so a wrapped key copied to another tenant does not open. A
// wrapped key is text that begins with the version of the wrapping key, so that keys of several
// versions may be stored side by side while an installation changes from one to the next:
//
//   local:<fingerprint>:<base64url>               MASTER_KEY
//   transit:<mount>/<key>:v<version>:<base64>     HashiCorp Vault Transit
namespace flowstack::crypto {

// The wrapping key cannot be asked now; try later.
struct KeysUnavailable : Unavailable {
    using Unavailable::Unavailable;
};
// The wrapping key says no, and would again: who runs the installation must change something.
struct KeysRefused : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// "local:<fingerprint>" of "local:<fingerprint>:<base64url>".
std::string_view version_of(std::string_view wrapped);

// What wraps data keys. A KMS may block, so do not call it on a callback thread; all methods may
// throw KeysUnavailable and KeysRefused. Thread-safe.
class KeyWrapper {
public:
    virtual ~KeyWrapper() = default;
    // The version under which `wrap` wraps now. A KMS may move it on by itself.
    virtual std::string version() = 0;
    // All versions that it was given by name, the one that wraps first.
    virtual std::vector<std::string> versions() { return {version()}; }
    // Whether what was wrapped under this version can be opened here.
    virtual bool opens(std::string_view version) const = 0;
    virtual std::string wrap(const Secret& data_key, std::string_view tenant) = 0;
    // Nothing if it was not wrapped by this wrapper for this tenant.
    virtual std::optional<Secret> unwrap(std::string_view wrapped, std::string_view tenant) = 0;
    // The same data key under the version that wraps now. Nothing if it does not open.
    virtual std::optional<std::string> rewrap(std::string_view wrapped, std::string_view tenant);
};

// A master key held in memory.
class MasterKey final : public KeyWrapper {
public:
    // Nothing unless it is 64 hex digits. Make one with `openssl rand -hex 32`.
    static std::optional<MasterKey> from_hex(const Secret& hex);

    // "local:" and 16 hex digits that tell nothing of the key.
    std::string version() override { return version_; }
    bool opens(std::string_view version) const override { return version == version_; }
    std::string wrap(const Secret& data_key, std::string_view tenant) override;
    std::optional<Secret> unwrap(std::string_view wrapped, std::string_view tenant) override;

private:
    explicit MasterKey(Secret key);
    Secret key_;
    std::string version_;
};

// Several at once: the first one wraps, each opens what is its own.
class KeyRing final : public KeyWrapper {
public:
    // Throws std::invalid_argument when there is none.
    explicit KeyRing(std::vector<std::unique_ptr<KeyWrapper>> wrappers);

    std::string version() override;
    std::vector<std::string> versions() override;
    bool opens(std::string_view version) const override;
    std::string wrap(const Secret& data_key, std::string_view tenant) override;
    std::optional<Secret> unwrap(std::string_view wrapped, std::string_view tenant) override;
    std::optional<std::string> rewrap(std::string_view wrapped, std::string_view tenant) override;

private:
    KeyWrapper* that_opens(std::string_view wrapped) const;
    std::vector<std::unique_ptr<KeyWrapper>> wrappers_;
};

// What a data key is bound to by a wrapper that cannot bind it otherwise: 32 bytes of the tenant.
std::string binding_of(std::string_view tenant);

// A secret of one service that keys for other uses are made of, such as claims of contacts and
// callback paths. It is a data key of no tenant, so it stays when the wrapping key changes. Filled
// once while the service starts, before anybody derives; then thread-safe.
class RootKey {
public:
    RootKey() = default;
    explicit RootKey(Secret key) : key_(std::move(key)) {}
    RootKey(const RootKey&) = delete;
    RootKey& operator=(const RootKey&) = delete;

    void fill(Secret key) { key_ = std::move(key); }
    // `use` names it, with a version. Throws std::logic_error while it is empty.
    Secret derive(std::string_view use) const;

private:
    Secret key_;
};

// A tenant's data key, ready to use. Thread-safe; keep it for as long as it is needed, not longer.
class Envelope {
public:
    // A new random data key for a tenant, with the wrapped form to store.
    struct Created;
    static Created create(KeyWrapper& wrapper, std::string tenant);

    // Nothing if `wrapped` was not made for this tenant by this wrapper.
    static std::optional<Envelope> load(KeyWrapper& wrapper, std::string tenant,
                                        std::string_view wrapped);

    // `purpose` names what is sealed and for whom, e.g. "channel/<id>/access_token". It must be the
    // same when it is opened.
    std::string seal(const Secret& plaintext, std::string_view purpose) const;
    std::optional<Secret> open(std::string_view sealed, std::string_view purpose) const;

    // For a service's root key, which is a data key of no tenant.
    const Secret& data_key() const { return key_; }

private:
    Envelope(std::string tenant, Secret key) : tenant_(std::move(tenant)), key_(std::move(key)) {}
    std::string tenant_;
    Secret key_;
};

struct Envelope::Created {
    Envelope envelope;
    std::string wrapped_key;
};

}  // namespace flowstack::crypto
