// A recognisable word in everything that is private (telephone numbers, names, texts) or secret
// (tokens, keys), played through the whole stack, well and badly: afterwards it is in no log, no
// metric, no span and no header of a record, and no table holds a secret as it was given.
#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "tests/e2e/stack.h"
#include "tests/e2e/topics.h"
#include "tests/support/otlp_collector.h"

namespace flowstack::e2e {
namespace {

namespace json = boost::json;
using namespace stack;

flowstack::testing::OtlpCollector& collector() {
    static flowstack::testing::OtlpCollector standing_in;
    return standing_in;
}

// Every suite of this program runs with traces; the others run without.
const std::string kCollectorsKey = "canaryKeyOfTheCollector";
const bool kConfigured =
    Stack::configure({.settings = "OTEL_EXPORTER_OTLP_ENDPOINT=" + collector().endpoint() +
                                  "\nOTEL_EXPORTER_OTLP_HEADERS=api-key=" + kCollectorsKey + "\n"});

// Eight digits of this run, for words that nothing else can hold.
std::string fresh(const std::string& begins) {
    static const auto run =
        std::to_string(10'000'000 + std::chrono::system_clock::now().time_since_epoch().count() /
                                        1000 % 89'999'999);
    return begins + run;
}

struct Needle {
    std::string what;
    std::string text;
};
using Needles = std::vector<Needle>;

std::string hex_of(const std::string& bytes) {
    std::string hex;
    for (const unsigned char c : bytes) {
        hex += "0123456789abcdef"[c >> 4];
        hex += "0123456789abcdef"[c & 15];
    }
    return hex;
}

// Bytes that arrive piece by piece are looked through with an overlap, so that nothing hides in a
// seam.
class Search {
public:
    explicit Search(Needles needles) : needles_(std::move(needles)) {
        for (const auto& needle : needles_) longest_ = std::max(longest_, needle.text.size());
    }
    void take(std::string_view bytes, const std::string& where) {
        std::string haystack = kept_;
        haystack += bytes;
        for (const auto& needle : needles_) {
            const auto at = haystack.find(needle.text);
            if (at == std::string::npos || !told_.insert(where + needle.what).second) continue;
            const auto from = at < 200 ? 0 : at - 200;
            ADD_FAILURE() << needle.what << " is in " << where << ":\n"
                          << haystack.substr(from, 400);
        }
        const auto keep = std::min(haystack.size(), longest_);
        kept_ = haystack.substr(haystack.size() - keep);
        bytes_ += bytes.size();
    }
    void next() { kept_.clear(); }
    std::size_t bytes() const { return bytes_; }

private:
    Needles needles_;
    std::size_t longest_ = 0;
    std::string kept_;
    std::set<std::string> told_;
    std::size_t bytes_ = 0;
};

class Canary : public ::testing::Test {
protected:
    std::string door() { return stack.environment.required("PUBLIC_BASE_URL"); }
    HttpAnswer http(const std::string& method, const std::string& path, const std::string& body,
                    const std::string& key) {
        return stack.sandbox().http().send(
            method, door() + path, body,
            {{"Authorization", "Bearer " + key}, {"Content-Type", "application/json"}});
    }

    void in_the_logs(Search& search) {
        for (const auto& entry : std::filesystem::directory_iterator(
                 stack.environment.required("FLOWSTACK_RUN_DIR") + "/log")) {
            const auto name = entry.path().filename().string();
            // The sandbox is no part of the product: it stands for the providers.
            if (name.starts_with("sandbox")) continue;
            std::ifstream file(entry.path(), std::ios::binary);
            search.take(std::string{std::istreambuf_iterator<char>(file), {}}, name);
            search.next();
        }
    }

    void in_the_metrics(Search& search) {
        for (const auto& service : kServices) {
            const auto answer = stack.sandbox().http().send(
                "GET",
                "http://" + stack.environment.required(upper(service) + "_0_ADMIN") + "/metrics");
            ASSERT_EQ(answer.status, 200) << service;
            search.take(answer.body, service + "'s metrics");
            search.next();
        }
    }

