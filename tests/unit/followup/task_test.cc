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
    plan.task_id = "task-1";
    plan.kind = Kind::gentle;
    plan.customer_id = "amina";
    plan.conversation_id = "conversation-1";
    plan.channel_id = "channel-1";
    plan.due = kAsked + hours{2};
    plan.about_message_id = "message-1";
    plan.answered_inbound_id = "wamid.1";
    plan.since = kAsked;
    plan.late_after = hours{6};
    plan.window_until = kAsked + hours{24};
    plan.reminder_after = hours{20};
    plan.language = "sw";
    return plan;
}

Plan custom() {
    Plan plan;
    plan.task_id = "task-2";
    plan.customer_id = "amina";
    plan.due = kAsked + hours{1};
    plan.text = "Your cake is ready.";
    return plan;
}

using Given = testing::Given<Task, Event>;
Given given(auto... facts) { return {{Event{facts}...}}; }

const Time kDue = gentle().due;
const TaskScheduled kScheduled{gentle()};

TEST(Task, IsScheduledOnce) {
    EXPECT_EQ(given().when(ScheduleTask{gentle()}).events(), std::vector<Event>{kScheduled});
    EXPECT_EQ(given(kScheduled).when(ScheduleTask{gentle()}).rejection(), Rejection::exists);
    EXPECT_EQ(given(kScheduled, TaskFired{gentle()}).when(ScheduleTask{gentle()}).rejection(),
              Rejection::exists);
}

TEST(Task, FiresAtItsTimeAndNotBefore) {
    EXPECT_EQ(given(kScheduled).when(FireTask{.now = kDue - Micros{1}}).rejection(),
              Rejection::not_due);
    EXPECT_EQ(given(kScheduled).when(FireTask{.now = kDue}).events(),
              std::vector<Event>{TaskFired{gentle()}});
}

TEST(Task, FiresOnce) {
    const auto fired = given(kScheduled, TaskFired{gentle()});
    EXPECT_EQ(fired.when(FireTask{.now = kDue}).rejection(), Rejection::over);
    EXPECT_EQ(fired.when(CancelTask{CancelReason::answered, ""}).rejection(), Rejection::over);
}

TEST(Task, IsMovedOutOfQuietHoursAndFiresAtTheirEnd) {
    const Time morning = kDue + hours{9};
    EXPECT_EQ(given(kScheduled).when(FireTask{.now = kDue, .quiet_until = morning}).events(),
              std::vector<Event>(1, TaskPostponed{morning, "quiet_hours"}));

    const auto postponed = given(kScheduled, TaskPostponed{morning, "quiet_hours"});
    EXPECT_EQ(postponed.when(FireTask{.now = morning - seconds{1}}).rejection(),
              Rejection::not_due);
    Plan moved = gentle();
    moved.due = morning;
    EXPECT_EQ(postponed.when(FireTask{.now = morning}).events(),
              std::vector<Event>{TaskFired{moved}});
}

TEST(Task, CountsLatenessFromTheTimeItWasMovedTo) {
    const Time morning = kDue + hours{9};
    const auto postponed = given(kScheduled, TaskPostponed{morning, "quiet_hours"});
    EXPECT_TRUE(postponed.when(FireTask{.now = morning + hours{6}}).accepted());
    EXPECT_EQ(postponed.when(FireTask{.now = morning + hours{6} + seconds{1}}).events(),
              std::vector<Event>{TaskSkipped{SkipReason::too_late}});
}

TEST(Task, IsSkippedWhenTheDowntimeWasTooLong) {
    EXPECT_EQ(given(kScheduled).when(FireTask{.now = kDue + hours{6} + seconds{1}}).events(),
              std::vector<Event>{TaskSkipped{SkipReason::too_late}});
}

TEST(Task, WithoutALatePolicyFiresHoweverLate) {
    const auto decision =
        given(TaskScheduled{custom()}).when(FireTask{.now = custom().due + hours{24 * 30}});
    EXPECT_EQ(decision.events(), std::vector<Event>{TaskFired{custom()}});
}

