#include "common/crypto/certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <climits>
#include <ctime>
#include <fstream>
#include <iterator>
#include <memory>

namespace flowstack::crypto {
namespace {

constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";

std::optional<Time> time_of(const ASN1_TIME* at) {
    std::tm utc{};
    if (at == nullptr || ASN1_TIME_to_tm(at, &utc) != 1) return std::nullopt;
    return from_unix_seconds(::timegm(&utc));
}

}  // namespace

std::optional<Validity> validity_of(std::string_view pem) {
    std::size_t announced = 0;
    for (auto at = pem.find(kBegin); at != std::string_view::npos; at = pem.find(kBegin, at + 1))
        ++announced;
    if (announced == 0 || pem.size() > INT_MAX) return std::nullopt;
    const std::unique_ptr<BIO, decltype(&BIO_free)> bytes(
        BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
    if (!bytes) throw std::bad_alloc();
    std::optional<Validity> shortest;
    std::size_t read = 0;
    while (true) {
        const std::unique_ptr<X509, decltype(&X509_free)> certificate(
            PEM_read_bio_X509(bytes.get(), nullptr, nullptr, nullptr), X509_free);
        if (!certificate) break;
        const auto from = time_of(X509_get0_notBefore(certificate.get()));
        const auto until = time_of(X509_get0_notAfter(certificate.get()));
        if (!from || !until) break;
        ++read;
        if (!shortest || *until < shortest->until) shortest = Validity{*from, *until};
    }
    ERR_clear_error();  // the last read fails: there is no further one
    if (read != announced) return std::nullopt;
    return shortest;
}

std::optional<Validity> validity_of_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return std::nullopt;
    return validity_of(std::string{std::istreambuf_iterator<char>(file), {}});
}

}  // namespace flowstack::crypto
