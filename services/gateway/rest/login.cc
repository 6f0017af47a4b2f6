#include "services/gateway/rest/login.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>
#include <thread>
#include <utility>

#include "common/crypto/aead.h"
#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/http/url.h"
#include "common/identity/grants.h"
#include "common/observability/log.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "services/gateway/rest/rest_calls.h"

namespace flowstack::gateway {
namespace {

namespace json = boost::json;
using http::Request;
using http::Responder;
using http::Response;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kSessionBytes = 32;
constexpr std::size_t kReturnToMax = 1024;
constexpr seconds kLoginLasts{600};  // from the way to the issuer to the way back
constexpr milliseconds kExchangeTimeout{5'000};
// An ID token may be signed by a key that we have not fetched yet.
constexpr milliseconds kKeyWait{2'000};
constexpr milliseconds kKeyLookEvery{50};
constexpr seconds kIssuerRetryAfter{5};
constexpr int kNotFound = 404;
constexpr int kFound = 302;
constexpr int kSeeOther = 303;
constexpr std::string_view kSealedFor = "login";
constexpr std::string_view kSessionName = "flowstack_session";
constexpr std::string_view kLoginName = "flowstack_login";
constexpr const char* kHome = "/auth/session";

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
}

bool by_https(std::string_view url) { return lower(std::string(url)).starts_with("https://"); }

std::string cookie_name(const LoginOptions& options, std::string_view name) {
    return (by_https(options.base_url) ? "__Host-" : "") + std::string(name);
}

// A cookie that no script reads, and that a browser sends along with navigations from elsewhere
// only, such as the way back from the issuer.
std::string cookie(const LoginOptions& options, std::string_view name, const std::string& value,
                   seconds max_age) {
    return cookie_name(options, name) + "=" + value +
           "; Path=/; Max-Age=" + std::to_string(max_age.count()) + "; HttpOnly; SameSite=Lax" +
           (by_https(options.base_url) ? "; Secure" : "");
}

// What the browser keeps until it is back, sealed.
struct Kept {
    identity::LoginQuestion question;
    std::string return_to;
    std::int64_t until = 0;  // seconds since 1970
};

std::string sealed(const LoginOptions& options, const Kept& kept) {
    const auto text = json::serialize(json::object{{"state", kept.question.state},
                                                   {"nonce", kept.question.nonce},
                                                   {"verifier", kept.question.verifier},
                                                   {"return_to", kept.return_to},
                                                   {"until", kept.until}});
    return crypto::base64url_encode(crypto::seal(options.seal_key(), text, kSealedFor));
}

std::optional<Kept> opened(const LoginOptions& options, const std::string& value) {
    const auto bytes = crypto::base64url_decode(value);
    const auto text = bytes ? crypto::open(options.seal_key(), *bytes, kSealedFor) : std::nullopt;
    if (!text) return std::nullopt;
    const auto parsed = json::parse(text->reveal());  // we wrote it
    const auto member = [&](const char* name) { return std::string(parsed.at(name).as_string()); };
    return Kept{.question = {.state = member("state"),
                             .nonce = member("nonce"),
                             .verifier = member("verifier")},
                .return_to = member("return_to"),
                .until = parsed.at("until").to_number<std::int64_t>()};
}

// In the role that may most, of all that the person is anywhere.
std::string role_of(const identity::Grants& grants) {
    if (grants.platform_admin) return std::string(rpc::kOperatorRole);
    using identity::Role;
    for (const auto role : {Role::admin, Role::agent, Role::auditor, Role::viewer})
        for (const auto& [tenant, roles] : grants.tenants)
            if (roles.contains(role)) return std::string(identity::name_of(role));
    return {};
}

rpc::Caller caller_by(const Request& request, const std::string& subject,
                      const std::vector<std::string>& granted) {
    auto grants = identity::parse_grants(granted);
    auto role = role_of(grants);
    return {.actor = "user:" + subject,
            .grants = std::move(grants),
            .role = std::move(role),
            .source_address = request.remote_address};
}

// What a grant is, and nothing else that the issuer put beside it.
std::vector<std::string> texts_of(const identity::Grants& grants) {
    std::vector<std::string> texts;
    if (grants.platform_admin) texts.emplace_back("platform_admin");
    for (const auto& [tenant, roles] : grants.tenants)
        for (const auto role : roles)
            texts.push_back(tenant + ":" + std::string(identity::name_of(role)));
    return texts;
}

Response redirect(int status, const std::string& where) {
    Response response{status, {}, ""};
    response.headers.set("Location", where);
    return response;
}

}  // namespace

bool is_local_path(std::string_view path) {
    // "//host" and "/\host" are other hosts to a browser, and it leaves tabs and line ends out.
    return !path.empty() && path.size() <= kReturnToMax && path.front() == '/' &&
           !path.starts_with("//") && std::ranges::all_of(path, [](unsigned char c) {
               return c > 0x20 && c < 0x7F && c != '\\';
           });
}

std::optional<std::string> cookie_in(const Request& request, std::string_view name) {
    for (const auto& line : request.headers) {
        if (!http::equal_ignoring_case(line.name, "Cookie")) continue;
        std::string_view left = line.value;
        while (!left.empty()) {
            auto one = left.substr(0, left.find(';'));
            left.remove_prefix(std::min(left.size(), one.size() + 1));
            while (one.starts_with(' ')) one.remove_prefix(1);
            if (one.starts_with(name) && one.substr(name.size()).starts_with('='))
                return std::string(one.substr(name.size() + 1));
        }
    }
    return std::nullopt;
}

std::string origin_of(std::string_view base_url) {
    const auto begin = base_url.find("://");
    const auto end = begin == std::string_view::npos ? begin : base_url.find('/', begin + 3);
    auto origin = lower(std::string(base_url.substr(0, end)));
    for (const std::string_view port : {":443", ":80"})
        if (origin.ends_with(port) && origin.starts_with(port == ":443" ? "https://" : "http://"))
            origin.resize(origin.size() - port.size());
    return origin;
}

void refuse_other_sites(const Request& request, std::string_view own_origin) {
    if (request.method == "GET" || request.method == "HEAD") return;
    const auto site = request.headers.get("Sec-Fetch-Site");
    const auto origin = request.headers.get("Origin");
    // Where a browser says that the page is ours, it may still hide the origin ("null"), as our own
    // Referrer-Policy asks it to.
    const bool said = !site.empty();
    const bool ours =
        said ? site == "same-origin" && (origin.empty() || origin == "null" || origin == own_origin)
             : origin == own_origin;
    if (!ours)
        throw rpc::permission_denied(
            "With a session's cookie this can be asked by a page of this address only: Origin or "
            "Sec-Fetch-Site says otherwise, or is missing.");
}

std::string session_cookie_name(const LoginOptions& options) {
    return cookie_name(options, kSessionName);
}

struct LoginDoor::Impl {
    Impl(const RestCalls& c, const std::optional<LoginOptions>& o) : calls(c), options(o) {}

