// The only file that includes Asio's sockets (they are slow to compile). Reading, deadlines, limits
// and writing; what a head means is decided in request_head.cc.
#include "common/http/server.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <ctime>
#include <exception>
#include <future>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "common/core/guarded.h"
#include "common/http/chunked.h"
#include "common/http/exchange.h"
#include "common/http/request_head.h"
#include "common/http/response_head.h"
#include "common/http/tls.h"

namespace flowstack::http {

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using tcp = asio::ip::tcp;
using SteadyTime = std::chrono::steady_clock::time_point;
using std::chrono::milliseconds;

constexpr std::size_t kScratchBytes = std::size_t{64} << 10;  // read at once
// How much is reserved for a declared length before its bytes have arrived.
constexpr std::size_t kBodyReserveBytes = std::size_t{64} << 10;
constexpr std::size_t kKeptBufferBytes = std::size_t{16} << 10;  // a bigger buffer is given back
constexpr int kLingerMs = 2'000;  // for a peer to read our last answer before the socket goes
constexpr std::size_t kLingerBytesMax = std::size_t{4} << 20;
constexpr int kAcceptPauseMs = 50;           // when the process has no file descriptor left
constexpr int kEvictReadingAfterMs = 1'000;  // a request half read is given at least this long
constexpr std::size_t kEvictShare = 64;      // at the cap, 1/64 of the connections at once
constexpr int kSweepMsMin = 5;
constexpr int kSweepMsMax = 250;
// An answer below this goes out as one record of TLS together with its head.
constexpr std::size_t kTlsRecordBytes = std::size_t{16} << 10;
constexpr std::string_view kPlainHttpToTls =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    "Content-Length: 37\r\n\r\nThis port speaks HTTPS. Use https://\n";

// ---------------------------------------------------------------------------------------------
// Connections and the threads that carry them
// ---------------------------------------------------------------------------------------------

class Connection;
class Worker;

// The worker of this thread, when it is one of a server's threads.
thread_local const Worker* this_worker = nullptr;

// What the threads share and what may outlive the Server.
struct Shared {
    ServerOptions options;
    Handler handler;
    std::unique_ptr<TlsCertificate> certificate;  // none: no TLS
    std::atomic<std::size_t> open{0};
    std::mutex mutex;
    std::condition_variable all_closed;
};

// One thread with its connections. Everything but `push` belongs to that thread.
class Worker final : public std::enable_shared_from_this<Worker> {
public:
    explicit Worker(std::shared_ptr<Shared> shared);

    void start();
    void adopt(tcp::socket socket);
    void remove(Connection& connection);
    void start_draining();
    void close_all();
    void join();
    void evict_some(SteadyTime now);

    // Any thread: an answer for a connection of this worker.
    void push(std::weak_ptr<Connection> connection, std::uint64_t turn, Response response);

    const std::string& date();
    SteadyTime now() const { return std::chrono::steady_clock::now(); }

    asio::io_context io{1};
    std::shared_ptr<Shared> shared;
    std::array<char, kScratchBytes> scratch;  // bytes just read, for whoever reads now
    Connection* dispatching = nullptr;        // whose handler runs right now
    std::size_t body_bytes = 0;               // held by requests not answered yet
    std::size_t body_bytes_max;
    bool draining = false;
    std::size_t handshakes = 0;  // connections in Phase::handshake

private:
    struct Answer {
        std::weak_ptr<Connection> connection;
        std::uint64_t turn;
        Response response;
    };
    struct Inbox {
        bool closed = false;
        std::vector<Answer> answers;
    };

    void take_answers();
    void sweep();
    void evict_a_handshake();

    std::size_t connections_max_;
    std::size_t handshakes_max_ = 0;
    milliseconds sweep_every_;
    std::vector<std::shared_ptr<Connection>> connections_;
    Guarded<Inbox> inbox_;
    asio::steady_timer sweep_timer_{io};
    bool closing_ = false;
    asio::executor_work_guard<asio::io_context::executor_type> guard_{io.get_executor()};
    std::string date_;
    std::time_t date_at_ = 0;
    std::thread thread_;
};

class Connection final : public std::enable_shared_from_this<Connection> {
public:
    // With TLS handshake first. idle → header → body → serving → writing → idle …; lingering →
    // closed at the end.
    enum class Phase { handshake, idle, header, body, serving, writing, lingering, closed };

