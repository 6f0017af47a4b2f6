#include "services/sandbox/webhooks.h"
#include "tests/unit/sandbox/fake_world.h"

namespace flowstack::sandbox {
namespace {

std::string repeated(const std::string& piece, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += piece;
    return out;
}

class Graph : public SandboxTest {
protected:
    Graph() { open_window(); }

    std::string interactive(const std::string& inner) {
        return R"({"messaging_product":"whatsapp","to":"+254712345678","type":"interactive",)"
               R"("interactive":)" +
               inner + "}";
    }
    std::string buttons(const std::string& list) {
        return interactive(R"({"type":"button","body":{"text":"?"},"action":{"buttons":[)" + list +
                           "]}}");
    }
    static std::string button(const std::string& id, const std::string& title) {
        return R"({"type":"reply","reply":{"id":")" + id + R"(","title":")" + title + R"("}})";
    }
    std::string list(int rows, const std::string& title = "Coffee", const std::string& more = "") {
        std::string all;
        for (int i = 0; i < rows; ++i) {
            if (i > 0) all += ',';
            all += R"({"id":"r)" + std::to_string(i) + R"(","title":")" + title + R"("})";
        }
        return interactive(
            R"({"type":"list","body":{"text":"?"},"action":{"button":"View","sections":[{"rows":[)" +
            all + "]}" + more + "]}}");
    }
};

TEST_F(Graph, AnswersAnAcceptedSendWithItsId) {
    const Reply reply = ask(message(text_to("+254712345678")));
    EXPECT_EQ(reply.status, 200);
    const json::value body = *parse(reply.body);
    const json::value& contact = array_at(body, "contacts")->front();
    EXPECT_EQ(text_or(contact, "input", ""), "+254712345678");
    EXPECT_EQ(text_or(contact, "wa_id", ""), "254712345678");
    EXPECT_TRUE(text_or(array_at(body, "messages")->front(), "id", "").starts_with("wamid."));
}

TEST_F(Graph, ChecksTheToken) {
    EXPECT_EQ(ask(message(text_to("+254712345678"), "wrong")).status, 401);
    Call without = message(text_to("+254712345678"));
    without.headers.erase("authorization");
    const Reply reply = ask(without);
    EXPECT_EQ(reply.status, 401);
    EXPECT_NE(reply.body.find(R"("code":190)"), std::string::npos);
    EXPECT_EQ(ask(message(text_to("+254712345678"), "mock_shop")).status, 200);
    EXPECT_EQ(recorded("send_rejected"), 2U);
}

TEST_F(Graph, KnowsOnlyItsOwnNumbers) {
    Call other = message(text_to("+254712345678"));
    other.path = "/v25.0/999/messages";
    const Reply reply = ask(other);
    EXPECT_EQ(reply.status, 400);
    EXPECT_NE(reply.body.find(R"("code":100,"error_subcode":33)"), std::string::npos);
}

TEST_F(Graph, WordsErrorsAsMetaDoes) {
    const Reply reply = ask(message(
        R"({"messaging_product":"whatsapp","to":"+254712345678","type":"text","text":{}})"));
    EXPECT_EQ(reply.status, 400);
    const json::value body = *parse(reply.body);
    const json::value& error = body.at("error");
    EXPECT_EQ(text_or(error, "message", ""), "(#131008) Required parameter is missing");
    EXPECT_EQ(text_or(error, "type", ""), "OAuthException");
    EXPECT_EQ(text_or(error.at("error_data"), "messaging_product", ""), "whatsapp");
    EXPECT_EQ(text_or(error.at("error_data"), "details", ""),
              "Required parameter is missing: text.body");
    EXPECT_EQ(text_or(error, "fbtrace_id", "").size(), 23U);
}

TEST_F(Graph, RefusesBodiesThatAreNoMessage) {
    EXPECT_EQ(code_of("not json"), 100);
    EXPECT_EQ(code_of("[]"), 100);
    EXPECT_EQ(code_of(R"({"to":"+254712345678","text":{"body":"x"}})"), 100);
    EXPECT_EQ(code_of(R"({"messaging_product":"sms","to":"1"})"), 100);
    EXPECT_EQ(code_of(R"({"messaging_product":"whatsapp","text":{"body":"x"}})"), 100);
    EXPECT_EQ(code_of(text_to("hello")), 131009);
    EXPECT_EQ(code_of(text_to("+123")), 131009);
    EXPECT_EQ(
        code_of(
            R"({"messaging_product":"whatsapp","to":"+254712345678","recipient_type":"all","text":{"body":"x"}})"),
        100);
    EXPECT_EQ(code_of(R"({"messaging_product":"whatsapp","to":"+254712345678","type":"poll"})"),
              131051);
    Call form = message(text_to("+254712345678"));
    form.headers["content-type"] = "text/plain";
    EXPECT_EQ(ask(form).status, 400);
}

TEST_F(Graph, TakesTextWithoutATypeOfAtMost4096Characters) {
    EXPECT_EQ(
        code_of(R"({"messaging_product":"whatsapp","to":"+254712345678","text":{"body":"x"}})"), 0);
    EXPECT_EQ(code_of(text_to("+254712345678", repeated("é", 4096))), 0);
    EXPECT_EQ(code_of(text_to("+254712345678", repeated("é", 4097))), 131009);
    EXPECT_EQ(code_of(text_to("+254712345678", "")), 131008);
}

TEST_F(Graph, RefusesMembersItDoesNotKnow) {
    const Reply reply = ask(message(
        R"({"messaging_product":"whatsapp","to":"+254712345678","type":"text","text":{"body":"x","markdown":true}})"));
    EXPECT_NE(reply.body.find(R"(Unexpected key \"markdown\" on param \"text\")"),
              std::string::npos);
}

TEST_F(Graph, LimitsButtons) {
    EXPECT_EQ(code_of(buttons(button("a", "Pay"))), 0);
    EXPECT_EQ(code_of(buttons("")), 131009);
    EXPECT_EQ(code_of(buttons(button("a", "1") + "," + button("b", "2") + "," + button("c", "3") +
                              "," + button("d", "4"))),
              131009);
    EXPECT_EQ(code_of(buttons(button("a", repeated("é", 20)))), 0);
    EXPECT_EQ(code_of(buttons(button("a", repeated("é", 21)))), 131009);
    EXPECT_EQ(code_of(buttons(button("a", ""))), 131008);
    EXPECT_EQ(code_of(buttons(button(repeated("x", 257), "Pay"))), 131009);
    EXPECT_EQ(code_of(buttons(button("a", "Pay") + "," + button("a", "Card"))), 131009);
    EXPECT_EQ(code_of(buttons(button("a", "Pay") + "," + button("b", "Pay"))), 131009);
}

TEST_F(Graph, LimitsInteractiveTexts) {
    const auto with = [&](const std::string& more, int body) {
        return interactive(R"({"type":"button",)" + more + R"("body":{"text":")" +
                           repeated("x", body) + R"("},"action":{"buttons":[)" +
                           button("a", "Pay") + "]}}");
    };
    EXPECT_EQ(code_of(with("", 1024)), 0);
    EXPECT_EQ(code_of(with("", 1025)), 131009);
    const std::string header = R"("header":{"type":"text","text":")";
    EXPECT_EQ(code_of(with(header + repeated("h", 60) + "\"},", 1)), 0);
    EXPECT_EQ(code_of(with(header + repeated("h", 61) + "\"},", 1)), 131009);
    EXPECT_EQ(code_of(with(R"("footer":{"text":")" + repeated("f", 61) + "\"},", 1)), 131009);
    EXPECT_EQ(code_of(interactive(R"({"type":"menu","body":{"text":"x"},"action":{}})")), 100);
}