    const LoginOptions& login() const { return *options; }

    identity::LoginClient client() const {
        auto made = login().client;
        made.redirect_uri = login().base_url + "/auth/callback";
        return made;
    }

    identity::Issuer::Endpoints endpoints() const {
        auto known = login().issuer->endpoints();
        if (!known)
            throw rpc::unavailable(
                "the issuer's addresses are not known yet: " + login().issuer->trouble(),
                kIssuerRetryAfter);
        if (known->authorization.empty() || known->token.empty())
            throw rpc::unavailable(
                "the issuer names no authorization_endpoint and token_endpoint that are reached "
                "safely",
                kIssuerRetryAfter);
        return std::move(*known);
    }

    static void answer(const VisitPtr& visit, Response response) {
        response.headers.set("Cache-Control", "no-store");
        visit->answer(std::move(response));
    }

    // Where there is no login the paths say so, and nothing else happens there.
    bool absent(const VisitPtr& visit) const {
        if (options) return false;
        http::Problem problem;
        problem.status = kNotFound;
        problem.reason = rpc::reason_text(common::v1::ERROR_REASON_UNIMPLEMENTED);
        problem.title = "Unimplemented";
        problem.detail =
            "Nobody logs in with a browser at this installation: OIDC_ISSUER and OIDC_CLIENT_ID "
            "are not set. Show a key or a token.";
        problem.trace_id = visit->context.trace_id_text();
        visit->answer(Response::problem(problem));
        return true;
    }

    // Runs it on a worker, and what it throws is the answer.
    void later(const VisitPtr& visit, std::function<void()> body) const {
        if (!login().on_worker([visit, body = std::move(body)] { visit->guarded(body); }))
            visit->refuse(rpc::overloaded(seconds(1)));
    }

