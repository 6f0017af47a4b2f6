#include <gtest/gtest.h>

#include <map>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/http/client.h"
#include "common/http/url.h"
#include "services/gateway/providers/twilio/signature.h"
#include "services/gateway/providers/twilio/twilio.h"
#include "services/gateway/providers/twilio/webhook_parser.h"

namespace flowstack::gateway::twilio {
namespace {

using Kind = WebhookElement::Kind;

const std::string kAccount = "AC00000000000000000000000000000001";
const std::string kNumber = "+14155238886";
const std::string kService = "MG00000000000000000000000000000001";

// Two tenants' channels, as gateway's directory has them.
class Channels final : public ConnectedChannels {
public:
    std::optional<ConnectedChannel> connected(std::string_view kind,
                                              std::string_view external_id) const override {
        const auto found = all.find(std::string(kind) + "/" + std::string(external_id));
        if (found == all.end()) return std::nullopt;
        return found->second;
    }
    void connect(const std::string& id, const std::string& account, const std::string& token,
                 const std::string& previous = "") {
        all.insert_or_assign("TWILIO/" + id,
                             ConnectedChannel{account, Secret(token), Secret(previous)});
    }
    std::map<std::string, ConnectedChannel> all;
};

class TwilioWebhook : public ::testing::Test {
protected:
    TwilioWebhook() { channels.connect(kNumber, kAccount, "token-a"); }

    static http::FormFields message(http::FormFields more = {{"Body", "Hi"}}) {
        http::FormFields fields{{"MessageSid", "SM1"},
                                {"AccountSid", kAccount},
                                {"From", "whatsapp:+255712345678"},
                                {"To", "whatsapp:" + kNumber},
                                {"WaId", "255712345678"},
                                {"ProfileName", "Amina"},
                                {"SmsStatus", "received"},
                                {"NumMedia", "0"}};
        for (auto& field : more) fields.push_back(std::move(field));
        return fields;
    }
    static http::FormFields status(const std::string& word, http::FormFields more = {}) {
        http::FormFields fields{{"MessageSid", "SM2"},           {"AccountSid", kAccount},
                                {"MessageStatus", word},         {"SmsStatus", word},
                                {"From", "whatsapp:" + kNumber}, {"To", "whatsapp:+255712345678"}};
        for (auto& field : more) fields.push_back(std::move(field));
        return fields;
    }
    static http::Request request(const http::FormFields& fields, const std::string& token,
                                 const std::string& target = "/webhooks/twilio",
                                 const std::string& base = "https://flow.example.com") {
        http::Request request;
        request.method = "POST";
        request.target = target;
        request.path = target.substr(0, target.find('?'));
        if (request.path.size() < target.size())
            request.query = target.substr(request.path.size() + 1);
        request.headers.set("Content-Type", "application/x-www-form-urlencoded");
        request.body = http::encode_form(fields);
        request.headers.set("X-Twilio-Signature",
                            signature_of(Secret(token), signed_text(base + target, fields)));
        return request;
    }
    // The one element of a webhook that verifies.
    WebhookElement element(const http::FormFields& fields,
                           const std::string& target = "/webhooks/twilio") {
        auto read = twilio.read(request(fields, "token-a", target));
        if (!std::holds_alternative<SignedWebhook>(read)) {
            ADD_FAILURE() << "it was taken for unsigned";
            return {};
        }
        kept.push_back(std::get<SignedWebhook>(std::move(read)).parsed);
        EXPECT_EQ(kept.back().elements.size(), 1u);
        return kept.back().elements.front();
    }
    bool is_unsigned(const http::Request& request) {
        return std::holds_alternative<Unsigned>(twilio.read(request));
    }

