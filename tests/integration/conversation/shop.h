#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "common/core/clock.h"
#include "common/eventlog/consumption.h"
#include "common/eventlog/payload.h"
#include "common/observability/metrics.h"
#include "common/rpc/channel.h"
#include "common/rpc/server.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/conversation/v1/catalog_service.grpc.pb.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/conversation/v1/conversation_service.grpc.pb.h"
#include "flowstack/conversation/v1/customer_service.grpc.pb.h"
#include "flowstack/conversation/v1/flow_service.grpc.pb.h"
#include "flowstack/conversation/v1/template_service.grpc.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "services/conversation/adapters/derive.h"
#include "services/conversation/adapters/projections.h"
#include "services/conversation/adapters/reactor.h"
#include "services/conversation/adapters/rpc.h"
#include "tests/support/scripted_log.h"
#include "tests/support/test_database.h"

// The conversation service on a real database, with its gRPC doors open: only the bus and the
// neighbours are not there.
namespace flowstack::conversation {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kLanes = 4;
constexpr Time kNoon = from_unix_seconds(1'750'000'000);

// What gateway would say about tenants.
class KnownTenants final : public Tenants {
public:
    TenantFacts at_least(const std::string& tenant, std::int64_t) override {
        const auto found = facts.find(tenant);
        if (found == facts.end()) throw std::invalid_argument("gateway knows no tenant " + tenant);
        return found->second;
    }
    std::map<std::string, TenantFacts> facts;
};

// Whom gateway would know, by phone; whoever it does not know gets the next id.
class KnownContacts final : public ContactBook {
public:
    KnownContact of_phone(const std::string&, const std::string& phone,
                          const std::string&) override {
        auto& contact = contacts[phone];
        if (contact.customer_id.empty())
            contact = {"contact-" + std::to_string(contacts.size()), "ch1", {}};
        return contact;
    }
    std::map<std::string, KnownContact> contacts;
};

class ShopFixture : public ::testing::Test {
protected:
    ShopFixture() {
        TenantFacts duka;
        duka.id = "duka";
        duka.display_name = "Mama Duka";
        duka.languages = {"en", "sw"};
        duka.providers = {"mpesa"};
        duka.pack = "ECOMMERCE";
        tenants.facts["duka"] = duka;
        consumption.react([this](const auto& event, auto& turn) { reactor.react(event, turn); });
        consumption.prepare(
            [this](auto events, auto& pending) { reactor.prepare(events, pending); });
        consumption.project(project);
        consumption.assign({0, 1, 2, 3});
        services = make_people_services(doors);
        for (auto& named : make_content_services(doors)) services.push_back(std::move(named));
        for (auto& named : services) door.add(*named.service, named.full_name);
        door.start();
        channel =
            rpc::make_channel("127.0.0.1:" + std::to_string(door.port()), {.attempts_max = 1});
    }
    // Services outlive their door.
    ~ShopFixture() override { door.drain(std::chrono::milliseconds{0}); }

    static eventlog::Routing customer(const std::string& id) {
        return {eventlog::RoutingKind::customer, id};
    }

    // One call; what refused it is in `failure`.
    template <class Service, class Request, class Answer, class Base>
    rpc::ErrorReason call(grpc::Status (Base::*method)(grpc::ClientContext*, const Request&,
                                                       Answer*),
                          const Request& request, Answer& answer) {
        grpc::ClientContext context;
        rpc::set_timeout(context, seconds{20});
        auto stub = Service::NewStub(channel);
        const auto status = ((*stub).*method)(&context, request, &answer);
        failure = rpc::failure_of(status);
        return failure ? failure->reason : common::v1::ERROR_REASON_UNSPECIFIED;
    }

    v1::Product save_product(const std::string& id, const std::string& name, std::int64_t cents,
                             std::optional<std::int64_t> on_hand = {}) {
        v1::SaveProductRequest request;
        request.set_parent("tenants/duka");
        auto& p = *request.mutable_product();
        p.set_product_id(id);
        p.set_display_name(name);
        p.mutable_price()->set_minor_units(cents);
        p.mutable_price()->set_currency_code("KES");
        if (on_hand) p.set_on_hand(*on_hand);
        v1::Product saved;
        EXPECT_EQ(call<v1::CatalogService>(&v1::CatalogService::Stub::SaveProduct, request, saved),
                  common::v1::ERROR_REASON_UNSPECIFIED)
            << (failure ? failure->message : "");
        return saved;
    }
    v1::Product product(const std::string& id) {
        v1::GetProductRequest request;
        request.set_name("tenants/duka/products/" + id);
        v1::Product answer;
        call<v1::CatalogService>(&v1::CatalogService::Stub::GetProduct, request, answer);
        return answer;
    }

    // --- What customers do

    void writes(const std::string& who, const std::string& text, const std::string& tap_id = "",
                gateway::v1::InboundKind kind = gateway::v1::INBOUND_KIND_UNSPECIFIED) {
        gateway::v1::MessageReceived m;
        m.set_provider_message_id("wamid." + std::to_string(++inbound));
        m.set_channel_id("ch1");
        m.set_customer_id(who);
        m.set_kind(kind != gateway::v1::INBOUND_KIND_UNSPECIFIED ? kind
                   : tap_id.empty()                              ? gateway::v1::INBOUND_KIND_TEXT
                                    : gateway::v1::INBOUND_KIND_BUTTON);
        m.set_tap_id(tap_id);
        m.set_has_phone(true);
        m.mutable_personal()->set_text(text);
        m.mutable_personal()->set_profile_name(who);
        m.mutable_personal()->set_phone("+254712345678");
        now += seconds{10};
        gateway->happened({"duka", "inbound", m.provider_message_id()}, customer(who), m, now);
        consume();
    }
    // Taps the button or row with this title, in the latest message to this customer that has it.
    void taps(const std::string& who, const std::string& title) {
        const auto all = replies(who);
        for (auto reply = all.rbegin(); reply != all.rend(); ++reply)
            for (const auto& tap : reply->taps())
                if (tap.title() == title)
                    return writes(who, title, reply->message_id() + ":" + std::to_string(tap.n()));
        ADD_FAILURE() << "nobody showed " << who << " a button \"" << title << "\"";
    }

    // Everything that is there is consumed, what follows from it too.
    void consume() {
        for (int i = 0; i < 4; ++i) consumption.apply({});
    }

    // --- What there is

    std::vector<eventlog::Recorded> events() {
        std::vector<eventlog::Recorded> all;
        for (int lane = 0; lane < kLanes; ++lane)
            for (auto& event : store.read_lane(lane, 1, 0, 10'000)) all.push_back(std::move(event));
        return all;
    }
    // Events of this type, and steps of turns.
    template <class Message>
    std::vector<Message> all() {
        std::vector<Message> found;
        for (const auto& event : events()) {
            if (event.type == Message::descriptor()->full_name()) {
                found.emplace_back();
                EXPECT_TRUE(found.back().ParseFromString(event.payload));
            } else if (eventlog::is<v1::DialogueTurn>(event)) {
                const auto turn = eventlog::parsed<v1::DialogueTurn>(event);
                for (const auto& step : turn.steps())
                    if (const auto* part = part_of(step, Message::descriptor()))
                        found.emplace_back().CopyFrom(*part);
            }
        }
        return found;
    }
    static const google::protobuf::Message* part_of(const v1::TurnStep& step,
                                                    const google::protobuf::Descriptor* type) {
        const auto& reflection = *step.GetReflection();
        const auto* part = reflection.GetOneofFieldDescriptor(
            step, v1::TurnStep::descriptor()->FindOneofByName("step"));
        return part && part->message_type() == type ? &reflection.GetMessage(step, part) : nullptr;
    }
    // The short types of the rows that this customer's lane has of them, in their order.
    std::vector<std::string> rows_of(const std::string& who) {
        std::vector<std::string> types;
        for (const auto& event : events())
            if (event.meta.routing == customer(who))
                types.push_back(event.type.substr(event.type.rfind('.') + 1));
        return types;
    }
    std::vector<v1::ReplyRequested> replies(const std::string& who) {
        auto found = all<v1::ReplyRequested>();
        std::erase_if(found, [&](const auto& reply) { return reply.customer_id() != who; });
        return found;
    }
    // What the last reply to this customer says.
    std::string heard(const std::string& who) {
        const auto all_replies = replies(who);
        if (all_replies.empty()) return {};
        return content_of(all_replies.back().personal().content()).body;
    }
    v1::Conversation conversation_of(const std::string& who) {
        v1::GetCustomerRequest ask;
        ask.set_name("tenants/duka/customers/" + who);
        v1::Customer answer;
        call<v1::CustomerService>(&v1::CustomerService::Stub::GetCustomer, ask, answer);
        v1::GetConversationRequest request;
        request.set_name("tenants/duka/conversations/" + answer.conversation_id());
        v1::Conversation conversation;
        call<v1::ConversationService>(&v1::ConversationService::Stub::GetConversation, request,
                                      conversation);
        return conversation;
    }

    testing::TestDatabase database{kLanes, "conversation"};
    eventlog::Store store{
        {.service = "conversation", .database_url = database.service_url(), .lanes = kLanes},
        derive};
    eventlog::ReadModel read_model{store, "key"};
    Packs packs = read_packs(PACKS_DIR);
    Books books{store};
    ContentCache content{store, books, packs};
    KnownTenants tenants;
    KnownContacts contacts;
    metrics::Registry registry;
    Alarms alarms{registry};
    Reactor reactor{books, tenants, content, alarms, RateLimit{}};
    std::shared_ptr<testing::ScriptedLog> gateway =
        std::make_shared<testing::ScriptedLog>("gateway", kLanes);
    std::shared_ptr<testing::ScriptedLog> payment =
        std::make_shared<testing::ScriptedLog>("payment", kLanes);
    std::shared_ptr<testing::ScriptedLog> followup =
        std::make_shared<testing::ScriptedLog>("followup", kLanes);
    eventlog::Consumption consumption{store,
                                      {{"gateway", gateway},
                                       {"payment", payment},
                                       {"followup", followup},
                                       {"conversation", eventlog::own_source(store)}},
                                      {.consumer = "conversation",
                                       .head_compare_every = milliseconds{0},
                                       .idle_cursor_after = milliseconds{0}}};
    ManualClock clock{kNoon};
    IdSource ids{clock};
    rpc::Server door{{.deadline_required = true}};
    Doors doors{door, store, read_model, books, content, tenants, contacts, clock, ids};
    std::vector<NamedService> services;
    std::shared_ptr<grpc::Channel> channel;
    std::optional<rpc::Failure> failure;
    Time now = kNoon;
    int inbound = 0;
};

}  // namespace flowstack::conversation
