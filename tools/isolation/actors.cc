#include "tools/isolation/actors.h"

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/client_unary_call.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <thread>

#include "common/rpc/channel.h"
#include "common/rpc/resource_name.h"
#include "flowstack/conversation/v1/conversation_service.pb.h"
#include "flowstack/gateway/v1/message_service.pb.h"
#include "flowstack/payment/v1/invoice_service.pb.h"
#include "flowstack/payment/v1/payment_service.pb.h"
#include "tools/isolation/logs.h"
#include "tools/stack/logs.h"
#include "tools/stack/reach.h"

namespace flowstack::isolation {
namespace {

namespace json = boost::json;
namespace pb = google::protobuf;
using Steady = std::chrono::steady_clock;

// An error of the provider that cannot be mended by trying again.
constexpr int kPermanentError = 100;

// Calls a service by gRPC, each call in a name of its own.
class Walker {
public:
    explicit Walker(const stack::Environment& environment)
        : environment_(environment), reach_(environment) {}

    // The answer as JSON; a refusal is told in `refusal`.
    std::optional<json::value> call(const Schema::Method& method, const std::string& request,
                                    const std::string& actor, std::string& refusal) {
        const std::unique_ptr<pb::Message> in(
            factory_.GetPrototype(method.descriptor->input_type())->New());
        const auto parsed = pb::util::JsonStringToMessage(request, in.get());
        if (!parsed.ok())
            throw std::runtime_error(method.rpc + ": " + std::string(parsed.message()));
        const auto path =
            "/" + method.descriptor->service()->full_name() + "/" + method.descriptor->name();
        grpc::ClientContext context;
        rpc::set_timeout(context, stack::kCallTimeout);
        const grpc::Slice slice(in->SerializeAsString());
        const grpc::ByteBuffer sent(&slice, 1);
        grpc::ByteBuffer received;
        const auto& service = method.services.front();
        auto options = reach_.to(service);
        options.actor = actor;
        const auto channel = rpc::make_channel(
            environment_.required(stack::upper(service) + "_GRPC"), std::move(options));
        const auto status = grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, grpc::ByteBuffer>(
            channel.get(),
            grpc::internal::RpcMethod(path.c_str(), grpc::internal::RpcMethod::NORMAL_RPC),
            &context, sent, &received);
        if (!status.ok()) {
            refusal = status.error_message();
            return std::nullopt;
        }
        const std::unique_ptr<pb::Message> out(
            factory_.GetPrototype(method.descriptor->output_type())->New());
        std::vector<grpc::Slice> parts;
        std::string bytes, text;
        if (received.Dump(&parts).ok())
            for (const auto& part : parts)
                bytes.append(reinterpret_cast<const char*>(part.begin()), part.size());
        if (!out->ParseFromString(bytes) || !pb::util::MessageToJsonString(*out, &text).ok())
            throw std::runtime_error(method.rpc + ": the answer does not decode");
        return json::parse(text);
    }

private:
    const stack::Environment& environment_;
    const stack::Reach reach_;
    pb::DynamicMessageFactory factory_;
};

std::string kept_of(const json::value& answer, const Deed& deed) {
    const auto value = stack::text_at(answer, deed.member.empty() ? "name" : deed.member);
    return deed.member.empty() ? value.substr(value.rfind('/') + 1) : value;
}

bool changes_something(const Schema::Method& method) {
    const auto& without = no_deeds();
    return !method.verb.empty() && method.verb != "GET" &&
           std::ranges::find(without, method.rpc, &NoDeed::rpc) == without.end();
}

// Two messages that the provider refuses for good: "deadOne" and "deadTwo".
void make_dead_letters(stack::Api& api, stack::Sandbox& sandbox, Tenant& tenant) {
    sandbox.post(
        "/control/faults",
        json::object{{"provider", "meta"},
                     {"call", "messages"},
                     {"number", tenant.phone_number_id},
                     {"times", 2},
                     {"effect",
                      {{"error", {{"code", kPermanentError}, {"http", 400}, {"message", "no"}}}}}});
    for (const auto* kind : {"deadOne", "deadTwo"}) {
        gateway::v1::SendMessageRequest send;
        send.set_parent(rpc::tenant_name(tenant.id));
        send.set_customer_id(tenant.ids.at("customer"));
        send.set_channel_id(tenant.ids.at("channel"));
        send.mutable_content()->mutable_text()->set_body("walk");
        auto message =
            api.call<gateway::v1::Message>("gateway", "MessageService/SendMessage", send);
        tenant.ids[kind] = message.message_id();
        gateway::v1::GetMessageRequest get;
        get.set_name(message.name());
        const auto until = Steady::now() + kPatience;
        while (!message.dead()) {
            if (Steady::now() > until)
                throw std::runtime_error("waited in vain for a dead letter of " + tenant.id);
            std::this_thread::sleep_for(kPoll);
            message = api.call<gateway::v1::Message>("gateway", "MessageService/GetMessage", get);
        }
    }
}

// A payment whose answer and callback are lost: "unclearPayment". Only a person can end it.
void make_unclear_payment(stack::Api& api, stack::Sandbox& sandbox, Tenant& tenant) {
    sandbox.post("/control/faults",
                 json::object{{"provider", "daraja"},
                              {"call", "stkpush"},
                              {"shortcode", tenant.shortcode},
                              {"times", 1},
                              {"effect", {{"cut", "after"}, {"callback", {{"lose", true}}}}}});
    payment::v1::CreatePaymentIntentRequest create;
    create.set_parent(rpc::tenant_name(tenant.id));
    create.set_customer_id(tenant.ids.at("customer"));
    create.mutable_amount()->set_minor_units(30'000);
    create.mutable_amount()->set_currency_code("KES");
    auto unclear =
        api.call<payment::v1::Payment>("payment", "PaymentService/CreatePaymentIntent", create);
    payment::v1::InitiateStkPushRequest push;
    push.set_name(unclear.name());
    push.set_phone("+254712345679");
    unclear = api.call<payment::v1::Payment>("payment", "PaymentService/InitiateStkPush", push);
    payment::v1::GetPaymentRequest get;
    get.set_name(unclear.name());
    const auto until = Steady::now() + kPatience;
    while (!unclear.outcome_unknown()) {
        if (Steady::now() > until)
            throw std::runtime_error("waited in vain for an unclear payment of " + tenant.id);
        std::this_thread::sleep_for(kPoll);
        unclear = api.call<payment::v1::Payment>("payment", "PaymentService/GetPayment", get);
    }
    tenant.ids["unclearPayment"] = unclear.name().substr(unclear.name().rfind('/') + 1);
}

// An order that nobody has paid, with a numbered invoice: "openOrder".
void make_open_order(stack::Api& api, Tenant& tenant) {
    conversation::v1::PlaceOrderRequest place;
    place.set_parent(rpc::tenant_name(tenant.id));
    place.set_phone("+254712345680");
    place.set_product_id(tenant.ids.at("product"));
    place.set_quantity(1);
    place.set_channel_id(tenant.ids.at("channel"));
    const auto placed = api.call<conversation::v1::PlacedOrder>(
        "conversation", "ConversationService/PlaceOrder", place);
    tenant.ids["openOrder"] = placed.order_id();
    payment::v1::ListInvoicesRequest list;
    list.set_parent(rpc::tenant_name(tenant.id));
    list.set_customer_id(placed.customer_id());
    list.set_state(payment::v1::INVOICE_STATE_ISSUED);
    const auto until = Steady::now() + kPatience;
    while (
        api.call<payment::v1::ListInvoicesResponse>("payment", "InvoiceService/ListInvoices", list)
            .invoices()
            .empty()) {
        if (Steady::now() > until)
            throw std::runtime_error("waited in vain for an invoice of " + tenant.id);
        std::this_thread::sleep_for(kPoll);
    }
}

}  // namespace

void check_actors(const stack::Environment& environment, const Schema& schema, stack::Api& api,
                  stack::Sandbox& sandbox, Tenant tenant, Report& report) {
    const int before = report.failures();
    std::map<std::string, const Schema::Method*> methods;
    std::set<std::string> done;
    for (const auto& deed : deeds()) done.insert(deed.rpc);
    for (const auto& method : schema.methods()) {
        methods[method.rpc] = &method;
        if (changes_something(method) && !done.contains(method.rpc))
            report.bad(method.rpc + ": say in actors_table.cc how it is made to change something");
    }
    tenant.ids["shortcode"] = tenant.shortcode;
    make_dead_letters(api, sandbox, tenant);
    make_unclear_payment(api, sandbox, tenant);
    make_open_order(api, tenant);

    Walker walker(environment);
    std::map<std::string, std::string> rpc_of_actor;
    for (std::size_t i = 0; i < deeds().size(); ++i) {
        const auto& deed = deeds()[i];
        const auto method = methods.find(deed.rpc);
        if (method == methods.end()) continue;  // not in this build
        const auto actor = "operator:walker-" + std::to_string(i);
        std::string refusal;
        const auto answer =
            walker.call(*method->second, fill(deed.request, tenant, tenant), actor, refusal);
        if (!answer) {
            report.bad(deed.rpc + " was refused, so its events cannot be looked at: " + refusal);
            continue;
        }
        rpc_of_actor[actor] = deed.rpc;
        if (!deed.keep.empty()) tenant.ids[deed.keep] = kept_of(*answer, deed);
    }

    settled_events(api, tenant);
    auto events = stack::events_of_all(api, tenant.id);
    for (auto& event : stack::events_of_all(api, tenant.id + "-walk"))
        events.push_back(std::move(event));
    std::set<std::string> actors;
    for (const auto& event : events) actors.insert(event.meta().actor());
    for (const auto& [actor, rpc] : rpc_of_actor)
        if (!actors.contains(actor)) report.bad(rpc + ": no event of it names its caller");
    for (const auto* nobody : {"api", "anonymous", "service"})
        if (actors.contains(nobody))
            report.bad(std::string("an event was made by \"") + nobody + "\", which is nobody");
    if (report.failures() == before)
        report.good(std::to_string(rpc_of_actor.size()) +
                    " calls that change something: their events name the caller");
}

}  // namespace flowstack::isolation
