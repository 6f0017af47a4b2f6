#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <functional>
#include <map>
#include <thread>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/rpc/caller.h"
#include "common/rpc/error.h"
#include "common/rpc/resource_name.h"
#include "common/rpc/server.h"
#include "common/rpc/timestamp.h"
#include "common/service/one_effect.h"
#include "common/service/one_stream.h"
#include "common/service/pages.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/payment/v1/payment_service.grpc.pb.h"
#include "flowstack/payment/v1/provider_account_service.grpc.pb.h"
#include "services/payment/adapters/derive.h"
#include "services/payment/adapters/projections.h"
#include "services/payment/adapters/rpc.h"

namespace flowstack::payment {
namespace {

using eventlog::Command;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

constexpr std::string_view kAccountRequestUse = "flowstack.payment.account_request.v1";
constexpr std::size_t kReasonBytesMax = 500;
constexpr std::chrono::milliseconds kLookAgainAfter{25};

rpc::Failure not_allowed(const std::string& subject, const std::string& message) {
    return rpc::wrong_state(subject, message);
}

// What a request makes, once (common/service/one_effect.h).
service::OneEffect one_effect(const Doors& doors, const std::string& method,
                              const std::string& tenant, const std::string& request_id,
                              std::string hash) {
    return {doors.store,
            doors.ids,
            {.method = method,
             .tenant = tenant,
             .request_id = request_id,
             .hash = std::move(hash),
             .claim_taken = [](const std::string& kind) {
                 if (kind == claim::kReceipt)
                     throw rpc::already_exists(
                         "Another payment has this receipt. A receipt pays one payment only.");
             }}};
}

void show(const Doors& doors, const std::string& tenant, const IntentId& intent_id,
          v1::Payment& out) {
    const auto events = doors.store.read_stream(intent_stream(tenant, intent_id));
    if (events.empty()) throw rpc::not_found(rpc::resource_name(tenant, "payments", intent_id));
    out.Clear();
    for (const auto& event : events) apply(out, event, true);
}

IntentId intent_in(const std::vector<eventlog::Recorded>& events) {
    for (const auto& event : events)
        if (event.stream.category == category::kIntent) return IntentId(event.stream.key);
    throw rpc::internal();
}

class PaymentRpc final : public v1::PaymentService::CallbackService {
public:
    explicit PaymentRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* CreatePaymentIntent(CallbackServerContext* context,
                                            const v1::CreatePaymentIntentRequest* request,
                                            v1::Payment* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { create(*request, *response); });
    }

    ServerUnaryReactor* InitiateStkPush(CallbackServerContext* context,
                                        const v1::InitiateStkPushRequest* request,
                                        v1::Payment* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call& call) { ask(*request, *response, call); });
    }

    ServerUnaryReactor* GetPayment(CallbackServerContext* context,
                                   const v1::GetPaymentRequest* request,
                                   v1::Payment* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto name = rpc::parse_name(request->name(), "payments");
            show(doors_, name.tenant, IntentId(name.id), *response);
        });
    }

    ServerUnaryReactor* ListPayments(CallbackServerContext* context,
                                     const v1::ListPaymentsRequest* request,
                                     v1::ListPaymentsResponse* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { list(*request, *response); });
    }

    ServerUnaryReactor* CancelPayment(CallbackServerContext* context,
                                      const v1::CancelPaymentRequest* request,
                                      v1::Payment* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { cancel(*request, *response); });
    }

    ServerUnaryReactor* ResolvePayment(CallbackServerContext* context,
                                       const v1::ResolvePaymentRequest* request,
                                       v1::Payment* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { resolve(*request, *response); });
    }

