#include <boost/json.hpp>
#include <fstream>
#include <set>
#include <sstream>
#include <tuple>

#include "common/crypto/encoding.h"
#include "common/http/client.h"
#include "tests/e2e/stack.h"

// The paths, bodies and answers of older systems, over HTTP, as docs/coming_from.md says.
namespace flowstack::e2e {
namespace {

namespace json = boost::json;
using namespace stack;
using Headers = std::vector<std::pair<std::string, std::string>>;

// A shop with a key of its own, and one customer who wrote.
struct Business {
    ShopSpec shop;
    std::string key;
    Phone customer;
};

class Compat : public ::testing::Test {
protected:
    std::string door() { return stack.environment.required("PUBLIC_BASE_URL"); }
    HttpAnswer http(const std::string& method, const std::string& path, const std::string& key,
                    const std::string& body = "", Headers headers = {}) {
        if (!key.empty()) headers.emplace_back("Authorization", "Bearer " + key);
        headers.emplace_back("Content-Type", "application/json");
        return stack.sandbox().http().send(method, door() + path, body, headers);
    }
    // The same with the answer's headers.
    http::Response whole(const std::string& method, const std::string& path, const std::string& key,
                         const std::string& body = "", const Headers& headers = {}) {
        http::ClientRequest request{.method = method, .url = door() + path, .body = body};
        if (!key.empty()) request.headers.set("Authorization", "Bearer " + key);
        request.headers.set("Content-Type", "application/json");
        for (const auto& [name, value] : headers) request.headers.set(name, value);
        return client.call_and_wait(std::move(request)).response;
    }
    std::string operator_key() { return stack.environment.required("ADMIN_KEY"); }

    // The answer's JSON; fails the test when the status is another one.
    json::value ask(int status, const std::string& method, const std::string& path,
                    const std::string& key, const std::string& body = "", Headers headers = {}) {
        const auto answer = http(method, path, key, body, std::move(headers));
        EXPECT_EQ(answer.status, status) << method << " " << path << ": " << answer.body;
        return answer.body.empty() ? json::value() : json::parse(answer.body);
    }
    // A list or a page comes a moment after what it shows: the answer once it is as asked.
    template <class Pred>
    json::value shown(const std::string& path, const std::string& key, Pred as_asked) {
        json::value page;
        EXPECT_TRUE(eventually([&] {
            page = ask(200, "GET", path, key);
            return as_asked(page);
        })) << path
            << ": " << json::serialize(page);
        return page;
    }
    json::value one_listed(const std::string& path, const std::string& key) {
        const auto page =
            shown(path, key, [](const auto& p) { return p.at("data").as_array().size() == 1; });
        const auto& data = page.at("data").as_array();
        return data.empty() ? json::value() : data.front();
    }
    std::string field_of(const json::value& problem) {
        const auto* violations = problem.as_object().if_contains("violations");
        if (!violations || violations->as_array().empty()) return "none";
        return text_at(violations->as_array().front(), "field");
    }

    std::string key_of(const std::string& tenant) {
        const auto made = ask(201, "POST", "/v1/tenants/" + tenant + "/apiKeys", operator_key(),
                              R"({"displayName":"compat"})");
        const auto key = text_at(made, "key");
        EXPECT_TRUE(
            eventually([&] { return http("GET", "/v1/tenants/" + tenant, key).status == 200; }));
        return key;
    }
    Business business(const std::string& unique) {
        auto shop = stack.shop(unique);
        Phone phone(stack.sandbox(), shop.phone_number_id, phone_for(unique), "Amina");
        return {shop, key_of(shop.tenant), std::move(phone)};
    }
    std::string customer_of(const Business& b) {
        return text_at(one_listed("/api/customers?limit=5", b.key), "id");
    }

    Stack& stack = Stack::get();
    http::Client client;
};

TEST_F(Compat, ATenantIsRegisteredAndItsTokenIsNeverShown) {
    const auto spec = stack.shop("compat-register");  // another owner of a number
    const std::string number = "30" + spec.phone_number_id.substr(2);
    const auto body = [](const std::string& name, const std::string& phone) {
        return R"({"name":")" + name + R"(","phoneNumberId":")" + phone +
               R"(","accessToken":"mock_secret_token"})";
    };
    const auto first =
        http("POST", "/tenants/register", operator_key(), body("Duka la Juma", number));
    ASSERT_EQ(first.status, 201) << first.body;
    EXPECT_EQ(first.body.find("mock_secret_token"), std::string::npos);
    EXPECT_EQ(text_at(json::parse(first.body), "name"), "Duka la Juma");
    const auto taken = ask(409, "POST", "/tenants/register", operator_key(), body("Other", number));
    EXPECT_EQ(text_at(taken, "reason"), "CHANNEL_TAKEN");
    const auto nameless = ask(422, "POST", "/tenants/register", operator_key(), body("", number));
    EXPECT_EQ(field_of(nameless), "name");
    EXPECT_EQ(http("POST", "/tenants/register", "", body("X", "1")).status, 401);
    EXPECT_EQ(http("POST", "/tenants/register", key_of(spec.tenant), body("X", "1")).status, 403);

    const auto second =
        ask(201, "POST", "/admin/tenants", operator_key(), body("Duka la Neema", "31" + number));
    std::string all;
    EXPECT_TRUE(eventually([&] {
        all = json::serialize(ask(200, "GET", "/admin/tenants", operator_key()));
        return all.find(text_at(second, "id")) != std::string::npos;
    })) << all;
    EXPECT_EQ(all.find("mock_"), std::string::npos);
    EXPECT_EQ(http("GET", "/admin/tenants", key_of(spec.tenant)).status, 403);

    const auto one = ask(200, "GET", "/admin/tenants/" + text_at(second, "id"), operator_key());
    EXPECT_EQ(text_at(one, "name"), "Duka la Neema");
    EXPECT_EQ(text_at(one, "status"), "ACTIVE");
    EXPECT_EQ(http("GET", "/admin/tenants/nobody", operator_key()).status, 404);
    EXPECT_EQ(http("GET", "/admin/tenants/" + text_at(second, "id"), key_of(spec.tenant)).status,
              404);
}