TEST_F(Graph, LimitsLists) {
    EXPECT_EQ(code_of(list(10)), 0);
    EXPECT_EQ(code_of(list(11)), 131009);
    EXPECT_EQ(code_of(list(1, repeated("t", 24))), 0);
    EXPECT_EQ(code_of(list(1, repeated("t", 25))), 131009);
    EXPECT_EQ(code_of(list(0)), 131008);
    // More than one section: each needs a title. Ids are unique over all of them.
    EXPECT_EQ(code_of(list(1, "x", R"(,{"rows":[{"id":"z","title":"y"}]})")), 131008);
    EXPECT_EQ(
        code_of(interactive(
            R"({"type":"list","body":{"text":"?"},"action":{"button":"View","sections":[{"title":"A","rows":[{"id":"z","title":"1"}]},{"title":"B","rows":[{"id":"z","title":"2"}]}]}})")),
        131009);
    EXPECT_EQ(
        code_of(interactive(
            R"({"type":"list","body":{"text":"?"},"action":{"button":"View our products now","sections":[{"rows":[{"id":"z","title":"1"}]}]}})")),
        131009);
}

TEST_F(Graph, WantsOneSourceOfAPicture) {
    const auto image = [&](const std::string& inner) {
        return code_of(
            R"({"messaging_product":"whatsapp","to":"+254712345678","type":"image","image":)" +
            inner + "}");
    };
    EXPECT_EQ(image(R"({"link":"https://shop/a.jpg","caption":"hi"})"), 0);
    EXPECT_EQ(image(R"({"id":"1003383421387256"})"), 131053);  // nobody uploaded it
    EXPECT_EQ(image(R"({})"), 131008);
    EXPECT_EQ(image(R"({"id":"1","link":"https://shop/a.jpg"})"), 131009);
    EXPECT_EQ(image(R"({"link":"ftp://shop/a.jpg"})"), 131009);
}

// A form upload as a program writes it.
Call upload(const std::string& mime_type, const std::string& bytes, const std::string& type) {
    Call call;
    call.method = "POST";
    call.path = "/v25.0/106540352242922/media";
    call.headers = {{"authorization", "Bearer EAAJBtesttoken"},
                    {"content-type", "multipart/form-data; boundary=xyz"},
                    {"host", "sandbox"}};
    const auto part = [](const std::string& head, const std::string& value) {
        return "--xyz\r\nContent-Disposition: form-data; " + head + "\r\n\r\n" + value + "\r\n";
    };
    call.body = part(R"(name="messaging_product")", "whatsapp") + part(R"(name="type")", type) +
                part("name=\"file\"; filename=\"a\"\r\nContent-Type: " + mime_type, bytes) +
                "--xyz--\r\n";
    return call;
}

TEST_F(Graph, KeepsUploadsAndGivesThemForFiveMinutes) {
    const Reply taken = ask(upload("image/jpeg", "jpeg\r\n--bytes", "image/jpeg"));
    ASSERT_EQ(taken.status, 200) << taken.body;
    const std::string id = text_or(*parse(taken.body), "id", "");
    const auto send_as = [&](const std::string& kind) {
        return code_of(R"({"messaging_product":"whatsapp","to":"+254712345678","type":")" + kind +
                       R"(",")" + kind + R"(":{"id":")" + id + R"("}})");
    };
    EXPECT_EQ(send_as("image"), 0);
    EXPECT_EQ(send_as("document"), 0);
    EXPECT_EQ(send_as("video"), 131053);
    Call look{
        "GET", "/v25.0/" + id, {}, {{"authorization", "Bearer EAAJBtesttoken"}, {"host", "s"}}};
    const json::value info = *parse(ask(look).body);
    EXPECT_EQ(text_or(info, "mime_type", ""), "image/jpeg");
    EXPECT_EQ(text_or(info, "file_size", ""), "13");
    const std::string url = text_or(info, "url", "");
    ASSERT_TRUE(url.starts_with("http://s/media_content/")) << url;
    Call bytes{"GET", url.substr(8), {}, {{"authorization", "Bearer EAAJBtesttoken"}}};
    EXPECT_EQ(ask(bytes).body, "jpeg\r\n--bytes");
    Call stranger = bytes;
    stranger.headers.clear();
    EXPECT_EQ(ask(stranger).status, 401);
    world.advance(std::chrono::minutes{5});
    EXPECT_EQ(ask(bytes).status, 404);
    world.advance(std::chrono::hours{24 * 30});
    open_window();
    EXPECT_EQ(send_as("image"), 131053);
}

TEST_F(Graph, RefusesUploadsThatMetaRefuses) {
    EXPECT_EQ(ask(upload("image/gif", "gif", "image/gif")).status, 400);
    EXPECT_EQ(ask(upload("image/png", "png", "image/jpeg")).status, 400);
    EXPECT_EQ(ask(upload("image/png", "", "image/png")).status, 400);
    EXPECT_EQ(ask(upload("image/png", std::string(5 * 1024 * 1024, 'x'), "image/png")).status, 200);
    EXPECT_EQ(ask(upload("image/png", std::string(5 * 1024 * 1024 + 1, 'x'), "image/png")).status,
              400);
    Call broken = upload("image/png", "png", "image/png");
    broken.body.pop_back();
    broken.body.resize(broken.body.size() / 2);
    EXPECT_EQ(ask(broken).status, 400);
}

TEST_F(Graph, SendsFilesOfCustomersWithTheirHash) {
    const Reply said = ask_and_wait(
        json_call(
            "POST", "/control/customers/254712345678/say",
            R"({"phone_number_id":"106540352242922","file":{"kind":"image","mime_type":"image/jpeg","base64":"Ynl0ZXM=","caption":"Look"}})"),
        Milliseconds{100});
    EXPECT_EQ(said.status, 200) << said.body;
    const std::string& body = world.posts.back().body;
    EXPECT_NE(body.find(R"("type":"image")"), std::string::npos);
    // SHA-256 of "bytes" in Base64, with Meta's escape of the slash.
    std::string hash = sha256_base64("bytes");
    for (std::size_t at = 0; (at = hash.find('/', at)) != std::string::npos; at += 2)
        hash.insert(at, "\\");
    EXPECT_NE(body.find(R"("sha256":")" + hash + '"'), std::string::npos) << body;
}

TEST_F(Graph, ChecksEveryInteractiveKind) {
    const auto kind = [&](const std::string& type, const std::string& members) {
        return code_of(
            interactive(R"({"type":")" + type + R"(","body":{"text":"?"},)" + members + "}"));
    };
    const std::string cta =
        R"("action":{"name":"cta_url","parameters":{"display_text":"Open","url":"https://a"}})";
    EXPECT_EQ(kind("cta_url", cta), 0);
    EXPECT_EQ(kind("cta_url",
                   R"("action":{"name":"cta_url","parameters":{"display_text":"Open","url":"a"}})"),
              131009);
    EXPECT_EQ(kind("cta_url", R"("action":{"name":"cta_url"})"), 131008);
    EXPECT_EQ(kind("location_request_message", R"("action":{"name":"send_location"})"), 0);
    EXPECT_EQ(kind("location_request_message", R"("action":{"name":"cta_url"})"), 131009);
    EXPECT_EQ(kind("product", R"("action":{"catalog_id":"1","product_retailer_id":"a"})"), 0);
    EXPECT_EQ(kind("product", R"("action":{"catalog_id":"1"})"), 131008);
    EXPECT_EQ(
        kind(
            "product_list",
            R"("header":{"type":"text","text":"H"},"action":{"catalog_id":"1","sections":[{"product_items":[{"product_retailer_id":"a"}]}]})"),
        0);
    EXPECT_EQ(
        kind(
            "product_list",
            R"("action":{"catalog_id":"1","sections":[{"product_items":[{"product_retailer_id":"a"}]}]})"),
        131008);
    EXPECT_EQ(kind("catalog_message", R"("action":{"name":"catalog_message"})"), 0);
    EXPECT_EQ(
        kind(
            "flow",
            R"("action":{"name":"flow","parameters":{"flow_message_version":"3","flow_id":"1","flow_cta":"Book"}})"),
        0);
    EXPECT_EQ(
        kind(
            "flow",
            R"("action":{"name":"flow","parameters":{"flow_message_version":"3","flow_cta":"Book"}})"),
        131009);
}

TEST_F(Graph, ChecksLocationsReactionsAndCards) {
    const auto sent = [&](const std::string& type, const std::string& content) {
        return code_of(R"({"messaging_product":"whatsapp","to":"+254712345678","type":")" + type +
                       R"(",")" + type + R"(":)" + content + "}");
    };
    EXPECT_EQ(sent("location", R"({"latitude":-1.2,"longitude":36.8,"name":"Duka"})"), 0);
    EXPECT_EQ(sent("location", R"({"latitude":-91,"longitude":36.8})"), 131009);
    EXPECT_EQ(sent("location", R"({"latitude":"1","longitude":36.8})"), 131009);
    EXPECT_EQ(sent("location", R"({"latitude":1})"), 131008);
    EXPECT_EQ(sent("reaction", R"({"message_id":"wamid.A","emoji":""})"), 0);
    EXPECT_EQ(sent("reaction", R"({"message_id":"wamid.A"})"), 131008);
    EXPECT_EQ(sent("contacts", R"([{"name":{"formatted_name":"A","first_name":"A"}}])"), 0);
    EXPECT_EQ(sent("contacts", R"([{"name":{"formatted_name":"A"}}])"), 131008);
    EXPECT_EQ(sent("contacts", R"([])"), 131008);
    EXPECT_EQ(sent("audio", R"({"link":"https://a","caption":"x"})"), 131009);
}

TEST_F(Graph, LimitsCallbackDataTo512Characters) {
    const auto with = [&](int size) {
        return code_of(
            R"({"messaging_product":"whatsapp","to":"+254712345678","biz_opaque_callback_data":")" +
            repeated("x", size) + R"(","text":{"body":"x"}})");
    };
    EXPECT_EQ(with(512), 0);
    EXPECT_EQ(with(513), 131009);
}

TEST_F(Graph, SendsOnlyTemplatesToPeopleWhoHaveNotWritten) {
    EXPECT_EQ(code_of(text_to("+254700000000")), 131047);
    const std::string hello =
        R"({"messaging_product":"whatsapp","to":"+254700000000","type":"template","template":{"name":"hello_world","language":{"code":"en_US"}}})";
    EXPECT_EQ(code_of(hello), 0);
    world.advance(std::chrono::hours{25});
    EXPECT_EQ(code_of(text_to("+254712345678")), 131047);
    open_window();
    EXPECT_EQ(code_of(text_to("+254712345678")), 0);
}

TEST_F(Graph, CanReportAClosedWindowLaterInAStatus) {
    put("/control/numbers/106540352242922", R"({"window":"status"})");
    EXPECT_EQ(code_of(text_to("+254700000000")), 0);
    world.posts.clear();
    world.advance(Milliseconds{1000});
    ASSERT_EQ(world.posts.size(), 1U);
    EXPECT_NE(world.posts[0].body.find(R"("status":"failed")"), std::string::npos);
    EXPECT_NE(world.posts[0].body.find(R"("code":131047)"), std::string::npos);
}

TEST_F(Graph, JudgesEveryPartOfATemplate) {
    put("/control/numbers/106540352242922",
        R"({"templates":[{"name":"pic","language":"en","header":"image","buttons":["quick_reply","url"]},
            {"name":"named","language":"en","names":["first_name","shop"]},
            {"name":"cards","language":"en","cards":2}]})");
    const auto send = [&](const std::string& name, const std::string& components) {
        return code_of(
            R"({"messaging_product":"whatsapp","to":"+254700000000","type":"template","template":{"name":")" +
            name + R"(","language":{"code":"en"},"components":[)" + components + "]}}");
    };
    const std::string picture =
        R"({"type":"header","parameters":[{"type":"image","image":{"link":"https://a"}}]})";
    const std::string link =
        R"({"type":"button","sub_type":"url","index":"1","parameters":[{"type":"text","text":"x"}]})";
    EXPECT_EQ(send("pic", picture + "," + link), 0);
    EXPECT_EQ(send("pic", picture), 131008);  // the link's end is missing
    EXPECT_EQ(send("pic", link), 132000);     // the picture is missing
    EXPECT_EQ(
        send("pic",
             R"({"type":"header","parameters":[{"type":"video","video":{"link":"https://a"}}]},)" +
                 link),
        132012);
    EXPECT_EQ(
        send(
            "pic",
            picture + "," + link +
                R"(,{"type":"button","sub_type":"copy_code","index":"0","parameters":[{"type":"coupon_code","coupon_code":"X"}]})"),
        132012);
    EXPECT_EQ(
        send(
            "pic",
            picture +
                R"(,{"type":"button","sub_type":"url","index":"1","parameters":[{"type":"payload","payload":"x"}]})"),
        132012);
    const auto named = [&](const std::string& one, const std::string& other) {
        return send("named", R"({"type":"body","parameters":[{"type":"text",)" + one +
                                 R"("text":"Asha"},{"type":"text",)" + other +
                                 R"("text":"Duka"}]})");
    };
    EXPECT_EQ(named(R"("parameter_name":"first_name",)", R"("parameter_name":"shop",)"), 0);
    EXPECT_EQ(named(R"("parameter_name":"first_name",)", ""), 131009);
    EXPECT_EQ(named("", ""), 132012);
    EXPECT_EQ(named(R"("parameter_name":"first_name",)", R"("parameter_name":"x",)"), 132012);
    const auto card = [](int index) {
        return R"({"card_index":)" + std::to_string(index) +
               R"(,"components":[{"type":"header","parameters":[{"type":"image","image":{"link":"https://a"}}]}]})";
    };
    const auto cards = [&](const std::string& all) {
        return send("cards", R"({"type":"carousel","cards":[)" + all + "]}");
    };
    EXPECT_EQ(cards(card(0) + "," + card(1)), 0);
    EXPECT_EQ(cards(card(0)), 131009);
    EXPECT_EQ(cards(card(1) + "," + card(0)), 131009);
    EXPECT_EQ(cards(card(0) + "," + card(1) + "," + card(2)), 132000);
    EXPECT_EQ(send("cards", ""), 132000);
}

