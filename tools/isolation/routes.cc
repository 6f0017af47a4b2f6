#include "tools/isolation/routes.h"

#include <boost/json.hpp>
#include <map>
#include <set>

namespace flowstack::isolation {
namespace {

namespace json = boost::json;
using stack::HttpAnswer;
using stack::text_at;

enum class Opens {
    to_all,       // no key; shows nothing of anybody
    to_platform,  // the operator's key only
    by_path,      // {tenant} in the path
    by_key,       // the key's tenant; businessId names another
};

// How one alias is attacked. `path` and `body` with $attacker and $victim.<kind>; for `by_path` the
// path is asked once more with the victim's name in it.
struct AliasAttack {
    const char* route;  // "GET /api/orders"
    Opens opens;
    Expect expect = Expect::nothing;
    const char* path = "";  // empty: the route's own
    const char* body = "";
};

constexpr AliasAttack kAliases[] = {
    {"GET /webhooks/whatsapp", Opens::to_all},
    {"POST /webhooks/whatsapp", Opens::to_all},
    {"GET /whatsapp/webhook", Opens::to_all},
    {"POST /whatsapp/webhook", Opens::to_all},
    {"GET /api/messages/incoming", Opens::to_all},
    {"POST /api/messages/incoming", Opens::to_all},
    {"GET /webhooks/twilio", Opens::to_all},
    {"POST /webhooks/twilio", Opens::to_all},
    {"POST /webhooks/ghala", Opens::to_all},
    {"POST /api/webhooks/ghala", Opens::to_all},
    {"GET /webhooks/mpesa", Opens::to_all},
    {"POST /webhooks/mpesa", Opens::to_all},
    {"GET /health", Opens::to_all},
    {"GET /whatsapp/health", Opens::to_all},
    {"GET /openapi.json", Opens::to_all},
    // Without a login in a browser they say so, and with one they know no stranger.
    {"GET /auth/login", Opens::to_all, Expect::not_found},
    {"GET /auth/callback", Opens::to_all, Expect::not_found},
    {"GET /auth/session", Opens::to_all, Expect::not_found},
    {"POST /auth/logout", Opens::to_all, Expect::not_found},
    {"GET /admin", Opens::to_all},
    {"GET /v1/tenants/{tenant}/media/{media}:content", Opens::by_path, Expect::not_found,
     "/v1/tenants/$attacker/media/$victim.message:content"},
    {"POST /tenants/register", Opens::to_platform, Expect::platform, "",
     R"({"name":"probe","phoneNumberId":"$victim.number","accessToken":"mock_probe"})"},
    {"GET /admin/tenants", Opens::to_platform, Expect::platform},
    {"POST /admin/tenants", Opens::to_platform, Expect::platform, "",
     R"({"name":"probe","phoneNumberId":"$victim.number","accessToken":"mock_probe"})"},
    {"GET /admin/tenants/{tenant}", Opens::by_path, Expect::own, "/admin/tenants/$attacker"},
    {"GET /admin/tenants/{tenant}/logs", Opens::by_path, Expect::own,
     "/admin/tenants/$attacker/logs"},
    {"POST /admin/tenants/{tenant}/worker/start", Opens::by_path, Expect::tenant_only,
     "/admin/tenants/$attacker/worker/start"},
    {"POST /admin/tenants/{tenant}/worker/stop", Opens::by_path, Expect::tenant_only,
     "/admin/tenants/$attacker/worker/stop"},
    {"POST /admin/tenants/{tenant}/worker/restart", Opens::by_path, Expect::tenant_only,
     "/admin/tenants/$attacker/worker/restart"},
    {"GET /admin/tenants/{tenant}/qr", Opens::by_path, Expect::tenant_only,
     "/admin/tenants/$attacker/qr"},
    {"POST /tenants/{tenant}/templates", Opens::by_path, Expect::refused,
     "/tenants/$attacker/templates",
     R"({"kind":"interactive_button","body":"probe",
         "buttons":[{"title":"x","nextTemplateKey":"$victim.template"}]})"},
    {"GET /tenants/{tenant}/templates", Opens::by_path, Expect::own,
     "/tenants/$attacker/templates"},
    {"PUT /tenants/{tenant}/templates/{key}", Opens::by_path, Expect::not_found,
     "/tenants/$attacker/templates/$victim.template", R"({"body":"probe"})"},
    {"DELETE /tenants/{tenant}/templates/{key}", Opens::by_path, Expect::not_found,
     "/tenants/$attacker/templates/$victim.template"},
    {"POST /tenants/{tenant}/flows", Opens::by_path, Expect::refused, "/tenants/$attacker/flows",
     R"({"flows":[{"id":"a","match":{"type":"equals","values":["a"]},
         "action":{"type":"send_template","templateKey":"$victim.template"}}]})"},
    {"POST /tenants/{tenant}/send", Opens::by_path, Expect::refused, "/tenants/$attacker/send",
     R"({"to":"","text":"probe"})"},
    {"POST /tenants/{tenant}/send/template", Opens::by_path, Expect::not_found,
     "/tenants/$attacker/send/template",
     R"({"to":"+254712345678","templateKey":"$victim.template"})"},
    {"POST /whatsapp/reminders", Opens::by_key, Expect::refused, "",
     R"({"type":"CUSTOM","message":"probe","scheduledFor":"2030-01-01T00:00:00Z",
         "to":"$victim.customer"})"},
    {"POST /whatsapp/campaigns", Opens::by_key, Expect::refused, "",
     R"({"name":"probe","message":"probe","targetAudience":{"type":"list"}})"},
    {"GET /whatsapp/campaigns/{id}/metrics", Opens::by_key, Expect::not_found,
     "/whatsapp/campaigns/$victim.campaign/metrics"},
    {"POST /api/payments/create", Opens::by_key, Expect::not_found, "",
     R"({"conversationId":"$victim.conversation","amount":1000})"},
    {"POST /api/payments/stk-push", Opens::by_key, Expect::not_found, "",
     R"({"paymentIntentId":"$victim.payment","phoneNumber":"+254712345678"})"},
    {"GET /api/conversations", Opens::by_key, Expect::nothing},
    {"GET /api/conversations/{id}", Opens::by_key, Expect::not_found,
     "/api/conversations/$victim.conversation"},
    {"GET /api/orders", Opens::by_key, Expect::own},
    {"POST /api/orders", Opens::by_key, Expect::refused, "",
     R"({"phoneNumber":"+254712345678","productId":"$victim.product","quantity":1,
         "deliveryAddress":"probe","customerName":"probe"})"},
    {"GET /api/customers", Opens::by_key, Expect::own},
    {"GET /api/admin/stats", Opens::by_key, Expect::nothing},
    {"GET /whatsapp/orders/{id}", Opens::by_key, Expect::not_found,
     "/whatsapp/orders/$victim.order"},
    {"GET /whatsapp/invoices/{id}", Opens::by_key, Expect::not_found,
     "/whatsapp/invoices/$victim.invoice"},
    // payment's own door takes callbacks, by a token that nobody can guess
    {"POST /hooks/pay/{token}", Opens::to_all, Expect::not_found, "/hooks/pay/$victim.payment",
     "{}"},
    // signed by the account of the tenant whose payment it names
    {"GET /hooks/pay/done", Opens::to_all},
    {"POST /webhooks/stripe", Opens::to_all},
    {"POST /webhooks/stripe/{tenant}", Opens::to_all, Expect::nothing, "/webhooks/stripe/$victim",
     "{}"},
    {"POST /webhooks/mpesa/{token}", Opens::to_all, Expect::not_found,
     "/webhooks/mpesa/$victim.payment", "{}"},
};