TEST_F(Compat, ATenantIsRegisteredByTheFieldsOfTheOlderForm) {
    const auto spec = stack.shop("compat-form");
    const auto form = [&](const std::string& more) {
        return R"({"name":"duka","displayName":"Duka la Asha","phoneNumber":"+254700000001",
                   "phoneNumberId":"32)" +
               spec.phone_number_id.substr(2) + R"(","accessToken":"mock_form")" + more + "}";
    };
    const auto unknown = ask(422, "POST", "/admin/tenants", operator_key(),
                             form(R"(,"templateType":"SALON","language":"sw")"));
    EXPECT_EQ(field_of(unknown), "templateType");
    EXPECT_NE(text_at(unknown, "detail").find("ECOMMERCE"), std::string::npos);
    EXPECT_EQ(field_of(ask(422, "POST", "/admin/tenants", operator_key(),
                           form(R"(,"templateType":"ECOMMERCE","language":"fr")"))),
              "language");
    const auto made = ask(201, "POST", "/admin/tenants", operator_key(),
                          form(R"(,"templateType":"ECOMMERCE","language":"sw")"));
    EXPECT_EQ(text_at(made, "displayName"), "Duka la Asha");
    EXPECT_EQ(text_at(made, "templateType"), "ECOMMERCE");
    EXPECT_EQ(text_at(made, "language"), "sw");
    const auto channels = shown("/v1/tenants/" + text_at(made, "id") + "/channels", operator_key(),
                                [](const auto& page) {
                                    const auto* list = page.as_object().if_contains("channels");
                                    return list != nullptr && list->as_array().size() == 1;
                                });
    EXPECT_EQ(text_at(channels.at("channels").as_array().at(0), "displayPhoneNumber"),
              "+254700000001");
}

// Nothing that a tenant can set leads to silence or to a button that does nothing.
TEST_F(Compat, ASettingThatNamesNothingIsRefusedWithWhatItMayBe) {
    const auto shop = stack.shop("compat-settings");
    const auto key = key_of(shop.tenant);
    const auto path = "/v1/tenants/" + shop.tenant + "/settings";
    struct Case {
        const char* member;
        const char* value;
        const char* says;
    };
    for (const auto& c : {Case{"pack", R"("SALON")", "BOOKING"},
                          {"pack", R"("NOPE")", "published"},
                          {"paymentProviders", R"(["card"])", "mpesa (KES)"},
                          {"currencyCode", R"("TZS")", "mpesa takes KES"},
                          {"currencyCode", R"("XXX")", "KES"},
                          {"timeZone", R"("EAT")", "Africa/Nairobi"},
                          {"timeZone", R"("GMT+3")", "Africa/Nairobi"},
                          {"timeZone", R"("Africa/nairobi")", "Africa/Nairobi"},
                          {"countryCode", R"("XX")", "ISO 3166"},
                          {"languages", R"(["fr"])", "en, sw"},
                          {"orderPrefix", R"("A\nB")", "letters"},
                          {"invoicePrefix", R"("")", ""},
                          {"displayName", R"("two\nlines")", "one line"},
                          {"taxRateBp", "10001", "10000"},
                          {"quietHours", R"({"startMinute":1440})", "1439"}}) {
        const auto body = std::string(R"({"settings":{")") + c.member + "\":" + c.value +
                          R"(},"updateMask":")" + c.member + "\"}";
        // An empty prefix means the default one.
        const int status = *c.says == '\0' ? 200 : 422;
        const auto answer = ask(status, "PATCH", path, key, body);
        if (status == 200) continue;
        // A currency that no provider takes is told at the provider.
        const bool at_provider = std::string(c.says).starts_with("mpesa takes");
        EXPECT_EQ(field_of(answer),
                  "settings." + std::string(at_provider ? "paymentProviders" : c.member))
            << body;
        EXPECT_NE(text_at(answer, "detail").find(c.says), std::string::npos)
            << json::serialize(answer);
    }
    // A flow that the tenant has published may be its pack.
    const auto flow = R"({"flowKey":"mine","document":{"languages":["en","sw"],"start":"s",
        "nodes":{"s":{"otherwise":[{"send":"a"}]}},"templates":{"a":{"kind":"text",
        "variants":{"en":"Hello","sw":"Habari"}}}}})";
    EXPECT_EQ(http("POST", "/v1/tenants/" + shop.tenant + "/flows", key, flow).status / 100, 2);
    EXPECT_EQ(
        text_at(ask(200, "PATCH", path, key, R"({"settings":{"pack":"mine"},"updateMask":"pack"})")
                    .at("settings"),
                "pack"),
        "mine");
}

