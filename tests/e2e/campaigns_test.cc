#include "tests/e2e/campaigns.h"

#include <boost/json.hpp>
#include <map>
#include <set>

#include "common/core/time.h"
#include "flowstack/conversation/v1/customer_service.pb.h"
#include "flowstack/gateway/v1/contact_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "tools/stack/journey.h"
#include "tools/stack/logs.h"

// Campaigns and tasks through the doors: what a business says to many, and later.
namespace flowstack::e2e {
namespace {

namespace json = boost::json;
using namespace stack;
using std::chrono::seconds;

class Speaking : public ::testing::Test {
protected:
    HttpAnswer http(const std::string& method, const std::string& path, const json::object& body) {
        return stack.sandbox().http().send(
            method, stack.environment.required("PUBLIC_BASE_URL") + path, json::serialize(body),
            {{"Authorization", "Bearer " + stack.environment.required("ADMIN_KEY")},
             {"Content-Type", "application/json"}});
    }
    std::string said(const HttpAnswer& answer, const std::string& member) {
        return text_at(json::parse(answer.body), member);
    }
    // Recorded times of a tenant's events of one type.
    std::vector<std::int64_t> times_of(const ShopSpec& shop, const std::string& service,
                                       const std::string& type) {
        std::vector<std::int64_t> times;
        for (const auto& event : events_of(stack.api(), service, shop.tenant))
            if (short_type(event.type()) == type) times.push_back(event.recorded_at_us());
        return times;
    }
    static std::int64_t now_us() {
        return std::chrono::duration_cast<std::chrono::microseconds>(
                   std::chrono::system_clock::now().time_since_epoch())
            .count();
    }

