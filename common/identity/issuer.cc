#include "common/identity/issuer.h"

#include <algorithm>
#include <boost/json.hpp>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "common/http/client.h"
#include "common/http/url.h"
#include "common/observability/log.h"

namespace flowstack::identity {
namespace {

namespace json = boost::json;
using Steady = std::chrono::steady_clock;

constexpr std::size_t kDocumentBytesMax = std::size_t{1} << 20;
constexpr std::string_view kDiscovery = "/.well-known/openid-configuration";

}  // namespace

std::string issuer_mistake(std::string_view url) {
    if (!http::reached_safely(url))
        return "must begin with https:// (http:// only on this machine)";
    if (url.find_first_of("?# ") != std::string_view::npos)
        return "must have neither a query nor a fragment";
    return {};
}

struct Issuer::State {
    State(IssuerOptions o, const Clock& c)
        : options(std::move(o)),
          clock(c),
          client({.connections_per_host_max = 2,
                  .connections_max = 4,
                  .response_bytes_max = kDocumentBytesMax,
                  .ca_file = options.ca_file}) {
        thread = std::thread([this] { keep(); });
    }
    ~State() {
        {
            const std::lock_guard lock(mutex);
            stopping = true;
        }
        changed.notify_all();
        thread.join();
    }

    std::string get(const std::string& url) {
        const auto result = client.call_and_wait(
            {.method = "GET", .url = url, .timeout_ms = static_cast<int>(options.timeout.count())});
        if (result.outcome != http::ClientResult::Outcome::answered)
            throw std::runtime_error(url + ": " + result.error);
        if (result.response.status != 200)
            throw std::runtime_error(url + " answered " + std::to_string(result.response.status));
        return result.response.body;
    }

    // Only what is reached as safely as the issuer itself.
    std::string safe(std::string url) const {
        const bool good =
            http::reached_safely(url) &&
            (url.starts_with("https://") || !options.expected.issuer.starts_with("https://"));
        return good ? std::move(url) : std::string();
    }

    std::vector<PublicKey> fetch() {
        auto base = options.expected.issuer;
        if (base.ends_with('/')) base.pop_back();
        boost::system::error_code broken;
        const auto document = json::parse(get(base + std::string(kDiscovery)), broken);
        const auto text = [&](const char* name) {
            const auto* object = broken ? nullptr : document.if_object();
            const auto* value = object != nullptr ? object->if_contains(name) : nullptr;
            return value != nullptr && value->is_string() ? std::string(value->as_string())
                                                          : std::string();
        };
        if (text("issuer") != options.expected.issuer)
            throw std::runtime_error("the document at " + base + std::string(kDiscovery) +
                                     " is not that of OIDC_ISSUER");
        const auto jwks = safe(text("jwks_uri"));
        if (jwks.empty()) throw std::runtime_error("the issuer's jwks_uri is not https");
        const auto* names_itself =
            document.as_object().if_contains("authorization_response_iss_parameter_supported");
        {
            const std::lock_guard lock(mutex);
            endpoints =
                Endpoints{.authorization = safe(text("authorization_endpoint")),
                          .token = safe(text("token_endpoint")),
                          .end_session = safe(text("end_session_endpoint")),
                          .names_itself = names_itself != nullptr && names_itself->is_bool() &&
                                          names_itself->as_bool()};
        }
        std::vector<PublicKey> fetched;
        try {
            fetched = parse_jwks(get(jwks));
        } catch (const std::invalid_argument& error) {
            throw std::runtime_error(jwks + ": " + error.what());
        }
        if (fetched.empty()) throw std::runtime_error(jwks + " has no key that can be used");
        return fetched;
    }

    void keep() {
        std::unique_lock lock(mutex);
        while (!stopping) {
            wanted = false;
            lock.unlock();
            std::vector<PublicKey> fetched;
            std::string failure;
            try {
                fetched = fetch();
            } catch (const std::exception& error) {
                failure = error.what();
            }
            lock.lock();
            const auto now = Steady::now();
            fetched_last = now;
            ++fetched_times;
            if (failure.empty()) {
                keys = std::move(fetched);
                keys_until = now + options.keys_last;
            } else if (now >= keys_until) {
                keys.clear();
            }
            if (failure != trouble) {
                if (failure.empty())
                    log::info("the issuer's keys are here", {{"keys", keys.size()}});
                else
                    log::warn("the issuer's keys cannot be fetched", {{"error", failure}});
            }
            trouble = failure;
            const auto next = now + (failure.empty() ? options.refresh : options.retry);
            while (!stopping && Steady::now() < next && !(wanted && may_fetch()))
                changed.wait_until(lock, wanted ? std::min(next, earliest()) : next);
        }
    }

    // Under the mutex.
    Steady::time_point earliest() const { return fetched_last + options.unknown_key_every; }
    bool may_fetch() const { return Steady::now() >= earliest(); }

    int times_fetched() const {
        const std::lock_guard lock(mutex);
        return fetched_times;
    }

    std::optional<PublicKey> find(const std::string& id) const {
        const std::lock_guard lock(mutex);
        const auto found = std::ranges::find(keys, id, &PublicKey::id);
        if (found == keys.end()) return std::nullopt;
        return *found;
    }

    const IssuerOptions options;
    const Clock& clock;
    http::Client client;
    mutable std::mutex mutex;
    std::condition_variable changed;
    bool stopping = false;
    bool wanted = false;  // a token named a key that is not known
    std::optional<Endpoints> endpoints;
    std::vector<PublicKey> keys;
    Steady::time_point keys_until{};
    Steady::time_point fetched_last{};
    int fetched_times = 0;
    std::string trouble = "the issuer's keys have not been fetched yet";
    std::thread thread;
};

Issuer::Issuer(IssuerOptions options, const Clock& clock)
    : state_(std::make_unique<State>(std::move(options), clock)) {}
Issuer::~Issuer() = default;

std::optional<Issuer::Endpoints> Issuer::endpoints() const {
    const std::lock_guard lock(state_->mutex);
    return state_->endpoints;
}

const IssuerOptions& Issuer::options() const { return state_->options; }

std::variant<Claims, Refused, Issuer::Later> Issuer::read(std::string_view token) {
    return read(token, state_->options.expected);
}

std::variant<Claims, Refused, Issuer::Later> Issuer::read(std::string_view token,
                                                          const Expected& expected) {
    auto& s = *state_;
    const int before = s.times_fetched();
    auto result = read_token(
        token, expected, [&s](const std::string& id) { return s.find(id); }, s.clock.now());
    if (auto* claims = std::get_if<Claims>(&result)) return std::move(*claims);
    auto& refused = std::get<Refused>(result);
    if (refused.unknown_key) {
        const std::lock_guard lock(s.mutex);
        // Keys that came since the token was looked at may have the one that it names.
        const bool soon = s.fetched_times != before || s.may_fetch() || s.keys.empty();
        s.wanted = true;
        s.changed.notify_all();
        if (soon) return Later{};
    }
    return std::move(refused);
}

std::string Issuer::trouble() const {
    const std::lock_guard lock(state_->mutex);
    return state_->keys.empty() ? state_->trouble : "";
}

}  // namespace flowstack::identity