TEST_F(Compat, TemplatesAreMadeChangedListedAndDeleted) {
    const auto shop = stack.shop("compat-templates");
    const auto key = key_of(shop.tenant);
    const auto other = stack.shop("compat-templates-other");
    const auto path = "/tenants/" + shop.tenant + "/templates";

    const auto text = ask(201, "POST", path, key,
                          R"({"kind":"text","body":"Open {{hours}}","description":"hours"})");
    EXPECT_TRUE(text.at("ok").as_bool());
    const auto text_key = text_at(text.at("template"), "key");
    EXPECT_TRUE(text_key.starts_with("tmpl_")) << text_key;
    EXPECT_EQ(number_at(text.at("template"), "version"), 1);
    EXPECT_TRUE(text.at("template").at("isActive").as_bool());

    const auto buttons = ask(201, "POST", path, key,
                             R"({"kind":"interactive_button","body":"Which?","buttons":[
                                 {"title":"Hours","nextTemplateKey":")" +
                                 text_key + R"(","nextState":"asked"},{"title":"Bye"}]})");
    const auto& made = buttons.at("template").at("buttons").as_array();
    ASSERT_EQ(made.size(), 2u);
    EXPECT_FALSE(text_at(made[0], "id").empty());
    EXPECT_EQ(text_at(made[0], "nextTemplateKey"), text_key);
    EXPECT_EQ(text_at(made[0], "nextState"), "asked");
    const auto buttons_key = text_at(buttons.at("template"), "key");

    const auto own = R"({"key":"opening_hours","kind":"text","body":"8 to 6"})";
    EXPECT_EQ(text_at(ask(201, "POST", path, key, own).at("template"), "key"), "opening_hours");
    EXPECT_EQ(text_at(ask(409, "POST", path, key, own), "reason"), "ALREADY_EXISTS");
    EXPECT_EQ(field_of(ask(422, "POST", path, key, R"({"key":"a b","kind":"text","body":"c"})")),
              "key");
    ask(200, "DELETE", path + "/opening_hours", key);

    // What does not fit, with the field as the caller wrote it.
    const auto with_buttons = [&](const std::string& list) {
        return ask(422, "POST", path, key,
                   R"({"kind":"interactive_button","body":"b","buttons":[)" + list + "]}");
    };
    EXPECT_EQ(field_of(with_buttons(R"({"title":"1"},{"title":"2"},{"title":"3"},{"title":"4"})")),
              "buttons");
    EXPECT_EQ(field_of(with_buttons(R"({"title":"one"},{"title":""})")), "buttons[1].title");
    EXPECT_EQ(field_of(with_buttons(R"({"title":"twenty-one characters"})")), "buttons[0].title");
    const auto foreign = text_at(ask(201, "POST", "/tenants/" + other.tenant + "/templates",
                                     operator_key(), R"({"kind":"text","body":"theirs"})")
                                     .at("template"),
                                 "key");
    EXPECT_EQ(field_of(with_buttons(R"({"title":"x","nextTemplateKey":")" + foreign + R"("})")),
              "buttons[0].nextTemplateKey");
    EXPECT_EQ(field_of(ask(422, "POST", path, key, R"({"kind":"text","body":7})")), "body");
    EXPECT_EQ(http("POST", path, key, "not json").status, 400);

    const auto changed =
        ask(200, "PUT", path + "/" + text_key, key, R"({"body":"Open 8 to 6","isActive":false})");
    EXPECT_EQ(number_at(changed.at("template"), "version"), 2);
    EXPECT_EQ(text_at(changed.at("template"), "body"), "Open 8 to 6");
    EXPECT_EQ(text_at(changed.at("template"), "description"), "hours");
    EXPECT_FALSE(changed.at("template").at("isActive").as_bool());

    const auto list = ask(200, "GET", path, key);
    EXPECT_EQ(list.at("templates").as_array().size(), 2u);

    // Refused while a button leads to it.
    EXPECT_EQ(http("DELETE", path + "/" + text_key, key).status, 409);
    ask(200, "DELETE", path + "/" + buttons_key, key);
    ask(200, "DELETE", path + "/" + text_key, key);
    EXPECT_EQ(ask(200, "GET", path, key).at("templates").as_array().size(), 0u);
    EXPECT_EQ(http("PUT", path + "/tmpl_nothing", key, "{}").status, 404);
    EXPECT_EQ(http("GET", "/tenants/" + other.tenant + "/templates", key).status, 404);
}

TEST_F(Compat, AFlowThatIsPostedRuns) {
    auto b = business("compat-flows");
    const auto path = "/tenants/" + b.shop.tenant;
    const auto made = [&](const std::string& body) {
        return text_at(ask(201, "POST", path + "/templates", b.key, body).at("template"), "key");
    };
    const auto hours = made(R"({"kind":"text","body":"We are open 8 to 6"})");
    const auto fallback = made(R"({"kind":"text","body":"Ask us about our hours"})");
    const auto flow = ask(201, "POST", path + "/flows", b.key,
                          R"({"flows":[{"id":"hours","match":{"type":"contains","values":["hours"]},
                              "action":{"type":"send_template","templateKey":")" +
                              hours + R"("}}],"fallbackTemplateKey":")" + fallback + R"("})");
    EXPECT_TRUE(flow.at("ok").as_bool());
    EXPECT_EQ(number_at(flow.at("flow"), "version"), 1);
    b.customer.say("what are your hours?");
    b.customer.wait_text("We are open 8 to 6");
    b.customer.say("something else");
    b.customer.wait_text("Ask us about our hours");
    const auto broken = ask(422, "POST", path + "/flows", b.key,
                            R"({"flows":[{"id":"x","match":{"type":"equals","values":["a"]},
                                "action":{"type":"send_template","templateKey":"tmpl_none"}}]})");
    EXPECT_NE(field_of(broken), "none");
    expect_right(b.shop);
}

TEST_F(Compat, ASendIsQueuedOnceAndARepeatedKeyNamesTheFirstMessage) {
    auto b = business("compat-send");
    greet(b.customer, "Hi");
    const auto path = "/tenants/" + b.shop.tenant;
    const auto text = [&](const std::string& words, const std::string& key) {
        return R"({"to":")" + b.customer.number() + R"(","text":")" + words +
               R"(","idempotency_key":")" + key + R"("})";
    };
    const auto first = ask(202, "POST", path + "/send", b.key, text("hello by alias", "k-1"));
    b.customer.wait_text("hello by alias");
    const auto again = ask(409, "POST", path + "/send", b.key, text("hello by alias", "k-1"));
    EXPECT_EQ(text_at(again, "error"), "Conflict");
    EXPECT_FALSE(text_at(again, "message").empty());
    EXPECT_EQ(text_at(again, "messageId"), text_at(first, "messageId"));
    const auto other = ask(409, "POST", path + "/send", b.key, text("another text", "k-1"));
    EXPECT_EQ(text_at(other, "reason"), "IDEMPOTENCY_KEY_REUSED");
    EXPECT_EQ(field_of(ask(422, "POST", path + "/send", b.key, R"({"to":"+254712345678"})")),
              "text");
    EXPECT_EQ(field_of(ask(422, "POST", path + "/send", b.key, R"({"to":"abc","text":"x"})")),
              "to");

    const auto key =
        text_at(ask(201, "POST", path + "/templates", b.key,
                    R"({"kind":"text","body":"{{business_name}}: parcel {{number}} is here"})")
                    .at("template"),
                "key");
    const auto parcel = R"({"to":")" + b.customer.number() + R"(","templateKey":")" + key +
                        R"(","variables":{"number":17},"idempotency_key":"k-2"})";
    const auto sent = ask(202, "POST", path + "/send/template", b.key, parcel);
    b.customer.wait_text(b.shop.name + ": parcel 17 is here");
    const auto repeat = ask(409, "POST", path + "/send/template", b.key, parcel);
    EXPECT_EQ(text_at(repeat, "messageId"), text_at(sent, "messageId"));
    EXPECT_EQ(http("POST", path + "/send/template", b.key,
                   R"({"to":"+254712345678","templateKey":"tmpl_none"})")
                  .status,
              404);
    EXPECT_TRUE(eventually([&] {
        const auto log =
            json::serialize(ask(200, "GET", "/admin/tenants/" + b.shop.tenant + "/logs", b.key));
        return log.find("parcel 17") != std::string::npos;
    }));
    expect_right(b.shop);
}