// "/v1/{name=tenants/*/messages/*}:retry" → "/v1/tenants/{p0}/messages/{p1}:retry", as the router
// writes it.
std::string pattern_of(const std::string& path) {
    std::string pattern;
    int stars = 0;
    for (std::size_t at = 0; at < path.size(); ++at) {
        if (path[at] == '{')
            at = path.find('=', at);
        else if (path[at] == '*')
            pattern += "{p" + std::to_string(stars++) + "}";
        else if (path[at] != '}')
            pattern += path[at];
    }
    return pattern;
}

struct Question {
    std::string method, path, body;
    std::string text() const { return method + " " + path + (body.empty() ? "" : " " + body); }
};

// An RPC's question as its route takes it: the name goes into the path, the rest into the query or
// the body.
Question over_http(const Schema::Method& method, const std::string& request) {
    auto members = json::parse(request).as_object();
    auto path = method.path;
    if (const auto open = path.find('{'); open != std::string::npos) {
        const auto close = path.find('}', open);
        const auto field = path.substr(open + 1, path.find('=') - open - 1);
        path.replace(open, close - open + 1, std::string(members.at(field).as_string()));
        members.erase(field);
    }
    if (method.verb != "GET" && method.verb != "DELETE")
        return {method.verb, path, json::serialize(members)};
    for (const auto& [name, value] : members)
        path += (path.find('?') == std::string::npos ? "?" : "&") + std::string(name) + "=" +
                (value.is_string() ? std::string(value.as_string()) : json::serialize(value));
    return {method.verb, path, ""};
}

