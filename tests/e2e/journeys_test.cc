#include <algorithm>
#include <boost/json.hpp>

#include "flowstack/common/v1/recorded_event.pb.h"
#include "flowstack/conversation/v1/booking_service.pb.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/conversation/v1/conversation_service.pb.h"
#include "flowstack/conversation/v1/support_service.pb.h"
#include "flowstack/followup/v1/task_service.pb.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/ledger_service.pb.h"
#include "flowstack/payment/v1/order_service.pb.h"
#include "flowstack/payment/v1/payment_service.pb.h"
#include "flowstack/payment/v1/refund_service.pb.h"
#include "tests/e2e/stack.h"
#include "tools/stack/logs.h"

// Customers' journeys over HTTP, on real PostgreSQL and real Kafka.
namespace flowstack::e2e {
namespace {

namespace json = boost::json;
using namespace stack;

class Journey : public ::testing::Test {
protected:
    // The shop, a customer and their phone, all of this test's own.
    void open(const std::string& unique, const std::string& name = "Amina") {
        shop = stack.shop(unique);
        phone =
            std::make_unique<Phone>(stack.sandbox(), shop.phone_number_id, phone_for(unique), name);
    }
    void TearDown() override {
        if (phone) expect_right(shop);
    }

    void payer(const json::object& behaviour) {
        stack.sandbox().put("/control/payers/" + phone->number().substr(1), behaviour);
    }
    // The next push or send that it hits behaves so.
    void fault(json::object what) { stack.sandbox().post("/control/faults", what); }
    json::object on_push(const json::object& effect) {
        return {{"provider", "daraja"},
                {"call", "stkpush"},
                {"shortcode", shop.shortcode},
                {"effect", effect}};
    }
    json::object on_callback(const json::object& callback) {
        return on_push({{"callback", callback}});
    }

    int count(const std::string& service, const std::string& type) {
        return count_facts(stack.api(), service, shop.tenant, type);
    }
    std::size_t pushes() {
        return record_of(stack.sandbox(), "push_accepted", phone->number()).size();
    }

