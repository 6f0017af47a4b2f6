#include "tools/isolation/tenants.h"

#include <boost/json.hpp>
#include <chrono>
#include <random>
#include <thread>

#include "tools/stack/journey.h"
#include "tools/stack/logs.h"
#include "tools/stack/shop.h"

namespace flowstack::isolation {
namespace {

namespace json = boost::json;
using namespace stack;
using Steady = std::chrono::steady_clock;

constexpr const char* kWords[kTenants] = {"amber", "cobalt", "violet"};

json::value parsed(const HttpAnswer& answer, const std::string& what) {
    if (answer.status / 100 != 2)
        throw std::runtime_error(what + ": " + std::to_string(answer.status) + " " + answer.body +
                                 answer.error);
    return json::parse(answer.body);
}

std::string last_part(const std::string& name) { return name.substr(name.rfind('/') + 1); }

template <class Try>
void eventually(const std::string& what, Try attempt) {
    const auto until = Steady::now() + kPatience;
    while (!attempt()) {
        if (Steady::now() > until) throw std::runtime_error("waited in vain for " + what);
        std::this_thread::sleep_for(kPoll);
    }
}

ShopSpec spec_of(const std::string& word) {
    auto spec = shop_for("isolation-" + word);
    spec.name = "Shop " + word;
    spec.products = {{"coffee-" + word, "Coffee " + word, {"kahawa"}, 150'000, 50, "of " + word},
                     {"tea-" + word, "Tea " + word, {"chai"}, 45'000, -1, "of " + word}};
    spec.promotions = false;
    return spec;
}

// The first of a list, once the list has one: lists come after the facts.
json::value first_of(const Door& door, const Tenant& t, const std::string& collection) {
    json::value found;
    eventually(collection + " of " + t.id, [&] {
        const auto page =
            parsed(door.ask("GET", "/v1/tenants/" + t.id + "/" + collection, t.key), collection);
        const auto* list = page.as_object().if_contains(collection);
        if (!list || list->as_array().empty()) return false;
        found = list->as_array().front();
        return true;
    });
    return found;
}

// Makes everything that is made over REST, with the tenant's own key.
void make_resources(const Door& door, Tenant& t) {
    const auto path = "/v1/tenants/" + t.id;
    const auto post = [&](const std::string& collection, const std::string& body) {
        return parsed(door.ask("POST", path + "/" + collection, t.key, body), collection);
    };
    t.ids["template"] = text_at(
        post("templates", R"({"template":{"kind":"text","description":")" + t.word +
                              R"(","variants":[{"language":"en","body":")" + t.word + R"("}]}})"),
        "templateKey");
    post("promotions", R"({"promotion":{"promotionId":"promo-)" + t.word +
                           R"(","text":{"en":"Offer )" + t.word + R"("}}})");
    post("topics", R"({"topic":{"topicId":"topic-)" + t.word + R"(","text":{"en":{"title":")" +
                       t.word + R"(","answer":"Topic )" + t.word + R"("}}}})");
    t.ids["topic"] = "topic-" + t.word;
    t.ids["topicTitle"] = t.word;
    post("services", R"({"service":{"serviceId":"service-)" + t.word +
                         R"(","durationMinutes":"60","text":{"en":{"name":")" + t.word +
                         R"("}}}})");
    post("bookingSettings", R"({"settings":{"slotMinutes":"60","address":")" + t.word +
                                R"(","hours":[{"weekday":1,"opens":"00:00","closes":"24:00"}]}})");
    t.ids["service"] = "service-" + t.word;
    post("flows", R"({"flowKey":"flow-)" + t.word +
                      R"(","document":{"flows":[{"id":"a","match":{"type":"equals","values":["a"]},
                          "action":{"type":"send_template","templateKey":")" +
                      t.ids["template"] + R"("}}],"fallbackTemplateKey":")" + t.ids["template"] +
                      R"("}})");
    t.ids["flow"] = "flow-" + t.word;
    t.ids["product"] = "coffee-" + t.word;
    t.ids["channel"] = text_at(first_of(door, t, "channels"), "channelId");
}