    // Keys and headers of every record; payloads carry what an event is about.
    int in_the_records(Search& search) {
        int headers_seen = 0;
        read_topics(stack, kServices, [&](const TopicRecord& record) {
            const std::string topic(record.topic);
            search.take(record.key, "a key of " + topic);
            search.next();
            for (const auto& [name, value] : record.headers) {
                search.take(value, "header " + std::string(name) + " of " + topic);
                search.next();
                ++headers_seen;
            }
        });
        return headers_seen;
    }

    // Every row of every table, as pg_dump writes it: bytea in hexadecimal.
    void in_the_tables(Search& search) {
        for (const auto& service : kServices) {
            const auto command = "pg_dump --data-only '" +
                                 stack.environment.required(upper(service) + "_MIGRATE_URL") + "'";
            FILE* dump = ::popen(command.c_str(), "r");
            ASSERT_NE(dump, nullptr);
            std::vector<char> piece(1 << 20);
            while (const auto count = std::fread(piece.data(), 1, piece.size(), dump))
                search.take({piece.data(), count}, service + "'s tables");
            search.next();
            EXPECT_EQ(::pclose(dump), 0) << "pg_dump of " << service;
        }
    }

    Stack& stack = Stack::get();
};

TEST_F(Canary, WhatIsPrivateOrSecretIsInNoLogMetricHeaderAndSecretsInNoTable) {
    auto spec = shop_for(fresh("canary-"));
    spec.access_token = fresh("EAAcanaryAccessToken");
    spec.consumer_key = fresh("canaryConsumerKey");
    spec.consumer_secret = fresh("canaryConsumerSecret");
    spec.passkey = fresh("canaryPasskey");
    make_shop(spec, stack.environment, stack.api(), stack.sandbox());

    const auto word = fresh("canaryText");
    const auto name = fresh("CanaryName");
    const auto number = fresh("+2547");
    const auto other = phone_for(fresh("canary-other-"));
    ASSERT_EQ(number.size(), 13u);

    // A machine's key, made by an operator.
    const auto admin = stack.environment.required("ADMIN_KEY");
    const auto path = "/v1/tenants/" + spec.tenant;
    const auto made = http("POST", path + "/apiKeys", R"({"displayName":"canary"})", admin);
    ASSERT_EQ(made.status / 100, 2) << made.body;
    const auto key = text_at(json::parse(made.body), "key");
    EXPECT_TRUE(eventually([&] { return http("GET", path, "", key).status == 200; }));

    // A customer buys, with a push that is refused first and a send that fails once.
    Phone phone(stack.sandbox(), spec.phone_number_id, number, name);
    stack.sandbox().post(
        "/control/faults",
        json::object{
            {"provider", "meta"},
            {"number", spec.phone_number_id},
            {"effect",
             {{"error",
               {{"code", 131016}, {"http", 503}, {"message", "for " + number + ": " + word}}}}}});
    greet(phone, "Hi");
    phone.say(word);
    phone.say("menu");
    buy(phone, stack.sandbox(), {.address = "House of " + word});
    stack.sandbox().post("/control/faults",
                         json::object{{"provider", "daraja"},
                                      {"call", "stkpush"},
                                      {"shortcode", spec.shortcode},
                                      {"effect",
                                       {{"error",
                                         {{"code", "500.001.1001"},
                                          {"http", 500},
                                          {"message", "for " + number + " " + word}}}}}});
    to_summary(phone, {.address = "House of " + word});
    phone.tap("M-Pesa");

    // What is asked wrongly: a key that opens nothing, keys in addresses, bodies that are none.
    const auto wrong_key = fresh("fsk_canaryWrongKey");
    EXPECT_EQ(http("GET", path, "", wrong_key).status, 401);
    EXPECT_EQ(http("GET", path + "?api_key=" + key, "", key).status, 401);
    const auto message =
        R"({"to":")" + number + R"(","content":{"text":{"body":")" + word + "\"}}}";
    EXPECT_EQ(http("POST", path + "/messages", message, key).status / 100, 2);
    EXPECT_EQ(http("POST", path + "/messages", message.substr(1), key).status, 400);
    EXPECT_EQ(http("POST", path + "/messages",
                   R"({"to":")" + number + R"(","content":{"text":{"body":""}}})", key)
                      .status /
                  100,
              4);
    http("POST", path + "/messages",
         R"({"to":")" + other + R"(","content":{"text":{"body":")" + word + "\"}}}", key);
    http("POST", "/tenants/" + spec.tenant + "/send",
         R"({"to":"not )" + number + R"(","text":")" + word + "\"}", key);
    http("GET", path + "/customers/" + number, "", key);
    http("GET", "/v1/tenants/" + word + "/messages?pageToken=" + word, "", key);

    // Webhooks that are wrong, unknown or broken, and a callback to a path that is nobody's.
    const auto webhook = [&](json::object body) {
        body["phone_number_id"] = spec.phone_number_id;
        stack.sandbox().post("/control/webhooks", body);
    };
    const json::array updates{json::object{{"phone_number_id", spec.phone_number_id},
                                           {"from", number},
                                           {"name", name},
                                           {"text", word}}};
    webhook({{"updates", updates}, {"signature", "wrong"}});
    webhook({{"updates", updates}, {"copies", 4}});
    webhook({{"raw", "{broken " + word + " " + number}});
    webhook({{"updates",
              json::array{json::object{{"phone_number_id", spec.phone_number_id},
                                       {"from", number},
                                       {"message", {{"type", "hologram"}, {"hologram", word}}}}}}});
    const auto token = fresh("canaryCallbackToken");
    stack.sandbox().http().send(
        "POST", stack.environment.required("PAYMENT_PUBLIC_BASE_URL") + "/hooks/pay/" + token,
        R"({"Body":{"stkCallback":{"ResultDesc":")" + word + "\"}}}");

    EXPECT_TRUE(eventually([&] {
        return std::ranges::any_of(
            phone.chat(), [&](const auto& m) { return m.from_business && m.text == word; });
    })) << "the message that was sent through the API";

    const Needles secrets{{"the access token", spec.access_token},
                          {"the consumer key", spec.consumer_key},
                          {"the consumer secret", spec.consumer_secret},
                          {"the passkey", spec.passkey},
                          {"the API key", key},
                          {"a key that opens nothing", wrong_key},
                          {"the operators' key", admin},
                          {"the internal key", stack.environment.required("INTERNAL_KEY")},
                          {"the master key", stack.environment.required("MASTER_KEY")},
                          {"the other master key", stack.environment.required("MASTER_KEY_OTHER")},
                          {"the app's secret", stack.environment.required("META_APP_SECRET")},
                          {"the key of the collector of traces", kCollectorsKey},
                          {"the verify token", stack.environment.required("META_VERIFY_TOKEN")}};
    Needles everything = secrets;
    everything.push_back({"a telephone number", number.substr(1)});
    everything.push_back({"another telephone number", other.substr(1)});
    everything.push_back({"a customer's name", name});
    everything.push_back({"a customer's words", word});
    everything.push_back({"a callback's token", token});

    Search said(everything);
    in_the_logs(said);
    in_the_metrics(said);
    EXPECT_GT(in_the_records(said), 100);
    EXPECT_TRUE(eventually([] { return collector().spans().size() > 100; }));
    said.take(collector().bodies(), "spans");
    said.next();
    EXPECT_GT(said.bytes(), 10'000u);

    Needles stored = secrets;
    for (const auto& secret : secrets)
        stored.push_back({secret.what + " in bytes", hex_of(secret.text)});
    Search kept(stored);
    in_the_tables(kept);
    EXPECT_GT(kept.bytes(), 100'000u);
}

}  // namespace
}  // namespace flowstack::e2e