    Channels channels;
    http::Client client;
    Twilio twilio{
        client,
        channels,
        {.base_url = "http://127.0.0.1:9", .public_base_url = "https://flow.example.com"}};
    std::vector<ParsedWebhook> kept;  // the elements' bytes are parts of these
};

// ---------------------------------------------------------------- who may send

TEST_F(TwilioWebhook, IsOfTheChannelWhoseTokenSignedIt) {
    const auto read = twilio.read(request(message(), "token-a"));
    ASSERT_TRUE(std::holds_alternative<SignedWebhook>(read));
    EXPECT_EQ(std::get<SignedWebhook>(read).parsed.elements.front().channel_external_id, kNumber);
    EXPECT_TRUE(is_unsigned(request(message(), "token-b")));
    EXPECT_TRUE(is_unsigned(request(message(), "token-a", "/webhooks/twilio", "http://127.0.0.1")));
    auto without = request(message(), "token-a");
    without.headers.remove("X-Twilio-Signature");
    EXPECT_TRUE(is_unsigned(without));
    auto changed = request(message(), "token-a");
    changed.body += "&Body=Bye";
    EXPECT_TRUE(is_unsigned(changed));
}

TEST_F(TwilioWebhook, OfAnotherTenantsAccountOpensNothing) {
    channels.connect("+14155230000", "AC00000000000000000000000000000002", "token-b");
    // Its own account and token, the other one's number.
    auto fields = message();
    fields[1].second = "AC00000000000000000000000000000002";
    EXPECT_TRUE(is_unsigned(request(fields, "token-b")));
    EXPECT_TRUE(is_unsigned(request(fields, "token-a")));
    // Its own number is its own.
    fields[3].second = "whatsapp:+14155230000";
    EXPECT_FALSE(is_unsigned(request(fields, "token-b")));
    EXPECT_TRUE(is_unsigned(request(fields, "token-a")));
}

TEST_F(TwilioWebhook, IsVerifiedByBothTokensOfARotation) {
    channels.connect(kNumber, kAccount, "token-new", "token-a");
    EXPECT_FALSE(is_unsigned(request(message(), "token-a")));
    EXPECT_FALSE(is_unsigned(request(message(), "token-new")));
    // A channel whose calls are made with an API key is verified by the auth token all the same.
    channels.connect(kNumber, kAccount, "token-a,SK00000000000000000000000000000001:secret");
    EXPECT_FALSE(is_unsigned(request(message(), "token-a")));
    EXPECT_TRUE(is_unsigned(request(message(), "secret")));
}

TEST_F(TwilioWebhook, OfANumberThatNobodyHasSaysWhichChannelWouldTell) {
    auto fields = message();
    fields[3].second = "whatsapp:+14150000000";
    const auto read = twilio.read(request(fields, "token-a"));
    ASSERT_TRUE(std::holds_alternative<Unsigned>(read));
    EXPECT_EQ(std::get<Unsigned>(read).unknown_channel, "+14150000000");
    // Nothing that is not even signed is looked up, and nothing that names no channel.
    auto unsigned_one = request(fields, "token-a");
    unsigned_one.headers.remove("X-Twilio-Signature");
    EXPECT_EQ(std::get<Unsigned>(twilio.read(unsigned_one)).unknown_channel, "");
    EXPECT_EQ(std::get<Unsigned>(twilio.read(request({{"Body", "x"}}, "token-a"))).unknown_channel,
              "");
    auto no_form = request(fields, "token-a");
    no_form.body = "%zz";
    EXPECT_EQ(std::get<Unsigned>(twilio.read(no_form)).unknown_channel, "");
}

TEST_F(TwilioWebhook, OfAMessagingServiceIsOfItsChannelWhenThereIsOne) {
    auto fields = message({{"MessagingServiceSid", kService}, {"Body", "Hi"}});
    EXPECT_EQ(element(fields).channel_external_id, kNumber);
    channels.connect(kService, kAccount, "token-a");
    EXPECT_EQ(element(fields).channel_external_id, kService);
}

TEST_F(TwilioWebhook, MayBeJsonThatIsCoveredByItsHash) {
    http::Request request;
    request.method = "POST";
    request.body = R"({"MessageSid":"SM9","AccountSid":")" + kAccount +
                   R"(","From":"whatsapp:+255712345678","To":"whatsapp:)" + kNumber +
                   R"(","Body":"Habari","NumMedia":0})";
    request.query =
        "bodySHA256=" + crypto::hex_encode(crypto::bytes_of(crypto::sha256(request.body)));
    request.path = "/webhooks/twilio";
    request.target = request.path + "?" + request.query;
    request.headers.set(
        "X-Twilio-Signature",
        signature_of(Secret("token-a"), "https://flow.example.com" + request.target));
    const auto read = twilio.read(request);
    ASSERT_TRUE(std::holds_alternative<SignedWebhook>(read));
    const auto& element = std::get<SignedWebhook>(read).parsed.elements.front();
    EXPECT_EQ(element.text, "Habari");
    EXPECT_EQ(element.phone, "+255712345678");
    request.body += " ";
    EXPECT_TRUE(is_unsigned(request));
}

