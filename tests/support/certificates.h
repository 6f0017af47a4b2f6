#pragma once

#include <openssl/types.h>

#include <chrono>
#include <memory>
#include <string>

namespace flowstack::testing {

// A folder of its own that goes with this object.
class TestFolder {
public:
    TestFolder();
    ~TestFolder();
    TestFolder(const TestFolder&) = delete;

    std::string path(const std::string& file) const { return path_ + "/" + file; }
    // Writes beside it and renames, as whoever renews certificates should. The path.
    std::string write(const std::string& file, const std::string& content) const;

private:
    std::string path_;
};

// A CA that lives in this process and signs whatever a test wants, with keys of P-256.
class TestCa {
public:
    explicit TestCa(const std::string& name);

    struct Pem {
        std::string certificate;
        std::string key;
    };
    // `names`: as OpenSSL writes subjectAltName, "DNS:localhost,IP:127.0.0.1". Good from an hour
    // ago until `lasts` from now, which may be in the past.
    Pem issue(const std::string& names, std::chrono::seconds lasts = std::chrono::hours(1)) const;
    // Its own certificate, for those who believe it.
    const std::string& certificate() const { return certificate_; }

private:
    using Key = std::shared_ptr<EVP_PKEY>;
    using Certificate = std::shared_ptr<X509>;
    static Key new_key();
    static Certificate new_certificate(const Key& key, const std::string& name,
                                       std::chrono::seconds lasts);
    static void extend(const Certificate& certificate, const Certificate& issuer, int what,
                       const std::string& value);
    static std::string pem_of(const Certificate& certificate);

    Key key_;
    Certificate own_;
    std::string certificate_;
};

}  // namespace flowstack::testing