    void begin(const VisitPtr& visit) const {
        if (absent(visit)) return;
        RestCalls::refuse_secrets(visit->request);
        calls.check_guesses(visit->request, "logins");
        const auto wanted = visit->request.query_param("return_to");
        if (visit->request.query.find("return_to=") != std::string::npos &&
            !(wanted && is_local_path(*wanted)))
            throw rpc::invalid_field("return_to",
                                     "must be a path of this address, such as /auth/session, with "
                                     "at most 1024 characters");
        const Kept kept{.question = identity::LoginQuestion::fresh(),
                        .return_to = wanted.value_or(kHome),
                        .until = unix_seconds(login().clock->now()) + kLoginLasts.count()};
        auto response = redirect(kFound, identity::login_url(endpoints(), client(), kept.question));
        response.headers.add("Set-Cookie",
                             cookie(login(), kLoginName, sealed(login(), kept), kLoginLasts));
        answer(visit, std::move(response));
    }

    // A login that failed counts as a wrong key: each costs us and the issuer a call.
    rpc::Failure failed(const VisitPtr& visit, const std::string& why) const {
        calls.count_guess(visit->request);
        log::warn("a login failed", {{"why", why}, {"from", visit->request.remote_address}});
        return rpc::unauthenticated("You are not logged in: " + why +
                                    ". Begin again: /auth/login.");
    }

    void finish(const VisitPtr& visit) const {
        if (absent(visit)) return;
        calls.check_guesses(visit->request, "logins");
        const auto value = cookie_in(visit->request, cookie_name(login(), kLoginName));
        const auto kept = value ? opened(login(), *value) : std::nullopt;
        if (!kept || kept->until < unix_seconds(login().clock->now()))
            throw failed(visit, "this browser has begun no login in the last 10 minutes");
        const auto given = [&](const char* name) {
            return visit->request.query_param(name).value_or("");
        };
        const identity::LoginAnswer brought{.state = given("state"),
                                            .code = given("code"),
                                            .issuer = given("iss"),
                                            .error = given("error")};
        const auto where = endpoints();
        if (const auto why = identity::wrong_answer(brought, kept->question, where,
                                                    login().issuer->options().expected.issuer);
            !why.empty())
            throw failed(visit, why);
        later(visit, [this, visit, kept = *kept, where, code = brought.code] {
            begin_session(visit, kept, claims_for(visit, where, kept.question, code));
        });
    }

    identity::Claims claims_for(const VisitPtr& visit, const identity::Issuer::Endpoints& where,
                                const identity::LoginQuestion& question,
                                const std::string& code) const {
        auto expected = login().issuer->options().expected;
        expected.audience = login().client.id;
        expected.nonce = question.nonce;
        const auto exchanged = identity::tokens_in(login().send(
            identity::exchange_request(where, client(), question, code, kExchangeTimeout)));
        if (const auto* none = std::get_if<identity::NoTokens>(&exchanged)) {
            if (none->later) throw rpc::unavailable(none->why, kIssuerRetryAfter);
            throw failed(visit, none->why);
        }
        const auto& tokens = std::get<identity::LoginTokens>(exchanged);
        if (tokens.id_token.empty()) throw failed(visit, "the issuer's answer has no id_token");
        const auto until = std::chrono::steady_clock::now() + kKeyWait;
        for (;;) {
            auto read = login().issuer->read(tokens.id_token, expected);
            if (auto* claims = std::get_if<identity::Claims>(&read)) return std::move(*claims);
            if (const auto* refused = std::get_if<identity::Refused>(&read))
                throw failed(visit, refused->why);
            if (std::chrono::steady_clock::now() >= until)
                throw rpc::unavailable("the key of the issuer's token is not known yet",
                                       kIssuerRetryAfter);
            std::this_thread::sleep_for(kKeyLookEvery);
        }
    }