// Makes what the customer's purchase leads to, and what needs a customer.
void make_more(const Door& door, Tenant& t) {
    const auto path = "/v1/tenants/" + t.id;
    const auto first = [&](const std::string& collection) { return first_of(door, t, collection); };
    t.ids["order"] = last_part(text_at(first("orders"), "name"));
    t.ids["invoice"] = last_part(text_at(first("invoices"), "name"));
    t.ids["payment"] = last_part(text_at(first("payments"), "name"));
    t.ids["message"] = text_at(first("messages"), "messageId");
    t.ids["conversation"] = text_at(first("conversations"), "conversationId");
    t.ids["customer"] = text_at(first("customers"), "customerId");
    const auto post = [&](const std::string& collection, const std::string& body) {
        json::value made;
        // followup and campaign hear of a tenant over the bus.
        eventually(collection + " of " + t.id, [&] {
            const auto answer = door.ask("POST", path + "/" + collection, t.key, body);
            if (answer.status == 404) return false;
            made = parsed(answer, collection);
            return true;
        });
        return made;
    };
    const auto later = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() +
                                                            std::chrono::hours(24 * 30));
    t.ids["refund"] = last_part(
        text_at(post("refunds", R"({"payment":"tenants/)" + t.id + "/payments/" + t.ids["payment"] +
                                    R"(","amount":{"minorUnits":"100","currencyCode":"KES"},)" +
                                    R"("reason":"torn )" + t.word + R"("})"),
                "name"));
    char due[32];
    std::strftime(due, sizeof due, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&later));
    t.ids["task"] = text_at(
        post("tasks", R"({"kind":"custom","customerId":")" + t.ids["customer"] +
                          R"(","text":"later )" + t.word + R"(","dueTime":")" + due + R"("})"),
        "taskId");
    t.ids["campaign"] =
        text_at(post("campaigns", R"({"displayName":"Offer )" + t.word +
                                      R"(","body":"Dear {{name}}, )" + t.word + R"("})"),
                "campaignId");
    // Monday, 7 January 2036, ten in Nairobi.
    t.ids["booking"] = text_at(
        post("bookings", R"({"serviceId":")" + t.ids["service"] +
                             R"(","phone":"+254700123458","startTime":"2036-01-07T07:00:00Z",
                                 "customerName":")" +
                             t.word + R"("})"),
        "bookingId");
    // A second key, so that an attack on it does not shut the first one.
    t.ids["apiKey"] =
        last_part(text_at(post("apiKeys", R"({"displayName":"spare )" + t.word + R"("})"), "name"));
}

}  // namespace

HttpAnswer Door::ask(const std::string& method, const std::string& path, const std::string& key,
                     const std::string& body) const {
    std::vector<std::pair<std::string, std::string>> headers;
    if (!key.empty()) headers.emplace_back("Authorization", "Bearer " + key);
    if (!body.empty()) headers.emplace_back("Content-Type", "application/json");
    return http.send(method, url + path, body, headers);
}

std::vector<Tenant> make_tenants(const Environment& environment, Api& api, Sandbox& sandbox,
                                 const Door& door, const std::string& customer_phone) {
    std::random_device random;
    const auto run = std::to_string(100'000 + random() % 900'000);
    std::vector<Tenant> tenants;
    std::vector<Phone> phones;
    for (const auto* name : kWords) {
        Tenant t;
        t.word = name + run;
        const auto spec = spec_of(t.word);
        make_shop(spec, environment, api, sandbox);
        t.id = spec.tenant;
        t.phone_number_id = spec.phone_number_id;
        t.shortcode = spec.shortcode;
        t.ids["number"] = spec.phone_number_id;
        t.key = text_at(
            parsed(door.ask("POST", "/v1/tenants/" + t.id + "/apiKeys",
                            environment.required("ADMIN_KEY"), R"({"displayName":"isolation"})"),
                   "apiKeys"),
            "key");
        eventually("the key of " + t.id,
                   [&] { return door.ask("GET", "/v1/tenants/" + t.id, t.key).status == 200; });
        make_resources(door, t);
        phones.emplace_back(sandbox, t.phone_number_id, customer_phone, "Amina " + t.word,
                            kPatience);
        tenants.push_back(std::move(t));
    }
    // Four messages to each, in turns; the six of the purchase follow one shop after the other,
    // since one person has one phone to enter a PIN on.
    for (int i = 0; i < kMessagesEach - 6; ++i)
        for (std::size_t n = 0; n < tenants.size(); ++n) {
            // The last message leads back to the greeting, wherever the conversation is.
            const bool last = i + 1 == kMessagesEach - 6;
            phones[n].say(last ? "menu" : "asante " + tenants[n].word);
            phones[n].wait_for([](const ChatMessage&) { return true; }, "an answer");
        }
    for (std::size_t n = 0; n < tenants.size(); ++n) {
        PurchaseSpec spec;
        spec.product = "Coffee " + tenants[n].word;
        spec.address = "Street of " + tenants[n].word;
        buy(phones[n], sandbox, spec);
        make_more(door, tenants[n]);
    }
    return tenants;
}

}  // namespace flowstack::isolation
