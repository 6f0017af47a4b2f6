#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <thread>

#include "flowstack/gateway/v1/message_service.pb.h"
#include "tests/e2e/stack.h"
#include "tools/chaos/checks.h"
#include "tools/stack/logs.h"

// Sends whose fate is unknown: the connection cut after acceptance, the gateway killed while the
// provider is being called, before it is called, and before it is even announced. Under
// `send_again`, with statuses at most 5 s late, each message is accepted exactly once and its
// status is attached; under `hold` it is accepted once or not at all, and then listed.
//
// The windows are hit without luck: a call is held open by the sandbox's latency or by stopping the
// sandbox, an announcement by a lock on its stream's row.
namespace flowstack::e2e {
namespace {

namespace json = boost::json;
using namespace stack;
using std::chrono::milliseconds;

// Longer than statuses are late (the setting UNKNOWN_EVIDENCE_WAIT_MS of this stack is 8 s).
constexpr std::chrono::seconds kResolvedS{60};
constexpr int kLateMs = 4000;

using Connection = std::unique_ptr<PGconn, void (*)(PGconn*)>;

class Unknown : public ::testing::Test {
protected:
    struct Sent {
        std::string what, policy, tenant, number, message;
    };

    Stack& stack = Stack::get();
    std::map<std::string, ShopSpec> shops;                    // policy → shop
    std::map<std::string, std::unique_ptr<Phone>> customers;  // policy → somebody who wrote
    std::vector<Sent> sent;