    void begin_session(const VisitPtr& visit, const Kept& kept,
                       const identity::Claims& claims) const {
        const auto granted = texts_of(identity::parse_grants(claims.grants));
        if (granted.empty())
            throw rpc::permission_denied(
                "You are known to the issuer, and nothing here: its token "
                "grants nothing at this installation.");
        const auto id = crypto::base64url_encode(crypto::random_bytes(kSessionBytes));
        const auto digest = crypto::sha256(id);
        const auto now = login().clock->now();
        const BrowserSession session{
            .session_id = crypto::base64url_encode(crypto::random_bytes(16)),
            .subject = claims.subject,
            .grants = granted,
            .began_at = now,
            .seen_at = now,
            .expires_at = now + std::chrono::duration_cast<Micros>(login().lifetime)};
        // Whoever logs in anew leaves what they were.
        if (const auto before = cookie_in(visit->request, session_cookie_name(login()))) {
            const auto old = crypto::sha256(*before);
            if (const auto known = login().sessions->find(crypto::bytes_of(old)))
                login().sessions->end(crypto::bytes_of(old), *known,
                                      caller_by(visit->request, known->subject, known->grants));
        }
        login().sessions->begin(crypto::bytes_of(digest), session,
                                caller_by(visit->request, session.subject, session.grants));
        auto response = redirect(kSeeOther, kept.return_to);
        response.headers.add("Set-Cookie",
                             cookie(login(), kSessionName, id,
                                    std::chrono::duration_cast<seconds>(login().lifetime)));
        response.headers.add("Set-Cookie", cookie(login(), kLoginName, "", seconds(0)));
        answer(visit, std::move(response));
    }

    // On a worker, as whatever comes with a session's cookie.
    void show(const VisitPtr& visit) const {
        if (absent(visit)) return;
        visit->caller = calls.caller_of(visit->request);
        json::object shown{{"actor", visit->caller.actor}};
        json::array grants;
        for (const auto& text : texts_of(visit->caller.grants)) grants.emplace_back(text);
        shown["grants"] = std::move(grants);
        if (calls.shows_session(visit->request)) {
            const auto value = cookie_in(visit->request, session_cookie_name(login()));
            const auto digest = crypto::sha256(*value);
            if (const auto session = login().sessions->find(crypto::bytes_of(digest))) {
                const auto idle =
                    session->seen_at + std::chrono::duration_cast<Micros>(login().idle);
                shown["session"] = json::object{
                    {"sessionId", session->session_id},
                    {"beginTime", to_rfc3339(session->began_at)},
                    {"expireTime", to_rfc3339(session->expires_at)},
                    {"idleExpireTime", to_rfc3339(std::min(idle, session->expires_at))}};
            }
        }
        answer(visit, Response::json(200, json::serialize(shown)));
    }

    void end(const VisitPtr& visit) const {
        if (absent(visit)) return;
        if (!calls.shows_session(visit->request))
            throw rpc::unauthenticated(
                "There is no session here: the request has no cookie of one.");
        visit->caller = calls.caller_of(visit->request);
        const auto digest =
            crypto::sha256(*cookie_in(visit->request, session_cookie_name(login())));
        if (const auto session = login().sessions->find(crypto::bytes_of(digest)))
            login().sessions->end(crypto::bytes_of(digest), *session,
                                  caller_by(visit->request, session->subject, session->grants));
        json::object told;
        // The issuer's own session goes on until the browser has been there (RP-Initiated Logout).
        if (const auto where = login().issuer->endpoints(); where && !where->end_session.empty())
            told["endSessionUrl"] =
                where->end_session +
                (where->end_session.find('?') == std::string::npos ? "?" : "&") +
                http::encode_form({{"client_id", login().client.id}});
        auto response = Response::json(200, json::serialize(told));
        response.headers.add("Set-Cookie", cookie(login(), kSessionName, "", seconds(0)));
        answer(visit, std::move(response));
    }

    const RestCalls& calls;
    const std::optional<LoginOptions>& options;
};

LoginDoor::LoginDoor(const RestCalls& calls, const std::optional<LoginOptions>& options)
    : impl_(std::make_shared<Impl>(calls, options)) {}
LoginDoor::~LoginDoor() = default;

void LoginDoor::add_routes(http::Router& router) {
    using Step = void (Impl::*)(const VisitPtr&) const;
    const auto add = [&](const char* method, const char* path, Step step) {
        router.add(method, path, [impl = impl_, step](Request request, Responder responder) {
            const auto visit = impl->calls.visit(std::move(request), std::move(responder));
            visit->guarded([&] { std::invoke(step, *impl, visit); });
        });
    };
    add("GET", "/auth/login", &Impl::begin);
    add("GET", "/auth/callback", &Impl::finish);
    add("GET", "/auth/session", &Impl::show);
    add("POST", "/auth/logout", &Impl::end);
}

}  // namespace flowstack::gateway
