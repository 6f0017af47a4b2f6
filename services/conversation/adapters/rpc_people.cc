#include <grpcpp/grpcpp.h>

#include "common/rpc/caller.h"
#include "common/rpc/server.h"
#include "common/rpc/timestamp.h"
#include "common/service/pages.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/common/v1/message_content.pb.h"
#include "flowstack/conversation/v1/conversation_service.grpc.pb.h"
#include "flowstack/conversation/v1/customer_service.grpc.pb.h"
#include "services/conversation/adapters/projections.h"
#include "services/conversation/adapters/rpc.h"

namespace flowstack::conversation {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

constexpr int kHistoryPageDefault = 200;
constexpr int kHistoryPageMax = 1000;

// Reads a resource from its stream and not from the read model, so that callers see their own
// writes.
template <class Resource>
void fold(const Doors& doors, const eventlog::StreamName& name, const std::string& resource_name,
          Resource& resource) {
    const auto events = doors.store.read_stream(name);
    if (events.empty()) throw rpc::not_found(resource_name);
    resource.Clear();
    for (const auto& event : events) apply(resource, event);
}

// A reply as text, for a person who reads the history.
std::string words_of(const Content& content) {
    auto text = content.body;
    for (const auto& title : content.titles) text += "\n[" + title + "]";
    for (const auto& row : content.rows) text += "\n• " + row.title;
    if (!content.whatsapp_template.empty()) text = "template " + content.whatsapp_template;
    return text;
}

// Fact number `step` of the event, from 1.
void describe(const eventlog::Recorded& event, const Event& fact, int step,
              v1::HistoryEntry& entry) {
    entry.set_version(event.version);
    entry.set_step(step);
    entry.set_lane(event.lane);
    entry.set_position(event.position);
    rpc::set_time(*entry.mutable_time(), event.recorded_at);
    entry.set_type(type_of(fact));
    entry.set_actor(event.meta.actor);
    if (const auto& cause = event.meta.causation)
        entry.set_caused_by(cause->service + "/" + std::to_string(cause->lane) + "/" +
                            std::to_string(cause->position));
    if (const auto* e = std::get_if<Spoke>(&fact)) {
        entry.set_direction("in");
        entry.set_text(e->text);
        entry.set_reason(std::string(text_of(e->outcome)));
        entry.set_message_id(e->inbound_id);
    } else if (const auto* reply = std::get_if<ReplyRequested>(&fact)) {
        entry.set_direction("out");
        entry.set_text(words_of(reply->content));
        entry.set_message_id(reply->message_id.text());
        entry.set_reason(std::string(text_of(reply->kind)));
    } else if (const auto* move = std::get_if<Advanced>(&fact)) {
        entry.set_from_state(std::string(text_of(move->from)));
        entry.set_to_state(std::string(text_of(move->to)));
        entry.set_reason(move->reason);
    } else if (const auto* node = std::get_if<NodeEntered>(&fact)) {
        entry.set_text(node->node);
    } else if (const auto* captured = std::get_if<VariableCaptured>(&fact)) {
        entry.set_text(captured->name + " = " + captured->value);
    } else if (const auto* escalated = std::get_if<Escalated>(&fact)) {
        entry.set_reason(escalated->reason);
    } else if (const auto* payment = std::get_if<PaymentNoted>(&fact)) {
        entry.set_text("payment " + payment->intent_id + ": " +
                       std::string(text_of(payment->news)));
    } else if (const auto* unclear = std::get_if<UnclearItemsChanged>(&fact)) {
        std::string words;
        for (const auto& item : unclear->items) words += (words.empty() ? "" : ", ") + item.words;
        entry.set_text(words);
    } else if (const auto* hint = std::get_if<HintGiven>(&fact)) {
        entry.set_text(hint->node);
    }
}

class ConversationRpc final : public v1::ConversationService::CallbackService {
public:
    explicit ConversationRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* GetConversation(CallbackServerContext* context,
                                        const v1::GetConversationRequest* request,
                                        v1::Conversation* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { show(request->name(), *response); });
    }

