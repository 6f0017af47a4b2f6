#pragma once

#include <boost/json.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/http/client.h"
#include "common/http/server.h"
#include "tests/unit/identity/signer.h"

// An OpenID Connect provider for tests: discovery, keys, authorize and token, as strict as the RFCs
// ask for. A code is good once and for one minute (RFC 6749 4.1.2), the redirect is compared
// exactly (OAuth 2.0 BCP; a loopback one but for its port, RFC 8252 7.3), PKCE is S256 (RFC 7636),
// and answers name their issuer (RFC 9207). It shares no code with the client that it is for.
namespace flowstack::testing {

class TestIssuer {
public:
    struct Client {
        std::string secret;  // empty: a public client
        std::string redirect_uri;
    };
    explicit TestIssuer(std::map<std::string, Client> clients);
    ~TestIssuer();

    const std::string& url() const { return url_; }
    void know(const std::string& client_id, Client client);

    // Whoever comes to authorize is this one, and has typed the password already.
    struct Person {
        std::string subject;
        std::vector<std::string> grants;
    };
    void sits_here(Person person);

    // What a browser does with the address of a login: asks the issuer, and is sent back. The
    // address that it is sent to; throws std::runtime_error with the issuer's words otherwise.
    std::string visit(const std::string& login_url);

    // What goes wrong at the next exchange, or from now on.
    struct Faults {
        std::optional<std::string> nonce;       // in the ID token instead of the right one
        std::optional<std::string> audience;    // the same
        std::optional<std::string> azp;         // beside the audience
        std::optional<std::string> issuer;      // in the ID token
        std::optional<std::string> answers_as;  // in the redirect's `iss`; "": none
        bool deny = false;                      // access_denied
        bool strange_key = false;               // signed by a key that is not published
        bool no_id_token = false;
    };
    void fault(Faults faults);
    // Exchanges that were refused, by their error.
    std::vector<std::string> refusals() const;
    int exchanges() const;

    // A token as a machine shows it.
    std::string access_token(const std::string& subject, const std::vector<std::string>& grants);

private:
    struct Code {
        std::string client_id, redirect_uri, challenge, nonce;
        Person person;
        std::int64_t until = 0;
        bool used = false;
    };
    http::Response answer(const http::Request& request);
    http::Response authorize(const http::Request& request);
    http::Response token(const http::Request& request);
    bool knows_redirect(const Client& client, const std::string& redirect_uri) const;
    std::string signed_token(const Person& person, const std::string& audience,
                             const std::string& nonce, const Faults& faults) const;

    const identity::testing::Signer signer_{identity::testing::Signer::Type::p256, "1"};
    const identity::testing::Signer strange_{identity::testing::Signer::Type::p256, "1"};
    mutable std::mutex mutex_;
    std::map<std::string, Client> clients_;
    std::map<std::string, Code> codes_;
    Person person_;
    Faults faults_;
    std::vector<std::string> refusals_;
    int exchanges_ = 0;
    std::string url_;
    std::unique_ptr<http::Server> server_;
    http::Client browser_;
};

}  // namespace flowstack::testing
