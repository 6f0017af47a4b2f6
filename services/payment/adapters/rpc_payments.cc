#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <thread>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/rpc/error.h"
#include "common/rpc/server.h"
#include "common/service/one_effect.h"
#include "common/service/pages.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/payment/v1/payment_service.grpc.pb.h"
#include "flowstack/payment/v1/provider_account_service.grpc.pb.h"
#include "services/payment/adapters/projections.h"
#include "services/payment/adapters/rpc.h"

namespace flowstack::payment {
namespace {

using eventlog::Command;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

constexpr std::size_t kReasonBytesMax = 500;
constexpr std::chrono::milliseconds kLookAgainMs{25};

rpc::Failure not_allowed(const std::string& subject, const std::string& message) {
    return rpc::wrong_state(subject, message);
}

// What a request makes, once (common/service/one_effect.h).
service::OneEffect one_effect(const Doors& doors, const std::string& method,
                              const std::string& tenant, const std::string& request_id,
                              std::string hash) {
    return {
        doors.store,
        doors.ids,
        {.method = method, .tenant = tenant, .request_id = request_id, .hash = std::move(hash)}};
}

void show(const Doors& doors, const std::string& tenant, const std::string& intent_id,
          v1::Payment& out) {
    const auto events = doors.store.read_stream(intent_stream(tenant, intent_id));
    if (events.empty()) throw rpc::not_found("tenants/" + tenant + "/payments/" + intent_id);
    out.Clear();
    for (const auto& event : events) apply(out, event, true);
}

std::string intent_in(const std::vector<eventlog::Recorded>& events) {
    for (const auto& event : events)
        if (event.stream.category == category::kIntent) return event.stream.key;
    throw rpc::internal();
}

class PaymentRpc final : public v1::PaymentService::CallbackService {
public:
    explicit PaymentRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* CreatePaymentIntent(CallbackServerContext* context,
                                            const v1::CreatePaymentIntentRequest* request,
                                            v1::Payment* response) override {
        return doors_.rpc.unary(context, [=, this](rpc::Call&) { create(*request, *response); });
    }

    ServerUnaryReactor* InitiateStkPush(CallbackServerContext* context,
                                        const v1::InitiateStkPushRequest* request,
                                        v1::Payment* response) override {
        return doors_.rpc.unary(context,
                                [=, this](rpc::Call& call) { push(*request, *response, call); });
    }

    ServerUnaryReactor* GetPayment(CallbackServerContext* context,
                                   const v1::GetPaymentRequest* request,
                                   v1::Payment* response) override {
        return doors_.rpc.unary(context, [=, this](rpc::Call&) {
            const auto name = parse_name(request->name(), "payments");
            show(doors_, name.tenant, name.id, *response);
        });
    }

    ServerUnaryReactor* ListPayments(CallbackServerContext* context,
                                     const v1::ListPaymentsRequest* request,
                                     v1::ListPaymentsResponse* response) override {
        return doors_.rpc.unary(context, [=, this](rpc::Call&) { list(*request, *response); });
    }

    ServerUnaryReactor* CancelPayment(CallbackServerContext* context,
                                      const v1::CancelPaymentRequest* request,
                                      v1::Payment* response) override {
        return doors_.rpc.unary(context, [=, this](rpc::Call&) { cancel(*request, *response); });
    }

private:
    void create(const v1::CreatePaymentIntentRequest& request, v1::Payment& response) {
        const auto tenant = parse_parent(request.parent());
        const auto provider = request.provider().empty() ? "mpesa" : request.provider();
        if (provider != "mpesa")
            throw rpc::invalid_field("provider", "must be mpesa: no other provider is on");
        if (!request.phone().empty() && !mpesa::msisdn(request.phone()))
            throw rpc::invalid_field("phone", "must be a Kenyan mobile number, e.g. +254712345678");
        auto effect = one_effect(doors_, "create_payment", tenant, request.request_id(),
                                 service::hash_of(request));
        if (request.validate_only()) {
            const auto command = build(request, tenant, provider);
            response.set_state(v1::PAYMENT_STATE_INITIATED);
            return;
        }
        const auto events = effect.run([&] { return build(request, tenant, provider); });
        show(doors_, tenant, intent_in(events), response);
    }