TEST_F(Graph, JudgesTemplates) {
    put("/control/numbers/106540352242922",
        R"({"templates":[{"name":"order_update","language":"en","body":"Hi {{1}}, ready","body_parameters":1},
            {"name":"old","language":"en","status":"PAUSED"},{"name":"gone","language":"en","status":"DISABLED"}]})");
    const auto send = [&](const std::string& name, const std::string& components) {
        return code_of(
            R"({"messaging_product":"whatsapp","to":"+254700000000","type":"template","template":{"name":")" +
            name + R"(","language":{"code":"en"})" + components + "}}");
    };
    EXPECT_EQ(
        send("order_update",
             R"(,"components":[{"type":"body","parameters":[{"type":"text","text":"Asha"}]}])"),
        0);
    EXPECT_EQ(send("order_update", ""), 132000);
    const auto with = [&](const std::string& value) {
        return send("order_update",
                    R"(,"components":[{"type":"body","parameters":[{"type":"text","text":")" +
                        value + R"("}]}])");
    };
    EXPECT_EQ(with(""), 131008);
    for (const auto* value : {"Ann\\nLee", "Ann\\tLee", "Ann      Lee"})
        EXPECT_EQ(with(value), 132018) << value;
    EXPECT_EQ(with("Ann    Lee"), 0);  // four blanks are allowed
    EXPECT_EQ(send("hello_world", ""), 132001);
    EXPECT_EQ(send("old", ""), 132015);
    EXPECT_EQ(send("gone", ""), 132016);
    EXPECT_EQ(send("Order-Update", ""), 131009);
    const json::value chat = get(std::string{"/control/chats/"} + kNumber + "/254700000000");
    EXPECT_EQ(text_or(array_at(chat, "messages")->front(), "text", ""), "Hi Asha, ready");
}

