#include "services/gateway/domain/webhook_endpoint.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "services/gateway/domain/webhook_line.h"

namespace flowstack::gateway {
namespace {

using namespace std::chrono_literals;

const Time kNow = from_unix_seconds(1'790'000'000);
const WebhookEndpointId kEndpoint("e1");
const std::vector<std::string> kTypes{"order.paid", "message.received"};

WebhookEndpoints given(const std::vector<WebhookEndpointEvent>& history) {
    WebhookEndpoints endpoints;
    for (const auto& event : history) endpoints = evolve(std::move(endpoints), event, kNow);
    return endpoints;
}

WebhookEndpointCreated created(const std::string& id = "e1") {
    return {.endpoint_id = WebhookEndpointId(id),
            .target = {.url = "https://shop.example/h", .event_types = {}, .description = ""},
            .signature = WebhookSignature::hmac_sha256,
            .key = {.sealed = "first", .public_key = ""}};
}

std::string fault_of(const std::string& url, bool plain_http = false) {
    const auto faults = faults_of(WebhookTarget{url, {}, ""}, kTypes, plain_http);
    return faults.empty() ? "" : faults.front().field + " " + faults.front().description;
}

TEST(WebhookTarget, HasAnAddressThatCanBeCalledAndTypesThatThereAre) {
    EXPECT_EQ(fault_of("https://shop.example"), "");
    EXPECT_EQ(fault_of("https://shop.example:8443/flow%20stack?a=b&c=[1]"), "");
    EXPECT_EQ(fault_of("http://127.0.0.1:9/h", true), "");
    EXPECT_EQ(fault_of("https://" + std::string(kWebhookUrlMax - 8, 'a')), "");
    for (const auto* url :
         {"", "shop.example", "http://shop.example", "ftp://shop.example", "https://", "https:///h",
          "https://:1/h", "https://a:b@shop.example", "https://shop.example/#x",
          "https://shop.example/a b", "https://shop.example/\r\nX: y", "https://shop\\.example/"})
        EXPECT_TRUE(fault_of(url).starts_with("url ")) << url;
    EXPECT_NE(fault_of("https://" + std::string(kWebhookUrlMax, 'a')), "");

    const auto faulty =
        faults_of(WebhookTarget{.url = "https://shop.example",
                                .event_types = {"order.paid", "order.lost", "order.paid"},
                                .description = std::string(201, 'x')},
                  kTypes, false);
    ASSERT_EQ(faulty.size(), 4U);
    EXPECT_EQ(faulty[0].field, "description");
    EXPECT_EQ(faulty[1].field, "event_types[0]");
    EXPECT_EQ(faulty[2].description, "must be one of order.paid, message.received");
    EXPECT_EQ(faulty[3].field, "event_types[2]");
}

TEST(WebhookEndpoints, OfATenantHaveALimit) {
    std::vector<WebhookEndpointEvent> history;
    for (std::size_t n = 0; n < kWebhookEndpointsMax; ++n)
        history.push_back(created("e" + std::to_string(n)));
    EXPECT_EQ(decide(given(history), created("more")).rejection(),
              WebhookEndpointRejection::too_many);
    history.push_back(WebhookEndpointDeleted{.endpoint_id = kEndpoint, .reason = ""});
    EXPECT_TRUE(decide(given(history), created("more")).accepted());
    EXPECT_EQ(decide(given(history), WebhookEndpointPaused{.endpoint_id = kEndpoint, .reason = ""})
                  .rejection(),
              WebhookEndpointRejection::unknown);
}

TEST(WebhookEndpoints, KeepTheKeyBeforeTheLastRotationForItsTime) {
    const auto rotated = [](Time until) {
        return given({created(), WebhookSecretRotated{.endpoint_id = kEndpoint,
                                                      .key = {.sealed = "second", .public_key = ""},
                                                      .previous_until = until}})
            .all.front();
    };
    const auto both = rotated(kNow + 24h);
    EXPECT_EQ(both.key.sealed, "second");
    ASSERT_TRUE(both.previous_key);
    EXPECT_EQ(both.previous_key->sealed, "first");
    EXPECT_EQ(both.previous_until, kNow + 24h);
    EXPECT_FALSE(rotated(kNow).previous_key);
}

TEST(WebhookEndpoints, ArePausedAndResumedAndChangedOnlyWhereThatChangesSomething) {
    const WebhookEndpointPaused pause{.endpoint_id = kEndpoint, .reason = "moves"};
    const WebhookEndpointResumed resume{.endpoint_id = kEndpoint, .reason = ""};
    const auto active = given({created()});
    EXPECT_EQ(decide(active, resume).rejection(), WebhookEndpointRejection::not_held);
    EXPECT_TRUE(decide(active, pause).accepted());
    const auto paused = given({created(), pause});
    EXPECT_EQ(paused.all.front().reason, "moves");
    EXPECT_EQ(decide(paused, pause).rejection(), WebhookEndpointRejection::already_paused);
    const auto off = given({created(), WebhookEndpointSwitchedOff{.endpoint_id = kEndpoint,
                                                                  .reason = "it answered 500",
                                                                  .failing_since = kNow - 120h}});
    EXPECT_EQ(text_of(off.all.front().status), "SWITCHED_OFF");
    EXPECT_TRUE(decide(off, resume).accepted());
    const auto again = evolve(off, resume, kNow);
    EXPECT_EQ(text_of(again.all.front().status), "ACTIVE");
    EXPECT_EQ(again.all.front().failing_since, Time{});
    const WebhookEndpointUpdated same{.endpoint_id = kEndpoint, .target = created().target};
    EXPECT_TRUE(decide(active, same).events().empty());
}

TEST(WebhookEndpoints, AreWantedByTheirTypes) {
    auto endpoint = given({created()}).all.front();
    EXPECT_TRUE(wants(endpoint, "order.paid"));
    endpoint.target.event_types = {"message.received"};
    EXPECT_FALSE(wants(endpoint, "order.paid"));
    EXPECT_TRUE(wants(endpoint, "message.received"));
}

TEST(WebhookEndpoints, ThatFailForDaysAreSwitchedOffAndThoseThatWorkAgainAreNot) {
    const WebhookHealthPolicy policy;
    const auto failed = [&](const WebhookEndpoints& known, int in_a_row, Time at) {
        return judge(known,
                     {.endpoint_id = kEndpoint,
                      .failures_in_a_row = in_a_row,
                      .reason = "it answered 500",
                      .now = at},
                     policy);
    };
    const auto active = given({created()});
    EXPECT_FALSE(failed(active, policy.failing_after - 1, kNow));
    const auto failing = failed(active, policy.failing_after, kNow);
    ASSERT_TRUE(failing && std::holds_alternative<WebhookEndpointFailing>(*failing));
    const auto known = evolve(active, *failing, kNow);
    EXPECT_EQ(known.all.front().failing_since, kNow);
    EXPECT_FALSE(failed(known, 50, kNow + policy.off_after - 1ms));
    const auto off = failed(known, 50, kNow + policy.off_after);
    ASSERT_TRUE(off && std::holds_alternative<WebhookEndpointSwitchedOff>(*off));
    EXPECT_EQ(std::get<WebhookEndpointSwitchedOff>(*off).failing_since, kNow);
    EXPECT_FALSE(failed(evolve(known, *off, kNow), 50, kNow + policy.off_after * 2));

    const WebhookHealth works{.endpoint_id = kEndpoint, .works = true, .now = kNow};
    EXPECT_FALSE(judge(active, works, policy));
    const auto recovered = judge(known, works, policy);
    ASSERT_TRUE(recovered && std::holds_alternative<WebhookEndpointRecovered>(*recovered));
    EXPECT_EQ(evolve(known, *recovered, kNow).all.front().failing_since, Time{});

    const auto gone = judge(
        active, {.endpoint_id = kEndpoint, .gone = true, .reason = "410", .now = kNow}, policy);
    ASSERT_TRUE(gone && std::holds_alternative<WebhookEndpointSwitchedOff>(*gone));
}

// ---- lines

WebhooksQueued queued(std::initializer_list<const char*> ids) {
    WebhooksQueued event;
    for (const auto* id : ids) {
        event.webhooks.push_back({.delivery_id = WebhookDeliveryId(id),
                                  .webhook_id = id,
                                  .type = "order.paid",
                                  .replay_of = {}});
        event.bodies.emplace_back("{}");
    }
    return event;
}

WebhookLine line_of(const std::vector<WebhookLineEvent>& history, Time at = kNow) {
    WebhookLine line;
    for (const auto& event : history) line = evolve(std::move(line), event, at);
    return line;
}

WebhookAnswer answer(const char* id, int status, Time at = kNow) {
    return {.delivery_id = WebhookDeliveryId(id), .status = status, .now = at, .random = 0.5};
}

TEST(WebhookLine, PostsItsWebhooksOneAfterTheOtherInOrder) {
    const auto line = line_of({queued({"a", "b"}), queued({"c"})});
    ASSERT_EQ(line.waiting.size(), 3U);
    EXPECT_EQ(line.waiting[1].version, 1);
    EXPECT_EQ(line.waiting[1].place, 1U);
    EXPECT_EQ(line.waiting[2].version, 2);
    const auto done = decide(line, answer("a", 204), {});
    ASSERT_TRUE(done && std::holds_alternative<WebhookDelivered>(*done));
    EXPECT_TRUE(std::get<WebhookDelivered>(*done).more);
    const auto rest = evolve(line, *done, kNow);
    EXPECT_EQ(rest.waiting.front().delivery_id, WebhookDeliveryId("b"));
    // The answer to one that is not the first any more changes nothing.
    EXPECT_FALSE(decide(rest, answer("a", 204), {}));
    EXPECT_FALSE(decide(line_of({}), answer("a", 204), {}));
    const auto last = decide(line_of({queued({"c"})}), answer("c", 200), {});
    EXPECT_FALSE(std::get<WebhookDelivered>(*last).more);
}

TEST(WebhookLine, TriesAgainForThreeDaysAndThenGivesUpAndGoesOn) {
    const WebhookPolicy policy;
    const auto line = line_of({queued({"a", "b"})});
    const auto refused = decide(line, answer("a", 500, kNow + 72h - 1ms), policy);
    const auto& retry = std::get<WebhookAttemptFailed>(*refused);
    EXPECT_EQ(retry.attempt, 1);
    EXPECT_EQ(retry.retry_at, kNow + 72h - 1ms + 2'500ms);
    const auto waits = evolve(line, *refused, kNow);
    EXPECT_EQ(waits.waiting.size(), 2U);
    EXPECT_EQ(waits.waiting.front().attempts, 1);
    EXPECT_EQ(waits.waiting.front().retry_at, retry.retry_at);

    const auto given_up = decide(waits, answer("a", 0, kNow + 72h), policy);
    const auto& dead = std::get<WebhookAttemptFailed>(*given_up);
    EXPECT_EQ(dead.attempt, 2);
    EXPECT_EQ(dead.retry_at, Time{});
    EXPECT_TRUE(dead.more);
    EXPECT_EQ(evolve(waits, *given_up, kNow).waiting.front().delivery_id, WebhookDeliveryId("b"));
}

TEST(WebhookLine, WaitsAsLongAsItIsAskedTo) {
    auto busy = answer("a", 503);
    busy.wait = 20min;
    const WebhookPolicy policy;
    const auto line = line_of({queued({"a"})});
    EXPECT_EQ(std::get<WebhookAttemptFailed>(*decide(line, busy, policy)).retry_at, kNow + 20min);
    busy.wait = 30h;
    EXPECT_EQ(std::get<WebhookAttemptFailed>(*decide(line, busy, policy)).retry_at,
              kNow + policy.backoff_max);
}

TEST(WebhookWait, IsSpreadBelowABoundThatDoubles) {
    const WebhookPolicy policy{.backoff_base = 1'000ms, .backoff_max = 10'000ms};
    for (const auto& [failures, longest] :
         std::map<int, std::chrono::milliseconds>{{1, 1s}, {2, 2s}, {4, 8s}, {5, 10s}, {99, 10s}}) {
        EXPECT_EQ(webhook_wait(policy, failures, 0), 0ms);
        EXPECT_EQ(webhook_wait(policy, failures, 0.5), longest / 2);
        EXPECT_LT(webhook_wait(policy, failures, 0.999999), longest);
    }
}

TEST(WebhookPace, AsksAnEndpointThatFailsRarelyAndOnceAtATime) {
    WebhookPace pace({.backoff_base = 1'000ms, .backoff_max = 60'000ms}, 4);
    pace.begun();
    EXPECT_EQ(pace.room(kNow), 3);
    pace.ended();
    for (int n = 0; n < kFailuresOfSingles - 1; ++n) pace.failed(kNow, 0.5);
    EXPECT_EQ(pace.room(kNow), 4) << "single webhooks may fail";
    pace.failed(kNow, 0.5);
    EXPECT_EQ(pace.room(kNow), 0);
    EXPECT_EQ(pace.room(kNow + 500ms), 1);
    pace.begun();
    EXPECT_EQ(pace.room(kNow + 500ms), 0) << "one at a time";
    pace.ended();
    pace.failed(kNow + 500ms, 0.5);
    EXPECT_EQ(pace.room(kNow + 1'499ms), 0);
    EXPECT_EQ(pace.room(kNow + 1'500ms), 1);
    pace.took_it();
    EXPECT_EQ(pace.room(kNow), 4);
}

// The rules alone, on a clock that is moved: a receiver that is down for a day.
TEST(WebhookLine, ThatWaitsForAReceiverGetsThroughInOrderWhenItIsBack) {
    const WebhookPolicy policy;
    std::mt19937 random(7);
    std::uniform_real_distribution<double> jitter(0, 1);
    auto line = line_of({queued({"a", "b", "c"})});
    std::string taken;
    int attempts = 0;
    for (auto at = kNow; at < kNow + 26h && !line.waiting.empty(); at += 1min) {
        const auto& first = line.waiting.front();
        if (first.retry_at > at) continue;
        ++attempts;
        auto told = answer(first.delivery_id.text().c_str(), at < kNow + 24h ? 0 : 200, at);
        told.random = jitter(random);
        if (told.taken()) taken += first.delivery_id.text();
        line = evolve(line, *decide(line, told, policy), at);
    }
    EXPECT_EQ(taken, "abc");
    EXPECT_LT(attempts, 150);
}

}  // namespace
}  // namespace flowstack::gateway
