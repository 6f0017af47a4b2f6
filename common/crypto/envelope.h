#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/core/secret.h"

// Envelope encryption: each tenant has its own data key; only its wrapped form is stored.
//
//   master key (environment or a KMS) ── wraps ──▶ data key of a tenant ── seals ──▶ credentials
//
// Wrapping is bound to the tenant, so a wrapped key copied to another tenant does not open.
namespace flowstack::crypto {

// What wraps data keys. A KMS is another implementation; it may block, so do not call it on a
// callback thread.
class KeyWrapper {
public:
    virtual ~KeyWrapper() = default;
    // Both throw std::runtime_error when the wrapper cannot be reached.
    virtual std::string wrap(const Secret& data_key, std::string_view tenant) = 0;
    // Nothing if it was not wrapped by this wrapper for this tenant.
    virtual std::optional<Secret> unwrap(std::string_view wrapped, std::string_view tenant) = 0;
};

// A master key held in memory. Thread-safe.
class MasterKey final : public KeyWrapper {
public:
    // Nothing unless it is 64 hex digits. Make one with `openssl rand -hex 32`.
    static std::optional<MasterKey> from_hex(const Secret& hex);

    std::string wrap(const Secret& data_key, std::string_view tenant) override;
    std::optional<Secret> unwrap(std::string_view wrapped, std::string_view tenant) override;

private:
    explicit MasterKey(Secret key) : key_(std::move(key)) {}
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
