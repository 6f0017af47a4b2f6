#include "common/rpc/tls.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "common/core/file_state.h"

namespace flowstack::rpc {
namespace {

namespace ex = grpc::experimental;

constexpr int kLookEverySeconds = 1;

// What a handshake needs, read and found to fit together.
struct Pems {
    std::string certificate;
    std::string key;
    std::string ca;
    std::vector<std::string> uris;
};

std::string tls_reason() {
    std::array<char, 256> text{};
    const auto code = ERR_get_error();
    ERR_clear_error();
    if (code == 0) return "it holds none";
    ERR_error_string_n(code, text.data(), text.size());
    return text.data();
}

std::string content_of(const std::string& file) {
    const std::ifstream in(file, std::ios::binary);
    std::ostringstream all;
    if (!in || !(all << in.rdbuf())) throw std::runtime_error("cannot read " + file);
    return all.str();
}

using Bio = std::unique_ptr<BIO, int (*)(BIO*)>;
using Certificate = std::unique_ptr<X509, void (*)(X509*)>;

Bio bio_of(const std::string& pem) {
    return {BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free};
}

// A key with a password would make OpenSSL ask for it on the terminal.
int no_password(char*, int, int, void*) { return 0; }

// The first certificate of a PEM.
Certificate first_certificate(const std::string& pem, const std::string& file) {
    ERR_clear_error();
    Certificate found(PEM_read_bio_X509(bio_of(pem).get(), nullptr, no_password, nullptr),
                      X509_free);
    if (!found) throw std::runtime_error(file + " is no certificate: " + tls_reason());
    return found;
}

std::vector<std::string> uris_of(const X509* certificate) {
    std::vector<std::string> uris;
    auto* names = static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
        const auto* name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI) continue;
        const auto* uri = name->d.uniformResourceIdentifier;
        uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                          static_cast<std::size_t>(ASN1_STRING_length(uri)));
    }
    GENERAL_NAMES_free(names);
    return uris;
}

Pems read_pems(const TlsFiles& files) {
    Pems pems;
    pems.ca = content_of(files.ca);
    first_certificate(pems.ca, files.ca);
    if (files.certificate.empty()) return pems;
    pems.certificate = content_of(files.certificate);
    pems.key = content_of(files.key);
    const auto own = first_certificate(pems.certificate, files.certificate);
    ERR_clear_error();
    const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(
        PEM_read_bio_PrivateKey(bio_of(pems.key).get(), nullptr, no_password, nullptr),
        EVP_PKEY_free);
    if (!key)
        throw std::runtime_error(files.key +
                                 " is no private key without a password: " + tls_reason());
    if (X509_check_private_key(own.get(), key.get()) != 1)
        throw std::runtime_error(files.key + " is not the key of " + files.certificate + ": " +
                                 tls_reason());
    if (X509_cmp_current_time(X509_get0_notAfter(own.get())) < 0)
        throw std::runtime_error(files.certificate + " has expired");
    pems.uris = uris_of(own.get());
    return pems;
}

// Accepts the certificate that has one URI as its name, and no other.
class UriVerifier final : public ex::ExternalCertificateVerifier {
public:
    explicit UriVerifier(std::string uri) : uri_(std::move(uri)) {}

    bool Verify(ex::TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
                grpc::Status* answer) override {
        const auto names = request->uri_names();
        if (names.size() == 1 && std::string_view(names[0].data(), names[0].size()) == uri_)
            return true;
        *answer = grpc::Status(grpc::StatusCode::UNAUTHENTICATED,
                               "the other side's certificate does not have the name " + uri_);
        return true;
    }
    void Cancel(ex::TlsCustomVerificationCheckRequest*) override {}

private:
    std::string uri_;
};

// What one door asks for its certificate, at every handshake.
struct DoorSource {
    std::function<std::shared_ptr<const Pems>()> current;
    // What gRPC has. It asks one at a time: a listener accepts one connection after another.
    std::shared_ptr<const Pems> given;
};

}  // namespace

struct TlsIdentity::State {
    State(TlsFiles f, Listener l)
        : files(std::move(f)),
          listener(std::move(l)),
          seen(state_of_files()),
          pems(std::make_shared<Pems>(read_pems(files))) {
        watcher = std::thread([this] { watch(); });
    }
    ~State() {
        {
            const std::lock_guard lock(mutex);
            stopping = true;
        }
        stop.notify_all();
        watcher.join();
    }

    std::string state_of_files() const {
        return file_state(files.certificate) + " " + file_state(files.key) + " " +
               file_state(files.ca);
    }

    std::shared_ptr<const Pems> current() const {
        const std::lock_guard lock(mutex);
        return pems;
    }

