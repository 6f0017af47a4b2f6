#include "tools/isolation/senders.h"

#include <boost/json.hpp>
#include <random>

#include "tools/stack/logs.h"
#include "tools/stack/shop.h"

namespace flowstack::isolation {
namespace {

namespace json = boost::json;
using namespace stack;

constexpr const char* kStranger = "/control/customers/+254712000001/say";

ShopSpec sender_shop(const std::string& word, const Environment& environment, Api& api,
                     Sandbox& sandbox) {
    auto spec = shop_for("isolation-sender-" + word);
    spec.channel_kind = "TWILIO";
    spec.phone_number_id = sender_for(spec.tenant);
    make_shop(spec, environment, api, sandbox);
    return spec;
}

}  // namespace

void check_senders(const Environment& environment, Api& api, Sandbox& sandbox, Report& report) {
    const auto run = std::to_string(100'000 + std::random_device()() % 900'000);
    const auto victim = sender_shop("ochre" + run, environment, api, sandbox);
    const auto attacker = sender_shop("indigo" + run, environment, api, sandbox);
    const auto status_of = [&](json::object body) {
        body["phone_number_id"] = victim.phone_number_id;
        return number_at(sandbox.post(kStranger, body), "http_status");
    };
    const int failures = report.failures();
    // Signed by the attacker, also in the name of its own account and number.
    for (const auto& message : {json::object{}, json::object{{"AccountSid", account_sid(attacker)}},
                                json::object{{"AccountSid", account_sid(attacker)},
                                             {"MessagingServiceSid", attacker.phone_number_id}},
                                json::object{{"MessageStatus", "delivered"},
                                             {"From", "whatsapp:" + victim.phone_number_id}}}) {
        const auto status =
            status_of({{"message", message}, {"signature", "secret:" + auth_token(attacker)}});
        if (status != 401)
            report.bad("a webhook for the sender of " + victim.tenant + " that " + attacker.tenant +
                       " signed was answered " + std::to_string(status));
    }
    if (const int taken = count_facts(api, "gateway", victim.tenant, "MessageReceived"); taken > 0)
        report.bad(victim.tenant + ": " + std::to_string(taken) + " forged messages were received");
    if (status_of({{"text", "Hi"}}) != 200)
        report.bad(victim.tenant + ": its own webhook was not taken");
    if (report.failures() == failures)
        report.good("webhooks for another tenant's sender are refused, whoever signs them");
}

}  // namespace flowstack::isolation
