#include "services/gateway/inbound/rpc_message_log.h"

#include <google/protobuf/timestamp.pb.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <array>
#include <deque>

#include "common/rpc/server.h"
#include "common/service/pages.h"
#include "flowstack/common/v1/message_content.pb.h"
#include "flowstack/gateway/v1/message_log_service.grpc.pb.h"
#include "flowstack/gateway/v1/message_service.pb.h"
#include "services/gateway/adapters/content.h"
#include "services/gateway/adapters/projections.h"
#include "services/gateway/adapters/resources.h"

namespace flowstack::gateway {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

constexpr int kMessagePageDefault = 50;
constexpr int kMessagePageMax = 500;
// A page token is the own tokens of the received messages, the sent ones and those that the shop's
// own phone sent; a list that is at its end says so.
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
    out.set_type(type_of(message.content()));
    out.set_text(words_of(message.content()));
    out.set_media_id(message.content().media().media_id());
    out.set_context_provider_message_id(message.content().reply_to());
    return out;
}

// A list that is read page by page.
struct Side {
    std::string kind;
    std::string token;
    bool at_end = false;
    std::deque<v1::LoggedMessage> messages{};
    int taken = 0;
    std::string token_after{};  // behind all that was read
};

using Sides = std::array<Side, 3>;

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
        const bool wants_received = request.direction() != v1::MESSAGE_DIRECTION_OUTBOUND;
        const bool wants_sent = request.direction() != v1::MESSAGE_DIRECTION_INBOUND;
        Sides sides{Side{.kind = kReceivedDocument, .token = "", .at_end = !wants_received},
                    Side{.kind = "message", .token = "", .at_end = !wants_sent},
                    Side{.kind = kEchoedDocument, .token = "", .at_end = !wants_sent}};
        auto& [received, sent, echoed] = sides;
        if (!request.page_token().empty()) take_up(sides, request);
        const auto as_it_is = [](auto message) { return message; };
        read<v1::LoggedMessage>(request, received, size, as_it_is);
        read<v1::LoggedMessage>(request, echoed, size, as_it_is);
        read<v1::Message>(request, sent, size, [](const auto& message) { return logged(message); });

        while (response.messages_size() < size) {
            auto& newest = *std::ranges::max_element(sides, begins_older);
            if (newest.messages.empty()) break;
            *response.add_messages() = std::move(newest.messages.front());
            newest.messages.pop_front();
            ++newest.taken;
        }
        std::string token;
        bool more = false;
        for (const auto& side : sides) {
            const auto own = token_of(request, side);
            more = more || own != kAtItsEnd;
            token += (token.empty() ? "" : std::string(1, kBetween)) + own;
        }
        if (more)
            response.set_next_page_token(doors_.read_model.token_for(question_of(request), token));
    }

    // What is listed: a token goes on with this and nothing else.
    static std::string question_of(const v1::ListMessageLogRequest& request) {
        return request.parent() + "/messageLog/" + std::to_string(request.direction()) + "/" +
               request.customer_id();
    }

    void take_up(Sides& sides, const v1::ListMessageLogRequest& request) {
        auto places =
            service::place_of(doors_.read_model, question_of(request), request.page_token());
        for (std::size_t n = 0; n < sides.size(); ++n) {
            const auto between = places.find(kBetween);
            if ((between == std::string::npos) != (n + 1 == sides.size()))
                throw service::bad_page_token();
            auto token = places.substr(0, between);
            places.erase(0, between == std::string::npos ? places.size() : between + 1);
            sides[n].at_end = sides[n].at_end || token == kAtItsEnd;
            sides[n].token = std::move(token);
        }
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

    // Does the first list begin with an older message than the second one?
    static bool begins_older(const Side& a, const Side& b) {
        if (a.messages.empty() || b.messages.empty())
            return a.messages.empty() && !b.messages.empty();
        return time_of(a.messages.front().create_time()) <
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