TEST(Task, IsSkippedOutsideTheServiceWindow) {
    Plan plan = gentle();
    plan.late_after = Micros{0};
    const auto scheduled = given(TaskScheduled{plan});
    EXPECT_TRUE(std::holds_alternative<TaskFired>(
        scheduled.when(FireTask{.now = *plan.window_until - Micros{1}}).events().front()));
    EXPECT_EQ(scheduled.when(FireTask{.now = *plan.window_until}).events(),
              std::vector<Event>{TaskSkipped{SkipReason::window_closed}});
}

TEST(Task, TakesTheLaterOfTheWindowsThatItAndTheTimerKnowOf) {
    Plan plan = gentle();
    plan.late_after = Micros{0};
    const Time closed = *plan.window_until;
    const auto scheduled = given(TaskScheduled{plan});
    const auto fires = [&](Given task, std::optional<Time> known) {
        return std::holds_alternative<TaskFired>(
            task.when(FireTask{.now = closed, .window_until = known}).events().front());
    };
    EXPECT_TRUE(fires(scheduled, closed + hours{1}));
    EXPECT_FALSE(fires(scheduled, Time{}));
    // A custom task knows of none: the customer may have written since it was booked, or never.
    EXPECT_TRUE(fires(given(TaskScheduled{custom()}), closed + hours{1}));
    EXPECT_FALSE(fires(given(TaskScheduled{custom()}), Time{}));
}

TEST(Task, OfAWindowOfWhichNobodyIsCertainSaysSoWhereOnlyItStandsInTheWay) {
    const auto scheduled = given(TaskScheduled{custom()});
    FireTask fire{.now = custom().due, .window_until = Time{}, .window_certain = false};
    EXPECT_EQ(scheduled.when(fire).rejection(), Rejection::window_uncertain);
    fire.approved_template = "visit";  // it would be said in other words
    EXPECT_EQ(scheduled.when(fire).rejection(), Rejection::window_uncertain);
    fire.window_until = fire.now + hours{1};  // open is open, whatever else was written
    EXPECT_TRUE(scheduled.when(fire).accepted());
    fire.window_until = Time{};
    fire.tenant = TenantStatus::suspended;
    EXPECT_EQ(scheduled.when(fire).events(),
              std::vector<Event>{TaskSkipped{SkipReason::suspended}});
    fire.tenant = TenantStatus::closed;
    EXPECT_TRUE(scheduled.when(fire).accepted());
    fire.tenant = TenantStatus::active;
    fire.now = custom().due - Micros{1};
    EXPECT_EQ(scheduled.when(fire).rejection(), Rejection::not_due);
}

TEST(Task, LeavesTheServiceWindowAsItsApprovedTemplateOnly) {
    Plan plan = custom();
    const FireTask outside{.now = plan.due, .window_until = Time{}, .approved_template = "visit"};
    EXPECT_EQ(given(TaskScheduled{plan}).when(outside).events(),
              std::vector<Event>(1, TaskFired{plan, "visit"}));
    // Inside it has its own words.
    const FireTask inside{
        .now = plan.due, .window_until = plan.due + hours{1}, .approved_template = "visit"};
    EXPECT_EQ(given(TaskScheduled{plan}).when(inside).events(),
              std::vector<Event>(1, TaskFired{plan, ""}));
    // The template that was asked for is gone, or was never approved.
    plan.template_key = "gone";
    EXPECT_EQ(
        given(TaskScheduled{plan}).when(FireTask{.now = plan.due, .window_until = Time{}}).events(),
        std::vector<Event>{TaskSkipped{SkipReason::template_missing}});
}

TEST(Task, WithoutWordsOfItsOwnSaysItsTemplateInsideTheWindowToo) {
    Plan plan = custom();
    plan.text.clear();
    plan.template_key = "visit";
    EXPECT_EQ(given(TaskScheduled{plan})
                  .when(FireTask{.now = plan.due, .window_until = plan.due + hours{1}})
                  .events(),
              std::vector<Event>(1, TaskFired{plan, "visit"}));
}

TEST(Task, AsATemplateKeepsQuietHoursToo) {
    const FireTask night{.now = custom().due,
                         .quiet_until = custom().due + hours{8},
                         .window_until = Time{},
                         .approved_template = "visit"};
    EXPECT_EQ(given(TaskScheduled{custom()}).when(night).events(),
              std::vector<Event>(1, TaskPostponed{custom().due + hours{8}, "quiet_hours"}));
}