    Stack& stack = Stack::get();
};

TEST_F(Speaking, StopInTheMiddleOfABroadcastEndsItForThatCustomerAtOnce) {
    const auto shop = stack.shop("broadcast");
    make_audience(shop, 1000);
    // Slow answers and a slow pace, so that there is a middle on a fast machine too.
    stack.sandbox().post("/control/faults", json::object{{"provider", "meta"},
                                                         {"call", "messages"},
                                                         {"number", shop.phone_number_id},
                                                         {"times", 0},
                                                         {"effect", {{"latency_ms", 100}}}});
    campaign::v1::CreateCampaignRequest request;
    request.set_per_second(60);
    request.set_start_immediately(true);
    // Everybody who was a contact by now is in it: nobody waits for the campaign service here.
    const Broadcast broadcast(shop, request);
    EXPECT_TRUE(eventually([&] { return Broadcast::left(broadcast.metrics()) > 50; }))
        << broadcast.metrics().DebugString();

    // Two hundred people have had enough.
    json::array stops;
    for (int i = 800; i < 1000; ++i)
        stops.push_back(json::object{{"phone_number_id", shop.phone_number_id},
                                     {"from", audience_phone(shop, i)},
                                     {"text", "STOP"}});
    const auto answer = stack.sandbox().post(
        "/control/webhooks",
        json::object{{"phone_number_id", shop.phone_number_id}, {"updates", stops}});
    ASSERT_EQ(answer.at("http_statuses").as_array().at(0).to_number<int>(), 200);
    const auto stopped_at = now_us();

    EXPECT_TRUE(eventually([&] { return broadcast.metrics().state() == "COMPLETED"; }, seconds(60)))
        << broadcast.metrics().DebugString();
    broadcast.expect_right(1000);
    EXPECT_GT(broadcast.metrics().suppressed(), 0);

    // By the log: no SendAttempted of a campaign's message stands behind its customer's STOP.
    std::map<std::string, std::int64_t> stopped_us;
    std::map<std::string, std::string> customer_of;
    for (const auto& event : events_of(stack.api(), "gateway", shop.tenant)) {
        const auto type = short_type(event.type());
        if (type == "ConsentChanged") {
            gateway::v1::ConsentChanged consent;
            ASSERT_TRUE(consent.ParseFromString(event.payload()));
            if (!consent.granted() && consent.purpose() == gateway::v1::MESSAGE_PURPOSE_MARKETING)
                stopped_us[consent.customer_id()] = event.recorded_at_us();
        } else if (type == "MessageQueued") {
            gateway::v1::MessageQueued queued;
            ASSERT_TRUE(queued.ParseFromString(event.payload()));
            if (queued.origin().kind() == gateway::v1::MESSAGE_ORIGIN_KIND_CAMPAIGN)
                customer_of[event.key()] = queued.customer_id();
        } else if (type == "SendAttempted" && customer_of.contains(event.key())) {
            const auto stopped = stopped_us.find(customer_of[event.key()]);
            if (stopped != stopped_us.end()) {
                EXPECT_LT(event.recorded_at_us(), stopped->second)
                    << "sent after STOP: " << event.key();
            }
        }
    }
    EXPECT_EQ(stopped_us.size(), 200u);

    // By the provider's record: what had begun before the STOP may still arrive, for as long as one
    // call may take to begin and to be answered.
    constexpr std::int64_t kCallUsMax = 12'000'000;  // ATTEMPT_START_MS_MAX + SEND_TIMEOUT_MS
    std::set<std::string> stopped_phones;
    for (int i = 800; i < 1000; ++i) stopped_phones.insert(audience_phone(shop, i).substr(1));
    for (const auto& line : record_of(stack.sandbox(), "send_accepted", "", shop.phone_number_id))
        if (stopped_phones.contains(text_at(line, "phone"))) {
            EXPECT_LT(number_at(line, "at_us"), stopped_at + kCallUsMax) << text_at(line, "phone");
        }
    expect_right(shop);
}

TEST_F(Speaking, ACampaignByTagStartsAtItsTimeAndIsPausedResumedAndCancelled) {
    const auto shop = stack.shop("by-tag");
    const std::string tenant = "/v1/tenants/" + shop.tenant;
    constexpr int kTagged = 90;
    make_audience(shop, kTagged + 10);
    conversation::v1::ListCustomersRequest list;
    list.set_parent("tenants/" + shop.tenant);
    list.set_page_size(500);
    conversation::v1::ListCustomersResponse customers;
    ASSERT_TRUE(eventually([&] {
        customers = stack.api().call<conversation::v1::ListCustomersResponse>(
            "conversation", "CustomerService/ListCustomers", list);
        return customers.customers_size() == kTagged + 10;
    }));
    for (int i = 0; i < kTagged; ++i) {
        conversation::v1::TagCustomerRequest tag;
        tag.set_name(customers.customers(i).name());
        tag.add_add("vip");
        stack.api().call<conversation::v1::Customer>("conversation", "CustomerService/TagCustomer",
                                                     tag);
    }

    campaign::v1::CreateCampaignRequest request;
    request.mutable_audience()->set_kind("tag");
    request.mutable_audience()->add_values("vip");
    request.set_per_second(15);
    const auto start_us = now_us() + 1'500'000;
    request.mutable_start_time()->set_seconds(start_us / 1'000'000);
    request.mutable_start_time()->set_nanos(static_cast<int>(start_us % 1'000'000) * 1000);
    const Broadcast broadcast(shop, request);
    const auto path = "/v1/" + broadcast.name();
    EXPECT_EQ(broadcast.now().state(), "SCHEDULED");
    const auto early = http("POST", path + ":pause", {});
    EXPECT_EQ(early.status, 409) << early.body;
    EXPECT_NE(early.body.find("WRONG_STATE"), std::string::npos) << early.body;

    EXPECT_TRUE(eventually([&] { return Broadcast::left(broadcast.metrics()) >= 10; }))
        << broadcast.metrics().DebugString();
    EXPECT_EQ(broadcast.metrics().audience(), kTagged);
    const auto started = times_of(shop, "campaign", "CampaignStarted");
    ASSERT_EQ(started.size(), 1u);
    EXPECT_GE(started.front(), start_us);
    EXPECT_LT(started.front(), start_us + 1'000'000);

    const auto paused = http("POST", path + ":pause", {{"reason", "too loud"}});
    ASSERT_EQ(paused.status, 200) << paused.body;
    EXPECT_EQ(said(paused, "state"), "PAUSED");
    EXPECT_TRUE(eventually([&] { return broadcast.metrics().queued() == 0; }));
    const auto at_rest = broadcast.metrics();
    EXPECT_GT(at_rest.waiting(), 0);
    EXPECT_EQ(Broadcast::sum(at_rest), kTagged) << at_rest.DebugString();

    const auto resumed = http("POST", path + ":resume", {});
    ASSERT_EQ(resumed.status, 200) << resumed.body;
    EXPECT_TRUE(eventually([&] {
        return Broadcast::left(broadcast.metrics()) >= Broadcast::left(at_rest) + 10;
    })) << broadcast.metrics().DebugString();
    // Between the two nothing began, but for what was being called at that moment.
    const auto pause_us = times_of(shop, "campaign", "CampaignPaused").at(0);
    const auto resume_us = times_of(shop, "campaign", "CampaignResumed").at(0);
    for (const auto at : times_of(shop, "gateway", "SendAttempted"))
        EXPECT_TRUE(at < pause_us + 1'000'000 || at > resume_us) << (at - pause_us) << " us";

    const auto cancelled = http("POST", path + ":cancel", {{"reason", "enough"}});
    ASSERT_EQ(cancelled.status, 200) << cancelled.body;
    EXPECT_EQ(said(cancelled, "state"), "CANCELLED");
    EXPECT_EQ(http("POST", path + ":resume", {}).status, 409);
    EXPECT_TRUE(eventually([&] {
        const auto m = broadcast.metrics();
        return m.waiting() + m.queued() == 0;
    })) << broadcast.metrics().DebugString();
    broadcast.expect_right(kTagged);
    EXPECT_GT(broadcast.metrics().cancelled(), 0);
    expect_right(shop);
}

TEST_F(Speaking, WhatIsBookedForATimeIsSaidThenUnlessItIsTakenBack) {
    const auto shop = stack.shop("booked");
    Phone phone(stack.sandbox(), shop.phone_number_id, phone_for("booked"), "Amina");
    greet(phone, "Hi");
    conversation::v1::ListCustomersRequest list;
    list.set_parent("tenants/" + shop.tenant);
    conversation::v1::ListCustomersResponse customers;
    ASSERT_TRUE(eventually([&] {
        customers = stack.api().call<conversation::v1::ListCustomersResponse>(
            "conversation", "CustomerService/ListCustomers", list);
        return customers.customers_size() == 1;
    }));
    const auto book = [&](const std::string& text, std::int64_t due_us) {
        const auto due = from_unix_micros(due_us);
        return http("POST", "/v1/tenants/" + shop.tenant + "/tasks",
                    {{"kind", "booking"},
                     {"customerId", customers.customers(0).customer_id()},
                     {"text", text},
                     {"dueTime", to_rfc3339(due)}});
    };
    const auto due_us = now_us() + 3'000'000;
    const auto kept = book("Your appointment is in an hour, {{name}}.", due_us);
    ASSERT_EQ(kept.status / 100, 2) << kept.body;
    const auto back = book("Never mind.", due_us);
    ASSERT_EQ(back.status / 100, 2) << back.body;
    const auto gone = http("POST", "/v1/" + said(back, "name") + ":cancel", {});
    EXPECT_EQ(said(gone, "state"), "CANCELLED") << gone.body;
    EXPECT_EQ(book("Too late.", now_us() - 3'600'000'000).status, 422);

    phone.wait_text("Your appointment is in an hour, Amina.");
    for (const auto& event : events_of(stack.api(), "followup", shop.tenant))
        if (event.key() == said(kept, "taskId") && short_type(event.type()) == "TaskFired") {
            EXPECT_GE(event.recorded_at_us(), due_us);
            EXPECT_LT(event.recorded_at_us(), due_us + 1'000'000);
        }
    const auto refused = http("POST", "/v1/" + said(kept, "name") + ":cancel", {});
    EXPECT_EQ(refused.status, 409) << refused.body;
    for (const auto& message : phone.chat()) EXPECT_NE(message.text, "Never mind.");
    expect_right(shop);
}

}  // namespace
}  // namespace flowstack::e2e