    Connection(Worker& worker, tcp::socket socket)
        : worker_(worker), socket_(std::move(socket)), options_(worker.shared->options) {
        error_code ignored;
        socket_.non_blocking(true, ignored);
        socket_.set_option(tcp::no_delay(true), ignored);
        const auto peer = socket_.remote_endpoint(ignored);
        if (!ignored) remote_address_ = peer.address().to_string();
        if (worker.shared->certificate) {
            tls_ = worker.shared->certificate->stream(socket_.native_handle());
            ++worker_.handshakes;
            enter(Phase::handshake, options_.tls->handshake_timeout_ms);
        } else {
            enter(Phase::idle, options_.idle_timeout_ms);
        }
    }

    void start() { wait_readable(); }

    // The answer to the request of that turn.
    void answer(std::uint64_t turn, Response response) {
        if (phase_ != Phase::serving || turn != turn_) return;
        write(std::move(response));
        if (!pumping_ && phase_ == Phase::idle) resume();
    }

    void check_deadline(SteadyTime now) {
        if (phase_ == Phase::serving || now < deadline_) return;
        if (phase_ == Phase::header || phase_ == Phase::body) {
            refuse({408, "Request timeout",
                    "The request was not complete within " +
                        std::to_string(options_.read_timeout_ms) + " ms.",
                    "REQUEST_TIMEOUT"});
        } else {
            close();
        }
    }

    // A request that is already in the socket is still served.
    void drain() {
        if (phase_ == Phase::idle || phase_ == Phase::handshake) on_readable();
        if (phase_ == Phase::idle || phase_ == Phase::handshake) close();
    }

    void close() {
        if (phase_ == Phase::closed) return;
        if (phase_ == Phase::handshake) --worker_.handshakes;
        phase_ = Phase::closed;
        release_body();
        if (tls_) tls_->say_goodbye();
        error_code ignored;
        socket_.close(ignored);
        worker_.remove(*this);
    }

    bool evictable(SteadyTime now) const {
        switch (phase_) {
            case Phase::idle:
            case Phase::lingering:
                return true;
            case Phase::handshake:
            case Phase::header:
            case Phase::body:
                return now - since_ > milliseconds{kEvictReadingAfterMs};
            case Phase::serving:
            case Phase::writing:
            case Phase::closed:
                return false;
        }
        return false;
    }
    SteadyTime since() const { return since_; }
    bool shaking_hands() const { return phase_ == Phase::handshake; }

    std::size_t index = 0;  // in the worker's list

private:
    void enter(Phase phase, int deadline_ms) {
        phase_ = phase;
        since_ = worker_.now();
        deadline_ = since_ + milliseconds{deadline_ms};
    }

    bool reading() const {
        return phase_ == Phase::idle || phase_ == Phase::header || phase_ == Phase::body;
    }

    void wait_readable() {
        if (waiting_ || phase_ == Phase::closed) return;
        waiting_ = true;
        if (tls_ && tls_->has_read_ahead()) {
            asio::post(worker_.io, [self = shared_from_this()] {
                self->waiting_ = false;
                self->on_readable();
            });
            return;
        }
        socket_.async_wait(tcp::socket::wait_read,
                           [self = shared_from_this()](const error_code& error) {
                               self->waiting_ = false;
                               if (self->phase_ == Phase::closed) return;
                               if (error)
                                   self->close();
                               else
                                   self->on_readable();
                           });
    }

    void wait_writable(void (Connection::*then)()) {
        socket_.async_wait(tcp::socket::wait_write,
                           [self = shared_from_this(), then](const error_code& error) {
                               if (self->phase_ == Phase::closed) return;
                               if (error)
                                   self->close();
                               else
                                   (self.get()->*then)();
                           });
    }

    void shake_hands() {
        if (phase_ != Phase::handshake) return;
        switch (tls_->shake_hands()) {
            case TlsStream::Outcome::done:
                --worker_.handshakes;
                enter(Phase::idle, options_.idle_timeout_ms);
                on_readable();  // a request may have come with the end of the handshake
                return;
            case TlsStream::Outcome::wants_read:
                wait_readable();
                return;
            case TlsStream::Outcome::wants_write:
                wait_writable(&Connection::shake_hands);
                return;
            case TlsStream::Outcome::over:
                if (tls_->heard_plain_http())
                    answer_plain_http();
                else
                    close();
                return;
        }
    }

