#include "services/sandbox/templates.h"

#include "tests/unit/sandbox/fake_world.h"

// The stand-in's message templates: as strict as the fact sheet.
namespace flowstack::sandbox {
namespace {

constexpr const char* kAccount = "102290129340398";

class Templates : public SandboxTest {
protected:
    Call call(const std::string& method, const std::string& path, const std::string& body = "",
              std::map<std::string, std::string> query = {},
              const std::string& token = "EAAJBtesttoken") {
        Call made = json_call(method, "/v25.0/" + path, body);
        made.query = std::move(query);
        made.headers["authorization"] = "Bearer " + token;
        made.headers["host"] = "graph";
        return made;
    }
    Reply create(const std::string& body) {
        return ask(call("POST", std::string(kAccount) + "/message_templates", body));
    }
    static std::string made_of(const std::string& name, const std::string& components) {
        return R"({"name":")" + name +
               R"(","language":"en_US","category":"UTILITY","components":)" + components + "}";
    }
    static std::string body_of(const std::string& text, const std::string& examples = "") {
        return R"([{"type":"BODY","text":")" + text + R"(")" +
               (examples.empty() ? "" : R"(,"example":{"body_text":[[)" + examples + "]]}") + "}]";
    }
    std::string created(const std::string& name) {
        return text_or(*parse(create(made_of(name, body_of("Come."))).body), "id", "");
    }
    int error_of(const Reply& reply) {
        const auto body = *parse(reply.body);
        const auto* error = member(body, "error");
        return error == nullptr ? 0 : static_cast<int>(int_or(*error, "code", -1));
    }
    int code_of_components(const std::string& components) {
        return error_of(create(made_of("t" + std::to_string(++made_), components)));
    }
    json::value list(std::map<std::string, std::string> query = {}) {
        return *parse(
            ask(call("GET", std::string(kAccount) + "/message_templates", "", std::move(query)))
                .body);
    }
    Reply judge(const std::string& body) {
        return ask(json_call("POST", "/control/templates", body));
    }

    int made_ = 0;
};

TEST_F(Templates, ArePendingWhenTheyAreMade) {
    const Reply reply = create(made_of("order_ready", body_of("Hi {{1}}, come.", R"("Asha")")));
    EXPECT_EQ(reply.status, 200) << reply.body;
    const auto body = *parse(reply.body);
    EXPECT_EQ(text_or(body, "status", ""), "PENDING");
    EXPECT_EQ(text_or(body, "category", ""), "UTILITY");
    EXPECT_FALSE(text_or(body, "id", "").empty());
    EXPECT_EQ(error_of(create(made_of("order_ready", body_of("Again.")))), 100)
        << "a name has one content in a language";
}

TEST_F(Templates, AreRefusedByTheCodesOfTheSheet) {
    EXPECT_EQ(code_of_components(body_of("{{1}} is ready.", R"("a")")), 2388299);
    EXPECT_EQ(code_of_components(body_of("Ready: {{1}}", R"("a")")), 2388299);
    EXPECT_EQ(code_of_components(body_of("a {{1}}{{2}} b c d", R"("a","b")")), 2388047);
    EXPECT_EQ(code_of_components(body_of("a {{2}} b c", R"("a")")), 2388047);
    EXPECT_EQ(code_of_components(body_of("a {{1}} {{2}} b", R"("a","b")")), 2388293);
    EXPECT_EQ(code_of_components(body_of(std::string(1025, 'x'))), 2388040);
    EXPECT_EQ(code_of_components(body_of("Hi {{1}} there.")), 100) << "without an example";
    EXPECT_EQ(
        code_of_components(R"([{"type":"FOOTER","text":"by {{1}}"},{"type":"BODY","text":"a"}])"),
        2388073);
    EXPECT_EQ(
        code_of_components(R"([{"type":"HEADER","format":"IMAGE"},{"type":"BODY","text":"a"}])"),
        100);
    EXPECT_EQ(code_of_components(R"([{"type":"FOOTER","text":"a"}])"), 100) << "without a body";
    EXPECT_EQ(error_of(create(made_of("Upper", body_of("a")))), 100);
    EXPECT_EQ(error_of(create(R"({"name":"a","language":"en","category":"NEWS","components":[]})")),
              100);
}

TEST_F(Templates, AreListedPageByPage) {
    for (int n = 0; n < 5; ++n) created("t" + std::to_string(n));
    std::set<std::string> names;
    std::string after;
    int pages = 0;
    do {
        const auto page = list({{"limit", "2"}, {"after", after}});
        for (const auto& one : *array_at(page, "data")) names.insert(text_or(one, "name", ""));
        const auto* paging = member(page, "paging");
        after = member(*paging, "next") == nullptr
                    ? ""
                    : text_or(*member(*paging, "cursors"), "after", "");
        ++pages;
    } while (!after.empty());
    EXPECT_EQ(names.size(), 6u) << "with hello_world";
    EXPECT_EQ(pages, 3);
    EXPECT_EQ(error_of(ask(call("GET", std::string(kAccount) + "/message_templates", "",
                                {{"after", "nonsense"}}))),
              100);
    EXPECT_EQ(array_at(list({{"name", "t3"}}), "data")->size(), 1u);
}

