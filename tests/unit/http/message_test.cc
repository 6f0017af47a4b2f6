#include "common/http/message.h"

#include <gtest/gtest.h>

#include <random>

#include "common/http/chunked.h"
#include "common/http/router.h"
#include "common/http/url.h"

namespace flowstack::http {
namespace {

TEST(Headers, CompareNamesWithoutCaseAndKeepOrder) {
    Headers headers{{"Content-Type", "text/plain"}, {"X-A", "1"}, {"x-a", "2"}};
    EXPECT_EQ(headers.get("content-type"), "text/plain");
    EXPECT_EQ(headers.get("X-a"), "1");
    EXPECT_EQ(headers.count("X-A"), 2u);
    EXPECT_EQ(headers.get("absent"), "");
    headers.set("x-A", "3");
    EXPECT_EQ(headers.count("X-A"), 1u);
    EXPECT_EQ(headers.get("X-A"), "3");
    headers.remove("X-A");
    EXPECT_FALSE(headers.has("X-A"));
    EXPECT_EQ(headers.size(), 1u);
}

TEST(Request, GivesDecodedQueryParameters) {
    Request request;
    request.query = "hub.mode=subscribe&hub.challenge=11%2058&flag&hub.mode=second";
    EXPECT_EQ(request.query_param("hub.mode"), "subscribe");
    EXPECT_EQ(request.query_param("hub.challenge"), "11 58");
    EXPECT_EQ(request.query_param("flag"), "");
    EXPECT_FALSE(request.query_param("absent"));
}

TEST(Problem, IsRfc9457WithReasonViolationsAndTraceId) {
    const auto response = Response::problem({.status = 422,
                                             .title = "Invalid argument",
                                             .detail = "The \"quantity\" is\nwrong.",
                                             .reason = "INVALID_ARGUMENT",
                                             .violations = {{"items[0].quantity", "from 1 to 999"}},
                                             .trace_id = "4bf92f3577b34da6a3ce929d0e0e4736",
                                             .extra_members = {{"message_id", "m1"}}});
    EXPECT_EQ(response.status, 422);
    EXPECT_EQ(response.headers.get("Content-Type"), "application/problem+json");
    EXPECT_EQ(response.body,
              R"({"type":"about:blank","title":"Invalid argument","status":422,)"
              R"("detail":"The \"quantity\" is\nwrong.","reason":"INVALID_ARGUMENT",)"
              R"("violations":[{"field":"items[0].quantity","description":"from 1 to 999"}],)"
              R"("trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","message_id":"m1"})");
}

TEST(JsonString, EscapesAndReplacesWhatIsNotUtf8) {
    EXPECT_EQ(json_string("a\"\\\n\t\x01\x7f"), R"("a\"\\\n\t\u0001\u007f")");
    EXPECT_EQ(json_string("Am\u00edna \U0001F64F"), "\"Am\u00edna \U0001F64F\"");
    EXPECT_EQ(json_string("\xff\xc0\xaf\xed\xa0\x80"), "\"\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\"");
    EXPECT_TRUE(valid_utf8("Am\u00edna \U0001F64F"));
    EXPECT_FALSE(valid_utf8("\xe2\x82"));
    EXPECT_FALSE(valid_utf8("\xf4\x90\x80\x80"));
}

TEST(TraceId, IsTakenFromAValidTraceparentOnly) {
    const auto of = [](std::string value) {
        return std::string(trace_id_of(Headers{{"Traceparent", std::move(value)}}));
    };
    EXPECT_EQ(of("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
              "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_EQ(of("00-00000000000000000000000000000000-00f067aa0ba902b7-01"), "");
    EXPECT_EQ(of("00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), "");
    EXPECT_EQ(of("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), "");
    EXPECT_EQ(of("junk"), "");
}

TEST(Url, EncodesAndDecodesEveryByte) {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
    EXPECT_EQ(percent_decode(percent_encode(bytes)), bytes);
    EXPECT_EQ(percent_encode("a b/c~"), "a%20b%2Fc~");
    EXPECT_EQ(percent_decode("a+b"), "a+b");
    for (const char* wrong : {"%", "%1", "%zz", "a%2", "%%20"})
        EXPECT_FALSE(percent_decode(wrong)) << wrong;
}

TEST(Form, ParsesAsBrowsersSend) {
    const auto fields = parse_form("From=whatsapp%3A%2B255&Body=Habari+yako&&Empty=&Flag&a=b=c");
    ASSERT_TRUE(fields);
    const FormFields expected = {{"From", "whatsapp:+255"},
                                 {"Body", "Habari yako"},
                                 {"Empty", ""},
                                 {"Flag", ""},
                                 {"a", "b=c"}};
    EXPECT_EQ(*fields, expected);
    EXPECT_EQ(form_field(*fields, "Body"), "Habari yako");
    EXPECT_FALSE(form_field(*fields, "body"));
    EXPECT_EQ(parse_form(encode_form(expected)), expected);
    EXPECT_FALSE(parse_form("a=%zz"));
    EXPECT_FALSE(parse_form("a&b&c", 2));
    EXPECT_TRUE(parse_form("")->empty());
}

// However the bytes are cut, the same body comes out.
TEST(Chunked, DecodesWhateverTheCuts) {
    const std::string coded =
        "5\r\nhello\r\n1;name=\"value\"\r\n \r\nA\r\n0123456789\r\n00\r\nTrailer: x\r\n\r\nREST";
    for (std::size_t step = 1; step <= coded.size(); ++step) {
        ChunkedDecoder decoder(1000, 100);
        std::string body;
        std::size_t taken = 0;
        for (std::size_t at = 0;
             at < coded.size() && decoder.state() == ChunkedDecoder::State::more; at += step)
            taken += decoder.put(std::string_view(coded).substr(at, step), body);
        EXPECT_EQ(decoder.state(), ChunkedDecoder::State::done);
        EXPECT_EQ(body, "hello 0123456789");
        EXPECT_EQ(taken, coded.size() - 4);
    }
}

TEST(Chunked, RefusesEveryOtherSpelling) {
    using State = ChunkedDecoder::State;
    const auto state_after = [](std::string_view coded) {
        ChunkedDecoder decoder(100, 50);
        std::string body;
        decoder.put(coded, body);
        return decoder.state();
    };
    for (const char* wrong :
         {"\r\n", "x\r\n", "5\nhello", "5\r\nhelloX", "5\r\nhello\n", "-1\r\n", "+1\r\n", "0x5\r\n",
          " 5\r\n", "5\rhello", "11111111111111111\r\n", "0\r\nA\nB", "0\r\n\rX", "5;\x01\r\n"})
        EXPECT_EQ(state_after(wrong), State::malformed) << wrong;
    EXPECT_EQ(state_after("65\r\n"), State::too_large);
    EXPECT_EQ(state_after("ffffffffffffffff\r\n"), State::too_large);
    EXPECT_EQ(state_after("60\r\n" + std::string(96, 'x') + "\r\n5\r\n"), State::too_large);
    EXPECT_EQ(state_after("1;" + std::string(60, 'e')), State::overhead);
    EXPECT_EQ(state_after("0\r\n" + std::string(60, 't')), State::overhead);
}

struct Answered {
    Response response;
    std::string handler;
    std::map<std::string, std::string> params;
};

// A router whose handlers say who they are.
class RouterTest : public ::testing::Test {
protected:
    void add(const std::string& method, const std::string& pattern) {
        router_.add(method, pattern,
                    [this, name = method + " " + pattern](Request r, const Responder& to) {
                        answered_.handler = name;
                        answered_.params = std::move(r.params);
                        to.send(Response::text(200, ""));
                    });
    }
    Answered ask(const std::string& method, const std::string& target) {
        answered_ = {};
        Request request;
        request.method = method;
        request.target = target;
        request.path = target;
        router_.handler()(std::move(request), Responder([this](Response response) {
                              answered_.response = std::move(response);
                          }));
        return answered_;
    }
    Router router_;
    Answered answered_;
};

TEST_F(RouterTest, PrefersTheMostSpecificPattern) {
    add("GET", "/v1/tenants/{tenant}/messages");
    add("GET", "/v1/tenants/{tenant}/messages/{id}");
    add("POST", "/v1/tenants/{tenant}/messages/{id}:retry");
    add("GET", "/v1/tenants/{tenant}/messages/latest");
    add("GET", "/v1/tenants/{tenant}/{rest=**}");
    add("GET", "/");

    EXPECT_EQ(ask("GET", "/").handler, "GET /");
    EXPECT_EQ(ask("GET", "/v1/tenants/t1/messages/latest?x=1").handler,
              "GET /v1/tenants/{tenant}/messages/latest");
    auto got = ask("GET", "/v1/tenants/t%2F1/messages/m1");
    EXPECT_EQ(got.handler, "GET /v1/tenants/{tenant}/messages/{id}");
    EXPECT_EQ(got.params["tenant"], "t/1");
    EXPECT_EQ(got.params["id"], "m1");
    got = ask("POST", "/v1/tenants/t1/messages/m1:retry");
    EXPECT_EQ(got.handler, "POST /v1/tenants/{tenant}/messages/{id}:retry");
    EXPECT_EQ(got.params["id"], "m1");
    EXPECT_EQ(ask("POST", "/v1/tenants/t1/messages/m1%3Aretry").params["id"], "m1");
    EXPECT_EQ(ask("GET", "/v1/tenants/t1/messages/a:b").params["id"], "a:b");
    EXPECT_EQ(ask("GET", "/v1/tenants/t1/other/deep/er").params["rest"], "other/deep/er");
    EXPECT_EQ(ask("GET", "/v1/tenants/t1").params["rest"], "");
}

TEST_F(RouterTest, AnswersUnknownPathsAndWrongMethods) {
    add("GET", "/a/{x}");
    add("DELETE", "/a/{y}");
    auto got = ask("GET", "/b");
    EXPECT_EQ(got.response.status, 404);
    EXPECT_NE(got.response.body.find("PATH_NOT_FOUND"), std::string::npos);
    for (const char* path : {"/a", "/a/", "/a/1/", "/a/1/2", "//a/1", "/a/%zz", "*", ""})
        EXPECT_EQ(ask("GET", path).response.status, 404) << path;
    got = ask("PUT", "/a/1");
    EXPECT_EQ(got.response.status, 405);
    EXPECT_EQ(got.response.headers.get("Allow"), "DELETE, GET, HEAD");
    EXPECT_EQ(ask("HEAD", "/a/1").handler, "GET /a/{x}");
    EXPECT_EQ(ask("DELETE", "/a/1").params.at("y"), "1");
}

TEST_F(RouterTest, RefusesMalformedAndDoublePatterns) {
    add("GET", "/a/{x}");
    for (const char* wrong : {"a", "/a/{x", "/a/x}", "/{}", "/a/{x}{y}", "/a/p{x}", "/{x=**}/b",
                              "/{x}/{x}", "/{x=*}", "/{x}:", "/{x}verb", "/a/{other}"})
        EXPECT_THROW(add("GET", wrong), std::invalid_argument) << wrong;
    EXPECT_EQ(router_.routes().size(), 1u);
    EXPECT_EQ(router_.routes()[0].pattern, "/a/{x}");
}

TEST(Responder, AnswersOnceWhateverItsHolderDoes) {
    std::vector<int> statuses;
    const auto note = [&](const Response& response) { statuses.push_back(response.status); };
    {
        const Responder first{std::function<void(Response)>(note)};
        const Responder copy = first;  // NOLINT(performance-unnecessary-copy-initialization)
        copy.send(Response::text(201, ""));
        first.send(Response::text(202, ""));
    }
    EXPECT_EQ(statuses, std::vector<int>{201});
    { const Responder forgotten{std::function<void(Response)>(note)}; }
    EXPECT_EQ(statuses, (std::vector<int>{201, 500}));
}

}  // namespace
}  // namespace flowstack::http