    void answer_plain_http() {
        --worker_.handshakes;
        error_code ignored;
        socket_.write_some(asio::buffer(kPlainHttpToTls), ignored);
        end_politely();
    }

    // Bytes as the peer meant them, into the worker's scratch. Waits for more, or closes, when
    // there are none: then nothing.
    std::optional<std::size_t> receive() {
        std::size_t count = 0;
        // What comes after our last word is counted and not looked at.
        if (tls_ && phase_ != Phase::lingering) {
            const auto outcome = tls_->read(worker_.scratch.data(), worker_.scratch.size(), count);
            if (outcome == TlsStream::Outcome::done) return count;
            if (outcome == TlsStream::Outcome::over)
                close();
            else
                wait_readable();
            return std::nullopt;
        }
        error_code error;
        count = socket_.read_some(asio::buffer(worker_.scratch), error);
        if (!error) return count;
        if (error == asio::error::would_block || error == asio::error::try_again)
            wait_readable();
        else
            close();  // closed or reset by the peer: nobody to answer
        return std::nullopt;
    }

    void on_readable() {
        if (phase_ == Phase::handshake) {
            shake_hands();
            return;
        }
        if (!reading() && phase_ != Phase::lingering) return;  // asked again when it is time
        const auto received = receive();
        if (!received) return;
        const std::size_t count = *received;
        if (phase_ == Phase::lingering) {
            lingered_bytes_ += count;
            if (lingered_bytes_ > kLingerBytesMax)
                close();
            else
                wait_readable();
            return;
        }
        const std::string_view fresh(worker_.scratch.data(), count);
        if (kept_.empty()) {
            rest_ = fresh;
        } else {
            kept_ += fresh;
            rest_ = kept_;
        }
        pump();
    }

    // After an answer: bytes of the next requests may have come with the one before.
    void resume() {
        rest_ = kept_;
        pump();
    }

    // Takes requests out of `rest_` for as long as there are whole ones and each is answered at
    // once.
    void pump() {
        pumping_ = true;
        while (reading() && advance()) {
        }
        pumping_ = false;
        keep_rest();
        if (reading()) wait_readable();
    }

    // rest_ looks into the worker's scratch or into kept_; what is left must survive in kept_.
    void keep_rest() {
        if (rest_.empty()) {
            kept_.clear();
            if (kept_.capacity() > kKeptBufferBytes) kept_.shrink_to_fit();
        } else if (rest_.data() >= kept_.data() && rest_.data() < kept_.data() + kept_.size()) {
            kept_.erase(0, static_cast<std::size_t>(rest_.data() - kept_.data()));
        } else {
            kept_.assign(rest_);
        }
        rest_ = {};
    }

    // One step. False: more bytes are needed.
    bool advance() {
        switch (phase_) {
            case Phase::idle:
                return begin_request();
            case Phase::header:
                return read_head();
            case Phase::body:
                return read_body();
            default:
                return false;
        }
    }

    bool begin_request() {
        // RFC 9112 §2.2: ignore empty lines before a request line.
        rest_.remove_prefix(std::min(rest_.find_first_not_of("\r\n"), rest_.size()));
        if (rest_.empty()) return false;
        enter(Phase::header, options_.read_timeout_ms);
        scanned_ = 0;
        request_ = {};
        framing_ = {};
        head_only_ = false;
        // TLS, binary rubbish: do not wait for the end of headers that will never come.
        if (!token_char(rest_.front())) return refuse(malformed("This is not an HTTP request."));
        return true;
    }