TEST_F(Compat, APurchaseIsSeenByTheShopsPaths) {
    auto b = business("compat-shop");
    const auto purchase = buy(b.customer, stack.sandbox(), {});
    const auto stats = shown("/api/admin/stats", b.key, [](const auto& page) {
        return number_at(page, "completedOrders") == 1;
    });
    EXPECT_EQ(number_at(stats, "totalOrders"), 1);
    EXPECT_EQ(number_at(stats, "pendingOrders"), 0);
    EXPECT_EQ(number_at(stats, "totalCustomers"), 1);
    EXPECT_EQ(std::to_string(number_at(stats, "totalRevenue")), purchase.amount_on_prompt);

    const auto orders = shown("/api/orders?limit=10", b.key,
                              [](const auto& page) { return number_at(page, "total") == 1; });
    EXPECT_TRUE(orders.at("success").as_bool());
    const auto& listed = orders.at("data").as_array().at(0);
    EXPECT_EQ(text_at(listed, "productName"), "Premium Coffee");
    EXPECT_EQ(number_at(listed, "quantity"), 2);
    EXPECT_EQ(text_at(listed, "currency"), "KES");
    EXPECT_EQ(text_at(listed, "paymentStatus"), "PAID");
    EXPECT_EQ(text_at(listed, "orderStatus"), "completed");
    EXPECT_EQ(std::to_string(number_at(listed, "totalAmount")), purchase.amount_on_prompt);
    const auto order =
        ask(200, "GET", "/whatsapp/orders/" + text_at(listed, "id"), b.key).at("data");
    EXPECT_EQ(text_at(order, "orderNumber"), text_at(listed, "orderNumber"));
    EXPECT_EQ(order.at("items").as_array().at(0).at("unitPrice").to_number<double>(), 1500.0);

    const auto invoices =
        shown("/v1/tenants/" + b.shop.tenant + "/invoices", b.key,
              [](const auto& page) { return page.as_object().contains("invoices"); });
    auto invoice_id = text_at(invoices.at("invoices").as_array().at(0), "name");
    invoice_id = invoice_id.substr(invoice_id.rfind('/') + 1);
    const auto invoice = shown("/whatsapp/invoices/" + invoice_id, b.key, [](const auto& page) {
                             return text_at(page.at("data"), "status") == "PAID";
                         }).at("data");
    EXPECT_EQ(text_at(invoice, "orderId"), text_at(listed, "id"));
    EXPECT_TRUE(text_at(invoice, "invoiceNumber").starts_with("INV-"));

    const auto customer = one_listed("/api/customers", b.key);
    EXPECT_EQ(text_at(customer, "name"), "Amina");
    EXPECT_EQ(text_at(customer, "phoneNumber"), b.customer.number());

    one_listed("/api/conversations?state=CLOSED&limit=50", b.key);
    // The operator's key names the business; a tenant's key cannot name another.
    const auto by_operator =
        ask(200, "GET", "/api/conversations?businessId=" + b.shop.tenant, operator_key());
    EXPECT_EQ(by_operator.at("data").as_array().size(), 1u);
    EXPECT_EQ(http("GET", "/api/conversations", operator_key()).status, 422);
    EXPECT_EQ(http("GET", "/api/orders?businessId=nobody", b.key).status, 404);
    EXPECT_EQ(http("GET", "/api/orders?businessId=nobody", operator_key()).status, 404);
    EXPECT_EQ(http("GET", "/api/conversations/no-such", b.key).status, 404);
    EXPECT_EQ(http("GET", "/whatsapp/orders/no-such", b.key).status, 404);
    EXPECT_EQ(field_of(ask(422, "GET", "/api/orders?limit=many", b.key)), "limit");
    expect_right(b.shop);
}

// {"phoneNumber",…} with what is said of it in place.
std::string site_order(const std::string& phone, const std::string& product = "coffee",
                       const std::string& quantity = "2", const std::string& key = "") {
    return R"({"phoneNumber":")" + phone + R"(","productId":")" + product + R"(","quantity":)" +
           quantity + R"(,"deliveryAddress":"Kilimani Rd 12","customerName":"Amina W.")" +
           (key.empty() ? "" : R"(,"idempotency_key":")" + key + "\"") + "}";
}

TEST_F(Compat, AnOrderOfTheShopsOwnSiteIsPaidInTheChat) {
    auto b = business("compat-orders");
    greet(b.customer, "Hi");
    const auto tenant = "/v1/tenants/" + b.shop.tenant;
    shown(tenant + "/contacts", b.key, [](const auto& page) {
        return json::serialize(page).find("windowExpireTime\":\"") != std::string::npos;
    });

    const auto body = site_order(b.customer.number(), "coffee", "2", "site-1");
    const auto answer = ask(201, "POST", "/api/orders", b.key, body);
    EXPECT_TRUE(answer.at("success").as_bool());
    EXPECT_FALSE(text_at(answer, "message").empty());
    const auto order = answer.at("data");
    EXPECT_EQ(text_at(order, "customerId"), customer_of(b));
    EXPECT_EQ(text_at(order, "productName"), "Premium Coffee");
    EXPECT_EQ(number_at(order, "quantity"), 2);
    EXPECT_EQ(text_at(order, "currency"), "KES");
    EXPECT_TRUE(order.at("notified").as_bool());
    const auto offer = b.customer.wait_for(
        [](const ChatMessage& m) { return m.text.find("like to pay") != std::string::npos; },
        "the ways to pay");
    EXPECT_NE(offer.text.find("Kilimani Rd 12"), std::string::npos) << offer.text;
    const auto listed = one_listed("/api/orders", b.key);
    EXPECT_EQ(text_at(listed, "id"), text_at(order, "id"));
    EXPECT_EQ(text_at(listed, "paymentStatus"), "UNPAID");
    EXPECT_EQ(listed.at("totalAmount"), order.at("totalAmount"));
    EXPECT_NE(offer.text.find(text_at(listed, "orderNumber")), std::string::npos) << offer.text;
    const auto path = "/whatsapp/orders/" + text_at(order, "id");
    EXPECT_EQ(text_at(ask(200, "GET", path, b.key).at("data"), "customerName"), "Amina W.");

    const auto purchase =
        finish(b.customer, stack.sandbox(), pay_by_mpesa(b.customer), PurchaseSpec{}.pin);
    EXPECT_EQ(purchase.amount_on_prompt,
              std::to_string(order.at("totalAmount").to_number<std::int64_t>()));
    EXPECT_NE(purchase.receipt_message.text.find(text_at(listed, "orderNumber")),
              std::string::npos);
    shown(path, b.key,
          [](const auto& page) { return text_at(page.at("data"), "paymentStatus") == "PAID"; });
    // A repeat of the key, in the body or the header, is the same order; another body is not.
    EXPECT_EQ(ask(201, "POST", "/api/orders", b.key, body), answer);
    EXPECT_EQ(ask(201, "POST", "/api/orders", b.key, site_order(b.customer.number()),
                  {{"Idempotency-Key", "site-1"}}),
              answer);
    const auto reused = ask(409, "POST", "/api/orders", b.key,
                            site_order(b.customer.number(), "coffee", "3", "site-1"));
    EXPECT_EQ(text_at(reused, "reason"), "IDEMPOTENCY_KEY_REUSED");
    EXPECT_EQ(number_at(ask(200, "GET", "/api/orders", b.key), "total"), 1);
    expect_right(b.shop);
}