    void open() {
        for (const auto* policy : {"hold", "send_again"}) {
            auto spec = shop_for(
                std::string("unknown-") + (policy == std::string("hold") ? "hold-" : "again-") +
                std::to_string(std::chrono::system_clock::now().time_since_epoch().count() /
                               1'000'000'000 % 1'000'000));
            spec.unknown_text_policy = policy;
            make_shop(spec, stack.environment, stack.api(), stack.sandbox());
            customers[policy] = std::make_unique<Phone>(stack.sandbox(), spec.phone_number_id,
                                                        phone_for(spec.tenant), "Amina");
            greet(*customers[policy], "Hi");
            shops[policy] = spec;
        }
    }

    // The next send of the shop's number behaves so.
    void fault(const ShopSpec& shop, const json::object& effect) {
        stack.sandbox().post("/control/faults", json::object{{"provider", "meta"},
                                                             {"call", "messages"},
                                                             {"number", shop.phone_number_id},
                                                             {"effect", effect}});
    }

    // Queues a message to the customer of either shop.
    void queue(const std::string& what, milliseconds later = milliseconds(0)) {
        for (const auto& [policy, shop] : shops) {
            gateway::v1::SendMessageRequest request;
            request.set_parent("tenants/" + shop.tenant);
            request.set_to(customers[policy]->number());
            request.mutable_content()->mutable_text()->set_body(what);
            request.set_request_id(shop.tenant + what);
            if (later.count() > 0) {
                const auto at = std::chrono::duration_cast<milliseconds>(
                    (std::chrono::system_clock::now() + later).time_since_epoch());
                request.mutable_send_time()->set_seconds(at.count() / 1000);
                request.mutable_send_time()->set_nanos(
                    static_cast<int>(at.count() % 1000 * 1'000'000));
            }
            const auto message = stack.api().call<gateway::v1::Message>(
                "gateway", "MessageService/SendMessage", request);
            sent.push_back({what, policy, shop.tenant, shop.phone_number_id, message.message_id()});
        }
    }

    int accepted(const Sent& message, std::string* wamid = nullptr) {
        int times = 0;
        for (const auto& line : record_of(stack.sandbox(), "send_accepted", "", message.number))
            if (chaos::message_of_callback_data(text_at(line, "biz_opaque_callback_data")) ==
                message.message) {
                ++times;
                if (wamid) *wamid = text_at(line, "wamid");
            }
        return times;
    }
    int attempted(const Sent& message) {
        int times = 0;
        for (const auto& event :
             stream_of(stack.api(), "gateway", message.tenant, "message", message.message))
            if (short_type(event.type()) == "SendAttempted") ++times;
        return times;
    }
    bool both(const std::string& what, const std::function<bool(const Sent&)>& holds) {
        return eventually([&] {
            for (const auto& message : sent)
                if (message.what == what && !holds(message)) return false;
            return true;
        });
    }

    void kill_gateway() { stack.command("kill gateway -9"); }
    void start_gateway() { stack.command("start gateway"); }

    Connection connect() {
        Connection connection(
            PQconnectdb(stack.environment.required("GATEWAY_MIGRATE_URL").c_str()), PQfinish);
        EXPECT_EQ(PQstatus(connection.get()), CONNECTION_OK);
        return connection;
    }
    static std::string ask(const Connection& connection, const std::string& sql) {
        const std::unique_ptr<PGresult, void (*)(PGresult*)> result(
            PQexec(connection.get(), sql.c_str()), PQclear);
        EXPECT_TRUE(PQresultStatus(result.get()) == PGRES_TUPLES_OK ||
                    PQresultStatus(result.get()) == PGRES_COMMAND_OK)
            << sql << ": " << PQerrorMessage(connection.get());
        return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
    }
    // Whoever announces a send of these messages waits, until the answer is closed.
    Connection hold_announcements(const std::string& what) {
        auto connection = connect();
        ask(connection, "begin");
        for (const auto& message : sent)
            if (message.what == what)
                ask(connection,
                    "select version from heads where stream = '" +
                        chaos::short_hash({message.tenant, "message", message.message}) +
                        "'::uuid for update");
        return connection;
    }
    static constexpr const char* kWaiting =
        "from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";

    void judge(const Sent& message) {
        SCOPED_TRACE(message.what + ", " + message.policy + ", message " + message.message);
        std::string wamid;
        const int times = accepted(message, &wamid);
        gateway::v1::GetMessageRequest get;
        get.set_name("tenants/" + message.tenant + "/messages/" + message.message);
        const auto shown =
            stack.api().call<gateway::v1::Message>("gateway", "MessageService/GetMessage", get);
        if (message.policy == "send_again") {
            EXPECT_EQ(times, 1) << shown.ShortDebugString();
        } else {
            EXPECT_LE(times, 1) << shown.ShortDebugString();
        }
        if (times == 1) {
            EXPECT_EQ(shown.provider_message_id(), wamid) << shown.ShortDebugString();
            EXPECT_TRUE(shown.state() == "DELIVERED" || shown.state() == "READ" ||
                        shown.state() == "SENT")
                << shown.ShortDebugString();
            return;
        }
        gateway::v1::ListMessagesRequest dead;
        dead.set_parent("tenants/" + message.tenant);
        // Lists lag behind the log.
        const bool listed = eventually([&] {
            const auto list = stack.api().call<gateway::v1::ListMessagesResponse>(
                "gateway", "MessageService/ListDeadLetters", dead);
            return std::ranges::any_of(list.messages(), [&](const auto& each) {
                return each.message_id() == message.message;
            });
        });
        EXPECT_TRUE(listed) << "neither sent nor listed: " << shown.ShortDebugString();
        EXPECT_EQ(shown.state(), "UNKNOWN");
    }
    bool resolved(const Sent& message) {
        if (message.policy == "hold") return true;
        std::string wamid;
        return accepted(message, &wamid) == 1;
    }
};

TEST_F(Unknown, EndInOneAcceptedSendUnderSendAgainAndInNoneOrOneAndAListUnderHold) {
    open();
    // The connection is cut after acceptance; the statuses come late.
    for (const auto& [policy, shop] : shops)
        fault(shop, {{"cut", "after"}, {"statuses", {{"delay_ms", kLateMs}}}});
    queue("cut after acceptance");
    ASSERT_TRUE(both("cut after acceptance", [&](const Sent& m) { return accepted(m) == 1; }));

    // Killed while the provider, who has accepted, holds its answer back.
    for (const auto& [policy, shop] : shops)
        fault(shop, {{"latency_ms", 2500}, {"statuses", {{"delay_ms", kLateMs}}}});
    queue("killed after acceptance");
    ASSERT_TRUE(both("killed after acceptance", [&](const Sent& m) { return accepted(m) == 1; }));
    kill_gateway();
    start_gateway();

    // Announced, and killed while the provider does not even read.
    stack.command("pause sandbox");
    queue("killed after the announcement");
    EXPECT_TRUE(
        both("killed after the announcement", [&](const Sent& m) { return attempted(m) == 1; }));
    kill_gateway();
    stack.command("resume sandbox");
    start_gateway();

    // Killed while the announcement waits for a lock, and the announcement dies too: never
    // attempted.
    queue("killed before the announcement", milliseconds(3000));
    {
        const auto lock = hold_announcements("killed before the announcement");
        const auto other = connect();
        ASSERT_TRUE(eventually(
            [&] { return ask(other, std::string("select count(*) ") + kWaiting) != "0"; }));
        kill_gateway();
        ask(other, std::string("select count(pg_terminate_backend(pid)) ") + kWaiting);
        ASSERT_TRUE(eventually(
            [&] { return ask(other, std::string("select count(*) ") + kWaiting) == "0"; }));
    }
    start_gateway();

    // The same, but the announcement is committed by a server that does not know that its client is
    // dead: announced, never called.
    queue("announced by a dead gateway", milliseconds(3000));
    {
        const auto lock = hold_announcements("announced by a dead gateway");
        const auto other = connect();
        ASSERT_TRUE(eventually(
            [&] { return ask(other, std::string("select count(*) ") + kWaiting) != "0"; }));
        kill_gateway();
    }
    start_gateway();

    EXPECT_TRUE(eventually(
        [&] {
            for (const auto& message : sent)
                if (!resolved(message)) return false;
            return true;
        },
        kResolvedS));
    // Whatever would be sent a second time would be by now.
    EXPECT_TRUE(eventually(
        [&] {
            for (const auto& message : sent) {
                gateway::v1::GetMessageRequest get;
                get.set_name("tenants/" + message.tenant + "/messages/" + message.message);
                const auto shown = stack.api().call<gateway::v1::Message>(
                    "gateway", "MessageService/GetMessage", get);
                if (shown.state() == "QUEUED" || shown.state() == "SENDING") return false;
                if (shown.state() == "UNKNOWN" &&
                    (message.policy == "send_again" || !shown.dead() || accepted(message) == 1))
                    return false;
            }
            return true;
        },
        kResolvedS));
    for (const auto& message : sent) judge(message);
}

}  // namespace
}  // namespace flowstack::e2e