    void watch() {
        std::unique_lock lock(mutex);
        while (!stop.wait_for(lock, std::chrono::seconds(kLookEverySeconds),
                              [this] { return stopping; })) {
            lock.unlock();
            look();
            lock.lock();
        }
    }

    void look() {
        // The state is taken first: files that change while they are read are read once more.
        auto state = state_of_files();
        if (state == seen) return;
        seen = std::move(state);
        std::string failure;
        try {
            auto read = std::make_shared<Pems>(read_pems(files));
            const std::lock_guard lock(mutex);
            pems = std::move(read);
        } catch (const std::runtime_error& error) {
            failure = error.what();
        }
        if (listener) listener(failure);
    }

    const TlsFiles files;
    const Listener listener;
    std::string seen;  // the state of the files that was last tried; of the watcher
    mutable std::mutex mutex;
    std::condition_variable stop;
    bool stopping = false;
    std::shared_ptr<const Pems> pems;
    std::shared_ptr<ex::FileWatcherCertificateProvider> provider;  // of all channels
    std::vector<std::unique_ptr<DoorSource>> doors;
    std::thread watcher;
};

namespace {

// gRPC's own C++ credentials of a server know one certificate for ever, or files that it trusts
// blindly: with a key that does not fit it would show none at all. Its C credentials ask us at
// every handshake instead, and keep what they had when the answer is no good.
class DoorCredentials final : public grpc::ServerCredentials {
public:
    // `source` must outlive the server, which goes on asking after these credentials have gone.
    DoorCredentials(DoorSource& source, bool asks)
        : credentials_(grpc_ssl_server_credentials_create_with_options(
              grpc_ssl_server_credentials_create_options_using_config_fetcher(
                  asks ? GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY
                       : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
                  fetch, &source))) {}
    ~DoorCredentials() override { grpc_server_credentials_release(credentials_); }
    DoorCredentials(const DoorCredentials&) = delete;
    DoorCredentials& operator=(const DoorCredentials&) = delete;

    void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {
        throw std::logic_error("calls are admitted by admission.h, not by a metadata processor");
    }

private:
    int AddPortToServer(const std::string& address, grpc_server* server) override {
        return grpc_server_add_http2_port(server, address.c_str(), credentials_);
    }

    static grpc_ssl_certificate_config_reload_status fetch(
        void* data, grpc_ssl_server_certificate_config** config) {
        auto& source = *static_cast<DoorSource*>(data);
        auto now = source.current();
        if (now == source.given) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
        const grpc_ssl_pem_key_cert_pair pair{now->key.c_str(), now->certificate.c_str()};
        *config = grpc_ssl_server_certificate_config_create(now->ca.c_str(), &pair, 1);
        source.given = std::move(now);
        return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
    }

    grpc_server_credentials* credentials_;
};

}  // namespace

TlsIdentity::TlsIdentity(TlsFiles files, Listener listener)
    : state_(std::make_unique<State>(std::move(files), std::move(listener))) {}
TlsIdentity::~TlsIdentity() = default;

std::vector<std::string> TlsIdentity::uris() const { return state_->current()->uris; }

std::shared_ptr<grpc::ServerCredentials> TlsIdentity::at_door(bool asks) const {
    if (state_->files.certificate.empty())
        throw std::logic_error("a door needs a certificate of its own");
    auto& state = *state_;
    const std::lock_guard lock(state.mutex);
    state.doors.push_back(std::make_unique<DoorSource>());
    state.doors.back()->current = [&state] { return state.current(); };
    return std::make_shared<DoorCredentials>(*state.doors.back(), asks);
}

std::shared_ptr<grpc::ChannelCredentials> TlsIdentity::to_peer(const std::string& peer_uri) const {
    auto& state = *state_;
    const bool has_own = !state.files.certificate.empty();
    {
        const std::lock_guard lock(state.mutex);
        if (!state.provider)
            state.provider = has_own ? std::make_shared<ex::FileWatcherCertificateProvider>(
                                           state.files.key, state.files.certificate, state.files.ca,
                                           kLookEverySeconds)
                                     : std::make_shared<ex::FileWatcherCertificateProvider>(
                                           state.files.ca, kLookEverySeconds);
    }
    ex::TlsChannelCredentialsOptions options;
    options.set_certificate_provider(state.provider);
    options.watch_root_certs();
    if (has_own) options.watch_identity_key_cert_pairs();
    options.set_check_call_host(peer_uri.empty());
    options.set_certificate_verifier(
        peer_uri.empty() ? std::make_shared<ex::HostNameCertificateVerifier>()
                         : ex::ExternalCertificateVerifier::Create<UriVerifier>(peer_uri));
    return ex::TlsCredentials(options);
}

}  // namespace flowstack::rpc
