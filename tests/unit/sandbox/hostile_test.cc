// Every member of every kind of body, replaced by everything it should not be: answered, never
// thrown at.
#include "tests/unit/sandbox/fake_world.h"

namespace flowstack::sandbox {
namespace {

class Hostile : public SandboxTest {
protected:
    // Calls `use` with `document`, changed in one place, for every place and every replacement.
    static void each_mistake(const json::value& document,
                             const std::function<void(const json::value&)>& use) {
        json::value changed(document);
        walk(changed, [&] { use(changed); });
    }

private:
    static void walk(json::value& node, const std::function<void()>& use) {
        const json::value kept(node);
        const std::string long_text(5'000, 'x');
        const json::value replacements[] = {
            json::value(nullptr),       json::value(true),  json::value(-1),
            json::value(3.5),           json::value(""),    json::value("\xc3\xa9\n\"/"),
            json::value(long_text),     json::array(),      json::object(),
            json::object{{"extra", 1}}, json::array{1, ""},
        };
        for (const json::value& replacement : replacements) {
            node = replacement;
            use();
        }
        node = kept;
        if (node.is_object()) {
            for (auto& [name, value] : node.get_object()) walk(value, use);
            for (const auto& [name, value] : kept.get_object()) {
                node.get_object().erase(name);
                use();
                node = kept;
            }
        }
        if (node.is_array()) {
            for (auto& value : node.get_array()) walk(value, use);
        }
    }
};

TEST_F(Hostile, GraphAnswersEveryBody) {
    put("/control/numbers/106540352242922",
        R"({"throughput_per_s_max":0,"pair_interval_ms":0,
            "templates":[{"name":"order_update","language":"en","body":"Hi {{1}}","body_parameters":1}]})");
    open_window();
    for (
        const char* body : {
            R"({"messaging_product":"whatsapp","recipient_type":"individual","to":"+254712345678","biz_opaque_callback_data":"x","context":{"message_id":"wamid.A"},"type":"text","text":{"body":"x","preview_url":false}})",
            R"({"messaging_product":"whatsapp","recipient":"KE.123","type":"image","image":{"link":"https://a/b.jpg","caption":"c"}})",
            R"({"messaging_product":"whatsapp","to":"+254712345678","type":"interactive","interactive":{"type":"button","header":{"type":"text","text":"h"},"body":{"text":"b"},"footer":{"text":"f"},"action":{"buttons":[{"type":"reply","reply":{"id":"1","title":"A"}}]}}})",
            R"({"messaging_product":"whatsapp","to":"+254712345678","type":"interactive","interactive":{"type":"list","body":{"text":"b"},"action":{"button":"v","sections":[{"title":"s","rows":[{"id":"1","title":"A","description":"d"}]}]}}})",
            R"({"messaging_product":"whatsapp","to":"+254712345678","type":"template","template":{"name":"order_update","language":{"code":"en"},"components":[{"type":"body","parameters":[{"type":"text","text":"Asha"}]},{"type":"button","sub_type":"url","index":"0","parameters":[{"type":"text","text":"x"}]}]}})",
            R"({"messaging_product":"whatsapp","to":"+254712345678","type":"reaction","reaction":{"message_id":"wamid.A","emoji":""}})",
            R"({"messaging_product":"whatsapp","to":"+254712345678","type":"location","location":{"latitude":1.5,"longitude":2.5}})",
            R"({"messaging_product":"whatsapp","status":"read","message_id":"wamid.A","typing_indicator":{"type":"text"}})",
        }) {
        each_mistake(*parse(body), [&](const json::value& wrong) {
            const Reply reply = ask(message(compact(wrong)));
            EXPECT_TRUE(reply.status == 200 || (reply.status >= 400 && reply.status < 500))
                << compact(wrong);
            EXPECT_TRUE(parse(reply.body).has_value()) << compact(wrong);
            world.advance(Milliseconds{200});
        });
    }
    // Whatever was accepted can be shown and recorded.
    get(std::string{"/control/chats/"} + kNumber + "/" + kPhone);
    get("/control/record");
}

TEST_F(Hostile, DarajaAnswersEveryBody) {
    put("/control/payers/default", R"({"behaviour":"pay","delay_ms":0})");
    put("/control/shortcodes/174379", R"({"same_amount_window_ms":0})");
    const std::string bearer = token();
    each_mistake(push_body(), [&](const json::value& wrong) {
        const Reply reply = ask(daraja("/mpesa/stkpush/v1/processrequest", compact(wrong), bearer));
        EXPECT_TRUE(parse(reply.body).has_value()) << compact(wrong);
        world.advance(Milliseconds{1'000});
    });
    each_mistake(
        *parse(
            R"({"BusinessShortCode":"174379","Password":"x","Timestamp":"20260102030405","CheckoutRequestID":"y"})"),
        [&](const json::value& wrong) {
            const Reply reply = ask(daraja("/mpesa/stkpushquery/v1/query", compact(wrong), bearer));
            EXPECT_GE(reply.status, 400) << compact(wrong);
            EXPECT_TRUE(parse(reply.body).has_value()) << compact(wrong);
        });
    const json::value page = get("/control/record", {{"kind", "callback_sent"}});
    for (const auto& line : *array_at(page, "lines")) {
        EXPECT_TRUE(parse(text_or(line, "body", "")).has_value()) << compact(line);
    }
}

TEST_F(Hostile, ControlAnswersEveryBody) {
    struct Door {
        const char *method, *path, *body;
    };
    for (
        const Door& door : {
            Door{
                "PUT", "/control/numbers/7",
                R"({"token":"t","app_secret":"s","webhook_url":"http://x","display_phone_number":"254700000009","window":"off","sent_after_ms":1,"allow_list":["1"],"templates":[{"name":"a"}]})"},
            Door{
                "PUT", "/control/shortcodes/600000",
                R"({"passkey":"p","consumer_key":"k","consumer_secret":"s","expires_in":"string","https_only":false})"},
            Door{"PUT", "/control/payers/254700000001",
                 R"({"behaviour":"pay","script":["cancel"],"delay_ms":1,"pin":"1","balance":5})"},
            Door{
                "POST", "/control/faults",
                R"({"provider":"meta","call":"messages","number":"x","times":1,"skip":1000,"effect":{"latency_ms":1,"cut":"after","error":{"code":1,"http":500,"message":"m"},"statuses":{"lose":["sent"],"duplicates":1,"reverse":true,"fail":131026},"callback":{"lose":true,"amount":"1","receipt":"r","forge":"wrong_path"},"payer":"pay"}})"},
            Door{
                "POST", "/control/customers/254712345678/say",
                R"({"phone_number_id":"106540352242922","text":"x","name":"n","username":"u","user_id":"KE.5","hide_phone":false,"copies":1,"signature":"good","retry":false,"timestamp":5})"},
            Door{
                "POST", "/control/customers/254712345678/say",
                R"({"phone_number_id":"106540352242922","message":{"type":"image","image":{"id":"1"},"context":{"id":"x"}}})"},
            Door{
                "POST", "/control/webhooks",
                R"({"phone_number_id":"106540352242922","updates":[{"from":"+254712345678","text":"x","message":{"type":"text","text":{"body":"b"}}},{"field":"f","value":{"a":1}}]})"},
            Door{"POST", "/control/callbacks", R"({"url":"http://x","body":{"a":1}})"},
        }) {
        each_mistake(*parse(door.body), [&](const json::value& wrong) {
            const Reply reply = ask(json_call(door.method, door.path, compact(wrong)));
            EXPECT_LT(reply.status, 500) << door.path << " " << compact(wrong);
            world.advance(Milliseconds{5});
        });
    }
}

}  // namespace
}  // namespace flowstack::sandbox
