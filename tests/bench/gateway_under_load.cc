#include "tests/bench/gateway_under_load.h"

#include <boost/json.hpp>
#include <thread>

#include "flowstack/gateway/v1/tenant_service.pb.h"
#include "tools/stack/sandbox.h"

namespace flowstack::bench {
namespace {

// Every replica's door knows a new channel within its poll of settings.
constexpr std::chrono::milliseconds kSettingsKnown{500};

}  // namespace

GatewayUnderLoad::GatewayUnderLoad(Context& context, bool with_sandbox) : context_(context) {
    if (with_sandbox) {
        context.flowstack("start sandbox");
        sandbox_ = std::make_unique<stack::Sandbox>(context.environment);
    }
    context.flowstack("start gateway");
    api_ = std::make_unique<stack::Api>(context.environment);
    shop_ = stack::shop_for("bench-" + std::to_string(now_us() / 1'000'000 % 1'000'000));
    if (with_sandbox)
        sandbox_->put(
            "/control/numbers",
            boost::json::object{{"phone_number_id", shop_.phone_number_id},
                                {"waba_id", "waba-" + shop_.tenant},
                                {"token", "mock_token_" + shop_.tenant},
                                {"app_secret", context.environment.required("META_APP_SECRET")},
                                {"webhook_url", context.environment.required("PUBLIC_BASE_URL") +
                                                    "/webhooks/whatsapp"},
                                {"display_phone_number", shop_.display_phone_number.substr(1)},
                                {"name", shop_.name},
                                {"throughput_per_s_max", 0},
                                {"pair_interval_ms", 0},
                                {"window", "off"}});
    gateway::v1::RegisterTenantRequest request;
    request.set_tenant_id(shop_.tenant);
    request.set_request_id(shop_.tenant);
    auto& settings = *request.mutable_settings();
    settings.set_name(shop_.name);
    settings.set_display_name(shop_.name);
    settings.set_country_code("KE");
    settings.set_time_zone("Africa/Nairobi");
    settings.set_currency_code("KES");
    settings.add_languages("en");
    settings.set_pack("ECOMMERCE");
    settings.set_order_prefix("ORD");
    settings.set_invoice_prefix("INV");
    auto& channel = *request.mutable_channel();
    channel.set_kind("META_CLOUD");
    channel.set_external_id(shop_.phone_number_id);
    channel.set_business_account_id("waba-" + shop_.tenant);
    channel.set_app_id(context.environment.required("META_APP_ID"));
    channel.set_display_phone_number(shop_.display_phone_number);
    auto& limits = *channel.mutable_limits();
    limits.set_per_second(10'000);
    limits.set_inbound_headroom_per_second(1);
    limits.set_pair_interval_seconds(1);
    limits.set_pair_burst(1000);
    channel.mutable_credentials()->set_access_token("mock_token_" + shop_.tenant);
    channel_id_ =
        api_->call<gateway::v1::Tenant>("gateway", "TenantService/RegisterTenant", request)
            .channel_id();
    std::this_thread::sleep_for(kSettingsKnown);
}

GatewayUnderLoad::~GatewayUnderLoad() {
    try {
        context_.flowstack("stop gateway");
        if (sandbox_) context_.flowstack("stop sandbox");
    } catch (const std::exception& error) {
        context_.say(error.what());
    }
}

int GatewayUnderLoad::http_port() const {
    const auto address = context_.environment.required("GATEWAY_0_HTTP");
    return std::stoi(address.substr(address.rfind(':') + 1));
}

std::int64_t GatewayUnderLoad::count_events(const std::string& type) const {
    return count_rows(admin_url(context_, "flowstack_gateway"),
                      "select count(*) from events where type = '" + type + "'");
}

}  // namespace flowstack::bench
