#include "tests/support/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace flowstack::testing {
namespace {

constexpr long kHour = 3600;

void must(bool done, const char* what) {
    if (!done) throw std::runtime_error(std::string("openssl: ") + what);
}

template <class Write>
std::string text_of(Write write) {
    const std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new(BIO_s_mem()), BIO_free);
    must(write(bio.get()) == 1, "a PEM cannot be written");
    char* data = nullptr;
    const auto size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

}  // namespace

TestFolder::TestFolder() : path_("/tmp/flowstack-tls-XXXXXX") {
    if (!::mkdtemp(path_.data())) throw std::runtime_error("cannot make a folder in /tmp");
}

TestFolder::~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string TestFolder::write(const std::string& file, const std::string& content) const {
    const auto made = path(file + ".new");
    std::ofstream(made, std::ios::binary) << content;
    std::filesystem::rename(made, path(file));
    return path(file);
}

TestCa::Key TestCa::new_key() { return {EVP_EC_gen("P-256"), EVP_PKEY_free}; }

TestCa::Certificate TestCa::new_certificate(const Key& key, const std::string& name,
                                            std::chrono::seconds lasts) {
    const Certificate made(X509_new(), X509_free);
    must(key && made, "no memory");
    X509_set_version(made.get(), X509_VERSION_3);
    std::int64_t serial = 0;
    must(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial - 1) == 1,
         "no serial");
    ASN1_INTEGER_set_int64(X509_get_serialNumber(made.get()), serial);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -kHour);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), static_cast<long>(lasts.count()));
    X509_set_pubkey(made.get(), key.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    return made;
}

void TestCa::extend(const Certificate& certificate, const Certificate& issuer, int what,
                    const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer.get(), certificate.get(), nullptr, nullptr, 0);
    auto* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
    must(extension != nullptr, "an extension is wrong");
    X509_add_ext(certificate.get(), extension, -1);
    X509_EXTENSION_free(extension);
}

std::string TestCa::pem_of(const Certificate& certificate) {
    return text_of([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate.get()); });
}

TestCa::TestCa(const std::string& name)
    : key_(new_key()), own_(new_certificate(key_, name, std::chrono::hours(24))) {
    X509_set_issuer_name(own_.get(), X509_get_subject_name(own_.get()));
    extend(own_, own_, NID_basic_constraints, "critical,CA:TRUE");
    extend(own_, own_, NID_key_usage, "critical,keyCertSign,cRLSign");
    extend(own_, own_, NID_subject_key_identifier, "hash");
    must(X509_sign(own_.get(), key_.get(), EVP_sha256()) > 0, "cannot sign");
    certificate_ = pem_of(own_);
}

TestCa::Pem TestCa::issue(const std::string& names, std::chrono::seconds lasts) const {
    const auto key = new_key();
    const auto made = new_certificate(key, "flowstack test", lasts);
    X509_set_issuer_name(made.get(), X509_get_subject_name(own_.get()));
    extend(made, own_, NID_subject_alt_name, names);
    extend(made, own_, NID_authority_key_identifier, "keyid");
    must(X509_sign(made.get(), key_.get(), EVP_sha256()) > 0, "cannot sign");
    return {pem_of(made), text_of([&](BIO* bio) {
                return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr,
                                                nullptr);
            })};
}

}  // namespace flowstack::testing