    bool read_head() {
        const std::size_t limit = options_.header_bytes_max;
        const auto found = rest_.substr(0, limit).find("\r\n\r\n", scanned_);
        if (found == std::string_view::npos) {
            if (rest_.size() < limit) {
                scanned_ = rest_.size() < 3 ? 0 : rest_.size() - 3;
                return false;
            }
            const std::string allowed = std::to_string(limit) + " bytes";
            if (rest_.substr(0, limit).find('\n') == std::string_view::npos)
                return refuse({414, "Target too long",
                               "The request line is longer than " + allowed + ".",
                               "TARGET_TOO_LONG"});
            return refuse({431, "Headers too large",
                           "Request line and headers are larger than " + allowed + ".",
                           "HEADERS_TOO_LARGE"});
        }
        const std::string_view head = rest_.substr(0, found + 4);
        auto parsed = parse_head(head);
        rest_.remove_prefix(head.size());
        if (auto* refusal = std::get_if<Refusal>(&parsed)) return refuse(std::move(*refusal));
        auto& [request, framing] = std::get<RequestHead>(parsed);
        request_ = std::move(request);
        framing_ = framing;
        request_.remote_address = client_address();
        head_only_ = request_.method == "HEAD";
        keep_alive_ = framing.keep_alive;

        const std::size_t body_limit = options_.body_limit
                                           ? options_.body_limit(request_.method, request_.path)
                                           : options_.body_bytes_max;
        body_limit_ = body_limit;
        if (framing_.length > body_limit) return refuse(body_too_large(body_limit));
        if (framing_.length == 0 && !framing_.chunked) return dispatch();

        enter(Phase::body, options_.read_timeout_ms);
        if (framing_.chunked) chunks_ = ChunkedDecoder(body_limit, options_.header_bytes_max);
        request_.body.reserve(std::min(framing_.length, kBodyReserveBytes));
        if (framing_.expects_continue && rest_.empty()) {
            constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
            if (!write_at_once(kContinue)) {
                close();
                return false;
            }
        }
        return true;
    }

    std::string client_address() const {
        if (options_.trusted_proxies.empty()) return remote_address_;
        // Several lines of one name mean the same as one line (RFC 9110 §5.3).
        std::string forwarded_for;
        for (const Header& line : request_.headers)
            if (equal_ignoring_case(line.name, "X-Forwarded-For"))
                forwarded_for += (forwarded_for.empty() ? "" : ",") + line.value;
        return options_.trusted_proxies.client_of(remote_address_, forwarded_for);
    }

    // A few bytes for which the socket has room, or has none any more.
    bool write_at_once(std::string_view bytes) {
        std::size_t count = 0;
        error_code error;
        if (tls_)
            tls_->write(bytes, count);
        else
            count = socket_.write_some(asio::buffer(bytes), error);
        return count == bytes.size();
    }

    bool read_body() {
        const std::size_t before = request_.body.size();
        if (framing_.chunked) {
            rest_.remove_prefix(chunks_.put(rest_, request_.body));
        } else {
            const std::size_t count = std::min(framing_.length - before, rest_.size());
            request_.body.append(rest_.substr(0, count));
            rest_.remove_prefix(count);
        }
        const std::size_t added = request_.body.size() - before;
        held_bytes_ += added;
        worker_.body_bytes += added;
        if (worker_.body_bytes > worker_.body_bytes_max)
            return refuse({503, "Overloaded", "Too many requests are in progress. Try again later.",
                           "OVERLOADED"});
        if (!framing_.chunked) return request_.body.size() == framing_.length && dispatch();
        switch (chunks_.state()) {
            case ChunkedDecoder::State::more:
                return false;
            case ChunkedDecoder::State::done:
                return dispatch();
            case ChunkedDecoder::State::too_large:
                return refuse(body_too_large(body_limit_));
            case ChunkedDecoder::State::overhead:
                return refuse({431, "Headers too large",
                               "Chunk extensions and trailers are too large.",
                               "HEADERS_TOO_LARGE"});
            case ChunkedDecoder::State::malformed:
                return refuse(malformed("The chunked body is malformed."));
        }
        return false;
    }

    bool dispatch();

    // Answers by ourselves and ends the connection: what follows in it cannot be trusted.
    bool refuse(Refusal refusal) {
        rest_ = {};
        kept_.clear();
        keep_alive_ = false;
        auto response = Response::problem({.status = refusal.status,
                                           .title = refusal.title,
                                           .detail = std::move(refusal.detail),
                                           .reason = refusal.reason,
                                           .trace_id = std::string(trace_id_of(request_.headers))});
        if (refusal.status == 503) response.headers.add("Retry-After", "1");
        write(std::move(response));
        return false;
    }

