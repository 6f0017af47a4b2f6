#include <algorithm>
#include <boost/json.hpp>

#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/ledger_service.pb.h"
#include "tests/e2e/stack.h"
#include "tools/stack/logs.h"

// A customer pays by card, through the five real services: the sandbox speaks Stripe's Checkout and
// signs its webhooks with code of its own.
namespace flowstack::e2e {
namespace {

namespace json = boost::json;
using namespace stack;

class ByCard : public ::testing::Test {
protected:
    void open(const std::string& unique, const std::string& kind = "META_CLOUD") {
        shop = shop_for("card-" + unique);
        shop.cards = true;
        shop.channel_kind = kind;
        if (kind == "TWILIO") shop.phone_number_id = sender_for("card-" + unique);
        make_shop(shop, stack.environment, stack.api(), stack.sandbox());
        phone = std::make_unique<Phone>(stack.sandbox(), shop.phone_number_id,
                                        phone_for("card-" + unique), "Amina");
    }
    // What happens to the next page of this shop, and to its webhooks.
    void fault(const json::object& effect, int times = 1) {
        stack.sandbox().post("/control/faults", json::object{{"provider", "stripe"},
                                                             {"call", "sessions"},
                                                             {"shortcode", stripe_account(shop)},
                                                             {"times", times},
                                                             {"effect", effect}});
    }
    std::string to_page() {
        to_summary(*phone, {});
        return pay_by_card(*phone, stack.sandbox());
    }
    int count(const std::string& service, const std::string& type) {
        return count_facts(stack.api(), service, shop.tenant, type);
    }
    std::size_t recorded(const std::string& kind) {
        std::size_t found = 0;
        for (const auto& line : record_of(stack.sandbox(), kind))
            if (text_at(line, "provider") == "stripe" &&
                text_at(line, "shortcode") == stripe_account(shop))
                ++found;
        return found;
    }
    void expect_paid_once() {
        EXPECT_TRUE(eventually([&] { return count("payment", "InvoicePaid") == 1; }));
        EXPECT_EQ(count("payment", "IntentPaid"), 1);
        payment::v1::GetTrialBalanceRequest request;
        request.set_parent("tenants/" + shop.tenant);
        payment::v1::TrialBalance balance;
        // The sums are a read model, which is a moment behind.
        EXPECT_TRUE(eventually([&] {
            balance = stack.api().call<payment::v1::TrialBalance>(
                "payment", "LedgerService/GetTrialBalance", request);
            return std::ranges::any_of(balance.lines(), [](const auto& line) {
                return line.account() == "clearing:stripe" &&
                       line.balance().minor_units() == 348'000;
            });
        })) << "two coffees and the tax: "
            << balance.ShortDebugString();
        EXPECT_TRUE(balance.balanced());
    }

