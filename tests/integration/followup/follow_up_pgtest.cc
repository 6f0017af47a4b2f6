#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <latch>
#include <thread>

#include "common/core/broken_world.h"
#include "common/core/clock.h"
#include "common/eventlog/consumption.h"
#include "flowstack/conversation/v1/booking_events.pb.h"
#include "flowstack/conversation/v1/content_events.pb.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/followup/v1/task_events.pb.h"
#include "flowstack/followup/v1/task_service.pb.h"
#include "flowstack/gateway/v1/contact_events.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/tenant_events.pb.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "services/followup/adapters/derive.h"
#include "services/followup/adapters/projections.h"
#include "services/followup/adapters/reactor.h"
#include "services/followup/adapters/streams.h"
#include "services/followup/adapters/timer.h"
#include "tests/support/fake_contacts.h"
#include "tests/support/fake_tenants.h"
#include "tests/support/scripted_log.h"
#include "tests/support/test_database.h"

// followup from the facts of the others to the fact that a task fired, on a real database: the bus
// is the only thing that is not there.
namespace flowstack::followup {
namespace {

using eventlog::Recorded;
using eventlog::Routing;
using eventlog::RoutingKind;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kLanes = 4;
// 2025-06-15 12:06:40 UTC, 15:06:40 in Nairobi.
constexpr Time kNoon = from_unix_seconds(1'749'989'200);

class FollowUp : public ::testing::Test {
protected:
    // WhatsApp's window is closed after a day: a reminder that is said comes earlier.
    explicit FollowUp(milliseconds reminder_after = hours{20})
        : config{.reminder_after = reminder_after} {
        consumption.prepare([this](auto batch, auto& pending) { reactor.prepare(batch, pending); });
        consumption.react([this](const Recorded& e, eventlog::Turn& t) { reactor.react(e, t); });
        consumption.project(project);
        consumption.assign({0, 1, 2, 3});
        owners.assigned({0, 1, 2, 3});
        gateway::v1::TenantRegistered m;
        m.set_tenant_id("duka");
        m.mutable_settings()->set_time_zone("Africa/Nairobi");
        gateway->happened({"duka", "tenant", "duka"}, {RoutingKind::tenant, "duka"}, m, kNoon);
    }

    Routing customer(const std::string& id = "amina") { return {RoutingKind::customer, id}; }

    // What the others say.
    void wrote(const std::string& inbound_id, Time at,
               gateway::v1::InboundKind kind = gateway::v1::INBOUND_KIND_TEXT) {
        gateway::v1::MessageReceived m;
        m.set_kind(kind);
        m.set_provider_message_id(inbound_id);
        m.set_customer_id("amina");
        m.set_channel_id("channel-1");
        gateway->happened({"duka", "inbound", inbound_id}, customer(), m, at);
    }
    conversation::v1::ReplyRequested question(const std::string& answers, Time evidence) {
        conversation::v1::ReplyRequested m;
        m.set_message_id("message-for-" + answers);
        m.set_conversation_id("conversation-1");
        m.set_customer_id("amina");
        m.set_channel_id("channel-1");
        m.set_idempotency_key("auto-reply:" + answers + ":0");
        m.set_kind(conversation::v1::REPLY_KIND_REPLY);
        m.set_expects_answer(true);
        m.set_window_evidence_us(unix_micros(evidence));
        return m;
    }
    void asked(const conversation::v1::ReplyRequested& m, Time at) {
        conversation->happened({"duka", "conversation", "conversation-1"}, customer(), m, at);
    }
    void advanced(conversation::v1::ConversationState to, Time at) {
        conversation::v1::DialogueTurn m;
        m.add_steps()->mutable_customer_spoke()->set_inbound_id("wamid");
        m.add_steps()->mutable_conversation_advanced()->set_to_state(to);
        conversation->happened({"duka", "conversation", "conversation-1"}, customer(), m, at);
    }
    void suspended() {
        gateway->happened({"duka", "tenant", "duka"}, {RoutingKind::tenant, "duka"},
                          gateway::v1::TenantSuspended{}, kNoon);
    }
    void quiet(int from, int to) {
        gateway::v1::TenantSettingsChanged m;
        m.mutable_settings()->set_time_zone("Africa/Nairobi");
        m.mutable_settings()->mutable_quiet_hours()->set_start_minute(from);
        m.mutable_settings()->mutable_quiet_hours()->set_end_minute(to);
        gateway->happened({"duka", "tenant", "duka"}, {RoutingKind::tenant, "duka"}, m, kNoon);
    }

    void template_saved(const std::string& key, conversation::v1::TemplateKind kind) {
        conversation::v1::TemplateSaved m;
        m.set_template_key(key);
        m.set_kind(kind);
        m.set_active(true);
        conversation->happened({"duka", "template", key}, {RoutingKind::tenant, "duka"}, m, kNoon);
    }
    // What the API does.
    void booked(const std::string& id, Time due, const std::string& template_key = "",
                const std::string& channel_id = "") {
        Plan plan;
        plan.task_id = TaskId(id);
        plan.channel_id = ChannelId(channel_id);
        plan.customer_id = CustomerId("amina");
        plan.due = due;
        plan.text = "Hello.";
        plan.template_key = template_key;
        eventlog::Command command;
        command.id = id;
        command.tenant = "duka";
        command.meta.routing = customer();
        command.parts.push_back({task_stream("duka", id),
                                 eventlog::kCreate,
                                 {encode(TaskScheduled{.plan = plan}, kNoon)}});
        ASSERT_TRUE(store.append(std::move(command)).accepted());
    }
    // The last one of a task.
    Recorded event_of(const std::string& id) {
        return store.read_stream(task_stream("duka", id)).back();
    }

    // Everything that is there is consumed, our own events too.
    void consume() {
        for (int i = 0; i < 3; ++i) consumption.apply({});
    }

    std::vector<eventlog::WorkRow> timers() {
        const auto result = store.pool().with([&](postgres::Session& s) {
            return s.query(
                "select lane, key, due_at from work where kind = 'timer' order by due_at");
        });
        std::vector<eventlog::WorkRow> rows;
        for (int i = 0; i < result.rows(); ++i)
            rows.push_back({result.int4(i, 0), "timer", result.text(i, 1), result.time(i, 2), "",
                            *owners.guard(result.int4(i, 0))});
        return rows;
    }
    // What the lane's owner does when the clock shows `now`.
    void at(Time now) {
        clock.set(now);
        for (const auto& row : timers())
            if (row.due_at <= now) fire(row);
        consume();
    }
    void fire(const eventlog::WorkRow& row) {
        std::promise<void> done;
        timer.fire(row, [&] { done.set_value(); });
        done.get_future().wait();
    }

    // Type and reason of everything that happened to tasks, in order.
    std::vector<std::string> story() {
        std::vector<std::string> told;
        for (int lane = 0; lane < kLanes; ++lane)
            for (const auto& event : store.read_lane(lane, 1, 0, 1000)) {
                const auto type = event.type.substr(event.type.rfind('.') + 1);
                std::string more;
                v1::Task task;
                if (const auto body = read_model.get("duka", kTaskDocument, event.stream.key))
                    task.ParseFromString(*body);
                if (type == "TaskScheduled") more = task.kind();
                if (type == "TaskCancelled" || type == "TaskSkipped") more = task.reason();
                told.push_back(more.empty() ? type : std::string(type).append(" ").append(more));
            }
        return told;
    }
    using Story = std::vector<std::string>;

    testing::TestDatabase database{kLanes, "followup"};
    eventlog::Store store{
        {.service = "followup", .database_url = database.service_url(), .lanes = kLanes}, derive};
    eventlog::ReadModel read_model{store, "key"};
    eventlog::Owners owners{store, "one"};
    std::shared_ptr<testing::ScriptedLog> gateway =
        std::make_shared<testing::ScriptedLog>("gateway", kLanes);
    std::shared_ptr<testing::ScriptedLog> conversation =
        std::make_shared<testing::ScriptedLog>("conversation", kLanes);
    std::shared_ptr<testing::ScriptedLog> payment =
        std::make_shared<testing::ScriptedLog>("payment", kLanes);
    Config config;
    Reactor reactor{store, config};
    eventlog::Consumption consumption{store,
                                      {{"gateway", gateway},
                                       {"conversation", conversation},
                                       {"payment", payment},
                                       {"followup", eventlog::own_source(store)}},
                                      {.consumer = "followup",
                                       .head_compare_every = milliseconds{0},
                                       .idle_cursor_after = milliseconds{0}}};
    ManualClock clock{kNoon};
    metrics::Registry metrics;
    testing::FakeTenants tenants;
    testing::FakeContacts contacts;
    Timer timer{store, read_model, tenants, contacts, clock, metrics, config};
};

TEST_F(FollowUp, ComesTwoHoursAfterAnUnansweredQuestionAndOnce) {
    wrote("wamid.1", kNoon);
    asked(question("wamid.1", kNoon), kNoon + seconds{1});
    consume();
    ASSERT_EQ(timers().size(), 1u);
    EXPECT_EQ(timers().front().due_at, kNoon + seconds{1} + hours{2});

    at(kNoon + hours{2});
    EXPECT_EQ(story(), (Story{"TaskScheduled gentle"}));
    at(kNoon + hours{2} + seconds{1});
    EXPECT_EQ(story(), (Story{"TaskScheduled gentle", "TaskFired", "TaskScheduled reminder"}));
    at(kNoon + hours{2} + seconds{2});
    EXPECT_EQ(story().size(), 3u);

    const auto fired = store.read_lane(store.lane_of(customer(), "duka"), 2, 2, 1).front();
    EXPECT_EQ(fired.meta.causation->position, 1);  // the event that set the timer
    EXPECT_EQ(fired.meta.actor, "timer");
}

TEST_F(FollowUp, IsFollowedByTheReminderIfNobodyAnswers) {
    wrote("wamid.1", kNoon);
    asked(question("wamid.1", kNoon), kNoon);
    consume();
    at(kNoon + hours{2});
    ASSERT_EQ(timers().size(), 1u);
    EXPECT_EQ(timers().front().due_at, kNoon + hours{20});
    at(kNoon + hours{20});
    EXPECT_EQ(story().back(), "TaskFired");
    EXPECT_TRUE(timers().empty());
}

TEST_F(FollowUp, IsCancelledByTheCustomersNextMessage) {
    wrote("wamid.1", kNoon);
    asked(question("wamid.1", kNoon), kNoon);
    consume();
    wrote("wamid.2", kNoon + seconds{30});
    consume();
    EXPECT_EQ(story(), (Story{"TaskScheduled gentle", "TaskCancelled answered"}));
    EXPECT_TRUE(timers().empty());
}

// The provider's news that a customer has a new number are no word of theirs.
TEST_F(FollowUp, IsNeitherCancelledNorAllowedByTheProvidersNewsAboutTheCustomer) {
    asked(question("wamid.1", kNoon), kNoon);
    booked("task-1", kNoon + hours{3});
    consume();
    wrote("wamid.2", kNoon + hours{1}, gateway::v1::INBOUND_KIND_SYSTEM);
    consume();
    EXPECT_EQ(timers().size(), 2u);
    at(kNoon + hours{3});
    v1::TaskSkipped skipped;
    ASSERT_TRUE(skipped.ParseFromString(event_of("task-1").payload));
    EXPECT_EQ(skipped.reason(), v1::TASK_SKIP_REASON_WINDOW_CLOSED);
}

TEST_F(FollowUp, CancelsTheReminderToo) {
    wrote("wamid.1", kNoon);
    asked(question("wamid.1", kNoon), kNoon);
    consume();
    at(kNoon + hours{2});
    wrote("wamid.2", kNoon + hours{3});
    consume();
    EXPECT_EQ(story().back(), "TaskCancelled answered");
    EXPECT_TRUE(timers().empty());
}

TEST_F(FollowUp, IsNotScheduledWhenTheAnswerCameByTheFasterTopic) {
    wrote("wamid.1", kNoon);
    wrote("wamid.2", kNoon + seconds{5});
    consume();
    asked(question("wamid.1", kNoon), kNoon + seconds{1});
    consume();
    EXPECT_TRUE(story().empty());
    asked(question("wamid.2", kNoon + seconds{5}), kNoon + seconds{6});
    consume();
    EXPECT_EQ(story(), (Story{"TaskScheduled gentle"}));
}

TEST_F(FollowUp, IsNotCancelledByTheMessageThatWasAnsweredComingLate) {
    asked(question("wamid.1", kNoon), kNoon + seconds{1});
    consume();
    wrote("wamid.1", kNoon);
    consume();
    EXPECT_EQ(story(), (Story{"TaskScheduled gentle"}));
}

TEST_F(FollowUp, OfANewerQuestionReplacesTheOlderAlsoWithinOneBatch) {
    asked(question("wamid.1", kNoon), kNoon + seconds{1});
    asked(question("wamid.2", kNoon + seconds{9}), kNoon + seconds{10});
    consume();
    EXPECT_EQ(story(),
              (Story{"TaskScheduled gentle", "TaskScheduled gentle", "TaskCancelled replaced"}));
    ASSERT_EQ(timers().size(), 1u);
    EXPECT_EQ(timers().front().due_at, kNoon + seconds{10} + hours{2});
}

TEST_F(FollowUp, IsNeverAboutWhatAnAgentOrAFollowUpSaid) {
    auto by_agent = question("wamid.1", kNoon);
    by_agent.set_agent("grace");
    asked(by_agent, kNoon);
    auto by_us = question("wamid.1", kNoon);
    by_us.set_kind(conversation::v1::REPLY_KIND_FOLLOW_UP);
    by_us.set_task_id("task-1");
    asked(by_us, kNoon);
    auto no_question = question("wamid.1", kNoon);
    no_question.set_expects_answer(false);
    asked(no_question, kNoon);
    consume();
    EXPECT_TRUE(story().empty());
}

TEST_F(FollowUp, EndsWithItsConversationAndWithThePayment) {
    asked(question("wamid.1", kNoon), kNoon);
    consume();
    advanced(conversation::v1::CONVERSATION_STATE_ENGAGED, kNoon);
    consume();
    EXPECT_EQ(timers().size(), 1u);
    advanced(conversation::v1::CONVERSATION_STATE_CLOSED, kNoon);
    consume();
    EXPECT_EQ(story(), (Story{"TaskScheduled gentle", "TaskCancelled closed"}));

    asked(question("wamid.1", kNoon), kNoon + seconds{1});
    consume();
    advanced(conversation::v1::CONVERSATION_STATE_ESCALATED, kNoon);
    consume();
    EXPECT_EQ(story().back(), "TaskCancelled escalated");

    asked(question("wamid.1", kNoon), kNoon + seconds{2});
    consume();
    payment::v1::IntentPaid m;
    m.set_customer_id("amina");
    m.set_conversation_id("conversation-1");
    payment->happened({"duka", "intent", "intent-1"}, customer(), m, kNoon);
    consume();
    EXPECT_EQ(story().back(), "TaskCancelled paid");
}

TEST_F(FollowUp, WaitsForTheEndOfQuietHours) {
    quiet(16 * 60 + 30, 8 * 60);  // 16:30 to 08:00 in Nairobi, which is 13:30 to 05:00 UTC
    asked(question("wamid.1", kNoon), kNoon);
    consume();
    at(kNoon + hours{2});
    EXPECT_EQ(story(), (Story{"TaskScheduled gentle", "TaskPostponed"}));
    const Time eight = from_unix_seconds(1'750'050'000);  // 2025-06-16 05:00:00 UTC
    ASSERT_EQ(timers().size(), 1u);
    EXPECT_EQ(timers().front().due_at, eight);
    at(eight);
    EXPECT_EQ(story()[2], "TaskFired");
}

TEST_F(FollowUp, OfATenantOfWhichItHasNotReadYetIsJudgedByWhatGatewaySays) {
    Plan plan;
    plan.task_id = TaskId("task-1");
    plan.customer_id = CustomerId("amina");
    plan.due = kNoon;
    plan.text = "Hello.";
    eventlog::Command command;
    command.id = "schedule";
    command.tenant = "fresh";
    command.meta.routing = customer();
    command.parts.push_back({task_stream("fresh", plan.task_id),
                             eventlog::kCreate,
                             {encode(TaskScheduled{.plan = plan}, kNoon)}});
    ASSERT_TRUE(store.append(std::move(command)).accepted());
    tenants.away = true;
    EXPECT_THROW(timer.fire(timers().front(), [] {}), Unavailable);
    tenants.away = false;
    tenants.all["fresh"].set_status("SUSPENDED");
    fire(timers().front());
    EXPECT_TRUE(timers().empty());
    const auto last = store.read_stream(task_stream("fresh", plan.task_id)).back();
    EXPECT_TRUE(last.type.ends_with("TaskSkipped"));
}

TEST_F(FollowUp, OfASuspendedTenantIsSkipped) {
    asked(question("wamid.1", kNoon), kNoon);
    suspended();
    consume();
    at(kNoon + hours{2});
    EXPECT_EQ(story(), (Story{"TaskScheduled gentle", "TaskSkipped suspended"}));
    EXPECT_TRUE(timers().empty());
}

TEST_F(FollowUp, AfterALongDowntimeIsSkipped) {
    asked(question("wamid.1", kNoon), kNoon);
    consume();
    at(kNoon + hours{9});
    EXPECT_EQ(story(), (Story{"TaskScheduled gentle", "TaskSkipped too_late"}));
}

TEST_F(FollowUp, IsNotFiredByAReplicaThatLostItsLane) {
    asked(question("wamid.1", kNoon), kNoon);
    consume();
    const auto rows = timers();
    clock.set(kNoon + hours{2});
    eventlog::Owners successor{store, "two"};
    successor.assigned({0, 1, 2, 3});
    fire(rows.front());
    consume();
    EXPECT_EQ(story(), (Story{"TaskScheduled gentle"}));
    auto row = rows.front();
    row.guard = *successor.guard(row.lane);
    fire(row);
    fire(row);  // and a second time changes nothing
    consume();
    EXPECT_EQ(story(), (Story{"TaskScheduled gentle", "TaskFired", "TaskScheduled reminder"}));
}

TEST_F(FollowUp, ThatIsBookedIsSaidInsideTheWindowAndSkippedOutsideOfIt) {
    wrote("wamid.1", kNoon);
    booked("task-1", kNoon + hours{23});
    booked("task-2", kNoon + hours{24});
    consume();
    at(kNoon + hours{23});
    EXPECT_EQ(event_of("task-1").type, v1::TaskFired::descriptor()->full_name());
    at(kNoon + hours{24});
    v1::TaskSkipped skipped;
    ASSERT_TRUE(skipped.ParseFromString(event_of("task-2").payload));
    EXPECT_EQ(skipped.reason(), v1::TASK_SKIP_REASON_WINDOW_CLOSED);
    EXPECT_EQ(skipped.kind(), v1::TASK_KIND_CUSTOM);
    // The customer's next message opens it again.
    booked("task-3", kNoon + hours{30});
    wrote("wamid.2", kNoon + hours{25});
    consume();
    at(kNoon + hours{30});
    EXPECT_EQ(event_of("task-3").type, v1::TaskFired::descriptor()->full_name());
}

TEST_F(FollowUp, NeedsTheWindowOfTheChannelByWhichItLeaves) {
    wrote("wamid.1", kNoon);  // at channel-1
    booked("task-1", kNoon + hours{1}, "", "channel-2");
    booked("task-2", kNoon + hours{1}, "", "channel-1");
    consume();
    auto& known = contacts.know("duka", "amina");
    known.mutable_last_inbound_time()->set_seconds(unix_seconds(kNoon));
    auto& window = *known.add_windows();
    window.set_channel_id("channel-1");
    *window.mutable_last_inbound_time() = known.last_inbound_time();
    at(kNoon + hours{1});
    v1::TaskSkipped skipped;
    ASSERT_TRUE(skipped.ParseFromString(event_of("task-1").payload));
    EXPECT_EQ(skipped.reason(), v1::TASK_SKIP_REASON_WINDOW_CLOSED);
    EXPECT_EQ(event_of("task-2").type, v1::TaskFired::descriptor()->full_name());
    // Gateway has heard a word at the other one which this service has not read yet.
    booked("task-3", kNoon + hours{2}, "", "channel-2");
    consume();
    auto& other = *known.add_windows();
    other.set_channel_id("channel-2");
    *other.mutable_last_inbound_time() = known.last_inbound_time();
    at(kNoon + hours{2});
    EXPECT_EQ(event_of("task-3").type, v1::TaskFired::descriptor()->full_name());
}

TEST_F(FollowUp, IsNotSkippedBecauseThisServiceHasNotReadTheCustomersMessageYet) {
    booked("task-1", kNoon + hours{1});
    consume();
    contacts.away = true;
    EXPECT_THROW(at(kNoon + hours{1}), eventlog::TryLater);
    contacts.away = false;
    contacts.know("duka", "amina").mutable_last_inbound_time()->set_seconds(unix_seconds(kNoon));
    at(kNoon + hours{1});
    EXPECT_EQ(event_of("task-1").type, v1::TaskFired::descriptor()->full_name());
    EXPECT_EQ(contacts.calls, 2);
    // Whose window is open by what was read is not asked for.
    wrote("wamid.1", kNoon + hours{1});
    booked("task-2", kNoon + hours{2});
    consume();
    at(kNoon + hours{2});
    EXPECT_EQ(event_of("task-2").type, v1::TaskFired::descriptor()->full_name());
    EXPECT_EQ(contacts.calls, 2);
}

TEST_F(FollowUp, AsksGatewayForTheWindowOnlyWhereNothingElseStandsInTheWay) {
    booked("task-1", kNoon + hours{1});
    suspended();
    consume();
    contacts.away = true;
    at(kNoon + hours{1});
    v1::TaskSkipped skipped;
    ASSERT_TRUE(skipped.ParseFromString(event_of("task-1").payload));
    EXPECT_EQ(skipped.reason(), v1::TASK_SKIP_REASON_SUSPENDED);
    EXPECT_EQ(contacts.calls, 0);
}

TEST_F(FollowUp, OutsideTheWindowIsSaidAsTheApprovedTemplate) {
    template_saved("visit", conversation::v1::TEMPLATE_KIND_WHATSAPP_TEMPLATE);
    template_saved("words", conversation::v1::TEMPLATE_KIND_TEXT);
    booked("task-1", kNoon + hours{1}, "visit");
    booked("task-2", kNoon + hours{2}, "words");
    consume();
    at(kNoon + hours{1});
    v1::TaskFired fired;
    ASSERT_TRUE(fired.ParseFromString(event_of("task-1").payload));
    EXPECT_EQ(fired.template_key(), "visit");
    at(kNoon + hours{2});
    v1::TaskSkipped skipped;
    ASSERT_TRUE(skipped.ParseFromString(event_of("task-2").payload));
    EXPECT_EQ(skipped.reason(), v1::TASK_SKIP_REASON_TEMPLATE_MISSING);

    booked("task-3", kNoon + hours{3}, "visit");
    conversation->happened({"duka", "template", "visit"}, {RoutingKind::tenant, "duka"},
                           conversation::v1::TemplateDeleted{}, kNoon);
    consume();
    at(kNoon + hours{3});
    EXPECT_EQ(event_of("task-3").type, v1::TaskSkipped::descriptor()->full_name());
}

struct DayLater : FollowUp {
    DayLater() : FollowUp(hours{24}) {}
};
TEST_F(DayLater, TheReminderNeedsAnApprovedTemplateOfTheTenant) {
    const auto day_later = [&](const std::string& inbound, Time asked_at) {
        asked(question(inbound, asked_at), asked_at);
        consume();
        at(asked_at + hours{2});
        const auto rows = timers();
        at(rows.front().due_at);
        return event_of(TimerKey::parse(rows.front().key)->task_id);
    };
    const auto without = day_later("wamid.1", kNoon);
    v1::TaskSkipped skipped;
    ASSERT_TRUE(skipped.ParseFromString(without.payload));
    EXPECT_EQ(skipped.reason(), v1::TASK_SKIP_REASON_WINDOW_CLOSED);
    EXPECT_EQ(skipped.kind(), v1::TASK_KIND_REMINDER);
    EXPECT_EQ(skipped.conversation_id(), "conversation-1");
    EXPECT_EQ(skipped.since_us(), unix_micros(kNoon));

    template_saved("follow_up_reminder", conversation::v1::TEMPLATE_KIND_WHATSAPP_TEMPLATE);
    v1::TaskFired fired;
    ASSERT_TRUE(fired.ParseFromString(day_later("wamid.2", kNoon + hours{48}).payload));
    EXPECT_EQ(fired.template_key(), "follow_up_reminder");
}

TEST_F(FollowUp, OfAFlowsWishFiresAtItsTimeWhateverTheCustomerWrites) {
    conversation::v1::FollowUpRequested m;
    m.set_task_id("0197708c-0000-7000-8000-000000000001");
    m.set_kind("order_follow_up");
    m.set_customer_id("amina");
    m.set_conversation_id("conversation-1");
    m.set_due_at_us(unix_micros(kNoon + hours{24}));
    conversation->happened({"duka", "conversation", "conversation-1"}, customer(), m, kNoon);
    consume();
    wrote("wamid.9", kNoon + hours{1});
    consume();
    at(kNoon + hours{24});
    EXPECT_EQ(story(), (Story{"TaskScheduled order_follow_up", "TaskFired"}));
}

// --- Reminders of bookings

class Reminder : public FollowUp {
protected:
    static constexpr Time kStart = kNoon + hours{20};

    void says(const google::protobuf::Message& m) {
        conversation->happened({"duka", "booking", "booking-1"}, {RoutingKind::tenant, "duka"}, m,
                               kNoon);
        consume();
    }
    static conversation::v1::BookingMade made(Time starts_at = kStart,
                                              const std::string& task_id = "reminder-1") {
        conversation::v1::BookingMade m;
        m.set_booking_id("booking-1");
        m.set_customer_id("amina");
        m.set_channel_id("channel-1");
        m.set_starts_at_us(unix_micros(starts_at));
        m.set_reminder_task_id(task_id);
        m.set_reminder_at_us(unix_micros(starts_at - hours{2}));
        m.mutable_personal()->set_reminder_text("See you!");
        return m;
    }
};

TEST_F(Reminder, OfABookingIsSaidAtItsTimeWhateverTheCustomerWrites) {
    wrote("wamid.1", kNoon);
    says(made());
    wrote("wamid.2", kNoon + hours{1});
    consume();
    at(kStart - hours{2});
    EXPECT_EQ(story(), (Story{"TaskScheduled booking", "TaskFired"}));
    v1::TaskFired fired;
    ASSERT_TRUE(fired.ParseFromString(event_of("reminder-1").payload));
    EXPECT_EQ(fired.personal().text(), "See you!");
}

TEST_F(Reminder, GoesWithItsBooking) {
    says(made());
    conversation::v1::BookingCancelled cancelled;
    cancelled.set_booking_id("booking-1");
    cancelled.set_customer_id("amina");
    cancelled.set_ended_task_id("reminder-1");
    says(cancelled);
    at(kStart - hours{2});
    EXPECT_EQ(story(), (Story{"TaskScheduled booking", "TaskCancelled booking_over"}));
    EXPECT_TRUE(timers().empty());
}

TEST_F(Reminder, MovesWithItsBooking) {
    wrote("wamid.1", kNoon);
    says(made());
    conversation::v1::BookingMoved moved;
    moved.set_booking_id("booking-1");
    moved.set_customer_id("amina");
    moved.set_starts_at_us(unix_micros(kStart + hours{2}));
    moved.set_ended_task_id("reminder-1");
    moved.set_reminder_task_id("reminder-2");
    moved.set_reminder_at_us(unix_micros(kStart));
    moved.mutable_personal()->set_reminder_text("See you later!");
    says(moved);
    at(kStart - hours{2});
    at(kStart);
    auto told = story();
    std::ranges::sort(told);
    EXPECT_EQ(told, (Story{"TaskCancelled replaced", "TaskFired", "TaskScheduled booking",
                           "TaskScheduled booking"}));
    EXPECT_TRUE(event_of("reminder-2").type.ends_with("TaskFired"));
}

TEST_F(Reminder, IsNotSaidOnceTheBookingHasBegun) {
    wrote("wamid.1", kNoon);
    says(made());
    at(kStart + minutes{1});
    EXPECT_EQ(story(), (Story{"TaskScheduled booking", "TaskSkipped too_late"}));
}

TEST_F(Reminder, OfABookingWithoutOneIsNoTask) {
    says(made(kStart, ""));
    EXPECT_TRUE(story().empty());
}

TEST_F(FollowUp, OfAFlowsOwnNameIsACustomOne) {
    conversation::v1::FollowUpRequested m;
    m.set_task_id("0197708c-0000-7000-8000-000000000001");
    m.set_kind("weekly_hello");
    m.set_customer_id("amina");
    m.set_due_at_us(unix_micros(kNoon + hours{1}));
    m.mutable_personal()->set_text("Hello.");
    conversation->happened({"duka", "conversation", "conversation-1"}, customer(), m, kNoon);
    consume();
    EXPECT_EQ(story(), (Story{"TaskScheduled custom"}));
}

// A machine that is busy or instrumented is as slow in writing the tasks as in firing them.
TEST_F(FollowUp, AThousandTasksFireWithinASecondOfTheirTimeOrTenTimesWhatWritingThemTook) {
    constexpr int kTasks = 1000;
    const SystemClock wall;
    for (int i = 0; i < kTasks; ++i) {
        gateway::v1::MessageReceived m;
        m.set_kind(gateway::v1::INBOUND_KIND_TEXT);
        m.set_customer_id("customer-" + std::to_string(i));
        gateway->happened({"duka", "inbound", m.customer_id()}, customer(m.customer_id()), m,
                          wall.now());
    }
    consume();
    const Time due = wall.now() + milliseconds{1500};
    const auto began = std::chrono::steady_clock::now();
    std::latch written(kTasks);
    for (int i = 0; i < kTasks; ++i) {
        Plan plan;
        plan.task_id = TaskId("task-" + std::to_string(i));
        plan.kind = Kind::custom;
        plan.customer_id = CustomerId("customer-" + std::to_string(i));
        plan.due = due;
        plan.text = "Hello.";
        eventlog::Command command;
        command.id = plan.task_id;
        command.tenant = "duka";
        command.meta.routing = customer(plan.customer_id);
        command.parts.push_back({task_stream("duka", plan.task_id),
                                 eventlog::kCreate,
                                 {encode(TaskScheduled{.plan = plan}, wall.now())}});
        store.append_async(std::move(command),
                           [&written](const auto&, const auto&) { written.count_down(); });
    }
    written.wait();
    const auto allowed =
        std::chrono::duration_cast<milliseconds>(std::max<std::chrono::steady_clock::duration>(
            std::chrono::seconds{1}, 10 * (std::chrono::steady_clock::now() - began)));
    Timer punctual{store, read_model, tenants, contacts, wall, metrics, config};
    eventlog::WorkRunner runner{store, owners};
    runner.handle(kTimerWork, [&](const auto& row, auto done) { punctual.fire(row, done); });
    runner.start();

    const auto fired = [&](const std::string& more) {
        return store.pool().with([&](postgres::Session& s) {
            return s
                .query(
                    "select count(*) from events where type like '%TaskFired' and "
                    "recorded_at >= $1" +
                        more,
                    postgres::Params().add(due))
                .int8(0, 0);
        });
    };
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{60};
    while (fired("") < kTasks && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(milliseconds{20});
    runner.stop();
    EXPECT_EQ(fired(" and recorded_at < $1 + interval '" + std::to_string(allowed.count()) +
                    " milliseconds'"),
              kTasks);
    EXPECT_TRUE(timers().empty());
}

TEST_F(FollowUp, ReadModelsAreTheSameAfterARebuild) {
    const auto documents = [&] {
        const auto result = store.pool().with([&](postgres::Session& s) {
            return s.query(
                "select md5(string_agg(concat_ws('|', tenant, kind, id, parent, state, sort_at, "
                "lane, position, encode(body, 'hex')), ';' order by tenant, kind, id)), count(*) "
                "from read_model");
        });
        return result.text(0, 0) + " " + std::to_string(result.int8(0, 1));
    };
    wrote("wamid.1", kNoon);
    asked(question("wamid.1", kNoon), kNoon);
    consume();
    at(kNoon + hours{2});
    wrote("wamid.2", kNoon + hours{3});
    consume();
    const auto before = documents();
    consumption.rebuild();
    EXPECT_EQ(documents(), before);
}

}  // namespace
}  // namespace flowstack::followup
