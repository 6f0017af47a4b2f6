// The only file that calls libcurl.
#include "common/http/client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <future>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/core/guarded.h"
#include "common/http/failure_text.h"
#include "common/observability/span.h"

namespace flowstack::http {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Outcome = ClientResult::Outcome;

constexpr int kPollMsMax = 1'000;
constexpr std::size_t kKeptHandlesMax = 64;

// Whether libcurl may send it again after a kept-alive connection broke.
bool repeatable(const std::string& method) {
    return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

bool has_line_break(std::string_view text) {
    return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

ClientResult not_sent(std::string error) {
    return {.outcome = Outcome::not_sent, .response = {}, .error = std::move(error)};
}

// "https://api.example.com"
std::string_view host_of(std::string_view url) {
    const auto scheme = url.find("://");
    return url.substr(0, url.find('/', scheme == std::string_view::npos ? 0 : scheme + 3));
}

using Done = std::function<void(ClientResult)>;

void end_span(trace::Span& span, const ClientResult& result) {
    if (result.outcome == Outcome::answered) {
        span.set("http.response.status_code", result.response.status);
        if (result.response.status >= 400) span.fail(std::to_string(result.response.status));
    } else {
        span.fail(result.outcome == Outcome::not_sent ? "not_sent" : "unknown");
    }
    span.end();
}

// What `done` asks for next belongs to the same work.
Done traced(const ClientRequest& request, Done done) {
    const auto caller = trace::current();
    const auto span = std::make_shared<trace::Span>(
        trace::Span::begin(trace::SpanKind::client, request.method, caller));
    span->set("http.request.method", request.method);
    auto host = host_of(request.url);
    const bool is_secure = host.starts_with("https:");
    host.remove_prefix(std::min(host.size(), host.find("://") + 3));
    host = host.substr(0, host.find_first_of("?#"));
    if (const auto user = host.rfind('@'); user != std::string_view::npos)
        host.remove_prefix(user + 1);
    std::int64_t port = is_secure ? 443 : 80;
    if (const auto colon = host.rfind(':'); colon != std::string_view::npos) {
        const auto digits = host.substr(colon + 1);
        std::from_chars(digits.data(), digits.data() + digits.size(), port);
        host = host.substr(0, colon);
    }
    span->set("server.address", host);
    span->set("server.port", port);
    return [span, caller, done = std::move(done)](ClientResult result) {
        end_span(*span, result);
        const trace::Scope scope(caller);
        done(std::move(result));
    };
}

struct Call {
    ClientRequest request;
    std::function<void(ClientResult)> done;
    std::size_t response_bytes_max = 0;
    const std::function<std::string(std::string_view)>* refused_address = nullptr;

    CURL* handle = nullptr;
    curl_slist* header_list = nullptr;
    std::size_t body_given = 0;  // bytes of the body handed to libcurl
    int starts = 0;              // how often libcurl was about to write this request
    std::string refused = {};    // why we stopped it, if we did
    Response response = {};
    bool interim = false;        // the answer being read is a 1xx
    bool head_complete = false;  // up to the empty line; libcurl is content with less
    std::array<char, CURL_ERROR_SIZE> error = {};

    // Set while the call waits for a free connection to its host; it is given up at given_up_at().
    SteadyClock::time_point asked_at = SteadyClock::now();
    std::list<std::unique_ptr<Call>>::iterator place = {};

    std::string_view host() const { return host_of(request.url); }
    SteadyClock::time_point given_up_at() const {
        const auto timeout = asked_at + std::chrono::milliseconds(request.timeout_ms);
        return request.not_after ? std::min(*request.not_after, timeout) : timeout;
    }
    bool late() const { return request.not_after && SteadyClock::now() > *request.not_after; }
};

// A connection is there and the first byte is about to be written. The last moment to say no, and
// the place where a second start of the same request shows.
int before_start(void* self, char*, char*, int, int) {
    auto& call = *static_cast<Call*>(self);
    if (call.late()) {
        call.refused = "too late to start";
        return CURL_PREREQFUNC_ABORT;
    }
    if (call.starts > 0 && !repeatable(call.request.method)) {
        call.refused = "the connection was cut without an answer; not sent again";
        return CURL_PREREQFUNC_ABORT;
    }
    ++call.starts;
    return CURL_PREREQFUNC_OK;
}

std::string text_of(const sockaddr& address) {
    std::array<char, INET6_ADDRSTRLEN> text = {};
    const void* bytes = nullptr;
    if (address.sa_family == AF_INET)
        bytes = &reinterpret_cast<const sockaddr_in&>(address).sin_addr;
    else if (address.sa_family == AF_INET6)
        bytes = &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    if (bytes == nullptr || inet_ntop(address.sa_family, bytes, text.data(),
                                      static_cast<socklen_t>(text.size())) == nullptr)
        return {};
    return text.data();
}

// The name was looked up, and this is the address that is about to be connected to. A connection
// that is kept was judged when it was made.
curl_socket_t open_socket(void* self, curlsocktype, curl_sockaddr* address) {
    auto& call = *static_cast<Call*>(self);
    const auto text = text_of(address->addr);
    if (const auto why = (*call.refused_address)(text); !why.empty()) {
        call.refused = "the address " + text + " is not connected to: it is " + why;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::size_t give_body(char* buffer, std::size_t size, std::size_t count, void* self) {
    auto& call = *static_cast<Call*>(self);
    const std::size_t given = std::min(size * count, call.request.body.size() - call.body_given);
    std::copy_n(call.request.body.data() + call.body_given, given, buffer);
    call.body_given += given;
    return given;
}

// A body can be given once. libcurl asks to rewind only in order to send again (error 65).
int refuse_to_rewind(void*, curl_off_t, int) { return CURL_SEEKFUNC_FAIL; }

std::size_t take_header(char* bytes, std::size_t size, std::size_t count, void* self) {
    auto& call = *static_cast<Call*>(self);
    std::string_view line(bytes, size * count);
    while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
    if (call.head_complete) return size * count;  // a trailer is never a header
    if (line.starts_with("HTTP/")) {
        call.response.headers = {};  // of an interim answer
        const auto space = line.find(' ');
        call.interim = space != std::string_view::npos && line.substr(space + 1).starts_with('1');
    } else if (line.empty()) {
        call.head_complete = !call.interim;
    } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
        auto value = line.substr(colon + 1);
        value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
        call.response.headers.add(std::string(line.substr(0, colon)), std::string(value));
    }
    return size * count;
}

std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* self) {
    auto& call = *static_cast<Call*>(self);
    if (call.response.body.size() + size * count > call.response_bytes_max) {
        call.refused =
            "the answer is larger than " + std::to_string(call.response_bytes_max) + " bytes";
        return 0;  // fewer than given: libcurl ends the transfer
    }
    call.response.body.append(bytes, size * count);
    return size * count;
}

}  // namespace

struct Client::Impl {
    explicit Impl(ClientOptions with) : options(std::move(with)) {
        static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
        multi = curl_multi_init();
        if (ready != CURLE_OK || multi == nullptr)
            throw std::runtime_error("http client: libcurl does not start");
        curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, options.connections_per_host_max);
        curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, options.connections_max);
        curl_multi_setopt(multi, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
        thread = std::thread([this] { run(); });
    }

    ~Impl() {
        inbox.with([](Inbox& in) { in.closed = true; });
        curl_multi_wakeup(multi);
        thread.join();
        for (CURL* handle : kept_handles) curl_easy_cleanup(handle);
        curl_multi_cleanup(multi);
    }

    struct Inbox {
        bool closed = false;
        std::size_t calls = 0;  // waiting and running
        std::deque<std::unique_ptr<Call>> waiting;
        std::deque<std::unique_ptr<Call>> refused;
    };

    void run() {
        // A peer that hangs up must not raise SIGPIPE; blocked in this thread only.
        sigset_t pipe_signal;
        sigemptyset(&pipe_signal);
        sigaddset(&pipe_signal, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);

        while (true) {
            if (take_new_calls()) break;
            int running_count = 0;
            curl_multi_perform(multi, &running_count);
            finish_answered();
            drop_late();
            start_waiting();
            curl_multi_poll(multi, nullptr, 0, poll_ms(), nullptr);
        }
        while (!running.empty())
            finish(*running.begin()->second, CURLE_ABORTED_BY_CALLBACK, "the client is closing");
    }

    // True when the client closes and nothing waits any more.
    bool take_new_calls() {
        Inbox taken;
        inbox.with([&](Inbox& in) {
            taken.closed = in.closed;
            taken.waiting.swap(in.waiting);
            taken.refused.swap(in.refused);
        });
        for (auto& call : taken.refused) call->done(not_sent("too many calls are waiting"));
        for (auto& call : taken.waiting) {
            if (taken.closed)
                end(std::move(call), not_sent("the client is closing"));
            else
                wait_or_start(std::move(call));
        }
        if (taken.closed)
            for (auto& [name, host] : hosts) {
                for (auto& call : host.waiting)
                    end(std::move(call), not_sent("the client is closing"));
                host.waiting.clear();
            }
        return taken.closed;
    }

    // libcurl looks at every transfer that it has, at every turn: it gets no more than there are
    // connections.
    void wait_or_start(std::unique_ptr<Call> call) {
        auto& host = hosts[std::string(call->host())];
        if (host.running < options.connections_per_host_max && host.waiting.empty()) {
            start(std::move(call));
            return;
        }
        Call& waits = *call;
        waits.place = host.waiting.insert(host.waiting.end(), std::move(call));
        given_up.emplace(waits.given_up_at(), &waits);
    }

    void start_waiting() {
        const auto now = SteadyClock::now();
        while (!given_up.empty() && given_up.begin()->first <= now) {
            Call& call = *given_up.begin()->second;
            given_up.erase(given_up.begin());
            auto owned = std::move(*call.place);
            hosts[std::string(call.host())].waiting.erase(call.place);
            end(std::move(owned), not_sent("too late to start"));
        }
        for (auto at = hosts.begin(); at != hosts.end();) {
            auto& host = at->second;
            while (host.running < options.connections_per_host_max && !host.waiting.empty()) {
                auto call = std::move(host.waiting.front());
                host.waiting.pop_front();
                given_up.erase({call->given_up_at(), call.get()});
                start(std::move(call));
            }
            at = host.running == 0 && host.waiting.empty() ? hosts.erase(at) : std::next(at);
        }
    }

    void start(std::unique_ptr<Call> owned) {
        Call& call = *owned;
        if (call.late()) {
            end(std::move(owned), not_sent("too late to start"));
            return;
        }
        if (std::string wrong = configure(call); !wrong.empty()) {
            release(call);
            end(std::move(owned), not_sent(std::move(wrong)));
            return;
        }
        if (call.request.not_after) not_started.emplace(*call.request.not_after, call.handle);
        CURL* const handle = call.handle;
        ++hosts[std::string(call.host())].running;
        running.emplace(handle, std::move(owned));
        curl_multi_add_handle(multi, handle);
    }

    // What is wrong with the request, or nothing.
    std::string configure(Call& call) {
        const ClientRequest& request = call.request;
        if (request.method.empty() || has_line_break(request.method) ||
            request.method.find(' ') != std::string::npos)
            return "the method is malformed";
        if (request.url.empty() || has_line_break(request.url)) return "the URL is malformed";

        if (kept_handles.empty()) {
            call.handle = curl_easy_init();
            if (call.handle == nullptr) return "libcurl has no memory";
        } else {
            call.handle = kept_handles.back();
            kept_handles.pop_back();
        }
        CURL* const h = call.handle;
        curl_easy_setopt(h, CURLOPT_URL, request.url.c_str());
        curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
        curl_easy_setopt(h, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
        curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
        curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
        // The time for which the call waited for a connection counts.
        const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(
            SteadyClock::now() - call.asked_at);
        curl_easy_setopt(h, CURLOPT_TIMEOUT_MS,
                         std::max(1L, static_cast<long>(request.timeout_ms - waited.count())));
        curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS,
                         std::max(1L, static_cast<long>(request.connect_timeout_ms)));
        curl_easy_setopt(h, CURLOPT_MAXAGE_CONN, options.connection_idle_s_max);
        curl_easy_setopt(h, CURLOPT_PROXY, options.proxy.c_str());
        curl_easy_setopt(h, CURLOPT_USERAGENT, options.user_agent.c_str());
        curl_easy_setopt(h, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
        if (!options.ca_file.empty()) curl_easy_setopt(h, CURLOPT_CAINFO, options.ca_file.c_str());
        curl_easy_setopt(h, CURLOPT_ERRORBUFFER, call.error.data());
        curl_easy_setopt(h, CURLOPT_PREREQFUNCTION, before_start);
        curl_easy_setopt(h, CURLOPT_PREREQDATA, &call);
        if (options.refused_address) {
            call.refused_address = &options.refused_address;
            curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, open_socket);
            curl_easy_setopt(h, CURLOPT_OPENSOCKETDATA, &call);
        }
        curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, take_header);
        curl_easy_setopt(h, CURLOPT_HEADERDATA, &call);
        curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take_body);
        curl_easy_setopt(h, CURLOPT_WRITEDATA, &call);

