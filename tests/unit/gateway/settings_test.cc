#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "common/config/config.h"
#include "common/observability/metrics.h"
#include "services/gateway/adapters/settings_check.h"
#include "services/gateway/adapters/time_zones.h"
#include "services/gateway/config.h"

namespace flowstack::gateway {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

Installation installation_of(std::vector<const char*> environment,
                             std::vector<std::string>* mistakes = nullptr) {
    environment.push_back(nullptr);
    const char* program = "gateway";
    config::Reader reader(1, &program, environment.data());
    auto config = gateway_config(reader);
    if (mistakes) *mistakes = reader.mistakes();
    return config.installation;
}

TEST(Settings, SayWhichPacksLanguagesAndProvidersThereAre) {
    const auto as_delivered = installation_of({});
    EXPECT_EQ(as_delivered.packs, (std::vector<std::string>{"ECOMMERCE", "SUPPORT", "BOOKING"}));
    EXPECT_EQ(as_delivered.languages, (std::vector<std::string>{"en", "sw"}));
    EXPECT_EQ(as_delivered.payment_providers, (std::vector<PaymentProvider>{{"mpesa", {"KES"}}}));
    const auto other = installation_of(
        {"PACKS=ECOMMERCE,BOOKING", "PAYMENT_PROVIDERS=mpesa:KES, cards:KES/USD, cash"});
    EXPECT_EQ(other.packs, (std::vector<std::string>{"ECOMMERCE", "BOOKING"}));
    EXPECT_EQ(other.payment_providers,
              (std::vector<PaymentProvider>{
                  {"mpesa", {"KES"}}, {"cards", {"KES", "USD"}}, {"cash", {}}}));
}

TEST(Settings, AProviderWithACurrencyThatDoesNotExistIsAMistake) {
    std::vector<std::string> mistakes;
    installation_of({"PAYMENT_PROVIDERS=mpesa:KEX"}, &mistakes);
    EXPECT_THAT(mistakes, Contains(HasSubstr("KEX")));
}

TEST(Settings, OfALoginMustFitTogether) {
    const auto mistakes_of = [](std::vector<const char*> environment) {
        std::vector<std::string> mistakes;
        installation_of(std::move(environment), &mistakes);
        return mistakes;
    };
    const auto only = [](const char* part) { return ::testing::ElementsAre(HasSubstr(part)); };
    // What every gateway must have besides.
    const auto with = [&](std::vector<const char*> more) {
        more.push_back("ADMIN_KEY=secret");
        return mistakes_of(std::move(more));
    };
    EXPECT_THAT(with({}), ::testing::IsEmpty());
    EXPECT_THAT(with({"OIDC_CLIENT_ID=shop"}), ::testing::IsEmpty());  // on this machine
    EXPECT_THAT(with({"OIDC_CLIENT_SECRET=x"}), only("OIDC_CLIENT_SECRET"));
    EXPECT_THAT(with({"OIDC_CLIENT_ID=shop", "PUBLIC_BASE_URL=http://shop.example"}),
                only("PUBLIC_BASE_URL"));
    EXPECT_THAT(with({"OIDC_CLIENT_ID=shop", "PUBLIC_BASE_URL=https://shop.example",
                      "OIDC_SCOPES=profile openid email"}),
                ::testing::IsEmpty());
    EXPECT_THAT(with({"OIDC_CLIENT_ID=shop", "OIDC_SCOPES=openid2"}), only("OIDC_SCOPES"));
    EXPECT_THAT(with({"SESSION_LIFETIME_MS=59999"}), only("SESSION_LIFETIME_MS"));
}

TEST(TimeZones, AreThoseOfTheMachineWithTheirCountries) {
    const auto zones = installed_time_zones();
    const auto find = [&](const char* name) {
        return std::ranges::find(zones, std::string(name), &TimeZone::name);
    };
    ASSERT_NE(find("Africa/Nairobi"), zones.end());
    EXPECT_THAT(find("Africa/Nairobi")->countries, Contains("KE"));
    EXPECT_NE(find("UTC"), zones.end());
    for (const auto* none :
         {"EAT", "GMT+3", "Africa/nairobi", "zone.tab", "posix/UTC", "localtime"})
        EXPECT_EQ(find(none), zones.end()) << none;
}

TEST(SettingsCheck, CountsTenantsWhoseStoredSettingsWouldBeRefusedNow) {
    auto can = installation_of({});
    can.time_zones = {{"Africa/Nairobi", {"KE"}}};
    metrics::Registry registry;
    SettingsCheck check(registry, can);
    const auto gauge = [&](const char* value) {
        return HasSubstr("flowstack_gateway_tenants_with_faulty_settings " + std::string(value));
    };
    KnownTenant tenant;
    tenant.tenant_id = "duka";
    tenant.settings.name = "Duka";
    tenant.settings = with_defaults(tenant.settings, can);
    tenant.settings.pack = "own";  // conversation knows
    check(tenant);
    EXPECT_THAT(registry.render(), gauge("0"));
    tenant.settings.time_zone = "EAT";
    check(tenant);
    check(tenant);
    EXPECT_THAT(registry.render(), gauge("1"));
    tenant.settings.time_zone = "Africa/Nairobi";
    check(tenant);
    EXPECT_THAT(registry.render(), gauge("0"));
}

}  // namespace
}  // namespace flowstack::gateway