TEST_F(Compat, SeveralOrdersOfTheSiteArePaidOneAfterTheOther) {
    auto b = business("compat-orders-two");
    greet(b.customer, "Hi");
    // As a site does that has two things in its basket.
    ask(201, "POST", "/api/orders", b.key, site_order(b.customer.number(), "coffee", "2"));
    ask(201, "POST", "/api/orders", b.key, site_order(b.customer.number(), "soap", "1"));
    const auto offer_of = [&](const std::string& product) {
        return b.customer.wait_for(
            [&](const ChatMessage& m) {
                return m.text.find(product) != std::string::npos &&
                       m.text.find("like to pay") != std::string::npos;
            },
            "the ways to pay " + product);
    };
    offer_of("Premium Coffee");
    offer_of("Soap");
    const auto first = pay_by_mpesa(b.customer);  // the latest message's button
    finish(b.customer, stack.sandbox(), first, PurchaseSpec{}.pin);
    offer_of("Premium Coffee");  // its turn
    const auto second = pay_by_mpesa(b.customer);
    EXPECT_NE(second.amount, first.amount);
    finish(b.customer, stack.sandbox(), second, PurchaseSpec{}.pin);
    shown("/api/admin/stats", b.key,
          [](const auto& page) { return number_at(page, "completedOrders") == 2; });
    expect_right(b.shop);
}

TEST_F(Compat, WhoNeverWroteIsAskedToPayWhenTheyWrite) {
    auto b = business("compat-orders-new");
    const auto contact = [&](int status, const std::string& phone) {
        return ask(status, "POST", "/v1/tenants/" + b.shop.tenant + "/contacts:resolve", b.key,
                   R"({"phone":")" + phone + "\"}");
    };
    EXPECT_EQ(field_of(contact(422, "0712345678")), "phone");
    const auto known = text_at(contact(200, b.customer.number()), "customerId");
    EXPECT_EQ(text_at(contact(200, b.customer.number()), "customerId"), known);
    const auto order =
        ask(201, "POST", "/api/orders", b.key, site_order(b.customer.number())).at("data");
    EXPECT_EQ(text_at(order, "customerId"), known);
    EXPECT_FALSE(order.at("notified").as_bool());
    EXPECT_EQ(text_at(order, "reason"), "window_closed");
    const auto listed = one_listed("/api/orders", b.key);
    EXPECT_EQ(text_at(listed, "id"), text_at(order, "id"));
    EXPECT_EQ(customer_of(b), text_at(order, "customerId"));
    // Suppressed, and said again when they write.
    shown("/admin/tenants/" + b.shop.tenant + "/logs", b.key, [](const auto& page) {
        return json::serialize(page).find("window_closed") != std::string::npos;
    });
    b.customer.say("Hello");
    b.customer.wait_for(
        [](const ChatMessage& m) { return m.text.find("like to pay") != std::string::npos; },
        "the ways to pay");
    // The log shows both directions.
    shown("/admin/tenants/" + b.shop.tenant + "/logs", b.key, [&](const auto& page) {
        bool said = false, answered = false;
        for (const auto& line : page.at("logs").as_array()) {
            if (text_at(line, "direction") == "in")
                said |= text_at(line, "text") == "Hello" &&
                        text_at(line, "from") == b.customer.number();
            else
                answered |= text_at(line, "to") == b.customer.number() &&
                            text_at(line, "text").find("like to pay") != std::string::npos;
        }
        return said && answered;
    });
    finish(b.customer, stack.sandbox(), pay_by_mpesa(b.customer), PurchaseSpec{}.pin);
    expect_right(b.shop);
}

TEST_F(Compat, AnOrderThatCannotBeIsRefusedByItsField) {
    const auto b = business("compat-orders-bad");
    const auto other = business("compat-orders-other");
    ask(200, "POST", "/v1/tenants/" + other.shop.tenant + "/products", operator_key(),
        R"({"product":{"productId":"theirs","displayName":"Theirs","active":true,
            "price":{"minorUnits":"100","currencyCode":"KES"}}})");
    const auto phone = b.customer.number();
    for (const auto& [body, field] : {std::pair{site_order(phone, "coffee", "0"), "quantity"},
                                      {site_order(phone, "coffee", "1000"), "quantity"},
                                      {site_order(phone, "coffee", "1.5"), "quantity"},
                                      {site_order(phone, "coffee", "\"two\""), "quantity"},
                                      {site_order(phone, "unknown"), "productId"},
                                      {site_order(phone, "theirs"), "productId"},
                                      {site_order("abc"), "phoneNumber"},
                                      {site_order(""), "phoneNumber"},
                                      {site_order(phone, ""), "productId"},
                                      {R"({"phoneNumber":")" + phone + R"(","productId":"coffee",
               "deliveryAddress":"A","customerName":"A"})",
                                       "quantity"}})
        EXPECT_EQ(field_of(ask(422, "POST", "/api/orders", b.key, body)), field) << body;
    EXPECT_EQ(ask(200, "GET", "/api/orders", b.key).at("data").as_array().size(), 0u);
    EXPECT_EQ(http("POST", "/api/orders", "", site_order(phone)).status, 401);
    EXPECT_EQ(http("POST", "/api/orders?businessId=" + other.shop.tenant, b.key, site_order(phone))
                  .status,
              404);
    // Nobody was made of a refusal.
    EXPECT_EQ(ask(200, "GET", "/api/customers", b.key).at("data").as_array().size(), 0u);
    expect_right(b.shop);
}