        if (request.method == "HEAD") {
            curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
        } else if (repeatable(request.method) && request.body.empty()) {
            curl_easy_setopt(h, CURLOPT_HTTPGET, 1L);
            curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, request.method.c_str());
        } else {
            // The body is pulled, not lent, so that libcurl cannot give it a second time.
            curl_easy_setopt(h, CURLOPT_POST, 1L);
            curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, request.method.c_str());
            curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE,
                             static_cast<curl_off_t>(request.body.size()));
            curl_easy_setopt(h, CURLOPT_READFUNCTION, give_body);
            curl_easy_setopt(h, CURLOPT_READDATA, &call);
            curl_easy_setopt(h, CURLOPT_SEEKFUNCTION, refuse_to_rewind);
            curl_easy_setopt(h, CURLOPT_SEEKDATA, &call);
        }
        const auto append = [&](const std::string& line) {
            curl_slist* const longer = curl_slist_append(call.header_list, line.c_str());
            if (longer != nullptr) call.header_list = longer;
            return longer != nullptr;
        };
        bool complete = append("Expect:");  // no waiting for 100: one round trip, one meaning
        if (!request.headers.has("Content-Type")) complete = append("Content-Type:") && complete;
        for (const Header& line : request.headers) {
            if (line.name.empty() || has_line_break(line.name) || has_line_break(line.value) ||
                line.name.find_first_of(":; \t") != std::string::npos)
                return "header '" + line.name + "' is malformed";
            if (equal_ignoring_case(line.name, "Content-Length") ||
                equal_ignoring_case(line.name, "Transfer-Encoding") ||
                equal_ignoring_case(line.name, "Expect"))
                continue;
            // libcurl's own spelling of a header with an empty value is "Name;".
            complete =
                append(line.value.empty() ? line.name + ";" : line.name + ": " + line.value) &&
                complete;
        }
        if (!complete) return "libcurl has no memory";
        curl_easy_setopt(h, CURLOPT_HTTPHEADER, call.header_list);
        return {};
    }

    void finish_answered() {
        int left = 0;
        while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
            if (message->msg != CURLMSG_DONE) continue;
            const CURLcode code = message->data.result;
            const auto found = running.find(message->easy_handle);
            if (found != running.end()) finish(*found->second, code, {});
        }
    }

    // Calls whose time to start has passed while they waited for a connection.
    void drop_late() {
        while (!not_started.empty() && not_started.begin()->first < SteadyClock::now()) {
            const auto [when, handle] = *not_started.begin();
            not_started.erase(not_started.begin());
            const auto found = running.find(handle);
            if (found != running.end() && found->second->starts == 0) {
                found->second->refused = "too late to start";
                finish(*found->second, CURLE_ABORTED_BY_CALLBACK, {});
            }
        }
    }

    int poll_ms() const {
        auto next = SteadyClock::now() + std::chrono::milliseconds(kPollMsMax);
        if (!not_started.empty()) next = std::min(next, not_started.begin()->first);
        if (!given_up.empty()) next = std::min(next, given_up.begin()->first);
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - SteadyClock::now());
        return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, kPollMsMax));
    }

    void finish(Call& call, CURLcode code, std::string why) {
        ClientResult result;
        long status = 0;
        long request_bytes = 0;  // of request line and headers, over all starts
        curl_off_t body_bytes = 0;
        curl_easy_getinfo(call.handle, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(call.handle, CURLINFO_REQUEST_SIZE, &request_bytes);
        curl_easy_getinfo(call.handle, CURLINFO_SIZE_UPLOAD_T, &body_bytes);
        if (code == CURLE_OK && call.head_complete) {
            result.outcome = Outcome::answered;
            call.response.status = static_cast<int>(status);
            result.response = std::move(call.response);
        } else {
            result.outcome =
                request_bytes > 0 || body_bytes > 0 ? Outcome::unknown : Outcome::not_sent;
            if (why.empty()) why = call.refused;
            if (why.empty()) why = failure_text(code, call.error.data());
            result.error = std::move(why);
        }
        if (call.request.not_after) not_started.erase({*call.request.not_after, call.handle});
        auto owned = std::move(running.extract(call.handle).mapped());
        --hosts[std::string(call.host())].running;
        curl_multi_remove_handle(multi, call.handle);
        release(call);
        end(std::move(owned), std::move(result));
    }

    void release(Call& call) {
        curl_slist_free_all(std::exchange(call.header_list, nullptr));
        CURL* const handle = std::exchange(call.handle, nullptr);
        if (handle == nullptr) return;
        if (kept_handles.size() >= kKeptHandlesMax) {
            curl_easy_cleanup(handle);
        } else {
            curl_easy_reset(handle);
            kept_handles.push_back(handle);
        }
    }

    void end(std::unique_ptr<Call> call, ClientResult result) {
        inbox.with([](Inbox& in) { --in.calls; });
        call->done(std::move(result));
    }

    ClientOptions options;
    CURLM* multi = nullptr;
    Guarded<Inbox> inbox;
    // The members below belong to the client's thread.
    struct Host {
        long running = 0;
        std::list<std::unique_ptr<Call>> waiting;  // for one of its connections
    };
    std::map<std::string, Host, std::less<>> hosts;
    std::set<std::pair<SteadyClock::time_point, Call*>> given_up;  // those that wait, by their time
    std::unordered_map<CURL*, std::unique_ptr<Call>> running;
    std::set<std::pair<SteadyClock::time_point, CURL*>> not_started;  // by not_after
    std::vector<CURL*> kept_handles;
    std::thread thread;
};

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Client::~Client() = default;

void Client::call(ClientRequest request, std::function<void(ClientResult)> done) {
    if (trace::on() && trace::current().valid()) done = traced(request, std::move(done));
    auto call = std::make_unique<Call>();
    call->request = std::move(request);
    call->done = std::move(done);
    call->response_bytes_max = impl_->options.response_bytes_max;
    const bool closed = impl_->inbox.with([&](Impl::Inbox& in) {
        if (in.closed) return true;
        if (in.calls >= impl_->options.calls_max) {
            call->request = {};
            in.refused.push_back(std::move(call));
        } else {
            ++in.calls;
            in.waiting.push_back(std::move(call));
        }
        return false;
    });
    // Only a callback comes here while the client is destroyed: its thread takes no more calls.
    if (closed)
        call->done(not_sent("the client is closing"));
    else
        curl_multi_wakeup(impl_->multi);
}

ClientResult Client::call_and_wait(ClientRequest request) {
    std::promise<ClientResult> promise;
    auto result = promise.get_future();
    call(std::move(request), [&](ClientResult got) { promise.set_value(std::move(got)); });
    return result.get();
}

}  // namespace flowstack::http