    Stack& stack = Stack::get();
    ShopSpec shop;
    std::unique_ptr<Phone> phone;
};

TEST_F(Journey, ACustomerBuysInEnglish) {
    open("english");
    const auto purchase = buy(*phone, stack.sandbox(), {});
    EXPECT_NE(purchase.receipt_message.text.find("Premium Coffee"), std::string::npos);
    EXPECT_NE(purchase.receipt_message.text.find("Thank you"), std::string::npos);
    EXPECT_EQ(count("payment", "IntentPaid"), 1);
    EXPECT_EQ(count("payment", "NumberAssigned"), 1);
}

TEST_F(Journey, ACustomerBuysInSwahili) {
    open("swahili");
    const auto purchase = buy(*phone, stack.sandbox(), {.greeting = "Habari"});
    EXPECT_NE(purchase.receipt_message.text.find("Asante"), std::string::npos);
}

TEST_F(Journey, ASupportDeskAnswersHandsOverAndIsRated) {
    shop = shop_for("support-" + std::to_string(::getpid()));
    shop.pack = "SUPPORT";
    make_shop(shop, stack.environment, stack.api(), stack.sandbox());
    conversation::v1::SaveTopicRequest save;
    save.set_parent("tenants/" + shop.tenant);
    save.mutable_topic()->set_topic_id("delivery");
    auto& english = (*save.mutable_topic()->mutable_text())["en"];
    english.set_title("Delivery");
    english.set_answer("We deliver in Nairobi on weekdays.");
    stack.api().call<conversation::v1::Topic>("conversation", "SupportService/SaveTopic", save);

    phone = std::make_unique<Phone>(stack.sandbox(), shop.phone_number_id, phone_for(shop.tenant),
                                    "Neema");
    phone->say("Hi");
    phone->wait_text("Choose a topic");
    phone->pick("Delivery");
    phone->wait_text("We deliver in Nairobi");
    phone->say("my parcel is broken");
    phone->wait_text("in other words");
    phone->tap("Talk to a person");
    phone->wait_text("one of us will write");

    conversation::v1::Conversation desk;
    const auto read = [&] {
        conversation::v1::ListConversationsRequest list;
        list.set_parent("tenants/" + shop.tenant);
        const auto page = stack.api().call<conversation::v1::ListConversationsResponse>(
            "conversation", "ConversationService/ListConversations", list);
        if (page.conversations().empty()) return false;
        desk = page.conversations(0);
        return true;
    };
    ASSERT_TRUE(eventually([&] { return read() && desk.state() == "ESCALATED"; }));
    conversation::v1::HandBackConversationRequest hand_back;
    hand_back.set_name(desk.name());
    hand_back.set_reason("a new parcel is on its way");
    stack.api().call<conversation::v1::Conversation>(
        "conversation", "ConversationService/HandBackConversation", hand_back);
    phone->wait_text("How did we help you?");
    phone->tap("Good");
    phone->wait_text("Thank you!");
    EXPECT_TRUE(eventually([&] { return read() && desk.state() == "CLOSED"; }));
    EXPECT_EQ(desk.rating(), "GOOD");
}

TEST_F(Journey, TheCustomerIsToldHowFarAPaidOrderIs) {
    open("delivered");
    buy(*phone, stack.sandbox(), {.greeting = "Habari"});
    payment::v1::ListOrdersRequest list;
    list.set_parent("tenants/" + shop.tenant);
    payment::v1::ListOrdersResponse orders;
    ASSERT_TRUE(eventually([&] {
        orders = stack.api().call<payment::v1::ListOrdersResponse>("payment",
                                                                   "OrderService/ListOrders", list);
        return orders.orders_size() == 1;
    }));
    payment::v1::AdvanceOrderRequest advance;
    advance.set_name(orders.orders(0).name());
    advance.set_state(payment::v1::ORDER_STATE_SHIPPED);
    advance.set_note("Otieno anailetea.");
    stack.api().call<payment::v1::Order>("payment", "OrderService/AdvanceOrder", advance);
    const auto told = phone->wait_text("iko njiani");
    EXPECT_NE(told.text.find(orders.orders(0).number()), std::string::npos) << told.text;
    EXPECT_NE(told.text.find("Otieno anailetea."), std::string::npos) << told.text;
    advance.set_state(payment::v1::ORDER_STATE_DELIVERED);
    advance.clear_note();
    stack.api().call<payment::v1::Order>("payment", "OrderService/AdvanceOrder", advance);
    phone->wait_text("imefika");
}

TEST_F(Journey, TheCustomerIsToldThatTheShopCancelsAnOrder) {
    open("called-off");
    payer({{"behaviour", "cancel"}});
    to_summary(*phone, {});
    phone->tap("M-Pesa");
    phone->wait_for(
        [](const ChatMessage& m) { return !m.buttons.empty() && m.buttons.front() == "Try again"; },
        "\"Try again\"");
    payment::v1::ListOrdersRequest list;
    list.set_parent("tenants/" + shop.tenant);
    payment::v1::ListOrdersResponse orders;
    ASSERT_TRUE(eventually([&] {
        orders = stack.api().call<payment::v1::ListOrdersResponse>("payment",
                                                                   "OrderService/ListOrders", list);
        return orders.orders_size() == 1;
    }));
    payment::v1::CancelOrderRequest cancel;
    cancel.set_name(orders.orders(0).name());
    cancel.set_reason("The coffee did not come in.");
    stack.api().call<payment::v1::Order>("payment", "OrderService/CancelOrder", cancel);
    phone->wait_text("The coffee did not come in.");
    // The button is still on the phone: nobody is asked for the money of a cancelled order.
    phone->tap("Try again");
    phone->wait_text("It was cancelled");
    EXPECT_EQ(pushes(), 1U);
    EXPECT_EQ(count("payment", "InvoiceVoided"), 1);
}

TEST_F(Journey, APaidOrderIsCancelledAndItsMoneyAndGoodsGoBack) {
    open("refunded");
    buy(*phone, stack.sandbox(), {});
    payment::v1::ListOrdersRequest list;
    list.set_parent("tenants/" + shop.tenant);
    payment::v1::ListOrdersResponse orders;
    ASSERT_TRUE(eventually([&] {
        orders = stack.api().call<payment::v1::ListOrdersResponse>("payment",
                                                                   "OrderService/ListOrders", list);
        return orders.orders_size() == 1 &&
               orders.orders(0).payment_state() == payment::v1::ORDER_PAYMENT_STATE_PAID;
    }));
    payment::v1::CancelOrderRequest cancel;
    cancel.set_name(orders.orders(0).name());
    cancel.set_reason("The coffee did not come in.");
    stack.api().call<payment::v1::Order>("payment", "OrderService/CancelOrder", cancel);
    phone->wait_text("The coffee did not come in.");
    EXPECT_TRUE(eventually([&] { return count("conversation", "StockReleased") == 1; }));

    payment::v1::ListRefundsRequest owed;
    owed.set_parent("tenants/" + shop.tenant);
    owed.set_state(payment::v1::REFUND_STATE_OPEN);
    payment::v1::ListRefundsResponse refunds;
    ASSERT_TRUE(eventually([&] {
        refunds = stack.api().call<payment::v1::ListRefundsResponse>(
            "payment", "RefundService/ListRefunds", owed);
        return refunds.refunds_size() == 1;
    }));
    payment::v1::RecordRefundRequest record;
    record.set_name(refunds.refunds(0).name());
    record.set_receipt("BACK" + std::to_string(100'000 + ::getpid()));
    stack.api().call<payment::v1::Refund>("payment", "RefundService/RecordRefund", record);
    const auto told = phone->wait_text("back to you");
    EXPECT_NE(told.text.find(record.receipt()), std::string::npos) << told.text;
    EXPECT_TRUE(eventually([&] { return count("payment", "CreditNoteIssued") == 1; }));
    payment::v1::GetTrialBalanceRequest books;
    books.set_parent("tenants/" + shop.tenant);
    payment::v1::TrialBalance balance;
    EXPECT_TRUE(eventually([&] {
        balance = stack.api().call<payment::v1::TrialBalance>(
            "payment", "LedgerService/GetTrialBalance", books);
        return std::ranges::all_of(
            balance.lines(), [](const auto& line) { return line.balance().minor_units() == 0; });
    })) << balance.ShortDebugString();
    EXPECT_TRUE(balance.balanced());
}

// A salon of its own, with a reminder that is said while the test waits.
class BookingJourney : public Journey {
protected:
    void open_salon(const std::string& unique) {
        shop = shop_for(unique + "-" + std::to_string(::getpid()));
        shop.pack = "BOOKING";
        make_shop(shop, stack.environment, stack.api(), stack.sandbox());
        conversation::v1::SaveBookableServiceRequest save;
        save.set_parent("tenants/" + shop.tenant);
        auto& service = *save.mutable_service();
        service.set_service_id("haircut");
        (*service.mutable_text())["en"].set_name("Haircut");
        (*service.mutable_text())["sw"].set_name("Kunyoa");
        service.set_duration_minutes(60);
        stack.api().call<conversation::v1::BookableService>(
            "conversation", "BookingService/SaveBookableService", save);
        // Ten o'clock in Nairobi of tomorrow, there.
        const auto now = std::chrono::system_clock::now();
        const auto there = now + std::chrono::hours{3};
        const auto ten = std::chrono::floor<std::chrono::days>(there) + std::chrono::hours{24 + 7};
        // The reminder is due half a minute to a minute and a half from now.
        const auto ahead =
            std::chrono::floor<std::chrono::minutes>(ten - now - std::chrono::seconds{30});
        conversation::v1::SaveBookingSettingsRequest settings;
        settings.set_parent("tenants/" + shop.tenant);
        settings.mutable_settings()->set_slot_minutes(60);
        settings.mutable_settings()->set_reminder_minutes(ahead.count());
        for (int weekday = 1; weekday <= 7; ++weekday) {
            auto& hours = *settings.mutable_settings()->add_hours();
            hours.set_weekday(weekday);
            hours.set_opens("08:00");
            hours.set_closes("17:00");
        }
        stack.api().call<conversation::v1::BookingSettings>(
            "conversation", "BookingService/SaveBookingSettings", settings);
        phone = std::make_unique<Phone>(stack.sandbox(), shop.phone_number_id,
                                        phone_for(shop.tenant), "Neema", std::chrono::seconds{150});
    }
    std::string state() {
        conversation::v1::ListBookingsRequest list;
        list.set_parent("tenants/" + shop.tenant);
        const auto page = stack.api().call<conversation::v1::ListBookingsResponse>(
            "conversation", "BookingService/ListBookings", list);
        return page.bookings().empty() ? "" : page.bookings(0).state();
    }
    // "CANCELLED booking_over"; empty: there is none.
    std::string reminder() {
        followup::v1::ListTasksRequest list;
        list.set_parent("tenants/" + shop.tenant);
        const auto page = stack.api().call<followup::v1::ListTasksResponse>(
            "followup", "TaskService/ListTasks", list);
        for (const auto& task : page.tasks())
            if (task.kind() == "booking") return task.state() + " " + task.reason();
        return {};
    }
};

TEST_F(BookingJourney, ACustomerBooksInEnglishIsRemindedAndCancels) {
    open_salon("salon-en");
    phone->say("Hi");
    phone->wait_text("1) Booking 2) Services 3) Prices 4) Contact");
    phone->pick("Booking");
    phone->wait_text("tell us the service");
    phone->say("haircut tomorrow 10am");
    phone->wait_text("1=Yes, 2=No");
    phone->tap("Yes");
    phone->wait_text("Your number is BK-");
    EXPECT_TRUE(eventually([&] { return state() == "BOOKED"; }));
    phone->wait_text("a reminder of your booking");
    EXPECT_TRUE(eventually([&] { return reminder() == "FIRED "; })) << reminder();
    phone->say("cancel");
    phone->wait_text("Shall we cancel it?");
    phone->tap("Yes, cancel");
    phone->wait_text("is cancelled");
    EXPECT_TRUE(eventually([&] { return state() == "CANCELLED"; }));
    EXPECT_EQ(count("conversation", "PlaceFreed"), 1);
}

TEST_F(BookingJourney, ACustomerBooksInSwahiliAndTheReminderFallsAwayWithTheBooking) {
    open_salon("salon-sw");
    phone->say("Habari");
    phone->wait_text("Andika: 1) Booking 2) Huduma 3) Bei 4) Mawasiliano");
    phone->say("miadi");
    phone->wait_text("Tafadhali taja huduma unayotaka na tarehe");
    phone->say("kunyoa kesho saa nne");
    phone->wait_text("saa 4:00 asubuhi (10:00)");
    phone->say("ndiyo");
    phone->wait_text("Nambari yako ni BK-");
    ASSERT_TRUE(eventually([&] { return reminder() == "SCHEDULED "; }));
    phone->say("ghairi");
    phone->wait_text("Tuighairi miadi hii?");
    phone->say("ndiyo");
    phone->wait_text("imeghairiwa");
    EXPECT_TRUE(eventually([&] { return reminder() == "CANCELLED booking_over"; })) << reminder();
}

TEST_F(Journey, TheNextMessageAfterAPurchaseStartsAfresh) {
    open("afresh");
    buy(*phone, stack.sandbox(), {});
    greet(*phone, "Hi");
    EXPECT_TRUE(eventually([&] { return count("conversation", "ConversationOpened") == 2; }));
}

TEST_F(Journey, AnUnknownProductIsSaidAndTheGreetingComesBack) {
    open("unknown-product");
    view_products(*phone, greet(*phone, "Hi"));
    phone->say("unicorn saddle");
    phone->wait_text("Sorry, product not found");
    phone->wait_for([](const ChatMessage& m) { return m.buttons.size() >= 2; }, "the greeting");
}

TEST_F(Journey, ABadQuantityIsAskedAgainTwiceThenTheMenuComes) {
    open("bad-quantity");
    view_products(*phone, greet(*phone, "Hi"));
    choose_product(*phone, "Premium Coffee");
    for (const auto* wrong : {"many", "1000"}) {
        phone->say(wrong);
        phone->wait_text("quantity");
    }
    phone->say("0");
    phone->wait_for([](const ChatMessage& m) { return m.buttons.size() >= 2; }, "the menu");
}

TEST_F(Journey, FreeTextOrdersAreUnderstood) {
    open("free-text");
    phone->say("Coffee x 2");
    const auto summary = phone->wait_text("Confirm? 1=Yes, 2=No");
    EXPECT_NE(summary.text.find("Premium Coffee"), std::string::npos);
    phone->say("1");
    phone->wait_for([](const ChatMessage& m) { return !m.buttons.empty(); }, "a way to pay");
    const auto prompt = pay_by_mpesa(*phone);
    finish(*phone, stack.sandbox(), prompt, "1234");
}

TEST_F(Journey, CancelAtThePromptSaysSoAndARetryPays) {
    open("cancel");
    to_summary(*phone, {});
    const auto first = pay_by_mpesa(*phone);
    phone->cancel_prompt(first.id);
    const auto failed = phone->wait_text("Payment failed");
    ASSERT_FALSE(failed.buttons.empty());
    phone->tap(failed.buttons.front());
    // The retry may ask how to pay again.
    const auto prompt = phone->wait_prompt();
    finish(*phone, stack.sandbox(), prompt, "1234");
    EXPECT_EQ(count("payment", "OrderPlaced"), 1);
    EXPECT_EQ(count("payment", "IntentCreated"), 2);
    EXPECT_EQ(count("payment", "InvoiceDrafted"), 1);
}

TEST_F(Journey, InsufficientFundsSaysSoAndARetryPays) {
    open("insufficient");
    payer({{"behaviour", "manual"}, {"script", json::array{"insufficient"}}});
    to_summary(*phone, {});
    phone->tap("M-Pesa");
    const auto failed = phone->wait_text("Payment failed");
    phone->tap(failed.buttons.at(0));
    const auto prompt = phone->wait_prompt();
    finish(*phone, stack.sandbox(), prompt, "1234");
}

TEST_F(Journey, WithEveryCallbackLostTheQueryFindsOut) {
    open("callback-lost");
    fault(on_callback({{"lose", true}}));
    payer({{"behaviour", "pay"}});
    to_summary(*phone, {});
    phone->tap("M-Pesa");
    EXPECT_TRUE(eventually([&] { return count("payment", "IntentPaid") == 1; }));
    phone->wait_text("Thank you");
    EXPECT_EQ(pushes(), 1u);
}

TEST_F(Journey, AReceiptThatComesAfterAQuerySaidPaidIsSentAgainComplete) {
    open("receipt-later");
    fault(on_callback({{"delay_ms", 9000}}));
    payer({{"behaviour", "pay"}});
    to_summary(*phone, {});
    phone->tap("M-Pesa");
    const auto first = phone->wait_text("Thank you");
    const auto made = record_of(stack.sandbox(), "payment_made", phone->number());
    ASSERT_EQ(made.size(), 1u);
    const auto receipt = text_at(made.front(), "receipt");
    EXPECT_EQ(first.text.find(receipt), std::string::npos) << first.text;
    const auto again = phone->wait_text(receipt);
    EXPECT_NE(again.text.find("Premium Coffee"), std::string::npos) << again.text;
    EXPECT_EQ(count("payment", "IntentPaid"), 1);
    EXPECT_EQ(count("payment", "ReceiptLearned"), 1);
}

TEST_F(Journey, ACallbackThatComesTwiceBooksOnce) {
    open("callback-twice");
    fault(on_callback({{"duplicates", 3}}));
    const auto purchase = buy(*phone, stack.sandbox(), {});
    EXPECT_TRUE(eventually(
        [&] { return record_of(stack.sandbox(), "callback_sent", phone->number()).size() >= 4; }));
    EXPECT_EQ(count("payment", "IntentPaid"), 1);
}

TEST_F(Journey, ACallbackBeforeThePushAnswerIsBound) {
    open("callback-early");
    fault(on_callback({{"before_answer", true}}));
    to_summary(*phone, {});
    phone->tap("M-Pesa");
    phone->wait_text("Thank you");
    EXPECT_EQ(count("payment", "IntentPaid"), 1);
    EXPECT_EQ(pushes(), 1u);
}

TEST_F(Journey, ASuccessAfterExpiryIsAcceptedLate) {
    open("callback-late");
    fault(on_callback({{"delay_ms", 15000}}));
    fault({{"provider", "daraja"},
           {"call", "stkquery"},
           {"shortcode", shop.shortcode},
           {"times", 0},
           {"effect",
            {{"error", {{"code", "500.003.02"}, {"http", 500}, {"message", "System is busy"}}}}}});
    to_summary(*phone, {});
    const auto prompt = pay_by_mpesa(*phone);
    phone->answer_prompt(prompt.id, "1234");
    EXPECT_TRUE(eventually([&] { return count("payment", "IntentExpired") == 1; }));
    EXPECT_TRUE(eventually([&] { return count("payment", "IntentPaid") == 1; }));
    phone->wait_text("Thank you");
}

TEST_F(Journey, TwoCallbacksWithOneReceiptGoToQuarantine) {
    open("one-receipt");
    buy(*phone, stack.sandbox(), {});
    fault(on_callback({{"receipt", "repeat"}}));
    Phone second(stack.sandbox(), shop.phone_number_id, phone_for("one-receipt-second"), "Baraka");
    to_summary(second, {.product = "Shea Soap", .quantity = 3});
    const auto prompt = pay_by_mpesa(second);
    second.answer_prompt(prompt.id, "1234");
    EXPECT_TRUE(eventually([&] { return count("payment", "IntentQuarantined") >= 1; }));
    int with_receipt = 0;
    for (const auto& event : events_of(stack.api(), "payment", shop.tenant))
        if (short_type(event.type()) == "IntentPaid") {
            payment::v1::IntentPaid paid;
            ASSERT_TRUE(paid.ParseFromString(event.payload()));
            if (!paid.receipt().empty()) ++with_receipt;
        }
    EXPECT_EQ(with_receipt, 1);
}

TEST_F(Journey, AForgedCallbackPaysNothing) {
    open("forged");
    fault(on_callback({{"forge", "wrong_path"}, {"lose", true}}));
    to_summary(*phone, {});
    const auto prompt = pay_by_mpesa(*phone);
    phone->cancel_prompt(prompt.id);
    phone->wait_text("Payment failed");
    EXPECT_EQ(count("payment", "IntentPaid"), 0);
}

TEST_F(Journey, AWrongAmountIsQuarantinedNotBooked) {
    open("wrong-amount");
    fault(on_callback({{"amount", "1.00"}}));
    to_summary(*phone, {});
    const auto prompt = pay_by_mpesa(*phone);
    phone->answer_prompt(prompt.id, "1234");
    EXPECT_TRUE(eventually([&] { return count("payment", "IntentQuarantined") >= 1; }));
}

TEST_F(Journey, WhenThePushAnswerIsLostNothingIsPushedAgainAndTheCallbackBinds) {
    open("push-lost");
    fault(on_push({{"cut", "after"}}));
    to_summary(*phone, {});
    const auto prompt = pay_by_mpesa(*phone);
    EXPECT_TRUE(eventually([&] { return count("payment", "AskUnknown") == 1; }));
    phone->answer_prompt(prompt.id, "1234");
    phone->wait_text("Thank you");
    EXPECT_EQ(pushes(), 1u);
    EXPECT_EQ(count("payment", "IntentPaid"), 1);
}

TEST_F(Journey, ACutAfterAcceptanceIsNeverSentTwice) {
    open("send-cut");
    fault({{"provider", "meta"},
           {"call", "messages"},
           {"number", shop.phone_number_id},
           {"effect", {{"cut", "after"}}}});
    greet(*phone, "Hi");
    EXPECT_TRUE(eventually([&] { return count("gateway", "SendUnknown") == 1; }));
}

TEST_F(Journey, AnUnansweredQuestionIsFollowedUpGentlyAndAnAnswerCancelsIt) {
    open("gentle");
    view_products(*phone, greet(*phone, "Hi"));
    EXPECT_TRUE(eventually([&] { return count("followup", "TaskFired") == 1; }));
    phone->wait_text("still there");
    const auto scheduled = count("followup", "TaskScheduled");
    phone->pick("Premium Coffee");
    phone->wait_text("quantity");
    // An answer that followup sees before the question leaves nothing to cancel.
    EXPECT_TRUE(eventually([&] { return count("followup", "TaskScheduled") > scheduled; }));
    phone->say("2");
    EXPECT_TRUE(eventually([&] { return count("followup", "TaskCancelled") >= 1; }));
}

TEST_F(Journey, TheReminderFollowsTheGentleOneAndThenTheConversationSleeps) {
    open("reminder");
    view_products(*phone, greet(*phone, "Hi"));
    phone->wait_text("still there");
    phone->wait_text("still waiting");
    const auto dormant = [&] {
        int times = 0;
        for (const auto& event : events_of(stack.api(), "conversation", shop.tenant)) {
            conversation::v1::DialogueTurn turn;
            if (short_type(event.type()) != "DialogueTurn") continue;
            EXPECT_TRUE(turn.ParseFromString(event.payload()));
            for (const auto& step : turn.steps())
                if (step.conversation_advanced().to_state() ==
                    conversation::v1::CONVERSATION_STATE_DORMANT)
                    ++times;
        }
        return times;
    };
    EXPECT_TRUE(eventually([&] { return dormant() == 1; }));
    // The customer wakes it, and nobody begins at the beginning.
    const auto scheduled = count("followup", "TaskScheduled");
    phone->pick("Premium Coffee");
    phone->wait_text("quantity");
    // An answer that followup sees before the question leaves nothing to cancel.
    EXPECT_TRUE(eventually([&] { return count("followup", "TaskScheduled") > scheduled; }));
    phone->say("2");
    EXPECT_TRUE(eventually([&] { return count("followup", "TaskCancelled") >= 1; }));
    EXPECT_EQ(dormant(), 1);
}

// The last of all: it looks at what every scenario above has left.
TEST(ReadModels, OfEveryScenarioEqualARebuild) { expect_read_models_equal_a_rebuild(); }

}  // namespace
}  // namespace flowstack::e2e