TEST_F(Compat, AnOrderNeedsNoMoreThanWhoWhatAndHowMuch) {
    const auto b = business("compat-orders-short");
    const auto order =
        ask(201, "POST", "/api/orders", b.key,
            R"({"phoneNumber":")" + b.customer.number() + R"(","productId":"coffee","quantity":1})")
            .at("data");
    EXPECT_EQ(number_at(order, "quantity"), 1);
    const auto listed = one_listed("/api/orders", b.key);
    EXPECT_EQ(text_at(listed, "id"), text_at(order, "id"));
    EXPECT_EQ(text_at(listed, "orderStatus"), "pending");
    const auto stats = shown("/api/admin/stats", b.key,
                             [](const auto& page) { return number_at(page, "totalOrders") == 1; });
    EXPECT_EQ(number_at(stats, "pendingOrders"), 1);
    EXPECT_EQ(stats.at("totalRevenue").to_number<double>(), 0.0);
    expect_right(b.shop);
}

TEST_F(Compat, APaymentIsOpenedAndThePhoneIsAsked) {
    auto b = business("compat-payments");
    greet(b.customer, "Hi");
    const auto conversation = text_at(one_listed("/api/conversations", b.key), "id");
    const auto create = [&](const std::string& amount) {
        return R"({"conversationId":")" + conversation + R"(","amount":)" + amount + "}";
    };
    const auto intent =
        ask(201, "POST", "/api/payments/create", b.key, create("1000"), {{"Idempotency-Key", "p"}})
            .at("data");
    EXPECT_EQ(text_at(intent, "status"), "INITIATED");
    EXPECT_EQ(intent.at("amount").to_number<double>(), 1000.0);
    EXPECT_EQ(text_at(intent, "currency"), "KES");
    const auto repeated =
        ask(201, "POST", "/api/payments/create", b.key, create("1000"), {{"Idempotency-Key", "p"}});
    EXPECT_EQ(text_at(repeated.at("data"), "id"), text_at(intent, "id"));
    for (const auto* bad : {"0", "-5", "\"1e3\"", "10.001", "true"})
        EXPECT_EQ(field_of(ask(422, "POST", "/api/payments/create", b.key, create(bad))), "amount")
            << bad;
    EXPECT_EQ(
        http("POST", "/api/payments/create", b.key, R"({"conversationId":"no-such","amount":10})")
            .status,
        404);

    const auto push = ask(200, "POST", "/api/payments/stk-push", b.key,
                          R"({"paymentIntentId":")" + text_at(intent, "paymentIntentId") +
                              R"(","phoneNumber":")" + b.customer.number() + R"("})")
                          .at("data");
    EXPECT_EQ(text_at(push, "status"), "PENDING");
    const auto prompt = b.customer.wait_prompt();
    EXPECT_EQ(prompt.amount, "1000");
    b.customer.answer_prompt(prompt.id, "1234");
    EXPECT_TRUE(eventually([&] {
        return http("GET", "/v1/tenants/" + b.shop.tenant + "/payments/" + text_at(intent, "id"),
                    b.key)
                   .body.find("PAYMENT_STATE_PAID") != std::string::npos;
    }));
    // Money without an order is no revenue of the shop's: a person says what it was for.
    EXPECT_EQ(ask(200, "GET", "/api/admin/stats", b.key).at("totalRevenue").to_number<double>(),
              0.0);
    expect_right(b.shop);
}

TEST_F(Compat, RemindersAndCampaignsReachThePhone) {
    auto b = business("compat-outreach");
    b.customer.say("START");  // who hears of offers has said so
    greet(b.customer, "Hi");
    customer_of(b);
    // Ahead by as little as the API's whole seconds allow.
    const auto soon = [] {
        const auto at = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() +
                                                             std::chrono::seconds(2));
        char text[32];
        std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&at));
        return std::string(text);
    };
    const auto reminder = [&](const std::string& to, const std::string& when) {
        return R"({"type":"CUSTOM","message":"Remember the milk","scheduledFor":")" + when +
               R"(","to":")" + to + R"("})";
    };
    json::value made;
    EXPECT_TRUE(eventually([&] {
        const auto answer =
            http("POST", "/whatsapp/reminders", b.key, reminder(b.customer.number(), soon()));
        if (answer.status == 201) made = json::parse(answer.body).at("data");
        return answer.status == 201;
    }));
    EXPECT_EQ(text_at(made, "type"), "custom");
    EXPECT_EQ(text_at(made, "status"), "SCHEDULED");
    EXPECT_EQ(
        field_of(ask(422, "POST", "/whatsapp/reminders", b.key, reminder("+254799000111", soon()))),
        "to");
    EXPECT_EQ(field_of(ask(422, "POST", "/whatsapp/reminders", b.key,
                           reminder(b.customer.number(), "tomorrow"))),
              "scheduledFor");
    b.customer.wait_text("Remember the milk");

    const auto campaign = [](const std::string& audience) {
        return R"({"name":"New year","message":"Happy New Year {{name}}!","type":"PROMOTIONAL",
                   "targetAudience":)" +
               audience + R"(,"startImmediately":true})";
    };
    const auto started =
        ask(201, "POST", "/whatsapp/campaigns", b.key, campaign(R"({"type":"all"})")).at("data");
    b.customer.wait_text("Happy New Year Amina!");
    const auto metrics =
        shown("/whatsapp/campaigns/" + text_at(started, "id") + "/metrics", b.key,
              [](const auto& page) { return text_at(page.at("data"), "status") == "COMPLETED"; })
            .at("data");
    EXPECT_EQ(number_at(metrics, "audience"), 1);

    const auto list = [](const std::string& number) {
        return R"({"type":"list","numbers":[")" + number + R"("]})";
    };
    ask(201, "POST", "/whatsapp/campaigns", b.key, campaign(list(b.customer.number())));
    b.customer.wait_text("Happy New Year Amina!");
    EXPECT_EQ(
        field_of(ask(422, "POST", "/whatsapp/campaigns", b.key, campaign(list("+254799000111")))),
        "targetAudience.numbers[0]");
    EXPECT_EQ(http("GET", "/whatsapp/campaigns/no-such/metrics", b.key).status, 404);
    expect_right(b.shop);
}