    std::optional<Command> build(const v1::CreatePaymentIntentRequest& request,
                                 const std::string& tenant, const std::string& provider) {
        const auto now = doors_.clock.now();
        const auto intent_id = doors_.ids.next().text();
        Command command;
        IntentCreated made{intent_id,
                           "",
                           "",
                           request.customer_id(),
                           request.conversation_id(),
                           provider,
                           {},
                           mpesa::account_reference(request.account_reference()),
                           now + doors_.config.intent_expiry_ms,
                           false,
                           "",
                           "",
                           request.phone()};
        if (!request.order().empty()) {
            for_order(request, tenant, now, made, command);
        } else {
            free_reference(request, made);
        }
        const auto created = decide(Intent{}, CreateIntent{made});
        if (!created.accepted()) throw rpc::invalid_field("amount.minor_units", "must be positive");
        eventlog::Part part{intent_stream(tenant, intent_id), eventlog::kCreate, {}};
        for (const auto& event : created.events()) part.events.push_back(encode(event, now));
        command.parts.push_back(std::move(part));
        command.meta.routing = {eventlog::RoutingKind::customer, made.customer_id};
        return command;
    }

    void free_reference(const v1::CreatePaymentIntentRequest& request, IntentCreated& made) {
        std::vector<rpc::FieldViolation> wrong;
        if (request.customer_id().empty())
            wrong.push_back({"customer_id", "is required without an order: who pays"});
        const auto currency = parse_currency(request.amount().currency_code());
        if (!currency) wrong.push_back({"amount.currency_code", "must be an ISO 4217 code"});
        if (request.amount().minor_units() <= 0)
            wrong.push_back({"amount.minor_units", "must be positive"});
        if (!wrong.empty()) throw rpc::invalid_fields(std::move(wrong));
        made.amount = {request.amount().minor_units(), *currency};
        if (!mpesa::shillings(made.amount))
            throw rpc::invalid_field("amount",
                                     "M-Pesa takes whole shillings from KES 1 to KES 250,000");
    }

    void for_order(const v1::CreatePaymentIntentRequest& request, const std::string& tenant,
                   Time now, IntentCreated& made, Command& command) {
        const auto name = parse_name(request.order(), "orders", "order");
        if (name.tenant != tenant) throw rpc::not_found(request.order());
        const auto stream = order_stream(tenant, name.id);
        const auto order = doors_.books.orders.load(stream);
        if (std::holds_alternative<NoOrder>(order.state)) throw rpc::not_found(request.order());
        auto previous = PreviousIntent::none;
        if (const auto* open = std::get_if<OpenOrder>(&order.state);
            open && !open->intents.empty()) {
            const auto last = intent_stream(tenant, open->intents.back());
            const auto folded = doors_.books.intents.load(last);
            previous = standing_of(folded.state);
            command.parts.push_back({last, folded.version, {}});
        }
        const auto decision =
            decide(order.state, StartPayment{made.intent_id, made.provider, previous});
        if (!decision.accepted())
            throw not_allowed(request.order(), "The order cannot be paid now: " +
                                                   text_of(decision.rejection()) + ".");
        const auto& placed = std::get<OpenOrder>(order.state).placed;
        eventlog::Part part{stream, order.version, {}};
        for (const auto& event : decision.events()) part.events.push_back(encode(event, now));
        command.parts.insert(command.parts.begin(), std::move(part));
        made.order_id = placed.order_id;
        made.invoice_id = placed.invoice_id;
        made.customer_id = placed.customer_id;
        made.conversation_id = placed.conversation_id;
        made.amount = placed.totals.total;
        made.order_number = placed.number;
        made.reservation_id = placed.reservation_id;
        if (request.account_reference().empty())
            made.account_reference = mpesa::account_reference(placed.number);
        if (made.phone.empty()) made.phone = placed.buyer.phone;
    }