TEST_F(Graph, RefusesItselfAndStrangersToTheTestList) {
    EXPECT_EQ(code_of(text_to("+15550783881")), 131021);
    put("/control/numbers/106540352242922", R"({"allow_list":["+254711000000"]})");
    EXPECT_EQ(code_of(text_to("+254712345678")), 131030);
}

TEST_F(Graph, HoldsToOneMessageInSixSecondsAPairAfterABurst) {
    for (int i = 0; i < 45; ++i) ASSERT_EQ(code_of(text_to("+254712345678")), 0) << i;
    EXPECT_EQ(code_of(text_to("+254712345678")), 131056);
    world.advance(Milliseconds{6'000});
    EXPECT_EQ(code_of(text_to("+254712345678")), 0);
    EXPECT_EQ(code_of(text_to("+254712345678")), 131056);
    say(R"({"text":"Hi"})", "254799999999");
    EXPECT_EQ(code_of(text_to("+254799999999")), 0);
}

TEST_F(Graph, HoldsToItsThroughputInAnySecond) {
    put("/control/numbers/106540352242922", R"({"throughput_per_s_max":5,"pair_interval_ms":0})");
    world.advance(Milliseconds{2'000});
    open_window();  // inbound counts too
    for (int i = 0; i < 4; ++i) EXPECT_EQ(code_of(text_to("+254712345678")), 0);
    EXPECT_EQ(ask(message(text_to("+254712345678"))).status, 429);
    world.advance(Milliseconds{999});
    EXPECT_EQ(code_of(text_to("+254712345678")), 130429);
    world.advance(Milliseconds{1});
    EXPECT_EQ(code_of(text_to("+254712345678")), 0);
}

TEST_F(Graph, TakesANumberWithoutPlusForANationalOne) {
    put("/control/numbers/106540352242922", R"({"country_code":"254","window":"off"})");
    const Reply reply = ask(message(text_to("0712345678")));
    EXPECT_EQ(reply.status, 200) << reply.body;
    EXPECT_NE(reply.body.find(R"("wa_id":"2540712345678")"), std::string::npos);
}

TEST_F(Graph, SignsStatusesAndSendsThemInOrder) {
    world.posts.clear();
    ask(message(
        R"({"messaging_product":"whatsapp","to":"+254712345678","biz_opaque_callback_data":"out-42","text":{"body":"x"}})"));
    world.advance(Milliseconds{1'000});
    ASSERT_EQ(world.posts.size(), 3U);
    const char* expected[] = {"sent", "delivered", "read"};
    for (std::size_t i = 0; i < 3; ++i) {
        const Outgoing& post = world.posts[i];
        EXPECT_EQ(post.url, "http://gateway/webhooks/whatsapp");
        const json::value body = *parse(post.body);
        const json::value& value = body.at("entry").at(0).at("changes").at(0).at("value");
        const json::value& status = value.at("statuses").at(0);
        EXPECT_EQ(text_or(status, "status", ""), expected[i]);
        EXPECT_EQ(text_or(status, "biz_opaque_callback_data", ""), "out-42");
        EXPECT_EQ(text_or(status, "recipient_id", ""), kPhone);
        EXPECT_TRUE(text_at(status, "timestamp").has_value()) << "Unix seconds as a string";
        bool is_signed = false;
        for (const auto& [name, header] : post.headers) {
            if (name == "X-Hub-Signature-256") {
                is_signed = header == hub_signature(kSecret, post.body);
            }
        }
        EXPECT_TRUE(is_signed);
    }
}

TEST_F(Graph, RepeatsAWebhookUntilItGets200) {
    world.posts.clear();
    int calls = 0;
    world.peer = [&](const Outgoing&) {
        return ++calls < 4 ? PostResult{503, "", "", "1"} : PostResult{200, "", ""};
    };
    const json::value answer = say(R"({"text":"again"})");
    EXPECT_EQ(int_or(answer, "http_status", 0), 503) << "the first answer";
    EXPECT_EQ(text_or(last_recorded("webhook_sent"), "retry_after", ""), "1");
    world.advance(std::chrono::minutes{5});
    EXPECT_EQ(calls, 4);
    EXPECT_EQ(world.posts[0].body, world.posts[3].body);
    EXPECT_EQ(int_or(last_recorded("webhook_sent"), "attempt", 0), 4);
}

TEST_F(Graph, MarksMessagesAsRead) {
    const std::string wamid = text_or(say(R"({"text":"hi"})"), "wamid", "");
    const auto read = [&](const std::string& id) {
        return ask(message(R"({"messaging_product":"whatsapp","status":"read","message_id":")" +
                           id + R"(","typing_indicator":{"type":"text"}})"));
    };
    EXPECT_EQ(read(wamid).body, R"({"success":true})");
    EXPECT_EQ(read("wamid.unknown").status, 400);
}

// ------------------------------------------------------------------------------------------------

TEST(StatusObject, OfAFailureIsWhatTheSheetShows) {
    Customer to;
    to.phone = "16505551234";
    EXPECT_EQ(
        meta_text(status_object("wamid.TEST0003", "failed",
                                Time{std::chrono::seconds{1'749'416'390}}, to, "out-42", false,
                                131047)),
        R"({"id":"wamid.TEST0003","status":"failed","timestamp":"1749416390","recipient_id":"16505551234","biz_opaque_callback_data":"out-42","errors":[{"code":131047,"title":"Re-engagement message","message":"Re-engagement message","error_data":{"details":"Message failed to send because more than 24 hours have passed since the customer last replied to this number."},"href":"https:\/\/developers.facebook.com\/docs\/whatsapp\/cloud-api\/support\/error-codes\/"}]})");
}

class CustomerSide : public SandboxTest {
protected:
    json::value posted_message(std::size_t at) {
        return parse(world.posts.at(at).body)
            ->at("entry")
            .at(0)
            .at("changes")
            .at(0)
            .at("value")
            .at("messages")
            .at(0);
    }
};

TEST_F(CustomerSide, SaysTextWithNameAndSignature) {
    const json::value answer = say(R"({"text":"Niko na swali 🙏 1/2","name":"Amína"})");
    EXPECT_EQ(int_or(answer, "http_status", 0), 200);
    const std::string& body = world.posts.at(0).body;
    EXPECT_NE(body.find(R"(Am\u00edna)"), std::string::npos);
    EXPECT_NE(body.find(R"(\ud83d\ude4f 1\/2)"), std::string::npos);
    EXPECT_EQ(text_or(posted_message(0), "from", ""), kPhone);
    EXPECT_EQ(text_or(posted_message(0), "type", ""), "text");
}

TEST_F(CustomerSide, TapsTheButtonOfTheMessageThatHasIt) {
    open_window();
    const Reply sent = ask(message(
        R"({"messaging_product":"whatsapp","to":"+254712345678","type":"interactive","interactive":{"type":"button","body":{"text":"How?"},"action":{"buttons":[{"type":"reply","reply":{"id":"m1:0","title":"M-Pesa"}},{"type":"reply","reply":{"id":"m1:1","title":"Card"}}]}}})"));
    const std::string wamid = text_or(parse(sent.body)->at("messages").at(0), "id", "");
    world.advance(Milliseconds{1'000});
    world.posts.clear();
    say(R"({"button":"card"})");
    const json::value tapped = posted_message(0);
    EXPECT_EQ(text_or(tapped.at("interactive").at("button_reply"), "id", ""), "m1:1");
    EXPECT_EQ(text_or(tapped.at("context"), "id", ""), wamid);
    EXPECT_EQ(text_or(tapped.at("context"), "from", ""), "15550783881");

    const Reply reply = ask(json_call("POST", "/control/customers/254712345678/say",
                                      R"({"phone_number_id":"106540352242922","button":"Cash"})"));
    EXPECT_EQ(reply.status, 422);
}

TEST_F(CustomerSide, TapsAListRow) {
    open_window();
    ask(message(
        R"({"messaging_product":"whatsapp","to":"+254712345678","type":"interactive","interactive":{"type":"list","body":{"text":"Choose"},"action":{"button":"View Products","sections":[{"title":"Coffee","rows":[{"id":"prod_001","title":"Premium Coffee","description":"KES 1500"}]}]}}})"));
    world.posts.clear();
    say(R"({"row":"Premium Coffee"})");
    EXPECT_EQ(
        compact(posted_message(0).at("interactive")),
        R"({"type":"list_reply","list_reply":{"id":"prod_001","title":"Premium Coffee","description":"KES 1500"}})");
}

TEST_F(CustomerSide, MayHideTheirPhoneBehindAUserIdAndShowItLater) {
    say(R"({"text":"hi","name":"Asha","username":"asha.k","hide_phone":true})",
        "KE.13491208655302741918");
    const json::value hidden = posted_message(0);
    EXPECT_EQ(member(hidden, "from"), nullptr);
    EXPECT_EQ(text_or(hidden, "from_user_id", ""), "KE.13491208655302741918");
    EXPECT_EQ(world.posts[0].body.find("wa_id"), std::string::npos);
    const Reply reply = ask(message(
        R"({"messaging_product":"whatsapp","recipient":"KE.13491208655302741918","text":{"body":"x"}})"));
    EXPECT_NE(reply.body.find(R"("user_id":"KE.13491208655302741918")"), std::string::npos)
        << reply.body;

    world.advance(Milliseconds{1'000});
    world.posts.clear();
    say(R"({"text":"my number","phone":"+254712345678"})", "KE.13491208655302741918");
    EXPECT_EQ(text_or(posted_message(0), "from", ""), kPhone);
    EXPECT_EQ(text_or(posted_message(0), "from_user_id", ""), "KE.13491208655302741918");
    // Both names lead to the one chat now.
    EXPECT_EQ(code_of(text_to("+254712345678")), 0);
    EXPECT_EQ(array_at(get(std::string{"/control/chats/"} + kNumber + "/254712345678"), "messages")
                  ->size(),
              4U);
}

TEST_F(CustomerSide, WhoTurnOutToBeOnePersonHaveOneChat) {
    open_window();
    say(R"({"text":"from nowhere"})", "KE.777");
    say(R"({"text":"it is me","phone":"+254712345678"})", "KE.777");
    const json::value chat = get(std::string{"/control/chats/"} + kNumber + "/254712345678");
    const auto* messages = array_at(chat, "messages");
    ASSERT_EQ(messages->size(), 3U);
    EXPECT_EQ(text_or(messages->at(0), "text", ""), "Hi");
    EXPECT_EQ(text_or(messages->at(2), "text", ""), "it is me");
}

TEST_F(CustomerSide, SendsAnyShapeOfMessage) {
    say(R"({"message":{"type":"hologram","hologram":{"x":1}}})");
    const json::value sent = posted_message(0);
    EXPECT_EQ(text_or(sent, "type", ""), "hologram");
    EXPECT_EQ(text_or(sent, "from", ""), kPhone);
}

TEST_F(CustomerSide, RepeatsOneWebhookManyTimesAtOnce) {
    const json::value answer = say(R"({"text":"once","copies":16})");
    EXPECT_EQ(world.posts.size(), 16U);
    EXPECT_EQ(array_at(answer, "http_statuses")->size(), 16U);
    for (const Outgoing& post : world.posts) EXPECT_EQ(post.body, world.posts[0].body);
}

TEST_F(CustomerSide, SignsWronglyOnDemand) {
    const auto signature = [&](const std::string& how) {
        world.posts.clear();
        say(R"({"text":"x","signature":")" + how + "\"}");
        EXPECT_EQ(world.posts.size(), 1U);
        for (const auto& [name, value] : world.posts[0].headers) {
            if (name == "X-Hub-Signature-256") return value;
        }
        return std::string{"none"};
    };
    EXPECT_EQ(signature("missing"), "none");
    EXPECT_EQ(signature("short").size(), 70U);
    EXPECT_TRUE(signature("sha1").starts_with("sha1="));
    EXPECT_EQ(signature("not_hex"), "sha256=" + std::string(64, 'z'));
    const std::string foreign = signature("secret:other");
    EXPECT_EQ(foreign, hub_signature("other", world.posts[0].body));
    const std::string wrong = signature("wrong");
    EXPECT_NE(wrong, hub_signature(kSecret, world.posts[0].body));
    const std::string other_body = signature("other_body");
    EXPECT_EQ(other_body, hub_signature(kSecret, world.posts[0].body + "\n"));
}

TEST_F(CustomerSide, BatchesSeveralNumbersInOnePost) {
    put("/control/numbers", R"({"phone_number_id":"2","token":"t2","app_secret":"s",
        "webhook_url":"http://gateway/webhooks/whatsapp","display_phone_number":"255700000001"})");
    const Reply reply = ask(json_call("POST", "/control/webhooks", R"({
        "phone_number_id":"106540352242922","updates":[
          {"from":"+254712345678","name":"A","text":"one"},
          {"phone_number_id":"2","from":"+254712345679","name":"B","text":"two"},
          {"field":"account_update","value":{"event":"ACCOUNT_RESTRICTION"}}]})"));
    EXPECT_EQ(reply.status, 200) << reply.body;
    ASSERT_EQ(world.posts.size(), 1U);
    const json::value body = *parse(world.posts[0].body);
    EXPECT_EQ(array_at(body, "entry")->size(), 3U);
    EXPECT_EQ(text_or(body.at("entry").at(1).at("changes").at(0).at("value").at("metadata"),
                      "phone_number_id", ""),
              "2");
}

TEST_F(CustomerSide, OfSeveralDoorsEveryDeliveryTakesTheNext) {
    put("/control/numbers/106540352242922",
        R"({"webhook_url":"http://a/hook,http://b/hook,http://c/hook"})");
    for (int i = 0; i < 4; ++i)
        ask(json_call("POST", "/control/webhooks",
                      R"({"phone_number_id":"106540352242922","raw":"{}"})"));
    ASSERT_EQ(world.posts.size(), 4U);
    std::vector<std::string> doors;
    for (const auto& post : world.posts) doors.push_back(post.url);
    EXPECT_EQ(doors, (std::vector<std::string>{"http://a/hook", "http://b/hook", "http://c/hook",
                                               "http://a/hook"}));
}

TEST_F(CustomerSide, PostsRawBytesAsGiven) {
    const Reply reply = ask(json_call(
        "POST", "/control/webhooks", R"({"phone_number_id":"106540352242922","raw":"{not json"})"));
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(world.posts.at(0).body, "{not json");
}

TEST_F(CustomerSide, SeesTheChatInOrderWithTicks) {
    open_window();
    ask(message(text_to("+254712345678", "Karibu")));
    world.advance(Milliseconds{100});
    const json::value chat = get(std::string{"/control/chats/"} + kNumber + "/" + kPhone);
    const auto* messages = array_at(chat, "messages");
    ASSERT_EQ(messages->size(), 2U);
    EXPECT_EQ(text_or((*messages)[0], "from", ""), "customer");
    EXPECT_EQ(text_or((*messages)[1], "text", ""), "Karibu");
    EXPECT_EQ(text_or((*messages)[1], "status", ""), "delivered");
}

TEST_F(CustomerSide, WaitsForNewsOfAChat) {
    open_window();
    const std::string path = std::string{"/control/chats/"} + kNumber + "/" + kPhone;
    const std::string version = text_or(get(path), "version", "");
    auto answered = std::make_shared<std::optional<Reply>>();
    sandbox.handle({"GET", path, {{"version", version}, {"wait_ms", "10000"}}, {}, ""},
                   [answered](Reply reply) { *answered = std::move(reply); });
    EXPECT_FALSE(answered->has_value());
    ask(message(text_to("+254712345678", "news")));
    ASSERT_TRUE(answered->has_value());
    EXPECT_NE((*answered)->body.find("news"), std::string::npos);
}

}  // namespace
}  // namespace flowstack::sandbox
