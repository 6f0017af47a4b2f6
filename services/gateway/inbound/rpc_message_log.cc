#include "services/gateway/inbound/rpc_message_log.h"

#include <google/protobuf/timestamp.pb.h>
#include <grpcpp/grpcpp.h>

#include <deque>

#include "common/rpc/server.h"
#include "common/service/pages.h"
#include "flowstack/common/v1/message_content.pb.h"
#include "flowstack/gateway/v1/message_log_service.grpc.pb.h"
#include "flowstack/gateway/v1/message_service.pb.h"
#include "services/gateway/adapters/projections.h"
#include "services/gateway/adapters/resources.h"

namespace flowstack::gateway {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

constexpr int kMessagePageDefault = 50;
constexpr int kMessagePageMax = 500;
// A page token is the received and the sent messages' own tokens; a list that is at its end says
// so.
constexpr char kBetween = '~';
constexpr std::string_view kAtItsEnd = "end";

v1::LoggedMessage logged(const v1::Message& message) {
    v1::LoggedMessage out;
    out.set_direction(v1::MESSAGE_DIRECTION_OUTBOUND);
    out.set_message_id(message.message_id());
    out.set_customer_id(message.customer_id());
    out.set_channel_id(message.channel_id());
    out.set_state(message.state());
    out.set_address(message.to());
    out.set_reason(message.reason());
    *out.mutable_create_time() = message.create_time();
    using Content = common::v1::MessageContent;
    const auto& content = message.content();
    switch (content.content_case()) {
        case Content::kText:
            out.set_type("text");
            out.set_text(content.text().body());
            break;
        case Content::kButtons:
            out.set_type("interactive_button");
            out.set_text(content.buttons().body());
            break;
        case Content::kList:
            out.set_type("interactive_list");
            out.set_text(content.list().body());
            break;
        case Content::kTemplate:
            out.set_type("template");
            out.set_text(content.template_().name());
            break;
        case Content::kMedia:
            out.set_type("media");
            out.set_text(content.media().caption());
            break;
        case Content::CONTENT_NOT_SET:
            break;
    }
    return out;
}

// One direction: a list that is read page by page.
struct Side {
    std::string kind;
    std::string token;
    bool at_end = false;
    std::deque<v1::LoggedMessage> messages{};
    int taken = 0;
    std::string token_after{};  // behind all that was read
};

class MessageLogRpc final : public v1::MessageLogService::CallbackService {
public:
    explicit MessageLogRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* ListMessageLog(CallbackServerContext* context,
                                       const v1::ListMessageLogRequest* request,
                                       v1::ListMessageLogResponse* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { list(*request, *response); });
    }

private:
    void list(const v1::ListMessageLogRequest& request, v1::ListMessageLogResponse& response) {
        if (request.page_size() < 0 || request.page_size() > kMessagePageMax)
            throw rpc::invalid_field("page_size", "must be 0 to 500");
        const int size = request.page_size() == 0 ? kMessagePageDefault : request.page_size();
        Side received{.kind = kReceivedDocument, .token = ""};
        Side sent{.kind = "message", .token = ""};
        received.at_end = request.direction() == v1::MESSAGE_DIRECTION_OUTBOUND;
        sent.at_end = request.direction() == v1::MESSAGE_DIRECTION_INBOUND;
        if (!request.page_token().empty()) {
            const auto places =
                service::place_of(doors_.read_model, question_of(request), request.page_token());
            const auto between = places.find(kBetween);
            if (between == std::string::npos) throw service::bad_page_token();
            take_up(received, places.substr(0, between));
            take_up(sent, places.substr(between + 1));
        }
        read<v1::LoggedMessage>(request, received, size, [](auto message) { return message; });
        read<v1::Message>(request, sent, size, [](const auto& message) { return logged(message); });

        while (response.messages_size() < size &&
               !(received.messages.empty() && sent.messages.empty())) {
            auto& newer = is_newer(received, sent) ? received : sent;
            *response.add_messages() = std::move(newer.messages.front());
            newer.messages.pop_front();
            ++newer.taken;
        }
        const auto received_token = token_of(request, received);
        const auto sent_token = token_of(request, sent);
        if (received_token != kAtItsEnd || sent_token != kAtItsEnd)
            response.set_next_page_token(doors_.read_model.token_for(
                question_of(request), received_token + kBetween + sent_token));
    }

    // What is listed: a token goes on with this and nothing else.
    static std::string question_of(const v1::ListMessageLogRequest& request) {
        return request.parent() + "/messageLog/" + std::to_string(request.direction()) + "/" +
               request.customer_id();
    }

    static void take_up(Side& side, std::string token) {
        side.at_end = side.at_end || token == kAtItsEnd;
        side.token = std::move(token);
    }

    eventlog::ListPage page(const v1::ListMessageLogRequest& request, const Side& side, int size) {
        return service::page_of(doors_.read_model,
                                {.tenant = rpc::parse_parent(request.parent()),
                                 .kind = side.kind,
                                 .parent = request.customer_id()},
                                size, side.token);
    }

    template <class Resource, class As>
    void read(const v1::ListMessageLogRequest& request, Side& side, int size, As as) {
        if (side.at_end) return;
        auto found = page(request, side, size);
        for (const auto& body : found.bodies) {
            Resource resource;
            if (!resource.ParseFromString(body)) throw rpc::internal();
            side.messages.push_back(as(std::move(resource)));
        }
        side.token_after = std::move(found.next_page_token);
    }

    static bool is_newer(const Side& a, const Side& b) {
        if (a.messages.empty() || b.messages.empty()) return !a.messages.empty();
        return time_of(a.messages.front().create_time()) >=
               time_of(b.messages.front().create_time());
    }

    // Where this side goes on.
    std::string token_of(const v1::ListMessageLogRequest& request, const Side& side) {
        if (side.at_end) return std::string(kAtItsEnd);
        if (side.messages.empty())
            return side.token_after.empty() ? std::string(kAtItsEnd) : side.token_after;
        if (side.taken == 0) return side.token;
        return page(request, side, side.taken).next_page_token;
    }

    Doors doors_;
};

}  // namespace

NamedService make_message_log_service(const Doors& doors) {
    return {std::make_unique<MessageLogRpc>(doors), v1::MessageLogService::service_full_name()};
}

}  // namespace flowstack::gateway