    void write(Response response) {
        if (response.status == Responder::Exchange::kCutStatus) {
            close();
            return;
        }
        if (response.status < 200 || response.status > 999) {
            response = Response::problem(500, "Internal error",
                                         "The handler gave an impossible status.", "INTERNAL");
        }
        const bool close_asked = equal_ignoring_case(response.headers.get("Connection"), "close");
        close_after_ = !keep_alive_ || worker_.draining || close_asked;

        const bool bodiless = response.status == 204 || response.status == 304;
        write_response_head(head_, response,
                            {.date = worker_.date(),
                             .server = options_.name,
                             .standing = options_.headers,
                             .bodiless = bodiless,
                             .close = close_after_});
        body_ = bodiless || head_only_ ? std::string() : std::move(response.body);

        enter(Phase::writing, options_.write_timeout_ms);
        if (tls_) {
            if (head_.size() + body_.size() <= kTlsRecordBytes) {
                head_ += body_;
                body_.clear();
            }
            sent_ = 0;
            send_by_tls();
            return;
        }
        // Most answers fit into the socket's buffer at once; only the rest of a long one waits.
        const std::array<asio::const_buffer, 2> whole = {asio::buffer(head_), asio::buffer(body_)};
        error_code error;
        std::size_t written = socket_.write_some(whole, error);
        if (error && error != asio::error::would_block && error != asio::error::try_again) {
            close();
            return;
        }
        if (written == head_.size() + body_.size()) {
            written_out();
            return;
        }
        std::array<asio::const_buffer, 2> left = whole;
        for (auto& buffer : left) {
            const std::size_t part = std::min(written, buffer.size());
            buffer += part;
            written -= part;
        }
        asio::async_write(socket_, left,
                          [self = shared_from_this()](const error_code& failed, std::size_t) {
                              if (self->phase_ != Phase::writing) return;
                              if (failed) {
                                  self->close();
                                  return;
                              }
                              self->written_out();
                              if (self->phase_ == Phase::idle) self->resume();
                          });
    }

    void send_by_tls() {
        if (phase_ != Phase::writing) return;
        while (sent_ < head_.size() + body_.size()) {
            const std::string_view left =
                sent_ < head_.size() ? std::string_view(head_).substr(sent_)
                                     : std::string_view(body_).substr(sent_ - head_.size());
            std::size_t count = 0;
            const auto outcome = tls_->write(left, count);
            if (outcome == TlsStream::Outcome::wants_write) {
                wait_writable(&Connection::go_on_sending);
                return;
            }
            if (outcome != TlsStream::Outcome::done) {  // without renegotiation nothing is read
                close();
                return;
            }
            sent_ += count;
        }
        written_out();
    }

    void go_on_sending() {
        if (phase_ != Phase::writing) return;
        send_by_tls();
        if (phase_ == Phase::idle) resume();
    }

    void written_out() {
        release_body();
        if (body_.capacity() > kKeptBufferBytes) body_ = {};
        if (!close_after_) {
            enter(Phase::idle, options_.idle_timeout_ms);
            return;
        }
        end_politely();
    }

    // A close with unread bytes in the socket would reset the connection and could take our answer
    // with it: say that we are done, and read until the peer is done too.
    void end_politely() {
        if (tls_) tls_->say_goodbye();
        error_code ignored;
        socket_.shutdown(tcp::socket::shutdown_send, ignored);
        lingered_bytes_ = 0;
        enter(Phase::lingering, kLingerMs);
        wait_readable();
    }

    void release_body() {
        worker_.body_bytes -= held_bytes_;
        held_bytes_ = 0;
    }

    Worker& worker_;
    tcp::socket socket_;
    std::unique_ptr<TlsStream> tls_;  // uses the socket; none: the bytes are what they are
    const ServerOptions& options_;
    std::string remote_address_;

    Phase phase_ = Phase::idle;
    SteadyTime since_;
    SteadyTime deadline_;
    bool waiting_ = false;    // an async_wait is out
    bool pumping_ = false;    // inside pump()
    std::uint64_t turn_ = 0;  // number of the request in this connection

    std::string_view rest_;  // bytes not yet used, only inside pump()
    std::string kept_;       // the same between two reads
    std::size_t scanned_ = 0;

    Request request_;
    Framing framing_;
    std::size_t body_limit_ = 0;
    ChunkedDecoder chunks_{0, 0};
    std::size_t held_bytes_ = 0;
    bool keep_alive_ = true;
    bool head_only_ = false;

