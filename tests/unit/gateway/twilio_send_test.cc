#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <mutex>

#include "common/crypto/encoding.h"
#include "common/http/server.h"
#include "common/http/url.h"
#include "services/gateway/providers/menu.h"
#include "services/gateway/providers/twilio/credentials.h"
#include "services/gateway/providers/twilio/errors.h"
#include "services/gateway/providers/twilio/renderer.h"
#include "services/gateway/providers/twilio/twilio.h"
#include "tests/unit/gateway/meta_contents.h"

namespace flowstack::gateway::twilio {
namespace {

using common::v1::MessageContent;

const std::string kAccount = "AC00000000000000000000000000000001";
const std::string kKey = "SK00000000000000000000000000000001";
const std::string kContent = "HX00000000000000000000000000000001";

MessageContent text(std::string body) {
    MessageContent content;
    content.mutable_text()->set_body(std::move(body));
    return content;
}
MessageContent buttons(const std::vector<std::string>& titles, std::string body = "How?") {
    MessageContent content;
    content.mutable_buttons()->set_body(std::move(body));
    for (const auto& title : titles) content.mutable_buttons()->add_titles(title);
    return content;
}
MessageContent list(int rows) {
    MessageContent content;
    auto& l = *content.mutable_list();
    l.set_body("Choose");
    l.set_button("Open");
    for (int n = 0; n < rows; ++n) {
        l.add_rows()->set_title("Product " + std::to_string(n));
        l.mutable_rows(n)->set_description("KES " + std::to_string(n));
    }
    return content;
}
MessageContent hsm(const std::string& name, const std::vector<std::string>& values) {
    MessageContent content;
    content.mutable_template_()->set_name(name);
    content.mutable_template_()->set_language_code("en");
    for (const auto& value : values) content.mutable_template_()->add_body_parameters(value);
    return content;
}
MessageContent picture(const std::string& link, const std::string& caption = "") {
    MessageContent content;
    content.mutable_media()->set_kind("image");
    content.mutable_media()->set_link(link);
    content.mutable_media()->set_caption(caption);
    return content;
}
std::vector<std::string> fields(const MessageContent& content) {
    std::vector<std::string> found;
    for (const auto& fault : faults_of(content)) found.push_back(fault.field);
    return found;
}
using Fields = std::vector<std::string>;

// ---------------------------------------------------------------- contents

TEST(TwilioRenderer, SendsEveryContentAsTwilioTakesIt) {
    EXPECT_EQ(http::encode_form(content_fields(text("Habari 🙏"))), "Body=Habari%20%F0%9F%99%8F");
    EXPECT_EQ(http::encode_form(content_fields(hsm(kContent, {"Asha", "ORD-1"}))),
              "ContentSid=" + kContent +
                  "&ContentVariables=%7B%221%22%3A%22Asha%22%2C%222%22%3A%22ORD-1%22%7D");
    EXPECT_EQ(http::encode_form(content_fields(hsm(kContent, {}))), "ContentSid=" + kContent);
    EXPECT_EQ(http::encode_form(content_fields(picture("https://x.example/a.jpg"))),
              "MediaUrl=https%3A%2F%2Fx.example%2Fa.jpg");
    EXPECT_EQ(content_fields(picture("https://x.example/a.jpg", "Look")).at(1),
              (std::pair<std::string, std::string>("Body", "Look")));
}

TEST(TwilioRenderer, TurnsButtonsAndListsIntoANumberedMenu) {
    auto content = buttons({"View Products", "View Promotions"}, "Welcome");
    EXPECT_EQ(content_fields(content).at(0).second,
              "Welcome\n\n1. View Products\n2. View Promotions");
    content.mutable_buttons()->set_header("Duka");
    content.mutable_buttons()->set_footer("Open until 6");
    EXPECT_EQ(as_words(content),
              "Duka\n\nWelcome\n\n1. View Products\n2. View Promotions\n\nOpen until 6");
    auto rows = list(2);
    EXPECT_EQ(as_words(rows), "Choose\n\n1. Product 0 – KES 0\n2. Product 1 – KES 1");
    rows.mutable_list()->set_section_title("Today");
    rows.mutable_list()->mutable_rows(0)->clear_description();
    EXPECT_EQ(as_words(rows), "Choose\n\nToday\n1. Product 0\n2. Product 1 – KES 1");
    EXPECT_EQ(as_words(picture("https://x")), "");
    EXPECT_EQ(as_words(hsm(kContent, {})), "");
}

TEST(TwilioRenderer, NamesTheFieldThatTwilioWouldRefuse) {
    EXPECT_EQ(fields(text("x")), Fields{});
    EXPECT_EQ(fields(text(std::string(1600, 'x'))), Fields{});
    EXPECT_EQ(fields(text(std::string(1601, 'x'))), Fields{"content.text.body"});
    EXPECT_EQ(fields(text("")), Fields{"content.text.body"});
    EXPECT_EQ(fields(buttons({"a", "b", "c"})), Fields{});
    EXPECT_EQ(fields(buttons({"a", "b", "c", "d"})), Fields{"content.buttons.titles"});
    EXPECT_EQ(fields(buttons({})), Fields{"content.buttons.titles"});
    EXPECT_EQ(fields(buttons({"a", "a"})), Fields{"content.buttons.titles[1]"});
    // It is the menu that must fit, not the body alone.
    EXPECT_EQ(fields(buttons({"ab"}, std::string(1600 - 7, 'x'))), Fields{});
    EXPECT_EQ(fields(buttons({"abc"}, std::string(1600 - 7, 'x'))), Fields{"content.buttons.body"});
    EXPECT_EQ(fields(list(10)), Fields{});
    EXPECT_EQ(fields(list(11)), Fields{"content.list.rows"});
    auto long_list = list(1);
    long_list.mutable_list()->set_body(std::string(1600, 'x'));
    EXPECT_EQ(fields(long_list), Fields{"content.list.body"});
    EXPECT_EQ(fields(hsm(kContent, {"a"})), Fields{});
    EXPECT_EQ(fields(hsm("order_ready", {"a"})), Fields{"content.template.name"});
    EXPECT_EQ(fields(hsm(kContent, {""})), Fields{"content.template.body_parameters[0]"});
    EXPECT_EQ(fields(hsm(kContent, {"a\nb"})), Fields{"content.template.body_parameters[0]"});
    EXPECT_EQ(fields(hsm(kContent, std::vector<std::string>(101, "a"))),
              Fields{"content.template.body_parameters"});
    EXPECT_EQ(fields(picture("https://x.example/a.jpg", "c")), Fields{});
    EXPECT_EQ(fields(picture("ftp://x")), Fields{"content.media.link"});
    auto odd = picture("https://x");
    odd.mutable_media()->set_kind("hologram");
    EXPECT_EQ(fields(odd), Fields{"content.media.kind"});
    EXPECT_EQ(fields(MessageContent()), Fields{"content"});
}

// Every kind of content either leaves in words, or is refused at the door with its own field.
TEST(TwilioRenderer, CarriesOrRefusesEveryKindOfContent) {
    int carried = 0;
    for (const auto& content : meta::every_content()) {
        const auto faults = faults_of(content);
        const auto rendered = content_fields(content);
        if (faults.empty()) {
            EXPECT_FALSE(rendered.empty()) << content.DebugString();
            ++carried;
        } else {
            for (const auto& fault : faults)
                EXPECT_THAT(fault.field, ::testing::StartsWith("content."))
                    << content.DebugString();
        }
    }
    EXPECT_GT(carried, 5);
}

TEST(TwilioRenderer, SaysInWordsWhatItHasNoFormFor) {
    EXPECT_EQ(as_words(meta::location_content()),
              "Duka la Asha\nMoi Avenue\nhttps://maps.google.com/?q=-1.286389,36.817223");
    EXPECT_EQ(as_words(meta::contacts_content()),
              "Asha Mwangi, Duka\n+254 712 345678\nasha@duka.example\nhttps://duka.example");
    MessageContent link;
    link.mutable_link_button()->set_body("Track your order");
    link.mutable_link_button()->set_title("Open");
    link.mutable_link_button()->set_url("https://duka.example/t/1");
    EXPECT_EQ(as_words(link), "Track your order\n\nOpen: https://duka.example/t/1");
    EXPECT_EQ(fields(link), Fields{});
    link.mutable_link_button()->set_url("javascript:alert(1)");
    EXPECT_EQ(fields(link), Fields{"content.link_button.url"});
    auto rows = list(2);
    rows.mutable_list()->set_header("Duka");
    rows.mutable_list()->set_footer("Open until 6");
    rows.mutable_list()->set_section_title("Today");
    rows.mutable_list()->mutable_rows(1)->set_section_title("Tomorrow");
    EXPECT_EQ(as_words(rows),
              "Duka\n\nChoose\n\nToday\n1. Product 0 – KES 0\n\nTomorrow\n2. Product 1 – KES 1\n\n"
              "Open until 6");
}

TEST(TwilioRenderer, RefusesPartsThatTwilioCannotCarry) {
    auto answer = text("Yes");
    answer.set_reply_to("SM1");
    EXPECT_EQ(fields(answer), Fields{"content.reply_to"});
    auto file = picture("");
    file.mutable_media()->set_media_id(meta::kMediaId);
    EXPECT_EQ(fields(file), Fields{"content.media.media_id"});
    auto headed = buttons({"a"});
    headed.mutable_buttons()->mutable_header_media()->set_link("https://x.example/a.jpg");
    EXPECT_EQ(fields(headed), Fields{"content.buttons.header_media"});
    auto named = hsm(kContent, {});
    named.mutable_template_()->add_named_body_parameters()->set_name("first");
    named.mutable_template_()->add_buttons();
    EXPECT_EQ(fields(named),
              (Fields{"content.template.named_body_parameters", "content.template.buttons"}));
}

// ---------------------------------------------------------------- answers

Refused refusal(int status, const std::string& body) {
    const auto outcome = read_send_answer(status, body);
    if (const auto* refused = std::get_if<Refused>(&outcome)) return *refused;
    ADD_FAILURE() << body << " is no refusal";
    return {};
}

TEST(TwilioAnswer, OfAMessageThatWasTakenHasItsSid) {
    const auto outcome =
        read_send_answer(201, R"({"sid":"SM1","status":"queued","error_code":null})");
    ASSERT_TRUE(std::holds_alternative<Accepted>(outcome));
    EXPECT_EQ(std::get<Accepted>(outcome).provider_message_id, "SM1");
}

TEST(TwilioAnswer, OfARefusalIsClassifiedByItsCode) {
    struct Case {
        int code;
        ErrorClass error_class;
    };
    for (const auto& c : {Case{20003, ErrorClass::unauthorised},
                          {20429, ErrorClass::busy},
                          {21211, ErrorClass::rejected},
                          {21606, ErrorClass::needs_operator},
                          {21608, ErrorClass::rejected},
                          {21610, ErrorClass::opted_out},
                          {30001, ErrorClass::busy},
                          {30002, ErrorClass::account_blocked},
                          {30003, ErrorClass::rejected},
                          {30008, ErrorClass::wait},
                          {63001, ErrorClass::needs_operator},
                          {63003, ErrorClass::rejected},
                          {63005, ErrorClass::rejected},
                          {63007, ErrorClass::needs_operator},
                          {63012, ErrorClass::provider_ill},
                          {63013, ErrorClass::rejected},
                          {63015, ErrorClass::rejected},
                          {63016, ErrorClass::window_closed},
                          {63017, ErrorClass::busy},
                          {63018, ErrorClass::too_fast},
                          {63019, ErrorClass::rejected},
                          {63020, ErrorClass::rejected},
                          {63021, ErrorClass::rejected},
                          {63022, ErrorClass::rejected},
                          {63023, ErrorClass::wait},
                          {63024, ErrorClass::rejected},
                          {63025, ErrorClass::rejected},
                          {63027, ErrorClass::rejected},
                          {63028, ErrorClass::rejected},
                          {63029, ErrorClass::rejected},
                          {63030, ErrorClass::rejected},
                          {63032, ErrorClass::rejected},
                          {63038, ErrorClass::wait},
                          {63049, ErrorClass::wait},
                          {63051, ErrorClass::account_blocked},
                          {99999, ErrorClass::rejected}}) {
        const auto error =
            refusal(400, R"({"code":)" + std::to_string(c.code) +
                             R"(,"message":"Why","more_info":"https://t/docs","status":400})")
                .error;
        EXPECT_EQ(error.error_class, c.error_class) << c.code;
        EXPECT_EQ(error.code, std::to_string(c.code));
        EXPECT_EQ(error.title, "Why");
        EXPECT_EQ(error.details, "https://t/docs");
        // Whoever must wait is told how long.
        EXPECT_EQ(error.retry_after.count() > 0, c.error_class == ErrorClass::wait ||
                                                     c.error_class == ErrorClass::unauthorised ||
                                                     c.error_class == ErrorClass::needs_operator)
            << c.code;
    }
}

TEST(TwilioAnswer, OfTheDoorInFrontIsARefusalToo) {
    EXPECT_EQ(refusal(401, "").error.error_class, ErrorClass::unauthorised);
    EXPECT_EQ(refusal(403, "<html>").error.error_class, ErrorClass::unauthorised);
    EXPECT_EQ(refusal(429, "").error.error_class, ErrorClass::busy);
    EXPECT_EQ(refusal(404, "").error.error_class, ErrorClass::rejected);
    EXPECT_EQ(refusal(429, R"({"code":20429,"message":"Too many requests"})").error.code, "20429");
}

TEST(TwilioAnswer, ThatProvesNothingIsLost) {
    for (const auto& [status, body] : {std::pair<int, std::string>(201, "{}"),
                                       {201, "<html>"},
                                       {200, R"({"sid":"SM1"})"},
                                       {500, R"({"code":20500,"message":"Internal Server Error"})"},
                                       {502, ""},
                                       {302, ""}})
        EXPECT_TRUE(std::holds_alternative<Lost>(read_send_answer(status, body)))
            << status << " " << body;
}

// ---------------------------------------------------------------- a channel

class NoChannels final : public ConnectedChannels {
public:
    std::optional<ConnectedChannel> connected(std::string_view, std::string_view) const override {
        return std::nullopt;
    }
};

class TwilioCalls : public ::testing::Test {
protected:
    TwilioCalls()
        : server({}, [this](const http::Request& request, const http::Responder& responder) {
              responder.send(answer_to(request));
          }) {
        server.start();
        twilio = std::make_unique<Twilio>(
            client, channels,
            TwilioOptions{.base_url = "http://127.0.0.1:" + std::to_string(server.port()),
                          .public_base_url = "https://flow.example.com"});
    }
    // The next answers of Twilio; after them every message is taken.
    void answer_with(std::vector<http::Response> next) {
        const std::lock_guard lock(mutex);
        answers = std::move(next);
    }
    http::Response answer_to(const http::Request& request) {
        const std::lock_guard lock(mutex);
        requests.push_back(request);
        if (answers.empty()) return http::Response::json(201, R"({"sid":"SM1"})");
        auto answer = std::move(answers.front());
        answers.erase(answers.begin());
        return answer;
    }
    Outcome send(const std::string& credentials, const std::string& previous = "",
                 const std::string& channel = "+14155238886") {
        OutboundCall call;
        call.channel_external_id = channel;
        call.business_account_id = kAccount;
        call.credentials = Secret(credentials);
        call.previous_credentials = Secret(previous);
        call.content = text("Hi");
        call.to = "+255712345678";
        call.message_id = "m1";
        call.callback_data = "t/1.m1";
        call.not_after = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        std::promise<Outcome> outcome;
        twilio->send(std::move(call), [&](Outcome o) { outcome.set_value(std::move(o)); });
        return outcome.get_future().get();
    }
    static std::string basic(const std::string& user) {
        return "Basic " + crypto::base64_encode(user);
    }

    NoChannels channels;
    std::mutex mutex;
    std::vector<http::Request> requests;
    std::vector<http::Response> answers;
    http::Server server;
    http::Client client;
    std::unique_ptr<Twilio> twilio;
};

TEST_F(TwilioCalls, CarryTheCallbackDataInTheAddressOfTheStatuses) {
    const auto outcome = send("token");
    ASSERT_TRUE(std::holds_alternative<Accepted>(outcome));
    ASSERT_EQ(requests.size(), 1u);
    EXPECT_EQ(requests[0].path, "/2010-04-01/Accounts/" + kAccount + "/Messages.json");
    EXPECT_EQ(requests[0].headers.get("Authorization"), basic(kAccount + ":token"));
    EXPECT_EQ(requests[0].headers.get("Content-Type"), "application/x-www-form-urlencoded");
    EXPECT_EQ(requests[0].body,
              "To=whatsapp%3A%2B255712345678&From=whatsapp%3A%2B14155238886&StatusCallback="
              "https%3A%2F%2Fflow.example.com%2Fwebhooks%2Ftwilio%3Fdata%3Dt%252F1.m1&Body=Hi");
}

TEST_F(TwilioCalls, GoByTheMessagingServiceOfAChannelThatIsOne) {
    send("token", "", "MG00000000000000000000000000000001");
    EXPECT_NE(requests[0].body.find("&MessagingServiceSid=MG00000000000000000000000000000001&"),
              std::string::npos)
        << requests[0].body;
    EXPECT_EQ(requests[0].body.find("From="), std::string::npos);
}

TEST_F(TwilioCalls, AreMadeWithAnApiKeyWhereThereIsOne) {
    send("token," + kKey + ":key-secret");
    EXPECT_EQ(requests[0].headers.get("Authorization"), basic(kKey + ":key-secret"));
}

TEST_F(TwilioCalls, AreMadeOnceMoreWithTheCredentialsBeforeTheRotation) {
    answer_with({http::Response::json(401, R"({"code":20003,"message":"Authenticate"})")});
    const auto outcome = send("new", "old");
    ASSERT_TRUE(std::holds_alternative<Accepted>(outcome));
    EXPECT_TRUE(std::get<Accepted>(outcome).by_previous_credentials);
    ASSERT_EQ(requests.size(), 2u);
    EXPECT_EQ(requests[1].headers.get("Authorization"), basic(kAccount + ":old"));
}

TEST_F(TwilioCalls, AreNotRepeatedForAnotherRefusal) {
    answer_with({http::Response::json(400, R"({"code":63024,"message":"No"})")});
    EXPECT_TRUE(std::holds_alternative<Refused>(send("new", "old")));
    EXPECT_EQ(requests.size(), 1u);
    answer_with({http::Response::json(401, R"({"code":20003,"message":"Authenticate"})")});
    EXPECT_TRUE(std::holds_alternative<Refused>(send("new")));
    EXPECT_EQ(requests.size(), 2u);
    // An answer that was lost proves nothing, so nothing is tried again.
    answer_with({http::Response::json(500, R"({"code":20500})")});
    EXPECT_TRUE(std::holds_alternative<Lost>(send("new", "old")));
    EXPECT_EQ(requests.size(), 3u);
}

TEST_F(TwilioCalls, WithCredentialsOfAnotherFormAreNotMade) {
    const auto outcome = send("token,key:secret");
    ASSERT_TRUE(std::holds_alternative<Refused>(outcome));
    EXPECT_EQ(std::get<Refused>(outcome).error.error_class, ErrorClass::unauthorised);
    EXPECT_TRUE(requests.empty());
}

class TwilioFiles : public TwilioCalls {
protected:
    MediaOutcome fetch(const std::string& media_id, const std::string& credentials = "token",
                       std::size_t bytes_max = 100) {
        std::promise<MediaOutcome> outcome;
        twilio->fetch_media({.channel_external_id = "+14155238886",
                             .business_account_id = kAccount,
                             .credentials = Secret(credentials),
                             .provider_media_id = media_id,
                             .bytes_max = bytes_max},
                            [&](MediaOutcome o) { outcome.set_value(std::move(o)); });
        return outcome.get_future().get();
    }
    MediaNotFetched missing(const std::string& media_id, const std::string& credentials = "token",
                            std::size_t bytes_max = 100) {
        const auto outcome = fetch(media_id, credentials, bytes_max);
        EXPECT_TRUE(std::holds_alternative<MediaNotFetched>(outcome));
        return std::get<MediaNotFetched>(outcome);
    }
    http::Response redirect(const std::string& to) const {
        http::Response response{.status = 307};
        response.headers.set("Location", to);
        return response;
    }
    static http::Response bytes(const std::string& body) {
        http::Response response{.status = 200, .headers = {}, .body = body};
        response.headers.set("Content-Type", "image/jpeg");
        return response;
    }
    std::string here(const std::string& path) const {
        return "http://127.0.0.1:" + std::to_string(server.port()) + path;
    }
    const std::string id = "MM00000000000000000000000000000001/ME00000000000000000000000000000001";
};

TEST_F(TwilioFiles, AreAskedOfTwilioWithTheCredentialsAndOfItsStoreWithout) {
    answer_with({redirect(here("/store/1?right=x")), bytes("jpeg")});
    const auto outcome = fetch(id);
    ASSERT_TRUE(std::holds_alternative<FetchedMedia>(outcome));
    EXPECT_EQ(std::get<FetchedMedia>(outcome).bytes, "jpeg");
    EXPECT_EQ(std::get<FetchedMedia>(outcome).mime_type, "image/jpeg");
    ASSERT_EQ(requests.size(), 2u);
    EXPECT_EQ(requests[0].target, "/2010-04-01/Accounts/" + kAccount +
                                      "/Messages/MM00000000000000000000000000000001/Media/"
                                      "ME00000000000000000000000000000001");
    EXPECT_EQ(requests[0].headers.get("Authorization"), basic(kAccount + ":token"));
    EXPECT_EQ(requests[1].headers.get("Authorization"), "");
}

TEST_F(TwilioFiles, ThatDoNotComeSayWhyAndWhetherAskingAgainHelps) {
    answer_with({http::Response::json(404, "{}")});
    EXPECT_TRUE(missing(id).final);
    answer_with({http::Response::json(401, "{}")});
    EXPECT_FALSE(missing(id).final);
    answer_with({http::Response::json(503, "{}")});
    EXPECT_FALSE(missing(id).final);
    answer_with({bytes("jpeg")});
    EXPECT_TRUE(missing(id, "token", 3).final);
    const auto again = redirect(here("/again"));
    answer_with({again, again, again});
    EXPECT_EQ(missing(id).reason, "it redirects too often");
    answer_with({redirect("ftp://store.example.com/1")});
    EXPECT_EQ(missing(id).reason, "it redirects to an address that is not https");
    const auto asked = requests.size();
    EXPECT_TRUE(missing("").final);
    EXPECT_FALSE(missing(id, "token,key:secret").final);
    EXPECT_EQ(requests.size(), asked) << "nobody was asked";
}

TEST_F(TwilioCalls, SayWhatIsWrongWithAChannel) {
    ConnectChannel channel;
    channel.external_id = ExternalChannelId("+14155238886");
    channel.business_account_id = kAccount;
    EXPECT_TRUE(twilio->faults_of(channel).empty());
    channel.external_id = ExternalChannelId("MG00000000000000000000000000000001");
    EXPECT_TRUE(twilio->faults_of(channel).empty());
    for (const auto* wrong :
         {"14155238886", "whatsapp:+14155238886", "+1415", "MG1", "", "+1 415"}) {
        channel.external_id = ExternalChannelId(wrong);
        ASSERT_EQ(twilio->faults_of(channel).size(), 1u) << wrong;
        EXPECT_EQ(twilio->faults_of(channel)[0].field, "external_id");
    }
    channel.external_id = ExternalChannelId("+14155238886");
    channel.business_account_id = "AC1";
    EXPECT_EQ(twilio->faults_of(channel).at(0).field, "business_account_id");
    channel.business_account_id = kAccount;
    channel.app_id = "app";
    EXPECT_EQ(twilio->faults_of(channel).at(0).field, "app_id");
    for (const auto& right : {std::string("token"), "token," + kKey + ":s"})
        EXPECT_TRUE(twilio->credential_faults(Secret(right)).empty());
    for (const auto& wrong : {std::string(""), std::string("a b"), std::string("a,"), "a," + kKey,
                              "a," + kKey + ":", std::string("a,SK1:s"), std::string("AC1:token")})
        EXPECT_EQ(twilio->credential_faults(Secret(wrong)).at(0).field, "access_token") << wrong;
}

}  // namespace
}  // namespace flowstack::gateway::twilio