    // One decision about an existing intent. No events when it is no news.
    void change(const std::string& method, const std::string& resource,
                const std::string& request_id, const google::protobuf::Message& request,
                const IntentCommand& asked) {
        const auto name = parse_name(resource, "payments");
        auto effect =
            one_effect(doors_, method, name.tenant, request_id, service::hash_of(request));
        effect.run([&]() -> std::optional<Command> {
            const auto c = load_case(doors_.books, name.tenant, name.id);
            if (std::holds_alternative<NoIntent>(c.intent.state)) throw rpc::not_found(resource);
            auto settled = settle(c, asked, doors_.clock.now());
            if (settled.rejection) throw refused(resource, *settled.rejection);
            return settled.command;
        });
    }

    static rpc::Failure refused(const std::string& resource, IntentRejection rejection) {
        if (rejection == IntentRejection::phone_missing)
            return rpc::invalid_field("phone", "is required: the payment has none");
        return not_allowed(resource, "Not now: " + text_of(rejection) + ".");
    }

    void push(const v1::InitiateStkPushRequest& request, v1::Payment& response, rpc::Call& call) {
        const auto name = parse_name(request.name(), "payments");
        std::string phone;
        if (!request.phone().empty()) {
            const auto digits = mpesa::msisdn(request.phone());
            if (!digits)
                throw rpc::invalid_field("phone",
                                         "must be a Kenyan mobile number, e.g. +254712345678");
            phone = "+" + *digits;
        }
        change("push", request.name(), request.request_id(), request, RequestPush{phone});
        // The owner of the lane asks the provider; its answer is usually there within a second.
        const auto deadline = std::min<std::chrono::system_clock::time_point>(
            std::chrono::system_clock::now() + doors_.config.push_wait_ms,
            call.deadline() - std::chrono::milliseconds(200));
        while (std::chrono::system_clock::now() < deadline && !call.cancelled()) {
            const auto intent =
                doors_.books.intents.load(intent_stream(name.tenant, name.id)).state;
            const auto* waiting = std::get_if<Waiting>(&intent);
            if (!std::holds_alternative<Asking>(intent) && !(waiting && waiting->push_wanted))
                break;
            std::this_thread::sleep_for(kLookAgainMs);
        }
        show(doors_, name.tenant, name.id, response);
    }

    void cancel(const v1::CancelPaymentRequest& request, v1::Payment& response) {
        const auto name = parse_name(request.name(), "payments");
        if (request.reason().size() > kReasonBytesMax)
            throw rpc::invalid_field("reason", "must have at most 500 characters");
        change("cancel", request.name(), request.request_id(), request,
               CancelIntent{request.reason()});
        show(doors_, name.tenant, name.id, response);
    }

    void list(const v1::ListPaymentsRequest& request, v1::ListPaymentsResponse& response) {
        if (request.page_size() < 0) throw rpc::invalid_field("page_size", "must not be negative");
        if (!v1::PaymentState_IsValid(request.state()))
            throw rpc::invalid_field("state", "must be a known state");
        v1::Payment wanted;
        wanted.set_state(request.state());
        const bool any = request.state() == v1::PAYMENT_STATE_UNSPECIFIED;
        response.set_next_page_token(service::list<v1::Payment>(
            doors_.read_model, request,
            {.tenant = parse_parent(request.parent()),
             .kind = document::kPayment,
             .parent = request.customer_id(),
             .state = any ? "" : state_of(wanted)},
            [&](v1::Payment payment) { *response.add_payments() = std::move(payment); }));
    }

    Doors doors_;
};

class ProviderAccountRpc final : public v1::ProviderAccountService::CallbackService {
public:
    explicit ProviderAccountRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* ConnectProviderAccount(CallbackServerContext* context,
                                               const v1::ConnectProviderAccountRequest* request,
                                               v1::ProviderAccount* response) override {
        return doors_.rpc.unary(context, [=, this](rpc::Call&) { connect(*request, *response); });
    }

