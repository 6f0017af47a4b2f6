#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <future>
#include <iterator>
#include <regex>
#include <set>

#include "common/http/client.h"
#include "common/http/router.h"
#include "services/gateway/providers/meta/cloud_api.h"
#include "services/gateway/providers/twilio/twilio.h"
#include "services/gateway/rest/rest.h"

// docs/api/openapi.json and the door that it is about.
namespace flowstack::gateway {
namespace {

namespace json = boost::json;

class NoKeys final : public Keys {
public:
    std::optional<KeyOwner> owner_of(std::string_view) const override { return std::nullopt; }
    std::optional<TenantInRest> tenant(std::string_view) const override { return std::nullopt; }
};

class NoChannels final : public ConnectedChannels {
public:
    std::optional<ConnectedChannel> connected(std::string_view, std::string_view) const override {
        return std::nullopt;
    }
};

std::string checked_in() {
    std::ifstream file(FLOWSTACK_ROOT "/docs/api/openapi.json");
    return {std::istreambuf_iterator<char>(file), {}};
}

// Two names of one variable are one path.
std::string shape_of(const std::string& path) {
    static const std::regex kVariable(R"(\{[^}]*\})");
    return std::regex_replace(path, kVariable, "{}");
}

class OpenApi : public ::testing::Test {
protected:
    OpenApi() { rest.add_routes(router); }

    http::Response ask(const std::string& method, const std::string& path,
                       const std::string& query = "") {
        http::Request request;
        request.method = method;
        request.path = path;
        request.query = query;
        std::promise<http::Response> answered;
        router.handler()(std::move(request), http::Responder([&](const http::Response& response) {
                             answered.set_value(response);
                         }));
        return answered.get_future().get();
    }

    NoKeys keys;
    Rest rest{keys, RestOptions{.admin_key = Secret("admin"), .channel = {}}};
    http::Router router;
};

TEST_F(OpenApi, IsServedToEverybodyAsItIsCheckedIn) {
    const auto answer = ask("GET", "/openapi.json");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.headers.get("Content-Type"), "application/json");
    EXPECT_TRUE(answer.body == checked_in()) << answer.body.size() << " bytes";
    EXPECT_EQ(ask("GET", "/openapi.json", "key=secret").status, 401);
}

TEST_F(OpenApi, DescribesWhatTheDoorServesAndNothingElse) {
    std::set<std::string> served, described;
    for (const auto& route : router.routes())
        served.insert(route.method + " " + shape_of(route.pattern));
    http::Client client{{}};
    const NoChannels channels;
    const meta::CloudApi meta(client, {});
    const twilio::Twilio twilio(client, channels, {});
    for (const MessagingProvider* provider : {static_cast<const MessagingProvider*>(&meta),
                                              static_cast<const MessagingProvider*>(&twilio)})
        for (const auto& path : provider->webhook_paths())
            for (const auto* method : {"GET ", "POST "}) served.insert(method + path);

    const auto document = json::parse(checked_in());
    for (const auto& path : document.at("paths").as_object())
        for (const auto& operation : path.value().as_object()) {
            std::string method(operation.key());
            for (auto& c : method) c = static_cast<char>(std::toupper(c));
            described.insert(method + " " + shape_of(std::string(path.key())));
        }
    EXPECT_GT(served.size(), 100U);
    for (const auto& route : served)
        EXPECT_TRUE(described.contains(route)) << route << " is served and not described";
    for (const auto& route : described)
        EXPECT_TRUE(served.contains(route)) << route << " is described and not served";
}

// Whoever reads one operation knows who may call it and what each parameter is.
TEST_F(OpenApi, SaysOfEachOperationWhoMayCallItAndOfEachParameterWhatItIs) {
    const auto document = json::parse(checked_in());
    for (const auto& path : document.at("paths").as_object())
        for (const auto& operation : path.value().as_object()) {
            const auto& said = operation.value().as_object();
            const auto where = std::string(operation.key()) + " " + std::string(path.key());
            EXPECT_TRUE(said.contains("security")) << where;
            EXPECT_GT(said.at("summary").as_string().size(), 5U) << where;
            EXPECT_LT(said.at("summary").as_string().size(), 130U) << where;
            if (!said.contains("parameters")) continue;
            for (const auto& parameter : said.at("parameters").as_array()) {
                if (parameter.as_object().contains("$ref")) continue;
                EXPECT_FALSE(parameter.at("description").as_string().empty()) << where;
                EXPECT_TRUE(parameter.as_object().contains("schema")) << where;
            }
        }
}

}  // namespace
}  // namespace flowstack::gateway
