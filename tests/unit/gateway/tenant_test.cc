#include "services/gateway/domain/tenant.h"

#include <gtest/gtest.h>

#include <functional>

#include "services/gateway/domain/channel.h"
#include "tests/support/given.h"

namespace flowstack::gateway {

// What this test's installation can do.
const Installation& can() {
    static const Installation installation{.packs = {"ECOMMERCE"},
                                           .languages = {"en", "sw"},
                                           .payment_providers = {{"mpesa", {"KES"}}, {"cash", {}}},
                                           .time_zones = {{"Africa/Addis_Ababa", {"ET"}},
                                                          {"Africa/Dar_es_Salaam", {"TZ"}},
                                                          {"Africa/Nairobi", {"KE"}},
                                                          {"Etc/GMT+3", {}},
                                                          {"Europe/Berlin", {"DE"}},
                                                          {"GMT", {}}}};
    return installation;
}
Decision<TenantEvent, TenantRejection> decide(const Tenant& tenant, const TenantCommand& command) {
    return decide(tenant, command, can());
}

namespace {

using testing::Given;

auto given_tenant(auto... facts) { return Given<Tenant, TenantEvent>{{facts...}}; }
auto given_channel(auto... facts) { return Given<Channel, ChannelEvent>{{facts...}}; }

TenantSettings settings() {
    TenantSettings s;
    s.name = "Duka la Asha";
    return with_defaults(s, can());
}
const RegisterTenant kRegister{.tenant_id = "duka",
                               .settings = settings(),
                               .channel_id = ChannelId("ch1"),
                               .channel_kind = "META_CLOUD",
                               .channel_external_id = ExternalChannelId("106540352242922")};
const TenantRegistered kRegistered{.tenant = kRegister};

TEST(Tenant, IsRegisteredOnceWithSettingsThatHold) {
    EXPECT_TRUE(given_tenant().when(kRegister).accepted());
    EXPECT_EQ(given_tenant(kRegistered).when(kRegister).rejection(),
              TenantRejection::already_registered);
    auto bad = kRegister;
    bad.settings.currency_code = "XXX";
    EXPECT_EQ(given_tenant().when(bad).rejection(), TenantRejection::invalid_settings);
    bad = kRegister;
    bad.tenant_id = "platform";
    EXPECT_EQ(given_tenant().when(bad).rejection(), TenantRejection::invalid_settings);
}

std::vector<std::string> faulty_fields(const TenantSettings& s) {
    std::vector<std::string> fields;
    for (const auto& fault : faults_of(s, can())) fields.push_back(fault.field);
    return fields;
}
// The only fault that this change makes, as "field: description".
std::string fault_of(const std::function<void(TenantSettings&)>& change) {
    auto s = settings();
    change(s);
    const auto faults = faults_of(s, can());
    if (faults.size() != 1) return std::to_string(faults.size()) + " faults";
    return faults.front().field + ": " + faults.front().description;
}

TEST(TenantSettings, FaultsNameTheField) {
    auto s = settings();
    s.tax_rate_bp = 10'001;
    s.unknown_text_policy = "perhaps";
    s.unclear_payment_policy = "perhaps";
    s.languages = {"fr"};
    EXPECT_EQ(faulty_fields(s),
              (std::vector<std::string>{"languages", "tax_rate_bp", "unknown_text_policy",
                                        "unclear_payment_policy"}));
    EXPECT_TRUE(faulty_fields(settings()).empty());
}

TEST(TenantSettings, WhatIsLeftOutIsWhatTheInstallationHas) {
    const auto s = settings();
    EXPECT_EQ(s.pack, "ECOMMERCE");
    EXPECT_EQ(s.languages, (std::vector<std::string>{"en", "sw"}));
    EXPECT_EQ(s.payment_providers, (std::vector<std::string>{"mpesa", "cash"}));
    EXPECT_EQ(s.unclear_payment_policy, "order_again");
    TenantSettings tanzanian;
    tanzanian.name = "Duka la Juma";
    tanzanian.currency_code = "TZS";
    EXPECT_EQ(with_defaults(tanzanian, can()).payment_providers, std::vector<std::string>{"cash"});
}

TEST(TenantSettings, WhileAPaymentIsUnclearACustomerMayOrderAgainOrWaits) {
    // Nothing: stored before there was this setting.
    for (const auto* policy : {"", "order_again", "wait"}) {
        auto s = settings();
        s.unclear_payment_policy = policy;
        EXPECT_TRUE(faulty_fields(s).empty()) << policy;
    }
    EXPECT_EQ(fault_of([](auto& s) { s.unclear_payment_policy = "hold"; }),
              "unclear_payment_policy: must be order_again or wait");
}

TEST(TenantSettings, APackThatThisInstallationDoesNotHaveIsRefusedWithTheListOfThoseItHas) {
    for (const auto* pack : {"BOOKING", "SUPPORT", "NOPE", "ecommerce", "own"})
        EXPECT_EQ(
            fault_of([&](auto& s) { s.pack = pack; }),
            "pack: must be of ECOMMERCE, or the key of a flow that this tenant has published");
    // A flow that the tenant published stands in the list.
    auto with_own = can();
    with_own.packs.push_back("own");
    auto s = settings();
    s.pack = "own";
    EXPECT_TRUE(faults_of(s, with_own).empty());
}

TEST(TenantSettings, APaymentProviderMustBeThereAndTakeTheCurrency) {
    EXPECT_EQ(fault_of([](auto& s) { s.payment_providers = {"card"}; }),
              "payment_providers: must be of mpesa (KES), cash");
    EXPECT_EQ(fault_of([](auto& s) { s.currency_code = "TZS"; }),
              "payment_providers: mpesa takes KES, and this tenant's currency is TZS");
    EXPECT_EQ(fault_of([](auto& s) {
                  s.payment_providers = {"mpesa", "mpesa"};
              }),
              "payment_providers: must name each provider once");
    auto s = settings();
    s.currency_code = "TZS";
    s.payment_providers = {"cash"};
    EXPECT_TRUE(faults_of(s, can()).empty());
}

TEST(TenantSettings, AnUnknownTimeZoneIsRefusedWithTheNearestNames) {
    const auto zone = [](const char* country, const char* name) {
        return fault_of([&](auto& s) {
            s.country_code = country;
            s.time_zone = name;
        });
    };
    EXPECT_EQ(zone("KE", "EAT"), "time_zone: must be an IANA name; near it are Africa/Nairobi");
    EXPECT_EQ(zone("KE", "Africa/nairobi"),
              "time_zone: must be an IANA name; near it are Africa/Nairobi");
    // Etc/GMT+3 is three hours west: nobody means it who writes GMT+3 in Dar es Salaam.
    EXPECT_EQ(zone("TZ", "GMT+3"),
              "time_zone: must be an IANA name; near it are Africa/Dar_es_Salaam");
    EXPECT_EQ(zone("DE", "Africa/Nairoby"),
              "time_zone: must be an IANA name; near it are Africa/Nairobi, Europe/Berlin");
    EXPECT_EQ(zone("DE", " Europe/Berlin").rfind("time_zone: ", 0), 0U);
    EXPECT_EQ(zone("US", "nowhere"), "time_zone: must be an IANA name, e.g. Africa/Nairobi");
}

TEST(TenantSettings, CountriesAndCurrenciesAreLookedUp) {
    EXPECT_EQ(fault_of([](auto& s) { s.country_code = "XX"; }),
              "country_code: must be a country of ISO 3166-1 alpha-2, e.g. KE");
    EXPECT_EQ(fault_of([](auto& s) { s.country_code = "ke"; }), "country_code: must be written KE");
    for (const auto* bad : {"K", "KEN", "K ", "E ", " K", ""})
        EXPECT_NE(fault_of([&](auto& s) { s.country_code = bad; }), "0 faults") << bad;
    for (const auto* good : {"AD", "KE", "TZ", "ZW"})
        EXPECT_EQ(fault_of([&](auto& s) { s.country_code = good; }), "0 faults") << good;
    const auto currency = fault_of([](auto& s) {
        s.currency_code = "XXX";
        s.payment_providers = {"cash"};
    });
    EXPECT_EQ(currency.rfind("currency_code: must be one of AED, ", 0), 0U) << currency;
    EXPECT_NE(currency.find("KES"), std::string::npos) << currency;
}

TEST(TenantSettings, NamesAreOfOneLineAndPrefixesOfPlainCharacters) {
    for (const auto& bad : {std::string(), std::string(121, 'x'), std::string("a\nb"),
                            std::string("a\tb"), std::string("a\0b", 3),
                            std::string("a\xC2\x85"
                                        "b"),
                            std::string("a\xE2\x80\xA8"
                                        "b")})
        EXPECT_EQ(fault_of([&](auto& s) { s.name = bad; }),
                  "name: must have 1 to 120 characters, on one line");
    std::string long_name;
    for (int i = 0; i < 120; ++i) long_name += "\xC3\xA9";  // characters are counted, not bytes
    EXPECT_EQ(fault_of([&](auto& s) { s.name = s.display_name = long_name; }), "0 faults");
    for (const auto* field : {"order_prefix", "invoice_prefix"})
        for (const auto& bad : {std::string(13, 'A'), std::string("A\nB"), std::string("A B"),
                                std::string("\xC3\x84"), std::string("A/B")})
            EXPECT_EQ(fault_of([&](auto& s) {
                          (std::string(field) == "order_prefix" ? s.order_prefix
                                                                : s.invoice_prefix) = bad;
                      }),
                      std::string(field) +
                          ": must have 1 to 12 characters: letters A to Z, digits and dashes");
}

TEST(TenantSettings, LanguagesAreThereAndNamedOnce) {
    const std::vector<std::vector<std::string>> wrong{
        {}, {"fr"}, {"en", "fr"}, {"en", "en"}, {"EN"}};
    for (const auto& bad : wrong)
        EXPECT_EQ(fault_of([&](auto& s) { s.languages = bad; }),
                  "languages: must be of en, sw, each once, the default first");
    EXPECT_EQ(fault_of([](auto& s) { s.languages = {"sw"}; }), "0 faults");
}

TEST(TenantSettings, QuietHoursAreMinutesOfADay) {
    for (const int bad : {-1, 1440})
        EXPECT_EQ(
            fault_of([&](auto& s) { s.quiet_hours = {.start_minute = bad, .end_minute = 60}; }),
            "quiet_hours: minutes must be from 0 to 1439");
}

TEST(Tenant, SuspensionIsEnteredAndLeft) {
    EXPECT_TRUE(given_tenant(kRegistered).when(SuspendTenant{.reason = "unpaid"}).accepted());
    EXPECT_EQ(given_tenant(kRegistered).when(ResumeTenant{.reason = ""}).rejection(),
              TenantRejection::not_suspended);
    const auto suspended = given_tenant(kRegistered, TenantSuspended{.reason = "unpaid"});
    EXPECT_EQ(std::get<KnownTenant>(suspended.state()).status, TenantStatus::suspended);
    EXPECT_TRUE(suspended.when(ResumeTenant{.reason = "paid"}).accepted());
    EXPECT_EQ(given_tenant().when(SuspendTenant{.reason = ""}).rejection(),
              TenantRejection::unknown_tenant);
}

TEST(Tenant, IsClosedOnceAndForGood) {
    const TenantClosed closed{.reason = "the business has ended"};
    EXPECT_EQ(given_tenant().when(CloseTenant{.reason = "x"}).rejection(),
              TenantRejection::unknown_tenant);
    for (const auto& open :
         {given_tenant(kRegistered), given_tenant(kRegistered, TenantSuspended{.reason = ""})}) {
        const auto events = open.when(CloseTenant{.reason = closed.reason}).events();
        ASSERT_EQ(events.size(), 1U);
        EXPECT_EQ(std::get<TenantClosed>(events.front()).reason, closed.reason);
    }
    const auto ended = given_tenant(kRegistered, closed);
    EXPECT_EQ(std::get<KnownTenant>(ended.state()).status, TenantStatus::closed);
    EXPECT_TRUE(ended.when(CloseTenant{.reason = "again"}).events().empty());
    EXPECT_EQ(ended.when(ResumeTenant{.reason = ""}).rejection(), TenantRejection::closed);
    EXPECT_EQ(ended.when(SuspendTenant{.reason = ""}).rejection(), TenantRejection::closed);
    auto other = settings();
    other.name = "Duka jipya";
    EXPECT_EQ(ended.when(ChangeSettings{.settings = other}).rejection(), TenantRejection::closed);
}

TEST(Tenant, UnchangedSettingsAreNoEvent) {
    EXPECT_TRUE(
        given_tenant(kRegistered).when(ChangeSettings{.settings = settings()}).events().empty());
}

TEST(TenantId, IsSafeInPathsAndLabels) {
    for (const auto* id : {"a", "duka-1", "018f5a2c-7b3e-7c41-9a55-0123456789ab"})
        EXPECT_TRUE(valid_tenant_id(id)) << id;
    for (const auto* id : {"", "-a", "a-", "Duka", "a/b", "a b", "platform", "\xC3\xA4"})
        EXPECT_FALSE(valid_tenant_id(id)) << id;
}

ConnectChannel connect() {
    return {.channel_id = ChannelId("ch1"),
            .kind = "META_CLOUD",
            .external_id = ExternalChannelId("106540352242922"),
            .business_account_id = "",
            .app_id = "",
            .display_phone_number = "",
            .credentials = {.sealed = "sealed"},
            .limits = {}};
}
const ChannelConnected kConnected{.channel = connect()};

TEST(Channel, IsConnectedPausedAndResumed) {
    EXPECT_TRUE(given_channel().when(connect()).accepted());
    const auto connected = given_channel(kConnected);
    EXPECT_TRUE(connected.when(PauseChannel{.reason = "quality"}).accepted());
    EXPECT_EQ(connected.when(ResumeChannel{.reason = ""}).rejection(),
              ChannelRejection::not_paused);
    const auto paused = given_channel(kConnected, ChannelPaused{.reason = "quality"});
    EXPECT_TRUE(std::get<KnownChannel>(paused.state()).paused);
}

TEST(Channel, KeepsTheCredentialsBeforeARotationAsTheSecond) {
    const auto of = [](const auto& channel) { return std::get<KnownChannel>(channel.state()); };
    EXPECT_FALSE(of(given_channel(kConnected)).previous_credentials);
    const auto rotation = [](const std::string& token) {
        return CredentialsRotated{.credentials = {.sealed = token}};
    };
    const auto rotated = of(given_channel(kConnected, rotation("second"), rotation("third")));
    EXPECT_EQ(rotated.channel.credentials.sealed, "third");
    EXPECT_EQ(rotated.previous_credentials->sealed, "second");
}

TEST(Channel, RefusesLimitsThatLeaveNothingToSend) {
    auto c = connect();
    c.limits.inbound_headroom_per_second = c.limits.per_second;
    EXPECT_EQ(given_channel().when(c).rejection(), ChannelRejection::invalid);
    for (const int per_second : {0, 2})
        EXPECT_TRUE(faults_of(with_defaults({.per_second = per_second,
                                             .inbound_headroom_per_second = 0,
                                             .pair_interval_seconds = 0,
                                             .pair_burst = 0},
                                            {}))
                        .empty());
}

}  // namespace
}  // namespace flowstack::gateway