    std::string head_;
    std::string body_;
    std::size_t sent_ = 0;  // of head_ and body_, with TLS
    bool close_after_ = false;
    std::size_t lingered_bytes_ = 0;
};

// The promise of one request of a connection.
class ConnectionExchange final : public Responder::Exchange {
public:
    ConnectionExchange(std::shared_ptr<Worker> worker, std::weak_ptr<Connection> connection,
                       std::uint64_t turn)
        : worker_(std::move(worker)), connection_(std::move(connection)), turn_(turn) {}
    ~ConnectionExchange() override { answer_for_the_forgetful(); }

private:
    void deliver(Response response) override {
        if (this_worker == worker_.get() && worker_->dispatching != nullptr) {
            // Answered before the handler returned: no detour through the inbox.
            const auto connection = connection_.lock();
            if (connection && connection.get() == worker_->dispatching) {
                connection->answer(turn_, std::move(response));
                return;
            }
        }
        worker_->push(connection_, turn_, std::move(response));
    }

    std::shared_ptr<Worker> worker_;
    std::weak_ptr<Connection> connection_;
    std::uint64_t turn_;
};

bool Connection::dispatch() {
    enter(Phase::serving, 0);
    auto exchange =
        std::make_shared<ConnectionExchange>(worker_.shared_from_this(), weak_from_this(), ++turn_);
    worker_.dispatching = this;
    try {
        worker_.shared->handler(std::move(request_), Responder(std::move(exchange)));
    } catch (const std::exception& error) {
        // The exception destroyed the handler's responder, so a 500 has been sent.
        if (options_.on_handler_error) options_.on_handler_error(error.what());
    }
    worker_.dispatching = nullptr;
    return phase_ == Phase::idle;
}

Worker::Worker(std::shared_ptr<Shared> with) : shared(std::move(with)) {
    const ServerOptions& options = shared->options;
    const auto threads = static_cast<std::size_t>(options.threads);
    connections_max_ = std::max<std::size_t>(1, options.connections_max / threads);
    body_bytes_max = std::max(options.bodies_bytes_max / threads, options.body_bytes_max);
    int shortest =
        std::min({options.read_timeout_ms, options.write_timeout_ms, options.idle_timeout_ms});
    if (options.tls) {
        handshakes_max_ = std::max<std::size_t>(1, options.tls->handshakes_max / threads);
        shortest = std::min(shortest, options.tls->handshake_timeout_ms);
    }
    sweep_every_ = milliseconds{std::clamp(shortest / 8, kSweepMsMin, kSweepMsMax)};
}

void Worker::start() {
    sweep();
    thread_ = std::thread([this] {
        this_worker = this;
        io.run();
        // Nobody will take answers any more.
        std::vector<Answer> late;
        inbox_.with([&](Inbox& inbox) {
            inbox.closed = true;
            late.swap(inbox.answers);
        });
    });
}

void Worker::adopt(tcp::socket socket) {
    if (draining) return;
    if (connections_.size() >= connections_max_) evict_some(now());
    if (connections_.size() >= connections_max_) {
        constexpr std::string_view kFull =
            "HTTP/1.1 503 Service Unavailable\r\n"
            "Content-Type: application/problem+json\r\nRetry-After: 1\r\n"
            "Content-Length: 137\r\nConnection: close\r\n\r\n"
            R"({"type":"about:blank","title":"Overloaded","status":503,)"
            R"("detail":"Too many connections are open. Try again later.","reason":"OVERLOADED"})";
        error_code ignored;
        // With TLS a handshake would come first, which is what there is no room for.
        if (shared->certificate) return;
        socket.non_blocking(true, ignored);
        socket.write_some(asio::buffer(kFull), ignored);
        socket.shutdown(tcp::socket::shutdown_send, ignored);
        return;
    }
    if (shared->certificate && handshakes >= handshakes_max_) evict_a_handshake();
    auto connection = std::make_shared<Connection>(*this, std::move(socket));
    connection->index = connections_.size();
    connections_.push_back(connection);
    shared->open.fetch_add(1);
    connection->start();
}

void Worker::remove(Connection& connection) {
    // The caller holds the connection; swapping keeps this O(1).
    const std::size_t index = connection.index;
    connections_.back()->index = index;
    std::swap(connections_[index], connections_.back());
    connections_.pop_back();
    if (shared->open.fetch_sub(1) == 1) {
        const std::lock_guard lock(shared->mutex);
        shared->all_closed.notify_all();
    }
}

// Takes the connections that have waited longest without a whole request: a flood of idle or
// dripping connections only ever evicts itself.
void Worker::evict_some(SteadyTime at) {
    std::vector<std::shared_ptr<Connection>> victims;
    for (const auto& connection : connections_)
        if (connection->evictable(at)) victims.push_back(connection);
    if (victims.empty()) return;
    const std::size_t count = std::min(victims.size(), connections_.size() / kEvictShare + 1);
    std::nth_element(victims.begin(), victims.begin() + static_cast<std::ptrdiff_t>(count) - 1,
                     victims.end(),
                     [](const auto& a, const auto& b) { return a->since() < b->since(); });
    for (std::size_t i = 0; i < count; ++i) victims[i]->close();
}

// A flood of handshakes that nobody finishes evicts itself: an honest one takes milliseconds.
void Worker::evict_a_handshake() {
    std::shared_ptr<Connection> oldest;
    for (const auto& connection : connections_)
        if (connection->shaking_hands() && (!oldest || connection->since() < oldest->since()))
            oldest = connection;
    if (oldest) oldest->close();
}

void Worker::start_draining() {
    draining = true;
    const auto connections = connections_;
    for (const auto& connection : connections) connection->drain();
}

void Worker::close_all() {
    const auto connections = connections_;
    for (const auto& connection : connections) connection->close();
    closing_ = true;
    sweep_timer_.cancel();
    guard_.reset();
}

void Worker::join() {
    if (thread_.joinable()) thread_.join();
}

void Worker::sweep() {
    const SteadyTime at = now();
    // Goes from the back: closing one moves the last, which has been seen, to its place.
    for (std::size_t i = connections_.size(); i-- > 0;) {
        if (i >= connections_.size()) continue;
        const auto connection = connections_[i];
        connection->check_deadline(at);
    }
    sweep_timer_.expires_after(sweep_every_);
    sweep_timer_.async_wait([this](const error_code& error) {
        // A timer that had expired before close_all cancelled it arrives here without an error;
        // sweeping on would keep the thread for ever.
        if (!error && !closing_) sweep();
    });
}

void Worker::push(std::weak_ptr<Connection> connection, std::uint64_t turn, Response response) {
    const bool wake = inbox_.with([&](Inbox& inbox) {
        if (inbox.closed) return false;
        inbox.answers.push_back({std::move(connection), turn, std::move(response)});
        return inbox.answers.size() == 1;
    });
    // One wake-up for all answers that come until it is followed.
    if (wake) asio::post(io, [this] { take_answers(); });
}

void Worker::take_answers() {
    std::vector<Answer> answers;
    inbox_.with([&](Inbox& inbox) { answers.swap(inbox.answers); });
    for (Answer& answer : answers)
        if (const auto connection = answer.connection.lock())
            connection->answer(answer.turn, std::move(answer.response));
}

const std::string& Worker::date() {
    const std::time_t at = std::time(nullptr);
    if (at != date_at_) {
        date_at_ = at;
        std::tm utc{};
        gmtime_r(&at, &utc);
        std::array<char, 40> text;  // "Sat, 21 Nov 2026 04:25:00 GMT"
        date_.assign(text.data(),
                     std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc));
    }
    return date_;
}