    ServerUnaryReactor* GetProviderAccount(CallbackServerContext* context,
                                           const v1::GetProviderAccountRequest* request,
                                           v1::ProviderAccount* response) override {
        return doors_.rpc.unary(context, [=, this](rpc::Call&) {
            const auto name = parse_name(request->name(), "providerAccounts");
            show_account(name.tenant, name.id, *response);
        });
    }

private:
    static mpesa::Account checked(const v1::MpesaCredentials& given) {
        std::vector<rpc::FieldViolation> wrong;
        const auto need = [&](const std::string& value, const char* field, std::size_t max) {
            if (value.empty() || value.size() > max)
                wrong.push_back({std::string("mpesa.") + field,
                                 "is required, at most " + std::to_string(max) + " characters"});
        };
        const auto is_number = [](const std::string& text) {
            return text.size() >= 5 && text.size() <= 7 &&
                   std::all_of(text.begin(), text.end(),
                               [](char c) { return c >= '0' && c <= '9'; });
        };
        if (!is_number(given.short_code()))
            wrong.push_back({"mpesa.short_code", "must have 5 to 7 digits"});
        need(given.passkey(), "passkey", 200);
        need(given.consumer_key(), "consumer_key", 200);
        need(given.consumer_secret(), "consumer_secret", 200);
        const auto type = given.transaction_type().empty() ? std::string(mpesa::kPayBill)
                                                           : given.transaction_type();
        if (type != mpesa::kPayBill && type != mpesa::kBuyGoods)
            wrong.push_back({"mpesa.transaction_type",
                             "must be CustomerPayBillOnline or CustomerBuyGoodsOnline"});
        if (!given.till().empty() && (type != mpesa::kBuyGoods || !is_number(given.till())))
            wrong.push_back(
                {"mpesa.till", "must have 5 to 7 digits, and only with CustomerBuyGoodsOnline"});
        if (!wrong.empty()) throw rpc::invalid_fields(std::move(wrong));
        return {given.short_code(),
                given.till().empty() ? given.short_code() : given.till(),
                type,
                Secret(given.passkey()),
                Secret(given.consumer_key()),
                Secret(given.consumer_secret())};
    }

    void connect(const v1::ConnectProviderAccountRequest& request, v1::ProviderAccount& response) {
        const auto tenant = parse_parent(request.parent());
        if (!request.has_mpesa())
            throw rpc::invalid_field("mpesa", "is required: no other provider is on");
        const auto account = checked(request.mpesa());
        if (request.validate_only()) return;
        // Only a keyed digest of the credentials may leave this call, as the request's hash does.
        const auto digest =
            crypto::hmac_sha256(doors_.config.master_key.reveal(), request.SerializeAsString());
        auto effect = one_effect(doors_, "connect_account", tenant, request.request_id(),
                                 std::string(crypto::bytes_of(digest)));
        effect.run([&]() -> std::optional<Command> {
            Command command;
            command.meta.routing = {eventlog::RoutingKind::tenant, tenant};
            command.parts.push_back(
                {account_stream(tenant, "mpesa"),
                 eventlog::kAny,
                 {encode(doors_.accounts.seal(tenant, account), doors_.clock.now())}});
            return command;
        });
        show_account(tenant, "mpesa", response);
    }

    void show_account(const std::string& tenant, const std::string& provider,
                      v1::ProviderAccount& response) {
        const auto name = "tenants/" + tenant + "/providerAccounts/" + provider;
        const auto events = doors_.store.read_stream(account_stream(tenant, provider));
        if (events.empty()) throw rpc::not_found(name);
        AccountCodec::State account;
        for (const auto& event : events)
            account = AccountCodec::evolve(account, event.type, event.payload, event.occurred_at);
        response.set_name(name);
        response.set_provider(account->provider);
        response.set_account(account->account);
        response.set_transaction_type(account->transaction_type);
        response.set_party_b(account->party_b);
        const auto micros = unix_micros(events.back().recorded_at);
        response.mutable_connect_time()->set_seconds(micros / 1'000'000);
        response.mutable_connect_time()->set_nanos(static_cast<int>(micros % 1'000'000) * 1000);
        response.set_etag(std::to_string(events.back().version));
    }

    Doors doors_;
};

}  // namespace

std::vector<NamedService> make_payment_services(const Doors& doors) {
    std::vector<NamedService> services;
    services.push_back(
        {std::make_unique<PaymentRpc>(doors), v1::PaymentService::service_full_name()});
    services.push_back({std::make_unique<ProviderAccountRpc>(doors),
                        v1::ProviderAccountService::service_full_name()});
    return services;
}

}  // namespace flowstack::payment