    ServerUnaryReactor* ListConversations(CallbackServerContext* context,
                                          const v1::ListConversationsRequest* request,
                                          v1::ListConversationsResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            if (!request->state().empty() && !parse_lifecycle(request->state()))
                throw rpc::invalid_field(
                    "state",
                    "must be NEW_LEAD, ENGAGED, AWAITING_CUSTOMER, WAITING_FOR_PAYMENT, "
                    "PAID, DORMANT, ESCALATED or CLOSED");
            response->set_next_page_token(service::list<v1::Conversation>(
                doors_.read_model, *request,
                {.tenant = parse_parent(request->parent()),
                 .kind = document::kConversation,
                 .parent = request->customer_id(),
                 .state = request->state()},
                [&](v1::Conversation c) { *response->add_conversations() = std::move(c); }));
        });
    }

    ServerUnaryReactor* ListHistory(CallbackServerContext* context,
                                    const v1::ListHistoryRequest* request,
                                    v1::ListHistoryResponse* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { history(*request, *response); });
    }

    ServerUnaryReactor* EscalateConversation(CallbackServerContext* context,
                                             const v1::EscalateConversationRequest* request,
                                             v1::Conversation* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            change("escalate", *request, request->etag(),
                   Escalate{request->reason().empty() ? "asked for" : request->reason()});
            show(request->name(), *response);
        });
    }

    ServerUnaryReactor* HandBackConversation(CallbackServerContext* context,
                                             const v1::HandBackConversationRequest* request,
                                             v1::Conversation* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            change("hand_back", *request, request->etag(),
                   HandBack{request->reason().empty() ? "handed back" : request->reason()});
            show(request->name(), *response);
        });
    }

    ServerUnaryReactor* CloseConversation(CallbackServerContext* context,
                                          const v1::CloseConversationRequest* request,
                                          v1::Conversation* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            change("close", *request, request->etag(),
                   Close{request->reason().empty() ? "closed" : request->reason()});
            show(request->name(), *response);
        });
    }

    ServerUnaryReactor* ReplyToConversation(CallbackServerContext* context,
                                            const v1::ReplyToConversationRequest* request,
                                            v1::Conversation* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto name = parse_name(request->name(), "conversations");
            const auto content = content_of(request->content());
            if (content.body.empty() && content.whatsapp_template.empty() &&
                content.media_link.empty())
                throw rpc::invalid_field("content", "must say something");
            const auto id = made_id(doors_, "reply", name.tenant, request->request_id());
            change("reply", *request, "",
                   ReplyAsAgent{.message_id = MessageId(id),
                                .idempotency_key = "agent:" + id,
                                .agent = rpc::caller().actor,
                                .content = content});
            show(request->name(), *response);
        });
    }

    ServerUnaryReactor* PlaceOrder(CallbackServerContext* context,
                                   const v1::PlaceOrderRequest* request,
                                   v1::PlacedOrder* response) override {
        return doors_.rpc.unary(
            context, *request, [=, this](rpc::Call&) { place_order(doors_, *request, *response); });
    }

