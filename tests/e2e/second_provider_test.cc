#include <algorithm>
#include <boost/json.hpp>
#include <sstream>

#include "tests/e2e/stack.h"
#include "tests/support/echo_phone.h"
#include "tools/stack/logs.h"

// A whole purchase through the five real services, none of whose messages goes through Meta: the
// customer's telephone speaks the wire of tests/support/echo_provider.h. Only gateway's list of
// providers differs from what is delivered (echo_gateway.cc).
namespace flowstack::e2e {
namespace {

using namespace stack;
using flowstack::testing::EchoPhone;
using Message = EchoPhone::Message;

EchoPhone& telephone() {
    static EchoPhone phone{Secret("seal-of-the-second-provider")};
    return phone;
}

const bool kConfigured =
    Stack::configure({.settings = "ECHO_URL=" + telephone().url() +
                                  "\nECHO_SECRET=" + telephone().secret().reveal() + "\n",
                      .programs = {{"flowstack-gateway", "echo_gateway"}}});

class SecondProvider : public ::testing::Test {
protected:
    SecondProvider() {
        shop = shop_for("second-provider");
        shop.channel_kind = "ECHO";
        shop.phone_number_id = "echo-" + shop.tenant;
        make_shop(shop, stack.environment, stack.api(), stack.sandbox());
    }

    void report(const std::string& body) {
        const auto answer = stack.sandbox().http().send(
            "POST", stack.environment.required("PUBLIC_BASE_URL") + "/webhooks/echo", body,
            {{"Echo-Seal", telephone().seal(body)}});
        ASSERT_EQ(answer.status, 200) << answer.error << answer.body;
    }
    void say(const std::string& text) {
        report(telephone().say(shop.phone_number_id, customer, text));
    }
    void tap(const EchoPhone::Choice& button) {
        report(telephone().tap(shop.phone_number_id, customer, button));
    }
    static EchoPhone::Choice titled(const std::vector<EchoPhone::Choice>& choices,
                                    const std::string& title) {
        const auto found = std::ranges::find(choices, title, &EchoPhone::Choice::title);
        if (found == choices.end()) throw std::runtime_error("nothing is called " + title);
        return *found;
    }
    static Message wait_text(const std::string& part) {
        return telephone().wait_for(
            [&](const Message& m) { return m.text.find(part) != std::string::npos; },
            "message with \"" + part + "\"");
    }
    int count(const std::string& service, const std::string& type) {
        int found = 0;
        for (const auto& event : events_of(stack.api(), service, shop.tenant))
            if (short_type(event.type()) == type) ++found;
        return found;
    }

    // Rows of flowctl's answer.
    std::vector<boost::json::value> rows(const std::string& arguments) {
        const auto said = stack.flowctl("-o jsonl " + arguments);
        EXPECT_EQ(said.code, 0) << arguments << ": " << said.err;
        std::vector<boost::json::value> rows;
        std::istringstream lines(said.out);
        for (std::string line; std::getline(lines, line);) rows.push_back(boost::json::parse(line));
        return rows;
    }

    Stack& stack = Stack::get();
    ShopSpec shop;
    std::string customer = phone_for("second-provider");
};

TEST_F(SecondProvider, CarriesAPurchaseFromTheFirstWordToTheReceipt) {
    say("Hi");
    const auto greeting = telephone().wait_for(
        [](const Message& m) { return m.buttons.size() >= 2; }, "greeting with its buttons");
    EXPECT_EQ(greeting.number, shop.phone_number_id);
    EXPECT_EQ(greeting.to, customer);
    tap(greeting.buttons.front());
    const auto products =
        telephone().wait_for([](const Message& m) { return !m.rows.empty(); }, "list of products");
    report(
        telephone().pick(shop.phone_number_id, customer, titled(products.rows, "Premium Coffee")));
    wait_text("Premium Coffee");
    say("2");
    telephone().wait_for([](const Message&) { return true; }, "question for an address");
    say("Kilimani, Argwings Kodhek Rd 12");
    const auto summary = telephone().wait_for(
        [](const Message& m) {
            return std::ranges::count(m.buttons, "M-Pesa", &EchoPhone::Choice::title) == 1;
        },
        "summary with its payment buttons");
    tap(titled(summary.buttons, "M-Pesa"));

    // The payment is M-Pesa's: what the customer writes through has nothing to do with it.
    Phone payer(stack.sandbox(), "", customer, "");
    const auto prompt = payer.wait_prompt();
    payer.answer_prompt(prompt.id, "1234");
    std::string receipt;
    ASSERT_TRUE(eventually([&] {
        const auto made = record_of(stack.sandbox(), "payment_made", customer);
        if (!made.empty()) receipt = text_at(made.back(), "receipt");
        return !receipt.empty();
    }));
    const auto thanks = wait_text(receipt);
    EXPECT_NE(thanks.text.find("Premium Coffee"), std::string::npos) << thanks.text;

    EXPECT_TRUE(std::ranges::any_of(telephone().received(), [](const Message& m) {
        return m.text.find("INV-") != std::string::npos;
    })) << "no invoice came";
    EXPECT_EQ(count("payment", "IntentPaid"), 1);
    EXPECT_EQ(count("payment", "NumberAssigned"), 1);
    EXPECT_TRUE(eventually([&] {
        return count("gateway", "SendAccepted") == static_cast<int>(telephone().received().size());
    })) << "each message that the phone has is one that gateway sent once";
    EXPECT_TRUE(record_of(stack.sandbox(), "send_accepted", customer).empty());

    // What became of the receipt comes back through the same provider.
    report(EchoPhone::fate(thanks, "delivered"));
    EXPECT_TRUE(eventually([&] { return count("gateway", "StatusReported") == 1; }));
}

// Its webhook was quarantined while nobody had the number. An operator reads it again afterwards,
// and the customer is answered.
TEST_F(SecondProvider, ANumberThatIsConnectedLateIsGivenItsPastByAnOperator) {
    const std::string number = "echo-late";
    report(telephone().say(number, customer, "Hi"));
    const auto listed = rows("webhooks list -n 500");
    std::string name;
    for (const auto& webhook : listed) {
        if (text_at(webhook, "provider") != "echo") continue;
        const auto shown = stack.flowctl("webhooks get " + text_at(webhook, "name"));
        EXPECT_EQ(shown.code, 0) << shown.err;
        if (shown.out.find(number) == std::string::npos) continue;
        name = text_at(webhook, "name");
        EXPECT_NE(shown.out.find("quarantined"), std::string::npos) << shown.out;
    }
    ASSERT_FALSE(name.empty());

    auto late = shop_for("second-provider-late");
    late.channel_kind = "ECHO";
    late.phone_number_id = number;
    make_shop(late, stack.environment, stack.api(), stack.sandbox());
    const auto dry = stack.flowctl("webhooks reread --dry-run " + name);
    EXPECT_EQ(dry.code, 0) << dry.err;
    EXPECT_NE(dry.err.find("1 missing (dry run)"), std::string::npos) << dry.err;
    const auto reread = stack.flowctl("webhooks reread " + name);
    EXPECT_EQ(reread.code, 0) << reread.err;
    EXPECT_NE(reread.err.find("1 appended"), std::string::npos) << reread.err;
    EXPECT_EQ(
        telephone().wait_for([&](const Message& m) { return m.number == number; }, "greeting").to,
        customer);
    const auto again = stack.flowctl("webhooks reread " + name);
    EXPECT_NE(again.err.find("0 appended"), std::string::npos) << again.err;
}

}  // namespace
}  // namespace flowstack::e2e