TEST(Task, OfASuspendedTenantIsSkippedAndOfAClosedOneCancelled) {
    const auto scheduled = given(kScheduled);
    EXPECT_EQ(scheduled.when(FireTask{.now = kDue, .tenant = TenantStatus::suspended}).events(),
              std::vector<Event>{TaskSkipped{SkipReason::suspended}});
    EXPECT_EQ(scheduled.when(FireTask{.now = kDue, .tenant = TenantStatus::closed}).events(),
              std::vector<Event>(1, TaskCancelled{CancelReason::tenant_closed, ""}));
}

TEST(Task, IsCancelledOnceAndKeepsItsFirstReason) {
    const TaskCancelled answered{CancelReason::answered, ""};
    EXPECT_EQ(given(kScheduled).when(CancelTask{CancelReason::answered, ""}).events(),
              std::vector<Event>{answered});
    EXPECT_TRUE(
        given(kScheduled, answered).when(CancelTask{CancelReason::closed, ""}).events().empty());
    EXPECT_EQ(given(kScheduled, answered).when(FireTask{.now = kDue}).rejection(), Rejection::over);
    EXPECT_EQ(given().when(CancelTask{}).rejection(), Rejection::absent);
}

TEST(Task, AskedForByAPersonHasLimits) {
    const auto create = [](auto change) {
        Plan plan = custom();
        change(plan);
        return given().when(CreateTask{plan, kAsked});
    };
    EXPECT_TRUE(create([](Plan&) {}).accepted());
    EXPECT_EQ(create([](Plan& p) { p.customer_id.clear(); }).rejection(),
              Rejection::customer_missing);
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
        silent.kind = kind_of(wish).value();
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

// The built-in words are conversation's: its base pack answers `follow_up_<kind>` for every kind that
// may come without a text.
TEST(Task, MayComeWithoutATextWhereTheBasePackAnswersItsKind) {
    std::ifstream file(FLOWSTACK_SOURCE_DIR "/services/conversation/packs/base.json");
    ASSERT_TRUE(file);
    const std::string pack(std::istreambuf_iterator<char>(file), {});
    for (const auto* kind :
         {"gentle", "reminder", "payment_due", "abandoned_cart", "order_follow_up", "restock",
          "overdue_invoice", "booking", "custom"}) {
        const auto answer = "\"follow_up_" + std::string(kind) + "\": [{\"send\"";
        if (has_built_in_words(kind_of(kind).value())) {
            EXPECT_NE(pack.find(answer), std::string::npos) << kind;
        }
    }
}

TEST(Task, RefusesToReplayImpossibleHistory) {
    EXPECT_THROW(evolve(Absent{}, TaskFired{}), CorruptStream);
    EXPECT_THROW(evolve(Fired{gentle()}, TaskFired{gentle()}), CorruptStream);
    EXPECT_THROW(evolve(Scheduled{gentle(), 0, ""}, kScheduled), CorruptStream);
}

TEST(Reason, FallsAwayWhenTheCustomerWrites) {
    EXPECT_EQ(ends(gentle(), CustomerWrote{"wamid.2", kAsked + seconds{9}}),
              CancelReason::answered);
}

TEST(Reason, FallsAwayWithAnAnswerWithinTheSameSecond) {
    EXPECT_EQ(ends(gentle(), CustomerWrote{"wamid.2", kAsked}), CancelReason::answered);
}

TEST(Reason, StaysWhenTheMessageThatWasAnsweredIsSeenLate) {
    EXPECT_EQ(ends(gentle(), CustomerWrote{"wamid.1", kAsked}), std::nullopt);
    EXPECT_EQ(ends(gentle(), CustomerWrote{"wamid.0", kAsked - seconds{1}}), std::nullopt);
}

TEST(Reason, StaysWhenAMessageBeforeTheOneThatWasAnsweredIsSeenLate) {
    auto plan = gentle();
    plan.answered_position = 20;
    // All within one second of the provider's clock.
    EXPECT_EQ(ends(plan, CustomerWrote{"wamid.0", kAsked, 19}), std::nullopt);
    EXPECT_EQ(ends(plan, CustomerWrote{"wamid.2", kAsked, 21}), CancelReason::answered);
    EXPECT_EQ(ends(plan, CustomerWrote{"wamid.2", kAsked, 0}), CancelReason::answered);
}

TEST(Reason, FallsAwayWithItsOwnConversationOnly) {
    EXPECT_EQ(ends(gentle(), ConversationClosed{"conversation-1"}), CancelReason::closed);
    EXPECT_EQ(ends(gentle(), ConversationClosed{"conversation-2"}), std::nullopt);
    EXPECT_EQ(ends(gentle(), ConversationEscalated{"conversation-1"}), CancelReason::escalated);
    EXPECT_EQ(ends(gentle(), CustomerPaid{"conversation-1"}), CancelReason::paid);
    EXPECT_EQ(ends(gentle(), CustomerPaid{"conversation-2"}), std::nullopt);
}

TEST(Reason, OfAGentleTaskPassesToTheBotsNextQuestion) {
    EXPECT_EQ(ends(gentle(), BotAskedAgain{"conversation-1"}), CancelReason::replaced);
    EXPECT_EQ(ends(gentle(), BotAskedAgain{"conversation-2"}), std::nullopt);
}

TEST(Reason, OfWhatAPersonAskedForIsNotTheCustomersSilence) {
    Plan plan = custom();
    plan.conversation_id = "conversation-1";
    EXPECT_EQ(ends(plan, CustomerWrote{"wamid.2", kAsked + hours{1}}), std::nullopt);
    EXPECT_EQ(ends(plan, ConversationClosed{"conversation-1"}), std::nullopt);
    EXPECT_EQ(ends(plan, CustomerPaid{"conversation-1"}), std::nullopt);
}

TEST(Reason, OfAPaymentReminderFallsAwayWithThePayment) {
    Plan plan = custom();
    plan.kind = Kind::payment_due;
    plan.conversation_id = "conversation-1";
    EXPECT_EQ(ends(plan, CustomerPaid{"conversation-1"}), CancelReason::paid);
    EXPECT_EQ(ends(plan, CustomerWrote{"wamid.2", kAsked + hours{1}}), std::nullopt);
}

TEST(Reminder, FollowsAGentleFollowUpThatStaysUnanswered) {
    const auto reminder = reminder_after(gentle(), "task-9", hours{3});
    ASSERT_TRUE(reminder);
    EXPECT_EQ(reminder->kind, Kind::reminder);
    EXPECT_EQ(reminder->task_id, "task-9");
    EXPECT_EQ(reminder->due, kAsked + hours{20});
    EXPECT_EQ(reminder->late_after, hours{3});
    EXPECT_EQ(ends(*reminder, CustomerWrote{"wamid.2", kAsked + hours{3}}), CancelReason::answered);
    EXPECT_FALSE(reminder_after(*reminder, "task-10", hours{3}));  // and none follows that one
}

TEST(Reminder, DoesNotComeAtTheHeelsOfALateGentleOne) {
    Plan late = gentle();
    late.due = kAsked + hours{21};
    EXPECT_EQ(reminder_after(late, "task-9", hours{3})->due, kAsked + hours{41});
}

TEST(Reminder, IsOffWhenItsDistanceIsNothing) {
    Plan plan = gentle();
    plan.reminder_after = Micros{0};
    EXPECT_FALSE(reminder_after(plan, "task-9", hours{3}));
}

TEST(Words, OfKindsAndReasonsReadBack) {
    for (const auto kind :
         {Kind::gentle, Kind::reminder, Kind::payment_due, Kind::abandoned_cart,
          Kind::order_follow_up, Kind::restock, Kind::overdue_invoice, Kind::booking, Kind::custom})
        EXPECT_EQ(kind_of(word(kind)), kind);
    for (const auto reason :
         {CancelReason::answered, CancelReason::closed, CancelReason::escalated, CancelReason::paid,
          CancelReason::replaced, CancelReason::by_api, CancelReason::tenant_closed})
        EXPECT_EQ(cancel_reason_of(word(reason)), reason);
    for (const auto reason : {SkipReason::suspended, SkipReason::too_late,
                              SkipReason::window_closed, SkipReason::template_missing})
        EXPECT_EQ(skip_reason_of(word(reason)), reason);
    EXPECT_EQ(kind_of("weekly"), std::nullopt);
}

}  // namespace
}  // namespace flowstack::followup
