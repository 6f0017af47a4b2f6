#include "services/followup/domain/task.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

#include "common/core/corrupt_stream.h"
#include "tests/support/given.h"

namespace flowstack::followup {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Time kAsked = from_unix_seconds(1'750'000'000);

Plan gentle() {
    Plan plan;
    plan.task_id = TaskId("task-1");
    plan.kind = Kind::gentle;
    plan.customer_id = CustomerId("amina");
    plan.conversation_id = ConversationId("conversation-1");
    plan.channel_id = ChannelId("channel-1");
    plan.due = kAsked + hours{2};
    plan.about_message_id = MessageId("message-1");
    plan.answered_inbound_id = InboundId("wamid.1");
    plan.since = kAsked;
    plan.late_after = hours{6};
    plan.window_until = kAsked + hours{24};
    plan.reminder_after = hours{20};
    plan.language = "sw";
    return plan;
}

Plan custom() {
    Plan plan;
    plan.task_id = TaskId("task-2");
    plan.customer_id = CustomerId("amina");
    plan.due = kAsked + hours{1};
    plan.text = "Your cake is ready.";
    return plan;
}

using Given = testing::Given<Task, Event>;
Given given(auto... facts) { return {{Event{facts}...}}; }

// What happens to the task of a plan.
TaskScheduled scheduled(const Plan& plan) { return {.plan = plan}; }
TaskFired fired(const Plan& plan, const std::string& template_key = "") {
    return {.task_id = plan.task_id,
            .kind = plan.kind,
            .customer_id = plan.customer_id,
            .conversation_id = plan.conversation_id,
            .channel_id = plan.channel_id,
            .due = plan.due,
            .since = plan.silent_since(),
            .language = plan.language,
            .text = plan.text,
            .template_key = template_key};
}
TaskPostponed postponed(const Plan& plan, Time due) {
    return {.task_id = plan.task_id,
            .customer_id = plan.customer_id,
            .due = due,
            .reason = PostponeReason::quiet_hours};
}
TaskCancelled cancelled(const Plan& plan, CancelReason reason) {
    return {.task_id = plan.task_id, .customer_id = plan.customer_id, .reason = reason, .note = ""};
}
TaskSkipped skipped(const Plan& plan, SkipReason reason) {
    return {.task_id = plan.task_id,
            .customer_id = plan.customer_id,
            .reason = reason,
            .kind = plan.kind,
            .conversation_id = plan.conversation_id,
            .since = plan.silent_since()};
}
std::vector<Event> only(const Event& event) { return {event}; }
CancelTask because(CancelReason reason) { return {.reason = reason, .note = ""}; }

const Time kDue = gentle().due;
const TaskScheduled kScheduled = scheduled(gentle());

TEST(Task, IsScheduledOnce) {
    EXPECT_EQ(given().when(ScheduleTask{gentle()}).events(), only(kScheduled));
    EXPECT_EQ(given(kScheduled).when(ScheduleTask{gentle()}).rejection(), Rejection::exists);
    EXPECT_EQ(given(kScheduled, fired(gentle())).when(ScheduleTask{gentle()}).rejection(),
              Rejection::exists);
}

TEST(Task, FiresAtItsTimeAndNotBefore) {
    EXPECT_EQ(given(kScheduled).when(FireTask{.now = kDue - Micros{1}}).rejection(),
              Rejection::not_due);
    EXPECT_EQ(given(kScheduled).when(FireTask{.now = kDue}).events(), only(fired(gentle())));
}

TEST(Task, FiresOnce) {
    const auto task = given(kScheduled, fired(gentle()));
    EXPECT_EQ(task.when(FireTask{.now = kDue}).rejection(), Rejection::over);
    EXPECT_EQ(task.when(because(CancelReason::answered)).rejection(), Rejection::over);
}

TEST(Task, IsMovedOutOfQuietHoursAndFiresAtTheirEnd) {
    const Time morning = kDue + hours{9};
    EXPECT_EQ(given(kScheduled).when(FireTask{.now = kDue, .quiet_until = morning}).events(),
              only(postponed(gentle(), morning)));

    const auto task = given(kScheduled, postponed(gentle(), morning));
    EXPECT_EQ(task.when(FireTask{.now = morning - seconds{1}}).rejection(), Rejection::not_due);
    Plan moved = gentle();
    moved.due = morning;
    EXPECT_EQ(task.when(FireTask{.now = morning}).events(), only(fired(moved)));
}

TEST(Task, CountsLatenessFromTheTimeItWasMovedTo) {
    const Time morning = kDue + hours{9};
    const auto task = given(kScheduled, postponed(gentle(), morning));
    EXPECT_TRUE(task.when(FireTask{.now = morning + hours{6}}).accepted());
    EXPECT_EQ(task.when(FireTask{.now = morning + hours{6} + seconds{1}}).events(),
              only(skipped(gentle(), SkipReason::too_late)));
}

TEST(Task, IsSkippedWhenTheDowntimeWasTooLong) {
    EXPECT_EQ(given(kScheduled).when(FireTask{.now = kDue + hours{6} + seconds{1}}).events(),
              only(skipped(gentle(), SkipReason::too_late)));
}

TEST(Task, WithoutALatePolicyFiresHoweverLate) {
    const auto decision =
        given(scheduled(custom())).when(FireTask{.now = custom().due + hours{24 * 30}});
    EXPECT_EQ(decision.events(), only(fired(custom())));
}

TEST(Task, IsSkippedOutsideTheServiceWindow) {
    Plan plan = gentle();
    plan.late_after = Micros{0};
    const auto task = given(scheduled(plan));
    EXPECT_TRUE(std::holds_alternative<TaskFired>(
        task.when(FireTask{.now = *plan.window_until - Micros{1}}).events().front()));
    EXPECT_EQ(task.when(FireTask{.now = *plan.window_until}).events(),
              only(skipped(plan, SkipReason::window_closed)));
}

TEST(Task, TakesTheLaterOfTheWindowsThatItAndTheTimerKnowOf) {
    Plan plan = gentle();
    plan.late_after = Micros{0};
    const Time closed = *plan.window_until;
    const auto task = given(scheduled(plan));
    const auto fires = [&](Given given_task, std::optional<Time> known) {
        return std::holds_alternative<TaskFired>(
            given_task.when(FireTask{.now = closed, .window_until = known}).events().front());
    };
    EXPECT_TRUE(fires(task, closed + hours{1}));
    EXPECT_FALSE(fires(task, Time{}));
    // A custom task knows of none: the customer may have written since it was booked, or never.
    EXPECT_TRUE(fires(given(scheduled(custom())), closed + hours{1}));
    EXPECT_FALSE(fires(given(scheduled(custom())), Time{}));
}

TEST(Task, OfAWindowOfWhichNobodyIsCertainSaysSoWhereOnlyItStandsInTheWay) {
    const auto task = given(scheduled(custom()));
    FireTask fire{.now = custom().due, .window_until = Time{}, .window_certain = false};
    EXPECT_EQ(task.when(fire).rejection(), Rejection::window_uncertain);
    fire.approved_template = "visit";  // it would be said in other words
    EXPECT_EQ(task.when(fire).rejection(), Rejection::window_uncertain);
    fire.window_until = fire.now + hours{1};  // open is open, whatever else was written
    EXPECT_TRUE(task.when(fire).accepted());
    fire.window_until = Time{};
    fire.tenant = TenantStatus::suspended;
    EXPECT_EQ(task.when(fire).events(), only(skipped(custom(), SkipReason::suspended)));
    fire.tenant = TenantStatus::closed;
    EXPECT_TRUE(task.when(fire).accepted());
    fire.tenant = TenantStatus::active;
    fire.now = custom().due - Micros{1};
    EXPECT_EQ(task.when(fire).rejection(), Rejection::not_due);
}

TEST(Task, LeavesTheServiceWindowAsItsApprovedTemplateOnly) {
    Plan plan = custom();
    const FireTask outside{.now = plan.due, .window_until = Time{}, .approved_template = "visit"};
    EXPECT_EQ(given(scheduled(plan)).when(outside).events(), only(fired(plan, "visit")));
    // Inside it has its own words.
    const FireTask inside{
        .now = plan.due, .window_until = plan.due + hours{1}, .approved_template = "visit"};
    EXPECT_EQ(given(scheduled(plan)).when(inside).events(), only(fired(plan, "")));
    // The template that was asked for is gone, or was never approved.
    plan.template_key = "gone";
    EXPECT_EQ(
        given(scheduled(plan)).when(FireTask{.now = plan.due, .window_until = Time{}}).events(),
        only(skipped(plan, SkipReason::template_missing)));
}

TEST(Task, WithoutWordsOfItsOwnSaysItsTemplateInsideTheWindowToo) {
    Plan plan = custom();
    plan.text.clear();
    plan.template_key = "visit";
    EXPECT_EQ(given(scheduled(plan))
                  .when(FireTask{.now = plan.due, .window_until = plan.due + hours{1}})
                  .events(),
              only(fired(plan, "visit")));
}

TEST(Task, AsATemplateKeepsQuietHoursToo) {
    const FireTask night{.now = custom().due,
                         .quiet_until = custom().due + hours{8},
                         .window_until = Time{},
                         .approved_template = "visit"};
    EXPECT_EQ(given(scheduled(custom())).when(night).events(),
              only(postponed(custom(), custom().due + hours{8})));
}

TEST(Task, OfASuspendedTenantIsSkippedAndOfAClosedOneCancelled) {
    const auto task = given(kScheduled);
    EXPECT_EQ(task.when(FireTask{.now = kDue, .tenant = TenantStatus::suspended}).events(),
              only(skipped(gentle(), SkipReason::suspended)));
    EXPECT_EQ(task.when(FireTask{.now = kDue, .tenant = TenantStatus::closed}).events(),
              only(cancelled(gentle(), CancelReason::tenant_closed)));
}

TEST(Task, IsCancelledOnceAndKeepsItsFirstReason) {
    const auto answered = cancelled(gentle(), CancelReason::answered);
    EXPECT_EQ(given(kScheduled).when(because(CancelReason::answered)).events(), only(answered));
    EXPECT_TRUE(given(kScheduled, answered).when(because(CancelReason::closed)).events().empty());
    EXPECT_EQ(given(kScheduled, answered).when(FireTask{.now = kDue}).rejection(), Rejection::over);
    EXPECT_EQ(given().when(CancelTask{}).rejection(), Rejection::absent);
}

TEST(Task, AskedForByAPersonHasLimits) {
    const auto create = [](auto change) {
        Plan plan = custom();
        change(plan);
        return given().when(CreateTask{.plan = plan, .now = kAsked});
    };
    EXPECT_TRUE(create([](Plan&) {}).accepted());
    EXPECT_EQ(create([](Plan& p) { p.customer_id = {}; }).rejection(), Rejection::customer_missing);
    EXPECT_EQ(create([](Plan& p) { p.kind = Kind::gentle; }).rejection(),
              Rejection::kind_automatic);
    EXPECT_EQ(create([](Plan& p) { p.text.clear(); }).rejection(), Rejection::text_missing);
    EXPECT_EQ(create([](Plan& p) { p.text.assign(kTextMax + 1, 'x'); }).rejection(),
              Rejection::text_too_long);
    EXPECT_TRUE(create([](Plan& p) { p.due = kAsked; }).accepted());
    EXPECT_EQ(create([](Plan& p) { p.due = kAsked - minutes{2}; }).rejection(),
              Rejection::due_in_the_past);
    EXPECT_EQ(create([](Plan& p) { p.due = kAsked + kDueAheadMax + Micros{1}; }).rejection(),
              Rejection::due_too_far);
    EXPECT_EQ(create([](Plan& p) { p.late_after = Micros{-1}; }).rejection(),
              Rejection::late_after_negative);
    EXPECT_TRUE(create([](Plan& p) {
                    p.kind = Kind::payment_due;
                    p.text.clear();
                }).accepted());
    EXPECT_EQ(create([](Plan& p) {
                  p.kind = Kind::booking;
                  p.text.clear();
              }).rejection(),
              Rejection::text_missing);
    EXPECT_TRUE(create([](Plan& p) {
                    p.text.clear();
                    p.template_key = "visit";
                }).accepted());
}

TEST(Task, OfAnyKindHasSomethingToSayOrIsRefused) {
    for (const auto* wish :
         {"gentle", "reminder", "payment_due", "abandoned_cart", "order_follow_up", "restock",
          "overdue_invoice", "booking", "custom"}) {
        Plan silent = custom();
        silent.kind = parse_kind(wish).value();
        silent.text.clear();
        const auto decision = given().when(ScheduleTask{silent});
        EXPECT_EQ(decision.accepted(), has_built_in_words(silent.kind)) << wish;
        if (!decision.accepted()) {
            EXPECT_EQ(decision.rejection(), Rejection::text_missing) << wish;
        }
        silent.text = "Hello.";
        EXPECT_TRUE(given().when(ScheduleTask{silent}).accepted()) << wish;
    }
}

// The built-in words are conversation's: its base pack answers `follow_up_<kind>` for every kind
// that may come without a text.
TEST(Task, MayComeWithoutATextWhereTheBasePackAnswersItsKind) {
    std::ifstream file(FLOWSTACK_SOURCE_DIR "/services/conversation/packs/base.json");
    ASSERT_TRUE(file);
    const std::string pack(std::istreambuf_iterator<char>(file), {});
    for (const auto* kind :
         {"gentle", "reminder", "payment_due", "abandoned_cart", "order_follow_up", "restock",
          "overdue_invoice", "booking", "custom"}) {
        const auto answer = "\"follow_up_" + std::string(kind) + "\": [{\"send\"";
        if (has_built_in_words(parse_kind(kind).value())) {
            EXPECT_NE(pack.find(answer), std::string::npos) << kind;
        }
    }
}

TEST(Task, RefusesToReplayImpossibleHistory) {
    EXPECT_THROW(evolve(Absent{}, TaskFired{}), CorruptStream);
    EXPECT_THROW(evolve(Fired{gentle()}, fired(gentle())), CorruptStream);
    EXPECT_THROW(evolve(Scheduled{.plan = gentle()}, kScheduled), CorruptStream);
}

TEST(Reason, FallsAwayWhenTheCustomerWrites) {
    EXPECT_EQ(ends(gentle(),
                   CustomerWrote{.inbound_id = InboundId("wamid.2"), .at = kAsked + seconds{9}}),
              CancelReason::answered);
}

TEST(Reason, FallsAwayWithAnAnswerWithinTheSameSecond) {
    EXPECT_EQ(ends(gentle(), CustomerWrote{.inbound_id = InboundId("wamid.2"), .at = kAsked}),
              CancelReason::answered);
}

TEST(Reason, StaysWhenTheMessageThatWasAnsweredIsSeenLate) {
    EXPECT_EQ(ends(gentle(), CustomerWrote{.inbound_id = InboundId("wamid.1"), .at = kAsked}),
              std::nullopt);
    EXPECT_EQ(ends(gentle(),
                   CustomerWrote{.inbound_id = InboundId("wamid.0"), .at = kAsked - seconds{1}}),
              std::nullopt);
}

TEST(Reason, StaysWhenAMessageBeforeTheOneThatWasAnsweredIsSeenLate) {
    auto plan = gentle();
    plan.answered_position = 20;
    // All within one second of the provider's clock.
    EXPECT_EQ(
        ends(plan, CustomerWrote{.inbound_id = InboundId("wamid.0"), .at = kAsked, .position = 19}),
        std::nullopt);
    EXPECT_EQ(
        ends(plan, CustomerWrote{.inbound_id = InboundId("wamid.2"), .at = kAsked, .position = 21}),
        CancelReason::answered);
    EXPECT_EQ(
        ends(plan, CustomerWrote{.inbound_id = InboundId("wamid.2"), .at = kAsked, .position = 0}),
        CancelReason::answered);
}

TEST(Reason, FallsAwayWithItsOwnConversationOnly) {
    EXPECT_EQ(ends(gentle(), ConversationClosed{ConversationId("conversation-1")}),
              CancelReason::closed);
    EXPECT_EQ(ends(gentle(), ConversationClosed{ConversationId("conversation-2")}), std::nullopt);
    EXPECT_EQ(ends(gentle(), ConversationEscalated{ConversationId("conversation-1")}),
              CancelReason::escalated);
    EXPECT_EQ(ends(gentle(), CustomerPaid{ConversationId("conversation-1")}), CancelReason::paid);
    EXPECT_EQ(ends(gentle(), CustomerPaid{ConversationId("conversation-2")}), std::nullopt);
}

TEST(Reason, OfAGentleTaskPassesToTheBotsNextQuestion) {
    EXPECT_EQ(ends(gentle(), BotAskedAgain{ConversationId("conversation-1")}),
              CancelReason::replaced);
    EXPECT_EQ(ends(gentle(), BotAskedAgain{ConversationId("conversation-2")}), std::nullopt);
}

TEST(Reason, OfWhatAPersonAskedForIsNotTheCustomersSilence) {
    Plan plan = custom();
    plan.conversation_id = ConversationId("conversation-1");
    EXPECT_EQ(
        ends(plan, CustomerWrote{.inbound_id = InboundId("wamid.2"), .at = kAsked + hours{1}}),
        std::nullopt);
    EXPECT_EQ(ends(plan, ConversationClosed{ConversationId("conversation-1")}), std::nullopt);
    EXPECT_EQ(ends(plan, CustomerPaid{ConversationId("conversation-1")}), std::nullopt);
}

TEST(Reason, OfAPaymentReminderFallsAwayWithThePayment) {
    Plan plan = custom();
    plan.kind = Kind::payment_due;
    plan.conversation_id = ConversationId("conversation-1");
    EXPECT_EQ(ends(plan, CustomerPaid{ConversationId("conversation-1")}), CancelReason::paid);
    EXPECT_EQ(
        ends(plan, CustomerWrote{.inbound_id = InboundId("wamid.2"), .at = kAsked + hours{1}}),
        std::nullopt);
}

TEST(Reminder, FollowsAGentleFollowUpThatStaysUnanswered) {
    const auto reminder = reminder_after(gentle(), TaskId("task-9"), hours{3});
    ASSERT_TRUE(reminder);
    EXPECT_EQ(reminder->kind, Kind::reminder);
    EXPECT_EQ(reminder->task_id, "task-9");
    EXPECT_EQ(reminder->due, kAsked + hours{20});
    EXPECT_EQ(reminder->late_after, hours{3});
    EXPECT_EQ(
        ends(*reminder, CustomerWrote{.inbound_id = InboundId("wamid.2"), .at = kAsked + hours{3}}),
        CancelReason::answered);
    EXPECT_FALSE(
        reminder_after(*reminder, TaskId("task-10"), hours{3}));  // and none follows that one
}

TEST(Reminder, DoesNotComeAtTheHeelsOfALateGentleOne) {
    Plan late = gentle();
    late.due = kAsked + hours{21};
    EXPECT_EQ(reminder_after(late, TaskId("task-9"), hours{3})->due, kAsked + hours{41});
}

TEST(Reminder, IsOffWhenItsDistanceIsNothing) {
    Plan plan = gentle();
    plan.reminder_after = Micros{0};
    EXPECT_FALSE(reminder_after(plan, TaskId("task-9"), hours{3}));
}

TEST(Words, OfKindsReadBack) {
    for (const auto kind :
         {Kind::gentle, Kind::reminder, Kind::payment_due, Kind::abandoned_cart,
          Kind::order_follow_up, Kind::restock, Kind::overdue_invoice, Kind::booking, Kind::custom})
        EXPECT_EQ(parse_kind(text_of(kind)), kind);
    EXPECT_EQ(parse_kind("weekly"), std::nullopt);
}

}  // namespace
}  // namespace flowstack::followup