TEST_F(Templates, HaveALimitForEachAccount) {
    put("/control/numbers", R"({"phone_number_id":"106540352242922","templates_max":2})");
    EXPECT_FALSE(created("one").empty());
    EXPECT_EQ(error_of(create(made_of("two", body_of("Come.")))), 2388019);
}

TEST_F(Templates, AreSentOnlyWhileTheyAreApproved) {
    created("promo");
    const auto send = R"({"messaging_product":"whatsapp","to":"+254712345678","type":"template",)"
                      R"("template":{"name":"promo","language":{"code":"en_US"}}})";
    EXPECT_EQ(code_of(send), 132001);
    const auto say = [&](const std::string& status) {
        EXPECT_EQ(
            judge(R"({"waba_id":"102290129340398","name":"promo","status":")" + status + "\"}")
                .status,
            200);
    };
    say("APPROVED");
    EXPECT_EQ(code_of(send), 0);
    say("PAUSED");
    EXPECT_EQ(code_of(send), 132015);
    say("DISABLED");
    EXPECT_EQ(code_of(send), 132016);
    say("REJECTED");
    EXPECT_EQ(code_of(send), 132001);
}

TEST_F(Templates, AreEditedOnceTheyAreJudgedAndDeletedInOneLanguage) {
    const auto id = created("promo");
    const auto edit = R"({"components":[{"type":"BODY","text":"Come now."}]})";
    EXPECT_EQ(error_of(ask(call("POST", id, edit))), 100) << "a pending one cannot be edited";
    judge(R"({"waba_id":"102290129340398","name":"promo","status":"APPROVED"})");
    EXPECT_EQ(ask(call("POST", id, edit)).body, R"({"success":true})");
    EXPECT_EQ(text_or(array_at(list({{"name", "promo"}}), "data")->front(), "status", ""),
              "PENDING");
    const auto path = std::string(kAccount) + "/message_templates";
    EXPECT_EQ(error_of(ask(call("DELETE", path, "", {{"name", "promo"}, {"hsm_id", "1"}}))), 100);
    EXPECT_EQ(ask(call("DELETE", path, "", {{"name", "promo"}, {"hsm_id", id}})).status, 200);
    EXPECT_EQ(error_of(ask(call("DELETE", path, "", {{"name", "promo"}}))), 100);
}

TEST_F(Templates, AreOpenedByTheTokenOfTheirAccountOnly) {
    const auto path = std::string(kAccount) + "/message_templates";
    EXPECT_EQ(error_of(ask(call("GET", path, "", {}, "another"))), 190);
    put("/control/numbers", R"({"phone_number_id":"2","waba_id":"other","token":"other-token",
        "app_secret":"s","webhook_url":"http://gateway/w","display_phone_number":"15550000002"})");
    EXPECT_EQ(error_of(ask(call("GET", path, "", {}, "other-token"))), 100);
}

TEST_F(Templates, TellTheirFateByWebhooksOfTheAccount) {
    const auto id = created("promo");
    world.posts.clear();
    EXPECT_EQ(judge(R"({"waba_id":"102290129340398","name":"promo","status":"PAUSED",
        "reason":"LOW_QUALITY","quality":"RED","time":1751247548})")
                  .status,
              200);
    ASSERT_EQ(world.posts.size(), 1u);
    const auto body = *parse(world.posts.front().body);
    const auto& entry = array_at(body, "entry")->front();
    EXPECT_EQ(text_or(entry, "id", ""), kAccount);
    EXPECT_EQ(int_or(entry, "time", 0), 1751247548);
    const auto& change = array_at(entry, "changes")->front();
    EXPECT_EQ(text_or(change, "field", ""), "message_template_status_update");
    const auto& value = *member(change, "value");
    EXPECT_EQ(text_or(value, "event", ""), "PAUSED");
    EXPECT_EQ(text_or(value, "reason", ""), "LOW_QUALITY");
    EXPECT_EQ(std::to_string(int_or(value, "message_template_id", 0)), id) << "a number";
    EXPECT_EQ(judge(R"({"waba_id":"nobody","name":"promo","status":"PAUSED"})").status, 404);
    EXPECT_EQ(judge(R"({"waba_id":"102290129340398","name":"promo"})").status, 422);
}

}  // namespace
}  // namespace flowstack::sandbox
