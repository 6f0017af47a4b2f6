#include "common/http/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <stdexcept>

#include "common/core/file_state.h"

namespace flowstack::http {
namespace {

constexpr std::chrono::seconds kLookEvery{1};

// Why OpenSSL's last call failed; empties its queue.
std::string reason() {
    std::array<char, 256> text{};
    const auto code = ERR_get_error();
    if (code == 0) return "unknown reason";
    ERR_error_string_n(code, text.data(), text.size());
    ERR_clear_error();
    return text.data();
}

// OpenSSL's own socket BIO writes in a way that ends a process with SIGPIPE when the peer has gone.
int write_socket(BIO* bio, const char* data, int size) {
    BIO_clear_retry_flags(bio);
    const auto fd = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
    const auto count = ::send(fd, data, static_cast<std::size_t>(size), MSG_NOSIGNAL);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_write(bio);
    return static_cast<int>(count);
}

int read_socket(BIO* bio, char* data, int size) {
    BIO_clear_retry_flags(bio);
    const auto fd = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
    const auto count = ::recv(fd, data, static_cast<std::size_t>(size), 0);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        BIO_set_retry_read(bio);
    return static_cast<int>(count);
}

long control_socket(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* socket_method() {
    static BIO_METHOD* const method = [] {
        auto* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "flowstack socket");
        BIO_meth_set_write(made, write_socket);
        BIO_meth_set_read(made, read_socket);
        BIO_meth_set_ctrl(made, control_socket);
        return made;
    }();
    return method;
}

// The door speaks HTTP/1.1. A client that names other protocols only goes on without this answer.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned int offered_size, void*) {
    static constexpr unsigned char kOurs[] = "\x08http/1.1";
    unsigned char* found = nullptr;
    if (SSL_select_next_proto(&found, size, kOurs, sizeof kOurs - 1, offered, offered_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

}  // namespace

// ----------------------------------------------------------------------------- TlsStream

TlsStream::TlsStream(ssl_ctx_st* context, int descriptor) : ssl_(SSL_new(context)) {
    auto* bio = ssl_ ? BIO_new(socket_method()) : nullptr;
    if (!bio) {
        SSL_free(ssl_);
        throw std::runtime_error("http server: no memory for TLS: " + reason());
    }
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(descriptor)));
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_, bio, bio);
    SSL_set_accept_state(ssl_);
}

TlsStream::~TlsStream() { SSL_free(ssl_); }

TlsStream::Outcome TlsStream::outcome_of(int result) {
    switch (SSL_get_error(ssl_, result)) {
        case SSL_ERROR_WANT_READ:
            return Outcome::wants_read;
        case SSL_ERROR_WANT_WRITE:
            return Outcome::wants_write;
        default:
            // What is left in the queue would be taken for the reason of somebody else's failure.
            ERR_clear_error();
            shaken_ = false;  // it may not be shut down any more
            return Outcome::over;
    }
}

TlsStream::Outcome TlsStream::shake_hands() {
    const int result = SSL_do_handshake(ssl_);
    if (result == 1) {
        shaken_ = true;
        return Outcome::done;
    }
    const auto why = ERR_GET_REASON(ERR_peek_error());
    heard_plain_http_ = why == SSL_R_HTTP_REQUEST;
    return outcome_of(result);
}

TlsStream::Outcome TlsStream::read(char* to, std::size_t size, std::size_t& count) {
    const int result = SSL_read_ex(ssl_, to, size, &count);
    return result == 1 ? Outcome::done : outcome_of(result);
}

TlsStream::Outcome TlsStream::write(std::string_view bytes, std::size_t& count) {
    const int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &count);
    return result == 1 ? Outcome::done : outcome_of(result);
}

// Not SSL_has_pending, which also counts a record that has come in part: the socket tells of its
// rest.
bool TlsStream::has_read_ahead() const { return SSL_pending(ssl_) > 0; }

void TlsStream::say_goodbye() {
    if (!shaken_ || SSL_get_shutdown(ssl_) != 0) return;
    SSL_shutdown(ssl_);
    ERR_clear_error();
}

// ------------------------------------------------------------------------ TlsCertificate

TlsCertificate::TlsCertificate(std::string certificate_file, std::string key_file)
    : certificate_file_(std::move(certificate_file)), key_file_(std::move(key_file)) {
    seen_ = state_of_files();
    context_ = load();
}

TlsCertificate::~TlsCertificate() = default;

std::string TlsCertificate::state_of_files() const {
    return file_state(certificate_file_) + " " + file_state(key_file_);
}

TlsCertificate::Context TlsCertificate::load() const {
    ERR_clear_error();
    Context context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    auto* raw = context.get();
    if (!raw) throw std::runtime_error("http server: TLS cannot be set up: " + reason());
    SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
    SSL_CTX_set_options(
        raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    // An answer is written piece by piece, from a buffer that may have moved meanwhile.
    SSL_CTX_set_mode(raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(raw, choose_protocol, nullptr);
    // A key with a password would make OpenSSL ask for it on the terminal.
    SSL_CTX_set_default_passwd_cb(raw, [](char*, int, int, void*) { return 0; });
    if (SSL_CTX_use_certificate_chain_file(raw, certificate_file_.c_str()) != 1)
        throw std::runtime_error(certificate_file_ + " is no certificate: " + reason());
    if (SSL_CTX_use_PrivateKey_file(raw, key_file_.c_str(), SSL_FILETYPE_PEM) != 1)
        throw std::runtime_error(key_file_ + " is no key of " + certificate_file_ + ": " +
                                 reason());
    if (SSL_CTX_check_private_key(raw) != 1)
        throw std::runtime_error(key_file_ + " is not the key of " + certificate_file_ + ": " +
                                 reason());
    return context;
}

std::optional<std::string> TlsCertificate::refresh(std::chrono::steady_clock::time_point now) {
    {
        const std::lock_guard lock(mutex_);
        if (now - looked_ < kLookEvery) return std::nullopt;
        looked_ = now;
    }
    // The state is taken first: files that change while they are read are read once more.
    auto state = state_of_files();
    {
        const std::lock_guard lock(mutex_);
        if (state == seen_) return std::nullopt;
        seen_ = std::move(state);
    }
    try {
        auto context = load();
        const std::lock_guard lock(mutex_);
        context_ = std::move(context);
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return std::string();
}

std::unique_ptr<TlsStream> TlsCertificate::stream(int descriptor) const {
    Context context;
    {
        const std::lock_guard lock(mutex_);
        context = context_;
    }
    return std::make_unique<TlsStream>(context.get(), descriptor);  // OpenSSL counts it as well
}

}  // namespace flowstack::http