std::string judged(const HttpAnswer& answer, Expect expect, const Tenant& attacker,
                   const Tenant& victim, const Question& question) {
    if (auto leak = found_in(answer.body, victim, question.text()); !leak.empty())
        return "the answer holds " + leak;
    const auto status = "answered " + std::to_string(answer.status) + " " +
                        answer.body.substr(0, 200) + answer.error;
    const bool fine = answer.status / 100 == 2;
    const bool refusal = answer.status / 100 == 4 && answer.status != 401;
    switch (expect) {
        case Expect::not_found:
            return answer.status == 404 ? "" : status;
        case Expect::refused:
            return refusal ? "" : status;
        case Expect::own:
            if (!fine) return status;
            return answer.body.find(attacker.word) == std::string::npos
                       ? "the answer has not even the asker's own things"
                       : "";
        case Expect::nothing:
            return fine || refusal ? "" : status;
        case Expect::platform:
            return answer.status == 403 ? "" : status;
        case Expect::tenant_only:
            return "";
    }
    return "";
}

class Siege {
public:
    Siege(const Door& door, const Tenant& attacker, const Tenant& victim, Report& report)
        : door_(door), attacker_(attacker), victim_(victim), report_(report) {}

    void strangers(const Question& question) {
        for (const auto& key : {std::string(), "wrong" + attacker_.key}) {
            const auto answer = ask(question, key);
            if (answer.status != 401)
                bad(question, (key.empty() ? "no key" : "a wrong key") + std::string(" gets ") +
                                  std::to_string(answer.status));
            expect_nothing(question, answer);
        }
    }
    void attack(const Question& question, Expect expect) {
        const auto answer = ask(question, attacker_.key);
        if (const auto problem = judged(answer, expect, attacker_, victim_, question);
            !problem.empty())
            bad(question, problem);
    }
    void open_door(const Question& question, Expect expect) {
        const auto answer = ask(question, "");
        expect_nothing(question, answer);
        if (expect == Expect::not_found && answer.status != 404)
            bad(question, "answered " + std::to_string(answer.status));
    }
    void bad(const Question& question, const std::string& what) {
        report_.bad(question.text() + ": " + what);
    }

private:
    HttpAnswer ask(const Question& question, const std::string& key) {
        return door_.ask(question.method, question.path, key, question.body);
    }
    void expect_nothing(const Question& question, const HttpAnswer& answer) {
        for (const auto* tenant : {&attacker_, &victim_})
            if (const auto leak = found_in(answer.body, *tenant, question.text()); !leak.empty())
                bad(question, "a stranger sees " + leak);
    }

    const Door& door_;
    const Tenant& attacker_;
    const Tenant& victim_;
    Report& report_;
};

std::vector<std::string> routes_of(const Door& door, const stack::Environment& environment,
                                   const std::string& service) {
    const auto admin = environment.required(stack::upper(service) + "_0_ADMIN");
    const auto answer = door.http.send("GET", "http://" + admin + "/routes");
    if (answer.status != 200)
        throw std::runtime_error("cannot ask " + service + " for its routes: " + answer.error);
    std::vector<std::string> routes;
    const auto listed = json::parse(answer.body);
    for (const auto& route : listed.as_array())
        routes.push_back(text_at(route, "method") + " " + text_at(route, "path"));
    return routes;
}

