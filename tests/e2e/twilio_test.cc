#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>
#include <fstream>

#include "common/crypto/encoding.h"
#include "flowstack/gateway/v1/channel_service.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/media_service.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/gateway/v1/message_service.pb.h"
#include "tests/e2e/stack.h"
#include "tools/stack/logs.h"

// The product over Twilio, through the five real services: the sandbox speaks Twilio's REST and
// signs Twilio's webhooks with code of its own.
namespace flowstack::e2e {
namespace {

namespace json = boost::json;
using namespace stack;

class OverTwilio : public ::testing::Test {
protected:
    // A shop of this test's own whose only connection is Twilio's.
    void open(const std::string& unique) {
        shop = shop_for("twilio-" + unique);
        shop.channel_kind = "TWILIO";
        shop.phone_number_id = sender_for("twilio-" + unique);
        make_shop(shop, stack.environment, stack.api(), stack.sandbox());
        phone = std::make_unique<Phone>(stack.sandbox(), shop.phone_number_id,
                                        phone_for("twilio-" + unique), "Amina");
    }
    // The same with Meta's first and Twilio's beside it.
    void open_both(const std::string& unique) {
        shop = shop_for("twilio-" + unique);
        shop.twilio_number = sender_for("twilio-" + unique);
        make_shop(shop, stack.environment, stack.api(), stack.sandbox());
        phone = std::make_unique<Phone>(stack.sandbox(), shop.twilio_number,
                                        phone_for("twilio-" + unique), "Amina");
    }
    void fault(const json::object& effect) {
        stack.sandbox().post("/control/faults", json::object{{"provider", "twilio"},
                                                             {"number", shop.phone_number_id},
                                                             {"effect", effect}});
    }
    void sender(const json::object& members) {
        stack.sandbox().put("/control/senders/" + shop.phone_number_id, members);
    }
    int count(const std::string& service, const std::string& type) {
        return count_facts(stack.api(), service, shop.tenant, type);
    }
    gateway::v1::Message queue(const std::string& text, const std::string& purpose = "",
                               const std::string& channel = "") {
        gateway::v1::SendMessageRequest request;
        request.set_parent("tenants/" + shop.tenant);
        request.set_channel_id(channel);
        request.set_to(phone->number());
        request.set_purpose(purpose);
        request.mutable_content()->mutable_text()->set_body(text);
        return stack.api().call<gateway::v1::Message>("gateway", "MessageService/SendMessage",
                                                      request);
    }
    std::string state_of(const gateway::v1::Message& message) {
        gateway::v1::GetMessageRequest request;
        request.set_name("tenants/" + shop.tenant + "/messages/" + message.message_id());
        return stack.api()
            .call<gateway::v1::Message>("gateway", "MessageService/GetMessage", request)
            .state();
    }
    bool becomes(const gateway::v1::Message& message, const std::string& state) {
        const bool so = eventually([&] { return state_of(message) == state; });
        EXPECT_TRUE(so) << "it is " << state_of(message) << ", not " << state;
        return so;
    }
    // Of the shop's channels that kind's. Lists come after the facts.
    std::string channel(const std::string& kind) {
        std::string id;
        EXPECT_TRUE(eventually([&] {
            id = channels()[kind];
            return !id.empty();
        })) << kind;
        return id;
    }
    std::map<std::string, std::string> channels() {
        gateway::v1::ListChannelsRequest request;
        request.set_parent("tenants/" + shop.tenant);
        const auto page = stack.api().call<gateway::v1::ListChannelsResponse>(
            "gateway", "ChannelService/ListChannels", request);
        std::map<std::string, std::string> ids;
        for (const auto& channel : page.channels()) ids[channel.kind()] = channel.channel_id();
        return ids;
    }
    std::vector<gateway::v1::MessageReceived> received() {
        std::vector<gateway::v1::MessageReceived> all;
        for (const auto& event : events_of(stack.api(), "gateway", shop.tenant))
            if (short_type(event.type()) == "MessageReceived")
                all.emplace_back().ParseFromString(event.payload());
        return all;
    }