TEST_F(TwilioWebhook, HasNoHandshake) {
    const auto answer = twilio.handshake({});
    EXPECT_EQ(answer.status, 405);
    EXPECT_EQ(answer.headers.get("Allow"), "POST");
}

// ---------------------------------------------------------------- what they wrote

TEST_F(TwilioWebhook, SaysWhoWroteWhat) {
    const auto e = element(message({{"Body", "Habari 🙏"}, {"MessageType", "text"}}));
    EXPECT_EQ(e.kind, Kind::message);
    EXPECT_EQ(e.inbound, InboundKind::text);
    EXPECT_EQ(e.provider_type, "text");
    EXPECT_EQ(e.provider_message_id, "SM1");
    EXPECT_EQ(e.provider_time, Time{});  // Twilio does not say; the door's own time counts
    EXPECT_EQ(e.phone, "+255712345678");
    EXPECT_EQ(e.profile_name, "Amina");
    EXPECT_EQ(e.text, "Habari 🙏");
    EXPECT_EQ(e.tap_id, "");
    EXPECT_TRUE(twilio.numbers_choices());
    EXPECT_FALSE(e.repaired);
    EXPECT_NE(e.json.find(R"("ProfileName":"Amina")"), std::string_view::npos) << e.json;
}

TEST_F(TwilioWebhook, ReadsEveryKindOfMessage) {
    struct Case {
        http::FormFields fields;
        InboundKind kind;
        std::string text, tap_id, type;
    };
    const std::vector<Case> cases{
        {{{"MessageType", "text"}, {"Body", "x"}}, InboundKind::text, "x", "", "text"},
        {{{"MessageType", "image"}, {"Body", "my receipt"}, {"MediaUrl0", "https://m/1"}},
         InboundKind::media,
         "my receipt",
         "",
         "image"},
        {{{"MessageType", "audio"}, {"Body", ""}}, InboundKind::media, "", "", "audio"},
        {{{"MessageType", "video"}}, InboundKind::media, "", "", "video"},
        {{{"MessageType", "document"}}, InboundKind::media, "", "", "document"},
        {{{"MessageType", "sticker"}}, InboundKind::media, "", "", "sticker"},
        {{{"MessageType", "contacts"}}, InboundKind::contacts, "", "", "contacts"},
        {{{"MessageType", "reaction"}, {"Body", "👍"}},
         InboundKind::reaction,
         "👍",
         "",
         "reaction"},
        {{{"MessageType", "button"}, {"ButtonText", "Stop"}, {"ButtonPayload", "STOP_ALL"}},
         InboundKind::button,
         "Stop",
         "STOP_ALL",
         "button"},
        {{{"MessageType", "interactive"}, {"ButtonText", "Yes"}, {"ButtonPayload", "m1:0"}},
         InboundKind::button,
         "Yes",
         "m1:0",
         "interactive"},
        {{{"MessageType", "interactive"},
          {"ListId", "m1:2"},
          {"ListTitle", "Tea"},
          {"ListDescription", "100 bags"}},
         InboundKind::list_row,
         "Tea",
         "m1:2",
         "interactive"},
        {{{"MessageType", "interactive"}, {"Body", "form"}},
         InboundKind::unsupported,
         "form",
         "",
         "interactive"},
        {{{"MessageType", "poll"}, {"Body", "?"}}, InboundKind::unsupported, "?", "", "poll"},
        // Without a type what is there tells.
        {{{"Body", "x"}}, InboundKind::text, "x", "", "text"},
        {{{"MediaUrl0", "https://m/1"}, {"NumMedia", "1"}},
         InboundKind::unsupported,
         "",
         "",
         "unsupported"},
        {{{"ButtonText", "Yes"}}, InboundKind::button, "Yes", "", "button"},
        {{{"ListId", "r1"}}, InboundKind::list_row, "", "r1", "interactive"},
        {{{"Latitude", "1"}, {"Longitude", "2"}}, InboundKind::location, "", "", "location"},
    };
    for (const auto& c : cases) {
        const auto e = element(message(c.fields));
        EXPECT_EQ(e.kind, Kind::message) << c.type;
        EXPECT_EQ(e.inbound, c.kind) << c.type << " " << c.text;
        EXPECT_EQ(e.text, c.text) << c.type;
        EXPECT_EQ(e.tap_id, c.tap_id) << c.type;
        EXPECT_EQ(e.provider_type, c.type);
    }
    auto media = message({{"MediaUrl0", "https://m/1"}});
    media[7].second = "1";  // NumMedia
    EXPECT_EQ(element(media).inbound, InboundKind::media);
}