TEST_F(Compat, MetaMayUseTheOlderPaths) {
    auto b = business("compat-webhooks");
    for (const auto* path : {"/whatsapp/webhook", "/api/messages/incoming"}) {
        const auto sent = b.customer.send({{"text", "Hi"}, {"url", door() + path}});
        EXPECT_EQ(number_at(sent, "http_status"), 200) << path;
        EXPECT_EQ(http("POST", path, "", "{}").status, 401) << path;
        const auto shake =
            http("GET",
                 std::string(path) + "?hub.mode=subscribe&hub.challenge=42&hub.verify_token=" +
                     stack.environment.required("META_VERIFY_TOKEN"),
                 "");
        EXPECT_EQ(shake.body, "42") << path;
    }
    b.customer.wait_for([](const ChatMessage& m) { return m.buttons.size() >= 2; }, "the greeting");
    expect_right(b.shop);
}

TEST_F(Compat, WhatIsNotBuiltYetSaysSo) {
    const auto shop = stack.shop("compat-later");
    const auto key = key_of(shop.tenant);
    const auto tenant = "/admin/tenants/" + shop.tenant;
    struct Case {
        const char* method;
        std::string path;
        int status;
    };
    for (const auto& c : {Case{"POST", "/webhooks/ghala", 501},
                          {"GET", "/webhooks/twilio", 405},
                          {"POST", "/api/webhooks/ghala", 501},
                          {"GET", "/admin", 501},
                          {"POST", tenant + "/worker/start", 501},
                          {"POST", tenant + "/worker/stop", 501},
                          {"POST", tenant + "/worker/restart?force=true", 501},
                          {"GET", tenant + "/qr", 501},
                          {"POST", "/webhooks/mpesa", 404},
                          {"GET", "/webhooks/mpesa", 404}}) {
        const auto answer = whole(c.method, c.path, key);
        EXPECT_EQ(answer.status, c.status) << c.method << " " << c.path;
        EXPECT_TRUE(answer.headers.get("Content-Type").starts_with("application/problem+json"))
            << c.path;
        EXPECT_FALSE(text_at(json::parse(answer.body), "detail").empty()) << c.path;
    }
    EXPECT_NE(http("POST", "/webhooks/mpesa", "").body.find("/hooks/pay/"), std::string::npos);
    EXPECT_EQ(http("GET", tenant + "/qr", "").status, 401);
    EXPECT_EQ(http("GET", "/health", "").body, R"({"ok":true})");
    EXPECT_EQ(http("GET", "/whatsapp/health", "").body, R"({"ok":true})");
}

TEST_F(Compat, AKeyOrPasswordInTheAddressIsRefused) {
    const auto shop = stack.shop("compat-passwords");
    for (const auto& path :
         {std::string("/admin"), std::string("/admin/tenants"), std::string("/api/orders"),
          "/tenants/" + shop.tenant + "/templates", "/v1/tenants/" + shop.tenant}) {
        const auto answer = ask(401, "GET", path + "?password=" + operator_key(), operator_key());
        EXPECT_NE(text_at(answer, "detail").find("Authorization: Bearer"), std::string::npos);
    }
}

TEST_F(Compat, ABrowsersPasswordOpensTheAdminPathsAndNothingElse) {
    const auto shop = stack.shop("compat-basic");
    const auto with = [&](const std::string& path, const std::string& password) {
        return whole("GET", path, "", "",
                     {{"Authorization", "Basic " + crypto::base64_encode("anybody:" + password)}});
    };
    for (const auto& path :
         {std::string("/admin/tenants"), "/admin/tenants/" + shop.tenant,
          "/admin/tenants/" + shop.tenant + "/logs", "/api/admin/stats?businessId=" + shop.tenant})
        EXPECT_EQ(with(path, operator_key()).status, 200) << path;
    const auto refused = with("/admin/tenants", "wrong");
    EXPECT_EQ(refused.status, 401);
    EXPECT_TRUE(refused.headers.get("WWW-Authenticate").starts_with("Basic realm="));
    EXPECT_EQ(with("/v1/tenants/" + shop.tenant, operator_key()).status, 401);
    EXPECT_EQ(with("/api/orders?businessId=" + shop.tenant, operator_key()).status, 401);
}

