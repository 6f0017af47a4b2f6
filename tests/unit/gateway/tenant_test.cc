#include "services/gateway/domain/tenant.h"

#include <gtest/gtest.h>

#include "services/gateway/domain/channel.h"
#include "tests/unit/gateway/given.h"

namespace flowstack::gateway {
namespace {

auto given_tenant(auto... facts) { return Given<Tenant, TenantEvent>{{facts...}}; }
auto given_channel(auto... facts) { return Given<Channel, ChannelEvent>{{facts...}}; }

TenantSettings settings() {
    TenantSettings s;
    s.name = "Duka la Asha";
    return with_defaults(s);
}
const RegisterTenant kRegister{"duka", settings(), "ch1", "META_CLOUD", "106540352242922"};
const TenantRegistered kRegistered{kRegister};

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

TEST(Tenant, FaultsNameTheField) {
    auto s = settings();
    s.tax_rate_bp = 10'001;
    s.unknown_text_policy = "perhaps";
    s.languages = {"fr"};
    std::vector<std::string> fields;
    for (const auto& fault : faults_of(s)) fields.push_back(fault.field);
    EXPECT_EQ(fields,
              (std::vector<std::string>{"languages", "tax_rate_bp", "unknown_text_policy"}));
}

TEST(Tenant, SuspensionIsEnteredAndLeft) {
    EXPECT_TRUE(given_tenant(kRegistered).when(SuspendTenant{"unpaid"}).accepted());
    EXPECT_EQ(given_tenant(kRegistered).when(ResumeTenant{""}).rejection(),
              TenantRejection::not_suspended);
    const auto suspended = given_tenant(kRegistered, TenantSuspended{"unpaid"});
    EXPECT_EQ(std::get<KnownTenant>(suspended.state()).status, TenantStatus::suspended);
    EXPECT_TRUE(suspended.when(ResumeTenant{"paid"}).accepted());
    EXPECT_EQ(given_tenant().when(SuspendTenant{""}).rejection(), TenantRejection::unknown_tenant);
}

TEST(Tenant, UnchangedSettingsAreNoEvent) {
    EXPECT_TRUE(given_tenant(kRegistered).when(ChangeSettings{settings()}).events().empty());
}

TEST(TenantId, IsSafeInPathsAndLabels) {
    for (const auto* id : {"a", "duka-1", "018f5a2c-7b3e-7c41-9a55-0123456789ab"})
        EXPECT_TRUE(valid_tenant_id(id)) << id;
    for (const auto* id : {"", "-a", "a-", "Duka", "a/b", "a b", "platform", "\xC3\xA4"})
        EXPECT_FALSE(valid_tenant_id(id)) << id;
}

ConnectChannel connect() {
    return {"ch1", "META_CLOUD", "106540352242922", "", "", "", {"wrapped", "sealed"}, {}};
}

TEST(Channel, IsConnectedPausedAndResumed) {
    EXPECT_TRUE(given_channel().when(connect()).accepted());
    const auto connected = given_channel(ChannelConnected{connect()});
    EXPECT_TRUE(connected.when(PauseChannel{"quality"}).accepted());
    EXPECT_EQ(connected.when(ResumeChannel{""}).rejection(), ChannelRejection::not_paused);
    const auto paused = given_channel(ChannelConnected{connect()}, ChannelPaused{"quality"});
    EXPECT_TRUE(std::get<KnownChannel>(paused.state()).paused);
}

TEST(Channel, RefusesLimitsThatLeaveNothingToSend) {
    auto c = connect();
    c.limits = {80, 80, 6, 45};
    EXPECT_EQ(given_channel().when(c).rejection(), ChannelRejection::invalid);
    EXPECT_TRUE(faults_of(with_defaults(ChannelLimits{0, 0, 0, 0})).empty());
    EXPECT_TRUE(faults_of(with_defaults(ChannelLimits{2, 0, 0, 0})).empty());
}

}  // namespace
}  // namespace flowstack::gateway