bool out_of_resources(const error_code& error) {
    return error == asio::error::no_descriptors || error == asio::error::no_memory ||
           error == asio::error::no_buffer_space ||
           error == boost::system::errc::too_many_files_open_in_system;
}

}  // namespace

// ---------------------------------------------------------------------------------------------
// Server
// ---------------------------------------------------------------------------------------------

struct Server::Impl {
    std::shared_ptr<Shared> shared = std::make_shared<Shared>();
    std::vector<std::shared_ptr<Worker>> workers;
    std::size_t next_worker = 0;
    std::unique_ptr<tcp::acceptor> acceptor;  // on the first worker's thread
    std::unique_ptr<asio::steady_timer> accept_pause;
    std::uint16_t port = 0;
    bool running = false;

    // Connections that come from now on show the certificate that is in the files now.
    void refresh_certificate() {
        if (!shared->certificate) return;
        const auto changed = shared->certificate->refresh(std::chrono::steady_clock::now());
        if (const auto& tell = shared->options.tls->on_change; changed && tell) tell(*changed);
    }

    void accept() {
        Worker& target = *workers[next_worker++ % workers.size()];
        acceptor->async_accept(
            target.io, [this, &target](const error_code& error, tcp::socket socket) {
                if (!acceptor->is_open()) return;
                if (!error) {
                    refresh_certificate();
                    if (&target == workers.front().get())
                        target.adopt(std::move(socket));
                    else
                        asio::post(target.io, [&target, moved = std::move(socket)]() mutable {
                            target.adopt(std::move(moved));
                        });
                } else if (error != asio::error::connection_aborted) {
                    if (out_of_resources(error))
                        for (const auto& worker : workers)
                            asio::post(worker->io, [&w = *worker] { w.evict_some(w.now()); });
                    accept_pause->expires_after(milliseconds{kAcceptPauseMs});
                    accept_pause->async_wait([this](const error_code& stopped) {
                        if (!stopped && acceptor->is_open()) accept();
                    });
                    return;
                }
                accept();
            });
    }
};