private:
    const Provider& provider_of(const std::string& name) const {
        if (name.empty()) return doors_.providers.first();
        const auto* provider = doors_.providers.find(name);
        if (!provider)
            throw rpc::invalid_field("provider", "must be one of " + doors_.providers.names());
        return *provider;
    }

    // E.164, or FIELD_INVALID that says what the provider can ask.
    static std::string usable(const Provider& provider, const std::string& phone) {
        if (!provider.capabilities().needs_phone) return phone;
        const auto found = provider.usable_phone(phone);
        if (!found) throw rpc::invalid_field("phone", "must be " + provider.usable_phones());
        return *found;
    }

    static void must_take(const Provider& provider, Money amount) {
        const auto cannot = cannot_take(provider, amount);
        if (!cannot) return;
        throw rpc::invalid_field(cannot->reason == refusal::kCurrencyNotUsable
                                     ? "amount.currency_code"
                                     : "amount.minor_units",
                                 cannot->detail);
    }

    void create(const v1::CreatePaymentIntentRequest& request, v1::Payment& response) {
        const auto tenant = rpc::parse_parent(request.parent());
        const auto& provider = provider_of(request.provider());
        if (!request.phone().empty()) usable(provider, request.phone());
        if (!doors_.accounts.connected(tenant, provider.name()))
            throw not_allowed(rpc::resource_name(tenant, "providerAccounts", provider.name()),
                              "The tenant has connected no " + provider.name() +
                                  " account: ConnectProviderAccount comes first.");
        auto effect = one_effect(doors_, "create_payment", tenant, request.request_id(),
                                 service::hash_of(request));
        if (request.validate_only()) {
            build(request, tenant, provider);
            response.set_state(v1::PAYMENT_STATE_INITIATED);
            return;
        }
        const auto events = effect.run([&] { return build(request, tenant, provider); });
        show(doors_, tenant, intent_in(events), response);
    }

    std::optional<Command> build(const v1::CreatePaymentIntentRequest& request,
                                 const std::string& tenant, const Provider& provider) {
        const auto now = doors_.clock.now();
        const IntentId intent_id(doors_.ids.next().text());
        Command command;
        IntentCreated made{
            .intent_id = intent_id,
            .order_id = {},
            .invoice_id = {},
            .customer_id = CustomerId(request.customer_id()),
            .conversation_id = ConversationId(request.conversation_id()),
            .provider = provider.name(),
            .amount = {},
            .reference = provider.reference(request.reference()),
            .expires_at = now + doors_.config.intent_expires_after,
            .ask_now = false,
            .reservation_id = {},
            .order_number = {},
            .phone = request.phone().empty() ? std::string() : usable(provider, request.phone())};
        if (!request.order().empty()) {
            for_order(request, tenant, now, provider, made, command);
        } else {
            free_reference(request, provider, made);
        }
        const auto created = decide(Intent{}, CreateIntent{made});
        if (!created.accepted()) throw rpc::invalid_field("amount.minor_units", "must be positive");
        eventlog::Part part{intent_stream(tenant, intent_id), eventlog::kCreate, {}};
        for (const auto& event : created.events()) part.events.push_back(encode(event, now));
        command.parts.push_back(std::move(part));
        command.meta.routing = customer_routing(made.customer_id);
        return command;
    }

    static void free_reference(const v1::CreatePaymentIntentRequest& request,
                               const Provider& provider, IntentCreated& made) {
        std::vector<rpc::FieldViolation> wrong;
        if (request.customer_id().empty())
            wrong.push_back({"customer_id", "is required without an order: who pays"});
        const auto currency = parse_currency(request.amount().currency_code());
        if (!currency) wrong.push_back({"amount.currency_code", "must be an ISO 4217 code"});
        if (request.amount().minor_units() <= 0)
            wrong.push_back({"amount.minor_units", "must be positive"});
        if (!wrong.empty()) throw rpc::invalid_fields(std::move(wrong));
        made.amount = {request.amount().minor_units(), *currency};
        must_take(provider, made.amount);
    }

    void for_order(const v1::CreatePaymentIntentRequest& request, const std::string& tenant,
                   Time now, const Provider& provider, IntentCreated& made, Command& command) {
        const auto name = rpc::parse_name(request.order(), "orders", "order");
        if (name.tenant != tenant) throw rpc::not_found(request.order());
        const auto stream = order_stream(tenant, OrderId(name.id));
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
        const auto decision = decide(order.state, StartPayment{.intent_id = made.intent_id,
                                                               .provider = made.provider,
                                                               .previous = previous});
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
        if (request.reference().empty()) made.reference = provider.reference(placed.number);
        // A number that the provider cannot ask is left out: InitiateStkPush needs another one
        // then.
        if (made.phone.empty()) made.phone = provider.usable_phone(placed.buyer.phone).value_or("");
        if (const auto cannot = cannot_take(provider, made.amount))
            throw not_allowed(request.order(),
                              "The order cannot be paid this way: " + cannot->detail + ".");
    }

    // One decision about an existing intent, made of what its stream says now. No events when it is
    // no news.
    void change(const std::string& method, const std::string& resource,
                const std::string& request_id, const google::protobuf::Message& request,
                const std::function<IntentCommand(const Case&)>& asked) {
        const auto name = rpc::parse_name(resource, "payments");
        auto effect =
            one_effect(doors_, method, name.tenant, request_id, service::hash_of(request));
        effect.run([&]() -> std::optional<Command> {
            const auto c = load_case(doors_.books, name.tenant, IntentId(name.id));
            if (std::holds_alternative<NoIntent>(c.intent.state)) throw rpc::not_found(resource);
            auto settled = settle(c, asked(c), doors_.clock.now());
            if (settled.rejection) throw refused(resource, *settled.rejection);
            return settled.command;
        });
    }

    static rpc::Failure refused(const std::string& resource, IntentRejection rejection) {
        if (rejection == IntentRejection::phone_missing)
            return rpc::invalid_field("phone", "is required: the payment has none");
        if (rejection == IntentRejection::other_amount)
            return rpc::invalid_field(
                "paid.amount",
                "must be the payment's amount. Money of another amount does not pay it: resolve it "
                "as failed, then give the money back or collect the rest with a new payment");
        return not_allowed(resource, "Not now: " + text_of(rejection) + ".");
    }

    void ask(const v1::InitiateStkPushRequest& request, v1::Payment& response,
             const rpc::Call& call) {
        const auto name = rpc::parse_name(request.name(), "payments");
        change("push", request.name(), request.request_id(), request, [&](const Case& c) {
            const auto& made = story_of(c.intent.state).made;
            const auto& provider = provider_of(made.provider);
            return RequestAsk{.phone = request.phone().empty() ? std::string()
                                                               : usable(provider, request.phone()),
                              .needs_phone = provider.capabilities().needs_phone};
        });
        // The owner of the lane asks the provider; its answer is usually there within a second.
        const auto deadline = std::min<std::chrono::system_clock::time_point>(
            std::chrono::system_clock::now() + doors_.config.push_wait,
            call.deadline() - std::chrono::milliseconds(200));
        while (std::chrono::system_clock::now() < deadline && !call.cancelled()) {
            const auto intent =
                doors_.books.intents.load(intent_stream(name.tenant, IntentId(name.id))).state;
            const auto* waiting = std::get_if<Waiting>(&intent);
            if (!std::holds_alternative<Asking>(intent) && !(waiting && waiting->ask_wanted)) break;
            std::this_thread::sleep_for(kLookAgainAfter);
        }
        show(doors_, name.tenant, IntentId(name.id), response);
    }

    void cancel(const v1::CancelPaymentRequest& request, v1::Payment& response) {
        const auto name = rpc::parse_name(request.name(), "payments");
        if (request.reason().size() > kReasonBytesMax)
            throw rpc::invalid_field("reason", "must have at most 500 characters");
        change("cancel", request.name(), request.request_id(), request,
               [&](const Case&) { return CancelIntent{request.reason()}; });
        show(doors_, name.tenant, IntentId(name.id), response);
    }

    void resolve(const v1::ResolvePaymentRequest& request, v1::Payment& response) {
        const auto name = rpc::parse_name(request.name(), "payments");
        std::vector<rpc::FieldViolation> wrong;
        if (request.decision_case() == v1::ResolvePaymentRequest::DECISION_NOT_SET)
            wrong.push_back({"paid", "either paid or failed is required"});
        if (request.reason().empty() || request.reason().size() > kReasonBytesMax)
            wrong.push_back({"reason",
                             "is required: what the provider's statement shows, at most 500 "
                             "characters"});
        if (!wrong.empty()) throw rpc::invalid_fields(std::move(wrong));
        change("resolve", request.name(), request.request_id(), request, [&](const Case& c) {
            service::check_etag(request.etag(), c.intent.version, "the payment");
            ResolveIntent decided{.paid = {},
                                  .reason = request.reason(),
                                  .by = rpc::caller().actor,
                                  .order = standing_of(c)};
            if (request.has_paid())
                decided.paid = statement_of(request.paid(), story_of(c.intent.state).made);
            return decided;
        });
        show(doors_, name.tenant, IntentId(name.id), response);
    }

    SaysPaid statement_of(const v1::ResolvePaymentRequest::PaidDecision& paid,
                          const IntentCreated& made) const {
        std::vector<rpc::FieldViolation> wrong;
        const auto receipt = provider_of(made.provider).read_receipt(paid.receipt());
        if (!receipt) wrong.push_back({"paid.receipt", "must be the provider's receipt"});
        const auto currency = parse_currency(paid.amount().currency_code());
        if (!currency) wrong.push_back({"paid.amount.currency_code", "must be an ISO 4217 code"});
        if (!wrong.empty()) throw rpc::invalid_fields(std::move(wrong));
        return {.amount = {paid.amount().minor_units(), *currency}, .receipt = *receipt};
    }

    void list(const v1::ListPaymentsRequest& request, v1::ListPaymentsResponse& response) {
        if (request.page_size() < 0) throw rpc::invalid_field("page_size", "must not be negative");
        if (!v1::PaymentState_IsValid(request.state()))
            throw rpc::invalid_field("state", "must be a known state");
        v1::Payment wanted;
        wanted.set_state(request.state());
        const bool any = request.state() == v1::PAYMENT_STATE_UNSPECIFIED;
        if (request.needs_person() && !any)
            throw rpc::invalid_field("state", "cannot be given together with needs_person");
        response.set_next_page_token(service::list<v1::Payment>(
            doors_.read_model, request,
            {.tenant = rpc::parse_parent(request.parent()),
             .kind = request.needs_person() ? document::kPaymentForPerson : document::kPayment,
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
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { connect(*request, *response); });
    }

    ServerUnaryReactor* GetProviderAccount(CallbackServerContext* context,
                                           const v1::GetProviderAccountRequest* request,
                                           v1::ProviderAccount* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto name = rpc::parse_name(request->name(), "providerAccounts");
            show_account(name.tenant, name.id, *response);
        });
    }

