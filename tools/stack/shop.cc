#include "tools/stack/shop.h"

#include <boost/json.hpp>
#include <iomanip>
#include <sstream>
#include <thread>

#include "common/rpc/error.h"
#include "common/rpc/resource_name.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/conversation/v1/catalog_service.pb.h"
#include "flowstack/gateway/v1/channel_service.pb.h"
#include "flowstack/gateway/v1/tenant_service.pb.h"
#include "flowstack/payment/v1/provider_account_service.pb.h"

namespace flowstack::stack {
namespace {

namespace json = boost::json;
const std::string kPasskey = "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919";

// FNV-1a: a small number from a name, the same every time.
std::uint32_t number_of(const std::string& text) {
    std::uint32_t hash = 2166136261u;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
    return hash;
}

bool at_meta(const ShopSpec& spec) { return spec.channel_kind == "META_CLOUD"; }
bool at_twilio(const ShopSpec& spec) { return spec.channel_kind == "TWILIO"; }

// The spec's own credentials, or those that are made of its names.
std::string or_else(const std::string& own, const std::string& made) {
    return own.empty() ? made : own;
}
std::string access_token(const ShopSpec& spec) {
    return or_else(spec.access_token, "mock_token_" + spec.tenant);
}
std::string passkey(const ShopSpec& spec) { return or_else(spec.passkey, kPasskey); }
std::string consumer_key(const ShopSpec& spec) {
    return or_else(spec.consumer_key, "key-" + spec.shortcode);
}
std::string consumer_secret(const ShopSpec& spec) {
    return or_else(spec.consumer_secret, "secret-" + spec.shortcode);
}

std::string seed_id(const ShopSpec& spec, const std::string& what) {
    return "seed-" + spec.tenant + "-" + what;
}

// Addresses of every replica of gateway: webhooks come to all of them.
std::string webhook_doors(const Environment& environment) {
    std::string doors;
    for (int replica = 0;; ++replica) {
        const auto http = environment.get("GATEWAY_" + std::to_string(replica) + "_HTTP");
        if (http.empty()) break;
        doors += (doors.empty() ? "http://" : ",http://") + http + "/webhooks/whatsapp";
    }
    return doors.empty() ? environment.required("PUBLIC_BASE_URL") + "/webhooks/whatsapp" : doors;
}

void register_number(const ShopSpec& spec, const Environment& environment, Sandbox& sandbox) {
    json::object number{{"phone_number_id", spec.phone_number_id},
                        {"waba_id", "waba-" + spec.tenant},
                        {"token", access_token(spec)},
                        {"app_secret", environment.required("META_APP_SECRET")},
                        {"webhook_url", webhook_doors(environment)},
                        {"display_phone_number", spec.display_phone_number.substr(1)},
                        {"name", spec.name}};
    if (!spec.limits) {
        number["throughput_per_s_max"] = 0;
        number["pair_interval_ms"] = 0;
    }
    sandbox.put("/control/numbers", number);
}

void register_sender(const ShopSpec& spec, const std::string& number,
                     const Environment& environment, Sandbox& sandbox) {
    json::object sender{
        {"number", number},
        {"account_sid", account_sid(spec)},
        {"auth_token", auth_token(spec)},
        {"webhook_url", environment.required("PUBLIC_BASE_URL") + "/webhooks/twilio"},
        {"name", spec.name}};
    if (!spec.limits) {
        sender["throughput_per_s_max"] = 0;
        sender["pair_interval_ms"] = 0;
    }
    sandbox.put("/control/senders", sender);
}

void register_shortcode(const ShopSpec& spec, Sandbox& sandbox) {
    sandbox.put("/control/shortcodes",
                json::object{{"shortcode", spec.shortcode},
                             {"name", spec.name},
                             {"passkey", passkey(spec)},
                             {"consumer_key", consumer_key(spec)},
                             {"consumer_secret", consumer_secret(spec)},
                             {"same_amount_window_ms", spec.limits ? 120'000 : 0}});
}

void register_stripe(const ShopSpec& spec, const Environment& environment, Sandbox& sandbox) {
    sandbox.put("/control/accounts",
                json::object{{"account", stripe_account(spec)},
                             {"secret_key", "sk_test_" + spec.tenant},
                             {"webhook_secret", stripe_secret(spec)},
                             {"webhook_url", environment.required("PAYMENT_PUBLIC_BASE_URL") +
                                                 "/webhooks/stripe"}});
}

void set_limits(const ShopSpec& spec, gateway::v1::ChannelLimits& limits) {
    if (spec.limits) {
        limits.set_per_second(80);
        limits.set_inbound_headroom_per_second(20);
        limits.set_pair_interval_seconds(6);
        limits.set_pair_burst(45);
    } else {
        // gateway takes a zero for its default.
        limits.set_per_second(10'000);
        limits.set_inbound_headroom_per_second(1);
        limits.set_pair_interval_seconds(1);
        limits.set_pair_burst(1000);
    }
}

// The shop's second connection.
void connect_twilio(const ShopSpec& spec, Api& api) {
    gateway::v1::ConnectChannelRequest request;
    request.set_parent(rpc::tenant_name(spec.tenant));
    request.set_request_id(seed_id(spec, "twilio"));
    auto& channel = *request.mutable_channel();
    channel.set_kind("TWILIO");
    channel.set_external_id(spec.twilio_number);
    channel.set_business_account_id(account_sid(spec));
    channel.set_display_phone_number(spec.twilio_number);
    channel.mutable_credentials()->set_access_token(auth_token(spec));
    set_limits(spec, *channel.mutable_limits());
    api.call<gateway::v1::Channel>("gateway", "ChannelService/ConnectChannel", request);
}

void register_tenant(const ShopSpec& spec, const Environment& environment, Api& api) {
    gateway::v1::RegisterTenantRequest request;
    request.set_tenant_id(spec.tenant);
    request.set_request_id(seed_id(spec, "tenant"));
    auto& settings = *request.mutable_settings();
    settings.set_name(spec.name);
    settings.set_display_name(spec.name);
    settings.set_country_code("KE");
    settings.set_time_zone("Africa/Nairobi");
    settings.set_currency_code(spec.currency);
    for (const auto& language : spec.languages) settings.add_languages(language);
    settings.set_pack(spec.pack);
    settings.set_tax_rate_bp(spec.tax_rate_bp);
    settings.set_order_prefix("ORD");
    settings.set_invoice_prefix("INV");
    settings.set_unknown_text_policy(spec.unknown_text_policy);
    if (spec.currency == "KES") settings.add_payment_providers("mpesa");
    if (spec.cards) settings.add_payment_providers("stripe");
    auto& channel = *request.mutable_channel();
    channel.set_kind(spec.channel_kind);
    channel.set_external_id(spec.phone_number_id);
    if (at_meta(spec)) {
        channel.set_business_account_id("waba-" + spec.tenant);
        channel.set_app_id(environment.required("META_APP_ID"));
    }
    channel.set_display_phone_number(spec.display_phone_number);
    if (at_twilio(spec)) channel.set_business_account_id(account_sid(spec));
    channel.mutable_credentials()->set_access_token(at_twilio(spec) ? auth_token(spec)
                                                                    : access_token(spec));
    set_limits(spec, *channel.mutable_limits());
    api.call<gateway::v1::Tenant>("gateway", "TenantService/RegisterTenant", request);
}

void save_catalog(const ShopSpec& spec, Api& api) {
    const auto parent = rpc::tenant_name(spec.tenant);
    for (const auto& product : spec.products.empty() ? demo_products() : spec.products) {
        conversation::v1::SaveProductRequest request;
        request.set_parent(parent);
        request.set_request_id(seed_id(spec, "product-" + product.id));
        auto& p = *request.mutable_product();
        p.set_product_id(product.id);
        p.set_display_name(product.name);
        for (const auto& alias : product.aliases) p.add_aliases(alias);
        p.mutable_price()->set_minor_units(product.price_minor);
        p.mutable_price()->set_currency_code(spec.currency);
        p.set_description(product.description);
        p.set_active(true);
        if (product.stock >= 0) p.set_on_hand(product.stock);
        api.call<conversation::v1::Product>("conversation", "CatalogService/SaveProduct", request);
    }
    if (!spec.promotions) return;
    conversation::v1::SavePromotionRequest request;
    request.set_parent(parent);
    request.set_request_id(seed_id(spec, "promotion"));
    auto& promotion = *request.mutable_promotion();
    promotion.set_promotion_id("welcome");
    (*promotion.mutable_text())["en"] =
        "This week: free delivery in Nairobi for two bags of coffee or more.";
    (*promotion.mutable_text())["sw"] =
        "Wiki hii: usafirishaji bure Nairobi kwa mifuko miwili ya kahawa au zaidi.";
    promotion.set_active(true);
    api.call<conversation::v1::Promotion>("conversation", "CatalogService/SavePromotion", request);
}

void connect_mpesa(const ShopSpec& spec, Api& api) {
    payment::v1::ConnectProviderAccountRequest request;
    request.set_parent(rpc::tenant_name(spec.tenant));
    request.set_request_id(seed_id(spec, "mpesa"));
    auto& mpesa = *request.mutable_mpesa();
    mpesa.set_short_code(spec.shortcode);
    mpesa.set_passkey(passkey(spec));
    mpesa.set_consumer_key(consumer_key(spec));
    mpesa.set_consumer_secret(consumer_secret(spec));
    api.call<payment::v1::ProviderAccount>(
        "payment", "ProviderAccountService/ConnectProviderAccount", request);
}

void connect_stripe(const ShopSpec& spec, Api& api) {
    payment::v1::ConnectProviderAccountRequest request;
    request.set_parent(rpc::tenant_name(spec.tenant));
    request.set_request_id(seed_id(spec, "stripe"));
    request.mutable_stripe()->set_secret_key("sk_test_" + spec.tenant);
    request.mutable_stripe()->set_webhook_secret(stripe_secret(spec));
    api.call<payment::v1::ProviderAccount>(
        "payment", "ProviderAccountService/ConnectProviderAccount", request);
}

}  // namespace

std::vector<ProductSpec> demo_products() {
    return {{"coffee",
             "Premium Coffee",
             {"coffee", "kahawa"},
             150'000,
             500,
             "Arabica from Nyeri, 500 g"},
            {"tea", "Kericho Gold Tea", {"tea", "chai"}, 45'000, 800, "100 bags"},
            {"honey", "Wild Honey", {"honey", "asali"}, 85'050, 200, "From Kitui, 1 kg"},
            {"soap", "Shea Soap", {"soap", "sabuni"}, 25'000, -1, "Handmade, 120 g"},
            {"basket", "Sisal Basket", {"basket", "kiondo"}, 320'000, 40, "Woven in Machakos"}};
}

std::string sender_for(const std::string& unique) {
    return "+1415" + std::to_string(1'000'000 + number_of(unique) % 9'000'000);
}

std::string account_sid(const ShopSpec& spec) {
    std::ostringstream sid;
    sid << "AC" << std::hex << std::setfill('0');
    for (const auto* part : {"a", "b", "c", "d"})
        sid << std::setw(8) << number_of(part + spec.tenant);
    return sid.str();
}

std::string stripe_account(const ShopSpec& spec) {
    return "acct_" + std::to_string(number_of(spec.tenant));
}

std::string stripe_secret(const ShopSpec& spec) { return "whsec_" + spec.tenant; }

std::string auth_token(const ShopSpec& spec) { return "mock_auth_" + spec.tenant; }

ShopSpec shop_for(const std::string& unique) {
    const auto number = number_of(unique);
    ShopSpec spec;
    spec.tenant = unique;
    spec.name = "Shop " + unique;
    spec.phone_number_id = "20" + std::to_string(1'000'000'000ull + number);
    spec.display_phone_number = "+2547" + std::to_string(10'000'000 + number % 90'000'000);
    spec.shortcode = std::to_string(1'000'000 + number % 9'000'000);
    spec.limits = false;
    return spec;
}

void make_shop(const ShopSpec& spec, const Environment& environment, Api& api, Sandbox& sandbox) {
    if (at_meta(spec)) register_number(spec, environment, sandbox);
    if (at_twilio(spec)) register_sender(spec, spec.phone_number_id, environment, sandbox);
    if (!spec.twilio_number.empty())
        register_sender(spec, spec.twilio_number, environment, sandbox);
    register_shortcode(spec, sandbox);
    if (spec.cards) register_stripe(spec, environment, sandbox);
    register_tenant(spec, environment, api);
    if (!spec.twilio_number.empty()) connect_twilio(spec, api);
    save_catalog(spec, api);
    connect_mpesa(spec, api);
    if (spec.cards) connect_stripe(spec, api);
}

void once_let_through(std::chrono::milliseconds patience, const std::function<void()>& attempt) {
    constexpr std::chrono::milliseconds kAgain{200};
    const auto until = std::chrono::steady_clock::now() + patience;
    while (true) {
        try {
            return attempt();
        } catch (const std::exception&) {
            if (std::chrono::steady_clock::now() > until) throw;
            std::this_thread::sleep_for(kAgain);
        }
    }
}

}  // namespace flowstack::stack