private:
    void show(const std::string& resource, v1::Conversation& response) {
        const auto name = parse_name(resource, "conversations");
        fold(doors_, stream(name.tenant, category::kConversation, name.id), resource, response);
    }

    // A page begins at a fact: the version of its event, and its place there.
    struct HistoryPlace {
        std::int64_t version = 1;
        int step = 1;
    };
    static HistoryPlace parse_place(const std::string& text) {
        const auto slash = text.find('/');
        return {std::stoll(text.substr(0, slash)), std::stoi(text.substr(slash + 1))};
    }

    static std::string history_of(const v1::ListHistoryRequest& request) {
        return request.parent() + "/history";
    }

    void history(const v1::ListHistoryRequest& request, v1::ListHistoryResponse& response) {
        const auto name = parse_name(request.parent(), "conversations", "parent");
        if (request.page_size() < 0) throw rpc::invalid_field("page_size", "must not be negative");
        const auto size = request.page_size() == 0 ? kHistoryPageDefault
                                                   : std::min(request.page_size(), kHistoryPageMax);
        HistoryPlace from;
        if (!request.page_token().empty())
            from = parse_place(
                service::place_of(doors_.read_model, history_of(request), request.page_token()));
        const auto events = doors_.store.read_stream(
            stream(name.tenant, category::kConversation, name.id), from.version);
        if (events.empty() && from.version == 1) throw rpc::not_found(request.parent());
        for (const auto& event : events) {
            int step = 0;
            for (const auto& fact : decode_facts(event.type, event.payload)) {
                ++step;
                if (event.version == from.version && step < from.step) continue;
                if (response.entries_size() == size) {
                    response.set_next_page_token(doors_.read_model.token_for(
                        history_of(request),
                        std::to_string(event.version) + "/" + std::to_string(step)));
                    return;
                }
                describe(event, fact, step, *response.add_entries());
            }
        }
    }

    template <class Request>
    void change(const std::string& method, const Request& request, const std::string& etag,
                const Command& asked) {
        const auto name = parse_name(request.name(), "conversations");
        change_once(doors_, method, name.tenant, request.request_id(), request,
                    [&]() -> std::optional<eventlog::Command> {
                        const auto where = stream(name.tenant, category::kConversation, name.id);
                        const auto c = doors_.books.conversations.load(where);
                        const auto decision = decide(c.state, asked);
                        if (!decision.accepted())
                            throw refused(request.name(), c.state, decision.rejection());
                        if (!etag.empty() && etag != std::to_string(c.version))
                            throw version_mismatch();
                        eventlog::Command command;
                        command.meta.routing = customer_routing(c.state.customer_id);
                        command.parts.push_back(
                            {where, c.expected(), encode(decision.events(), doors_.clock.now())});
                        return command;
                    });
    }

    static rpc::Failure refused(const std::string& name, const Conversation& c,
                                Rejection rejection) {
        switch (rejection) {
            case Rejection::no_such_conversation:
                return rpc::not_found(name);
            case Rejection::transition_not_allowed:
                return rpc::wrong_state(name, "A conversation that is " +
                                                  std::string(text_of(c.state)) +
                                                  " cannot be given to a person.");
            case Rejection::not_escalated:
                return rpc::wrong_state(name, "The conversation is " +
                                                  std::string(text_of(c.state)) +
                                                  ": escalate it first.");
            case Rejection::already_closed:
                return rpc::wrong_state(name, "The conversation is CLOSED already.");
        }
        return rpc::internal();
    }

    Doors doors_;
};

class CustomerRpc final : public v1::CustomerService::CallbackService {
public:
    explicit CustomerRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* GetCustomer(CallbackServerContext* context,
                                    const v1::GetCustomerRequest* request,
                                    v1::Customer* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { show(request->name(), *response); });
    }

    ServerUnaryReactor* ListCustomers(CallbackServerContext* context,
                                      const v1::ListCustomersRequest* request,
                                      v1::ListCustomersResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            response->set_next_page_token(service::list<v1::Customer>(
                doors_.read_model, *request,
                {.tenant = parse_parent(request->parent()), .kind = document::kCustomer},
                [&](v1::Customer c) { *response->add_customers() = std::move(c); }));
            if (request->count_all())
                response->set_total_size(doors_.read_model.count(
                    {.tenant = parse_parent(request->parent()), .kind = document::kCustomer}));
        });
    }

    ServerUnaryReactor* TagCustomer(CallbackServerContext* context,
                                    const v1::TagCustomerRequest* request,
                                    v1::Customer* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto name = parse_name(request->name(), "customers");
            const conversation::TagCustomer asked{
                {request->add().begin(), request->add().end()},
                {request->remove().begin(), request->remove().end()}};
            change_once(doors_, "tag", name.tenant, request->request_id(), *request,
                        [&]() -> std::optional<eventlog::Command> {
                            const auto where = stream(name.tenant, category::kCustomer, name.id);
                            const auto customer = doors_.books.customers.load(where);
                            if (!customer.state.exists()) throw rpc::not_found(request->name());
                            if (const auto problems = check(customer.state, asked);
                                !problems.empty())
                                refuse(problems, "");
                            const auto events = decide(customer.state, asked);
                            if (events.empty()) return {};
                            eventlog::Command command;
                            command.meta.routing = customer_routing(name.id);
                            command.parts.push_back(
                                {where, customer.expected(), encode(events, doors_.clock.now())});
                            return command;
                        });
            show(request->name(), *response);
        });
    }

private:
    void show(const std::string& resource, v1::Customer& response) {
        const auto name = parse_name(resource, "customers");
        fold(doors_, stream(name.tenant, category::kCustomer, name.id), resource, response);
    }

    Doors doors_;
};

}  // namespace

std::vector<NamedService> make_people_services(const Doors& doors) {
    std::vector<NamedService> services;
    services.push_back(
        {std::make_unique<ConversationRpc>(doors), v1::ConversationService::service_full_name()});
    services.push_back(
        {std::make_unique<CustomerRpc>(doors), v1::CustomerService::service_full_name()});
    return services;
}

}  // namespace flowstack::conversation