void attack_v1(const Schema::Method& method, const std::vector<const Attack*>& rows, Siege& siege,
               const Tenant& attacker, const Tenant& victim) {
    for (const auto* row : rows) {
        const auto under_victim = over_http(method, fill(row->request, victim, victim));
        siege.strangers(under_victim);
        const bool names_tenant = method.path.find('{') != std::string::npos;
        siege.attack(under_victim, names_tenant ? Expect::not_found : Expect::platform);
        if (row->expect == Expect::tenant_only) continue;
        auto own = over_http(method, fill(row->request, attacker, victim));
        if (row->expect == Expect::platform && names_tenant)
            // A tenant may not do it to itself either.
            own = over_http(method, fill(row->request, attacker, attacker));
        siege.attack(own, row->expect);
    }
}

void attack_alias(const AliasAttack& row, Siege& siege, const Tenant& attacker,
                  const Tenant& victim) {
    const std::string route = row.route;
    const auto space = route.find(' ');
    Question question{route.substr(0, space), *row.path ? row.path : route.substr(space + 1),
                      row.body};
    const auto filled = [&](const Tenant& who) {
        return Question{question.method, fill(question.path, who, victim),
                        fill(question.body, who, victim)};
    };
    const auto own = filled(attacker);
    if (row.opens == Opens::to_all) return siege.open_door(own, row.expect);
    siege.strangers(own);
    siege.attack(own, row.expect);
    if (row.opens == Opens::by_path) siege.attack(filled(victim), Expect::not_found);
    if (row.opens == Opens::by_key) {
        auto named = own;
        named.path += "?businessId=" + victim.id;
        siege.attack(named, Expect::not_found);
    }
}

}  // namespace

void check_routes(const stack::Environment& environment, const Schema& schema, const Door& door,
                  const Tenant& attacker, const Tenant& victim, Report& report) {
    const int before = report.failures();
    Siege siege(door, attacker, victim, report);
    std::map<std::string, const Schema::Method*> annotated;
    for (const auto& method : schema.methods())
        if (!method.verb.empty()) annotated[method.verb + " " + pattern_of(method.path)] = &method;
    std::map<std::string, std::vector<const Attack*>> rows;
    for (const auto& attack : attacks()) rows[attack.rpc].push_back(&attack);
    std::map<std::string, const AliasAttack*> aliases;
    for (const auto& alias : kAliases) aliases[alias.route] = &alias;

    std::set<std::string> seen;
    int v1 = 0, others = 0;
    for (const auto& service : {std::string("gateway"), std::string("payment")}) {
        auto at = door;
        if (service == "payment") at.url = "http://" + environment.required("PAYMENT_0_HTTP");
        Siege here(at, attacker, victim, report);
        for (const auto& route : routes_of(door, environment, service)) {
            seen.insert(route);
            if (const auto method = annotated.find(route); method != annotated.end()) {
                const auto known = rows.find(method->second->rpc);
                if (known == rows.end()) continue;  // told with the RPCs
                attack_v1(*method->second, known->second, here, attacker, victim);
                ++v1;
            } else if (const auto alias = aliases.find(route); alias != aliases.end()) {
                attack_alias(*alias->second, here, attacker, victim);
                ++others;
            } else {
                report.bad(route + " of " + service +
                           ": this check does not know it. Say in routes.cc how it is attacked.");
            }
        }
    }
    for (const auto& [route, method] : annotated)
        if (!seen.contains(route))
            report.bad(route + ": annotated in proto/, and gateway has no such route");
    for (const auto& [route, alias] : aliases)
        if (!seen.contains(route)) report.bad(route + ": is in routes.cc, and no door has it");
    if (report.failures() == before) {
        report.good(std::to_string(v1) + " routes of /v1 give another tenant nothing");
        report.good(std::to_string(others) + " aliases and callbacks give another tenant nothing");
    }
}

}  // namespace flowstack::isolation