TEST_F(TwilioWebhook, KeepsFilesAndReferralsWithTheMessage) {
    const auto e = element(message({{"MessageType", "image"},
                                    {"MediaUrl0", "https://api.twilio.com/m/ME1"},
                                    {"MediaContentType0", "image/jpeg"},
                                    {"ReferralSourceUrl", "https://fb.me/x"},
                                    {"ReferralCtwaClid", "abc"}}));
    for (const auto* part : {R"("MediaUrl0":"https://api.twilio.com/m/ME1")",
                             R"("MediaContentType0":"image/jpeg")", R"("ReferralCtwaClid":"abc")"})
        EXPECT_NE(e.json.find(part), std::string_view::npos) << e.json;
}

TEST_F(TwilioWebhook, NamesAFileOfItsAccountByTheIdsInItsAddress) {
    const std::string message_sid = "MM00000000000000000000000000000001";
    const std::string media_sid = "ME00000000000000000000000000000001";
    const auto url = [&](const std::string& account, const std::string& more = "") {
        return "https://api.twilio.com/2010-04-01/Accounts/" + account + "/Messages/" +
               message_sid + "/Media/" + media_sid + more;
    };
    const auto media = [&](const std::string& address, const std::string& type = "image",
                           const std::string& mime_type = "image/jpeg") {
        const auto e = element(message(
            {{"MessageType", type}, {"MediaUrl0", address}, {"MediaContentType0", mime_type}}));
        return e.details ? e.details->media : std::nullopt;
    };
    const auto image = media(url(kAccount));
    ASSERT_TRUE(image);
    EXPECT_EQ(image->provider_media_id, message_sid + "/" + media_sid);
    EXPECT_EQ(image->mime_type, "image/jpeg");
    EXPECT_EQ(image->kind, MediaKind::image);
    EXPECT_EQ(media(url(kAccount), "audio", "audio/ogg")->kind, MediaKind::audio);
    EXPECT_EQ(media(url(kAccount), "media", "video/mp4")->kind, MediaKind::video);
    EXPECT_EQ(media(url(kAccount), "media", "application/pdf")->kind, MediaKind::document);
    EXPECT_EQ(media(url(kAccount), "sticker", "image/webp")->kind, MediaKind::sticker);
    // Another account's, another host's path, something more behind it: no file of ours.
    for (const auto& wrong :
         {url("AC00000000000000000000000000000002"), url(kAccount, "/../x"), url(kAccount, "?a"),
          std::string("https://evil.example.com/file.jpg"), std::string("file:///etc/passwd")})
        EXPECT_FALSE(media(wrong)) << wrong;
}

TEST_F(TwilioWebhook, ReadsAPin) {
    const auto e = element(message({{"MessageType", "location"},
                                    {"Latitude", "-1.2611"},
                                    {"Longitude", "36.8022"},
                                    {"Label", "Sarit Centre"},
                                    {"Address", "Karuna Road"}}));
    ASSERT_TRUE(e.location);
    EXPECT_EQ(*e.location, (Location{-1.2611, 36.8022, "Sarit Centre", "Karuna Road"}));
    EXPECT_EQ(e.text, "Sarit Centre");
    EXPECT_FALSE(element(message({{"MessageType", "location"}, {"Latitude", "x"}})).location);
    EXPECT_FALSE(
        element(message({{"MessageType", "location"}, {"Latitude", "nan"}, {"Longitude", "1"}}))
            .location);
}

TEST_F(TwilioWebhook, SaysWhatAMessageAnswers) {
    EXPECT_EQ(element(message({{"Body", "yes"}, {"OriginalRepliedMessageSid", "SM0"}}))
                  .context_provider_message_id,
              "SM0");
    EXPECT_EQ(element(message({{"MessageType", "reaction"}, {"OriginalRepliedMessageSid", "SM0"}}))
                  .subject_provider_message_id,
              "SM0");
}

TEST_F(TwilioWebhook, KnowsACustomerWhoHidesTheirNumber) {
    auto fields = message({{"Body", "Hi"}, {"ExternalUserId", "whatsapp:ID.77"}});
    fields[2].second = "whatsapp:ID.77";
    fields[4].second = "";
    const auto e = element(fields);
    EXPECT_EQ(e.kind, Kind::message);
    EXPECT_EQ(e.phone, "");
    EXPECT_EQ(e.bsuid, "ID.77");
    // Both are known: both name the customer.
    const auto both = element(message({{"Body", "Hi"}, {"ExternalUserId", "whatsapp:ID.77"}}));
    EXPECT_EQ(both.phone, "+255712345678");
    EXPECT_EQ(both.bsuid, "ID.77");
}