private:
    // The credentials stand in the field that has the provider's name.
    struct Given {
        Provider* provider = nullptr;
        std::map<std::string, std::string> fields;
    };
    Given given_in(const v1::ConnectProviderAccountRequest& request) const {
        const auto& reflection = *request.GetReflection();
        std::vector<const google::protobuf::FieldDescriptor*> set;
        reflection.ListFields(request, &set);
        for (const auto* field : set) {
            if (!field->message_type()) continue;
            Given given{.provider = doors_.providers.find(field->name()), .fields = {}};
            if (!given.provider) continue;
            const auto& credentials = reflection.GetMessage(request, field);
            for (int i = 0; i < field->message_type()->field_count(); ++i) {
                const auto* part = field->message_type()->field(i);
                given.fields[part->name()] =
                    credentials.GetReflection()->GetString(credentials, part);
            }
            return given;
        }
        throw rpc::invalid_field(
            doors_.providers.first().name(),
            "is required: the credentials of one of " + doors_.providers.names());
    }

    void connect(const v1::ConnectProviderAccountRequest& request, v1::ProviderAccount& response) {
        const auto tenant = rpc::parse_parent(request.parent());
        const auto given = given_in(request);
        const auto& name = given.provider->name();
        const auto read = given.provider->read_account(given.fields);
        if (const auto* faults = std::get_if<std::vector<FieldFault>>(&read)) {
            std::vector<rpc::FieldViolation> wrong;
            for (const auto& fault : *faults)
                wrong.push_back({name + "." + fault.field, fault.what_is_allowed});
            throw rpc::invalid_fields(std::move(wrong));
        }
        const auto tried = given.provider->check(std::get<Account>(read));
        if (const auto* refused = std::get_if<KeysRefused>(&tried))
            throw rpc::invalid_field(name, "are refused by the provider: " + refused->why);
        if (const auto* away = std::get_if<Away>(&tried))
            throw rpc::unavailable(name + " cannot be asked whether it knows these credentials: " +
                                       away->why + ". Try again.",
                                   std::chrono::seconds(5));
        if (request.validate_only()) return;
        // Only a keyed digest of the credentials may leave this call, as the request's hash does.
        const auto digest = crypto::hmac_sha256(doors_.root_key.derive(kAccountRequestUse).reveal(),
                                                request.SerializeAsString());
        auto effect = one_effect(doors_, "connect_account", tenant, request.request_id(),
                                 std::string(crypto::bytes_of(digest)));
        effect.run([&]() -> std::optional<Command> {
            Command command;
            command.meta.routing = tenant_routing(tenant);
            command.parts.push_back({account_stream(tenant, name),
                                     eventlog::kAny,
                                     {encode(doors_.accounts.seal(tenant, std::get<Account>(read)),
                                             doors_.clock.now())}});
            return command;
        });
        show_account(tenant, name, response);
    }

    void show_account(const std::string& tenant, const std::string& provider,
                      v1::ProviderAccount& response) {
        const auto name = rpc::resource_name(tenant, "providerAccounts", provider);
        const auto events = doors_.store.read_stream(account_stream(tenant, provider));
        if (events.empty()) throw rpc::not_found(name);
        AccountCodec::State account;
        for (const auto& event : events)
            account = AccountCodec::evolve(account, event.type, event.payload, event.occurred_at);
        response.set_name(name);
        response.set_provider(account->provider);
        response.set_account(account->account);
        response.mutable_details()->insert(account->details.begin(), account->details.end());
        rpc::set_time(*response.mutable_connect_time(), events.back().recorded_at);
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
