#include <algorithm>
#include <boost/json.hpp>
#include <memory>
#include <mutex>
#include <set>

#include "common/http/server.h"
#include "common/rpc/error.h"
#include "common/rpc/timestamp.h"
#include "flowstack/gateway/v1/webhook_endpoint_service.pb.h"
#include "services/gateway/endpoints/webhook_signature.h"
#include "tests/e2e/stack.h"

// A shop's own system hears of a purchase by webhooks: signed, in order, also after it was down.
namespace flowstack::e2e {
namespace {

namespace json = boost::json;
using namespace stack;

constexpr std::chrono::milliseconds kGiveUp{6'000};
const bool kConfigured =
    Stack::configure({.settings = "WEBHOOK_PRIVATE_ADDRESSES=true\nWEBHOOK_BACKOFF_BASE_MS=200\n"
                                  "WEBHOOK_BACKOFF_MAX_MS=1000\nWEBHOOK_GIVE_UP_MS=" +
                                  std::to_string(kGiveUp.count()) + "\n"});

// The shop's system: it can be down, and it can dislike what it is told.
class ShopSystem {
public:
    struct Heard {
        std::string id;
        std::string type;
        std::string customer;
        json::object data;
    };

    ShopSystem() { up(); }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/flowstack"; }
    // What verifies: a secret or a public key. Two while one is rotated: each webhook must fit all.
    void verify_with(std::vector<std::string> keys) {
        const std::lock_guard lock(mutex_);
        keys_ = std::move(keys);
    }
    // Texts that are answered with 500.
    void dislike(const std::string& text) {
        const std::lock_guard lock(mutex_);
        disliked_ = text;
    }
    void up() {
        server_ = std::make_unique<http::Server>(
            http::ServerOptions{.address = "127.0.0.1", .port = port_},
            [this](http::Request request, const http::Responder& responder) {
                responder.send(http::Response::text(take(request), "heard"));
            });
        server_->start();
        port_ = server_->port();
    }
    void down() {
        server_->drain(std::chrono::milliseconds(0));
        server_.reset();
    }
    std::vector<Heard> heard() const {
        const std::lock_guard lock(mutex_);
        return heard_;
    }
    int refused() const {
        const std::lock_guard lock(mutex_);
        return refused_;
    }
    std::string types() const {
        std::string all;
        for (const auto& one : heard()) all += one.type + " ";
        return all;
    }
    // Where this type stands in what was heard; -1: nowhere.
    int place_of(const std::string& type) const {
        const auto all = heard();
        const auto found = std::ranges::find(all, type, &Heard::type);
        return found == all.end() ? -1 : static_cast<int>(found - all.begin());
    }
    std::vector<std::string> texts() const {
        std::vector<std::string> all;
        for (const auto& one : heard())
            if (one.type == "message.received") all.emplace_back(one.data.at("text").as_string());
        return all;
    }

private:
    int take(const http::Request& request) {
        const std::lock_guard lock(mutex_);
        const auto header = [&](const char* name) {
            return std::string(request.headers.get(name));
        };
        for (const auto& key : keys_)
            if (!gateway::verify_webhook(key, header("webhook-id"), header("webhook-timestamp"),
                                         request.body, header("webhook-signature"))) {
                ++refused_;
                return 401;
            }
        auto body = json::parse(request.body).as_object();
        auto data = body.at("data").as_object();
        if (!disliked_.empty() && data.contains("text") &&
            data.at("text") == json::value(disliked_))
            return 500;
        std::string customer;
        if (const auto* id = data.if_contains("customerId")) customer = id->as_string();
        // At least once: an id that was heard is answered and not heard again.
        if (ids_.insert(header("webhook-id")).second)
            heard_.push_back({header("webhook-id"), std::string(body.at("type").as_string()),
                              customer, std::move(data)});
        return 204;
    }

    mutable std::mutex mutex_;
    std::vector<std::string> keys_;
    std::string disliked_;
    std::set<std::string> ids_;
    std::vector<Heard> heard_;
    int refused_ = 0;
    std::uint16_t port_ = 0;
    std::unique_ptr<http::Server> server_;
};

class WebhooksOut : public ::testing::Test {
protected:
    void open(const std::string& unique) {
        shop = stack.shop(unique);
        phone = std::make_unique<Phone>(stack.sandbox(), shop.phone_number_id, phone_for(unique),
                                        "Amina");
        endpoint = create(shop, system);
        system.verify_with({endpoint.secret()});
    }
    gateway::v1::WebhookEndpoint create(const ShopSpec& of, const ShopSystem& at) {
        gateway::v1::CreateWebhookEndpointRequest request;
        request.set_parent("tenants/" + of.tenant);
        request.mutable_webhook_endpoint()->set_url(at.url());
        return stack.api().call<gateway::v1::WebhookEndpoint>(
            "gateway", "WebhookEndpointService/CreateWebhookEndpoint", request);
    }
    int count(const std::string& state) {
        gateway::v1::ListWebhookDeliveriesRequest request;
        request.set_parent("tenants/" + shop.tenant);
        request.set_state(state);
        request.set_page_size(500);
        return stack.api()
            .call<gateway::v1::ListWebhookDeliveriesResponse>(
                "gateway", "WebhookEndpointService/ListWebhookDeliveries", request)
            .webhook_deliveries_size();
    }
    bool hears(const std::vector<std::string>& texts) {
        return eventually([&] { return system.texts() == texts; });
    }

    Stack& stack = Stack::get();
    ShopSystem system;
    ShopSpec shop;
    std::unique_ptr<Phone> phone;
    gateway::v1::WebhookEndpoint endpoint;
};

TEST_F(WebhooksOut, TellAShopsSystemOfAPurchaseInOrderAndNobodyElses) {
    open("hooks-purchase");
    ShopSystem others;
    create(stack.shop("hooks-other"), others);
    const auto purchase = buy(*phone, stack.sandbox(), {});
    ASSERT_TRUE(eventually([&] { return system.place_of("order.paid") >= 0; }));
    // What one service says comes in the order of its log; the services' are heard of beside each
    // other.
    for (const auto& facts : std::vector<std::vector<std::string>>{
             {"message.received", "message.queued", "message.status"},
             {"conversation.opened"},
             {"order.placed", "order.confirmed", "payment.started", "payment.paid"}}) {
        int last = -1;
        for (const auto& type : facts) {
            EXPECT_GT(system.place_of(type), last) << type << " in " << system.types();
            last = system.place_of(type);
        }
    }
    const auto heard = system.heard();
    const auto& paid = heard[static_cast<std::size_t>(system.place_of("payment.paid"))];
    EXPECT_EQ(paid.data.at("receipt").as_string(), purchase.receipt);
    for (const auto& one : heard) EXPECT_EQ(one.customer, paid.customer) << one.type;
    EXPECT_EQ(system.refused(), 0) << "signatures that are not right";
    EXPECT_TRUE(others.heard().empty());
    EXPECT_TRUE(eventually([&] { return count("QUEUED") == 0; }));
    EXPECT_EQ(count("DEAD"), 0);
    expect_right(shop);
}

TEST_F(WebhooksOut, WaitForASystemThatIsDownAndComeInOrder) {
    open("hooks-down");
    phone->say("Hi");
    ASSERT_TRUE(hears({"Hi"}));
    ASSERT_TRUE(eventually([&] { return count("QUEUED") == 0; }));
    system.down();
    for (const auto* text : {"one", "two", "three"}) phone->say(text);
    ASSERT_TRUE(eventually([&] { return count("QUEUED") >= 3; }));
    system.up();
    EXPECT_TRUE(hears({"Hi", "one", "two", "three"}));
}

TEST_F(WebhooksOut, AreGivenUpAndReplayedByHand) {
    open("hooks-dead");
    system.dislike("Hi");
    phone->say("Hi");
    ASSERT_TRUE(eventually([&] { return count("DEAD") == 1; })) << "given up";
    phone->say("Hello");
    EXPECT_TRUE(hears({"Hello"})) << "the line goes on";
    system.dislike("");
    const auto tenant = " -t " + shop.tenant;
    const auto listed = stack.flowctl("-o json webhook-deliveries list --state DEAD" + tenant);
    ASSERT_EQ(listed.code, 0) << listed.err;
    EXPECT_NE(listed.out.find("it answered 500: heard"), std::string::npos) << listed.out;
    const auto replayed = stack.flowctl("-o json webhook-endpoints replay " + endpoint.name() +
                                        " --from 2026-01-01T00:00:00Z --state DEAD" + tenant);
    ASSERT_EQ(replayed.code, 0) << replayed.err;
    EXPECT_TRUE(hears({"Hello", "Hi"}));
}

TEST_F(WebhooksOut, AreSignedByBothSecretsWhileOneIsRotated) {
    open("hooks-rotation");
    const auto first = endpoint.secret();
    gateway::v1::RotateWebhookSecretRequest rotate;
    rotate.set_name(endpoint.name());
    const auto second = stack.api()
                            .call<gateway::v1::WebhookEndpoint>(
                                "gateway", "WebhookEndpointService/RotateWebhookSecret", rotate)
                            .secret();
    system.verify_with({first, second});
    phone->say("Hi");
    EXPECT_TRUE(hears({"Hi"}));
    rotate.set_previous_valid_for_s(-1);
    const auto third = stack.api()
                           .call<gateway::v1::WebhookEndpoint>(
                               "gateway", "WebhookEndpointService/RotateWebhookSecret", rotate)
                           .secret();
    ASSERT_TRUE(eventually([&] { return count("QUEUED") == 0; }));
    system.verify_with({third});
    phone->say("Hello");
    EXPECT_TRUE(hears({"Hi", "Hello"}));
    EXPECT_EQ(system.refused(), 0);
}

TEST_F(WebhooksOut, AreLookedAfterByFlowctl) {
    shop = stack.shop("hooks-flowctl");
    const auto tenant = " -t " + shop.tenant;
    const auto made = stack.flowctl("-o json webhook-endpoints create --url " + system.url() +
                                    " --types order.paid,payment.paid" + tenant);
    ASSERT_EQ(made.code, 0) << made.err;
    const auto shown = json::parse(made.out).as_object();
    EXPECT_TRUE(shown.at("secret").as_string().starts_with("whsec_"));
    const std::string name(shown.at("name").as_string());
    EXPECT_EQ(stack.flowctl("webhook-endpoints test " + name).code, 0);
    EXPECT_TRUE(eventually([&] { return system.place_of("webhook.test") == 0; }));
    EXPECT_EQ(stack.flowctl("webhook-endpoints pause " + name + " --reason moves").code, 0);
    EXPECT_NE(stack.flowctl("webhook-endpoints list" + tenant).out.find("PAUSED"),
              std::string::npos);
    EXPECT_EQ(stack.flowctl("webhook-endpoints resume " + name).code, 0);
    const auto wrong = stack.flowctl("webhook-endpoints create --url ftp://x" + tenant);
    EXPECT_NE(wrong.code, 0);
    EXPECT_NE(wrong.err.find("url"), std::string::npos) << wrong.err;
    EXPECT_EQ(stack.flowctl("webhook-endpoints delete " + name + " --reason done").code, 0);
    EXPECT_EQ(stack.flowctl("webhook-endpoints get " + name).code, 4);
}

TEST(ReadModels, OfWebhooksEqualARebuild) { expect_read_models_equal_a_rebuild(); }

}  // namespace
}  // namespace flowstack::e2e