TEST_F(TwilioWebhook, WithoutAnIdOrASenderIsKeptAsUnknown) {
    auto fields = message();
    fields[0].second = "";
    EXPECT_EQ(element(fields).kind, Kind::unknown);
    fields = message();
    fields[2].second = fields[4].second = "";
    EXPECT_EQ(element(fields).kind, Kind::unknown);
    fields = message();
    fields[0].second = std::string("SM\0x", 4);  // no stream could have this name
    EXPECT_EQ(element(fields).kind, Kind::unknown);
}

TEST_F(TwilioWebhook, WithBytesThatAreNoTextIsRepaired) {
    const auto e = element(message({{"Body",
                                     "a\xFF"
                                     "b"}}));
    EXPECT_EQ(e.text,
              "a\xEF\xBF\xBD"
              "b");
    EXPECT_TRUE(e.repaired);
    EXPECT_EQ(kept.back().shape, ParsedWebhook::Shape::repaired);
}

TEST_F(TwilioWebhook, CutsAVeryLongTextAndKeepsAVeryLongWebhookRaw) {
    EXPECT_EQ(element(message({{"Body", std::string(70'000, 'x')}})).text.size(), kTextBytesMax);
    EXPECT_EQ(element(message({{"Body", std::string(kElementBytesMax, 'x')}})).kind,
              Kind::oversized);
}

// ---------------------------------------------------------------- statuses

TEST_F(TwilioWebhook, SaysWhatBecameOfAMessage) {
    for (const std::string word : {"sent", "delivered", "read", "queued", "sending", "accepted"}) {
        const auto e = element(status(word), "/webhooks/twilio?data=tenant%2Flane.m1");
        EXPECT_EQ(e.kind, Kind::status);
        EXPECT_EQ(e.value, word);
        EXPECT_EQ(e.provider_message_id, "SM2");
        EXPECT_EQ(e.channel_external_id, kNumber);
        EXPECT_EQ(e.phone, "+255712345678");
        EXPECT_EQ(e.callback_data, "tenant/lane.m1");
        EXPECT_EQ(e.error, SendError{});
    }
}

TEST_F(TwilioWebhook, SaysWhyAMessageFailed) {
    for (const std::string word : {"failed", "undelivered", "canceled"}) {
        const auto e = element(status(word, {{"ErrorCode", "63016"}}));
        EXPECT_EQ(e.value, "failed");
        EXPECT_EQ(e.error.error_class, ErrorClass::window_closed);
        EXPECT_EQ(e.error.code, "63016");
        EXPECT_EQ(e.error.title, word);
    }
    EXPECT_EQ(element(status("failed", {{"ErrorCode", "63024"}, {"ErrorMessage", "No such user"}}))
                  .error.title,
              "No such user");
    const auto bare = element(status("undelivered"));
    EXPECT_EQ(bare.error.error_class, ErrorClass::rejected);
    EXPECT_EQ(bare.error.code, "");
}

TEST_F(TwilioWebhook, CannotBeGivenAnotherCallbackThanWasSigned) {
    auto forged = request(status("delivered"), "token-a", "/webhooks/twilio?data=m1");
    forged.target = "/webhooks/twilio?data=m2";
    forged.query = "data=m2";
    EXPECT_TRUE(is_unsigned(forged));
}

TEST_F(TwilioWebhook, IsReadAgainFromWhatTheLogKept) {
    const auto body = http::encode_form(status("delivered"));
    const auto again = twilio.parse(body, "data=m1");
    ASSERT_EQ(again.elements.size(), 1u);
    EXPECT_EQ(again.elements[0].callback_data, "m1");
    EXPECT_EQ(again.elements[0].channel_external_id, kNumber);
    EXPECT_EQ(twilio.parse("%zz", "").shape, ParsedWebhook::Shape::malformed_json);
    EXPECT_EQ(twilio.parse("", "").elements.at(0).kind, Kind::unknown);
    EXPECT_EQ(twilio.parse("[1]", "").elements.at(0).kind, Kind::unknown);
}

}  // namespace
}  // namespace flowstack::gateway::twilio