Server::Server(ServerOptions options, Handler handler) : impl_(std::make_unique<Impl>()) {
    if (options.threads < 1 || options.header_bytes_max < 64 || options.connections_max < 1 ||
        options.read_timeout_ms < 1 || options.write_timeout_ms < 1 ||
        options.idle_timeout_ms < 1 || !handler ||
        (options.tls &&
         (options.tls->handshake_timeout_ms < 1 || options.tls->handshakes_max < 1))) {
        throw std::invalid_argument("http server: a limit is not positive or the handler is empty");
    }
    impl_->shared->options = std::move(options);
    impl_->shared->handler = std::move(handler);
}

Server::~Server() {
    try {
        drain(milliseconds{0});
    } catch (...) {
        // Threads that cannot be joined: going on would free what they use.
        std::terminate();
    }
}

void Server::start() {
    const ServerOptions& options = impl_->shared->options;
    if (impl_->acceptor) throw std::logic_error("http server: started twice");
    if (options.tls)
        impl_->shared->certificate =
            std::make_unique<TlsCertificate>(options.tls->certificate_file, options.tls->key_file);
    for (int i = 0; i < options.threads; ++i)
        impl_->workers.push_back(std::make_shared<Worker>(impl_->shared));
    try {
        const tcp::endpoint endpoint(asio::ip::make_address(options.address), options.port);
        impl_->acceptor = std::make_unique<tcp::acceptor>(impl_->workers.front()->io);
        impl_->acceptor->open(endpoint.protocol());
        impl_->acceptor->set_option(tcp::acceptor::reuse_address(true));
        impl_->acceptor->bind(endpoint);
        impl_->acceptor->listen();
        impl_->port = impl_->acceptor->local_endpoint().port();
    } catch (const boost::system::system_error& error) {
        impl_->acceptor.reset();
        impl_->workers.clear();
        throw std::runtime_error("http server: cannot listen on " + options.address + ":" +
                                 std::to_string(options.port) + ": " + error.code().message());
    }
    impl_->accept_pause = std::make_unique<asio::steady_timer>(impl_->workers.front()->io);
    impl_->accept();
    for (const auto& worker : impl_->workers) worker->start();
    impl_->running = true;
}

std::uint16_t Server::port() const { return impl_->port; }

std::size_t Server::open_connections() const { return impl_->shared->open.load(); }

void Server::stop_accepting() {
    if (!impl_->running) return;
    std::promise<void> closed;
    asio::dispatch(impl_->workers.front()->io, [&] {
        error_code ignored;
        impl_->acceptor->close(ignored);
        impl_->accept_pause->cancel();
        closed.set_value();
    });
    closed.get_future().wait();
}

void Server::drain(milliseconds grace) {
    if (!impl_->running) return;
    stop_accepting();
    for (const auto& worker : impl_->workers)
        asio::post(worker->io, [&w = *worker] { w.start_draining(); });
    {
        std::unique_lock lock(impl_->shared->mutex);
        impl_->shared->all_closed.wait_for(lock, grace,
                                           [&] { return impl_->shared->open.load() == 0; });
    }
    for (const auto& worker : impl_->workers)
        asio::post(worker->io, [&w = *worker] { w.close_all(); });
    for (const auto& worker : impl_->workers) worker->join();
    impl_->running = false;
}

}  // namespace flowstack::http