    Stack& stack = Stack::get();
    ShopSpec shop;
    std::unique_ptr<Phone> phone;
};

TEST_F(ByCard, ACustomerPaysOnThePageAndGetsTheReceipt) {
    open("happy");
    const auto purchase = buy(*phone, stack.sandbox(), {.pay = "card"});
    EXPECT_TRUE(purchase.receipt.starts_with("pi_"));
    EXPECT_NE(purchase.receipt_message.text.find("Premium Coffee"), std::string::npos);
    expect_paid_once();
    bool button = false;
    for (const auto& sent : record_of(stack.sandbox(), "send_accepted", phone->number())) {
        const auto body = json::serialize(sent);
        button = button || (body.find("cta_url") != std::string::npos &&
                            body.find("Pay by card") != std::string::npos);
    }
    EXPECT_TRUE(button) << "the page is opened with a button";
}

TEST_F(ByCard, WhereThereAreNoLinkButtonsThePageComesAsText) {
    open("twilio", "TWILIO");
    finish_by_card(*phone, stack.sandbox(), to_page());
    expect_paid_once();
}

TEST_F(ByCard, ADeclinedCardIsTriedAgainOnThePage) {
    open("declined");
    const auto page = to_page();
    on_page(stack.sandbox(), page, "decline");
    finish_by_card(*phone, stack.sandbox(), page);
    expect_paid_once();
}

TEST_F(ByCard, APageThatWasClosedIsSaidAndANewOnePays) {
    open("closed");
    on_page(stack.sandbox(), to_page(), "expire");
    const auto failed = phone->wait_text("was closed before");
    ASSERT_FALSE(failed.buttons.empty());
    EXPECT_EQ(count("payment", "IntentFailed"), 1);
}

TEST_F(ByCard, WithEveryWebhookLostQueriesFindOut) {
    open("lost");
    fault({{"callback", {{"lose", true}}}}, 0);
    finish_by_card(*phone, stack.sandbox(), to_page());
    EXPECT_EQ(recorded("callback_sent"), 0u);
    expect_paid_once();
}

TEST_F(ByCard, AWebhookThatComesTwiceBooksOnce) {
    open("twice");
    fault({{"callback", {{"duplicates", 3}}}});
    finish_by_card(*phone, stack.sandbox(), to_page());
    EXPECT_TRUE(eventually([&] { return recorded("callback_sent") >= 4; }));
    expect_paid_once();
}

TEST_F(ByCard, AWebhookBeforeTheAnswerIsBound) {
    open("early");
    fault({{"latency_ms", 500}, {"callback", {{"before_answer", true}}}});
    to_summary(*phone, {});
    phone->tap("Card");
    phone->wait_text("Thank you");
    expect_paid_once();
}

TEST_F(ByCard, AForgedWebhookPaysNothingAndTheRealOneDoes) {
    open("forged");
    fault({{"callback", {{"forge", "wrong_signature"}}}});
    finish_by_card(*phone, stack.sandbox(), to_page());
    EXPECT_TRUE(eventually([&] { return recorded("callback_sent") >= 2; }));
    expect_paid_once();
    EXPECT_EQ(count("payment", "CallbackReceived"), 1);
}

TEST_F(ByCard, AnotherAmountIsQuarantinedNotBooked) {
    open("amount");
    fault({{"callback", {{"amount", "100"}}}});
    on_page(stack.sandbox(), to_page(), "pay");
    EXPECT_TRUE(eventually([&] { return count("payment", "IntentQuarantined") >= 1; }));
    phone->wait_text("do not pay it again");
    EXPECT_EQ(count("payment", "IntentPaid"), 0);
}

TEST_F(ByCard, AnotherTenantsEndpointPaysNothing) {
    open("victim");
    const auto page = to_page();
    auto stranger = shop_for("card-stranger");
    stranger.cards = true;
    make_shop(stranger, stack.environment, stack.api(), stack.sandbox());
    // From now on the sandbox signs the shop's events as the stranger's.
    stack.sandbox().put(
        "/control/accounts/" + stripe_account(shop),
        json::object{{"webhook_secret", stripe_secret(stranger)},
                     {"webhook_url", stack.environment.required("PAYMENT_PUBLIC_BASE_URL") +
                                         "/webhooks/stripe/" + stranger.tenant}});
    on_page(stack.sandbox(), page, "pay");
    EXPECT_TRUE(eventually([&] {
        return count_facts(stack.api(), "payment", stranger.tenant, "CallbackUnmatched") == 1;
    }));
    EXPECT_EQ(count("payment", "CallbackReceived"), 0);
    // The query finds the money all the same.
    EXPECT_TRUE(eventually([&] { return count("payment", "IntentPaid") == 1; }));
}

TEST_F(ByCard, WhenTheAnswerIsLostTheSameKeyBringsThePage) {
    open("cut");
    fault({{"cut", "after"}});
    finish_by_card(*phone, stack.sandbox(), to_page());
    EXPECT_EQ(recorded("checkout_created"), 1u);
    expect_paid_once();
}

// The last of all: it looks at what every scenario above has left.
TEST(ReadModelsOfCards, EqualARebuild) { expect_read_models_equal_a_rebuild(); }

}  // namespace
}  // namespace flowstack::e2e