    Stack& stack = Stack::get();
    ShopSpec shop;
    std::unique_ptr<Phone> phone;
};

TEST_F(OverTwilio, ACustomerBuysByNumbers) {
    open("numbers");
    const auto purchase = buy(*phone, stack.sandbox(), {});
    EXPECT_NE(purchase.receipt_message.text.find("Premium Coffee"), std::string::npos);
    EXPECT_NE(purchase.receipt_message.text.find("Thank you"), std::string::npos);
    EXPECT_FALSE(purchase.invoice.text.empty());
    EXPECT_EQ(count("payment", "IntentPaid"), 1);
    EXPECT_EQ(count("payment", "NumberAssigned"), 1);
    // Nothing of it went through another provider.
    for (const auto& line : record_of(stack.sandbox(), "send_accepted", phone->number()))
        EXPECT_EQ(text_at(line, "provider"), "twilio");
    EXPECT_TRUE(eventually([&] { return count("gateway", "StatusReported") > 0; }));
    expect_right(shop);
}

TEST_F(OverTwilio, ACustomerBuysByTitles) {
    open("titles");
    phone->say("Habari");
    const auto greeting =
        phone->wait_for([](const ChatMessage& m) { return m.is_menu; }, "the greeting as a menu");
    ASSERT_EQ(greeting.buttons.size(), 2u);
    phone->say(greeting.buttons[0]);
    phone->wait_for([](const ChatMessage& m) { return m.buttons.size() >= 5; }, "the products");
    phone->say("Wild Honey");
    phone->wait_text("Wild Honey");
    phone->say("2");
    phone->wait_for([](const ChatMessage&) { return true; }, "the question for an address");
    phone->say("ruka");
    phone->wait_text("M-Pesa");
    phone->say("m-pesa");
    const auto prompt = phone->wait_prompt();
    finish(*phone, stack.sandbox(), prompt, "1234");
    EXPECT_EQ(count("payment", "IntentPaid"), 1);
    expect_right(shop);
}

TEST_F(OverTwilio, DuplicatesHaveOneEffect) {
    open("duplicates");
    phone->send({{"text", "Hi"}, {"copies", 16}});
    phone->wait_for([](const ChatMessage& m) { return m.is_menu; }, "the greeting");
    fault({{"statuses", {{"duplicates", 4}, {"reverse", true}}}});
    const auto message = queue("once");
    becomes(message, "READ");
    EXPECT_EQ(count("gateway", "MessageReceived"), 1);
    int greetings = 0;
    for (const auto& each : phone->chat())
        if (each.from_business && each.is_menu) ++greetings;
    EXPECT_EQ(greetings, 1);
    expect_right(shop);
}

TEST_F(OverTwilio, ALostAnswerIsUnknownUntilAStatusProvesIt) {
    open("lost");
    greet(*phone, "Hi");
    // No follow-up of the dialogue may meet a fault that is meant for one of these messages.
    phone->say("talk to a person");
    phone->wait_text("one of us will write");
    fault({{"cut", "after"}, {"statuses", {{"delay_ms", 2'000}}}});
    const auto message = queue("cut after it was taken");
    becomes(message, "UNKNOWN");
    becomes(message, "READ");
    EXPECT_EQ(record_of(stack.sandbox(), "send_accepted", phone->number()).size(), 3u);
    // Nothing proves the one whose statuses are lost too: it waits for a person, and is not sent
    // again.
    fault({{"cut", "after"}, {"statuses", {{"lose", true}}}});
    const auto silent = queue("and nobody says so");
    becomes(silent, "UNKNOWN");
    becomes(queue("what comes after it"), "READ");
    EXPECT_EQ(state_of(silent), "UNKNOWN");
    EXPECT_EQ(record_of(stack.sandbox(), "send_accepted", phone->number()).size(), 5u);
}

TEST_F(OverTwilio, RefusalsAreActedOnByTheirClass) {
    open("refusals");
    greet(*phone, "Hi");
    // Twilio is ill: tried again.
    fault({{"error", {{"code", "63012"}}}});
    becomes(queue("after an illness"), "READ");
    // Nothing helps it.
    fault({{"error", {{"code", "63024"}}}});
    becomes(queue("to nobody"), "FAILED");
    // The recipient refused at Twilio.
    fault({{"error", {{"code", "21610"}}}});
    becomes(queue("to one who said stop"), "SUPPRESSED");
    // What Twilio took and WhatsApp did not.
    fault({{"statuses", {{"fail", 63003}}}});
    becomes(queue("to one without WhatsApp"), "FAILED");
    // Outside of the window only a template may leave.
    sender({{"window_ms", 0}});
    becomes(queue("too late"), "SUPPRESSED");
}

TEST_F(OverTwilio, OnlyTheAccountsOwnTokenOpensTheDoor) {
    open("signatures");
    for (const auto* how : {"missing", "wrong", "other_body", "other_url", "secret:mock_auth_demo"})
        EXPECT_EQ(number_at(phone->send({{"text", "forged"}, {"signature", how}}), "http_status"),
                  401)
            << how;
    EXPECT_EQ(phone->say("Hi"), 200);
    phone->wait_for([](const ChatMessage& m) { return m.is_menu; }, "the greeting");
    EXPECT_EQ(count("gateway", "MessageReceived"), 1);
}

TEST_F(OverTwilio, ARotationOfTheTokenStopsNothing) {
    open("rotation");
    greet(*phone, "Hi");
    gateway::v1::RotateCredentialsRequest request;
    request.set_name("tenants/" + shop.tenant + "/channels/" + channel("TWILIO"));
    request.mutable_credentials()->set_access_token("mock_auth_second");
    stack.api().call<gateway::v1::Channel>("gateway", "ChannelService/RotateCredentials", request);
    // Twilio does not know the new one yet, signs with the old one, and is called with it.
    EXPECT_EQ(phone->say("menu"), 200);
    phone->wait_for([](const ChatMessage& m) { return m.is_menu; }, "the menu");
    // It is promoted: now it signs, and only it opens the account.
    sender({{"auth_token", "mock_auth_second"}});
    EXPECT_EQ(phone->say("menu"), 200);
    phone->wait_for([](const ChatMessage& m) { return m.is_menu; }, "the menu");
    // Twilio may still sign something with the one before.
    EXPECT_EQ(
        number_at(phone->send({{"text", "menu"}, {"signature", "secret:mock_auth_" + shop.tenant}}),
                  "http_status"),
        200);
}

TEST_F(OverTwilio, TheOldPathsTakeItsFormsToo) {
    open("paths");
    for (const auto* path : {"/whatsapp/webhook", "/webhooks/whatsapp"}) {
        sender({{"webhook_url", stack.environment.required("PUBLIC_BASE_URL") + path}});
        EXPECT_EQ(phone->say("Hi"), 200) << path;
        phone->wait_for([](const ChatMessage& m) { return m.is_menu; }, "the greeting");
    }
}

TEST_F(OverTwilio, EveryKindOfMessageIsReceived) {
    open("kinds");
    const auto say = [&](const json::object& message) {
        EXPECT_EQ(number_at(phone->send({{"message", message}}), "http_status"), 200);
    };
    say({{"MessageType", "image"}, {"NumMedia", "1"}, {"MediaUrl0", "https://m/1"}, {"Body", "a"}});
    say({{"MessageType", "location"},
         {"Latitude", "-1.26"},
         {"Longitude", "36.8"},
         {"Label", "Sarit"}});
    say({{"MessageType", "button"}, {"ButtonText", "Yes"}, {"ButtonPayload", "p"}});
    say({{"MessageType", "interactive"}, {"ListId", "r"}, {"ListTitle", "Tea"}});
    say({{"MessageType", "contacts"}});
    say({{"MessageType", "hologram"}});
    const auto all = received();
    ASSERT_EQ(all.size(), 6u);
    std::map<gateway::v1::InboundKind, int> kinds;
    for (const auto& one : all) {
        ++kinds[one.kind()];
        EXPECT_TRUE(one.choices_numbered());
        EXPECT_EQ(one.personal().phone(), phone->number());
    }
    for (const auto kind :
         {gateway::v1::INBOUND_KIND_MEDIA, gateway::v1::INBOUND_KIND_LOCATION,
          gateway::v1::INBOUND_KIND_BUTTON, gateway::v1::INBOUND_KIND_LIST_ROW,
          gateway::v1::INBOUND_KIND_CONTACTS, gateway::v1::INBOUND_KIND_UNSUPPORTED})
        EXPECT_EQ(kinds[kind], 1) << gateway::v1::InboundKind_Name(kind);
}

TEST_F(OverTwilio, FilesAreFetchedAndServed) {
    open("files");
    stack.sandbox().post("/control/faults",
                         json::object{{"provider", "twilio"},
                                      {"call", "media"},
                                      {"number", shop.phone_number_id},
                                      {"times", 1},
                                      {"effect", {{"error", {{"code", 20500}, {"http", 503}}}}}});
    const std::string bytes = "%PDF-1.4 a receipt";
    phone->send({{"file", json::object{{"kind", "document"},
                                       {"mime_type", "application/pdf"},
                                       {"base64", crypto::base64_encode(bytes)},
                                       {"caption", "my receipt"}}}});
    gateway::v1::ListMediaRequest request;
    request.set_parent("tenants/" + shop.tenant);
    gateway::v1::ListMediaResponse page;
    ASSERT_TRUE(eventually([&] {
        page = stack.api().call<gateway::v1::ListMediaResponse>("gateway", "MediaService/ListMedia",
                                                                request);
        return page.media_size() == 1 && page.media(0).state() == "STORED";
    }));
    EXPECT_EQ(page.media(0).mime_type(), "application/pdf");
    const auto answer = stack.sandbox().http().send(
        "GET",
        "http://" + stack.environment.required("GATEWAY_0_HTTP") + "/v1/" + page.media(0).name() +
            ":content",
        "", {{"Authorization", "Bearer " + stack.environment.required("ADMIN_KEY")}});
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, bytes);
    EXPECT_EQ(count("gateway", "MediaFetchFailed"), 1);
    EXPECT_EQ(count("gateway", "MediaFetched"), 1);
}

TEST_F(OverTwilio, AStopAtOneConnectionHoldsAtTheOther) {
    open_both("both");
    // The customer writes to both connections: one person.
    Phone at_meta(stack.sandbox(), shop.phone_number_id, phone->number(), "Amina");
    greet(at_meta, "Hi");
    EXPECT_EQ(phone->say("menu"), 200);
    // The conversation goes on where the customer writes.
    phone->wait_for([](const ChatMessage& m) { return m.is_menu; }, "the menu over Twilio");
    EXPECT_EQ(count("gateway", "ContactSeen"), 1);
    EXPECT_EQ(count("conversation", "ConversationOpened"), 1);

    EXPECT_EQ(phone->say("STOP"), 200);
    // Each changes two consents: for marketing and for utility.
    ASSERT_TRUE(eventually([&] { return count("gateway", "ConsentChanged") == 2; }));
    becomes(queue("an offer over Meta", "marketing", channel("META_CLOUD")), "SUPPRESSED");
    becomes(queue("an offer over Twilio", "marketing", channel("TWILIO")), "SUPPRESSED");
    // And the other way round.
    at_meta.say("START");
    ASSERT_TRUE(eventually([&] { return count("gateway", "ConsentChanged") == 4; }));
    at_meta.say("STOP");
    ASSERT_TRUE(eventually([&] { return count("gateway", "ConsentChanged") == 6; }));
    becomes(queue("another offer over Twilio", "marketing", channel("TWILIO")), "SUPPRESSED");
}

TEST_F(OverTwilio, AChannelIsConnectedByTheCommandLine) {
    open("command-line");
    const auto file = "/tmp/twilio-token-" + std::to_string(getpid());
    std::ofstream(file) << "mock_auth_cli";
    const auto account = "AC" + std::string(32, 'a');
    const auto number = sender_for("twilio-cli");
    const auto fields = [&](const std::string& more) {
        return "channels connect --tenant " + shop.tenant + " --token-file " + file +
               " channel.kind=TWILIO " + more;
    };
    const auto wrong =
        stack.flowctl(fields("channel.external_id=14155230000 "
                             "channel.business_account_id=AC1"));
    EXPECT_NE(wrong.code, 0);
    EXPECT_NE(wrong.err.find("external_id"), std::string::npos) << wrong.err;
    EXPECT_NE(wrong.err.find("business_account_id"), std::string::npos) << wrong.err;
    const auto good = stack.flowctl(
        fields("channel.external_id=" + number + " channel.business_account_id=" + account));
    EXPECT_EQ(good.code, 0) << good.err;
    const auto taken = stack.flowctl(
        fields("channel.external_id=" + number + " channel.business_account_id=" + account));
    EXPECT_NE(taken.code, 0);
    EXPECT_EQ(good.out.find("mock_auth_cli"), std::string::npos);
    EXPECT_EQ(good.err.find("mock_auth_cli"), std::string::npos);
    std::remove(file.c_str());
}

// An operator reads a status again from the raw webhook: its callback data stood in the URL.
TEST_F(OverTwilio, RawWebhooksAreReadAgainAsTheyCame) {
    open("reread");
    greet(*phone, "Hi");
    becomes(queue("to be read"), "READ");
    const auto reread = stack.flowctl("webhooks reread --since 2020-01-01 --dry-run");
    EXPECT_EQ(reread.code, 0) << reread.err;
    EXPECT_NE(reread.err.find("0 missing (dry run)"), std::string::npos) << reread.err;
}

}  // namespace
}  // namespace flowstack::e2e
