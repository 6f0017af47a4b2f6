#include <gtest/gtest.h>

#include <set>

#include "common/core/broken_world.h"
#include "common/core/clock.h"
#include "common/eventlog/consumption.h"
#include "common/observability/metrics.h"
#include "flowstack/campaign/v1/campaign_service.pb.h"
#include "flowstack/common/v1/message_content.pb.h"
#include "flowstack/conversation/v1/customer_events.pb.h"
#include "flowstack/gateway/v1/channel_events.pb.h"
#include "flowstack/gateway/v1/contact_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/gateway/v1/provider_template_events.pb.h"
#include "flowstack/gateway/v1/tenant_events.pb.h"
#include "services/campaign/adapters/derive.h"
#include "services/campaign/adapters/freezer.h"
#include "services/campaign/adapters/pacer.h"
#include "services/campaign/adapters/progress.h"
#include "services/campaign/adapters/projections.h"
#include "services/campaign/adapters/reactor.h"
#include "services/campaign/adapters/streams.h"
#include "tests/support/fake_tenants.h"
#include "tests/support/scripted_log.h"
#include "tests/support/test_database.h"

// A campaign from its draft to its last disposition on a real database. gateway is a script: its
// log, and a stand-in for its RPCs that remembers what it was asked.
namespace flowstack::campaign {
namespace {

using eventlog::Recorded;
using eventlog::Routing;
using eventlog::RoutingKind;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kLanes = 4;
constexpr Time kNow = from_unix_seconds(1'750'000'000);
const CampaignId kId("campaign-1");

// Queues everybody once a round, as gateway does.
struct FakeSends final : Sends {
    std::vector<Refused> ask(const SendBatch& batch) override {
        if (--calls_until_away == 0) throw Unavailable("gateway is away");
        if (!refuse_all.empty()) throw SendsRefused(refuse_all);
        EXPECT_LE(batch.items.size(), kSendBatchMax);
        std::vector<Refused> refused;
        for (const auto& item : batch.items) {
            if (item.customer_id == unknown_customer) {
                refused.push_back({.customer_id = item.customer_id, .reason = "UNKNOWN_CUSTOMER"});
                continue;
            }
            if (!queued.emplace(item.customer_id, batch.round).second) continue;
            common::v1::TemplateContent used;
            used.ParseFromString(item.template_content);
            texts.push_back(item.template_content.empty() ? item.text : used.body_parameters(0));
        }
        return refused;
    }
    int withdraw(const std::string&, const CampaignId&, const std::string& why) override {
        withdrawals.push_back(why);
        return 0;
    }
    std::set<std::pair<CustomerId, int>> queued;  // customer, round
    std::vector<std::string> texts;
    std::vector<std::string> withdrawals;
    std::string unknown_customer;
    std::string refuse_all;
    int calls_until_away = -1;
};

class Campaigning : public ::testing::Test {
protected:
    Campaigning() {
        consumption.prepare([this](auto batch, auto& pending) { prepare(store, batch, pending); });
        consumption.react([this](const Recorded& e, eventlog::Turn& t) { reactor.react(e, t); });
        consumption.project([this](const Recorded& e, eventlog::Turn& t) {
            progress.count(e);
            project(e, t);
        });
        consumption.assign({0, 1, 2, 3});
        owners.assigned({0, 1, 2, 3});
        tenant_says(gateway::v1::TenantRegistered{});
    }

    static Routing customer(const std::string& id) { return {RoutingKind::customer, id}; }
    template <class Message>
    void tenant_says(const Message& m) {
        gateway_log->happened({"duka", "tenant", "duka"}, {RoutingKind::tenant, "duka"}, m, kNow);
    }
    void contact(const std::string& id, const std::string& name, const std::string& phone = "") {
        gateway::v1::ContactSeen m;
        m.set_customer_id(id);
        m.mutable_personal()->set_profile_name(name);
        if (!phone.empty()) {
            auto& identity = *m.mutable_personal()->add_identities();
            identity.set_kind(gateway::v1::IDENTITY_KIND_PHONE);
            identity.set_value(phone);
        }
        gateway_log->happened({"duka", "contact", id}, customer(id), m, kNow);
    }
    void contacts(int count) {
        for (int i = 0; i < count; ++i) contact(id_of(i), "Customer " + std::to_string(i));
    }
    static std::string id_of(int i) { return "customer-" + std::to_string(1000 + i); }
    void stops(const std::string& id) {
        gateway::v1::ConsentChanged m;
        m.set_customer_id(id);
        m.set_purpose(gateway::v1::MESSAGE_PURPOSE_MARKETING);
        m.set_granted(false);
        gateway_log->happened({"duka", "contact", id}, customer(id), m, kNow);
    }
    // What became of a recipient's message. `m` is any of the message events with an origin.
    template <class Message>
    void outcome(const std::string& id, Message m) {
        m.mutable_origin()->set_kind(gateway::v1::MESSAGE_ORIGIN_KIND_CAMPAIGN);
        m.mutable_origin()->set_id("campaign-1");
        m.mutable_origin()->set_recipient(id);
        gateway_log->happened({"duka", "message", "m-" + id}, customer(id), m, clock.now());
    }
    void accepted(const std::string& id) { outcome(id, gateway::v1::SendAccepted{}); }
    void status(const std::string& id, const std::string& word) {
        gateway::v1::StatusReported m;
        m.set_status(word);
        outcome(id, m);
    }
    void cancelled(const std::string& id, const std::string& why) {
        gateway::v1::MessageCancelled m;
        m.set_reason(why);
        outcome(id, m);
    }

    void consume() {
        for (int i = 0; i < 3; ++i) consumption.apply({});
    }

    Draft draft() {
        Draft d;
        d.campaign_id = kId;
        d.name = "New year";
        d.body = "Happy New Year {{name}}!";
        d.default_name = "friend";
        return d;
    }
    // What an RPC does.
    void wish(const Command& command) {
        const auto stream = campaign_stream("duka", kId);
        const auto folded = campaigns.load(stream);
        const auto decision = decide(folded.state.campaign, command);
        ASSERT_TRUE(decision.accepted());
        eventlog::Command out;
        out.id = "wish-" + std::to_string(++wishes);
        out.tenant = "duka";
        out.meta.routing = campaign_routing(kId);
        eventlog::Part part{stream, folded.expected(), {}};
        for (const auto& event : decision.events())
            part.events.push_back(encode(event, clock.now()));
        out.parts.push_back(part);
        ASSERT_TRUE(store.append(out).accepted());
    }

    std::vector<eventlog::WorkRow> work(const std::string& kind) {
        const auto result = store.pool().with([&](postgres::Session& s) {
            return s.query("select lane, key, due_at from work where kind = $1 order by lane",
                           postgres::Params().add(kind));
        });
        std::vector<eventlog::WorkRow> rows;
        for (int i = 0; i < result.rows(); ++i)
            rows.push_back({result.int4(i, 0), kind, result.text(i, 1), result.time(i, 2), "",
                            *owners.guard(result.int4(i, 0))});
        return rows;
    }
    void freeze() {
        for (const auto& row : work(kFreezeWork)) freezer.freeze(row);
    }
    // A second goes by; the pacer has its turn, then everything is consumed.
    void turn() {
        clock.advance(seconds{1});
        halt();
        for (const auto& row : work(kPaceWork)) pacer.turn(row);
        consume();
    }
    // What a pause or a cancellation puts is due at once.
    void halt() {
        for (const auto& row : work(kHaltWork)) pacer.turn(row);
    }
    void started(int people) {
        contacts(people);
        consume();
        wish(DraftCampaign{.draft = draft()});
        wish(StartCampaign{.lanes = kLanes});
        freeze();
    }

    Campaign state() { return campaigns.load(campaign_stream("duka", kId)).state.campaign; }
    Totals totals() {
        Totals sum{};
        std::int64_t members = 0;
        for (int lane = 0; lane < kLanes; ++lane) {
            const auto shard = shards.load(shard_stream("duka", kId, lane)).state;
            sum = sum + shard.counts;
            members += shard.members();
        }
        std::int64_t all = 0;
        for (const auto n : sum) all += n;
        EXPECT_EQ(all, members);
        return sum;
    }
    std::int64_t count(Disposition d) { return totals()[static_cast<std::size_t>(d)]; }
    // The same from the read model.
    std::int64_t listed(const std::string& disposition) {
        return read_model.count({.tenant = "duka",
                                 .kind = kRecipientDocument,
                                 .parent = "campaign-1",
                                 .state = disposition});
    }

    testing::TestDatabase database{kLanes, "campaign"};
    eventlog::Store store{
        {.service = "campaign", .database_url = database.service_url(), .lanes = kLanes}, derive};
    eventlog::ReadModel read_model{store, "key"};
    eventlog::Owners owners{store, "one"};
    std::shared_ptr<testing::ScriptedLog> gateway_log =
        std::make_shared<testing::ScriptedLog>("gateway", kLanes);
    std::shared_ptr<testing::ScriptedLog> conversation_log =
        std::make_shared<testing::ScriptedLog>("conversation", kLanes);
    Config config{.chunk_members_max = 7};
    Reactor reactor{store, config};
    eventlog::Consumption consumption{store,
                                      {{"gateway", gateway_log},
                                       {"conversation", conversation_log},
                                       {"campaign", eventlog::own_source(store)}},
                                      {.consumer = "campaign",
                                       .head_compare_every = milliseconds{0},
                                       .idle_cursor_after = milliseconds{0}}};
    ManualClock clock{kNow};
    FakeSends sends;
    Freezer freezer{store, clock,
                    [this](const std::string& source) {
                        return source == "gateway" ? gateway_log->heads()
                                                   : conversation_log->heads();
                    },
                    config};
    testing::FakeTenants tenants;
    metrics::Registry metrics;
    const Progress progress{metrics};
    Pacer pacer{store, read_model, tenants, clock, sends, metrics, config};
    eventlog::Folds<CampaignCodec> campaigns{store};
    eventlog::Folds<ShardCodec> shards{store};
    int wishes = 0;
};

using D = Disposition;

TEST_F(Campaigning, GoesFromItsDraftToEveryRecipientsDisposition) {
    started(50);
    turn();
    EXPECT_EQ(run_of(state())->audience, 50);
    EXPECT_EQ(sends.queued.size(), 50u);
    EXPECT_EQ(std::set<std::string>(sends.texts.begin(), sends.texts.end())
                  .count("Happy New Year Customer 7!"),
              1u);
    EXPECT_EQ(count(D::queued), 50);
    EXPECT_EQ(listed("QUEUED"), 50);

    for (int i = 0; i < 50; ++i) accepted(id_of(i));
    for (int i = 0; i < 20; ++i) status(id_of(i), "delivered");
    status(id_of(0), "read");
    status(id_of(0), "sent");  // late
    turn();
    turn();
    EXPECT_EQ(text_of(state()), "COMPLETED");
    EXPECT_EQ(count(D::sent), 30);
    EXPECT_EQ(count(D::delivered), 19);
    EXPECT_EQ(count(D::read), 1);
    EXPECT_EQ(listed("SENT"), 30);
    EXPECT_EQ(listed("DELIVERED"), 19);
    EXPECT_EQ(listed("READ"), 1);
    EXPECT_TRUE(work(kPaceWork).empty());
    EXPECT_TRUE(work(kFreezeWork).empty());

    status(id_of(49), "read");  // later ones only raise it
    consume();
    EXPECT_EQ(count(D::read), 2);
}

TEST_F(Campaigning, NeverWritesToWhoOptedOutAndCountsThem) {
    contacts(10);
    stops(id_of(3));
    started(0);
    turn();
    EXPECT_EQ(sends.queued.size(), 9u);
    EXPECT_EQ(sends.queued.count({CustomerId(id_of(3)), 0}), 0u);
    EXPECT_EQ(run_of(state())->audience, 10);
    EXPECT_EQ(count(D::suppressed), 1);
    EXPECT_EQ(listed("SUPPRESSED"), 1);
}

TEST_F(Campaigning, GoesToEverybodyWhoWasAContactWhenItStarted) {
    contacts(5);
    consume();
    wish(DraftCampaign{.draft = draft()});
    contact("late", "Late");  // gateway has seen them, this service has not yet
    wish(StartCampaign{.lanes = kLanes});
    freeze();
    const bool waits = work(kFreezeWork).size() == 1;
    EXPECT_TRUE(waits);
    consume();
    freeze();
    turn();
    EXPECT_EQ(run_of(state())->audience, 6);
}

TEST_F(Campaigning, GoesToThoseWhoHaveATag) {
    contacts(6);
    for (const int i : {1, 4}) {
        conversation::v1::CustomerTagged m;
        m.set_customer_id(id_of(i));
        m.add_added("vip");
        conversation_log->happened({"duka", "customer", id_of(i)}, customer(id_of(i)), m, kNow);
    }
    consume();
    auto by_tag = draft();
    by_tag.audience = {.kind = AudienceKind::tag, .values = {"vip", "gold"}};
    wish(DraftCampaign{.draft = by_tag});
    wish(StartCampaign{.lanes = kLanes});
    freeze();
    turn();
    EXPECT_EQ(run_of(state())->audience, 2);
    EXPECT_EQ(sends.queued.count({CustomerId(id_of(4)), 0}), 1u);
}

TEST_F(Campaigning, GoesToThoseWhoAreListed) {
    contacts(6);
    stops(id_of(4));
    gateway::v1::ContactMerged merged;
    merged.set_customer_id(id_of(5));
    merged.set_into(id_of(0));
    gateway_log->happened({"duka", "contact", id_of(5)}, customer(id_of(5)), merged, kNow);
    consume();
    auto listed = draft();
    listed.audience = {.kind = AudienceKind::list,
                       .values = {id_of(1), id_of(3), id_of(4), id_of(5)}};
    wish(DraftCampaign{.draft = listed});
    wish(StartCampaign{.lanes = kLanes});
    freeze();
    turn();
    EXPECT_EQ(run_of(state())->audience, 4);
    EXPECT_EQ(sends.queued.size(), 2u);
    EXPECT_TRUE(sends.queued.contains({CustomerId(id_of(3)), 0}));
    EXPECT_EQ(count(D::suppressed), 2);  // opted out; merged into somebody who is not listed

    v1::Campaign in_lists;
    in_lists.ParseFromString(*read_model.get("duka", kCampaignDocument, "campaign-1"));
    EXPECT_EQ(in_lists.audience().kind(), "list");
    EXPECT_EQ(in_lists.audience().values_size(), 0);
}

TEST_F(Campaigning, OfNobodyCompletes) {
    started(0);
    turn();
    turn();
    EXPECT_EQ(text_of(state()), "COMPLETED");
}

TEST_F(Campaigning, KeepsNoMoreThanTwoSecondsOfSendsInGateway) {
    started(500);
    turn();
    EXPECT_EQ(sends.queued.size(), 160u);
    turn();
    EXPECT_EQ(sends.queued.size(), 160u);
    int left = 0;
    for (const auto& [id, round] : std::set(sends.queued))
        if (++left <= 80) accepted(id);
    consume();
    turn();
    EXPECT_EQ(sends.queued.size(), 160u + 80u);
}

TEST_F(Campaigning, KeepsItsThrottle) {
    contacts(100);
    consume();
    auto slow = draft();
    slow.per_second = 10;
    wish(DraftCampaign{.draft = slow});
    wish(StartCampaign{.lanes = kLanes});
    freeze();
    for (int i = 1; i <= 5; ++i) {
        turn();
        EXPECT_EQ(sends.queued.size(), static_cast<std::size_t>(10 * i));
        for (const auto& [id, round] : sends.queued) accepted(id);
        consume();
    }
}

TEST_F(Campaigning, PausesAndGoesOnWhereItStoppedWithNobodyAskedTwice) {
    started(300);
    turn();
    ASSERT_EQ(sends.queued.size(), 160u);
    int n = 0;
    std::vector<std::string> left;
    for (const auto& [id, round] : sends.queued) (++n <= 60 ? accepted(id) : left.push_back(id));
    wish(PauseCampaign{.reason = "by api"});
    turn();
    EXPECT_EQ(sends.withdrawals, std::vector<std::string>{"campaign_paused"});
    EXPECT_EQ(sends.queued.size(), 160u);
    for (const auto& id : left) cancelled(id, "campaign_paused");
    turn();
    EXPECT_EQ(count(D::sent), 60);
    EXPECT_EQ(count(D::waiting), 240);
    EXPECT_EQ(listed("WAITING"), 240);

    wish(ResumeCampaign{});
    turn();
    int second_round = 0;
    for (const auto& [id, round] : sends.queued) {
        second_round += round == 1;
        // Whoever is asked a second time was withdrawn the first time.
        const bool withdrawn = std::find(left.begin(), left.end(), id) != left.end();
        EXPECT_TRUE(round == 0 || withdrawn || !sends.queued.contains({id, 0}));
    }
    EXPECT_EQ(second_round, 160);
}

TEST_F(Campaigning, CarriesAPauseOutAtOnceAndNotAtThePacersNextTurn) {
    started(300);
    turn();
    wish(PauseCampaign{.reason = "by api"});
    EXPECT_TRUE(work(kPaceWork).empty());
    ASSERT_EQ(work(kHaltWork).size(), 1u);
    EXPECT_LE(work(kHaltWork).front().due_at, clock.now());
    halt();
    EXPECT_EQ(sends.withdrawals, std::vector<std::string>{"campaign_paused"});
    wish(ResumeCampaign{});
    EXPECT_TRUE(work(kHaltWork).empty());
    EXPECT_EQ(work(kPaceWork).size(), 1u);
}

TEST_F(Campaigning, WithdrawsAgainWhatAnEarlierOwnerAskedLast) {
    started(50);
    turn();
    wish(PauseCampaign{.reason = "by api"});
    for (int i = 0; i < 10; ++i) turn();
    // Nobody of the fifty has an outcome: it tries a few times and not for ever.
    EXPECT_EQ(sends.withdrawals.size(), 5u);
}

TEST_F(Campaigning, TakenUpAfterItsEndDoesNothing) {
    started(3);
    turn();
    const auto rows = work(kPaceWork);
    for (int i = 0; i < 3; ++i) accepted(id_of(i));
    consume();
    turn();
    ASSERT_EQ(text_of(state()), "COMPLETED");
    const auto asked = sends.texts.size();
    pacer.turn(rows.front());
    EXPECT_EQ(sends.texts.size(), asked);
}

TEST_F(Campaigning, CancelledEndsEveryRecipient) {
    started(300);
    turn();
    std::vector<std::string> asked;
    for (const auto& [id, round] : sends.queued) asked.push_back(id);
    for (std::size_t i = 0; i < 100; ++i) accepted(asked[i]);
    for (std::size_t i = 100; i < 159; ++i) cancelled(asked[i], "campaign_cancelled");
    wish(CancelCampaign{.reason = "by api"});
    turn();
    turn();
    EXPECT_EQ(sends.withdrawals, std::vector<std::string>{"campaign_cancelled"});
    EXPECT_EQ(count(D::sent), 100);
    EXPECT_EQ(count(D::cancelled), 199);
    EXPECT_EQ(count(D::queued), 1);  // gateway has not said what became of it
    EXPECT_TRUE(work(kPaceWork).empty());
    EXPECT_EQ(work(kHaltWork).size(), 1u);
    clock.advance(minutes{11});
    turn();
    turn();
    EXPECT_EQ(count(D::unknown), 1);
    EXPECT_TRUE(work(kHaltWork).empty());
    EXPECT_EQ(listed("CANCELLED"), 199);
}

TEST_F(Campaigning, IsPausedWithItsTenantAndCancelledWithIt) {
    started(10);
    tenant_says(gateway::v1::TenantSuspended{});
    consume();
    turn();
    EXPECT_EQ(std::get<Paused>(state()).reason, "tenant_suspended");
    EXPECT_TRUE(sends.queued.empty());
    tenant_says(gateway::v1::TenantClosed{});
    consume();
    turn();
    turn();
    turn();
    EXPECT_EQ(std::get<Cancelled>(state()).reason, "tenant_closed");
    EXPECT_TRUE(std::get<Cancelled>(state()).settled);
    EXPECT_EQ(count(D::cancelled), 10);
}

TEST_F(Campaigning, AsksAgainAfterGatewayWasAwayAndNobodyIsQueuedTwice) {
    started(50);
    sends.calls_until_away = 2;
    EXPECT_THROW(turn(), Unavailable);
    consume();
    turn();
    turn();
    EXPECT_EQ(sends.queued.size(), 50u);
    EXPECT_EQ(sends.texts.size(), 50u);
    EXPECT_EQ(count(D::queued), 50);
    consume();
    const auto came_to = [&](const char* disposition) {
        return metrics
            .counter("flowstack_campaign_recipients_total", "", {{"disposition", disposition}})
            .value();
    };
    EXPECT_GE(came_to("waiting"), 50);
    EXPECT_GE(came_to("queued"), 50);
    EXPECT_EQ(came_to("failed"), 0);
}

TEST_F(Campaigning, WaitsForTheEndOfTheTenantsQuietHours) {
    const auto quiet = [&](int from_minute, int to_minute) {
        gateway::v1::TenantSettingsChanged m;
        m.mutable_settings()->set_time_zone("Africa/Nairobi");
        m.mutable_settings()->mutable_quiet_hours()->set_start_minute(from_minute);
        m.mutable_settings()->mutable_quiet_hours()->set_end_minute(to_minute);
        tenant_says(m);
        consume();
    };
    // kNow is 18:06:40 in Nairobi and 15:06:40 in UTC.
    quiet(18 * 60, 19 * 60);
    started(5);
    turn();
    turn();
    EXPECT_TRUE(sends.queued.empty());
    EXPECT_EQ(run_of(state())->audience, 5) << "freezing the audience needs no quiet hour";
    EXPECT_EQ(metrics
                  .counter("flowstack_campaign_held_total",
                           "campaigns that the tenant's quiet hours held, once for each hold")
                  .value(),
              1);
    clock.advance(minutes{54});
    turn();
    EXPECT_EQ(sends.queued.size(), 5u);
}

TEST_F(Campaigning, ThatIsTransactionalKeepsGoingInQuietHours) {
    gateway::v1::TenantSettingsChanged m;
    m.mutable_settings()->set_time_zone("Africa/Nairobi");
    m.mutable_settings()->mutable_quiet_hours()->set_start_minute(18 * 60);
    m.mutable_settings()->mutable_quiet_hours()->set_end_minute(19 * 60);
    tenant_says(m);
    contacts(5);
    consume();
    auto receipt = draft();
    receipt.type = Type::transactional;
    wish(DraftCampaign{.draft = receipt});
    wish(StartCampaign{.lanes = kLanes});
    freeze();
    turn();
    EXPECT_EQ(sends.queued.size(), 5u);
}

TEST_F(Campaigning, IsTakenOverByAnotherPacerThatKnowsNothing) {
    started(50);
    sends.calls_until_away = 2;  // the first pacer dies with an ask that gateway never heard
    EXPECT_THROW(turn(), Unavailable);
    Pacer successor{store, read_model, tenants, clock, sends, metrics, config};
    owners.assigned({0, 1, 2, 3});
    for (const auto& row : work(kPaceWork)) successor.turn(row);
    consume();
    EXPECT_EQ(sends.queued.size(), 50u);
    EXPECT_EQ(count(D::queued), 50);
}

TEST_F(Campaigning, APacerThatLostItsLaneAsksNobody) {
    started(50);
    turn();
    contacts(0);
    const auto rows = work(kPaceWork);
    for (const auto& [id, round] : std::set(sends.queued)) accepted(id);
    consume();
    eventlog::Owners other{store, "two"};
    other.assigned({0, 1, 2, 3});
    pacer.turn(rows.front());
    EXPECT_EQ(text_of(state()), "RUNNING");  // it was complete, and the zombie may not say so
}

TEST_F(Campaigning, EndsARecipientWhomGatewayRefuses) {
    sends.unknown_customer = id_of(2);
    started(5);
    turn();
    EXPECT_EQ(count(D::failed), 1);
    EXPECT_EQ(count(D::queued), 4);
}

// ---- a template of the provider

class WithATemplate : public Campaigning {
protected:
    WithATemplate() {
        gateway::v1::ChannelConnected connected;
        connected.set_business_account_id("W1");
        gateway_log->happened({"duka", "channel", "ch1"}, {RoutingKind::named, "ch1"}, connected,
                              kNow);
        provider_says("APPROVED");
    }
    void provider_says(const std::string& status, const std::string& reason = "",
                       const std::string& account = "W1") {
        gateway::v1::TemplateReported m;
        m.mutable_key()->set_business_account_id(account);
        m.mutable_key()->set_name("promo");
        m.mutable_key()->set_language_code("en");
        m.set_status(status);
        m.set_reason(reason);
        gateway_log->happened({"duka", "provider_template", "t-" + account},
                              {RoutingKind::named, account}, m, clock.now());
    }
    void start(int people) {
        contacts(people);
        consume();
        auto d = draft();
        d.body.clear();
        common::v1::TemplateContent used;
        used.set_name("promo");
        used.set_language_code("en");
        used.add_body_parameters("dear {{name}}");
        d.in_template = {
            .name = "promo", .language_code = "en", .content = used.SerializeAsString()};
        wish(DraftCampaign{.draft = d, .template_values = {"dear {{name}}"}});
        wish(StartCampaign{.lanes = kLanes});
        freeze();
    }
};

TEST_F(WithATemplate, PutsTheNameIntoItsValues) {
    start(3);
    turn();
    EXPECT_EQ(std::set<std::string>(sends.texts.begin(), sends.texts.end()),
              (std::set<std::string>{"dear Customer 0", "dear Customer 1", "dear Customer 2"}));
}

TEST_F(WithATemplate, IsPausedWithTheReasonWhenTheProviderPausesTheTemplate) {
    for (const auto* status : {"PAUSED", "DISABLED", "REJECTED"}) {
        SCOPED_TRACE(status);
        if (std::string(status) == "PAUSED") start(3);
        provider_says(status, "LOW_QUALITY");
        consume();
        turn();
        ASSERT_EQ(text_of(state()), "PAUSED");
        EXPECT_EQ(std::get<Paused>(state()).reason,
                  "template promo (en) is " + std::string(status) + ": LOW_QUALITY");
        EXPECT_TRUE(sends.queued.empty());
        turn();
        wish(ResumeCampaign{});
    }
    provider_says("APPROVED");
    consume();
    turn();
    EXPECT_EQ(text_of(state()), "RUNNING");
    EXPECT_EQ(sends.queued.size(), 3u);
}

TEST_F(WithATemplate, GoesOnWhenAnotherAccountsTemplateOfThatNameIsPaused) {
    provider_says("PAUSED", "", "W2");
    start(3);
    turn();
    EXPECT_EQ(text_of(state()), "RUNNING");
    EXPECT_EQ(sends.queued.size(), 3u);
}

TEST_F(Campaigning, PausesWithTheReasonWhenGatewayRefusesAllOfIt) {
    sends.refuse_all = "no such channel";
    started(5);
    turn();
    EXPECT_EQ(std::get<Paused>(state()).reason, "no such channel");
}

TEST_F(Campaigning, CountsTheNextInboundMessageAsAReplyButNeitherAStopNorTheProvidersNews) {
    started(3);
    turn();
    for (int i = 0; i < 3; ++i) accepted(id_of(i));
    consume();
    const auto writes = [&](int i, gateway::v1::ConsentChange consent,
                            gateway::v1::InboundKind kind) {
        gateway::v1::MessageReceived m;
        m.set_kind(kind);
        m.set_customer_id(id_of(i));
        m.set_provider_message_id("wamid." + std::to_string(i));
        m.set_consent_change(consent);
        gateway_log->happened({"duka", "inbound", m.provider_message_id()}, customer(id_of(i)), m,
                              clock.now() + seconds{5});
    };
    writes(0, gateway::v1::CONSENT_CHANGE_UNSPECIFIED, gateway::v1::INBOUND_KIND_TEXT);
    writes(1, gateway::v1::CONSENT_CHANGE_UNSUBSCRIBED, gateway::v1::INBOUND_KIND_TEXT);
    writes(2, gateway::v1::CONSENT_CHANGE_UNSPECIFIED, gateway::v1::INBOUND_KIND_SYSTEM);
    consume();
    EXPECT_EQ(count(D::replied), 1);
    EXPECT_EQ(count(D::sent), 2);
}

TEST_F(Campaigning, StartsAtItsTime) {
    contacts(3);
    consume();
    wish(DraftCampaign{.draft = draft()});
    wish(ScheduleCampaign{.start_at = kNow + hours{1}, .now = kNow});
    const auto rows = work(kStartWork);
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows.front().due_at, kNow + hours{1});
    pacer.start(rows.front());
    EXPECT_EQ(text_of(state()), "RUNNING");
    EXPECT_TRUE(work(kStartWork).empty());
    EXPECT_EQ(work(kFreezeWork).size(), static_cast<std::size_t>(kLanes));
}

TEST_F(Campaigning, ReadModelsAreTheSameAfterARebuild) {
    const auto documents = [&] {
        const auto result = store.pool().with([&](postgres::Session& s) {
            return s.query(
                "select md5(string_agg(concat_ws('|', tenant, kind, id, parent, state, sort_at, "
                "lane, position, encode(body, 'hex')), ';' order by tenant, kind, id)), count(*) "
                "from read_model");
        });
        return result.text(0, 0) + " " + std::to_string(result.int8(0, 1));
    };
    started(40);
    turn();
    for (int i = 0; i < 30; ++i) accepted(id_of(i));
    stops(id_of(4));
    consume();
    const auto before = documents();
    consumption.rebuild();
    EXPECT_EQ(documents(), before);
}

}  // namespace
}  // namespace flowstack::campaign
