#include "tools/flowctl/login.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <boost/json.hpp>
#include <fstream>
#include <future>
#include <iostream>
#include <sstream>
#include <thread>

#include "common/core/clock.h"
#include "common/http/server.h"
#include "common/identity/code_flow.h"
#include "common/identity/issuer.h"
#include "common/identity/jwt.h"
#include "tools/flowctl/context.h"
#include "tools/flowctl/output.h"

namespace flowstack::flowctl {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

constexpr milliseconds kIssuerWait{10'000};
constexpr milliseconds kExchangeWait{10'000};
constexpr milliseconds kLookEvery{20};
constexpr std::size_t kLoginFileBytesMax = std::size_t{1} << 20;
constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;
constexpr const char* kCallbackPath = "/callback";

identity::Issuer::Endpoints endpoints_of(const identity::Issuer& issuer) {
    const auto until = Steady::now() + kIssuerWait;
    auto known = issuer.endpoints();
    for (; !known && Steady::now() < until; known = issuer.endpoints())
        std::this_thread::sleep_for(kLookEvery);
    if (!known) throw std::runtime_error("the issuer cannot be asked: " + issuer.trouble());
    if (known->authorization.empty() || known->token.empty())
        throw std::runtime_error("the issuer does not say where people log in");
    return std::move(*known);
}

// One request of a browser, at a port of this machine.
class Loopback {
public:
    Loopback()
        : server_({.address = "127.0.0.1", .port = 0},
                  [this](const http::Request& request, const http::Responder& to) {
                      take(request, to);
                  }) {
        server_.start();
    }
    ~Loopback() { server_.drain(milliseconds(500)); }

    std::string redirect_uri() const {
        return "http://127.0.0.1:" + std::to_string(server_.port()) + kCallbackPath;
    }
    identity::LoginAnswer wait(std::chrono::seconds time) {
        auto answer = answered_.get_future();
        if (answer.wait_for(time) != std::future_status::ready)
            throw std::runtime_error("nobody has logged in within " + std::to_string(time.count()) +
                                     " s");
        return answer.get();
    }

private:
    void take(const http::Request& request, const http::Responder& to) {
        if (request.method != "GET" || request.path != kCallbackPath)
            return to.send(http::Response::text(404, "There is nothing here.\n"));
        const auto given = [&](const char* name) { return request.query_param(name).value_or(""); };
        to.send(http::Response::text(
            200, "flowctl has the issuer's answer. You can close this page.\n"));
        if (taken_.exchange(true)) return;
        answered_.set_value({.state = given("state"),
                             .code = given("code"),
                             .issuer = given("iss"),
                             .error = given("error")});
    }

    std::promise<identity::LoginAnswer> answered_;
    std::atomic<bool> taken_{false};
    http::Server server_;  // after what its handler uses
};

identity::Claims claims_of(identity::Issuer& issuer, const std::string& id_token,
                           const identity::Expected& expected) {
    const auto until = Steady::now() + kIssuerWait;
    for (;;) {
        auto read = issuer.read(id_token, expected);
        if (auto* claims = std::get_if<identity::Claims>(&read)) return std::move(*claims);
        if (const auto* refused = std::get_if<identity::Refused>(&read))
            throw std::runtime_error("the issuer's answer is not believed: " + refused->why);
        if (Steady::now() >= until)
            throw std::runtime_error("the key of the issuer's token cannot be fetched");
        std::this_thread::sleep_for(kLookEvery);
    }
}

json::object read_logins(const std::filesystem::path& path) {
    std::ifstream file(path);
    if (!file) return {};
    std::ostringstream text;
    text << file.rdbuf();
    boost::system::error_code broken;
    const auto parsed = json::parse(text.str().substr(0, kLoginFileBytesMax), broken);
    if (broken || !parsed.is_object())
        throw UsageError(path.string() + " is no file of flowctl login; remove it");
    return parsed.as_object();
}

// Replaced as a whole, so that nobody reads half of it; never readable by others.
void write_logins(const std::filesystem::path& path, const json::object& logins) {
    if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
    const auto fresh = path.string() + ".new";
    std::filesystem::remove(fresh);
    const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kOwnerOnly);
    if (file < 0) throw std::runtime_error("cannot write " + fresh);
    const auto text = json::serialize(logins) + "\n";
    const bool whole = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    const bool stored = ::fsync(file) == 0;
    ::close(file);
    if (!whole || !stored) throw std::runtime_error("cannot write " + fresh);
    std::filesystem::rename(fresh, path);
}

std::string server_of(Context& context) {
    auto server = context.environment_before_login().get("GATEWAY_GRPC");
    if (server.empty())
        throw UsageError(
            "which server? GATEWAY_GRPC is not set and there is no .run/env here; give --env-file");
    return server;
}

int login(Context& context, LoginRequest request) {
    const auto server = server_of(context);
    const auto& environment = context.environment_before_login();
    const auto or_setting = [&](std::string& value, const char* name, const char* otherwise) {
        if (value.empty()) value = environment.get(name);
        if (value.empty()) value = otherwise;
    };
    or_setting(request.issuer, "OIDC_ISSUER", "");
    or_setting(request.client_id, "FLOWCTL_CLIENT_ID", "flowctl");
    or_setting(request.ca_file, "OIDC_CA_FILE", "");
    if (request.issuer.empty()) throw UsageError("--issuer (OIDC_ISSUER) must be given");
    if (const auto mistake = identity::issuer_mistake(request.issuer); !mistake.empty())
        throw UsageError("--issuer: " + mistake);
    const auto logged_in = log_in(request, [](const std::string& url) {
        std::cerr << "Open this address in a browser of this machine:\n\n"
                  << url << "\n"
                  << std::endl;
    });
    const LoginFile file;
    file.keep(server, logged_in);
    std::cout << "user:" << logged_in.subject << " is logged in at " << server << " until "
              << utc(unix_micros(logged_in.expires)) << " UTC (" << file.path().string() << ")\n";
    return kOk;
}

int logout(Context& context) {
    const auto server = server_of(context);
    const LoginFile file;
    if (!file.forget(server)) throw NotFound("nobody is logged in at " + server);
    std::cout << "the token for " << server
              << " is forgotten; the issuer's own session in the browser goes on\n";
    return kOk;
}

}  // namespace

LoggedIn log_in(const LoginRequest& request, const std::function<void(const std::string&)>& show) {
    const SystemClock clock;
    identity::IssuerOptions options{
        .expected = {.issuer = request.issuer, .audience = request.client_id},
        .ca_file = request.ca_file};
    identity::Issuer issuer(options, clock);
    const auto endpoints = endpoints_of(issuer);
    Loopback loopback;
    const auto question = identity::LoginQuestion::fresh();
    const identity::LoginClient client{
        .id = request.client_id, .redirect_uri = loopback.redirect_uri(), .scopes = request.scopes};
    show(identity::login_url(endpoints, client, question));
    const auto answer = loopback.wait(request.wait);
    if (const auto why = identity::wrong_answer(answer, question, endpoints, request.issuer);
        !why.empty())
        throw std::runtime_error("not logged in: " + why);
    http::Client http({.ca_file = request.ca_file});
    const auto exchanged = identity::tokens_in(http.call_and_wait(
        identity::exchange_request(endpoints, client, question, answer.code, kExchangeWait)));
    if (const auto* none = std::get_if<identity::NoTokens>(&exchanged))
        throw std::runtime_error("not logged in: " + none->why);
    const auto& tokens = std::get<identity::LoginTokens>(exchanged);
    auto expected = options.expected;
    expected.nonce = question.nonce;
    const auto claims = claims_of(issuer, tokens.id_token, expected);
    if (!identity::looks_like_token(tokens.access_token))
        throw std::runtime_error(
            "the issuer's access token is no JWT, which the services could not read");
    return {.token = tokens.access_token,
            .subject = claims.subject,
            .expires = tokens.expires_in.count() > 0
                           ? clock.now() + std::chrono::duration_cast<Micros>(tokens.expires_in)
                           : claims.expires};
}

LoginFile::LoginFile() {
    const stack::Environment environment;
    if (const auto file = environment.get("FLOWCTL_LOGIN_FILE"); !file.empty()) {
        path_ = file;
        return;
    }
    const auto config = environment.get("XDG_CONFIG_HOME");
    path_ = config.empty() ? std::filesystem::path(environment.get("HOME")) / ".config"
                           : std::filesystem::path(config);
    path_ /= "flowstack/logins.json";
}

void LoginFile::keep(const std::string& server, const LoggedIn& login) const {
    auto logins = read_logins(path_);
    logins[server] = json::object{{"token", login.token},
                                  {"subject", login.subject},
                                  {"expires", unix_seconds(login.expires)}};
    write_logins(path_, logins);
}

bool LoginFile::forget(const std::string& server) const {
    auto logins = read_logins(path_);
    if (logins.erase(server) == 0) return false;
    write_logins(path_, logins);
    return true;
}

std::optional<std::string> LoginFile::token_for(const std::string& server, Time now) const {
    struct stat about {};
    if (server.empty() || ::stat(path_.c_str(), &about) != 0) return std::nullopt;
    if ((about.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        throw UsageError(path_.string() + " can be read by others: chmod 600 it, and log in again");
    const auto logins = read_logins(path_);
    const auto* login = logins.if_contains(server);
    const auto* object = login != nullptr ? login->if_object() : nullptr;
    const auto* token = object != nullptr ? object->if_contains("token") : nullptr;
    const auto* expires = object != nullptr ? object->if_contains("expires") : nullptr;
    if (token == nullptr || !token->is_string() || expires == nullptr || !expires->is_int64())
        return std::nullopt;
    if (expires->as_int64() <= unix_seconds(now))
        throw UsageError("the login at " + server +
                         " has expired: flowctl login again, or flowctl logout to go on without");
    return std::string(token->as_string());
}

void add_login_commands(CLI::App& app, Context& context) {
    const auto a = std::make_shared<LoginRequest>();
    auto* command = app.add_subcommand(
        "login", "log in with a browser of this machine; later commands then show the token");
    command->add_option("--issuer", a->issuer, "of OpenID Connect (default: OIDC_ISSUER)")
        ->option_text("URL");
    command
        ->add_option("--client-id", a->client_id,
                     "what the issuer calls flowctl, a public client with the redirect "
                     "http://127.0.0.1/callback (default: FLOWCTL_CLIENT_ID, else flowctl)")
        ->option_text("TEXT");
    command->add_option("--scope", a->scopes, "what is asked of the issuer")
        ->option_text("TEXT [openid]");
    command->callback(
        [&context, a] { context.run = [&context, a] { return login(context, *a); }; });
    app.add_subcommand("logout", "forget the token of login")->callback([&context] {
        context.run = [&context] { return logout(context); };
    });
}

}  // namespace flowstack::flowctl