TEST_F(Compat, TheEdgeHasItsManners) {
    const auto shop = stack.shop("compat-manners");
    const auto key = key_of(shop.tenant);
    const auto tenant = "/v1/tenants/" + shop.tenant;

    const auto wrong_method = whole("DELETE", "/api/orders", key);
    EXPECT_EQ(wrong_method.status, 405);
    EXPECT_EQ(wrong_method.headers.get("Allow"), "GET, HEAD, POST");
    for (const auto& [answer, status, reason] :
         {std::tuple{wrong_method, 405, "METHOD_NOT_ALLOWED"},
          std::tuple{whole("GET", "/v1/nothing", key), 404, "PATH_NOT_FOUND"},
          std::tuple{whole("GET", tenant + "/orders/none", key), 404, "NOT_FOUND"},
          std::tuple{whole("GET", tenant, ""), 401, "UNAUTHENTICATED"},
          std::tuple{whole("POST", tenant + "/messages", key, "{"), 400, "MALFORMED"},
          std::tuple{whole("POST", tenant + "/messages", key, "{}"), 422, "FIELD_INVALID"},
          std::tuple{whole("GET", tenant + "/orders?nonsense=1", key), 422, "FIELD_INVALID"}}) {
        EXPECT_EQ(answer.status, status) << reason;
        EXPECT_TRUE(answer.headers.get("Content-Type").starts_with("application/problem+json"))
            << reason;
        const auto problem = json::parse(answer.body);
        EXPECT_EQ(text_at(problem, "reason"), reason) << answer.body;
        EXPECT_FALSE(text_at(problem, "detail").empty()) << reason;
    }
    EXPECT_EQ(whole("GET", tenant, "").headers.get("WWW-Authenticate"), "Bearer");
    EXPECT_EQ(
        whole("GET", tenant, key, "", {{"X-Request-Id", "mine-1"}}).headers.get("X-Request-Id"),
        "mine-1");
    EXPECT_EQ(whole("POST", tenant + "/messages", key, std::string((1 << 20) + 1, ' ')).status,
              413);
    EXPECT_EQ(whole("GET", "/" + std::string(9000, 'a'), key).status, 414);
    EXPECT_EQ(whole("GET", tenant, key, "", {{"X-Long", std::string(9000, 'a')}}).status, 431);

    // One key, one effect: the first answer again, another body 409, two keys at once 400; a
    // refusal uses up no key.
    const auto path = tenant + "/messages";
    const auto body = [](const std::string& text, const std::string& more = "") {
        return R"({"to":"+254712345678","content":{"text":{"body":")" + text + "\"}}" + more + "}";
    };
    const Headers once{{"Idempotency-Key", "key-1"}};
    EXPECT_EQ(whole("POST", path, key, body(""), once).status, 422);
    const auto first = whole("POST", path, key, body("x"), once);
    EXPECT_EQ(first.status, 202) << first.body;
    const auto again = whole("POST", path, key, body("x"), once);
    EXPECT_EQ(again.status, 202);
    EXPECT_EQ(again.body, first.body);
    EXPECT_EQ(first.headers.get("Idempotent-Replayed"), "");
    EXPECT_EQ(again.headers.get("Idempotent-Replayed"), "true");
    const auto other = whole("POST", path, key, body("y"), once);
    EXPECT_EQ(other.status, 409);
    EXPECT_EQ(text_at(json::parse(other.body), "reason"), "IDEMPOTENCY_KEY_REUSED");
    const auto two = whole("POST", path, key, body("x", R"(,"requestId":"key-2")"), once);
    EXPECT_EQ(two.status, 400);
    EXPECT_EQ(text_at(json::parse(two.body), "reason"), "IDEMPOTENCY_KEY_MISMATCH");
    const auto nul = whole("POST", path, key, body("x", R"(,"requestId":"key\u00003")"));
    EXPECT_EQ(nul.status, 422) << nul.body;
    EXPECT_EQ(field_of(json::parse(nul.body)), "requestId");
    for (const auto& [collection, made] :
         {std::pair{"/campaigns", R"({"displayName":"News","body":"Hello"})"},
          {"/products", R"({"product":{"displayName":"Cup","price":{"currencyCode":"KES",)"
                        R"("minorUnits":"100"}}})"}}) {
        const auto one = whole("POST", tenant + collection, key, made, once);
        EXPECT_LT(one.status, 300) << one.body;
        const auto repeat = whole("POST", tenant + collection, key, made, once);
        EXPECT_EQ(one.headers.get("Idempotent-Replayed"), "") << collection;
        EXPECT_EQ(repeat.headers.get("Idempotent-Replayed"), "true") << collection;
        EXPECT_EQ(text_at(json::parse(repeat.body), "name"),
                  text_at(json::parse(one.body), "name"));
    }

    // ETag and If-Match.
    const auto shown = whole("GET", tenant, key);
    EXPECT_FALSE(shown.headers.get("ETag").empty());
    const auto settings = R"({"settings":{"taxRateBp":800},"updateMask":"taxRateBp"})";
    const Headers current{{"If-Match", std::string(shown.headers.get("ETag"))}};
    EXPECT_EQ(whole("PATCH", tenant + "/settings", key, settings, current).status, 200);
    const auto stale = whole("PATCH", tenant + "/settings", key,
                             R"({"settings":{"taxRateBp":900},"updateMask":"taxRateBp"})", current);
    EXPECT_EQ(stale.status, 409);
    EXPECT_EQ(text_at(json::parse(stale.body), "reason"), "VERSION_MISMATCH");
}

// "GET /health" of every route in docs/coming_from.md: the first cell of a row has paths between
// backquotes, and the methods, if there are some, before them. A path without a method means GET.
std::set<std::string> routes_in_the_book(const std::string& book) {
    static const std::set<std::string> kMethods{"GET", "POST", "PUT", "PATCH", "DELETE"};
    std::set<std::string> routes;
    std::istringstream lines(book);
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("| `")) continue;
        const auto cell = line.substr(1, line.find(" | ", 2) - 1);
        std::vector<std::string> methods;
        bool path_seen = false;
        for (auto at = cell.find('`'); at != std::string::npos;) {
            const auto end = cell.find('`', at + 1);
            if (end == std::string::npos) break;
            std::istringstream words(cell.substr(at + 1, end - at - 1));
            for (std::string word; words >> word;) {
                if (kMethods.contains(word)) {
                    if (path_seen) methods.clear();  // the next group of the same cell
                    path_seen = false;
                    methods.push_back(word);
                } else if (word.front() == '/') {
                    path_seen = true;
                    if (methods.empty()) routes.insert("GET " + word);
                    for (const auto& method : methods) routes.insert(method + " " + word);
                }
            }
            at = cell.find('`', end + 1);
        }
    }
    return routes;
}

std::set<std::string> aliases_of(stack::Sandbox& sandbox, const std::string& admin_address) {
    std::set<std::string> routes;
    const auto answer = sandbox.http().send("GET", "http://" + admin_address + "/routes");
    EXPECT_EQ(answer.status, 200) << admin_address;
    const auto served = json::parse(answer.body);
    for (const auto& route : served.as_array()) {
        auto path = text_at(route, "path");
        if (path.starts_with("/v1/")) continue;
        // The book says {id} for the tenant, as the older systems did.
        if (const auto at = path.find("{tenant}"); at != std::string::npos)
            path.replace(at, 8, "{id}");
        routes.insert(text_at(route, "method") + " " + path);
    }
    return routes;
}

// docs/coming_from.md and the doors, in both directions: a route that is in one of them only is a
// mistake.
TEST_F(Compat, TheBookNamesEveryAliasAndNothingElse) {
    std::ifstream file(stack.environment.required("FLOWSTACK_ROOT") + "/docs/coming_from.md");
    std::stringstream text;
    text << file.rdbuf();
    const auto book = routes_in_the_book(text.str());
    auto served = aliases_of(stack.sandbox(), stack.environment.required("GATEWAY_0_ADMIN"));
    for (const auto& route :
         aliases_of(stack.sandbox(), stack.environment.required("PAYMENT_0_ADMIN")))
        served.insert(route);
    EXPECT_GT(served.size(), 40U);
    // Served on every admin port, which has no list of routes.
    for (const auto* path : {"GET /livez", "GET /readyz", "GET /metrics", "GET /routes"}) {
        EXPECT_TRUE(book.contains(path)) << path;
        served.insert(path);
    }
    for (const auto& route : served)
        EXPECT_TRUE(book.contains(route)) << route << " is served and not in coming_from.md";
    for (const auto& route : book)
        EXPECT_TRUE(served.contains(route)) << route << " is in coming_from.md and not served";
}

}  // namespace
}  // namespace flowstack::e2e
